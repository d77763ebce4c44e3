// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Overview
 *
 * DRM accel driver for NPUs that implement Documentation/hardware/. One file
 * per noun:
 *
 * ====================  ======================================================
 * npu_drv.c             module, files, ioctl table, DEV_QUERY
 * npu_device.c          probe, capabilities, function reset, removal
 * npu_gem.c             buffers
 * npu_reclaim.c         giving them back under memory pressure
 * npu_userptr.c         user memory in place of buffers
 * npu_client.c          limits of each open file
 * npu_vm.c, npu_mmu.c   address spaces: what is mapped, page tables, TLB
 * npu_bind.c            their changes, at once or when a fence has signalled
 * npu_queue.c           queues: rings, completion, hang watch
 * npu_job.c             submission, drm_sched
 * npu_sync.c            syncobjs to wait for and to signal
 * npu_fence.c           the fences that the world sees
 * npu_slot.c            which queue has a hardware slot; stopping and resets
 * npu_wedge.c           uevents of resets and losses
 * npu_coredump.c        what is written down of an incident
 * npu_event.c           interrupts, event ring
 * npu_pm.c              power
 * npu_notify.c          events for user space
 * npu_fdinfo.c          what a file uses
 * npu_sysfs.c           what the device does; npu_hwmon.c: its sensors
 * npu_debugfs.c         what there is inside; npu_history.c: what went wrong
 * npu_trace.h           tracepoints
 * npu_platform.c        platform devices
 * npu_pci.c             PCI devices
 * ====================  ======================================================
 *
 * Locking order, outermost first:
 *
 * 1. npu_vm.link_lock
 * 2. reservation objects (dma_resv), through drm_exec where several
 * 3. npu_vm.lock, inside it npu_vm.userptr_lock, inside it npu_queue.submit_lock; apart
 *    from these npu_vm.bind_lock; fence signalling path from here on: no GFP_KERNEL
 * 4. lists of who maps a buffer (npu_gpuva_lock()); npu_pm.lock
 * 5. npu_device.slots.lock
 * 6. npu_device.events.lock (spinlock, hard interrupt)
 * 7. npu_queue.lock (spinlock, hard interrupt)
 * 8. npu_device.slots.pending_lock, npu_device.tlb.lock, fence locks,
 *    drm_device.event_lock, npu_usage.lock, npu_history.lock, npu_wedge.lock,
 *    npu_device.reclaim.lock
 *
 * npu_device.objects.lock comes before npu_vm.lock.
 *
 * All from 3 on, but spinlocks aside, are taken in memory reclaim (npu_reclaim.c), and so
 * is npu_device.objects.lock: nothing is allocated under them. Reclaim only tries to lock
 * reservations.
 *
 * npu_device.objects.import_lock is outside of everything: inside it an exporter takes
 * the reservation of its dma-buf. So is npu_userptr.populate_lock, inside which the
 * process's memory is faulted in.
 *
 * A section of npu_dev_enter() is like a lock that removal takes. It may allocate, and so
 * wait for fences: removal ends all jobs before it waits for the sections. It does not
 * wait for what only user space can end, page faults among that.
 */
#include <linux/module.h>
#include <linux/uaccess.h>

#include <drm/drm_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_ioctl.h>

#include "npu_bind.h"
#include "npu_client.h"
#include "npu_compat.h"
#include "npu_device.h"
#include "npu_drv.h"
#include "npu_fdinfo.h"
#include "npu_gem.h"
#include "npu_job.h"
#include "npu_pci.h"
#include "npu_notify.h"
#include "npu_queue.h"
#include "npu_reclaim.h"
#include "npu_vm.h"

struct workqueue_struct *npu_close_wq;
struct workqueue_struct *npu_import_wq;
struct workqueue_struct *npu_release_wq;

/* ---- DEV_QUERY ----------------------------------------------------------------- */

static void npu_query_device(struct npu_device *npu, struct drm_npu_device_info *info)
{
	const struct npu_caps *caps = &npu->caps;

	*info = (struct drm_npu_device_info) {
		.hw_version = caps->version,
		.isa_version = caps->isa,
		.isa_features = caps->isa_features,
		.cores = caps->cores,
		.slots = caps->slots,
		.page_sizes = caps->page_sizes,
		.va_bits = caps->va_bits,
		.layouts = caps->layouts,
		.clock_khz = caps->clock_khz,
		.macs_per_cycle = caps->macs_per_cycle,
		.macs_max_order = caps->macs_max_order,
		.bytes_max_order = caps->bytes_max_order,
		.ring_jobs = NPU_RING_JOBS,
		.hang_timeout_ms = NPU_HANG_TIMEOUT_MS,
	};
}

static int npu_query_time(struct npu_device *npu, struct drm_npu_time_info *info)
{
	int ret, idx;

	if (!npu_dev_enter(npu, &idx))
		return -ENODEV;
	ret = npu_pm_get(npu);
	if (!ret) {
		/* It is on, unless its bus is about to reset it. */
		ret = -EAGAIN;
		if (npu_pm_enter(npu)) {
			guard(irqsave)();
			info->monotonic_ns = ktime_get_ns();
			info->device_ns = npu_device_time(npu);
			ret = 0;
		}
		npu_pm_exit(npu);
		npu_pm_put(npu);
	}
	drm_dev_exit(idx);
	return ret;
}

static void npu_query_priorities(struct drm_npu_priority_info *info)
{
	u32 priority;

	info->allowed = 0;
	for (priority = 0; priority < NPU_PRIORITIES; priority++) {
		if (!npu_queue_check_priority(priority))
			info->allowed |= BIT(priority);
	}
}

static int npu_query_copy(struct drm_npu_dev_query *args, const void *info, u32 size)
{
	void __user *ptr = u64_to_user_ptr(args->ptr);
	u32 room = args->size;

	if (room > PAGE_SIZE)
		return -E2BIG;
	args->size = size;
	if (!args->ptr)
		return 0;
	if (copy_to_user(ptr, info, min(room, size)))
		return -EFAULT;
	if (room > size && clear_user(ptr + size, room - size))
		return -EFAULT;
	return 0;
}

static int npu_dev_query_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct npu_device *npu = to_npu_device(drm);
	struct drm_npu_dev_query *args = data;
	union {
		struct drm_npu_device_info device;
		struct drm_npu_time_info time;
		struct drm_npu_priority_info priorities;
	} info;
	int ret;

	switch (args->type) {
	case DRM_NPU_QUERY_DEVICE:
		npu_query_device(npu, &info.device);
		return npu_query_copy(args, &info.device, sizeof(info.device));
	case DRM_NPU_QUERY_TIME:
		ret = npu_query_time(npu, &info.time);
		return ret ?: npu_query_copy(args, &info.time, sizeof(info.time));
	case DRM_NPU_QUERY_PRIORITIES:
		npu_query_priorities(&info.priorities);
		return npu_query_copy(args, &info.priorities, sizeof(info.priorities));
	default:
		return -EINVAL;
	}
}

/* ---- Files ----------------------------------------------------------------------- */

static int npu_open(struct drm_device *drm, struct drm_file *file)
{
	struct npu_file *nf;

	nf = kzalloc(sizeof(*nf), GFP_KERNEL_ACCOUNT);
	if (!nf)
		return -ENOMEM;
	nf->usage = npu_usage_create();
	nf->client = npu_client_create();
	if (!nf->usage || !nf->client) {
		npu_client_put(nf->client);
		npu_usage_put(nf->usage);
		kfree(nf);
		return -ENOMEM;
	}
	xa_init_flags(&nf->vms, XA_FLAGS_ALLOC1);
	xa_init_flags(&nf->queues, XA_FLAGS_ALLOC1);
	file->driver_priv = nf;
	npu_notify_open(file);
	return 0;
}

static void npu_postclose(struct drm_device *drm, struct drm_file *file)
{
	struct npu_file *nf = to_npu_file(file);
	struct npu_queue *queue;
	struct npu_vm *vm;
	unsigned long id;

	xa_for_each(&nf->queues, id, queue)
		npu_queue_close(queue);
	xa_for_each(&nf->vms, id, vm)
		npu_vm_close(vm);
	xa_destroy(&nf->queues);
	xa_destroy(&nf->vms);
	npu_usage_put(nf->usage);
	npu_client_put(nf->client);
	kfree(nf);
}

#define NPU_IOCTL(name, func)	DRM_IOCTL_DEF_DRV(NPU_##name, func, 0)

static const struct drm_ioctl_desc npu_ioctls[] = {
	NPU_IOCTL(DEV_QUERY, npu_dev_query_ioctl),
	NPU_IOCTL(BO_CREATE, npu_bo_create_ioctl),
	NPU_IOCTL(BO_MMAP_OFFSET, npu_bo_mmap_offset_ioctl),
	NPU_IOCTL(BO_INFO, npu_bo_info_ioctl),
	NPU_IOCTL(BO_LABEL, npu_bo_label_ioctl),
	NPU_IOCTL(BO_SYNC, npu_bo_sync_ioctl),
	NPU_IOCTL(BO_MADVISE, npu_bo_madvise_ioctl),
	NPU_IOCTL(VM_CREATE, npu_vm_create_ioctl),
	NPU_IOCTL(VM_DESTROY, npu_vm_destroy_ioctl),
	NPU_IOCTL(VM_GET_STATE, npu_vm_get_state_ioctl),
	NPU_IOCTL(VM_BIND, npu_vm_bind_ioctl),
	NPU_IOCTL(QUEUE_CREATE, npu_queue_create_ioctl),
	NPU_IOCTL(QUEUE_DESTROY, npu_queue_destroy_ioctl),
	NPU_IOCTL(QUEUE_GET_STATE, npu_queue_get_state_ioctl),
	NPU_IOCTL(SUBMIT, npu_submit_ioctl),
	NPU_IOCTL(PERF_QUERY, npu_perf_query_ioctl),
};

static const struct file_operations npu_fops = {
	.owner = THIS_MODULE,
	DRM_ACCEL_FOPS,
	.show_fdinfo = drm_show_fdinfo,
};

/*
 * Versions of the user API:
 * - 1.0 - first version
 */
const struct drm_driver npu_drm_driver = {
	.driver_features = DRIVER_COMPUTE_ACCEL | DRIVER_GEM | DRIVER_GEM_GPUVA |
			   DRIVER_SYNCOBJ | DRIVER_SYNCOBJ_TIMELINE,
	.name = "npu",
	.desc = "Neural processing unit",
	.major = 1,
	.minor = 0,
	.fops = &npu_fops,
	.open = npu_open,
	.postclose = npu_postclose,
	.show_fdinfo = npu_show_fdinfo,
	.ioctls = npu_ioctls,
	.num_ioctls = ARRAY_SIZE(npu_ioctls),
	.gem_prime_import = npu_gem_prime_import,
	.gem_prime_import_sg_table = npu_gem_prime_import_sg_table,
};

/* ---- Module ------------------------------------------------------------------------ */

static void npu_destroy_workqueues(void)
{
	struct workqueue_struct *all[] = { npu_close_wq, npu_import_wq, npu_release_wq };
	unsigned int i;

	/* In this order: the first feeds the last. */
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i])
			destroy_workqueue(all[i]);
	}
}

static int __init npu_init(void)
{
	int ret;

	ret = npu_jobs_init();
	if (ret)
		return ret;
	ret = -ENOMEM;
	npu_close_wq = alloc_workqueue("npu-close", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	npu_import_wq = alloc_workqueue("npu-import", WQ_UNBOUND, 0);
	npu_release_wq = alloc_workqueue("npu-release", WQ_UNBOUND, 0);
	if (!npu_close_wq || !npu_import_wq || !npu_release_wq)
		goto err_workqueues;
	ret = npu_platform_register();
	if (ret)
		goto err_workqueues;
	ret = npu_pci_register();
	if (ret)
		goto err_platform;
	return 0;

err_platform:
	npu_platform_unregister();
err_workqueues:
	npu_destroy_workqueues();
	/* As in npu_exit(): platform devices may have come and gone. */
	rcu_barrier();
	npu_jobs_fini();
	return ret;
}

static void __exit npu_exit(void)
{
	npu_pci_unregister();
	npu_platform_unregister();
	npu_destroy_workqueues();
	/* RCU callbacks of fences hold the module; those of xarrays do not. */
	rcu_barrier();
	npu_jobs_fini();
}

module_init(npu_init);
module_exit(npu_exit);

MODULE_DESCRIPTION("DRM accel driver for neural processing units");
MODULE_LICENSE("GPL");
NPU_MODULE_IMPORT_NS(DMA_BUF);

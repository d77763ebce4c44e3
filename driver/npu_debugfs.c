// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: debugfs
 *
 * /sys/kernel/debug/accel/DEVICE has these files, of all users of the device.
 * Nothing of them is user ABI.
 *
 * ========  ===================================================================
 * objects   how many there are, what the hardware did that it must not do, and how
 *           often buffers were evicted, purged and brought back into a VM
 * queues    owner, priority, state, slot, counts of jobs
 * vms       address-space id, mappings, leaves of their page tables, user memory
 * bos       size, handles, what keeps the pages, whether there are any, label
 * rings     jobs in the rings, as the hardware finds them
 * faults    the last NPU_HISTORY_SIZE queues that were banned, and why
 * ========  ===================================================================
 */
#include <linux/list.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <drm/drm_debugfs.h>

#include "npu_device.h"
#include "npu_drv.h"
#include "npu_gem.h"
#include "npu_queue.h"
#include "npu_vm.h"

static struct npu_device *seq_to_npu(struct seq_file *m)
{
	struct drm_debugfs_entry *entry = m->private;

	return to_npu_device(entry->dev);
}

static int npu_debugfs_objects(struct seq_file *m, void *data)
{
	struct npu_device *npu = seq_to_npu(m);
	unsigned long id, queues = 0;
	void *queue;
	size_t bos;

	scoped_guard(mutex, &npu->objects.lock) {
		seq_printf(m, "vms: %zu\n", list_count_nodes(&npu->objects.vms));
		bos = list_count_nodes(&npu->objects.bos);
	}
	scoped_guard(mutex, &npu->objects.import_lock)
		bos += list_count_nodes(&npu->objects.imports);
	seq_printf(m, "bos: %zu\n", bos);
	scoped_guard(rcu)
		xa_for_each(&npu->queues, id, queue)
			queues++;
	seq_printf(m, "queues: %lu\n", queues);

	seq_printf(m, "bad sequences: %d\n", atomic_read(&npu->errors.bad_sequence));
	seq_printf(m, "bad events: %d\n", atomic_read(&npu->errors.bad_event));
	seq_printf(m, "event overflows: %d\n", atomic_read(&npu->errors.overflow));
	seq_printf(m, "core resets: %d\n", atomic_read(&npu->errors.core_resets));
	seq_printf(m, "function resets: %d\n", atomic_read(&npu->errors.resets));
	seq_printf(m, "evictions: %d\n", atomic_read(&npu->reclaim.evictions));
	seq_printf(m, "purges: %d\n", atomic_read(&npu->reclaim.purges));
	seq_printf(m, "restores: %d\n", atomic_read(&npu->reclaim.restores));
	return 0;
}

static int npu_debugfs_queues(struct seq_file *m, void *data)
{
	struct npu_device *npu = seq_to_npu(m);
	struct npu_queue *queue;
	unsigned long id;

	guard(rcu)();
	xa_for_each(&npu->queues, id, queue)
		seq_printf(m, "%u: %s pid %d asid %u priority %u state %#x%s slot %d submitted %llu emitted %llu completed %llu finished %llu cycles %llu\n",
			   queue->id, queue->comm, queue->pid, queue->vm->pt.asid,
			   queue->priority, READ_ONCE(queue->state),
			   READ_ONCE(queue->dead) ? " dead" : "", READ_ONCE(queue->slot),
			   READ_ONCE(queue->submitted), READ_ONCE(queue->emitted),
			   READ_ONCE(queue->completed), READ_ONCE(queue->finished),
			   READ_ONCE(queue->accounted));
	return 0;
}

static int npu_debugfs_vms(struct seq_file *m, void *data)
{
	struct npu_device *npu = seq_to_npu(m);
	struct npu_vm *vm;
	u64 blocks, pages;

	guard(mutex)(&npu->objects.lock);
	list_for_each_entry(vm, &npu->objects.vms, node) {
		guard(mutex)(&vm->lock);
		npu_pt_count(&vm->pt, &blocks, &pages);
		seq_printf(m, "asid %u: users %u mappings %llu mapped %llu blocks %llu pages %llu userptrs %zu\n",
			   vm->pt.asid, kref_read(&vm->ref), vm->mappings, vm->mapped, blocks,
			   pages, list_count_nodes(&vm->userptrs));
	}
	return 0;
}

static const char *npu_bo_residency(struct npu_bo *bo)
{
	if (drm_gem_is_imported(&bo->base))
		return " imported";
	if (READ_ONCE(bo->purged))
		return " purged";
	return READ_ONCE(bo->pages) ? "" : " evicted";
}

/* The caller holds npu_device.objects.lock, for the label. */
static void npu_bo_show(struct seq_file *m, struct npu_bo *bo)
{
	struct drm_gem_object *obj = &bo->base;

	seq_printf(m, "size %zu users %u handles %u flags %#x vm %u pins %u%s%s%s%s\n", obj->size,
		   kref_read(&obj->refcount), READ_ONCE(obj->handle_count), bo->flags,
		   bo->vm_id, READ_ONCE(bo->pins), npu_bo_residency(bo),
		   READ_ONCE(bo->dontneed) ? " dontneed" : "", bo->label ? " " : "",
		   bo->label ?: "");
}

static int npu_debugfs_bos(struct seq_file *m, void *data)
{
	struct npu_device *npu = seq_to_npu(m);
	struct npu_bo *bo;

	guard(mutex)(&npu->objects.import_lock);
	guard(mutex)(&npu->objects.lock);
	list_for_each_entry(bo, &npu->objects.bos, node)
		npu_bo_show(m, bo);
	list_for_each_entry(bo, &npu->objects.imports, node)
		npu_bo_show(m, bo);
	return 0;
}

/* What is in a ring, copied with the queue's lock held. */
struct npu_ring_copy {
	u64 completed;
	u64 emitted;
	struct npu_job_desc job[NPU_RING_JOBS];
};

static bool npu_ring_copy(struct npu_queue *queue, struct npu_ring_copy *copy)
{
	guard(spinlock_irqsave)(&queue->lock);

	copy->completed = queue->completed;
	copy->emitted = queue->emitted;
	if (queue->ring)
		memcpy(copy->job, queue->ring, sizeof(copy->job));
	return queue->ring && copy->completed != copy->emitted;
}

static void npu_ring_show(struct seq_file *m, u32 id, const struct npu_ring_copy *copy)
{
	const struct npu_job_desc *job;
	u64 n;

	seq_printf(m, "queue %u: %llu jobs\n", id, copy->emitted - copy->completed);
	for (n = copy->completed; n < copy->emitted; n++) {
		job = &copy->job[n % NPU_RING_JOBS];
		seq_printf(m, "  %llu: stream %#llx size %u bases %#llx count %u flags %#x\n",
			   le64_to_cpu(job->sequence), le64_to_cpu(job->stream_va),
			   le32_to_cpu(job->stream_size), le64_to_cpu(job->bases_va),
			   le32_to_cpu(job->bases), le32_to_cpu(job->flags));
	}
}

static int npu_debugfs_rings(struct seq_file *m, void *data)
{
	struct npu_device *npu = seq_to_npu(m);
	struct npu_ring_copy *copy;
	struct npu_queue *queue;
	unsigned long id;

	copy = kmalloc(sizeof(*copy), GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	scoped_guard(rcu) {
		xa_for_each(&npu->queues, id, queue) {
			if (npu_ring_copy(queue, copy))
				npu_ring_show(m, queue->id, copy);
		}
	}
	kfree(copy);
	return 0;
}

static int npu_debugfs_faults(struct seq_file *m, void *data)
{
	npu_history_show(seq_to_npu(m), m);
	return 0;
}

static const struct drm_debugfs_info npu_debugfs_files[] = {
	{ "objects", npu_debugfs_objects },
	{ "queues", npu_debugfs_queues },
	{ "vms", npu_debugfs_vms },
	{ "bos", npu_debugfs_bos },
	{ "rings", npu_debugfs_rings },
	{ "faults", npu_debugfs_faults },
};

/**
 * npu_debugfs_init() - add the files of a device
 * @npu: device, before it is registered
 */
void npu_debugfs_init(struct npu_device *npu)
{
	drm_debugfs_add_files(&npu->drm, npu_debugfs_files, ARRAY_SIZE(npu_debugfs_files));
}

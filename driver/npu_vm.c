// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Address spaces
 *
 * A VM is a drm_gpuvm (what is mapped where), page tables (npu_mmu.c) and a queue of
 * changes that are still to be made (npu_bind.c). It ends with its last user: the
 * file's handle, queues, changes in progress. What is mapped goes with it.
 *
 * npu_vm.lock protects what is mapped. It is taken in the fence signalling path and
 * in memory reclaim: nothing is allocated under it, and no reservation is locked.
 */
#include <linux/cleanup.h>
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/npu_accel.h>

#include "npu_bind.h"
#include "npu_client.h"
#include "npu_compat.h"
#include "npu_drv.h"
#include "npu_gem.h"
#include "npu_userptr.h"
#include "npu_vm.h"

static void npu_vm_free(struct drm_gpuvm *gpuvm)
{
	struct npu_vm *vm = to_npu_vm(gpuvm);

	mutex_destroy(&vm->bind_lock);
	mutex_destroy(&vm->lock);
	drm_dev_put(&vm->npu->drm);
	kfree(vm);
}

static const struct drm_gpuvm_ops npu_gpuvm_ops = {
	.vm_free = npu_vm_free,
	.vm_bo_validate = npu_vm_bo_validate,
	.sm_step_map = npu_bind_step_map,
	.sm_step_remap = npu_bind_step_remap,
	.sm_step_unmap = npu_bind_step_unmap,
};

/* ---- Life ------------------------------------------------------------------- */

static int npu_vm_init_sched(struct npu_vm *vm)
{
	struct drm_gpu_scheduler *sched = &vm->sched;
	const struct drm_sched_init_args args = {
		.ops = &npu_bind_sched_ops,
		.submit_wq = vm->npu->bind_wq,
		.num_rqs = 1,
		.credit_limit = 1,
		.timeout = MAX_SCHEDULE_TIMEOUT,
		.name = vm->name,
		.dev = vm->npu->drm.dev,
	};
	int ret;

	ret = drm_sched_init(sched, &args);
	if (ret)
		return ret;
	ret = drm_sched_entity_init(&vm->entity, 0, &sched, 1, NULL);
	if (ret)
		drm_sched_fini(sched);
	return ret;
}

static void npu_vm_fini_sched(struct npu_vm *vm)
{
	drm_sched_entity_fini(&vm->entity);
	drm_sched_fini(&vm->sched);
	/* A change that was just freed may have asked for one more round. */
	cancel_work_sync(&vm->sched.work_run_job);
	dma_fence_put(vm->last_bind);
}

/**
 * npu_vm_create() - make an empty address space
 * @npu: device; the caller is inside npu_dev_enter()
 *
 * Return: a reference, or an error pointer.
 */
struct npu_vm *npu_vm_create(struct npu_device *npu)
{
	struct drm_gem_object *root;
	struct npu_vm *vm;
	int ret;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);

	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	/* lockdep learns the order at once, and not when memory gets scarce. */
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(&vm->lock);
	fs_reclaim_release(GFP_KERNEL);
	mutex_init(&vm->bind_lock);
	init_rwsem(&vm->link_lock);
	init_rwsem(&vm->userptr_lock);
	INIT_LIST_HEAD(&vm->userptrs);
	INIT_LIST_HEAD(&vm->invalid_userptrs);
	vm->npu = npu;
	vm->fence_context = dma_fence_context_alloc(1);

	root = drm_gpuvm_resv_object_alloc(&npu->drm);
	ret = root ? npu_pt_init(&vm->pt, npu) : -ENOMEM;
	if (ret)
		goto err_free;
	snprintf(vm->name, sizeof(vm->name), "npu%d-vm%u", npu->drm.accel->index, vm->pt.asid);
	ret = npu_vm_init_sched(vm);
	if (ret)
		goto err_pt;

	drm_dev_get(&npu->drm);
	drm_gpuvm_init(&vm->gpuvm, "npu", DRM_GPUVM_IMMEDIATE_MODE, &npu->drm, root,
		       0, 1ull << npu->caps.va_bits, 0, 0, &npu_gpuvm_ops);
	drm_gem_object_put(root);

	scoped_guard(mutex, &npu->objects.lock)
		list_add_tail(&vm->node, &npu->objects.vms);
	return vm;

err_pt:
	npu_pt_fini(&vm->pt);
err_free:
	if (root)
		drm_gem_object_put(root);
	mutex_destroy(&vm->bind_lock);
	mutex_destroy(&vm->lock);
	kfree(vm);
	return ERR_PTR(ret);
}

static void npu_vm_destroy(struct kref *ref)
{
	struct npu_vm *vm = container_of(ref, struct npu_vm, ref);
	struct npu_device *npu = vm->npu;
	struct drm_gpuva *va, *next;
	LIST_HEAD(removed);
	int idx;

	/* Each change that was pending had a reference. */
	npu_vm_fini_sched(vm);

	scoped_guard(mutex, &vm->lock) {
		drm_gpuvm_for_each_va_safe(va, next, &vm->gpuvm) {
			drm_gpuva_remove(va);
			npu_va_remove(va, &removed);
		}
	}

	if (npu_dev_enter(npu, &idx)) {
		npu_tlb_invalidate(npu, vm->pt.asid, 0, 0);
		drm_dev_exit(idx);
	}
	scoped_guard(mutex, &npu->objects.lock) {
		list_del(&vm->node);
		npu_userptrs_unmap(vm);
		npu_pt_fini(&vm->pt);
	}

	if (npu->unsafe)
		return;
	npu_vas_free(vm, &removed);
	drm_gpuvm_put(&vm->gpuvm);
}

/**
 * npu_vm_close() - end the use of an address space by its file
 * @vm: takes over the reference of the file's handle
 *
 * Changes that are pending are not made any more.
 */
void npu_vm_close(struct npu_vm *vm)
{
	scoped_guard(mutex, &vm->bind_lock)
		WRITE_ONCE(vm->closed, true);
	npu_vm_put(vm);
}

struct npu_vm *npu_vm_get(struct npu_vm *vm)
{
	kref_get(&vm->ref);
	return vm;
}

/**
 * npu_vm_put() - drop a user; may sleep
 * @vm: address space or NULL
 */
void npu_vm_put(struct npu_vm *vm)
{
	if (vm)
		kref_put(&vm->ref, npu_vm_destroy);
}

/**
 * npu_vm_lookup() - find a VM by its id
 * @file: whose id
 * @id: from VM_CREATE
 *
 * Return: a reference, or NULL.
 */
struct npu_vm *npu_vm_lookup(struct drm_file *file, u32 id)
{
	struct xarray *vms = &to_npu_file(file)->vms;
	struct npu_vm *vm;

	xa_lock(vms);
	vm = xa_load(vms, id);
	if (vm)
		npu_vm_get(vm);
	xa_unlock(vms);
	return vm;
}

/**
 * npu_vm_unplug_all() - free all page tables, end the DMA mappings of user memory
 * @npu: device that is unplugged and does no DMA any more
 *
 * The address spaces themselves go with their last users.
 */
void npu_vm_unplug_all(struct npu_device *npu)
{
	struct npu_vm *vm;

	guard(mutex)(&npu->objects.lock);
	npu_binds_unplug(npu);
	list_for_each_entry(vm, &npu->objects.vms, node) {
		npu_userptrs_unmap(vm);
		npu_pt_fini(&vm->pt);
	}
}

static size_t npu_vm_copy_page(struct npu_vm *vm, u64 va, void *to, size_t size)
{
	struct drm_gpuva *gpuva = drm_gpuva_find_first(&vm->gpuvm, va, 1);
	size_t skip = offset_in_page(va);
	struct page *page = NULL;

	/* Pages of a buffer that is mapped stay: who takes them needs the lock. */
	if (gpuva && gpuva->gem.obj && !gpuva->vm_bo->evicted)
		page = npu_gem_page(gpuva->gem.obj,
				    (gpuva->gem.offset + va - gpuva->va.addr) >> PAGE_SHIFT);
	if (!page)
		return 0;
	size = min(size, PAGE_SIZE - skip);
	memcpy_from_page(to, page, skip, size);
	return size;
}

/**
 * npu_vm_copy() - read memory as the device does, for debugging
 * @vm: address space, with its lock held; in the fence signalling path
 * @va: where to begin
 * @to: @size bytes
 * @size: how much is wanted
 *
 * What a device that is not coherent has not written back is read as it was.
 *
 * Return: how many bytes could be read, up to the first that is not mapped or has no
 * page that the CPU can reach.
 */
size_t npu_vm_copy(struct npu_vm *vm, u64 va, void *to, size_t size)
{
	size_t n, done = 0;

	lockdep_assert_held(&vm->lock);

	while (done < size) {
		/* User space says what the address is. */
		if (va + done < va)
			break;
		n = npu_vm_copy_page(vm, va + done, to + done, size - done);
		if (!n)
			break;
		done += n;
	}
	return done;
}

int npu_vm_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct npu_device *npu = to_npu_device(drm);
	struct npu_file *nf = to_npu_file(file);
	struct drm_npu_vm_create *args = data;
	struct npu_vm *vm;
	int ret, idx;
	u32 id;

	if (args->flags || args->vm_id)
		return -EINVAL;
	ret = npu_client_take_vm(nf->client);
	if (ret)
		return ret;

	vm = ERR_PTR(-ENODEV);
	if (npu_dev_enter(npu, &idx)) {
		vm = npu_vm_create(npu);
		drm_dev_exit(idx);
	}
	ret = PTR_ERR_OR_ZERO(vm);
	if (ret)
		goto err_client;
	/* 1 says that the numbers begin anew. */
	ret = xa_alloc_cyclic(&nf->vms, &id, vm, xa_limit_31b, &nf->next_vm, GFP_KERNEL_ACCOUNT);
	if (ret < 0)
		goto err_vm;
	args->vm_id = id;
	return 0;

err_vm:
	npu_vm_put(vm);
err_client:
	npu_client_give_vm(nf->client);
	return ret == -EBUSY ? -ENOSPC : ret;
}

int npu_vm_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct npu_file *nf = to_npu_file(file);
	struct drm_npu_vm_destroy *args = data;
	struct npu_vm *vm;

	if (args->pad)
		return -EINVAL;

	vm = xa_erase(&nf->vms, args->vm_id);
	if (!vm)
		return -ENOENT;
	npu_client_give_vm(nf->client);
	npu_vm_close(vm);
	return 0;
}

int npu_vm_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_npu_vm_get_state *args = data;
	struct npu_vm *vm;

	if (args->pending || args->mappings || args->mapped)
		return -EINVAL;

	vm = npu_vm_lookup(file, args->vm_id);
	if (!vm)
		return -ENOENT;

	scoped_guard(mutex, &vm->lock) {
		args->mappings = vm->mappings;
		args->mapped = vm->mapped;
	}
	args->pending = atomic_read(&vm->pending);
	npu_vm_put(vm);
	return 0;
}

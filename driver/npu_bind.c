// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Changing an address space
 *
 * A VM_BIND goes through these steps:
 *
 * 1. Prepare, in the ioctl: copy, check and look up everything; allocate all
 *    mappings and page tables that the operations can need at worst, whatever the
 *    address space looks like by then. Buffers become resident and join the VM here: a
 *    SUBMIT that follows fences them, even if the change itself is still to come.
 * 2. Run, under npu_vm.lock: change the drm_gpuvm tree and the page tables,
 *    invalidate the TLB and wait. Nothing of this allocates or fails, which makes
 *    an array of operations atomic. When it is done, no access through an old
 *    mapping is in flight and none can start.
 * 3. Clean up: drop what the removed mappings held, that is buffers with their
 *    pages, and the page tables that were not needed.
 *
 * A synchronous call does one after the other. An asynchronous one hands step 2 to
 * the bind queue of the VM, a drm_sched scheduler with one entity and a workqueue
 * of its own (npu_device.bind_wq), since step 2 waits for the device. There it
 * waits for its syncobjs and for all changes before it. Step 2 is in the fence
 * signalling path either way, and the code is the same. Step 3 is not, and goes to
 * npu_release_wq.
 *
 * Synchronous calls come after the asynchronous ones that were made before: they
 * wait for the last of those, interruptibly, while nothing has been changed.
 *
 * A buffer may be evicted (npu_reclaim.c) at any moment when no job needs it, also between
 * the steps. Whether a VM has page table entries for it is drm_gpuvm_bo.evicted, which
 * changes under npu_vm.lock: step 2 makes the mapping but writes no entries then, and
 * the next SUBMIT makes up for it.
 *
 * The fence of an asynchronous change is an npu_fence (npu_fence.c) of the VM's
 * timeline. It ends with -ECANCELED if the VM was destroyed before the change was
 * made, with -ENODEV if the device has gone by then, else with 0. A pending change
 * holds the address space, and ends in bounded time after the fences that it waits
 * for.
 */
#include <linux/cleanup.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>

#include <drm/drm_exec.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>
#include <drm/npu_accel.h>

#include "npu_bind.h"
#include "npu_compat.h"
#include "npu_drv.h"
#include "npu_fence.h"
#include "npu_gem.h"
#include "npu_sync.h"
#include "npu_trace.h"
#include "npu_userptr.h"
#include "npu_vm.h"

/**
 * struct npu_bind_op - one operation with all it can need
 * @va: first address
 * @size: bytes
 * @offset: into @obj; of user memory the address
 * @obj: MAP: buffer, a reference; else NULL
 * @userptr: MAP_USERPTR: user memory, a reference; else NULL
 * @flags: of the new mapping
 * @vm_bo: association of buffer and VM for the new mapping, a reference
 * @spare: for the new mapping and for what is left on both sides of a split
 * @spares: how many are left
 */
struct npu_bind_op {
	u64 va;
	u64 size;
	u64 offset;
	struct drm_gem_object *obj;
	struct npu_userptr *userptr;
	enum drm_gpuva_flags flags;
	struct drm_gpuvm_bo *vm_bo;
	struct npu_va *spare[3];
	unsigned int spares;
};

/**
 * struct npu_bind - a change of an address space
 * @base: what drm_sched knows of an asynchronous one
 * @vm: address space, a reference
 * @fence: of an asynchronous one; a reference once it is initialised
 * @pool: page tables
 * @op: operations
 * @ops: how many
 * @current_op: the one that is being done
 * @removed: mappings taken out of the tree, drm_gpuva.rb.entry
 * @first: lowest address that lost its translation
 * @last: end of the highest one
 * @node: in npu_device.objects.binds
 * @free_work: third step of an asynchronous one
 */
struct npu_bind {
	struct drm_sched_job base;
	struct npu_vm *vm;
	struct npu_fence *fence;
	struct npu_pt_pool pool;
	struct npu_bind_op *op;
	u32 ops;
	struct npu_bind_op *current_op;
	struct list_head removed;
	u64 first;
	u64 last;
	struct list_head node;
	struct work_struct free_work;
};

static bool npu_bind_op_maps(const struct npu_bind_op *op)
{
	return op->obj || op->userptr;
}

/* ---- Mappings --------------------------------------------------------------- */

/* The last reference may go only where nobody is looking at the buffers of the VM. */
static void npu_vm_bo_put(struct npu_vm *vm, struct drm_gpuvm_bo *vm_bo)
{
	struct drm_gem_object *obj = vm_bo->obj;

	/* It may have the last reference of the buffer, whose locks we hold. */
	drm_gem_object_get(obj);
	down_write(&vm->link_lock);
	dma_resv_lock(obj->resv, NULL);
	npu_gpuva_lock(obj);
	drm_gpuvm_bo_put(vm_bo);
	npu_gpuva_unlock(obj);
	dma_resv_unlock(obj->resv);
	up_write(&vm->link_lock);
	drm_gem_object_put(obj);
}

/**
 * npu_va_remove() - forget a mapping that is out of the tree
 * @va: mapping; keeps its memory. The caller holds npu_vm.lock
 * @removed: for npu_vas_free()
 */
void npu_va_remove(struct drm_gpuva *va, struct list_head *removed)
{
	struct drm_gem_object *obj = va->gem.obj;

	if (to_npu_va(va)->userptr) {
		list_del(&to_npu_va(va)->userptr_node);
	} else {
		npu_gpuva_lock(obj);
		to_npu_va(va)->vm_bo = drm_gpuvm_bo_get(va->vm_bo);
		drm_gpuva_unlink(va);
		npu_gpuva_unlock(obj);
	}
	list_add_tail(&va->rb.entry, removed);
}

/**
 * npu_vas_free() - let removed mappings go, with the memory that only they held
 * @vm: address space
 * @removed: the device does not use them any more
 */
void npu_vas_free(struct npu_vm *vm, struct list_head *removed)
{
	struct drm_gpuva *va, *next;

	list_for_each_entry_safe(va, next, removed, rb.entry) {
		if (to_npu_va(va)->userptr)
			npu_userptr_put(to_npu_va(va)->userptr);
		else
			npu_vm_bo_put(vm, to_npu_va(va)->vm_bo);
		kfree(to_npu_va(va));
	}
}

static void npu_va_write(struct npu_vm *vm, struct npu_pt_pool *pool, struct drm_gpuva *va)
{
	npu_pt_map(&vm->pt, pool, va->va.addr, va->va.range, to_npu_bo(va->gem.obj)->sgt,
		   va->gem.offset, !(va->flags & NPU_VA_READONLY));
}

static void npu_va_link(struct drm_gpuva *va, struct drm_gpuvm_bo *vm_bo)
{
	npu_gpuva_lock(va->gem.obj);
	drm_gpuva_link(va, vm_bo);
	npu_gpuva_unlock(va->gem.obj);
}

/* ---- Eviction ----------------------------------------------------------------- */

/**
 * npu_vm_bo_evict() - take a buffer's page table entries out of a VM
 * @vm_bo: association of both; the buffer is idle, and its reservation locked. The caller
 *         is inside npu_dev_enter()
 *
 * When it returns, the device does not reach the buffer through the VM any more.
 */
void npu_vm_bo_evict(struct drm_gpuvm_bo *vm_bo)
{
	struct npu_vm *vm = to_npu_vm(vm_bo->vm);
	u64 first = U64_MAX, last = 0;
	struct npu_pt_pool none;
	struct drm_gpuva *va;

	/* Whole mappings, no block of which needs to be split. */
	npu_pt_pool_init(&none);
	guard(mutex)(&vm->lock);

	if (vm_bo->evicted)
		return;
	drm_gpuvm_bo_for_each_va(va, vm_bo) {
		npu_pt_unmap(&vm->pt, &none, va->va.addr, va->va.range);
		first = min(first, va->va.addr);
		last = max(last, va->va.addr + va->va.range);
	}
	if (first < last)
		npu_tlb_invalidate(vm->npu, vm->pt.asid, first, last - first);
	drm_gpuvm_bo_evict(vm_bo, true);
}

/* Changes nothing but @need if @pool has less than is needed. */
static bool npu_vm_bo_write(struct npu_vm *vm, struct drm_gpuvm_bo *vm_bo,
			    struct npu_pt_pool *pool, struct npu_pt_need *need)
{
	struct sg_table *sgt = to_npu_bo(vm_bo->obj)->sgt;
	const struct npu_pt_need have = *need;
	struct drm_gpuva *va;

	guard(mutex)(&vm->lock);

	*need = (struct npu_pt_need) {};
	drm_gpuvm_bo_for_each_va(va, vm_bo)
		npu_pt_need_map(&vm->pt, need, va->va.addr, va->va.range, sgt, va->gem.offset);
	if (need->leaf > have.leaf || need->inner > have.inner)
		return false;
	drm_gpuvm_bo_for_each_va(va, vm_bo)
		npu_va_write(vm, pool, va);
	/* Blocks have taken the place of tables. */
	if (!list_empty(&pool->garbage))
		npu_tlb_invalidate(vm->npu, vm->pt.asid, 0, 0);
	drm_gpuvm_bo_evict(vm_bo, false);
	return true;
}

static int npu_vm_bo_restore(struct npu_vm *vm, struct drm_gpuvm_bo *vm_bo)
{
	struct npu_pt_need need = {};
	struct npu_pt_pool pool;
	int ret = 0;

	/* Asynchronous changes may come in between, each of which the user has asked for. */
	npu_pt_pool_init(&pool);
	while (!ret && !npu_vm_bo_write(vm, vm_bo, &pool, &need)) {
		npu_pt_pool_fini(&vm->pt, &pool);
		ret = npu_pt_pool_fill(&vm->pt, &pool, &need);
	}
	npu_pt_pool_fini(&vm->pt, &pool);
	if (!ret)
		atomic_inc(&vm->npu->reclaim.restores);
	return ret;
}

/**
 * npu_vm_bo_validate() - drm_gpuvm_ops.vm_bo_validate: bring a buffer back into a VM
 * @vm_bo: association of both
 * @exec: locks the reservations of a SUBMIT; NULL if only that of the VM is locked
 *
 * Return: 0, also for a purged buffer, which stays away; -EAGAIN if @exec is NULL and the
 * buffer shared; or another negative errno.
 */
int npu_vm_bo_validate(struct drm_gpuvm_bo *vm_bo, struct drm_exec *exec)
{
	struct npu_vm *vm = to_npu_vm(vm_bo->vm);
	struct npu_bo *bo = to_npu_bo(vm_bo->obj);
	int ret, idx;

	/* One that was mapped a moment ago may not be locked yet. */
	if (exec)
		ret = drm_exec_prepare_obj(exec, vm_bo->obj, 1);
	else
		ret = drm_gpuvm_is_extobj(vm_bo->vm, vm_bo->obj) ? -EAGAIN : 0;
	if (ret || bo->purged)
		return ret;
	if (!npu_dev_enter(vm->npu, &idx))
		return -ENODEV;
	ret = npu_bo_populate(bo);
	if (!ret)
		ret = npu_vm_bo_restore(vm, vm_bo);
	drm_dev_exit(idx);
	return ret;
}

/* ---- Steps of a change ------------------------------------------------------- */

static struct drm_gpuva *npu_bind_take_va(struct npu_bind *bind)
{
	struct npu_bind_op *op = bind->current_op;

	return &op->spare[--op->spares]->base;
}

static void npu_bind_extend_flush(struct npu_bind *bind, u64 va, u64 size)
{
	bind->first = min(bind->first, va);
	bind->last = max(bind->last, va + size);
}

/* @keep: the same is mapped again right after; running jobs see no difference. */
static void npu_bind_unmap_range(struct npu_bind *bind, u64 va, u64 size, bool keep)
{
	bind->vm->mapped -= size;
	if (keep)
		return;
	npu_pt_unmap(&bind->vm->pt, &bind->pool, va, size);
	npu_bind_extend_flush(bind, va, size);
}

static void npu_bind_remove_va(struct npu_bind *bind, struct drm_gpuva *va)
{
	npu_va_remove(va, &bind->removed);
	bind->vm->mappings--;
}

int npu_bind_step_map(struct drm_gpuva_op *op, void *priv)
{
	struct npu_bind *bind = priv;
	struct npu_vm *vm = bind->vm;
	struct npu_bind_op *bop = bind->current_op;
	struct drm_gpuva *va = npu_bind_take_va(bind);

	drm_gpuva_map(&vm->gpuvm, va, &op->map);
	va->flags = bop->flags;
	if (bop->userptr) {
		npu_userptr_map(bop->userptr, to_npu_va(va), &bind->pool);
	} else {
		npu_va_link(va, bop->vm_bo);
		if (!bop->vm_bo->evicted)
			npu_va_write(vm, &bind->pool, va);
	}
	/* A block has taken the place of a table. */
	if (!list_empty(&bind->pool.garbage))
		npu_bind_extend_flush(bind, va->va.addr, va->va.range);
	vm->mapped += va->va.range;
	vm->mappings++;
	return 0;
}

/* What is left of a mapping is one like it. */
static void npu_bind_keep_part(struct npu_bind *bind, struct drm_gpuva *part, struct drm_gpuva *va)
{
	part->flags = va->flags;
	if (to_npu_va(va)->userptr)
		npu_userptr_link(to_npu_va(va)->userptr, to_npu_va(part));
	else
		npu_va_link(part, va->vm_bo);
	bind->vm->mappings++;
}

int npu_bind_step_remap(struct drm_gpuva_op *op, void *priv)
{
	struct npu_bind *bind = priv;
	struct drm_gpuva *va = op->remap.unmap->va;
	struct drm_gpuva *prev = op->remap.prev ? npu_bind_take_va(bind) : NULL;
	struct drm_gpuva *next = op->remap.next ? npu_bind_take_va(bind) : NULL;
	u64 first = va->va.addr + (op->remap.prev ? op->remap.prev->va.range : 0);
	u64 last = va->va.addr + va->va.range - (op->remap.next ? op->remap.next->va.range : 0);

	npu_bind_unmap_range(bind, first, last - first,
			     op->remap.unmap->keep && va->flags == bind->current_op->flags);

	drm_gpuva_remap(prev, next, &op->remap);
	if (prev)
		npu_bind_keep_part(bind, prev, va);
	if (next)
		npu_bind_keep_part(bind, next, va);
	npu_bind_remove_va(bind, va);
	return 0;
}

int npu_bind_step_unmap(struct drm_gpuva_op *op, void *priv)
{
	struct npu_bind *bind = priv;
	struct drm_gpuva *va = op->unmap.va;

	npu_bind_unmap_range(bind, va->va.addr, va->va.range,
			     op->unmap.keep && va->flags == bind->current_op->flags);
	drm_gpuva_unmap(&op->unmap);
	npu_bind_remove_va(bind, va);
	return 0;
}

/* ---- First step: prepare ------------------------------------------------------- */

static int npu_bind_op_check(struct npu_vm *vm, const struct drm_npu_vm_bind_op *arg)
{
	u64 end;

	if (arg->pad || arg->reserved)
		return -EINVAL;
	if (!arg->size || !IS_ALIGNED(arg->va | arg->size | arg->offset, PAGE_SIZE))
		return -EINVAL;
	if (check_add_overflow(arg->va, arg->size, &end) || end > 1ull << vm->npu->caps.va_bits)
		return -EINVAL;

	switch (arg->type) {
	case DRM_NPU_VM_BIND_MAP:
		return arg->flags & ~DRM_NPU_VM_BIND_READONLY ? -EINVAL : 0;
	case DRM_NPU_VM_BIND_UNMAP:
		return arg->flags || arg->handle || arg->offset ? -EINVAL : 0;
	case DRM_NPU_VM_BIND_MAP_USERPTR:
		if (arg->flags & ~DRM_NPU_VM_BIND_READONLY || arg->handle ||
		    check_add_overflow(arg->offset, arg->size, &end))
			return -EINVAL;
		return 0;
	default:
		return -EINVAL;
	}
}

static int npu_bind_op_join_locked(struct npu_vm *vm, struct npu_bind_op *op)
{
	struct drm_gpuvm_bo *vm_bo;
	int ret;

	ret = npu_bo_populate(to_npu_bo(op->obj));
	if (ret)
		return ret;
	vm_bo = drm_gpuvm_bo_create(&vm->gpuvm, op->obj);
	if (!vm_bo)
		return -ENOMEM;
	op->vm_bo = drm_gpuvm_bo_obtain_prealloc(vm_bo);
	/* Before anybody can meet the buffer in the VM. */
	if (drm_gpuvm_is_extobj(&vm->gpuvm, op->obj))
		WRITE_ONCE(vm->shared, true);
	drm_gpuvm_bo_extobj_add(op->vm_bo);
	return 0;
}

/* From here on an eviction finds the buffer in the VM. */
static int npu_bind_op_join_vm(struct npu_vm *vm, struct npu_bind_op *op)
{
	int ret, idx;

	if (!npu_dev_enter(vm->npu, &idx))
		return -ENODEV;
	ret = dma_resv_lock_interruptible(op->obj->resv, NULL);
	if (!ret) {
		ret = npu_bind_op_join_locked(vm, op);
		dma_resv_unlock(op->obj->resv);
	}
	drm_dev_exit(idx);
	return ret;
}

static int npu_bind_op_prepare_map(struct npu_vm *vm, struct drm_file *file,
				   struct npu_bind_op *op, const struct drm_npu_vm_bind_op *arg)
{
	struct npu_bo *bo;

	op->obj = drm_gem_object_lookup(file, arg->handle);
	if (!op->obj)
		return -ENOENT;
	bo = to_npu_bo(op->obj);
	if (bo->vm_root && bo->vm_root != vm->gpuvm.r_obj)
		return -EACCES;
	if (arg->offset > op->obj->size || arg->size > op->obj->size - arg->offset)
		return -EINVAL;

	op->offset = arg->offset;
	if (arg->flags & DRM_NPU_VM_BIND_READONLY)
		op->flags = NPU_VA_READONLY;
	return npu_bind_op_join_vm(vm, op);
}

static int npu_bind_op_prepare_userptr(struct npu_vm *vm, struct npu_bind_op *op,
				       const struct drm_npu_vm_bind_op *arg)
{
	bool writable = !(arg->flags & DRM_NPU_VM_BIND_READONLY);
	struct npu_userptr *userptr;

	userptr = npu_userptr_create(vm, arg->offset, arg->size, writable);
	if (IS_ERR(userptr))
		return PTR_ERR(userptr);
	op->userptr = userptr;
	op->offset = arg->offset;
	if (!writable)
		op->flags = NPU_VA_READONLY;
	return 0;
}

static int npu_bind_op_prepare(struct npu_vm *vm, struct drm_file *file, struct npu_bind_op *op,
			       const struct drm_npu_vm_bind_op *arg)
{
	int ret;

	ret = npu_bind_op_check(vm, arg);
	if (ret)
		return ret;

	op->va = arg->va;
	op->size = arg->size;
	if (arg->type == DRM_NPU_VM_BIND_MAP)
		ret = npu_bind_op_prepare_map(vm, file, op, arg);
	else if (arg->type == DRM_NPU_VM_BIND_MAP_USERPTR)
		ret = npu_bind_op_prepare_userptr(vm, op, arg);
	if (ret)
		return ret;

	for (; op->spares < ARRAY_SIZE(op->spare); op->spares++) {
		op->spare[op->spares] = kzalloc(sizeof(*op->spare[0]), GFP_KERNEL_ACCOUNT);
		if (!op->spare[op->spares])
			return -ENOMEM;
	}
	return 0;
}

static int npu_bind_reserve(struct npu_bind *bind)
{
	struct npu_pt *pt = &bind->vm->pt;
	struct npu_bind_op *op;
	int ret = 0;
	u32 i;

	for (i = 0; i < bind->ops && !ret; i++) {
		op = &bind->op[i];
		if (npu_bind_op_maps(op))
			ret = npu_pt_reserve_map(pt, &bind->pool, op->va, op->size);
		else
			ret = npu_pt_reserve_unmap(pt, &bind->pool, op->va, op->size);
		cond_resched();
	}
	return ret;
}

static struct npu_bind *npu_bind_alloc(struct npu_vm *vm, u32 count)
{
	struct npu_bind *bind = kzalloc(sizeof(*bind), GFP_KERNEL_ACCOUNT);

	if (!bind)
		return NULL;
	bind->op = kvcalloc(count, sizeof(*bind->op), GFP_KERNEL_ACCOUNT);
	if (count && !bind->op) {
		kfree(bind);
		return NULL;
	}
	bind->vm = npu_vm_get(vm);
	bind->first = U64_MAX;
	INIT_LIST_HEAD(&bind->removed);
	npu_pt_pool_init(&bind->pool);
	scoped_guard(mutex, &vm->npu->objects.lock)
		list_add_tail(&bind->node, &vm->npu->objects.binds);
	return bind;
}

/**
 * npu_binds_unplug() - free the page tables of all changes in progress
 * @npu: device that is unplugged and does no DMA any more; the caller holds
 *       npu_device.objects.lock
 */
void npu_binds_unplug(struct npu_device *npu)
{
	struct npu_bind *bind;

	list_for_each_entry(bind, &npu->objects.binds, node)
		npu_pt_pool_fini(&bind->vm->pt, &bind->pool);
}

/* Third step, also after a first one that failed half way. */
static void npu_bind_free(struct npu_bind *bind)
{
	struct npu_vm *vm = bind->vm;
	struct npu_bind_op *op;

	scoped_guard(mutex, &vm->npu->objects.lock) {
		list_del(&bind->node);
		npu_pt_pool_fini(&bind->vm->pt, &bind->pool);
	}
	/* What the device may still reach is leaked. */
	if (!vm->npu->unsafe)
		npu_vas_free(vm, &bind->removed);
	while (bind->ops) {
		op = &bind->op[--bind->ops];
		while (op->spares)
			kfree(op->spare[--op->spares]);
		if (op->userptr)
			npu_userptr_put(op->userptr);
		if (op->vm_bo)
			npu_vm_bo_put(vm, op->vm_bo);
		if (op->obj)
			drm_gem_object_put(op->obj);
	}
	kvfree(bind->op);
	kfree(bind);
	npu_vm_put(vm);
}

static struct npu_bind *npu_bind_prepare(struct npu_vm *vm, struct drm_file *file,
					 const struct drm_npu_vm_bind_op *args, u32 count)
{
	struct npu_bind *bind = npu_bind_alloc(vm, count);
	int ret = 0;
	int idx;

	if (!bind)
		return ERR_PTR(-ENOMEM);

	/* An operation that fails half way is to be cleaned up as well. */
	for (; bind->ops < count && !ret; bind->ops++)
		ret = npu_bind_op_prepare(vm, file, &bind->op[bind->ops], &args[bind->ops]);
	if (!ret && !npu_dev_enter(vm->npu, &idx)) {
		ret = -ENODEV;
	} else if (!ret) {
		ret = npu_bind_reserve(bind);
		drm_dev_exit(idx);
	}
	if (!ret)
		return bind;
	npu_bind_free(bind);
	return ERR_PTR(ret);
}

/* ---- Second step: run ------------------------------------------------------------ */

static int npu_bind_apply_map(struct npu_bind *bind, const struct npu_bind_op *op)
{
	const struct drm_gpuvm_map_req req = {
		.map = {
			.va = { .addr = op->va, .range = op->size },
			.gem = { .obj = op->obj, .offset = op->offset },
		},
	};

	return drm_gpuvm_sm_map(&bind->vm->gpuvm, bind, &req);
}

static void npu_bind_apply(struct npu_bind *bind)
{
	struct drm_gpuvm *gpuvm = &bind->vm->gpuvm;
	struct npu_bind_op *op;
	int ret;
	u32 i;

	for (i = 0; i < bind->ops; i++) {
		op = &bind->op[i];
		bind->current_op = op;
		trace_npu_vm_bind(bind->vm->npu, bind->vm->pt.asid, npu_bind_op_maps(op), op->va,
				  op->size, op->offset);
		if (npu_bind_op_maps(op))
			ret = npu_bind_apply_map(bind, op);
		else
			ret = drm_gpuvm_sm_unmap(gpuvm, bind, op->va, op->size);
		/* The range is valid and no step fails. */
		drm_WARN_ON(gpuvm->drm, ret);
		cond_resched();
	}
}

/* After it nothing reaches what was unmapped. */
static void npu_bind_flush(struct npu_bind *bind)
{
	struct npu_pt *pt = &bind->vm->pt;
	struct drm_gpuva *va;

	if (bind->first >= bind->last)
		return;
	list_for_each_entry(va, &bind->removed, rb.entry)
		npu_pt_prune(pt, &bind->pool, va->va.addr, va->va.range);
	/* The range of a table that was taken out is larger than what was unmapped. */
	if (list_empty(&bind->pool.garbage))
		npu_tlb_invalidate(bind->vm->npu, pt->asid, bind->first, bind->last - bind->first);
	else
		npu_tlb_invalidate(bind->vm->npu, pt->asid, 0, 0);
}

static int npu_bind_run(struct npu_bind *bind)
{
	struct npu_vm *vm = bind->vm;
	bool cookie;
	int idx;

	if (!npu_dev_enter(vm->npu, &idx))
		return -ENODEV;
	cookie = dma_fence_begin_signalling();
	scoped_guard(mutex, &vm->lock) {
		npu_bind_apply(bind);
		npu_bind_flush(bind);
	}
	dma_fence_end_signalling(cookie);
	drm_dev_exit(idx);
	return 0;
}

/* ---- Synchronous ------------------------------------------------------------------- */

static int npu_vm_wait_for_binds(struct npu_vm *vm)
{
	struct dma_fence *fence;
	long ret;

	scoped_guard(mutex, &vm->bind_lock)
		fence = vm->last_bind ? dma_fence_get(vm->last_bind) : NULL;
	if (!fence)
		return 0;
	ret = dma_fence_wait(fence, true);
	dma_fence_put(fence);
	return ret;
}

/**
 * npu_vm_bind() - change an address space: all operations or none
 * @vm: address space
 * @file: whose handles the operations name
 * @args: operations
 * @count: how many
 *
 * Return: 0 or negative errno.
 */
int npu_vm_bind(struct npu_vm *vm, struct drm_file *file, const struct drm_npu_vm_bind_op *args,
		u32 count)
{
	struct npu_bind *bind;
	int ret;

	bind = npu_bind_prepare(vm, file, args, count);
	if (IS_ERR(bind))
		return PTR_ERR(bind);
	ret = npu_vm_wait_for_binds(vm);
	if (!ret)
		ret = npu_bind_run(bind);
	npu_bind_free(bind);
	return ret;
}

/* ---- Asynchronous ------------------------------------------------------------------ */

static struct npu_bind *to_npu_bind(struct drm_sched_job *sched_job)
{
	return container_of(sched_job, struct npu_bind, base);
}

static struct dma_fence *npu_bind_run_job(struct drm_sched_job *sched_job)
{
	struct npu_bind *bind = to_npu_bind(sched_job);
	bool cookie = dma_fence_begin_signalling();
	int ret;

	ret = READ_ONCE(bind->vm->closed) ? -ECANCELED : npu_bind_run(bind);
	atomic_dec(&bind->vm->pending);
	npu_fence_signal(bind->fence, ret);
	dma_fence_end_signalling(cookie);
	return NULL;
}

/* The scheduler's timeout is infinite: a change waits for nothing that has no bound. */
static enum drm_gpu_sched_stat npu_bind_timedout_job(struct drm_sched_job *sched_job)
{
	return DRM_GPU_SCHED_STAT_RESET;
}

static void npu_bind_free_work(struct work_struct *work)
{
	struct npu_bind *bind = container_of(work, struct npu_bind, free_work);
	struct npu_fence *fence = bind->fence;

	npu_bind_free(bind);
	/* Last, because it may be what keeps the module. */
	dma_fence_put(&fence->base);
}

static void npu_bind_free_job(struct drm_sched_job *sched_job)
{
	struct npu_bind *bind = to_npu_bind(sched_job);

	drm_sched_job_cleanup(sched_job);
	/* Not here: it may drop the last reference of the VM, and with it the scheduler. */
	INIT_WORK(&bind->free_work, npu_bind_free_work);
	queue_work(npu_release_wq, &bind->free_work);
}

const struct drm_sched_backend_ops npu_bind_sched_ops = {
	.run_job = npu_bind_run_job,
	.timedout_job = npu_bind_timedout_job,
	.free_job = npu_bind_free_job,
};

static int npu_bind_init_job(struct npu_bind *bind, struct drm_file *file, struct npu_syncs *syncs)
{
	int ret;

	bind->fence = npu_fence_alloc();
	if (!bind->fence)
		return -ENOMEM;
	ret = drm_sched_job_init(&bind->base, &bind->vm->entity, 1, file, file->client_id);
	if (ret)
		goto err_fence;
	ret = npu_syncs_add_dependencies(syncs, &bind->base, bind->vm->fence_context);
	if (ret)
		goto err_job;
	return 0;

err_job:
	drm_sched_job_cleanup(&bind->base);
err_fence:
	kfree(bind->fence);
	return ret;
}

/* From the first to the last line nothing fails, and nobody overtakes. */
static int npu_bind_push(struct npu_bind *bind, struct npu_syncs *syncs)
{
	struct npu_vm *vm = bind->vm;
	struct dma_fence *fence;
	bool cookie;

	guard(mutex)(&vm->bind_lock);

	if (vm->closed)
		return -ENOENT;
	if (npu_is_lost(vm->npu))
		return -ENODEV;

	cookie = dma_fence_begin_signalling();
	drm_sched_job_arm(&bind->base);
	npu_fence_init(bind->fence, vm->name, vm->fence_context, ++vm->binds);
	fence = &bind->fence->base;
	dma_fence_put(vm->last_bind);
	vm->last_bind = dma_fence_get(fence);
	npu_syncs_publish(syncs, fence);
	atomic_inc(&vm->pending);
	drm_sched_entity_push_job(&bind->base);
	dma_fence_end_signalling(cookie);
	return 0;
}

static int npu_vm_bind_async(struct npu_vm *vm, struct drm_file *file,
			     const struct drm_npu_vm_bind_op *args, u32 count,
			     struct npu_syncs *syncs)
{
	struct npu_bind *bind;
	int ret;

	bind = npu_bind_prepare(vm, file, args, count);
	if (IS_ERR(bind))
		return PTR_ERR(bind);
	ret = npu_bind_init_job(bind, file, syncs);
	if (ret)
		goto err_free;
	ret = npu_bind_push(bind, syncs);
	if (!ret)
		return 0;

	drm_sched_job_cleanup(&bind->base);
	kfree(bind->fence);
err_free:
	npu_bind_free(bind);
	return ret;
}

/* ---- Ioctl ---------------------------------------------------------------------------- */

static int npu_vm_bind_in(struct npu_vm *vm, struct drm_file *file,
			  const struct drm_npu_vm_bind *args, const struct drm_npu_vm_bind_op *ops)
{
	struct npu_syncs syncs = {};
	int ret;

	if (!(args->flags & DRM_NPU_VM_BIND_ASYNC))
		return args->ops.count ? npu_vm_bind(vm, file, ops, args->ops.count) : 0;

	ret = npu_array_check(&args->syncs, NPU_SYNC_SIZE_V1, DRM_NPU_SYNCS_MAX);
	if (ret)
		return ret;
	ret = npu_syncs_lookup(&syncs, file, &args->syncs);
	if (!ret)
		ret = npu_vm_bind_async(vm, file, ops, args->ops.count, &syncs);
	npu_syncs_fini(&syncs);
	return ret;
}

int npu_vm_bind_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_npu_vm_bind *args = data;
	struct drm_npu_vm_bind_op *ops;
	struct npu_vm *vm;
	int ret = -ENOENT;

	if (args->flags & ~DRM_NPU_VM_BIND_ASYNC)
		return -EINVAL;
	if (args->syncs.count && !(args->flags & DRM_NPU_VM_BIND_ASYNC))
		return -EINVAL;

	ops = npu_array_copy(&args->ops, NPU_BIND_OP_SIZE_V1, sizeof(*ops), DRM_NPU_VM_BIND_MAX);
	if (IS_ERR(ops))
		return PTR_ERR(ops);

	vm = npu_vm_lookup(file, args->vm_id);
	if (vm)
		ret = npu_vm_bind_in(vm, file, args, ops);
	npu_vm_put(vm);
	kvfree(ops);
	return ret;
}

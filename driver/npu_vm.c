// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Address spaces
 *
 * A VM is a drm_gpuvm (what is mapped where) and page tables (npu_mmu.c). Both
 * change in the VM_BIND ioctl under npu_vm.lock, in steps:
 *
 * 1. Copy, check and look up everything; allocate all mappings, buffer
 *    associations and page tables that the operations can need at worst.
 * 2. Change the drm_gpuvm tree and the page tables. This cannot fail, which
 *    makes an array of operations atomic.
 * 3. Invalidate the TLB and wait. Now no access through an old mapping is in
 *    flight and none can start.
 * 4. Drop what the removed mappings held: buffers, with their pages.
 *
 * Locking order: npu_vm.lock, reservation objects. npu_device.objects.lock is
 * innermost but for reservations of single buffers at removal.
 */
#include <linux/cleanup.h>
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/drm_print.h>
#include <drm/npu_accel.h>

#include "npu_compat.h"
#include "npu_drv.h"
#include "npu_gem.h"
#include "npu_vm.h"

/* Flag of a drm_gpuva. */
#define NPU_VA_READONLY	DRM_GPUVA_USERBITS

static struct npu_vm *to_npu_vm(struct drm_gpuvm *gpuvm)
{
	return container_of(gpuvm, struct npu_vm, gpuvm);
}

/**
 * struct npu_bind_op - one operation with all it can need
 * @va: first address
 * @size: bytes
 * @offset: into @obj
 * @obj: MAP: buffer, a reference; UNMAP: NULL
 * @flags: of the new mapping
 * @vm_bo: association of buffer and VM for the new mapping
 * @spare: for the new mapping and for what is left on both sides of a split
 * @spares: how many are left
 */
struct npu_bind_op {
	u64 va;
	u64 size;
	u64 offset;
	struct drm_gem_object *obj;
	enum drm_gpuva_flags flags;
	struct drm_gpuvm_bo *vm_bo;
	struct drm_gpuva *spare[3];
	unsigned int spares;
};

/**
 * struct npu_bind - a change of an address space
 * @vm: address space
 * @pool: page tables
 * @op: operations
 * @ops: how many
 * @current_op: the one that is being done
 * @removed: mappings taken out of the tree, drm_gpuva.rb.entry
 * @first: lowest address that lost its translation
 * @last: end of the highest one
 */
struct npu_bind {
	struct npu_vm *vm;
	struct npu_pt_pool pool;
	struct npu_bind_op *op;
	u32 ops;
	struct npu_bind_op *current_op;
	struct list_head removed;
	u64 first;
	u64 last;
};

static struct drm_gpuva *npu_bind_take_va(struct npu_bind *bind)
{
	struct npu_bind_op *op = bind->current_op;

	return op->spare[--op->spares];
}

/* @keep: the same is mapped again right after; running jobs see no difference. */
static void npu_bind_unmap_range(struct npu_bind *bind, u64 va, u64 size, bool keep)
{
	bind->vm->mapped -= size;
	if (keep)
		return;
	npu_pt_unmap(&bind->vm->pt, &bind->pool, va, size);
	bind->first = min(bind->first, va);
	bind->last = max(bind->last, va + size);
}

static void npu_bind_remove_va(struct npu_bind *bind, struct drm_gpuva *va)
{
	list_add_tail(&va->rb.entry, &bind->removed);
	bind->vm->mappings--;
}

static void npu_va_link(struct drm_gpuva *va, struct drm_gpuvm_bo *vm_bo)
{
	npu_gpuva_lock(va->gem.obj);
	drm_gpuva_link(va, vm_bo);
	npu_gpuva_unlock(va->gem.obj);
}

static void npu_va_free(struct npu_vm *vm, struct drm_gpuva *va)
{
	struct drm_gem_object *obj = va->gem.obj;

	/* Unlinking may drop the last reference, which needs the lock itself. */
	drm_gem_object_get(obj);
	down_write(&vm->link_lock);
	npu_gpuva_lock(obj);
	drm_gpuva_unlink(va);
	npu_gpuva_unlock(obj);
	up_write(&vm->link_lock);
	drm_gem_object_put(obj);
	kfree(va);
}

static int npu_vm_step_map(struct drm_gpuva_op *op, void *priv)
{
	struct npu_bind *bind = priv;
	struct npu_vm *vm = bind->vm;
	struct npu_bind_op *bop = bind->current_op;
	struct drm_gpuva *va = npu_bind_take_va(bind);
	struct drm_gem_object *obj = op->map.gem.obj;
	struct drm_gpuvm_bo *vm_bo;

	drm_gpuva_map(&vm->gpuvm, va, &op->map);
	va->flags = bop->flags;

	vm_bo = drm_gpuvm_bo_obtain_prealloc(bop->vm_bo);
	bop->vm_bo = NULL;
	drm_gpuvm_bo_extobj_add(vm_bo);
	npu_gpuva_lock(obj);
	drm_gpuva_link(va, vm_bo);
	/* The mapping has its own reference, and more hold the buffer. */
	drm_gpuvm_bo_put(vm_bo);
	npu_gpuva_unlock(obj);

	npu_pt_map(&vm->pt, &bind->pool, va->va.addr, va->va.range, to_npu_bo(obj)->base.sgt,
		   va->gem.offset, !(va->flags & NPU_VA_READONLY));
	vm->mapped += va->va.range;
	vm->mappings++;
	return 0;
}

static int npu_vm_step_remap(struct drm_gpuva_op *op, void *priv)
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
	if (prev) {
		prev->flags = va->flags;
		npu_va_link(prev, va->vm_bo);
		bind->vm->mappings++;
	}
	if (next) {
		next->flags = va->flags;
		npu_va_link(next, va->vm_bo);
		bind->vm->mappings++;
	}
	npu_bind_remove_va(bind, va);
	return 0;
}

static int npu_vm_step_unmap(struct drm_gpuva_op *op, void *priv)
{
	struct npu_bind *bind = priv;
	struct drm_gpuva *va = op->unmap.va;

	npu_bind_unmap_range(bind, va->va.addr, va->va.range,
			     op->unmap.keep && va->flags == bind->current_op->flags);
	drm_gpuva_unmap(&op->unmap);
	npu_bind_remove_va(bind, va);
	return 0;
}

static void npu_vm_free(struct drm_gpuvm *gpuvm)
{
	struct npu_vm *vm = to_npu_vm(gpuvm);

	mutex_destroy(&vm->lock);
	kfree(vm);
}

static const struct drm_gpuvm_ops npu_gpuvm_ops = {
	.vm_free = npu_vm_free,
	.sm_step_map = npu_vm_step_map,
	.sm_step_remap = npu_vm_step_remap,
	.sm_step_unmap = npu_vm_step_unmap,
};

/* ---- Binding --------------------------------------------------------------- */

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
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
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
	op->vm_bo = drm_gpuvm_bo_create(&vm->gpuvm, op->obj);
	return op->vm_bo ? 0 : -ENOMEM;
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
	if (arg->type == DRM_NPU_VM_BIND_MAP) {
		ret = npu_bind_op_prepare_map(vm, file, op, arg);
		if (ret)
			return ret;
	}

	for (; op->spares < ARRAY_SIZE(op->spare); op->spares++) {
		op->spare[op->spares] = kzalloc(sizeof(*op->spare[0]),
						GFP_KERNEL_ACCOUNT);
		if (!op->spare[op->spares])
			return -ENOMEM;
	}
	return 0;
}

static void npu_bind_op_cleanup(struct npu_bind_op *op)
{
	while (op->spares)
		kfree(op->spare[--op->spares]);
	if (!op->obj)
		return;
	npu_gpuva_lock(op->obj);
	drm_gpuvm_bo_put(op->vm_bo);
	npu_gpuva_unlock(op->obj);
	drm_gem_object_put(op->obj);
}

static int npu_bind_reserve(struct npu_bind *bind)
{
	struct npu_pt *pt = &bind->vm->pt;
	struct npu_bind_op *op;
	int ret = 0;
	u32 i;

	for (i = 0; i < bind->ops && !ret; i++) {
		op = &bind->op[i];
		if (op->obj)
			ret = npu_pt_reserve_map(pt, &bind->pool, op->va, op->size,
						 to_npu_bo(op->obj)->base.sgt, op->offset);
		if (!ret)
			ret = npu_pt_reserve_unmap(pt, &bind->pool, op->va, op->size);
		cond_resched();
	}
	return ret;
}

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
		if (op->obj)
			ret = npu_bind_apply_map(bind, op);
		else
			ret = drm_gpuvm_sm_unmap(gpuvm, bind, op->va, op->size);
		/* The range is valid and no step fails. */
		drm_WARN_ON(gpuvm->drm, ret);
		cond_resched();
	}
}

/* After it nothing reaches what was unmapped; then it can be let go. */
static void npu_bind_finish(struct npu_bind *bind)
{
	struct npu_pt *pt = &bind->vm->pt;
	struct drm_gpuva *va, *next;

	if (bind->first < bind->last) {
		list_for_each_entry(va, &bind->removed, rb.entry)
			npu_pt_prune(pt, &bind->pool, va->va.addr, va->va.range);
		npu_tlb_invalidate(bind->vm->npu, pt->asid, bind->first, bind->last - bind->first);
	}
	if (bind->vm->npu->unsafe)
		return;
	npu_pt_pool_fini(pt, &bind->pool);
	list_for_each_entry_safe(va, next, &bind->removed, rb.entry)
		npu_va_free(bind->vm, va);
}

static int npu_bind_locked(struct npu_bind *bind)
{
	int ret;

	ret = npu_bind_reserve(bind);
	if (!ret)
		npu_bind_apply(bind);
	npu_bind_finish(bind);
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
	struct npu_bind bind = { .vm = vm, .first = U64_MAX };
	struct npu_device *npu = vm->npu;
	int ret = 0;
	int idx;

	bind.op = kvcalloc(count, sizeof(*bind.op), GFP_KERNEL_ACCOUNT);
	if (!bind.op)
		return -ENOMEM;
	INIT_LIST_HEAD(&bind.removed);
	npu_pt_pool_init(&bind.pool);

	for (; bind.ops < count && !ret; bind.ops++)
		ret = npu_bind_op_prepare(vm, file, &bind.op[bind.ops], &args[bind.ops]);

	if (!ret && !npu_dev_enter(npu, &idx))
		ret = -ENODEV;
	if (!ret) {
		mutex_lock(&vm->lock);
		ret = npu_bind_locked(&bind);
		mutex_unlock(&vm->lock);
		drm_dev_exit(idx);
	}

	while (bind.ops)
		npu_bind_op_cleanup(&bind.op[--bind.ops]);
	kvfree(bind.op);
	return ret;
}

int npu_vm_bind_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_npu_vm_bind *args = data;
	struct drm_npu_vm_bind_op *ops;
	struct npu_vm *vm;
	int ret = 0;

	if (args->flags & ~DRM_NPU_VM_BIND_ASYNC)
		return -EINVAL;
	if (args->flags & DRM_NPU_VM_BIND_ASYNC)
		return -EOPNOTSUPP;
	if (args->syncs.count)
		return -EINVAL;

	ops = npu_array_copy(&args->ops, NPU_BIND_OP_SIZE_V1, sizeof(*ops), DRM_NPU_VM_BIND_MAX);
	if (IS_ERR(ops))
		return PTR_ERR(ops);

	vm = npu_vm_lookup(file, args->vm_id);
	if (!vm)
		ret = -ENOENT;
	else if (args->ops.count)
		ret = npu_vm_bind(vm, file, ops, args->ops.count);

	npu_vm_put(vm);
	kvfree(ops);
	return ret;
}

/* ---- Life ------------------------------------------------------------------- */

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

	root = drm_gpuvm_resv_object_alloc(&npu->drm);
	ret = root ? npu_pt_init(&vm->pt, npu) : -ENOMEM;
	if (ret) {
		if (root)
			drm_gem_object_put(root);
		kfree(vm);
		return ERR_PTR(ret);
	}

	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	init_rwsem(&vm->link_lock);
	vm->npu = npu;
	drm_gpuvm_init(&vm->gpuvm, "npu", DRM_GPUVM_IMMEDIATE_MODE, &npu->drm, root,
		       0, 1ull << npu->caps.va_bits, 0, 0, &npu_gpuvm_ops);
	drm_gem_object_put(root);

	scoped_guard(mutex, &npu->objects.lock)
		list_add_tail(&vm->node, &npu->objects.vms);
	return vm;
}

static void npu_vm_destroy(struct kref *ref)
{
	struct npu_vm *vm = container_of(ref, struct npu_vm, ref);
	struct npu_device *npu = vm->npu;
	struct drm_gpuva *va, *next;
	LIST_HEAD(removed);
	int idx;

	drm_gpuvm_for_each_va_safe(va, next, &vm->gpuvm) {
		drm_gpuva_remove(va);
		list_add_tail(&va->rb.entry, &removed);
	}

	if (npu_dev_enter(npu, &idx)) {
		npu_tlb_invalidate(npu, vm->pt.asid, 0, 0);
		drm_dev_exit(idx);
	}
	scoped_guard(mutex, &npu->objects.lock) {
		list_del(&vm->node);
		npu_pt_fini(&vm->pt);
	}

	if (npu->unsafe)
		return;
	list_for_each_entry_safe(va, next, &removed, rb.entry)
		npu_va_free(vm, va);
	drm_gpuvm_put(&vm->gpuvm);
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
 * npu_vm_unplug_all() - free all page tables
 * @npu: device that is unplugged and does no DMA any more
 *
 * The address spaces themselves go with their last users.
 */
void npu_vm_unplug_all(struct npu_device *npu)
{
	struct npu_vm *vm;

	guard(mutex)(&npu->objects.lock);
	list_for_each_entry(vm, &npu->objects.vms, node)
		npu_pt_fini(&vm->pt);
}

int npu_vm_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct npu_device *npu = to_npu_device(drm);
	struct drm_npu_vm_create *args = data;
	struct npu_vm *vm;
	int ret, idx;
	u32 id;

	if (args->flags || args->vm_id)
		return -EINVAL;

	if (!npu_dev_enter(npu, &idx))
		return -ENODEV;
	vm = npu_vm_create(npu);
	drm_dev_exit(idx);
	if (IS_ERR(vm))
		return PTR_ERR(vm);

	ret = xa_alloc(&to_npu_file(file)->vms, &id, vm, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	if (ret) {
		npu_vm_put(vm);
		return ret == -EBUSY ? -ENOSPC : ret;
	}
	args->vm_id = id;
	return 0;
}

int npu_vm_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_npu_vm_destroy *args = data;
	struct npu_vm *vm;

	if (args->pad)
		return -EINVAL;

	vm = xa_erase(&to_npu_file(file)->vms, args->vm_id);
	if (!vm)
		return -ENOENT;
	npu_vm_put(vm);
	return 0;
}

int npu_vm_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_npu_vm_get_state *args = data;
	struct npu_vm *vm;

	if (args->state || args->mappings || args->mapped)
		return -EINVAL;

	vm = npu_vm_lookup(file, args->vm_id);
	if (!vm)
		return -ENOENT;

	scoped_guard(mutex, &vm->lock) {
		args->mappings = vm->mappings;
		args->mapped = vm->mapped;
	}
	npu_vm_put(vm);
	return 0;
}

// SPDX-License-Identifier: MIT
/* Address spaces: the library hands out the addresses. */
#include "internal.h"

#define VA_FIRST	0x200000ull	/* a small number is never an address */
#define BLOCK_SIZE	0x200000ull	/* of large pages */

/* An unused stretch; the list is sorted and never has two that touch. */
struct npu_range {
	struct npu_range *next;
	uint64_t start;
	uint64_t end;
};

static struct npu_range *new_range(uint64_t start, uint64_t end, struct npu_range *next)
{
	struct npu_range *range = malloc(sizeof(*range));

	if (range)
		*range = (struct npu_range) { next, start, end };
	return range;
}

/* Take [start, end) out of the list where it is free; uses @spare up. */
static void range_take(struct npu_vm *vm, uint64_t start, uint64_t end, struct npu_range *spare)
{
	struct npu_range **link = &vm->free, *range;

	while ((range = *link) && range->start < end) {
		if (range->end <= start) {
			link = &range->next;
		} else if (range->start < start && range->end > end) {
			*spare = (struct npu_range) { range->next, end, range->end };
			range->end = start;
			range->next = spare;
			return;
		} else if (range->start < start) {
			range->end = start;
			link = &range->next;
		} else if (range->end > end) {
			range->start = end;
			break;
		} else {
			*link = range->next;
			free(range);
		}
	}
	free(spare);
}

/* Put [start, end) into the list; parts of it may be there. Lost if there is no memory. */
static void range_give(struct npu_vm *vm, uint64_t start, uint64_t end)
{
	struct npu_range **link = &vm->free, *range, *next;

	while (*link && (*link)->end < start)
		link = &(*link)->next;
	range = *link;
	if (!range || range->start > end) {
		range = new_range(start, end, *link);
		if (range)
			*link = range;
		return;
	}
	if (start < range->start)
		range->start = start;
	if (end > range->end)
		range->end = end;
	while ((next = range->next) && next->start <= range->end) {
		if (next->end > range->end)
			range->end = next->end;
		range->next = next->next;
		free(next);
	}
}

/* First fit; large mappings begin where the device can use large pages. */
static int range_find(struct npu_vm *vm, uint64_t size, __u64 *start)
{
	uint64_t align = size >= BLOCK_SIZE ? BLOCK_SIZE : NPU_PAGE_SIZE;
	struct npu_range *range;

	for (range = vm->free; range; range = range->next) {
		*start = align_up(range->start, align);
		if (*start < range->end && range->end - *start >= size)
			return 0;
	}
	return -ENOSPC;
}

NPU_API int npu_vm_create(struct npu_device *dev, struct npu_vm **out)
{
	struct drm_npu_vm_create create = { 0 };
	struct drm_npu_vm_destroy destroy = { 0 };
	struct npu_vm *vm;
	int ret;

	ret = npu_ioctl(dev, DRM_IOCTL_NPU_VM_CREATE, &create);
	if (ret)
		return ret;
	vm = calloc(1, sizeof(*vm));
	if (vm)
		vm->free = new_range(VA_FIRST, 1ull << dev->info.va_bits, NULL);
	if (!vm || !vm->free) {
		destroy.vm_id = create.vm_id;
		npu_ioctl(dev, DRM_IOCTL_NPU_VM_DESTROY, &destroy);
		free(vm);
		return -ENOMEM;
	}
	vm->refs = 1;
	vm->dev = npu_device_get(dev);
	vm->id = create.vm_id;
	pthread_mutex_init(&vm->lock, NULL);
	*out = vm;
	return 0;
}

struct npu_vm *npu_vm_get(struct npu_vm *vm)
{
	atomic_fetch_add(&vm->refs, 1);
	return vm;
}

NPU_API void npu_vm_destroy(struct npu_vm *vm)
{
	struct drm_npu_vm_destroy destroy = { 0 };
	struct npu_range *range;

	if (!vm || atomic_fetch_sub(&vm->refs, 1) != 1)
		return;
	destroy.vm_id = vm->id;
	npu_ioctl(vm->dev, DRM_IOCTL_NPU_VM_DESTROY, &destroy);
	while ((range = vm->free)) {
		vm->free = range->next;
		free(range);
	}
	pthread_mutex_destroy(&vm->lock);
	npu_device_close(vm->dev);
	free(vm);
}

static int bind(struct npu_vm *vm, struct drm_npu_vm_bind_op *op)
{
	struct drm_npu_vm_bind bind = {
		.vm_id = vm->id,
		.ops = { .stride = sizeof(*op), .count = 1, .ptr = (uintptr_t)op },
		.syncs = { .stride = sizeof(struct drm_npu_sync) },
	};

	return npu_ioctl(vm->dev, DRM_IOCTL_NPU_VM_BIND, &bind);
}

/* Chooses an address, unless it is fixed. */
static int map(struct npu_vm *vm, struct drm_npu_vm_bind_op *op, uint32_t flags, uint64_t *va)
{
	uint64_t top = 1ull << vm->dev->info.va_bits;
	struct npu_range *spare;
	int ret = 0;

	op->flags = flags & ~NPU_VM_FIXED;
	if (flags & NPU_VM_FIXED) {
		op->va = *va;
		if (op->va % NPU_PAGE_SIZE || op->va >= top || op->size > top - op->va)
			return -EINVAL;
	}
	/* Once it is mapped nothing may fail: what it replaced has gone. */
	spare = malloc(sizeof(*spare));
	if (!spare)
		return -ENOMEM;

	pthread_mutex_lock(&vm->lock);
	if (!(flags & NPU_VM_FIXED))
		ret = range_find(vm, op->size, &op->va);
	if (!ret)
		ret = bind(vm, op);
	if (!ret)
		range_take(vm, op->va, op->va + op->size, spare);
	else
		free(spare);
	pthread_mutex_unlock(&vm->lock);
	if (!ret)
		*va = op->va;
	return ret;
}

NPU_API int npu_vm_map(struct npu_vm *vm, struct npu_bo *bo, uint64_t offset, uint64_t size,
		       uint32_t flags, uint64_t *va)
{
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP,
		.handle = npu_bo_handle(bo),
		.offset = offset,
	};

	/* The handle of another device's buffer may be one of this device as well. */
	if (bo->dev != vm->dev)
		return -EINVAL;
	if (offset >= npu_bo_size(bo) || size > npu_bo_size(bo) - offset)
		return -EINVAL;
	op.size = align_up(size ? size : npu_bo_size(bo) - offset, NPU_PAGE_SIZE);
	return map(vm, &op, flags, va);
}

NPU_API int npu_vm_map_user(struct npu_vm *vm, const void *ptr, uint64_t size, uint32_t flags,
			    uint64_t *va)
{
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP_USERPTR,
		.size = align_up(size, NPU_PAGE_SIZE),
		.offset = (uintptr_t)ptr,
	};

	/* Also of a size that is too large to be rounded up. */
	if ((uintptr_t)ptr % NPU_PAGE_SIZE || !op.size)
		return -EINVAL;
	return map(vm, &op, flags, va);
}

NPU_API int npu_vm_unmap(struct npu_vm *vm, uint64_t va, uint64_t size)
{
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_UNMAP,
		.va = va,
		.size = align_up(size, NPU_PAGE_SIZE),
	};
	int ret;

	pthread_mutex_lock(&vm->lock);
	ret = bind(vm, &op);
	if (!ret && op.va + op.size > VA_FIRST)
		range_give(vm, op.va > VA_FIRST ? op.va : VA_FIRST, op.va + op.size);
	pthread_mutex_unlock(&vm->lock);
	return ret;
}

/* What the library knows of free addresses after a change, in the order of changes. */
static void account(struct npu_vm *vm, const struct drm_npu_vm_bind_op *op, struct npu_range *spare)
{
	uint64_t end = op->va + op->size;

	if (op->type != DRM_NPU_VM_BIND_UNMAP) {
		range_take(vm, op->va, end, spare);
		return;
	}
	free(spare);
	if (end > VA_FIRST)
		range_give(vm, op->va > VA_FIRST ? op->va : VA_FIRST, end);
}

static void free_ranges(struct npu_range **spare, unsigned int count)
{
	while (count)
		free(spare[--count]);
	free(spare);
}

/* One for each operation, so that nothing fails once the change is on its way. */
static struct npu_range **alloc_ranges(unsigned int count)
{
	struct npu_range **spare = calloc(count + 1, sizeof(*spare));
	unsigned int i;

	for (i = 0; spare && i < count; i++) {
		spare[i] = malloc(sizeof(*spare[i]));
		if (!spare[i]) {
			free_ranges(spare, i);
			return NULL;
		}
	}
	return spare;
}

NPU_API int npu_vm_bind(struct npu_vm *vm, const struct drm_npu_vm_bind_op *ops,
			unsigned int count, struct npu_fence *const *waits, unsigned int nwaits,
			struct npu_fence **done)
{
	struct drm_npu_sync syncs[DRM_NPU_SYNCS_MAX];
	struct drm_npu_vm_bind bind = {
		.vm_id = vm->id,
		.flags = DRM_NPU_VM_BIND_ASYNC,
		.ops = { .stride = sizeof(*ops), .count = count, .ptr = (uintptr_t)ops },
		.syncs = { .stride = sizeof(syncs[0]), .ptr = (uintptr_t)syncs },
	};
	struct npu_fence *fence = NULL;
	struct npu_range **spare;
	unsigned int i;
	int ret;

	if (count > DRM_NPU_VM_BIND_MAX)
		return -E2BIG;
	ret = npu_syncs_fill(vm->dev, syncs, waits, nwaits, done ? &fence : NULL);
	if (ret < 0)
		return ret;
	bind.syncs.count = (uint32_t)ret;
	spare = alloc_ranges(count);
	if (!spare) {
		npu_fence_destroy(fence);
		return -ENOMEM;
	}

	pthread_mutex_lock(&vm->lock);
	ret = npu_ioctl(vm->dev, DRM_IOCTL_NPU_VM_BIND, &bind);
	for (i = 0; !ret && i < count; i++) {
		account(vm, &ops[i], spare[i]);
		spare[i] = NULL;
	}
	pthread_mutex_unlock(&vm->lock);
	free_ranges(spare, count);
	if (ret)
		npu_fence_destroy(fence);
	else if (done)
		*done = fence;
	return ret;
}

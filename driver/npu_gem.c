// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Buffers
 *
 * Buffers are drm_gem_shmem objects. Pages are allocated and DMA-mapped when
 * the buffer is created, so that their owner's memory cgroup pays and nothing
 * later runs out of memory.
 *
 * A buffer that is private to a VM shares the VM's reservation object: a
 * submission locks one object for all of them. It cannot be exported.
 *
 * When the device is removed, npu_gem_unplug() ends the DMA mappings. Pages
 * and CPU mappings stay until their last user has gone.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_file.h>
#include <drm/drm_prime.h>
#include <drm/npu_accel.h>

#include "npu_client.h"
#include "npu_compat.h"
#include "npu_drv.h"
#include "npu_gem.h"
#include "npu_vm.h"

static void npu_bo_unmap_dma(struct npu_bo *bo)
{
	struct drm_gem_object *obj = &bo->base.base;
	struct sg_table *sgt = bo->base.sgt;

	if (!sgt)
		return;
	bo->base.sgt = NULL;

	if (drm_gem_is_imported(obj)) {
		dma_buf_unmap_attachment_unlocked(obj->import_attach, sgt, DMA_BIDIRECTIONAL);
		return;
	}
	dma_unmap_sgtable(obj->dev->dev, sgt, DMA_BIDIRECTIONAL, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

static void npu_gem_free(struct drm_gem_object *obj)
{
	struct npu_device *npu = to_npu_device(obj->dev);
	struct npu_bo *bo = to_npu_bo(obj);
	struct drm_gem_object *vm_root = bo->vm_root;

	if (bo->client)
		npu_client_uncharge(bo->client, obj->size);

	/* Together, so that removal either sees the buffer or finds it unmapped. */
	scoped_guard(mutex, &npu->objects.lock) {
		list_del(&bo->node);
		npu_bo_unmap_dma(bo);
	}

	kfree(bo->label);
	drm_gem_shmem_free(&bo->base);
	/* It owns the reservation that was locked just now. */
	if (vm_root)
		drm_gem_object_put(vm_root);
}

static struct dma_buf *npu_gem_export(struct drm_gem_object *obj, int flags)
{
	if (to_npu_bo(obj)->vm_root)
		return ERR_PTR(-EPERM);
	return drm_gem_prime_export(obj, flags);
}

static int npu_gem_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	if (to_npu_bo(obj)->flags & DRM_NPU_BO_NO_MMAP)
		return -EPERM;
	return drm_gem_shmem_object_mmap(obj, vma);
}

static const struct drm_gem_object_funcs npu_gem_funcs = {
	.free = npu_gem_free,
	.export = npu_gem_export,
	.print_info = drm_gem_shmem_object_print_info,
	.pin = drm_gem_shmem_object_pin,
	.unpin = drm_gem_shmem_object_unpin,
	.get_sg_table = drm_gem_shmem_object_get_sg_table,
	.vmap = drm_gem_shmem_object_vmap,
	.vunmap = drm_gem_shmem_object_vunmap,
	.mmap = npu_gem_mmap,
	.vm_ops = &drm_gem_shmem_vm_ops,
};

/**
 * npu_gem_create_object() - drm_driver.gem_create_object
 * @drm: device
 * @size: bytes
 */
struct drm_gem_object *npu_gem_create_object(struct drm_device *drm, size_t size)
{
	struct npu_bo *bo;

	bo = kzalloc(sizeof(*bo), GFP_KERNEL_ACCOUNT);
	if (!bo)
		return ERR_PTR(-ENOMEM);

	bo->base.base.funcs = &npu_gem_funcs;
	/* The device writes pages behind the back of shmem. */
	bo->base.pages_mark_dirty_on_put = true;
	/* The helper may still fail, and frees it then without a word to us. */
	INIT_LIST_HEAD(&bo->node);
	return &bo->base.base;
}

static void npu_bo_track(struct npu_bo *bo)
{
	struct npu_device *npu = to_npu_device(bo->base.base.dev);

	npu_gpuva_init(&bo->base.base);
	guard(mutex)(&npu->objects.lock);
	list_add_tail(&bo->node, &npu->objects.bos);
}

/* Page tables are made from it: trust no exporter. */
static bool npu_sg_table_is_sane(struct sg_table *sgt, size_t size)
{
	struct scatterlist *sg;
	size_t total = 0;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (!IS_ALIGNED(sg_dma_address(sg) | sg_dma_len(sg), PAGE_SIZE))
			return false;
		total += sg_dma_len(sg);
	}
	return total >= PAGE_ALIGN(size);
}

/**
 * npu_gem_prime_import_sg_table() - drm_driver.gem_prime_import_sg_table
 * @drm: device
 * @attach: of the dma-buf
 * @sgt: its memory
 */
struct drm_gem_object *npu_gem_prime_import_sg_table(struct drm_device *drm,
						     struct dma_buf_attachment *attach,
						     struct sg_table *sgt)
{
	struct drm_gem_object *obj;

	if (!npu_sg_table_is_sane(sgt, attach->dmabuf->size))
		return ERR_PTR(-EINVAL);
	obj = drm_gem_shmem_prime_import_sg_table(drm, attach, sgt);
	if (!IS_ERR(obj))
		npu_bo_track(to_npu_bo(obj));
	return obj;
}

/**
 * npu_gem_prime_import() - drm_driver.gem_prime_import
 * @drm: device
 * @dma_buf: to attach to and map
 */
struct drm_gem_object *npu_gem_prime_import(struct drm_device *drm, struct dma_buf *dma_buf)
{
	struct npu_device *npu = to_npu_device(drm);
	struct drm_gem_object *obj;
	int idx;

	if (!npu_dev_enter(npu, &idx))
		return ERR_PTR(-ENODEV);
	obj = drm_gem_prime_import(drm, dma_buf);
	drm_dev_exit(idx);
	return obj;
}

/**
 * npu_gem_unplug() - end all DMA mappings
 * @npu: device that is unplugged and does no DMA any more
 */
void npu_gem_unplug(struct npu_device *npu)
{
	struct npu_bo *bo;

	if (npu->unsafe)
		return;
	guard(mutex)(&npu->objects.lock);
	list_for_each_entry(bo, &npu->objects.bos, node)
		npu_bo_unmap_dma(bo);
}

/* ---- Ioctls --------------------------------------------------------------- */

/* Ties a buffer that nobody else has seen yet to the reservation of a VM. */
static void npu_bo_make_private(struct npu_bo *bo, struct npu_vm *vm, u32 vm_id)
{
	struct drm_gem_object *root = vm->gpuvm.r_obj;

	drm_gem_object_get(root);
	bo->vm_root = root;
	bo->vm_id = vm_id;
	bo->base.base.resv = root->resv;
}

static struct drm_gem_shmem_object *npu_bo_create_charged(struct npu_device *npu,
							  struct npu_client *client, u64 size)
{
	struct drm_gem_shmem_object *shmem;
	int ret;

	ret = npu_client_charge(client, size);
	if (ret)
		return ERR_PTR(ret);
	shmem = drm_gem_shmem_create(&npu->drm, size);
	if (IS_ERR(shmem))
		npu_client_uncharge(client, size);
	else
		to_npu_bo(&shmem->base)->client = client;
	return shmem;
}

static int npu_bo_create(struct npu_device *npu, struct drm_file *file,
			 struct drm_npu_bo_create *args, struct npu_vm *vm)
{
	struct drm_gem_shmem_object *shmem;
	struct sg_table *sgt;
	u32 handle;
	int ret;

	shmem = npu_bo_create_charged(npu, to_npu_file(file)->client, PAGE_ALIGN(args->size));
	if (IS_ERR(shmem))
		return PTR_ERR(shmem);

	npu_bo_track(to_npu_bo(&shmem->base));
	to_npu_bo(&shmem->base)->flags = args->flags;
	if (vm)
		npu_bo_make_private(to_npu_bo(&shmem->base), vm, args->vm_id);

	sgt = drm_gem_shmem_get_pages_sgt(shmem);
	ret = PTR_ERR_OR_ZERO(sgt);
	if (!ret)
		ret = drm_gem_handle_create(file, &shmem->base, &handle);
	/* Arguments are copied back after an error too: change nothing then. */
	if (!ret) {
		args->size = shmem->base.size;
		args->handle = handle;
	}
	drm_gem_object_put(&shmem->base);
	return ret;
}

/**
 * npu_gem_page() - a page of a buffer, for the CPU to look at
 * @obj: buffer that is mapped in an address space, whose lock is held
 * @index: of the page
 *
 * Return: the page, or NULL if the buffer has none there or is somebody else's.
 */
struct page *npu_gem_page(struct drm_gem_object *obj, u64 index)
{
	struct drm_gem_shmem_object *shmem = to_drm_gem_shmem_obj(obj);
	struct page **pages = READ_ONCE(shmem->pages);

	if (drm_gem_is_imported(obj) || !pages || index >= obj->size >> PAGE_SHIFT)
		return NULL;
	return pages[index];
}

int npu_bo_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct npu_device *npu = to_npu_device(drm);
	struct drm_npu_bo_create *args = data;
	struct npu_vm *vm = NULL;
	int ret, idx;

	if (args->flags & ~DRM_NPU_BO_NO_MMAP || args->pad || args->handle || !args->size)
		return -EINVAL;
	if (args->size >> PAGE_SHIFT > totalram_pages())
		return -ENOMEM;

	if (args->vm_id) {
		vm = npu_vm_lookup(file, args->vm_id);
		if (!vm)
			return -ENOENT;
	}

	ret = -ENODEV;
	if (npu_dev_enter(npu, &idx)) {
		ret = npu_bo_create(npu, file, args, vm);
		drm_dev_exit(idx);
	}
	npu_vm_put(vm);
	return ret;
}

int npu_bo_mmap_offset_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_npu_bo_mmap_offset *args = data;
	struct drm_gem_object *obj;
	int ret = 0;

	if (args->pad || args->offset)
		return -EINVAL;

	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;

	if (drm_gem_is_imported(obj))
		ret = -EINVAL;
	else if (to_npu_bo(obj)->flags & DRM_NPU_BO_NO_MMAP)
		ret = -EPERM;
	else
		args->offset = drm_vma_node_offset_addr(&obj->vma_node);

	drm_gem_object_put(obj);
	return ret;
}

static bool npu_bo_need_sync(struct npu_bo *bo)
{
	struct device *dev = bo->base.base.dev->dev;
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(bo->base.sgt, sg, i) {
		if (dma_need_sync(dev, sg_dma_address(sg)))
			return true;
	}
	return false;
}

int npu_bo_info_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct npu_device *npu = to_npu_device(drm);
	struct drm_npu_bo_info *args = data;
	struct drm_gem_object *obj;
	struct npu_bo *bo;
	int idx;

	if (args->create_flags || args->size || args->flags || args->vm_id)
		return -EINVAL;

	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;

	bo = to_npu_bo(obj);
	args->create_flags = bo->flags;
	args->size = obj->size;
	args->vm_id = bo->vm_id;
	if (drm_gem_is_imported(obj))
		args->flags |= DRM_NPU_BO_INFO_IMPORTED;
	if (npu_dev_enter(npu, &idx)) {
		if (npu_bo_need_sync(bo))
			args->flags |= DRM_NPU_BO_INFO_NEED_SYNC;
		drm_dev_exit(idx);
	}

	drm_gem_object_put(obj);
	return 0;
}

int npu_bo_label_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct npu_device *npu = to_npu_device(drm);
	struct drm_npu_bo_label *args = data;
	struct drm_gem_object *obj;
	char *label = NULL;

	if (args->pad)
		return -EINVAL;

	if (args->label) {
		label = strndup_user(u64_to_user_ptr(args->label), DRM_NPU_BO_LABEL_MAX);
		/* strndup_user() says -EINVAL for a string that is too long. */
		if (IS_ERR(label))
			return PTR_ERR(label) == -EINVAL ? -E2BIG : PTR_ERR(label);
	}

	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj) {
		kfree(label);
		return -ENOENT;
	}

	scoped_guard(mutex, &npu->objects.lock)
		swap(to_npu_bo(obj)->label, label);
	drm_gem_object_put(obj);
	kfree(label);
	return 0;
}

static void npu_bo_sync(struct npu_bo *bo, u32 flags, u64 offset, u64 size)
{
	struct device *dev = bo->base.base.dev->dev;
	u64 end = offset + size;
	struct scatterlist *sg;
	u64 start = 0;
	unsigned int i;

	for_each_sgtable_dma_sg(bo->base.sgt, sg, i) {
		u64 from = max(offset, start);
		u64 to = min(end, start + sg_dma_len(sg));

		if (from < to && flags == DRM_NPU_BO_SYNC_TO_DEVICE)
			dma_sync_single_for_device(dev, sg_dma_address(sg) + from - start,
						   to - from, DMA_BIDIRECTIONAL);
		else if (from < to)
			dma_sync_single_for_cpu(dev, sg_dma_address(sg) + from - start,
						to - from, DMA_BIDIRECTIONAL);
		start += sg_dma_len(sg);
	}
}

int npu_bo_sync_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct npu_device *npu = to_npu_device(drm);
	struct drm_npu_bo_sync *args = data;
	struct drm_gem_object *obj;
	int ret = 0;
	int idx;

	if (args->flags != DRM_NPU_BO_SYNC_TO_DEVICE && args->flags != DRM_NPU_BO_SYNC_TO_CPU)
		return -EINVAL;

	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;

	if (drm_gem_is_imported(obj)) {
		ret = -EOPNOTSUPP;
	} else if (!args->size || args->offset > obj->size ||
		   args->size > obj->size - args->offset) {
		ret = -EINVAL;
	} else if (npu_dev_enter(npu, &idx)) {
		npu_bo_sync(to_npu_bo(obj), args->flags, args->offset, args->size);
		drm_dev_exit(idx);
	} else {
		ret = -ENODEV;
	}

	drm_gem_object_put(obj);
	return ret;
}

int npu_bo_madvise_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_npu_bo_madvise *args = data;
	struct drm_gem_object *obj;

	if (args->pad || args->retained || args->advice > DRM_NPU_MADVISE_DONTNEED)
		return -EINVAL;

	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	drm_gem_object_put(obj);

	/* Nothing is purged before there is a shrinker. */
	return -EOPNOTSUPP;
}

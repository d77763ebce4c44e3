// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Buffers
 *
 * Buffers are shmem files with pages of their own keeping: drm_gem_shmem knows no
 * eviction. Pages are allocated and DMA-mapped when the buffer is created, so that
 * their owner's memory cgroup pays. Under memory pressure they may be given back
 * (npu_reclaim.c); they come back when a job, the CPU or an importer needs them, at
 * the cost of whoever that is.
 *
 * The reservation object protects whether there are pages and a DMA mapping. A buffer
 * that is private to a VM shares the VM's reservation object: a submission locks one
 * object for all of them. It cannot be exported.
 *
 * Importers and kernel mappings pin the pages: they are not asked to let go. CPU mappings
 * do not, they fault again.
 *
 * When the device is removed, npu_gem_unplug() ends the DMA mappings. Pages
 * and CPU mappings stay until their last user has gone.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <drm/drm_file.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>
#include <drm/npu_accel.h>

#include "npu_client.h"
#include "npu_compat.h"
#include "npu_drv.h"
#include "npu_gem.h"
#include "npu_reclaim.h"
#include "npu_vm.h"

/* ---- Memory --------------------------------------------------------------- */

static bool npu_sg_table_needs_sync(struct device *dev, struct sg_table *sgt)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (dma_need_sync(dev, sg_dma_address(sg)))
			return true;
	}
	return false;
}

/**
 * npu_bo_get_pages() - make a buffer resident
 * @bo: not imported; its reservation is locked
 *
 * Return: 0; -ENODATA if the buffer was purged; -ENOMEM and other errors of shmem.
 */
int npu_bo_get_pages(struct npu_bo *bo)
{
	struct page **pages;

	dma_resv_assert_held(bo->base.resv);

	if (bo->purged)
		return -ENODATA;
	if (bo->pages)
		return 0;
	pages = drm_gem_get_pages(&bo->base);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	WRITE_ONCE(bo->pages, pages);
	npu_bo_update_lru(bo);
	return 0;
}

/**
 * npu_bo_put_pages() - give the pages back to shmem, which may swap them out
 * @bo: mapped by nobody; its reservation is locked, or there is no other user
 */
void npu_bo_put_pages(struct npu_bo *bo)
{
	struct page **pages = bo->pages;

	if (!pages)
		return;
	WRITE_ONCE(bo->pages, NULL);
	/* The device wrote them behind the back of shmem. */
	drm_gem_put_pages(&bo->base, pages, true, false);
}

/**
 * npu_bo_populate() - make a buffer resident and DMA-mapped
 * @bo: its reservation is locked; the caller is inside npu_dev_enter()
 *
 * Return: 0 or as npu_bo_get_pages().
 */
int npu_bo_populate(struct npu_bo *bo)
{
	struct drm_gem_object *obj = &bo->base;
	struct device *dev = obj->dev->dev;
	struct sg_table *sgt;
	int ret;

	if (drm_gem_is_imported(obj))
		return bo->sgt ? 0 : -ENODEV;
	ret = npu_bo_get_pages(bo);
	if (ret || bo->sgt)
		return ret;

	sgt = drm_prime_pages_to_sg(obj->dev, bo->pages, obj->size >> PAGE_SHIFT);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	/*
	 * An importer may have mapped the pages already, and only mappings that do not
	 * synchronise may overlap. What needs it was never away: it is new, then.
	 */
	ret = dma_map_sgtable(dev, sgt, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret) {
		sg_free_table(sgt);
		kfree(sgt);
		return ret;
	}
	bo->need_sync = npu_sg_table_needs_sync(dev, sgt);
	if (bo->need_sync)
		dma_sync_sgtable_for_device(dev, sgt, DMA_BIDIRECTIONAL);
	bo->sgt = sgt;
	npu_bo_update_lru(bo);
	return 0;
}

/**
 * npu_bo_unmap_dma() - end the DMA mapping
 * @bo: not imported; not used by the device. The caller holds
 *      npu_device.objects.lock
 */
void npu_bo_unmap_dma(struct npu_bo *bo)
{
	struct sg_table *sgt = bo->sgt;

	if (!sgt)
		return;
	bo->sgt = NULL;
	dma_unmap_sgtable(bo->base.dev->dev, sgt, DMA_BIDIRECTIONAL, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

/* The same of an imported one; the caller holds npu_device.objects.import_lock. */
static void npu_bo_unmap_import(struct npu_bo *bo)
{
	struct sg_table *sgt = bo->sgt;

	bo->sgt = NULL;
	if (sgt)
		dma_buf_unmap_attachment_unlocked(bo->base.import_attach, sgt, DMA_BIDIRECTIONAL);
}

/* Keeps the pages where they are; the caller holds the reservation. */
static int npu_bo_pin(struct npu_bo *bo)
{
	int ret = npu_bo_get_pages(bo);

	if (ret)
		return ret;
	bo->pins++;
	npu_bo_update_lru(bo);
	return 0;
}

static void npu_bo_unpin(struct npu_bo *bo)
{
	dma_resv_assert_held(bo->base.resv);
	bo->pins--;
	npu_bo_update_lru(bo);
}

/**
 * npu_gem_init() - ask for huge pages for the buffers of a device
 * @npu: device, before it is registered
 *
 * Buffers of 2 MiB and more are mapped in blocks then. Without, they are where they
 * happen to be in a row.
 */
void npu_gem_init(struct npu_device *npu)
{
	int ret = drm_gem_huge_mnt_create(&npu->drm, "within_size");

	if (ret)
		drm_dbg(&npu->drm, "no huge pages: %d\n", ret);
}

/* ---- Objects --------------------------------------------------------------- */

/* Removal either sees the buffer or finds it unmapped. */
static void npu_bo_untrack(struct npu_bo *bo)
{
	struct npu_device *npu = to_npu_device(bo->base.dev);

	if (drm_gem_is_imported(&bo->base)) {
		guard(mutex)(&npu->objects.import_lock);
		list_del(&bo->node);
		npu_bo_unmap_import(bo);
	} else {
		guard(mutex)(&npu->objects.lock);
		list_del(&bo->node);
		npu_bo_unmap_dma(bo);
	}
}

static void npu_bo_free_import(struct work_struct *work)
{
	struct npu_bo *bo = container_of(work, struct npu_bo, free_work);
	struct drm_device *drm = bo->base.dev;

	npu_bo_untrack(bo);
	drm_prime_gem_destroy(&bo->base, NULL);
	kfree(bo->label);
	drm_gem_object_release(&bo->base);
	kfree(bo);
	drm_dev_put(drm);
}

/*
 * Also in memory reclaim: no lock under which somebody allocates. And with reservations
 * locked, while the end of an import locks that of the exporter: elsewhere, therefore.
 */
static void npu_gem_free(struct drm_gem_object *obj)
{
	struct npu_bo *bo = to_npu_bo(obj);
	struct drm_gem_object *vm_root = bo->vm_root;

	if (drm_gem_is_imported(obj)) {
		drm_dev_get(obj->dev);
		INIT_WORK(&bo->free_work, npu_bo_free_import);
		queue_work(npu_import_wq, &bo->free_work);
		return;
	}
	if (bo->client)
		npu_client_uncharge(bo->client, obj->size);
	npu_bo_untrack(bo);
	npu_bo_put_pages(bo);
	kfree(bo->label);
	drm_gem_object_release(obj);
	kfree(bo);
	/* Its reservation was in use until now. */
	if (vm_root)
		drm_gem_object_put(vm_root);
}

static struct dma_buf *npu_gem_export(struct drm_gem_object *obj, int flags)
{
	if (to_npu_bo(obj)->vm_root)
		return ERR_PTR(-EPERM);
	return drm_gem_prime_export(obj, flags);
}

static int npu_gem_pin(struct drm_gem_object *obj)
{
	return npu_bo_pin(to_npu_bo(obj));
}

static void npu_gem_unpin(struct drm_gem_object *obj)
{
	npu_bo_unpin(to_npu_bo(obj));
}

static struct sg_table *npu_gem_get_sg_table(struct drm_gem_object *obj)
{
	return drm_prime_pages_to_sg(obj->dev, to_npu_bo(obj)->pages, obj->size >> PAGE_SHIFT);
}

static int npu_gem_vmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	struct npu_bo *bo = to_npu_bo(obj);
	void *vaddr;
	int ret;

	ret = npu_bo_pin(bo);
	if (ret)
		return ret;
	vaddr = vmap(bo->pages, obj->size >> PAGE_SHIFT, VM_MAP, PAGE_KERNEL);
	if (!vaddr) {
		npu_bo_unpin(bo);
		return -ENOMEM;
	}
	iosys_map_set_vaddr(map, vaddr);
	return 0;
}

static void npu_gem_vunmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	vunmap(map->vaddr);
	npu_bo_unpin(to_npu_bo(obj));
}

/* ---- CPU mappings ------------------------------------------------------------ */

/*
 * Also of a dma-buf: its file shares the address space of the device's, so that an
 * eviction finds all mappings of a buffer in one place.
 */
static int npu_gem_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	if (to_npu_bo(obj)->flags & DRM_NPU_BO_NO_MMAP)
		return -EPERM;
	/* Imported buffers are mapped through their dma-buf. */
	if (drm_gem_is_imported(obj) || vma_is_cow_mapping(vma))
		return -EINVAL;

	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_page_prot = vm_get_page_prot(vma->vm_flags);
	return 0;
}

static vm_fault_t npu_bo_fault(struct npu_bo *bo, struct vm_fault *vmf)
{
	/* Not from the start of the mapping, of which the head may be cut off. */
	pgoff_t page = vmf->pgoff - drm_vma_node_start(&bo->base.vma_node);
	int ret;

	if (page >= bo->base.size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	ret = npu_bo_get_pages(bo);
	/* Not VM_FAULT_OOM, which faults again for ever: nobody is killed for a buffer. */
	if (ret)
		return VM_FAULT_SIGBUS;
	return vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(bo->pages[page]));
}

static vm_fault_t npu_vma_fault(struct vm_fault *vmf)
{
	struct drm_gem_object *obj = vmf->vma->vm_private_data;
	vm_fault_t ret;

	dma_resv_lock(obj->resv, NULL);
	ret = npu_bo_fault(to_npu_bo(obj), vmf);
	dma_resv_unlock(obj->resv);
	return ret;
}

static const struct vm_operations_struct npu_gem_vm_ops = {
	.fault = npu_vma_fault,
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
};

static const struct drm_gem_object_funcs npu_gem_funcs = {
	.free = npu_gem_free,
	.export = npu_gem_export,
	.pin = npu_gem_pin,
	.unpin = npu_gem_unpin,
	.get_sg_table = npu_gem_get_sg_table,
	.vmap = npu_gem_vmap,
	.vunmap = npu_gem_vunmap,
	.mmap = npu_gem_mmap,
	.vm_ops = &npu_gem_vm_ops,
};

static struct npu_bo *npu_bo_alloc(void)
{
	struct npu_bo *bo = kzalloc(sizeof(*bo), GFP_KERNEL_ACCOUNT);

	if (bo)
		bo->base.funcs = &npu_gem_funcs;
	return bo;
}

static struct npu_bo *npu_bo_new(struct npu_device *npu, size_t size)
{
	struct npu_bo *bo = npu_bo_alloc();
	int ret;

	if (!bo)
		return ERR_PTR(-ENOMEM);
	ret = drm_gem_object_init(&npu->drm, &bo->base, size);
	if (!ret)
		ret = drm_gem_create_mmap_offset(&bo->base);
	if (ret) {
		drm_gem_object_release(&bo->base);
		kfree(bo);
		return ERR_PTR(ret);
	}
	/* Who asks for too much gets an error, and nobody is killed for it. */
	mapping_set_gfp_mask(bo->base.filp->f_mapping,
			     GFP_HIGHUSER | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	npu_gpuva_init(&bo->base);
	scoped_guard(mutex, &npu->objects.lock)
		list_add_tail(&bo->node, &npu->objects.bos);
	return bo;
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
	struct npu_device *npu = to_npu_device(drm);
	struct npu_bo *bo;

	if (!npu_sg_table_is_sane(sgt, attach->dmabuf->size))
		return ERR_PTR(-EINVAL);
	bo = npu_bo_alloc();
	if (!bo)
		return ERR_PTR(-ENOMEM);
	drm_gem_private_object_init(drm, &bo->base, PAGE_ALIGN(attach->dmabuf->size));
	npu_gpuva_init(&bo->base);
	bo->sgt = sgt;
	bo->need_sync = npu_sg_table_needs_sync(drm->dev, sgt);
	scoped_guard(mutex, &npu->objects.import_lock)
		list_add_tail(&bo->node, &npu->objects.imports);
	return &bo->base;
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

	/* Exporters need not bear a mapping that is about to end beside a new one. */
	flush_workqueue(npu_import_wq);
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
	scoped_guard(mutex, &npu->objects.lock)
		list_for_each_entry(bo, &npu->objects.bos, node)
			npu_bo_unmap_dma(bo);
	scoped_guard(mutex, &npu->objects.import_lock)
		list_for_each_entry(bo, &npu->objects.imports, node)
			npu_bo_unmap_import(bo);
}

/* ---- Ioctls --------------------------------------------------------------- */

/* Ties a buffer that nobody else has seen yet to the reservation of a VM. */
static void npu_bo_make_private(struct npu_bo *bo, struct npu_vm *vm, u32 vm_id)
{
	struct drm_gem_object *root = vm->gpuvm.r_obj;

	drm_gem_object_get(root);
	bo->vm_root = root;
	bo->vm_id = vm_id;
	bo->base.resv = root->resv;
}

static struct npu_bo *npu_bo_create_charged(struct npu_device *npu, struct npu_client *client,
					    u64 size)
{
	struct npu_bo *bo;
	int ret;

	ret = npu_client_charge(client, size);
	if (ret)
		return ERR_PTR(ret);
	bo = npu_bo_new(npu, size);
	if (IS_ERR(bo))
		npu_client_uncharge(client, size);
	else
		bo->client = client;
	return bo;
}

/*
 * The pages are got with a reservation that nobody else needs; pinned, because the
 * shrinker must not see that change.
 */
static int npu_bo_populate_new(struct npu_bo *bo, struct npu_vm *vm, u32 vm_id)
{
	int ret;

	ret = dma_resv_lock_interruptible(bo->base.resv, NULL);
	if (ret)
		return ret;
	bo->pins = 1;
	ret = npu_bo_populate(bo);
	dma_resv_unlock(bo->base.resv);
	if (ret)
		return ret;

	if (vm)
		npu_bo_make_private(bo, vm, vm_id);
	ret = dma_resv_lock_interruptible(bo->base.resv, NULL);
	if (ret)
		return ret;
	npu_bo_unpin(bo);
	dma_resv_unlock(bo->base.resv);
	return 0;
}

static int npu_bo_create(struct npu_device *npu, struct drm_file *file,
			 struct drm_npu_bo_create *args, struct npu_vm *vm)
{
	struct npu_bo *bo;
	u32 handle;
	int ret;

	bo = npu_bo_create_charged(npu, to_npu_file(file)->client, PAGE_ALIGN(args->size));
	if (IS_ERR(bo))
		return PTR_ERR(bo);

	bo->flags = args->flags;
	ret = npu_bo_populate_new(bo, vm, args->vm_id);
	if (!ret)
		ret = drm_gem_handle_create(file, &bo->base, &handle);
	/* Arguments are copied back after an error too: change nothing then. */
	if (!ret) {
		args->size = bo->base.size;
		args->handle = handle;
	}
	drm_gem_object_put(&bo->base);
	return ret;
}

/**
 * npu_gem_page() - a page of a buffer, for the CPU to look at
 * @obj: buffer that is mapped, not evicted, in an address space whose lock is held
 * @index: of the page
 *
 * Return: the page, or NULL if the buffer has none there or is somebody else's.
 */
struct page *npu_gem_page(struct drm_gem_object *obj, u64 index)
{
	struct page **pages = READ_ONCE(to_npu_bo(obj)->pages);

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

int npu_bo_info_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_npu_bo_info *args = data;
	struct drm_gem_object *obj;
	struct npu_bo *bo;

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
	if (bo->need_sync)
		args->flags |= DRM_NPU_BO_INFO_NEED_SYNC;

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

static void npu_bo_sync_range(struct npu_bo *bo, u32 flags, u64 offset, u64 size)
{
	struct device *dev = bo->base.dev->dev;
	u64 end = offset + size;
	struct scatterlist *sg;
	u64 start = 0;
	unsigned int i;

	for_each_sgtable_dma_sg(bo->sgt, sg, i) {
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

static int npu_bo_sync(struct npu_bo *bo, u32 flags, u64 offset, u64 size)
{
	int ret;

	ret = dma_resv_lock_interruptible(bo->base.resv, NULL);
	if (ret)
		return ret;
	/* What is not mapped needs nothing. */
	if (bo->sgt)
		npu_bo_sync_range(bo, flags, offset, size);
	dma_resv_unlock(bo->base.resv);
	return 0;
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
		ret = npu_bo_sync(to_npu_bo(obj), args->flags, args->offset, args->size);
		drm_dev_exit(idx);
	} else {
		ret = -ENODEV;
	}

	drm_gem_object_put(obj);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_GEM_H_
#define _NPU_GEM_H_

#include <linux/list.h>

#include <drm/drm_gem.h>

#include "npu_device.h"

struct npu_client;

/**
 * struct npu_bo - buffer
 * @base: GEM object
 * @node: in npu_device.objects.bos, or .imports
 * @flags: DRM_NPU_BO_* of its creation
 * @vm_id: VM it is private to, 0 if none
 * @vm_root: the object whose reservation it shares then; a reference
 * @client: is charged for the buffer, NULL if it is imported; a reference
 * @label: for debugging, or NULL; protected by npu_device.objects.lock
 * @pages: NULL if they were given back, or are another driver's. The reservation
 *         protects it and all that follows
 * @sgt: where the device finds the memory, or NULL. Not NULL as long as a VM has page
 *       table entries for it
 * @pins: who needs @pages to stay: importers, kernel mappings
 * @need_sync: CPU and device see the memory only after DRM_IOCTL_NPU_BO_SYNC
 * @dontneed: may be purged
 * @purged: the content is lost, for ever
 * @free_work: the end of an imported one
 */
struct npu_bo {
	struct drm_gem_object base;
	struct list_head node;
	u32 flags;
	u32 vm_id;
	struct drm_gem_object *vm_root;
	struct npu_client *client;
	char *label;

	struct page **pages;
	struct sg_table *sgt;
	unsigned int pins;
	bool need_sync;
	bool dontneed;
	bool purged;
	struct work_struct free_work;
};

static inline struct npu_bo *to_npu_bo(struct drm_gem_object *obj)
{
	return container_of(obj, struct npu_bo, base);
}

void npu_gem_init(struct npu_device *npu);
int npu_bo_get_pages(struct npu_bo *bo);
void npu_bo_put_pages(struct npu_bo *bo);
int npu_bo_populate(struct npu_bo *bo);
void npu_bo_unmap_dma(struct npu_bo *bo);

struct drm_gem_object *npu_gem_prime_import(struct drm_device *drm, struct dma_buf *dma_buf);
struct drm_gem_object *npu_gem_prime_import_sg_table(struct drm_device *drm,
						     struct dma_buf_attachment *attach,
						     struct sg_table *sgt);
void npu_gem_unplug(struct npu_device *npu);
struct page *npu_gem_page(struct drm_gem_object *obj, u64 index);

int npu_bo_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int npu_bo_mmap_offset_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int npu_bo_info_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int npu_bo_label_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int npu_bo_sync_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* _NPU_GEM_H_ */

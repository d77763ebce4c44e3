/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_BIND_H_
#define _NPU_BIND_H_

#include <drm/drm_gpuvm.h>
#include <drm/gpu_scheduler.h>

struct drm_device;
struct drm_exec;
struct drm_file;
struct drm_npu_vm_bind_op;
struct npu_device;
struct npu_userptr;
struct npu_vm;

/* Flag of a drm_gpuva. */
#define NPU_VA_READONLY	DRM_GPUVA_USERBITS

/**
 * struct npu_va - a mapping
 * @base: what and where
 * @vm_bo: once it was taken out of the tree: association of buffer and VM, a
 *         reference that goes when the device has forgotten the mapping
 * @userptr: user memory, in place of a buffer; a reference that goes likewise
 * @userptr_node: in the list of its mappings
 */
struct npu_va {
	struct drm_gpuva base;
	struct drm_gpuvm_bo *vm_bo;
	struct npu_userptr *userptr;
	struct list_head userptr_node;
};

static inline struct npu_va *to_npu_va(struct drm_gpuva *va)
{
	return container_of(va, struct npu_va, base);
}

extern const struct drm_sched_backend_ops npu_bind_sched_ops;

int npu_bind_step_map(struct drm_gpuva_op *op, void *priv);
int npu_bind_step_remap(struct drm_gpuva_op *op, void *priv);
int npu_bind_step_unmap(struct drm_gpuva_op *op, void *priv);
void npu_vas_free(struct npu_vm *vm, struct list_head *removed);
void npu_va_remove(struct drm_gpuva *va, struct list_head *removed);

int npu_vm_bo_validate(struct drm_gpuvm_bo *vm_bo, struct drm_exec *exec);
void npu_vm_bo_evict(struct drm_gpuvm_bo *vm_bo);

void npu_binds_unplug(struct npu_device *npu);

int npu_vm_bind(struct npu_vm *vm, struct drm_file *file, const struct drm_npu_vm_bind_op *args,
		u32 count);
int npu_vm_bind_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* _NPU_BIND_H_ */

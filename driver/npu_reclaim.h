/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_RECLAIM_H_
#define _NPU_RECLAIM_H_

struct drm_device;
struct drm_file;
struct npu_bo;
struct npu_device;

int npu_reclaim_init(struct npu_device *npu);
void npu_bo_update_lru(struct npu_bo *bo);

int npu_bo_madvise_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* _NPU_RECLAIM_H_ */

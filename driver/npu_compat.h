/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver is written for the newest kernel; what older ones lack is here
 * and nowhere else.
 */
#ifndef _NPU_COMPAT_H_
#define _NPU_COMPAT_H_

#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_gpuvm.h>
#include <drm/drm_managed.h>
#include <drm/gpu_scheduler.h>
#include <linux/dma-resv.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/version.h>

#include "npu_device.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)

#define NPU_MODULE_IMPORT_NS(ns)	MODULE_IMPORT_NS(ns)

/* What is not WQ_UNBOUND is it. */
#define WQ_PERCPU			0

#define DRM_GPU_SCHED_STAT_RESET	DRM_GPU_SCHED_STAT_NOMINAL

#define vma_is_cow_mapping(vma)		is_cow_mapping((vma)->vm_flags)

/* It is always reported. */
#define DRM_GEM_OBJECT_ACTIVE		0

struct drm_gpuvm_map_req {
	struct drm_gpuva_op_map map;
};

#define drm_gpuvm_sm_map(gpuvm, priv, req)				\
	(drm_gpuvm_sm_map)(gpuvm, priv, (req)->map.va.addr, (req)->map.va.range, \
			   (req)->map.gem.obj, (req)->map.gem.offset)

/*
 * Who maps a buffer: a list which, to be changed in the fence signalling path, needs a
 * lock that is no reservation. Later each buffer has one.
 */
#define DRM_GPUVM_IMMEDIATE_MODE	0

static inline void npu_gpuva_init(struct drm_gem_object *obj)
{
	drm_gem_gpuva_set_lock(obj, &to_npu_device(obj->dev)->objects.gpuva_lock);
}

static inline void npu_gpuva_lock(struct drm_gem_object *obj)
{
	mutex_lock(&to_npu_device(obj->dev)->objects.gpuva_lock);
}

static inline void npu_gpuva_unlock(struct drm_gem_object *obj)
{
	mutex_unlock(&to_npu_device(obj->dev)->objects.gpuva_lock);
}

static inline struct drm_gpuvm_bo *npu_gpuvm_bo_obtain(struct drm_gpuvm_bo *vm_bo)
{
	struct drm_gem_object *obj = vm_bo->obj;

	npu_gpuva_lock(obj);
	vm_bo = drm_gpuvm_bo_obtain_prealloc(vm_bo);
	npu_gpuva_unlock(obj);
	return vm_bo;
}

#define drm_gpuvm_bo_obtain_prealloc	npu_gpuvm_bo_obtain

/* Where shmem puts huge pages is for the administrator to say: shmem_enabled. */
static inline int drm_gem_huge_mnt_create(struct drm_device *drm, const char *value)
{
	return 0;
}

/* A list of buffers has a lock of its own; later all of a device share one. */
#define NPU_SHRINK_ARGS			struct drm_gem_object *obj

static inline unsigned long npu_lru_scan(struct npu_device *npu, struct drm_gem_lru *lru,
					 unsigned int nr, unsigned long *remaining,
					 bool (*shrink)(NPU_SHRINK_ARGS))
{
	return drm_gem_lru_scan(lru, nr, remaining, shrink);
}

static inline int npu_lru_init(struct npu_device *npu)
{
	int ret = drmm_mutex_init(&npu->drm, &npu->reclaim.lock);

	if (ret)
		return ret;
	drm_gem_lru_init(&npu->reclaim.purgeable, &npu->reclaim.lock);
	drm_gem_lru_init(&npu->reclaim.evictable, &npu->reclaim.lock);
	return 0;
}

static inline void npu_lru_might_lock(struct npu_device *npu)
{
	might_lock(&npu->reclaim.lock);
}

static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock_id, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock_id, mode);
	timer->function = function;
}

#else

#define NPU_MODULE_IMPORT_NS(ns)	MODULE_IMPORT_NS(#ns)

#define NPU_SHRINK_ARGS			struct drm_gem_object *obj, struct ww_acquire_ctx *ticket

static inline unsigned long npu_lru_scan(struct npu_device *npu, struct drm_gem_lru *lru,
					 unsigned int nr, unsigned long *remaining,
					 bool (*shrink)(NPU_SHRINK_ARGS))
{
	return drm_gem_lru_scan(&npu->drm, lru, nr, remaining, shrink, NULL);
}

static inline int npu_lru_init(struct npu_device *npu)
{
	drm_gem_lru_init(&npu->reclaim.purgeable);
	drm_gem_lru_init(&npu->reclaim.evictable);
	return 0;
}

static inline void npu_lru_might_lock(struct npu_device *npu)
{
	might_lock(&npu->drm.gem_lru_mutex);
}

/* Every GEM driver has the feature. */
#define DRIVER_GEM_GPUVA		0

static inline void npu_gpuva_init(struct drm_gem_object *obj)
{
}

static inline void npu_gpuva_lock(struct drm_gem_object *obj)
{
	mutex_lock(&obj->gpuva.lock);
}

static inline void npu_gpuva_unlock(struct drm_gem_object *obj)
{
	mutex_unlock(&obj->gpuva.lock);
}

#endif

#endif /* _NPU_COMPAT_H_ */

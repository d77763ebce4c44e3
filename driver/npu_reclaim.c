// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Memory pressure
 *
 * Each device has a shrinker. It finds the buffers that have pages in two lists, the
 * one first that got them first:
 *
 * - Purgeable ones (MADVISE DONTNEED) lose their content and are of no more use.
 * - All others are evicted, if there is swap space: their pages go back to shmem, which
 *   swaps them out. SUBMIT brings back what its VM maps, a CPU access what it touches,
 *   VM_BIND and importers what they name. The content is kept.
 *
 * Only idle buffers are taken: all fences of their reservation object have signalled, and
 * the shrinker waits for none. It only tries to lock reservations. Pinned buffers stay:
 * attached by an importer, or mapped by the kernel. So do those whose
 * memory CPU and device see after BO_SYNC only: who wrote last, and whether it was synced,
 * is known to the user alone.
 *
 * Before pages are given back, npu_vm_bo_evict() takes the page table entries away from
 * each VM that maps the buffer, and waits for the TLB, under npu_vm.lock. This takes a
 * tile, in the worst case a reset. npu_vm_bo_validate() is the way back.
 *
 * What comes back is charged to the memory cgroup of who makes it come back. Page tables
 * stay when a buffer is evicted, so that the way back seldom needs new ones.
 */
#include <linux/cleanup.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <linux/shrinker.h>
#include <linux/swap.h>

#include <drm/drm_file.h>
#include <drm/drm_gpuvm.h>
#include <drm/drm_managed.h>
#include <drm/npu_accel.h>

#include "npu_bind.h"
#include "npu_compat.h"
#include "npu_device.h"
#include "npu_gem.h"
#include "npu_reclaim.h"

/* Would its content be the same when it comes back, whoever wrote it last? */
static bool npu_bo_is_evictable(struct npu_bo *bo)
{
	return !bo->need_sync && !dma_addressing_limited(bo->base.dev->dev);
}

/**
 * npu_bo_update_lru() - put a buffer into the list where it belongs
 * @bo: not imported; its reservation is locked
 */
void npu_bo_update_lru(struct npu_bo *bo)
{
	struct npu_device *npu = to_npu_device(bo->base.dev);

	if (bo->pins || bo->purged)
		drm_gem_lru_remove(&bo->base);
	else if (bo->dontneed)
		drm_gem_lru_move_tail(&npu->reclaim.purgeable, &bo->base);
	else if (bo->pages && npu_bo_is_evictable(bo))
		drm_gem_lru_move_tail(&npu->reclaim.evictable, &bo->base);
	else
		drm_gem_lru_remove(&bo->base);
}

/* ---- Giving back ---------------------------------------------------------------- */

/* Returns false if the device may use the pages for ever. */
static bool npu_bo_unmap_device(struct npu_bo *bo)
{
	struct npu_device *npu = to_npu_device(bo->base.dev);
	struct drm_gpuvm_bo *vm_bo;

	/* They are added and removed with the reservation locked. */
	drm_gem_for_each_gpuvm_bo(vm_bo, &bo->base)
		npu_vm_bo_evict(vm_bo);
	/* It may have been given up just now. */
	if (npu->unsafe)
		return false;
	scoped_guard(mutex, &npu->objects.lock)
		npu_bo_unmap_dma(bo);
	return true;
}

static bool npu_bo_has_dma(struct npu_bo *bo)
{
	struct npu_device *npu = to_npu_device(bo->base.dev);

	/* Removal changes it under this lock. */
	guard(mutex)(&npu->objects.lock);
	return bo->sgt;
}

static bool npu_bo_give_back(struct npu_bo *bo)
{
	struct drm_gem_object *obj = &bo->base;
	struct drm_device *drm = obj->dev;
	bool unmapped;
	int idx;

	if (bo->pins || !dma_resv_test_signaled(obj->resv, DMA_RESV_USAGE_BOOKKEEP))
		return false;
	if (npu_dev_enter(to_npu_device(drm), &idx)) {
		unmapped = npu_bo_unmap_device(bo);
		drm_dev_exit(idx);
		if (!unmapped)
			return false;
	} else if (npu_bo_has_dma(bo)) {
		/* Removal is about to end that, or nobody ever will. */
		return false;
	}
	drm_vma_node_unmap(&obj->vma_node, drm->anon_inode->i_mapping);
	npu_bo_put_pages(bo);
	return true;
}

static bool npu_evict(NPU_SHRINK_ARGS)
{
	struct npu_bo *bo = to_npu_bo(obj);

	if (!bo->pages || !npu_bo_give_back(bo))
		return false;
	npu_bo_update_lru(bo);
	atomic_inc(&to_npu_device(obj->dev)->reclaim.evictions);
	return true;
}

static bool npu_purge(NPU_SHRINK_ARGS)
{
	struct npu_bo *bo = to_npu_bo(obj);

	if (!bo->dontneed || !npu_bo_give_back(bo))
		return false;
	WRITE_ONCE(bo->purged, true);
	npu_bo_update_lru(bo);
	shmem_truncate_range(file_inode(obj->filp), 0, (loff_t)-1);
	atomic_inc(&to_npu_device(obj->dev)->reclaim.purges);
	return true;
}

/* ---- Shrinker --------------------------------------------------------------------- */

static unsigned long npu_reclaim_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct npu_device *npu = shrinker->private_data;
	unsigned long count = READ_ONCE(npu->reclaim.purgeable.count);

	/* Without swap nothing is gained. */
	if (get_nr_swap_pages() > 0)
		count += READ_ONCE(npu->reclaim.evictable.count);
	return count ?: SHRINK_EMPTY;
}

static unsigned long npu_reclaim_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct npu_device *npu = shrinker->private_data;
	unsigned long freed, remaining = 0;

	/* The locks below are known to lockdep as taken in reclaim of this kind. */
	if (!(sc->gfp_mask & __GFP_FS))
		return SHRINK_STOP;
	freed = npu_lru_scan(npu, &npu->reclaim.purgeable, sc->nr_to_scan, &remaining, npu_purge);
	if (freed < sc->nr_to_scan && get_nr_swap_pages() > 0)
		freed += npu_lru_scan(npu, &npu->reclaim.evictable, sc->nr_to_scan - freed,
				      &remaining, npu_evict);
	return freed ?: SHRINK_STOP;
}

/* lockdep learns the order at once, and not when memory gets scarce. */
static void npu_reclaim_prime(struct npu_device *npu)
{
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(&npu->objects.gpuva_lock);
	might_lock(&npu->objects.lock);
	might_lock_read(&npu->pm.lock);
	might_lock(&npu->slots.lock);
	npu_lru_might_lock(npu);
	fs_reclaim_release(GFP_KERNEL);
}

static void npu_reclaim_fini(struct drm_device *drm, void *data)
{
	shrinker_free(to_npu_device(drm)->reclaim.shrinker);
}

/**
 * npu_reclaim_init() - give a device a shrinker
 * @npu: device, before it is registered
 *
 * Return: 0 or negative errno.
 */
int npu_reclaim_init(struct npu_device *npu)
{
	struct shrinker *shrinker;
	int ret;

	ret = npu_lru_init(npu);
	if (ret)
		return ret;
	npu_reclaim_prime(npu);
	shrinker = shrinker_alloc(0, "npu-%s", dev_name(npu->drm.dev));
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = npu_reclaim_count;
	shrinker->scan_objects = npu_reclaim_scan;
	shrinker->private_data = npu;
	npu->reclaim.shrinker = shrinker;
	shrinker_register(shrinker);
	return drmm_add_action_or_reset(&npu->drm, npu_reclaim_fini, NULL);
}

/* ---- Ioctl ------------------------------------------------------------------------- */

static int npu_bo_madvise(struct npu_bo *bo, struct drm_npu_bo_madvise *args)
{
	int ret;

	if (drm_gem_is_imported(&bo->base))
		return -EOPNOTSUPP;
	ret = dma_resv_lock_interruptible(bo->base.resv, NULL);
	if (ret)
		return ret;
	WRITE_ONCE(bo->dontneed, args->advice == DRM_NPU_MADVISE_DONTNEED);
	npu_bo_update_lru(bo);
	args->retained = !bo->purged;
	dma_resv_unlock(bo->base.resv);
	return 0;
}

int npu_bo_madvise_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_npu_bo_madvise *args = data;
	struct drm_gem_object *obj;
	int ret;

	if (args->pad || args->retained || args->advice > DRM_NPU_MADVISE_DONTNEED)
		return -EINVAL;

	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	ret = npu_bo_madvise(to_npu_bo(obj), args);
	drm_gem_object_put(obj);
	return ret;
}

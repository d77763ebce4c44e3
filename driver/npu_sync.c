// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Syncobjs
 *
 * Jobs and asynchronous changes of an address space wait for syncobjs and signal
 * them in the same way: everything is looked up and allocated by
 * npu_syncs_lookup(); npu_syncs_publish() runs in the fence signalling path and
 * cannot fail. A wait whose fence ends with an error does not stop who waits.
 */
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/slab.h>

#include <drm/drm_syncobj.h>
#include <drm/gpu_scheduler.h>
#include <drm/npu_accel.h>

#include "npu_drv.h"
#include "npu_sync.h"

static int npu_sync_check(const struct drm_npu_sync *args)
{
	if (args->flags & ~DRM_NPU_SYNC_SIGNAL || args->pad)
		return -EINVAL;

	switch (args->type) {
	case DRM_NPU_SYNC_BINARY:
		return args->point ? -EINVAL : 0;
	case DRM_NPU_SYNC_TIMELINE:
		return args->point ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static int npu_sync_lookup(struct npu_sync *sync, struct drm_file *file,
			   const struct drm_npu_sync *args)
{
	struct dma_fence *fence;
	int ret;

	ret = npu_sync_check(args);
	if (ret)
		return ret;

	if (!(args->flags & DRM_NPU_SYNC_SIGNAL)) {
		/* Leaves a stale pointer behind when it fails. */
		ret = drm_syncobj_find_fence(file, args->handle, args->point, 0, &fence);
		if (!ret)
			sync->fence = fence;
		return ret;
	}

	sync->syncobj = drm_syncobj_find(file, args->handle);
	if (!sync->syncobj)
		return -ENOENT;
	if (args->type == DRM_NPU_SYNC_TIMELINE) {
		sync->point = args->point;
		sync->chain = dma_fence_chain_alloc();
		if (!sync->chain)
			return -ENOMEM;
	}
	return 0;
}

/**
 * npu_syncs_lookup() - find syncobjs and fences, allocate timeline points
 * @syncs: zeroed; npu_syncs_fini() ends it, also after an error
 * @file: whose handles they are
 * @array: of struct drm_npu_sync in user space, checked by npu_array_check()
 *
 * Return: 0 or negative errno.
 */
int npu_syncs_lookup(struct npu_syncs *syncs, struct drm_file *file,
		     const struct drm_npu_array *array)
{
	struct drm_npu_sync args;
	int ret = 0;

	syncs->sync = syncs->few;
	if (array->count > ARRAY_SIZE(syncs->few))
		syncs->sync = kvcalloc(array->count, sizeof(*syncs->sync), GFP_KERNEL_ACCOUNT);
	if (!syncs->sync)
		return -ENOMEM;

	while (syncs->count < array->count && !ret) {
		ret = npu_array_read(array, syncs->count, 1, &args, sizeof(args));
		/* One that failed half way is to be cleaned up as well. */
		if (!ret)
			ret = npu_sync_lookup(&syncs->sync[syncs->count++], file, &args);
	}
	return ret;
}

/* A point of a timeline is a chain, whose links have contexts of their own. */
static bool npu_fence_is_of(struct dma_fence *fence, u64 context)
{
	struct dma_fence_unwrap iter;
	struct dma_fence *f;

	dma_fence_unwrap_for_each(f, &iter, fence) {
		if (f->context != context) {
			/* Who goes on to the end has put it there. */
			dma_fence_put(iter.chain);
			return false;
		}
	}
	return true;
}

/**
 * npu_syncs_add_dependencies() - let a job wait
 * @syncs: for what
 * @job: not armed yet
 * @context: fences of it are not waited for, since they come first anyway
 *
 * Return: 0 or negative errno.
 */
int npu_syncs_add_dependencies(struct npu_syncs *syncs, struct drm_sched_job *job, u64 context)
{
	struct npu_sync *sync;
	struct dma_fence *fence;
	int ret;
	u32 i;

	for (i = 0; i < syncs->count; i++) {
		sync = &syncs->sync[i];
		fence = sync->fence;
		if (!fence || npu_fence_is_of(fence, context))
			continue;
		/* Takes over the reference, also when it fails. */
		sync->fence = NULL;
		ret = drm_sched_job_add_dependency(job, fence);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * npu_syncs_publish() - put a fence into the syncobjs that are to be signalled
 * @syncs: once
 * @fence: signals them
 */
void npu_syncs_publish(struct npu_syncs *syncs, struct dma_fence *fence)
{
	struct npu_sync *sync;
	u32 i;

	for (i = 0; i < syncs->count; i++) {
		sync = &syncs->sync[i];
		if (!sync->syncobj)
			continue;
		if (sync->chain)
			drm_syncobj_add_point(sync->syncobj, sync->chain, fence, sync->point);
		else
			drm_syncobj_replace_fence(sync->syncobj, fence);
		sync->chain = NULL;
	}
}

/**
 * npu_syncs_fini() - let go what was looked up
 * @syncs: is empty then
 */
void npu_syncs_fini(struct npu_syncs *syncs)
{
	struct npu_sync *sync;

	while (syncs->count) {
		sync = &syncs->sync[--syncs->count];
		dma_fence_put(sync->fence);
		dma_fence_chain_free(sync->chain);
		if (sync->syncobj)
			drm_syncobj_put(sync->syncobj);
	}
	if (syncs->sync != syncs->few)
		kvfree(syncs->sync);
}

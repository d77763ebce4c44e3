/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_SYNC_H_
#define _NPU_SYNC_H_

#include <linux/types.h>

struct dma_fence;
struct dma_fence_chain;
struct drm_file;
struct drm_npu_array;
struct drm_sched_job;
struct drm_syncobj;

/* So many need no allocation. */
#define NPU_SYNCS_FEW	2

/**
 * struct npu_sync - one syncobj
 * @syncobj: to signal, a reference
 * @chain: its new timeline point, NULL for a binary one
 * @point: number of the point
 * @fence: to wait for, a reference
 */
struct npu_sync {
	struct drm_syncobj *syncobj;
	struct dma_fence_chain *chain;
	u64 point;
	struct dma_fence *fence;
};

/**
 * struct npu_syncs - the syncobjs of a SUBMIT or an asynchronous VM_BIND
 * @sync: of each
 * @count: how many of them are looked up
 * @few: room for them, if it is enough
 */
struct npu_syncs {
	struct npu_sync *sync;
	u32 count;
	struct npu_sync few[NPU_SYNCS_FEW];
};

int npu_syncs_lookup(struct npu_syncs *syncs, struct drm_file *file,
		     const struct drm_npu_array *array);
int npu_syncs_add_dependencies(struct npu_syncs *syncs, struct drm_sched_job *job, u64 context);
void npu_syncs_publish(struct npu_syncs *syncs, struct dma_fence *fence);
void npu_syncs_fini(struct npu_syncs *syncs);

#endif /* _NPU_SYNC_H_ */

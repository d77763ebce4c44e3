/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_SYNC_H_
#define _NPU_SYNC_H_

#include <linux/types.h>

struct dma_fence;
struct drm_file;
struct drm_npu_sync;
struct drm_sched_job;
struct npu_sync;

/**
 * struct npu_syncs - the syncobjs of a SUBMIT or an asynchronous VM_BIND
 * @sync: of each
 * @count: how many of them are looked up
 */
struct npu_syncs {
	struct npu_sync *sync;
	u32 count;
};

int npu_syncs_lookup(struct npu_syncs *syncs, struct drm_file *file,
		     const struct drm_npu_sync *args, u32 count);
int npu_syncs_add_dependencies(struct npu_syncs *syncs, struct drm_sched_job *job, u64 context);
void npu_syncs_publish(struct npu_syncs *syncs, struct dma_fence *fence);
void npu_syncs_fini(struct npu_syncs *syncs);

#endif /* _NPU_SYNC_H_ */

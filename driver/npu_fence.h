/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_FENCE_H_
#define _NPU_FENCE_H_

#include <linux/dma-fence.h>
#include <linux/list.h>
#include <linux/spinlock.h>

#define NPU_FENCE_NAME_SIZE	24

/**
 * struct npu_fence - completion of one job
 * @base: the fence that everybody sees
 * @lock: of @base
 * @node: in npu_queue.inflight
 * @name: of the timeline; a copy, because the fence outlives its queue
 */
struct npu_fence {
	struct dma_fence base;
	spinlock_t lock; /* of @base */
	struct list_head node;
	char name[NPU_FENCE_NAME_SIZE];
};

struct npu_fence *npu_fence_alloc(void);
void npu_fence_init(struct npu_fence *fence, const char name[NPU_FENCE_NAME_SIZE], u64 context,
		    u64 seqno);
void npu_fence_signal(struct npu_fence *fence, int error);

#endif /* _NPU_FENCE_H_ */

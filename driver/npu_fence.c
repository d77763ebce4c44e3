// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Fences
 *
 * Each job has one hardware fence, allocated before the job is armed and
 * published to user space (syncobjs, reservation objects) in place of
 * drm_sched's own ones, whose names point into a scheduler that dies with its
 * queue. A hardware fence points to nothing: it may outlive queue, file and
 * device, and it pins the module as long as somebody can call its functions.
 *
 * Contract:
 *
 * - A fence signals in bounded time: work per command is bounded by the
 *   hardware, a command without progress runs into the hang limit of its
 *   queue (npu_queue.c), every step of a reset has a deadline, and the last one
 *   (npu_device_lose()) needs no answer.
 * - Fences of a queue signal in order. The error says what happened to the
 *   job: that of its fault, -ETIME for the job that hung, -ECANCELED for its
 *   successors and for jobs of a destroyed queue, -ENODEV after removal.
 * - Whoever takes a job out of the signalling path signals it:
 *   npu_queue_harvest() and npu_queue_cancel() jobs in the ring, the run_job
 *   callback jobs of a banned queue, the free_job callback jobs that never ran.
 * - Nothing in that path allocates with GFP_KERNEL or takes a lock under
 *   which somebody else does. dma_fence_begin_signalling() marks it.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "npu_fence.h"

static struct npu_fence *to_npu_fence(struct dma_fence *fence)
{
	return container_of(fence, struct npu_fence, base);
}

static const char *npu_fence_driver_name(struct dma_fence *fence)
{
	return "npu";
}

static const char *npu_fence_timeline_name(struct dma_fence *fence)
{
	return to_npu_fence(fence)->name;
}

/*
 * The module must not go while this function runs: the unload waits for an RCU
 * grace period after the last module_put(), and RCU callbacks are read sides.
 */
static void npu_fence_free(struct rcu_head *rcu)
{
	struct dma_fence *fence = container_of(rcu, struct dma_fence, rcu);

	/* Perhaps that of a job. */
	kfree(to_npu_fence(fence));
	module_put(THIS_MODULE);
}

static void npu_fence_release(struct dma_fence *fence)
{
	call_rcu(&fence->rcu, npu_fence_free);
}

static const struct dma_fence_ops npu_fence_ops = {
	.get_driver_name = npu_fence_driver_name,
	.get_timeline_name = npu_fence_timeline_name,
	.release = npu_fence_release,
};

/**
 * npu_fence_alloc() - memory for a fence alone; kfree() it if it is never initialised
 */
struct npu_fence *npu_fence_alloc(void)
{
	return kzalloc(sizeof(struct npu_fence), GFP_KERNEL_ACCOUNT);
}

/**
 * npu_fence_init() - make a fence, from now on reference counted
 * @fence: from npu_fence_alloc(), or the beginning of what is larger and to be freed with it
 * @name: of the timeline, with zeros to its end
 * @context: of the queue
 * @seqno: number of the job
 */
void npu_fence_init(struct npu_fence *fence, const char name[NPU_FENCE_NAME_SIZE], u64 context,
		    u64 seqno)
{
	__module_get(THIS_MODULE);
	spin_lock_init(&fence->lock);
	INIT_LIST_HEAD(&fence->node);
	memcpy(fence->name, name, sizeof(fence->name));
	dma_fence_init(&fence->base, &npu_fence_ops, &fence->lock, context, seqno);
}

/**
 * npu_fence_signal() - signal a fence that is not signalled yet
 * @fence: of a job that is out of reach of everybody else
 * @error: 0 or negative errno
 */
void npu_fence_signal(struct npu_fence *fence, int error)
{
	if (error)
		dma_fence_set_error(&fence->base, error);
	dma_fence_signal(&fence->base);
}

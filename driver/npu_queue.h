/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_QUEUE_H_
#define _NPU_QUEUE_H_

#include <linux/bits.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <drm/gpu_scheduler.h>
#include <drm/npu_accel.h>

#include "npu_device.h"
#include "npu_fence.h"

struct npu_job;
struct npu_notify;
struct npu_usage;
struct npu_vm;

/* Ring and reports fill one page each. */
#define NPU_RING_ORDER	6
#define NPU_RING_JOBS	((u32)BIT(NPU_RING_ORDER))

#define NPU_HANG_TIMEOUT_MS	2000	/* default */

/**
 * struct npu_queue - jobs that run in order in one address space
 * @ref: the file's handle, jobs, a slot, the list of pending queues
 * @npu: device, a reference
 * @vm: address space, a reference
 * @id: number in npu_device.queues, by which events name it
 * @priority: of the hardware
 * @hang_timeout: jiffies without progress
 * @name: of the timeline
 * @pid: who made it, for messages
 * @comm: likewise
 * @sched: one scheduler per queue; it holds jobs back until they can run
 * @entity: the only one of @sched
 * @fence_context: of the job fences
 * @submit_lock: orders submissions; protects @submitted and @closed. Taken
 *               inside reservation locks, in the fence signalling path.
 * @submitted: jobs ever armed
 * @closed: no more submissions
 * @lock: protects what follows; taken in hard interrupt. Who only looks, as the
 *        slot worker and the watch do, does so without it and with READ_ONCE().
 * @context: memory of the hardware, NULL after removal of the device
 * @context_dma: its bus address
 * @ring: NPU_RING_JOBS descriptors
 * @ring_dma: their bus address
 * @report: NPU_RING_JOBS reports
 * @report_dma: their bus address
 * @inflight: fences of jobs in the ring, and of jobs that came when the queue was
 *            dead, npu_fence.node, holding references
 * @emitted: jobs ever written to the ring
 * @completed: jobs that the hardware has completed, and that were harvested
 * @finished: jobs whose fence has signalled, in whatever way
 * @accounted: cycles of the hardware that @usage has
 * @usage: of the file, or NULL
 * @idle_since: when the last job was seen to be complete, jiffies
 * @dead: nothing is written to the ring any more
 * @guilty: number of the job that is to blame, if one is
 * @dead_error: what jobs end with that can not run
 * @state: DRM_NPU_QUEUE_*
 * @fault: why, with DRM_NPU_QUEUE_FAULTED; with DRM_NPU_QUEUE_HUNG only which job
 * @notify: to be sent when the queue is banned, or NULL
 * @slot: hardware slot, -1 if it has none; npu_slot.c writes it
 * @pending: in npu_device.slots.pending
 * @watch: runs while jobs are in the ring
 * @watch_next: progress of the hardware that will be news, 0 = any
 * @watch_since: when it was seen to change last, jiffies
 * @close_work: second half of npu_queue_close()
 * @free_work: second half of npu_queue_put()
 */
struct npu_queue {
	struct kref ref;
	struct npu_device *npu;
	struct npu_vm *vm;
	u32 id;
	u32 priority;
	unsigned long hang_timeout;
	char name[NPU_FENCE_NAME_SIZE];
	pid_t pid;
	char comm[TASK_COMM_LEN];

	struct drm_gpu_scheduler sched;
	struct drm_sched_entity entity;
	u64 fence_context;

	struct mutex submit_lock; /* order of submissions */
	u64 submitted;
	bool closed;

	spinlock_t lock; /* ring and state */
	struct npu_context *context;
	dma_addr_t context_dma;
	struct npu_job_desc *ring;
	dma_addr_t ring_dma;
	struct npu_report *report;
	dma_addr_t report_dma;
	struct list_head inflight;
	u64 emitted;
	u64 completed;
	u64 finished;
	u64 accounted;
	struct npu_usage *usage;
	unsigned long idle_since;
	bool dead;
	u64 guilty;
	int dead_error;
	u32 state;
	struct drm_npu_fault fault;
	struct npu_notify *notify;

	int slot;
	struct list_head pending;

	struct delayed_work watch;
	u64 watch_next;
	unsigned long watch_since;

	struct work_struct close_work;
	struct work_struct free_work;
};

struct npu_queue *npu_queue_create(struct npu_device *npu, struct npu_vm *vm,
				   const struct drm_npu_queue_create *args,
				   struct npu_usage *usage);
struct npu_queue *npu_queue_lookup(struct drm_file *file, u32 id);

static inline struct npu_queue *npu_queue_get(struct npu_queue *queue)
{
	kref_get(&queue->ref);
	return queue;
}

void npu_queue_put(struct npu_queue *queue);
void npu_queue_close(struct npu_queue *queue);
void npu_queues_lose(struct npu_device *npu);
void npu_queues_unplug(struct npu_device *npu);

int npu_queue_check_priority(u32 priority);
int npu_queue_emit(struct npu_queue *queue, struct npu_job *job);
void npu_queue_end_job(struct npu_queue *queue, struct npu_fence *fence, int error);
void npu_queue_harvest(struct npu_queue *queue);
void npu_queue_account(struct npu_queue *queue);
bool npu_queue_is_idle(struct npu_queue *queue);
void npu_queue_ban(struct npu_queue *queue, u32 state);
void npu_queue_cancel(struct npu_queue *queue);
bool npu_queue_rewind(struct npu_queue *queue);

int npu_queue_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int npu_queue_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int npu_queue_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int npu_perf_query_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* _NPU_QUEUE_H_ */

// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Queues
 *
 * A queue is a drm_sched scheduler with one entity on the software side, and a
 * context with a ring on the hardware side. drm_sched holds a job until its
 * dependencies have signalled and a ring entry is free; npu_queue_emit()
 * writes it into the ring at once, whether the queue has a hardware slot or
 * not. npu_slot.c lends slots to queues with work.
 *
 * Memory ordering at the ring: the descriptor, then dma_wmb(), then the write
 * index in the context, then a full barrier, then the doorbell or the request
 * for a slot. The device reads the index, then the descriptor. It writes
 * results and report before the sequence number; npu_queue_harvest() reads the
 * number, then dma_rmb(), then anything else.
 *
 * The number of a job counts from 1 in each queue. It is the sequence number
 * of the hardware, the number of the fence, and, less one, the ring index. A
 * number outside (last seen, last emitted] is refused.
 *
 * Life of a queue: it is good until it is banned (npu_queue_ban(): fault,
 * hang, reset, loss of the device) or closed. From then on nothing enters the
 * ring, the slot worker stops the hardware, and npu_queue_cancel() signals
 * what was in the ring. drm_sched goes on to hand out the jobs behind, whose
 * fences end at once. A closed queue dies when drm_sched has freed its last
 * job, since every job holds a reference.
 */
#include <linux/dma-mapping.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "npu_client.h"
#include "npu_drv.h"
#include "npu_event.h"
#include "npu_fdinfo.h"
#include "npu_job.h"
#include "npu_notify.h"
#include "npu_queue.h"
#include "npu_slot.h"
#include "npu_trace.h"
#include "npu_vm.h"

static_assert(NPU_JOB_SIZE << NPU_RING_ORDER == PAGE_SIZE);
static_assert(NPU_REPORT_SIZE << NPU_RING_ORDER == PAGE_SIZE);
static_assert(sizeof(struct npu_job_desc) == NPU_JOB_SIZE);
static_assert(sizeof(struct npu_report) == NPU_REPORT_SIZE);
static_assert(sizeof(struct npu_context) == NPU_CONTEXT_SIZE);

/* User space sees the numbers of the hardware. */
static_assert((int)DRM_NPU_FAULT_ILLEGAL == (int)NPU_FAULT_ILLEGAL);
static_assert((int)DRM_NPU_FAULT_BOUNDS == (int)NPU_FAULT_BOUNDS);
static_assert((int)DRM_NPU_FAULT_TRANSLATION == (int)NPU_FAULT_TRANSLATION);
static_assert((int)DRM_NPU_FAULT_PERMISSION == (int)NPU_FAULT_PERMISSION);
static_assert((int)DRM_NPU_FAULT_WALK == (int)NPU_FAULT_WALK);
static_assert((int)DRM_NPU_FAULT_BUS == (int)NPU_FAULT_BUS);
static_assert((int)DRM_NPU_FAULT_ABORTED == (int)NPU_FAULT_ABORTED);
static_assert((int)DRM_NPU_FAULT_DESCRIPTOR == (int)NPU_FAULT_DESCRIPTOR);
static_assert((int)DRM_NPU_ACCESS_READ == (int)NPU_ACCESS_READ);
static_assert((int)DRM_NPU_ACCESS_WRITE == (int)NPU_ACCESS_WRITE);
static_assert((int)DRM_NPU_ACCESS_FETCH == (int)NPU_ACCESS_FETCH);

/* ---- Hardware memory --------------------------------------------------------- */

static void npu_queue_free_memory(struct npu_queue *queue)
{
	struct device *dev = queue->npu->drm.dev;

	if (queue->npu->unsafe)
		return;
	if (queue->report)
		dma_free_coherent(dev, PAGE_SIZE, queue->report, queue->report_dma);
	if (queue->ring)
		dma_free_coherent(dev, PAGE_SIZE, queue->ring, queue->ring_dma);
	if (queue->context)
		dma_free_coherent(dev, PAGE_SIZE, queue->context, queue->context_dma);
	queue->report = NULL;
	queue->ring = NULL;
	queue->context = NULL;
}

static int npu_queue_alloc_memory(struct npu_queue *queue)
{
	struct device *dev = queue->npu->drm.dev;
	struct npu_context *context;

	context = dma_alloc_coherent(dev, PAGE_SIZE, &queue->context_dma, GFP_KERNEL_ACCOUNT);
	queue->context = context;
	queue->ring = dma_alloc_coherent(dev, PAGE_SIZE, &queue->ring_dma, GFP_KERNEL_ACCOUNT);
	queue->report = dma_alloc_coherent(dev, PAGE_SIZE, &queue->report_dma, GFP_KERNEL_ACCOUNT);
	if (!queue->context || !queue->ring || !queue->report) {
		npu_queue_free_memory(queue);
		return -ENOMEM;
	}

	context->ring_base = cpu_to_le64(queue->ring_dma);
	if (queue->npu->caps.features & NPU_FEATURE_REPORT)
		context->report_base = cpu_to_le64(queue->report_dma);
	context->page_table = cpu_to_le64(npu_pt_root(&queue->vm->pt));
	context->asid = cpu_to_le32(queue->vm->pt.asid);
	context->ring_order = cpu_to_le32(NPU_RING_ORDER);
	context->priority = cpu_to_le32(queue->priority);
	context->queue = cpu_to_le32(queue->id);
	return 0;
}

/* ---- Jobs ----------------------------------------------------------------------- */

static void npu_queue_end_job_locked(struct npu_queue *queue, struct npu_fence *fence, int error)
{
	queue->finished++;
	trace_npu_job_complete(queue, fence->base.seqno, error);
	npu_fence_signal(fence, error);
	npu_pm_put(queue->npu);
}

/**
 * npu_queue_end_job() - signal the fence of a job that is not in the ring
 * @queue: of the job
 * @fence: not signalled yet
 * @error: 0 or negative errno
 */
void npu_queue_end_job(struct npu_queue *queue, struct npu_fence *fence, int error)
{
	guard(spinlock_irqsave)(&queue->lock);

	npu_queue_end_job_locked(queue, fence, error);
}

static void npu_queue_end_first(struct npu_queue *queue, int error)
{
	struct npu_fence *fence;

	fence = list_first_entry(&queue->inflight, struct npu_fence, node);
	list_del_init(&fence->node);
	npu_queue_end_job_locked(queue, fence, error);
	dma_fence_put(&fence->base);
}

static void npu_queue_add_fence(struct npu_queue *queue, struct npu_fence *fence)
{
	dma_fence_get(&fence->base);
	list_add_tail(&fence->node, &queue->inflight);
}

/*
 * A job that comes too late must not end before those that are still in the
 * ring. It waits behind them for npu_queue_cancel(), which is to come as long
 * as there are any.
 */
static int npu_queue_refuse(struct npu_queue *queue, struct npu_job *job, int error)
{
	if (list_empty(&queue->inflight))
		return error;
	npu_queue_add_fence(queue, &job->fence);
	return 0;
}

static int npu_queue_write(struct npu_queue *queue, struct npu_job *job)
{
	struct npu_job_desc *desc;

	guard(spinlock_irqsave)(&queue->lock);

	if (queue->dead)
		return npu_queue_refuse(queue, job, queue->dead_error);

	npu_queue_add_fence(queue, &job->fence);
	desc = &queue->ring[queue->emitted % NPU_RING_JOBS];
	*desc = (struct npu_job_desc) {
		.sequence = cpu_to_le64(job->fence.base.seqno),
		.stream_va = cpu_to_le64(job->args.stream_va),
		.bases_va = cpu_to_le64(job->args.bases_va),
		.stream_size = cpu_to_le32(job->args.stream_size),
		.bases = cpu_to_le32(job->args.bases),
		.flags = cpu_to_le32(NPU_JOB_EVENT),
	};
	WRITE_ONCE(queue->emitted, queue->emitted + 1);
	/* The descriptor before the index that makes it valid. */
	dma_wmb();
	WRITE_ONCE(queue->context->write_index, cpu_to_le64(queue->emitted));
	return 0;
}

/**
 * npu_queue_emit() - hand a job to the hardware
 * @queue: of the job; drm_sched never has more than NPU_RING_JOBS of them
 *         between here and the signal of the fence
 * @job: becomes visible to npu_queue_harvest()
 *
 * Return: 0, or what the job must end with instead.
 */
int npu_queue_emit(struct npu_queue *queue, struct npu_job *job)
{
	struct npu_device *npu = queue->npu;
	int ret, slot, idx;
	bool awake;

	if (!npu_dev_enter(npu, &idx)) {
		guard(spinlock_irqsave)(&queue->lock);
		return npu_queue_refuse(queue, job, -ENODEV);
	}

	awake = npu_pm_enter(npu);
	ret = npu_queue_write(queue, job);
	if (!ret && !READ_ONCE(queue->dead)) {
		/* The index before the look at the slot; npu_slot_bind() has the pair. */
		smp_mb();
		slot = READ_ONCE(queue->slot);
		trace_npu_job_emit(queue, job->fence.base.seqno, slot);
		if (slot >= 0 && awake)
			npu_doorbell(npu, slot, lower_32_bits(READ_ONCE(queue->emitted)));
		else
			npu_slots_want(queue);
		queue_delayed_work(npu->wq, &queue->watch, queue->hang_timeout / 4 + 1);
	}
	npu_pm_exit(npu);
	drm_dev_exit(idx);
	return ret;
}

bool npu_queue_is_idle(struct npu_queue *queue)
{
	guard(spinlock_irqsave)(&queue->lock);

	return queue->emitted == queue->completed;
}

static void npu_queue_account_locked(struct npu_queue *queue)
{
	u64 cycles;

	if (!queue->context || !queue->usage)
		return;
	/* A device that counts down has not given anything back. */
	cycles = le64_to_cpu(READ_ONCE(queue->context->cycles));
	if (cycles <= queue->accounted)
		return;
	npu_usage_add(queue->usage, cycles - queue->accounted);
	WRITE_ONCE(queue->accounted, cycles);
}

/**
 * npu_queue_account() - add what the hardware has done to the sum of the file
 * @queue: any. Any context.
 */
void npu_queue_account(struct npu_queue *queue)
{
	guard(spinlock_irqsave)(&queue->lock);

	npu_queue_account_locked(queue);
}

/* Ends all jobs that the sequence number covers. */
static void npu_queue_harvest_locked(struct npu_queue *queue)
{
	u64 sequence = le64_to_cpu(READ_ONCE(queue->context->sequence));

	if (sequence - queue->completed > queue->emitted - queue->completed) {
		atomic_inc(&queue->npu->errors.bad_sequence);
		return;
	}
	/* The number before what it stands for. */
	dma_rmb();
	npu_queue_account_locked(queue);
	while (queue->completed < sequence) {
		npu_queue_end_first(queue, 0);
		WRITE_ONCE(queue->completed, queue->completed + 1);
		WRITE_ONCE(queue->idle_since, jiffies);
	}
}

static struct npu_notify *npu_queue_take_notify(struct npu_queue *queue)
{
	struct npu_notify *notify = queue->notify;

	queue->notify = NULL;
	return notify;
}

static void npu_queue_ban_locked(struct npu_queue *queue, u32 state)
{
	struct npu_notify *notify;

	if (queue->dead)
		return;
	WRITE_ONCE(queue->dead, true);
	queue->guilty = queue->completed + 1;
	queue->dead_error = state == DRM_NPU_QUEUE_LOST ? -ENODEV : -ECANCELED;
	WRITE_ONCE(queue->state, queue->state | state);
	if (state & DRM_NPU_QUEUE_HUNG)
		queue->fault.job = queue->guilty;

	if (state) {
		trace_npu_queue_ban(queue, state);
		npu_history_add(queue, state);
	}
	notify = state ? npu_queue_take_notify(queue) : NULL;
	if (notify)
		npu_notify_send(queue->npu, notify, state, &queue->fault);
}

static int npu_fault_errno(u32 status)
{
	switch (status) {
	case NPU_FAULT_ILLEGAL:
		return -EINVAL;
	case NPU_FAULT_BOUNDS:
	case NPU_FAULT_TRANSLATION:
	case NPU_FAULT_PERMISSION:
		return -EFAULT;
	default:
		return -EIO;
	}
}

static void npu_queue_read_fault(struct npu_queue *queue)
{
	const struct npu_context *context = queue->context;
	struct drm_npu_fault *fault = &queue->fault;

	fault->status = le32_to_cpu(context->fault_status);
	fault->detail = le32_to_cpu(context->fault_detail);
	fault->access = le32_to_cpu(context->fault_access);
	fault->va = le64_to_cpu(context->fault_va);
	fault->offset = le64_to_cpu(context->fault_offset);
	fault->job = le64_to_cpu(context->fault_sequence);
}

/* A queue that nobody wanted to stop was aborted by the reset of its core. */
static u32 npu_queue_fault_state(const struct npu_queue *queue)
{
	return queue->fault.status == NPU_FAULT_ABORTED ? DRM_NPU_QUEUE_INNOCENT :
							  DRM_NPU_QUEUE_FAULTED;
}

/* What the first job that is not complete must end with. */
static int npu_queue_guilty_error(struct npu_queue *queue)
{
	/* It was completed after all. */
	if (queue->guilty != queue->completed + 1)
		return queue->dead_error;
	if (queue->state & DRM_NPU_QUEUE_FAULTED)
		return npu_fault_errno(queue->fault.status);
	if (queue->state & DRM_NPU_QUEUE_HUNG)
		return -ETIME;
	return queue->dead_error;
}

/**
 * npu_queue_harvest() - signal the fences of completed jobs, notice a fault
 * @queue: any; from any context
 */
void npu_queue_harvest(struct npu_queue *queue)
{
	scoped_guard(spinlock_irqsave, &queue->lock) {
		if (!queue->context || queue->dead)
			return;
		npu_queue_harvest_locked(queue);
		if (!READ_ONCE(queue->context->fault_status))
			return;
		/* The status before what it stands for. */
		dma_rmb();
		npu_queue_read_fault(queue);
		npu_queue_ban_locked(queue, npu_queue_fault_state(queue));
	}
	npu_slots_want(queue);
}

/**
 * npu_queue_ban() - let nothing more into the ring, stop the hardware
 * @queue: any; the first reason stays
 * @state: DRM_NPU_QUEUE_*, or 0 for a queue that is closed
 *
 * npu_queue_cancel() follows from the slot worker.
 */
void npu_queue_ban(struct npu_queue *queue, u32 state)
{
	scoped_guard(spinlock_irqsave, &queue->lock)
		npu_queue_ban_locked(queue, state);
	npu_slots_want(queue);
}

/**
 * npu_queue_cancel() - signal all that is in the ring of a dead queue
 * @queue: its hardware has stopped
 *
 * The first job that is not complete is the guilty one, if there is guilt.
 */
void npu_queue_cancel(struct npu_queue *queue)
{
	int error;

	guard(spinlock_irqsave)(&queue->lock);

	if (queue->context)
		npu_queue_harvest_locked(queue);
	npu_queue_account_locked(queue);
	error = npu_queue_guilty_error(queue);
	while (!list_empty(&queue->inflight)) {
		npu_queue_end_first(queue, error);
		error = queue->dead_error;
	}
	WRITE_ONCE(queue->completed, queue->emitted);
}

/* Ends all jobs of a queue whose device does not answer any more. */
static void npu_queue_lose(struct npu_queue *queue)
{
	scoped_guard(spinlock_irqsave, &queue->lock)
		npu_queue_ban_locked(queue, DRM_NPU_QUEUE_LOST);
	npu_queue_cancel(queue);
}

/**
 * npu_queue_rewind() - make the context of a queue fit to be bound again
 * @queue: its context was lost in a function reset
 *
 * A job that had begun can not be run again, since it may have overwritten its
 * own inputs.
 *
 * Return: false if there is such a job.
 */
bool npu_queue_rewind(struct npu_queue *queue)
{
	struct npu_context *context = queue->context;

	npu_queue_harvest(queue);
	guard(spinlock_irqsave)(&queue->lock);

	context->read_index = cpu_to_le64(queue->completed);
	context->resume_offset = 0;
	return le64_to_cpu(context->started) <= queue->completed;
}

/* ---- Watch ---------------------------------------------------------------------- */

/**
 * DOC: Hang watch
 *
 * drm_sched's timeout is infinite: it starts when a job enters the ring, not
 * when the hardware executes it. Instead each queue has a watch, which runs
 * while jobs are in the ring, four times in the queue's hang limit. It
 *
 * 1. serves the interrupt registers, in case an interrupt was lost;
 * 2. harvests;
 * 3. judges: a queue that executes (BUSY) and whose progress counter stands
 *    still for the hang limit has hung. A queue with jobs that the device has
 *    not finished, because it waits for a slot or for a core, is not judged,
 *    but its doorbell is rung again in case that was lost; if no queue executes
 *    at all, the device has stopped working and the time counts.
 *
 * Only a counter that is higher than ever before counts as progress: a device
 * that writes anything there does not live on for ever.
 */
static bool npu_queue_judge(struct npu_queue *queue, int slot)
{
	struct npu_device *npu = queue->npu;
	u64 progress = le64_to_cpu(READ_ONCE(queue->context->progress)) +
		       READ_ONCE(queue->completed);
	u64 fetched = le64_to_cpu(READ_ONCE(queue->context->read_index));
	u64 emitted = READ_ONCE(queue->emitted);
	bool waits = false;
	u32 status;

	/* There is always one that is higher. */
	progress = min(progress, U64_MAX - 1);
	if (slot < 0) {
		npu_slots_want(queue);
		waits = true;
	} else {
		status = npu_read(npu, NPU_REG_SLOT_STATUS(slot));
		if (!(status & NPU_SLOT_BUSY)) {
			npu_doorbell(npu, slot, lower_32_bits(emitted));
			waits = fetched != emitted && npu_slots_any_busy(npu);
		}
	}

	if (waits || progress >= queue->watch_next) {
		queue->watch_next = max(queue->watch_next, progress + 1);
		queue->watch_since = jiffies;
	}
	/* Time without power does not count. */
	if (time_before(queue->watch_since, npu->pm.since))
		queue->watch_since = npu->pm.since;
	return time_before(jiffies, queue->watch_since + queue->hang_timeout);
}

/* Returns true if the watch goes on. */
static bool npu_queue_look(struct npu_queue *queue)
{
	struct npu_device *npu = queue->npu;

	/* System sleep: jobs wait in the ring. */
	if (npu->pm.off)
		return true;
	npu_events_service(npu);
	npu_queue_harvest(queue);
	if (npu_queue_is_idle(queue)) {
		/* The next job starts the watch anew. */
		queue->watch_next = 0;
		return false;
	}
	if (READ_ONCE(queue->dead))
		return false;
	if (npu_queue_judge(queue, READ_ONCE(queue->slot)))
		return true;
	npu_queue_ban(queue, DRM_NPU_QUEUE_HUNG);
	return false;
}

static void npu_queue_watch(struct work_struct *work)
{
	struct npu_queue *queue = container_of(work, struct npu_queue, watch.work);
	struct npu_device *npu = queue->npu;
	bool cookie;
	int idx;

	if (!npu_dev_enter(npu, &idx)) {
		/* One that was created while all others were told. */
		if (npu_is_lost(npu))
			npu_queue_lose(queue);
		return;
	}
	cookie = dma_fence_begin_signalling();

	npu_pm_enter(npu);
	if (npu_queue_look(queue))
		queue_delayed_work(npu->wq, &queue->watch, queue->hang_timeout / 4 + 1);
	npu_pm_exit(npu);

	dma_fence_end_signalling(cookie);
	drm_dev_exit(idx);
}

/* ---- Life ------------------------------------------------------------------------ */

static void npu_queue_free_work(struct work_struct *work)
{
	struct npu_queue *queue = container_of(work, struct npu_queue, free_work);
	struct npu_device *npu = queue->npu;

	xa_erase(&npu->queues, queue->id);
	/*
	 * Event handlers may still look at the queue, and a fence that they
	 * signal may still be on its way through drm_sched.
	 */
	synchronize_rcu();
	cancel_delayed_work_sync(&queue->watch);
	drm_sched_fini(&queue->sched);
	/* A job that was just freed may have asked for one more round. */
	cancel_work_sync(&queue->sched.work_run_job);
	npu_queue_free_memory(queue);
	npu_vm_put(queue->vm);
	npu_usage_put(queue->usage);
	mutex_destroy(&queue->submit_lock);
	kfree(queue);
	drm_dev_put(&npu->drm);
}

static void npu_queue_release(struct kref *ref)
{
	struct npu_queue *queue = container_of(ref, struct npu_queue, ref);

	/* Not here: the last reference may go from inside the scheduler. */
	queue_work(npu_release_wq, &queue->free_work);
}

void npu_queue_put(struct npu_queue *queue)
{
	kref_put(&queue->ref, npu_queue_release);
}

static void npu_queue_close_work(struct work_struct *work)
{
	struct npu_queue *queue = container_of(work, struct npu_queue, close_work);

	/*
	 * The scheduler that takes a job at this moment would put the entity back into
	 * the run queue that it has just been taken out of (6.12), and take from it the
	 * jobs that are being killed. So it stands still meanwhile.
	 */
	drm_sched_wqueue_stop(&queue->sched);
	drm_sched_entity_fini(&queue->entity);
	drm_sched_wqueue_start(&queue->sched);
	npu_queue_put(queue);
}

/**
 * npu_queue_close() - cancel all jobs of a queue and let it go
 * @queue: takes over the reference of the file's handle
 *
 * Returns at once; what follows is bounded by the escalation of resets.
 */
void npu_queue_close(struct npu_queue *queue)
{
	struct npu_notify *notify;

	scoped_guard(mutex, &queue->submit_lock)
		queue->closed = true;
	npu_queue_ban(queue, 0);
	/* The file may not live longer than this call. */
	scoped_guard(spinlock_irqsave, &queue->lock)
		notify = npu_queue_take_notify(queue);
	if (notify)
		npu_notify_cancel(queue->npu, notify);
	queue_work(npu_close_wq, &queue->close_work);
}

/**
 * npu_queues_lose() - end all jobs of a lost device
 * @npu: device
 */
void npu_queues_lose(struct npu_device *npu)
{
	struct npu_queue *queue;
	unsigned long id;

	guard(rcu)();
	xa_for_each(&npu->queues, id, queue)
		npu_queue_lose(queue);
}

/**
 * npu_queues_unplug() - free all hardware memory of queues
 * @npu: lost and unplugged device, which does no DMA any more
 */
void npu_queues_unplug(struct npu_device *npu)
{
	struct npu_queue *queue;
	unsigned long id;

	xa_for_each(&npu->queues, id, queue) {
		scoped_guard(rcu) {
			queue = xa_load(&npu->queues, id);
			if (queue && !kref_get_unless_zero(&queue->ref))
				queue = NULL;
		}
		if (!queue)
			continue;
		cancel_delayed_work_sync(&queue->watch);
		npu_queue_free_memory(queue);
		npu_queue_put(queue);
	}
	/* Queues whose last reference has gone free theirs there. */
	flush_workqueue(npu_release_wq);
}

static int npu_queue_init_sched(struct npu_queue *queue)
{
	struct drm_gpu_scheduler *sched = &queue->sched;
	const struct drm_sched_init_args args = {
		.ops = &npu_sched_ops,
		.submit_wq = queue->npu->sched_wq,
		.num_rqs = 1,
		.credit_limit = NPU_RING_JOBS,
		.timeout = MAX_SCHEDULE_TIMEOUT,
		.name = queue->name,
		.dev = queue->npu->drm.dev,
	};
	int ret;

	ret = drm_sched_init(sched, &args);
	if (ret)
		return ret;
	ret = drm_sched_entity_init(&queue->entity, 0, &sched, 1, NULL);
	if (ret)
		drm_sched_fini(sched);
	return ret;
}

/**
 * npu_queue_create() - make a queue
 * @npu: device; the caller is inside npu_dev_enter()
 * @vm: its address space
 * @args: priority and hang limit, checked
 * @usage: sum that it adds to, or NULL
 *
 * Return: a reference for npu_queue_close(), or an error pointer.
 */
struct npu_queue *npu_queue_create(struct npu_device *npu, struct npu_vm *vm,
				   const struct drm_npu_queue_create *args,
				   struct npu_usage *usage)
{
	struct npu_queue *queue;
	int ret;

	queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);
	if (!queue)
		return ERR_PTR(-ENOMEM);

	kref_init(&queue->ref);
	queue->npu = npu;
	queue->vm = vm;
	queue->priority = args->priority;
	queue->pid = task_tgid_nr(current);
	get_task_comm(queue->comm, current);
	queue->hang_timeout = msecs_to_jiffies(args->hang_timeout_ms ?: NPU_HANG_TIMEOUT_MS);
	queue->fence_context = dma_fence_context_alloc(1);
	mutex_init(&queue->submit_lock);
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->inflight);
	INIT_LIST_HEAD(&queue->pending);
	queue->slot = -1;
	INIT_DELAYED_WORK(&queue->watch, npu_queue_watch);
	INIT_WORK(&queue->close_work, npu_queue_close_work);
	INIT_WORK(&queue->free_work, npu_queue_free_work);

	/* Reserves the number; the queue can be found when it is complete. */
	ret = xa_alloc(&npu->queues, &queue->id, NULL, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	if (ret)
		goto err_free;
	snprintf(queue->name, sizeof(queue->name), "npu%d-queue%u", npu->drm.accel->index,
		 queue->id);
	ret = npu_queue_alloc_memory(queue);
	if (ret)
		goto err_id;
	ret = npu_queue_init_sched(queue);
	if (ret)
		goto err_memory;

	npu_vm_get(vm);
	queue->usage = npu_usage_get(usage);
	drm_dev_get(&npu->drm);
	xa_store(&npu->queues, queue->id, queue, GFP_KERNEL);
	return queue;

err_memory:
	npu_queue_free_memory(queue);
err_id:
	xa_erase(&npu->queues, queue->id);
err_free:
	mutex_destroy(&queue->submit_lock);
	kfree(queue);
	return ERR_PTR(ret);
}

/**
 * npu_queue_lookup() - find a queue by its id
 * @file: whose id
 * @id: from QUEUE_CREATE
 *
 * Return: a reference, or NULL.
 */
struct npu_queue *npu_queue_lookup(struct drm_file *file, u32 id)
{
	struct xarray *queues = &to_npu_file(file)->queues;
	struct npu_queue *queue;

	xa_lock(queues);
	queue = xa_load(queues, id);
	if (queue)
		npu_queue_get(queue);
	xa_unlock(queues);
	return queue;
}

/**
 * npu_queue_check_priority() - may the caller use a priority?
 * @priority: enum drm_npu_priority
 *
 * Return: 0, -EINVAL or -EACCES.
 */
int npu_queue_check_priority(u32 priority)
{
	if (priority > DRM_NPU_PRIORITY_REALTIME)
		return -EINVAL;
	if (priority > DRM_NPU_PRIORITY_NORMAL && !capable(CAP_SYS_NICE))
		return -EACCES;
	return 0;
}

/* Gives a queue its event, before anybody can find it. */
static int npu_queue_add_notify(struct npu_queue *queue, struct drm_file *file, u32 id)
{
	struct npu_notify *notify = npu_notify_create(queue->npu, file, id);

	if (IS_ERR(notify))
		return PTR_ERR(notify);
	scoped_guard(spinlock_irqsave, &queue->lock) {
		if (!queue->dead) {
			queue->notify = notify;
			return 0;
		}
	}
	/* The device has just been lost: the call has not succeeded yet. */
	npu_notify_cancel(queue->npu, notify);
	return -ENODEV;
}

/* Gives a queue its number in a file; takes over the reference also when it fails. */
static int npu_queue_publish(struct npu_queue *queue, struct drm_file *file, u32 flags, u32 *id)
{
	struct npu_file *nf = to_npu_file(file);
	struct xarray *queues = &nf->queues;
	int ret;

	ret = npu_client_take_queue(nf->client);
	if (ret)
		goto err_close;
	/* Reserves the number, which the event needs; 1 says that they begin anew. */
	ret = xa_alloc_cyclic(queues, id, NULL, xa_limit_31b, &nf->next_queue, GFP_KERNEL_ACCOUNT);
	if (ret < 0)
		goto err_client;
	ret = 0;
	if (flags & DRM_NPU_QUEUE_EVENT)
		ret = npu_queue_add_notify(queue, file, *id);
	if (ret)
		goto err_id;
	xa_store(queues, *id, queue, GFP_KERNEL);
	return 0;

err_id:
	xa_erase(queues, *id);
err_client:
	npu_client_give_queue(nf->client);
err_close:
	npu_queue_close(queue);
	return ret == -EBUSY ? -ENOSPC : ret;
}

int npu_queue_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct npu_device *npu = to_npu_device(drm);
	struct drm_npu_queue_create *args = data;
	struct npu_queue *queue;
	struct npu_vm *vm;
	int ret, idx;
	u32 id;

	if (args->flags & ~DRM_NPU_QUEUE_EVENT || args->pad || args->queue_id ||
	    args->hang_timeout_ms > DRM_NPU_HANG_TIMEOUT_MAX_MS)
		return -EINVAL;
	ret = npu_queue_check_priority(args->priority);
	if (ret)
		return ret;

	vm = npu_vm_lookup(file, args->vm_id);
	if (!vm)
		return -ENOENT;

	queue = ERR_PTR(-ENODEV);
	if (npu_dev_enter(npu, &idx)) {
		queue = npu_queue_create(npu, vm, args, to_npu_file(file)->usage);
		drm_dev_exit(idx);
	}
	npu_vm_put(vm);
	if (IS_ERR(queue))
		return PTR_ERR(queue) == -EBUSY ? -ENOSPC : PTR_ERR(queue);

	ret = npu_queue_publish(queue, file, args->flags, &id);
	if (!ret)
		args->queue_id = id;
	return ret;
}

int npu_queue_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct xarray *queues = &to_npu_file(file)->queues;
	struct drm_npu_queue_destroy *args = data;
	struct npu_queue *queue;

	if (args->pad)
		return -EINVAL;

	/* A number that is only reserved is not ours to free. */
	xa_lock(queues);
	queue = xa_load(queues, args->queue_id);
	if (queue)
		__xa_erase(queues, args->queue_id);
	xa_unlock(queues);
	if (!queue)
		return -ENOENT;
	npu_client_give_queue(to_npu_file(file)->client);
	npu_queue_close(queue);
	return 0;
}

int npu_queue_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_npu_queue_get_state *args = data;
	struct npu_queue *queue;

	if (args->state || args->submitted || args->completed ||
	    memchr_inv(&args->fault, 0, sizeof(args->fault)))
		return -EINVAL;

	queue = npu_queue_lookup(file, args->queue_id);
	if (!queue)
		return -ENOENT;

	scoped_guard(mutex, &queue->submit_lock)
		args->submitted = queue->submitted;
	scoped_guard(spinlock_irqsave, &queue->lock) {
		args->state = queue->state;
		args->completed = queue->finished;
		args->fault = queue->fault;
	}
	npu_queue_put(queue);
	return 0;
}

static int npu_perf_read_job(struct npu_queue *queue, struct drm_npu_perf_query *args)
{
	const struct npu_report *report = &queue->report[(args->job - 1) % NPU_RING_JOBS];

	if (args->job > READ_ONCE(queue->completed) ||
	    le64_to_cpu(READ_ONCE(report->sequence)) != args->job)
		return -ENOENT;
	/* The number, then what the job cost, then the number again. */
	dma_rmb();
	args->start_ns = le64_to_cpu(READ_ONCE(report->start));
	args->end_ns = le64_to_cpu(READ_ONCE(report->end));
	args->cycles = le64_to_cpu(READ_ONCE(report->cycles));
	args->macs = le64_to_cpu(READ_ONCE(report->macs));
	args->bytes = le64_to_cpu(READ_ONCE(report->bytes));
	dma_rmb();
	return le64_to_cpu(READ_ONCE(report->sequence)) == args->job ? 0 : -ENOENT;
}

static void npu_perf_read_totals(struct npu_queue *queue, struct drm_npu_perf_query *args)
{
	const struct npu_context *context = queue->context;

	args->cycles = le64_to_cpu(READ_ONCE(context->cycles));
	args->macs = le64_to_cpu(READ_ONCE(context->macs));
	args->bytes = le64_to_cpu(READ_ONCE(context->bytes));
	args->tiles = le64_to_cpu(READ_ONCE(context->progress));
}

int npu_perf_query_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct npu_device *npu = to_npu_device(drm);
	struct drm_npu_perf_query *args = data;
	struct npu_queue *queue;
	int ret = 0;
	int idx;

	if (args->flags || args->start_ns || args->end_ns || args->cycles || args->macs ||
	    args->bytes || args->tiles)
		return -EINVAL;
	if (args->job && !(npu->caps.features & NPU_FEATURE_REPORT))
		return -EOPNOTSUPP;

	queue = npu_queue_lookup(file, args->queue_id);
	if (!queue)
		return -ENOENT;

	if (!npu_dev_enter(npu, &idx)) {
		ret = -ENODEV;
	} else {
		if (args->job)
			ret = npu_perf_read_job(queue, args);
		else
			npu_perf_read_totals(queue, args);
		drm_dev_exit(idx);
	}
	npu_queue_put(queue);
	return ret;
}

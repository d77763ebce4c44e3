// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Slots and resets
 *
 * The hardware holds as many queues as it has slots; the driver has any number
 * of queues. One worker per device lends slots to queues that have work. It
 * never waits: it starts what is to be done, and comes back on an UNBOUND
 * event or after NPU_SLOT_POLL_MS.
 *
 * A queue that wants something (a slot, or its end) is put on the pending
 * list. If no slot is free, the worker unbinds the queue that has been idle
 * longest, or else one that had its slot for NPU_SLOT_SLICE_MS; if that one does
 * not leave within the same time, the next one. Realtime queues come first, take
 * slots from others at once, and give none to them.
 *
 * Stopping a dead queue escalates, each step with the bound that the hardware
 * promises:
 *
 * - STOP: at the next tile boundary. Not for a queue that has hung.
 * - Queue reset: abandons the job wherever it is.
 * - Core reset, of the core that has the queue, if the device can do that and
 *   says which one it is (version 1.1). Should that core have gone on to another
 *   queue in this moment, that one halts with fault ABORTED and is banned as innocent.
 * - Function reset: all slots are empty afterwards. Queues that were not in
 *   the middle of a job go on, the others are banned as innocent.
 * - The device is given up, see npu_device_lose().
 *
 * The last two are told to user space, see npu_wedge.c.
 *
 * Only after a step has been acknowledged are the fences of the queue
 * signalled, and memory that the hardware may use is never freed before.
 */
#include <linux/delay.h>

#include <drm/drm_managed.h>

#include "npu_queue.h"
#include "npu_slot.h"
#include "npu_trace.h"

#define NPU_SLOT_POLL_MS	10
#define NPU_SLOT_SLICE_MS	20

static u32 npu_slot_status(struct npu_device *npu, unsigned int i)
{
	return npu_read(npu, NPU_REG_SLOT_STATUS(i));
}

static void npu_slot_enter(struct npu_slot *slot, enum npu_slot_state state)
{
	slot->state = state;
	slot->since = jiffies;
}

static bool npu_slot_older_than(const struct npu_slot *slot, unsigned int ms)
{
	return time_after(jiffies, slot->since + msecs_to_jiffies(ms));
}

static void npu_slot_bind(struct npu_device *npu, unsigned int i, struct npu_queue *queue)
{
	struct npu_slot *slot = &npu->slots.slot[i];

	slot->queue = npu_queue_get(queue);
	npu_slot_enter(slot, NPU_SLOT_RUNNING);
	npu_write64(npu, NPU_REG_SLOT_CONTEXT_LO(i), queue->context_dma);
	trace_npu_slot_bind(queue, i);
	npu_write(npu, NPU_REG_SLOT_COMMAND(i), NPU_SLOT_BIND);
	WRITE_ONCE(queue->slot, i);
	/*
	 * The slot before the look at the index, which is the device's at this
	 * doorbell: a job emitted meanwhile either saw the slot or is seen.
	 */
	smp_mb();
	npu_doorbell(npu, i, lower_32_bits(READ_ONCE(queue->emitted)));
}

static void npu_slot_command(struct npu_device *npu, unsigned int i, u32 command,
			     enum npu_slot_state state)
{
	if (command == NPU_SLOT_RESET)
		trace_npu_reset(npu, "queue", i);
	npu_slot_enter(&npu->slots.slot[i], state);
	npu_write(npu, NPU_REG_SLOT_COMMAND(i), command);
}

/* What has made the hardware let a queue go, for the core dump. */
static const char *npu_slot_recovery(const struct npu_slot *slot)
{
	switch (slot->state) {
	case NPU_SLOT_KILLING:
		return "stop";
	case NPU_SLOT_RESETTING:
		return "queue reset";
	case NPU_SLOT_CORE_RESETTING:
		return "core reset";
	default:
		return "none";
	}
}

/* The hardware is done with the queue. */
static void npu_slot_free(struct npu_device *npu, unsigned int i, const char *recovery)
{
	struct npu_slot *slot = &npu->slots.slot[i];
	struct npu_queue *queue = slot->queue;

	trace_npu_slot_unbind(queue, i);
	npu_coredump_take(npu, queue, recovery);
	slot->queue = NULL;
	npu_slot_enter(slot, NPU_SLOT_FREE);
	WRITE_ONCE(queue->slot, -1);
	/* The slot before the look at the ring; npu_queue_emit() has the pair. */
	smp_mb();
	npu_queue_harvest(queue);
	if (READ_ONCE(queue->dead))
		npu_queue_cancel(queue);
	else if (!npu_queue_is_idle(queue))
		npu_slots_want(queue);
	npu_queue_put(queue);
}

/* Is it a fault that a program cannot cause by itself? */
static bool npu_fault_is_odd(u32 status)
{
	switch (status) {
	case NPU_FAULT_ILLEGAL:
	case NPU_FAULT_BOUNDS:
	case NPU_FAULT_TRANSLATION:
	case NPU_FAULT_PERMISSION:
		return false;
	default:
		return true;
	}
}

/* Before the hardware is touched. */
static void npu_slot_note(struct npu_device *npu, struct npu_queue *queue)
{
	u32 state = READ_ONCE(queue->state);

	if (state & DRM_NPU_QUEUE_HUNG)
		npu_coredump_begin(npu, queue, "hang");
	else if (state & DRM_NPU_QUEUE_FAULTED && npu_fault_is_odd(queue->fault.status))
		npu_coredump_begin(npu, queue, "fault");
}

static void npu_slot_stop(struct npu_device *npu, unsigned int i)
{
	npu_slot_note(npu, npu->slots.slot[i].queue);
	if (READ_ONCE(npu->slots.slot[i].queue->state) & DRM_NPU_QUEUE_HUNG)
		npu_slot_command(npu, i, NPU_SLOT_RESET, NPU_SLOT_RESETTING);
	else
		npu_slot_command(npu, i, NPU_SLOT_STOP, NPU_SLOT_KILLING);
}

/* Which core has the queue of a slot, and can be reset? -1: none. */
static int npu_slot_core(struct npu_device *npu, u32 status)
{
	u32 core = NPU_SLOT_CORE(status);

	if (!(npu->caps.features & NPU_FEATURE_CORE_RESET) ||
	    npu->caps.version < (NPU_VERSION_MAJOR << 16 | 1))
		return -1;
	return status & NPU_SLOT_BUSY && core < npu->caps.cores ? core : -1;
}

static void npu_slots_reset_by(struct npu_device *npu, struct npu_queue *guilty)
{
	if (!npu->slots.guilty)
		npu->slots.guilty = npu_queue_get(guilty);
	WRITE_ONCE(npu->slots.reset, true);
}

static void npu_slot_reset_core(struct npu_device *npu, unsigned int i, u32 status)
{
	struct npu_slot *slot = &npu->slots.slot[i];
	int core = npu_slot_core(npu, status);

	if (core < 0) {
		npu_slots_reset_by(npu, slot->queue);
		return;
	}
	trace_npu_reset(npu, "core", core);
	atomic_inc(&npu->errors.core_resets);
	npu_slot_enter(slot, NPU_SLOT_CORE_RESETTING);
	npu_write(npu, NPU_REG_RESET, NPU_RESET_CORE(core));
}

/* Has the hardware let the queue go? A core that is being reset has not yet. */
static bool npu_slot_is_empty(struct npu_device *npu, const struct npu_slot *slot, u32 status)
{
	if ((status & NPU_SLOT_STATE) != NPU_SLOT_EMPTY)
		return false;
	return slot->state != NPU_SLOT_CORE_RESETTING ||
	       !(npu_read(npu, NPU_REG_RESET) & NPU_RESET_CORE_BUSY);
}

static void npu_slot_advance(struct npu_device *npu, unsigned int i)
{
	struct npu_slot *slot = &npu->slots.slot[i];
	u32 status = npu_slot_status(npu, i);

	/* All ones: npu_slots_work() sees that the device has gone. */
	if (status == ~0u)
		return;

	if (npu_slot_is_empty(npu, slot, status)) {
		/* Nobody asked for it: the device could not read the context. */
		if (slot->state == NPU_SLOT_RUNNING) {
			npu_queue_ban(slot->queue, DRM_NPU_QUEUE_FAULTED);
			npu_slot_note(npu, slot->queue);
		}
		npu_slot_free(npu, i, npu_slot_recovery(slot));
		return;
	}

	switch (slot->state) {
	case NPU_SLOT_RUNNING:
	case NPU_SLOT_UNBINDING:
		if (READ_ONCE(slot->queue->dead))
			npu_slot_stop(npu, i);
		break;
	case NPU_SLOT_KILLING:
		if (npu_slot_older_than(slot, npu->caps.reset_ms))
			npu_slot_command(npu, i, NPU_SLOT_RESET, NPU_SLOT_RESETTING);
		break;
	case NPU_SLOT_RESETTING:
		if (npu_slot_older_than(slot, npu->caps.reset_ms))
			npu_slot_reset_core(npu, i, status);
		break;
	case NPU_SLOT_CORE_RESETTING:
		if (npu_slot_older_than(slot, npu->caps.reset_ms))
			npu_slots_reset_by(npu, slot->queue);
		break;
	case NPU_SLOT_FREE:
		break;
	}
}

/* Does the worker have to come back for this slot by itself? */
static bool npu_slots_advance(struct npu_device *npu)
{
	bool busy = false;
	unsigned int i;

	for (i = 0; i < npu->caps.slots; i++) {
		if (!npu->slots.slot[i].queue)
			continue;
		npu_queue_harvest(npu->slots.slot[i].queue);
		npu_slot_advance(npu, i);
		busy |= npu->slots.slot[i].state > NPU_SLOT_RUNNING;
	}
	return busy;
}

static int npu_slots_find_free(struct npu_device *npu)
{
	unsigned int i;

	for (i = 0; i < npu->caps.slots; i++) {
		if (!npu->slots.slot[i].queue)
			return i;
	}
	return -1;
}

static bool npu_queue_is_realtime(const struct npu_queue *queue)
{
	return queue->priority == NPU_PRIORITY_REALTIME;
}

/* Must a queue that has work give its slot to another one? */
static bool npu_slot_must_yield(const struct npu_slot *slot, const struct npu_queue *to)
{
	if (npu_queue_is_realtime(slot->queue) != npu_queue_is_realtime(to))
		return npu_queue_is_realtime(to);
	return npu_slot_older_than(slot, NPU_SLOT_SLICE_MS);
}

/* Whose slot can be lent on? Who is idle longest, or else had it longest. */
static int npu_slots_find_victim(struct npu_device *npu, const struct npu_queue *to)
{
	unsigned long since, best_since = 0;
	bool idle, best_idle = false;
	struct npu_slot *slot;
	int best = -1;
	int i;

	for (i = 0; i < npu->caps.slots; i++) {
		slot = &npu->slots.slot[i];
		if (slot->state != NPU_SLOT_RUNNING)
			continue;
		idle = npu_queue_is_idle(slot->queue);
		if (!idle && !npu_slot_must_yield(slot, to))
			continue;
		since = idle ? READ_ONCE(slot->queue->idle_since) : slot->since;
		if (best < 0 || idle > best_idle ||
		    (idle == best_idle && time_before(since, best_since))) {
			best = i;
			best_idle = idle;
			best_since = since;
		}
	}
	return best;
}

/* How many slots will be free soon? Nobody is to wait for one that is stuck. */
static unsigned int npu_slots_leaving(struct npu_device *npu)
{
	unsigned int i, count = 0;
	struct npu_slot *slot;

	for (i = 0; i < npu->caps.slots; i++) {
		slot = &npu->slots.slot[i];
		count += slot->state > NPU_SLOT_RUNNING &&
			 !npu_slot_older_than(slot, NPU_SLOT_SLICE_MS);
	}
	return count;
}

/* Returns false if the queue has to stay on the list. */
static bool npu_slots_serve_one(struct npu_device *npu, struct npu_queue *queue,
				unsigned int *leaving)
{
	int slot = queue->slot;

	if (slot >= 0) {
		/* Cut off from its bus: it all begins anew, or ends. */
		if (npu->pm.off)
			return true;
		if (READ_ONCE(queue->dead))
			npu_slot_advance(npu, slot);
		else if (npu->slots.slot[slot].state == NPU_SLOT_RUNNING)
			npu_doorbell(npu, slot, lower_32_bits(READ_ONCE(queue->emitted)));
		return true;
	}
	if (READ_ONCE(queue->dead)) {
		npu_queue_cancel(queue);
		return true;
	}
	if (npu_queue_is_idle(queue))
		return true;

	/* It gets a slot when the device is switched on. */
	if (npu->pm.off)
		return false;

	slot = npu_slots_find_free(npu);
	if (slot >= 0) {
		npu_slot_bind(npu, slot, queue);
		return true;
	}
	if (*leaving) {
		--*leaving;
		return false;
	}
	slot = npu_slots_find_victim(npu, queue);
	if (slot >= 0)
		npu_slot_command(npu, slot, NPU_SLOT_UNBIND, NPU_SLOT_UNBINDING);
	return false;
}

static void npu_slots_add(struct npu_queue *queue)
{
	struct npu_device *npu = queue->npu;

	guard(spinlock_irqsave)(&npu->slots.pending_lock);

	/* Nobody serves the list of a lost device any more. */
	if (!list_empty(&queue->pending) || npu->lost)
		return;
	/* A watch or an event may still look at a queue that is about to go. */
	if (!kref_get_unless_zero(&queue->ref))
		return;
	list_add_tail(&queue->pending, &npu->slots.pending[!npu_queue_is_realtime(queue)]);
}

/* Returns true if queues are left that wait for a slot. */
static bool npu_slots_serve(struct npu_device *npu)
{
	unsigned int leaving = npu_slots_leaving(npu);
	struct npu_queue *queue, *next;
	LIST_HEAD(waiting);
	LIST_HEAD(list);

	scoped_guard(spinlock_irqsave, &npu->slots.pending_lock) {
		list_splice_tail_init(&npu->slots.pending[0], &list);
		list_splice_tail_init(&npu->slots.pending[1], &list);
	}

	list_for_each_entry_safe(queue, next, &list, pending) {
		/* Off the list first: who finds something new to do puts it back. */
		scoped_guard(spinlock_irqsave, &npu->slots.pending_lock)
			list_del_init(&queue->pending);
		if (!npu_slots_serve_one(npu, queue, &leaving))
			npu_slots_add(queue);
		npu_queue_put(queue);
	}

	guard(spinlock_irqsave)(&npu->slots.pending_lock);
	return !list_empty(&npu->slots.pending[0]) || !list_empty(&npu->slots.pending[1]);
}

/* After a function reset all slots are empty. */
static void npu_slots_recover(struct npu_device *npu)
{
	struct npu_queue *queue;
	unsigned int i;

	for (i = 0; i < npu->caps.slots; i++) {
		queue = npu->slots.slot[i].queue;
		if (!queue)
			continue;
		if (!npu_queue_rewind(queue) && !READ_ONCE(queue->dead))
			npu_queue_ban(queue, DRM_NPU_QUEUE_INNOCENT);
		npu_slot_free(npu, i, npu_is_lost(npu) ? "none" : "function reset");
	}
}

static void npu_slots_forget(struct npu_device *npu)
{
	unsigned int i;

	for (i = 0; i < npu->caps.slots; i++) {
		if (npu->slots.slot[i].queue)
			npu_slot_free(npu, i, "none");
	}
}

static void npu_slots_reset_function(struct npu_device *npu)
{
	struct npu_queue *guilty = npu->slots.guilty;
	bool done;

	npu->slots.guilty = NULL;
	WRITE_ONCE(npu->slots.reset, false);
	npu_coredump_begin(npu, guilty, "reset");
	done = npu_device_reset(npu);
	if (!done || npu_is_gone(npu)) {
		npu_device_lose(npu, npu_is_gone(npu), guilty);
	} else {
		npu_device_start(npu);
		npu_wedge_report(npu, "none", guilty);
	}
	npu_slots_recover(npu);
	if (guilty)
		npu_queue_put(guilty);
	else
		npu_coredump_take(npu, NULL, done ? "function reset" : "none");
}

/* Does the worker have to come back for the hardware? */
static bool npu_slots_tend(struct npu_device *npu)
{
	bool busy = npu_slots_advance(npu);

	if (npu_is_gone(npu)) {
		npu_coredump_begin(npu, NULL, "lost");
		npu_device_lose(npu, true, NULL);
		npu_slots_forget(npu);
		npu_coredump_take(npu, NULL, "none");
	} else if (READ_ONCE(npu->slots.reset)) {
		npu_slots_reset_function(npu);
	}
	return busy;
}

static void npu_slots_work(struct work_struct *work)
{
	struct npu_device *npu = container_of(work, struct npu_device, slots.work.work);
	bool on, again, cookie;
	int idx;

	if (!npu_dev_enter(npu, &idx))
		return;
	cookie = dma_fence_begin_signalling();
	on = npu_pm_enter(npu);
	mutex_lock(&npu->slots.lock);

	again = on && npu_slots_tend(npu);
	again |= npu_slots_serve(npu);
	if (again && on && !npu_is_lost(npu))
		queue_delayed_work(npu->wq, &npu->slots.work, msecs_to_jiffies(NPU_SLOT_POLL_MS));

	mutex_unlock(&npu->slots.lock);
	npu_pm_exit(npu);
	dma_fence_end_signalling(cookie);
	drm_dev_exit(idx);
}

/**
 * npu_slots_vacate() - let all queues leave their slots, with the jobs that they have
 * @npu: device; the caller holds npu_pm.lock for writing
 * @ms: what has not left by then does so in a function reset
 */
void npu_slots_vacate(struct npu_device *npu, unsigned int ms)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(ms) + 1;
	unsigned int i;

	guard(mutex)(&npu->slots.lock);

	for (i = 0; i < npu->caps.slots; i++) {
		if (npu->slots.slot[i].state == NPU_SLOT_RUNNING)
			npu_slot_command(npu, i, NPU_SLOT_UNBIND, NPU_SLOT_UNBINDING);
	}
	while (npu_slots_tend(npu) && !npu_is_lost(npu)) {
		if (time_after(jiffies, deadline)) {
			npu_slots_reset_function(npu);
			return;
		}
		usleep_range(100, 500);
	}
}

/**
 * npu_slots_restart() - begin anew with a device that has lost all that it knew
 * @npu: device; the caller holds npu_pm.lock for writing
 *
 * For queues it is a function reset.
 */
void npu_slots_restart(struct npu_device *npu)
{
	guard(mutex)(&npu->slots.lock);
	npu_slots_reset_function(npu);
}

/**
 * npu_slots_abandon() - let all queues go from a device that is lost
 * @npu: device; the caller holds npu_pm.lock for writing
 */
void npu_slots_abandon(struct npu_device *npu)
{
	guard(mutex)(&npu->slots.lock);
	npu_slots_forget(npu);
}

/**
 * npu_slots_kick() - let the slot worker look around
 * @npu: device. Any context.
 */
void npu_slots_kick(struct npu_device *npu)
{
	mod_delayed_work(npu->wq, &npu->slots.work, 0);
}

/**
 * npu_slots_want() - a queue has work and no slot, or is dead
 * @queue: any. Any context.
 */
void npu_slots_want(struct npu_queue *queue)
{
	npu_slots_add(queue);
	npu_slots_kick(queue->npu);
}

/**
 * npu_slots_reset() - ask for a function reset
 * @npu: device. Any context.
 */
void npu_slots_reset(struct npu_device *npu)
{
	WRITE_ONCE(npu->slots.reset, true);
	npu_slots_kick(npu);
}

/**
 * npu_slots_any_busy() - does any core execute?
 * @npu: device; the caller is inside npu_dev_enter()
 */
bool npu_slots_any_busy(struct npu_device *npu)
{
	unsigned int i;

	for (i = 0; i < npu->caps.slots; i++) {
		if (npu_slot_status(npu, i) & NPU_SLOT_BUSY)
			return true;
	}
	return false;
}

/**
 * npu_slots_init() - set up an empty slot table
 * @npu: device
 */
int npu_slots_init(struct npu_device *npu)
{
	npu->slots.slot = drmm_kcalloc(&npu->drm, npu->caps.slots, sizeof(*npu->slots.slot),
				       GFP_KERNEL);
	if (!npu->slots.slot)
		return -ENOMEM;
	spin_lock_init(&npu->slots.pending_lock);
	INIT_LIST_HEAD(&npu->slots.pending[0]);
	INIT_LIST_HEAD(&npu->slots.pending[1]);
	INIT_DELAYED_WORK(&npu->slots.work, npu_slots_work);
	return drmm_mutex_init(&npu->drm, &npu->slots.lock);
}

/**
 * npu_slots_fini() - forget who had which slot and who waits for one
 * @npu: lost device, which does no DMA any more
 */
void npu_slots_fini(struct npu_device *npu)
{
	cancel_delayed_work_sync(&npu->slots.work);
	npu_slots_forget(npu);
	npu_slots_serve(npu);
	if (npu->slots.guilty)
		npu_queue_put(npu->slots.guilty);
	npu->slots.guilty = NULL;
}

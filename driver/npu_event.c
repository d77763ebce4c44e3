// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Events and interrupts
 *
 * Events are hints: they say which queue to look at. The truth is the sequence
 * number in the queue's context (npu_queue_harvest()), so that lost, late,
 * duplicate and spurious interrupts or records do no harm:
 *
 * - Lost or late: the watch of a queue with jobs in the ring serves the
 *   interrupt registers as the handler does.
 * - Overflow: the slot worker looks at all queues with a slot.
 * - A record of an unknown type is counted and dropped, one of an unknown queue
 *   dropped: the queue may have ended meanwhile.
 *
 * With many short jobs the interrupts cost more than the jobs. npu_interrupt_moderation_us
 * in sysfs keeps them apart: one then stands for several records. A fence signals later by
 * so much at most.
 *
 * The handler runs in hard interrupt and is bounded by the size of the ring:
 * it clears the causes first and drains then, and the write of the read index
 * makes the device raise the interrupt again if records came in between.
 */
#include <linux/dma-mapping.h>

#include "npu_event.h"
#include "npu_pm.h"
#include "npu_queue.h"
#include "npu_slot.h"

#define NPU_EVENT_ORDER		(PAGE_SHIFT - 6)
#define NPU_EVENTS		((u32)BIT(NPU_EVENT_ORDER))

static_assert(sizeof(struct npu_event) << NPU_EVENT_ORDER == PAGE_SIZE);

/**
 * npu_events_init() - allocate the event ring
 * @npu: device
 */
int npu_events_init(struct npu_device *npu)
{
	spin_lock_init(&npu->events.lock);
	npu->events.ring = dma_alloc_coherent(npu->drm.dev, PAGE_SIZE, &npu->events.dma,
					      GFP_KERNEL);
	return npu->events.ring ? 0 : -ENOMEM;
}

/**
 * npu_events_fini() - free the event ring
 * @npu: device that does not write it any more
 */
void npu_events_fini(struct npu_device *npu)
{
	dma_free_coherent(npu->drm.dev, PAGE_SIZE, npu->events.ring, npu->events.dma);
}

/**
 * npu_events_start() - give the ring to a device that comes out of reset
 * @npu: device
 */
void npu_events_start(struct npu_device *npu)
{
	guard(spinlock_irqsave)(&npu->events.lock);

	npu_write64(npu, NPU_REG_EVENT_BASE_LO, npu->events.dma);
	npu_write(npu, NPU_REG_EVENT_ORDER, NPU_EVENT_ORDER);
	npu->events.read = npu_read(npu, NPU_REG_EVENT_WRITE);
	npu_write(npu, NPU_REG_EVENT_READ, npu->events.read);
	npu_write(npu, NPU_REG_IRQ_MODERATION, npu->events.moderation);
	npu_write(npu, NPU_REG_IRQ_ENABLE, NPU_IRQ_EVENT | NPU_IRQ_OVERFLOW | NPU_IRQ_RESET |
		  NPU_IRQ_TLB | NPU_IRQ_FATAL);
}

static void npu_events_write_moderation(struct npu_device *npu, u32 us, bool on)
{
	guard(spinlock_irqsave)(&npu->events.lock);

	WRITE_ONCE(npu->events.moderation, us);
	if (on)
		npu_write(npu, NPU_REG_IRQ_MODERATION, us);
}

/**
 * npu_events_moderate() - let the device collect events before it interrupts
 * @npu: device; the caller is inside npu_dev_enter()
 * @us: least microseconds between two interrupts, 0 for one per event
 *
 * It lasts: a device that was off or was reset is told again.
 */
void npu_events_moderate(struct npu_device *npu, u32 us)
{
	bool on = npu_pm_enter(npu);

	npu_events_write_moderation(npu, us, on);
	npu_pm_exit(npu);
}

static void npu_event_handle(struct npu_device *npu, const struct npu_event *event)
{
	struct npu_queue *queue;

	/* npu_queue memory goes one grace period after its last reference. */
	guard(rcu)();
	queue = xa_load(&npu->queues, le32_to_cpu(event->queue));

	switch (le32_to_cpu(event->type)) {
	case NPU_EVENT_DONE:
	case NPU_EVENT_FAULT:
		if (queue)
			npu_queue_harvest(queue);
		break;
	case NPU_EVENT_UNBOUND:
		npu_slots_kick(npu);
		break;
	default:
		atomic_inc(&npu->errors.bad_event);
		break;
	}
}

static void npu_events_drain(struct npu_device *npu)
{
	u32 write;

	guard(spinlock_irqsave)(&npu->events.lock);

	write = npu_read(npu, NPU_REG_EVENT_WRITE);
	if (write - npu->events.read > NPU_EVENTS) {
		/* Nonsense, or the device has gone; the watches find out. */
		atomic_inc(&npu->errors.bad_event);
		npu->events.read = write;
	}
	/* The index before the records. */
	dma_rmb();
	for (; npu->events.read != write; npu->events.read++)
		npu_event_handle(npu, &npu->events.ring[npu->events.read % NPU_EVENTS]);
	/* The device may overwrite records only after they were read. */
	mb();
	npu_write(npu, NPU_REG_EVENT_READ, write);
}

/**
 * npu_events_service() - do what the interrupt registers ask for
 * @npu: device; the caller is inside npu_dev_enter(). Any context.
 */
void npu_events_service(struct npu_device *npu)
{
	u32 status = npu_read(npu, NPU_REG_IRQ_STATUS);

	if (status == ~0u && npu_is_gone(npu)) {
		npu_slots_kick(npu);
		return;
	}

	npu_write(npu, NPU_REG_IRQ_STATUS, status);
	if (status & NPU_IRQ_EVENT)
		npu_events_drain(npu);
	if (status & NPU_IRQ_OVERFLOW) {
		atomic_inc(&npu->errors.overflow);
		npu_slots_kick(npu);
	}
	if (status & NPU_IRQ_TLB)
		wake_up_all(&npu->tlb.wait);
	if (status & NPU_IRQ_FATAL)
		npu_slots_reset(npu);
}

irqreturn_t npu_irq(int irq, void *data)
{
	struct npu_device *npu = data;
	bool cookie;
	int idx;

	/*
	 * The vectors are not shared, and a watch may have served the causes
	 * already: never let the core take this for somebody else's interrupt.
	 */
	if (!npu_dev_enter(npu, &idx))
		return IRQ_HANDLED;
	cookie = dma_fence_begin_signalling();
	npu_events_service(npu);
	dma_fence_end_signalling(cookie);
	drm_dev_exit(idx);
	return IRQ_HANDLED;
}

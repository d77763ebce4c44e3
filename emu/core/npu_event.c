// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The event ring and the interrupts. Everything here runs under the lock.
 */
#include "npu_model_priv.h"

#define NPU_IRQ_FIRST	(NPU_IRQ_EVENT | NPU_IRQ_OVERFLOW)
#define NPU_IRQ_SECOND	(NPU_IRQ_RESET | NPU_IRQ_TLB | NPU_IRQ_FATAL)

/* Causes that a vector reports. */
static u32 npu_irq_causes(const struct npu_model *model, u32 vector)
{
	if (model->config.irqs < 2)
		return vector ? 0 : NPU_IRQ_FIRST | NPU_IRQ_SECOND;
	return vector ? NPU_IRQ_SECOND : NPU_IRQ_FIRST;
}

static void npu_irq_send(struct npu_model *model)
{
	model->irq_waiting = false;
	model->irq_last = npu_now(model);
	model->ops->irq(model->host, 0);
}

/* Vector 0 keeps its distance from the previous one. */
static void npu_irq_first(struct npu_model *model)
{
	u64 gap = (u64)model->moderation * 1000;
	u64 since = npu_now(model) - model->irq_last;

	if (model->irq_waiting)
		return;
	if (since >= gap) {
		npu_irq_send(model);
		return;
	}
	model->irq_waiting = true;
	model->ops->timer(model->host, gap - since);
}

static void npu_irq_deliver(struct npu_model *model, u32 causes)
{
	causes &= model->irq_status & model->irq_enable;
	if (model->gone)
		return;
	if (causes & npu_irq_causes(model, 0))
		npu_irq_first(model);
	if (causes & npu_irq_causes(model, 1))
		model->ops->irq(model->host, 1);
}

/* A cause occurred, again perhaps. */
void npu_irq_raise(struct npu_model *model, u32 cause)
{
	model->irq_status |= cause;
	npu_irq_deliver(model, cause);
}

void npu_irq_enable(struct npu_model *model, u32 enable)
{
	u32 added = enable & ~model->irq_enable;

	model->irq_enable = enable;
	npu_irq_deliver(model, added);
}

void npu_model_timer(struct npu_model *model)
{
	unsigned long flags = npu_lock(model);

	if (model->irq_waiting && !model->gone) {
		model->irq_waiting = false;
		if (model->irq_status & model->irq_enable & npu_irq_causes(model, 0))
			npu_irq_send(model);
	}
	npu_unlock(model, flags);
}

/* The driver has read up to @index. */
void npu_event_read_index(struct npu_model *model, u32 index)
{
	model->event_read = index;
	if (model->event_write != index)
		npu_irq_raise(model, NPU_IRQ_EVENT);
	else
		model->irq_status &= ~NPU_IRQ_EVENT;
}

/* Is the ring full on demand? */
static bool npu_event_drop(struct npu_model *model)
{
	u32 left = model->overflow;

	if (left && left != NPU_INJECT_EACH)
		model->overflow--;
	return left != 0;
}

static void npu_event_post(struct npu_model *model, const struct npu_event *event)
{
	u32 records = 1u << model->event_order;
	u64 place = (u64)(model->event_write & (records - 1)) * NPU_EVENT_SIZE;
	struct npu_event *to;

	if (!model->event_order || model->fatal)
		return;
	if (model->event_write - model->event_read >= records || npu_event_drop(model)) {
		npu_irq_raise(model, NPU_IRQ_OVERFLOW);
		return;
	}
	to = npu_map(model, &model->bus_errors, model->event_base + place,
		     NPU_EVENT_SIZE, NPU_ACCESS_WRITE);
	if (!to) {
		model->fatal = true;
		npu_irq_raise(model, NPU_IRQ_FATAL);
		return;
	}
	*to = *event;
	if (npu_injected(model, NPU_INJECT_EVENT))
		memset(to, 0xff, sizeof(*to));
	npu_trace(model, NPU_TRACE_EVENT, le32_to_cpu(event->slot), 0, to, sizeof(*to));
	/* The record is in memory before the index and the interrupt say so. */
	smp_mb();
	npu_unmap(model, to, NPU_EVENT_SIZE);
	model->event_write++;
	npu_irq_raise(model, NPU_IRQ_EVENT);
}

static struct npu_event npu_event_of(const struct npu_model *model,
				     enum npu_event_type type, u32 slot)
{
	return (struct npu_event){
		.type = cpu_to_le32(type),
		.queue = cpu_to_le32(model->slots[slot].queue),
		.slot = cpu_to_le32(slot),
	};
}

void npu_event_done(struct npu_model *model, u32 slot, const struct npu_job *job)
{
	struct npu_event event = npu_event_of(model, NPU_EVENT_DONE, slot);

	event.sequence = cpu_to_le64(job->written);
	event.start = cpu_to_le64(job->start);
	event.end = cpu_to_le64(job->end);
	npu_event_post(model, &event);
}

void npu_event_fault(struct npu_model *model, u32 slot, const struct npu_fault_info *f)
{
	struct npu_event event = npu_event_of(model, NPU_EVENT_FAULT, slot);

	event.sequence = cpu_to_le64(f->sequence);
	event.status = cpu_to_le32(f->status);
	event.fault_va = cpu_to_le64(f->va);
	event.fault_offset = cpu_to_le64(f->offset);
	event.fault_access = cpu_to_le32(f->access);
	event.fault_detail = cpu_to_le32(f->detail);
	npu_event_post(model, &event);
}

void npu_event_unbound(struct npu_model *model, u32 slot, enum npu_fault status)
{
	struct npu_event event = npu_event_of(model, NPU_EVENT_UNBOUND, slot);

	event.sequence = cpu_to_le64(model->slots[slot].sequence);
	event.status = cpu_to_le32(status);
	npu_event_post(model, &event);
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Slots: binding of contexts, what is read from and written to them, and how
 * a queue ends or is suspended.
 */
#include "npu_model_priv.h"

struct npu_context *npu_context_map(struct npu_model *model, u64 *errors, u64 bus,
				    enum npu_access access)
{
	return npu_map(model, errors, bus, NPU_CONTEXT_SIZE, access);
}

void npu_context_unmap(struct npu_model *model, struct npu_context *context)
{
	npu_unmap(model, context, NPU_CONTEXT_SIZE);
}

/**
 * npu_slot_counters() - write the counters of a queue back
 * @context: of the queue
 * @slot: where it is bound
 */
void npu_slot_counters(struct npu_context *context, const struct npu_slot *slot)
{
	WRITE_ONCE(context->progress, cpu_to_le64(slot->progress));
	WRITE_ONCE(context->jobs, cpu_to_le64(slot->jobs));
	WRITE_ONCE(context->cycles, cpu_to_le64(slot->cost.cycles));
	WRITE_ONCE(context->macs, cpu_to_le64(slot->cost.macs));
	WRITE_ONCE(context->bytes, cpu_to_le64(slot->cost.bytes));
}

/* Report of the job at the queue's read index, if the queue has reports; false: bus error. */
bool npu_slot_report(struct npu_model *model, u64 *errors, const struct npu_slot *slot,
		     u64 sequence, u64 start, u64 end, const struct npu_cost *cost)
{
	u64 place = (slot->read & ((1ull << slot->order) - 1)) * NPU_REPORT_SIZE;
	const struct npu_report report = {
		.sequence = cpu_to_le64(sequence),
		.start = cpu_to_le64(start),
		.end = cpu_to_le64(end),
		.cycles = cpu_to_le64(cost->cycles),
		.macs = cpu_to_le64(cost->macs),
		.bytes = cpu_to_le64(cost->bytes),
	};
	struct npu_report *to;

	if (slot->report) {
		to = npu_map(model, errors, slot->report + place, NPU_REPORT_SIZE,
			     NPU_ACCESS_WRITE);
		if (!to)
			return false;
		*to = report;
		npu_unmap(model, to, NPU_REPORT_SIZE);
	}
	npu_trace(model, NPU_TRACE_REPORT, (u32)(slot - model->slots), 0, &report,
		  sizeof(report));
	return true;
}

/**
 * npu_slot_write_fault() - make a fault sticky in the context
 * @model: the device
 * @errors: counter of bus errors
 * @slot: of the queue
 * @f: fault
 *
 * Return: false if the context does not answer.
 */
bool npu_slot_write_fault(struct npu_model *model, u64 *errors, struct npu_slot *slot,
			  const struct npu_fault_info *f)
{
	struct npu_context *context = npu_context_map(model, errors, slot->bus,
						      NPU_ACCESS_WRITE);
	u32 status = f->status;

	if (!context)
		return false;
	if (npu_injected(model, NPU_INJECT_STATUS))
		status = ~status;
	npu_slot_counters(context, slot);
	WRITE_ONCE(context->fault_detail, cpu_to_le32(f->detail));
	WRITE_ONCE(context->fault_sequence, cpu_to_le64(f->sequence));
	WRITE_ONCE(context->fault_va, cpu_to_le64(f->va));
	WRITE_ONCE(context->fault_offset, cpu_to_le64(f->offset));
	WRITE_ONCE(context->fault_access, cpu_to_le32(f->access));
	WRITE_ONCE(context->resume_offset, cpu_to_le64(0));
	slot->resume = 0;
	slot->suspended = false;
	/* Who sees the status sees the rest. */
	smp_store_release(&context->fault_status, cpu_to_le32(status));
	npu_context_unmap(model, context);
	return true;
}

/* The queue of @slot is no longer executed by a core. */
static void npu_slot_release(struct npu_model *model, u32 slot)
{
	struct npu_slot *s = &model->slots[slot];

	if (s->core >= 0)
		model->cores[s->core].slot = -1;
	s->core = -1;
	s->busy = false;
}

/* Empty a slot and tell the driver; nothing of the queue is in flight. */
void npu_slot_empty(struct npu_model *model, u32 slot, enum npu_fault status)
{
	struct npu_slot *s = &model->slots[slot];

	npu_slot_release(model, slot);
	model->ready[0][slot / 64] &= ~(1ull << slot % 64);
	model->ready[1][slot / 64] &= ~(1ull << slot % 64);
	s->state = NPU_SLOT_EMPTY;
	s->command = 0;
	npu_event_unbound(model, slot, status);
}

/* A fault, already in the context, halts the queue. */
void npu_slot_halt(struct npu_model *model, u32 slot, const struct npu_fault_info *f)
{
	struct npu_slot *s = &model->slots[slot];
	u8 command = npu_slot_wish(model, s);

	npu_slot_release(model, slot);
	s->state = NPU_SLOT_HALTED;
	npu_event_fault(model, slot, f);
	if (command)
		npu_slot_empty(model, slot, NPU_FAULT_NONE);
}

void npu_slot_make_ready(struct npu_model *model, u32 slot)
{
	struct npu_slot *s = &model->slots[slot];
	bool realtime = s->priority == NPU_PRIORITY_REALTIME;

	s->rung = false;
	model->ready[realtime][slot / 64] |= 1ull << slot % 64;
	npu_sched_wake(model);
}

/**
 * npu_slot_suspend() - take the queue off its core at a command boundary
 * @core: that executes it; the lock is held
 *
 * The rest of the job is executed later, perhaps after a new BIND: the costs
 * so far wait in the job's report for that.
 */
void npu_slot_suspend(struct npu_core *core)
{
	struct npu_model *model = core->model;
	struct npu_slot *s = &model->slots[core->slot];
	struct npu_context *context;

	if (core->job_active) {
		s->resume = core->job.offset;
		s->suspended = true;
		s->job_start = core->job.start;
		s->job_cost = core->job.cost;
		npu_slot_report(model, &model->bus_errors, s, 0, core->job.start, 0,
				&core->job.cost);
		context = npu_context_map(model, &model->bus_errors, s->bus, NPU_ACCESS_WRITE);
		if (context) {
			npu_slot_counters(context, s);
			WRITE_ONCE(context->resume_offset, cpu_to_le64(s->resume));
			npu_context_unmap(model, context);
		}
	}
	core->job_active = false;
	npu_slot_release(model, (u32)core->slot);
}

/**
 * npu_slot_abort() - end the job of a core at a tile boundary
 * @core: that executes it; the lock is held
 *
 * The queue halts in its slot with the sticky fault ABORTED.
 */
void npu_slot_abort(struct npu_core *core)
{
	struct npu_model *model = core->model;
	u32 slot = (u32)core->slot;
	struct npu_slot *s = &model->slots[slot];

	npu_fault(core, NPU_FAULT_ABORTED, 0, 0, NPU_ACCESS_NONE);
	core->job_active = false;
	core->cmd_active = false;
	core->hung = false;
	core->rest = 0;
	npu_team_close(core);
	npu_job_account(core, &core->team.cost, core->team.tiles);
	core->team.cost = (struct npu_cost){ 0 };
	core->team.tiles = 0;
	if (npu_slot_write_fault(model, &model->bus_errors, s, &core->fault)) {
		if (s->command)
			npu_slot_empty(model, slot, NPU_FAULT_ABORTED);
		else
			npu_slot_halt(model, slot, &core->fault);
	} else {
		npu_slot_empty(model, slot, NPU_FAULT_BUS);
	}
}

/* First part of a context, as the driver made it. */
static bool npu_context_good(const struct npu_model *model, const struct npu_slot *s,
			     const struct npu_context *context)
{
	u64 end = 1ull << model->config.bus_bits;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(context->reserved0); i++)
		if (context->reserved0[i])
			return false;
	if (s->order < NPU_RING_ORDER_MIN || s->order > model->config.ring_order_max)
		return false;
	if (s->priority >= NPU_PRIORITIES || s->asid >= NPU_ASIDS)
		return false;
	if (s->ring >= end || s->ring % NPU_JOB_SIZE)
		return false;
	if (s->report >= end || s->report % NPU_REPORT_SIZE)
		return false;
	return s->root < end && !(s->root & ~NPU_PTE_ADDR);
}

static void npu_slot_load(struct npu_slot *s, const struct npu_context *context)
{
	s->ring = le64_to_cpu(context->ring_base);
	s->report = le64_to_cpu(context->report_base);
	s->root = le64_to_cpu(context->page_table);
	s->asid = le32_to_cpu(context->asid);
	s->order = le32_to_cpu(context->ring_order);
	s->priority = le32_to_cpu(context->priority);
	s->queue = le32_to_cpu(context->queue);
	s->sequence = le64_to_cpu(context->sequence);
	s->read = le64_to_cpu(context->read_index);
	s->started = le64_to_cpu(context->started);
	s->progress = le64_to_cpu(context->progress);
	s->jobs = le64_to_cpu(context->jobs);
	s->cost.cycles = le64_to_cpu(context->cycles);
	s->cost.macs = le64_to_cpu(context->macs);
	s->cost.bytes = le64_to_cpu(context->bytes);
	s->resume = le64_to_cpu(context->resume_offset);
	s->suspended = false;
	s->rung = false;
	s->turn = 0;
	s->command = 0;
}

static void npu_slot_refuse(struct npu_model *model, u32 slot)
{
	const struct npu_fault_info fault = { .status = NPU_FAULT_DESCRIPTOR };

	/* Never schedule by a priority that does not exist. */
	model->slots[slot].priority = 0;
	if (npu_slot_write_fault(model, &model->bus_errors, &model->slots[slot], &fault))
		npu_slot_halt(model, slot, &fault);
	else
		npu_slot_empty(model, slot, NPU_FAULT_BUS);
}

static void npu_slot_bind(struct npu_model *model, u32 slot)
{
	struct npu_slot *s = &model->slots[slot];
	struct npu_context copy;
	struct npu_context *context;

	s->bus = s->context;
	s->queue = 0;
	s->sequence = 0;
	context = npu_context_map(model, &model->bus_errors, s->bus, NPU_ACCESS_READ);
	if (!context) {
		npu_slot_empty(model, slot, NPU_FAULT_BUS);
		return;
	}
	memcpy(&copy, context, sizeof(copy));
	npu_context_unmap(model, context);
	npu_slot_load(s, &copy);
	s->state = NPU_SLOT_BOUND;
	if (copy.fault_status)
		s->state = NPU_SLOT_HALTED;
	else if (!npu_context_good(model, s, &copy))
		npu_slot_refuse(model, slot);
	else if (le64_to_cpu(copy.write_index) != s->read)
		npu_slot_make_ready(model, slot);
}

/**
 * npu_slot_obey() - do what the driver has asked of a slot, or begin to
 * @model: the device, locked
 * @slot: number
 */
void npu_slot_obey(struct npu_model *model, u32 slot)
{
	struct npu_slot *s = &model->slots[slot];
	u8 command = npu_slot_wish(model, s);

	if (!command)
		return;
	if (!s->busy)
		npu_slot_empty(model, slot, NPU_FAULT_NONE);
	else if (command == NPU_SLOT_UNBIND)
		npu_sched_boundary(&model->cores[s->core]);
	else
		npu_core_leave(&model->cores[s->core]);
}

/**
 * npu_slot_command() - a write to a slot's COMMAND register
 * @model: the device, locked
 * @slot: number
 * @command: NPU_SLOT_BIND to NPU_SLOT_RESET, others do nothing
 */
void npu_slot_command(struct npu_model *model, u32 slot, u32 command)
{
	struct npu_slot *s = &model->slots[slot];

	if (command == NPU_SLOT_BIND && s->state == NPU_SLOT_EMPTY)
		npu_slot_bind(model, slot);
	if (command < NPU_SLOT_UNBIND || command > NPU_SLOT_RESET ||
	    s->state == NPU_SLOT_EMPTY)
		return;
	s->command = max_t(u8, s->command, command);
	npu_slot_obey(model, slot);
}

/* The driver says that the write index has moved; locked. */
void npu_slot_doorbell(struct npu_model *model, u32 slot)
{
	struct npu_slot *s = &model->slots[slot];

	if (s->state != NPU_SLOT_BOUND)
		return;
	if (s->busy)
		s->rung = true;
	else
		npu_slot_make_ready(model, slot);
}

u32 npu_slot_status(const struct npu_model *model, u32 slot)
{
	const struct npu_slot *s = &model->slots[slot];
	u32 busy = s->busy ? NPU_SLOT_BUSY | (u32)s->core << NPU_SLOT_CORE_SHIFT : 0;

	return (s->command ? NPU_SLOT_STOPPING : s->state) | busy;
}

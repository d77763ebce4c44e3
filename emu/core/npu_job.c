// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Execution of a queue by a core: ring entry, base table, stream, commands,
 * tiles, completion. Runs without the lock, one tile at a time.
 */
#include "npu_model_priv.h"

static const struct npu_op *const npu_ops[] = {
	&npu_op_nop,
	&npu_op_timestamp,
	&npu_op_conv2d,
	&npu_op_depthwise,
	&npu_op_matmul,
	&npu_op_pool,
	&npu_op_reduce,
	&npu_op_eltwise,
	&npu_op_requant,
	&npu_op_lut,
	&npu_op_softmax,
	&npu_op_log_softmax,
	&npu_op_softmax16,
	&npu_op_l2_norm,
	&npu_op_copy,
	&npu_op_pad,
	&npu_op_resize,
};

static const struct npu_op *npu_op_find(u16 opcode)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(npu_ops); i++)
		if (npu_ops[i]->opcode == opcode)
			return npu_ops[i];
	return NULL;
}

static struct npu_slot *npu_core_slot(struct npu_core *core)
{
	return &core->model->slots[core->slot];
}

static int npu_descriptor(struct npu_core *core)
{
	return npu_fault(core, NPU_FAULT_DESCRIPTOR, 0, 0, NPU_ACCESS_NONE);
}

/* ---- The ring ------------------------------------------------------------------ */

static enum npu_outcome npu_job_fetch(struct npu_core *core, struct npu_job_desc *desc)
{
	struct npu_slot *s = npu_core_slot(core);
	struct npu_model *model = core->model;
	u64 entries = 1ull << s->order;
	struct npu_context *context;
	void *entry;
	u64 addr, write;

	memset(&core->job, 0, sizeof(core->job));
	context = npu_context_map(model, &core->bus_errors, s->bus, NPU_ACCESS_READ);
	if (!context)
		return NPU_OUT_LOST;
	/* Entries up to the index were written before it. */
	write = le64_to_cpu(smp_load_acquire(&context->write_index));
	npu_context_unmap(model, context);
	if (write == s->read)
		return NPU_OUT_DRAINED;
	if (write - s->read > entries) {
		npu_descriptor(core);
		return NPU_OUT_FAULT;
	}
	addr = s->ring + (s->read & (entries - 1)) * NPU_JOB_SIZE;
	entry = npu_map(model, &core->bus_errors, addr, NPU_JOB_SIZE, NPU_ACCESS_FETCH);
	if (!entry) {
		npu_fault(core, NPU_FAULT_BUS, 0, addr, NPU_ACCESS_FETCH);
		return NPU_OUT_FAULT;
	}
	memcpy(desc, entry, sizeof(*desc));
	npu_unmap(model, entry, NPU_JOB_SIZE);
	npu_trace(model, NPU_TRACE_JOB, (u32)core->slot, 0, desc, sizeof(*desc));
	return NPU_OUT_NONE;
}

static int npu_job_decode(struct npu_core *core, const struct npu_job_desc *desc)
{
	struct npu_slot *s = npu_core_slot(core);
	struct npu_job *job = &core->job;
	u32 i;

	job->sequence = le64_to_cpu(desc->sequence);
	job->stream_va = le64_to_cpu(desc->stream_va);
	job->bases_va = le64_to_cpu(desc->bases_va);
	job->stream_size = le32_to_cpu(desc->stream_size);
	job->bases = le32_to_cpu(desc->bases);
	job->flags = le32_to_cpu(desc->flags);
	for (i = 0; i < ARRAY_SIZE(desc->reserved); i++)
		if (desc->reserved[i])
			return npu_descriptor(core);
	if (job->flags & ~NPU_JOB_EVENT || job->bases > NPU_ISA_MAX_BASES)
		return npu_descriptor(core);
	if (job->stream_va % NPU_ISA_ALIGN || job->bases_va % NPU_ISA_ALIGN)
		return npu_descriptor(core);
	if (job->sequence <= s->sequence)
		return npu_descriptor(core);
	return 0;
}

/* The costs of a job that was suspended, before another BIND perhaps. */
static void npu_job_resume(struct npu_core *core)
{
	struct npu_slot *s = npu_core_slot(core);
	u64 place = (s->read & ((1ull << s->order) - 1)) * NPU_REPORT_SIZE;
	struct npu_job *job = &core->job;
	struct npu_report *report;

	job->offset = (u32)min_t(u64, s->resume, NPU_U32_MAX);
	if (s->suspended) {
		job->start = s->job_start;
		job->cost = s->job_cost;
		return;
	}
	if (!s->report)
		return;
	report = npu_map(core->model, &core->bus_errors, s->report + place,
			 NPU_REPORT_SIZE, NPU_ACCESS_READ);
	if (!report)
		return;
	job->start = le64_to_cpu(report->start);
	job->cost.cycles = le64_to_cpu(report->cycles);
	job->cost.macs = le64_to_cpu(report->macs);
	job->cost.bytes = le64_to_cpu(report->bytes);
	npu_unmap(core->model, report, NPU_REPORT_SIZE);
}

/* Tell the driver, before the job can have an effect. */
static enum npu_outcome npu_job_started(struct npu_core *core)
{
	struct npu_slot *s = npu_core_slot(core);
	struct npu_job *job = &core->job;
	struct npu_context *context;

	job->start = npu_now(core->model);
	job->offset = sizeof(struct npu_stream_header);
	if (s->resume && s->started == job->sequence)
		npu_job_resume(core);
	s->resume = 0;
	s->suspended = false;
	s->started = job->sequence;
	context = npu_context_map(core->model, &core->bus_errors, s->bus, NPU_ACCESS_WRITE);
	if (!context)
		return NPU_OUT_LOST;
	WRITE_ONCE(context->started, cpu_to_le64(s->started));
	npu_context_unmap(core->model, context);
	return NPU_OUT_NONE;
}

/* ---- Base table and stream --------------------------------------------------------- */

static int npu_job_bases(struct npu_core *core)
{
	struct npu_job *job = &core->job;
	struct npu_base_entry *b;
	struct npu_base raw;
	u32 i;

	for (i = 0; i < job->bases; i++) {
		if (npu_read(core, NPU_PIN_CODE, job->bases_va + i * sizeof(raw), &raw,
			     sizeof(raw)))
			return -1;
		b = &job->base[i];
		b->va = le64_to_cpu(raw.va);
		b->size = le64_to_cpu(raw.size);
		b->flags = le32_to_cpu(raw.flags);
		b->valid = !raw.reserved && !(b->flags & ~NPU_BASE_WRITE) &&
			   b->va <= NPU_VA_END && b->size <= NPU_VA_END - b->va;
	}
	return 0;
}

static int npu_job_header(struct npu_core *core)
{
	struct npu_job *job = &core->job;
	struct npu_stream_header h;

	if (job->stream_size < sizeof(h) || job->stream_size % NPU_ISA_ALIGN ||
	    job->stream_size > NPU_ISA_MAX_STREAM_SIZE)
		return npu_illegal(core, NPU_ILLEGAL_SIZE);
	if (npu_read(core, NPU_PIN_CODE, job->stream_va, &h, sizeof(h)))
		return -1;
	if (le32_to_cpu(h.magic) != NPU_ISA_MAGIC)
		return npu_illegal(core, NPU_ILLEGAL_MAGIC);
	if (h.major != NPU_ISA_MAJOR || h.minor > NPU_ISA_MINOR)
		return npu_illegal(core, NPU_ILLEGAL_VERSION);
	if (le64_to_cpu(h.features) & ~NPU_ISA_FEATURES)
		return npu_illegal(core, NPU_ILLEGAL_FEATURE);
	if (le32_to_cpu(h.size) != job->stream_size)
		return npu_illegal(core, NPU_ILLEGAL_SIZE);
	if (h.reserved0 || h.reserved1)
		return npu_illegal(core, NPU_ILLEGAL_RESERVED);
	return 0;
}

/* Header and base table are at offset 0 for faults; then go to the first command. */
static int npu_job_open(struct npu_core *core)
{
	struct npu_job *job = &core->job;
	u32 first = job->offset;

	job->offset = 0;
	if (npu_job_header(core) || npu_job_bases(core))
		return -1;
	job->offset = first;
	if (first < sizeof(struct npu_stream_header) || first % NPU_ISA_ALIGN ||
	    first > job->stream_size)
		return npu_illegal(core, NPU_ILLEGAL_SIZE);
	return 0;
}

/* Fetch the next command into private storage, once, and check it. */
static int npu_job_command(struct npu_core *core)
{
	struct npu_job *job = &core->job;
	struct npu_command *cmd = &core->cmd;
	u64 va = job->stream_va + job->offset;
	u32 left = job->stream_size - job->offset;
	struct npu_cmd header;
	u32 size;

	if (npu_read(core, NPU_PIN_CODE, va, &header, sizeof(header)))
		return -1;
	size = le32_to_cpu(header.size);
	if (size < sizeof(header) || size % NPU_ISA_ALIGN || size > left ||
	    size > NPU_ISA_MAX_CMD_SIZE)
		return npu_illegal(core, NPU_ILLEGAL_SIZE);
	cmd->op = npu_op_find(le16_to_cpu(header.opcode));
	if (!cmd->op)
		return npu_illegal(core, NPU_ILLEGAL_OPCODE);
	if (size != cmd->op->size)
		return npu_illegal(core, NPU_ILLEGAL_SIZE);
	if (header.flags)
		return npu_illegal(core, NPU_ILLEGAL_FLAGS);
	memcpy(core->raw, &header, sizeof(header));
	if (npu_read(core, NPU_PIN_CODE, va + sizeof(header),
		     (u8 *)core->raw + sizeof(header), size - sizeof(header)))
		return -1;
	npu_trace(core->model, NPU_TRACE_COMMAND, (u32)core->slot, job->offset, core->raw, size);
	cmd->next = 0;
	cmd->tiles = 1;
	cmd->macs = 0;
	cmd->terms = 1;
	cmd->each = 0;
	cmd->operands = 0;
	cmd->arrays = 0;
	cmd->in_place = false;
	cmd->shared = false;
	return cmd->op->decode(core);
}

/* ---- Completion --------------------------------------------------------------------- */

static enum npu_outcome npu_job_complete(struct npu_core *core)
{
	struct npu_slot *s = npu_core_slot(core);
	struct npu_model *model = core->model;
	struct npu_job *job = &core->job;
	struct npu_context *context;

	job->end = npu_now(model);
	job->written = job->sequence;
	if (npu_injected(model, NPU_INJECT_CORRUPT))
		job->written += 1ull << 40;
	if (!npu_slot_report(model, &core->bus_errors, s, job->sequence, job->start,
			     job->end, &job->cost)) {
		npu_fault(core, NPU_FAULT_BUS, 0, s->report, NPU_ACCESS_WRITE);
		return NPU_OUT_FAULT;
	}
	context = npu_context_map(model, &core->bus_errors, s->bus, NPU_ACCESS_WRITE);
	if (!context)
		return NPU_OUT_LOST;
	s->sequence = job->sequence;
	s->read++;
	s->jobs++;
	npu_slot_counters(context, s);
	WRITE_ONCE(context->resume_offset, cpu_to_le64(0));
	WRITE_ONCE(context->read_index, cpu_to_le64(s->read));
	/* Results, report and counters are visible to whom sees the sequence. */
	smp_store_release(&context->sequence, cpu_to_le64(job->written));
	npu_context_unmap(model, context);
	core->job_active = false;
	return NPU_OUT_DONE;
}

static enum npu_outcome npu_job_begin(struct npu_core *core)
{
	struct npu_slot *s = npu_core_slot(core);
	struct npu_job_desc desc;
	enum npu_outcome out;

	core->copy = NULL;
	core->asid = s->asid;
	core->root = s->root;
	out = npu_job_fetch(core, &desc);
	if (out != NPU_OUT_NONE)
		return out;
	if (npu_job_decode(core, &desc))
		return NPU_OUT_FAULT;
	out = npu_job_started(core);
	if (out != NPU_OUT_NONE)
		return out;
	core->job_active = true;
	if (!core->job.stream_size)
		return npu_job_complete(core);
	if (npu_job_open(core))
		return NPU_OUT_FAULT;
	if (core->job.offset == core->job.stream_size)
		return npu_job_complete(core);
	return NPU_OUT_NONE;
}

/* ---- Tiles ------------------------------------------------------------------------------ */

void npu_cost_add(struct npu_cost *sum, const struct npu_cost *cost)
{
	sum->cycles += cost->cycles;
	sum->macs += cost->macs;
	sum->bytes += cost->bytes;
}

/* What tiles of the job have cost. */
void npu_job_account(struct npu_core *core, const struct npu_cost *cost, u32 tiles)
{
	struct npu_slot *s = npu_core_slot(core);

	npu_cost_add(&core->job.cost, cost);
	npu_cost_add(&s->cost, cost);
	s->progress += tiles;
}

static int npu_tile_execute(struct npu_core *core, u64 tile)
{
	struct npu_cost *cost = &core->tile;

	if (core->cmd.op->tile(core, tile, cost))
		return -1;
	cost->cycles = NPU_TILE_CYCLES +
		       max_t(u64, npu_div_up(cost->macs, NPU_MACS_PER_CYCLE),
			     npu_div_up(cost->bytes, NPU_BYTES_PER_CYCLE));
	return 0;
}

/* Execute the tile that a core has claimed; returns whether there was a fault. */
bool npu_job_claimed(struct npu_core *core)
{
	if (!npu_tile_execute(core, core->claim))
		return false;
	memset(&core->tile, 0, sizeof(core->tile));
	return true;
}

static enum npu_outcome npu_job_counters(struct npu_core *core)
{
	struct npu_slot *s = npu_core_slot(core);
	struct npu_context *context;

	context = npu_context_map(core->model, &core->bus_errors, s->bus, NPU_ACCESS_WRITE);
	if (!context)
		return NPU_OUT_LOST;
	npu_slot_counters(context, s);
	npu_context_unmap(core->model, context);
	return NPU_OUT_NONE;
}

/* The command is complete. */
static enum npu_outcome npu_job_next(struct npu_core *core)
{
	core->cmd_active = false;
	core->job.offset += core->cmd.op->size;
	if (core->job.offset == core->job.stream_size)
		return npu_job_complete(core);
	return npu_job_counters(core);
}

static enum npu_outcome npu_job_tile(struct npu_core *core)
{
	struct npu_command *cmd = &core->cmd;

	if (npu_tile_execute(core, cmd->next))
		return NPU_OUT_FAULT;
	npu_job_account(core, &core->tile, 1);
	if (++cmd->next == cmd->tiles)
		return npu_job_next(core);
	return npu_job_counters(core);
}

/* The same for a command that others help with. */
static enum npu_outcome npu_job_claim(struct npu_core *core)
{
	if (core->claim == NPU_CLAIM_END) {
		if (core->team.lost)
			return NPU_OUT_LOST;
		if (!core->team.failed)
			return npu_job_next(core);
		core->fault = core->team.fault;
		return NPU_OUT_FAULT;
	}
	core->claim_failed = npu_job_claimed(core);
	if (core->claim_failed)
		return NPU_OUT_NONE;
	npu_job_account(core, &core->tile, 1);
	/* The queue is the core's as long as it has helpers. */
	core->claim_lost = npu_job_counters(core) != NPU_OUT_NONE;
	return NPU_OUT_NONE;
}

/* Does the command that has just been fetched begin later? */
static bool npu_job_delay(struct npu_core *core)
{
	u32 latency = READ_ONCE(core->model->latency);

	if (latency)
		core->rest = npu_now(core->model) + latency * 1000ull;
	return latency != 0;
}

static enum npu_outcome npu_job_step(struct npu_core *core)
{
	enum npu_outcome out;

	if (!core->job_active) {
		out = npu_job_begin(core);
		if (out != NPU_OUT_NONE)
			return out;
	}
	if (!core->cmd_active) {
		if (npu_job_command(core))
			return NPU_OUT_FAULT;
		core->cmd_active = true;
		core->hung = npu_injected(core->model, NPU_INJECT_HANG);
		if (core->hung || npu_job_delay(core) || npu_team_worth(core))
			return NPU_OUT_NONE;
	}
	if (core->team.active)
		return npu_job_claim(core);
	return npu_job_tile(core);
}

/**
 * npu_job_work() - execute up to one tile of the queue that a core has
 * @core: which; core->outcome says what came of it
 */
void npu_job_work(struct npu_core *core)
{
	struct npu_slot *s = npu_core_slot(core);

	memset(&core->tile, 0, sizeof(core->tile));
	core->left = false;
	core->claim_failed = false;
	core->claim_lost = false;
	npu_tlb_apply(core);
	core->outcome = npu_job_step(core);
	npu_unpin_all(core);
	/* Whoever wanted the tile to be given up takes the job at its end. */
	if (core->left) {
		core->outcome = NPU_OUT_NONE;
		return;
	}
	if (core->outcome == NPU_OUT_FAULT &&
	    !npu_slot_write_fault(core->model, &core->bus_errors, s, &core->fault))
		core->outcome = NPU_OUT_LOST;
	if (core->outcome == NPU_OUT_FAULT || core->outcome == NPU_OUT_LOST) {
		core->job_active = false;
		core->cmd_active = false;
	}
}

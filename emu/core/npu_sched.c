// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Cores: which queue they execute, what happens at the boundaries of tiles
 * and commands, and the reset of cores and function.
 */
#include "npu_model_priv.h"

/* Some slot has become runnable: a waiting core shall look for it. */
void npu_sched_wake(struct npu_model *model)
{
	u32 core;

	if (!model->idle || !(model->control & NPU_CONTROL_ENABLE) || model->gone ||
	    model->ended)
		return;
	core = npu_ctz64(model->idle);
	model->idle &= ~(1u << core);
	model->ops->wake(model->host, core);
}

static bool npu_sched_any(const struct npu_model *model, u32 level)
{
	u32 i;

	for (i = 0; i < model->slot_words; i++)
		if (model->ready[level][i])
			return true;
	return false;
}

/* First runnable slot at or after @from in the round; -1: none. */
static s32 npu_sched_next(const struct npu_model *model, u32 level, u32 from)
{
	u32 words = model->slot_words;
	u32 word = from / 64;
	u64 bits = model->ready[level][word] & ~0ull << from % 64;
	u32 i;

	for (i = 0; i <= words; i++) {
		if (bits)
			return (s32)(word * 64 + npu_ctz64(bits));
		word = word + 1 < words ? word + 1 : 0;
		bits = model->ready[level][word];
	}
	return -1;
}

static s64 npu_sched_turn(const struct npu_model *model, const struct npu_slot *s)
{
	u32 weight = s->priority < NPU_PRIORITY_REALTIME ? model->weight[s->priority] : 1;

	return (s64)weight * NPU_TURN_CYCLES;
}

/**
 * npu_sched_pick() - choose a runnable slot and take it off the list
 * @model: the device, locked
 *
 * Realtime queues come first; each class takes turns.
 *
 * Return: slot or -1.
 */
s32 npu_sched_pick(struct npu_model *model)
{
	u32 level = npu_sched_any(model, 1);
	struct npu_slot *s;
	s32 slot;

	if (!(model->control & NPU_CONTROL_ENABLE))
		return -1;
	slot = npu_sched_next(model, level, model->cursor[level]);
	if (slot < 0)
		return -1;
	s = &model->slots[slot];
	model->ready[level][slot / 64] &= ~(1ull << slot % 64);
	model->cursor[level] = ((u32)slot + 1) % model->config.slots;
	if (s->turn <= 0)
		s->turn = npu_sched_turn(model, s);
	return slot;
}

/**
 * npu_sched_yield() - does a queue have to make room at this command boundary
 * @model: the device, locked
 * @slot: of the queue
 */
bool npu_sched_yield(struct npu_model *model, struct npu_slot *slot)
{
	u32 level = slot->priority == NPU_PRIORITY_REALTIME;

	if (!(model->control & NPU_CONTROL_ENABLE))
		return true;
	if (!level && npu_sched_any(model, 1)) {
		/* An interrupted turn goes on afterwards. */
		if (slot->turn > 0)
			model->cursor[0] = (u32)(slot - model->slots);
		return true;
	}
	if (slot->turn > 0)
		return false;
	if (npu_sched_any(model, level))
		return true;
	slot->turn = npu_sched_turn(model, slot);
	return false;
}

/*
 * The job of a core is going to be lost at the end of its tile: a hint to get
 * there soon. Without effect between tiles.
 */
void npu_core_leave(struct npu_core *core)
{
	struct npu_model *model = core->model;
	u32 i;

	/* That of a helper's tile is not. */
	if (core->leader >= 0 && !npu_stopped(model))
		return;
	WRITE_ONCE(core->leave, true);
	for (i = 0; i < model->config.cores; i++)
		if (core->team.helpers & 1u << i)
			WRITE_ONCE(model->cores[i].leave, true);
	npu_sched_boundary(core);
}

/* Forget what a core does, without a trace. */
void npu_core_drop(struct npu_core *core)
{
	core->slot = -1;
	core->job_active = false;
	core->cmd_active = false;
	core->hung = false;
	core->rest = 0;
	core->flush = true;
	npu_team_close(core);
}

static void npu_core_reset_done(struct npu_core *core)
{
	struct npu_model *model = core->model;

	if (!core->reset)
		return;
	core->reset = false;
	model->core_resets &= ~(1u << core->index);
	npu_irq_raise(model, NPU_IRQ_RESET);
}

static void npu_core_reset(struct npu_core *core)
{
	struct npu_model *model = core->model;

	core->flush = true;
	if (core->slot >= 0 && core->job_active) {
		npu_slot_abort(core);
	} else if (core->slot >= 0) {
		u32 slot = (u32)core->slot;

		npu_slot_suspend(core);
		npu_slot_make_ready(model, slot);
	}
	npu_core_reset_done(core);
}

/* The driver wants the queue of this core, or the device is switched off. */
static void npu_core_obey(struct npu_core *core)
{
	struct npu_model *model = core->model;
	u32 slot = (u32)core->slot;
	struct npu_slot *s = &model->slots[slot];
	u8 command = npu_slot_wish(model, s);

	if (core->hung && command != NPU_SLOT_RESET)
		return;
	if (command >= NPU_SLOT_STOP && core->job_active) {
		npu_slot_abort(core);
	} else if (command && !core->cmd_active) {
		npu_slot_suspend(core);
		npu_slot_empty(model, slot, NPU_FAULT_NONE);
	} else if (!core->cmd_active && npu_sched_yield(model, s)) {
		npu_slot_suspend(core);
		npu_slot_make_ready(model, slot);
	}
}

/**
 * npu_sched_boundary() - do what has to be done between two tiles of a core
 * @core: which; the lock is held
 *
 * Does nothing while the core or one that helps it is in a tile: the last of them comes here
 * at its end.
 */
void npu_sched_boundary(struct npu_core *core)
{
	struct npu_model *model = core->model;

	if (core->in_tile || core->team.helpers)
		return;
	if (npu_stopped(model)) {
		npu_core_drop(core);
		npu_core_reset_done(core);
		return;
	}
	if (core->reset && !(model->deaf & NPU_DEAF_CORE))
		npu_core_reset(core);
	if (core->slot >= 0)
		npu_core_obey(core);
}

/* A function reset is acknowledged when the last core has left its tile. */
void npu_reset_poll(struct npu_model *model)
{
	u32 i;

	if (!model->resetting || model->deaf & NPU_DEAF_FUNCTION)
		return;
	for (i = 0; i < model->config.cores; i++)
		if (model->cores[i].in_tile)
			return;
	model->resetting = false;
	npu_irq_raise(model, NPU_IRQ_RESET);
}

/*
 * A slow clock: the core rests after each tile, so that both take as long as the
 * tile alone would with that clock. A host that comes back late does not make it
 * slower: it makes up for up to NPU_REST_LAG.
 */
static void npu_core_tire(struct npu_core *core, u64 start)
{
	struct npu_model *model = core->model;
	u64 nominal = model->config.clock_khz;
	u64 took;

	/* It may have become slow in between. */
	if (!model->clock_khz || !start)
		return;
	took = npu_now(model) - start;
	start -= min_t(u64, start, NPU_REST_LAG);
	core->rest = max_t(u64, core->rest, start) +
		     npu_mul_sat(took, nominal) / model->clock_khz;
}

static bool npu_core_rests(const struct npu_core *core)
{
	return core->rest && npu_now(core->model) < core->rest;
}

/* Locked: what there is to be executed, a tile of its own queue or of another core's. */
static bool npu_core_find(struct npu_core *core)
{
	struct npu_model *model = core->model;

	if (npu_stopped(model)) {
		core->team.waits = core->team.helpers;
		return false;
	}
	if (core->slot < 0)
		core->slot = npu_sched_pick(model);
	if (core->slot < 0)
		return npu_team_join(core);
	if (core->hung)
		return false;
	model->idle &= ~(1u << core->index);
	model->slots[core->slot].busy = true;
	model->slots[core->slot].core = (s32)core->index;
	npu_team_open(core);
	return !core->team.active || npu_team_claim(core);
}

static bool npu_core_begin(struct npu_core *core)
{
	struct npu_model *model = core->model;

	npu_sched_boundary(core);
	if (npu_core_rests(core) && !npu_stopped(model))
		return false;
	if (!npu_core_find(core)) {
		if (core->slot < 0)
			model->idle |= 1u << core->index;
		return false;
	}
	model->idle &= ~(1u << core->index);
	core->in_tile = true;
	WRITE_ONCE(core->leave, false);
	npu_tlb_begin(core);
	return true;
}

static void npu_core_drained(struct npu_core *core)
{
	struct npu_model *model = core->model;
	u32 slot = (u32)core->slot;
	struct npu_slot *s = &model->slots[slot];

	npu_slot_suspend(core);
	s->turn = 0;
	if (npu_slot_wish(model, s))
		npu_slot_empty(model, slot, NPU_FAULT_NONE);
	else if (s->rung)
		npu_slot_make_ready(model, slot);
}

static void npu_core_end(struct npu_core *core)
{
	struct npu_model *model = core->model;
	u32 slot = (u32)core->slot;

	core->in_tile = false;
	core->busy += core->tile.cycles;
	npu_team_result(core, core);
	if (!core->cmd_active)
		npu_team_close(core);
	if (!npu_stopped(model)) {
		model->slots[slot].turn -= (s64)core->tile.cycles;
		switch (core->outcome) {
		case NPU_OUT_DONE:
			if (core->job.flags & NPU_JOB_EVENT)
				npu_event_done(model, slot, &core->job);
			break;
		case NPU_OUT_DRAINED:
			npu_core_drained(core);
			break;
		case NPU_OUT_FAULT:
			npu_slot_halt(model, slot, &core->fault);
			break;
		case NPU_OUT_LOST:
			npu_slot_empty(model, slot, NPU_FAULT_BUS);
			break;
		default:
			break;
		}
	}
}

/* Whoever waits for the end of tiles. */
static void npu_core_left(struct npu_core *core)
{
	npu_sched_boundary(core);
	npu_tlb_complete(core->model);
	npu_reset_poll(core->model);
}

/* Why a core does nothing. */
static enum npu_step npu_core_pause(const struct npu_core *core)
{
	if (core->model->idle & 1u << core->index || core->team.waits || npu_stopped(core->model))
		return NPU_STEP_IDLE;
	return core->hung ? NPU_STEP_STALLED : NPU_STEP_RESTING;
}

enum npu_step npu_model_step(struct npu_model *model, u32 index)
{
	struct npu_core *core = &model->cores[index];
	enum npu_step step = NPU_STEP_RAN;
	unsigned long flags;
	bool work;
	u64 start;

	flags = npu_lock(model);
	work = npu_core_begin(core);
	start = work && model->clock_khz ? npu_now(model) : 0;
	if (!work)
		step = npu_core_pause(core);
	npu_unlock(model, flags);
	if (!work)
		return step;

	if (core->leader >= 0)
		npu_team_work(core);
	else
		npu_job_work(core);

	flags = npu_lock(model);
	npu_core_tire(core, start);
	if (core->leader >= 0)
		npu_team_end(core);
	else
		npu_core_end(core);
	npu_core_left(core);
	npu_unlock(model, flags);
	return step;
}

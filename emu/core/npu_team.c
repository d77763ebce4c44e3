// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Cores that help another one with its command.
 */
#include "npu_model_priv.h"

/**
 * DOC: One command on several cores
 *
 * A queue has one core, its leader. If a command is large and its tiles may be executed in any
 * order, the leader opens it: cores that find no queue to execute take tiles of it, one at a
 * time, as the leader does. Before the leader goes on with the next command it waits for the last
 * of them.
 *
 * The tiles are divided into one share for each core. A core takes those of its own in ascending
 * order, then the last of the share that has most left. So a core that helps with each command of
 * a network finds in its cache most of what it needs of the command before.
 *
 * Under the lock, as everything that cores do with each other:
 *
 * - A tile is claimed in npu_team_claim() and npu_team_join(), and a helper says what came of it
 *   in npu_team_end(). In between it works with a copy of the command, so nothing of the leader
 *   is touched but ``team``.
 * - As long as it has helpers nothing is done to the leader's queue, job or command. Commands of
 *   the driver wait for that as they wait for the end of a tile, see npu_sched_boundary(). If the
 *   job is to be lost its helpers give their tiles up, too.
 * - To reset a helper is to wait for its tile: the job is that of another core.
 * - After a fault the tiles before the faulty one are executed all the same. The lowest that has
 *   a fault counts: it is the one that a single core would have found.
 */

/* Less is done before other cores are awake; tests take less. */
#ifndef NPU_TEAM_MACS
#define NPU_TEAM_MACS	(1u << 20)
#endif

/**
 * npu_team_large() - is a command large enough for more cores than one, and are there any?
 * @core: that has decoded its multiplications
 */
bool npu_team_large(const struct npu_core *core)
{
	return core->model->config.cores > 1 && core->cmd.macs >= NPU_TEAM_MACS;
}

/**
 * npu_team_worth() - may others execute tiles of the command that has been decoded?
 * @core: that has it
 */
bool npu_team_worth(const struct npu_core *core)
{
	const struct npu_command *cmd = &core->cmd;

	return npu_team_large(core) && cmd->shared && cmd->tiles > 1;
}

static u64 npu_share_left(const struct npu_share *share)
{
	return share->next < share->end ? share->end - share->next : 0;
}

/* Is there anything that nobody has claimed? */
static void npu_team_look(struct npu_core *leader)
{
	struct npu_team *team = &leader->team;
	u32 i;

	team->open = team->returned;
	for (i = 0; i < leader->model->config.cores; i++)
		team->open |= npu_share_left(&team->share[i]) > 0;
	team->open &= !team->lost;
}

static void npu_team_divide(struct npu_core *leader)
{
	u32 cores = leader->model->config.cores;
	u64 each = leader->cmd.tiles / cores;
	u64 more = leader->cmd.tiles - each * cores;
	u64 next = 0;
	u32 i;

	for (i = 0; i < cores; i++) {
		leader->team.share[i].next = next;
		next += each + (i < more);
		leader->team.share[i].end = next;
	}
	leader->team.open = true;
}

/* Whatever is behind a faulty tile is not executed any more. */
static void npu_team_cut(struct npu_core *leader, u64 tile)
{
	struct npu_team *team = &leader->team;
	u32 i, kept = 0;

	for (i = 0; i < leader->model->config.cores; i++)
		team->share[i].end = min_t(u64, team->share[i].end, tile);
	for (i = 0; i < team->returned; i++)
		if (team->again[i] < tile)
			team->again[kept++] = team->again[i];
	team->returned = kept;
}

/**
 * npu_team_open() - let others take tiles, if it is worth it
 * @core: the leader, the lock is held; not idle, and before the first tile
 */
void npu_team_open(struct npu_core *core)
{
	struct npu_model *model = core->model;
	u64 serial = core->team.serial;
	u32 i;

	if (core->team.active || !core->cmd_active || core->cmd.next || !npu_team_worth(core))
		return;
	core->team = (struct npu_team){ .active = true, .serial = serial + 1 };
	npu_team_divide(core);
	for (i = 1; i < model->config.cores && i < core->cmd.tiles && model->idle; i++)
		npu_sched_wake(model);
}

/**
 * npu_team_close() - nobody takes tiles of this core's command any more
 * @core: the leader, the lock is held
 */
void npu_team_close(struct npu_core *core)
{
	core->team.open = false;
	core->team.active = false;
}

/* Of what is open. */
static u64 npu_team_next(struct npu_core *leader, u32 core)
{
	struct npu_team *team = &leader->team;
	struct npu_share *most = &team->share[core];
	u32 i;

	if (team->returned)
		return team->again[--team->returned];
	if (npu_share_left(most))
		return most->next++;
	for (i = 0; i < leader->model->config.cores; i++)
		if (npu_share_left(&team->share[i]) > npu_share_left(most))
			most = &team->share[i];
	return --most->end;
}

static u64 npu_team_take(struct npu_core *leader, u32 core)
{
	u64 tile = npu_team_next(leader, core);

	npu_team_look(leader);
	return tile;
}

/**
 * npu_team_claim() - what the leader does next
 * @core: the leader, the lock is held
 *
 * Return: false if it has to wait for its helpers; else core->claim is a tile, or
 * NPU_CLAIM_END when all are done.
 */
bool npu_team_claim(struct npu_core *core)
{
	struct npu_team *team = &core->team;

	npu_job_account(core, &team->cost, team->tiles);
	team->cost = (struct npu_cost){ 0 };
	team->tiles = 0;
	core->claim = NPU_CLAIM_END;
	if (team->open)
		core->claim = npu_team_take(core, core->index);
	team->waits = core->claim == NPU_CLAIM_END && team->helpers;
	return !team->waits;
}

/**
 * npu_team_join() - take a tile of a command of another core
 * @core: that has nothing to do; the lock is held
 *
 * Return: whether there was one.
 */
bool npu_team_join(struct npu_core *core)
{
	struct npu_model *model = core->model;
	struct npu_core *leader;
	u32 i;

	if (!(model->control & NPU_CONTROL_ENABLE))
		return false;
	for (i = 0; i < model->config.cores; i++) {
		leader = &model->cores[i];
		if (!leader->team.open)
			continue;
		core->claim = npu_team_take(leader, core->index);
		leader->team.helpers |= 1u << core->index;
		core->leader = (s32)i;
		return true;
	}
	return false;
}

/* The leader's command, if it is not that of the last tile. */
static void npu_team_copy(struct npu_core *core, const struct npu_core *leader)
{
	if (core->copy == leader && core->copy_serial == leader->team.serial)
		return;
	core->copy = leader;
	core->copy_serial = leader->team.serial;
	core->asid = leader->asid;
	core->root = leader->root;
	core->job.offset = leader->job.offset;
	core->job.sequence = leader->job.sequence;
	core->cmd = leader->cmd;
	npu_mac_forget(core);
}

/**
 * npu_team_work() - execute the tile that a helper has claimed
 * @core: the helper; without the lock
 */
void npu_team_work(struct npu_core *core)
{
	memset(&core->tile, 0, sizeof(core->tile));
	core->left = false;
	core->claim_lost = false;
	npu_tlb_apply(core);
	npu_team_copy(core, &core->model->cores[core->leader]);
	core->claim_failed = npu_job_claimed(core);
	npu_unpin_all(core);
}

/**
 * npu_team_result() - what came of a tile, if the command is executed by claims
 * @leader: whose command it is, the lock is held
 * @core: that has executed it
 */
void npu_team_result(struct npu_core *leader, const struct npu_core *core)
{
	struct npu_team *team = &leader->team;
	bool failed = core->claim_failed && !core->left;

	if (!team->active)
		return;
	/* Given up for a job that is not lost after all: somebody does it again. */
	if (core->left)
		team->again[team->returned++] = core->claim;
	if (failed && (!team->failed || core->claim < team->failed_tile)) {
		team->failed = true;
		team->failed_tile = core->claim;
		team->fault = core->fault;
	}
	if (team->failed)
		npu_team_cut(leader, team->failed_tile);
	team->lost |= core->claim_lost;
	npu_team_look(leader);
}

/**
 * npu_team_end() - a helper has left its tile
 * @core: the helper, the lock is held
 */
void npu_team_end(struct npu_core *core)
{
	struct npu_model *model = core->model;
	struct npu_core *leader = &model->cores[core->leader];
	struct npu_team *team = &leader->team;

	core->in_tile = false;
	core->busy += core->tile.cycles;
	core->leader = -1;
	team->helpers &= ~(1u << core->index);
	npu_team_result(leader, core);
	if (!core->left && !core->claim_failed) {
		npu_cost_add(&team->cost, &core->tile);
		team->tiles++;
	}
	if (!npu_stopped(model))
		model->slots[leader->slot].turn -= (s64)core->tile.cycles;
	npu_sched_boundary(leader);
	if (team->waits && !team->helpers) {
		team->waits = false;
		model->ops->wake(model->host, leader->index);
	}
}

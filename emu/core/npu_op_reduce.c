// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * REDUCE: means along any dimensions. A cell is what one walk over the
 * reduced dimensions makes: a run of outputs if the innermost dimension is
 * kept, one output if it is reduced.
 */
#include "npu_model_priv.h"

static bool npu_reduce_shape(const struct npu_core *core, u32 axes)
{
	const struct npu_operand *in = &core->cmd.t[0];
	const struct npu_operand *out = &core->cmd.t[1];
	u32 i;

	if (in->rank != out->rank || axes >> in->rank)
		return false;
	for (i = 0; i < in->rank; i++)
		if (out->dim[i] != (axes >> i & 1 ? 1 : in->dim[i]))
			return false;
	return true;
}

static enum npu_illegal npu_reduce_check(struct npu_core *core,
					 const struct npu_cmd_reduce *raw)
{
	struct npu_reduce_cmd *r = &core->cmd.reduce;
	struct npu_operand *t = core->cmd.t;

	if (npu_check_layout(core) || le32_to_cpu(raw->mode) != NPU_REDUCE_MEAN)
		return NPU_ILLEGAL_MODE;
	if (!npu_type_in(t[0].type, NPU_TYPES_QUANT) || t[1].type != t[0].type)
		return NPU_ILLEGAL_TYPE;
	if (npu_check_shapes(core) || !npu_reduce_shape(core, le32_to_cpu(raw->axes)))
		return NPU_ILLEGAL_SHAPE;
	if (npu_check_zero_points(core) || !npu_factor_ok(r->factor))
		return NPU_ILLEGAL_QUANT;
	return npu_check_limits(&r->limits, t[1].type);
}

/* Sort the dimensions into those kept and those reduced, innermost first. */
static void npu_reduce_plan(struct npu_core *core, u32 axes)
{
	struct npu_reduce_cmd *r = &core->cmd.reduce;
	const struct npu_operand *in = &core->cmd.t[0];
	const struct npu_operand *out = &core->cmd.t[1];
	u32 last = in->rank ? in->rank - 1 : 0;
	u32 i;

	r->kept_rank = 0;
	r->gone_rank = 0;
	r->cells = 1;
	r->vector = !(axes >> last & 1);
	r->run = in->rank ? in->dim[last] : 1;
	r->run_stride = in->rank ? in->stride[last] : in->esize;
	r->out_stride = r->vector && in->rank ? out->stride[last] : out->esize;
	for (i = last; i-- > 0;) {
		if (axes >> i & 1) {
			r->gone[r->gone_rank] = in->dim[i];
			r->gone_stride[r->gone_rank++] = in->stride[i];
			continue;
		}
		r->kept[r->kept_rank] = in->dim[i];
		r->kept_stride[0][r->kept_rank] = in->stride[i];
		r->kept_stride[1][r->kept_rank++] = out->stride[i];
		r->cells *= in->dim[i];
	}
}

static void npu_reduce_tiles(struct npu_core *core)
{
	struct npu_command *cmd = &core->cmd;
	struct npu_reduce_cmd *r = &cmd->reduce;
	u32 most;

	r->count = (u32)cmd->terms;
	most = max_t(u32, NPU_TILE_MACS / r->count, 1);
	r->columns = r->vector ? min_t(u32, min_t(u32, r->run, NPU_COLUMNS), most) : 1;
	r->blocks = r->vector ? (u32)npu_div_up(r->run, r->columns) : 1;
	r->batch = clamp_t(u32, most / r->columns, 1, NPU_TILE_ELEMENTS);
	cmd->tiles = npu_div_up(r->cells, r->batch) * r->blocks;
}

static int npu_reduce_decode(struct npu_core *core)
{
	const struct npu_cmd_reduce *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;
	struct npu_reduce_cmd *r = &cmd->reduce;
	enum npu_illegal why;
	u32 i;

	cmd->operands = 2;
	npu_operand_load(&cmd->t[0], &raw->in);
	npu_operand_load(&cmd->t[1], &raw->out);
	r->factor = npu_factor_load(&raw->scale);
	r->limits.zero_point = cmd->t[1].zero_point;
	r->limits.min = (s32)le32_to_cpu(raw->clamp_min);
	r->limits.max = (s32)le32_to_cpu(raw->clamp_max);
	why = npu_reduce_check(core, raw);
	if (why)
		return npu_illegal(core, why);
	for (i = 0; i < cmd->t[0].rank; i++)
		if (le32_to_cpu(raw->axes) >> i & 1)
			cmd->terms = npu_mul_sat(cmd->terms, cmd->t[0].dim[i]);
	cmd->macs = cmd->t[0].elements;
	if (npu_check_places(core))
		return -1;
	npu_reduce_plan(core, le32_to_cpu(raw->axes));
	npu_reduce_tiles(core);
	return 0;
}

/* Add one run of inputs to the accumulators of a cell. */
static int npu_reduce_run(struct npu_core *core, u64 va, u32 n, u32 *acc)
{
	const struct npu_kernels *k = core->model->kernels;
	const struct npu_reduce_cmd *r = &core->cmd.reduce;
	const struct npu_operand *in = &core->cmd.t[0];
	struct npu_scratch *s = &core->scratch;
	const void *src;
	u32 part;

	for (; n; n -= part, va += (u64)r->run_stride * part) {
		part = min_t(u32, n, NPU_TILE_ELEMENTS);
		src = npu_read_run(core, NPU_PIN_IN, va, r->run_stride, in->esize, part,
				   s->stage[0]);
		if (!src)
			return -1;
		k->widen(s->wide[0], src, in->type, in->zero_point, part);
		if (r->vector)
			k->sum(acc, s->wide[0], part);
		else
			*acc += k->total(s->wide[0], part);
	}
	return 0;
}

static int npu_reduce_cell(struct npu_core *core, u64 from, u64 to, u32 n)
{
	const struct npu_kernels *k = core->model->kernels;
	const struct npu_reduce_cmd *r = &core->cmd.reduce;
	const struct npu_operand *out = &core->cmd.t[1];
	struct npu_scratch *s = &core->scratch;
	u32 at[NPU_ISA_MAX_RANK] = { 0 };
	u32 run = r->vector ? n : r->run;
	u32 i;

	memset(s->acc, 0, n * sizeof(s->acc[0]));
	do {
		if (npu_reduce_run(core, from, run, s->acc))
			return -1;
		for (i = 0; i < r->gone_rank; i++) {
			from += (u64)r->gone_stride[i];
			if (++at[i] < r->gone[i])
				break;
			at[i] = 0;
			from -= (u64)r->gone_stride[i] * r->gone[i];
		}
	} while (i < r->gone_rank);
	k->requant(s->wide[1], s->acc, &r->factor, 0, &r->limits, n);
	k->narrow(s->stage[1], s->wide[1], out->type, n);
	return npu_write_run(core, to, r->out_stride, out->esize, n, s->stage[1]);
}

static int npu_reduce_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_reduce_cmd *r = &core->cmd.reduce;
	u32 esize = core->cmd.t[0].esize;
	u64 cell = tile / r->blocks * r->batch;
	u64 end = min_t(u64, cell + r->batch, r->cells);
	u32 column = (u32)(tile % r->blocks) * r->columns;
	u32 n = r->vector ? min_t(u32, r->columns, r->run - column) : 1;
	u64 from, to, rest;
	u32 i;

	cost->macs = (end - cell) * n * r->count;
	cost->bytes = cost->macs * esize + (end - cell) * n * esize;
	for (; cell < end; cell++) {
		from = core->cmd.t[0].va + (u64)r->run_stride * column;
		to = core->cmd.t[1].va + (u64)r->out_stride * column;
		rest = cell;
		for (i = 0; i < r->kept_rank; i++) {
			from += (u64)r->kept_stride[0][i] * (rest % r->kept[i]);
			to += (u64)r->kept_stride[1][i] * (rest % r->kept[i]);
			rest /= r->kept[i];
		}
		if (npu_reduce_cell(core, from, to, n))
			return -1;
	}
	return 0;
}

const struct npu_op npu_op_reduce = {
	.opcode	= NPU_OP_REDUCE,
	.size	= sizeof(struct npu_cmd_reduce),
	.decode	= npu_reduce_decode,
	.tile	= npu_reduce_tile,
};

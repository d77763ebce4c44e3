// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * REDUCE: means, maxima and their places along any dimensions. A cell is what one walk over the
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

static bool npu_reduce_type(u32 mode, const struct npu_operand *t)
{
	if (mode == NPU_REDUCE_ARG_MAX)
		return npu_type_in(t[1].type, NPU_BIT(S32) | NPU_BIT(S64));
	return t[1].type == t[0].type;
}

static enum npu_illegal npu_reduce_check(struct npu_core *core,
					 const struct npu_cmd_reduce *raw)
{
	struct npu_reduce_cmd *r = &core->cmd.reduce;
	struct npu_operand *t = core->cmd.t;

	u32 axes = le32_to_cpu(raw->axes);

	if (npu_check_layout(core) || r->mode > NPU_REDUCE_ARG_MAX)
		return NPU_ILLEGAL_MODE;
	if (!npu_type_in(t[0].type, NPU_TYPES_QUANT) || !npu_reduce_type(r->mode, t))
		return NPU_ILLEGAL_TYPE;
	if (npu_check_shapes(core) || !npu_reduce_shape(core, axes))
		return NPU_ILLEGAL_SHAPE;
	if (r->mode == NPU_REDUCE_ARG_MAX && (!axes || axes & (axes - 1)))
		return NPU_ILLEGAL_SHAPE;
	if (npu_check_zero_points(core) || !npu_factor_ok(r->factor))
		return NPU_ILLEGAL_QUANT;
	if (r->mode >= NPU_REDUCE_MAX && (raw->scale.multiplier || raw->scale.shift))
		return NPU_ILLEGAL_QUANT;
	if (r->mode == NPU_REDUCE_MAX && t[0].zero_point != t[1].zero_point)
		return NPU_ILLEGAL_QUANT;
	if (r->mode == NPU_REDUCE_ARG_MAX)
		return r->limits.min || r->limits.max ? NPU_ILLEGAL_QUANT : NPU_ILLEGAL_NONE;
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
	u32 each = npu_stride_work(r->run_stride, 1);
	u32 store = NPU_RUN_WORK + NPU_PIN_WORK;
	u32 jump = 0;
	u32 i;

	for (i = 0; i < r->gone_rank; i++)
		jump += npu_stride_work(r->gone_stride[i], 1);
	for (i = 0; i < r->kept_rank; i++)
		jump += npu_stride_work(r->kept_stride[0][i], 1);
	jump = NPU_RUN_WORK + min_t(u32, jump, NPU_PIN_WORK);
	if (!r->vector)
		jump /= r->run;
	npu_plan_init(&r->plan, cmd->terms, r->vector ? r->run : 1, store, jump, each,
		      npu_stride_work(r->out_stride, 1));
	r->blocks = r->vector ? (u32)npu_div_up(r->run, r->plan.columns) : 1;
	cmd->tiles = npu_div_up(r->cells, r->plan.pixels) * r->blocks * r->plan.slices;
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
	r->mode = le32_to_cpu(raw->mode);
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

/* Where the maxima of ARG_MAX are, behind the maxima. */
static u32 *npu_reduce_places(struct npu_core *core)
{
	return core->scratch.acc + NPU_COLUMNS;
}

static void npu_reduce_arg_max(struct npu_core *core, u32 *acc, u32 term, u32 n)
{
	const struct npu_reduce_cmd *r = &core->cmd.reduce;
	const s32 *x = core->scratch.wide[0];
	u32 *place = npu_reduce_places(core);
	u32 i, to;

	for (i = 0; i < n; i++) {
		to = r->vector ? i : 0;
		if (x[i] <= (s32)acc[to])
			continue;
		acc[to] = (u32)x[i];
		place[to] = r->vector ? term : term + i;
	}
}

/* One run of inputs, of which @term is the first, goes into the accumulators of a cell. */
static void npu_reduce_add(struct npu_core *core, u32 *acc, u32 term, u32 n)
{
	const struct npu_kernels *k = &core->model->kernels;
	const struct npu_reduce_cmd *r = &core->cmd.reduce;
	const s32 *x = core->scratch.wide[0];
	u32 i;

	if (r->mode == NPU_REDUCE_MEAN) {
		if (r->vector)
			k->sum(acc, x, n);
		else
			*acc += k->total(x, n);
	} else if (r->mode == NPU_REDUCE_ARG_MAX) {
		npu_reduce_arg_max(core, acc, term, n);
	} else if (r->vector) {
		k->maximum((s32 *)acc, x, n);
	} else {
		for (i = 0; i < n; i++)
			*acc = (u32)max_t(s32, (s32)*acc, x[i]);
	}
}

static int npu_reduce_run(struct npu_core *core, u64 va, u32 term, u32 n, u32 *acc)
{
	const struct npu_kernels *k = &core->model->kernels;
	const struct npu_reduce_cmd *r = &core->cmd.reduce;
	const struct npu_operand *in = &core->cmd.t[0];
	struct npu_scratch *s = &core->scratch;
	const void *src;
	u32 part;

	for (; n; n -= part, term += part, va += (u64)r->run_stride * part) {
		part = min_t(u32, n, NPU_TILE_ELEMENTS);
		src = npu_read_run(core, NPU_PIN_IN, va, r->run_stride, in->esize, part,
				   s->stage[0]);
		if (!src)
			return -1;
		k->widen(s->wide[0], src, in->type,
			 r->mode >= NPU_REDUCE_MAX ? 0 : in->zero_point, part);
		npu_reduce_add(core, acc, term, part);
	}
	return 0;
}

/* Terms [@slice) of the sums of a cell. */
static int npu_reduce_sum(struct npu_core *core, const struct npu_slice *slice, u64 from, u32 n)
{
	const struct npu_reduce_cmd *r = &core->cmd.reduce;
	u32 length = r->vector ? 1 : r->run;
	u32 rest = slice->from / length;
	u32 skip = slice->from % length;
	u32 left = slice->to - slice->from;
	u32 at[NPU_ISA_MAX_RANK];
	u32 i, part;

	for (i = 0; i < r->gone_rank; i++) {
		at[i] = rest % r->gone[i];
		rest /= r->gone[i];
		from += (u64)r->gone_stride[i] * at[i];
	}
	for (; left; left -= part, skip = 0) {
		part = min_t(u32, length - skip, left);
		if (npu_reduce_run(core, from + (u64)r->run_stride * skip, slice->to - left,
				   r->vector ? n : part, core->scratch.acc))
			return -1;
		for (i = 0; i < r->gone_rank; i++) {
			from += (u64)r->gone_stride[i];
			if (++at[i] < r->gone[i])
				break;
			at[i] = 0;
			from -= (u64)r->gone_stride[i] * r->gone[i];
		}
	}
	return 0;
}

/* Results of a cell, at the end of all terms; into stage[1]. */
static void npu_reduce_finish(struct npu_core *core, u32 n)
{
	const struct npu_kernels *k = &core->model->kernels;
	const struct npu_reduce_cmd *r = &core->cmd.reduce;
	struct npu_scratch *s = &core->scratch;
	u32 *place = npu_reduce_places(core);
	u32 type = core->cmd.t[1].type;
	u64 *wide = (u64 *)s->stage[1];
	u32 i;

	if (r->mode == NPU_REDUCE_ARG_MAX) {
		memcpy(s->wide[1], place, n * sizeof(*place));
		for (i = 0; i < n && type == NPU_TYPE_S64; i++)
			wide[i] = (__force u64)cpu_to_le64(place[i]);
	} else if (r->mode == NPU_REDUCE_MAX) {
		k->pick(s->wide[1], (s32 *)s->acc, (s32 *)s->acc, NPU_ELTWISE_MAX, &r->limits, n);
	} else {
		k->requant(s->wide[1], s->acc, &r->factor, 0, &r->limits, n);
	}
	if (type != NPU_TYPE_S64)
		k->narrow(s->stage[1], s->wide[1], type, n);
}

static int npu_reduce_cell(struct npu_core *core, const struct npu_slice *slice, u64 from,
			   u64 to, u32 n)
{
	const struct npu_reduce_cmd *r = &core->cmd.reduce;
	const struct npu_operand *out = &core->cmd.t[1];
	struct npu_scratch *s = &core->scratch;
	u32 i;

	for (i = 0; i < n && slice->first; i++)
		s->acc[i] = r->mode >= NPU_REDUCE_MAX ? (u32)NPU_S32_MIN : 0;
	if (npu_reduce_sum(core, slice, from, n))
		return -1;
	if (!slice->last)
		return 0;
	npu_reduce_finish(core, n);
	return npu_write_run(core, to, r->out_stride, out->esize, n, s->stage[1]);
}

static int npu_reduce_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_reduce_cmd *r = &core->cmd.reduce;
	u32 esize = core->cmd.t[0].esize, out_esize = core->cmd.t[1].esize;
	struct npu_slice slice = npu_plan_slice(&r->plan, &tile);
	u64 cell = tile / r->blocks * r->plan.pixels;
	u64 end = min_t(u64, cell + r->plan.pixels, r->cells);
	u32 column = (u32)(tile % r->blocks) * r->plan.columns;
	u32 n = r->vector ? min_t(u32, r->plan.columns, r->run - column) : 1;
	u64 from, to, rest;
	u32 i;

	cost->macs = (end - cell) * n * (slice.to - slice.from);
	cost->bytes = cost->macs * esize;
	if (slice.last)
		cost->bytes += (end - cell) * n * out_esize;
	for (; cell < end; cell++) {
		from = core->cmd.t[0].va + (u64)r->run_stride * column;
		to = core->cmd.t[1].va + (u64)r->out_stride * column;
		rest = cell;
		for (i = 0; i < r->kept_rank; i++) {
			from += (u64)r->kept_stride[0][i] * (rest % r->kept[i]);
			to += (u64)r->kept_stride[1][i] * (rest % r->kept[i]);
			rest /= r->kept[i];
		}
		if (npu_reduce_cell(core, &slice, from, to, n))
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

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * SOFTMAX of 8-bit values, in fixed point: numerics.rst has the formulas.
 * The exponential depends only on the distance from the maximum of the row,
 * one of 256 values, so each command computes it once per value.
 */
#include "npu_model_priv.h"

/* Left shift that saturates. */
static s32 npu_shift_left_sat(s32 x, u32 n)
{
	return (s32)clamp_t(s64, (s64)((u64)(s64)x << n), NPU_S32_MIN, NPU_S32_MAX);
}

static s32 npu_add(s32 a, s32 b)
{
	return (s32)((u32)a + (u32)b);
}

/* exp(a) for a in [-1/4, 0), all Q0.31: series around -1/8. */
static s32 npu_exp_quarter(s32 a)
{
	const s32 exp_eighth = 1895147668;	/* exp(-1/8) */
	const s32 third = 715827883;
	s32 x = npu_add(a, 1 << 28);
	s32 x2 = npu_high_mul(x, x);
	s32 x3 = npu_high_mul(x2, x);
	s32 x4 = npu_high_mul(x2, x2);
	s32 tail = npu_high_mul(npu_add((s32)npu_shift_right(x4, 2), x3), third);

	tail = (s32)npu_shift_right(npu_add(tail, x2), 1);
	return npu_add(exp_eighth, npu_high_mul(exp_eighth, npu_add(x, tail)));
}

/* exp(a) in Q0.31 for a in Q5.26, not above 0. */
static s32 npu_exp(s32 a)
{
	/* exp(-2^n) in Q0.31, n from -2 to 4. */
	static const s32 power[] = {
		1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242,
	};
	const s32 quarter = 1 << 24;
	s32 part = (a & (quarter - 1)) - quarter;
	s32 rest = (s32)((u32)part - (u32)a);
	s32 result = npu_exp_quarter(npu_shift_left_sat(part, 5));
	u32 i;

	for (i = 0; i < ARRAY_SIZE(power); i++)
		if ((u32)rest >> (24 + i) & 1)
			result = npu_high_mul(result, power[i]);
	return a ? result : NPU_S32_MAX;
}

/* 1 / (1 + a) for a in [0, 1), all Q0.31: three steps of Newton. */
static s32 npu_reciprocal(s32 a)
{
	const s32 one = 1 << 29;			/* Q2.29 */
	s32 half = (s32)(((s64)a + NPU_S32_MAX + 1) / 2);
	s32 x = npu_add(1515870810, npu_high_mul(half, -1010580540));
	u32 i;
	s32 e;

	for (i = 0; i < 3; i++) {
		e = (s32)((u32)one - (u32)npu_high_mul(half, x));
		x = npu_add(x, npu_shift_left_sat(npu_high_mul(x, e), 2));
	}
	return npu_shift_left_sat(x, 1);
}

static void npu_softmax_table(struct npu_softmax_cmd *c, struct npu_factor beta)
{
	s32 diff, x;

	for (diff = 0; diff > -256; diff--) {
		x = (s32)((u32)diff << beta.shift);
		c->exp[-diff] = diff < c->diff_min ? 0 : npu_exp(npu_high_mul(x, beta.multiplier));
	}
}

static enum npu_illegal npu_softmax_check(struct npu_core *core,
					  const struct npu_cmd_softmax *raw)
{
	struct npu_operand *t = core->cmd.t;
	struct npu_factor beta = npu_factor_load(&raw->beta);
	s32 zero = t[1].type == NPU_TYPE_S8 ? -128 : 0;

	if (raw->reserved)
		return NPU_ILLEGAL_RESERVED;
	if (npu_check_layout(core))
		return NPU_ILLEGAL_MODE;
	if (!npu_type_in(t[0].type, NPU_TYPES_BYTE) || t[1].type != t[0].type)
		return NPU_ILLEGAL_TYPE;
	if (npu_check_shapes(core) || !npu_same_shape(&t[0], &t[1]))
		return NPU_ILLEGAL_SHAPE;
	if (npu_check_zero_points(core) || t[1].zero_point != zero)
		return NPU_ILLEGAL_QUANT;
	if (beta.shift < 0 || beta.shift > 31 || core->cmd.softmax.diff_min > 0)
		return NPU_ILLEGAL_QUANT;
	return NPU_ILLEGAL_NONE;
}

/* A row that is too long for one tile takes some for each pass over it. */
static void npu_softmax_tiles(struct npu_command *cmd)
{
	struct npu_softmax_cmd *c = &cmd->softmax;
	u32 in = npu_stride_work(c->rows.step[0], 1);
	u32 each = 3 * in + npu_stride_work(c->rows.step[1], 1);

	c->rows.chunk = c->rows.length;
	c->rows.chunks = 1;
	c->parts = 0;
	if ((u64)c->rows.length * each <= NPU_TILE_WORK) {
		/* Two of the passes over the input are not in the batch. */
		c->rows.batch = max_t(u32, c->rows.batch / 2, 1);
		cmd->tiles = npu_div_up(c->rows.rows, c->rows.batch);
		return;
	}
	c->part = NPU_TILE_WORK / each;
	c->parts = (u32)npu_div_up(c->rows.length, c->part);
	c->rows.batch = 1;
	cmd->tiles = c->rows.rows * 3 * c->parts;
}

static int npu_softmax_decode(struct npu_core *core)
{
	const struct npu_cmd_softmax *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;
	struct npu_softmax_cmd *c = &cmd->softmax;
	enum npu_illegal why;

	cmd->operands = 2;
	cmd->in_place = true;
	npu_operand_load(&cmd->t[0], &raw->in);
	npu_operand_load(&cmd->t[1], &raw->out);
	c->diff_min = (s32)le32_to_cpu(raw->diff_min);
	why = npu_softmax_check(core, raw);
	if (why)
		return npu_illegal(core, why);
	cmd->terms = cmd->t[0].rank ? cmd->t[0].dim[cmd->t[0].rank - 1] : 1;
	cmd->macs = cmd->t[0].elements;
	if (npu_check_places(core))
		return -1;
	npu_softmax_table(c, npu_factor_load(&raw->beta));
	npu_rows_init(core, &c->rows, true);
	npu_softmax_tiles(cmd);
	return 0;
}

/* Next part of a row, widened; @part is what is left and becomes its length. */
static const s32 *npu_softmax_part(struct npu_core *core, const struct npu_row *row, u32 at,
				   u32 *part)
{
	struct npu_scratch *s = &core->scratch;
	s64 step = core->cmd.softmax.rows.step[0];
	const void *src;

	*part = min_t(u32, *part, NPU_TILE_ELEMENTS);
	src = npu_read_run(core, NPU_PIN_IN, row->va[0] + (u64)step * at, step, 1, *part,
			   s->stage[0]);
	if (!src)
		return NULL;
	core->model->kernels->widen(s->wide[0], src, core->cmd.t[0].type, 0, *part);
	return s->wide[0];
}

/* The passes over elements [@at, @end) of a row. */
static int npu_softmax_max(struct npu_core *core, const struct npu_row *row, u32 at, u32 end)
{
	struct npu_softmax_cmd *c = &core->cmd.softmax;
	const s32 *x;
	u32 n, i;

	if (!at)
		c->max = NPU_S32_MIN;
	for (; at < end; at += n) {
		n = end - at;
		x = npu_softmax_part(core, row, at, &n);
		if (!x)
			return -1;
		for (i = 0; i < n; i++)
			c->max = max_t(s32, c->max, x[i]);
	}
	return 0;
}

static int npu_softmax_sum(struct npu_core *core, const struct npu_row *row, u32 at, u32 end)
{
	struct npu_softmax_cmd *c = &core->cmd.softmax;
	const s32 *x;
	u32 n, i;

	if (!at)
		c->sum = 0;
	for (; at < end; at += n) {
		n = end - at;
		x = npu_softmax_part(core, row, at, &n);
		if (!x)
			return -1;
		/* A program may rewrite the row meanwhile: stay in the table. */
		for (i = 0; i < n; i++)
			c->sum += npu_shift_right(c->exp[(c->max - x[i]) & 255], 12);
	}
	return 0;
}

static int npu_softmax_store(struct npu_core *core, const struct npu_row *row, u32 at, u32 end)
{
	const struct npu_softmax_cmd *c = &core->cmd.softmax;
	struct npu_scratch *s = &core->scratch;
	s32 zero = core->cmd.t[1].zero_point;
	u32 sum = (u32)clamp_t(s64, c->sum, 1, NPU_S32_MAX);
	u32 headroom = npu_clz32(sum);
	s32 scale = npu_reciprocal((s32)((sum << headroom) - (1u << 31)));
	u32 shift = 12 + 31 - 8 - headroom;
	const s32 *x;
	u32 n, i;
	s64 y;

	for (; at < end; at += n) {
		n = end - at;
		x = npu_softmax_part(core, row, at, &n);
		if (!x)
			return -1;
		for (i = 0; i < n; i++) {
			y = npu_shift_right(npu_high_mul(scale, c->exp[(c->max - x[i]) & 255]),
					    shift);
			s->stage[1][i] = (u8)(clamp_t(s64, y, 0, 255) + zero);
		}
		if (npu_write_run(core, row->va[1] + (u64)c->rows.step[1] * at,
				  c->rows.step[1], 1, n, s->stage[1]))
			return -1;
	}
	return 0;
}

/* Part of one pass over a long row. */
static int npu_softmax_slice(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_softmax_cmd *c = &core->cmd.softmax;
	u32 at = (u32)(tile % c->parts) * c->part;
	u32 pass = (u32)(tile / c->parts % 3);
	u32 count, start, n, end;
	struct npu_row row;

	npu_rows_tile(core, &c->rows, tile / c->parts / 3, &row, &count, &start, &n);
	end = at + min_t(u32, c->part, n - at);
	if (pass == 0)
		return npu_softmax_max(core, &row, at, end);
	if (pass == 1)
		return npu_softmax_sum(core, &row, at, end);
	cost->macs = end - at;
	cost->bytes = (end - at) * 2ull;
	return npu_softmax_store(core, &row, at, end);
}

static int npu_softmax_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_rows *rows = &core->cmd.softmax.rows;
	u32 count, start, n;
	struct npu_row row;

	if (core->cmd.softmax.parts)
		return npu_softmax_slice(core, tile, cost);
	npu_rows_tile(core, rows, tile, &row, &count, &start, &n);
	cost->macs = (u64)count * n;
	cost->bytes = (u64)count * n * 2;
	for (; count; count--) {
		if (npu_softmax_max(core, &row, 0, n) || npu_softmax_sum(core, &row, 0, n) ||
		    npu_softmax_store(core, &row, 0, n))
			return -1;
		npu_row_next(rows, 2, &row);
	}
	return 0;
}

const struct npu_op npu_op_softmax = {
	.opcode	= NPU_OP_SOFTMAX,
	.size	= sizeof(struct npu_cmd_softmax),
	.decode	= npu_softmax_decode,
	.tile	= npu_softmax_tile,
};

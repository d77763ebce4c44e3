// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Commands that see a whole row before they write it: SOFTMAX and its like, in up to three
 * passes. All in fixed point: numerics.rst has the formulas. The exponential of an 8-bit
 * value depends only on its distance from the maximum of the row, one of 256 values, so
 * each command computes it once per value.
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

/* log(a) in Q5.26 for a in Q12.19 of 1 or more. */
static s32 npu_log(s32 a)
{
	const s32 root_half = 1518500250, root4_half = 1805811301, log2 = 1488522236;
	const s32 quarter = 1 << 23;	/* Q6.25, as powers of two are */
	s32 b = npu_high_mul(a, root_half);
	s32 bits_a = (s32)npu_clz32((u32)a), bits_b = (s32)npu_clz32((u32)b) - 1;
	s32 ra = npu_shift_left_sat(npu_high_mul(npu_shift_left_sat(a, (u32)bits_a - 1),
						 root_half), 1);
	s32 rb = npu_shift_left_sat(a, (u32)bits_b);
	s32 r = min_t(s32, ra, rb);
	s32 power = max_t(s32, (12 - bits_a) * (1 << 25) + quarter,
			  (12 - bits_b) * (1 << 25) - quarter);
	s64 half = (s64)r + root4_half;
	s32 p = (s32)((half + (half >= 0 ? 1 : -1)) / 2);
	s32 q = (s32)(((u32)r - (u32)root4_half) * 2);
	s32 q2 = npu_high_mul(q, q);
	s32 num = npu_add(npu_high_mul(q, r), npu_high_mul(npu_high_mul(q, q2), 117049297));
	s32 den = npu_add(npu_add(1057819769, q), npu_high_mul(127690142, q2));

	den = npu_add(npu_high_mul(p, den), npu_high_mul(638450708, q));
	num = npu_high_mul((s32)npu_shift_right(num, 6), npu_reciprocal(den));
	return npu_shift_left_sat(npu_add(npu_high_mul(power, log2), num), 1);
}

/* 1 / sqrt(x) as a factor. */
static struct npu_factor npu_inverse_root(s32 x)
{
	const s32 root_half = 1518500250, three_halves = (1 << 28) + (1 << 27);
	s32 shift = 11, y = 1 << 28, half, y3, pairs;
	u32 i;

	if (x <= 1)
		return (struct npu_factor){ NPU_S32_MAX, 0 };
	for (; x >= 1 << 29; x /= 4)
		shift++;
	pairs = ((s32)npu_clz32((u32)x) - 1) / 2 - 1;
	shift -= pairs;
	/* Newton in Q3.28 on x / 2^29, in [1/4, 1). */
	half = (s32)npu_shift_right((s32)((u32)x << (2 * pairs)) >> 1, 1);
	for (i = 0; i < 5; i++) {
		y3 = npu_shift_left_sat(npu_high_mul(npu_high_mul(y, y), y), 6);
		y = (s32)((u32)npu_high_mul(three_halves, y) - (u32)npu_high_mul(half, y3));
		y = npu_shift_left_sat(y, 3);
	}
	y = npu_high_mul(y, root_half);
	if (shift < 0) {
		y = (s32)((u32)y << -shift);
		shift = 0;
	}
	return (struct npu_factor){ y, -shift };
}

/* ---- What the passes do ------------------------------------------------------------ */

static void npu_softmax_table(struct npu_softmax_cmd *c)
{
	s32 diff, x;

	for (diff = 0; diff > -256; diff--) {
		x = (s32)((u32)diff << c->beta.shift);
		x = npu_high_mul(x, c->beta.multiplier);
		c->exp[-diff] = diff < c->diff_min ? 0 : npu_exp(x);
	}
}

/* A program may rewrite the row between two passes: stay in the table. */
static s32 npu_softmax_exp(const struct npu_softmax_cmd *c, s32 x)
{
	return c->exp[(c->max - x) & 255];
}

static s64 npu_softmax_add(const struct npu_softmax_cmd *c, s32 x)
{
	return npu_shift_right(npu_softmax_exp(c, x), 12);
}

static u32 npu_norm_sum(const struct npu_softmax_cmd *c)
{
	return (u32)clamp_t(s64, c->sum, 1, NPU_S32_MAX);
}

static void npu_softmax_finish(struct npu_softmax_cmd *c)
{
	u32 sum = npu_norm_sum(c), headroom = npu_clz32(sum);

	c->factor.multiplier = npu_reciprocal((s32)((sum << headroom) - (1u << 31)));
	c->factor.shift = (s32)(12 + 31 - 8 - headroom);
}

static s32 npu_softmax_result(const struct npu_softmax_cmd *c, s32 x)
{
	s32 y = npu_high_mul(c->factor.multiplier, npu_softmax_exp(c, x));

	return (s32)clamp_t(s64, npu_shift_right(y, (u32)c->factor.shift), 0, 255) +
	       c->limits.zero_point;
}

static void npu_log_softmax_finish(struct npu_softmax_cmd *c)
{
	s32 least;

	c->log = npu_log((s32)npu_norm_sum(c));
	/* What lies below the range of the results. */
	least = npu_rq32((s32)((u32)c->log + (1u << 31)), c->reverse);
	c->least = max_t(s32, c->diff_min == NPU_S32_MIN ? c->diff_min : c->diff_min - 1, least);
}

static s32 npu_log_softmax_result(const struct npu_softmax_cmd *c, s32 x)
{
	s32 diff = x - c->max, y;

	if (diff <= c->least)
		return c->limits.min;
	y = npu_rq32(diff, c->beta);
	y = (s32)npu_shift_right((s32)((u32)y - (u32)c->log), 31 - 5 - 4);
	return npu_limit(y, &c->limits);
}

/* Between two of 513 entries. */
static s32 npu_interpolate(const s16 *table, s32 x)
{
	u32 i = (u32)(256 + (x >> 7));
	s32 slope = (s16)(u16)(u32)(table[i + 1] - table[i]);

	return (s16)(u16)(u32)(table[i] + ((slope * (x & 127) + 64) >> 7));
}

static s32 npu_softmax16_exp(const struct npu_softmax_cmd *c, s32 x)
{
	s64 y = (s64)npu_rq32(x - c->max, c->beta) + 32767;

	return npu_interpolate(c->table[0], (s32)clamp_t(s64, y, -32768, 32767));
}

static s64 npu_softmax16_add(const struct npu_softmax_cmd *c, s32 x)
{
	return npu_softmax16_exp(c, x);
}

static void npu_softmax16_finish(struct npu_softmax_cmd *c)
{
	u32 sum = npu_norm_sum(c), headroom = npu_clz32(sum);
	s64 x = (s64)((((u64)sum << (headroom - 1)) + (1 << 13)) >> 14) - (1 << 15) - (1 << 16);

	c->factor.multiplier = npu_interpolate(c->table[1],
					       (s32)clamp_t(s64, x, -32768, 32767));
	c->factor.shift = (s32)(31 - headroom);
}

static s32 npu_softmax16_result(const struct npu_softmax_cmd *c, s32 x)
{
	s64 y = (s64)npu_softmax16_exp(c, x) * c->factor.multiplier;

	if (c->factor.shift)
		y = (y + (1ll << (c->factor.shift - 1))) >> c->factor.shift;
	return (s32)clamp_t(s64, y, 0, 32767);
}

static s64 npu_l2_norm_add(const struct npu_softmax_cmd *c, s32 x)
{
	(void)c;
	return x * x;
}

static void npu_l2_norm_finish(struct npu_softmax_cmd *c)
{
	c->factor = npu_inverse_root((s32)min_t(s64, c->sum, NPU_S32_MAX));
	c->factor.shift += 7;
}

static s32 npu_l2_norm_result(const struct npu_softmax_cmd *c, s32 x)
{
	return npu_limit(npu_rq32(x, c->factor), &c->limits);
}

static const struct npu_norm npu_norm_softmax = {
	.max	= true,
	.add	= npu_softmax_add,
	.finish	= npu_softmax_finish,
	.result	= npu_softmax_result,
};

static const struct npu_norm npu_norm_log_softmax = {
	.max	= true,
	.add	= npu_softmax_add,
	.finish	= npu_log_softmax_finish,
	.result	= npu_log_softmax_result,
};

static const struct npu_norm npu_norm_softmax16 = {
	.max	= true,
	.add	= npu_softmax16_add,
	.finish	= npu_softmax16_finish,
	.result	= npu_softmax16_result,
};

static const struct npu_norm npu_norm_l2 = {
	.zero_point = true,
	.add	= npu_l2_norm_add,
	.finish	= npu_l2_norm_finish,
	.result	= npu_l2_norm_result,
};

/* ---- Decoding ----------------------------------------------------------------------- */

/* A row that is too long for one tile takes some for each pass over it. */
static void npu_norm_tiles(struct npu_command *cmd)
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

/* What all check before quantisation. */
static enum npu_illegal npu_norm_check(struct npu_core *core, bool reserved, u32 types)
{
	struct npu_operand *t = core->cmd.t;

	if (reserved)
		return NPU_ILLEGAL_RESERVED;
	if (npu_check_layout(core))
		return NPU_ILLEGAL_MODE;
	if (!npu_type_in(t[0].type, types) || t[1].type != t[0].type)
		return NPU_ILLEGAL_TYPE;
	if (npu_check_shapes(core) || !npu_same_shape(&t[0], &t[1]))
		return NPU_ILLEGAL_SHAPE;
	return npu_check_zero_points(core);
}

static void npu_norm_load(struct npu_core *core, const struct npu_norm *norm,
			  const struct npu_tensor *in, const struct npu_tensor *out)
{
	struct npu_command *cmd = &core->cmd;

	cmd->operands = 2;
	cmd->in_place = true;
	npu_operand_load(&cmd->t[0], in);
	npu_operand_load(&cmd->t[1], out);
	cmd->softmax.norm = norm;
	cmd->softmax.limits.zero_point = cmd->t[1].zero_point;
	cmd->softmax.limits.min = cmd->t[1].type == NPU_TYPE_U8 ? 0 : -128;
	cmd->softmax.limits.max = cmd->t[1].type == NPU_TYPE_U8 ? 255 : 127;
}

static int npu_norm_prepare(struct npu_core *core)
{
	struct npu_command *cmd = &core->cmd;

	cmd->terms = cmd->t[0].rank ? cmd->t[0].dim[cmd->t[0].rank - 1] : 1;
	cmd->macs = cmd->t[0].elements;
	if (npu_check_places(core))
		return -1;
	npu_rows_init(core, &cmd->softmax.rows, true);
	npu_norm_tiles(cmd);
	return 0;
}

static enum npu_illegal npu_softmax_quant(const struct npu_softmax_cmd *c, s32 zero_point)
{
	if (c->limits.zero_point != zero_point || c->beta.shift < 0 || c->beta.shift > 31 ||
	    c->diff_min > 0)
		return NPU_ILLEGAL_QUANT;
	return NPU_ILLEGAL_NONE;
}

static int npu_softmax_decode(struct npu_core *core)
{
	const struct npu_cmd_softmax *raw = (const void *)core->raw;
	struct npu_softmax_cmd *c = &core->cmd.softmax;
	enum npu_illegal why;

	npu_norm_load(core, &npu_norm_softmax, &raw->in, &raw->out);
	c->beta = npu_factor_load(&raw->beta);
	c->diff_min = (s32)le32_to_cpu(raw->diff_min);
	why = npu_norm_check(core, raw->reserved, NPU_TYPES_BYTE);
	if (!why)
		why = npu_softmax_quant(c, c->limits.min);
	if (why)
		return npu_illegal(core, why);
	npu_softmax_table(c);
	return npu_norm_prepare(core);
}

static int npu_log_softmax_decode(struct npu_core *core)
{
	const struct npu_cmd_log_softmax *raw = (const void *)core->raw;
	struct npu_softmax_cmd *c = &core->cmd.softmax;
	enum npu_illegal why;

	npu_norm_load(core, &npu_norm_log_softmax, &raw->in, &raw->out);
	c->beta = npu_factor_load(&raw->beta);
	c->reverse = npu_factor_load(&raw->reverse);
	c->diff_min = (s32)le32_to_cpu(raw->diff_min);
	why = npu_norm_check(core, raw->reserved, NPU_TYPES_BYTE);
	if (!why)
		why = npu_softmax_quant(c, c->limits.max);
	if (!why && (c->reverse.shift > 0 || c->reverse.shift < -31))
		why = NPU_ILLEGAL_QUANT;
	if (why)
		return npu_illegal(core, why);
	npu_softmax_table(c);
	return npu_norm_prepare(core);
}

static int npu_softmax16_decode(struct npu_core *core)
{
	const struct npu_cmd_softmax16 *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;
	struct npu_softmax_cmd *c = &cmd->softmax;
	enum npu_illegal why;

	npu_norm_load(core, &npu_norm_softmax16, &raw->in, &raw->out);
	c->beta = npu_factor_load(&raw->beta);
	cmd->arrays = 1;
	npu_array_load(&cmd->a[0], &raw->tables, sizeof(c->table), sizeof(s16));
	why = npu_norm_check(core, npu_ref_reserved(&raw->tables), NPU_BIT(S16));
	if (!why && !npu_factor_ok(c->beta))
		why = NPU_ILLEGAL_QUANT;
	if (why)
		return npu_illegal(core, why);
	return npu_norm_prepare(core);
}

static int npu_l2_norm_decode(struct npu_core *core)
{
	const struct npu_cmd_l2_norm *raw = (const void *)core->raw;
	struct npu_softmax_cmd *c = &core->cmd.softmax;
	enum npu_illegal why;

	npu_norm_load(core, &npu_norm_l2, &raw->in, &raw->out);
	why = npu_norm_check(core, false, NPU_BIT(S8));
	if (!why && c->limits.zero_point)
		why = NPU_ILLEGAL_QUANT;
	if (why)
		return npu_illegal(core, why);
	return npu_norm_prepare(core);
}

/* ---- Execution ----------------------------------------------------------------------- */

/* Next part of a row, widened; @part is what is left and becomes its length. */
static const s32 *npu_norm_part(struct npu_core *core, const struct npu_row *row, u32 at,
				u32 *part)
{
	const struct npu_softmax_cmd *c = &core->cmd.softmax;
	const struct npu_operand *in = &core->cmd.t[0];
	struct npu_scratch *s = &core->scratch;
	s64 step = c->rows.step[0];
	const void *src;

	*part = min_t(u32, *part, NPU_TILE_ELEMENTS);
	src = npu_read_run(core, NPU_PIN_IN, row->va[0] + (u64)step * at, step, in->esize, *part,
			   s->stage[0]);
	if (!src)
		return NULL;
	core->model->kernels.widen(s->wide[0], src, in->type,
				    c->norm->zero_point ? in->zero_point : 0, *part);
	return s->wide[0];
}

/* The passes over elements [@at, @end) of a row. */
static int npu_norm_max(struct npu_core *core, const struct npu_row *row, u32 at, u32 end)
{
	struct npu_softmax_cmd *c = &core->cmd.softmax;
	const s32 *x;
	u32 n, i;

	if (!at)
		c->max = NPU_S32_MIN;
	for (; c->norm->max && at < end; at += n) {
		n = end - at;
		x = npu_norm_part(core, row, at, &n);
		if (!x)
			return -1;
		for (i = 0; i < n; i++)
			c->max = max_t(s32, c->max, x[i]);
	}
	return 0;
}

static int npu_norm_add(struct npu_core *core, const struct npu_row *row, u32 at, u32 end)
{
	struct npu_softmax_cmd *c = &core->cmd.softmax;
	const s32 *x;
	u32 n, i;

	if (!at)
		c->sum = 0;
	for (; at < end; at += n) {
		n = end - at;
		x = npu_norm_part(core, row, at, &n);
		if (!x)
			return -1;
		for (i = 0; i < n; i++)
			c->sum += c->norm->add(c, x[i]);
	}
	return 0;
}

static int npu_norm_store(struct npu_core *core, const struct npu_row *row, u32 at, u32 end)
{
	struct npu_softmax_cmd *c = &core->cmd.softmax;
	const struct npu_operand *out = &core->cmd.t[1];
	struct npu_scratch *s = &core->scratch;
	const s32 *x;
	u32 n, i;

	if (!at)
		c->norm->finish(c);
	for (; at < end; at += n) {
		n = end - at;
		x = npu_norm_part(core, row, at, &n);
		if (!x)
			return -1;
		for (i = 0; i < n; i++)
			s->wide[1][i] = c->norm->result(c, x[i]);
		core->model->kernels.narrow(s->stage[1], s->wide[1], out->type, n);
		if (npu_write_run(core, row->va[1] + (u64)c->rows.step[1] * at,
				  c->rows.step[1], out->esize, n, s->stage[1]))
			return -1;
	}
	return 0;
}

/* Part of one pass over a long row. */
static int npu_norm_slice(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_softmax_cmd *c = &core->cmd.softmax;
	u32 at = (u32)(tile % c->parts) * c->part;
	u32 pass = (u32)(tile / c->parts % 3);
	u32 count, start, n, end;
	struct npu_row row;

	npu_rows_tile(core, &c->rows, tile / c->parts / 3, &row, &count, &start, &n);
	end = at + min_t(u32, c->part, n - at);
	if (pass == 0)
		return npu_norm_max(core, &row, at, end);
	if (pass == 1)
		return npu_norm_add(core, &row, at, end);
	cost->macs = end - at;
	cost->bytes = (end - at) * 2ull * core->cmd.t[0].esize;
	return npu_norm_store(core, &row, at, end);
}

/* The tables of SOFTMAX16, anew for each tile: whoever writes them meanwhile is seen. */
static int npu_norm_tables(struct npu_core *core)
{
	struct npu_softmax_cmd *c = &core->cmd.softmax;
	const __le16 *table = (const void *)core->scratch.stage[0];
	u32 i;

	if (!core->cmd.arrays)
		return 0;
	if (npu_read(core, NPU_PIN_TABLE, core->cmd.a[0].va, core->scratch.stage[0],
		     sizeof(c->table)))
		return -1;
	for (i = 0; i < 2 * NPU_SOFTMAX16_ENTRIES; i++)
		c->table[i / NPU_SOFTMAX16_ENTRIES][i % NPU_SOFTMAX16_ENTRIES] =
			(s16)le16_to_cpu(table[i]);
	return 0;
}

static int npu_norm_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_rows *rows = &core->cmd.softmax.rows;
	u32 count, start, n;
	struct npu_row row;

	if (npu_norm_tables(core))
		return -1;
	if (core->cmd.softmax.parts)
		return npu_norm_slice(core, tile, cost);
	npu_rows_tile(core, rows, tile, &row, &count, &start, &n);
	cost->macs = (u64)count * n;
	cost->bytes = (u64)count * n * 2 * core->cmd.t[0].esize;
	for (; count; count--) {
		if (npu_norm_max(core, &row, 0, n) || npu_norm_add(core, &row, 0, n) ||
		    npu_norm_store(core, &row, 0, n))
			return -1;
		npu_row_next(rows, 2, &row);
	}
	return 0;
}

const struct npu_op npu_op_softmax = {
	.opcode	= NPU_OP_SOFTMAX,
	.size	= sizeof(struct npu_cmd_softmax),
	.decode	= npu_softmax_decode,
	.tile	= npu_norm_tile,
};

const struct npu_op npu_op_log_softmax = {
	.opcode	= NPU_OP_LOG_SOFTMAX,
	.size	= sizeof(struct npu_cmd_log_softmax),
	.decode	= npu_log_softmax_decode,
	.tile	= npu_norm_tile,
};

const struct npu_op npu_op_softmax16 = {
	.opcode	= NPU_OP_SOFTMAX16,
	.size	= sizeof(struct npu_cmd_softmax16),
	.decode	= npu_softmax16_decode,
	.tile	= npu_norm_tile,
};

const struct npu_op npu_op_l2_norm = {
	.opcode	= NPU_OP_L2_NORM,
	.size	= sizeof(struct npu_cmd_l2_norm),
	.decode	= npu_l2_norm_decode,
	.tile	= npu_norm_tile,
};

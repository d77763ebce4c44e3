// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Commands that work element by element: ELTWISE, REQUANT, LUT.
 */
#include "npu_model_priv.h"

/* Borrow a run of an operand and widen it. */
static int npu_widen_run(struct npu_core *core, u32 operand, enum npu_pin_kind kind,
			 const struct npu_rows *rows, u64 va, u32 n, s32 zero_point)
{
	const struct npu_operand *t = &core->cmd.t[operand];
	const void *src = npu_read_run(core, kind, va, rows->step[operand], t->esize, n,
				       core->scratch.stage[operand]);

	if (!src)
		return -1;
	core->model->kernels.widen(core->scratch.wide[operand], src, t->type, zero_point, n);
	return 0;
}

/* Narrow results to the type of the output and store them. */
static int npu_narrow_run(struct npu_core *core, const struct npu_rows *rows,
			  const struct npu_row *row, const s32 *wide, u32 n)
{
	u32 out = core->cmd.operands - 1;
	const struct npu_operand *t = &core->cmd.t[out];
	void *stage = core->scratch.stage[out];

	core->model->kernels.narrow(stage, wide, t->type, n);
	return npu_write_run(core, row->va[out], rows->step[out], t->esize, n, stage);
}

static void npu_rows_cost(const struct npu_core *core, u64 n, struct npu_cost *cost)
{
	u32 i;

	for (i = 0; i < core->cmd.operands; i++)
		cost->bytes += n * core->cmd.t[i].esize;
}

/* ---- ELTWISE ------------------------------------------------------------------------ */

static bool npu_scale_zero(const struct npu_scale *s)
{
	return !s->multiplier && !s->shift;
}

/* Of raw values, without scales. */
static bool npu_eltwise_raw(u32 op)
{
	return op == NPU_ELTWISE_MIN || op == NPU_ELTWISE_MAX;
}

/* Both inputs are shifted and scaled. */
static bool npu_eltwise_shifted(u32 op)
{
	return op <= NPU_ELTWISE_SUB || op == NPU_ELTWISE_SQUARED_DIFFERENCE;
}

static enum npu_illegal npu_eltwise_quant(struct npu_core *core,
					  const struct npu_cmd_eltwise *raw)
{
	struct npu_eltwise_cmd *e = &core->cmd.eltwise;
	const struct npu_operand *t = core->cmd.t;
	enum npu_illegal why = npu_check_zero_points(core);
	u32 i;

	if (why)
		return why;
	for (i = 0; i < 3; i++)
		if (!npu_factor_ok(e->factor[i]))
			return NPU_ILLEGAL_QUANT;
	if (e->left_shift > 20)
		return NPU_ILLEGAL_QUANT;
	if (!npu_eltwise_shifted(e->op) &&
	    (e->left_shift || !npu_scale_zero(&raw->scale_b) ||
	     (e->op != NPU_ELTWISE_PRELU && !npu_scale_zero(&raw->scale_a))))
		return NPU_ILLEGAL_QUANT;
	if (npu_eltwise_raw(e->op) &&
	    (!npu_scale_zero(&raw->scale_out) || t[0].zero_point != t[1].zero_point ||
	     t[0].zero_point != t[2].zero_point))
		return NPU_ILLEGAL_QUANT;
	return npu_check_limits(&e->limits, t[2].type);
}

static enum npu_illegal npu_eltwise_check(struct npu_core *core,
					  const struct npu_cmd_eltwise *raw)
{
	struct npu_eltwise_cmd *e = &core->cmd.eltwise;
	struct npu_operand *t = core->cmd.t;
	enum npu_illegal why = npu_check_layout(core);
	u32 types;

	if (why || e->op > NPU_ELTWISE_PRELU)
		return NPU_ILLEGAL_MODE;
	types = npu_eltwise_raw(e->op) ? NPU_TYPES_ARITH : NPU_TYPES_QUANT;
	if (!npu_type_in(t[0].type, types) || t[1].type != t[0].type ||
	    t[2].type != t[0].type)
		return NPU_ILLEGAL_TYPE;
	why = npu_check_shapes(core);
	if (why || !npu_same_shape(&t[0], &t[2]) || !npu_same_shape(&t[1], &t[2]))
		return NPU_ILLEGAL_SHAPE;
	return npu_eltwise_quant(core, raw);
}

static int npu_eltwise_decode(struct npu_core *core)
{
	const struct npu_cmd_eltwise *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;
	struct npu_eltwise_cmd *e = &cmd->eltwise;
	enum npu_illegal why;

	cmd->operands = 3;
	cmd->in_place = true;
	npu_operand_load(&cmd->t[0], &raw->a);
	npu_operand_load(&cmd->t[1], &raw->b);
	npu_operand_load(&cmd->t[2], &raw->out);
	e->op = le32_to_cpu(raw->op);
	e->left_shift = le32_to_cpu(raw->left_shift);
	e->factor[0] = npu_factor_load(&raw->scale_a);
	e->factor[1] = npu_factor_load(&raw->scale_b);
	e->factor[2] = npu_factor_load(&raw->scale_out);
	e->limits.zero_point = cmd->t[2].zero_point;
	e->limits.min = (s32)le32_to_cpu(raw->clamp_min);
	e->limits.max = (s32)le32_to_cpu(raw->clamp_max);
	why = npu_eltwise_check(core, raw);
	if (why)
		return npu_illegal(core, why);
	if (npu_check_places(core))
		return -1;
	npu_rows_init(core, &e->rows, false);
	return 0;
}

static int npu_eltwise_row(struct npu_core *core, const struct npu_row *row, u32 n)
{
	const struct npu_kernels *k = &core->model->kernels;
	const struct npu_eltwise_cmd *e = &core->cmd.eltwise;
	const struct npu_operand *t = core->cmd.t;
	s32 *a = core->scratch.wide[0];
	s32 *b = core->scratch.wide[1];
	s32 *out = core->scratch.wide[2];
	bool raw = npu_eltwise_raw(e->op);

	if (npu_widen_run(core, 0, NPU_PIN_IN, &e->rows, row->va[0], n,
			  raw ? 0 : t[0].zero_point))
		return -1;
	if (npu_widen_run(core, 1, NPU_PIN_IN2, &e->rows, row->va[1], n,
			  raw ? 0 : t[1].zero_point))
		return -1;
	if (raw)
		k->pick(out, a, b, e->op, &e->limits, n);
	else
		k->eltwise(out, a, b, e->op, e->left_shift, e->factor, &e->limits, n);
	return npu_narrow_run(core, &e->rows, row, out, n);
}

static int npu_eltwise_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_rows *rows = &core->cmd.eltwise.rows;
	u32 count, start, n;
	struct npu_row row;

	npu_rows_tile(core, rows, tile, &row, &count, &start, &n);
	npu_rows_cost(core, (u64)count * n, cost);
	for (; count; count--) {
		if (npu_eltwise_row(core, &row, n))
			return -1;
		npu_row_next(rows, 3, &row);
	}
	return 0;
}

const struct npu_op npu_op_eltwise = {
	.opcode	= NPU_OP_ELTWISE,
	.size	= sizeof(struct npu_cmd_eltwise),
	.decode	= npu_eltwise_decode,
	.tile	= npu_eltwise_tile,
};

/* ---- REQUANT ------------------------------------------------------------------------- */

static enum npu_illegal npu_requant_check(struct npu_core *core)
{
	struct npu_requant_cmd *r = &core->cmd.requant;
	struct npu_operand *t = core->cmd.t;

	if (npu_check_layout(core))
		return NPU_ILLEGAL_MODE;
	if (!npu_type_in(t[0].type, NPU_TYPES_ARITH) || !npu_type_in(t[1].type, NPU_TYPES_ARITH))
		return NPU_ILLEGAL_TYPE;
	if (npu_check_shapes(core) || !npu_same_shape(&t[0], &t[1]))
		return NPU_ILLEGAL_SHAPE;
	if (npu_check_zero_points(core) || !npu_factor_ok(r->factor))
		return NPU_ILLEGAL_QUANT;
	return npu_check_limits(&r->limits, t[1].type);
}

static int npu_requant_decode(struct npu_core *core)
{
	const struct npu_cmd_requant *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;
	struct npu_requant_cmd *r = &cmd->requant;
	enum npu_illegal why;

	cmd->operands = 2;
	cmd->in_place = true;
	npu_operand_load(&cmd->t[0], &raw->in);
	npu_operand_load(&cmd->t[1], &raw->out);
	r->factor = npu_factor_load(&raw->scale);
	r->limits.zero_point = cmd->t[1].zero_point;
	r->limits.min = (s32)le32_to_cpu(raw->clamp_min);
	r->limits.max = (s32)le32_to_cpu(raw->clamp_max);
	why = npu_requant_check(core);
	if (why)
		return npu_illegal(core, why);
	if (npu_check_places(core))
		return -1;
	npu_rows_init(core, &r->rows, false);
	return 0;
}

static int npu_requant_row(struct npu_core *core, const struct npu_row *row, u32 n)
{
	const struct npu_requant_cmd *r = &core->cmd.requant;
	s32 *wide = core->scratch.wide[0];
	s32 *out = core->scratch.wide[1];

	if (npu_widen_run(core, 0, NPU_PIN_IN, &r->rows, row->va[0], n,
			  core->cmd.t[0].zero_point))
		return -1;
	core->model->kernels.requant(out, (const u32 *)wide, &r->factor, 0, &r->limits, n);
	return npu_narrow_run(core, &r->rows, row, out, n);
}

static int npu_requant_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_rows *rows = &core->cmd.requant.rows;
	u32 count, start, n;
	struct npu_row row;

	npu_rows_tile(core, rows, tile, &row, &count, &start, &n);
	npu_rows_cost(core, (u64)count * n, cost);
	for (; count; count--) {
		if (npu_requant_row(core, &row, n))
			return -1;
		npu_row_next(rows, 2, &row);
	}
	return 0;
}

const struct npu_op npu_op_requant = {
	.opcode	= NPU_OP_REQUANT,
	.size	= sizeof(struct npu_cmd_requant),
	.decode	= npu_requant_decode,
	.tile	= npu_requant_tile,
};

/* ---- LUT ------------------------------------------------------------------------------ */

static bool npu_lut_types(const struct npu_operand *t)
{
	if (t[0].type == NPU_TYPE_S16)
		return t[1].type == NPU_TYPE_S16;
	return npu_type_in(t[0].type, NPU_TYPES_BYTE) && npu_type_in(t[1].type, NPU_TYPES_BYTE);
}

static enum npu_illegal npu_lut_check(struct npu_core *core, const struct npu_cmd_lut *raw)
{
	struct npu_operand *t = core->cmd.t;

	if (npu_ref_reserved(&raw->table))
		return NPU_ILLEGAL_RESERVED;
	if (npu_check_layout(core))
		return NPU_ILLEGAL_MODE;
	if (!npu_lut_types(t))
		return NPU_ILLEGAL_TYPE;
	if (npu_check_shapes(core) || !npu_same_shape(&t[0], &t[1]))
		return NPU_ILLEGAL_SHAPE;
	return npu_check_zero_points(core);
}

static int npu_lut_decode(struct npu_core *core)
{
	const struct npu_cmd_lut *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;
	enum npu_illegal why;
	bool wide;

	cmd->operands = 2;
	cmd->arrays = 1;
	cmd->in_place = true;
	npu_operand_load(&cmd->t[0], &raw->in);
	npu_operand_load(&cmd->t[1], &raw->out);
	wide = cmd->t[0].type == NPU_TYPE_S16;
	npu_array_load(&cmd->a[0], &raw->table, wide ? 65536 * sizeof(s16) : 256,
		       wide ? sizeof(s16) : 1);
	why = npu_lut_check(core, raw);
	if (why)
		return npu_illegal(core, why);
	if (npu_check_places(core))
		return -1;
	/* Each may be in another page of the table. */
	cmd->each = wide ? NPU_PIN_WORK : 0;
	npu_rows_init(core, &cmd->copy.rows, false);
	return 0;
}

/* Results of @n elements of S16, from where they are in the table. */
static int npu_lut_wide(struct npu_core *core, s16 *out, const void *src, u32 n)
{
	s32 *x = core->scratch.wide[0];
	const u8 *p;
	u64 got;
	u32 i;

	core->model->kernels.widen(x, src, NPU_TYPE_S16, -32768, n);
	for (i = 0; i < n; i++) {
		p = npu_pin(core, NPU_PIN_TABLE, core->cmd.a[0].va + (u32)x[i] * sizeof(s16),
			    sizeof(s16), &got);
		if (!p)
			return -1;
		memcpy(&out[i], p, sizeof(s16));
	}
	return 0;
}

static int npu_lut_row(struct npu_core *core, const struct npu_row *row, const u8 *table, u32 n)
{
	const struct npu_rows *rows = &core->cmd.copy.rows;
	u32 type = core->cmd.t[0].type;
	u32 esize = core->cmd.t[0].esize;
	void *out = core->scratch.stage[1];
	const void *src;

	src = npu_read_run(core, NPU_PIN_IN, row->va[0], rows->step[0], esize, n,
			   core->scratch.stage[0]);
	if (!src)
		return -1;
	if (type != NPU_TYPE_S16)
		core->model->kernels.lut(out, src, table, type == NPU_TYPE_S8 ? 0x80 : 0, n);
	else if (npu_lut_wide(core, out, src, n))
		return -1;
	return npu_write_run(core, row->va[1], rows->step[1], esize, n, out);
}

static int npu_lut_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_rows *rows = &core->cmd.copy.rows;
	u8 *table = (u8 *)core->scratch.factor;
	bool wide = core->cmd.t[0].type == NPU_TYPE_S16;
	u32 count, start, n;
	struct npu_row row;

	npu_rows_tile(core, rows, tile, &row, &count, &start, &n);
	npu_rows_cost(core, (u64)count * n, cost);
	cost->bytes += wide ? (u64)count * n * sizeof(s16) : 256;
	if (!wide && npu_read(core, NPU_PIN_TABLE, core->cmd.a[0].va, table, 256))
		return -1;
	for (; count; count--) {
		if (npu_lut_row(core, &row, table, n))
			return -1;
		npu_row_next(rows, 2, &row);
	}
	return 0;
}

const struct npu_op npu_op_lut = {
	.opcode	= NPU_OP_LUT,
	.size	= sizeof(struct npu_cmd_lut),
	.decode	= npu_lut_decode,
	.tile	= npu_lut_tile,
};

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Commands that move elements: COPY, PAD, RESIZE.
 */
#include "npu_model_priv.h"

/* ---- COPY ------------------------------------------------------------------------------ */

static enum npu_illegal npu_copy_check(struct npu_core *core)
{
	struct npu_operand *t = core->cmd.t;

	if (npu_check_layout(core))
		return NPU_ILLEGAL_MODE;
	if (!npu_type_in(t[0].type, NPU_TYPES_ALL) || t[1].type != t[0].type)
		return NPU_ILLEGAL_TYPE;
	if (npu_check_shapes(core) || !npu_same_shape(&t[0], &t[1]))
		return NPU_ILLEGAL_SHAPE;
	return npu_check_zero_points(core);
}

static int npu_copy_decode(struct npu_core *core)
{
	const struct npu_cmd_copy *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;
	enum npu_illegal why;

	cmd->operands = 2;
	npu_operand_load(&cmd->t[0], &raw->in);
	npu_operand_load(&cmd->t[1], &raw->out);
	why = npu_copy_check(core);
	if (why)
		return npu_illegal(core, why);
	if (npu_check_places(core))
		return -1;
	npu_rows_init(core, &cmd->copy.rows, false);
	return 0;
}

static int npu_copy_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_rows *rows = &core->cmd.copy.rows;
	u32 esize = core->cmd.t[0].esize;
	u32 count, start, n;
	struct npu_row row;
	const void *src;

	npu_rows_tile(core, rows, tile, &row, &count, &start, &n);
	cost->bytes += (u64)count * n * esize * 2;
	for (; count; count--) {
		src = npu_read_run(core, NPU_PIN_IN, row.va[0], rows->step[0], esize, n,
				   core->scratch.stage[0]);
		if (!src ||
		    npu_write_run(core, row.va[1], rows->step[1], esize, n, src))
			return -1;
		npu_row_next(rows, 2, &row);
	}
	return 0;
}

const struct npu_op npu_op_copy = {
	.opcode	= NPU_OP_COPY,
	.size	= sizeof(struct npu_cmd_copy),
	.decode	= npu_copy_decode,
	.tile	= npu_copy_tile,
};

/* ---- PAD --------------------------------------------------------------------------------- */

/*
 * Rows are those of the output's last dimension; the input follows along
 * where it has the row.
 */
static void npu_pad_rows(struct npu_core *core)
{
	struct npu_rows *rows = &core->cmd.copy.rows;
	const struct npu_operand *in = &core->cmd.t[0];
	const struct npu_operand *out = &core->cmd.t[1];
	u32 last = out->rank ? out->rank - 1 : 0;
	u32 i;

	rows->rank = 0;
	rows->rows = 1;
	rows->length = out->rank ? out->dim[last] : 1;
	rows->step[0] = out->rank ? in->stride[last] : in->esize;
	rows->step[1] = out->rank ? out->stride[last] : out->esize;
	for (i = last; i-- > 0; rows->rank++) {
		rows->dim[rows->rank] = out->dim[i];
		rows->stride[0][rows->rank] = in->stride[i];
		rows->stride[1][rows->rank] = out->stride[i];
		rows->rows *= out->dim[i];
	}
	npu_rows_cut(&core->cmd, rows);
}

static bool npu_pad_shape(const struct npu_core *core)
{
	const struct npu_copy_cmd *c = &core->cmd.copy;
	const struct npu_operand *t = core->cmd.t;
	u32 i;

	if (t[0].rank != t[1].rank)
		return false;
	for (i = 0; i < NPU_ISA_MAX_RANK; i++) {
		if (i >= t[0].rank ? c->before[i] != 0 :
				     (u64)c->before[i] + t[0].dim[i] > t[1].dim[i])
			return false;
	}
	return true;
}

static bool npu_pad_value_fits(s64 value, u32 type)
{
	switch (type) {
	case NPU_TYPE_BOOL:
		return value == 0 || value == 1;
	case NPU_TYPE_S64:
		return true;
	default:
		return value == (s32)value && npu_fits((s32)value, type);
	}
}

static enum npu_illegal npu_pad_check(struct npu_core *core, const struct npu_cmd_pad *raw)
{
	struct npu_operand *t = core->cmd.t;

	if (raw->reserved)
		return NPU_ILLEGAL_RESERVED;
	if (npu_check_layout(core) || le32_to_cpu(raw->mode) != NPU_PAD_CONSTANT)
		return NPU_ILLEGAL_MODE;
	if (!npu_type_in(t[0].type, NPU_TYPES_ALL) || t[1].type != t[0].type)
		return NPU_ILLEGAL_TYPE;
	if (npu_check_shapes(core) || !npu_pad_shape(core))
		return NPU_ILLEGAL_SHAPE;
	if (!npu_pad_value_fits((s64)le64_to_cpu(raw->value), t[0].type))
		return NPU_ILLEGAL_QUANT;
	return npu_check_zero_points(core);
}

static int npu_pad_decode(struct npu_core *core)
{
	const struct npu_cmd_pad *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;
	enum npu_illegal why;
	u32 i;

	cmd->operands = 2;
	npu_operand_load(&cmd->t[0], &raw->in);
	npu_operand_load(&cmd->t[1], &raw->out);
	for (i = 0; i < NPU_ISA_MAX_RANK; i++)
		cmd->copy.before[i] = le32_to_cpu(raw->before[i]);
	memcpy(cmd->copy.value, &raw->value, sizeof(cmd->copy.value));
	why = npu_pad_check(core, raw);
	if (why)
		return npu_illegal(core, why);
	if (npu_check_places(core))
		return -1;
	npu_pad_rows(core);
	return 0;
}

static void npu_fill(u8 *dst, const u8 *value, u32 esize, u32 n)
{
	u32 i;

	if (esize == 1) {
		memset(dst, *value, n);
		return;
	}
	for (i = 0; i < n; i++, dst += esize)
		memcpy(dst, value, esize);
}

/* Address of the input's row that an output row shows; false: none. */
static bool npu_pad_source(const struct npu_core *core, const struct npu_row *row, u64 *va)
{
	const struct npu_copy_cmd *c = &core->cmd.copy;
	const struct npu_operand *in = &core->cmd.t[0];
	u32 i, d, at;

	*va = in->va;
	for (i = 0; i < c->rows.rank; i++) {
		d = c->rows.rank - 1 - i;
		at = row->at[i] - c->before[d];
		if (row->at[i] < c->before[d] || at >= in->dim[d])
			return false;
		*va += (u64)in->stride[d] * at;
	}
	return true;
}

static int npu_pad_row(struct npu_core *core, const struct npu_row *row, u32 start, u32 n)
{
	const struct npu_copy_cmd *c = &core->cmd.copy;
	const struct npu_operand *in = &core->cmd.t[0];
	u32 last = in->rank ? in->rank - 1 : 0;
	u32 first = c->before[last];
	u32 end = first + (in->rank ? in->dim[last] : 1);
	u32 esize = in->esize;
	u8 *stage = core->scratch.stage[1];
	u32 from = max_t(u32, start, first);
	u32 to = min_t(u32, start + n, end);
	const void *src;
	u64 va;

	npu_fill(stage, c->value, esize, n);
	if (from < to && npu_pad_source(core, row, &va)) {
		va += (u64)c->rows.step[0] * (from - first);
		src = npu_read_run(core, NPU_PIN_IN, va, c->rows.step[0], esize, to - from,
				   core->scratch.stage[0]);
		if (!src)
			return -1;
		memcpy(stage + (u64)(from - start) * esize, src, (u64)(to - from) * esize);
	}
	return npu_write_run(core, row->va[1], c->rows.step[1], esize, n, stage);
}

static int npu_pad_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_rows *rows = &core->cmd.copy.rows;
	u32 count, start, n;
	struct npu_row row;

	npu_rows_tile(core, rows, tile, &row, &count, &start, &n);
	cost->bytes += (u64)count * n * core->cmd.t[0].esize * 2;
	for (; count; count--) {
		if (npu_pad_row(core, &row, start, n))
			return -1;
		npu_row_next(rows, 2, &row);
	}
	return 0;
}

const struct npu_op npu_op_pad = {
	.opcode	= NPU_OP_PAD,
	.size	= sizeof(struct npu_cmd_pad),
	.decode	= npu_pad_decode,
	.tile	= npu_pad_tile,
};

/* ---- RESIZE ---------------------------------------------------------------------------------- */

#define NPU_RESIZE_ONE	1024	/* BILINEAR: the distance of two inputs */

static bool npu_resize_shape(const struct npu_core *core)
{
	const struct npu_operand *t = core->cmd.t;
	const struct npu_resize_axis_cmd *axis = core->cmd.resize.axis;
	u32 i;

	for (i = 0; i < 2; i++)
		if (axis[i].num > NPU_SIZE_MAX || !axis[i].den || axis[i].den > NPU_SIZE_MAX ||
		    (core->cmd.resize.mode == NPU_RESIZE_BILINEAR &&
		     axis[i].den != NPU_RESIZE_ONE))
			return false;
	return t[0].rank == 4 && t[1].rank == 4 && t[0].dim[0] == t[1].dim[0] &&
	       t[0].dim[3] == t[1].dim[3];
}

static enum npu_illegal npu_resize_check(struct npu_core *core,
					 const struct npu_cmd_resize *raw)
{
	u32 mode = core->cmd.resize.mode;
	struct npu_operand *t = core->cmd.t;

	if (raw->reserved)
		return NPU_ILLEGAL_RESERVED;
	if (npu_check_layout(core) || mode > NPU_RESIZE_BILINEAR)
		return NPU_ILLEGAL_MODE;
	if (!npu_type_in(t[0].type, mode == NPU_RESIZE_BILINEAR ? NPU_TYPES_QUANT :
								  NPU_TYPES_ALL) ||
	    t[1].type != t[0].type)
		return NPU_ILLEGAL_TYPE;
	if (npu_check_shapes(core) || !npu_resize_shape(core))
		return NPU_ILLEGAL_SHAPE;
	return npu_check_zero_points(core);
}

static int npu_resize_decode(struct npu_core *core)
{
	const struct npu_cmd_resize *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;
	struct npu_resize_cmd *r = &cmd->resize;
	const u32 *dim = cmd->t[1].dim;
	const s64 *in = cmd->t[0].stride;
	const s64 *out = cmd->t[1].stride;
	enum npu_illegal why;
	u32 each, jump, i;
	u64 pixels;

	cmd->operands = 2;
	npu_operand_load(&cmd->t[0], &raw->in);
	npu_operand_load(&cmd->t[1], &raw->out);
	r->mode = le32_to_cpu(raw->mode);
	for (i = 0; i < 2; i++) {
		r->axis[i].num = le32_to_cpu(raw->axis[i].num);
		r->axis[i].den = le32_to_cpu(raw->axis[i].den);
		r->axis[i].add = (s32)le32_to_cpu(raw->axis[i].add);
	}
	why = npu_resize_check(core, raw);
	if (why)
		return npu_illegal(core, why);
	if (npu_check_places(core))
		return -1;
	pixels = (u64)dim[0] * dim[1] * dim[2];
	each = npu_stride_work(in[3], 1) + npu_stride_work(out[3], 1);
	jump = npu_jump_work(in[1], r->axis[0].num / r->axis[0].den + 1,
			     in[2], r->axis[1].num / r->axis[1].den + 1) +
	       npu_jump_work(out[1], 1, out[2], 1);
	if (r->mode == NPU_RESIZE_BILINEAR) {
		each += 3 * npu_stride_work(in[3], 1);
		jump *= 4;
	}
	r->columns = min_t(u32, dim[3], NPU_TILE_ELEMENTS);
	r->columns = min_t(u32, r->columns, NPU_TILE_WORK / each);
	r->blocks = (u32)npu_div_up(dim[3], r->columns);
	r->pixels = clamp_t(u32, NPU_TILE_WORK / (r->columns * each + jump), 1,
			    NPU_TILE_ELEMENTS / r->columns);
	cmd->tiles = npu_div_up(pixels, r->pixels) * r->blocks;
	return 0;
}

static u32 npu_resize_index(const struct npu_resize_axis_cmd *axis, u32 x, u32 size)
{
	s64 n = (s64)x * axis->num + axis->add;

	if (n < 0)
		return 0;
	return (u32)min_t(u64, (u64)n / axis->den, size - 1);
}

static const void *npu_resize_read(struct npu_core *core, u64 image, u32 y, u32 x, u32 n)
{
	const struct npu_operand *in = &core->cmd.t[0];

	return npu_read_run(core, NPU_PIN_IN,
			    image + (u64)in->stride[1] * y + (u64)in->stride[2] * x,
			    in->stride[3], in->esize, n, core->scratch.stage[0]);
}

/* Where between inputs is output @x? */
static u64 npu_resize_place(const struct npu_resize_axis_cmd *axis, u32 x, u32 size)
{
	s64 n = (s64)x * axis->num + axis->add;

	return (u64)clamp_t(s64, n, 0, ((s64)size - 1) * NPU_RESIZE_ONE);
}

/* The four inputs around (@y, @x), each by the area that lies opposite; into wide[1]. */
static int npu_resize_mix(struct npu_core *core, u64 image, u64 y, u64 x, u32 n)
{
	struct npu_scratch *s = &core->scratch;
	s64 *sum = (s64 *)s->patch.data;
	const u64 wy[2] = { NPU_RESIZE_ONE - y % NPU_RESIZE_ONE, y % NPU_RESIZE_ONE };
	const u64 wx[2] = { NPU_RESIZE_ONE - x % NPU_RESIZE_ONE, x % NPU_RESIZE_ONE };
	const void *src;
	u32 corner, i;
	s64 half, w;

	memset(sum, 0, n * sizeof(*sum));
	for (corner = 0; corner < 4; corner++) {
		w = (s64)(wy[corner / 2] * wx[corner % 2]);
		if (!w)
			continue;
		src = npu_resize_read(core, image, (u32)(y / NPU_RESIZE_ONE) + corner / 2,
				      (u32)(x / NPU_RESIZE_ONE) + corner % 2, n);
		if (!src)
			return -1;
		core->model->kernels.widen(s->wide[0], src, core->cmd.t[0].type, 0, n);
		for (i = 0; i < n; i++)
			sum[i] += s->wide[0][i] * w;
	}
	for (i = 0; i < n; i++) {
		half = sum[i] > 0 ? 1 << 19 : -(1 << 19);
		s->wide[1][i] = (s32)((sum[i] + half) / (1 << 20));
	}
	return 0;
}

static int npu_resize_pixel(struct npu_core *core, u64 pixel, u32 column, u32 n)
{
	const struct npu_resize_cmd *r = &core->cmd.resize;
	const struct npu_operand *in = &core->cmd.t[0];
	const struct npu_operand *out = &core->cmd.t[1];
	u32 x = (u32)(pixel % out->dim[2]);
	u32 y = (u32)(pixel / out->dim[2] % out->dim[1]);
	u64 b = pixel / out->dim[2] / out->dim[1];
	u64 image = in->va + (u64)in->stride[0] * b + (u64)in->stride[3] * column;
	u64 to = out->va + (u64)out->stride[0] * b + (u64)out->stride[1] * y +
		 (u64)out->stride[2] * x + (u64)out->stride[3] * column;
	const void *src = core->scratch.stage[1];

	if (r->mode == NPU_RESIZE_BILINEAR) {
		if (npu_resize_mix(core, image, npu_resize_place(&r->axis[0], y, in->dim[1]),
				   npu_resize_place(&r->axis[1], x, in->dim[2]), n))
			return -1;
		core->model->kernels.narrow(core->scratch.stage[1], core->scratch.wide[1],
					     out->type, n);
	} else {
		src = npu_resize_read(core, image, npu_resize_index(&r->axis[0], y, in->dim[1]),
				      npu_resize_index(&r->axis[1], x, in->dim[2]), n);
		if (!src)
			return -1;
	}
	return npu_write_run(core, to, out->stride[3], out->esize, n, src);
}

static int npu_resize_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_resize_cmd *r = &core->cmd.resize;
	const u32 *dim = core->cmd.t[1].dim;
	u64 pixels = (u64)dim[0] * dim[1] * dim[2];
	u64 pixel = tile / r->blocks * r->pixels;
	u64 end = min_t(u64, pixel + r->pixels, pixels);
	u32 column = (u32)(tile % r->blocks) * r->columns;
	u32 n = min_t(u32, r->columns, dim[3] - column);

	cost->bytes += (end - pixel) * n * core->cmd.t[0].esize *
		       (r->mode == NPU_RESIZE_BILINEAR ? 5 : 2);
	for (; pixel < end; pixel++)
		if (npu_resize_pixel(core, pixel, column, n))
			return -1;
	return 0;
}

const struct npu_op npu_op_resize = {
	.opcode	= NPU_OP_RESIZE,
	.size	= sizeof(struct npu_cmd_resize),
	.decode	= npu_resize_decode,
	.tile	= npu_resize_tile,
};

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * POOL: maximum and average of windows.
 */
#include "npu_model_priv.h"

static enum npu_illegal npu_pool_check(struct npu_core *core, const struct npu_cmd_pool *raw)
{
	struct npu_pool_cmd *c = &core->cmd.pool;
	struct npu_operand *t = core->cmd.t;
	u32 end[2], i;

	if (raw->reserved)
		return NPU_ILLEGAL_RESERVED;
	if (npu_check_layout(core) || c->mode > NPU_POOL_AVERAGE)
		return NPU_ILLEGAL_MODE;
	if (!npu_type_in(t[0].type, NPU_TYPES_QUANT) || t[1].type != t[0].type)
		return NPU_ILLEGAL_TYPE;
	if (npu_check_shapes(core) || t[0].rank != 4 || t[1].rank != 4 ||
	    t[0].dim[0] != t[1].dim[0] || t[0].dim[3] != t[1].dim[3])
		return NPU_ILLEGAL_SHAPE;
	for (i = 0; i < 2; i++) {
		c->window.size[i] = le32_to_cpu(raw->window[i]);
		c->window.stride[i] = le32_to_cpu(raw->stride[i]);
		c->window.dilation[i] = 1;
		c->window.pad[i] = le32_to_cpu(raw->pad[2 * i]);
		end[i] = le32_to_cpu(raw->pad[2 * i + 1]);
		/* So that each window has an element of the input. */
		if (c->window.pad[i] >= c->window.size[i] || end[i] >= c->window.size[i])
			return NPU_ILLEGAL_SHAPE;
	}
	if (npu_check_window(&c->window, end, &t[0].dim[1], &t[1].dim[1]))
		return NPU_ILLEGAL_SHAPE;
	if (npu_check_zero_points(core) || t[0].zero_point != t[1].zero_point)
		return NPU_ILLEGAL_QUANT;
	return npu_check_limits(&c->limits, t[1].type);
}

static int npu_pool_decode(struct npu_core *core)
{
	const struct npu_cmd_pool *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;
	struct npu_pool_cmd *c = &cmd->pool;
	const u32 *dim = cmd->t[1].dim;
	const s64 *in = cmd->t[0].stride;
	const s64 *out = cmd->t[1].stride;
	enum npu_illegal why;

	cmd->operands = 2;
	npu_operand_load(&cmd->t[0], &raw->in);
	npu_operand_load(&cmd->t[1], &raw->out);
	c->mode = le32_to_cpu(raw->mode);
	c->limits.zero_point = 0;
	c->limits.min = (s32)le32_to_cpu(raw->clamp_min);
	c->limits.max = (s32)le32_to_cpu(raw->clamp_max);
	why = npu_pool_check(core, raw);
	if (why)
		return npu_illegal(core, why);
	cmd->terms = (u64)c->window.size[0] * c->window.size[1];
	cmd->macs = npu_mul_sat(cmd->t[1].elements, cmd->terms);
	if (npu_check_places(core))
		return -1;
	npu_plan_init(&c->plan, cmd->terms, dim[3],
		      npu_jump_work(out[1], dim[1] > 1, out[2], dim[2] > 1),
		      npu_jump_work(in[1], c->window.stride[0], in[2], c->window.stride[1]),
		      npu_stride_work(in[3], 1), npu_stride_work(out[3], 1));
	c->blocks = (u32)npu_div_up(dim[3], c->plan.columns);
	cmd->tiles = npu_div_up((u64)dim[0] * dim[1] * dim[2], c->plan.pixels) * c->blocks *
		     c->plan.slices;
	return 0;
}

/* Mean to nearest; ties away from zero, up for U8. */
static void npu_pool_divide(s32 *acc, u32 n, u32 type, s32 count)
{
	s64 half = count / 2;
	u32 i;

	for (i = 0; i < n; i++) {
		if (type != NPU_TYPE_U8 && acc[i] <= 0)
			acc[i] = (s32)((acc[i] - half) / count);
		else
			acc[i] = (s32)((acc[i] + half) / count);
	}
}

/* The part of a window that lies inside the input. */
struct npu_pool_part {
	u64 va;			/* of the image, at the first channel */
	s64 start[2];		/* of the window */
	u32 from[2];
	u32 to[2];
};

static void npu_pool_clip(const struct npu_window *w, u32 axis, u64 at, u32 size,
			  struct npu_pool_part *part)
{
	s64 start = (s64)(at * w->stride[axis]) - w->pad[axis];

	part->start[axis] = start;
	part->from[axis] = (u32)max_t(s64, start, 0);
	part->to[axis] = (u32)min_t(s64, start + w->size[axis], size);
}

static int npu_pool_window(struct npu_core *core, const struct npu_pool_part *part,
			   const struct npu_slice *slice, u32 n, s32 *acc)
{
	const struct npu_kernels *k = &core->model->kernels;
	const struct npu_operand *in = &core->cmd.t[0];
	struct npu_scratch *s = &core->scratch;
	bool average = core->cmd.pool.mode == NPU_POOL_AVERAGE;
	u32 width = core->cmd.pool.window.size[1];
	const void *src;
	u32 term, i;
	s64 y, x;

	for (i = 0; slice->first && i < n; i++)
		acc[i] = average ? 0 : NPU_S32_MIN;
	for (term = slice->from; term < slice->to; term++) {
		y = part->start[0] + term / width;
		x = part->start[1] + term % width;
		if (y < part->from[0] || y >= part->to[0] || x < part->from[1] ||
		    x >= part->to[1])
			continue;
		src = npu_read_run(core, NPU_PIN_IN, part->va + (u64)in->stride[1] * (u64)y +
				   (u64)in->stride[2] * (u64)x, in->stride[3], in->esize, n,
				   s->stage[0]);
		if (!src)
			return -1;
		k->widen(s->wide[0], src, in->type, 0, n);
		if (average)
			k->sum((u32 *)acc, s->wide[0], n);
		else
			k->maximum(acc, s->wide[0], n);
	}
	if (average && slice->last)
		npu_pool_divide(acc, n, in->type, (s32)((part->to[0] - part->from[0]) *
							(part->to[1] - part->from[1])));
	return 0;
}

static int npu_pool_pixel(struct npu_core *core, u64 pixel, const struct npu_slice *slice,
			  u32 column, u32 n)
{
	const struct npu_pool_cmd *c = &core->cmd.pool;
	const struct npu_operand *in = &core->cmd.t[0];
	const struct npu_operand *out = &core->cmd.t[1];
	struct npu_scratch *s = &core->scratch;
	u64 x = pixel % out->dim[2];
	u64 y = pixel / out->dim[2] % out->dim[1];
	u64 b = pixel / out->dim[2] / out->dim[1];
	u64 va = out->va + (u64)out->stride[0] * b + (u64)out->stride[1] * y +
		 (u64)out->stride[2] * x + (u64)out->stride[3] * column;
	struct npu_pool_part part;
	s32 *acc = s->wide[1];
	u32 i;

	part.va = in->va + (u64)in->stride[0] * b + (u64)in->stride[3] * column;
	npu_pool_clip(&c->window, 0, y, in->dim[1], &part);
	npu_pool_clip(&c->window, 1, x, in->dim[2], &part);
	if (npu_pool_window(core, &part, slice, n, acc))
		return -1;
	if (!slice->last)
		return 0;
	for (i = 0; i < n; i++)
		acc[i] = clamp_t(s32, acc[i], c->limits.min, c->limits.max);
	core->model->kernels.narrow(s->stage[1], acc, out->type, n);
	return npu_write_run(core, va, out->stride[3], out->esize, n, s->stage[1]);
}

static int npu_pool_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_pool_cmd *c = &core->cmd.pool;
	const u32 *dim = core->cmd.t[1].dim;
	struct npu_slice slice = npu_plan_slice(&c->plan, &tile);
	u64 pixel = tile / c->blocks * c->plan.pixels;
	u64 end = min_t(u64, pixel + c->plan.pixels, (u64)dim[0] * dim[1] * dim[2]);
	u32 column = (u32)(tile % c->blocks) * c->plan.columns;
	u32 n = min_t(u32, c->plan.columns, dim[3] - column);
	u32 esize = core->cmd.t[0].esize;

	cost->macs = (end - pixel) * n * (slice.to - slice.from);
	cost->bytes = cost->macs * esize;
	if (slice.last)
		cost->bytes += (end - pixel) * n * esize;
	for (; pixel < end; pixel++)
		if (npu_pool_pixel(core, pixel, &slice, column, n))
			return -1;
	return 0;
}

const struct npu_op npu_op_pool = {
	.opcode	= NPU_OP_POOL,
	.size	= sizeof(struct npu_cmd_pool),
	.decode	= npu_pool_decode,
	.tile	= npu_pool_tile,
};

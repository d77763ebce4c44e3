// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * DEPTHWISE: each output channel is made of one input channel.
 */
#include "npu_model_priv.h"

/* For each term a run of inputs and one of weights. */
void npu_depthwise_tiles(struct npu_core *core)
{
	struct npu_mac *m = &core->cmd.mac;
	u32 fixed = npu_mac_jump(m) +
		    npu_jump_work(m->w_stride[1], m->window.size[0] > 1, m->w_stride[2],
				  m->window.size[1] > 1);

	u32 store = npu_jump_work(m->out_stride[0], m->out_dim[0] > 1, m->out_stride[1],
				  m->out_dim[1] > 1);

	m->w_stride[0] = 0;
	npu_plan_init(&m->plan, core->cmd.terms, m->group_out, store, fixed,
		      npu_stride_work(m->in_stride[2], 1) + npu_stride_work(m->w_stride[3], 1),
		      npu_stride_work(m->out_stride[2], m->out_dim[2] > 1));
	npu_mac_tiles(core);
}

/* Widened inputs of the tile's channels, each repeated for its outputs. */
static const s32 *npu_channel_run(struct npu_core *core, const struct npu_mac_tile *p, u64 va)
{
	const struct npu_mac *m = &core->cmd.mac;
	const struct npu_operand *in = &core->cmd.t[0];
	struct npu_scratch *s = &core->scratch;
	u32 times = m->out_dim[2] / m->in_dim[2];
	u32 first = p->column / times;
	u32 phase = p->column % times;
	u32 n = (p->column + p->columns - 1) / times - first + 1;
	const void *src;
	u32 i;

	src = npu_read_run(core, NPU_PIN_IN, va + (u64)m->in_stride[2] * first, m->in_stride[2],
			   in->esize, n, s->stage[0]);
	if (!src)
		return NULL;
	core->model->kernels.widen(s->wide[0], src, in->type, in->zero_point, n);
	if (times == 1)
		return s->wide[0];
	for (i = 0, n = 0; i < p->columns; i++) {
		s->wide[1][i] = s->wide[0][n];
		if (++phase == times) {
			phase = 0;
			n++;
		}
	}
	return s->wide[1];
}

static int npu_depthwise_pixel(struct npu_core *core, const struct npu_mac_tile *p, u64 pixel)
{
	const struct npu_mac *m = &core->cmd.mac;
	const struct npu_window *w = &m->window;
	struct npu_scratch *s = &core->scratch;
	s64 top = (s64)(pixel / m->out_dim[1]) * w->stride[0] - w->pad[0];
	s64 left = (s64)(pixel % m->out_dim[1]) * w->stride[1] - w->pad[1];
	const struct npu_kernels *k = &core->model->kernels;
	const void *weight;
	const s32 *in;
	u32 term, ky, kx;
	s64 y, x;

	if (p->slice.first && m->quant.wide)
		memcpy(s->acc_wide, s->bias_wide, p->columns * sizeof(s->acc_wide[0]));
	else if (p->slice.first)
		memcpy(s->acc, s->bias, p->columns * sizeof(s->acc[0]));
	for (term = p->slice.from; term < p->slice.to; term++) {
		ky = term / w->size[1];
		kx = term % w->size[1];
		y = top + (s64)ky * w->dilation[0];
		x = left + (s64)kx * w->dilation[1];
		if (y < 0 || y >= m->in_dim[0] || x < 0 || x >= m->in_dim[1])
			continue;
		in = npu_channel_run(core, p, p->in + (u64)m->in_stride[0] * (u64)y +
				     (u64)m->in_stride[1] * (u64)x);
		if (!in)
			return -1;
		weight = npu_read_run(core, NPU_PIN_IN2, p->w + (u64)m->w_stride[1] * ky +
				      (u64)m->w_stride[2] * kx +
				      (u64)m->w_stride[3] * p->column,
				      m->w_stride[3], core->cmd.t[1].esize, p->columns,
				      s->stage[1]);
		if (!weight)
			return -1;
		if (m->quant.wide)
			k->mac_channel_wide(s->acc_wide, in, weight, core->cmd.t[1].type,
					    m->quant.weight_zero_point, p->columns);
		else
			k->mac_channel(s->acc, in, weight, core->cmd.t[1].type,
				       m->quant.weight_zero_point, p->columns);
	}
	return p->slice.last ? npu_mac_store_row(core, p, pixel, s->acc) : 0;
}

int npu_depthwise_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	struct npu_mac_tile p;
	u32 i;

	npu_mac_locate(core, tile, &p);
	npu_mac_cost(core, &p, p.columns, cost);
	if (npu_mac_params(core, &p))
		return -1;
	for (i = 0; i < p.pixels; i++)
		if (npu_depthwise_pixel(core, &p, p.pixel + i))
			return -1;
	return 0;
}

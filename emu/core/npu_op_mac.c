// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Commands that multiply and accumulate: CONV2D, DEPTHWISE, MATMUL.
 *
 * A tile makes some output pixels of some output channels. For each pair of
 * pixels it gathers the inputs of a result into a patch, then runs the rows
 * of weights over it. A matrix multiply is a convolution of a 1 x M image by
 * windows of one element.
 */
#include "npu_model_priv.h"

/* ---- Checks ------------------------------------------------------------------------- */

/* @wide: weights may be S16 if inputs are. */
static bool npu_mac_types(const struct npu_operand *t, u32 rounding, bool wide)
{
	u32 out = rounding == NPU_ROUND_NONE ? NPU_TYPE_S32 : t[0].type;
	u32 weight = NPU_TYPES_BYTE;

	if (wide && t[0].type == NPU_TYPE_S16)
		weight |= NPU_BIT(S16);
	if (rounding == NPU_ROUND_WIDE && t[0].type != NPU_TYPE_S16)
		return false;
	return npu_type_in(t[0].type, NPU_TYPES_QUANT) && npu_type_in(t[1].type, weight) &&
	       t[2].type == out;
}

static bool npu_mac_mode(struct npu_core *core, u32 rounding)
{
	return !npu_check_layout(core) && rounding <= NPU_ROUND_WIDE;
}

static enum npu_illegal npu_mac_quant(struct npu_core *core, const struct npu_requant *raw)
{
	const struct npu_operand *t = core->cmd.t;
	enum npu_illegal why = npu_check_zero_points(core);

	return why ? why : npu_check_quant(&core->cmd.mac.quant, raw, &t[1], &t[2]);
}

static void npu_mac_load(struct npu_core *core, const struct npu_tensor *in,
			 const struct npu_tensor *weight, const struct npu_tensor *out,
			 const struct npu_requant *raw)
{
	struct npu_command *cmd = &core->cmd;
	struct npu_quant *q = &cmd->mac.quant;

	cmd->operands = 3;
	npu_operand_load(&cmd->t[0], in);
	npu_operand_load(&cmd->t[1], weight);
	npu_operand_load(&cmd->t[2], out);
	npu_quant_load(q, raw);
	q->limits.zero_point = cmd->t[2].zero_point;
}

/* The arrays depend on the number of channels, so they come after the shapes. */
static void npu_mac_arrays(struct npu_core *core, const struct npu_requant *raw)
{
	struct npu_command *cmd = &core->cmd;
	const struct npu_quant *q = &cmd->mac.quant;
	u64 channels = cmd->t[2].dim[cmd->t[2].rank - 1];
	u32 bias = q->wide ? 8 : 4;

	cmd->arrays = 2;
	npu_array_load(&cmd->a[0], &raw->scale,
		       q->rounding == NPU_ROUND_NONE ? 0 :
		       min_t(u64, q->count, channels) * sizeof(struct npu_scale), 4);
	npu_array_load(&cmd->a[1], &raw->bias,
		       q->bias_type == NPU_TYPE_NONE ? 0 : channels * bias, bias);
}

/* Work between two runs of inputs. */
static u32 npu_mac_jump(const struct npu_mac *m)
{
	const struct npu_window *w = &m->window;

	return npu_jump_work(m->in_stride[0],
			     m->in_dim[0] > 1 ? max_t(u32, w->dilation[0], w->stride[0]) : 0,
			     m->in_stride[1],
			     m->in_dim[1] > 1 ? max_t(u32, w->dilation[1], w->stride[1]) : 0);
}

/* Size of the tiles; the work is already known to be within the caps. */
static void npu_mac_tiles(struct npu_core *core, u32 fixed, u32 each)
{
	struct npu_command *cmd = &core->cmd;
	struct npu_mac *m = &cmd->mac;
	u64 outer = (u64)m->outer[0] * m->outer[1] * m->outer[2] * m->outer[3];
	u32 store = npu_jump_work(m->out_stride[0], m->out_dim[0] > 1, m->out_stride[1],
				  m->out_dim[1] > 1);
	u32 column = npu_stride_work(m->out_stride[2], m->out_dim[2] > 1) +
		     npu_stride_work(m->w_stride[0], m->group_out > 1);

	npu_plan_init(&m->plan, cmd->terms, m->group_out, store, fixed, each, column);
	m->blocks = (u32)npu_div_up(m->group_out, m->plan.columns);
	m->strips = npu_div_up((u64)m->out_dim[0] * m->out_dim[1], m->plan.pixels);
	cmd->tiles = outer * m->strips * m->groups * m->blocks * m->plan.slices;
}

/* Inputs are gathered once for all columns, weights are read for each. */
static void npu_dense_tiles(struct npu_core *core)
{
	struct npu_mac *m = &core->cmd.mac;
	u32 run = m->group_in * (m->in_dense ? m->window.size[1] : 1);
	u32 fixed = npu_stride_work(m->in_stride[2], 1) + npu_mac_jump(m) / run;
	u32 each = 1;

	if (!m->w_dense)
		each = npu_stride_work(m->w_stride[3], 1) +
		       npu_jump_work(m->w_stride[1], m->window.size[0] > 1, m->w_stride[2],
				     m->window.size[1] > 1) / m->group_in;
	npu_mac_tiles(core, fixed, each);
}

/* For each term a run of inputs and one of weights. */
static void npu_depthwise_tiles(struct npu_core *core)
{
	struct npu_mac *m = &core->cmd.mac;
	u32 fixed = npu_mac_jump(m) +
		    npu_jump_work(m->w_stride[1], m->window.size[0] > 1, m->w_stride[2],
				  m->window.size[1] > 1);

	m->w_stride[0] = 0;
	npu_mac_tiles(core, fixed, npu_stride_work(m->in_stride[2], 1) +
				   npu_stride_work(m->w_stride[3], 1));
}

/* ---- CONV2D and DEPTHWISE ---------------------------------------------------------------- */

static bool npu_conv_shape(const struct npu_core *core, bool depthwise)
{
	const struct npu_operand *in = &core->cmd.t[0];
	const struct npu_operand *w = &core->cmd.t[1];
	const struct npu_operand *out = &core->cmd.t[2];
	u32 groups = core->cmd.mac.groups;

	if (in->rank != 4 || w->rank != 4 || out->rank != 4 || in->dim[0] != out->dim[0])
		return false;
	if (depthwise)
		return !groups && w->dim[0] == 1 && w->dim[3] == out->dim[3] &&
		       !(out->dim[3] % in->dim[3]);
	return groups && !(in->dim[3] % groups) && !(out->dim[3] % groups) &&
	       w->dim[0] == out->dim[3] && w->dim[3] == in->dim[3] / groups;
}

static enum npu_illegal npu_conv_check(struct npu_core *core,
				       const struct npu_cmd_conv *raw, bool depthwise)
{
	struct npu_command *cmd = &core->cmd;
	struct npu_window *w = &cmd->mac.window;
	struct npu_operand *t = cmd->t;
	u32 end[2], i;

	if (npu_requant_reserved(&raw->requant) || raw->reserved)
		return NPU_ILLEGAL_RESERVED;
	if (!npu_mac_mode(core, cmd->mac.quant.rounding))
		return NPU_ILLEGAL_MODE;
	if (!npu_mac_types(t, cmd->mac.quant.rounding, depthwise))
		return NPU_ILLEGAL_TYPE;
	if (npu_check_shapes(core) || !npu_conv_shape(core, depthwise))
		return NPU_ILLEGAL_SHAPE;
	for (i = 0; i < 2; i++) {
		w->size[i] = t[1].dim[1 + i];
		w->stride[i] = le32_to_cpu(raw->stride[i]);
		w->dilation[i] = le32_to_cpu(raw->dilation[i]);
		w->pad[i] = le32_to_cpu(raw->pad[2 * i]);
		end[i] = le32_to_cpu(raw->pad[2 * i + 1]);
	}
	npu_mac_arrays(core, &raw->requant);
	if (npu_check_shapes(core) || npu_check_window(w, end, &t[0].dim[1], &t[2].dim[1]))
		return NPU_ILLEGAL_SHAPE;
	return npu_mac_quant(core, &raw->requant);
}

static void npu_conv_geometry(struct npu_core *core, bool depthwise)
{
	struct npu_mac *m = &core->cmd.mac;
	const struct npu_operand *t = core->cmd.t;
	u32 i;

	for (i = 0; i < 4; i++) {
		m->outer[i] = i ? 1 : t[0].dim[0];
		m->outer_stride[0][i] = i ? 0 : t[0].stride[0];
		m->outer_stride[1][i] = 0;
		m->outer_stride[2][i] = i ? 0 : t[2].stride[0];
		m->w_stride[i] = t[1].stride[i];
	}
	for (i = 0; i < 3; i++) {
		m->in_dim[i] = t[0].dim[1 + i];
		m->in_stride[i] = t[0].stride[1 + i];
		m->out_dim[i] = t[2].dim[1 + i];
		m->out_stride[i] = t[2].stride[1 + i];
	}
	if (depthwise)
		m->groups = 1;
	m->group_in = m->in_dim[2] / m->groups;
	m->group_out = m->out_dim[2] / m->groups;
}

/* Are rows of the window, and the weights of a result, contiguous? */
static void npu_mac_density(struct npu_core *core)
{
	struct npu_mac *m = &core->cmd.mac;
	const u32 *size = m->window.size;
	s64 run = m->group_in;

	m->in_dense = m->groups == 1 && m->window.dilation[1] == 1 &&
		      (run == 1 || m->in_stride[2] == core->cmd.t[0].esize) &&
		      m->in_stride[1] == run * core->cmd.t[0].esize;
	if (run == 1 && m->in_dense)
		m->in_stride[2] = core->cmd.t[0].esize;
	m->w_dense = core->cmd.t[1].esize == 1 && (run == 1 || m->w_stride[3] == 1) &&
		     (size[1] == 1 || m->w_stride[2] == run) &&
		     (size[0] == 1 || m->w_stride[1] == run * size[1]);
}

static int npu_conv_prepare(struct npu_core *core, bool depthwise)
{
	const struct npu_cmd_conv *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;
	struct npu_mac *m = &cmd->mac;
	enum npu_illegal why;

	npu_mac_load(core, &raw->in, &raw->weight, &raw->out, &raw->requant);
	m->groups = le32_to_cpu(raw->groups);
	why = npu_conv_check(core, raw, depthwise);
	if (why)
		return npu_illegal(core, why);
	npu_conv_geometry(core, depthwise);
	cmd->terms = (u64)m->window.size[0] * m->window.size[1];
	if (!depthwise)
		cmd->terms = npu_mul_sat(cmd->terms, m->group_in);
	cmd->macs = npu_mul_sat(cmd->t[2].elements, cmd->terms);
	if (npu_check_places(core))
		return -1;
	npu_mac_density(core);
	if (depthwise)
		npu_depthwise_tiles(core);
	else
		npu_dense_tiles(core);
	return 0;
}

static int npu_conv2d_decode(struct npu_core *core)
{
	return npu_conv_prepare(core, false);
}

static int npu_depthwise_decode(struct npu_core *core)
{
	return npu_conv_prepare(core, true);
}

/* ---- MATMUL ------------------------------------------------------------------------------ */

static bool npu_matmul_shape(const struct npu_core *core)
{
	const struct npu_operand *a = &core->cmd.t[0];
	const struct npu_operand *b = &core->cmd.t[1];
	const struct npu_operand *out = &core->cmd.t[2];
	u32 outer, i;

	if (out->rank < 2 || a->rank != out->rank || b->rank != out->rank)
		return false;
	outer = out->rank - 2;
	for (i = 0; i < outer; i++)
		if (a->dim[i] != out->dim[i] || b->dim[i] != out->dim[i])
			return false;
	return a->dim[outer] == out->dim[outer] && b->dim[outer] == out->dim[outer + 1] &&
	       a->dim[outer + 1] == b->dim[outer + 1];
}

static void npu_matmul_geometry(struct npu_core *core)
{
	struct npu_mac *m = &core->cmd.mac;
	const struct npu_operand *t = core->cmd.t;
	u32 outer = t[2].rank - 2;
	u32 i, k;

	for (i = 0; i < 4; i++) {
		m->outer[i] = i < outer ? t[2].dim[i] : 1;
		for (k = 0; k < 3; k++)
			m->outer_stride[k][i] = i < outer ? t[k].stride[i] : 0;
	}
	for (i = 0; i < 2; i++) {
		m->window.size[i] = 1;
		m->window.stride[i] = 1;
		m->window.dilation[i] = 1;
		m->window.pad[i] = 0;
		m->in_dim[i + 1] = t[0].dim[outer + i];
		m->in_stride[i + 1] = t[0].stride[outer + i];
		m->out_dim[i + 1] = t[2].dim[outer + i];
		m->out_stride[i + 1] = t[2].stride[outer + i];
		m->w_stride[i + 1] = 0;
	}
	m->in_dim[0] = 1;
	m->in_stride[0] = 0;
	m->out_dim[0] = 1;
	m->out_stride[0] = 0;
	m->w_stride[0] = t[1].stride[outer];
	m->w_stride[3] = t[1].stride[outer + 1];
	m->groups = 1;
	m->group_in = m->in_dim[2];
	m->group_out = m->out_dim[2];
}

static enum npu_illegal npu_matmul_check(struct npu_core *core,
					 const struct npu_cmd_matmul *raw)
{
	struct npu_command *cmd = &core->cmd;

	if (npu_requant_reserved(&raw->requant))
		return NPU_ILLEGAL_RESERVED;
	if (!npu_mac_mode(core, cmd->mac.quant.rounding))
		return NPU_ILLEGAL_MODE;
	if (!npu_mac_types(cmd->t, cmd->mac.quant.rounding, cmd->mac.quant.wide))
		return NPU_ILLEGAL_TYPE;
	if (npu_check_shapes(core) || !npu_matmul_shape(core))
		return NPU_ILLEGAL_SHAPE;
	npu_mac_arrays(core, &raw->requant);
	if (npu_check_shapes(core))
		return NPU_ILLEGAL_SHAPE;
	return npu_mac_quant(core, &raw->requant);
}

static int npu_matmul_decode(struct npu_core *core)
{
	const struct npu_cmd_matmul *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;
	enum npu_illegal why;

	npu_mac_load(core, &raw->a, &raw->b, &raw->out, &raw->requant);
	why = npu_matmul_check(core, raw);
	if (why)
		return npu_illegal(core, why);
	npu_matmul_geometry(core);
	cmd->terms = cmd->mac.group_in;
	cmd->macs = npu_mul_sat(cmd->t[2].elements, cmd->terms);
	if (npu_check_places(core))
		return -1;
	npu_mac_density(core);
	npu_dense_tiles(core);
	return 0;
}

/* ---- Execution ------------------------------------------------------------------------------- */

/* What one tile makes. */
struct npu_mac_tile {
	u64 in;			/* addresses for the outer index */
	u64 w;
	u64 out;
	u32 group;
	u32 column;		/* first output channel */
	u32 columns;
	u64 pixel;		/* first */
	u32 pixels;
	struct npu_slice slice;
};

static void npu_mac_locate(const struct npu_core *core, u64 tile, struct npu_mac_tile *p)
{
	const struct npu_mac *m = &core->cmd.mac;
	u64 total = (u64)m->out_dim[0] * m->out_dim[1];
	u32 block;
	u64 outer;
	u32 i, at;

	p->slice = npu_plan_slice(&m->plan, &tile);
	block = (u32)(tile % m->blocks);
	tile /= m->blocks;
	p->group = (u32)(tile % m->groups);
	tile /= m->groups;
	p->pixel = tile % m->strips * m->plan.pixels;
	outer = tile / m->strips;
	p->column = block * m->plan.columns;
	p->columns = min_t(u32, m->plan.columns, m->group_out - p->column);
	p->column += p->group * m->group_out;
	p->pixels = (u32)min_t(u64, m->plan.pixels, total - p->pixel);
	p->in = core->cmd.t[0].va;
	p->w = core->cmd.t[1].va;
	p->out = core->cmd.t[2].va;
	for (i = 4; i-- > 0; outer /= m->outer[i]) {
		at = (u32)(outer % m->outer[i]);
		p->in += (u64)m->outer_stride[0][i] * at;
		p->w += (u64)m->outer_stride[1][i] * at;
		p->out += (u64)m->outer_stride[2][i] * at;
	}
}

static int npu_mac_bias(struct npu_core *core, const struct npu_mac_tile *p)
{
	struct npu_scratch *s = &core->scratch;
	const __le32 *bias = (const void *)s->stage[1];
	const __le64 *bias_wide = (const void *)s->stage[1];
	bool wide = core->cmd.mac.quant.wide;
	u64 size = wide ? 8 : 4;
	u32 i;

	if (!core->cmd.a[1].size) {
		memset(s->bias, 0, p->columns * sizeof(s->bias[0]));
		memset(s->bias_wide, 0, p->columns * sizeof(s->bias_wide[0]));
		return 0;
	}
	if (npu_read(core, NPU_PIN_TABLE, core->cmd.a[1].va + p->column * size, s->stage[1],
		     p->columns * size))
		return -1;
	for (i = 0; i < p->columns; i++) {
		if (wide)
			s->bias_wide[i] = le64_to_cpu(bias_wide[i]);
		else
			s->bias[i] = (s32)le32_to_cpu(bias[i]);
	}
	return 0;
}

/* Scale and bias of the tile's channels, each fetched once. */
static int npu_mac_params(struct npu_core *core, const struct npu_mac_tile *p)
{
	const struct npu_quant *q = &core->cmd.mac.quant;
	struct npu_scratch *s = &core->scratch;
	const struct npu_scale *scale = (const void *)s->stage[0];
	u32 n = q->count == 1 ? 1 : p->columns;
	u64 first = q->count == 1 ? 0 : p->column;
	u32 i;

	if (core->cmd.a[0].size) {
		if (npu_read(core, NPU_PIN_TABLE, core->cmd.a[0].va + first * sizeof(*scale),
			     s->stage[0], n * sizeof(*scale)))
			return -1;
		for (i = 0; i < n; i++) {
			s->factor[i] = npu_factor_load(&scale[i]);
			if (!npu_factor_ok(s->factor[i]) ||
			    (q->wide && s->factor[i].shift > NPU_ROUND_WIDE_SHIFT))
				return npu_illegal(core, NPU_ILLEGAL_QUANT);
		}
	}
	return npu_mac_bias(core, p);
}

/* Bias, scale, clamp and store one pixel's accumulators. */
static int npu_mac_store(struct npu_core *core, const struct npu_mac_tile *p, u64 pixel,
			 u32 *acc)
{
	const struct npu_kernels *k = core->model->kernels;
	const struct npu_mac *m = &core->cmd.mac;
	const struct npu_limits *l = &m->quant.limits;
	const struct npu_operand *out = &core->cmd.t[2];
	struct npu_scratch *s = &core->scratch;
	s32 *wide = s->wide[2];
	u64 y = pixel / m->out_dim[1];
	u64 x = pixel % m->out_dim[1];
	u64 va = p->out + (u64)m->out_stride[0] * y + (u64)m->out_stride[1] * x +
		 (u64)m->out_stride[2] * p->column;
	u32 i;

	if (m->quant.wide) {
		for (i = 0; i < p->columns; i++)
			s->acc_wide[i] += s->bias_wide[i];
		k->requant_wide(wide, s->acc_wide, s->factor, m->quant.count != 1, l, p->columns);
		k->narrow(s->stage[2], wide, out->type, p->columns);
		return npu_write_run(core, va, m->out_stride[2], out->esize, p->columns,
				     s->stage[2]);
	}
	k->sum(acc, s->bias, p->columns);
	if (m->quant.rounding == NPU_ROUND_NONE) {
		for (i = 0; i < p->columns; i++)
			wide[i] = clamp_t(s32, (s32)acc[i], l->min, l->max);
	} else {
		k->requant(wide, acc, s->factor, m->quant.count != 1, l, p->columns);
	}
	k->narrow(s->stage[2], wide, out->type, p->columns);
	return npu_write_run(core, va, m->out_stride[2], out->esize, p->columns, s->stage[2]);
}

/* A position in the window, in the order of the weights. */
struct npu_term {
	u32 ky;
	u32 kx;
	u32 i;
};

static struct npu_term npu_term_at(const struct npu_mac *m, u32 term)
{
	struct npu_term t;

	t.i = term % m->group_in;
	term /= m->group_in;
	t.kx = term % m->window.size[1];
	t.ky = term / m->window.size[1];
	return t;
}

static void npu_term_skip(const struct npu_mac *m, struct npu_term *t, u32 n)
{
	t->i += n;
	while (t->i >= m->group_in) {
		t->i -= m->group_in;
		if (++t->kx == m->window.size[1]) {
			t->kx = 0;
			t->ky++;
		}
	}
}

/*
 * How many terms from @t on are equally spaced in the input, or all padding.
 * @inside says which; @va moves from the address of the image to the element.
 */
static u32 npu_patch_run(const struct npu_mac *m, const struct npu_term *t, s64 y, s64 x,
			 bool *inside, u64 *va)
{
	const struct npu_window *w = &m->window;
	u32 left = w->size[1] - t->kx;
	u32 n = 1;

	y += (s64)t->ky * w->dilation[0];
	x += (s64)t->kx * w->dilation[1];
	*inside = false;
	if (y < 0 || y >= m->in_dim[0])
		return left * m->group_in - t->i;
	if (x < 0 || x >= m->in_dim[1])
		return m->group_in - t->i;
	if (m->in_dense)
		n = (u32)min_t(u64, left, m->in_dim[1] - (u64)x);
	*inside = true;
	*va += (u64)m->in_stride[0] * (u64)y + (u64)m->in_stride[1] * (u64)x +
	       (u64)m->in_stride[2] * t->i;
	return n * m->group_in - t->i;
}

/* Gather terms [@from, @from + @n) of a pixel into a lane of the patch. */
static int npu_patch_gather(struct npu_core *core, const struct npu_mac_tile *p, u64 pixel,
			    u32 lane, u32 from, u32 n)
{
	const struct npu_mac *m = &core->cmd.mac;
	const struct npu_operand *in = &core->cmd.t[0];
	struct npu_scratch *s = &core->scratch;
	struct npu_term t = npu_term_at(m, from);
	s64 y = (s64)(pixel / m->out_dim[1]) * m->window.stride[0] - m->window.pad[0];
	s64 x = (s64)(pixel % m->out_dim[1]) * m->window.stride[1] - m->window.pad[1];
	u64 base = p->in + (u64)m->in_stride[2] * p->group * m->group_in;
	const void *src;
	bool inside;
	u32 run, at;
	u64 va;

	for (at = 0; at < n; at += run) {
		va = base;
		run = min_t(u32, n - at, npu_patch_run(m, &t, y, x, &inside, &va));
		npu_term_skip(m, &t, run);
		if (!inside) {
			if (!lane)
				memset(s->patch + at, 0, run * sizeof(s->patch[0]));
			continue;
		}
		src = npu_read_run(core, NPU_PIN_IN, va, m->in_stride[2], in->esize, run,
				   s->stage[0]);
		if (!src)
			return -1;
		core->model->kernels->patch(s->patch + at, lane, src, in->type,
					    in->zero_point, run);
	}
	return 0;
}

/* @n terms from place @at of the patch on, for some columns. */
static void npu_mac_run(struct npu_core *core, u32 column, u32 at, const void *w, s64 pitch,
			u32 columns, u32 n)
{
	const struct npu_kernels *k = core->model->kernels;
	struct npu_scratch *s = &core->scratch;
	u32 type = core->cmd.t[1].type;

	if (core->cmd.mac.quant.wide)
		k->mac_wide(s->acc_wide + column, s->patch + at, w, type, pitch, columns, n);
	else
		k->mac(s->acc + column, NPU_COLUMNS, s->patch + at, w, type, pitch, columns, n);
}

/* Columns of contiguous weights, as many at a time as lie together in memory. */
static int npu_mac_dense(struct npu_core *core, u64 va, u32 columns, u32 n)
{
	const struct npu_mac *m = &core->cmd.mac;
	u64 pitch = m->w_stride[0] > 0 ? (u64)m->w_stride[0] : 0;
	/* Memory between columns is borrowed for nothing. */
	u64 more = pitch <= NPU_BUS_WINDOW ? pitch : 0;
	u32 c, done, run;
	const u8 *w;
	u64 got;

	for (c = 0; c < columns; c += run, va += (u64)m->w_stride[0] * run) {
		w = npu_pin(core, NPU_PIN_IN2, va, more * (columns - c - 1) + n, &got);
		if (!w)
			return -1;
		run = 1;
		if (got >= n) {
			if (pitch)
				run = (u32)min_t(u64, (got - n) / pitch + 1, columns - c);
			npu_mac_run(core, c, 0, w, (s64)pitch, run, n);
			continue;
		}
		/* This one lies on two pages or more. */
		for (done = 0; done < n; done += (u32)got) {
			w = npu_pin(core, NPU_PIN_IN2, va + done, n - done, &got);
			if (!w)
				return -1;
			npu_mac_run(core, c, done, w, 0, 1, (u32)got);
		}
	}
	return 0;
}

/* Columns of weights with any strides. */
static int npu_mac_sparse(struct npu_core *core, u64 base, u32 columns, u32 from, u32 n)
{
	const struct npu_mac *m = &core->cmd.mac;
	struct npu_term t;
	u32 c, at, run;
	const void *w;
	u64 va;

	for (c = 0; c < columns; c++, base += (u64)m->w_stride[0]) {
		t = npu_term_at(m, from);
		for (at = 0; at < n; at += run) {
			run = min_t(u32, n - at, m->group_in - t.i);
			va = base + (u64)m->w_stride[1] * t.ky + (u64)m->w_stride[2] * t.kx +
			     (u64)m->w_stride[3] * t.i;
			w = npu_read_run(core, NPU_PIN_IN2, va, m->w_stride[3],
					 core->cmd.t[1].esize, run, core->scratch.stage[1]);
			if (!w)
				return -1;
			npu_mac_run(core, c, at, w, 0, 1, run);
			npu_term_skip(m, &t, run);
		}
	}
	return 0;
}

/* sum x * (w - zero) = sum x * w - zero * sum x; the ones make the second sum. */
static void npu_mac_zero_point(struct npu_core *core, u32 columns, u32 n)
{
	u32 zero = (u32)core->cmd.mac.quant.weight_zero_point;
	struct npu_scratch *s = &core->scratch;
	u32 sum[NPU_LANES] = { 0 };
	u64 sum_wide = 0;
	u32 lane, c;

	if (!zero)
		return;
	memset(s->stage[1], 1, n);
	if (core->cmd.mac.quant.wide) {
		core->model->kernels->mac_wide(&sum_wide, s->patch, s->stage[1], NPU_TYPE_U8, 0, 1,
					       n);
		for (c = 0; c < columns; c++)
			s->acc_wide[c] -= (u64)(s64)(s32)zero * sum_wide;
		return;
	}
	core->model->kernels->mac(sum, 1, s->patch, s->stage[1], NPU_TYPE_U8, 0, 1, n);
	for (lane = 0; lane < NPU_LANES; lane++)
		for (c = 0; c < columns; c++)
			s->acc[lane * NPU_COLUMNS + c] -= zero * sum[lane];
}

/* All results of up to NPU_LANES neighbouring pixels. */
static int npu_mac_pixels(struct npu_core *core, const struct npu_mac_tile *p, u64 pixel,
			  u32 lanes)
{
	const struct npu_mac *m = &core->cmd.mac;
	struct npu_scratch *s = &core->scratch;
	u64 w = p->w + (u64)m->w_stride[0] * p->column;
	u32 from, n, lane;
	int err;

	for (lane = 0; p->slice.first && lane < NPU_LANES; lane++)
		memset(s->acc + lane * NPU_COLUMNS, 0, p->columns * sizeof(s->acc[0]));
	if (p->slice.first)
		memset(s->acc_wide, 0, p->columns * sizeof(s->acc_wide[0]));
	for (from = p->slice.from; from < p->slice.to; from += n) {
		n = min_t(u32, p->slice.to - from, NPU_PATCH_TERMS);
		for (lane = 0; lane < lanes; lane++)
			if (npu_patch_gather(core, p, pixel + lane, lane, from, n))
				return -1;
		err = m->w_dense ? npu_mac_dense(core, w + from, p->columns, n) :
				   npu_mac_sparse(core, w, p->columns, from, n);
		if (err)
			return -1;
		npu_mac_zero_point(core, p->columns, n);
	}
	for (lane = 0; p->slice.last && lane < lanes; lane++)
		if (npu_mac_store(core, p, pixel + lane, s->acc + lane * NPU_COLUMNS))
			return -1;
	return 0;
}

static void npu_mac_cost(const struct npu_core *core, const struct npu_mac_tile *p,
			 u64 inputs, struct npu_cost *cost)
{
	const struct npu_operand *t = core->cmd.t;
	u64 terms = p->slice.to - p->slice.from;

	cost->macs = terms * p->columns * p->pixels;
	cost->bytes = terms * inputs * p->pixels * t[0].esize +
		      terms * p->columns * t[1].esize;
	if (p->slice.last)
		cost->bytes += (u64)p->columns * p->pixels * t[2].esize;
}

static int npu_mac_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	struct npu_mac_tile p;
	u32 i, lanes;

	npu_mac_locate(core, tile, &p);
	npu_mac_cost(core, &p, 1, cost);
	if (p.slice.last && npu_mac_params(core, &p))
		return -1;
	for (i = 0; i < p.pixels; i += lanes) {
		lanes = core->cmd.mac.quant.wide ? 1 : core->model->kernels->lanes;
		lanes = min_t(u32, p.pixels - i, lanes);
		if (npu_mac_pixels(core, &p, p.pixel + i, lanes))
			return -1;
	}
	return 0;
}

/* ---- Depthwise execution ------------------------------------------------------------------ */

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
	core->model->kernels->widen(s->wide[0], src, in->type, in->zero_point, n);
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
	const struct npu_kernels *k = core->model->kernels;
	const void *weight;
	const s32 *in;
	u32 term, ky, kx;
	s64 y, x;

	if (p->slice.first) {
		memset(s->acc, 0, p->columns * sizeof(s->acc[0]));
		memset(s->acc_wide, 0, p->columns * sizeof(s->acc_wide[0]));
	}
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
	return p->slice.last ? npu_mac_store(core, p, pixel, s->acc) : 0;
}

static int npu_depthwise_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	struct npu_mac_tile p;
	u32 i;

	npu_mac_locate(core, tile, &p);
	npu_mac_cost(core, &p, p.columns, cost);
	if (p.slice.last && npu_mac_params(core, &p))
		return -1;
	for (i = 0; i < p.pixels; i++)
		if (npu_depthwise_pixel(core, &p, p.pixel + i))
			return -1;
	return 0;
}

const struct npu_op npu_op_conv2d = {
	.opcode	= NPU_OP_CONV2D,
	.size	= sizeof(struct npu_cmd_conv),
	.decode	= npu_conv2d_decode,
	.tile	= npu_mac_tile,
};

const struct npu_op npu_op_depthwise = {
	.opcode	= NPU_OP_DEPTHWISE,
	.size	= sizeof(struct npu_cmd_conv),
	.decode	= npu_depthwise_decode,
	.tile	= npu_depthwise_tile,
};

const struct npu_op npu_op_matmul = {
	.opcode	= NPU_OP_MATMUL,
	.size	= sizeof(struct npu_cmd_matmul),
	.decode	= npu_matmul_decode,
	.tile	= npu_mac_tile,
};

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Commands that multiply and accumulate: CONV2D, DEPTHWISE, MATMUL. Each of their tiles makes
 * some output pixels of some output channels. A matrix multiply is a convolution of a 1 x M
 * image by windows of one element.
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

/* ---- Size of tiles -------------------------------------------------------------------- */

/* Work between two runs of inputs. */
u32 npu_mac_jump(const struct npu_mac *m)
{
	const struct npu_window *w = &m->window;

	return npu_jump_work(m->in_stride[0],
			     m->in_dim[0] > 1 ? max_t(u32, w->dilation[0], w->stride[0]) : 0,
			     m->in_stride[1],
			     m->in_dim[1] > 1 ? max_t(u32, w->dilation[1], w->stride[1]) : 0);
}

/* Cut results into tiles as the plan says. */
void npu_mac_tiles(struct npu_core *core)
{
	struct npu_command *cmd = &core->cmd;
	struct npu_mac *m = &cmd->mac;
	u64 outer = (u64)m->outer[0] * m->outer[1] * m->outer[2] * m->outer[3];

	m->blocks = (u32)npu_div_up(m->group_out, m->plan.columns);
	m->strips = npu_div_up((u64)m->out_dim[0] * m->out_dim[1], m->plan.pixels);
	cmd->tiles = outer * m->strips * m->groups * m->blocks * m->plan.slices;
	cmd->shared = m->plan.slices == 1;
	npu_mac_forget(core);
}

/* What is kept from tile to tile is that of another command. */
void npu_mac_forget(struct npu_core *core)
{
	struct npu_scratch *s = &core->scratch;

	s->biases = 0;
	s->scales = 0;
	s->channeled = false;
	s->gathers = 0;
	memset(s->summed, 0, sizeof(s->summed));
}

/*
 * Work of a tile of a command that takes @work, both in parts of what NPU_TILE_WORK counts. There
 * are to be some for each core, so that the last ones end at about the same time.
 */
u64 npu_mac_budget(const struct npu_core *core, u64 work)
{
	u64 most = (u64)NPU_TILE_WORK * NPU_PART, cores = core->model->config.cores;

	if (!npu_team_large(core))
		return most;
	return clamp_t(u64, work / (cores * 16), most / 8, most);
}

/* Are there fewer tiles than several cores can share? */
bool npu_mac_few(const struct npu_core *core)
{
	return npu_team_large(core) && core->cmd.tiles < core->model->config.cores * 8ull;
}

/*
 * Borrow inputs from @low to @high at once.
 *
 * Return: 0, with @window NULL if they do not lie together; -1 with a fault recorded.
 */
int npu_mac_borrow(struct npu_core *core, u64 low, u64 high, const u8 **window)
{
	u64 got;

	*window = NULL;
	if (low >= high || high - low > NPU_SPAN)
		return 0;
	*window = npu_pin(core, NPU_PIN_IN, low, high - low, &got);
	if (!*window)
		return -1;
	if (got < high - low)
		*window = NULL;
	return 0;
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
	m->dense = !depthwise;
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

/* A window of one element, and no gaps: the image may as well be one row. */
static void npu_conv_flatten(struct npu_mac *m)
{
	const struct npu_window *w = &m->window;
	u32 i;

	for (i = 0; i < 2; i++)
		if (w->size[i] > 1 || w->stride[i] > 1 || w->pad[i] ||
		    m->in_dim[i] != m->out_dim[i])
			return;
	if (m->in_stride[0] != m->in_stride[1] * m->in_dim[1] ||
	    m->out_stride[0] != m->out_stride[1] * m->out_dim[1] ||
	    (u64)m->in_dim[0] * m->in_dim[1] > NPU_SIZE_MAX)
		return;
	m->in_dim[1] *= m->in_dim[0];
	m->out_dim[1] *= m->out_dim[0];
	m->in_dim[0] = 1;
	m->out_dim[0] = 1;
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
	npu_conv_flatten(m);
	npu_mac_density(core);
	if (m->dense)
		npu_dense_tiles(core);
	else
		npu_depthwise_tiles(core);
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
	m->dense = true;
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

/* Products of bytes are less than 2^16, wherever the zero points are. */
static bool npu_mac_small(const struct npu_core *core, u32 columns)
{
	const struct npu_scratch *s = &core->scratch;
	u32 i, all = 0;

	if (core->cmd.t[0].esize > 1 || core->cmd.terms > 1u << 13)
		return false;
	for (i = 0; i < columns; i++)
		all |= (u32)(s->bias[i] < 0 ? ~s->bias[i] : s->bias[i]);
	return all < 1u << 29;
}

/* Biases of the tile's channels, unless the tile before had the same. */
static int npu_mac_bias(struct npu_core *core, const struct npu_mac_tile *p)
{
	struct npu_scratch *s = &core->scratch;
	bool wide = core->cmd.mac.quant.wide;
	void *to = wide ? (void *)s->bias_wide : s->bias;
	u64 size = wide ? 8 : 4;
	u32 i;

	if (s->biases == p->columns && s->bias_column == p->column)
		return 0;
	s->biases = 0;
	if (!core->cmd.a[1].size)
		memset(to, 0, p->columns * size);
	else if (npu_read(core, NPU_PIN_TABLE, core->cmd.a[1].va + p->column * size, to,
			  p->columns * size))
		return -1;
	for (i = 0; i < p->columns; i++) {
		if (wide)
			s->bias_wide[i] = le64_to_cpu((__force __le64)s->bias_wide[i]);
		else
			s->bias[i] = (s32)le32_to_cpu((__force __le32)s->bias[i]);
	}
	s->bias_column = p->column;
	s->biases = p->columns;
	s->small = npu_mac_small(core, p->columns);
	return 0;
}

/* Scales of the tile's channels, each fetched once, unless the tile before had the same. */
static int npu_mac_scales(struct npu_core *core, const struct npu_mac_tile *p)
{
	const struct npu_quant *q = &core->cmd.mac.quant;
	struct npu_scratch *s = &core->scratch;
	const struct npu_scale *scale = (const void *)s->stage[0];
	u32 n = q->count == 1 ? 1 : p->columns;
	u64 first = q->count == 1 ? 0 : p->column;
	bool good = true;
	u32 i;

	if (!core->cmd.a[0].size || (s->scales == n && s->scale_column == first))
		return 0;
	s->scales = 0;
	if (npu_read(core, NPU_PIN_TABLE, core->cmd.a[0].va + first * sizeof(*scale),
		     s->stage[0], n * sizeof(*scale)))
		return -1;
	for (i = 0; i < n; i++) {
		s->factor[i] = npu_factor_load(&scale[i]);
		good &= npu_factor_ok(s->factor[i]);
		good &= !q->wide || s->factor[i].shift <= NPU_ROUND_WIDE_SHIFT;
	}
	if (!good) {
		/* Inner loops may look at more than they use. */
		memset(s->factor, 0, sizeof(s->factor));
		return npu_illegal(core, NPU_ILLEGAL_QUANT);
	}
	s->scale_column = (u32)first;
	s->scales = n;
	return 0;
}

static int npu_mac_params(struct npu_core *core, const struct npu_mac_tile *p)
{
	if (p->slice.first && npu_mac_bias(core, p))
		return -1;
	return p->slice.last ? npu_mac_scales(core, p) : 0;
}

static void npu_mac_cost(const struct npu_core *core, const struct npu_mac_tile *p,
			 struct npu_cost *cost)
{
	const struct npu_operand *t = core->cmd.t;
	u64 terms = p->slice.to - p->slice.from;
	u64 inputs = core->cmd.mac.dense ? 1 : p->columns;

	cost->macs = terms * p->columns * p->pixels;
	cost->bytes = terms * inputs * p->pixels * t[0].esize +
		      terms * p->columns * t[1].esize;
	if (p->slice.last)
		cost->bytes += (u64)p->columns * p->pixels * t[2].esize;
}

/* Address of an output pixel, at the first channel of the tile. */
u64 npu_mac_out(const struct npu_mac *m, const struct npu_mac_tile *p, u64 pixel)
{
	u64 x = pixel, y = npu_mac_row(m, &x);

	return p->out + (u64)m->out_stride[0] * y + (u64)m->out_stride[1] * x +
	       (u64)m->out_stride[2] * p->column;
}

/* Scale, clamp and store the accumulators of one pixel, which lie in a row. */
int npu_mac_store_row(struct npu_core *core, const struct npu_mac_tile *p, u64 pixel,
		      const u32 *acc)
{
	const struct npu_kernels *k = &core->model->kernels;
	const struct npu_mac *m = &core->cmd.mac;
	const struct npu_limits *l = &m->quant.limits;
	const struct npu_operand *out = &core->cmd.t[2];
	struct npu_scratch *s = &core->scratch;
	u32 step = m->quant.count != 1;
	s32 *wide = s->wide[2];
	u32 i;

	if (m->quant.wide) {
		k->requant_wide(wide, s->acc_wide, s->factor, step, l, p->columns);
	} else if (m->quant.rounding == NPU_ROUND_NONE) {
		for (i = 0; i < p->columns; i++)
			wide[i] = clamp_t(s32, (s32)acc[i], l->min, l->max);
	} else {
		k->requant(wide, acc, s->factor, step, l, p->columns);
	}
	k->narrow(s->stage[2], wide, out->type, p->columns);
	return npu_write_run(core, npu_mac_out(m, p, pixel), m->out_stride[2], out->esize,
			     p->columns, s->stage[2]);
}

static int npu_mac_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	const struct npu_mac *m = &core->cmd.mac;
	struct npu_mac_tile p;

	npu_mac_locate(core, tile, &p);
	npu_mac_cost(core, &p, cost);
	if (npu_mac_params(core, &p))
		return -1;
	return m->dense ? npu_dense_tile(core, &p) : npu_depthwise_tile(core, &p);
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
	.tile	= npu_mac_tile,
};

const struct npu_op npu_op_matmul = {
	.opcode	= NPU_OP_MATMUL,
	.size	= sizeof(struct npu_cmd_matmul),
	.decode	= npu_matmul_decode,
	.tile	= npu_mac_tile,
};

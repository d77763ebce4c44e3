// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * DEPTHWISE: each output channel is made of one input channel.
 */
#include "npu_model_priv.h"

/**
 * DOC: Depthwise convolutions
 *
 * If operands are bytes and channels are neighbours, a strip of pixels of one row is made at once:
 * the inner loops are told where each tap finds its input for the first pixel, and for which
 * pixels that is padding. Where pixels are neighbours, too, the row is one long array whose weights
 * and factors repeat with a period, so few channels fill a vector as well as many. An input of one
 * channel is the same for all outputs.
 *
 * All else is done term by term, one pixel after the other.
 */

/* ---- Size of tiles ---------------------------------------------------------------------- */

/* Kernels take four taps at a time. Are these columns of the window, or any? */
static bool npu_depthwise_columns(const struct npu_mac *m)
{
	return m->window.size[0] == 3 || m->window.size[0] == 4;
}

static u32 npu_depthwise_taps(const struct npu_mac *m)
{
	u32 taps = m->window.size[0] * m->window.size[1];

	return npu_depthwise_columns(m) ? m->window.size[1] * 4 : (taps + 3) & ~3u;
}

static u32 npu_depthwise_tap(const struct npu_mac *m, u32 ky, u32 kx)
{
	return npu_depthwise_columns(m) ? kx * 4 + ky : ky * m->window.size[1] + kx;
}

/* Do rows of one pixel's window fit stage 0, and do pixels not overlap? */
static bool npu_depthwise_fits(const struct npu_mac *m, const struct npu_scratch *s)
{
	const struct npu_window *w = &m->window;
	s64 pitch = m->in_stride[1];
	u64 size;

	/* Strides are not limited where a dimension is 1: no product below may wrap. */
	if (pitch < 0 || pitch > NPU_OUTSIDE / 2 || pitch * w->stride[1] > NPU_OUTSIDE / 2)
		return false;
	if (m->out_stride[1] < 0 || m->out_stride[1] > NPU_SPAN)
		return false;
	if (m->out_dim[1] > 1 && m->out_stride[1] < m->out_dim[2])
		return false;
	size = (u64)(w->size[1] - 1) * w->dilation[1] * (u64)pitch + m->in_dim[2];
	return size * w->size[0] <= sizeof(s->stage[0]);
}

/* Are there bytes only, and neighbouring channels in neighbouring bytes? */
static bool npu_depthwise_rows(const struct npu_core *core)
{
	const struct npu_command *cmd = &core->cmd;
	const struct npu_mac *m = &cmd->mac;

	return cmd->t[0].esize == 1 && cmd->t[1].esize == 1 && npu_depthwise_taps(m) <= NPU_TAPS &&
	       m->quant.rounding == NPU_ROUND_DOUBLE &&
	       (m->in_dim[2] == 1 || (m->out_dim[2] == m->in_dim[2] && m->in_stride[2] == 1)) &&
	       (m->out_dim[2] == 1 || (m->w_stride[3] == 1 && m->out_stride[2] == 1)) &&
	       npu_depthwise_fits(m, &core->scratch);
}

/* For each term a run of inputs and one of weights. */
static void npu_depthwise_plan(struct npu_core *core)
{
	struct npu_mac *m = &core->cmd.mac;
	u32 fixed = npu_mac_jump(m) +
		    npu_jump_work(m->w_stride[1], m->window.size[0] > 1, m->w_stride[2],
				  m->window.size[1] > 1);
	u32 store = npu_jump_work(m->out_stride[0], m->out_dim[0] > 1, m->out_stride[1],
				  m->out_dim[1] > 1);

	npu_plan_init(&m->plan, core->cmd.terms, m->group_out, store, fixed,
		      npu_stride_work(m->in_stride[2], 1) + npu_stride_work(m->w_stride[3], 1),
		      npu_stride_work(m->out_stride[2], m->out_dim[2] > 1));
}

/* Most pixels whose rows fit the stages, and that padding is long enough for. */
static u32 npu_strip_most(const struct npu_core *core, u32 width)
{
	const struct npu_mac *m = &core->cmd.mac;
	const struct npu_window *w = &m->window;
	u64 pitch = (u64)max_t(s64, m->in_stride[1], 1), stride = w->stride[1];
	u64 room = sizeof(core->scratch.stage[0]) / w->size[0];
	u64 columns = room / pitch, window = (u64)(w->size[1] - 1) * w->dilation[1] + 1;
	/* Taps that share inputs are read for two more pixels. */
	s64 padding = (s64)((NPU_OUTSIDE - width) / (pitch * stride)) - 2;
	s64 most = min_t(s64, padding, (s64)(sizeof(core->scratch.stage[2]) / width));

	if (columns < window + stride)
		return 1;
	return (u32)clamp_t(s64, (s64)((columns - window) / stride), 1, max_t(s64, most, 1));
}

/*
 * Work of a pixel beside its terms, in sixteenths: each row of a strip's window is a run of its
 * own, and begins with what pixels of the strip before have had; each pixel's results may be.
 */
static u32 npu_strip_work(const struct npu_core *core, u32 width)
{
	const struct npu_mac *m = &core->cmd.mac;
	const struct npu_window *w = &m->window;
	u32 pixels = min_t(u32, npu_strip_most(core, width), m->out_dim[1]);
	u64 window = (u64)(w->size[1] - 1) * w->dilation[1] * (u64)m->in_stride[1];
	u64 strip = w->size[0] * (npu_mac_jump(m) +
				  window * NPU_PIN_WORK / (1u << NPU_PT_SHIFT(0)));

	strip = npu_div_up(strip, pixels) +
		w->size[0] * npu_stride_work(m->in_stride[1], w->stride[1]) +
		npu_jump_work(m->out_stride[0], m->out_dim[1] == 1, m->out_stride[1],
			      m->out_dim[1] > 1);
	return 16 * (u32)max_t(u64, strip, npu_mac_jump(m));
}

/* A byte of a vector takes a sixteenth of what others count; terms are never cut. */
static void npu_depthwise_plan_rows(struct npu_core *core)
{
	struct npu_mac *m = &core->cmd.mac;
	u32 terms = (u32)core->cmd.terms;
	u32 most = (u32)sizeof(core->scratch.stage[1]) / npu_depthwise_taps(m);
	u32 columns = min_t(u32, m->group_out, min_t(u32, most, NPU_COLUMNS));
	u32 pixel = npu_strip_work(core, columns) + (terms + 8) * columns;
	u64 work = npu_mul_sat(core->cmd.macs / terms / columns, pixel);

	m->plan.terms = terms;
	m->plan.columns = columns;
	m->plan.pixels = (u32)clamp_t(u64, npu_mac_budget(core, work) / pixel, 1,
				      NPU_TILE_ELEMENTS);
	m->plan.slice = terms;
	m->plan.slices = 1;
}

void npu_depthwise_tiles(struct npu_core *core)
{
	struct npu_mac *m = &core->cmd.mac;

	m->w_stride[0] = 0;
	m->rows = npu_depthwise_rows(core);
	if (m->rows)
		npu_depthwise_plan_rows(core);
	else
		npu_depthwise_plan(core);
	npu_mac_tiles(core);
}

/* ---- One term of one pixel at a time ---------------------------------------------------- */

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

/* ---- Rows of bytes ------------------------------------------------------------------------ */

/* Some neighbouring pixels of a row, and the inputs that they have. */
struct npu_strip {
	const struct npu_mac_tile *tile;
	u64 y;
	u64 x;
	u32 pixels;
	s64 left;		/* columns of the input, padding not included */
	s64 right;		/* the first that is not needed */
	u32 channel;		/* first of the inputs */
	u32 channels;
	const u8 *row[NPU_TAPS];	/* of the window, at @left; NULL: padding */
};

/* How often the tile's channels are to be repeated. */
static u32 npu_channels_period(const struct npu_core *core, u32 columns)
{
	u32 most = (u32)sizeof(core->scratch.stage[1]) / npu_depthwise_taps(&core->cmd.mac);
	u32 n = columns;

	most = min_t(u32, most, NPU_COLUMNS);
	while (n % 64 && n + columns <= most)
		n += columns;
	return n % 64 ? columns : n;
}

/* Fill an array of @n elements with its first @have ones. */
static void npu_repeat(void *array, u32 size, u32 have, u32 n)
{
	u8 *to = array;
	u32 more;

	for (; have < n; have += more) {
		more = min_t(u32, have, n - have);
		memcpy(to + (u64)have * size, to, (u64)more * size);
	}
}

/* Weights of all taps, in stage 1, each row repeated. */
static int npu_channels_weights(struct npu_core *core, const struct npu_mac_tile *p, u32 period)
{
	const struct npu_mac *m = &core->cmd.mac;
	u8 *to, *stage = core->scratch.stage[1];
	u32 ky, kx;
	u64 va;

	/* Taps that there are not are multiplied by nothing. */
	memset(stage, m->quant.weight_zero_point, npu_depthwise_taps(m) * period);
	for (ky = 0; ky < m->window.size[0]; ky++) {
		for (kx = 0; kx < m->window.size[1]; kx++) {
			to = stage + npu_depthwise_tap(m, ky, kx) * period;
			va = p->w + (u64)m->w_stride[1] * ky + (u64)m->w_stride[2] * kx + p->column;
			if (npu_read(core, NPU_PIN_IN2, va, to, p->columns))
				return -1;
			npu_repeat(to, 1, p->columns, period);
		}
	}
	return 0;
}

static int npu_channels_make(struct npu_core *core, const struct npu_mac_tile *p)
{
	const struct npu_mac *m = &core->cmd.mac;
	const struct npu_quant *q = &m->quant;
	const struct npu_operand *in = &core->cmd.t[0];
	struct npu_scratch *s = &core->scratch;
	u32 period = npu_channels_period(core, p->columns);

	if (s->channeled && s->channel == p->column)
		return 0;
	s->channeled = false;
	if (npu_channels_weights(core, p, period))
		return -1;
	npu_repeat(s->bias, sizeof(s->bias[0]), p->columns, period);
	npu_repeat(s->factor, sizeof(s->factor[0]), q->count == 1 ? 1 : p->columns, period);
	s->channels.type = in->type;
	s->channels.zero_point = in->zero_point;
	s->channels.weight_type = core->cmd.t[1].type;
	s->channels.weight_zero_point = q->weight_zero_point;
	s->channels.taps = npu_depthwise_taps(m);
	s->channels.shared = m->window.size[0] == 3 && m->window.size[1] == 3 &&
			     m->window.stride[1] == 1 && m->window.dilation[1] == 1;
	s->channels.channels = p->columns;
	s->channels.period = period;
	s->channels.single = m->in_dim[2] == 1;
	s->channels.step = (u32)m->in_stride[1] * m->window.stride[1];
	s->channels.limits = q->limits;
	s->channels.small = s->small;
	core->model->kernels.channels(&s->channels, s->stage[1], s->bias, s->factor);
	memset(s->outside, in->zero_point, sizeof(s->outside));
	s->channel = p->column;
	s->channeled = true;
	return 0;
}

/* Where a row of the window begins, and whether it is in the image. */
static bool npu_strip_row(const struct npu_mac *m, const struct npu_strip *strip, u32 ky, u64 *va)
{
	s64 y = (s64)strip->y * m->window.stride[0] - m->window.pad[0] +
		(s64)ky * m->window.dilation[0];

	*va = strip->tile->in + (u64)m->in_stride[0] * (u64)y +
	      (u64)m->in_stride[1] * (u64)strip->left + strip->channel;
	return y >= 0 && y < m->in_dim[0] && strip->left < strip->right;
}

/* Find the rows of the window in memory, or copy them to stage 0. */
static int npu_strip_rows(struct npu_core *core, struct npu_strip *strip)
{
	const struct npu_mac *m = &core->cmd.mac;
	u64 size = (u64)m->in_stride[1] * (u64)(strip->right - strip->left - 1) + strip->channels;
	u64 va, low = ~0ull, high = 0;
	u8 *stage = core->scratch.stage[0];
	const u8 *window = NULL;
	u32 ky;

	for (ky = 0; ky < m->window.size[0]; ky++) {
		strip->row[ky] = NULL;
		if (!npu_strip_row(m, strip, ky, &va))
			continue;
		low = min_t(u64, low, va);
		high = max_t(u64, high, va + size);
	}
	if (!high)
		return 0;
	if (npu_mac_borrow(core, low, high, &window))
		return -1;
	for (ky = 0; ky < m->window.size[0]; ky++) {
		if (!npu_strip_row(m, strip, ky, &va))
			continue;
		if (window) {
			strip->row[ky] = window + (va - low);
			continue;
		}
		if (npu_read(core, NPU_PIN_IN, va, stage, size))
			return -1;
		strip->row[ky] = stage;
		stage += size;
	}
	return 0;
}

/* Pixels of the strip for which column @right of their window is in the image. */
static void npu_strip_inside(const struct npu_mac *m, const struct npu_strip *strip, s64 right,
			     u32 *first, u32 *end)
{
	s64 column = (s64)strip->x * m->window.stride[1] - m->window.pad[1] + right;
	s64 left = m->in_dim[1] - column;
	u32 stride = m->window.stride[1];

	*first = column < 0 ? (u32)npu_div_up((u64)-column, stride) : 0;
	*end = left > 0 ? (u32)min_t(u64, npu_div_up((u64)left, stride), strip->pixels) : 0;
}

/* Where the pixels find the inputs of all terms. */
static void npu_strip_taps(struct npu_core *core, const struct npu_strip *strip)
{
	const struct npu_mac *m = &core->cmd.mac;
	struct npu_taps *taps = &core->scratch.taps;
	s64 column = (s64)strip->x * m->window.stride[1] - m->window.pad[1] - strip->left;
	s64 right = 0;
	u32 ky, kx, t, first, end;

	for (t = 0; t < core->scratch.channels.taps; t++) {
		taps->from[t] = core->scratch.outside;
		taps->first[t] = 0;
		taps->end[t] = strip->pixels;
	}
	for (kx = 0; kx < m->window.size[1]; kx++, right += m->window.dilation[1]) {
		npu_strip_inside(m, strip, right, &first, &end);
		for (ky = 0; ky < m->window.size[0]; ky++) {
			/* What is padding for all pixels is read from a place of its own. */
			if (!strip->row[ky])
				continue;
			t = npu_depthwise_tap(m, ky, kx);
			taps->first[t] = first;
			taps->end[t] = end;
			taps->from[t] = strip->row[ky] + m->in_stride[1] * (column + right);
		}
	}
}

static int npu_strip_make(struct npu_core *core, const struct npu_strip *strip)
{
	const struct npu_mac *m = &core->cmd.mac;
	u64 va = npu_mac_out(m, strip->tile, strip->y * m->out_dim[1] + strip->x);
	u32 l, pixels = strip->pixels, columns = strip->tile->columns;
	u64 size = (pixels > 1 ? (u64)m->out_stride[1] * (pixels - 1) : 0) + columns;
	const struct npu_channels *ch = &core->scratch.channels;
	u8 *stage = core->scratch.stage[2];
	const struct npu_taps *taps = &core->scratch.taps;
	u64 got;
	u8 *dst;

	npu_strip_taps(core, strip);
	dst = npu_pin(core, NPU_PIN_OUT, va, size, &got);
	if (!dst)
		return -1;
	if (got == size) {
		core->model->kernels.depthwise(dst, m->out_stride[1], ch, taps, pixels);
		return 0;
	}
	core->model->kernels.depthwise(stage, columns, ch, taps, pixels);
	for (l = 0; l < pixels; l++, va += (u64)m->out_stride[1], stage += columns)
		if (npu_write(core, va, stage, columns))
			return -1;
	return 0;
}

static int npu_depthwise_strips(struct npu_core *core, const struct npu_mac_tile *p)
{
	const struct npu_mac *m = &core->cmd.mac;
	u32 most = npu_strip_most(core, p->columns);
	bool single = m->in_dim[2] == 1;
	struct npu_strip strip = {
		.tile = p,
		.channel = single ? 0 : p->column,
		.channels = single ? 1 : p->columns,
	};
	u64 pixel, end = p->pixel + p->pixels;
	s64 left, right;

	for (pixel = p->pixel; pixel < end; pixel += strip.pixels) {
		strip.y = pixel / m->out_dim[1];
		strip.x = pixel % m->out_dim[1];
		strip.pixels = (u32)min_t(u64, end - pixel, m->out_dim[1] - strip.x);
		strip.pixels = min_t(u32, strip.pixels, most);
		left = (s64)strip.x * m->window.stride[1] - m->window.pad[1];
		right = left + (s64)(strip.pixels - 1) * m->window.stride[1] +
			(s64)(m->window.size[1] - 1) * m->window.dilation[1] + 1;
		strip.left = max_t(s64, left, 0);
		strip.right = min_t(s64, right, m->in_dim[1]);
		if (npu_strip_rows(core, &strip) || npu_strip_make(core, &strip))
			return -1;
	}
	return 0;
}

int npu_depthwise_tile(struct npu_core *core, const struct npu_mac_tile *p)
{
	u32 i;

	if (core->cmd.mac.rows)
		return npu_channels_make(core, p) ? -1 : npu_depthwise_strips(core, p);
	for (i = 0; i < p->pixels; i++)
		if (npu_depthwise_pixel(core, p, p->pixel + i))
			return -1;
	return 0;
}

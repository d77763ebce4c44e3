// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * CONV2D and MATMUL: each result is made of all channels of its group.
 */
#include "npu_model_priv.h"

/**
 * DOC: Convolutions and products
 *
 * A tile takes NPU_LANES pixels at a time: it packs their inputs into a patch as the inner loops
 * want it, and multiplies that by one column of weights after the other, where these are in
 * memory. Results are complete as soon as all of their terms fit one patch, which is nearly
 * always, and are stored while they are in the cache.
 *
 * Nothing is copied that lies in one piece of the host's memory: rows of inputs are packed from
 * there, weights are read there, results are written there. Weights that a set cannot read, for
 * their strides or because a row of the window is not a multiple of NPU_PATCH_ALIGN terms, are
 * gathered once for all tiles of a command that share them, as are sums of weights, scales and
 * biases.
 *
 * What memory is accessed, and in which order, does not depend on the set of inner loops: a record
 * that was made with one can be replayed with another.
 */

#define NPU_RUN_COLUMNS	64		/* multiplied, then stored */

/* What some lanes of a tile need. */
struct npu_block {
	const struct npu_mac_tile *tile;
	u64 pixel;		/* of the first lane */
	bool fresh;		/* accumulators begin here */
	bool complete;		/* all terms of the results are in the patch */
};

/* ---- Size of tiles ---------------------------------------------------------------------- */

/* Work of some lanes, in parts, see NPU_PART. */

/* What multiplies by one weight. */
static u32 npu_dense_mac_work(const struct npu_command *cmd, u32 lanes)
{
	if (cmd->t[0].esize > 1)
		return lanes * NPU_PART;
	return max_t(u32, lanes * NPU_PART / NPU_MAC_WORK, 1);
}

static u32 npu_dense_weight_work(const struct npu_command *cmd)
{
	const struct npu_mac *m = &cmd->mac;

	if (m->w_dense)
		return 0;
	return NPU_PART * (npu_stride_work(m->w_stride[3], 1) +
			   npu_jump_work(m->w_stride[1], m->window.size[0] > 1, m->w_stride[2],
					 m->window.size[1] > 1) / m->group_in);
}

static u32 npu_dense_input_work(const struct npu_command *cmd)
{
	const struct npu_mac *m = &cmd->mac;
	u32 run = m->group_in * (m->in_dense ? m->window.size[1] : 1);
	u32 each = cmd->t[0].esize;

	if (m->in_stride[2] != cmd->t[0].esize)
		each = NPU_PART * npu_stride_work(m->in_stride[2], 1);
	return each + NPU_PART * npu_mac_jump(m) / run;
}

static u32 npu_dense_store_work(const struct npu_command *cmd)
{
	const struct npu_mac *m = &cmd->mac;

	if (cmd->t[0].esize == 1 && m->out_stride[2] == cmd->t[2].esize)
		return NPU_PART / 4;
	return NPU_PART * (1 + npu_stride_work(m->out_stride[2], m->out_dim[2] > 1));
}

/* A result does not fit a tile: cut its terms. */
static void npu_dense_slices(struct npu_plan *plan, u64 input, u64 weight, u64 column, u64 budget)
{
	plan->columns = min_t(u32, plan->columns, (u32)max_t(u64, input / weight, 1));
	plan->columns = min_t(u32, plan->columns, (u32)max_t(u64, budget / 2 / column, 1));
	plan->slice = (u32)clamp_t(u64, budget / (input + plan->columns * weight), 1, plan->terms);
	if (plan->slice > NPU_PATCH_ALIGN)
		plan->slice -= plan->slice % NPU_PATCH_ALIGN;
	plan->slices = (u32)npu_div_up(plan->terms, plan->slice);
}

/* Blocks of columns that are about equally large, and multiples of what kernels like. */
static u32 npu_dense_block(u32 width, u32 most)
{
	u32 even = (u32)npu_div_up(width, npu_div_up(width, most));
	u32 up = (even + NPU_GROUP - 1) / NPU_GROUP * NPU_GROUP;

	if (up <= most)
		return up;
	return most > NPU_GROUP ? most - most % NPU_GROUP : most;
}

/*
 * Inputs are packed for each block of columns, which takes @once; @column is what one of them
 * takes then. So there are just as many blocks as several cores need, and none of them packs
 * longer than it multiplies.
 */
static void npu_dense_narrow(struct npu_core *core, u64 once, u64 column)
{
	struct npu_mac *m = &core->cmd.mac;
	struct npu_plan *plan = &m->plan;

	while (plan->columns > 2 * NPU_GROUP && plan->columns * column > 2 * once &&
	       npu_mac_few(core)) {
		plan->columns = npu_dense_block(m->group_out, plan->columns / 2);
		npu_mac_tiles(core);
	}
}

void npu_dense_tiles(struct npu_core *core)
{
	struct npu_command *cmd = &core->cmd;
	struct npu_mac *m = &cmd->mac;
	struct npu_plan *plan = &m->plan;
	u64 budget = (u64)NPU_TILE_WORK * NPU_PART, each;
	u64 pixels = (u64)m->out_dim[0] * m->out_dim[1];
	u32 lanes = m->quant.wide ? 1 : (u32)min_t(u64, pixels, NPU_LANES);
	u64 input = (u64)lanes * npu_dense_input_work(cmd);
	u64 weight = npu_dense_mac_work(cmd, lanes) + npu_dense_weight_work(cmd);
	u64 column = lanes * npu_dense_store_work(cmd) +
		     NPU_PART * npu_stride_work(m->w_stride[0], m->group_out > 1);
	u64 once = (u64)lanes * NPU_PART * npu_jump_work(m->out_stride[0], m->out_dim[0] > 1,
							 m->out_stride[1], m->out_dim[1] > 1);

	plan->terms = (u32)cmd->terms;
	plan->columns = min_t(u32, m->group_out, NPU_COLUMNS);
	plan->pixels = lanes;
	plan->slice = plan->terms;
	plan->slices = 1;
	once += cmd->terms * input;
	column += cmd->terms * weight;
	if (once + column > budget) {
		npu_dense_slices(plan, input, weight, column - cmd->terms * weight, budget);
	} else {
		plan->columns = (u32)min_t(u64, plan->columns, (budget - once) / column);
		plan->columns = npu_dense_block(m->group_out, plan->columns);
		each = once + plan->columns * column;
		budget = npu_mac_budget(core, cmd->macs / lanes * npu_dense_mac_work(cmd, lanes));
		plan->pixels *= (u32)clamp_t(u64, budget / each, 1, NPU_TILE_ELEMENTS / lanes);
	}
	npu_mac_tiles(core);
	/* Cores do not share results whose terms are cut. */
	if (plan->slices == 1)
		npu_dense_narrow(core, once, column);
}

/* ---- Patches -------------------------------------------------------------------------- */

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

static u32 npu_patch_align(u32 n)
{
	return (n + NPU_PATCH_ALIGN - 1) & ~(NPU_PATCH_ALIGN - 1u);
}

/*
 * Cut the terms from @from on into pieces, as many as a patch takes, up to @to. Within a piece
 * a result's inputs are equally spaced; a row of the window may be one.
 *
 * Return: the first term that is left.
 */
static u32 npu_patch_cut(struct npu_core *core, u32 from, u32 to)
{
	const struct npu_mac *m = &core->cmd.mac;
	struct npu_scratch *s = &core->scratch;
	struct npu_term t = npu_term_at(m, from);
	struct npu_piece *piece = s->piece;
	u32 at = 0, run;

	s->aligned = true;
	s->pieces = 0;
	while (from < to && at < NPU_PATCH_TERMS && s->pieces < NPU_PIECES) {
		run = m->in_dense ? m->window.size[1] - t.kx : 1;
		run = min_t(u32, run * m->group_in - t.i, to - from);
		run = min_t(u32, run, NPU_PATCH_TERMS - at);
		*piece++ = (struct npu_piece){
			.at = at,
			.n = run,
			.ky = t.ky,
			.kx = t.kx,
			.i = t.i,
			.more = (run + t.i - 1) / m->group_in,
		};
		npu_term_skip(m, &t, run);
		s->aligned &= !(run % NPU_PATCH_ALIGN);
		s->pieces++;
		at += npu_patch_align(run);
		from += run;
	}
	s->patch.terms = at;
	return from;
}

/* Windows of neighbouring pixels: runs, each of them in one row of pixels. */
struct npu_corners {
	u32 lanes;
	u32 runs;
	struct npu_run {
		u32 lanes;
		s64 y;		/* of the first window's corner */
		s64 x;
		u64 va;		/* of the corner, even if it is padding */
	} run[NPU_GROUP];
};

static void npu_corners_init(const struct npu_mac *m, struct npu_corners *c, u64 base, u64 pixel,
			     u32 lanes)
{
	u64 left = pixel, top = npu_mac_row(m, &left);
	struct npu_run *run = c->run;

	c->lanes = lanes;
	for (c->runs = 0; lanes; c->runs++, run++, top++, left = 0) {
		run->lanes = (u32)min_t(u64, lanes, m->out_dim[1] - left);
		run->y = (s64)top * m->window.stride[0] - m->window.pad[0];
		run->x = (s64)left * m->window.stride[1] - m->window.pad[1];
		run->va = base + (u64)m->in_stride[0] * (u64)run->y +
			  (u64)m->in_stride[1] * (u64)run->x;
		lanes -= run->lanes;
	}
}

/* Where the inputs of a piece are, for one result. */
struct npu_place {
	u64 va;			/* of the first that is not padding */
	u32 skip;		/* so many are padding, */
	u32 n;			/* these are not, all others are */
};

/* @x: of the piece; @va: of its first input, if that is not padding */
static struct npu_place npu_piece_place(const struct npu_mac *m, const struct npu_piece *piece,
					s64 x, u64 va)
{
	s64 first = max_t(s64, -x, 0);
	s64 last = min_t(s64, x + piece->more, m->in_dim[1] - 1ll) - x;
	struct npu_place place = { .n = 0 };

	/* Of the piece's columns, those that are in the image. */
	if (last < first || first > piece->more)
		return place;
	place.skip = first ? (u32)first * m->group_in - piece->i : 0;
	place.n = (last < piece->more ? (u32)(last + 1) * m->group_in - piece->i : piece->n) -
		  place.skip;
	place.va = va + (u64)m->in_stride[2] * place.skip;
	return place;
}

/* A piece of a run's lanes: nearly all have no padding. */
struct npu_span {
	u64 va;			/* of the first lane's, even if it is padding */
	s64 x;
	u32 lanes;
	u32 first;		/* without padding, */
	u32 last;		/* up to here */
	bool outside;		/* all of it is padding */
};

static struct npu_span npu_span(const struct npu_mac *m, const struct npu_piece *piece,
				const struct npu_run *run)
{
	s64 down = (s64)piece->ky * m->window.dilation[0];
	s64 right = (s64)piece->kx * m->window.dilation[1];
	s64 stride = m->window.stride[1], edge = (s64)m->in_dim[1] - piece->more;
	struct npu_span span = {
		.va = run->va + (u64)m->in_stride[0] * (u64)down +
		      (u64)m->in_stride[1] * (u64)right + (u64)m->in_stride[2] * piece->i,
		.x = run->x + right,
		.lanes = run->lanes,
		.last = run->lanes,
		.outside = (u64)(run->y + down) >= m->in_dim[0],
	};

	if (span.x < 0)
		span.first = (u32)min_t(u64, npu_div_up((u64)-span.x, (u64)stride), span.lanes);
	if (span.x + (span.lanes - 1) * stride >= edge)
		span.last = edge > span.x ? (u32)npu_div_up((u64)(edge - span.x), (u64)stride) : 0;
	span.last = max_t(u32, span.last, span.first);
	return span;
}

static u64 npu_span_va(const struct npu_mac *m, const struct npu_span *span, u32 lane)
{
	return span->va + (u64)m->in_stride[1] * m->window.stride[1] * lane;
}

static struct npu_place npu_span_place(const struct npu_mac *m, const struct npu_piece *piece,
				       const struct npu_span *span, u32 lane)
{
	u64 va = npu_span_va(m, span, lane);

	if (span->outside)
		return (struct npu_place){ .n = 0 };
	if (lane >= span->first && lane < span->last)
		return (struct npu_place){ .va = va, .n = piece->n };
	return npu_piece_place(m, piece, span->x + (s64)lane * m->window.stride[1], va);
}

/* Widen what is between @low and @high by a span. */
static void npu_span_widen(const struct npu_mac *m, const struct npu_piece *piece,
			   const struct npu_span *span, u64 *low, u64 *high)
{
	struct npu_place place;
	u32 l;

	for (l = 0; l < span->lanes && !span->outside; l++) {
		/* Those between the first and the last are between these two. */
		if (l > span->first && l + 1 < span->last)
			l = span->last - 1;
		place = npu_span_place(m, piece, span, l);
		if (!place.n)
			continue;
		*low = min_t(u64, *low, place.va);
		*high = max_t(u64, *high, place.va + place.n);
	}
}

/*
 * The same if no lane has padding and inputs are neighbours in memory, for few instructions:
 * these are nearly all. Returns the distance between lanes, from @low on; 0: it is not so.
 */
static u64 npu_piece_even(const struct npu_core *core, const struct npu_piece *piece,
			  const struct npu_corners *c, u64 *low)
{
	const struct npu_mac *m = &core->cmd.mac;
	s64 y = c->run->y + (s64)piece->ky * m->window.dilation[0];
	s64 x = c->run->x + (s64)piece->kx * m->window.dilation[1];
	s64 last = x + (s64)(c->lanes - 1) * m->window.stride[1] + piece->more;
	/* May wrap if there is one lane, which has no use for it. */
	s64 pitch = (s64)((u64)m->in_stride[1] * m->window.stride[1]);

	if (c->runs > 1 || y < 0 || y >= m->in_dim[0] || x < 0 || last >= m->in_dim[1] ||
	    m->in_stride[2] != core->cmd.t[0].esize || pitch <= 0 || pitch > NPU_SPAN)
		return 0;
	*low = c->run->va + (u64)m->in_stride[2] * piece->i +
	       (u64)m->in_stride[0] * (u64)(y - c->run->y) +
	       (u64)m->in_stride[1] * (u64)(x - c->run->x);
	return (u64)pitch;
}

/* The inputs of one lane: where they are, or a copy in @row, padding included. */
static const void *npu_piece_row(struct npu_core *core, const struct npu_piece *piece,
				 const struct npu_place *place, const u8 *src, u8 *row)
{
	u32 esize = core->cmd.t[0].esize;

	if (!place->n)
		return core->scratch.outside;
	if (src && place->n == piece->n)
		return src;
	if (!src) {
		src = npu_read_run(core, NPU_PIN_IN, place->va, core->cmd.mac.in_stride[2], esize,
				   place->n, core->scratch.stage[1]);
		if (!src)
			return NULL;
	}
	if (place->n < piece->n)
		memcpy(row, core->scratch.outside, (u64)piece->n * esize);
	memcpy(row + (u64)place->skip * esize, src, (u64)place->n * esize);
	return row;
}

/* The inputs of a span, from @lane of the group on. */
static int npu_span_rows(struct npu_core *core, const struct npu_piece *piece,
			 const struct npu_span *span, u32 lane, const u8 *window, u64 low,
			 const void **row)
{
	const struct npu_mac *m = &core->cmd.mac;
	u64 pitch = (u64)m->in_stride[1] * m->window.stride[1];
	bool even = window && !span->outside;
	struct npu_place place;
	const u8 *src;
	u32 l;

	for (l = span->first; even && l < span->last; l++)
		row[l] = window + (span->va + pitch * l - low);
	for (l = 0; l < span->lanes; l++) {
		if (even && l == span->first)
			l = span->last;
		if (l == span->lanes)
			break;
		place = npu_span_place(m, piece, span, l);
		src = window && place.n ? window + (place.va - low) : NULL;
		row[l] = npu_piece_row(core, piece, &place, src,
				       core->scratch.stage[0] + (lane + l) * NPU_PATCH_TERMS * 2);
		if (!row[l])
			return -1;
	}
	return 0;
}

/*
 * The inputs of all lanes, where they are or where they have been copied to. Not for each caller's
 * stack.
 */
static noinline int npu_piece_rows(struct npu_core *core, const struct npu_piece *piece,
				   const struct npu_corners *c, const void **row)
{
	const struct npu_mac *m = &core->cmd.mac;
	struct npu_span span[NPU_GROUP];
	const u8 *window = NULL;
	u64 low = ~0ull, high = 0;
	u32 i, lane;

	for (i = 0; i < c->runs; i++) {
		span[i] = npu_span(m, piece, &c->run[i]);
		npu_span_widen(m, piece, &span[i], &low, &high);
	}
	/* Elements of bytes, at most, lie from @low on: the end is that of the last one. */
	if (m->in_stride[2] == 1 && core->cmd.t[0].esize == 1 &&
	    npu_mac_borrow(core, low, high, &window))
		return -1;
	for (i = 0, lane = 0; i < c->runs; lane += span[i].lanes, i++)
		if (npu_span_rows(core, piece, &span[i], lane, window, low, row + lane))
			return -1;
	return 0;
}

static void npu_piece_put(struct npu_core *core, const struct npu_piece *piece, u32 lane, u32 lanes,
			  const void *const *row)
{
	struct npu_patch *patch = &core->scratch.patch;

	if (core->cmd.mac.quant.wide)
		memcpy((s16 *)patch->data + piece->at, row[0], piece->n * sizeof(s16));
	else
		core->model->kernels.pack(patch, lane, lanes, piece->at, row, piece->n);
}

/* One piece of all lanes, if these are even; returns whether they are, or -1. */
static int npu_piece_pack_even(struct npu_core *core, const struct npu_piece *piece, u32 lane,
			       const struct npu_corners *corners)
{
	u64 pitch, low, size = (u64)piece->n * core->cmd.t[0].esize;
	const void *row[NPU_GROUP];
	const u8 *window;
	u32 i, l, n;

	pitch = npu_piece_even(core, piece, corners, &low);
	if (!pitch)
		return 0;
	if (npu_mac_borrow(core, low, low + size + pitch * (corners->lanes - 1), &window))
		return -1;
	for (i = 0; window && i < corners->lanes; i += n) {
		n = min_t(u32, corners->lanes - i, NPU_GROUP);
		for (l = 0; l < n; l++, window += pitch)
			row[l] = window;
		npu_piece_put(core, piece, lane + i, n, row);
	}
	return window ? 1 : 0;
}

/* One piece of up to NPU_GROUP lanes. */
static int npu_piece_pack(struct npu_core *core, const struct npu_piece *piece, u32 lane,
			  const struct npu_corners *corners)
{
	int even = npu_piece_pack_even(core, piece, lane, corners);
	const void *row[NPU_GROUP];

	if (even)
		return even < 0 ? -1 : 0;
	if (npu_piece_rows(core, piece, corners, row))
		return -1;
	npu_piece_put(core, piece, lane, corners->lanes, row);
	return 0;
}

/* All pieces of up to NPU_GROUP lanes but those that are @done. */
static noinline int npu_patch_group(struct npu_core *core, const struct npu_mac_tile *p, u64 pixel,
				    u32 lane, u32 lanes, u64 done)
{
	const struct npu_mac *m = &core->cmd.mac;
	u64 base = p->in + (u64)m->in_stride[2] * p->group * m->group_in;
	struct npu_corners corners;
	u32 i;

	npu_corners_init(m, &corners, base, pixel + lane, lanes);
	for (i = 0; i < core->scratch.pieces; i++)
		if (!(done & 1ull << i) &&
		    npu_piece_pack(core, &core->scratch.piece[i], lane, &corners))
			return -1;
	return 0;
}

/* The inputs of neighbouring pixels: of all of them at once if they are in one row. */
static int npu_patch_fill(struct npu_core *core, const struct npu_mac_tile *p, u64 pixel,
			  u32 lanes)
{
	const struct npu_mac *m = &core->cmd.mac;
	u64 base = p->in + (u64)m->in_stride[2] * p->group * m->group_in;
	struct npu_patch *patch = &core->scratch.patch;
	struct npu_corners corners;
	u32 lane, i, left = core->scratch.pieces;
	u64 done = 0, column = pixel;
	bool one_row;
	int even;

	patch->type = core->cmd.t[0].type;
	patch->zero_point = core->cmd.t[0].zero_point;
	patch->lanes = lanes;
	npu_mac_row(m, &column);
	one_row = column + lanes <= m->out_dim[1];
	if (one_row)
		npu_corners_init(m, &corners, base, pixel, lanes);
	for (i = 0; one_row && i < core->scratch.pieces; i++) {
		even = npu_piece_pack_even(core, &core->scratch.piece[i], 0, &corners);
		if (even < 0)
			return -1;
		done |= (u64)even << i;
		left -= (u32)even;
	}
	for (lane = 0; left && lane < lanes; lane += NPU_GROUP)
		if (npu_patch_group(core, p, pixel, lane, min_t(u32, lanes - lane, NPU_GROUP),
				    done))
			return -1;
	return 0;
}

/* What inputs outside the image are. */
static void npu_patch_outside(struct npu_core *core)
{
	const struct npu_operand *in = &core->cmd.t[0];
	struct npu_scratch *s = &core->scratch;
	s16 *wide = (s16 *)s->outside;
	u32 i;

	if (in->esize == 1) {
		memset(s->outside, in->zero_point, NPU_PATCH_TERMS);
		return;
	}
	for (i = 0; i < NPU_PATCH_TERMS; i++)
		wide[i] = (s16)in->zero_point;
}

/* ---- Results ------------------------------------------------------------------------------ */

/* Results that are not scaled: accumulators of one lane after the other. */
static int npu_mac_store_plain(struct npu_core *core, const struct npu_limits *l, u64 va,
			       const u32 *acc, u32 columns)
{
	struct npu_scratch *s = &core->scratch;
	u32 c;

	for (c = 0; c < columns; c++)
		s->wide[2][c] = clamp_t(s32, (s32)acc[c * NPU_LANES], l->min, l->max);
	return npu_write_run(core, va, core->cmd.mac.out_stride[2], sizeof(s32), columns,
			     s->wide[2]);
}

/* How columns from @column of the tile on are scaled. */
static struct npu_scaling npu_mac_scaling(const struct npu_core *core, u32 column)
{
	const struct npu_mac *m = &core->cmd.mac;
	u32 step = m->quant.count != 1;

	return (struct npu_scaling){
		.factor = core->scratch.factor + column * step,
		.step = step,
		.limits = &m->quant.limits,
		.small = core->scratch.small,
	};
}

/* Distance of the results of neighbouring lanes, if it is always the same and they fit; or 0. */
static u64 npu_mac_pitch(const struct npu_core *core, u64 pixel, u32 lanes, u64 size)
{
	const struct npu_mac *m = &core->cmd.mac;
	s64 pitch = m->out_stride[1];

	if (m->out_stride[2] != core->cmd.t[2].esize)
		return 0;
	if (lanes == 1)
		return size;
	if (m->out_stride[0] != pitch * m->out_dim[1] &&
	    pixel % m->out_dim[1] + lanes > m->out_dim[1])
		return 0;
	return pitch >= (s64)size && pitch <= NPU_SPAN ? (u64)pitch : 0;
}

/* Scale, clamp and store some columns of up to NPU_GROUP lanes, one after the other. */
static int npu_mac_store_group(struct npu_core *core, const u64 *va, const u32 *acc, u32 lanes,
			       u32 column, u32 columns)
{
	const struct npu_mac *m = &core->cmd.mac;
	const struct npu_operand *out = &core->cmd.t[2];
	struct npu_scratch *s = &core->scratch;
	struct npu_scaling scaling = npu_mac_scaling(core, column);
	u64 pitch = (u64)columns * out->esize;
	u32 l;

	core->model->kernels.store(s->stage[2], (s64)pitch, out->type, acc, &scaling, lanes,
				   columns);
	for (l = 0; l < lanes; l++)
		if (npu_write_run(core, va[l], m->out_stride[2], out->esize, columns,
				  s->stage[2] + pitch * l))
			return -1;
	return 0;
}

/* The same where results do not lie together. */
static int npu_mac_store_apart(struct npu_core *core, const struct npu_block *b, const u32 *acc,
			       u32 column, u32 columns)
{
	const struct npu_mac *m = &core->cmd.mac;
	u64 va[NPU_LANES], row = npu_mac_out(m, b->tile, b->pixel);
	u32 lanes = core->scratch.patch.lanes;
	u64 x = b->pixel % m->out_dim[1];
	u32 l;

	row += (u64)m->out_stride[2] * column;
	for (l = 0; l < lanes; l++) {
		va[l] = row;
		row += (u64)m->out_stride[1];
		if (++x == m->out_dim[1]) {
			row += (u64)m->out_stride[0] - (u64)m->out_stride[1] * x;
			x = 0;
		}
	}
	for (l = 0; m->quant.rounding == NPU_ROUND_NONE && l < lanes; l++)
		if (npu_mac_store_plain(core, &m->quant.limits, va[l], acc + l, columns))
			return -1;
	for (l = 0; m->quant.rounding != NPU_ROUND_NONE && l < lanes; l += NPU_GROUP)
		if (npu_mac_store_group(core, va + l, acc + l, min_t(u32, lanes - l, NPU_GROUP),
					column, columns))
			return -1;
	return 0;
}

/* Some columns, from @column of the tile on, of the patch's lanes. */
static int npu_mac_store(struct npu_core *core, const struct npu_block *b, const u32 *acc,
			 u32 column, u32 columns)
{
	const struct npu_mac *m = &core->cmd.mac;
	struct npu_scaling scaling = npu_mac_scaling(core, column);
	u64 va = npu_mac_out(m, b->tile, b->pixel) + (u64)m->out_stride[2] * column;
	u64 size = (u64)columns * core->cmd.t[2].esize;
	u32 lanes = core->scratch.patch.lanes;
	u64 pitch = 0, got;
	void *dst;

	if (m->quant.rounding != NPU_ROUND_NONE)
		pitch = npu_mac_pitch(core, b->pixel, lanes, size);
	if (!pitch)
		return npu_mac_store_apart(core, b, acc, column, columns);
	size += pitch * (lanes - 1);
	dst = npu_pin(core, NPU_PIN_OUT, va, size, &got);
	if (!dst)
		return -1;
	if (got < size)
		return npu_mac_store_apart(core, b, acc, column, columns);
	core->model->kernels.store(dst, (s64)pitch, core->cmd.t[2].type, acc, &scaling, lanes,
				   columns);
	return 0;
}

/* ---- Weights ------------------------------------------------------------------------------ */

/*
 * Sums of the weights of some columns, from @column of the tile on. Those of the first columns
 * of the group are kept for other lanes, if they are of all terms.
 */
static const u32 *npu_mac_sums(struct npu_core *core, const struct npu_block *b, const void *w,
			       s64 pitch, u32 column, u32 columns)
{
	u32 first = b->tile->column - b->tile->group * core->cmd.mac.group_out + column;
	struct npu_scratch *s = &core->scratch;
	bool keep = b->complete && first + columns <= NPU_COLUMNS;

	if (!keep)
		first = 0;
	if (keep && !memchr(s->summed + first, 0, columns))
		return s->sum + first;
	core->model->kernels.sums(s->sum + first, w, core->cmd.t[1].type, pitch, columns,
				  s->patch.terms);
	memset(s->summed + first, keep, columns);
	return s->sum + first;
}

/* What the accumulators of some columns begin with, or get in addition. */
static void npu_mac_start(struct npu_core *core, const struct npu_block *b, const void *w,
			  s64 pitch, u32 column, u32 columns)
{
	struct npu_scratch *s = &core->scratch;
	u32 offset = (u32)s->patch.offset;
	const u32 *sum;
	u32 c;

	if (b->fresh)
		memcpy(s->start, s->bias + column, columns * sizeof(s->start[0]));
	else
		memset(s->start, 0, columns * sizeof(s->start[0]));
	if (!offset)
		return;
	sum = npu_mac_sums(core, b, w, pitch, column, columns);
	for (c = 0; c < columns; c++)
		s->start[c] -= offset * sum[c];
}

/* sum x * (w - zero) = sum x * w - zero * sum x */
static void npu_mac_zero_point(struct npu_core *core, u32 *acc, u32 columns)
{
	u32 zero = (u32)core->cmd.mac.quant.weight_zero_point;
	struct npu_scratch *s = &core->scratch;
	u32 c, l;

	for (c = 0; c < columns; c++, acc += NPU_LANES)
		for (l = 0; l < s->patch.lanes; l++)
			acc[l] -= zero * s->lane_sum[l];
}

/* Sums of the lanes, if weights have a zero point: the ones are a column of weights. */
static void npu_mac_lane_sums(struct npu_core *core)
{
	struct npu_scratch *s = &core->scratch;
	u32 start = 0;
	u32 i, n = 0;

	if (!core->cmd.mac.quant.weight_zero_point)
		return;
	memset(s->ones, 0, s->patch.terms);
	for (i = 0; i < s->pieces; i++) {
		memset(s->ones + s->piece[i].at, 1, s->piece[i].n);
		n += s->piece[i].n;
	}
	if (core->cmd.mac.quant.wide)
		return;
	start -= (u32)s->patch.offset * n;
	core->model->kernels.mac(s->lane_sum, &s->patch, s->ones, NPU_TYPE_U8, 0, 1, &start, true);
}

/* 64-bit accumulators have one lane. */
static void npu_mac_wide_run(struct npu_core *core, const void *w, s64 pitch, u32 column,
			     u32 columns)
{
	u64 zero = (u64)(s64)core->cmd.mac.quant.weight_zero_point;
	const struct npu_kernels *k = &core->model->kernels;
	struct npu_scratch *s = &core->scratch;
	const s16 *x = (const s16 *)s->patch.data;
	u64 sum = 0;
	u32 c;

	k->mac_wide(s->acc_wide + column, x, s->patch.zero_point, w, core->cmd.t[1].type, pitch,
		    columns, s->patch.terms);
	if (!zero)
		return;
	k->mac_wide(&sum, x, s->patch.zero_point, s->ones, NPU_TYPE_U8, 0, 1, s->patch.terms);
	for (c = column; c < column + columns; c++)
		s->acc_wide[c] -= zero * sum;
}

/* Columns whose weights lie @pitch bytes apart; complete results are stored at once. */
static int npu_mac_columns(struct npu_core *core, const struct npu_block *b, const void *w,
			   s64 pitch, u32 column, u32 columns)
{
	const struct npu_kernels *k = &core->model->kernels;
	struct npu_scratch *s = &core->scratch;
	const u8 *from = w;
	u32 n;
	u32 *acc;

	if (core->cmd.mac.quant.wide) {
		npu_mac_wide_run(core, w, pitch, column, columns);
		return 0;
	}
	for (; columns; columns -= n, column += n, from += pitch * n) {
		if (npu_leaving(core))
			return -1;
		n = min_t(u32, columns, NPU_RUN_COLUMNS);
		acc = s->acc + (b->complete ? 0 : column) * NPU_LANES;
		npu_mac_start(core, b, from, pitch, column, n);
		k->mac(acc, &s->patch, from, core->cmd.t[1].type, pitch, n, s->start, b->fresh);
		if (core->cmd.mac.quant.weight_zero_point)
			npu_mac_zero_point(core, acc, n);
		if (b->complete && npu_mac_store(core, b, acc, column, n))
			return -1;
	}
	return 0;
}

/* Columns of contiguous weights, as many at a time as lie together in memory. */
static int npu_mac_dense(struct npu_core *core, const struct npu_block *b, u64 va)
{
	const struct npu_mac *m = &core->cmd.mac;
	u64 pitch = m->w_stride[0] > 0 ? (u64)m->w_stride[0] : 0;
	/* Memory between columns is borrowed for nothing. */
	u64 more = pitch <= NPU_BUS_WINDOW ? pitch : 0;
	u32 n = core->scratch.patch.terms, columns = b->tile->columns;
	const void *w;
	u32 c, run;
	u64 got;

	for (c = 0; c < columns; c += run, va += (u64)m->w_stride[0] * run) {
		w = npu_pin(core, NPU_PIN_IN2, va, more * (columns - c - 1) + n, &got);
		if (!w)
			return -1;
		run = 1;
		if (got >= n) {
			if (pitch)
				run = (u32)min_t(u64, (got - n) / pitch + 1, columns - c);
		} else {
			/* This one lies on two pages or more. */
			w = core->scratch.stage[1];
			if (npu_read(core, NPU_PIN_IN2, va, core->scratch.stage[1], n))
				return -1;
		}
		if (npu_mac_columns(core, b, w, (s64)pitch, c, run))
			return -1;
	}
	return 0;
}

/* One column of weights with any strides, as the pieces of the patch want it. */
static int npu_mac_gather(struct npu_core *core, u64 base, u8 *to)
{
	const struct npu_mac *m = &core->cmd.mac;
	struct npu_scratch *s = &core->scratch;
	u32 esize = core->cmd.t[1].esize;
	const struct npu_piece *piece;
	s64 stride = m->w_dense ? 1 : m->w_stride[3];
	struct npu_term t;
	u32 i, at, run;
	const void *w;
	u64 va;

	memset(to, 0, (u64)s->patch.terms * esize);
	for (i = 0; i < s->pieces; i++) {
		piece = &s->piece[i];
		t = (struct npu_term){ piece->ky, piece->kx, piece->i };
		for (at = 0; at < piece->n; at += run) {
			run = m->w_dense ? piece->n : min_t(u32, piece->n - at, m->group_in - t.i);
			va = base + (u64)m->w_stride[1] * t.ky + (u64)m->w_stride[2] * t.kx +
			     (u64)m->w_stride[3] * t.i;
			w = npu_read_run(core, NPU_PIN_IN2, va, stride, esize, run, s->stage[1]);
			if (!w)
				return -1;
			memcpy(to + (u64)(piece->at + at) * esize, w, (u64)run * esize);
			npu_term_skip(m, &t, run);
		}
	}
	return 0;
}

/* Columns whose weights are brought together first; they are kept if there is room for all. */
static int npu_mac_sparse(struct npu_core *core, const struct npu_block *b, u64 va)
{
	const struct npu_mac *m = &core->cmd.mac;
	struct npu_scratch *s = &core->scratch;
	u64 pitch = (u64)s->patch.terms * core->cmd.t[1].esize;
	u32 most = (u32)(NPU_GATHERED / pitch);
	bool keep = b->complete && b->tile->columns <= most;
	u32 c, i, n;

	for (c = 0; c < b->tile->columns; c += n) {
		n = min_t(u32, b->tile->columns - c, most);
		for (i = keep ? s->gathers : 0; i < n; i++)
			if (npu_mac_gather(core, va + (u64)m->w_stride[0] * (c + i),
					   s->gathered + pitch * i))
				return -1;
		if (keep)
			s->gathers = n;
		if (npu_mac_columns(core, b, s->gathered, (s64)pitch, c, n))
			return -1;
	}
	return 0;
}

/* ---- Tiles ------------------------------------------------------------------------------- */

/* All results of up to NPU_LANES neighbouring pixels. */
static int npu_dense_pixels(struct npu_core *core, const struct npu_mac_tile *p, u64 pixel,
			    u32 lanes)
{
	const struct npu_mac *m = &core->cmd.mac;
	struct npu_scratch *s = &core->scratch;
	u64 w = p->w + (u64)m->w_stride[0] * p->column;
	struct npu_block b = { .tile = p, .pixel = pixel };
	u32 from, to;
	int err;

	if (p->slice.first && m->quant.wide)
		memcpy(s->acc_wide, s->bias_wide, p->columns * sizeof(s->acc_wide[0]));
	for (from = p->slice.from; from < p->slice.to; from = to) {
		to = npu_patch_cut(core, from, p->slice.to);
		b.fresh = !from;
		b.complete = b.fresh && to == m->plan.terms;
		if (npu_patch_fill(core, p, pixel, lanes))
			return -1;
		npu_mac_lane_sums(core);
		err = m->w_dense && s->aligned ? npu_mac_dense(core, &b, w + from) :
						 npu_mac_sparse(core, &b, w);
		if (err)
			return -1;
	}
	if (!p->slice.last || (b.complete && !m->quant.wide))
		return 0;
	return m->quant.wide ? npu_mac_store_row(core, p, pixel, NULL) :
			       npu_mac_store(core, &b, s->acc, 0, p->columns);
}

/* Forget what is known of other weights than those of this tile. */
static void npu_dense_weights(struct npu_core *core, const struct npu_mac_tile *p)
{
	const struct npu_mac *m = &core->cmd.mac;
	u64 group = p->w + (u64)m->w_stride[0] * p->group * m->group_out;
	u64 first = p->w + (u64)m->w_stride[0] * p->column;
	struct npu_scratch *s = &core->scratch;

	if (s->sum_va != group)
		memset(s->summed, 0, sizeof(s->summed));
	if (s->gather_va != first)
		s->gathers = 0;
	s->sum_va = group;
	s->gather_va = first;
}

int npu_dense_tile(struct npu_core *core, const struct npu_mac_tile *p)
{
	u32 i, lanes;

	npu_dense_weights(core, p);
	npu_patch_outside(core);
	for (i = 0; i < p->pixels; i += lanes) {
		lanes = core->cmd.mac.quant.wide ? 1 : NPU_LANES;
		lanes = min_t(u32, p->pixels - i, lanes);
		if (npu_dense_pixels(core, p, p->pixel + i, lanes))
			return -1;
	}
	return 0;
}

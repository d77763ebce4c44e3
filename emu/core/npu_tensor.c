// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Operands: decoding of descriptors, the checks that all commands share, and
 * the way through tensors of equal shape.
 */
#include "npu_model_priv.h"

static u32 npu_type_size(u32 type)
{
	switch (type) {
	case NPU_TYPE_BOOL:
	case NPU_TYPE_U8:
	case NPU_TYPE_S8:
		return 1;
	case NPU_TYPE_S16:
		return 2;
	case NPU_TYPE_S32:
		return 4;
	case NPU_TYPE_S64:
		return 8;
	default:
		return 0;
	}
}

/* ---- Decoding -------------------------------------------------------------------- */

void npu_operand_load(struct npu_operand *t, const struct npu_tensor *raw)
{
	u32 i;

	t->type = raw->type;
	t->rank = raw->rank;
	t->layout = raw->layout;
	t->base = raw->base;
	t->esize = npu_type_size(raw->type);
	t->zero_point = (s32)le32_to_cpu(raw->zero_point);
	t->offset = (s64)le64_to_cpu(raw->offset);
	for (i = 0; i < NPU_ISA_MAX_RANK; i++) {
		t->dim[i] = le32_to_cpu(raw->dim[i]);
		t->stride[i] = (s64)le64_to_cpu(raw->stride[i]);
	}
}

void npu_array_load(struct npu_array *a, const struct npu_ref *raw, u64 size, u32 align)
{
	a->base = raw->base;
	a->offset = (s64)le64_to_cpu(raw->offset);
	a->size = size;
	a->align = align;
	a->write = false;
}

void npu_quant_load(struct npu_quant *q, const struct npu_requant *raw)
{
	q->rounding = raw->rounding;
	q->wide = q->rounding == NPU_ROUND_WIDE;
	q->bias_type = raw->bias_type;
	q->count = le32_to_cpu(raw->count);
	q->limits.min = (s32)le32_to_cpu(raw->clamp_min);
	q->limits.max = (s32)le32_to_cpu(raw->clamp_max);
	q->weight_zero_point = (s32)le32_to_cpu(raw->weight_zero_point);
}

/* ---- Checks, in the order of enum npu_illegal ---------------------------------------- */

bool npu_ref_reserved(const struct npu_ref *ref)
{
	u32 i;

	for (i = 0; i < sizeof(ref->reserved); i++)
		if (ref->reserved[i])
			return true;
	return false;
}

bool npu_requant_reserved(const struct npu_requant *q)
{
	return q->reserved0 || q->reserved1 || npu_ref_reserved(&q->scale) ||
	       npu_ref_reserved(&q->bias);
}

enum npu_illegal npu_check_layout(struct npu_core *core)
{
	u32 i;

	for (i = 0; i < core->cmd.operands; i++)
		if (core->cmd.t[i].layout != NPU_LAYOUT_LINEAR)
			return NPU_ILLEGAL_MODE;
	return NPU_ILLEGAL_NONE;
}

bool npu_type_in(u32 type, u32 mask)
{
	return type < 32 && mask >> type & 1;
}

static bool npu_shape_good(struct npu_operand *t)
{
	s64 span;
	u32 i;

	t->elements = 1;
	t->low = t->offset;
	t->high = t->offset;
	if (t->rank > NPU_ISA_MAX_RANK || t->offset % t->esize)
		return false;
	for (i = 0; i < NPU_ISA_MAX_RANK; i++) {
		if (i >= t->rank) {
			if (t->dim[i] || t->stride[i])
				return false;
			continue;
		}
		if (!t->dim[i] || t->dim[i] > NPU_SIZE_MAX || t->stride[i] % t->esize)
			return false;
		if (check_mul_overflow(t->stride[i], (s64)t->dim[i] - 1, &span))
			return false;
		if (check_add_overflow(span < 0 ? t->low : t->high, span,
				       span < 0 ? &t->low : &t->high))
			return false;
		t->elements = npu_mul_sat(t->elements, t->dim[i]);
	}
	return !check_add_overflow(t->high, (s64)t->esize - 1, &t->high);
}

/* No two elements of an output share a byte, so that their order is no matter. */
static bool npu_output_good(const struct npu_operand *t)
{
	u64 reach = t->esize;
	u32 done = 0;
	u32 i, k, best;
	u64 step, least;

	for (k = 0; k < t->rank; k++) {
		best = NPU_ISA_MAX_RANK;
		least = ~0ull;
		for (i = 0; i < t->rank; i++) {
			step = t->stride[i] < 0 ? -(u64)t->stride[i] : (u64)t->stride[i];
			if (!(done >> i & 1) && t->dim[i] > 1 && step <= least) {
				least = step;
				best = i;
			}
		}
		if (best == NPU_ISA_MAX_RANK)
			break;
		if (least < reach)
			return false;
		reach += least * (t->dim[best] - 1);
		done |= 1u << best;
	}
	return true;
}

static bool npu_array_good(const struct npu_array *a)
{
	s64 end;

	if (!a->size)
		return true;
	return !(a->offset % a->align) &&
	       !check_add_overflow(a->offset, (s64)a->size - 1, &end);
}

enum npu_illegal npu_check_shapes(struct npu_core *core)
{
	struct npu_command *cmd = &core->cmd;
	u32 i;

	for (i = 0; i < cmd->operands; i++)
		if (!npu_shape_good(&cmd->t[i]))
			return NPU_ILLEGAL_SHAPE;
	for (i = 0; i < cmd->arrays; i++)
		if (!npu_array_good(&cmd->a[i]))
			return NPU_ILLEGAL_SHAPE;
	if (cmd->operands && !npu_output_good(&cmd->t[cmd->operands - 1]))
		return NPU_ILLEGAL_SHAPE;
	return NPU_ILLEGAL_NONE;
}

bool npu_same_shape(const struct npu_operand *a, const struct npu_operand *b)
{
	return a->rank == b->rank && !memcmp(a->dim, b->dim, sizeof(a->dim));
}

/**
 * npu_check_window() - does a window stay inside the padded input
 * @w: window
 * @pad_end: elements behind the input
 * @in: rows and columns of the input
 * @out: rows and columns of the output
 */
enum npu_illegal npu_check_window(const struct npu_window *w, const u32 *pad_end,
				  const u32 *in, const u32 *out)
{
	u64 reach;
	u32 i;

	for (i = 0; i < 2; i++) {
		if (!w->size[i] || w->size[i] > NPU_WINDOW_MAX)
			return NPU_ILLEGAL_SHAPE;
		if (!w->stride[i] || w->stride[i] > NPU_WINDOW_MAX)
			return NPU_ILLEGAL_SHAPE;
		if (!w->dilation[i] || w->dilation[i] > NPU_WINDOW_MAX)
			return NPU_ILLEGAL_SHAPE;
		if (w->pad[i] > NPU_WINDOW_MAX || pad_end[i] > NPU_WINDOW_MAX)
			return NPU_ILLEGAL_SHAPE;
		reach = (u64)(out[i] - 1) * w->stride[i] +
			(u64)(w->size[i] - 1) * w->dilation[i] + 1;
		if (reach > (u64)in[i] + w->pad[i] + pad_end[i])
			return NPU_ILLEGAL_SHAPE;
	}
	return NPU_ILLEGAL_NONE;
}

bool npu_fits(s32 value, u32 type)
{
	switch (type) {
	case NPU_TYPE_U8:
		return value >= 0 && value <= 255;
	case NPU_TYPE_S8:
		return value >= -128 && value <= 127;
	case NPU_TYPE_S16:
		return value >= -32768 && value <= 32767;
	default:
		return true;
	}
}

enum npu_illegal npu_check_zero_points(struct npu_core *core)
{
	const struct npu_operand *t = core->cmd.t;
	u32 i;

	for (i = 0; i < core->cmd.operands; i++) {
		if (!t[i].zero_point)
			continue;
		if (!npu_type_in(t[i].type, NPU_TYPES_BYTE) ||
		    !npu_fits(t[i].zero_point, t[i].type))
			return NPU_ILLEGAL_QUANT;
	}
	return NPU_ILLEGAL_NONE;
}

enum npu_illegal npu_check_limits(const struct npu_limits *l, u32 type)
{
	if (l->min > l->max || !npu_fits(l->min, type) || !npu_fits(l->max, type))
		return NPU_ILLEGAL_QUANT;
	return NPU_ILLEGAL_NONE;
}

static bool npu_ref_zero(const struct npu_ref *ref)
{
	return !ref->base && !ref->offset;
}

/**
 * npu_check_quant() - requantisation block of a command with accumulators
 * @q: decoded
 * @raw: as it came; what is not used has to be zero
 * @weight: weights
 * @out: output, whose last dimension are the channels
 */
enum npu_illegal npu_check_quant(const struct npu_quant *q, const struct npu_requant *raw,
				 const struct npu_operand *weight,
				 const struct npu_operand *out)
{
	u32 channels = out->dim[out->rank - 1];
	u32 bias = q->wide ? NPU_TYPE_S64 : NPU_TYPE_S32;

	if (q->bias_type == NPU_TYPE_NONE ? !npu_ref_zero(&raw->bias) : q->bias_type != bias)
		return NPU_ILLEGAL_QUANT;
	if (raw->axis != out->rank - 1)
		return NPU_ILLEGAL_QUANT;
	if (q->rounding == NPU_ROUND_NONE && (q->count || !npu_ref_zero(&raw->scale)))
		return NPU_ILLEGAL_QUANT;
	if (q->rounding != NPU_ROUND_NONE && q->count != 1 && q->count != channels)
		return NPU_ILLEGAL_QUANT;
	if (weight->zero_point || !npu_fits(q->weight_zero_point, weight->type))
		return NPU_ILLEGAL_QUANT;
	return npu_check_limits(&q->limits, out->type);
}

/* ---- Places in memory ------------------------------------------------------------------ */

static bool npu_base_good(const struct npu_core *core, u32 index, u32 align)
{
	const struct npu_base_entry *b = &core->job.base[index % NPU_ISA_MAX_BASES];

	return index < core->job.bases && b->valid && !(b->va % align);
}

static enum npu_illegal npu_check_bases(struct npu_core *core)
{
	struct npu_command *cmd = &core->cmd;
	u32 i;

	for (i = 0; i < cmd->operands; i++)
		if (!npu_base_good(core, cmd->t[i].base, cmd->t[i].esize))
			return NPU_ILLEGAL_BASE;
	for (i = 0; i < cmd->arrays; i++)
		if (cmd->a[i].size && !npu_base_good(core, cmd->a[i].base, cmd->a[i].align))
			return NPU_ILLEGAL_BASE;
	return NPU_ILLEGAL_NONE;
}

/* The bytes from @low to @high, both relative to the base, may be accessed. */
static int npu_check_bounds(struct npu_core *core, u32 index, s64 low, s64 high, bool write)
{
	const struct npu_base_entry *b = &core->job.base[index];
	enum npu_access access = write ? NPU_ACCESS_WRITE : NPU_ACCESS_READ;

	if (low < 0)
		return npu_fault(core, NPU_FAULT_BOUNDS, 0, b->va + (u64)low, access);
	if ((u64)high >= b->size)
		return npu_fault(core, NPU_FAULT_BOUNDS, 0, b->va + (u64)high, access);
	if (write && !(b->flags & NPU_BASE_WRITE))
		return npu_fault(core, NPU_FAULT_BOUNDS, 0, b->va + (u64)low, access);
	return 0;
}

static int npu_check_extents(struct npu_core *core)
{
	struct npu_command *cmd = &core->cmd;
	struct npu_operand *t;
	struct npu_array *a;
	u32 i;

	for (i = 0; i < cmd->operands; i++) {
		t = &cmd->t[i];
		if (npu_check_bounds(core, t->base, t->low, t->high, i + 1 == cmd->operands))
			return -1;
		t->va = core->job.base[t->base].va + (u64)t->offset;
	}
	for (i = 0; i < cmd->arrays; i++) {
		a = &cmd->a[i];
		if (!a->size)
			continue;
		if (npu_check_bounds(core, a->base, a->offset,
				     a->offset + ((s64)a->size - 1), a->write))
			return -1;
		a->va = core->job.base[a->base].va + (u64)a->offset;
	}
	return 0;
}

/* Does every element of one tensor lie where the same one of the other does? */
static bool npu_same_place(const struct npu_operand *a, const struct npu_operand *b)
{
	u32 i;

	if (a->va != b->va || a->esize != b->esize || !npu_same_shape(a, b))
		return false;
	for (i = 0; i < a->rank; i++)
		if (a->dim[i] > 1 && a->stride[i] != b->stride[i])
			return false;
	return true;
}

static bool npu_overlaps(struct npu_core *core)
{
	struct npu_command *cmd = &core->cmd;
	const struct npu_operand *out, *t;
	const struct npu_array *a;
	u64 low, high, from, to;
	u32 i;

	if (!cmd->operands)
		return false;
	out = &cmd->t[cmd->operands - 1];
	low = out->va + (u64)(out->low - out->offset);
	high = out->va + (u64)(out->high - out->offset);
	for (i = 0; i + 1 < cmd->operands; i++) {
		t = &cmd->t[i];
		from = t->va + (u64)(t->low - t->offset);
		to = t->va + (u64)(t->high - t->offset);
		if (from <= high && low <= to &&
		    !(cmd->in_place && npu_same_place(t, out)))
			return true;
	}
	for (i = 0; i < cmd->arrays; i++) {
		a = &cmd->a[i];
		if (a->size && a->va <= high && low <= a->va + a->size - 1)
			return true;
	}
	return false;
}

static bool npu_too_much(struct npu_core *core)
{
	const struct npu_model_config *config = &core->model->config;
	struct npu_command *cmd = &core->cmd;
	u64 most = 1ull << config->bytes_max_order;
	u64 bytes = 0;
	u64 size;
	u32 i;

	for (i = 0; i < cmd->operands; i++) {
		size = npu_mul_sat(cmd->t[i].elements, cmd->t[i].esize);
		if (size > most)
			return true;
		bytes += size;
	}
	for (i = 0; i < cmd->arrays; i++)
		bytes += cmd->a[i].size;
	return bytes > most || cmd->macs > 1ull << config->macs_max_order ||
	       cmd->terms > NPU_TERMS_MAX;
}

/**
 * npu_check_places() - last part of the checks, equal for all commands
 * @core: with the command decoded and its work computed
 *
 * Bases, extents inside their bases, overlap, amount of work. Sets the
 * addresses of the operands.
 *
 * Return: 0 or -1 with a fault recorded.
 */
int npu_check_places(struct npu_core *core)
{
	enum npu_illegal why = npu_check_bases(core);

	if (why)
		return npu_illegal(core, why);
	if (npu_check_extents(core))
		return -1;
	if (npu_overlaps(core))
		return npu_illegal(core, NPU_ILLEGAL_OVERLAP);
	if (npu_too_much(core))
		return npu_illegal(core, NPU_ILLEGAL_LIMIT);
	return 0;
}

/* ---- Size of tiles ------------------------------------------------------------------------ */

/* What an element costs that lies @times * @stride bytes behind the one before. */
u32 npu_stride_work(s64 stride, u32 times)
{
	u64 step = stride < 0 ? -(u64)stride : (u64)stride;
	u64 page = 1ull << NPU_PT_SHIFT(0);

	if (!times)
		return 0;
	step = min_t(u64, step, page) * times;
	return (u32)clamp_t(u64, step * NPU_PIN_WORK / page, 1, NPU_PIN_WORK);
}

/* What the way from one run of elements to the next costs, by two outer dimensions. */
u32 npu_jump_work(s64 a, u32 times_a, s64 b, u32 times_b)
{
	return NPU_RUN_WORK + min_t(u32, npu_stride_work(a, times_a) +
				    npu_stride_work(b, times_b), NPU_PIN_WORK);
}

/**
 * npu_plan_init() - choose tiles that take about equally long
 * @plan: result
 * @terms: of one result, at most NPU_TERMS_MAX
 * @width: neighbouring results there are
 * @once: work of a group of columns beside its terms
 * @fixed: work of a term that does not depend on the number of columns
 * @each: work of a term in each column
 * @column: work of a column beside its terms
 */
void npu_plan_init(struct npu_plan *plan, u64 terms, u32 width, u32 once, u32 fixed,
		   u32 each, u32 column)
{
	u32 most = min_t(u32, width, NPU_COLUMNS);
	u64 all = terms * fixed + once;
	u64 one = terms * each + column;
	u64 pixel;

	plan->terms = (u32)terms;
	plan->slice = (u32)terms;
	plan->slices = 1;
	plan->pixels = 1;
	if (all + one > NPU_TILE_WORK) {
		plan->columns = clamp_t(u32, fixed / each, 1, most);
		plan->slice = clamp_t(u32, NPU_TILE_WORK / (fixed + plan->columns * each),
				      1, plan->terms);
		plan->slices = (u32)npu_div_up(terms, plan->slice);
		return;
	}
	plan->columns = (u32)clamp_t(u64, NPU_TILE_WORK / 2 / one, 1, most);
	pixel = all + plan->columns * one;
	if (pixel <= NPU_TILE_WORK)
		plan->pixels = (u32)clamp_t(u64, NPU_TILE_WORK / pixel, 1, NPU_TILE_ELEMENTS);
}

/* The terms of @tile, which becomes the number of its results. */
struct npu_slice npu_plan_slice(const struct npu_plan *plan, u64 *tile)
{
	u32 slice = (u32)(*tile % plan->slices);
	struct npu_slice s = {
		.from = slice * plan->slice,
		.first = !slice,
		.last = slice + 1 == plan->slices,
	};

	s.to = s.from + min_t(u32, plan->slice, plan->terms - s.from);
	*tile /= plan->slices;
	return s;
}

/* ---- Rows --------------------------------------------------------------------------------- */

/* Does dimension @i of all operands go on where a group of @size ends? */
static bool npu_rows_joins(const struct npu_command *cmd, u32 i, u64 size, const s64 *step)
{
	u32 k;

	for (k = 0; k < cmd->operands; k++)
		if (cmd->t[k].stride[i] != step[k] * (s64)size)
			return false;
	return size * cmd->t[0].dim[i] <= NPU_SIZE_MAX;
}

static void npu_rows_push(struct npu_rows *rows, u32 operands, u32 size, const s64 *step,
			  bool first)
{
	u32 k;

	if (first) {
		rows->length = size;
		for (k = 0; k < operands; k++)
			rows->step[k] = step[k];
		return;
	}
	rows->dim[rows->rank] = size;
	for (k = 0; k < operands; k++)
		rows->stride[k][rows->rank] = step[k];
	rows->rank++;
	rows->rows *= size;
}

/* Short rows cost time: let the longest dimension be the row instead. */
static void npu_rows_turn(struct npu_rows *rows, u32 operands)
{
	u32 length = rows->length;
	u32 best = 0;
	u32 i, k;
	s64 step;

	for (i = 1; i < rows->rank; i++)
		if (rows->dim[i] > rows->dim[best])
			best = i;
	if (length >= 16 || !rows->rank || rows->dim[best] <= length)
		return;
	rows->length = rows->dim[best];
	rows->dim[best] = length;
	rows->rows = rows->rows / rows->length * length;
	for (k = 0; k < operands; k++) {
		step = rows->step[k];
		rows->step[k] = rows->stride[k][best];
		rows->stride[k][best] = step;
	}
}

/* Choose the tiles of rows; sets their number. */
void npu_rows_cut(struct npu_command *cmd, struct npu_rows *rows)
{
	u32 each = cmd->each, fixed = 0;
	u32 i, k, jump;

	for (k = 0; k < cmd->operands; k++) {
		jump = 0;
		for (i = 0; i < rows->rank; i++)
			jump += npu_stride_work(rows->stride[k][i], 1);
		each += npu_stride_work(rows->step[k], 1);
		fixed += NPU_RUN_WORK + min_t(u32, jump, NPU_PIN_WORK);
	}
	rows->chunk = min_t(u32, rows->length, NPU_TILE_ELEMENTS);
	rows->chunk = min_t(u32, rows->chunk, NPU_TILE_WORK / each);
	rows->chunks = (u32)npu_div_up(rows->length, rows->chunk);
	rows->batch = 1;
	if (rows->chunks == 1)
		rows->batch = clamp_t(u32, NPU_TILE_WORK / (rows->length * each + fixed), 1,
				      NPU_TILE_ELEMENTS / rows->length);
	cmd->tiles = npu_div_up(rows->rows, rows->batch) * rows->chunks;
}

/**
 * npu_rows_init() - see operands of equal shape as few long rows
 * @core: with a checked command; sets its number of tiles
 * @rows: result; its outer dimensions go from the innermost outwards
 * @keep_last: a row is exactly the last dimension
 */
void npu_rows_init(struct npu_core *core, struct npu_rows *rows, bool keep_last)
{
	struct npu_command *cmd = &core->cmd;
	u32 rank = cmd->t[0].rank;
	s64 step[3] = { 0, 0, 0 };
	bool first = true;
	u32 size = 1;
	u32 i, k, n;

	rows->rank = 0;
	rows->rows = 1;
	for (i = rank; i-- > 0;) {
		n = cmd->t[0].dim[i];
		if (n == 1)
			continue;
		if (size > 1 && npu_rows_joins(cmd, i, size, step) &&
		    !(first && keep_last)) {
			size *= n;
			continue;
		}
		if (size > 1 || (keep_last && first && i + 1 < rank)) {
			npu_rows_push(rows, cmd->operands, size, step, first);
			first = false;
		}
		size = n;
		for (k = 0; k < cmd->operands; k++)
			step[k] = cmd->t[k].stride[i];
	}
	npu_rows_push(rows, cmd->operands, size, step, first);
	if (!keep_last)
		npu_rows_turn(rows, cmd->operands);
	npu_rows_cut(cmd, rows);
}

/**
 * npu_rows_tile() - the rows of one tile
 * @core: that executes the command
 * @rows: its rows
 * @tile: number
 * @row: first row, at the first element of the tile
 * @count: rows
 * @start: first element within the rows
 * @length: elements of each row
 */
void npu_rows_tile(const struct npu_core *core, const struct npu_rows *rows, u64 tile,
		   struct npu_row *row, u32 *count, u32 *start, u32 *length)
{
	u64 at = tile / rows->chunks * rows->batch;
	u32 i, k;

	*start = (u32)(tile % rows->chunks) * rows->chunk;
	*length = min_t(u32, rows->chunk, rows->length - *start);
	*count = (u32)min_t(u64, rows->batch, rows->rows - at);
	for (k = 0; k < core->cmd.operands; k++)
		row->va[k] = core->cmd.t[k].va + (u64)rows->step[k] * *start;
	for (i = 0; i < rows->rank; i++) {
		row->at[i] = (u32)(at % rows->dim[i]);
		at /= rows->dim[i];
		for (k = 0; k < core->cmd.operands; k++)
			row->va[k] += (u64)rows->stride[k][i] * row->at[i];
	}
}

void npu_row_next(const struct npu_rows *rows, u32 operands, struct npu_row *row)
{
	u32 i, k;

	for (i = 0; i < rows->rank; i++) {
		for (k = 0; k < operands; k++)
			row->va[k] += (u64)rows->stride[k][i];
		if (++row->at[i] < rows->dim[i])
			return;
		row->at[i] = 0;
		for (k = 0; k < operands; k++)
			row->va[k] -= (u64)rows->stride[k][i] * rows->dim[i];
	}
}

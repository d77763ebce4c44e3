// SPDX-License-Identifier: MIT
/* Operators without arithmetic: they give values other places. */
#include <math.h>

#include "ops.h"

/* ---- Checks ---- */

/* Two tensors of one type; what they hold means the same in both. */
static bool want_alike(const struct op *op, struct value *in, struct value *out)
{
	struct act a = { .v = in }, b = { .v = out };

	if (in->type != out->type)
		return op_fail(op, DAMAGED, "tensor '%.*s' is %s, the input is %s", NAME(out),
			       tfl_type_name(out->tfl.type), tfl_type_name(in->tfl.type));
	if (!npu_type_size(in->type))
		return op_fail(op, UNSUPPORTED,
			       "tensor '%.*s' is %s; convert with full integer quantisation",
			       NAME(in), tfl_type_name(in->tfl.type));
	if (!in->tfl.scale.count && !out->tfl.scale.count)
		return true;
	return tensor_quant(op, in, &a.scale, &a.zero_point) &&
	       tensor_quant(op, out, &b.scale, &b.zero_point) && want_same_quant(op, &a, &b);
}

/* @out has the sizes of @in but along @axis, where it has @size. */
static bool want_along(const struct op *op, const struct value *in, const struct value *out,
		       unsigned int axis, uint64_t size)
{
	unsigned int i;

	if (!want_rank(op, out, in->rank))
		return false;
	for (i = 0; i < in->rank; i++)
		if (!want_dim(op, out, i, i == axis ? size : in->dim[i]))
			return false;
	return true;
}

/* @full has the sizes of @part, and at @axis one more dimension of @size. */
static bool want_stack(const struct op *op, const struct value *part, const struct value *full,
		       unsigned int axis, uint64_t size)
{
	unsigned int i, k;

	if (part->rank + 1 != full->rank)
		return op_fail(op, DAMAGED, "tensor '%.*s' has rank %u, must be %u", NAME(full),
			       full->rank, part->rank + 1);
	for (i = 0, k = 0; i < full->rank; i++)
		if (!want_dim(op, full, i, i == axis ? size : part->dim[k++]))
			return false;
	return true;
}

/* ---- Parts of a tensor ---- */

/* Without a dimension, at index @from of it. */
static void drop(struct npu_tensor *t, unsigned int dim, int64_t from)
{
	tensor_take(t, dim, from, 1);
	for (; dim + 1 < t->rank; dim++) {
		t->dim[dim] = t->dim[dim + 1];
		t->stride[dim] = t->stride[dim + 1];
	}
	t->rank--;
	t->dim[t->rank] = 0;
	t->stride[t->rank] = 0;
}

bool emit_copy(struct op *op, const struct npu_tensor *in, const struct npu_tensor *out)
{
	struct npu_cmd_copy cmd = { .in = *in, .out = *out };

	cmd.in.zero_point = 0;
	cmd.out.zero_point = 0;
	return op_emit(op, &cmd, NPU_OP_COPY);
}

/* ---- Putting together, taking apart ---- */

/* @in becomes part @to of @out; uint8 may be quantised otherwise. */
static bool emit_joined(struct op *op, struct value *in, struct value *out,
			const struct npu_tensor *to)
{
	struct act a = { .v = in }, b = { .v = out };
	struct npu_tensor from;

	op_tensor(op, in, &from);
	if (in->type == NPU_TYPE_U8 && out->type == NPU_TYPE_U8 && in->tfl.scale.count) {
		if (!tensor_quant(op, in, &a.scale, &a.zero_point) ||
		    !tensor_quant(op, out, &b.scale, &b.zero_point))
			return false;
		if (a.scale != b.scale || a.zero_point != b.zero_point)
			return emit_rescale(op, &from, &a, to, &b);
	}
	return want_alike(op, in, out) && emit_copy(op, &from, to);
}

bool emit_concatenation(struct op *op)
{
	struct value *in, *out = op_output(op);
	struct npu_tensor to;
	uint64_t at = 0, size = 0;
	unsigned int axis, i;

	if (!get_axis(op, fb_i32(&op->tfl.options, CONCATENATION_AXIS, 0), out->rank, &axis))
		return false;
	if (fb_i8(&op->tfl.options, CONCATENATION_ACTIVATION, 0))
		return op_fail(op, UNSUPPORTED, "a fused activation");
	for (i = 0; i < op->tfl.inputs.count; i++)
		if (op_input(op, i))
			size += op_input(op, i)->rank > axis ? op_input(op, i)->dim[axis] : 0;
	for (i = 0; i < op->tfl.inputs.count; i++, at += in->dim[axis]) {
		in = op_input(op, i);
		if (!in)
			return op_fail(op, DAMAGED, "input %u is left out", i);
		if (!want_rank(op, in, out->rank) || !want_along(op, in, out, axis, size))
			return false;
		op_tensor(op, out, &to);
		tensor_take(&to, axis, (int64_t)at, in->dim[axis]);
		if (!emit_joined(op, in, out, &to))
			return false;
	}
	return true;
}

bool emit_pack(struct op *op)
{
	struct value *in, *out = op_output(op);
	struct npu_tensor from, to;
	unsigned int axis, i;

	if (!get_axis(op, fb_i32(&op->tfl.options, PACK_AXIS, 0), out->rank, &axis))
		return false;
	for (i = 0; i < op->tfl.inputs.count; i++) {
		in = op_input(op, i);
		if (!in)
			return op_fail(op, DAMAGED, "input %u is left out", i);
		if (!want_alike(op, in, out) ||
		    !want_stack(op, in, out, axis, op->tfl.inputs.count))
			return false;
		op_tensor(op, in, &from);
		op_tensor(op, out, &to);
		drop(&to, axis, i);
		if (!emit_copy(op, &from, &to))
			return false;
	}
	return true;
}

bool emit_unpack(struct op *op)
{
	struct value *in = op_input(op, 0), *out;
	struct npu_tensor from, to;
	unsigned int axis, i;

	if (!get_axis(op, fb_i32(&op->tfl.options, UNPACK_AXIS, 0), in->rank, &axis))
		return false;
	for (i = 0; i < op->tfl.outputs.count; i++) {
		out = op_result(op, i);
		if (!want_alike(op, in, out) ||
		    !want_stack(op, out, in, axis, op->tfl.outputs.count))
			return false;
		op_tensor(op, in, &from);
		op_tensor(op, out, &to);
		drop(&from, axis, i);
		if (!emit_copy(op, &from, &to))
			return false;
	}
	return true;
}

/* The next @size of @in along @axis, from @at on, become output @i. */
static bool emit_part(struct op *op, struct value *in, unsigned int axis, unsigned int i,
		      uint64_t at, uint64_t size)
{
	struct value *out = op_result(op, i);
	struct npu_tensor from, to;

	if (!want_alike(op, in, out) || !want_along(op, in, out, axis, size))
		return false;
	op_tensor(op, in, &from);
	op_tensor(op, out, &to);
	tensor_take(&from, axis, (int64_t)at, (uint32_t)size);
	return emit_copy(op, &from, &to);
}

bool emit_split(struct op *op)
{
	struct value *in = op_input(op, 1);
	uint32_t n = op->tfl.outputs.count, i;
	unsigned int axis = 0;

	if (!get_axis_input(op, 0, in->rank, &axis))
		return false;
	if (in->dim[axis] % n)
		return op_fail(op, DAMAGED, "%u in dimension %u cannot be split into %u",
			       in->dim[axis], axis, n);
	for (i = 0; i < n; i++)
		if (!emit_part(op, in, axis, i, i * (in->dim[axis] / n), in->dim[axis] / n))
			return false;
	return true;
}

/* Sizes as given; one may be -1: what the others leave. */
static bool get_sizes(const struct op *op, const struct value *sizes, uint32_t whole,
		      uint64_t *rest)
{
	int64_t size = 0;
	uint64_t sum = 0;
	uint32_t i;

	if (sizes->elements != op->tfl.outputs.count)
		return op_fail(op, DAMAGED, "tensor '%.*s' has %llu sizes for %u outputs",
			       NAME(sizes), (unsigned long long)sizes->elements,
			       op->tfl.outputs.count);
	for (i = 0; i < op->tfl.outputs.count; i++) {
		if (!get_index(op, sizes, i, &size))
			return false;
		if (size != -1 && (size <= 0 || size > whole))
			return op_fail(op, DAMAGED, "tensor '%.*s' has size %lld", NAME(sizes),
				       (long long)size);
		sum += size == -1 ? 0 : (uint64_t)size;
	}
	*rest = sum < whole ? whole - sum : 0;
	return sum <= whole || op_fail(op, DAMAGED, "the parts are larger than the input");
}

bool emit_split_v(struct op *op)
{
	struct value *in = op_input(op, 0), *sizes = op_input(op, 1);
	uint64_t rest = 0, at = 0;
	unsigned int axis = 0;
	int64_t size = 0;
	uint32_t i;

	if (!get_axis_input(op, 2, in->rank, &axis) ||
	    !get_sizes(op, sizes, in->dim[axis], &rest))
		return false;
	for (i = 0; i < op->tfl.outputs.count; i++, at += (uint64_t)size) {
		if (!get_index(op, sizes, i, &size))
			return false;
		size = size == -1 ? (int64_t)rest : size;
		if (!size || at + (uint64_t)size > in->dim[axis])
			return op_fail(op, DAMAGED, "output %u has no part of the input", i);
		if (!emit_part(op, in, axis, i, at, (uint64_t)size))
			return false;
	}
	return at == in->dim[axis] ||
	       op_fail(op, DAMAGED, "the parts leave something of dimension %u", axis);
}

/* ---- Parts ---- */

bool emit_slice(struct op *op)
{
	struct value *in = op_input(op, 0), *out = op_output(op);
	int64_t begin = 0, size = 0;
	struct npu_tensor from, to;
	unsigned int i;

	if (!want_alike(op, in, out) || !want_rank(op, out, in->rank) ||
	    !want_numbers(op, op_input(op, 1), in->rank) ||
	    !want_numbers(op, op_input(op, 2), in->rank))
		return false;
	op_tensor(op, in, &from);
	op_tensor(op, out, &to);
	for (i = 0; i < in->rank; i++) {
		if (!get_index(op, op_input(op, 1), i, &begin) ||
		    !get_index(op, op_input(op, 2), i, &size))
			return false;
		if (begin < 0 || begin >= in->dim[i])
			return op_fail(op, DAMAGED, "begin %lld in dimension %u of %u",
				       (long long)begin, i, in->dim[i]);
		if (size == -1)
			size = in->dim[i] - begin;
		if (size <= 0 || size > in->dim[i] - begin)
			return op_fail(op, DAMAGED, "size %lld in dimension %u of %u",
				       (long long)size, i, in->dim[i]);
		if (!want_dim(op, out, i, (uint64_t)size))
			return false;
		tensor_take(&from, i, begin, (uint32_t)size);
	}
	return emit_copy(op, &from, &to);
}

/* As Python has it: negative numbers count from the end, all is cut to what is there. */
static int64_t slice_place(int64_t i, bool open, int64_t step, int64_t size, bool end)
{
	int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;

	if (open)
		return (step > 0) == end ? high : low;
	i += i < 0 ? size : 0;
	return i < low ? low : i > high ? high : i;
}

/* Take dimension @i of @t as the operator says; @n gets its size. */
static bool take_strided(const struct op *op, struct npu_tensor *t, unsigned int i, uint32_t size,
			 uint32_t *n)
{
	const struct fb_table *options = &op->tfl.options;
	bool shrink = fb_i32(options, SLICE_SHRINK_MASK, 0) >> i & 1;
	int64_t begin = 0, end = 0, step = 0, count;

	if (!get_index(op, op_input(op, 1), i, &begin) ||
	    !get_index(op, op_input(op, 2), i, &end) || !get_index(op, op_input(op, 3), i, &step))
		return false;
	if (!step || (shrink && step < 0) || step > INT32_MAX || step < -INT32_MAX)
		return op_fail(op, DAMAGED, "stride %lld in dimension %u", (long long)step, i);
	begin = slice_place(begin, fb_i32(options, SLICE_BEGIN_MASK, 0) >> i & 1, step, size,
			    false);
	end = shrink ? begin + 1 :
	      slice_place(end, fb_i32(options, SLICE_END_MASK, 0) >> i & 1, step, size, true);
	count = step > 0 ? (end - begin + step - 1) / step : (begin - end - step - 1) / -step;
	if (count <= 0 || begin < 0 || begin >= size)
		return op_fail(op, UNSUPPORTED, "nothing is left of dimension %u", i);
	*n = (uint32_t)count;
	tensor_take(t, i, begin, *n);
	t->stride[i] *= (uint64_t)step;
	return true;
}

bool emit_strided_slice(struct op *op)
{
	const struct fb_table *options = &op->tfl.options;
	struct value *in = op_input(op, 0), *out = op_output(op);
	uint32_t shrink = (uint32_t)fb_i32(options, SLICE_SHRINK_MASK, 0), n[NPU_ISA_MAX_RANK];
	struct npu_tensor from, to;
	unsigned int i, rank = 0;

	if (!want_alike(op, in, out))
		return false;
	if (fb_i32(options, SLICE_ELLIPSIS_MASK, 0) || fb_i32(options, SLICE_NEW_AXIS_MASK, 0))
		return op_fail(op, UNSUPPORTED, "an ellipsis or a new axis");
	if (fb_i8(options, SLICE_END_IS_OFFSET, 0))
		return op_fail(op, UNSUPPORTED, "ends that are relative to the begin");
	for (i = 1; i < 4; i++)
		if (!want_numbers(op, op_input(op, i), in->rank))
			return false;
	op_tensor(op, in, &from);
	for (i = 0; i < in->rank; i++) {
		if (!take_strided(op, &from, i, in->dim[i], &n[i]))
			return false;
		rank += !(shrink >> i & 1);
	}
	if (!want_rank(op, out, rank))
		return false;
	for (i = 0, rank = 0; i < in->rank; i++)
		if (!(shrink >> i & 1) && !want_dim(op, out, rank++, n[i]))
			return false;
	op_tensor(op, out, &to);
	op_reshape(&to, in->rank, n);
	return emit_copy(op, &from, &to);
}

bool emit_gather(struct op *op)
{
	struct value *in = op_input(op, 0), *indices = op_input(op, 1), *out = op_output(op);
	uint32_t dim[NPU_ISA_MAX_RANK], i, n;
	int64_t first = 0, next = 0;
	struct npu_tensor from, to;
	unsigned int axis;

	if (!want_alike(op, in, out) ||
	    !get_axis(op, fb_i32(&op->tfl.options, GATHER_AXIS, 0), in->rank, &axis))
		return false;
	if (fb_i32(&op->tfl.options, GATHER_BATCH_DIMS, 0))
		return op_fail(op, UNSUPPORTED, "batch dimensions");
	if (!want_rank(op, out, in->rank - 1 + indices->rank))
		return false;
	for (i = 0; i < out->rank; i++) {
		n = i < axis ? in->dim[i] : i < axis + indices->rank ? indices->dim[i - axis] :
		    in->dim[i + 1 - indices->rank];
		if (!want_dim(op, out, i, n))
			return false;
	}
	memcpy(dim, in->dim, sizeof(dim));
	dim[axis] = (uint32_t)indices->elements;
	/* What lies together is copied at once. */
	for (i = 0; i < indices->elements; i += n) {
		if (!get_index(op, indices, i, &first))
			return false;
		for (n = 0; i + n < indices->elements; n++) {
			if (!get_index(op, indices, i + n, &next))
				return false;
			if (next < 0 || next >= in->dim[axis])
				return op_fail(op, DAMAGED, "index %lld of %u", (long long)next,
					       in->dim[axis]);
			if (next != first + n)
				break;
		}
		op_tensor(op, in, &from);
		op_tensor(op, out, &to);
		op_reshape(&to, in->rank, dim);
		tensor_take(&from, axis, first, n);
		tensor_take(&to, axis, i, n);
		if (!emit_copy(op, &from, &to))
			return false;
	}
	return true;
}

/* ---- Other orders ---- */

bool emit_transpose(struct op *op)
{
	struct value *in = op_input(op, 0), *out = op_output(op);
	struct npu_tensor own, from, to;
	unsigned int i, seen = 0;
	int64_t which = 0;

	if (!want_alike(op, in, out) || !want_rank(op, out, in->rank) ||
	    !want_numbers(op, op_input(op, 1), in->rank))
		return false;
	op_tensor(op, in, &own);
	op_tensor(op, out, &to);
	from = own;
	for (i = 0; i < in->rank; i++) {
		if (!get_index(op, op_input(op, 1), i, &which))
			return false;
		which += which < 0 ? in->rank : 0;
		if (which < 0 || which >= in->rank || seen >> which & 1)
			return op_fail(op, DAMAGED, "the order of dimensions is none");
		seen |= 1u << which;
		if (!want_dim(op, out, i, in->dim[which]))
			return false;
		from.dim[i] = own.dim[which];
		from.stride[i] = own.stride[which];
	}
	return emit_copy(op, &from, &to);
}

/*
 * Blocks of @wide that are channels of @deep: both as tensors of images, rows of blocks,
 * rows in a block, columns of blocks, columns in a block, channels.
 */
static bool get_blocks(struct op *op, struct value *deep, struct value *wide,
		       struct npu_tensor *d, struct npu_tensor *w)
{
	int32_t block = fb_i32(&op->tfl.options, BLOCK_SIZE, 0);
	struct npu_tensor from;
	uint32_t b;

	if (block <= 0 || block > UINT16_MAX)
		return op_fail(op, DAMAGED, "blocks of %d", block);
	b = (uint32_t)block;
	if (!want_alike(op, deep, wide) || !want_rank(op, deep, 4) || !want_rank(op, wide, 4) ||
	    !want_dim(op, wide, 0, deep->dim[0]) ||
	    !want_dim(op, wide, 1, (uint64_t)deep->dim[1] * b) ||
	    !want_dim(op, wide, 2, (uint64_t)deep->dim[2] * b) ||
	    !want_dim(op, deep, 3, (uint64_t)wide->dim[3] * b * b))
		return false;
	op_tensor(op, wide, w);
	op_reshape(w, 6, (uint32_t[]) {
		wide->dim[0], deep->dim[1], b, deep->dim[2], b, wide->dim[3],
	});
	op_tensor(op, deep, &from);
	op_reshape(&from, 6, (uint32_t[]) {
		deep->dim[0], deep->dim[1], deep->dim[2], b, b, wide->dim[3],
	});
	*d = from;
	d->dim[2] = from.dim[3];
	d->stride[2] = from.stride[3];
	d->dim[3] = from.dim[2];
	d->stride[3] = from.stride[2];
	return true;
}

bool emit_space_to_depth(struct op *op)
{
	struct npu_tensor deep, wide;

	return get_blocks(op, op_output(op), op_input(op, 0), &deep, &wide) &&
	       emit_copy(op, &wide, &deep);
}

bool emit_depth_to_space(struct op *op)
{
	struct npu_tensor deep, wide;

	return get_blocks(op, op_input(op, 0), op_output(op), &deep, &wide) &&
	       emit_copy(op, &deep, &wide);
}

/* ---- Padding ---- */

static bool get_pads(const struct op *op, const struct value *in, const struct value *out,
		     uint32_t (*pad)[2])
{
	const struct value *pads = op_input(op, 1);
	int64_t before = 0, after = 0;
	unsigned int i;

	if (!want_rank(op, out, in->rank))
		return false;
	if (pads->elements != 2ull * in->rank)
		return op_fail(op, DAMAGED, "paddings '%.*s' have %llu elements, must be 2 * %u",
			       NAME(pads), (unsigned long long)pads->elements, in->rank);
	for (i = 0; i < in->rank; i++) {
		if (!get_index(op, pads, 2 * i, &before) || !get_index(op, pads, 2 * i + 1, &after))
			return false;
		if (before < 0 || after < 0 || before > INT32_MAX || after > INT32_MAX)
			return op_fail(op, DAMAGED, "a padding is negative or too large");
		if (!want_dim(op, out, i, in->dim[i] + (uint64_t)(before + after)))
			return false;
		pad[i][0] = (uint32_t)before;
		pad[i][1] = (uint32_t)after;
	}
	return true;
}

/* The value of PADV2, as it is in memory. */
static bool get_raw(const struct op *op, struct value *v, struct value *out, int64_t *raw)
{
	unsigned int width = npu_type_size(v->type), unused = 64 - 8 * width;
	uint64_t bits = 0;

	if (!v->constant || v->elements != 1)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' must be a constant of one element",
			       NAME(v));
	if (!want_alike(op, v, out))
		return false;
	memcpy(&bits, v->tfl.data.data, width);
	*raw = npu_type_min(v->type) < 0 ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
	return true;
}

/* PAD and PADV2 */
bool emit_pad(struct op *op)
{
	struct value *in = op_input(op, 0), *out = op_output(op), *value = op_input(op, 2);
	struct npu_cmd_pad cmd = { .mode = NPU_PAD_CONSTANT };
	uint32_t pad[NPU_ISA_MAX_RANK][2];
	int64_t raw;
	unsigned int i;

	if (!want_alike(op, in, out) || !get_pads(op, in, out, pad))
		return false;
	op_tensor(op, in, &cmd.in);
	op_tensor(op, out, &cmd.out);
	raw = (int32_t)cmd.out.zero_point;
	if (value && !get_raw(op, value, out, &raw))
		return false;
	for (i = 0; i < in->rank; i++)
		cmd.before[i] = pad[i][0];
	cmd.value = (uint64_t)raw;
	/* It was to be checked all the same. */
	return op->fused || op_emit(op, &cmd, NPU_OP_PAD);
}

/* Dimensions from @dim on, in front, inside and behind, mirrored or as they are. */
static bool emit_mirrors(struct op *op, const struct npu_tensor *from, const struct npu_tensor *to,
			 uint32_t (*pad)[2], unsigned int dim, bool edge)
{
	uint32_t size = from->dim[dim], i, n, at[3];
	int64_t first;
	struct npu_tensor in, out;

	if (dim == from->rank)
		return emit_copy(op, from, to);
	at[0] = 0;
	at[1] = pad[dim][0];
	at[2] = pad[dim][0] + size;
	for (i = 0; i < 3; i++) {
		n = i == 1 ? size : pad[dim][i / 2];
		if (!n)
			continue;
		in = *from;
		out = *to;
		tensor_take(&out, dim, at[i], n);
		first = !i ? (int64_t)n - edge : i == 1 ? 0 : (int64_t)size - 2 + edge;
		tensor_take(&in, dim, first, n);
		if (i != 1)
			in.stride[dim] = -in.stride[dim];
		if (!emit_mirrors(op, &in, &out, pad, dim + 1, edge))
			return false;
	}
	return true;
}

bool emit_mirror_pad(struct op *op)
{
	struct value *in = op_input(op, 0), *out = op_output(op);
	int mode = fb_i8(&op->tfl.options, MIRROR_PAD_MODE, 0);
	uint32_t pad[NPU_ISA_MAX_RANK][2];
	struct npu_tensor from, to;
	unsigned int i;

	if (!want_alike(op, in, out) || !get_pads(op, in, out, pad))
		return false;
	if (mode != TFL_MIRROR_REFLECT && mode != TFL_MIRROR_SYMMETRIC)
		return op_fail(op, UNSUPPORTED, "mode %d", mode);
	for (i = 0; i < in->rank; i++)
		if (pad[i][0] >= in->dim[i] + mode || pad[i][1] >= in->dim[i] + mode)
			return op_fail(op, DAMAGED, "a padding is larger than the input");
	op_tensor(op, in, &from);
	op_tensor(op, out, &to);
	return emit_mirrors(op, &from, &to, pad, 0, mode == TFL_MIRROR_SYMMETRIC);
}

/* ---- Resizing ---- */

/* The source of @x as TensorFlow Lite computes it, in float32. */
static int64_t nearest(uint32_t x, uint32_t in, float scale, bool corners, bool half)
{
	float at = half ? ((float)x + 0.5f) * scale : (float)x * scale;
	int64_t i = (int64_t)(corners ? roundf(at) : floorf(at));

	if (i > (int64_t)in - 1)
		i = (int64_t)in - 1;
	return i < 0 ? 0 : i;
}

static bool axis_matches(const struct npu_resize_axis *axis, uint32_t in, uint32_t out, float scale,
			 bool corners, bool half)
{
	int64_t i, num;
	uint32_t x;

	for (x = 0; x < out; x++) {
		num = (int64_t)x * axis->num + (int32_t)axis->add;
		i = num >= 0 ? num / axis->den : -1;
		i = i < 0 ? 0 : i > (int64_t)in - 1 ? (int64_t)in - 1 : i;
		if (i != nearest(x, in, scale, corners, half))
			return false;
	}
	return true;
}

/*
 * The same in integers: the exact fraction or, where float32 rounds across a whole
 * number, the fraction that float32 has, with a little added.
 */
static bool get_resize_axis(struct op *op, unsigned int dim, struct npu_resize_axis *axis)
{
	uint32_t in = op_input(op, 0)->dim[dim], out = op_output(op)->dim[dim];
	bool corners = fb_i8(&op->tfl.options, RESIZE_ALIGN_CORNERS, 0);
	bool half = fb_i8(&op->tfl.options, RESIZE_HALF_PIXEL, 0);
	uint64_t num = corners && out > 1 ? in - 1 : in, den = corners && out > 1 ? out - 1 : out;
	float scale = (float)num / (float)den;
	unsigned int bits;
	int exponent;

	/* All of them are looked at, perhaps some hundred times. */
	if (out > UINT16_MAX)
		return op_fail(op, UNSUPPORTED, "%u in dimension %u, the most is %u", out, dim,
			       UINT16_MAX);

	/* Halves, for half a pixel and for rounding. */
	num *= 2;
	den *= 2;
	axis->num = (uint32_t)num;
	axis->den = (uint32_t)den;
	axis->add = (uint32_t)((half ? num / 2 : 0) + (corners ? den / 2 : 0));
	if (num <= INT32_MAX && den <= INT32_MAX && axis->add <= INT32_MAX &&
	    axis_matches(axis, in, out, scale, corners, half))
		return true;
	for (bits = 30; bits > 8; bits--) {
		if ((float)ldexp(scale, (int)bits) >= (float)INT32_MAX)
			continue;
		axis->num = (uint32_t)ldexp((double)scale, (int)bits);
		axis->den = 1u << bits;
		axis->add = (half ? axis->num / 2 : 0) + (corners ? axis->den / 2 : 0);
		for (exponent = 0; exponent < (int)bits - 4; exponent++) {
			if (axis_matches(axis, in, out, scale, corners, half))
				return true;
			axis->add += 1u << exponent;
		}
	}
	return op_fail(op, UNSUPPORTED, "%u to %u in dimension %u", in, out, dim);
}

static bool want_sizes(struct op *op, struct value *in, struct value *out)
{
	int64_t size = 0;
	unsigned int i;

	if (!want_alike(op, in, out) || !want_rank(op, in, 4) || !want_rank(op, out, 4) ||
	    !want_dim(op, out, 0, in->dim[0]) || !want_dim(op, out, 3, in->dim[3]) ||
	    !want_numbers(op, op_input(op, 1), 2))
		return false;
	for (i = 0; i < 2; i++)
		if (!get_index(op, op_input(op, 1), i, &size) ||
		    !want_dim(op, out, 1 + i, (uint64_t)size))
			return false;
	return true;
}

/* In 1024ths of an input, as the reference rounds them. */
bool emit_resize_bilinear(struct op *op)
{
	bool corners = fb_i8(&op->tfl.options, BILINEAR_ALIGN_CORNERS, 0);
	bool half = fb_i8(&op->tfl.options, BILINEAR_HALF_PIXEL, 0);
	struct value *in = op_input(op, 0), *out = op_output(op);
	struct npu_cmd_resize cmd = { .mode = NPU_RESIZE_BILINEAR };
	uint64_t from, to, scale;
	unsigned int i;

	if (in->type != NPU_TYPE_S8 && in->type != NPU_TYPE_S16)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' is %s, supported are int8 and int16",
			       NAME(in), tfl_type_name(in->tfl.type));
	if (!want_sizes(op, in, out))
		return false;
	for (i = 0; i < 2; i++) {
		from = in->dim[1 + i] - (corners && out->dim[1 + i] > 1);
		to = out->dim[1 + i] - (corners && out->dim[1 + i] > 1);
		scale = (1024 * from + to / 2) / to;
		if (scale > INT32_MAX / 2)
			return op_fail(op, UNSUPPORTED, "%u in dimension %u", in->dim[1 + i],
				       1 + i);
		cmd.axis[i].num = (uint32_t)scale;
		cmd.axis[i].den = 1024;
		cmd.axis[i].add = half ? (uint32_t)((int32_t)scale / 2 - 512) : 0;
	}
	op_tensor(op, in, &cmd.in);
	op_tensor(op, out, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_RESIZE);
}

bool emit_resize_nearest(struct op *op)
{
	struct value *in = op_input(op, 0), *out = op_output(op);
	struct npu_cmd_resize cmd = { .mode = NPU_RESIZE_NEAREST };
	unsigned int i;

	if (!want_sizes(op, in, out))
		return false;
	for (i = 0; i < 2; i++)
		if (!get_resize_axis(op, 1 + i, &cmd.axis[i]))
			return false;
	op_tensor(op, in, &cmd.in);
	op_tensor(op, out, &cmd.out);
	cmd.in.zero_point = 0;
	cmd.out.zero_point = 0;
	return op_emit(op, &cmd, NPU_OP_RESIZE);
}

/* SQUEEZE, EXPAND_DIMS and RESHAPE: compile.c made both the same memory already. */
bool emit_alias(struct op *op)
{
	return want_alike(op, op_input(op, 0), op_output(op));
}

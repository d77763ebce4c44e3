// SPDX-License-Identifier: MIT
/*
 * Operators that become part of another one. Only where not a bit of the results
 * changes: a PAD with the zero point, read by one convolution, is the padding that the
 * convolution has anyway.
 */
#include "compile.h"

/* How often operators and the graph's outputs name each tensor; NULL: no memory. */
static uint32_t *count_uses(const struct compile *c)
{
	uint32_t *uses = calloc(c->model.tensors.count + 1ul, sizeof(*uses)), i, n;
	const struct value *v;

	for (i = 0; uses && i < c->model.operators.count; i++) {
		for (n = 0; n < c->ops[i].tfl.inputs.count; n++) {
			v = op_input(&c->ops[i], n);
			if (v)
				uses[v - c->values]++;
		}
	}
	for (i = 0; uses && i < c->model.outputs.count; i++)
		uses[fb_i32_at(&c->model.outputs, i)]++;
	return uses;
}

/* Rows and columns only, and each less than the window, so that no result is made of nothing. */
static bool pads_fit(const struct op *pad, const struct op *conv)
{
	bool depthwise = conv->tfl.builtin == TFL_DEPTHWISE_CONV_2D;
	unsigned int at = depthwise ? DEPTHWISE_DILATION_W : CONV_DILATION_W, i;
	const struct value *pads = op_input(pad, 1), *weight = op_input(conv, 1);
	int64_t window;
	int32_t n;

	if (!pads->constant || pads->type != NPU_TYPE_S32 || pads->elements != 8 ||
	    weight->rank != 4)
		return false;
	for (i = 0; i < 8; i++) {
		n = fb_i32_at(&pads->tfl.data, i);
		window = 1;
		if (i / 2 == 1 || i / 2 == 2)
			window += (int64_t)(weight->dim[i / 2] - 1) *
				  fb_i32(&conv->tfl.options, i / 2 == 1 ? at + 1 : at, 1);
		if (n < 0 || n >= window || n > UINT16_MAX)
			return false;
	}
	return true;
}

/* The PAD whose result @conv alone reads, or NULL. */
static struct op *find_pad(struct compile *c, const struct op *conv, const uint32_t *uses)
{
	const struct value *in = op_input(conv, 0);
	struct op *pad = &c->ops[in->first];

	if (conv->tfl.builtin != TFL_CONV_2D && conv->tfl.builtin != TFL_DEPTHWISE_CONV_2D)
		return NULL;
	if (in->input >= 0 || in->constant || in->state || in->alias != in - c->values ||
	    uses[in - c->values] != 1 || pad->tfl.builtin != TFL_PAD || op_output(pad) != in)
		return NULL;
	if (in->type != NPU_TYPE_S8 && in->type != NPU_TYPE_U8 && in->type != NPU_TYPE_S16)
		return NULL;
	return fb_i8(&conv->tfl.options, CONV_PADDING, 0) == TFL_PADDING_VALID &&
	       op_input(pad, 0)->rank == 4 && in->rank == 4 && pads_fit(pad, conv) ? pad : NULL;
}

/* Decides what becomes part of what; values that nobody makes any more get no memory. */
bool fuse_ops(struct compile *c)
{
	uint32_t *uses = count_uses(c), i;
	struct value *from, *to;
	struct op *pad;

	if (!uses)
		return compile_fail(c, -ENOMEM, "out of memory");
	for (i = 0; i < c->model.operators.count; i++) {
		if (!c->ops[i].tfl.inputs.count || !op_input(&c->ops[i], 0))
			continue;
		pad = find_pad(c, &c->ops[i], uses);
		if (!pad)
			continue;
		pad->fused = true;
		to = op_output(pad);
		to->pad = pad;
		to->placed = true;
		from = &c->values[op_input(pad, 0)->alias];
		if (from->last < i)
			from->last = i;
	}
	free(uses);
	return true;
}

/* What a convolution of @v reads in its place; @pad: top, bottom, left, right. */
bool fuse_input(const struct op *op, const struct value *v, struct npu_tensor *in, __le32 pad[4])
{
	unsigned int i;

	if (!v->pad)
		return false;
	op_tensor(op, op_input(v->pad, 0), in);
	for (i = 0; i < 4; i++)
		pad[i] = (uint32_t)fb_i32_at(&op_input(v->pad, 1)->tfl.data, 2 + i);
	return true;
}

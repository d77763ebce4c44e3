// SPDX-License-Identifier: MIT
/*
 * The operators: each checks types, quantisation and shapes, derives the
 * integers and writes its commands. The arithmetic is that of the reference
 * kernels of TensorFlow Lite Micro.
 */
#include <math.h>

#include "ops.h"

#define I8	(1u << NPU_TYPE_S8)
#define U8	(1u << NPU_TYPE_U8)
#define I16	(1u << NPU_TYPE_S16)

/* A type that the operator has. */
bool want_type(const struct op *op, const struct value *v)
{
	unsigned int types = op->rules->types;

	return types >> v->type & 1 ||
	       op_fail(op, UNSUPPORTED,
		       "tensor '%.*s' is %s, supported is int8%s%s; convert with full integer quantisation (supported_ops = [TFLITE_BUILTINS_INT8])",
		       NAME(v), tfl_type_name(v->tfl.type), types & I16 ? ", int16" : "",
		       types & U8 ? ", uint8" : "");
}

/* Weights are int8, and uint8 for inputs of uint8. */
static bool want_weight(const struct op *op, const struct act *in, const struct value *v)
{
	enum npu_type type = in->v->type == NPU_TYPE_U8 ? NPU_TYPE_U8 : NPU_TYPE_S8;

	return v->type == type ||
	       op_fail(op, UNSUPPORTED, "weights '%.*s' are %s, must be %s", NAME(v),
		       tfl_type_name(v->tfl.type), type == NPU_TYPE_U8 ? "uint8" : "int8");
}

bool want_rank(const struct op *op, const struct value *v, unsigned int rank)
{
	return v->rank == rank || op_fail(op, UNSUPPORTED, "tensor '%.*s' has rank %u, must be %u",
					  NAME(v), v->rank, rank);
}

/* Dimension @i of the output must be what the shapes of the inputs give. */
bool want_dim(const struct op *op, const struct value *v, unsigned int i, uint64_t size)
{
	return v->dim[i] == size ||
	       op_fail(op, DAMAGED, "tensor '%.*s' has %u in dimension %u, must be %llu", NAME(v),
		       v->dim[i], i, (unsigned long long)size);
}

bool want_same_shape(const struct op *op, const struct value *in, const struct value *out)
{
	unsigned int i;

	if (!want_rank(op, out, in->rank))
		return false;
	for (i = 0; i < in->rank; i++)
		if (!want_dim(op, out, i, in->dim[i]))
			return false;
	return true;
}

/* Scale and zero point of channel @i. */
static bool get_quant(const struct op *op, const struct value *v, uint32_t i, float *scale,
		      int32_t *zero_point)
{
	const struct fb_vector *s = &v->tfl.scale, *z = &v->tfl.zero_point;
	int64_t zp = z->count ? fb_i64_at(z, i < z->count ? i : 0) : 0;

	if (!s->count)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' is not quantised", NAME(v));
	*scale = fb_f32_at(s, i < s->count ? i : 0);
	*zero_point = (int32_t)zp;
	if (!isfinite(*scale) || !(*scale > 0))
		return op_fail(op, DAMAGED, "tensor '%.*s' has scale %g", NAME(v), *scale);
	if (v->type == NPU_TYPE_S16 && zp)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' is int16 with zero point %lld",
			       NAME(v), (long long)zp);
	return (zp >= npu_type_min(v->type) && zp <= npu_type_max(v->type)) ||
	       op_fail(op, DAMAGED, "tensor '%.*s' has zero point %lld", NAME(v), (long long)zp);
}

bool tensor_quant(const struct op *op, const struct value *v, float *scale, int32_t *zp)
{
	if (v->tfl.scale.count > 1 || v->tfl.zero_point.count > 1)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' is quantised per channel", NAME(v));
	return get_quant(op, v, 0, scale, zp);
}

bool get_act(const struct op *op, struct value *v, struct act *act)
{
	act->v = v;
	return want_type(op, v) && tensor_quant(op, v, &act->scale, &act->zero_point);
}

static bool want_same_type(const struct op *op, const struct act *a, const struct act *b)
{
	return a->v->type == b->v->type ||
	       op_fail(op, UNSUPPORTED, "tensor '%.*s' is %s, and '%.*s' %s", NAME(a->v),
		       tfl_type_name(a->v->tfl.type), NAME(b->v), tfl_type_name(b->v->tfl.type));
}

bool get_acts(const struct op *op, struct act *in, struct act *out)
{
	return get_act(op, op_input(op, 0), in) && get_act(op, op_output(op), out) &&
	       want_same_type(op, in, out);
}

/* Two inputs and the output. */
static bool get_three_acts(const struct op *op, struct act *a, struct act *b, struct act *out)
{
	return get_acts(op, a, out) && get_act(op, op_input(op, 1), b) &&
	       want_same_type(op, b, out);
}

void full_range(enum npu_type type, __le32 *clamp_min, __le32 *clamp_max)
{
	*clamp_min = (uint32_t)npu_type_min(type);
	*clamp_max = (uint32_t)npu_type_max(type);
}

bool want_same_quant(const struct op *op, const struct act *in, const struct act *out)
{
	return (fabsf(in->scale - out->scale) <= 0.000001f && in->zero_point == out->zero_point) ||
	       op_fail(op, UNSUPPORTED,
		       "input (scale %g, zero point %d) and output (%g, %d) must be quantised alike",
		       in->scale, in->zero_point, out->scale, out->zero_point);
}

static bool get_activation(const struct op *op, int activation, const struct act *out,
			   __le32 *clamp_min, __le32 *clamp_max)
{
	int32_t min, max;

	if (!quant_activation(activation, out->scale, out->zero_point, out->v->type, &min, &max))
		return op_fail(op, UNSUPPORTED,
			       "fused activation %d; supported are NONE, RELU, RELU6, RELU_N1_TO_1",
			       activation);
	*clamp_min = (uint32_t)min;
	*clamp_max = (uint32_t)max;
	return min <= max || op_fail(op, DAMAGED, "the activation leaves no value of tensor '%.*s'",
				     NAME(out->v));
}

/* A tensor with another shape over the same bytes. */
void op_reshape(struct npu_tensor *tensor, unsigned int rank, const uint32_t *dim)
{
	npu_tensor_init(tensor, tensor->type, tensor->base, (int64_t)tensor->offset,
			(int32_t)tensor->zero_point, rank, dim);
}

/*
 * Window, stride and dilation along rows (@i 0) or columns (@i 1); checks the
 * size of the output, @pad gets the padding before and after.
 */
static bool get_window(const struct op *op, unsigned int i, int padding, int64_t size,
		       int64_t stride, int64_t dilation, __le32 pad[2])
{
	const struct value *in = op_input(op, 0), *out = op_output(op);
	uint64_t window = (uint64_t)((size - 1) * dilation + 1), from = in->dim[1 + i], to, covered;

	if (size <= 0 || stride <= 0 || dilation <= 0 || size > UINT16_MAX ||
	    stride > UINT16_MAX || dilation > UINT16_MAX)
		return op_fail(op, DAMAGED, "window %lld, stride %lld, dilation %lld",
			       (long long)size, (long long)stride, (long long)dilation);
	if (padding != TFL_PADDING_SAME && padding != TFL_PADDING_VALID)
		return op_fail(op, UNSUPPORTED, "padding mode %d", padding);
	if (padding == TFL_PADDING_VALID && window > from)
		return op_fail(op, DAMAGED, "the window is larger than tensor '%.*s'", NAME(in));
	to = (padding == TFL_PADDING_SAME ? from - 1 : from - window) / (uint64_t)stride + 1;
	covered = (to - 1) * (uint64_t)stride + window;
	pad[0] = covered > from ? (uint32_t)((covered - from) / 2) : 0;
	pad[1] = covered > from ? (uint32_t)(covered - from) - pad[0] : 0;
	return want_dim(op, out, 1 + i, to);
}

/*
 * Scales, bias and clamp of a convolution or matrix multiply with the channels
 * along dimension @axis of the weights. FULLY_CONNECTED with one scale, and all of uint8,
 * multiply the two scales in float32, everything else in double.
 */
static bool get_scales(struct op *op, const struct act *in, const struct value *weight,
		       const struct act *out, unsigned int axis, struct npu_requant *rq,
		       struct npu_scale *table)
{
	bool fc = op->tfl.builtin == TFL_FULLY_CONNECTED;
	bool old = in->v->type == NPU_TYPE_U8;
	int32_t most = rq->rounding == NPU_ROUND_WIDE ? NPU_ROUND_WIDE_SHIFT : 31;
	int32_t zp, first_zp = 0;
	double factor;
	uint32_t i;
	float scale;

	if (rq->count > 1 && (weight->tfl.scale.count != rq->count ||
			      weight->tfl.axis != (int32_t)axis))
		return op_fail(op, DAMAGED,
			       "tensor '%.*s' has %u scales along dimension %d, must be %u along %u",
			       NAME(weight), weight->tfl.scale.count, weight->tfl.axis, rq->count,
			       axis);
	for (i = 0; i < rq->count; i++) {
		if (!get_quant(op, weight, i, &scale, &zp))
			return false;
		if (!i)
			first_zp = zp;
		if (zp != first_zp || (zp && !fc && !old))
			return op_fail(op, UNSUPPORTED,
				       "tensor '%.*s' has zero point %d; int8 weights have 0",
				       NAME(weight), zp);
		if ((fc || old) && rq->count == 1)
			factor = (double)(in->scale * scale) / (double)out->scale;
		else
			factor = (double)in->scale * (double)scale / (double)out->scale;
		/* Nobody looks at the table before the device does. */
		quant_scale(factor, &table[i]);
		if (!isfinite(factor) || (int32_t)table[i].shift > most)
			return op_fail(op, UNSUPPORTED,
				       "tensor '%.*s' has scale %g, too large for input and output",
				       NAME(weight), scale);
	}
	rq->weight_zero_point = (uint32_t)first_zp;
	return op_constant(op, table, rq->count * sizeof(*table), &rq->scale);
}

/*
 * int16 has accumulators of 64 bits, but with a bias of 32. Without any, TensorFlow Lite has 32
 * as well, except for DEPTHWISE_CONV_2D.
 */
void get_rounding(const struct op *op, const struct act *in, unsigned int bias,
		  struct npu_requant *rq)
{
	const struct value *v = op_input(op, bias);
	bool wide = v ? v->type == NPU_TYPE_S64 : op->c->numerics == NPU_NUMERICS_TFLM ||
						  op->tfl.builtin == TFL_DEPTHWISE_CONV_2D;

	rq->rounding = in->v->type == NPU_TYPE_S16 && wide ? NPU_ROUND_WIDE : NPU_ROUND_DOUBLE;
}

/* Input @i, which may be left out: one number per channel. */
bool get_bias(const struct op *op, unsigned int i, uint32_t channels, struct npu_requant *rq)
{
	enum npu_type type = rq->rounding == NPU_ROUND_WIDE ? NPU_TYPE_S64 : NPU_TYPE_S32;
	struct value *v = op_input(op, i);
	struct npu_tensor tensor;

	if (!v)
		return true;
	if (v->type != type || v->elements != channels)
		return op_fail(op, UNSUPPORTED,
			       "bias '%.*s' is %s with %llu elements, must be %s with %u",
			       NAME(v), tfl_type_name(v->tfl.type),
			       (unsigned long long)v->elements,
			       type == NPU_TYPE_S64 ? "int64" : "int32", channels);
	op_tensor(op, v, &tensor);
	rq->bias_type = (uint8_t)type;
	rq->bias.base = tensor.base;
	rq->bias.offset = tensor.offset;
	return true;
}

static bool get_requant(struct op *op, const struct act *in, const struct value *weight,
			const struct act *out, unsigned int axis, int activation,
			struct npu_requant *rq)
{
	unsigned int bias = op->tfl.builtin == TFL_TRANSPOSE_CONV ? 3 : 2;
	uint32_t channels = weight->dim[axis];
	struct npu_scale *table;
	bool good;

	get_rounding(op, in, bias, rq);
	rq->count = weight->tfl.scale.count > 1 ? channels : 1;
	table = calloc(rq->count, sizeof(*table));
	if (!table)
		return op_fail(op, -ENOMEM, "out of memory");
	good = get_scales(op, in, weight, out, axis, rq, table) &&
	       get_activation(op, activation, out, &rq->clamp_min, &rq->clamp_max);
	free(table);
	return good && get_bias(op, bias, channels, rq);
}

static bool emit_conv(struct op *op)
{
	bool depthwise = op->tfl.builtin == TFL_DEPTHWISE_CONV_2D;
	const struct fb_table *options = &op->tfl.options;
	unsigned int dilation = depthwise ? DEPTHWISE_DILATION_W : CONV_DILATION_W;
	int activation = fb_i8(options, depthwise ? DEPTHWISE_ACTIVATION : CONV_ACTIVATION, 0);
	int padding = fb_i8(options, CONV_PADDING, 0);
	struct npu_cmd_conv cmd = { .requant.axis = 3 };
	struct value *weight = op_input(op, 1);
	struct act in, out;
	uint32_t channels;
	unsigned int i;

	if (!get_acts(op, &in, &out) || !want_weight(op, &in, weight) || !want_rank(op, in.v, 4) ||
	    !want_rank(op, weight, 4) || !want_rank(op, out.v, 4) ||
	    !want_dim(op, out.v, 0, in.v->dim[0]))
		return false;
	channels = weight->dim[depthwise ? 3 : 0];
	if (!want_dim(op, out.v, 3, channels) || (depthwise && !want_dim(op, weight, 0, 1)))
		return false;
	if (!depthwise && in.v->dim[3] % weight->dim[3] == 0)
		cmd.groups = in.v->dim[3] / weight->dim[3];
	if (depthwise ? channels % in.v->dim[3] : !cmd.groups || channels % cmd.groups)
		return op_fail(op, DAMAGED, "weights '%.*s' do not fit an input of %u channels",
			       NAME(weight), in.v->dim[3]);
	/* The options have width before height. */
	for (i = 0; i < 2; i++) {
		cmd.stride[i] = (uint32_t)fb_i32(options, CONV_STRIDE_H - i, 0);
		cmd.dilation[i] = (uint32_t)fb_i32(options, dilation + 1 - i, 1);
		if (!get_window(op, i, padding, weight->dim[1 + i], (int32_t)cmd.stride[i],
				(int32_t)cmd.dilation[i], &cmd.pad[2 * i]))
			return false;
	}
	if (!get_requant(op, &in, weight, &out, depthwise ? 3 : 0, activation, &cmd.requant))
		return false;
	if (!fuse_input(op, in.v, &cmd.in, cmd.pad))
		op_tensor(op, in.v, &cmd.in);
	op_tensor(op, weight, &cmd.weight);
	cmd.weight.zero_point = 0;	/* it is in the requant block */
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, depthwise ? NPU_OP_DEPTHWISE : NPU_OP_CONV2D);
}

/*
 * Along rows (@i 0) or columns (@i 1): how far the input is spread, and what has to stand in
 * front of it so that windows meet the outputs.
 */
static bool get_spread(const struct op *op, unsigned int i, int padding, int32_t stride,
		       uint32_t *spread, __le32 pad[2])
{
	const struct value *in = op_input(op, 2), *weight = op_input(op, 1), *out = op_output(op);
	uint64_t from = in->dim[1 + i], window = weight->dim[1 + i], to = out->dim[1 + i];
	uint64_t reach, cut, step = (uint64_t)stride, want;

	if (stride <= 0 || stride > UINT16_MAX || window > UINT16_MAX)
		return op_fail(op, DAMAGED, "window %llu, stride %d", (unsigned long long)window,
			       stride);
	if (padding != TFL_PADDING_SAME && padding != TFL_PADDING_VALID)
		return op_fail(op, UNSUPPORTED, "padding mode %d", padding);
	want = padding == TFL_PADDING_SAME ? (to + step - 1) / step :
	       to < window ? 0 : (to - window) / step + 1;
	reach = (from - 1) * step + window;
	if (want != from || reach > INT32_MAX)
		return op_fail(op, DAMAGED, "output '%.*s' has %u in dimension %u", NAME(out),
			       out->dim[1 + i], 1 + i);
	cut = reach > to ? (reach - to) / 2 : 0;
	*spread = (uint32_t)((from - 1) * step + 1);
	pad[0] = (uint32_t)(window - 1 - cut);
	reach = to + window - 1;
	pad[1] = reach > *spread + (uint64_t)pad[0] ? (uint32_t)(reach - *spread - pad[0]) : 0;
	/* Padding is less than a window, so that a part of the output never needs it alone. */
	if (pad[1] >= window) {
		*spread += (uint32_t)(pad[1] - window + 1);
		pad[1] = (uint32_t)(window - 1);
	}
	return true;
}

/* @in with zeros between its pixels, in memory of the operator's own. */
static bool emit_spread(struct op *op, const struct act *in, const uint32_t spread[2],
			const __le32 stride[2], struct npu_tensor *out)
{
	const int16_t zero = (int16_t)in->zero_point;
	uint32_t dim[4] = { in->v->dim[0], spread[0], spread[1], in->v->dim[3] };
	struct npu_tensor from, to, fill;
	struct npu_ref ref;

	op_tensor(op, in->v, &from);
	if (spread[0] == in->v->dim[1] && spread[1] == in->v->dim[2]) {
		*out = from;
		return true;
	}
	if (!op_constant(op, &zero, sizeof(zero), &ref))
		return false;
	op_scratch(op, in->v->type, 4, dim, out);
	/* One element, everywhere. */
	npu_tensor_init(&fill, in->v->type, ref.base, (int64_t)ref.offset, 0, 4, dim);
	memset(fill.stride, 0, sizeof(fill.stride));
	to = *out;
	memcpy(to.dim, from.dim, sizeof(to.dim));
	to.stride[1] *= stride[0];
	to.stride[2] *= stride[1];
	if (!emit_copy(op, &fill, out) || !emit_copy(op, &from, &to))
		return false;
	out->zero_point = (uint32_t)in->zero_point;
	return true;
}

/* A convolution of the spread input, by the weights from the last row and column on. */
static bool emit_transpose_conv(struct op *op)
{
	const struct fb_table *options = &op->tfl.options;
	int padding = fb_i8(options, TRANSPOSE_CONV_PADDING, 0);
	struct npu_cmd_conv cmd = {
		.requant.axis = 3, .groups = 1, .stride = { 1, 1 }, .dilation = { 1, 1 },
	};
	struct value *weight = op_input(op, 1), *sizes = op_input(op, 0);
	uint32_t spread[2];
	__le32 stride[2];
	struct act in, out;
	int64_t size = 0;
	unsigned int i;

	if (!get_act(op, op_input(op, 2), &in) || !get_act(op, op_output(op), &out) ||
	    !want_same_type(op, &in, &out) || !want_weight(op, &in, weight) ||
	    !want_rank(op, in.v, 4) || !want_rank(op, weight, 4) ||
	    !want_rank(op, out.v, 4) || !want_dim(op, out.v, 0, in.v->dim[0]) ||
	    !want_dim(op, out.v, 3, weight->dim[0]) || !want_dim(op, weight, 3, in.v->dim[3]))
		return false;
	if (fb_i8(options, TRANSPOSE_CONV_ACTIVATION, 0))
		return op_fail(op, UNSUPPORTED, "a fused activation");
	if (!want_numbers(op, sizes, 4))
		return false;
	for (i = 0; i < 4; i++)
		/* The file does not know the batch. */
		if (!get_index(op, sizes, i, &size) ||
		    (!(op->c->batch && !i && size == 1) && !want_dim(op, out.v, i, (uint64_t)size)))
			return false;
	for (i = 0; i < 2; i++) {
		stride[i] = (uint32_t)fb_i32(options, TRANSPOSE_CONV_STRIDE_H - i, 0);
		if (!get_spread(op, i, padding, (int32_t)stride[i], &spread[i], &cmd.pad[2 * i]))
			return false;
	}
	if (!get_requant(op, &in, weight, &out, 0, TFL_ACT_NONE, &cmd.requant) ||
	    !emit_spread(op, &in, spread, stride, &cmd.in))
		return false;
	op_tensor(op, weight, &cmd.weight);
	for (i = 1; i < 3; i++) {
		cmd.weight.offset += (cmd.weight.dim[i] - 1) * cmd.weight.stride[i];
		cmd.weight.stride[i] = -cmd.weight.stride[i];
	}
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_CONV2D);
}

static bool emit_fully_connected(struct op *op)
{
	struct npu_cmd_matmul cmd = { .requant.axis = 1 };
	struct value *weight = op_input(op, 1);
	uint32_t n, k, batches;
	struct act in, out;

	if (!get_acts(op, &in, &out) || !want_weight(op, &in, weight) || !want_rank(op, weight, 2))
		return false;
	n = weight->dim[0];
	k = weight->dim[1];
	batches = (uint32_t)(in.v->elements / k);
	if (fb_i8(&op->tfl.options, FC_WEIGHTS_FORMAT, 0))
		return op_fail(op, UNSUPPORTED, "shuffled weights");
	if (in.v->elements % k || out.v->elements != (uint64_t)batches * n)
		return op_fail(op, DAMAGED, "weights '%.*s' [%u, %u] do not fit input and output",
			       NAME(weight), n, k);
	if (!get_requant(op, &in, weight, &out, 0, fb_i8(&op->tfl.options, FC_ACTIVATION, 0),
			 &cmd.requant))
		return false;
	op_tensor(op, in.v, &cmd.a);
	op_tensor(op, weight, &cmd.b);
	op_tensor(op, out.v, &cmd.out);
	op_reshape(&cmd.a, 2, (uint32_t[]) { batches, k });
	op_reshape(&cmd.out, 2, (uint32_t[]) { batches, n });
	cmd.b.zero_point = 0;	/* it is in the requant block */
	return op_emit(op, &cmd, NPU_OP_MATMUL);
}

static bool emit_pool(struct op *op)
{
	struct npu_cmd_pool cmd = {
		.mode = op->tfl.builtin == TFL_MAX_POOL_2D ? NPU_POOL_MAX : NPU_POOL_AVERAGE,
	};
	const struct fb_table *options = &op->tfl.options;
	int padding = fb_i8(options, POOL_PADDING, 0);
	struct act in, out;
	unsigned int i;

	if (!get_acts(op, &in, &out) || !want_same_quant(op, &in, &out) ||
	    !want_rank(op, in.v, 4) || !want_rank(op, out.v, 4) ||
	    !want_dim(op, out.v, 0, in.v->dim[0]) || !want_dim(op, out.v, 3, in.v->dim[3]) ||
	    !get_activation(op, fb_i8(options, POOL_ACTIVATION, 0), &out, &cmd.clamp_min,
			    &cmd.clamp_max))
		return false;
	for (i = 0; i < 2; i++) {
		cmd.window[i] = (uint32_t)fb_i32(options, POOL_FILTER_H - i, 0);
		cmd.stride[i] = (uint32_t)fb_i32(options, POOL_STRIDE_H - i, 0);
		if (!get_window(op, i, padding, (int32_t)cmd.window[i], (int32_t)cmd.stride[i], 1,
				&cmd.pad[2 * i]))
			return false;
	}
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_POOL);
}

/* A factor that the device takes. */
bool get_factor(const struct op *op, double factor, struct npu_scale *scale)
{
	if (isfinite(factor))
		quant_scale(fabs(factor), scale);
	if (!isfinite(factor) || (int32_t)scale->shift > 31)
		return op_fail(op, UNSUPPORTED, "the scales of its tensors are too far apart");
	if (factor < 0)
		scale->multiplier = -scale->multiplier;
	return true;
}

/* An operand as large as the output: dimensions that it lacks have stride 0. */
static void broadcast(const struct op *op, const struct value *v, const struct value *out,
		      struct npu_tensor *tensor)
{
	unsigned int i, missing = out->rank - v->rank;
	struct npu_tensor own;

	op_tensor(op, v, &own);
	*tensor = own;
	op_reshape(tensor, out->rank, out->dim);
	for (i = 0; i < out->rank; i++)
		tensor->stride[i] = i < missing || own.dim[i - missing] != out->dim[i] ? 0 :
				    own.stride[i - missing];
}

/* The shape that two operands give together, but for the @inner last dimensions. */
static bool want_broadcast(const struct op *op, const struct value *a, const struct value *b,
			   const struct value *out, unsigned int inner)
{
	uint32_t x, y;
	unsigned int i;

	if (!want_rank(op, out, a->rank > b->rank ? a->rank : b->rank))
		return false;
	/* The first dimension of one would be another one of the other. */
	if ((a->batched && a->rank != out->rank) || (b->batched && b->rank != out->rank))
		return op_fail(op, UNSUPPORTED, "'%.*s' and '%.*s' do not have the same batch",
			       NAME(a), NAME(b));
	for (i = inner + 1; i <= out->rank; i++) {
		x = i <= a->rank ? a->dim[a->rank - i] : 1;
		y = i <= b->rank ? b->dim[b->rank - i] : 1;
		if (x != y && x != 1 && y != 1)
			return op_fail(op, DAMAGED, "tensors '%.*s' and '%.*s' do not fit",
				       NAME(a), NAME(b));
		if (!want_dim(op, out, out->rank - i, x == 1 ? y : x))
			return false;
	}
	return true;
}

/* The result is int32 or int64. */
static bool emit_arg_max(struct op *op)
{
	struct value *in = op_input(op, 0), *out = op_output(op);
	struct npu_cmd_reduce cmd = { .mode = NPU_REDUCE_ARG_MAX };
	uint32_t dim[NPU_ISA_MAX_RANK];
	unsigned int axis = 0, i, k = 0;

	if (!want_type(op, in))
		return false;
	if (out->type != NPU_TYPE_S32 && out->type != NPU_TYPE_S64)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' is %s, must be int32 or int64",
			       NAME(out), tfl_type_name(out->tfl.type));
	if (!get_axis_input(op, 1, in->rank, &axis) || !want_rank(op, out, in->rank - 1))
		return false;
	for (i = 0; i < in->rank; i++) {
		dim[i] = i == axis ? 1 : in->dim[i];
		if (i != axis && !want_dim(op, out, k++, in->dim[i]))
			return false;
	}
	op_tensor(op, in, &cmd.in);
	op_tensor(op, out, &cmd.out);
	op_reshape(&cmd.out, in->rank, dim);
	cmd.axes = 1u << axis;
	return op_emit(op, &cmd, NPU_OP_REDUCE);
}

/* ADD, SUB, MUL and SQUARED_DIFFERENCE; the last has no activation. */
static bool emit_binary(struct op *op)
{
	static const struct {
		enum npu_eltwise op;
		unsigned int left_shift, left_shift16;
	} kinds[] = {
		[TFL_ADD] = { NPU_ELTWISE_ADD, 20, 15 },
		[TFL_SUB] = { NPU_ELTWISE_SUB, 20, 15 },
		[TFL_MUL] = { NPU_ELTWISE_MUL, 0, 0 },
		[TFL_SQUARED_DIFFERENCE] = { NPU_ELTWISE_SQUARED_DIFFERENCE, 7, 0 },
	};
	enum npu_eltwise kind = kinds[op->tfl.builtin].op;
	struct npu_cmd_eltwise cmd = { .op = kind };
	bool square = kind == NPU_ELTWISE_SQUARED_DIFFERENCE;
	double twice_max, unit, factor;
	struct act a, b, out;

	if (!get_three_acts(op, &a, &b, &out) ||
	    !want_broadcast(op, a.v, b.v, out.v, 0) ||
	    !get_activation(op, square ? 0 : fb_i8(&op->tfl.options, BINARY_ACTIVATION, 0), &out,
			    &cmd.clamp_min, &cmd.clamp_max))
		return false;
	cmd.left_shift = out.v->type == NPU_TYPE_S16 ? kinds[op->tfl.builtin].left_shift16 :
						       kinds[op->tfl.builtin].left_shift;
	broadcast(op, a.v, out.v, &cmd.a);
	broadcast(op, b.v, out.v, &cmd.b);
	op_tensor(op, out.v, &cmd.out);
	if (kind == NPU_ELTWISE_MUL) {
		/* In double, or all in float32. */
		factor = op->c->numerics == NPU_NUMERICS_TFLITE ?
			 (double)(a.scale * b.scale / out.scale) :
			 (double)a.scale * (double)b.scale / (double)out.scale;
		return get_factor(op, factor, &cmd.scale_out) &&
		       op_emit(op, &cmd, NPU_OP_ELTWISE);
	}
	twice_max = 2 * (double)(a.scale > b.scale ? a.scale : b.scale);
	unit = (double)(1 << cmd.left_shift);
	quant_scale((double)a.scale / twice_max, &cmd.scale_a);
	quant_scale((double)b.scale / twice_max, &cmd.scale_b);
	quant_scale(square ? twice_max * twice_max / (unit * unit * (double)out.scale) :
			     twice_max / (unit * (double)out.scale), &cmd.scale_out);
	return op_emit(op, &cmd, NPU_OP_ELTWISE);
}

/* MINIMUM and MAXIMUM */
static bool emit_pick(struct op *op)
{
	struct npu_cmd_eltwise cmd = {
		.op = op->tfl.builtin == TFL_MINIMUM ? NPU_ELTWISE_MIN : NPU_ELTWISE_MAX,
	};
	struct act a, b, out;

	if (!get_three_acts(op, &a, &b, &out) ||
	    !want_same_quant(op, &a, &out) || !want_same_quant(op, &b, &out) ||
	    !want_broadcast(op, a.v, b.v, out.v, 0))
		return false;
	full_range(out.v->type, &cmd.clamp_min, &cmd.clamp_max);
	broadcast(op, a.v, out.v, &cmd.a);
	broadcast(op, b.v, out.v, &cmd.b);
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_ELTWISE);
}

static bool emit_prelu(struct op *op)
{
	struct npu_cmd_eltwise cmd = { .op = NPU_ELTWISE_PRELU };
	struct act in, alpha, out;

	if (!get_three_acts(op, &in, &alpha, &out) ||
	    !want_broadcast(op, in.v, alpha.v, out.v, 0))
		return false;
	full_range(out.v->type, &cmd.clamp_min, &cmd.clamp_max);
	broadcast(op, in.v, out.v, &cmd.a);
	broadcast(op, alpha.v, out.v, &cmd.b);
	op_tensor(op, out.v, &cmd.out);
	quant_scale((double)in.scale / (double)out.scale, &cmd.scale_a);
	quant_scale((double)in.scale * (double)alpha.scale / (double)out.scale, &cmd.scale_out);
	return op_emit(op, &cmd, NPU_OP_ELTWISE);
}

/* One operand of BATCH_MATMUL as large as the output outside its last two dimensions. */
static void batches(const struct op *op, const struct value *v, const struct value *out, bool swap,
		    struct npu_tensor *t)
{
	unsigned int outer = out->rank - 2, i, from;
	struct npu_tensor own;

	op_tensor(op, v, &own);
	broadcast(op, v, out, t);
	for (i = 0; i < 2; i++) {
		from = v->rank - 2 + (swap ? 1 - i : i);
		t->dim[outer + i] = own.dim[from];
		t->stride[outer + i] = own.stride[from];
	}
}

static bool want_batches(const struct op *op, const struct value *a, const struct value *b,
			 const struct value *out)
{
	if (a->rank < 2 || b->rank < 2)
		return op_fail(op, DAMAGED, "tensors '%.*s' and '%.*s' have rank %u and %u",
			       NAME(a), NAME(b), a->rank, b->rank);
	return want_broadcast(op, a, b, out, 2);
}

static bool emit_batch_matmul(struct op *op)
{
	bool adj_x = fb_i8(&op->tfl.options, BATCH_MATMUL_ADJ_X, 0);
	bool adj_y = fb_i8(&op->tfl.options, BATCH_MATMUL_ADJ_Y, 0);
	struct npu_cmd_matmul cmd = { 0 };
	struct npu_requant *rq = &cmd.requant;
	struct npu_scale scale;
	struct act a, b, out;
	unsigned int m, n;

	if (!get_three_acts(op, &a, &b, &out) || !want_batches(op, a.v, b.v, out.v))
		return false;
	m = out.v->rank - 2;
	n = out.v->rank - 1;
	batches(op, a.v, out.v, adj_x, &cmd.a);
	batches(op, b.v, out.v, !adj_y, &cmd.b);
	op_tensor(op, out.v, &cmd.out);
	if (!want_dim(op, out.v, m, cmd.a.dim[m]) || !want_dim(op, out.v, n, cmd.b.dim[m]))
		return false;
	if (cmd.a.dim[n] != cmd.b.dim[n])
		return op_fail(op, DAMAGED, "tensors '%.*s' and '%.*s' do not fit", NAME(a.v),
			       NAME(b.v));
	/* The product in float32, as FULLY_CONNECTED has it. */
	if (!get_factor(op, (double)(a.scale * b.scale) / (double)out.scale, &scale))
		return false;
	rq->rounding = a.v->type == NPU_TYPE_S16 ? NPU_ROUND_WIDE : NPU_ROUND_DOUBLE;
	if (rq->rounding == NPU_ROUND_WIDE && (int32_t)scale.shift > NPU_ROUND_WIDE_SHIFT)
		return op_fail(op, UNSUPPORTED, "the scales of its tensors are too far apart");
	rq->axis = (uint8_t)n;
	rq->count = 1;
	full_range(out.v->type, &rq->clamp_min, &rq->clamp_max);
	rq->weight_zero_point = cmd.b.zero_point;
	cmd.b.zero_point = 0;
	return op_constant(op, &scale, sizeof(scale), &rq->scale) &&
	       op_emit(op, &cmd, NPU_OP_MATMUL);
}

/* RELU, RELU6 and RELU_N1_TO_1 */
static bool emit_relu(struct op *op)
{
	int activation = op->tfl.builtin == TFL_RELU ? TFL_ACT_RELU :
			 op->tfl.builtin == TFL_RELU6 ? TFL_ACT_RELU6 : TFL_ACT_RELU_N1_TO_1;
	struct npu_cmd_requant cmd = { 0 };
	struct act in, out;

	if (!get_acts(op, &in, &out) || !want_same_shape(op, in.v, out.v) ||
	    !get_activation(op, activation, &out, &cmd.clamp_min, &cmd.clamp_max))
		return false;
	/* The quotient in float32. */
	if (!get_factor(op, (double)(in.scale / out.scale), &cmd.scale))
		return false;
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_REQUANT);
}

/* QUANTIZE from one integer type to another, and what has float32 inside the graph */
static bool emit_quantize(struct op *op)
{
	const struct value *in = op_input(op, 0), *out = op_output(op), *v;
	struct npu_cmd_requant cmd = { 0 };
	float in_scale, out_scale;
	unsigned int i;
	int32_t zp;

	for (i = 0; i < 2; i++) {
		v = i ? out : in;
		if (v->type == NPU_TYPE_F32)
			return op_fail(op, UNSUPPORTED,
				       "tensor '%.*s' is float32 inside the graph; only its inputs and outputs may be: convert with full integer quantisation",
				       NAME(v));
		if (v->type != NPU_TYPE_S8 && v->type != NPU_TYPE_U8 && v->type != NPU_TYPE_S16)
			return op_fail(op, UNSUPPORTED,
				       "tensor '%.*s' is %s, supported are int8, uint8 and int16",
				       NAME(v), tfl_type_name(v->tfl.type));
	}
	if (!tensor_quant(op, in, &in_scale, &zp) || !tensor_quant(op, out, &out_scale, &zp) ||
	    !want_same_shape(op, in, out))
		return false;
	cmd.clamp_min = (uint32_t)npu_type_min(out->type);
	cmd.clamp_max = (uint32_t)npu_type_max(out->type);
	quant_scale((double)in_scale / (double)out_scale, &cmd.scale);
	op_tensor(op, in, &cmd.in);
	op_tensor(op, out, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_REQUANT);
}

/* Element @i of a small constant of int32 or int64. */
bool get_index(const struct op *op, const struct value *v, uint32_t i, int64_t *index)
{
	if (!v->constant || (v->type != NPU_TYPE_S32 && v->type != NPU_TYPE_S64))
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' must be a constant of int32 or int64",
			       NAME(v));
	*index = v->type == NPU_TYPE_S32 ? fb_i32_at(&v->tfl.data, i) : fb_i64_at(&v->tfl.data, i);
	return true;
}

/* Negative ones count from the end. */
bool get_axis(const struct op *op, int64_t axis, unsigned int rank, unsigned int *i)
{
	if (axis < -(int64_t)rank || axis >= (int64_t)rank)
		return op_fail(op, DAMAGED, "axis %lld of rank %u", (long long)axis, rank);
	*i = (unsigned int)(axis < 0 ? axis + rank : axis);
	return true;
}

/* Are these @n numbers there? */
bool want_numbers(const struct op *op, const struct value *v, uint32_t n)
{
	return v->elements == n ||
	       op_fail(op, DAMAGED, "tensor '%.*s' has %llu elements, must be %u", NAME(v),
		       (unsigned long long)v->elements, n);
}

/* An axis that input @input names. */
bool get_axis_input(const struct op *op, unsigned int input, unsigned int rank, unsigned int *i)
{
	const struct value *v = op_input(op, input);
	int64_t axis = 0;

	return want_numbers(op, v, 1) && get_index(op, v, 0, &axis) &&
	       get_axis(op, axis, rank, i);
}

static bool get_axes(const struct op *op, const struct value *axes, unsigned int rank, __le32 *mask)
{
	unsigned int axis = 0;
	int64_t index = 0;
	uint32_t i;

	for (i = 0; i < axes->elements; i++) {
		if (!get_index(op, axes, i, &index) || !get_axis(op, index, rank, &axis))
			return false;
		*mask |= 1u << axis;
	}
	return true;
}

/* The dimensions that a reduction keeps, and how many values become one. */
static bool get_reduction(struct op *op, const struct act *in, const struct act *out,
			  struct npu_cmd_reduce *cmd, uint64_t *count)
{
	bool keep = fb_i8(&op->tfl.options, REDUCER_KEEP_DIMS, 0);
	uint32_t dim[NPU_ISA_MAX_RANK], kept[NPU_ISA_MAX_RANK], n = 0, i;

	if (!get_axes(op, op_input(op, 1), in->v->rank, &cmd->axes))
		return false;
	*count = 1;
	for (i = 0; i < in->v->rank; i++) {
		dim[i] = cmd->axes >> i & 1 ? 1 : in->v->dim[i];
		*count *= in->v->dim[i] / dim[i];
		if (keep || !(cmd->axes >> i & 1))
			kept[n++] = dim[i];
	}
	if (!want_rank(op, out->v, n))
		return false;
	for (i = 0; i < n; i++)
		if (!want_dim(op, out->v, i, kept[i]))
			return false;
	op_tensor(op, in->v, &cmd->in);
	op_tensor(op, out->v, &cmd->out);
	op_reshape(&cmd->out, in->v->rank, dim);
	return true;
}

/* MEAN and SUM */
static bool emit_mean(struct op *op)
{
	struct npu_cmd_reduce cmd = { .mode = NPU_REDUCE_MEAN };
	struct act in, out;
	uint64_t count;
	int32_t shift;

	if (!get_acts(op, &in, &out) || !get_reduction(op, &in, &out, &cmd, &count))
		return false;
	full_range(out.v->type, &cmd.clamp_min, &cmd.clamp_max);
	quant_scale((double)in.scale / (double)out.scale, &cmd.scale);
	if (op->tfl.builtin == TFL_SUM)
		return op_emit(op, &cmd, NPU_OP_REDUCE);
	/* The factor takes 1 / count in, as precisely as it does not overflow. */
	shift = 63 - __builtin_clzll(count);
	if (shift > 31 + (int32_t)cmd.scale.shift)
		shift = 31 + (int32_t)cmd.scale.shift;
	cmd.scale.multiplier = (uint32_t)(((uint64_t)cmd.scale.multiplier << shift) / count);
	cmd.scale.shift -= (uint32_t)shift;
	return op_emit(op, &cmd, NPU_OP_REDUCE);
}

static bool emit_reduce_max(struct op *op)
{
	struct npu_cmd_reduce cmd = { .mode = NPU_REDUCE_MAX };
	struct act in, out;
	uint64_t count;

	if (!get_acts(op, &in, &out) || !want_same_quant(op, &in, &out) ||
	    !get_reduction(op, &in, &out, &cmd, &count))
		return false;
	full_range(out.v->type, &cmd.clamp_min, &cmd.clamp_max);
	return op_emit(op, &cmd, NPU_OP_REDUCE);
}

/* More inputs, or outputs, than files have. */
#define MANY	256

#define ANY	(I8 | U8 | I16)

static const struct op_rules rules[] = {
	{ TFL_ADD, 2, 2, 1, TFL_ADD_OPTIONS, ANY, emit_binary },
	{ TFL_ARG_MAX, 2, 2, 1, 0, I8 | U8, emit_arg_max },
	{ TFL_ASSIGN_VARIABLE, 2, 2, 0, 0, 0, emit_assign_variable },
	{ TFL_AVERAGE_POOL_2D, 1, 1, 1, TFL_POOL_2D_OPTIONS, ANY, emit_pool },
	{ TFL_BATCH_MATMUL, 2, 2, 1, TFL_BATCH_MATMUL_OPTIONS, I8 | I16, emit_batch_matmul },
	{ TFL_CALL_ONCE, 0, 0, 0, TFL_CALL_ONCE_OPTIONS, 0, emit_nothing },
	{ TFL_CONCATENATION, 1, MANY, 1, TFL_CONCATENATION_OPTIONS, 0, emit_concatenation },
	{ TFL_CONV_2D, 2, 3, 1, TFL_CONV_2D_OPTIONS, ANY, emit_conv },
	{ TFL_DEPTHWISE_CONV_2D, 2, 3, 1, TFL_DEPTHWISE_CONV_2D_OPTIONS, ANY, emit_conv },
	{ TFL_DEPTH_TO_SPACE, 1, 1, 1, TFL_DEPTH_TO_SPACE_OPTIONS, 0, emit_depth_to_space },
	{ TFL_DEQUANTIZE, 1, 1, 1, 0, 0, emit_quantize },
	{ TFL_ELU, 1, 1, 1, 0, I8, emit_elu },
	{ TFL_EXPAND_DIMS, 2, 2, 1, 0, OP_ALIAS, emit_alias },
	{ TFL_FULLY_CONNECTED, 2, 3, 1, TFL_FULLY_CONNECTED_OPTIONS, ANY, emit_fully_connected },
	{ TFL_GATHER, 2, 2, 1, TFL_GATHER_OPTIONS, 0, emit_gather },
	{ TFL_HARD_SWISH, 1, 1, 1, 0, I8, emit_hard_swish },
	{ TFL_L2_NORMALIZATION, 1, 1, 1, TFL_L2_NORM_OPTIONS, I8, emit_l2_norm },
	{ TFL_LEAKY_RELU, 1, 1, 1, TFL_LEAKY_RELU_OPTIONS, I8 | I16, emit_leaky_relu },
	{ TFL_LOGISTIC, 1, 1, 1, 0, I8 | I16, emit_logistic },
	{ TFL_LOG_SOFTMAX, 1, 1, 1, 0, I8, emit_log_softmax },
	{ TFL_MAXIMUM, 2, 2, 1, 0, I8 | I16, emit_pick },
	{ TFL_MAX_POOL_2D, 1, 1, 1, TFL_POOL_2D_OPTIONS, ANY, emit_pool },
	{ TFL_MEAN, 2, 2, 1, TFL_REDUCER_OPTIONS, I8 | I16, emit_mean },
	{ TFL_MINIMUM, 2, 2, 1, 0, I8 | I16, emit_pick },
	{ TFL_MIRROR_PAD, 2, 2, 1, TFL_MIRROR_PAD_OPTIONS, 0, emit_mirror_pad },
	{ TFL_MUL, 2, 2, 1, TFL_MUL_OPTIONS, ANY, emit_binary },
	{ TFL_PACK, 1, MANY, 1, TFL_PACK_OPTIONS, 0, emit_pack },
	{ TFL_PAD, 2, 2, 1, 0, 0, emit_pad },
	{ TFL_PADV2, 3, 3, 1, 0, 0, emit_pad },
	{ TFL_PRELU, 2, 2, 1, 0, I8, emit_prelu },
	{ TFL_QUANTIZE, 1, 1, 1, 0, 0, emit_quantize },
	{ TFL_READ_VARIABLE, 1, 1, 1, 0, 0, emit_read_variable },
	{ TFL_REDUCE_MAX, 2, 2, 1, TFL_REDUCER_OPTIONS, I8 | I16, emit_reduce_max },
	{ TFL_RELU, 1, 1, 1, 0, ANY, emit_relu },
	{ TFL_RELU6, 1, 1, 1, 0, ANY, emit_relu },
	{ TFL_RELU_N1_TO_1, 1, 1, 1, 0, ANY, emit_relu },
	{ TFL_RESHAPE, 1, 2, 1, 0, OP_ALIAS, emit_alias },
	{ TFL_RESIZE_BILINEAR, 2, 2, 1, TFL_RESIZE_BILINEAR_OPTIONS, 0, emit_resize_bilinear },
	{ TFL_RESIZE_NEAREST_NEIGHBOR, 2, 2, 1, TFL_RESIZE_NEAREST_OPTIONS, 0,
	  emit_resize_nearest },
	{ TFL_RSQRT, 1, 1, 1, 0, I8, emit_rsqrt },
	{ TFL_SLICE, 3, 3, 1, 0, 0, emit_slice },
	{ TFL_SOFTMAX, 1, 1, 1, TFL_SOFTMAX_OPTIONS, ANY, emit_softmax },
	{ TFL_SPACE_TO_DEPTH, 1, 1, 1, TFL_SPACE_TO_DEPTH_OPTIONS, 0, emit_space_to_depth },
	{ TFL_SPLIT, 2, 2, MANY, 0, 0, emit_split },
	{ TFL_SPLIT_V, 3, 3, MANY, 0, 0, emit_split_v },
	{ TFL_SQUARED_DIFFERENCE, 2, 2, 1, 0, I8 | I16, emit_binary },
	{ TFL_SQUEEZE, 1, 1, 1, 0, OP_ALIAS, emit_alias },
	{ TFL_STRIDED_SLICE, 4, 4, 1, TFL_STRIDED_SLICE_OPTIONS, 0, emit_strided_slice },
	{ TFL_SUB, 2, 2, 1, TFL_SUB_OPTIONS, I8 | I16, emit_binary },
	{ TFL_SUM, 2, 2, 1, TFL_REDUCER_OPTIONS, I8 | I16, emit_mean },
	{ TFL_SVDF, 3, 5, 1, TFL_SVDF_OPTIONS, I8 | OP_STATE, emit_svdf },
	{ TFL_TANH, 1, 1, 1, 0, I8 | I16, emit_tanh },
	{ TFL_TRANSPOSE, 2, 2, 1, 0, 0, emit_transpose },
	{ TFL_TRANSPOSE_CONV, 3, 4, 1, TFL_TRANSPOSE_CONV_OPTIONS, I8 | I16, emit_transpose_conv },
	{ TFL_UNIDIRECTIONAL_SEQUENCE_LSTM, 9, 24, 1, TFL_LSTM_OPTIONS, I8 | I16 | OP_STATE,
	  emit_lstm },
	{ TFL_UNPACK, 1, 1, MANY, TFL_UNPACK_OPTIONS, 0, emit_unpack },
	{ TFL_VAR_HANDLE, 0, 0, 1, TFL_VAR_HANDLE_OPTIONS, 0, emit_nothing },
};

const struct op_rules *op_rules(int builtin)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rules); i++)
		if ((int)rules[i].builtin == builtin)
			return &rules[i];
	return NULL;
}

// SPDX-License-Identifier: MIT
/*
 * The operators: each checks types, quantisation and shapes, derives the
 * integers and writes its commands. The arithmetic is that of the reference
 * kernels of TensorFlow Lite Micro.
 */
#include <math.h>

#include "compile.h"

#define UNSUPPORTED	(-EOPNOTSUPP)
#define DAMAGED		(-EBADMSG)

static bool want_int8(const struct op *op, const struct value *v)
{
	return v->type == NPU_TYPE_S8 ||
	       op_fail(op, UNSUPPORTED,
		       "tensor '%.*s' is %s, supported is int8; convert with full integer quantisation (supported_ops = [TFLITE_BUILTINS_INT8])",
		       NAME(v), tfl_type_name(v->tfl.type));
}

static bool want_rank(const struct op *op, const struct value *v, unsigned int rank)
{
	return v->rank == rank || op_fail(op, UNSUPPORTED, "tensor '%.*s' has rank %u, must be %u",
					  NAME(v), v->rank, rank);
}

/* Dimension @i of the output must be what the shapes of the inputs give. */
static bool want_dim(const struct op *op, const struct value *v, unsigned int i, uint64_t size)
{
	return v->dim[i] == size ||
	       op_fail(op, DAMAGED, "tensor '%.*s' has %u in dimension %u, must be %llu", NAME(v),
		       v->dim[i], i, (unsigned long long)size);
}

static bool want_same_shape(const struct op *op, const struct value *in, const struct value *out)
{
	return (in->rank == out->rank && !memcmp(in->dim, out->dim, sizeof(in->dim))) ||
	       op_fail(op, DAMAGED, "tensor '%.*s' has another shape than the input", NAME(out));
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
	return (zp >= npu_type_min(v->type) && zp <= npu_type_max(v->type)) ||
	       op_fail(op, DAMAGED, "tensor '%.*s' has zero point %lld", NAME(v), (long long)zp);
}

static bool tensor_quant(const struct op *op, const struct value *v, float *scale, int32_t *zp)
{
	if (v->tfl.scale.count > 1 || v->tfl.zero_point.count > 1)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' is quantised per channel", NAME(v));
	return get_quant(op, v, 0, scale, zp);
}

/* An int8 activation with its quantisation. */
struct act {
	struct value *v;
	float scale;
	int32_t zero_point;
};

static bool get_act(const struct op *op, struct value *v, struct act *act)
{
	act->v = v;
	return want_int8(op, v) && tensor_quant(op, v, &act->scale, &act->zero_point);
}

static bool get_acts(const struct op *op, struct act *in, struct act *out)
{
	return get_act(op, op_input(op, 0), in) && get_act(op, op_output(op), out);
}

static bool want_same_quant(const struct op *op, const struct act *in, const struct act *out)
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
static void reshape(struct npu_tensor *tensor, unsigned int rank, const uint32_t *dim)
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
 * along dimension @axis of the weights. FULLY_CONNECTED with one scale
 * multiplies the two scales in float32, everything else in double.
 */
static bool get_scales(struct op *op, const struct act *in, const struct value *weight,
		       const struct act *out, unsigned int axis, struct npu_requant *rq,
		       struct npu_scale *table)
{
	bool fc = op->tfl.builtin == TFL_FULLY_CONNECTED;
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
		if (zp != first_zp || (zp && !fc))
			return op_fail(op, UNSUPPORTED,
				       "tensor '%.*s' has zero point %d; int8 weights have 0",
				       NAME(weight), zp);
		if (fc && rq->count == 1)
			factor = (double)(in->scale * scale) / (double)out->scale;
		else
			factor = (double)in->scale * (double)scale / (double)out->scale;
		/* Nobody looks at the table before the device does. */
		quant_scale(factor, &table[i]);
		if (!isfinite(factor) || (int32_t)table[i].shift > 31)
			return op_fail(op, UNSUPPORTED,
				       "tensor '%.*s' has scale %g, too large for input and output",
				       NAME(weight), scale);
	}
	rq->weight_zero_point = (uint32_t)first_zp;
	return op_constant(op, table, rq->count * sizeof(*table), &rq->scale);
}

static bool get_requant(struct op *op, const struct act *in, const struct value *weight,
			const struct act *out, unsigned int axis, int activation,
			struct npu_requant *rq)
{
	uint32_t channels = weight->dim[axis];
	struct value *bias = op_input(op, 2);
	struct npu_scale *table;
	struct npu_tensor tensor;
	bool good;

	rq->rounding = NPU_ROUND_DOUBLE;
	rq->count = weight->tfl.scale.count > 1 ? channels : 1;
	table = calloc(rq->count, sizeof(*table));
	if (!table)
		return op_fail(op, -ENOMEM, "out of memory");
	good = get_scales(op, in, weight, out, axis, rq, table) &&
	       get_activation(op, activation, out, &rq->clamp_min, &rq->clamp_max);
	free(table);
	if (!good || !bias)
		return good;
	if (bias->type != NPU_TYPE_S32 || bias->elements != channels)
		return op_fail(op, UNSUPPORTED,
			       "bias '%.*s' is %s with %llu elements, must be int32 with %u",
			       NAME(bias), tfl_type_name(bias->tfl.type),
			       (unsigned long long)bias->elements, channels);
	op_tensor(op, bias, &tensor);
	rq->bias_type = NPU_TYPE_S32;
	rq->bias.base = tensor.base;
	rq->bias.offset = tensor.offset;
	return true;
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

	if (!get_acts(op, &in, &out) || !want_int8(op, weight) || !want_rank(op, in.v, 4) ||
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
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, weight, &cmd.weight);
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, depthwise ? NPU_OP_DEPTHWISE : NPU_OP_CONV2D);
}

static bool emit_fully_connected(struct op *op)
{
	struct npu_cmd_matmul cmd = { .requant.axis = 1 };
	struct value *weight = op_input(op, 1);
	uint32_t n, k, batches;
	struct act in, out;

	if (!get_acts(op, &in, &out) || !want_int8(op, weight) || !want_rank(op, weight, 2))
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
	reshape(&cmd.a, 2, (uint32_t[]) { batches, k });
	reshape(&cmd.out, 2, (uint32_t[]) { batches, n });
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

/* An operand as large as the output: dimensions that it lacks have stride 0. */
static void broadcast(struct op *op, const struct value *v, const struct value *out,
		      struct npu_tensor *tensor)
{
	unsigned int i, missing = out->rank - v->rank;
	struct npu_tensor own;

	op_tensor(op, v, &own);
	*tensor = own;
	reshape(tensor, out->rank, out->dim);
	for (i = 0; i < out->rank; i++)
		tensor->stride[i] = i < missing || own.dim[i - missing] != out->dim[i] ? 0 :
				    own.stride[i - missing];
}

/* The shape that two operands give together. */
static bool want_broadcast(const struct op *op, const struct value *a, const struct value *b,
			   const struct value *out)
{
	uint32_t x, y;
	unsigned int i;

	if (!want_rank(op, out, a->rank > b->rank ? a->rank : b->rank))
		return false;
	for (i = 1; i <= out->rank; i++) {
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

static bool emit_binary(struct op *op)
{
	bool mul = op->tfl.builtin == TFL_MUL;
	struct npu_cmd_eltwise cmd = {
		.op = mul ? NPU_ELTWISE_MUL : NPU_ELTWISE_ADD,
		.left_shift = mul ? 0 : 20,
	};
	struct act a, b, out;
	double twice_max;

	if (!get_acts(op, &a, &out) || !get_act(op, op_input(op, 1), &b) ||
	    !want_broadcast(op, a.v, b.v, out.v) ||
	    !get_activation(op, fb_i8(&op->tfl.options, mul ? MUL_ACTIVATION : ADD_ACTIVATION, 0),
			    &out, &cmd.clamp_min, &cmd.clamp_max))
		return false;
	broadcast(op, a.v, out.v, &cmd.a);
	broadcast(op, b.v, out.v, &cmd.b);
	op_tensor(op, out.v, &cmd.out);
	if (mul) {
		quant_scale((double)a.scale * (double)b.scale / (double)out.scale, &cmd.scale_out);
	} else {
		twice_max = 2 * (double)(a.scale > b.scale ? a.scale : b.scale);
		quant_scale((double)a.scale / twice_max, &cmd.scale_a);
		quant_scale((double)b.scale / twice_max, &cmd.scale_b);
		quant_scale(twice_max / ((double)(1 << 20) * (double)out.scale), &cmd.scale_out);
	}
	return op_emit(op, &cmd, NPU_OP_ELTWISE);
}

/* RELU and RELU6 */
static bool emit_relu(struct op *op)
{
	int activation = op->tfl.builtin == TFL_RELU ? TFL_ACT_RELU : TFL_ACT_RELU6;
	struct npu_cmd_requant cmd = { 0 };
	struct act in, out;

	if (!get_acts(op, &in, &out) || !want_same_shape(op, in.v, out.v) ||
	    !get_activation(op, activation, &out, &cmd.clamp_min, &cmd.clamp_max))
		return false;
	quant_scale((double)in.scale / (double)out.scale, &cmd.scale);
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

static bool emit_softmax(struct op *op)
{
	float beta = fb_f32(&op->tfl.options, SOFTMAX_BETA, 0);
	struct npu_cmd_softmax cmd = { 0 };
	struct act in, out;
	double factor;

	if (!get_acts(op, &in, &out) || !want_same_shape(op, in.v, out.v))
		return false;
	if (!in.v->rank)
		return op_fail(op, DAMAGED, "tensor '%.*s' has no dimension", NAME(in.v));
	if (out.scale != 1.0f / 256 || out.zero_point != -128)
		return op_fail(op, UNSUPPORTED,
			       "output '%.*s' has scale %g and zero point %d, must be 1/256 and -128",
			       NAME(out.v), out.scale, out.zero_point);
	/* Q5.26: 5 integer bits hold a difference */
	factor = (double)beta * (double)in.scale * (double)(1 << 26);
	if (!(factor > 1))
		return op_fail(op, UNSUPPORTED, "beta %g times scale %g is too small", beta,
			       in.scale);
	quant_scale(factor < (double)INT32_MAX ? factor : (double)INT32_MAX, &cmd.beta);
	cmd.diff_min = (uint32_t)-(int32_t)floor(31.0 * (double)(1 << 26) /
						 (double)(1ll << cmd.beta.shift));
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_SOFTMAX);
}

/* Element @i of a small constant of int32 or int64. */
static bool get_index(const struct op *op, const struct value *v, uint32_t i, int64_t *index)
{
	if (!v->constant || (v->type != NPU_TYPE_S32 && v->type != NPU_TYPE_S64))
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' must be a constant of int32 or int64",
			       NAME(v));
	*index = v->type == NPU_TYPE_S32 ? fb_i32_at(&v->tfl.data, i) : fb_i64_at(&v->tfl.data, i);
	return true;
}

static bool get_axes(const struct op *op, const struct value *axes, unsigned int rank,
		     __le32 *mask)
{
	int64_t axis = 0;
	uint32_t i;

	for (i = 0; i < axes->elements; i++) {
		if (!get_index(op, axes, i, &axis))
			return false;
		if (axis < -(int64_t)rank || axis >= (int64_t)rank)
			return op_fail(op, DAMAGED, "axis %lld of rank %u", (long long)axis, rank);
		*mask |= 1u << (axis < 0 ? axis + rank : axis);
	}
	return true;
}

static bool emit_mean(struct op *op)
{
	bool keep = fb_i8(&op->tfl.options, REDUCER_KEEP_DIMS, 0);
	struct npu_cmd_reduce cmd = {
		.mode = NPU_REDUCE_MEAN,
		.clamp_min = (uint32_t)INT8_MIN,
		.clamp_max = INT8_MAX,
	};
	uint32_t dim[NPU_ISA_MAX_RANK], kept[NPU_ISA_MAX_RANK], n = 0, i;
	uint64_t count = 1;
	int32_t shift;
	struct act in, out;

	if (!get_acts(op, &in, &out) || !get_axes(op, op_input(op, 1), in.v->rank, &cmd.axes))
		return false;
	for (i = 0; i < in.v->rank; i++) {
		dim[i] = cmd.axes >> i & 1 ? 1 : in.v->dim[i];
		count *= in.v->dim[i] / dim[i];
		if (keep || !(cmd.axes >> i & 1))
			kept[n++] = dim[i];
	}
	if (!want_rank(op, out.v, n))
		return false;
	for (i = 0; i < n; i++)
		if (!want_dim(op, out.v, i, kept[i]))
			return false;
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	reshape(&cmd.out, in.v->rank, dim);
	/* The factor takes 1 / count in, as precisely as it does not overflow. */
	quant_scale((double)in.scale / (double)out.scale, &cmd.scale);
	shift = 63 - __builtin_clzll(count);
	if (shift > 31 + (int32_t)cmd.scale.shift)
		shift = 31 + (int32_t)cmd.scale.shift;
	cmd.scale.multiplier = (uint32_t)(((uint64_t)cmd.scale.multiplier << shift) / count);
	cmd.scale.shift -= (uint32_t)shift;
	return op_emit(op, &cmd, NPU_OP_REDUCE);
}

static bool emit_pad(struct op *op)
{
	struct npu_cmd_pad cmd = { .mode = NPU_PAD_CONSTANT };
	const struct value *pads = op_input(op, 1);
	int64_t before = 0, after = 0;
	struct act in, out;
	unsigned int i;

	if (!get_acts(op, &in, &out) || !want_same_quant(op, &in, &out) ||
	    !want_rank(op, out.v, in.v->rank))
		return false;
	if (pads->elements != 2ull * in.v->rank)
		return op_fail(op, DAMAGED, "paddings '%.*s' have %llu elements, must be 2 * %u",
			       NAME(pads), (unsigned long long)pads->elements, in.v->rank);
	for (i = 0; i < in.v->rank; i++) {
		if (!get_index(op, pads, 2 * i, &before) || !get_index(op, pads, 2 * i + 1, &after))
			return false;
		if (before < 0 || after < 0 || before > INT32_MAX || after > INT32_MAX)
			return op_fail(op, DAMAGED, "a padding is negative or too large");
		if (!want_dim(op, out.v, i, in.v->dim[i] + (uint64_t)(before + after)))
			return false;
		cmd.before[i] = (uint32_t)before;
	}
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	cmd.value = (uint64_t)(int64_t)out.zero_point;
	return op_emit(op, &cmd, NPU_OP_PAD);
}

/* compile.c made both the same memory already. */
static bool emit_reshape(struct op *op)
{
	(void)op;
	return true;
}

static const struct op_rules rules[] = {
	{ TFL_ADD, 2, 2, TFL_ADD_OPTIONS, emit_binary },
	{ TFL_AVERAGE_POOL_2D, 1, 1, TFL_POOL_2D_OPTIONS, emit_pool },
	{ TFL_CONV_2D, 2, 3, TFL_CONV_2D_OPTIONS, emit_conv },
	{ TFL_DEPTHWISE_CONV_2D, 2, 3, TFL_DEPTHWISE_CONV_2D_OPTIONS, emit_conv },
	{ TFL_DEQUANTIZE, 1, 1, 0, emit_quantize },
	{ TFL_FULLY_CONNECTED, 2, 3, TFL_FULLY_CONNECTED_OPTIONS, emit_fully_connected },
	{ TFL_MAX_POOL_2D, 1, 1, TFL_POOL_2D_OPTIONS, emit_pool },
	{ TFL_MEAN, 2, 2, TFL_REDUCER_OPTIONS, emit_mean },
	{ TFL_MUL, 2, 2, TFL_MUL_OPTIONS, emit_binary },
	{ TFL_PAD, 2, 2, 0, emit_pad },
	{ TFL_QUANTIZE, 1, 1, 0, emit_quantize },
	{ TFL_RELU, 1, 1, 0, emit_relu },
	{ TFL_RELU6, 1, 1, 0, emit_relu },
	{ TFL_RESHAPE, 1, 2, 0, emit_reshape },
	{ TFL_SOFTMAX, 1, 1, TFL_SOFTMAX_OPTIONS, emit_softmax },
};

const struct op_rules *op_rules(int builtin)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rules); i++)
		if ((int)rules[i].builtin == builtin)
			return &rules[i];
	return NULL;
}

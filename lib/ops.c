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

static int want_int8(const struct op *op, const struct value *v)
{
	if (v->type == NPU_TYPE_S8)
		return 0;
	return op_fail(op, UNSUPPORTED,
		       "tensor '%.*s' is %s, supported is int8; convert with full integer quantisation (supported_ops = [TFLITE_BUILTINS_INT8])",
		       NAME(v), tfl_type_name(v->tfl.type));
}

static int want_rank(const struct op *op, const struct value *v, unsigned int rank)
{
	if (v->rank == rank)
		return 0;
	return op_fail(op, UNSUPPORTED, "tensor '%.*s' has rank %u, must be %u", NAME(v), v->rank,
		       rank);
}

/* Dimension @i of the output must be what the shapes of the inputs give. */
static int want_dim(const struct op *op, const struct value *v, unsigned int i, uint64_t size)
{
	if (v->dim[i] == size)
		return 0;
	return op_fail(op, DAMAGED, "tensor '%.*s' has %u in dimension %u, must be %llu", NAME(v),
		       v->dim[i], i, (unsigned long long)size);
}

/* Scale and zero point of channel @i. */
static int get_quant(const struct op *op, const struct value *v, uint32_t i, float *scale,
		     int32_t *zero_point)
{
	const struct fb_vector *s = &v->tfl.scale, *z = &v->tfl.zero_point;
	int64_t zp = z->count ? fb_i64_at(z, i < z->count ? i : 0) : 0;

	if (!s->count)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' is not quantised", NAME(v));
	*scale = fb_f32_at(s, i < s->count ? i : 0);
	if (!isfinite(*scale) || !(*scale > 0))
		return op_fail(op, DAMAGED, "tensor '%.*s' has scale %g", NAME(v), *scale);
	if (zp < npu_type_min(v->type) || zp > npu_type_max(v->type))
		return op_fail(op, DAMAGED, "tensor '%.*s' has zero point %lld", NAME(v),
			       (long long)zp);
	*zero_point = (int32_t)zp;
	return 0;
}

static int tensor_quant(const struct op *op, const struct value *v, float *scale, int32_t *zp)
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

static int get_act(const struct op *op, struct value *v, struct act *act)
{
	int ret = want_int8(op, v);

	act->v = v;
	return ret ? ret : tensor_quant(op, v, &act->scale, &act->zero_point);
}

static int get_acts(const struct op *op, struct act *in, struct act *out)
{
	int ret = get_act(op, op_input(op, 0), in);

	return ret ? ret : get_act(op, op_output(op), out);
}

static int want_same_quant(const struct op *op, const struct act *in, const struct act *out)
{
	if (fabsf(in->scale - out->scale) <= 1.0e-6f && in->zero_point == out->zero_point)
		return 0;
	return op_fail(op, UNSUPPORTED,
		       "input (scale %g, zero point %d) and output (%g, %d) must be quantised alike",
		       in->scale, in->zero_point, out->scale, out->zero_point);
}

static int want_same_shape(const struct op *op, const struct value *in, const struct value *out)
{
	if (in->rank == out->rank && !memcmp(in->dim, out->dim, sizeof(in->dim)))
		return 0;
	return op_fail(op, DAMAGED, "tensor '%.*s' has another shape than the input", NAME(out));
}

static int get_activation(const struct op *op, unsigned int field, const struct act *out,
			  int32_t *min, int32_t *max)
{
	int activation = fb_i8(&op->tfl.options, field, 0);

	if (!quant_activation(activation, out->scale, out->zero_point, out->v->type, min, max))
		return op_fail(op, UNSUPPORTED,
			       "fused activation %d; supported are NONE, RELU, RELU6, RELU_N1_TO_1",
			       activation);
	if (*min > *max)
		return op_fail(op, DAMAGED, "the activation leaves no value of tensor '%.*s'",
			       NAME(out->v));
	return 0;
}

/* Stride, window and dilation are positive and small enough for 32-bit sums. */
static int want_positive(const struct op *op, const char *what, int64_t value)
{
	if (value > 0 && value < 1 << 24)
		return 0;
	return op_fail(op, DAMAGED, "%s is %lld", what, (long long)value);
}

/* Check an output size against window and padding; @pad gets before and after. */
static int get_padding(const struct op *op, unsigned int field, unsigned int axis,
		       const struct value *in, const struct value *out, uint64_t window,
		       uint64_t stride, __le32 pad[2])
{
	int padding = fb_i8(&op->tfl.options, field, 0);
	uint64_t size = in->dim[axis], results, covered;

	if (padding != TFL_PADDING_SAME && padding != TFL_PADDING_VALID)
		return op_fail(op, UNSUPPORTED, "padding mode %d", padding);
	if (padding == TFL_PADDING_VALID && window > size)
		return op_fail(op, DAMAGED, "the window is larger than tensor '%.*s'", NAME(in));
	results = padding == TFL_PADDING_SAME ? (size + stride - 1) / stride :
		  (size - window) / stride + 1;
	covered = (results - 1) * stride + window;
	pad[0] = covered > size ? (uint32_t)((covered - size) / 2) : 0;
	pad[1] = covered > size ? (uint32_t)(covered - size) - pad[0] : 0;
	return want_dim(op, out, axis, results);
}

/*
 * Scales, bias and clamp of a convolution or matrix multiply. @axis of the
 * weights has the @channels; FULLY_CONNECTED with one scale multiplies the two
 * scales in float32, everything else in double.
 */
static int get_requant(struct op *op, const struct act *in, struct value *weight,
		       const struct act *out, uint32_t channels, int axis, bool fc,
		       unsigned int activation, struct npu_requant *rq)
{
	struct value *bias = op_input(op, 2);
	struct npu_tensor tensor;
	struct npu_scale *table;
	int32_t zp, first_zp = 0, min, max;
	double factor;
	uint32_t i;
	float scale;
	int ret;

	rq->count = weight->tfl.scale.count > 1 ? channels : 1;
	if (rq->count > 1 && (weight->tfl.scale.count != channels || weight->tfl.axis != axis))
		return op_fail(op, DAMAGED,
			       "tensor '%.*s' has %u scales along dimension %d, must be %u along %d",
			       NAME(weight), weight->tfl.scale.count, weight->tfl.axis, channels,
			       axis);
	table = calloc(rq->count, sizeof(*table));
	if (!table)
		return op_fail(op, -ENOMEM, "out of memory");
	for (i = 0; i < rq->count; i++) {
		ret = get_quant(op, weight, i, &scale, &zp);
		if (ret)
			goto out;
		if (!i)
			first_zp = zp;
		if (zp != first_zp || (zp && !fc)) {
			ret = op_fail(op, UNSUPPORTED,
				      "tensor '%.*s' has zero point %d; int8 weights have 0",
				      NAME(weight), zp);
			goto out;
		}
		if (fc && rq->count == 1)
			factor = (double)(in->scale * scale) / (double)out->scale;
		else
			factor = (double)in->scale * (double)scale / (double)out->scale;
		quant_scale(factor, &table[i]);
	}
	rq->weight_zero_point = (uint32_t)first_zp;
	rq->rounding = NPU_ROUND_DOUBLE;
	ret = op_constant(op, table, rq->count * sizeof(*table), &rq->scale);
	if (ret)
		goto out;
	ret = get_activation(op, activation, out, &min, &max);
	if (ret)
		goto out;
	rq->clamp_min = (uint32_t)min;
	rq->clamp_max = (uint32_t)max;
	if (bias) {
		if (bias->type != NPU_TYPE_S32 || bias->elements != channels) {
			ret = op_fail(op, UNSUPPORTED, "bias '%.*s' is %s with %llu elements, must be int32 with %u",
				      NAME(bias), tfl_type_name(bias->tfl.type),
				      (unsigned long long)bias->elements, channels);
			goto out;
		}
		op_tensor(op, bias, &tensor);
		rq->bias_type = NPU_TYPE_S32;
		rq->bias.base = tensor.base;
		rq->bias.offset = tensor.offset;
	}
out:
	free(table);
	return ret;
}

static int emit_conv(struct op *op)
{
	bool depthwise = op->tfl.builtin == TFL_DEPTHWISE_CONV_2D;
	const struct fb_table *options = &op->tfl.options;
	struct value *weight = op_input(op, 1);
	struct npu_cmd_conv cmd = { .groups = !depthwise };
	uint32_t dilation_field = depthwise ? DEPTHWISE_DILATION_W : CONV_DILATION_W;
	uint32_t activation = depthwise ? DEPTHWISE_ACTIVATION : CONV_ACTIVATION;
	int64_t stride, dilation, window;
	struct act in, out;
	uint32_t channels;
	unsigned int i;
	int ret;

	ret = get_acts(op, &in, &out);
	if (!ret)
		ret = want_int8(op, weight);
	if (!ret)
		ret = want_rank(op, in.v, 4);
	if (!ret)
		ret = want_rank(op, weight, 4);
	if (!ret)
		ret = want_rank(op, out.v, 4);
	if (!ret)
		ret = want_dim(op, out.v, 0, in.v->dim[0]);
	if (ret)
		return ret;
	channels = weight->dim[depthwise ? 3 : 0];
	ret = want_dim(op, out.v, 3, channels);
	if (!ret && depthwise)
		ret = want_dim(op, weight, 0, 1);
	if (ret)
		return ret;
	if (depthwise ? channels % in.v->dim[3] : in.v->dim[3] % weight->dim[3])
		return op_fail(op, DAMAGED, "weights '%.*s' do not fit an input of %u channels",
			       NAME(weight), in.v->dim[3]);
	if (!depthwise)
		cmd.groups = in.v->dim[3] / weight->dim[3];
	if (!depthwise && channels % cmd.groups)
		return op_fail(op, DAMAGED, "%u channels in %u groups", channels, cmd.groups);
	/* 0 is rows, 1 columns; the options have width before height. */
	for (i = 0; i < 2; i++) {
		stride = fb_i32(options, CONV_STRIDE_H - i, 0);
		dilation = fb_i32(options, dilation_field + 1 - i, 1);
		ret = want_positive(op, "stride", stride);
		if (!ret)
			ret = want_positive(op, "dilation", dilation);
		window = dilation * ((int64_t)weight->dim[1 + i] - 1) + 1;
		if (!ret)
			ret = want_positive(op, "window", window);
		if (!ret)
			ret = get_padding(op, CONV_PADDING, 1 + i, in.v, out.v, (uint64_t)window,
					  (uint64_t)stride, &cmd.pad[2 * i]);
		if (ret)
			return ret;
		cmd.stride[i] = (uint32_t)stride;
		cmd.dilation[i] = (uint32_t)dilation;
	}
	cmd.requant.axis = 3;
	ret = get_requant(op, &in, weight, &out, channels, depthwise ? 3 : 0, false, activation,
			  &cmd.requant);
	if (ret)
		return ret;
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, weight, &cmd.weight);
	op_tensor(op, out.v, &cmd.out);
	cmd.weight.zero_point = 0;
	return op_emit(op, &cmd, depthwise ? NPU_OP_DEPTHWISE : NPU_OP_CONV2D);
}

static int emit_fully_connected(struct op *op)
{
	struct npu_cmd_matmul cmd = { .requant.axis = 1 };
	struct value *weight = op_input(op, 1);
	struct act in, out;
	uint32_t n, k, dim[2];
	int ret;

	ret = get_acts(op, &in, &out);
	if (!ret)
		ret = want_int8(op, weight);
	if (!ret)
		ret = want_rank(op, weight, 2);
	if (ret)
		return ret;
	n = weight->dim[0];
	k = weight->dim[1];
	if (fb_i8(&op->tfl.options, FC_WEIGHTS_FORMAT, 0))
		return op_fail(op, UNSUPPORTED, "shuffled weights");
	if (in.v->elements % k || out.v->elements != in.v->elements / k * n)
		return op_fail(op, DAMAGED, "weights '%.*s' [%u, %u] do not fit input and output",
			       NAME(weight), n, k);
	ret = get_requant(op, &in, weight, &out, n, 0, true, FC_ACTIVATION, &cmd.requant);
	if (ret)
		return ret;
	op_tensor(op, in.v, &cmd.a);
	op_tensor(op, weight, &cmd.b);
	op_tensor(op, out.v, &cmd.out);
	dim[0] = (uint32_t)(in.v->elements / k);
	dim[1] = k;
	npu_tensor_init(&cmd.a, NPU_TYPE_S8, cmd.a.base, (int64_t)cmd.a.offset, in.zero_point, 2,
			dim);
	dim[1] = n;
	npu_tensor_init(&cmd.out, NPU_TYPE_S8, cmd.out.base, (int64_t)cmd.out.offset,
			out.zero_point, 2, dim);
	cmd.b.zero_point = 0;
	return op_emit(op, &cmd, NPU_OP_MATMUL);
}

static int emit_pool(struct op *op)
{
	struct npu_cmd_pool cmd = {
		.mode = op->tfl.builtin == TFL_MAX_POOL_2D ? NPU_POOL_MAX : NPU_POOL_AVERAGE,
	};
	const struct fb_table *options = &op->tfl.options;
	int64_t window, stride;
	struct act in, out;
	int32_t min, max;
	unsigned int i;
	int ret;

	ret = get_acts(op, &in, &out);
	if (!ret)
		ret = want_same_quant(op, &in, &out);
	if (!ret)
		ret = want_rank(op, in.v, 4);
	if (!ret)
		ret = want_rank(op, out.v, 4);
	if (!ret)
		ret = want_dim(op, out.v, 0, in.v->dim[0]);
	if (!ret)
		ret = want_dim(op, out.v, 3, in.v->dim[3]);
	if (!ret)
		ret = get_activation(op, POOL_ACTIVATION, &out, &min, &max);
	for (i = 0; i < 2 && !ret; i++) {
		window = fb_i32(options, POOL_FILTER_H - i, 0);
		stride = fb_i32(options, POOL_STRIDE_H - i, 0);
		ret = want_positive(op, "window", window);
		if (!ret)
			ret = want_positive(op, "stride", stride);
		if (!ret)
			ret = get_padding(op, POOL_PADDING, 1 + i, in.v, out.v, (uint64_t)window,
					  (uint64_t)stride, &cmd.pad[2 * i]);
		cmd.window[i] = (uint32_t)window;
		cmd.stride[i] = (uint32_t)stride;
	}
	if (ret)
		return ret;
	cmd.clamp_min = (uint32_t)min;
	cmd.clamp_max = (uint32_t)max;
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_POOL);
}

/* An operand as large as the output: dimensions that it lacks have stride 0. */
static int broadcast(struct op *op, struct value *v, const struct value *out,
		     struct npu_tensor *tensor)
{
	struct npu_tensor own;
	unsigned int i, at;

	op_tensor(op, v, &own);
	if (v->rank > out->rank)
		return op_fail(op, DAMAGED, "tensor '%.*s' has a larger rank than the result",
			       NAME(v));
	npu_tensor_init(tensor, v->type, own.base, (int64_t)own.offset, (int32_t)own.zero_point,
			out->rank, out->dim);
	for (i = 0; i < out->rank; i++) {
		at = i + v->rank - out->rank;
		if (i + v->rank < out->rank || (own.dim[at] == 1 && out->dim[i] > 1))
			tensor->stride[i] = 0;
		else if (own.dim[at] == out->dim[i])
			tensor->stride[i] = own.stride[at];
		else
			return op_fail(op, DAMAGED, "tensor '%.*s' cannot be broadcast", NAME(v));
	}
	return 0;
}

static int emit_binary(struct op *op)
{
	bool mul = op->tfl.builtin == TFL_MUL;
	struct npu_cmd_eltwise cmd = {
		.op = mul ? NPU_ELTWISE_MUL : NPU_ELTWISE_ADD,
		.left_shift = mul ? 0 : 20,
	};
	struct act a, b, out;
	uint32_t size_a, size_b;
	int32_t min, max;
	double twice_max;
	unsigned int i;
	int ret;

	ret = get_acts(op, &a, &out);
	if (!ret)
		ret = get_act(op, op_input(op, 1), &b);
	if (!ret)
		ret = get_activation(op, mul ? MUL_ACTIVATION : ADD_ACTIVATION, &out, &min, &max);
	if (!ret)
		ret = broadcast(op, a.v, out.v, &cmd.a);
	if (!ret)
		ret = broadcast(op, b.v, out.v, &cmd.b);
	if (ret)
		return ret;
	/* The result is as large as the larger input, not larger. */
	for (i = 1; i <= out.v->rank; i++) {
		size_a = i <= a.v->rank ? a.v->dim[a.v->rank - i] : 1;
		size_b = i <= b.v->rank ? b.v->dim[b.v->rank - i] : 1;
		ret = want_dim(op, out.v, out.v->rank - i, size_a > size_b ? size_a : size_b);
		if (ret)
			return ret;
	}
	cmd.clamp_min = (uint32_t)min;
	cmd.clamp_max = (uint32_t)max;
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

static int emit_requant(struct op *op, float in_scale, float out_scale, int32_t min, int32_t max)
{
	struct npu_cmd_requant cmd = { .clamp_min = (uint32_t)min, .clamp_max = (uint32_t)max };
	int ret = want_same_shape(op, op_input(op, 0), op_output(op));

	if (ret)
		return ret;
	quant_scale((double)in_scale / (double)out_scale, &cmd.scale);
	op_tensor(op, op_input(op, 0), &cmd.in);
	op_tensor(op, op_output(op), &cmd.out);
	return op_emit(op, &cmd, NPU_OP_REQUANT);
}

static int emit_relu(struct op *op)
{
	struct act in, out;
	int32_t min, max;
	int ret;

	ret = get_acts(op, &in, &out);
	if (ret)
		return ret;
	quant_activation(op->tfl.builtin == TFL_RELU ? TFL_ACT_RELU : TFL_ACT_RELU6, out.scale,
			 out.zero_point, NPU_TYPE_S8, &min, &max);
	if (min > max)
		return op_fail(op, DAMAGED, "the activation leaves no value");
	return emit_requant(op, in.scale, out.scale, min, max);
}

static int emit_quantize(struct op *op)
{
	struct value *in = op_input(op, 0), *out = op_output(op), *v;
	float in_scale, out_scale;
	unsigned int i;
	int32_t zp;
	int ret;

	for (i = 0; i < 2; i++) {
		v = i ? out : in;
		if (v->type == NPU_TYPE_F32)
			return op_fail(op, UNSUPPORTED,
				       "tensor '%.*s' is float32 inside the graph; only its inputs and outputs may be: convert with full integer quantisation",
				       NAME(v));
		if (v->type != NPU_TYPE_S8 && v->type != NPU_TYPE_U8 && v->type != NPU_TYPE_S16)
			return op_fail(op, UNSUPPORTED, "tensor '%.*s' is %s, supported are int8, uint8 and int16",
				       NAME(v), tfl_type_name(v->tfl.type));
	}
	ret = tensor_quant(op, in, &in_scale, &zp);
	if (!ret)
		ret = tensor_quant(op, out, &out_scale, &zp);
	return ret ? ret : emit_requant(op, in_scale, out_scale, (int32_t)npu_type_min(out->type),
					(int32_t)npu_type_max(out->type));
}

static int emit_softmax(struct op *op)
{
	struct npu_cmd_softmax cmd = { 0 };
	float beta = fb_f32(&op->tfl.options, SOFTMAX_BETA, 0);
	struct act in, out;
	double factor;
	int ret;

	ret = get_acts(op, &in, &out);
	if (!ret)
		ret = want_same_shape(op, in.v, out.v);
	if (ret)
		return ret;
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
	if (factor > (double)INT32_MAX)
		factor = (double)INT32_MAX;
	quant_scale(factor, &cmd.beta);
	cmd.diff_min = (uint32_t)-(int32_t)floor(31.0 * (double)(1 << 26) /
						 (double)(1ll << cmd.beta.shift));
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_SOFTMAX);
}

/* Element @i of a small constant of int32 or int64. */
static int get_index(const struct op *op, const struct value *v, uint32_t i, int64_t *index)
{
	if (!v->constant || (v->type != NPU_TYPE_S32 && v->type != NPU_TYPE_S64))
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' must be a constant of int32 or int64",
			       NAME(v));
	*index = v->type == NPU_TYPE_S32 ? fb_i32_at(&v->tfl.data, i) : fb_i64_at(&v->tfl.data, i);
	return 0;
}

static int emit_mean(struct op *op)
{
	bool keep = fb_i8(&op->tfl.options, REDUCER_KEEP_DIMS, 0);
	struct npu_cmd_reduce cmd = {
		.mode = NPU_REDUCE_MEAN,
		.clamp_min = (uint32_t)INT8_MIN,
		.clamp_max = INT8_MAX,
	};
	struct value *axes = op_input(op, 1);
	uint32_t dim[NPU_ISA_MAX_RANK], i, n = 0;
	uint64_t count = 1;
	int32_t shift, s;
	struct act in, out;
	int64_t axis;
	int ret;

	ret = get_acts(op, &in, &out);
	for (i = 0; i < axes->elements && !ret; i++) {
		ret = get_index(op, axes, i, &axis);
		if (!ret && (axis < -(int64_t)in.v->rank || axis >= (int64_t)in.v->rank))
			ret = op_fail(op, DAMAGED, "axis %lld of rank %u", (long long)axis,
				      in.v->rank);
		if (!ret)
			cmd.axes |= 1u << (axis < 0 ? axis + in.v->rank : axis);
	}
	if (ret)
		return ret;
	for (i = 0; i < in.v->rank; i++) {
		dim[i] = in.v->dim[i];
		if (cmd.axes & 1u << i) {
			count *= dim[i];
			dim[i] = 1;
			n += keep;
		} else {
			n++;
		}
	}
	ret = want_rank(op, out.v, n);
	for (i = 0, n = 0; i < in.v->rank && !ret; i++)
		if (keep || !(cmd.axes & 1u << i))
			ret = want_dim(op, out.v, n++, dim[i]);
	if (ret)
		return ret;
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	npu_tensor_init(&cmd.out, NPU_TYPE_S8, cmd.out.base, (int64_t)cmd.out.offset,
			out.zero_point, in.v->rank, dim);
	/* The factor takes 1 / count in, at the highest precision that does not overflow. */
	quant_scale((double)in.scale / (double)out.scale, &cmd.scale);
	s = (int32_t)cmd.scale.shift;
	shift = 63 - __builtin_clzll(count);
	if (shift > 31 + s)
		shift = 31 + s;
	cmd.scale.multiplier = (uint32_t)(((uint64_t)cmd.scale.multiplier << shift) / count);
	cmd.scale.shift = (uint32_t)(s - shift);
	return op_emit(op, &cmd, NPU_OP_REDUCE);
}

static int emit_pad(struct op *op)
{
	struct npu_cmd_pad cmd = { .mode = NPU_PAD_CONSTANT };
	struct value *pads = op_input(op, 1);
	int64_t before = 0, after = 0;
	struct act in, out;
	unsigned int i;
	int ret;

	ret = get_acts(op, &in, &out);
	if (!ret)
		ret = want_same_quant(op, &in, &out);
	if (!ret)
		ret = want_rank(op, out.v, in.v->rank);
	if (!ret && pads->elements != 2ull * in.v->rank)
		ret = op_fail(op, DAMAGED, "paddings '%.*s' have %llu elements, must be 2 * %u",
			      NAME(pads), (unsigned long long)pads->elements, in.v->rank);
	for (i = 0; i < in.v->rank && !ret; i++) {
		ret = get_index(op, pads, 2 * i, &before);
		if (!ret)
			ret = get_index(op, pads, 2 * i + 1, &after);
		if (!ret && (before < 0 || after < 0 || before > INT32_MAX || after > INT32_MAX))
			ret = op_fail(op, DAMAGED, "a padding is negative or too large");
		if (!ret)
			ret = want_dim(op, out.v, i, in.v->dim[i] + (uint64_t)(before + after));
		if (!ret)
			cmd.before[i] = (uint32_t)before;
	}
	if (ret)
		return ret;
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	cmd.value = (uint64_t)(int64_t)out.zero_point;
	return op_emit(op, &cmd, NPU_OP_PAD);
}

/* compile.c made both the same memory already. */
static int emit_reshape(struct op *op)
{
	(void)op;
	return 0;
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

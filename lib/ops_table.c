// SPDX-License-Identifier: MIT
/*
 * Operators of one value: all their results are computed here, as the
 * reference does it, and the device looks them up.
 */
#include <math.h>

#include "ops.h"

/* The result for the value @q of the input, which may be beyond the type of the output. */
typedef int64_t (*result_fn)(const void *priv, int32_t q);

bool emit_lut(struct op *op, const struct npu_tensor *in, const struct npu_tensor *out,
	      const struct npu_ref *table)
{
	struct npu_cmd_lut cmd = { .in = *in, .out = *out, .table = *table };

	return op_emit(op, &cmd, NPU_OP_LUT);
}

/* Of 8 bits. */
static bool emit_results(struct op *op, const struct npu_tensor *in, const struct npu_tensor *out,
			 result_fn result, const void *priv)
{
	int32_t low = (int32_t)npu_type_min(out->type), high = (int32_t)npu_type_max(out->type);
	int32_t first = (int32_t)npu_type_min(in->type), i;
	struct npu_ref ref;
	uint8_t table[256];
	int64_t r;

	for (i = 0; i < 256; i++) {
		r = result(priv, first + i);
		table[i] = (uint8_t)(r < low ? low : r > high ? high : r);
	}
	return op_constant(op, table, sizeof(table), &ref) && emit_lut(op, in, out, &ref);
}

static bool emit_table(struct op *op, const struct act *in, const struct act *out, result_fn result,
		       const void *priv)
{
	struct npu_tensor from, to;

	op_tensor(op, in->v, &from);
	op_tensor(op, out->v, &to);
	return emit_results(op, &from, &to, result, priv);
}

static bool get_unary(struct op *op, struct act *in, struct act *out)
{
	return get_acts(op, in, out) && want_same_shape(op, in->v, out->v);
}

bool want_output_quant(const struct op *op, const struct act *out, float scale, int32_t zp)
{
	return (out->scale == scale && out->zero_point == zp) ||
	       op_fail(op, UNSUPPORTED,
		       "output '%.*s' has scale %g and zero point %d, must be 1/%g and %d",
		       NAME(out->v), out->scale, out->zero_point, 1 / scale, zp);
}

/* ---- LOGISTIC and TANH: fixed point with 4 integer bits ---- */

#define SIGMOID_BITS	4

struct sigmoid {
	int32_t zero_point;
	int32_t radius;		/* beyond it the result is the first or last one */
	struct npu_scale scale;
	bool tanh;
};

static int64_t sigmoid_result(const void *priv, int32_t q)
{
	const struct sigmoid *s = priv;
	int32_t v = q - s->zero_point, a;

	if (v <= -s->radius)
		return INT8_MIN;
	if (v >= s->radius)
		return INT8_MAX;
	a = fixed_scale(v, &s->scale);
	return s->tanh ? fixed_shift_right(fixed_tanh(a), 24) :
			 fixed_shift_right(fixed_logistic(a), 23) + INT8_MIN;
}

/* As TensorFlow Lite has it: in float32, each result for itself. */
struct curve {
	const struct act *in, *out;
	bool tanh;
};

static int64_t curve_result(const void *priv, int32_t q)
{
	const struct curve *c = priv;
	float x = c->in->scale * (float)(q - c->in->zero_point);
	/* Not in float32: C libraries differ in its last bit. */
	float y = c->tanh ? (float)tanh((double)x) : 1.0f / (1.0f + (float)exp((double)-x));

	return quant_round(y * (1.0f / c->out->scale)) + c->out->zero_point;
}

static bool emit_sigmoid_float(struct op *op, const struct act *in, const struct act *out,
			       bool is_tanh)
{
	const struct curve c = { in, out, is_tanh };

	return emit_table(op, in, out, curve_result, &c);
}

static bool emit_sigmoid8(struct op *op, const struct act *from, const struct act *to, bool is_tanh)
{
	struct sigmoid s = { .tanh = is_tanh };
	const struct act in = *from, out = *to;

	if (!want_output_quant(op, &out, is_tanh ? 1.0f / 128 : 1.0f / 256, is_tanh ? 0 : INT8_MIN))
		return false;
	if (op->c->numerics == NPU_NUMERICS_TFLITE)
		return emit_sigmoid_float(op, &in, &out, is_tanh);
	quant_scale((double)in.scale * (1 << (31 - SIGMOID_BITS)), &s.scale);
	/* A shift that fixed_scale() does not take leaves no value within the radius. */
	if ((int32_t)s.scale.shift < 0 || (int32_t)s.scale.shift > 62)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' has scale %g", NAME(in.v), in.scale);
	s.zero_point = in.zero_point;
	s.radius = (int32_t)floor((double)((1 << SIGMOID_BITS) - 1) *
				  (double)(1ll << (31 - SIGMOID_BITS)) /
				  (double)(1ll << s.scale.shift));
	return emit_table(op, &in, &out, sigmoid_result, &s);
}

/* ---- The same of S16: interpolation between 256 entries ---- */

/*
 * What the input is multiplied with to have the scale 1 / (3 * 2^12): 3, shifted, for
 * powers of two near the wanted scale, else 15 bits.
 */
static bool get_curve_scale(const struct op *op, const struct act *in, bool is_tanh,
			    int32_t *multiplier, unsigned int *shift)
{
	float log = logf(in->scale) * (1.0f / logf(2.0f)), whole = roundf(log);
	double real = (double)in->scale * 4096.0 * 3.0;
	int exponent = (int)whole + 12;

	*shift = 0;
	if (fabsf(log - whole) < 0.001f && (!exponent || (is_tanh && exponent == 1))) {
		*multiplier = 3 << exponent;
		return true;
	}
	for (; real <= INT16_MAX / 2.0 && *shift <= 30; real *= 2)
		++*shift;
	*multiplier = (int32_t)(real < INT32_MAX ? real : 0);
	return real < INT32_MAX || op_fail(op, UNSUPPORTED, "tensor '%.*s' has scale %g",
					   NAME(in->v), in->scale);
}

/* A program has each of them once. */
bool get_wide_table(struct op *op, bool tanh, int32_t multiplier, unsigned int shift,
		    struct npu_ref *ref)
{
	struct compile *c = op->c;
	int64_t round = shift ? 1ll << (shift - 1) : 0, d;
	int16_t *table;
	uint32_t i;
	int32_t x;
	bool good;

	for (i = 0; i < c->nwide; i++) {
		*ref = c->wide[i].ref;
		if (c->wide[i].tanh == tanh && c->wide[i].multiplier == multiplier &&
		    c->wide[i].shift == shift)
			return true;
	}
	if (i == WIDE_TABLES)
		return op_fail(op, UNSUPPORTED, "more than %u scales of inputs of LOGISTIC and TANH",
			       WIDE_TABLES);
	table = malloc(65536 * sizeof(*table));
	if (!table)
		return op_fail(op, -ENOMEM, "out of memory");
	/* It does not come from the file, nor does its size. */
	c->tables += 65536 * sizeof(*table);
	for (x = INT16_MIN; x <= INT16_MAX; x++) {
		d = ((int64_t)x * multiplier + round) >> shift;
		if (tanh)
			table[x - INT16_MIN] = fixed_tanh16(d);
		else
			table[x - INT16_MIN] = fixed_logistic16(d);
	}
	good = op_constant(op, table, 65536 * sizeof(*table), ref);
	if (good)
		c->wide[c->nwide++] = (struct wide_table) { tanh, multiplier, shift, *ref };
	free(table);
	return good;
}

static bool emit_sigmoid(struct op *op, bool is_tanh)
{
	struct npu_tensor from, to;
	unsigned int shift = 0;
	struct npu_ref table;
	struct act in, out;
	int32_t multiplier = 0;

	if (!get_unary(op, &in, &out))
		return false;
	if (in.v->type == NPU_TYPE_S8)
		return emit_sigmoid8(op, &in, &out, is_tanh);
	op_tensor(op, in.v, &from);
	op_tensor(op, out.v, &to);
	return want_output_quant(op, &out, 1.0f / 32768, 0) &&
	       get_curve_scale(op, &in, is_tanh, &multiplier, &shift) &&
	       get_wide_table(op, is_tanh, multiplier, shift, &table) &&
	       emit_lut(op, &from, &to, &table);
}

bool emit_logistic(struct op *op)
{
	return emit_sigmoid(op, false);
}

bool emit_tanh(struct op *op)
{
	return emit_sigmoid(op, true);
}

/* ---- LEAKY_RELU ---- */

struct leaky {
	const struct act *in, *out;
	struct npu_scale positive, negative;
};

static int64_t leaky_result(const void *priv, int32_t q)
{
	const struct leaky *l = priv;
	int32_t v = q - l->in->zero_point;

	return (int64_t)fixed_scale(v, v < 0 ? &l->negative : &l->positive) +
	       l->out->zero_point;
}

/* PRELU by one S16 of 1, everywhere. */
static bool emit_leaky16(struct op *op, const struct act *in, const struct act *out,
			 const struct npu_scale *positive, const struct npu_scale *negative)
{
	struct npu_cmd_eltwise cmd = {
		.op = NPU_ELTWISE_PRELU, .scale_a = *positive, .scale_out = *negative,
	};
	const int16_t one = 1;
	struct npu_ref ref;

	if (!op_constant(op, &one, sizeof(one), &ref))
		return false;
	full_range(out->v->type, &cmd.clamp_min, &cmd.clamp_max);
	op_tensor(op, in->v, &cmd.a);
	op_tensor(op, out->v, &cmd.out);
	npu_tensor_init(&cmd.b, NPU_TYPE_S16, ref.base, (int64_t)ref.offset, 0, in->v->rank,
			in->v->dim);
	memset(cmd.b.stride, 0, sizeof(cmd.b.stride));
	return op_emit(op, &cmd, NPU_OP_ELTWISE);
}

bool emit_leaky_relu(struct op *op)
{
	float alpha = fb_f32(&op->tfl.options, LEAKY_RELU_ALPHA, 0);
	struct leaky l;
	struct act in, out;

	if (!get_unary(op, &in, &out) ||
	    !get_factor(op, (double)(in.scale / out.scale), &l.positive) ||
	    !get_factor(op, (double)(in.scale * alpha / out.scale), &l.negative))
		return false;
	if (in.v->type == NPU_TYPE_S16)
		return emit_leaky16(op, &in, &out, &l.positive, &l.negative);
	l.in = &in;
	l.out = &out;
	return emit_table(op, &in, &out, leaky_result, &l);
}

/* ---- ELU ---- */

struct elu {
	const struct act *in, *out;
};

static int64_t elu_result(const void *priv, int32_t q)
{
	const struct elu *e = priv;
	float x = e->in->scale * (float)(q - e->in->zero_point);
	/* Not expf(): C libraries differ in its last bit. */
	float y = x < 0 ? (float)exp((double)x) - 1.0f : x;

	y *= 1.0f / e->out->scale;
	/* Far beyond the type, or no number. */
	if (!(y > -512))
		y = -512;
	if (y > 512)
		y = 512;
	return quant_round(y) + e->out->zero_point;
}

bool emit_elu(struct op *op)
{
	struct act in, out;
	const struct elu e = { &in, &out };

	return get_unary(op, &in, &out) && emit_table(op, &in, &out, elu_result, &e);
}

/* ---- HARD_SWISH: 16-bit fixed point ---- */

struct hard_swish {
	const struct act *in, *out;
	int32_t out_factor, relu_factor;	/* Q0.15 */
	int out_exponent, relu_exponent;
};

static int32_t saturate16(int32_t x)
{
	return x > INT16_MAX ? INT16_MAX : x < INT16_MIN ? INT16_MIN : x;
}

static int32_t shift_left16(int32_t x, int n)
{
	return n > 15 ? (x > 0 ? INT16_MAX : x < 0 ? INT16_MIN : 0) : saturate16(x * (1 << n));
}

static int32_t shift_right16(int32_t x, int n)
{
	return n > 31 ? 0 : fixed_shift_right(x, (unsigned int)n);
}

/* Doubled high half of a product; @round: to nearest. */
static int32_t mul16(int32_t a, int32_t b, bool round)
{
	int32_t product = a * b, nudge = product >= 0 ? 1 << 14 : 1 - (1 << 14);

	return saturate16((product + (round ? nudge : 0)) / (1 << 15));
}

static int64_t hard_swish_result(const void *priv, int32_t q)
{
	const struct hard_swish *h = priv;
	int32_t x = (q - h->in->zero_point) * 128, scaled, relu = x;

	scaled = mul16(x, h->out_factor, true);
	/* The gate: (x + 3) / 6 between 0 and 1, as a number between -1 and 1 first. */
	if (h->relu_exponent > 0)
		relu = shift_left16(relu, h->relu_exponent - 1);
	relu = mul16(relu, h->relu_factor, true);
	if (h->relu_exponent > 0)
		relu = shift_left16(relu, 1);
	if (h->relu_exponent < 0)
		relu = shift_right16(relu, -h->relu_exponent);
	relu = (relu + (1 << 15)) >> 1;
	return shift_right16(mul16(relu, scaled, false), -h->out_exponent) + h->out->zero_point;
}

static bool get_factor16(const struct op *op, double factor, int32_t *m, int *exponent)
{
	struct npu_scale scale;

	if (!get_factor(op, factor, &scale))
		return false;
	*m = (int32_t)scale.multiplier >= INT32_MAX - (1 << 15) ? INT16_MAX :
	     (int32_t)((scale.multiplier + (1u << 15)) >> 16);
	*exponent = (int32_t)scale.shift;
	return true;
}

bool emit_hard_swish(struct op *op)
{
	struct act in, out;
	struct hard_swish h = { .in = &in, .out = &out };
	float fine;

	if (!get_unary(op, &in, &out))
		return false;
	fine = 1.0f / 128.0f * in.scale;
	if (!get_factor16(op, (double)(fine / out.scale), &h.out_factor, &h.out_exponent) ||
	    !get_factor16(op, (double)(fine / (3.0f / 32768.0f)), &h.relu_factor,
			  &h.relu_exponent))
		return false;
	if (h.out_exponent > 0)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' has scale %g, too small for the input",
			       NAME(out.v), out.scale);
	return emit_table(op, &in, &out, hard_swish_result, &h);
}

/* ---- RSQRT ---- */

/* 1 / sqrt(@x) as a factor, for x >= 1 */
static void inverse_sqrt(int32_t x, struct npu_scale *scale)
{
	int32_t y = 1 << 28, half, cube, i;	/* Q3.28 */
	int shift = 11, pairs;

	if (x <= 1) {
		*scale = (struct npu_scale) { .multiplier = INT32_MAX };
		return;
	}
	for (; x >= 1 << 29; x /= 4)
		shift++;
	pairs = (__builtin_clz((unsigned int)x) - 1) / 2 - 1;
	shift -= pairs;
	x <<= 2 * pairs;
	half = fixed_shift_right(x >> 1, 1);
	for (i = 0; i < 5; i++) {
		cube = fixed_shift_left(fixed_mul(fixed_mul(y, y), y), 6);
		y = fixed_shift_left(fixed_mul((1 << 28) + (1 << 27), y) - fixed_mul(half, cube),
				     3);
	}
	y = fixed_mul(y, 1518500250);
	if (shift < 0) {
		y = (int32_t)((uint32_t)y << -shift);
		shift = 0;
	}
	*scale = (struct npu_scale) {
		.multiplier = (uint32_t)y,
		.shift = (uint32_t)-shift,
	};
}

#define RSQRT_BITS	20

struct rsqrt {
	const struct act *in, *out;
	struct npu_scale scale;
};

/* Of what is not positive there is none: the largest value, as for 0. */
static int64_t rsqrt_result(const void *priv, int32_t q)
{
	const struct rsqrt *r = priv;
	int32_t v = q - r->in->zero_point;
	struct npu_scale scale;

	if (v <= 0)
		return INT8_MAX;
	inverse_sqrt(v, &scale);
	scale.shift += RSQRT_BITS;
	v = fixed_scale(1, &scale);
	return (int64_t)fixed_scale(v, &r->scale) + r->out->zero_point;
}

bool emit_rsqrt(struct op *op)
{
	struct act in, out;
	struct rsqrt r = { .in = &in, .out = &out };

	if (!get_unary(op, &in, &out) ||
	    !get_factor(op, 1.0 / (double)(sqrtf(in.scale) * out.scale), &r.scale))
		return false;
	r.scale.shift -= RSQRT_BITS;
	if ((int32_t)r.scale.shift < -31)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' has scale %g", NAME(out.v),
			       out.scale);
	return emit_table(op, &in, &out, rsqrt_result, &r);
}

/* ---- Another quantisation of uint8, in float32, as CONCATENATION does it ---- */

struct rescale {
	float factor, bias;
	int32_t zero_point;
};

static int64_t rescale_result(const void *priv, int32_t q)
{
	const struct rescale *r = priv;

	return (int64_t)quant_round((float)q * r->factor + r->bias) + r->zero_point;
}

bool emit_rescale(struct op *op, const struct npu_tensor *in, const struct act *from,
		  const struct npu_tensor *out, const struct act *to)
{
	struct rescale r = {
		.factor = from->scale * (1.0f / to->scale), .zero_point = to->zero_point,
	};

	r.bias = (float)-from->zero_point * r.factor;
	return emit_results(op, in, out, rescale_result, &r);
}

// SPDX-License-Identifier: MIT
/*
 * npu-reference [-n tflm|tflite] MODEL INPUTS > OUTPUTS
 *
 * Runs a quantised TensorFlow Lite model as slowly and plainly as possible: an
 * oracle to compare the NPU with, bit by bit. It follows the reference kernels
 * of TensorFlow Lite Micro (gemmlowp double rounding), or of TensorFlow Lite
 * with -n tflite, and shares no code with libnpu or the device model. INPUTS
 * holds the raw input tensors of one run after another, OUTPUTS the output
 * tensors. Variables and variable tensors keep their values from run to run.
 *
 * Every tensor is an array of int64_t (or float); dimensions are looked up
 * with index arithmetic spelled out. Models are trusted, but every index into
 * the file is checked.
 */
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* TensorFlow Lite's numerics where those of TensorFlow Lite Micro are others */
static bool tflite;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list args;

	fputs("npu-reference: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void *allocate(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		die("out of memory");
	return p;
}

static uint8_t *load(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long n;

	if (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) < 0)
		die("cannot read %s", path);
	rewind(f);
	data = allocate((size_t)n, 1);
	*size = fread(data, 1, (size_t)n, f);
	if (*size != (size_t)n)
		die("cannot read %s", path);
	fclose(f);
	return data;
}

/* ---- The file ---- */

static const uint8_t *file;
static size_t file_size;

static int64_t get(size_t at, int bytes)
{
	uint64_t v = 0;
	int i;

	if (at > file_size || (size_t)bytes > file_size - at)
		die("the model is damaged at byte %zu", at);
	for (i = bytes; i--;)
		v = v << 8 | file[at + (size_t)i];
	return (int64_t)(v << (64 - 8 * bytes)) >> (64 - 8 * bytes);
}

static size_t get_u32(size_t at)
{
	return (size_t)(get(at, 4) & 0xffffffff);
}

static float get_float(size_t at)
{
	uint32_t bits = (uint32_t)get(at, 4);
	float f;

	memcpy(&f, &bits, 4);
	return f;
}

/* Position of a field, 0 if absent. */
static size_t field(size_t table, int id)
{
	size_t vtable = (size_t)((int64_t)table - get(table, 4));
	int64_t offset;

	if (4 + 2 * id + 2 > (get(vtable, 2) & 0xffff))
		return 0;
	offset = get(vtable + 4 + 2 * (size_t)id, 2) & 0xffff;
	return offset ? table + (size_t)offset : 0;
}

static int64_t number(size_t table, int id, int bytes, int64_t otherwise)
{
	size_t at = table ? field(table, id) : 0;

	return at ? get(at, bytes) : otherwise;
}

static size_t child(size_t table, int id)
{
	size_t at = table ? field(table, id) : 0;

	return at ? at + get_u32(at) : 0;
}

static size_t length(size_t vector)
{
	return vector ? get_u32(vector) : 0;
}

static size_t table_in(size_t vector, size_t i)
{
	size_t at = vector + 4 + 4 * i;

	if (i >= length(vector))
		die("the model names an element that does not exist");
	return at + get_u32(at);
}

/* ---- Tensors ---- */

enum { FLOAT32 = 0, INT32 = 2, UINT8 = 3, INT64 = 4, BOOL = 6, INT16 = 7, INT8 = 9,
       RESOURCE = 13 };
enum { RANK = 8, OPERANDS = 24 };

struct tensor {
	int type;
	int rank;
	int64_t dim[RANK];
	size_t count;
	size_t channels;	/* entries of scale and zero_point */
	float *scale;
	int64_t *zero_point;
	int64_t *q;
	float *f;
};

static int width(int type)
{
	switch (type) {
	case UINT8:
	case INT8:
	case BOOL:
		return 1;
	case INT16:
		return 2;
	case INT64:
		return 8;
	case FLOAT32:
	case INT32:
		return 4;
	}
	die("a tensor has type %d", type);
}

static int64_t lowest(int type)
{
	return type == INT8 ? -128 : type == INT16 ? -32768 : type == UINT8 ? 0 : INT32_MIN;
}

static int64_t highest(int type)
{
	return type == INT8 ? 127 : type == INT16 ? 32767 : type == UINT8 ? 255 : INT32_MAX;
}

static void from_bytes(struct tensor *t, const uint8_t *bytes)
{
	int w = width(t->type), b;
	size_t i;

	if (t->type == FLOAT32) {
		memcpy(t->f, bytes, 4 * t->count);
		return;
	}
	for (i = 0; i < t->count; i++) {
		uint64_t v = 0;

		for (b = w; b--;)
			v = v << 8 | bytes[i * (size_t)w + (size_t)b];
		t->q[i] = t->type == UINT8 ? (int64_t)v :
			  (int64_t)(v << (64 - 8 * w)) >> (64 - 8 * w);
	}
}

static void to_stdout(const struct tensor *t)
{
	int w = width(t->type), b;
	size_t i;

	if (t->type == FLOAT32) {
		fwrite(t->f, 4, t->count, stdout);
		return;
	}
	for (i = 0; i < t->count; i++)
		for (b = 0; b < w; b++)
			putchar((int)((uint64_t)t->q[i] >> (8 * b) & 0xff));
}

static void read_tensor(struct tensor *t, size_t table, size_t buffers)
{
	size_t shape = child(table, 0), quant = child(table, 4), scale = child(quant, 2);
	size_t zp = child(quant, 3), data, i;

	t->type = (int)number(table, 1, 1, 0);
	t->rank = (int)length(shape);
	if (t->rank > RANK)
		die("a tensor has rank %d", t->rank);
	t->count = 1;
	for (i = 0; i < (size_t)t->rank; i++) {
		t->dim[i] = get(shape + 4 + 4 * i, 4);
		if (t->dim[i] <= 0 || t->count * (size_t)t->dim[i] > 1u << 28)
			die("a tensor has dimension %lld", (long long)t->dim[i]);
		t->count *= (size_t)t->dim[i];
	}
	t->channels = length(scale);
	t->scale = allocate(t->channels, sizeof(float));
	t->zero_point = allocate(t->channels + 1, sizeof(int64_t));
	for (i = 0; i < t->channels; i++) {
		t->scale[i] = get_float(scale + 4 + 4 * i);
		if (i < length(zp))
			t->zero_point[i] = get(zp + 4 + 8 * i, 8);
		if (t->zero_point[i] < lowest(t->type) || t->zero_point[i] > highest(t->type))
			die("a tensor has zero point %lld", (long long)t->zero_point[i]);
	}
	t->q = allocate(t->count, sizeof(int64_t));
	t->f = allocate(t->count, sizeof(float));
	/* State starts as what stands for 0. */
	if (number(table, 5, 1, 0))
		for (i = 0; i < t->count; i++)
			t->q[i] = t->zero_point[0];
	data = child(table_in(buffers, get_u32(field(table, 2) ? field(table, 2) : 0)), 0);
	if (!field(table, 2) || !length(data))
		return;
	if (length(data) != t->count * (size_t)width(t->type) ||
	    data + 4 + length(data) > file_size)
		die("the data of a tensor do not fit its shape");
	from_bytes(t, file + data + 4);
}

/* ---- Fixed-point arithmetic, as gemmlowp ---- */

static int32_t wrap(int64_t x)
{
	return (int32_t)(uint32_t)(uint64_t)x;
}

static int32_t rounding_doubling_high_mul(int32_t a, int32_t b)
{
	int64_t product = (int64_t)a * b;
	int64_t nudge = product >= 0 ? 1 << 30 : 1 - (1 << 30);

	if (a == INT32_MIN && b == INT32_MIN)
		return INT32_MAX;
	return (int32_t)((product + nudge) / (1ll << 31));
}

static int32_t rounding_divide_by_pot(int32_t x, int exponent)
{
	int64_t mask = (1ll << exponent) - 1, remainder = x & mask;
	int64_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);

	return (int32_t)((int64_t)x >> exponent) + (remainder > threshold ? 1 : 0);
}

static int32_t multiply(int32_t x, int32_t multiplier, int shift)
{
	int left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;

	return rounding_divide_by_pot(rounding_doubling_high_mul(wrap((int64_t)((uint64_t)(int64_t)x << left)),
								 multiplier), right);
}

struct factor {
	int32_t multiplier;
	int shift;
};

static struct factor quantize_multiplier(double real)
{
	struct factor f = { 0, 0 };
	double q;
	int64_t fixed;

	if (real == 0)
		return f;
	q = frexp(real, &f.shift);
	fixed = (int64_t)round(q * (double)(1ll << 31));
	if (fixed == 1ll << 31) {
		fixed /= 2;
		f.shift++;
	}
	if (f.shift < -31) {
		f.shift = 0;
		fixed = 0;
	}
	if (f.shift > 62)
		die("scales are too far apart");
	f.multiplier = (int32_t)fixed;
	return f;
}

/* Of a 64-bit accumulator: the multiplier has 15 bits, and all is rounded once. */
static int32_t multiply_wide(int64_t x, struct factor f)
{
	int64_t short_one = f.multiplier < 0x7fff0000 ? (f.multiplier + (1 << 15)) >> 16 : 0x7fff;
	uint64_t product = (uint64_t)x * (uint64_t)short_one;

	if (f.shift > 7)
		die("scales are too far apart for a 64-bit accumulator");
	return wrap((int64_t)(product + (1ull << (14 - f.shift))) >> (15 - f.shift));
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
	return x < low ? low : x > high ? high : x;
}

/* ---- Operators ---- */

struct op {
	const char *name;
	size_t options;
	int inputs, outputs;
	struct tensor *in[OPERANDS];	/* NULL if absent */
	struct tensor *out[OPERANDS];
};

static void activation_range(const struct tensor *out, int64_t activation, int64_t *low,
			     int64_t *high)
{
	float scale = out->channels ? out->scale[0] : 1;
	int64_t zp = out->zero_point[0];

	*low = lowest(out->type);
	*high = highest(out->type);
	if (activation == 1 || activation == 3)
		*low = clamp(zp + (int64_t)roundf(0.0f / scale), *low, *high);
	if (activation == 3)
		*high = clamp(zp + (int64_t)roundf(6.0f / scale), lowest(out->type), *high);
	if (activation == 2) {
		*low = clamp(zp + (int64_t)roundf(-1.0f / scale), *low, *high);
		*high = clamp(zp + (int64_t)roundf(1.0f / scale), lowest(out->type), *high);
	}
	if (activation > 3)
		die("activation %lld", (long long)activation);
}

static int64_t padding_before(int64_t padding, int64_t in, int64_t out, int64_t window,
			      int64_t stride)
{
	int64_t total = (out - 1) * stride + window - in;

	return padding == 0 && total > 0 ? total / 2 : 0;
}

/* An operator with weights, and what becomes of its sums. */
struct weighted {
	const struct tensor *in, *w, *bias, *out;
	bool float_product;	/* the input scales are multiplied as floats */
	bool wide;		/* the sums have 64 bits */
	int64_t low, high;
};

static struct weighted weighted(const struct tensor *in, const struct tensor *w,
				const struct tensor *bias, const struct tensor *out,
				int64_t activation)
{
	struct weighted s = { .in = in, .w = w, .bias = bias, .out = out };

	s.float_product = in->type == UINT8;
	s.wide = in->type == INT16 && (bias ? bias->type == INT64 : !tflite);
	activation_range(out, activation, &s.low, &s.high);
	if (bias && (!out->rank || (int64_t)bias->count != out->dim[out->rank - 1]))
		die("a bias has %zu elements", bias->count);
	return s;
}

/* Product of an element of the input and a weight */
static int64_t term(const struct weighted *s, int64_t at, int64_t weight)
{
	return (s->in->q[at] - s->in->zero_point[0]) *
	       (s->w->q[weight] - s->w->zero_point[0]);
}

/* An element of channel @o of the output, from the sum of its terms */
static int64_t finish(const struct weighted *s, int64_t o, int64_t sum)
{
	float in = s->in->scale[0], w = s->w->scale[s->w->channels > 1 ? o : 0];
	double product = s->float_product ? (double)(in * w) : (double)in * (double)w;
	struct factor f = quantize_multiplier(product / (double)s->out->scale[0]);

	if (s->bias)
		sum = (int64_t)((uint64_t)sum + (uint64_t)s->bias->q[o]);
	/* Of a 32-bit sum the low half is what additions that wrap make. */
	sum = s->wide ? multiply_wide(sum, f) : multiply(wrap(sum), f.multiplier, f.shift);
	return clamp(sum + s->out->zero_point[0], s->low, s->high);
}

static void conv(struct op *op, bool depthwise)
{
	struct tensor *in = op->in[0], *w = op->in[1], *out = op->out[0];
	int64_t padding = number(op->options, 0, 1, 0), stride_w = number(op->options, 1, 4, 0);
	int64_t stride_h = number(op->options, 2, 4, 0), top, left;
	int64_t activation = number(op->options, depthwise ? 4 : 3, 1, 0);
	int64_t dil_w = number(op->options, depthwise ? 5 : 4, 4, 1);
	int64_t dil_h = number(op->options, depthwise ? 6 : 5, 4, 1);
	int64_t kh = w->dim[1], kw = w->dim[2], channels = out->dim[3], per_group = w->dim[3];
	int64_t n, y, x, o, i, j, c;
	struct weighted s = weighted(in, w, op->in[2], out, activation);

	/* There is no kernel with sums of 32 bits. */
	if (depthwise && !s.bias)
		s.wide = in->type == INT16;
	top = padding_before(padding, in->dim[1], out->dim[1], (kh - 1) * dil_h + 1, stride_h);
	left = padding_before(padding, in->dim[2], out->dim[2], (kw - 1) * dil_w + 1, stride_w);

	for (n = 0; n < out->dim[0]; n++)
	for (y = 0; y < out->dim[1]; y++)
	for (x = 0; x < out->dim[2]; x++)
	for (o = 0; o < channels; o++) {
		int64_t sum = 0;

		for (i = 0; i < kh; i++)
		for (j = 0; j < kw; j++)
		for (c = 0; c < (depthwise ? 1 : per_group); c++) {
			int64_t row = y * stride_h - top + i * dil_h;
			int64_t column = x * stride_w - left + j * dil_w, from;

			if (row < 0 || row >= in->dim[1] || column < 0 || column >= in->dim[2])
				continue;
			if (depthwise)
				from = o / (channels / in->dim[3]);
			else
				from = o / (channels / (in->dim[3] / per_group)) * per_group + c;
			from += ((n * in->dim[1] + row) * in->dim[2] + column) * in->dim[3];
			if (depthwise)
				sum += term(&s, from, (i * kw + j) * channels + o);
			else
				sum += term(&s, from, ((o * kh + i) * kw + j) * per_group + c);
		}
		out->q[((n * out->dim[1] + y) * out->dim[2] + x) * channels + o] =
			finish(&s, o, sum);
	}
}

static void transpose_conv(struct op *op)
{
	struct tensor *w = op->in[1], *in = op->in[2], *out = op->out[0];
	int64_t padding = number(op->options, 0, 1, 0), stride_w = number(op->options, 1, 4, 0);
	int64_t stride_h = number(op->options, 2, 4, 0), top, left, row, column;
	int64_t kh = w->dim[1], kw = w->dim[2], depth = in->dim[3], channels = out->dim[3];
	int64_t n, y, x, i, j, o, c, from, weights;
	int64_t *sums = allocate(out->count, sizeof(*sums)), *to;
	struct weighted s = weighted(in, w, op->in[3], out, 0);
	size_t at;

	if (number(op->options, 3, 1, 0))
		die("TRANSPOSE_CONV with an activation");
	/* The padding of the convolution that makes the input of the output. */
	top = padding_before(padding, out->dim[1], in->dim[1], kh, stride_h);
	left = padding_before(padding, out->dim[2], in->dim[2], kw, stride_w);

	for (n = 0; n < in->dim[0]; n++)
	for (y = 0; y < in->dim[1]; y++)
	for (x = 0; x < in->dim[2]; x++)
	for (i = 0; i < kh; i++)
	for (j = 0; j < kw; j++)
	for (o = 0; o < channels; o++) {
		row = y * stride_h - top + i;
		column = x * stride_w - left + j;
		if (row < 0 || row >= out->dim[1] || column < 0 || column >= out->dim[2])
			continue;
		to = &sums[((n * out->dim[1] + row) * out->dim[2] + column) * channels + o];
		from = ((n * in->dim[1] + y) * in->dim[2] + x) * depth;
		weights = ((o * kh + i) * kw + j) * depth;
		for (c = 0; c < depth; c++)
			*to += term(&s, from + c, weights + c);
	}
	for (at = 0; at < out->count; at++)
		out->q[at] = finish(&s, (int64_t)at % channels, sums[at]);
	free(sums);
}

static void fully_connected(struct op *op)
{
	struct tensor *in = op->in[0], *w = op->in[1], *out = op->out[0];
	int64_t outputs = w->dim[0], depth = w->dim[1], batches = (int64_t)in->count / depth;
	struct weighted s = weighted(in, w, op->in[2], out, number(op->options, 0, 1, 0));
	int64_t b, o, k, sum;

	s.float_product |= w->channels == 1;
	for (b = 0; b < batches; b++)
	for (o = 0; o < outputs; o++) {
		sum = 0;
		for (k = 0; k < depth; k++)
			sum += term(&s, b * depth + k, o * depth + k);
		out->q[b * outputs + o] = finish(&s, o, sum);
	}
}

static void pool(struct op *op, bool max)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	int64_t padding = number(op->options, 0, 1, 0), stride_w = number(op->options, 1, 4, 0);
	int64_t stride_h = number(op->options, 2, 4, 0), low, high, top, left;
	int64_t kw = number(op->options, 3, 4, 0), kh = number(op->options, 4, 4, 0);
	int64_t n, y, x, c, i, j, channels = in->dim[3];

	activation_range(out, number(op->options, 5, 1, 0), &low, &high);
	top = padding_before(padding, in->dim[1], out->dim[1], kh, stride_h);
	left = padding_before(padding, in->dim[2], out->dim[2], kw, stride_w);
	for (n = 0; n < out->dim[0]; n++)
	for (y = 0; y < out->dim[1]; y++)
	for (x = 0; x < out->dim[2]; x++)
	for (c = 0; c < channels; c++) {
		int64_t best = lowest(in->type), sum = 0, count = 0, result;

		for (i = 0; i < kh; i++)
		for (j = 0; j < kw; j++) {
			int64_t row = y * stride_h - top + i, column = x * stride_w - left + j, v;

			if (row < 0 || row >= in->dim[1] || column < 0 || column >= in->dim[2])
				continue;
			v = in->q[((n * in->dim[1] + row) * in->dim[2] + column) * channels + c];
			if (v > best)
				best = v;
			sum += v;
			count++;
		}
		if (!count)
			die("a pool without elements");
		/* Half away from zero. */
		result = max ? best : sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
		out->q[((n * out->dim[1] + y) * out->dim[2] + x) * channels + c] =
			clamp(result, low, high);
	}
}

/* Index into a broadcast operand for element @at of the output. */
static size_t broadcast(const struct tensor *t, const struct tensor *out, size_t at)
{
	size_t index = 0, step = 1;
	int i;

	for (i = 1; i <= out->rank; i++) {
		size_t d = (size_t)out->dim[out->rank - i], position = at % d;

		at /= d;
		if (i <= t->rank && t->dim[t->rank - i] != 1)
			index += position * step;
		if (i <= t->rank)
			step *= (size_t)t->dim[t->rank - i];
	}
	return index;
}

static void add(struct op *op, int sign)
{
	struct tensor *a = op->in[0], *b = op->in[1], *out = op->out[0];
	double twice = 2 * (double)(a->scale[0] > b->scale[0] ? a->scale[0] : b->scale[0]);
	struct factor fa = quantize_multiplier((double)a->scale[0] / twice);
	struct factor fb = quantize_multiplier((double)b->scale[0] / twice);
	int64_t unit = out->type == INT16 ? 1 << 15 : 1 << 20, low, high;
	struct factor fo = quantize_multiplier(twice / ((double)unit * (double)out->scale[0]));
	size_t i;

	activation_range(out, number(op->options, 0, 1, 0), &low, &high);
	for (i = 0; i < out->count; i++) {
		int32_t x = (int32_t)((a->q[broadcast(a, out, i)] - a->zero_point[0]) * unit);
		int32_t y = (int32_t)((b->q[broadcast(b, out, i)] - b->zero_point[0]) * unit);
		int32_t sum = wrap((int64_t)multiply(x, fa.multiplier, fa.shift) +
				   (int64_t)sign * multiply(y, fb.multiplier, fb.shift));

		out->q[i] = clamp((int64_t)multiply(sum, fo.multiplier, fo.shift) +
				  out->zero_point[0], low, high);
	}
}

static void mul(struct op *op)
{
	struct tensor *a = op->in[0], *b = op->in[1], *out = op->out[0];
	/* TensorFlow Lite computes it all in float32, Micro all in double. */
	float single = a->scale[0] * b->scale[0];
	double real = (double)a->scale[0] * (double)b->scale[0] / (double)out->scale[0];
	struct factor f = quantize_multiplier(tflite ? (double)(single / out->scale[0]) : real);
	int64_t low, high;
	size_t i;

	activation_range(out, number(op->options, 0, 1, 0), &low, &high);
	for (i = 0; i < out->count; i++) {
		int32_t product = (int32_t)((a->q[broadcast(a, out, i)] - a->zero_point[0]) *
					    (b->q[broadcast(b, out, i)] - b->zero_point[0]));

		out->q[i] = clamp((int64_t)multiply(product, f.multiplier, f.shift) +
				  out->zero_point[0], low, high);
	}
}

static void minimum_maximum(struct op *op, bool max)
{
	struct tensor *a = op->in[0], *b = op->in[1], *out = op->out[0];
	size_t i;

	for (i = 0; i < out->count; i++) {
		int64_t x = a->q[broadcast(a, out, i)], y = b->q[broadcast(b, out, i)];

		out->q[i] = (x > y) == max ? x : y;
	}
}

static void squared_difference(struct op *op)
{
	struct tensor *a = op->in[0], *b = op->in[1], *out = op->out[0];
	double twice = 2 * (double)(a->scale[0] > b->scale[0] ? a->scale[0] : b->scale[0]);
	struct factor fa = quantize_multiplier((double)a->scale[0] / twice);
	struct factor fb = quantize_multiplier((double)b->scale[0] / twice);
	int64_t unit = out->type == INT16 ? 1 : 1 << 7;
	struct factor fo = quantize_multiplier(twice * twice /
					       ((double)(unit * unit) * (double)out->scale[0]));
	size_t i;

	for (i = 0; i < out->count; i++) {
		int32_t x = (int32_t)((a->q[broadcast(a, out, i)] - a->zero_point[0]) * unit);
		int32_t y = (int32_t)((b->q[broadcast(b, out, i)] - b->zero_point[0]) * unit);
		int64_t d = (int64_t)multiply(x, fa.multiplier, fa.shift) -
			    multiply(y, fb.multiplier, fb.shift);

		out->q[i] = clamp((int64_t)multiply(wrap(d * d), fo.multiplier, fo.shift) +
				  out->zero_point[0], lowest(out->type), highest(out->type));
	}
}

static void prelu(struct op *op)
{
	struct tensor *in = op->in[0], *alpha = op->in[1], *out = op->out[0];
	struct factor plus = quantize_multiplier((double)in->scale[0] / (double)out->scale[0]);
	struct factor minus = quantize_multiplier((double)in->scale[0] * (double)alpha->scale[0] /
						  (double)out->scale[0]);
	size_t i;

	for (i = 0; i < out->count; i++) {
		int64_t v = in->q[broadcast(in, out, i)] - in->zero_point[0];
		int64_t slope = alpha->q[broadcast(alpha, out, i)] - alpha->zero_point[0];
		int32_t y = v >= 0 ? multiply((int32_t)v, plus.multiplier, plus.shift) :
			    multiply((int32_t)(v * slope), minus.multiplier, minus.shift);

		out->q[i] = clamp((int64_t)y + out->zero_point[0], lowest(out->type),
				  highest(out->type));
	}
}

static void leaky_relu(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	size_t at = op->options ? field(op->options, 0) : 0, i;
	float alpha = at ? get_float(at) : 0, up = in->scale[0] / out->scale[0];
	float product = in->scale[0] * alpha, down = product / out->scale[0];
	struct factor plus = quantize_multiplier((double)up);
	struct factor minus = quantize_multiplier((double)down);

	for (i = 0; i < out->count; i++) {
		int32_t v = (int32_t)(in->q[i] - in->zero_point[0]);
		int32_t y = v >= 0 ? multiply(v, plus.multiplier, plus.shift) :
			    multiply(v, minus.multiplier, minus.shift);

		out->q[i] = clamp((int64_t)y + out->zero_point[0], lowest(out->type),
				  highest(out->type));
	}
}

static void rescale(struct op *op, double real, int64_t low, int64_t high)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	struct factor f = quantize_multiplier(real);
	size_t i;

	for (i = 0; i < out->count; i++)
		out->q[i] = clamp((int64_t)multiply((int32_t)(in->q[i] - in->zero_point[0]),
						    f.multiplier, f.shift) + out->zero_point[0],
				  low, high);
}

static void relu(struct op *op, int64_t activation)
{
	float real = op->in[0]->scale[0] / op->out[0]->scale[0];
	int64_t low, high;

	activation_range(op->out[0], activation, &low, &high);
	rescale(op, (double)real, low, high);
}

static void quantize(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	size_t i;

	if (in->type != FLOAT32) {
		rescale(op, (double)in->scale[0] / (double)out->scale[0], lowest(out->type),
			highest(out->type));
		return;
	}
	for (i = 0; i < out->count; i++) {
		double q = (double)roundf(in->f[i] / out->scale[0]) + (double)out->zero_point[0];
		double low = (double)lowest(out->type), high = (double)highest(out->type);

		out->q[i] = (int64_t)(q > low ? q < high ? q : high : low);
	}
}

static void dequantize(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	size_t i;

	for (i = 0; i < out->count; i++)
		out->f[i] = (float)((double)in->scale[0] * (double)(in->q[i] - in->zero_point[0]));
}

static int32_t shift_left_saturating(int32_t x, int n)
{
	return (int32_t)clamp((int64_t)x * (1ll << n), INT32_MIN, INT32_MAX);
}

/* exp(a), a <= 0 with that many integer bits; result in Q0.31 */
static int32_t exp_on_negative_values(int32_t a, int integer_bits)
{
	static const int32_t barrel[] = { 1672461947, 1302514674, 790015084, 290630308, 39332535,
					  720401, 242 };
	int fraction_bits = 31 - integer_bits, i;
	int32_t quarter = 1 << (fraction_bits - 2), reduced, x, x2, x3, x4, sum, result, remainder;

	if (!a)
		return INT32_MAX;
	reduced = (a & (quarter - 1)) - quarter;
	/* Taylor expansion around -1/8 */
	x = shift_left_saturating(reduced, integer_bits) + (1 << 28);
	x2 = rounding_doubling_high_mul(x, x);
	x3 = rounding_doubling_high_mul(x2, x);
	x4 = rounding_doubling_high_mul(x2, x2);
	sum = rounding_doubling_high_mul(rounding_divide_by_pot(x4, 2) + x3, 715827883) + x2;
	sum = rounding_divide_by_pot(sum, 1);
	result = 1895147668 + rounding_doubling_high_mul(1895147668, x + sum);
	remainder = (int32_t)((int64_t)reduced - a);
	/* Factors exp(-1/4), exp(-1/2), exp(-1) and so on, one per bit. */
	for (i = -2; i < integer_bits; i++)
		if (remainder & 1 << (fraction_bits + i))
			result = rounding_doubling_high_mul(result, barrel[i + 2]);
	return result;
}

/* 1 / half in Q2.29 by Newton's method, half in Q0.31 from 1/2 to 1 */
static int32_t reciprocal(int32_t half)
{
	int32_t x = 1515870810 + rounding_doubling_high_mul(half, -1010580540);
	int i;

	for (i = 0; i < 3; i++) {
		int32_t error = (1 << 29) - rounding_doubling_high_mul(half, x);

		x += shift_left_saturating(rounding_doubling_high_mul(x, error), 2);
	}
	return x;
}

/* (a + 1) / 2, all in Q0.31, a >= 0 */
static int32_t half_of_one_plus(int32_t a)
{
	return (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
}

/* 1 / (1 + a), a in Q0.31 */
static int32_t one_over_one_plus(int32_t a)
{
	return shift_left_saturating(reciprocal(half_of_one_plus(a)), 1);
}

/* (1 - a) / (1 + a) = 2 / (1 + a) - 1, a in Q0.31 */
static int32_t one_minus_over_one_plus(int32_t a)
{
	return shift_left_saturating(reciprocal(half_of_one_plus(a)) - (1 << 29), 2);
}

/* The exponentials of a row, relative to its maximum: as 8-bit SOFTMAX and LOG_SOFTMAX begin */
struct exponentials {
	struct factor f;
	int64_t max, diff_min, sum;	/* sum: Q12.19 */
};

static struct factor exponent_factor(const struct tensor *in, float beta)
{
	double real = (double)beta * (double)in->scale[0] * (1 << 26);

	return quantize_multiplier(real < INT32_MAX ? real : INT32_MAX);
}

/* What exp() is taken of for an element that is @diff less than the maximum; Q5.26 */
static int32_t exponent(const struct exponentials *e, int64_t diff)
{
	return multiply((int32_t)diff, e->f.multiplier, e->f.shift);
}

static struct exponentials exponentials(const struct tensor *in, const int64_t *row, size_t depth,
					struct factor f)
{
	struct exponentials e = { .f = f, .max = lowest(in->type) };
	size_t i;

	e.diff_min = -(int64_t)floor(31.0 * (1 << 26) / ldexp(1, f.shift));
	for (i = 0; i < depth; i++)
		if (row[i] > e.max)
			e.max = row[i];
	for (i = 0; i < depth; i++)
		if (row[i] - e.max >= e.diff_min)
			e.sum += rounding_divide_by_pot(exp_on_negative_values(
				exponent(&e, row[i] - e.max), 5), 12);
	if (e.sum <= 0 || e.sum > INT32_MAX)
		die("the exponentials of a row are %lld", (long long)e.sum);
	return e;
}

static void softmax(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	size_t at = op->options ? field(op->options, 0) : 0;
	struct factor f = exponent_factor(in, at ? get_float(at) : 0);
	size_t depth = (size_t)in->dim[in->rank - 1], row, i;

	for (row = 0; row < in->count; row += depth) {
		struct exponentials e = exponentials(in, &in->q[row], depth, f);
		int zeros = __builtin_clz((uint32_t)e.sum);
		int32_t scale = one_over_one_plus(wrap((int64_t)(((uint32_t)e.sum << zeros) -
								 (1u << 31))));

		for (i = 0; i < depth; i++) {
			int64_t diff = in->q[row + i] - e.max;
			int32_t y;

			out->q[row + i] = lowest(out->type);
			if (diff < e.diff_min)
				continue;
			y = rounding_doubling_high_mul(scale, exp_on_negative_values(
						       exponent(&e, diff), 5));
			out->q[row + i] = clamp((int64_t)rounding_divide_by_pot(y, 12 - zeros + 31 - 8) +
						lowest(out->type), lowest(out->type),
						highest(out->type));
		}
	}
}

/*
 * log(x), x >= 1 in Q12.19; result in Q5.26. x is 2^k z, with z near 2^(-1/4),
 * and log(z) a fraction of polynomials around there. k + 1/4 or k - 1/4 is in
 * Q6.25.
 */
static int32_t log_of(int32_t x)
{
	const int32_t center = 1805811301, sqrt_half = 1518500250, log_2 = 1488522236;
	int zeros = __builtin_clz((uint32_t)x);
	int32_t b = rounding_doubling_high_mul(x, sqrt_half), z, zb, k, kb, p, q, q2, t, num, denom;
	int zeros_b = __builtin_clz((uint32_t)b) - 1;

	z = rounding_doubling_high_mul(shift_left_saturating(x, zeros - 1), sqrt_half);
	z = shift_left_saturating(z, 1);
	k = shift_left_saturating(12 - zeros, 25) + (1 << 23);
	zb = shift_left_saturating(x, zeros_b);
	kb = shift_left_saturating(12 - zeros_b, 25) - (1 << 23);
	z = z < zb ? z : zb;
	k = k > kb ? k : kb;

	p = (int32_t)(((int64_t)z + center + 1) / 2);
	q = 2 * (z - center);
	q2 = rounding_doubling_high_mul(q, q);
	t = rounding_doubling_high_mul(rounding_doubling_high_mul(q, q2), 117049297);
	num = rounding_doubling_high_mul(q, z) + t;
	t = 1057819769 + q + rounding_doubling_high_mul(127690142, q2);
	denom = rounding_doubling_high_mul(p, t) + rounding_doubling_high_mul(638450708, q);
	t = rounding_doubling_high_mul(rounding_divide_by_pot(num, 6), one_over_one_plus(denom));
	return shift_left_saturating(rounding_doubling_high_mul(k, log_2) + t, 1);
}

static void log_softmax(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	struct factor f = exponent_factor(in, 1);
	struct factor reverse = quantize_multiplier(ldexp(1, 31 - f.shift) / f.multiplier);
	size_t depth = (size_t)in->dim[in->rank - 1], row, i;

	for (row = 0; row < in->count; row += depth) {
		struct exponentials e = exponentials(in, &in->q[row], depth, f);
		int32_t sum = log_of((int32_t)e.sum);
		/* Less than this does not fit Q5.26. */
		int64_t least = multiply(wrap((int64_t)INT32_MIN + sum), reverse.multiplier,
					 reverse.shift);

		if (least < e.diff_min - 1)
			least = e.diff_min - 1;
		for (i = 0; i < depth; i++) {
			int64_t diff = in->q[row + i] - e.max, y = lowest(out->type);

			if (diff > least)
				y = rounding_divide_by_pot(wrap((int64_t)exponent(&e, diff) - sum),
							   22) + 127;
			out->q[row + i] = clamp(y, lowest(out->type), highest(out->type));
		}
	}
}

/* ---- SOFTMAX of 16 bits: tables of 513 entries ---- */

static int16_t saturate16(int64_t x)
{
	return (int16_t)clamp(x, INT16_MIN, INT16_MAX);
}

static double one_over_one_plus_real(double x)
{
	return 1 / (1 + x);
}

/* @function from @first on, times about 32768: between entries one goes straight. */
static void fill_table(int16_t *table, double (*function)(double), double first, double last)
{
	double unit = 2.0 / 65535, inverse = 65536 / (unit * 32767 - unit * -32768);
	double step = (last - first) / 512, x, y, next, middle, error;
	int i;

	for (i = 0; i < 512; i++) {
		x = first + i * step;
		y = round(function(x) * inverse);
		next = function(first + (i + 1) * step) * inverse;
		middle = round(function(x + step / 2) * inverse);
		/* Half of what the middle of the line is off. */
		error = round((next + y) / 2) - middle;
		table[i] = (int16_t)fmin(fmax(y - round(error / 2), INT16_MIN), INT16_MAX);
	}
	table[512] = (int16_t)fmin(fmax(round(function(last) * inverse), INT16_MIN), INT16_MAX);
}

static int16_t look_up(const int16_t *table, int16_t x)
{
	int at = 256 + (x >> 7);
	int16_t slope = (int16_t)(table[at + 1] - table[at]);

	return (int16_t)(table[at] + ((slope * (x & 0x7f) + 64) >> 7));
}

static void softmax16(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	size_t at = op->options ? field(op->options, 0) : 0;
	float product = in->scale[0] * (at ? get_float(at) : 0);
	struct factor f = quantize_multiplier((double)product / (10.0 / 65535.0));
	size_t depth = (size_t)in->dim[in->rank - 1], row, i;
	int16_t exponential[513], inverse[513], scale;
	double unit = 1.0 / 65535;
	int64_t max, sum;
	int zeros;

	fill_table(exponential, exp, 10.0 / 65535 * -65535, 0);
	fill_table(inverse, one_over_one_plus_real, 0, unit * 65535);
	for (row = 0; row < in->count; row += depth) {
		max = lowest(in->type);
		sum = 0;
		for (i = 0; i < depth; i++)
			if (in->q[row + i] > max)
				max = in->q[row + i];
		for (i = 0; i < depth; i++) {
			int32_t diff = (int32_t)(in->q[row + i] - max);

			diff = multiply(diff, f.multiplier, f.shift);
			out->q[row + i] = look_up(exponential, saturate16((int64_t)diff + 32767));
			sum += out->q[row + i];
		}
		if (sum < 2 || sum > INT32_MAX)
			die("SOFTMAX of a row whose sum is %lld", (long long)sum);
		zeros = __builtin_clz((uint32_t)sum);
		/* From 1 to 2 in Q2.15 */
		scale = look_up(inverse, saturate16((((sum << (zeros - 1)) + (1 << 13)) >> 14) -
						    (1 << 15) - (1 << 16)));
		for (i = 0; i < depth; i++)
			out->q[row + i] = clamp((out->q[row + i] * scale +
						 (1ll << (30 - zeros))) >> (31 - zeros), 0, 32767);
	}
}

/* 1 / (1 + exp(-a)), a in Q4.27; result in Q0.31 */
static int32_t logistic_q(int32_t a)
{
	int32_t p = one_over_one_plus(exp_on_negative_values(a > 0 ? -a : a, 4));

	return a == 0 ? 1 << 30 : a > 0 ? p : INT32_MAX - p;
}

/* tanh(a), a in Q4.27; result in Q0.31 */
static int32_t tanh_q(int32_t a)
{
	/* 2 a has the same bits in Q5.26. */
	int32_t t = one_minus_over_one_plus(exp_on_negative_values(a > 0 ? -a : a, 5));

	return a == 0 ? 0 : a > 0 ? t : -t;
}

/* LOGISTIC and TANH: @bits fractional bits of the output */
static void sigmoid(struct op *op, int32_t (*function)(int32_t), int bits)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	struct factor f = quantize_multiplier((double)in->scale[0] * (1 << 27));
	int64_t radius = (int64_t)floor(15.0 * (1 << 27) / ldexp(1, f.shift));
	size_t i;

	for (i = 0; i < out->count; i++) {
		int64_t v = in->q[i] - in->zero_point[0], y;

		if (v <= -radius) {
			out->q[i] = lowest(out->type);
		} else if (v >= radius) {
			out->q[i] = highest(out->type);
		} else {
			y = rounding_divide_by_pot(function(multiply((int32_t)v, f.multiplier,
								     f.shift)), 31 - bits);
			out->q[i] = clamp(y + out->zero_point[0], lowest(out->type),
					  highest(out->type));
		}
	}
}

/* 1 / (1 + exp(-x)) at 24 @x, Q0.16, as the table of TensorFlow Lite has it */
static uint32_t logistic_at(uint32_t x)
{
	/* There it is one more than rounding makes it. */
	static const uint8_t more[] = {
		4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37,
		39, 40, 41, 43, 44, 45, 46, 49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103,
		112, 116, 135, 255
	};
	uint32_t y = (uint32_t)round(65536 / (1 + exp(-(double)x / 24)));

	return memchr(more, (int)x, sizeof(more)) ? y + 1 : y;
}

/* 1 / (1 + exp(-x)), @d is 12288 x; result in Q0.15 */
static int16_t logistic16(int32_t d)
{
	int32_t y;
	uint32_t size = (uint32_t)abs(d), at = size >> 9;

	if (at >= 255)
		y = 0x7fff << 10;
	else
		y = (int32_t)((logistic_at(at) << 9) +
			      (size & 0x1ff) * (logistic_at(at + 1) - logistic_at(at)));
	y = d >= 0 ? y + (1 << 9) : (1 << 25) - y + (1 << 9) - 1;
	return (int16_t)(y >> 10);
}

/* tanh(x) = 2 / (1 + exp(-2 x)) - 1, @d is 12288 x; result in Q0.15 */
static int16_t tanh16(int32_t d)
{
	int32_t y;
	uint32_t size = (uint32_t)abs(d), at = size >> 8;

	if (at >= 255)
		y = 0xffff << 8;
	else
		y = (int32_t)((logistic_at(at) << 8) +
			      (size & 0xff) * (logistic_at(at + 1) - logistic_at(at)));
	y = d >= 0 ? y - (1 << 23) + (1 << 7) : -y + (1 << 23) + (1 << 7) - 1;
	return (int16_t)(y >> 8);
}

/* Whether TensorFlow Lite takes @scale for a power of two, and which */
static bool power_of_two(float scale, int *exponent)
{
	float log_2 = logf(scale) * (1.0f / logf(2.0f)), whole = roundf(log_2);

	*exponent = (int)fmaxf(fminf(whole, 1000), -1000);
	return fabsf(log_2 - whole) < 1e-3f;
}

/* LOGISTIC and TANH of 16 bits; scales from 2^-12 to 2^@most times that need no rounding. */
static void sigmoid16(struct op *op, int16_t (*function)(int32_t), int most)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	double real = (double)in->scale[0] * 4096 * 3;
	int64_t multiplier, half = 0;
	int exponent, shift = 0;
	size_t i;

	if (power_of_two(in->scale[0], &exponent) && exponent >= -12 && exponent <= most - 12) {
		multiplier = 3 << (exponent + 12);
	} else {
		for (; real <= 32767.0 / 2 && shift <= 30; shift++)
			real *= 2;
		if (!(real >= 0 && real < 65536))
			die("scale %g is too coarse", (double)in->scale[0]);
		multiplier = (int64_t)real;
		half = shift ? 1ll << (shift - 1) : 0;
	}
	for (i = 0; i < out->count; i++)
		out->q[i] = function((int32_t)((in->q[i] * multiplier + half) >> shift));
}

/* ---- Functions of 8 bits that are computed in float32 ---- */

static float logistic_f(float x)
{
	return 1.0f / (1.0f + expf(-x));
}

static float elu_f(float x)
{
	return x < 0 ? expf(x) - 1.0f : x;
}

static void by_float(struct op *op, float (*function)(float))
{
	struct tensor *in = op->in[0], *out = op->out[0];
	float inverse = 1.0f / out->scale[0];
	size_t i;

	for (i = 0; i < out->count; i++) {
		float y = function(in->scale[0] * (float)(in->q[i] - in->zero_point[0]));
		double q = (double)roundf(y * inverse) + (double)out->zero_point[0];
		double low = (double)lowest(out->type), high = (double)highest(out->type);

		out->q[i] = (int64_t)(q > low ? q < high ? q : high : low);
	}
}

static void logistic(struct op *op)
{
	if (op->in[0]->type == INT16)
		sigmoid16(op, logistic16, 0);
	else if (tflite)
		by_float(op, logistic_f);
	else
		sigmoid(op, logistic_q, 8);
}

static void hyperbolic_tangent(struct op *op)
{
	if (op->in[0]->type == INT16)
		sigmoid16(op, tanh16, 1);
	else if (tflite)
		by_float(op, tanhf);
	else
		sigmoid(op, tanh_q, 7);
}

/* ---- 16-bit arithmetic of HARD_SWISH ---- */

static int16_t doubling_high_mul16(int16_t a, int16_t b, bool rounding)
{
	int32_t product = (int32_t)a * b, nudge = product >= 0 ? 1 << 14 : 1 - (1 << 14);

	return saturate16((product + (rounding ? nudge : 0)) / (1 << 15));
}

static int16_t shift_left_saturating16(int16_t x, int n)
{
	return saturate16((int64_t)x * (1ll << n));
}

static int16_t high_half(int32_t multiplier)
{
	return multiplier >= INT32_MAX - 32768 ? INT16_MAX : (int16_t)((multiplier + 32768) >> 16);
}

/* @x of Q0.15 from -1 to 1, standing for -3 to 3, to 0 to 1 */
static int16_t reluish(int16_t x, struct factor f)
{
	if (f.shift > 0)
		x = shift_left_saturating16(x, f.shift - 1);
	x = doubling_high_mul16(x, high_half(f.multiplier), true);
	if (f.shift > 0)
		x = shift_left_saturating16(x, 1);
	if (f.shift < 0)
		x = (int16_t)rounding_divide_by_pot(x, -f.shift);
	return (int16_t)((x + 32768) >> 1);
}

static void hard_swish(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	float hires = 1.0f / 128.0f * in->scale[0], unit = 3.0f / 32768.0f;
	float to_out = hires / out->scale[0], to_unit = hires / unit;
	struct factor fo = quantize_multiplier((double)to_out);
	struct factor fu = quantize_multiplier((double)to_unit);
	size_t i;

	if (fo.shift > 0)
		die("HARD_SWISH: the output is too fine");
	for (i = 0; i < out->count; i++) {
		int16_t h = (int16_t)((in->q[i] - in->zero_point[0]) * 128);
		int16_t product = doubling_high_mul16(reluish(h, fu), doubling_high_mul16(
					h, high_half(fo.multiplier), true), false);

		out->q[i] = clamp((int64_t)rounding_divide_by_pot(product, -fo.shift) +
				  out->zero_point[0], lowest(out->type), highest(out->type));
	}
}

/* ---- 1 / sqrt ---- */

/* 1 / sqrt(@x) as a factor; of 0 as of 1 */
static struct factor inverse_square_root(int32_t x)
{
	struct factor f = { INT32_MAX, 0 };
	int32_t fixed, half, root = 1 << 28, cube, step;
	int right = 11, i;

	if (x <= 1)
		return f;
	/* Scaled by a power of 4 to at least 1/4 and less than 1 in Q3.28. */
	for (; x >= 1 << 29; right++)
		x /= 4;
	for (; x < 1 << 27; right--)
		x *= 4;
	fixed = x >> 1;
	half = rounding_divide_by_pot(fixed, 1);
	for (i = 0; i < 5; i++) {
		cube = rounding_doubling_high_mul(rounding_doubling_high_mul(root, root), root);
		cube = shift_left_saturating(cube, 6);
		step = wrap((int64_t)rounding_doubling_high_mul((1 << 28) + (1 << 27), root) -
			    rounding_doubling_high_mul(half, cube));
		root = shift_left_saturating(step, 3);
	}
	f.multiplier = rounding_doubling_high_mul(root, 1518500250);
	if (right < 0)
		f.multiplier *= 1 << -right;
	else
		f.shift = -right;
	return f;
}

static void rsqrt(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	float root = sqrtf(in->scale[0]);
	struct factor scale = quantize_multiplier(1.0 / (double)(root * out->scale[0]));
	size_t i;

	for (i = 0; i < out->count; i++) {
		int32_t v = (int32_t)(in->q[i] - in->zero_point[0]), y;
		struct factor f;

		out->q[i] = highest(out->type);
		if (v <= 0)
			continue;
		f = inverse_square_root(v);
		y = multiply(1, f.multiplier, f.shift + 20);
		out->q[i] = clamp((int64_t)multiply(y, scale.multiplier, scale.shift - 20) +
				  out->zero_point[0], lowest(out->type), highest(out->type));
	}
}

static void l2_normalization(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	size_t depth = (size_t)in->dim[in->rank - 1], row, i;

	if (number(op->options, 0, 1, 0))
		die("L2_NORMALIZATION with an activation");
	for (row = 0; row < in->count; row += depth) {
		int64_t sum = 0, v;
		struct factor f;

		for (i = 0; i < depth; i++) {
			v = in->q[row + i] - in->zero_point[0];
			sum += v * v;
		}
		if (sum > INT32_MAX)
			die("L2_NORMALIZATION of too much");
		f = inverse_square_root((int32_t)sum);
		for (i = 0; i < depth; i++) {
			v = in->q[row + i] - in->zero_point[0];
			out->q[row + i] = clamp(multiply((int32_t)v, f.multiplier, f.shift + 7),
						lowest(out->type), highest(out->type));
		}
	}
}

/* ---- Indices ---- */

static int64_t wrap_axis(int64_t axis, int rank)
{
	if (axis < 0)
		axis += rank;
	if (axis < 0 || axis >= rank)
		die("axis %lld of rank %d", (long long)axis, rank);
	return axis;
}

/* Where element @at is. */
static void to_position(const struct tensor *t, size_t at, int64_t *position)
{
	int d;

	for (d = t->rank - 1; d >= 0; d--) {
		position[d] = (int64_t)(at % (size_t)t->dim[d]);
		at /= (size_t)t->dim[d];
	}
}

static size_t at_position(const struct tensor *t, const int64_t *position)
{
	size_t at = 0;
	int d;

	for (d = 0; d < t->rank; d++) {
		if (position[d] < 0 || position[d] >= t->dim[d])
			die("element %lld of dimension %d", (long long)position[d], d);
		at = at * (size_t)t->dim[d] + (size_t)position[d];
	}
	return at;
}

static void copy_element(struct tensor *to, size_t i, const struct tensor *from, size_t j)
{
	to->q[i] = from->q[j];
	to->f[i] = from->f[j];
}

/* ---- Reductions ---- */

/* Marks the dimensions to reduce; returns how many elements make one. */
static int64_t reduced_dimensions(struct op *op, bool *reduced)
{
	struct tensor *in = op->in[0], *axes = op->in[1];
	int64_t count = 1;
	size_t i;
	int d;

	for (i = 0; i < axes->count; i++)
		reduced[wrap_axis(axes->q[i], in->rank)] = true;
	for (d = 0; d < in->rank; d++)
		if (reduced[d])
			count *= in->dim[d];
	return count;
}

/* The element of the output that element @at of the input belongs to. */
static size_t reduced_index(const struct tensor *in, size_t at, const bool *reduced)
{
	int64_t position[RANK];
	size_t index = 0;
	int d;

	to_position(in, at, position);
	for (d = 0; d < in->rank; d++)
		if (!reduced[d])
			index = index * (size_t)in->dim[d] + (size_t)position[d];
	return index;
}

static void sum_up(struct op *op, bool mean)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	struct factor f = quantize_multiplier((double)in->scale[0] / (double)out->scale[0]);
	bool reduced[RANK] = { false };
	int64_t count = reduced_dimensions(op, reduced), shift;
	size_t i;

	if (mean) {
		shift = 63 - __builtin_clzll((unsigned long long)count);
		if (shift > 32)
			shift = 32;
		if (shift > 31 + f.shift)
			shift = 31 + f.shift;
		f.multiplier = (int32_t)(((int64_t)f.multiplier << shift) / count);
		f.shift -= (int)shift;
	}
	for (i = 0; i < out->count; i++)
		out->q[i] = 0;
	for (i = 0; i < in->count; i++)
		out->q[reduced_index(in, i, reduced)] += in->q[i];
	for (i = 0; i < out->count; i++)
		out->q[i] = clamp((int64_t)multiply(wrap(out->q[i] - in->zero_point[0] * count),
						    f.multiplier, f.shift) + out->zero_point[0],
				  lowest(out->type), highest(out->type));
}

static void reduce_max(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	bool reduced[RANK] = { false };
	size_t i, to;

	reduced_dimensions(op, reduced);
	for (i = 0; i < out->count; i++)
		out->q[i] = lowest(out->type);
	for (i = 0; i < in->count; i++) {
		to = reduced_index(in, i, reduced);
		if (in->q[i] > out->q[to])
			out->q[to] = in->q[i];
	}
}

static void arg_max(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	int64_t axis = wrap_axis(op->in[1]->q[0], in->rank), position[RANK], best, v, k;
	size_t i;
	int d;

	if (out->type != INT32 && out->type != INT64)
		die("ARG_MAX of type %d", out->type);
	if (number(op->options, 0, 1, 0) != out->type)
		die("ARG_MAX makes another type than its output has");
	for (i = 0; i < out->count; i++) {
		to_position(out, i, position);
		for (d = in->rank - 1; d > axis; d--)
			position[d] = position[d - 1];
		best = INT64_MIN;
		for (k = 0; k < in->dim[axis]; k++) {
			position[axis] = k;
			v = in->q[at_position(in, position)];
			/* Of equal ones the first. */
			if (v > best) {
				best = v;
				out->q[i] = k;
			}
		}
	}
}

/* ---- BATCH_MATMUL ---- */

/* An element of the matrix of @t that element @position of the output is made of. */
static int64_t matrix_element(const struct tensor *t, const struct tensor *out,
			      const int64_t *position, int64_t row, int64_t column)
{
	int64_t p[RANK];
	int d;

	for (d = 0; d < t->rank - 2; d++)
		p[d] = t->dim[d] == 1 ? 0 : position[d + out->rank - t->rank];
	p[t->rank - 2] = row;
	p[t->rank - 1] = column;
	return t->q[at_position(t, p)] - t->zero_point[0];
}

static void batch_matmul(struct op *op)
{
	struct tensor *a = op->in[0], *b = op->in[1], *out = op->out[0];
	bool adj_x = number(op->options, 0, 1, 0), adj_y = number(op->options, 1, 1, 0);
	/* The product in float32, as FULLY_CONNECTED has it. */
	struct factor f = quantize_multiplier((double)(a->scale[0] * b->scale[0]) /
					      (double)out->scale[0]);
	int64_t depth = a->dim[adj_x ? a->rank - 2 : a->rank - 1], position[RANK], k;
	size_t i;

	for (i = 0; i < out->count; i++) {
		int64_t row, column, x, y;
		int64_t acc = 0;

		to_position(out, i, position);
		row = position[out->rank - 2];
		column = position[out->rank - 1];
		for (k = 0; k < depth; k++) {
			x = matrix_element(a, out, position, adj_x ? k : row, adj_x ? row : k);
			y = matrix_element(b, out, position, adj_y ? column : k,
					   adj_y ? k : column);
			acc += x * y;
		}
		if (a->type == INT16)
			acc = multiply_wide(acc, f);
		else
			acc = multiply(wrap(acc), f.multiplier, f.shift);
		out->q[i] = clamp(acc + out->zero_point[0], lowest(out->type), highest(out->type));
	}
}

/* ---- Moving data ---- */

/* PAD and PADV2, which names the value */
static void pad(struct op *op)
{
	struct tensor *in = op->in[0], *pads = op->in[1], *out = op->out[0];
	int64_t value = op->in[2] ? op->in[2]->q[0] : out->zero_point[0], position[RANK];
	bool inside;
	size_t i;
	int d;

	for (i = 0; i < out->count; i++) {
		inside = true;
		to_position(out, i, position);
		for (d = 0; d < out->rank; d++) {
			position[d] -= pads->q[2 * d];
			inside &= position[d] >= 0 && position[d] < in->dim[d];
		}
		out->q[i] = inside ? in->q[at_position(in, position)] : value;
	}
}

static void mirror_pad(struct op *op)
{
	struct tensor *in = op->in[0], *pads = op->in[1], *out = op->out[0];
	/* SYMMETRIC repeats the element at the edge, REFLECT does not. */
	int64_t symmetric = number(op->options, 0, 1, 0), position[RANK];
	size_t i;
	int d;

	for (i = 0; i < out->count; i++) {
		to_position(out, i, position);
		for (d = 0; d < out->rank; d++) {
			position[d] -= pads->q[2 * d];
			if (position[d] < 0)
				position[d] = -position[d] - symmetric;
			else if (position[d] >= in->dim[d])
				position[d] = 2 * in->dim[d] - 2 - position[d] + symmetric;
		}
		copy_element(out, i, in, at_position(in, position));
	}
}

static void reshape(struct op *op)
{
	size_t i;

	for (i = 0; i < op->out[0]->count; i++)
		copy_element(op->out[0], i, op->in[0], i);
}

/* Copies @part out of or into @whole, where it starts at @from on @axis. */
static void copy_part(struct tensor *part, struct tensor *whole, int64_t axis, int64_t from,
		      bool out_of)
{
	int64_t position[RANK];
	size_t i, at;

	for (i = 0; i < part->count; i++) {
		to_position(part, i, position);
		position[axis] += from;
		at = at_position(whole, position);
		if (out_of)
			copy_element(part, i, whole, at);
		else
			copy_element(whole, at, part, i);
	}
}

/* What CONCATENATION makes of @part: a copy, or with uint8 rescaled in float32 */
static void like_output(struct tensor *part, const struct tensor *out)
{
	float inverse, scale, offset, y;
	size_t i;

	if (out->type != UINT8 || !out->channels || !part->channels ||
	    (part->scale[0] == out->scale[0] && part->zero_point[0] == out->zero_point[0]))
		return;
	inverse = 1.0f / out->scale[0];
	scale = part->scale[0] * inverse;
	offset = (float)-part->zero_point[0] * scale;
	for (i = 0; i < part->count; i++) {
		y = (float)part->q[i] * scale;
		y = roundf(y + offset);
		part->q[i] = (int64_t)fmin(fmax((double)y + (double)out->zero_point[0], 0), 255);
	}
}

static void concatenation(struct op *op)
{
	struct tensor *out = op->out[0], part;
	int64_t axis = wrap_axis(number(op->options, 0, 4, 0), out->rank), from = 0;
	int i;

	if (number(op->options, 1, 1, 0))
		die("CONCATENATION with an activation");
	for (i = 0; i < op->inputs; i++) {
		part = *op->in[i];
		part.q = allocate(part.count, sizeof(*part.q));
		memcpy(part.q, op->in[i]->q, part.count * sizeof(*part.q));
		like_output(&part, out);
		copy_part(&part, out, axis, from, false);
		free(part.q);
		from += part.dim[axis];
	}
}

/* SPLIT and SPLIT_V: the shapes of the outputs say how. */
static void split(struct op *op, struct tensor *in, const struct tensor *axes)
{
	int64_t axis = wrap_axis(axes->q[0], in->rank), from = 0;
	int i;

	for (i = 0; i < op->outputs; i++) {
		copy_part(op->out[i], in, axis, from, true);
		from += op->out[i]->dim[axis];
	}
}

/* PACK and UNPACK: @part has no dimension @axis, and is number @index of @whole. */
static void copy_layer(struct tensor *part, struct tensor *whole, int64_t axis, int64_t index,
		       bool out_of)
{
	int64_t position[RANK + 1];
	size_t i, at;
	int d;

	for (i = 0; i < part->count; i++) {
		to_position(part, i, position);
		for (d = part->rank; d > axis; d--)
			position[d] = position[d - 1];
		position[axis] = index;
		at = at_position(whole, position);
		if (out_of)
			copy_element(part, i, whole, at);
		else
			copy_element(whole, at, part, i);
	}
}

static void pack(struct op *op)
{
	int64_t axis = wrap_axis(number(op->options, 1, 4, 0), op->out[0]->rank);
	int i;

	for (i = 0; i < op->inputs; i++)
		copy_layer(op->in[i], op->out[0], axis, i, false);
}

static void unpack(struct op *op)
{
	int64_t axis = wrap_axis(number(op->options, 1, 4, 0), op->in[0]->rank);
	int i;

	for (i = 0; i < op->outputs; i++)
		copy_layer(op->out[i], op->in[0], axis, i, true);
}

static void slice(struct op *op)
{
	struct tensor *in = op->in[0], *begin = op->in[1], *out = op->out[0];
	int64_t position[RANK];
	size_t i;
	int d;

	for (i = 0; i < out->count; i++) {
		to_position(out, i, position);
		for (d = 0; d < out->rank; d++)
			position[d] += begin->q[d];
		copy_element(out, i, in, at_position(in, position));
	}
}

/* Where a strided slice starts on dimension @d. */
static int64_t slice_start(struct op *op, int d)
{
	int64_t begin = op->in[1]->q[d], stride = op->in[3]->q[d], size = op->in[0]->dim[d];

	if (number(op->options, 0, 4, 0) >> d & 1)
		return stride > 0 ? 0 : size - 1;
	if (begin < 0)
		begin += size;
	return stride > 0 ? clamp(begin, 0, size) : clamp(begin, -1, size - 1);
}

/* How many elements a strided slice takes of dimension @d. */
static int64_t slice_count(struct op *op, int d)
{
	int64_t end = op->in[2]->q[d], stride = op->in[3]->q[d], size = op->in[0]->dim[d];
	int64_t start = slice_start(op, d), count = 0;

	if (number(op->options, 4, 4, 0) >> d & 1)
		return 1;
	if (end < 0)
		end += size;
	end = stride > 0 ? clamp(end, 0, size) : clamp(end, -1, size - 1);
	if (number(op->options, 1, 4, 0) >> d & 1)
		end = stride > 0 ? size : -1;
	for (; stride > 0 ? start < end : start > end; start += stride)
		count++;
	return count;
}

static void strided_slice(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	int64_t position[RANK], count, rest, total = 1;
	size_t i;
	int d;

	if (number(op->options, 2, 4, 0) || number(op->options, 3, 4, 0))
		die("STRIDED_SLICE with an ellipsis or a new axis");
	for (d = 0; d < in->rank; d++)
		total *= slice_count(op, d);
	if (total != (int64_t)out->count)
		die("STRIDED_SLICE has %lld elements", (long long)total);
	for (i = 0; i < out->count; i++) {
		/* Dimensions that the output lacks have one element. */
		rest = (int64_t)i;
		for (d = in->rank - 1; d >= 0; d--) {
			count = slice_count(op, d);
			position[d] = slice_start(op, d) + rest % count * op->in[3]->q[d];
			rest /= count;
		}
		copy_element(out, i, in, at_position(in, position));
	}
}

static void transpose(struct op *op)
{
	struct tensor *in = op->in[0], *perm = op->in[1], *out = op->out[0];
	int64_t position[RANK], from[RANK];
	size_t i;
	int d;

	for (i = 0; i < out->count; i++) {
		to_position(out, i, position);
		for (d = 0; d < out->rank; d++)
			from[wrap_axis(perm->q[d], in->rank)] = position[d];
		copy_element(out, i, in, at_position(in, from));
	}
}

/* Element @deep_at of @deep is one of a block of @wide. */
static size_t in_block(const struct tensor *deep, size_t deep_at, const struct tensor *wide,
		       int64_t block)
{
	int64_t position[RANK], channels = wide->dim[3], within;

	to_position(deep, deep_at, position);
	within = position[3] / channels;
	position[1] = position[1] * block + within / block;
	position[2] = position[2] * block + within % block;
	position[3] %= channels;
	return at_position(wide, position);
}

static void space_to_depth(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	int64_t block = number(op->options, 0, 4, 0);
	size_t i;

	for (i = 0; i < out->count; i++)
		copy_element(out, i, in, in_block(out, i, in, block));
}

static void depth_to_space(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	int64_t block = number(op->options, 0, 4, 0);
	size_t i;

	for (i = 0; i < in->count; i++)
		copy_element(out, in_block(in, i, out, block), in, i);
}

static void gather(struct op *op)
{
	struct tensor *in = op->in[0], *indices = op->in[1], *out = op->out[0];
	int64_t axis = wrap_axis(number(op->options, 0, 4, 0), in->rank);
	int64_t position[RANK], from[RANK];
	size_t i, index;
	int d;

	if (number(op->options, 1, 4, 0))
		die("GATHER with batch dimensions");
	for (i = 0; i < out->count; i++) {
		to_position(out, i, position);
		index = at_position(indices, position + axis);
		for (d = 0; d < axis; d++)
			from[d] = position[d];
		from[axis] = indices->q[index];
		for (d++; d < in->rank; d++)
			from[d] = position[d + indices->rank - 1];
		copy_element(out, i, in, at_position(in, from));
	}
}

/* The row or column that RESIZE_NEAREST_NEIGHBOR takes. */
static int64_t nearest(struct op *op, int64_t at, int64_t in, int64_t out)
{
	bool align_corners = number(op->options, 0, 1, 0), half = number(op->options, 1, 1, 0);
	float scale = align_corners && out > 1 ? (float)(in - 1) / (float)(out - 1) :
		      (float)in / (float)out;
	float offset = half ? 0.5f : 0.0f, sum = (float)at + offset, product = sum * scale;
	int64_t from = (int64_t)(align_corners ? roundf(product) : floorf(product));

	if (from > in - 1)
		from = in - 1;
	return half && from < 0 ? 0 : from;
}

static void resize_nearest(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	int64_t position[RANK];
	size_t i;

	for (i = 0; i < out->count; i++) {
		to_position(out, i, position);
		position[1] = nearest(op, position[1], in->dim[1], out->dim[1]);
		position[2] = nearest(op, position[2], in->dim[2], out->dim[2]);
		copy_element(out, i, in, at_position(in, position));
	}
}

/* Where RESIZE_BILINEAR takes row or column @at from, in 1/1024 */
static int64_t between(struct op *op, int64_t at, int64_t in, int64_t out)
{
	bool align_corners = number(op->options, 2, 1, 0), half = number(op->options, 3, 1, 0);
	int64_t scale = (1024 * in + out / 2) / out;

	if (align_corners && out > 1)
		scale = (1024 * (in - 1) + (out - 1) / 2) / (out - 1);
	return half ? at * scale + scale / 2 - 512 : at * scale;
}

static void resize_bilinear(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out[0];
	int64_t p[RANK], y, x, rows[2], columns[2], down[2], right[2], sum;
	size_t at;
	int i, j;

	for (at = 0; at < out->count; at++) {
		to_position(out, at, p);
		y = between(op, p[1], in->dim[1], out->dim[1]);
		x = between(op, p[2], in->dim[2], out->dim[2]);
		/* Truncating: what is a little less than 0 is in row 0. */
		rows[0] = clamp(y / 1024, 0, INT32_MAX);
		rows[1] = clamp((y + 1023) / 1024, INT32_MIN, in->dim[1] - 1);
		columns[0] = clamp(x / 1024, 0, INT32_MAX);
		columns[1] = clamp((x + 1023) / 1024, INT32_MIN, in->dim[2] - 1);
		down[1] = y - 1024 * rows[0];
		down[0] = 1024 - down[1];
		right[1] = x - 1024 * columns[0];
		right[0] = 1024 - right[1];
		sum = 0;
		for (i = 0; i < 2; i++)
		for (j = 0; j < 2; j++) {
			p[1] = rows[i];
			p[2] = columns[j];
			sum += in->q[at_position(in, p)] * down[i] * right[j];
		}
		/* Half away from zero. */
		out->q[at] = (sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20);
	}
}

/* ---- State that survives runs: SVDF and LSTM ---- */

static void svdf(struct op *op)
{
	struct tensor *in = op->in[0], *feature = op->in[1], *weights = op->in[2];
	struct tensor *bias = op->in[3], *state = op->in[4], *out = op->out[0];
	int64_t batches = in->dim[0], inputs = in->dim[1], units = out->dim[1];
	int64_t filters = feature->dim[0], memory = weights->dim[1], rank = filters / units;
	int64_t b, f, u, r, m, i;
	float product = in->scale[0] * feature->scale[0], first = product / state->scale[0];
	float second = state->scale[0] * weights->scale[0];
	struct factor f1, f2;

	second = second / out->scale[0];
	f1 = quantize_multiplier((double)first);
	f2 = quantize_multiplier((double)second);
	if ((state->type != INT16 && state->type != INT8) || weights->type != state->type ||
	    number(op->options, 1, 1, 0) != 1)
		die("SVDF without an int16 or int8 state or without RELU");
	if (rank != number(op->options, 0, 4, 0) || rank * units != filters)
		die("SVDF of rank %lld", (long long)rank);

	for (b = 0; b < batches; b++)
	for (f = 0; f < filters; f++) {
		int64_t *past = &state->q[(b * filters + f) * memory];
		int32_t acc = 0;

		for (m = 0; m + 1 < memory; m++)
			past[m] = past[m + 1];
		for (i = 0; i < inputs; i++)
			acc = wrap((int64_t)acc + feature->q[f * inputs + i] *
				   (in->q[b * inputs + i] - in->zero_point[0]));
		/* First the limits, then the zero point; what Micro wraps then is cut off. */
		past[memory - 1] = clamp(clamp(multiply(acc, f1.multiplier, f1.shift),
					       lowest(state->type), highest(state->type)) +
					 state->zero_point[0], lowest(state->type),
					 highest(state->type));
	}
	for (b = 0; b < batches; b++)
	for (u = 0; u < units; u++) {
		int32_t acc = bias ? (int32_t)bias->q[u] : 0;

		for (r = 0; r < rank; r++)
		for (m = 0; m < memory; m++) {
			f = u * rank + r;
			acc = wrap((int64_t)acc + (state->q[(b * filters + f) * memory + m] -
						   state->zero_point[0]) *
				   weights->q[f * memory + m]);
		}
		/* The RELU is all in how the output is quantised. */
		out->q[b * units + u] = clamp((int64_t)multiply(acc, f2.multiplier, f2.shift) +
					      out->zero_point[0], lowest(out->type),
					      highest(out->type));
	}
}

/* One row of weights times @x, plus bias, in Q3.12 */
static int16_t gate_part(const struct tensor *weights, const struct tensor *bias, int64_t row,
			 const struct tensor *in, const int64_t *x)
{
	int64_t n = weights->dim[1], i;
	float product = in->scale[0] * weights->scale[0];
	struct factor f = quantize_multiplier((double)product * 4096);
	int64_t sum = 0;

	for (i = 0; i < n; i++)
		sum += weights->q[row * n + i] * (x[i] - in->zero_point[0]);
	if (bias)
		sum = (int64_t)((uint64_t)sum + (uint64_t)bias->q[row]);
	if (in->type == INT16)
		return saturate16(multiply_wide(sum, f));
	return saturate16(multiply(wrap(sum), f.multiplier, f.shift));
}

/* What a gate takes its logistic function or tanh of. */
static int16_t gate(struct op *op, int which, int64_t row, const int64_t *x, const int64_t *h)
{
	int16_t a = gate_part(op->in[1 + which], op->in[12 + which], row, op->in[0], x);
	int16_t b = gate_part(op->in[5 + which], NULL, row, op->in[18], h);

	return saturate16(a + b);
}

static int32_t product_of(int16_t a, int16_t b, double real)
{
	struct factor f = quantize_multiplier(real);

	return multiply(a * b, f.multiplier, f.shift);
}

static void lstm_step(struct op *op, const int64_t *x, int64_t *h, int64_t *c, int64_t *y)
{
	struct tensor *hidden = op->in[18];
	int64_t cells = hidden->dim[1], limit, j;
	double scale = (double)op->in[19]->scale[0], q15 = ldexp(1, -15);
	size_t at = op->options ? field(op->options, 1) : 0;
	double clip = at ? (double)get_float(at) : 0;
	int exponent;

	if (frexp(scale, &exponent) != 0.5 || exponent < -11)
		die("the cell state of an LSTM has scale %g", scale);
	limit = (int64_t)fmin(fmax(clip / scale, -32768), 32767);
	for (j = 0; j < cells; j++) {
		int16_t in = logistic16(3 * gate(op, 0, j, x, h));
		int16_t forget = logistic16(3 * gate(op, 1, j, x, h));
		int16_t new = tanh16(3 * gate(op, 2, j, x, h));
		int16_t out = logistic16(3 * gate(op, 3, j, x, h));
		int16_t a = saturate16(product_of(forget, (int16_t)c[j], q15));
		int16_t b = saturate16(product_of(in, new, q15 * q15 / scale));

		c[j] = saturate16(a + b);
		if (clip > 0)
			c[j] = clamp(c[j], -limit, limit);
		y[j] = product_of(out, tanh16((int32_t)c[j] * (3 << (11 + exponent))),
				  q15 * q15 / (double)hidden->scale[0]);
		y[j] = clamp(y[j] + hidden->zero_point[0], lowest(hidden->type),
			     highest(hidden->type));
	}
	/* All gates of all cells have seen the old one. */
	for (j = 0; j < cells; j++)
		h[j] = y[j];
}

static void lstm(struct op *op)
{
	struct tensor *in = op->in[0], *hidden = op->in[18], *cell = op->in[19];
	bool time_major = number(op->options, 3, 1, 0);
	int64_t batches = in->dim[time_major], steps = in->dim[!time_major];
	int64_t inputs = in->dim[2], cells = cell->dim[1], b, t, at;
	int i;

	for (i = 9; i < op->inputs; i++)
		if ((i < 12 || i == 16 || i == 17 || i > 19) && op->in[i])
			die("an LSTM has input %d", i);
	if (cell->type != INT16)
		die("the cell state of an LSTM has type %d", cell->type);
	for (t = 0; t < steps; t++)
	for (b = 0; b < batches; b++) {
		at = time_major ? t * batches + b : b * steps + t;
		lstm_step(op, &in->q[at * inputs], &hidden->q[b * cells], &cell->q[b * cells],
			  &op->out[0]->q[at * cells]);
	}
}

static void run_op(int64_t code, struct op *op)
{
	switch (code) {
	case 0:
		return add(op, 1);
	case 1:
		return pool(op, false);
	case 2:
		return concatenation(op);
	case 3:
		return conv(op, false);
	case 4:
		return conv(op, true);
	case 5:
		return depth_to_space(op);
	case 6:
		return dequantize(op);
	case 9:
		return fully_connected(op);
	case 11:
		return l2_normalization(op);
	case 14:
		return logistic(op);
	case 17:
		return pool(op, true);
	case 18:
		return mul(op);
	case 19:
		return relu(op, 1);
	case 20:
		return relu(op, 2);
	case 21:
		return relu(op, 3);
	case 22:
	case 43:
	case 70:
		return reshape(op);
	case 23:
		return resize_bilinear(op);
	case 25:
		return op->in[0]->type == INT16 ? softmax16(op) : softmax(op);
	case 26:
		return space_to_depth(op);
	case 27:
		return svdf(op);
	case 28:
		return hyperbolic_tangent(op);
	case 34:
	case 60:
		return pad(op);
	case 36:
		return gather(op);
	case 39:
		return transpose(op);
	case 40:
		return sum_up(op, true);
	case 41:
		return add(op, -1);
	case 44:
		return lstm(op);
	case 45:
		return strided_slice(op);
	case 49:
		return split(op, op->in[1], op->in[0]);
	case 50:
		return log_softmax(op);
	case 54:
		return prelu(op);
	case 55:
		return minimum_maximum(op, true);
	case 56:
		return arg_max(op);
	case 57:
		return minimum_maximum(op, false);
	case 65:
		return slice(op);
	case 67:
		return transpose_conv(op);
	case 74:
		return sum_up(op, false);
	case 76:
		return rsqrt(op);
	case 82:
		return reduce_max(op);
	case 83:
		return pack(op);
	case 88:
		return unpack(op);
	case 97:
		return resize_nearest(op);
	case 98:
		return leaky_relu(op);
	case 99:
		return squared_difference(op);
	case 100:
		return mirror_pad(op);
	case 102:
		return split(op, op->in[0], op->in[2]);
	case 111:
		return by_float(op, elu_f);
	case 114:
		return quantize(op);
	case 117:
		return hard_swish(op);
	case 126:
		return batch_matmul(op);
	}
	die("operator %lld is not supported", (long long)code);
}

/* ---- Variables ---- */

enum { VARIABLES = 64 };

/* What a handle, a tensor of type RESOURCE, has the index of */
static struct variable {
	size_t container, name;	/* strings of the file, 0 if absent */
	bool assigned;
	int type;
	size_t count;
	int64_t *q;
} variables[VARIABLES];

static bool same_string(size_t a, size_t b)
{
	size_t i;

	if (length(a) != length(b))
		return false;
	for (i = 0; i < length(a); i++)
		if (get(a + 4 + i, 1) != get(b + 4 + i, 1))
			return false;
	return true;
}

static void var_handle(struct op *op)
{
	size_t container = child(op->options, 0), name = child(op->options, 1);
	static int count;
	int i;

	for (i = 0; i < count; i++)
		if (same_string(variables[i].container, container) &&
		    same_string(variables[i].name, name))
			break;
	if (i == VARIABLES)
		die("too many variables");
	if (i == count) {
		variables[i].container = container;
		variables[i].name = name;
		count++;
	}
	if (!op->out[0] || op->out[0]->type != RESOURCE)
		die("the output of VAR_HANDLE is no resource");
	op->out[0]->q[0] = i;
}

static struct variable *variable_of(const struct op *op)
{
	if (!op->in[0] || op->in[0]->type != RESOURCE)
		die("a variable has no handle");
	return &variables[op->in[0]->q[0]];
}

static void read_variable(struct op *op)
{
	struct variable *v = variable_of(op);
	struct tensor *out = op->out[0];
	size_t i;

	if (!out || (v->assigned && (v->count != out->count || v->type != out->type)))
		die("READ_VARIABLE of something else");
	for (i = 0; i < out->count; i++)
		out->q[i] = v->assigned ? v->q[i] : out->zero_point[0];
}

static void assign_variable(struct op *op)
{
	struct variable *v = variable_of(op);
	struct tensor *in = op->in[1];

	if (!in || in->type == FLOAT32)
		die("ASSIGN_VARIABLE of nothing or of float32");
	free(v->q);
	v->q = allocate(in->count, sizeof(*v->q));
	memcpy(v->q, in->q, in->count * sizeof(*v->q));
	v->count = in->count;
	v->type = in->type;
	v->assigned = true;
}

/* ---- The graphs ---- */

static struct graph {
	size_t inputs, outputs, operators;	/* in the file */
	struct tensor *tensors;
	size_t ntensors;
	bool called;
} *graphs;

static size_t ngraphs;

static struct tensor *named(const struct graph *g, size_t vector, size_t i)
{
	int64_t index = i < length(vector) ? get(vector + 4 + 4 * i, 4) : -1;

	if (index >= (int64_t)g->ntensors)
		die("the graph names tensor %lld", (long long)index);
	return index < 0 ? NULL : &g->tensors[index];
}

static int operands(const struct graph *g, size_t vector, struct tensor **t)
{
	size_t i, n = length(vector);

	if (n > OPERANDS)
		die("an operator has %zu operands", n);
	for (i = 0; i < n; i++)
		t[i] = named(g, vector, i);
	return (int)n;
}

static void run_graph(struct graph *g, size_t codes);

static void call_once(struct op *op, size_t codes)
{
	size_t index = (size_t)number(op->options, 0, 4, 0);

	if (index >= ngraphs)
		die("CALL_ONCE of graph %zu", index);
	if (graphs[index].called)
		return;
	graphs[index].called = true;
	run_graph(&graphs[index], codes);
}

static void run_graph(struct graph *g, size_t codes)
{
	size_t i;

	for (i = 0; i < length(g->operators); i++) {
		size_t table = table_in(g->operators, i);
		size_t code = table_in(codes, (size_t)number(table, 0, 4, 0));
		int64_t old = number(code, 0, 1, 0), new = number(code, 3, 4, 0);
		struct op op = { .options = child(table, 4) };

		op.inputs = operands(g, child(table, 1), op.in);
		op.outputs = operands(g, child(table, 2), op.out);
		switch (new > old ? new : old) {
		case 129:
			call_once(&op, codes);
			continue;
		case 142:
			var_handle(&op);
			continue;
		case 143:
			read_variable(&op);
			continue;
		case 144:
			assign_variable(&op);
			continue;
		}
		if (!op.in[0] || !op.out[0])
			die("operator %zu has no input or output", i);
		run_op(new > old ? new : old, &op);
	}
}

static void read_graph(struct graph *g, size_t table, size_t buffers)
{
	size_t i;

	g->inputs = child(table, 1);
	g->outputs = child(table, 2);
	g->operators = child(table, 3);
	g->ntensors = length(child(table, 0));
	g->tensors = allocate(g->ntensors, sizeof(*g->tensors));
	for (i = 0; i < g->ntensors; i++)
		read_tensor(&g->tensors[i], table_in(child(table, 0), i), buffers);
}

static void free_graph(struct graph *g)
{
	size_t i;

	for (i = 0; i < g->ntensors; i++) {
		free(g->tensors[i].scale);
		free(g->tensors[i].zero_point);
		free(g->tensors[i].q);
		free(g->tensors[i].f);
	}
	free(g->tensors);
}

/* Returns how many bytes of @images the inputs took. */
static size_t read_inputs(const struct graph *g, const uint8_t *images, size_t size)
{
	size_t i, bytes, at = 0;

	for (i = 0; i < length(g->inputs); i++) {
		struct tensor *t = named(g, g->inputs, i);

		if (!t)
			die("an input of the graph is no tensor");
		bytes = t->count * (size_t)width(t->type);
		if (bytes > size - at)
			die("the inputs are no whole runs");
		from_bytes(t, images + at);
		at += bytes;
	}
	if (!at)
		die("the graph has no inputs");
	return at;
}

int main(int argc, char **argv)
{
	size_t root, size, at = 0, i;
	uint8_t *images;
	int option;

	while ((option = getopt(argc, argv, "n:")) != -1) {
		tflite = option == 'n' && !strcmp(optarg, "tflite");
		if (!tflite && (option != 'n' || strcmp(optarg, "tflm")))
			optind = argc;
	}
	if (argc - optind != 2)
		die("usage: npu-reference [-n tflm|tflite] MODEL INPUTS > OUTPUTS");
	argv += optind;
	file = load(argv[0], &file_size);
	root = get_u32(0);
	ngraphs = length(child(root, 2));
	if (!ngraphs)
		die("the model has no graph");
	graphs = allocate(ngraphs, sizeof(*graphs));
	for (i = 0; i < ngraphs; i++)
		read_graph(&graphs[i], table_in(child(root, 2), i), child(root, 4));

	images = load(argv[1], &size);
	while (at < size) {
		at += read_inputs(&graphs[0], images + at, size - at);
		run_graph(&graphs[0], child(root, 1));
		for (i = 0; i < length(graphs[0].outputs); i++) {
			struct tensor *t = named(&graphs[0], graphs[0].outputs, i);

			if (!t)
				die("an output of the graph is no tensor");
			to_stdout(t);
		}
	}
	for (i = 0; i < ngraphs; i++)
		free_graph(&graphs[i]);
	free(graphs);
	for (i = 0; i < VARIABLES; i++)
		free(variables[i].q);
	free(images);
	free((void *)file);
	return fflush(stdout) ? 1 : 0;
}

// SPDX-License-Identifier: MIT
/*
 * npu-reference MODEL INPUTS > OUTPUTS
 *
 * Runs an int8 TensorFlow Lite model as slowly and plainly as possible: an
 * oracle to compare the NPU with, bit by bit. It follows the reference kernels
 * of TensorFlow Lite Micro (gemmlowp double rounding) and shares no code with
 * libnpu or the device model. INPUTS holds the raw input tensors of one run
 * after another, OUTPUTS the output tensors.
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

enum { FLOAT32 = 0, INT32 = 2, UINT8 = 3, INT64 = 4, INT16 = 7, INT8 = 9 };

struct tensor {
	int type;
	int rank;
	int64_t dim[8];
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
	if (t->rank > 8)
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
	}
	t->q = allocate(t->count, sizeof(int64_t));
	t->f = allocate(t->count, sizeof(float));
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
	f.multiplier = (int32_t)fixed;
	return f;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
	return x < low ? low : x > high ? high : x;
}

/* ---- Operators ---- */

struct op {
	const char *name;
	size_t options;
	struct tensor *in[4];
	struct tensor *out;
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

static void conv(struct op *op, bool depthwise)
{
	struct tensor *in = op->in[0], *w = op->in[1], *bias = op->in[2], *out = op->out;
	int64_t padding = number(op->options, 0, 1, 0), stride_w = number(op->options, 1, 4, 0);
	int64_t stride_h = number(op->options, 2, 4, 0), low, high, top, left;
	int64_t activation = number(op->options, depthwise ? 4 : 3, 1, 0);
	int64_t dil_w = number(op->options, depthwise ? 5 : 4, 4, 1);
	int64_t dil_h = number(op->options, depthwise ? 6 : 5, 4, 1);
	int64_t kh = w->dim[1], kw = w->dim[2], channels = out->dim[3], per_group = w->dim[3];
	int64_t n, y, x, o, i, j, c;
	struct factor *f = allocate((size_t)channels, sizeof(*f));

	for (o = 0; o < channels; o++)
		f[o] = quantize_multiplier((double)in->scale[0] *
					   (double)w->scale[w->channels > 1 ? o : 0] /
					   (double)out->scale[0]);
	activation_range(out, activation, &low, &high);
	top = padding_before(padding, in->dim[1], out->dim[1], (kh - 1) * dil_h + 1, stride_h);
	left = padding_before(padding, in->dim[2], out->dim[2], (kw - 1) * dil_w + 1, stride_w);

	for (n = 0; n < out->dim[0]; n++)
	for (y = 0; y < out->dim[1]; y++)
	for (x = 0; x < out->dim[2]; x++)
	for (o = 0; o < channels; o++) {
		int32_t acc = 0;
		int64_t result;

		for (i = 0; i < kh; i++)
		for (j = 0; j < kw; j++)
		for (c = 0; c < (depthwise ? 1 : per_group); c++) {
			int64_t row = y * stride_h - top + i * dil_h;
			int64_t column = x * stride_w - left + j * dil_w, from, value, weight;

			if (row < 0 || row >= in->dim[1] || column < 0 || column >= in->dim[2])
				continue;
			if (depthwise)
				from = o / (channels / in->dim[3]);
			else
				from = o / (channels / (in->dim[3] / per_group)) * per_group + c;
			value = in->q[((n * in->dim[1] + row) * in->dim[2] + column) * in->dim[3] + from];
			if (depthwise)
				weight = w->q[(i * kw + j) * channels + o];
			else
				weight = w->q[((o * kh + i) * kw + j) * per_group + c];
			acc = wrap((int64_t)acc + weight * (value - in->zero_point[0]));
		}
		if (bias)
			acc = wrap((int64_t)acc + bias->q[o]);
		result = (int64_t)multiply(acc, f[o].multiplier, f[o].shift) + out->zero_point[0];
		out->q[((n * out->dim[1] + y) * out->dim[2] + x) * channels + o] =
			clamp(result, low, high);
	}
	free(f);
}

static void fully_connected(struct op *op)
{
	struct tensor *in = op->in[0], *w = op->in[1], *bias = op->in[2], *out = op->out;
	int64_t outputs = w->dim[0], depth = w->dim[1], low, high, b, o, k;
	int64_t batches = (int64_t)in->count / depth;

	activation_range(out, number(op->options, 0, 1, 0), &low, &high);
	for (b = 0; b < batches; b++)
	for (o = 0; o < outputs; o++) {
		struct factor f;
		int32_t acc = 0;

		/* With one scale the product of the input scales is a float. */
		if (w->channels == 1)
			f = quantize_multiplier((double)(in->scale[0] * w->scale[0]) /
						(double)out->scale[0]);
		else
			f = quantize_multiplier((double)in->scale[0] * (double)w->scale[o] /
						(double)out->scale[0]);
		for (k = 0; k < depth; k++)
			acc = wrap((int64_t)acc + (w->q[o * depth + k] - w->zero_point[0]) *
				   (in->q[b * depth + k] - in->zero_point[0]));
		if (bias)
			acc = wrap((int64_t)acc + bias->q[o]);
		out->q[b * outputs + o] = clamp((int64_t)multiply(acc, f.multiplier, f.shift) +
						out->zero_point[0], low, high);
	}
}

static void pool(struct op *op, bool max)
{
	struct tensor *in = op->in[0], *out = op->out;
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

static void add(struct op *op)
{
	struct tensor *a = op->in[0], *b = op->in[1], *out = op->out;
	double twice = 2 * (double)(a->scale[0] > b->scale[0] ? a->scale[0] : b->scale[0]);
	struct factor fa = quantize_multiplier((double)a->scale[0] / twice);
	struct factor fb = quantize_multiplier((double)b->scale[0] / twice);
	struct factor fo = quantize_multiplier(twice / ((1 << 20) * (double)out->scale[0]));
	int64_t low, high;
	size_t i;

	activation_range(out, number(op->options, 0, 1, 0), &low, &high);
	for (i = 0; i < out->count; i++) {
		int32_t x = (int32_t)((a->q[broadcast(a, out, i)] - a->zero_point[0]) * (1 << 20));
		int32_t y = (int32_t)((b->q[broadcast(b, out, i)] - b->zero_point[0]) * (1 << 20));
		int32_t sum = wrap((int64_t)multiply(x, fa.multiplier, fa.shift) +
				   multiply(y, fb.multiplier, fb.shift));

		out->q[i] = clamp((int64_t)multiply(sum, fo.multiplier, fo.shift) +
				  out->zero_point[0], low, high);
	}
}

static void mul(struct op *op)
{
	struct tensor *a = op->in[0], *b = op->in[1], *out = op->out;
	struct factor f = quantize_multiplier((double)a->scale[0] * (double)b->scale[0] /
					      (double)out->scale[0]);
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

static void rescale(struct op *op, int64_t low, int64_t high)
{
	struct tensor *in = op->in[0], *out = op->out;
	struct factor f = quantize_multiplier((double)in->scale[0] / (double)out->scale[0]);
	size_t i;

	for (i = 0; i < out->count; i++)
		out->q[i] = clamp((int64_t)multiply((int32_t)(in->q[i] - in->zero_point[0]),
						    f.multiplier, f.shift) + out->zero_point[0],
				  low, high);
}

static void relu(struct op *op, int64_t activation)
{
	int64_t low, high;

	activation_range(op->out, activation, &low, &high);
	rescale(op, low, high);
}

static void quantize(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out;
	size_t i;

	if (in->type != FLOAT32) {
		rescale(op, lowest(out->type), highest(out->type));
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
	struct tensor *in = op->in[0], *out = op->out;
	size_t i;

	for (i = 0; i < out->count; i++)
		out->f[i] = (float)((double)in->scale[0] * (double)(in->q[i] - in->zero_point[0]));
}

static int32_t shift_left_saturating(int32_t x, int n)
{
	return (int32_t)clamp((int64_t)x * (1ll << n), INT32_MIN, INT32_MAX);
}

/* exp(a), a <= 0 in Q5.26; result in Q0.31 */
static int32_t exp_on_negative_values(int32_t a)
{
	static const int32_t barrel[] = { 1672461947, 1302514674, 790015084, 290630308, 39332535,
					  720401, 242 };
	int32_t quarter = 1 << 24, reduced, x, x2, x3, x4, sum, result, remainder;
	int i;

	if (!a)
		return INT32_MAX;
	reduced = (a & (quarter - 1)) - quarter;
	/* Taylor expansion around -1/8 */
	x = shift_left_saturating(reduced, 5) + (1 << 28);
	x2 = rounding_doubling_high_mul(x, x);
	x3 = rounding_doubling_high_mul(x2, x);
	x4 = rounding_doubling_high_mul(x2, x2);
	sum = rounding_doubling_high_mul(rounding_divide_by_pot(x4, 2) + x3, 715827883) + x2;
	sum = rounding_divide_by_pot(sum, 1);
	result = 1895147668 + rounding_doubling_high_mul(1895147668, x + sum);
	remainder = (int32_t)((int64_t)reduced - a);
	for (i = 0; i < 7; i++)
		if (remainder & 1 << (24 + i))
			result = rounding_doubling_high_mul(result, barrel[i]);
	return result;
}

/* 1 / (1 + a), a in Q0.31 */
static int32_t one_over_one_plus(int32_t a)
{
	int64_t half_sum = ((int64_t)a + INT32_MAX + 1) / 2;
	int32_t half = (int32_t)half_sum, x;
	int i;

	x = 1515870810 + rounding_doubling_high_mul(half, -1010580540);
	for (i = 0; i < 3; i++) {
		int32_t error = (1 << 29) - rounding_doubling_high_mul(half, x);

		x += shift_left_saturating(rounding_doubling_high_mul(x, error), 2);
	}
	return shift_left_saturating(x, 1);
}

static void softmax(struct op *op)
{
	struct tensor *in = op->in[0], *out = op->out;
	size_t at = op->options ? field(op->options, 0) : 0;
	double real = (double)(at ? get_float(at) : 0) * (double)in->scale[0] * (1 << 26);
	struct factor f = quantize_multiplier(real < INT32_MAX ? real : INT32_MAX);
	int64_t diff_min = -(int64_t)floor(31.0 * (1 << 26) / (double)(1ll << f.shift));
	size_t depth = (size_t)in->dim[in->rank - 1], row, i;

	for (row = 0; row < in->count; row += depth) {
		int64_t max = lowest(in->type);
		int32_t sum = 0, scale;
		int zeros;

		for (i = 0; i < depth; i++)
			if (in->q[row + i] > max)
				max = in->q[row + i];
		for (i = 0; i < depth; i++) {
			int64_t diff = in->q[row + i] - max;

			if (diff >= diff_min)
				sum += rounding_divide_by_pot(exp_on_negative_values(
					multiply((int32_t)diff, f.multiplier, f.shift)), 12);
		}
		zeros = __builtin_clz((uint32_t)sum);
		scale = one_over_one_plus(wrap((int64_t)(((uint32_t)sum << zeros) - (1u << 31))));
		for (i = 0; i < depth; i++) {
			int64_t diff = in->q[row + i] - max;
			int32_t e;

			out->q[row + i] = lowest(out->type);
			if (diff < diff_min)
				continue;
			e = exp_on_negative_values(multiply((int32_t)diff, f.multiplier, f.shift));
			e = rounding_doubling_high_mul(scale, e);
			out->q[row + i] = clamp((int64_t)rounding_divide_by_pot(e, 12 - zeros + 31 - 8) +
						lowest(out->type), lowest(out->type),
						highest(out->type));
		}
	}
}

static void mean(struct op *op)
{
	struct tensor *in = op->in[0], *axes = op->in[1], *out = op->out;
	struct factor f = quantize_multiplier((double)in->scale[0] / (double)out->scale[0]);
	bool reduced[8] = { false };
	int64_t count = 1, shift;
	size_t i, index, rest, step;
	int d;

	for (i = 0; i < axes->count; i++)
		reduced[axes->q[i] < 0 ? axes->q[i] + in->rank : axes->q[i]] = true;
	for (d = 0; d < in->rank; d++)
		if (reduced[d])
			count *= in->dim[d];
	shift = 63 - __builtin_clzll((unsigned long long)count);
	if (shift > 32)
		shift = 32;
	if (shift > 31 + f.shift)
		shift = 31 + f.shift;
	f.multiplier = (int32_t)(((int64_t)f.multiplier << shift) / count);
	f.shift -= (int)shift;
	for (i = 0; i < out->count; i++)
		out->q[i] = 0;
	for (i = 0; i < in->count; i++) {
		for (d = in->rank - 1, rest = i, index = 0, step = 1; d >= 0; d--) {
			size_t position = rest % (size_t)in->dim[d];

			rest /= (size_t)in->dim[d];
			if (reduced[d])
				continue;
			index += position * step;
			step *= (size_t)in->dim[d];
		}
		out->q[index] += in->q[i];
	}
	for (i = 0; i < out->count; i++)
		out->q[i] = clamp((int64_t)multiply(wrap(out->q[i] - in->zero_point[0] * count),
						    f.multiplier, f.shift) + out->zero_point[0],
				  lowest(out->type), highest(out->type));
}

static void pad(struct op *op)
{
	struct tensor *in = op->in[0], *pads = op->in[1], *out = op->out;
	size_t i, rest, index, step;
	bool inside;
	int d;

	for (i = 0; i < out->count; i++) {
		inside = true;
		for (d = out->rank - 1, rest = i, index = 0, step = 1; d >= 0; d--) {
			int64_t at = (int64_t)(rest % (size_t)out->dim[d]) - pads->q[2 * d];

			rest /= (size_t)out->dim[d];
			inside &= at >= 0 && at < in->dim[d];
			index += (size_t)at * step;
			step *= (size_t)in->dim[d];
		}
		out->q[i] = inside ? in->q[index] : out->zero_point[0];
	}
}

static void reshape(struct op *op)
{
	memcpy(op->out->q, op->in[0]->q, op->out->count * sizeof(int64_t));
	memcpy(op->out->f, op->in[0]->f, op->out->count * sizeof(float));
}

static void run_op(int64_t code, struct op *op)
{
	switch (code) {
	case 0:
		return add(op);
	case 1:
		return pool(op, false);
	case 3:
		return conv(op, false);
	case 4:
		return conv(op, true);
	case 6:
		return dequantize(op);
	case 9:
		return fully_connected(op);
	case 17:
		return pool(op, true);
	case 18:
		return mul(op);
	case 19:
		return relu(op, 1);
	case 21:
		return relu(op, 3);
	case 22:
		return reshape(op);
	case 25:
		return softmax(op);
	case 34:
		return pad(op);
	case 40:
		return mean(op);
	case 114:
		return quantize(op);
	}
	die("operator %lld is not supported", (long long)code);
}

/* ---- The graph ---- */

static struct tensor *tensors;
static size_t ntensors;

static struct tensor *named(size_t vector, size_t i)
{
	int64_t index = i < length(vector) ? get(vector + 4 + 4 * i, 4) : -1;

	if (index >= (int64_t)ntensors)
		die("the graph names tensor %lld", (long long)index);
	return index < 0 ? NULL : &tensors[index];
}

static void run_graph(size_t codes, size_t operators)
{
	size_t i, n;

	for (i = 0; i < length(operators); i++) {
		size_t table = table_in(operators, i);
		size_t code = table_in(codes, (size_t)number(table, 0, 4, 0));
		int64_t old = number(code, 0, 1, 0), new = number(code, 3, 4, 0);
		struct op op = { .options = child(table, 4) };

		for (n = 0; n < 4; n++)
			op.in[n] = named(child(table, 1), n);
		op.out = named(child(table, 2), 0);
		if (!op.in[0] || !op.out)
			die("operator %zu has no input or output", i);
		run_op(new > old ? new : old, &op);
	}
}

int main(int argc, char **argv)
{
	size_t root, graph, buffers, inputs, outputs, size, at = 0, i;
	uint8_t *images;

	if (argc != 3)
		die("usage: npu-reference MODEL INPUTS > OUTPUTS");
	file = load(argv[1], &file_size);
	root = get_u32(0);
	buffers = child(root, 4);
	graph = table_in(child(root, 2), 0);
	ntensors = length(child(graph, 0));
	tensors = allocate(ntensors, sizeof(*tensors));
	for (i = 0; i < ntensors; i++)
		read_tensor(&tensors[i], table_in(child(graph, 0), i), buffers);
	inputs = child(graph, 1);
	outputs = child(graph, 2);

	images = load(argv[2], &size);
	while (at < size) {
		for (i = 0; i < length(inputs); i++) {
			struct tensor *t = named(inputs, i);
			size_t bytes = t->count * (size_t)width(t->type);

			if (bytes > size - at)
				die("%s does not hold whole runs", argv[2]);
			from_bytes(t, images + at);
			at += bytes;
		}
		run_graph(child(root, 1), child(graph, 3));
		for (i = 0; i < length(outputs); i++)
			to_stdout(named(outputs, i));
	}
	for (i = 0; i < ntensors; i++) {
		free(tensors[i].scale);
		free(tensors[i].zero_point);
		free(tensors[i].q);
		free(tensors[i].f);
	}
	free(tensors);
	free(images);
	free((void *)file);
	return fflush(stdout) ? 1 : 0;
}

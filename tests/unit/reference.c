// SPDX-License-Identifier: MIT
#include "reference.h"

typedef __int128 wide;

static int64_t wrap32(int64_t x)
{
	x &= 0xffffffff;
	return x >= 0x80000000ll ? x - 0x100000000ll : x;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
	return x < low ? low : x > high ? high : x;
}

/* x / 2^n to nearest, ties away from zero. */
static int64_t divide_pow2(int64_t x, int64_t n)
{
	wide half = n ? (wide)1 << (n - 1) : 0;
	wide one = (wide)1 << n;

	return (int64_t)(x >= 0 ? (x + half) / one : -((-(wide)x + half) / one));
}

/* a * b / 2^31 to nearest, ties up, saturated. */
static int64_t multiply_high(int64_t a, int64_t b)
{
	wide p = (wide)a * b + ((wide)a * b >= 0 ? 1 << 30 : 1 - (1 << 30));

	return clamp((int64_t)(p / ((wide)1 << 31)), -0x80000000ll, 0x7fffffff);
}

int64_t ref_rq32(int64_t x, int64_t multiplier, int64_t shift)
{
	x = wrap32((int64_t)((wide)x * (1ll << (shift > 0 ? shift : 0)) & 0xffffffff));
	return divide_pow2(multiply_high(x, multiplier), shift < 0 ? -shift : 0);
}

/* Once rounded, towards plus infinity at a tie, by 16 bits of the multiplier. */
static int64_t rq64(int64_t x, int64_t multiplier, int64_t shift)
{
	wide m = multiplier >= 0x7fff0000 ? 0x7fff : (multiplier + (1 << 15)) >> 16;
	wide unit = (wide)1 << (15 - shift);
	wide product = (wide)(int64_t)(uint64_t)(x * m) + unit / 2;

	return wrap32((int64_t)(product >= 0 ? product / unit : -((unit - 1 - product) / unit)));
}

uint64_t ref_elements(const struct ref_tensor *t)
{
	uint64_t n = 1;
	uint32_t i;

	for (i = 0; i < t->rank; i++)
		n *= t->dim[i];
	return n;
}

static int64_t at4(const struct ref_tensor *t, int64_t a, int64_t b, int64_t c, int64_t d)
{
	return t->v[((a * t->dim[1] + b) * t->dim[2] + c) * t->dim[3] + d];
}

static int64_t finish(int64_t acc, uint32_t channel, int64_t zero_point,
		      const struct ref_quant *q)
{
	uint32_t i = q->count == 1 ? 0 : channel;

	acc = (int64_t)((uint64_t)acc + (uint64_t)(q->bias ? q->bias[channel] : 0));
	if (q->wide)
		return clamp(rq64(acc, q->multiplier[i], q->shift[i]) + zero_point, q->min,
			     q->max);
	acc = wrap32(acc);
	if (q->scaled)
		acc = ref_rq32(acc, q->multiplier[i], q->shift[i]) + zero_point;
	return clamp(acc, q->min, q->max);
}

void ref_conv(const struct ref_tensor *in, const struct ref_tensor *w,
	      struct ref_tensor *out, const struct ref_window *win, uint32_t groups,
	      const struct ref_quant *q)
{
	int64_t per_group_in = in->dim[3] / groups, per_group_out = out->dim[3] / groups;
	int64_t n, y, x, o, ky, kx, i, iy, ix, acc;
	int64_t *result = out->v;

	for (n = 0; n < out->dim[0]; n++)
	for (y = 0; y < out->dim[1]; y++)
	for (x = 0; x < out->dim[2]; x++)
	for (o = 0; o < out->dim[3]; o++) {
		acc = 0;
		for (ky = 0; ky < win->size[0]; ky++)
		for (kx = 0; kx < win->size[1]; kx++) {
			iy = y * win->stride[0] - win->pad[0] + ky * win->dilation[0];
			ix = x * win->stride[1] - win->pad[1] + kx * win->dilation[1];
			if (iy < 0 || ix < 0 || iy >= in->dim[1] || ix >= in->dim[2])
				continue;
			for (i = 0; i < per_group_in; i++)
				acc += (at4(in, n, iy, ix, o / per_group_out * per_group_in + i) -
					in->zero_point) *
				       (at4(w, o, ky, kx, i) - q->weight_zero_point);
		}
		*result++ = finish(acc, (uint32_t)o, out->zero_point, q);
	}
}

void ref_depthwise(const struct ref_tensor *in, const struct ref_tensor *w,
		   struct ref_tensor *out, const struct ref_window *win,
		   const struct ref_quant *q)
{
	int64_t times = out->dim[3] / in->dim[3];
	int64_t n, y, x, o, ky, kx, iy, ix, acc;
	int64_t *result = out->v;

	for (n = 0; n < out->dim[0]; n++)
	for (y = 0; y < out->dim[1]; y++)
	for (x = 0; x < out->dim[2]; x++)
	for (o = 0; o < out->dim[3]; o++) {
		acc = 0;
		for (ky = 0; ky < win->size[0]; ky++)
		for (kx = 0; kx < win->size[1]; kx++) {
			iy = y * win->stride[0] - win->pad[0] + ky * win->dilation[0];
			ix = x * win->stride[1] - win->pad[1] + kx * win->dilation[1];
			if (iy < 0 || ix < 0 || iy >= in->dim[1] || ix >= in->dim[2])
				continue;
			acc += (at4(in, n, iy, ix, o / times) - in->zero_point) *
			       (at4(w, 0, ky, kx, o) - q->weight_zero_point);
		}
		*result++ = finish(acc, (uint32_t)o, out->zero_point, q);
	}
}

void ref_matmul(const struct ref_tensor *a, const struct ref_tensor *b,
		struct ref_tensor *out, const struct ref_quant *q)
{
	int64_t rows = out->dim[out->rank - 2], cols = out->dim[out->rank - 1];
	int64_t terms = a->dim[a->rank - 1];
	int64_t outer = (int64_t)ref_elements(out) / rows / cols;
	int64_t n, r, c, k, acc;

	for (n = 0; n < outer; n++)
	for (r = 0; r < rows; r++)
	for (c = 0; c < cols; c++) {
		acc = 0;
		for (k = 0; k < terms; k++)
			acc += (a->v[(n * rows + r) * terms + k] - a->zero_point) *
			       (b->v[(n * cols + c) * terms + k] - q->weight_zero_point);
		out->v[(n * rows + r) * cols + c] =
			finish(acc, (uint32_t)c, out->zero_point, q);
	}
}

void ref_pool(const struct ref_tensor *in, struct ref_tensor *out,
	      const struct ref_window *win, bool average, bool is_unsigned, int64_t min,
	      int64_t max)
{
	int64_t n, y, x, c, ky, kx, iy, ix, sum, count, most;
	int64_t *result = out->v;

	for (n = 0; n < out->dim[0]; n++)
	for (y = 0; y < out->dim[1]; y++)
	for (x = 0; x < out->dim[2]; x++)
	for (c = 0; c < out->dim[3]; c++) {
		sum = 0;
		count = 0;
		most = INT64_MIN;
		for (ky = 0; ky < win->size[0]; ky++)
		for (kx = 0; kx < win->size[1]; kx++) {
			iy = y * win->stride[0] - win->pad[0] + ky;
			ix = x * win->stride[1] - win->pad[1] + kx;
			if (iy < 0 || ix < 0 || iy >= in->dim[1] || ix >= in->dim[2])
				continue;
			sum += at4(in, n, iy, ix, c);
			if (at4(in, n, iy, ix, c) > most)
				most = at4(in, n, iy, ix, c);
			count++;
		}
		if (average && (is_unsigned || sum > 0))
			most = (sum + count / 2) / count;
		else if (average)
			most = (sum - count / 2) / count;
		*result++ = clamp(most, min, max);
	}
}

/* Which output gets input @i. */
static uint64_t reduced_place(const struct ref_tensor *in, uint32_t axes, uint64_t i)
{
	uint64_t place = 0, pitch = 1;
	uint32_t d;

	for (d = in->rank; d-- > 0;) {
		if (!(axes >> d & 1)) {
			place += i % in->dim[d] * pitch;
			pitch *= in->dim[d];
		}
		i /= in->dim[d];
	}
	return place;
}

void ref_mean(const struct ref_tensor *in, struct ref_tensor *out, uint32_t axes,
	      int32_t multiplier, int32_t shift, int64_t min, int64_t max)
{
	uint64_t i;

	for (i = 0; i < ref_elements(out); i++)
		out->v[i] = 0;
	for (i = 0; i < ref_elements(in); i++)
		out->v[reduced_place(in, axes, i)] += in->v[i] - in->zero_point;
	for (i = 0; i < ref_elements(out); i++)
		out->v[i] = clamp(ref_rq32(wrap32(out->v[i]), multiplier, shift) +
				  out->zero_point, min, max);
}

void ref_max(const struct ref_tensor *in, struct ref_tensor *out, uint32_t axes, int64_t min,
	     int64_t max)
{
	int64_t *to;
	uint64_t i;

	for (i = 0; i < ref_elements(out); i++)
		out->v[i] = INT64_MIN;
	for (i = 0; i < ref_elements(in); i++) {
		to = &out->v[reduced_place(in, axes, i)];
		*to = in->v[i] > *to ? in->v[i] : *to;
	}
	for (i = 0; i < ref_elements(out); i++)
		out->v[i] = clamp(out->v[i], min, max);
}

void ref_arg_max(const struct ref_tensor *in, struct ref_tensor *out, uint32_t axes)
{
	uint64_t i, k, pitch = 1, first, n = 0;
	int64_t best;
	uint32_t d;

	for (d = in->rank; d-- > 0 && !(axes >> d & 1);)
		pitch *= in->dim[d];
	n = in->dim[d];
	for (i = 0; i < ref_elements(out); i++) {
		first = i / pitch * pitch * n + i % pitch;
		best = INT64_MIN;
		for (k = 0; k < n; k++) {
			if (in->v[first + k * pitch] <= best)
				continue;
			best = in->v[first + k * pitch];
			out->v[i] = (int64_t)k;
		}
	}
}

/* ---- Softmax: fixed-point numbers as published for gemmlowp ------------------------ */

/* Round x * 2^n with saturation to 32 bits; n may be negative. */
static int64_t scale_pow2(int64_t x, int64_t n)
{
	if (n < 0)
		return divide_pow2(x, -n);
	return clamp(x * (1ll << n), -0x80000000ll, 0x7fffffff);
}

/* exp(x / 2^26) * 2^31, x <= 0 */
static int64_t fixed_exp(int64_t x)
{
	static const int64_t factor[7] = {
		1672461947,	/* exp(-1/4) */
		1302514674,	/* exp(-1/2) */
		790015084,	/* exp(-1) */
		290630308,	/* exp(-2) */
		39332535,	/* exp(-4) */
		720401,		/* exp(-8) */
		242,		/* exp(-16) */
	};
	int64_t quarter = 1 << 24;
	int64_t part, steps, a, a2, a3, a4, series, result;
	int i;

	if (!x)
		return 0x7fffffff;
	/* x = part - steps * quarter, part in [-quarter, 0) */
	steps = -x / quarter;
	part = x + steps * quarter;
	if (!part) {
		part = -quarter;
		steps--;
	}
	a = scale_pow2(part, 5) + (1 << 28);
	a2 = multiply_high(a, a);
	a3 = multiply_high(a2, a);
	a4 = multiply_high(a2, a2);
	series = multiply_high(divide_pow2(a4, 2) + a3, 715827883) + a2;
	series = a + divide_pow2(series, 1);
	result = 1895147668 + multiply_high(1895147668, series);
	for (i = 0; i < 7; i++)
		if (steps >> i & 1)
			result = multiply_high(result, factor[i]);
	return result;
}

/* 2^31 / (1 + x / 2^31) for 0 <= x < 2^31 */
static int64_t fixed_reciprocal(int64_t x)
{
	int64_t half = (x + 0x7fffffff + 1) / 2;
	int64_t y = 1515870810 + multiply_high(half, -1010580540);
	int i;

	for (i = 0; i < 3; i++)
		y += scale_pow2(multiply_high(y, (1 << 29) - multiply_high(half, y)), 2);
	return scale_pow2(y, 1);
}

void ref_softmax(const struct ref_tensor *in, struct ref_tensor *out, int32_t multiplier,
		 int32_t shift, int32_t diff_min)
{
	uint64_t depth = in->rank ? in->dim[in->rank - 1] : 1;
	uint64_t rows = ref_elements(in) / depth;
	int64_t max, sum, diff, bits, scale, y;
	const int64_t *x;
	uint64_t r, i;

	for (r = 0; r < rows; r++) {
		x = in->v + r * depth;
		max = x[0];
		for (i = 1; i < depth; i++)
			max = x[i] > max ? x[i] : max;
		sum = 0;
		for (i = 0; i < depth; i++) {
			diff = x[i] - max;
			if (diff >= diff_min)
				sum += divide_pow2(fixed_exp(multiply_high(
					wrap32(diff * (1ll << shift)), multiplier)), 12);
		}
		sum = clamp(sum, 1, 0x7fffffff);
		/* sum = 2^(31 - bits) * (1 + fraction) */
		for (bits = 0; !(sum << bits & 0x80000000ll); bits++)
			;
		scale = fixed_reciprocal((sum << bits) - 0x80000000ll);
		for (i = 0; i < depth; i++) {
			diff = x[i] - max;
			y = 0;
			if (diff >= diff_min)
				y = divide_pow2(multiply_high(scale, fixed_exp(multiply_high(
					wrap32(diff * (1ll << shift)), multiplier))),
					12 - bits + 31 - 8);
			out->v[r * depth + i] = clamp(y, 0, 255) + out->zero_point;
		}
	}
}

void ref_pad(const struct ref_tensor *in, struct ref_tensor *out, const uint32_t *before,
	     int64_t value)
{
	uint64_t i, rest, place, pitch, at;
	bool inside;
	uint32_t d;

	for (i = 0; i < ref_elements(out); i++) {
		rest = i;
		place = 0;
		pitch = 1;
		inside = true;
		for (d = out->rank; d-- > 0;) {
			at = rest % out->dim[d];
			rest /= out->dim[d];
			if (at < before[d] || at >= before[d] + in->dim[d])
				inside = false;
			place += (at - before[d]) * pitch;
			pitch *= in->dim[d];
		}
		out->v[i] = inside ? in->v[place] : value;
	}
}

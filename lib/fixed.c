// SPDX-License-Identifier: MIT
/*
 * Fixed-point arithmetic at compile time, for tables: numerics.rst has the definitions.
 * Numbers Qn.m have n integer bits, m = 31 - n fractional ones and a sign.
 */
#include "ops.h"

static int32_t saturate(int64_t x)
{
	return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int32_t)x;
}

/* HM(): saturates for a = b = -2^31 only */
int32_t fixed_mul(int32_t a, int32_t b)
{
	int64_t product = (int64_t)a * b;

	return saturate((product + (product >= 0 ? 1 << 30 : 1 - (1 << 30))) / (1ll << 31));
}

/* RS() */
int32_t fixed_shift_right(int32_t x, unsigned int n)
{
	int64_t half = n ? 1ll << (n - 1) : 0;

	return x >= 0 ? (int32_t)((x + half) >> n) : (int32_t)-((-(int64_t)x + half) >> n);
}

/* SL() */
int32_t fixed_shift_left(int32_t x, unsigned int n)
{
	return saturate((int64_t)x * (1ll << n));
}

/* RQ32() */
int32_t fixed_scale(int32_t x, const struct npu_scale *scale)
{
	int32_t shift = (int32_t)scale->shift;
	uint32_t left = shift > 0 ? (uint32_t)x << shift : (uint32_t)x;

	return fixed_shift_right(fixed_mul((int32_t)left, (int32_t)scale->multiplier),
				 shift < 0 ? (unsigned int)-shift : 0);
}

/* EXP() of a <= 0 in Q(@bits); Q0.31 */
static int32_t fixed_exp(int32_t a, unsigned int bits)
{
	static const int32_t factor[] = {
		1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242,
	};
	unsigned int frac = 31 - bits, i;
	int32_t quarter = 1 << (frac - 2);
	int32_t part = (a & (quarter - 1)) - quarter, rest = part - a, x, x2, x3, x4, t, y;

	if (!a)
		return INT32_MAX;
	x = fixed_shift_left(part, bits) + (1 << 28);
	x2 = fixed_mul(x, x);
	x3 = fixed_mul(x2, x);
	x4 = fixed_mul(x2, x2);
	t = fixed_shift_right(fixed_mul(fixed_shift_right(x4, 2) + x3, 715827883) + x2, 1);
	y = 1895147668 + fixed_mul(1895147668, x + t);
	for (i = 0; i < bits + 2; i++)
		if (rest >> (frac - 2 + i) & 1)
			y = fixed_mul(y, factor[i]);
	return y;
}

/* 1 / ((1 + a) / 2), about, for 0 <= a < 1 in Q0.31; Q2.29 */
static int32_t fixed_reciprocal(int32_t a)
{
	int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
	int32_t x = 1515870810 + fixed_mul(half, -1010580540);
	unsigned int i;

	for (i = 0; i < 3; i++)
		x += fixed_shift_left(fixed_mul(x, (1 << 29) - fixed_mul(half, x)), 2);
	return x;
}

/* 1 / (1 + exp(-a)) of a Q4.27 number; Q0.31 */
int32_t fixed_logistic(int32_t a)
{
	int32_t y;

	if (!a)
		return 1 << 30;
	y = fixed_shift_left(fixed_reciprocal(fixed_exp(a < 0 ? a : -a, 4)), 1);
	return a > 0 ? y : INT32_MAX - y;
}

/* tanh(a) of a Q4.27 number; Q0.31 */
int32_t fixed_tanh(int32_t a)
{
	int32_t y;

	if (!a)
		return 0;
	/* exp(2a): the same number with one integer bit more. */
	y = fixed_reciprocal(fixed_exp(a < 0 ? a : -a, 5));
	y = fixed_shift_left(y - (1 << 29), 2);
	return a < 0 ? -y : y;
}

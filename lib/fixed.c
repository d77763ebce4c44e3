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

/*
 * The reference's table of 65536 / (1 + exp(-i / 24)). It is not rounded to nearest
 * everywhere, so that these are numbers and no formula.
 */
static const uint16_t sigmoid_table[256] = {
	32768, 33451, 34133, 34813, 35493, 36169, 36843, 37513, 38180, 38841, 39498, 40149,
	40794, 41432, 42064, 42688, 43304, 43912, 44511, 45102, 45683, 46255, 46817, 47369,
	47911, 48443, 48964, 49475, 49975, 50464, 50942, 51409, 51865, 52311, 52745, 53169,
	53581, 53983, 54374, 54755, 55125, 55485, 55834, 56174, 56503, 56823, 57133, 57433,
	57724, 58007, 58280, 58544, 58800, 59048, 59288, 59519, 59743, 59959, 60168, 60370,
	60565, 60753, 60935, 61110, 61279, 61441, 61599, 61750, 61896, 62036, 62172, 62302,
	62428, 62549, 62666, 62778, 62886, 62990, 63090, 63186, 63279, 63368, 63454, 63536,
	63615, 63691, 63765, 63835, 63903, 63968, 64030, 64090, 64148, 64204, 64257, 64308,
	64357, 64405, 64450, 64494, 64536, 64576, 64614, 64652, 64687, 64721, 64754, 64786,
	64816, 64845, 64873, 64900, 64926, 64950, 64974, 64997, 65019, 65039, 65060, 65079,
	65097, 65115, 65132, 65149, 65164, 65179, 65194, 65208, 65221, 65234, 65246, 65258,
	65269, 65280, 65291, 65301, 65310, 65319, 65328, 65337, 65345, 65352, 65360, 65367,
	65374, 65381, 65387, 65393, 65399, 65404, 65410, 65415, 65420, 65425, 65429, 65433,
	65438, 65442, 65445, 65449, 65453, 65456, 65459, 65462, 65465, 65468, 65471, 65474,
	65476, 65479, 65481, 65483, 65485, 65488, 65489, 65491, 65493, 65495, 65497, 65498,
	65500, 65501, 65503, 65504, 65505, 65507, 65508, 65509, 65510, 65511, 65512, 65513,
	65514, 65515, 65516, 65517, 65517, 65518, 65519, 65520, 65520, 65521, 65522, 65522,
	65523, 65523, 65524, 65524, 65525, 65525, 65526, 65526, 65526, 65527, 65527, 65528,
	65528, 65528, 65529, 65529, 65529, 65529, 65530, 65530, 65530, 65530, 65531, 65531,
	65531, 65531, 65531, 65532, 65532, 65532, 65532, 65532, 65532, 65533, 65533, 65533,
	65533, 65533, 65533, 65533, 65533, 65534, 65534, 65534, 65534, 65534, 65534, 65534,
	65534, 65534, 65534, 65535,
};

/* Between two entries: @x counts in 2^-@bits of a 24th; the result has @bits more bits. */
static uint32_t sigmoid_between(uint32_t x, unsigned int bits)
{
	uint32_t i = x >> bits, part = x & ((1u << bits) - 1), a, b;

	a = sigmoid_table[i];
	b = sigmoid_table[i + 1];
	return (a << bits) + part * (b - a);
}

/* SIGMOID16(), @d in units of 1 / (3 * 2^12) */
int16_t fixed_logistic16(int64_t d)
{
	int64_t size = d < 0 ? -d : d;
	uint32_t r;

	r = size >> 9 >= 255 ? 0x7fffu << 10 : sigmoid_between((uint32_t)size, 9);
	r = d >= 0 ? r + (1 << 9) : (1u << 25) - r + (1 << 9) - 1;
	return (int16_t)(r >> 10);
}

/* TANH16(), @d as above */
int16_t fixed_tanh16(int64_t d)
{
	int64_t size = d < 0 ? -d : d;
	int32_t r;

	r = (int32_t)(size >> 8 >= 255 ? 0xffffu << 8 : sigmoid_between((uint32_t)size, 8));
	r = d >= 0 ? r - (1 << 23) + (1 << 7) : -r + (1 << 23) + (1 << 7) - 1;
	return (int16_t)(r >> 8);
}

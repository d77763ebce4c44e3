/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The inner loops of the device, behind one table of functions: everything
 * that touches one element after another. They see contiguous arrays only,
 * neither tensors nor memory management, so that a faster set can replace
 * them without a change to the commands. Every set gives the same bits.
 */
#ifndef _NPU_KERNELS_H_
#define _NPU_KERNELS_H_

#include "npu_port.h"
#include "npu_regs.h"
#include "drm/npu_isa.h"

/**
 * struct npu_factor - decoded struct npu_scale
 * @multiplier: signed
 * @shift: signed, -31 to 31
 */
struct npu_factor {
	s32 multiplier;
	s32 shift;
};

/**
 * struct npu_limits - last step of every quantised result
 * @zero_point: added
 * @min: then the least result
 * @max: then the largest result
 */
struct npu_limits {
	s32 zero_point;
	s32 min;
	s32 max;
};

#define NPU_LANES	48		/* results in each column of a patch; a multiple of 16 */
#define NPU_GROUP	16		/* of them are packed at a time */
#define NPU_PATCH_TERMS	1024		/* that a patch holds at most */
#define NPU_PATCH_ALIGN	4		/* pieces of a patch begin at multiples of so many terms */
#define NPU_COLUMNS	1024		/* output channels of one tile; a multiple of 16 */

/**
 * struct npu_patch - inputs of some results, as a set of kernels wants them
 * @type: of the inputs
 * @zero_point: of the inputs
 * @lanes: results whose inputs it has, up to NPU_LANES
 * @terms: of each, a multiple of NPU_PATCH_ALIGN; what no piece has filled is multiplied
 *         with weights of 0
 * @offset: what is still to be taken from each input, set by pack
 * @room: for the kernels
 * @data: the inputs; how is a matter of the set
 */
struct npu_patch {
	u32 type;
	s32 zero_point;
	u32 lanes;
	u32 terms;
	s32 offset;
	u64 room[NPU_PATCH_TERMS * 2];
	u64 data[NPU_LANES / 2 * NPU_PATCH_TERMS] __aligned(64);
};

/**
 * struct npu_scaling - how accumulators become results
 * @factor: of the first column
 * @step: 1: each column has one of its own, 0: all have the same
 * @limits: of the results
 * @small: accumulators are less than 2^30, and more than -2^30
 */
struct npu_scaling {
	const struct npu_factor *factor;
	u32 step;
	const struct npu_limits *limits;
	bool small;
};

/**
 * enum npu_way - how a set scales accumulators
 * @NPU_WAY_SMALL: small ones by usual factors
 * @NPU_WAY_ANY: any by nearly any factor
 * @NPU_WAY_PORTABLE: as the portable set
 */
enum npu_way {
	NPU_WAY_SMALL,
	NPU_WAY_ANY,
	NPU_WAY_PORTABLE,
};

#define NPU_TAPS	64		/* of a depthwise convolution that kernels make */

/**
 * struct npu_channels - a depthwise convolution of bytes, as a set of kernels wants it
 * @type: of the inputs
 * @zero_point: of the inputs
 * @weight_type: of the weights
 * @weight_zero_point: of the weights
 * @taps: weights of each result, up to NPU_TAPS, a multiple of 4; some may be the zero point
 * @shared: groups of four are columns of a window of three, and what is a tap's input in one
 *          is that of the same tap in the column before for the next pixel
 * @channels: results of each pixel
 * @period: channels, up to NPU_COLUMNS; they are repeated until they are a multiple of 64 if
 *          there is room
 * @single: all channels are made of one input
 * @step: bytes of the inputs to the next pixel
 * @limits: of the results
 * @small: as in struct npu_scaling
 * @way: enum npu_way, set by the kernels
 * @data: weights and factors; how is a matter of the set
 */
struct npu_channels {
	u32 type;
	s32 zero_point;
	u32 weight_type;
	s32 weight_zero_point;
	u32 taps;
	bool shared;
	u32 channels;
	u32 period;
	bool single;
	u32 step;
	struct npu_limits limits;
	bool small;
	u32 way;
	u8 data[(NPU_TAPS * 2 + 64) * NPU_COLUMNS] __aligned(64);
};

/**
 * struct npu_channels_plain - the data of struct npu_channels, as the portable set has it
 * @w: weights, less their zero point
 * @bias: of each channel
 * @factor: of each channel
 */
struct npu_channels_plain {
	s16 w[NPU_TAPS][NPU_COLUMNS];
	s32 bias[NPU_COLUMNS];
	struct npu_factor factor[NPU_COLUMNS];
};

static_assert(sizeof(struct npu_channels_plain) <= sizeof(((struct npu_channels *)NULL)->data),
	      "channels fit");

/**
 * struct npu_taps - where the inputs for each weight of some neighbouring pixels are
 * @from: that for the first pixel, the first channel
 * @first: the first pixel for which it is not padding
 * @end: the first pixel after it for which it is
 */
struct npu_taps {
	const u8 *from[NPU_TAPS];
	u32 first[NPU_TAPS];
	u32 end[NPU_TAPS];
};

/**
 * struct npu_kernels - a set of inner loops
 * @name: how users call it; members after it may be NULL before npu_kernels_fill()
 * @widen: dst[i] = src[i] - zero_point, wrapping, from elements of a type of
 *         at most 32 bits
 * @narrow: elements of a type of at most 32 bits from values in its range
 * @pack: puts @n terms of the patch's type into up to NPU_GROUP lanes from @lane on, at place
 *        @at; @row has a pointer for each lane
 * @sums: sum[c] = sum of @n weights, of 8 bits, of column c; columns are @pitch bytes apart
 * @mac: acc[c * NPU_LANES + l] += start[c] + sum of lane l times column c of as many weights;
 *       if @fresh, = instead of +=; wraps
 * @store: dst[l * pitch + c] = limited RQ32 of acc[c * NPU_LANES + l], as elements of a type;
 *         factors and accumulators after the last, up to 15 columns, may be read
 * @channels: fills data from weights, a row of @period for each tap, biases and factors, of which
 *            63 after the last may be read
 * @depthwise: all results of some pixels that lie @pitch bytes apart
 * @mac_channel: acc[i] += x[i] * (w[i] - zero_point); wraps
 * @mac_wide: acc[c] += sum of x[i] - @zero_point times column c; in 64 bits
 * @mac_channel_wide: acc[i] += x[i] * (w[i] - zero_point), in 64 bits
 * @sum: acc[i] += x[i]; wraps
 * @total: sum of x[i]; wraps
 * @maximum: acc[i] = max(acc[i], x[i])
 * @requant: dst[i] = limited RQ32 of acc[i] with factor[i * step]
 * @requant_wide: the same with RQ64
 * @eltwise: dst[i] = a[i] op b[i] after the shift and the scales of their operands; not for
 *           MIN and MAX
 * @pick: dst[i] = min or max of a[i] and b[i]
 * @lut: dst[i] = table[src[i] ^ flip]
 */
struct npu_kernels {
	const char *name;
	void (*widen)(s32 *dst, const void *src, u32 type, s32 zero_point, u32 n);
	void (*narrow)(void *dst, const s32 *src, u32 type, u32 n);
	void (*pack)(struct npu_patch *patch, u32 lane, u32 lanes, u32 at,
		     const void *const *row, u32 n);
	void (*sums)(u32 *sum, const void *w, u32 type, s64 pitch, u32 columns, u32 n);
	void (*mac)(u32 *acc, struct npu_patch *patch, const void *w, u32 type, s64 pitch,
		    u32 columns, const u32 *start, bool fresh);
	void (*store)(void *dst, s64 pitch, u32 type, const u32 *acc,
		      const struct npu_scaling *scaling, u32 lanes, u32 columns);
	void (*channels)(struct npu_channels *channels, const u8 *w, const s32 *bias,
			 const struct npu_factor *factor);
	void (*depthwise)(u8 *dst, s64 pitch, const struct npu_channels *channels,
			  const struct npu_taps *taps, u32 pixels);
	void (*mac_channel)(u32 *acc, const s32 *x, const void *w, u32 type,
			    s32 zero_point, u32 n);
	void (*mac_wide)(u64 *acc, const s16 *x, s32 zero_point, const void *w, u32 type,
			 s64 pitch, u32 columns, u32 n);
	void (*mac_channel_wide)(u64 *acc, const s32 *x, const void *w, u32 type,
				 s32 zero_point, u32 n);
	void (*sum)(u32 *acc, const s32 *x, u32 n);
	u32 (*total)(const s32 *x, u32 n);
	void (*maximum)(s32 *acc, const s32 *x, u32 n);
	void (*requant)(s32 *dst, const u32 *acc, const struct npu_factor *factor,
			u32 step, const struct npu_limits *limits, u32 n);
	void (*requant_wide)(s32 *dst, const u64 *acc, const struct npu_factor *factor,
			     u32 step, const struct npu_limits *limits, u32 n);
	void (*eltwise)(s32 *dst, const s32 *a, const s32 *b, u32 op, u32 left_shift,
			const struct npu_factor factor[3],
			const struct npu_limits *limits, u32 n);
	void (*pick)(s32 *dst, const s32 *a, const s32 *b, u32 op,
		     const struct npu_limits *limits, u32 n);
	void (*lut)(u8 *dst, const u8 *src, const u8 *table, u8 flip, u32 n);
};

extern const struct npu_kernels npu_kernels_portable;
extern const struct npu_kernels npu_kernels_avx2;
extern const struct npu_kernels npu_kernels_avx512;
extern const struct npu_kernels npu_kernels_neon;

void npu_kernels_fill(struct npu_kernels *to, const struct npu_kernels *from);
const struct npu_kernels *npu_kernels_find(const char *name);

/**
 * npu_high_mul() - rounding doubling high half of a product
 * @a: factor
 * @b: factor
 *
 * Return: a * b / 2^31 to nearest, as gemmlowp does; both least: saturates.
 */
static inline s32 npu_high_mul(s32 a, s32 b)
{
	s64 ab = (s64)a * b;

	if (a == NPU_S32_MIN && b == NPU_S32_MIN)
		return NPU_S32_MAX;
	return (s32)((ab + (1ll << 30)) >> 31);
}

/**
 * npu_shift_right() - division by a power of two
 * @x: dividend
 * @n: exponent, 0 to 62
 *
 * Return: x / 2^n to nearest, ties away from zero.
 */
static inline s64 npu_shift_right(s64 x, u32 n)
{
	s64 mask = (s64)((1ull << n) - 1);
	s64 rest = x & mask;

	return (x >> n) + (rest > (mask >> 1) + (x < 0));
}

/**
 * npu_rq32() - RQ32 of numerics.rst
 * @x: accumulator
 * @f: factor
 */
static inline s32 npu_rq32(s32 x, struct npu_factor f)
{
	u32 left = f.shift > 0 ? (u32)f.shift : 0;
	u32 right = f.shift < 0 ? (u32)-f.shift : 0;

	x = (s32)((u32)x << left);
	return (s32)npu_shift_right(npu_high_mul(x, f.multiplier), right);
}

/**
 * npu_rq64() - RQ64 of numerics.rst
 * @x: accumulator
 * @f: factor, whose shift is at most NPU_ROUND_WIDE_SHIFT
 */
static inline s32 npu_rq64(s64 x, struct npu_factor f)
{
	s32 m = f.multiplier < 0x7fff0000 ? (f.multiplier + (1 << 15)) >> 16 : 0x7fff;
	u32 right = (u32)(15 - f.shift);
	u64 product = (u64)x * (u64)(s64)m + (1ull << (right - 1));

	return (s32)(u32)(u64)((s64)product >> right);
}

/* Add the zero point in 64 bits, so that nothing wraps, and clamp. */
static inline s32 npu_limit(s32 x, const struct npu_limits *l)
{
	s64 y = (s64)x + l->zero_point;

	return (s32)clamp_t(s64, y, l->min, l->max);
}

#endif /* _NPU_KERNELS_H_ */

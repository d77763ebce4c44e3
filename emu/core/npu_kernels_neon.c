// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Inner loops for 64-bit Arm processors with the dot product instructions.
 */
#include "npu_kernels.h"

/**
 * DOC: Inner loops for NEON
 *
 * A patch has four terms of each lane in a doubleword, and those of all lanes side by side, so
 * that SDOT multiplies four lanes with four weights, which stay in one register for 16 terms.
 * Patches of few lanes have fewer vectors: 1, 4, 8 or 12. Unsigned inputs are made signed by less
 * 128, which is a part of the patch's offset; unsigned weights, too, and the sum of each lane makes
 * up for it.
 *
 * SQRDMULH is the rounding doubling high half of numerics.rst to the bit, and SRSHL rounds to
 * nearest but for ties of what is negative, from which one is taken first.
 *
 * Programs only: kernels do not let these registers be used so simply.
 */

#ifdef NPU_ARM64

#include <arm_neon.h>

#ifdef __clang__
#define NPU_SIMD	static NPU_TARGET("dotprod")
#else
#define NPU_SIMD	static NPU_TARGET("arch=armv8.2-a+dotprod")
#endif
#define NPU_INLINE	NPU_SIMD inline __attribute__((__always_inline__))

/* Compilers have a name for it only if all of the file may use it. */
#define NPU_SDOT(acc, x, w, q)						\
	__asm__("sdot %0.4s, %1.16b, %2.4b[" #q "]" : "+w"(acc) : "w"(x), "w"(w))

/* Vectors that a column of the patch has. */
static u32 npu_vectors(const struct npu_patch *p)
{
	u32 n = (p->lanes + 3) / 4;

	return n <= 1 ? 1 : (n + 3) / 4 * 4;
}

/* Up to 16 bytes, the others are zero. */
NPU_INLINE int8x16_t npu_load(const u8 *from, u32 n)
{
	u8 some[16] = { 0 };

	if (n >= 16)
		return vreinterpretq_s8_u8(vld1q_u8(from));
	memcpy(some, from, n);
	return vreinterpretq_s8_u8(vld1q_u8(some));
}

/* Up to 16 bytes in fours. Without a call, which would want the registers of accumulators. */
NPU_INLINE int8x16_t npu_load_fours(const u8 *from, u32 n)
{
	int32x4_t v = vdupq_n_s32(0);
	s32 some[3] = { 0 };

	if (n >= 16)
		return vreinterpretq_s8_u8(vld1q_u8(from));
	memcpy(&some[0], from, 4);
	if (n > 4)
		memcpy(&some[1], from + 4, 4);
	if (n > 8)
		memcpy(&some[2], from + 8, 4);
	v = vsetq_lane_s32(some[0], v, 0);
	v = vsetq_lane_s32(some[1], v, 1);
	return vreinterpretq_s8_s32(vsetq_lane_s32(some[2], v, 2));
}

/* Rows of four doublewords become columns. */
NPU_INLINE void npu_transpose(int32x4_t *r)
{
	int32x4_t t[4];

	t[0] = vzip1q_s32(r[0], r[2]);
	t[1] = vzip2q_s32(r[0], r[2]);
	t[2] = vzip1q_s32(r[1], r[3]);
	t[3] = vzip2q_s32(r[1], r[3]);
	r[0] = vzip1q_s32(t[0], t[2]);
	r[1] = vzip2q_s32(t[0], t[2]);
	r[2] = vzip1q_s32(t[1], t[3]);
	r[3] = vzip2q_s32(t[1], t[3]);
}

/* ---- Patches ------------------------------------------------------------------------- */

/* Up to 16 terms of four lanes. */
NPU_INLINE void npu_pack_four(u8 *to, u32 pitch, const u8 *const *row, u32 at, u32 n,
			      int8x16_t flip)
{
	int32x4_t r[4];
	u32 l;

#pragma GCC unroll 4
	for (l = 0; l < 4; l++)
		r[l] = vreinterpretq_s32_s8(veorq_s8(npu_load(row[l] + at, n), flip));
	npu_transpose(r);
#pragma GCC unroll 4
	for (l = 0; l < 4; l++)
		if (4 * l < n)
			vst1q_u8(to + l * pitch, vreinterpretq_u8_s32(r[l]));
}

NPU_SIMD void npu_pack(struct npu_patch *p, u32 lane, u32 lanes, u32 at, const void *const *row,
		       u32 n)
{
	bool is_signed = p->type == NPU_TYPE_S8;
	int8x16_t flip = vdupq_n_s8(is_signed ? 0 : -128);
	u32 pitch = npu_vectors(p) * 16, i, l, k;
	const u8 *from[4];
	u8 *to;

	if (p->type == NPU_TYPE_S16) {
		npu_kernels_portable.pack(p, lane, lanes, at, row, n);
		return;
	}
	p->offset = p->zero_point - (is_signed ? 0 : 128);
	for (l = 0; l < lanes; l += 4) {
		for (k = 0; k < 4; k++)
			from[k] = row[min_t(u32, l + k, lanes - 1)];
		to = (u8 *)p->data + at / 4 * pitch + (lane + l) * 4;
		for (i = 0; i < n; i += 16, to += 4 * pitch)
			npu_pack_four(to, pitch, from, i, min_t(u32, n - i, 16), flip);
	}
}

/* ---- Multiply and accumulate ---------------------------------------------------------- */

/* Of four terms, the q-th of those whose weights are loaded: a constant. */
NPU_INLINE int32x4_t npu_dot4(int32x4_t acc, int8x16_t x, int8x16_t w, u32 q)
{
	switch (q) {
	case 0:
		NPU_SDOT(acc, x, w, 0);
		break;
	case 1:
		NPU_SDOT(acc, x, w, 1);
		break;
	case 2:
		NPU_SDOT(acc, x, w, 2);
		break;
	default:
		NPU_SDOT(acc, x, w, 3);
		break;
	}
	return acc;
}

/* Some columns: the numbers are constants, so that accumulators are registers. */
NPU_INLINE void npu_mac_block(u32 *acc, const struct npu_patch *p, const u8 *w, s64 pitch,
			      const u32 *start, bool fresh, int8x16_t flip, u32 vectors,
			      u32 columns)
{
	const s8 *in = (const s8 *)p->data;
	int32x4_t a[4][NPU_LANES / 4];
	int8x16_t b[4], x;
	u32 i, c, v, q, left;

#pragma GCC unroll 4
	for (c = 0; c < columns; c++)
#pragma GCC unroll 12
		for (v = 0; v < vectors; v++)
			a[c][v] = vdupq_n_s32((s32)start[c]);
	for (i = 0; i < p->terms; i += 16, in += 64 * vectors) {
		left = p->terms - i;
#pragma GCC unroll 4
		for (c = 0; c < columns; c++)
			b[c] = veorq_s8(npu_load_fours(w + (s64)c * pitch + i, left), flip);
#pragma GCC unroll 4
		for (q = 0; q < 4; q++) {
			if (4 * q >= left)
				continue;
#pragma GCC unroll 12
			for (v = 0; v < vectors; v++) {
				x = vld1q_s8(in + (q * vectors + v) * 16);
#pragma GCC unroll 4
				for (c = 0; c < columns; c++)
					a[c][v] = npu_dot4(a[c][v], x, b[c], q);
			}
		}
	}
#pragma GCC unroll 4
	for (c = 0; c < columns; c++, acc += NPU_LANES)
#pragma GCC unroll 12
		for (v = 0; v < vectors; v++) {
			if (!fresh)
				a[c][v] = vaddq_s32(a[c][v], vld1q_s32((s32 *)acc + 4 * v));
			vst1q_s32((s32 *)acc + 4 * v, a[c][v]);
		}
}

#define NPU_MAC(name, vectors, block)							\
NPU_SIMD void name(u32 *acc, const struct npu_patch *p, const u8 *w, s64 pitch,		\
		   u32 columns, const u32 *start, bool fresh, int8x16_t flip)		\
{											\
	for (; columns >= (block); columns -= (block)) {				\
		npu_mac_block(acc, p, w, pitch, start, fresh, flip, vectors, block);	\
		acc += (block) * NPU_LANES;						\
		w += (block) * pitch;							\
		start += (block);							\
	}										\
	for (; columns; columns--, acc += NPU_LANES, w += pitch, start++)		\
		npu_mac_block(acc, p, w, pitch, start, fresh, flip, vectors, 1);	\
}

NPU_MAC(npu_mac_1, 1, 4)
NPU_MAC(npu_mac_4, 4, 4)
NPU_MAC(npu_mac_8, 8, 3)
NPU_MAC(npu_mac_12, 12, 2)

/* Weights have been multiplied as if they were 128 less. */
NPU_SIMD void npu_mac_lanes(u32 *acc, const struct npu_patch *p, u32 columns)
{
	u32 vectors = npu_vectors(p), v, c, i;
	const s8 *in = (const s8 *)p->data;
	int8x16_t ones = vdupq_n_s8(1);
	int32x4_t sum;
	s32 *to;

	for (v = 0; v < vectors; v++) {
		sum = vdupq_n_s32(0);
		for (i = 0; i < p->terms / 4; i++)
			sum = npu_dot4(sum, vld1q_s8(in + (i * vectors + v) * 16), ones, 0);
		sum = vshlq_n_s32(sum, 7);
		for (c = 0; c < columns; c++) {
			to = (s32 *)acc + c * NPU_LANES + 4 * v;
			vst1q_s32(to, vaddq_s32(vld1q_s32(to), sum));
		}
	}
}

NPU_SIMD void npu_mac(u32 *acc, struct npu_patch *p, const void *w, u32 type, s64 pitch,
		      u32 columns, const u32 *start, bool fresh)
{
	static void (*const mac[4])(u32 *acc, const struct npu_patch *p, const u8 *w, s64 pitch,
				    u32 columns, const u32 *start, bool fresh,
				    int8x16_t flip) = {
		npu_mac_1, npu_mac_4, npu_mac_8, npu_mac_12,
	};
	int8x16_t flip = vdupq_n_s8(type == NPU_TYPE_U8 ? -128 : 0);

	if (p->type == NPU_TYPE_S16) {
		npu_kernels_portable.mac(acc, p, w, type, pitch, columns, start, fresh);
		return;
	}
	mac[npu_vectors(p) / 4](acc, p, w, pitch, columns, start, fresh, flip);
	if (type == NPU_TYPE_U8)
		npu_mac_lanes(acc, p, columns);
}

NPU_SIMD u32 npu_sum_column(const u8 *w, bool is_signed, u32 n)
{
	uint32x4_t sum = vdupq_n_u32(0);
	int32x4_t some;
	u32 i;

	for (i = 0; i < n; i += 16) {
		if (is_signed) {
			some = vpaddlq_s16(vpaddlq_s8(npu_load(w + i, n - i)));
			sum = vaddq_u32(sum, vreinterpretq_u32_s32(some));
		} else {
			sum = vpadalq_u16(sum, vpaddlq_u8(vreinterpretq_u8_s8(npu_load(w + i,
										       n - i))));
		}
	}
	return vaddvq_u32(sum);
}

NPU_SIMD void npu_sums(u32 *sum, const void *w, u32 type, s64 pitch, u32 columns, u32 n)
{
	const u8 *column = w;
	u32 c;

	for (c = 0; c < columns; c++, column += pitch)
		sum[c] = npu_sum_column(column, type == NPU_TYPE_S8, n);
}

/* ---- Requantisation --------------------------------------------------------------------- */

/* RQ32 and limits. */
NPU_INLINE int32x4_t npu_scale(int32x4_t x, int32x4_t multiplier, int32x4_t shift,
			       const struct npu_limits *l)
{
	int32x4_t nil = vdupq_n_s32(0), right = vminq_s32(shift, nil);

	x = vqrdmulhq_s32(vshlq_s32(x, vmaxq_s32(shift, nil)), multiplier);
	x = vqaddq_s32(x, vshrq_n_s32(vandq_s32(x, right), 31));
	x = vqaddq_s32(vrshlq_s32(x, right), vdupq_n_s32(l->zero_point));
	return vminq_s32(vmaxq_s32(x, vdupq_n_s32(l->min)), vdupq_n_s32(l->max));
}

/* Up to four results of a lane. */
NPU_INLINE void npu_store_lane(u8 *dst, u32 type, int32x4_t x, u32 n)
{
	int16x4_t half = vmovn_s32(x);
	u8 bytes[8];

	if (type == NPU_TYPE_S16) {
		vst1_u8(bytes, vreinterpret_u8_s16(half));
		memcpy(dst, bytes, n * sizeof(s16));
	} else {
		vst1_u8(bytes, vreinterpret_u8_s8(vmovn_s16(vcombine_s16(half, half))));
		memcpy(dst, bytes, n);
	}
}

/* Four columns of four lanes. */
NPU_INLINE void npu_store_four(u8 *dst, s64 pitch, u32 type, const u32 *acc,
			       const struct npu_scaling *scaling, u32 c, u32 lanes, u32 columns)
{
	const struct npu_factor *f = scaling->factor + c * scaling->step;
	int32x4_t r[4];
	u32 i;

#pragma GCC unroll 4
	for (i = 0; i < 4; i++, f += scaling->step)
		r[i] = npu_scale(vld1q_s32((const s32 *)acc + i * NPU_LANES),
				 vdupq_n_s32(f->multiplier), vdupq_n_s32(f->shift),
				 scaling->limits);
	npu_transpose(r);
#pragma GCC unroll 4
	for (i = 0; i < 4; i++)
		if (i < lanes)
			npu_store_lane(dst + (s64)i * pitch, type, r[i], columns);
}

NPU_SIMD void npu_store(void *dst, s64 pitch, u32 type, const u32 *acc,
			const struct npu_scaling *scaling, u32 lanes, u32 columns)
{
	u32 esize = type == NPU_TYPE_S16 ? 2 : 1, c, l;
	u8 *to = dst;

	for (c = 0; c < columns; c += 4)
		for (l = 0; l < lanes; l += 4)
			npu_store_four(to + (s64)l * pitch + c * esize, pitch, type,
				       acc + c * NPU_LANES + l, scaling, c,
				       min_t(u32, lanes - l, 4), min_t(u32, columns - c, 4));
}

/* ---- Depthwise --------------------------------------------------------------------------- */

/* Inputs of up to eight channels, less their zero point. */
NPU_INLINE int16x8_t npu_channels_load(const struct npu_channels *ch, const u8 *x, u32 n)
{
	int16x8_t zero = vdupq_n_s16((s16)ch->zero_point), wide;
	u8 some[8] = { 0 };
	uint8x8_t v;

	if (ch->single) {
		v = vdup_n_u8(*x);
	} else if (n == 8) {
		v = vld1_u8(x);
	} else {
		memcpy(some, x, n);
		v = vld1_u8(some);
	}
	wide = ch->type == NPU_TYPE_S8 ? vmovl_s8(vreinterpret_s8_u8(v)) :
					 vreinterpretq_s16_u16(vmovl_u8(v));
	return vsubq_s16(wide, zero);
}

/* Up to eight channels of a pixel. */
NPU_INLINE void npu_depthwise_eight(u8 *dst, const struct npu_channels *ch,
				    const struct npu_taps *taps, u32 pixel, u32 channel, u32 n)
{
	const struct npu_channels_plain *plain = (const void *)ch->data;
	const u8 *from;
	int32x4_t low, high;
	int32x4x2_t f;
	int16x8_t x, w;
	u8 bytes[8];
	u32 t;

	low = vld1q_s32(&plain->bias[channel]);
	high = vld1q_s32(&plain->bias[channel + 4]);
	for (t = 0; t < ch->taps; t++) {
		if (pixel < taps->first[t] || pixel >= taps->end[t])
			continue;
		from = taps->from[t] + (u64)ch->step * pixel + (ch->single ? 0 : channel);
		x = npu_channels_load(ch, from, n);
		w = vld1q_s16(&plain->w[t][channel]);
		low = vmlal_s16(low, vget_low_s16(x), vget_low_s16(w));
		high = vmlal_high_s16(high, x, w);
	}
	f = vld2q_s32(&plain->factor[channel].multiplier);
	low = npu_scale(low, f.val[0], f.val[1], &ch->limits);
	f = vld2q_s32(&plain->factor[channel + 4].multiplier);
	high = npu_scale(high, f.val[0], f.val[1], &ch->limits);
	x = vcombine_s16(vmovn_s32(low), vmovn_s32(high));
	vst1_u8(bytes, vreinterpret_u8_s8(vmovn_s16(x)));
	memcpy(dst, bytes, n);
}

NPU_SIMD void npu_depthwise(u8 *dst, s64 pitch, const struct npu_channels *ch,
			    const struct npu_taps *taps, u32 pixels)
{
	u32 p, c;

	for (p = 0; p < pixels; p++, dst += pitch)
		for (c = 0; c < ch->channels; c += 8)
			npu_depthwise_eight(dst + c, ch, taps, p, c,
					    min_t(u32, ch->channels - c, 8));
}

/* Channels are made by the portable set. */
const struct npu_kernels npu_kernels_neon = {
	.name		= "neon",
	.pack		= npu_pack,
	.sums		= npu_sums,
	.mac		= npu_mac,
	.store		= npu_store,
	.depthwise	= npu_depthwise,
};

#endif /* NPU_ARM64 */

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Inner loops for x86 with AVX-512 and VNNI. Whatever is not here is the portable set's.
 */
#include "npu_kernels.h"

/**
 * DOC: How eight bits are multiplied
 *
 * vpdpbusd multiplies unsigned bytes by signed ones and adds up groups of four; it never
 * saturates (vpdpbusds would). Inputs are its unsigned factors: signed ones get 128 added, by
 * flipping their top bit. With z the zero point after that,
 *
 *     sum (x - z) * w = sum x * w - z * sum w
 *
 * modulo 2^32, so that the kernel multiplies what is in memory, and the sum of each column of
 * weights is a correction. Unsigned weights have their top bit flipped, too, which takes 128
 * from each: 128 * sum (x - z) of the lane is added.
 *
 * A vector holds four neighbouring terms of 16 lanes, so weights, four bytes of a column each,
 * are broadcast from where they are: they need no packing. Very few lanes are multiplied the
 * other way, 64 neighbouring terms of one lane at a time.
 */

#ifdef NPU_X86

#define _MM_MALLOC_H_INCLUDED	/* gcc's and clang's: the kernel has no malloc() */
#define __MM_MALLOC_H
#include <immintrin.h>

#define NPU_SIMD	static NPU_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#define NPU_APART	NPU_SIMD noinline	/* the compiler hoists too much */
#define NPU_INLINE	NPU_SIMD __always_inline

#define NPU_FEW		2	/* lanes that lie in rows instead of groups */
#define NPU_BLOCK	8	/* columns of the innermost loop */
#define NPU_SHIFT_ANY	20	/* greatest shifts to the right, see npu_columns() */
#define NPU_SHIFT_SMALL	30

typedef s32 __attribute__((__may_alias__)) __aligned(1) s32_any;
typedef s64 __attribute__((__may_alias__)) __aligned(1) s64_any;

/* ---- Patches ----------------------------------------------------------------------- */

NPU_INLINE bool npu_few(const struct npu_patch *p)
{
	return p->lanes <= NPU_FEW;
}

NPU_INLINE u32 npu_vectors(const struct npu_patch *p)
{
	return (p->lanes + NPU_GROUP - 1) / NPU_GROUP;
}

/* What turns bytes of a type into signed ones, and signed ones into those with 128 added. */
NPU_INLINE __m512i npu_flip(bool yes)
{
	return _mm512_set1_epi8(yes ? (char)0x80 : 0);
}

NPU_INLINE __mmask64 npu_first(u32 n)
{
	return n >= 64 ? ~0ull : (1ull << n) - 1;
}

/*
 * Up to 16 bytes of 16 lanes, in groups of four: each quarter of a vector is loaded from a lane,
 * and four doublewords of four lanes become columns.
 */
NPU_INLINE void npu_pack_quarter(u8 *to, u32 pitch, const u8 *const *row, u32 at, u32 n,
				 __m512i flip)
{
	__mmask16 mask = (__mmask16)npu_first(n);
	__m512i r[4], t[4];
	u32 i, l;
	__m128i x;

#pragma GCC unroll 4
	for (i = 0; i < 4; i++)
#pragma GCC unroll 4
		for (l = 0; l < 4; l++) {
			x = n < 16 ? _mm_maskz_loadu_epi8(mask, row[4 * l + i] + at) :
				     _mm_loadu_si128((const void *)(row[4 * l + i] + at));
			r[i] = l ? _mm512_mask_broadcast_i32x4(r[i], (__mmask16)(0xf << 4 * l), x) :
				   _mm512_castsi128_si512(x);
		}
	t[0] = _mm512_unpacklo_epi32(r[0], r[1]);
	t[1] = _mm512_unpackhi_epi32(r[0], r[1]);
	t[2] = _mm512_unpacklo_epi32(r[2], r[3]);
	t[3] = _mm512_unpackhi_epi32(r[2], r[3]);
	r[0] = _mm512_unpacklo_epi64(t[0], t[2]);
	r[1] = _mm512_unpackhi_epi64(t[0], t[2]);
	r[2] = _mm512_unpacklo_epi64(t[1], t[3]);
	r[3] = _mm512_unpackhi_epi64(t[1], t[3]);
#pragma GCC unroll 4
	for (i = 0; i < 4; i++)
		if (4 * i < n)
			_mm512_storeu_si512(to + i * pitch, _mm512_xor_si512(r[i], flip));
}

NPU_SIMD void npu_pack_few(struct npu_patch *p, u32 lane, u32 lanes, u32 at,
			   const void *const *row, u32 n)
{
	__m512i flip = npu_flip(p->type == NPU_TYPE_U8);
	u8 *to = (u8 *)p->data + lane * NPU_PATCH_TERMS + at;
	__mmask64 mask;
	__m512i x;
	u32 l, i;

	for (l = 0; l < lanes; l++, to += NPU_PATCH_TERMS) {
		for (i = 0; i < n; i += 64) {
			mask = npu_first(n - i);
			x = _mm512_maskz_loadu_epi8(mask, (const u8 *)row[l] + i);
			_mm512_mask_storeu_epi8(to + i, npu_first((n - i + 3) & ~3u),
						_mm512_xor_si512(flip, x));
		}
	}
}

/* Too many pointers for registers: they stay where they are. */
NPU_APART void npu_pack_group(u8 *to, u32 pitch, const u8 *const *row, u32 n, __m512i flip)
{
	u32 i;

	for (i = 0; i + 16 <= n; i += 16, to += 4 * pitch)
		npu_pack_quarter(to, pitch, row, i, 16, flip);
	if (i < n)
		npu_pack_quarter(to, pitch, row, i, n - i, flip);
}

NPU_SIMD void npu_pack(struct npu_patch *p, u32 lane, u32 lanes, u32 at,
		       const void *const *row, u32 n)
{
	__m512i flip = npu_flip(p->type == NPU_TYPE_S8);
	u32 pitch = npu_vectors(p) * 64;
	const u8 *from[NPU_GROUP];
	u32 l;
	u8 *to;

	if (p->type == NPU_TYPE_S16) {
		npu_kernels_portable.pack(p, lane, lanes, at, row, n);
		return;
	}
	p->offset = 0;
	if (npu_few(p)) {
		npu_pack_few(p, lane, lanes, at, row, n);
		_mm256_zeroupper();
		return;
	}
	p->offset = p->zero_point + (p->type == NPU_TYPE_S8 ? 128 : 0);
	to = (u8 *)p->data + at / 4 * pitch + lane * 4;
	if (lanes == NPU_GROUP) {
		npu_pack_group(to, pitch, (const u8 *const *)row, n, flip);
	} else {
		for (l = 0; l < NPU_GROUP; l++)
			from[l] = row[l < lanes ? l : 0];
		npu_pack_group(to, pitch, from, n, flip);
	}
	_mm256_zeroupper();
}

/* ---- Multiply and accumulate ---------------------------------------------------------- */

/* The compiler's own idea of this instruction keeps accumulators in memory. */
NPU_INLINE __m512i npu_dot4(__m512i acc, __m512i x, __m512i w)
{
	__asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
	return acc;
}

NPU_INLINE __m512i npu_broadcast4(const u8 *w)
{
	__m512i v;

	__asm__("vpbroadcastd %1, %0" : "=v"(v) : "m"(*(const s32_any *)w));
	return v;
}

/*
 * A block of columns, from @start on if @fresh, added to what there is if not. Loops have constant
 * ends, with which all compilers unroll them.
 */
NPU_INLINE void npu_mac_block(u32 *acc, const struct npu_patch *p, u32 vectors, const u8 *w,
			      s64 pitch, u32 columns, bool flip, const u32 *start, bool fresh)
{
	const u8 *x = (const u8 *)p->data;
	__m512i a[NPU_BLOCK][NPU_LANES / 16], in[NPU_LANES / 16], b;
	u32 c, v, i, *to;

#pragma GCC unroll 8
	for (c = 0; c < NPU_BLOCK; c++) {
		if (c >= columns)
			continue;
		b = _mm512_set1_epi32((s32)start[c]);
#pragma GCC unroll 3
		for (v = 0; v < NPU_LANES / 16; v++)
			a[c][v] = b;
	}
	for (i = p->terms / 4; i; i--, w += 4, x += vectors * 64) {
#pragma GCC unroll 3
		for (v = 0; v < NPU_LANES / 16; v++)
			if (v < vectors)
				in[v] = _mm512_loadu_si512(x + v * 64);
#pragma GCC unroll 8
		for (c = 0; c < NPU_BLOCK; c++) {
			if (c >= columns)
				continue;
			b = npu_broadcast4(w + (s64)c * pitch);
			if (flip)
				b = _mm512_xor_si512(b, npu_flip(true));
#pragma GCC unroll 3
			for (v = 0; v < NPU_LANES / 16; v++)
				if (v < vectors)
					a[c][v] = npu_dot4(a[c][v], in[v], b);
		}
	}
#pragma GCC unroll 8
	for (c = 0; c < NPU_BLOCK; c++) {
#pragma GCC unroll 3
		for (v = 0; v < NPU_LANES / 16; v++) {
			if (c >= columns || v >= vectors)
				continue;
			to = acc + c * NPU_LANES + v * 16;
			if (!fresh)
				a[c][v] = _mm512_add_epi32(a[c][v], _mm512_loadu_si512(to));
			_mm512_storeu_si512(to, a[c][v]);
		}
	}
}

/* All columns; a frame of its own for each shape, so that accumulators are registers. */
#define NPU_MAC(name, vectors, flip)							\
NPU_SIMD void name(u32 *acc, const struct npu_patch *p, const u8 *w, s64 pitch,	\
			  u32 columns, const u32 *start, bool fresh)			\
{											\
	for (; columns >= NPU_BLOCK; columns -= NPU_BLOCK) {				\
		npu_mac_block(acc, p, vectors, w, pitch, NPU_BLOCK, flip, start, fresh);	\
		acc += NPU_BLOCK * NPU_LANES;						\
		w += NPU_BLOCK * pitch;							\
		start += NPU_BLOCK;							\
	}										\
	for (; columns; columns--) {							\
		npu_mac_block(acc, p, vectors, w, pitch, 1, flip, start, fresh);	\
		acc += NPU_LANES;							\
		w += pitch;								\
		start++;								\
	}										\
}

NPU_MAC(npu_mac_s8_1, 1, false)
NPU_MAC(npu_mac_s8_2, 2, false)
NPU_MAC(npu_mac_s8_3, 3, false)
NPU_MAC(npu_mac_u8_1, 1, true)
NPU_MAC(npu_mac_u8_2, 2, true)
NPU_MAC(npu_mac_u8_3, 3, true)

/* What is to be added to all columns of a lane in a row, see npu_mac_few(). */
NPU_INLINE u32 npu_few_constant(const struct npu_patch *p, const u8 *x, s32 zero)
{
	__m512i sum = _mm512_setzero_si512();
	u32 i;

	for (i = 0; i < p->terms; i += 64)
		sum = npu_dot4(sum, _mm512_set1_epi8(1),
			       _mm512_maskz_loadu_epi8(npu_first(p->terms - i), x + i));
	return (u32)zero * 128 * p->terms - (u32)_mm512_reduce_add_epi32(sum) * 128;
}

/*
 * Lanes in rows: 64 terms of a column at a time. Memory is what limits it, so that sums of
 * weights are made on the way, and weights are the unsigned factors, inputs the signed ones:
 *
 *     sum (x - z) * w = sum x * (w + 128) - z * sum (w + 128) - 128 * sum x + 128 * z * terms
 */
NPU_SIMD void npu_mac_few(u32 *acc, const struct npu_patch *p, const u8 *w, u32 type,
			  s64 pitch, u32 columns, const u32 *start, bool fresh)
{
	s32 zero = p->zero_point - (p->type == NPU_TYPE_U8 ? 128 : 0);
	__m512i flip = npu_flip(type == NPU_TYPE_S8), ones = _mm512_set1_epi8(1);
	const u8 *x = (const u8 *)p->data;
	u32 c, i, l, add, constant[NPU_FEW] = { 0 };
	__m512i sum[NPU_FEW], all, v;
	__mmask64 mask;

	for (l = 0; l < p->lanes && type == NPU_TYPE_S8; l++)
		constant[l] = npu_few_constant(p, x + l * NPU_PATCH_TERMS, zero);
	for (c = 0; c < columns; c++, w += pitch, acc += NPU_LANES) {
		all = _mm512_setzero_si512();
#pragma GCC unroll 2
		for (l = 0; l < NPU_FEW; l++)
			sum[l] = all;
		for (i = 0; i < p->terms; i += 64) {
			mask = npu_first(p->terms - i);
			v = _mm512_maskz_loadu_epi8(mask, w + i);
			v = _mm512_maskz_mov_epi8(mask, _mm512_xor_si512(v, flip));
			all = npu_dot4(all, v, ones);
#pragma GCC unroll 2
			for (l = 0; l < NPU_FEW; l++)
				sum[l] = npu_dot4(sum[l], v,
						  _mm512_maskz_loadu_epi8(mask, x + l *
								NPU_PATCH_TERMS + i));
		}
		all = _mm512_mullo_epi32(all, _mm512_set1_epi32(zero));
#pragma GCC unroll 2
		for (l = 0; l < NPU_FEW; l++) {
			if (l >= p->lanes)
				continue;
			add = start[c] + constant[l] +
			      (u32)_mm512_reduce_add_epi32(_mm512_sub_epi32(sum[l], all));
			acc[l] = fresh ? add : acc[l] + add;
		}
	}
}

/* Unsigned weights had 128 taken from them: add 128 * sum x to all columns of each lane. */
NPU_SIMD void npu_mac_lanes(u32 *acc, const struct npu_patch *p, u32 columns)
{
	u32 vectors = npu_vectors(p);
	const u8 *x = (const u8 *)p->data;
	__m512i sum, *to;
	u32 v, i, c;

	for (v = 0; v < vectors; v++) {
		sum = _mm512_setzero_si512();
		for (i = 0; i < p->terms / 4; i++)
			sum = npu_dot4(sum, _mm512_loadu_si512(x + (i * vectors + v) * 64),
				       _mm512_set1_epi8(1));
		sum = _mm512_slli_epi32(sum, 7);
		for (c = 0; c < columns; c++) {
			to = (void *)(acc + c * NPU_LANES + v * 16);
			_mm512_storeu_si512(to, _mm512_add_epi32(_mm512_loadu_si512(to), sum));
		}
	}
}

NPU_SIMD void npu_mac(u32 *acc, struct npu_patch *p, const void *w, u32 type, s64 pitch,
		      u32 columns, const u32 *start, bool fresh)
{
	static void (*const mac[2][3])(u32 *acc, const struct npu_patch *p, const u8 *w, s64 pitch,
				       u32 columns, const u32 *start, bool fresh) = {
		{ npu_mac_s8_1, npu_mac_s8_2, npu_mac_s8_3 },
		{ npu_mac_u8_1, npu_mac_u8_2, npu_mac_u8_3 },
	};

	if (p->type == NPU_TYPE_S16) {
		npu_kernels_portable.mac(acc, p, w, type, pitch, columns, start, fresh);
		return;
	}
	if (npu_few(p)) {
		npu_mac_few(acc, p, w, type, pitch, columns, start, fresh);
		_mm256_zeroupper();
		return;
	}
	mac[type == NPU_TYPE_U8][npu_vectors(p) - 1](acc, p, w, pitch, columns, start, fresh);
	if (type == NPU_TYPE_U8)
		npu_mac_lanes(acc, p, columns);
	_mm256_zeroupper();
}

/* Sums of eight columns at a time. */
NPU_INLINE void npu_sums_block(u32 *sum, const u8 *w, s64 pitch, u32 columns, u32 n, bool is_signed)
{
	__m512i a[NPU_BLOCK], ones = _mm512_set1_epi8(1), v;
	__mmask64 mask;
	u32 i, c;

#pragma GCC unroll 8
	for (c = 0; c < columns; c++)
		a[c] = _mm512_setzero_si512();
	for (i = 0; i < n; i += 64) {
		mask = npu_first(n - i);
#pragma GCC unroll 8
		for (c = 0; c < columns; c++) {
			v = _mm512_maskz_loadu_epi8(mask, w + (s64)c * pitch + i);
			a[c] = is_signed ? npu_dot4(a[c], ones, v) : npu_dot4(a[c], v, ones);
		}
	}
#pragma GCC unroll 8
	for (c = 0; c < columns; c++)
		sum[c] = (u32)_mm512_reduce_add_epi32(a[c]);
}

NPU_SIMD void npu_sums(u32 *sum, const void *w, u32 type, s64 pitch, u32 columns, u32 n)
{
	bool is_signed = type == NPU_TYPE_S8;
	const u8 *from = w;

	for (; columns >= NPU_BLOCK; columns -= NPU_BLOCK) {
		npu_sums_block(sum, from, pitch, NPU_BLOCK, n, is_signed);
		sum += NPU_BLOCK;
		from += NPU_BLOCK * pitch;
	}
	for (; columns; columns--, sum++, from += pitch)
		npu_sums_block(sum, from, pitch, 1, n, is_signed);
	_mm256_zeroupper();
}

/* ---- Requantisation --------------------------------------------------------------------- */

/**
 * DOC: How accumulators are scaled
 *
 * RQ32 of numerics.rst is, with h the rounded high half of the product of x and the multiplier
 * m, and right the shift,
 *
 *     (h + half - (h < 0)) >> right
 *
 * in which half is 1 << right >> 1, and the comparison is left out if right is 0.
 *
 * If x is small, see struct npu_scaling, and m at least 2^30, which all normalised ones are,
 * nothing here can overflow, the sign of x may be that of h (a difference can only be if h is
 * 0), and h is the high half of x * (2 * m - 2^32) + 2^31, plus x. The zero point is added and
 * limits are applied when results have become narrow, with saturation.
 *
 * In general, limits are applied to h already, as the values of h whose results they are: all
 * steps after it are monotonous.
 */

/* Constants of 16 columns. */
struct npu_column {
	s32 multiplier[16];
	s32 odd[16];		/* multipliers of the odd ones, in the even ones */
	u32 left[16];
	u32 right[16];
	u32 sign[16];		/* shift that makes 1 of what is negative; 0: no rounding */
	s32 add[16];
	s32 low[16];
	s32 high[16];
};

/* Multipliers and shifts of 16 columns. */
NPU_INLINE void npu_factors_load(const struct npu_factor *factor, u32 step, __m512i *m,
				 __m512i *shift)
{
	__m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
	__m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
	__m512i f0, f1;

	if (step) {
		f0 = _mm512_loadu_si512(factor);
		f1 = _mm512_loadu_si512(factor + 8);
	} else {
		f0 = _mm512_set1_epi64(*(const s64_any *)factor);
		f1 = f0;
	}
	*m = _mm512_permutex2var_epi32(f0, even, f1);
	*shift = _mm512_permutex2var_epi32(f0, odd, f1);
}

/* @less: what bytes have less than results, see struct npu_bytes */
NPU_APART enum npu_way npu_column_make(struct npu_column *col, __m512i m, __m512i shift,
				       const struct npu_limits *l, s32 less, bool small)
{
	__m512i nil = _mm512_setzero_si512(), one = _mm512_set1_epi32(1);
	__m512i left, right, half, sign, zero = _mm512_set1_epi32(l->zero_point - less);

	left = _mm512_max_epi32(shift, nil);
	right = _mm512_max_epi32(_mm512_sub_epi32(nil, shift), nil);
	half = _mm512_srli_epi32(_mm512_sllv_epi32(one, right), 1);
	_mm512_storeu_si512(col->right, right);
	sign = _mm512_mask_set1_epi32(_mm512_set1_epi32(31), _mm512_cmpeq_epi32_mask(right, nil),
				      32);
	_mm512_storeu_si512(col->sign, sign);
	if (small && !_mm512_cmplt_epi32_mask(m, _mm512_set1_epi32(1 << 30)) &&
	    !_mm512_test_epi32_mask(left, left) &&
	    !_mm512_cmpgt_epi32_mask(right, _mm512_set1_epi32(NPU_SHIFT_SMALL))) {
		m = _mm512_add_epi32(m, m);
		_mm512_storeu_si512(col->multiplier, m);
		_mm512_storeu_si512(col->odd, _mm512_srli_epi64(m, 32));
		_mm512_storeu_si512(col->add, half);
		return NPU_WAY_SMALL;
	}
	_mm512_storeu_si512(col->multiplier, m);
	_mm512_storeu_si512(col->odd, _mm512_srli_epi64(m, 32));
	_mm512_storeu_si512(col->left, left);
	_mm512_storeu_si512(col->add, _mm512_add_epi32(half, _mm512_sllv_epi32(zero, right)));
	_mm512_storeu_si512(col->low, _mm512_sllv_epi32(_mm512_set1_epi32(l->min - l->zero_point),
							right));
	_mm512_storeu_si512(col->high, _mm512_sllv_epi32(_mm512_set1_epi32(l->max - l->zero_point),
							 right));
	return _mm512_cmpgt_epi32_mask(right, _mm512_set1_epi32(NPU_SHIFT_ANY)) ||
	       _mm512_cmpeq_epi32_mask(m, _mm512_set1_epi32(NPU_S32_MIN)) ? NPU_WAY_PORTABLE :
									   NPU_WAY_ANY;
}

/* The constants of one column, in all elements. */
struct npu_constants {
	__m512i multiplier, odd, left, right, sign, add, low, high;
};

NPU_INLINE void npu_column_load(struct npu_constants *k, const struct npu_column *col, u32 c,
				enum npu_way way)
{
	k->multiplier = _mm512_set1_epi32(col->multiplier[c]);
	k->odd = k->multiplier;
	k->right = _mm512_set1_epi32((s32)col->right[c]);
	k->sign = _mm512_set1_epi32((s32)col->sign[c]);
	k->add = _mm512_set1_epi32(col->add[c]);
	if (way == NPU_WAY_SMALL)
		return;
	k->left = _mm512_set1_epi32((s32)col->left[c]);
	k->low = _mm512_set1_epi32(col->low[c]);
	k->high = _mm512_set1_epi32(col->high[c]);
}

/* The constants of 16 columns, each in its element. */
NPU_INLINE void npu_columns_load(struct npu_constants *k, const struct npu_column *col,
				 enum npu_way way)
{
	k->multiplier = _mm512_loadu_si512(col->multiplier);
	k->odd = _mm512_loadu_si512(col->odd);
	k->right = _mm512_loadu_si512(col->right);
	k->sign = _mm512_loadu_si512(col->sign);
	k->add = _mm512_loadu_si512(col->add);
	if (way == NPU_WAY_SMALL)
		return;
	k->left = _mm512_loadu_si512(col->left);
	k->low = _mm512_loadu_si512(col->low);
	k->high = _mm512_loadu_si512(col->high);
}

/* @odd: odd accumulators in the even elements, the others are ignored */
NPU_INLINE __m512i npu_rq_small(__m512i x, __m512i odd, const struct npu_constants *k)
{
	__m512i round = _mm512_set1_epi64(1ll << 31);
	__m512i a, b;

	a = _mm512_add_epi64(_mm512_mul_epi32(x, k->multiplier), round);
	b = _mm512_add_epi64(_mm512_mul_epi32(odd, k->odd), round);
	b = _mm512_mask_shuffle_epi32(b, 0x5555, a, _MM_PERM_DDBB);
	x = _mm512_sub_epi32(_mm512_add_epi32(x, k->add), _mm512_srlv_epi32(x, k->sign));
	return _mm512_srav_epi32(_mm512_add_epi32(b, x), k->right);
}

NPU_INLINE __m512i npu_rq_any(__m512i x, const struct npu_constants *k)
{
	__m512i round = _mm512_set1_epi64(1 << 30);
	__m512i a, b, h;

	x = _mm512_sllv_epi32(x, k->left);
	a = _mm512_add_epi64(_mm512_mul_epi32(x, k->multiplier), round);
	b = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(x, 32), k->odd), round);
	h = _mm512_mask_mov_epi32(_mm512_srli_epi64(a, 31), 0xaaaa, _mm512_add_epi64(b, b));
	h = _mm512_min_epi32(_mm512_max_epi32(h, k->low), k->high);
	h = _mm512_sub_epi32(_mm512_add_epi32(h, k->add), _mm512_srlv_epi32(h, k->sign));
	return _mm512_srav_epi32(h, k->right);
}

/* What is done to signed bytes; unsigned ones have 128 less, and are flipped at the end. */
struct npu_bytes {
	__m512i zero;		/* of 16 bits */
	__m512i min;
	__m512i max;
	__m512i flip;
};

NPU_INLINE struct npu_bytes npu_bytes(const struct npu_limits *l, bool is_signed)
{
	s32 less = is_signed ? 0 : 128;

	return (struct npu_bytes){
		.zero = _mm512_set1_epi16((s16)(l->zero_point - less)),
		.min = _mm512_set1_epi8((s8)(l->min - less)),
		.max = _mm512_set1_epi8((s8)(l->max - less)),
		.flip = npu_flip(!is_signed),
	};
}

/* Four vectors of results as bytes: within quarters, one after the other. */
NPU_INLINE __m512i npu_narrow_four(const __m512i *r, const struct npu_bytes *b, enum npu_way way)
{
	__m512i low = _mm512_packs_epi32(r[0], r[1]), high = _mm512_packs_epi32(r[2], r[3]);
	__m512i q;

	if (way == NPU_WAY_SMALL) {
		low = _mm512_adds_epi16(low, b->zero);
		high = _mm512_adds_epi16(high, b->zero);
	}
	q = _mm512_packs_epi16(low, high);
	if (way == NPU_WAY_SMALL)
		q = _mm512_min_epi8(_mm512_max_epi8(q, b->min), b->max);
	return _mm512_xor_si512(q, b->flip);
}

/* Four columns of 16 lanes: each element gets their four results of one lane. */
NPU_INLINE void npu_store_four(__m512i *q, const struct npu_column *col, u32 c, const u32 *acc,
			       u32 vectors, const struct npu_bytes *b, enum npu_way way)
{
	__m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13,
							     2, 6, 10, 14, 3, 7, 11, 15));
	struct npu_constants k[4];
	const u32 *from;
	__m512i r[4];
	u32 i, v;

#pragma GCC unroll 4
	for (i = 0; i < 4; i++)
		npu_column_load(&k[i], col, c + i, way);
#pragma GCC unroll 3
	for (v = 0; v < vectors; v++) {
#pragma GCC unroll 4
		for (i = 0; i < 4; i++) {
			from = acc + i * NPU_LANES + v * 16;
			r[i] = _mm512_loadu_si512(from);
			r[i] = way == NPU_WAY_SMALL ?
			       npu_rq_small(r[i], _mm512_loadu_si512(from + 1), &k[i]) :
			       npu_rq_any(r[i], &k[i]);
		}
		_mm512_storeu_si512(q + v, _mm512_shuffle_epi8(npu_narrow_four(r, b, way), order));
	}
}

/* 16 columns of 16 lanes become rows: the quarters of row k are those of lanes k, 4 + k, ... */
NPU_INLINE void npu_store_rows(u8 *dst, s64 pitch, const __m512i *q, u32 step, u32 lanes,
			       __mmask16 mask)
{
	__m512i t[4], r[4];
	u32 k;

	t[0] = _mm512_unpacklo_epi32(q[0], q[step]);
	t[1] = _mm512_unpackhi_epi32(q[0], q[step]);
	t[2] = _mm512_unpacklo_epi32(q[2 * step], q[3 * step]);
	t[3] = _mm512_unpackhi_epi32(q[2 * step], q[3 * step]);
	r[0] = _mm512_unpacklo_epi64(t[0], t[2]);
	r[1] = _mm512_unpackhi_epi64(t[0], t[2]);
	r[2] = _mm512_unpacklo_epi64(t[1], t[3]);
	r[3] = _mm512_unpackhi_epi64(t[1], t[3]);
#pragma GCC unroll 4
	for (k = 0; k < 4; k++) {
		if (k < lanes)
			_mm_mask_storeu_epi8(dst + (s64)k * pitch, mask,
					     _mm512_castsi512_si128(r[k]));
		if (4 + k < lanes)
			_mm_mask_storeu_epi8(dst + (s64)(4 + k) * pitch, mask,
					     _mm512_extracti32x4_epi32(r[k], 1));
		if (8 + k < lanes)
			_mm_mask_storeu_epi8(dst + (s64)(8 + k) * pitch, mask,
					     _mm512_extracti32x4_epi32(r[k], 2));
		if (12 + k < lanes)
			_mm_mask_storeu_epi8(dst + (s64)(12 + k) * pitch, mask,
					     _mm512_extracti32x4_epi32(r[k], 3));
	}
}

/* Up to 16 columns of up to 48 lanes. */
NPU_INLINE void npu_store_block(u8 *dst, s64 pitch, const struct npu_column *col, const u32 *acc,
				u32 lanes, u32 vectors, u32 columns, const struct npu_bytes *b,
				enum npu_way way)
{
	__m512i q[4][NPU_LANES / 16];
	u32 i, v;

	for (i = 0; i < 4; i++)
		npu_store_four(q[i], col, 4 * i, acc + 4 * i * NPU_LANES, vectors, b, way);
	for (v = 0; v < vectors; v++)
		npu_store_rows(dst + (s64)(v * 16) * pitch, pitch, &q[0][v], NPU_LANES / 16,
			       lanes - v * 16, (__mmask16)npu_first(columns));
}

#define NPU_STORE(name, vectors, way)							\
NPU_APART void name(u8 *dst, s64 pitch, const struct npu_column *col,		\
			   const u32 *acc, u32 lanes, u32 columns, struct npu_bytes b)	\
{											\
	npu_store_block(dst, pitch, col, acc, lanes, vectors, columns, &b, way);	\
}

NPU_STORE(npu_store_small_1, 1, NPU_WAY_SMALL)
NPU_STORE(npu_store_small_3, 3, NPU_WAY_SMALL)
NPU_STORE(npu_store_any_1, 1, NPU_WAY_ANY)
NPU_STORE(npu_store_any_3, 3, NPU_WAY_ANY)

NPU_SIMD void npu_store_columns(u8 *dst, s64 pitch, const struct npu_column *col,
				const u32 *acc, u32 lanes, u32 columns,
				struct npu_bytes b, enum npu_way way)
{
	void (*store)(u8 *dst, s64 pitch, const struct npu_column *col, const u32 *acc, u32 lanes,
		      u32 columns, struct npu_bytes b);
	u32 n = lanes > 32 ? NPU_LANES : 16;
	u32 l;

	if (way == NPU_WAY_SMALL)
		store = n == 16 ? npu_store_small_1 : npu_store_small_3;
	else
		store = n == 16 ? npu_store_any_1 : npu_store_any_3;
	for (l = 0; l < lanes; l += n)
		store(dst + (s64)l * pitch, pitch, col, acc + l, min_t(u32, lanes - l, n), columns,
		      b);
}

NPU_SIMD void npu_store(void *dst, s64 pitch, u32 type, const u32 *acc,
			const struct npu_scaling *scaling, u32 lanes, u32 columns)
{
	const struct npu_factor *factor = scaling->factor;
	struct npu_scaling rest = *scaling;
	s32 less = type == NPU_TYPE_U8 ? 128 : 0;
	struct npu_column col;
	__m512i m, shift;
	struct npu_bytes b;
	enum npu_way way;
	u32 n;

	if (type != NPU_TYPE_S8 && type != NPU_TYPE_U8) {
		npu_kernels_portable.store(dst, pitch, type, acc, scaling, lanes, columns);
		return;
	}
	b = npu_bytes(scaling->limits, type == NPU_TYPE_S8);
	for (; columns; columns -= n, dst = (u8 *)dst + n, acc += NPU_LANES * n) {
		n = min_t(u32, columns, 16);
		npu_factors_load(factor, scaling->step, &m, &shift);
		way = npu_column_make(&col, m, shift, scaling->limits, less, scaling->small);
		rest.factor = factor;
		if (way == NPU_WAY_PORTABLE)
			npu_kernels_portable.store(dst, pitch, type, acc, &rest, lanes, n);
		else
			npu_store_columns(dst, pitch, &col, acc, lanes, n, b, way);
		factor += scaling->step ? n : 0;
	}
	_mm256_zeroupper();
}

/* ---- Depthwise ---------------------------------------------------------------------------- */

/**
 * DOC: How channels are convolved
 *
 * Four rows of 64 bytes, those of the channels for four taps, are interleaved, so that each
 * doubleword has one channel's four inputs for vpdpbusd. What the unpacking instructions make
 * of 64 channels is in four vectors: in each quarter of vector v there are channels 4 * v to
 * 4 * v + 3 of the 16 that this quarter had before. Packing the results reverses that; weights
 * and factors are prepared in the same order.
 */

/* 64 channels. */
struct npu_channel_block {
	struct npu_column column[4];
	u32 start[4][16];
	u8 w[NPU_TAPS / 4][4][64];
};

/* What the data of struct npu_channels is here. */
struct npu_channel_blocks {
	u8 pad[NPU_COLUMNS];	/* inputs of a pixel that is padding */
	u8 control[64];		/* single inputs: where 16 bytes have that of each result */
	struct npu_channel_block block[NPU_COLUMNS / 64];
};

static_assert(sizeof(struct npu_channel_blocks) <= sizeof(((struct npu_channels *)NULL)->data),
	      "channels fit");

NPU_INLINE void npu_interleave(__m512i x[4], const __m512i r[4])
{
	__m512i a = _mm512_unpacklo_epi8(r[0], r[1]), b = _mm512_unpacklo_epi8(r[2], r[3]);
	__m512i c = _mm512_unpackhi_epi8(r[0], r[1]), d = _mm512_unpackhi_epi8(r[2], r[3]);

	x[0] = _mm512_unpacklo_epi16(a, b);
	x[1] = _mm512_unpackhi_epi16(a, b);
	x[2] = _mm512_unpacklo_epi16(c, d);
	x[3] = _mm512_unpackhi_epi16(c, d);
}

/* Quarter v of vector i becomes quarter i of vector v. */
NPU_INLINE void npu_quarters(__m512i r[4])
{
	__m512i t0 = _mm512_shuffle_i32x4(r[0], r[1], 0x88);
	__m512i t1 = _mm512_shuffle_i32x4(r[0], r[1], 0xdd);
	__m512i t2 = _mm512_shuffle_i32x4(r[2], r[3], 0x88);
	__m512i t3 = _mm512_shuffle_i32x4(r[2], r[3], 0xdd);

	r[0] = _mm512_shuffle_i32x4(t0, t2, 0x88);
	r[1] = _mm512_shuffle_i32x4(t1, t3, 0x88);
	r[2] = _mm512_shuffle_i32x4(t0, t2, 0xdd);
	r[3] = _mm512_shuffle_i32x4(t1, t3, 0xdd);
}

/* Both less what makes them signed or unsigned, see the top of this file. */
NPU_INLINE s32 npu_input_zero(const struct npu_channels *ch)
{
	return ch->zero_point + (ch->type == NPU_TYPE_S8 ? 128 : 0);
}

NPU_INLINE s32 npu_weight_zero(const struct npu_channels *ch)
{
	return ch->weight_zero_point - (ch->weight_type == NPU_TYPE_U8 ? 128 : 0);
}

/* Weights of 64 channels, and what accumulators begin with. */
NPU_SIMD void npu_channel_weights(struct npu_channel_block *b,
				  const struct npu_channels *ch, const u8 *w, u32 n,
				  const s32 *bias)
{
	s32 zero = npu_input_zero(ch), constant = (s32)ch->taps * zero * npu_weight_zero(ch);
	__m512i flip = npu_flip(ch->weight_type == NPU_TYPE_U8), ones = _mm512_set1_epi8(1);
	__m512i sum[4], r[4], x[4];
	u32 g, i;

	for (i = 0; i < 4; i++)
		sum[i] = _mm512_setzero_si512();
	for (g = 0; g < ch->taps; g += 4) {
		for (i = 0; i < 4; i++)
			r[i] = _mm512_xor_si512(flip,
						_mm512_maskz_loadu_epi8(npu_first(n), w + (g + i) *
									ch->period));
		npu_interleave(x, r);
		for (i = 0; i < 4; i++) {
			_mm512_storeu_si512(b->w[g / 4][i], x[i]);
			sum[i] = npu_dot4(sum[i], ones, x[i]);
		}
	}
	for (i = 0; i < 4; i++)
		r[i] = _mm512_loadu_si512(bias + 16 * i);
	npu_quarters(r);
	for (i = 0; i < 4; i++) {
		sum[i] = _mm512_mullo_epi32(sum[i], _mm512_set1_epi32(zero));
		r[i] = _mm512_add_epi32(r[i], _mm512_set1_epi32(constant));
		_mm512_storeu_si512(b->start[i], _mm512_sub_epi32(r[i], sum[i]));
	}
}

NPU_SIMD enum npu_way npu_channel_factors(struct npu_channel_block *b,
					  const struct npu_channels *ch,
					  const struct npu_factor *factor, bool small)
{
	s32 less = ch->type == NPU_TYPE_U8 ? 128 : 0;
	enum npu_way way = NPU_WAY_SMALL;
	__m512i m[4], shift[4];
	u32 i;

	for (i = 0; i < 4; i++)
		npu_factors_load(factor + 16 * i, 1, &m[i], &shift[i]);
	npu_quarters(m);
	npu_quarters(shift);
	for (i = 0; i < 4; i++)
		way = max_t(enum npu_way, way, npu_column_make(&b->column[i], m[i], shift[i],
							       &ch->limits, less, small));
	return way;
}

NPU_SIMD void npu_channels(struct npu_channels *ch, const u8 *w, const s32 *bias,
			   const struct npu_factor *factor)
{
	struct npu_channel_blocks *all = (void *)ch->data;
	struct npu_channel_block *b = all->block;
	enum npu_way way = NPU_WAY_SMALL;
	u32 i;

	memset(all->pad, ch->zero_point, sizeof(all->pad));
	for (i = 0; i < 64; i++)
		all->control[i] = (u8)(i / ch->channels * ch->step);
	for (i = 0; i < ch->period; i += 64)
		way = max_t(enum npu_way, way,
			    npu_channel_factors(&b[i / 64], ch, factor + i, ch->small));
	/* All blocks are done in the same way, which some that were small may be too large for. */
	for (i = 0; i < ch->period && way == NPU_WAY_ANY; i += 64)
		way = max_t(enum npu_way, way,
			    npu_channel_factors(&b[i / 64], ch, factor + i, false));
	for (i = 0; i < ch->period; i += 64)
		npu_channel_weights(&b[i / 64], ch, w + i, ch->period - i, bias + i);
	_mm256_zeroupper();
	ch->way = way;
	if (way == NPU_WAY_PORTABLE)
		npu_kernels_portable.channels(ch, w, bias, factor);
}

/* How 64 results find their inputs. */
enum npu_load {
	NPU_LOAD_ALL,		/* one after the other, no padding */
	NPU_LOAD_EDGE,		/* some may be padding, or missing */
	NPU_LOAD_2,		/* those of two pixels, apart from each other; no padding */
	NPU_LOAD_4,		/* of four */
	NPU_LOAD_SINGLE,	/* all channels have the same input, no padding */
	NPU_LOAD_SINGLE_EDGE,	/* these, too; some may be padding */
};

/* For each tap, which results of a block have an input, and which of 16 bytes single ones are. */
struct npu_masks {
	u64 result[NPU_TAPS];
	u64 single[NPU_TAPS];
};

/* What all blocks of a depthwise convolution share. */
struct npu_depthwise {
	const struct npu_channels *ch;
	const struct npu_taps *taps;
	struct npu_masks *masks;	/* of the block */
	u32 parts;		/* pixels of a block that has more than one, which are apart */
	u32 inside;		/* first pixel without padding */
	u32 outside;		/* first that has some again */
	u32 apart;		/* results to those that are made at the same time */
	s32 zero;		/* of the weights */
	__mmask16 single;	/* bytes that a block has of single inputs */
	__m512i flip;
	__m512i pad;
	struct npu_bytes bytes;
};

/* Results of a block: the first one's pixel and channel, and how many there are. */
struct npu_results {
	u32 pixel;
	u32 channel;
	u32 n;
};

/* Bits from @low on that are less than @high; each may be negative, or too large. */
NPU_INLINE __m512i npu_range(__m512i low, __m512i high)
{
	__m512i nil = _mm512_setzero_si512(), ones = _mm512_set1_epi64(-1);

	low = _mm512_sllv_epi64(ones, _mm512_max_epi64(low, nil));
	high = _mm512_sllv_epi64(ones, _mm512_max_epi64(high, nil));
	return _mm512_andnot_si512(high, low);
}

NPU_INLINE void npu_masks_make(const struct npu_depthwise *d, const struct npu_results *r)
{
	struct npu_masks *masks = d->masks;
	__m512i all = _mm512_set1_epi64((s64)npu_first(r->n)), one = _mm512_set1_epi64(1);
	__m512i channels = _mm512_set1_epi64(d->ch->channels);
	__m512i channel = _mm512_set1_epi64(r->channel), pixel = _mm512_set1_epi64(r->pixel);
	__m512i last = _mm512_set1_epi64((r->n - 1) / d->ch->channels * d->ch->step + 1ll);
	__m512i step = _mm512_set1_epi64(d->ch->step);
	__m512i first, end, low, high;
	u32 t;

	for (t = 0; t < d->ch->taps; t += 8) {
		first = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const void *)&d->taps->first[t]));
		end = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const void *)&d->taps->end[t]));
		first = _mm512_sub_epi64(first, pixel);
		end = _mm512_sub_epi64(end, pixel);
		low = _mm512_sub_epi64(_mm512_mul_epi32(first, channels), channel);
		high = _mm512_sub_epi64(_mm512_mul_epi32(end, channels), channel);
		_mm512_storeu_si512(&masks->result[t], _mm512_and_si512(all, npu_range(low, high)));
		if (!d->ch->single)
			continue;
		first = _mm512_mul_epi32(first, step);
		end = _mm512_add_epi64(_mm512_mul_epi32(_mm512_sub_epi64(end, one), step), one);
		_mm512_storeu_si512(&masks->single[t],
				    npu_range(first, _mm512_min_epi64(end, last)));
	}
}

NPU_INLINE __m512i npu_tap_load(const struct npu_depthwise *d, const struct npu_results *r, u32 t,
				enum npu_load load)
{
	const struct npu_masks *masks = d->masks;
	const struct npu_channel_blocks *all = (const void *)d->ch->data;
	u64 step = d->ch->step;
	const u8 *from = d->taps->from[t] + r->pixel * step;
	__m128i part;
	__m512i x;
	u32 i;

	switch (load) {
	case NPU_LOAD_ALL:
		return _mm512_loadu_si512(from + r->channel);
	case NPU_LOAD_EDGE:
		return _mm512_mask_loadu_epi8(d->pad, masks->result[t], from + r->channel);
	case NPU_LOAD_2:
		x = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)from));
		return _mm512_inserti64x4(x, _mm256_loadu_si256((const void *)(from + step)), 1);
	case NPU_LOAD_4:
		x = _mm512_castsi128_si512(_mm_loadu_si128((const void *)from));
#pragma GCC unroll 3
		for (i = 1; i < 4; i++) {
			part = _mm_loadu_si128((const void *)(from + i * step));
			x = _mm512_mask_broadcast_i32x4(x, (__mmask16)(0xf << 4 * i), part);
		}
		return x;
	case NPU_LOAD_SINGLE:
		x = _mm512_broadcast_i32x4(_mm_maskz_loadu_epi8(d->single, from));
		return _mm512_shuffle_epi8(x, _mm512_loadu_si512(all->control));
	default:
		x = _mm512_broadcast_i32x4(_mm_maskz_loadu_epi8((__mmask16)masks->single[t],
								from));
		return _mm512_mask_shuffle_epi8(d->pad, masks->result[t], x,
						_mm512_loadu_si512(all->control));
	}
}

/*
 * Results of 64 channels, for two of their pixels, or one. Weights and factors are loaded once
 * for both: loads are what limits it.
 */
NPU_INLINE void npu_depthwise_block(u8 *dst, const struct npu_depthwise *d,
				    const struct npu_results *result, u32 blocks,
				    enum npu_load load, bool zero, enum npu_way way)
{
	const struct npu_channel_blocks *all = (const void *)d->ch->data;
	const struct npu_channel_block *b = &all->block[result->channel % d->ch->period / 64];
	__m512i acc[2][4], sum[2][4], r[2][4], x[4], w[4], flip = d->flip;
	struct npu_results at[2] = { *result, *result };
	__m512i ones = _mm512_set1_epi8(1);
	struct npu_constants k;
	u32 g, i, p;

	at[1].channel += d->apart;
	if (load == NPU_LOAD_SINGLE_EDGE || load == NPU_LOAD_EDGE)
		npu_masks_make(d, result);
#pragma GCC unroll 4
	for (i = 0; i < 4; i++)
#pragma GCC unroll 2
		for (p = 0; p < blocks; p++) {
			acc[p][i] = _mm512_loadu_si512(b->start[i]);
			sum[p][i] = _mm512_setzero_si512();
		}
	for (g = 0; g < d->ch->taps; g += 4) {
#pragma GCC unroll 4
		for (i = 0; i < 4; i++)
			w[i] = _mm512_loadu_si512(b->w[g / 4][i]);
#pragma GCC unroll 2
		for (p = 0; p < blocks; p++) {
#pragma GCC unroll 4
			for (i = 0; i < 4; i++) {
				r[p][i] = npu_tap_load(d, &at[p], g + i, load);
				r[p][i] = _mm512_xor_si512(r[p][i], flip);
			}
			npu_interleave(x, r[p]);
#pragma GCC unroll 4
			for (i = 0; i < 4; i++) {
				acc[p][i] = npu_dot4(acc[p][i], x[i], w[i]);
				if (zero)
					sum[p][i] = npu_dot4(sum[p][i], x[i], ones);
			}
		}
	}
#pragma GCC unroll 4
	for (i = 0; i < 4; i++) {
		npu_columns_load(&k, &b->column[i], way);
#pragma GCC unroll 2
		for (p = 0; p < blocks; p++) {
			sum[p][i] = _mm512_mullo_epi32(sum[p][i], _mm512_set1_epi32(d->zero));
			if (zero)
				acc[p][i] = _mm512_sub_epi32(acc[p][i], sum[p][i]);
			r[p][i] = way == NPU_WAY_SMALL ?
				  npu_rq_small(acc[p][i], _mm512_srli_epi64(acc[p][i], 32), &k) :
				  npu_rq_any(acc[p][i], &k);
		}
	}
#pragma GCC unroll 2
	for (p = 0; p < blocks; p++)
		_mm512_mask_storeu_epi8(dst + p * d->apart, npu_first(result->n),
					npu_narrow_four(r[p], &d->bytes, way));
}

#define NPU_DEPTHWISE(name, blocks, load, zero, way)					\
NPU_APART void name(u8 *dst, const struct npu_depthwise *d,			\
			   const struct npu_results *result)				\
{											\
	npu_depthwise_block(dst, d, result, blocks, load, zero, way);			\
}

NPU_DEPTHWISE(npu_depthwise_one, 1, NPU_LOAD_ALL, false, NPU_WAY_SMALL)
NPU_DEPTHWISE(npu_depthwise_two, 2, NPU_LOAD_ALL, false, NPU_WAY_SMALL)
NPU_DEPTHWISE(npu_depthwise_parts_2, 1, NPU_LOAD_2, false, NPU_WAY_SMALL)
NPU_DEPTHWISE(npu_depthwise_parts_4, 1, NPU_LOAD_4, false, NPU_WAY_SMALL)
NPU_DEPTHWISE(npu_depthwise_single, 1, NPU_LOAD_SINGLE, false, NPU_WAY_SMALL)
NPU_DEPTHWISE(npu_depthwise_edge, 1, NPU_LOAD_EDGE, false, NPU_WAY_SMALL)
NPU_DEPTHWISE(npu_depthwise_edge_zero, 1, NPU_LOAD_EDGE, true, NPU_WAY_SMALL)
NPU_DEPTHWISE(npu_depthwise_edge_any, 1, NPU_LOAD_EDGE, true, NPU_WAY_ANY)
NPU_DEPTHWISE(npu_depthwise_single_edge, 1, NPU_LOAD_SINGLE_EDGE, false, NPU_WAY_SMALL)
NPU_DEPTHWISE(npu_depthwise_single_zero, 1, NPU_LOAD_SINGLE_EDGE, true, NPU_WAY_SMALL)
NPU_DEPTHWISE(npu_depthwise_single_any, 1, NPU_LOAD_SINGLE_EDGE, true, NPU_WAY_ANY)

/*
 * 64 channels of four neighbouring pixels and a window of 3 x 3: each column of the inputs is
 * interleaved once for all pixels that have it in their windows.
 */
NPU_APART void npu_depthwise_four(u8 *dst, const struct npu_depthwise *d,
				  const struct npu_results *result)
{
	const struct npu_channel_blocks *all = (const void *)d->ch->data;
	const struct npu_channel_block *b = &all->block[result->channel % d->ch->period / 64];
	u64 at = result->channel, apart = d->apart;
	const u8 *const *from = d->taps->from;
	__m512i acc[4][4], r[4], x[4], flip = d->flip;
	struct npu_constants k;
	u32 i, p, column;

#pragma GCC unroll 4
	for (p = 0; p < 4; p++)
#pragma GCC unroll 4
		for (i = 0; i < 4; i++)
			acc[p][i] = _mm512_loadu_si512(b->start[i]);
#pragma GCC unroll 6
	for (column = 0; column < 6; column++) {
#pragma GCC unroll 3
		for (i = 0; i < 3; i++)
			r[i] = _mm512_xor_si512(flip, _mm512_loadu_si512(from[i] + at +
									 column * apart));
		r[3] = flip;
		npu_interleave(x, r);
#pragma GCC unroll 4
		for (p = 0; p < 4; p++) {
			if (column < p || column > p + 2)
				continue;
#pragma GCC unroll 4
			for (i = 0; i < 4; i++)
				acc[p][i] = npu_dot4(acc[p][i], x[i],
						     _mm512_loadu_si512(b->w[column - p][i]));
		}
	}
#pragma GCC unroll 4
	for (i = 0; i < 4; i++) {
		npu_columns_load(&k, &b->column[i], NPU_WAY_SMALL);
#pragma GCC unroll 4
		for (p = 0; p < 4; p++)
			acc[p][i] = npu_rq_small(acc[p][i], _mm512_srli_epi64(acc[p][i], 32), &k);
	}
#pragma GCC unroll 4
	for (p = 0; p < 4; p++)
		_mm512_storeu_si512(dst + p * apart, npu_narrow_four(acc[p], &d->bytes,
								     NPU_WAY_SMALL));
}

/* A block in a way that is good for any. */
NPU_INLINE void npu_depthwise_careful(u8 *dst, const struct npu_depthwise *d,
				      const struct npu_results *result)
{
	bool any = d->ch->way == NPU_WAY_ANY;

	if (d->ch->single) {
		if (any)
			npu_depthwise_single_any(dst, d, result);
		else if (d->zero)
			npu_depthwise_single_zero(dst, d, result);
		else
			npu_depthwise_single_edge(dst, d, result);
		return;
	}
	if (any)
		npu_depthwise_edge_any(dst, d, result);
	else if (d->zero)
		npu_depthwise_edge_zero(dst, d, result);
	else
		npu_depthwise_edge(dst, d, result);
}

/*
 * Pixels some of whose taps are padding, if blocks are not of two pixels: the taps are as good as
 * others if they are read from a place of their own.
 */
NPU_APART void npu_depthwise_borders(u8 *dst, const struct npu_depthwise *d, u32 pixel, u32 end)
{
	const struct npu_channel_blocks *all = (const void *)d->ch->data;
	struct npu_results r = { .n = 64 };
	struct npu_depthwise border = *d;
	struct npu_taps taps;
	u32 t, at, c;

	border.taps = &taps;
	for (; pixel < end; pixel++) {
		at = pixel * d->ch->channels;
		for (t = 0; t < d->ch->taps; t++)
			taps.from[t] = pixel < d->taps->first[t] || pixel >= d->taps->end[t] ?
				       all->pad - at : d->taps->from[t];
		for (c = 0; c < d->ch->channels; c += 64) {
			r.channel = at + c;
			npu_depthwise_one(dst + r.channel, &border, &r);
		}
	}
}

/* Pixels that are neighbours in memory: each block of channels for all of its pixels. */
NPU_SIMD void npu_depthwise_joined(u8 *dst, const struct npu_depthwise *d, u32 pixels)
{
	u32 n = pixels * d->ch->channels, inside = d->inside * d->ch->channels;
	u32 outside = d->outside * d->ch->channels, period = d->ch->period;
	bool quick = !d->zero && d->ch->way == NPU_WAY_SMALL;
	bool shared = d->ch->shared && period == d->ch->channels;
	struct npu_results r = { 0 };
	u32 first, e, skip = 0;

	if (quick && period == d->ch->channels && d->inside < d->outside) {
		npu_depthwise_borders(dst, d, 0, d->inside);
		npu_depthwise_borders(dst, d, d->outside, pixels);
		skip = inside;
		n = outside;
	}
	for (first = skip; first < skip + period && first < n; first += 64)
		for (e = first; e < n; e += period) {
			r.channel = e;
			r.n = min_t(u32, n - e, 64);
			if (!quick || e < inside || e + 64 > outside) {
				npu_depthwise_careful(dst + e, d, &r);
			} else if (shared && e + 3 * period + 64 <= outside) {
				npu_depthwise_four(dst + e, d, &r);
				e += 3 * period;
			} else if (e + period + 64 <= outside) {
				npu_depthwise_two(dst + e, d, &r);
				e += period;
			} else {
				npu_depthwise_one(dst + e, d, &r);
			}
		}
}

/* How many pixels the next block makes. */
NPU_INLINE u32 npu_depthwise_parts(const struct npu_depthwise *d, u32 pixel, u32 pixels)
{
	if (d->ch->single)
		return min_t(u32, d->parts, pixels - pixel);
	if (pixel < d->inside || pixel + d->parts > d->outside || pixel + d->parts > pixels)
		return 1;
	return d->parts;
}

/* Pixels that are not. */
NPU_SIMD void npu_depthwise_apart(u8 *dst, s64 pitch, const struct npu_depthwise *d,
				  u32 pixels)
{
	bool quick = !d->zero && d->ch->way == NPU_WAY_SMALL;
	struct npu_results r = { 0 };
	bool inside;
	u32 n, parts;

	for (; r.pixel < pixels; r.pixel += parts, dst += pitch * parts) {
		parts = npu_depthwise_parts(d, r.pixel, pixels);
		inside = quick && r.pixel >= d->inside && r.pixel + parts <= d->outside;
		n = parts * d->ch->channels;
		for (r.channel = 0; r.channel < n; r.channel += 64) {
			r.n = min_t(u32, n - r.channel, 64);
			if (!inside || r.n < 64)
				npu_depthwise_careful(dst + r.channel, d, &r);
			else if (d->ch->single)
				npu_depthwise_single(dst + r.channel, d, &r);
			else if (parts == 2)
				npu_depthwise_parts_2(dst + r.channel, d, &r);
			else if (parts == 4)
				npu_depthwise_parts_4(dst + r.channel, d, &r);
			else
				npu_depthwise_one(dst + r.channel, d, &r);
		}
	}
}

/* Pixels without padding. */
NPU_INLINE void npu_depthwise_bounds(struct npu_depthwise *d, u32 pixels)
{
	u32 t;

	d->inside = 0;
	d->outside = pixels;
	for (t = 0; t < d->ch->taps; t++) {
		d->inside = max_t(u32, d->inside, d->taps->first[t]);
		d->outside = min_t(u32, d->outside, d->taps->end[t]);
	}
}

/* Pixels whose inputs or results are to be in one block, if these are not neighbours. */
NPU_INLINE u32 npu_depthwise_most(const struct npu_depthwise *d, s64 pitch)
{
	u32 c = d->ch->channels, parts;

	if (c >= 64 || 64 % c || pitch != c || d->ch->period != 64)
		return 1;
	parts = 64 / c;
	if (d->ch->single)
		return (parts - 1) * d->ch->step < 16 ? parts : 1;
	return parts <= 4 && d->ch->way == NPU_WAY_SMALL && !d->zero ? parts : 1;
}

NPU_SIMD void npu_depthwise(u8 *dst, s64 pitch, const struct npu_channels *ch,
			    const struct npu_taps *taps, u32 pixels)
{
	struct npu_masks masks;
	struct npu_depthwise d;

	if (ch->way == NPU_WAY_PORTABLE) {
		npu_kernels_portable.depthwise(dst, pitch, ch, taps, pixels);
		return;
	}
	/* Member by member: to clear it first takes as long as some rows. */
	d.ch = ch;
	d.taps = taps;
	d.masks = &masks;
	d.apart = ch->period;
	d.zero = npu_weight_zero(ch);
	d.parts = npu_depthwise_most(&d, pitch);
	d.single = (__mmask16)npu_first((d.parts - 1) * ch->step + 1);
	d.flip = npu_flip(ch->type == NPU_TYPE_S8);
	d.pad = _mm512_set1_epi8((s8)ch->zero_point);
	d.bytes = npu_bytes(&ch->limits, ch->type == NPU_TYPE_S8);
	npu_depthwise_bounds(&d, pixels);
	if (!ch->single && ch->period % 64 == 0 && ch->step == ch->channels &&
	    pitch == ch->channels)
		npu_depthwise_joined(dst, &d, pixels);
	else
		npu_depthwise_apart(dst, pitch, &d, pixels);
	_mm256_zeroupper();
}

/* ---- Elements of 32 bits ------------------------------------------------------------------ */

#define NPU_AT_ONCE	16

NPU_INLINE __mmask16 npu_first16(u32 n)
{
	return (__mmask16)npu_first(min_t(u32, n, NPU_AT_ONCE));
}

NPU_SIMD void npu_widen(s32 *dst, const void *src, u32 type, s32 zero_point, u32 n)
{
	__m512i zero = _mm512_set1_epi32(zero_point), x;
	const u8 *from = src;
	__mmask16 mask;
	u32 i;

	if (type != NPU_TYPE_S8 && type != NPU_TYPE_U8 && type != NPU_TYPE_S16) {
		npu_kernels_portable.widen(dst, src, type, zero_point, n);
		return;
	}
	for (i = 0; i < n; i += NPU_AT_ONCE) {
		mask = npu_first16(n - i);
		if (type == NPU_TYPE_S16)
			x = _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(mask, from + 2ul * i));
		else if (type == NPU_TYPE_S8)
			x = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, from + i));
		else
			x = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, from + i));
		_mm512_mask_storeu_epi32(dst + i, mask, _mm512_sub_epi32(x, zero));
	}
	_mm256_zeroupper();
}

NPU_SIMD void npu_narrow(void *dst, const s32 *src, u32 type, u32 n)
{
	__mmask16 mask;
	u8 *to = dst;
	__m512i x;
	u32 i;

	if (type != NPU_TYPE_S8 && type != NPU_TYPE_U8 && type != NPU_TYPE_S16) {
		npu_kernels_portable.narrow(dst, src, type, n);
		return;
	}
	for (i = 0; i < n; i += NPU_AT_ONCE) {
		mask = npu_first16(n - i);
		x = _mm512_maskz_loadu_epi32(mask, src + i);
		if (type == NPU_TYPE_S16)
			_mm256_mask_storeu_epi16(to + 2ul * i, mask, _mm512_cvtepi32_epi16(x));
		else
			_mm_mask_storeu_epi8(to + i, mask, _mm512_cvtepi32_epi8(x));
	}
	_mm256_zeroupper();
}

NPU_SIMD void npu_sum(u32 *acc, const s32 *x, u32 n)
{
	__mmask16 mask;
	__m512i sum;
	u32 i;

	for (i = 0; i < n; i += NPU_AT_ONCE) {
		mask = npu_first16(n - i);
		sum = _mm512_add_epi32(_mm512_maskz_loadu_epi32(mask, acc + i),
				       _mm512_maskz_loadu_epi32(mask, x + i));
		_mm512_mask_storeu_epi32(acc + i, mask, sum);
	}
	_mm256_zeroupper();
}

/* RQ32 of anything by any factor but one: both factors of the product must not be the least. */
NPU_INLINE __m512i npu_rq32_all(__m512i x, __m512i multiplier, __m512i odd, __m512i shift)
{
	__m512i nil = _mm512_setzero_si512(), round = _mm512_set1_epi64(1 << 30);
	__m512i left = _mm512_max_epi32(shift, nil);
	__m512i right = _mm512_max_epi32(_mm512_sub_epi32(nil, shift), nil);
	__m512i mask = _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(1), right),
					_mm512_set1_epi32(1));
	__m512i a, b, h, limit;
	__mmask16 up;

	x = _mm512_sllv_epi32(x, left);
	a = _mm512_add_epi64(_mm512_mul_epi32(x, multiplier), round);
	b = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(x, 32), odd), round);
	h = _mm512_mask_mov_epi32(_mm512_srli_epi64(a, 31), 0xaaaa, _mm512_add_epi64(b, b));
	limit = _mm512_add_epi32(_mm512_srli_epi32(mask, 1), _mm512_srli_epi32(h, 31));
	up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(h, mask), limit);
	h = _mm512_srav_epi32(h, right);
	return _mm512_mask_add_epi32(h, up, h, _mm512_set1_epi32(1));
}

NPU_INLINE __m512i npu_rq32_one(__m512i x, struct npu_factor f)
{
	__m512i m = _mm512_set1_epi32(f.multiplier);

	return npu_rq32_all(x, m, m, _mm512_set1_epi32(f.shift));
}

/* Results that have a zero point have few bits, so no difference of limits wraps. */
NPU_INLINE __m512i npu_limit_all(__m512i x, const struct npu_limits *l)
{
	x = _mm512_max_epi32(x, _mm512_set1_epi32(l->min - l->zero_point));
	x = _mm512_min_epi32(x, _mm512_set1_epi32(l->max - l->zero_point));
	return _mm512_add_epi32(x, _mm512_set1_epi32(l->zero_point));
}

NPU_SIMD void npu_requant(s32 *dst, const u32 *acc, const struct npu_factor *factor,
			  u32 step, const struct npu_limits *limits, u32 n)
{
	__m512i m, shift, x;
	__mmask16 mask;
	u32 i;

	for (i = 0; i < n; i++)
		if (factor[i * step].multiplier == NPU_S32_MIN)
			break;
	if (i < n) {
		npu_kernels_portable.requant(dst, acc, factor, step, limits, n);
		return;
	}
	for (i = 0; i + NPU_AT_ONCE <= n; i += NPU_AT_ONCE) {
		mask = npu_first16(n - i);
		npu_factors_load(factor + i * step, step, &m, &shift);
		x = npu_rq32_all(_mm512_loadu_si512(acc + i), m, _mm512_srli_epi64(m, 32), shift);
		_mm512_mask_storeu_epi32(dst + i, mask, npu_limit_all(x, limits));
	}
	_mm256_zeroupper();
	if (i < n)
		npu_kernels_portable.requant(dst + i, acc + i, factor + i * step, step, limits,
					     n - i);
}

NPU_SIMD void npu_eltwise(s32 *dst, const s32 *a, const s32 *b, u32 op, u32 left_shift,
			  const struct npu_factor factor[3],
			  const struct npu_limits *limits, u32 n)
{
	const struct npu_factor fa = factor[0], fb = factor[1], fo = factor[2];
	__m512i x, y, z;
	__mmask16 mask;
	u32 i;

	if (fa.multiplier == NPU_S32_MIN || fb.multiplier == NPU_S32_MIN ||
	    fo.multiplier == NPU_S32_MIN) {
		npu_kernels_portable.eltwise(dst, a, b, op, left_shift, factor, limits, n);
		return;
	}
	for (i = 0; i < n; i += NPU_AT_ONCE) {
		mask = npu_first16(n - i);
		x = _mm512_maskz_loadu_epi32(mask, a + i);
		y = _mm512_maskz_loadu_epi32(mask, b + i);
		if (op == NPU_ELTWISE_MUL || op == NPU_ELTWISE_PRELU) {
			z = npu_rq32_one(_mm512_mullo_epi32(x, y), fo);
			if (op == NPU_ELTWISE_PRELU)
				z = _mm512_mask_mov_epi32(npu_rq32_one(x, fa),
							  _mm512_movepi32_mask(x), z);
		} else {
			x = npu_rq32_one(_mm512_slli_epi32(x, left_shift), fa);
			y = npu_rq32_one(_mm512_slli_epi32(y, left_shift), fb);
			z = op == NPU_ELTWISE_ADD ? _mm512_add_epi32(x, y) : _mm512_sub_epi32(x, y);
			if (op == NPU_ELTWISE_SQUARED_DIFFERENCE)
				z = _mm512_mullo_epi32(z, z);
			z = npu_rq32_one(z, fo);
		}
		_mm512_mask_storeu_epi32(dst + i, mask, npu_limit_all(z, limits));
	}
	_mm256_zeroupper();
}

const struct npu_kernels npu_kernels_avx512 = {
	.name		= "avx512",
	.pack		= npu_pack,
	.sums		= npu_sums,
	.mac		= npu_mac,
	.store		= npu_store,
	.channels	= npu_channels,
	.depthwise	= npu_depthwise,
	.widen		= npu_widen,
	.narrow		= npu_narrow,
	.sum		= npu_sum,
	.requant	= npu_requant,
	.eltwise	= npu_eltwise,
};

#endif /* NPU_X86 */

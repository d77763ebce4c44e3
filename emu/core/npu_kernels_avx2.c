// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Inner loops for x86 with AVX2. Whatever is not here is the portable set's.
 */
#include "npu_kernels.h"

/**
 * DOC: How eight bits are multiplied by sixteen
 *
 * vpmaddwd multiplies signed words and adds up neighbouring products, which never overflows
 * here. (vpmaddubsw takes bytes as they are, but saturates.) Inputs become words as soon as they
 * are packed, less their zero point, so that there is nothing to correct later.
 *
 * A vector holds two neighbouring terms of 8 lanes, and two weights of a column are broadcast to
 * all of it. Weights become words for some columns at a time, in the half of the patch that
 * inputs leave free: 48 lanes are made of them, which is worth it. What is multiplied is cut
 * into slices of terms, so that 16 lanes of it stay in the cache for all columns.
 *
 * Few lanes are multiplied the other way, 16 neighbouring terms of one lane at a time.
 */

#ifdef NPU_X86

#define _MM_MALLOC_H_INCLUDED	/* gcc's and clang's: the kernel has no malloc() */
#define __MM_MALLOC_H
#include <immintrin.h>

#define NPU_SIMD	static NPU_TARGET("avx2")
#define NPU_APART	NPU_SIMD noinline	/* the compiler hoists too much */
#define NPU_INLINE	NPU_SIMD __always_inline

#define NPU_FEW		4	/* lanes that lie in rows instead of groups */
#define NPU_BLOCK	6	/* columns of the innermost loop */
#define NPU_WIDE_BLOCKS	7	/* whose weights are words at the same time */
#define NPU_PITCH	(NPU_PATCH_TERMS + 32)	/* not of a page: columns would share cache lines */
#define NPU_SLICE	640	/* most terms that are multiplied at a time */
#define NPU_SHIFT_ANY	20	/* greatest shifts to the right, see npu_column_make() */
#define NPU_SHIFT_SMALL	30

typedef u16 __attribute__((__may_alias__)) __aligned(1) u16_any;
typedef s32 __attribute__((__may_alias__)) __aligned(1) s32_any;
typedef s64 __attribute__((__may_alias__)) __aligned(1) s64_any;

/* What the data of struct npu_patch is here. */
struct npu_words {
	union {
		s16 x[NPU_LANES / NPU_GROUP][NPU_PATCH_TERMS / 2][NPU_GROUP][2];
		s16 row[NPU_FEW][NPU_PATCH_TERMS];
	};
	s16 w[NPU_BLOCK * NPU_WIDE_BLOCKS][NPU_PITCH];
};

static_assert(sizeof(struct npu_words) <= sizeof(((struct npu_patch *)NULL)->data),
	      "words do not fit a patch");

/* ---- Patches ----------------------------------------------------------------------- */

NPU_INLINE bool npu_few(const struct npu_patch *p)
{
	return p->lanes <= NPU_FEW;
}

/* What turns signed bytes into unsigned ones with 128 added. */
NPU_INLINE __m256i npu_flip(bool yes)
{
	return _mm256_set1_epi8(yes ? (char)0x80 : 0);
}

/* Doublewords of which the first @n are all ones. */
NPU_INLINE __m256i npu_first(u32 n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((s32)n),
				  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* Up to 8 bytes, at least one, and nothing beyond them. */
NPU_INLINE s64 npu_load_short(const u8 *from, u32 n)
{
	u64 last;

	if (n == 8)
		return *(const s64_any *)from;
	if (n >= 4) {
		last = (u32)*(const s32_any *)(from + n - 4);
		return (s64)((u32)*(const s32_any *)from | last << (n - 4) * 8);
	}
	last = from[n - 1];
	return (s64)(from[0] | (u64)from[n / 2] << n / 2 * 8 | last << (n - 1) * 8);
}

/* Up to 16. */
NPU_INLINE __m128i npu_load_bytes(const u8 *from, u32 n)
{
	if (n == 16)
		return _mm_loadu_si128((const void *)from);
	if (n <= 8)
		return _mm_cvtsi64_si128(npu_load_short(from, n));
	return _mm_set_epi64x(npu_load_short(from + 8, n - 8), *(const s64_any *)from);
}

NPU_INLINE void npu_store_bytes(u8 *to, __m128i x, u32 n)
{
	u64 rest;

	if (n == 16) {
		_mm_storeu_si128((void *)to, x);
		return;
	}
	if (n & 8) {
		*(s64_any *)to = _mm_cvtsi128_si64(x);
		x = _mm_unpackhi_epi64(x, x);
		to += 8;
	}
	rest = (u64)_mm_cvtsi128_si64(x);
	if (n & 4) {
		*(s32_any *)to = (s32)rest;
		rest >>= 32;
		to += 4;
	}
	if (n & 2) {
		*(u16_any *)to = (u16)rest;
		rest >>= 16;
		to += 2;
	}
	if (n & 1)
		*to = (u8)rest;
}

/*
 * Up to 16 bytes of 16 lanes become words, in pairs of two terms. Halves of vectors are loaded
 * from lanes that lie four apart, which is what unpacking makes eight neighbours of.
 */
NPU_INLINE void npu_pack_pairs(s16 (*to)[NPU_GROUP][2], const u8 *const *row, u32 at, u32 n,
			       __m256i flip, __m256i zero)
{
	__m256i r[8], t[8], nil = _mm256_setzero_si256();
	const u8 *const *from;
	u32 i, k;

#pragma GCC unroll 8
	for (i = 0; i < 8; i++) {
		from = row + (i < 4 ? i : i + 4);
		r[i] = _mm256_castsi128_si256(npu_load_bytes(from[0] + at, n));
		r[i] = _mm256_inserti128_si256(r[i], npu_load_bytes(from[4] + at, n), 1);
		r[i] = _mm256_xor_si256(r[i], flip);
	}
	/* Doublewords of two lanes, quadwords of four, eight lanes in each half. */
#pragma GCC unroll 4
	for (i = 0; i < 4; i++) {
		t[i] = _mm256_unpacklo_epi16(r[2 * i], r[2 * i + 1]);
		t[4 + i] = _mm256_unpackhi_epi16(r[2 * i], r[2 * i + 1]);
	}
#pragma GCC unroll 4
	for (i = 0; i < 4; i++) {
		k = i / 2 * 4 + i % 2;
		r[k] = _mm256_unpacklo_epi32(t[2 * i], t[2 * i + 1]);
		r[k + 2] = _mm256_unpackhi_epi32(t[2 * i], t[2 * i + 1]);
	}
#pragma GCC unroll 4
	for (i = 0; i < 4; i++) {
		t[2 * i] = _mm256_unpacklo_epi64(r[2 * i], r[2 * i + 1]);
		t[2 * i + 1] = _mm256_unpackhi_epi64(r[2 * i], r[2 * i + 1]);
	}
#pragma GCC unroll 8
	for (i = 0; i < 8; i++) {
		if (2 * i >= n)
			continue;
		_mm256_store_si256((void *)to[i][0],
				   _mm256_sub_epi16(_mm256_unpacklo_epi8(t[i], nil), zero));
		_mm256_store_si256((void *)to[i][8],
				   _mm256_sub_epi16(_mm256_unpackhi_epi8(t[i], nil), zero));
	}
}

NPU_APART void npu_pack_group(s16 (*to)[NPU_GROUP][2], const u8 *const *row, u32 n,
			      __m256i flip, __m256i zero)
{
	u32 i;

	for (i = 0; i + 16 <= n; i += 16, to += 8)
		npu_pack_pairs(to, row, i, 16, flip, zero);
	if (i < n)
		npu_pack_pairs(to, row, i, n - i, flip, zero);
}

NPU_SIMD void npu_pack_row(s16 *to, const u8 *row, u32 n, __m128i flip, __m256i zero)
{
	__m128i bytes;
	__m256i x;
	u32 i;

	for (i = 0; i < n; i += 16) {
		bytes = npu_load_bytes(row + i, min_t(u32, n - i, 16));
		x = _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_xor_si128(flip, bytes)), zero);
		if (i + 16 <= n)
			_mm256_storeu_si256((void *)(to + i), x);
		else
			_mm256_maskstore_epi32((void *)(to + i), npu_first((n - i + 1) / 2), x);
	}
}

NPU_SIMD void npu_pack(struct npu_patch *p, u32 lane, u32 lanes, u32 at,
		       const void *const *row, u32 n)
{
	struct npu_words *words = (void *)p->data;
	__m256i flip = npu_flip(p->type == NPU_TYPE_S8);
	__m256i zero = _mm256_set1_epi16((s16)(p->zero_point + (p->type == NPU_TYPE_S8 ? 128 : 0)));
	const u8 *from[NPU_GROUP];
	u32 l;

	if (p->type == NPU_TYPE_S16) {
		npu_kernels_portable.pack(p, lane, lanes, at, row, n);
		return;
	}
	p->offset = 0;
	if (npu_few(p)) {
		for (l = 0; l < lanes; l++)
			npu_pack_row(words->row[lane + l] + at, row[l], n,
				     _mm256_castsi256_si128(flip), zero);
	} else {
		for (l = 0; l < NPU_GROUP; l++)
			from[l] = row[l < lanes ? l : 0];
		npu_pack_group(&words->x[lane / NPU_GROUP][at / 2], from, n, flip, zero);
	}
	_mm256_zeroupper();
}

/* ---- Multiply and accumulate ---------------------------------------------------------- */

/* The compiler's own idea of these instructions keeps accumulators in memory. */
NPU_INLINE __m256i npu_dot2(__m256i acc, __m256i x, __m256i w)
{
	__m256i product;

	__asm__("vpmaddwd %2, %1, %0" : "=x"(product) : "x"(x), "x"(w));
	__asm__("vpaddd %1, %0, %0" : "+x"(acc) : "x"(product));
	return acc;
}

/* From memory: the compiler would load what is needed again only once, and spill it. */
NPU_INLINE __m256i npu_dot2_from(__m256i acc, __m256i x, const s16 *w)
{
	__m256i product;

	__asm__("vpmaddwd %2, %1, %0" : "=x"(product) : "x"(x), "m"(*(const __m256i_u *)w));
	return _mm256_add_epi32(acc, product);
}

NPU_INLINE __m256i npu_broadcast2(const s16 *w)
{
	__m256i v;

	__asm__("vpbroadcastd %1, %0" : "=x"(v) : "m"(*(const s32_any *)w));
	return v;
}

/* 16 weights, or the first @n of them, a multiple of 4; the others are 0. */
NPU_INLINE __m256i npu_weights(const u8 *w, u32 n, bool is_signed)
{
	__m128i x;

	if (n >= 16)
		x = _mm_loadu_si128((const void *)w);
	else
		x = _mm_maskload_epi32((const void *)w, _mm256_castsi256_si128(npu_first(n / 4)));
	return is_signed ? _mm256_cvtepi8_epi16(x) : _mm256_cvtepu8_epi16(x);
}

NPU_INLINE void npu_widen_column(s16 *to, const u8 *w, u32 n, bool is_signed)
{
	u32 i;

	for (i = 0; i + 16 <= n; i += 16)
		_mm256_store_si256((void *)(to + i), npu_weights(w + i, 16, is_signed));
	if (i < n)
		_mm256_store_si256((void *)(to + i), npu_weights(w + i, n - i, is_signed));
}

NPU_APART void npu_widen_columns(struct npu_words *words, const u8 *w, u32 type, s64 pitch,
				 u32 columns, u32 n)
{
	u32 c;

	for (c = 0; c < columns; c++, w += pitch)
		if (type == NPU_TYPE_S8)
			npu_widen_column(words->w[c], w, n, true);
		else
			npu_widen_column(words->w[c], w, n, false);
}

/* Terms of some lanes and columns that are multiplied, and what is to be added. */
struct npu_slice {
	const s16 *x;
	const s16 *w;
	u32 pairs;
	const u32 *start;	/* NULL: nothing more */
	bool fresh;
};

NPU_INLINE __m256i npu_mac_start(const u32 *acc, const struct npu_slice *s, u32 c)
{
	__m256i a;

	if (!s->start)
		return _mm256_loadu_si256((const void *)acc);
	a = _mm256_set1_epi32((s32)s->start[c]);
	return s->fresh ? a : _mm256_add_epi32(a, _mm256_loadu_si256((const void *)acc));
}

/* Loops have constant ends, with which all compilers unroll them. */
NPU_INLINE void npu_mac_block(u32 *acc, const struct npu_slice *s, u32 vectors, u32 columns)
{
	__m256i a[NPU_BLOCK][NPU_GROUP / 8], x[NPU_GROUP / 8], b;
	const s16 *in = s->x, *w = s->w;
	u32 c, v, i;

#pragma GCC unroll 6
	for (c = 0; c < NPU_BLOCK; c++)
#pragma GCC unroll 2
		for (v = 0; v < NPU_GROUP / 8; v++)
			if (c < columns && v < vectors)
				a[c][v] = npu_mac_start(acc + c * NPU_LANES + v * 8, s, c);
	for (i = s->pairs; i; i--, in += 2 * NPU_GROUP, w += 2) {
#pragma GCC unroll 2
		for (v = 0; v < NPU_GROUP / 8; v++)
			if (v < vectors)
				x[v] = _mm256_load_si256((const void *)(in + v * 16));
#pragma GCC unroll 6
		for (c = 0; c < NPU_BLOCK; c++) {
			if (c >= columns)
				continue;
			b = npu_broadcast2(w + c * NPU_PITCH);
#pragma GCC unroll 2
			for (v = 0; v < NPU_GROUP / 8; v++)
				if (v < vectors)
					a[c][v] = npu_dot2(a[c][v], x[v], b);
		}
	}
#pragma GCC unroll 6
	for (c = 0; c < NPU_BLOCK; c++)
#pragma GCC unroll 2
		for (v = 0; v < NPU_GROUP / 8; v++)
			if (c < columns && v < vectors)
				_mm256_storeu_si256((void *)(acc + c * NPU_LANES + v * 8), a[c][v]);
}

/* A frame of its own for each shape, so that accumulators are registers. */
#define NPU_MAC(vectors, columns)							\
NPU_APART void npu_mac_##vectors##_##columns(u32 *acc, const struct npu_slice *s)	\
{											\
	npu_mac_block(acc, s, vectors, columns);					\
}

NPU_MAC(1, 1)
NPU_MAC(1, 2)
NPU_MAC(1, 3)
NPU_MAC(1, 4)
NPU_MAC(1, 5)
NPU_MAC(1, 6)
NPU_MAC(2, 1)
NPU_MAC(2, 2)
NPU_MAC(2, 3)
NPU_MAC(2, 4)
NPU_MAC(2, 5)
NPU_MAC(2, 6)

typedef void (*npu_mac_fn)(u32 *acc, const struct npu_slice *s);

static const npu_mac_fn npu_mac_shapes[NPU_GROUP / 8][NPU_BLOCK] = {
	{ npu_mac_1_1, npu_mac_1_2, npu_mac_1_3, npu_mac_1_4, npu_mac_1_5, npu_mac_1_6 },
	{ npu_mac_2_1, npu_mac_2_2, npu_mac_2_3, npu_mac_2_4, npu_mac_2_5, npu_mac_2_6 },
};

/* Up to 16 lanes times columns that are words. */
NPU_SIMD void npu_mac_group(u32 *acc, const struct npu_slice *slice, u32 lanes, u32 columns)
{
	const npu_mac_fn *shapes = npu_mac_shapes[lanes > 8];
	struct npu_slice s = *slice;
	u32 n;

	for (; columns; columns -= n) {
		n = min_t(u32, columns, NPU_BLOCK);
		shapes[n - 1](acc, &s);
		acc += n * NPU_LANES;
		s.w += n * NPU_PITCH;
		if (s.start)
			s.start += n;
	}
}

/* All lanes times columns that are words. */
NPU_SIMD void npu_mac_words(u32 *acc, const struct npu_patch *p, u32 columns,
			    const u32 *start, bool fresh)
{
	const struct npu_words *words = (const void *)p->data;
	u32 slices = (p->terms + NPU_SLICE - 1) / NPU_SLICE;
	u32 size = (p->terms / 4 + slices - 1) / slices * 4;
	struct npu_slice s = { .start = start, .fresh = fresh };
	u32 from, l;

	for (from = 0; from < p->terms; from += size) {
		s.pairs = min_t(u32, p->terms - from, size) / 2;
		s.w = &words->w[0][from];
		for (l = 0; l < p->lanes; l += NPU_GROUP) {
			s.x = words->x[l / NPU_GROUP][from / 2][0];
			npu_mac_group(acc + l, &s, p->lanes - l, columns);
		}
		s.start = NULL;
	}
}

/* Some columns, one or four, times one or two lanes in rows. */
NPU_INLINE void npu_few_block(u32 *acc, const s16 *row, u32 lanes, const u8 *w, s64 pitch,
			      u32 columns, u32 n, bool is_signed, const u32 *start, bool fresh)
{
	__m256i a[2][4], x[2], v;
	__m128i sum;
	u32 c, i, l;

#pragma GCC unroll 2
	for (l = 0; l < 2; l++)
#pragma GCC unroll 4
		for (c = 0; c < 4; c++)
			a[l][c] = _mm256_setzero_si256();
	for (i = 0; i < n; i += 16) {
#pragma GCC unroll 2
		for (l = 0; l < 2; l++)
			if (l < lanes)
				x[l] = _mm256_load_si256((const void *)(row + l * NPU_PATCH_TERMS +
									i));
#pragma GCC unroll 4
		for (c = 0; c < 4; c++) {
			if (c >= columns)
				continue;
			v = npu_weights(w + (s64)c * pitch + i, n - i, is_signed);
#pragma GCC unroll 2
			for (l = 0; l < 2; l++)
				if (l < lanes)
					a[l][c] = npu_dot2(a[l][c], x[l], v);
		}
	}
#pragma GCC unroll 2
	for (l = 0; l < 2; l++) {
		if (l >= lanes)
			continue;
		v = _mm256_hadd_epi32(_mm256_hadd_epi32(a[l][0], a[l][1]),
				      _mm256_hadd_epi32(a[l][2], a[l][3]));
		sum = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
#pragma GCC unroll 4
		for (c = 0; c < 4; c++) {
			if (c >= columns)
				continue;
			acc[c * NPU_LANES + l] = start[c] + (u32)_mm_cvtsi128_si32(sum) +
						 (fresh ? 0 : acc[c * NPU_LANES + l]);
			sum = _mm_srli_si128(sum, 4);
		}
	}
}

#define NPU_MAC_FEW(name, lanes, is_signed)						\
NPU_APART void name(u32 *acc, const s16 *row, const u8 *w, s64 pitch, u32 columns,	\
			   u32 n, const u32 *start, bool fresh)				\
{											\
	for (; columns >= 4; columns -= 4, acc += 4 * NPU_LANES, w += 4 * pitch, start += 4)	\
		npu_few_block(acc, row, lanes, w, pitch, 4, n, is_signed, start, fresh);	\
	for (; columns; columns--, acc += NPU_LANES, w += pitch, start++)		\
		npu_few_block(acc, row, lanes, w, pitch, 1, n, is_signed, start, fresh);	\
}

NPU_MAC_FEW(npu_mac_few_s8_1, 1, true)
NPU_MAC_FEW(npu_mac_few_s8_2, 2, true)
NPU_MAC_FEW(npu_mac_few_u8_1, 1, false)
NPU_MAC_FEW(npu_mac_few_u8_2, 2, false)

NPU_SIMD void npu_mac_few(u32 *acc, const struct npu_patch *p, const u8 *w, u32 type,
			  s64 pitch, u32 columns, const u32 *start, bool fresh)
{
	const struct npu_words *words = (const void *)p->data;
	bool is_signed = type == NPU_TYPE_S8;
	u32 l;

	for (l = 0; l + 2 <= p->lanes; l += 2)
		(is_signed ? npu_mac_few_s8_2 : npu_mac_few_u8_2)
			(acc + l, words->row[l], w, pitch, columns, p->terms, start, fresh);
	if (l < p->lanes)
		(is_signed ? npu_mac_few_s8_1 : npu_mac_few_u8_1)
			(acc + l, words->row[l], w, pitch, columns, p->terms, start, fresh);
}

NPU_SIMD void npu_mac(u32 *acc, struct npu_patch *p, const void *w, u32 type, s64 pitch,
		      u32 columns, const u32 *start, bool fresh)
{
	struct npu_words *words = (void *)p->data;
	const u8 *from = w;
	u32 n;

	if (p->type == NPU_TYPE_S16) {
		npu_kernels_portable.mac(acc, p, w, type, pitch, columns, start, fresh);
		return;
	}
	if (npu_few(p)) {
		npu_mac_few(acc, p, from, type, pitch, columns, start, fresh);
		_mm256_zeroupper();
		return;
	}
	for (; columns; columns -= n) {
		n = min_t(u32, columns, ARRAY_SIZE(words->w));
		npu_widen_columns(words, from, type, pitch, n, p->terms);
		npu_mac_words(acc, p, n, start, fresh);
		acc += n * NPU_LANES;
		from += pitch * n;
		start += n;
	}
	_mm256_zeroupper();
}

/* ---- Requantisation --------------------------------------------------------------------- */

/*
 * As accumulators are scaled in npu_kernels_avx512.c: small ones, and any. Vectors have half as
 * many of them.
 */

/* What there is of each column. */
enum npu_constant {
	NPU_MULTIPLIER,
	NPU_RIGHT,
	NPU_SIGN,	/* shift that makes 1 of what is negative; 0 if nothing is rounded */
	NPU_ADD,
	NPU_LEFT,
	NPU_LOW,
	NPU_HIGH,
	NPU_CONSTANTS
};

/* Multipliers and shifts of 8 columns. */
NPU_INLINE void npu_factors_load(const struct npu_factor *factor, u32 step, __m256i *m,
				 __m256i *shift)
{
	__m256i f0, f1, low, high;

	if (step) {
		f0 = _mm256_loadu_si256((const void *)factor);
		f1 = _mm256_loadu_si256((const void *)(factor + 4));
	} else {
		f0 = _mm256_set1_epi64x(*(const s64_any *)factor);
		f1 = f0;
	}
	low = _mm256_permute2x128_si256(f0, f1, 0x20);
	high = _mm256_permute2x128_si256(f0, f1, 0x31);
	f0 = _mm256_unpacklo_epi32(low, high);
	f1 = _mm256_unpackhi_epi32(low, high);
	*m = _mm256_unpacklo_epi32(f0, f1);
	*shift = _mm256_unpackhi_epi32(f0, f1);
}

/* Ways that some columns cannot go, as bits. */
NPU_INLINE u32 npu_factors_unfit(__m256i m, __m256i shift, bool small)
{
	__m256i low = _mm256_cmpgt_epi32(_mm256_set1_epi32(1 << 30), m);
	__m256i left = _mm256_cmpgt_epi32(shift, _mm256_setzero_si256());
	__m256i right = _mm256_cmpgt_epi32(_mm256_set1_epi32(-NPU_SHIFT_SMALL), shift);
	u32 unfit = 0;

	low = _mm256_or_si256(low, _mm256_or_si256(left, right));
	if (!small || !_mm256_testz_si256(low, low))
		unfit |= 1u << NPU_WAY_SMALL;
	low = _mm256_cmpeq_epi32(m, _mm256_set1_epi32(NPU_S32_MIN));
	right = _mm256_cmpgt_epi32(_mm256_set1_epi32(-NPU_SHIFT_ANY), shift);
	low = _mm256_or_si256(low, right);
	if (!_mm256_testz_si256(low, low))
		unfit |= 1u << NPU_WAY_ANY;
	return unfit;
}

/* The best way that all columns can go. */
NPU_INLINE enum npu_way npu_way_best(u32 unfit)
{
	return (enum npu_way)npu_ctz64(~(u64)unfit);
}

NPU_INLINE void npu_constant_set(s32 *at, u32 pitch, enum npu_constant which, __m256i x)
{
	_mm256_storeu_si256((void *)(at + which * pitch), x);
}

/*
 * Constants of 8 columns, each of them @pitch from the one before.
 * @less: what bytes have less than results, see struct npu_bytes
 */
NPU_INLINE void npu_constants_make(s32 *at, u32 pitch, __m256i m, __m256i shift,
				   const struct npu_limits *l, s32 less, enum npu_way way)
{
	__m256i nil = _mm256_setzero_si256(), one = _mm256_set1_epi32(1);
	__m256i right = _mm256_max_epi32(_mm256_sub_epi32(nil, shift), nil);
	__m256i half = _mm256_srli_epi32(_mm256_sllv_epi32(one, right), 1);
	__m256i x;

	npu_constant_set(at, pitch, NPU_RIGHT, right);
	npu_constant_set(at, pitch, NPU_SIGN, _mm256_sub_epi32(_mm256_set1_epi32(31),
							       _mm256_cmpeq_epi32(right, nil)));
	if (way == NPU_WAY_SMALL) {
		npu_constant_set(at, pitch, NPU_MULTIPLIER, _mm256_add_epi32(m, m));
		npu_constant_set(at, pitch, NPU_ADD, half);
		return;
	}
	npu_constant_set(at, pitch, NPU_MULTIPLIER, m);
	npu_constant_set(at, pitch, NPU_LEFT, _mm256_max_epi32(shift, nil));
	x = _mm256_sllv_epi32(_mm256_set1_epi32(l->zero_point - less), right);
	npu_constant_set(at, pitch, NPU_ADD, _mm256_add_epi32(half, x));
	x = _mm256_sllv_epi32(_mm256_set1_epi32(l->min - l->zero_point), right);
	npu_constant_set(at, pitch, NPU_LOW, x);
	x = _mm256_sllv_epi32(_mm256_set1_epi32(l->max - l->zero_point), right);
	npu_constant_set(at, pitch, NPU_HIGH, x);
}

/* The constants of one column in all elements, or those of 8 columns, each in its element. */
struct npu_constants {
	__m256i multiplier, odd, right, sign, add, left, low, high;
};

NPU_INLINE __m256i npu_constant(const s32 *at, u32 pitch, enum npu_constant which, bool all)
{
	at += which * pitch;
	return all ? _mm256_set1_epi32(*at) : _mm256_loadu_si256((const void *)at);
}

NPU_INLINE void npu_constants_load(struct npu_constants *k, const s32 *at, u32 pitch, bool all,
				   enum npu_way way)
{
	k->multiplier = npu_constant(at, pitch, NPU_MULTIPLIER, all);
	k->odd = all ? k->multiplier : _mm256_srli_epi64(k->multiplier, 32);
	k->right = npu_constant(at, pitch, NPU_RIGHT, all);
	k->sign = npu_constant(at, pitch, NPU_SIGN, all);
	k->add = npu_constant(at, pitch, NPU_ADD, all);
	if (way == NPU_WAY_SMALL)
		return;
	k->left = npu_constant(at, pitch, NPU_LEFT, all);
	k->low = npu_constant(at, pitch, NPU_LOW, all);
	k->high = npu_constant(at, pitch, NPU_HIGH, all);
}

NPU_INLINE __m256i npu_rq_small(__m256i x, const struct npu_constants *k)
{
	__m256i round = _mm256_set1_epi64x(1ll << 31);
	__m256i a, b;

	a = _mm256_add_epi64(_mm256_mul_epi32(x, k->multiplier), round);
	b = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), k->odd), round);
	b = _mm256_blend_epi32(_mm256_srli_epi64(a, 32), b, 0xaa);
	x = _mm256_sub_epi32(_mm256_add_epi32(x, k->add), _mm256_srlv_epi32(x, k->sign));
	return _mm256_srav_epi32(_mm256_add_epi32(b, x), k->right);
}

NPU_INLINE __m256i npu_rq_any(__m256i x, const struct npu_constants *k)
{
	__m256i round = _mm256_set1_epi64x(1 << 30);
	__m256i a, b, h;

	x = _mm256_sllv_epi32(x, k->left);
	a = _mm256_add_epi64(_mm256_mul_epi32(x, k->multiplier), round);
	b = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), k->odd), round);
	h = _mm256_blend_epi32(_mm256_srli_epi64(a, 31), _mm256_add_epi64(b, b), 0xaa);
	h = _mm256_min_epi32(_mm256_max_epi32(h, k->low), k->high);
	h = _mm256_sub_epi32(_mm256_add_epi32(h, k->add), _mm256_srlv_epi32(h, k->sign));
	return _mm256_srav_epi32(h, k->right);
}

NPU_INLINE __m256i npu_rq(__m256i x, const struct npu_constants *k, enum npu_way way)
{
	return way == NPU_WAY_SMALL ? npu_rq_small(x, k) : npu_rq_any(x, k);
}

/* What is done to signed bytes; unsigned ones have 128 less, and are flipped at the end. */
struct npu_bytes {
	__m256i zero;		/* of 16 bits */
	__m256i min;
	__m256i max;
	__m256i flip;
};

NPU_INLINE struct npu_bytes npu_bytes(const struct npu_limits *l, bool is_signed)
{
	s32 less = is_signed ? 0 : 128;

	return (struct npu_bytes){
		.zero = _mm256_set1_epi16((s16)(l->zero_point - less)),
		.min = _mm256_set1_epi8((s8)(l->min - less)),
		.max = _mm256_set1_epi8((s8)(l->max - less)),
		.flip = npu_flip(!is_signed),
	};
}

/* Four vectors of results as bytes: within halves, one after the other. */
NPU_INLINE __m256i npu_narrow_four(const __m256i *r, const struct npu_bytes *b, enum npu_way way)
{
	__m256i low = _mm256_packs_epi32(r[0], r[1]), high = _mm256_packs_epi32(r[2], r[3]);
	__m256i q;

	if (way == NPU_WAY_SMALL) {
		low = _mm256_adds_epi16(low, b->zero);
		high = _mm256_adds_epi16(high, b->zero);
	}
	q = _mm256_packs_epi16(low, high);
	if (way == NPU_WAY_SMALL)
		q = _mm256_min_epi8(_mm256_max_epi8(q, b->min), b->max);
	return _mm256_xor_si256(q, b->flip);
}

/* Two vectors of results as bytes, one after the other. */
NPU_INLINE __m128i npu_narrow_two(const __m256i *r, const struct npu_bytes *b, enum npu_way way)
{
	__m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(r[0], r[1]), 0xd8);
	__m128i q;

	if (way == NPU_WAY_SMALL)
		words = _mm256_adds_epi16(words, b->zero);
	q = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
	if (way == NPU_WAY_SMALL)
		q = _mm_min_epi8(_mm_max_epi8(q, _mm256_castsi256_si128(b->min)),
				 _mm256_castsi256_si128(b->max));
	return _mm_xor_si128(q, _mm256_castsi256_si128(b->flip));
}

#define NPU_STORE_COLUMNS	16

/* Four columns of some lanes: each element gets their four results of one lane. */
NPU_INLINE void npu_store_four(__m256i *q, const s32 *constant, const u32 *acc, u32 vectors,
			       const struct npu_bytes *b, enum npu_way way)
{
	__m256i order = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13,
								  2, 6, 10, 14, 3, 7, 11, 15));
	struct npu_constants k;
	__m256i r[4];
	u32 i, v;

	for (v = 0; v < vectors; v++) {
#pragma GCC unroll 4
		for (i = 0; i < 4; i++) {
			npu_constants_load(&k, constant + i, NPU_STORE_COLUMNS, true, way);
			r[i] = _mm256_loadu_si256((const void *)(acc + i * NPU_LANES + v * 8));
			r[i] = npu_rq(r[i], &k, way);
		}
		_mm256_storeu_si256(q + v, _mm256_shuffle_epi8(npu_narrow_four(r, b, way), order));
	}
}

NPU_INLINE void npu_store_row(u8 *dst, __m128i x, u32 columns)
{
	if (columns == 16)
		_mm_storeu_si128((void *)dst, x);
	else
		npu_store_bytes(dst, x, columns);
}

/* 16 columns of 8 lanes become rows: the halves of row k are those of lanes k and 4 + k. */
NPU_INLINE void npu_store_rows(u8 *dst, s64 pitch, const __m256i *q, u32 step, u32 lanes,
			       u32 columns)
{
	__m256i t[4], r[4];
	u32 k;

	t[0] = _mm256_unpacklo_epi32(q[0], q[step]);
	t[1] = _mm256_unpackhi_epi32(q[0], q[step]);
	t[2] = _mm256_unpacklo_epi32(q[2 * step], q[3 * step]);
	t[3] = _mm256_unpackhi_epi32(q[2 * step], q[3 * step]);
	r[0] = _mm256_unpacklo_epi64(t[0], t[2]);
	r[1] = _mm256_unpackhi_epi64(t[0], t[2]);
	r[2] = _mm256_unpacklo_epi64(t[1], t[3]);
	r[3] = _mm256_unpackhi_epi64(t[1], t[3]);
#pragma GCC unroll 4
	for (k = 0; k < 4; k++) {
		if (k < lanes)
			npu_store_row(dst + (s64)k * pitch, _mm256_castsi256_si128(r[k]), columns);
		if (4 + k < lanes)
			npu_store_row(dst + (s64)(4 + k) * pitch,
				      _mm256_extracti128_si256(r[k], 1), columns);
	}
}

/* Up to 16 columns of up to 48 lanes. */
#define NPU_STORE(name, way)								\
NPU_APART void name(u8 *dst, s64 pitch, const s32 *constant, const u32 *acc,	\
			   u32 lanes, u32 columns, struct npu_bytes b)			\
{											\
	__m256i q[4][NPU_LANES / 8];							\
	u32 i, v, vectors = (lanes + 7) / 8;						\
											\
	for (i = 0; i < 4; i++)								\
		npu_store_four(q[i], constant + 4 * i, acc + 4 * i * NPU_LANES, vectors, &b,	\
			       way);							\
	for (v = 0; v < vectors; v++)							\
		npu_store_rows(dst + (s64)(v * 8) * pitch, pitch, &q[0][v], NPU_LANES / 8,	\
			       lanes - v * 8, columns);					\
}

NPU_STORE(npu_store_small, NPU_WAY_SMALL)
NPU_STORE(npu_store_any, NPU_WAY_ANY)

NPU_SIMD void npu_store(void *dst, s64 pitch, u32 type, const u32 *acc,
			const struct npu_scaling *scaling, u32 lanes, u32 columns)
{
	s32 constant[NPU_CONSTANTS][NPU_STORE_COLUMNS];
	const struct npu_factor *factor = scaling->factor;
	s32 less = type == NPU_TYPE_U8 ? 128 : 0;
	struct npu_scaling rest = *scaling;
	__m256i m[2], shift[2];
	struct npu_bytes b;
	u32 n, i, unfit;
	enum npu_way way;

	if (type != NPU_TYPE_S8 && type != NPU_TYPE_U8) {
		npu_kernels_portable.store(dst, pitch, type, acc, scaling, lanes, columns);
		return;
	}
	b = npu_bytes(scaling->limits, type == NPU_TYPE_S8);
	for (; columns; columns -= n, dst = (u8 *)dst + n, acc += NPU_LANES * n) {
		n = min_t(u32, columns, NPU_STORE_COLUMNS);
		unfit = 0;
		for (i = 0; i < 2; i++) {
			npu_factors_load(factor + 8 * i * scaling->step, scaling->step, &m[i],
					 &shift[i]);
			unfit |= npu_factors_unfit(m[i], shift[i], scaling->small);
		}
		way = npu_way_best(unfit);
		for (i = 0; i < 2; i++)
			npu_constants_make(constant[0] + 8 * i, NPU_STORE_COLUMNS, m[i], shift[i],
					   scaling->limits, less, way);
		rest.factor = factor;
		if (way == NPU_WAY_PORTABLE)
			npu_kernels_portable.store(dst, pitch, type, acc, &rest, lanes, n);
		else if (way == NPU_WAY_SMALL)
			npu_store_small(dst, pitch, constant[0], acc, lanes, n, b);
		else
			npu_store_any(dst, pitch, constant[0], acc, lanes, n, b);
		factor += scaling->step ? n : 0;
	}
	_mm256_zeroupper();
}

/* ---- Depthwise ---------------------------------------------------------------------------- */

/*
 * Bytes of two taps are interleaved, and become words: each doubleword has one channel's two
 * inputs for vpmaddwd. Weights lie in memory like that, less their zero point; that of the inputs
 * is in what accumulators begin with. Taps that no channel has a weight for are left out.
 */

#define NPU_WIDTH	16	/* results of a block; two are made at the same time */
/* Blocks may begin anywhere: what is behind the last channel is that of the first ones. */
#define NPU_CHANNELS	(NPU_COLUMNS + 2 * NPU_WIDTH)

/* What the data of struct npu_channels is here. */
struct npu_channel_words {
	s16 w[NPU_TAPS / 2][NPU_CHANNELS][2];
	s32 constant[NPU_CONSTANTS][NPU_CHANNELS];
	u32 start[NPU_CHANNELS];
	u8 pad[NPU_CHANNELS];		/* what padding is */
	u8 tap[NPU_TAPS];
	u32 taps;			/* even */
};

static_assert(sizeof(struct npu_channel_words) <= sizeof(((struct npu_channels *)NULL)->data),
	      "words do not fit the channels");

NPU_INLINE __m256i npu_words(__m128i x, bool is_signed)
{
	return is_signed ? _mm256_cvtepi8_epi16(x) : _mm256_cvtepu8_epi16(x);
}

/*
 * Taps with weights, one of them twice if their number is odd. If columns share inputs, they have
 * two pairs each.
 */
static void npu_channel_taps(struct npu_channel_words *words, const struct npu_channels *ch,
			     const u8 *w)
{
	u32 t, c;

	words->taps = 0;
	for (t = 0; ch->shared && t < ch->taps; t++)
		words->tap[words->taps++] = (u8)(t % 4 < 3 ? t : t - 1);
	if (ch->shared)
		return;
	for (t = 0; t < ch->taps; t++, w += ch->period) {
		for (c = 0; c < ch->period && w[c] == (u8)ch->weight_zero_point; c++)
			;
		if (c < ch->period)
			words->tap[words->taps++] = (u8)t;
	}
	if (words->taps % 2) {
		words->tap[words->taps] = words->tap[words->taps - 1];
		words->taps++;
	}
}

/* Two taps of all channels; the second has no weights if it is the first. */
NPU_SIMD void npu_channel_pair(struct npu_channel_words *words,
			       const struct npu_channels *ch, const u8 *w, u32 pair)
{
	__m256i zero = _mm256_set1_epi16((s16)ch->weight_zero_point), a, b;
	const u8 *first = w + words->tap[2 * pair] * ch->period;
	const u8 *second = w + words->tap[2 * pair + 1] * ch->period;
	bool is_signed = ch->weight_type == NPU_TYPE_S8;
	__m128i x, y, pad = _mm_set1_epi8((s8)ch->weight_zero_point);
	u32 c, n;

	for (c = 0; c < ch->period; c += NPU_WIDTH) {
		n = min_t(u32, ch->period - c, NPU_WIDTH);
		x = npu_load_bytes(first + c, n);
		y = first == second ? pad : npu_load_bytes(second + c, n);
		a = npu_words(_mm_unpacklo_epi8(x, y), is_signed);
		b = npu_words(_mm_unpackhi_epi8(x, y), is_signed);
		_mm256_storeu_si256((void *)words->w[pair][c], _mm256_sub_epi16(a, zero));
		_mm256_storeu_si256((void *)words->w[pair][c + 8], _mm256_sub_epi16(b, zero));
	}
}

/* Accumulators begin with the bias, less the inputs' zero point times the sum of weights. */
NPU_SIMD void npu_channel_start(struct npu_channel_words *words,
				const struct npu_channels *ch, const s32 *bias)
{
	__m256i zero = _mm256_set1_epi16((s16)-ch->zero_point), a;
	u32 c, pair;

	for (c = 0; c < ch->period; c += 8) {
		a = _mm256_loadu_si256((const void *)(bias + c));
		for (pair = 0; pair < words->taps / 2; pair++)
			a = npu_dot2(a, zero, _mm256_loadu_si256((const void *)words->w[pair][c]));
		_mm256_storeu_si256((void *)(words->start + c), a);
	}
}

NPU_SIMD enum npu_way npu_channel_factors(struct npu_channel_words *words,
					  const struct npu_channels *ch,
					  const struct npu_factor *factor)
{
	s32 less = ch->type == NPU_TYPE_U8 ? 128 : 0;
	enum npu_way way;
	__m256i m, shift;
	u32 c, unfit = 0;

	for (c = 0; c < ch->period; c += 8) {
		npu_factors_load(factor + c, 1, &m, &shift);
		unfit |= npu_factors_unfit(m, shift, ch->small);
	}
	way = npu_way_best(unfit);
	for (c = 0; c < ch->period; c += 8) {
		npu_factors_load(factor + c, 1, &m, &shift);
		npu_constants_make(words->constant[0] + c, NPU_CHANNELS, m, shift, &ch->limits,
				   less, way);
	}
	return way;
}

/* What follows the last channel. */
static void npu_channel_repeat(struct npu_channel_words *words, const struct npu_channels *ch)
{
	u32 c, i, to = ch->period;

	for (c = 0; c < 2 * NPU_WIDTH; c++, to++) {
		words->start[to] = words->start[c];
		for (i = 0; i < NPU_CONSTANTS; i++)
			words->constant[i][to] = words->constant[i][c];
		for (i = 0; i < words->taps / 2; i++)
			memcpy(words->w[i][to], words->w[i][c], sizeof(words->w[i][c]));
	}
}

NPU_SIMD void npu_channels(struct npu_channels *ch, const u8 *w, const s32 *bias,
			   const struct npu_factor *factor)
{
	struct npu_channel_words *words = (void *)ch->data;
	u32 pair;

	ch->way = npu_channel_factors(words, ch, factor);
	if (ch->way == NPU_WAY_PORTABLE) {
		_mm256_zeroupper();
		npu_kernels_portable.channels(ch, w, bias, factor);
		return;
	}
	npu_channel_taps(words, ch, w);
	for (pair = 0; pair < words->taps / 2; pair++)
		npu_channel_pair(words, ch, w, pair);
	npu_channel_start(words, ch, bias);
	npu_channel_repeat(words, ch);
	memset(words->pad, ch->zero_point, sizeof(words->pad));
	_mm256_zeroupper();
}

/* What all blocks of a depthwise convolution share. */
struct npu_depthwise {
	const struct npu_channels *ch;
	const struct npu_channel_words *words;
	const struct npu_taps *taps;
	u32 inside;		/* first pixel without padding */
	u32 outside;		/* first that has some again */
	struct npu_bytes bytes;
	const u8 *from[NPU_TAPS];	/* inputs of the taps that there are, of the first pixel */
	const u8 *x[NPU_TAPS];		/* of something else */
};

NPU_INLINE bool npu_tap_inside(const struct npu_depthwise *d, u32 i, u32 pixel)
{
	u32 t = d->words->tap[i];

	return pixel >= d->taps->first[t] && pixel < d->taps->end[t];
}

/*
 * Blocks of results, one after the other, from a channel on.
 * @x: inputs of each tap
 * @at: of the first block, from there on
 */
NPU_INLINE void npu_depthwise_blocks(__m128i *to, const struct npu_depthwise *d,
				     const u8 *const *x, u64 at, u32 channel, u32 blocks,
				     bool is_signed, enum npu_way way)
{
	const struct npu_channel_words *words = d->words;
	const s32 *constant = words->constant[0] + channel;
	const u32 *start = words->start + channel;
	const s16 *w = words->w[0][channel];
	const u8 *first, *second;
	struct npu_constants k;
	__m256i a[4], v;
	__m128i r, q;
	u32 i, t;

#pragma GCC unroll 4
	for (i = 0; i < 4; i++)
		a[i] = _mm256_loadu_si256((const void *)(start + (i / 2 < blocks ? 8 * i : 0)));
	for (t = 0; t < words->taps; t += 2, w += 2 * NPU_CHANNELS) {
		first = x[t] + at;
		second = x[t + 1] + at;
#pragma GCC unroll 2
		for (i = 0; i < 2; i++) {
			if (i >= blocks)
				continue;
			r = _mm_loadu_si128((const void *)(first + NPU_WIDTH * i));
			q = _mm_loadu_si128((const void *)(second + NPU_WIDTH * i));
			v = npu_words(_mm_unpacklo_epi8(r, q), is_signed);
			a[2 * i] = npu_dot2_from(a[2 * i], v, w + 32 * i);
			v = npu_words(_mm_unpackhi_epi8(r, q), is_signed);
			a[2 * i + 1] = npu_dot2_from(a[2 * i + 1], v, w + 32 * i + 16);
		}
	}
#pragma GCC unroll 4
	for (i = 0; i < 4; i++) {
		if (i / 2 >= blocks)
			continue;
		npu_constants_load(&k, constant + 8 * i, NPU_CHANNELS, false, way);
		a[i] = npu_rq(a[i], &k, way);
		if (i % 2)
			to[i / 2] = npu_narrow_two(&a[i - 1], &d->bytes, way);
	}
}

/* @results one after the other, of inputs that lie one after the other, from a channel on. */
#define NPU_DEPTHWISE(name, is_signed, way)						\
NPU_APART void name(u8 *dst, const struct npu_depthwise *d, const u8 *const *x,	\
			   u64 at, u32 channel, u32 results)				\
{											\
	u32 n, period = d->ch->period;							\
	__m128i q[2];									\
											\
	for (; results; results -= n, dst += n, at += n, channel += n) {		\
		channel = channel < period ? channel : channel % period;		\
		n = min_t(u32, results, NPU_WIDTH);					\
		if (results >= 2 * NPU_WIDTH) {						\
			n = 2 * NPU_WIDTH;						\
			npu_depthwise_blocks(q, d, x, at, channel, 2, is_signed, way);	\
			_mm_storeu_si128((void *)dst, q[0]);				\
			_mm_storeu_si128((void *)(dst + NPU_WIDTH), q[1]);		\
		} else {								\
			npu_depthwise_blocks(q, d, x, at, channel, 1, is_signed, way);	\
			npu_store_bytes(dst, q[0], n);					\
		}									\
	}										\
}

NPU_DEPTHWISE(npu_depthwise_s8_small, true, NPU_WAY_SMALL)
NPU_DEPTHWISE(npu_depthwise_s8_any, true, NPU_WAY_ANY)
NPU_DEPTHWISE(npu_depthwise_u8_small, false, NPU_WAY_SMALL)
NPU_DEPTHWISE(npu_depthwise_u8_any, false, NPU_WAY_ANY)

/* The last block may only be a part of one if its inputs may be read to the end. */
NPU_SIMD void npu_depthwise_run(u8 *dst, const struct npu_depthwise *d, const u8 *const *x,
				u64 at, u32 channel, u32 results)
{
	bool small = d->ch->way == NPU_WAY_SMALL;

	if (d->ch->type == NPU_TYPE_S8)
		(small ? npu_depthwise_s8_small : npu_depthwise_s8_any)
			(dst, d, x, at, channel, results);
	else
		(small ? npu_depthwise_u8_small : npu_depthwise_u8_any)
			(dst, d, x, at, channel, results);
}

/* Up to 16 results; no more inputs than these are read. */
NPU_APART void npu_depthwise_few(u8 *dst, struct npu_depthwise *d, const u8 *const *x,
				 u64 at, u32 channel, u32 results)
{
	const u8 *from[NPU_TAPS];
	__m128i stage[NPU_TAPS];
	u32 t;

	for (t = 0; t < d->words->taps; t++) {
		stage[t] = npu_load_bytes(x[t] + at, results);
		from[t] = (const u8 *)&stage[t];
	}
	npu_depthwise_run(dst, d, from, 0, channel, results);
}

/* Results whose inputs lie one after the other, from @at on. */
NPU_SIMD void npu_depthwise_joined(u8 *dst, struct npu_depthwise *d, const u8 *const *x,
				   u64 at, u32 results)
{
	u32 whole = results - results % NPU_WIDTH;

	npu_depthwise_run(dst, d, x, at, 0, whole);
	if (whole < results)
		npu_depthwise_few(dst + whole, d, x, at + whole, whole % d->ch->period,
				  results - whole);
}

/*
 * A block of channels of four neighbouring pixels and a window of 3 x 3: each column of the
 * inputs becomes words once for all pixels that have it in their windows.
 */
NPU_INLINE void npu_depthwise_window(u8 *dst, s64 pitch, const struct npu_depthwise *d, u64 at,
				     u32 channel, bool is_signed)
{
	const struct npu_channel_words *words = d->words;
	const s32 *constant = words->constant[0] + channel;
	const u32 *start = words->start + channel;
	u32 i, p, column, step = d->ch->step;
	__m256i a[4][2], x[4];
	struct npu_constants k;
	const s16 *w;
	__m128i r, q;

#pragma GCC unroll 4
	for (p = 0; p < 4; p++)
#pragma GCC unroll 2
		for (i = 0; i < 2; i++)
			a[p][i] = _mm256_loadu_si256((const void *)(start + 8 * i));
#pragma GCC unroll 6
	for (column = 0; column < 6; column++, at += step) {
		r = _mm_loadu_si128((const void *)(d->from[0] + at));
		q = _mm_loadu_si128((const void *)(d->from[1] + at));
		x[0] = npu_words(_mm_unpacklo_epi8(r, q), is_signed);
		x[1] = npu_words(_mm_unpackhi_epi8(r, q), is_signed);
#pragma GCC unroll 2
		for (i = 0; i < 2; i++) {
			r = _mm_loadl_epi64((const void *)(d->from[2] + at + 8 * i));
			x[2 + i] = is_signed ? _mm256_cvtepi8_epi32(r) : _mm256_cvtepu8_epi32(r);
		}
#pragma GCC unroll 4
		for (p = 0; p < 4; p++) {
			if (column < p || column > p + 2)
				continue;
			w = words->w[2 * (column - p)][channel];
#pragma GCC unroll 4
			for (i = 0; i < 4; i++)
				a[p][i % 2] = npu_dot2_from(a[p][i % 2], x[i], w + i % 2 * 16 +
							    i / 2 * 2 * NPU_CHANNELS);
		}
	}
#pragma GCC unroll 2
	for (i = 0; i < 2; i++) {
		npu_constants_load(&k, constant + 8 * i, NPU_CHANNELS, false, NPU_WAY_SMALL);
#pragma GCC unroll 4
		for (p = 0; p < 4; p++)
			a[p][i] = npu_rq_small(a[p][i], &k);
	}
#pragma GCC unroll 4
	for (p = 0; p < 4; p++)
		_mm_storeu_si128((void *)(dst + p * pitch),
				 npu_narrow_two(a[p], &d->bytes, NPU_WAY_SMALL));
}

#define NPU_WINDOWS(name, is_signed)							\
NPU_APART void name(u8 *dst, s64 pitch, const struct npu_depthwise *d, u64 at,	\
			   u32 channel, u32 pixels)					\
{											\
	u32 p;										\
											\
	for (p = 0; p < pixels; p += 4, dst += 4 * pitch, at += 4ull * d->ch->step)	\
		npu_depthwise_window(dst, pitch, d, at, channel, is_signed);		\
}

NPU_WINDOWS(npu_depthwise_windows_s8, true)
NPU_WINDOWS(npu_depthwise_windows_u8, false)

/* Four pixels at a time, as long as they have no padding. Returns how many were made. */
NPU_SIMD u32 npu_depthwise_shared(u8 *dst, s64 pitch, struct npu_depthwise *d, u32 pixel)
{
	u32 c, n, p, pixels = (d->outside - pixel) & ~3u, channels = d->ch->channels;
	u64 at = (u64)d->ch->step * pixel;

	if (!d->ch->shared || d->ch->way != NPU_WAY_SMALL || channels < NPU_WIDTH)
		return 0;
	for (c = 0; c + NPU_WIDTH <= channels; c += NPU_WIDTH) {
		if (d->ch->type == NPU_TYPE_S8)
			npu_depthwise_windows_s8(dst + c, pitch, d, at + c, c, pixels);
		else
			npu_depthwise_windows_u8(dst + c, pitch, d, at + c, c, pixels);
	}
	n = channels - c;
	for (p = 0; n && p < pixels; p++)
		npu_depthwise_few(dst + pitch * p + c, d, d->from, at + (u64)d->ch->step * p + c,
				  c, n);
	return pixels;
}

/* Results of some pixels, one after the other; all channels have the same inputs. */
NPU_APART void npu_depthwise_single(u8 *dst, struct npu_depthwise *d, u32 pixel, u32 pixels)
{
	u32 t, i, c, channels = d->ch->channels;
	u64 inputs, at, step = d->ch->step;
	__m128i stage[NPU_TAPS], control;
	u8 which[NPU_WIDTH];

	for (i = 0; i < NPU_WIDTH; i++)
		which[i] = pixels > 1 ? (u8)(i / channels) : 0;
	control = _mm_loadu_si128((const void *)which);
	for (t = 0; t < d->words->taps; t++) {
		inputs = 0;
		for (i = pixels, at = (pixel + pixels) * step; i; i--) {
			at -= step;
			inputs = inputs << 8 | (npu_tap_inside(d, t, pixel + i - 1) ?
						d->from[t][at] : (u8)d->ch->zero_point);
		}
		stage[t] = _mm_shuffle_epi8(_mm_cvtsi64_si128((s64)inputs), control);
		d->x[t] = (const u8 *)&stage[t];
	}
	for (c = 0; c < channels * pixels; c += NPU_WIDTH)
		npu_depthwise_run(dst + c, d, d->x, 0, c,
				  min_t(u32, channels * pixels - c, NPU_WIDTH));
}

/* How many pixels a block has room for, if their results are neighbours. */
NPU_INLINE u32 npu_depthwise_parts(const struct npu_channels *ch, s64 pitch)
{
	if (pitch != ch->channels || ch->channels > NPU_WIDTH / 2)
		return 1;
	return min_t(u32, NPU_WIDTH / ch->channels, sizeof(u64));
}

/* Results of one pixel, some of whose inputs are padding. */
NPU_SIMD void npu_depthwise_edge(u8 *dst, struct npu_depthwise *d, u32 pixel)
{
	u64 at = (u64)d->ch->step * pixel;
	u32 t;

	for (t = 0; t < d->words->taps; t++)
		d->x[t] = npu_tap_inside(d, t, pixel) ? d->from[t] + at : d->words->pad;
	npu_depthwise_joined(dst, d, d->x, 0, d->ch->channels);
}

NPU_SIMD void npu_depthwise_taps(struct npu_depthwise *d, u32 pixels)
{
	u32 i, t;

	d->inside = 0;
	d->outside = pixels;
	for (i = 0; i < d->words->taps; i++) {
		t = d->words->tap[i];
		d->from[i] = d->taps->from[t];
		d->inside = max_t(u32, d->inside, d->taps->first[t]);
		d->outside = min_t(u32, d->outside, d->taps->end[t]);
	}
}

NPU_SIMD void npu_depthwise(u8 *dst, s64 pitch, const struct npu_channels *ch,
			    const struct npu_taps *taps, u32 pixels)
{
	struct npu_depthwise d;
	u32 p, n;

	if (ch->way == NPU_WAY_PORTABLE) {
		npu_kernels_portable.depthwise(dst, pitch, ch, taps, pixels);
		return;
	}
	d.ch = ch;
	d.words = (const void *)ch->data;
	d.taps = taps;
	d.bytes = npu_bytes(&ch->limits, ch->type == NPU_TYPE_S8);
	npu_depthwise_taps(&d, pixels);
	for (p = 0; p < pixels; p += n, dst += pitch * n) {
		n = 1;
		if (ch->single) {
			n = min_t(u32, npu_depthwise_parts(ch, pitch), pixels - p);
			npu_depthwise_single(dst, &d, p, n);
		} else if (p < d.inside || p >= d.outside) {
			npu_depthwise_edge(dst, &d, p);
		} else {
			n = npu_depthwise_shared(dst, pitch, &d, p);
			if (n)
				continue;
			n = 1;
			if (ch->step == ch->channels && pitch == ch->channels)
				n = d.outside - p;
			npu_depthwise_joined(dst, &d, d.from, (u64)ch->step * p, n * ch->channels);
		}
	}
	_mm256_zeroupper();
}

const struct npu_kernels npu_kernels_avx2 = {
	.name		= "avx2",
	.pack		= npu_pack,
	.mac		= npu_mac,
	.store		= npu_store,
	.channels	= npu_channels,
	.depthwise	= npu_depthwise,
};

#endif /* NPU_X86 */

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The portable inner loops. Memory of the device is seen through types that
 * may alias, because programs use the same bytes as anything they like.
 */
#include "npu_kernels.h"

#ifdef NPU_ARM64
#include <sys/auxv.h>
#include <asm/hwcap.h>
#endif

typedef s16 __attribute__((__may_alias__)) s16_any;
typedef s32 __attribute__((__may_alias__)) s32_any;

/*
 * Two rows share one 64-bit word of a patch, the second in the upper half, so
 * that one multiplication serves both. The halves come apart exactly while
 * the sum of the lower one fits 32 bits: 256 * 2^15 * 255 < 2^31.
 */
#define NPU_MAC_RUN	256

static void npu_widen(s32 *dst, const void *src, u32 type, s32 zero_point, u32 n)
{
	u32 zp = (u32)zero_point;
	const s32_any *w = src;
	const s16_any *h = src;
	const s8 *b = src;
	const u8 *u = src;
	u32 i;

	switch (type) {
	case NPU_TYPE_BOOL:
	case NPU_TYPE_U8:
		for (i = 0; i < n; i++)
			dst[i] = (s32)(u[i] - zp);
		break;
	case NPU_TYPE_S8:
		for (i = 0; i < n; i++)
			dst[i] = (s32)((u32)b[i] - zp);
		break;
	case NPU_TYPE_S16:
		for (i = 0; i < n; i++)
			dst[i] = (s32)((u32)h[i] - zp);
		break;
	default:
		for (i = 0; i < n; i++)
			dst[i] = (s32)((u32)w[i] - zp);
		break;
	}
}

static void npu_narrow(void *dst, const s32 *src, u32 type, u32 n)
{
	s32_any *w = dst;
	s16_any *h = dst;
	u8 *b = dst;
	u32 i;

	switch (type) {
	case NPU_TYPE_BOOL:
	case NPU_TYPE_U8:
	case NPU_TYPE_S8:
		for (i = 0; i < n; i++)
			b[i] = (u8)src[i];
		break;
	case NPU_TYPE_S16:
		for (i = 0; i < n; i++)
			h[i] = (s16)src[i];
		break;
	default:
		for (i = 0; i < n; i++)
			w[i] = src[i];
		break;
	}
}

/* One lane of a pair: the first is assigned, the second added in the upper half. */
static void npu_pack_lane(u64 *dst, u32 lane, const void *src, u32 type, s32 zp, u32 n)
{
	u64 keep = lane % 2 ? ~0ull : 0;
	u32 up = lane % 2 * 32;
	const s16_any *h = src;
	const s8 *b = src;
	const u8 *u = src;
	u32 i;

	switch (type) {
	case NPU_TYPE_U8:
		for (i = 0; i < n; i++)
			dst[i] = (dst[i] & keep) + ((u64)((s64)u[i] - zp) << up);
		break;
	case NPU_TYPE_S8:
		for (i = 0; i < n; i++)
			dst[i] = (dst[i] & keep) + ((u64)((s64)b[i] - zp) << up);
		break;
	default:
		for (i = 0; i < n; i++)
			dst[i] = (dst[i] & keep) + ((u64)((s64)h[i] - zp) << up);
		break;
	}
}

static void npu_pack(struct npu_patch *p, u32 lane, u32 lanes, u32 at, const void *const *row,
		     u32 n)
{
	u32 l;

	p->offset = 0;
	for (l = lane; l < lane + lanes; l++, row++)
		npu_pack_lane(p->data + l / 2 * NPU_PATCH_TERMS + at, l, *row, p->type,
			      p->zero_point, n);
}

static u64 npu_dot_s8(const u64 *patch, const s8 *w, u32 n)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i + 4 <= n; i += 4) {
		sum += patch[i] * (u64)(s64)w[i];
		sum += patch[i + 1] * (u64)(s64)w[i + 1];
		sum += patch[i + 2] * (u64)(s64)w[i + 2];
		sum += patch[i + 3] * (u64)(s64)w[i + 3];
	}
	for (; i < n; i++)
		sum += patch[i] * (u64)(s64)w[i];
	return sum;
}

static u64 npu_dot_u8(const u64 *patch, const u8 *w, u32 n)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i + 4 <= n; i += 4) {
		sum += patch[i] * w[i];
		sum += patch[i + 1] * w[i + 1];
		sum += patch[i + 2] * w[i + 2];
		sum += patch[i + 3] * w[i + 3];
	}
	for (; i < n; i++)
		sum += patch[i] * w[i];
	return sum;
}

/* Both lanes of a pair. */
static void npu_mac_pair(u32 *acc, const u64 *patch, const u8 *column, u32 type, u32 n)
{
	u32 i, run;
	u64 sum;
	s32 low;

	for (i = 0; i < n; i += run) {
		run = min_t(u32, n - i, NPU_MAC_RUN);
		if (type == NPU_TYPE_S8)
			sum = npu_dot_s8(patch + i, (const s8 *)column + i, run);
		else
			sum = npu_dot_u8(patch + i, column + i, run);
		low = (s32)(u32)sum;
		acc[0] += (u32)low;
		acc[1] += (u32)((sum - (u64)(s64)low) >> 32);
	}
}

static void npu_mac(u32 *acc, struct npu_patch *p, const void *w, u32 type, s64 pitch,
		    u32 columns, const u32 *start, bool fresh)
{
	u32 pairs = (p->lanes + 1) / 2;
	const u8 *column = w;
	u32 c, i;

	for (c = 0; c < columns; c++, column += pitch, acc += NPU_LANES) {
		for (i = 0; i < pairs * 2; i++)
			acc[i] = start[c] + (fresh ? 0 : acc[i]);
		for (i = 0; i < pairs; i++)
			npu_mac_pair(acc + 2 * i, p->data + i * NPU_PATCH_TERMS, column, type,
				     p->terms);
	}
}

static void npu_sums(u32 *sum, const void *w, u32 type, s64 pitch, u32 columns, u32 n)
{
	const u8 *column = w;
	u32 c, i;

	for (c = 0; c < columns; c++, column += pitch) {
		sum[c] = 0;
		for (i = 0; i < n; i++)
			sum[c] += type == NPU_TYPE_S8 ? (u32)(s8)column[i] : column[i];
	}
}

static void npu_store(void *dst, s64 pitch, u32 type, const u32 *acc,
		      const struct npu_scaling *scaling, u32 lanes, u32 columns)
{
	u8 *row = dst;
	u32 l, c;
	s32 x;

	for (l = 0; l < lanes; l++, row += pitch) {
		for (c = 0; c < columns; c++) {
			x = npu_limit(npu_rq32((s32)acc[c * NPU_LANES + l],
					       scaling->factor[c * scaling->step]),
				      scaling->limits);
			if (type == NPU_TYPE_S16)
				((s16_any *)row)[c] = (s16)x;
			else
				row[c] = (u8)x;
		}
	}
}

static void npu_channels(struct npu_channels *ch, const u8 *w, const s32 *bias,
			 const struct npu_factor *factor)
{
	struct npu_channels_plain *plain = (void *)ch->data;
	u32 t, c;

	for (t = 0; t < ch->taps; t++)
		for (c = 0; c < ch->period; c++, w++)
			plain->w[t][c] = (s16)((ch->weight_type == NPU_TYPE_S8 ? (s8)*w : *w) -
					       ch->weight_zero_point);
	memcpy(plain->bias, bias, ch->period * sizeof(*bias));
	memcpy(plain->factor, factor, ch->period * sizeof(*factor));
}

/* Some channels of a pixel. */
static void npu_depthwise_run(u8 *dst, const struct npu_channels *ch, const struct npu_taps *taps,
			      u32 pixel, u32 channel, u32 n)
{
	const struct npu_channels_plain *plain = (const void *)ch->data;
	u32 acc[NPU_GROUP];
	const s16 *w;
	const u8 *x;
	u32 t, c;
	s32 zero;

	for (c = 0; c < n; c++)
		acc[c] = (u32)plain->bias[channel + c];
	for (t = 0; t < ch->taps; t++) {
		if (pixel < taps->first[t] || pixel >= taps->end[t])
			continue;
		w = &plain->w[t][channel];
		x = taps->from[t] + (u64)ch->step * pixel + (ch->single ? 0 : channel);
		zero = ch->zero_point;
		for (c = 0; c < n; c++) {
			acc[c] += (u32)(((ch->type == NPU_TYPE_S8 ? (s8)*x : *x) - zero) * w[c]);
			x += !ch->single;
		}
	}
	for (c = 0; c < n; c++)
		dst[c] = (u8)npu_limit(npu_rq32((s32)acc[c], plain->factor[channel + c]),
				       &ch->limits);
}

static void npu_depthwise(u8 *dst, s64 pitch, const struct npu_channels *ch,
			  const struct npu_taps *taps, u32 pixels)
{
	u32 p, c;

	for (p = 0; p < pixels; p++, dst += pitch)
		for (c = 0; c < ch->channels; c += NPU_GROUP)
			npu_depthwise_run(dst + c, ch, taps, p, c,
					  min_t(u32, ch->channels - c, NPU_GROUP));
}

static void npu_mac_channel(u32 *acc, const s32 *x, const void *w, u32 type,
			    s32 zero_point, u32 n)
{
	u32 zp = (u32)zero_point;
	const s16_any *h = w;
	const s8 *b = w;
	const u8 *u = w;
	u32 i;

	switch (type) {
	case NPU_TYPE_S8:
		for (i = 0; i < n; i++)
			acc[i] += (u32)x[i] * ((u32)b[i] - zp);
		break;
	case NPU_TYPE_S16:
		for (i = 0; i < n; i++)
			acc[i] += (u32)x[i] * ((u32)h[i] - zp);
		break;
	default:
		for (i = 0; i < n; i++)
			acc[i] += (u32)x[i] * (u[i] - zp);
		break;
	}
}

static s64 npu_weight(const void *w, u32 type, u32 i)
{
	const s16_any *h = w;
	const s8 *b = w;
	const u8 *u = w;

	return type == NPU_TYPE_S16 ? h[i] : type == NPU_TYPE_S8 ? b[i] : u[i];
}

static void npu_mac_wide(u64 *acc, const s16 *x, s32 zero_point, const void *w, u32 type,
			 s64 pitch, u32 columns, u32 n)
{
	const u8 *column = w;
	u32 c, i;

	for (c = 0; c < columns; c++, column += pitch)
		for (i = 0; i < n; i++)
			acc[c] += (u64)((s64)x[i] - zero_point) *
				  (u64)npu_weight(column, type, i);
}

static void npu_mac_channel_wide(u64 *acc, const s32 *x, const void *w, u32 type,
				 s32 zero_point, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		acc[i] += (u64)(s64)x[i] * (u64)(npu_weight(w, type, i) - zero_point);
}

static void npu_sum(u32 *acc, const s32 *x, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		acc[i] += (u32)x[i];
}

static u32 npu_total(const s32 *x, u32 n)
{
	u32 sum = 0;
	u32 i;

	for (i = 0; i < n; i++)
		sum += (u32)x[i];
	return sum;
}

static void npu_max(s32 *acc, const s32 *x, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (x[i] > acc[i])
			acc[i] = x[i];
}

static void npu_requant(s32 *dst, const u32 *acc, const struct npu_factor *factor,
			u32 step, const struct npu_limits *limits, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++, factor += step)
		dst[i] = npu_limit(npu_rq32((s32)acc[i], *factor), limits);
}

static void npu_requant_wide(s32 *dst, const u64 *acc, const struct npu_factor *factor,
			     u32 step, const struct npu_limits *limits, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++, factor += step)
		dst[i] = npu_limit(npu_rq64((s64)acc[i], *factor), limits);
}

static s32 npu_scaled(s32 x, u32 left_shift, struct npu_factor f)
{
	return npu_rq32((s32)((u32)x << left_shift), f);
}

static void npu_eltwise(s32 *dst, const s32 *a, const s32 *b, u32 op, u32 left_shift,
			const struct npu_factor factor[3],
			const struct npu_limits *limits, u32 n)
{
	const struct npu_factor fa = factor[0], fb = factor[1], fo = factor[2];
	u32 x, y, i;

	if (op == NPU_ELTWISE_MUL || op == NPU_ELTWISE_PRELU) {
		for (i = 0; i < n; i++) {
			x = (u32)a[i] * (u32)b[i];
			if (op == NPU_ELTWISE_PRELU && a[i] >= 0)
				dst[i] = npu_limit(npu_rq32(a[i], fa), limits);
			else
				dst[i] = npu_limit(npu_rq32((s32)x, fo), limits);
		}
		return;
	}
	for (i = 0; i < n; i++) {
		x = (u32)npu_scaled(a[i], left_shift, fa);
		y = (u32)npu_scaled(b[i], left_shift, fb);
		x = op == NPU_ELTWISE_ADD ? x + y : x - y;
		if (op == NPU_ELTWISE_SQUARED_DIFFERENCE)
			x *= x;
		dst[i] = npu_limit(npu_rq32((s32)x, fo), limits);
	}
}

static void npu_pick(s32 *dst, const s32 *a, const s32 *b, u32 op,
		     const struct npu_limits *limits, u32 n)
{
	bool least = op == NPU_ELTWISE_MIN;
	s32 x;
	u32 i;

	for (i = 0; i < n; i++) {
		x = (a[i] < b[i]) == least ? a[i] : b[i];
		dst[i] = clamp_t(s32, x, limits->min, limits->max);
	}
}

static void npu_lut(u8 *dst, const u8 *src, const u8 *table, u8 flip, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		dst[i] = table[src[i] ^ flip];
}

const struct npu_kernels npu_kernels_portable = {
	.name		= "portable",
	.widen		= npu_widen,
	.narrow		= npu_narrow,
	.pack		= npu_pack,
	.sums		= npu_sums,
	.mac		= npu_mac,
	.store		= npu_store,
	.channels	= npu_channels,
	.depthwise	= npu_depthwise,
	.mac_channel	= npu_mac_channel,
	.mac_wide	= npu_mac_wide,
	.mac_channel_wide = npu_mac_channel_wide,
	.sum		= npu_sum,
	.total		= npu_total,
	.maximum	= npu_max,
	.requant	= npu_requant,
	.requant_wide	= npu_requant_wide,
	.eltwise	= npu_eltwise,
	.pick		= npu_pick,
	.lut		= npu_lut,
};

/**
 * npu_kernels_fill() - complete a set
 * @to: result
 * @from: a set that may lack some members
 */
void npu_kernels_fill(struct npu_kernels *to, const struct npu_kernels *from)
{
	*to = *from;
#define NPU_FILL(name)	(to->name = to->name ?: npu_kernels_portable.name)
	NPU_FILL(widen);
	NPU_FILL(narrow);
	NPU_FILL(pack);
	NPU_FILL(sums);
	NPU_FILL(mac);
	NPU_FILL(store);
	NPU_FILL(channels);
	NPU_FILL(depthwise);
	NPU_FILL(mac_channel);
	NPU_FILL(mac_wide);
	NPU_FILL(mac_channel_wide);
	NPU_FILL(sum);
	NPU_FILL(total);
	NPU_FILL(maximum);
	NPU_FILL(requant);
	NPU_FILL(requant_wide);
	NPU_FILL(eltwise);
	NPU_FILL(pick);
	NPU_FILL(lut);
#undef NPU_FILL
}

#ifndef __KERNEL__
/* Sets that this processor can run, the best first. */
static const struct npu_kernels *npu_kernels_list(u32 i)
{
	const struct npu_kernels *list[5] = { NULL };
	u32 n = 0;

#ifdef NPU_X86
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	    __builtin_cpu_supports("avx512vnni"))
		list[n++] = &npu_kernels_avx512;
	if (__builtin_cpu_supports("avx2"))
		list[n++] = &npu_kernels_avx2;
#endif
#ifdef NPU_ARM64
	if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP)
		list[n++] = &npu_kernels_neon;
#endif
	list[n] = &npu_kernels_portable;
	return list[i];
}

/**
 * npu_kernels_find() - a set for this processor
 * @name: of the set, NULL: the best one
 *
 * Return: the set, NULL if there is none of this name or the processor cannot run it.
 */
const struct npu_kernels *npu_kernels_find(const char *name)
{
	const struct npu_kernels *k;
	u32 i;

	for (i = 0; (k = npu_kernels_list(i)); i++)
		if (!name || !strcmp(name, k->name))
			return k;
	return NULL;
}
#endif

// SPDX-License-Identifier: MIT
/*
 * Each set of inner loops against the portable one, over random shapes, with memory that ends
 * where it has to end.
 */
#include <stdlib.h>
#include <string.h>

#include "npu_kernels.h"
#include "test.h"

static struct npu_kernels portable, set;

static u32 below(u32 n)
{
	return (u32)(test_random() % n);
}

static s32 between(s32 low, s32 high)
{
	return low + (s32)below((u32)(high - low) + 1);
}

/* Bytes that somebody may have put there, in memory of exactly this size. */
static void *noise(size_t size)
{
	u8 *p = malloc(size ? size : 1);
	size_t i;
	u32 kind = below(8);

	for (i = 0; p && i < size; i++)
		p[i] = kind ? (u8)test_random() : (u8)(below(2) ? 0x80 : 0x7f);
	if (!p)
		abort();
	return p;
}

static u32 byte_type(void)
{
	return below(2) ? NPU_TYPE_S8 : NPU_TYPE_U8;
}

static s32 byte_zero(u32 type)
{
	if (!below(3))
		return 0;
	return type == NPU_TYPE_S8 ? between(-128, 127) : between(0, 255);
}

/* ---- Products ---------------------------------------------------------------------------- */

#define PIECES	8

struct dense {
	struct npu_patch patch;
	u32 pieces;
	u32 at[PIECES];
	u32 n[PIECES];
	u8 *row[PIECES][NPU_LANES];
	u32 weight;
	s64 pitch;
	u32 columns;
	u8 *w;
	s32 bias[NPU_COLUMNS];
};

static void dense_make(struct dense *d)
{
	u32 i, l, c, at = 0, room = 4 * (1 + below(below(4) ? 24 : 256));

	d->patch.type = below(8) ? byte_type() : NPU_TYPE_S16;
	d->patch.zero_point = d->patch.type == NPU_TYPE_S16 ? between(-32768, 32767) :
							      byte_zero(d->patch.type);
	d->patch.lanes = below(4) ? 1 + below(NPU_LANES) : 1 + below(3);
	for (d->pieces = 0; d->pieces < PIECES && at < room; d->pieces++) {
		i = d->pieces;
		d->at[i] = at;
		d->n[i] = 1 + below(min_t(u32, room - at, below(2) ? 40 : 1024));
		at += (d->n[i] + 3) & ~3u;
		for (l = 0; l < d->patch.lanes; l++)
			d->row[i][l] = noise(d->n[i] * (d->patch.type == NPU_TYPE_S16 ? 2 : 1));
	}
	d->patch.terms = at;
	d->weight = byte_type();
	d->columns = 1 + below(40);
	d->pitch = at + below(20);
	d->w = noise((size_t)d->pitch * (d->columns - 1) + at);
	/* What no piece has is multiplied by 0. */
	for (c = 0; c < d->columns; c++)
		for (i = 0; i < d->pieces; i++)
			for (l = d->at[i] + d->n[i]; l % 4; l++)
				d->w[d->pitch * c + l] = 0;
	for (c = 0; c < d->columns; c++)
		d->bias[c] = (s32)test_random();
}

static void dense_free(struct dense *d)
{
	u32 i, l;

	for (i = 0; i < d->pieces; i++)
		for (l = 0; l < d->patch.lanes; l++)
			free(d->row[i][l]);
	free(d->w);
}

/* As the model does it. */
static void dense_run(const struct npu_kernels *k, struct dense *d, u32 *acc, bool fresh)
{
	u32 sum[NPU_COLUMNS], start[NPU_COLUMNS];
	u32 i, l, c;

	memset(d->patch.data, 0x5a, sizeof(d->patch.data));
	for (i = 0; i < d->pieces; i++)
		for (l = 0; l < d->patch.lanes; l += NPU_GROUP)
			k->pack(&d->patch, l, min_t(u32, d->patch.lanes - l, NPU_GROUP), d->at[i],
				(const void *const *)&d->row[i][l], d->n[i]);
	k->sums(sum, d->w, d->weight, d->pitch, d->columns, d->patch.terms);
	for (c = 0; c < d->columns; c++)
		start[c] = (u32)d->bias[c] - (u32)d->patch.offset * sum[c];
	k->mac(acc, &d->patch, d->w, d->weight, d->pitch, d->columns, start, fresh);
}

static bool dense_case(void)
{
	static u32 want[NPU_LANES * (NPU_COLUMNS + 16)], got[NPU_LANES * (NPU_COLUMNS + 16)];
	static struct dense d;
	bool fresh = below(2), good = true;
	u32 c, l;

	dense_make(&d);
	for (c = 0; c < d.columns * NPU_LANES; c++)
		want[c] = got[c] = (u32)test_random();
	dense_run(&portable, &d, want, fresh);
	dense_run(&set, &d, got, fresh);
	for (c = 0; c < d.columns && good; c++)
		for (l = 0; l < d.patch.lanes && good; l++)
			good = want[c * NPU_LANES + l] == got[c * NPU_LANES + l];
	if (!good)
		printf("# lanes %u, terms %u in %u pieces, columns %u, types %u and %u, zero %d\n",
		       d.patch.lanes, d.patch.terms, d.pieces, d.columns, d.patch.type, d.weight,
		       d.patch.zero_point);
	dense_free(&d);
	return good;
}

/* ---- Scaling ------------------------------------------------------------------------------- */

static struct npu_factor some_factor(void)
{
	struct npu_factor f;

	f.multiplier = below(8) ? (s32)((1u << 30) + below(1u << 30)) : (s32)test_random();
	f.shift = below(8) ? -(s32)below(16) : between(-31, 31);
	return f;
}

static struct npu_limits some_limits(u32 type)
{
	s32 low = type == NPU_TYPE_U8 ? 0 : type == NPU_TYPE_S8 ? -128 : -32768;
	s32 high = type == NPU_TYPE_U8 ? 255 : type == NPU_TYPE_S8 ? 127 : 32767;
	struct npu_limits l = { .zero_point = between(low, high), .min = low, .max = high };

	if (below(2)) {
		l.min = between(low, high);
		l.max = between(l.min, high);
	}
	return l;
}

static s32 some_sum(bool small)
{
	s32 x = (s32)test_random() >> below(31);

	if (!below(16))
		x = below(2) ? NPU_S32_MIN : NPU_S32_MAX;
	return small ? clamp_t(s32, x, -(1 << 30) + 1, (1 << 30) - 1) : x;
}

static bool store_case(void)
{
	static u32 acc[NPU_LANES * (64 + 16)];
	static struct npu_factor factor[64 + 64];
	u32 type = below(6) ? byte_type() : NPU_TYPE_S16, esize = type == NPU_TYPE_S16 ? 2 : 1;
	u32 lanes = 1 + below(NPU_LANES), columns = 1 + below(64), i;
	struct npu_limits limits = some_limits(type);
	struct npu_scaling scaling = {
		.factor = factor,
		.step = below(4) != 0,
		.limits = &limits,
		.small = below(2),
	};
	s64 pitch = (s64)(columns + below(32)) * esize;
	size_t size = (size_t)pitch * (lanes - 1) + columns * esize;
	u8 *want = noise(size), *got = malloc(size);
	bool odd = !below(3), good;

	memcpy(got, want, size);
	for (i = 0; i < ARRAY_SIZE(acc); i++)
		acc[i] = (u32)some_sum(scaling.small);
	for (i = 0; i < ARRAY_SIZE(factor); i++) {
		factor[i] = some_factor();
		if (!odd)
			factor[i].multiplier |= 1 << 30;
	}
	portable.store(want, pitch, type, acc, &scaling, lanes, columns);
	set.store(got, pitch, type, acc, &scaling, lanes, columns);
	good = !memcmp(want, got, size);
	if (!good)
		printf("# lanes %u, columns %u, type %u, step %u, small %d\n", lanes, columns,
		       type, scaling.step, scaling.small);
	free(want);
	free(got);
	return good;
}

/* ---- Depthwise ------------------------------------------------------------------------------- */

#define ROOM	(1u << 16)

/* A window of some rows and columns over one image of a few rows. */
struct depthwise {
	struct npu_channels ch;
	struct npu_taps taps;
	u32 rows;
	u32 columns;
	u32 pixels;
	s64 pitch;
	u8 *image;
	u8 *w;
	s32 bias[NPU_COLUMNS + 64];
	struct npu_factor factor[NPU_COLUMNS + 64];
};

static void repeat(struct depthwise *d, u32 have)
{
	u32 t, c;

	for (c = have; c < d->ch.period; c++) {
		d->bias[c] = d->bias[c - have];
		d->factor[c] = d->factor[c - have];
		for (t = 0; t < d->ch.taps; t++)
			d->w[t * d->ch.period + c] = d->w[t * d->ch.period + c - have];
	}
}

/* Taps in groups of columns if the set may share them, else in any order. */
static void depthwise_taps(struct depthwise *d, u32 in)
{
	bool by_column = d->rows == 3 || d->rows == 4;
	u32 width = d->ch.step / in * (d->pixels - 1) + d->columns;
	u32 pad = below(3), ky, kx, t, i;

	d->image = noise((size_t)width * in * d->rows);
	d->ch.taps = by_column ? d->columns * 4 : (d->rows * d->columns + 3) & ~3u;
	for (t = 0; t < d->ch.taps; t++) {
		d->taps.from[t] = noise(d->pixels * d->ch.step + d->ch.channels);
		d->taps.first[t] = 0;
		d->taps.end[t] = d->pixels;
	}
	d->w = noise((size_t)d->ch.taps * d->ch.period);
	for (t = 0; t < d->ch.taps; t++)
		for (i = 0; by_column && t % 4 >= d->rows && i < d->ch.period; i++)
			d->w[t * d->ch.period + i] = (u8)d->ch.weight_zero_point;
	for (ky = 0; ky < d->rows; ky++)
		for (kx = 0; kx < d->columns; kx++) {
			t = by_column ? kx * 4 + ky : ky * d->columns + kx;
			if (!below(8))
				continue;
			free((void *)d->taps.from[t]);
			d->taps.from[t] = d->image + (ky * width + kx) * in;
			d->taps.first[t] = kx < pad ? pad - kx : 0;
			d->taps.end[t] = d->pixels - min_t(u32, d->pixels,
							   kx + pad >= d->columns ?
							   kx + pad + 1 - d->columns : 0);
		}
	/* Only if no row is left out. */
	d->ch.shared = d->rows == 3 && d->columns == 3 && d->ch.step == in;
	for (t = 0; d->ch.shared && t < d->ch.taps; t++)
		if (t % 4 < 3 && t >= 4)
			d->ch.shared = d->taps.from[t] == d->taps.from[t - 4] + in;
}

static void depthwise_free(struct depthwise *d)
{
	size_t size = (size_t)((d->ch.single ? 1 : d->ch.channels) * d->rows) *
		      (d->ch.step / (d->ch.single ? 1 : d->ch.channels) * (d->pixels - 1) +
		       d->columns);
	u32 t;

	for (t = 0; t < d->ch.taps; t++)
		if (d->taps.from[t] < d->image || d->taps.from[t] >= d->image + size)
			free((void *)d->taps.from[t]);
	free(d->image);
	free(d->w);
}

static void depthwise_make(struct depthwise *d)
{
	static const u32 likely[] = { 8, 16, 24, 32, 48, 64, 96, 128, 144, 256 };
	u32 i, in, room, odd;

	d->ch.type = byte_type();
	d->ch.zero_point = byte_zero(d->ch.type);
	d->ch.weight_type = byte_type();
	d->ch.weight_zero_point = below(3) ? (d->ch.weight_type == NPU_TYPE_U8 && below(2) ? 128 : 0) :
					     byte_zero(d->ch.weight_type);
	d->ch.single = !below(4);
	d->ch.channels = below(3) ? likely[below(ARRAY_SIZE(likely))] : 1 + below(200);
	d->rows = below(2) ? 3 : 1 + below(5);
	d->columns = below(2) ? 3 : 1 + below(5);
	/* Up to NPU_TAPS, and up to all weights that a stage of the model has room for. */
	if (!below(16)) {
		d->rows = 1 + below(64);
		d->columns = 1 + below(d->rows == 3 || d->rows == 4 ? 16 : 64 / d->rows);
	}
	if (!below(16))
		d->ch.channels = 1 + below(512);
	d->pixels = 1 + below(20);
	in = d->ch.single ? 1 : d->ch.channels;
	d->ch.step = in * (below(2) ? 1 : 1 + below(3));
	d->pitch = d->ch.channels + (below(3) ? 0 : below(40));
	d->ch.period = d->ch.channels;
	room = 512;
	while (d->ch.period % 64 && d->ch.period + d->ch.channels <= room)
		d->ch.period += d->ch.channels;
	if (d->ch.period % 64)
		d->ch.period = d->ch.channels;
	d->ch.limits = some_limits(d->ch.type);
	d->ch.small = below(4) != 0;
	/* How often factors are not what is usual; not all of a layer are. */
	odd = below(3) ? 0 : 1 + below(64);
	for (i = 0; i < ARRAY_SIZE(d->bias); i++) {
		d->bias[i] = some_sum(true) / 2;
		d->factor[i] = some_factor();
		if (d->ch.small && (!odd || below(odd)))
			d->factor[i] = (struct npu_factor){ (1 << 30) + (s32)below(1u << 30),
							    -(s32)below(odd ? 31 : 20) };
	}
	depthwise_taps(d, in);
	repeat(d, d->ch.channels);
}

static bool depthwise_case(void)
{
	static struct depthwise d;
	u8 *want, *got;
	size_t size;
	bool good;

	depthwise_make(&d);
	size = (size_t)d.pitch * (d.pixels - 1) + d.ch.channels;
	want = noise(size);
	got = malloc(size);
	memcpy(got, want, size);
	portable.channels(&d.ch, d.w, d.bias, d.factor);
	portable.depthwise(want, d.pitch, &d.ch, &d.taps, d.pixels);
	set.channels(&d.ch, d.w, d.bias, d.factor);
	set.depthwise(got, d.pitch, &d.ch, &d.taps, d.pixels);
	good = !memcmp(want, got, size);
	if (!good)
		printf("# channels %u, period %u, single %d, step %u, pixels %u, pitch %d, window %u x %u,"
		       " types %u and %u, zeros %d and %d, small %d, shared %d\n",
		       d.ch.channels, d.ch.period, d.ch.single, d.ch.step, d.pixels, (int)d.pitch,
		       d.rows, d.columns, d.ch.type, d.ch.weight_type, d.ch.zero_point,
		       d.ch.weight_zero_point, d.ch.small, d.ch.shared);
	depthwise_free(&d);
	free(want);
	free(got);
	return good;
}

/* ---- Elements -------------------------------------------------------------------------------- */

#define ELEMENTS	100

static bool elements_case(void)
{
	static const u32 ops[] = { NPU_ELTWISE_ADD, NPU_ELTWISE_SUB, NPU_ELTWISE_MUL,
				   NPU_ELTWISE_SQUARED_DIFFERENCE, NPU_ELTWISE_PRELU };
	static const u32 types[] = { NPU_TYPE_S8, NPU_TYPE_U8, NPU_TYPE_S16, NPU_TYPE_S32 };
	u32 n = 1 + below(ELEMENTS), op = ops[below(ARRAY_SIZE(ops))], left = below(21), i;
	u32 type = types[below(ARRAY_SIZE(types))], step = below(2);
	u32 esize = type == NPU_TYPE_S32 ? 4 : type == NPU_TYPE_S16 ? 2 : 1;
	struct npu_limits limits = some_limits(type == NPU_TYPE_S32 ? NPU_TYPE_S16 : type);
	s32 *a = noise(n * 4), *b = noise(n * 4), *x = noise(n * 4), *y = noise(n * 4);
	s32 zero = between(-32768, 32767);
	u8 *narrow = noise(n * esize), *again = noise(n * esize);
	struct npu_factor *f = noise(max_t(u32, n, 3) * sizeof(*f));
	bool good;

	for (i = 0; i < max_t(u32, n, 3); i++)
		f[i] = some_factor();
	for (i = 0; i < n; i++) {
		a[i] = some_sum(false);
		b[i] = some_sum(false);
	}
	portable.eltwise(x, a, b, op, left, f, &limits, n);
	set.eltwise(y, a, b, op, left, f, &limits, n);
	good = !memcmp(x, y, n * 4);
	portable.narrow(narrow, x, type, n);
	set.narrow(again, x, type, n);
	good &= !memcmp(narrow, again, n * esize);
	portable.widen(x, narrow, type, zero, n);
	set.widen(y, narrow, type, zero, n);
	good &= !memcmp(x, y, n * 4);
	portable.sum((u32 *)x, a, n);
	set.sum((u32 *)y, a, n);
	good &= !memcmp(x, y, n * 4);
	portable.requant(x, (u32 *)b, f, step, &limits, n);
	set.requant(y, (u32 *)b, f, step, &limits, n);
	good &= !memcmp(x, y, n * 4);
	if (!good)
		printf("# %u elements, operation %u, type %u, step %u\n", n, op, type, step);
	free(a);
	free(b);
	free(x);
	free(y);
	free(narrow);
	free(again);
	free(f);
	return good;
}

static void run(const char *name, bool (*one)(void), u32 cases)
{
	u32 i;

	for (i = 0; i < cases; i++)
		if (!one())
			break;
	test_ok(i == cases, "%s: %u of %u random cases of %s", set.name, i, cases, name);
}

int main(void)
{
	static const char *const names[] = { "avx512", "avx2", "neon" };
	u64 seed = test_seed();
	u32 i;

	npu_kernels_fill(&portable, npu_kernels_find("portable"));
	test_ok(!npu_kernels_find("no such kernels"), "a set that there is not");
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!npu_kernels_find(names[i])) {
			test_ok(true, "%s # SKIP this processor cannot run it", names[i]);
			continue;
		}
		test_state = seed;
		npu_kernels_fill(&set, npu_kernels_find(names[i]));
		run("dense", dense_case, 3000);
		run("store", store_case, 10000);
		run("depthwise", depthwise_case, 10000);
		run("elements", elements_case, 20000);
	}
	return test_done();
}

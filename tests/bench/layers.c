// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layers.h"
#include "participant.h"

#define SAMPLES		4096u	/* elements of an output that are looked at, about */
#define WEIGHT_RMS	73.0	/* of random bytes from -127 to 127 */

static uint64_t seed = 1;

static uint32_t random_number(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33);
}

void layers_random(int8_t *data, size_t n)
{
	while (n--)
		*data++ = (int8_t)(random_number() % 255 - 127);
}

static void *allocate(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		participant_die("out of memory");
	return p;
}

static bool multiplies(const struct layer *l)
{
	return l->kind == LAYER_DENSE || l->kind == LAYER_CONV || l->kind == LAYER_DEPTHWISE;
}

/* Multiplications per output. */
static size_t taps(const struct layer *l)
{
	size_t area = (size_t)l->size[0] * l->size[1];

	return l->kind == LAYER_DEPTHWISE ? area : area * l->from->c;
}

/* As with batch normalisation: an output is about as wide as its type, whatever the input. */
static void make_weights(struct layer *l)
{
	double width = sqrt((double)taps(l)) * WEIGHT_RMS * 60 * (double)l->from->scale;
	size_t i, n = taps(l) * l->c;

	l->weights = allocate(n, 1);
	l->weight_scale = allocate(l->c, sizeof(float));
	l->bias = allocate(l->c, sizeof(int32_t));
	layers_random(l->weights, n);
	for (i = 0; i < l->c; i++) {
		double spread = 0.7 + 0.6 * (random_number() % 1000) / 1000;

		l->weight_scale[i] = (float)(60 * (double)l->scale * spread / width);
		l->bias[i] = (int32_t)(sqrt((double)taps(l)) *
				       ((int32_t)(random_number() % 2001) - 1000));
	}
	l->macs = (uint64_t)l->elements * taps(l);
}

/* SAME: what is odd is at the end. */
static void place(struct layer *l)
{
	const uint32_t in[2] = { l->from->h, l->from->w };
	uint32_t out[2], i, need;

	for (i = 0; i < 2; i++) {
		out[i] = (in[i] + l->stride - 1) / l->stride;
		need = (out[i] - 1) * l->stride + l->size[i];
		need = need > in[i] ? need - in[i] : 0;
		l->pad[i] = need / 2;
		l->pad[2 + i] = need - need / 2;
	}
	l->h = out[0];
	l->w = out[1];
}

static bool parse(struct layers *layers, struct layer *l, const char *line)
{
	unsigned int at = (unsigned int)(l - layers->layer), other;

	l->from = at ? l - 1 : NULL;
	l->stride = l->multiplier = l->size[0] = l->size[1] = 1;
	if (!at)
		return sscanf(line, "input %u %u %u", &l->h, &l->w, &l->c) == 3;
	if (sscanf(line, "dense %u", &l->c) == 1) {
		l->kind = LAYER_DENSE;
		place(l);
		return true;
	}
	if (sscanf(line, "conv %u %u %u %u", &l->c, &l->size[0], &l->size[1], &l->stride) == 4) {
		l->kind = LAYER_CONV;
		place(l);
		return true;
	}
	if (sscanf(line, "depthwise %u %u %u %u", &l->multiplier, &l->size[0], &l->size[1],
		   &l->stride) == 4) {
		l->kind = LAYER_DEPTHWISE;
		l->c = l->from->c * l->multiplier;
		place(l);
		return true;
	}
	l->c = l->from->c;
	if (sscanf(line, "add %u", &other) == 1 && other < at) {
		l->kind = LAYER_ADD;
		l->other = &layers->layer[other];
		l->h = l->from->h;
		l->w = l->from->w;
		return l->other->h == l->h && l->other->w == l->w && l->other->c == l->c;
	}
	if (sscanf(line, "pool %u %u", &l->size[0], &l->size[1]) == 2) {
		l->kind = LAYER_POOL;
		l->h = l->from->h / l->size[0];
		l->w = l->from->w / l->size[1];
		return l->h && l->w;
	}
	l->h = l->w = 1;
	if (!strncmp(line, "flat", 4)) {
		l->kind = LAYER_FLAT;
		l->c = (uint32_t)l->from->elements;
		return true;
	}
	l->kind = LAYER_MEAN;
	return !strncmp(line, "mean", 4);
}

/* Layers whose output means what their input means. */
static bool keeps_type(const struct layer *l)
{
	return l->kind == LAYER_MEAN || l->kind == LAYER_POOL || l->kind == LAYER_FLAT;
}

static void quantise(struct layer *l, const char *line)
{
	l->scale = 0.05f;
	/* None for what is added later: oneDNN cannot do that. */
	l->zero_point = l->kind == LAYER_DENSE ? 3 : 0;
	if (strstr(line, "relu6")) {
		l->scale = 6.0f / 255;
		l->zero_point = -128;
	} else if (strstr(line, "relu")) {
		l->scale = 0.05f;
		l->zero_point = -128;
	} else if (keeps_type(l)) {
		l->scale = l->from->scale;
		l->zero_point = l->from->zero_point;
	} else if (!l->from) {
		l->scale = 1.0f / 127;
	}
}

void layers_load(struct layers *layers, const char *folder, const char *name)
{
	char path[512], line[128];
	struct layer *l;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.layers", folder, name);
	f = fopen(path, "re");
	if (!f)
		participant_die("%s: %s", path, strerror(errno));
	memset(layers, 0, sizeof(*layers));
	/* Of a fixed size: they point to each other. */
	layers->layer = allocate(256, sizeof(*layers->layer));
	while (layers->count < 256 && fgets(line, sizeof(line), f)) {
		l = &layers->layer[layers->count++];
		if (!parse(layers, l, line))
			participant_die("%s: '%s'", path, line);
		l->elements = (size_t)l->h * l->w * l->c;
		quantise(l, line);
		if (multiplies(l))
			make_weights(l);
		layers->macs += l->macs;
	}
	fclose(f);
}

/* ---- What is right ---- */

static double clamped(double real, const struct layer *l)
{
	double q = nearbyint(real / (double)l->scale) + l->zero_point;

	return q < -128 ? -128 : q > 127 ? 127 : q;
}

/* Products of a window: of all channels of the input, or of one. */
static int32_t window(const struct layer *l, const int8_t *in, uint32_t y, uint32_t x, uint32_t c)
{
	const struct layer *from = l->from;
	bool depthwise = l->kind == LAYER_DEPTHWISE;
	uint32_t first = depthwise ? c / l->multiplier : 0, n = depthwise ? 1 : from->c, i, j, k;
	int32_t sum = l->bias[c];

	for (i = 0; i < l->size[0]; i++)
		for (j = 0; j < l->size[1]; j++) {
			int64_t row = (int64_t)y * l->stride + i - l->pad[0];
			int64_t column = (int64_t)x * l->stride + j - l->pad[1];
			size_t tap = i * l->size[1] + j;
			const int8_t *p = &in[(row * from->w + column) * from->c + first];
			const int8_t *w = depthwise ? &l->weights[tap * l->c + c] :
				&l->weights[(c * (size_t)l->size[0] * l->size[1] + tap) * n];

			if (row < 0 || row >= from->h || column < 0 || column >= from->w)
				continue;
			for (k = 0; k < n; k++)
				sum += (p[k] - from->zero_point) * w[k];
		}
	return sum;
}

static double mean(const struct layer *l, const int8_t *in, uint32_t c)
{
	size_t n = (size_t)l->from->h * l->from->w, i;
	double sum = 0;

	for (i = 0; i < n; i++)
		sum += in[i * l->c + c] - l->from->zero_point;
	return sum / (double)n * (double)l->from->scale;
}

static int8_t greatest(const struct layer *l, const int8_t *in, uint32_t y, uint32_t x, uint32_t c)
{
	const struct layer *from = l->from;
	int8_t value, best = INT8_MIN;
	uint32_t i, j;

	for (i = 0; i < l->size[0]; i++)
		for (j = 0; j < l->size[1]; j++) {
			value = in[((y * l->size[0] + i) * from->w + x * l->size[1] + j) *
				   from->c + c];
			if (value > best)
				best = value;
		}
	return best;
}

static double expected(const struct layer *l, const int8_t *in, const int8_t *other, size_t at)
{
	uint32_t c = (uint32_t)(at % l->c), x = (uint32_t)(at / l->c % l->w);
	uint32_t y = (uint32_t)(at / l->c / l->w);

	if (l->kind == LAYER_FLAT)
		return in[at];
	if (l->kind == LAYER_POOL)
		return greatest(l, in, y, x, c);
	if (l->kind == LAYER_MEAN)
		return clamped(mean(l, in, c), l);
	if (l->kind == LAYER_ADD)
		return clamped((in[at] - l->from->zero_point) * (double)l->from->scale +
			       (other[at] - l->other->zero_point) * (double)l->other->scale, l);
	return clamped(window(l, in, y, x, c) * (double)l->from->scale *
		       (double)l->weight_scale[c], l);
}

bool layer_right(const struct layer *layer, const int8_t *in, const int8_t *other,
		 const int8_t *out, char *what, size_t size)
{
	/* Odd, so that all channels come. */
	size_t step = layer->elements / SAMPLES | 1, i;
	double want;

	for (i = 0; i < layer->elements; i += step) {
		want = expected(layer, in, other, i);
		if (fabs(want - out[i]) > 1) {
			snprintf(what, size, "element %zu of %ux%ux%u is %d, not %.0f", i,
				 layer->h, layer->w, layer->c, out[i], want);
			return false;
		}
	}
	return true;
}

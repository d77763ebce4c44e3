// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the comparison with libraries see what is wrong? Noise is, for each layer of a
 * workload; and of those whose result is plain to see, only values that are within one of it
 * are right.
 *
 *	t_layers FOLDER NAME...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layers.h"
#include "participant.h"

static int8_t *random_bytes(const struct layer *l)
{
	int8_t *data = malloc(l->elements);

	if (!data)
		participant_die("out of memory");
	layers_random(data, l->elements);
	return data;
}

/* Is there a value that is right, and none that is more than two away from it? */
static bool one_value(const struct layer *l, const int8_t *in, const int8_t *other, int8_t *out)
{
	char what[128];
	int v, first = 256, last = -256;

	for (v = -128; v <= 127; v++) {
		memset(out, v, l->elements);
		if (!layer_right(l, in, other, out, what, sizeof(what)))
			continue;
		first = v < first ? v : first;
		last = v > last ? v : last;
	}
	/* Within one: three values, at the ends of the range fewer. */
	return first <= last && last - first <= 2;
}

static void look(const struct layer *l)
{
	int8_t *in = random_bytes(l->from), *other = l->other ? random_bytes(l->other) : NULL;
	int8_t *out = random_bytes(l);
	char what[128] = "";

	if (l->elements >= 64 && layer_right(l, in, other, out, what, sizeof(what)))
		participant_die("noise is right for a layer of %ux%ux%u", l->h, l->w, l->c);
	if (l->kind == LAYER_ADD || l->kind == LAYER_POOL || l->kind == LAYER_FLAT) {
		memset(in, 5, l->from->elements);
		if (other)
			memset(other, 7, l->other->elements);
		if (!one_value(l, in, other, out))
			participant_die("no value, or too many, are right for a layer of %ux%ux%u",
					l->h, l->w, l->c);
	}
	free(in);
	free(other);
	free(out);
}

int main(int argc, char **argv)
{
	struct layers layers;
	unsigned int i;
	int arg;

	if (argc < 3)
		participant_die("usage: t_layers FOLDER NAME...");
	for (arg = 2; arg < argc; arg++) {
		layers_load(&layers, argv[1], argv[arg]);
		for (i = 1; i < layers.count; i++)
			look(&layers.layer[i]);
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A workload for libraries that read no models: NAME.layers of workloads.py with random
 * weights, and a plain loop that says what is right, as these libraries requantise: with a
 * float factor, to the nearest even number.
 */
#ifndef _LAYERS_H_
#define _LAYERS_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kind { LAYER_INPUT, LAYER_DENSE, LAYER_CONV, LAYER_DEPTHWISE, LAYER_ADD, LAYER_MEAN,
	    LAYER_POOL, LAYER_FLAT };

/**
 * struct layer - one layer and its output
 * @kind: what it does
 * @from: layer that its input is
 * @other: of LAYER_ADD: the second one
 * @h: height of the output
 * @w: width
 * @c: channels
 * @size: height and width of the filter or window
 * @stride: in both directions
 * @multiplier: of LAYER_DEPTHWISE: outputs per channel
 * @pad: top, left, bottom, right
 * @scale: of the output
 * @zero_point: of the output
 * @weights: outputs, height, width, inputs; depthwise: height, width, outputs
 * @weight_scale: one per output
 * @bias: one per output; its scale is that of the input times that of the weights
 * @elements: of the output
 * @macs: multiplications
 */
struct layer {
	enum kind kind;
	struct layer *from;
	struct layer *other;
	uint32_t h, w, c;
	uint32_t size[2];
	uint32_t stride;
	uint32_t multiplier;
	uint32_t pad[4];
	float scale;
	int8_t zero_point;
	int8_t *weights;
	float *weight_scale;
	int32_t *bias;
	size_t elements;
	uint64_t macs;
};

struct layers {
	struct layer *layer;
	unsigned int count;
	uint64_t macs;
};

/* Reads FOLDER/NAME.layers; ends the program if that cannot be. */
void layers_load(struct layers *layers, const char *folder, const char *name);

/* Random bytes of an input. */
void layers_random(int8_t *data, size_t n);

/*
 * Is @out what the layer makes of @in (and @other), within one? Looks at some thousand
 * elements. @what says where, if not.
 */
bool layer_right(const struct layer *layer, const int8_t *in, const int8_t *other,
		 const int8_t *out, char *what, size_t size);

#endif /* _LAYERS_H_ */

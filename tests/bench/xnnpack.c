// SPDX-License-Identifier: GPL-2.0-only
/*
 * XNNPACK as a participant: qs8 with weights of a scale per channel, as a subgraph, one
 * thread. Each layer is compared with a plain loop first.
 *
 *	xnnpack FOLDER NAME...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xnnpack.h>

#include "layers.h"
#include "participant.h"

#define EXTRA	256	/* bytes that it may read beyond a buffer */

struct net {
	struct layers layers;
	xnn_subgraph_t graph;
	xnn_runtime_t runtime;
	uint32_t *id;		/* of the output of each layer */
	int8_t **data;		/* what is outside of the subgraph */
};

static void check(enum xnn_status status, const char *what)
{
	if (status != xnn_status_success)
		participant_die("XNNPACK: %s: status %d", what, status);
}

static unsigned int index_of(const struct net *net, const struct layer *l)
{
	return (unsigned int)(l - net->layers.layer);
}

/* A dense layer of many pixels is a matrix, like its input. */
static unsigned int shape(const struct layers *layers, const struct layer *l, size_t *dim)
{
	bool flat = layers->layer[1].kind == LAYER_DENSE || l->kind == LAYER_DENSE ||
		    l->kind == LAYER_FLAT;

	dim[0] = flat ? (size_t)l->h * l->w : 1;
	dim[1] = flat ? l->c : l->h;
	dim[2] = l->w;
	dim[3] = l->c;
	return flat ? 2 : 4;
}

static void define_output(struct net *net, struct layer *l, bool outside)
{
	unsigned int i = index_of(net, l), rank;
	uint32_t flags = i ? XNN_VALUE_FLAG_EXTERNAL_OUTPUT : XNN_VALUE_FLAG_EXTERNAL_INPUT;
	size_t dim[4];

	rank = shape(&net->layers, l, dim);
	check(xnn_define_quantized_tensor_value(net->graph, xnn_datatype_qint8, l->zero_point,
						l->scale, rank, dim, NULL,
						outside ? i : XNN_INVALID_VALUE_ID,
						outside ? flags : 0, &net->id[i]), "tensor");
	if (outside && !net->data[i])
		net->data[i] = aligned_alloc(64, (l->elements + EXTRA + 63) / 64 * 64);
}

static uint32_t constant(struct net *net, enum xnn_datatype type, const float *scale,
			 unsigned int rank, unsigned int channel, const size_t *dim,
			 const void *data)
{
	uint32_t id;

	check(xnn_define_channelwise_quantized_tensor_value(net->graph, type, scale, rank, channel,
							    dim, data, XNN_INVALID_VALUE_ID, 0,
							    &id), "weights");
	return id;
}

static uint32_t define_weights(struct net *net, const struct layer *l)
{
	size_t dense[] = { l->c, l->from->c };
	size_t conv[] = { l->c, l->size[0], l->size[1], l->from->c };
	size_t depthwise[] = { 1, l->size[0], l->size[1], l->c };

	if (l->kind == LAYER_DENSE)
		return constant(net, xnn_datatype_qcint8, l->weight_scale, 2, 0, dense, l->weights);
	if (l->kind == LAYER_CONV)
		return constant(net, xnn_datatype_qcint8, l->weight_scale, 4, 0, conv, l->weights);
	return constant(net, xnn_datatype_qcint8, l->weight_scale, 4, 3, depthwise, l->weights);
}

static uint32_t define_bias(struct net *net, const struct layer *l)
{
	/* Kept: the runtime refers to it. */
	float *scale = calloc(l->c, sizeof(float));
	size_t n = l->c, i;

	for (i = 0; scale && i < n; i++)
		scale[i] = l->weight_scale[i] * l->from->scale;
	return constant(net, xnn_datatype_qcint32, scale, 1, 0, &n, l->bias);
}

static void define_mean(struct net *net, uint32_t in, uint32_t out)
{
	static const size_t axes[] = { 1, 2 };

	check(xnn_define_static_reduce(net->graph, xnn_reduce_mean, 2, axes, in, out,
				       XNN_FLAG_KEEP_DIMS), "mean");
}

/* The input of a dense layer behind others. */
static uint32_t define_flat(struct net *net, const struct layer *from, uint32_t in)
{
	size_t flat[] = { (size_t)from->h * from->w, from->c };
	uint32_t id;

	if (!from->from || from->kind == LAYER_FLAT)
		return in;
	check(xnn_define_quantized_tensor_value(net->graph, xnn_datatype_qint8, from->zero_point,
						from->scale, 2, flat, NULL, XNN_INVALID_VALUE_ID, 0,
						&id), "tensor");
	check(xnn_define_static_reshape(net->graph, 2, flat, in, id, 0), "reshape");
	return id;
}

static void define_layer(struct net *net, struct layer *l)
{
	float low = (-128.0f - l->zero_point) * l->scale, high = (127.0f - l->zero_point) * l->scale;
	uint32_t out = net->id[index_of(net, l)], in = net->id[index_of(net, l->from)];
	struct xnn_binary_params limits = { (double)low, (double)high };
	const uint32_t *pad = l->pad, *size = l->size;
	size_t flat[] = { 1, l->c };

	switch (l->kind) {
	case LAYER_DENSE:
		check(xnn_define_fully_connected(net->graph, low, high,
						 define_flat(net, l->from, in),
						 define_weights(net, l), define_bias(net, l), out,
						 0), "fully connected");
		break;
	case LAYER_CONV:
		check(xnn_define_convolution_2d(net->graph, pad[0], pad[3], pad[2], pad[1],
						size[0], size[1], l->stride, l->stride, 1, 1, 1,
						l->from->c, l->c, low, high, in,
						define_weights(net, l), define_bias(net, l), out,
						0), "convolution");
		break;
	case LAYER_DEPTHWISE:
		check(xnn_define_depthwise_convolution_2d(net->graph, pad[0], pad[3], pad[2],
							  pad[1], size[0], size[1], l->stride,
							  l->stride, 1, 1, l->multiplier,
							  l->from->c, low, high, in,
							  define_weights(net, l),
							  define_bias(net, l), out, 0),
		      "depthwise convolution");
		break;
	case LAYER_ADD:
		check(xnn_define_binary(net->graph, xnn_binary_add, &limits,
					net->id[index_of(net, l->other)], in, out, 0), "add");
		break;
	case LAYER_MEAN:
		define_mean(net, in, out);
		break;
	case LAYER_POOL:
		check(xnn_define_max_pooling_2d(net->graph, 0, 0, 0, 0, size[0], size[1], size[0],
						size[1], 1, 1, low, high, in, out, 0), "pool");
		break;
	case LAYER_FLAT:
		check(xnn_define_static_reshape(net->graph, 2, flat, in, out, 0), "reshape");
		break;
	case LAYER_INPUT:
		break;
	}
}

/* @all: every layer's output is outside, so that it can be looked at. */
static void build(struct net *net, bool all)
{
	struct xnn_external_value *values = calloc(net->layers.count, sizeof(*values));
	unsigned int i, last = net->layers.count - 1, n = 0;

	check(xnn_create_subgraph(net->layers.count, 0, &net->graph), "subgraph");
	for (i = 0; values && i <= last; i++) {
		define_output(net, &net->layers.layer[i], all || !i || i == last);
		if (all || !i || i == last)
			values[n++] = (struct xnn_external_value){ i, net->data[i] };
	}
	for (i = 1; i <= last; i++)
		define_layer(net, &net->layers.layer[i]);
	check(xnn_create_runtime_v2(net->graph, NULL, 0, &net->runtime), "runtime");
	check(xnn_reshape_runtime(net->runtime), "reshape");
	check(xnn_setup_runtime_v2(net->runtime, n, values), "setup");
	free(values);
}

static bool run(void *arg)
{
	struct net *net = arg;

	return xnn_invoke_runtime(net->runtime) == xnn_status_success;
}

static bool right(struct net *net, char *why, size_t size)
{
	struct layer *l;
	unsigned int i;

	for (i = 1; i < net->layers.count; i++) {
		l = &net->layers.layer[i];
		if (!layer_right(l, net->data[index_of(net, l->from)],
				 l->other ? net->data[index_of(net, l->other)] : NULL,
				 net->data[i], why, size))
			return false;
	}
	return true;
}

static void offer(const char *folder, const char *name)
{
	struct net *net = calloc(1, sizeof(*net));
	struct workload workload = { .run = run, .arg = net };
	unsigned int last;
	int8_t *output;
	char why[128];

	layers_load(&net->layers, folder, name);
	net->id = calloc(net->layers.count, sizeof(*net->id));
	net->data = calloc(net->layers.count, sizeof(*net->data));
	last = net->layers.count - 1;
	build(net, true);
	layers_random(net->data[0], net->layers.layer[0].elements);
	if (!run(net) || !right(net, why, sizeof(why))) {
		participant_lacks(name, why);
		return;
	}
	output = net->data[last];
	net->data[last] = NULL;
	xnn_delete_runtime(net->runtime);
	xnn_delete_subgraph(net->graph);
	build(net, false);
	workload.macs = net->layers.macs;
	if (run(net) && !memcmp(output, net->data[last], net->layers.layer[last].elements))
		participant_has(name, &workload);
	else
		participant_lacks(name, "its layers in one give something else");
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 3)
		participant_die("usage: xnnpack FOLDER NAME...");
	participant_pin(0);
	check(xnn_initialize(NULL), "this CPU");
	for (i = 2; i < argc; i++)
		offer(argv[1], argv[i]);
	return participant_serve("XNNPACK");
}

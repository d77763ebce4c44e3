// SPDX-License-Identifier: GPL-2.0-only
/*
 * oneDNN as a participant: s8 with zero points and weights of a scale per channel, one
 * primitive per layer, weights in the layout that it likes best, one thread. Each layer is
 * compared with a plain loop first.
 *
 *	onednn FOLDER NAME...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <oneapi/dnnl/dnnl.h>

#include "layers.h"
#include "participant.h"

#define ARGS	10

struct step {
	dnnl_primitive_t primitive;
	dnnl_exec_arg_t arg[ARGS];
	int args;
};

struct net {
	struct layers layers;
	struct step *step;	/* of each layer but the input */
	int8_t **data;		/* outputs */
};

static dnnl_engine_t engine;
static dnnl_stream_t stream;

/* Of the net that is being built: what is not supported. */
static const char *trouble;

static bool good(dnnl_status_t status, const char *what)
{
	if (status != dnnl_success && !trouble)
		trouble = what;
	return status == dnnl_success;
}

static unsigned int index_of(const struct net *net, const struct layer *l)
{
	return (unsigned int)(l - net->layers.layer);
}

static dnnl_memory_desc_t describe(int rank, const dnnl_dims_t dim, dnnl_data_type_t type,
				   dnnl_format_tag_t tag)
{
	dnnl_memory_desc_t md = NULL;

	good(dnnl_memory_desc_create_with_tag(&md, rank, dim, type, tag), "a tensor");
	return md;
}

static dnnl_memory_t memory(const_dnnl_memory_desc_t md, void *data)
{
	dnnl_memory_t m = NULL;

	good(dnnl_memory_create(&m, md, engine, data ? data : DNNL_MEMORY_ALLOCATE), "memory");
	return m;
}

static void argument(struct step *s, int arg, dnnl_memory_t m)
{
	s->arg[s->args++] = (dnnl_exec_arg_t){ .arg = arg, .memory = m };
}

/* A vector of factors or zero points; what it points to is kept. */
static void vector(struct step *s, int arg, dnnl_data_type_t type, dnnl_dim_t n, void *data)
{
	dnnl_dims_t dim = { n };

	argument(s, arg, memory(describe(1, dim, type, dnnl_a), data));
}

static void *kept(const void *data, size_t size)
{
	void *copy = malloc(size);

	if (!copy)
		participant_die("out of memory");
	return memcpy(copy, data, size);
}

static void scale(struct step *s, dnnl_primitive_attr_t attr, int arg, float value)
{
	good(dnnl_primitive_attr_set_scales_mask(attr, arg, 0), "a scale");
	vector(s, DNNL_ARG_ATTR_SCALES | arg, dnnl_f32, 1, kept(&value, sizeof(value)));
}

static void zero_point(struct step *s, dnnl_primitive_attr_t attr, int arg, int32_t value)
{
	good(dnnl_primitive_attr_set_zero_points_mask(attr, arg, 0), "a zero point");
	vector(s, DNNL_ARG_ATTR_ZERO_POINTS | arg, dnnl_s32, 1, kept(&value, sizeof(value)));
}

static dnnl_memory_desc_t activations(const struct layer *l, bool flat)
{
	dnnl_dims_t matrix = { (dnnl_dim_t)l->h * l->w, l->c }, image = { 1, l->c, l->h, l->w };

	return flat ? describe(2, matrix, dnnl_s8, dnnl_ab) : describe(4, image, dnnl_s8, dnnl_acdb);
}

/* Ours are outputs, height, width, inputs; those of a depthwise layer height, width, outputs. */
static dnnl_memory_desc_t our_weights(const struct layer *l)
{
	dnnl_dims_t matrix = { l->from->c, l->c };
	dnnl_dims_t conv = { l->c, l->from->c, l->size[0], l->size[1] };
	dnnl_dims_t group = { l->from->c, l->multiplier, 1, l->size[0], l->size[1] };
	dnnl_dims_t step = { l->multiplier, 1, 1, (dnnl_dim_t)l->size[1] * l->c, l->c };
	dnnl_memory_desc_t md = NULL;

	if (l->kind == LAYER_DENSE)
		return describe(2, matrix, dnnl_s8, dnnl_ba);
	if (l->kind == LAYER_CONV)
		return describe(4, conv, dnnl_s8, dnnl_acdb);
	good(dnnl_memory_desc_create_with_strides(&md, 5, group, dnnl_s8, step), "weights");
	return md;
}

static dnnl_memory_desc_t best_weights(const struct layer *l)
{
	dnnl_dims_t matrix = { l->from->c, l->c };
	dnnl_dims_t conv = { l->c, l->from->c, l->size[0], l->size[1] };
	dnnl_dims_t group = { l->from->c, l->multiplier, 1, l->size[0], l->size[1] };

	if (l->kind == LAYER_DENSE)
		return describe(2, matrix, dnnl_s8, dnnl_format_tag_any);
	if (l->kind == LAYER_CONV)
		return describe(4, conv, dnnl_s8, dnnl_format_tag_any);
	return describe(5, group, dnnl_s8, dnnl_format_tag_any);
}

static dnnl_memory_t pack(const struct layer *l, const_dnnl_memory_desc_t md)
{
	dnnl_memory_t from = memory(our_weights(l), l->weights), to = memory(md, NULL);
	dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, from }, { DNNL_ARG_TO, to } };
	dnnl_primitive_desc_t pd = NULL;
	dnnl_primitive_t reorder = NULL;

	if (good(dnnl_reorder_primitive_desc_create(&pd, our_weights(l), engine, md, engine, NULL),
		 "packing of weights") &&
	    good(dnnl_primitive_create(&reorder, pd), "packing of weights"))
		good(dnnl_primitive_execute(reorder, stream, 2, args), "packing of weights");
	return to;
}

static float *real_bias(const struct layer *l)
{
	float *bias = malloc(l->c * sizeof(*bias));
	uint32_t i;

	if (!bias)
		participant_die("out of memory");
	for (i = 0; i < l->c; i++)
		bias[i] = (float)(l->bias[i] * (double)l->from->scale * (double)l->weight_scale[i]);
	return bias;
}

static dnnl_primitive_desc_t mac_desc(const struct layer *l, dnnl_primitive_attr_t attr,
				      dnnl_memory_desc_t bias)
{
	bool flat = l->kind == LAYER_DENSE;
	dnnl_memory_desc_t in = activations(l->from, flat), out = activations(l, flat);
	dnnl_dims_t stride = { l->stride, l->stride }, dilation = { 0, 0 };
	dnnl_dims_t before = { l->pad[0], l->pad[1] }, after = { l->pad[2], l->pad[3] };
	dnnl_primitive_desc_t pd = NULL;

	if (flat)
		good(dnnl_matmul_primitive_desc_create(&pd, engine, in, best_weights(l), bias, out,
						       attr), "a matrix product");
	else
		good(dnnl_convolution_forward_primitive_desc_create(
			     &pd, engine, dnnl_forward_inference, dnnl_convolution_direct, in,
			     best_weights(l), bias, out, stride, dilation, before, after, attr),
		     "a convolution");
	return pd;
}

/* Bit n: one scale for each index of dimension n of the weights. */
static int channel_mask(const struct layer *l)
{
	switch (l->kind) {
	case LAYER_DENSE:
		return 2;
	case LAYER_DEPTHWISE:
		return 3;
	default:
		return 1;
	}
}

static dnnl_primitive_desc_t make_mac(struct step *s, const struct layer *l,
				      dnnl_primitive_attr_t attr)
{
	dnnl_dims_t row = { 1, l->c }, line = { l->c };
	dnnl_memory_desc_t bias = l->kind == LAYER_DENSE ? describe(2, row, dnnl_f32, dnnl_ab) :
							   describe(1, line, dnnl_f32, dnnl_a);
	dnnl_primitive_desc_t pd;

	scale(s, attr, DNNL_ARG_SRC, l->from->scale);
	scale(s, attr, DNNL_ARG_DST, l->scale);
	good(dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_WEIGHTS, channel_mask(l)), "scales");
	vector(s, DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, dnnl_f32, l->c, l->weight_scale);
	if (l->from->zero_point)
		zero_point(s, attr, DNNL_ARG_SRC, l->from->zero_point);
	if (l->zero_point)
		zero_point(s, attr, DNNL_ARG_DST, l->zero_point);
	pd = mac_desc(l, attr, bias);
	if (pd) {
		argument(s, DNNL_ARG_WEIGHTS,
			 pack(l, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0)));
		argument(s, DNNL_ARG_BIAS, memory(bias, real_bias(l)));
	}
	return pd;
}

/* Without zero points, which it does not have; layers.c has none where things are added. */
static dnnl_primitive_desc_t make_add(struct step *s, const struct layer *l,
				      dnnl_primitive_attr_t attr)
{
	dnnl_primitive_desc_t pd = NULL;

	scale(s, attr, DNNL_ARG_SRC_0, l->from->scale / l->scale);
	scale(s, attr, DNNL_ARG_SRC_1, l->other->scale / l->scale);
	good(dnnl_binary_primitive_desc_create(&pd, engine, dnnl_binary_add,
					       activations(l->from, false),
					       activations(l->other, false), activations(l, false),
					       attr), "an addition");
	return pd;
}

/* A mean over all, or the greatest of windows. */
static dnnl_primitive_desc_t make_pool(const struct layer *l, dnnl_primitive_attr_t attr)
{
	dnnl_dims_t all = { l->from->h, l->from->w }, one = { 1, 1 }, none = { 0, 0 };
	dnnl_dims_t window = { l->size[0], l->size[1] };
	bool mean = l->kind == LAYER_MEAN;
	dnnl_primitive_desc_t pd = NULL;

	good(dnnl_pooling_forward_primitive_desc_create(
		     &pd, engine, dnnl_forward_inference,
		     mean ? dnnl_pooling_avg_exclude_padding : dnnl_pooling_max,
		     activations(l->from, false), activations(l, false), mean ? one : window,
		     mean ? all : window, none, none, none, attr), "a pool");
	return pd;
}

static void make_step(struct net *net, const struct layer *l)
{
	struct step *s = &net->step[index_of(net, l)];
	bool flat = l->kind == LAYER_DENSE;
	dnnl_primitive_attr_t attr = NULL;
	dnnl_primitive_desc_t pd;

	good(dnnl_primitive_attr_create(&attr), "attributes");
	if (l->kind == LAYER_ADD)
		pd = make_add(s, l, attr);
	else if (l->kind == LAYER_MEAN || l->kind == LAYER_POOL)
		pd = make_pool(l, attr);
	else
		pd = make_mac(s, l, attr);
	argument(s, DNNL_ARG_SRC, memory(activations(l->from, flat),
					 net->data[index_of(net, l->from)]));
	argument(s, DNNL_ARG_DST, memory(activations(l, flat), net->data[index_of(net, l)]));
	if (l->other)
		argument(s, DNNL_ARG_SRC_1, memory(activations(l->other, false),
						   net->data[index_of(net, l->other)]));
	if (pd)
		good(dnnl_primitive_create(&s->primitive, pd), "a primitive");
}

static bool run(void *arg)
{
	struct net *net = arg;
	unsigned int i;

	for (i = 1; i < net->layers.count; i++)
		if (net->step[i].primitive &&
		    dnnl_primitive_execute(net->step[i].primitive, stream, net->step[i].args,
					   net->step[i].arg) != dnnl_success)
			return false;
	return true;
}

static bool right(struct net *net, char *why, size_t size)
{
	const struct layer *l;
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
	char why[128] = "a layer fails";
	unsigned int i;

	if (!net)
		participant_die("out of memory");
	layers_load(&net->layers, folder, name);
	net->step = calloc(net->layers.count, sizeof(*net->step));
	net->data = calloc(net->layers.count, sizeof(*net->data));
	trouble = NULL;
	for (i = 0; i < net->layers.count; i++) {
		if (net->layers.layer[i].kind == LAYER_FLAT) {
			net->data[i] = net->data[i - 1];
			continue;
		}
		net->data[i] = aligned_alloc(64, (net->layers.layer[i].elements + 63) / 64 * 64);
		if (!net->data[i])
			participant_die("out of memory");
		if (i)
			make_step(net, &net->layers.layer[i]);
	}
	layers_random(net->data[0], net->layers.layer[0].elements);
	workload.macs = net->layers.macs;
	if (trouble)
		participant_lacks(name, trouble);
	else if (run(net) && right(net, why, sizeof(why)))
		participant_has(name, &workload);
	else
		participant_lacks(name, why);
}

int main(int argc, char **argv)
{
	const dnnl_version_t *version = dnnl_version();
	char text[64];
	int i;

	if (argc < 3)
		participant_die("usage: onednn FOLDER NAME...");
	participant_pin(0);
	if (!good(dnnl_engine_create(&engine, dnnl_cpu, 0), "this CPU") ||
	    !good(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "a stream"))
		participant_die("oneDNN: %s", trouble);
	for (i = 2; i < argc; i++)
		offer(argv[1], argv[i]);
	snprintf(text, sizeof(text), "oneDNN %d.%d.%d", version->major, version->minor,
		 version->patch);
	return participant_serve(text);
}

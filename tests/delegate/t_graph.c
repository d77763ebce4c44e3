// SPDX-License-Identifier: MIT
/*
 * From a graph of the interpreter to a model of libnpu, without either of them running:
 * graphs that are right, and graphs that are damaged in any way.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <npu.h>
#include <tensorflow/lite/builtin_ops.h>
#include <tensorflow/lite/c/builtin_op_data.h>

#include "compile.h"
#include "model.h"
#include "options.h"
#include "tap.h"

#define TENSORS	12
#define NODES	4
#define ROUNDS	30000

/* ---- A graph ---- */

struct quant {
	TfLiteAffineQuantization affine;
	TfLiteFloatArray *scale;
	TfLiteIntArray *zero_point;
};

struct graph {
	TfLiteContext context;
	TfLiteTensor tensors[TENSORS];
	struct quant quant[TENSORS];
	TfLiteNode nodes[NODES];
	TfLiteRegistration registrations[NODES];
	int numbers[NODES];
	void *options[NODES];
	int count;	/* of tensors */
};

static TfLiteIntArray *ints(int size, const int *values)
{
	TfLiteIntArray *array = malloc(sizeof(*array) + (size_t)size * sizeof(int));

	array->size = size;
	memcpy(array->data, values, (size_t)size * sizeof(int));
	return array;
}

#define INTS(...) ints((int)ARRAY_SIZE(((int[]) { __VA_ARGS__ })), (int[]) { __VA_ARGS__ })

static TfLiteStatus get_node(TfLiteContext *context, int index, TfLiteNode **node,
			     TfLiteRegistration **registration)
{
	struct graph *g = context->impl_;

	if (index < 0 || index >= NODES)
		return kTfLiteError;
	*node = &g->nodes[index];
	*registration = &g->registrations[index];
	return kTfLiteOk;
}

/* A constant if it has @data; 4 scales if @channels. */
static int add_tensor(struct graph *g, TfLiteType type, TfLiteIntArray *dims, size_t bytes,
		      bool constant, int channels)
{
	TfLiteTensor *t = &g->tensors[g->count];
	struct quant *q = &g->quant[g->count];
	int i;

	*t = (TfLiteTensor) {
		.type = type, .dims = dims, .bytes = bytes, .name = "tensor",
		.params = { .scale = 0.05f, .zero_point = 3 },
		.allocation_type = constant ? kTfLiteMmapRo : kTfLiteArenaRw,
	};
	if (constant)
		t->data.raw = calloc(1, bytes);
	if (channels) {
		q->scale = malloc(sizeof(*q->scale) + (size_t)channels * sizeof(float));
		q->scale->size = channels;
		q->zero_point = INTS(0, 0, 0, 0);
		for (i = 0; i < channels; i++)
			q->scale->data[i] = 0.01f;
		q->affine = (TfLiteAffineQuantization) { q->scale, q->zero_point, 0 };
		t->quantization = (TfLiteQuantization) { kTfLiteAffineQuantization, &q->affine };
	}
	return g->count++;
}

static void set_node(struct graph *g, int i, int builtin, void *options, TfLiteIntArray *inputs,
		     TfLiteIntArray *outputs)
{
	g->numbers[i] = i;
	g->options[i] = options;
	g->nodes[i] = (TfLiteNode) {
		.inputs = inputs, .outputs = outputs, .builtin_data = options
	};
	g->registrations[i] = (TfLiteRegistration) { .builtin_code = builtin, .version = 1 };
}

static int add_activation(struct graph *g)
{
	return add_tensor(g, kTfLiteInt8, INTS(1, 8, 8, 4), 256, false, 0);
}

/* CONV_2D, SVDF beside it, STRIDED_SLICE, RELU */
static void make_graph(struct graph *g)
{
	TfLiteConvParams *conv = calloc(1, sizeof(*conv));
	TfLiteStridedSliceParams *slice = calloc(1, sizeof(*slice));
	TfLiteSVDFParams *svdf = calloc(1, sizeof(*svdf));
	int x, w, b, y, z, begin, end, stride, i;

	memset(g, 0, sizeof(*g));
	*conv = (TfLiteConvParams) {
		.padding = kTfLitePaddingSame, .stride_width = 1, .stride_height = 1,
		.dilation_width_factor = 1, .dilation_height_factor = 1,
	};
	*svdf = (TfLiteSVDFParams) { .rank = 1, .activation = kTfLiteActRelu };
	x = add_activation(g);
	w = add_tensor(g, kTfLiteInt8, INTS(4, 1, 1, 4), 16, true, 4);
	b = add_tensor(g, kTfLiteInt32, INTS(4), 16, true, 0);
	y = add_activation(g);
	set_node(g, 0, kTfLiteBuiltinConv2d, conv, INTS(x, w, b), INTS(y));
	begin = add_tensor(g, kTfLiteInt32, INTS(4), 16, true, 0);
	end = add_tensor(g, kTfLiteInt32, INTS(4), 16, true, 0);
	stride = add_tensor(g, kTfLiteInt32, INTS(4), 16, true, 0);
	for (i = 0; i < 4; i++) {
		g->tensors[end].data.i32[i] = g->tensors[y].dims->data[i];
		g->tensors[stride].data.i32[i] = 1;
	}
	z = add_activation(g);
	set_node(g, 1, kTfLiteBuiltinStridedSlice, slice, INTS(y, begin, end, stride), INTS(z));
	y = add_activation(g);
	set_node(g, 2, kTfLiteBuiltinRelu, NULL, INTS(z), INTS(y));
	x = add_tensor(g, kTfLiteInt8, INTS(1, 4), 4, false, 0);
	i = add_tensor(g, kTfLiteInt16, INTS(1, 4), 8, false, 0);
	g->tensors[i].is_variable = true;
	y = add_tensor(g, kTfLiteInt8, INTS(4, 1), 4, true, 0);
	/* There is no time to remember, and no bias. */
	set_node(g, 3, kTfLiteBuiltinSvdf, svdf, INTS(x, y, y, -1, i), INTS(z));
	g->context = (TfLiteContext) {
		.tensors_size = (size_t)g->count, .tensors = g->tensors, .impl_ = g,
		.GetNodeAndRegistration = get_node,
	};
}

static void free_graph(struct graph *g)
{
	int i;

	for (i = 0; i < g->count; i++) {
		free(g->tensors[i].dims);
		free(g->quant[i].scale);
		free(g->quant[i].zero_point);
		if (g->tensors[i].allocation_type == kTfLiteMmapRo)
			free(g->tensors[i].data.raw);
	}
	for (i = 0; i < NODES; i++) {
		free(g->nodes[i].inputs);
		free(g->nodes[i].outputs);
		free(g->options[i]);
	}
}

static int compile(struct graph *g, int first, int count, int used, TfLiteIntArray *outputs,
		   struct npu_error *err)
{
	const struct part part = {
		.context = &g->context, .nodes = g->numbers + first, .count = count,
		.used = used, .outputs = outputs,
	};
	struct npu_program *program;
	struct model model;
	const char *why = model_write(&part, &model);
	int ret = -1;

	if (why)
		snprintf(err->text, sizeof(err->text), "%s", why);
	else
		ret = npu_program_compile(model.file.data, model.file.size, NULL, &program, err);
	if (!ret)
		npu_program_destroy(program);
	model_free(&model);
	return ret;
}

static void test_right(void)
{
	struct npu_error err = { .text = "good" };
	struct graph g;
	int i;

	make_graph(&g);
	for (i = 0; i < 3; i++)
		ok(!compile(&g, i, 1, 1, g.nodes[i].outputs, &err), "node %d: %s", i, err.text);
	ok(!compile(&g, 0, 3, 3, g.nodes[2].outputs, &err), "three nodes: %s", err.text);
	ok(!compile(&g, 0, 3, 2, g.nodes[2].outputs, &err), "the first two of them: %s", err.text);
	g.nodes[0].builtin_data = NULL;
	ok(compile(&g, 0, 1, 1, g.nodes[0].outputs, &err), "no options: %s", err.text);
	((TfLiteStridedSliceParams *)g.nodes[1].builtin_data)->offset = true;
	ok(compile(&g, 1, 1, 1, g.nodes[1].outputs, &err), "an option that counts: %s", err.text);
	g.registrations[2].builtin_code = kTfLiteBuiltinCustom;
	ok(compile(&g, 2, 1, 1, g.nodes[2].outputs, &err), "not built in: %s", err.text);
	ok(compile(&g, 3, 1, 1, g.nodes[3].outputs, &err), "not as it has to be: %s", err.text);
	free_graph(&g);
}

/* ---- Damage ---- */

static uint64_t state;

/* xorshift64* */
static uint32_t number(uint32_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	if (!below)
		return 0;
	return (uint32_t)(state * 0x2545f4914f6cdd1dull >> 32) % below;
}

/* One that tests have trouble with. */
static int odd(void)
{
	static const int values[] = {
		0, 1, -1, 2, 3, 5, 7, 127, 128, 255, 256, 65535, 65536, INT32_MAX, INT32_MIN, -2
	};

	return number(3) ? values[number(ARRAY_SIZE(values))] : (int)number(TENSORS + 4) - 2;
}

static void damage_tensor(struct graph *g, TfLiteTensor *t)
{
	struct quant *q = &g->quant[t - g->tensors];
	float scales[] = { 0, -1, 1e30f, FLT_MIN, NAN };

	switch (number(12)) {
	case 0:
		t->type = (TfLiteType)odd();
		break;
	case 1:
	case 2:
		t->dims->data[number((uint32_t)t->dims->size)] = odd();
		break;
	case 3:
		t->dims->size = (int)number((uint32_t)t->dims->size + 1);
		break;
	case 4:
		t->bytes = number((uint32_t)t->bytes + 1);
		break;
	case 5:
		t->params.scale = scales[number(ARRAY_SIZE(scales))];
		break;
	case 6:
		t->params.zero_point = odd();
		break;
	case 7:
		t->quantization.type = (TfLiteQuantizationType)number(3);
		break;
	case 8:
		q->affine.quantized_dimension = odd();
		break;
	case 9:
		if (q->scale)
			q->scale->size = (int)number(5);
		if (q->zero_point && number(2))
			q->zero_point->size = (int)number(6) - 1;
		if (!number(4))
			q->affine.scale = NULL;
		if (!number(4))
			q->affine.zero_point = NULL;
		break;
	case 10:
		t->is_variable = !t->is_variable;
		break;
	default:
		t->name = NULL;
	}
}

static void damage_node(struct graph *g, int i)
{
	TfLiteNode *node = &g->nodes[i];

	switch (number(8)) {
	case 0:
		g->registrations[i].builtin_code = (int)number(256) - 1;
		/* The structure is another one: none. */
		node->builtin_data = NULL;
		break;
	case 1:
	case 2:
		node->inputs->data[number((uint32_t)node->inputs->size)] = odd();
		break;
	case 3:
		node->outputs->data[0] = odd();
		break;
	case 4:
		node->inputs->size = (int)number((uint32_t)node->inputs->size) + 1;
		break;
	case 5:
		node->outputs->size = (int)number(2);
		break;
	case 6:
		node->builtin_data = NULL;
		break;
	default:
		if (i == 0)
			((int *)g->options[0])[number(sizeof(TfLiteConvParams) / 4)] = odd();
		if (i == 1)
			((int *)g->options[1])[number(5)] = odd();
		if (i == 3)
			((int *)g->options[3])[number(2)] = odd();
	}
}

static void damage_memory(TfLiteTensor *t)
{
	if (t->allocation_type != kTfLiteMmapRo || !t->data.raw)
		return;
	if (number(2)) {
		free(t->data.raw);
		t->data.raw = NULL;
	} else if (t->type == kTfLiteInt32 && t->bytes >= 16) {
		t->data.i32[number(4)] = odd();
	}
}

static void test_damaged(uint64_t seed)
{
	struct npu_error err;
	struct graph g;
	int i, n, first, count, good = 0;

	state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (i = 0; i < ROUNDS; i++) {
		make_graph(&g);
		for (n = 1 + (int)number(4); n; n--) {
			if (number(3))
				damage_tensor(&g, &g.tensors[number((uint32_t)g.count)]);
			else if (number(4))
				damage_node(&g, (int)number(NODES));
			else
				damage_memory(&g.tensors[number((uint32_t)g.count)]);
		}
		if (!number(50))
			g.numbers[number(NODES)] = odd();
		first = (int)number(NODES);
		count = 1 + (int)number((uint32_t)(NODES - first));
		good += !compile(&g, first, count, 1 + (int)number((uint32_t)count),
				 g.nodes[number(NODES)].outputs, &err);
		free_graph(&g);
	}
	ok(good > ROUNDS / 50 && good < ROUNDS / 2, "%d damaged graphs, %d of them models", ROUNDS,
	   good);
	note("seed %llu", (unsigned long long)seed);
}

/* They read and write what others do in between. */
static bool is_resource(int builtin)
{
	return builtin == kTfLiteBuiltinVarHandle || builtin == kTfLiteBuiltinReadVariable ||
	       builtin == kTfLiteBuiltinAssignVariable || builtin == kTfLiteBuiltinCallOnce;
}

/* Every other operator that libnpu has can be handed over, and no more. */
static void test_operators(void)
{
	const struct op_rules *rules;
	struct options options;
	int i, builtin, data[64], count = 0, wrong = 0;

	for (i = 0; i < (int)ARRAY_SIZE(data); i++)
		data[i] = 1;
	for (builtin = -1; builtin < 300; builtin++) {
		rules = is_resource(builtin) ? NULL : op_rules(builtin);
		if (options_get(builtin, data, &options) != !!rules ||
		    (rules && rules->tag && options.tag != rules->tag)) {
			note("operator %d: libnpu %s it", builtin, rules ? "has" : "has not");
			wrong++;
		}
		count += !!rules;
	}
	ok(!wrong && count > 40, "the options of %d operators", count);
}

int main(void)
{
	const char *seed = getenv("SEED");

	test_right();
	test_operators();
	test_damaged(seed ? strtoull(seed, NULL, 0) : 1);
	return tap_done();
}

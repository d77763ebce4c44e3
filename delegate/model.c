// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>
#include <tensorflow/lite/builtin_ops.h>

#include "model.h"
#include "options.h"
#include "schema.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Copied to the file as they are. */
_Static_assert(sizeof(((TfLiteIntArray *)0)->data[0]) == sizeof(int32_t), "dims are int32");
_Static_assert(sizeof(((TfLiteQuantizationParams *)0)->scale) == 4, "scales are float32");
_Static_assert(sizeof(((TfLiteFloatArray *)0)->data[0]) == 4, "scales are float32");

static const char no_memory[] = "out of memory";

/* What is known of a tensor of the interpreter. */
struct place {
	uint32_t number;	/* 1 + its index in the file, 0 = not there */
	bool made;		/* by a node of the part */
	bool listed;		/* among inputs, outputs or variables */
};

/* A file under construction. */
struct build {
	const struct part *part;
	struct model *model;
	struct place *places;	/* of all tensors of the interpreter */
	const char *why;	/* what is wrong; functions return false after it */
};

static bool fail(struct build *b, const char *why)
{
	b->why = why;
	return false;
}

static TfLiteStatus get_node(const struct part *part, int i, TfLiteNode **node,
			     TfLiteRegistration **registration)
{
	return part->context->GetNodeAndRegistration(part->context, part->nodes[i], node,
						     registration);
}

/* ---- Which tensors there are ---- */

static void list_add(struct build *b, struct tensor_list *list, int index)
{
	if (b->places[index].listed)
		return;
	b->places[index].listed = true;
	list->index[list->count++] = index;
}

/* It is part of the file. */
static bool use_tensor(struct build *b, int index)
{
	struct tensor_list *tensors = &b->model->tensors;

	if (!model_tensor(b->part->context, index))
		return fail(b, "a node names a tensor that is not there");
	if (b->places[index].number)
		return true;
	tensors->index[tensors->count++] = index;
	b->places[index].number = (uint32_t)tensors->count;
	return true;
}

static bool is_constant(const TfLiteTensor *tensor)
{
	return tensor->allocation_type == kTfLiteMmapRo;
}

static bool use_input(struct build *b, int index)
{
	const TfLiteTensor *tensor;

	if (index == kTfLiteOptionalTensor)
		return true;
	if (!use_tensor(b, index))
		return false;
	tensor = &b->part->context->tensors[index];
	if (tensor->is_variable)
		list_add(b, &b->model->variables, index);
	else if (!is_constant(tensor) && !b->places[index].made)
		list_add(b, &b->model->inputs, index);
	return true;
}

static bool use_node(struct build *b, int i)
{
	TfLiteRegistration *registration;
	TfLiteNode *node;
	int k;

	if (get_node(b->part, i, &node, &registration) != kTfLiteOk || !node->inputs ||
	    !node->outputs)
		return fail(b, "a node is not there");
	for (k = 0; k < node->inputs->size; k++)
		if (!use_input(b, node->inputs->data[k]))
			return false;
	for (k = 0; k < node->outputs->size; k++) {
		if (!use_tensor(b, node->outputs->data[k]))
			return false;
		b->places[node->outputs->data[k]].made = true;
	}
	return true;
}

/* Of these tensors, those that are made here are outputs. */
static void use_outputs(struct build *b, const TfLiteIntArray *tensors)
{
	int k;

	for (k = 0; k < tensors->size; k++)
		if (model_tensor(b->part->context, tensors->data[k]) &&
		    b->places[tensors->data[k]].made)
			list_add(b, &b->model->outputs, tensors->data[k]);
}

static bool use_all(struct build *b)
{
	const struct part *part = b->part;
	TfLiteRegistration *registration;
	TfLiteNode *node;
	int i;

	for (i = 0; i < part->used; i++)
		if (!use_node(b, i))
			return false;
	use_outputs(b, part->outputs);
	for (; i < part->count; i++) {
		if (get_node(part, i, &node, &registration) != kTfLiteOk || !node->inputs)
			return fail(b, "a node is not there");
		use_outputs(b, node->inputs);
	}
	return true;
}

/* ---- Tensors ---- */

static int tensor_type(TfLiteType type)
{
	switch (type) {
	case kTfLiteFloat32:	return TFL_FLOAT32;
	case kTfLiteFloat16:	return TFL_FLOAT16;
	case kTfLiteInt32:	return TFL_INT32;
	case kTfLiteUInt8:	return TFL_UINT8;
	case kTfLiteInt64:	return TFL_INT64;
	case kTfLiteBool:	return TFL_BOOL;
	case kTfLiteInt16:	return TFL_INT16;
	case kTfLiteInt8:	return TFL_INT8;
	default:		return -1;
	}
}

/* Scales and zero points: of an array each, or one of both. */
static bool write_quantisation(struct build *b, const TfLiteTensor *tensor, uint32_t table)
{
	const struct w_field fields[] = { { QUANT_SCALE, 4, 0 }, { QUANT_ZERO_POINT, 4, 0 },
					  { QUANT_AXIS, 4, 0 } };
	const TfLiteAffineQuantization *affine = tensor->quantization.params;
	struct writer *w = &b->model->file;
	uint32_t quant, scales, zero_points;
	int64_t zero_point = tensor->params.zero_point;
	int i, count;

	quant = w_table(w, fields, ARRAY_SIZE(fields));
	w_set(w, table, TENSOR_QUANTIZATION, quant);
	if (tensor->quantization.type != kTfLiteAffineQuantization || !affine) {
		count = tensor->params.scale != 0;
		w_set(w, quant, QUANT_SCALE, w_vector(w, &tensor->params.scale, (size_t)count, 4));
		w_set(w, quant, QUANT_ZERO_POINT, w_vector(w, &zero_point, (size_t)count, 8));
		return true;
	}
	if (!affine->scale || !affine->zero_point || affine->scale->size < 0 ||
	    affine->zero_point->size < 0)
		return fail(b, "a tensor has half a quantisation");
	w_set_number(w, quant, QUANT_AXIS, (uint32_t)affine->quantized_dimension);
	scales = w_vector(w, affine->scale->data, (size_t)affine->scale->size, 4);
	w_set(w, quant, QUANT_SCALE, scales);
	count = affine->zero_point->size;
	zero_points = w_vector(w, NULL, (size_t)count, 8);
	w_set(w, quant, QUANT_ZERO_POINT, zero_points);
	for (i = 0; i < count; i++)
		w_set_int64(w, zero_points, (size_t)i, affine->zero_point->data[i]);
	return true;
}

static bool write_tensor(struct build *b, size_t i, uint32_t refs, uint32_t *buffers)
{
	const TfLiteTensor *tensor = &b->part->context->tensors[b->model->tensors.index[i]];
	struct writer *w = &b->model->file;
	int type = tensor_type(tensor->type);
	const struct w_field fields[] = {
		{ TENSOR_SHAPE, 4, 0 },
		{ TENSOR_TYPE, 1, (uint32_t)type },
		{ TENSOR_BUFFER, 4, is_constant(tensor) ? (*buffers)++ : 0 },
		{ TENSOR_NAME, 4, 0 },
		{ TENSOR_QUANTIZATION, 4, 0 },
		{ TENSOR_VARIABLE, 1, tensor->is_variable },
	};
	uint32_t table;

	if (type < 0)
		return fail(b, "a tensor is of a type that is none of the NPU's");
	if (tensor->sparsity || tensor->allocation_type == kTfLiteDynamic || !tensor->dims ||
	    tensor->dims->size < 0)
		return fail(b, "a tensor is sparse, or its shape is not fixed");
	if (is_constant(tensor) && !tensor->data.raw)
		return fail(b, "a constant has no data");
	table = w_table(w, fields, ARRAY_SIZE(fields));
	w_set_ref(w, refs, i, table);
	w_set(w, table, TENSOR_SHAPE, w_vector(w, tensor->dims->data, (size_t)tensor->dims->size,
					       sizeof(int32_t)));
	w_set(w, table, TENSOR_NAME, w_string(w, tensor->name ? tensor->name : ""));
	return write_quantisation(b, tensor, table);
}

static bool write_tensors(struct build *b, uint32_t subgraph)
{
	const struct tensor_list *tensors = &b->model->tensors;
	uint32_t refs = w_refs(&b->model->file, tensors->count), buffers = 1;
	size_t i;

	w_set(&b->model->file, subgraph, SUBGRAPH_TENSORS, refs);
	for (i = 0; i < tensors->count; i++)
		if (!write_tensor(b, i, refs, &buffers))
			return false;
	return true;
}

/* The first one is empty; then come the constants, in the order of their tensors. */
static void write_buffers(struct build *b, uint32_t root)
{
	const struct w_field fields[] = { { BUFFER_DATA, 4, 0 } };
	const TfLiteTensor *tensors = b->part->context->tensors;
	const struct tensor_list *list = &b->model->tensors;
	struct writer *w = &b->model->file;
	uint32_t refs, table;
	size_t i, count = 1;

	for (i = 0; i < list->count; i++)
		count += is_constant(&tensors[list->index[i]]);
	refs = w_refs(w, count);
	w_set(w, root, MODEL_BUFFERS, refs);
	w_set_ref(w, refs, 0, w_table(w, NULL, 0));
	for (i = 0, count = 1; i < list->count; i++) {
		if (!is_constant(&tensors[list->index[i]]))
			continue;
		table = w_table(w, fields, ARRAY_SIZE(fields));
		w_set_ref(w, refs, count++, table);
		w_set(w, table, BUFFER_DATA, w_vector(w, tensors[list->index[i]].data.raw,
						      tensors[list->index[i]].bytes, 1));
	}
}

/* ---- Operators ---- */

/* Tensors as the file counts them. */
static uint32_t write_indices(struct build *b, const int *index, size_t count)
{
	uint32_t vector = w_vector(&b->model->file, NULL, count, sizeof(int32_t));
	size_t i;

	/* One that is left out is -1, which its number 0 becomes. */
	for (i = 0; i < count; i++)
		w_set_int32(&b->model->file, vector, i,
			    index[i] < 0 ? UINT32_MAX : b->places[index[i]].number - 1);
	return vector;
}

static bool write_operator(struct build *b, int i, uint32_t refs)
{
	const struct w_field fields[] = {
		{ OP_CODE, 4, (uint32_t)i }, { OP_INPUTS, 4, 0 }, { OP_OUTPUTS, 4, 0 },
	};
	struct w_field all[ARRAY_SIZE(fields) + 2];
	struct writer *w = &b->model->file;
	size_t count = ARRAY_SIZE(fields);
	TfLiteRegistration *registration;
	struct options options;
	TfLiteNode *node;
	uint32_t table;

	if (get_node(b->part, i, &node, &registration) != kTfLiteOk ||
	    !options_get(registration->builtin_code, node->builtin_data, &options))
		return fail(b, "not a kind of operator that can be handed over");
	memcpy(all, fields, sizeof(fields));
	if (options.tag) {
		all[count++] = (struct w_field) { OP_OPTIONS_TAG, 1, options.tag };
		all[count++] = (struct w_field) { OP_OPTIONS, 4, 0 };
	}
	table = w_table(w, all, (unsigned int)count);
	w_set_ref(w, refs, (size_t)i, table);
	w_set(w, table, OP_INPUTS, write_indices(b, node->inputs->data,
						 (size_t)node->inputs->size));
	w_set(w, table, OP_OUTPUTS, write_indices(b, node->outputs->data,
						  (size_t)node->outputs->size));
	if (options.tag)
		w_set(w, table, OP_OPTIONS, w_table(w, options.fields, options.count));
	return true;
}

static bool write_operators(struct build *b, uint32_t subgraph)
{
	uint32_t refs = w_refs(&b->model->file, (size_t)b->part->used);
	int i;

	w_set(&b->model->file, subgraph, SUBGRAPH_OPERATORS, refs);
	for (i = 0; i < b->part->used; i++)
		if (!write_operator(b, i, refs))
			return false;
	return true;
}

/* One for each operator. The old field is a byte, the new one has all of it. */
static bool write_codes(struct build *b, uint32_t root)
{
	struct writer *w = &b->model->file;
	uint32_t refs = w_refs(w, (size_t)b->part->used), code;
	TfLiteRegistration *registration;
	TfLiteNode *node;
	int i;

	w_set(w, root, MODEL_OPERATOR_CODES, refs);
	for (i = 0; i < b->part->used; i++) {
		if (get_node(b->part, i, &node, &registration) != kTfLiteOk)
			return fail(b, "a node is not there");
		code = (uint32_t)registration->builtin_code;
		w_set_ref(w, refs, (size_t)i, w_table(w, (struct w_field[]) {
			{ CODE_DEPRECATED, 1, code < INT8_MAX ? code : INT8_MAX },
			{ CODE_BUILTIN, 4, code } }, 2));
	}
	return true;
}

/* ---- The file ---- */

static bool write_all(struct build *b)
{
	const struct w_field model[] = {
		{ MODEL_VERSION, 4, TFL_SCHEMA_VERSION }, { MODEL_OPERATOR_CODES, 4, 0 },
		{ MODEL_SUBGRAPHS, 4, 0 }, { MODEL_BUFFERS, 4, 0 },
	};
	const struct w_field graph[] = {
		{ SUBGRAPH_TENSORS, 4, 0 }, { SUBGRAPH_INPUTS, 4, 0 },
		{ SUBGRAPH_OUTPUTS, 4, 0 }, { SUBGRAPH_OPERATORS, 4, 0 },
	};
	const struct tensor_list *in = &b->model->inputs, *out = &b->model->outputs;
	struct writer *w = &b->model->file;
	uint32_t root, refs, subgraph;

	w_begin(w, TFL_IDENTIFIER);
	root = w_table(w, model, ARRAY_SIZE(model));
	refs = w_refs(w, 1);
	w_set(w, root, MODEL_SUBGRAPHS, refs);
	subgraph = w_table(w, graph, ARRAY_SIZE(graph));
	w_set_ref(w, refs, 0, subgraph);
	w_set(w, subgraph, SUBGRAPH_INPUTS, write_indices(b, in->index, in->count));
	w_set(w, subgraph, SUBGRAPH_OUTPUTS, write_indices(b, out->index, out->count));
	if (!write_codes(b, root) || !write_tensors(b, subgraph) || !write_operators(b, subgraph))
		return false;
	write_buffers(b, root);
	return !w->failed || fail(b, "out of memory, or more than 2 GiB");
}

static bool new_list(struct tensor_list *list, size_t most)
{
	list->index = calloc(most, sizeof(*list->index));
	return list->index;
}

const char *model_write(const struct part *part, struct model *model)
{
	struct build b = { .part = part, .model = model };
	size_t most = part->context->tensors_size + 1;

	memset(model, 0, sizeof(*model));
	b.places = calloc(most, sizeof(*b.places));
	if (!b.places || !new_list(&model->tensors, most) || !new_list(&model->inputs, most) ||
	    !new_list(&model->outputs, most) || !new_list(&model->variables, most))
		b.why = no_memory;
	else if (use_all(&b))
		write_all(&b);
	free(b.places);
	return b.why;
}

void model_free(struct model *model)
{
	w_free(&model->file);
	free(model->tensors.index);
	free(model->inputs.index);
	free(model->outputs.index);
	free(model->variables.index);
	memset(model, 0, sizeof(*model));
}

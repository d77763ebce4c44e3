// SPDX-License-Identifier: MIT
/*
 * Which nodes shall be the NPU's? libnpu knows: each node that is a model of its
 * own to it is a candidate. What the interpreter makes of neighbours, a partition,
 * has to be a model as well, which it may not be although all of its nodes are: it
 * can have too many inputs, or float32 in the middle. Then a node of it stays on
 * the CPU, the first one that the model cannot be had with.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorflow/lite/builtin_ops.h>

#include "delegate.h"

int compile_part(struct delegate *delegate, const struct part *part, struct model *model,
		 struct npu_program **program, struct npu_error *err)
{
	const struct drm_npu_device_info *info = npu_device_info(delegate->dev);
	const struct npu_compile_options options = {
		.macs_max_order = info->macs_max_order,
		.bytes_max_order = info->bytes_max_order,
		.numerics = delegate->numerics,
	};
	const char *why = model_write(part, model);
	const struct npu_program_info *made;
	int ret;

	if (why) {
		*err = (struct npu_error) { 0 };
		snprintf(err->text, sizeof(err->text), "%s", why);
		return -EOPNOTSUPP;
	}
	ret = npu_program_compile(model->file.data, model->file.size, &options, program, err);
	if (ret)
		return ret;
	/* The device may be an older one than the library. */
	made = npu_program_get_info(*program);
	ret = npu_stream_check(made->stream, made->stream_size, NULL, 0, info, err);
	if (ret)
		npu_program_destroy(*program);
	return ret;
}

/* Is it a model? */
static bool takes(struct delegate *delegate, const struct part *part, struct npu_error *err)
{
	struct npu_program *program;
	struct model model;
	int ret = compile_part(delegate, part, &model, &program, err);

	model_free(&model);
	if (!ret)
		npu_program_destroy(program);
	return !ret;
}

/* Per tensor, how many nodes read it, of which 2 are as good as many. */
static uint8_t *count_readers(TfLiteContext *context, const TfLiteIntArray *plan)
{
	uint8_t *readers = calloc(context->tensors_size + 1, 1);
	TfLiteRegistration *registration;
	TfLiteNode *node;
	int i, k, index;

	for (i = 0; i < plan->size && readers; i++) {
		if (context->GetNodeAndRegistration(context, plan->data[i], &node,
						    &registration) != kTfLiteOk || !node->inputs)
			continue;
		for (k = 0; k < node->inputs->size; k++) {
			index = node->inputs->data[k];
			if (model_tensor(context, index) && readers[index] < 2)
				readers[index]++;
		}
	}
	return readers;
}

/* A variable that somebody else reads as well has to stay where it is. */
static bool has_shared_variable(const TfLiteContext *context, const TfLiteNode *node,
				const uint8_t *readers)
{
	const TfLiteTensor *tensor;
	int k;

	for (k = 0; k < node->inputs->size; k++) {
		tensor = model_tensor(context, node->inputs->data[k]);
		if (tensor && tensor->is_variable && readers[node->inputs->data[k]] != 1)
			return true;
	}
	return false;
}

static void explain(const struct delegate *delegate, TfLiteContext *context, int index,
		    const char *why)
{
	if (delegate->explain)
		context->ReportError(context, "NPU delegate: node %d stays on the CPU: %s", index,
				     why);
}

static bool is_candidate(struct delegate *delegate, TfLiteContext *context, int index,
			 const uint8_t *readers)
{
	struct part part = { .context = context, .nodes = &index, .count = 1, .used = 1 };
	TfLiteRegistration *registration;
	struct npu_error err;
	TfLiteNode *node;

	if (context->GetNodeAndRegistration(context, index, &node, &registration) != kTfLiteOk ||
	    node->delegate || !node->inputs || !node->outputs)
		return false;
	if (has_shared_variable(context, node, readers)) {
		explain(delegate, context, index, "its variable is read by others");
		return false;
	}
	part.outputs = node->outputs;
	if (takes(delegate, &part, &err))
		return true;
	explain(delegate, context, index, err.text);
	return false;
}

/* The node because of which a partition is no model; -1: it is one. */
static int find_culprit(struct delegate *delegate, TfLiteContext *context,
			const TfLiteDelegateParams *params)
{
	struct part part = {
		.context = context,
		.nodes = params->nodes_to_replace->data,
		.count = params->nodes_to_replace->size,
		.used = params->nodes_to_replace->size,
		.outputs = params->output_tensors,
	};
	int good = 0, bad = part.count;
	struct npu_error err, why;

	if (takes(delegate, &part, &why))
		return -1;
	while (bad - good > 1) {
		part.used = good + (bad - good) / 2;
		if (takes(delegate, &part, &err)) {
			good = part.used;
		} else {
			bad = part.used;
			why = err;
		}
	}
	explain(delegate, context, part.nodes[bad - 1], why.text);
	return part.nodes[bad - 1];
}

static void remove_node(TfLiteIntArray *nodes, int index)
{
	int i, kept = 0;

	for (i = 0; i < nodes->size; i++)
		if (nodes->data[i] != index)
			nodes->data[kept++] = nodes->data[i];
	nodes->size = kept;
}

/* Each partition gives one node away, until all are models. */
static bool remove_culprits(struct delegate *delegate, TfLiteContext *context,
			    TfLiteIntArray *nodes)
{
	TfLiteDelegateParams *params;
	int i, count, before, culprit;

	do {
		before = nodes->size;
		if (context->PreviewDelegatePartitioning(context, nodes, &params, &count) !=
		    kTfLiteOk)
			return false;
		for (i = 0; i < count; i++) {
			culprit = find_culprit(delegate, context, &params[i]);
			if (culprit >= 0)
				remove_node(nodes, culprit);
		}
	} while (nodes->size < before);
	return true;
}

/* The interpreter uses its own one again with the next question. */
static TfLiteIntArray *copy_plan(TfLiteContext *context)
{
	TfLiteIntArray *plan, *copy;
	size_t size;

	if (context->GetExecutionPlan(context, &plan) != kTfLiteOk || plan->size < 0)
		return NULL;
	size = sizeof(*plan) + (size_t)plan->size * sizeof(plan->data[0]);
	copy = malloc(size);
	if (copy)
		memcpy(copy, plan, size);
	return copy;
}

TfLiteIntArray *choose_nodes(struct delegate *delegate, TfLiteContext *context)
{
	TfLiteIntArray *nodes = copy_plan(context);
	uint8_t *readers = nodes ? count_readers(context, nodes) : NULL;
	int i, kept = 0;

	if (!readers) {
		free(nodes);
		return NULL;
	}
	for (i = 0; i < nodes->size; i++)
		if (is_candidate(delegate, context, nodes->data[i], readers))
			nodes->data[kept++] = nodes->data[i];
	nodes->size = kept;
	free(readers);
	if (remove_culprits(delegate, context, nodes))
		return nodes;
	free(nodes);
	return NULL;
}

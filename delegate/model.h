/* SPDX-License-Identifier: MIT */
#ifndef DELEGATE_MODEL_H
#define DELEGATE_MODEL_H

#include <tensorflow/lite/c/common.h>

#include "writer.h"

/* Nodes of an interpreter's graph, which shall become a model of their own. */
struct part {
	TfLiteContext *context;
	const int *nodes;	/* in the order of their execution */
	int count;
	int used;	/* the first so many are written; what the rest reads is an output */
	const TfLiteIntArray *outputs;	/* what others read; those that are made here count */
};

/* Tensors of the interpreter. */
struct tensor_list {
	int *index;
	size_t count;
};

/* The model of a part. Inputs and outputs are in the order of the file. */
struct model {
	struct writer file;
	struct tensor_list tensors;	/* those of the file, in its order */
	struct tensor_list inputs;
	struct tensor_list outputs;
	struct tensor_list variables;
};

/**
 * model_write() - write a part as a TensorFlow Lite file
 * @part: may be damaged in any way; libnpu judges what comes of it
 * @model: out: to be freed with model_free(), also after an error
 *
 * Return: NULL, or why the part cannot be written.
 */
const char *model_write(const struct part *part, struct model *model);

void model_free(struct model *model);

/** model_tensor() - a tensor by its index; NULL if there is none */
static inline TfLiteTensor *model_tensor(const TfLiteContext *context, int index)
{
	return index >= 0 && (size_t)index < context->tensors_size ? &context->tensors[index] :
								     NULL;
}

#endif /* DELEGATE_MODEL_H */

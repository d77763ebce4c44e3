// SPDX-License-Identifier: MIT
/*
 * The operator that a partition becomes: a session of libnpu.
 *
 * Variables are in the session. The interpreter's own ones are not used but as a
 * letter box: after a run they are full of a mark, another one for each run. If they
 * are as the interpreter makes them when it resets variables, the session is reset as
 * well; with anything else in them somebody has written a state, which libnpu cannot
 * take. What was saved after an earlier run is such a state: it has an old mark.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tensorflow/lite/builtin_ops.h>

#include "delegate.h"

struct kernel {
	struct npu_session *session;
	struct model model;	/* without its file */
	bool used;	/* there was a run, or a try, since the last reset */
	bool failed;	/* and the last one failed */
	uint32_t runs;	/* good ones, which the mark in the variables counts */
};

static TfLiteStatus report(TfLiteContext *context, const char *text)
{
	context->ReportError(context, "NPU delegate: %s", text);
	return kTfLiteError;
}

/* ---- Life ---- */

static void kernel_destroy(TfLiteContext *context, void *buffer)
{
	struct kernel *kernel = buffer;

	(void)context;
	if (!kernel)
		return;
	npu_session_destroy(kernel->session);
	model_free(&kernel->model);
	free(kernel);
}

static int make_session(struct delegate *delegate, const struct part *part, struct kernel *kernel,
			struct npu_error *err)
{
	struct npu_program *program;
	struct npu_model *model;
	int ret;

	ret = compile_part(delegate, part, &kernel->model, &program, err);
	w_free(&kernel->model.file);
	if (ret)
		return ret;
	ret = npu_model_create(delegate->dev, program, &model, err);
	if (ret)
		return ret;
	ret = npu_session_create(model, DRM_NPU_PRIORITY_NORMAL, &kernel->session, err);
	npu_model_destroy(model);
	return ret;
}

/* NULL, and an error of prepare() later, if there is no session. */
static void *kernel_create(TfLiteContext *context, const char *buffer, size_t length)
{
	const TfLiteDelegateParams *params = (const TfLiteDelegateParams *)buffer;
	const struct part part = {
		.context = context,
		.nodes = params->nodes_to_replace->data,
		.count = params->nodes_to_replace->size,
		.used = params->nodes_to_replace->size,
		.outputs = params->output_tensors,
	};
	struct kernel *kernel = calloc(1, sizeof(*kernel));
	struct npu_error err = { .text = "out of memory" };

	(void)length;
	if (kernel && !make_session(params->delegate->data_, &part, kernel, &err))
		return kernel;
	report(context, err.text);
	kernel_destroy(context, kernel);
	return NULL;
}

/* ---- Variables ---- */

/* What the interpreter's reset fills a variable with. */
static uint8_t reset_byte(const TfLiteTensor *tensor)
{
	return tensor->type == kTfLiteInt8 ? (uint8_t)tensor->params.zero_point : 0;
}

/* What a variable is full of, again and again. */
struct pattern {
	uint8_t byte[4];
};

static struct pattern reset_pattern(const TfLiteTensor *tensor)
{
	struct pattern pattern;

	memset(&pattern, reset_byte(tensor), sizeof(pattern));
	return pattern;
}

/* The number of the run to the base 255; no byte is one of a reset. */
static struct pattern mark_pattern(const TfLiteTensor *tensor, uint32_t runs)
{
	struct pattern pattern = reset_pattern(tensor);
	size_t i;

	for (i = 0; i < sizeof(pattern); i++) {
		pattern.byte[i] ^= (uint8_t)(1 + runs % 255);
		runs /= 255;
	}
	return pattern;
}

static bool full_of(const TfLiteTensor *tensor, struct pattern pattern)
{
	size_t i;

	for (i = 0; i < tensor->bytes; i++)
		if (tensor->data.uint8[i] != pattern.byte[i % sizeof(pattern)])
			return false;
	return true;
}

/* Are they as before the first run? *@other: somebody has written into one. */
static bool variables_reset(const TfLiteContext *context, const struct kernel *kernel, bool *other)
{
	const TfLiteTensor *tensor;
	bool reset = false;
	size_t i;

	*other = false;
	for (i = 0; i < kernel->model.variables.count; i++) {
		tensor = &context->tensors[kernel->model.variables.index[i]];
		if (!tensor->data.raw || !tensor->bytes)
			continue;
		if (full_of(tensor, reset_pattern(tensor)))
			reset = true;
		else if (!full_of(tensor, mark_pattern(tensor, kernel->runs)))
			*other = true;
	}
	return reset;
}

static void mark_variables(const TfLiteContext *context, struct kernel *kernel)
{
	const TfLiteTensor *tensor;
	struct pattern pattern;
	size_t i, k;

	kernel->runs++;
	for (i = 0; i < kernel->model.variables.count; i++) {
		tensor = &context->tensors[kernel->model.variables.index[i]];
		pattern = mark_pattern(tensor, kernel->runs);
		for (k = 0; tensor->data.raw && k < tensor->bytes; k++)
			tensor->data.uint8[k] = pattern.byte[k % sizeof(pattern)];
	}
}

/* ---- Runs ---- */

static TfLiteStatus kernel_prepare(TfLiteContext *context, TfLiteNode *node)
{
	(void)context;
	return node->user_data ? kTfLiteOk : kTfLiteError;
}

/* The session as this run needs it. */
static int begin(TfLiteContext *context, struct kernel *kernel, struct npu_error *err)
{
	bool other, reset = variables_reset(context, kernel, &other);
	int ret = 0;

	if (other) {
		*err = (struct npu_error) {
			.text = "a variable was written, which is not possible on the NPU"
		};
		return -EOPNOTSUPP;
	}
	if (kernel->failed || (kernel->used && reset))
		ret = npu_session_reset(kernel->session, err);
	else
		return 0;
	kernel->failed = ret;
	kernel->used = ret;
	return ret;
}

static int write_inputs(TfLiteContext *context, struct kernel *kernel, struct npu_error *err)
{
	const struct tensor_list *inputs = &kernel->model.inputs;
	const TfLiteTensor *tensor;
	int ret = 0;
	size_t i;

	for (i = 0; i < inputs->count && !ret; i++) {
		tensor = &context->tensors[inputs->index[i]];
		ret = npu_session_write(kernel->session, (unsigned int)i, tensor->data.raw,
					tensor->data.raw ? tensor->bytes : 0, err);
	}
	return ret;
}

static int read_outputs(TfLiteContext *context, struct kernel *kernel, struct npu_error *err)
{
	const struct tensor_list *outputs = &kernel->model.outputs;
	const TfLiteTensor *tensor;
	int ret = 0;
	size_t i;

	for (i = 0; i < outputs->count && !ret; i++) {
		tensor = &context->tensors[outputs->index[i]];
		ret = npu_session_read(kernel->session, (unsigned int)i, tensor->data.raw,
				       tensor->data.raw ? tensor->bytes : 0, err);
	}
	return ret;
}

static TfLiteStatus kernel_invoke(TfLiteContext *context, TfLiteNode *node)
{
	struct kernel *kernel = node->user_data;
	struct npu_error err = { .text = "" };
	int ret = begin(context, kernel, &err);

	if (!ret)
		ret = write_inputs(context, kernel, &err);
	if (!ret) {
		kernel->used = true;
		ret = npu_session_run(kernel->session, &err);
		kernel->failed = ret;
	}
	if (!ret)
		ret = read_outputs(context, kernel, &err);
	if (ret)
		return report(context, err.text);
	mark_variables(context, kernel);
	return kTfLiteOk;
}

TfLiteRegistration kernel_registration(void)
{
	return (TfLiteRegistration) {
		.init = kernel_create,
		.free = kernel_destroy,
		.prepare = kernel_prepare,
		.invoke = kernel_invoke,
		.builtin_code = kTfLiteBuiltinDelegate,
		.custom_name = "NpuDelegate",
		.version = 1,
	};
}

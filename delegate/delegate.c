// SPDX-License-Identifier: MIT
/*
 * libnpu_delegate.so: runs TensorFlow Lite's graphs on an NPU, as far as libnpu
 * takes them. It has the two symbols of an external delegate and no other.
 *
 * Options: "device": path of the node or index, as for npu_device_open(); without
 * it what the environment variable NPU_DEVICE says, else the first one that opens.
 * "numerics": "tflite", the default, or "tflm": whose results, where the two differ.
 * "explain": "1": report for each node that stays on the CPU why it does.
 *
 * Errors: of creation through report_error, then the result is NULL; later ones
 * through the interpreter's error reporter. A failed run is an error of
 * Invoke(): it is not repeated on the CPU. The next one begins with a new queue, and with
 * variables as before the first one.
 *
 * ABI: it is built for the version of TensorFlow Lite whose headers it is compiled
 * with. Structures are shared with the interpreter, some by value, see delegate.h.
 *
 * Lifetime: as TensorFlow Lite has it, the delegate outlives the interpreters
 * that it was given to. They may be several; each partition of each has a session
 * of its own.
 *
 * Threads: creation and destruction at any time, of different delegates in any
 * number of threads. Interpreters that share a delegate may run in different
 * threads at one time; one interpreter in one thread at a time, as always.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delegate.h"

struct settings {
	const char *device;	/* NULL: any */
	uint32_t numerics;
	bool explain;
};

static bool fail(report_fn report_error, const char *what, const char *text)
{
	char line[400];

	snprintf(line, sizeof(line), "NPU delegate: %s%s", what, text);
	if (report_error)
		report_error(line);
	return false;
}

/* Which of two words is it? */
static bool get_choice(const char *key, const char *value, const char *const words[2],
		       unsigned int *choice, report_fn report_error)
{
	char what[100];

	for (*choice = 0; *choice < 2; ++*choice)
		if (!strcmp(value, words[*choice]))
			return true;
	snprintf(what, sizeof(what), "the option '%s' is %s or %s, not ", key, words[0], words[1]);
	return fail(report_error, what, value);
}

static bool get_option(struct settings *settings, const char *key, const char *value,
		       report_fn report_error)
{
	static const char *const numerics[] = { "tflm", "tflite" }, *const flag[] = { "0", "1" };
	unsigned int choice;

	if (!key || !value)
		return fail(report_error, "an option without key or value", "");
	if (!strcmp(key, "device")) {
		settings->device = value;
	} else if (!strcmp(key, "numerics")) {
		if (!get_choice(key, value, numerics, &choice, report_error))
			return false;
		settings->numerics = choice ? NPU_NUMERICS_TFLITE : NPU_NUMERICS_TFLM;
	} else if (!strcmp(key, "explain")) {
		if (!get_choice(key, value, flag, &choice, report_error))
			return false;
		settings->explain = choice;
	} else {
		return fail(report_error, "known are the options device, numerics and explain, not ",
			    key);
	}
	return true;
}

static TfLiteStatus prepare(TfLiteContext *context, TfLiteDelegate *base)
{
	struct delegate *delegate = base->data_;
	TfLiteIntArray *nodes = choose_nodes(delegate, context);
	TfLiteStatus status = kTfLiteError;

	if (nodes)
		status = context->ReplaceNodeSubsetsWithDelegateKernels(context,
									kernel_registration(),
									nodes, base);
	free(nodes);
	return status;
}

PLUGIN TfLiteDelegate *tflite_plugin_create_delegate(const char *const *keys,
						     const char *const *values, size_t n,
						     report_fn report_error)
{
	struct settings settings = { .numerics = NPU_NUMERICS_TFLITE };
	struct npu_error err = { 0 };
	struct delegate *delegate;
	size_t i;

	if (n && (!keys || !values)) {
		fail(report_error, "options without keys or values", "");
		return NULL;
	}
	for (i = 0; i < n; i++)
		if (!get_option(&settings, keys[i], values[i], report_error))
			return NULL;
	delegate = calloc(1, sizeof(*delegate));
	if (!delegate) {
		fail(report_error, "out of memory", "");
		return NULL;
	}
	if (npu_device_open(settings.device, &delegate->dev, &err)) {
		fail(report_error, "", err.text);
		free(delegate);
		return NULL;
	}
	delegate->numerics = settings.numerics;
	delegate->explain = settings.explain;
	/* All else of it is zero, whatever members this version has. */
	delegate->base.data_ = delegate;
	delegate->base.Prepare = prepare;
	delegate->base.flags = kTfLiteDelegateFlagsNone;
	return &delegate->base;
}

PLUGIN void tflite_plugin_destroy_delegate(TfLiteDelegate *base)
{
	struct delegate *delegate;

	if (!base)
		return;
	delegate = base->data_;
	npu_device_close(delegate->dev);
	free(delegate);
}

/* SPDX-License-Identifier: MIT */
#ifndef DELEGATE_DELEGATE_H
#define DELEGATE_DELEGATE_H

#include <npu.h>
#include <stddef.h>
#include <tensorflow/lite/c/common.h>

#include "model.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * What tflite_plugin_create_delegate() makes. The interpreter reads a TfLiteDelegate of
 * its own version, which may be longer: members that this one does not have are zero to it.
 *
 * TfLiteTensor, TfLiteNode, TfLiteContext and TfLiteRegistration have no such way out:
 * arrays of the first are indexed, and the last is handed over by value. So the headers have
 * to be those of the version that is used at run time; delegate.rst says so.
 */
struct delegate {
	TfLiteDelegate base;
	void *reserved[16];	/* zero */
	struct npu_device *dev;
	uint32_t numerics;	/* NPU_NUMERICS_* */
	bool explain;	/* tell why nodes stay on the CPU */
};

_Static_assert(offsetof(struct delegate, base) == 0, "it is a TfLiteDelegate");
_Static_assert(offsetof(struct delegate, reserved) == sizeof(TfLiteDelegate),
	       "what a longer TfLiteDelegate has is zero");

/* ---- delegate.c: what TensorFlow Lite looks for ---- */

#define PLUGIN __attribute__((visibility("default")))

typedef void (*report_fn)(const char *text);

PLUGIN TfLiteDelegate *tflite_plugin_create_delegate(const char *const *keys,
						     const char *const *values, size_t n,
						     report_fn report_error);
PLUGIN void tflite_plugin_destroy_delegate(TfLiteDelegate *base);

/* ---- choose.c ---- */

/**
 * choose_nodes() - which nodes shall be the NPU's?
 * @delegate: which
 * @context: graph
 *
 * Return: their numbers in the order of their execution, such that each partition
 * that the interpreter makes of them is a model that the device takes; to be freed
 * with free(). NULL: out of memory, or the interpreter fails.
 */
TfLiteIntArray *choose_nodes(struct delegate *delegate, TfLiteContext *context);

/**
 * compile_part() - what libnpu makes of a part, for the device
 * @delegate: which
 * @part: nodes
 * @model: out: inputs and outputs; to be freed, also after an error
 * @program: out: the program
 * @err: out: why not
 *
 * Return: 0; -EOPNOTSUPP: the part cannot be written; errors of
 * npu_program_compile() and npu_stream_check().
 */
int compile_part(struct delegate *delegate, const struct part *part, struct model *model,
		 struct npu_program **program, struct npu_error *err);

/* ---- kernel.c ---- */

/** kernel_registration() - the operator that a partition becomes */
TfLiteRegistration kernel_registration(void);

#endif /* DELEGATE_DELEGATE_H */

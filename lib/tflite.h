/* SPDX-License-Identifier: MIT */
/* TensorFlow Lite files as the compiler reads them. */
#ifndef NPU_TFLITE_H
#define NPU_TFLITE_H

#include "flatbuffer.h"
#include "schema.h"

#define TFL_RESOURCE		13	/* TensorType: handle of a variable */
#define TFL_MAX_TENSORS		65536u
#define TFL_MAX_OPERATORS	16384u

/* An open file. */
struct tfl_model {
	struct fb fb;	/* its reader */
	struct fb_vector codes;	/* OperatorCode tables */
	struct fb_vector buffers;	/* Buffer tables */
	struct fb_vector subgraphs;	/* SubGraph tables */
	struct fb_vector signatures;	/* SignatureDef tables */
	struct fb_vector signature_inputs;	/* TensorMap tables of the signature in use */
	struct fb_vector signature_outputs;
	struct fb_vector tensors;	/* of the subgraph in use, as what follows */
	struct fb_vector operators;	/* in execution order */
	struct fb_vector inputs;	/* tensor indices */
	struct fb_vector outputs;	/* tensor indices */
};

/* A tensor. */
struct tfl_tensor {
	struct fb_vector name;	/* not terminated */
	int type;	/* as in the schema */
	struct fb_vector shape;	/* int32 */
	struct fb_vector signature;	/* the same, with -1 for what is not fixed; or absent */
	uint32_t buffer;
	struct fb_vector data;	/* of a constant */
	struct fb_vector scale;	/* float32 */
	struct fb_vector zero_point;	/* int64 */
	int32_t axis;	/* of @scale, if there are several */
	bool variable;	/* state that survives runs */
	bool sparse;	/* in sparse format */
};

/* An operator. */
struct tfl_operator {
	int builtin;	/* enum tfl_builtin */
	const char *name;	/* of the builtin or custom operator; @name_len bytes */
	int name_len;
	struct fb_vector inputs;	/* tensor indices, -1 = left out */
	struct fb_vector outputs;	/* tensor indices */
	struct fb_table options;	/* table, absent if its tag is another than wanted */
	uint8_t tag;	/* enum tfl_options */
};

/** tfl_open() - check a file and choose a signature, or with NULL the first subgraph */
int tfl_open(struct tfl_model *model, const void *file, size_t size, const char *signature,
	     struct npu_error *err);
int tfl_subgraph(struct tfl_model *model, uint32_t index);
/** tfl_alias() - the name that the signature has for an input or output; absent: none */
struct fb_vector tfl_alias(struct tfl_model *model, bool output, uint32_t tensor);
int tfl_tensor(struct tfl_model *model, uint32_t i, struct tfl_tensor *tensor);
int tfl_operator(struct tfl_model *model, uint32_t i, struct tfl_operator *op);
const char *tfl_type_name(int type);
enum npu_type tfl_type(int type);

#endif /* NPU_TFLITE_H */

/* SPDX-License-Identifier: MIT */
/* The parts of the TensorFlow Lite schema that the compiler uses. */
#ifndef NPU_TFLITE_H
#define NPU_TFLITE_H

#include "flatbuffer.h"

#define TFL_MAX_TENSORS		65536u
#define TFL_MAX_OPERATORS	16384u

/* BuiltinOperator */
enum tfl_builtin {
	TFL_ADD			= 0,
	TFL_AVERAGE_POOL_2D	= 1,
	TFL_CONV_2D		= 3,
	TFL_DEPTHWISE_CONV_2D	= 4,
	TFL_DEQUANTIZE		= 6,
	TFL_FULLY_CONNECTED	= 9,
	TFL_MAX_POOL_2D		= 17,
	TFL_MUL			= 18,
	TFL_RELU		= 19,
	TFL_RELU6		= 21,
	TFL_RESHAPE		= 22,
	TFL_SOFTMAX		= 25,
	TFL_CUSTOM		= 32,
	TFL_PAD			= 34,
	TFL_MEAN		= 40,
	TFL_QUANTIZE		= 114,
};

/* BuiltinOptions: the union's tag */
enum tfl_options {
	TFL_CONV_2D_OPTIONS		= 1,
	TFL_DEPTHWISE_CONV_2D_OPTIONS	= 2,
	TFL_POOL_2D_OPTIONS		= 5,
	TFL_FULLY_CONNECTED_OPTIONS	= 8,
	TFL_SOFTMAX_OPTIONS		= 9,
	TFL_ADD_OPTIONS			= 11,
	TFL_MUL_OPTIONS			= 21,
	TFL_REDUCER_OPTIONS		= 27,
};

enum tfl_padding { TFL_PADDING_SAME = 0, TFL_PADDING_VALID = 1 };

/* ActivationFunctionType */
enum tfl_activation {
	TFL_ACT_NONE		= 0,
	TFL_ACT_RELU		= 1,
	TFL_ACT_RELU_N1_TO_1	= 2,
	TFL_ACT_RELU6		= 3,
};

/* Field numbers of the options' tables */
enum {
	CONV_PADDING, CONV_STRIDE_W, CONV_STRIDE_H, CONV_ACTIVATION, CONV_DILATION_W,
	CONV_DILATION_H
};
enum {
	DEPTHWISE_PADDING, DEPTHWISE_STRIDE_W, DEPTHWISE_STRIDE_H, DEPTHWISE_MULTIPLIER,
	DEPTHWISE_ACTIVATION, DEPTHWISE_DILATION_W, DEPTHWISE_DILATION_H
};
enum {
	POOL_PADDING, POOL_STRIDE_W, POOL_STRIDE_H, POOL_FILTER_W, POOL_FILTER_H, POOL_ACTIVATION
};
enum { FC_ACTIVATION, FC_WEIGHTS_FORMAT };
enum { ADD_ACTIVATION };
enum { MUL_ACTIVATION };
enum { SOFTMAX_BETA };
enum { REDUCER_KEEP_DIMS };

/* An open file. */
struct tfl_model {
	struct fb fb;	/* its reader */
	struct fb_vector codes;	/* OperatorCode tables */
	struct fb_vector buffers;	/* Buffer tables */
	struct fb_vector tensors;	/* of the primary subgraph */
	struct fb_vector operators;	/* in execution order */
	struct fb_vector inputs;	/* tensor indices */
	struct fb_vector outputs;	/* tensor indices */
};

/* A tensor. */
struct tfl_tensor {
	struct fb_vector name;	/* not terminated */
	int type;	/* as in the schema */
	struct fb_vector shape;	/* int32 */
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

int tfl_open(struct tfl_model *model, const void *file, size_t size, struct npu_error *err);
int tfl_tensor(struct tfl_model *model, uint32_t i, struct tfl_tensor *tensor);
int tfl_operator(struct tfl_model *model, uint32_t i, struct tfl_operator *op);
const char *tfl_type_name(int type);
enum npu_type tfl_type(int type);

#endif /* NPU_TFLITE_H */

/* SPDX-License-Identifier: MIT */
/* The parts of the TensorFlow Lite schema that the compiler uses. */
#ifndef NPU_TFLITE_H
#define NPU_TFLITE_H

#include "flatbuffer.h"

#define TFL_RESOURCE		13	/* TensorType: handle of a variable */
#define TFL_MAX_TENSORS		65536u
#define TFL_MAX_OPERATORS	16384u

/* BuiltinOperator */
enum tfl_builtin {
	TFL_ADD			= 0,
	TFL_AVERAGE_POOL_2D	= 1,
	TFL_CONCATENATION	= 2,
	TFL_CONV_2D		= 3,
	TFL_DEPTHWISE_CONV_2D	= 4,
	TFL_DEPTH_TO_SPACE	= 5,
	TFL_DEQUANTIZE		= 6,
	TFL_FULLY_CONNECTED	= 9,
	TFL_L2_NORMALIZATION	= 11,
	TFL_LOGISTIC		= 14,
	TFL_MAX_POOL_2D		= 17,
	TFL_MUL			= 18,
	TFL_RELU		= 19,
	TFL_RELU_N1_TO_1	= 20,
	TFL_RELU6		= 21,
	TFL_RESHAPE		= 22,
	TFL_SOFTMAX		= 25,
	TFL_RESIZE_BILINEAR	= 23,
	TFL_SPACE_TO_DEPTH	= 26,
	TFL_SVDF		= 27,
	TFL_TANH		= 28,
	TFL_CALL		= 31,
	TFL_CUSTOM		= 32,
	TFL_PAD			= 34,
	TFL_GATHER		= 36,
	TFL_TRANSPOSE		= 39,
	TFL_MEAN		= 40,
	TFL_SUB			= 41,
	TFL_SQUEEZE		= 43,
	TFL_UNIDIRECTIONAL_SEQUENCE_LSTM = 44,
	TFL_STRIDED_SLICE	= 45,
	TFL_SPLIT		= 49,
	TFL_LOG_SOFTMAX		= 50,
	TFL_PRELU		= 54,
	TFL_MAXIMUM		= 55,
	TFL_ARG_MAX		= 56,
	TFL_MINIMUM		= 57,
	TFL_PADV2		= 60,
	TFL_SLICE		= 65,
	TFL_TRANSPOSE_CONV	= 67,
	TFL_EXPAND_DIMS		= 70,
	TFL_SUM			= 74,
	TFL_RSQRT		= 76,
	TFL_REDUCE_MAX		= 82,
	TFL_PACK		= 83,
	TFL_UNPACK		= 88,
	TFL_RESIZE_NEAREST_NEIGHBOR = 97,
	TFL_LEAKY_RELU		= 98,
	TFL_SQUARED_DIFFERENCE	= 99,
	TFL_MIRROR_PAD		= 100,
	TFL_SPLIT_V		= 102,
	TFL_ELU			= 111,
	TFL_QUANTIZE		= 114,
	TFL_HARD_SWISH		= 117,
	TFL_IF			= 118,
	TFL_WHILE		= 119,
	TFL_BATCH_MATMUL	= 126,
	TFL_CALL_ONCE		= 129,
	TFL_VAR_HANDLE		= 142,
	TFL_READ_VARIABLE	= 143,
	TFL_ASSIGN_VARIABLE	= 144,
};

/* BuiltinOptions: the union's tag */
enum tfl_options {
	TFL_CONV_2D_OPTIONS		= 1,
	TFL_DEPTHWISE_CONV_2D_OPTIONS	= 2,
	TFL_POOL_2D_OPTIONS		= 5,
	TFL_SVDF_OPTIONS		= 6,
	TFL_L2_NORM_OPTIONS		= 12,
	TFL_FULLY_CONNECTED_OPTIONS	= 8,
	TFL_SOFTMAX_OPTIONS		= 9,
	TFL_CONCATENATION_OPTIONS	= 10,
	TFL_ADD_OPTIONS			= 11,
	TFL_RESIZE_BILINEAR_OPTIONS	= 15,
	TFL_SPACE_TO_DEPTH_OPTIONS	= 19,
	TFL_MUL_OPTIONS			= 21,
	TFL_GATHER_OPTIONS		= 23,
	TFL_REDUCER_OPTIONS		= 27,
	TFL_SUB_OPTIONS			= 28,
	TFL_STRIDED_SLICE_OPTIONS	= 32,
	TFL_TRANSPOSE_CONV_OPTIONS	= 49,
	TFL_PACK_OPTIONS		= 59,
	TFL_UNPACK_OPTIONS		= 64,
	TFL_LSTM_OPTIONS		= 71,
	TFL_RESIZE_NEAREST_OPTIONS	= 74,
	TFL_LEAKY_RELU_OPTIONS		= 75,
	TFL_MIRROR_PAD_OPTIONS		= 77,
	TFL_DEPTH_TO_SPACE_OPTIONS	= 94,
	TFL_BATCH_MATMUL_OPTIONS	= 101,
	TFL_CALL_ONCE_OPTIONS		= 103,
	TFL_VAR_HANDLE_OPTIONS		= 111,
};

enum tfl_mirror_pad { TFL_MIRROR_REFLECT = 0, TFL_MIRROR_SYMMETRIC = 1 };

enum tfl_padding { TFL_PADDING_SAME = 0, TFL_PADDING_VALID = 1 };

/* ActivationFunctionType */
enum tfl_activation {
	TFL_ACT_NONE		= 0,
	TFL_ACT_RELU		= 1,
	TFL_ACT_RELU_N1_TO_1	= 2,
	TFL_ACT_RELU6		= 3,
	TFL_ACT_TANH		= 4,
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
enum { BINARY_ACTIVATION };	/* ADD, SUB, MUL */
enum { SOFTMAX_BETA };
enum { L2_NORM_ACTIVATION };
enum { REDUCER_KEEP_DIMS };
enum { CONCATENATION_AXIS, CONCATENATION_ACTIVATION };
enum { BLOCK_SIZE };	/* SPACE_TO_DEPTH, DEPTH_TO_SPACE */
enum { GATHER_AXIS, GATHER_BATCH_DIMS };
enum {
	SLICE_BEGIN_MASK, SLICE_END_MASK, SLICE_ELLIPSIS_MASK, SLICE_NEW_AXIS_MASK,
	SLICE_SHRINK_MASK
};
enum { PACK_COUNT, PACK_AXIS };
enum { UNPACK_COUNT, UNPACK_AXIS };
enum { RESIZE_ALIGN_CORNERS, RESIZE_HALF_PIXEL };
enum { BILINEAR_ALIGN_CORNERS = 2, BILINEAR_HALF_PIXEL };	/* sizes were there once */
enum {
	TRANSPOSE_CONV_PADDING, TRANSPOSE_CONV_STRIDE_W, TRANSPOSE_CONV_STRIDE_H,
	TRANSPOSE_CONV_ACTIVATION
};
enum { LEAKY_RELU_ALPHA };
enum { SVDF_RANK, SVDF_ACTIVATION };
enum { LSTM_ACTIVATION, LSTM_CELL_CLIP, LSTM_PROJECTION_CLIP, LSTM_TIME_MAJOR };
enum { MIRROR_PAD_MODE };
enum { BATCH_MATMUL_ADJ_X, BATCH_MATMUL_ADJ_Y };
enum { CALL_ONCE_SUBGRAPH };
enum { VAR_HANDLE_CONTAINER, VAR_HANDLE_NAME };

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

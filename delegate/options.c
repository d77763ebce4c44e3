// SPDX-License-Identifier: MIT
/*
 * The interpreter keeps the options of an operator in a structure per kind of
 * operator. Here is which member is which field of the schema.
 */
#include <string.h>
#include <tensorflow/lite/builtin_ops.h>
#include <tensorflow/lite/c/builtin_op_data.h>

#include "options.h"
#include "schema.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum kind {
	INT,	/* of 32 bits, or a float32 */
	ENUM,	/* a byte in the schema; both sides count alike */
	FROM_1,	/* a byte, and the interpreter counts from 1; 0 is unknown */
	BOOL,
};

/* A member, and the field that it becomes. */
struct option {
	uint8_t field;
	uint8_t kind;
	uint16_t offset;
};

/* As they are copied; INT is a float32 as well. */
_Static_assert(sizeof(int) == 4 && sizeof(float) == 4, "INT");
_Static_assert(sizeof(TfLiteFusedActivation) == 4 && sizeof(TfLitePadding) == 4, "ENUM, FROM_1");
_Static_assert(sizeof(bool) == 1, "BOOL");
_Static_assert(kTfLiteActNone == 0 && kTfLiteActRelu == 1 && kTfLiteActReluN1To1 == 2 &&
	       kTfLiteActRelu6 == 3 && kTfLiteActTanh == 4, "the schema counts alike");
_Static_assert(kTfLitePaddingUnknown == 0 && kTfLitePaddingSame == 1 && kTfLitePaddingValid == 2,
	       "the schema counts from 0");

#define OPTION(field, kind, type, member) { field, kind, offsetof(type, member) }

static const struct option conv[] = {
	OPTION(CONV_PADDING, FROM_1, TfLiteConvParams, padding),
	OPTION(CONV_STRIDE_W, INT, TfLiteConvParams, stride_width),
	OPTION(CONV_STRIDE_H, INT, TfLiteConvParams, stride_height),
	OPTION(CONV_ACTIVATION, ENUM, TfLiteConvParams, activation),
	OPTION(CONV_DILATION_W, INT, TfLiteConvParams, dilation_width_factor),
	OPTION(CONV_DILATION_H, INT, TfLiteConvParams, dilation_height_factor),
};

static const struct option depthwise[] = {
	OPTION(DEPTHWISE_PADDING, FROM_1, TfLiteDepthwiseConvParams, padding),
	OPTION(DEPTHWISE_STRIDE_W, INT, TfLiteDepthwiseConvParams, stride_width),
	OPTION(DEPTHWISE_STRIDE_H, INT, TfLiteDepthwiseConvParams, stride_height),
	OPTION(DEPTHWISE_MULTIPLIER, INT, TfLiteDepthwiseConvParams, depth_multiplier),
	OPTION(DEPTHWISE_ACTIVATION, ENUM, TfLiteDepthwiseConvParams, activation),
	OPTION(DEPTHWISE_DILATION_W, INT, TfLiteDepthwiseConvParams, dilation_width_factor),
	OPTION(DEPTHWISE_DILATION_H, INT, TfLiteDepthwiseConvParams, dilation_height_factor),
};

static const struct option transpose_conv[] = {
	OPTION(TRANSPOSE_CONV_PADDING, FROM_1, TfLiteTransposeConvParams, padding),
	OPTION(TRANSPOSE_CONV_STRIDE_W, INT, TfLiteTransposeConvParams, stride_width),
	OPTION(TRANSPOSE_CONV_STRIDE_H, INT, TfLiteTransposeConvParams, stride_height),
	OPTION(TRANSPOSE_CONV_ACTIVATION, ENUM, TfLiteTransposeConvParams, activation),
};

static const struct option pool[] = {
	OPTION(POOL_PADDING, FROM_1, TfLitePoolParams, padding),
	OPTION(POOL_STRIDE_W, INT, TfLitePoolParams, stride_width),
	OPTION(POOL_STRIDE_H, INT, TfLitePoolParams, stride_height),
	OPTION(POOL_FILTER_W, INT, TfLitePoolParams, filter_width),
	OPTION(POOL_FILTER_H, INT, TfLitePoolParams, filter_height),
	OPTION(POOL_ACTIVATION, ENUM, TfLitePoolParams, activation),
};

static const struct option fully_connected[] = {
	OPTION(FC_ACTIVATION, ENUM, TfLiteFullyConnectedParams, activation),
	OPTION(FC_WEIGHTS_FORMAT, ENUM, TfLiteFullyConnectedParams, weights_format),
};

static const struct option add[] = {
	OPTION(BINARY_ACTIVATION, ENUM, TfLiteAddParams, activation),
};

static const struct option sub[] = {
	OPTION(BINARY_ACTIVATION, ENUM, TfLiteSubParams, activation),
};

static const struct option mul[] = {
	OPTION(BINARY_ACTIVATION, ENUM, TfLiteMulParams, activation),
};

static const struct option softmax[] = {
	OPTION(SOFTMAX_BETA, INT, TfLiteSoftmaxParams, beta),
};

static const struct option l2_norm[] = {
	OPTION(L2_NORM_ACTIVATION, ENUM, TfLiteL2NormParams, activation),
};

static const struct option reducer[] = {
	OPTION(REDUCER_KEEP_DIMS, BOOL, TfLiteReducerParams, keep_dims),
};

static const struct option concatenation[] = {
	OPTION(CONCATENATION_AXIS, INT, TfLiteConcatenationParams, axis),
	OPTION(CONCATENATION_ACTIVATION, ENUM, TfLiteConcatenationParams, activation),
};

static const struct option space_to_depth[] = {
	OPTION(BLOCK_SIZE, INT, TfLiteSpaceToDepthParams, block_size),
};

static const struct option depth_to_space[] = {
	OPTION(BLOCK_SIZE, INT, TfLiteDepthToSpaceParams, block_size),
};

static const struct option gather[] = {
	OPTION(GATHER_AXIS, INT, TfLiteGatherParams, axis),
	OPTION(GATHER_BATCH_DIMS, INT, TfLiteGatherParams, batch_dims),
};

static const struct option strided_slice[] = {
	OPTION(SLICE_BEGIN_MASK, INT, TfLiteStridedSliceParams, begin_mask),
	OPTION(SLICE_END_MASK, INT, TfLiteStridedSliceParams, end_mask),
	OPTION(SLICE_ELLIPSIS_MASK, INT, TfLiteStridedSliceParams, ellipsis_mask),
	OPTION(SLICE_NEW_AXIS_MASK, INT, TfLiteStridedSliceParams, new_axis_mask),
	OPTION(SLICE_SHRINK_MASK, INT, TfLiteStridedSliceParams, shrink_axis_mask),
	OPTION(SLICE_END_IS_OFFSET, BOOL, TfLiteStridedSliceParams, offset),
};

static const struct option pack[] = {
	OPTION(PACK_COUNT, INT, TfLitePackParams, values_count),
	OPTION(PACK_AXIS, INT, TfLitePackParams, axis),
};

static const struct option unpack[] = {
	OPTION(UNPACK_COUNT, INT, TfLiteUnpackParams, num),
	OPTION(UNPACK_AXIS, INT, TfLiteUnpackParams, axis),
};

static const struct option resize_nearest[] = {
	OPTION(RESIZE_ALIGN_CORNERS, BOOL, TfLiteResizeNearestNeighborParams, align_corners),
	OPTION(RESIZE_HALF_PIXEL, BOOL, TfLiteResizeNearestNeighborParams, half_pixel_centers),
};

static const struct option resize_bilinear[] = {
	OPTION(BILINEAR_ALIGN_CORNERS, BOOL, TfLiteResizeBilinearParams, align_corners),
	OPTION(BILINEAR_HALF_PIXEL, BOOL, TfLiteResizeBilinearParams, half_pixel_centers),
};

static const struct option leaky_relu[] = {
	OPTION(LEAKY_RELU_ALPHA, INT, TfLiteLeakyReluParams, alpha),
};

static const struct option mirror_pad[] = {
	OPTION(MIRROR_PAD_MODE, FROM_1, TfLiteMirrorPaddingParams, mode),
};

static const struct option batch_matmul[] = {
	OPTION(BATCH_MATMUL_ADJ_X, BOOL, TfLiteBatchMatMulParams, adj_x),
	OPTION(BATCH_MATMUL_ADJ_Y, BOOL, TfLiteBatchMatMulParams, adj_y),
};

static const struct option svdf[] = {
	OPTION(SVDF_RANK, INT, TfLiteSVDFParams, rank),
	OPTION(SVDF_ACTIVATION, ENUM, TfLiteSVDFParams, activation),
};

static const struct option lstm[] = {
	OPTION(LSTM_ACTIVATION, ENUM, TfLiteUnidirectionalSequenceLSTMParams, activation),
	OPTION(LSTM_CELL_CLIP, INT, TfLiteUnidirectionalSequenceLSTMParams, cell_clip),
	OPTION(LSTM_PROJECTION_CLIP, INT, TfLiteUnidirectionalSequenceLSTMParams, proj_clip),
	OPTION(LSTM_TIME_MAJOR, BOOL, TfLiteUnidirectionalSequenceLSTMParams, time_major),
	OPTION(LSTM_DIAGONAL, BOOL, TfLiteUnidirectionalSequenceLSTMParams,
	       diagonal_recurrent_tensors),
};

#define OPERATOR(builtin, tag, options) \
	{ kTfLiteBuiltin##builtin, TFL_##tag##_OPTIONS, ARRAY_SIZE(options), options }
#define PLAIN(builtin) { kTfLiteBuiltin##builtin, 0, 0, NULL }

static const struct {
	uint8_t builtin;
	uint8_t tag;
	uint8_t count;
	const struct option *options;
} operators[] = {
	OPERATOR(Add, ADD, add),
	OPERATOR(AveragePool2d, POOL_2D, pool),
	OPERATOR(BatchMatmul, BATCH_MATMUL, batch_matmul),
	OPERATOR(Concatenation, CONCATENATION, concatenation),
	OPERATOR(Conv2d, CONV_2D, conv),
	OPERATOR(DepthToSpace, DEPTH_TO_SPACE, depth_to_space),
	OPERATOR(DepthwiseConv2d, DEPTHWISE_CONV_2D, depthwise),
	OPERATOR(FullyConnected, FULLY_CONNECTED, fully_connected),
	OPERATOR(Gather, GATHER, gather),
	OPERATOR(L2Normalization, L2_NORM, l2_norm),
	OPERATOR(LeakyRelu, LEAKY_RELU, leaky_relu),
	OPERATOR(MaxPool2d, POOL_2D, pool),
	OPERATOR(Mean, REDUCER, reducer),
	OPERATOR(MirrorPad, MIRROR_PAD, mirror_pad),
	OPERATOR(Mul, MUL, mul),
	OPERATOR(Pack, PACK, pack),
	OPERATOR(ReduceMax, REDUCER, reducer),
	OPERATOR(ResizeBilinear, RESIZE_BILINEAR, resize_bilinear),
	OPERATOR(ResizeNearestNeighbor, RESIZE_NEAREST, resize_nearest),
	OPERATOR(Softmax, SOFTMAX, softmax),
	OPERATOR(SpaceToDepth, SPACE_TO_DEPTH, space_to_depth),
	OPERATOR(StridedSlice, STRIDED_SLICE, strided_slice),
	OPERATOR(Sub, SUB, sub),
	OPERATOR(Sum, REDUCER, reducer),
	OPERATOR(Svdf, SVDF, svdf),
	OPERATOR(TransposeConv, TRANSPOSE_CONV, transpose_conv),
	OPERATOR(UnidirectionalSequenceLstm, LSTM, lstm),
	OPERATOR(Unpack, UNPACK, unpack),
	/* Everything that is to be known of these is in their tensors. */
	PLAIN(ArgMax), PLAIN(Dequantize), PLAIN(Elu), PLAIN(ExpandDims), PLAIN(HardSwish),
	PLAIN(Logistic), PLAIN(LogSoftmax), PLAIN(Maximum), PLAIN(Minimum), PLAIN(Pad),
	PLAIN(Padv2), PLAIN(Prelu), PLAIN(Quantize), PLAIN(Relu), PLAIN(Relu6),
	PLAIN(ReluN1To1), PLAIN(Reshape), PLAIN(Rsqrt), PLAIN(Slice), PLAIN(Split),
	PLAIN(SplitV), PLAIN(SquaredDifference), PLAIN(Squeeze), PLAIN(Tanh), PLAIN(Transpose),
};

static bool get_field(const struct option *option, const char *data, struct w_field *field)
{
	uint32_t value = 0;

	memcpy(&value, data + option->offset,
	       option->kind == BOOL ? sizeof(bool) : sizeof(value));
	if (option->kind == FROM_1 && !value--)
		return false;
	if (option->kind != INT && value > INT8_MAX)
		return false;
	field->id = option->field;
	field->size = option->kind == INT ? 4 : 1;
	field->value = value;
	return true;
}

bool options_get(int builtin, const void *data, struct options *options)
{
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(operators) && operators[i].builtin != builtin; i++)
		;
	if (i == ARRAY_SIZE(operators) || (operators[i].count && !data))
		return false;
	options->tag = operators[i].tag;
	options->count = operators[i].count;
	for (k = 0; k < options->count; k++)
		if (!get_field(&operators[i].options[k], data, &options->fields[k]))
			return false;
	return true;
}

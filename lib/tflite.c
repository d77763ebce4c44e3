// SPDX-License-Identifier: MIT
#include "tflite.h"

#define TFL_SCHEMA_VERSION	3
#define MAX_SIGNATURES	256

static const char * const builtin_names[] = {
	"ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D",
	"DEPTH_TO_SPACE", "DEQUANTIZE", "EMBEDDING_LOOKUP", "FLOOR", "FULLY_CONNECTED",
	"HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D", "LOCAL_RESPONSE_NORMALIZATION",
	"LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL", "RELU", "RELU_N1_TO_1",
	"RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH",
	"CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD",
	"UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND",
	"TRANSPOSE", "MEAN", "SUB", "DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM",
	"STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN", "EXP", "TOPK_V2", "SPLIT", "LOG_SOFTMAX",
	"DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU", "MAXIMUM", "ARG_MAX",
	"MINIMUM", "LESS", "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "SELECT",
	"SLICE", "SIN", "TRANSPOSE_CONV", "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL",
	"NOT_EQUAL", "LOG", "SUM", "SQRT", "RSQRT", "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT",
	"REDUCE_PROD", "REDUCE_MAX", "PACK", "LOGICAL_OR", "ONE_HOT", "LOGICAL_AND",
	"LOGICAL_NOT", "UNPACK", "REDUCE_MIN", "FLOOR_DIV", "REDUCE_ANY", "SQUARE", "ZEROS_LIKE",
	"FILL", "FLOOR_MOD", "RANGE", "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU",
	"SQUARED_DIFFERENCE", "MIRROR_PAD", "ABS", "SPLIT_V", "UNIQUE", "CEIL", "REVERSE_V2",
	"ADD_N", "GATHER_ND", "COS", "WHERE", "RANK", "ELU", "REVERSE_SEQUENCE", "MATRIX_DIAG",
	"QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE",
	"NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY",
	"SEGMENT_SUM", "BATCH_MATMUL", "PLACEHOLDER", "CUMSUM", "CALL_ONCE", "BROADCAST_TO",
	"RFFT2D", "CONV_3D", "IMAG", "REAL", "COMPLEX_ABS", "HASHTABLE", "HASHTABLE_FIND",
	"HASHTABLE_IMPORT", "HASHTABLE_SIZE", "REDUCE_ALL", "CONV_3D_TRANSPOSE", "VAR_HANDLE",
	"READ_VARIABLE", "ASSIGN_VARIABLE", "BROADCAST_ARGS", "RANDOM_STANDARD_NORMAL",
	"BUCKETIZE", "RANDOM_UNIFORM", "MULTINOMIAL", "GELU", "DYNAMIC_UPDATE_SLICE",
	"RELU_0_TO_1",
};

static const struct {
	const char *name;
	enum npu_type type;
} types[] = {
	{ "float32", NPU_TYPE_F32 }, { "float16", NPU_TYPE_F16 }, { "int32", NPU_TYPE_S32 },
	{ "uint8", NPU_TYPE_U8 }, { "int64", NPU_TYPE_S64 }, { "string", NPU_TYPE_NONE },
	{ "bool", NPU_TYPE_BOOL }, { "int16", NPU_TYPE_S16 }, { "complex64", NPU_TYPE_NONE },
	{ "int8", NPU_TYPE_S8 }, { "float64", NPU_TYPE_NONE }, { "complex128", NPU_TYPE_NONE },
	{ "uint64", NPU_TYPE_NONE }, { "resource", NPU_TYPE_NONE },
};

const char *tfl_type_name(int type)
{
	return type >= 0 && type < (int)ARRAY_SIZE(types) ? types[type].name : "an unknown type";
}

enum npu_type tfl_type(int type)
{
	return type >= 0 && type < (int)ARRAY_SIZE(types) ? types[type].type : NPU_TYPE_NONE;
}

int tfl_subgraph(struct tfl_model *model, uint32_t index)
{
	struct fb_table subgraph;

	if (index >= model->subgraphs.count)
		return npu_fail(model->fb.err, -EBADMSG, "there is no subgraph %u", index);
	subgraph = fb_element(&model->subgraphs, index);
	model->tensors = fb_vector(&subgraph, SUBGRAPH_TENSORS, 4);
	model->inputs = fb_vector(&subgraph, SUBGRAPH_INPUTS, 4);
	model->outputs = fb_vector(&subgraph, SUBGRAPH_OUTPUTS, 4);
	model->operators = fb_vector(&subgraph, SUBGRAPH_OPERATORS, 4);
	if (model->fb.error)
		return model->fb.error;
	if (model->tensors.count > TFL_MAX_TENSORS || model->operators.count > TFL_MAX_OPERATORS)
		return npu_fail(model->fb.err, -EOPNOTSUPP, "%u tensors and %u operators are too many",
				model->tensors.count, model->operators.count);
	return 0;
}

/* Without a name, the first signature of the first subgraph counts, if there is one. */
static int choose_signature(struct tfl_model *model, const char *name)
{
	uint32_t i, index = 0, n = model->signatures.count;
	struct fb_table signature;
	struct fb_vector key;

	if (n > MAX_SIGNATURES)
		return npu_fail(model->fb.err, -EOPNOTSUPP, "%u signatures are too many", n);
	for (i = 0; i < n; i++) {
		signature = fb_element(&model->signatures, i);
		key = fb_string(&signature, SIGNATURE_KEY);
		index = (uint32_t)fb_i32(&signature, SIGNATURE_SUBGRAPH, 0);
		if (name ? key.count == strlen(name) && !memcmp(key.data, name, key.count) : !index)
			break;
	}
	if (i == n && name)
		return npu_fail(model->fb.err, -EINVAL, "the model has %u signatures, but none '%s'",
				model->signatures.count, name);
	if (i == n)
		return tfl_subgraph(model, 0);
	model->signature_inputs = fb_vector(&signature, SIGNATURE_INPUTS, 4);
	model->signature_outputs = fb_vector(&signature, SIGNATURE_OUTPUTS, 4);
	return tfl_subgraph(model, index);
}

struct fb_vector tfl_alias(struct tfl_model *model, bool output, uint32_t tensor)
{
	const struct fb_vector *maps = output ? &model->signature_outputs :
						&model->signature_inputs;
	struct fb_vector none = { .fb = &model->fb };
	struct fb_table map;
	uint32_t i;

	for (i = 0; i < maps->count && i < MAX_SIGNATURES; i++) {
		map = fb_element(maps, i);
		if ((uint32_t)fb_i32(&map, MAP_TENSOR, 0) == tensor)
			return fb_string(&map, MAP_NAME);
	}
	return none;
}

int tfl_open(struct tfl_model *model, const void *file, size_t size, const char *signature,
	     struct npu_error *err)
{
	struct fb_table root;
	int32_t version;

	memset(model, 0, sizeof(*model));
	model->fb = (struct fb) { .data = file, .size = size, .err = err };
	root = fb_root(&model->fb, TFL_IDENTIFIER);
	version = fb_i32(&root, MODEL_VERSION, 0);
	model->codes = fb_vector(&root, MODEL_OPERATOR_CODES, 4);
	model->buffers = fb_vector(&root, MODEL_BUFFERS, 4);
	model->subgraphs = fb_vector(&root, MODEL_SUBGRAPHS, 4);
	model->signatures = fb_vector(&root, MODEL_SIGNATURES, 4);
	if (model->fb.error)
		return model->fb.error;
	if (version != TFL_SCHEMA_VERSION)
		return npu_fail(err, -EOPNOTSUPP, "schema version %d, known is %d", version,
				TFL_SCHEMA_VERSION);
	if (!model->subgraphs.count)
		return npu_fail(err, -EBADMSG, "the model has no subgraph");
	return choose_signature(model, signature);
}

int tfl_tensor(struct tfl_model *model, uint32_t i, struct tfl_tensor *tensor)
{
	struct fb_table table = fb_element(&model->tensors, i), quant, buffer;
	uint64_t outside = 0;

	memset(tensor, 0, sizeof(*tensor));
	tensor->shape = fb_vector(&table, TENSOR_SHAPE, 4);
	tensor->signature = fb_vector(&table, TENSOR_SIGNATURE, 4);
	tensor->type = fb_i8(&table, TENSOR_TYPE, 0);
	tensor->buffer = (uint32_t)fb_i32(&table, TENSOR_BUFFER, 0);
	tensor->name = fb_string(&table, TENSOR_NAME);
	tensor->variable = fb_i8(&table, TENSOR_VARIABLE, 0);
	tensor->sparse = fb_sub(&table, TENSOR_SPARSITY).at;
	quant = fb_sub(&table, TENSOR_QUANTIZATION);
	tensor->scale = fb_vector(&quant, QUANT_SCALE, 4);
	tensor->zero_point = fb_vector(&quant, QUANT_ZERO_POINT, 8);
	tensor->axis = fb_i32(&quant, QUANT_AXIS, 0);
	if (model->fb.error)
		return model->fb.error;
	if (tensor->buffer >= model->buffers.count)
		return npu_fail(model->fb.err, -EBADMSG, "tensor %u has buffer %u of %u", i,
				tensor->buffer, model->buffers.count);
	buffer = fb_element(&model->buffers, tensor->buffer);
	tensor->data = fb_vector(&buffer, BUFFER_DATA, 1);
	fb_scalar(&buffer, BUFFER_OFFSET, &outside, sizeof(outside));
	if (!model->fb.error && outside > 1)
		return npu_fail(model->fb.err, -EOPNOTSUPP,
				"tensor %u has its data behind the flatbuffer; models of more than 2 GiB are not supported",
				i);
	return model->fb.error;
}

int tfl_operator(struct tfl_model *model, uint32_t i, struct tfl_operator *op)
{
	struct fb_table table = fb_element(&model->operators, i), code;
	uint32_t index = (uint32_t)fb_i32(&table, OP_CODE, 0);
	struct fb_vector custom;
	int old;

	memset(op, 0, sizeof(*op));
	op->inputs = fb_vector(&table, OP_INPUTS, 4);
	op->outputs = fb_vector(&table, OP_OUTPUTS, 4);
	op->tag = (uint8_t)fb_i8(&table, OP_OPTIONS_TAG, 0);
	op->options = fb_sub(&table, OP_OPTIONS);
	if (model->fb.error)
		return model->fb.error;
	if (index >= model->codes.count)
		return npu_fail(model->fb.err, -EBADMSG, "operator %u has code %u of %u", i, index,
				model->codes.count);
	code = fb_element(&model->codes, index);
	/* The old field is a byte; what does not fit there is in the new one. */
	old = fb_i8(&code, CODE_DEPRECATED, 0);
	op->builtin = fb_i32(&code, CODE_BUILTIN, 0);
	if (op->builtin < old)
		op->builtin = old;
	custom = fb_string(&code, CODE_CUSTOM);
	if (op->builtin == TFL_CUSTOM && custom.data) {
		op->name = (const char *)custom.data;
		op->name_len = custom.count > 64 ? 64 : (int)custom.count;
	} else if (op->builtin >= 0 && op->builtin < (int)ARRAY_SIZE(builtin_names)) {
		op->name = builtin_names[op->builtin];
		op->name_len = (int)strlen(op->name);
	} else {
		op->name = "an unknown operator";
		op->name_len = (int)strlen(op->name);
	}
	return model->fb.error;
}

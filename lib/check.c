// SPDX-License-Identifier: MIT
/*
 * What commands consist of, and the checks that the device makes on them. The
 * passes of npu_check_cmd() have the order of enum npu_illegal.
 */
#include <inttypes.h>
#include <stdarg.h>

#include "internal.h"

#define T(type)		(1u << NPU_TYPE_##type)
#define T_8		(T(U8) | T(S8))
#define T_ACT		(T_8 | T(S16))
#define T_INT		(T_ACT | T(S32))
#define T_ANY		(T(BOOL) | T_INT | T(S64))

#define OPERAND(cmd, field, role, types, min, max) \
	{ #field, offsetof(struct cmd, field), types, NPU_##role, min, max }

static const struct npu_cmd_desc descs[] = {
	{ .name = "nop", .opcode = NPU_OP_NOP, .size = sizeof(struct npu_cmd_nop) },
	{ .name = "timestamp", .opcode = NPU_OP_TIMESTAMP,
	  .size = sizeof(struct npu_cmd_timestamp) },
	{ .name = "conv2d", .opcode = NPU_OP_CONV2D, .size = sizeof(struct npu_cmd_conv),
	  .feature = NPU_ISA_FEATURE_MAC, .requant = offsetof(struct npu_cmd_conv, requant),
	  .noperands = 3, .operand = {
		OPERAND(npu_cmd_conv, in, IN, T_ACT, 4, 4),
		OPERAND(npu_cmd_conv, weight, IN, T_8, 4, 4),
		OPERAND(npu_cmd_conv, out, OUT, T_INT, 4, 4) } },
	{ .name = "depthwise", .opcode = NPU_OP_DEPTHWISE, .size = sizeof(struct npu_cmd_conv),
	  .feature = NPU_ISA_FEATURE_MAC, .requant = offsetof(struct npu_cmd_conv, requant),
	  .noperands = 3, .operand = {
		OPERAND(npu_cmd_conv, in, IN, T_ACT, 4, 4),
		OPERAND(npu_cmd_conv, weight, IN, T_8, 4, 4),
		OPERAND(npu_cmd_conv, out, OUT, T_INT, 4, 4) } },
	{ .name = "matmul", .opcode = NPU_OP_MATMUL, .size = sizeof(struct npu_cmd_matmul),
	  .feature = NPU_ISA_FEATURE_MAC, .requant = offsetof(struct npu_cmd_matmul, requant),
	  .noperands = 3, .operand = {
		OPERAND(npu_cmd_matmul, a, IN, T_ACT, 2, 6),
		OPERAND(npu_cmd_matmul, b, IN, T_8, 2, 6),
		OPERAND(npu_cmd_matmul, out, OUT, T_INT, 2, 6) } },
	{ .name = "pool", .opcode = NPU_OP_POOL, .size = sizeof(struct npu_cmd_pool),
	  .feature = NPU_ISA_FEATURE_POOL, .noperands = 2, .operand = {
		OPERAND(npu_cmd_pool, in, IN, T_ACT, 4, 4),
		OPERAND(npu_cmd_pool, out, OUT, T_ACT, 4, 4) } },
	{ .name = "reduce", .opcode = NPU_OP_REDUCE, .size = sizeof(struct npu_cmd_reduce),
	  .feature = NPU_ISA_FEATURE_POOL, .noperands = 2, .operand = {
		OPERAND(npu_cmd_reduce, in, IN, T_ACT, 0, 6),
		OPERAND(npu_cmd_reduce, out, OUT, T_ACT, 0, 6) } },
	{ .name = "eltwise", .opcode = NPU_OP_ELTWISE, .size = sizeof(struct npu_cmd_eltwise),
	  .feature = NPU_ISA_FEATURE_ELTWISE, .inplace = true, .noperands = 3, .operand = {
		OPERAND(npu_cmd_eltwise, a, IN, T_INT, 0, 6),
		OPERAND(npu_cmd_eltwise, b, IN, T_INT, 0, 6),
		OPERAND(npu_cmd_eltwise, out, OUT, T_INT, 0, 6) } },
	{ .name = "requant", .opcode = NPU_OP_REQUANT, .size = sizeof(struct npu_cmd_requant),
	  .feature = NPU_ISA_FEATURE_REQUANT, .inplace = true, .noperands = 2, .operand = {
		OPERAND(npu_cmd_requant, in, IN, T_INT, 0, 6),
		OPERAND(npu_cmd_requant, out, OUT, T_INT, 0, 6) } },
	{ .name = "lut", .opcode = NPU_OP_LUT, .size = sizeof(struct npu_cmd_lut),
	  .feature = NPU_ISA_FEATURE_LUT, .inplace = true, .noperands = 2, .operand = {
		OPERAND(npu_cmd_lut, in, IN, T_8, 0, 6),
		OPERAND(npu_cmd_lut, out, OUT, T_8, 0, 6) } },
	{ .name = "softmax", .opcode = NPU_OP_SOFTMAX, .size = sizeof(struct npu_cmd_softmax),
	  .feature = NPU_ISA_FEATURE_SOFTMAX, .inplace = true, .noperands = 2, .operand = {
		OPERAND(npu_cmd_softmax, in, IN, T_8, 1, 6),
		OPERAND(npu_cmd_softmax, out, OUT, T_8, 1, 6) } },
	{ .name = "copy", .opcode = NPU_OP_COPY, .size = sizeof(struct npu_cmd_copy),
	  .feature = NPU_ISA_FEATURE_COPY, .noperands = 2, .operand = {
		OPERAND(npu_cmd_copy, in, IN, T_ANY, 0, 6),
		OPERAND(npu_cmd_copy, out, OUT, T_ANY, 0, 6) } },
	{ .name = "pad", .opcode = NPU_OP_PAD, .size = sizeof(struct npu_cmd_pad),
	  .feature = NPU_ISA_FEATURE_COPY, .noperands = 2, .operand = {
		OPERAND(npu_cmd_pad, in, IN, T_ANY, 0, 6),
		OPERAND(npu_cmd_pad, out, OUT, T_ANY, 0, 6) } },
	{ .name = "resize", .opcode = NPU_OP_RESIZE, .size = sizeof(struct npu_cmd_resize),
	  .feature = NPU_ISA_FEATURE_COPY, .noperands = 2, .operand = {
		OPERAND(npu_cmd_resize, in, IN, T_ANY, 4, 4),
		OPERAND(npu_cmd_resize, out, OUT, T_ANY, 4, 4) } },
};

#define FEATURES_ALL (NPU_ISA_FEATURE_MAC | NPU_ISA_FEATURE_POOL | NPU_ISA_FEATURE_ELTWISE | \
		      NPU_ISA_FEATURE_REQUANT | NPU_ISA_FEATURE_LUT | NPU_ISA_FEATURE_SOFTMAX | \
		      NPU_ISA_FEATURE_COPY)

const struct npu_cmd_desc *npu_cmd_desc(unsigned int opcode)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(descs); i++)
		if (descs[i].opcode == opcode)
			return &descs[i];
	return NULL;
}

static const struct {
	const char *name;
	unsigned int size;
	int64_t min, max;
} types[] = {
	[NPU_TYPE_NONE] = { "none", 0, 0, 0 },
	[NPU_TYPE_BOOL] = { "bool", 1, 0, 1 },
	[NPU_TYPE_U8] = { "u8", 1, 0, UINT8_MAX },
	[NPU_TYPE_S8] = { "s8", 1, INT8_MIN, INT8_MAX },
	[NPU_TYPE_S16] = { "s16", 2, INT16_MIN, INT16_MAX },
	[NPU_TYPE_S32] = { "s32", 4, INT32_MIN, INT32_MAX },
	[NPU_TYPE_S64] = { "s64", 8, INT64_MIN, INT64_MAX },
	[NPU_TYPE_S4] = { "s4", 0, 0, 0 },
	[NPU_TYPE_F16] = { "f16", 0, 0, 0 },
	[NPU_TYPE_BF16] = { "bf16", 0, 0, 0 },
	[NPU_TYPE_F32] = { "f32", 0, 0, 0 },
};

NPU_API unsigned int npu_type_size(enum npu_type type)
{
	return type < ARRAY_SIZE(types) ? types[type].size : 0;
}

NPU_API const char *npu_type_name(enum npu_type type)
{
	return type < ARRAY_SIZE(types) ? types[type].name : "?";
}

int64_t npu_type_min(enum npu_type type)
{
	return types[type].min;
}

int64_t npu_type_max(enum npu_type type)
{
	return types[type].max;
}

NPU_API const char *npu_illegal_name(enum npu_illegal detail)
{
	static const char * const names[] = {
		"none", "magic", "version", "feature", "size", "opcode", "flags", "reserved",
		"mode", "type", "shape", "quantisation", "base", "overlap", "limit",
	};

	return detail < ARRAY_SIZE(names) ? names[detail] : "unknown reason";
}

/* Refuse a command; the text is "command: field: reason". */
static int __attribute__((format(printf, 3, 4)))
refuse(const struct npu_check *check, enum npu_illegal detail, const char *fmt, ...)
{
	va_list args;

	if (check->err) {
		check->err->detail = detail;
		va_start(args, fmt);
		vsnprintf(check->err->text, sizeof(check->err->text), fmt, args);
		va_end(args);
	}
	return -EINVAL;
}

#define REFUSE(detail, fmt, ...) \
	refuse(check, NPU_ILLEGAL_##detail, "%s: " fmt, desc->name, ##__VA_ARGS__)

/* ---- Reserved fields ---- */

static bool all_zero(const void *data, size_t size)
{
	const char *p = data;

	while (size--)
		if (*p++)
			return false;
	return true;
}

static int check_reserved(const struct npu_check *check, const struct npu_cmd_desc *desc,
			  const void *cmd)
{
	static const struct {
		uint16_t opcode;
		uint16_t at;
	} word[] = {
		{ NPU_OP_CONV2D, offsetof(struct npu_cmd_conv, reserved) },
		{ NPU_OP_DEPTHWISE, offsetof(struct npu_cmd_conv, reserved) },
		{ NPU_OP_POOL, offsetof(struct npu_cmd_pool, reserved) },
		{ NPU_OP_SOFTMAX, offsetof(struct npu_cmd_softmax, reserved) },
		{ NPU_OP_PAD, offsetof(struct npu_cmd_pad, reserved) },
		{ NPU_OP_RESIZE, offsetof(struct npu_cmd_resize, reserved) },
	};
	const struct npu_requant *rq = npu_cmd_requant(cmd, desc);
	const struct npu_ref *ref = NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(word); i++)
		if (word[i].opcode == desc->opcode &&
		    !all_zero((const char *)cmd + word[i].at, sizeof(__le32)))
			return REFUSE(RESERVED, "reserved is not zero");
	if (rq && (rq->reserved0 || rq->reserved1 ||
		   !all_zero(rq->scale.reserved, sizeof(rq->scale.reserved)) ||
		   !all_zero(rq->bias.reserved, sizeof(rq->bias.reserved))))
		return REFUSE(RESERVED, "requant: a reserved field is not zero");
	if (desc->opcode == NPU_OP_TIMESTAMP)
		ref = &((const struct npu_cmd_timestamp *)cmd)->out;
	else if (desc->opcode == NPU_OP_LUT)
		ref = &((const struct npu_cmd_lut *)cmd)->table;
	if (ref && !all_zero(ref->reserved, sizeof(ref->reserved)))
		return REFUSE(RESERVED, "%s.reserved is not zero",
			      desc->opcode == NPU_OP_LUT ? "table" : "out");
	return 0;
}

/* ---- Modes, layouts, types ---- */

static int check_mode(const struct npu_check *check, const struct npu_cmd_desc *desc,
		      const void *cmd)
{
	const struct npu_requant *rq = npu_cmd_requant(cmd, desc);
	unsigned int i, mode = 0, most = 0;
	const char *name = "mode";

	for (i = 0; i < desc->noperands; i++)
		if (npu_cmd_tensor(cmd, desc, i)->layout != NPU_LAYOUT_LINEAR)
			return REFUSE(MODE, "%s.layout: %u is unknown", desc->operand[i].name,
				      npu_cmd_tensor(cmd, desc, i)->layout);
	if (rq && rq->rounding != NPU_ROUND_NONE && rq->rounding != NPU_ROUND_DOUBLE)
		return REFUSE(MODE, "requant.rounding: %u is unknown", rq->rounding);

	switch (desc->opcode) {
	case NPU_OP_POOL:
		mode = ((const struct npu_cmd_pool *)cmd)->mode;
		most = NPU_POOL_AVERAGE;
		break;
	case NPU_OP_REDUCE:
		mode = ((const struct npu_cmd_reduce *)cmd)->mode;
		most = NPU_REDUCE_MEAN;
		break;
	case NPU_OP_ELTWISE:
		mode = ((const struct npu_cmd_eltwise *)cmd)->op;
		most = NPU_ELTWISE_MAX;
		name = "op";
		break;
	case NPU_OP_PAD:
		mode = ((const struct npu_cmd_pad *)cmd)->mode;
		most = NPU_PAD_CONSTANT;
		break;
	case NPU_OP_RESIZE:
		mode = ((const struct npu_cmd_resize *)cmd)->mode;
		most = NPU_RESIZE_NEAREST;
		break;
	}
	if (mode > most)
		return REFUSE(MODE, "%s: %u is unknown", name, mode);
	return 0;
}

static bool is_minmax(const struct npu_cmd_desc *desc, const void *cmd)
{
	return desc->opcode == NPU_OP_ELTWISE &&
	       ((const struct npu_cmd_eltwise *)cmd)->op >= NPU_ELTWISE_MIN;
}

static int check_type(const struct npu_check *check, const struct npu_cmd_desc *desc,
		      const void *cmd)
{
	const struct npu_requant *rq = npu_cmd_requant(cmd, desc);
	unsigned int i, type, want, accepted;

	for (i = 0; i < desc->noperands; i++) {
		type = npu_cmd_tensor(cmd, desc, i)->type;
		accepted = desc->operand[i].types;
		if (desc->opcode == NPU_OP_ELTWISE && !is_minmax(desc, cmd))
			accepted &= ~T(S32);
		if (type >= ARRAY_SIZE(types) || !(accepted & 1u << type))
			return REFUSE(TYPE, "%s.type: %s is not accepted here",
				      desc->operand[i].name, npu_type_name(type));
	}
	if (rq && rq->bias_type != NPU_TYPE_NONE && rq->bias_type != NPU_TYPE_S32)
		return REFUSE(TYPE, "requant.bias_type: %s is not accepted",
			      npu_type_name(rq->bias_type));

	/* Requantisation and tables change the type, weights have their own. */
	if (desc->opcode == NPU_OP_REQUANT || desc->opcode == NPU_OP_LUT)
		return 0;
	want = desc->noperands ? npu_cmd_tensor(cmd, desc, 0)->type : 0;
	for (i = 1; i < desc->noperands; i++) {
		if (rq && i == 1)
			continue;
		if (rq && rq->rounding == NPU_ROUND_NONE)
			want = NPU_TYPE_S32;
		if (npu_cmd_tensor(cmd, desc, i)->type != want)
			return REFUSE(TYPE, "%s.type: must be %s, not %s", desc->operand[i].name,
				      npu_type_name(want),
				      npu_type_name(npu_cmd_tensor(cmd, desc, i)->type));
	}
	return 0;
}

/* ---- Shapes ---- */

/* First byte and end of what a tensor touches; false on overflow. */
static bool extent(const struct npu_tensor *t, int64_t *first, int64_t *end)
{
	int64_t reach;
	unsigned int i;

	*first = t->offset;
	if (__builtin_add_overflow(t->offset, (int64_t)npu_type_size(t->type), end))
		return false;
	for (i = 0; i < t->rank; i++) {
		if (__builtin_mul_overflow((int64_t)t->stride[i], (int64_t)t->dim[i] - 1, &reach) ||
		    __builtin_add_overflow(reach < 0 ? *first : *end, reach,
					   reach < 0 ? first : end))
			return false;
	}
	return true;
}

static int check_tensor_shape(const struct npu_check *check, const struct npu_cmd_desc *desc,
			      const void *cmd, unsigned int which)
{
	const struct npu_tensor *t = npu_cmd_tensor(cmd, desc, which);
	const struct npu_operand *op = &desc->operand[which];
	int64_t size = npu_type_size(t->type), first, end;
	unsigned int i;

	if (t->rank < op->rank_min || t->rank > op->rank_max)
		return REFUSE(SHAPE, "%s.rank: %u is not in %u to %u", op->name, t->rank,
			      op->rank_min, op->rank_max);
	for (i = 0; i < NPU_ISA_MAX_RANK; i++) {
		if (i >= t->rank && (t->dim[i] || t->stride[i]))
			return REFUSE(SHAPE, "%s.dim[%u] or stride[%u] is not zero beyond rank %u",
				      op->name, i, i, t->rank);
		if (i >= t->rank)
			continue;
		if (!t->dim[i])
			return REFUSE(SHAPE, "%s.dim[%u] is zero", op->name, i);
		if ((int64_t)t->stride[i] % size)
			return REFUSE(SHAPE, "%s.stride[%u]: %" PRId64 " is no multiple of %u",
				      op->name, i, (int64_t)t->stride[i], (unsigned int)size);
		if (op->role == NPU_OUT && !t->stride[i] && t->dim[i] > 1)
			return REFUSE(SHAPE, "%s.stride[%u]: only inputs broadcast", op->name, i);
	}
	if (!extent(t, &first, &end))
		return REFUSE(SHAPE, "%s: reaches beyond 64 bits", op->name);
	return 0;
}

/* Sizes of window, stride, dilation and padding of one direction. */
struct window {
	uint32_t in, out, size, stride, dilation, before, after;
};

static int check_window(const struct npu_check *check, const struct npu_cmd_desc *desc,
			const char *axis, const struct window *w)
{
	uint64_t size, padded = (uint64_t)w->in + w->before + w->after;

	if (!w->size || !w->stride || !w->dilation)
		return REFUSE(SHAPE, "%s: window, stride or dilation is zero", axis);
	size = (uint64_t)w->dilation * (w->size - 1) + 1;
	if (size > padded)
		return REFUSE(SHAPE, "%s: window of %" PRIu64 " is larger than the padded input of %" PRIu64,
			      axis, size, padded);
	if (w->out != (padded - size) / w->stride + 1)
		return REFUSE(SHAPE, "%s: out has %u, window and padding give %" PRIu64, axis,
			      w->out, (padded - size) / w->stride + 1);
	return 0;
}

static int check_conv_shape(const struct npu_check *check, const struct npu_cmd_desc *desc,
			    const struct npu_cmd_conv *c)
{
	bool depthwise = desc->opcode == NPU_OP_DEPTHWISE;
	uint32_t channels = c->in.dim[3], out = c->out.dim[3];
	int ret = 0;
	unsigned int i;

	if (c->out.dim[0] != c->in.dim[0])
		return REFUSE(SHAPE, "out.dim[0]: %u, in has %u", c->out.dim[0], c->in.dim[0]);
	for (i = 0; i < 2 && !ret; i++) {
		struct window w = {
			.in = c->in.dim[1 + i],
			.out = c->out.dim[1 + i],
			.size = c->weight.dim[1 + i],
			.stride = c->stride[i],
			.dilation = c->dilation[i],
			.before = c->pad[2 * i],
			.after = c->pad[2 * i + 1],
		};

		ret = check_window(check, desc, i ? "columns" : "rows", &w);
	}
	if (ret)
		return ret;
	if (depthwise) {
		if (c->groups)
			return REFUSE(SHAPE, "groups: %u, must be 0", c->groups);
		if (c->weight.dim[0] != 1 || c->weight.dim[3] != out)
			return REFUSE(SHAPE, "weight: must be [1, rows, columns, %u]", out);
		if (out % channels)
			return REFUSE(SHAPE, "out.dim[3]: %u is no multiple of the %u of in", out,
				      channels);
		return 0;
	}
	if (!c->groups || channels % c->groups || out % c->groups)
		return REFUSE(SHAPE, "groups: %u does not divide %u inputs and %u outputs",
			      c->groups, channels, out);
	if (c->weight.dim[0] != out || c->weight.dim[3] != channels / c->groups)
		return REFUSE(SHAPE, "weight: must be [%u, rows, columns, %u]", out,
			      channels / c->groups);
	return 0;
}

static int check_matmul_shape(const struct npu_check *check, const struct npu_cmd_desc *desc,
			      const struct npu_cmd_matmul *c)
{
	unsigned int rank = c->out.rank, i;

	if (c->a.rank != rank || c->b.rank != rank)
		return REFUSE(SHAPE, "the ranks of a, b and out differ");
	for (i = 0; i + 2 < rank; i++)
		if (c->a.dim[i] != c->out.dim[i] || c->b.dim[i] != c->out.dim[i])
			return REFUSE(SHAPE, "dim[%u] of a, b and out differ", i);
	if (c->a.dim[rank - 2] != c->out.dim[rank - 2] ||
	    c->b.dim[rank - 2] != c->out.dim[rank - 1] || c->a.dim[rank - 1] != c->b.dim[rank - 1])
		return REFUSE(SHAPE, "a, b and out are not [M, K], [N, K] and [M, N]");
	return 0;
}

static int check_pool_shape(const struct npu_check *check, const struct npu_cmd_desc *desc,
			    const struct npu_cmd_pool *c)
{
	int ret = 0;
	unsigned int i;

	if (c->in.dim[0] != c->out.dim[0] || c->in.dim[3] != c->out.dim[3])
		return REFUSE(SHAPE, "images or channels of in and out differ");
	for (i = 0; i < 2 && !ret; i++) {
		struct window w = {
			.in = c->in.dim[1 + i],
			.out = c->out.dim[1 + i],
			.size = c->window[i],
			.stride = c->stride[i],
			.dilation = 1,
			.before = c->pad[2 * i],
			.after = c->pad[2 * i + 1],
		};

		if (w.before >= w.size || w.after >= w.size)
			return REFUSE(SHAPE, "pad: must be smaller than the window");
		ret = check_window(check, desc, i ? "columns" : "rows", &w);
	}
	return ret;
}

static int check_reduce_shape(const struct npu_check *check, const struct npu_cmd_desc *desc,
			      const struct npu_cmd_reduce *c)
{
	unsigned int i;

	if (c->in.rank != c->out.rank)
		return REFUSE(SHAPE, "the ranks of in and out differ");
	if (c->axes >> c->in.rank)
		return REFUSE(SHAPE, "axes: 0x%x has dimensions beyond rank %u", c->axes,
			      c->in.rank);
	for (i = 0; i < c->in.rank; i++)
		if (c->out.dim[i] != (c->axes & 1u << i ? 1 : c->in.dim[i]))
			return REFUSE(SHAPE, "out.dim[%u]: %u does not fit", i, c->out.dim[i]);
	return 0;
}

static int check_pad_shape(const struct npu_check *check, const struct npu_cmd_desc *desc,
			   const struct npu_cmd_pad *c)
{
	unsigned int i;

	if (c->in.rank != c->out.rank)
		return REFUSE(SHAPE, "the ranks of in and out differ");
	for (i = 0; i < NPU_ISA_MAX_RANK; i++)
		if ((uint64_t)c->before[i] + c->in.dim[i] > c->out.dim[i])
			return REFUSE(SHAPE, "out.dim[%u]: smaller than before + in", i);
	return 0;
}

static int check_resize_shape(const struct npu_check *check, const struct npu_cmd_desc *desc,
			      const struct npu_cmd_resize *c)
{
	unsigned int i;

	if (c->in.dim[0] != c->out.dim[0] || c->in.dim[3] != c->out.dim[3])
		return REFUSE(SHAPE, "images or channels of in and out differ");
	for (i = 0; i < 2; i++)
		if (c->axis[i].num > INT32_MAX || !c->axis[i].den || c->axis[i].den > INT32_MAX)
			return REFUSE(SHAPE, "axis[%u]: num or den is out of range", i);
	return 0;
}

static int check_same_shape(const struct npu_check *check, const struct npu_cmd_desc *desc,
			    const void *cmd)
{
	const struct npu_tensor *first = npu_cmd_tensor(cmd, desc, 0), *t;
	unsigned int i;

	for (i = 1; i < desc->noperands; i++) {
		t = npu_cmd_tensor(cmd, desc, i);
		if (t->rank != first->rank || memcmp(t->dim, first->dim, sizeof(t->dim)))
			return REFUSE(SHAPE, "%s and %s differ in size", desc->operand[0].name,
				      desc->operand[i].name);
	}
	return 0;
}

static int check_shape(const struct npu_check *check, const struct npu_cmd_desc *desc,
		       const void *cmd)
{
	unsigned int i;
	int ret;

	for (i = 0; i < desc->noperands; i++) {
		ret = check_tensor_shape(check, desc, cmd, i);
		if (ret)
			return ret;
	}
	switch (desc->opcode) {
	case NPU_OP_CONV2D:
	case NPU_OP_DEPTHWISE:
		return check_conv_shape(check, desc, cmd);
	case NPU_OP_MATMUL:
		return check_matmul_shape(check, desc, cmd);
	case NPU_OP_POOL:
		return check_pool_shape(check, desc, cmd);
	case NPU_OP_REDUCE:
		return check_reduce_shape(check, desc, cmd);
	case NPU_OP_PAD:
		return check_pad_shape(check, desc, cmd);
	case NPU_OP_RESIZE:
		return check_resize_shape(check, desc, cmd);
	default:
		return check_same_shape(check, desc, cmd);
	}
}

/* ---- Quantisation ---- */

static bool in_type(enum npu_type type, int64_t value)
{
	return value >= types[type].min && value <= types[type].max;
}

static int check_clamp(const struct npu_check *check, const struct npu_cmd_desc *desc,
		       enum npu_type type, uint32_t min, uint32_t max)
{
	if ((int32_t)min > (int32_t)max || !in_type(type, (int32_t)min) ||
	    !in_type(type, (int32_t)max))
		return REFUSE(QUANT, "clamp_min, clamp_max: %d to %d is no range of %s",
			      (int32_t)min, (int32_t)max, npu_type_name(type));
	return 0;
}

static int check_scale(const struct npu_check *check, const struct npu_cmd_desc *desc,
		       const char *name, const struct npu_scale *scale)
{
	int32_t shift = (int32_t)scale->shift;

	if (shift < -31 || shift > 31)
		return REFUSE(QUANT, "%s.shift: %d is not in -31 to 31", name, shift);
	return 0;
}

static int check_requant(const struct npu_check *check, const struct npu_cmd_desc *desc,
			 const void *cmd)
{
	const struct npu_requant *rq = npu_cmd_requant(cmd, desc);
	const struct npu_tensor *weight = npu_cmd_tensor(cmd, desc, 1);
	const struct npu_tensor *out = npu_cmd_tensor(cmd, desc, 2);

	if (weight->zero_point)
		return REFUSE(QUANT, "%s.zero_point: belongs into requant.weight_zero_point",
			      desc->operand[1].name);
	if (!in_type(weight->type, (int32_t)rq->weight_zero_point))
		return REFUSE(QUANT, "requant.weight_zero_point: %d is no %s",
			      (int32_t)rq->weight_zero_point, npu_type_name(weight->type));
	if (rq->axis != out->rank - 1)
		return REFUSE(QUANT, "requant.axis: %u, must be %u", rq->axis, out->rank - 1);
	if (rq->rounding == NPU_ROUND_NONE ? rq->count != 0 :
	    rq->count != 1 && rq->count != out->dim[rq->axis])
		return REFUSE(QUANT, "requant.count: %u does not fit", rq->count);
	if (rq->rounding == NPU_ROUND_NONE && out->zero_point)
		return REFUSE(QUANT, "out.zero_point: must be 0 without scaling");
	return check_clamp(check, desc, out->type, rq->clamp_min, rq->clamp_max);
}

static int check_eltwise(const struct npu_check *check, const struct npu_cmd_desc *desc,
			 const struct npu_cmd_eltwise *c)
{
	static const struct npu_scale zero;
	bool mul = c->op == NPU_ELTWISE_MUL, minmax = is_minmax(desc, c);
	int ret = 0;

	if (c->left_shift > 20)
		return REFUSE(QUANT, "left_shift: %u is not in 0 to 20", c->left_shift);
	if ((mul || minmax) &&
	    (c->left_shift || memcmp(&c->scale_a, &zero, sizeof(zero)) ||
	     memcmp(&c->scale_b, &zero, sizeof(zero))))
		return REFUSE(QUANT, "left_shift, scale_a and scale_b: must be zero here");
	if (minmax && memcmp(&c->scale_out, &zero, sizeof(zero)))
		return REFUSE(QUANT, "scale_out: must be zero here");
	if (minmax && (c->a.zero_point != c->out.zero_point ||
		       c->b.zero_point != c->out.zero_point))
		return REFUSE(QUANT, "the zero points of a, b and out differ");
	ret = check_scale(check, desc, "scale_a", &c->scale_a);
	if (!ret)
		ret = check_scale(check, desc, "scale_b", &c->scale_b);
	if (!ret)
		ret = check_scale(check, desc, "scale_out", &c->scale_out);
	return ret ? ret : check_clamp(check, desc, c->out.type, c->clamp_min, c->clamp_max);
}

static int check_softmax(const struct npu_check *check, const struct npu_cmd_desc *desc,
			 const struct npu_cmd_softmax *c)
{
	if ((int32_t)c->out.zero_point != types[c->out.type].min)
		return REFUSE(QUANT, "out.zero_point: must be %d", (int)types[c->out.type].min);
	if ((int32_t)c->beta.shift < 0)
		return REFUSE(QUANT, "beta.shift: %d is negative", (int32_t)c->beta.shift);
	if ((int32_t)c->diff_min > 0)
		return REFUSE(QUANT, "diff_min: %d is positive", (int32_t)c->diff_min);
	return check_scale(check, desc, "beta", &c->beta);
}

static int check_quant(const struct npu_check *check, const struct npu_cmd_desc *desc,
		       const void *cmd)
{
	const struct npu_cmd_requant *requant = cmd;
	const struct npu_cmd_reduce *reduce = cmd;
	const struct npu_cmd_pool *pool = cmd;
	const struct npu_cmd_pad *pad = cmd;
	const struct npu_tensor *t;
	unsigned int i;
	int ret;

	for (i = 0; i < desc->noperands; i++) {
		t = npu_cmd_tensor(cmd, desc, i);
		if (!in_type(t->type, (int32_t)t->zero_point))
			return REFUSE(QUANT, "%s.zero_point: %d is no %s", desc->operand[i].name,
				      (int32_t)t->zero_point, npu_type_name(t->type));
	}
	if (desc->requant)
		return check_requant(check, desc, cmd);
	switch (desc->opcode) {
	case NPU_OP_POOL:
		if (pool->in.zero_point != pool->out.zero_point)
			return REFUSE(QUANT, "the zero points of in and out differ");
		return check_clamp(check, desc, pool->out.type, pool->clamp_min, pool->clamp_max);
	case NPU_OP_REDUCE:
		ret = check_scale(check, desc, "scale", &reduce->scale);
		return ret ? ret : check_clamp(check, desc, reduce->out.type, reduce->clamp_min,
					       reduce->clamp_max);
	case NPU_OP_ELTWISE:
		return check_eltwise(check, desc, cmd);
	case NPU_OP_REQUANT:
		ret = check_scale(check, desc, "scale", &requant->scale);
		return ret ? ret : check_clamp(check, desc, requant->out.type, requant->clamp_min,
					       requant->clamp_max);
	case NPU_OP_SOFTMAX:
		return check_softmax(check, desc, cmd);
	case NPU_OP_PAD:
		if (!in_type(pad->out.type, (int64_t)pad->value))
			return REFUSE(QUANT, "value: %" PRId64 " is no %s", (int64_t)pad->value,
				      npu_type_name(pad->out.type));
	}
	return 0;
}

/* ---- Bases, overlap, limits ---- */

static int check_base(const struct npu_check *check, const struct npu_cmd_desc *desc,
		      const char *name, unsigned int base)
{
	unsigned int most = check->bases ? check->nbases : NPU_ISA_MAX_BASES;

	if (base >= most)
		return REFUSE(BASE, "%s.base: %u is not in 0 to %d", name, base, (int)most - 1);
	return 0;
}

static int check_bounds(const struct npu_check *check, const struct npu_cmd_desc *desc,
			const char *name, unsigned int base, int64_t first, int64_t end,
			enum npu_role role)
{
	if (!check->bases)
		return 0;
	if (role == NPU_OUT && !(check->bases[base].flags & NPU_BASE_WRITE))
		return npu_fail(check->err, -EFAULT, "%s: %s: base %u is read only", desc->name,
				name, base);
	if (first < 0 || (uint64_t)end > check->bases[base].size)
		return npu_fail(check->err, -EFAULT,
				"%s: %s: bytes %" PRId64 " to %" PRId64 " of base %u, which has %" PRIu64,
				desc->name, name, first, end, base,
				(uint64_t)check->bases[base].size);
	return 0;
}

/* An array without shape: its base, and where it lies. */
struct array {
	const char *name;
	const struct npu_ref *ref;
	uint64_t size;
	enum npu_role role;
};

static unsigned int arrays(const struct npu_cmd_desc *desc, const void *cmd, struct array array[2])
{
	const struct npu_requant *rq = npu_cmd_requant(cmd, desc);
	const struct npu_tensor *out;
	unsigned int n = 0;

	if (desc->opcode == NPU_OP_TIMESTAMP)
		array[n++] = (struct array) { "out", &((const struct npu_cmd_timestamp *)cmd)->out,
					      sizeof(struct npu_timestamp), NPU_OUT };
	if (desc->opcode == NPU_OP_LUT)
		array[n++] = (struct array) { "table", &((const struct npu_cmd_lut *)cmd)->table,
					      256, NPU_IN };
	if (!rq)
		return n;
	out = npu_cmd_tensor(cmd, desc, 2);
	if (rq->count)
		array[n++] = (struct array) { "requant.scale", &rq->scale,
					      sizeof(struct npu_scale) * (uint64_t)rq->count,
					      NPU_IN };
	if (rq->bias_type)
		array[n++] = (struct array) { "requant.bias", &rq->bias,
					      4 * (uint64_t)out->dim[out->rank - 1], NPU_IN };
	return n;
}

static int check_memory(const struct npu_check *check, const struct npu_cmd_desc *desc,
			const void *cmd)
{
	struct array array[2];
	unsigned int n = arrays(desc, cmd, array), i;
	const struct npu_tensor *t;
	int64_t first, end;
	int ret;

	for (i = 0; i < desc->noperands; i++) {
		ret = check_base(check, desc, desc->operand[i].name,
				 npu_cmd_tensor(cmd, desc, i)->base);
		if (ret)
			return ret;
	}
	for (i = 0; i < n; i++) {
		ret = check_base(check, desc, array[i].name, array[i].ref->base);
		if (ret)
			return ret;
	}
	for (i = 0; i < desc->noperands; i++) {
		t = npu_cmd_tensor(cmd, desc, i);
		extent(t, &first, &end);
		ret = check_bounds(check, desc, desc->operand[i].name, t->base, first, end,
				   desc->operand[i].role);
		if (ret)
			return ret;
	}
	for (i = 0; i < n; i++) {
		first = (int64_t)array[i].ref->offset;
		if (__builtin_add_overflow(first, (int64_t)array[i].size, &end))
			end = INT64_MAX;
		ret = check_bounds(check, desc, array[i].name, array[i].ref->base, first, end,
				   array[i].role);
		if (ret)
			return ret;
	}
	return 0;
}

/* Without a base table only what shares a base can be compared. */
static int check_overlap(const struct npu_check *check, const struct npu_cmd_desc *desc,
			 const void *cmd)
{
	const struct npu_tensor *out, *in;
	int64_t first, end, out_first, out_end;
	unsigned int i;

	if (!desc->noperands)
		return 0;
	out = npu_cmd_tensor(cmd, desc, desc->noperands - 1u);
	extent(out, &out_first, &out_end);
	for (i = 0; i < desc->noperands - 1u; i++) {
		in = npu_cmd_tensor(cmd, desc, i);
		extent(in, &first, &end);
		if (in->base != out->base || end <= out_first || out_end <= first)
			continue;
		if (desc->inplace && in->offset == out->offset &&
		    npu_type_size(in->type) == npu_type_size(out->type) &&
		    !memcmp(in->stride, out->stride, sizeof(in->stride)))
			continue;
		return REFUSE(OVERLAP, "%s and out overlap", desc->operand[i].name);
	}
	return 0;
}

static void mul_saturate(uint64_t *product, uint64_t factor)
{
	if (__builtin_mul_overflow(*product, factor, product))
		*product = UINT64_MAX;
}

static uint64_t tensor_bytes(const struct npu_tensor *t)
{
	uint64_t bytes = npu_type_size(t->type);
	unsigned int i;

	for (i = 0; i < t->rank; i++)
		mul_saturate(&bytes, t->dim[i]);
	return bytes;
}

void npu_cmd_work(const void *cmd, const struct npu_cmd_desc *desc, uint64_t *macs,
		  uint64_t *bytes)
{
	const struct npu_tensor *weight;
	unsigned int i;

	*macs = 0;
	*bytes = 0;
	for (i = 0; i < desc->noperands; i++) {
		if (__builtin_add_overflow(*bytes, tensor_bytes(npu_cmd_tensor(cmd, desc, i)),
					   bytes))
			*bytes = UINT64_MAX;
	}
	if (!desc->requant)
		return;
	/* One result takes as many MACs as there are weights per output channel. */
	weight = npu_cmd_tensor(cmd, desc, 1);
	*macs = tensor_bytes(npu_cmd_tensor(cmd, desc, 2)) /
		npu_type_size(npu_cmd_tensor(cmd, desc, 2)->type);
	if (desc->opcode == NPU_OP_MATMUL) {
		mul_saturate(macs, weight->dim[weight->rank - 1]);
		return;
	}
	mul_saturate(macs, (uint64_t)weight->dim[1] * weight->dim[2]);
	if (desc->opcode == NPU_OP_CONV2D)
		mul_saturate(macs, weight->dim[3]);
}

static int check_limit(const struct npu_check *check, const struct npu_cmd_desc *desc,
		       const void *cmd)
{
	uint64_t macs, bytes;

	npu_cmd_work(cmd, desc, &macs, &bytes);
	if (macs > check->macs)
		return REFUSE(LIMIT, "%" PRIu64 " MACs, the device does %" PRIu64 " per command",
			      macs, check->macs);
	if (bytes > check->bytes)
		return REFUSE(LIMIT, "%" PRIu64 " bytes, the device moves %" PRIu64 " per command",
			      bytes, check->bytes);
	return 0;
}

/* ---- Commands and streams ---- */

void npu_check_init(struct npu_check *check, const struct drm_npu_device_info *limits,
		    struct npu_error *err)
{
	*check = (struct npu_check) {
		.macs = UINT64_MAX,
		.bytes = UINT64_MAX,
		.features = FEATURES_ALL,
		.err = err,
	};
	if (!limits)
		return;
	if (limits->macs_max_order < 64)
		check->macs = 1ull << limits->macs_max_order;
	if (limits->bytes_max_order < 64)
		check->bytes = 1ull << limits->bytes_max_order;
	check->features = limits->isa_features;
}

int npu_check_cmd(struct npu_check *check, const void *cmd)
{
	static int (* const pass[])(const struct npu_check *check, const struct npu_cmd_desc *desc,
				    const void *cmd) = {
		check_reserved, check_mode, check_type, check_shape, check_quant, check_memory,
		check_overlap, check_limit,
	};
	const struct npu_cmd *header = cmd;
	const struct npu_cmd_desc *desc = npu_cmd_desc(header->opcode);
	unsigned int i;
	int ret = 0;

	if (!desc)
		return refuse(check, NPU_ILLEGAL_OPCODE, "opcode: 0x%x is unknown",
			      header->opcode);
	if (header->size != desc->size)
		return REFUSE(SIZE, "size: %u, must be %u", header->size, desc->size);
	if (header->flags)
		return REFUSE(FLAGS, "flags: 0x%x is unknown", header->flags);
	if (desc->feature & ~check->features)
		return REFUSE(FEATURE, "the device does not have this command");
	for (i = 0; i < ARRAY_SIZE(pass) && !ret; i++)
		ret = pass[i](check, desc, cmd);
	return ret;
}

static int check_header(struct npu_check *check, const void *data, size_t size)
{
	struct npu_stream_header header;

	if (size < sizeof(header) || size % NPU_ISA_ALIGN || size > NPU_ISA_MAX_STREAM_SIZE)
		return refuse(check, NPU_ILLEGAL_SIZE, "a stream cannot have %zu bytes", size);
	memcpy(&header, data, sizeof(header));
	if (header.magic != NPU_ISA_MAGIC)
		return refuse(check, NPU_ILLEGAL_MAGIC, "magic: 0x%x, no command stream",
			      header.magic);
	if (header.major != NPU_ISA_MAJOR || header.minor > NPU_ISA_MINOR)
		return refuse(check, NPU_ILLEGAL_VERSION, "version: %u.%u, known is %u.%u",
			      header.major, header.minor, NPU_ISA_MAJOR, NPU_ISA_MINOR);
	if (header.features & ~check->features)
		return refuse(check, NPU_ILLEGAL_FEATURE,
			      "features: 0x%" PRIx64 " is more than the device has",
			      (uint64_t)header.features);
	if (header.size != size)
		return refuse(check, NPU_ILLEGAL_SIZE, "size: %u, but there are %zu bytes",
			      header.size, size);
	if (header.reserved0 || header.reserved1)
		return refuse(check, NPU_ILLEGAL_RESERVED, "a reserved field is not zero");
	return 0;
}

NPU_API int npu_stream_check(const void *data, size_t size, const struct npu_base *bases,
			     unsigned int nbases, const struct drm_npu_device_info *limits,
			     struct npu_error *err)
{
	union {
		struct npu_cmd head;
		uint64_t align;
		char bytes[NPU_ISA_MAX_CMD_SIZE];
	} cmd;
	struct npu_check check;
	size_t at;
	int ret;

	npu_check_init(&check, limits, err);
	check.bases = bases;
	check.nbases = nbases;
	if (err)
		memset(err, 0, sizeof(*err));
	ret = check_header(&check, data, size);
	for (at = sizeof(struct npu_stream_header); !ret && at < size; at += cmd.head.size) {
		memset(&cmd, 0, sizeof(cmd));
		memcpy(&cmd.head, (const char *)data + at, sizeof(cmd.head));
		if (cmd.head.size < sizeof(cmd.head) || cmd.head.size % NPU_ISA_ALIGN ||
		    cmd.head.size > sizeof(cmd) || cmd.head.size > size - at) {
			ret = refuse(&check, NPU_ILLEGAL_SIZE, "size: %u is no size of a command",
				     cmd.head.size);
		} else {
			memcpy(&cmd, (const char *)data + at, cmd.head.size);
			ret = npu_check_cmd(&check, &cmd);
		}
		if (ret && err)
			err->offset = (uint32_t)at;
	}
	return ret;
}

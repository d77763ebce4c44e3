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

#define FEATURES_ALL	(NPU_ISA_FEATURE_COPY * 2 - 1)

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

/* Largest numbers of the hardware specification. */
#define SIZE_LIMIT	0x7fffffffu	/* one dimension */
#define WINDOW_LIMIT	0xffffu		/* window, stride, dilation, padding */
#define NPU_LUT_WIDE_SIZE	(65536 * sizeof(int16_t))
#define TERMS_LIMIT	(1u << 20)	/* what makes up one result */

/* One condition: false after the text "command: field: reason" if it does not hold. */
static bool __attribute__((format(printf, 4, 5)))
must(const struct npu_check *check, bool good, enum npu_illegal detail, const char *fmt, ...)
{
	struct npu_error *err = check->err;
	va_list args;
	int n = 0;

	if (good || !err)
		return good;
	if (check->desc)
		n = snprintf(err->text, sizeof(err->text), "%s: ", check->desc->name);
	va_start(args, fmt);
	vsnprintf(err->text + n, sizeof(err->text) - (size_t)n, fmt, args);
	va_end(args);
	err->detail = detail;
	return false;
}

#define MUST(good, detail, ...)	must(check, good, NPU_ILLEGAL_##detail, __VA_ARGS__)

/* ---- Parts of a command ---- */

static const struct npu_tensor *tensor(const struct npu_check *check, unsigned int i)
{
	return npu_cmd_tensor(check->cmd, check->desc, i);
}

/* An array without shape. */
struct array {
	const char *name;
	const struct npu_ref *ref;
	uint64_t size;
	unsigned int align;
};

static unsigned int get_arrays(const struct npu_cmd_desc *desc, const void *cmd,
			       struct array array[2])
{
	const struct npu_requant *rq = npu_cmd_requant(cmd, desc);
	const struct npu_tensor *out;
	unsigned int n = 0;
	uint64_t channels;

	if (desc->opcode == NPU_OP_LUT && npu_cmd_tensor(cmd, desc, 0)->type == NPU_TYPE_S16)
		array[n++] = (struct array) { desc->ref.name, npu_cmd_field(cmd, desc->ref.at),
					      NPU_LUT_WIDE_SIZE, sizeof(int16_t) };
	else if (desc->ref.name)
		array[n++] = (struct array) { desc->ref.name, npu_cmd_field(cmd, desc->ref.at),
					      desc->ref_size, desc->ref_align };
	if (!rq)
		return n;
	out = npu_cmd_tensor(cmd, desc, 2);
	channels = out->dim[out->rank - 1];
	if (rq->rounding != NPU_ROUND_NONE && rq->count)
		array[n++] = (struct array) { "requant.scale", &rq->scale,
			sizeof(struct npu_scale) * (rq->count < channels ? rq->count : channels),
			4 };
	if (rq->bias_type != NPU_TYPE_NONE)
		array[n++] = (struct array) { "requant.bias", &rq->bias,
			channels * npu_bias_size(rq), npu_bias_size(rq) };
	return n;
}

static bool is_minmax(const struct npu_check *check)
{
	const struct npu_cmd_eltwise *c = check->cmd;

	return check->desc->opcode == NPU_OP_ELTWISE &&
	       (c->op == NPU_ELTWISE_MIN || c->op == NPU_ELTWISE_MAX);
}

static bool is_arg_max(const struct npu_check *check)
{
	return check->desc->opcode == NPU_OP_REDUCE &&
	       ((const struct npu_cmd_reduce *)check->cmd)->mode == NPU_REDUCE_ARG_MAX;
}

static bool is_bilinear(const struct npu_check *check)
{
	return check->desc->opcode == NPU_OP_RESIZE &&
	       ((const struct npu_cmd_resize *)check->cmd)->mode == NPU_RESIZE_BILINEAR;
}

/* First and last byte of what a tensor touches; false on overflow. */
static bool extent(const struct npu_tensor *t, int64_t *first, int64_t *last)
{
	int64_t reach;
	unsigned int i;

	*first = (int64_t)t->offset;
	*last = *first;
	for (i = 0; i < t->rank; i++) {
		if (__builtin_mul_overflow((int64_t)t->stride[i], (int64_t)t->dim[i] - 1, &reach) ||
		    __builtin_add_overflow(reach < 0 ? *first : *last, reach,
					   reach < 0 ? first : last))
			return false;
	}
	return !__builtin_add_overflow(*last, npu_type_size(t->type) - 1, last);
}

/* ---- The passes, in the order of enum npu_illegal ---- */

static bool is_zero(const struct npu_ref *ref)
{
	static const struct npu_ref zero;

	return !memcmp(ref->reserved, zero.reserved, sizeof(zero.reserved));
}

static bool check_reserved(const struct npu_check *check)
{
	const struct npu_cmd_desc *desc = check->desc;
	const struct npu_requant *rq = npu_cmd_requant(check->cmd, desc);
	const __le32 *reserved = npu_cmd_field(check->cmd, desc->reserved);

	return MUST((!desc->reserved || !*reserved) &&
		    (!desc->ref.name || is_zero(npu_cmd_field(check->cmd, desc->ref.at))) &&
		    (!rq || (!rq->reserved0 && !rq->reserved1 && is_zero(&rq->scale) &&
			     is_zero(&rq->bias))), RESERVED, "a reserved field is not zero");
}

static bool check_mode(const struct npu_check *check)
{
	const struct npu_cmd_desc *desc = check->desc;
	const struct npu_requant *rq = npu_cmd_requant(check->cmd, desc);
	const __le32 *mode = npu_cmd_field(check->cmd, desc->mode);
	bool good = true;
	unsigned int i;

	for (i = 0; i < desc->noperands && good; i++)
		good = MUST(tensor(check, i)->layout == NPU_LAYOUT_LINEAR, MODE,
			    "%s.layout: %u is unknown", desc->operand[i].name,
			    tensor(check, i)->layout);
	return good &&
	       MUST(!desc->mode || *mode <= desc->mode_max, MODE, "mode: %u is unknown", *mode) &&
	       MUST(!rq || rq->rounding <= NPU_ROUND_WIDE, MODE,
		    "requant.rounding: %u is unknown", rq ? rq->rounding : 0);
}

static bool check_type(const struct npu_check *check)
{
	const struct npu_cmd_desc *desc = check->desc;
	const struct npu_requant *rq = npu_cmd_requant(check->cmd, desc);
	unsigned int i, type, accepted, want;

	want = desc->noperands ? tensor(check, 0)->type : 0;
	for (i = 0; i < desc->noperands; i++) {
		type = tensor(check, i)->type;
		accepted = desc->operand[i].types;
		if (desc->opcode == NPU_OP_ELTWISE && !is_minmax(check))
			accepted &= ~T(S32);
		if (desc->opcode == NPU_OP_DEPTHWISE && i == 1 && want == NPU_TYPE_S16)
			accepted |= T(S16);
		if (rq && rq->rounding == NPU_ROUND_WIDE && i != 1)
			accepted = T(S16);
		if (desc->opcode == NPU_OP_MATMUL && i == 1 && rq->rounding == NPU_ROUND_WIDE)
			accepted |= T(S16);
		if (is_bilinear(check))
			accepted &= T_ACT;
		if (is_arg_max(check) && i)
			accepted = T(S32) | T(S64);
		if (!MUST(type < ARRAY_SIZE(types) && accepted >> type & 1, TYPE,
			  "%s.type: %s is not accepted here", desc->operand[i].name,
			  npu_type_name(type)))
			return false;
		/* Requantisation and small tables change the type, weights have their own. */
		if (desc->opcode == NPU_OP_REQUANT || (rq && i == 1) || is_arg_max(check) ||
		    (desc->opcode == NPU_OP_LUT && (T_8 >> want & 1) && (T_8 >> type & 1)))
			continue;
		if (rq && rq->rounding == NPU_ROUND_NONE && i == 2)
			want = NPU_TYPE_S32;
		if (!MUST(type == want, TYPE, "%s.type: must be %s, not %s", desc->operand[i].name,
			  npu_type_name(want), npu_type_name(type)))
			return false;
	}
	return true;
}

/* No two elements of an output share a byte: strides grow over what they step across. */
static bool is_disjoint(const struct npu_tensor *t)
{
	uint64_t reach = npu_type_size(t->type), step, least;
	unsigned int done = 0, best, i, k;

	for (k = 0; k < t->rank; k++) {
		best = NPU_ISA_MAX_RANK;
		least = UINT64_MAX;
		for (i = 0; i < t->rank; i++) {
			step = (int64_t)t->stride[i] < 0 ? -t->stride[i] : t->stride[i];
			if (!(done >> i & 1) && t->dim[i] > 1 && step <= least) {
				least = step;
				best = i;
			}
		}
		if (best == NPU_ISA_MAX_RANK)
			break;
		if (least < reach)
			return false;
		reach += least * (t->dim[best] - 1);
		done |= 1u << best;
	}
	return true;
}

static bool check_tensor(const struct npu_check *check, unsigned int which)
{
	const struct npu_operand *op = &check->desc->operand[which];
	const struct npu_tensor *t = tensor(check, which);
	int64_t size = npu_type_size(t->type), first, last;
	bool good;
	unsigned int i;

	good = MUST(t->rank >= op->rank_min && t->rank <= op->rank_max, SHAPE,
		    "%s.rank: %u is not in %u to %u", op->name, t->rank, op->rank_min,
		    op->rank_max) &&
	       MUST((int64_t)t->offset % size == 0, SHAPE, "%s.offset: no multiple of %d", op->name,
		    (int)size);
	for (i = 0; i < NPU_ISA_MAX_RANK && good; i++) {
		if (i < t->rank)
			good = MUST(t->dim[i] && t->dim[i] <= SIZE_LIMIT, SHAPE,
				    "%s.dim[%u]: %u", op->name, i, t->dim[i]) &&
			       MUST((int64_t)t->stride[i] % size == 0, SHAPE,
				    "%s.stride[%u]: no multiple of %d", op->name, i, (int)size);
		else
			good = MUST(!t->dim[i] && !t->stride[i], SHAPE,
				    "%s.dim[%u] and stride[%u]: not zero beyond the rank",
				    op->name, i, i);
	}
	return good && MUST(extent(t, &first, &last), SHAPE, "%s: beyond 64 bits", op->name) &&
	       MUST(which + 1u < check->desc->noperands || is_disjoint(t), SHAPE,
		    "%s.stride: elements of an output share bytes", op->name);
}

/* Rows and columns: windows stay inside the padded input. */
static bool check_windows(const struct npu_check *check, const __le32 *size, const __le32 *stride,
			  const __le32 *dilation, const __le32 *pad)
{
	const struct npu_tensor *in = tensor(check, 0);
	const struct npu_tensor *out = tensor(check, check->desc->noperands - 1u);
	uint64_t reach, padded;
	bool good = true;
	unsigned int i;

	for (i = 0; i < 2 && good; i++) {
		reach = (uint64_t)(out->dim[1 + i] - 1) * stride[i] +
			((uint64_t)size[i] - 1) * dilation[i] + 1;
		padded = (uint64_t)in->dim[1 + i] + pad[2 * i] + pad[2 * i + 1];
		good = MUST(size[i] && size[i] <= WINDOW_LIMIT, SHAPE, "window: %u", size[i]) &&
		       MUST(stride[i] && stride[i] <= WINDOW_LIMIT, SHAPE, "stride: %u",
			    stride[i]) &&
		       MUST(dilation[i] && dilation[i] <= WINDOW_LIMIT, SHAPE, "dilation: %u",
			    dilation[i]) &&
		       MUST(pad[2 * i] <= WINDOW_LIMIT && pad[2 * i + 1] <= WINDOW_LIMIT, SHAPE,
			    "pad: %u, %u", pad[2 * i], pad[2 * i + 1]) &&
		       MUST(reach <= padded, SHAPE,
			    "out: %u results reach over %" PRIu64 " of %" PRIu64 " padded elements",
			    out->dim[1 + i], reach, padded);
	}
	return good;
}

static bool check_conv(const struct npu_check *check)
{
	const struct npu_cmd_conv *c = check->cmd;
	uint32_t in = c->in.dim[3], out = c->out.dim[3];
	bool good;

	if (check->desc->opcode == NPU_OP_DEPTHWISE)
		good = MUST(!c->groups, SHAPE, "groups: %u, must be 0", c->groups) &&
		       MUST(c->weight.dim[0] == 1 && c->weight.dim[3] == out, SHAPE,
			    "weight: must be [1, rows, columns, %u]", out) &&
		       MUST(out % in == 0, SHAPE, "out.dim[3]: %u is no multiple of %u", out, in);
	else
		good = MUST(c->groups && in % c->groups == 0 && out % c->groups == 0, SHAPE,
			    "groups: %u does not divide %u and %u", c->groups, in, out) &&
		       MUST(c->weight.dim[0] == out && c->weight.dim[3] == in / c->groups, SHAPE,
			    "weight: must be [%u, rows, columns, %u]", out, in / c->groups);
	return good && MUST(c->out.dim[0] == c->in.dim[0], SHAPE, "in and out have %u and %u images",
			    c->in.dim[0], c->out.dim[0]) &&
	       check_windows(check, &c->weight.dim[1], c->stride, c->dilation, c->pad);
}

static bool check_matmul(const struct npu_check *check)
{
	const struct npu_cmd_matmul *c = check->cmd;
	unsigned int outer = c->out.rank - 2u, i;
	bool good;

	good = MUST(c->a.rank == c->out.rank && c->b.rank == c->out.rank, SHAPE,
		    "the ranks of a, b and out differ");
	for (i = 0; i < outer && good; i++)
		good = MUST(c->a.dim[i] == c->out.dim[i] && c->b.dim[i] == c->out.dim[i], SHAPE,
			    "dim[%u] of a, b and out differ", i);
	return good && MUST(c->a.dim[outer] == c->out.dim[outer] &&
			    c->b.dim[outer] == c->out.dim[outer + 1] &&
			    c->a.dim[outer + 1] == c->b.dim[outer + 1], SHAPE,
			    "a, b and out are not [M, K], [N, K] and [M, N]");
}

static bool check_images(const struct npu_check *check)
{
	const struct npu_tensor *in = tensor(check, 0), *out = tensor(check, 1);

	return MUST(in->dim[0] == out->dim[0] && in->dim[3] == out->dim[3], SHAPE,
		    "images or channels of in and out differ");
}

static bool check_pool(const struct npu_check *check)
{
	static const __le32 one[2] = { 1, 1 };
	const struct npu_cmd_pool *c = check->cmd;

	return check_images(check) &&
	       MUST(c->pad[0] < c->window[0] && c->pad[1] < c->window[0] &&
		    c->pad[2] < c->window[1] && c->pad[3] < c->window[1], SHAPE,
		    "pad: must be smaller than the window") &&
	       check_windows(check, c->window, c->stride, one, c->pad);
}

static bool check_reduce(const struct npu_check *check)
{
	const struct npu_cmd_reduce *c = check->cmd;
	bool good;
	unsigned int i;

	good = MUST(c->in.rank == c->out.rank, SHAPE, "the ranks of in and out differ") &&
	       MUST(!(c->axes >> c->in.rank), SHAPE, "axes: 0x%x has more than %u dimensions",
		    c->axes, c->in.rank);
	good = good && MUST(!is_arg_max(check) ||
			    (c->axes && !(c->axes & (c->axes - 1))), SHAPE,
			    "axes: 0x%x, must be one", c->axes);
	for (i = 0; i < c->in.rank && good; i++)
		good = MUST(c->out.dim[i] == (c->axes >> i & 1 ? 1 : c->in.dim[i]), SHAPE,
			    "out.dim[%u]: %u does not fit", i, c->out.dim[i]);
	return good;
}

static bool check_pad(const struct npu_check *check)
{
	const struct npu_cmd_pad *c = check->cmd;
	bool good = MUST(c->in.rank == c->out.rank, SHAPE, "the ranks of in and out differ");
	unsigned int i;

	for (i = 0; i < NPU_ISA_MAX_RANK && good; i++)
		good = MUST((uint64_t)c->before[i] + c->in.dim[i] <= c->out.dim[i], SHAPE,
			    "out.dim[%u]: smaller than before + in", i);
	return good;
}

static bool check_resize(const struct npu_check *check)
{
	const struct npu_cmd_resize *c = check->cmd;
	bool good = check_images(check);
	unsigned int i;

	for (i = 0; i < 2 && good; i++)
		good = MUST(c->axis[i].num <= SIZE_LIMIT && c->axis[i].den &&
			    c->axis[i].den <= SIZE_LIMIT, SHAPE, "axis[%u]: num or den", i) &&
		       MUST(!is_bilinear(check) || c->axis[i].den == 1024, SHAPE,
			    "axis[%u].den: must be 1024", i);
	return good;
}

static bool check_same(const struct npu_check *check)
{
	const struct npu_tensor *t;
	bool good = true;
	unsigned int i;

	for (i = 1; i < check->desc->noperands && good; i++) {
		t = tensor(check, i);
		good = MUST(t->rank == tensor(check, 0)->rank &&
			    !memcmp(t->dim, tensor(check, 0)->dim, sizeof(t->dim)), SHAPE,
			    "%s and %s differ in size", check->desc->operand[0].name,
			    check->desc->operand[i].name);
	}
	return good;
}

static bool check_shape(const struct npu_check *check)
{
	struct array array[2];
	unsigned int n, i;
	bool good = true;
	int64_t last;

	for (i = 0; i < check->desc->noperands && good; i++)
		good = check_tensor(check, i);
	if (!good)
		return false;
	good = check->desc->shape ? check->desc->shape(check) : check_same(check);
	n = get_arrays(check->desc, check->cmd, array);
	for (i = 0; i < n && good; i++)
		good = MUST((int64_t)array[i].ref->offset % array[i].align == 0 &&
			    !__builtin_add_overflow((int64_t)array[i].ref->offset,
						    (int64_t)array[i].size - 1, &last), SHAPE,
			    "%s.offset: no multiple of %u, or too large", array[i].name,
			    array[i].align);
	return good;
}

static bool fits(unsigned int type, int64_t value)
{
	return value >= types[type].min && value <= types[type].max;
}

static bool check_clamp(const struct npu_check *check, const __le32 *clamp)
{
	unsigned int type = tensor(check, check->desc->noperands - 1u)->type;
	int32_t min = (int32_t)clamp[0], max = (int32_t)clamp[1];

	return MUST(min <= max && fits(type, min) && fits(type, max), QUANT,
		    "clamp_min, clamp_max: %d, %d is no range of %s", min, max,
		    npu_type_name(type));
}

static bool check_requant(const struct npu_check *check, const struct npu_requant *rq)
{
	const struct npu_tensor *weight = tensor(check, 1), *out = tensor(check, 2);
	uint32_t channels = out->dim[out->rank - 1];
	bool scaled = rq->rounding != NPU_ROUND_NONE;
	enum npu_type bias = rq->rounding == NPU_ROUND_WIDE ? NPU_TYPE_S64 : NPU_TYPE_S32;

	return MUST(rq->bias_type == NPU_TYPE_NONE ? !rq->bias.base && !rq->bias.offset :
		    rq->bias_type == bias, QUANT,
		    "requant.bias: is not %s, or is not zero though there is none",
		    npu_type_name(bias)) &&
	       MUST(rq->axis == out->rank - 1, QUANT, "requant.axis: %u, must be %u", rq->axis,
		    out->rank - 1u) &&
	       MUST(scaled || (!rq->scale.base && !rq->scale.offset), QUANT,
		    "requant.scale: is not zero though there is none") &&
	       MUST(scaled ? rq->count == 1 || rq->count == channels : !rq->count, QUANT,
		    "requant.count: %u does not fit", rq->count) &&
	       MUST(!weight->zero_point, QUANT, "%s.zero_point: belongs into the requant block",
		    check->desc->operand[1].name) &&
	       MUST(fits(weight->type, (int32_t)rq->weight_zero_point), QUANT,
		    "requant.weight_zero_point: %d", (int32_t)rq->weight_zero_point) &&
	       check_clamp(check, &rq->clamp_min);
}

static const struct npu_scale zero_scale;

static bool check_scale_zero(const struct npu_check *check, const char *name,
			     const struct npu_scale *scale)
{
	return MUST(!memcmp(scale, &zero_scale, sizeof(zero_scale)), QUANT,
		    "%s: must be zero here", name);
}

static bool check_eltwise(const struct npu_check *check, const struct npu_cmd_eltwise *c)
{
	bool shifted = c->op <= NPU_ELTWISE_SUB || c->op == NPU_ELTWISE_SQUARED_DIFFERENCE;

	return MUST(c->left_shift <= 20, QUANT, "left_shift: %u is not in 0 to 20",
		    c->left_shift) &&
	       MUST(shifted || !c->left_shift, QUANT, "left_shift: must be zero here") &&
	       (shifted || c->op == NPU_ELTWISE_PRELU ||
		check_scale_zero(check, "scale_a", &c->scale_a)) &&
	       (shifted || check_scale_zero(check, "scale_b", &c->scale_b)) &&
	       (!is_minmax(check) || check_scale_zero(check, "scale_out", &c->scale_out)) &&
	       MUST(!is_minmax(check) || (c->a.zero_point == c->out.zero_point &&
					  c->b.zero_point == c->out.zero_point), QUANT,
		    "the zero points of a, b and out differ");
}

static bool check_reduce_quant(const struct npu_check *check, const struct npu_cmd_reduce *c)
{
	if (c->mode == NPU_REDUCE_MEAN)
		return true;
	return check_scale_zero(check, "scale", &c->scale) &&
	       MUST(is_arg_max(check) || c->in.zero_point == c->out.zero_point, QUANT,
		    "the zero points of in and out differ") &&
	       MUST(!is_arg_max(check) || (!c->clamp_min && !c->clamp_max), QUANT,
		    "clamp: must be zero here");
}

static bool check_softmax(const struct npu_check *check, const struct npu_tensor *out,
			  int64_t zero_point, const struct npu_scale *beta, const __le32 *diff_min)
{
	return MUST((int32_t)out->zero_point == zero_point, QUANT, "out.zero_point: must be %d",
		    (int)zero_point) &&
	       MUST((int32_t)beta->shift >= 0, QUANT, "beta.shift: is negative") &&
	       MUST((int32_t)*diff_min <= 0, QUANT, "diff_min: is positive");
}

static bool check_quant(const struct npu_check *check)
{
	const struct npu_cmd_log_softmax *log_softmax = check->cmd;
	const struct npu_cmd_reduce *reduce = check->cmd;
	const struct npu_cmd_desc *desc = check->desc;
	const struct npu_cmd_softmax *softmax = check->cmd;
	const struct npu_cmd_l2_norm *norm = check->cmd;
	const struct npu_cmd_pool *pool = check->cmd;
	const struct npu_cmd_pad *pad = check->cmd;
	const struct npu_scale *scale;
	const struct npu_tensor *t;
	bool good = true;
	unsigned int i;

	for (i = 0; i < desc->noperands && good; i++) {
		t = tensor(check, i);
		good = MUST(!t->zero_point || (T_8 >> t->type & 1 &&
					       fits(t->type, (int32_t)t->zero_point)), QUANT,
			    "%s.zero_point: %d is none of %s", desc->operand[i].name,
			    (int32_t)t->zero_point, npu_type_name(t->type));
	}
	for (i = 0; i < ARRAY_SIZE(desc->scale) && desc->scale[i].name && good; i++) {
		scale = npu_cmd_field(check->cmd, desc->scale[i].at);
		good = MUST((int32_t)scale->shift >= -31 && (int32_t)scale->shift <= 31, QUANT,
			    "%s.shift: %d is not in -31 to 31", desc->scale[i].name,
			    (int32_t)scale->shift);
	}
	if (!good || (desc->clamp && !check_clamp(check, npu_cmd_field(check->cmd, desc->clamp))))
		return false;
	switch (desc->opcode) {
	case NPU_OP_POOL:
		return MUST(pool->in.zero_point == pool->out.zero_point, QUANT,
			    "the zero points of in and out differ");
	case NPU_OP_ELTWISE:
		return check_eltwise(check, check->cmd);
	case NPU_OP_REDUCE:
		return check_reduce_quant(check, reduce);
	case NPU_OP_SOFTMAX:
		return check_softmax(check, &softmax->out, types[softmax->out.type].min,
				     &softmax->beta, &softmax->diff_min);
	case NPU_OP_LOG_SOFTMAX:
		return check_softmax(check, &log_softmax->out, types[log_softmax->out.type].max,
				     &log_softmax->beta, &log_softmax->diff_min) &&
		       MUST((int32_t)log_softmax->reverse.shift <= 0, QUANT,
			    "reverse.shift: is positive");
	case NPU_OP_L2_NORM:
		return MUST(!norm->out.zero_point, QUANT, "out.zero_point: must be 0");
	case NPU_OP_PAD:
		return MUST(fits(pad->out.type, (int64_t)pad->value), QUANT,
			    "value: %" PRId64 " is no %s", (int64_t)pad->value,
			    npu_type_name(pad->out.type));
	}
	return !desc->requant || check_requant(check, npu_cmd_requant(check->cmd, desc));
}

static bool check_base(const struct npu_check *check, const char *name, unsigned int base,
		       unsigned int align)
{
	unsigned int count = check->bases ? check->nbases : NPU_ISA_MAX_BASES;

	return MUST(base < count, BASE, "%s.base: %u, there are %u", name, base, count) &&
	       MUST(!check->bases || check->bases[base].va % align == 0, BASE,
		    "%s.base: address of base %u is no multiple of %u", name, base, align);
}

/* What this refuses is a fault of its own, no illegal command. */
static bool check_bounds(const struct npu_check *check, const char *name, unsigned int base,
			 int64_t first, int64_t last, bool write)
{
	const struct npu_base *b = check->bases ? &check->bases[base] : NULL;

	if (!b)
		return true;
	return MUST(first >= 0 && (uint64_t)last < b->size, NONE,
		    "%s: bytes %" PRId64 " to %" PRId64 " of base %u, which has %" PRIu64, name,
		    first, last, base, (uint64_t)b->size) &&
	       MUST(!write || b->flags & NPU_BASE_WRITE, NONE, "%s: base %u is read only", name,
		    base);
}

static bool check_memory(const struct npu_check *check)
{
	const struct npu_operand *op = check->desc->operand;
	unsigned int n = check->desc->noperands, m, i;
	const struct npu_tensor *t;
	struct array array[2];
	int64_t first, last;
	bool good = true;

	m = get_arrays(check->desc, check->cmd, array);
	for (i = 0; i < n && good; i++)
		good = check_base(check, op[i].name, tensor(check, i)->base,
				  npu_type_size(tensor(check, i)->type));
	for (i = 0; i < m && good; i++)
		good = check_base(check, array[i].name, array[i].ref->base, array[i].align);
	for (i = 0; i < n && good; i++) {
		t = tensor(check, i);
		extent(t, &first, &last);
		good = check_bounds(check, op[i].name, t->base, first, last, i + 1 == n);
	}
	for (i = 0; i < m && good; i++) {
		first = (int64_t)array[i].ref->offset;
		good = check_bounds(check, array[i].name, array[i].ref->base, first,
				    first + (int64_t)array[i].size - 1,
				    check->desc->opcode == NPU_OP_TIMESTAMP);
	}
	return good;
}

static bool same_place(const struct npu_tensor *a, const struct npu_tensor *b)
{
	unsigned int i;

	if (a->offset != b->offset || npu_type_size(a->type) != npu_type_size(b->type))
		return false;
	for (i = 0; i < a->rank; i++)
		if (a->dim[i] > 1 && a->stride[i] != b->stride[i])
			return false;
	return true;
}

/* Without addresses only what shares a base can be compared. */
static bool check_overlap(const struct npu_check *check)
{
	unsigned int result = check->desc->noperands - 1u, n, i;
	const struct npu_tensor *out, *in;
	int64_t first, last, from, to;
	struct array array[2];
	bool good = true;

	if (!check->desc->noperands)
		return true;
	out = tensor(check, result);
	extent(out, &first, &last);
	for (i = 0; i < result && good; i++) {
		in = tensor(check, i);
		extent(in, &from, &to);
		good = MUST(in->base != out->base || to < first || last < from ||
			    (check->desc->inplace && same_place(in, out)), OVERLAP,
			    "%s and out overlap", check->desc->operand[i].name);
	}
	n = get_arrays(check->desc, check->cmd, array);
	for (i = 0; i < n && good; i++) {
		from = (int64_t)array[i].ref->offset;
		good = MUST(array[i].ref->base != out->base ||
			    from + (int64_t)array[i].size <= first || last < from, OVERLAP,
			    "%s and out overlap", array[i].name);
	}
	return good;
}

static uint64_t mul_saturate(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t elements(const struct npu_tensor *t)
{
	uint64_t n = 1;
	unsigned int i;

	for (i = 0; i < t->rank; i++)
		n = mul_saturate(n, t->dim[i]);
	return n;
}

void npu_cmd_work(const void *cmd, const struct npu_cmd_desc *desc, struct npu_work *work)
{
	const struct npu_cmd_reduce *reduce = cmd;
	const struct npu_cmd_pool *pool = cmd;
	const struct npu_tensor *t, *out;
	struct array array[2];
	unsigned int n, i;
	uint64_t bytes;

	*work = (struct npu_work) { .terms = 1 };
	for (i = 0; i < desc->noperands; i++) {
		t = npu_cmd_tensor(cmd, desc, i);
		bytes = mul_saturate(elements(t), npu_type_size(t->type));
		if (__builtin_add_overflow(work->bytes, bytes, &work->bytes))
			work->bytes = UINT64_MAX;
	}
	n = get_arrays(desc, cmd, array);
	for (i = 0; i < n; i++)
		if (__builtin_add_overflow(work->bytes, array[i].size, &work->bytes))
			work->bytes = UINT64_MAX;
	if (!desc->noperands)
		return;
	t = npu_cmd_tensor(cmd, desc, desc->requant ? 1 : 0);
	out = npu_cmd_tensor(cmd, desc, desc->noperands - 1u);
	switch (desc->opcode) {
	case NPU_OP_CONV2D:
		work->terms = mul_saturate((uint64_t)t->dim[1] * t->dim[2], t->dim[3]);
		break;
	case NPU_OP_DEPTHWISE:
		work->terms = (uint64_t)t->dim[1] * t->dim[2];
		break;
	case NPU_OP_MATMUL:
		work->terms = t->dim[t->rank - 1];
		break;
	case NPU_OP_POOL:
		work->terms = (uint64_t)pool->window[0] * pool->window[1];
		break;
	case NPU_OP_REDUCE:
		for (i = 0; i < t->rank; i++)
			if (reduce->axes >> i & 1)
				work->terms = mul_saturate(work->terms, t->dim[i]);
		break;
	case NPU_OP_SOFTMAX:
	case NPU_OP_LOG_SOFTMAX:
	case NPU_OP_SOFTMAX16:
	case NPU_OP_L2_NORM:
		work->terms = t->rank ? t->dim[t->rank - 1] : 1;
		work->macs = elements(t);
		return;
	default:
		return;
	}
	work->macs = mul_saturate(elements(out), work->terms);
}

static bool check_limit(const struct npu_check *check)
{
	struct npu_work work;

	npu_cmd_work(check->cmd, check->desc, &work);
	return MUST(work.macs <= check->macs, LIMIT,
		    "%" PRIu64 " MACs, the device does %" PRIu64 " per command", work.macs,
		    check->macs) &&
	       MUST(work.bytes <= check->bytes, LIMIT,
		    "%" PRIu64 " bytes, the device moves %" PRIu64 " per command", work.bytes,
		    check->bytes) &&
	       MUST(work.terms <= TERMS_LIMIT, LIMIT, "%" PRIu64 " terms per result, the most is %u",
		    work.terms, TERMS_LIMIT);
}

/* ---- Commands and streams ---- */

#define CMD(text, op, type, ...) \
	{ .name = text, .opcode = NPU_OP_##op, .size = sizeof(struct type), ##__VA_ARGS__ }
#define FEATURE(name)		.feature = NPU_ISA_FEATURE_##name
#define OPERANDS(n, ...)	.noperands = n, .operand = { __VA_ARGS__ }
#define OPERAND(cmd, field, types, min, max) \
	{ #field, offsetof(struct cmd, field), types, min, max }
#define UNARY(cmd, types, min, max) \
	OPERANDS(2, OPERAND(cmd, in, types, min, max), OPERAND(cmd, out, types, min, max))
#define SCALE(cmd, field)	{ #field, offsetof(struct cmd, field) }
#define CLAMP(cmd)		.clamp = offsetof(struct cmd, clamp_min)
#define MODE(cmd, field, most)	.mode = offsetof(struct cmd, field), .mode_max = most
#define RESERVED(cmd)		.reserved = offsetof(struct cmd, reserved)
#define REF(cmd, field, bytes, to) \
	.ref = { #field, offsetof(struct cmd, field) }, .ref_size = bytes, .ref_align = to
#define CONV	.shape = check_conv, FEATURE(MAC), RESERVED(npu_cmd_conv), \
	.requant = offsetof(struct npu_cmd_conv, requant), \
	OPERANDS(3, OPERAND(npu_cmd_conv, in, T_ACT, 4, 4), \
		 OPERAND(npu_cmd_conv, weight, T_8, 4, 4), \
		 OPERAND(npu_cmd_conv, out, T_INT, 4, 4))

static const struct npu_cmd_desc descs[] = {
	CMD("nop", NOP, npu_cmd_nop),
	CMD("timestamp", TIMESTAMP, npu_cmd_timestamp,
	    REF(npu_cmd_timestamp, out, sizeof(struct npu_timestamp), 8)),
	CMD("conv2d", CONV2D, npu_cmd_conv, CONV),
	CMD("depthwise", DEPTHWISE, npu_cmd_conv, CONV),
	CMD("matmul", MATMUL, npu_cmd_matmul, .shape = check_matmul, FEATURE(MAC),
	    .requant = offsetof(struct npu_cmd_matmul, requant),
	    OPERANDS(3, OPERAND(npu_cmd_matmul, a, T_ACT, 2, 6),
		     OPERAND(npu_cmd_matmul, b, T_8, 2, 6),	/* S16: see check_type() */
		     OPERAND(npu_cmd_matmul, out, T_INT, 2, 6))),
	CMD("pool", POOL, npu_cmd_pool, .shape = check_pool, FEATURE(POOL),
	    UNARY(npu_cmd_pool, T_ACT, 4, 4),
	    MODE(npu_cmd_pool, mode, NPU_POOL_AVERAGE), RESERVED(npu_cmd_pool),
	    CLAMP(npu_cmd_pool)),
	CMD("reduce", REDUCE, npu_cmd_reduce, .shape = check_reduce, FEATURE(POOL),
	    UNARY(npu_cmd_reduce, T_ACT, 0, 6),
	    MODE(npu_cmd_reduce, mode, NPU_REDUCE_ARG_MAX), CLAMP(npu_cmd_reduce),
	    .scale = { SCALE(npu_cmd_reduce, scale) }),
	CMD("eltwise", ELTWISE, npu_cmd_eltwise, FEATURE(ELTWISE), .inplace = true,
	    OPERANDS(3, OPERAND(npu_cmd_eltwise, a, T_INT, 0, 6),
		     OPERAND(npu_cmd_eltwise, b, T_INT, 0, 6),
		     OPERAND(npu_cmd_eltwise, out, T_INT, 0, 6)),
	    MODE(npu_cmd_eltwise, op, NPU_ELTWISE_PRELU), CLAMP(npu_cmd_eltwise),
	    .scale = { SCALE(npu_cmd_eltwise, scale_a), SCALE(npu_cmd_eltwise, scale_b),
		       SCALE(npu_cmd_eltwise, scale_out) }),
	CMD("requant", REQUANT, npu_cmd_requant, FEATURE(REQUANT), .inplace = true,
	    UNARY(npu_cmd_requant, T_INT, 0, 6), .scale = { SCALE(npu_cmd_requant, scale) },
	    CLAMP(npu_cmd_requant)),
	CMD("lut", LUT, npu_cmd_lut, FEATURE(LUT), .inplace = true,
	    UNARY(npu_cmd_lut, T_ACT, 0, 6),
	    REF(npu_cmd_lut, table, 256, 1)),
	CMD("softmax", SOFTMAX, npu_cmd_softmax, FEATURE(SOFTMAX), .inplace = true,
	    UNARY(npu_cmd_softmax, T_8, 0, 6), .scale = { SCALE(npu_cmd_softmax, beta) },
	    RESERVED(npu_cmd_softmax)),
	CMD("log_softmax", LOG_SOFTMAX, npu_cmd_log_softmax, FEATURE(SOFTMAX), .inplace = true,
	    UNARY(npu_cmd_log_softmax, T_8, 0, 6),
	    .scale = { SCALE(npu_cmd_log_softmax, beta), SCALE(npu_cmd_log_softmax, reverse) },
	    RESERVED(npu_cmd_log_softmax)),
	CMD("softmax16", SOFTMAX16, npu_cmd_softmax16, FEATURE(SOFTMAX), .inplace = true,
	    UNARY(npu_cmd_softmax16, T(S16), 0, 6),
	    .scale = { SCALE(npu_cmd_softmax16, beta) },
	    REF(npu_cmd_softmax16, tables, 2 * NPU_SOFTMAX16_ENTRIES * sizeof(int16_t), 2)),
	CMD("l2_norm", L2_NORM, npu_cmd_l2_norm, FEATURE(SOFTMAX), .inplace = true,
	    UNARY(npu_cmd_l2_norm, T(S8), 0, 6)),
	CMD("copy", COPY, npu_cmd_copy, FEATURE(COPY), UNARY(npu_cmd_copy, T_ANY, 0, 6)),
	CMD("pad", PAD, npu_cmd_pad, .shape = check_pad, FEATURE(COPY),
	    UNARY(npu_cmd_pad, T_ANY, 0, 6),
	    MODE(npu_cmd_pad, mode, NPU_PAD_CONSTANT), RESERVED(npu_cmd_pad)),
	CMD("resize", RESIZE, npu_cmd_resize, .shape = check_resize, FEATURE(COPY),
	    UNARY(npu_cmd_resize, T_ANY, 4, 4),
	    MODE(npu_cmd_resize, mode, NPU_RESIZE_BILINEAR), RESERVED(npu_cmd_resize)),
};

const struct npu_cmd_desc *npu_cmd_desc(unsigned int opcode)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(descs); i++)
		if (descs[i].opcode == opcode)
			return &descs[i];
	return NULL;
}

void npu_check_init(struct npu_check *check, const struct drm_npu_device_info *limits,
		    struct npu_error *err)
{
	*check = (struct npu_check) {
		.macs = UINT64_MAX,
		.bytes = UINT64_MAX,
		.features = FEATURES_ALL,
		.minor = NPU_ISA_MINOR,
		.err = err,
	};
	if (!limits)
		return;
	/* A newer device takes what this library knows. */
	if ((limits->isa_version & 0xffff) < NPU_ISA_MINOR)
		check->minor = limits->isa_version & 0xffff;
	if (limits->macs_max_order < 64)
		check->macs = 1ull << limits->macs_max_order;
	if (limits->bytes_max_order < 64)
		check->bytes = 1ull << limits->bytes_max_order;
	check->features = limits->isa_features;
}

/* The first minor version of the command set that has this command. */
unsigned int npu_cmd_minor(const void *cmd)
{
	const struct npu_cmd_eltwise *eltwise = cmd;
	const struct npu_cmd_reduce *reduce = cmd;
	const struct npu_cmd_resize *resize = cmd;
	const struct npu_cmd_matmul *matmul = cmd;
	const struct npu_cmd_conv *conv = cmd;
	const struct npu_cmd_lut *lut = cmd;

	switch (((const struct npu_cmd *)cmd)->opcode) {
	case NPU_OP_CONV2D:
		return conv->requant.rounding == NPU_ROUND_WIDE ? 2 : 0;
	case NPU_OP_MATMUL:
		return matmul->requant.rounding == NPU_ROUND_WIDE ? 2 : 0;
	case NPU_OP_DEPTHWISE:
		return conv->requant.rounding == NPU_ROUND_WIDE ? 2 :
		       conv->weight.type == NPU_TYPE_S16;
	case NPU_OP_LOG_SOFTMAX:
	case NPU_OP_SOFTMAX16:
	case NPU_OP_L2_NORM:
		return 2;
	case NPU_OP_LUT:
		return lut->in.type == NPU_TYPE_S16;
	case NPU_OP_RESIZE:
		return resize->mode > NPU_RESIZE_NEAREST;
	case NPU_OP_ELTWISE:
		return eltwise->op > NPU_ELTWISE_MAX;
	case NPU_OP_REDUCE:
		return reduce->mode > NPU_REDUCE_MEAN;
	default:
		return 0;
	}
}

int npu_check_cmd(struct npu_check *check, const void *cmd)
{
	const struct npu_cmd *head = cmd;
	bool good;

	check->cmd = cmd;
	check->desc = npu_cmd_desc(head->opcode);
	if (check->err)
		check->err->detail = 0;
	good = MUST(check->desc, OPCODE, "opcode: 0x%x is unknown", head->opcode) &&
	       MUST(head->size == check->desc->size, SIZE, "size: %u, must be %u", head->size,
		    check->desc->size) &&
	       MUST(!head->flags, FLAGS, "flags: 0x%x is unknown", head->flags) &&
	       MUST(!(check->desc->feature & ~check->features), FEATURE,
		    "the device does not have this command") &&
	       MUST(npu_cmd_minor(cmd) <= check->minor, VERSION,
		    "the device has version %u.%u, this is of %u.%u", NPU_ISA_MAJOR, check->minor,
		    NPU_ISA_MAJOR, npu_cmd_minor(cmd)) &&
	       check_reserved(check) && check_mode(check) && check_type(check) &&
	       check_shape(check) && check_quant(check);
	if (!good)
		return -EINVAL;
	if (!check_memory(check))
		return !check->err || check->err->detail ? -EINVAL : -EFAULT;
	return check_overlap(check) && check_limit(check) ? 0 : -EINVAL;
}

static bool check_header(struct npu_check *check, const void *data, size_t size)
{
	struct npu_stream_header h = { 0 };

	if (size >= sizeof(h))
		memcpy(&h, data, sizeof(h));
	return MUST(size >= sizeof(h) && size % NPU_ISA_ALIGN == 0 &&
		    size <= NPU_ISA_MAX_STREAM_SIZE, SIZE, "a stream cannot have %zu bytes",
		    size) &&
	       MUST(h.magic == NPU_ISA_MAGIC, MAGIC, "magic: 0x%x, no command stream", h.magic) &&
	       MUST(h.major == NPU_ISA_MAJOR && h.minor <= check->minor, VERSION,
		    "version: %u.%u, known is %u.%u", h.major, h.minor, NPU_ISA_MAJOR,
		    check->minor) &&
	       MUST(!(h.features & ~check->features), FEATURE,
		    "features: 0x%" PRIx64 " is more than there are", (uint64_t)h.features) &&
	       MUST(h.size == size, SIZE, "size: %u, but there are %zu bytes", h.size, size) &&
	       MUST(!h.reserved0 && !h.reserved1, RESERVED, "a reserved field is not zero");
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
	struct npu_error ignored;
	struct npu_check c, *check = &c;
	size_t at = sizeof(struct npu_stream_header);
	int ret;

	if (!err)
		err = &ignored;
	memset(err, 0, sizeof(*err));
	npu_check_init(check, limits, err);
	check->bases = bases;
	check->nbases = nbases;
	if (!check_header(check, data, size))
		return -EINVAL;
	for (ret = 0; !ret && at < size; at += cmd.head.size) {
		err->offset = (uint32_t)at;
		memset(&cmd, 0, sizeof(cmd));
		memcpy(&cmd.head, (const char *)data + at, sizeof(cmd.head));
		check->desc = NULL;
		if (!MUST(cmd.head.size >= sizeof(cmd.head) && cmd.head.size <= sizeof(cmd) &&
			  cmd.head.size % NPU_ISA_ALIGN == 0 && cmd.head.size <= size - at, SIZE,
			  "size: %u is no size of a command", cmd.head.size))
			return -EINVAL;
		memcpy(&cmd, (const char *)data + at, cmd.head.size);
		ret = npu_check_cmd(check, &cmd);
	}
	if (!ret)
		err->offset = 0;
	return ret;
}

// SPDX-License-Identifier: MIT
/* The disassembler. It reads anything, legal or not. */
#include <inttypes.h>
#include <stdarg.h>

#include "internal.h"

struct text {
	char *buf;
	size_t len;
	size_t used;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(t->used < t->len ? t->buf + t->used : NULL,
		      t->used < t->len ? t->len - t->used : 0, fmt, args);
	va_end(args);
	if (n > 0)
		t->used += (size_t)n;
}

static void put_tensor(struct text *t, const char *name, const struct npu_tensor *tensor)
{
	unsigned int rank = tensor->rank < NPU_ISA_MAX_RANK ? tensor->rank : NPU_ISA_MAX_RANK, i;
	uint64_t stride = npu_type_size(tensor->type);
	bool linear = true;

	put(t, " %s=%s[", name, npu_type_name(tensor->type));
	for (i = 0; i < rank; i++)
		put(t, "%s%u", i ? "," : "", tensor->dim[i]);
	put(t, "]@%u", tensor->base);
	put(t, (int64_t)tensor->offset < 0 ? "-0x%" PRIx64 : "+0x%" PRIx64,
	    (int64_t)tensor->offset < 0 ? -(uint64_t)tensor->offset : (uint64_t)tensor->offset);
	for (i = rank; i--; stride *= tensor->dim[i])
		linear &= tensor->stride[i] == stride;
	if (!linear) {
		put(t, " stride(");
		for (i = 0; i < rank; i++)
			put(t, "%s%" PRId64, i ? "," : "", (int64_t)tensor->stride[i]);
		put(t, ")");
	}
	if (tensor->zero_point)
		put(t, " zp %d", (int32_t)tensor->zero_point);
	if (tensor->rank > NPU_ISA_MAX_RANK)
		put(t, " rank %u!", tensor->rank);
	if (tensor->layout)
		put(t, " layout %u!", tensor->layout);
}

static void put_ref(struct text *t, const char *name, const struct npu_ref *ref)
{
	put(t, " %s@%u", name, ref->base);
	put(t, (int64_t)ref->offset < 0 ? "-0x%" PRIx64 : "+0x%" PRIx64,
	    (int64_t)ref->offset < 0 ? -(uint64_t)ref->offset : (uint64_t)ref->offset);
}

static void put_scale(struct text *t, const char *name, const struct npu_scale *scale)
{
	put(t, " %s=%d<<%d", name, (int32_t)scale->multiplier, (int32_t)scale->shift);
}

static void put_clamp(struct text *t, uint32_t min, uint32_t max)
{
	put(t, " clamp(%d,%d)", (int32_t)min, (int32_t)max);
}

static void put_requant(struct text *t, const struct npu_requant *rq)
{
	if (rq->rounding == NPU_ROUND_NONE)
		put(t, " unscaled");
	else if (rq->rounding != NPU_ROUND_DOUBLE)
		put(t, " rounding %u!", rq->rounding);
	if (rq->count) {
		put_ref(t, "scale", &rq->scale);
		put(t, "[%u]", rq->count);
	}
	if (rq->bias_type) {
		put_ref(t, "bias", &rq->bias);
		put(t, ":%s", npu_type_name(rq->bias_type));
	}
	if (rq->weight_zero_point)
		put(t, " weight_zp %d", (int32_t)rq->weight_zero_point);
	put_clamp(t, rq->clamp_min, rq->clamp_max);
}

static void put_pairs(struct text *t, const __le32 *stride, const __le32 *pad)
{
	put(t, " stride %ux%u", stride[0], stride[1]);
	if (pad[0] || pad[1] || pad[2] || pad[3])
		put(t, " pad(%u,%u,%u,%u)", pad[0], pad[1], pad[2], pad[3]);
}

static const char *eltwise_name(unsigned int op)
{
	static const char * const names[] = { "add", "sub", "mul", "min", "max" };

	return op < ARRAY_SIZE(names) ? names[op] : "?";
}

static void put_options(struct text *t, const void *cmd, unsigned int opcode)
{
	const struct npu_cmd_conv *conv = cmd;
	const struct npu_cmd_pool *pool = cmd;
	const struct npu_cmd_reduce *reduce = cmd;
	const struct npu_cmd_eltwise *eltwise = cmd;
	const struct npu_cmd_requant *requant = cmd;
	const struct npu_cmd_softmax *softmax = cmd;
	const struct npu_cmd_pad *pad = cmd;
	const struct npu_cmd_resize *resize = cmd;
	unsigned int i;

	switch (opcode) {
	case NPU_OP_TIMESTAMP:
		put_ref(t, "out", &((const struct npu_cmd_timestamp *)cmd)->out);
		break;
	case NPU_OP_CONV2D:
	case NPU_OP_DEPTHWISE:
		put_pairs(t, conv->stride, conv->pad);
		if (conv->dilation[0] != 1 || conv->dilation[1] != 1)
			put(t, " dilation %ux%u", conv->dilation[0], conv->dilation[1]);
		if (conv->groups > 1)
			put(t, " groups %u", conv->groups);
		break;
	case NPU_OP_POOL:
		put(t, " %s %ux%u", pool->mode == NPU_POOL_MAX ? "max" :
		    pool->mode == NPU_POOL_AVERAGE ? "average" : "?", pool->window[0],
		    pool->window[1]);
		put_pairs(t, pool->stride, pool->pad);
		put_clamp(t, pool->clamp_min, pool->clamp_max);
		break;
	case NPU_OP_REDUCE:
		put(t, " %s axes 0x%x", reduce->mode == NPU_REDUCE_MEAN ? "mean" : "?",
		    reduce->axes);
		put_scale(t, "scale", &reduce->scale);
		put_clamp(t, reduce->clamp_min, reduce->clamp_max);
		break;
	case NPU_OP_ELTWISE:
		put(t, " %s", eltwise_name(eltwise->op));
		if (eltwise->op <= NPU_ELTWISE_SUB) {
			put(t, " left %u", eltwise->left_shift);
			put_scale(t, "scale_a", &eltwise->scale_a);
			put_scale(t, "scale_b", &eltwise->scale_b);
		}
		if (eltwise->op <= NPU_ELTWISE_MUL)
			put_scale(t, "scale_out", &eltwise->scale_out);
		put_clamp(t, eltwise->clamp_min, eltwise->clamp_max);
		break;
	case NPU_OP_REQUANT:
		put_scale(t, "scale", &requant->scale);
		put_clamp(t, requant->clamp_min, requant->clamp_max);
		break;
	case NPU_OP_LUT:
		put_ref(t, "table", &((const struct npu_cmd_lut *)cmd)->table);
		break;
	case NPU_OP_SOFTMAX:
		put_scale(t, "beta", &softmax->beta);
		put(t, " diff_min %d", (int32_t)softmax->diff_min);
		break;
	case NPU_OP_PAD:
		put(t, " before(");
		for (i = 0; i < pad->in.rank && i < NPU_ISA_MAX_RANK; i++)
			put(t, "%s%u", i ? "," : "", pad->before[i]);
		put(t, ") value %" PRId64, (int64_t)pad->value);
		break;
	case NPU_OP_RESIZE:
		put(t, " nearest");
		for (i = 0; i < 2; i++)
			put(t, " %s (x*%u%+d)/%u", i ? "columns" : "rows", resize->axis[i].num,
			    (int32_t)resize->axis[i].add, resize->axis[i].den);
		break;
	}
}

static int dis_header(struct text *t, const void *data, size_t size)
{
	struct npu_stream_header h;

	if (size < sizeof(h)) {
		put(t, "truncated: %zu bytes are no stream", size);
		return -EINVAL;
	}
	memcpy(&h, data, sizeof(h));
	if (h.magic != NPU_ISA_MAGIC) {
		put(t, "no command stream: magic is 0x%08x", h.magic);
		return -EINVAL;
	}
	put(t, "stream %u.%u, %u bytes, features 0x%" PRIx64, h.major, h.minor, h.size,
	    (uint64_t)h.features);
	if (h.size != size)
		put(t, " (there are %zu bytes!)", size);
	return size > sizeof(h) ? (int)sizeof(h) : 0;
}

NPU_API int npu_stream_dis(const void *data, size_t size, size_t offset, char *text, size_t len)
{
	struct text t = { text, len, 0 };
	const struct npu_cmd_desc *desc;
	union {
		struct npu_cmd head;
		uint64_t align;
		char bytes[NPU_ISA_MAX_CMD_SIZE];
	} cmd;
	unsigned int i;

	if (len)
		text[0] = '\0';
	if (size > INT32_MAX) {
		put(&t, "too large to be a stream");
		return -EINVAL;
	}
	if (!offset)
		return dis_header(&t, data, size);
	if (offset >= size || size - offset < sizeof(cmd.head)) {
		put(&t, "truncated: the stream ends here");
		return -EINVAL;
	}
	memset(&cmd, 0, sizeof(cmd));
	memcpy(&cmd.head, (const char *)data + offset, sizeof(cmd.head));
	desc = npu_cmd_desc(cmd.head.opcode);
	if (!desc) {
		put(&t, "unknown opcode 0x%x, size %u", cmd.head.opcode, cmd.head.size);
	} else if (desc->size > size - offset) {
		put(&t, "%s, truncated: %zu of %u bytes", desc->name, size - offset, desc->size);
		return -EINVAL;
	} else {
		memcpy(&cmd, (const char *)data + offset, desc->size);
		put(&t, "%s", desc->name);
		for (i = 0; i < desc->noperands; i++)
			put_tensor(&t, desc->operand[i].name, npu_cmd_tensor(&cmd, desc, i));
		put_options(&t, &cmd, desc->opcode);
		if (desc->requant)
			put_requant(&t, npu_cmd_requant(&cmd, desc));
		if (cmd.head.flags)
			put(&t, " flags 0x%x!", cmd.head.flags);
		if (cmd.head.size != desc->size)
			put(&t, " size %u!", cmd.head.size);
	}
	if (cmd.head.size < sizeof(cmd.head) || cmd.head.size % NPU_ISA_ALIGN ||
	    cmd.head.size > size - offset)
		return -EINVAL;
	offset += cmd.head.size;
	return offset < size ? (int)offset : 0;
}

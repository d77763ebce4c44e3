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

static void put_clamp(struct text *t, const __le32 *clamp)
{
	put(t, " clamp(%d,%d)", (int32_t)clamp[0], (int32_t)clamp[1]);
}

static void put_requant(struct text *t, const struct npu_requant *rq)
{
	if (rq->rounding == NPU_ROUND_NONE)
		put(t, " unscaled");
	else if (rq->rounding == NPU_ROUND_WIDE)
		put(t, " wide");
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
	put_clamp(t, &rq->clamp_min);
}

static void put_pairs(struct text *t, const __le32 *stride, const __le32 *pad)
{
	put(t, " stride %ux%u", stride[0], stride[1]);
	if (pad[0] || pad[1] || pad[2] || pad[3])
		put(t, " pad(%u,%u,%u,%u)", pad[0], pad[1], pad[2], pad[3]);
}

/* What only one opcode has. */
static void put_options(struct text *t, const void *cmd, unsigned int opcode)
{
	static const char * const ops[] = {
		"add", "sub", "mul", "min", "max", "squared_difference", "prelu",
	};
	static const char * const reductions[] = { "mean", "max", "arg_max" };
	static const char * const pools[] = { "max", "average" };
	const struct npu_cmd_conv *conv = cmd;
	const struct npu_cmd_pool *pool = cmd;
	const struct npu_cmd_eltwise *eltwise = cmd;
	const struct npu_cmd_reduce *reduce = cmd;
	const struct npu_cmd_pad *pad = cmd;
	const struct npu_cmd_resize *resize = cmd;
	unsigned int i;

	switch (opcode) {
	case NPU_OP_CONV2D:
	case NPU_OP_DEPTHWISE:
		put_pairs(t, conv->stride, conv->pad);
		if (conv->dilation[0] != 1 || conv->dilation[1] != 1)
			put(t, " dilation %ux%u", conv->dilation[0], conv->dilation[1]);
		if (conv->groups > 1)
			put(t, " groups %u", conv->groups);
		break;
	case NPU_OP_POOL:
		put(t, " %s %ux%u", pool->mode < ARRAY_SIZE(pools) ? pools[pool->mode] : "?",
		    pool->window[0], pool->window[1]);
		put_pairs(t, pool->stride, pool->pad);
		break;
	case NPU_OP_REDUCE:
		put(t, " %s axes 0x%x", reduce->mode < ARRAY_SIZE(reductions) ?
		    reductions[reduce->mode] : "?", reduce->axes);
		break;
	case NPU_OP_ELTWISE:
		put(t, " %s", eltwise->op < ARRAY_SIZE(ops) ? ops[eltwise->op] : "?");
		if (eltwise->left_shift)
			put(t, " left %u", eltwise->left_shift);
		break;
	case NPU_OP_SOFTMAX:
		put(t, " diff_min %d", (int32_t)((const struct npu_cmd_softmax *)cmd)->diff_min);
		break;
	case NPU_OP_LOG_SOFTMAX:
		put(t, " diff_min %d",
		    (int32_t)((const struct npu_cmd_log_softmax *)cmd)->diff_min);
		break;
	case NPU_OP_PAD:
		put(t, " before(");
		for (i = 0; i < pad->in.rank && i < NPU_ISA_MAX_RANK; i++)
			put(t, "%s%u", i ? "," : "", pad->before[i]);
		put(t, ") value %" PRId64, (int64_t)pad->value);
		break;
	case NPU_OP_RESIZE:
		put(t, " %s", resize->mode == NPU_RESIZE_BILINEAR ? "bilinear" : "nearest");
		for (i = 0; i < 2; i++)
			put(t, " %s (x*%u%+d)/%u", i ? "columns" : "rows", resize->axis[i].num,
			    (int32_t)resize->axis[i].add, resize->axis[i].den);
		break;
	}
}

static void put_command(struct text *t, const void *cmd, const struct npu_cmd_desc *desc)
{
	const struct npu_cmd *head = cmd;
	const struct npu_scale *scale;
	unsigned int i;

	put(t, "%s", desc->name);
	for (i = 0; i < desc->noperands; i++)
		put_tensor(t, desc->operand[i].name, npu_cmd_tensor(cmd, desc, i));
	put_options(t, cmd, desc->opcode);
	for (i = 0; i < ARRAY_SIZE(desc->scale) && desc->scale[i].name; i++) {
		scale = npu_cmd_field(cmd, desc->scale[i].at);
		put(t, " %s=%d<<%d", desc->scale[i].name, (int32_t)scale->multiplier,
		    (int32_t)scale->shift);
	}
	if (desc->ref.name)
		put_ref(t, desc->ref.name, npu_cmd_field(cmd, desc->ref.at));
	if (desc->requant)
		put_requant(t, npu_cmd_requant(cmd, desc));
	if (desc->clamp)
		put_clamp(t, npu_cmd_field(cmd, desc->clamp));
	if (head->flags)
		put(t, " flags 0x%x!", head->flags);
	if (head->size != desc->size)
		put(t, " size %u!", head->size);
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
		put_command(&t, &cmd, desc);
	}
	if (cmd.head.size < sizeof(cmd.head) || cmd.head.size % NPU_ISA_ALIGN ||
	    cmd.head.size > size - offset)
		return -EINVAL;
	offset += cmd.head.size;
	return offset < size ? (int)offset : 0;
}

// SPDX-License-Identifier: MIT
/*
 * The device bounds the work of one command. A larger one is cut in halves
 * along an output dimension until the parts fit; results do not change.
 */
#include "compile.h"

union command {
	struct npu_cmd head;
	struct npu_cmd_conv conv;
	struct npu_cmd_matmul matmul;
	struct npu_cmd_pool pool;
	struct npu_cmd_reduce reduce;
	struct npu_cmd_pad pad;
	char bytes[NPU_ISA_MAX_CMD_SIZE];
};

static void take_channels(struct npu_requant *rq, uint32_t from, uint32_t n)
{
	if (rq->count > 1) {
		rq->scale.offset += from * sizeof(struct npu_scale);
		rq->count = n;
	}
	if (rq->bias_type)
		rq->bias.offset += from * npu_bias_size(rq);
}

/* Rows or columns of the input that @n of the output need; the rest is padding. */
static void take_window(struct npu_tensor *in, unsigned int dim, __le32 *pad, uint32_t stride,
			uint32_t window, uint32_t from, uint32_t n)
{
	int64_t first = (int64_t)from * stride - pad[0], size = in->dim[dim];
	int64_t end = first + (int64_t)(n - 1) * stride + window;

	pad[0] = first < 0 ? (uint32_t)-first : 0;
	pad[1] = end > size ? (uint32_t)(end - size) : 0;
	first += pad[0];
	tensor_take(in, dim, (uint32_t)first, (uint32_t)(end - pad[1] - first));
}

/* May the output be cut along @dim? */
static bool may_cut(const union command *cmd, const struct npu_cmd_desc *desc, unsigned int dim)
{
	const struct npu_tensor *in = npu_cmd_tensor(cmd, desc, 0);

	switch (desc->opcode) {
	case NPU_OP_CONV2D:
		return dim != 3 || cmd->conv.groups == 1;
	case NPU_OP_DEPTHWISE:
		return dim != 3 || in->dim[3] == cmd->conv.out.dim[3];
	case NPU_OP_REDUCE:
		return !(cmd->reduce.axes & 1u << dim);
	case NPU_OP_SOFTMAX:
	case NPU_OP_LOG_SOFTMAX:
	case NPU_OP_SOFTMAX16:
	case NPU_OP_L2_NORM:
		return dim + 1 < in->rank;
	case NPU_OP_RESIZE:
		return dim == 0 || dim == 3;
	case NPU_OP_PAD:
		return in->dim[dim] == cmd->pad.out.dim[dim];
	default:
		return true;
	}
}

/* Reduce a command to @n results along @dim of its output. */
static void cut(union command *cmd, const struct npu_cmd_desc *desc, unsigned int dim,
		uint32_t from, uint32_t n)
{
	struct npu_tensor *out = npu_cmd_tensor(cmd, desc, desc->noperands - 1u);
	struct npu_cmd_conv *conv = &cmd->conv;
	struct npu_cmd_pool *pool = &cmd->pool;
	unsigned int i;

	tensor_take(out, dim, from, n);
	switch (desc->opcode) {
	case NPU_OP_CONV2D:
	case NPU_OP_DEPTHWISE:
		if (dim == 1 || dim == 2) {
			take_window(&conv->in, dim, &conv->pad[2 * dim - 2], conv->stride[dim - 1],
				    conv->dilation[dim - 1] * (conv->weight.dim[dim] - 1) + 1,
				    from, n);
		} else if (dim == 3) {
			tensor_take(&conv->weight, desc->opcode == NPU_OP_CONV2D ? 0 : 3, from, n);
			take_channels(&conv->requant, from, n);
			if (desc->opcode == NPU_OP_DEPTHWISE)
				tensor_take(&conv->in, 3, from, n);
		} else {
			tensor_take(&conv->in, dim, from, n);
		}
		break;
	case NPU_OP_MATMUL:
		if (dim + 1 == out->rank) {
			tensor_take(&cmd->matmul.b, dim - 1, from, n);
			take_channels(&cmd->matmul.requant, from, n);
		} else {
			tensor_take(&cmd->matmul.a, dim, from, n);
			if (dim + 2 < out->rank)
				tensor_take(&cmd->matmul.b, dim, from, n);
		}
		break;
	case NPU_OP_POOL:
		if (dim == 1 || dim == 2)
			take_window(&pool->in, dim, &pool->pad[2 * dim - 2], pool->stride[dim - 1],
				    pool->window[dim - 1], from, n);
		else
			tensor_take(&pool->in, dim, from, n);
		break;
	default:
		for (i = 0; i + 1 < desc->noperands; i++)
			tensor_take(npu_cmd_tensor(cmd, desc, i), dim, from, n);
	}
}

bool split_emit(struct compile *c, const void *data)
{
	const struct npu_cmd_desc *desc = npu_cmd_desc(((const struct npu_cmd *)data)->opcode);
	const struct npu_tensor *out;
	struct npu_work work;
	union command half;
	uint32_t most = 1, from;
	unsigned int dim = 0, i;

	npu_cmd_work(data, desc, &work);
	if (work.macs <= c->limits.macs && work.bytes <= c->limits.bytes) {
		c->error = npu_stream_add(c->program->stream, data, c->err);
		return !c->error;
	}
	memcpy(&half, data, desc->size);
	out = npu_cmd_tensor(data, desc, desc->noperands - 1u);
	for (i = 0; i < out->rank; i++) {
		if (out->dim[i] > most && may_cut(&half, desc, i)) {
			most = out->dim[i];
			dim = i;
		}
	}
	if (most == 1)
		return compile_fail(c, -EOPNOTSUPP,
				    "one result takes more work than a command of this device may have");
	from = most / 2;
	cut(&half, desc, dim, 0, from);
	if (!split_emit(c, &half))
		return false;
	memcpy(&half, data, desc->size);
	cut(&half, desc, dim, from, most - from);
	return split_emit(c, &half);
}

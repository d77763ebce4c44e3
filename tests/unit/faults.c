// SPDX-License-Identifier: MIT
/*
 * What the device refuses, and how it says so: every detail of an illegal
 * command, every fault of memory with its exact address, kind and offset.
 */
#include "program.h"
#include "test.h"

#define AREA	(64u << 10)

static struct host *host;
static struct host_space *space;
static u64 area[4];		/* in, in2, out, arrays */
static struct npu_base base[9];
static struct host_result got;

static union {
	struct npu_cmd cmd;
	struct npu_cmd_nop nop;
	struct npu_cmd_timestamp timestamp;
	struct npu_cmd_conv conv;
	struct npu_cmd_matmul matmul;
	struct npu_cmd_pool pool;
	struct npu_cmd_reduce reduce;
	struct npu_cmd_eltwise eltwise;
	struct npu_cmd_requant requant;
	struct npu_cmd_lut lut;
	struct npu_cmd_softmax softmax;
	struct npu_cmd_log_softmax log_softmax;
	struct npu_cmd_softmax16 softmax16;
	struct npu_cmd_l2_norm l2_norm;
	struct npu_cmd_copy copy;
	struct npu_cmd_pad pad;
	struct npu_cmd_resize resize;
	u8 bytes[NPU_ISA_MAX_CMD_SIZE];
} c;

static struct npu_stream_header header;
static u32 made;		/* bytes of the command */

static struct npu_tensor tensor(u32 type, u32 which, u32 rank, u32 a, u32 b, u32 e, u32 d)
{
	u32 dim[4] = { a, b, e, d };
	struct npu_tensor t = {
		.type = (u8)type,
		.rank = (u8)rank,
		.base = (u8)which,
		.offset = cpu_to_le64(64),
	};
	u64 stride = program_type_size(type);
	u32 i;

	for (i = rank; i-- > 0; stride *= dim[i]) {
		t.dim[i] = cpu_to_le32(dim[i]);
		t.stride[i] = cpu_to_le64(stride);
	}
	return t;
}

static struct npu_scale unit(void)
{
	return (struct npu_scale){ cpu_to_le32(1 << 30), cpu_to_le32(1) };
}

static void byte_limits(__le32 *min, __le32 *max)
{
	*min = cpu_to_le32((u32)-128);
	*max = cpu_to_le32(127);
}

static struct npu_requant requant(u32 rank, u32 count)
{
	struct npu_requant q = {
		.rounding = NPU_ROUND_DOUBLE,
		.bias_type = NPU_TYPE_S32,
		.axis = (u8)(rank - 1),
		.count = cpu_to_le32(count),
		.scale.base = 3,
		.bias.base = 3,
		.bias.offset = cpu_to_le64(1024),
	};

	byte_limits(&q.clamp_min, &q.clamp_max);
	return q;
}

/* A correct command of each kind. */
static void make(u32 opcode)
{
	const u32 byte = NPU_TYPE_S8;
	u32 size = 0, i;

	memset(&c, 0, sizeof(c));
	switch (opcode) {
	case NPU_OP_NOP:
		size = sizeof(c.nop);
		break;
	case NPU_OP_TIMESTAMP:
		size = sizeof(c.timestamp);
		c.timestamp.out.base = 2;
		break;
	case NPU_OP_CONV2D:
	case NPU_OP_DEPTHWISE:
		size = sizeof(c.conv);
		c.conv.in = tensor(byte, 0, 4, 1, 5, 5, 4);
		c.conv.weight = opcode == NPU_OP_CONV2D ? tensor(byte, 1, 4, 8, 3, 3, 2) :
							  tensor(byte, 1, 4, 1, 3, 3, 8);
		c.conv.out = tensor(byte, 2, 4, 1, 5, 5, 8);
		c.conv.requant = requant(4, 8);
		c.conv.groups = cpu_to_le32(opcode == NPU_OP_CONV2D ? 2 : 0);
		for (i = 0; i < 2; i++)
			c.conv.stride[i] = c.conv.dilation[i] = cpu_to_le32(1);
		for (i = 0; i < 4; i++)
			c.conv.pad[i] = cpu_to_le32(1);
		break;
	case NPU_OP_MATMUL:
		size = sizeof(c.matmul);
		c.matmul.a = tensor(byte, 0, 3, 2, 3, 16, 0);
		c.matmul.b = tensor(byte, 1, 3, 2, 5, 16, 0);
		c.matmul.out = tensor(byte, 2, 3, 2, 3, 5, 0);
		c.matmul.requant = requant(3, 5);
		break;
	case NPU_OP_POOL:
		size = sizeof(c.pool);
		c.pool.in = tensor(byte, 0, 4, 1, 6, 6, 4);
		c.pool.out = tensor(byte, 2, 4, 1, 3, 3, 4);
		for (i = 0; i < 2; i++)
			c.pool.window[i] = c.pool.stride[i] = cpu_to_le32(2);
		byte_limits(&c.pool.clamp_min, &c.pool.clamp_max);
		break;
	case NPU_OP_REDUCE:
		size = sizeof(c.reduce);
		c.reduce.in = tensor(byte, 0, 3, 4, 5, 6, 0);
		c.reduce.out = tensor(byte, 2, 3, 1, 5, 1, 0);
		c.reduce.axes = cpu_to_le32(5);
		c.reduce.scale = unit();
		byte_limits(&c.reduce.clamp_min, &c.reduce.clamp_max);
		break;
	case NPU_OP_ELTWISE:
		size = sizeof(c.eltwise);
		c.eltwise.a = tensor(byte, 0, 2, 4, 5, 0, 0);
		c.eltwise.b = tensor(byte, 1, 2, 4, 5, 0, 0);
		c.eltwise.out = tensor(byte, 2, 2, 4, 5, 0, 0);
		c.eltwise.left_shift = cpu_to_le32(20);
		c.eltwise.scale_a = c.eltwise.scale_b = c.eltwise.scale_out = unit();
		byte_limits(&c.eltwise.clamp_min, &c.eltwise.clamp_max);
		break;
	case NPU_OP_REQUANT:
		size = sizeof(c.requant);
		c.requant.in = tensor(NPU_TYPE_S16, 0, 2, 4, 5, 0, 0);
		c.requant.out = tensor(byte, 2, 2, 4, 5, 0, 0);
		c.requant.scale = unit();
		byte_limits(&c.requant.clamp_min, &c.requant.clamp_max);
		break;
	case NPU_OP_LUT:
		size = sizeof(c.lut);
		c.lut.in = tensor(byte, 0, 2, 4, 5, 0, 0);
		c.lut.out = tensor(byte, 2, 2, 4, 5, 0, 0);
		c.lut.table.base = 3;
		break;
	case NPU_OP_SOFTMAX:
		size = sizeof(c.softmax);
		c.softmax.in = tensor(byte, 0, 2, 4, 5, 0, 0);
		c.softmax.out = tensor(byte, 2, 2, 4, 5, 0, 0);
		c.softmax.out.zero_point = cpu_to_le32((u32)-128);
		c.softmax.beta = unit();
		break;
	case NPU_OP_LOG_SOFTMAX:
		size = sizeof(c.log_softmax);
		c.log_softmax.in = tensor(byte, 0, 2, 4, 5, 0, 0);
		c.log_softmax.out = tensor(byte, 2, 2, 4, 5, 0, 0);
		c.log_softmax.out.zero_point = cpu_to_le32(127);
		c.log_softmax.beta = unit();
		break;
	case NPU_OP_SOFTMAX16:
		size = sizeof(c.softmax16);
		c.softmax16.in = tensor(NPU_TYPE_S16, 0, 2, 4, 5, 0, 0);
		c.softmax16.out = tensor(NPU_TYPE_S16, 2, 2, 4, 5, 0, 0);
		c.softmax16.beta = unit();
		c.softmax16.tables.base = 3;
		break;
	case NPU_OP_L2_NORM:
		size = sizeof(c.l2_norm);
		c.l2_norm.in = tensor(byte, 0, 2, 4, 5, 0, 0);
		c.l2_norm.out = tensor(byte, 2, 2, 4, 5, 0, 0);
		break;
	case NPU_OP_COPY:
		size = sizeof(c.copy);
		c.copy.in = tensor(NPU_TYPE_S32, 0, 2, 4, 5, 0, 0);
		c.copy.out = tensor(NPU_TYPE_S32, 2, 2, 4, 5, 0, 0);
		break;
	case NPU_OP_PAD:
		size = sizeof(c.pad);
		c.pad.in = tensor(byte, 0, 2, 4, 5, 0, 0);
		c.pad.out = tensor(byte, 2, 2, 6, 7, 0, 0);
		c.pad.before[0] = c.pad.before[1] = cpu_to_le32(1);
		break;
	default:
		size = sizeof(c.resize);
		c.resize.in = tensor(byte, 0, 4, 1, 3, 3, 2);
		c.resize.out = tensor(byte, 2, 4, 1, 6, 6, 2);
		for (i = 0; i < 2; i++) {
			c.resize.axis[i].num = cpu_to_le32(1);
			c.resize.axis[i].den = cpu_to_le32(2);
		}
		break;
	}
	c.cmd.opcode = cpu_to_le16((u16)opcode);
	c.cmd.size = cpu_to_le32(size);
	made = size;
}

/* A no-op in front, so that the offset of the command is not the first. */
static int run(void)
{
	u8 stream[sizeof(header) + sizeof(struct npu_cmd_nop) + sizeof(c)];
	struct npu_cmd_nop nop = { .cmd.size = cpu_to_le32(sizeof(nop)) };
	u32 size = sizeof(header) + sizeof(nop) + made;

	header = (struct npu_stream_header){
		.magic = cpu_to_le32(NPU_ISA_MAGIC),
		.major = NPU_ISA_MAJOR,
		.size = cpu_to_le32(size),
	};
	memcpy(stream, &header, sizeof(header));
	memcpy(stream + sizeof(header), &nop, sizeof(nop));
	memcpy(stream + sizeof(header) + sizeof(nop), &c, made);
	return host_run(space, stream, size, base, 9, &got);
}

/* ---- Illegal commands ------------------------------------------------------------------ */

struct change {
	const char *name;
	u16 opcode;
	u16 offset;
	u16 width;
	u16 detail;
	u64 value;
};

#define CHANGE(op, member, field, v, why) {						\
	.name = #op " " #field " = " #v, .opcode = NPU_OP_ ## op,			\
	.offset = offsetof(__typeof__(c), member.field),				\
	.width = sizeof(c.member.field), .detail = NPU_ILLEGAL_ ## why, .value = (u64)(v) }

/* What every command has. */
#define CHANGES_HEADER(op, m)					\
	CHANGE(op, m, cmd.flags, 1, FLAGS),			\
	CHANGE(op, m, cmd.flags, 0x8000, FLAGS),		\
	CHANGE(op, m, cmd.size, 0, SIZE),			\
	CHANGE(op, m, cmd.size, 4, SIZE),			\
	CHANGE(op, m, cmd.size, sizeof(c.m) + 8, SIZE),		\
	CHANGE(op, m, cmd.size, 0xfffffff8, SIZE)

/* What every tensor has. */
#define CHANGES_TENSOR(op, m, t)				\
	CHANGE(op, m, t.layout, 1, MODE),			\
	CHANGE(op, m, t.type, NPU_TYPE_NONE, TYPE),		\
	CHANGE(op, m, t.type, NPU_TYPE_S4, TYPE),		\
	CHANGE(op, m, t.type, NPU_TYPE_F32, TYPE),		\
	CHANGE(op, m, t.type, 200, TYPE),			\
	CHANGE(op, m, t.rank, 7, SHAPE),			\
	CHANGE(op, m, t.rank, 255, SHAPE),			\
	CHANGE(op, m, t.dim[0], 0, SHAPE),			\
	CHANGE(op, m, t.dim[0], 0xffffffff, SHAPE),		\
	CHANGE(op, m, t.dim[4], 1, SHAPE),			\
	CHANGE(op, m, t.stride[5], 8, SHAPE),			\
	CHANGE(op, m, t.stride[1], 0x7fffffffffffff00, SHAPE),	\
	CHANGE(op, m, t.offset, 0x7fffffffffffffff, SHAPE),	\
	CHANGE(op, m, t.zero_point, 1000, QUANT),		\
	CHANGE(op, m, t.base, 9, BASE),				\
	CHANGE(op, m, t.base, 255, BASE),			\
	CHANGE(op, m, t.base, 4, BASE),				\
	CHANGE(op, m, t.base, 5, BASE),				\
	CHANGE(op, m, t.base, 6, BASE)

#define CHANGES_REQUANT(op, m)					\
	CHANGE(op, m, requant.reserved0, 1, RESERVED),		\
	CHANGE(op, m, requant.reserved1, 1, RESERVED),		\
	CHANGE(op, m, requant.scale.reserved[6], 1, RESERVED),	\
	CHANGE(op, m, requant.bias.reserved[0], 1, RESERVED),	\
	CHANGE(op, m, requant.rounding, 3, MODE),		\
	CHANGE(op, m, requant.rounding, NPU_ROUND_WIDE, TYPE),	\
	CHANGE(op, m, requant.rounding, 77, MODE),		\
	CHANGE(op, m, requant.rounding, NPU_ROUND_NONE, TYPE),	\
	CHANGE(op, m, requant.scale.offset, 2, SHAPE),		\
	CHANGE(op, m, requant.bias.offset, 1, SHAPE),		\
	CHANGE(op, m, requant.bias_type, NPU_TYPE_S64, QUANT),	\
	CHANGE(op, m, requant.bias_type, NPU_TYPE_NONE, QUANT),	\
	CHANGE(op, m, requant.axis, 1, QUANT),			\
	CHANGE(op, m, requant.axis, 255, QUANT),		\
	CHANGE(op, m, requant.count, 0, QUANT),			\
	CHANGE(op, m, requant.count, 7, QUANT),			\
	CHANGE(op, m, requant.count, 0xffffffff, QUANT),	\
	CHANGE(op, m, requant.clamp_min, 128, QUANT),		\
	CHANGE(op, m, requant.clamp_min, -129, QUANT),		\
	CHANGE(op, m, requant.clamp_max, 128, QUANT),		\
	CHANGE(op, m, requant.clamp_max, -129, QUANT),		\
	CHANGE(op, m, requant.weight_zero_point, 128, QUANT),	\
	CHANGE(op, m, requant.scale.base, 9, BASE),		\
	CHANGE(op, m, requant.bias.base, 4, BASE)

#define CHANGES_CLAMP(op, m)					\
	CHANGE(op, m, clamp_min, -129, QUANT),			\
	CHANGE(op, m, clamp_max, 128, QUANT),			\
	CHANGE(op, m, clamp_max, -129, QUANT)

#define CHANGES_CONV(op)					\
	CHANGES_HEADER(op, conv),				\
	CHANGES_TENSOR(op, conv, in),				\
	CHANGES_TENSOR(op, conv, weight),			\
	CHANGES_TENSOR(op, conv, out),				\
	CHANGES_REQUANT(op, conv),				\
	CHANGE(op, conv, reserved, 1, RESERVED),		\
	CHANGE(op, conv, in.type, NPU_TYPE_S32, TYPE),		\
	CHANGE(op, conv, weight.type, NPU_TYPE_S16, TYPE),	\
	CHANGE(op, conv, out.type, NPU_TYPE_U8, TYPE),		\
	CHANGE(op, conv, in.rank, 3, SHAPE),			\
	CHANGE(op, conv, in.dim[0], 2, SHAPE),			\
	CHANGE(op, conv, out.dim[0], 2, SHAPE),			\
	CHANGE(op, conv, out.dim[3], 7, SHAPE),			\
	CHANGE(op, conv, weight.dim[3], 3, SHAPE),		\
	CHANGE(op, conv, weight.dim[0], 2, SHAPE),		\
	CHANGE(op, conv, out.dim[1], 6, SHAPE),			\
	CHANGE(op, conv, out.dim[2], 6, SHAPE),			\
	CHANGE(op, conv, out.stride[0], 0, NONE),		\
	CHANGE(op, conv, out.stride[1], 0, SHAPE),		\
	CHANGE(op, conv, out.stride[1], 8, SHAPE),		\
	CHANGE(op, conv, out.stride[3], -2, SHAPE),		\
	CHANGE(op, conv, stride[0], 0, SHAPE),			\
	CHANGE(op, conv, stride[1], 0x10000, SHAPE),		\
	CHANGE(op, conv, dilation[0], 0, SHAPE),		\
	CHANGE(op, conv, dilation[1], 4, SHAPE),		\
	CHANGE(op, conv, pad[0], 0, SHAPE),			\
	CHANGE(op, conv, pad[3], 0xffffffff, SHAPE),		\
	CHANGE(op, conv, groups, 3, SHAPE),			\
	CHANGE(op, conv, groups, 0xffffffff, SHAPE),		\
	CHANGE(op, conv, weight.zero_point, 1, QUANT),		\
	CHANGE(op, conv, weight.base, 2, OVERLAP),		\
	CHANGE(op, conv, in.base, 2, OVERLAP),			\
	CHANGE(op, conv, requant.bias.base, 2, NONE),		\
	CHANGE(op, conv, requant.scale.base, 2, NONE)

static const struct change changes[] = {
	CHANGES_HEADER(NOP, nop),
	CHANGE(NOP, nop, cmd.opcode, 0x02, OPCODE),
	CHANGE(NOP, nop, cmd.opcode, 0x13, OPCODE),
	CHANGE(NOP, nop, cmd.opcode, 0x63, OPCODE),
	CHANGE(NOP, nop, cmd.opcode, 0xffff, OPCODE),
	CHANGE(NOP, nop, cmd.opcode, NPU_OP_COPY, SIZE),
	CHANGES_HEADER(TIMESTAMP, timestamp),
	CHANGE(TIMESTAMP, timestamp, out.reserved[3], 1, RESERVED),
	CHANGE(TIMESTAMP, timestamp, out.offset, 4, SHAPE),
	CHANGE(TIMESTAMP, timestamp, out.offset, 0x7ffffffffffffff8, SHAPE),
	CHANGE(TIMESTAMP, timestamp, out.base, 9, BASE),
	CHANGE(TIMESTAMP, timestamp, out.base, 4, BASE),
	CHANGE(TIMESTAMP, timestamp, out.base, 7, BASE),
	CHANGES_CONV(CONV2D),
	CHANGE(CONV2D, conv, groups, 0, SHAPE),
	CHANGES_CONV(DEPTHWISE),
	CHANGE(DEPTHWISE, conv, groups, 1, SHAPE),
	CHANGE(DEPTHWISE, conv, weight.type, NPU_TYPE_S16, TYPE),
	CHANGES_HEADER(MATMUL, matmul),
	CHANGES_TENSOR(MATMUL, matmul, a),
	CHANGES_TENSOR(MATMUL, matmul, b),
	CHANGES_TENSOR(MATMUL, matmul, out),
	CHANGE(MATMUL, matmul, requant.reserved0, 1, RESERVED),
	CHANGE(MATMUL, matmul, requant.count, 4, QUANT),
	CHANGE(MATMUL, matmul, requant.axis, 1, QUANT),
	CHANGE(MATMUL, matmul, requant.clamp_max, 128, QUANT),
	CHANGE(MATMUL, matmul, b.type, NPU_TYPE_S16, TYPE),
	CHANGE(MATMUL, matmul, a.type, NPU_TYPE_BOOL, TYPE),
	CHANGE(MATMUL, matmul, b.type, NPU_TYPE_S16, TYPE),
	CHANGE(MATMUL, matmul, a.dim[0], 1, SHAPE),
	CHANGE(MATMUL, matmul, b.dim[0], 1, SHAPE),
	CHANGE(MATMUL, matmul, a.dim[2], 15, SHAPE),
	CHANGE(MATMUL, matmul, b.dim[1], 4, SHAPE),
	CHANGE(MATMUL, matmul, out.dim[1], 2, SHAPE),
	CHANGE(MATMUL, matmul, b.zero_point, 1, QUANT),
	CHANGE(MATMUL, matmul, a.base, 2, OVERLAP),
	CHANGE(MATMUL, matmul, b.base, 2, OVERLAP),
	CHANGES_HEADER(POOL, pool),
	CHANGES_TENSOR(POOL, pool, in),
	CHANGES_TENSOR(POOL, pool, out),
	CHANGES_CLAMP(POOL, pool),
	CHANGE(POOL, pool, reserved, 1, RESERVED),
	CHANGE(POOL, pool, mode, 2, MODE),
	CHANGE(POOL, pool, in.type, NPU_TYPE_S32, TYPE),
	CHANGE(POOL, pool, out.type, NPU_TYPE_U8, TYPE),
	CHANGE(POOL, pool, out.dim[3], 3, SHAPE),
	CHANGE(POOL, pool, out.dim[1], 4, SHAPE),
	CHANGE(POOL, pool, window[0], 0, SHAPE),
	CHANGE(POOL, pool, window[1], 0x10000, SHAPE),
	CHANGE(POOL, pool, stride[0], 0, SHAPE),
	CHANGE(POOL, pool, pad[0], 2, SHAPE),
	CHANGE(POOL, pool, pad[3], 2, SHAPE),
	CHANGE(POOL, pool, in.zero_point, 1, QUANT),
	CHANGE(POOL, pool, in.base, 2, OVERLAP),
	CHANGES_HEADER(REDUCE, reduce),
	CHANGES_TENSOR(REDUCE, reduce, in),
	CHANGES_TENSOR(REDUCE, reduce, out),
	CHANGES_CLAMP(REDUCE, reduce),
	CHANGE(REDUCE, reduce, mode, 3, MODE),
	CHANGE(REDUCE, reduce, mode, NPU_REDUCE_ARG_MAX, TYPE),
	CHANGE(REDUCE, reduce, mode, NPU_REDUCE_MAX, QUANT),
	CHANGE(REDUCE, reduce, axes, 8, SHAPE),
	CHANGE(REDUCE, reduce, axes, 1, SHAPE),
	CHANGE(REDUCE, reduce, axes, 0xffffffff, SHAPE),
	CHANGE(REDUCE, reduce, out.dim[0], 4, SHAPE),
	CHANGE(REDUCE, reduce, scale.shift, 32, QUANT),
	CHANGE(REDUCE, reduce, scale.shift, -32, QUANT),
	CHANGE(REDUCE, reduce, in.base, 2, OVERLAP),
	CHANGES_HEADER(ELTWISE, eltwise),
	CHANGES_TENSOR(ELTWISE, eltwise, a),
	CHANGES_TENSOR(ELTWISE, eltwise, b),
	CHANGES_TENSOR(ELTWISE, eltwise, out),
	CHANGES_CLAMP(ELTWISE, eltwise),
	CHANGE(ELTWISE, eltwise, op, 7, MODE),
	CHANGE(ELTWISE, eltwise, a.type, NPU_TYPE_S32, TYPE),
	CHANGE(ELTWISE, eltwise, b.type, NPU_TYPE_U8, TYPE),
	CHANGE(ELTWISE, eltwise, b.dim[0], 3, SHAPE),
	CHANGE(ELTWISE, eltwise, a.rank, 1, SHAPE),
	CHANGE(ELTWISE, eltwise, left_shift, 21, QUANT),
	CHANGE(ELTWISE, eltwise, scale_a.shift, 32, QUANT),
	CHANGE(ELTWISE, eltwise, scale_b.shift, -32, QUANT),
	CHANGE(ELTWISE, eltwise, scale_out.shift, 0x7fffffff, QUANT),
	CHANGE(ELTWISE, eltwise, op, NPU_ELTWISE_MUL, QUANT),
	CHANGE(ELTWISE, eltwise, op, NPU_ELTWISE_MIN, QUANT),
	CHANGE(ELTWISE, eltwise, op, NPU_ELTWISE_PRELU, QUANT),
	CHANGE(ELTWISE, eltwise, op, NPU_ELTWISE_SQUARED_DIFFERENCE, NONE),
	CHANGE(ELTWISE, eltwise, a.base, 2, NONE),
	CHANGE(ELTWISE, eltwise, b.stride[0], 0, NONE),
	CHANGES_HEADER(REQUANT, requant),
	CHANGES_TENSOR(REQUANT, requant, in),
	CHANGES_TENSOR(REQUANT, requant, out),
	CHANGES_CLAMP(REQUANT, requant),
	CHANGE(REQUANT, requant, in.zero_point, 1, QUANT),
	CHANGE(REQUANT, requant, in.type, NPU_TYPE_S64, TYPE),
	CHANGE(REQUANT, requant, out.type, NPU_TYPE_BOOL, TYPE),
	CHANGE(REQUANT, requant, in.offset, 63, SHAPE),
	CHANGE(REQUANT, requant, in.stride[0], 3, SHAPE),
	CHANGE(REQUANT, requant, in.base, 7, BASE),
	CHANGE(REQUANT, requant, out.dim[0], 3, SHAPE),
	CHANGE(REQUANT, requant, scale.shift, 32, QUANT),
	CHANGE(REQUANT, requant, in.base, 2, OVERLAP),
	CHANGES_HEADER(LUT, lut),
	CHANGES_TENSOR(LUT, lut, in),
	CHANGES_TENSOR(LUT, lut, out),
	CHANGE(LUT, lut, table.reserved[0], 1, RESERVED),
	CHANGE(LUT, lut, out.type, NPU_TYPE_S16, TYPE),
	CHANGE(LUT, lut, in.type, NPU_TYPE_S16, TYPE),
	CHANGE(LUT, lut, out.type, NPU_TYPE_BOOL, TYPE),
	CHANGE(LUT, lut, out.dim[0], 3, SHAPE),
	CHANGE(LUT, lut, table.base, 9, BASE),
	CHANGE(LUT, lut, table.base, 2, OVERLAP),
	CHANGE(LUT, lut, in.base, 2, NONE),
	CHANGES_HEADER(SOFTMAX, softmax),
	CHANGES_TENSOR(SOFTMAX, softmax, in),
	CHANGES_TENSOR(SOFTMAX, softmax, out),
	CHANGE(SOFTMAX, softmax, reserved, 1, RESERVED),
	CHANGE(SOFTMAX, softmax, in.type, NPU_TYPE_S16, TYPE),
	CHANGE(SOFTMAX, softmax, out.type, NPU_TYPE_U8, TYPE),
	CHANGE(SOFTMAX, softmax, out.dim[1], 4, SHAPE),
	CHANGE(SOFTMAX, softmax, out.zero_point, 0, QUANT),
	CHANGE(SOFTMAX, softmax, beta.shift, -1, QUANT),
	CHANGE(SOFTMAX, softmax, beta.shift, 32, QUANT),
	CHANGE(SOFTMAX, softmax, diff_min, 1, QUANT),
	CHANGE(SOFTMAX, softmax, in.base, 2, NONE),
	CHANGES_HEADER(LOG_SOFTMAX, log_softmax),
	CHANGES_TENSOR(LOG_SOFTMAX, log_softmax, in),
	CHANGES_TENSOR(LOG_SOFTMAX, log_softmax, out),
	CHANGE(LOG_SOFTMAX, log_softmax, reserved, 1, RESERVED),
	CHANGE(LOG_SOFTMAX, log_softmax, in.type, NPU_TYPE_S16, TYPE),
	CHANGE(LOG_SOFTMAX, log_softmax, out.type, NPU_TYPE_U8, TYPE),
	CHANGE(LOG_SOFTMAX, log_softmax, out.dim[1], 4, SHAPE),
	CHANGE(LOG_SOFTMAX, log_softmax, out.zero_point, -128, QUANT),
	CHANGE(LOG_SOFTMAX, log_softmax, beta.shift, -1, QUANT),
	CHANGE(LOG_SOFTMAX, log_softmax, beta.shift, 32, QUANT),
	CHANGE(LOG_SOFTMAX, log_softmax, reverse.shift, 1, QUANT),
	CHANGE(LOG_SOFTMAX, log_softmax, reverse.shift, -32, QUANT),
	CHANGE(LOG_SOFTMAX, log_softmax, diff_min, 1, QUANT),
	CHANGE(LOG_SOFTMAX, log_softmax, in.base, 2, NONE),
	CHANGES_HEADER(SOFTMAX16, softmax16),
	CHANGES_TENSOR(SOFTMAX16, softmax16, in),
	CHANGES_TENSOR(SOFTMAX16, softmax16, out),
	CHANGE(SOFTMAX16, softmax16, tables.reserved[1], 1, RESERVED),
	CHANGE(SOFTMAX16, softmax16, in.type, NPU_TYPE_S8, TYPE),
	CHANGE(SOFTMAX16, softmax16, out.dim[0], 3, SHAPE),
	CHANGE(SOFTMAX16, softmax16, tables.offset, 1, SHAPE),
	CHANGE(SOFTMAX16, softmax16, beta.shift, 32, QUANT),
	CHANGE(SOFTMAX16, softmax16, in.zero_point, 1, QUANT),
	CHANGE(SOFTMAX16, softmax16, tables.base, 9, BASE),
	CHANGE(SOFTMAX16, softmax16, tables.base, 2, OVERLAP),
	CHANGE(SOFTMAX16, softmax16, in.base, 2, NONE),
	CHANGES_HEADER(L2_NORM, l2_norm),
	CHANGES_TENSOR(L2_NORM, l2_norm, in),
	CHANGES_TENSOR(L2_NORM, l2_norm, out),
	CHANGE(L2_NORM, l2_norm, in.type, NPU_TYPE_U8, TYPE),
	CHANGE(L2_NORM, l2_norm, out.dim[1], 4, SHAPE),
	CHANGE(L2_NORM, l2_norm, out.zero_point, 1, QUANT),
	CHANGE(L2_NORM, l2_norm, in.base, 2, NONE),
	CHANGES_HEADER(COPY, copy),
	CHANGES_TENSOR(COPY, copy, in),
	CHANGES_TENSOR(COPY, copy, out),
	CHANGE(COPY, copy, in.type, NPU_TYPE_S64, TYPE),
	CHANGE(COPY, copy, in.offset, 66, SHAPE),
	CHANGE(COPY, copy, in.stride[1], 6, SHAPE),
	CHANGE(COPY, copy, in.dim[1], 4, SHAPE),
	CHANGE(COPY, copy, in.zero_point, 1, QUANT),
	CHANGE(COPY, copy, in.base, 7, BASE),
	CHANGE(COPY, copy, in.base, 2, OVERLAP),
	CHANGES_HEADER(PAD, pad),
	CHANGES_TENSOR(PAD, pad, in),
	CHANGES_TENSOR(PAD, pad, out),
	CHANGE(PAD, pad, reserved, 1, RESERVED),
	CHANGE(PAD, pad, mode, 1, MODE),
	CHANGE(PAD, pad, out.type, NPU_TYPE_U8, TYPE),
	CHANGE(PAD, pad, before[0], 3, SHAPE),
	CHANGE(PAD, pad, before[0], 0xffffffff, SHAPE),
	CHANGE(PAD, pad, before[2], 1, SHAPE),
	CHANGE(PAD, pad, value, 128, QUANT),
	CHANGE(PAD, pad, value, 1ull << 32, QUANT),
	CHANGE(PAD, pad, in.base, 2, OVERLAP),
	CHANGES_HEADER(RESIZE, resize),
	CHANGES_TENSOR(RESIZE, resize, in),
	CHANGES_TENSOR(RESIZE, resize, out),
	CHANGE(RESIZE, resize, reserved, 1, RESERVED),
	CHANGE(RESIZE, resize, mode, 2, MODE),
	CHANGE(RESIZE, resize, mode, NPU_RESIZE_BILINEAR, SHAPE),
	CHANGE(RESIZE, resize, out.type, NPU_TYPE_U8, TYPE),
	CHANGE(RESIZE, resize, in.dim[0], 2, SHAPE),
	CHANGE(RESIZE, resize, in.dim[3], 3, SHAPE),
	CHANGE(RESIZE, resize, axis[0].den, 0, SHAPE),
	CHANGE(RESIZE, resize, axis[1].den, 0x80000000, SHAPE),
	CHANGE(RESIZE, resize, axis[1].num, 0x80000000, SHAPE),
	CHANGE(RESIZE, resize, in.base, 2, OVERLAP),
};

static void test_illegal(void)
{
	static const u16 opcodes[] = {
		NPU_OP_NOP, NPU_OP_TIMESTAMP, NPU_OP_CONV2D, NPU_OP_DEPTHWISE, NPU_OP_MATMUL,
		NPU_OP_POOL, NPU_OP_REDUCE, NPU_OP_ELTWISE, NPU_OP_REQUANT, NPU_OP_LUT,
		NPU_OP_SOFTMAX, NPU_OP_LOG_SOFTMAX, NPU_OP_SOFTMAX16, NPU_OP_L2_NORM,
		NPU_OP_COPY, NPU_OP_PAD, NPU_OP_RESIZE,
	};
	const struct change *x;
	u64 offset = sizeof(header) + sizeof(struct npu_cmd_nop);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		make(opcodes[i]);
		test_ok(!run(), "opcode 0x%02x as it should be", opcodes[i]);
	}
	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		x = &changes[i];
		make(x->opcode);
		memcpy(c.bytes + x->offset, &x->value, x->width);
		run();
		if (!test_ok(got.fault == (x->detail ? NPU_FAULT_ILLEGAL : NPU_FAULT_NONE) &&
			     got.detail == x->detail && (!x->detail || got.offset == offset),
			     "%s: detail %u", x->name, x->detail))
			printf("# fault %u detail %u offset %" PRIu64 "\n", got.fault,
			       got.detail, (uint64_t)got.offset);
	}
}

static void expect(u32 fault, u32 detail, u32 access, u64 va, const char *name)
{
	run();
	if (!test_ok(got.fault == fault && got.detail == detail && got.access == access &&
		     got.va == va && got.offset == (fault ? 32 : 0), "%s", name))
		printf("# fault %u detail %u access %u va 0x%llx offset %llu, not %u %u %u 0x%llx\n",
		       got.fault, got.detail, got.access, (unsigned long long)got.va,
		       (unsigned long long)got.offset, fault, detail, access,
		       (unsigned long long)va);
}

static void expect_illegal(u32 detail, const char *name)
{
	expect(NPU_FAULT_ILLEGAL, detail, 0, 0, name);
}

/* What a single field cannot show. */
static void test_more_illegal(void)
{
	u32 i;
	__le32 bad[2] = { 0, cpu_to_le32(32) };

	make(NPU_OP_CONV2D);
	c.conv.requant.rounding = NPU_ROUND_NONE;
	c.conv.out = tensor(NPU_TYPE_S32, 2, 4, 1, 5, 5, 8);
	expect_illegal(NPU_ILLEGAL_QUANT, "no rounding, but a count");
	c.conv.requant.count = 0;
	expect_illegal(NPU_ILLEGAL_QUANT, "no rounding, but scales");
	memset(&c.conv.requant.scale, 0, sizeof(c.conv.requant.scale));
	test_ok(!run(), "accumulators as result");
	c.conv.out.zero_point = cpu_to_le32(1);
	expect_illegal(NPU_ILLEGAL_QUANT, "accumulators have no zero point");
	host_write(space, area[3] + 16, bad, sizeof(bad));
	make(NPU_OP_CONV2D);
	expect_illegal(NPU_ILLEGAL_QUANT, "bad shift in the scale array");
	bad[1] = 0;
	host_write(space, area[3] + 16, bad, sizeof(bad));
	make(NPU_OP_MATMUL);
	c.matmul.a.stride[0] = c.matmul.a.stride[1] = c.matmul.a.stride[2] = 0;
	c.matmul.b.stride[0] = c.matmul.b.stride[1] = c.matmul.b.stride[2] = 0;
	c.matmul.a.dim[2] = c.matmul.b.dim[2] = cpu_to_le32((1u << 20) + 1);
	expect_illegal(NPU_ILLEGAL_LIMIT, "too many terms of one result");
	make(NPU_OP_MATMUL);
	c.matmul.a = tensor(NPU_TYPE_S8, 0, 2, 1 << 14, 1 << 20, 0, 0);
	c.matmul.b = tensor(NPU_TYPE_S8, 1, 2, 2, 1 << 20, 0, 0);
	c.matmul.out = tensor(NPU_TYPE_S8, 2, 2, 1 << 14, 2, 0, 0);
	c.matmul.requant = requant(2, 1);
	for (i = 0; i < 2; i++)
		c.matmul.a.stride[i] = c.matmul.b.stride[i] = 0;
	expect_illegal(NPU_ILLEGAL_LIMIT, "too many multiply-accumulates or bytes");
	make(NPU_OP_ELTWISE);
	c.eltwise.op = cpu_to_le32(NPU_ELTWISE_MIN);
	c.eltwise.left_shift = 0;
	memset(&c.eltwise.scale_a, 0, 24);
	test_ok(!run(), "minimum");
	c.eltwise.a.zero_point = cpu_to_le32(1);
	expect_illegal(NPU_ILLEGAL_QUANT, "minimum with different zero points");
	make(NPU_OP_ELTWISE);
	c.eltwise.a = c.eltwise.out;
	c.eltwise.a.offset = cpu_to_le64(65);
	expect_illegal(NPU_ILLEGAL_OVERLAP, "in place, but shifted");
	make(NPU_OP_CONV2D);
	c.conv.requant.bias.base = 2;
	c.conv.requant.bias.offset = cpu_to_le64(64);
	expect_illegal(NPU_ILLEGAL_OVERLAP, "bias inside the output");
	make(NPU_OP_SOFTMAX);
	c.softmax.in = tensor(NPU_TYPE_S8, 0, 1, (1 << 20) + 1, 0, 0, 0);
	c.softmax.in.stride[0] = 0;
	c.softmax.out = tensor(NPU_TYPE_S8, 8, 1, (1 << 20) + 1, 0, 0, 0);
	c.softmax.out.zero_point = cpu_to_le32((u32)-128);
	expect_illegal(NPU_ILLEGAL_LIMIT, "a longer row than the device takes");
}

/* ---- Streams --------------------------------------------------------------------------------- */

static void stream_case(const char *name, u32 offset, u32 width, u64 value, u32 detail, u32 size)
{
	u8 stream[64] = { 0 };

	header = (struct npu_stream_header){
		.magic = cpu_to_le32(NPU_ISA_MAGIC),
		.major = NPU_ISA_MAJOR,
		.size = cpu_to_le32(32),
	};
	memcpy(stream, &header, sizeof(header));
	stream[28] = 8;
	memcpy(stream + offset, &value, width);
	host_run(space, stream, size, base, 9, &got);
	test_ok(got.fault == (detail ? NPU_FAULT_ILLEGAL : 0) && got.detail == detail &&
		!got.offset, "stream: %s", name);
}

static void test_streams(void)
{
	stream_case("correct", 0, 0, 0, 0, 32);
	stream_case("magic", 0, 4, 1, NPU_ILLEGAL_MAGIC, 32);
	stream_case("major", 4, 1, 2, NPU_ILLEGAL_VERSION, 32);
	stream_case("major 0", 4, 1, 0, NPU_ILLEGAL_VERSION, 32);
	stream_case("minor", 5, 1, NPU_ISA_MINOR + 1, NPU_ILLEGAL_VERSION, 32);
	stream_case("reserved0", 6, 2, 1, NPU_ILLEGAL_RESERVED, 32);
	stream_case("size too small", 8, 4, 24, NPU_ILLEGAL_SIZE, 32);
	stream_case("size too large", 8, 4, 40, NPU_ILLEGAL_SIZE, 32);
	stream_case("reserved1", 12, 4, 1, NPU_ILLEGAL_RESERVED, 32);
	stream_case("all features there are", 16, 8, 0x7f, 0, 32);
	stream_case("feature", 16, 8, 0x80, NPU_ILLEGAL_FEATURE, 32);
	stream_case("feature 63", 16, 8, 1ull << 63, NPU_ILLEGAL_FEATURE, 32);
	stream_case("job size 16", 0, 0, 0, NPU_ILLEGAL_SIZE, 16);
	stream_case("job size not a multiple of 8", 8, 4, 36, NPU_ILLEGAL_SIZE, 36);
	stream_case("no commands", 8, 4, 24, 0, 24);
	stream_case("empty", 0, 0, 0, 0, 0);
}

/* ---- Bounds ------------------------------------------------------------------------------------ */

static void test_bounds(void)
{
	make(NPU_OP_COPY);
	c.copy.in.offset = cpu_to_le64((u64)-8);
	expect(NPU_FAULT_BOUNDS, 0, NPU_ACCESS_READ, area[0] - 8, "input below its base");
	make(NPU_OP_COPY);
	c.copy.in.offset = cpu_to_le64(AREA - 76);
	expect(NPU_FAULT_BOUNDS, 0, NPU_ACCESS_READ, area[0] + AREA + 3, "input above its base");
	c.copy.in.offset = cpu_to_le64(AREA - 80);
	test_ok(!run(), "input up to the end of its base");
	c.copy.in.offset = cpu_to_le64(AREA - 64);
	c.copy.in.stride[0] = cpu_to_le64((u64)-20);
	test_ok(!run(), "negative stride inside the base");
	c.copy.in.offset = cpu_to_le64(56);
	expect(NPU_FAULT_BOUNDS, 0, NPU_ACCESS_READ, area[0] - 4, "negative stride below the base");
	make(NPU_OP_COPY);
	c.copy.out.offset = cpu_to_le64(AREA);
	expect(NPU_FAULT_BOUNDS, 0, NPU_ACCESS_WRITE, area[2] + AREA + 79, "output above its base");
	make(NPU_OP_COPY);
	c.copy.out.base = 1;
	expect(NPU_FAULT_BOUNDS, 0, NPU_ACCESS_WRITE, area[1] + 64, "output to a read-only base");
	make(NPU_OP_COPY);
	c.copy.in.offset = cpu_to_le64(0x100000000000ull);
	expect(NPU_FAULT_BOUNDS, 0, NPU_ACCESS_READ, area[0] + 0x100000000000ull + 79, "far away");
	make(NPU_OP_CONV2D);
	c.conv.requant.bias.offset = cpu_to_le64(AREA - 28);
	expect(NPU_FAULT_BOUNDS, 0, NPU_ACCESS_READ, area[3] + AREA + 3, "bias above its base");
	make(NPU_OP_CONV2D);
	c.conv.requant.scale.offset = cpu_to_le64((u64)-4);
	expect(NPU_FAULT_BOUNDS, 0, NPU_ACCESS_READ, area[3] - 4, "scales below their base");
	make(NPU_OP_LUT);
	c.lut.table.offset = cpu_to_le64(AREA - 255);
	expect(NPU_FAULT_BOUNDS, 0, NPU_ACCESS_READ, area[3] + AREA, "table above its base");
	make(NPU_OP_TIMESTAMP);
	c.timestamp.out.base = 0;
	expect(NPU_FAULT_BOUNDS, 0, NPU_ACCESS_WRITE, area[0], "timestamp to a read-only base");
}

/* ---- Memory management -------------------------------------------------------------------------- */

static void pte_case(u64 va, u32 level, u64 set, u64 clear, u32 fault, u32 detail, u32 access,
		     u64 fault_va, const char *name)
{
	__le64 *e = host_pte(space, va, level);
	__le64 old = *e;

	*e = (old | cpu_to_le64(set)) & ~cpu_to_le64(clear);
	host_invalidate(space, 0, 0);
	make(NPU_OP_COPY);
	c.copy.in = tensor(NPU_TYPE_U8, 0, 1, 8192, 0, 0, 0);
	c.copy.out = tensor(NPU_TYPE_U8, 2, 1, 8192, 0, 0, 0);
	expect(fault, detail, access, fault_va, name);
	*e = old;
	host_invalidate(space, 0, 0);
}

static void test_memory(void)
{
	u64 in = area[0], out = area[2];

	pte_case(in, 0, 0, 1, NPU_FAULT_TRANSLATION, 0, NPU_ACCESS_READ, in + 64,
		 "first page not valid");
	pte_case(in + 4096, 0, 0, 1, NPU_FAULT_TRANSLATION, 0, NPU_ACCESS_READ, in + 4096,
		 "second page not valid");
	pte_case(in + 8192, 0, 0, 1, NPU_FAULT_TRANSLATION, 0, NPU_ACCESS_READ, in + 8192,
		 "third page not valid");
	pte_case(in + 4096, 0, 0, NPU_PTE_READ, NPU_FAULT_PERMISSION, 0, NPU_ACCESS_READ,
		 in + 4096, "page not readable");
	pte_case(in + 4096, 0, NPU_PTE_WRITE, NPU_PTE_READ, NPU_FAULT_PERMISSION, 0,
		 NPU_ACCESS_READ, in + 4096, "page write-only");
	pte_case(out + 4096, 0, 0, 1, NPU_FAULT_TRANSLATION, 0, NPU_ACCESS_WRITE, out + 4096,
		 "output page not valid");
	pte_case(out + 4096, 0, NPU_PTE_READ, NPU_PTE_WRITE, NPU_FAULT_PERMISSION, 0,
		 NPU_ACCESS_WRITE, out + 4096, "output page read-only");
	pte_case(in + 4096, 0, 1ull << 63, 0, NPU_FAULT_WALK, 0, NPU_ACCESS_READ, in + 4096,
		 "reserved bit 63");
	pte_case(in + 4096, 0, 1ull << 4, 0, NPU_FAULT_WALK, 0, NPU_ACCESS_READ, in + 4096,
		 "reserved bit 4");
	pte_case(in + 4096, 0, 1ull << 52, 0, NPU_FAULT_WALK, 0, NPU_ACCESS_READ, in + 4096,
		 "reserved bit 52");
	pte_case(in + 4096, 0, 1ull << 48, 0, NPU_FAULT_WALK, 0, NPU_ACCESS_READ, in + 4096,
		 "address beyond the bus");
	pte_case(in + 4096, 0, 0, NPU_PTE_LEAF, NPU_FAULT_WALK, 0, NPU_ACCESS_READ, in + 4096,
		 "table at level 0");
	pte_case(in + 4096, 0, 1ull << 40, 0, NPU_FAULT_BUS, 0, NPU_ACCESS_READ, in + 4096,
		 "page that does not answer");
	pte_case(out + 4096, 0, 1ull << 40, 0, NPU_FAULT_BUS, 0, NPU_ACCESS_WRITE, out + 4096,
		 "output page that does not answer");
}

/* Upper levels hold the program too, so it needs data in another corner. */
static void upper_case(u32 level, u64 set, u64 clear, u32 fault, u32 detail, const char *name)
{
	u64 va = 0x7f0000000000ull;
	__le64 *e = host_pte(space, va, level);
	__le64 old = *e;

	*e = (old | cpu_to_le64(set)) & ~cpu_to_le64(clear);
	host_invalidate(space, 0, 0);
	make(NPU_OP_LUT);
	c.lut.in.base = 8;
	base[8].va = cpu_to_le64(va);
	base[8].size = cpu_to_le64(4096);
	expect(fault, detail, fault ? NPU_ACCESS_READ : 0, fault ? va + 64 : 0, name);
	*e = old;
	host_invalidate(space, 0, 0);
}

static void test_upper(void)
{
	struct npu_base old = base[8];

	host_map(space, 0x7f0000000000ull, host_frames(host, 1), HOST_R);
	upper_case(0, 0, 0, 0, 0, "page far up");
	upper_case(1, 0, 1, NPU_FAULT_TRANSLATION, 1, "level 1 not valid");
	upper_case(2, 0, 1, NPU_FAULT_TRANSLATION, 2, "level 2 not valid");
	upper_case(3, 0, 1, NPU_FAULT_TRANSLATION, 3, "level 3 not valid");
	upper_case(1, NPU_PTE_READ, 0, NPU_FAULT_WALK, 1, "table entry with READ");
	upper_case(2, NPU_PTE_WRITE, 0, NPU_FAULT_WALK, 2, "table entry with WRITE");
	upper_case(2, NPU_PTE_LEAF, 0, NPU_FAULT_WALK, 2, "leaf at level 2");
	upper_case(3, NPU_PTE_LEAF, 0, NPU_FAULT_WALK, 3, "leaf at level 3");
	upper_case(1, NPU_PTE_LEAF | NPU_PTE_READ | 0x1000, 0, NPU_FAULT_WALK, 1,
		   "block not aligned");
	upper_case(3, 1ull << 60, 0, NPU_FAULT_WALK, 3, "reserved bit in the root");
	upper_case(3, 1ull << 45, 0, NPU_FAULT_WALK, 2, "level 2 table unreachable");
	upper_case(1, 1ull << 45, 0, NPU_FAULT_WALK, 0, "level 0 table unreachable");
	base[8] = old;
}

static void test_blocks(void)
{
	u64 va = host_alloc_blocks(space, 4u << 20, HOST_RW);
	struct npu_base old = base[8];
	u8 data[256], back[256];
	u32 i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 7);
	base[8].va = cpu_to_le64(va);
	base[8].size = cpu_to_le64(4u << 20);
	base[8].flags = cpu_to_le32(NPU_BASE_WRITE);
	host_write(space, va + (2u << 20) - 100, data, sizeof(data));
	make(NPU_OP_COPY);
	c.copy.in = tensor(NPU_TYPE_U8, 8, 1, sizeof(data), 0, 0, 0);
	c.copy.in.offset = cpu_to_le64((2u << 20) - 100);
	c.copy.out = tensor(NPU_TYPE_U8, 8, 1, sizeof(data), 0, 0, 0);
	test_ok(!run(), "copy across two blocks");
	host_read(space, va + 64, back, sizeof(back));
	test_ok(!memcmp(data, back, sizeof(back)), "block contents");
	host_release(space, va, 4u << 20);
	expect(NPU_FAULT_TRANSLATION, 1, NPU_ACCESS_READ, va + (2u << 20) - 100,
	       "blocks gone after invalidation");
	base[8] = old;
}

/* ---- Fetches ------------------------------------------------------------------------------------ */

static void fetch_case(const char *name, u64 stream, u64 table, u32 fault, u32 detail, u64 va,
		       u64 offset)
{
	struct host_queue *q = host_queue_new(space, 1, 1, 1);
	struct npu_context *x = q->context;

	host_bind(q, 20);
	host_push(q, stream, 24 + 512 * 8, table, 3, 0);
	host_ring_doorbell(q);
	host_steps(host, 1000);
	if (!test_ok(le32_to_cpu(x->fault_status) == fault &&
		     le32_to_cpu(x->fault_detail) == detail &&
		     le32_to_cpu(x->fault_access) == (fault ? NPU_ACCESS_FETCH : 0) &&
		     le64_to_cpu(x->fault_va) == va && le64_to_cpu(x->fault_offset) == offset,
		     "fetch: %s", name))
		printf("# fault %u detail %u access %u va 0x%llx offset %llu\n",
		       le32_to_cpu(x->fault_status), le32_to_cpu(x->fault_detail),
		       le32_to_cpu(x->fault_access),
		       (unsigned long long)le64_to_cpu(x->fault_va),
		       (unsigned long long)le64_to_cpu(x->fault_offset));
	host_command(q, NPU_SLOT_STOP);
	host_queue_free(q);
}

static void test_fetch(void)
{
	struct npu_cmd_nop nop = { .cmd.size = cpu_to_le32(sizeof(nop)) };
	u64 code = host_alloc(space, 8192, HOST_R);
	u64 table = host_alloc(space, 4096, HOST_R);
	u64 secret = host_alloc(space, 4096, HOST_W);
	struct npu_stream_header head = {
		.magic = cpu_to_le32(NPU_ISA_MAGIC),
		.major = NPU_ISA_MAJOR,
		.size = cpu_to_le32(24 + 512 * 8),
	};
	u32 i;

	host_write(space, code, &head, sizeof(head));
	for (i = 0; i < 512; i++)
		host_write(space, code + 24 + i * 8, &nop, 8);
	host_write(space, table, base, 72);
	fetch_case("correct", code, table, 0, 0, 0, 0);
	fetch_case("no stream", code + 8192, table, NPU_FAULT_TRANSLATION, 0, code + 8192, 0);
	fetch_case("stream not readable", secret, table, NPU_FAULT_PERMISSION, 0, secret, 0);
	fetch_case("stream beyond 48 bits", 1ull << 48, table, NPU_FAULT_TRANSLATION, 3,
		   1ull << 48, 0);
	fetch_case("stream at the top", ~7ull, table, NPU_FAULT_TRANSLATION, 3, ~7ull, 0);
	fetch_case("no base table", code, table + 4096, NPU_FAULT_TRANSLATION, 0, table + 4096,
		   0);
	fetch_case("base table ends", code, table + 4096 - 24, NPU_FAULT_TRANSLATION, 0,
		   table + 4096, 0);
	fetch_case("base table not readable", code, secret + 8, NPU_FAULT_PERMISSION, 0,
		   secret + 8, 0);
	*host_pte(space, code + 4096, 0) = 0;
	host_invalidate(space, code, 2);
	fetch_case("stream ends", code, table, NPU_FAULT_TRANSLATION, 0, code + 4096, 4096);
}

/* ---- Main ------------------------------------------------------------------------------------------ */

/* Strides so large that their products wrap: those of a dimension of 1, or of the whole space. */
static void test_far(void)
{
	static const struct {
		u16 opcode;
		u32 columns;	/* of the input */
		u64 pitch;	/* between them */
		u32 window;
		u32 dilation;
		u32 stride;
		u64 out;
	} far[] = {
		{ NPU_OP_CONV2D, 1, 3ull << 61, 1, 1, 4, 8 },
		{ NPU_OP_DEPTHWISE, 1, 1ull << 62, 1, 1, 4, 8 },
		{ NPU_OP_DEPTHWISE, 1, 1ull << 62, 1, 1, 2, 8 },
		{ NPU_OP_DEPTHWISE, 1, 8, 1, 1, 1, 3ull << 62 },
		/* (window - 1) * dilation * pitch is 2 modulo 2^64, stride * pitch is negative. */
		{ NPU_OP_DEPTHWISE, 2, 189115909799979, 19, 5419, 65535, 8 },
		{ NPU_OP_DEPTHWISE, 2, 149385702388241, 5, 30871, 65535, 8 },
	};
	u64 in = host_alloc_blocks(space, 4u << 20, HOST_R);
	u32 i, good = 0;

	base[8].va = 0;
	base[8].size = cpu_to_le64(1ull << 48);
	base[8].flags = 0;
	for (i = 0; i < ARRAY_SIZE(far); i++) {
		make(far[i].opcode);
		c.conv.in = tensor(NPU_TYPE_S8, 8, 4, 1, 1, far[i].columns, 8);
		c.conv.in.offset = cpu_to_le64(in);
		c.conv.in.stride[2] = cpu_to_le64(far[i].pitch);
		c.conv.weight = tensor(NPU_TYPE_S8, 1, 4, far[i].opcode == NPU_OP_CONV2D ? 8 : 1, 1,
				       far[i].window, 8);
		c.conv.out = tensor(NPU_TYPE_S8, 2, 4, 1, 1, 1, 8);
		c.conv.out.stride[2] = cpu_to_le64(far[i].out);
		c.conv.groups = cpu_to_le32(far[i].opcode == NPU_OP_CONV2D);
		c.conv.stride[1] = cpu_to_le32(far[i].stride);
		c.conv.dilation[1] = cpu_to_le32(far[i].dilation);
		memset(c.conv.pad, 0, sizeof(c.conv.pad));
		if (far[i].window > 1)
			c.conv.pad[2] = c.conv.pad[3] = cpu_to_le32(65535);
		good += !run();
	}
	test_eq(good, i, "strides whose products wrap");
}

int main(void)
{
	u32 i;

	host = host_new(NULL);
	host_enable(host, 4);
	space = host_space_new(host, 3);
	for (i = 0; i < 4; i++) {
		area[i] = host_alloc(space, AREA, i == 2 ? HOST_RW : HOST_R);
		base[i].va = cpu_to_le64(area[i]);
		base[i].size = cpu_to_le64(AREA);
	}
	base[2].flags = cpu_to_le32(NPU_BASE_WRITE);
	base[4] = base[5] = base[6] = base[7] = base[8] = base[2];
	base[4].flags = cpu_to_le32(NPU_BASE_ONCHIP | NPU_BASE_WRITE);
	base[5].reserved = cpu_to_le32(1);
	base[6].va = cpu_to_le64((1ull << 48) - AREA + 8);
	base[7].va = cpu_to_le64(area[2] + 1);
	base[8].size = cpu_to_le64(8u << 20);
	test_illegal();
	test_more_illegal();
	test_streams();
	test_bounds();
	test_memory();
	test_upper();
	test_blocks();
	test_fetch();
	test_far();
	test_ok(npu_model_bus_errors(host->model) == 4, "bus errors counted");
	host_space_free(space);
	test_eq(host_free(host), 0, "the model gave all memory back");
	return test_done();
}

// SPDX-License-Identifier: MIT
#include <string.h>

#include "commands.h"

static struct npu_tensor tensor(enum npu_type type, unsigned int base, int zp, unsigned int rank,
				const uint32_t *dim)
{
	struct npu_tensor t;

	npu_tensor_init(&t, type, base, 0, zp, rank, dim);
	return t;
}

#define DIM(...) ((const uint32_t[]) { __VA_ARGS__ })
#define CLAMP .clamp_min = (uint32_t)-128, .clamp_max = 127
#define RQ(a) { .rounding = NPU_ROUND_DOUBLE, .bias_type = NPU_TYPE_S32, .axis = a, \
		.count = 1, CLAMP }

void *make_command(unsigned int which, size_t *size)
{
	struct npu_tensor image = tensor(NPU_TYPE_S8, 1, 3, 4, DIM(1, 6, 5, 4));
	struct npu_tensor image_out = tensor(NPU_TYPE_S8, 2, 3, 4, DIM(1, 6, 5, 4));
	static union {
		struct npu_cmd head;
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
	} u;

	memset(&u, 0, sizeof(u));
	switch (which) {
	case 0:
		u.head.opcode = NPU_OP_NOP;
		*size = sizeof(u.nop);
		break;
	case 1:
		u.head.opcode = NPU_OP_TIMESTAMP;
		u.timestamp.out.base = 2;
		*size = sizeof(u.timestamp);
		break;
	case 2:
		u.conv = (struct npu_cmd_conv) { { .opcode = NPU_OP_CONV2D }, .in = image,
			.weight = tensor(NPU_TYPE_S8, 0, 0, 4, DIM(8, 3, 3, 4)),
			.out = tensor(NPU_TYPE_S8, 2, -5, 4, DIM(1, 6, 5, 8)), .requant = RQ(3),
			.stride = { 1, 1 }, .dilation = { 1, 1 }, .pad = { 1, 1, 1, 1 },
			.groups = 1 };
		*size = sizeof(u.conv);
		break;
	case 3:
		u.conv = (struct npu_cmd_conv) { { .opcode = NPU_OP_DEPTHWISE }, .in = image,
			.weight = tensor(NPU_TYPE_S8, 0, 0, 4, DIM(1, 3, 2, 8)),
			.out = tensor(NPU_TYPE_S8, 2, -5, 4, DIM(1, 4, 4, 8)), .requant = RQ(3),
			.stride = { 1, 1 }, .dilation = { 1, 1 } };
		*size = sizeof(u.conv);
		break;
	case 4:
		u.matmul = (struct npu_cmd_matmul) { { .opcode = NPU_OP_MATMUL },
			.a = tensor(NPU_TYPE_S8, 1, 1, 3, DIM(2, 3, 7)),
			.b = tensor(NPU_TYPE_S8, 0, 0, 3, DIM(2, 5, 7)),
			.out = tensor(NPU_TYPE_S8, 2, 2, 3, DIM(2, 3, 5)), .requant = RQ(2) };
		*size = sizeof(u.matmul);
		break;
	case 5:
		u.pool = (struct npu_cmd_pool) { { .opcode = NPU_OP_POOL }, .in = image,
			.out = tensor(NPU_TYPE_S8, 2, 3, 4, DIM(1, 3, 3, 4)),
			.mode = NPU_POOL_AVERAGE, .window = { 2, 2 }, .stride = { 2, 2 },
			.pad = { 0, 0, 0, 1 }, CLAMP };
		*size = sizeof(u.pool);
		break;
	case 6:
		u.reduce = (struct npu_cmd_reduce) { { .opcode = NPU_OP_REDUCE }, .in = image,
			.out = tensor(NPU_TYPE_S8, 2, 0, 4, DIM(1, 1, 1, 4)), .axes = 6,
			.scale = { 1 << 30, 0 }, CLAMP };
		*size = sizeof(u.reduce);
		break;
	case 7:
		u.eltwise = (struct npu_cmd_eltwise) { { .opcode = NPU_OP_ELTWISE }, .a = image,
			.b = image, .out = image_out, .op = NPU_ELTWISE_ADD, .left_shift = 20,
			.scale_a = { 1 << 30, 0 }, .scale_b = { 1 << 30, 0 },
			.scale_out = { 1 << 30, (uint32_t)-18 }, CLAMP };
		*size = sizeof(u.eltwise);
		break;
	case 8:
		u.requant = (struct npu_cmd_requant) { { .opcode = NPU_OP_REQUANT }, .in = image,
			.out = image_out, .scale = { 1 << 30, 1 }, CLAMP };
		*size = sizeof(u.requant);
		break;
	case 9:
		u.lut = (struct npu_cmd_lut) { { .opcode = NPU_OP_LUT }, .in = image,
			.out = image_out };
		*size = sizeof(u.lut);
		break;
	case 10:
		u.softmax = (struct npu_cmd_softmax) { { .opcode = NPU_OP_SOFTMAX }, .in = image,
			.out = tensor(NPU_TYPE_S8, 2, -128, 4, DIM(1, 6, 5, 4)),
			.beta = { 1 << 30, 20 }, .diff_min = (uint32_t)-200 };
		*size = sizeof(u.softmax);
		break;
	case 11:
		u.copy = (struct npu_cmd_copy) { { .opcode = NPU_OP_COPY }, .in = image,
			.out = image_out };
		*size = sizeof(u.copy);
		break;
	case 12:
		u.pad = (struct npu_cmd_pad) { { .opcode = NPU_OP_PAD }, .in = image,
			.out = tensor(NPU_TYPE_S8, 2, 3, 4, DIM(1, 8, 8, 4)),
			.before = { 0, 1, 2, 0 }, .value = 3 };
		*size = sizeof(u.pad);
		break;
	case 13:
		u.log_softmax = (struct npu_cmd_log_softmax) {
			{ .opcode = NPU_OP_LOG_SOFTMAX }, .in = image,
			.out = tensor(NPU_TYPE_S8, 2, 127, 4, DIM(1, 6, 5, 4)),
			.beta = { 1 << 30, 20 }, .reverse = { 1 << 30, (uint32_t)-20 },
			.diff_min = (uint32_t)-200 };
		*size = sizeof(u.log_softmax);
		break;
	case 14:
		u.softmax16 = (struct npu_cmd_softmax16) { { .opcode = NPU_OP_SOFTMAX16 },
			.in = tensor(NPU_TYPE_S16, 1, 0, 2, DIM(6, 10)),
			.out = tensor(NPU_TYPE_S16, 2, 0, 2, DIM(6, 10)),
			.beta = { 1 << 30, 3 } };
		*size = sizeof(u.softmax16);
		break;
	case 15:
		u.l2_norm = (struct npu_cmd_l2_norm) { { .opcode = NPU_OP_L2_NORM }, .in = image,
			.out = tensor(NPU_TYPE_S8, 2, 0, 4, DIM(1, 6, 5, 4)) };
		*size = sizeof(u.l2_norm);
		break;
	case 16:
		u.matmul = (struct npu_cmd_matmul) { { .opcode = NPU_OP_MATMUL },
			.a = tensor(NPU_TYPE_S16, 1, 0, 3, DIM(2, 3, 7)),
			.b = tensor(NPU_TYPE_S16, 0, 0, 3, DIM(2, 5, 7)),
			.out = tensor(NPU_TYPE_S16, 2, 0, 3, DIM(2, 3, 5)),
			.requant = { .rounding = NPU_ROUND_WIDE, .bias_type = NPU_TYPE_S64,
				     .axis = 2, .count = 1, CLAMP } };
		*size = sizeof(u.matmul);
		break;
	default:
		u.resize = (struct npu_cmd_resize) { { .opcode = NPU_OP_RESIZE }, .in = image,
			.out = tensor(NPU_TYPE_S8, 2, 3, 4, DIM(1, 9, 9, 4)),
			.axis = { { 6, 9, 0 }, { 5, 9, 0 } } };
		*size = sizeof(u.resize);
	}
	u.head.size = (uint32_t)*size;
	return &u;
}

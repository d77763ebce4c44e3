// SPDX-License-Identifier: MIT
/*
 * The checks of libnpu against those of the device model: commands with random
 * changes must be refused by both for the same reason, or by neither.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <npu.h>

#include "host.h"
#include "tap.h"

#define ROUNDS		4000
#define BASE_SIZE	65536u

static unsigned long long seed = 1;

static unsigned int rnd(unsigned int n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(seed >> 33) % n;
}

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

/* One good command of each opcode. */
static void *make_command(unsigned int which, size_t *size)
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
	default:
		u.resize = (struct npu_cmd_resize) { { .opcode = NPU_OP_RESIZE }, .in = image,
			.out = tensor(NPU_TYPE_S8, 2, 3, 4, DIM(1, 9, 9, 4)),
			.axis = { { 6, 9, 0 }, { 5, 9, 0 } } };
		*size = sizeof(u.resize);
	}
	u.head.size = (uint32_t)*size;
	return &u;
}

#define COMMANDS 14

/* Numbers that fields tend to be wrong by. */
static uint32_t odd_number(void)
{
	static const uint32_t numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 255, 256, 0x7f, 0x80, 0xffff,
		0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0xffffff80, 0xffff8000 };

	return rnd(4) ? numbers[rnd(sizeof(numbers) / sizeof(numbers[0]))] : rnd(70000);
}

static void mutate(uint32_t *word, size_t words)
{
	size_t i = rnd((unsigned int)words);

	switch (rnd(4)) {
	case 0:
		word[i] = odd_number();
		break;
	case 1:
		word[i] ^= 1u << rnd(32);
		break;
	case 2:
		((unsigned char *)word)[4 * i + rnd(4)] = (unsigned char)odd_number();
		break;
	default:
		word[i] += rnd(2) ? 1u : -1u;
	}
}

struct state {
	struct host *host;
	struct host_space *space;
	struct npu_base bases[3];
};

static void power_on(struct state *s)
{
	unsigned int i;

	s->host = host_new(NULL);
	s->space = host_space_new(s->host, 1);
	host_enable(s->host, 6);
	for (i = 0; i < 3; i++)
		s->bases[i] = (struct npu_base) {
			.va = host_alloc(s->space, BASE_SIZE, HOST_RW),
			.size = BASE_SIZE,
			.flags = i == 2 ? NPU_BASE_WRITE : 0,
		};
}

/* Do both agree on this stream? */
static bool agree(struct state *s, const void *stream, size_t size, unsigned int *refused)
{
	struct host_result result = { 0 };
	struct npu_error err;
	int mine = npu_stream_check(stream, size, s->bases, 3, NULL, &err);
	int device = host_run(s->space, stream, (uint32_t)size, s->bases, 3, &result);

	*refused += !!mine;
	/* Scale tables are read when the command runs, libnpu cannot know them. */
	if (!mine && device && result.fault == NPU_FAULT_ILLEGAL &&
	    result.detail == NPU_ILLEGAL_QUANT)
		return true;
	if (mine == -EFAULT)
		return device && result.fault == NPU_FAULT_BOUNDS &&
		       result.offset == err.offset;
	if (mine)
		return device && result.fault == NPU_FAULT_ILLEGAL &&
		       result.detail == err.detail && result.offset == err.offset;
	return !device;
}

int main(void)
{
	struct npu_stream_header header = { .magic = NPU_ISA_MAGIC, .major = NPU_ISA_MAJOR };
	struct npu_error err;
	unsigned int which, i, n, refused, disagree;
	struct host_result result;
	uint32_t stream[(sizeof(header) + NPU_ISA_MAX_CMD_SIZE) / 4];
	struct state s;
	size_t size;
	void *cmd;

	power_on(&s);
	for (which = 0; which < COMMANDS; which++) {
		refused = 0;
		disagree = 0;
		for (i = 0; i < ROUNDS; i++) {
			cmd = make_command(which, &size);
			header.size = (uint32_t)(sizeof(header) + size);
			memcpy(stream, &header, sizeof(header));
			memcpy((char *)stream + sizeof(header), cmd, size);
			for (n = i ? 1 + rnd(2) : 0; n; n--)
				mutate(stream + sizeof(header) / 4, size / 4);
			if (agree(&s, stream, header.size, &refused))
				continue;
			if (disagree++)
				continue;
			memset(&result, 0, sizeof(result));
			n = (unsigned int)-npu_stream_check(stream, header.size, s.bases, 3, NULL,
							    &err);
			host_run(s.space, stream, header.size, s.bases, 3, &result);
			note("libnpu %u, %s: %s; device fault %u detail %s", n,
			     npu_illegal_name(err.detail), n ? err.text : "good", result.fault,
			     npu_illegal_name(result.detail));
		}
		cmd = make_command(which, &size);
		ok(!disagree, "opcode 0x%02x: libnpu and device agree on %u streams, %u of them illegal",
		   ((struct npu_cmd *)cmd)->opcode, ROUNDS, refused);
	}
	refused = 0;
	for (i = 0, disagree = 0; i < ROUNDS; i++) {
		cmd = make_command(rnd(COMMANDS), &size);
		header.size = (uint32_t)(sizeof(header) + size);
		memcpy(stream, &header, sizeof(header));
		memcpy((char *)stream + sizeof(header), cmd, size);
		mutate(stream, (sizeof(header) + sizeof(struct npu_cmd)) / 4);
		disagree += !agree(&s, stream, header.size, &refused);
	}
	ok(!disagree, "headers: libnpu and device agree on %u streams, %u of them illegal", ROUNDS,
	   refused);
	host_space_free(s.space);
	ok(!host_free(s.host), "the device model left memory alone");
	return tap_done();
}

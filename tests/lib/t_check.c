// SPDX-License-Identifier: MIT
/*
 * The checks of libnpu against those of the device model: commands with random
 * changes must be refused by both for the same reason, or by neither.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <npu.h>

#include "commands.h"
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

static bool refused(struct state *s, void *cmd, enum npu_illegal why)
{
	struct npu_stream_header header = { .magic = NPU_ISA_MAGIC, .major = NPU_ISA_MAJOR };
	unsigned char stream[sizeof(header) + NPU_ISA_MAX_CMD_SIZE];
	struct npu_cmd *head = cmd;
	unsigned int count = 0;
	struct npu_error err;

	header.size = (uint32_t)sizeof(header) + head->size;
	memcpy(stream, &header, sizeof(header));
	memcpy(stream + sizeof(header), cmd, head->size);
	return agree(s, stream, header.size, &count) && count &&
	       npu_stream_check(stream, header.size, s->bases, 3, NULL, &err) == -EINVAL &&
	       err.detail == why;
}

/* What few changes of a good command do not lead to. */
static void test_corners(struct state *s)
{
	struct npu_cmd_matmul *matmul;
	struct npu_cmd_requant *requant;
	struct npu_cmd_pad *pad;
	size_t size;

	matmul = make_command(4, &size);
	npu_tensor_init(&matmul->a, NPU_TYPE_S8, 1, 0, 1, 2, (const uint32_t[]) { 3, 7 });
	ok(refused(s, matmul, NPU_ILLEGAL_SHAPE), "a matrix product of different ranks");
	pad = make_command(12, &size);
	npu_tensor_init(&pad->in, NPU_TYPE_S8, 1, 0, 3, 3, (const uint32_t[]) { 6, 5, 4 });
	ok(refused(s, pad, NPU_ILLEGAL_SHAPE), "padding to another rank");
	requant = make_command(8, &size);
	requant->in.base = 2;
	requant->in.type = NPU_TYPE_U8;
	ok(!refused(s, requant, NPU_ILLEGAL_OVERLAP), "the same place");
	npu_tensor_init(&requant->in, NPU_TYPE_S16, 2, 0, 0, 4, (const uint32_t[]) { 1, 6, 5, 4 });
	ok(refused(s, requant, NPU_ILLEGAL_OVERLAP), "the same place, but larger elements");
	requant = make_command(8, &size);
	requant->in.base = 2;
	requant->in.stride[3] = 30;
	requant->in.stride[2] = 1;
	requant->in.stride[1] = 5;
	ok(refused(s, requant, NPU_ILLEGAL_OVERLAP), "the same place, in another order");
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
	test_corners(&s);
	host_space_free(s.space);
	ok(!host_free(s.host), "the device model left memory alone");
	return tap_done();
}

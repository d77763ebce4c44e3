// SPDX-License-Identifier: MIT
/*
 * Nonsense from all sides: random register writes, random and half-right
 * streams, memory that changes while it is read. Nothing may crash, hang or
 * keep memory; a device that was reset works. NPU_CASES sets how much.
 */
#include <unistd.h>

#include "program.h"
#include "test.h"

static struct host *h;
static struct host_space *s;

static u32 cases(u32 standard)
{
	const char *text = getenv("NPU_CASES");

	return text ? (u32)strtoul(text, NULL, 0) : standard;
}

/* ---- Registers ------------------------------------------------------------------ */

static void *hammer(void *arg)
{
	u32 *n = arg;
	u64 r = *n;
	u32 reg;

	for (; *n; (*n)--) {
		r = r * 6364136223846793005ull + 1442695040888963407ull;
		reg = (u32)(r >> 33) % (r >> 62 ? 0x440 : NPU_REG_SPACE) & ~3u;
		if (r >> 40 & 1)
			host_set(h, reg, (u32)(r >> (r >> 50 & 31)));
		else
			host_reg(h, reg);
		if ((r >> 41 & 15) == 0)
			trace_doorbell(&h->trace, (u32)(r >> 45) % 80, (u32)r);
		if ((r >> 41 & 15) == 1)
			trace_timer(&h->trace);
	}
	return NULL;
}

static void test_registers(void)
{
	struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;
	pthread_t thread[2];
	u32 n[2] = { cases(50000), cases(50000) };
	u32 i;

	config.irqs = 1;
	h = host_new(&config);
	host_threads_start(h);
	for (i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, hammer, &n[i]);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
	while (host_reg(h, NPU_REG_RESET))
		usleep(10);
	test_eq(host_reg(h, NPU_REG_STATUS), NPU_STATUS_READY, "random register accesses");
	test_eq(host_free(h), 0, "all memory given back");
}

/* ---- Streams ----------------------------------------------------------------------- */

static const u16 opcodes[] = {
	NPU_OP_NOP, NPU_OP_TIMESTAMP, NPU_OP_CONV2D, NPU_OP_DEPTHWISE, NPU_OP_MATMUL,
	NPU_OP_POOL, NPU_OP_REDUCE, NPU_OP_ELTWISE, NPU_OP_REQUANT, NPU_OP_LUT,
	NPU_OP_SOFTMAX, NPU_OP_LOG_SOFTMAX, NPU_OP_SOFTMAX16, NPU_OP_L2_NORM, NPU_OP_COPY,
	NPU_OP_PAD, NPU_OP_RESIZE,
};

static const u32 sizes[] = {
	sizeof(struct npu_cmd_nop), sizeof(struct npu_cmd_timestamp), sizeof(struct npu_cmd_conv),
	sizeof(struct npu_cmd_conv), sizeof(struct npu_cmd_matmul), sizeof(struct npu_cmd_pool),
	sizeof(struct npu_cmd_reduce), sizeof(struct npu_cmd_eltwise),
	sizeof(struct npu_cmd_requant), sizeof(struct npu_cmd_lut), sizeof(struct npu_cmd_softmax),
	sizeof(struct npu_cmd_log_softmax), sizeof(struct npu_cmd_softmax16),
	sizeof(struct npu_cmd_l2_norm), sizeof(struct npu_cmd_copy), sizeof(struct npu_cmd_pad), sizeof(struct npu_cmd_resize),
};

static void random_tensor(struct npu_tensor *t, u32 rank, u32 base)
{
	u64 stride;
	u32 i;

	memset(t, 0, sizeof(*t));
	t->type = (u8)(test_chance(90) ? NPU_TYPE_S8 : test_range(0, 8));
	t->rank = (u8)rank;
	t->base = (u8)base;
	t->offset = cpu_to_le64((u64)test_range(0, 4096));
	stride = program_type_size(t->type < 7 ? t->type : NPU_TYPE_S8);
	for (i = rank; i-- > 0;) {
		t->dim[i] = cpu_to_le32((u32)test_range(1, 4));
		t->stride[i] = cpu_to_le64(test_chance(90) ? stride : (u64)test_range(-64, 64));
		stride *= le32_to_cpu(t->dim[i]);
	}
}

/* All tensors alike and dense, so that most commands are right. */
static void repair_tensors(u8 *at, u32 tensors)
{
	struct npu_tensor *t = (struct npu_tensor *)(at + 8);
	u64 stride = 1;
	u32 i, k, n = (u32)test_range(1, 6);

	memset(t, 0, tensors * sizeof(*t));
	for (k = 0; k < tensors; k++, stride = 1) {
		t[k].type = NPU_TYPE_S8;
		t[k].rank = 4;
		t[k].base = k + 1 == tensors ? 2 : (u8)k;
		t[k].offset = cpu_to_le64((u64)test_range(0, 5000));
		for (i = 4; i-- > 0; stride *= n) {
			t[k].dim[i] = cpu_to_le32(n);
			t[k].stride[i] = cpu_to_le64(stride);
		}
	}
}

static void repair_clamp(__le32 *clamp)
{
	clamp[0] = cpu_to_le32((u32)-128);
	clamp[1] = cpu_to_le32(127);
}

static void repair_requant(struct npu_requant *q, u32 channels)
{
	memset(q, 0, sizeof(*q));
	q->rounding = test_chance(80) ? NPU_ROUND_DOUBLE : NPU_ROUND_WIDE;
	q->axis = 3;
	q->count = cpu_to_le32(test_chance(50) ? 1 : channels);
	q->bias_type = test_chance(50) ? NPU_TYPE_S32 : NPU_TYPE_NONE;
	repair_clamp(&q->clamp_min);
}

static void repair(u8 *at, u32 opcode, u32 tensors, u32 size)
{
	struct npu_tensor *t = (struct npu_tensor *)(at + 8);
	struct npu_cmd_conv *conv = (void *)at;
	struct npu_cmd_pool *pool = (void *)at;
	u32 i;

	repair_tensors(at, tensors);
	memset(at + 8 + tensors * sizeof(*t), 0, size - 8 - tensors * sizeof(*t));
	switch (opcode) {
	case NPU_OP_TIMESTAMP:
		((struct npu_cmd_timestamp *)at)->out.base = 2;
		break;
	case NPU_OP_CONV2D:
	case NPU_OP_DEPTHWISE:
		repair_requant(&conv->requant, le32_to_cpu(t->dim[3]));
		conv->groups = cpu_to_le32(opcode == NPU_OP_CONV2D);
		conv->weight.dim[0] = opcode == NPU_OP_CONV2D ? t->dim[3] : cpu_to_le32(1);
		conv->weight.dim[1] = conv->weight.dim[2] = cpu_to_le32(1);
		for (i = 0; i < 2; i++)
			conv->stride[i] = conv->dilation[i] = cpu_to_le32(1);
		for (i = 0; i < 4; i++)
			conv->pad[i] = cpu_to_le32((u32)test_range(0, 3));
		break;
	case NPU_OP_MATMUL:
		repair_requant(&((struct npu_cmd_matmul *)at)->requant, le32_to_cpu(t->dim[3]));
		break;
	case NPU_OP_POOL:
		for (i = 0; i < 2; i++)
			pool->window[i] = pool->stride[i] = cpu_to_le32(1);
		pool->mode = cpu_to_le32((u32)test_range(0, 1));
		repair_clamp(&pool->clamp_min);
		break;
	case NPU_OP_REDUCE:
		repair_clamp(&((struct npu_cmd_reduce *)at)->clamp_min);
		break;
	case NPU_OP_ELTWISE:
		repair_clamp(&((struct npu_cmd_eltwise *)at)->clamp_min);
		((struct npu_cmd_eltwise *)at)->op = cpu_to_le32((u32)test_range(0, 4));
		break;
	case NPU_OP_REQUANT:
		repair_clamp(&((struct npu_cmd_requant *)at)->clamp_min);
		break;
	case NPU_OP_SOFTMAX:
		t[1].zero_point = cpu_to_le32((u32)-128);
		break;
	case NPU_OP_LOG_SOFTMAX:
		t[1].zero_point = cpu_to_le32(127);
		break;
	case NPU_OP_SOFTMAX16:
		t[0].type = t[1].type = NPU_TYPE_S16;
		for (i = 0; i < 2; i++)
			t[i].offset &= cpu_to_le64(~1ull);
		for (i = 0; i < 8; i++)
			t[i / 4].stride[i % 4] = cpu_to_le64(2 * le64_to_cpu(t[i / 4].stride[i % 4]));
		break;
	case NPU_OP_RESIZE:
		for (i = 0; i < 2; i++)
			((struct npu_cmd_resize *)at)->axis[i].den = cpu_to_le32(1);
		break;
	default:
		break;
	}
}

static u32 random_command(u8 *at)
{
	u32 which = (u32)test_range(0, ARRAY_SIZE(opcodes) - 1);
	struct npu_cmd *cmd = (struct npu_cmd *)at;
	u32 rank = test_chance(70) ? 4 : (u32)test_range(0, 6);
	u32 tensors = which < 2 ? 0 : which < 5 || which == 7 ? 3 : 2;
	u32 i;

	memset(at, 0, sizes[which]);
	cmd->opcode = cpu_to_le16(opcodes[which]);
	cmd->size = cpu_to_le32(sizes[which]);
	for (i = 0; i < tensors; i++)
		random_tensor((struct npu_tensor *)(at + 8 + i * sizeof(struct npu_tensor)), rank,
			      i + 1 == tensors ? 2 : i);
	/* The rest small numbers, mostly right by chance. */
	for (i = 8 + tensors * sizeof(struct npu_tensor); i < sizes[which]; i += 4)
		at[i] = (u8)(test_chance(60) ? test_range(0, 2) : 0);
	if (test_chance(80))
		repair(at, opcodes[which], tensors, sizes[which]);
	for (i = 0; i < 3 && test_chance(15); i++)
		at[test_range(0, sizes[which] - 1)] = (u8)test_random();
	return sizes[which];
}

static u32 random_stream(u8 *stream, u32 room)
{
	struct npu_stream_header header = {
		.magic = cpu_to_le32(NPU_ISA_MAGIC),
		.major = NPU_ISA_MAJOR,
		.minor = NPU_ISA_MINOR,
	};
	u32 size = sizeof(header);
	u32 n = (u32)test_range(1, 6);
	u32 i;

	while (n-- && size + NPU_ISA_MAX_CMD_SIZE < room)
		size += random_command(stream + size);
	header.size = cpu_to_le32(size);
	memcpy(stream, &header, sizeof(header));
	for (i = 0; i < 4 && test_chance(10); i++)
		stream[test_range(0, size - 1)] = (u8)test_random();
	return size;
}

static void bases_make(struct npu_base *base, u64 va)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		base[i].va = cpu_to_le64(va + i * 16384);
		base[i].size = cpu_to_le64(16384);
		base[i].flags = cpu_to_le32(i == 2 ? NPU_BASE_WRITE : 0);
		base[i].reserved = 0;
	}
}

static void test_streams(void)
{
	u32 i, ok = 0, illegal = 0, other = 0, n = cases(4000);
	struct npu_base base[3];
	struct host_result result;
	u8 stream[4096];
	u32 size;
	u64 va;

	h = host_new(NULL);
	host_enable(h, 4);
	s = host_space_new(h, 2);
	va = host_alloc(s, 3 * 16384, HOST_RW);
	bases_make(base, va);
	for (i = 0; i < n; i++) {
		size = random_stream(stream, sizeof(stream));
		host_run(s, stream, size, base, 3, &result);
		ok += !result.fault;
		illegal += result.fault == NPU_FAULT_ILLEGAL;
		other += result.fault > NPU_FAULT_ILLEGAL;
	}
	test_eq(ok + illegal + other, n, "%u random streams", n);
	printf("# %u complete, %u illegal, %u other faults\n", ok, illegal, other);
	test_eq(npu_model_bus_errors(h->model), 0, "no bus error");
	host_space_free(s);
	test_eq(host_free(h), 0, "all memory given back");
}

/* ---- Memory that changes ---------------------------------------------------------------- */

struct writer {
	u64 va;
	u32 size;
	bool stop;
};

static void *writer(void *arg)
{
	struct writer *w = arg;
	u64 r = 1;
	u64 at;

	while (!READ_ONCE(w->stop)) {
		r = r * 6364136223846793005ull + 1442695040888963407ull;
		at = w->va + (r >> 33) % w->size;
		*(volatile u8 *)host_ptr(h, host_bus(s, at)) = (u8)(r >> 20);
	}
	return NULL;
}

static void test_race(void)
{
	struct writer w = { .stop = false };
	struct npu_base base[4];
	struct host_queue *q;
	pthread_t thread;
	u8 stream[4096];
	u32 size = 0, i, n = cases(400);
	u64 code, table, va;

	h = host_new(NULL);
	host_enable(h, 4);
	s = host_space_new(h, 2);
	va = host_alloc(s, 3 * 16384, HOST_RW);
	code = host_alloc(s, 4096, HOST_RW);
	table = host_alloc(s, 4096, HOST_RW);
	w.va = code;
	w.size = 4096;
	host_threads_start(h);
	pthread_create(&thread, NULL, writer, &w);
	q = host_queue_new(s, 1, 1, 3);
	host_bind(q, 1);
	for (i = 0; i < n; i++) {
		bases_make(base, va);
		host_write(s, table, base, sizeof(base));
		size = random_stream(stream, sizeof(stream));
		host_write(s, code, stream, size);
		host_push(q, code, size, table, 3, 0);
		host_ring_doorbell(q);
		while (host_done(q) < q->sequence && !READ_ONCE(q->context->fault_status))
			usleep(5);
		host_command(q, NPU_SLOT_UNBIND);
		while (host_state(q) != NPU_SLOT_EMPTY)
			usleep(5);
		q->context->fault_status = 0;
		q->context->sequence = cpu_to_le64(q->sequence);
		q->context->read_index = q->context->write_index;
		host_bind(q, 1);
	}
	WRITE_ONCE(w.stop, true);
	pthread_join(thread, NULL);
	host_command(q, NPU_SLOT_RESET);
	host_threads_stop(h);
	test_ok(true, "%u streams rewritten while they run", n);
	test_eq(npu_model_bus_errors(h->model), 0, "no bus error");
	host_queue_free(q);
	host_space_free(s);
	test_eq(host_free(h), 0, "all memory given back");
}

int main(void)
{
	test_seed();
	test_registers();
	test_streams();
	test_race();
	return test_done();
}

// SPDX-License-Identifier: MIT
/*
 * Cores as real threads: invalidation protects freed pages, queues come and
 * go while others run, resets stop all accesses before they acknowledge.
 */
#include <unistd.h>

#include "host.h"
#include "test.h"

#define DATA	(16u << 10)

static struct host *h;
static struct host_space *s;
static u64 from, to, stream, table;
static u32 stream_size;

/* @n copies of DATA bytes. */
static void program(u32 n)
{
	struct npu_stream_header header = {
		.magic = cpu_to_le32(NPU_ISA_MAGIC),
		.major = NPU_ISA_MAJOR,
	};
	struct npu_cmd_copy copy = {
		.cmd.opcode = cpu_to_le16(NPU_OP_COPY),
		.cmd.size = cpu_to_le32(sizeof(copy)),
	};
	struct npu_base bases[2] = { 0 };
	u32 i;

	from = host_alloc(s, DATA, HOST_R);
	to = host_alloc(s, DATA, HOST_RW);
	copy.in.type = NPU_TYPE_U8;
	copy.in.rank = 1;
	copy.in.dim[0] = cpu_to_le32(DATA);
	copy.in.stride[0] = cpu_to_le64(1);
	copy.out = copy.in;
	copy.out.base = 1;
	bases[0].va = cpu_to_le64(from);
	bases[0].size = bases[1].size = cpu_to_le64(DATA);
	bases[1].va = cpu_to_le64(to);
	bases[1].flags = cpu_to_le32(NPU_BASE_WRITE);
	stream_size = sizeof(header) + n * sizeof(copy);
	header.size = cpu_to_le32(stream_size);
	stream = host_alloc(s, stream_size, HOST_R);
	table = host_alloc(s, sizeof(bases), HOST_R);
	host_write(s, stream, &header, sizeof(header));
	for (i = 0; i < n; i++)
		host_write(s, stream + sizeof(header) + i * sizeof(copy), &copy, sizeof(copy));
	host_write(s, table, bases, sizeof(bases));
}

static void push(struct host_queue *q)
{
	host_push(q, stream, stream_size, table, 2, 0);
	host_ring_doorbell(q);
}

static bool full(struct host_queue *q)
{
	return le64_to_cpu(q->context->write_index) -
	       le64_to_cpu(READ_ONCE(q->context->read_index)) >= 1ull << q->order;
}

static void start(u32 cores)
{
	struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;

	config.cores = cores;
	h = host_new(&config);
	host_enable(h, 8);
	s = host_space_new(h, 5);
	program(20);
	host_threads_start(h);
}

static void finish(const char *name)
{
	host_threads_stop(h);
	host_space_free(s);
	test_eq(host_free(h), 0, "%s: nothing used after it was freed", name);
}

static void wait_tlb(u32 seq)
{
	while ((s32)(host_reg(h, NPU_REG_TLB_DONE) - seq) < 0)
		usleep(10);
}

/* Swap pages under running copies; free the old ones after the invalidation. */
static void test_swap(void)
{
	struct host_queue *q[2];
	u32 i, k, n = 0;
	u64 va, old;

	start(2);
	for (i = 0; i < 2; i++) {
		q[i] = host_queue_new(s, i, 1, 3);
		host_bind(q[i], i);
	}
	for (i = 0; i < 600; i++) {
		for (k = 0; k < 2; k++)
			if (!full(q[k]))
				push(q[k]);
		va = (i & 1 ? from : to) + (u64)test_range(0, DATA / HOST_PAGE - 1) * HOST_PAGE;
		old = host_bus(s, va);
		host_map(s, va, host_frames(h, 1), i & 1 ? HOST_R : HOST_RW);
		host_invalidate(s, va, (u32)test_range(0, 1));
		/* More than the device keeps a log of, now and then. */
		for (k = 0; i % 16 == 0 && k < 40; k++)
			host_invalidate(s, va, 1);
		wait_tlb(host_reg(h, NPU_REG_TLB_SEQ));
		host_frames_free(h, old, 1);
		n++;
	}
	test_eq(n, 600, "600 pages swapped");
	for (i = 0; i < 2; i++) {
		while (host_done(q[i]) < q[i]->sequence)
			usleep(100);
		test_ok(!q[i]->context->fault_status, "queue %u without a fault", i);
		host_command(q[i], NPU_SLOT_UNBIND);
		while (host_state(q[i]) != NPU_SLOT_EMPTY)
			usleep(10);
		host_queue_free(q[i]);
	}
	finish("swap");
}

/* Queues are bound, unbound, stopped and freed while they run. */
static void test_churn(void)
{
	struct host_queue *q;
	u32 i, k, bad = 0;
	u64 seen;

	start(2);
	for (i = 0; i < 300; i++) {
		q = host_queue_new(s, i, i % 4, 3);
		host_bind(q, i % 7);
		for (k = 0; k < 3; k++)
			push(q);
		usleep((unsigned int)test_range(0, 300));
		host_command(q, (u32)test_range(NPU_SLOT_UNBIND, NPU_SLOT_RESET));
		while (host_state(q) != NPU_SLOT_EMPTY)
			usleep(5);
		seen = host_done(q);
		bad += seen > 3 || (q->context->fault_status &&
				    le32_to_cpu(q->context->fault_status) != NPU_FAULT_ABORTED);
		if (i % 3 == 0 && !q->context->fault_status) {
			host_bind(q, 9);
			while (host_done(q) < 3)
				usleep(20);
			host_command(q, NPU_SLOT_STOP);
			while (host_state(q) != NPU_SLOT_EMPTY)
				usleep(5);
		}
		host_queue_free(q);
	}
	test_eq(bad, 0, "300 queues end well");
	finish("churn");
}

/* After the acknowledgment of a reset everything may be freed. */
static void test_resets(void)
{
	struct host_queue *q[3];
	u32 i, k;

	start(2);
	for (i = 0; i < 100; i++) {
		for (k = 0; k < 3; k++) {
			q[k] = host_queue_new(s, k, k, 3);
			host_bind(q[k], k);
			push(q[k]);
		}
		usleep((unsigned int)test_range(0, 300));
		host_set(h, NPU_REG_RESET, i & 1 ? NPU_RESET_FUNCTION : NPU_RESET_CORE(0));
		while (host_reg(h, NPU_REG_RESET))
			usleep(5);
		if (!(i & 1))
			host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
		while (host_reg(h, NPU_REG_RESET))
			usleep(5);
		for (k = 0; k < 3; k++)
			host_queue_free(q[k]);
		host_enable(h, 0);
	}
	test_ok(true, "100 resets");
	finish("resets");
}

/* The device disappears while it works. */
static void test_gone(void)
{
	struct host_queue *q;
	u32 i, bad = 0;

	start(2);
	for (i = 0; i < 50; i++) {
		q = host_queue_new(s, 1, 1, 3);
		host_bind(q, 1);
		push(q);
		usleep((unsigned int)test_range(0, 200));
		trace_inject(&h->trace, NPU_INJECT_GONE, 1);
		bad += host_reg(h, NPU_REG_ID) != ~0u;
		trace_inject(&h->trace, NPU_INJECT_GONE, 0);
		while (host_reg(h, NPU_REG_RESET))
			usleep(5);
		host_enable(h, 0);
		host_queue_free(q);
	}
	test_eq(bad, 0, "50 disappearances");
	finish("gone");
}

/* A tile that touches a million pages is given up when its job is lost. */
static void test_long_tile(void)
{
	struct {
		struct npu_stream_header header;
		struct npu_cmd_reduce reduce;
	} c = {
		.header.magic = cpu_to_le32(NPU_ISA_MAGIC),
		.header.major = NPU_ISA_MAJOR,
		.header.size = cpu_to_le32(sizeof(c)),
		.reduce.cmd.opcode = cpu_to_le16(NPU_OP_REDUCE),
		.reduce.cmd.size = cpu_to_le32(sizeof(c.reduce)),
		.reduce.in = { .type = NPU_TYPE_S8, .rank = 1 },
		.reduce.out = { .type = NPU_TYPE_S8, .rank = 1, .base = 1 },
		.reduce.axes = cpu_to_le32(1),
	};
	static const u32 end[] = { NPU_SLOT_STOP, NPU_SLOT_RESET };
	u64 va = 1ull << 40, size = 4ull << 30, block, at, code;
	struct npu_base bases[2] = { 0 };
	struct host_queue *q;
	u32 i;

	start(1);
	block = host_frames(h, 512);
	for (at = 0; at < size; at += 2u << 20)
		*host_pte(s, va + at, 1) = cpu_to_le64(block | HOST_R | NPU_PTE_VALID |
						       NPU_PTE_LEAF);
	c.reduce.in.dim[0] = cpu_to_le32(1u << 20);
	c.reduce.in.stride[0] = cpu_to_le64(4096);
	c.reduce.out.dim[0] = cpu_to_le32(1);
	bases[0].va = cpu_to_le64(va);
	bases[0].size = cpu_to_le64(size);
	bases[1].va = cpu_to_le64(to);
	bases[1].size = cpu_to_le64(DATA);
	bases[1].flags = cpu_to_le32(NPU_BASE_WRITE);
	code = host_alloc(s, sizeof(c), HOST_R);
	host_write(s, code, &c, sizeof(c));
	host_write(s, table, bases, sizeof(bases));
	for (i = 0; i < 2; i++) {
		q = host_queue_new(s, 1, 1, 3);
		host_bind(q, 1);
		host_push(q, code, sizeof(c), table, 2, 0);
		host_ring_doorbell(q);
		while (!READ_ONCE(q->context->started))
			usleep(5);
		host_command(q, end[i]);
		while (host_state(q) != NPU_SLOT_EMPTY)
			usleep(5);
		test_ok(le32_to_cpu(q->context->fault_status) == NPU_FAULT_ABORTED &&
			!host_done(q), "a long tile ends at once, command %u", end[i]);
		host_queue_free(q);
	}
	q = host_queue_new(s, 1, 1, 3);
	host_bind(q, 1);
	host_push(q, code, sizeof(c), table, 2, 0);
	host_ring_doorbell(q);
	while (!READ_ONCE(q->context->started))
		usleep(5);
	host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
	while (host_reg(h, NPU_REG_RESET))
		usleep(5);
	test_ok(!host_done(q), "a long tile ends at function reset");
	host_queue_free(q);
	finish("long tile");
}

int main(void)
{
	test_seed();
	test_swap();
	test_churn();
	test_resets();
	test_gone();
	test_long_tile();
	return test_done();
}

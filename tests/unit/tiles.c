// SPDX-License-Identifier: MIT
/*
 * The longest tiles that programs can make: how much memory one of them
 * borrows, and how soon it is given up in its middle.
 */
#include "host.h"
#include "test.h"

#define SPACE	(8ull << 40)	/* virtual, the same 2 MiB again and again */
#define SIZE	(4ull << 30)
#define OUTPUT	(9ull << 40)

union command {
	struct npu_cmd cmd;
	struct npu_cmd_conv conv;
	struct npu_cmd_matmul matmul;
	struct npu_cmd_pool pool;
	struct npu_cmd_reduce reduce;
	struct npu_cmd_eltwise eltwise;
	struct npu_cmd_softmax softmax;
	struct npu_cmd_log_softmax log_softmax;
	struct npu_cmd_softmax16 softmax16;
	struct npu_cmd_l2_norm l2_norm;
	struct npu_cmd_copy copy;
	struct npu_cmd_pad pad;
	struct npu_cmd_resize resize;
};

static struct host *h;
static struct host_space *s;
static struct host_queue *q;
static u64 block;

/* ---- Commands ------------------------------------------------------------------ */

static void begin(union command *c, u32 opcode, u32 size)
{
	memset(c, 0, sizeof(*c));
	c->cmd.opcode = cpu_to_le16((u16)opcode);
	c->cmd.size = cpu_to_le32(size);
}

static struct npu_tensor tensor(u32 type, u32 base, u32 rank, const u32 *dim, const s64 *stride)
{
	struct npu_tensor t = { .type = (u8)type, .rank = (u8)rank, .base = (u8)base };
	u32 i;

	for (i = 0; i < rank; i++) {
		t.dim[i] = cpu_to_le32(dim[i]);
		t.stride[i] = cpu_to_le64((u64)stride[i]);
	}
	return t;
}

static const u32 one[] = { 1, 1, 1, 1 };
static const s64 apart[] = { 4, 4, 4, 4 };

static void conv(union command *c, bool depthwise, const u32 *in, const u32 *w, const s64 *stride)
{
	static const u8 low[] = { 0, 0, 0, 0x80 }, high[] = { 0xff, 0xff, 0xff, 0x7f };
	u32 i;

	begin(c, depthwise ? NPU_OP_DEPTHWISE : NPU_OP_CONV2D, sizeof(c->conv));
	c->conv.in = tensor(NPU_TYPE_S8, 0, 4, in, stride);
	c->conv.weight = tensor(NPU_TYPE_S8, 0, 4, w, stride);
	c->conv.out = tensor(NPU_TYPE_S32, 1, 4, one, apart);
	c->conv.requant.axis = 3;
	memcpy(&c->conv.requant.clamp_min, low, 4);
	memcpy(&c->conv.requant.clamp_max, high, 4);
	c->conv.groups = cpu_to_le32(!depthwise);
	for (i = 0; i < 2; i++)
		c->conv.stride[i] = c->conv.dilation[i] = cpu_to_le32(1);
}

static void depthwise_dense(union command *c)
{
	static const u32 dim[] = { 1, 1024, 1024, 1 };
	static const s64 stride[] = { 0, 0, 0, 0 };

	conv(c, true, dim, dim, stride);
}

static void depthwise_far(union command *c)
{
	static const u32 dim[] = { 1, 1024, 1024, 1 };
	static const s64 stride[] = { 0, 4096, 1 << 20, 0 };

	conv(c, true, dim, dim, stride);
}

/* Channels that are made together: windows of 64 rows, each of them on a page of its own. */
static void depthwise_rows(union command *c)
{
	static const u32 in[] = { 1, 64, 10000, 1 }, w[] = { 1, 64, 1, 1 }, out[] = { 1, 1, 10000, 1 };
	static const s64 from[] = { 0, 64 << 20, 4096, 1 }, to[] = { 0, 0, 1, 1 };

	conv(c, true, in, w, from);
	c->conv.out = tensor(NPU_TYPE_S8, 1, 4, out, to);
	c->conv.requant.rounding = NPU_ROUND_DOUBLE;
	c->conv.requant.count = cpu_to_le32(1);
	c->conv.requant.clamp_min = cpu_to_le32((u32)-128);
	c->conv.requant.clamp_max = cpu_to_le32(127);
}

static void conv_far(union command *c)
{
	static const u32 dim[] = { 1, 1024, 512, 2 };
	static const s64 stride[] = { 0, 0, 0, 1 << 20 };

	conv(c, false, dim, dim, stride);
}

static void conv_wide(union command *c)
{
	static const u32 dim[] = { 1, 1, 1, 1 << 20 };
	static const s64 stride[] = { 0, 0, 0, 4096 };

	conv(c, false, dim, dim, stride);
}

static void matmul_far(union command *c)
{
	static const u32 a[] = { 2, 4096 }, b[] = { 1024, 4096 }, out[] = { 2, 1024 };
	static const s64 sa[] = { 4096, 8192 }, sb[] = { 2 << 20, 1 }, so[] = { 4096, 4 };

	conv(c, false, one, one, apart);
	c->matmul.cmd.opcode = cpu_to_le16(NPU_OP_MATMUL);
	c->matmul.cmd.size = cpu_to_le32(sizeof(c->matmul));
	c->matmul.a = tensor(NPU_TYPE_S8, 0, 2, a, sa);
	c->matmul.b = tensor(NPU_TYPE_S8, 0, 2, b, sb);
	c->matmul.out = tensor(NPU_TYPE_S32, 1, 2, out, so);
	c->matmul.requant = c->conv.requant;
	c->matmul.requant.axis = 1;
}

static void pool_far(union command *c)
{
	static const u32 dim[] = { 1, 1024, 1024, 1 };
	static const s64 stride[] = { 0, 4096, 1 << 20, 0 };
	u32 i;

	begin(c, NPU_OP_POOL, sizeof(c->pool));
	c->pool.in = tensor(NPU_TYPE_S8, 0, 4, dim, stride);
	c->pool.out = tensor(NPU_TYPE_S8, 1, 4, one, apart);
	c->pool.mode = cpu_to_le32(NPU_POOL_AVERAGE);
	c->pool.clamp_min = cpu_to_le32((u32)-128);
	c->pool.clamp_max = cpu_to_le32(127);
	for (i = 0; i < 2; i++) {
		c->pool.window[i] = cpu_to_le32(1024);
		c->pool.stride[i] = cpu_to_le32(1);
	}
}

static void reduce_far(union command *c)
{
	static const u32 dim[] = { 1 << 20 };
	static const s64 stride[] = { 4096 };

	begin(c, NPU_OP_REDUCE, sizeof(c->reduce));
	c->reduce.in = tensor(NPU_TYPE_S8, 0, 1, dim, stride);
	c->reduce.out = tensor(NPU_TYPE_S8, 1, 1, one, apart);
	c->reduce.axes = cpu_to_le32(1);
	c->reduce.clamp_min = cpu_to_le32((u32)-128);
	c->reduce.clamp_max = cpu_to_le32(127);
}

static void softmax_far(union command *c)
{
	static const u32 dim[] = { 1 << 20 };
	static const s64 stride[] = { 4096 };

	begin(c, NPU_OP_SOFTMAX, sizeof(c->softmax));
	c->softmax.in = tensor(NPU_TYPE_U8, 0, 1, dim, stride);
	c->softmax.out = tensor(NPU_TYPE_U8, 1, 1, dim, stride);
	c->softmax.beta.multiplier = cpu_to_le32(1 << 30);
	c->softmax.beta.shift = cpu_to_le32(20);
	c->softmax.diff_min = cpu_to_le32((u32)-255);
}

static void log_softmax_far(union command *c)
{
	softmax_far(c);
	c->cmd.opcode = cpu_to_le16(NPU_OP_LOG_SOFTMAX);
	c->cmd.size = cpu_to_le32(sizeof(c->log_softmax));
	c->log_softmax.out.zero_point = cpu_to_le32(255);
	c->log_softmax.reverse = (struct npu_scale){ 0 };
	c->log_softmax.diff_min = cpu_to_le32((u32)-255);
}

static void l2_norm_far(union command *c)
{
	softmax_far(c);
	c->cmd.opcode = cpu_to_le16(NPU_OP_L2_NORM);
	c->cmd.size = cpu_to_le32(sizeof(c->l2_norm));
	c->l2_norm.in.type = NPU_TYPE_S8;
	c->l2_norm.out.type = NPU_TYPE_S8;
}

static const u32 many[] = { 100000, 2 };
static const s64 far[] = { 8192, 4096 };

static void copy_far(union command *c)
{
	begin(c, NPU_OP_COPY, sizeof(c->copy));
	c->copy.in = tensor(NPU_TYPE_S8, 0, 2, many, far);
	c->copy.out = tensor(NPU_TYPE_S8, 1, 2, many, far);
}

static void eltwise_far(union command *c)
{
	begin(c, NPU_OP_ELTWISE, sizeof(c->eltwise));
	c->eltwise.a = tensor(NPU_TYPE_S8, 0, 2, many, far);
	c->eltwise.b = c->eltwise.a;
	c->eltwise.out = tensor(NPU_TYPE_S8, 1, 2, many, far);
	c->eltwise.op = cpu_to_le32(NPU_ELTWISE_MAX);
	c->eltwise.clamp_min = cpu_to_le32((u32)-128);
	c->eltwise.clamp_max = cpu_to_le32(127);
}

static void pad_far(union command *c)
{
	begin(c, NPU_OP_PAD, sizeof(c->pad));
	c->pad.in = tensor(NPU_TYPE_S8, 0, 2, many, far);
	c->pad.out = tensor(NPU_TYPE_S8, 1, 2, many, far);
}

static void resize_far(union command *c)
{
	static const u32 dim[] = { 1, 400, 500, 1 };
	static const s64 stride[] = { 0, 500 * 4096, 4096, 1 };
	u32 i;

	begin(c, NPU_OP_RESIZE, sizeof(c->resize));
	c->resize.in = tensor(NPU_TYPE_S8, 0, 4, dim, stride);
	c->resize.out = tensor(NPU_TYPE_S8, 1, 4, dim, stride);
	for (i = 0; i < 2; i++)
		c->resize.axis[i].num = c->resize.axis[i].den = cpu_to_le32(1);
}

/* ---- Requests ------------------------------------------------------------------- */

static void stop(void)
{
	host_command(q, NPU_SLOT_STOP);
}

static void slot_reset(void)
{
	host_command(q, NPU_SLOT_RESET);
}

static void core_reset(void)
{
	host_set(h, NPU_REG_RESET, NPU_RESET_CORE(0));
}

static void function_reset(void)
{
	host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
}

static void leave(void)
{
	trace_leave(&h->trace);
}

static void gone(void)
{
	trace_inject(&h->trace, NPU_INJECT_GONE, 1);
}

static void (*const requests[])(void) = {
	stop, slot_reset, core_reset, function_reset, leave, gone,
};

/* Borrowed data, and when to make the request. */
static u64 seen, at, since;
static void (*request)(void);

static void mapped(struct host *host, u64 bus, void *arg)
{
	(void)arg;
	since++;
	if (bus < block || bus >= block + (2u << 20))
		return;
	if (++seen != at)
		return;
	/* Operands are borrowed without the lock. */
	if (pthread_mutex_trylock(&host->lock))
		abort();
	pthread_mutex_unlock(&host->lock);
	since = 0;
	request();
}

static void start(void (*make)(union command *c))
{
	struct {
		struct npu_stream_header header;
		union command c;
	} code = {
		.header.magic = cpu_to_le32(NPU_ISA_MAGIC),
		.header.major = NPU_ISA_MAJOR,
	};
	struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;
	struct npu_base bases[2] = { 0 };
	u64 va, stream, table;
	u32 size, i;

	config.cores = 1;
	h = host_new(&config);
	host_enable(h, 4);
	s = host_space_new(h, 5);
	block = host_frames(h, 512);
	for (i = 0; i < 2; i++)
		for (va = 0; va < SIZE; va += 2u << 20)
			*host_pte(s, (i ? OUTPUT : SPACE) + va, 1) =
				cpu_to_le64(block | HOST_RW | NPU_PTE_VALID | NPU_PTE_LEAF);
	make(&code.c);
	size = sizeof(code.header) + le32_to_cpu(code.c.cmd.size);
	code.header.size = cpu_to_le32(size);
	bases[0].va = cpu_to_le64(SPACE);
	bases[1].va = cpu_to_le64(OUTPUT);
	bases[0].size = bases[1].size = cpu_to_le64(SIZE);
	bases[1].flags = cpu_to_le32(NPU_BASE_WRITE);
	stream = host_alloc(s, size, HOST_R);
	table = host_alloc(s, sizeof(bases), HOST_R);
	host_write(s, stream, &code, size);
	host_write(s, table, bases, sizeof(bases));
	q = host_queue_new(s, 1, 1, 3);
	host_bind(q, 1);
	host_push(q, stream, size, table, 2, 0);
	host_ring_doorbell(q);
	seen = at = since = 0;
	h->mapped = mapped;
}

static void finish(const char *name)
{
	h->mapped = NULL;
	host_queue_free(q);
	host_space_free(s);
	test_eq(host_free(h), 0, "%s: all memory given back", name);
}

/* At most 1024 windows, and four tables for each if the caches do not help. */
static void test_bound(const char *name, void (*make)(union command *c))
{
	u64 most = 0, before;
	u32 i;

	start(make);
	for (i = 0; i < 300 && !host_done(q); i++) {
		before = h->maps;
		host_step(h, 0);
		most = h->maps - before > most ? h->maps - before : most;
	}
	test_eq(le32_to_cpu(q->context->fault_status), 0, "%s: no fault", name);
	test_ok(i > 20 && most < 5200, "%s: a tile borrows at most %llu times", name, most);
	finish(name);
}

static bool is_over(u32 n)
{
	if (requests[n] == stop || requests[n] == slot_reset)
		return host_state(q) == NPU_SLOT_EMPTY &&
		       le32_to_cpu(q->context->fault_status) == NPU_FAULT_ABORTED;
	if (requests[n] == core_reset)
		return le32_to_cpu(q->context->fault_status) == NPU_FAULT_ABORTED &&
		       !host_reg(h, NPU_REG_RESET);
	if (requests[n] == function_reset)
		return !host_reg(h, NPU_REG_RESET) && host_state(q) == NPU_SLOT_EMPTY;
	return !le32_to_cpu(q->context->fault_status) && host_step(h, 0) == NPU_STEP_IDLE &&
	       (host_reg(h, NPU_REG_ID) == NPU_ID) == (requests[n] == leave);
}

/* It is given up in its middle, and the request is met with its end. */
static void test_given_up(const char *name, void (*make)(union command *c))
{
	u64 progress, most = 0;
	u32 bad = 0;
	u32 n;

	for (n = 0; n < sizeof(requests) / sizeof(requests[0]); n++) {
		start(make);
		request = requests[n];
		at = 11;
		do {
			progress = le64_to_cpu(q->context->progress);
			host_step(h, 0);
		} while (seen < at && !host_done(q));
		most = since > most ? since : most;
		bad += seen != at || host_done(q) || !is_over(n) ||
		       le64_to_cpu(q->context->progress) != progress;
		h->mapped = NULL;
		host_queue_free(q);
		host_space_free(s);
		bad += !!host_free(h);
	}
	test_eq(bad, 0, "%s: given up at each request", name);
	test_ok(most <= 3, "%s: then borrows %llu times", name, most);
}

/* Cores that were told to leave stay away until power comes back. */
static void test_leave(void)
{
	u64 maps;

	start(copy_far);
	host_steps(h, 5);
	leave();
	maps = h->maps;
	test_eq(host_steps(h, 5), 0, "leave: nothing is executed");
	host_ring_doorbell(q);
	host_set(h, NPU_REG_CONTROL, NPU_CONTROL_ENABLE);
	test_eq(host_steps(h, 5), 0, "leave: nor after a doorbell");
	test_eq(h->maps, maps, "leave: nor borrowed");
	test_eq(host_reg(h, NPU_REG_ID), NPU_ID, "leave: registers answer");
	core_reset();
	test_eq(host_reg(h, NPU_REG_RESET), 0, "leave: a core reset is acknowledged");
	function_reset();
	test_eq(host_reg(h, NPU_REG_RESET), 0, "leave: a function reset too");
	host_enable(h, 0);
	host_bind(q, 1);
	test_eq(host_steps(h, 5), 0, "leave: nothing after it");
	gone();
	test_eq(host_reg(h, NPU_REG_ID), ~0u, "leave: then gone");
	trace_inject(&h->trace, NPU_INJECT_GONE, 0);
	host_enable(h, 0);
	host_bind(q, 1);
	test_eq(host_steps(h, 5), 5, "leave: works again with power");
	finish("leave");
}

int main(void)
{
	static const struct {
		const char *name;
		void (*make)(union command *c);
	} all[] = {
		{ "depthwise", depthwise_dense },
		{ "far depthwise", depthwise_far },
		{ "depthwise rows", depthwise_rows },
		{ "far conv", conv_far },
		{ "wide conv", conv_wide },
		{ "far matmul", matmul_far },
		{ "far pool", pool_far },
		{ "far reduce", reduce_far },
		{ "far softmax", softmax_far },
		{ "far log_softmax", log_softmax_far },
		{ "far l2_norm", l2_norm_far },
		{ "far copy", copy_far },
		{ "far eltwise", eltwise_far },
		{ "far pad", pad_far },
		{ "far resize", resize_far },
	};
	u32 i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		test_bound(all[i].name, all[i].make);
		test_given_up(all[i].name, all[i].make);
	}
	test_leave();
	return test_done();
}

// SPDX-License-Identifier: MIT
/*
 * Several cores with one command: the same result, the same fault, and what happens to the
 * leader's queue while a helper is in the middle of a tile.
 */
#include <unistd.h>

#include "host.h"
#include "test.h"

#define M	1024u
#define N	32u
#define K	64u
#define CORES	4u

static struct host *h;
static struct host_space *s;
static struct host_queue *q;
static u64 a, b, out, stream, table;
static s32 want[M * N];

/* ---- One large product -------------------------------------------------------------------- */

struct program {
	struct npu_stream_header header;
	struct npu_cmd_matmul matmul;
};

static struct npu_tensor tensor(u32 type, u32 base, u32 rows, u32 columns, u32 esize)
{
	struct npu_tensor t = { .type = (u8)type, .rank = 2, .base = (u8)base };

	t.dim[0] = cpu_to_le32(rows);
	t.dim[1] = cpu_to_le32(columns);
	t.stride[0] = cpu_to_le64(columns * esize);
	t.stride[1] = cpu_to_le64(esize);
	return t;
}

static void program(void)
{
	struct program p = {
		.header = {
			.magic = cpu_to_le32(NPU_ISA_MAGIC),
			.major = NPU_ISA_MAJOR,
			.size = cpu_to_le32(sizeof(p)),
		},
		.matmul = {
			.cmd.opcode = cpu_to_le16(NPU_OP_MATMUL),
			.cmd.size = cpu_to_le32(sizeof(p.matmul)),
			.a = tensor(NPU_TYPE_S8, 0, M, K, 1),
			.b = tensor(NPU_TYPE_S8, 1, N, K, 1),
			.out = tensor(NPU_TYPE_S32, 2, M, N, 4),
			.requant = {
				.rounding = NPU_ROUND_NONE,
				.bias_type = NPU_TYPE_NONE,
				.axis = 1,
				.clamp_min = cpu_to_le32((u32)NPU_S32_MIN),
				.clamp_max = cpu_to_le32(NPU_S32_MAX),
			},
		},
	};
	struct npu_base bases[3] = {
		{ .va = cpu_to_le64(a), .size = cpu_to_le64(M * K) },
		{ .va = cpu_to_le64(b), .size = cpu_to_le64(N * K) },
		{ .va = cpu_to_le64(out), .size = cpu_to_le64(M * N * 4),
		  .flags = cpu_to_le32(NPU_BASE_WRITE) },
	};

	stream = host_alloc(s, sizeof(p), HOST_R);
	table = host_alloc(s, sizeof(bases), HOST_R);
	host_write(s, stream, &p, sizeof(p));
	host_write(s, table, bases, sizeof(bases));
}

static void inputs(void)
{
	static s8 x[M * K], w[N * K];
	u32 i, j, k;

	for (i = 0; i < M * K; i++)
		x[i] = (s8)test_random();
	for (i = 0; i < N * K; i++)
		w[i] = (s8)test_random();
	host_write(s, a, x, sizeof(x));
	host_write(s, b, w, sizeof(w));
	for (i = 0; i < M; i++)
		for (j = 0; j < N; j++)
			for (k = 0, want[i * N + j] = 0; k < K; k++)
				want[i * N + j] += x[i * K + k] * w[j * K + k];
}

static void start(u32 cores)
{
	struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;

	config.cores = cores;
	h = host_new(&config);
	host_enable(h, 8);
	s = host_space_new(h, 5);
	a = host_alloc(s, M * K, HOST_R);
	b = host_alloc(s, N * K, HOST_R);
	out = host_alloc(s, M * N * 4, HOST_RW);
	program();
	inputs();
	q = host_queue_new(s, 1, 1, 3);
	host_bind(q, 0);
}

static u64 misuses;

static void finish(void)
{
	host_threads_stop(h);
	host_queue_free(q);
	host_space_free(s);
	misuses += host_free(h);
}

static void push(void)
{
	host_push(q, stream, sizeof(struct program), table, 3, 0);
	host_ring_doorbell(q);
}

static bool right(void)
{
	static s32 got[M * N];

	host_read(s, out, got, sizeof(got));
	return !memcmp(got, want, sizeof(got));
}

static void forget(void)
{
	static const u8 none[M * N * 4];

	host_write(s, out, none, sizeof(none));
}

static u64 busy(u32 core)
{
	return host_reg(h, NPU_REG_CORE_BUSY_LO(core));
}

/* Tiles that a core has executed, from what each costs at least. */
static bool worked(u32 core, u64 before)
{
	return busy(core) > before;
}

/* ---- Results ---------------------------------------------------------------------------------- */

/* Cores step in any order; costs are those of the command, whoever does what. */
static void test_result(void)
{
	u64 done;
	u32 cores, i, helped = 0, good = 0;

	for (cores = 1; cores <= CORES; cores++) {
		start(cores);
		for (i = 0; i < 10; i++) {
			forget();
			push();
			for (done = 0; done < 100000 && host_done(q) < q->sequence; done++)
				host_step(h, (u32)test_range(0, (int)cores - 1));
			good += host_done(q) == q->sequence && right() &&
				le64_to_cpu(q->reports[i % 8].macs) == (u64)M * N * K;
		}
		for (i = 0; i < cores; i++)
			helped += cores > 1 && worked(i, 0);
		finish();
	}
	test_eq(good, 10 * CORES, "results and costs on 1 to %u cores", CORES);
	test_eq(helped, 2 + 3 + 4, "all cores have worked");
}

static void test_threads(void)
{
	u32 i, good = 0;

	start(CORES);
	host_threads_start(h);
	for (i = 0; i < 100; i++) {
		forget();
		push();
		while (host_done(q) < q->sequence && !READ_ONCE(q->context->fault_status))
			usleep(10);
		good += right();
	}
	test_eq(good, 100, "results of threads");
	finish();
}

/* ---- Faults --------------------------------------------------------------------------------------- */

/* Three pages of the output are not there: the fault is always that of the first one. */
static void test_fault(void)
{
	static const u32 pages[] = { 9, 17, 25 };
	u32 cores, i, good = 0;
	u64 steps;

	for (cores = 1; cores <= CORES; cores++) {
		for (i = 0; i < 10; i++) {
			start(cores);
			for (steps = 0; steps < ARRAY_SIZE(pages); steps++)
				host_map(s, out + pages[steps] * HOST_PAGE,
					 host_bus(s, out + pages[steps] * HOST_PAGE), HOST_R);
			push();
			for (steps = 0; steps < 100000 && !q->context->fault_status; steps++)
				host_step(h, (u32)test_range(0, (int)cores - 1));
			good += le32_to_cpu(q->context->fault_status) == NPU_FAULT_PERMISSION &&
				le64_to_cpu(q->context->fault_va) / HOST_PAGE ==
				out / HOST_PAGE + pages[0] &&
				host_state(q) == NPU_SLOT_HALTED;
			finish();
		}
	}
	test_eq(good, 10 * CORES, "the fault of one core, on 1 to %u", CORES);
}

/* ---- In the middle of a helper's tile ----------------------------------------------------------- */

static void (*early)(void);	/* before others go on */
static void (*middle)(void);
static bool was_waiting, was_state, was_bound;

/* The helper borrows memory: everybody else goes as far as they can, then something happens. */
static void mapped(struct host *host, u64 bus, void *arg)
{
	u32 i;

	(void)bus;
	(void)arg;
	host->mapped = NULL;
	if (early)
		early();
	for (i = 0; i < 1000 && host_step(h, 0) == NPU_STEP_RAN; i++)
		;
	was_waiting = i < 1000 && host_done(q) < q->sequence;
	middle();
	was_state = host_step(h, 0) != NPU_STEP_RAN;
}

/* The leader begins; core 1 helps, and is interrupted in its tile. */
static void interrupt(void (*what)(void))
{
	u64 before = busy(1);
	u32 i;

	middle = what;
	was_waiting = false;
	forget();
	push();
	for (i = 0; i < 100 && !worked(1, before); i++) {
		host_step(h, 0);
		h->mapped = mapped;
		host_step(h, 1);
		h->mapped = NULL;
		if (was_waiting)
			break;
	}
}

static void nothing(void)
{
}

static void stop(void)
{
	host_command(q, NPU_SLOT_STOP);
}

static void reset_function(void)
{
	host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
}

static void reset_leader(void)
{
	host_set(h, NPU_REG_RESET, NPU_RESET_CORE(0));
}

static void reset_helper(void)
{
	host_set(h, NPU_REG_RESET, NPU_RESET_CORE(1));
}

static void deaf(void)
{
	npu_model_inject(h->model, NPU_INJECT_DEAF, NPU_DEAF_CORE);
	host_set(h, NPU_REG_RESET, NPU_RESET_CORE(0));
}

static void test_wait(void)
{
	start(2);
	h->woken = 0;
	interrupt(nothing);
	test_ok(was_waiting, "the leader waits for its helper");
	test_ok(h->woken & 1, "the helper wakes it");
	host_steps(h, 1000);
	test_ok(host_done(q) == q->sequence && right(), "the job is complete");
	finish();
}

static void test_stop(void)
{
	start(2);
	interrupt(stop);
	test_ok(was_waiting && was_state, "a queue is stopped, the leader still waits");
	test_eq(host_state(q), NPU_SLOT_EMPTY, "when the helper has left its tile, the slot is empty");
	test_eq(le32_to_cpu(q->context->fault_status), NPU_FAULT_ABORTED, "the job was aborted");
	host_steps(h, 1000);
	test_ok(!right(), "nobody goes on with it");
	finish();
}

static void test_reset(void)
{
	start(2);
	interrupt(reset_function);
	test_ok(was_waiting && was_state, "the function is reset, a helper is in a tile");
	test_eq(host_reg(h, NPU_REG_RESET), 0, "acknowledged when it has left");
	host_enable(h, 8);
	host_queue_free(q);
	q = host_queue_new(s, 1, 1, 3);
	host_bind(q, 0);
	forget();
	push();
	host_steps(h, 1000);
	test_ok(host_done(q) == q->sequence && right(), "both cores work again");
	finish();
}

static void test_core_reset(void)
{
	start(2);
	interrupt(reset_helper);
	test_ok(was_waiting, "the helper's core is reset");
	test_eq(host_reg(h, NPU_REG_RESET), 0, "at the end of its tile");
	host_steps(h, 1000);
	test_ok(host_done(q) == q->sequence && right(), "no job is lost");
	interrupt(reset_leader);
	test_ok(was_waiting, "the leader's core is reset");
	test_eq(host_reg(h, NPU_REG_RESET), 0, "when its helper has left");
	test_eq(host_state(q), NPU_SLOT_HALTED, "its queue halts");
	test_eq(le32_to_cpu(q->context->fault_status), NPU_FAULT_ABORTED, "the job was aborted");
	finish();
}

/* A tile is given up for a reset that does not take place. */
static void test_deaf(void)
{
	start(2);
	interrupt(deaf);
	test_ok(was_waiting, "a core is told to reset, and is deaf");
	host_steps(h, 1000);
	test_ok(host_done(q) == q->sequence && right(), "the tile that was given up is executed again");
	npu_model_inject(h->model, NPU_INJECT_DEAF, 0);
	test_eq(host_reg(h, NPU_REG_RESET), 0, "it resets later");
	finish();
}

static void lose(void)
{
	h->fail_bus = q->bus;
}

static void still_bound(void)
{
	was_bound = host_state(q) != NPU_SLOT_EMPTY;
}

/* The leader cannot reach its context any more, and its helper is still in a tile. */
static void test_lost(void)
{
	struct npu_event event;

	start(2);
	early = lose;
	interrupt(still_bound);
	early = NULL;
	test_ok(was_waiting && was_bound, "a context is lost, the leader waits for its helper");
	host_steps(h, 1000);
	test_eq(host_state(q), NPU_SLOT_EMPTY, "then the slot is empty");
	test_ok(host_event(h, &event) && le32_to_cpu(event.status) == NPU_FAULT_BUS,
		"the driver is told");
	h->fail_bus = 0;
	finish();
}

/* Other queues come first: who helps takes one tile at a time. */
static void test_other_queue(void)
{
	struct host_queue *other;
	u32 i;

	start(2);
	other = host_queue_new(s, 2, 1, 3);
	host_bind(other, 1);
	push();
	for (i = 0; i < 4; i++) {
		host_step(h, 0);
		host_step(h, 1);
	}
	host_push(other, 0, 0, 0, 0, 0);
	host_ring_doorbell(other);
	for (i = 0; i < 2 && host_done(other) < other->sequence; i++)
		host_step(h, 1);
	test_ok(host_done(other) == other->sequence && host_done(q) < q->sequence,
		"a helper executes another queue after its tile");
	host_steps(h, 1000);
	test_ok(host_done(q) == q->sequence && right(), "the leader has done the rest");
	host_queue_free(other);
	finish();
}

int main(void)
{
	test_state = test_seed();
	test_result();
	test_threads();
	test_fault();
	test_other_queue();
	/* A record cannot have what happens in the middle of a step. */
	if (!getenv("NPU_TRACE")) {
		test_wait();
		test_stop();
		test_reset();
		test_core_reset();
		test_deaf();
		test_lost();
	}
	test_eq(misuses, 0, "memory was used as it should be");
	return test_done();
}

// SPDX-License-Identifier: MIT
/*
 * Several cores with one command: the same result, the same fault, and what happens to the
 * leader's queue while a helper is in the middle of a tile.
 */
#include <unistd.h>

#include "host.h"
#include "test.h"

#define CORES	4u
#define MOST	(1u << 17)	/* elements of an operand */

/* A product of matrices; @across: the first one lies on its side. */
static struct shape {
	u32 m, n, k;
	bool across;
} shape = { .m = 1024, .n = 32, .k = 64 };

static struct host *h;
static struct host_space *s;
static struct host_queue *q;
static u64 a, b, out, stream, table;
static s32 want[MOST];

/* ---- One large product -------------------------------------------------------------------- */

struct program {
	struct npu_stream_header header;
	struct npu_cmd_matmul matmul;
};

static struct npu_tensor tensor(u32 type, u32 base, u32 rows, u32 columns, u32 esize, bool across)
{
	struct npu_tensor t = { .type = (u8)type, .rank = 2, .base = (u8)base };

	t.dim[0] = cpu_to_le32(rows);
	t.dim[1] = cpu_to_le32(columns);
	t.stride[across] = cpu_to_le64((across ? rows : columns) * esize);
	t.stride[!across] = cpu_to_le64(esize);
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
			.a = tensor(NPU_TYPE_S8, 0, shape.m, shape.k, 1, shape.across),
			.b = tensor(NPU_TYPE_S8, 1, shape.n, shape.k, 1, false),
			.out = tensor(NPU_TYPE_S32, 2, shape.m, shape.n, 4, false),
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
		{ .va = cpu_to_le64(a), .size = cpu_to_le64(shape.m * shape.k) },
		{ .va = cpu_to_le64(b), .size = cpu_to_le64(shape.n * shape.k) },
		{ .va = cpu_to_le64(out), .size = cpu_to_le64(shape.m * shape.n * 4),
		  .flags = cpu_to_le32(NPU_BASE_WRITE) },
	};

	stream = host_alloc(s, sizeof(p), HOST_R);
	table = host_alloc(s, sizeof(bases), HOST_R);
	host_write(s, stream, &p, sizeof(p));
	host_write(s, table, bases, sizeof(bases));
}

static void inputs(void)
{
	static s8 x[MOST], w[MOST];
	u32 i, j, k, at;

	for (i = 0; i < shape.m * shape.k; i++)
		x[i] = (s8)test_random();
	for (i = 0; i < shape.n * shape.k; i++)
		w[i] = (s8)test_random();
	host_write(s, a, x, shape.m * shape.k);
	host_write(s, b, w, shape.n * shape.k);
	memset(want, 0, sizeof(want));
	for (i = 0; i < shape.m; i++) {
		for (k = 0; k < shape.k; k++) {
			at = shape.across ? k * shape.m + i : i * shape.k + k;
			for (j = 0; j < shape.n; j++)
				want[i * shape.n + j] += x[at] * w[j * shape.k + k];
		}
	}
}

static void start(u32 cores)
{
	struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;

	config.cores = cores;
	h = host_new(&config);
	host_enable(h, 8);
	s = host_space_new(h, 5);
	a = host_alloc(s, shape.m * shape.k, HOST_R);
	b = host_alloc(s, shape.n * shape.k, HOST_R);
	out = host_alloc(s, shape.m * shape.n * 4, HOST_RW);
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
	static s32 got[MOST];

	host_read(s, out, got, shape.m * shape.n * 4);
	return !memcmp(got, want, shape.m * shape.n * 4);
}

static void forget(void)
{
	static const s32 none[MOST];

	host_write(s, out, none, shape.m * shape.n * 4);
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
				le64_to_cpu(q->reports[i % 8].macs) == (u64)shape.m * shape.n * shape.k;
		}
		for (i = 0; i < cores; i++)
			helped += cores > 1 && worked(i, 0);
		finish();
	}
	test_eq(good, 10 * CORES, "results and costs on 1 to %u cores", CORES);
	test_eq(helped, 2 + 3 + 4, "all cores have worked");
}

/* Tiles that a job of this shape has, if its result is right and @workers cores had some. */
static u64 tiles_of(const struct shape *new, u32 cores, u32 workers)
{
	struct shape old = shape;
	u32 i, worked_on = 0;
	u64 tiles;

	shape = *new;
	start(cores);
	push();
	host_steps(h, 100000);
	tiles = le64_to_cpu(q->context->progress);
	for (i = 0; i < cores; i++)
		worked_on += worked(i, 0);
	if (host_done(q) != q->sequence || !right() || worked_on != workers)
		tiles = 0;
	finish();
	shape = old;
	return tiles;
}

static void test_shapes(void)
{
	static const struct shape wide = { .m = 8, .n = 1024, .k = 128 };
	static const struct shape cut = { .m = 48, .n = 64, .k = 2048, .across = true };
	static const struct shape across = { .m = 48, .n = 1280, .k = 18, .across = true };
	u64 one, four;

	one = tiles_of(&wide, 1, 1);
	four = tiles_of(&wide, 4, 4);
	test_ok(one && four >= 2 * one, "few pixels: %llu tiles for 4 cores, %llu for one", four,
		one);
	one = tiles_of(&cut, 1, 1);
	four = tiles_of(&cut, 4, 1);
	test_ok(one && four == one, "results whose terms are cut are not shared: %llu tiles, %llu",
		four, one);
	one = tiles_of(&across, 1, 1);
	four = tiles_of(&across, 4, 4);
	test_ok(one && four <= 2 * one, "what is packed slowly is not packed often: %llu tiles, %llu",
		four, one);
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

/* The helper's tile, in the middle of the output, is given up after the leader has found a fault. */
static void test_deaf_fault(void)
{
	static const u32 pages[] = { 9, 25 };
	static s32 got[MOST];
	u64 va;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		start(2);
		va = out + pages[i] * HOST_PAGE;
		host_map(s, va, host_bus(s, va), HOST_R);
		interrupt(deaf);
		test_ok(was_waiting && !q->context->fault_status,
			"page %u: the leader waits with its fault", pages[i]);
		host_steps(h, 1000);
		test_ok(le32_to_cpu(q->context->fault_status) == NPU_FAULT_PERMISSION &&
			le64_to_cpu(q->context->fault_va) / HOST_PAGE == va / HOST_PAGE,
			"page %u: it is that of the job", pages[i]);
		host_read(s, out, got, pages[i] * HOST_PAGE);
		test_ok(!memcmp(got, want, pages[i] * HOST_PAGE),
			"page %u: all before it has been made", pages[i]);
		npu_model_inject(h->model, NPU_INJECT_DEAF, 0);
		finish();
	}
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
	test_shapes();
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
		test_deaf_fault();
		test_lost();
	}
	test_eq(misuses, 0, "memory was used as it should be");
	return test_done();
}

// SPDX-License-Identifier: MIT
/*
 * Faults on demand: each does what its host asked for, once or each time, and
 * nothing of it is left afterwards.
 */
#include "host.h"
#include "test.h"

static struct host *h;
static struct host_space *s;
static u64 code[2];		/* streams of 1 and of 100 no-ops */
static u32 size[2];

static void make(u32 which, u32 n)
{
	struct npu_stream_header header = {
		.magic = cpu_to_le32(NPU_ISA_MAGIC),
		.major = NPU_ISA_MAJOR,
	};
	struct npu_cmd_nop nop = { .cmd.size = cpu_to_le32(sizeof(nop)) };
	u32 i;

	size[which] = sizeof(header) + n * sizeof(nop);
	header.size = cpu_to_le32(size[which]);
	code[which] = host_alloc(s, size[which], HOST_R);
	host_write(s, code[which], &header, sizeof(header));
	for (i = 0; i < n; i++)
		host_write(s, code[which] + sizeof(header) + i * sizeof(nop), &nop, sizeof(nop));
}

static void begin(u32 cores)
{
	struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;

	config.cores = cores;
	h = host_new(&config);
	host_enable(h, 6);
	s = host_space_new(h, 5);
	make(0, 1);
	make(1, 100);
}

static void end(const char *name)
{
	host_space_free(s);
	test_eq(host_free(h), 0, "%s: all memory given back", name);
}

static struct host_queue *queue(u32 slot)
{
	struct host_queue *q = host_queue_new(s, 100 + slot, 1, 4);

	host_bind(q, slot);
	return q;
}

static void go(struct host_queue *q, u32 which)
{
	host_push(q, code[which], size[which], 0, 0, NPU_JOB_EVENT);
	host_ring_doorbell(q);
}

static u32 fault(struct host_queue *q)
{
	return le32_to_cpu(q->context->fault_status);
}

static u32 state(struct host_queue *q)
{
	return host_state(q) & NPU_SLOT_STATE;
}

/* What a driver does after a fault: the job is repeated. */
static void again(struct host_queue *q)
{
	if (state(q) != NPU_SLOT_EMPTY)
		host_command(q, NPU_SLOT_UNBIND);
	q->context->fault_status = 0;
	host_bind(q, q->slot);
}

static void finish(struct host_queue *q)
{
	if (state(q) != NPU_SLOT_EMPTY)
		host_command(q, NPU_SLOT_RESET);
	host_queue_free(q);
}

static u64 left(enum npu_inject what)
{
	return npu_model_injected(h->model, what);
}

/* ---- Ranges -------------------------------------------------------------------------------- */

static void test_ranges(void)
{
	static const struct {
		enum npu_inject what;
		u64 most;
	} range[] = {
		{ NPU_INJECT_HANG, NPU_U32_MAX }, { NPU_INJECT_CORRUPT, NPU_U32_MAX },
		{ NPU_INJECT_MEMORY, NPU_U32_MAX }, { NPU_INJECT_WALK, NPU_U32_MAX },
		{ NPU_INJECT_STATUS, NPU_U32_MAX }, { NPU_INJECT_EVENT, NPU_U32_MAX },
		{ NPU_INJECT_OVERFLOW, NPU_U32_MAX }, { NPU_INJECT_GONE, 1 },
		{ NPU_INJECT_DEAF, NPU_DEAF_ALL }, { NPU_INJECT_CLOCK, 1000000 },
		{ NPU_INJECT_LATENCY, NPU_INJECT_LATENCY_MAX },
		{ NPU_INJECT_LIMIT, 1ull << 48 },
	};
	u32 i;

	begin(1);
	test_eq(ARRAY_SIZE(range), NPU_INJECT_KINDS, "all kinds");
	for (i = 0; i < ARRAY_SIZE(range); i++) {
		test_ok(!left(range[i].what) &&
			trace_inject(&h->trace, range[i].what, range[i].most) &&
			left(range[i].what) == range[i].most, "kind %u: the most", i);
		test_ok(!trace_inject(&h->trace, range[i].what, range[i].most + 1) &&
			left(range[i].what) == range[i].most, "kind %u: more", i);
		test_ok(trace_inject(&h->trace, range[i].what, 0) && !left(range[i].what),
			"kind %u: none", i);
	}
	test_ok(!trace_inject(&h->trace, NPU_INJECT_KINDS, 0) && !left(NPU_INJECT_KINDS),
		"no such kind");
	end("ranges");
}

/* ---- Memory --------------------------------------------------------------------------------- */

/* Each access of a job in turn. */
static void test_memory(void)
{
	struct host_queue *q;
	u32 n, good = 0, bus = 0, walk = 0, lost = 0, fatal = 0, other = 0;

	begin(1);
	q = queue(0);
	for (n = 1; n < 40; n++) {
		host_invalidate(s, 0, 0);
		trace_inject(&h->trace, NPU_INJECT_MEMORY, n);
		host_push(q, code[0], size[0], 0, 0, NPU_JOB_EVENT);
		host_ring_doorbell(q);
		host_steps(h, 100);
		if (host_reg(h, NPU_REG_STATUS) & NPU_STATUS_FATAL) {
			fatal++;
			host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
			host_enable(h, 6);
		} else if (state(q) == NPU_SLOT_EMPTY) {
			lost++;
		} else if (left(NPU_INJECT_MEMORY)) {
			good++;
		} else {
			bus += fault(q) == NPU_FAULT_BUS;
			walk += fault(q) == NPU_FAULT_WALK;
			other += fault(q) != NPU_FAULT_BUS && fault(q) != NPU_FAULT_WALK;
		}
		trace_inject(&h->trace, NPU_INJECT_MEMORY, 0);
		again(q);
		host_steps(h, 100);
		if (host_done(q) != n) {
			test_eq(host_done(q), n, "access %u: the job runs again", n);
			break;
		}
	}
	printf("# %u good, %u bus, %u walk, %u lost, %u fatal\n", good, bus, walk, lost, fatal);
	test_ok(good > 5 && bus >= 2 && walk == 4 && lost >= 3 && fatal == 1 && !other,
		"each access fails in its way");
	test_eq(npu_model_bus_errors(h->model), 0, "none of them is the host's");
	finish(q);
	end("memory");
}

static void test_limit(void)
{
	struct host_queue *q;

	begin(1);
	q = queue(0);
	trace_inject(&h->trace, NPU_INJECT_LIMIT, HOST_BUS);
	go(q, 0);
	host_steps(h, 10);
	test_ok(state(q) == NPU_SLOT_EMPTY && !host_done(q), "beyond the limit: lost");
	trace_inject(&h->trace, NPU_INJECT_LIMIT, 1ull << 48);
	again(q);
	host_steps(h, 10);
	test_eq(host_done(q), 1, "below the limit: no difference");
	trace_inject(&h->trace, NPU_INJECT_LIMIT, 0);
	test_eq(npu_model_bus_errors(h->model), 0, "no error of the host's");
	finish(q);
	end("limit");
}

static void test_walk(void)
{
	struct host_queue *q;

	begin(1);
	q = queue(0);
	trace_inject(&h->trace, NPU_INJECT_WALK, 2);
	go(q, 0);
	host_steps(h, 10);
	test_ok(host_done(q) == 1 && left(NPU_INJECT_WALK) == 1, "the first walk is good");
	host_invalidate(s, 0, 0);
	go(q, 0);
	host_steps(h, 10);
	test_ok(fault(q) == NPU_FAULT_WALK && state(q) == NPU_SLOT_HALTED &&
		le64_to_cpu(q->context->fault_va) == code[0] &&
		le32_to_cpu(q->context->fault_detail) == NPU_PT_LEVELS - 1, "the second is not");
	again(q);
	host_steps(h, 10);
	test_ok(host_done(q) == 2 && !left(NPU_INJECT_WALK), "once");
	finish(q);
	end("walk");
}

/* ---- What the device says -------------------------------------------------------------------- */

static void test_status(void)
{
	struct host_queue *q;
	u32 i;

	begin(1);
	q = queue(0);
	trace_inject(&h->trace, NPU_INJECT_STATUS, NPU_INJECT_EACH);
	for (i = 0; i < 3; i++) {
		trace_inject(&h->trace, NPU_INJECT_WALK, 1);
		host_invalidate(s, 0, 0);
		if (i)
			again(q);
		else
			go(q, 0);
		host_steps(h, 10);
		test_eq(fault(q), ~(u32)NPU_FAULT_WALK, "a status that does not exist");
	}
	trace_inject(&h->trace, NPU_INJECT_STATUS, 0);
	again(q);
	host_steps(h, 10);
	test_eq(host_done(q), 1, "works again");
	finish(q);
	end("status");
}

static void test_event(void)
{
	struct host_queue *q;
	struct npu_event e;

	begin(1);
	q = queue(0);
	trace_inject(&h->trace, NPU_INJECT_EVENT, 2);
	go(q, 0);
	go(q, 0);
	go(q, 0);
	host_steps(h, 20);
	test_ok(host_event(h, &e) && le32_to_cpu(e.type) == NPU_EVENT_DONE, "first record");
	test_ok(host_event(h, &e) && le32_to_cpu(e.type) == NPU_U32_MAX &&
		le64_to_cpu(e.sequence) == ~0ull, "garbage");
	test_ok(host_event(h, &e) && le64_to_cpu(e.sequence) == 3, "third record");
	test_eq(host_done(q), 3, "the jobs do not care");
	finish(q);
	end("event");
}

static void test_overflow(void)
{
	struct host_queue *q;
	struct npu_event e;

	begin(1);
	q = queue(0);
	trace_inject(&h->trace, NPU_INJECT_OVERFLOW, 2);
	go(q, 0);
	go(q, 0);
	host_steps(h, 20);
	test_ok(!host_event(h, &e) && host_reg(h, NPU_REG_IRQ_STATUS) & NPU_IRQ_OVERFLOW,
		"two are dropped");
	test_eq(host_done(q), 2, "the jobs do not care");
	go(q, 0);
	host_steps(h, 20);
	test_ok(host_event(h, &e) && le64_to_cpu(e.sequence) == 3, "and no more");
	finish(q);
	end("overflow");
}

/* ---- Resets ------------------------------------------------------------------------------------ */

static void test_deaf_queue(void)
{
	struct host_queue *q, *idle;

	begin(2);
	q = queue(0);
	idle = queue(1);
	trace_inject(&h->trace, NPU_INJECT_DEAF, NPU_DEAF_QUEUE);
	trace_inject(&h->trace, NPU_INJECT_HANG, 10);
	go(q, 1);
	host_steps(h, 20);
	host_command(q, NPU_SLOT_RESET);
	host_command(idle, NPU_SLOT_RESET);
	host_steps(h, 10);
	test_eq(host_state(q), NPU_SLOT_STOPPING | NPU_SLOT_BUSY, "hung: stays so");
	test_eq(host_state(idle), NPU_SLOT_STOPPING, "idle: stays so");
	host_set(h, NPU_REG_RESET, NPU_RESET_CORE(NPU_SLOT_CORE(host_state(q))));
	test_ok(!host_reg(h, NPU_REG_RESET) && state(q) == NPU_SLOT_EMPTY &&
		fault(q) == NPU_FAULT_ABORTED, "a core reset takes it away");
	trace_inject(&h->trace, NPU_INJECT_DEAF, 0);
	test_eq(state(idle), NPU_SLOT_EMPTY, "heard at last");
	finish(q);
	finish(idle);
	end("deaf queue");
}

/* A job that ends by itself does not acknowledge a reset. */
static void test_deaf_end(void)
{
	struct host_queue *q;

	begin(1);
	q = queue(0);
	trace_inject(&h->trace, NPU_INJECT_DEAF, NPU_DEAF_QUEUE);
	go(q, 1);
	host_steps(h, 10);
	host_command(q, NPU_SLOT_STOP);
	host_steps(h, 1000);
	test_ok(host_done(q) == 1 && state(q) == NPU_SLOT_STOPPING, "its end is no answer");
	host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
	test_ok(!host_reg(h, NPU_REG_RESET) && state(q) == NPU_SLOT_EMPTY,
		"a function reset is one");
	trace_inject(&h->trace, NPU_INJECT_DEAF, 0);
	finish(q);
	end("deaf end");
}

static void test_deaf_core(void)
{
	struct host_queue *q, *other;
	u32 status;

	begin(2);
	q = queue(0);
	other = queue(1);
	trace_inject(&h->trace, NPU_INJECT_DEAF, NPU_DEAF_CORE);
	trace_inject(&h->trace, NPU_INJECT_HANG, 10);
	go(q, 1);
	host_steps(h, 20);
	status = host_state(q);
	host_set(h, NPU_REG_RESET, NPU_RESET_CORE(NPU_SLOT_CORE(status)));
	host_steps(h, 10);
	test_ok(host_reg(h, NPU_REG_RESET) == NPU_RESET_CORE_BUSY && host_state(q) == status,
		"nothing happens");
	go(other, 1);
	host_steps(h, 1000);
	test_ok(host_done(other) == 1, "the other core works");
	trace_inject(&h->trace, NPU_INJECT_DEAF, 0);
	test_ok(!host_reg(h, NPU_REG_RESET) && state(q) == NPU_SLOT_HALTED &&
		fault(q) == NPU_FAULT_ABORTED, "heard at last");
	again(q);
	host_steps(h, 1000);
	test_eq(host_done(q), 1, "works again");
	finish(q);
	finish(other);
	end("deaf core");
}

static void test_deaf_function(void)
{
	struct host_queue *q;

	begin(2);
	q = queue(0);
	trace_inject(&h->trace, NPU_INJECT_DEAF, NPU_DEAF_ALL);
	trace_inject(&h->trace, NPU_INJECT_HANG, 10);
	go(q, 1);
	host_steps(h, 20);
	host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
	host_steps(h, 10);
	test_ok(host_reg(h, NPU_REG_RESET) == NPU_RESET_FUNCTION &&
		!host_reg(h, NPU_REG_STATUS), "not acknowledged");
	host_enable(h, 6);
	test_ok(!host_reg(h, NPU_REG_CONTROL), "nor does anything else happen");
	trace_inject(&h->trace, NPU_INJECT_DEAF, 0);
	test_ok(!host_reg(h, NPU_REG_RESET) &&
		host_reg(h, NPU_REG_STATUS) == NPU_STATUS_READY, "acknowledged at last");
	host_enable(h, 6);
	host_bind(q, 0);
	host_steps(h, 1000);
	test_eq(host_done(q), 1, "works again");
	finish(q);
	end("deaf function");
}

/* ---- Time ----------------------------------------------------------------------------------------- */

static void take_time(struct host *host, u64 bus, void *arg)
{
	(void)bus;
	(void)arg;
	__atomic_add_fetch(&host->time, 1000, __ATOMIC_RELAXED);
}

/* How long a job of many commands takes. */
static u64 duration(struct host_queue *q)
{
	u64 start = h->time, done = host_done(q);
	u32 i;

	go(q, 1);
	for (i = 0; i < 1000000 && host_done(q) == done; i++)
		if (host_step(h, 0) == NPU_STEP_RESTING)
			h->time += 100000;
	return h->time - start;
}

static void test_clock(void)
{
	struct host_queue *q;
	u64 fast, slow;

	begin(1);
	q = queue(0);
	h->mapped = take_time;
	duration(q);
	fast = duration(q);
	trace_inject(&h->trace, NPU_INJECT_CLOCK, 1000);
	test_eq(host_reg(h, NPU_REG_CLOCK_NOW), 1000, "CLOCK_NOW");
	test_eq(host_reg(h, NPU_REG_CLOCK_KHZ), 1000000, "the nominal clock stays");
	slow = duration(q);
	test_ok(slow > fast * 900 && slow < fast * 1100, "a thousandth of the clock: %llu, %llu",
		(unsigned long long)fast, (unsigned long long)slow);
	trace_inject(&h->trace, NPU_INJECT_CLOCK, 0);
	test_eq(host_reg(h, NPU_REG_CLOCK_NOW), 1000000, "back to normal");
	test_ok(duration(q) < 2 * fast, "at once");
	finish(q);
	end("clock");
}

static void test_latency(void)
{
	struct host_queue *q;
	u64 fast, slow;

	begin(1);
	q = queue(0);
	h->mapped = take_time;
	duration(q);
	fast = duration(q);
	trace_inject(&h->trace, NPU_INJECT_LATENCY, 5000);
	slow = duration(q) - fast;
	test_ok(slow >= 500000000 && slow < 520000000, "100 commands, 5 ms each");
	trace_inject(&h->trace, NPU_INJECT_LATENCY, NPU_INJECT_LATENCY_MAX);
	go(q, 0);
	host_steps(h, 10);
	host_command(q, NPU_SLOT_STOP);
	test_ok(state(q) == NPU_SLOT_EMPTY && fault(q) == NPU_FAULT_ABORTED,
		"STOP does not wait for it");
	trace_inject(&h->trace, NPU_INJECT_LATENCY, 0);
	again(q);
	host_steps(h, 10);
	test_eq(host_done(q), 4, "works again, at once");
	finish(q);
	end("latency");
}

int main(void)
{
	test_ranges();
	test_memory();
	test_limit();
	test_walk();
	test_status();
	test_event();
	test_overflow();
	test_deaf_queue();
	test_deaf_end();
	test_deaf_core();
	test_deaf_function();
	test_clock();
	test_latency();
	return test_done();
}

// SPDX-License-Identifier: MIT
/*
 * Queues, slots, scheduling, events, interrupts, resets, counters, faults on
 * demand: the device as its driver sees it, one step after the other.
 */
#include "host.h"
#include "test.h"

#define NOPS_MAX	2000
#define TURN		(4096 / 16)	/* no-ops of one turn at weight 1 */

static struct host *h;
static struct host_space *s;
static u64 code[NOPS_MAX / 100 + 1];

static void begin_with(u32 cores, u32 irqs)
{
	struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;

	config.cores = cores;
	config.irqs = irqs;
	config.slots = 70;
	h = host_new(&config);
	host_enable(h, 6);
	s = host_space_new(h, 5);
	memset(code, 0, sizeof(code));
}

static void begin(void)
{
	begin_with(1, 2);
}

static void end(const char *name)
{
	host_space_free(s);
	test_eq(host_free(h), 0, "%s: all memory given back", name);
}

/* A stream of @n no-ops, made once per device. */
static u64 nops(u32 n, u32 *size)
{
	struct npu_stream_header header = {
		.magic = cpu_to_le32(NPU_ISA_MAGIC),
		.major = NPU_ISA_MAJOR,
	};
	struct npu_cmd_nop nop = { .cmd.size = cpu_to_le32(sizeof(nop)) };
	u64 va;
	u32 i;

	*size = sizeof(header) + n * sizeof(nop);
	header.size = cpu_to_le32(*size);
	if (n % 100 == 0 && code[n / 100])
		return code[n / 100];
	va = host_alloc(s, *size, HOST_R);
	host_write(s, va, &header, sizeof(header));
	for (i = 0; i < n; i++)
		host_write(s, va + sizeof(header) + i * sizeof(nop), &nop, sizeof(nop));
	if (n % 100 == 0)
		code[n / 100] = va;
	return va;
}

static u64 push(struct host_queue *q, u32 n, u32 flags)
{
	u32 size;
	u64 va = nops(n, &size);

	return host_push(q, va, n ? size : 0, 0, 0, flags);
}

static u64 go(struct host_queue *q, u32 n, u32 flags)
{
	u64 sequence = push(q, n, flags);

	host_ring_doorbell(q);
	return sequence;
}

static struct host_queue *queue(u32 slot, u32 priority)
{
	struct host_queue *q = host_queue_new(s, 100 + slot, priority, 4);

	host_bind(q, slot);
	return q;
}

static u64 progress(struct host_queue *q)
{
	return le64_to_cpu(q->context->progress);
}

static u32 fault(struct host_queue *q)
{
	return le32_to_cpu(q->context->fault_status);
}

static u32 state(struct host_queue *q)
{
	return host_state(q) & NPU_SLOT_STATE;
}

static bool event_is(u32 type, struct host_queue *q, u64 sequence, u32 status)
{
	struct npu_event e;

	if (!host_event(h, &e)) {
		printf("# no event\n");
		return false;
	}
	if (le32_to_cpu(e.type) == type &&
	    le32_to_cpu(e.queue) == le32_to_cpu(q->context->queue) &&
	    le64_to_cpu(e.sequence) == sequence && le32_to_cpu(e.status) == status &&
	    le32_to_cpu(e.slot) == q->slot)
		return true;
	printf("# event type %u queue %u sequence %llu status %u slot %u\n",
	       le32_to_cpu(e.type), le32_to_cpu(e.queue),
	       (unsigned long long)le64_to_cpu(e.sequence), le32_to_cpu(e.status),
	       le32_to_cpu(e.slot));
	return false;
}

/* ---- Discovery and registers --------------------------------------------------------- */

static void test_registers(void)
{
	struct npu_model_config bad = NPU_MODEL_CONFIG_DEFAULT;
	u32 time;

	begin();
	test_eq(host_reg(h, NPU_REG_ID), NPU_ID, "ID");
	test_eq(host_reg(h, NPU_REG_VERSION), 0x10001, "VERSION");
	test_eq(host_reg(h, NPU_REG_ISA), NPU_ISA_MAJOR << 16 | NPU_ISA_MINOR, "ISA");
	test_eq(host_reg(h, NPU_REG_ISA_FEATURES_LO), 0x7f, "ISA_FEATURES");
	test_eq(host_reg(h, NPU_REG_SLOTS), 70, "SLOTS");
	test_eq(host_reg(h, NPU_REG_PAGE_SIZES), 0x201000, "PAGE_SIZES");
	test_eq(host_reg(h, NPU_REG_STATUS), NPU_STATUS_READY, "STATUS");
	test_eq(host_reg(h, NPU_REG_WEIGHT(2)), 4, "default weight");
	host_set(h, NPU_REG_WEIGHT(2), 0);
	test_eq(host_reg(h, NPU_REG_WEIGHT(2)), 1, "least weight");
	host_set(h, NPU_REG_WEIGHT(2), 1000);
	test_eq(host_reg(h, NPU_REG_WEIGHT(2)), 255, "largest weight");
	test_eq(host_reg(h, 0x3ffc), 0, "no register");
	test_eq(host_reg(h, NPU_REG_SLOT_STATUS(70)), 0, "no slot");
	time = host_reg(h, NPU_REG_TIME_LO);
	test_ok(time < host_reg(h, NPU_REG_TIME_LO), "time goes on");
	test_eq(host_reg(h, NPU_REG_POWER), NPU_POWER_IDLE, "idle");
	bad.cores = 0;
	test_eq(npu_model_size(&bad), 0, "no cores");
	bad.cores = NPU_MAX_CORES + 1;
	test_eq(npu_model_size(&bad), 0, "too many cores");
	end("registers");
}

/* ---- Rings ------------------------------------------------------------------------------ */

static void test_ring(void)
{
	struct host_queue *q;
	struct npu_event e;
	u32 i, k, bad = 0;

	begin();
	q = host_queue_new(s, 9, 1, 1);
	host_bind(q, 69);
	test_eq(host_state(q), NPU_SLOT_BOUND, "bound");
	for (i = 0; i < 50; i++) {
		for (k = 0; k < 1 + i % 2; k++)
			push(q, i % 3, NPU_JOB_EVENT);
		host_ring_doorbell(q);
		host_steps(h, 1000);
		bad += host_done(q) != q->sequence;
		bad += le64_to_cpu(q->reports[(le64_to_cpu(q->context->read_index) - 1) & 1].sequence) !=
		       q->sequence;
		while (host_event(h, &e))
			bad += le64_to_cpu(e.start) >= le64_to_cpu(e.end);
	}
	test_eq(bad, 0, "ring of two entries, 75 jobs");
	test_eq(le64_to_cpu(q->context->jobs), 75, "jobs counted");
	test_eq(le64_to_cpu(q->context->read_index), 75, "read index");
	test_eq(le64_to_cpu(q->context->started), q->sequence, "started");
	host_ring_doorbell(q);
	host_ring_doorbell(q);
	host_steps(h, 10);
	trace_doorbell(&h->trace, 3, 0);
	trace_doorbell(&h->trace, 1000, 0);
	test_eq(le64_to_cpu(q->context->jobs), 75, "doorbells without work");
	push(q, 1, 0);
	host_steps(h, 10);
	test_eq(host_done(q), q->sequence - 1, "no doorbell, no work");
	host_command(q, NPU_SLOT_UNBIND);
	test_eq(state(q), NPU_SLOT_EMPTY, "unbound at once");
	test_ok(event_is(NPU_EVENT_UNBOUND, q, q->sequence - 1, 0), "event UNBOUND");
	host_bind(q, 2);
	host_steps(h, 10);
	test_eq(host_done(q), q->sequence, "bind finds the work");
	q->context->write_index = cpu_to_le64(le64_to_cpu(q->context->read_index) + 3);
	host_ring_doorbell(q);
	host_steps(h, 10);
	test_eq(fault(q), NPU_FAULT_DESCRIPTOR, "write index beyond the ring");
	host_command(q, NPU_SLOT_STOP);
	host_queue_free(q);
	end("ring");
}

static void entry_case(const char *name, u32 offset, u64 value, u32 width)
{
	struct host_queue *q = queue(1, 1);

	push(q, 1, 0);
	memcpy((u8 *)q->ring + offset, &value, width);
	host_ring_doorbell(q);
	host_steps(h, 10);
	test_ok(fault(q) == NPU_FAULT_DESCRIPTOR && state(q) == NPU_SLOT_HALTED &&
		event_is(NPU_EVENT_FAULT, q, offset ? 1 : value, NPU_FAULT_DESCRIPTOR),
		"ring entry: %s", name);
	host_command(q, NPU_SLOT_UNBIND);
	test_ok(event_is(NPU_EVENT_UNBOUND, q, 0, 0) && !host_done(q), "unbound: %s", name);
	host_queue_free(q);
}

static void test_entries(void)
{
	begin();
	entry_case("sequence 0", 0, 0, 8);
	entry_case("stream misaligned", 8, 4, 8);
	entry_case("bases misaligned", 16, 1, 8);
	entry_case("too many bases", 28, 33, 4);
	entry_case("unknown flag", 32, 2, 4);
	entry_case("reserved", 36, 1, 4);
	entry_case("reserved", 60, 1, 4);
	end("entries");
}

/* ---- Contexts ------------------------------------------------------------------------------ */

static void context_case(const char *name, u32 offset, u64 value, u32 width)
{
	struct host_queue *q = host_queue_new(s, 4, 1, 4);

	memcpy((u8 *)q->context + offset, &value, width);
	host_bind(q, 1);
	test_ok(state(q) == NPU_SLOT_HALTED && fault(q) == NPU_FAULT_DESCRIPTOR &&
		event_is(NPU_EVENT_FAULT, q, 0, NPU_FAULT_DESCRIPTOR), "context: %s", name);
	host_command(q, NPU_SLOT_UNBIND);
	test_ok(event_is(NPU_EVENT_UNBOUND, q, 0, 0), "unbound: %s", name);
	host_queue_free(q);
}

static void test_contexts(void)
{
	struct host_queue *q;

	begin();
	context_case("ring misaligned", 0, 0x100000020ull, 8);
	context_case("ring beyond the bus", 0, 1ull << 48, 8);
	context_case("reports misaligned", 8, 0x100000008ull, 8);
	context_case("page table misaligned", 16, 0x100000800ull, 8);
	context_case("page table beyond the bus", 16, 1ull << 50, 8);
	context_case("asid", 24, 0x10000, 4);
	context_case("ring order 0", 28, 0, 4);
	context_case("ring order", 28, 13, 4);
	context_case("ring order", 28, 0xffffffff, 4);
	context_case("priority", 32, 4, 4);
	context_case("priority", 32, 0xffffffff, 4);
	context_case("reserved", 40, 1, 8);
	context_case("reserved", 56, 1, 8);
	q = host_queue_new(s, 0, 1, 4);
	q->context->fault_status = cpu_to_le32(NPU_FAULT_BUS);
	host_bind(q, 1);
	go(q, 1, 0);
	host_steps(h, 10);
	test_ok(state(q) == NPU_SLOT_HALTED && !host_done(q), "sticky fault halts at BIND");
	host_command(q, NPU_SLOT_STOP);
	test_ok(event_is(NPU_EVENT_UNBOUND, q, 0, 0), "and that is all");
	q->context->fault_status = 0;
	h->fail_bus = q->bus;
	host_bind(q, 1);
	q->context->queue = 0;
	test_ok(state(q) == NPU_SLOT_EMPTY && event_is(NPU_EVENT_UNBOUND, q, 0, NPU_FAULT_BUS),
		"context unreachable at BIND");
	h->fail_bus = 0;
	host_bind(q, 1);
	go(q, 100, 0);
	host_steps(h, 5);
	h->fail_bus = q->bus;
	host_steps(h, 5);
	test_ok(state(q) == NPU_SLOT_EMPTY && event_is(NPU_EVENT_UNBOUND, q, 1, NPU_FAULT_BUS),
		"context unreachable while it runs");
	test_ok(npu_model_bus_errors(h->model) >= 2, "bus errors counted");
	h->fail_bus = 0;
	host_queue_free(q);
	q = queue(2, 0);
	h->fail_bus = q->ring_bus;
	go(q, 1, 0);
	host_steps(h, 5);
	test_ok(fault(q) == NPU_FAULT_BUS && le64_to_cpu(q->context->fault_va) == q->ring_bus,
		"ring unreachable");
	host_command(q, NPU_SLOT_RESET);
	host_queue_free(q);
	q = queue(2, 0);
	h->fail_bus = q->report_bus;
	go(q, 1, 0);
	host_steps(h, 5);
	test_ok(fault(q) == NPU_FAULT_BUS && !host_done(q), "report unreachable");
	host_command(q, NPU_SLOT_RESET);
	host_queue_free(q);
	end("contexts");
}

/* ---- Scheduling ------------------------------------------------------------------------------ */

static void test_priorities(void)
{
	struct host_queue *low, *high, *q[3];
	u32 i;

	begin();
	low = queue(0, 0);
	high = queue(1, NPU_PRIORITY_REALTIME);
	go(low, 100, 0);
	go(high, 100, 0);
	host_steps(h, 100);
	test_ok(progress(high) == 100 && !progress(low), "realtime first");
	host_steps(h, 50);
	test_ok(progress(low) > 45, "then the other");
	host_steps(h, 1000);
	go(low, 500, 0);
	host_steps(h, 10);
	i = (u32)progress(low);
	go(high, 20, 0);
	host_steps(h, 20);
	test_ok(progress(high) == 120 && progress(low) == i, "preempted at a command boundary");
	test_ok(le64_to_cpu(low->context->resume_offset) == 24 + 8 * (u64)(i - 100),
		"resume offset");
	test_eq(host_state(low), NPU_SLOT_BOUND, "preempted queue is not busy");
	host_steps(h, 2000);
	test_eq(progress(low), 600, "nothing executed twice");
	test_eq(host_done(low), 2, "complete");
	test_eq(le64_to_cpu(low->context->resume_offset), 0, "nothing to resume");
	test_eq(le64_to_cpu(low->reports[1].cycles), 500 * 16, "costs of both parts");
	host_command(low, NPU_SLOT_STOP);
	host_command(high, NPU_SLOT_STOP);
	host_queue_free(low);
	host_queue_free(high);
	for (i = 0; i < 3; i++) {
		q[i] = queue(10 + i, i);
		for (u32 k = 0; k < 15; k++)
			push(q[i], 1900, 0);
		host_ring_doorbell(q[i]);
	}
	host_steps(h, 7 * TURN * 4);
	test_eq(progress(q[0]), 4 * TURN, "weight 1");
	test_eq(progress(q[1]), 8 * TURN, "weight 2");
	test_eq(progress(q[2]), 16 * TURN, "weight 4");
	for (i = 0; i < 3; i++) {
		host_command(q[i], NPU_SLOT_RESET);
		host_queue_free(q[i]);
	}
	end("priorities");
}

static void test_bound(void)
{
	struct host_queue *q[20];
	u32 i, k, bad = 0;

	begin();
	for (i = 0; i < 20; i++) {
		q[i] = queue(i * 3, i == 7 ? 0 : 2);
		for (k = 0; k < 10; k++)
			push(q[i], 1900, 0);
		host_ring_doorbell(q[i]);
	}
	host_steps(h, 19 * 4 * TURN + TURN);
	for (i = 0; i < 20; i++)
		bad += !progress(q[i]);
	test_eq(bad, 0, "each of 20 queues runs within a round");
	for (i = 0; i < 20; i++) {
		host_command(q[i], NPU_SLOT_STOP);
		host_queue_free(q[i]);
	}
	end("bound");
}

static void test_cores(void)
{
	struct host_queue *a, *b;

	begin_with(2, 2);
	a = queue(0, 1);
	b = queue(1, 1);
	go(a, 100, 0);
	host_step(h, 0);
	host_step(h, 1);
	test_eq(progress(a), 1, "one core per queue");
	go(b, 100, 0);
	host_step(h, 0);
	host_step(h, 1);
	test_ok(progress(a) == 2 && progress(b) == 1, "two queues on two cores");
	test_eq(host_reg(h, NPU_REG_POWER), NPU_POWER_ON, "busy");
	host_steps(h, 1000);
	test_eq(host_reg(h, NPU_REG_CORE_BUSY_LO(0)) + host_reg(h, NPU_REG_CORE_BUSY_LO(1)),
		200 * 16, "busy cycles");
	go(a, 100, 0);
	host_step(h, 0);
	host_set(h, NPU_REG_CONTROL, 0);
	host_steps(h, 10);
	test_ok(progress(a) == 101 && host_state(a) == NPU_SLOT_BOUND, "disabled");
	host_set(h, NPU_REG_CONTROL, NPU_CONTROL_ENABLE);
	host_steps(h, 1000);
	test_eq(progress(a), 200, "enabled again");
	host_command(a, NPU_SLOT_STOP);
	host_command(b, NPU_SLOT_STOP);
	host_queue_free(a);
	host_queue_free(b);
	end("cores");
}

/* ---- Unbind, stop, reset --------------------------------------------------------------------- */

static void test_unbind(void)
{
	struct host_queue *q;

	begin();
	q = queue(0, 1);
	go(q, 100, NPU_JOB_EVENT);
	host_steps(h, 30);
	test_eq(host_state(q), NPU_SLOT_BOUND | NPU_SLOT_BUSY, "busy");
	host_command(q, NPU_SLOT_UNBIND);
	host_steps(h, 10);
	test_ok(state(q) == NPU_SLOT_EMPTY && event_is(NPU_EVENT_UNBOUND, q, 0, 0),
		"unbound at a command boundary");
	test_eq(le64_to_cpu(q->context->resume_offset), 24 + 30 * 8, "where it goes on");
	host_bind(q, 5);
	host_steps(h, 200);
	test_ok(host_done(q) == 1 && progress(q) == 100 &&
		event_is(NPU_EVENT_DONE, q, 1, 0), "goes on in another slot");
	test_eq(le64_to_cpu(q->reports[0].cycles), 1600, "costs of both parts");
	go(q, 100, 0);
	host_steps(h, 30);
	host_command(q, NPU_SLOT_STOP);
	host_steps(h, 3);
	test_ok(fault(q) == NPU_FAULT_ABORTED && host_done(q) == 1 &&
		le64_to_cpu(q->context->fault_sequence) == 2, "stopped");
	test_ok(event_is(NPU_EVENT_UNBOUND, q, 1, NPU_FAULT_ABORTED), "event UNBOUND");
	test_ok(progress(q) <= 131, "at once");
	q->context->fault_status = 0;
	q->context->read_index = q->context->write_index;
	host_bind(q, 1);
	host_steps(h, 10);
	host_command(q, NPU_SLOT_STOP);
	test_ok(!fault(q) && event_is(NPU_EVENT_UNBOUND, q, 1, 0), "idle queue: no fault");
	host_bind(q, 1);
	go(q, 100, 0);
	host_command(q, NPU_SLOT_RESET);
	test_ok(!fault(q) && event_is(NPU_EVENT_UNBOUND, q, 1, 0), "job not begun: no fault");
	host_command(q, NPU_SLOT_RESET);
	test_ok(!host_event(h, &(struct npu_event){ 0 }), "empty slot takes no command");
	host_queue_free(q);
	end("unbind");
}

/* What a context says about a job that was suspended. */
static void resume_case(const char *name, u64 started, u64 resume, u32 status, u64 tiles)
{
	struct host_queue *q = host_queue_new(s, 1, 1, 2);

	push(q, 100, 0);
	q->context->started = cpu_to_le64(started);
	q->context->resume_offset = cpu_to_le64(resume);
	host_bind(q, 1);
	host_steps(h, 500);
	test_ok(fault(q) == status && progress(q) == tiles, "resume: %s", name);
	host_command(q, NPU_SLOT_STOP);
	host_queue_free(q);
}

static void test_resume(void)
{
	begin();
	resume_case("in the middle", 1, 24 + 8 * 60, 0, 40);
	resume_case("at the end", 1, 24 + 8 * 100, 0, 0);
	resume_case("another job", 2, 24 + 8 * 60, 0, 100);
	resume_case("inside the header", 1, 16, NPU_FAULT_ILLEGAL, 0);
	resume_case("not aligned", 1, 28, NPU_FAULT_ILLEGAL, 0);
	resume_case("behind the end", 1, 24 + 8 * 101, NPU_FAULT_ILLEGAL, 0);
	resume_case("far away", 1, (1ull << 32) + 24, NPU_FAULT_ILLEGAL, 0);
	end("resume");
}

static void test_function_reset(void)
{
	struct host_queue *q;
	struct npu_event e;

	begin();
	q = queue(0, 1);
	go(q, 100, 0);
	host_steps(h, 30);
	host_set(h, NPU_REG_IRQ_MODERATION, 7);
	h->irqs[1] = 0;
	host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
	test_eq(host_reg(h, NPU_REG_RESET), 0, "acknowledged");
	test_eq(host_reg(h, NPU_REG_STATUS), NPU_STATUS_READY, "ready");
	test_ok(h->irqs[1] == 1 && host_reg(h, NPU_REG_IRQ_STATUS) == NPU_IRQ_RESET,
		"interrupt");
	test_ok(!host_reg(h, NPU_REG_CONTROL) && !host_reg(h, NPU_REG_IRQ_MODERATION) &&
		!host_reg(h, NPU_REG_EVENT_ORDER), "registers are default");
	test_eq(state(q), NPU_SLOT_EMPTY, "slot empty");
	host_steps(h, 10);
	test_ok(progress(q) == 30 && !fault(q), "nothing runs");
	host_enable(h, 4);
	host_bind(q, 0);
	host_steps(h, 1000);
	test_eq(host_done(q), 1, "works again");
	test_ok(!host_event(h, &e), "no event from before");
	host_command(q, NPU_SLOT_RESET);
	host_queue_free(q);
	end("function reset");
}

static void test_core_reset(void)
{
	struct host_queue *q;

	begin_with(2, 2);
	q = queue(0, 1);
	host_set(h, NPU_REG_IRQ_STATUS, ~0u);
	host_set(h, NPU_REG_RESET, NPU_RESET_CORE(1));
	test_ok(!host_reg(h, NPU_REG_RESET) && host_reg(h, NPU_REG_IRQ_STATUS) == NPU_IRQ_RESET,
		"idle core");
	go(q, 100, 0);
	host_step(h, 1);
	test_ok(host_state(q) & NPU_SLOT_BUSY && NPU_SLOT_CORE(host_state(q)) == 1,
		"SLOT_STATUS names the core");
	host_set(h, NPU_REG_RESET, NPU_RESET_CORE(0));
	test_ok(!fault(q) && state(q) == NPU_SLOT_BOUND, "the other core");
	host_set(h, NPU_REG_RESET, NPU_RESET_CORE(1));
	test_ok(fault(q) == NPU_FAULT_ABORTED && state(q) == NPU_SLOT_HALTED &&
		event_is(NPU_EVENT_FAULT, q, 1, NPU_FAULT_ABORTED), "busy core: queue halted");
	host_set(h, NPU_REG_RESET, NPU_RESET_CORE(9));
	test_eq(host_reg(h, NPU_REG_RESET), 0, "no such core");
	host_command(q, NPU_SLOT_UNBIND);
	q->context->fault_status = 0;
	host_bind(q, 0);
	host_steps(h, 1000);
	test_eq(host_done(q), 1, "the job runs again");
	host_command(q, NPU_SLOT_UNBIND);
	host_queue_free(q);
	end("core reset");
}

/* ---- Events and interrupts -------------------------------------------------------------------- */

static void test_overflow(void)
{
	struct host_queue *q;
	struct npu_event e;
	u32 i, n = 0;

	begin();
	host_set(h, NPU_REG_EVENT_ORDER, 2);
	q = queue(0, 1);
	for (i = 0; i < 10; i++)
		push(q, 0, NPU_JOB_EVENT);
	host_ring_doorbell(q);
	host_steps(h, 100);
	test_eq(host_done(q), 10, "jobs complete without room for events");
	test_ok(host_reg(h, NPU_REG_IRQ_STATUS) & NPU_IRQ_OVERFLOW, "OVERFLOW");
	test_eq(host_reg(h, NPU_REG_EVENT_WRITE), 4, "four records");
	while (host_event(h, &e))
		n += le64_to_cpu(e.sequence) == n + 1;
	test_eq(n, 4, "the first four");
	test_ok(!(host_reg(h, NPU_REG_IRQ_STATUS) & NPU_IRQ_EVENT), "EVENT is gone when read");
	go(q, 0, NPU_JOB_EVENT);
	host_steps(h, 10);
	test_ok(event_is(NPU_EVENT_DONE, q, 11, 0), "then there is room again");
	host_set(h, NPU_REG_EVENT_ORDER, 0);
	go(q, 0, NPU_JOB_EVENT);
	host_steps(h, 10);
	test_eq(host_done(q), 12, "no ring");
	host_set(h, NPU_REG_EVENT_ORDER, 17);
	test_eq(host_reg(h, NPU_REG_EVENT_ORDER), 0, "order too large is none");
	host_set(h, NPU_REG_EVENT_BASE_LO, 0);
	host_set(h, NPU_REG_EVENT_BASE_HI, 0);
	host_set(h, NPU_REG_EVENT_ORDER, 4);
	go(q, 0, NPU_JOB_EVENT);
	host_steps(h, 10);
	test_ok(host_reg(h, NPU_REG_STATUS) & NPU_STATUS_FATAL &&
		host_reg(h, NPU_REG_IRQ_STATUS) & NPU_IRQ_FATAL && host_done(q) == 13,
		"event ring unreachable");
	host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
	test_eq(host_reg(h, NPU_REG_STATUS), NPU_STATUS_READY, "function reset clears FATAL");
	host_queue_free(q);
	end("overflow");
}

static void test_interrupts(u32 irqs)
{
	struct host_queue *q;
	u32 second = irqs - 1;

	begin_with(1, irqs);
	q = queue(0, 1);
	go(q, 0, NPU_JOB_EVENT);
	host_steps(h, 10);
	test_eq(h->irqs[0], 1, "interrupt");
	go(q, 0, NPU_JOB_EVENT);
	host_steps(h, 10);
	test_eq(h->irqs[0], 2, "again, though still pending");
	host_set(h, NPU_REG_IRQ_STATUS, NPU_IRQ_EVENT);
	test_eq(host_reg(h, NPU_REG_IRQ_STATUS), 0, "cleared");
	host_set(h, NPU_REG_EVENT_READ, 1);
	test_ok(h->irqs[0] == 3 && host_reg(h, NPU_REG_IRQ_STATUS) == NPU_IRQ_EVENT,
		"read index re-evaluates");
	host_set(h, NPU_REG_EVENT_READ, 2);
	test_ok(h->irqs[0] == 3 && !host_reg(h, NPU_REG_IRQ_STATUS), "nothing left");
	host_set(h, NPU_REG_IRQ_ENABLE, 0);
	go(q, 0, NPU_JOB_EVENT);
	host_steps(h, 10);
	test_eq(h->irqs[0], 3, "masked");
	host_set(h, NPU_REG_IRQ_ENABLE, ~0u);
	test_eq(h->irqs[0], 4, "enabling raises what is pending");
	go(q, 0, 0);
	host_steps(h, 10);
	test_eq(h->irqs[0], 4, "no event wanted");
	h->irqs[0] = h->irqs[1] = 0;
	host_invalidate(s, 0, 0);
	test_ok(h->irqs[second] == 1 && host_reg(h, NPU_REG_IRQ_STATUS) & NPU_IRQ_TLB,
		"TLB on vector %u", second);
	test_ok(host_reg(h, NPU_REG_TLB_SEQ) == host_reg(h, NPU_REG_TLB_DONE) &&
		host_reg(h, NPU_REG_TLB_SEQ), "complete at once");
	host_command(q, NPU_SLOT_STOP);
	host_queue_free(q);
	end("interrupts");
}

static void test_moderation(void)
{
	struct host_queue *q;
	u32 i;

	begin();
	host_set(h, NPU_REG_IRQ_MODERATION, 100);
	q = queue(0, 1);
	for (i = 0; i < 5; i++) {
		go(q, 0, NPU_JOB_EVENT);
		host_steps(h, 10);
	}
	test_eq(h->irqs[0], 1, "one interrupt for a burst");
	test_ok(h->timer > h->time && h->timer <= h->time + 100000, "timer set");
	h->time = h->timer;
	trace_timer(&h->trace);
	test_eq(h->irqs[0], 2, "the rest after the time");
	trace_timer(&h->trace);
	test_eq(h->irqs[0], 2, "a spurious timer does nothing");
	go(q, 0, NPU_JOB_EVENT);
	host_steps(h, 10);
	host_set(h, NPU_REG_EVENT_READ, host_reg(h, NPU_REG_EVENT_WRITE));
	h->time = h->timer;
	trace_timer(&h->trace);
	test_eq(h->irqs[0], 2, "nothing left when the time is over");
	h->time += 1000000;
	go(q, 0, NPU_JOB_EVENT);
	host_steps(h, 10);
	test_eq(h->irqs[0], 3, "at once after a pause");
	host_command(q, NPU_SLOT_STOP);
	host_queue_free(q);
	end("moderation");
}

/* ---- Faults on demand --------------------------------------------------------------------------- */

static void test_hang(void)
{
	struct host_queue *q, *other;
	u32 i, stalled = 0;

	begin_with(2, 2);
	q = queue(0, 1);
	other = queue(1, 1);
	trace_inject(&h->trace, NPU_INJECT_HANG, 11);
	go(q, 100, 0);
	for (i = 0; i < 20; i++)
		stalled += host_step(h, 0) == NPU_STEP_STALLED;
	test_ok(stalled > 5 && progress(q) == 10, "hangs at the 11th command");
	go(other, 100, 0);
	host_steps(h, 500);
	test_eq(host_done(other), 1, "the other core works");
	host_command(q, NPU_SLOT_UNBIND);
	host_command(q, NPU_SLOT_STOP);
	host_steps(h, 10);
	test_eq(host_state(q), NPU_SLOT_STOPPING | NPU_SLOT_BUSY, "UNBIND and STOP wait");
	host_command(q, NPU_SLOT_RESET);
	test_ok(state(q) == NPU_SLOT_EMPTY && fault(q) == NPU_FAULT_ABORTED &&
		event_is(NPU_EVENT_UNBOUND, q, 0, NPU_FAULT_ABORTED), "RESET does not");
	q->context->fault_status = 0;
	host_bind(q, 0);
	host_steps(h, 500);
	test_eq(host_done(q), 1, "works afterwards");
	trace_inject(&h->trace, NPU_INJECT_HANG, 1);
	go(q, 10, 0);
	host_steps(h, 10);
	host_set(h, NPU_REG_RESET, NPU_RESET_CORE(0));
	host_set(h, NPU_REG_RESET, NPU_RESET_CORE(1));
	test_ok(state(q) == NPU_SLOT_HALTED && fault(q) == NPU_FAULT_ABORTED,
		"core reset ends it");
	host_command(q, NPU_SLOT_UNBIND);
	q->context->fault_status = 0;
	host_bind(q, 0);
	trace_inject(&h->trace, NPU_INJECT_HANG, 1);
	host_ring_doorbell(q);
	host_steps(h, 10);
	host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
	test_ok(!host_reg(h, NPU_REG_RESET) && state(q) == NPU_SLOT_EMPTY,
		"function reset ends it");
	host_enable(h, 4);
	host_bind(q, 0);
	host_steps(h, 100);
	test_eq(host_done(q), 2, "works afterwards");
	host_command(q, NPU_SLOT_STOP);
	host_queue_free(q);
	host_queue_free(other);
	end("hang");
}

static void test_corrupt(void)
{
	struct host_queue *q;

	begin();
	q = queue(0, 1);
	trace_inject(&h->trace, NPU_INJECT_CORRUPT, 2);
	push(q, 1, NPU_JOB_EVENT);
	push(q, 1, NPU_JOB_EVENT);
	host_ring_doorbell(q);
	host_steps(h, 10);
	test_ok(event_is(NPU_EVENT_DONE, q, 1, 0) &&
		event_is(NPU_EVENT_DONE, q, (1ull << 40) + 2, 0), "garbage in the event");
	test_eq(host_done(q), (1ull << 40) + 2, "garbage in the context");
	go(q, 1, NPU_JOB_EVENT);
	host_steps(h, 10);
	test_ok(event_is(NPU_EVENT_DONE, q, 3, 0) && host_done(q) == 3, "only once");
	host_command(q, NPU_SLOT_STOP);
	host_queue_free(q);
	end("corrupt");
}

static void test_gone(void)
{
	struct host_queue *q;

	begin();
	q = queue(0, 1);
	go(q, 100, 0);
	host_steps(h, 10);
	h->irqs[0] = h->irqs[1] = 0;
	trace_inject(&h->trace, NPU_INJECT_GONE, 1);
	test_eq(host_reg(h, NPU_REG_ID), 0xffffffff, "reads give ones");
	test_eq(host_reg(h, NPU_REG_SLOT_STATUS(0)), 0xffffffff, "of slots too");
	host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
	host_ring_doorbell(q);
	host_invalidate(s, 0, 0);
	test_eq(host_steps(h, 10), 0, "nothing runs");
	test_ok(progress(q) == 10 && !h->irqs[0] && !h->irqs[1], "no trace");
	trace_inject(&h->trace, NPU_INJECT_GONE, 0);
	test_ok(host_reg(h, NPU_REG_ID) == NPU_ID && !host_reg(h, NPU_REG_IRQ_ENABLE),
		"comes back from power-off");
	host_enable(h, 4);
	host_bind(q, 0);
	host_steps(h, 500);
	test_eq(host_done(q), 1, "works afterwards");
	host_command(q, NPU_SLOT_STOP);
	host_queue_free(q);
	end("gone");
}

static void test_power(void)
{
	struct host_queue *q;
	u64 time;

	begin();
	q = queue(0, 1);
	test_ok(host_reg(h, NPU_REG_FEATURES) & NPU_FEATURE_POWER_OFF, "can be switched off");
	host_set(h, NPU_REG_POWER, NPU_POWER_OFF);
	test_eq(host_reg(h, NPU_REG_POWER), NPU_POWER_IDLE, "not with a queue in a slot");
	go(q, 100, 0);
	host_steps(h, 500);
	test_eq(host_done(q), 1, "which works on");
	host_command(q, NPU_SLOT_UNBIND);
	host_steps(h, 10);
	host_invalidate(s, 0, 0);
	host_set(h, NPU_REG_POWER, NPU_POWER_OFF);
	test_eq(host_reg(h, NPU_REG_POWER), NPU_POWER_OFF, "with none it is");
	test_ok(host_reg(h, NPU_REG_ID) == NPU_ID && !host_reg(h, NPU_REG_CLOCK_NOW) &&
		!(host_reg(h, NPU_REG_STATUS) & NPU_STATUS_READY), "registers say so");

	h->irqs[0] = h->irqs[1] = 0;
	host_set(h, NPU_REG_IRQ_ENABLE, ~0u);
	host_set(h, NPU_REG_CONTROL, NPU_CONTROL_ENABLE);
	host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
	host_bind(q, 0);
	host_ring_doorbell(q);
	test_eq(host_steps(h, 10), 0, "nothing runs");
	test_ok(!host_reg(h, NPU_REG_IRQ_ENABLE) && !host_reg(h, NPU_REG_CONTROL) &&
		!host_reg(h, NPU_REG_RESET) && host_state(q) == NPU_SLOT_EMPTY && !h->irqs[0] &&
		!h->irqs[1], "no register takes a write");
	time = host_reg(h, NPU_REG_TIME_LO);
	h->time += 1000;
	test_ok(host_reg(h, NPU_REG_TIME_LO) >= time + 1000, "time goes on");

	host_set(h, NPU_REG_POWER, NPU_POWER_IDLE);
	test_ok(host_reg(h, NPU_REG_POWER) == NPU_POWER_IDLE &&
		host_reg(h, NPU_REG_STATUS) & NPU_STATUS_READY, "comes on");
	test_ok(!host_reg(h, NPU_REG_EVENT_ORDER) && !host_reg(h, NPU_REG_CONTROL),
		"as after a reset");
	host_enable(h, 4);
	host_bind(q, 0);
	go(q, 100, 0);
	host_steps(h, 500);
	test_eq(host_done(q), 2, "the queue goes on where it was");
	host_command(q, NPU_SLOT_STOP);
	host_queue_free(q);
	end("power");
}

/* ---- Main --------------------------------------------------------------------------------------------- */

int main(void)
{
	test_registers();
	test_ring();
	test_entries();
	test_contexts();
	test_priorities();
	test_bound();
	test_cores();
	test_unbind();
	test_resume();
	test_function_reset();
	test_core_reset();
	test_overflow();
	test_interrupts(1);
	test_interrupts(2);
	test_moderation();
	test_hang();
	test_corrupt();
	test_gone();
	test_power();
	return test_done();
}

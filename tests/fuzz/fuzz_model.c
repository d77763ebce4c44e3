// SPDX-License-Identifier: MIT
/*
 * The device model against a driver and a program that do anything. The input
 * is a list of actions: register accesses, writes to contexts, rings, tables,
 * streams and data, doorbells, steps, resets, also between two accesses of one
 * tile. It begins with a device that has jobs in its queues.
 *
 * What must hold: machine.c's checks of memory, no crash, and a device that
 * was reset runs a job as if nothing had been.
 */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "machine.h"

#define STEPS		256	/* per input */
#define BASES		3
#define BASE_SIZE	(2 * MACHINE_PAGE)

static struct machine machine;

static struct {
	const u8 *data;
	size_t left;
	u32 steps;
	u32 wait;		/* accesses until other actions interrupt the tile */
	u32 busy;		/* how many of them */
	bool nested;
} in;

static u64 take(u32 bytes)
{
	u64 value = 0;
	u32 i;

	for (i = 0; i < bytes && in.left; i++, in.left--)
		value |= (u64)*in.data++ << 8 * i;
	return value;
}

/* Small numbers, addresses and anything. */
static u64 take_value(void)
{
	u32 kind = (u32)take(1);

	switch (kind % 8) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return 1ull << (kind / 8) << (take(1) & 31);
	case 3:
		return take(4);
	case 4:
		return take(8);
	case 5:		/* a frame, with permissions of a table's entry */
		return (MACHINE_BUS + take(1) * MACHINE_PAGE) | kind / 8 % 16;
	case 6:		/* within the address spaces */
		return MACHINE_VA + take(2) * 8;
	default:
		return take(1);
	}
}

/* ---- The start ----------------------------------------------------------------- */

struct work {
	u64 stream[MACHINE_SPACES];
	u64 table[MACHINE_SPACES];
	u64 stream_bus;
	u64 table_bus;
	u64 out_bus[MACHINE_SPACES];
	u32 size;
	u32 first;	/* frames of streams and data */
};

static struct work work;

/* Streams of @n commands from @which on, base tables and data in each address space. */
static void work_make(struct machine *m, u32 which, u32 n)
{
	struct npu_stream_header header = {
		.magic = cpu_to_le32(NPU_ISA_MAGIC), .major = NPU_ISA_MAJOR,
	};
	u8 stream[sizeof(header) + COMMANDS * NPU_ISA_MAX_CMD_SIZE];
	struct npu_base base[BASES] = { 0 };
	u32 i, k, space;
	u64 bus;
	size_t size;
	void *cmd;

	work.size = sizeof(header);
	for (i = 0; i < n; i++) {
		cmd = make_command((which + i) % COMMANDS, &size);
		memcpy(stream + work.size, cmd, size);
		work.size += (u32)size;
	}
	header.size = cpu_to_le32(work.size);
	memcpy(stream, &header, sizeof(header));
	work.first = m->frames;
	for (space = 0; space < MACHINE_SPACES; space++) {
		work.stream[space] = machine_alloc(m, space, work.size, NPU_PTE_READ,
						   &work.stream_bus);
		for (i = 0; i < work.size; i += MACHINE_PAGE)
			machine_write(m, work.stream_bus - i, stream + i,
				      work.size - i < MACHINE_PAGE ? work.size - i : MACHINE_PAGE);
		for (i = 0; i < BASES; i++) {
			base[i].flags = cpu_to_le32(i == 2 ? NPU_BASE_WRITE : 0);
			base[i].size = cpu_to_le64(BASE_SIZE);
			base[i].va = cpu_to_le64(machine_alloc(m, space, BASE_SIZE,
							       NPU_PTE_READ | (i == 2 ? NPU_PTE_WRITE : 0),
							       &bus));
			/* Base 0 has zeros: scales, biases, tables. */
			for (k = 0; i == 1 && k < MACHINE_PAGE; k += 8)
				machine_write(m, bus + k, (u64[]){ k * 0x9e3779b97f4a7c15ull }, 8);
		}
		work.out_bus[space] = bus;
		work.table[space] = machine_alloc(m, space, sizeof(base), NPU_PTE_READ,
						  &work.table_bus);
		machine_write(m, work.table_bus, base, sizeof(base));
	}
}

static void work_push(struct machine *m, u32 queue)
{
	u32 space = queue % MACHINE_SPACES;

	machine_push(m, queue, work.stream[space], work.size, work.table[space], BASES);
}

/* ---- Actions ---------------------------------------------------------------------- */

static void act_write(struct machine *m)
{
	u32 place = (u32)take(1), at, size = place & 0x80 ? 8 : 4;
	u64 value, bus;

	switch (place % 8) {
	case 0:		/* a context */
		at = (u32)take(1);
		bus = m->context + (at / 64 % MACHINE_QUEUES) * NPU_CONTEXT_SIZE + at % 64 * 4;
		break;
	case 1:		/* a ring entry */
		at = (u32)take(1);
		bus = m->ring + (place / 8 % MACHINE_QUEUES << (MACHINE_ORDER + 6)) + at * 4;
		break;
	case 2:		/* page tables: the entries in use */
		at = (u32)take(1);
		bus = m->table[place / 8 % MACHINE_SPACES][at % NPU_PT_LEVELS];
		bus += ((MACHINE_VA >> NPU_PT_SHIFT(at % NPU_PT_LEVELS) & 511) +
			at / NPU_PT_LEVELS) * 8;
		size = 8;
		break;
	case 3:		/* the last stream and base table */
		bus = work.stream_bus + take(2) % MACHINE_PAGE / 4 * 4;
		break;
	case 4:
		bus = work.table_bus + take(1) % (BASES * sizeof(struct npu_base)) / 4 * 4;
		break;
	case 5:
		at = (u32)take(2);
		bus = MACHINE_BUS + (work.first + at / 1024) * (u64)MACHINE_PAGE + at % 1024 * 4;
		break;
	case 6:
		bus = (place & 8 ? m->report : m->event) + take(2) % MACHINE_PAGE / 4 * 4;
		break;
	default:
		bus = MACHINE_BUS + take(3) * 4;
	}
	value = take_value();
	machine_write(m, bus, &value, size);
}

static void act_register(struct machine *m)
{
	static const u16 regs[] = {
		NPU_REG_CONTROL, NPU_REG_RESET, NPU_REG_WEIGHT(0), NPU_REG_WEIGHT(2),
		NPU_REG_IRQ_STATUS, NPU_REG_IRQ_ENABLE, NPU_REG_IRQ_MODERATION,
		NPU_REG_EVENT_BASE_LO, NPU_REG_EVENT_BASE_HI, NPU_REG_EVENT_ORDER,
		NPU_REG_EVENT_READ, NPU_REG_TLB_ASID, NPU_REG_TLB_VA_LO, NPU_REG_TLB_VA_HI,
		NPU_REG_TLB_PAGES, NPU_REG_TLB_INVALIDATE,
	};
	u32 which = (u32)take(1);

	if (which < ARRAY_SIZE(regs))
		machine_set(m, regs[which], (u32)take_value());
	else if (which < 0x80)
		machine_set(m, NPU_REG_SLOT(which / 4 % 8) + which % 4 * 4, (u32)take_value());
	else if (which < 0xc0)
		machine_set(m, (u32)take(2) & ~3u, (u32)take_value());
	else
		machine_reg(m, (u32)take(2) & ~3u);
}

static void act_step(struct machine *m, u32 core, u32 n)
{
	if (in.nested)
		return;
	for (; n && in.steps; n--, in.steps--)
		machine_step(m, core % m->config.cores);
}

static void inject(struct machine *m, u32 arg)
{
	static const u8 few[] = { NPU_INJECT_HANG, NPU_INJECT_CORRUPT, NPU_INJECT_GONE };
	u32 kind;

	switch (arg) {
	case 15:
		npu_model_leave(m->model);
		m->left = true;
		break;
	case 14:
		kind = (u32)take(1) % NPU_INJECT_KINDS;
		npu_model_inject(m->model, kind, take(1));
		break;
	default:
		npu_model_inject(m->model, few[arg % 3], arg / 3);
	}
}

static void act(struct machine *m)
{
	u32 what = (u32)take(1), arg = what / 16;

	switch (what % 16) {
	case 0:
	case 1:
		act_write(m);
		break;
	case 2:
	case 3:
		act_register(m);
		break;
	case 4:
		act_step(m, arg, 1);
		break;
	case 5:
		act_step(m, arg % 4, 1 + arg / 4 * 8);
		break;
	case 6:
		npu_model_doorbell(m->model, arg, 0);
		break;
	case 7:
		machine_set(m, NPU_REG_SLOT_COMMAND(arg % 4), 1 + arg / 4);
		break;
	case 8:
		work_push(m, arg % MACHINE_QUEUES);
		break;
	case 9:
		in.wait = 1 + (u32)take(1);
		in.busy = 1 + arg % 4;
		break;
	case 10:
		machine_set(m, NPU_REG_RESET, arg < 8 ? NPU_RESET_CORE(arg) : NPU_RESET_FUNCTION);
		break;
	case 11:
		machine_set(m, NPU_REG_TLB_INVALIDATE, 1);
		break;
	case 12:
		inject(m, arg);
		break;
	case 13:
		if (m->late || arg > 8)
			npu_model_timer(m->model);
		m->late = false;
		break;
	case 14:	/* the driver reads all events */
		machine_set(m, NPU_REG_EVENT_READ, machine_reg(m, NPU_REG_EVENT_WRITE));
		m->time += (u64)arg << 20;
		break;
	default:
		if (arg & 1)
			m->scatter = !m->scatter;
		else
			m->dead[take(1)] ^= 1;
	}
}

/* Some actions in the middle of a tile. */
static void interrupt(struct machine *m)
{
	if (in.nested || !in.wait || --in.wait)
		return;
	in.nested = true;
	for (; in.busy && in.left; in.busy--)
		act(m);
	in.nested = false;
}

/* ---- The end ------------------------------------------------------------------------ */

#define GOOD_FIRST	2	/* a convolution and what follows */
#define GOOD_COMMANDS	(COMMANDS - GOOD_FIRST)

struct outcome {
	struct npu_context context;
	u8 out[MACHINE_PAGE];
};

/* A job of all commands that compute, on a device after a reset. */
static struct outcome good_job(struct machine *m)
{
	struct outcome o;

	machine_queues(m);
	machine_enable(m, 1);
	machine_set(m, NPU_REG_TLB_INVALIDATE, 1);
	work_make(m, GOOD_FIRST, GOOD_COMMANDS);
	work_push(m, 0);
	machine_run(m, 1000);
	o.context = machine_context(m, 0);
	machine_read(m, work.out_bus[0], o.out, sizeof(o.out));
	return o;
}

static void check_good(struct machine *m)
{
	/* Tiles are smaller, and what they cost differs, where several cores share them. */
	static struct outcome firsts[MACHINE_CORES];
	struct outcome *first = &firsts[m->config.cores - 1], now = good_job(m);

	if (le32_to_cpu(now.context.fault_status) || le64_to_cpu(now.context.sequence) != 1) {
		fprintf(stderr, "fault %u, detail %u, offset %llu, %llu tiles\n",
			le32_to_cpu(now.context.fault_status),
			le32_to_cpu(now.context.fault_detail),
			(unsigned long long)le64_to_cpu(now.context.fault_offset),
			(unsigned long long)le64_to_cpu(now.context.progress));
		machine_die("a good job fails");
	}
	if (!first->context.sequence)
		*first = now;
	if (memcmp(first, &now, sizeof(now)))
		machine_die("a good job has another result");
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u32 slots[] = { 4, 1, 64, 65, 256, 2, 128, 5 };
	struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;
	struct machine *m = &machine;
	u32 how, i, first;

	memset(&in, 0, sizeof(in));
	in.data = data;
	in.left = size;
	in.steps = STEPS;
	how = (u32)take(2);
	config.cores = 1 + how % MACHINE_CORES;
	config.slots = slots[how / MACHINE_CORES % 8];
	config.irqs = 1 + how / (MACHINE_CORES * 8) % 2;
	config.ring_order_max = MACHINE_ORDER;
	config.macs_max_order = 20;
	config.bytes_max_order = 20;
	machine_init(m, &config);
	first = (u32)take(1);
	machine_enable(m, MACHINE_QUEUES);
	work_make(m, first, 1 + first / COMMANDS % 4);
	for (i = 0; i < MACHINE_QUEUES; i++)
		if (how >> 8 >> i & 1)
			work_push(m, i);
	m->meanwhile = interrupt;
	while (in.left)
		act(m);
	act_step(m, 0, 8);
	machine_reset(m);
	check_good(m);
	return 0;
}

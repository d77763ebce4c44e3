// SPDX-License-Identifier: MIT
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>

#include "machine.h"

void machine_die(const char *why)
{
	fprintf(stderr, "machine: %s\n", why);
	abort();
}

/* ---- Memory ------------------------------------------------------------------- */

static bool machine_valid(u64 bus, u64 size)
{
	u64 end = MACHINE_MEMORY;

	return bus - MACHINE_BUS < end && size <= end - (bus - MACHINE_BUS);
}

static void machine_mark(struct machine *m, u64 bus, u64 size, bool write)
{
	u64 end = bus + size > bus ? bus + size : bus;
	u64 at = bus > MACHINE_BUS ? bus - MACHINE_BUS : 0;

	end = end < MACHINE_BUS ? 0 : end - MACHINE_BUS;
	for (at -= at % MACHINE_PAGE; at < end && at < MACHINE_MEMORY; at += MACHINE_PAGE) {
		m->named[at / MACHINE_PAGE] = true;
		m->writable[at / MACHINE_PAGE] |= write;
	}
}

/*
 * Which frames does the word at @bus give the device leave to use? It may be
 * an entry of a page table, a table's address or a field of a context.
 */
static void machine_learn(struct machine *m, u64 bus, u64 value)
{
	u64 addr = value & NPU_PTE_ADDR;
	u64 ring = (u64)NPU_JOB_SIZE << m->config.ring_order_max;

	switch (bus % NPU_CONTEXT_SIZE) {
	case offsetof(struct npu_context, ring_base):
		machine_mark(m, value, ring, false);
		break;
	case offsetof(struct npu_context, report_base):
		machine_mark(m, value, ring, true);
		break;
	}
	/* A block is worth all there is. */
	if (value & NPU_PTE_LEAF && addr == MACHINE_BUS)
		machine_mark(m, addr, MACHINE_MEMORY, value & NPU_PTE_WRITE);
	else
		machine_mark(m, addr, 1, value & NPU_PTE_LEAF && value & NPU_PTE_WRITE);
}

/* The sanitizer would refuse our own accesses to what is not lent. */
__attribute__((no_sanitize("address")))
static void machine_copy(volatile u8 *dst, const volatile u8 *src, u64 size)
{
	for (; size && ((uintptr_t)dst | (uintptr_t)src) & 7; size--)
		*dst++ = *src++;
	for (; size >= 8; size -= 8, dst += 8, src += 8)
		*(volatile u64 *)dst = *(const volatile u64 *)src;
	while (size--)
		*dst++ = *src++;
}

static void machine_learn_range(struct machine *m, u64 bus, u64 size)
{
	u64 at, value;

	for (at = bus & ~7ull; at < bus + size; at += 8) {
		machine_copy((u8 *)&value, m->memory + (at - MACHINE_BUS), 8);
		if (value)
			machine_learn(m, at, value);
	}
}

bool machine_write(struct machine *m, u64 bus, const void *src, u64 size)
{
	if (!machine_valid(bus, size))
		return false;
	machine_copy(m->memory + (bus - MACHINE_BUS), src, size);
	machine_learn_range(m, bus, size);
	return true;
}

bool machine_read(struct machine *m, u64 bus, void *dst, u64 size)
{
	if (!machine_valid(bus, size))
		return false;
	machine_copy(dst, m->memory + (bus - MACHINE_BUS), size);
	return true;
}

static u64 machine_frames(struct machine *m, u32 pages)
{
	u64 bus = MACHINE_BUS + (u64)m->frames * MACHINE_PAGE;

	m->frames += pages;
	if (m->frames > MACHINE_FRAMES)
		machine_die("memory used up");
	return bus;
}

/* ---- What the model asks for ----------------------------------------------------- */

static void *machine_map(void *host, u64 addr, u64 size, enum npu_access access, u64 *len)
{
	struct machine *m = host;
	bool write = access == NPU_ACCESS_WRITE;
	u64 got = 0, frame, end;
	u8 *ptr;

	if (m->meanwhile && !m->locked)
		m->meanwhile(m);
	if (!size)
		machine_die("nothing borrowed");
	while (got < size && machine_valid(addr + got, 1)) {
		frame = (addr + got - MACHINE_BUS) / MACHINE_PAGE;
		end = MACHINE_PAGE - (addr + got) % MACHINE_PAGE;
		if (m->dead[frame] || (got && m->scatter))
			break;
		if (!m->named[frame] || (write && !m->writable[frame]))
			machine_die("borrowed what nothing points to");
		got += end < size - got ? end : size - got;
	}
	if (!got)
		return NULL;
	if (m->loans == MACHINE_LOANS)
		machine_die("borrowed and never given back");
	ptr = m->memory + (addr - MACHINE_BUS);
	m->loan[m->loans++] = (struct machine_loan){ ptr, got, write };
	__asan_unpoison_memory_region(ptr, got);
	*len = got;
	return ptr;
}

static void machine_unmap(void *host, void *ptr, u64 len)
{
	struct machine *m = host;
	struct machine_loan loan;
	u32 i;

	for (i = 0; i < m->loans; i++)
		if (m->loan[i].ptr == ptr && m->loan[i].len == len)
			break;
	if (i == m->loans)
		machine_die("gave back what was not borrowed");
	loan = m->loan[i];
	m->loan[i] = m->loan[--m->loans];
	if (loan.write)
		machine_learn_range(m, MACHINE_BUS + (u64)(loan.ptr - m->memory), loan.len);
	__asan_poison_memory_region(ptr, len);
	for (i = 0; i < m->loans; i++)
		if (m->loan[i].ptr < loan.ptr + loan.len && loan.ptr < m->loan[i].ptr + m->loan[i].len)
			__asan_unpoison_memory_region(m->loan[i].ptr, m->loan[i].len);
}

static void machine_irq(void *host, u32 vector)
{
	struct machine *m = host;

	if (vector >= m->config.irqs || !m->locked)
		machine_die("wrong interrupt");
}

static void machine_wake(void *host, u32 core)
{
	struct machine *m = host;

	if (core >= m->config.cores || !m->locked)
		machine_die("wrong core woken");
}

static void machine_timer(void *host, u64 ns)
{
	struct machine *m = host;

	(void)ns;
	m->late = true;
}

static u64 machine_now(void *host)
{
	return ++((struct machine *)host)->time;
}

static unsigned long machine_lock(void *host)
{
	struct machine *m = host;

	if (m->locked)
		machine_die("locked twice");
	m->locked = true;
	return 42;
}

static void machine_unlock(void *host, unsigned long flags)
{
	struct machine *m = host;

	if (!m->locked || flags != 42)
		machine_die("not locked");
	m->locked = false;
}

static const struct npu_host_ops machine_ops = {
	.map	= machine_map,
	.unmap	= machine_unmap,
	.irq	= machine_irq,
	.wake	= machine_wake,
	.timer	= machine_timer,
	.now	= machine_now,
	.lock	= machine_lock,
	.unlock	= machine_unlock,
};

/* ---- The machine ---------------------------------------------------------------------- */

void machine_init(struct machine *m, const struct npu_model_config *config)
{
	struct npu_model_config most = *config;
	static u8 *mem, *memory;
	size_t size, room;

	most.cores = MACHINE_CORES;
	most.slots = NPU_MAX_SLOTS;
	size = npu_model_size(config);
	room = npu_model_size(&most);
	if (!mem) {
		mem = aligned_alloc(64, room);
		memory = aligned_alloc(MACHINE_PAGE, MACHINE_MEMORY);
		m->frames = MACHINE_FRAMES;
	}
	*m = (struct machine){ .config = *config, .memory = memory, .frames = m->frames };
	__asan_unpoison_memory_region(mem, room);
	m->model = npu_model_init(mem, config, &machine_ops, m);
	__asan_poison_memory_region(mem + size, room - size);
	machine_queues(m);
}

/* All levels of the tables, for the first 2 MiB from MACHINE_VA on. */
static void machine_space(struct machine *m, u32 space)
{
	u32 level;
	u64 entry, e;

	for (level = 0; level < NPU_PT_LEVELS; level++) {
		m->table[space][level] = machine_frames(m, 1);
		if (!level)
			continue;
		entry = m->table[space][level] + (MACHINE_VA >> NPU_PT_SHIFT(level) & 511) * 8;
		e = m->table[space][level - 1] | NPU_PTE_VALID;
		machine_write(m, entry, &e, sizeof(e));
	}
	m->next[space] = MACHINE_VA;
}

void machine_queues(struct machine *m)
{
	struct npu_context c;
	u32 i;

	if (m->loans)
		machine_die("memory is still lent");
	__asan_unpoison_memory_region(m->memory, MACHINE_MEMORY);
	memset(m->memory, 0, m->frames * MACHINE_PAGE);
	__asan_poison_memory_region(m->memory, MACHINE_MEMORY);
	memset(m->named, 0, sizeof(m->named));
	memset(m->writable, 0, sizeof(m->writable));
	memset(m->dead, 0, sizeof(m->dead));
	m->scatter = false;
	m->meanwhile = NULL;
	m->frames = 0;
	m->context = machine_frames(m, 1);
	m->ring = machine_frames(m, 1);
	m->report = machine_frames(m, 1);
	m->event = machine_frames(m, 1);
	for (i = 0; i < MACHINE_SPACES; i++)
		machine_space(m, i);
	for (i = 0; i < MACHINE_QUEUES; i++) {
		c = (struct npu_context){
			.ring_base = cpu_to_le64(m->ring + i * (NPU_JOB_SIZE << MACHINE_ORDER)),
			.report_base = cpu_to_le64(m->report + i * (NPU_REPORT_SIZE << MACHINE_ORDER)),
			.page_table = cpu_to_le64(m->table[i % MACHINE_SPACES][NPU_PT_LEVELS - 1]),
			.asid = cpu_to_le32(1 + i % MACHINE_SPACES),
			.ring_order = cpu_to_le32(MACHINE_ORDER),
			.priority = cpu_to_le32(i),
			.queue = cpu_to_le32(i),
		};
		machine_write(m, m->context + i * sizeof(c), &c, sizeof(c));
	}
}

void machine_enable(struct machine *m, u32 queues)
{
	u32 i;

	machine_set(m, NPU_REG_EVENT_BASE_LO, (u32)m->event);
	machine_set(m, NPU_REG_EVENT_BASE_HI, (u32)(m->event >> 32));
	machine_set(m, NPU_REG_EVENT_ORDER, MACHINE_EVENTS);
	machine_set(m, NPU_REG_IRQ_ENABLE, ~0u);
	machine_set(m, NPU_REG_CONTROL, NPU_CONTROL_ENABLE);
	for (i = 0; i < queues; i++) {
		machine_set(m, NPU_REG_SLOT_CONTEXT_LO(i),
			    (u32)m->context + i * NPU_CONTEXT_SIZE);
		machine_set(m, NPU_REG_SLOT_CONTEXT_HI(i), (u32)(m->context >> 32));
		machine_set(m, NPU_REG_SLOT_COMMAND(i), NPU_SLOT_BIND);
	}
}

u64 machine_alloc(struct machine *m, u32 space, u64 size, u64 flags, u64 *bus)
{
	u32 pages = (u32)((size + MACHINE_PAGE - 1) / MACHINE_PAGE);
	u64 first = machine_frames(m, pages);
	u64 va = m->next[space];
	u64 entry, e;
	u32 i;

	m->next[space] = va + (pages + 1ull) * MACHINE_PAGE;
	if (m->next[space] > MACHINE_VA + (1u << NPU_PT_SHIFT(1)))
		machine_die("addresses used up");
	/* Backwards, so that neighbours are none for the device. */
	for (i = 0; i < pages; i++) {
		entry = m->table[space][0] + (va / MACHINE_PAGE + i) % NPU_PT_ENTRIES * 8;
		e = (first + (pages - 1 - i) * (u64)MACHINE_PAGE) | flags | NPU_PTE_VALID |
		    NPU_PTE_LEAF;
		machine_write(m, entry, &e, sizeof(e));
	}
	if (bus)
		*bus = first + (pages - 1) * (u64)MACHINE_PAGE;
	return va;
}

u32 machine_reg(struct machine *m, u32 reg)
{
	return npu_model_read(m->model, reg);
}

static u64 machine_pair(struct machine *m, u32 reg)
{
	return machine_reg(m, reg) | (u64)machine_reg(m, reg + 4) << 32;
}

void machine_set(struct machine *m, u32 reg, u32 value)
{
	u32 slot = (reg - NPU_REG_SLOT(0)) / 0x20;

	npu_model_write(m->model, reg, value);
	if (machine_reg(m, NPU_REG_ID) != NPU_ID)	/* it has gone */
		return;
	if (reg >= NPU_REG_EVENT_BASE_LO && reg <= NPU_REG_EVENT_ORDER)
		machine_mark(m, machine_pair(m, NPU_REG_EVENT_BASE_LO),
			     (u64)NPU_EVENT_SIZE << machine_reg(m, NPU_REG_EVENT_ORDER), true);
	else if (reg >= NPU_REG_SLOT(0) && slot < m->config.slots)
		machine_mark(m, machine_pair(m, NPU_REG_SLOT_CONTEXT_LO(slot)), 1, true);
}

struct npu_context machine_context(struct machine *m, u32 queue)
{
	struct npu_context c;

	machine_read(m, m->context + queue * sizeof(c), &c, sizeof(c));
	return c;
}

void machine_push(struct machine *m, u32 queue, u64 stream, u32 size, u64 bases, u32 n)
{
	u64 context = m->context + queue * NPU_CONTEXT_SIZE;
	u64 ring = m->ring + queue * (NPU_JOB_SIZE << MACHINE_ORDER);
	u64 at = le64_to_cpu(machine_context(m, queue).write_index);
	struct npu_job_desc desc = {
		.sequence = cpu_to_le64(at + 1),
		.stream_va = cpu_to_le64(stream),
		.bases_va = cpu_to_le64(bases),
		.stream_size = cpu_to_le32(size),
		.bases = cpu_to_le32(n),
		.flags = cpu_to_le32(NPU_JOB_EVENT),
	};
	__le64 write = cpu_to_le64(at + 1);

	machine_write(m, ring + at % (1u << MACHINE_ORDER) * NPU_JOB_SIZE, &desc, sizeof(desc));
	machine_write(m, context + offsetof(struct npu_context, write_index), &write,
		      sizeof(write));
	npu_model_doorbell(m->model, queue, (u32)at + 1);
}

enum npu_step machine_step(struct machine *m, u32 core)
{
	enum npu_step step = npu_model_step(m->model, core);

	if (m->loans)
		machine_die("a tile has kept memory");
	return step;
}

u32 machine_run(struct machine *m, u32 steps)
{
	u32 done = 0;
	bool ran;
	u32 i;

	do {
		ran = false;
		for (i = 0; i < m->config.cores && done < steps; i++) {
			if (machine_step(m, i) == NPU_STEP_RAN) {
				ran = true;
				done++;
			}
		}
	} while (ran && done < steps);
	return done;
}

void machine_reset(struct machine *m)
{
	u32 i;

	m->meanwhile = NULL;
	for (i = 0; i < NPU_INJECT_KINDS; i++)
		if (i != NPU_INJECT_GONE)
			npu_model_inject(m->model, i, 0);
	/* What npu_model_leave() has ended begins again with power alone. */
	if (m->left)
		npu_model_inject(m->model, NPU_INJECT_GONE, 1);
	m->left = false;
	if (machine_reg(m, NPU_REG_ID) != NPU_ID)
		npu_model_inject(m->model, NPU_INJECT_GONE, 0);
	/* Switched off, it ignores all writes but this one. */
	if (machine_reg(m, NPU_REG_POWER) == NPU_POWER_OFF)
		machine_set(m, NPU_REG_POWER, NPU_POWER_IDLE);
	machine_set(m, NPU_REG_RESET, NPU_RESET_FUNCTION);
	/* No core is in a tile, so that nothing has to be waited for. */
	if (machine_reg(m, NPU_REG_RESET) || machine_reg(m, NPU_REG_STATUS) != NPU_STATUS_READY)
		machine_die("no reset");
	if (machine_reg(m, NPU_REG_TLB_DONE) != machine_reg(m, NPU_REG_TLB_SEQ))
		machine_die("an invalidation that never ends");
	for (i = 0; i < m->config.slots; i++)
		if (machine_reg(m, NPU_REG_SLOT_STATUS(i)) != NPU_SLOT_EMPTY)
			machine_die("a slot has survived");
	if (machine_reg(m, NPU_REG_POWER) != NPU_POWER_IDLE)
		machine_die("a core has survived");
}

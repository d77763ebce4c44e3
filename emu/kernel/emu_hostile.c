// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Hostile devices
 *
 * With faults/hostile an impostor takes the place of the model. It has
 * registers, slots and an event ring like a device, but no cores: it says that a
 * job is done when the doorbell rings. So often as it is told, it does something
 * else instead: a register reads as something random, as another one, as zeros
 * or as ones; a write or a doorbell gets lost, comes twice or goes elsewhere;
 * events, contexts and reports are filled with random bytes; interrupts come at
 * random times.
 *
 * It keeps one rule: it touches no memory but what the driver lends a device (the
 * event ring, its half of each bound context, the reports), and none after it has
 * told the driver that it stopped: by a RESET register that reads as zero, a slot
 * that reads as EMPTY, an identification that reads as ones. Against a device
 * that breaks it there is nothing but an IOMMU.
 */
#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/slab.h>

#include "emu.h"
#include "npu_compat.h"

#define EMU_HOSTILE_TICK	(2 * NSEC_PER_MSEC)
#define EMU_HOSTILE_REGS	(NPU_REG_SPACE / sizeof(u32))

/**
 * struct emu_hostile - an impostor
 * @emu: device
 * @lock: protects what follows
 * @luck: when and how it lies
 * @timer: for what nobody has asked for
 * @gone: all reads give ones
 * @reg: what the registers read as, by the way of those who are honest
 * @written: what the driver has really written there
 * @events: the event ring is lent
 * @bound: so is the context of a slot
 */
struct emu_hostile {
	struct emu_device *emu;
	raw_spinlock_t lock; /* all below */
	struct emu_luck luck;
	struct hrtimer timer;
	bool gone;
	u32 reg[EMU_HOSTILE_REGS];
	u32 written[EMU_HOSTILE_REGS];
	bool events;
	bool bound[NPU_MAX_SLOTS];
};

static u32 emu_hostile_random(struct emu_hostile *hostile, u32 below)
{
	return prandom_u32_state(&hostile->luck.rng) % below;
}

static bool emu_hostile_lies(struct emu_hostile *hostile)
{
	return emu_luck_fails(&hostile->luck);
}

/* Is this the register of a slot that slot 0 has at @first, and of which slot? */
static bool emu_hostile_is_slot(u32 reg, u32 first, u32 *slot)
{
	const u32 stride = NPU_REG_SLOT(1) - NPU_REG_SLOT(0);

	*slot = (reg - first) / stride;
	return reg >= first && *slot < NPU_MAX_SLOTS && reg == first + *slot * stride;
}

/* ---- Memory ----------------------------------------------------------------------- */

static u64 emu_hostile_written64(struct emu_hostile *hostile, u32 reg)
{
	return (u64)hostile->written[reg / 4 + 1] << 32 | hostile->written[reg / 4];
}

/* A page that the driver has lent, or NULL. */
static void *emu_hostile_page(struct emu_hostile *hostile, u64 addr)
{
	u64 len;

	return emu_device_map(hostile->emu, addr, PAGE_SIZE, &len);
}

static struct npu_context *emu_hostile_context(struct emu_hostile *hostile, u32 slot)
{
	if (slot >= NPU_MAX_SLOTS || !hostile->bound[slot])
		return NULL;
	return emu_hostile_page(hostile,
				emu_hostile_written64(hostile, NPU_REG_SLOT_CONTEXT_LO(slot)));
}

static struct npu_event *emu_hostile_events(struct emu_hostile *hostile)
{
	if (!hostile->events)
		return NULL;
	return emu_hostile_page(hostile, emu_hostile_written64(hostile, NPU_REG_EVENT_BASE_LO));
}

/* Random, zero, ones, or a little more than what was there. */
static u64 emu_hostile_word(struct emu_hostile *hostile, u64 old)
{
	u64 word;

	switch (emu_hostile_random(hostile, 4)) {
	case 0:
		return 0;
	case 1:
		return U64_MAX;
	case 2:
		return old + emu_hostile_random(hostile, 4);
	default:
		prandom_bytes_state(&hostile->luck.rng, &word, sizeof(word));
		return word;
	}
}

static void emu_hostile_scribble(struct emu_hostile *hostile, void *mem, size_t size)
{
	u64 *word = mem;
	size_t i;

	if (!mem)
		return;
	for (i = 0; i < size / sizeof(*word); i++) {
		if (!emu_hostile_random(hostile, 4))
			WRITE_ONCE(word[i], emu_hostile_word(hostile, READ_ONCE(word[i])));
	}
}

/* The half of a context that is the device's. */
static void emu_hostile_scribble_context(struct emu_hostile *hostile, u32 slot)
{
	struct npu_context *context = emu_hostile_context(hostile, slot);

	if (context)
		emu_hostile_scribble(hostile, &context->sequence, NPU_CONTEXT_SIZE / 2);
}

static void emu_hostile_scribble_reports(struct emu_hostile *hostile, u32 slot)
{
	struct npu_context *context = emu_hostile_context(hostile, slot);

	if (context && context->report_base)
		emu_hostile_scribble(hostile,
				     emu_hostile_page(hostile, le64_to_cpu(context->report_base)),
				     PAGE_SIZE);
}

/* ---- What a device does ------------------------------------------------------------- */

static void emu_hostile_interrupt(struct emu_hostile *hostile, u32 cause)
{
	u32 vectors = hostile->emu->config.irqs;

	hostile->reg[NPU_REG_IRQ_STATUS / 4] |= cause;
	emu_irq_raise(hostile->emu, cause & (NPU_IRQ_EVENT | NPU_IRQ_OVERFLOW) ? 0 : vectors - 1);
}

static void emu_hostile_event(struct emu_hostile *hostile, u32 type, u32 queue)
{
	struct npu_event *ring = emu_hostile_events(hostile);
	u32 *write = &hostile->reg[NPU_REG_EVENT_WRITE / 4];
	struct npu_event *event;

	if (ring) {
		/* The driver's ring is a page. */
		event = &ring[*write % (PAGE_SIZE / NPU_EVENT_SIZE)];
		*event = (struct npu_event) {
			.type = cpu_to_le32(type), .queue = cpu_to_le32(queue),
		};
		if (emu_hostile_lies(hostile))
			emu_hostile_scribble(hostile, event, NPU_EVENT_SIZE);
		++*write;
	}
	emu_hostile_interrupt(hostile, NPU_IRQ_EVENT);
}

/* "Done." */
static void emu_hostile_run(struct emu_hostile *hostile, u32 slot)
{
	struct npu_context *context = emu_hostile_context(hostile, slot);
	__le64 jobs;

	if (!context)
		return;
	jobs = READ_ONCE(context->write_index);
	WRITE_ONCE(context->started, jobs);
	WRITE_ONCE(context->read_index, jobs);
	WRITE_ONCE(context->sequence, jobs);
	if (emu_hostile_lies(hostile))
		emu_hostile_scribble_context(hostile, slot);
	emu_hostile_event(hostile, NPU_EVENT_DONE, le32_to_cpu(context->queue));
}

static void emu_hostile_stop(struct emu_hostile *hostile)
{
	u32 i;

	hostile->events = false;
	memset(hostile->bound, 0, sizeof(hostile->bound));
	for (i = 0; i < NPU_MAX_SLOTS; i++)
		hostile->reg[NPU_REG_SLOT_STATUS(i) / 4] = NPU_SLOT_EMPTY;
}

static void emu_hostile_command(struct emu_hostile *hostile, u32 slot, u32 command)
{
	struct npu_context *context = emu_hostile_context(hostile, slot);
	u32 *status = &hostile->reg[NPU_REG_SLOT_STATUS(slot) / 4];

	if (command == NPU_SLOT_BIND) {
		*status = NPU_SLOT_BOUND;
		return;
	}
	*status = NPU_SLOT_EMPTY;
	emu_hostile_event(hostile, NPU_EVENT_UNBOUND, context ? le32_to_cpu(context->queue) : 0);
}

static void emu_hostile_set(struct emu_hostile *hostile, u32 reg, u32 value)
{
	u32 slot;

	switch (reg) {
	case NPU_REG_IRQ_STATUS:
		hostile->reg[reg / 4] &= ~value;
		return;
	case NPU_REG_RESET:
		emu_hostile_interrupt(hostile, NPU_IRQ_RESET);
		return;
	case NPU_REG_TLB_INVALIDATE:
		hostile->reg[NPU_REG_TLB_DONE / 4] = ++hostile->reg[NPU_REG_TLB_SEQ / 4];
		emu_hostile_interrupt(hostile, NPU_IRQ_TLB);
		return;
	case NPU_REG_EVENT_ORDER:
		hostile->reg[NPU_REG_EVENT_WRITE / 4] = 0;
		break;
	}
	if (emu_hostile_is_slot(reg, NPU_REG_SLOT_COMMAND(0), &slot))
		emu_hostile_command(hostile, slot, value);
	else
		hostile->reg[reg / 4] = value;
}

/* ---- What a hostile one does ---------------------------------------------------------- */

static u32 emu_hostile_lie(struct emu_hostile *hostile, u32 value)
{
	switch (emu_hostile_random(hostile, 16)) {
	case 0:
		return U32_MAX;
	case 1 ... 3:
		return 0;
	case 4 ... 7:
		return value ^ BIT(emu_hostile_random(hostile, 32));
	case 8 ... 11:
		return hostile->reg[emu_hostile_random(hostile, EMU_HOSTILE_REGS)];
	default:
		return prandom_u32_state(&hostile->luck.rng);
	}
}

/* Who says that it has stopped must have stopped. */
static void emu_hostile_keep_word(struct emu_hostile *hostile, u32 reg, u32 value)
{
	u32 slot;

	if ((reg == NPU_REG_RESET && !value) || (reg == NPU_REG_ID && value == U32_MAX))
		emu_hostile_stop(hostile);
	if (emu_hostile_is_slot(reg, NPU_REG_SLOT_STATUS(0), &slot) &&
	    (value & NPU_SLOT_STATE) == NPU_SLOT_EMPTY) {
		hostile->bound[slot] = false;
		hostile->reg[reg / 4] = NPU_SLOT_EMPTY;
	}
}

/* What the driver believes to be written is what it has lent. */
static void emu_hostile_note(struct emu_hostile *hostile, u32 reg, u32 value)
{
	u32 slot;

	hostile->written[reg / 4] = value;
	if (reg == NPU_REG_EVENT_ORDER)
		hostile->events = value;
	if (emu_hostile_is_slot(reg, NPU_REG_SLOT_COMMAND(0), &slot) && value == NPU_SLOT_BIND)
		hostile->bound[slot] = true;
}

/**
 * emu_hostile_read() - read a register of an impostor
 * @hostile: impostor
 * @reg: offset
 */
u32 emu_hostile_read(struct emu_hostile *hostile, u32 reg)
{
	u32 value;

	guard(raw_spinlock_irqsave)(&hostile->lock);

	if (hostile->gone || reg >= NPU_REG_SPACE)
		return U32_MAX;
	value = hostile->reg[reg / 4];
	if (emu_hostile_lies(hostile))
		value = emu_hostile_lie(hostile, value);
	emu_hostile_keep_word(hostile, reg, value);
	return value;
}

/**
 * emu_hostile_write() - write a register of an impostor
 * @hostile: impostor
 * @reg: offset
 * @value: what to write
 */
void emu_hostile_write(struct emu_hostile *hostile, u32 reg, u32 value)
{
	guard(raw_spinlock_irqsave)(&hostile->lock);

	if (hostile->gone || reg >= NPU_REG_SPACE)
		return;
	emu_hostile_note(hostile, reg, value);
	if (emu_hostile_lies(hostile)) {
		switch (emu_hostile_random(hostile, 3)) {
		case 0:
			return;
		case 1:
			emu_hostile_set(hostile, reg, value);
			break;
		default:
			reg = 4 * emu_hostile_random(hostile, EMU_HOSTILE_REGS);
			break;
		}
	}
	emu_hostile_set(hostile, reg, value);
}

/**
 * emu_hostile_doorbell() - ring a doorbell of an impostor
 * @hostile: impostor
 * @slot: which one
 */
void emu_hostile_doorbell(struct emu_hostile *hostile, u32 slot)
{
	guard(raw_spinlock_irqsave)(&hostile->lock);

	if (hostile->gone)
		return;
	if (emu_hostile_lies(hostile)) {
		switch (emu_hostile_random(hostile, 3)) {
		case 0:
			return;
		case 1:
			emu_hostile_run(hostile, slot);
			break;
		default:
			slot = emu_hostile_random(hostile, hostile->emu->config.slots);
			break;
		}
	}
	emu_hostile_run(hostile, slot);
}

/* Out of the blue. */
static void emu_hostile_turn(struct emu_hostile *hostile)
{
	u32 slot = emu_hostile_random(hostile, hostile->emu->config.slots);

	switch (emu_hostile_random(hostile, 5)) {
	case 0:
		emu_hostile_interrupt(hostile, prandom_u32_state(&hostile->luck.rng));
		break;
	case 1:
		emu_hostile_scribble(hostile, emu_hostile_events(hostile), PAGE_SIZE);
		emu_hostile_interrupt(hostile, NPU_IRQ_EVENT);
		break;
	case 2:
		emu_hostile_scribble_context(hostile, slot);
		break;
	case 3:
		emu_hostile_scribble_reports(hostile, slot);
		break;
	case 4:
		emu_hostile_run(hostile, slot);
		break;
	}
}

static enum hrtimer_restart emu_hostile_tick(struct hrtimer *timer)
{
	struct emu_hostile *hostile = container_of(timer, struct emu_hostile, timer);

	guard(raw_spinlock_irqsave)(&hostile->lock);

	if (!hostile->gone && emu_hostile_lies(hostile))
		emu_hostile_turn(hostile);
	hrtimer_forward_now(timer, ns_to_ktime(EMU_HOSTILE_TICK));
	return hostile->gone ? HRTIMER_NORESTART : HRTIMER_RESTART;
}

/* ---- Life ------------------------------------------------------------------------------ */

/**
 * emu_hostile_create() - put an impostor into the place of a model
 * @emu: device that nobody uses yet, with a model whose registers it copies
 * @permille: how often it lies
 * @seed: what decides
 *
 * Return: 0 or -ENOMEM.
 */
int emu_hostile_create(struct emu_device *emu, u32 permille, u32 seed)
{
	struct emu_hostile *hostile;
	u32 i;

	hostile = kzalloc(sizeof(*hostile), GFP_KERNEL);
	if (!hostile)
		return -ENOMEM;
	hostile->emu = emu;
	raw_spin_lock_init(&hostile->lock);
	emu_luck_init(&hostile->luck, permille, seed);
	for (i = 0; i < EMU_HOSTILE_REGS; i++)
		hostile->reg[i] = npu_model_read(emu->model, 4 * i);
	hrtimer_setup(&hostile->timer, emu_hostile_tick, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	hrtimer_start(&hostile->timer, ns_to_ktime(EMU_HOSTILE_TICK), HRTIMER_MODE_REL_HARD);
	emu->hostile = hostile;
	return 0;
}

/**
 * emu_hostile_adjust() - from now on, lie more or less often
 * @hostile: impostor
 * @permille: how often
 */
void emu_hostile_adjust(struct emu_hostile *hostile, u32 permille)
{
	WRITE_ONCE(hostile->luck.permille, permille);
}

/**
 * emu_hostile_leave() - all reads give ones from now on; nothing else happens
 * @hostile: impostor
 */
void emu_hostile_leave(struct emu_hostile *hostile)
{
	guard(raw_spinlock_irqsave)(&hostile->lock);

	emu_hostile_stop(hostile);
	hostile->gone = true;
}

/**
 * emu_hostile_destroy() - let an impostor go
 * @hostile: impostor or NULL; nobody uses the device any more
 */
void emu_hostile_destroy(struct emu_hostile *hostile)
{
	if (!hostile)
		return;
	hrtimer_cancel(&hostile->timer);
	kfree(hostile);
}

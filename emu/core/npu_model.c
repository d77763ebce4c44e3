// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The device as its host and its driver see it: initialisation, registers,
 * doorbells, function reset, faults on demand.
 */
#include "npu_model_priv.h"

#define NPU_ALIGN64(x)		(((x) + 63) & ~(size_t)63)

#define NPU_TEMPERATURE_IDLE	35000	/* millidegrees */
#define NPU_TEMPERATURE_CORE	2500
#define NPU_POWER_MW_OFF	5
#define NPU_POWER_MW_IDLE	150
#define NPU_POWER_MW_CORE	900
#define NPU_TILE_US		100

static bool npu_in(u32 value, u32 low, u32 high)
{
	return value >= low && value <= high;
}

static bool npu_config_good(const struct npu_model_config *c)
{
	return npu_in(c->cores, 1, NPU_MAX_CORES) && npu_in(c->slots, 1, NPU_MAX_SLOTS) &&
	       npu_in(c->irqs, 1, 2) && npu_in(c->bus_bits, 32, 52) &&
	       npu_in(c->ring_order_max, NPU_RING_ORDER_MIN, 16) &&
	       npu_in(c->macs_max_order, 20, 40) && npu_in(c->bytes_max_order, 20, 40) &&
	       c->clock_khz && c->reset_ms;
}

size_t npu_model_size(const struct npu_model_config *config)
{
	if (!npu_config_good(config))
		return 0;
	return NPU_ALIGN64(sizeof(struct npu_model)) +
	       NPU_ALIGN64(config->slots * sizeof(struct npu_slot)) +
	       NPU_ALIGN64(config->cores * sizeof(struct npu_core));
}

static void npu_registers_default(struct npu_model *model)
{
	u32 i;

	model->control = 0;
	for (i = 0; i < ARRAY_SIZE(model->weight); i++)
		model->weight[i] = 1u << i;
	model->irq_status = 0;
	model->irq_waiting = false;
	model->moderation = 0;
	model->event_base = 0;
	model->event_order = 0;
	model->event_read = 0;
	model->event_write = 0;
	model->tlb_asid = 0;
	model->tlb_va = 0;
	model->tlb_pages = 0;
	model->fatal = false;
}

struct npu_model *npu_model_init(void *mem, const struct npu_model_config *config,
				 const struct npu_host_ops *ops, void *host)
{
	size_t slots = NPU_ALIGN64(sizeof(struct npu_model));
	size_t cores = slots + NPU_ALIGN64(config->slots * sizeof(struct npu_slot));
	struct npu_model *model = mem;
	u32 i;

	memset(mem, 0, npu_model_size(config));
	model->config = *config;
	model->ops = ops;
	model->host = host;
	model->kernels = npu_kernels_portable;
	model->slots = (struct npu_slot *)((u8 *)mem + slots);
	model->cores = (struct npu_core *)((u8 *)mem + cores);
	model->slot_words = (config->slots + 63) / 64;
	npu_registers_default(model);
	for (i = 0; i < config->slots; i++)
		model->slots[i].core = -1;
	for (i = 0; i < config->cores; i++) {
		model->cores[i].model = model;
		model->cores[i].index = i;
		model->cores[i].slot = -1;
		model->cores[i].leader = -1;
		model->idle |= 1u << i;
	}
	return model;
}

/**
 * npu_model_use() - choose the inner loops
 * @model: just powered on
 * @kernels: a set that the processor can run; what it lacks is done by the portable one
 *
 * All sets compute the same.
 */
void npu_model_use(struct npu_model *model, const struct npu_kernels *kernels)
{
	npu_kernels_fill(&model->kernels, kernels);
}

/* ---- Reset ------------------------------------------------------------------------- */

/*
 * All slots are empty at once; the cores leave at their tile boundaries. They
 * use the queue part of their slots until then, which nothing touches before
 * the acknowledgment.
 */
static void npu_function_reset(struct npu_model *model)
{
	struct npu_slot *s;
	u32 i;

	npu_registers_default(model);
	memset(model->ready, 0, sizeof(model->ready));
	for (i = 0; i < model->config.slots; i++) {
		s = &model->slots[i];
		s->context = 0;
		s->state = NPU_SLOT_EMPTY;
		s->command = 0;
		s->busy = false;
		s->core = -1;
	}
	model->core_resets = 0;
	model->resetting = true;
	for (i = 0; i < model->config.cores; i++) {
		model->cores[i].reset = false;
		model->cores[i].flush = true;
		npu_core_leave(&model->cores[i]);
	}
	npu_reset_poll(model);
}

static void npu_reset_write(struct npu_model *model, u32 value)
{
	u32 core = value & ~(NPU_RESET_FUNCTION | NPU_RESET_CORE_BUSY);

	if (value & NPU_RESET_FUNCTION) {
		npu_function_reset(model);
	} else if (value & NPU_RESET_CORE_BUSY && core < model->config.cores) {
		model->core_resets |= 1u << core;
		model->cores[core].reset = true;
		npu_core_leave(&model->cores[core]);
	}
}

/* ---- Power -------------------------------------------------------------------------- */

static bool npu_may_switch_off(const struct npu_model *model)
{
	u32 i;

	if (model->resetting || model->core_resets || model->tlb_seq != model->tlb_done)
		return false;
	for (i = 0; i < model->config.slots; i++) {
		if (model->slots[i].state != NPU_SLOT_EMPTY)
			return false;
	}
	return true;
}

static void npu_power_write(struct npu_model *model, u32 value)
{
	u32 i;

	if (value == NPU_POWER_IDLE)
		model->off = false;
	if (value != NPU_POWER_OFF || !npu_may_switch_off(model))
		return;
	model->off = true;
	npu_registers_default(model);
	npu_irq_enable(model, 0);
	for (i = 0; i < model->config.slots; i++)
		model->slots[i].context = 0;
	for (i = 0; i < model->config.cores; i++)
		model->cores[i].flush = true;
}

/* ---- Reading ------------------------------------------------------------------------- */

static u32 npu_cores_busy(const struct npu_model *model)
{
	u32 n = 0;
	u32 i;

	for (i = 0; i < model->config.cores; i++)
		n += model->cores[i].slot >= 0 || model->cores[i].leader >= 0;
	return n;
}

static u32 npu_read_discovery(const struct npu_model *model, u32 reg)
{
	const struct npu_model_config *c = &model->config;

	switch (reg) {
	case NPU_REG_ID:
		return NPU_ID;
	case NPU_REG_VERSION:
		return NPU_VERSION_MAJOR << 16 | NPU_VERSION_MINOR;
	case NPU_REG_ISA:
		return NPU_ISA_MAJOR << 16 | NPU_ISA_MINOR;
	case NPU_REG_FEATURES:
		return NPU_FEATURE_REPORT | NPU_FEATURE_CORE_RESET | NPU_FEATURE_POWER_OFF;
	case NPU_REG_ISA_FEATURES_LO:
		return (u32)NPU_ISA_FEATURES;
	case NPU_REG_SLOTS:
		return c->slots;
	case NPU_REG_CORES:
		return c->cores;
	case NPU_REG_IRQS:
		return c->irqs;
	case NPU_REG_VA_BITS:
		return NPU_VA_BITS;
	case NPU_REG_BUS_BITS:
		return c->bus_bits;
	case NPU_REG_ASID_BITS:
		return 16;
	case NPU_REG_PAGE_SIZES:
		return 1u << NPU_PT_SHIFT(0) | 1u << NPU_PT_SHIFT(1);
	case NPU_REG_RING_ORDER_MAX:
		return c->ring_order_max;
	case NPU_REG_MACS_MAX:
		return c->macs_max_order;
	case NPU_REG_BYTES_MAX:
		return c->bytes_max_order;
	case NPU_REG_CLOCK_KHZ:
		return c->clock_khz;
	case NPU_REG_TILE_US:
		return NPU_TILE_US;
	case NPU_REG_RESET_MS:
		return c->reset_ms;
	case NPU_REG_LAYOUTS:
		return 1u << NPU_LAYOUT_LINEAR;
	case NPU_REG_MACS_PER_CYCLE:
		return NPU_MACS_PER_CYCLE;
	default:
		return 0;
	}
}

static u32 npu_read_power(const struct npu_model *model, u32 reg)
{
	u32 busy = npu_cores_busy(model);

	switch (reg) {
	case NPU_REG_POWER:
		if (model->off)
			return NPU_POWER_OFF;
		return busy ? NPU_POWER_ON : NPU_POWER_IDLE;
	case NPU_REG_CLOCK_NOW:
		if (model->off)
			return 0;
		return model->clock_khz ? model->clock_khz : model->config.clock_khz;
	case NPU_REG_TEMPERATURE:
		return NPU_TEMPERATURE_IDLE + NPU_TEMPERATURE_CORE * busy;
	case NPU_REG_POWER_MW:
		return model->off ? NPU_POWER_MW_OFF :
				    NPU_POWER_MW_IDLE + NPU_POWER_MW_CORE * busy;
	default:
		return 0;
	}
}

static u32 npu_read_control(const struct npu_model *model, u32 reg)
{
	switch (reg) {
	case NPU_REG_CONTROL:
		return model->control;
	case NPU_REG_STATUS:
		return (model->resetting || model->off ? 0 : NPU_STATUS_READY) |
		       (model->fatal ? NPU_STATUS_FATAL : 0);
	case NPU_REG_RESET:
		return (model->resetting ? NPU_RESET_FUNCTION : 0) |
		       (model->core_resets ? NPU_RESET_CORE_BUSY : 0);
	case NPU_REG_WEIGHT(0):
	case NPU_REG_WEIGHT(1):
	case NPU_REG_WEIGHT(2):
		return model->weight[(reg - NPU_REG_WEIGHT(0)) / 4];
	case NPU_REG_IRQ_STATUS:
		return model->irq_status;
	case NPU_REG_IRQ_ENABLE:
		return model->irq_enable;
	case NPU_REG_IRQ_MODERATION:
		return model->moderation;
	case NPU_REG_EVENT_BASE_LO:
		return (u32)model->event_base;
	case NPU_REG_EVENT_BASE_HI:
		return (u32)(model->event_base >> 32);
	case NPU_REG_EVENT_ORDER:
		return model->event_order;
	case NPU_REG_EVENT_READ:
		return model->event_read;
	case NPU_REG_EVENT_WRITE:
		return model->event_write;
	case NPU_REG_TLB_ASID:
		return model->tlb_asid;
	case NPU_REG_TLB_VA_LO:
		return (u32)model->tlb_va;
	case NPU_REG_TLB_VA_HI:
		return (u32)(model->tlb_va >> 32);
	case NPU_REG_TLB_PAGES:
		return model->tlb_pages;
	case NPU_REG_TLB_SEQ:
		return model->tlb_seq;
	case NPU_REG_TLB_DONE:
		return model->tlb_done;
	default:
		return npu_read_power(model, reg);
	}
}

static u32 npu_read_slot(const struct npu_model *model, u32 reg)
{
	u32 slot = (reg - NPU_REG_SLOT(0)) / 0x20;

	if (slot >= model->config.slots)
		return 0;
	switch (reg - NPU_REG_SLOT(slot)) {
	case 0x00:
		return (u32)model->slots[slot].context;
	case 0x04:
		return (u32)(model->slots[slot].context >> 32);
	case 0x0c:
		return npu_slot_status(model, slot);
	default:
		return 0;
	}
}

static u32 npu_read_locked(struct npu_model *model, u32 reg)
{
	u64 value;

	if (model->gone)
		return NPU_U32_MAX;
	if (reg == NPU_REG_TIME_LO || reg == NPU_REG_TIME_HI) {
		value = npu_now(model);
		return (u32)(reg == NPU_REG_TIME_LO ? value : value >> 32);
	}
	if (reg >= NPU_REG_CORE_BUSY_LO(0) &&
	    reg < NPU_REG_CORE_BUSY_LO(model->config.cores)) {
		value = model->cores[(reg - NPU_REG_CORE_BUSY_LO(0)) / 8].busy;
		return (u32)(reg & 4 ? value >> 32 : value);
	}
	if (reg >= NPU_REG_SLOT(0))
		return npu_read_slot(model, reg);
	if (reg < NPU_REG_CONTROL)
		return npu_read_discovery(model, reg);
	return npu_read_control(model, reg);
}

/**
 * npu_model_read() - a 32-bit read of the register space
 * @model: the device
 * @reg: offset, a multiple of 4
 *
 * Return: value, 0 where there is no register.
 */
u32 npu_model_read(struct npu_model *model, u32 reg)
{
	unsigned long flags = npu_lock(model);
	u32 value = npu_read_locked(model, reg);

	npu_unlock(model, flags);
	return value;
}

/* ---- Writing --------------------------------------------------------------------------- */

static u64 npu_set_half(u64 old, u32 value, bool high)
{
	if (high)
		return (old & NPU_U32_MAX) | (u64)value << 32;
	return (old & ~(u64)NPU_U32_MAX) | value;
}

static void npu_write_slot(struct npu_model *model, u32 reg, u32 value)
{
	u32 slot = (reg - NPU_REG_SLOT(0)) / 0x20;
	struct npu_slot *s;
	u32 field;

	if (slot >= model->config.slots)
		return;
	s = &model->slots[slot];
	field = reg - NPU_REG_SLOT(slot);
	if (field == 0x08)
		npu_slot_command(model, slot, value);
	else if (field <= 0x04 && s->state == NPU_SLOT_EMPTY)
		s->context = npu_set_half(s->context, value, field == 0x04) &
			     ~(u64)(NPU_CONTEXT_SIZE - 1);
}

static void npu_write_control_bits(struct npu_model *model, u32 value)
{
	u32 i;

	model->control = value & NPU_CONTROL_ENABLE;
	for (i = 0; i < model->config.cores; i++)
		npu_sched_wake(model);
}

static void npu_write_event_order(struct npu_model *model, u32 value)
{
	model->event_order = value <= NPU_EVENT_ORDER_MAX ? value : 0;
	model->event_read = 0;
	model->event_write = 0;
	model->irq_status &= ~NPU_IRQ_EVENT;
}

static void npu_write_control(struct npu_model *model, u32 reg, u32 value)
{
	switch (reg) {
	case NPU_REG_CONTROL:
		npu_write_control_bits(model, value);
		break;
	case NPU_REG_RESET:
		npu_reset_write(model, value);
		break;
	case NPU_REG_POWER:
		npu_power_write(model, value);
		break;
	case NPU_REG_WEIGHT(0):
	case NPU_REG_WEIGHT(1):
	case NPU_REG_WEIGHT(2):
		model->weight[(reg - NPU_REG_WEIGHT(0)) / 4] = clamp_t(u32, value, 1, 255);
		break;
	case NPU_REG_IRQ_MODERATION:
		model->moderation = value;
		break;
	case NPU_REG_EVENT_BASE_LO:
	case NPU_REG_EVENT_BASE_HI:
		model->event_base = npu_set_half(model->event_base, value,
						 reg == NPU_REG_EVENT_BASE_HI) &
				    ~(u64)(NPU_EVENT_SIZE - 1);
		break;
	case NPU_REG_EVENT_ORDER:
		npu_write_event_order(model, value);
		break;
	case NPU_REG_EVENT_READ:
		npu_event_read_index(model, value);
		break;
	case NPU_REG_TLB_ASID:
		model->tlb_asid = value & (NPU_ASIDS - 1);
		break;
	case NPU_REG_TLB_VA_LO:
	case NPU_REG_TLB_VA_HI:
		model->tlb_va = npu_set_half(model->tlb_va, value, reg == NPU_REG_TLB_VA_HI);
		break;
	case NPU_REG_TLB_PAGES:
		model->tlb_pages = value;
		break;
	case NPU_REG_TLB_INVALIDATE:
		if (value & 1)
			npu_tlb_invalidate(model);
		break;
	default:
		break;
	}
}

/**
 * npu_model_write() - a 32-bit write to the register space
 * @model: the device
 * @reg: offset, a multiple of 4
 * @value: written where there is a register that takes it
 */
void npu_model_write(struct npu_model *model, u32 reg, u32 value)
{
	unsigned long flags = npu_lock(model);

	if (model->gone || (model->off && reg != NPU_REG_POWER))
		goto out;
	/* During a function reset only the interrupt registers take writes. */
	if (reg == NPU_REG_IRQ_STATUS)
		model->irq_status &= ~value;
	else if (reg == NPU_REG_IRQ_ENABLE)
		npu_irq_enable(model, value);
	else if (model->resetting)
		goto out;
	else if (reg >= NPU_REG_SLOT(0))
		npu_write_slot(model, reg, value);
	else
		npu_write_control(model, reg, value);
out:
	npu_unlock(model, flags);
}

/**
 * npu_model_doorbell() - a write to the first word of a doorbell page
 * @model: the device
 * @slot: page
 * @value: low half of the write index, a hint that this device does not need
 */
void npu_model_doorbell(struct npu_model *model, u32 slot, u32 value)
{
	unsigned long flags = npu_lock(model);

	(void)value;
	if (!model->gone && slot < model->config.slots)
		npu_slot_doorbell(model, slot);
	npu_unlock(model, flags);
}

/* ---- Faults on demand -------------------------------------------------------------------- */

static bool npu_inject_good(const struct npu_model *model, enum npu_inject what, u64 arg)
{
	switch (what) {
	case NPU_INJECT_GONE:
		return arg <= 1;
	case NPU_INJECT_DEAF:
		return arg <= NPU_DEAF_ALL;
	case NPU_INJECT_CLOCK:
		return arg <= model->config.clock_khz;
	case NPU_INJECT_LATENCY:
		return arg <= NPU_INJECT_LATENCY_MAX;
	case NPU_INJECT_LIMIT:
		return arg <= 1ull << model->config.bus_bits;
	default:
		return what < NPU_INJECT_KINDS && arg <= NPU_U32_MAX;
	}
}

static void npu_inject_gone(struct npu_model *model, bool gone)
{
	bool back = model->gone && !gone;
	u32 i;

	model->gone = gone;
	for (i = 0; i < model->config.cores; i++)
		npu_core_leave(&model->cores[i]);
	/* What comes back has been without power. */
	if (back) {
		model->ended = false;
		model->off = false;
		model->irq_enable = 0;
		npu_function_reset(model);
	}
}

/* What was asked for in vain is done now. */
static void npu_inject_deaf(struct npu_model *model, u32 deaf)
{
	u32 i;

	WRITE_ONCE(model->deaf, deaf);
	for (i = 0; i < model->config.slots; i++)
		npu_slot_obey(model, i);
	for (i = 0; i < model->config.cores; i++)
		if (model->cores[i].reset)
			npu_core_leave(&model->cores[i]);
	npu_reset_poll(model);
}

static void npu_inject_latency(struct npu_model *model, enum npu_inject what, u32 arg)
{
	u32 i;

	WRITE_ONCE(*(what == NPU_INJECT_CLOCK ? &model->clock_khz : &model->latency), arg);
	for (i = 0; i < model->config.cores; i++)
		if (!model->cores[i].in_tile)
			model->cores[i].rest = 0;
}

static void npu_inject_locked(struct npu_model *model, enum npu_inject what, u64 arg)
{
	switch (what) {
	case NPU_INJECT_OVERFLOW:
		model->overflow = (u32)arg;
		break;
	case NPU_INJECT_GONE:
		npu_inject_gone(model, arg);
		break;
	case NPU_INJECT_DEAF:
		npu_inject_deaf(model, (u32)arg);
		break;
	case NPU_INJECT_CLOCK:
	case NPU_INJECT_LATENCY:
		npu_inject_latency(model, what, (u32)arg);
		break;
	case NPU_INJECT_LIMIT:
		WRITE_ONCE(model->limit, arg);
		break;
	default:
		WRITE_ONCE(model->count[what], (u32)arg);
		break;
	}
}

bool npu_model_inject(struct npu_model *model, enum npu_inject what, u64 arg)
{
	unsigned long flags;

	if (!npu_inject_good(model, what, arg))
		return false;
	flags = npu_lock(model);
	npu_inject_locked(model, what, arg);
	npu_unlock(model, flags);
	return true;
}

static u64 npu_injected_locked(const struct npu_model *model, enum npu_inject what)
{
	switch (what) {
	case NPU_INJECT_OVERFLOW:
		return model->overflow;
	case NPU_INJECT_GONE:
		return model->gone;
	case NPU_INJECT_DEAF:
		return model->deaf;
	case NPU_INJECT_CLOCK:
		return model->clock_khz;
	case NPU_INJECT_LATENCY:
		return model->latency;
	case NPU_INJECT_LIMIT:
		return model->limit;
	default:
		return what < NPU_INJECT_COUNTED ? READ_ONCE(model->count[what]) : 0;
	}
}

u64 npu_model_injected(struct npu_model *model, enum npu_inject what)
{
	unsigned long flags = npu_lock(model);
	u64 arg = npu_injected_locked(model, what);

	npu_unlock(model, flags);
	return arg;
}

void npu_model_leave(struct npu_model *model)
{
	unsigned long flags = npu_lock(model);
	u32 i;

	model->ended = true;
	for (i = 0; i < model->config.cores; i++)
		npu_core_leave(&model->cores[i]);
	npu_unlock(model, flags);
}

u64 npu_model_bus_errors(struct npu_model *model)
{
	unsigned long flags = npu_lock(model);
	u64 errors = model->bus_errors;
	u32 i;

	for (i = 0; i < model->config.cores; i++)
		errors += READ_ONCE(model->cores[i].bus_errors);
	npu_unlock(model, flags);
	return errors;
}

// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/device.h>
#include <linux/dma-direct.h>
#include <linux/dma-fence.h>
#include <linux/irq.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include "npu_drv.h"
#include "npu_fence.h"
#include "npu_kunit.h"
#include "npu_queue.h"
#include "npu_vm.h"

/**
 * fake_breach() - the driver does what the hardware specification forbids
 * @fake: device
 * @what: for the message of the failed test
 */
void fake_breach(struct fake_npu *fake, const char *what)
{
	if (!fake->breach)
		fake->breach = what;
}

/**
 * fake_memory() - where a bus address is, as the device finds it
 * @fake: device
 * @dma: bus address
 */
void *fake_memory(struct fake_npu *fake, dma_addr_t dma)
{
	return phys_to_virt(dma_to_phys(fake->dev, dma));
}

/* ---- Registers ------------------------------------------------------------- */

static u32 *fake_reg(struct fake_npu *fake, u32 reg)
{
	return &fake->reg[reg / sizeof(u32)];
}

static u64 fake_reg64(struct fake_npu *fake, u32 reg)
{
	return *fake_reg(fake, reg) | (u64)*fake_reg(fake, reg + 4) << 32;
}

static struct npu_context *fake_slot_context(struct fake_npu *fake, unsigned int slot)
{
	return fake_memory(fake, fake_reg64(fake, NPU_REG_SLOT_CONTEXT_LO(slot)));
}

static bool fake_context_is_malformed(const struct npu_context *context)
{
	return context->reserved0[0] || context->reserved0[1] || context->reserved0[2] ||
	       !IS_ALIGNED(le64_to_cpu(context->ring_base), NPU_JOB_SIZE) ||
	       !IS_ALIGNED(le64_to_cpu(context->report_base), NPU_REPORT_SIZE) ||
	       !IS_ALIGNED(le64_to_cpu(context->page_table), SZ_4K) ||
	       le32_to_cpu(context->ring_order) != NPU_RING_ORDER ||
	       le32_to_cpu(context->priority) >= NPU_PRIORITIES;
}

static void fake_bind(struct fake_npu *fake, unsigned int slot)
{
	struct npu_context *context = fake_slot_context(fake, slot);
	u32 *status = fake_reg(fake, NPU_REG_SLOT_STATUS(slot));
	unsigned int i;

	if (*status != NPU_SLOT_EMPTY)
		fake_breach(fake, "BIND of a slot that is not empty");
	for (i = 0; i < FAKE_SLOTS; i++) {
		if (i != slot && *fake_reg(fake, NPU_REG_SLOT_STATUS(i)) != NPU_SLOT_EMPTY &&
		    fake_slot_context(fake, i) == context)
			fake_breach(fake, "BIND of a context that is bound already");
	}
	if (fake_context_is_malformed(context))
		fake_breach(fake, "BIND of a malformed context");
	*status = context->fault_status ? NPU_SLOT_HALTED : NPU_SLOT_BOUND;
}

static void fake_command(struct fake_npu *fake, unsigned int slot, u32 command)
{
	u32 *status = fake_reg(fake, NPU_REG_SLOT_STATUS(slot));

	if (slot >= FAKE_SLOTS || command < NPU_SLOT_BIND || command > NPU_SLOT_RESET) {
		fake_breach(fake, "no such slot or command");
		return;
	}
	fake->commands[command]++;
	if (command == NPU_SLOT_BIND)
		fake_bind(fake, slot);
	else if (!(fake->hold & BIT(command)))
		*status = NPU_SLOT_EMPTY;
	else if (*status != NPU_SLOT_EMPTY)
		*status = (*status & ~NPU_SLOT_STATE) | NPU_SLOT_STOPPING;
}

static void fake_reset(struct fake_npu *fake)
{
	unsigned int i;

	for (i = 0; i < FAKE_SLOTS; i++)
		*fake_reg(fake, NPU_REG_SLOT_STATUS(i)) = NPU_SLOT_EMPTY;
	*fake_reg(fake, NPU_REG_CONTROL) = 0;
	*fake_reg(fake, NPU_REG_EVENT_ORDER) = 0;
	*fake_reg(fake, NPU_REG_TLB_DONE) = *fake_reg(fake, NPU_REG_TLB_SEQ);
	*fake_reg(fake, NPU_REG_STATUS) = NPU_STATUS_READY;
	*fake_reg(fake, NPU_REG_RESET) = 0;
	*fake_reg(fake, NPU_REG_IRQ_STATUS) = NPU_IRQ_RESET;
}

/* Whoever is on the core is aborted. */
static void fake_reset_core(struct fake_npu *fake)
{
	struct npu_context *context;
	unsigned int i;
	u32 *status;

	for (i = 0; i < FAKE_SLOTS; i++) {
		status = fake_reg(fake, NPU_REG_SLOT_STATUS(i));
		if (!(*status & NPU_SLOT_BUSY) || NPU_SLOT_CORE(*status) != fake->core)
			continue;
		context = fake_slot_context(fake, i);
		context->fault_sequence = context->started;
		context->fault_status = cpu_to_le32(NPU_FAULT_ABORTED);
		*status = (*status & NPU_SLOT_STATE) == NPU_SLOT_STOPPING ? NPU_SLOT_EMPTY :
									    NPU_SLOT_HALTED;
	}
	*fake_reg(fake, NPU_REG_RESET) &= ~NPU_RESET_CORE_BUSY;
	*fake_reg(fake, NPU_REG_IRQ_STATUS) |= NPU_IRQ_RESET;
}

static void fake_write_reset(struct fake_npu *fake, u32 value)
{
	u32 *reg = fake_reg(fake, NPU_REG_RESET);

	if (value & NPU_RESET_FUNCTION) {
		fake->resets++;
		*reg = value;
		if (!(fake->hold & FAKE_HOLD_RESET))
			fake_reset(fake);
		return;
	}
	fake->core_resets++;
	fake->core = value & ~NPU_RESET_CORE_BUSY;
	if (fake->core >= NPU_MAX_CORES)
		fake_breach(fake, "no such core");
	*reg |= NPU_RESET_CORE_BUSY;
	if (!(fake->hold & FAKE_HOLD_CORE))
		fake_reset_core(fake);
}

static void fake_write_control(struct fake_npu *fake, u32 reg, u32 value)
{
	switch (reg) {
	case NPU_REG_RESET:
		fake_write_reset(fake, value);
		break;
	case NPU_REG_EVENT_ORDER:
		*fake_reg(fake, reg) = value;
		*fake_reg(fake, NPU_REG_EVENT_READ) = 0;
		*fake_reg(fake, NPU_REG_EVENT_WRITE) = 0;
		break;
	case NPU_REG_EVENT_READ:
		*fake_reg(fake, reg) = value;
		if (value == *fake_reg(fake, NPU_REG_EVENT_WRITE))
			*fake_reg(fake, NPU_REG_IRQ_STATUS) &= ~NPU_IRQ_EVENT;
		else
			*fake_reg(fake, NPU_REG_IRQ_STATUS) |= NPU_IRQ_EVENT;
		break;
	case NPU_REG_TLB_INVALIDATE:
		++*fake_reg(fake, NPU_REG_TLB_SEQ);
		if (!(fake->hold & FAKE_HOLD_TLB))
			*fake_reg(fake, NPU_REG_TLB_DONE) = *fake_reg(fake, NPU_REG_TLB_SEQ);
		break;
	default:
		*fake_reg(fake, reg) = value;
		break;
	}
}

static void fake_bus_write(void *priv, u32 reg, u32 value)
{
	struct fake_npu *fake = priv;

	guard(spinlock_irqsave)(&fake->lock);

	if (fake->gone)
		return;
	if (reg == NPU_REG_IRQ_STATUS)
		*fake_reg(fake, reg) &= ~value;
	else if (*fake_reg(fake, NPU_REG_RESET) & NPU_RESET_FUNCTION && reg != NPU_REG_IRQ_ENABLE)
		return;	/* ignored, says the specification */
	else if (reg >= NPU_REG_SLOT(0) && reg % 0x20 == NPU_REG_SLOT_COMMAND(0) % 0x20)
		fake_command(fake, (reg - NPU_REG_SLOT(0)) / 0x20, value);
	else
		fake_write_control(fake, reg, value);
}

static u32 fake_bus_read(void *priv, u32 reg)
{
	struct fake_npu *fake = priv;

	guard(spinlock_irqsave)(&fake->lock);

	return fake->gone ? ~0u : *fake_reg(fake, reg);
}

static void fake_bus_doorbell(void *priv, u32 slot, u32 value)
{
	struct fake_npu *fake = priv;
	struct npu_context *context;

	guard(spinlock_irqsave)(&fake->lock);

	if (fake->gone || *fake_reg(fake, NPU_REG_RESET) & NPU_RESET_FUNCTION)
		return;
	if (slot >= FAKE_SLOTS) {
		fake_breach(fake, "no such doorbell");
		return;
	}
	fake->doorbells[slot]++;
	if (*fake_reg(fake, NPU_REG_SLOT_STATUS(slot)) == NPU_SLOT_EMPTY)
		return;
	context = fake_slot_context(fake, slot);
	if (le64_to_cpu(context->write_index) - le64_to_cpu(context->read_index) > NPU_RING_JOBS)
		fake_breach(fake, "more jobs than ring entries");
}

/**
 * fake_get() - look at a register without side effects
 * @fake: device
 * @reg: register
 */
u32 fake_get(struct fake_npu *fake, u32 reg)
{
	guard(spinlock_irqsave)(&fake->lock);

	return *fake_reg(fake, reg);
}

/**
 * fake_set() - change a register as the device does
 * @fake: device
 * @reg: register
 * @value: what it reads from now on
 */
void fake_set(struct fake_npu *fake, u32 reg, u32 value)
{
	guard(spinlock_irqsave)(&fake->lock);

	*fake_reg(fake, reg) = value;
}

/**
 * fake_hold() - choose what the fake does not acknowledge by itself
 * @fake: device
 * @hold: see fake_npu.hold
 */
void fake_hold(struct fake_npu *fake, u32 hold)
{
	guard(spinlock_irqsave)(&fake->lock);

	fake->hold = hold;
}

/**
 * fake_set_gone() - let the device disappear
 * @fake: device
 */
void fake_set_gone(struct fake_npu *fake)
{
	guard(spinlock_irqsave)(&fake->lock);

	fake->gone = true;
}

/**
 * fake_ack_reset() - acknowledge a function reset that was held back
 * @fake: device
 */
void fake_ack_reset(struct fake_npu *fake)
{
	guard(spinlock_irqsave)(&fake->lock);

	fake_reset(fake);
}

/**
 * fake_ack_core() - acknowledge a core reset that was held back
 * @fake: device
 */
void fake_ack_core(struct fake_npu *fake)
{
	guard(spinlock_irqsave)(&fake->lock);

	fake_reset_core(fake);
}

/**
 * fake_set_core() - choose the core that executes the queue of a slot
 * @fake: device
 * @slot: index; busy
 * @core: index
 */
void fake_set_core(struct fake_npu *fake, unsigned int slot, u32 core)
{
	guard(spinlock_irqsave)(&fake->lock);

	*fake_reg(fake, NPU_REG_SLOT_STATUS(slot)) |= core << NPU_SLOT_CORE_SHIFT;
}

/* ---- Interrupts and events -------------------------------------------------- */

/**
 * fake_irq() - raise an interrupt, whether there is a cause or not
 * @fake: device
 * @vector: index
 */
void fake_irq(struct fake_npu *fake, unsigned int vector)
{
	generic_handle_irq_safe(fake->bus.irq[vector]);
}

/**
 * fake_cause() - set interrupt causes; the interrupt itself is the test's
 * @fake: device
 * @causes: NPU_IRQ_*
 */
void fake_cause(struct fake_npu *fake, u32 causes)
{
	guard(spinlock_irqsave)(&fake->lock);

	*fake_reg(fake, NPU_REG_IRQ_STATUS) |= causes;
}

/**
 * fake_event() - write an event record; the interrupt itself is the test's
 * @fake: device
 * @type: enum npu_event_type or nonsense
 * @queue: number that it names
 */
void fake_event(struct fake_npu *fake, u32 type, u32 queue)
{
	struct npu_event *ring;
	u32 entries, *write;

	guard(spinlock_irqsave)(&fake->lock);

	ring = fake_memory(fake, fake_reg64(fake, NPU_REG_EVENT_BASE_LO));
	entries = 1u << *fake_reg(fake, NPU_REG_EVENT_ORDER);
	write = fake_reg(fake, NPU_REG_EVENT_WRITE);
	if (*write - *fake_reg(fake, NPU_REG_EVENT_READ) >= entries) {
		*fake_reg(fake, NPU_REG_IRQ_STATUS) |= NPU_IRQ_OVERFLOW;
		return;
	}
	ring[*write % entries] = (struct npu_event) {
		.type = cpu_to_le32(type),
		.queue = cpu_to_le32(queue),
	};
	++*write;
	*fake_reg(fake, NPU_REG_IRQ_STATUS) |= NPU_IRQ_EVENT;
}

/* ---- Page tables --------------------------------------------------------------- */

static bool fake_pte_is_malformed(u64 pte, unsigned int level)
{
	if (pte & NPU_PTE_RESERVED)
		return true;
	if (pte & NPU_PTE_LEAF)
		return level > 1 || (level == 1 && !IS_ALIGNED(pte & NPU_PTE_ADDR, SZ_2M));
	return !level || pte & (NPU_PTE_READ | NPU_PTE_WRITE);
}

static u64 fake_read_pte(struct fake_npu *fake, dma_addr_t table, unsigned int level,
			 unsigned int index)
{
	__le64 *entries = fake_memory(fake, table);
	u64 pte = le64_to_cpu(READ_ONCE(entries[index]));

	if (!(pte & NPU_PTE_VALID))
		return 0;
	if (fake_pte_is_malformed(pte, level))
		fake_breach(fake, "malformed page-table entry");
	return pte;
}

/**
 * fake_translate() - walk page tables as the device does
 * @fake: device
 * @root: level 3 table
 * @va: address of a page
 * @level: where the leaf or the hole is
 *
 * Return: address of the page | NPU_PTE_READ | NPU_PTE_WRITE, 0 if there is none.
 */
u64 fake_translate(struct fake_npu *fake, dma_addr_t root, u64 va, unsigned int *level)
{
	u64 pte, table = root;
	u64 offset;

	for (*level = NPU_PT_LEVELS - 1; ; --*level) {
		pte = fake_read_pte(fake, table, *level,
				    (va >> NPU_PT_SHIFT(*level)) % NPU_PT_ENTRIES);
		if (!pte)
			return 0;
		table = pte & NPU_PTE_ADDR;
		if (pte & NPU_PTE_LEAF || !*level)
			break;
	}
	offset = va & ((1ull << NPU_PT_SHIFT(*level)) - 1);
	return (table + offset) | (pte & (NPU_PTE_READ | NPU_PTE_WRITE));
}

/**
 * fake_count_tables() - size of a tree of page tables; all entries are checked
 * @fake: device
 * @table: its root
 * @level: of @table
 *
 * Return: number of tables, 0 for one that is empty.
 */
unsigned int fake_count_tables(struct fake_npu *fake, dma_addr_t table, unsigned int level)
{
	unsigned int i, below, used = 0, count = 0;
	u64 pte;

	for (i = 0; i < NPU_PT_ENTRIES; i++) {
		pte = fake_read_pte(fake, table, level, i);
		used += pte != 0;
		if (!pte || pte & NPU_PTE_LEAF || !level)
			continue;
		below = fake_count_tables(fake, pte & NPU_PTE_ADDR, level - 1);
		if (!below)
			fake_breach(fake, "empty page table in the tree");
		count += below;
	}
	return used ? count + 1 : 0;
}

/* ---- Queues and jobs -------------------------------------------------------------- */

/**
 * fake_queue() - make a queue, which ends with the test
 * @fake: device
 * @priority: enum drm_npu_priority
 * @hang_ms: hang limit
 */
struct npu_queue *fake_queue(struct fake_npu *fake, u32 priority, u32 hang_ms)
{
	const struct drm_npu_queue_create args = {
		.priority = priority,
		.hang_timeout_ms = hang_ms,
	};
	struct npu_queue *queue;

	KUNIT_ASSERT_LT(fake->test, fake->queues, FAKE_QUEUES);
	queue = npu_queue_create(fake->npu, fake->vm, &args, NULL);
	KUNIT_ASSERT_FALSE(fake->test, IS_ERR(queue));
	fake->queue[fake->queues++] = queue;
	return queue;
}

static void fake_job_signalled(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct fake_job *job = container_of(cb, struct fake_job, cb);

	if (job->prev && !fake_job_ended(job->prev))
		fake_breach(job->fake, "a job ended before its predecessor");
}

static struct fake_job *fake_job_create(struct fake_npu *fake, struct npu_queue *queue)
{
	struct fake_job *job;
	unsigned int i;

	KUNIT_ASSERT_LT(fake->test, fake->jobs, FAKE_JOBS);
	job = kzalloc(sizeof(*job), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(fake->test, job);
	job->fake = fake;
	job->base.queue = queue;
	for (i = 0; i < fake->jobs; i++) {
		if (fake->job[i]->base.queue == queue)
			job->prev = fake->job[i];
	}
	return job;
}

/**
 * fake_submit() - do for one job what drm_sched does, up to run_job
 * @fake: device
 * @queue: of the job
 *
 * The arguments of the job are made from its number. drm_sched's limit of
 * NPU_RING_JOBS jobs at a time is the caller's to keep.
 */
struct fake_job *fake_submit(struct fake_npu *fake, struct npu_queue *queue)
{
	struct fake_job *job = fake_job_create(fake, queue);
	struct dma_fence *fence;

	/* A reference of the job, as from npu_pm_get(). */
	pm_runtime_get_noresume(fake->dev);
	npu_fence_init(&job->base.fence, queue->name, queue->fence_context, ++queue->submitted);
	/* Whoever looks at the job needs the memory of its fence, see fake_reap(). */
	dma_fence_get(&job->base.fence.base);
	job->base.args = (struct drm_npu_job) {
		.stream_va = queue->submitted << 20,
		.stream_size = 8 * queue->submitted,
		.bases_va = queue->submitted << 12,
		.bases = queue->submitted % 32,
	};
	fake->job[fake->jobs++] = job;
	dma_fence_add_callback(&job->base.fence.base, &job->cb, fake_job_signalled);
	fence = npu_sched_ops.run_job(&job->base.base);
	if (!IS_ERR(fence))
		dma_fence_put(fence);
	return job;
}

bool fake_job_ended(struct fake_job *job)
{
	return test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &job->base.fence.base.flags);
}

/**
 * fake_job_error() - how a job ended
 * @job: job
 *
 * Return: 0 or the error of its fence, 1 if it has not ended.
 */
int fake_job_error(struct fake_job *job)
{
	return fake_job_ended(job) ? job->base.fence.base.error : 1;
}

/**
 * fake_submit_many() - fake_submit(), several times
 * @fake: device
 * @queue: of the jobs
 * @count: how many
 */
void fake_submit_many(struct fake_npu *fake, struct npu_queue *queue, unsigned int count)
{
	while (count--)
		fake_submit(fake, queue);
}

/**
 * fake_settle() - let the slot worker do all that it can do now
 * @fake: device
 */
void fake_settle(struct fake_npu *fake)
{
	unsigned int i;

	/* Unbind, see it, bind, and one more. */
	for (i = 0; i < 4; i++)
		flush_delayed_work(&fake->npu->slots.work);
}

/**
 * fake_empty() - a slot becomes empty, for whatever reason; say nothing
 * @fake: device
 * @slot: index
 */
void fake_empty(struct fake_npu *fake, unsigned int slot)
{
	fake_set(fake, NPU_REG_SLOT_STATUS(slot), NPU_SLOT_EMPTY);
}

/**
 * fake_context() - the context of a queue, found as the device finds it
 * @fake: device
 * @queue: any
 */
struct npu_context *fake_context(struct fake_npu *fake, struct npu_queue *queue)
{
	return fake_memory(fake, queue->context_dma);
}

static void fake_set_busy(struct fake_npu *fake, struct npu_queue *queue, bool busy)
{
	int slot = READ_ONCE(queue->slot);
	u32 *status;

	guard(spinlock_irqsave)(&fake->lock);

	if (slot < 0)
		return;
	status = fake_reg(fake, NPU_REG_SLOT_STATUS(slot));
	*status = busy ? *status | NPU_SLOT_BUSY : *status & NPU_SLOT_STATE;
}

/**
 * fake_start() - a core begins the next job of a queue
 * @fake: device
 * @queue: with jobs in its ring
 */
void fake_start(struct fake_npu *fake, struct npu_queue *queue)
{
	struct npu_context *context = fake_context(fake, queue);
	struct npu_job_desc *ring = fake_memory(fake, le64_to_cpu(context->ring_base));
	u64 read = le64_to_cpu(context->read_index);

	fake_set_busy(fake, queue, true);
	WRITE_ONCE(context->started, ring[read % NPU_RING_JOBS].sequence);
}

/**
 * fake_finish() - the job that a core has begun is complete
 * @fake: device
 * @queue: after fake_start()
 */
void fake_finish(struct fake_npu *fake, struct npu_queue *queue)
{
	struct npu_context *context = fake_context(fake, queue);

	le64_add_cpu(&context->read_index, 1);
	le64_add_cpu(&context->progress, 1);
	/* Before all else of the job. */
	dma_wmb();
	WRITE_ONCE(context->sequence, context->started);
	fake_set_busy(fake, queue, false);
}

/**
 * fake_run() - execute the next job of a queue, say nothing
 * @fake: device
 * @queue: with jobs in its ring
 */
void fake_run(struct fake_npu *fake, struct npu_queue *queue)
{
	fake_start(fake, queue);
	fake_finish(fake, queue);
}

/**
 * fake_fault() - halt a queue, say nothing
 * @fake: device
 * @queue: any
 * @status: enum npu_fault or nonsense
 */
void fake_fault(struct fake_npu *fake, struct npu_queue *queue, u32 status)
{
	struct npu_context *context = fake_context(fake, queue);

	context->fault_detail = cpu_to_le32(2);
	context->fault_sequence = context->started;
	context->fault_va = cpu_to_le64(0x123456789000);
	context->fault_offset = cpu_to_le64(0x40);
	context->fault_access = cpu_to_le32(NPU_ACCESS_WRITE);
	/* Before the status that makes them valid. */
	dma_wmb();
	WRITE_ONCE(context->fault_status, cpu_to_le32(status));
	fake_set_busy(fake, queue, false);
	if (queue->slot >= 0)
		fake_set(fake, NPU_REG_SLOT_STATUS(queue->slot), NPU_SLOT_HALTED);
}

/* ---- Life ------------------------------------------------------------------------------ */

static const struct {
	u32 reg;
	u32 value;
} fake_caps[] = {
	{ NPU_REG_ID, NPU_ID },
	{ NPU_REG_VERSION, NPU_VERSION_MAJOR << 16 | NPU_VERSION_MINOR },
	{ NPU_REG_ISA, 1 << 16 },
	{ NPU_REG_FEATURES, NPU_FEATURE_REPORT },
	{ NPU_REG_SLOTS, FAKE_SLOTS },
	{ NPU_REG_CORES, 1 },
	{ NPU_REG_IRQS, NPU_MAX_IRQS },
	{ NPU_REG_VA_BITS, 48 },
	{ NPU_REG_BUS_BITS, 52 },
	{ NPU_REG_ASID_BITS, 16 },
	{ NPU_REG_PAGE_SIZES, BIT(12) | BIT(21) },
	{ NPU_REG_RING_ORDER_MAX, 16 },
	{ NPU_REG_CLOCK_KHZ, 1000000 },
	{ NPU_REG_RESET_MS, FAKE_RESET_MS },
	{ NPU_REG_LAYOUTS, 1 },
	{ NPU_REG_POWER, NPU_POWER_IDLE },
	{ NPU_REG_STATUS, NPU_STATUS_READY },
};

static void fake_create_irqs(struct fake_npu *fake)
{
	int irq;

	for (; fake->bus.irqs < NPU_MAX_IRQS; fake->bus.irqs++) {
		irq = irq_alloc_desc(NUMA_NO_NODE);
		KUNIT_ASSERT_GT(fake->test, irq, 0);
		irq_set_chip_and_handler(irq, &dummy_irq_chip, handle_simple_irq);
		fake->bus.irq[fake->bus.irqs] = irq;
	}
}

static void fake_create_device(struct fake_npu *fake)
{
	fake->dev = kunit_device_register(fake->test, "npu-fake");
	KUNIT_ASSERT_FALSE(fake->test, IS_ERR(fake->dev));
	fake->dma_mask = DMA_BIT_MASK(64);
	fake->dev->dma_mask = &fake->dma_mask;
	fake->dev->coherent_dma_mask = fake->dma_mask;
	fake->dev->dma_parms = &fake->dma_parms;
	fake->bus.dev = fake->dev;
	/* As a bus does before it enables runtime power management, which this one has not. */
	pm_runtime_set_active(fake->dev);
}

/**
 * fake_create() - make a device that no driver is bound to
 * @test: becomes its player; test->priv points to it
 */
struct fake_npu *fake_create(struct kunit *test)
{
	struct fake_npu *fake;
	unsigned int i;

	fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake);
	test->priv = fake;
	fake->test = test;
	spin_lock_init(&fake->lock);
	fake->bus.read = fake_bus_read;
	fake->bus.write = fake_bus_write;
	fake->bus.doorbell = fake_bus_doorbell;
	fake->bus.priv = fake;
	fake->bus.recovery = "rebind";
	for (i = 0; i < ARRAY_SIZE(fake_caps); i++)
		*fake_reg(fake, fake_caps[i].reg) = fake_caps[i].value;
	fake_create_device(fake);
	fake_create_irqs(fake);
	return fake;
}

/**
 * fake_probe() - bind the driver, and make an address space for queues
 * @fake: device
 *
 * Return: 0 or what npu_device_probe() says.
 */
int fake_probe(struct fake_npu *fake)
{
	int ret;

	/* A failed probe gives back what it has got, and removal the rest. */
	fake->group = devres_open_group(fake->dev, NULL, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(fake->test, fake->group);
	pm_runtime_get_noresume(fake->dev);
	ret = npu_device_probe(&fake->bus);
	if (ret) {
		pm_runtime_put_noidle(fake->dev);
		devres_release_group(fake->dev, fake->group);
		return ret;
	}
	devres_close_group(fake->dev, fake->group);
	fake->npu = dev_get_drvdata(fake->dev);
	fake->vm = npu_vm_create(fake->npu);
	KUNIT_ASSERT_FALSE(fake->test, IS_ERR(fake->vm));
	return 0;
}

static void fake_close_queues(struct fake_npu *fake)
{
	while (fake->queues)
		npu_queue_close(fake->queue[--fake->queues]);
}

/**
 * fake_remove() - close all queues and unbind the driver
 * @fake: device
 */
void fake_remove(struct fake_npu *fake)
{
	if (!fake->npu)
		return;
	fake_close_queues(fake);
	if (!fake->removed)
		npu_device_remove(fake->dev);
	flush_workqueue(npu_close_wq);
	flush_workqueue(npu_release_wq);
	if (!IS_ERR(fake->vm))
		npu_vm_put(fake->vm);
	devres_release_group(fake->dev, fake->group);
	pm_runtime_put_noidle(fake->dev);
	fake->npu = NULL;
}

/**
 * fake_reap() - forget all jobs, which have to have ended
 * @fake: device
 */
void fake_reap(struct fake_npu *fake)
{
	struct dma_fence *fence;
	struct fake_job *job;

	while (fake->jobs) {
		job = fake->job[--fake->jobs];
		fence = &job->base.fence.base;
		if (!fake_job_ended(job))
			fake_breach(fake, "a fence that never signals");
		dma_fence_remove_callback(fence, &job->cb);
		dma_fence_put(fence);
		/* And the job goes. */
		dma_fence_put(fence);
	}
}

/**
 * fake_destroy() - end the device, with a driver bound or not
 * @fake: device
 */
void fake_destroy(struct fake_npu *fake)
{
	fake_remove(fake);
	fake_reap(fake);
	if (!IS_ERR_OR_NULL(fake->dev))
		kunit_device_unregister(fake->test, fake->dev);
	while (fake->bus.irqs)
		irq_free_desc(fake->bus.irq[--fake->bus.irqs]);
	if (fake->breach)
		KUNIT_FAIL(fake->test, "%s", fake->breach);
}

/**
 * fake_init() - of a suite that needs a device with a driver: test->priv
 * @test: the test
 */
int fake_init(struct kunit *test)
{
	return fake_probe(fake_create(test));
}

/**
 * fake_exit() - of a suite with a device, whatever the test has left of it
 * @test: the test
 */
void fake_exit(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	if (!fake)
		return;
	fake_hold(fake, 0);
	if (fake_get(fake, NPU_REG_RESET))
		fake_ack_reset(fake);
	fake_destroy(fake);
}

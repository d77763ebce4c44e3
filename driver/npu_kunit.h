/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fake NPU for KUnit tests: registers in memory, and no will of its own. The
 * driver is probed on it as on any bus; the test plays the device. Beyond what
 * is written to it, the fake
 *
 * - acknowledges slot commands, resets and TLB invalidations at once,
 *   unless the test holds them back;
 * - notes the first breach of the hardware contract, which fails the test.
 */
#ifndef _NPU_KUNIT_H_
#define _NPU_KUNIT_H_

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/jiffies.h>

#include "npu_device.h"
#include "npu_job.h"

/* fake_npu.hold: BIT(NPU_SLOT_UNBIND) and so on for slot commands, and these. */
#define FAKE_HOLD_RESET	BIT(8)
#define FAKE_HOLD_TLB	BIT(9)
#define FAKE_HOLD_CORE	BIT(10)

#define FAKE_SLOTS	4
#define FAKE_QUEUES	12
#define FAKE_JOBS	256
#define FAKE_RESET_MS	1000

/* Longer than any test. */
#define FAKE_NO_HANG_MS	60000

/**
 * struct fake_job - a job as drm_sched hands it to the driver
 * @base: job; must be first, its fence frees the memory
 * @cb: in its fence
 * @fake: device
 * @prev: job before it in its queue
 */
struct fake_job {
	struct npu_job base;
	struct dma_fence_cb cb;
	struct fake_npu *fake;
	struct fake_job *prev;
};

static_assert(!offsetof(struct fake_job, base));

/**
 * struct fake_npu - fake device, the driver's on top of it, and what both share
 * @test: who plays
 * @bus: what the driver sees
 * @dev: of @bus
 * @dma_mask: of @dev
 * @dma_parms: of @dev
 * @group: what the driver gets from @dev
 * @npu: the driver's device, NULL if none is bound
 * @removed: the test has called npu_device_remove() itself
 * @lock: protects what follows
 * @reg: registers
 * @hold: what is not acknowledged by itself
 * @gone: all reads return ones
 * @commands: slot commands ever written, by command
 * @doorbells: how often each doorbell was rung
 * @resets: function resets begun
 * @core_resets: core resets begun
 * @core: the last core that was reset
 * @breach: of the hardware contract by the driver
 * @vm: of the queues
 * @queue: queues of the test
 * @queues: how many
 * @job: jobs of the test
 * @jobs: how many
 */
struct fake_npu {
	struct kunit *test;
	struct npu_bus bus;
	struct device *dev;
	u64 dma_mask;
	struct device_dma_parameters dma_parms;
	void *group;
	struct npu_device *npu;
	bool removed;

	spinlock_t lock; /* registers and what they did */
	u32 reg[NPU_REG_SPACE / sizeof(u32)];
	u32 hold;
	bool gone;
	u32 commands[NPU_SLOT_RESET + 1];
	u32 doorbells[NPU_MAX_SLOTS];
	u32 resets;
	u32 core_resets;
	u32 core;
	const char *breach;

	struct npu_vm *vm;
	struct npu_queue *queue[FAKE_QUEUES];
	unsigned int queues;
	struct fake_job *job[FAKE_JOBS];
	unsigned int jobs;
};

/* Waits until @cond holds, and fails the test if it never does. */
#define fake_wait(fake, cond)						\
do {									\
	unsigned long end_ = jiffies + 5 * HZ;				\
									\
	while (!(cond) && time_before(jiffies, end_))			\
		usleep_range(500, 1000);				\
	if (!(cond))							\
		KUNIT_FAIL((fake)->test, "never: %s", #cond);		\
} while (0)

struct fake_npu *fake_create(struct kunit *test);
int fake_probe(struct fake_npu *fake);
void fake_remove(struct fake_npu *fake);
void fake_destroy(struct fake_npu *fake);

int fake_init(struct kunit *test);
void fake_exit(struct kunit *test);

u32 fake_get(struct fake_npu *fake, u32 reg);
void fake_set(struct fake_npu *fake, u32 reg, u32 value);
void fake_hold(struct fake_npu *fake, u32 hold);
void fake_set_gone(struct fake_npu *fake);
void fake_ack_reset(struct fake_npu *fake);
void fake_ack_core(struct fake_npu *fake);
void fake_set_core(struct fake_npu *fake, unsigned int slot, u32 core);
void fake_breach(struct fake_npu *fake, const char *what);

void *fake_memory(struct fake_npu *fake, dma_addr_t dma);
u64 fake_translate(struct fake_npu *fake, dma_addr_t root, u64 va, unsigned int *level);
unsigned int fake_count_tables(struct fake_npu *fake, dma_addr_t table, unsigned int level);

void fake_irq(struct fake_npu *fake, unsigned int vector);
void fake_cause(struct fake_npu *fake, u32 causes);
void fake_event(struct fake_npu *fake, u32 type, u32 queue);

struct npu_queue *fake_queue(struct fake_npu *fake, u32 priority, u32 hang_ms);
struct fake_job *fake_submit(struct fake_npu *fake, struct npu_queue *queue);
void fake_submit_many(struct fake_npu *fake, struct npu_queue *queue, unsigned int count);
void fake_reap(struct fake_npu *fake);
bool fake_job_ended(struct fake_job *job);
int fake_job_error(struct fake_job *job);
void fake_settle(struct fake_npu *fake);
void fake_empty(struct fake_npu *fake, unsigned int slot);
struct npu_context *fake_context(struct fake_npu *fake, struct npu_queue *queue);
void fake_start(struct fake_npu *fake, struct npu_queue *queue);
void fake_finish(struct fake_npu *fake, struct npu_queue *queue);
void fake_run(struct fake_npu *fake, struct npu_queue *queue);
void fake_fault(struct fake_npu *fake, struct npu_queue *queue, u32 status);

#endif /* _NPU_KUNIT_H_ */

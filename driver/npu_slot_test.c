// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who gets a slot, and what becomes of queues that are stopped or reset. The
 * test decides when the device acknowledges.
 */
#include <linux/kmemleak.h>
#include <linux/sysfs.h>

#include "npu_event.h"
#include "npu_kunit.h"
#include "npu_queue.h"
#include "npu_slot.h"
#include "npu_vm.h"

/* What npu_slot.c gives a queue while others wait, and more than that. */
#define SLOT_SLICE_MS	20
#define SLOT_LONG_MS	50

/* For tests that wait until it is over. */
#define SLOT_RESET_MS	30

/* A queue with a job; it gets a slot if it can. */
static struct npu_queue *slot_queue(struct fake_npu *fake, u32 priority)
{
	struct npu_queue *queue = fake_queue(fake, priority, FAKE_NO_HANG_MS);

	fake_submit(fake, queue);
	fake_settle(fake);
	return queue;
}

/* Queues that fill all slots; none of them is executed yet. */
static void slot_fill(struct fake_npu *fake, u32 priority)
{
	unsigned int i;

	for (i = 0; i < FAKE_SLOTS; i++)
		KUNIT_ASSERT_EQ(fake->test, slot_queue(fake, priority)->slot, i);
}

static void slot_done(struct fake_npu *fake, struct npu_queue *queue)
{
	fake_run(fake, queue);
	fake_event(fake, NPU_EVENT_DONE, queue->id);
	fake_irq(fake, 0);
}

static void slot_unbound(struct fake_npu *fake, struct npu_queue *queue, int slot)
{
	fake_empty(fake, slot);
	fake_event(fake, NPU_EVENT_UNBOUND, queue->id);
	fake_irq(fake, 0);
	fake_settle(fake);
}

static struct fake_job *slot_first_job(struct fake_npu *fake, struct npu_queue *queue)
{
	unsigned int i;

	for (i = 0; i < fake->jobs; i++) {
		if (fake->job[i]->base.queue == queue)
			return fake->job[i];
	}
	return NULL;
}

/* ---- Who gets one ---------------------------------------------------------------- */

static void slot_test_bind(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);

	KUNIT_EXPECT_EQ(test, queue->slot, 0);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_SLOT_STATUS(0)), NPU_SLOT_BOUND);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_SLOT_CONTEXT_LO(0)),
			lower_32_bits(queue->context_dma));
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_SLOT_CONTEXT_HI(0)),
			upper_32_bits(queue->context_dma));
	KUNIT_EXPECT_GE(test, fake->doorbells[0], 1);
}

static void slot_test_without_work(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = fake_queue(fake, DRM_NPU_PRIORITY_NORMAL, FAKE_NO_HANG_MS);

	npu_slots_want(queue);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, queue->slot, -1);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_BIND], 0);
}

/* Executes one job of each queue that has a slot; says so. */
static unsigned int slot_run_bound(struct fake_npu *fake)
{
	unsigned int i, ran = 0;

	for (i = 0; i < fake->queues; i++) {
		if (fake->queue[i]->slot < 0 || npu_queue_is_idle(fake->queue[i]))
			continue;
		slot_done(fake, fake->queue[i]);
		ran++;
	}
	return ran;
}

static void slot_test_more_queues(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	unsigned int i, ran = 0;

	for (i = 0; i < FAKE_QUEUES; i++)
		fake_submit_many(fake, slot_queue(fake, DRM_NPU_PRIORITY_NORMAL), 2);
	for (i = 0; i < 3 * FAKE_QUEUES && ran < 3 * FAKE_QUEUES; i++) {
		ran += slot_run_bound(fake);
		fake_settle(fake);
	}
	KUNIT_EXPECT_EQ(test, ran, 3 * FAKE_QUEUES);
	for (i = 0; i < fake->jobs; i++)
		KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[i]), 0);
	KUNIT_EXPECT_GE(test, fake->commands[NPU_SLOT_UNBIND], FAKE_QUEUES - FAKE_SLOTS);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_STOP], 0);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_RESET], 0);
}

static void slot_test_idle_longest(struct kunit *test)
{
	static const unsigned int order[] = { 2, 0, 3, 1 };
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue;
	unsigned int i;

	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	for (i = 0; i < FAKE_SLOTS; i++) {
		slot_done(fake, fake->queue[order[i]]);
		msleep(SLOT_LONG_MS);
	}
	for (i = 0; i < FAKE_SLOTS; i++) {
		queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
		KUNIT_EXPECT_EQ(test, queue->slot, order[i]);
		KUNIT_EXPECT_EQ(test, fake->queue[order[i]]->slot, -1);
	}
}

static void slot_test_idle_before_busy(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	/* However long the others have had theirs. */
	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	msleep(SLOT_LONG_MS);
	slot_done(fake, fake->queue[3]);
	KUNIT_EXPECT_EQ(test, slot_queue(fake, DRM_NPU_PRIORITY_NORMAL)->slot, 3);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_UNBIND], 1);
}

static void slot_test_slice(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_slot *slot = fake->npu->slots.slot;
	struct npu_queue *queue;
	unsigned long since;

	fake_hold(fake, BIT(NPU_SLOT_UNBIND));
	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	since = slot->since;
	queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	fake_wait(fake, fake->commands[NPU_SLOT_UNBIND]);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_SLOT_STATUS(0)), NPU_SLOT_STOPPING);
	KUNIT_EXPECT_TRUE(test, time_after(jiffies, since + msecs_to_jiffies(SLOT_SLICE_MS)));

	/* One queue waits, so one leaves in this time. */
	since = slot->since;
	fake_settle(fake);
	KUNIT_EXPECT_LE(test, fake->commands[NPU_SLOT_UNBIND],
			1 + jiffies_to_msecs(jiffies - since) / SLOT_SLICE_MS);
	slot_unbound(fake, fake->queue[0], 0);
	KUNIT_EXPECT_EQ(test, queue->slot, 0);
	KUNIT_EXPECT_EQ(test, fake->queue[0]->slot, -1);

	/* It comes back when it is its turn. */
	fake_wait(fake, fake_get(fake, NPU_REG_SLOT_STATUS(1)) == NPU_SLOT_STOPPING);
	slot_unbound(fake, fake->queue[1], 1);
	KUNIT_EXPECT_EQ(test, fake->queue[0]->slot, 1);
}

/* Who has a command that does not end keeps its slot, but nobody waits for it. */
static void slot_test_stuck_victim(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue;

	fake_hold(fake, BIT(NPU_SLOT_UNBIND));
	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	fake_start(fake, fake->queue[0]);
	queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	fake_wait(fake, fake->commands[NPU_SLOT_UNBIND]);
	slot_done(fake, fake->queue[1]);
	fake_wait(fake, fake_get(fake, NPU_REG_SLOT_STATUS(1)) == NPU_SLOT_STOPPING);
	slot_unbound(fake, fake->queue[1], 1);
	KUNIT_EXPECT_EQ(test, queue->slot, 1);
	KUNIT_EXPECT_EQ(test, fake->queue[0]->slot, 0);
}

static void slot_test_stuck_victim_realtime(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue;

	/* One that is being reset for a long time, and one that may have any slot. */
	fake_hold(fake, BIT(NPU_SLOT_STOP) | BIT(NPU_SLOT_RESET));
	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	fake_start(fake, fake->queue[0]);
	npu_queue_ban(fake->queue[0], DRM_NPU_QUEUE_FAULTED);
	fake_settle(fake);
	msleep(SLOT_LONG_MS);
	queue = slot_queue(fake, DRM_NPU_PRIORITY_REALTIME);
	KUNIT_EXPECT_GT(test, queue->slot, 0);
	KUNIT_EXPECT_EQ(test, fake->resets, 1);
}

static void slot_test_realtime_takes(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue;

	slot_fill(fake, DRM_NPU_PRIORITY_HIGH);
	fake_start(fake, fake->queue[0]);
	queue = slot_queue(fake, DRM_NPU_PRIORITY_REALTIME);
	KUNIT_EXPECT_EQ(test, queue->slot, 0);
	/* The one that had to go gets the slot of another. */
	fake_wait(fake, READ_ONCE(fake->queue[0]->slot) >= 0);
	KUNIT_EXPECT_EQ(test, queue->slot, 0);
}

static void slot_test_realtime_gives_none(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue;

	slot_fill(fake, DRM_NPU_PRIORITY_REALTIME);
	queue = slot_queue(fake, DRM_NPU_PRIORITY_HIGH);
	msleep(2 * SLOT_LONG_MS);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_UNBIND], 0);

	/* Among themselves they take turns, and an idle one gives. */
	slot_queue(fake, DRM_NPU_PRIORITY_REALTIME);
	fake_wait(fake, fake->commands[NPU_SLOT_UNBIND] >= 2);
	KUNIT_EXPECT_EQ(test, queue->slot, -1);
	while (queue->slot < 0 && slot_run_bound(fake))
		fake_settle(fake);
	KUNIT_EXPECT_GE(test, queue->slot, 0);
}

static void slot_test_realtime_first(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *normal, *realtime;

	/* Whoever came first: both wait for the only slot that gets free. */
	fake_hold(fake, BIT(NPU_SLOT_UNBIND));
	slot_fill(fake, DRM_NPU_PRIORITY_REALTIME);
	normal = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	realtime = slot_queue(fake, DRM_NPU_PRIORITY_REALTIME);
	fake_wait(fake, fake->commands[NPU_SLOT_UNBIND]);
	slot_unbound(fake, fake->queue[0], 0);
	KUNIT_EXPECT_EQ(test, realtime->slot, 0);
	KUNIT_EXPECT_EQ(test, normal->slot, -1);
}

/* ---- UNBOUND ------------------------------------------------------------------------ */

static void slot_test_unbound_late(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue;

	fake_hold(fake, BIT(NPU_SLOT_UNBIND));
	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	queue = slot_queue(fake, DRM_NPU_PRIORITY_REALTIME);
	msleep(2 * SLOT_LONG_MS);
	KUNIT_EXPECT_EQ(test, queue->slot, -1);
	KUNIT_EXPECT_EQ(test, fake->queue[0]->slot, 0);

	/* An event alone is a lie: the slot is not empty. */
	fake_event(fake, NPU_EVENT_UNBOUND, fake->queue[0]->id);
	fake_irq(fake, 0);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, queue->slot, -1);
	slot_unbound(fake, fake->queue[0], 0);
	KUNIT_EXPECT_EQ(test, queue->slot, 0);
	/* And once more. */
	fake_event(fake, NPU_EVENT_UNBOUND, fake->queue[0]->id);
	fake_irq(fake, 0);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, queue->slot, 0);
	KUNIT_EXPECT_EQ(test, queue->state, 0);
}

static void slot_test_unbound_without_event(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue;

	fake_hold(fake, BIT(NPU_SLOT_UNBIND));
	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	queue = slot_queue(fake, DRM_NPU_PRIORITY_REALTIME);
	fake_empty(fake, 0);
	fake_wait(fake, READ_ONCE(queue->slot) == 0);
}

static void slot_test_work_while_unbinding(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *victim, *queue;

	fake_hold(fake, BIT(NPU_SLOT_UNBIND));
	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	victim = fake->queue[1];
	slot_done(fake, victim);
	queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_SLOT_STATUS(1)), NPU_SLOT_STOPPING);

	/* Its doorbell may go unheard; it must get a slot again. */
	fake_submit(fake, victim);
	fake_hold(fake, 0);
	slot_unbound(fake, victim, 1);
	/* Both have work: on a slow machine, one may have lost its slot again. */
	fake_wait(fake, READ_ONCE(queue->slot) >= 0);
	fake_wait(fake, READ_ONCE(victim->slot) >= 0);
}

static void slot_test_completion_while_unbinding(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *victim;

	fake_hold(fake, BIT(NPU_SLOT_UNBIND));
	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	victim = fake->queue[0];
	fake_start(fake, victim);
	slot_queue(fake, DRM_NPU_PRIORITY_REALTIME);
	/* The last thing before it goes, and UNBOUND is all that is heard of it. */
	fake_finish(fake, victim);
	slot_unbound(fake, victim, 0);
	KUNIT_EXPECT_EQ(test, fake_job_error(slot_first_job(fake, victim)), 0);
	KUNIT_EXPECT_EQ(test, victim->slot, -1);
	KUNIT_EXPECT_TRUE(test, list_empty(&victim->pending));
}

static void slot_test_empty_by_itself(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);

	/* BIND could not read the context. */
	slot_unbound(fake, queue, 0);
	KUNIT_EXPECT_EQ(test, queue->state, DRM_NPU_QUEUE_FAULTED);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -EIO);
	/* The next one may have the slot. */
	KUNIT_EXPECT_EQ(test, slot_queue(fake, DRM_NPU_PRIORITY_NORMAL)->slot, 0);
}

/* ---- Stopping -------------------------------------------------------------------------- */

static void slot_test_close_waiting(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue;

	slot_fill(fake, DRM_NPU_PRIORITY_REALTIME);
	queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	fake->queues--;
	npu_queue_close(queue);
	fake_wait(fake, fake_job_ended(fake->job[FAKE_SLOTS]));
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[FAKE_SLOTS]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_STOP], 0);
}

static void slot_test_ban_while_unbinding(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	fake_hold(fake, BIT(NPU_SLOT_UNBIND));
	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	slot_queue(fake, DRM_NPU_PRIORITY_REALTIME);
	/* The stronger command, and the slot is lent on all the same. */
	npu_queue_ban(fake->queue[0], DRM_NPU_QUEUE_HUNG);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_RESET], 1);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -ETIME);
	KUNIT_EXPECT_EQ(test, fake->queue[FAKE_SLOTS]->slot, 0);
}

static void slot_test_stop_escalates(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	struct npu_queue *other = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);

	fake_hold(fake, BIT(NPU_SLOT_STOP));
	fake_start(fake, queue);
	fake_start(fake, other);
	npu_queue_ban(queue, DRM_NPU_QUEUE_FAULTED);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_STOP], 1);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_RESET], 0);
	KUNIT_EXPECT_FALSE(test, fake_job_ended(fake->job[0]));
	fake->npu->caps.reset_ms = SLOT_RESET_MS;

	/* A queue reset, after the time that the device has; nobody else notices. */
	fake_wait(fake, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_STOP], 1);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_RESET], 1);
	KUNIT_EXPECT_EQ(test, fake->resets, 1);
	KUNIT_EXPECT_FALSE(test, fake_job_ended(fake->job[1]));
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_SLOT_STATUS(1)),
			NPU_SLOT_BOUND | NPU_SLOT_BUSY);
	fake_finish(fake, other);
	fake_event(fake, NPU_EVENT_DONE, other->id);
	fake_irq(fake, 0);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), 0);
}

static void slot_test_stop_in_time(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);

	fake_hold(fake, BIT(NPU_SLOT_STOP));
	npu_queue_ban(queue, DRM_NPU_QUEUE_FAULTED);
	fake_settle(fake);
	slot_unbound(fake, queue, 0);
	fake->npu->caps.reset_ms = SLOT_RESET_MS;
	msleep(2 * SLOT_RESET_MS);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_RESET], 0);
}

/* ---- Core reset ------------------------------------------------------------------------- */

#define SLOT_CORES	4

/*
 * A device with several cores: the first queue has hung on core 2 and does not
 * answer, the second is executed by core 1.
 */
static void slot_prepare_core_reset(struct fake_npu *fake, u32 hold)
{
	unsigned int i;

	fake->npu->caps.features |= NPU_FEATURE_CORE_RESET;
	fake->npu->caps.cores = SLOT_CORES;
	for (i = 0; i < 2; i++) {
		slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
		fake_submit(fake, fake->queue[i]);
		fake_start(fake, fake->queue[i]);
		fake_set_core(fake, i, 2 - i);
	}
	fake_hold(fake, BIT(NPU_SLOT_STOP) | BIT(NPU_SLOT_RESET) | hold);
}

static void slot_ban_hung(struct fake_npu *fake)
{
	npu_queue_ban(fake->queue[0], DRM_NPU_QUEUE_HUNG);
	fake_settle(fake);
	fake->npu->caps.reset_ms = SLOT_RESET_MS;
}

static void slot_test_core_reset(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	slot_prepare_core_reset(fake, 0);
	slot_ban_hung(fake);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_RESET], 1);
	KUNIT_EXPECT_EQ(test, fake->core_resets, 0);
	fake_wait(fake, fake_job_ended(fake->job[1]));
	KUNIT_EXPECT_EQ(test, fake->core_resets, 1);
	KUNIT_EXPECT_EQ(test, fake->core, 2);
	KUNIT_EXPECT_EQ(test, fake->resets, 1);
	KUNIT_EXPECT_EQ(test, fake->queue[0]->state, DRM_NPU_QUEUE_HUNG);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -ETIME);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), -ECANCELED);

	/* Nobody else has noticed. */
	KUNIT_EXPECT_EQ(test, fake->queue[1]->state, 0);
	fake_finish(fake, fake->queue[1]);
	slot_done(fake, fake->queue[1]);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[2]), 0);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[3]), 0);
}

/* The slot is empty, but the core may still do DMA. */
static void slot_test_core_reset_late(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	slot_prepare_core_reset(fake, FAKE_HOLD_CORE);
	slot_ban_hung(fake);
	fake_wait(fake, fake->core_resets);
	fake->npu->caps.reset_ms = FAKE_RESET_MS;
	fake_empty(fake, 0);
	msleep(SLOT_LONG_MS);
	KUNIT_EXPECT_FALSE(test, fake_job_ended(fake->job[0]));
	fake_ack_core(fake);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_EQ(test, fake->resets, 1);
	KUNIT_EXPECT_EQ(test, fake->queue[1]->state, 0);
}

static void slot_test_core_reset_escalates(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	slot_prepare_core_reset(fake, FAKE_HOLD_CORE);
	slot_ban_hung(fake);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_STOP], 0);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_RESET], 1);
	KUNIT_EXPECT_EQ(test, fake->core_resets, 1);
	KUNIT_EXPECT_EQ(test, fake->resets, 2);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -ETIME);
	/* This one was in the middle of a job. */
	fake_wait(fake, fake_job_ended(fake->job[2]));
	KUNIT_EXPECT_EQ(test, fake->queue[1]->state, DRM_NPU_QUEUE_INNOCENT);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[2]), -ECANCELED);
	KUNIT_EXPECT_FALSE(test, npu_is_lost(fake->npu));
	fake_settle(fake);
	KUNIT_EXPECT_NULL(test, fake->npu->slots.guilty);
}

/* STOP comes first for a queue that has not hung. */
static void slot_test_core_reset_after_stop(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	slot_prepare_core_reset(fake, 0);
	fake->npu->caps.reset_ms = SLOT_RESET_MS;
	npu_queue_ban(fake->queue[0], DRM_NPU_QUEUE_FAULTED);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_STOP], 1);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_RESET], 1);
	KUNIT_EXPECT_EQ(test, fake->core_resets, 1);
	KUNIT_EXPECT_EQ(test, fake->resets, 1);
}

/* The core has gone on to another queue when it is reset. */
static void slot_test_core_reset_innocent(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	slot_prepare_core_reset(fake, FAKE_HOLD_CORE);
	fake_set_core(fake, 1, 3);	/* 1 | 3: 3 */
	slot_ban_hung(fake);
	fake_wait(fake, fake->core_resets);
	fake_empty(fake, 0);
	fake->core = 3;
	fake_ack_core(fake);
	fake_event(fake, NPU_EVENT_FAULT, fake->queue[1]->id);
	fake_irq(fake, 0);
	fake_wait(fake, fake_job_ended(fake->job[2]));
	KUNIT_EXPECT_EQ(test, fake->queue[1]->state, DRM_NPU_QUEUE_INNOCENT);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[2]), -ECANCELED);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -ETIME);
}

struct slot_core_case {
	const char *name;
	u32 features;
	u32 version;
	u32 cores;
	u32 status;
};

/* What the device says, so that there is no core to be reset. */
static const struct slot_core_case slot_core_cases[] = {
	{ "no feature", 0, 1 << 16 | 1, SLOT_CORES, NPU_SLOT_BUSY | 2 << NPU_SLOT_CORE_SHIFT },
	{ "1.0", NPU_FEATURE_CORE_RESET, 1 << 16, SLOT_CORES,
	  NPU_SLOT_BUSY | 2 << NPU_SLOT_CORE_SHIFT },
	{ "no such core", NPU_FEATURE_CORE_RESET, 1 << 16 | 1, 2,
	  NPU_SLOT_BUSY | 2 << NPU_SLOT_CORE_SHIFT },
	{ "no core", NPU_FEATURE_CORE_RESET, 1 << 16 | 1, SLOT_CORES,
	  2 << NPU_SLOT_CORE_SHIFT },
};

static void slot_core_case_name(const struct slot_core_case *c, char *name)
{
	strscpy(name, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(slot_core_case, slot_core_cases, slot_core_case_name);

static void slot_test_no_core_reset(struct kunit *test)
{
	const struct slot_core_case *c = test->param_value;
	struct fake_npu *fake = test->priv;

	slot_prepare_core_reset(fake, 0);
	fake->npu->caps.features = c->features;
	fake->npu->caps.version = c->version;
	fake->npu->caps.cores = c->cores;
	fake_set(fake, NPU_REG_SLOT_STATUS(0), NPU_SLOT_BOUND | c->status);
	slot_ban_hung(fake);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_RESET], 1);
	KUNIT_EXPECT_EQ(test, fake->core_resets, 0);
	KUNIT_EXPECT_EQ(test, fake->resets, 2);
}

/* ---- Core dumps ------------------------------------------------------------------------- */

static bool slot_has_dump(struct fake_npu *fake)
{
	struct kernfs_node *link = sysfs_get_dirent(fake->dev->kobj.sd, "devcoredump");

	sysfs_put(link);
	return link;
}

/* Whoever has the address space may wait for the very queue that is written down. */
static void slot_test_dump_while_vm_is_locked(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);

	if (!IS_ENABLED(CONFIG_DEV_COREDUMP))
		kunit_skip(test, "no core dumps in this kernel");
	fake_start(fake, queue);
	mutex_lock(&fake->vm->lock);
	npu_queue_ban(queue, DRM_NPU_QUEUE_HUNG);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	mutex_unlock(&fake->vm->lock);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -ETIME);
	fake_wait(fake, slot_has_dump(fake));
}

static void slot_test_dump_one_at_a_time(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	unsigned int i;

	if (!IS_ENABLED(CONFIG_DEV_COREDUMP))
		kunit_skip(test, "no core dumps in this kernel");
	for (i = 0; i < 3; i++) {
		slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
		fake_start(fake, fake->queue[i]);
		npu_queue_ban(fake->queue[i], DRM_NPU_QUEUE_HUNG);
		fake_wait(fake, fake_job_ended(fake->job[i]));
		fake_wait(fake, slot_has_dump(fake));
		fake_wait(fake, atomic_read(&fake->npu->coredump.missed) == i);
	}
}

/* The dump is of a queue whose hardware never lets it go. */
static void slot_test_dump_not_complete(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);

	fake_hold(fake, BIT(NPU_SLOT_RESET));
	fake_start(fake, queue);
	npu_queue_ban(queue, DRM_NPU_QUEUE_HUNG);
	fake_settle(fake);
	KUNIT_EXPECT_FALSE(test, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_FALSE(test, slot_has_dump(fake));
	npu_device_remove(fake->dev);
	fake->removed = true;
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -ETIME);
	KUNIT_EXPECT_EQ(test, slot_has_dump(fake), IS_ENABLED(CONFIG_DEV_COREDUMP));
}

/* ---- Function reset ------------------------------------------------------------------------ */

/*
 * Three queues: the first has hung and does not answer, the second has one job
 * done and one that was not begun, the third is in the middle of a job.
 */
static void slot_prepare_reset(struct fake_npu *fake)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
		fake_submit(fake, fake->queue[i]);
	}
	fake_start(fake, fake->queue[0]);
	fake_run(fake, fake->queue[1]);
	fake_start(fake, fake->queue[2]);
	fake_hold(fake, BIT(NPU_SLOT_RESET));
	npu_queue_ban(fake->queue[0], DRM_NPU_QUEUE_HUNG);
}

static void slot_test_reset(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *innocent;
	struct fake_job *next;

	slot_prepare_reset(fake);
	fake->npu->caps.reset_ms = SLOT_RESET_MS;
	innocent = fake->queue[1];
	fake_wait(fake, fake_job_ended(fake->job[5]));
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_RESET], 1);
	KUNIT_EXPECT_EQ(test, fake->resets, 2);
	KUNIT_EXPECT_EQ(test, fake->queue[0]->state, DRM_NPU_QUEUE_HUNG);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -ETIME);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, fake->queue[2]->state, DRM_NPU_QUEUE_INNOCENT);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[4]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[5]), -ECANCELED);

	/* The second one has lost nothing, and goes on where it was. */
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[2]), 0);
	KUNIT_EXPECT_FALSE(test, fake_job_ended(fake->job[3]));
	fake_wait(fake, READ_ONCE(innocent->slot) >= 0);
	KUNIT_EXPECT_EQ(test, innocent->state, 0);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(fake_context(fake, innocent)->read_index), 1);
	next = fake_submit(fake, innocent);
	slot_done(fake, innocent);
	slot_done(fake, innocent);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[3]), 0);
	KUNIT_EXPECT_EQ(test, fake_job_error(next), 0);
}

/* The device has fetched jobs that it has not begun: what it says of them is void. */
static void slot_test_reset_rewinds(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	struct npu_context *context = fake_context(fake, queue);

	fake_submit(fake, queue);
	fake_run(fake, queue);
	context->read_index = cpu_to_le64(2);
	context->resume_offset = cpu_to_le64(64);
	npu_slots_reset(fake->npu);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake->resets, 2);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(context->read_index), 1);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(context->resume_offset), 0);
	KUNIT_EXPECT_EQ(test, queue->slot, 0);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), 0);
	slot_done(fake, queue);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), 0);
}

/* A queue that waits for a slot was suspended, and stays so. */
static void slot_test_reset_spares_waiting(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_context *context;
	struct npu_queue *victim;
	unsigned int i;

	victim = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	context = fake_context(fake, victim);
	fake_start(fake, victim);
	context->resume_offset = cpu_to_le64(64);
	for (i = 0; i < FAKE_SLOTS; i++)
		slot_queue(fake, DRM_NPU_PRIORITY_REALTIME);
	KUNIT_EXPECT_EQ(test, victim->slot, -1);
	npu_slots_reset(fake->npu);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, victim->slot, -1);
	slot_done(fake, fake->queue[2]);
	fake_wait(fake, READ_ONCE(victim->slot) >= 0);
	KUNIT_EXPECT_EQ(test, victim->state, 0);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(context->resume_offset), 64);
}

static void slot_test_reset_starts_again(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue;

	slot_done(fake, slot_queue(fake, DRM_NPU_PRIORITY_NORMAL));
	npu_slots_reset(fake->npu);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake->resets, 2);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_CONTROL), NPU_CONTROL_ENABLE);
	KUNIT_EXPECT_NE(test, fake_get(fake, NPU_REG_EVENT_ORDER), 0);
	KUNIT_EXPECT_NE(test, fake_get(fake, NPU_REG_IRQ_ENABLE), 0);

	/* The event ring begins anew, in step with the driver. */
	queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	slot_done(fake, queue);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->npu->errors.bad_event), 0);
}

static void slot_test_fatal(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);

	fake_set(fake, NPU_REG_STATUS, NPU_STATUS_READY | NPU_STATUS_FATAL);
	fake_cause(fake, NPU_IRQ_FATAL);
	fake_irq(fake, 1);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake->resets, 2);
	KUNIT_EXPECT_EQ(test, queue->slot, 0);
	slot_done(fake, queue);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), 0);
}

static void slot_test_late_reset(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue;

	slot_prepare_reset(fake);
	queue = fake->queue[1];
	fake_hold(fake, BIT(NPU_SLOT_RESET) | FAKE_HOLD_RESET);
	fake_wait(fake, fake_get(fake, NPU_REG_RESET));
	msleep(SLOT_LONG_MS);
	/* Until it has stopped, nobody is told that it has. */
	KUNIT_EXPECT_FALSE(test, fake_job_ended(fake->job[0]));
	fake_ack_reset(fake);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	fake_wait(fake, READ_ONCE(queue->slot) >= 0);
	KUNIT_EXPECT_FALSE(test, npu_is_lost(fake->npu));
}

/* ---- Loss ----------------------------------------------------------------------------------- */

static void slot_expect_lost(struct fake_npu *fake, unsigned int jobs)
{
	struct kunit *test = fake->test;
	unsigned int i;

	for (i = 0; i < jobs; i++)
		KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[i]), -ENODEV);
	for (i = 0; i < fake->queues; i++) {
		KUNIT_EXPECT_EQ(test, fake->queue[i]->state, DRM_NPU_QUEUE_LOST);
		KUNIT_EXPECT_EQ(test, fake->queue[i]->slot, -1);
		KUNIT_EXPECT_EQ(test, fake_job_error(fake_submit(fake, fake->queue[i])), -ENODEV);
	}
}

/* The bus resets a device that could not be asked: for queues a function reset. */
static void slot_expect_moderation(struct fake_npu *fake, u32 us)
{
	KUNIT_EXPECT_EQ(fake->test, fake_get(fake, NPU_REG_IRQ_MODERATION), us);
	/* As after a reset, or without power. */
	fake_set(fake, NPU_REG_IRQ_MODERATION, 0);
}

static void slot_test_moderation(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	slot_expect_moderation(fake, 0);
	npu_events_moderate(fake->npu, 100);
	slot_expect_moderation(fake, 100);
	npu_slots_reset(fake->npu);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake->resets, 2);
	slot_expect_moderation(fake, 100);

	/* A device that is off is told when it is on again. */
	KUNIT_ASSERT_TRUE(test, npu_pm_hold(fake->dev, true));
	npu_events_moderate(fake->npu, 200);
	slot_expect_moderation(fake, 0);
	npu_pm_release(fake->dev, true);
	slot_expect_moderation(fake, 200);
	KUNIT_ASSERT_TRUE(test, npu_pm_hold(fake->dev, false));
	npu_events_moderate(fake->npu, 300);
	slot_expect_moderation(fake, 0);
	npu_pm_release(fake->dev, true);
	slot_expect_moderation(fake, 300);
}

static void slot_test_cut(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *begun = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	struct npu_queue *waits = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	unsigned int resets = fake->resets;
	u32 rung;

	fake_start(fake, begun);
	KUNIT_ASSERT_TRUE(test, npu_pm_hold(fake->dev, false));
	/* What comes meanwhile waits. */
	fake_submit(fake, waits);
	fake_settle(fake);
	KUNIT_EXPECT_FALSE(test, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_EQ(test, fake->resets, resets);
	/* Not even to be switched on: it is held. */
	KUNIT_EXPECT_TRUE(test, npu_pm_hold(fake->dev, true));
	npu_pm_release(fake->dev, true);
	KUNIT_EXPECT_EQ(test, fake->resets, resets);
	rung = fake->doorbells[waits->slot];
	fake_submit(fake, waits);
	npu_queue_ban(fake_queue(fake, DRM_NPU_PRIORITY_NORMAL, 0), 0);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake->doorbells[waits->slot], rung);
	npu_pm_release(fake->dev, true);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake->resets, resets + 1);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, begun->state, DRM_NPU_QUEUE_INNOCENT);
	fake_wait(fake, READ_ONCE(waits->slot) >= 0);
	slot_done(fake, waits);
	slot_done(fake, waits);
	slot_done(fake, waits);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), 0);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[2]), 0);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[3]), 0);
	KUNIT_EXPECT_FALSE(test, npu_is_lost(fake->npu));
}

/* Nobody comes to reset it: the fences must not wait. */
static void slot_test_cut_for_ever(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	KUNIT_ASSERT_TRUE(test, npu_pm_hold(fake->dev, false));
	/* A time that began earlier has not run out yet. */
	mod_delayed_work(fake->npu->wq, &fake->npu->pm.patience, 0);
	fake_settle(fake);
	KUNIT_EXPECT_FALSE(test, npu_is_lost(fake->npu));
	fake->npu->pm.cut_since -= msecs_to_jiffies(60000);
	mod_delayed_work(fake->npu->wq, &fake->npu->pm.patience, 0);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	fake_settle(fake);
	KUNIT_EXPECT_TRUE(test, npu_is_lost(fake->npu));
	KUNIT_EXPECT_TRUE(test, fake->npu->unsafe);
	slot_expect_lost(fake, fake->jobs);
	/* Too late. */
	npu_pm_release(fake->dev, true);
	KUNIT_EXPECT_TRUE(test, npu_is_lost(fake->npu));
}

static void slot_test_gone(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	unsigned int i, jobs;

	/* More queues than slots, jobs begun and not. */
	slot_fill(fake, DRM_NPU_PRIORITY_REALTIME);
	slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	fake_start(fake, fake->queue[1]);
	for (i = 0; i < fake->queues; i++)
		fake_submit(fake, fake->queue[i]);
	jobs = fake->jobs;
	fake_set_gone(fake);
	fake_irq(fake, 0);
	fake_settle(fake);
	KUNIT_EXPECT_TRUE(test, npu_is_lost(fake->npu));
	KUNIT_EXPECT_FALSE(test, fake->npu->unsafe);
	slot_expect_lost(fake, jobs);
}

static void slot_test_gone_silently(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = fake_queue(fake, DRM_NPU_PRIORITY_NORMAL, 100);

	/* No interrupt: the watch of the queue finds out. */
	fake_submit(fake, queue);
	fake_settle(fake);
	fake_start(fake, queue);
	fake_set_gone(fake);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	slot_expect_lost(fake, 1);
}

static void slot_test_gone_in_reset(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	fake_hold(fake, FAKE_HOLD_RESET);
	npu_slots_reset(fake->npu);
	fake_wait(fake, fake_get(fake, NPU_REG_RESET));
	fake_set_gone(fake);
	fake_settle(fake);
	/* No DMA any more is as good as an answer, but the device is lost. */
	fake_wait(fake, npu_is_lost(fake->npu));
	fake_settle(fake);
	KUNIT_EXPECT_FALSE(test, fake->npu->unsafe);
	slot_expect_lost(fake, FAKE_SLOTS);
}

static void slot_test_gone_while_stopping(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);

	fake_hold(fake, BIT(NPU_SLOT_STOP));
	fake_start(fake, queue);
	npu_queue_ban(queue, DRM_NPU_QUEUE_FAULTED);
	fake_settle(fake);
	fake_set_gone(fake);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	/* It was faulted before. */
	KUNIT_EXPECT_EQ(test, queue->state, DRM_NPU_QUEUE_FAULTED);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -EIO);
}

static void slot_test_remove(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	unsigned int i;

	/* Slots held, jobs begun, one queue waits, one is being stopped. */
	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	slot_queue(fake, DRM_NPU_PRIORITY_LOW);
	fake_start(fake, fake->queue[0]);
	fake_hold(fake, BIT(NPU_SLOT_STOP));
	npu_queue_ban(fake->queue[1], DRM_NPU_QUEUE_FAULTED);
	fake_settle(fake);
	fake_hold(fake, 0);
	npu_device_remove(fake->dev);
	for (i = 0; i < fake->jobs; i++)
		KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[i]), i == 1 ? -EIO : -ENODEV);
	for (i = 0; i < fake->queues; i++)
		KUNIT_EXPECT_NULL(test, fake->queue[i]->context);
	/* At probe, and at removal before and after it has waited for all sections. */
	KUNIT_EXPECT_EQ(test, fake->resets, 3);

	/* Files that are still open close later. */
	KUNIT_EXPECT_EQ(test, fake_job_error(fake_submit(fake, fake->queue[0])), -ENODEV);
	fake->removed = true;
}

static void slot_test_remove_gone(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	slot_fill(fake, DRM_NPU_PRIORITY_NORMAL);
	fake_start(fake, fake->queue[0]);
	fake_set_gone(fake);
	npu_device_remove(fake->dev);
	KUNIT_EXPECT_FALSE(test, fake->npu->unsafe);
	KUNIT_EXPECT_NULL(test, fake->queue[0]->context);
	slot_expect_lost(fake, FAKE_SLOTS);
	fake->removed = true;
}

/*
 * The memory that the device may still write is never freed, on purpose: the
 * queue's pages, the address space, and through it the device.
 */
static void slot_leak(struct fake_npu *fake)
{
	kmemleak_not_leak(fake->npu);
	kmemleak_not_leak(fake->vm);
	KUNIT_EXPECT_TRUE(fake->test, fake->npu->unsafe);
	KUNIT_EXPECT_NOT_NULL(fake->test, fake->queue[0]->context);
}

static void slot_test_no_reset(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);

	/* STOP, queue reset, core reset, function reset: nothing is acknowledged. */
	fake->npu->caps.features |= NPU_FEATURE_CORE_RESET;
	fake->npu->caps.reset_ms = SLOT_RESET_MS;
	fake_hold(fake, BIT(NPU_SLOT_STOP) | BIT(NPU_SLOT_RESET) | FAKE_HOLD_CORE |
		  FAKE_HOLD_RESET);
	fake_start(fake, queue);
	slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);
	npu_queue_ban(queue, DRM_NPU_QUEUE_FAULTED);
	fake_wait(fake, fake_job_ended(fake->job[0]) && fake_job_ended(fake->job[1]));
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_STOP], 1);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_RESET], 1);
	KUNIT_EXPECT_EQ(test, fake->core_resets, 1);
	KUNIT_EXPECT_EQ(test, fake->resets, 2);
	KUNIT_EXPECT_TRUE(test, npu_is_lost(fake->npu));
	KUNIT_EXPECT_EQ(test, queue->state, DRM_NPU_QUEUE_FAULTED);
	KUNIT_EXPECT_EQ(test, fake->queue[1]->state, DRM_NPU_QUEUE_LOST);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), -ENODEV);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake_submit(fake, fake->queue[1])), -ENODEV);
	slot_leak(fake);

	/* It stops after all, for removal: then the memory can be freed. */
	fake_hold(fake, 0);
	fake_ack_reset(fake);
}

static void slot_test_remove_without_reset(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = slot_queue(fake, DRM_NPU_PRIORITY_NORMAL);

	fake_start(fake, queue);
	fake->npu->caps.reset_ms = SLOT_RESET_MS;
	fake_hold(fake, FAKE_HOLD_RESET);
	npu_device_remove(fake->dev);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -ENODEV);
	slot_leak(fake);
	fake->removed = true;
}

static struct kunit_case slot_cases[] = {
	KUNIT_CASE(slot_test_bind),
	KUNIT_CASE(slot_test_without_work),
	KUNIT_CASE(slot_test_more_queues),
	KUNIT_CASE(slot_test_idle_longest),
	KUNIT_CASE(slot_test_idle_before_busy),
	KUNIT_CASE(slot_test_slice),
	KUNIT_CASE(slot_test_stuck_victim),
	KUNIT_CASE(slot_test_stuck_victim_realtime),
	KUNIT_CASE(slot_test_realtime_takes),
	KUNIT_CASE(slot_test_realtime_gives_none),
	KUNIT_CASE(slot_test_realtime_first),
	KUNIT_CASE(slot_test_unbound_late),
	KUNIT_CASE(slot_test_unbound_without_event),
	KUNIT_CASE(slot_test_work_while_unbinding),
	KUNIT_CASE(slot_test_completion_while_unbinding),
	KUNIT_CASE(slot_test_empty_by_itself),
	KUNIT_CASE(slot_test_close_waiting),
	KUNIT_CASE(slot_test_ban_while_unbinding),
	KUNIT_CASE(slot_test_stop_escalates),
	KUNIT_CASE(slot_test_stop_in_time),
	KUNIT_CASE(slot_test_core_reset),
	KUNIT_CASE(slot_test_core_reset_late),
	KUNIT_CASE(slot_test_core_reset_escalates),
	KUNIT_CASE(slot_test_core_reset_after_stop),
	KUNIT_CASE(slot_test_core_reset_innocent),
	KUNIT_CASE_PARAM(slot_test_no_core_reset, slot_core_case_gen_params),
	KUNIT_CASE(slot_test_dump_while_vm_is_locked),
	KUNIT_CASE(slot_test_dump_one_at_a_time),
	KUNIT_CASE(slot_test_dump_not_complete),
	KUNIT_CASE(slot_test_reset),
	KUNIT_CASE(slot_test_reset_rewinds),
	KUNIT_CASE(slot_test_reset_spares_waiting),
	KUNIT_CASE(slot_test_reset_starts_again),
	KUNIT_CASE(slot_test_fatal),
	KUNIT_CASE(slot_test_late_reset),
	KUNIT_CASE(slot_test_moderation),
	KUNIT_CASE(slot_test_cut),
	KUNIT_CASE(slot_test_cut_for_ever),
	KUNIT_CASE(slot_test_gone),
	KUNIT_CASE(slot_test_gone_silently),
	KUNIT_CASE(slot_test_gone_in_reset),
	KUNIT_CASE(slot_test_gone_while_stopping),
	KUNIT_CASE(slot_test_remove),
	KUNIT_CASE(slot_test_remove_gone),
	KUNIT_CASE(slot_test_no_reset),
	KUNIT_CASE(slot_test_remove_without_reset),
	{ }
};

static struct kunit_suite slot_suite = {
	.name = "npu_slot",
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = slot_cases,
};

kunit_test_suites(&slot_suite);

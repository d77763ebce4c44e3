// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings, completion, events, faults and the hang watch. All queues have a slot
 * here; npu_slot_test.c is about those that have none.
 */

#include "npu_kunit.h"
#include "npu_queue.h"
#include "npu_vm.h"

#define QUEUE_HANG_MS	100

/* A queue with @jobs jobs in its ring, and a slot. */
static struct npu_queue *queue_with_jobs(struct fake_npu *fake, unsigned int jobs, u32 hang_ms)
{
	struct npu_queue *queue = fake_queue(fake, DRM_NPU_PRIORITY_NORMAL, hang_ms);

	fake_submit_many(fake, queue, jobs);
	fake_settle(fake);
	KUNIT_EXPECT_GE(fake->test, queue->slot, 0);
	return queue;
}

static void queue_done(struct fake_npu *fake, struct npu_queue *queue)
{
	fake_event(fake, NPU_EVENT_DONE, queue->id);
	fake_irq(fake, 0);
}

static void queue_faulted(struct fake_npu *fake, struct npu_queue *queue, u32 status)
{
	fake_fault(fake, queue, status);
	fake_event(fake, NPU_EVENT_FAULT, queue->id);
	fake_irq(fake, 0);
}

static int queue_bad_sequences(struct fake_npu *fake)
{
	return atomic_read(&fake->npu->errors.bad_sequence);
}

static int queue_bad_events(struct fake_npu *fake)
{
	return atomic_read(&fake->npu->errors.bad_event);
}

/* ---- Ring ----------------------------------------------------------------------- */

static void queue_test_context(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = fake_queue(fake, DRM_NPU_PRIORITY_HIGH, 0);
	struct npu_context *context = fake_context(fake, queue);

	KUNIT_EXPECT_PTR_EQ(test, context, queue->context);
	KUNIT_EXPECT_PTR_EQ(test, fake_memory(fake, le64_to_cpu(context->ring_base)),
			    (void *)queue->ring);
	KUNIT_EXPECT_PTR_EQ(test, fake_memory(fake, le64_to_cpu(context->report_base)),
			    (void *)queue->report);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(context->page_table), npu_pt_root(&fake->vm->pt));
	KUNIT_EXPECT_EQ(test, le32_to_cpu(context->asid), fake->vm->pt.asid);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(context->ring_order), NPU_RING_ORDER);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(context->priority), DRM_NPU_PRIORITY_HIGH);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(context->queue), queue->id);
	KUNIT_EXPECT_NULL(test, memchr_inv(&context->write_index, 0,
					   NPU_CONTEXT_SIZE - offsetof(struct npu_context,
								       write_index)));
	KUNIT_EXPECT_EQ(test, queue->hang_timeout, msecs_to_jiffies(NPU_HANG_TIMEOUT_MS));
}

/* Number @n is in its place of the ring, as fake_submit() has asked for it. */
static void queue_expect_descriptor(struct kunit *test, struct npu_queue *queue, u64 n)
{
	struct fake_npu *fake = test->priv;
	struct npu_context *context = fake_context(fake, queue);
	struct npu_job_desc *ring = fake_memory(fake, le64_to_cpu(context->ring_base));
	struct npu_job_desc *desc = &ring[(n - 1) % NPU_RING_JOBS];

	KUNIT_EXPECT_EQ(test, le64_to_cpu(context->write_index), n);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(desc->sequence), n);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(desc->stream_va), n << 20);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(desc->stream_size), 8 * n);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(desc->bases_va), n << 12);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(desc->bases), n % 32);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(desc->flags), NPU_JOB_EVENT);
	KUNIT_EXPECT_NULL(test, memchr_inv(desc->reserved, 0, sizeof(desc->reserved)));
}

static void queue_test_emit(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, FAKE_NO_HANG_MS);
	u32 rung = fake->doorbells[queue->slot];

	queue_expect_descriptor(test, queue, 1);
	KUNIT_EXPECT_GE(test, rung, 1);
	fake_submit(fake, queue);
	queue_expect_descriptor(test, queue, 2);
	KUNIT_EXPECT_EQ(test, fake->doorbells[queue->slot], rung + 1);
	fake_run(fake, queue);
	fake_run(fake, queue);
	queue_done(fake, queue);
}

static void queue_test_wrap(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, NPU_RING_JOBS - 1, FAKE_NO_HANG_MS);
	unsigned int n;

	/* The ring is full after each submission. */
	for (n = NPU_RING_JOBS; n <= 3 * NPU_RING_JOBS + 5; n++) {
		fake_submit(fake, queue);
		queue_expect_descriptor(test, queue, n);
		fake_run(fake, queue);
		queue_done(fake, queue);
		KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[n - NPU_RING_JOBS]), 0);
		KUNIT_EXPECT_EQ(test, queue->finished, n - NPU_RING_JOBS + 1);
	}
	while (!npu_queue_is_idle(queue)) {
		fake_run(fake, queue);
		queue_done(fake, queue);
	}
	KUNIT_EXPECT_EQ(test, queue->finished, queue->submitted);
	KUNIT_EXPECT_EQ(test, queue_bad_sequences(fake), 0);
}

/* ---- Completion ------------------------------------------------------------------- */

static void queue_test_one_event_for_many(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 5, FAKE_NO_HANG_MS);
	unsigned int i;

	for (i = 0; i < 3; i++)
		fake_run(fake, queue);
	KUNIT_EXPECT_FALSE(test, fake_job_ended(fake->job[0]));
	queue_done(fake, queue);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[i]), i < 3 ? 0 : 1);
	KUNIT_EXPECT_EQ(test, queue->finished, 3);
	KUNIT_EXPECT_FALSE(test, npu_queue_is_idle(queue));
}

/* Five jobs are in the ring then, and two complete. */
static const u64 queue_sequences[] = { 0, 1, 6, 7, 1ull << 32 | 3, 1ull << 63, U64_MAX };

static void queue_sequence_name(const u64 *sequence, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%#llx", *sequence);
}

KUNIT_ARRAY_PARAM(queue_sequence, queue_sequences, queue_sequence_name);

static void queue_test_bad_sequence(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	const u64 *sequence = test->param_value;
	struct npu_queue *queue = queue_with_jobs(fake, 5, FAKE_NO_HANG_MS);
	struct npu_context *context = fake_context(fake, queue);

	fake_run(fake, queue);
	fake_run(fake, queue);
	queue_done(fake, queue);
	WRITE_ONCE(context->sequence, cpu_to_le64(*sequence));
	queue_done(fake, queue);
	KUNIT_EXPECT_EQ(test, queue_bad_sequences(fake), 1);
	KUNIT_EXPECT_EQ(test, queue->finished, 2);
	KUNIT_EXPECT_FALSE(test, fake_job_ended(fake->job[2]));

	/* The right one is still believed. */
	WRITE_ONCE(context->sequence, cpu_to_le64(5));
	queue_done(fake, queue);
	KUNIT_EXPECT_EQ(test, queue_bad_sequences(fake), 1);
	KUNIT_EXPECT_EQ(test, queue->finished, 5);
}

static void queue_test_same_sequence(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 2, FAKE_NO_HANG_MS);

	fake_run(fake, queue);
	queue_done(fake, queue);
	queue_done(fake, queue);
	KUNIT_EXPECT_EQ(test, queue->finished, 1);
	KUNIT_EXPECT_EQ(test, queue_bad_sequences(fake), 0);
}

/* ---- Events and interrupts ---------------------------------------------------------- */

/* What the device does, in every order. */
enum queue_step {
	QUEUE_FINISH_A,
	QUEUE_FINISH_B,
	QUEUE_DONE_A,
	QUEUE_DONE_B,
	QUEUE_UNKNOWN_TYPE,
	QUEUE_UNKNOWN_QUEUE,
	QUEUE_IRQ,
	QUEUE_STEPS
};

#define QUEUE_ORDERS	5040	/* factorial of QUEUE_STEPS */

static void queue_order(u32 n, enum queue_step *step)
{
	u32 i;

	for (i = 0; i < QUEUE_STEPS; i++)
		step[i] = i;
	for (i = QUEUE_STEPS; i > 1; n /= i--)
		swap(step[i - 1], step[n % i]);
}

struct queue_pair {
	struct fake_npu *fake;
	struct npu_queue *queue[2];
	bool finished[2];
	bool recorded[2];
	bool ended[2];
};

static void queue_pair_irq(struct queue_pair *pair)
{
	unsigned int i;

	fake_irq(pair->fake, 0);
	for (i = 0; i < 2; i++)
		pair->ended[i] |= pair->recorded[i] && pair->finished[i];
}

static void queue_pair_step(struct queue_pair *pair, enum queue_step step)
{
	switch (step) {
	case QUEUE_FINISH_A:
	case QUEUE_FINISH_B:
		fake_run(pair->fake, pair->queue[step - QUEUE_FINISH_A]);
		pair->finished[step - QUEUE_FINISH_A] = true;
		break;
	case QUEUE_DONE_A:
	case QUEUE_DONE_B:
		fake_event(pair->fake, NPU_EVENT_DONE, pair->queue[step - QUEUE_DONE_A]->id);
		pair->recorded[step - QUEUE_DONE_A] = true;
		break;
	case QUEUE_UNKNOWN_TYPE:
		fake_event(pair->fake, 99, pair->queue[0]->id);
		break;
	case QUEUE_UNKNOWN_QUEUE:
		fake_event(pair->fake, NPU_EVENT_DONE, 0x12345678);
		break;
	default:
		queue_pair_irq(pair);
		break;
	}
}

static void queue_pair_expect(struct queue_pair *pair)
{
	struct kunit *test = pair->fake->test;
	unsigned int i;

	for (i = 0; i < 2; i++)
		KUNIT_ASSERT_EQ(test, fake_job_ended(pair->fake->job[i]), pair->ended[i]);
}

static void queue_pair_run(struct queue_pair *pair, u32 n)
{
	enum queue_step step[QUEUE_STEPS];
	unsigned int i;

	queue_order(n, step);
	for (i = 0; i < 2; i++) {
		pair->finished[i] = false;
		pair->recorded[i] = false;
		pair->ended[i] = false;
		fake_submit(pair->fake, pair->queue[i]);
	}
	for (i = 0; i < QUEUE_STEPS; i++) {
		queue_pair_step(pair, step[i]);
		queue_pair_expect(pair);
	}
	/* What came too late is said again. */
	queue_pair_step(pair, QUEUE_DONE_A);
	queue_pair_step(pair, QUEUE_DONE_B);
	queue_pair_irq(pair);
	queue_pair_expect(pair);
	fake_reap(pair->fake);
}

static void queue_test_every_order(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct queue_pair pair = { .fake = fake };
	u32 n;

	for (n = 0; n < 2; n++) {
		pair.queue[n] = queue_with_jobs(fake, 1, FAKE_NO_HANG_MS);
		fake_run(fake, pair.queue[n]);
		queue_done(fake, pair.queue[n]);
	}
	fake_reap(fake);
	for (n = 0; n < QUEUE_ORDERS; n++)
		queue_pair_run(&pair, n);
	KUNIT_EXPECT_EQ(test, queue_bad_events(fake), QUEUE_ORDERS);
	KUNIT_EXPECT_EQ(test, queue_bad_sequences(fake), 0);
	for (n = 0; n < 2; n++)
		KUNIT_EXPECT_EQ(test, pair.queue[n]->finished, QUEUE_ORDERS + 1);
}

static void queue_test_event_ring_wrap(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, FAKE_NO_HANG_MS);
	unsigned int i;

	for (i = 0; i < 5; i++) {
		/* All records but one, then the last, which is the one that counts. */
		while (fake_get(fake, NPU_REG_EVENT_WRITE) - fake_get(fake, NPU_REG_EVENT_READ) <
		       (1u << fake_get(fake, NPU_REG_EVENT_ORDER)) - 1)
			fake_event(fake, 99, 0);
		fake_run(fake, queue);
		queue_done(fake, queue);
		KUNIT_EXPECT_TRUE(test, fake_job_ended(fake->job[i]));
		KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_EVENT_READ),
				fake_get(fake, NPU_REG_EVENT_WRITE));
		fake_submit(fake, queue);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->npu->errors.overflow), 0);
	KUNIT_EXPECT_EQ(test, queue_bad_events(fake),
			5 * ((1 << fake_get(fake, NPU_REG_EVENT_ORDER)) - 1));
}

static void queue_test_event_index_wrap(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 3, FAKE_NO_HANG_MS);
	unsigned int i;

	/* The indices run freely: near their end, after 2^32 records. */
	fake_set(fake, NPU_REG_EVENT_READ, U32_MAX - 1);
	fake_set(fake, NPU_REG_EVENT_WRITE, U32_MAX - 1);
	fake->npu->events.read = U32_MAX - 1;
	for (i = 0; i < 3; i++) {
		fake_run(fake, queue);
		queue_done(fake, queue);
		KUNIT_EXPECT_TRUE(test, fake_job_ended(fake->job[i]));
	}
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_EVENT_READ), 1);
	KUNIT_EXPECT_EQ(test, queue_bad_events(fake), 0);
}

static void queue_test_overflow(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, FAKE_NO_HANG_MS);
	unsigned int i;

	for (i = 0; i < 1u << fake_get(fake, NPU_REG_EVENT_ORDER); i++)
		fake_event(fake, NPU_EVENT_DONE, 0x12345678);
	fake_run(fake, queue);
	queue_done(fake, queue);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->npu->errors.overflow), 1);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), 0);
}

static void queue_test_bad_event_index(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 2, FAKE_NO_HANG_MS);
	u32 write = fake_get(fake, NPU_REG_EVENT_WRITE) + 1000;

	fake_run(fake, queue);
	fake_set(fake, NPU_REG_EVENT_WRITE, write);
	fake_cause(fake, NPU_IRQ_EVENT);
	fake_irq(fake, 0);
	KUNIT_EXPECT_EQ(test, queue_bad_events(fake), 1);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_EVENT_READ), write);

	/* What comes then is read again. */
	queue_done(fake, queue);
	KUNIT_EXPECT_EQ(test, queue_bad_events(fake), 1);
	KUNIT_EXPECT_TRUE(test, fake_job_ended(fake->job[0]));
}

static void queue_test_spurious_irq(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, FAKE_NO_HANG_MS);
	unsigned int i;

	for (i = 0; i < 100; i++)
		fake_irq(fake, i % 2);
	fake_run(fake, queue);
	/* With no record there is nothing that says so. */
	fake_irq(fake, 0);
	KUNIT_EXPECT_FALSE(test, fake_job_ended(fake->job[0]));
	queue_done(fake, queue);
	fake_irq(fake, 0);
	fake_irq(fake, 1);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), 0);
	KUNIT_EXPECT_EQ(test, queue->finished, 1);
}

static void queue_test_irq_on_other_vector(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, FAKE_NO_HANG_MS);

	fake_run(fake, queue);
	fake_event(fake, NPU_EVENT_DONE, queue->id);
	fake_irq(fake, 1);
	KUNIT_EXPECT_TRUE(test, fake_job_ended(fake->job[0]));
}

static void queue_test_lost_irq(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, QUEUE_HANG_MS);

	fake_run(fake, queue);
	fake_event(fake, NPU_EVENT_DONE, queue->id);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_EVENT_READ),
			fake_get(fake, NPU_REG_EVENT_WRITE));
}

static void queue_test_lost_event(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, QUEUE_HANG_MS);

	fake_run(fake, queue);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_EQ(test, queue->state, 0);
}

static void queue_test_event_of_closed_queue(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, FAKE_NO_HANG_MS);
	u32 id = queue->id;

	fake->queues--;
	npu_queue_close(queue);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	fake_event(fake, NPU_EVENT_DONE, id);
	fake_event(fake, NPU_EVENT_FAULT, id);
	fake_event(fake, NPU_EVENT_UNBOUND, id);
	fake_irq(fake, 0);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, queue_bad_events(fake), 0);
}

/* ---- Faults ------------------------------------------------------------------------------ */

struct queue_fault {
	u32 status;
	int error;
};

static const struct queue_fault queue_faults[] = {
	{ NPU_FAULT_ILLEGAL, -EINVAL },
	{ NPU_FAULT_BOUNDS, -EFAULT },
	{ NPU_FAULT_TRANSLATION, -EFAULT },
	{ NPU_FAULT_PERMISSION, -EFAULT },
	{ NPU_FAULT_WALK, -EIO },
	{ NPU_FAULT_BUS, -EIO },
	{ NPU_FAULT_DESCRIPTOR, -EIO },
	{ 99, -EIO },
	{ U32_MAX, -EIO },
};

static void queue_fault_name(const struct queue_fault *fault, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "status %u", fault->status);
}

KUNIT_ARRAY_PARAM(queue_fault, queue_faults, queue_fault_name);

static void queue_test_fault(struct kunit *test)
{
	const struct queue_fault *fault = test->param_value;
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 3, FAKE_NO_HANG_MS);

	fake_run(fake, queue);
	fake_start(fake, queue);
	queue_faulted(fake, queue, fault->status);
	KUNIT_EXPECT_EQ(test, queue->state, DRM_NPU_QUEUE_FAULTED);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), 0);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), fault->error);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[2]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, queue->slot, -1);

	KUNIT_EXPECT_EQ(test, queue->fault.status, fault->status);
	KUNIT_EXPECT_EQ(test, queue->fault.detail, 2);
	KUNIT_EXPECT_EQ(test, queue->fault.access, NPU_ACCESS_WRITE);
	KUNIT_EXPECT_EQ(test, queue->fault.va, 0x123456789000);
	KUNIT_EXPECT_EQ(test, queue->fault.offset, 0x40);
	KUNIT_EXPECT_EQ(test, queue->fault.job, 2);
}

/* The reset of its core was meant for another queue. */
static void queue_test_aborted(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 2, FAKE_NO_HANG_MS);

	fake_start(fake, queue);
	queue_faulted(fake, queue, NPU_FAULT_ABORTED);
	KUNIT_EXPECT_EQ(test, queue->state, DRM_NPU_QUEUE_INNOCENT);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, queue->slot, -1);
	KUNIT_EXPECT_EQ(test, queue->fault.status, NPU_FAULT_ABORTED);
}

static void queue_test_fault_of_nobody(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, FAKE_NO_HANG_MS);

	fake_run(fake, queue);
	queue_done(fake, queue);
	queue_faulted(fake, queue, NPU_FAULT_BUS);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, queue->state, DRM_NPU_QUEUE_FAULTED);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake_submit(fake, queue)), -ECANCELED);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), 0);
}

static void queue_test_fault_without_event(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, QUEUE_HANG_MS);

	fake_start(fake, queue);
	fake_fault(fake, queue, NPU_FAULT_BOUNDS);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -EFAULT);
}

/* The job that is said to have faulted completes before the queue is stopped. */
static void queue_test_completion_after_fault(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 3, FAKE_NO_HANG_MS);
	int slot = queue->slot;

	fake_hold(fake, BIT(NPU_SLOT_STOP));
	fake_start(fake, queue);
	queue_faulted(fake, queue, NPU_FAULT_BOUNDS);
	fake_settle(fake);
	fake_finish(fake, queue);
	queue_done(fake, queue);
	KUNIT_EXPECT_FALSE(test, fake_job_ended(fake->job[0]));
	fake_empty(fake, slot);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), 0);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[2]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, queue->finished, 3);
}

/* A number that makes no sense does not end jobs of a dead queue well, either. */
static void queue_test_bad_sequence_after_fault(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 2, FAKE_NO_HANG_MS);

	fake_hold(fake, BIT(NPU_SLOT_STOP));
	fake_start(fake, queue);
	queue_faulted(fake, queue, NPU_FAULT_BOUNDS);
	fake_settle(fake);
	WRITE_ONCE(fake_context(fake, queue)->sequence, cpu_to_le64(77));
	fake_empty(fake, queue->slot);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -EFAULT);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, queue_bad_sequences(fake), 1);
}

static void queue_test_job_after_fault(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 2, FAKE_NO_HANG_MS);
	struct fake_job *late;

	/* While others are in the ring it ends behind them, in order. */
	fake_hold(fake, BIT(NPU_SLOT_STOP));
	fake_start(fake, queue);
	queue_faulted(fake, queue, NPU_FAULT_ILLEGAL);
	late = fake_submit(fake, queue);
	fake_settle(fake);
	KUNIT_EXPECT_FALSE(test, fake_job_ended(late));
	KUNIT_EXPECT_EQ(test, le64_to_cpu(fake_context(fake, queue)->write_index), 2);
	fake_empty(fake, queue->slot);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -EINVAL);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, fake_job_error(late), -ECANCELED);

	/* And at once when nobody is. */
	KUNIT_EXPECT_EQ(test, fake_job_error(fake_submit(fake, queue)), -ECANCELED);
	KUNIT_EXPECT_EQ(test, queue->finished, queue->submitted);
}

static void queue_test_close(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 3, FAKE_NO_HANG_MS);
	unsigned int i;

	fake_run(fake, queue);
	fake_start(fake, queue);
	fake->queues--;
	npu_queue_close(queue);
	fake_wait(fake, fake_job_ended(fake->job[2]));
	/* What was complete is not taken back. */
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[i]), i ? -ECANCELED : 0);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_STOP], 1);
}

static void queue_test_first_reason_stays(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 2, FAKE_NO_HANG_MS);

	fake_start(fake, queue);
	fake_hold(fake, BIT(NPU_SLOT_RESET));
	npu_queue_ban(queue, DRM_NPU_QUEUE_HUNG);
	queue_faulted(fake, queue, NPU_FAULT_ABORTED);
	npu_queue_ban(queue, DRM_NPU_QUEUE_INNOCENT);
	fake_settle(fake);
	fake_empty(fake, queue->slot);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, queue->state, DRM_NPU_QUEUE_HUNG);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), -ETIME);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), -ECANCELED);
	KUNIT_EXPECT_EQ(test, queue->fault.status, NPU_FAULT_NONE);
}

/* ---- Hang watch ----------------------------------------------------------------------------- */

static void queue_test_hang(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 3, QUEUE_HANG_MS);

	fake_run(fake, queue);
	fake_start(fake, queue);
	fake_wait(fake, fake_job_ended(fake->job[2]));
	KUNIT_EXPECT_EQ(test, queue->state, DRM_NPU_QUEUE_HUNG);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), 0);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), -ETIME);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[2]), -ECANCELED);
	/* STOP would wait for it. */
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_STOP], 0);
	KUNIT_EXPECT_EQ(test, fake->commands[NPU_SLOT_RESET], 1);
}

static void queue_test_hang_is_not_early(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, 1000);

	fake_start(fake, queue);
	msleep(700);
	KUNIT_EXPECT_EQ(test, queue->state, 0);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_EQ(test, queue->state, DRM_NPU_QUEUE_HUNG);
}

static void queue_test_progress(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, 5 * QUEUE_HANG_MS);
	unsigned int i;

	fake_start(fake, queue);
	for (i = 0; i < 15; i++) {
		le64_add_cpu(&fake_context(fake, queue)->progress, 1);
		msleep(QUEUE_HANG_MS);
	}
	KUNIT_EXPECT_EQ(test, queue->state, 0);
	fake_finish(fake, queue);
	fake_wait(fake, fake_job_ended(fake->job[0]));
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[0]), 0);
}

static void queue_test_wait_for_core(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *busy = queue_with_jobs(fake, 1, FAKE_NO_HANG_MS);
	struct npu_queue *queue = queue_with_jobs(fake, 1, QUEUE_HANG_MS);
	u32 rung = fake->doorbells[queue->slot];

	/* Somebody else executes; but the doorbell may have been lost. */
	fake_start(fake, busy);
	msleep(3 * QUEUE_HANG_MS);
	KUNIT_EXPECT_EQ(test, queue->state, 0);
	KUNIT_EXPECT_GT(test, fake->doorbells[queue->slot], rung);

	/* If nobody does, the device has stopped working. */
	fake_finish(fake, busy);
	fake_wait(fake, fake_job_ended(fake->job[1]));
	KUNIT_EXPECT_EQ(test, queue->state, DRM_NPU_QUEUE_HUNG);
}

/* It has taken all jobs, and says nothing: that is no wait for a core. */
static void queue_test_lost_completion(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *busy = queue_with_jobs(fake, 1, FAKE_NO_HANG_MS);
	struct npu_queue *queue = queue_with_jobs(fake, 1, QUEUE_HANG_MS);

	fake_start(fake, busy);
	WRITE_ONCE(fake_context(fake, queue)->read_index, cpu_to_le64(1));
	fake_wait(fake, fake_job_ended(fake->job[1]));
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), -ETIME);
}

static void queue_test_idle_watch(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_queue *queue = queue_with_jobs(fake, 1, 5 * QUEUE_HANG_MS);

	/* The time without work does not count. */
	fake_run(fake, queue);
	queue_done(fake, queue);
	msleep(10 * QUEUE_HANG_MS);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&queue->watch));
	fake_submit(fake, queue);
	fake_start(fake, queue);
	msleep(2 * QUEUE_HANG_MS);
	KUNIT_EXPECT_EQ(test, queue->state, 0);
	fake_finish(fake, queue);
	queue_done(fake, queue);
	KUNIT_EXPECT_EQ(test, fake_job_error(fake->job[1]), 0);
}

static struct kunit_case queue_cases[] = {
	KUNIT_CASE(queue_test_context),
	KUNIT_CASE(queue_test_emit),
	KUNIT_CASE(queue_test_wrap),
	KUNIT_CASE(queue_test_one_event_for_many),
	KUNIT_CASE_PARAM(queue_test_bad_sequence, queue_sequence_gen_params),
	KUNIT_CASE(queue_test_same_sequence),
	KUNIT_CASE_SLOW(queue_test_every_order),
	KUNIT_CASE(queue_test_event_ring_wrap),
	KUNIT_CASE(queue_test_event_index_wrap),
	KUNIT_CASE(queue_test_overflow),
	KUNIT_CASE(queue_test_bad_event_index),
	KUNIT_CASE(queue_test_spurious_irq),
	KUNIT_CASE(queue_test_irq_on_other_vector),
	KUNIT_CASE(queue_test_lost_irq),
	KUNIT_CASE(queue_test_lost_event),
	KUNIT_CASE(queue_test_event_of_closed_queue),
	KUNIT_CASE_PARAM(queue_test_fault, queue_fault_gen_params),
	KUNIT_CASE(queue_test_aborted),
	KUNIT_CASE(queue_test_fault_of_nobody),
	KUNIT_CASE(queue_test_fault_without_event),
	KUNIT_CASE(queue_test_completion_after_fault),
	KUNIT_CASE(queue_test_bad_sequence_after_fault),
	KUNIT_CASE(queue_test_job_after_fault),
	KUNIT_CASE(queue_test_close),
	KUNIT_CASE(queue_test_first_reason_stays),
	KUNIT_CASE(queue_test_hang),
	KUNIT_CASE(queue_test_hang_is_not_early),
	KUNIT_CASE(queue_test_progress),
	KUNIT_CASE(queue_test_wait_for_core),
	KUNIT_CASE(queue_test_lost_completion),
	KUNIT_CASE(queue_test_idle_watch),
	{ }
};

static struct kunit_suite queue_suite = {
	.name = "npu_queue",
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = queue_cases,
};

kunit_test_suites(&queue_suite);

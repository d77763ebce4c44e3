// SPDX-License-Identifier: GPL-2.0-only
/* Events on the accel file: which queue was banned, and why. */
#include "npu_test.h"

FIXTURE(notify)
{
	struct emu emu;
	int fd;
	struct ctx ctx;
};

static int queue_with_event(int fd, uint32_t vm, uint32_t hang_ms, uint32_t *queue)
{
	struct drm_npu_queue_create args = {
		.vm_id = vm, .flags = DRM_NPU_QUEUE_EVENT, .hang_timeout_ms = hang_ms,
	};
	int ret = call(fd, DRM_IOCTL_NPU_QUEUE_CREATE, &args);

	*queue = args.queue_id;
	return ret;
}

/* The queue of the context is one that tells. */
FIXTURE_SETUP(notify)
{
	ASSERT_EQ(emu_create(&self->emu, 2, 8), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(fcntl(self->fd, F_SETFL, O_NONBLOCK), 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
	ASSERT_EQ(queue_destroy(self->fd, self->ctx.queue), 0);
	ASSERT_EQ(queue_with_event(self->fd, self->ctx.vm, 300, &self->ctx.queue), 0);
}

FIXTURE_TEARDOWN(notify)
{
	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

static ssize_t event_read(int fd, void *event, size_t size)
{
	ssize_t n = read(fd, event, size);

	return n < 0 ? -errno : n;
}

static bool event_waits(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) == 1 && pfd.revents == POLLIN;
}

static struct drm_npu_job bad_job(struct ctx *ctx)
{
	struct npu_stream_header *header = stream_begin(ctx, 0);
	struct npu_cmd_nop nop = { .cmd = { 0x7777, 0, sizeof(nop) } };

	stream_add(header, &nop);
	return stream_job(ctx, header, 0);
}

/* There is one event: that of the context's queue, with @state_. */
#define EXPECT_EVENT(state_) do {						\
	struct drm_npu_queue_get_state s;					\
	struct drm_npu_event_fault e = {};					\
										\
	EXPECT_TRUE(event_waits(self->fd, 60000));				\
	EXPECT_EQ(event_read(self->fd, &e, sizeof(e)), sizeof(e));		\
	EXPECT_EQ(e.base.type, DRM_NPU_EVENT_FAULT);				\
	EXPECT_EQ(e.base.length, sizeof(e));					\
	EXPECT_EQ(e.queue_id, self->ctx.queue);					\
	EXPECT_EQ(e.state, (uint32_t)(state_));					\
	if (!queue_state(self->fd, self->ctx.queue, &s)) {			\
		EXPECT_EQ(s.state, e.state);					\
		EXPECT_EQ(memcmp(&s.fault, &e.fault, sizeof(e.fault)), 0);	\
	}									\
	EXPECT_FALSE(event_waits(self->fd, 0));					\
	EXPECT_EQ(event_read(self->fd, &e, sizeof(e)), -EAGAIN);		\
} while (0)

TEST_F(notify, nothing_happened)
{
	struct drm_npu_event_fault event;

	EXPECT_FALSE(event_waits(self->fd, 0));
	EXPECT_EQ(event_read(self->fd, &event, sizeof(event)), -EAGAIN);
	EXPECT_TRUE(device_works(self->fd));
	EXPECT_FALSE(event_waits(self->fd, 0));
}

TEST_F(notify, a_fault)
{
	struct drm_npu_queue_get_state state;

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, bad_job(&self->ctx), self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EINVAL);
	/* The event comes before the fence. */
	EXPECT_TRUE(event_waits(self->fd, 0));
	EXPECT_EVENT(DRM_NPU_QUEUE_FAULTED);
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.fault.status, DRM_NPU_FAULT_ILLEGAL);
	EXPECT_EQ(state.fault.job, 1);
}

TEST_F(notify, a_hang)
{
	struct drm_npu_queue_get_state state;

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, 1),
			     self->ctx.syncobj), 0);
	EXPECT_EVENT(DRM_NPU_QUEUE_HUNG);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ETIME);
	/* Which job it was. */
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.fault.status, DRM_NPU_FAULT_NONE);
	EXPECT_EQ(state.fault.job, 2);
}

TEST_F(notify, a_device_that_disappears)
{
	ASSERT_EQ(emu_write(&self->emu, "faults/disappear", "1"), 0);
	submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj);
	EXPECT_EVENT(DRM_NPU_QUEUE_LOST);
}

TEST_F(notify, a_device_that_is_pulled_out)
{
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_EVENT(DRM_NPU_QUEUE_LOST);
}

TEST_F(notify, destroyed_queues_say_nothing)
{
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	ASSERT_EQ(queue_destroy(self->fd, self->ctx.queue), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ECANCELED);
	EXPECT_FALSE(event_waits(self->fd, 50));
}

TEST_F(notify, queues_without_the_flag_say_nothing)
{
	struct ctx ctx;

	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	ASSERT_EQ(submit_one(self->fd, ctx.queue, bad_job(&ctx), ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, ctx.syncobj), -EINVAL);
	EXPECT_FALSE(event_waits(self->fd, 50));
}

TEST_F(notify, the_event_outlives_its_queue)
{
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, bad_job(&self->ctx), self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EINVAL);
	ASSERT_EQ(queue_destroy(self->fd, self->ctx.queue), 0);
	EXPECT_EVENT(DRM_NPU_QUEUE_FAULTED);
}

TEST_F(notify, other_files_hear_nothing)
{
	int other = device_open_index(self->emu.index);

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, bad_job(&self->ctx), self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EINVAL);
	EXPECT_FALSE(event_waits(other, 50));
	EXPECT_EVENT(DRM_NPU_QUEUE_FAULTED);
	close(other);
}

TEST_F(notify, many_in_one_read_in_order)
{
	struct drm_npu_event_fault event[8];
	uint32_t queue[6];
	int i;

	for (i = 0; i < 6; i++)
		ASSERT_EQ(queue_with_event(self->fd, self->ctx.vm, 0, &queue[i]), 0);
	for (i = 5; i >= 0; i--) {
		ASSERT_EQ(submit_one(self->fd, queue[i], bad_job(&self->ctx), self->ctx.syncobj),
			  0);
		EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EINVAL);
	}
	/* Whole events only. */
	EXPECT_EQ(event_read(self->fd, event, 2 * sizeof(*event) - 1), sizeof(*event));
	EXPECT_EQ(event[0].queue_id, queue[5]);
	ASSERT_EQ(event_read(self->fd, event, sizeof(event)), 5 * sizeof(*event));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(event[i].queue_id, queue[4 - i]);
}

TEST_F(notify, a_read_that_fails_takes_nothing)
{
	char room[sizeof(struct drm_npu_event_fault)];
	void *nowhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(nowhere, MAP_FAILED);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, bad_job(&self->ctx), self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EINVAL);
	EXPECT_EQ(event_read(self->fd, room, sizeof(room) - 1), 0);
	EXPECT_EQ(event_read(self->fd, nowhere, sizeof(room)), -EFAULT);
	EXPECT_EVENT(DRM_NPU_QUEUE_FAULTED);
}

/* ---- Reads that wait ---------------------------------------------------------------- */

struct reader {
	int fd;
	pthread_t thread;
	ssize_t result;
	volatile bool ended;
	struct drm_npu_event_fault event;
};

static void *reader_run(void *arg)
{
	struct reader *reader = arg;

	reader->result = event_read(reader->fd, &reader->event, sizeof(reader->event));
	reader->ended = true;
	return NULL;
}

static void on_signal(int signal)
{
}

TEST_F(notify, a_read_waits)
{
	struct reader reader = { .fd = self->fd };

	ASSERT_EQ(fcntl(self->fd, F_SETFL, 0), 0);
	ASSERT_EQ(pthread_create(&reader.thread, NULL, reader_run, &reader), 0);
	sleep_ms(100);
	EXPECT_FALSE(reader.ended);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, bad_job(&self->ctx), self->ctx.syncobj), 0);
	ASSERT_EQ(pthread_join(reader.thread, NULL), 0);
	EXPECT_EQ(reader.result, sizeof(reader.event));
	EXPECT_EQ(reader.event.queue_id, self->ctx.queue);
}

TEST_F(notify, a_signal_ends_a_read)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct reader reader = { .fd = self->fd };
	int i;

	ASSERT_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	ASSERT_EQ(fcntl(self->fd, F_SETFL, 0), 0);
	ASSERT_EQ(pthread_create(&reader.thread, NULL, reader_run, &reader), 0);
	for (i = 0; i < 1000 && !reader.ended; i++) {
		sleep_ms(10);
		pthread_kill(reader.thread, SIGUSR1);
	}
	ASSERT_EQ(pthread_join(reader.thread, NULL), 0);
	EXPECT_EQ(reader.result, -EINTR);
}

/* ---- Room --------------------------------------------------------------------------- */

TEST_F(notify, a_full_file)
{
	struct drm_npu_event_fault event;
	uint32_t queue;
	int i, ret = 0;

	/* Unread events take room like those to come; one is the context's. */
	for (i = 1; i < DRM_NPU_EVENTS_MAX; i++) {
		ASSERT_EQ(queue_with_event(self->fd, self->ctx.vm, 0, &queue), 0);
		ASSERT_EQ(submit_one(self->fd, queue, bad_job(&self->ctx), self->ctx.syncobj), 0);
		ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), -EINVAL);
		ASSERT_EQ(queue_destroy(self->fd, queue), 0);
	}
	EXPECT_EQ(queue_with_event(self->fd, self->ctx.vm, 0, &queue), -ENOSPC);
	/* Who wants no event needs no room. */
	EXPECT_NE(queue_create(self->fd, self->ctx.vm), 0);
	/* The queue that has its room keeps it. */
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, bad_job(&self->ctx), self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EINVAL);

	EXPECT_EQ(event_read(self->fd, &event, sizeof(event)), sizeof(event));
	EXPECT_EQ(queue_with_event(self->fd, self->ctx.vm, 0, &queue), 0);
	EXPECT_EQ(queue_with_event(self->fd, self->ctx.vm, 0, &queue), -ENOSPC);
	for (i = 1; !ret; i++)
		ret = event_read(self->fd, &event, sizeof(event)) == sizeof(event) ? 0 : i;
	EXPECT_EQ(ret, DRM_NPU_EVENTS_MAX);
	EXPECT_EQ(event.queue_id, self->ctx.queue);
}

TEST_F(notify, destroying_a_queue_gives_its_room_back)
{
	uint32_t queue;
	int i;

	for (i = 0; i < 2 * DRM_NPU_EVENTS_MAX; i++) {
		ASSERT_EQ(queue_with_event(self->fd, self->ctx.vm, 0, &queue), 0);
		ASSERT_EQ(queue_destroy(self->fd, queue), 0);
	}
}

TEST_F(notify, a_file_closed_with_events_unread_and_to_come)
{
	int fd = device_open_index(self->emu.index), i;
	uint32_t queue;
	struct ctx ctx;

	ASSERT_EQ(ctx_init(&ctx, fd), 0);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(queue_with_event(fd, ctx.vm, 0, &queue), 0);
		ASSERT_EQ(submit_one(fd, queue, i % 2 ? bad_job(&ctx) : work_job(&ctx, WORK_LONG),
				     ctx.syncobj), 0);
	}
	munmap(ctx.mem, CTX_SIZE);
	/* Some of the queues are banned while it closes. */
	close(fd);
	EXPECT_TRUE(device_works(self->fd));
	EXPECT_FALSE(event_waits(self->fd, 0));
}

TEST_HARNESS_MAIN

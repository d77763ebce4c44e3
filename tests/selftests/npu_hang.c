// SPDX-License-Identifier: GPL-2.0-only
/* Hangs, corrupt completions, a device that disappears: faults on demand. */
#include "npu_test.h"

FIXTURE(hang)
{
	struct emu emu;
	int fd;
	struct ctx ctx;
};

FIXTURE_SETUP(hang)
{
	ASSERT_EQ(emu_create(&self->emu, 2, 8), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	/* A short limit, so that the test does not take long. */
	ASSERT_EQ(ctx_init_full(&self->ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, 300), 0);
}

FIXTURE_TEARDOWN(hang)
{
	EXPECT_EQ(emu_bus_errors(&self->emu), 0);
	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

static struct drm_npu_job nop_job(struct ctx *ctx)
{
	struct npu_stream_header *header = stream_begin(ctx, 0);

	stream_add_nop(header);
	return stream_job(ctx, header, 0);
}

#define EXPECT_STATE(ctx_, state_) do {						\
	struct drm_npu_queue_get_state s;					\
										\
	EXPECT_EQ(queue_state(self->fd, (ctx_)->queue, &s), 0);			\
	EXPECT_EQ(s.state, (uint32_t)(state_));					\
} while (0)

TEST_F(hang, a_hung_job_ends_with_etime)
{
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, nop_job(&self->ctx), self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ETIME);
	EXPECT_STATE(&self->ctx, DRM_NPU_QUEUE_HUNG);
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), -EIO);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(hang, jobs_behind_it_are_cancelled)
{
	struct ctx ctx;
	uint32_t behind = syncobj_create(self->fd);
	int i;

	/* The queue must not be banned before the last job is submitted. */
	ASSERT_EQ(ctx_init_full(&ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, 3000), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, ctx.queue, nop_job(&ctx), ctx.syncobj), 0);
	/* More than the ring holds. */
	for (i = 0; i < 200; i++)
		ASSERT_EQ(submit_one(self->fd, ctx.queue, empty_job(), behind), 0);
	EXPECT_EQ(job_result(self->fd, ctx.syncobj), -ETIME);
	EXPECT_EQ(job_result(self->fd, behind), -ECANCELED);
}

TEST_F(hang, other_queues_go_on)
{
	struct ctx other;
	int i;

	ASSERT_EQ(ctx_init(&other, self->fd), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, nop_job(&self->ctx), self->ctx.syncobj), 0);
	sleep_ms(50);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(submit_one(self->fd, other.queue, nop_job(&other), other.syncobj), 0);
		ASSERT_EQ(job_result(self->fd, other.syncobj), 1);
	}
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ETIME);
	EXPECT_STATE(&other, 0);
}

TEST_F(hang, a_busy_job_is_not_a_hung_one)
{
	struct drm_npu_job job = work_job_for(&self->ctx, 1500);

	/* Far longer than the limit of 300 ms, but it makes progress. */
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_STATE(&self->ctx, 0);
}

TEST_F(hang, waiting_for_a_busy_device_is_not_a_hang)
{
	struct drm_npu_job job[2];
	struct ctx busy[2];
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(ctx_init_full(&busy[i], self->fd, DRM_NPU_PRIORITY_REALTIME, 0), 0);
		job[i] = work_job_for(&busy[i], 1500);
	}
	for (i = 0; i < 2; i++)
		ASSERT_EQ(submit_one(self->fd, busy[i].queue, job[i], busy[i].syncobj), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, nop_job(&self->ctx), self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(job_result(self->fd, busy[i].syncobj), 1);
}

TEST_F(hang, recovery_works_many_times)
{
	struct ctx ctx;
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(ctx_init_full(&ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, 50), 0);
		ASSERT_EQ(emu_write(&self->emu, "faults/hang", "3"), 0);
		ASSERT_EQ(submit_one(self->fd, ctx.queue, work_job(&ctx, 5), ctx.syncobj), 0);
		EXPECT_EQ(job_result(self->fd, ctx.syncobj), -ETIME);
	}
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(hang, all_cores_hang)
{
	struct ctx ctx[4];
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(ctx_init_full(&ctx[i], self->fd, DRM_NPU_PRIORITY_NORMAL, 100), 0);
		ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
		ASSERT_EQ(submit_one(self->fd, ctx[i].queue, nop_job(&ctx[i]), ctx[i].syncobj), 0);
		sleep_ms(20);
	}
	for (i = 0; i < 4; i++)
		EXPECT_NE(job_result(self->fd, ctx[i].syncobj), -ETIMEDOUT);
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "0"), 0);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(hang, a_hung_queue_can_be_destroyed)
{
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, nop_job(&self->ctx), self->ctx.syncobj), 0);
	sleep_ms(20);
	ASSERT_EQ(queue_destroy(self->fd, self->ctx.queue), 0);
	EXPECT_LT(job_result(self->fd, self->ctx.syncobj), 0);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(hang, unbinding_memory_of_a_hung_job_ends)
{
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, nop_job(&self->ctx), self->ctx.syncobj), 0);
	sleep_ms(20);
	EXPECT_EQ(vm_unmap(self->fd, self->ctx.vm, CTX_VA, CTX_SIZE), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ETIME);
}

TEST_F(hang, a_hung_job_does_not_hold_up_binding_of_others)
{
	int64_t start;
	struct ctx ctx;

	/* The limit of the hung one is far away. */
	ASSERT_EQ(ctx_init_full(&ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, 20000), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, ctx.queue, nop_job(&ctx), ctx.syncobj), 0);
	sleep_ms(20);
	start = now_ns();
	EXPECT_EQ(vm_unmap(self->fd, self->ctx.vm, CTX_VA, CTX_SIZE), 0);
	EXPECT_LT(now_ns() - start, 10 * SECOND);
	EXPECT_EQ(queue_destroy(self->fd, ctx.queue), 0);
}

TEST_F(hang, closing_the_file_of_a_hung_job)
{
	int fd = device_open_index(self->emu.index), sync_file;
	struct ctx ctx;

	ASSERT_EQ(ctx_init(&ctx, fd), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(fd, ctx.queue, nop_job(&ctx), ctx.syncobj), 0);
	sync_file = syncobj_export(fd, ctx.syncobj);
	sleep_ms(20);
	munmap(ctx.mem, CTX_SIZE);
	close(fd);
	EXPECT_EQ(sync_file_wait(sync_file, 60000), 0);
	EXPECT_EQ(sync_file_status(sync_file), -ECANCELED);
	close(sync_file);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(hang, a_corrupt_completion_is_refused)
{
	struct drm_npu_queue_get_state state;

	/* The garbage says that jobs are complete that were never submitted. */
	ASSERT_EQ(emu_write(&self->emu, "faults/corrupt", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, nop_job(&self->ctx), self->ctx.syncobj), 0);
	sleep_ms(50);
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_LE(state.completed, state.submitted);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ETIME);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(hang, the_next_completion_heals_a_corrupt_one)
{
	uint32_t first = syncobj_create(self->fd);

	ASSERT_EQ(emu_write(&self->emu, "faults/corrupt", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, nop_job(&self->ctx), first), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, nop_job(&self->ctx), self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_EQ(job_result(self->fd, first), 1);
	EXPECT_STATE(&self->ctx, 0);
}

TEST_F(hang, a_corrupt_completion_on_a_busy_device)
{
	struct drm_npu_job job[8];
	struct drm_npu_sync sync;
	struct ctx busy;
	int64_t start;
	int i;

	ASSERT_EQ(ctx_init(&busy, self->fd), 0);
	/* On a fast machine, the longest job takes less than a second. */
	job[0] = work_job_for(&busy, 500);
	for (i = 1; i < ARRAY_SIZE(job); i++)
		job[i] = job[0];
	sync = sync_signal(busy.syncobj, 0);
	ASSERT_EQ(submit(self->fd, busy.queue, job, ARRAY_SIZE(job), &sync, 1), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/corrupt", "1"), 0);
	start = now_ns();
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, nop_job(&self->ctx), self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ETIME);
	/* It did not wait until the device was idle. */
	if (now_ns() - start < 3 * SECOND)
		EXPECT_NE(syncobj_wait(self->fd, busy.syncobj, 0), 0);
	EXPECT_EQ(job_result(self->fd, busy.syncobj), 1);
}

TEST_F(hang, corrupt_completions_one_after_another)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct ctx ctx;

		ASSERT_EQ(ctx_init_full(&ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, 50), 0);
		ASSERT_EQ(emu_write(&self->emu, "faults/corrupt", "1"), 0);
		ASSERT_EQ(submit_one(self->fd, ctx.queue, nop_job(&ctx), ctx.syncobj), 0);
		EXPECT_NE(job_result(self->fd, ctx.syncobj), -ETIMEDOUT);
	}
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(hang, a_device_that_disappears_ends_its_jobs)
{
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	sleep_ms(20);
	ASSERT_EQ(emu_write(&self->emu, "faults/disappear", "1"), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ENODEV);
}

TEST_F(hang, a_device_that_disappeared_says_enodev)
{
	struct drm_npu_perf_query perf = { .queue_id = self->ctx.queue };
	struct drm_npu_queue_get_state state;
	struct drm_npu_vm_create vm = {};
	uint32_t handle;

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/disappear", "1"), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), -ENODEV);
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), -ENODEV);
	EXPECT_EQ(vm_map(self->fd, self->ctx.vm, self->ctx.bo, 64 * MIB, PAGE), -ENODEV);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_CREATE, &vm), -ENODEV);
	EXPECT_EQ(bo_create_flags(self->fd, PAGE, 0, 0, &handle), -ENODEV);
	EXPECT_EQ(queue_create_full(self->fd, self->ctx.vm, 0, 0, &handle), -ENODEV);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_PERF_QUERY, &perf), -ENODEV);
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_TRUE(state.state & DRM_NPU_QUEUE_LOST);
	/* The memory is still there. */
	memset(self->ctx.mem, 1, CTX_SIZE);
}

TEST_F(hang, a_device_that_disappeared_idle_is_noticed)
{
	ASSERT_EQ(emu_write(&self->emu, "faults/disappear", "1"), 0);
	submit_one(self->fd, self->ctx.queue, nop_job(&self->ctx), self->ctx.syncobj);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ENODEV);
}

TEST_HARNESS_MAIN

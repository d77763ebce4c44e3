// SPDX-License-Identifier: GPL-2.0-only
/* Queues: life, state, priorities, counters. */
#include "npu_test.h"

FIXTURE(queue)
{
	int fd;
	struct ctx ctx;
};

FIXTURE_SETUP(queue)
{
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
}

FIXTURE_TEARDOWN(queue)
{
	close(self->fd);
}

TEST_F(queue, is_destroyed_once)
{
	uint32_t queue = queue_create(self->fd, self->ctx.vm);

	ASSERT_NE(queue, 0);
	EXPECT_EQ(queue_destroy(self->fd, queue), 0);
	EXPECT_EQ(queue_destroy(self->fd, queue), -ENOENT);
}

TEST_F(queue, create_refuses_an_unknown_vm)
{
	uint32_t queue;

	EXPECT_EQ(queue_create_full(self->fd, 77, 1, 0, &queue), -ENOENT);
}

TEST_F(queue, create_refuses_an_unknown_priority)
{
	uint32_t queue;

	EXPECT_EQ(queue_create_full(self->fd, self->ctx.vm, 4, 0, &queue), -EINVAL);
}

TEST_F(queue, create_refuses_flags_and_padding)
{
	struct drm_npu_queue_create flags = { .vm_id = self->ctx.vm, .flags = 2 };
	struct drm_npu_queue_create pad = { .vm_id = self->ctx.vm, .pad = 1 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_QUEUE_CREATE, &flags), -EINVAL);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_QUEUE_CREATE, &pad), -EINVAL);
}

TEST_F(queue, create_refuses_an_endless_hang_limit)
{
	uint32_t queue;

	EXPECT_EQ(queue_create_full(self->fd, self->ctx.vm, 1, DRM_NPU_HANG_TIMEOUT_MAX_MS + 1,
				    &queue), -EINVAL);
	EXPECT_EQ(queue_create_full(self->fd, self->ctx.vm, 1, DRM_NPU_HANG_TIMEOUT_MAX_MS,
				    &queue), 0);
}

TEST_F(queue, high_priorities_need_a_privilege)
{
	uint32_t queue;

	EXPECT_EQ(queue_create_full(self->fd, self->ctx.vm, DRM_NPU_PRIORITY_REALTIME, 0, &queue),
		  0);
	ASSERT_EQ(setuid(65534), 0);
	EXPECT_EQ(queue_create_full(self->fd, self->ctx.vm, DRM_NPU_PRIORITY_LOW, 0, &queue), 0);
	EXPECT_EQ(queue_create_full(self->fd, self->ctx.vm, DRM_NPU_PRIORITY_NORMAL, 0, &queue), 0);
	EXPECT_EQ(queue_create_full(self->fd, self->ctx.vm, DRM_NPU_PRIORITY_HIGH, 0, &queue),
		  -EACCES);
	EXPECT_EQ(queue_create_full(self->fd, self->ctx.vm, DRM_NPU_PRIORITY_REALTIME, 0, &queue),
		  -EACCES);
}

TEST_F(queue, destroy_refuses_padding)
{
	struct drm_npu_queue_destroy args = { .queue_id = self->ctx.queue, .pad = 1 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_QUEUE_DESTROY, &args), -EINVAL);
}

TEST_F(queue, ids_belong_to_a_file)
{
	struct drm_npu_queue_get_state state;
	int other = device_open();

	EXPECT_EQ(queue_state(other, self->ctx.queue, &state), -ENOENT);
	EXPECT_EQ(queue_destroy(other, self->ctx.queue), -ENOENT);
	close(other);
}

TEST_F(queue, state_counts_jobs)
{
	struct drm_npu_queue_get_state state;

	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.submitted, 0);
	EXPECT_EQ(state.completed, 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.submitted, 1);
	EXPECT_EQ(state.completed, 1);
	EXPECT_EQ(state.state, 0);
	EXPECT_EQ(state.fault.status, DRM_NPU_FAULT_NONE);
}

TEST_F(queue, state_refuses_an_unknown_queue)
{
	struct drm_npu_queue_get_state state;

	EXPECT_EQ(queue_state(self->fd, 77, &state), -ENOENT);
}

TEST_F(queue, state_refuses_values_in_its_results)
{
	struct drm_npu_queue_get_state args = { .queue_id = self->ctx.queue, .fault.va = 1 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_QUEUE_GET_STATE, &args), -EINVAL);
}

TEST_F(queue, destroy_cancels_jobs)
{
	uint32_t syncobj = syncobj_create(self->fd);
	int i;

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	for (i = 0; i < 100; i++)
		ASSERT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), syncobj), 0);
	ASSERT_EQ(queue_destroy(self->fd, self->ctx.queue), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ECANCELED);
	EXPECT_EQ(job_result(self->fd, syncobj), -ECANCELED);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F_TIMEOUT(queue, a_thousand_queues_share_the_slots, 600)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	uint32_t queues[1000], syncobjs[1000];
	int i;

	stream_add_nop(header);
	for (i = 0; i < 1000; i++) {
		queues[i] = queue_create(self->fd, self->ctx.vm);
		syncobjs[i] = syncobj_create(self->fd);
		ASSERT_NE(queues[i], 0);
	}
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(submit_one(self->fd, queues[i], stream_job(&self->ctx, header, 0),
				     syncobjs[i]), 0);
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(job_result(self->fd, syncobjs[i]), 1);
	for (i = 199; i >= 0; i--)
		ASSERT_EQ(submit_one(self->fd, queues[i], stream_job(&self->ctx, header, 0),
				     syncobjs[i]), 0);
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(job_result(self->fd, syncobjs[i]), 1);
}

TEST_F(queue, a_device_with_one_slot_serves_all)
{
	uint32_t syncobjs[20];
	struct ctx ctx[20];
	struct emu emu;
	int fd, i;

	ASSERT_EQ(emu_create(&emu, 1, 1), 0);
	fd = device_open_index(emu.index);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(ctx_init(&ctx[i], fd), 0);
		syncobjs[i] = ctx[i].syncobj;
		/* Longer than a slice, so that busy queues give way too. */
		ASSERT_EQ(submit_one(fd, ctx[i].queue, work_job(&ctx[i], 20), syncobjs[i]), 0);
	}
	for (i = 0; i < 20; i++)
		ASSERT_EQ(job_result(fd, syncobjs[i]), 1);
	close(fd);
	EXPECT_EQ(emu_bus_errors(&emu), 0);
	EXPECT_EQ(emu_remove(&emu), 0);
}

TEST_F(queue, realtime_queues_share_one_slot)
{
	struct ctx ctx[5];
	struct emu emu;
	int fd, i;

	ASSERT_EQ(emu_create(&emu, 1, 1), 0);
	fd = device_open_index(emu.index);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(ctx_init_full(&ctx[i], fd, i < 4 ? DRM_NPU_PRIORITY_REALTIME :
					DRM_NPU_PRIORITY_LOW, 0), 0);
	for (i = 4; i >= 0; i--)
		ASSERT_EQ(submit_one(fd, ctx[i].queue, work_job(&ctx[i], 60), ctx[i].syncobj), 0);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(job_result(fd, ctx[i].syncobj), 1);
	close(fd);
	EXPECT_EQ(emu_remove(&emu), 0);
}

TEST_F(queue, a_higher_priority_overtakes)
{
	uint64_t low_end, high_end;
	struct drm_npu_perf_query perf;
	struct ctx high, low;
	struct emu emu;
	int fd;

	/* One core, so that there is somebody to overtake. */
	ASSERT_EQ(emu_create(&emu, 1, 8), 0);
	fd = device_open_index(emu.index);
	ASSERT_EQ(ctx_init_full(&low, fd, DRM_NPU_PRIORITY_LOW, 0), 0);
	ASSERT_EQ(ctx_init_full(&high, fd, DRM_NPU_PRIORITY_REALTIME, 0), 0);
	ASSERT_EQ(submit_one(fd, low.queue, work_job_for(&low, 1000), low.syncobj), 0);
	sleep_ms(20);
	ASSERT_EQ(submit_one(fd, high.queue, work_job(&high, 5), high.syncobj), 0);
	ASSERT_EQ(job_result(fd, high.syncobj), 1);
	ASSERT_EQ(job_result(fd, low.syncobj), 1);

	/* Its first one has measured how long work takes. */
	perf = (struct drm_npu_perf_query) { .queue_id = low.queue, .job = 2 };
	ASSERT_EQ(call(fd, DRM_IOCTL_NPU_PERF_QUERY, &perf), 0);
	low_end = perf.end_ns;
	perf = (struct drm_npu_perf_query) { .queue_id = high.queue, .job = 1 };
	ASSERT_EQ(call(fd, DRM_IOCTL_NPU_PERF_QUERY, &perf), 0);
	high_end = perf.end_ns;
	EXPECT_LT(high_end, low_end);
	close(fd);
	EXPECT_EQ(emu_remove(&emu), 0);
}

TEST_F(queue, a_low_priority_does_not_starve)
{
	struct ctx low, high[3];
	struct emu emu;
	int fd, i;

	ASSERT_EQ(emu_create(&emu, 1, 8), 0);
	fd = device_open_index(emu.index);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(ctx_init_full(&high[i], fd, DRM_NPU_PRIORITY_HIGH, 0), 0);
		ASSERT_EQ(submit_one(fd, high[i].queue, work_job(&high[i], WORK_LONG),
				     high[i].syncobj), 0);
	}
	ASSERT_EQ(ctx_init_full(&low, fd, DRM_NPU_PRIORITY_LOW, 0), 0);
	ASSERT_EQ(submit_one(fd, low.queue, work_job(&low, 2), low.syncobj), 0);
	EXPECT_EQ(job_result(fd, low.syncobj), 1);
	/* It did not have to wait for the end of any of the others. */
	for (i = 0; i < 3; i++)
		EXPECT_NE(syncobj_wait(fd, high[i].syncobj, 0), 0);
	close(fd);
	EXPECT_EQ(emu_remove(&emu), 0);
}

/* Closed while the scheduler takes its jobs: each of them ends once. */
static void *close_in_the_middle(void *arg)
{
	struct drm_npu_job jobs[64] = {};
	struct ctx *ctx = arg;
	long wrong = 0;
	int i, n;

	for (i = 0; i < 30; i++) {
		uint32_t queue = queue_create(ctx->fd, ctx->vm), end = syncobj_create(ctx->fd);
		struct drm_npu_sync sync = sync_signal(end, 0);
		int result;

		for (n = 0; n < 4; n++)
			wrong += submit(ctx->fd, queue, jobs, ARRAY_SIZE(jobs), &sync, 1) != 0;
		usleep(i % 16 * 50);
		wrong += queue_destroy(ctx->fd, queue) != 0;
		result = job_result(ctx->fd, end);
		wrong += result != 1 && result != -ECANCELED;
		drmSyncobjDestroy(ctx->fd, end);
	}
	return (void *)wrong;
}

TEST_F(queue, closed_while_jobs_are_handed_out)
{
	pthread_t threads[3];
	void *wrong;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, close_in_the_middle, &self->ctx), 0);
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i], &wrong);
		EXPECT_EQ(wrong, NULL);
	}
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(queue, perf_counts_a_job)
{
	struct drm_npu_perf_query job = { .queue_id = self->ctx.queue, .job = 1 };
	struct drm_npu_perf_query total = { .queue_id = self->ctx.queue };
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);

	stream_add_copy(header, 0, 0, 0, 8192, 8192);
	ASSERT_EQ(stream_run(&self->ctx, header, 1), 1);
	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_PERF_QUERY, &job), 0);
	EXPECT_GE(job.end_ns, job.start_ns);
	EXPECT_GT(job.cycles, 0);
	EXPECT_EQ(job.macs, 0);
	EXPECT_GE(job.bytes, 2 * 8192);
	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_PERF_QUERY, &total), 0);
	EXPECT_EQ(total.cycles, job.cycles);
	EXPECT_EQ(total.bytes, job.bytes);
	EXPECT_GT(total.tiles, 0);
}

TEST_F(queue, perf_is_the_same_for_the_same_work)
{
	struct drm_npu_perf_query job[2];
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	int i;

	stream_add_work(header, 3);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(stream_run(&self->ctx, header, 1), 1);
		job[i] = (struct drm_npu_perf_query) {
			.queue_id = self->ctx.queue, .job = i + 1,
		};
		ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_PERF_QUERY, &job[i]), 0);
	}
	EXPECT_EQ(job[0].cycles, job[1].cycles);
	EXPECT_EQ(job[0].bytes, job[1].bytes);
}

TEST_F(queue, perf_refuses_bad_arguments)
{
	struct drm_npu_perf_query queue = { .queue_id = 77 };
	struct drm_npu_perf_query job = { .queue_id = self->ctx.queue, .job = 1 };
	struct drm_npu_perf_query flags = { .queue_id = self->ctx.queue, .flags = 1 };
	struct drm_npu_perf_query result = { .queue_id = self->ctx.queue, .macs = 1 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_PERF_QUERY, &queue), -ENOENT);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_PERF_QUERY, &job), -ENOENT);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_PERF_QUERY, &flags), -EINVAL);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_PERF_QUERY, &result), -EINVAL);
}

TEST_F(queue, perf_forgets_old_jobs)
{
	struct drm_npu_perf_query old = { .queue_id = self->ctx.queue, .job = 1 };
	struct drm_npu_perf_query last = { .queue_id = self->ctx.queue, .job = 200 };
	int i;

	for (i = 0; i < 200; i++)
		ASSERT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_PERF_QUERY, &old), -ENOENT);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_PERF_QUERY, &last), 0);
}

TEST_HARNESS_MAIN

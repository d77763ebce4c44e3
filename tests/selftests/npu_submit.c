// SPDX-License-Identifier: GPL-2.0-only
/* SUBMIT: jobs, syncobjs, timelines, dependencies. */
#include "npu_test.h"

FIXTURE(submit)
{
	int fd;
	struct ctx ctx;
};

FIXTURE_SETUP(submit)
{
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
}

FIXTURE_TEARDOWN(submit)
{
	close(self->fd);
}

static int submit_job(struct ctx *ctx, struct drm_npu_job job)
{
	return submit_one(ctx->fd, ctx->queue, job, ctx->syncobj);
}

static int submit_sync(struct ctx *ctx, struct drm_npu_sync sync)
{
	struct drm_npu_job job = empty_job();

	return submit(ctx->fd, ctx->queue, &job, 1, &sync, 1);
}

TEST_F(submit, an_empty_job_completes)
{
	ASSERT_EQ(submit_job(&self->ctx, empty_job()), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
}

TEST_F(submit, a_nop_completes)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);

	stream_add_nop(header);
	EXPECT_EQ(stream_run(&self->ctx, header, 0), 1);
}

TEST_F(submit, a_job_computes)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	int8_t *data = ctx_data(&self->ctx);
	int i;

	for (i = 0; i < 5000; i++) {
		data[i] = i * 3;
		data[8192 + i] = 100 - i;
	}
	stream_add_max(header, 0, 8192, 16384, 5000);
	ASSERT_EQ(stream_run(&self->ctx, header, 1), 1);
	for (i = 0; i < 5000; i++)
		ASSERT_EQ(data[16384 + i], data[i] > data[8192 + i] ? data[i] : data[8192 + i]);
}

TEST_F(submit, commands_of_a_job_run_in_order)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	int8_t *data = ctx_data(&self->ctx);
	int i;

	data[0] = 42;
	for (i = 0; i < 200; i++)
		stream_add_copy(header, 0, i * 64, 0, (i + 1) * 64, 1);
	ASSERT_EQ(stream_run(&self->ctx, header, 1), 1);
	EXPECT_EQ(data[200 * 64], 42);
}

TEST_F(submit, one_stream_serves_many_bases)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	struct npu_base *bases = ctx_bases(&self->ctx);
	int8_t *data = ctx_data(&self->ctx);
	struct drm_npu_job jobs[8];
	struct drm_npu_sync sync = sync_signal(self->ctx.syncobj, 0);
	int i;

	stream_add_copy(header, 0, 0, 1, 0, 16);
	for (i = 0; i < 8; i++) {
		bases[2 * i] = (struct npu_base) {
			.va = CTX_VA + CTX_DATA + i * 64, .size = 16,
		};
		bases[2 * i + 1] = (struct npu_base) {
			.va = CTX_VA + CTX_DATA + 4096 + i * 64, .size = 16,
			.flags = NPU_BASE_WRITE,
		};
		data[i * 64] = i + 1;
		jobs[i] = stream_job(&self->ctx, header, 2);
		jobs[i].bases_va += 2 * i * sizeof(*bases);
	}
	ASSERT_EQ(submit(self->fd, self->ctx.queue, jobs, 8, &sync, 1), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(data[4096 + i * 64], i + 1);
}

TEST_F(submit, timestamps_rise)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	struct npu_timestamp *t = (void *)ctx_data(&self->ctx);
	int i;

	for (i = 0; i < 10; i++) {
		stream_add_timestamp(header, 0, i * sizeof(*t));
		stream_add_copy(header, 0, 4096, 0, 8192, 1024);
	}
	ASSERT_EQ(stream_run(&self->ctx, header, 1), 1);
	for (i = 1; i < 10; i++) {
		EXPECT_GE(t[i].time, t[i - 1].time);
		EXPECT_GT(t[i].cycles, t[i - 1].cycles);
		EXPECT_GE(t[i].bytes, t[i - 1].bytes + 2048);
	}
}

TEST_F(submit, the_most_jobs_in_one_call)
{
	struct drm_npu_job jobs[DRM_NPU_SUBMIT_MAX] = {};
	struct drm_npu_sync sync = sync_signal(self->ctx.syncobj, 0);
	struct drm_npu_queue_get_state state;

	ASSERT_EQ(submit(self->fd, self->ctx.queue, jobs, DRM_NPU_SUBMIT_MAX, &sync, 1), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.completed, DRM_NPU_SUBMIT_MAX);
}

TEST_F(submit, many_times_the_ring)
{
	struct drm_npu_queue_get_state state;
	int i;

	for (i = 0; i < 2000; i++)
		ASSERT_EQ(submit_job(&self->ctx, empty_job()), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.completed, 2000);
}

TEST_F(submit, a_job_waits_for_another_queue)
{
	struct npu_stream_header *header;
	uint32_t second = queue_create(self->fd, self->ctx.vm), done = syncobj_create(self->fd);
	struct drm_npu_sync syncs[2] = { sync_wait(self->ctx.syncobj, 0), sync_signal(done, 0) };
	struct drm_npu_job job = work_job(&self->ctx, 50);
	int8_t *data = ctx_data(&self->ctx);

	/* The first queue works for a while and then sets byte 0x30000. */
	header = (void *)self->ctx.mem;
	data[0x30001] = 7;
	stream_add_copy(header, 0, 0x30001, 0, 0x30000, 1);
	job = stream_job(&self->ctx, header, 1);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	header = stream_begin(&self->ctx, 0x20000);
	stream_add_copy(header, 0, 0x30000, 0, 0x30002, 1);
	job = stream_job(&self->ctx, header, 1);
	ASSERT_EQ(submit(self->fd, second, &job, 1, syncs, 2), 0);
	ASSERT_EQ(job_result(self->fd, done), 1);
	EXPECT_EQ(data[0x30002], 7);
}

TEST_F(submit, a_job_waits_for_its_own_queue)
{
	struct drm_npu_sync syncs[2] = {
		sync_wait(self->ctx.syncobj, 0), sync_signal(self->ctx.syncobj, 0),
	};
	struct drm_npu_job job = empty_job();
	int i;

	ASSERT_EQ(submit_job(&self->ctx, empty_job()), 0);
	for (i = 0; i < 200; i++)
		ASSERT_EQ(submit(self->fd, self->ctx.queue, &job, 1, syncs, 2), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
}

TEST_F(submit, timeline_points_signal_in_order)
{
	uint32_t timeline = syncobj_create(self->fd);
	uint64_t points[3] = { 1, 5, 9 }, value;
	uint32_t handles[3] = { timeline, timeline, timeline };
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(submit_sync(&self->ctx, sync_signal(timeline, points[i])), 0);
	ASSERT_EQ(drmSyncobjTimelineWait(self->fd, handles, points, 3, now_ns() + LONG,
					 DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL, NULL), 0);
	ASSERT_EQ(drmSyncobjQuery(self->fd, &timeline, &value, 1), 0);
	EXPECT_EQ(value, 9);
}

TEST_F(submit, a_timeline_point_is_waited_for)
{
	uint32_t timeline = syncobj_create(self->fd), second = queue_create(self->fd, self->ctx.vm);
	struct drm_npu_sync syncs[2] = { sync_wait(timeline, 3), sync_signal(timeline, 4) };
	struct drm_npu_job job = empty_job();
	uint64_t point = 4, value;

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, 20),
			     self->ctx.syncobj), 0);
	ASSERT_EQ(submit_sync(&self->ctx, sync_signal(timeline, 3)), 0);
	ASSERT_EQ(submit(self->fd, second, &job, 1, syncs, 2), 0);
	ASSERT_EQ(drmSyncobjTimelineWait(self->fd, &timeline, &point, 1, now_ns() + LONG, 0, NULL),
		  0);
	EXPECT_EQ(syncobj_wait(self->fd, self->ctx.syncobj, 0), 0);
	ASSERT_EQ(drmSyncobjQuery(self->fd, &timeline, &value, 1), 0);
	EXPECT_EQ(value, 4);
}

TEST_F(submit, a_sync_file_is_waited_for)
{
	uint32_t second = queue_create(self->fd, self->ctx.vm), imported = syncobj_create(self->fd);
	uint32_t done = syncobj_create(self->fd);
	struct drm_npu_sync syncs[2] = { sync_wait(imported, 0), sync_signal(done, 0) };
	struct drm_npu_job job = empty_job();
	int sync_file;

	ASSERT_EQ(submit_job(&self->ctx, work_job(&self->ctx, 20)), 0);
	sync_file = syncobj_export(self->fd, self->ctx.syncobj);
	ASSERT_GE(sync_file, 0);
	ASSERT_EQ(drmSyncobjImportSyncFile(self->fd, imported, sync_file), 0);
	ASSERT_EQ(submit(self->fd, second, &job, 1, syncs, 2), 0);
	ASSERT_EQ(job_result(self->fd, done), 1);
	EXPECT_EQ(sync_file_status(sync_file), 1);
	close(sync_file);
}

TEST_F(submit, a_sync_file_can_be_polled)
{
	int sync_file;

	ASSERT_EQ(submit_job(&self->ctx, work_job(&self->ctx, 20)), 0);
	sync_file = syncobj_export(self->fd, self->ctx.syncobj);
	EXPECT_EQ(sync_file_wait(sync_file, 60000), 0);
	EXPECT_EQ(sync_file_status(sync_file), 1);
	close(sync_file);
}

TEST_F(submit, a_sync_file_names_its_timeline)
{
	struct sync_fence_info fence = {};
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = (uintptr_t)&fence };
	int sync_file;

	ASSERT_EQ(submit_job(&self->ctx, work_job(&self->ctx, 20)), 0);
	sync_file = syncobj_export(self->fd, self->ctx.syncobj);
	ASSERT_EQ(ioctl(sync_file, SYNC_IOC_FILE_INFO, &info), 0);
	EXPECT_STREQ(fence.driver_name, "npu");
	EXPECT_EQ(strncmp(fence.obj_name, "npu0-queue", 10), 0);
	close(sync_file);
}

TEST_F(submit, a_failed_fence_does_not_stop_who_waits_for_it)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	uint32_t second = queue_create(self->fd, self->ctx.vm), done = syncobj_create(self->fd);
	struct drm_npu_sync syncs[2] = { sync_wait(self->ctx.syncobj, 0), sync_signal(done, 0) };
	struct drm_npu_job job = empty_job();

	header->magic = 0;
	ASSERT_EQ(submit_job(&self->ctx, stream_job(&self->ctx, header, 0)), 0);
	ASSERT_EQ(submit(self->fd, second, &job, 1, syncs, 2), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EINVAL);
	EXPECT_EQ(job_result(self->fd, done), 1);
}

TEST_F(submit, implicit_fences_travel_through_dma_bufs)
{
	struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_RW };
	uint32_t bo = bo_create(self->fd, PAGE);
	int dma_buf, before;

	ASSERT_EQ(drmPrimeHandleToFD(self->fd, bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, bo, 64 * MIB, PAGE), 0);
	ASSERT_EQ(submit_job(&self->ctx, work_job(&self->ctx, 20)), 0);
	/* Explicit synchronisation: jobs do not show as implicit fences ... */
	ASSERT_EQ(ioctl(dma_buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export), 0);
	before = export.fd;
	EXPECT_EQ(sync_file_status(before), 1);
	close(before);
	/* ... unless user space says so. */
	{
		struct dma_buf_import_sync_file import = {
			.flags = DMA_BUF_SYNC_WRITE,
			.fd = syncobj_export(self->fd, self->ctx.syncobj),
		};

		ASSERT_EQ(ioctl(dma_buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import), 0);
		close(import.fd);
	}
	ASSERT_EQ(ioctl(dma_buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_EQ(sync_file_wait(export.fd, 60000), 0);
	close(export.fd);
	close(dma_buf);
}

/* ---- Negative ---------------------------------------------------------------- */

TEST_F(submit, refuses_an_unknown_queue)
{
	struct drm_npu_job job = empty_job();

	EXPECT_EQ(submit(self->fd, 77, &job, 1, NULL, 0), -ENOENT);
}

TEST_F(submit, refuses_no_jobs)
{
	EXPECT_EQ(submit(self->fd, self->ctx.queue, NULL, 0, NULL, 0), -EINVAL);
}

TEST_F(submit, refuses_too_many_jobs)
{
	struct drm_npu_job jobs[DRM_NPU_SUBMIT_MAX + 1] = {};

	EXPECT_EQ(submit(self->fd, self->ctx.queue, jobs, DRM_NPU_SUBMIT_MAX + 1, NULL, 0),
		  -E2BIG);
}

TEST_F(submit, refuses_too_many_syncs)
{
	struct drm_npu_sync syncs[DRM_NPU_SYNCS_MAX + 1];
	struct drm_npu_job job = empty_job();
	int i;

	for (i = 0; i <= DRM_NPU_SYNCS_MAX; i++)
		syncs[i] = sync_signal(self->ctx.syncobj, 0);
	EXPECT_EQ(submit(self->fd, self->ctx.queue, &job, 1, syncs, DRM_NPU_SYNCS_MAX + 1), -E2BIG);
	EXPECT_EQ(submit(self->fd, self->ctx.queue, &job, 1, syncs, DRM_NPU_SYNCS_MAX), 0);
}

TEST_F(submit, refuses_unknown_flags)
{
	struct drm_npu_submit args = { .queue_id = self->ctx.queue, .flags = 1 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_SUBMIT, &args), -EINVAL);
}

TEST_F(submit, refuses_bad_pointers)
{
	struct drm_npu_job job = empty_job();

	EXPECT_EQ(submit(self->fd, self->ctx.queue, (void *)8, 1, NULL, 0), -EFAULT);
	EXPECT_EQ(submit(self->fd, self->ctx.queue, &job, 1, (void *)8, 1), -EFAULT);
}

TEST_F(submit, refuses_unaligned_pointers)
{
	struct drm_npu_job jobs[2] = {};

	EXPECT_EQ(submit(self->fd, self->ctx.queue, (void *)((char *)jobs + 4), 1, NULL, 0),
		  -EINVAL);
}

TEST_F(submit, refuses_small_strides)
{
	struct drm_npu_job job = empty_job();
	struct drm_npu_submit args = {
		.queue_id = self->ctx.queue,
		.jobs = { .stride = 8, .count = 1, .ptr = (uintptr_t)&job },
	};

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_SUBMIT, &args), -EINVAL);
}

TEST_F(submit, refuses_huge_strides)
{
	struct drm_npu_job job = empty_job();
	struct drm_npu_submit args = {
		.queue_id = self->ctx.queue,
		.jobs = { .stride = 1u << 31, .count = 1, .ptr = (uintptr_t)&job },
	};

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_SUBMIT, &args), -EINVAL);
}

TEST_F(submit, refuses_unknown_job_fields)
{
	struct drm_npu_job job = empty_job();

	job.flags = 1;
	EXPECT_EQ(submit_job(&self->ctx, job), -EINVAL);
	job = empty_job();
	job.pad = 1;
	EXPECT_EQ(submit_job(&self->ctx, job), -EINVAL);
}

TEST_F(submit, refuses_unaligned_streams)
{
	struct drm_npu_job job = { .stream_va = CTX_VA + 4, .stream_size = 64 };

	EXPECT_EQ(submit_job(&self->ctx, job), -EINVAL);
	job = (struct drm_npu_job) { .stream_va = CTX_VA, .stream_size = 60 };
	EXPECT_EQ(submit_job(&self->ctx, job), -EINVAL);
}

TEST_F(submit, refuses_huge_streams)
{
	struct drm_npu_job job = {
		.stream_va = CTX_VA, .stream_size = NPU_ISA_MAX_STREAM_SIZE + 8,
	};

	EXPECT_EQ(submit_job(&self->ctx, job), -EINVAL);
}

TEST_F(submit, refuses_an_address_without_size)
{
	struct drm_npu_job job = { .stream_va = CTX_VA };

	EXPECT_EQ(submit_job(&self->ctx, job), -EINVAL);
	job = (struct drm_npu_job) { .bases_va = CTX_VA };
	EXPECT_EQ(submit_job(&self->ctx, job), -EINVAL);
}

TEST_F(submit, refuses_too_many_bases)
{
	struct drm_npu_job job = { .bases_va = CTX_VA, .bases = NPU_ISA_MAX_BASES + 1 };

	EXPECT_EQ(submit_job(&self->ctx, job), -EINVAL);
}

TEST_F(submit, refuses_unaligned_bases)
{
	struct drm_npu_job job = { .bases_va = CTX_VA + 1, .bases = 1 };

	EXPECT_EQ(submit_job(&self->ctx, job), -EINVAL);
}

TEST_F(submit, refuses_unknown_syncobjs)
{
	EXPECT_EQ(submit_sync(&self->ctx, sync_wait(77, 0)), -ENOENT);
	EXPECT_EQ(submit_sync(&self->ctx, sync_signal(77, 0)), -ENOENT);
}

TEST_F(submit, refuses_a_wait_without_fence)
{
	uint32_t fresh = syncobj_create(self->fd);

	EXPECT_EQ(submit_sync(&self->ctx, sync_wait(fresh, 0)), -EINVAL);
	EXPECT_EQ(submit_sync(&self->ctx, sync_wait(fresh, 5)), -EINVAL);
	ASSERT_EQ(submit_sync(&self->ctx, sync_signal(fresh, 5)), 0);
	EXPECT_EQ(submit_sync(&self->ctx, sync_wait(fresh, 6)), -EINVAL);
	EXPECT_EQ(submit_sync(&self->ctx, sync_wait(fresh, 5)), 0);
}

TEST_F(submit, refuses_an_unknown_sync_type)
{
	struct drm_npu_sync sync = sync_signal(self->ctx.syncobj, 0);

	sync.type = 9;
	EXPECT_EQ(submit_sync(&self->ctx, sync), -EINVAL);
}

TEST_F(submit, refuses_unknown_sync_fields)
{
	struct drm_npu_sync sync = sync_signal(self->ctx.syncobj, 0);

	sync.flags |= 2;
	EXPECT_EQ(submit_sync(&self->ctx, sync), -EINVAL);
	sync = sync_signal(self->ctx.syncobj, 0);
	sync.pad = 1;
	EXPECT_EQ(submit_sync(&self->ctx, sync), -EINVAL);
}

TEST_F(submit, refuses_points_that_do_not_fit_the_type)
{
	struct drm_npu_sync sync = sync_signal(self->ctx.syncobj, 0);

	sync.point = 1;
	EXPECT_EQ(submit_sync(&self->ctx, sync), -EINVAL);
	sync.type = DRM_NPU_SYNC_TIMELINE;
	sync.point = 0;
	EXPECT_EQ(submit_sync(&self->ctx, sync), -EINVAL);
}

TEST_F(submit, an_error_changes_nothing)
{
	struct drm_npu_sync syncs[2] = { sync_signal(self->ctx.syncobj, 0), sync_wait(77, 0) };
	struct drm_npu_queue_get_state state;
	struct drm_npu_job jobs[2] = {};
	int sync_file;

	EXPECT_EQ(submit(self->fd, self->ctx.queue, jobs, 2, syncs, 2), -ENOENT);
	jobs[1].flags = 1;
	EXPECT_EQ(submit(self->fd, self->ctx.queue, jobs, 2, syncs, 1), -EINVAL);
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.submitted, 0);
	/* No fence has appeared in the syncobj. */
	EXPECT_NE(drmSyncobjExportSyncFile(self->fd, self->ctx.syncobj, &sync_file), 0);
}

static void on_signal(int signal)
{
}

TEST_F(submit, signals_do_not_disturb)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct drm_npu_queue_get_state state;
	pid_t child;
	int i;

	sigaction(SIGUSR1, &action, NULL);
	child = fork();
	if (!child) {
		for (;;) {
			kill(getppid(), SIGUSR1);
			usleep(200);
		}
	}
	for (i = 0; i < 500; i++)
		ASSERT_EQ(submit_job(&self->ctx, empty_job()), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.submitted, 500);
	EXPECT_EQ(state.completed, 500);
}

static void *submit_many(void *arg)
{
	struct ctx *ctx = arg;
	uint32_t syncobj = syncobj_create(ctx->fd);
	long bad = 0;
	int i;

	for (i = 0; i < 300; i++)
		bad += !!submit_one(ctx->fd, ctx->queue, empty_job(), syncobj);
	bad += job_result(ctx->fd, syncobj) != 1;
	return (void *)bad;
}

TEST_F(submit, many_threads_share_a_queue)
{
	struct drm_npu_queue_get_state state;
	pthread_t threads[4];
	void *bad;
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, submit_many, &self->ctx), 0);
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &bad);
		EXPECT_EQ(bad, NULL);
	}
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.completed, 1200);
}

static void *submit_parallel(void *arg)
{
	struct npu_stream_header *header;
	long bad = 0;
	struct ctx ctx;
	int i;

	if (ctx_init(&ctx, *(int *)arg))
		return (void *)1;
	header = stream_begin(&ctx, 0);
	stream_add_copy(header, 0, 0, 0, 4096, 4096);
	for (i = 0; i < 50; i++) {
		memset(ctx_data(&ctx), i + 1, 4096);
		bad += stream_run(&ctx, header, 1) != 1;
		bad += ctx_data(&ctx)[8191] != i + 1;
	}
	return (void *)bad;
}

TEST_F(submit, many_queues_work_in_parallel)
{
	pthread_t threads[8];
	void *bad;
	int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, submit_parallel, &self->fd), 0);
	for (i = 0; i < 8; i++) {
		pthread_join(threads[i], &bad);
		EXPECT_EQ(bad, NULL);
	}
}

TEST_HARNESS_MAIN

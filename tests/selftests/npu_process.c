// SPDX-License-Identifier: GPL-2.0-only
/* Many processes: isolation, fork, kill -9, passing of file descriptors. */
#include "npu_test.h"

FIXTURE(process)
{
	int fd;
};

FIXTURE_SETUP(process)
{
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(process)
{
	EXPECT_TRUE(device_works(self->fd));
	close(self->fd);
}

static bool child_ok(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

TEST_F(process, many_processes_compute)
{
	pid_t children[8];
	int i, n;

	for (i = 0; i < 8; i++) {
		children[i] = fork();
		if (!children[i]) {
			int fd = device_open();

			for (n = 0; n < 20; n++)
				if (!device_works(fd))
					_exit(1);
			_exit(0);
		}
	}
	for (i = 0; i < 8; i++)
		EXPECT_TRUE(child_ok(children[i]));
}

TEST_F(process, killed_in_the_middle_of_jobs)
{
	int i, pipefd[2];
	char byte;
	pid_t pid;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(pipe(pipefd), 0);
		pid = fork();
		if (!pid) {
			int fd = device_open();
			struct ctx ctx;
			int n;

			if (ctx_init(&ctx, fd))
				_exit(1);
			submit_one(fd, ctx.queue, work_job(&ctx, WORK_LONG), ctx.syncobj);
			for (n = 0; n < 100; n++)
				submit_one(fd, ctx.queue, empty_job(), ctx.syncobj);
			n = write(pipefd[1], "x", 1);
			job_result(fd, ctx.syncobj);
			_exit(0);
		}
		ASSERT_EQ(read(pipefd[0], &byte, 1), 1);
		usleep(i * 500);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(pipefd[0]);
		close(pipefd[1]);
	}
}

TEST_F(process, a_crowd_is_killed_at_once)
{
	pid_t pids[10];
	int i, n;

	for (i = 0; i < 10; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			int fd = device_open();
			struct ctx ctx;

			if (ctx_init(&ctx, fd))
				_exit(1);
			for (;;)
				submit_one(fd, ctx.queue, work_job(&ctx, 3), ctx.syncobj);
		}
	}
	sleep_ms(300);
	for (i = 0; i < 10; i++)
		kill(pids[i], SIGKILL);
	for (i = 0; i < 10; i++)
		waitpid(pids[i], &n, 0);
}

TEST_F(process, a_forked_child_shares_the_file)
{
	struct ctx ctx;
	pid_t pid;

	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	pid = fork();
	if (!pid)
		_exit(submit_one(self->fd, ctx.queue, empty_job(), ctx.syncobj) ||
		      job_result(self->fd, ctx.syncobj) != 1);
	EXPECT_TRUE(child_ok(pid));
	/* The child's close does not end the parent's jobs. */
	EXPECT_EQ(submit_one(self->fd, ctx.queue, empty_job(), ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, ctx.syncobj), 1);
}

TEST_F(process, a_childs_close_does_not_cancel_the_parent)
{
	struct ctx ctx;
	pid_t pid;

	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	ASSERT_EQ(submit_one(self->fd, ctx.queue, work_job(&ctx, 50), ctx.syncobj), 0);
	pid = fork();
	if (!pid) {
		close(self->fd);
		_exit(0);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(job_result(self->fd, ctx.syncobj), 1);
}

TEST_F(process, a_buffer_is_passed_to_another_process)
{
	uint32_t bo = bo_create(self->fd, PAGE);
	char *p = bo_map(self->fd, bo, PAGE);
	int sockets[2], dma_buf;
	char kind;
	pid_t pid;

	strcpy(p, "from the parent");
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	pid = fork();
	if (!pid) {
		int fd = device_open(), buffer = receive_fd(sockets[1], &kind, 0);
		struct npu_stream_header *header;
		struct ctx ctx;
		uint32_t handle;

		if (ctx_init(&ctx, fd) || drmPrimeFDToHandle(fd, buffer, &handle) ||
		    vm_map(fd, ctx.vm, handle, 64 * MIB, PAGE))
			_exit(1);
		ctx_bases(&ctx)[1] = (struct npu_base) {
			.va = 64 * MIB, .size = PAGE, .flags = NPU_BASE_WRITE,
		};
		header = stream_begin(&ctx, 0);
		stream_add_copy(header, 1, 5, 1, 100, 11);
		_exit(stream_run(&ctx, header, 2) != 1);
	}
	ASSERT_EQ(drmPrimeHandleToFD(self->fd, bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	ASSERT_EQ(send_fd(sockets[0], dma_buf, 0, 0), 0);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_STREQ(p + 100, "the parent");
	close(dma_buf);
}

TEST_F(process, a_fence_is_passed_to_another_process)
{
	int sockets[2], sync_file;
	char kind;
	struct ctx ctx;
	pid_t pid;

	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	pid = fork();
	if (!pid) {
		int fd = device_open(), fence = receive_fd(sockets[1], &kind, 0);
		struct drm_npu_sync syncs[2];
		struct drm_npu_job job = empty_job();
		struct ctx mine;
		uint32_t imported = syncobj_create(fd);

		if (ctx_init(&mine, fd) || drmSyncobjImportSyncFile(fd, imported, fence))
			_exit(1);
		syncs[0] = sync_wait(imported, 0);
		syncs[1] = sync_signal(mine.syncobj, 0);
		if (submit(fd, mine.queue, &job, 1, syncs, 2))
			_exit(2);
		if (job_result(fd, mine.syncobj) != 1)
			_exit(3);
		_exit(sync_file_status(fence) != 1);
	}
	ASSERT_EQ(submit_one(self->fd, ctx.queue, work_job(&ctx, 50), ctx.syncobj), 0);
	sync_file = syncobj_export(self->fd, ctx.syncobj);
	ASSERT_EQ(send_fd(sockets[0], sync_file, 0, 0), 0);
	EXPECT_TRUE(child_ok(pid));
	close(sync_file);
}

TEST_F(process, a_sync_file_outlives_its_process)
{
	struct sync_fence_info fence = {};
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = (uintptr_t)&fence };
	int sockets[2], sync_file;
	char kind;
	pid_t pid;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	pid = fork();
	if (!pid) {
		int fd = device_open();
		struct ctx ctx;

		if (ctx_init(&ctx, fd))
			_exit(1);
		submit_one(fd, ctx.queue, work_job(&ctx, WORK_LONG), ctx.syncobj);
		send_fd(sockets[1], syncobj_export(fd, ctx.syncobj), 0, 0);
		_exit(0);
	}
	sync_file = receive_fd(sockets[0], &kind, 0);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(sync_file_wait(sync_file, 60000), 0);
	EXPECT_EQ(sync_file_status(sync_file), -ECANCELED);
	/* The queue is long gone; the name is still there. */
	sleep_ms(100);
	EXPECT_EQ(ioctl(sync_file, SYNC_IOC_FILE_INFO, &info), 0);
	EXPECT_TRUE(fence_names_us(&fence));
	close(sync_file);
}

TEST_F(process, a_sync_file_outlives_its_queue)
{
	struct sync_fence_info fence = {};
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = (uintptr_t)&fence };
	struct ctx ctx;
	int sync_file;

	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	ASSERT_EQ(submit_one(self->fd, ctx.queue, empty_job(), ctx.syncobj), 0);
	sync_file = syncobj_export(self->fd, ctx.syncobj);
	ASSERT_EQ(job_result(self->fd, ctx.syncobj), 1);
	ASSERT_EQ(queue_destroy(self->fd, ctx.queue), 0);
	ASSERT_EQ(vm_destroy(self->fd, ctx.vm), 0);
	sleep_ms(100);
	ASSERT_EQ(ioctl(sync_file, SYNC_IOC_FILE_INFO, &info), 0);
	EXPECT_TRUE(fence_names_us(&fence));
	EXPECT_EQ(sync_file_status(sync_file), 1);
	close(sync_file);
}

static void *open_and_close(void *arg)
{
	int i;

	for (i = 0; i < 30; i++) {
		int fd = device_open();
		struct ctx ctx;

		if (ctx_init(&ctx, fd))
			return (void *)1;
		submit_one(fd, ctx.queue, work_job(&ctx, 2), ctx.syncobj);
		munmap(ctx.mem, CTX_SIZE);
		close(fd);
	}
	return NULL;
}

TEST_F(process, opening_and_closing_in_many_threads)
{
	pthread_t threads[6];
	void *bad;
	int i;

	for (i = 0; i < 6; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, open_and_close, NULL), 0);
	for (i = 0; i < 6; i++) {
		pthread_join(threads[i], &bad);
		EXPECT_EQ(bad, NULL);
	}
}

TEST_HARNESS_MAIN

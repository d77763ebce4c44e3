// SPDX-License-Identifier: GPL-2.0-only
/* Removal of a device at any moment, and the configuration of emulated ones. */
#include "npu_test.h"

FIXTURE(unplug)
{
	struct emu emu;
	int fd;
	struct ctx ctx;
};

FIXTURE_SETUP(unplug)
{
	ASSERT_EQ(emu_create(&self->emu, 2, 8), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
}

FIXTURE_TEARDOWN(unplug)
{
	int fd = device_open();

	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
	/* The other device has felt nothing. */
	EXPECT_TRUE(device_works(fd));
	close(fd);
}

TEST_F(unplug, idle)
{
	char path[64];

	EXPECT_EQ(emu_bus_errors(&self->emu), 0);
	EXPECT_EQ(emu_unplug(&self->emu), 0);
	snprintf(path, sizeof(path), "/dev/accel/accel%d", self->emu.index);
	EXPECT_EQ(open(path, O_RDWR), -1);
}

TEST_F(unplug, every_ioctl_says_enodev)
{
	static const unsigned long requests[] = {
		DRM_IOCTL_NPU_DEV_QUERY, DRM_IOCTL_NPU_BO_CREATE, DRM_IOCTL_NPU_BO_MMAP_OFFSET,
		DRM_IOCTL_NPU_BO_INFO, DRM_IOCTL_NPU_BO_LABEL, DRM_IOCTL_NPU_BO_SYNC,
		DRM_IOCTL_NPU_BO_MADVISE, DRM_IOCTL_NPU_VM_CREATE, DRM_IOCTL_NPU_VM_DESTROY,
		DRM_IOCTL_NPU_VM_GET_STATE, DRM_IOCTL_NPU_VM_BIND, DRM_IOCTL_NPU_QUEUE_CREATE,
		DRM_IOCTL_NPU_QUEUE_DESTROY, DRM_IOCTL_NPU_QUEUE_GET_STATE, DRM_IOCTL_NPU_SUBMIT,
		DRM_IOCTL_NPU_PERF_QUERY,
	};
	char args[256];
	size_t i;

	ASSERT_EQ(emu_unplug(&self->emu), 0);
	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		memset(args, 0, sizeof(args));
		EXPECT_EQ(call(self->fd, requests[i], args), -ENODEV);
	}
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), -ENODEV);
}

TEST_F(unplug, running_jobs_end_with_enodev)
{
	int sync_file;

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	sync_file = syncobj_export(self->fd, self->ctx.syncobj);
	sleep_ms(20);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_EQ(sync_file_wait(sync_file, 60000), 0);
	EXPECT_EQ(sync_file_status(sync_file), -ENODEV);
	close(sync_file);
}

TEST_F(unplug, waiting_jobs_end_too)
{
	int first, last, i;

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	first = syncobj_export(self->fd, self->ctx.syncobj);
	for (i = 0; i < 300; i++)
		ASSERT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), 0);
	last = syncobj_export(self->fd, self->ctx.syncobj);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_EQ(sync_file_wait(first, 60000), 0);
	EXPECT_EQ(sync_file_wait(last, 60000), 0);
	EXPECT_EQ(sync_file_status(first), -ENODEV);
	EXPECT_EQ(sync_file_status(last), -ENODEV);
	close(first);
	close(last);
}

TEST_F(unplug, a_hung_job_does_not_hold_it_up)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	int sync_file;

	stream_add_nop(header);
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, stream_job(&self->ctx, header, 0),
			     self->ctx.syncobj), 0);
	sync_file = syncobj_export(self->fd, self->ctx.syncobj);
	sleep_ms(20);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_EQ(sync_file_wait(sync_file, 60000), 0);
	EXPECT_EQ(sync_file_status(sync_file), -ENODEV);
	close(sync_file);
}

TEST_F(unplug, mappings_stay)
{
	memset(self->ctx.mem, 0x11, CTX_SIZE);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_EQ(self->ctx.mem[CTX_SIZE - 1], 0x11);
	memset(self->ctx.mem, 0x22, CTX_SIZE);
	EXPECT_EQ(self->ctx.mem[0], 0x22);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(self->ctx.mem[0], 0x22);
}

TEST_F(unplug, exported_buffers_stay)
{
	int dma_buf, other = device_open();
	uint32_t imported;
	uint8_t *p;

	self->ctx.mem[0] = 77;
	ASSERT_EQ(drmPrimeHandleToFD(self->fd, self->ctx.bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(other, dma_buf, &imported), 0);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	close(self->fd);
	self->fd = -1;
	p = mmap(NULL, CTX_SIZE, PROT_READ, MAP_SHARED, dma_buf, 0);
	ASSERT_NE(p, MAP_FAILED);
	EXPECT_EQ(p[0], 77);
	close(dma_buf);
	close(other);
}

TEST_F(unplug, imported_buffers_are_let_go)
{
	int dma_buf, other = device_open();
	uint32_t bo = bo_create(other, PAGE), imported;

	ASSERT_EQ(drmPrimeHandleToFD(other, bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(self->fd, dma_buf, &imported), 0);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, imported, 64 * MIB, PAGE), 0);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	close(dma_buf);
	close(other);
}

TEST_F(unplug, sync_files_outlive_the_device)
{
	struct sync_fence_info fence = {};
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = (uintptr_t)&fence };
	int sync_file;

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	sync_file = syncobj_export(self->fd, self->ctx.syncobj);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	close(self->fd);
	self->fd = -1;
	sleep_ms(100);
	ASSERT_EQ(ioctl(sync_file, SYNC_IOC_FILE_INFO, &info), 0);
	EXPECT_TRUE(fence_names_us(&fence));
	EXPECT_EQ(fence.status, -ENODEV);
	close(sync_file);
}

TEST_F(unplug, a_job_of_another_device_waits_for_one_that_went)
{
	int other = device_open(), sync_file;
	uint32_t imported = syncobj_create(other);
	struct drm_npu_job job = empty_job();
	struct drm_npu_sync syncs[2];
	struct ctx ctx;

	ASSERT_EQ(ctx_init(&ctx, other), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	sync_file = syncobj_export(self->fd, self->ctx.syncobj);
	ASSERT_EQ(drmSyncobjImportSyncFile(other, imported, sync_file), 0);
	syncs[0] = sync_wait(imported, 0);
	syncs[1] = sync_signal(ctx.syncobj, 0);
	ASSERT_EQ(submit(other, ctx.queue, &job, 1, syncs, 2), 0);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_EQ(job_result(other, ctx.syncobj), 1);
	close(sync_file);
	close(other);
}

static void *load(void *arg)
{
	int fd = device_open_index(*(int *)arg);
	struct ctx ctx;
	int ret;

	if (fd < 0)
		return NULL;
	ret = ctx_init(&ctx, fd);
	while (!ret) {
		ret = submit_one(fd, ctx.queue, work_job(&ctx, 2), ctx.syncobj);
		if (!ret)
			ret = vm_map(fd, ctx.vm, ctx.bo, 64 * MIB, CTX_SIZE);
		if (!ret)
			ret = vm_unmap(fd, ctx.vm, 64 * MIB + PAGE, PAGE);
		if (!ret && job_result(fd, ctx.syncobj) < 0)
			ret = -ENODEV;
	}
	close(fd);
	return (void *)(long)(ret == -ENODEV || ret == -EFAULT || ret == -ENOMEM ? 0 : ret);
}

TEST(under_load_again_and_again)
{
	pthread_t threads[4];
	struct emu emu;
	void *bad;
	int i, n;

	for (n = 0; n < 10; n++) {
		ASSERT_EQ(emu_create(&emu, 2, 4), 0);
		for (i = 0; i < 4; i++)
			ASSERT_EQ(pthread_create(&threads[i], NULL, load, &emu.index), 0);
		usleep(20000 + n * 7000);
		EXPECT_EQ(emu_bus_errors(&emu), 0);
		EXPECT_EQ(emu_remove(&emu), 0);
		for (i = 0; i < 4; i++) {
			pthread_join(threads[i], &bad);
			EXPECT_EQ(bad, NULL);
		}
	}
}

TEST(unbinding_the_driver_under_load)
{
	pthread_t threads[4];
	struct emu emu;
	void *bad;
	int i, n;

	for (n = 0; n < 5; n++) {
		ASSERT_EQ(emu_create(&emu, 2, 4), 0);
		for (i = 0; i < 4; i++)
			ASSERT_EQ(pthread_create(&threads[i], NULL, load, &emu.index), 0);
		usleep(50000);
		/* The device is there all the time: an orderly end. */
		ASSERT_EQ(emu_unbind(&emu), 0);
		for (i = 0; i < 4; i++) {
			pthread_join(threads[i], &bad);
			EXPECT_EQ(bad, NULL);
		}
		EXPECT_EQ(emu_bus_errors(&emu), 0);
		ASSERT_EQ(emu_bind(&emu), 0);
		i = device_open_index(emu_find_index(&emu));
		EXPECT_TRUE(device_works(i));
		close(i);
		EXPECT_EQ(emu_remove(&emu), 0);
	}
}

TEST(devices_come_in_many_sizes)
{
	static const unsigned int sizes[][2] = { { 1, 1 }, { 1, 64 }, { 4, 2 }, { 8, 256 } };
	struct drm_npu_device_info info;
	struct emu emu[4];
	int fd, i;

	for (i = 0; i < 4; i++) {
		struct drm_npu_dev_query query = {
			.type = DRM_NPU_QUERY_DEVICE, .size = sizeof(info), .ptr = (uintptr_t)&info,
		};

		ASSERT_EQ(emu_create(&emu[i], sizes[i][0], sizes[i][1]), 0);
		fd = device_open_index(emu[i].index);
		ASSERT_EQ(call(fd, DRM_IOCTL_NPU_DEV_QUERY, &query), 0);
		EXPECT_EQ(info.cores, sizes[i][0]);
		EXPECT_EQ(info.slots, sizes[i][1]);
		EXPECT_TRUE(device_works(fd));
		close(fd);
	}
	while (i--)
		EXPECT_EQ(emu_remove(&emu[i]), 0);
}

TEST(absurd_sizes_are_refused)
{
	struct emu emu;

	ASSERT_EQ(emu_make(&emu), 0);
	EXPECT_EQ(emu_write(&emu, "cores", "0"), -EINVAL);
	EXPECT_EQ(emu_write(&emu, "cores", "33"), -EINVAL);
	EXPECT_EQ(emu_write(&emu, "slots", "0"), -EINVAL);
	EXPECT_EQ(emu_write(&emu, "slots", "257"), -EINVAL);
	EXPECT_EQ(emu_write(&emu, "irqs", "3"), -EINVAL);
	EXPECT_EQ(emu_write(&emu, "cores", "many"), -EINVAL);
	EXPECT_EQ(emu_write(&emu, "faults/hang", "1"), -ENODEV);
	EXPECT_EQ(emu_plug(&emu), 0);
	EXPECT_EQ(emu_write(&emu, "cores", "1"), -EBUSY);
	EXPECT_EQ(emu_write(&emu, "faults/hang", "x"), -EINVAL);
	EXPECT_EQ(emu_remove(&emu), 0);
}

TEST(limits_of_a_command_are_configurable)
{
	struct npu_stream_header *header;
	struct emu emu;
	struct ctx ctx;
	int fd;

	ASSERT_EQ(emu_make(&emu), 0);
	ASSERT_EQ(emu_write(&emu, "bytes_max_order", "20"), 0);
	ASSERT_EQ(emu_plug(&emu), 0);
	fd = device_open_index(emu.index);
	ASSERT_EQ(ctx_init(&ctx, fd), 0);
	header = stream_begin(&ctx, 0);
	{
		/* 2 MiB from 64 KiB: more than this device does in one command. */
		struct npu_cmd_copy copy = {
			.cmd = { NPU_OP_COPY, 0, sizeof(copy) },
			.in = { .type = NPU_TYPE_S8, .rank = 2, .dim = { 64, 32768 },
				.stride = { 0, 1 } },
			.out = { .type = NPU_TYPE_S8, .rank = 2, .base = 1, .dim = { 64, 32768 },
				 .stride = { 32768, 1 } },
		};

		ASSERT_EQ(vm_map(fd, ctx.vm, bo_create(fd, 2 * MIB), 64 * MIB, 2 * MIB), 0);
		ctx_bases(&ctx)[1] = (struct npu_base) {
			.va = 64 * MIB, .size = 2 * MIB, .flags = NPU_BASE_WRITE,
		};
		stream_add(header, &copy);
	}
	EXPECT_EQ(stream_run(&ctx, header, 2), -EINVAL);
	close(fd);
	EXPECT_EQ(emu_remove(&emu), 0);
}

TEST(one_interrupt_vector_is_enough)
{
	struct emu emu;
	int fd;

	ASSERT_EQ(emu_make(&emu), 0);
	ASSERT_EQ(emu_write(&emu, "irqs", "1"), 0);
	ASSERT_EQ(emu_plug(&emu), 0);
	fd = device_open_index(emu.index);
	EXPECT_TRUE(device_works(fd));
	close(fd);
	EXPECT_EQ(emu_remove(&emu), 0);
}

TEST(the_module_is_busy_while_somebody_uses_it)
{
	struct ctx ctx;
	int fd = device_open(), sync_file, dma_buf;

	ASSERT_EQ(ctx_init(&ctx, fd), 0);
	ASSERT_EQ(submit_one(fd, ctx.queue, empty_job(), ctx.syncobj), 0);
	sync_file = syncobj_export(fd, ctx.syncobj);
	ASSERT_EQ(drmPrimeHandleToFD(fd, ctx.bo, DRM_CLOEXEC, &dma_buf), 0);
	EXPECT_NE(system("rmmod npu 2>/dev/null"), 0);
	munmap(ctx.mem, CTX_SIZE);
	close(fd);
	/* Fence and buffer keep it, each alone. */
	sleep_ms(200);
	EXPECT_NE(system("rmmod npu 2>/dev/null"), 0);
	close(dma_buf);
	sleep_ms(200);
	EXPECT_NE(system("rmmod npu 2>/dev/null"), 0);
	close(sync_file);
}

TEST(the_emulator_goes_at_any_time)
{
	int fd = device_open(), sync_file, i;
	struct ctx ctx;

	if (bus_is_pci())
		SKIP(return, "on PCI the emulator is no module");
	ASSERT_EQ(ctx_init(&ctx, fd), 0);
	ASSERT_EQ(submit_one(fd, ctx.queue, work_job(&ctx, WORK_LONG), ctx.syncobj), 0);
	sync_file = syncobj_export(fd, ctx.syncobj);
	EXPECT_EQ(system("rmmod npu_emu"), 0);
	EXPECT_EQ(sync_file_wait(sync_file, 60000), 0);
	EXPECT_EQ(sync_file_status(sync_file), -ENODEV);
	close(sync_file);
	munmap(ctx.mem, CTX_SIZE);
	close(fd);
	sleep_ms(200);
	EXPECT_EQ(system("rmmod npu"), 0);
	EXPECT_EQ(system("modprobe npu && modprobe npu_emu"), 0);
	for (i = 0; i < 100 && access("/dev/accel/accel0", F_OK); i++)
		sleep_ms(20);
	fd = device_open();
	EXPECT_TRUE(device_works(fd));
	close(fd);
}

FIXTURE(life)
{
};

FIXTURE_SETUP(life)
{
}

FIXTURE_TEARDOWN(life)
{
}

/* In either order, and with a job under way when the device goes. */
TEST_F_TIMEOUT(life, loading_load_and_removal_a_hundred_times, 900)
{
	struct ctx ctx;
	int i, n, fd;

	if (bus_is_pci())
		SKIP(return, "on PCI the emulator is no module");
	for (n = 0; n < 100; n++) {
		fd = device_open();
		ASSERT_EQ(ctx_init(&ctx, fd), 0);
		ASSERT_EQ(submit_one(fd, ctx.queue, work_job(&ctx, n % 3 ? WORK_LONG : 1),
				     ctx.syncobj), 0);
		usleep(n % 7 * 500);
		ASSERT_EQ(system("rmmod npu_emu"), 0);
		munmap(ctx.mem, CTX_SIZE);
		close(fd);
		for (i = 0; i < 1000 && system("rmmod npu 2>/dev/null"); i++)
			sleep_ms(10);
		ASSERT_LT(i, 1000);
		ASSERT_EQ(system(n % 2 ? "modprobe npu_emu && modprobe npu" :
				 "modprobe npu && modprobe npu_emu"), 0);
		for (i = 0; i < 1000 && access("/dev/accel/accel0", F_OK); i++)
			sleep_ms(10);
	}
	fd = device_open();
	EXPECT_TRUE(device_works(fd));
	close(fd);
}

TEST_HARNESS_MAIN

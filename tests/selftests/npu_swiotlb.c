// SPDX-License-Identifier: GPL-2.0-only
/* Memory that CPU and device see after BO_SYNC only: the kernel was told swiotlb=force. */
#include "npu_test.h"

FIXTURE(swiotlb)
{
	struct emu emu;
	int fd;
	struct ctx ctx;
};

FIXTURE_SETUP(swiotlb)
{
	char cmdline[4096] = "";

	read_file("/proc/cmdline", cmdline, sizeof(cmdline));
	if (!strstr(cmdline, "swiotlb=force"))
		SKIP(return, "without swiotlb=force");
	ASSERT_EQ(emu_create(&self->emu, 2, 8), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
}

FIXTURE_TEARDOWN(swiotlb)
{
	EXPECT_EQ(emu_bus_errors(&self->emu), 0);
	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

static int sync_bo(int fd, uint32_t handle, uint32_t flags, uint64_t offset, uint64_t size)
{
	struct drm_npu_bo_sync args = {
		.handle = handle, .flags = flags, .offset = offset, .size = size,
	};

	return call(fd, DRM_IOCTL_NPU_BO_SYNC, &args);
}

TEST_F(swiotlb, buffers_say_that_they_need_it)
{
	struct drm_npu_bo_info info = { .handle = self->ctx.bo };

	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_INFO, &info), 0);
	EXPECT_TRUE(info.flags & DRM_NPU_BO_INFO_NEED_SYNC);
}

/* Without help of npu_test.h: a mapping that it does not know. */
TEST_F(swiotlb, each_side_sees_what_was_synchronised)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	uint32_t bo = bo_create(self->fd, 2 * PAGE);
	struct drm_npu_bo_mmap_offset offset = { .handle = bo };
	uint8_t *mem;

	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MMAP_OFFSET, &offset), 0);
	mem = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, offset.offset);
	ASSERT_NE(mem, MAP_FAILED);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, bo, 0x40000000, 2 * PAGE), 0);
	ctx_bases(&self->ctx)[1] = (struct npu_base) {
		.va = 0x40000000, .size = 2 * PAGE, .flags = NPU_BASE_WRITE,
	};
	stream_add_copy(header, 1, 0, 1, PAGE, PAGE);

	memset(mem, 1, 2 * PAGE);
	ASSERT_EQ(sync_bo(self->fd, bo, DRM_NPU_BO_SYNC_TO_DEVICE, 0, 2 * PAGE), 0);
	memset(mem, 2, PAGE);
	/* Only a part of what was written. */
	ASSERT_EQ(sync_bo(self->fd, bo, DRM_NPU_BO_SYNC_TO_DEVICE, 100, 50), 0);
	ASSERT_EQ(stream_run(&self->ctx, header, 2), 1);
	EXPECT_EQ(mem[PAGE + 100], 1);
	ASSERT_EQ(sync_bo(self->fd, bo, DRM_NPU_BO_SYNC_TO_CPU, PAGE, PAGE), 0);
	EXPECT_EQ(mem[PAGE + 99], 1);
	EXPECT_EQ(mem[PAGE + 100], 2);
	EXPECT_EQ(mem[PAGE + 149], 2);
	EXPECT_EQ(mem[PAGE + 150], 1);
}

/* Which of the two copies is newer is known to the user alone. */
TEST_F(swiotlb, buffers_are_not_evicted)
{
	char text[8192];
	int i;

	ASSERT_EQ(swap_on(), 0);
	/* As often as it takes elsewhere until what can go is gone. */
	for (i = 0; i < 20; i++)
		drop_slab();
	ASSERT_EQ(debugfs_file(self->emu.index, "bos", text, sizeof(text)), 0);
	EXPECT_EQ(strstr(text, " evicted"), NULL);
	EXPECT_EQ(swap_off(), 0);
}

TEST_F(swiotlb, but_purged)
{
	const struct drm_npu_bo_madvise dontneed = {
		.handle = bo_create(self->fd, PAGE), .advice = DRM_NPU_MADVISE_DONTNEED,
	};
	struct drm_npu_bo_madvise args = dontneed;
	int i;

	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MADVISE, &args), 0);
	ASSERT_EQ(args.retained, 1);
	for (i = 0; i < 20 && args.retained; i++) {
		drop_slab();
		args = dontneed;
		ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MADVISE, &args), 0);
	}
	EXPECT_EQ(args.retained, 0);
}

TEST_F(swiotlb, user_memory_is_refused)
{
	void *mem = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP_USERPTR, .va = 0x40000000, .size = PAGE,
		.offset = (uintptr_t)mem,
	};

	EXPECT_EQ(vm_bind_ops(self->fd, self->ctx.vm, &op, 1), -EOPNOTSUPP);
	op.size = BLOCK;
	EXPECT_EQ(vm_bind_ops(self->fd, self->ctx.vm, &op, 1), -EOPNOTSUPP);
	op.flags = DRM_NPU_VM_BIND_READONLY;
	EXPECT_EQ(vm_bind_ops(self->fd, self->ctx.vm, &op, 1), -EOPNOTSUPP);
}

TEST_HARNESS_MAIN

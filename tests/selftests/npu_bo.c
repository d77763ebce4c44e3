// SPDX-License-Identifier: GPL-2.0-only
/* Buffers: life, CPU mappings, sharing. */
#include "npu_test.h"

FIXTURE(bo)
{
	int fd;
};

FIXTURE_SETUP(bo)
{
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(bo)
{
	close(self->fd);
}

static int info(int fd, uint32_t handle, struct drm_npu_bo_info *args)
{
	*args = (struct drm_npu_bo_info) { .handle = handle };
	return call(fd, DRM_IOCTL_NPU_BO_INFO, args);
}

static int sync_bo(int fd, uint32_t handle, uint32_t flags, uint64_t offset, uint64_t size)
{
	struct drm_npu_bo_sync args = {
		.handle = handle, .flags = flags, .offset = offset, .size = size,
	};

	return call(fd, DRM_IOCTL_NPU_BO_SYNC, &args);
}

static int label(int fd, uint32_t handle, const char *text)
{
	struct drm_npu_bo_label args = { .handle = handle, .label = (uintptr_t)text };

	return call(fd, DRM_IOCTL_NPU_BO_LABEL, &args);
}

TEST_F(bo, create_and_close)
{
	uint32_t handle = bo_create(self->fd, PAGE);

	ASSERT_NE(handle, 0);
	EXPECT_EQ(bo_close(self->fd, handle), 0);
	EXPECT_EQ(bo_close(self->fd, handle), -EINVAL);
}

TEST_F(bo, size_is_rounded_up_to_pages)
{
	struct drm_npu_bo_create args = { .size = PAGE + 1 };

	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_CREATE, &args), 0);
	EXPECT_EQ(args.size, 2 * PAGE);
}

TEST_F(bo, create_refuses_size_zero)
{
	uint32_t handle;

	EXPECT_EQ(bo_create_flags(self->fd, 0, 0, 0, &handle), -EINVAL);
}

TEST_F(bo, create_refuses_absurd_sizes)
{
	uint32_t handle;

	EXPECT_EQ(bo_create_flags(self->fd, 1ull << 50, 0, 0, &handle), -ENOMEM);
	EXPECT_EQ(bo_create_flags(self->fd, ~0ull, 0, 0, &handle), -ENOMEM);
}

TEST_F(bo, create_refuses_unknown_flags)
{
	uint32_t handle;

	EXPECT_EQ(bo_create_flags(self->fd, PAGE, 1u << 31, 0, &handle), -EINVAL);
}

TEST_F(bo, create_refuses_padding)
{
	struct drm_npu_bo_create args = { .size = PAGE, .pad = 1 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_CREATE, &args), -EINVAL);
}

TEST_F(bo, create_refuses_an_unknown_vm)
{
	uint32_t handle;

	EXPECT_EQ(bo_create_flags(self->fd, PAGE, 0, 77, &handle), -ENOENT);
}

TEST_F(bo, new_buffers_are_zero)
{
	uint8_t *p;
	uint32_t handle;
	size_t i;

	/* Dirty some pages first and give them back. */
	handle = bo_create(self->fd, MIB);
	p = bo_map(self->fd, handle, MIB);
	ASSERT_NE(p, MAP_FAILED);
	memset(p, 0xff, MIB);
	munmap(p, MIB);
	bo_close(self->fd, handle);

	handle = bo_create(self->fd, MIB);
	p = bo_map(self->fd, handle, MIB);
	ASSERT_NE(p, MAP_FAILED);
	for (i = 0; i < MIB; i++)
		ASSERT_EQ(p[i], 0);
}

TEST_F(bo, two_mappings_show_the_same_memory)
{
	uint32_t handle = bo_create(self->fd, 4 * PAGE);
	char *a = bo_map(self->fd, handle, 4 * PAGE);
	char *b = bo_map(self->fd, handle, 4 * PAGE);

	ASSERT_NE(a, MAP_FAILED);
	ASSERT_NE(b, MAP_FAILED);
	strcpy(a + 2 * PAGE, "hello");
	EXPECT_STREQ(b + 2 * PAGE, "hello");
}

TEST_F(bo, a_mapping_outlives_handle_and_file)
{
	int fd = device_open();
	uint32_t handle = bo_create(fd, PAGE);
	char *p = bo_map(fd, handle, PAGE);

	ASSERT_NE(p, MAP_FAILED);
	bo_close(fd, handle);
	close(fd);
	strcpy(p, "still here");
	EXPECT_STREQ(p, "still here");
}

TEST_F(bo, mmap_of_a_random_offset_is_refused)
{
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0x123456000), MAP_FAILED);
}

TEST_F(bo, mmap_of_somebody_elses_buffer_is_refused)
{
	int other = device_open();
	uint32_t handle = bo_create(other, PAGE);
	struct drm_npu_bo_mmap_offset args = { .handle = handle };

	ASSERT_EQ(call(other, DRM_IOCTL_NPU_BO_MMAP_OFFSET, &args), 0);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, args.offset), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	close(other);
}

TEST_F(bo, mmap_beyond_the_buffer_is_refused)
{
	uint32_t handle = bo_create(self->fd, PAGE);

	EXPECT_EQ(bo_map(self->fd, handle, 2 * PAGE), MAP_FAILED);
}

TEST_F(bo, mmap_offset_refuses_an_unknown_handle)
{
	struct drm_npu_bo_mmap_offset args = { .handle = 77 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MMAP_OFFSET, &args), -ENOENT);
}

TEST_F(bo, mmap_offset_refuses_padding)
{
	struct drm_npu_bo_mmap_offset args = { .handle = bo_create(self->fd, PAGE), .pad = 1 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MMAP_OFFSET, &args), -EINVAL);
}

TEST_F(bo, mmap_offset_refuses_no_mmap)
{
	struct drm_npu_bo_mmap_offset args = {};

	ASSERT_EQ(bo_create_flags(self->fd, PAGE, DRM_NPU_BO_NO_MMAP, 0, &args.handle), 0);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MMAP_OFFSET, &args), -EPERM);
}

TEST_F(bo, info_tells_what_was_created)
{
	uint32_t vm = vm_create(self->fd);
	struct drm_npu_bo_info args;
	uint32_t handle;

	ASSERT_EQ(bo_create_flags(self->fd, 3 * PAGE, DRM_NPU_BO_NO_MMAP, vm, &handle), 0);
	ASSERT_EQ(info(self->fd, handle, &args), 0);
	EXPECT_EQ(args.size, 3 * PAGE);
	EXPECT_EQ(args.create_flags, DRM_NPU_BO_NO_MMAP);
	EXPECT_EQ(args.vm_id, vm);
	EXPECT_FALSE(args.flags & DRM_NPU_BO_INFO_IMPORTED);
}

TEST_F(bo, info_refuses_an_unknown_handle)
{
	struct drm_npu_bo_info args;

	EXPECT_EQ(info(self->fd, 77, &args), -ENOENT);
}

TEST_F(bo, info_refuses_values_in_its_results)
{
	struct drm_npu_bo_info args = { .handle = bo_create(self->fd, PAGE), .size = 1 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_INFO, &args), -EINVAL);
}

TEST_F(bo, label_can_be_set_and_removed)
{
	uint32_t handle = bo_create(self->fd, PAGE);

	EXPECT_EQ(label(self->fd, handle, "weights"), 0);
	EXPECT_EQ(label(self->fd, handle, "other weights"), 0);
	EXPECT_EQ(label(self->fd, handle, NULL), 0);
}

TEST_F(bo, label_refuses_an_unknown_handle)
{
	EXPECT_EQ(label(self->fd, 77, "x"), -ENOENT);
}

TEST_F(bo, label_refuses_a_long_string)
{
	uint32_t handle = bo_create(self->fd, PAGE);
	char text[DRM_NPU_BO_LABEL_MAX + 1];

	memset(text, 'x', sizeof(text));
	text[DRM_NPU_BO_LABEL_MAX] = 0;
	EXPECT_EQ(label(self->fd, handle, text), -E2BIG);
	text[DRM_NPU_BO_LABEL_MAX - 1] = 0;
	EXPECT_EQ(label(self->fd, handle, text), 0);
}

TEST_F(bo, label_refuses_a_bad_pointer)
{
	EXPECT_EQ(label(self->fd, bo_create(self->fd, PAGE), (char *)8), -EFAULT);
}

TEST_F(bo, label_refuses_padding)
{
	struct drm_npu_bo_label args = { .handle = bo_create(self->fd, PAGE), .pad = 1 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_LABEL, &args), -EINVAL);
}

TEST_F(bo, sync_takes_any_range_of_the_buffer)
{
	uint32_t handle = bo_create(self->fd, MIB);

	EXPECT_EQ(sync_bo(self->fd, handle, DRM_NPU_BO_SYNC_TO_DEVICE, 0, MIB), 0);
	EXPECT_EQ(sync_bo(self->fd, handle, DRM_NPU_BO_SYNC_TO_CPU, 100, 1), 0);
	EXPECT_EQ(sync_bo(self->fd, handle, DRM_NPU_BO_SYNC_TO_CPU, MIB - 1, 1), 0);
}

TEST_F(bo, sync_refuses_bad_ranges)
{
	uint32_t handle = bo_create(self->fd, PAGE);

	EXPECT_EQ(sync_bo(self->fd, handle, DRM_NPU_BO_SYNC_TO_CPU, 0, 0), -EINVAL);
	EXPECT_EQ(sync_bo(self->fd, handle, DRM_NPU_BO_SYNC_TO_CPU, 0, PAGE + 1), -EINVAL);
	EXPECT_EQ(sync_bo(self->fd, handle, DRM_NPU_BO_SYNC_TO_CPU, PAGE, 1), -EINVAL);
	EXPECT_EQ(sync_bo(self->fd, handle, DRM_NPU_BO_SYNC_TO_CPU, ~0ull, 2), -EINVAL);
}

TEST_F(bo, sync_refuses_bad_flags)
{
	uint32_t handle = bo_create(self->fd, PAGE);

	EXPECT_EQ(sync_bo(self->fd, handle, 0, 0, PAGE), -EINVAL);
	EXPECT_EQ(sync_bo(self->fd, handle, 3, 0, PAGE), -EINVAL);
	EXPECT_EQ(sync_bo(self->fd, handle, 4, 0, PAGE), -EINVAL);
}

TEST_F(bo, sync_refuses_an_unknown_handle)
{
	EXPECT_EQ(sync_bo(self->fd, 77, DRM_NPU_BO_SYNC_TO_CPU, 0, PAGE), -ENOENT);
}

TEST_F(bo, madvise_refuses_bad_arguments)
{
	uint32_t handle = bo_create(self->fd, PAGE);
	struct drm_npu_bo_madvise advice = { .handle = handle, .advice = 2 };
	struct drm_npu_bo_madvise pad = { .handle = handle, .pad = 1 };
	struct drm_npu_bo_madvise result = { .handle = handle, .retained = 1 };
	struct drm_npu_bo_madvise unknown = { .handle = 77 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MADVISE, &advice), -EINVAL);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MADVISE, &pad), -EINVAL);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MADVISE, &result), -EINVAL);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MADVISE, &unknown), -ENOENT);
}

TEST_F(bo, export_and_import_give_the_same_buffer)
{
	uint32_t handle = bo_create(self->fd, PAGE), again;
	int dma_buf;

	ASSERT_EQ(drmPrimeHandleToFD(self->fd, handle, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(self->fd, dma_buf, &again), 0);
	EXPECT_EQ(again, handle);
	close(dma_buf);
}

TEST_F(bo, another_file_imports_the_same_memory)
{
	int other = device_open();
	uint32_t handle = bo_create(self->fd, PAGE), imported;
	char *a, *b;
	int dma_buf;

	ASSERT_EQ(drmPrimeHandleToFD(self->fd, handle, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(other, dma_buf, &imported), 0);
	close(dma_buf);
	a = bo_map(self->fd, handle, PAGE);
	b = bo_map(other, imported, PAGE);
	ASSERT_NE(a, MAP_FAILED);
	ASSERT_NE(b, MAP_FAILED);
	strcpy(a, "shared");
	EXPECT_STREQ(b, "shared");
	close(other);
}

TEST_F(bo, a_dma_buf_can_be_mapped)
{
	uint32_t handle = bo_create(self->fd, PAGE);
	char *a = bo_map(self->fd, handle, PAGE), *b;
	int dma_buf;

	ASSERT_EQ(drmPrimeHandleToFD(self->fd, handle, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	b = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dma_buf, 0);
	ASSERT_NE(b, MAP_FAILED);
	strcpy(a, "through the dma-buf");
	EXPECT_STREQ(b, "through the dma-buf");
	close(dma_buf);
}

TEST_F(bo, a_dma_buf_outlives_its_file)
{
	int fd = device_open(), dma_buf;
	uint32_t handle = bo_create(fd, PAGE), imported;
	char *p = bo_map(fd, handle, PAGE);

	strcpy(p, "alive");
	munmap(p, PAGE);
	ASSERT_EQ(drmPrimeHandleToFD(fd, handle, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	close(fd);
	ASSERT_EQ(drmPrimeFDToHandle(self->fd, dma_buf, &imported), 0);
	close(dma_buf);
	p = bo_map(self->fd, imported, PAGE);
	ASSERT_NE(p, MAP_FAILED);
	EXPECT_STREQ(p, "alive");
}

TEST_F(bo, private_buffers_are_not_exported)
{
	uint32_t vm = vm_create(self->fd), handle;
	int dma_buf;

	ASSERT_EQ(bo_create_flags(self->fd, PAGE, 0, vm, &handle), 0);
	EXPECT_NE(drmPrimeHandleToFD(self->fd, handle, DRM_CLOEXEC, &dma_buf), 0);
	EXPECT_EQ(errno, EPERM);
}

TEST_F(bo, import_refuses_what_is_no_dma_buf)
{
	uint32_t handle;

	EXPECT_NE(drmPrimeFDToHandle(self->fd, self->fd, &handle), 0);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_NE(drmPrimeFDToHandle(self->fd, -1, &handle), 0);
	EXPECT_EQ(errno, EBADF);
}

TEST_F(bo, foreign_buffers_are_imported)
{
	struct drm_npu_bo_mmap_offset offset = {};
	struct drm_mode_create_dumb dumb = { .width = 1024, .height = 1, .bpp = 32 };
	struct drm_npu_bo_sync sync = { .flags = DRM_NPU_BO_SYNC_TO_CPU, .size = PAGE };
	struct drm_npu_bo_madvise madvise = { .advice = DRM_NPU_MADVISE_DONTNEED };
	struct drm_npu_bo_info args;
	int vgem = open("/dev/dri/card0", O_RDWR | O_CLOEXEC), dma_buf;
	uint32_t handle, vm = vm_create(self->fd);

	if (vgem < 0)
		SKIP(return, "vgem is not loaded");
	ASSERT_EQ(ioctl(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb), 0);
	ASSERT_EQ(drmPrimeHandleToFD(vgem, dumb.handle, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(self->fd, dma_buf, &handle), 0);
	close(dma_buf);
	ASSERT_EQ(info(self->fd, handle, &args), 0);
	EXPECT_TRUE(args.flags & DRM_NPU_BO_INFO_IMPORTED);
	EXPECT_EQ(args.size, PAGE);
	offset.handle = handle;
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MMAP_OFFSET, &offset), -EINVAL);
	sync.handle = handle;
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_SYNC, &sync), -EOPNOTSUPP);
	madvise.handle = handle;
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MADVISE, &madvise), -EOPNOTSUPP);
	EXPECT_EQ(vm_map(self->fd, vm, handle, CTX_VA, PAGE), 0);
	close(vgem);
}

TEST_F(bo, thousands_of_buffers)
{
	uint32_t handles[2000];
	int i;

	for (i = 0; i < 2000; i++) {
		handles[i] = bo_create(self->fd, PAGE);
		ASSERT_NE(handles[i], 0);
	}
	for (i = 0; i < 2000; i += 2)
		ASSERT_EQ(bo_close(self->fd, handles[i]), 0);
	/* The rest goes with the file. */
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory and fences that are shared with other drivers, in both directions: udmabuf,
 * the system heap of dma-buf, vgem, another NPU.
 */
#include "npu_test.h"

#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#define DATA_VA	0x40000000ul
#define SIZE	(64 * 1024ul)
#define HALF	(SIZE / 2)

FIXTURE(prime)
{
	struct emu emu;
	int fd;
	struct ctx ctx;
};

FIXTURE_SETUP(prime)
{
	ASSERT_EQ(emu_create(&self->emu, 2, 8), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
}

FIXTURE_TEARDOWN(prime)
{
	/* -1 if it was unplugged. */
	EXPECT_LE(emu_bus_errors(&self->emu), 0);
	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

/* The CPU's accesses to a dma-buf. */
static int access_begin(int dma_buf)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START };

	return call(dma_buf, DMA_BUF_IOCTL_SYNC, &sync);
}

static int access_end(int dma_buf)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END };

	return call(dma_buf, DMA_BUF_IOCTL_SYNC, &sync);
}

/* Imports it, lets a job work on it, and looks through the dma-buf at the result. */
static bool works_on(struct ctx *ctx, int dma_buf, uint8_t *map)
{
	uint32_t handle;
	bool good;

	if (drmPrimeFDToHandle(ctx->fd, dma_buf, &handle) ||
	    vm_map(ctx->fd, ctx->vm, handle, DATA_VA, SIZE))
		return false;
	if (access_begin(dma_buf))
		return false;
	memory_fill(map, HALF, dma_buf);
	memset(map + HALF, 0, HALF);
	if (access_end(dma_buf) ||
	    submit_one(ctx->fd, ctx->queue, halves_job(ctx, DATA_VA, SIZE), ctx->syncobj) ||
	    job_result(ctx->fd, ctx->syncobj) != 1 || access_begin(dma_buf))
		return false;
	good = !memcmp(map, map + HALF, HALF);
	return !access_end(dma_buf) && good && !vm_unmap(ctx->fd, ctx->vm, DATA_VA, SIZE) &&
	       !bo_close(ctx->fd, handle);
}

static int udmabuf_create_from(int memfd, uint64_t size)
{
	struct udmabuf_create create = {
		.memfd = memfd, .flags = UDMABUF_FLAGS_CLOEXEC, .size = size,
	};
	int fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), dma_buf;

	if (fd < 0)
		return -errno;
	dma_buf = ioctl(fd, UDMABUF_CREATE, &create);
	close(fd);
	return dma_buf;
}

TEST_F(prime, memory_of_udmabuf)
{
	int memfd = memfd_create("npu", MFD_ALLOW_SEALING | MFD_CLOEXEC), dma_buf;
	uint8_t *file, *map;

	if (access("/dev/udmabuf", R_OK | W_OK))
		SKIP(return, "no udmabuf");
	ASSERT_EQ(ftruncate(memfd, SIZE), 0);
	ASSERT_EQ(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	dma_buf = udmabuf_create_from(memfd, SIZE);
	ASSERT_GE(dma_buf, 0);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dma_buf, 0);
	file = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, memfd, 0);
	ASSERT_NE(map, MAP_FAILED);
	ASSERT_NE(file, MAP_FAILED);
	EXPECT_TRUE(works_on(&self->ctx, dma_buf, map));
	/* The file is the same memory. */
	EXPECT_EQ(memcmp(file, map, SIZE), 0);
	close(dma_buf);
	close(memfd);
}

static int heap_alloc(uint64_t size)
{
	struct dma_heap_allocation_data data = { .len = size, .fd_flags = O_RDWR | O_CLOEXEC };
	int fd = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = ioctl(fd, DMA_HEAP_IOCTL_ALLOC, &data);
	close(fd);
	return ret ? -errno : (int)data.fd;
}

TEST_F(prime, memory_of_a_heap)
{
	int dma_buf = heap_alloc(SIZE), i;
	uint8_t *map;

	if (dma_buf == -ENOENT)
		SKIP(return, "no dma-buf heap");
	ASSERT_GE(dma_buf, 0);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dma_buf, 0);
	ASSERT_NE(map, MAP_FAILED);
	for (i = 0; i < 5; i++)
		EXPECT_TRUE(works_on(&self->ctx, dma_buf, map));
	close(dma_buf);
}

TEST_F(prime, memory_of_vgem)
{
	int vgem = vgem_open(), dma_buf;
	uint32_t handle;
	uint8_t *map;

	if (vgem < 0)
		SKIP(return, "vgem is not loaded");
	ASSERT_EQ(vgem_create(vgem, SIZE, &handle, &dma_buf), 0);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dma_buf, 0);
	ASSERT_NE(map, MAP_FAILED);
	EXPECT_TRUE(works_on(&self->ctx, dma_buf, map));
	close(dma_buf);
	close(vgem);
}

/* An importer of ours keeps the pages, and sees what jobs write. */
TEST_F(prime, memory_for_vgem)
{
	uint32_t bo = bo_create(self->fd, SIZE), handle;
	int vgem = vgem_open(), dma_buf;
	uint8_t *map = bo_map(self->fd, bo, SIZE);

	if (vgem < 0)
		SKIP(return, "vgem is not loaded");
	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(drmPrimeHandleToFD(self->fd, bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(vgem, dma_buf, &handle), 0);
	EXPECT_TRUE(works_on(&self->ctx, dma_buf, map));
	close(dma_buf);
	close(self->fd);
	/* It outlives the file that made it. */
	EXPECT_EQ(memcmp(map, map + HALF, HALF), 0);
	EXPECT_EQ(bo_close(vgem, handle), 0);
	close(vgem);
	self->fd = device_open_index(self->emu.index);
}

TEST_F(prime, two_npus_work_on_one_buffer)
{
	uint32_t bo = bo_create(self->fd, SIZE), handle;
	int other = device_open(), dma_buf;
	uint8_t *map = bo_map(self->fd, bo, SIZE);
	char text[4096];
	struct ctx ctx;
	int i;

	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(ctx_init(&ctx, other), 0);
	ASSERT_EQ(drmPrimeHandleToFD(self->fd, bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(other, dma_buf, &handle), 0);
	ASSERT_EQ(vm_map(other, ctx.vm, handle, DATA_VA, SIZE), 0);
	ASSERT_EQ(debugfs_file(0, "bos", text, sizeof(text)), 0);
	EXPECT_NE(strstr(text, "imported"), NULL);
	ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, bo, DATA_VA, HALF, HALF, 0), 0);
	ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, bo, DATA_VA + HALF, HALF, 0, 0), 0);
	for (i = 0; i < 5; i++) {
		/* There by one, back by the other. */
		memory_fill(map, HALF, i);
		ASSERT_EQ(halves_run(&ctx, DATA_VA, SIZE), 1);
		memset(map, 0, HALF);
		ASSERT_EQ(halves_run(&self->ctx, DATA_VA, SIZE), 1);
		memory_fill(map + HALF, HALF, i);
		EXPECT_EQ(memcmp(map, map + HALF, HALF), 0);
		drop_slab();
	}
	close(dma_buf);
	close(other);
}

TEST_F(prime, the_exporter_is_unplugged)
{
	uint32_t bo = bo_create(self->fd, SIZE), handle;
	int other = device_open(), dma_buf;
	uint8_t *map = bo_map(self->fd, bo, SIZE);
	struct ctx ctx;

	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(ctx_init(&ctx, other), 0);
	ASSERT_EQ(drmPrimeHandleToFD(self->fd, bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(other, dma_buf, &handle), 0);
	close(dma_buf);
	ASSERT_EQ(vm_map(other, ctx.vm, handle, DATA_VA, SIZE), 0);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	memory_fill(map, HALF, 7);
	ASSERT_EQ(halves_run(&ctx, DATA_VA, SIZE), 1);
	EXPECT_EQ(memcmp(map, map + HALF, HALF), 0);
	close(other);
}

TEST_F(prime, the_importer_is_unplugged)
{
	int dma_buf = heap_alloc(SIZE);
	uint32_t handle;
	uint8_t *map;

	if (dma_buf == -ENOENT)
		SKIP(return, "no dma-buf heap");
	ASSERT_EQ(drmPrimeFDToHandle(self->fd, dma_buf, &handle), 0);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, handle, DATA_VA, SIZE), 0);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	/* It may go before its importer does, and stays what it is. */
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dma_buf, 0);
	ASSERT_NE(map, MAP_FAILED);
	memset(map, 1, SIZE);
	munmap(map, SIZE);
	close(dma_buf);
}

/* ---- Fences ---------------------------------------------------------------------------- */

static int export_fences(int dma_buf, uint32_t flags)
{
	struct dma_buf_export_sync_file args = { .flags = flags, .fd = -1 };
	int ret = call(dma_buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &args);

	return ret ? ret : args.fd;
}

static int import_fence(int dma_buf, int sync_file, uint32_t flags)
{
	struct dma_buf_import_sync_file args = { .flags = flags, .fd = sync_file };

	return call(dma_buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &args);
}

/* A job of ours behind a gate; its fence as a sync_file. */
static int gated_job(struct ctx *ctx, struct gate *gate)
{
	struct drm_npu_job job = empty_job();
	struct drm_npu_sync syncs[2] = {
		sync_wait(gate->syncobj, 0), sync_signal(ctx->syncobj, 0),
	};

	if (submit(ctx->fd, ctx->queue, &job, 1, syncs, 2))
		return -1;
	return syncobj_export(ctx->fd, ctx->syncobj);
}

static void check_fence_import(struct __test_metadata *_metadata, struct ctx *ctx, int dma_buf)
{
	struct pollfd pfd = { .fd = dma_buf, .events = POLLIN };
	struct gate gate;
	int fence, all;

	ASSERT_EQ(gate_init(&gate, ctx->fd), 0);
	fence = gated_job(ctx, &gate);
	ASSERT_GE(fence, 0);
	/* Jobs leave no implicit fences by themselves. */
	EXPECT_EQ(poll(&pfd, 1, 0), 1);
	ASSERT_EQ(import_fence(dma_buf, fence, DMA_BUF_SYNC_WRITE), 0);
	EXPECT_EQ(poll(&pfd, 1, 50), 0);
	all = export_fences(dma_buf, DMA_BUF_SYNC_READ);
	ASSERT_GE(all, 0);
	EXPECT_EQ(sync_file_status(all), 0);
	ASSERT_EQ(gate_open(&gate), 0);
	EXPECT_EQ(sync_file_wait(all, 60000), 0);
	EXPECT_EQ(poll(&pfd, 1, 60000), 1);
	EXPECT_EQ(sync_file_status(all), 1);
	close(all);
	close(fence);
	close(gate.vgem);
}

TEST_F(prime, a_fence_for_an_own_buffer)
{
	uint32_t bo = bo_create(self->fd, SIZE);
	int vgem = vgem_open(), dma_buf;

	if (vgem < 0)
		SKIP(return, "vgem is not loaded");
	close(vgem);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, bo, DATA_VA, SIZE), 0);
	ASSERT_EQ(drmPrimeHandleToFD(self->fd, bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	check_fence_import(_metadata, &self->ctx, dma_buf);
	close(dma_buf);
}

TEST_F(prime, a_fence_for_a_foreign_buffer)
{
	int vgem = vgem_open(), dma_buf;
	uint32_t foreign, handle;

	if (vgem < 0)
		SKIP(return, "vgem is not loaded");
	ASSERT_EQ(vgem_create(vgem, SIZE, &foreign, &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(self->fd, dma_buf, &handle), 0);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, handle, DATA_VA, SIZE), 0);
	check_fence_import(_metadata, &self->ctx, dma_buf);
	close(dma_buf);
	close(vgem);
}

/* What another driver still does with a buffer, our jobs can wait for. */
TEST_F(prime, a_fence_of_a_foreign_buffer)
{
	int vgem = vgem_open(), dma_buf, fences;
	uint32_t foreign, handle, fence;
	struct drm_npu_sync syncs[2];
	struct drm_npu_job job;
	uint8_t *map;

	if (vgem < 0)
		SKIP(return, "vgem is not loaded");
	ASSERT_EQ(vgem_create(vgem, SIZE, &foreign, &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(self->fd, dma_buf, &handle), 0);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, handle, DATA_VA, SIZE), 0);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dma_buf, 0);
	ASSERT_NE(map, MAP_FAILED);

	ASSERT_EQ(vgem_attach(vgem, foreign, &fence), 0);
	fences = export_fences(dma_buf, DMA_BUF_SYNC_RW);
	ASSERT_GE(fences, 0);
	syncs[0] = sync_wait(syncobj_create(self->fd), 0);
	syncs[1] = sync_signal(self->ctx.syncobj, 0);
	ASSERT_EQ(drmSyncobjImportSyncFile(self->fd, syncs[0].handle, fences), 0);
	close(fences);
	job = halves_job(&self->ctx, DATA_VA, SIZE);
	ASSERT_EQ(submit(self->fd, self->ctx.queue, &job, 1, syncs, 2), 0);
	EXPECT_EQ(syncobj_wait(self->fd, self->ctx.syncobj, SECOND / 20), -ETIME);
	/* The "other driver" writes until it signals. */
	memory_fill(map, HALF, 9);
	ASSERT_EQ(vgem_signal(vgem, fence), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_EQ(memcmp(map, map + HALF, HALF), 0);
	close(dma_buf);
	close(vgem);
}

TEST_HARNESS_MAIN

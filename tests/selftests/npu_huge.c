// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks of 2 MiB: that they are used where they can be, and that cutting them and
 * putting them together again changes no result.
 */
#include "npu_test.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define SHMEM_ENABLED	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define SIZE		(4 * BLOCK)
#define DATA_VA		(512 * BLOCK)

FIXTURE(huge)
{
	struct emu emu;
	int fd;
	struct ctx ctx;
	uint64_t pages;	/* of the context itself */
	uint32_t bo;
	uint8_t *mem;
	char before[32];
};

/* The value in brackets is the one in use. */
static void current_value(const char *text, char *value, size_t size)
{
	const char *from = strchr(text, '['), *to = from ? strchr(from, ']') : NULL;

	snprintf(value, size, "%.*s", to ? (int)(to - from - 1) : 0, from ? from + 1 : "");
}

/* Leaves of the only address space of the device. */
static bool leaves(const struct emu *emu, uint64_t *blocks, uint64_t *pages)
{
	char text[1024], *found;

	if (debugfs_file(emu->index, "vms", text, sizeof(text)))
		return false;
	found = strstr(text, " blocks ");
	return found && sscanf(found, " blocks %lu pages %lu", blocks, pages) == 2;
}

#define EXPECT_LEAVES(want_blocks, want_pages) do {			\
	uint64_t blocks, pages;						\
									\
	EXPECT_TRUE(leaves(&self->emu, &blocks, &pages));		\
	EXPECT_EQ(blocks, want_blocks);					\
	EXPECT_EQ(pages - self->pages, want_pages);			\
} while (0)

FIXTURE_SETUP(huge)
{
	char text[256];
	uint64_t blocks;

	if (read_file(SHMEM_ENABLED, text, sizeof(text)))
		SKIP(return, "no huge pages in this kernel");
	current_value(text, self->before, sizeof(self->before));
	ASSERT_EQ(write_file(SHMEM_ENABLED, "always"), 0);
	ASSERT_EQ(emu_create(&self->emu, 2, 8), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
	ASSERT_TRUE(leaves(&self->emu, &blocks, &self->pages));
	write_file("/proc/sys/vm/compact_memory", "1");
	self->bo = bo_create(self->fd, SIZE);
	self->mem = bo_map(self->fd, self->bo, SIZE);
	ASSERT_NE(self->mem, MAP_FAILED);
}

FIXTURE_TEARDOWN(huge)
{
	write_file(SHMEM_ENABLED, self->before);
	EXPECT_EQ(emu_bus_errors(&self->emu), 0);
	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

static bool copies(struct ctx *ctx, uint8_t *mem, uint64_t va, uint32_t seed)
{
	return halves_copied(ctx, mem, va, SIZE, seed);
}

TEST_F(huge, blocks_are_used)
{
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, self->bo, DATA_VA, SIZE), 0);
	EXPECT_LEAVES(4, 0);
	EXPECT_TRUE(copies(&self->ctx, self->mem, DATA_VA, 1));
	ASSERT_EQ(vm_unmap(self->fd, self->ctx.vm, DATA_VA, SIZE), 0);
	EXPECT_LEAVES(0, 0);
}

TEST_F(huge, not_where_addresses_do_not_fit)
{
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, self->bo, DATA_VA + PAGE, SIZE), 0);
	EXPECT_LEAVES(0, 2048);
	EXPECT_TRUE(copies(&self->ctx, self->mem, DATA_VA + PAGE, 2));
}

TEST_F(huge, pages_at_the_ends)
{
	ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, self->bo, DATA_VA + PAGE, SIZE - 2 * PAGE,
			       PAGE, 0), 0);
	EXPECT_LEAVES(2, 1022);
	ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, self->bo, DATA_VA, PAGE, 0, 0), 0);
	ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, self->bo, DATA_VA + SIZE - PAGE, PAGE,
			       SIZE - PAGE, 0), 0);
	/* Three mappings do not make one block. */
	EXPECT_LEAVES(2, 1024);
	EXPECT_TRUE(copies(&self->ctx, self->mem, DATA_VA, 3));
}

TEST_F(huge, split_and_joined)
{
	uint32_t other = bo_create(self->fd, BLOCK);
	uint8_t *map = bo_map(self->fd, other, BLOCK);
	int i;

	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, self->bo, DATA_VA, SIZE), 0);
	for (i = 0; i < 3; i++) {
		EXPECT_LEAVES(4, 0);
		ASSERT_EQ(vm_unmap(self->fd, self->ctx.vm, DATA_VA + BLOCK + 5 * PAGE, PAGE), 0);
		EXPECT_LEAVES(3, 511);
		/* Another buffer's page in its place, at a place of its own in the job. */
		ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, other, DATA_VA + BLOCK + 5 * PAGE,
				       PAGE, 7 * PAGE, 0), 0);
		EXPECT_LEAVES(3, 512);
		memset(map, 0x5a, BLOCK);
		memory_fill(self->mem, SIZE, i);
		EXPECT_FALSE(copies(&self->ctx, self->mem, DATA_VA, i));
		EXPECT_EQ(memcmp(self->mem + SIZE / 2 + BLOCK + 5 * PAGE, map, PAGE), 0);
		memcpy(self->mem + SIZE / 2 + BLOCK + 5 * PAGE, self->mem + BLOCK + 5 * PAGE, PAGE);
		EXPECT_EQ(memcmp(self->mem, self->mem + SIZE / 2, SIZE / 2), 0);
		/* All of it again. */
		ASSERT_EQ(vm_map(self->fd, self->ctx.vm, self->bo, DATA_VA, SIZE), 0);
		EXPECT_LEAVES(4, 0);
		EXPECT_TRUE(copies(&self->ctx, self->mem, DATA_VA, i + 7));
	}
}

TEST_F(huge, split_and_joined_while_jobs_run)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	int i, n;

	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, self->bo, DATA_VA, SIZE), 0);
	halves_bases(&self->ctx, DATA_VA, SIZE);
	for (n = 0; n < 10; n++)
		stream_add_copy(header, 1, 0, 2, 0, SIZE / 2);
	for (i = 0; i < 10; i++) {
		memory_fill(self->mem, SIZE / 2, 20 + i);
		ASSERT_EQ(submit_one(self->fd, self->ctx.queue, stream_job(&self->ctx, header, 3),
				     self->ctx.syncobj), 0);
		/* The same over a part of itself, and over all: jobs see no difference. */
		ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, self->bo, DATA_VA + 9 * PAGE,
				       BLOCK, 9 * PAGE, 0), 0);
		ASSERT_EQ(vm_map(self->fd, self->ctx.vm, self->bo, DATA_VA, SIZE), 0);
		ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
		EXPECT_EQ(memcmp(self->mem, self->mem + SIZE / 2, SIZE / 2), 0);
		EXPECT_LEAVES(4, 0);
	}
}

TEST_F(huge, read_only)
{
	ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, self->bo, DATA_VA, SIZE, 0,
			       DRM_NPU_VM_BIND_READONLY), 0);
	EXPECT_LEAVES(4, 0);
	EXPECT_FALSE(copies(&self->ctx, self->mem, DATA_VA, 4));
}

TEST_F(huge, after_an_eviction)
{
	char text[4096];
	int tries;

	ASSERT_EQ(swap_on(), 0);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, self->bo, DATA_VA, SIZE), 0);
	ASSERT_EQ(vm_unmap(self->fd, self->ctx.vm, DATA_VA, PAGE), 0);
	EXPECT_TRUE(copies(&self->ctx, self->mem, DATA_VA, 5) == false);
	self->ctx.queue = queue_create(self->fd, self->ctx.vm);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, self->bo, DATA_VA, SIZE), 0);
	EXPECT_TRUE(copies(&self->ctx, self->mem, DATA_VA, 6));
	for (tries = 0; tries < 20; tries++) {
		drop_slab();
		if (!debugfs_file(self->emu.index, "bos", text, sizeof(text)) &&
		    strstr(text, " evicted"))
			break;
	}
	EXPECT_LT(tries, 20);
	EXPECT_TRUE(copies(&self->ctx, self->mem, DATA_VA, 7));
	EXPECT_LEAVES(4, 0);
	EXPECT_EQ(swap_off(), 0);
}

TEST_F(huge, user_memory)
{
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP_USERPTR, .va = DATA_VA, .size = SIZE,
	};
	uint8_t *area, *mem;

	area = mmap(NULL, SIZE + BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(area, MAP_FAILED);
	mem = (uint8_t *)(((uintptr_t)area + BLOCK - 1) & ~(BLOCK - 1));
	op.offset = (uintptr_t)mem;
	memset(mem, 1, SIZE);
	if (madvise(mem, SIZE, MADV_COLLAPSE))
		SKIP(return, "no huge pages for user memory");
	ASSERT_EQ(vm_bind_ops(self->fd, self->ctx.vm, &op, 1), 0);
	EXPECT_LEAVES(4, 0);
	EXPECT_TRUE(copies(&self->ctx, mem, DATA_VA, 8));
	/* A part of a huge page goes, and a small page comes in its place. */
	ASSERT_EQ(madvise(mem + BLOCK, PAGE, MADV_DONTNEED), 0);
	EXPECT_TRUE(copies(&self->ctx, mem, DATA_VA, 9));
	EXPECT_LEAVES(3, 512);
	ASSERT_EQ(madvise(mem, SIZE, MADV_COLLAPSE), 0);
	EXPECT_TRUE(copies(&self->ctx, mem, DATA_VA, 10));
	EXPECT_LEAVES(4, 0);
}

TEST_HARNESS_MAIN

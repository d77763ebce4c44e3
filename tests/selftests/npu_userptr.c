// SPDX-License-Identifier: GPL-2.0-only
/* User memory that the device uses, whatever its process does with it meanwhile. */
#include "npu_test.h"

#include <sys/resource.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define DATA_VA	0x40000000ul
#define SIZE	(256 * 1024ul)
#define HALF	(SIZE / 2)

FIXTURE(userptr)
{
	struct emu emu;
	int fd;
	struct ctx ctx;
	uint8_t *mem;
};

static int bind_user_flags(struct ctx *ctx, uint64_t va, const void *mem, uint64_t size,
			   uint32_t flags)
{
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP_USERPTR, .flags = flags, .va = va, .size = size,
		.offset = (uintptr_t)mem,
	};

	return vm_bind_ops(ctx->fd, ctx->vm, &op, 1);
}

static int bind_user(struct ctx *ctx, const void *mem)
{
	return bind_user_flags(ctx, DATA_VA, mem, SIZE, 0);
}

static void *anonymous(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* From the first to the second half. */
static int run_copy(struct ctx *ctx)
{
	return halves_run(ctx, DATA_VA, SIZE);
}

static bool copies(struct ctx *ctx, uint8_t *mem, uint32_t seed)
{
	return halves_copied(ctx, mem, DATA_VA, SIZE, seed);
}

FIXTURE_SETUP(userptr)
{
	ASSERT_EQ(emu_create(&self->emu, 2, 8), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
	self->mem = anonymous(SIZE);
	ASSERT_NE(self->mem, MAP_FAILED);
}

FIXTURE_TEARDOWN(userptr)
{
	/* -1 if it was unplugged. */
	EXPECT_LE(emu_bus_errors(&self->emu), 0);
	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

TEST_F(userptr, jobs_read_and_write_it)
{
	struct drm_npu_vm_get_state state;
	int i;

	memory_fill(self->mem, HALF, 1);
	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	ASSERT_EQ(vm_state(self->fd, self->ctx.vm, &state), 0);
	EXPECT_EQ(state.mapped, SIZE + CTX_SIZE);
	ASSERT_EQ(run_copy(&self->ctx), 1);
	EXPECT_TRUE(memory_filled(self->mem + HALF, HALF, 1));
	for (i = 2; i < 20; i++)
		ASSERT_TRUE(copies(&self->ctx, self->mem, i));
}

TEST_F(userptr, memory_of_malloc)
{
	uint8_t *block = malloc(2 * SIZE), *mem;

	mem = (uint8_t *)(((uintptr_t)block + PAGE) & ~(PAGE - 1));
	ASSERT_EQ(bind_user(&self->ctx, mem), 0);
	EXPECT_TRUE(copies(&self->ctx, mem, 3));
	free(block);
}

TEST_F(userptr, read_only)
{
	uint8_t *mem = self->mem;

	memory_fill(mem, SIZE, 4);
	ASSERT_EQ(mprotect(mem, SIZE, PROT_READ), 0);
	EXPECT_EQ(bind_user(&self->ctx, mem), -EPERM);
	ASSERT_EQ(bind_user_flags(&self->ctx, DATA_VA, mem, SIZE, DRM_NPU_VM_BIND_READONLY), 0);
	/* Read here, written elsewhere. */
	ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, self->ctx.bo, DATA_VA + HALF, HALF,
			       CTX_SIZE - HALF, 0), 0);
	ASSERT_EQ(run_copy(&self->ctx), 1);
	EXPECT_EQ(memcmp(self->ctx.mem + CTX_SIZE - HALF, mem, HALF), 0);
	ASSERT_EQ(bind_user_flags(&self->ctx, DATA_VA, mem, SIZE, DRM_NPU_VM_BIND_READONLY), 0);
	EXPECT_EQ(run_copy(&self->ctx), -EFAULT);
	EXPECT_TRUE(memory_filled(mem, SIZE, 4));
}

TEST_F(userptr, refuses_what_is_no_memory)
{
	struct drm_npu_vm_get_state before, after;

	ASSERT_EQ(vm_state(self->fd, self->ctx.vm, &before), 0);
	EXPECT_EQ(bind_user(&self->ctx, NULL), -EFAULT);
	EXPECT_EQ(bind_user(&self->ctx, (void *)0xffff800000000000ul), -EFAULT);
	EXPECT_EQ(bind_user(&self->ctx, (void *)-PAGE), -EINVAL);
	EXPECT_EQ(bind_user(&self->ctx, self->mem + 1), -EINVAL);
	EXPECT_EQ(bind_user_flags(&self->ctx, DATA_VA + 1, self->mem, SIZE, 0), -EINVAL);
	EXPECT_EQ(bind_user_flags(&self->ctx, DATA_VA, self->mem, SIZE - 1, 0), -EINVAL);
	EXPECT_EQ(bind_user_flags(&self->ctx, DATA_VA, self->mem, 0, 0), -EINVAL);
	EXPECT_EQ(bind_user_flags(&self->ctx, DATA_VA, self->mem, SIZE, 1u << 31), -EINVAL);
	EXPECT_EQ(bind_user_flags(&self->ctx, 0, self->mem, 1ull << 46, 0), -ENOMEM);
	/* The memory of buffers has a name of its own. */
	EXPECT_EQ(bind_user(&self->ctx, self->ctx.mem), -EFAULT);
	/* A hole at the end. */
	ASSERT_EQ(munmap(self->mem + SIZE - PAGE, PAGE), 0);
	EXPECT_EQ(bind_user(&self->ctx, self->mem), -EFAULT);
	ASSERT_EQ(mprotect(self->mem, PAGE, PROT_NONE), 0);
	EXPECT_EQ(bind_user_flags(&self->ctx, DATA_VA, self->mem, PAGE,
				  DRM_NPU_VM_BIND_READONLY), -EFAULT);
	/* Nothing is half done. */
	ASSERT_EQ(vm_state(self->fd, self->ctx.vm, &after), 0);
	EXPECT_EQ(after.mapped, before.mapped);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(userptr, refuses_a_handle)
{
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP_USERPTR, .handle = self->ctx.bo, .va = DATA_VA,
		.size = SIZE, .offset = (uintptr_t)self->mem,
	};

	EXPECT_EQ(vm_bind_ops(self->fd, self->ctx.vm, &op, 1), -EINVAL);
}

TEST_F(userptr, an_error_undoes_the_array)
{
	struct drm_npu_vm_bind_op ops[2] = {
		{ .type = DRM_NPU_VM_BIND_MAP_USERPTR, .va = DATA_VA, .size = SIZE,
		  .offset = (uintptr_t)self->mem },
		{ .type = DRM_NPU_VM_BIND_MAP_USERPTR, .va = DATA_VA + SIZE, .size = SIZE },
	};

	EXPECT_EQ(vm_bind_ops(self->fd, self->ctx.vm, ops, 2), -EFAULT);
	EXPECT_EQ(run_copy(&self->ctx), -EFAULT);
}

TEST_F(userptr, files)
{
	int fd = memfd_create("npu", MFD_CLOEXEC), i;
	uint8_t *map;

	ASSERT_EQ(ftruncate(fd, SIZE), 0);
	for (i = 0; i < 2; i++) {
		map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, i ? MAP_SHARED : MAP_PRIVATE, fd,
			   0);
		ASSERT_NE(map, MAP_FAILED);
		ASSERT_EQ(bind_user(&self->ctx, map), 0);
		EXPECT_TRUE(copies(&self->ctx, map, 5 + i));
	}
	/* What the device wrote to a shared mapping is in the file. */
	ASSERT_EQ(pread(fd, self->mem, SIZE, 0), SIZE);
	EXPECT_TRUE(memory_filled(self->mem + HALF, HALF, 6));
	/* A file that gets too short. */
	ASSERT_EQ(ftruncate(fd, PAGE), 0);
	EXPECT_EQ(run_copy(&self->ctx), -EFAULT);
	EXPECT_EQ(vm_unmap(self->fd, self->ctx.vm, DATA_VA, SIZE), 0);
	EXPECT_TRUE(device_works(self->fd));
	close(fd);
}

TEST_F(userptr, what_is_gone)
{
	struct drm_npu_queue_get_state state;

	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	ASSERT_EQ(munmap(self->mem, PAGE), 0);
	EXPECT_EQ(run_copy(&self->ctx), -EFAULT);
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.state, 0);
	/* Other memory at the same place will do. */
	ASSERT_EQ(mmap(self->mem, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), self->mem);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 7));
	ASSERT_EQ(munmap(self->mem, SIZE), 0);
	EXPECT_EQ(run_copy(&self->ctx), -EFAULT);
	EXPECT_EQ(vm_unmap(self->fd, self->ctx.vm, DATA_VA, SIZE), 0);
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), 0);
}

TEST_F(userptr, new_pages_at_the_old_place)
{
	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	ASSERT_TRUE(copies(&self->ctx, self->mem, 8));
	ASSERT_EQ(mmap(self->mem, SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), self->mem);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 9));
	ASSERT_EQ(madvise(self->mem, SIZE, MADV_DONTNEED), 0);
	memset(self->mem + HALF, 1, HALF);
	ASSERT_EQ(run_copy(&self->ctx), 1);
	EXPECT_EQ(self->mem[HALF], 0);
	EXPECT_EQ(self->mem[SIZE - 1], 0);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 10));
}

TEST_F(userptr, moved)
{
	uint8_t *to = anonymous(SIZE);

	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	ASSERT_TRUE(copies(&self->ctx, self->mem, 11));
	ASSERT_EQ(mremap(self->mem, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	EXPECT_EQ(run_copy(&self->ctx), -EFAULT);
	ASSERT_EQ(bind_user(&self->ctx, to), 0);
	EXPECT_TRUE(memory_filled(to + HALF, HALF, 11));
	EXPECT_TRUE(copies(&self->ctx, to, 12));
}

TEST_F(userptr, protected)
{
	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	memory_fill(self->mem, SIZE, 13);
	ASSERT_EQ(mprotect(self->mem, SIZE, PROT_READ), 0);
	EXPECT_EQ(run_copy(&self->ctx), -EPERM);
	EXPECT_TRUE(memory_filled(self->mem, SIZE, 13));
	ASSERT_EQ(mprotect(self->mem, SIZE, PROT_READ | PROT_WRITE), 0);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 14));
}

TEST_F(userptr, fork_and_copy_on_write)
{
	int pipefd[2], status;
	char c;
	pid_t pid;

	ASSERT_EQ(pipe(pipefd), 0);
	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	ASSERT_TRUE(copies(&self->ctx, self->mem, 15));
	memory_fill(self->mem, SIZE, 16);
	pid = fork();
	if (!pid) {
		/* The device writes to the parent's copy alone. */
		close(pipefd[1]);
		if (read(pipefd[0], &c, 1) < 0)
			_exit(2);
		_exit(!memory_filled(self->mem, SIZE, 16));
	}
	close(pipefd[0]);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 17));
	close(pipefd[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 18));
}

TEST_F(userptr, swapped_out)
{
	int i;

	ASSERT_EQ(swap_on(), 0);
	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	for (i = 0; i < 10; i++) {
		memory_fill(self->mem, HALF, 20 + i);
		EXPECT_EQ(madvise(self->mem, SIZE, MADV_PAGEOUT), 0);
		ASSERT_EQ(run_copy(&self->ctx), 1);
		EXPECT_EQ(madvise(self->mem, SIZE, MADV_PAGEOUT), 0);
		ASSERT_TRUE(memory_filled(self->mem + HALF, HALF, 20 + i));
	}
	EXPECT_EQ(swap_off(), 0);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 31));
}

TEST_F(userptr, huge_pages)
{
	uint8_t *area = anonymous(4 * BLOCK), *mem;
	int i;

	mem = (uint8_t *)(((uintptr_t)area + BLOCK - 1) & ~(BLOCK - 1));
	ASSERT_EQ(bind_user_flags(&self->ctx, 16 * BLOCK, mem, 2 * BLOCK, 0), 0);
	if (madvise(mem, 2 * BLOCK, MADV_COLLAPSE))
		SKIP(return, "no huge pages");
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(mprotect(mem, 2 * BLOCK, PROT_READ | PROT_WRITE), 0);
		memory_fill(mem, 2 * BLOCK, 32 + i);
		ASSERT_EQ(bind_user_flags(&self->ctx, DATA_VA, mem + BLOCK - HALF, SIZE, 0), 0);
		ASSERT_EQ(run_copy(&self->ctx), 1);
		EXPECT_EQ(memcmp(mem + BLOCK - HALF, mem + BLOCK, HALF), 0);
		/* Split the huge page below the device, and put it together. */
		if (i % 2)
			madvise(mem, 2 * BLOCK, MADV_COLLAPSE);
		else
			ASSERT_EQ(mprotect(mem + PAGE, PAGE, PROT_READ), 0);
		ASSERT_EQ(vm_unmap(self->fd, self->ctx.vm, 16 * BLOCK, 2 * BLOCK), 0);
		ASSERT_EQ(bind_user_flags(&self->ctx, 16 * BLOCK, mem, 2 * BLOCK,
					  DRM_NPU_VM_BIND_READONLY), 0);
	}
}

TEST_F(userptr, parts)
{
	uint32_t vm = self->ctx.vm;

	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	/* A hole in the middle, and its memory goes. */
	ASSERT_EQ(vm_unmap(self->fd, vm, DATA_VA + HALF - 4 * PAGE, 2 * PAGE), 0);
	ASSERT_EQ(munmap(self->mem + HALF - 4 * PAGE, 2 * PAGE), 0);
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), 0);
	/* A buffer fills it. */
	ASSERT_EQ(vm_map_flags(self->fd, vm, self->ctx.bo, DATA_VA + HALF - 4 * PAGE, 2 * PAGE,
			       CTX_DATA, 0), 0);
	memory_fill(self->mem, HALF - 4 * PAGE, 40);
	memory_fill(self->ctx.mem + CTX_DATA, 2 * PAGE, 41);
	memory_fill(self->mem + HALF - 2 * PAGE, 2 * PAGE, 42);
	ASSERT_EQ(run_copy(&self->ctx), 1);
	EXPECT_TRUE(memory_filled(self->mem + HALF, HALF - 4 * PAGE, 40));
	EXPECT_TRUE(memory_filled(self->mem + SIZE - 4 * PAGE, 2 * PAGE, 41));
	EXPECT_TRUE(memory_filled(self->mem + SIZE - 2 * PAGE, 2 * PAGE, 42));
	/* The parts come back one by one. */
	ASSERT_EQ(madvise(self->mem, PAGE, MADV_DONTNEED), 0);
	ASSERT_EQ(run_copy(&self->ctx), 1);
	EXPECT_EQ(self->mem[HALF], 0);
	ASSERT_EQ(vm_unmap(self->fd, vm, DATA_VA, HALF), 0);
	ASSERT_EQ(munmap(self->mem, HALF - 4 * PAGE), 0);
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), 0);
}

TEST_F(userptr, twice_the_same)
{
	ASSERT_EQ(bind_user_flags(&self->ctx, DATA_VA, self->mem, HALF, 0), 0);
	ASSERT_EQ(bind_user_flags(&self->ctx, DATA_VA + HALF, self->mem + HALF, HALF, 0), 0);
	ASSERT_EQ(bind_user_flags(&self->ctx, DATA_VA + SIZE, self->mem, SIZE, 0), 0);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 43));
	ASSERT_EQ(madvise(self->mem, SIZE, MADV_DONTNEED), 0);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 44));
	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 45));
}

TEST_F(userptr, is_not_pinned)
{
	struct rlimit none = {};
	char status[8192], *field;

	ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 46));
	ASSERT_EQ(read_file("/proc/self/status", status, sizeof(status)), 0);
	field = strstr(status, "VmPin:");
	ASSERT_NE(field, NULL);
	EXPECT_EQ(atoi(field + 6), 0);
	field = strstr(status, "VmLck:");
	ASSERT_NE(field, NULL);
	EXPECT_EQ(atoi(field + 6), 0);
}

TEST_F(userptr, unmapped_while_jobs_run)
{
	int i, sync_file;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
		ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, 20),
				     self->ctx.syncobj), 0);
		sync_file = syncobj_export(self->fd, self->ctx.syncobj);
		ASSERT_EQ(munmap(self->mem, SIZE), 0);
		/* Whoever takes memory away waits for who uses it. */
		EXPECT_EQ(sync_file_status(sync_file), 1);
		close(sync_file);
		self->mem = anonymous(SIZE);
		ASSERT_NE(self->mem, MAP_FAILED);
	}
}

TEST_F(userptr, asynchronous)
{
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP_USERPTR, .va = DATA_VA, .size = SIZE,
		.offset = (uintptr_t)self->mem,
	};
	struct drm_npu_sync syncs[2];
	struct gate gate;

	if (gate_init(&gate, self->fd))
		SKIP(return, "vgem is not loaded");
	syncs[0] = sync_wait(gate.syncobj, 0);
	syncs[1] = sync_signal(self->ctx.syncobj, 0);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &op, 1, syncs, 2), 0);
	/* It becomes invalid, and valid again, before it is mapped. */
	ASSERT_EQ(madvise(self->mem, SIZE, MADV_DONTNEED), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), syncobj_create(self->fd)), 0);
	ASSERT_EQ(madvise(self->mem, SIZE, MADV_DONTNEED), 0);
	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 47));
	close(gate.vgem);
}

TEST_F(userptr, a_submit_before_the_bind_is_made)
{
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP_USERPTR, .va = DATA_VA, .size = SIZE,
		.offset = (uintptr_t)self->mem,
	};
	struct drm_npu_sync syncs[2];
	struct drm_npu_job job = halves_job(&self->ctx, DATA_VA, SIZE);
	uint32_t bound = syncobj_create(self->fd);
	struct gate gate;

	if (gate_init(&gate, self->fd))
		SKIP(return, "vgem is not loaded");
	syncs[0] = sync_wait(gate.syncobj, 0);
	syncs[1] = sync_signal(bound, 0);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &op, 1, syncs, 2), 0);
	ASSERT_EQ(madvise(self->mem, SIZE, MADV_DONTNEED), 0);
	memory_fill(self->mem, HALF, 48);
	syncs[0] = sync_wait(bound, 0);
	syncs[1] = sync_signal(self->ctx.syncobj, 0);
	ASSERT_EQ(submit(self->fd, self->ctx.queue, &job, 1, syncs, 2), 0);
	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_TRUE(memory_filled(self->mem + HALF, HALF, 48));
	close(gate.vgem);
}

TEST_F(userptr, memory_of_another_process)
{
	uint8_t *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			       0);
	int ready[2], done[2], status;
	pid_t pid;
	char c;

	ASSERT_EQ(pipe(ready), 0);
	ASSERT_EQ(pipe(done), 0);
	pid = fork();
	if (!pid) {
		close(done[1]);
		close(ready[0]);
		if (bind_user(&self->ctx, self->mem))
			_exit(1);
		memory_fill(self->mem, HALF, 50);
		if (write(ready[1], "r", 1) != 1 || read(done[0], &c, 1) < 0)
			_exit(2);
		memcpy(shared, self->mem, SIZE);
		_exit(0);
	}
	close(done[0]);
	close(ready[1]);
	ASSERT_EQ(read(ready[0], &c, 1), 1);
	/* The parent's memory at the same address is other memory. */
	memory_fill(self->mem, SIZE, 51);
	EXPECT_EQ(run_copy(&self->ctx), 1);
	EXPECT_TRUE(memory_filled(self->mem, SIZE, 51));
	close(done[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(memory_filled(shared + HALF, HALF, 50));
	/* With its process the memory has gone. */
	EXPECT_EQ(run_copy(&self->ctx), -EFAULT);
	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	EXPECT_TRUE(copies(&self->ctx, self->mem, 52));
}

/* Work whose stream is behind that of halves_job(), which may be written while this runs. */
static int submit_work(struct ctx *ctx, unsigned int count)
{
	struct npu_stream_header *header = stream_begin(ctx, 1024);

	stream_add_work(header, count);
	return submit_one(ctx->fd, ctx->queue, stream_job(ctx, header, 1), ctx->syncobj);
}

TEST_F(userptr, processes_that_end_while_jobs_run)
{
	int i, status;
	pid_t pid;

	for (i = 0; i < 5; i++) {
		pid = fork();
		if (!pid) {
			int fd = device_open_index(self->emu.index);
			struct ctx ctx;
			int err = fd < 0 ? fd : ctx_init(&ctx, fd);

			err = err ?: bind_user(&ctx, self->mem);
			err = err ?: submit_work(&ctx, 50);
			err = err ?: submit_one(fd, ctx.queue, halves_job(&ctx, DATA_VA, SIZE),
						ctx.syncobj);
			/* An error is the process's exit code. */
			if (err)
				_exit(-err);
			if (i % 2)
				raise(SIGKILL);
			_exit(0);
		}
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(status, i % 2 ? SIGKILL : 0);
	}
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(userptr, unplug)
{
	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	ASSERT_TRUE(copies(&self->ctx, self->mem, 53));
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_EQ(bind_user(&self->ctx, self->mem), -ENODEV);
	EXPECT_TRUE(memory_filled(self->mem + HALF, HALF, 53));
	EXPECT_EQ(munmap(self->mem, SIZE), 0);
}

/* A job that never ends by itself, in an address space with user memory. */
static int hang(struct emu *emu, int fd, struct ctx *ctx, const void *mem)
{
	int ret = ctx_init_full(ctx, fd, DRM_NPU_PRIORITY_NORMAL, DRM_NPU_HANG_TIMEOUT_MAX_MS);

	if (!ret)
		ret = bind_user(ctx, mem);
	if (!ret)
		ret = emu_write(emu, "faults/hang", "1");
	if (!ret)
		ret = submit_one(fd, ctx->queue, work_job(ctx, 1), ctx->syncobj);
	return ret;
}

TEST_F(userptr, a_job_holds_memory_for_some_time_only)
{
	struct drm_npu_queue_get_state state;
	struct ctx ctx;

	ASSERT_EQ(hang(&self->emu, self->fd, &ctx, self->mem), 0);
	ASSERT_EQ(munmap(self->mem, SIZE), 0);
	ASSERT_EQ(queue_state(self->fd, ctx.queue, &state), 0);
	EXPECT_EQ(state.completed, 0);
	EXPECT_EQ(state.state, 0);
	EXPECT_EQ(queue_destroy(self->fd, ctx.queue), 0);
	EXPECT_EQ(job_result(self->fd, ctx.syncobj), -ECANCELED);
}

static void *take_away(void *mem)
{
	return (void *)(long)munmap(mem, SIZE);
}

static void *submit_again(void *arg)
{
	struct ctx *ctx = arg;

	return (void *)(long)submit_one(ctx->fd, ctx->queue, empty_job(), ctx->syncobj);
}

/* The kernel waits for the job, a SUBMIT for the kernel, and removal for neither. */
TEST_F(userptr, unplug_while_memory_is_taken_away)
{
	pthread_t threads[2];
	struct ctx ctx;
	int sync_file;
	void *result;

	ASSERT_EQ(hang(&self->emu, self->fd, &ctx, self->mem), 0);
	sync_file = syncobj_export(self->fd, ctx.syncobj);
	ASSERT_GE(sync_file, 0);
	ASSERT_EQ(pthread_create(&threads[0], NULL, take_away, self->mem), 0);
	sleep_ms(200);
	ASSERT_EQ(pthread_create(&threads[1], NULL, submit_again, &ctx), 0);
	sleep_ms(200);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	pthread_join(threads[0], &result);
	EXPECT_EQ(result, NULL);
	pthread_join(threads[1], &result);
	EXPECT_TRUE((long)result == -ENODEV || (long)result == -EFAULT);
	EXPECT_EQ(sync_file_wait(sync_file, 60000), 0);
	EXPECT_EQ(sync_file_status(sync_file), -ENODEV);
	close(sync_file);
}

/* What is wrong with a VM_BIND is the matter of nobody else. */
static void *bind_badly(void *arg)
{
	struct ctx *ctx = arg;
	long bad = 0;
	int i;

	for (i = 0; i < 300; i++)
		bad += bind_user_flags(ctx, DATA_VA + SIZE, (void *)(PAGE * 16), SIZE,
				       0) != -EFAULT;
	return (void *)bad;
}

TEST_F(userptr, a_bind_that_fails_hurts_no_submit)
{
	pthread_t thread;
	void *result;
	int i, bad = 0;

	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, bind_badly, &self->ctx), 0);
	for (i = 0; i < 300; i++)
		bad += submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj) != 0;
	pthread_join(thread, &result);
	EXPECT_EQ(bad, 0);
	EXPECT_EQ(result, NULL);
}

struct troubler {
	pthread_t thread;
	uint8_t *mem;
	volatile bool stop;
	unsigned long rounds;
};

/* All that moves, splits or protects memory and keeps its content. */
static void *trouble(void *arg)
{
	struct troubler *t = arg;

	for (; !t->stop; t->rounds++) {
		switch (t->rounds % 5) {
		case 0:
			madvise(t->mem, SIZE, MADV_PAGEOUT);
			break;
		case 1:
			mprotect(t->mem + HALF, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
			mprotect(t->mem + HALF, PAGE, PROT_READ | PROT_WRITE);
			break;
		case 2:
			write_file("/proc/sys/vm/compact_memory", "1");
			break;
		case 3:
			madvise(t->mem, SIZE, MADV_COLLAPSE);
			break;
		case 4:
			drop_slab();
			break;
		}
	}
	return NULL;
}

TEST_F(userptr, under_load)
{
	struct troubler t = { .mem = self->mem };
	uint32_t seed = 100;
	int64_t end;

	ASSERT_EQ(swap_on(), 0);
	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	ASSERT_EQ(pthread_create(&t.thread, NULL, trouble, &t), 0);
	for (end = now_ns() + 5 * SECOND; now_ns() < end; seed++)
		ASSERT_TRUE(copies(&self->ctx, self->mem, seed));
	t.stop = true;
	pthread_join(t.thread, NULL);
	EXPECT_EQ(swap_off(), 0);
	printf("# %u jobs, %lu troubles\n", seed - 100, t.rounds);
}

TEST_F(userptr, unplug_under_load)
{
	struct troubler t = { .mem = self->mem };
	int i;

	if (!kernel_zaps())
		SKIP(return, "User Mode Linux cannot");
	ASSERT_EQ(bind_user(&self->ctx, self->mem), 0);
	ASSERT_EQ(pthread_create(&t.thread, NULL, trouble, &t), 0);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(run_copy(&self->ctx), 1);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_EQ(run_copy(&self->ctx), -ENODEV);
	t.stop = true;
	pthread_join(t.thread, NULL);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/* Memory that is taken away when it is scarce, and what becomes of its content. */
#include "npu_test.h"

#include <sys/mount.h>

#define LABEL	"victim"
#define DATA_VA	0x40000000ul
#define SIZE	(256 * 1024ul)

FIXTURE(reclaim)
{
	struct emu emu;
	int fd;
	struct ctx ctx;
	uint32_t bo;
	uint8_t *mem;
};

static int madvise_bo(int fd, uint32_t handle, uint32_t advice)
{
	struct drm_npu_bo_madvise args = { .handle = handle, .advice = advice };
	int ret = call(fd, DRM_IOCTL_NPU_BO_MADVISE, &args);

	return ret ? ret : args.retained;
}

static int label_bo(int fd, uint32_t handle, const char *text)
{
	struct drm_npu_bo_label args = { .handle = handle, .label = (uintptr_t)text };

	return call(fd, DRM_IOCTL_NPU_BO_LABEL, &args);
}

/* Does debugfs say so of the buffer with our label? */
static bool victim_is(const struct emu *emu, const char *state)
{
	static char text[65536];
	char *label, *line;

	if (debugfs_file(emu->index, "bos", text, sizeof(text)))
		return false;
	label = strstr(text, " " LABEL);
	if (!label)
		return false;
	*label = 0;
	line = strrchr(text, '\n');
	return strstr(line ? line : text, state);
}

static int count_of(const struct emu *emu, const char *what)
{
	char text[4096], *found;

	if (objects_file(emu->index, text, sizeof(text)))
		return -1;
	found = strstr(text, what);
	return found ? atoi(found + strlen(what)) : -1;
}

/* The shrinker passes by what is locked or in use, and what has ended may be for a while. */
static bool press_until(const struct emu *emu, const char *state)
{
	int64_t end = now_ns() + LONG;

	while (!victim_is(emu, state) && now_ns() < end) {
		drop_slab();
		sleep_ms(1);
	}
	return victim_is(emu, state);
}

static int run_copy(struct ctx *ctx)
{
	return halves_run(ctx, DATA_VA, SIZE);
}

FIXTURE_SETUP(reclaim)
{
	ASSERT_EQ(emu_create(&self->emu, 2, 8), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
	self->bo = bo_create(self->fd, SIZE);
	ASSERT_EQ(label_bo(self->fd, self->bo, LABEL), 0);
	self->mem = bo_map(self->fd, self->bo, SIZE);
	ASSERT_NE(self->mem, MAP_FAILED);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, self->bo, DATA_VA, SIZE), 0);
	ASSERT_EQ(swap_on(), 0);
}

FIXTURE_TEARDOWN(reclaim)
{
	EXPECT_EQ(swap_off(), 0);
	/* -1 if it was unplugged. */
	EXPECT_LE(emu_bus_errors(&self->emu), 0);
	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

TEST_F(reclaim, the_cpu_finds_the_content_again)
{
	memory_fill(self->mem, SIZE, 1);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	EXPECT_TRUE(memory_filled(self->mem, SIZE, 1));
	EXPECT_FALSE(victim_is(&self->emu, " evicted"));
	/* And what it writes then as well. */
	memory_fill(self->mem, SIZE, 2);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	EXPECT_TRUE(memory_filled(self->mem, SIZE, 2));
}

TEST_F(reclaim, the_device_finds_the_content_again)
{
	int restores = count_of(&self->emu, "restores: ");

	memory_fill(self->mem, SIZE / 2, 3);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(run_copy(&self->ctx), 1);
	EXPECT_GT(count_of(&self->emu, "restores: "), restores);
	/* What the device wrote survives like what the CPU wrote. */
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	EXPECT_TRUE(memory_filled(self->mem, SIZE / 2, 3));
	EXPECT_TRUE(memory_filled(self->mem + SIZE / 2, SIZE / 2, 3));
}

/* SUBMIT then locks nothing but the address space. */
TEST_F(reclaim, the_device_finds_private_content_again)
{
	int restores = count_of(&self->emu, "restores: ");
	struct ctx ctx;
	uint8_t *mem;
	uint32_t bo;

	ASSERT_EQ(ctx_init_private(&ctx, self->fd), 0);
	ASSERT_EQ(bo_create_flags(self->fd, SIZE, 0, ctx.vm, &bo), 0);
	ASSERT_EQ(label_bo(self->fd, self->bo, "shared"), 0);
	ASSERT_EQ(label_bo(self->fd, bo, LABEL), 0);
	mem = bo_map(self->fd, bo, SIZE);
	ASSERT_NE(mem, MAP_FAILED);
	ASSERT_EQ(vm_map(self->fd, ctx.vm, bo, DATA_VA, SIZE), 0);
	memory_fill(mem, SIZE / 2, 3);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(run_copy(&ctx), 1);
	EXPECT_FALSE(victim_is(&self->emu, " evicted"));
	EXPECT_GT(count_of(&self->emu, "restores: "), restores);
	EXPECT_TRUE(memory_filled(mem + SIZE / 2, SIZE / 2, 3));

	/* From now on it has to lock what is shared as well. */
	ASSERT_EQ(vm_map(self->fd, ctx.vm, self->bo, DATA_VA, SIZE), 0);
	memory_fill(self->mem, SIZE / 2, 4);
	ASSERT_EQ(label_bo(self->fd, bo, "private"), 0);
	ASSERT_EQ(label_bo(self->fd, self->bo, LABEL), 0);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(run_copy(&ctx), 1);
	EXPECT_FALSE(victim_is(&self->emu, " evicted"));
	EXPECT_TRUE(memory_filled(self->mem + SIZE / 2, SIZE / 2, 4));
}

TEST_F(reclaim, many_rounds)
{
	int i;

	for (i = 0; i < 20; i++) {
		memory_fill(self->mem, SIZE / 2, i);
		ASSERT_TRUE(press_until(&self->emu, " evicted"));
		ASSERT_EQ(run_copy(&self->ctx), 1);
		ASSERT_TRUE(press_until(&self->emu, " evicted"));
		ASSERT_TRUE(memory_filled(self->mem + SIZE / 2, SIZE / 2, i));
	}
}

static long swap_used(void)
{
	char text[1024], *line;
	long used = -1;

	if (read_file("/proc/swaps", text, sizeof(text)))
		return -1;
	line = strstr(text, SWAP_DEVICE);
	if (line)
		sscanf(line, "%*s %*s %*d %ld", &used);
	return used;
}

#define CGROUP	"/sys/fs/cgroup"
#define GROUP	CGROUP "/npu-reclaim"

TEST_F(reclaim, really_swapped_out)
{
	const size_t size = 8 * MIB;
	uint32_t bo;
	uint8_t *mem;
	long before;

	if (access(CGROUP "/cgroup.procs", F_OK) &&
	    mount("cgroup2", CGROUP, "cgroup2", 0, NULL))
		SKIP(return, "no cgroups");
	write_file(CGROUP "/cgroup.subtree_control", "+memory");
	mkdir(GROUP, 0755);
	if (access(GROUP "/memory.reclaim", F_OK))
		SKIP(return, "no memory cgroups");

	/* What is evicted is the kernel's to reclaim, like all of shmem. */
	ASSERT_EQ(write_file(GROUP "/cgroup.procs", "0"), 0);
	bo = bo_create(self->fd, size);
	ASSERT_NE(bo, 0);
	ASSERT_EQ(label_bo(self->fd, self->bo, NULL), 0);
	ASSERT_EQ(label_bo(self->fd, bo, LABEL), 0);
	mem = bo_map(self->fd, bo, size);
	ASSERT_NE(mem, MAP_FAILED);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, bo, DATA_VA, SIZE), 0);
	memory_fill(mem, size, 20);
	before = swap_used();
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	write_file(GROUP "/memory.reclaim", "8M");
	EXPECT_GT(swap_used(), before + 4096);
	ASSERT_EQ(run_copy(&self->ctx), 1);
	memory_fill(self->mem, SIZE / 2, 20);
	EXPECT_EQ(memcmp(mem, self->mem, SIZE / 2), 0);
	EXPECT_EQ(memcmp(mem + SIZE / 2, self->mem, SIZE / 2), 0);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	write_file(GROUP "/memory.reclaim", "8M");
	EXPECT_EQ(memcmp(mem + SIZE / 2, self->mem, SIZE / 2), 0);
	ASSERT_EQ(write_file(CGROUP "/cgroup.procs", "0"), 0);
	munmap(mem, size);
	EXPECT_EQ(vm_unmap(self->fd, self->ctx.vm, DATA_VA, SIZE), 0);
	EXPECT_EQ(bo_close(self->fd, bo), 0);
	EXPECT_EQ(rmdir(GROUP), 0);
}

TEST_F(reclaim, without_swap_only_purgeable_memory_goes)
{
	int evictions;

	ASSERT_EQ(swap_off(), 0);
	evictions = count_of(&self->emu, "evictions: ");
	memory_fill(self->mem, SIZE, 4);
	drop_slab();
	EXPECT_EQ(count_of(&self->emu, "evictions: "), evictions);
	ASSERT_EQ(madvise_bo(self->fd, self->bo, DRM_NPU_MADVISE_DONTNEED), 1);
	EXPECT_TRUE(press_until(&self->emu, " purged"));
	ASSERT_EQ(swap_on(), 0);
}

TEST_F(reclaim, what_is_needed_is_never_purged)
{
	int purges = count_of(&self->emu, "purges: ");

	ASSERT_EQ(madvise_bo(self->fd, self->bo, DRM_NPU_MADVISE_DONTNEED), 1);
	ASSERT_EQ(madvise_bo(self->fd, self->bo, DRM_NPU_MADVISE_WILLNEED), 1);
	memory_fill(self->mem, SIZE, 5);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	EXPECT_EQ(count_of(&self->emu, "purges: "), purges);
	EXPECT_EQ(madvise_bo(self->fd, self->bo, DRM_NPU_MADVISE_WILLNEED), 1);
	EXPECT_TRUE(memory_filled(self->mem, SIZE, 5));
}

TEST_F(reclaim, purged_content_does_not_come_back)
{
	struct drm_npu_queue_get_state state;
	int other = device_open(), dma_buf, status;
	uint32_t handle;
	pid_t pid;

	memory_fill(self->mem, SIZE, 6);
	ASSERT_EQ(madvise_bo(self->fd, self->bo, DRM_NPU_MADVISE_DONTNEED), 1);
	ASSERT_TRUE(press_until(&self->emu, " purged"));
	EXPECT_EQ(madvise_bo(self->fd, self->bo, DRM_NPU_MADVISE_WILLNEED), 0);
	EXPECT_EQ(madvise_bo(self->fd, self->bo, DRM_NPU_MADVISE_DONTNEED), 0);

	/* The CPU, in a process that may die of it. */
	pid = fork();
	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		self->mem[0] = 1;
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);

	EXPECT_EQ(vm_map(self->fd, self->ctx.vm, self->bo, DATA_VA + SIZE, SIZE), -ENODATA);

	/* Importers and the device. */
	ASSERT_EQ(drmPrimeHandleToFD(self->fd, self->bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	EXPECT_NE(drmPrimeFDToHandle(other, dma_buf, &handle), 0);
	EXPECT_EQ(errno, ENODATA);
	close(dma_buf);
	close(other);
	EXPECT_EQ(run_copy(&self->ctx), -EFAULT);
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.fault.status, DRM_NPU_FAULT_TRANSLATION);
	EXPECT_EQ(state.fault.va, DATA_VA);

	/* Unmapped and closed it is gone like any other. */
	EXPECT_EQ(vm_unmap(self->fd, self->ctx.vm, DATA_VA, SIZE), 0);
	EXPECT_EQ(bo_close(self->fd, self->bo), 0);
	handle = bo_create(self->fd, SIZE);
	EXPECT_NE(handle, 0);
}

TEST_F(reclaim, purgeable_memory_of_an_evicted_buffer)
{
	memory_fill(self->mem, SIZE, 7);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(madvise_bo(self->fd, self->bo, DRM_NPU_MADVISE_DONTNEED), 1);
	EXPECT_TRUE(press_until(&self->emu, " purged"));
}

TEST_F(reclaim, busy_buffers_stay)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	struct gate gate;
	struct drm_npu_sync syncs[2];
	struct drm_npu_job job;
	int i;

	if (gate_init(&gate, self->fd))
		SKIP(return, "vgem is not loaded");
	memory_fill(self->mem, SIZE / 2, 8);
	halves_bases(&self->ctx, DATA_VA, SIZE);
	stream_add_copy(header, 1, 0, 2, 0, SIZE / 2);
	job = stream_job(&self->ctx, header, 3);
	syncs[0] = sync_wait(gate.syncobj, 0);
	syncs[1] = sync_signal(self->ctx.syncobj, 0);
	ASSERT_EQ(madvise_bo(self->fd, self->bo, DRM_NPU_MADVISE_DONTNEED), 1);
	ASSERT_EQ(submit(self->fd, self->ctx.queue, &job, 1, syncs, 2), 0);
	for (i = 0; i < 10; i++)
		drop_slab();
	EXPECT_FALSE(victim_is(&self->emu, " evicted"));
	EXPECT_FALSE(victim_is(&self->emu, " purged"));
	ASSERT_EQ(gate_open(&gate), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_TRUE(memory_filled(self->mem + SIZE / 2, SIZE / 2, 8));
	EXPECT_TRUE(press_until(&self->emu, " purged"));
	close(gate.vgem);
}

TEST_F(reclaim, private_buffers_too)
{
	uint32_t handle;
	uint8_t *mem;

	ASSERT_EQ(label_bo(self->fd, self->bo, NULL), 0);
	ASSERT_EQ(bo_create_flags(self->fd, SIZE, 0, self->ctx.vm, &handle), 0);
	ASSERT_EQ(label_bo(self->fd, handle, LABEL), 0);
	mem = bo_map(self->fd, handle, SIZE);
	ASSERT_NE(mem, MAP_FAILED);
	memory_fill(mem, SIZE / 2, 9);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, handle, DATA_VA, SIZE), 0);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(run_copy(&self->ctx), 1);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	EXPECT_TRUE(memory_filled(mem + SIZE / 2, SIZE / 2, 9));
	/* Closed while it is away. */
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	munmap(mem, SIZE);
	EXPECT_EQ(bo_close(self->fd, handle), 0);
	EXPECT_EQ(run_copy(&self->ctx), 1);
}

TEST_F(reclaim, a_buffer_in_two_address_spaces)
{
	struct ctx other;

	ASSERT_EQ(ctx_init(&other, self->fd), 0);
	ASSERT_EQ(vm_map_flags(self->fd, other.vm, self->bo, DATA_VA, SIZE / 2, 0,
			       DRM_NPU_VM_BIND_READONLY), 0);
	ASSERT_EQ(vm_map_flags(self->fd, other.vm, self->bo, DATA_VA + SIZE / 2, SIZE / 2,
			       SIZE / 2, 0), 0);
	memory_fill(self->mem, SIZE / 2, 10);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(run_copy(&other), 1);
	EXPECT_TRUE(memory_filled(self->mem + SIZE / 2, SIZE / 2, 10));
	memory_fill(self->mem, SIZE / 2, 11);
	ASSERT_EQ(run_copy(&self->ctx), 1);
	EXPECT_TRUE(memory_filled(self->mem + SIZE / 2, SIZE / 2, 11));
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	EXPECT_EQ(vm_destroy(self->fd, other.vm), 0);
	EXPECT_EQ(run_copy(&self->ctx), 1);
}

TEST_F(reclaim, read_only_mappings_come_back_read_only)
{
	ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, self->bo, DATA_VA, SIZE, 0,
			       DRM_NPU_VM_BIND_READONLY), 0);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	EXPECT_EQ(run_copy(&self->ctx), -EFAULT);
}

TEST_F(reclaim, changes_of_what_is_evicted)
{
	uint32_t vm = self->ctx.vm;

	memory_fill(self->mem, SIZE, 12);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	/* Cut out the middle and put it back, in parts, the other way round. */
	ASSERT_EQ(vm_unmap(self->fd, vm, DATA_VA + PAGE, SIZE / 2 - 2 * PAGE), 0);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(vm_map_flags(self->fd, vm, self->bo, DATA_VA + PAGE, SIZE / 4, PAGE, 0), 0);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(vm_map_flags(self->fd, vm, self->bo, DATA_VA + SIZE / 4, SIZE / 4, SIZE / 4,
			       0), 0);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(run_copy(&self->ctx), 1);
	EXPECT_TRUE(memory_filled(self->mem + SIZE / 2, SIZE / 2, 12));
	/* What was unmapped while it was away does not come back. */
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(vm_unmap(self->fd, vm, DATA_VA, PAGE), 0);
	EXPECT_EQ(run_copy(&self->ctx), -EFAULT);
}

TEST_F(reclaim, asynchronous_changes)
{
	struct drm_npu_vm_bind_op op = map_op(self->bo, DATA_VA, SIZE, 0);
	struct drm_npu_sync syncs[2];
	struct gate gate;
	int done;

	if (gate_init(&gate, self->fd))
		SKIP(return, "vgem is not loaded");
	ASSERT_EQ(vm_unmap(self->fd, self->ctx.vm, DATA_VA, SIZE), 0);
	memory_fill(self->mem, SIZE / 2, 13);
	syncs[0] = sync_wait(gate.syncobj, 0);
	syncs[1] = sync_signal(self->ctx.syncobj, 0);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &op, 1, syncs, 2), 0);
	done = syncobj_export(self->fd, self->ctx.syncobj);
	/* It is not made yet, and comes to a buffer that is away. */
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_EQ(sync_file_wait(done, 60000), 0);
	EXPECT_EQ(sync_file_status(done), 1);
	close(done);
	ASSERT_EQ(run_copy(&self->ctx), 1);
	EXPECT_TRUE(memory_filled(self->mem + SIZE / 2, SIZE / 2, 13));
	close(gate.vgem);
}

TEST_F(reclaim, mappings_of_a_dma_buf)
{
	uint8_t *map;
	int dma_buf;

	memory_fill(self->mem, SIZE, 14);
	ASSERT_EQ(drmPrimeHandleToFD(self->fd, self->bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dma_buf, 0);
	ASSERT_NE(map, MAP_FAILED);
	EXPECT_TRUE(memory_filled(map, SIZE, 14));
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	/* A mapping that was left behind would show other memory than this one. */
	memory_fill(map, SIZE, 15);
	EXPECT_TRUE(memory_filled(self->mem, SIZE, 15));
	close(dma_buf);
	bo_close(self->fd, self->bo);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	EXPECT_TRUE(memory_filled(map, SIZE, 15));
	munmap(map, SIZE);
}

TEST_F(reclaim, importers_pin)
{
	uint32_t handle;
	int other = device_open(), dma_buf, i;

	ASSERT_GE(other, 0);
	memory_fill(self->mem, SIZE, 16);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(drmPrimeHandleToFD(self->fd, self->bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	/* Exported alone it may still go. */
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(drmPrimeFDToHandle(other, dma_buf, &handle), 0);
	close(dma_buf);
	for (i = 0; i < 5; i++)
		drop_slab();
	EXPECT_FALSE(victim_is(&self->emu, " evicted"));
	EXPECT_EQ(bo_close(other, handle), 0);
	EXPECT_TRUE(press_until(&self->emu, " evicted"));
	EXPECT_TRUE(memory_filled(self->mem, SIZE, 16));
	close(other);
}

TEST_F(reclaim, the_tail_of_a_mapping)
{
	memory_fill(self->mem, SIZE, 17);
	ASSERT_EQ(munmap(self->mem, PAGE), 0);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(self->mem[PAGE], (uint8_t)((PAGE * 2654435761u + 17) >> 24));
	EXPECT_EQ(self->mem[SIZE - 1], (uint8_t)(((SIZE - 1) * 2654435761u + 17) >> 24));
}

TEST_F(reclaim, sync_of_what_is_away)
{
	struct drm_npu_bo_sync args = {
		.handle = self->bo, .flags = DRM_NPU_BO_SYNC_TO_CPU, .size = SIZE,
	};

	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_SYNC, &args), 0);
	EXPECT_TRUE(victim_is(&self->emu, " evicted"));
}

TEST_F(reclaim, unplug_while_away)
{
	memory_fill(self->mem, SIZE, 18);
	ASSERT_TRUE(press_until(&self->emu, " evicted"));
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_TRUE(memory_filled(self->mem, SIZE, 18));
	/* Also without a device memory can be scarce. */
	drop_slab();
	EXPECT_TRUE(memory_filled(self->mem, SIZE, 18));
}

struct presser {
	pthread_t thread;
	volatile bool stop;
};

static void *press(void *arg)
{
	struct presser *presser = arg;

	while (!presser->stop)
		drop_slab();
	return NULL;
}

TEST_F(reclaim, under_load)
{
	struct presser presser = {};
	uint32_t seed = 100;
	int64_t end;

	ASSERT_EQ(pthread_create(&presser.thread, NULL, press, &presser), 0);
	for (end = now_ns() + 5 * SECOND; now_ns() < end; seed++) {
		memory_fill(self->mem, SIZE / 2, seed);
		ASSERT_EQ(run_copy(&self->ctx), 1);
		ASSERT_TRUE(memory_filled(self->mem + SIZE / 2, SIZE / 2, seed));
	}
	presser.stop = true;
	pthread_join(presser.thread, NULL);
	EXPECT_GT(count_of(&self->emu, "evictions: "), 0);
	printf("# %u jobs, %d evictions\n", seed - 100, count_of(&self->emu, "evictions: "));
}

TEST_F(reclaim, unplug_under_load)
{
	struct presser presser = {};
	int i;

	if (!kernel_zaps())
		SKIP(return, "User Mode Linux cannot");
	ASSERT_EQ(pthread_create(&presser.thread, NULL, press, &presser), 0);
	for (i = 0; i < 20; i++)
		run_copy(&self->ctx);
	memory_fill(self->mem, SIZE, 19);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_TRUE(memory_filled(self->mem, SIZE, 19));
	presser.stop = true;
	pthread_join(presser.thread, NULL);
}

TEST_HARNESS_MAIN

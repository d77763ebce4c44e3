// SPDX-License-Identifier: GPL-2.0-only
/* Asynchronous VM_BIND: order, waits and signals, ends of all kinds. */
#include "npu_test.h"

#define BO_SIZE	MIB
#define VA	0x80000000ul

FIXTURE(bind)
{
	struct emu emu;
	int fd;
	struct ctx ctx;
	struct gate gate;
	uint32_t bo;
	uint8_t *mem;
	uint32_t done;
	bool gated;
};

FIXTURE_SETUP(bind)
{
	ASSERT_EQ(emu_create(&self->emu, 1, 4), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
	self->bo = bo_create(self->fd, BO_SIZE);
	ASSERT_NE(self->bo, 0);
	self->mem = bo_map(self->fd, self->bo, BO_SIZE);
	ASSERT_NE(self->mem, MAP_FAILED);
	self->done = syncobj_create(self->fd);
	self->gated = !gate_init(&self->gate, self->fd);
}

FIXTURE_TEARDOWN(bind)
{
	char now[256] = "", *vms = NULL;
	int i;

	if (self->gated)
		gate_open(&self->gate);
	close(self->gate.vgem);
	munmap(self->mem, BO_SIZE);
	munmap(self->ctx.mem, CTX_SIZE);
	close(self->fd);
	/* Nothing leaks, however a change ended. */
	for (i = 0; i < 1000 && self->emu.index >= 0; i++) {
		objects_read(self->emu.index, now, sizeof(now));
		vms = strstr(now, "vms: 0\nbos: 0\n");
		if (vms || !*now)
			break;
		sleep_ms(5);
	}
	EXPECT_TRUE(vms || !*now);
	if (*now)
		EXPECT_EQ(emu_bus_errors(&self->emu), 0);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

/* What a test says that needs a fence which signals when it wants. */
#define NO_GATE		"needs vgem for a fence to wait for"

static uint64_t mappings(int fd, uint32_t vm)
{
	struct drm_npu_vm_get_state state;

	return vm_state(fd, vm, &state) ? ~0ull : state.mappings;
}

static uint32_t pending(int fd, uint32_t vm)
{
	struct drm_npu_vm_get_state state;

	return vm_state(fd, vm, &state) ? ~0u : state.pending;
}

static bool is_signalled(int fd, uint32_t syncobj)
{
	return !syncobj_wait(fd, syncobj, 0);
}

/* A job that copies 64 bytes from @from to @to, addresses outside the context's buffer. */
static struct drm_npu_job copy_job(struct ctx *ctx, uint64_t from, uint64_t to)
{
	struct npu_stream_header *header = stream_begin(ctx, 0);

	ctx_bases(ctx)[1] = (struct npu_base) { .va = from, .size = PAGE };
	ctx_bases(ctx)[2] = (struct npu_base) { .va = to, .size = PAGE, .flags = NPU_BASE_WRITE };
	stream_add_copy(header, 1, 0, 2, 0, 64);
	return stream_job(ctx, header, 3);
}

TEST_F(bind, a_job_waits_for_its_mapping)
{
	struct drm_npu_vm_bind_op op = map_op(self->bo, VA, BO_SIZE, 0);
	struct drm_npu_sync bound = sync_signal(self->done, 0);
	struct drm_npu_sync syncs[2];
	struct drm_npu_job job;

	memset(self->mem, 0x11, 64);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &op, 1, &bound, 1), 0);
	job = copy_job(&self->ctx, VA, VA + PAGE);
	syncs[0] = sync_wait(self->done, 0);
	syncs[1] = sync_signal(self->ctx.syncobj, 0);
	ASSERT_EQ(submit(self->fd, self->ctx.queue, &job, 1, syncs, 2), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_EQ(job_result(self->fd, self->done), 1);
	EXPECT_EQ(memcmp(self->mem, self->mem + PAGE, 64), 0);
}

TEST_F(bind, a_change_waits_for_its_fences)
{
	struct drm_npu_vm_bind_op op = map_op(self->bo, VA, BO_SIZE, 0);
	struct drm_npu_sync syncs[2];

	if (!self->gated)
		SKIP(return, NO_GATE);
	syncs[0] = sync_wait(self->gate.syncobj, 0);
	syncs[1] = sync_signal(self->done, 0);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &op, 1, syncs, 2), 0);
	EXPECT_EQ(pending(self->fd, self->ctx.vm), 1);
	sleep_ms(50);
	EXPECT_FALSE(is_signalled(self->fd, self->done));
	EXPECT_EQ(mappings(self->fd, self->ctx.vm), 1);
	ASSERT_EQ(gate_open(&self->gate), 0);
	EXPECT_EQ(job_result(self->fd, self->done), 1);
	EXPECT_EQ(mappings(self->fd, self->ctx.vm), 2);
	EXPECT_EQ(pending(self->fd, self->ctx.vm), 0);
}

TEST_F(bind, jobs_behind_a_pending_change_run_with_it)
{
	struct drm_npu_vm_bind_op op = map_op(self->bo, VA, BO_SIZE, 0);
	struct drm_npu_sync syncs[2];
	struct drm_npu_job job;

	if (!self->gated)
		SKIP(return, NO_GATE);
	memset(self->mem, 0x77, 64);
	syncs[0] = sync_wait(self->gate.syncobj, 0);
	syncs[1] = sync_signal(self->done, 0);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &op, 1, syncs, 2), 0);
	/* The mapping keeps the buffer, from now on. */
	ASSERT_EQ(bo_close(self->fd, self->bo), 0);
	job = copy_job(&self->ctx, VA, VA + PAGE);
	syncs[0] = sync_wait(self->done, 0);
	syncs[1] = sync_signal(self->ctx.syncobj, 0);
	ASSERT_EQ(submit(self->fd, self->ctx.queue, &job, 1, syncs, 2), 0);
	ASSERT_EQ(gate_open(&self->gate), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_EQ(memcmp(self->mem, self->mem + PAGE, 64), 0);
}

TEST_F(bind, changes_are_made_in_order)
{
	struct drm_npu_vm_bind_op map = map_op(self->bo, VA, BO_SIZE, 0);
	struct drm_npu_vm_bind_op unmap = unmap_op(VA, BO_SIZE);
	struct drm_npu_sync wait, signal = sync_signal(self->done, 0);

	if (!self->gated)
		SKIP(return, NO_GATE);
	wait = sync_wait(self->gate.syncobj, 0);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &map, 1, &wait, 1), 0);
	/* It waits for nothing, but for the first. */
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &unmap, 1, &signal, 1), 0);
	sleep_ms(50);
	EXPECT_FALSE(is_signalled(self->fd, self->done));
	EXPECT_EQ(pending(self->fd, self->ctx.vm), 2);
	ASSERT_EQ(gate_open(&self->gate), 0);
	EXPECT_EQ(job_result(self->fd, self->done), 1);
	EXPECT_EQ(mappings(self->fd, self->ctx.vm), 1);
}

TEST_F(bind, a_synchronous_change_comes_after_the_pending_ones)
{
	struct drm_npu_vm_bind_op map = map_op(self->bo, VA, BO_SIZE, 0);
	struct drm_npu_sync wait;
	pid_t pid;

	if (!self->gated)
		SKIP(return, NO_GATE);
	wait = sync_wait(self->gate.syncobj, 0);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &map, 1, &wait, 1), 0);
	pid = fork();
	if (!pid) {
		sleep_ms(100);
		gate_open(&self->gate);
		_exit(0);
	}
	ASSERT_EQ(vm_unmap(self->fd, self->ctx.vm, VA, BO_SIZE), 0);
	EXPECT_EQ(pending(self->fd, self->ctx.vm), 0);
	EXPECT_EQ(mappings(self->fd, self->ctx.vm), 1);
	waitpid(pid, NULL, 0);
}

static void on_alarm(int signal)
{
}

/* A signal finds nothing half done, and the call can be made again. */
TEST_F(bind, a_synchronous_change_that_waits_can_be_interrupted)
{
	struct drm_npu_vm_bind_op map = map_op(self->bo, VA, BO_SIZE, 0);
	struct drm_npu_vm_bind_op unmap = unmap_op(VA, BO_SIZE);
	struct drm_npu_vm_bind args = {
		.vm_id = self->ctx.vm,
		.ops = { .stride = sizeof(unmap), .count = 1, .ptr = (uintptr_t)&unmap },
	};
	struct sigaction action = { .sa_handler = on_alarm };
	struct drm_npu_sync wait;

	if (!self->gated)
		SKIP(return, NO_GATE);
	wait = sync_wait(self->gate.syncobj, 0);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &map, 1, &wait, 1), 0);
	sigaction(SIGALRM, &action, NULL);
	ualarm(50000, 0);
	EXPECT_EQ(ioctl(self->fd, DRM_IOCTL_NPU_VM_BIND, &args), -1);
	EXPECT_EQ(errno, EINTR);
	EXPECT_EQ(pending(self->fd, self->ctx.vm), 1);
	ASSERT_EQ(gate_open(&self->gate), 0);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_BIND, &args), 0);
	EXPECT_EQ(mappings(self->fd, self->ctx.vm), 1);
}

TEST_F(bind, an_array_splits_and_replaces)
{
	struct drm_npu_vm_bind_op ops[] = {
		map_op(self->bo, VA, 64 * PAGE, 0),
		unmap_op(VA + 10 * PAGE, PAGE),
		map_op(self->bo, VA + 20 * PAGE, 4 * PAGE, 100 * PAGE),
		unmap_op(VA + 60 * PAGE, 8 * PAGE),
	};
	struct drm_npu_sync signal = sync_signal(self->done, 0);
	struct drm_npu_vm_get_state state;
	struct drm_npu_job job;

	memset(self->mem + 101 * PAGE, 0x33, 64);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, ops, 4, &signal, 1), 0);
	ASSERT_EQ(job_result(self->fd, self->done), 1);
	ASSERT_EQ(vm_state(self->fd, self->ctx.vm, &state), 0);
	EXPECT_EQ(state.mappings, 1 + 4);
	EXPECT_EQ(state.mapped, CTX_SIZE + 59 * PAGE);
	job = copy_job(&self->ctx, VA + 21 * PAGE, VA + 30 * PAGE);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_EQ(memcmp(self->mem + 101 * PAGE, self->mem + 30 * PAGE, 64), 0);
	job = copy_job(&self->ctx, VA + 10 * PAGE, VA + 30 * PAGE);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EFAULT);
}

TEST_F(bind, without_operations_it_signals_after_all_before)
{
	struct drm_npu_vm_bind_op map = map_op(self->bo, VA, BO_SIZE, 0);
	struct drm_npu_sync wait, signal = sync_signal(self->done, 5);
	uint64_t point = 5;

	if (!self->gated)
		SKIP(return, NO_GATE);
	wait = sync_wait(self->gate.syncobj, 0);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &map, 1, &wait, 1), 0);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, NULL, 0, &signal, 1), 0);
	EXPECT_EQ(mappings(self->fd, self->ctx.vm), 1);
	ASSERT_EQ(gate_open(&self->gate), 0);
	EXPECT_EQ(drmSyncobjTimelineWait(self->fd, &self->done, &point, 1,
					 now_ns() + LONG, 0, NULL), 0);
	EXPECT_EQ(mappings(self->fd, self->ctx.vm), 2);
}

TEST_F(bind, a_wait_that_failed_stops_nothing)
{
	struct drm_npu_vm_bind_op map = map_op(self->bo, VA, BO_SIZE, 0);
	struct drm_npu_job job = copy_job(&self->ctx, VA, VA + PAGE);
	struct drm_npu_sync syncs[2];

	/* Not mapped yet. */
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	syncs[0] = sync_wait(self->ctx.syncobj, 0);
	syncs[1] = sync_signal(self->done, 0);
	ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &map, 1, syncs, 2), 0);
	EXPECT_EQ(job_result(self->fd, self->done), 1);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EFAULT);
	EXPECT_EQ(mappings(self->fd, self->ctx.vm), 2);
}

/* ---- Errors ------------------------------------------------------------------------ */

TEST_F(bind, an_error_changes_and_signals_nothing)
{
	struct drm_npu_vm_bind_op ops[] = {
		map_op(self->bo, VA, 64 * PAGE, 0),
		map_op(77, VA, PAGE, 0),
	};
	struct drm_npu_sync signal = sync_signal(self->done, 0);

	EXPECT_EQ(vm_bind_async(self->fd, self->ctx.vm, ops, 2, &signal, 1), -ENOENT);
	EXPECT_EQ(syncobj_wait(self->fd, self->done, 0), -EINVAL);
	EXPECT_EQ(mappings(self->fd, self->ctx.vm), 1);
	EXPECT_EQ(pending(self->fd, self->ctx.vm), 0);
}

TEST_F(bind, unknown_vm)
{
	struct drm_npu_vm_bind_op map = map_op(self->bo, VA, PAGE, 0);

	EXPECT_EQ(vm_bind_async(self->fd, 77, &map, 1, NULL, 0), -ENOENT);
}

TEST_F(bind, bad_syncs)
{
	struct drm_npu_vm_bind_op map = map_op(self->bo, VA, PAGE, 0);
	struct drm_npu_sync sync[4] = {
		sync_wait(77, 0), sync_wait(self->done, 0), sync_signal(self->done, 0),
		sync_signal(77, 0),
	};

	EXPECT_EQ(vm_bind_async(self->fd, self->ctx.vm, &map, 1, &sync[0], 1), -ENOENT);
	/* Nothing that could be waited for. */
	EXPECT_EQ(vm_bind_async(self->fd, self->ctx.vm, &map, 1, &sync[1], 1), -EINVAL);
	sync[2].pad = 1;
	EXPECT_EQ(vm_bind_async(self->fd, self->ctx.vm, &map, 1, &sync[2], 1), -EINVAL);
	EXPECT_EQ(vm_bind_async(self->fd, self->ctx.vm, &map, 1, &sync[3], 1), -ENOENT);
	EXPECT_EQ(mappings(self->fd, self->ctx.vm), 1);
}

TEST_F(bind, too_many_syncs)
{
	static struct drm_npu_sync sync[DRM_NPU_SYNCS_MAX + 1];
	struct drm_npu_vm_bind_op map = map_op(self->bo, VA, PAGE, 0);
	int i;

	for (i = 0; i <= DRM_NPU_SYNCS_MAX; i++)
		sync[i] = sync_signal(self->done, 0);
	EXPECT_EQ(vm_bind_async(self->fd, self->ctx.vm, &map, 1, sync, DRM_NPU_SYNCS_MAX + 1),
		  -E2BIG);
	EXPECT_EQ(vm_bind_async(self->fd, self->ctx.vm, &map, 1, sync, DRM_NPU_SYNCS_MAX), 0);
}

TEST_F(bind, a_synchronous_call_has_no_syncs)
{
	struct drm_npu_vm_bind_op map = map_op(self->bo, VA, PAGE, 0);
	struct drm_npu_sync sync = sync_signal(self->done, 0);
	struct drm_npu_vm_bind args = {
		.vm_id = self->ctx.vm,
		.ops = { .stride = sizeof(map), .count = 1, .ptr = (uintptr_t)&map },
		.syncs = { .stride = sizeof(sync), .count = 1, .ptr = (uintptr_t)&sync },
	};

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_BIND, &args), -EINVAL);
	args.flags = 2;
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_BIND, &args), -EINVAL);
}

/* ---- Ends ---------------------------------------------------------------------------- */

/* Two pending changes; returns a sync file of the last one. */
static int pending_changes(int fd, uint32_t vm, uint32_t bo, uint32_t gate, uint32_t done)
{
	struct drm_npu_vm_bind_op map = map_op(bo, VA, BO_SIZE, 0);
	struct drm_npu_sync wait = sync_wait(gate, 0), signal = sync_signal(done, 0);

	if (vm_bind_async(fd, vm, &map, 1, &wait, 1) || vm_bind_async(fd, vm, &map, 1, &signal, 1))
		return -1;
	return syncobj_export(fd, done);
}

TEST_F(bind, vm_destroyed)
{
	int sync_file;

	if (!self->gated)
		SKIP(return, NO_GATE);
	sync_file = pending_changes(self->fd, self->ctx.vm, self->bo, self->gate.syncobj,
				    self->done);
	ASSERT_GE(sync_file, 0);
	ASSERT_EQ(vm_destroy(self->fd, self->ctx.vm), 0);
	EXPECT_EQ(sync_file_status(sync_file), 0);
	ASSERT_EQ(gate_open(&self->gate), 0);
	EXPECT_EQ(sync_file_wait(sync_file, 60000), 0);
	EXPECT_EQ(sync_file_status(sync_file), -ECANCELED);
	close(sync_file);
	/* The queue goes on in what the address space was. */
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
}

TEST_F(bind, file_closed)
{
	int fd = device_open_index(self->emu.index), sync_file;
	uint32_t vm = vm_create(fd), bo = bo_create(fd, BO_SIZE), done = syncobj_create(fd);
	struct gate gate;

	if (!self->gated)
		SKIP(return, NO_GATE);
	ASSERT_EQ(gate_init(&gate, fd), 0);
	sync_file = pending_changes(fd, vm, bo, gate.syncobj, done);
	ASSERT_GE(sync_file, 0);
	close(fd);
	ASSERT_EQ(gate_open(&gate), 0);
	EXPECT_EQ(sync_file_wait(sync_file, 60000), 0);
	EXPECT_EQ(sync_file_status(sync_file), -ECANCELED);
	close(sync_file);
	close(gate.vgem);
}

TEST_F(bind, unplugged)
{
	int sync_file;

	if (!self->gated)
		SKIP(return, NO_GATE);
	sync_file = pending_changes(self->fd, self->ctx.vm, self->bo, self->gate.syncobj,
				    self->done);
	ASSERT_GE(sync_file, 0);
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	ASSERT_EQ(gate_open(&self->gate), 0);
	EXPECT_EQ(sync_file_wait(sync_file, 60000), 0);
	EXPECT_EQ(sync_file_status(sync_file), -ENODEV);
	close(sync_file);
}

TEST_F(bind, killed)
{
	int i, pipefd[2];
	char byte;
	pid_t pid;

	if (!self->gated)
		SKIP(return, NO_GATE);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(pipe(pipefd), 0);
		pid = fork();
		if (!pid) {
			int fd = device_open_index(self->emu.index);
			struct gate gate;

			gate_init(&gate, fd);
			pending_changes(fd, vm_create(fd), bo_create(fd, BO_SIZE), gate.syncobj,
					syncobj_create(fd));
			/* Dies in a synchronous call that waits. */
			if (write(pipefd[1], "", 1) == 1)
				vm_unmap(fd, 1, VA, PAGE);
			_exit(0);
		}
		EXPECT_EQ(read(pipefd[0], &byte, 1), 1);
		sleep_ms(20);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(pipefd[0]);
		close(pipefd[1]);
	}
}

/* ---- Many ------------------------------------------------------------------------------ */

TEST_F_TIMEOUT(bind, many_changes_and_jobs_between_them, 120)
{
	struct drm_npu_vm_bind_op op;
	struct drm_npu_sync syncs[2];
	struct drm_npu_job job;
	uint64_t point = 0;
	int i;

	job = copy_job(&self->ctx, VA, VA + PAGE);
	syncs[1].flags = 0;
	for (i = 0; i < 200; i++) {
		/* Each maps another part, and each job writes into that one. */
		op = map_op(self->bo, VA, 2 * PAGE, (i % 100) * 2 * PAGE);
		syncs[0] = sync_wait(self->done, point);
		syncs[1] = sync_signal(self->done, point + 1);
		ASSERT_EQ(vm_bind_async(self->fd, self->ctx.vm, &op, 1, point ? syncs : syncs + 1,
					point ? 2 : 1), 0);
		syncs[0] = sync_wait(self->done, point + 1);
		syncs[1] = sync_signal(self->done, point + 2);
		memset(self->mem + (i % 100) * 2 * PAGE, i, i < 100 ? 64 : 0);
		ASSERT_EQ(submit(self->fd, self->ctx.queue, &job, 1, syncs, 2), 0);
		point += 2;
	}
	ASSERT_EQ(drmSyncobjTimelineWait(self->fd, &self->done, &point, 1, now_ns() + LONG, 0,
					 NULL), 0);
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(self->mem[(2 * i) * PAGE], i);
		EXPECT_EQ(memcmp(self->mem + 2 * i * PAGE, self->mem + (2 * i + 1) * PAGE, 64), 0);
	}
}

TEST_HARNESS_MAIN

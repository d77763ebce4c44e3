// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device of which something is broken for good: interrupts, events, completions,
 * faults, memory, resets. The driver has to live with it, or to give it up in order and
 * say so.
 */
#include <linux/netlink.h>

#include "npu_test.h"

/* A short limit and a short bound, so that the tests do not take long. */
#define HANG_MS		200
#define RESET_MS	100
/* For what is slow on purpose. */
#define SLOW_HANG_MS	10000

#define DEAF_QUEUE	"1"
#define DEAF_CORE	"3"
#define DEAF_FUNCTION	"7"

FIXTURE(survive)
{
	struct emu emu;
	int fd;
	int uevents;
	struct ctx ctx;
};

/* Uevents of the kernel, from now on. */
static int uevent_open(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The value of a variable of a uevent, NULL if it has none of this name. */
static const char *uevent_get(const char *event, size_t size, const char *name)
{
	size_t n = strlen(name);
	const char *at;

	for (at = event; at < event + size; at += strlen(at) + 1) {
		if (!strncmp(at, name, n) && at[n] == '=')
			return at + n + 1;
	}
	return NULL;
}

/* What a device has said of its recovery. */
struct wedged {
	char recovery[32];
	char task[32];
	int pid;
};

/* Waits for the next WEDGED of a device. */
static int wedged_wait(int fd, int index, int timeout_ms, struct wedged *wedged)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	const char *recovery, *path, *pid, *task;
	char node[32], event[8192];
	ssize_t n;

	snprintf(node, sizeof(node), "/accel%d", index);
	*wedged = (struct wedged) {};
	while (poll(&pfd, 1, timeout_ms) == 1) {
		n = recv(fd, event, sizeof(event) - 1, 0);
		if (n <= 0)
			continue;
		event[n] = 0;
		recovery = uevent_get(event, n, "WEDGED");
		path = uevent_get(event, n, "DEVPATH");
		if (!recovery || !path || strcmp(strrchr(path, '/'), node))
			continue;
		pid = uevent_get(event, n, "PID");
		task = uevent_get(event, n, "TASK");
		snprintf(wedged->recovery, sizeof(wedged->recovery), "%s", recovery);
		snprintf(wedged->task, sizeof(wedged->task), "%s", task ? task : "");
		wedged->pid = pid ? atoi(pid) : 0;
		return 0;
	}
	return -ETIME;
}

FIXTURE_SETUP(survive)
{
	ASSERT_EQ(emu_make(&self->emu), 0);
	ASSERT_EQ(emu_write_number(&self->emu, "cores", 2), 0);
	ASSERT_EQ(emu_write_number(&self->emu, "slots", 8), 0);
	ASSERT_EQ(emu_write_number(&self->emu, "reset_ms", RESET_MS), 0);
	ASSERT_EQ(emu_plug(&self->emu), 0);
	self->uevents = uevent_open();
	ASSERT_GE(self->uevents, 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init_full(&self->ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, HANG_MS), 0);
}

FIXTURE_TEARDOWN(survive)
{
	EXPECT_EQ(emu_bus_errors(&self->emu), 0);
	if (self->fd >= 0)
		close(self->fd);
	close(self->uevents);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

static struct drm_npu_job nops_job(struct ctx *ctx, unsigned int count)
{
	struct npu_stream_header *header = stream_begin(ctx, 0);

	while (count--)
		stream_add_nop(header);
	return stream_job(ctx, header, 0);
}

static int run_nop(struct ctx *ctx)
{
	int ret = submit_one(ctx->fd, ctx->queue, nops_job(ctx, 1), ctx->syncobj);

	return ret ? ret : job_result(ctx->fd, ctx->syncobj);
}

static long counter(int index, const char *name)
{
	char text[1024], *at;

	if (objects_file(index, text, sizeof(text)))
		return -1;
	at = strstr(text, name);
	return at ? strtol(at + strlen(name) + 2, NULL, 10) : -1;
}

static uint32_t state_of(int fd, const struct ctx *ctx)
{
	struct drm_npu_queue_get_state state;

	return queue_state(fd, ctx->queue, &state) ? ~0u : state.state;
}

/* ---- The knobs ------------------------------------------------------------------- */

TEST_F(survive, absurd_faults_are_refused)
{
	static const struct {
		const char *file;
		const char *good;
		const char *bad;
	} knobs[] = {
		{ "hang", "4294967295", "4294967296" }, { "corrupt", "7", "-1" },
		{ "memory", "1000000", "4294967296" }, { "walk", "1000000", "x" },
		{ "status", "7", " " }, { "event", "7", "1 2" },
		{ "overflow", "0", "every" }, { "deaf", "7", "8" },
		{ "clock_khz", "1000000", "1000001" }, { "latency_us", "10000000", "10000001" },
		{ "memory_limit", "281474976710656", "281474976710657" },
		{ "irq_lost", "1000", "1001" }, { "irq_double", "1000", "1001" },
		{ "irq_spurious", "1000", "1001" }, { "disappear", "0", "2" },
	};
	char file[64], text[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		snprintf(file, sizeof(file), "faults/%s", knobs[i].file);
		EXPECT_EQ(emu_write(&self->emu, file, knobs[i].bad), -EINVAL)
			TH_LOG("%s takes %s", file, knobs[i].bad);
		EXPECT_EQ(emu_write(&self->emu, file, knobs[i].good), 0);
		EXPECT_EQ(emu_read(&self->emu, file, text, sizeof(text)), 0);
		/* What is all of a number says so. */
		EXPECT_TRUE(strcmp(knobs[i].good, "4294967295") ?
			    strtoull(text, NULL, 0) == strtoull(knobs[i].good, NULL, 0) :
			    !strcmp(text, "all\n"));
		EXPECT_EQ(emu_write(&self->emu, file, "0"), 0);
		EXPECT_EQ(emu_read(&self->emu, file, text, sizeof(text)), 0);
		EXPECT_STREQ(text, "0\n");
	}
	EXPECT_TRUE(device_works(self->fd));
	ASSERT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_EQ(emu_write(&self->emu, "faults/memory", "1"), -ENODEV);
	EXPECT_EQ(emu_read(&self->emu, "faults/memory", text, sizeof(text)), -ENODEV);
	EXPECT_EQ(emu_read(&self->emu, "faults/irq_lost", text, sizeof(text)), -ENODEV);
	ASSERT_EQ(emu_plug(&self->emu), 0);
}

/* ---- Interrupts ------------------------------------------------------------------ */

TEST_F(survive, every_interrupt_is_lost)
{
	int i;

	ASSERT_EQ(emu_write(&self->emu, "faults/irq_lost", "1000"), 0);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(run_nop(&self->ctx), 1);
	/* Translations are forgotten, slots change hands, queues end. */
	EXPECT_EQ(vm_map(self->fd, self->ctx.vm, self->ctx.bo, 64 * MIB, PAGE), 0);
	EXPECT_EQ(vm_unmap(self->fd, self->ctx.vm, 64 * MIB, PAGE), 0);
	EXPECT_TRUE(device_works(self->fd));
	EXPECT_EQ(state_of(self->fd, &self->ctx), 0);
}

TEST_F(survive, a_fault_is_noticed_without_interrupts)
{
	struct drm_npu_job job = { .stream_va = 1ull << 40, .stream_size = 64 };

	ASSERT_EQ(emu_write(&self->emu, "faults/irq_lost", "1000"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EFAULT);
	EXPECT_EQ(state_of(self->fd, &self->ctx), DRM_NPU_QUEUE_FAULTED);
}

TEST_F(survive, more_queues_than_slots_without_interrupts)
{
	struct ctx ctx[12];
	int i;

	ASSERT_EQ(emu_write(&self->emu, "faults/irq_lost", "1000"), 0);
	for (i = 0; i < ARRAY_SIZE(ctx); i++) {
		ASSERT_EQ(ctx_init_full(&ctx[i], self->fd, DRM_NPU_PRIORITY_NORMAL, HANG_MS), 0);
		ASSERT_EQ(submit_one(self->fd, ctx[i].queue, nops_job(&ctx[i], 1),
				     ctx[i].syncobj), 0);
	}
	for (i = 0; i < ARRAY_SIZE(ctx); i++)
		EXPECT_EQ(job_result(self->fd, ctx[i].syncobj), 1);
}

TEST_F(survive, every_interrupt_comes_twice)
{
	int i;

	ASSERT_EQ(emu_write(&self->emu, "faults/irq_double", "1000"), 0);
	for (i = 0; i < 100; i++)
		ASSERT_EQ(run_nop(&self->ctx), 1);
	EXPECT_EQ(counter(self->emu.index, "bad events"), 0);
	EXPECT_EQ(counter(self->emu.index, "bad sequences"), 0);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(survive, with_every_interrupt_comes_a_spurious_one)
{
	int i;

	ASSERT_EQ(emu_write(&self->emu, "faults/irq_spurious", "1000"), 0);
	for (i = 0; i < 100; i++)
		ASSERT_EQ(run_nop(&self->ctx), 1);
	/* And if nothing but these comes. */
	ASSERT_EQ(emu_write(&self->emu, "faults/irq_lost", "1000"), 0);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(run_nop(&self->ctx), 1);
	EXPECT_EQ(counter(self->emu.index, "bad events"), 0);
	EXPECT_TRUE(device_works(self->fd));
}

/* ---- Events and what they stand for ---------------------------------------------- */

TEST_F(survive, every_event_is_dropped)
{
	int i;

	ASSERT_EQ(emu_write(&self->emu, "faults/overflow", "all"), 0);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(run_nop(&self->ctx), 1);
	EXPECT_TRUE(device_works(self->fd));
	/* One interrupt may speak for several. */
	EXPECT_GE(counter(self->emu.index, "event overflows"), 5);
	EXPECT_EQ(state_of(self->fd, &self->ctx), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/overflow", "0"), 0);
	EXPECT_EQ(run_nop(&self->ctx), 1);
}

TEST_F(survive, every_event_is_garbage)
{
	int i;

	ASSERT_EQ(emu_write(&self->emu, "faults/event", "all"), 0);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(run_nop(&self->ctx), 1);
	EXPECT_TRUE(device_works(self->fd));
	EXPECT_GE(counter(self->emu.index, "bad events"), 5);
	EXPECT_EQ(state_of(self->fd, &self->ctx), 0);
}

TEST_F(survive, every_completion_is_garbage)
{
	struct ctx ctx;
	int i;

	ASSERT_EQ(emu_write(&self->emu, "faults/corrupt", "all"), 0);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(ctx_init_full(&ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, HANG_MS), 0);
		/* It may well have been executed, but nobody can know. */
		EXPECT_EQ(run_nop(&ctx), -ETIME);
		EXPECT_EQ(state_of(self->fd, &ctx), DRM_NPU_QUEUE_HUNG);
	}
	EXPECT_GE(counter(self->emu.index, "bad sequences"), 3);
	ASSERT_EQ(emu_write(&self->emu, "faults/corrupt", "0"), 0);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(survive, every_status_is_garbage)
{
	struct drm_npu_job job = { .stream_va = 1ull << 40, .stream_size = 64 };
	struct drm_npu_queue_get_state state;
	struct ctx ctx;
	int i;

	ASSERT_EQ(emu_write(&self->emu, "faults/status", "all"), 0);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
		ASSERT_EQ(submit_one(self->fd, ctx.queue, job, ctx.syncobj), 0);
		EXPECT_EQ(job_result(self->fd, ctx.syncobj), -EIO);
		ASSERT_EQ(queue_state(self->fd, ctx.queue, &state), 0);
		EXPECT_EQ(state.state, DRM_NPU_QUEUE_FAULTED);
		EXPECT_EQ(state.fault.status, ~(uint32_t)DRM_NPU_FAULT_TRANSLATION);
	}
	/* What does not fault is not concerned. */
	EXPECT_TRUE(device_works(self->fd));
}

/* ---- Memory ---------------------------------------------------------------------- */

/* One access of a job after another, those of the driver's rings included. */
TEST_F(survive, any_access_to_memory_fails)
{
	int n, result, good = 0, bad = 0;
	struct ctx ctx;
	char text[32];

	for (n = 1; n <= 40; n++) {
		ASSERT_EQ(ctx_init_full(&ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, HANG_MS), 0);
		ASSERT_EQ(emu_write_number(&self->emu, "faults/memory", n), 0);
		result = run_nop(&ctx);
		EXPECT_TRUE(result == 1 || result == -EIO || result == -ECANCELED ||
			    result == -ETIME)
			TH_LOG("access %d: %d", n, result);
		good += result == 1;
		bad += result != 1;
		ASSERT_EQ(emu_read(&self->emu, "faults/memory", text, sizeof(text)), 0);
		EXPECT_TRUE(result == 1 || !strcmp(text, "0\n"));
		ASSERT_EQ(emu_write(&self->emu, "faults/memory", "0"), 0);
		queue_destroy(self->fd, ctx.queue);
		munmap(ctx.mem, CTX_SIZE);
		vm_destroy(self->fd, ctx.vm);
		bo_close(self->fd, ctx.bo);
	}
	EXPECT_GE(good, 5);
	EXPECT_GE(bad, 5);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(survive, a_walk_meets_a_malformed_entry)
{
	struct drm_npu_queue_get_state state;

	ASSERT_EQ(emu_write(&self->emu, "faults/walk", "1"), 0);
	EXPECT_EQ(run_nop(&self->ctx), -EIO);
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.state, DRM_NPU_QUEUE_FAULTED);
	EXPECT_EQ(state.fault.status, DRM_NPU_FAULT_WALK);
	EXPECT_EQ(state.fault.va, CTX_VA);
	EXPECT_EQ(state.fault.access, DRM_NPU_ACCESS_FETCH);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(survive, no_memory_answers)
{
	int result;

	ASSERT_EQ(emu_write(&self->emu, "faults/memory_limit", "4096"), 0);
	/* The event ring is unreachable as well: the function is reset on top. */
	result = run_nop(&self->ctx);
	EXPECT_TRUE(result == -EIO || result == -ECANCELED);
	EXPECT_NE(state_of(self->fd, &self->ctx), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/memory_limit", "0"), 0);
	EXPECT_TRUE(device_works(self->fd));
}

/* ---- Time ------------------------------------------------------------------------ */

/* Runs a job; what it cost. */
static bool job_perf(struct ctx *ctx, struct drm_npu_job job, struct drm_npu_perf_query *perf)
{
	struct drm_npu_queue_get_state state;

	*perf = (struct drm_npu_perf_query) { .queue_id = ctx->queue };
	if (submit_one(ctx->fd, ctx->queue, job, ctx->syncobj) ||
	    job_result(ctx->fd, ctx->syncobj) != 1 || queue_state(ctx->fd, ctx->queue, &state))
		return false;
	perf->job = state.submitted;
	return !call(ctx->fd, DRM_IOCTL_NPU_PERF_QUERY, perf) && perf->end_ns > perf->start_ns;
}

static int64_t job_duration(struct ctx *ctx, struct drm_npu_job job)
{
	struct drm_npu_perf_query perf;

	return job_perf(ctx, job, &perf) ? (int64_t)(perf.end_ns - perf.start_ns) : -1;
}

/* The clock that a job seems to have had; 0: it failed. */
static uint64_t job_khz(struct ctx *ctx, struct drm_npu_job job)
{
	struct drm_npu_perf_query perf;

	return job_perf(ctx, job, &perf) ? perf.cycles * 1000000 / (perf.end_ns - perf.start_ns) :
					   0;
}

TEST_F(survive, a_slow_clock)
{
	struct drm_npu_job job;
	char path[96], mhz[32];
	struct ctx ctx;
	uint64_t khz;

	/* A machine that stands still for a moment makes a tile that takes ten. */
	ASSERT_EQ(ctx_init_full(&ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, SLOW_HANG_MS), 0);
	job = work_job(&ctx, 20);
	ASSERT_EQ(emu_write(&self->emu, "faults/clock_khz", "100000"), 0);
	ASSERT_EQ(emu_keep_on(&self->emu), 0);
	snprintf(path, sizeof(path), "/sys/class/accel/accel%d/device/npu_current_frequency_mhz",
		 self->emu.index);
	EXPECT_EQ(read_file(path, mhz, sizeof(mhz)), 0);
	EXPECT_STREQ(mhz, "100\n");
	/* The time stamps say so, on any machine; and slow is not hung. */
	khz = job_khz(&ctx, job);
	EXPECT_GT(khz, 0);
	EXPECT_LE(khz, 105000);
	EXPECT_EQ(state_of(self->fd, &ctx), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/clock_khz", "0"), 0);
	EXPECT_GT(job_khz(&ctx, job), 0);
	EXPECT_EQ(read_file(path, mhz, sizeof(mhz)), 0);
	EXPECT_STREQ(mhz, "1000\n");
}

TEST_F(survive, a_latency_before_each_command)
{
	int64_t start = now_ns();

	ASSERT_EQ(emu_write(&self->emu, "faults/latency_us", "50000"), 0);
	EXPECT_GE(job_duration(&self->ctx, nops_job(&self->ctx, 20)), SECOND);
	EXPECT_GE(now_ns() - start, SECOND);
	EXPECT_EQ(state_of(self->fd, &self->ctx), 0);

	/* Longer than the limit is as bad as for ever. */
	ASSERT_EQ(emu_write(&self->emu, "faults/latency_us", "10000000"), 0);
	start = now_ns();
	EXPECT_EQ(run_nop(&self->ctx), -ETIME);
	EXPECT_LT(now_ns() - start, 10 * SECOND);
	ASSERT_EQ(emu_write(&self->emu, "faults/latency_us", "0"), 0);
	EXPECT_TRUE(device_works(self->fd));
}

/* ---- Resets ---------------------------------------------------------------------- */

/*
 * One queue hangs; another one is in the middle of a job, a third one has nothing to
 * do.
 */
struct bystanders {
	struct ctx busy;
	struct ctx idle;
};

static int hang(struct emu *emu, struct ctx *ctx, struct bystanders *by)
{
	int ret;

	ret = ctx_init(&by->busy, ctx->fd);
	if (!ret)
		ret = ctx_init(&by->idle, ctx->fd);
	if (!ret)
		ret = run_nop(&by->idle) == 1 ? 0 : -EIO;
	if (!ret)
		ret = emu_write(emu, "faults/hang", "1");
	if (!ret)
		ret = submit_one(ctx->fd, ctx->queue, nops_job(ctx, 3), ctx->syncobj);
	sleep_ms(30);
	/* For seconds, on any machine. */
	if (!ret)
		ret = emu_write(emu, "faults/clock_khz", "10000");
	if (!ret)
		ret = submit_one(ctx->fd, by->busy.queue, work_job(&by->busy, WORK_LONG),
				 by->busy.syncobj);
	return ret;
}

TEST_F(survive, a_queue_reset_is_not_acknowledged)
{
	long core_resets = counter(self->emu.index, "core resets");
	long resets = counter(self->emu.index, "function resets");
	struct bystanders by;
	struct wedged wedged;

	ASSERT_EQ(emu_write(&self->emu, "faults/deaf", DEAF_QUEUE), 0);
	ASSERT_EQ(hang(&self->emu, &self->ctx, &by), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ETIME);
	EXPECT_EQ(state_of(self->fd, &self->ctx), DRM_NPU_QUEUE_HUNG);
	EXPECT_EQ(counter(self->emu.index, "core resets"), core_resets + 1);
	EXPECT_EQ(counter(self->emu.index, "function resets"), resets);
	/* On the other core, nothing has happened. */
	EXPECT_NE(syncobj_wait(self->fd, by.busy.syncobj, 0), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/clock_khz", "0"), 0);
	EXPECT_EQ(job_result(self->fd, by.busy.syncobj), 1);
	EXPECT_EQ(run_nop(&by.idle), 1);
	EXPECT_EQ(wedged_wait(self->uevents, self->emu.index, 100, &wedged), -ETIME);
	ASSERT_EQ(emu_write(&self->emu, "faults/deaf", "0"), 0);
	EXPECT_TRUE(device_works(self->fd));
}

static void own_name(char *name, size_t size)
{
	if (read_file("/proc/self/comm", name, size))
		*name = 0;
	name[strcspn(name, "\n")] = 0;
}

TEST_F(survive, a_core_reset_is_not_acknowledged)
{
	long core_resets = counter(self->emu.index, "core resets");
	long resets = counter(self->emu.index, "function resets");
	struct bystanders by;
	struct wedged wedged;
	char name[32];

	ASSERT_EQ(emu_write(&self->emu, "faults/deaf", DEAF_CORE), 0);
	ASSERT_EQ(hang(&self->emu, &self->ctx, &by), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ETIME);
	EXPECT_EQ(counter(self->emu.index, "core resets"), core_resets + 1);
	EXPECT_EQ(counter(self->emu.index, "function resets"), resets + 1);
	ASSERT_EQ(emu_write(&self->emu, "faults/clock_khz", "0"), 0);
	/* Who was in the middle of a job is lost, but not guilty; who was not goes on. */
	EXPECT_EQ(job_result(self->fd, by.busy.syncobj), -ECANCELED);
	EXPECT_EQ(state_of(self->fd, &by.busy), DRM_NPU_QUEUE_INNOCENT);
	EXPECT_EQ(run_nop(&by.idle), 1);

	own_name(name, sizeof(name));
	ASSERT_EQ(wedged_wait(self->uevents, self->emu.index, 10000, &wedged), 0);
	EXPECT_STREQ(wedged.recovery, "none");
	EXPECT_EQ(wedged.pid, getpid());
	EXPECT_STREQ(wedged.task, name);
	ASSERT_EQ(emu_write(&self->emu, "faults/deaf", "0"), 0);
	EXPECT_TRUE(device_works(self->fd));
}

/* All that needs the hardware. */
#define EXPECT_LOST(fd_, ctx_) do {								\
	struct drm_npu_perf_query perf_ = { .queue_id = (ctx_)->queue };			\
	struct drm_npu_vm_create vm_ = {};							\
	uint32_t handle_;									\
												\
	EXPECT_EQ(submit_one(fd_, (ctx_)->queue, empty_job(), (ctx_)->syncobj), -ENODEV);	\
	EXPECT_EQ(vm_map(fd_, (ctx_)->vm, (ctx_)->bo, 64 * MIB, PAGE), -ENODEV);		\
	EXPECT_EQ(call(fd_, DRM_IOCTL_NPU_VM_CREATE, &vm_), -ENODEV);				\
	EXPECT_EQ(bo_create_flags(fd_, PAGE, 0, 0, &handle_), -ENODEV);				\
	EXPECT_EQ(queue_create_full(fd_, (ctx_)->vm, 0, 0, &handle_), -ENODEV);			\
	EXPECT_EQ(call(fd_, DRM_IOCTL_NPU_PERF_QUERY, &perf_), -ENODEV);			\
} while (0)

TEST_F(survive, a_function_reset_is_not_acknowledged)
{
	char name[32];
	struct bystanders by;
	struct wedged wedged;

	ASSERT_EQ(emu_write(&self->emu, "faults/deaf", DEAF_FUNCTION), 0);
	ASSERT_EQ(hang(&self->emu, &self->ctx, &by), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ETIME);
	EXPECT_EQ(job_result(self->fd, by.busy.syncobj), -ENODEV);

	own_name(name, sizeof(name));
	ASSERT_EQ(wedged_wait(self->uevents, self->emu.index, 10000, &wedged), 0);
	EXPECT_EQ(state_of(self->fd, &by.busy), DRM_NPU_QUEUE_LOST);
	EXPECT_EQ(state_of(self->fd, &by.idle), DRM_NPU_QUEUE_LOST);
	EXPECT_LOST(self->fd, &by.idle);
	EXPECT_STREQ(wedged.recovery, bus_is_pci() ? "rebind,bus-reset" : "rebind");
	EXPECT_EQ(wedged.pid, getpid());
	EXPECT_STREQ(wedged.task, name);

	/*
	 * What the event says. It answers in time for nothing to be kept from it, and
	 * as long as it does not answer again, the driver refuses.
	 */
	ASSERT_EQ(emu_write(&self->emu, "faults/deaf", "0"), 0);
	ASSERT_EQ(emu_unbind(&self->emu), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/deaf", DEAF_FUNCTION), 0);
	EXPECT_EQ(emu_bind(&self->emu), -EIO);
	ASSERT_EQ(emu_write(&self->emu, "faults/deaf", "0"), 0);
	ASSERT_EQ(emu_bind(&self->emu), 0);
	EXPECT_LOST(self->fd, &by.idle);
	close(self->fd);
	self->emu.index = emu_find_index(&self->emu);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(survive, a_device_that_reads_as_ones)
{
	struct wedged wedged;

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/disappear", "1"), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ENODEV);
	EXPECT_LOST(self->fd, &self->ctx);
	ASSERT_EQ(wedged_wait(self->uevents, self->emu.index, 10000, &wedged), 0);
	EXPECT_STREQ(wedged.recovery, bus_is_pci() ? "rebind,bus-reset" : "rebind");
	EXPECT_EQ(wedged.pid, 0);
	/* Once. */
	EXPECT_EQ(wedged_wait(self->uevents, self->emu.index, 500, &wedged), -ETIME);
}

/* The driver itself wants a reset: nobody is to blame. */
TEST_F(survive, a_reset_that_nobody_is_guilty_of)
{
	struct wedged wedged;

	/* The first event of the job cannot be written. */
	ASSERT_EQ(emu_write(&self->emu, "faults/memory_limit", "4096"), 0);
	run_nop(&self->ctx);
	ASSERT_EQ(wedged_wait(self->uevents, self->emu.index, 10000, &wedged), 0);
	EXPECT_STREQ(wedged.recovery, "none");
	EXPECT_EQ(wedged.pid, 0);
	EXPECT_STREQ(wedged.task, "");
}

TEST_HARNESS_MAIN

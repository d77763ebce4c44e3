// SPDX-License-Identifier: GPL-2.0-only
/* Power: off when idle, system sleep and hibernation with jobs in flight. */
#include <dirent.h>

#include "npu_test.h"

FIXTURE(power)
{
	struct emu emu;
	char device[64];
	int fd;
	struct ctx ctx;
};

static bool power_is(const char *device, const char *what)
{
	return device_says(device, "power/runtime_status", what);
}

static bool power_becomes(const char *device, const char *what)
{
	int64_t end = now_ns() + 20 * SECOND;

	while (!power_is(device, what)) {
		if (now_ns() > end)
			return false;
		sleep_ms(1);
	}
	return true;
}

#define EXPECT_OFF() EXPECT_TRUE(power_becomes(self->device, "suspended"))
#define ASSERT_OFF() ASSERT_TRUE(power_becomes(self->device, "suspended"))
#define EXPECT_ON() EXPECT_TRUE(power_is(self->device, "active"))

static long long power_number(const char *device, const char *file)
{
	char path[256], text[32];

	device_path(device, file, path, sizeof(path));
	return read_file(path, text, sizeof(text)) ? -1 : atoll(text);
}

static int power_init(struct emu *emu, char *device, size_t size)
{
	int ret = emu_create(emu, 2, 4);

	if (!ret)
		ret = emu_read(emu, "device", device, size);
	device[strcspn(device, "\n")] = 0;
	return ret;
}

FIXTURE_SETUP(power)
{
	ASSERT_EQ(power_init(&self->emu, self->device, sizeof(self->device)), 0);
	ASSERT_EQ(device_write(self->device, "power/autosuspend_delay_ms", "0"), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
}

FIXTURE_TEARDOWN(power)
{
	EXPECT_EQ(emu_bus_errors(&self->emu), 0);
	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

/* Copies @n bytes from @from to @to of the context's data; returns the job's result. */
static int copy(struct ctx *ctx, int64_t from, int64_t to, uint32_t n)
{
	struct npu_stream_header *header = stream_begin(ctx, 0);

	stream_add_copy(header, 0, from, 0, to, n);
	return stream_run(ctx, header, 1);
}

/* ---- Off when idle ------------------------------------------------------------------ */

TEST_F(power, off_without_jobs)
{
	EXPECT_OFF();
}

TEST_F(power, off_after_the_delay)
{
	int64_t start;

	ASSERT_OFF();
	ASSERT_EQ(device_write(self->device, "power/autosuspend_delay_ms", "1000"), 0);
	start = now_ns();
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_OFF();
	EXPECT_GE(now_ns() - start, SECOND);
}

TEST_F(power, a_job_switches_it_on)
{
	int8_t *data = ctx_data(&self->ctx);

	ASSERT_OFF();
	memset(data, 7, 64);
	EXPECT_EQ(copy(&self->ctx, 0, 64, 64), 1);
	EXPECT_EQ(memcmp(data, data + 64, 64), 0);
	EXPECT_OFF();
}

TEST_F(power, off_and_on_many_times)
{
	int8_t *data = ctx_data(&self->ctx);
	int i;

	for (i = 0; i < 50; i++) {
		memset(data, i, 64);
		ASSERT_EQ(copy(&self->ctx, 0, 64, 64), 1);
		ASSERT_EQ(data[127], i);
		ASSERT_OFF();
	}
}

TEST_F(power, on_while_a_job_runs)
{
	ASSERT_OFF();
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	sleep_ms(50);
	EXPECT_ON();
	EXPECT_EQ(queue_destroy(self->fd, self->ctx.queue), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ECANCELED);
	EXPECT_OFF();
}

TEST_F(power, on_while_a_job_waits)
{
	struct drm_npu_job job = empty_job();
	struct drm_npu_sync syncs[2];
	struct gate gate;

	if (gate_init(&gate, self->fd))
		SKIP(return, "no vgem");
	syncs[0] = sync_wait(gate.syncobj, 0);
	syncs[1] = sync_signal(self->ctx.syncobj, 0);
	ASSERT_EQ(submit(self->fd, self->ctx.queue, &job, 1, syncs, 2), 0);
	sleep_ms(50);
	EXPECT_ON();
	EXPECT_EQ(gate_open(&gate), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_OFF();
}

TEST_F(power, a_submission_that_fails_does_not_keep_it_on)
{
	struct drm_npu_job job = { .flags = 1 };
	struct drm_npu_sync sync = sync_wait(12345, 0);

	ASSERT_OFF();
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), -EINVAL);
	job = empty_job();
	EXPECT_EQ(submit(self->fd, self->ctx.queue, &job, 1, &sync, 1), -ENOENT);
	EXPECT_OFF();
}

TEST_F(power, control_keeps_it_on)
{
	ASSERT_OFF();
	ASSERT_EQ(device_write(self->device, "power/control", "on"), 0);
	EXPECT_ON();
	sleep_ms(50);
	EXPECT_ON();
	ASSERT_EQ(device_write(self->device, "power/control", "auto"), 0);
	EXPECT_OFF();
}

/* What is changed while the device is off must not be hidden by an old translation. */
TEST_F(power, mappings_changed_while_off)
{
	uint64_t va = CTX_VA + 64 * MIB;
	uint32_t bo[2];
	char *p[2];
	int i, n;

	for (i = 0; i < 2; i++) {
		bo[i] = bo_create(self->fd, PAGE);
		p[i] = bo_map(self->fd, bo[i], PAGE);
		ASSERT_NE(p[i], MAP_FAILED);
		memset(p[i], 'a' + i, PAGE);
	}
	for (n = 0; n < 10; n++) {
		struct npu_stream_header *header = stream_begin(&self->ctx, 0);

		ASSERT_OFF();
		ASSERT_EQ(vm_map(self->fd, self->ctx.vm, bo[n % 2], va, PAGE), 0);
		EXPECT_TRUE(power_is(self->device, "suspended"));
		ctx_bases(&self->ctx)[1] = (struct npu_base) { .va = va, .size = PAGE };
		stream_add_copy(header, 1, 0, 0, 0, 64);
		ASSERT_EQ(stream_run(&self->ctx, header, 2), 1);
		EXPECT_EQ(ctx_data(&self->ctx)[63], 'a' + n % 2);
	}
	ASSERT_OFF();
	ASSERT_EQ(vm_unmap(self->fd, self->ctx.vm, va, PAGE), 0);
}

TEST_F(power, counters_go_on)
{
	struct drm_npu_perf_query perf = { .queue_id = self->ctx.queue };
	uint64_t before = 0;
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(copy(&self->ctx, 0, 64, 64), 1);
		ASSERT_OFF();
		perf = (struct drm_npu_perf_query) { .queue_id = self->ctx.queue };
		ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_PERF_QUERY, &perf), 0);
		EXPECT_GT(perf.cycles, before);
		before = perf.cycles;
		EXPECT_TRUE(power_is(self->device, "suspended"));
	}
}

TEST_F(power, statistics_do_not_switch_it_on)
{
	long long busy;

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, 20),
			     self->ctx.syncobj), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	ASSERT_OFF();
	busy = power_number(self->device, "npu_busy_time_us");
	EXPECT_GT(busy, 0);
	EXPECT_EQ(power_number(self->device, "npu_current_frequency_mhz"), 0);
	EXPECT_GT(power_number(self->device, "npu_max_frequency_mhz"), 0);
	EXPECT_GT(power_number(self->device, "npu_memory_utilization"), 0);
	EXPECT_TRUE(power_is(self->device, "suspended"));
	ASSERT_EQ(device_write(self->device, "power/control", "on"), 0);
	EXPECT_GE(power_number(self->device, "npu_busy_time_us"), busy);
	EXPECT_GT(power_number(self->device, "npu_current_frequency_mhz"), 0);
}

TEST_F(power, the_time_and_the_sensors_do)
{
	struct drm_npu_time_info time = {};
	struct drm_npu_dev_query query = {
		.type = DRM_NPU_QUERY_TIME, .size = sizeof(time), .ptr = (uintptr_t)&time,
	};
	char path[256], file[64], text[32];
	struct dirent *entry;
	DIR *dir;

	ASSERT_OFF();
	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_DEV_QUERY, &query), 0);
	EXPECT_GT(time.device_ns, 0);
	EXPECT_OFF();
	device_path(self->device, "hwmon", path, sizeof(path));
	dir = opendir(path);
	if (!dir)
		SKIP(return, "no hwmon");
	while ((entry = readdir(dir)) && strncmp(entry->d_name, "hwmon", 5))
		;
	ASSERT_NE(entry, NULL);
	snprintf(file, sizeof(file), "hwmon/%.32s/power1_input", entry->d_name);
	device_path(self->device, file, path, sizeof(path));
	closedir(dir);
	ASSERT_EQ(read_file(path, text, sizeof(text)), 0);
	/* Microwatts of a device that is on. */
	EXPECT_GT(atoi(text), 100000);
	EXPECT_OFF();
}

TEST_F(power, queues_and_address_spaces_come_and_go_while_off)
{
	struct ctx ctx;

	ASSERT_OFF();
	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	EXPECT_TRUE(power_is(self->device, "suspended"));
	EXPECT_EQ(queue_destroy(self->fd, self->ctx.queue), 0);
	EXPECT_EQ(vm_destroy(self->fd, self->ctx.vm), 0);
	EXPECT_EQ(copy(&ctx, 0, 64, 64), 1);
	EXPECT_OFF();
	EXPECT_EQ(queue_destroy(self->fd, ctx.queue), 0);
}

TEST_F(power, off_after_a_hang)
{
	struct ctx ctx;

	ASSERT_EQ(ctx_init_full(&ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, 200), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, ctx.queue, work_job(&ctx, 1), ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, ctx.syncobj), -ETIME);
	EXPECT_OFF();
	EXPECT_EQ(copy(&self->ctx, 0, 64, 64), 1);
	EXPECT_OFF();
}

TEST_F(power, off_after_jobs_that_were_cancelled)
{
	struct drm_npu_job job = work_job(&self->ctx, 50);
	int i;

	for (i = 0; i < 100; i++)
		ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	EXPECT_EQ(queue_destroy(self->fd, self->ctx.queue), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ECANCELED);
	EXPECT_OFF();
}

TEST_F(power, unplugged_while_off)
{
	ASSERT_OFF();
	EXPECT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), -ENODEV);
	EXPECT_EQ(emu_plug(&self->emu), 0);
}

TEST_F(power, unbound_while_off)
{
	int fd;

	ASSERT_OFF();
	ASSERT_EQ(emu_unbind(&self->emu), 0);
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), -ENODEV);
	ASSERT_EQ(emu_bind(&self->emu), 0);
	fd = device_open_index(emu_find_index(&self->emu));
	EXPECT_TRUE(device_works(fd));
	close(fd);
	EXPECT_OFF();
}

TEST_F(power, gone_while_off)
{
	ASSERT_OFF();
	ASSERT_EQ(emu_write(&self->emu, "faults/disappear", "1"), 0);
	if (!submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj))
		EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ENODEV);
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), -ENODEV);
}

struct copier {
	pthread_t thread;
	int index;
	int wrong;
};

/* Jobs with pauses around the time that it takes to switch off. */
static void *copier_run(void *arg)
{
	struct copier *copier = arg;
	int fd = device_open_index(copier->index), i;
	struct ctx ctx;
	int8_t *data;

	copier->wrong = fd < 0 || ctx_init(&ctx, fd);
	if (copier->wrong)
		return NULL;
	data = ctx_data(&ctx);
	for (i = 0; i < 200; i++) {
		memset(data, i, 64);
		if (copy(&ctx, 0, 64, 64) != 1 || memcmp(data, data + 64, 64))
			copier->wrong++;
		usleep(i % 20 * 100);
	}
	close(fd);
	return NULL;
}

TEST_F_TIMEOUT(power, off_and_on_under_several_users, 300)
{
	struct copier copiers[3];
	int i;

	for (i = 0; i < 3; i++) {
		copiers[i].index = self->emu.index;
		ASSERT_EQ(pthread_create(&copiers[i].thread, NULL, copier_run, &copiers[i]), 0);
	}
	for (i = 0; i < 3; i++) {
		pthread_join(copiers[i].thread, NULL);
		EXPECT_EQ(copiers[i].wrong, 0);
	}
	EXPECT_OFF();
}

/* ---- System sleep ---------------------------------------------------------------------- */

/* With a @test all of it but the end: devices sleep, and wake a second later. */
static bool system_can(const char *test, const char *state)
{
	char text[64] = "";

	return !read_file("/sys/power/state", text, sizeof(text)) && strstr(text, state) &&
	       (test ? !access("/sys/power/pm_test", W_OK) : bench_exists());
}

static int system_sleep(const char *test, const char *state)
{
	int ret, tries;

	/* A button that is pressed on the way to sleep ends that. */
	if (!test) {
		for (tries = 0; tries < 10; tries++) {
			ret = write_file("/sys/power/state", state);
			if (ret != -EBUSY)
				break;
		}
		return ret;
	}
	write_file("/sys/module/suspend/parameters/pm_test_delay", "1");
	ret = write_file("/sys/power/pm_test", test);
	if (!ret)
		ret = write_file("/sys/power/state", state);
	write_file("/sys/power/pm_test", "none");
	return ret;
}

FIXTURE(sleep)
{
	struct emu emu;
	char device[64];
	int fd;
	struct ctx ctx;
};

FIXTURE_VARIANT(sleep)
{
	const char *test;
	const char *state;
};

FIXTURE_VARIANT_ADD(sleep, idle)
{
	.state = "freeze",
};

FIXTURE_VARIANT_ADD(sleep, devices)
{
	.test = "devices",
	.state = "freeze",
};

FIXTURE_VARIANT_ADD(sleep, hibernation)
{
	.test = "core",
	.state = "disk",
};

FIXTURE_SETUP(sleep)
{
	ASSERT_EQ(power_init(&self->emu, self->device, sizeof(self->device)), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
}

FIXTURE_TEARDOWN(sleep)
{
	EXPECT_EQ(emu_bus_errors(&self->emu), 0);
	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

TEST_F(sleep, without_jobs)
{
	if (!system_can(variant->test, variant->state))
		SKIP(return, "this machine cannot test '%s'", variant->state);
	ASSERT_EQ(system_sleep(variant->test, variant->state), 0);
	EXPECT_EQ(copy(&self->ctx, 0, 64, 64), 1);
	EXPECT_OFF();
	/* And when it is off already. */
	ASSERT_EQ(system_sleep(variant->test, variant->state), 0);
	EXPECT_TRUE(power_is(self->device, "suspended"));
	EXPECT_EQ(copy(&self->ctx, 0, 64, 64), 1);
}

TEST_F(sleep, jobs_in_flight_go_on)
{
	int8_t *data = ctx_data(&self->ctx);
	struct npu_stream_header *header;
	uint32_t more = syncobj_create(self->fd);
	int i;

	if (!system_can(variant->test, variant->state))
		SKIP(return, "this machine cannot test '%s'", variant->state);
	memset(data, 0, 128);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job_for(&self->ctx, 1500),
			     self->ctx.syncobj), 0);
	for (i = 0; i < 150; i++)
		ASSERT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), more), 0);
	ASSERT_EQ(system_sleep(variant->test, variant->state), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	EXPECT_EQ(job_result(self->fd, more), 1);
	memset(data, 5, 64);
	header = stream_begin(&self->ctx, 0);
	stream_add_copy(header, 0, 0, 0, 64, 64);
	EXPECT_EQ(stream_run(&self->ctx, header, 1), 1);
	EXPECT_EQ(data[100], 5);
	EXPECT_OFF();
}

TEST_F(sleep, many_queues_in_flight)
{
	struct ctx ctx[8];
	int i;

	if (!system_can(variant->test, variant->state))
		SKIP(return, "this machine cannot test '%s'", variant->state);
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(ctx_init(&ctx[i], self->fd), 0);
		ASSERT_EQ(submit_one(self->fd, ctx[i].queue, work_job_for(&ctx[i], 200),
				     ctx[i].syncobj), 0);
	}
	ASSERT_EQ(system_sleep(variant->test, variant->state), 0);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(job_result(self->fd, ctx[i].syncobj), 1);
	EXPECT_OFF();
}

/* A command without end is in the way of sleep: the function is reset. */
TEST_F(sleep, a_hung_job_is_cancelled)
{
	struct drm_npu_queue_get_state state;
	struct ctx ctx;

	if (!system_can(variant->test, variant->state))
		SKIP(return, "this machine cannot test '%s'", variant->state);
	ASSERT_EQ(ctx_init_full(&ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, 60000), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, ctx.queue, work_job(&ctx, 1), ctx.syncobj), 0);
	sleep_ms(50);
	ASSERT_EQ(system_sleep(variant->test, variant->state), 0);
	EXPECT_EQ(job_result(self->fd, ctx.syncobj), -ECANCELED);
	ASSERT_EQ(queue_state(self->fd, ctx.queue, &state), 0);
	EXPECT_EQ(state.state, DRM_NPU_QUEUE_INNOCENT);
	EXPECT_EQ(copy(&self->ctx, 0, 64, 64), 1);
	EXPECT_OFF();
}

TEST_F(sleep, again_and_again)
{
	int i;

	if (!system_can(variant->test, variant->state))
		SKIP(return, "this machine cannot test '%s'", variant->state);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job_for(&self->ctx, 300),
				     self->ctx.syncobj), 0);
		ASSERT_EQ(system_sleep(variant->test, variant->state), 0);
		EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	}
}

TEST_HARNESS_MAIN

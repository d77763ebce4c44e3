// SPDX-License-Identifier: GPL-2.0-only
/* What can be seen from outside: fdinfo, sysfs, hwmon, debugfs, tracepoints. */
#include <dirent.h>
#include <sys/mount.h>

#include "npu_test.h"

FIXTURE(observe)
{
	struct emu emu;
	int fd;
	struct ctx ctx;
	char text[64 * 1024];
};

FIXTURE_SETUP(observe)
{
	ASSERT_EQ(emu_create(&self->emu, 2, 8), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
}

FIXTURE_TEARDOWN(observe)
{
	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

/* ---- fdinfo ----------------------------------------------------------------------- */

/* The value of a key in KiB or as it stands, -1 if there is none. */
static long long fdinfo(int fd, const char *key)
{
	char path[64], text[4096], line[64];
	const char *at;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (read_file(path, text, sizeof(text)))
		return -1;
	snprintf(line, sizeof(line), "\n%s:\t", key);
	at = strstr(text, line);
	return at ? atoll(at + strlen(line)) : -1;
}

TEST_F(observe, fdinfo_has_the_keys_of_drm)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	ASSERT_EQ(read_file(path, self->text, sizeof(self->text)), 0);
	EXPECT_NE(strstr(self->text, "\ndrm-driver:\tnpu\n"), NULL);
	EXPECT_GT(fdinfo(self->fd, "drm-client-id"), 0);
	EXPECT_EQ(fdinfo(self->fd, "drm-engine-npu"), 0);
	EXPECT_EQ(fdinfo(self->fd, "drm-engine-capacity-npu"), 2);
	EXPECT_EQ(fdinfo(self->fd, "drm-cycles-npu"), 0);
	EXPECT_NE(strstr(self->text, "\ndrm-maxfreq-npu:\t1000000 KHz\n"), NULL);
	EXPECT_EQ(fdinfo(self->fd, "drm-total-memory"), CTX_SIZE / 1024);
	EXPECT_EQ(fdinfo(self->fd, "drm-resident-memory"), CTX_SIZE / 1024);
	EXPECT_EQ(fdinfo(self->fd, "drm-shared-memory"), 0);
	EXPECT_EQ(fdinfo(self->fd, "drm-active-memory"), 0);
	EXPECT_EQ(fdinfo(self->fd, "drm-purgeable-memory"), 0);
}

TEST_F(observe, fdinfo_knows_what_may_go)
{
	struct drm_npu_bo_madvise args = {
		.handle = bo_create(self->fd, MIB + PAGE), .advice = DRM_NPU_MADVISE_DONTNEED,
	};
	long long resident = fdinfo(self->fd, "drm-resident-memory");

	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MADVISE, &args), 0);
	EXPECT_EQ(fdinfo(self->fd, "drm-purgeable-memory"), (MIB + PAGE) / 1024);
	EXPECT_EQ(fdinfo(self->fd, "drm-resident-memory"), resident);
	args = (struct drm_npu_bo_madvise) {
		.handle = args.handle, .advice = DRM_NPU_MADVISE_WILLNEED,
	};
	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_MADVISE, &args), 0);
	EXPECT_EQ(fdinfo(self->fd, "drm-purgeable-memory"), 0);
}

TEST_F(observe, fdinfo_counts_the_cycles_of_jobs)
{
	struct drm_npu_perf_query perf = { .queue_id = self->ctx.queue };
	int other = device_open_index(self->emu.index);

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, 3),
			     self->ctx.syncobj), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_PERF_QUERY, &perf), 0);
	EXPECT_GT(perf.cycles, 0);
	EXPECT_EQ(fdinfo(self->fd, "drm-cycles-npu"), perf.cycles);
	/* One cycle takes a nanosecond at nominal clock. */
	EXPECT_EQ(fdinfo(self->fd, "drm-engine-npu"), perf.cycles);
	EXPECT_EQ(fdinfo(other, "drm-cycles-npu"), 0);
	close(other);
}

TEST_F(observe, fdinfo_never_goes_back)
{
	long long before, now;
	struct ctx ctx;
	int i;

	for (i = 0, before = 0; i < 20; i++) {
		ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
		ASSERT_EQ(submit_one(self->fd, ctx.queue, work_job(&ctx, 2), ctx.syncobj), 0);
		if (i % 2)
			ASSERT_EQ(job_result(self->fd, ctx.syncobj), 1);
		ASSERT_EQ(queue_destroy(self->fd, ctx.queue), 0);
		now = fdinfo(self->fd, "drm-cycles-npu");
		EXPECT_GE(now, before);
		if (i % 2)
			EXPECT_GT(now, 0);
		before = now;
		munmap(ctx.mem, CTX_SIZE);
	}
}

TEST_F(observe, fdinfo_shows_memory_that_jobs_use)
{
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	EXPECT_EQ(fdinfo(self->fd, "drm-active-memory"), CTX_SIZE / 1024);
	ASSERT_EQ(queue_destroy(self->fd, self->ctx.queue), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ECANCELED);
	EXPECT_EQ(fdinfo(self->fd, "drm-active-memory"), 0);
}

TEST_F(observe, fdinfo_shows_shared_memory)
{
	int dma_buf, other = device_open_index(self->emu.index);
	uint32_t imported;

	ASSERT_EQ(drmPrimeHandleToFD(self->fd, self->ctx.bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(other, dma_buf, &imported), 0);
	EXPECT_EQ(fdinfo(self->fd, "drm-shared-memory"), CTX_SIZE / 1024);
	EXPECT_EQ(fdinfo(other, "drm-shared-memory"), CTX_SIZE / 1024);
	close(dma_buf);
	close(other);
}

/* ---- sysfs, hwmon --------------------------------------------------------------------- */

#define MODERATION	"npu_interrupt_moderation_us"

static int sysfs_read(const struct emu *emu, const char *name, char *text, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/accel/accel%d/device/%s", emu->index, name);
	return read_file(path, text, size);
}

static long long sysfs(const struct emu *emu, const char *name)
{
	char text[64];
	int ret = sysfs_read(emu, name, text, sizeof(text));

	return ret ? ret : atoll(text);
}

TEST_F(observe, sysfs_shows_the_device)
{
	long long memory = sysfs(&self->emu, "npu_memory_utilization");
	uint32_t bo;

	ASSERT_EQ(emu_keep_on(&self->emu), 0);

	EXPECT_EQ(memory, CTX_SIZE);
	bo = bo_create(self->fd, MIB);
	EXPECT_EQ(sysfs(&self->emu, "npu_memory_utilization"), memory + MIB);
	ASSERT_EQ(bo_close(self->fd, bo), 0);
	EXPECT_EQ(sysfs(&self->emu, "npu_memory_utilization"), memory);
	EXPECT_EQ(sysfs(&self->emu, "npu_max_frequency_mhz"), 1000);
	EXPECT_EQ(sysfs(&self->emu, "npu_current_frequency_mhz"), 1000);
	EXPECT_EQ(sysfs(&self->emu, "npu_busy_time_us"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, 100),
			     self->ctx.syncobj), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	/* The average of two cores, of which one has worked. */
	EXPECT_EQ(sysfs(&self->emu, "npu_busy_time_us"),
		  fdinfo(self->fd, "drm-engine-npu") / 2000);
}

static int sysfs_write(const struct emu *emu, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/accel/accel%d/device/%s", emu->index, name);
	return write_file(path, text);
}

TEST_F(observe, sysfs_moderates_interrupts)
{
	int i;

	EXPECT_EQ(sysfs(&self->emu, MODERATION), 0);
	EXPECT_EQ(sysfs_write(&self->emu, MODERATION, "10001"), -EINVAL);
	EXPECT_EQ(sysfs_write(&self->emu, MODERATION, "4294967296"), -EINVAL);
	EXPECT_EQ(sysfs_write(&self->emu, MODERATION, "-1"), -EINVAL);
	EXPECT_EQ(sysfs_write(&self->emu, MODERATION, "soon"), -EINVAL);
	EXPECT_EQ(sysfs(&self->emu, MODERATION), 0);
	ASSERT_EQ(sysfs_write(&self->emu, MODERATION, "10000"), 0);
	EXPECT_EQ(sysfs(&self->emu, MODERATION), 10000);
	/* Each one but the first waits for the delayed interrupt. */
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, 1),
				     self->ctx.syncobj), 0);
		ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	}
	ASSERT_EQ(sysfs_write(&self->emu, MODERATION, "0"), 0);
	EXPECT_EQ(sysfs(&self->emu, MODERATION), 0);
}

TEST_F(observe, sysfs_of_a_device_that_disappeared)
{
	ASSERT_EQ(emu_write(&self->emu, "faults/disappear", "1"), 0);
	EXPECT_EQ(sysfs(&self->emu, "npu_busy_time_us"), -ENODEV);
	EXPECT_EQ(sysfs(&self->emu, "npu_current_frequency_mhz"), -ENODEV);
	EXPECT_EQ(sysfs(&self->emu, "npu_max_frequency_mhz"), 1000);
}

TEST_F(observe, hwmon_has_temperature_and_power)
{
	char path[300], name[256] = "";
	struct dirent *entry;
	DIR *dir;

	if (access("/sys/class/hwmon", F_OK))
		SKIP(return, "no hwmon in this kernel");
	snprintf(path, sizeof(path), "/sys/class/accel/accel%d/device/hwmon", self->emu.index);
	dir = opendir(path);
	ASSERT_NE(dir, NULL);
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, "hwmon", 5))
			snprintf(name, sizeof(name), "%s", entry->d_name);
	closedir(dir);
	snprintf(path, sizeof(path), "hwmon/%s/temp1_input", name);
	EXPECT_GT(sysfs(&self->emu, path), 0);
	snprintf(path, sizeof(path), "hwmon/%s/power1_input", name);
	EXPECT_GE(sysfs(&self->emu, path), 1000);
	ASSERT_EQ(emu_write(&self->emu, "faults/disappear", "1"), 0);
	EXPECT_EQ(sysfs(&self->emu, path), -ENODEV);
}

/* ---- debugfs ---------------------------------------------------------------------------- */

static int debugfs(const struct emu *emu, const char *name, char *text, size_t size)
{
	return debugfs_file(emu->index, name, text, size);
}

TEST_F(observe, debugfs_shows_what_there_is)
{
	struct drm_npu_bo_label label = {
		.handle = self->ctx.bo, .label = (uintptr_t)"a label",
	};
	char expect[64];

	if (access("/sys/kernel/debug/accel", F_OK))
		SKIP(return, "no debugfs in this kernel");
	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_LABEL, &label), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	sleep_ms(20);
	ASSERT_EQ(debugfs(&self->emu, "queues", self->text, sizeof(self->text)), 0);
	snprintf(expect, sizeof(expect), "pid %d ", getpid());
	EXPECT_NE(strstr(self->text, expect), NULL);
	EXPECT_NE(strstr(self->text, "submitted 1 emitted 1 completed 0"), NULL);
	ASSERT_EQ(debugfs(&self->emu, "rings", self->text, sizeof(self->text)), 0);
	snprintf(expect, sizeof(expect), "1: stream %#lx size", CTX_VA);
	EXPECT_NE(strstr(self->text, expect), NULL);
	ASSERT_EQ(debugfs(&self->emu, "vms", self->text, sizeof(self->text)), 0);
	snprintf(expect, sizeof(expect), "mappings 1 mapped %lu ", CTX_SIZE);
	EXPECT_NE(strstr(self->text, expect), NULL);
	ASSERT_EQ(debugfs(&self->emu, "bos", self->text, sizeof(self->text)), 0);
	snprintf(expect, sizeof(expect), "size %lu ", CTX_SIZE);
	EXPECT_NE(strstr(self->text, expect), NULL);
	EXPECT_NE(strstr(self->text, " a label\n"), NULL);
}

TEST_F(observe, debugfs_remembers_faults)
{
	struct drm_npu_job job = { .stream_va = 0x7000000000, .stream_size = 64 };
	char expect[64];
	uint32_t queue;
	int i;

	if (access("/sys/kernel/debug/accel", F_OK))
		SKIP(return, "no debugfs in this kernel");
	ASSERT_EQ(debugfs(&self->emu, "faults", self->text, sizeof(self->text)), 0);
	EXPECT_STREQ(self->text, "incidents: 0\n");
	/* More than it remembers. */
	for (i = 0; i < 40; i++) {
		queue = queue_create(self->fd, self->ctx.vm);
		job.stream_va += PAGE;
		ASSERT_EQ(submit_one(self->fd, queue, job, self->ctx.syncobj), 0);
		ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), -EFAULT);
	}
	ASSERT_EQ(debugfs(&self->emu, "faults", self->text, sizeof(self->text)), 0);
	EXPECT_NE(strstr(self->text, "incidents: 40\n"), NULL);
	snprintf(expect, sizeof(expect), "va %#lx ", 0x7000000000 + 40 * PAGE);
	EXPECT_NE(strstr(self->text, expect), NULL);
	snprintf(expect, sizeof(expect), "va %#lx ", 0x7000000000 + 8 * PAGE);
	EXPECT_EQ(strstr(self->text, expect), NULL);
	snprintf(expect, sizeof(expect), "va %#lx ", 0x7000000000 + 9 * PAGE);
	EXPECT_NE(strstr(self->text, expect), NULL);
}

/* ---- Tracepoints ------------------------------------------------------------------------- */

#define TRACING "/sys/kernel/tracing"

/* The file comes in pieces. */
static int trace_read(char *text, size_t size)
{
	int fd = open(TRACING "/trace", O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;
	size_t at = 0;

	while (fd >= 0 && n > 0 && at < size - 1) {
		n = read(fd, text + at, size - 1 - at);
		at += n > 0 ? n : 0;
	}
	text[at] = 0;
	close(fd);
	return fd < 0 || n < 0 ? -errno : 0;
}

TEST_F(observe, tracepoints_name_our_jobs)
{
	char expect[64];
	size_t i;
	static const char * const events[] = {
		"npu_job_submit", "npu_job_emit", "npu_job_complete", "npu_slot_bind",
		"npu_slot_unbind", "npu_vm_bind", "npu_tlb_invalidate", "npu_queue_ban",
	};

	mount("tracefs", TRACING, "tracefs", 0, NULL);
	if (access(TRACING "/events/npu", F_OK))
		SKIP(return, "no tracefs in this kernel");
	ASSERT_EQ(write_file(TRACING "/trace", ""), 0);
	ASSERT_EQ(write_file(TRACING "/events/npu/enable", "1"), 0);
	write_file(TRACING "/events/gpu_scheduler/enable", "1");
	write_file(TRACING "/tracing_on", "1");
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	ASSERT_EQ(vm_unmap(self->fd, self->ctx.vm, CTX_VA, CTX_SIZE), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue,
			     (struct drm_npu_job) { .stream_va = CTX_VA, .stream_size = 64 },
			     self->ctx.syncobj), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), -EFAULT);
	write_file(TRACING "/events/gpu_scheduler/enable", "0");
	EXPECT_EQ(write_file(TRACING "/events/npu/enable", "0"), 0);
	ASSERT_EQ(trace_read(self->text, sizeof(self->text)), 0);
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		snprintf(expect, sizeof(expect), " %s: ", events[i]);
		EXPECT_NE(strstr(self->text, expect), NULL)
			TH_LOG("no %s", events[i]);
	}
	snprintf(expect, sizeof(expect), "npu_job_complete: queue=npu%d-queue1 job=2 error=-14",
		 self->emu.index);
	EXPECT_NE(strstr(self->text, expect), NULL);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cost of a job that does nothing, beside costs that everybody knows, in one
 * run: medians of interleaved rounds, and ratios. Nothing here passes or fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <xf86drm.h>

#include <drm/npu_accel.h>

#define ROUNDS	15

static int fd;
static uint32_t vm, queue, syncobj;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

/* ---- What everybody knows ------------------------------------------------------- */

static void bench_getpid(int n)
{
	while (n--)
		syscall(SYS_getpid);
}

static int ping, pong;

static void *ponger(void *arg)
{
	uint64_t value;
	int n = *(int *)arg;

	while (n--) {
		check(read(ping, &value, 8) == 8, "read");
		check(write(pong, &value, 8) == 8, "write");
	}
	return NULL;
}

static void bench_eventfd(int n)
{
	uint64_t value = 1;
	pthread_t thread;
	int count = n;

	check(!pthread_create(&thread, NULL, ponger, &count), "pthread_create");
	while (n--) {
		check(write(ping, &value, 8) == 8, "write");
		check(read(pong, &value, 8) == 8, "read");
	}
	pthread_join(thread, NULL);
}

/* ---- The driver ------------------------------------------------------------------- */

static void submit(uint32_t count, bool signal)
{
	static struct drm_npu_job jobs[DRM_NPU_SUBMIT_MAX];
	struct drm_npu_sync sync = { .flags = DRM_NPU_SYNC_SIGNAL, .handle = syncobj };
	struct drm_npu_submit args = {
		.queue_id = queue,
		.jobs = { .stride = sizeof(jobs[0]), .count = count, .ptr = (uintptr_t)jobs },
		.syncs = { .stride = sizeof(sync), .count = signal, .ptr = (uintptr_t)&sync },
	};

	check(!drmIoctl(fd, DRM_IOCTL_NPU_SUBMIT, &args), "SUBMIT");
}

static void wait_all(void)
{
	check(!drmSyncobjWait(fd, &syncobj, 1, INT64_MAX, 0, NULL), "wait");
}

static void bench_query(int n)
{
	struct drm_npu_dev_query args = { .type = DRM_NPU_QUERY_DEVICE };

	while (n--)
		check(!drmIoctl(fd, DRM_IOCTL_NPU_DEV_QUERY, &args), "DEV_QUERY");
}

static void bench_round_trip(int n)
{
	while (n--) {
		submit(1, true);
		wait_all();
	}
}

static void bench_stream(int n)
{
	while (n--)
		submit(1, !n);
	wait_all();
}

static void bench_batch(int n)
{
	for (n /= DRM_NPU_SUBMIT_MAX; n--;)
		submit(DRM_NPU_SUBMIT_MAX, !n);
	wait_all();
}

static void bench_bo(int n)
{
	while (n--) {
		struct drm_npu_bo_create args = { .size = 4096 };

		check(!drmIoctl(fd, DRM_IOCTL_NPU_BO_CREATE, &args), "BO_CREATE");
		drmCloseBufferHandle(fd, args.handle);
	}
}

static void bench_bind(int n)
{
	struct drm_npu_bo_create bo = { .size = 4096 };

	check(!drmIoctl(fd, DRM_IOCTL_NPU_BO_CREATE, &bo), "BO_CREATE");
	while (n--) {
		struct drm_npu_vm_bind_op ops[2] = {
			{ .type = DRM_NPU_VM_BIND_MAP, .handle = bo.handle, .va = 1 << 20,
			  .size = 4096 },
			{ .type = DRM_NPU_VM_BIND_UNMAP, .va = 1 << 20, .size = 4096 },
		};
		struct drm_npu_vm_bind args = {
			.vm_id = vm,
			.ops = { .stride = sizeof(ops[0]), .count = 2, .ptr = (uintptr_t)ops },
		};

		check(!drmIoctl(fd, DRM_IOCTL_NPU_VM_BIND, &args), "VM_BIND");
	}
	drmCloseBufferHandle(fd, bo.handle);
}

/* ---- Table --------------------------------------------------------------------------- */

static const struct bench {
	const char *name;
	void (*run)(int n);
	int n;
} benches[] = {
	{ "getpid", bench_getpid, 20000 },
	{ "eventfd ping-pong, two threads", bench_eventfd, 500 },
	{ "ioctl DEV_QUERY", bench_query, 5000 },
	{ "no-op job, submit to wait returned", bench_round_trip, 300 },
	{ "no-op job, one SUBMIT each", bench_stream, 600 },
	{ "no-op job, 64 in a SUBMIT", bench_batch, 1280 },
	{ "BO_CREATE of a page and close", bench_bo, 300 },
	{ "VM_BIND map and unmap of a page", bench_bind, 300 },
};

#define BENCHES	(sizeof(benches) / sizeof(benches[0]))

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	static double times[BENCHES][ROUNDS];
	struct drm_npu_queue_create q = { .priority = DRM_NPU_PRIORITY_NORMAL };
	struct drm_npu_vm_create v = {};
	size_t i, round;
	double start;

	fd = open("/dev/accel/accel0", O_RDWR | O_CLOEXEC);
	check(fd >= 0, "/dev/accel/accel0");
	check(!drmIoctl(fd, DRM_IOCTL_NPU_VM_CREATE, &v), "VM_CREATE");
	vm = q.vm_id = v.vm_id;
	check(!drmIoctl(fd, DRM_IOCTL_NPU_QUEUE_CREATE, &q), "QUEUE_CREATE");
	queue = q.queue_id;
	check(!drmSyncobjCreate(fd, 0, &syncobj), "syncobj");
	ping = eventfd(0, 0);
	pong = eventfd(0, 0);

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < BENCHES; i++) {
			start = now();
			benches[i].run(benches[i].n);
			times[i][round] = (now() - start) / benches[i].n;
		}
	}
	for (i = 0; i < BENCHES; i++)
		qsort(times[i], ROUNDS, sizeof(double), compare);

	printf("%-38s %10s %10s %12s\n", "", "ns", "x getpid", "x ping-pong");
	for (i = 0; i < BENCHES; i++)
		printf("%-38s %10.0f %10.1f %12.2f\n", benches[i].name, times[i][ROUNDS / 2],
		       times[i][ROUNDS / 2] / times[0][ROUNDS / 2],
		       times[i][ROUNDS / 2] / times[1][ROUNDS / 2]);
	if (getenv("NPU_LOAD_TIME"))
		printf("%-38s %10s s\n", "modules loaded to /dev/accel/accel0", getenv("NPU_LOAD_TIME"));
	return 0;
}

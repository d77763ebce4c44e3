// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many instructions calls of the driver take, user and kernel. For a machine whose
 * time-stamp counter counts instructions: QEMU with -icount shift=0, one processor.
 *
 * A row that is one call is the shortest of many: no timer interrupt, no slab that runs
 * empty. One that says "per job" or "in all" is the median: typical slabs and switches
 * are part of it, the timer's interrupt every 4 ms is not.
 *
 * Where a call hands work to somebody else, the caller has realtime priority: what is
 * counted ends with the return of the call, and the work comes afterwards. Rows "in all"
 * count everything that the processor does, that is the scheduler, the threads that are
 * the device's cores, and interrupts as well.
 *
 * Prints a row per line: instructions, their ratio to getpid, text.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#include "calls.h"

#define SHMEM_ENABLED	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define CLIENT_BUFFERS	"/sys/module/npu/parameters/client_buffers"
#define POWER_CONTROL	"/sys/class/accel/accel0/device/power/control"

#define CALLS	2000
#define MANY	100000
#define PAGES	1000

#define VA	(1ull << 30)
#define VA_MANY	(1ull << 32)

static int fd;
static uint32_t vm, queue, syncobj;
static double getpid_count;

static uint64_t samples[2][CALLS];
static uint64_t overhead;

/* ---- Counting ------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t shortest(uint64_t *sample)
{
	qsort(sample, CALLS, sizeof(*sample), compare);
	return sample[0] - overhead;
}

static uint64_t median(uint64_t *sample)
{
	qsort(sample, CALLS, sizeof(*sample), compare);
	return sample[CALLS / 2] - overhead;
}

static uint64_t mean(const uint64_t *sample)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < CALLS; i++)
		sum += sample[i];
	return sum / CALLS - overhead;
}

static void print(const char *text, uint64_t count)
{
	if (!getpid_count)
		getpid_count = count;
	printf("%10lu %10.2f  %s\n", (unsigned long)count, count / getpid_count, text);
}

/* The instructions of @call go to @sample. */
#define COUNT(sample, call)				\
	do {						\
		uint64_t start = __rdtsc();		\
							\
		call;					\
		(sample) = __rdtsc() - start;		\
	} while (0)

/* Who has this priority is interrupted by nobody but the timer. */
static void be_realtime(bool realtime)
{
	const struct sched_param param = { .sched_priority = realtime ? 1 : 0 };

	check(!sched_setscheduler(0, realtime ? SCHED_FIFO : SCHED_OTHER, &param), "scheduler");
}

/* ---- What everybody knows --------------------------------------------------------------- */

static void count_overhead(void)
{
	int i;

	for (i = 0; i < CALLS; i++)
		COUNT(samples[0][i], );
	overhead = shortest(samples[0]);
}

static void count_getpid(void)
{
	int i;

	for (i = 0; i < CALLS; i++)
		COUNT(samples[0][i], syscall(SYS_getpid));
	print("getpid", shortest(samples[0]));
}

static int ping, pong;

static void *ponger(void *arg)
{
	uint64_t value;
	int i;

	(void)arg;
	for (i = 0; i < CALLS; i++) {
		check(read(ping, &value, 8) == 8, "read");
		check(write(pong, &value, 8) == 8, "write");
	}
	return NULL;
}

static void ping_pong(void)
{
	uint64_t value = 1;

	check(write(ping, &value, 8) == 8, "write");
	check(read(pong, &value, 8) == 8, "read");
}

static void count_ping_pong(void)
{
	pthread_t thread;
	int i;

	ping = eventfd(0, 0);
	pong = eventfd(0, 0);
	check(!pthread_create(&thread, NULL, ponger, NULL), "pthread_create");
	for (i = 0; i < CALLS; i++)
		COUNT(samples[0][i], ping_pong());
	pthread_join(thread, NULL);
	print("eventfd ping-pong of two threads, in all", median(samples[0]));
}

/* ---- Memory -------------------------------------------------------------------------- */

static void count_query(void)
{
	struct drm_npu_dev_query args = { .type = DRM_NPU_QUERY_DEVICE };
	int i;

	for (i = 0; i < CALLS; i++)
		COUNT(samples[0][i], drmIoctl(fd, DRM_IOCTL_NPU_DEV_QUERY, &args));
	print("DEV_QUERY, an ioctl that does next to nothing", shortest(samples[0]));
}

static void count_bo(void)
{
	uint32_t handle;
	int i;

	for (i = 0; i < CALLS; i++) {
		COUNT(samples[0][i], handle = bo_create(fd, PAGE, 0));
		COUNT(samples[1][i], bo_close(fd, handle));
	}
	print("BO_CREATE of 1 page", shortest(samples[0]));
	print("GEM_CLOSE of 1 page", shortest(samples[1]));
}

static void count_bind(const char *what, uint64_t size)
{
	uint32_t handle = bo_create(fd, size, vm);
	char text[64];
	int i;

	for (i = 0; i < CALLS; i++) {
		COUNT(samples[0][i], vm_map(fd, vm, handle, VA, size));
		COUNT(samples[1][i], vm_unmap(fd, vm, VA, size));
	}
	snprintf(text, sizeof(text), "VM_BIND: map %s", what);
	print(text, shortest(samples[0]));
	snprintf(text, sizeof(text), "VM_BIND: unmap %s", what);
	print(text, shortest(samples[1]));
	bo_close(fd, handle);
}

static void count_binds(void)
{
	count_bind("1 page", PAGE);
	count_bind("1000 pages", PAGES * PAGE);
	count_bind("2 MiB in pages", BLOCK);
	check(!write_file(SHMEM_ENABLED, "always"), SHMEM_ENABLED);
	count_bind("2 MiB in a block", BLOCK);
	check(!write_file(SHMEM_ENABLED, "never"), SHMEM_ENABLED);
}

/* ---- Jobs ---------------------------------------------------------------------------- */

/* In samples[0] SUBMIT, in samples[1] a wait for a fence that has signalled. */
static void count_submits(uint32_t jobs)
{
	int i;

	be_realtime(true);
	for (i = 0; i < CALLS; i++) {
		COUNT(samples[0][i], submit(fd, queue, jobs, syncobj));
		syncobj_wait(fd, syncobj);
		COUNT(samples[1][i], syncobj_wait(fd, syncobj));
	}
	be_realtime(false);
}

static void round_trip(uint32_t jobs)
{
	submit(fd, queue, jobs, syncobj);
	syncobj_wait(fd, syncobj);
}

static void count_round_trip(void)
{
	int i;

	for (i = 0; i < CALLS; i++)
		COUNT(samples[0][i], round_trip(1));
	print("SUBMIT of 1 job and wait, in all", median(samples[0]));
	for (i = 0; i < CALLS; i++)
		COUNT(samples[0][i], round_trip(DRM_NPU_SUBMIT_MAX));
	print("SUBMIT of 64 jobs and wait, in all, per job",
	      median(samples[0]) / DRM_NPU_SUBMIT_MAX);
}

static void count_jobs(void)
{
	count_submits(1);
	print("SUBMIT of 1 job", shortest(samples[0]));
	print("wait for a fence that has signalled", shortest(samples[1]));
	count_submits(DRM_NPU_SUBMIT_MAX);
	/* Memory for jobs is got for many at a time: some calls pay for others. */
	print("SUBMIT of 64 jobs, per job", mean(samples[0]) / DRM_NPU_SUBMIT_MAX);
}

static void add_private(unsigned long count)
{
	static struct drm_npu_vm_bind_op ops[DRM_NPU_VM_BIND_MAX];
	static uint64_t va = VA_MANY;
	uint32_t n = 0;

	while (count--) {
		ops[n++] = (struct drm_npu_vm_bind_op) {
			.type = DRM_NPU_VM_BIND_MAP, .handle = bo_create(fd, PAGE, vm),
			.va = va, .size = PAGE,
		};
		va += PAGE;
		if (n == DRM_NPU_VM_BIND_MAX || !count) {
			vm_bind(fd, vm, ops, n);
			n = 0;
		}
	}
}

static void count_private(void)
{
	add_private(1);
	count_submits(1);
	print("SUBMIT with 1 private buffer mapped", shortest(samples[0]));
	add_private(MANY - 1);
	count_submits(1);
	print("SUBMIT with 100000 private buffers mapped", shortest(samples[0]));
}

int main(void)
{
	fd = open_npu();
	vm = vm_create(fd);
	queue = queue_create(fd, vm);
	syncobj = syncobj_create(fd);
	check(!write_file(POWER_CONTROL, "on"), POWER_CONTROL);
	check(!write_file(CLIENT_BUFFERS, "0"), CLIENT_BUFFERS);

	seed_random();
	count_overhead();
	count_getpid();
	count_ping_pong();
	count_query();
	count_bo();
	count_binds();
	count_jobs();
	count_round_trip();
	count_private();
	return 0;
}

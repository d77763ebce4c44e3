// SPDX-License-Identifier: GPL-2.0-only
/*
 * What many objects cost: buffers, mappings, a large address space, queues in many
 * processes, and jobs per interrupt. For a machine as that of npu-counts, whose time-stamp
 * counter counts instructions.
 *
 * Each row is about so many objects: instructions per object for the first tenth of them
 * and for the last one, and bytes of memory per object for the first half and for the
 * second one, negative where it is given back. A cost that grows with the number of objects shows as a
 * difference of the two.
 *
 * Prints a row per line: instructions, instructions, bytes, bytes, count, text. Ends with
 * an error when something has the wrong result.
 */
#include <sys/wait.h>
#include <x86intrin.h>

#include "calls.h"

#define CLIENT_BUFFERS	"/sys/module/npu/parameters/client_buffers"
#define DEVICE		"/sys/class/accel/accel0/device/"
#define MODERATION	DEVICE "npu_interrupt_moderation_us"

#define BUFFERS		100000
#define MAPPINGS	1000000
#define SPARSE		(16ul << 30)
#define PROCESSES	100
#define QUEUES		10	/* of each */
#define JOBS		4096

#define VA		(1ull << 36)

/* ---- Measuring ------------------------------------------------------------------------ */

static uint64_t meminfo(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	check(line, name);
	return strtoull(line + strlen(name), NULL, 10) * 1024;
}

/* What is neither free nor a cache of files. */
static int64_t memory_used(void)
{
	char text[4096] = "";
	FILE *file = fopen("/proc/meminfo", "r");

	check(file, "/proc/meminfo");
	check(fread(text, 1, sizeof(text) - 1, file), "/proc/meminfo");
	fclose(file);
	return meminfo(text, "MemTotal:") - meminfo(text, "MemFree:") -
	       meminfo(text, "Buffers:") - meminfo(text, "Cached:") + meminfo(text, "Shmem:");
}

/* When everything that was to be freed later has been; here a sleep takes no time. */
static int64_t memory_settled(void)
{
	usleep(500000);
	return memory_used();
}

static int64_t elapsed(uint64_t begin, unsigned long count)
{
	return (int64_t)(__rdtsc() - begin) / (int64_t)count;
}

/* For the first tenth and the last one; memory for each half. */
struct cost {
	int64_t instructions[2];
	int64_t bytes[2];
};

static void print(const struct cost *cost, unsigned long count, const char *text)
{
	printf("%8ld %8ld %8ld %8ld %8lu  %s\n", (long)cost->instructions[0],
	       (long)cost->instructions[1], (long)cost->bytes[0], (long)cost->bytes[1], count,
	       text);
	fflush(stdout);
}

/* Makes @count objects; @make makes some, from one number on. */
static void measure(unsigned long count, void (*make)(unsigned long from, unsigned long count),
		    const char *text)
{
	unsigned long tenth = count / 10, half = count / 2;
	int64_t memory[3] = { memory_settled() };
	uint64_t begin = __rdtsc();
	struct cost cost;

	make(0, tenth);
	cost.instructions[0] = elapsed(begin, tenth);
	make(tenth, half - tenth);
	memory[1] = memory_settled();
	make(half, count - half - tenth);
	begin = __rdtsc();
	make(count - tenth, tenth);
	cost.instructions[1] = elapsed(begin, tenth);
	memory[2] = memory_settled();
	cost.bytes[0] = (memory[1] - memory[0]) / (int64_t)half;
	cost.bytes[1] = (memory[2] - memory[1]) / (int64_t)(count - half);
	print(&cost, count, text);
}

/* ---- Buffers and mappings --------------------------------------------------------------- */

static int fd;
static uint32_t vm, queue, syncobj;
static uint32_t handles[BUFFERS];
static uint32_t large;

static void make_buffers(unsigned long from, unsigned long count)
{
	while (count--)
		handles[from++] = bo_create(fd, PAGE, vm);
}

static void close_buffers(unsigned long from, unsigned long count)
{
	while (count--)
		bo_close(fd, handles[from++]);
}

static void bind(uint32_t type, unsigned long from, unsigned long count, uint64_t stride,
		 uint64_t size)
{
	static struct drm_npu_vm_bind_op ops[DRM_NPU_VM_BIND_MAX];
	uint32_t n = 0;

	for (; count; from++, count--) {
		ops[n++] = (struct drm_npu_vm_bind_op) {
			.type = type, .va = VA + from * stride, .size = size,
			.handle = type != DRM_NPU_VM_BIND_MAP ? 0 :
				  large ? large : handles[from % BUFFERS],
		};
		if (n == DRM_NPU_VM_BIND_MAX || count == 1) {
			vm_bind(fd, vm, ops, n);
			n = 0;
		}
	}
}

/* Each page of each buffer ten times. */
static void map_pages(unsigned long from, unsigned long count)
{
	bind(DRM_NPU_VM_BIND_MAP, from, count, PAGE, PAGE);
}

static void unmap_pages(unsigned long from, unsigned long count)
{
	bind(DRM_NPU_VM_BIND_UNMAP, from, count, PAGE, PAGE);
}

static void map_sparse(unsigned long from, unsigned long count)
{
	bind(DRM_NPU_VM_BIND_MAP, from, count, BLOCK, PAGE);
}

static void unmap_sparse(unsigned long from, unsigned long count)
{
	bind(DRM_NPU_VM_BIND_UNMAP, from, count, BLOCK, PAGE);
}

static void map_dense(unsigned long from, unsigned long count)
{
	bind(DRM_NPU_VM_BIND_MAP, from, count, BLOCK, BLOCK);
}

static void run_job(unsigned long from, unsigned long count)
{
	(void)from;
	while (count--) {
		submit(fd, queue, 1, syncobj);
		syncobj_wait(fd, syncobj);
	}
}

static void check_mappings(uint64_t count, uint64_t bytes)
{
	struct drm_npu_vm_get_state state = { .vm_id = vm };

	check(!drmIoctl(fd, DRM_IOCTL_NPU_VM_GET_STATE, &state), "VM_GET_STATE");
	if (state.mappings == count && state.mapped == bytes)
		return;
	fprintf(stderr, "%llu mappings of %llu bytes\n", (unsigned long long)state.mappings,
		(unsigned long long)state.mapped);
	exit(1);
}

static void scale_memory(void)
{
	measure(BUFFERS, make_buffers, "buffers of a page, in one address space");
	measure(MAPPINGS, map_pages, "mappings of a page, of these buffers");
	check_mappings(MAPPINGS, MAPPINGS * PAGE);
	measure(100, run_job, "jobs in that address space");
	measure(MAPPINGS, unmap_pages, "mappings removed");
	check_mappings(0, 0);
	measure(BUFFERS, close_buffers, "buffers closed");
}

static void scale_space(void)
{
	const unsigned long blocks = SPARSE / BLOCK;

	large = bo_create(fd, BLOCK, vm);
	measure(blocks, map_sparse, "pages, one every 2 MiB of 16 GiB");
	check_mappings(blocks, blocks * PAGE);
	measure(blocks, unmap_sparse, "of them removed");
	measure(blocks, map_dense, "mappings of 2 MiB in pages, 16 GiB");
	check_mappings(blocks, SPARSE);
	measure(100, run_job, "jobs in that address space");
	vm_unmap(fd, vm, VA, SPARSE);
	check_mappings(0, 0);
	bo_close(fd, large);
	large = 0;
}

/* ---- Queues ------------------------------------------------------------------------------ */

/* What a process does when it is told to: one letter each. */
static void child_run(int in, int out)
{
	int device = open_npu();
	uint32_t space = vm_create(device), id[QUEUES], done[QUEUES];
	struct drm_npu_queue_get_state state;
	char command;
	int i;

	for (i = 0; i < QUEUES; i++) {
		id[i] = queue_create(device, space);
		done[i] = syncobj_create(device);
	}
	check(write(out, "r", 1) == 1, "write");
	while (read(in, &command, 1) == 1) {
		for (i = 0; i < QUEUES; i++)
			submit(device, id[i], 1, done[i]);
		for (i = 0; i < QUEUES; i++) {
			syncobj_wait(device, done[i]);
			state = (struct drm_npu_queue_get_state) { .queue_id = id[i] };
			check(!drmIoctl(device, DRM_IOCTL_NPU_QUEUE_GET_STATE, &state) &&
			      !state.state && state.completed == state.submitted, "job");
		}
		check(write(out, "r", 1) == 1, "write");
	}
	exit(0);
}

static struct child {
	pid_t pid;
	int in;
	int out;
} children[PROCESSES];

static void child_await(struct child *child)
{
	char reply;

	check(read(child->out, &reply, 1) == 1, "a process has ended");
}

static void make_processes(unsigned long from, unsigned long count)
{
	int in[2], out[2];

	for (; count; from++, count--) {
		check(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC), "pipe");
		children[from].pid = fork();
		check(children[from].pid >= 0, "fork");
		if (!children[from].pid) {
			/* Those of the others would keep them alive. */
			for (unsigned long i = 0; i < from; i++) {
				close(children[i].in);
				close(children[i].out);
			}
			close(in[1]);
			close(out[0]);
			child_run(in[0], out[1]);
		}
		close(in[0]);
		close(out[1]);
		children[from].in = in[1];
		children[from].out = out[0];
		child_await(&children[from]);
	}
}

/* All of the first @count processes at once, each queue with one job. */
static void processes_run(unsigned long count)
{
	unsigned long i;

	for (i = 0; i < count; i++)
		check(write(children[i].in, "j", 1) == 1, "write");
	for (i = 0; i < count; i++)
		child_await(&children[i]);
}

static int64_t count_processes(unsigned long count)
{
	uint64_t begin;

	processes_run(count);
	begin = __rdtsc();
	processes_run(count);
	return elapsed(begin, count * QUEUES);
}

static void end_processes(unsigned long from, unsigned long count)
{
	int status;

	for (; count; from++, count--) {
		close(children[from].in);
		close(children[from].out);
		check(waitpid(children[from].pid, &status, 0) > 0 && !status, "process");
	}
}

static void scale_queues(void)
{
	struct cost cost = {};

	measure(PROCESSES, make_processes, "processes with 10 queues each");
	cost.instructions[0] = count_processes(PROCESSES / 10);
	cost.instructions[1] = count_processes(PROCESSES);
	print(&cost, PROCESSES * QUEUES, "jobs at once, one in each queue");
	measure(PROCESSES, end_processes, "processes ended");
}

/* ---- Interrupts --------------------------------------------------------------------------- */

static unsigned long interrupts(void)
{
	FILE *file = fopen("/proc/interrupts", "r");
	unsigned long sum = 0, n;
	char line[512];

	check(file, "/proc/interrupts");
	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, "npu") && sscanf(line, " %*[^:]: %lu", &n) == 1)
			sum += n;
	}
	fclose(file);
	return sum;
}

static void scale_moderation(const char *us)
{
	unsigned long n, i;
	struct cost cost = {};
	uint64_t begin;
	char text[64];

	check(!write_file(MODERATION, us), MODERATION);
	n = interrupts();
	begin = __rdtsc();
	for (i = 0; i < JOBS / DRM_NPU_SUBMIT_MAX; i++)
		submit(fd, queue, DRM_NPU_SUBMIT_MAX, syncobj);
	syncobj_wait(fd, syncobj);
	cost.instructions[0] = elapsed(begin, JOBS);
	cost.instructions[1] = cost.instructions[0];
	n = interrupts() - n;
	check(n, "interrupts");
	snprintf(text, sizeof(text), "jobs with moderation of %s us: %.1f per interrupt", us,
		 (double)JOBS / n);
	print(&cost, JOBS, text);
}

static void scale_interrupts(void)
{
	static const char * const us[] = { "0", "20", "100", "500", "2000" };
	unsigned int i;

	for (i = 0; i < sizeof(us) / sizeof(us[0]); i++)
		scale_moderation(us[i]);
	check(!write_file(MODERATION, "0"), MODERATION);
}

int main(void)
{
	check(!write_file(CLIENT_BUFFERS, "0"), CLIENT_BUFFERS);
	check(!write_file(DEVICE "power/control", "on"), "power/control");
	seed_random();
	fd = open_npu();
	vm = vm_create(fd);
	queue = queue_create(fd, vm);
	syncobj = syncobj_create(fd);
	scale_memory();
	scale_space();
	scale_interrupts();
	/* Not before: processes would have all of that. */
	close(fd);
	scale_queues();
	return 0;
}

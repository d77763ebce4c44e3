// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes every allocation and every access to user memory fail in turn, in every
 * call of the driver, in opening, mapping and probing. Needs a kernel with
 * fault injection (/proc/thread-self/fail-nth).
 *
 * For each call and for n = 1, 2, ...: everything that the call needs is made
 * new, the n-th thing that can fail during the call fails, the call may return
 * success or one of a few errors, everything is closed, and the device's counts
 * of objects must return to what they were. When a call no longer reaches its
 * n-th such place, it must have succeeded, and the next call is tried.
 */
#include <setjmp.h>

#include "npu_test.h"

#define BIG	MIB

struct state {
	struct emu emu;
	int fd;
	int other;	/* another open file */
	int dma_buf;	/* of the other one */
	int sync_file;
	int next;	/* descriptor that a call would make */
	struct ctx ctx;
	uint32_t timeline;
	uint32_t bo;
	uint32_t private_bo;
	void *map;
	void *user;
};

/* ---- Injection ------------------------------------------------------------------- */

static int fail_nth_fd;

static void fail_nth(unsigned int n)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", n);
	int tries = 2;

	/* It may be the first of these writes that fails. */
	while (tries && pwrite(fail_nth_fd, text, length, 0) != length)
		tries--;
	if (!tries)
		ksft_exit_fail_msg("cannot write fail-nth: %s\n", strerror(errno));
}

/* Ends the injection. Returns what is left of fail_nth()'s number: 0, it has happened. */
static unsigned int fail_end(void)
{
	char text[16] = "";
	unsigned int left;

	/* It may be this read that fails: then one was left for it. */
	left = pread(fail_nth_fd, text, sizeof(text) - 1, 0) <= 0 ? 1 : atoi(text);
	fail_nth(0);
	return left;
}

static bool fail_write(const char *file, unsigned long value)
{
	static const char * const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	char path[128], text[32];
	unsigned int i;

	snprintf(text, sizeof(text), "%#lx", value);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", kinds[i], file);
		if (write_file(path, text))
			return false;
	}
	return true;
}

/* Where the code of a function of the kernel is, or of a module. */
static bool find_code(const char *name, const char *module, unsigned long *start,
		      unsigned long *end)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	char line[256], symbol[128], owner[64], type;
	unsigned long address;
	int fields;

	*start = ~0ul;
	*end = 0;
	while (symbols && fgets(line, sizeof(line), symbols)) {
		fields = sscanf(line, "%lx %c %127s %63s", &address, &type, symbol, owner);
		if (module) {
			if (fields != 4 || strcmp(owner, module) || !strchr("tT", type))
				continue;
			*start = address < *start ? address : *start;
			*end = address > *end ? address : *end;
		} else if (name && fields == 3 && !strcmp(symbol, name)) {
			*start = address;
		} else if (fields == 3 && address > *start && !*end) {
			*end = address;
		}
	}
	if (symbols)
		fclose(symbols);
	return *end > *start;
}

/* From now on, only what @require calls may fail, and nothing that @reject calls. */
static bool fail_only(const char *require, const char *reject)
{
	unsigned long start, end;
	bool found;

	found = require ? find_code(require, NULL, &start, &end) :
			  find_code(NULL, "[npu]", &start, &end);
	if (!found || !fail_write("stacktrace-depth", 32) ||
	    !fail_write("require-start", start) || !fail_write("require-end", end))
		return false;
	if (!reject)
		return fail_write("reject-start", 0) && fail_write("reject-end", 0);
	return find_code(reject, NULL, &start, &end) &&
	       fail_write("reject-start", start) && fail_write("reject-end", end);
}

static void fail_everywhere(void)
{
	fail_write("require-start", 0);
	fail_write("require-end", ~0ul);
	fail_write("reject-start", 0);
	fail_write("reject-end", 0);
}

static bool fail_init(void)
{
	static const char * const files[][2] = {
		{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N" },
		{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N" },
		{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "/sys/kernel/debug/fail_page_alloc/min-order", "0" },
		{ "/sys/kernel/debug/failslab/verbose", "0" },
		{ "/sys/kernel/debug/fail_page_alloc/verbose", "0" },
		{ "/sys/kernel/debug/fail_usercopy/verbose", "0" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		if (write_file(files[i][0], files[i][1]))
			return false;
	fail_nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return fail_nth_fd >= 0;
}

/* ---- Counts of objects ------------------------------------------------------------ */

/* What exists on all devices. */
static void all_objects_read(char *text, size_t size)
{
	char one[512];
	int i;

	*text = 0;
	for (i = 0; i < 4; i++) {
		objects_read(i, one, sizeof(one));
		if (!*one)
			continue;
		snprintf(text + strlen(text), size - strlen(text), "%d: %s", i, one);
	}
}

/* Files close and queues end in the background. */
static bool objects_are(const char *before)
{
	char now[1024];
	int i;

	for (i = 0; i < 2000; i++) {
		all_objects_read(now, sizeof(now));
		if (!strcmp(now, before))
			return true;
		sleep_ms(5);
	}
	ksft_print_msg("before:\n%s\nafter:\n%s\n", before, now);
	return false;
}

/* ---- The calls --------------------------------------------------------------------- */

static int call_open(struct state *s)
{
	int fd = device_open();

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int call_probe(struct state *s)
{
	return emu_write(&s->emu, "enabled", "1");
}

static int call_query(struct state *s, uint32_t type)
{
	char info[256];
	struct drm_npu_dev_query args = { .type = type, .size = sizeof(info),
					  .ptr = (uintptr_t)info };

	return call(s->fd, DRM_IOCTL_NPU_DEV_QUERY, &args);
}

static int call_query_device(struct state *s) { return call_query(s, DRM_NPU_QUERY_DEVICE); }
static int call_query_time(struct state *s) { return call_query(s, DRM_NPU_QUERY_TIME); }

static int call_query_priorities(struct state *s)
{
	return call_query(s, DRM_NPU_QUERY_PRIORITIES);
}

static int call_bo_create(struct state *s)
{
	uint32_t handle;

	return bo_create_flags(s->fd, 40 * PAGE, 0, 0, &handle);
}

static int call_bo_create_private(struct state *s)
{
	uint32_t handle;

	return bo_create_flags(s->fd, 4 * PAGE, 0, s->ctx.vm, &handle);
}

static int call_bo_mmap_offset(struct state *s)
{
	struct drm_npu_bo_mmap_offset args = { .handle = s->bo };

	return call(s->fd, DRM_IOCTL_NPU_BO_MMAP_OFFSET, &args);
}

static int call_bo_mmap(struct state *s)
{
	struct drm_npu_bo_mmap_offset args = { .handle = s->bo };
	void *p;

	if (call(s->fd, DRM_IOCTL_NPU_BO_MMAP_OFFSET, &args))
		return -errno;
	p = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, args.offset);
	if (p == MAP_FAILED)
		return -errno;
	munmap(p, BIG);
	return 0;
}

static sigjmp_buf touch_failed;

static void on_sigbus(int signal)
{
	siglongjmp(touch_failed, 1);
}

static int call_bo_touch(struct state *s)
{
	if (sigsetjmp(touch_failed, 1))
		return -ENOMEM;
	*(volatile char *)s->map = 1;
	return 0;
}

static int call_bo_info(struct state *s)
{
	struct drm_npu_bo_info args = { .handle = s->bo };

	return call(s->fd, DRM_IOCTL_NPU_BO_INFO, &args);
}

static int call_bo_sync(struct state *s)
{
	struct drm_npu_bo_sync args = { .handle = s->bo, .flags = DRM_NPU_BO_SYNC_TO_DEVICE,
					.size = BIG };

	return call(s->fd, DRM_IOCTL_NPU_BO_SYNC, &args);
}

static int call_gem_close(struct state *s)
{
	return bo_close(s->fd, s->private_bo);
}

static int call_export(struct state *s)
{
	int dma_buf;

	if (drmPrimeHandleToFD(s->fd, s->bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf))
		return -errno;
	close(dma_buf);
	return 0;
}

static int call_import(struct state *s)
{
	uint32_t handle;

	return drmPrimeFDToHandle(s->fd, s->dma_buf, &handle) ? -errno : 0;
}

static int call_vm_create(struct state *s)
{
	struct drm_npu_vm_create args = {};

	return call(s->fd, DRM_IOCTL_NPU_VM_CREATE, &args);
}

static int call_vm_get_state(struct state *s)
{
	struct drm_npu_vm_get_state state;

	return vm_state(s->fd, s->ctx.vm, &state);
}

/* Tables of all levels, in several places. */
static int call_vm_bind_map(struct state *s)
{
	struct drm_npu_vm_bind_op ops[] = {
		{ .type = DRM_NPU_VM_BIND_MAP, .handle = s->bo, .va = 5 * BLOCK - 9 * PAGE,
		  .size = BIG },
		{ .type = DRM_NPU_VM_BIND_MAP, .handle = s->bo, .va = 1ull << 40, .size = BIG },
		{ .type = DRM_NPU_VM_BIND_MAP, .handle = s->bo, .va = 1ull << 33,
		  .size = 3 * PAGE, .flags = DRM_NPU_VM_BIND_READONLY },
	};

	return vm_bind_ops(s->fd, s->ctx.vm, ops, ARRAY_SIZE(ops));
}

/* Over, in and beside what is mapped. */
static int call_vm_bind_split(struct state *s)
{
	struct drm_npu_vm_bind_op ops[] = {
		{ .type = DRM_NPU_VM_BIND_UNMAP, .va = CTX_VA + 4 * PAGE, .size = PAGE },
		{ .type = DRM_NPU_VM_BIND_MAP, .handle = s->bo, .va = CTX_VA + 8 * PAGE,
		  .size = 2 * PAGE },
		{ .type = DRM_NPU_VM_BIND_UNMAP, .va = CTX_VA - BLOCK, .size = 2 * BLOCK },
	};

	return vm_bind_ops(s->fd, s->ctx.vm, ops, ARRAY_SIZE(ops));
}

/* With a wait, a signal and a timeline point. */
static int call_vm_bind_async(struct state *s)
{
	struct drm_npu_vm_bind_op ops[] = {
		map_op(s->bo, 5 * BLOCK - 9 * PAGE, BIG, 0),
		unmap_op(CTX_VA + 4 * PAGE, PAGE),
	};
	struct drm_npu_sync syncs[] = {
		sync_wait(s->ctx.syncobj, 0),
		sync_signal(s->ctx.syncobj, 0),
		sync_signal(s->timeline, 7),
	};

	return vm_bind_async(s->fd, s->ctx.vm, ops, ARRAY_SIZE(ops), syncs, ARRAY_SIZE(syncs));
}

static int call_vm_bind_user(struct state *s)
{
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP_USERPTR, .va = 1ull << 33, .size = BIG,
		.offset = (uintptr_t)s->user,
	};

	return vm_bind_ops(s->fd, s->ctx.vm, &op, 1);
}

static int call_vm_destroy(struct state *s)
{
	return vm_destroy(s->fd, s->ctx.vm);
}

static int call_queue_create(struct state *s)
{
	struct drm_npu_queue_create args = {
		.vm_id = s->ctx.vm, .flags = DRM_NPU_QUEUE_EVENT,
	};

	return call(s->fd, DRM_IOCTL_NPU_QUEUE_CREATE, &args);
}

static int call_queue_get_state(struct state *s)
{
	struct drm_npu_queue_get_state state;

	return queue_state(s->fd, s->ctx.queue, &state);
}

static int call_queue_destroy(struct state *s)
{
	return queue_destroy(s->fd, s->ctx.queue);
}

static int call_perf_query(struct state *s)
{
	struct drm_npu_perf_query args = { .queue_id = s->ctx.queue };

	return call(s->fd, DRM_IOCTL_NPU_PERF_QUERY, &args);
}

/* Binary and timeline syncobjs, waits and signals, several jobs. */
static int call_submit(struct state *s)
{
	struct drm_npu_job jobs[3] = { empty_job(), empty_job(), empty_job() };
	struct drm_npu_sync syncs[] = {
		sync_wait(s->ctx.syncobj, 0),
		sync_signal(s->ctx.syncobj, 0),
		sync_signal(s->timeline, 7),
	};

	return submit(s->fd, s->ctx.queue, jobs, ARRAY_SIZE(jobs), syncs, ARRAY_SIZE(syncs));
}

static int call_sync_file_info(struct state *s)
{
	struct sync_fence_info fence = {};
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = (uintptr_t)&fence };

	return ioctl(s->sync_file, SYNC_IOC_FILE_INFO, &info) ? -errno : 0;
}

static int call_madvise(struct state *s)
{
	struct drm_npu_bo_madvise args = { .handle = s->bo, .advice = DRM_NPU_MADVISE_DONTNEED };

	return call(s->fd, DRM_IOCTL_NPU_BO_MADVISE, &args);
}

static int call_close(struct state *s)
{
	close(s->fd);
	s->fd = -1;
	return 0;
}

/*
 * Not all that the kernel does around a probe survives a failure: 6.12 releases
 * a minor that it could not make, and removes files of an interrupt that it
 * did not make. Hence what is probed fails in two parts, each without one of them.
 */
#define UNFIT_MINOR	"drm_sysfs_minor_alloc"
#define UNFIT_IRQ	"register_irq_proc"

static const struct {
	const char *name;
	int (*call)(struct state *s);
	const char *require;
	const char *reject;
	bool evicted;
	bool user;
} calls[] = {
	{ "probe, making the device", call_probe, "__devm_drm_dev_alloc", UNFIT_MINOR },
	{ "probe, all else", call_probe, NULL, UNFIT_IRQ },
	{ "open", call_open },
	{ "DEV_QUERY of the device", call_query_device },
	{ "DEV_QUERY of the time", call_query_time },
	{ "DEV_QUERY of the priorities", call_query_priorities },
	{ "BO_CREATE", call_bo_create },
	{ "BO_CREATE for one VM", call_bo_create_private },
	{ "BO_MMAP_OFFSET", call_bo_mmap_offset },
	{ "mmap", call_bo_mmap },
	{ "page fault", call_bo_touch },
	{ "page fault of what was evicted", call_bo_touch, .evicted = true },
	{ "BO_INFO", call_bo_info },
	{ "BO_SYNC", call_bo_sync },
	{ "BO_MADVISE", call_madvise },
	{ "GEM_CLOSE", call_gem_close },
	{ "PRIME export", call_export },
	{ "PRIME export of what was evicted", call_export, .evicted = true },
	{ "PRIME import", call_import },
	{ "VM_CREATE", call_vm_create },
	{ "VM_GET_STATE", call_vm_get_state },
	{ "VM_BIND that maps", call_vm_bind_map },
	{ "VM_BIND of what was evicted", call_vm_bind_map, .evicted = true },
	{ "VM_BIND that splits", call_vm_bind_split },
	{ "VM_BIND that is asynchronous", call_vm_bind_async },
	{ "VM_BIND of user memory", call_vm_bind_user },
	{ "VM_DESTROY", call_vm_destroy },
	{ "QUEUE_CREATE", call_queue_create },
	{ "QUEUE_GET_STATE", call_queue_get_state },
	{ "QUEUE_DESTROY", call_queue_destroy },
	{ "PERF_QUERY", call_perf_query },
	{ "SUBMIT", call_submit },
	{ "SUBMIT that brings back", call_submit, .evicted = true },
	{ "SUBMIT that brings user memory back", call_submit, .user = true },
	{ "sync file of a job", call_sync_file_info },
	{ "close", call_close },
};

/* ---- Trying -------------------------------------------------------------------------- */

static int dumb_dma_buf(int fd)
{
	struct drm_mode_create_dumb create = { .width = 64, .height = 64, .bpp = 32 };
	int dma_buf;

	if (ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &create) ||
	    drmPrimeHandleToFD(fd, create.handle, DRM_CLOEXEC | DRM_RDWR, &dma_buf))
		return -1;
	return dma_buf;
}

static bool state_begin_file(struct state *s)
{
	s->fd = device_open();
	s->other = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	s->dma_buf = dumb_dma_buf(s->other);
	s->timeline = syncobj_create(s->fd);
	s->bo = bo_create(s->fd, BIG);
	s->map = bo_map(s->fd, s->bo, BIG);
	s->user = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->fd < 0 || s->dma_buf < 0 || ctx_init(&s->ctx, s->fd) ||
	    !s->timeline || !s->bo || s->map == MAP_FAILED ||
	    bo_create_flags(s->fd, PAGE, 0, s->ctx.vm, &s->private_bo) ||
	    submit_one(s->fd, s->ctx.queue, empty_job(), s->ctx.syncobj))
		return false;
	s->sync_file = syncobj_export(s->fd, s->ctx.syncobj);
	s->next = dup(s->fd);
	close(s->next);
	return s->sync_file >= 0;
}

static void state_end_file(struct state *s)
{
	munmap(s->ctx.mem, CTX_SIZE);
	munmap(s->map, BIG);
	munmap(s->user, BIG);
	close(s->sync_file);
	/* DRM makes a descriptor before it fails to tell its number. */
	close(s->next);
	close(s->dma_buf);
	close(s->other);
	if (s->fd >= 0)
		close(s->fd);
}

/* The shrinker passes by what is locked or in use. */
static bool evict_all(void)
{
	char text[8192];
	int tries;

	for (tries = 0; tries < 20; tries++) {
		drop_slab();
		if (!debugfs_file(0, "bos", text, sizeof(text)) && strstr(text, " evicted"))
			return true;
	}
	return false;
}

static bool state_begin(struct state *s, unsigned int i)
{
	memset(s, 0, sizeof(*s));
	if (calls[i].call == call_probe)
		return !emu_make(&s->emu);
	if (!state_begin_file(s))
		return false;
	if (calls[i].user &&
	    (call_vm_bind_user(s) || madvise(s->user, BIG, MADV_DONTNEED)))
		return false;
	return !calls[i].evicted || evict_all();
}

static void state_end(struct state *s, unsigned int i)
{
	if (calls[i].call != call_probe) {
		state_end_file(s);
		return;
	}
	emu_unplug(&s->emu);
	emu_remove(&s->emu);
}

static bool is_allowed(unsigned int i, int ret)
{
	/*
	 * The driver core says -EINVAL where it has no memory for a device's name,
	 * shmem says -ENOSPC where it has none for an inode.
	 */
	return ret == 0 || ret == -ENOMEM || ret == -EFAULT ||
	       (calls[i].call == call_probe && ret == -EINVAL) ||
	       (!strncmp(calls[i].name, "BO_CREATE", 9) && ret == -ENOSPC);
}

#define ENOUGH	10000

/* How many things of npu.ko that can fail does a probe pass? */
static int count_probe(const char *reject)
{
	struct emu emu = {};
	unsigned int left;

	fail_only(NULL, reject);
	if (emu_make(&emu))
		return 0;
	fail_nth(ENOUGH);
	emu_write(&emu, "enabled", "1");
	left = fail_end();
	emu_unplug(&emu);
	emu_remove(&emu);
	return ENOUGH - left;
}

/* Returns how many failures were injected, negative if the driver minded. */
static int try_call(unsigned int i)
{
	char before[1024];
	struct state s;
	bool injected;
	int count = 0;
	int n = 1;
	int ret;

	/* What makes the device comes first, and was the call before. */
	if (calls[i].call == call_probe && !calls[i].require)
		n = count_probe(NULL) - count_probe("__devm_drm_dev_alloc") + 1;
	if (calls[i].reject && !fail_only(calls[i].require, calls[i].reject))
		return -1;

	for (; n < ENOUGH; n++) {
		all_objects_read(before, sizeof(before));
		if (!state_begin(&s, i))
			ksft_exit_fail_msg("cannot set the scene: %s\n", strerror(errno));
		fail_nth(n);
		ret = calls[i].call(&s);
		injected = !fail_end();
		state_end(&s, i);
		if (injected ? !is_allowed(i, ret) : ret != 0) {
			ksft_print_msg("failure %d: the call returned %d\n", n, ret);
			return -1;
		}
		if (!objects_are(before)) {
			ksft_print_msg("failure %d: objects are left\n", n);
			return -1;
		}
		if (!injected)
			return count;
		count++;
	}
	return -1;
}

/* An argument chooses the calls whose name it is part of. */
int main(int argc, char **argv)
{
	int total = 0, count, fd;
	char text[512];
	unsigned int i;

	ksft_print_header();
	signal(SIGBUS, on_sigbus);
	if (!fail_init())
		ksft_exit_skip("this kernel has no fault injection\n");
	if (swap_on())
		ksft_exit_fail_msg("no swap: %s\n", strerror(errno));
	if (objects_file(0, text, sizeof(text)))
		ksft_exit_fail_msg("cannot count objects: is debugfs mounted?\n");

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (argc > 1 && !strstr(calls[i].name, argv[1]))
			continue;
		if (calls[i].reject && access("/sys/kernel/debug/failslab/reject-start", W_OK)) {
			ksft_test_result_skip("%s: no stack traces in this kernel\n",
					      calls[i].name);
			continue;
		}
		count = try_call(i);
		ksft_test_result(count >= 0, "%s: %d failures injected\n", calls[i].name, count);
		total += count > 0 ? count : 0;
		fail_everywhere();
	}
	swap_off();
	ksft_print_msg("%d failures injected\n", total);
	fd = device_open();
	ksft_test_result(device_works(fd), "the device works\n");
	ksft_set_plan(ksft_test_num());
	ksft_finished();
}

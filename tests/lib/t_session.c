// SPDX-License-Identifier: MIT
/*
 * libnpu on a real device node: buffers, address spaces, queues, fences, and
 * sessions of the digits model:
 *
 *	t_session DIGITS-DIRECTORY REFERENCE-OUTPUTS [NETWORK]
 *
 * REFERENCE-OUTPUTS is what npu-reference makes of heldout.raw. NETWORK.tflite
 * has variables, NETWORK.in and .out are its inputs and outputs over some runs. Needs a
 * device, so "make check" does not run it; the VM does.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <npu.h>

#include "tap.h"

static const struct npu_compile_options profile = { .flags = NPU_COMPILE_PROFILE };

#define IMAGES	540
#define SECOND	1000000000ll

static char images[IMAGES][64], want[IMAGES][10];
static struct npu_device *dev;

static void load(const char *dir, const char *name, void *data, size_t size)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s%s", dir, *name ? "/" : "", name);
	f = fopen(path, "rb");
	if (!f || fread(data, 1, size, f) != size) {
		printf("Bail out! cannot read %s\n", path);
		exit(1);
	}
	fclose(f);
}

/* ---- Buffers and address spaces ---- */

static void test_buffers(void)
{
	struct npu_bo *bo = NULL, *again = NULL, *none;
	struct npu_vm *vm = NULL;
	char *map = NULL, *map2;
	void *ptr;
	int fd = -1;

	ok(!npu_bo_create(dev, 10000, 0, NULL, &bo) && npu_bo_size(bo) == 12288, "a buffer");
	ok(!npu_bo_map(bo, &ptr), "is mapped");
	map = ptr;
	ok(!map[0] && !map[12287], "and zeroed");
	ok(!npu_bo_map(bo, &ptr) && ptr == map, "once");
	strcpy(map, "hello");
	ok(!npu_bo_label(bo, "test") && npu_bo_label(bo,
	   "a label that is much longer than the sixty-three bytes that one may have") == -E2BIG,
	   "it has a label");
	ok(!npu_bo_export(bo, &fd), "it is exported");
	ok(!npu_bo_import(dev, fd, &again) && again == bo, "and comes back as the same buffer");
	close(fd);
	npu_bo_destroy(again);
	ok(!npu_bo_sync(bo, DRM_NPU_BO_SYNC_TO_DEVICE, 0, 4096) && !strcmp(map, "hello"),
	   "it is still there");
	npu_bo_destroy(bo);
	ok(npu_bo_create(dev, 0, 0, NULL, &none) == -EINVAL, "no buffer of no size");
	ok(!npu_vm_create(dev, &vm), "an address space");
	ok(!npu_bo_create(dev, 4096, DRM_NPU_BO_NO_MMAP, vm, &bo), "a private buffer");
	ok(npu_bo_map(bo, &ptr) == -EPERM && npu_bo_export(bo, &fd),
	   "is neither mapped nor exported");
	npu_bo_destroy(bo);

	npu_bo_create(dev, 4096, 0, NULL, &bo);
	ok(!npu_bo_export(bo, &fd), "a dma-buf");
	npu_bo_destroy(bo);
	ok(!npu_bo_import(dev, fd, &bo) && !npu_bo_map(bo, &ptr), "outlives its buffer");
	map2 = ptr;
	ok(!npu_bo_sync(bo, DRM_NPU_BO_SYNC_TO_CPU, 0, 4096) && !map2[0] &&
	   !npu_bo_sync(bo, DRM_NPU_BO_SYNC_TO_DEVICE, 0, 4096), "and is used");
	close(fd);
	npu_bo_destroy(bo);
	npu_vm_destroy(vm);
}

static void test_addresses(void)
{
	uint64_t va[64], fixed, sum = 0;
	struct npu_bo *bo, *large;
	struct npu_vm *vm;
	bool good = true;
	int i, j;

	npu_vm_create(dev, &vm);
	npu_bo_create(dev, 16384, 0, NULL, &bo);
	for (i = 0; i < 64; i++) {
		good &= !npu_vm_map(vm, bo, 4096, 8192, 0, &va[i]) && va[i] && va[i] % 4096 == 0;
		for (j = 0; j < i; j++)
			good &= va[i] >= va[j] + 8192 || va[j] >= va[i] + 8192;
	}
	ok(good, "64 mappings do not overlap");
	for (i = 0; i < 64; i += 2)
		good &= !npu_vm_unmap(vm, va[i], 8192);
	for (i = 62; i >= 0; i -= 2) {
		good &= !npu_vm_map(vm, bo, 0, 8192, DRM_NPU_VM_BIND_READONLY, &fixed);
		sum |= fixed;
	}
	ok(good && sum < va[63] + 8192, "freed addresses are used again");
	fixed = 1ull << 40;
	ok(!npu_vm_map(vm, bo, 0, 0, NPU_VM_FIXED, &fixed) && fixed == 1ull << 40,
	   "a chosen address");
	fixed++;
	ok(npu_vm_map(vm, bo, 0, 0, NPU_VM_FIXED, &fixed) == -EINVAL, "on a page only");
	npu_bo_create(dev, 4 << 20, 0, NULL, &large);
	ok(!npu_vm_map(vm, large, 0, 0, 0, &fixed) && !(fixed & ((2 << 20) - 1)),
	   "large buffers lie on large pages");
	ok(npu_vm_map(vm, bo, 100, 0, 0, &fixed) == -EINVAL &&
	   npu_vm_map(vm, bo, 4096, 16384, 0, &fixed) == -EINVAL, "wrong ranges are refused");
	for (i = 0; i < 64; i++)
		npu_vm_unmap(vm, va[i], 8192);
	npu_bo_destroy(large);
	npu_bo_destroy(bo);
	npu_vm_destroy(vm);
}

/* ---- Queues and fences ---- */

/* A small job of its own: a buffer with stream, base table and data. */
struct job {
	struct npu_vm *vm;
	struct npu_bo *bo;
	struct drm_npu_job job;
	char *map;
};

/* Copies 64 bytes at 2048 to 3072; @size is what the base table says. */
static void make_job(struct job *j, uint64_t size)
{
	struct npu_cmd_copy copy = { .cmd.opcode = NPU_OP_COPY };
	struct npu_stream *stream;
	struct npu_base *base;
	const void *data;
	uint32_t bytes;
	uint64_t va;
	void *ptr;

	npu_vm_create(dev, &j->vm);
	npu_bo_create(dev, 4096, 0, j->vm, &j->bo);
	npu_bo_map(j->bo, &ptr);
	npu_vm_map(j->vm, j->bo, 0, 0, 0, &va);
	j->map = ptr;
	npu_tensor_init(&copy.in, NPU_TYPE_U8, 0, 2048, 0, 1, (uint32_t[]) { 64 });
	npu_tensor_init(&copy.out, NPU_TYPE_U8, 0, 3072, 0, 1, (uint32_t[]) { 64 });
	npu_stream_create(NULL, &stream);
	npu_stream_add(stream, &copy, NULL);
	data = npu_stream_data(stream, &bytes);
	memcpy(j->map, data, bytes);
	npu_stream_destroy(stream);
	base = (struct npu_base *)(j->map + 1024);
	*base = (struct npu_base) { .va = va, .size = size, .flags = NPU_BASE_WRITE };
	j->job = (struct drm_npu_job) {
		.stream_va = va, .stream_size = bytes, .bases_va = va + 1024, .bases = 1,
	};
}

static void end_job(struct job *j)
{
	npu_bo_destroy(j->bo);
	npu_vm_destroy(j->vm);
}

/* A process without file descriptors cannot ask how a job ended, but can later. */
static void test_no_files(struct npu_queue *queue, const struct drm_npu_job *job)
{
	struct rlimit limit, none;
	struct npu_fence *fence;
	struct npu_error err;
	int ret;

	npu_queue_submit(queue, job, 1, NULL, 0, &fence);
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	ret = npu_fence_wait(fence, NPU_FOREVER, &err);
	setrlimit(RLIMIT_NOFILE, &limit);
	ok(ret == -EMFILE, "no file is left: %s", err.text);
	ok(!npu_fence_wait(fence, 0, &err), "the job has succeeded all the same");
	npu_fence_destroy(fence);
}

struct promise {
	struct npu_timeline *timeline;
	struct npu_queue *queue;
	const struct drm_npu_job *job;
	bool good;
};

/* Promises points 1 and 2 a little later: by a job, and by hand. */
static void *keep_promise(void *arg)
{
	struct promise *p = arg;
	struct npu_fence *fence = NULL;

	poll(NULL, 0, 50);
	p->good = !npu_queue_submit(p->queue, p->job, 1, NULL, 0, &fence) &&
		  !npu_timeline_attach(p->timeline, 1, fence);
	npu_fence_destroy(fence);
	poll(NULL, 0, 50);
	p->good &= !npu_timeline_signal(p->timeline, 2);
	return NULL;
}

/* Jobs wait for points of a timeline that do not exist yet. */
static void test_timeline(struct npu_queue *queue, const struct drm_npu_job *job)
{
	struct promise promise = { .queue = queue, .job = job };
	struct npu_fence *point = NULL, *done = NULL;
	struct npu_timeline *other = NULL;
	struct pollfd pfd = { .events = POLLIN };
	pthread_t thread;
	uint64_t last;
	int fd;

	ok(!npu_timeline_create(dev, &promise.timeline), "a timeline");
	ok(npu_timeline_fence(promise.timeline, 1, npu_deadline(10000000), &point) == -ETIMEDOUT,
	   "nobody promises its first point");
	ok(!npu_timeline_fd(promise.timeline, 2, true, &pfd.fd) && !poll(&pfd, 1, 0),
	   "an eventfd waits for its second");
	pthread_create(&thread, NULL, keep_promise, &promise);
	ok(!npu_timeline_fence(promise.timeline, 1, npu_deadline(10 * SECOND), &point),
	   "it is promised");
	ok(!npu_queue_submit(queue, job, 1, &point, 1, &done) &&
	   !npu_fence_wait(done, NPU_FOREVER, NULL), "a job waits for it");
	ok(!npu_timeline_wait(promise.timeline, 2, npu_deadline(10 * SECOND)),
	   "the second comes");
	ok(poll(&pfd, 1, 10000) == 1, "the eventfd says so");
	pthread_join(thread, NULL);
	ok(promise.good && !npu_timeline_query(promise.timeline, &last) && last == 2,
	   "the timeline is at its second point");
	ok(!npu_timeline_export(promise.timeline, &fd) && !npu_timeline_import(dev, fd, &other) &&
	   !npu_timeline_wait(other, 2, 0), "so it is for another user");
	close(fd);
	close(pfd.fd);
	npu_fence_destroy(point);
	npu_fence_destroy(done);
	npu_timeline_destroy(other);
	npu_timeline_destroy(promise.timeline);
}

static void test_queues(void)
{
	struct npu_fence *fence = NULL, *second = NULL, *imported = NULL;
	struct drm_npu_queue_get_state state;
	struct drm_npu_event_fault event;
	struct drm_npu_perf_query perf;
	struct npu_queue *queue = NULL;
	struct pollfd poll_fd;
	struct npu_error err;
	struct job j, bad;
	int fd = -1, ret;

	make_job(&j, 4096);
	ok(!npu_queue_create(j.vm, DRM_NPU_PRIORITY_NORMAL, 0, &queue), "a queue");
	memset(j.map + 2048, 42, 64);
	ok(!npu_queue_submit(queue, &j.job, 1, NULL, 0, &fence), "takes a job");
	ok(!npu_fence_wait(fence, npu_deadline(10 * SECOND), &err) && j.map[3072] == 42 &&
	   j.map[3135] == 42 && !j.map[3136], "which copies");
	ok(npu_fence_job(fence) == 1 && !npu_queue_perf(queue, 1, &perf) && perf.cycles &&
	   perf.end_ns >= perf.start_ns, "and has counters");
	ok(!npu_fence_fd(fence, &fd), "its fence has a file");
	poll_fd = (struct pollfd) { .fd = fd, .events = POLLIN };
	ok(poll(&poll_fd, 1, 0) == 1 && poll_fd.revents & POLLIN, "that is readable");
	ok(!npu_fence_import(dev, fd, &imported) && !npu_fence_wait(imported, 0, NULL) &&
	   !npu_fence_job(imported), "and becomes a fence again");
	close(fd);
	ok(!npu_queue_submit(queue, &j.job, 1, (struct npu_fence *[]) { fence, imported }, 2,
			     &second) && !npu_fence_wait(second, NPU_FOREVER, NULL),
	   "jobs wait for fences");
	npu_fence_destroy(second);
	npu_fence_destroy(imported);
	test_no_files(queue, &j.job);
	ok(!npu_queue_state(queue, &state, NULL) && state.submitted == 3 && state.completed == 3,
	   "the queue is good");
	test_timeline(queue, &j.job);

	/* A fault names job, place and reason, and others do not notice. */
	make_job(&bad, 3000);
	{
		struct npu_queue *victim;

		npu_queue_create(bad.vm, DRM_NPU_PRIORITY_NORMAL, 0, &victim);
		ok(!npu_queue_submit(victim, &bad.job, 1, NULL, 0, &second), "a bad job");
		ret = npu_fence_wait(second, NPU_FOREVER, &err);
		ok(ret == -EFAULT && strstr(err.text, "outside its base") &&
		   strstr(err.text, "job 1"), "fails: %s", err.text);
		ok(npu_fence_wait(second, 0, &err) == ret, "and stays so");
		ok(npu_queue_submit(victim, &bad.job, 1, NULL, 0, NULL) == -EIO &&
		   npu_queue_state(victim, NULL, &err) == -EIO, "its queue is banned: %s",
		   err.text);
		ok(!npu_device_event(dev, &event) && event.queue_id == npu_queue_id(victim) &&
		   event.fault.status == DRM_NPU_FAULT_BOUNDS, "an event says so");
		ok(npu_device_event(dev, &event) == -EAGAIN, "once");
		npu_queue_destroy(victim);
		ok(npu_fence_wait(second, 0, &err) == ret, "the fence outlives it");
		npu_fence_destroy(second);
	}
	bad.map[0] = 0;
	{
		struct npu_queue *victim;

		npu_queue_create(bad.vm, DRM_NPU_PRIORITY_NORMAL, 0, &victim);
		npu_queue_submit(victim, &bad.job, 1, NULL, 0, &second);
		ret = npu_fence_wait(second, NPU_FOREVER, &err);
		ok(ret == -EINVAL && err.detail == NPU_ILLEGAL_MAGIC, "no stream: %s", err.text);
		npu_fence_destroy(second);
		npu_queue_destroy(victim);
	}
	ok(!npu_queue_submit(queue, &j.job, 1, NULL, 0, &second) &&
	   !npu_fence_wait(second, NPU_FOREVER, NULL), "the other queue runs on");
	npu_fence_destroy(second);
	npu_fence_destroy(fence);
	npu_queue_destroy(queue);
	end_job(&bad);
	end_job(&j);
}

/* ---- Sessions ---- */

struct worker {
	struct npu_model *model;
	pthread_t thread;
	unsigned int first, wrong;
};

static void *run_images(void *arg)
{
	struct worker *w = arg;
	struct npu_session *session;
	char out[10];
	unsigned int i;

	if (npu_session_create(w->model, DRM_NPU_PRIORITY_NORMAL, &session, NULL)) {
		w->wrong = 1;
		return NULL;
	}
	for (i = w->first; i < IMAGES; i += 4) {
		if (npu_session_write(session, 0, images[i], 64, NULL) ||
		    npu_session_run(session, NULL) || npu_session_read(session, 0, out, 10, NULL) ||
		    memcmp(out, want[i], 10))
			w->wrong++;
	}
	npu_session_destroy(session);
	return NULL;
}

static void test_threads(struct npu_model *model)
{
	struct worker workers[4];
	unsigned int i, wrong = 0;

	for (i = 0; i < 4; i++) {
		workers[i] = (struct worker) { .model = model, .first = i };
		pthread_create(&workers[i].thread, NULL, run_images, &workers[i]);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(workers[i].thread, NULL);
		wrong += workers[i].wrong;
	}
	ok(!wrong, "four threads, four sessions, %u images: all bits are right", IMAGES);
}

/* Many sessions in flight from one thread, each watched by poll. */
static void test_async(struct npu_model *model)
{
	enum { N = 8 };
	struct npu_session *session[N];
	struct pollfd fds[N];
	struct npu_fence *fence[N];
	struct npu_error err;
	bool good = true;
	char out[10];
	int i;

	for (i = 0; i < N; i++) {
		good &= !npu_session_create(model, DRM_NPU_PRIORITY_LOW, &session[i], &err) &&
			!npu_session_write(session[i], 0, images[i], 64, &err);
	}
	for (i = 0; i < N; i++) {
		good &= !npu_session_submit(session[i], NULL, 0, &fence[i], &err);
		good &= !npu_fence_fd(fence[i], &fds[i].fd);
		fds[i].events = POLLIN;
	}
	for (i = 0; i < N; i++)
		good &= poll(&fds[i], 1, 10000) == 1;
	for (i = 0; i < N; i++) {
		good &= !npu_session_read(session[i], 0, out, 10, &err) &&
			!memcmp(out, want[i], 10);
		close(fds[i].fd);
		npu_fence_destroy(fence[i]);
	}
	ok(good, "%d sessions at one time", N);
	for (i = 0; i < 200; i++)
		good &= !npu_session_submit(session[0], NULL, 0, NULL, &err);
	ok(good && !npu_session_wait(session[0], npu_deadline(60 * SECOND), &err),
	   "200 runs of one session in order");
	for (i = 0; i < 200; i++)
		npu_session_submit(session[1], NULL, 0, NULL, NULL);
	ok(!npu_session_reset(session[1], &err) && !npu_session_run(session[1], &err) &&
	   !npu_session_read(session[1], 0, out, 10, &err) && !memcmp(out, want[1], 10),
	   "a reset cancels runs");
	for (i = 0; i < 200; i++)
		npu_session_submit(session[2], NULL, 0, NULL, NULL);
	for (i = 0; i < N; i++)
		npu_session_destroy(session[i]);
	ok(true, "a session is destroyed while it runs");
}

/* A fault bans the queue of the session; a reset makes it good again. */
static void test_failure(struct npu_model *model)
{
	struct npu_session *session;
	struct npu_fence *fence;
	struct npu_error err;
	struct job bad;
	char got[10];
	int ret;

	make_job(&bad, 3000);
	npu_session_create(model, DRM_NPU_PRIORITY_NORMAL, &session, NULL);
	npu_session_write(session, 0, images[7], 64, NULL);
	bad.job.stream_va = 1ull << 45;
	npu_queue_submit(npu_session_queue(session), &bad.job, 1, NULL, 0, &fence);
	ret = npu_fence_wait(fence, NPU_FOREVER, &err);
	ok(ret == -EFAULT && strstr(err.text, "not mapped"), "a fault: %s", err.text);
	ret = npu_session_run(session, &err);
	ok(ret == -EIO && strstr(err.text, "not mapped"), "ends the session: %s", err.text);
	ok(npu_session_read(session, 0, got, 10, &err) == -ENODATA, "without a result: %s", err.text);
	ok(!npu_session_reset(session, &err) &&
	   npu_session_read(session, 0, got, 10, &err) == -ENODATA, "a reset gives none");
	ok(!npu_session_run(session, &err) && !npu_session_read(session, 0, got, 10, &err) &&
	   !memcmp(got, want[7], 10), "the run after it does");
	npu_fence_destroy(fence);
	npu_session_destroy(session);
	end_job(&bad);
}

static void test_session(struct npu_model *model)
{
	struct npu_session *session;
	struct npu_fence *fence;
	struct npu_bo *in, *out;
	struct npu_error err;
	struct npu_timestamp t[16];
	void *in_map, *out_map;
	char got[10];

	ok(!npu_session_create(model, DRM_NPU_PRIORITY_NORMAL, &session, &err), "a session");
	ok(npu_session_write(session, 0, images[0], 63, &err) == -EINVAL, "size: %s", err.text);
	ok(npu_session_write(session, 1, images[0], 64, &err) == -EINVAL, "index: %s", err.text);
	ok(npu_session_read(session, 0, got, 10, &err) == -ENODATA, "no run: %s", err.text);
	ok(npu_session_profile(session, t, 16) == -EINVAL, "no profile without time stamps");
	ok(npu_session_bind(session, 1, NULL, 0, &err) == -EINVAL, "base: %s", err.text);

	npu_bo_create(dev, 8192, 0, NULL, &in);
	npu_bo_create(dev, 4096, 0, NULL, &out);
	npu_bo_map(in, &in_map);
	npu_bo_map(out, &out_map);
	memcpy((char *)in_map + 4096 + 64, images[5], 64);
	ok(npu_session_bind(session, 2, in, 8192 - 32, &err) == -EINVAL, "too small: %s", err.text);
	ok(!npu_session_bind(session, 2, in, 4096 + 64, &err) &&
	   !npu_session_bind(session, 3, out, 128, &err), "buffers of the caller are bound");
	ok(npu_session_write(session, 0, images[0], 64, &err) == -EINVAL, "%s", err.text);
	ok(!npu_session_run(session, &err) && !memcmp((char *)out_map + 128, want[5], 10),
	   "and used in place");
	ok(!npu_session_bind(session, 2, NULL, 0, &err) &&
	   !npu_session_bind(session, 3, NULL, 0, &err) &&
	   !npu_session_write(session, 0, images[9], 64, &err) && !npu_session_run(session, &err) &&
	   !npu_session_read(session, 0, got, 10, &err) && !memcmp(got, want[9], 10),
	   "and given back");
	npu_session_submit(session, NULL, 0, &fence, &err);
	npu_session_destroy(session);
	npu_fence_wait(fence, NPU_FOREVER, NULL);
	npu_fence_destroy(fence);
	ok(true, "a fence outlives its session");
	test_failure(model);
	npu_bo_destroy(in);
	npu_bo_destroy(out);
}

static void test_profile(const char *path)
{
	struct npu_session *session = NULL;
	struct npu_model *model = NULL;
	struct npu_timestamp t[16];
	struct npu_error err;
	char got[10];
	uint64_t macs = 0;
	int n, i;

	ok(!npu_model_load(dev, path, &profile, &model, &err) &&
	   !npu_session_create(model, DRM_NPU_PRIORITY_NORMAL, &session, &err) &&
	   !npu_session_write(session, 0, images[0], 64, &err) && !npu_session_run(session, &err) &&
	   !npu_session_read(session, 0, got, 10, &err) && !memcmp(got, want[0], 10),
	   "a model with time stamps");
	npu_model_destroy(model);
	n = npu_session_profile(session, t, 16);
	for (i = 0; i < n; i++)
		macs += t[i].macs;
	ok(n == 9 && t[0].macs == 9216 && t[4].macs == 147456 && macs > 190000,
	   "counts %llu MACs in %d operators", (unsigned long long)macs, n);
	npu_session_destroy(session);
}

#define RUNS	32

/* Run @i of a session: is the output what it is when the variables have seen all before? */
static bool run_state(struct npu_session *session, unsigned int i, const char *in, size_t in_size,
		      const char *out, size_t out_size)
{
	struct npu_error err = { 0 };
	char got[256];

	if (!npu_session_write(session, 0, in + i * in_size, in_size, &err) &&
	    !npu_session_run(session, &err) &&
	    !npu_session_read(session, 0, got, out_size, &err))
		return !memcmp(got, out + i * out_size, out_size);
	note("%s", err.text);
	return false;
}

/* Variables survive runs, each session has its own, a reset makes them new. */
static void test_state(const char *network)
{
	const struct npu_program_info *info;
	static char in[1 << 16], out[1 << 12];
	struct npu_session *s[2] = { NULL, NULL };
	struct npu_model *model = NULL;
	size_t in_size, out_size;
	unsigned int i, k, n, good;
	struct npu_error err;
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s.in", network);
	f = fopen(path, "rb");
	n = f ? (unsigned int)fread(in, 1, sizeof(in), f) : 0;
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "%s.tflite", network);
	if (!ok(!npu_model_load(dev, path, NULL, &model, &err), "a network with variables is loaded"))
		return;
	info = npu_model_get_info(model);
	in_size = info->inputs[0].size;
	out_size = info->outputs[0].size;
	n /= (unsigned int)in_size;
	ok(info->state_base && n > 4 && n <= RUNS, "it has %u runs", n);
	snprintf(path, sizeof(path), "%s.out", network);
	load(path, "", out, n * out_size);
	ok(memcmp(out, out + (n - 1) * out_size, out_size), "which differ");
	for (k = 0; k < 2; k++)
		ok(!npu_session_create(model, DRM_NPU_PRIORITY_NORMAL, &s[k], &err), "session %u",
		   k);
	for (i = 0, good = 0; i < n; i++)
		good += run_state(s[0], i, in, in_size, out, out_size);
	ok(good == n, "%u of %u runs remember those before", good, n);
	ok(!run_state(s[0], 0, in, in_size, out, out_size), "another run is another one");
	for (i = 0, good = 0; i < n; i++) {
		if (i == 0)
			npu_session_reset(s[0], &err);
		for (k = 0; k < 2; k++)
			good += run_state(s[k], i, in, in_size, out, out_size);
	}
	ok(good == 2 * n, "%u of %u runs of two sessions in turn, one of which was reset", good,
	   2 * n);
	for (k = 0; k < 2; k++)
		npu_session_destroy(s[k]);
	npu_model_destroy(model);
}

int main(int argc, char **argv)
{
	struct npu_model *model = NULL;
	struct npu_device_id id;
	struct npu_error err;
	char path[512];

	if (argc < 3)
		return 2;
	load(argv[1], "heldout.raw", images, sizeof(images));
	load(argv[2], "", want, sizeof(want));
	snprintf(path, sizeof(path), "%s/digits.tflite", argv[1]);

	ok(npu_device_list(&id, 1) >= 1 && !strcmp(id.driver, "npu") && !id.error, "a device is listed");
	ok(npu_device_open("/dev/null", &dev, &err) == -ENODEV, "no accel device: %s", err.text);
	ok(npu_device_open("/dev/accel/accel99", &dev, &err) == -ENODEV, "no such node: %s",
	   err.text);
	ok(npu_device_open("7", &dev, &err) == -ENODEV, "no such index: %s", err.text);
	setenv("NPU_DEVICE", "8", 1);
	ok(npu_device_open(NULL, &dev, &err) == -ENODEV, "by environment: %s", err.text);
	unsetenv("NPU_DEVICE");
	if (!ok(!npu_device_open("0", &dev, &err), "a device is opened"))
		return tap_done();
	ok(npu_device_info(dev)->cores && !strcmp(npu_device_path(dev), id.path), "it is this one");

	test_buffers();
	test_addresses();
	test_queues();
	ok(!npu_model_load(dev, path, NULL, &model, &err), "a model is loaded");
	test_session(model);
	test_threads(model);
	test_async(model);
	test_profile(path);
	if (argc > 3)
		test_state(argv[3]);
	ok(npu_model_load(dev, "/dev/null", NULL, &model, &err) < 0, "not a model: %s", err.text);
	npu_device_close(dev);	/* before its model, which is allowed */
	npu_model_destroy(model);
	return tap_done();
}

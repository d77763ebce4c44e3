// SPDX-License-Identifier: MIT
/*
 * libnpu on a kernel that is not there, see kernel.h. What matters is what the
 * library makes of answers that a real device gives too seldom for a test:
 *
 *	t_kernel MODELS-DIRECTORY
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"
#include "tap.h"

static const struct npu_compile_options profile = { .flags = NPU_COMPILE_PROFILE };

/* ---- Tests ---- */

static struct npu_device *dev;
static const char *node;

static struct npu_device *open_node(void)
{
	struct npu_device *opened = NULL;
	struct npu_error err = { 0 };

	if (npu_device_open(node, &opened, &err)) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	return opened;
}

static void test_fence(void)
{
	struct drm_npu_job job = { 0 };
	struct npu_fence *fence = NULL;
	struct npu_queue *queue = NULL;
	struct npu_vm *vm = NULL;
	struct npu_error err;

	kernel.status = 1;
	npu_vm_create(dev, &vm);
	npu_queue_create(vm, DRM_NPU_PRIORITY_NORMAL, 0, &queue);
	npu_queue_submit(queue, &job, 1, NULL, 0, &fence);
	kernel.wait = -ETIME;
	ok(npu_fence_wait(fence, 0, &err) == -ETIMEDOUT, "a fence: %s", err.text);
	kernel.wait = 0;
	kernel.export = EMFILE;
	ok(npu_fence_wait(fence, 0, &err) == -EMFILE && strstr(err.text, "complete"),
	   "no file is left: %s", err.text);
	kernel.export = 0;
	ok(!npu_fence_wait(fence, 0, &err), "later one is: the job has succeeded");
	kernel.export = EMFILE;
	ok(!npu_fence_wait(fence, 0, &err), "which is remembered");
	npu_fence_destroy(fence);

	npu_queue_submit(queue, &job, 1, NULL, 0, &fence);
	ok(npu_fence_wait(fence, 0, &err) == -EMFILE, "another job");
	kernel.export = 0;
	kernel.status = -EFAULT;
	ok(npu_fence_wait(fence, 0, &err) == -EFAULT, "has failed: %s", err.text);
	kernel.status = 1;
	ok(npu_fence_wait(fence, 0, &err) == -EFAULT, "which is remembered as well");
	npu_fence_destroy(fence);
	npu_queue_destroy(queue);
	npu_vm_destroy(vm);
}

/* Events of queues: which, and that nobody has to read them. */
static void test_events(void)
{
	struct drm_npu_event_fault event = { 0 };
	struct npu_queue *queue = NULL;
	struct npu_vm *vm = NULL;

	npu_vm_create(dev, &vm);
	kernel.error = ENOSPC;
	kernel.call = 1;
	ok(!npu_queue_create(vm, DRM_NPU_PRIORITY_NORMAL, 0, &queue),
	   "a queue when no event has room");
	kernel.error = 0;

	kernel.reads = true;
	kernel.read = EAGAIN;
	ok(npu_device_event(dev, &event) == -EAGAIN, "no event");
	kernel.event = (struct drm_npu_event_fault) {
		.base = { DRM_NPU_EVENT_FAULT, sizeof(event) },
		.queue_id = npu_queue_id(queue), .state = DRM_NPU_QUEUE_HUNG,
	};
	ok(!npu_device_event(dev, &event) && event.queue_id == npu_queue_id(queue) &&
	   event.state == DRM_NPU_QUEUE_HUNG, "an event");
	kernel.event.base.type = DRM_NPU_EVENT_FAULT + 1;
	kernel.event.base.length = 16;
	ok(npu_device_event(dev, &event) == -EAGAIN, "an event of another type");
	kernel.event.base.length = 128;
	ok(npu_device_event(dev, &event) == -EAGAIN, "a large one of another type");
	kernel.event.base.type = DRM_NPU_EVENT_FAULT;
	kernel.event.base.length = 128;
	kernel.event.queue_id = 77;
	ok(!npu_device_event(dev, &event) && event.queue_id == 77, "one that has grown");
	kernel.event.base.length = 16;
	ok(npu_device_event(dev, &event) == -EAGAIN, "one that is too small");
	kernel.event.base.length = 0;
	kernel.read = EIO;
	ok(npu_device_event(dev, &event) == -EIO, "a read that fails");
	kernel.read = 0;
	kernel.reads = false;
	npu_queue_destroy(queue);
	npu_vm_destroy(vm);
}

/* Timelines; each call of the kernel may fail, and leaves nothing behind. */
static void test_timeline(void)
{
	struct npu_timeline *timeline = NULL, *other = NULL;
	struct npu_fence *fence = NULL;
	unsigned int syncobjs = kernel.syncobjs;
	struct npu_device *second = open_node();
	uint64_t point = 7;
	int fd = -1;

	kernel.error = EMFILE;
	kernel.call = 1;
	ok(npu_timeline_create(dev, &timeline) == -EMFILE && !timeline, "no timeline");
	kernel.alloc = 1;
	ok(npu_timeline_create(dev, &timeline) == -ENOMEM && !timeline, "no memory for one");
	kernel.alloc = 0;
	ok(!npu_timeline_create(dev, &timeline), "a timeline");
	ok(!npu_timeline_query(timeline, &point) && !point, "that begins at nothing");
	ok(npu_timeline_wait(timeline, 0, 0) == -EINVAL && npu_timeline_signal(timeline, 0) ==
	   -EINVAL && npu_timeline_fence(timeline, 0, 0, &fence) == -EINVAL &&
	   npu_timeline_fd(timeline, 0, true, &fd) == -EINVAL, "there is no point 0");
	ok(npu_timeline_wait(timeline, 3, 0) == -ETIMEDOUT &&
	   npu_timeline_fence(timeline, 3, 0, &fence) == -ETIMEDOUT && !fence,
	   "a point that is not promised is waited for");

	ok(!npu_fence_import(dev, 0, &fence), "a fence");
	kernel.call = 1;
	ok(npu_timeline_attach(timeline, 3, fence) == -EMFILE, "a promise that fails");
	ok(!npu_timeline_attach(timeline, 3, fence), "a promise");
	ok(npu_timeline_attach(timeline, 0, fence) == -EINVAL, "not of point 0");
	npu_fence_destroy(fence);
	ok(!npu_fence_import(second, 0, &fence) &&
	   npu_timeline_attach(timeline, 4, fence) == -EINVAL, "not by another device");
	npu_fence_destroy(fence);
	fence = NULL;
	ok(npu_timeline_wait(timeline, 3, 0) == -ETIMEDOUT, "it has not signalled");
	kernel.call = 1;
	ok(npu_timeline_fence(timeline, 3, 0, &fence) == -EMFILE && !fence, "a wait that fails");
	kernel.call = 2;
	ok(npu_timeline_fence(timeline, 3, 0, &fence) == -EMFILE && !fence, "a fence that fails");
	kernel.call = 0;
	kernel.alloc = 1;
	ok(npu_timeline_fence(timeline, 3, 0, &fence) == -ENOMEM && !fence, "no memory for it");
	kernel.alloc = 0;
	ok(!npu_timeline_fence(timeline, 3, 0, &fence) && fence, "its fence");
	npu_fence_destroy(fence);

	ok(!npu_timeline_signal(timeline, 5) && !npu_timeline_wait(timeline, 5, 0) &&
	   !npu_timeline_query(timeline, &point) && point == 5, "signalled by hand");
	kernel.call = 1;
	ok(npu_timeline_query(timeline, &point) == -EMFILE, "a query that fails");
	kernel.call = 1;
	ok(npu_timeline_fd(timeline, 5, true, &fd) == -EMFILE && fd < 0, "no eventfd");
	ok(!npu_timeline_fd(timeline, 5, false, &fd) && fd >= 0, "an eventfd");
	close(fd);
	kernel.call = 1;
	ok(npu_timeline_export(timeline, &fd) == -EMFILE, "an export that fails");
	ok(!npu_timeline_export(timeline, &fd), "an export");
	kernel.call = 1;
	ok(npu_timeline_import(dev, fd, &other) == -EMFILE && !other, "an import that fails");
	kernel.alloc = 1;
	ok(npu_timeline_import(dev, fd, &other) == -ENOMEM && !other, "no memory for one");
	kernel.alloc = 0;
	ok(!npu_timeline_import(dev, fd, &other), "an import");
	close(fd);
	npu_timeline_destroy(other);
	npu_timeline_destroy(timeline);
	npu_timeline_destroy(NULL);
	kernel.error = 0;
	npu_device_close(second);
	ok(kernel.syncobjs - syncobjs <= 4, "nothing is left but the pool");
}

/* A page at @first is mapped, and nothing from 32 MiB on. */
static void test_bind(struct npu_vm *vm, struct npu_bo *bo, uint64_t first)
{
	uint64_t far = first + (16ull << 21), va = 0;
	struct drm_npu_vm_bind_op ops[2] = {
		{ .type = DRM_NPU_VM_BIND_MAP, .handle = npu_bo_handle(bo), .va = far,
		  .size = 4096 },
		{ .type = DRM_NPU_VM_BIND_UNMAP, .va = first, .size = 4096 },
	};
	struct npu_fence *done = NULL;

	kernel.bind = ENOMEM;
	ok(npu_vm_bind(vm, ops, 2, NULL, 0, &done) == -ENOMEM && !done,
	   "an asynchronous change is refused");
	kernel.bind = 0;
	ok(!npu_vm_map(vm, bo, 0, 4096, 0, &va) && va != first, "and changes no addresses");
	npu_vm_unmap(vm, va, 4096);
	ok(!npu_vm_bind(vm, ops, 2, NULL, 0, &done) && done, "one is made");
	ok(!npu_vm_bind(vm, NULL, 0, &done, 1, NULL), "one waits for it");
	ok(npu_vm_bind(vm, ops, DRM_NPU_VM_BIND_MAX + 1, NULL, 0, NULL) == -E2BIG &&
	   npu_vm_bind(vm, ops, 2, &done, DRM_NPU_SYNCS_MAX, NULL) == -E2BIG, "not too many");
	npu_fence_destroy(done);
	ok(!npu_vm_map(vm, bo, 0, 4096, 0, &va) && va == first, "its addresses are free at once");
	npu_vm_unmap(vm, va, 4096);
}

/* Memory of the process takes addresses like a buffer. */
static void test_user(struct npu_vm *vm, struct npu_bo *bo)
{
	static char memory[8192] __attribute__((aligned(4096)));
	uint64_t va = 0, next = 0, fixed;

	ok(!npu_vm_map_user(vm, memory, 4097, DRM_NPU_VM_BIND_READONLY, &va) && va &&
	   kernel.op.type == DRM_NPU_VM_BIND_MAP_USERPTR && kernel.op.va == va &&
	   kernel.op.size == 8192 && kernel.op.flags == DRM_NPU_VM_BIND_READONLY &&
	   kernel.op.offset == (uintptr_t)memory && !kernel.op.handle, "user memory is mapped");
	ok(!npu_vm_map(vm, bo, 0, 4096, 0, &next) && next != va && next != va + 4096,
	   "at addresses of its own");
	npu_vm_unmap(vm, next, 4096);
	fixed = va + 4096;
	ok(!npu_vm_map_user(vm, memory, 4096, NPU_VM_FIXED, &fixed) && fixed == va + 4096 &&
	   kernel.op.va == fixed && !kernel.op.flags, "or at a chosen one");
	npu_vm_unmap(vm, va, 8192);
	ok(npu_vm_map_user(vm, memory + 1, 4096, 0, &va) == -EINVAL &&
	   npu_vm_map_user(vm, memory, 0, 0, &va) == -EINVAL &&
	   npu_vm_map_user(vm, memory, UINT64_MAX, 0, &va) == -EINVAL, "not whatever is asked for");
	kernel.bind = EFAULT;
	ok(npu_vm_map_user(vm, memory, 4096, 0, &va) == -EFAULT, "it may not be there");
	kernel.bind = 0;
}

static void test_madvise(struct npu_bo *bo)
{
	kernel.retained = 1;
	ok(npu_bo_madvise(bo, DRM_NPU_MADVISE_DONTNEED) == 1, "content that is there");
	kernel.retained = 0;
	ok(npu_bo_madvise(bo, DRM_NPU_MADVISE_WILLNEED) == 0, "content that is lost");
	kernel.call = 1;
	kernel.error = ENOENT;
	ok(npu_bo_madvise(bo, DRM_NPU_MADVISE_WILLNEED) == -ENOENT, "advice that fails");
	kernel.call = 0;
}

/* A mapping that fails takes no addresses. */
static void test_addresses(void)
{
	uint64_t first = 0, va = 0, last = (1ull << 48) - 4096;
	struct npu_bo *bo = NULL;
	struct npu_vm *vm = NULL;
	unsigned int binds, i;
	bool good = true;

	npu_vm_create(dev, &vm);
	npu_bo_create(dev, 8192, 0, NULL, &bo);
	npu_vm_map(vm, bo, 0, 0, 0, &first);
	npu_vm_unmap(vm, first, 8192);
	kernel.bind = ENOMEM;
	va = first + 4096;
	ok(npu_vm_map(vm, bo, 0, 4096, NPU_VM_FIXED, &va) == -ENOMEM && va == first + 4096 &&
	   npu_vm_map(vm, bo, 0, 0, 0, &va) == -ENOMEM, "a bind fails");
	kernel.bind = 0;
	binds = kernel.binds;
	for (i = 1; i < 4096; i <<= 1) {
		va = first + i;
		good &= npu_vm_map(vm, bo, 0, 4096, NPU_VM_FIXED, &va) == -EINVAL;
	}
	ok(good && kernel.binds == binds, "an address within a page is refused");
	va = 1ull << 48;
	good = npu_vm_map(vm, bo, 0, 0, NPU_VM_FIXED, &va) == -EINVAL;
	va = last;
	ok(good && npu_vm_map(vm, bo, 0, 0, NPU_VM_FIXED, &va) == -EINVAL && kernel.binds == binds,
	   "one beyond the last as well");
	ok(!npu_vm_map(vm, bo, 0, 4096, NPU_VM_FIXED, &last), "the last one is not");
	ok(!npu_vm_map(vm, bo, 0, 0, 0, &va) && va == first, "all of them are still free");
	npu_vm_unmap(vm, va, 8192);
	va = first + 4096;
	ok(!npu_vm_map(vm, bo, 0, 4096, NPU_VM_FIXED, &va) &&
	   !npu_vm_map(vm, bo, 0, 4096, 0, &va) && va == first &&
	   !npu_vm_map(vm, bo, 0, 4096, 0, &va) && va == first + 8192,
	   "what is mapped at a chosen address is not given away");
	kernel.bind = ENOMEM;
	va = first;
	ok(npu_vm_map(vm, bo, 0, 0, NPU_VM_FIXED, &va) == -ENOMEM, "a replacement fails");
	kernel.bind = 0;
	ok(!npu_vm_map(vm, bo, 0, 4096, 0, &va) && va == first + 12288,
	   "and what it would have replaced is still taken");

	/* Holes: each is found again, and they grow together. */
	for (i = 0; i < 4; i++) {
		va = first + (i + 1) * (1ull << 21);
		good &= !npu_vm_map(vm, bo, 0, 4096, NPU_VM_FIXED, &va);
	}
	va = first + (3ull << 21);
	good &= !npu_vm_unmap(vm, va, 4096) && !npu_vm_map(vm, bo, 0, 4096, NPU_VM_FIXED, &va);
	ok(good && !npu_vm_map(vm, bo, 0, 0, 0, &va) && va == first + 16384,
	   "what lies between is used first");
	ok(npu_vm_map(vm, bo, 8192, 0, 0, &va) == -EINVAL &&
	   npu_vm_map(vm, bo, 4096, 8192, 0, &va) == -EINVAL, "nothing beyond the buffer is mapped");
	test_bind(vm, bo, first);
	test_user(vm, bo);
	test_madvise(bo);
	npu_bo_destroy(bo);
	npu_bo_create(dev, 1ull << 47, 0, NULL, &bo);
	ok(!npu_vm_map(vm, bo, 0, 0, 0, &va) && npu_vm_map(vm, bo, 0, 0, 0, &va) == -ENOSPC,
	   "an address space ends");
	npu_bo_destroy(bo);
	npu_vm_destroy(vm);
}

/* Handles are small numbers: one of another device may be valid, but is not meant. */
static void test_devices(const char *path)
{
	struct npu_device *other = open_node();
	struct npu_fence *fence = NULL, *done = NULL;
	struct npu_session *session = NULL;
	struct npu_vm *vm = NULL, *vm2 = NULL;
	struct npu_queue *queue = NULL;
	struct npu_model *model = NULL;
	struct drm_npu_job job = { 0 };
	struct npu_bo *bo = NULL, *none;
	unsigned int calls;
	struct npu_error err;
	uint64_t va;

	npu_vm_create(dev, &vm);
	npu_vm_create(other, &vm2);
	npu_bo_create(other, 4096, 0, NULL, &bo);
	npu_queue_create(vm2, DRM_NPU_PRIORITY_NORMAL, 0, &queue);
	npu_queue_submit(queue, &job, 1, NULL, 0, &fence);
	npu_queue_destroy(queue);
	npu_queue_create(vm, DRM_NPU_PRIORITY_NORMAL, 0, &queue);
	npu_model_load(dev, path, NULL, &model, &err);
	npu_session_create(model, DRM_NPU_PRIORITY_NORMAL, &session, &err);
	calls = kernel.binds + kernel.submits + kernel.creates;
	ok(npu_vm_map(vm, bo, 0, 0, 0, &va) == -EINVAL, "a buffer of another device is not mapped");
	ok(npu_bo_create(other, 4096, 0, vm, &none) == -EINVAL,
	   "no buffer is private to another device's VM");
	ok(npu_queue_submit(queue, &job, 1, &fence, 1, &done) == -EINVAL && !done,
	   "no job waits for another device's fence");
	ok(npu_session_bind(session, NPU_BASE_IO, bo, 0, &err) == -EINVAL, "bind: %s", err.text);
	ok(npu_session_submit(session, &fence, 1, NULL, &err) == -EINVAL, "submit: %s", err.text);
	ok(calls == kernel.binds + kernel.submits + kernel.creates, "the kernel sees none of it");
	ok(!npu_vm_map(vm2, bo, 0, 0, 0, &va), "the buffer's own device maps it");
	npu_session_destroy(session);
	npu_model_destroy(model);
	npu_queue_destroy(queue);
	npu_fence_destroy(fence);
	npu_bo_destroy(bo);
	npu_vm_destroy(vm);
	npu_vm_destroy(vm2);
	npu_device_close(other);
}

/* Results are what a run that succeeded left, nothing else is one. */
static void test_results(const char *path)
{
	struct npu_session *session = NULL;
	struct npu_model *model = NULL;
	struct npu_timestamp t[16];
	struct npu_error err;
	char out[10];

	kernel.status = 1;
	if (!ok(!npu_model_load(dev, path, &profile, &model, &err) &&
		!npu_session_create(model, DRM_NPU_PRIORITY_NORMAL, &session, &err), "a session"))
		return;
	ok(npu_session_read(session, 0, out, 10, &err) == -ENODATA, "no run: %s", err.text);
	ok(npu_session_profile(session, t, 16) == -ENODATA, "and no profile");
	ok(!npu_session_run(session, &err) && !npu_session_read(session, 0, out, 10, &err) &&
	   npu_session_profile(session, t, 16) > 0, "a run gives both");
	kernel.status = -EFAULT;
	ok(npu_session_run(session, &err) == -EFAULT &&
	   npu_session_read(session, 0, out, 10, &err) == -EFAULT &&
	   npu_session_profile(session, t, 16) == -EFAULT, "a failed run gives its error");
	ok(!npu_session_reset(session, &err) &&
	   npu_session_read(session, 0, out, 10, &err) == -ENODATA &&
	   npu_session_profile(session, t, 16) == -ENODATA, "a reset gives nothing");
	kernel.status = 1;
	ok(!npu_session_run(session, &err) && !npu_session_read(session, 0, out, 10, &err),
	   "the run after it does");
	npu_session_destroy(session);
	npu_model_destroy(model);
}

int main(int argc, char **argv)
{
	char model[512];

	if (argc < 2)
		return 2;
	node = kernel_init(argv[1]);
	dev = open_node();
	ok(!strcmp(npu_device_path(dev), node), "a long path");
	test_fence();
	test_events();
	test_timeline();
	test_addresses();
	snprintf(model, sizeof(model), "%s/digits.tflite", argv[1]);
	test_results(model);
	test_devices(model);
	npu_device_close(dev);
	unlink(node);
	return tap_done();
}

// SPDX-License-Identifier: MIT
/*
 * libnpu on a kernel that is not there: the functions of libdrm that it calls
 * are in this file and fail when told to. What matters is what the library
 * makes of answers that a real device gives too seldom for a test:
 *
 *	t_kernel MODELS-DIRECTORY
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xf86drm.h>

#include <npu.h>

#include "tap.h"

#define NODE_SIZE	(16 << 20)

/* What the kernel says next. */
static struct {
	int export;	/* errno of the export of a sync_file */
	int status;	/* of sync_files */
	int wait;	/* of drmSyncobjWait() */
	int bind;	/* errno of VM_BIND */
	unsigned int binds, submits, creates;	/* calls that came */
	uint32_t handle;	/* the last one given */
	uint64_t offset;	/* of the next buffer in the node */
	uint64_t size[4096];	/* of buffers by handle */
} kernel;

static int answer(int error)
{
	errno = error;
	return error ? -1 : 0;
}

static int dev_query(struct drm_npu_dev_query *query)
{
	struct drm_npu_device_info info = {
		.isa_version = NPU_ISA_MAJOR << 16, .isa_features = ~0ull, .cores = 1,
		.page_sizes = 4096, .va_bits = 48, .macs_max_order = 40, .bytes_max_order = 40,
	};

	memcpy((void *)(uintptr_t)query->ptr, &info, sizeof(info));
	return 0;
}

int drmIoctl(int fd, unsigned long request, void *arg)
{
	struct drm_npu_bo_create *create = arg;

	(void)fd;
	switch (request) {
	case DRM_IOCTL_NPU_DEV_QUERY:
		return dev_query(arg);
	case DRM_IOCTL_NPU_BO_CREATE:
		kernel.creates++;
		create->handle = ++kernel.handle;
		kernel.size[create->handle] = (create->size + 4095) / 4096 * 4096;
		return 0;
	case DRM_IOCTL_NPU_BO_INFO:
		((struct drm_npu_bo_info *)arg)->size =
			kernel.size[((struct drm_npu_bo_info *)arg)->handle];
		return 0;
	case DRM_IOCTL_NPU_BO_MMAP_OFFSET:
		((struct drm_npu_bo_mmap_offset *)arg)->offset = kernel.offset;
		kernel.offset += 1 << 20;
		return 0;
	case DRM_IOCTL_NPU_VM_CREATE:
		((struct drm_npu_vm_create *)arg)->vm_id = 1;
		return 0;
	case DRM_IOCTL_NPU_QUEUE_CREATE:
		((struct drm_npu_queue_create *)arg)->queue_id = 1;
		return 0;
	case DRM_IOCTL_NPU_VM_BIND:
		kernel.binds++;
		return answer(kernel.bind);
	case DRM_IOCTL_NPU_SUBMIT:
		kernel.submits++;
		return 0;
	case SYNC_IOC_FILE_INFO:
		((struct sync_file_info *)arg)->status = kernel.status;
		return 0;
	}
	return 0;
}

drmVersionPtr drmGetVersion(int fd)
{
	drmVersionPtr version = calloc(1, sizeof(*version));

	(void)fd;
	version->name = (char *)"npu";
	version->name_len = 3;
	return version;
}

void drmFreeVersion(drmVersionPtr version)
{
	free(version);
}

int drmSyncobjCreate(int fd, uint32_t flags, uint32_t *handle)
{
	(void)fd;
	(void)flags;
	*handle = ++kernel.handle;
	return 0;
}

int drmSyncobjDestroy(int fd, uint32_t handle)
{
	(void)fd;
	(void)handle;
	return 0;
}

int drmSyncobjWait(int fd, uint32_t *handles, unsigned int n, int64_t timeout, unsigned int flags,
		   uint32_t *first)
{
	(void)fd;
	(void)handles;
	(void)n;
	(void)timeout;
	(void)flags;
	(void)first;
	return kernel.wait;
}

int drmSyncobjExportSyncFile(int fd, uint32_t handle, int *file)
{
	(void)handle;
	if (!kernel.export)
		*file = dup(fd);
	return answer(kernel.export);
}

/* ---- Tests ---- */

static struct npu_device *dev;
static char node[512];

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
	npu_model_load(dev, path, 0, &model, &err);
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
	if (!ok(!npu_model_load(dev, path, NPU_COMPILE_PROFILE, &model, &err) &&
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
	int fd;

	if (argc < 2)
		return 2;
	/* Buffers are parts of this file. */
	snprintf(node, sizeof(node), "%s/%s", argv[1],
		 "a-device-whose-path-is-longer-than-those-that-the-library-makes-itself");
	fd = open(node, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, NODE_SIZE)) {
		printf("Bail out! %s: %s\n", node, strerror(errno));
		return 1;
	}
	close(fd);
	dev = open_node();
	ok(!strcmp(npu_device_path(dev), node), "a long path");
	test_fence();
	test_addresses();
	snprintf(model, sizeof(model), "%s/digits.tflite", argv[1]);
	test_results(model);
	test_devices(model);
	npu_device_close(dev);
	unlink(node);
	return tap_done();
}

// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xf86drm.h>

#include "kernel.h"

#define ACCEL	"/dev/accel"

/* What the linker has wrapped, see the Makefile. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
int __real_open(const char *path, int flags, ...);
DIR *__real_opendir(const char *path);
ssize_t __real_readlink(const char *path, char *buf, size_t size);
ssize_t __real_read(int fd, void *buf, size_t size);

struct kernel kernel;

static char folder[512], node[640];

static int answer(int error)
{
	errno = error;
	return error ? -1 : 0;
}

/* Is this the call that fails? */
static bool fails(unsigned int *count)
{
	return *count && !--*count;
}

static int dev_query(struct drm_npu_dev_query *query)
{
	struct drm_npu_device_info info = {
		.isa_version = kernel.isa_major << 16, .isa_features = ~0ull, .cores = 1,
		.page_sizes = 4096, .va_bits = 48, .macs_max_order = 40, .bytes_max_order = 40,
	};
	struct drm_npu_time_info time = { .device_ns = 7, .monotonic_ns = 8 };

	if (query->type == DRM_NPU_QUERY_TIME)
		memcpy((void *)(uintptr_t)query->ptr, &time, sizeof(time));
	else
		memcpy((void *)(uintptr_t)query->ptr, &info, sizeof(info));
	return answer(kernel.query);
}

static uint32_t new_object(void)
{
	kernel.objects++;
	return ++kernel.handle;
}

static void bo_create(struct drm_npu_bo_create *create)
{
	kernel.creates++;
	create->handle = new_object();
	kernel.size[create->handle] = (create->size + 4095) / 4096 * 4096;
}

static void vm_bind(const struct drm_npu_vm_bind *bind)
{
	kernel.binds++;
	if (bind->ops.count)
		kernel.op = *(struct drm_npu_vm_bind_op *)(uintptr_t)bind->ops.ptr;
}

int drmIoctl(int fd, unsigned long request, void *arg)
{
	struct drm_npu_bo_info *info = arg;

	(void)fd;
	/* What ends an object has no reason to fail. */
	switch (request) {
	case DRM_IOCTL_GEM_CLOSE:
	case DRM_IOCTL_NPU_VM_DESTROY:
	case DRM_IOCTL_NPU_QUEUE_DESTROY:
		kernel.objects--;
		return 0;
	}
	if (fails(&kernel.call))
		return answer(kernel.error);
	switch (request) {
	case DRM_IOCTL_NPU_DEV_QUERY:
		return dev_query(arg);
	case DRM_IOCTL_NPU_BO_CREATE:
		bo_create(arg);
		break;
	case DRM_IOCTL_NPU_BO_INFO:
		info->size = kernel.size[info->handle];
		info->flags = kernel.info;
		break;
	case DRM_IOCTL_NPU_BO_MMAP_OFFSET:
		((struct drm_npu_bo_mmap_offset *)arg)->offset = kernel.offset;
		kernel.offset += 1 << 20;
		break;
	case DRM_IOCTL_NPU_VM_CREATE:
		((struct drm_npu_vm_create *)arg)->vm_id = new_object();
		break;
	case DRM_IOCTL_NPU_QUEUE_CREATE:
		((struct drm_npu_queue_create *)arg)->queue_id = new_object();
		break;
	case DRM_IOCTL_NPU_QUEUE_GET_STATE:
		*(struct drm_npu_queue_get_state *)arg = kernel.state;
		break;
	case DRM_IOCTL_NPU_BO_MADVISE:
		((struct drm_npu_bo_madvise *)arg)->retained = kernel.retained;
		break;
	case DRM_IOCTL_NPU_VM_BIND:
		vm_bind(arg);
		return answer(kernel.bind);
	case DRM_IOCTL_NPU_SUBMIT:
		kernel.submits++;
		break;
	case DRM_IOCTL_NPU_BO_SYNC:
	case DMA_BUF_IOCTL_SYNC:
		kernel.syncs++;
		break;
	case DRM_IOCTL_NPU_PERF_QUERY:
		((struct drm_npu_perf_query *)arg)->macs = 9;
		break;
	case SYNC_IOC_FILE_INFO:
		((struct sync_file_info *)arg)->status = kernel.status;
		break;
	}
	return 0;
}

/* ---- libdrm ---- */

/* Node n of the folder has driver n, one that is not in it the first. */
drmVersionPtr drmGetVersion(int fd)
{
	drmVersionPtr version;
	unsigned int n = 0;
	char path[64], target[512] = "", *name;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target) - 1) > 0) {
		name = strrchr(target, '/');
		if (name && sscanf(name, "/accel%u", &n) == 1)
			n %= KERNEL_NODES;
	}
	if (!kernel.driver[n])
		return NULL;
	version = __real_calloc(1, sizeof(*version));
	version->name = (char *)kernel.driver[n];
	version->name_len = (int)strlen(version->name);
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
	if (fails(&kernel.call))
		return answer(kernel.error);
	*handle = ++kernel.handle;
	kernel.syncobjs++;
	return 0;
}

/* The others end with their file. */
int drmSyncobjDestroy(int fd, uint32_t handle)
{
	(void)fd;
	(void)handle;
	kernel.syncobjs--;
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
	return fails(&kernel.call) ? -kernel.error : kernel.wait;
}

int drmSyncobjExportSyncFile(int fd, uint32_t handle, int *file)
{
	(void)handle;
	if (fails(&kernel.call))
		return answer(kernel.error);
	if (!kernel.export)
		*file = dup(fd);
	return answer(kernel.export);
}

int drmSyncobjImportSyncFile(int fd, uint32_t handle, int file)
{
	(void)fd;
	(void)handle;
	(void)file;
	return answer(kernel.import);
}

/* One timeline for all: its last promised and last signalled point. */
int drmSyncobjTimelineWait(int fd, uint32_t *handles, uint64_t *points, unsigned int n,
			   int64_t timeout, unsigned int flags, uint32_t *first)
{
	uint64_t have = flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE ? kernel.promised :
								       kernel.signalled;

	(void)fd;
	(void)handles;
	(void)n;
	(void)timeout;
	(void)first;
	if (fails(&kernel.call))
		return -kernel.error;
	/* Without it, a point that is not promised is an error at once. */
	if (!(flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT))
		return -EINVAL;
	return *points > have ? -ETIME : 0;
}

int drmSyncobjTransfer(int fd, uint32_t dst, uint64_t dst_point, uint32_t src, uint64_t src_point,
		       uint32_t flags)
{
	(void)fd;
	(void)dst;
	(void)src;
	(void)flags;
	if (fails(&kernel.call))
		return answer(kernel.error);
	if (src_point > kernel.promised)
		return answer(EINVAL);
	if (dst_point)
		kernel.promised = dst_point;
	return 0;
}

int drmSyncobjTimelineSignal(int fd, const uint32_t *handles, uint64_t *points, uint32_t n)
{
	(void)fd;
	(void)handles;
	(void)n;
	kernel.promised = *points;
	kernel.signalled = *points;
	return 0;
}

int drmSyncobjQuery(int fd, uint32_t *handles, uint64_t *points, uint32_t n)
{
	(void)fd;
	(void)handles;
	(void)n;
	if (fails(&kernel.call))
		return answer(kernel.error);
	*points = kernel.signalled;
	return 0;
}

int drmSyncobjHandleToFD(int fd, uint32_t handle, int *file)
{
	(void)handle;
	if (fails(&kernel.call))
		return answer(kernel.error);
	*file = dup(fd);
	return 0;
}

int drmSyncobjFDToHandle(int fd, int file, uint32_t *handle)
{
	(void)fd;
	(void)file;
	if (fails(&kernel.call))
		return answer(kernel.error);
	*handle = ++kernel.handle;
	kernel.syncobjs++;
	return 0;
}

int drmPrimeFDToHandle(int fd, int prime, uint32_t *handle)
{
	(void)fd;
	(void)prime;
	if (fails(&kernel.call))
		return answer(kernel.error);
	*handle = kernel.imported;
	if (!*handle) {
		*handle = new_object();
		kernel.imported = *handle;
		kernel.size[*handle] = 8192;
	}
	return 0;
}

int drmPrimeHandleToFD(int fd, uint32_t handle, uint32_t flags, int *prime)
{
	(void)handle;
	(void)flags;
	*prime = dup(fd);
	return *prime < 0 ? -1 : 0;
}

/* ---- libc ---- */

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
int __wrap_open(const char *path, int flags, ...);
DIR *__wrap_opendir(const char *path);
ssize_t __wrap_readlink(const char *path, char *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size);

static bool no_memory(void)
{
	if (!fails(&kernel.alloc))
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return no_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return no_memory() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return no_memory() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *text)
{
	return no_memory() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
	return no_memory() ? NULL : __real_strndup(text, size);
}

/* The nodes of the system are those of the folder. */
static const char *place(const char *path, char *buf, size_t size)
{
	if (strncmp(path, ACCEL, strlen(ACCEL)))
		return path;
	snprintf(buf, size, "%s/accel%s", folder, path + strlen(ACCEL));
	return buf;
}

int __wrap_open(const char *path, int flags, ...)
{
	const char *real;
	char buf[640];
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, int) : 0;
	va_end(args);
	real = place(path, buf, sizeof(buf));
	if (kernel.open && (real == buf || !strcmp(path, node)))
		return answer(kernel.open);
	return __real_open(real, flags, mode);
}

DIR *__wrap_opendir(const char *path)
{
	char buf[640];

	return __real_opendir(place(path, buf, sizeof(buf)));
}

ssize_t __wrap_readlink(const char *path, char *buf, size_t size)
{
	if (strncmp(path, "/sys/", 5))
		return __real_readlink(path, buf, size);
	if (!kernel.link)
		return answer(ENOENT);
	snprintf(buf, size, "%s", kernel.link);
	return (ssize_t)strlen(buf);
}

ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	size_t length = kernel.event.base.length;

	if (!kernel.reads)
		return __real_read(fd, buf, size);
	if (!length)
		return answer(kernel.read);
	if (length > size)
		return 0;
	memset(buf, 0, length);
	memcpy(buf, &kernel.event, length < sizeof(kernel.event) ? length : sizeof(kernel.event));
	kernel.event.base.length = 0;
	return (ssize_t)length;
}

const char *kernel_init(const char *where)
{
	unsigned int i;
	int fd;

	memset(&kernel, 0, sizeof(kernel));
	kernel.isa_major = NPU_ISA_MAJOR;
	for (i = 0; i < KERNEL_NODES; i++)
		kernel.driver[i] = "npu";
	snprintf(folder, sizeof(folder), "%s", where);
	snprintf(node, sizeof(node), "%s/%s", where,
		 "a-device-whose-path-is-longer-than-those-that-the-library-makes-itself");
	/* Buffers are parts of this file. */
	fd = __real_open(node, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, KERNEL_NODE_SIZE)) {
		printf("Bail out! %s: %s\n", node, strerror(errno));
		exit(1);
	}
	close(fd);
	return node;
}

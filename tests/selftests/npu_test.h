/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the driver share: thin wrappers of the ioctls (they return
 * 0 or a negative errno), small command streams. Emulated devices are in emu.h.
 *
 * The tests speak the user API directly; libnpu has tests of its own.
 */
#ifndef _NPU_TEST_H_
#define _NPU_TEST_H_

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <xf86drm.h>

#include <drm/npu_accel.h>
#include <drm/npu_isa.h>

#include "kselftest_harness.h"

#include "emu.h"

/* Seconds. 30 are not enough for every test on an emulated debug kernel. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 180

#define PAGE		4096ul
#define MIB		(1ul << 20)
#define BLOCK		(2 * MIB)
#define SECOND		1000000000ll
/* Generous: nothing but a hang takes so long. */
#define LONG		(60 * SECOND)

static inline int call(int fd, unsigned long request, void *arg)
{
	return drmIoctl(fd, request, arg) ? -errno : 0;
}

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

static inline void sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

/* ---- Devices -------------------------------------------------------------------- */

static inline int device_open_index(int index)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/accel/accel%d", index);
	return open(path, O_RDWR | O_CLOEXEC);
}

static inline int device_open(void)
{
	return device_open_index(0);
}

/* Limits of clients and more, see modinfo npu. */
#define PARAMETERS "/sys/module/npu/parameters/"

/* ---- What exists --------------------------------------------------------------------- */

static inline int debugfs_file(int index, const char *name, char *text, size_t size)
{
	char path[512], device[256];
	ssize_t n;

	/* debugfs calls it as the bus does, not by the number of its node. */
	snprintf(path, sizeof(path), "/sys/class/accel/accel%d/device", index);
	n = readlink(path, device, sizeof(device) - 1);
	if (n < 0)
		return -errno;
	device[n] = 0;
	snprintf(path, sizeof(path), "/sys/kernel/debug/accel/%s/%s", basename(device), name);
	return read_file(path, text, size);
}

/* Counts of objects, then counters of what the device did. */
static inline int objects_file(int index, char *text, size_t size)
{
	return debugfs_file(index, "objects", text, size);
}

/* What exists on a device: vms, bos, queues; empty if there is no device. */
static inline void objects_read(int index, char *text, size_t size)
{
	char *end;

	if (objects_file(index, text, size))
		*text = 0;
	end = strstr(text, "bad sequences");
	if (end)
		*end = 0;
}

/* ---- Memory pressure ------------------------------------------------------------------ */

#define SWAP_DEVICE "/dev/ram0"

/* Something to swap to, made of a RAM disk: a header as mkswap writes it. */
static inline int swap_on(void)
{
	static const uint32_t version = 1;
	uint32_t last_page;
	off_t size;
	int fd, ret;

	fd = open(SWAP_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	size = lseek(fd, 0, SEEK_END);
	last_page = size / PAGE - 1;
	ret = pwrite(fd, &version, 4, 1024) == 4 && pwrite(fd, &last_page, 4, 1028) == 4 &&
	      pwrite(fd, "SWAPSPACE2", 10, PAGE - 10) == 10 && !fsync(fd) ? 0 : -EIO;
	close(fd);
	if (!ret && swapon(SWAP_DEVICE, 0))
		ret = -errno;
	return ret;
}

static inline int swap_off(void)
{
	return swapoff(SWAP_DEVICE) ? -errno : 0;
}

/*
 * User Mode Linux 6.12 walks the tree of mappings without a lock where CPU mappings are
 * zapped while another thread changes some (flush_tlb_mm()).
 */
static inline bool kernel_zaps(void)
{
	char text[512] = "";

	return read_file("/proc/cpuinfo", text, sizeof(text)) || !strstr(text, "User Mode Linux");
}

/* Runs all shrinkers. */
static inline int drop_slab(void)
{
	return write_file("/proc/sys/vm/drop_caches", "2");
}

/* ---- Memory that can be told from any other ---------------------------------------- */

static inline void memory_fill(uint8_t *p, size_t size, uint32_t seed)
{
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = (i * 2654435761u + seed) >> 24;
}

static inline bool memory_filled(const uint8_t *p, size_t size, uint32_t seed)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (p[i] != (uint8_t)((i * 2654435761u + seed) >> 24))
			return false;
	}
	return true;
}

/* ---- Between processes --------------------------------------------------------------- */

/* @kind: goes along */
static inline int send_fd(int socket, int fd, char kind, int flags)
{
	char control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { &kind, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(socket, &msg, flags) == 1 ? 0 : -errno;
}

static inline int receive_fd(int socket, char *kind, int flags)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { kind, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(socket, &msg, flags) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

/* ---- Objects --------------------------------------------------------------------- */

static inline int bo_create_flags(int fd, uint64_t size, uint32_t flags, uint32_t vm,
				  uint32_t *handle)
{
	struct drm_npu_bo_create args = { .size = size, .flags = flags, .vm_id = vm };
	int ret = call(fd, DRM_IOCTL_NPU_BO_CREATE, &args);

	*handle = args.handle;
	return ret;
}

static inline uint32_t bo_create(int fd, uint64_t size)
{
	uint32_t handle;

	return bo_create_flags(fd, size, 0, 0, &handle) ? 0 : handle;
}

static inline int bo_close(int fd, uint32_t handle)
{
	return drmCloseBufferHandle(fd, handle) ? -errno : 0;
}

/* ---- Where CPU and device do not see the same memory ------------------------------ */

/*
 * With swiotlb=force the tests are those of a machine that needs BO_SYNC. It is called
 * for them, page by page: before a submission for what the CPU has written, after a wait
 * for what it has not.
 */
struct shadow {
	int fd;
	uint32_t handle;
	uint64_t size;
	uint8_t *mem;
	uint8_t *copy;	/* what @mem was like after the last call */
};

static struct shadow shadows[512] __attribute__((unused));
static unsigned int shadow_count __attribute__((unused));
static pthread_mutex_t shadow_lock __attribute__((unused)) = PTHREAD_MUTEX_INITIALIZER;

static inline int shadow_sync(struct shadow *shadow, uint32_t flags, uint64_t offset)
{
	struct drm_npu_bo_sync args = {
		.handle = shadow->handle, .flags = flags, .offset = offset, .size = PAGE,
	};

	return call(shadow->fd, DRM_IOCTL_NPU_BO_SYNC, &args);
}

static inline void shadow_update(struct shadow *shadow, uint32_t flags)
{
	uint8_t *mem = shadow->mem, *copy = shadow->copy;
	uint64_t i;
	bool to_device = flags == DRM_NPU_BO_SYNC_TO_DEVICE;
	bool written;

	for (i = 0; i < shadow->size; i += PAGE) {
		/* Unmapped, or closed, by now. */
		if (msync(mem + i, PAGE, MS_ASYNC))
			return;
		written = memcmp(mem + i, copy + i, PAGE);
		if (written != to_device)
			continue;
		if (shadow_sync(shadow, flags, i))
			return;
		memcpy(copy + i, mem + i, PAGE);
	}
}

/* Call it where a submission or a wait is made in another way than below. */
static inline void memory_sync(uint32_t flags)
{
	unsigned int i;

	if (!__atomic_load_n(&shadow_count, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&shadow_lock);
	for (i = 0; i < shadow_count; i++)
		shadow_update(&shadows[i], flags);
	pthread_mutex_unlock(&shadow_lock);
}

static inline void memory_add(int fd, uint32_t handle, uint64_t size, uint8_t *mem)
{
	struct drm_npu_bo_info info = { .handle = handle };
	struct shadow *shadow;
	uint8_t *copy;

	if (call(fd, DRM_IOCTL_NPU_BO_INFO, &info) || !(info.flags & DRM_NPU_BO_INFO_NEED_SYNC))
		return;
	copy = malloc(size);
	if (!copy)
		return;
	pthread_mutex_lock(&shadow_lock);
	if (shadow_count < sizeof(shadows) / sizeof(shadows[0])) {
		shadow = &shadows[shadow_count];
		*shadow = (struct shadow) { fd, handle, size, mem, copy };
		memcpy(copy, mem, size);
		__atomic_add_fetch(&shadow_count, 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&shadow_lock);
}

static inline void *bo_map(int fd, uint32_t handle, uint64_t size)
{
	struct drm_npu_bo_mmap_offset args = { .handle = handle };
	void *mem;

	if (call(fd, DRM_IOCTL_NPU_BO_MMAP_OFFSET, &args))
		return MAP_FAILED;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, args.offset);
	if (mem != MAP_FAILED)
		memory_add(fd, handle, size, mem);
	return mem;
}

static inline uint32_t vm_create(int fd)
{
	struct drm_npu_vm_create args = {};

	return call(fd, DRM_IOCTL_NPU_VM_CREATE, &args) ? 0 : args.vm_id;
}

static inline int vm_destroy(int fd, uint32_t vm)
{
	struct drm_npu_vm_destroy args = { .vm_id = vm };

	return call(fd, DRM_IOCTL_NPU_VM_DESTROY, &args);
}

static inline int vm_bind_ops(int fd, uint32_t vm, struct drm_npu_vm_bind_op *ops, uint32_t count)
{
	struct drm_npu_vm_bind args = {
		.vm_id = vm,
		.ops = { .stride = sizeof(*ops), .count = count, .ptr = (uintptr_t)ops },
	};

	return call(fd, DRM_IOCTL_NPU_VM_BIND, &args);
}

static inline int vm_map_flags(int fd, uint32_t vm, uint32_t bo, uint64_t va, uint64_t size,
			       uint64_t offset, uint32_t flags)
{
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP, .flags = flags, .handle = bo,
		.va = va, .size = size, .offset = offset,
	};

	return vm_bind_ops(fd, vm, &op, 1);
}

static inline int vm_map(int fd, uint32_t vm, uint32_t bo, uint64_t va, uint64_t size)
{
	return vm_map_flags(fd, vm, bo, va, size, 0, 0);
}

static inline int vm_unmap(int fd, uint32_t vm, uint64_t va, uint64_t size)
{
	struct drm_npu_vm_bind_op op = { .type = DRM_NPU_VM_BIND_UNMAP, .va = va, .size = size };

	return vm_bind_ops(fd, vm, &op, 1);
}

static inline int vm_state(int fd, uint32_t vm, struct drm_npu_vm_get_state *state)
{
	*state = (struct drm_npu_vm_get_state) { .vm_id = vm };
	return call(fd, DRM_IOCTL_NPU_VM_GET_STATE, state);
}

static inline int queue_create_full(int fd, uint32_t vm, uint32_t priority, uint32_t hang_ms,
				    uint32_t *queue)
{
	struct drm_npu_queue_create args = {
		.vm_id = vm, .priority = priority, .hang_timeout_ms = hang_ms,
	};
	int ret = call(fd, DRM_IOCTL_NPU_QUEUE_CREATE, &args);

	*queue = args.queue_id;
	return ret;
}

static inline uint32_t queue_create(int fd, uint32_t vm)
{
	uint32_t queue;

	return queue_create_full(fd, vm, DRM_NPU_PRIORITY_NORMAL, 0, &queue) ? 0 : queue;
}

static inline int queue_destroy(int fd, uint32_t queue)
{
	struct drm_npu_queue_destroy args = { .queue_id = queue };

	return call(fd, DRM_IOCTL_NPU_QUEUE_DESTROY, &args);
}

static inline int queue_state(int fd, uint32_t queue, struct drm_npu_queue_get_state *state)
{
	*state = (struct drm_npu_queue_get_state) { .queue_id = queue };
	return call(fd, DRM_IOCTL_NPU_QUEUE_GET_STATE, state);
}

/* ---- Submission ------------------------------------------------------------------- */

static inline struct drm_npu_sync sync_wait(uint32_t syncobj, uint64_t point)
{
	return (struct drm_npu_sync) {
		.type = point ? DRM_NPU_SYNC_TIMELINE : DRM_NPU_SYNC_BINARY,
		.handle = syncobj, .point = point,
	};
}

static inline struct drm_npu_sync sync_signal(uint32_t syncobj, uint64_t point)
{
	struct drm_npu_sync sync = sync_wait(syncobj, point);

	sync.flags = DRM_NPU_SYNC_SIGNAL;
	return sync;
}

static inline int submit(int fd, uint32_t queue, struct drm_npu_job *jobs, uint32_t count,
			 struct drm_npu_sync *syncs, uint32_t sync_count)
{
	struct drm_npu_submit args = {
		.queue_id = queue,
		.jobs = { .stride = sizeof(*jobs), .count = count, .ptr = (uintptr_t)jobs },
		.syncs = { .stride = sizeof(*syncs), .count = sync_count,
			   .ptr = (uintptr_t)syncs },
	};

	memory_sync(DRM_NPU_BO_SYNC_TO_DEVICE);
	return call(fd, DRM_IOCTL_NPU_SUBMIT, &args);
}

/* One job that signals a binary syncobj. */
static inline int submit_one(int fd, uint32_t queue, struct drm_npu_job job, uint32_t syncobj)
{
	struct drm_npu_sync sync = sync_signal(syncobj, 0);

	return submit(fd, queue, &job, 1, &sync, 1);
}

static inline uint32_t syncobj_create(int fd)
{
	uint32_t handle;

	return drmSyncobjCreate(fd, 0, &handle) ? 0 : handle;
}

static inline int syncobj_wait(int fd, uint32_t syncobj, int64_t timeout_ns)
{
	int ret = drmSyncobjWait(fd, &syncobj, 1, now_ns() + timeout_ns, 0, NULL);

	memory_sync(DRM_NPU_BO_SYNC_TO_CPU);
	return ret;
}

static inline int sync_file_wait(int sync_file, int timeout_ms)
{
	struct pollfd pfd = { .fd = sync_file, .events = POLLIN };
	int ret = poll(&pfd, 1, timeout_ms) == 1 ? 0 : -ETIME;

	memory_sync(DRM_NPU_BO_SYNC_TO_CPU);
	return ret;
}

/* 1: signalled well, 0: not signalled, negative: the error of the fence. */
static inline int sync_file_status(int sync_file)
{
	struct sync_file_info info = {};

	return ioctl(sync_file, SYNC_IOC_FILE_INFO, &info) ? -errno : info.status;
}

/* The names of a signalled fence; newer kernels forget the driver then. */
static inline bool fence_names_us(const struct sync_fence_info *fence)
{
	return (!strcmp(fence->driver_name, "npu") &&
		!strncmp(fence->obj_name, "npu", 3)) ||
	       !strcmp(fence->driver_name, "detached-driver");
}

static inline int syncobj_export(int fd, uint32_t syncobj)
{
	int sync_file;

	return drmSyncobjExportSyncFile(fd, syncobj, &sync_file) ? -1 : sync_file;
}

/* Waits for the job behind a binary syncobj; 1 or the error of its fence. */
static inline int job_result(int fd, uint32_t syncobj)
{
	int sync_file = syncobj_export(fd, syncobj);
	int status;

	if (sync_file < 0)
		return -EBADF;
	status = sync_file_wait(sync_file, LONG / 1000000) ? -ETIMEDOUT :
		 sync_file_status(sync_file);
	close(sync_file);
	return status;
}

/* Of vgem_drm.h, which no package has without the kernel's headers. */
struct vgem_fence_attach {
	uint32_t handle;
	uint32_t flags;
	uint32_t out_fence;
	uint32_t pad;
};

struct vgem_fence_signal {
	uint32_t fence;
	uint32_t flags;
};

#define VGEM_FENCE_WRITE	1
#define VGEM_FENCE_ATTACH	DRM_IOWR(DRM_COMMAND_BASE + 1, struct vgem_fence_attach)
#define VGEM_FENCE_SIGNAL	DRM_IOW(DRM_COMMAND_BASE + 2, struct vgem_fence_signal)

/*
 * A syncobj of this file that a test signals when it likes: a fence of vgem's. Needs
 * vgem, and ends by itself after ten seconds.
 */
struct gate {
	int vgem;
	uint32_t fence;
	uint32_t syncobj;
};

static inline int vgem_open(void)
{
	return open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
}

/* A buffer of vgem's, as handle and dma-buf. */
static inline int vgem_create(int vgem, uint64_t size, uint32_t *handle, int *dma_buf)
{
	struct drm_mode_create_dumb dumb = { .width = 1024, .height = size / PAGE, .bpp = 32 };

	if (ioctl(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb) ||
	    drmPrimeHandleToFD(vgem, dumb.handle, DRM_CLOEXEC | DRM_RDWR, dma_buf))
		return -1;
	*handle = dumb.handle;
	return 0;
}

/* Attaches an unsignalled fence to a buffer of vgem's. */
static inline int vgem_attach(int vgem, uint32_t handle, uint32_t *fence)
{
	struct vgem_fence_attach attach = { .handle = handle, .flags = VGEM_FENCE_WRITE };
	int ret = call(vgem, VGEM_FENCE_ATTACH, &attach);

	*fence = attach.out_fence;
	return ret;
}

static inline int vgem_signal(int vgem, uint32_t fence)
{
	struct vgem_fence_signal signal = { .fence = fence };

	return call(vgem, VGEM_FENCE_SIGNAL, &signal);
}

static inline int gate_init(struct gate *gate, int fd)
{
	struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_RW };
	uint32_t handle = 0;
	int dma_buf, ret;

	gate->syncobj = syncobj_create(fd);
	gate->vgem = vgem_open();
	if (gate->vgem < 0 || !gate->syncobj)
		return -ENODEV;
	ret = vgem_create(gate->vgem, PAGE, &handle, &dma_buf);
	if (ret)
		return ret;
	ret = vgem_attach(gate->vgem, handle, &gate->fence);
	if (!ret)
		ret = call(dma_buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export);
	close(dma_buf);
	if (ret)
		return ret;
	ret = drmSyncobjImportSyncFile(fd, gate->syncobj, export.fd) ? -errno : 0;
	close(export.fd);
	return ret;
}

static inline int gate_open(struct gate *gate)
{
	return vgem_signal(gate->vgem, gate->fence);
}

/* ---- Asynchronous changes of address spaces ---------------------------------------- */

static inline int vm_bind_async(int fd, uint32_t vm, struct drm_npu_vm_bind_op *ops,
				uint32_t count, struct drm_npu_sync *syncs, uint32_t sync_count)
{
	struct drm_npu_vm_bind args = {
		.vm_id = vm, .flags = DRM_NPU_VM_BIND_ASYNC,
		.ops = { .stride = sizeof(*ops), .count = count, .ptr = (uintptr_t)ops },
		.syncs = { .stride = sizeof(*syncs), .count = sync_count,
			   .ptr = (uintptr_t)syncs },
	};

	return call(fd, DRM_IOCTL_NPU_VM_BIND, &args);
}

static inline struct drm_npu_vm_bind_op map_op(uint32_t bo, uint64_t va, uint64_t size,
					       uint64_t offset)
{
	return (struct drm_npu_vm_bind_op) {
		.type = DRM_NPU_VM_BIND_MAP, .handle = bo, .va = va, .size = size,
		.offset = offset,
	};
}

static inline struct drm_npu_vm_bind_op unmap_op(uint64_t va, uint64_t size)
{
	return (struct drm_npu_vm_bind_op) {
		.type = DRM_NPU_VM_BIND_UNMAP, .va = va, .size = size,
	};
}

/* ---- Command streams ---------------------------------------------------------------- */

/*
 * A context of the simplest kind: one buffer at VA, its first half for streams
 * and base tables, its second half for data.
 */
#define CTX_VA		0x10000000ul
#define CTX_SIZE	(512 * 1024ul)
#define CTX_TABLE	(CTX_SIZE / 2 - PAGE)
#define CTX_DATA	(CTX_SIZE / 2)
#define CTX_DATA_SIZE	(CTX_SIZE - CTX_DATA)

struct ctx {
	int fd;
	uint32_t vm;
	uint32_t bo;
	uint32_t queue;
	uint32_t syncobj;
	uint8_t *mem;
};

static inline struct npu_base *ctx_bases(struct ctx *ctx)
{
	return (struct npu_base *)(ctx->mem + CTX_TABLE);
}

static inline int8_t *ctx_data(struct ctx *ctx)
{
	return (int8_t *)ctx->mem + CTX_DATA;
}

/* Base 0 is the data, writable. */
static inline int ctx_init_in(struct ctx *ctx, int fd, uint32_t vm, uint32_t bo,
			      uint32_t priority, uint32_t hang_ms)
{
	*ctx = (struct ctx) { .fd = fd, .vm = vm, .bo = bo };
	ctx->syncobj = syncobj_create(fd);
	if (!ctx->vm || !ctx->bo || !ctx->syncobj)
		return -ENODEV;
	ctx->mem = bo_map(fd, ctx->bo, CTX_SIZE);
	if (ctx->mem == MAP_FAILED)
		return -ENOMEM;
	if (vm_map(fd, ctx->vm, ctx->bo, CTX_VA, CTX_SIZE))
		return -EFAULT;
	ctx_bases(ctx)[0] = (struct npu_base) {
		.va = CTX_VA + CTX_DATA, .size = CTX_DATA_SIZE, .flags = NPU_BASE_WRITE,
	};
	return queue_create_full(fd, ctx->vm, priority, hang_ms, &ctx->queue);
}

static inline int ctx_init_full(struct ctx *ctx, int fd, uint32_t priority, uint32_t hang_ms)
{
	return ctx_init_in(ctx, fd, vm_create(fd), bo_create(fd, CTX_SIZE), priority, hang_ms);
}

/* One that has no buffer which could be shared. */
static inline int ctx_init_private(struct ctx *ctx, int fd)
{
	uint32_t vm = vm_create(fd), bo;
	int ret = bo_create_flags(fd, CTX_SIZE, 0, vm, &bo);

	return ret ? ret : ctx_init_in(ctx, fd, vm, bo, DRM_NPU_PRIORITY_NORMAL, 0);
}

static inline int ctx_init(struct ctx *ctx, int fd)
{
	return ctx_init_full(ctx, fd, DRM_NPU_PRIORITY_NORMAL, 0);
}

/* Begins a stream at an offset of the context's buffer. */
static inline struct npu_stream_header *stream_begin(struct ctx *ctx, size_t offset)
{
	struct npu_stream_header *header = (void *)(ctx->mem + offset);

	*header = (struct npu_stream_header) {
		.magic = NPU_ISA_MAGIC, .major = NPU_ISA_MAJOR, .minor = NPU_ISA_MINOR,
		.size = sizeof(*header),
	};
	return header;
}

static inline void *stream_add(struct npu_stream_header *header, const void *cmd)
{
	uint32_t size = ((const struct npu_cmd *)cmd)->size;
	void *to = (uint8_t *)header + header->size;

	memcpy(to, cmd, size);
	header->size += size;
	return to;
}

static inline void stream_add_nop(struct npu_stream_header *header)
{
	struct npu_cmd_nop nop = { .cmd = { NPU_OP_NOP, 0, sizeof(nop) } };

	stream_add(header, &nop);
}

static inline struct npu_tensor tensor_1d(uint8_t type, uint8_t base, int64_t offset, uint32_t n)
{
	return (struct npu_tensor) {
		.type = type, .rank = 1, .base = base, .offset = offset, .dim = { n },
		.stride = { type == NPU_TYPE_S32 ? 4 : 1 },
	};
}

/* Copies bytes: from and to are base and offset. */
static inline void stream_add_copy(struct npu_stream_header *header, int from_base, int64_t from,
				   int to_base, int64_t to, uint32_t n)
{
	struct npu_cmd_copy copy = {
		.cmd = { NPU_OP_COPY, 0, sizeof(copy) },
		.in = tensor_1d(NPU_TYPE_S8, from_base, from, n),
		.out = tensor_1d(NPU_TYPE_S8, to_base, to, n),
	};

	stream_add(header, &copy);
}

static inline void stream_add_timestamp(struct npu_stream_header *header, int base, int64_t offset)
{
	struct npu_cmd_timestamp timestamp = {
		.cmd = { NPU_OP_TIMESTAMP, 0, sizeof(timestamp) },
		.out = { .base = base, .offset = offset },
	};

	stream_add(header, &timestamp);
}

/* Maximum of two arrays: an operation that depends on both. */
static inline void stream_add_max(struct npu_stream_header *header, int64_t a, int64_t b,
				  int64_t out, uint32_t n)
{
	struct npu_cmd_eltwise max = {
		.cmd = { NPU_OP_ELTWISE, 0, sizeof(max) },
		.a = tensor_1d(NPU_TYPE_S8, 0, a, n),
		.b = tensor_1d(NPU_TYPE_S8, 0, b, n),
		.out = tensor_1d(NPU_TYPE_S8, 0, out, n),
		.op = NPU_ELTWISE_MAX, .clamp_min = -128, .clamp_max = 127,
	};

	stream_add(header, &max);
}

/*
 * Commands that keep a core busy: each copies 64 KiB transposed byte by byte,
 * some milliseconds of work in an emulated machine.
 */
static inline void stream_add_work(struct npu_stream_header *header, unsigned int count)
{
	struct npu_cmd_copy copy = {
		.cmd = { NPU_OP_COPY, 0, sizeof(copy) },
		.in = { .type = NPU_TYPE_S8, .rank = 2, .dim = { 256, 256 }, .stride = { 1, 256 } },
		.out = { .type = NPU_TYPE_S8, .rank = 2, .offset = 65536, .dim = { 256, 256 },
			 .stride = { 256, 1 } },
	};

	while (count--)
		stream_add(header, &copy);
}

static inline struct drm_npu_job stream_job(struct ctx *ctx, struct npu_stream_header *header,
					    uint32_t bases)
{
	return (struct drm_npu_job) {
		.stream_va = CTX_VA + ((uint8_t *)header - ctx->mem),
		.stream_size = header->size,
		.bases_va = bases ? CTX_VA + CTX_TABLE : 0,
		.bases = bases,
	};
}

/* Runs a stream and returns the result of its fence: 1 or an error. */
static inline int stream_run(struct ctx *ctx, struct npu_stream_header *header, uint32_t bases)
{
	int ret = submit_one(ctx->fd, ctx->queue, stream_job(ctx, header, bases), ctx->syncobj);

	return ret ? ret : job_result(ctx->fd, ctx->syncobj);
}

/* A job that does nothing on the device. */
static inline struct drm_npu_job empty_job(void)
{
	return (struct drm_npu_job) {};
}

/* A job of the given number of work commands; 0 is forever long in a test. */
#define WORK_LONG	1000u

static inline struct drm_npu_job work_job(struct ctx *ctx, unsigned int count)
{
	struct npu_stream_header *header = stream_begin(ctx, 0);

	stream_add_work(header, count);
	return stream_job(ctx, header, 1);
}

/* Base 1 is the first, base 2 the second half of what is mapped at @va. */
static inline void halves_bases(struct ctx *ctx, uint64_t va, uint64_t size)
{
	ctx_bases(ctx)[1] = (struct npu_base) { .va = va, .size = size / 2 };
	ctx_bases(ctx)[2] = (struct npu_base) {
		.va = va + size / 2, .size = size / 2, .flags = NPU_BASE_WRITE,
	};
}

/* A job that copies the one to the other. */
static inline struct drm_npu_job halves_job(struct ctx *ctx, uint64_t va, uint64_t size)
{
	struct npu_stream_header *header = stream_begin(ctx, 0);

	halves_bases(ctx, va, size);
	stream_add_copy(header, 1, 0, 2, 0, size / 2);
	return stream_job(ctx, header, 3);
}

/* Runs it and returns the result of its fence. */
static inline int halves_run(struct ctx *ctx, uint64_t va, uint64_t size)
{
	int ret = submit_one(ctx->fd, ctx->queue, halves_job(ctx, va, size), ctx->syncobj);

	return ret ? ret : job_result(ctx->fd, ctx->syncobj);
}

/* Does the device see in the first half what is there, and write to the second? */
static inline bool halves_copied(struct ctx *ctx, uint8_t *mem, uint64_t va, uint64_t size,
				 uint32_t seed)
{
	memory_fill(mem, size / 2, seed);
	memset(mem + size / 2, 0, size / 2);
	return halves_run(ctx, va, size) == 1 && memory_filled(mem + size / 2, size / 2, seed);
}

/* A job that takes about so long, whatever the machine; at most WORK_LONG commands. */
static inline struct drm_npu_job work_job_for(struct ctx *ctx, unsigned int ms)
{
	int64_t start = now_ns(), each;

	submit_one(ctx->fd, ctx->queue, work_job(ctx, 8), ctx->syncobj);
	job_result(ctx->fd, ctx->syncobj);
	each = (now_ns() - start) / 8 + 1;
	return work_job(ctx, ms * 1000000ll / each < WORK_LONG ? ms * 1000000ll / each + 1 :
			WORK_LONG);
}

/* Does the device still work for somebody who comes new? */
static inline bool device_works(int fd)
{
	struct npu_stream_header *header;
	struct ctx ctx;
	bool works;

	if (ctx_init(&ctx, fd))
		return false;
	memset(ctx_data(&ctx), 0x5a, 64);
	header = stream_begin(&ctx, 0);
	stream_add_copy(header, 0, 0, 0, 128, 64);
	works = stream_run(&ctx, header, 1) == 1 &&
		!memcmp(ctx_data(&ctx), ctx_data(&ctx) + 128, 64);
	munmap(ctx.mem, CTX_SIZE);
	queue_destroy(fd, ctx.queue);
	vm_destroy(fd, ctx.vm);
	bo_close(fd, ctx.bo);
	drmSyncobjDestroy(fd, ctx.syncobj);
	return works;
}

#endif /* _NPU_TEST_H_ */

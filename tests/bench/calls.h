/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmarks share: thin wrappers of the ioctls, which end the program when
 * something goes wrong. They speak the user API directly.
 */
#ifndef _NPU_CALLS_H_
#define _NPU_CALLS_H_

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <xf86drm.h>

#include <drm/npu_accel.h>

#define PAGE		4096ul
#define MIB		(1ul << 20)
#define BLOCK		(2 * MIB)

static inline void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static inline int open_npu(void)
{
	int fd = open("/dev/accel/accel0", O_RDWR | O_CLOEXEC);

	check(fd >= 0, "/dev/accel/accel0");
	return fd;
}

static inline uint32_t vm_create(int fd)
{
	struct drm_npu_vm_create args = {};

	check(!drmIoctl(fd, DRM_IOCTL_NPU_VM_CREATE, &args), "VM_CREATE");
	return args.vm_id;
}

static inline uint32_t queue_create(int fd, uint32_t vm)
{
	struct drm_npu_queue_create args = {
		.vm_id = vm, .priority = DRM_NPU_PRIORITY_NORMAL,
	};

	check(!drmIoctl(fd, DRM_IOCTL_NPU_QUEUE_CREATE, &args), "QUEUE_CREATE");
	return args.queue_id;
}

static inline uint32_t syncobj_create(int fd)
{
	uint32_t handle;

	check(!drmSyncobjCreate(fd, 0, &handle), "syncobj");
	return handle;
}

static inline void syncobj_wait(int fd, uint32_t syncobj)
{
	check(!drmSyncobjWait(fd, &syncobj, 1, INT64_MAX, 0, NULL), "wait");
}

/* @vm: 0, or whose alone it is */
static inline uint32_t bo_create(int fd, uint64_t size, uint32_t vm)
{
	struct drm_npu_bo_create args = { .size = size, .vm_id = vm };

	check(!drmIoctl(fd, DRM_IOCTL_NPU_BO_CREATE, &args), "BO_CREATE");
	return args.handle;
}

static inline void bo_close(int fd, uint32_t handle)
{
	check(!drmCloseBufferHandle(fd, handle), "GEM_CLOSE");
}

static inline void vm_bind(int fd, uint32_t vm, const struct drm_npu_vm_bind_op *ops,
			   uint32_t count)
{
	struct drm_npu_vm_bind args = {
		.vm_id = vm,
		.ops = { .stride = sizeof(*ops), .count = count, .ptr = (uintptr_t)ops },
	};

	check(!drmIoctl(fd, DRM_IOCTL_NPU_VM_BIND, &args), "VM_BIND");
}

static inline void vm_map(int fd, uint32_t vm, uint32_t handle, uint64_t va, uint64_t size)
{
	const struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP, .handle = handle, .va = va, .size = size,
	};

	vm_bind(fd, vm, &op, 1);
}

static inline void vm_unmap(int fd, uint32_t vm, uint64_t va, uint64_t size)
{
	const struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_UNMAP, .va = va, .size = size,
	};

	vm_bind(fd, vm, &op, 1);
}

/* Jobs that do nothing; @syncobj: signalled after the last one, or 0 */
static inline void submit(int fd, uint32_t queue, uint32_t count, uint32_t syncobj)
{
	static const struct drm_npu_job jobs[DRM_NPU_SUBMIT_MAX];
	const struct drm_npu_sync sync = { .flags = DRM_NPU_SYNC_SIGNAL, .handle = syncobj };
	struct drm_npu_submit args = {
		.queue_id = queue,
		.jobs = { .stride = sizeof(jobs[0]), .count = count, .ptr = (uintptr_t)jobs },
		.syncs = { .stride = sizeof(sync), .count = !!syncobj, .ptr = (uintptr_t)&sync },
	};

	check(!drmIoctl(fd, DRM_IOCTL_NPU_SUBMIT, &args), "SUBMIT");
}

/* 0 or negative errno */
static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -errno : 0;
}

/*
 * A machine without entropy works hard for each random number, and each slab has some.
 * The same seed each time, for the same numbers.
 */
static inline void seed_random(void)
{
	/* As struct rand_pool_info, which has no size. */
	const struct {
		int entropy_count;
		int buf_size;
		uint8_t buf[64];
	} seed = { .entropy_count = 512, .buf_size = 64 };
	int random = open("/dev/urandom", O_RDWR | O_CLOEXEC);

	check(random >= 0 && !ioctl(random, RNDADDENTROPY, &seed), "/dev/urandom");
	close(random);
}

#endif /* _NPU_CALLS_H_ */

/* SPDX-License-Identifier: MIT */
/* What the files of libnpu share. Nothing here is exported. */
#ifndef NPU_INTERNAL_H
#define NPU_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xf86drm.h>

#include "npu.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "libnpu writes command streams in host byte order, which must be little-endian"
#endif

#define NPU_API __attribute__((visibility("default")))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define NPU_PAGE_SIZE	4096ull

static inline uint64_t align_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/**
 * npu_fail() - write the text of an error
 * @err: may be NULL
 * @code: negative errno
 * @fmt: sentence
 *
 * Return: @code.
 */
int npu_fail(struct npu_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- device.c ---- */

#define NPU_SYNCOBJ_POOL	32

/**
 * struct npu_device - an open file
 * @refs: the caller's and one of each object made from it
 * @fd: accel file
 * @info: capabilities
 * @path: of the node
 * @lock: protects what follows
 * @bos: all buffers, because a GEM handle may have to be found again
 * @syncobjs: unused ones, kept for the next fence
 * @nsyncobjs: entries in @syncobjs
 */
struct npu_device {
	atomic_uint refs;
	int fd;
	struct drm_npu_device_info info;
	char path[64];
	pthread_mutex_t lock;
	struct npu_bo *bos;
	uint32_t syncobjs[NPU_SYNCOBJ_POOL];
	unsigned int nsyncobjs;
};

static inline struct npu_device *npu_device_get(struct npu_device *dev)
{
	atomic_fetch_add(&dev->refs, 1);
	return dev;
}

static inline int npu_ioctl(const struct npu_device *dev, unsigned long request, void *arg)
{
	return drmIoctl(dev->fd, request, arg) ? -errno : 0;
}

int npu_syncobj_get(struct npu_device *dev, uint32_t *handle);
void npu_syncobj_put(struct npu_device *dev, uint32_t handle);

/* ---- vm.c, queue.c, fence.c ---- */

struct npu_vm {
	atomic_uint refs;
	struct npu_device *dev;
	uint32_t id;
	pthread_mutex_t lock;
	struct npu_range *free;
};

struct npu_vm *npu_vm_get(struct npu_vm *vm);

/**
 * struct npu_queue - a queue
 * @refs: the caller's and one of each fence
 * @vm: address space
 * @id: of the kernel
 * @gone: destroyed, lives on for the sake of fences
 * @lock: held over SUBMIT, so that job numbers are known
 * @jobs: submitted
 */
struct npu_queue {
	atomic_uint refs;
	struct npu_vm *vm;
	uint32_t id;
	atomic_bool gone;
	pthread_mutex_t lock;
	uint64_t jobs;
};

void npu_queue_put(struct npu_queue *queue);

/**
 * struct npu_fence - one syncobj with one fence in it
 * @refs: the caller's and the session's
 * @dev: device
 * @queue: which the job is in; NULL if imported
 * @syncobj: binary
 * @job: number in @queue
 * @status: of sync_file: 1 complete, 0 not known to be, else negative errno
 */
struct npu_fence {
	atomic_uint refs;
	struct npu_device *dev;
	struct npu_queue *queue;
	uint32_t syncobj;
	uint64_t job;
	atomic_int status;
};

int npu_fence_create(struct npu_device *dev, struct npu_fence **fence);
struct npu_fence *npu_fence_get(struct npu_fence *fence);

/* ---- check.c: what commands consist of ---- */

enum npu_role { NPU_IN, NPU_OUT };

/**
 * struct npu_operand - a tensor of a command
 * @name: of the field
 * @at: offset in the command
 * @role: read or written
 * @types: bit n: enum npu_type n is accepted
 * @rank_min: fewest dimensions
 * @rank_max: most dimensions
 */
struct npu_operand {
	const char *name;
	uint16_t at;
	uint16_t types;
	uint8_t role;
	uint8_t rank_min;
	uint8_t rank_max;
};

#define NPU_MAX_OPERANDS	3

/**
 * struct npu_cmd_desc - an opcode
 * @name: in lower case
 * @opcode: enum npu_opcode
 * @size: bytes
 * @feature: NPU_ISA_FEATURE_* that a device needs
 * @requant: offset of struct npu_requant, 0 = none
 * @inplace: an input may be exactly the output
 * @noperands: entries of @operand
 * @operand: tensors
 */
struct npu_cmd_desc {
	const char *name;
	uint64_t feature;
	uint16_t opcode;
	uint16_t size;
	uint16_t requant;
	bool inplace;
	uint8_t noperands;
	struct npu_operand operand[NPU_MAX_OPERANDS];
};

const struct npu_cmd_desc *npu_cmd_desc(unsigned int opcode);

static inline struct npu_tensor *npu_cmd_tensor(const void *cmd, const struct npu_cmd_desc *desc,
						unsigned int i)
{
	return (struct npu_tensor *)((char *)cmd + desc->operand[i].at);
}

static inline struct npu_requant *npu_cmd_requant(const void *cmd, const struct npu_cmd_desc *desc)
{
	return desc->requant ? (struct npu_requant *)((char *)cmd + desc->requant) : NULL;
}

/**
 * struct npu_check - context of a check
 * @bases: base table, or NULL
 * @nbases: entries
 * @macs: most MACs per command
 * @bytes: most bytes per command
 * @features: of the device
 * @err: out: text
 * @desc: command that is being checked
 * @cmd: command that is being checked
 */
struct npu_check {
	const struct npu_base *bases;
	unsigned int nbases;
	uint64_t macs;
	uint64_t bytes;
	uint64_t features;
	struct npu_error *err;
	const struct npu_cmd_desc *desc;
	const void *cmd;
};

void npu_check_init(struct npu_check *check, const struct drm_npu_device_info *limits,
		    struct npu_error *err);
int npu_check_cmd(struct npu_check *check, const void *cmd);

/* Work of a command, as the device counts it: in all, and terms of one result. */
struct npu_work {
	uint64_t macs;
	uint64_t bytes;
	uint64_t terms;
};

/** npu_cmd_work() - of a command whose shape is correct; saturates */
void npu_cmd_work(const void *cmd, const struct npu_cmd_desc *desc, struct npu_work *work);

int64_t npu_type_min(enum npu_type type);
int64_t npu_type_max(enum npu_type type);

#endif /* NPU_INTERNAL_H */

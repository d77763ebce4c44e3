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

/** npu_fail() - write the text of an error, if @err is there; returns @code */
int npu_fail(struct npu_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- device.c ---- */

#define NPU_SYNCOBJ_POOL	32

struct npu_device {
	atomic_uint refs;	/* the caller's and one of each object made from it */
	int fd;
	struct drm_npu_device_info info;
	char *path;
	pthread_mutex_t lock;	/* of what follows */
	struct npu_bo *bos;	/* all, because a GEM handle may have to be found again */
	uint32_t syncobjs[NPU_SYNCOBJ_POOL];	/* unused, kept for the next fences */
	unsigned int nsyncobjs;
	size_t event_at, event_end;	/* of @events: read, but not handed out */
	char events[4096];
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

/* ---- bo.c, vm.c, queue.c, fence.c ---- */

/* A GEM handle. */
struct npu_bo {
	struct npu_bo *next;	/* in npu_device.bos */
	unsigned int refs;	/* under the device's lock, because an import can revive a handle */
	struct npu_device *dev;
	uint64_t size;
	uint32_t handle;	/* GEM handle; the kernel gives the same one for the same dma-buf */
	int dmabuf;	/* file of an imported buffer, else -1 */
	bool need_sync;	/* see DRM_NPU_BO_INFO_NEED_SYNC */
	void *map;	/* CPU mapping; NULL = none yet */
};

struct npu_vm {
	atomic_uint refs;
	struct npu_device *dev;
	uint32_t id;
	pthread_mutex_t lock;
	struct npu_range *free;
};

struct npu_vm *npu_vm_get(struct npu_vm *vm);

struct npu_queue {
	atomic_uint refs;	/* the caller's and one of each fence */
	struct npu_vm *vm;
	uint32_t id;
	atomic_bool gone;	/* destroyed, lives on for the sake of fences */
	pthread_mutex_t lock;	/* held over SUBMIT, so that job numbers are known */
	uint64_t jobs;		/* submitted */
};

void npu_queue_put(struct npu_queue *queue);

struct npu_fence {
	atomic_uint refs;	/* the caller's and the session's */
	struct npu_device *dev;
	struct npu_queue *queue;	/* of the job; NULL if imported */
	uint32_t syncobj;	/* binary */
	uint64_t job;		/* number in @queue */
	atomic_int status;	/* of sync_file: 1 complete, 0 not known to be, or errno */
};

int npu_syncs_fill(struct npu_device *dev, struct drm_npu_sync *syncs,
		   struct npu_fence *const *waits, unsigned int nwaits, struct npu_fence **done);
int npu_fence_create(struct npu_device *dev, struct npu_fence **fence);
struct npu_fence *npu_fence_get(struct npu_fence *fence);

/* ---- stream.c ---- */

int npu_stream_adopt(const void *data, uint32_t size, struct npu_stream **stream);

/* ---- check.c: what commands consist of ---- */

#define NPU_MAX_OPERANDS	3

struct npu_check;

/* A tensor of a command; the last one is the output. */
struct npu_operand {
	const char *name;
	uint16_t at;		/* offset in the command, as in what follows */
	uint16_t types;		/* bit n: enum npu_type n is accepted */
	uint8_t rank_min;
	uint8_t rank_max;
};

struct npu_cmd_field {
	const char *name;	/* NULL: there is none */
	uint16_t at;
};

/* An opcode. Offsets of fields that it does not have are 0. */
struct npu_cmd_desc {
	const char *name;
	uint64_t feature;	/* NPU_ISA_FEATURE_* that a device needs */
	uint16_t opcode;
	uint16_t size;
	uint16_t requant;	/* struct npu_requant */
	uint16_t reserved;
	uint16_t clamp;		/* clamp_min, then clamp_max */
	uint16_t mode;
	uint8_t mode_max;
	bool inplace;		/* an input may be exactly the output */
	bool (*shape)(const struct npu_check *check);	/* NULL: all operands are alike */
	uint16_t ref_size;	/* bytes at @ref */
	uint8_t ref_align;
	uint8_t noperands;
	struct npu_cmd_field ref;	/* struct npu_ref */
	struct npu_cmd_field scale[3];	/* struct npu_scale */
	struct npu_operand operand[NPU_MAX_OPERANDS];
};

static inline void *npu_cmd_field(const void *cmd, unsigned int at)
{
	return (char *)cmd + at;
}

const struct npu_cmd_desc *npu_cmd_desc(unsigned int opcode);

static inline struct npu_tensor *npu_cmd_tensor(const void *cmd, const struct npu_cmd_desc *desc,
						unsigned int i)
{
	return npu_cmd_field(cmd, desc->operand[i].at);
}

static inline struct npu_requant *npu_cmd_requant(const void *cmd, const struct npu_cmd_desc *desc)
{
	return desc->requant ? npu_cmd_field(cmd, desc->requant) : NULL;
}

/* Of one channel. */
static inline unsigned int npu_bias_size(const struct npu_requant *rq)
{
	return rq->rounding == NPU_ROUND_WIDE ? sizeof(int64_t) : sizeof(int32_t);
}

/* A check under way. */
struct npu_check {
	const struct npu_base *bases;	/* NULL: not known */
	unsigned int nbases;
	uint64_t macs;			/* most per command */
	uint64_t bytes;
	uint64_t features;		/* of the device */
	unsigned int minor;		/* of its command set */
	struct npu_error *err;
	const struct npu_cmd_desc *desc;
	const void *cmd;
};

void npu_check_init(struct npu_check *check, const struct drm_npu_device_info *limits,
		    struct npu_error *err);
int npu_check_cmd(struct npu_check *check, const void *cmd);
unsigned int npu_cmd_minor(const void *cmd);

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

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_JOB_H_
#define _NPU_JOB_H_

#include <drm/gpu_scheduler.h>
#include <drm/npu_accel.h>

#include "npu_fence.h"

struct npu_queue;

/**
 * struct npu_job - one run of a command stream
 * @fence: hardware fence; must be first. Once it is initialised the memory is its own, and
 *         what follows is good until drm_sched frees the job
 * @base: what drm_sched knows
 * @queue: a reference
 * @next: in npu_submit.first, until the job is pushed
 * @args: what user space asked for, checked
 *
 * One allocation is cheaper than two, and few fences live long. The memory may be that of another
 * job: npu_job_init() sets each member.
 */
struct npu_job {
	struct npu_fence fence;
	struct drm_sched_job base;
	struct npu_queue *queue;
	struct npu_job *next;
	struct drm_npu_job args;
};

static_assert(!offsetof(struct npu_job, fence));

extern const struct drm_sched_backend_ops npu_sched_ops;

int npu_jobs_init(void);
void npu_jobs_fini(void);

int npu_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* _NPU_JOB_H_ */

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_JOB_H_
#define _NPU_JOB_H_

#include <drm/gpu_scheduler.h>
#include <drm/npu_accel.h>

struct npu_fence;
struct npu_queue;

/**
 * struct npu_job - one run of a command stream, until drm_sched frees it
 * @base: what drm_sched knows
 * @queue: a reference
 * @fence: hardware fence; a reference once it is initialised
 * @args: what user space asked for, checked
 */
struct npu_job {
	struct drm_sched_job base;
	struct npu_queue *queue;
	struct npu_fence *fence;
	struct drm_npu_job args;
};

extern const struct drm_sched_backend_ops npu_sched_ops;

int npu_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* _NPU_JOB_H_ */

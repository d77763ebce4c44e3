// SPDX-License-Identifier: MIT
/* Queues and submission. */
#include <inttypes.h>

#include "internal.h"

NPU_API int npu_queue_create(struct npu_vm *vm, enum drm_npu_priority priority,
			     uint32_t hang_timeout_ms, struct npu_queue **out)
{
	struct drm_npu_queue_create create = {
		.vm_id = vm->id,
		.flags = DRM_NPU_QUEUE_EVENT,
		.priority = priority,
		.hang_timeout_ms = hang_timeout_ms,
	};
	struct npu_queue *queue;
	int ret;

	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return -ENOMEM;
	ret = npu_ioctl(vm->dev, DRM_IOCTL_NPU_QUEUE_CREATE, &create);
	/* The user does not read events: then there is no room for more. */
	if (ret == -ENOSPC) {
		create.flags = 0;
		ret = npu_ioctl(vm->dev, DRM_IOCTL_NPU_QUEUE_CREATE, &create);
	}
	if (ret) {
		free(queue);
		return ret;
	}
	queue->refs = 1;
	queue->vm = npu_vm_get(vm);
	queue->id = create.queue_id;
	pthread_mutex_init(&queue->lock, NULL);
	*out = queue;
	return 0;
}

void npu_queue_put(struct npu_queue *queue)
{
	if (!queue || atomic_fetch_sub(&queue->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&queue->lock);
	npu_vm_destroy(queue->vm);
	free(queue);
}

NPU_API void npu_queue_destroy(struct npu_queue *queue)
{
	struct drm_npu_queue_destroy destroy = { 0 };

	if (!queue)
		return;
	destroy.queue_id = queue->id;
	atomic_store(&queue->gone, true);
	npu_ioctl(queue->vm->dev, DRM_IOCTL_NPU_QUEUE_DESTROY, &destroy);
	npu_queue_put(queue);
}

NPU_API int npu_queue_submit(struct npu_queue *queue, const struct drm_npu_job *jobs,
			     unsigned int count, struct npu_fence *const *waits,
			     unsigned int nwaits, struct npu_fence **done)
{
	struct npu_device *dev = queue->vm->dev;
	struct drm_npu_sync syncs[DRM_NPU_SYNCS_MAX];
	struct drm_npu_submit submit = {
		.queue_id = queue->id,
		.jobs = { .stride = sizeof(*jobs), .count = count, .ptr = (uintptr_t)jobs },
		.syncs = { .stride = sizeof(syncs[0]), .ptr = (uintptr_t)syncs },
	};
	struct npu_fence *fence = NULL;
	int ret;

	ret = npu_syncs_fill(dev, syncs, waits, nwaits, done ? &fence : NULL);
	if (ret < 0)
		return ret;
	submit.syncs.count = (uint32_t)ret;

	pthread_mutex_lock(&queue->lock);
	ret = npu_ioctl(dev, DRM_IOCTL_NPU_SUBMIT, &submit);
	if (!ret)
		queue->jobs += count;
	if (!ret && fence) {
		atomic_fetch_add(&queue->refs, 1);
		fence->queue = queue;
		fence->job = queue->jobs;
	}
	pthread_mutex_unlock(&queue->lock);
	if (ret)
		npu_fence_destroy(fence);
	else if (done)
		*done = fence;
	return ret;
}

static const char * const fault_text[] = {
	[DRM_NPU_FAULT_ILLEGAL] = "illegal command",
	[DRM_NPU_FAULT_BOUNDS] = "access outside its base, or write to a read-only base",
	[DRM_NPU_FAULT_TRANSLATION] = "address that is not mapped",
	[DRM_NPU_FAULT_PERMISSION] = "write to a read-only mapping",
	[DRM_NPU_FAULT_WALK] = "page-table walk failed",
	[DRM_NPU_FAULT_BUS] = "memory does not answer",
	[DRM_NPU_FAULT_ABORTED] = "aborted by a reset",
	[DRM_NPU_FAULT_DESCRIPTOR] = "malformed job descriptor",
};

static const char *access_text(uint32_t access)
{
	static const char * const text[] = {
		[DRM_NPU_ACCESS_NONE] = "access",
		[DRM_NPU_ACCESS_READ] = "read",
		[DRM_NPU_ACCESS_WRITE] = "write",
		[DRM_NPU_ACCESS_FETCH] = "fetch",
	};

	return text[access < ARRAY_SIZE(text) ? access : DRM_NPU_ACCESS_NONE];
}

NPU_API void npu_fault_text(const struct drm_npu_fault *fault, char *text, size_t len)
{
	const char *what = "unknown fault";
	char where[96];

	if (fault->status < ARRAY_SIZE(fault_text) && fault_text[fault->status])
		what = fault_text[fault->status];
	snprintf(where, sizeof(where), "job %" PRIu64 ", offset 0x%" PRIx64 " of its stream",
		 (uint64_t)fault->job, (uint64_t)fault->offset);
	if (fault->status == DRM_NPU_FAULT_ILLEGAL)
		snprintf(text, len, "%s: %s (%s)", where, what, npu_illegal_name(fault->detail));
	else
		snprintf(text, len, "%s: %s at 0x%" PRIx64 ": %s", where,
			 access_text(fault->access), (uint64_t)fault->va, what);
}

static int describe_fault(const struct drm_npu_fault *fault, struct npu_error *err)
{
	char text[200];

	npu_fault_text(fault, text, sizeof(text));
	npu_fail(err, -EIO, "%s; the queue accepts no more jobs", text);
	if (err && fault->status == DRM_NPU_FAULT_ILLEGAL) {
		err->detail = fault->detail;
		err->offset = (uint32_t)fault->offset;
	}
	return -EIO;
}

NPU_API int npu_queue_state(struct npu_queue *queue, struct drm_npu_queue_get_state *out,
			    struct npu_error *err)
{
	struct drm_npu_queue_get_state state = { .queue_id = queue->id };
	int ret;

	if (atomic_load(&queue->gone))
		return npu_fail(err, -ENOENT, "the queue was destroyed");
	ret = npu_ioctl(queue->vm->dev, DRM_IOCTL_NPU_QUEUE_GET_STATE, &state);
	if (ret)
		return npu_fail(err, ret, "QUEUE_GET_STATE: %s", strerror(-ret));
	if (out)
		*out = state;
	if (!state.state)
		return 0;
	if (state.state & DRM_NPU_QUEUE_FAULTED)
		return describe_fault(&state.fault, err);
	if (state.state & DRM_NPU_QUEUE_HUNG)
		return npu_fail(err, -EIO,
				"job %" PRIu64 " made no progress and was stopped; the queue accepts no more jobs",
				(uint64_t)(state.fault.job ? state.fault.job : state.completed));
	if (state.state & DRM_NPU_QUEUE_LOST)
		return npu_fail(err, -EIO, "the device has gone or was given up after failed resets");
	return npu_fail(err, -EIO,
			"the queue was lost in a reset that another queue caused; create a new one");
}

NPU_API uint32_t npu_queue_id(const struct npu_queue *queue)
{
	return queue->id;
}

NPU_API int npu_queue_perf(struct npu_queue *queue, uint64_t job, struct drm_npu_perf_query *perf)
{
	*perf = (struct drm_npu_perf_query) { .queue_id = queue->id, .job = job };
	return npu_ioctl(queue->vm->dev, DRM_IOCTL_NPU_PERF_QUERY, perf);
}

// SPDX-License-Identifier: MIT
/* Fences: one binary syncobj each, so that its sync_file has the job's error. */
#include <linux/sync_file.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

int npu_fence_create(struct npu_device *dev, struct npu_fence **out)
{
	struct npu_fence *fence = calloc(1, sizeof(*fence));
	int ret;

	if (!fence)
		return -ENOMEM;
	ret = npu_syncobj_get(dev, &fence->syncobj);
	if (ret) {
		free(fence);
		return ret;
	}
	fence->refs = 1;
	fence->dev = npu_device_get(dev);
	*out = fence;
	return 0;
}

/* Fills an array of DRM_NPU_SYNCS_MAX; makes the fence @done. Returns how many they are. */
int npu_syncs_fill(struct npu_device *dev, struct drm_npu_sync *syncs,
		   struct npu_fence *const *waits, unsigned int nwaits, struct npu_fence **done)
{
	unsigned int n;
	int ret;

	if (nwaits >= DRM_NPU_SYNCS_MAX)
		return -E2BIG;
	for (n = 0; n < nwaits; n++) {
		if (waits[n]->dev != dev)
			return -EINVAL;
		syncs[n] = (struct drm_npu_sync) { .handle = waits[n]->syncobj };
	}
	if (done) {
		ret = npu_fence_create(dev, done);
		if (ret)
			return ret;
		syncs[n++] = (struct drm_npu_sync) {
			.handle = (*done)->syncobj,
			.flags = DRM_NPU_SYNC_SIGNAL,
		};
	}
	return (int)n;
}

struct npu_fence *npu_fence_get(struct npu_fence *fence)
{
	atomic_fetch_add(&fence->refs, 1);
	return fence;
}

NPU_API void npu_fence_destroy(struct npu_fence *fence)
{
	if (!fence || atomic_fetch_sub(&fence->refs, 1) != 1)
		return;
	npu_syncobj_put(fence->dev, fence->syncobj);
	npu_queue_put(fence->queue);
	npu_device_close(fence->dev);
	free(fence);
}

NPU_API int npu_fence_import(struct npu_device *dev, int fd, struct npu_fence **out)
{
	struct npu_fence *fence;
	int ret;

	ret = npu_fence_create(dev, &fence);
	if (ret)
		return ret;
	if (drmSyncobjImportSyncFile(dev->fd, fence->syncobj, fd)) {
		ret = -errno;
		npu_fence_destroy(fence);
		return ret;
	}
	*out = fence;
	return 0;
}

NPU_API int npu_fence_fd(struct npu_fence *fence, int *fd)
{
	return drmSyncobjExportSyncFile(fence->dev->fd, fence->syncobj, fd) ? -errno : 0;
}

NPU_API uint64_t npu_fence_job(const struct npu_fence *fence)
{
	return fence->job;
}

NPU_API uint32_t npu_fence_syncobj(const struct npu_fence *fence)
{
	return fence->syncobj;
}

NPU_API int64_t npu_deadline(int64_t ns)
{
	struct timespec now;
	int64_t t;

	clock_gettime(CLOCK_MONOTONIC, &now);
	t = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	return ns > NPU_FOREVER - t ? NPU_FOREVER : t + ns;
}

/* Get the status of a signalled fence; an error is of the asking, not of the job. */
static int query_status(struct npu_fence *fence, int *status)
{
	struct sync_file_info info = { 0 };
	int fd, ret;

	ret = npu_fence_fd(fence, &fd);
	if (ret)
		return ret;
	ret = drmIoctl(fd, SYNC_IOC_FILE_INFO, &info) ? -errno : 0;
	close(fd);
	*status = info.status;
	return ret;
}

static int fence_failed(struct npu_fence *fence, int status, struct npu_error *err)
{
	/* The queue knows more than the number says. */
	if (!fence->queue || npu_queue_state(fence->queue, NULL, err) != -EIO)
		npu_fail(err, status, "the job failed: %s", strerror(-status));
	return status;
}

NPU_API int npu_fence_wait(struct npu_fence *fence, int64_t deadline, struct npu_error *err)
{
	int status = atomic_load(&fence->status), ret;

	if (!status) {
		ret = drmSyncobjWait(fence->dev->fd, &fence->syncobj, 1, deadline, 0, NULL);
		if (ret == -ETIME)
			return npu_fail(err, -ETIMEDOUT, "the job is not complete yet");
		if (ret)
			return npu_fail(err, ret, "waiting for a fence: %s", strerror(-ret));
		ret = query_status(fence, &status);
		if (ret)
			return npu_fail(err, ret, "the job is complete, but how it ended cannot be asked: %s",
					strerror(-ret));
		atomic_store(&fence->status, status);
	}
	return status > 0 ? 0 : fence_failed(fence, status, err);
}

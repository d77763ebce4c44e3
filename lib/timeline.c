// SPDX-License-Identifier: MIT
/*
 * Timelines: DRM syncobjs whose points come in order. SUBMIT refuses to wait for a
 * point that nobody has promised yet; here one can wait for the promise.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"

/* Kernels have it since 6.6, C libraries later. */
#ifndef DRM_IOCTL_SYNCOBJ_EVENTFD
struct drm_syncobj_eventfd {
	__u32 handle;
	__u32 flags;
	__u64 point;
	__s32 fd;
	__u32 pad;
};

#define DRM_IOCTL_SYNCOBJ_EVENTFD DRM_IOWR(0xCF, struct drm_syncobj_eventfd)
#endif

/**
 * struct npu_timeline - a syncobj
 * @dev: device, a reference
 * @syncobj: handle on it
 */
struct npu_timeline {
	struct npu_device *dev;
	uint32_t syncobj;
};

static int timeline_new(struct npu_device *dev, struct npu_timeline **out)
{
	struct npu_timeline *timeline = calloc(1, sizeof(*timeline));

	if (!timeline)
		return -ENOMEM;
	timeline->dev = npu_device_get(dev);
	*out = timeline;
	return 0;
}

NPU_API int npu_timeline_create(struct npu_device *dev, struct npu_timeline **out)
{
	struct npu_timeline *timeline;
	int ret;

	ret = timeline_new(dev, &timeline);
	if (ret)
		return ret;
	if (drmSyncobjCreate(dev->fd, 0, &timeline->syncobj)) {
		ret = -errno;
		npu_timeline_destroy(timeline);
		return ret;
	}
	*out = timeline;
	return 0;
}

NPU_API int npu_timeline_import(struct npu_device *dev, int fd, struct npu_timeline **out)
{
	struct npu_timeline *timeline;
	int ret;

	ret = timeline_new(dev, &timeline);
	if (ret)
		return ret;
	if (drmSyncobjFDToHandle(dev->fd, fd, &timeline->syncobj)) {
		ret = -errno;
		npu_timeline_destroy(timeline);
		return ret;
	}
	*out = timeline;
	return 0;
}

NPU_API void npu_timeline_destroy(struct npu_timeline *timeline)
{
	if (!timeline)
		return;
	/* Not into the pool of the device: others may have it too. */
	if (timeline->syncobj)
		drmSyncobjDestroy(timeline->dev->fd, timeline->syncobj);
	npu_device_close(timeline->dev);
	free(timeline);
}

NPU_API int npu_timeline_export(struct npu_timeline *timeline, int *fd)
{
	return drmSyncobjHandleToFD(timeline->dev->fd, timeline->syncobj, fd) ? -errno : 0;
}

NPU_API int npu_timeline_query(struct npu_timeline *timeline, uint64_t *point)
{
	return drmSyncobjQuery(timeline->dev->fd, &timeline->syncobj, point, 1) ? -errno : 0;
}

NPU_API int npu_timeline_signal(struct npu_timeline *timeline, uint64_t point)
{
	if (!point)
		return -EINVAL;
	return drmSyncobjTimelineSignal(timeline->dev->fd, &timeline->syncobj, &point, 1) ?
	       -errno : 0;
}

NPU_API int npu_timeline_attach(struct npu_timeline *timeline, uint64_t point,
				struct npu_fence *fence)
{
	if (!point || fence->dev != timeline->dev)
		return -EINVAL;
	return drmSyncobjTransfer(timeline->dev->fd, timeline->syncobj, point, fence->syncobj, 0,
				  0) ? -errno : 0;
}

static int timeline_wait(struct npu_timeline *timeline, uint64_t point, int64_t deadline,
			 uint32_t flags)
{
	int ret;

	if (!point)
		return -EINVAL;
	ret = drmSyncobjTimelineWait(timeline->dev->fd, &timeline->syncobj, &point, 1, deadline,
				     DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT | flags, NULL);
	return ret == -ETIME ? -ETIMEDOUT : ret;
}

NPU_API int npu_timeline_wait(struct npu_timeline *timeline, uint64_t point, int64_t deadline)
{
	return timeline_wait(timeline, point, deadline, 0);
}

NPU_API int npu_timeline_fence(struct npu_timeline *timeline, uint64_t point, int64_t deadline,
			       struct npu_fence **out)
{
	struct npu_fence *fence;
	int ret;

	ret = timeline_wait(timeline, point, deadline, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE);
	if (ret)
		return ret;
	ret = npu_fence_create(timeline->dev, &fence);
	if (ret)
		return ret;
	if (drmSyncobjTransfer(timeline->dev->fd, fence->syncobj, 0, timeline->syncobj, point, 0)) {
		ret = -errno;
		npu_fence_destroy(fence);
		return ret;
	}
	*out = fence;
	return 0;
}

NPU_API int npu_timeline_fd(struct npu_timeline *timeline, uint64_t point, bool signalled, int *fd)
{
	struct drm_syncobj_eventfd args = {
		.handle = timeline->syncobj,
		.flags = signalled ? 0 : DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE,
		.point = point,
	};
	int ret;

	if (!point)
		return -EINVAL;
	args.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (args.fd < 0)
		return -errno;
	ret = npu_ioctl(timeline->dev, DRM_IOCTL_SYNCOBJ_EVENTFD, &args);
	if (ret) {
		close(args.fd);
		return ret;
	}
	*fd = args.fd;
	return 0;
}

// SPDX-License-Identifier: MIT
/* Buffers. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

static void gem_close(struct npu_device *dev, uint32_t handle)
{
	struct drm_gem_close close = { .handle = handle };

	npu_ioctl(dev, DRM_IOCTL_GEM_CLOSE, &close);
}

/* With the device's lock held; takes a reference of the device. */
static int add_bo(struct npu_device *dev, uint32_t handle, int dmabuf, struct npu_bo **out)
{
	struct drm_npu_bo_info info = { .handle = handle };
	struct npu_bo *bo;
	int ret;

	ret = npu_ioctl(dev, DRM_IOCTL_NPU_BO_INFO, &info);
	if (ret)
		return ret;
	bo = calloc(1, sizeof(*bo));
	if (!bo)
		return -ENOMEM;
	bo->refs = 1;
	bo->dev = npu_device_get(dev);
	bo->size = info.size;
	bo->handle = handle;
	bo->dmabuf = dmabuf;
	bo->need_sync = dmabuf >= 0 || info.flags & DRM_NPU_BO_INFO_NEED_SYNC;
	bo->next = dev->bos;
	dev->bos = bo;
	*out = bo;
	return 0;
}

NPU_API int npu_bo_create(struct npu_device *dev, uint64_t size, uint32_t flags,
			  struct npu_vm *vm, struct npu_bo **bo)
{
	struct drm_npu_bo_create create = {
		.size = size,
		.flags = flags,
		.vm_id = vm ? vm->id : 0,
	};
	int ret;

	if (vm && vm->dev != dev)
		return -EINVAL;
	ret = npu_ioctl(dev, DRM_IOCTL_NPU_BO_CREATE, &create);
	if (ret)
		return ret;
	pthread_mutex_lock(&dev->lock);
	ret = add_bo(dev, create.handle, -1, bo);
	if (ret)
		gem_close(dev, create.handle);
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

NPU_API int npu_bo_import(struct npu_device *dev, int fd, struct npu_bo **out)
{
	struct npu_bo *bo;
	uint32_t handle;
	int dmabuf, ret;

	/* The lock keeps another thread from closing the handle just found. */
	pthread_mutex_lock(&dev->lock);
	ret = drmPrimeFDToHandle(dev->fd, fd, &handle) ? -errno : 0;
	if (ret)
		goto unlock;
	for (bo = dev->bos; bo; bo = bo->next)
		if (bo->handle == handle)
			break;
	if (bo) {
		bo->refs++;
		*out = bo;
		goto unlock;
	}
	dmabuf = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	ret = dmabuf < 0 ? -errno : add_bo(dev, handle, dmabuf, out);
	if (ret) {
		gem_close(dev, handle);
		if (dmabuf >= 0)
			close(dmabuf);
	}
unlock:
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

NPU_API void npu_bo_destroy(struct npu_bo *bo)
{
	struct npu_device *dev;
	struct npu_bo **link;

	if (!bo)
		return;
	dev = bo->dev;
	pthread_mutex_lock(&dev->lock);
	if (--bo->refs) {
		pthread_mutex_unlock(&dev->lock);
		return;
	}
	for (link = &dev->bos; *link != bo; link = &(*link)->next)
		;
	*link = bo->next;
	if (bo->map)
		munmap(bo->map, bo->size);
	if (bo->dmabuf >= 0)
		close(bo->dmabuf);
	gem_close(dev, bo->handle);
	pthread_mutex_unlock(&dev->lock);
	free(bo);
	npu_device_close(dev);
}

NPU_API int npu_bo_export(struct npu_bo *bo, int *fd)
{
	return drmPrimeHandleToFD(bo->dev->fd, bo->handle, DRM_CLOEXEC | DRM_RDWR, fd) ? -errno : 0;
}

NPU_API int npu_bo_map(struct npu_bo *bo, void **ptr)
{
	struct drm_npu_bo_mmap_offset offset = { .handle = bo->handle };
	int fd = bo->dmabuf, ret = 0;
	void *map;

	pthread_mutex_lock(&bo->dev->lock);
	if (!bo->map) {
		if (fd < 0) {
			fd = bo->dev->fd;
			ret = npu_ioctl(bo->dev, DRM_IOCTL_NPU_BO_MMAP_OFFSET, &offset);
		}
		if (!ret) {
			map = mmap(NULL, bo->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
				   (off_t)offset.offset);
			if (map == MAP_FAILED)
				ret = -errno;
			else
				bo->map = map;
		}
	}
	*ptr = bo->map;
	pthread_mutex_unlock(&bo->dev->lock);
	return ret;
}

NPU_API uint64_t npu_bo_size(const struct npu_bo *bo)
{
	return bo->size;
}

NPU_API uint32_t npu_bo_handle(const struct npu_bo *bo)
{
	return bo->handle;
}

NPU_API int npu_bo_label(struct npu_bo *bo, const char *label)
{
	struct drm_npu_bo_label arg = { .handle = bo->handle, .label = (uintptr_t)label };

	return npu_ioctl(bo->dev, DRM_IOCTL_NPU_BO_LABEL, &arg);
}

/*
 * A foreign dma-buf brackets CPU accesses by START and END: the access begins
 * when the device has written, and is over when the device is to read.
 */
static int sync_dmabuf(struct npu_bo *bo, uint32_t flags)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW };

	sync.flags |= flags == DRM_NPU_BO_SYNC_TO_CPU ? DMA_BUF_SYNC_START : DMA_BUF_SYNC_END;
	return drmIoctl(bo->dmabuf, DMA_BUF_IOCTL_SYNC, &sync) ? -errno : 0;
}

NPU_API int npu_bo_sync(struct npu_bo *bo, uint32_t flags, uint64_t offset, uint64_t size)
{
	struct drm_npu_bo_sync sync = {
		.handle = bo->handle,
		.flags = flags,
		.offset = offset,
		.size = size,
	};

	if (!bo->need_sync)
		return 0;
	if (bo->dmabuf >= 0)
		return sync_dmabuf(bo, flags);
	return npu_ioctl(bo->dev, DRM_IOCTL_NPU_BO_SYNC, &sync);
}

NPU_API int npu_bo_madvise(struct npu_bo *bo, enum drm_npu_madvise advice)
{
	struct drm_npu_bo_madvise madvise = { .handle = bo->handle, .advice = advice };
	int ret = npu_ioctl(bo->dev, DRM_IOCTL_NPU_BO_MADVISE, &madvise);

	return ret ? ret : (int)madvise.retained;
}

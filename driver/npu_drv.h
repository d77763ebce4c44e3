/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_DRV_H_
#define _NPU_DRV_H_

#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <drm/drm_file.h>
#include <drm/npu_accel.h>

struct npu_client;
struct npu_device;
struct npu_queue;
struct npu_usage;
struct npu_vm;

/**
 * struct npu_file - one open() of the accel node
 * @vms: struct npu_vm by id, holding references
 * @next_vm: no id is used twice, unless there were 2^31 of them
 * @queues: struct npu_queue by id, holding references
 * @next_queue: likewise
 * @usage: what they have used, a reference
 * @client: pays for buffers; a reference
 */
struct npu_file {
	struct xarray vms;
	u32 next_vm;
	struct xarray queues;
	u32 next_queue;
	struct npu_usage *usage;
	struct npu_client *client;
};

static inline struct npu_file *to_npu_file(struct drm_file *file)
{
	return file->driver_priv;
}

/* Work that may outlive a device: ending the jobs of closed queues (in the fence
 * signalling path), letting go what was imported, and freeing what is left.
 */
extern struct workqueue_struct *npu_close_wq;
extern struct workqueue_struct *npu_import_wq;
extern struct workqueue_struct *npu_release_wq;

extern const struct drm_driver npu_drm_driver;

/* The first version of each array element; a stride must not be smaller. */
#define NPU_SYNC_SIZE_V1	24
#define NPU_BIND_OP_SIZE_V1	48
#define NPU_JOB_SIZE_V1		32

int npu_array_check(const struct drm_npu_array *array, size_t size_v1, u32 max);
int npu_array_convert(const struct drm_npu_array *array, u32 first, u32 count, void *to,
		      size_t size);
void *npu_array_copy(const struct drm_npu_array *array, size_t size_v1, size_t size, u32 max);

/**
 * npu_array_read() - copy elements of an array from user space
 * @array: checked by npu_array_check()
 * @first: number of the first one
 * @count: how many; they are inside the array
 * @to: where to
 * @size: of an element in this kernel
 *
 * Here, because a size that is known costs no check of what is behind @to.
 *
 * Return: 0 or negative errno, as npu_array_convert().
 */
static __always_inline int npu_array_read(const struct drm_npu_array *array, u32 first, u32 count,
					  void *to, size_t size)
{
	if (array->stride != size)
		return npu_array_convert(array, first, count, to, size);
	return copy_from_user(to, u64_to_user_ptr(array->ptr + (u64)first * size), count * size) ?
	       -EFAULT : 0;
}

void npu_debugfs_init(struct npu_device *npu);

extern const struct attribute_group *npu_groups[];

#if IS_ENABLED(CONFIG_HWMON)
void npu_hwmon_init(struct npu_device *npu);
#else
static inline void npu_hwmon_init(struct npu_device *npu)
{
}
#endif

int npu_platform_register(void);
void npu_platform_unregister(void);

#endif /* _NPU_DRV_H_ */

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_DRV_H_
#define _NPU_DRV_H_

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

void *npu_array_copy(const struct drm_npu_array *array, size_t size_v1, size_t size, u32 max);

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

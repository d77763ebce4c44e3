/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_NOTIFY_H_
#define _NPU_NOTIFY_H_

#include <linux/types.h>

struct drm_file;
struct drm_npu_fault;
struct npu_device;
struct npu_notify;

void npu_notify_open(struct drm_file *file);
struct npu_notify *npu_notify_create(struct npu_device *npu, struct drm_file *file, u32 queue_id);
void npu_notify_send(struct npu_device *npu, struct npu_notify *notify, u32 state,
		     const struct drm_npu_fault *fault);
void npu_notify_cancel(struct npu_device *npu, struct npu_notify *notify);

#endif /* _NPU_NOTIFY_H_ */

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_FDINFO_H_
#define _NPU_FDINFO_H_

#include <linux/kref.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct drm_file;
struct drm_printer;

/**
 * struct npu_usage - what all queues ever made by one open file have used
 * @ref: the file and its queues, which may live longer
 * @lock: protects @cycles; taken in hard interrupt
 * @cycles: of the cores; never goes back
 */
struct npu_usage {
	struct kref ref;
	spinlock_t lock; /* of the sum */
	u64 cycles;
};

struct npu_usage *npu_usage_create(void);
struct npu_usage *npu_usage_get(struct npu_usage *usage);
void npu_usage_put(struct npu_usage *usage);
void npu_usage_add(struct npu_usage *usage, u64 cycles);

void npu_show_fdinfo(struct drm_printer *p, struct drm_file *file);

#endif /* _NPU_FDINFO_H_ */

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_COREDUMP_H_
#define _NPU_COREDUMP_H_

#include <linux/workqueue.h>

struct npu_device;
struct npu_dump;
struct npu_queue;

/**
 * struct npu_coredump - the incident that is being written down
 * @work: makes a text of it
 * @dump: where it is noted down; NULL if there is no memory for that
 * @busy: @dump belongs to an incident; set under npu_device.slots.lock, cleared by @work
 * @missed: incidents since the last dump that nobody could write down
 */
struct npu_coredump {
	struct work_struct work;
	struct npu_dump *dump;
	bool busy;
	atomic_t missed;
};

#if IS_ENABLED(CONFIG_DEV_COREDUMP)
void npu_coredump_init(struct npu_device *npu);
void npu_coredump_fini(struct npu_device *npu);
void npu_coredump_begin(struct npu_device *npu, struct npu_queue *queue, const char *reason);
void npu_coredump_take(struct npu_device *npu, struct npu_queue *queue, const char *recovery);
#else
static inline void npu_coredump_init(struct npu_device *npu)
{
}

static inline void npu_coredump_fini(struct npu_device *npu)
{
}

static inline void npu_coredump_begin(struct npu_device *npu, struct npu_queue *queue,
				      const char *reason)
{
}

static inline void npu_coredump_take(struct npu_device *npu, struct npu_queue *queue,
				     const char *recovery)
{
}
#endif

#endif /* _NPU_COREDUMP_H_ */

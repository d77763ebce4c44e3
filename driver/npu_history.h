/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_HISTORY_H_
#define _NPU_HISTORY_H_

#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include <drm/npu_accel.h>

struct npu_device;
struct npu_queue;
struct seq_file;

#define NPU_HISTORY_SIZE	32

/**
 * struct npu_incident - a queue that was banned
 * @time: when
 * @queue: its number
 * @pid: who made it
 * @comm: likewise
 * @state: DRM_NPU_QUEUE_*
 * @fault: why
 */
struct npu_incident {
	ktime_t time;
	u32 queue;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	u32 state;
	struct drm_npu_fault fault;
};

/**
 * struct npu_history - the last incidents of a device
 * @lock: protects what follows; taken in hard interrupt
 * @count: incidents ever
 * @incident: incident n is at n modulo the size
 */
struct npu_history {
	spinlock_t lock; /* of the list */
	u64 count;
	struct npu_incident incident[NPU_HISTORY_SIZE];
};

void npu_history_add(struct npu_queue *queue, u32 state);
void npu_history_show(struct npu_device *npu, struct seq_file *m);

#endif /* _NPU_HISTORY_H_ */

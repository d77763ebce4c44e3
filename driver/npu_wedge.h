/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_WEDGE_H_
#define _NPU_WEDGE_H_

#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct npu_device;
struct npu_queue;

/**
 * struct npu_wedge - the uevent that is to be sent
 * @work: sends it
 * @lock: protects what follows; taken in the fence signalling path
 * @recovery: what user space should do, NULL if nothing is to be sent
 * @pid: process whose queue was guilty, 0 if none is known
 * @comm: its name
 */
struct npu_wedge {
	struct work_struct work;
	spinlock_t lock; /* of the event */
	const char *recovery;
	pid_t pid;
	char comm[TASK_COMM_LEN];
};

void npu_wedge_init(struct npu_device *npu);
void npu_wedge_fini(struct npu_device *npu);
void npu_wedge_report(struct npu_device *npu, const char *recovery,
		      const struct npu_queue *guilty);

#endif /* _NPU_WEDGE_H_ */

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_PM_H_
#define _NPU_PM_H_

#include <linux/atomic.h>
#include <linux/pm.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct device;
struct npu_device;

/**
 * struct npu_pm - power of a device
 * @lock: read to keep the device as it is, written to change that
 * @off: registers must not be used; written under @lock
 * @held: reasons why it stays off, whoever wants it on; protected by @lock
 * @cut: it could not be asked before; protected by @lock
 * @cut_since: jiffies; protected by @lock
 * @patience: gives it up if that lasts too long
 * @since: when it was switched on last, jiffies; protected by @lock
 * @busy_cycles: of the cores, the highest number that was ever seen
 * @busy_base: of the cores before the device began to count anew; protected by @lock
 */
struct npu_pm {
	struct rw_semaphore lock;
	bool off;
	unsigned int held;
	bool cut;
	unsigned long cut_since;
	struct delayed_work patience;
	unsigned long since;
	atomic64_t busy_cycles;
	u64 busy_base;
};

extern const struct dev_pm_ops npu_pm_ops;

void npu_pm_init(struct npu_device *npu);
void npu_pm_start(struct npu_device *npu);
void npu_pm_stop(struct npu_device *npu);
void npu_pm_shutdown(struct device *dev);
bool npu_pm_hold(struct device *dev, bool answers);
void npu_pm_release(struct device *dev, bool held);

int npu_pm_get(struct npu_device *npu);
void npu_pm_put(struct npu_device *npu);

u64 npu_pm_busy_cycles(struct npu_device *npu);

bool npu_pm_enter(struct npu_device *npu);
void npu_pm_exit(struct npu_device *npu);
int npu_pm_read(struct npu_device *npu, u32 reg, u32 *value);

#endif /* _NPU_PM_H_ */

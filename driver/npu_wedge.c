// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Wedged devices
 *
 * User space learns of function resets and of the loss of the device by a uevent
 * (action ``change``) of the accel node, as Documentation/gpu/drm-uapi.rst of the
 * kernel has it under "Device Wedging":
 *
 * - ``WEDGED=none``: a function reset was acknowledged and the device works. There
 *   is nothing to do; who collects telemetry may.
 * - ``WEDGED=rebind``, on PCI ``WEDGED=rebind,bus-reset``: the device is given up,
 *   since it is gone or does not acknowledge a function reset. All calls that need it
 *   fail with -ENODEV. Unbinding and binding the driver resets the device twice more. If
 *   it does not answer, the probe fails, and a reset of the bus is next.
 *
 * ``PID=`` and ``TASK=`` name the process whose queue made the reset necessary, if
 * one did: of several, the one that asked first. Resets of queues and cores
 * send nothing: they concern one client, which has its DRM_NPU_EVENT_FAULT.
 *
 * Events are sent by a work item, since a uevent allocates memory and resets happen in
 * the fence signalling path. If the next incident is faster than the work item, the
 * last one is told. A device that is being removed sends none.
 *
 * drm_dev_wedged_event() is of no use here: it takes the primary node for granted.
 */
#include <linux/device.h>
#include <linux/kobject.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "npu_drv.h"
#include "npu_queue.h"
#include "npu_wedge.h"

#define NPU_WEDGE_TEXT	48

static_assert(NPU_WEDGE_TEXT >= sizeof("TASK=") + TASK_COMM_LEN);

static void npu_wedge_send(struct npu_device *npu, const struct npu_wedge *wedge)
{
	struct device *kdev = npu->drm.accel->kdev;
	char recovery[NPU_WEDGE_TEXT], pid[NPU_WEDGE_TEXT], task[NPU_WEDGE_TEXT];
	char *envp[4] = { recovery };

	/* The device may not have got as far as user space. */
	if (!device_is_registered(kdev))
		return;
	snprintf(recovery, sizeof(recovery), "WEDGED=%s", wedge->recovery);
	if (wedge->pid) {
		snprintf(pid, sizeof(pid), "PID=%d", wedge->pid);
		snprintf(task, sizeof(task), "TASK=%s", wedge->comm);
		envp[1] = pid;
		envp[2] = task;
	}
	kobject_uevent_env(&kdev->kobj, KOBJ_CHANGE, envp);
}

static void npu_wedge_work(struct work_struct *work)
{
	struct npu_device *npu = container_of(work, struct npu_device, wedge.work);
	struct npu_wedge wedge;
	int idx;

	scoped_guard(spinlock_irqsave, &npu->wedge.lock) {
		wedge.recovery = npu->wedge.recovery;
		wedge.pid = npu->wedge.pid;
		memcpy(wedge.comm, npu->wedge.comm, sizeof(wedge.comm));
		npu->wedge.recovery = NULL;
	}
	/* A lost device, too, is there until it is unplugged. */
	if (!wedge.recovery || !drm_dev_enter(&npu->drm, &idx))
		return;
	npu_wedge_send(npu, &wedge);
	drm_dev_exit(idx);
}

/**
 * npu_wedge_report() - tell user space of a function reset or a loss
 * @npu: device; in the fence signalling path
 * @recovery: what has to be done, constant
 * @guilty: the queue that has caused it, or NULL
 */
void npu_wedge_report(struct npu_device *npu, const char *recovery,
		      const struct npu_queue *guilty)
{
	scoped_guard(spinlock_irqsave, &npu->wedge.lock) {
		npu->wedge.recovery = recovery;
		npu->wedge.pid = guilty ? guilty->pid : 0;
		strscpy(npu->wedge.comm, guilty ? guilty->comm : "");
	}
	queue_work(npu_release_wq, &npu->wedge.work);
}

/**
 * npu_wedge_init() - nothing has happened yet
 * @npu: device
 */
void npu_wedge_init(struct npu_device *npu)
{
	spin_lock_init(&npu->wedge.lock);
	INIT_WORK(&npu->wedge.work, npu_wedge_work);
}

/**
 * npu_wedge_fini() - wait for what is being sent
 * @npu: device on which nothing happens any more
 */
void npu_wedge_fini(struct npu_device *npu)
{
	cancel_work_sync(&npu->wedge.work);
}

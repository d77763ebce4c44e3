// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Power
 *
 * The device is on while there are jobs: each holds a reference from SUBMIT, where it
 * can be waited for, to the signal of its fence (npu_pm_get(), npu_pm_put()). A job that
 * still waits for others holds one too; they end in bounded time. NPU_PM_DELAY_MS after
 * the last one the device is switched off; power/autosuspend_delay_ms in sysfs changes
 * that, power/control prevents it. Memory management, queries and statistics work with
 * a device that is off and do not wake it, but for its time and its sensors.
 *
 * Off means: no queue has a slot, no interrupt is enabled, POWER is OFF. Contexts, rings
 * and page tables are in memory, so nothing has to be saved. TLBs are empty: what changes
 * page tables has nothing to invalidate.
 *
 * System sleep and hibernation do the same with jobs in flight. Queues leave their slots
 * at the next command boundary and go on there when they get one again. A command that
 * does not end within NPU_PM_SUSPEND_MS is lost in a function reset, as documented in
 * "Slots and resets"; the queue that it belongs to is banned. Jobs that are handed out
 * meanwhile go into the rings and wait. No time passes for the hang watch. A device that
 * comes back in an unknown state, as after hibernation, is reset.
 *
 * npu_pm.lock keeps the state as it is. What touches registers in process context holds
 * it for reading, inside npu_dev_enter(): npu_pm_enter() says whether it may. It comes
 * after npu_vm.lock and before npu_device.slots.lock, and is taken in the fence signalling
 * path. Suspend never waits for it in the queue of the lock, where it would keep out the
 * watch and the slot worker that a reader may depend on: it tries. The interrupt handler
 * does not take it; interrupts are disabled while the device is off.
 */
#include <linux/delay.h>
#include <linux/dma-fence.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/pm_runtime.h>

#include "npu_device.h"
#include "npu_pm.h"
#include "npu_slot.h"

#define NPU_PM_DELAY_MS		100
#define NPU_PM_SUSPEND_MS	2000

/* An invalidation that is waited for ends in this time; see npu_tlb_invalidate(). */
#define NPU_PM_LOCK_MS		20000
#define NPU_PM_PATIENCE_MS	20000	/* with a bus that resets the device */

/**
 * npu_pm_get() - keep the device on
 * @npu: device; the caller may sleep and is not in the fence signalling path
 *
 * Return: 0; a reference for npu_pm_put(). Or negative errno.
 */
int npu_pm_get(struct npu_device *npu)
{
	int ret = pm_runtime_resume_and_get(npu->drm.dev);

	/* Of a device that has been unbound it says that power management is off. */
	return ret && npu_is_lost(npu) ? -ENODEV : ret;
}

/**
 * npu_pm_put() - counterpart of npu_pm_get()
 * @npu: device. Any context.
 */
void npu_pm_put(struct npu_device *npu)
{
	pm_runtime_mark_last_busy(npu->drm.dev);
	pm_runtime_put_autosuspend(npu->drm.dev);
}

/**
 * npu_pm_enter() - let the device be on or off as it is
 * @npu: device; the caller is inside npu_dev_enter()
 *
 * npu_pm_exit() follows in any case.
 *
 * Return: true if registers can be used.
 */
bool npu_pm_enter(struct npu_device *npu)
{
	down_read(&npu->pm.lock);
	return !npu->pm.off;
}

void npu_pm_exit(struct npu_device *npu)
{
	up_read(&npu->pm.lock);
}

/**
 * npu_pm_read() - a register of a device that may be off or gone
 * @npu: device
 * @reg: the register
 * @value: its value
 *
 * Return: 0, -EAGAIN if the device is off, -ENODEV if it is gone or does not answer.
 */
int npu_pm_read(struct npu_device *npu, u32 reg, u32 *value)
{
	int ret = -EAGAIN;
	int idx;

	if (!npu_dev_enter(npu, &idx))
		return -ENODEV;
	if (npu_pm_enter(npu)) {
		*value = npu_read(npu, reg);
		ret = npu_is_gone(npu) ? -ENODEV : 0;
	}
	npu_pm_exit(npu);
	drm_dev_exit(idx);
	return ret;
}

/**
 * npu_pm_busy_cycles() - what the cores have worked since the driver was bound or before
 * @npu: device, between npu_pm_enter() and npu_pm_exit()
 *
 * Return: cycles; less than before never, also if power was lost meanwhile.
 */
u64 npu_pm_busy_cycles(struct npu_device *npu)
{
	s64 last = atomic64_read(&npu->pm.busy_cycles), cycles;

	if (npu->pm.off)
		return last;
	cycles = npu->pm.busy_base + npu_device_busy_cycles(npu);
	/* For when it is off without having been asked. */
	while (cycles > last && !atomic64_try_cmpxchg(&npu->pm.busy_cycles, &last, cycles))
		;
	return max(cycles, last);
}

/* The device may have begun to count anew. */
static void npu_pm_rebase_cycles(struct npu_device *npu)
{
	u64 seen = atomic64_read(&npu->pm.busy_cycles);

	if (npu->pm.busy_base + npu_device_busy_cycles(npu) < seen)
		npu->pm.busy_base = seen;
}

/* ---- Off and on ---------------------------------------------------------------- */

static bool npu_pm_trylock(struct npu_device *npu)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(NPU_PM_LOCK_MS);

	while (!down_write_trylock(&npu->pm.lock)) {
		if (time_after(jiffies, deadline))
			return false;
		usleep_range(500, 1000);
	}
	return true;
}

static void npu_pm_disable_irqs(struct npu_device *npu)
{
	unsigned int i;

	for (i = 0; i < npu->caps.irqs; i++)
		disable_irq(npu->bus->irq[i]);
}

static void npu_pm_switch_off(struct npu_device *npu)
{
	npu_slots_vacate(npu, NPU_PM_SUSPEND_MS);
	if (npu_is_lost(npu))
		return;
	npu_pm_disable_irqs(npu);
	npu_pm_busy_cycles(npu);
	npu_write(npu, NPU_REG_IRQ_ENABLE, 0);
	if (npu->caps.features & NPU_FEATURE_POWER_OFF)
		npu_write(npu, NPU_REG_POWER, NPU_POWER_OFF);
	npu->pm.off = true;
}

static int npu_pm_suspend(struct device *dev)
{
	struct npu_device *npu = dev_get_drvdata(dev);
	bool cookie;
	int ret = 0;
	int idx;

	if (!npu_dev_enter(npu, &idx))
		return 0;
	cookie = dma_fence_begin_signalling();
	if (!npu_pm_trylock(npu)) {
		ret = -EBUSY;
	} else {
		if (!npu->pm.off)
			npu_pm_switch_off(npu);
		up_write(&npu->pm.lock);
	}
	dma_fence_end_signalling(cookie);
	drm_dev_exit(idx);
	return ret;
}

/* Does it work? Queues that still had slots have left them then. */
static bool npu_pm_wake(struct npu_device *npu)
{
	if (npu->pm.cut) {
		npu->pm.cut = false;
		cancel_delayed_work(&npu->pm.patience);
		npu_slots_restart(npu);
	} else if (!npu_device_wake(npu) || npu_is_gone(npu)) {
		npu_device_lose(npu, npu_is_gone(npu), NULL);
	} else {
		npu_device_start(npu);
	}
	return !npu_is_lost(npu);
}

static void npu_pm_switch_on(struct npu_device *npu)
{
	unsigned int i;

	npu->pm.off = false;
	npu->pm.since = jiffies;
	if (!npu_pm_wake(npu))
		return;
	npu_pm_rebase_cycles(npu);
	for (i = 0; i < npu->caps.irqs; i++)
		enable_irq(npu->bus->irq[i]);
}

static int npu_pm_resume(struct device *dev)
{
	struct npu_device *npu = dev_get_drvdata(dev);
	bool cookie;
	int idx;

	if (!npu_dev_enter(npu, &idx))
		return 0;
	cookie = dma_fence_begin_signalling();
	/* Readers are quick while the device is off. */
	down_write(&npu->pm.lock);
	if (npu->pm.off && !npu->pm.held)
		npu_pm_switch_on(npu);
	up_write(&npu->pm.lock);
	dma_fence_end_signalling(cookie);
	npu_slots_kick(npu);
	drm_dev_exit(idx);
	return 0;
}

/* Nobody touches it from now on. It does no DMA: the bus has seen to that. */
static void npu_pm_cut_off(struct npu_device *npu)
{
	npu_pm_disable_irqs(npu);
	npu->pm.off = true;
	npu->pm.cut = true;
	npu->pm.cut_since = jiffies;
	mod_delayed_work(npu->wq, &npu->pm.patience, msecs_to_jiffies(NPU_PM_PATIENCE_MS));
}

/**
 * npu_pm_hold() - leave the device alone while its bus resets it
 * @dev: of the bus
 * @answers: queues leave their slots before, and go on there afterwards. Otherwise the
 *           caller has ended all its DMA; jobs that it had begun are lost as in a function
 *           reset.
 *
 * Holds nest. npu_pm_release() follows; if it does not after a device that did not
 * answer, the device is given up, and jobs end.
 *
 * Return: for npu_pm_release(): whether everybody is kept off it.
 */
bool npu_pm_hold(struct device *dev, bool answers)
{
	struct npu_device *npu = dev_get_drvdata(dev);
	bool cookie, held;
	int idx;

	pm_runtime_get_sync(dev);
	if (!npu_dev_enter(npu, &idx))
		return false;
	cookie = dma_fence_begin_signalling();
	held = npu_pm_trylock(npu);
	if (held) {
		/* A device that is lost stays as it is. */
		if (!npu->pm.off && answers)
			npu_pm_switch_off(npu);
		else if (!npu->pm.off && !npu_is_lost(npu))
			npu_pm_cut_off(npu);
		npu->pm.held++;
		up_write(&npu->pm.lock);
	}
	dma_fence_end_signalling(cookie);
	drm_dev_exit(idx);
	return held;
}

static void npu_pm_give_up(struct work_struct *work)
{
	struct npu_device *npu = container_of(work, struct npu_device, pm.patience.work);
	unsigned long end;
	bool cookie;
	int idx;

	if (!npu_dev_enter(npu, &idx))
		return;
	cookie = dma_fence_begin_signalling();
	/* While it is cut off, readers are quick. */
	if (READ_ONCE(npu->pm.cut) && npu_pm_trylock(npu)) {
		/* It may be another time. */
		end = npu->pm.cut_since + msecs_to_jiffies(NPU_PM_PATIENCE_MS);
		if (npu->pm.cut && time_before(jiffies, end)) {
			mod_delayed_work(npu->wq, &npu->pm.patience, end - jiffies);
		} else if (npu->pm.cut) {
			npu->pm.cut = false;
			npu_device_lose(npu, false, NULL);
			npu_slots_abandon(npu);
		}
		up_write(&npu->pm.lock);
	}
	dma_fence_end_signalling(cookie);
	npu_slots_kick(npu);
	drm_dev_exit(idx);
}

/* Returns false if it could not be had. */
static bool npu_pm_end_hold(struct npu_device *npu, bool held)
{
	if (!npu_pm_trylock(npu))
		return false;
	if (held)
		npu->pm.held--;
	if (npu_is_lost(npu) || npu->pm.held) {
		;
	} else if (npu->pm.off) {
		/* Who has put it to sleep wakes it. */
		if (!pm_runtime_status_suspended(npu->drm.dev))
			npu_pm_switch_on(npu);
	} else if (!held) {
		/* It was reset while it was in use. */
		npu_slots_restart(npu);
		npu_pm_rebase_cycles(npu);
	}
	up_write(&npu->pm.lock);
	return true;
}

/**
 * npu_pm_release() - counterpart of npu_pm_hold(), of a device that can be used again
 * @dev: of the bus
 * @held: what npu_pm_hold() has returned
 */
void npu_pm_release(struct device *dev, bool held)
{
	struct npu_device *npu = dev_get_drvdata(dev);
	bool cookie;
	int idx;

	if (npu_dev_enter(npu, &idx)) {
		cookie = dma_fence_begin_signalling();
		/* Who waits for the device that was reset waits for a function reset. */
		if (!npu_pm_end_hold(npu, held))
			npu_slots_reset(npu);
		dma_fence_end_signalling(cookie);
		npu_slots_kick(npu);
		drm_dev_exit(idx);
	}
	npu_pm_put(npu);
}

/* For system sleep and hibernation too, whatever references there are. */
const struct dev_pm_ops npu_pm_ops = {
	SYSTEM_SLEEP_PM_OPS(pm_runtime_force_suspend, pm_runtime_force_resume)
	RUNTIME_PM_OPS(npu_pm_suspend, npu_pm_resume, NULL)
};

/**
 * npu_pm_shutdown() - stop the device before the machine restarts or another kernel begins
 * @dev: of the bus
 */
void npu_pm_shutdown(struct device *dev)
{
	struct npu_device *npu = dev_get_drvdata(dev);

	/* It stays off, whoever is still alive. */
	pm_runtime_disable(dev);
	if (npu_pm_suspend(dev))
		npu_device_reset(npu);
}

/**
 * npu_pm_init() - set up what npu_pm_stop() ends
 * @npu: device
 */
void npu_pm_init(struct npu_device *npu)
{
	init_rwsem(&npu->pm.lock);
	npu->pm.since = jiffies;
	INIT_DELAYED_WORK(&npu->pm.patience, npu_pm_give_up);
}

/**
 * npu_pm_start() - let the device be switched off from now on
 * @npu: device that works. The bus has enabled runtime power management and holds a
 *       reference, which ends here.
 */
void npu_pm_start(struct npu_device *npu)
{
	pm_runtime_set_autosuspend_delay(npu->drm.dev, NPU_PM_DELAY_MS);
	pm_runtime_use_autosuspend(npu->drm.dev);
	npu_pm_put(npu);
}

/**
 * npu_pm_stop() - counterpart of npu_pm_start()
 * @npu: device that is about to be removed; the bus gets its reference back
 */
void npu_pm_stop(struct npu_device *npu)
{
	cancel_delayed_work_sync(&npu->pm.patience);
	/* The driver core has let it go to sleep once more. A device that cannot wake is lost. */
	pm_runtime_get_sync(npu->drm.dev);
	pm_runtime_dont_use_autosuspend(npu->drm.dev);
}

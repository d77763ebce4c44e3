// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Life of a device
 *
 * npu_device_probe() takes a device from a bus, sizes itself from the
 * capability registers and registers /dev/accel/accelN.
 *
 * npu_device_lose() gives a device up that does not answer: it reads as ones, or
 * it did not acknowledge a function reset. All jobs end with -ENODEV, and all
 * calls that need the hardware fail so. In the second case the device may still
 * do DMA, hence nothing that it may reach is freed unless the reset at removal is
 * acknowledged. User space is told by a uevent, see npu_wedge.c.
 *
 * npu_device_remove() serves both an orderly unbind and a surprise removal:
 *
 * 1. A function reset stops all DMA, unless the device has gone; all jobs end with -ENODEV,
 *    and no new section that touches the hardware begins (npu_dev_enter()).
 * 2. drm_dev_unplug(): those in progress have ended. They may have waited for jobs.
 * 3. Interrupts off; one more reset, in case such a section has used the device.
 * 4. Everything DMA-mapped is unmapped or freed: rings, page tables, buffers.
 *
 * Files that are still open keep the software objects; buffers keep their
 * pages and CPU mappings.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/ktime.h>
#include <linux/module.h>

#include <drm/drm_drv.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>

#include "npu_device.h"
#include "npu_drv.h"
#include "npu_event.h"
#include "npu_gem.h"
#include "npu_queue.h"
#include "npu_reclaim.h"
#include "npu_slot.h"
#include "npu_trace.h"
#include "npu_vm.h"

/* ---- Registers ------------------------------------------------------------------- */

static u64 npu_read64(struct npu_device *npu, u32 reg)
{
	u32 hi, lo, again = npu_read(npu, reg + 4);
	unsigned int tries = 4;

	/* HI moves once in seconds; one that never stands still is not worth more. */
	do {
		hi = again;
		lo = npu_read(npu, reg);
		again = npu_read(npu, reg + 4);
	} while (hi != again && --tries);
	return (u64)hi << 32 | lo;
}

/**
 * npu_device_time() - device time in nanoseconds
 * @npu: device that is on
 */
u64 npu_device_time(struct npu_device *npu)
{
	return npu_read64(npu, NPU_REG_TIME_LO);
}

/**
 * npu_device_busy_cycles() - what the cores have worked since power-on
 * @npu: device that is on
 *
 * Return: sum of all cores.
 */
u64 npu_device_busy_cycles(struct npu_device *npu)
{
	u64 cycles = 0;
	unsigned int i;

	for (i = 0; i < npu->caps.cores; i++)
		cycles += npu_read64(npu, NPU_REG_CORE_BUSY_LO(i));
	return cycles;
}

static int npu_device_identify(struct npu_device *npu)
{
	u32 id = npu_read(npu, NPU_REG_ID);
	u32 version = npu_read(npu, NPU_REG_VERSION);

	if (id != NPU_ID) {
		dev_err(npu->drm.dev, "not an NPU: identification %#x\n", id);
		return -ENODEV;
	}
	if (version >> 16 != NPU_VERSION_MAJOR) {
		dev_err(npu->drm.dev, "hardware interface %u.%u, this driver knows %u.x\n",
			version >> 16, version & 0xffff, NPU_VERSION_MAJOR);
		return -ENODEV;
	}
	npu->caps.version = version;
	return 0;
}

static int npu_device_read_caps(struct npu_device *npu)
{
	struct npu_caps *caps = &npu->caps;
	int ret;

	ret = npu_device_identify(npu);
	if (ret)
		return ret;

	caps->features = npu_read(npu, NPU_REG_FEATURES);
	caps->isa = npu_read(npu, NPU_REG_ISA);
	caps->isa_features = npu_read64(npu, NPU_REG_ISA_FEATURES_LO);
	caps->slots = npu_read(npu, NPU_REG_SLOTS);
	caps->cores = npu_read(npu, NPU_REG_CORES);
	caps->irqs = npu_read(npu, NPU_REG_IRQS);
	caps->va_bits = npu_read(npu, NPU_REG_VA_BITS);
	caps->bus_bits = npu_read(npu, NPU_REG_BUS_BITS);
	caps->asids = 1u << min(npu_read(npu, NPU_REG_ASID_BITS), 16u);
	caps->page_sizes = npu_read(npu, NPU_REG_PAGE_SIZES);
	caps->macs_max_order = npu_read(npu, NPU_REG_MACS_MAX);
	caps->bytes_max_order = npu_read(npu, NPU_REG_BYTES_MAX);
	caps->macs_per_cycle = npu_read(npu, NPU_REG_MACS_PER_CYCLE);
	caps->clock_khz = npu_read(npu, NPU_REG_CLOCK_KHZ);
	caps->reset_ms = npu_read(npu, NPU_REG_RESET_MS);
	caps->layouts = npu_read(npu, NPU_REG_LAYOUTS);

	if (caps->slots < 1 || caps->slots > NPU_MAX_SLOTS ||
	    caps->cores < 1 || caps->cores > NPU_MAX_CORES ||
	    caps->irqs < 1 || caps->irqs > NPU_MAX_IRQS ||
	    caps->va_bits < 32 || caps->va_bits > NPU_PT_SHIFT(NPU_PT_LEVELS) ||
	    caps->bus_bits < 32 || caps->bus_bits > 52 ||
	    caps->asids < 2 || ~caps->page_sizes & (BIT(12) | BIT(21)) ||
	    npu_read(npu, NPU_REG_RING_ORDER_MAX) < NPU_RING_ORDER || caps->reset_ms > 60000) {
		dev_err(npu->drm.dev, "capability registers make no sense\n");
		return -EIO;
	}
	/* Causes whose vector the bus has not granted come with vector 0. */
	caps->irqs = min(caps->irqs, npu->bus->irqs);
	return 0;
}

/**
 * npu_device_start() - set up a device that comes out of reset
 * @npu: device
 */
void npu_device_start(struct npu_device *npu)
{
	npu_events_start(npu);
	npu_write(npu, NPU_REG_CONTROL, NPU_CONTROL_ENABLE);
}

/**
 * npu_device_reset() - function reset
 * @npu: device; may sleep, but is in the fence signalling path
 *
 * Return: true if all DMA has stopped.
 */
bool npu_device_reset(struct npu_device *npu)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(2 * npu->caps.reset_ms) + 2;
	u32 busy;

	trace_npu_reset(npu, "function", 0);
	npu_write(npu, NPU_REG_RESET, NPU_RESET_FUNCTION);
	do {
		busy = npu_read(npu, NPU_REG_RESET);
		if (busy)
			usleep_range(500, 1000);
	} while (busy && busy != ~0u && time_before(jiffies, deadline));
	/* The last sleep may have been long. */
	busy = npu_read(npu, NPU_REG_RESET);
	if (busy)
		return busy == ~0u && npu_is_gone(npu);

	atomic_inc(&npu->errors.resets);
	wake_up_all(&npu->tlb.wait);
	return true;
}

/**
 * npu_device_wake() - bring a device into the state of power-on, whatever it is in
 * @npu: device; may sleep, but is in the fence signalling path
 *
 * Return: true if it is, and no DMA is under way.
 */
bool npu_device_wake(struct npu_device *npu)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(2 * npu->caps.reset_ms) + 2;

	if (npu_read(npu, NPU_REG_POWER) != NPU_POWER_OFF)
		return npu_device_reset(npu);

	npu_write(npu, NPU_REG_POWER, NPU_POWER_IDLE);
	while (npu_read(npu, NPU_REG_POWER) == NPU_POWER_OFF) {
		if (time_after(jiffies, deadline))
			return false;
		usleep_range(500, 1000);
	}
	return true;
}

static void npu_device_set_lost(struct npu_device *npu)
{
	/* The lock is that of the list which nobody serves any more. */
	guard(spinlock_irqsave)(&npu->slots.pending_lock);

	/* Pairs with npu_is_lost(). */
	smp_store_release(&npu->lost, true);
}

/**
 * npu_device_lose() - give the device up
 * @npu: device; in the fence signalling path
 * @safe: it does no DMA
 * @guilty: the queue that is to blame, or NULL
 */
void npu_device_lose(struct npu_device *npu, bool safe, const struct npu_queue *guilty)
{
	drm_err(&npu->drm, "%s\n", safe ? "the device has gone" : "the device does not reset");
	npu->unsafe = !safe;
	npu_device_set_lost(npu);
	wake_up_all(&npu->tlb.wait);
	npu_queues_lose(npu);
	npu_wedge_report(npu, npu->bus->recovery, guilty);
}

/* ---- Life -------------------------------------------------------------------------- */

static void npu_device_free_wq(struct drm_device *drm, void *wq)
{
	destroy_workqueue(wq);
}

static int npu_device_alloc_wq(struct npu_device *npu, struct workqueue_struct **wq,
			       const char *name, unsigned int flags)
{
	*wq = alloc_workqueue("%s", flags | WQ_MEM_RECLAIM, 0, name);
	if (!*wq)
		return -ENOMEM;
	return drmm_add_action_or_reset(&npu->drm, npu_device_free_wq, *wq);
}

static void npu_device_free_ids(struct drm_device *drm, void *data)
{
	struct npu_device *npu = to_npu_device(drm);

	xa_destroy(&npu->queues);
	ida_destroy(&npu->objects.asids);
}

static int npu_device_init(struct npu_device *npu)
{
	struct device *dev = npu->drm.dev;
	int ret;

	INIT_LIST_HEAD(&npu->objects.vms);
	INIT_LIST_HEAD(&npu->objects.bos);
	INIT_LIST_HEAD(&npu->objects.imports);
	INIT_LIST_HEAD(&npu->objects.binds);
	ida_init(&npu->objects.asids);
	xa_init_flags(&npu->queues, XA_FLAGS_ALLOC1);
	npu_pm_init(npu);
	spin_lock_init(&npu->history.lock);
	npu_wedge_init(npu);
	npu_coredump_init(npu);
	spin_lock_init(&npu->tlb.lock);
	init_waitqueue_head(&npu->tlb.wait);
	ret = drmm_add_action_or_reset(&npu->drm, npu_device_free_ids, NULL);
	if (ret)
		return ret;
	ret = drmm_mutex_init(&npu->drm, &npu->objects.lock);
	if (ret)
		return ret;
	ret = drmm_mutex_init(&npu->drm, &npu->objects.gpuva_lock);
	if (ret)
		return ret;
	ret = drmm_mutex_init(&npu->drm, &npu->objects.import_lock);
	if (ret)
		return ret;
	ret = npu_device_alloc_wq(npu, &npu->wq, "npu", WQ_UNBOUND);
	if (ret)
		return ret;
	/* Short work that asks for itself again: here one worker does it all. */
	ret = npu_device_alloc_wq(npu, &npu->sched_wq, "npu-sched", WQ_PERCPU);
	if (ret)
		return ret;
	ret = npu_device_alloc_wq(npu, &npu->bind_wq, "npu-bind", WQ_UNBOUND);
	if (ret)
		return ret;

	ret = npu_device_read_caps(npu);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(npu->caps.bus_bits));
	if (ret)
		return ret;
	dma_set_max_seg_size(dev, UINT_MAX);
	ret = npu_slots_init(npu);
	if (ret)
		return ret;
	npu_gem_init(npu);
	return npu_reclaim_init(npu);
}

static void npu_device_free_irqs(struct npu_device *npu, unsigned int count)
{
	while (count)
		free_irq(npu->bus->irq[--count], npu);
}

static int npu_device_request_irqs(struct npu_device *npu)
{
	unsigned int i;
	int ret;

	for (i = 0; i < npu->caps.irqs; i++) {
		ret = request_irq(npu->bus->irq[i], npu_irq, 0, dev_name(npu->drm.dev), npu);
		if (ret) {
			npu_device_free_irqs(npu, i);
			return ret;
		}
	}
	return 0;
}

/**
 * npu_device_probe() - make an accel device of what a bus has found
 * @bus: valid until npu_device_remove() has returned
 *
 * Return: 0 or negative errno.
 */
int npu_device_probe(const struct npu_bus *bus)
{
	struct npu_device *npu;
	int ret;

	npu = devm_drm_dev_alloc(bus->dev, &npu_drm_driver, struct npu_device, drm);
	if (IS_ERR(npu))
		return PTR_ERR(npu);
	npu->bus = bus;
	dev_set_drvdata(bus->dev, npu);

	ret = npu_device_init(npu);
	if (ret)
		return ret;
	if (!npu_device_wake(npu)) {
		dev_err(bus->dev, "the device does not reset\n");
		return -EIO;
	}
	ret = npu_events_init(npu);
	if (ret)
		return ret;
	ret = npu_device_request_irqs(npu);
	if (ret)
		goto err_events;
	npu_device_start(npu);
	npu_debugfs_init(npu);
	ret = drm_dev_register(&npu->drm, 0);
	if (ret)
		goto err_stop;
	npu_hwmon_init(npu);
	npu_pm_start(npu);
	return 0;

err_stop:
	npu_device_free_irqs(npu, npu->caps.irqs);
	/* What interrupts have asked for. */
	cancel_delayed_work_sync(&npu->slots.work);
	npu_wedge_fini(npu);
	npu_coredump_fini(npu);
	/* It must not write events into memory that is freed. */
	if (!npu_device_reset(npu))
		return ret;
err_events:
	npu_events_fini(npu);
	return ret;
}

/*
 * Sections of npu_dev_enter() may wait for fences: in memory reclaim, or for somebody who
 * takes away user memory. Removal waits for the sections, so all jobs end before that.
 */
static void npu_device_end_jobs(struct npu_device *npu)
{
	bool cookie = dma_fence_begin_signalling();
	bool on = npu_pm_enter(npu);

	scoped_guard(mutex, &npu->slots.lock) {
		if (on && !npu_is_lost(npu))
			npu->unsafe = !npu_is_gone(npu) && !npu_device_reset(npu);
		npu_device_set_lost(npu);
	}
	wake_up_all(&npu->tlb.wait);
	npu_queues_lose(npu);
	npu_pm_exit(npu);
	dma_fence_end_signalling(cookie);
}

/**
 * npu_device_remove() - counterpart of npu_device_probe()
 * @dev: of the bus
 */
void npu_device_remove(struct device *dev)
{
	struct npu_device *npu = dev_get_drvdata(dev);

	npu_pm_stop(npu);
	npu_device_end_jobs(npu);
	drm_dev_unplug(&npu->drm);

	npu_device_free_irqs(npu, npu->caps.irqs);
	/* Sections that ended meanwhile may have used the device once more. */
	npu->unsafe = !npu_is_gone(npu) && !npu_device_reset(npu);
	if (npu->unsafe)
		dev_err(dev, "the device does not reset, its memory is leaked\n");
	npu_queues_lose(npu);
	npu_slots_fini(npu);
	npu_wedge_fini(npu);
	npu_coredump_fini(npu);
	npu_queues_unplug(npu);
	npu_vm_unplug_all(npu);
	npu_gem_unplug(npu);
	if (!npu->unsafe)
		npu_events_fini(npu);
}

// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Devices
 *
 * An emulated NPU is a platform device whose platform data leads to the model
 * (npu_platform.h). It has no symbol in common with the driver.
 *
 * Its DMA addresses are those of the kernel's direct mapping. The model reads
 * and writes the pages in place. A page that does not exist or is free is a
 * bus error: for an emulated device that is a bug of the driver, so it is
 * counted and logged.
 *
 * Removal is a surprise for the driver: the cores leave their tiles and stop, all
 * registers read as ones, and only then the platform device goes. In this order there is no DMA
 * behind the back of a driver that believes the device to be gone.
 */
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "emu.h"
#include "npu_compat.h"

/* ---- What the model asks of its host ------------------------------------------ */

static bool emu_page_is_there(phys_addr_t addr)
{
	unsigned long pfn = PHYS_PFN(addr);

	return pfn_valid(pfn) && page_count(pfn_to_page(pfn)) > 0;
}

static void emu_bus_error(struct emu_device *emu, u64 addr, const char *what)
{
	atomic64_inc(&emu->bus_errors);
	pr_err_ratelimited("npu_emu: bus error: %s %#llx\n", what, addr);
}

/**
 * emu_device_map() - find memory
 * @emu: device
 * @addr: bus address
 * @size: bytes
 * @len: how many of them are there in a row
 *
 * Return: a pointer; NULL, and a bus error, if there is none.
 */
void *emu_device_map(struct emu_device *emu, u64 addr, u64 size, u64 *len)
{
	phys_addr_t start = dma_to_phys(&emu->pdev->dev, addr);
	phys_addr_t end = start + size;
	phys_addr_t at;

	/* Direct mapping: what is contiguous for the bus is so for us. */
	for (at = start; at < end && emu_page_is_there(at); at = PAGE_ALIGN_DOWN(at) + PAGE_SIZE)
		;
	at = min(at, end);
	if (at == start) {
		emu_bus_error(emu, addr, "no memory at");
		return NULL;
	}
	*len = at - start;
	return phys_to_virt(start);
}

static void *emu_host_map(void *host, u64 addr, u64 size, enum npu_access access, u64 *len)
{
	return emu_device_map(host, addr, size, len);
}

static void emu_host_unmap(void *host, void *ptr, u64 len)
{
	/* Whoever frees a page while the device has it is caught here. */
	if (!emu_page_is_there(virt_to_phys(ptr)))
		emu_bus_error(host, virt_to_phys(ptr), "memory freed under the device at");
}

static void emu_host_irq(void *host, u32 vector)
{
	emu_irq_raise(host, vector);
}

static void emu_host_wake(void *host, u32 core)
{
	emu_core_wake(host, core);
}

static void emu_host_timer(void *host, u64 ns)
{
	struct emu_device *emu = host;

	hrtimer_start(&emu->timer, ns_to_ktime(ns), HRTIMER_MODE_REL_HARD);
}

static enum hrtimer_restart emu_timer(struct hrtimer *timer)
{
	npu_model_timer(container_of(timer, struct emu_device, timer)->model);
	return HRTIMER_NORESTART;
}

static u64 emu_host_now(void *host)
{
	struct emu_device *emu = host;

	return ktime_to_ns(ktime_sub(ktime_get(), emu->start));
}

static unsigned long emu_host_lock(void *host)
{
	struct emu_device *emu = host;
	unsigned long flags;

	raw_spin_lock_irqsave(&emu->lock, flags);
	return flags;
}

static void emu_host_unlock(void *host, unsigned long flags)
{
	struct emu_device *emu = host;

	raw_spin_unlock_irqrestore(&emu->lock, flags);
}

static const struct npu_host_ops emu_host_ops = {
	.map = emu_host_map,
	.unmap = emu_host_unmap,
	.irq = emu_host_irq,
	.wake = emu_host_wake,
	.timer = emu_host_timer,
	.now = emu_host_now,
	.lock = emu_host_lock,
	.unlock = emu_host_unlock,
};

/* ---- What the driver sees -------------------------------------------------------- */

static u32 emu_read(void *priv, u32 reg)
{
	struct emu_device *emu = priv;

	if (emu->hostile)
		return emu_hostile_read(emu->hostile, reg);
	return npu_model_read(emu->model, reg);
}

static void emu_write(void *priv, u32 reg, u32 value)
{
	struct emu_device *emu = priv;

	if (emu->hostile)
		emu_hostile_write(emu->hostile, reg, value);
	else
		npu_model_write(emu->model, reg, value);
}

static void emu_doorbell(void *priv, u32 slot, u32 value)
{
	struct emu_device *emu = priv;

	if (emu->hostile)
		emu_hostile_doorbell(emu->hostile, slot);
	else
		npu_model_doorbell(emu->model, slot, value);
}

static int emu_device_register(struct emu_device *emu)
{
	const struct npu_platform_data data = {
		.read = emu_read,
		.write = emu_write,
		.doorbell = emu_doorbell,
		.priv = emu,
	};
	struct resource irqs[EMU_MAX_IRQS];
	unsigned int i;
	int ret;

	for (i = 0; i < emu->config.irqs; i++)
		irqs[i] = DEFINE_RES_IRQ(emu->vector[i].irq);

	emu->pdev = platform_device_alloc(NPU_PLATFORM_NAME, PLATFORM_DEVID_AUTO);
	if (!emu->pdev)
		return -ENOMEM;
	emu->pdev->dev.dma_mask = &emu->pdev->platform_dma_mask;
	emu->pdev->platform_dma_mask = DMA_BIT_MASK(64);
	emu->pdev->dev.coherent_dma_mask = DMA_BIT_MASK(64);

	ret = platform_device_add_resources(emu->pdev, irqs, emu->config.irqs);
	if (!ret)
		ret = platform_device_add_data(emu->pdev, &data, sizeof(data));
	if (!ret)
		ret = platform_device_add(emu->pdev);
	if (ret) {
		platform_device_put(emu->pdev);
		return ret;
	}

	if (device_iommu_mapped(&emu->pdev->dev)) {
		dev_err(&emu->pdev->dev, "an emulated NPU cannot work behind an IOMMU\n");
		platform_device_unregister(emu->pdev);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* ---- Life -------------------------------------------------------------------------- */

static int emu_device_init(struct emu_device *emu, const struct emu_hostility *hostility)
{
	size_t size = npu_model_size(&emu->config);
	void *mem;
	int ret;

	if (!size || emu->config.irqs > EMU_MAX_IRQS)
		return -EINVAL;
	/* kvmalloc() aligns to pages or to the size class. */
	mem = kvzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!mem)
		return -ENOMEM;

	emu->model = npu_model_init(mem, &emu->config, &emu_host_ops, emu);
	npu_model_use(emu->model, emu_simd_kernels());
	ret = emu_irq_init(emu);
	if (ret)
		goto err_model;
	ret = emu_cores_start(emu);
	if (ret)
		goto err_irq;
	if (hostility->seed)
		ret = emu_hostile_create(emu, hostility->permille, hostility->seed);
	if (ret)
		goto err_cores;
	ret = emu_device_register(emu);
	if (ret)
		goto err_hostile;
	return 0;

err_hostile:
	emu_hostile_destroy(emu->hostile);
err_cores:
	emu_cores_stop(emu);
	emu_cores_free(emu);
	hrtimer_cancel(&emu->timer);
err_irq:
	emu_irq_fini(emu);
err_model:
	kvfree(mem);
	return ret;
}

/**
 * emu_device_create() - plug an emulated NPU in
 * @config: its size
 * @hostility: whether it is one
 *
 * Return: the device or an error pointer, -EINVAL for a size out of range.
 */
struct emu_device *emu_device_create(const struct npu_model_config *config,
				     const struct emu_hostility *hostility)
{
	struct emu_device *emu;
	unsigned int i;
	int ret;

	emu = kzalloc(sizeof(*emu), GFP_KERNEL);
	if (!emu)
		return ERR_PTR(-ENOMEM);
	emu->config = *config;
	raw_spin_lock_init(&emu->lock);
	for (i = 0; i < EMU_IRQ_FAULTS; i++)
		emu_luck_init(&emu->irq_luck[i], 0, i + 1);
	emu->start = ktime_get();
	hrtimer_setup(&emu->timer, emu_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);

	ret = emu_device_init(emu, hostility);
	if (ret) {
		kfree(emu);
		return ERR_PTR(ret);
	}
	return emu;
}

/**
 * emu_device_disappear() - the device stops to answer; it cannot come back
 * @emu: device
 */
void emu_device_disappear(struct emu_device *emu)
{
	if (emu->hostile)
		emu_hostile_leave(emu->hostile);
	npu_model_leave(emu->model);
	emu_cores_stop(emu);
	npu_model_inject(emu->model, NPU_INJECT_GONE, 1);
}

/**
 * emu_device_destroy() - pull an emulated NPU out
 * @emu: device
 */
void emu_device_destroy(struct emu_device *emu)
{
	emu_device_disappear(emu);
	platform_device_unregister(emu->pdev);
	emu_cores_free(emu);
	hrtimer_cancel(&emu->timer);
	emu_hostile_destroy(emu->hostile);
	emu_irq_fini(emu);
	/* npu_model_init() returns the memory that it got. */
	kvfree(emu->model);
	kfree(emu);
}

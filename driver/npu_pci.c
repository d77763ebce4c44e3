// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: PCI
 *
 * An NPU on PCI has its registers in BAR 0, its doorbells in BAR 2 and one or more
 * message-signalled interrupts. Everything else is the same as on other buses.
 *
 * A reset of the function that user space asks for (``reset`` in sysfs) costs no job:
 * queues leave their slots before and go on afterwards. An error that makes the bus reset
 * the device (AER) is a function reset for queues: what had begun is lost if it cannot
 * be begun again. An error that lasts is the loss of the device, and so is one that makes
 * registers read as ones before the kernel tells of it. One that is not fatal concerns
 * nobody here; what comes of it, the device reports itself.
 */
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "npu_device.h"
#include "npu_drv.h"
#include "npu_pci.h"

/* Not registered: QEMU uses the vendor number for devices of its own. */
#define NPU_PCI_VENDOR	0x1234
#define NPU_PCI_DEVICE	0x4e50

#define NPU_PCI_REGISTERS	0	/* BARs */
#define NPU_PCI_DOORBELLS	2

/**
 * struct npu_pci - an NPU on PCI
 * @bus: what the driver sees
 * @registers: BAR 0
 * @doorbells: BAR 2
 * @prepared: what npu_pm_hold() said before a reset
 * @frozen: an error has stopped all access; there is a hold
 * @held: what npu_pm_hold() said then
 */
struct npu_pci {
	struct npu_bus bus;
	void __iomem *registers;
	void __iomem *doorbells;
	bool prepared;
	bool frozen;
	bool held;
};

static struct npu_pci *to_npu_pci(struct pci_dev *pdev)
{
	struct npu_device *npu = pci_get_drvdata(pdev);

	return npu->bus->priv;
}

static u32 npu_pci_read(void *priv, u32 reg)
{
	struct npu_pci *pci = priv;

	return readl(pci->registers + reg);
}

static void npu_pci_write(void *priv, u32 reg, u32 value)
{
	struct npu_pci *pci = priv;

	writel(value, pci->registers + reg);
}

static void npu_pci_doorbell(void *priv, u32 slot, u32 value)
{
	struct npu_pci *pci = priv;

	writel(value, pci->doorbells + NPU_DOORBELL(slot));
}

static int npu_pci_map(struct npu_pci *pci, struct pci_dev *pdev)
{
	u32 slots;

	if (pci_resource_len(pdev, NPU_PCI_REGISTERS) < NPU_REG_SPACE)
		return -ENODEV;
	pci->registers = pcim_iomap_region(pdev, NPU_PCI_REGISTERS, "npu registers");
	if (IS_ERR(pci->registers))
		return PTR_ERR(pci->registers);
	pci->doorbells = pcim_iomap_region(pdev, NPU_PCI_DOORBELLS, "npu doorbells");
	if (IS_ERR(pci->doorbells))
		return PTR_ERR(pci->doorbells);
	/* Each slot that the registers speak of has a doorbell. */
	slots = readl(pci->registers + NPU_REG_SLOTS);
	if (slots > NPU_MAX_SLOTS ||
	    pci_resource_len(pdev, NPU_PCI_DOORBELLS) < NPU_DOORBELL(slots))
		return -ENODEV;
	return 0;
}

static int npu_pci_get_irqs(struct npu_pci *pci, struct pci_dev *pdev)
{
	u32 want = clamp(readl(pci->registers + NPU_REG_IRQS), 1u, NPU_MAX_IRQS);
	int i, count;

	/* With MSI the device knows how many it has got; in MSI-X's table one would be missing. */
	count = pci_alloc_irq_vectors(pdev, want, want, PCI_IRQ_MSIX);
	if (count < 0)
		count = pci_alloc_irq_vectors(pdev, 1, want, PCI_IRQ_MSI);
	if (count < 0)
		return count;
	for (i = 0; i < count; i++)
		pci->bus.irq[i] = pci_irq_vector(pdev, i);
	pci->bus.irqs = count;
	return 0;
}

static int npu_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct npu_pci *pci;
	int ret;

	pci = devm_kzalloc(&pdev->dev, sizeof(*pci), GFP_KERNEL);
	if (!pci)
		return -ENOMEM;
	pci->bus = (struct npu_bus) {
		.dev = &pdev->dev,
		.read = npu_pci_read,
		.write = npu_pci_write,
		.doorbell = npu_pci_doorbell,
		.priv = pci,
		.recovery = "rebind,bus-reset",
	};

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = npu_pci_map(pci, pdev);
	if (ret)
		return ret;
	pci_set_master(pdev);
	ret = npu_pci_get_irqs(pci, pdev);
	if (ret)
		return ret;
	ret = npu_device_probe(&pci->bus);
	if (ret) {
		pci_free_irq_vectors(pdev);
		return ret;
	}
	pci_save_state(pdev);
	/* PCI forbids it until somebody says otherwise. */
	pm_runtime_allow(&pdev->dev);
	return 0;
}

static void npu_pci_remove(struct pci_dev *pdev)
{
	struct npu_pci *pci = to_npu_pci(pdev);

	pm_runtime_forbid(&pdev->dev);
	npu_device_remove(&pdev->dev);
	if (pci->frozen)
		pm_runtime_put_noidle(&pdev->dev);
	pci_free_irq_vectors(pdev);
}

static void npu_pci_shutdown(struct pci_dev *pdev)
{
	npu_pm_shutdown(&pdev->dev);
}

static void npu_pci_reset_prepare(struct pci_dev *pdev)
{
	to_npu_pci(pdev)->prepared = npu_pm_hold(&pdev->dev, true);
}

static void npu_pci_reset_done(struct pci_dev *pdev)
{
	npu_pm_release(&pdev->dev, to_npu_pci(pdev)->prepared);
}

static void npu_pci_freeze(struct pci_dev *pdev)
{
	struct npu_pci *pci = to_npu_pci(pdev);

	/* An earlier error from which it did not recover. */
	if (pci->frozen)
		return;
	/* With a reset comes its saved state, and the bus again. */
	pci_clear_master(pdev);
	pci->held = npu_pm_hold(&pdev->dev, false);
	pci->frozen = true;
}

static void npu_pci_thaw(struct pci_dev *pdev)
{
	struct npu_pci *pci = to_npu_pci(pdev);

	if (!pci->frozen)
		return;
	pci->frozen = false;
	npu_pm_release(&pdev->dev, pci->held);
}

static pci_ers_result_t npu_pci_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	if (state == pci_channel_io_normal)
		return PCI_ERS_RESULT_CAN_RECOVER;
	npu_pci_freeze(pdev);
	if (state == pci_channel_io_perm_failure) {
		/* It reads as ones, which is noticed. */
		npu_pci_thaw(pdev);
		return PCI_ERS_RESULT_DISCONNECT;
	}
	return PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t npu_pci_slot_reset(struct pci_dev *pdev)
{
	/* Also if it has been used meanwhile, to come back from D3. */
	pdev->state_saved = true;
	pci_restore_state(pdev);
	pci_save_state(pdev);
	/* After an error that was not fatal here, but for somebody else below the port. */
	if (!to_npu_pci(pdev)->frozen) {
		npu_pci_freeze(pdev);
		pci_set_master(pdev);
	}
	return PCI_ERS_RESULT_RECOVERED;
}

static void npu_pci_error_resume(struct pci_dev *pdev)
{
	npu_pci_thaw(pdev);
}

static const struct pci_error_handlers npu_pci_errors = {
	.reset_prepare = npu_pci_reset_prepare,
	.reset_done = npu_pci_reset_done,
	.error_detected = npu_pci_error_detected,
	.slot_reset = npu_pci_slot_reset,
	.resume = npu_pci_error_resume,
};

static const struct pci_device_id npu_pci_ids[] = {
	{ PCI_DEVICE(NPU_PCI_VENDOR, NPU_PCI_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, npu_pci_ids);

static struct pci_driver npu_pci_driver = {
	.name = "npu",
	.id_table = npu_pci_ids,
	.dev_groups = npu_groups,
	.driver.pm = pm_ptr(&npu_pm_ops),
	.probe = npu_pci_probe,
	.remove = npu_pci_remove,
	.shutdown = npu_pci_shutdown,
	.err_handler = &npu_pci_errors,
};

int npu_pci_register(void)
{
	return pci_register_driver(&npu_pci_driver);
}

void npu_pci_unregister(void)
{
	pci_unregister_driver(&npu_pci_driver);
}

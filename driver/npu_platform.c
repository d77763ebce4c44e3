// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pm_runtime.h>

#include "npu_device.h"
#include "npu_drv.h"
#include "npu_platform.h"

static void npu_platform_disable_pm(struct device *dev)
{
	pm_runtime_disable(dev);
	pm_runtime_set_suspended(dev);
	pm_runtime_put_noidle(dev);
}

static int npu_platform_start(struct device *dev, const struct npu_bus *bus)
{
	int ret;

	/* As PCI does it: a reference until the driver lets go. */
	pm_runtime_get_noresume(dev);
	pm_runtime_set_active(dev);
	pm_runtime_enable(dev);
	ret = npu_device_probe(bus);
	if (ret)
		npu_platform_disable_pm(dev);
	return ret;
}

static int npu_platform_probe(struct platform_device *pdev)
{
	const struct npu_platform_data *data = dev_get_platdata(&pdev->dev);
	struct npu_bus *bus;
	int irq;

	if (!data)
		return -ENODEV;

	bus = devm_kzalloc(&pdev->dev, sizeof(*bus), GFP_KERNEL);
	if (!bus)
		return -ENOMEM;
	bus->dev = &pdev->dev;
	bus->read = data->read;
	bus->write = data->write;
	bus->doorbell = data->doorbell;
	bus->priv = data->priv;
	bus->recovery = "rebind";

	for (; bus->irqs < NPU_MAX_IRQS; bus->irqs++) {
		irq = platform_get_irq_optional(pdev, bus->irqs);
		if (irq == -ENXIO)
			break;
		if (irq < 0)
			return irq;
		bus->irq[bus->irqs] = irq;
	}
	return npu_platform_start(&pdev->dev, bus);
}

static void npu_platform_remove(struct platform_device *pdev)
{
	npu_device_remove(&pdev->dev);
	npu_platform_disable_pm(&pdev->dev);
}

static void npu_platform_shutdown(struct platform_device *pdev)
{
	npu_pm_shutdown(&pdev->dev);
}

static const struct platform_device_id npu_platform_ids[] = {
	{ .name = NPU_PLATFORM_NAME },
	{ }
};
MODULE_DEVICE_TABLE(platform, npu_platform_ids);

static struct platform_driver npu_platform_driver = {
	.probe = npu_platform_probe,
	.remove = npu_platform_remove,
	.shutdown = npu_platform_shutdown,
	.id_table = npu_platform_ids,
	.driver = {
		.name = NPU_PLATFORM_NAME,
		.dev_groups = npu_groups,
		.pm = pm_ptr(&npu_pm_ops),
	},
};

int npu_platform_register(void)
{
	return platform_driver_register(&npu_platform_driver);
}

void npu_platform_unregister(void)
{
	platform_driver_unregister(&npu_platform_driver);
}

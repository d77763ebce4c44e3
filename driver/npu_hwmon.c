// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: hwmon
 *
 * Where the kernel has hwmon, the device is a sensor "npu": temp1_input in
 * millidegrees Celsius and power1_input in microwatts. Documentation/ABI/
 * testing/sysfs-driver-npu describes them. Reading one switches the device on. Without
 * hwmon, sensors is all that is missing.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/hwmon.h>

#include "npu_device.h"
#include "npu_drv.h"

static umode_t npu_hwmon_is_visible(const void *data, enum hwmon_sensor_types type, u32 attr,
				    int channel)
{
	return 0444;
}

static int npu_hwmon_read(struct device *dev, enum hwmon_sensor_types type, u32 attr, int channel,
			  long *value)
{
	struct npu_device *npu = dev_get_drvdata(dev);
	u32 raw = 0;
	int ret;

	ret = npu_pm_get(npu);
	if (ret)
		return ret;
	ret = npu_pm_read(npu, type == hwmon_temp ? NPU_REG_TEMPERATURE : NPU_REG_POWER_MW, &raw);
	npu_pm_put(npu);
	/* Off although it was asked for: about to be reset by its bus, or given up. */
	if (ret)
		return npu_is_lost(npu) ? -ENODEV : ret;
	*value = type == hwmon_temp ? (s32)raw : raw * 1000l;
	return 0;
}

static const struct hwmon_ops npu_hwmon_ops = {
	.is_visible = npu_hwmon_is_visible,
	.read = npu_hwmon_read,
};

static const struct hwmon_channel_info * const npu_hwmon_channels[] = {
	HWMON_CHANNEL_INFO(temp, HWMON_T_INPUT),
	HWMON_CHANNEL_INFO(power, HWMON_P_INPUT),
	NULL,
};

static const struct hwmon_chip_info npu_hwmon_chip = {
	.ops = &npu_hwmon_ops,
	.info = npu_hwmon_channels,
};

/**
 * npu_hwmon_init() - add the sensors of a device
 * @npu: device; works without them if it must
 *
 * They go with the driver. Until then npu_pm_read() knows what is there.
 */
void npu_hwmon_init(struct npu_device *npu)
{
	struct device *hwmon;

	hwmon = devm_hwmon_device_register_with_info(npu->drm.dev, "npu", npu, &npu_hwmon_chip,
						     NULL);
	if (IS_ERR(hwmon))
		dev_dbg(npu->drm.dev, "no sensors: %pe\n", hwmon);
}

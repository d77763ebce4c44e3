// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: sysfs
 *
 * The device that the accel node belongs to (/sys/class/accel/accelN/device) has
 * npu_busy_time_us, npu_memory_utilization, npu_current_frequency_mhz and
 * npu_max_frequency_mhz, as other accel devices have them.
 * Documentation/ABI/testing/sysfs-driver-npu is their contract.
 *
 * npu_interrupt_moderation_us can be written by the administrator.
 *
 * Reading does not switch the device on, and fails with ENODEV when it does not answer
 * any more.
 */
#include <linux/device.h>
#include <linux/math64.h>
#include <linux/sysfs.h>

#include "npu_device.h"
#include "npu_drv.h"
#include "npu_event.h"
#include "npu_gem.h"

#define KHZ_PER_MHZ	1000
#define NPU_MODERATION_MAX_US	10000

static struct npu_device *dev_to_npu(struct device *dev)
{
	return dev_get_drvdata(dev);
}

/* What the cores have done, also if the device is off. */
static int npu_sysfs_busy_cycles(struct npu_device *npu, u64 *cycles)
{
	int ret = 0;
	bool on;
	int idx;

	if (!npu_dev_enter(npu, &idx))
		return -ENODEV;
	on = npu_pm_enter(npu);
	*cycles = npu_pm_busy_cycles(npu);
	if (on && npu_is_gone(npu))
		ret = -ENODEV;
	npu_pm_exit(npu);
	drm_dev_exit(idx);
	return ret;
}

static ssize_t npu_busy_time_us_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct npu_device *npu = dev_to_npu(dev);
	u32 khz = npu->caps.clock_khz;
	u64 cycles;
	int ret;

	ret = npu_sysfs_busy_cycles(npu, &cycles);
	if (ret)
		return ret;
	/* A device is busy for as long as its cores are on average. */
	return sysfs_emit(buf, "%llu\n",
			  khz ? mul_u64_u32_div(div_u64(cycles, npu->caps.cores),
						USEC_PER_MSEC, khz) : 0);
}
static DEVICE_ATTR_RO(npu_busy_time_us);

static ssize_t npu_memory_utilization_show(struct device *dev, struct device_attribute *attr,
					   char *buf)
{
	struct npu_device *npu = dev_to_npu(dev);
	struct npu_bo *bo;
	u64 bytes = 0;

	scoped_guard(mutex, &npu->objects.lock)
		list_for_each_entry(bo, &npu->objects.bos, node)
			bytes += READ_ONCE(bo->pages) ? bo->base.size : 0;
	return sysfs_emit(buf, "%llu\n", bytes);
}
static DEVICE_ATTR_RO(npu_memory_utilization);

static ssize_t npu_current_frequency_mhz_show(struct device *dev, struct device_attribute *attr,
					      char *buf)
{
	u32 khz = 0;
	int ret;

	ret = npu_pm_read(dev_to_npu(dev), NPU_REG_CLOCK_NOW, &khz);
	if (ret && ret != -EAGAIN)
		return ret;
	/* What is off has no clock. */
	return sysfs_emit(buf, "%u\n", khz / KHZ_PER_MHZ);
}
static DEVICE_ATTR_RO(npu_current_frequency_mhz);

static ssize_t npu_max_frequency_mhz_show(struct device *dev, struct device_attribute *attr,
					  char *buf)
{
	return sysfs_emit(buf, "%u\n", dev_to_npu(dev)->caps.clock_khz / KHZ_PER_MHZ);
}
static DEVICE_ATTR_RO(npu_max_frequency_mhz);

static ssize_t npu_interrupt_moderation_us_show(struct device *dev, struct device_attribute *attr,
						char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(dev_to_npu(dev)->events.moderation));
}

static ssize_t npu_interrupt_moderation_us_store(struct device *dev, struct device_attribute *attr,
						 const char *buf, size_t count)
{
	struct npu_device *npu = dev_to_npu(dev);
	int ret, idx;
	u32 us;

	/* Who waits for a fence is not to wait much longer. */
	ret = kstrtou32(buf, 0, &us);
	if (ret == -ERANGE || (!ret && us > NPU_MODERATION_MAX_US))
		ret = -EINVAL;
	if (ret)
		return ret;
	if (!npu_dev_enter(npu, &idx))
		return -ENODEV;
	npu_events_moderate(npu, us);
	drm_dev_exit(idx);
	return count;
}
static DEVICE_ATTR_RW(npu_interrupt_moderation_us);

static struct attribute *npu_attrs[] = {
	&dev_attr_npu_busy_time_us.attr,
	&dev_attr_npu_memory_utilization.attr,
	&dev_attr_npu_current_frequency_mhz.attr,
	&dev_attr_npu_max_frequency_mhz.attr,
	&dev_attr_npu_interrupt_moderation_us.attr,
	NULL,
};

static const struct attribute_group npu_group = {
	.attrs = npu_attrs,
};

const struct attribute_group *npu_groups[] = {
	&npu_group,
	NULL,
};

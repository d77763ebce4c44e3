// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: configfs
 *
 * ``mkdir /sys/kernel/config/npu_emu/NAME`` describes a device, writing 1 to
 * ``enabled`` plugs the device in, writing 0 or ``rmdir`` pulls it out. A value out of
 * range is refused with EINVAL, a change while plugged in with EBUSY.
 *
 * ==================  =========================================================
 * cores               compute cores, 1 to 32; while not enabled
 * slots               hardware queues, 1 to 256; while not enabled
 * irqs                interrupt vectors, 1 or 2; while not enabled
 * macs_max_order      log2 of the most MACs in a command, 20 to 40; likewise
 * bytes_max_order     log2 of the most bytes in a command, 20 to 40; likewise
 * reset_ms            bound of a reset, milliseconds; while not enabled
 * device              name of the platform device (read only)
 * bus_errors          accesses to memory that is not there (read only)
 * enabled             0 or 1
 * faults/hang         N: the Nth command from now never ends
 * faults/corrupt      N: the Nth completion from now writes garbage
 * faults/interrupts   P: of 1000 interrupts, P get lost, P come twice, and P come
 *                     that nobody asked for
 * faults/hostile      P SEED, while not enabled: an impostor that lies in P of 1000
 *                     cases takes the place of the device, see below; P alone
 *                     changes that at any time, 0 0 ends it
 * faults/disappear    1: all registers read as ones, until it is pulled out
 * ==================  =========================================================
 */
#include <linux/configfs.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "emu.h"

/**
 * struct emu_item - a directory
 * @group: of configfs
 * @faults: its sub-directory
 * @lock: protects what follows
 * @config: of the device that is or will be
 * @hostility: likewise
 * @emu: the device while it is plugged in
 */
struct emu_item {
	struct config_group group;
	struct config_group faults;
	struct mutex lock; /* size and device */
	struct npu_model_config config;
	struct emu_hostility hostility;
	struct emu_device *emu;
};

static struct emu_item *to_emu_item(struct config_item *item)
{
	return container_of(to_config_group(item), struct emu_item, group);
}

static struct emu_item *faults_to_emu_item(struct config_item *item)
{
	return container_of(to_config_group(item), struct emu_item, faults);
}

/* ---- Size ----------------------------------------------------------------------- */

static ssize_t emu_store_config(struct emu_item *item, u32 *field, const char *page, size_t count)
{
	struct npu_model_config config;
	u32 old, value;
	int ret;

	ret = kstrtou32(page, 0, &value);
	if (ret)
		return ret;

	guard(mutex)(&item->lock);
	if (item->emu)
		return -EBUSY;

	old = *field;
	*field = value;
	config = item->config;
	if (!npu_model_size(&config) || config.irqs > EMU_MAX_IRQS) {
		*field = old;
		return -EINVAL;
	}
	return count;
}

#define EMU_CONFIG_ATTR(name)								\
static ssize_t emu_##name##_show(struct config_item *item, char *page)			\
{											\
	return sysfs_emit(page, "%u\n", to_emu_item(item)->config.name);		\
}											\
static ssize_t emu_##name##_store(struct config_item *item, const char *page, size_t count) \
{											\
	struct emu_item *emu_item = to_emu_item(item);					\
											\
	return emu_store_config(emu_item, &emu_item->config.name, page, count);		\
}											\
CONFIGFS_ATTR(emu_, name)

EMU_CONFIG_ATTR(cores);
EMU_CONFIG_ATTR(slots);
EMU_CONFIG_ATTR(irqs);
EMU_CONFIG_ATTR(macs_max_order);
EMU_CONFIG_ATTR(bytes_max_order);
EMU_CONFIG_ATTR(reset_ms);

/* ---- Plugging --------------------------------------------------------------------- */

static int emu_item_plug(struct emu_item *item, bool plug)
{
	struct emu_device *emu;

	guard(mutex)(&item->lock);
	if (plug && !item->emu) {
		emu = emu_device_create(&item->config, &item->hostility);
		if (IS_ERR(emu))
			return PTR_ERR(emu);
		item->emu = emu;
	} else if (!plug && item->emu) {
		emu_device_destroy(item->emu);
		item->emu = NULL;
	}
	return 0;
}

static ssize_t emu_enabled_show(struct config_item *item, char *page)
{
	struct emu_item *emu_item = to_emu_item(item);

	guard(mutex)(&emu_item->lock);
	return sysfs_emit(page, "%d\n", !!emu_item->emu);
}

static ssize_t emu_enabled_store(struct config_item *item, const char *page, size_t count)
{
	bool plug;
	int ret;

	ret = kstrtobool(page, &plug);
	if (!ret)
		ret = emu_item_plug(to_emu_item(item), plug);
	return ret ?: count;
}
CONFIGFS_ATTR(emu_, enabled);

static ssize_t emu_device_show(struct config_item *item, char *page)
{
	struct emu_item *emu_item = to_emu_item(item);

	guard(mutex)(&emu_item->lock);
	if (!emu_item->emu)
		return -ENODEV;
	return sysfs_emit(page, "%s\n", dev_name(&emu_item->emu->pdev->dev));
}
CONFIGFS_ATTR_RO(emu_, device);

static ssize_t emu_bus_errors_show(struct config_item *item, char *page)
{
	struct emu_item *emu_item = to_emu_item(item);

	guard(mutex)(&emu_item->lock);
	if (!emu_item->emu)
		return -ENODEV;
	return sysfs_emit(page, "%lld\n", atomic64_read(&emu_item->emu->bus_errors));
}
CONFIGFS_ATTR_RO(emu_, bus_errors);

static struct configfs_attribute *emu_item_attrs[] = {
	&emu_attr_cores,
	&emu_attr_slots,
	&emu_attr_irqs,
	&emu_attr_macs_max_order,
	&emu_attr_bytes_max_order,
	&emu_attr_reset_ms,
	&emu_attr_enabled,
	&emu_attr_device,
	&emu_attr_bus_errors,
	NULL,
};

/* ---- Faults ----------------------------------------------------------------------- */

static ssize_t emu_store_fault(struct config_item *item, enum npu_inject what, const char *page,
			       size_t count)
{
	struct emu_item *emu_item = faults_to_emu_item(item);
	u64 value;
	int ret;

	ret = kstrtou64(page, 0, &value);
	if (ret)
		return ret;

	guard(mutex)(&emu_item->lock);
	if (!emu_item->emu)
		return -ENODEV;
	if (what != NPU_INJECT_GONE)
		npu_model_inject(emu_item->emu->model, what, value);
	else if (value)
		emu_device_disappear(emu_item->emu);
	return count;
}

#define EMU_FAULT_ATTR(name, what)								\
static ssize_t emu_fault_##name##_store(struct config_item *item, const char *page, size_t count) \
{												\
	return emu_store_fault(item, what, page, count);					\
}												\
CONFIGFS_ATTR_WO(emu_fault_, name)

EMU_FAULT_ATTR(hang, NPU_INJECT_HANG);
EMU_FAULT_ATTR(corrupt, NPU_INJECT_CORRUPT);
EMU_FAULT_ATTR(disappear, NPU_INJECT_GONE);

static ssize_t emu_fault_interrupts_store(struct config_item *item, const char *page, size_t count)
{
	struct emu_item *emu_item = faults_to_emu_item(item);
	u32 permille;
	int ret;

	ret = kstrtou32(page, 0, &permille);
	if (ret)
		return ret;
	if (permille > 1000)
		return -EINVAL;

	guard(mutex)(&emu_item->lock);
	if (!emu_item->emu)
		return -ENODEV;
	WRITE_ONCE(emu_item->emu->irq_luck.permille, permille);
	return count;
}
CONFIGFS_ATTR_WO(emu_fault_, interrupts);

static int emu_item_set_hostility(struct emu_item *item, u32 permille, const u32 *seed)
{
	guard(mutex)(&item->lock);

	if (item->emu && (seed || !item->emu->hostile))
		return -EBUSY;
	if (!item->emu && !seed)
		return -EINVAL;

	item->hostility.permille = permille;
	if (seed)
		item->hostility.seed = *seed;
	if (item->emu)
		emu_hostile_adjust(item->emu->hostile, permille);
	return 0;
}

static ssize_t emu_fault_hostile_store(struct config_item *item, const char *page, size_t count)
{
	u32 permille, seed;
	int n, ret;

	n = sscanf(page, "%u %u", &permille, &seed);
	if (n < 1 || permille > 1000)
		return -EINVAL;
	ret = emu_item_set_hostility(faults_to_emu_item(item), permille, n > 1 ? &seed : NULL);
	return ret ?: count;
}
CONFIGFS_ATTR_WO(emu_fault_, hostile);

static struct configfs_attribute *emu_fault_attrs[] = {
	&emu_fault_attr_hang,
	&emu_fault_attr_corrupt,
	&emu_fault_attr_interrupts,
	&emu_fault_attr_hostile,
	&emu_fault_attr_disappear,
	NULL,
};

static const struct config_item_type emu_faults_type = {
	.ct_attrs = emu_fault_attrs,
	.ct_owner = THIS_MODULE,
};

/* ---- Directories ------------------------------------------------------------------- */

static void emu_item_release(struct config_item *config_item)
{
	struct emu_item *item = to_emu_item(config_item);

	mutex_destroy(&item->lock);
	kfree(item);
}

static struct configfs_item_operations emu_item_ops = {
	.release = emu_item_release,
};

static const struct config_item_type emu_item_type = {
	.ct_item_ops = &emu_item_ops,
	.ct_attrs = emu_item_attrs,
	.ct_owner = THIS_MODULE,
};

static struct config_group *emu_make_group(struct config_group *parent, const char *name)
{
	struct emu_item *item;

	item = kzalloc(sizeof(*item), GFP_KERNEL);
	if (!item)
		return ERR_PTR(-ENOMEM);
	mutex_init(&item->lock);
	item->config = (struct npu_model_config)NPU_MODEL_CONFIG_DEFAULT;
	config_group_init_type_name(&item->group, name, &emu_item_type);
	config_group_init_type_name(&item->faults, "faults", &emu_faults_type);
	configfs_add_default_group(&item->faults, &item->group);
	return &item->group;
}

static void emu_drop_item(struct config_group *parent, struct config_item *item)
{
	emu_item_plug(to_emu_item(item), false);
	config_item_put(item);
}

static struct configfs_group_operations emu_group_ops = {
	.make_group = emu_make_group,
	.drop_item = emu_drop_item,
};

static const struct config_item_type emu_group_type = {
	.ct_group_ops = &emu_group_ops,
	.ct_owner = THIS_MODULE,
};

static struct configfs_subsystem emu_subsystem = {
	.su_group = {
		.cg_item = {
			.ci_namebuf = "npu_emu",
			.ci_type = &emu_group_type,
		},
	},
};

int emu_configfs_init(void)
{
	config_group_init(&emu_subsystem.su_group);
	mutex_init(&emu_subsystem.su_mutex);
	return configfs_register_subsystem(&emu_subsystem);
}

void emu_configfs_exit(void)
{
	configfs_unregister_subsystem(&emu_subsystem);
	mutex_destroy(&emu_subsystem.su_mutex);
}

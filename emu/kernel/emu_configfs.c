// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: configfs
 *
 * ``mkdir /sys/kernel/config/npu_emu/NAME`` describes a device, writing 1 to
 * ``enabled`` plugs the device in, writing 0 or ``rmdir`` pulls it out. A value out of
 * range is refused with EINVAL, a change while plugged in with EBUSY.
 *
 * ===================  =========================================================
 * cores                compute cores, 1 to 32; while not enabled
 * slots                hardware queues, 1 to 256; while not enabled
 * irqs                 interrupt vectors, 1 or 2; while not enabled
 * macs_max_order       log2 of the most MACs in a command, 20 to 40; likewise
 * bytes_max_order      log2 of the most bytes in a command, 20 to 40; likewise
 * reset_ms             bound of a reset, milliseconds; while not enabled
 * device               name of the platform device (read only)
 * bus_errors           accesses to memory that is not there (read only)
 * enabled              0 or 1
 * faults/hang          N: a command never ends, see below
 * faults/corrupt       N: a completion writes a sequence number that is garbage
 * faults/memory        N: an access to memory is not answered
 * faults/walk          N: a page-table walk meets a malformed entry
 * faults/status        N: a fault gets a status that does not exist
 * faults/event         N: an event record is garbage
 * faults/overflow      N: the next N events are dropped, as if the ring were full
 * faults/deaf          mask: resets of these scopes are not acknowledged: 1 slots
 *                      (STOP and RESET), 2 cores, 4 function; 0 acknowledges what
 *                      was asked for meanwhile
 * faults/clock_khz     clock, at most the nominal one of 1000000; 0 = nominal. The
 *                      cores rest after each tile, so that work takes as long as
 *                      with that clock.
 * faults/latency_us    microseconds before each command, at most 10000000
 * faults/memory_limit  bus address from which on no memory answers; 0 = none
 * faults/irq_lost      P: of 1000 interrupts, P get lost
 * faults/irq_double    P: of 1000 interrupts, P come twice
 * faults/irq_spurious  P: with P of 1000 interrupts, whether lost or not, comes
 *                      another one on the last vector that nobody asked for
 * faults/hostile       P SEED, while not enabled: an impostor that lies in P of 1000
 *                      cases takes the place of the device, see below; P alone
 *                      changes that at any time, 0 0 ends it
 * faults/disappear     1: all registers read as ones, until it is pulled out
 * ===================  =========================================================
 *
 * Faults are written while plugged in, else ENODEV, and end with that. N counts from
 * now: the fault happens to the Nth one, once; ``all``: to each one; 0: to none. All but
 * hostile can be read: what was written, or what is left of N, so that 0 means that the fault
 * has happened.
 *
 * Accesses that fail on demand, by memory or memory_limit, are not among bus_errors,
 * which stay a sign of a bug of the driver.
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

/* Of those that are counted there may be no end. */
static int emu_parse_fault(enum npu_inject what, const char *page, u64 *value)
{
	if (what <= NPU_INJECT_OVERFLOW && sysfs_streq(page, "all")) {
		*value = NPU_INJECT_EACH;
		return 0;
	}
	return kstrtou64(page, 0, value);
}

static int emu_inject(struct emu_device *emu, enum npu_inject what, u64 value)
{
	if (what != NPU_INJECT_GONE)
		return npu_model_inject(emu->model, what, value) ? 0 : -EINVAL;
	if (value > 1)
		return -EINVAL;
	if (value)
		emu_device_disappear(emu);
	return 0;
}

static ssize_t emu_store_fault(struct config_item *item, enum npu_inject what, const char *page,
			       size_t count)
{
	struct emu_item *emu_item = faults_to_emu_item(item);
	u64 value;
	int ret;

	ret = emu_parse_fault(what, page, &value);
	if (ret)
		return ret;

	guard(mutex)(&emu_item->lock);
	if (!emu_item->emu)
		return -ENODEV;
	return emu_inject(emu_item->emu, what, value) ?: count;
}

static ssize_t emu_show_fault(struct config_item *item, enum npu_inject what, char *page)
{
	struct emu_item *emu_item = faults_to_emu_item(item);
	u64 value;

	guard(mutex)(&emu_item->lock);
	if (!emu_item->emu)
		return -ENODEV;
	value = npu_model_injected(emu_item->emu->model, what);
	if (what <= NPU_INJECT_OVERFLOW && value == NPU_INJECT_EACH)
		return sysfs_emit(page, "all\n");
	return sysfs_emit(page, "%llu\n", value);
}

#define EMU_FAULT_ATTR(name, what)								\
static ssize_t emu_fault_##name##_show(struct config_item *item, char *page)			\
{												\
	return emu_show_fault(item, what, page);						\
}												\
static ssize_t emu_fault_##name##_store(struct config_item *item, const char *page, size_t count) \
{												\
	return emu_store_fault(item, what, page, count);					\
}												\
CONFIGFS_ATTR(emu_fault_, name)

EMU_FAULT_ATTR(hang, NPU_INJECT_HANG);
EMU_FAULT_ATTR(corrupt, NPU_INJECT_CORRUPT);
EMU_FAULT_ATTR(memory, NPU_INJECT_MEMORY);
EMU_FAULT_ATTR(walk, NPU_INJECT_WALK);
EMU_FAULT_ATTR(status, NPU_INJECT_STATUS);
EMU_FAULT_ATTR(event, NPU_INJECT_EVENT);
EMU_FAULT_ATTR(overflow, NPU_INJECT_OVERFLOW);
EMU_FAULT_ATTR(deaf, NPU_INJECT_DEAF);
EMU_FAULT_ATTR(clock_khz, NPU_INJECT_CLOCK);
EMU_FAULT_ATTR(latency_us, NPU_INJECT_LATENCY);
EMU_FAULT_ATTR(memory_limit, NPU_INJECT_LIMIT);
EMU_FAULT_ATTR(disappear, NPU_INJECT_GONE);

static ssize_t emu_store_irq(struct config_item *item, enum emu_irq_fault what, const char *page,
			     size_t count)
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
	WRITE_ONCE(emu_item->emu->irq_luck[what].permille, permille);
	return count;
}

static ssize_t emu_show_irq(struct config_item *item, enum emu_irq_fault what, char *page)
{
	struct emu_item *emu_item = faults_to_emu_item(item);

	guard(mutex)(&emu_item->lock);
	if (!emu_item->emu)
		return -ENODEV;
	return sysfs_emit(page, "%u\n", emu_item->emu->irq_luck[what].permille);
}

#define EMU_IRQ_ATTR(name, what)								\
static ssize_t emu_fault_##name##_show(struct config_item *item, char *page)			\
{												\
	return emu_show_irq(item, what, page);							\
}												\
static ssize_t emu_fault_##name##_store(struct config_item *item, const char *page, size_t count) \
{												\
	return emu_store_irq(item, what, page, count);						\
}												\
CONFIGFS_ATTR(emu_fault_, name)

EMU_IRQ_ATTR(irq_lost, EMU_IRQ_LOST);
EMU_IRQ_ATTR(irq_double, EMU_IRQ_DOUBLE);
EMU_IRQ_ATTR(irq_spurious, EMU_IRQ_SPURIOUS);

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
	&emu_fault_attr_memory,
	&emu_fault_attr_walk,
	&emu_fault_attr_status,
	&emu_fault_attr_event,
	&emu_fault_attr_overflow,
	&emu_fault_attr_deaf,
	&emu_fault_attr_clock_khz,
	&emu_fault_attr_latency_us,
	&emu_fault_attr_memory_limit,
	&emu_fault_attr_irq_lost,
	&emu_fault_attr_irq_double,
	&emu_fault_attr_irq_spurious,
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

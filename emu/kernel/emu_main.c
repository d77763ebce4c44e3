// SPDX-License-Identifier: GPL-2.0-only
/*
 * npu_emu: NPUs made of software. Loading the module plugs one in, unless told
 * not to; configfs makes more.
 */
#include <linux/err.h>
#include <linux/module.h>

#include "emu.h"

static bool default_device = true;
module_param(default_device, bool, 0444);
MODULE_PARM_DESC(default_device, "plug in a device when the module is loaded (default: yes)");

static unsigned int cores = 2;
module_param(cores, uint, 0444);
MODULE_PARM_DESC(cores, "compute cores of the default device (default: 2)");

static unsigned int slots = 64;
module_param(slots, uint, 0444);
MODULE_PARM_DESC(slots, "hardware queues of the default device (default: 64)");

static struct emu_device *emu_default;

static int __init emu_init(void)
{
	struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;
	int ret;

	ret = emu_simd_init();
	if (ret)
		return ret;
	ret = emu_configfs_init();
	if (ret || !default_device)
		return ret;

	config.cores = cores;
	config.slots = slots;
	emu_default = emu_device_create(&config, &(struct emu_hostility) {});
	if (IS_ERR(emu_default)) {
		if (PTR_ERR(emu_default) == -EINVAL)
			pr_err("npu_emu: cores must be 1 to %u, slots 1 to %u\n", NPU_MAX_CORES,
			       NPU_MAX_SLOTS);
		emu_configfs_exit();
		return PTR_ERR(emu_default);
	}
	return 0;
}

static void __exit emu_exit(void)
{
	if (emu_default)
		emu_device_destroy(emu_default);
	emu_configfs_exit();
}

module_init(emu_init);
module_exit(emu_exit);

MODULE_DESCRIPTION("Emulated neural processing units");
MODULE_LICENSE("GPL");
MODULE_SOFTDEP("pre: npu");

/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * How a host of an emulated NPU hands it to the driver: a platform device of
 * this name, with this structure as its platform data and its interrupts as
 * IORESOURCE_IRQ resources, vector 0 first.
 */
#ifndef _NPU_PLATFORM_H_
#define _NPU_PLATFORM_H_

#include <linux/types.h>

#define NPU_PLATFORM_NAME	"npu"

/**
 * struct npu_platform_data - register access of a platform NPU
 * @read: read a register; all ones once the device has gone
 * @write: write a register
 * @doorbell: write the doorbell of a slot
 * @priv: first argument of all three
 *
 * All three may be called from any context, hard interrupt included, and take
 * constant time. They stay callable until the driver's remove has returned.
 */
struct npu_platform_data {
	u32 (*read)(void *priv, u32 reg);
	void (*write)(void *priv, u32 reg, u32 value);
	void (*doorbell)(void *priv, u32 slot, u32 value);
	void *priv;
};

#endif /* _NPU_PLATFORM_H_ */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver is written for the newest kernel; what older ones lack is here
 * and nowhere else.
 */
#ifndef _NPU_COMPAT_H_
#define _NPU_COMPAT_H_

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define NPU_MODULE_IMPORT_NS_DMA_BUF	MODULE_IMPORT_NS(DMA_BUF)
#else
#define NPU_MODULE_IMPORT_NS_DMA_BUF	MODULE_IMPORT_NS("DMA_BUF")
#endif

#endif /* _NPU_COMPAT_H_ */

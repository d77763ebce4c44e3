/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_PCI_H_
#define _NPU_PCI_H_

#include <linux/kconfig.h>

#if IS_ENABLED(CONFIG_PCI)
int npu_pci_register(void);
void npu_pci_unregister(void);
#else
static inline int npu_pci_register(void)
{
	return 0;
}

static inline void npu_pci_unregister(void)
{
}
#endif

#endif /* _NPU_PCI_H_ */

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_EVENT_H_
#define _NPU_EVENT_H_

#include <linux/interrupt.h>

#include "npu_device.h"

int npu_events_init(struct npu_device *npu);
void npu_events_fini(struct npu_device *npu);
void npu_events_start(struct npu_device *npu);
void npu_events_service(struct npu_device *npu);
void npu_events_moderate(struct npu_device *npu, u32 us);
irqreturn_t npu_irq(int irq, void *data);

#endif /* _NPU_EVENT_H_ */

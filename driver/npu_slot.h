/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_SLOT_H_
#define _NPU_SLOT_H_

#include "npu_device.h"

int npu_slots_init(struct npu_device *npu);
void npu_slots_fini(struct npu_device *npu);
void npu_slots_vacate(struct npu_device *npu, unsigned int ms);
void npu_slots_restart(struct npu_device *npu);
void npu_slots_abandon(struct npu_device *npu);
void npu_slots_kick(struct npu_device *npu);
void npu_slots_want(struct npu_queue *queue);
void npu_slots_reset(struct npu_device *npu);
bool npu_slots_any_busy(struct npu_device *npu);

#endif /* _NPU_SLOT_H_ */

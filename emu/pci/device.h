/* SPDX-License-Identifier: MIT */
/*
 * The NPU as a PCI function: device model, BARs, interrupts, threads.
 *
 * Threads: the caller of vfu_handle() answers register accesses and never
 * computes. One thread per core computes, one keeps the model's timer.
 */
#ifndef _DEVICE_H_
#define _DEVICE_H_

#include <stdio.h>

#include "npu_model.h"
#include "vfio_user.h"

/**
 * struct npu_pci_options - what kind of device
 * @config: of the model
 * @memory_limit: bus address from which on no memory answers, 0 = none
 * @msi: MSI instead of MSI-X
 * @kernels: inner loops, see npu_kernels_find(); NULL = those of trace_init()
 * @trace: what the model does is recorded there, see trace.h; NULL = it is not
 */
struct npu_pci_options {
	struct npu_model_config config;
	uint64_t memory_limit;
	bool msi;
	const struct npu_kernels *kernels;
	FILE *trace;
};

/* What may happen to interrupts, each in so many of 1000 cases. */
enum npu_pci_irq_fault {
	NPU_PCI_IRQ_LOST,	/* it does not come */
	NPU_PCI_IRQ_DOUBLE,	/* it comes again a moment later */
	NPU_PCI_IRQ_SPURIOUS,	/* so does one on the last vector that nobody asked for */
	NPU_PCI_IRQ_FAULTS
};

struct npu_pci;

/**
 * npu_pci_create() - power a device on
 * @options: of the device
 *
 * Return: the device; NULL: a size is out of range, or no memory or thread.
 */
struct npu_pci *npu_pci_create(const struct npu_pci_options *options);
void npu_pci_destroy(struct npu_pci *npu);

/* What the client sees of it; valid as long as the device. */
const struct vfu_device *npu_pci_vfu(const struct npu_pci *npu);
struct npu_model *npu_pci_model(struct npu_pci *npu);

/* As npu_model_inject(). Any thread. */
bool npu_pci_inject(struct npu_pci *npu, enum npu_inject what, uint64_t arg);
/* Any thread. Returns false if @permille is out of range. */
bool npu_pci_set_irq_fault(struct npu_pci *npu, enum npu_pci_irq_fault fault, uint64_t permille);
uint32_t npu_pci_get_irq_fault(struct npu_pci *npu, enum npu_pci_irq_fault fault);

/* The same from the outside, of a device that is no longer there: all ones. */
void npu_pci_vfu_gone(const struct npu_pci_options *options, struct vfu_device *dev);

#endif /* _DEVICE_H_ */

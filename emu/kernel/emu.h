/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_EMU_H_
#define _NPU_EMU_H_

#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/prandom.h>
#include <linux/spinlock.h>

#include "npu_model.h"
#include "npu_platform.h"

#define EMU_MAX_IRQS	2

struct emu_device;
struct emu_hostile;

/**
 * struct emu_core - the thread that turns one core of the model
 * @emu: device
 * @index: of the core
 * @work: npu_model_step() is to be called
 * @task: the thread
 * @stopped: it has ended
 */
struct emu_core {
	struct emu_device *emu;
	unsigned int index;
	atomic_t work;
	struct task_struct *task;
	bool stopped;
};

/**
 * struct emu_vector - one interrupt
 * @emu: device
 * @index: of the vector
 * @work: takes the interrupt into hard interrupt context
 * @irq: Linux interrupt number
 * @twice: deliver the next one twice
 */
struct emu_vector {
	struct emu_device *emu;
	unsigned int index;
	struct irq_work work;
	unsigned int irq;
	bool twice;
};

/**
 * struct emu_luck - how often something goes wrong
 * @permille: of 1000 times
 * @rng: what decides; whoever has the lock of the thing uses it
 */
struct emu_luck {
	u32 permille;
	struct rnd_state rng;
};

/**
 * enum emu_irq_fault - what can happen to an interrupt
 * @EMU_IRQ_LOST: it does not come
 * @EMU_IRQ_DOUBLE: it comes twice
 * @EMU_IRQ_SPURIOUS: another one comes
 * @EMU_IRQ_FAULTS: how many kinds there are
 */
enum emu_irq_fault {
	EMU_IRQ_LOST,
	EMU_IRQ_DOUBLE,
	EMU_IRQ_SPURIOUS,
	EMU_IRQ_FAULTS,
};

static inline void emu_luck_init(struct emu_luck *luck, u32 permille, u32 seed)
{
	prandom_seed_state(&luck->rng, seed);
	WRITE_ONCE(luck->permille, permille);
}

static inline bool emu_luck_fails(struct emu_luck *luck)
{
	u32 permille = READ_ONCE(luck->permille);

	return permille && prandom_u32_state(&luck->rng) % 1000 < permille;
}

/**
 * struct emu_device - one emulated NPU
 * @config: of the model
 * @model: the model
 * @lock: its short lock
 * @start: power-on
 * @timer: of the model
 * @core: threads, @config.cores of them
 * @domain: of the interrupts
 * @vector: interrupts, @config.irqs of them
 * @irq_luck: of interrupts, by kind; under @lock
 * @hostile: stands in for the model, or NULL
 * @pdev: what the driver binds to
 * @bus_errors: accesses to memory that is not there
 */
struct emu_device {
	struct npu_model_config config;
	struct npu_model *model;
	raw_spinlock_t lock; /* of the model */
	ktime_t start;
	struct hrtimer timer;
	struct emu_core core[NPU_MAX_CORES];
	struct irq_domain *domain;
	struct emu_vector vector[EMU_MAX_IRQS];
	struct emu_luck irq_luck[EMU_IRQ_FAULTS];
	struct emu_hostile *hostile;
	struct platform_device *pdev;
	atomic64_t bus_errors;
};

/**
 * struct emu_hostility - whether a device is to be an impostor
 * @seed: 0 = no
 * @permille: how often it lies
 */
struct emu_hostility {
	u32 seed;
	u32 permille;
};

struct emu_device *emu_device_create(const struct npu_model_config *config,
				     const struct emu_hostility *hostility);
void emu_device_destroy(struct emu_device *emu);
void emu_device_disappear(struct emu_device *emu);
void *emu_device_map(struct emu_device *emu, u64 addr, u64 size, u64 *len);

int emu_hostile_create(struct emu_device *emu, u32 permille, u32 seed);
void emu_hostile_destroy(struct emu_hostile *hostile);
void emu_hostile_leave(struct emu_hostile *hostile);
void emu_hostile_adjust(struct emu_hostile *hostile, u32 permille);
u32 emu_hostile_read(struct emu_hostile *hostile, u32 reg);
void emu_hostile_write(struct emu_hostile *hostile, u32 reg, u32 value);
void emu_hostile_doorbell(struct emu_hostile *hostile, u32 slot);

int emu_irq_init(struct emu_device *emu);
void emu_irq_fini(struct emu_device *emu);
void emu_irq_raise(struct emu_device *emu, u32 vector);

int emu_cores_start(struct emu_device *emu);
void emu_cores_stop(struct emu_device *emu);
void emu_cores_free(struct emu_device *emu);
void emu_core_wake(struct emu_device *emu, u32 core);

int emu_configfs_init(void);
void emu_configfs_exit(void);

/* emu_simd.c */
struct npu_kernels;
int emu_simd_init(void);
const struct npu_kernels *emu_simd_kernels(void);

#endif /* _NPU_EMU_H_ */

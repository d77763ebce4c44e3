/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_DEVICE_H_
#define _NPU_DEVICE_H_

#include <linux/idr.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>

#include "npu_coredump.h"
#include "npu_history.h"
#include "npu_pm.h"
#include "npu_regs.h"
#include "npu_wedge.h"

struct npu_queue;

#define NPU_MAX_IRQS	2

/**
 * struct npu_bus - all that the driver knows of a bus
 * @dev: for DMA, power and messages
 * @read: read a register
 * @write: write a register
 * @doorbell: ring the doorbell of a slot
 * @priv: first argument of the three
 * @irq: Linux interrupt numbers
 * @irqs: how many
 * @recovery: what may bring a wedged device back, as in the uevent
 *
 * The accessors may be called from any context.
 */
struct npu_bus {
	struct device *dev;
	u32 (*read)(void *priv, u32 reg);
	void (*write)(void *priv, u32 reg, u32 value);
	void (*doorbell)(void *priv, u32 slot, u32 value);
	void *priv;
	int irq[NPU_MAX_IRQS];
	unsigned int irqs;
	const char *recovery;
};

/**
 * struct npu_caps - what the capability registers say, in units of use
 * @version: major << 16 | minor of the register interface
 * @features: NPU_FEATURE_*
 * @isa: major << 16 | minor of the command stream
 * @isa_features: NPU_ISA_FEATURE_*
 * @slots: queues that can be bound at one time
 * @cores: compute cores
 * @irqs: interrupts
 * @va_bits: of virtual addresses
 * @bus_bits: of the DMA addresses that the device reaches
 * @asids: number of address-space ids
 * @page_sizes: bit n: pages of 2^n bytes
 * @macs_max_order: log2 of the most multiply-accumulates in one command
 * @bytes_max_order: log2 of the most bytes one command may move
 * @macs_per_cycle: peak of one core
 * @clock_khz: nominal clock
 * @reset_ms: how long a reset may take
 * @layouts: bit n: tensor layout n
 */
struct npu_caps {
	u32 version;
	u32 features;
	u32 isa;
	u64 isa_features;
	u32 slots;
	u32 cores;
	u32 irqs;
	u32 va_bits;
	u32 bus_bits;
	u32 asids;
	u64 page_sizes;
	u32 macs_max_order;
	u32 bytes_max_order;
	u32 macs_per_cycle;
	u32 clock_khz;
	u32 reset_ms;
	u32 layouts;
};

enum npu_slot_state {
	NPU_SLOT_FREE,		/* nobody */
	NPU_SLOT_RUNNING,	/* bound */
	NPU_SLOT_UNBINDING,	/* waits for a command boundary, then lends the slot on */
	NPU_SLOT_KILLING,	/* STOP written; RESET follows at the deadline */
	NPU_SLOT_RESETTING,	/* RESET written; core reset follows at the deadline */
	NPU_SLOT_CORE_RESETTING, /* core reset written; function reset follows at the deadline */
};

/**
 * struct npu_slot - one hardware slot; npu_slot.c owns it
 * @queue: who has it, NULL if free; holds a reference
 * @state: what it is doing
 * @since: when @state began, jiffies
 */
struct npu_slot {
	struct npu_queue *queue;
	enum npu_slot_state state;
	unsigned long since;
};

/**
 * struct npu_device - one NPU
 * @drm: what user space sees
 * @caps: constant once probed
 * @objects: what was made on the device and has to be found again
 * @reclaim: giving back memory; npu_reclaim.c
 * @events: event ring; npu_event.c
 * @tlb: invalidations; npu_mmu.c
 * @slots: hardware slots, and who waits for one; npu_slot.c
 * @pm: whether it is on; npu_pm.c
 * @history: queues that were banned; npu_history.c
 * @wedge: what user space is to be told of resets
 * @coredump: the incident that is being written down
 */
struct npu_device {
	struct drm_device drm;
	/** @bus: valid until npu_device_remove() has returned */
	const struct npu_bus *bus;
	struct npu_caps caps;

	/** @lost: the device does not answer or was given up; never goes back */
	bool lost;
	/**
	 * @unsafe: no reset was acknowledged; the device may do DMA for ever, and
	 * all that it may reach is leaked
	 */
	bool unsafe;

	/** @wq: slots and watches; in the fence signalling path */
	struct workqueue_struct *wq;
	/** @sched_wq: submission work of all drm_sched schedulers */
	struct workqueue_struct *sched_wq;
	/** @bind_wq: asynchronous changes of address spaces, which wait for the device */
	struct workqueue_struct *bind_wq;

	/** @queues: all queues by hardware number; looked up under RCU */
	struct xarray queues;

	struct {
		/** @objects.lock: protects the lists */
		struct mutex lock;
		/** @objects.vms: all address spaces, npu_vm.node */
		struct list_head vms;
		/** @objects.bos: all buffers but imported ones, npu_bo.node */
		struct list_head bos;
		/** @objects.import_lock: protects @objects.imports */
		struct mutex import_lock;
		/** @objects.imports: imported buffers, npu_bo.node */
		struct list_head imports;
		/** @objects.binds: all changes of address spaces, npu_bind.node */
		struct list_head binds;
		/** @objects.gpuva_lock: who maps which buffer, before 7.0 */
		struct mutex gpuva_lock;
		/** @objects.asids: address-space ids; 0 is never used */
		struct ida asids;
	} objects;

	struct {
		/** @reclaim.lock: protects the lists, before 7.0 */
		struct mutex lock;
		/** @reclaim.purgeable: buffers that may lose their content */
		struct drm_gem_lru purgeable;
		/** @reclaim.evictable: buffers with pages that may be taken away */
		struct drm_gem_lru evictable;
		struct shrinker *shrinker;
		/** @reclaim.evictions: how often pages were taken */
		atomic_t evictions;
		/** @reclaim.purges: how often content was dropped */
		atomic_t purges;
		/** @reclaim.restores: how often page table entries came back */
		atomic_t restores;
	} reclaim;

	struct {
		/** @events.lock: protects @events.read and @events.moderation; taken in
		 * hard interrupt
		 */
		spinlock_t lock;
		struct npu_event *ring;
		dma_addr_t dma;
		u32 read;
		/** @events.moderation: least microseconds between interrupts */
		u32 moderation;
	} events;

	struct {
		/** @tlb.lock: one invalidation programs its registers at a time */
		spinlock_t lock;
		/** @tlb.wait: woken when one completes */
		wait_queue_head_t wait;
	} tlb;

	struct {
		/** @slots.lock: protects @slots.slot; never held with GFP_KERNEL */
		struct mutex lock;
		struct npu_slot *slot;
		/** @slots.pending_lock: protects @slots.pending */
		spinlock_t pending_lock;
		/**
		 * @slots.pending: queues with work and no slot, npu_queue.pending;
		 * those of realtime priority apart, in the first list
		 */
		struct list_head pending[2];
		struct delayed_work work;
		/** @slots.reset: a function reset is wanted */
		bool reset;
		/** @slots.guilty: because of this queue, a reference; NULL if of none */
		struct npu_queue *guilty;
	} slots;

	struct npu_pm pm;

	struct npu_history history;
	struct npu_wedge wedge;
	struct npu_coredump coredump;

	/** @errors: things the hardware did that it must not do */
	struct {
		atomic_t bad_sequence;
		atomic_t bad_event;
		atomic_t overflow;
		atomic_t core_resets;
		atomic_t resets;
	} errors;
};

static inline struct npu_device *to_npu_device(struct drm_device *drm)
{
	return container_of(drm, struct npu_device, drm);
}

static inline u32 npu_read(struct npu_device *npu, u32 reg)
{
	return npu->bus->read(npu->bus->priv, reg);
}

static inline void npu_write(struct npu_device *npu, u32 reg, u32 value)
{
	npu->bus->write(npu->bus->priv, reg, value);
}

static inline void npu_write64(struct npu_device *npu, u32 reg, u64 value)
{
	npu_write(npu, reg, lower_32_bits(value));
	npu_write(npu, reg + 4, upper_32_bits(value));
}

static inline void npu_doorbell(struct npu_device *npu, u32 slot, u32 value)
{
	npu->bus->doorbell(npu->bus->priv, slot, value);
}

/* Has the device gone or been given up? */
static inline bool npu_is_lost(struct npu_device *npu)
{
	/* Pairs with npu_device_set_lost(): who sees it must see whether it is safe. */
	return smp_load_acquire(&npu->lost);
}

/**
 * npu_dev_enter() - begin a section that touches the hardware
 * @npu: device
 * @idx: for drm_dev_exit()
 *
 * Return: false if the device has gone. Removal waits for the sections.
 */
static inline bool npu_dev_enter(struct npu_device *npu, int *idx)
{
	if (npu_is_lost(npu))
		return false;
	return drm_dev_enter(&npu->drm, idx);
}

/* All registers of a device that is no longer there read as ones. */
static inline bool npu_is_gone(struct npu_device *npu)
{
	return npu_read(npu, NPU_REG_ID) == ~0u;
}

int npu_device_probe(const struct npu_bus *bus);
void npu_device_remove(struct device *dev);
void npu_device_start(struct npu_device *npu);
bool npu_device_reset(struct npu_device *npu);
bool npu_device_wake(struct npu_device *npu);
void npu_device_lose(struct npu_device *npu, bool safe, const struct npu_queue *guilty);
u64 npu_device_time(struct npu_device *npu);
u64 npu_device_busy_cycles(struct npu_device *npu);

#endif /* _NPU_DEVICE_H_ */

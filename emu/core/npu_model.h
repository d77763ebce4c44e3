/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The device model of the NPU: what Documentation/hardware/ specifies, in
 * portable C11 without global state, allocation or floating point. A host (a
 * kernel module, a process, a test) owns it, lends it memory, and turns its
 * core functions with threads of its own.
 *
 * Threads: npu_model_read(), npu_model_write(), npu_model_doorbell(),
 * npu_model_inject(), npu_model_leave() and npu_model_timer() may be called at any time from any
 * context; they take constant time and no lock but the host's short one.
 * npu_model_step() is called by one thread per core at a time; it computes
 * without holding the lock.
 */
#ifndef _NPU_MODEL_H_
#define _NPU_MODEL_H_

#include "npu_port.h"
#include "npu_regs.h"

struct npu_model;

/* What @trace of the host learns of a slot: @size bytes at @data. */
enum npu_trace {
	NPU_TRACE_JOB,		/* a ring entry was read: struct npu_job_desc */
	NPU_TRACE_COMMAND,	/* so was a command, @offset of its stream */
	NPU_TRACE_REPORT,	/* a job ended, or was suspended (no end): struct npu_report */
	NPU_TRACE_EVENT,	/* an event is posted: struct npu_event */
};

/**
 * struct npu_host_ops - what the model asks of its host
 * @map: lend memory at bus address @addr: returns a pointer and in *@len how
 *       many bytes of @size follow contiguously (at least up to the end of
 *       the 4 KiB page); NULL if nothing answers there. May be called with
 *       the lock held.
 * @unmap: give back what @map lent
 * @irq: raise an interrupt vector; called with the lock held
 * @wake: a core has work, npu_model_step() should be called; called with the
 *        lock held
 * @timer: call npu_model_timer() in @ns nanoseconds; replaces an earlier
 *         request; called with the lock held
 * @now: nanoseconds since power-on
 * @lock: the short lock; returns what @unlock takes. Excludes interrupts.
 * @unlock: counterpart
 * @trace: what a core has read or tells, see enum npu_trace; NULL: nobody wants to know
 */
struct npu_host_ops {
	void *(*map)(void *host, u64 addr, u64 size, enum npu_access access, u64 *len);
	void (*unmap)(void *host, void *ptr, u64 len);
	void (*irq)(void *host, u32 vector);
	void (*wake)(void *host, u32 core);
	void (*timer)(void *host, u64 ns);
	u64 (*now)(void *host);
	unsigned long (*lock)(void *host);
	void (*unlock)(void *host, unsigned long flags);
	void (*trace)(void *host, enum npu_trace what, u32 slot, u64 offset, const void *data,
		      u32 size);
};

/**
 * struct npu_model_config - size of a device
 * @cores: 1 to NPU_MAX_CORES
 * @slots: 1 to NPU_MAX_SLOTS
 * @irqs: 1 or 2
 * @bus_bits: 32 to 52
 * @ring_order_max: NPU_RING_ORDER_MIN to 16
 * @macs_max_order: 20 to 40
 * @bytes_max_order: 20 to 40
 * @clock_khz: nominal
 * @reset_ms: bound of a reset
 */
struct npu_model_config {
	u32 cores;
	u32 slots;
	u32 irqs;
	u32 bus_bits;
	u32 ring_order_max;
	u32 macs_max_order;
	u32 bytes_max_order;
	u32 clock_khz;
	u32 reset_ms;
};

/* A configuration that suits most hosts. */
#define NPU_MODEL_CONFIG_DEFAULT {	\
	.cores = 2,			\
	.slots = 64,			\
	.irqs = 2,			\
	.bus_bits = 48,			\
	.ring_order_max = 12,		\
	.macs_max_order = 34,		\
	.bytes_max_order = 32,		\
	.clock_khz = 1000000,		\
	.reset_ms = 500,		\
}

/**
 * npu_model_size() - memory that npu_model_init() needs
 * @config: of the device
 *
 * Return: bytes, 0 if @config is out of range.
 */
size_t npu_model_size(const struct npu_model_config *config);

/**
 * npu_model_init() - power the device on
 * @mem: npu_model_size() bytes, 64-byte aligned; the host frees them when
 *       no function of the model runs or will run
 * @config: of the device
 * @ops: host functions
 * @host: their first argument
 *
 * Return: the model, at @mem.
 */
struct npu_model *npu_model_init(void *mem, const struct npu_model_config *config,
				 const struct npu_host_ops *ops, void *host);

struct npu_kernels;
void npu_model_use(struct npu_model *model, const struct npu_kernels *kernels);

u32 npu_model_read(struct npu_model *model, u32 reg);
void npu_model_write(struct npu_model *model, u32 reg, u32 value);
void npu_model_doorbell(struct npu_model *model, u32 slot, u32 value);
void npu_model_timer(struct npu_model *model);

enum npu_step {
	NPU_STEP_IDLE,		/* nothing to do until the next wake */
	NPU_STEP_RAN,		/* a tile or more; call again */
	NPU_STEP_STALLED,	/* hangs on demand: call again, not at once */
	NPU_STEP_RESTING,	/* slow on demand: call again soon, within a millisecond */
};

/**
 * npu_model_step() - let a core execute up to one tile
 * @model: the device
 * @core: which core
 */
enum npu_step npu_model_step(struct npu_model *model, u32 core);

/*
 * Faults on demand; the guest's registers cannot reach them. Of the first kind is
 * what happens to the arg-th thing from now: 0 = to none, NPU_INJECT_EACH = to each
 * one until another number is set.
 */
enum npu_inject {
	NPU_INJECT_HANG,	/* a command never ends */
	NPU_INJECT_CORRUPT,	/* a completion writes a sequence number that is garbage */
	NPU_INJECT_MEMORY,	/* an access to memory is not answered */
	NPU_INJECT_WALK,	/* a page-table walk meets a malformed entry */
	NPU_INJECT_STATUS,	/* a fault gets a status that does not exist */
	NPU_INJECT_EVENT,	/* an event record is garbage */
	NPU_INJECT_COUNTED,	/* end of those that are counted */

	/* The next arg events are dropped, and OVERFLOW is set. */
	NPU_INJECT_OVERFLOW = NPU_INJECT_COUNTED,
	NPU_INJECT_GONE,	/* arg 1: reads give ones, writes are lost, all DMA stops */
	NPU_INJECT_DEAF,	/* NPU_DEAF_*: scopes whose resets are not acknowledged */
	NPU_INJECT_CLOCK,	/* kHz, at most the nominal clock; 0 = nominal */
	NPU_INJECT_LATENCY,	/* microseconds before each command */
	NPU_INJECT_LIMIT,	/* bus address from which on nothing answers; 0 = none */
	NPU_INJECT_KINDS,
};

#define NPU_INJECT_EACH		0xffffffffu
#define NPU_INJECT_LATENCY_MAX	10000000u

/* Cleared again, the resets that were asked for meanwhile are acknowledged. */
#define NPU_DEAF_QUEUE		(1u << 0)	/* STOP and RESET of a slot */
#define NPU_DEAF_CORE		(1u << 1)
#define NPU_DEAF_FUNCTION	(1u << 2)
#define NPU_DEAF_ALL		7u

/**
 * npu_model_inject() - make a fault happen
 * @model: the device
 * @what: kind
 * @arg: see enum npu_inject
 *
 * Return: false if @arg is out of range; nothing is changed then.
 */
bool npu_model_inject(struct npu_model *model, enum npu_inject what, u64 arg);

/**
 * npu_model_injected() - what is to happen
 * @model: the device
 * @what: kind
 *
 * Return: @arg of npu_model_inject(); of those that are counted, what is left of it:
 * 0 if the fault has happened.
 */
u64 npu_model_injected(struct npu_model *model, enum npu_inject what);

/**
 * npu_model_leave() - let the cores stop soon and for good
 * @model: the device
 *
 * For a host that is about to end its threads: each core gives up the tile
 * that it executes, within some thousand elements, and npu_model_step() then
 * returns NPU_STEP_IDLE for ever. No more jobs begin, end or leave an event;
 * a reset is still acknowledged and registers still answer, until
 * NPU_INJECT_GONE says otherwise. Only power, NPU_INJECT_GONE with 1 and
 * then with 0, makes the cores work again. May be called like
 * npu_model_inject().
 */
void npu_model_leave(struct npu_model *model);

/**
 * npu_model_bus_errors() - accesses that the host did not answer
 * @model: the device
 */
u64 npu_model_bus_errors(struct npu_model *model);

#endif /* _NPU_MODEL_H_ */

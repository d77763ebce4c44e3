/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The hardware interface of the NPU: registers, doorbells, contexts, rings,
 * events and page tables. Driver and device model share this file; the text
 * is in Documentation/hardware/.
 *
 * Registers are 32 bits wide; 64-bit values are LO/HI pairs. Structures in
 * memory are little-endian, naturally aligned and without hidden padding.
 */
#ifndef _NPU_REGS_H_
#define _NPU_REGS_H_

#include <linux/types.h>

/* ---- Discovery (read only) ---------------------------------------------- */

#define NPU_REG_ID			0x0000
#define   NPU_ID			0x3155504e	/* "NPU1" */
#define NPU_REG_VERSION			0x0004	/* of this interface, major << 16 | minor */
#define   NPU_VERSION_MAJOR		1
#define   NPU_VERSION_MINOR		1
#define NPU_REG_ISA			0x0008	/* newest command stream, major << 16 | minor */
#define NPU_REG_FEATURES		0x000c	/* NPU_FEATURE_* */
#define   NPU_FEATURE_REPORT		(1u << 0)	/* writes struct npu_report */
#define   NPU_FEATURE_CORE_RESET	(1u << 1)
#define   NPU_FEATURE_POWER_OFF		(1u << 2)	/* POWER takes writes */
#define NPU_REG_ISA_FEATURES_LO		0x0010	/* NPU_ISA_FEATURE_* */
#define NPU_REG_ISA_FEATURES_HI		0x0014
#define NPU_REG_SLOTS			0x0018	/* 1 to NPU_MAX_SLOTS */
#define NPU_REG_CORES			0x001c	/* 1 to NPU_MAX_CORES */
#define NPU_REG_IRQS			0x0020	/* interrupt vectors, 1 or 2 */
#define NPU_REG_VA_BITS			0x0024	/* 48 */
#define NPU_REG_BUS_BITS		0x0028	/* bus address bits, 32 to 52 */
#define NPU_REG_ASID_BITS		0x002c	/* 16 */
#define NPU_REG_PAGE_SIZES		0x0030	/* bit n: pages of 2^n bytes */
#define NPU_REG_RING_ORDER_MAX		0x0034	/* log2 of the largest ring, entries */
#define NPU_REG_MACS_MAX		0x0038	/* log2 of the most MACs in one command */
#define NPU_REG_BYTES_MAX		0x003c	/* log2 of the most bytes one command moves */
#define NPU_REG_CLOCK_KHZ		0x0040	/* nominal */
#define NPU_REG_TILE_US			0x0044	/* longest tile at nominal clock */
#define NPU_REG_RESET_MS		0x0048	/* a reset acknowledges within this time */
#define NPU_REG_LAYOUTS			0x004c	/* bit n: layout n of npu_isa.h */
#define NPU_REG_MACS_PER_CYCLE		0x0050	/* of one core, peak */

#define NPU_MAX_SLOTS			256
#define NPU_MAX_CORES			32

/* ---- Control ------------------------------------------------------------- */

#define NPU_REG_CONTROL			0x0100
#define   NPU_CONTROL_ENABLE		(1u << 0)	/* fetch and execute */
#define NPU_REG_STATUS			0x0104	/* read only */
#define   NPU_STATUS_READY		(1u << 0)	/* out of reset */
#define   NPU_STATUS_FATAL		(1u << 1)	/* no event ring; reset clears it */
#define NPU_REG_RESET			0x0108	/* read: not acknowledged yet */
#define   NPU_RESET_FUNCTION		(1u << 31)
#define   NPU_RESET_CORE(n)		(1u << 30 | (n))	/* write only */
#define   NPU_RESET_CORE_BUSY		(1u << 30)	/* read: some core reset */

/* Time since power-on, nanoseconds. Read HI, LO, HI again until HI is stable. */
#define NPU_REG_TIME_LO			0x0110
#define NPU_REG_TIME_HI			0x0114

/* Weight of priority level n in the round robin; level 3 is strict and has none. */
#define NPU_REG_WEIGHT(n)		(0x0120 + 4 * (n))	/* n: 0 to 2; value 1 to 255 */
#define NPU_PRIORITIES			4
#define NPU_PRIORITY_REALTIME		3

/* ---- Interrupts and the event ring ---------------------------------------- */

#define NPU_REG_IRQ_STATUS		0x0200	/* causes; write 1 to clear */
#define NPU_REG_IRQ_ENABLE		0x0204
#define   NPU_IRQ_EVENT			(1u << 0)	/* the event ring has records */
#define   NPU_IRQ_OVERFLOW		(1u << 1)	/* records were lost */
#define   NPU_IRQ_RESET			(1u << 2)	/* a core or function reset acknowledged */
#define   NPU_IRQ_TLB			(1u << 3)	/* an invalidation completed */
#define   NPU_IRQ_FATAL			(1u << 4)	/* STATUS has FATAL */
#define NPU_REG_IRQ_MODERATION		0x0208	/* least microseconds between interrupts; 0 = off */
#define NPU_REG_EVENT_BASE_LO		0x0210	/* bus address, NPU_EVENT_SIZE aligned */
#define NPU_REG_EVENT_BASE_HI		0x0214
#define NPU_REG_EVENT_ORDER		0x0218	/* log2 of the records, 0 = no ring */
#define   NPU_EVENT_ORDER_MAX		16
#define NPU_REG_EVENT_READ		0x021c	/* free running; a write re-evaluates EVENT */
#define NPU_REG_EVENT_WRITE		0x0220	/* free running, read only */

/* ---- TLB invalidation ------------------------------------------------------ */

#define NPU_REG_TLB_ASID		0x0300
#define NPU_REG_TLB_VA_LO		0x0304	/* first byte */
#define NPU_REG_TLB_VA_HI		0x0308
#define NPU_REG_TLB_PAGES		0x030c	/* 4 KiB pages; 0 = the whole address space */
#define NPU_REG_TLB_INVALIDATE		0x0310	/* write 1: issues it; SEQ grows by one */
#define NPU_REG_TLB_SEQ			0x0314	/* last issued, wraps */
#define NPU_REG_TLB_DONE		0x0318	/* last completed, wraps */

/* ---- Counters, power (read only but for POWER) ------------------------------ */

#define NPU_REG_POWER			0x0400	/* write: OFF, or IDLE to switch on */
#define   NPU_POWER_OFF			0
#define   NPU_POWER_IDLE		1
#define   NPU_POWER_ON			2
#define NPU_REG_CLOCK_NOW		0x0404	/* kHz */
#define NPU_REG_TEMPERATURE		0x0408	/* millidegrees Celsius, signed */
#define NPU_REG_POWER_MW		0x040c
#define NPU_REG_CORE_BUSY_LO(n)		(0x0500 + 8 * (n))	/* busy cycles of core n */
#define NPU_REG_CORE_BUSY_HI(n)		(0x0504 + 8 * (n))

/* ---- Slots ------------------------------------------------------------------ */

#define NPU_REG_SLOT(n)			(0x1000 + 0x20 * (n))
#define NPU_REG_SLOT_CONTEXT_LO(n)	(NPU_REG_SLOT(n) + 0x00)	/* bus address */
#define NPU_REG_SLOT_CONTEXT_HI(n)	(NPU_REG_SLOT(n) + 0x04)
#define NPU_REG_SLOT_COMMAND(n)		(NPU_REG_SLOT(n) + 0x08)	/* write only */
#define   NPU_SLOT_BIND			1	/* from EMPTY */
#define   NPU_SLOT_UNBIND		2	/* at the next command boundary, resumable */
#define   NPU_SLOT_STOP			3	/* at the next tile boundary */
#define   NPU_SLOT_RESET		4	/* queue reset: wherever it is */
#define NPU_REG_SLOT_STATUS(n)		(NPU_REG_SLOT(n) + 0x0c)	/* read only */
#define   NPU_SLOT_STATE		0xf
#define   NPU_SLOT_EMPTY		0
#define   NPU_SLOT_BOUND		1
#define   NPU_SLOT_HALTED		2	/* bound, stopped by a fault */
#define   NPU_SLOT_STOPPING		3	/* a command under way */
#define   NPU_SLOT_BUSY			(1u << 8)	/* a core executes its job */
#define   NPU_SLOT_CORE_SHIFT		16
#define   NPU_SLOT_CORE(status)		((status) >> 16 & 0x1f)	/* which; if BUSY, since 1.1 */

#define NPU_REG_SPACE			0x4000	/* bytes of the register space */

/*
 * Doorbells are a space of their own, one page per slot. Writing the low half
 * of the context's write index to the first word says that it has moved; the
 * device reads the index itself from the context.
 */
#define NPU_DOORBELL_STRIDE		0x1000
#define NPU_DOORBELL(n)			(NPU_DOORBELL_STRIDE * (n))

/* ---- Queues ------------------------------------------------------------------ */

#define NPU_RING_ORDER_MIN		1
#define NPU_JOB_SIZE			64
#define NPU_EVENT_SIZE			64
#define NPU_REPORT_SIZE			64
#define NPU_CONTEXT_SIZE		256

/**
 * struct npu_context - a queue, 256-byte aligned in one 4 KiB page
 * @ring_base: bus address of the ring, 64-byte aligned
 * @report_base: bus address of one struct npu_report per ring entry, 0 = none
 * @page_table: bus address of the root table
 * @asid: address-space id
 * @ring_order: log2 of the ring's entries
 * @priority: 0 (lowest) to NPU_PRIORITY_REALTIME
 * @queue: number that events carry
 * @reserved0: zero
 * @write_index: jobs ever written to the ring
 * @reserved1: zero
 * @sequence: sequence number of the last job that is complete; the truth
 * @read_index: jobs ever fetched from the ring and finished
 * @started: sequence number of the last job whose execution began
 * @progress: tiles executed
 * @jobs: jobs completed
 * @cycles: cycles
 * @macs: multiply-accumulates
 * @bytes: bytes read and written
 * @fault_status: enum npu_fault, sticky; the queue halts while it is not NONE
 * @fault_detail: enum npu_illegal for an illegal command, the page-table
 *                level for a walk or translation fault, else 0
 * @fault_sequence: job that faulted
 * @fault_va: address for memory faults
 * @fault_offset: of the command in its stream
 * @fault_access: enum npu_access
 * @reserved2: zero
 * @resume_offset: of the first command not executed of job @started, while
 *                 that job is not complete; 0 = from its start
 * @reserved3: zero
 *
 * The first 64 bytes are read at BIND, the second are the driver's at any
 * time, the others the device's while bound.
 */
struct npu_context {
	__le64 ring_base;
	__le64 report_base;
	__le64 page_table;
	__le32 asid;
	__le32 ring_order;
	__le32 priority;
	__le32 queue;
	__le64 reserved0[3];
	/* 0x40 */
	__le64 write_index;
	__le64 reserved1[7];
	/* 0x80 */
	__le64 sequence;
	__le64 read_index;
	__le64 started;
	__le64 progress;
	__le64 jobs;
	__le64 cycles;
	__le64 macs;
	__le64 bytes;
	/* 0xc0 */
	__le32 fault_status;
	__le32 fault_detail;
	__le64 fault_sequence;
	__le64 fault_va;
	__le64 fault_offset;
	__le32 fault_access;
	__le32 reserved2;
	__le64 resume_offset;
	__le64 reserved3[2];
};

/* Flags of a job. */
#define NPU_JOB_EVENT		(1u << 0)	/* send NPU_EVENT_DONE on completion */

/**
 * struct npu_job_desc - one ring entry
 * @sequence: number of the job, larger than its predecessor's
 * @stream_va: command stream, 8-byte aligned
 * @bases_va: base table, 8-byte aligned
 * @stream_size: bytes; 0 = no commands, the job is complete at once
 * @bases: entries of the base table, at most NPU_ISA_MAX_BASES
 * @flags: NPU_JOB_*
 * @reserved: zero
 */
struct npu_job_desc {
	__le64 sequence;
	__le64 stream_va;
	__le64 bases_va;
	__le32 stream_size;
	__le32 bases;
	__le32 flags;
	__le32 reserved[7];
};

/**
 * struct npu_report - what one job cost; written before its sequence number
 * @sequence: of the job
 * @start: device time when its execution began
 * @end: device time when its results were in memory
 * @cycles: cycles
 * @macs: multiply-accumulates
 * @bytes: bytes read and written
 * @reserved: zero
 */
struct npu_report {
	__le64 sequence;
	__le64 start;
	__le64 end;
	__le64 cycles;
	__le64 macs;
	__le64 bytes;
	__le64 reserved[2];
};

enum npu_event_type {
	NPU_EVENT_DONE		= 1,	/* a job with NPU_JOB_EVENT completed */
	NPU_EVENT_FAULT		= 2,	/* the queue halted */
	NPU_EVENT_UNBOUND	= 3,	/* the slot is empty, the context written back */
};

/**
 * struct npu_event - one record of the event ring
 * @type: enum npu_event_type
 * @queue: of the context
 * @sequence: DONE and FAULT: of the job; UNBOUND: last complete
 * @start: DONE: device time
 * @end: DONE: device time
 * @status: enum npu_fault
 * @slot: where the context is or was bound
 * @fault_va: FAULT
 * @fault_offset: FAULT
 * @fault_access: FAULT
 * @fault_detail: FAULT
 */
struct npu_event {
	__le32 type;
	__le32 queue;
	__le64 sequence;
	__le64 start;
	__le64 end;
	__le32 status;
	__le32 slot;
	__le64 fault_va;
	__le64 fault_offset;
	__le32 fault_access;
	__le32 fault_detail;
};

enum npu_fault {
	NPU_FAULT_NONE		= 0,
	NPU_FAULT_ILLEGAL	= 1,	/* illegal command; the detail says why */
	NPU_FAULT_BOUNDS	= 2,	/* outside its base, or write without NPU_BASE_WRITE */
	NPU_FAULT_TRANSLATION	= 3,	/* no valid page-table entry */
	NPU_FAULT_PERMISSION	= 4,	/* entry without the permission */
	NPU_FAULT_WALK		= 5,	/* malformed page-table entry, or table unreachable */
	NPU_FAULT_BUS		= 6,	/* memory does not answer */
	NPU_FAULT_ABORTED	= 7,	/* ended by STOP, RESET or a core reset */
	NPU_FAULT_DESCRIPTOR	= 8,	/* malformed ring entry or context */
};

enum npu_access {
	NPU_ACCESS_NONE		= 0,
	NPU_ACCESS_READ		= 1,
	NPU_ACCESS_WRITE	= 2,
	NPU_ACCESS_FETCH	= 3,	/* stream or base table */
};

/* ---- Page tables ---------------------------------------------------------------- */

/*
 * Four levels of 512 entries, 4 KiB per table; level 3 is the root. Leaves are
 * at level 0 (4 KiB) and level 1 (2 MiB). Reserved bits must be zero, a table
 * entry has neither READ nor WRITE.
 */
#define NPU_PT_LEVELS		4
#define NPU_PT_ENTRIES		512
#define NPU_PT_SHIFT(level)	(12 + 9 * (level))

#define NPU_PTE_VALID		(1ull << 0)
#define NPU_PTE_LEAF		(1ull << 1)
#define NPU_PTE_READ		(1ull << 2)
#define NPU_PTE_WRITE		(1ull << 3)
#define NPU_PTE_ADDR		0x000ffffffffff000ull
#define NPU_PTE_RESERVED	(~(NPU_PTE_ADDR | 0xfull))

#endif /* _NPU_REGS_H_ */

/* SPDX-License-Identifier: MIT */
/*
 * A host of the device model for fuzzers: one small memory, one thread, the
 * same result each time. What the model has not borrowed is poisoned, so that
 * the address sanitizer sees each access beyond a loan or after its end. What
 * it borrows must be named by a register, a context or a page-table entry.
 */
#ifndef _MACHINE_H_
#define _MACHINE_H_

#include "npu_model.h"
#include "drm/npu_isa.h"

#define MACHINE_PAGE	4096u
#define MACHINE_FRAMES	512u
#define MACHINE_MEMORY	((u64)MACHINE_FRAMES * MACHINE_PAGE)
#define MACHINE_BUS	0x100000000ull	/* of the first frame */
#define MACHINE_LOANS	512u
#define MACHINE_CORES	4u		/* at most */
#define MACHINE_QUEUES	4u
#define MACHINE_SPACES	2u
#define MACHINE_ORDER	4u		/* of rings */
#define MACHINE_EVENTS	6u		/* order of the event ring */
#define MACHINE_VA	0x10000000ull	/* where the address spaces begin */

struct machine_loan {
	u8 *ptr;
	u64 len;
	bool write;
};

struct machine {
	struct npu_model *model;
	struct npu_model_config config;
	u8 *memory;
	u32 frames;			/* used */
	bool named[MACHINE_FRAMES];	/* something points there, or did */
	bool writable[MACHINE_FRAMES];	/* with permission to write */
	bool dead[MACHINE_FRAMES];	/* does not answer */
	bool scatter;			/* each frame is an allocation of its own */
	bool locked;
	bool late;			/* the timer runs */
	bool left;			/* npu_model_leave() was called */
	u64 time;
	u32 loans;
	struct machine_loan loan[MACHINE_LOANS];
	/* Called when the model borrows memory without the lock: others may do anything then. */
	void (*meanwhile)(struct machine *m);
	/* Made by machine_queues(): */
	u64 context;			/* bus addresses; MACHINE_QUEUES in one page */
	u64 ring;
	u64 report;
	u64 event;
	u64 table[MACHINE_SPACES][NPU_PT_LEVELS];
	u64 next[MACHINE_SPACES];	/* free virtual address */
};

/* The rest of a program when an invariant does not hold. */
void machine_die(const char *why) __attribute__((noreturn));

/* A device that has just been switched on, and nothing in memory. */
void machine_init(struct machine *m, const struct npu_model_config *config);
/* Empty memory, then tables, contexts and rings again. Nothing may be lent. */
void machine_queues(struct machine *m);
/* Program the registers and bind queue @q to slot @q. */
void machine_enable(struct machine *m, u32 queues);

/* Memory of the device, by bus address; false: nothing is there. */
bool machine_write(struct machine *m, u64 bus, const void *src, u64 size);
bool machine_read(struct machine *m, u64 bus, void *dst, u64 size);
/* Map @size fresh bytes; returns their address, and in @bus where the first one is. */
u64 machine_alloc(struct machine *m, u32 space, u64 size, u64 flags, u64 *bus);

u32 machine_reg(struct machine *m, u32 reg);
void machine_set(struct machine *m, u32 reg, u32 value);
void machine_push(struct machine *m, u32 queue, u64 stream, u32 size, u64 bases, u32 n);
struct npu_context machine_context(struct machine *m, u32 queue);
/* Step all cores in turn, until they are idle or @steps are done; returns how many ran. */
u32 machine_run(struct machine *m, u32 steps);
enum npu_step machine_step(struct machine *m, u32 core);
/* From whatever state into that after a function reset. */
void machine_reset(struct machine *m);

#endif /* _MACHINE_H_ */

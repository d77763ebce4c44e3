/* SPDX-License-Identifier: MIT */
/*
 * A host of the device model inside one process. Each page of the device's
 * memory is an allocation of its own at a random bus address, so that address
 * sanitizers see an access beyond what the model has borrowed.
 *
 * Simplest use, without threads:
 *
 *	struct host *h = host_new(NULL);
 *	struct host_space *s = host_space_new(h, 1);
 *	u64 va = host_alloc(s, 4096, HOST_RW);
 *	host_write(s, va, data, size);
 *	if (host_run(s, stream, stream_size, bases, n, &result))
 *		...result.fault says why
 *	host_read(s, va, data, size);
 *	host_free(h);
 */
#ifndef _HOST_H_
#define _HOST_H_

#include <pthread.h>

#include "drm/npu_isa.h"
#include "trace.h"

#define HOST_FRAMES	(1u << 18)		/* 1 GiB of bus addresses */
#define HOST_BUS	0x100000000ull		/* where they begin */
#define HOST_PAGE	4096u

#define HOST_R		NPU_PTE_READ
#define HOST_W		NPU_PTE_WRITE
#define HOST_RW		(HOST_R | HOST_W)

struct host_frame {
	u8 *ptr;		/* NULL: nothing there */
	u32 left;		/* frames that follow contiguously, and this one */
	bool head;		/* @ptr is an allocation */
};

/* Memory that the model has borrowed. */
struct host_loan {
	struct host_frame *frame;
	void *ptr;
	u64 len;
};

#define HOST_LOANS	4096u

struct host {
	struct npu_model *model;
	struct trace trace;
	bool own_trace;		/* its file is to be closed */
	struct npu_model_config config;
	pthread_mutex_t lock;	/* the model's */
	pthread_spinlock_t memory;	/* of the frames, for moments only */
	pthread_cond_t wake;
	pthread_t thread[NPU_MAX_CORES];
	u32 threads;
	bool stop;
	struct host_frame *frame;
	u64 seed;
	bool trusts;		/* does not note what the model borrows */
	u32 loans;
	struct host_loan loan[HOST_LOANS];
	u32 woken;		/* cores; those may look all the time, so it is far from @lock */
	u64 maps;
	u64 errors;		/* misuse of the memory by the model */
	u64 born;		/* CLOCK_MONOTONIC at power-on; 0: each look at it takes 1 ns */
	u64 time;
	u64 timer;		/* 0 = off */
	u64 irqs[2];
	u64 fail_bus;		/* bus page that does not answer, 0 = none */
	void (*tick)(struct host *h, void *arg);	/* before each step */
	void *tick_arg;
	/* When the model borrows memory; the lock may be held. */
	void (*mapped)(struct host *h, u64 bus, void *arg);
	void *mapped_arg;
};

/* What cannot go on ends here, without a return; says so and aborts unless set. */
extern void (*host_dying)(const char *why);

/*
 * A device. NULL as configuration is the default one. Functions of npu_model.h that change
 * anything are called through h->trace; the environment variable NPU_TRACE names a file
 * that they are appended to as a record.
 */
struct host *host_new(const struct npu_model_config *config);
/* The same, of default size and with real time; @file may be NULL, and is still the caller's. */
struct host *host_new_real(FILE *file);
/* The same with real time that trusts the model: as fast as a host can be. */
struct host *host_new_fast(const struct npu_model_config *config);
/* Ends threads, checks that nothing is borrowed any more; returns the errors found. */
u64 host_free(struct host *h);

/* Memory by bus address: @pages contiguous pages, zeroed. */
u64 host_frames(struct host *h, u32 pages);
void host_frames_free(struct host *h, u64 bus, u32 pages);
void *host_ptr(struct host *h, u64 bus);

/* Run all cores in turn until they are idle or @steps are done; returns steps. */
u32 host_steps(struct host *h, u32 steps);
/* One step of one core. */
enum npu_step host_step(struct host *h, u32 core);
void host_threads_start(struct host *h);
void host_threads_stop(struct host *h);

u32 host_reg(struct host *h, u32 reg);
void host_set(struct host *h, u32 reg, u32 value);
/* Enable execution with an event ring of 2^@order records and all interrupts. */
void host_enable(struct host *h, u32 order);
/* Next event, false if there is none; advances the read index. */
bool host_event(struct host *h, struct npu_event *event);

/* ---- Address spaces ------------------------------------------------------- */

struct host_space {
	struct host *h;
	u64 root;
	u32 asid;
	u64 next;		/* virtual address for the next allocation */
	struct host_queue *queue;	/* of host_run() */
};

struct host_space *host_space_new(struct host *h, u32 asid);
void host_space_free(struct host_space *s);
/* Fresh memory mapped at a fresh address, scattered pages, a hole behind it. */
u64 host_alloc(struct host_space *s, u64 size, u64 flags);
/* The same with one contiguous 2 MiB block per 2 MiB. */
u64 host_alloc_blocks(struct host_space *s, u64 size, u64 flags);
/* Unmap, invalidate, free the pages. */
void host_release(struct host_space *s, u64 va, u64 size);
/* Entry of @va at @level; tables on the way are made if missing. */
__le64 *host_pte(struct host_space *s, u64 va, u32 level);
void host_map(struct host_space *s, u64 va, u64 bus, u64 flags);
u64 host_bus(struct host_space *s, u64 va);
void host_read(struct host_space *s, u64 va, void *dst, u64 size);
void host_write(struct host_space *s, u64 va, const void *src, u64 size);
void host_invalidate(struct host_space *s, u64 va, u32 pages);

/* ---- Queues ------------------------------------------------------------------ */

struct host_queue {
	struct host_space *s;
	u64 bus;		/* of the context's page */
	struct npu_context *context;
	struct npu_job_desc *ring;
	struct npu_report *reports;
	u64 ring_bus;
	u64 report_bus;
	u32 order;
	u32 slot;		/* where it was bound last */
	u64 sequence;		/* of the last job written */
};

struct host_queue *host_queue_new(struct host_space *s, u32 number, u32 priority, u32 order);
void host_queue_free(struct host_queue *q);
void host_bind(struct host_queue *q, u32 slot);
void host_command(struct host_queue *q, u32 command);
u32 host_state(struct host_queue *q);
/* Write a ring entry and the index; returns the sequence number. */
u64 host_push(struct host_queue *q, u64 stream, u32 size, u64 bases, u32 n, u32 flags);
void host_ring_doorbell(struct host_queue *q);
u64 host_done(struct host_queue *q);

/* ---- Streams -------------------------------------------------------------------- */

struct host_result {
	u32 fault;		/* enum npu_fault */
	u32 detail;
	u32 access;
	u64 va;
	u64 offset;
	struct npu_report report;
};

/*
 * Execute a stream (with its header) to its end on a queue of the space, in
 * the calling thread or, if they run, on the threads. Returns 0 or -1 with
 * the fault in @result.
 */
int host_run(struct host_space *s, const void *stream, u32 size,
	     const struct npu_base *bases, u32 n, struct host_result *result);

#endif /* _HOST_H_ */

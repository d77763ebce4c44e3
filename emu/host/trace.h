/* SPDX-License-Identifier: MIT */
/*
 * A recorder between the device model and its host. What it writes, and the
 * exact form, is in Documentation/trace.rst.
 *
 * The host calls these functions in place of those of npu_model.h. Without a
 * file they do nothing else. With one, calls take turns (so registers wait
 * for tiles), and the model works on copies of the host's memory: the record
 * has exactly what the model has seen, and trace_replay() gets the same from
 * it, to the bit.
 *
 * Threads: as npu_model.h says, but that none of these functions may be
 * called with the host's lock held, nor by a function of struct npu_host_ops.
 */
#ifndef _TRACE_H_
#define _TRACE_H_

#include <pthread.h>
#include <stdio.h>

#include "npu_kernels.h"
#include "npu_model.h"

#define TRACE_VERSION	1
#define TRACE_WINDOWS	64	/* that the model borrows at one time, at most */
#define TRACE_WINDOW	4096u	/* bytes of one, at most */

/**
 * struct trace - a model and its recorder
 * @file: where it records, NULL = it does not; set before trace_power()
 * @grain: nanoseconds that time counts in, as the model sees it; 1 unless the host says otherwise
 * @kernels: inner loops of the model; trace_init() chooses the best ones
 * @failed: the file took no more, or there was no memory, which was said on stderr;
 *	nothing is recorded any longer
 */
struct trace {
	FILE *file;
	u64 grain;
	const struct npu_kernels *kernels;
	bool failed;

	/* private: */
	struct npu_model *model;
	const struct npu_host_ops *ops;
	void *host;
	u32 cores;

	pthread_mutex_t lock;	/* of the turns */
	pthread_cond_t moved;
	u64 next_turn;		/* to be given */
	u64 turn;		/* whose it is; it protects what follows */
	pthread_t owner;	/* of the turn, while @busy */
	bool busy;
	struct trace_replay *replay;	/* lines come from there, and are compared */
	void *pages;		/* tree of what was last told of the memory */
	struct trace_window {
		u8 *copy;	/* of the model, nobody else's */
		u8 *before;	/* writable windows: @copy when it was last written back */
		u8 *real;	/* writable windows: of the host */
		u64 bus;
		u64 len;	/* 0: not in use */
	} window[TRACE_WINDOWS];
	u8 *copies;		/* memory of all windows */
	FILE *call;		/* text of the call under way */
	char *text;
	size_t size;
	u64 now;
	u32 asked;		/* questions of the model to its host in this call */
	bool reading;		/* a register */
	bool effect;		/* more than the time was asked for */
	u64 effects;		/* calls that may have changed anything */
	u64 quiet[NPU_MAX_CORES];	/* @effects when the core last had nothing to do */
	enum npu_step last[NPU_MAX_CORES];	/* what it said */
};

/* Choose inner loops by name; NULL: the best ones. Tells why there are none. */
bool trace_kernels(struct trace *t, const char *name);

/*
 * Begin with no memory known, and the kernels that the environment variable NPU_KERNELS names;
 * @file may be NULL. Returns false without memory, or if there are no such kernels.
 */
bool trace_init(struct trace *t, FILE *file);
/* The model is the host's to free. */
void trace_fini(struct trace *t);

/* As npu_model_init(); takes the host's lock. t->model is the model. */
void trace_power(struct trace *t, void *mem, const struct npu_model_config *config,
		 const struct npu_host_ops *ops, void *host);
u32 trace_read(struct trace *t, u32 reg);
void trace_write(struct trace *t, u32 reg, u32 value);
void trace_doorbell(struct trace *t, u32 slot, u32 value);
void trace_timer(struct trace *t);
enum npu_step trace_step(struct trace *t, u32 core);
bool trace_inject(struct trace *t, enum npu_inject what, u64 arg);
void trace_leave(struct trace *t);

/**
 * struct trace_result - what became of a replay
 * @lines: that were read
 * @calls: of the model among them
 * @error: why it ended, empty if at the end of the file
 * @bad: it is no record, or cannot be read; else the model did something else
 */
struct trace_result {
	u64 lines;
	u64 calls;
	char error[512];
	bool bad;
};

/**
 * trace_replay() - do with a new model what a record says
 * @in: record; hostile ones are welcome
 * @result: out
 *
 * A record, or a part of it before another header, may end within a call, or a line, of a
 * recorder that was killed.
 *
 * Return: true if the model has answered, written and raised all that stands in the record,
 * and nothing else.
 */
bool trace_replay(FILE *in, struct trace_result *result);

/* Names of the lines of a record, in no order; NULL is the last. */
extern const char *const trace_kinds[];

#endif /* _TRACE_H_ */

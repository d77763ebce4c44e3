/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program that bench.py measures. It tells on its output which workloads it has, and then
 * measures on demand; a line each way:
 *
 *	has NAME MACS		it can do this one, which multiplies so many times
 *	lacks NAME REASON
 *	ready TEXT		what it is; from now on it listens
 *
 *	NAME MS			run the workload for so many milliseconds, once at least
 *	RUNS CLOCK CPU ALL	so many runs took nanoseconds of the clock, of the thread that
 *				counts, of it and its helpers
 *	error TEXT		instead of it
 */
#ifndef _PARTICIPANT_H_
#define _PARTICIPANT_H_

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/**
 * struct workload - something to be measured
 * @run: does it once; false: it failed, and has said why on stderr
 * @begin: before a measurement, not part of it; may be NULL
 * @end: behind it
 * @arg: their argument
 * @macs: multiplications in a run, 0 if nobody counts
 */
struct workload {
	bool (*run)(void *arg);
	void (*begin)(void *arg);
	void (*end)(void *arg);
	void *arg;
	uint64_t macs;
};

/* What is registered is served until the input ends; returns the exit code of the program. */
void participant_has(const char *name, const struct workload *workload);
void participant_lacks(const char *name, const char *reason);
int participant_serve(const char *text);

/* Ends the program. */
void participant_die(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* A file in a folder; ends the program if it cannot be read. */
char *participant_load(const char *folder, const char *name, const char *suffix, size_t *size);

/* Nanoseconds. */
uint64_t participant_now(clockid_t clock);

/* Another thread, on the n-th CPU, that computes while it is measured, for begin(). */
void participant_helper(void *(*run)(void *arg), void *arg, unsigned int n);
/* For end(): all end. */
void participant_join(void);

/* Bind this thread to the n-th CPU of those that the program was started on. */
void participant_pin(unsigned int n);

#endif /* _PARTICIPANT_H_ */

/* SPDX-License-Identifier: MIT */
/*
 * Commands for a running device, one line each; the answer is "ok", a value, or
 * "error: " and a reason:
 *
 *	fault NAME NUMBER	faults on demand: those of configfs but interrupts
 *	bus_errors		accesses of the device to memory that is not there
 *	kill			the worker dies: surprise removal (the supervisor's)
 *	restart			a new worker takes the place of one that died
 */
#ifndef _CONTROL_H_
#define _CONTROL_H_

#include <stdbool.h>
#include <stddef.h>

#include "npu_model.h"

/* Answers commands that come from a SOCK_SEQPACKET in a thread of its own. */
bool control_start(struct npu_model *model, int socket);

/* The same for one line. */
void control_line(struct npu_model *model, const char *line, char *answer, size_t size);

#endif /* _CONTROL_H_ */

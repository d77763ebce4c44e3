/* SPDX-License-Identifier: MIT */
/*
 * Commands for a running device, one line each; the answer is "ok", a value, or
 * "error: " and a reason. Faults are those of configfs, see Documentation/emulator.rst,
 * and like them end with the device, and with a reset by its bus:
 *
 *	fault NAME VALUE	make it happen; VALUE is a number or, of what is
 *				counted, "all"
 *	fault NAME		what was asked for, or what is left of it
 *	faults			their names
 *	bus_errors		accesses of the device to memory that is not there
 *	kill			the worker dies: surprise removal (the supervisor's)
 *	restart			a new worker takes the place of one that died (likewise)
 */
#ifndef _CONTROL_H_
#define _CONTROL_H_

#include <stdbool.h>
#include <stddef.h>

#include "device.h"

/* Answers commands that come from a SOCK_SEQPACKET in a thread of its own. */
bool control_start(struct npu_pci *npu, int socket);

/* The same for one line. */
void control_line(struct npu_pci *npu, const char *line, char *answer, size_t size);

#endif /* _CONTROL_H_ */

/* SPDX-License-Identifier: MIT */
/*
 * Keeps the client's socket while devices come and go. Each client gets a device
 * in a process of its own (the worker), and messages pass through here. If the
 * worker dies, the client sees a device that has disappeared (all ones) instead
 * of a broken connection, which would end QEMU. A new worker can take its place:
 * it gets memory and interrupts as the client has given them, and is otherwise
 * as after power-on.
 */
#ifndef _SUPERVISOR_H_
#define _SUPERVISOR_H_

#include <stdbool.h>

#include "device.h"

/**
 * struct supervisor_options - what to run
 * @device: of each client
 * @path: of the socket; PATH.control takes commands, see control.h
 * @restart: a worker that dies is replaced at once
 */
struct supervisor_options {
	struct npu_pci_options device;
	const char *path;
	bool restart;
};

/* Serves one client after the other until SIGTERM or SIGINT. Returns an exit code. */
int supervisor_run(const struct supervisor_options *options);

#endif /* _SUPERVISOR_H_ */

/* SPDX-License-Identifier: MIT */
/* The client's side of vfio-user, for tests: what QEMU is otherwise. */
#ifndef _CLIENT_H_
#define _CLIENT_H_

#include "vfio_user.h"

/* Begins a request with @size bytes of zeros; returns them. */
void *client_begin(struct vfu_message *m, uint16_t command, size_t size);

/* Sends a request and reads its reply. Returns 0, the error of the reply, or -EIO. */
int client_call(int socket, struct vfu_message *m);

int client_version(int socket);
int client_read(int socket, uint32_t region, uint64_t offset, void *data, uint32_t count);
int client_write(int socket, uint32_t region, uint64_t offset, const void *data, uint32_t count);
uint32_t client_read32(int socket, uint32_t region, uint64_t offset);
int client_write32(int socket, uint32_t region, uint64_t offset, uint32_t value);
int client_map(int socket, uint64_t addr, uint64_t size, int fd, uint64_t offset, uint32_t flags);
int client_unmap(int socket, uint64_t addr, uint64_t size);
/* @fd: an eventfd for one vector; -1 takes it away. */
int client_irq(int socket, uint32_t index, uint32_t vector, int fd);

#endif /* _CLIENT_H_ */

/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory, as far as the client lends it. The device borrows spans
 * of it from any thread; taking memory away waits until nobody has a span of it.
 */
#ifndef _MEMORY_H_
#define _MEMORY_H_

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_AREAS	256

/**
 * struct memory_area - a piece of guest memory
 * @addr: bus address
 * @size: bytes
 * @ptr: where it is in this process; NULL: the entry is free
 * @writable: by the device
 * @leaving: no more spans
 * @users: spans that are borrowed
 */
struct memory_area {
	uint64_t addr;
	uint64_t size;
	uint8_t *ptr;
	bool writable;
	bool leaving;
	unsigned int users;
};

/**
 * struct memory - all of it
 * @lock: protects what follows; held for the time of a look
 * @idle: signalled when an area that is leaving loses its last user
 * @area: in no order
 * @areas: how many entries are in use at most
 */
struct memory {
	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct memory_area area[MEMORY_AREAS];
	unsigned int areas;
};

void memory_init(struct memory *memory);
void memory_fini(struct memory *memory);

/**
 * memory_add() - the client lends memory
 * @memory: guest memory
 * @addr: bus address, page aligned as all that follow
 * @size: bytes
 * @fd: of the file that it is; still the caller's
 * @offset: in the file
 * @writable: may the device write?
 *
 * Return: 0; -EINVAL: alignment, or beyond the end of the file; -EEXIST: overlaps
 * with other memory; -ENOSPC: too many pieces; errno of mmap().
 */
int memory_add(struct memory *memory, uint64_t addr, uint64_t size, int fd, uint64_t offset,
	       bool writable);

/**
 * memory_remove() - the client takes memory away
 * @memory: guest memory
 * @addr: bus address
 * @size: bytes; all pieces that lie in the range
 *
 * Waits until the device has given back what it has borrowed.
 * Return: 0, also if there was none; -EINVAL: a piece lies in the range partly.
 */
int memory_remove(struct memory *memory, uint64_t addr, uint64_t size);

/**
 * memory_borrow() - use memory
 * @memory: guest memory
 * @addr: bus address
 * @size: bytes wanted
 * @write: for writing
 * @len: out: how many bytes there are in a row
 *
 * Return: a pointer, to be given to memory_return(); NULL: nothing there.
 */
void *memory_borrow(struct memory *memory, uint64_t addr, uint64_t size, bool write,
		    uint64_t *len);
void memory_return(struct memory *memory, const void *ptr);

#endif /* _MEMORY_H_ */

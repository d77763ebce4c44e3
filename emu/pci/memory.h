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
#include <sys/types.h>

#define MEMORY_AREAS	65536u	/* as many as Linux maps for a client of VFIO */
#define MEMORY_FILES	16u

/**
 * struct memory_file - what guest memory is a piece of
 * @dev: which file
 * @ino: likewise
 * @ptr: all of it in this process
 * @size: bytes
 * @writable: it is mapped so
 * @areas: pieces of it; 0: the entry is free
 */
struct memory_file {
	dev_t dev;
	ino_t ino;
	uint8_t *ptr;
	uint64_t size;
	bool writable;
	unsigned int areas;
};

/**
 * struct memory_area - a piece of guest memory; behind an IOMMU often a single page
 * @addr: bus address
 * @size: bytes
 * @ptr: where it is in this process
 * @file: that it is a piece of
 * @writable: by the device
 */
struct memory_area {
	uint64_t addr;
	uint64_t size;
	uint8_t *ptr;
	struct memory_file *file;
	bool writable;
};

/* What is borrowed. */
struct memory_span {
	const void *ptr;
	uint64_t first;
	uint64_t last;
};

/**
 * struct memory - all of it
 * @lock: protects what follows; held for the time of a look
 * @idle: signalled when a span is given back that somebody waits for
 * @file: files
 * @area: sorted by address
 * @areas: how many
 * @area_room: for how many there is memory
 * @span: in no order
 * @spans: how many
 * @span_room: for how many there is memory
 * @leaving: memory is being taken away
 * @first: from this address
 * @last: to this one
 */
struct memory {
	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct memory_file file[MEMORY_FILES];
	struct memory_area *area;
	unsigned int areas;
	unsigned int area_room;
	struct memory_span *span;
	unsigned int spans;
	unsigned int span_room;
	bool leaving;
	uint64_t first;
	uint64_t last;
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
 * with other memory; -ENOSPC: too many pieces or files; -EACCES: the file may not be written;
 * -ENOMEM; errno of mmap().
 */
int memory_add(struct memory *memory, uint64_t addr, uint64_t size, int fd, uint64_t offset,
	       bool writable);

/**
 * memory_remove() - the client takes memory away
 * @memory: guest memory; one caller at a time
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
void memory_return(struct memory *memory, const void *ptr, uint64_t len);

#endif /* _MEMORY_H_ */

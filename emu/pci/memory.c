// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "memory.h"

#define PAGE	4096u

void memory_init(struct memory *memory)
{
	*memory = (struct memory){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.idle = PTHREAD_COND_INITIALIZER,
	};
}

void memory_fini(struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->areas; i++) {
		if (memory->area[i].ptr)
			munmap(memory->area[i].ptr, memory->area[i].size);
	}
	memory->areas = 0;
}

static uint64_t area_last(const struct memory_area *area)
{
	return area->addr + (area->size - 1);
}

/* The area that has an address of [first, last]; NULL: there is none. */
static struct memory_area *find_overlap(struct memory *memory, uint64_t first, uint64_t last)
{
	struct memory_area *area;
	unsigned int i;

	for (i = 0; i < memory->areas; i++) {
		area = &memory->area[i];
		if (area->ptr && area->addr <= last && area_last(area) >= first)
			return area;
	}
	return NULL;
}

static struct memory_area *find_free(struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->areas; i++) {
		if (!memory->area[i].ptr)
			return &memory->area[i];
	}
	return memory->areas < MEMORY_AREAS ? &memory->area[memory->areas++] : NULL;
}

/* An access beyond the end of a file would kill us. */
static bool file_has(int fd, uint64_t offset, uint64_t size)
{
	struct stat st;
	uint64_t end;

	return !fstat(fd, &st) && !__builtin_add_overflow(offset, size, &end) &&
	       end <= (uint64_t)st.st_size;
}

static int area_add(struct memory *memory, const struct memory_area *new)
{
	struct memory_area *area;

	if (find_overlap(memory, new->addr, area_last(new)))
		return -EEXIST;
	area = find_free(memory);
	if (!area)
		return -ENOSPC;
	*area = *new;
	return 0;
}

int memory_add(struct memory *memory, uint64_t addr, uint64_t size, int fd, uint64_t offset,
	       bool writable)
{
	struct memory_area new = { .addr = addr, .size = size, .writable = writable };
	uint64_t end;
	int ret;

	if (!size || (addr | size | offset) % PAGE ||
	    __builtin_add_overflow(addr, size - 1, &end) || !file_has(fd, offset, size))
		return -EINVAL;
	new.ptr = mmap(NULL, size, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd,
		       (off_t)offset);
	if (new.ptr == MAP_FAILED)
		return -errno;

	pthread_mutex_lock(&memory->lock);
	ret = area_add(memory, &new);
	pthread_mutex_unlock(&memory->lock);
	if (ret)
		munmap(new.ptr, size);
	return ret;
}

/* Does no area lie in the range partly? */
static bool is_clean_cut(struct memory *memory, uint64_t first, uint64_t last)
{
	struct memory_area *area;
	unsigned int i;

	for (i = 0; i < memory->areas; i++) {
		area = &memory->area[i];
		if (area->ptr && area->addr <= last && area_last(area) >= first &&
		    (area->addr < first || area_last(area) > last))
			return false;
	}
	return true;
}

/* The lock is dropped while somebody still has a span. */
static void area_remove(struct memory *memory, struct memory_area *area)
{
	area->leaving = true;
	while (area->users)
		pthread_cond_wait(&memory->idle, &memory->lock);
	munmap(area->ptr, area->size);
	*area = (struct memory_area){ 0 };
}

int memory_remove(struct memory *memory, uint64_t addr, uint64_t size)
{
	struct memory_area *area;
	int ret = -EINVAL;
	uint64_t last;

	if (!size || __builtin_add_overflow(addr, size - 1, &last))
		return -EINVAL;
	pthread_mutex_lock(&memory->lock);
	if (is_clean_cut(memory, addr, last)) {
		while ((area = find_overlap(memory, addr, last)))
			area_remove(memory, area);
		ret = 0;
	}
	pthread_mutex_unlock(&memory->lock);
	return ret;
}

void *memory_borrow(struct memory *memory, uint64_t addr, uint64_t size, bool write,
		    uint64_t *len)
{
	struct memory_area *area;
	uint8_t *ptr = NULL;
	uint64_t left;

	pthread_mutex_lock(&memory->lock);
	area = find_overlap(memory, addr, addr);
	if (area && !area->leaving && (area->writable || !write)) {
		left = area_last(area) - addr + 1;
		*len = size < left ? size : left;
		ptr = area->ptr + (addr - area->addr);
		area->users++;
	}
	pthread_mutex_unlock(&memory->lock);
	return ptr;
}

void memory_return(struct memory *memory, const void *ptr)
{
	const uint8_t *p = ptr;
	struct memory_area *area;
	unsigned int i;

	pthread_mutex_lock(&memory->lock);
	for (i = 0; i < memory->areas; i++) {
		area = &memory->area[i];
		if (area->ptr && p >= area->ptr && p < area->ptr + area->size) {
			if (!--area->users && area->leaving)
				pthread_cond_broadcast(&memory->idle);
			break;
		}
	}
	pthread_mutex_unlock(&memory->lock);
}

// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "memory.h"
#include "room.h"

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

	for (i = 0; i < MEMORY_FILES; i++) {
		if (memory->file[i].areas)
			munmap(memory->file[i].ptr, memory->file[i].size);
	}
	free(memory->area);
	free(memory->span);
	memory_init(memory);
}

/* ---- Files ----------------------------------------------------------------------- */

static struct memory_file *file_find(struct memory *memory, const struct stat *st)
{
	unsigned int i;

	for (i = 0; i < MEMORY_FILES; i++) {
		struct memory_file *file = &memory->file[i];

		if (file->areas && file->dev == st->st_dev && file->ino == st->st_ino)
			return file;
	}
	return NULL;
}

static int file_map(struct memory_file *file, int fd, const struct stat *st)
{
	int protection = PROT_READ | PROT_WRITE;

	*file = (struct memory_file){ .dev = st->st_dev, .ino = st->st_ino,
				      .size = (uint64_t)st->st_size, .writable = true };
	file->ptr = mmap(NULL, file->size, protection, MAP_SHARED, fd, 0);
	if (file->ptr == MAP_FAILED && errno == EACCES) {
		file->writable = false;
		file->ptr = mmap(NULL, file->size, PROT_READ, MAP_SHARED, fd, 0);
	}
	return file->ptr == MAP_FAILED ? -errno : 0;
}

/* A file of which there is no piece yet is mapped as a whole. */
static int file_get(struct memory *memory, int fd, const struct stat *st,
		    struct memory_file **file)
{
	unsigned int i;

	*file = file_find(memory, st);
	if (*file)
		return 0;
	for (i = 0; i < MEMORY_FILES && memory->file[i].areas; i++)
		;
	if (i == MEMORY_FILES)
		return -ENOSPC;
	*file = &memory->file[i];
	return file_map(*file, fd, st);
}

/* There may be no piece of it left. */
static void file_put(struct memory_file *file)
{
	if (!file->areas)
		munmap(file->ptr, file->size);
}

/* ---- Areas ----------------------------------------------------------------------- */

static uint64_t area_last(const struct memory_area *area)
{
	return area->addr + (area->size - 1);
}

/* Index of the first area that does not end before @addr. */
static unsigned int area_at(const struct memory *memory, uint64_t addr)
{
	unsigned int low = 0, high = memory->areas, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (area_last(&memory->area[middle]) < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_taken(const struct memory *memory, uint64_t first, uint64_t last)
{
	unsigned int i = area_at(memory, first);

	return i < memory->areas && memory->area[i].addr <= last;
}

/* An access beyond the end of a file would kill us. */
static bool has_range(uint64_t size, uint64_t offset, uint64_t n)
{
	uint64_t end;

	return !__builtin_add_overflow(offset, n, &end) && end <= size;
}

static int area_insert(struct memory *memory, const struct memory_area *new)
{
	unsigned int i = area_at(memory, new->addr);

	if (memory->areas == MEMORY_AREAS)
		return -ENOSPC;
	if (!make_room((void **)&memory->area, &memory->area_room, memory->areas,
		       sizeof(*memory->area)))
		return -ENOMEM;
	memmove(&memory->area[i + 1], &memory->area[i],
		(memory->areas - i) * sizeof(*memory->area));
	memory->area[i] = *new;
	memory->areas++;
	new->file->areas++;
	return 0;
}

static int area_add(struct memory *memory, struct memory_area *new, int fd,
		    const struct stat *st, uint64_t offset)
{
	int ret;

	if (is_taken(memory, new->addr, area_last(new)))
		return -EEXIST;
	ret = file_get(memory, fd, st, &new->file);
	if (ret)
		return ret;
	if (!has_range(new->file->size, offset, new->size))
		ret = -EINVAL;
	else if (new->writable && !new->file->writable)
		ret = -EACCES;
	new->ptr = new->file->ptr + offset;
	if (!ret)
		ret = area_insert(memory, new);
	file_put(new->file);
	return ret;
}

int memory_add(struct memory *memory, uint64_t addr, uint64_t size, int fd, uint64_t offset,
	       bool writable)
{
	struct memory_area new = { .addr = addr, .size = size, .writable = writable };
	struct stat st;
	uint64_t end;
	int ret;

	if (!size || (addr | size | offset) % PAGE ||
	    __builtin_add_overflow(addr, size - 1, &end) || fstat(fd, &st) ||
	    !has_range((uint64_t)st.st_size, offset, size))
		return -EINVAL;
	pthread_mutex_lock(&memory->lock);
	ret = area_add(memory, &new, fd, &st, offset);
	pthread_mutex_unlock(&memory->lock);
	return ret;
}

static bool is_borrowed(const struct memory *memory, uint64_t first, uint64_t last)
{
	unsigned int i;

	for (i = 0; i < memory->spans; i++) {
		if (memory->span[i].first <= last && memory->span[i].last >= first)
			return true;
	}
	return false;
}

/* The lock is dropped while somebody still has a span. */
static void areas_remove(struct memory *memory, uint64_t first, uint64_t last)
{
	unsigned int from, to;

	memory->leaving = true;
	memory->first = first;
	memory->last = last;
	while (is_borrowed(memory, first, last))
		pthread_cond_wait(&memory->idle, &memory->lock);
	memory->leaving = false;

	from = area_at(memory, first);
	for (to = from; to < memory->areas && memory->area[to].addr <= last; to++) {
		memory->area[to].file->areas--;
		file_put(memory->area[to].file);
	}
	memmove(&memory->area[from], &memory->area[to],
		(memory->areas - to) * sizeof(*memory->area));
	memory->areas -= to - from;
}

/* Does no area lie in the range partly? */
static bool is_clean_cut(const struct memory *memory, uint64_t first, uint64_t last)
{
	unsigned int from = area_at(memory, first), to = area_at(memory, last);

	return (from == memory->areas || memory->area[from].addr >= first ||
		memory->area[from].addr > last) &&
	       (to == memory->areas || memory->area[to].addr > last ||
		area_last(&memory->area[to]) == last);
}

int memory_remove(struct memory *memory, uint64_t addr, uint64_t size)
{
	int ret = -EINVAL;
	uint64_t last;

	if (!size || __builtin_add_overflow(addr, size - 1, &last))
		return -EINVAL;
	pthread_mutex_lock(&memory->lock);
	if (is_clean_cut(memory, addr, last)) {
		if (memory->areas)
			areas_remove(memory, addr, last);
		ret = 0;
	}
	pthread_mutex_unlock(&memory->lock);
	return ret;
}

/* ---- Spans ----------------------------------------------------------------------- */

static bool may_use(const struct memory_area *area, bool write)
{
	return area->writable || !write;
}

/* How many bytes there are in a row from @addr in area @i on, at most @size. */
static uint64_t row(const struct memory *memory, unsigned int i, uint64_t addr, uint64_t size,
		    bool write)
{
	uint64_t len = area_last(&memory->area[i]) - addr + 1;

	for (i++; i < memory->areas && len < size; i++) {
		const struct memory_area *last = &memory->area[i - 1], *next = &memory->area[i];

		if (next->addr != last->addr + last->size || next->ptr != last->ptr + last->size ||
		    next->file != last->file || !may_use(next, write))
			break;
		len += next->size;
	}
	return len < size ? len : size;
}

static bool is_leaving(const struct memory *memory, uint64_t first, uint64_t last)
{
	return memory->leaving && memory->first <= last && memory->last >= first;
}

void *memory_borrow(struct memory *memory, uint64_t addr, uint64_t size, bool write,
		    uint64_t *len)
{
	unsigned int i;
	uint8_t *ptr = NULL;

	pthread_mutex_lock(&memory->lock);
	i = area_at(memory, addr);
	if (i < memory->areas && memory->area[i].addr <= addr &&
	    may_use(&memory->area[i], write)) {
		*len = row(memory, i, addr, size, write);
		if (!is_leaving(memory, addr, addr + (*len - 1)) &&
		    make_room((void **)&memory->span, &memory->span_room, memory->spans,
			      sizeof(*memory->span))) {
			ptr = memory->area[i].ptr + (addr - memory->area[i].addr);
			memory->span[memory->spans++] =
				(struct memory_span){ ptr, addr, addr + (*len - 1) };
		}
	}
	pthread_mutex_unlock(&memory->lock);
	return ptr;
}

static bool is_span(const struct memory_span *span, const void *ptr, uint64_t len)
{
	return span->ptr == ptr && span->last - span->first == len - 1;
}

void memory_return(struct memory *memory, const void *ptr, uint64_t len)
{
	unsigned int i;

	pthread_mutex_lock(&memory->lock);
	for (i = 0; i < memory->spans && !is_span(&memory->span[i], ptr, len); i++)
		;
	if (i < memory->spans) {
		memory->span[i] = memory->span[--memory->spans];
		if (memory->leaving)
			pthread_cond_broadcast(&memory->idle);
	}
	pthread_mutex_unlock(&memory->lock);
}

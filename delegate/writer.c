// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "writer.h"

#define HEADER_SIZE	8

/* Append @size zeros; NULL on failure. */
static uint8_t *extend(struct writer *w, size_t size)
{
	size_t room = w->room ? w->room : 4096;
	uint8_t *bigger;

	if (w->failed || size > INT32_MAX - w->size) {
		w->failed = true;
		return NULL;
	}
	while (room - w->size < size)
		room *= 2;
	if (room > w->room) {
		bigger = realloc(w->data, room);
		if (!bigger) {
			w->failed = true;
			return NULL;
		}
		w->data = bigger;
		w->room = room;
	}
	memset(w->data + w->size, 0, size);
	w->size += size;
	return w->data + w->size - size;
}

/* So that what comes @ahead bytes later is aligned. */
static void align(struct writer *w, size_t alignment, size_t ahead)
{
	extend(w, (alignment - (w->size + ahead) % alignment) % alignment);
}

static void store16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static void store32(uint8_t *at, uint32_t value)
{
	store16(at, value & 0xffff);
	store16(at + 2, value >> 16);
}

static uint32_t load(const struct writer *w, size_t at, unsigned int size)
{
	return size == 2 ? w->data[at] | (uint32_t)w->data[at + 1] << 8 :
			   load(w, at, 2) | load(w, at + 2, 2) << 16;
}

void w_begin(struct writer *w, const char identifier[4])
{
	uint8_t *at = extend(w, HEADER_SIZE);

	if (at)
		memcpy(at + 4, identifier, 4);
}

static size_t place_sized(const struct w_field *fields, unsigned int count, uint8_t size,
			  size_t at, uint16_t *offset)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (fields[i].size != size)
			continue;
		offset[fields[i].id] = (uint16_t)at;
		at += size;
	}
	return at;
}

/* Numbers of 4 bytes first, so that nothing has to be aligned. */
static size_t place_fields(const struct w_field *fields, unsigned int count, uint16_t *offset)
{
	size_t size = place_sized(fields, count, 4, sizeof(int32_t), offset);

	return (place_sized(fields, count, 1, size, offset) + 3) / 4 * 4;
}

uint32_t w_table(struct writer *w, const struct w_field *fields, unsigned int count)
{
	uint16_t offset[WRITER_FIELDS_MAX] = { 0 };
	size_t size = place_fields(fields, count, offset), vtable = 2 * sizeof(uint16_t);
	unsigned int i, ids = 0;
	uint8_t *at;

	for (i = 0; i < count; i++)
		ids = fields[i].id >= ids ? fields[i].id + 1u : ids;
	vtable += ids * sizeof(uint16_t);
	align(w, 4, vtable);
	at = extend(w, vtable + size);
	if (!at)
		return 0;
	store16(at, vtable);
	store16(at + 2, size);
	for (i = 0; i < ids; i++)
		store16(at + 4 + 2 * (size_t)i, offset[i]);
	at += vtable;
	store32(at, (uint32_t)vtable);
	for (i = 0; i < count; i++) {
		if (fields[i].size == 4)
			store32(at + offset[fields[i].id], fields[i].value);
		else
			at[offset[fields[i].id]] = (uint8_t)fields[i].value;
	}
	/* The first one is the root. */
	if (!load(w, 0, 4))
		store32(w->data, (uint32_t)(at - w->data));
	return (uint32_t)(at - w->data);
}

/* The elements are aligned for any type. */
static uint32_t vector(struct writer *w, const void *data, size_t count, size_t size, size_t end)
{
	uint8_t *at;

	if (count > INT32_MAX / size) {
		w->failed = true;
		return 0;
	}
	align(w, 16, sizeof(uint32_t));
	at = extend(w, sizeof(uint32_t) + count * size + end);
	if (!at)
		return 0;
	store32(at, (uint32_t)count);
	if (data && count)
		memcpy(at + sizeof(uint32_t), data, count * size);
	return (uint32_t)(at - w->data);
}

uint32_t w_vector(struct writer *w, const void *data, size_t count, size_t size)
{
	return vector(w, data, count, size, 0);
}

uint32_t w_string(struct writer *w, const char *text)
{
	return vector(w, text, strlen(text), 1, 1);
}

uint32_t w_refs(struct writer *w, size_t count)
{
	return vector(w, NULL, count, sizeof(uint32_t), 0);
}

/* Where a table has its field @id. */
static uint32_t field_at(const struct writer *w, uint32_t table, unsigned int id)
{
	uint32_t vtable = table - load(w, table, 4);

	return table + load(w, vtable + 4 + 2 * (size_t)id, 2);
}

void w_set(struct writer *w, uint32_t table, unsigned int id, uint32_t target)
{
	uint32_t at;

	if (w->failed)
		return;
	at = field_at(w, table, id);
	store32(w->data + at, target - at);
}

void w_set_ref(struct writer *w, uint32_t refs, size_t i, uint32_t target)
{
	size_t at = refs + sizeof(uint32_t) * (i + 1);

	if (!w->failed)
		store32(w->data + at, target - (uint32_t)at);
}

void w_set_number(struct writer *w, uint32_t table, unsigned int id, uint32_t value)
{
	if (!w->failed)
		store32(w->data + field_at(w, table, id), value);
}

void w_set_int32(struct writer *w, uint32_t vector, size_t i, uint32_t value)
{
	if (!w->failed)
		store32(w->data + vector + sizeof(uint32_t) * (i + 1), value);
}

void w_set_int64(struct writer *w, uint32_t vector, size_t i, int64_t value)
{
	uint8_t *at;

	if (w->failed)
		return;
	at = w->data + vector + sizeof(uint32_t) + sizeof(value) * i;
	store32(at, (uint32_t)(uint64_t)value);
	store32(at + 4, (uint32_t)((uint64_t)value >> 32));
}

void w_free(struct writer *w)
{
	free(w->data);
	*w = (struct writer) { 0 };
}

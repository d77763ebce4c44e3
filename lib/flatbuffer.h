/* SPDX-License-Identifier: MIT */
/*
 * A strict reader of flatbuffers. Every access is checked; the first error
 * sticks in struct fb, and everything read from then on is absent or zero, so
 * that callers look at fb->error once in a while.
 */
#ifndef NPU_FLATBUFFER_H
#define NPU_FLATBUFFER_H

#include "internal.h"

struct fb {
	const uint8_t *data;
	size_t size;
	struct npu_error *err;
	int error;
};

/* A table; @at is 0 if it is absent. */
struct fb_table {
	struct fb *fb;
	uint32_t at;
	uint32_t vtable;
	uint16_t vtable_size;
	uint16_t size;
};

/* A vector; @data is NULL if it is absent. */
struct fb_vector {
	struct fb *fb;
	const uint8_t *data;
	uint32_t count;
};

/** fb_root() - root table of a buffer with this identifier */
struct fb_table fb_root(struct fb *fb, const char identifier[4]);

/** fb_scalar() - copy field @id of @size bytes to @value; unchanged if absent */
void fb_scalar(const struct fb_table *table, unsigned int id, void *value, unsigned int size);

struct fb_table fb_sub(const struct fb_table *table, unsigned int id);

/** fb_vector() - field @id as vector of elements of @size bytes */
struct fb_vector fb_vector(const struct fb_table *table, unsigned int id, unsigned int size);

/** fb_string() - field @id, bytes without the terminator */
struct fb_vector fb_string(const struct fb_table *table, unsigned int id);

/** fb_element() - table @i of a vector of tables, which has it */
struct fb_table fb_element(const struct fb_vector *vector, uint32_t i);

static inline int32_t fb_i32(const struct fb_table *table, unsigned int id, int32_t value)
{
	fb_scalar(table, id, &value, sizeof(value));
	return value;
}

static inline int8_t fb_i8(const struct fb_table *table, unsigned int id, int8_t value)
{
	fb_scalar(table, id, &value, sizeof(value));
	return value;
}

static inline float fb_f32(const struct fb_table *table, unsigned int id, float value)
{
	fb_scalar(table, id, &value, sizeof(value));
	return value;
}

static inline int32_t fb_i32_at(const struct fb_vector *vector, uint32_t i)
{
	int32_t value;

	memcpy(&value, vector->data + i * sizeof(value), sizeof(value));
	return value;
}

static inline int64_t fb_i64_at(const struct fb_vector *vector, uint32_t i)
{
	int64_t value;

	memcpy(&value, vector->data + i * sizeof(value), sizeof(value));
	return value;
}

static inline float fb_f32_at(const struct fb_vector *vector, uint32_t i)
{
	float value;

	memcpy(&value, vector->data + i * sizeof(value), sizeof(value));
	return value;
}

#endif /* NPU_FLATBUFFER_H */

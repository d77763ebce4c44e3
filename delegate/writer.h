/* SPDX-License-Identifier: MIT */
/*
 * A writer of flatbuffers. Parents are written before their children, and their
 * references set afterwards, so that all offsets are positive. What fails sticks:
 * everything after it does nothing, and callers look at @failed at the end.
 */
#ifndef DELEGATE_WRITER_H
#define DELEGATE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file under construction; all zero at first. */
struct writer {
	uint8_t *data;
	size_t size;
	size_t room;
	bool failed;	/* out of memory, or larger than a flatbuffer may be */
};

#define WRITER_FIELDS_MAX	16

/* A field of a table: a number, or a reference that w_set() sets. */
struct w_field {
	uint8_t id;
	uint8_t size;	/* 1 or 4 */
	uint32_t value;
};

/** w_begin() - header of a file whose root is the table that comes next */
void w_begin(struct writer *w, const char identifier[4]);

/** w_table() - table of at most WRITER_FIELDS_MAX fields; returns its place */
uint32_t w_table(struct writer *w, const struct w_field *fields, unsigned int count);

/** w_vector() - vector of numbers of @size bytes, zeros if @data is NULL; returns its place */
uint32_t w_vector(struct writer *w, const void *data, size_t count, size_t size);

/** w_string() - terminated string; returns its place */
uint32_t w_string(struct writer *w, const char *text);

/** w_refs() - vector of references; returns its place */
uint32_t w_refs(struct writer *w, size_t count);

/** w_set() - let field @id of @table refer to @target, which comes later */
void w_set(struct writer *w, uint32_t table, unsigned int id, uint32_t target);

/** w_set_ref() - let entry @i of the vector @refs refer to @target */
void w_set_ref(struct writer *w, uint32_t refs, size_t i, uint32_t target);

/** w_set_number() - change field @id of 4 bytes of @table */
void w_set_number(struct writer *w, uint32_t table, unsigned int id, uint32_t value);

/** w_set_int32() - change element @i of a vector of 4 bytes each */
void w_set_int32(struct writer *w, uint32_t vector, size_t i, uint32_t value);

/** w_set_int64() - change element @i of a vector of 8 bytes each */
void w_set_int64(struct writer *w, uint32_t vector, size_t i, int64_t value);

/** w_free() - forget the file */
void w_free(struct writer *w);

#endif /* DELEGATE_WRITER_H */

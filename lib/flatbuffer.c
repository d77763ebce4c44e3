// SPDX-License-Identifier: MIT
#include "flatbuffer.h"

static void broken(struct fb *fb, uint64_t at, const char *what)
{
	if (!fb->error)
		fb->error = npu_fail(fb->err, -EBADMSG, "the file is damaged: at byte %llu: %s",
				     (unsigned long long)at, what);
}

/* May @size bytes, aligned to @align, be read at @at? */
static bool readable(struct fb *fb, uint64_t at, uint64_t size, unsigned int align)
{
	if (fb->error)
		return false;
	if (at > fb->size || size > fb->size - at) {
		broken(fb, at, "reaches beyond the end of the file");
		return false;
	}
	if (at % align) {
		broken(fb, at, "is not aligned");
		return false;
	}
	return true;
}

static uint32_t load32(const struct fb *fb, uint32_t at)
{
	uint32_t value;

	memcpy(&value, fb->data + at, sizeof(value));
	return value;
}

static uint16_t load16(const struct fb *fb, uint32_t at)
{
	uint16_t value;

	memcpy(&value, fb->data + at, sizeof(value));
	return value;
}

/* Follow the unsigned offset stored at @at; 0 on error. */
static uint32_t follow(struct fb *fb, uint32_t at)
{
	uint32_t offset;

	if (!readable(fb, at, sizeof(offset), sizeof(offset)))
		return 0;
	offset = load32(fb, at);
	if (!offset || offset > fb->size - at) {
		broken(fb, at, "offset leads out of the file");
		return 0;
	}
	return at + offset;
}

static struct fb_table table_at(struct fb *fb, uint32_t at)
{
	struct fb_table none = { .fb = fb }, table = { .fb = fb, .at = at };
	int64_t vtable;

	if (!at || !readable(fb, at, sizeof(int32_t), sizeof(int32_t)))
		return none;
	vtable = (int64_t)at - (int32_t)load32(fb, at);
	if (vtable < 0)
		vtable = UINT32_MAX;
	if (!readable(fb, (uint64_t)vtable, 4, 2))
		return none;
	table.vtable = (uint32_t)vtable;
	table.vtable_size = load16(fb, table.vtable);
	table.size = load16(fb, table.vtable + 2);
	if (table.vtable_size < 4 || table.vtable_size % 2 || table.size < 4) {
		broken(fb, table.vtable, "is no vtable");
		return none;
	}
	if (!readable(fb, table.vtable, table.vtable_size, 2) ||
	    !readable(fb, at, table.size, 4))
		return none;
	return table;
}

struct fb_table fb_root(struct fb *fb, const char identifier[4])
{
	if (fb->size > INT32_MAX)
		fb->error = npu_fail(fb->err, -EBADMSG, "the file is larger than 2 GiB");
	else if (fb->size < 8 || memcmp(fb->data + 4, identifier, 4))
		fb->error = npu_fail(fb->err, -EBADMSG,
				     "this is no TensorFlow Lite file: the identifier %.4s is missing",
				     identifier);
	return table_at(fb, follow(fb, 0));
}

/* Where field @id of @size bytes is stored; 0 if absent. */
static uint32_t field(const struct fb_table *table, unsigned int id, unsigned int size)
{
	uint32_t entry = 4 + 2 * id, offset;

	if (!table->at || table->fb->error || entry + 2 > table->vtable_size)
		return 0;
	offset = load16(table->fb, table->vtable + entry);
	if (!offset)
		return 0;
	if (offset < 4 || offset + size > table->size) {
		broken(table->fb, table->vtable + entry, "field lies outside its table");
		return 0;
	}
	return readable(table->fb, table->at + offset, size, size) ? table->at + offset : 0;
}

void fb_scalar(const struct fb_table *table, unsigned int id, void *value, unsigned int size)
{
	uint32_t at = field(table, id, size);

	if (at)
		memcpy(value, table->fb->data + at, size);
}

struct fb_table fb_sub(const struct fb_table *table, unsigned int id)
{
	uint32_t at = field(table, id, sizeof(uint32_t));

	return table_at(table->fb, at ? follow(table->fb, at) : 0);
}

struct fb_vector fb_vector(const struct fb_table *table, unsigned int id, unsigned int size)
{
	struct fb_vector vector = { .fb = table->fb };
	uint32_t at = field(table, id, sizeof(uint32_t)), count;

	if (at)
		at = follow(table->fb, at);
	if (!at || !readable(table->fb, at, sizeof(count), sizeof(count)))
		return vector;
	count = load32(table->fb, at);
	at += sizeof(count);
	if (!readable(table->fb, at, (uint64_t)count * size, count ? size : 1))
		return vector;
	vector.count = count;
	vector.data = table->fb->data + at;
	return vector;
}

struct fb_vector fb_string(const struct fb_table *table, unsigned int id)
{
	struct fb_vector vector = fb_vector(table, id, 1);
	uint64_t end;

	if (!vector.data)
		return vector;
	end = (uint64_t)(vector.data - table->fb->data) + vector.count;
	if (readable(table->fb, end, 1, 1) && table->fb->data[end])
		broken(table->fb, end, "string is not terminated");
	return vector;
}

struct fb_table fb_element(const struct fb_vector *vector, uint32_t i)
{
	struct fb *fb = vector->fb;
	uint32_t at = (uint32_t)(vector->data - fb->data) + 4 * i;

	return table_at(fb, follow(fb, at));
}

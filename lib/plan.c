// SPDX-License-Identifier: MIT
/*
 * Where intermediate results lie in the arena: large ones first, each at the
 * lowest place that no other one occupies while both are needed.
 */
#include "compile.h"

static int larger_first(const void *a, const void *b)
{
	const struct value *x = *(struct value * const *)a, *y = *(struct value * const *)b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x > y) - (x < y);
}

static bool lifetimes_meet(const struct value *x, const struct value *y)
{
	return x->first <= y->last && y->first <= x->last;
}

/* @placed is sorted by offset; @n entries. */
static uint64_t find_place(struct value **placed, unsigned int n, const struct value *value)
{
	uint64_t size = align_up(value->bytes, NPU_CONST_ALIGN), offset = 0, end;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!lifetimes_meet(placed[i], value))
			continue;
		if (placed[i]->offset >= offset && placed[i]->offset - offset >= size)
			break;
		end = placed[i]->offset + align_up(placed[i]->bytes, NPU_CONST_ALIGN);
		if (end > offset)
			offset = end;
	}
	return offset;
}

bool plan_arena(struct compile *c)
{
	unsigned int count = c->model.tensors.count, n = 0, i, at;
	struct value **todo, **placed, *value;
	__le64 *size = &c->program->bases[NPU_BASE_ARENA].size;
	uint64_t end;

	todo = calloc(2ul * count + 1, sizeof(*todo));
	if (!todo)
		return false;
	placed = todo + count;
	for (i = 0; i < count; i++) {
		value = &c->values[i];
		if (value->available && value->alias == i && !value->placed && !value->constant &&
		    value->type != NPU_TYPE_F32 && value->bytes)
			todo[n++] = value;
	}
	qsort(todo, n, sizeof(*todo), larger_first);
	for (i = 0; i < n; i++) {
		value = todo[i];
		value->base = NPU_BASE_ARENA;
		value->offset = find_place(placed, i, value);
		value->placed = true;
		for (at = i; at && placed[at - 1]->offset > value->offset; at--)
			placed[at] = placed[at - 1];
		placed[at] = value;
		end = value->offset + align_up(value->bytes, NPU_CONST_ALIGN);
		if (end > *size)
			*size = end;
	}
	free(todo);
	return true;
}

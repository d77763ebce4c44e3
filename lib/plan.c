// SPDX-License-Identifier: MIT
/*
 * Where intermediate results lie in the arena: one after the other, each at the lowest
 * place that no other one occupies while both are needed. Which one comes first decides how well
 * that goes, so several orders are tried, until the arena has the size of what is
 * needed at one time. In a chain of operators, where that is two neighbours, results lie at
 * its two ends in turn.
 */
#include "compile.h"

static uint64_t room(const struct value *v)
{
	return align_up(v->bytes, NPU_CONST_ALIGN);
}

static uint64_t end_of(const struct value *v)
{
	return v->offset + room(v);
}

static uint64_t lifetime(const struct value *v)
{
	return v->last - v->first + 1ull;
}

static int compare(uint64_t x, uint64_t y)
{
	return (x > y) - (x < y);
}

/* The first one first; then the first in the file. */
static int by_time(const struct value *x, const struct value *y)
{
	int ret = compare(x->first, y->first);

	return ret ? ret : (x > y) - (x < y);
}

static int larger_first(const void *a, const void *b)
{
	const struct value *x = *(struct value * const *)a, *y = *(struct value * const *)b;
	int ret = compare(room(y), room(x));

	return ret ? ret : by_time(x, y);
}

static int longer_first(const void *a, const void *b)
{
	const struct value *x = *(struct value * const *)a, *y = *(struct value * const *)b;
	int ret = compare(lifetime(y), lifetime(x));

	return ret ? ret : larger_first(a, b);
}

static int earlier_first(const void *a, const void *b)
{
	const struct value *x = *(struct value * const *)a, *y = *(struct value * const *)b;
	int ret = compare(x->first, y->first);

	return ret ? ret : larger_first(a, b);
}

/* Size times lifetime, as far as that can be compared. */
static int heavier_first(const void *a, const void *b)
{
	const struct value *x = *(struct value * const *)a, *y = *(struct value * const *)b;
	int ret = compare(room(y) * lifetime(y), room(x) * lifetime(x));

	return ret ? ret : by_time(x, y);
}

static bool lifetimes_meet(const struct value *x, const struct value *y)
{
	return x->first <= y->last && y->first <= x->last;
}

/* @placed is sorted by offset; @n entries. */
static uint64_t find_place(struct value **placed, unsigned int n, const struct value *value)
{
	uint64_t size = room(value), offset = 0, end;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!lifetimes_meet(placed[i], value))
			continue;
		if (placed[i]->offset >= offset && placed[i]->offset - offset >= size)
			break;
		end = end_of(placed[i]);
		if (end > offset)
			offset = end;
	}
	return offset;
}

/* The highest place below @top, or else the lowest. */
static uint64_t find_high_place(struct value **placed, unsigned int n, const struct value *value,
				uint64_t top)
{
	uint64_t size = room(value);
	unsigned int i;

	for (i = n; i-- && size <= top;) {
		/* Those seen so far begin at @top or above; a lower one may end higher. */
		if (lifetimes_meet(placed[i], value) && end_of(placed[i]) > top - size &&
		    placed[i]->offset < top)
			top = placed[i]->offset;
	}
	return size <= top ? top - size : find_place(placed, n, value);
}

/* Returns the size of the arena. @top: every other one as high as possible below it, 0 = none. */
static uint64_t place_all(struct value **todo, struct value **placed, unsigned int n, uint64_t top)
{
	uint64_t size = 0;
	unsigned int i, at;

	for (i = 0; i < n; i++) {
		todo[i]->offset = top && i % 2 ? find_high_place(placed, i, todo[i], top) :
						 find_place(placed, i, todo[i]);
		for (at = i; at && placed[at - 1]->offset > todo[i]->offset; at--)
			placed[at] = placed[at - 1];
		placed[at] = todo[i];
		if (end_of(todo[i]) > size)
			size = end_of(todo[i]);
	}
	return size;
}

/* What is needed at one time, at the most: no arena is smaller. */
static uint64_t least_size(struct value **todo, unsigned int n, uint32_t ops, uint64_t *change)
{
	uint64_t live = 0, most = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		change[todo[i]->first] += room(todo[i]);
		change[todo[i]->last + 1] -= room(todo[i]);
	}
	for (i = 0; i <= ops; i++) {
		live += change[i];
		if (live > most)
			most = live;
	}
	return most;
}

static int higher_first(const void *a, const void *b)
{
	return compare(end_of(*(struct value * const *)b), end_of(*(struct value * const *)a));
}

/* The first operator from @op on that has no place yet; entries point on, at last to itself. */
static uint64_t next_open(uint64_t *next, uint64_t op)
{
	while (next[op] != op) {
		next[op] = next[next[op]];
		op = next[op];
	}
	return op;
}

/* Behind what an operator needs, its own memory begins; @next has one entry more than there are. */
static void place_scratch(struct compile *c, struct value **todo, unsigned int n, uint64_t *next)
{
	uint32_t ops = c->model.operators.count, i;
	uint64_t op;

	for (i = 0; i <= ops; i++)
		next[i] = i;
	qsort(todo, n, sizeof(*todo), higher_first);
	for (i = 0; i < n; i++) {
		for (op = next_open(next, todo[i]->first); op < ops && op <= todo[i]->last;
		     op = next_open(next, op)) {
			c->ops[op].scratch_at = end_of(todo[i]);
			next[op] = op + 1;
		}
	}
}

static unsigned int collect(struct compile *c, struct value **todo)
{
	unsigned int n = 0, i;
	struct value *v;

	for (i = 0; i < c->model.tensors.count; i++) {
		v = &c->values[i];
		if (v->available && v->alias == i && !v->placed && !v->constant &&
		    v->type != NPU_TYPE_F32 && v->bytes)
			todo[n++] = v;
	}
	return n;
}

/* It takes the square of their number: more are placed once only, and too many not at all. */
#define MANY_VALUES	4096
#define TOO_MANY_VALUES	16384

bool plan_arena(struct compile *c)
{
	static const struct {
		int (*first)(const void *a, const void *b);
		bool both_ends;
	} orders[] = {
		{ larger_first, false }, { heavier_first, false }, { longer_first, false },
		{ earlier_first, false }, { earlier_first, true },
	};
	unsigned int count = c->model.tensors.count, n, i, best = 0;
	uint32_t ops = c->model.operators.count;
	struct value **todo = calloc(2ul * count + 1, sizeof(*todo));
	uint64_t *change = calloc(ops + 2ul, sizeof(*change)), size, least, smallest = UINT64_MAX;

	n = todo && change ? collect(c, todo) : 0;
	if (!todo || !change || n > TOO_MANY_VALUES) {
		free(todo);
		free(change);
		return n ? compile_fail(c, -EOPNOTSUPP, "%u intermediate results are too many", n) :
			   compile_fail(c, -ENOMEM, "out of memory");
	}
	least = least_size(todo, n, ops, change);
	for (i = 0; i < (n > MANY_VALUES ? 1 : ARRAY_SIZE(orders)) && smallest > least; i++) {
		qsort(todo, n, sizeof(*todo), orders[i].first);
		size = place_all(todo, todo + count, n, orders[i].both_ends ? least : 0);
		if (size < smallest) {
			smallest = size;
			best = i;
		}
	}
	if (best + 1 < i) {
		qsort(todo, n, sizeof(*todo), orders[best].first);
		place_all(todo, todo + count, n, orders[best].both_ends ? least : 0);
	}
	for (i = 0; i < n; i++) {
		todo[i]->base = NPU_BASE_ARENA;
		todo[i]->placed = true;
	}
	place_scratch(c, todo, n, change);
	c->program->bases[NPU_BASE_ARENA].size = n ? smallest : 0;
	c->program->arena_values = n ? smallest : 0;
	c->program->arena_least = least;
	free(todo);
	free(change);
	return true;
}

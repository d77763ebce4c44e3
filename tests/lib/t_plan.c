// SPDX-License-Identifier: MIT
/*
 * The arena: what is needed at one time does not overlap, and the whole is at most a tenth larger
 * than what is needed at one time, for the networks and for random lifetimes.
 *
 *	t_plan MODEL...
 */
#include <stdlib.h>

#include "compile.h"
#include "tap.h"

#define VALUES	60
#define OPS	40

static uint64_t state = 1;

static uint32_t below(uint32_t n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 33) % n;
}

static bool meet(const struct value *a, const struct value *b)
{
	return a->first <= b->last && b->first <= a->last;
}

static bool apart(const struct value *a, const struct value *b)
{
	return a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;
}

/* A chain of operators whose results are needed for some time, as in a network with branches. */
static void make_graph(struct compile *c, uint32_t ops)
{
	struct value *v;
	uint32_t i;

	c->model.tensors.count = ops + below(VALUES - ops);
	c->model.operators.count = ops;
	for (i = 0; i < c->model.tensors.count; i++) {
		v = &c->values[i];
		*v = (struct value) { .type = NPU_TYPE_S8, .available = true, .alias = i };
		v->bytes = 1 + below(below(4) ? 5000 : 50000);
		v->first = i < ops ? i : below(ops);
		v->last = v->first + (below(4) ? 1 : below(8));
		if (v->last > ops)
			v->last = ops;
	}
	memset(c->ops, 0, (OPS + 1) * sizeof(*c->ops));
}

static bool is_planned(const struct compile *c)
{
	const struct value *v = c->values;
	uint32_t n = c->model.tensors.count, i, k;

	for (i = 0; i < n; i++) {
		if (!v[i].placed || v[i].base != NPU_BASE_ARENA || v[i].offset % NPU_CONST_ALIGN ||
		    v[i].offset + v[i].bytes > c->program->bases[NPU_BASE_ARENA].size)
			return false;
		for (k = 0; k < i; k++)
			if (meet(&v[i], &v[k]) && !apart(&v[i], &v[k]))
				return false;
		for (k = v[i].first; k <= v[i].last && k < c->model.operators.count; k++)
			if (c->ops[k].scratch_at < v[i].offset + v[i].bytes)
				return false;
	}
	return true;
}

static void test_random(void)
{
	static struct value values[VALUES];
	static struct npu_program program;
	static struct op ops[OPS + 1];
	struct compile c = { .values = values, .ops = ops, .program = &program };
	unsigned int i, bad = 0, large = 0;
	double ratio, sum = 0, worst = 0;

	for (i = 0; i < 2000; i++) {
		make_graph(&c, 1 + below(OPS));
		bad += !plan_arena(&c) || !is_planned(&c);
		ratio = (double)program.bases[NPU_BASE_ARENA].size / (double)program.arena_least;
		sum += ratio;
		worst = ratio > worst ? ratio : worst;
		large += ratio > 1.1;
	}
	ok(!bad, "values of 2000 random graphs lie apart while they are needed");
	note("%.4f times what is needed at one time, at the worst %.3f, %u beyond 1.1", sum / i,
	     worst, large);
	ok(sum / i < 1.02 && large < 100, "and hardly anything is lost between them");
}

static bool is_tight(const char *path)
{
	struct npu_program *program = NULL;
	struct npu_error err;
	uint64_t size, least;
	bool good;

	if (npu_program_load(path, NULL, &program, &err)) {
		note("%s: %s", path, err.text);
		return false;
	}
	size = program->arena_values;
	least = program->arena_least;
	good = size <= least + least / 10;
	if (!good)
		note("%s: %llu of %llu bytes", path, (unsigned long long)size,
		     (unsigned long long)least);
	npu_program_destroy(program);
	return good;
}

int main(int argc, char **argv)
{
	int i, tight = 0;

	test_random();
	for (i = 1; i < argc; i++)
		tight += is_tight(argv[i]);
	ok(argc > 1 && tight == argc - 1, "the arenas of %d models are within a tenth", argc - 1);
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * A few lines of TAP: test_ok() is one test, test_done() ends the program
 * with the plan and the exit code.
 */
#ifndef _TEST_H_
#define _TEST_H_

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned int test_count, test_failed;
static uint64_t test_state = 1;

__attribute__((format(printf, 2, 3), unused))
static bool test_ok(bool good, const char *format, ...)
{
	va_list ap;

	printf("%sok %u - ", good ? "" : "not ", ++test_count);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	test_failed += !good;
	return good;
}

#define test_eq(a, b, ...) do {							\
	uint64_t test_a = (uint64_t)(a), test_b = (uint64_t)(b);		\
	if (!test_ok(test_a == test_b, __VA_ARGS__))				\
		printf("# %s is 0x%" PRIx64 ", not 0x%" PRIx64 " (%s:%d)\n",	\
		       #a, test_a, test_b, __FILE__, __LINE__);			\
} while (0)

__attribute__((unused))
static int test_done(void)
{
	printf("1..%u\n", test_count);
	if (test_failed)
		printf("# %u of %u failed\n", test_failed, test_count);
	return test_failed ? 1 : 0;
}

/* Random numbers that NPU_SEED makes the same again. */
__attribute__((unused))
static uint64_t test_random(void)
{
	uint64_t z = test_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* From @low to @high, both possible. */
__attribute__((unused))
static int64_t test_range(int64_t low, int64_t high)
{
	return low + (int64_t)(test_random() % (uint64_t)(high - low + 1));
}

__attribute__((unused))
static bool test_chance(unsigned int percent)
{
	return test_random() % 100 < percent;
}

__attribute__((unused))
static uint64_t test_seed(void)
{
	const char *text = getenv("NPU_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : 20260101;

	printf("# NPU_SEED=%" PRIu64 "\n", seed);
	test_state = seed;
	return seed;
}

#endif /* _TEST_H_ */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * How fast could this CPU multiply bytes, if memory cost nothing: the best instruction that
 * it has for products of s8 that do not saturate, operands in registers. What others reach
 * is told as a share of it. "two" does the same on two CPUs at one time.
 *
 * In assembly, as compilers may spill the accumulators of such a loop.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "participant.h"

#define LOOPS	20000u		/* a run: about 100 us */

#if defined(__x86_64__)

/* Twelve sums that do not depend on each other: more than latency times throughput. */
#define TWELVE(one) one(0) one(1) one(2) one(3) one(4) one(5) \
		    one(6) one(7) one(8) one(9) one(10) one(11)

#define VNNI(n)	"vpdpbusd %%zmm12, %%zmm13, %%zmm" #n "\n\t"

static void probe_vnni(unsigned int n)
{
	asm volatile("1:\n\t"
		     TWELVE(VNNI)
		     "dec %0\n\t"
		     "jnz 1b\n\t"
		     "vzeroupper"
		     : "+r"(n) : : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
		     "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13");
}

/* Products of s16, for which bytes are widened; ymm12 and 13 are used in turn for products. */
#define AVX2(n)	"vpmaddwd %%ymm14, %%ymm15, %%ymm13\n\t" \
		"vpaddd %%ymm13, %%ymm" #n ", %%ymm" #n "\n\t"

static void probe_avx2(unsigned int n)
{
	asm volatile("1:\n\t"
		     TWELVE(AVX2)
		     "dec %0\n\t"
		     "jnz 1b\n\t"
		     "vzeroupper"
		     : "+r"(n) : : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
		     "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

static bool has_vnni(void)
{
	return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw");
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

#elif defined(__aarch64__)

#define DOT(n)	"sdot v" #n ".4s, v12.16b, v13.16b\n\t"
#define TWELVE(one) one(0) one(1) one(2) one(3) one(4) one(5) \
		    one(6) one(7) one(16) one(17) one(18) one(19)

static void probe_dot(unsigned int n)
{
	asm volatile(".arch_extension dotprod\n"
		     "1:\n\t"
		     TWELVE(DOT)
		     "subs %w0, %w0, #1\n\t"
		     "b.ne 1b"
		     : "+r"(n) : : "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v12",
		     "v13", "v16", "v17", "v18", "v19");
}

#include <sys/auxv.h>

static bool has_dot(void)
{
	return getauxval(AT_HWCAP) & 1 << 20;	/* HWCAP_ASIMDDP */
}

#endif

/* For what has none of these: a loop that no compiler turns into vectors. */
static void probe_scalar(unsigned int n)
{
	int a = 3, sum = 0;

	while (n--) {
		sum += a * (int)n;
		asm volatile("" : "+r"(a), "+r"(sum));
	}
}

static bool has_scalar(void)
{
	return true;
}

static const struct kind {
	const char *name;
	void (*loop)(unsigned int n);
	bool (*has)(void);
	unsigned int macs;	/* of one n */
} kinds[] = {
#if defined(__x86_64__)
	{ "vpdpbusd zmm", probe_vnni, has_vnni, 12 * 64 },
	{ "vpmaddwd and vpaddd ymm", probe_avx2, has_avx2, 12 * 16 },
#elif defined(__aarch64__)
	{ "sdot", probe_dot, has_dot, 12 * 16 },
#endif
	{ "a scalar loop", probe_scalar, has_scalar, 1 },
};

static const struct kind *kind = kinds;

static bool probe_one(void *arg)
{
	(void)arg;
	kind->loop(LOOPS);
	return true;
}

/* A second thread does what the first one does, run by run, while a measurement lasts. */
static atomic_uint asked, done;
static atomic_bool over;

static void *probe_second(void *arg)
{
	unsigned int have = atomic_load(&done);

	(void)arg;
	while (!atomic_load(&over)) {
		if (atomic_load(&asked) == have)
			continue;
		kind->loop(LOOPS);
		atomic_store(&done, ++have);
	}
	return NULL;
}

static void probe_begin(void *arg)
{
	(void)arg;
	atomic_store(&over, false);
	participant_helper(probe_second, NULL, 1);
}

static bool probe_two(void *arg)
{
	unsigned int n = atomic_fetch_add(&asked, 1) + 1;

	(void)arg;
	kind->loop(LOOPS);
	while (atomic_load(&done) != n)
		;
	return true;
}

static void probe_end(void *arg)
{
	(void)arg;
	atomic_store(&over, true);
	participant_join();
}

int main(void)
{
	struct workload one = { .run = probe_one }, two = {
		.run = probe_two, .begin = probe_begin, .end = probe_end,
	};

	while (!kind->has())
		kind++;
	one.macs = (uint64_t)LOOPS * kind->macs;
	two.macs = 2 * one.macs;
	participant_pin(0);
	participant_has("one", &one);
	participant_has("two", &two);
	return participant_serve(kind->name);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "participant.h"

#define WORKLOADS	64
#define HELPERS		32

static struct entry {
	char name[64];
	struct workload workload;
} entries[WORKLOADS];

static unsigned int count;

/* The clock of a process is only right to a tick for threads on other CPUs, these are. */
static struct helper {
	pthread_t thread;
	clockid_t clock;
} helpers[HELPERS];

static unsigned int nhelpers;

void participant_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

char *participant_load(const char *folder, const char *name, const char *suffix, size_t *size)
{
	char path[512], *data;
	FILE *f;
	long n;

	snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix);
	f = fopen(path, "rbe");
	if (!f || fseek(f, 0, SEEK_END))
		participant_die("%s: %s", path, strerror(errno));
	n = ftell(f);
	data = n < 0 ? NULL : malloc((size_t)n + 1);
	if (!data || fseek(f, 0, SEEK_SET) || fread(data, 1, (size_t)n, f) != (size_t)n)
		participant_die("%s: cannot read", path);
	fclose(f);
	*size = (size_t)n;
	return data;
}

uint64_t participant_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The n-th CPU of those that the program was started on; all if there are fewer. */
static cpu_set_t cpu(unsigned int n)
{
	static cpu_set_t all;
	cpu_set_t one;
	int i;

	if (!CPU_COUNT(&all))
		sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&one);
	for (i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all) && !n--)
			CPU_SET(i, &one);
	return CPU_COUNT(&one) ? one : all;
}

void participant_pin(unsigned int n)
{
	cpu_set_t set = cpu(n);

	sched_setaffinity(0, sizeof(set), &set);
}

/* On its CPU from the beginning: on that of its parent it would have to wait for it. */
void participant_helper(void *(*run)(void *arg), void *arg, unsigned int n)
{
	struct helper *helper = &helpers[nhelpers];
	cpu_set_t set = cpu(n);
	pthread_attr_t attr;

	if (nhelpers == HELPERS || pthread_attr_init(&attr) ||
	    pthread_attr_setaffinity_np(&attr, sizeof(set), &set) ||
	    pthread_create(&helper->thread, &attr, run, arg) ||
	    pthread_getcpuclockid(helper->thread, &helper->clock))
		participant_die("cannot start another thread");
	pthread_attr_destroy(&attr);
	nhelpers++;
}

void participant_join(void)
{
	while (nhelpers)
		pthread_join(helpers[--nhelpers].thread, NULL);
}

static uint64_t helpers_now(void)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < nhelpers; i++)
		sum += participant_now(helpers[i].clock);
	return sum;
}

void participant_has(const char *name, const struct workload *workload)
{
	if (count == WORKLOADS)
		participant_die("too many workloads");
	snprintf(entries[count].name, sizeof(entries[count].name), "%s", name);
	entries[count++].workload = *workload;
	printf("has %s %llu\n", name, (unsigned long long)workload->macs);
	fflush(stdout);
}

void participant_lacks(const char *name, const char *reason)
{
	printf("lacks %s %s\n", name, reason);
	fflush(stdout);
}

struct sample {
	uint64_t cpu;
	uint64_t wall;
	uint64_t runs;
	uint64_t all;
};

/* Adds to the sample. */
static bool run(const struct workload *w, uint64_t runs, struct sample *sample)
{
	uint64_t helped = helpers_now(), cpu = participant_now(CLOCK_THREAD_CPUTIME_ID), i;
	uint64_t wall = participant_now(CLOCK_MONOTONIC);

	for (i = 0; i < runs; i++)
		if (!w->run(w->arg))
			return false;
	sample->wall += participant_now(CLOCK_MONOTONIC) - wall;
	cpu = participant_now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	sample->cpu += cpu;
	sample->all += cpu + helpers_now() - helped;
	sample->runs += runs;
	return true;
}

/* The first run warms up, and counts only if there is no time for more. */
static bool measure(const struct workload *w, uint64_t ns, struct sample *sample)
{
	uint64_t batch = 1;

	memset(sample, 0, sizeof(*sample));
	if (!run(w, 1, sample))
		return false;
	if (sample->wall >= ns / 2)
		return true;
	memset(sample, 0, sizeof(*sample));
	while (sample->wall < ns / 4 * 3) {
		if (!run(w, batch, sample))
			return false;
		batch = (ns - sample->wall % ns) / (sample->wall / sample->runs + 1) + 1;
	}
	return true;
}

static const struct workload *find(const char *name)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (!strcmp(entries[i].name, name))
			return &entries[i].workload;
	return NULL;
}

static void answer(const char *name, uint64_t ms)
{
	const struct workload *w = find(name);
	struct sample sample;
	bool good;

	if (!w) {
		printf("error no workload '%s'\n", name);
		return;
	}
	if (w->begin)
		w->begin(w->arg);
	good = measure(w, ms * 1000000, &sample);
	if (w->end)
		w->end(w->arg);
	if (good)
		printf("%llu %llu %llu %llu\n", (unsigned long long)sample.runs,
		       (unsigned long long)sample.wall, (unsigned long long)sample.cpu,
		       (unsigned long long)sample.all);
	else
		printf("error %s failed\n", name);
}

int participant_serve(const char *text)
{
	unsigned long long ms;
	char line[128], name[64];

	printf("ready %s\n", text);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%63s %llu", name, &ms) == 2)
			answer(name, ms);
		else
			printf("error what is that?\n");
		fflush(stdout);
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long jobs take on a device node, from their submission to their fence, beside a plain
 * loop of multiplications on the same machine, a round of each in turn:
 *
 *	npu-compute [--quick] FOLDER NAME...
 *
 * FOLDER has NAME.tflite, NAME.in and NAME.out, what npu-reference made of the inputs. For
 * each NAME a line of JSON, also if it is not measured: "reason". "loop_macs" is what the
 * loop multiplies in the time of a job. --quick: one round.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <npu.h>
#include "participant.h"

#define ROUNDS		15
#define ENOUGH		3		/* rounds, if they take longer than this: */
#define ENOUGH_NS	3000000000ll
#define LIMIT_NS	30000000000ll	/* of one job */
#define LOOP		4096		/* multiplications */

struct samples {
	double job[ROUNDS];
	double device[ROUNDS];
	double loop[ROUNDS];
	int n;
};

static int rounds = ROUNDS;

static double now(clockid_t clock)
{
	return (double)participant_now(clock);
}

/* What a compiler makes of the plainest loop: multiplications per nanosecond. */
static double loop_speed(void)
{
	static int8_t a[LOOP], b[LOOP];
	double start = now(CLOCK_THREAD_CPUTIME_ID), ns;
	double macs = 0;
	int32_t sum;
	int i, j;

	memset(a, 2, sizeof(a));
	memset(b, 3, sizeof(b));
	do {
		for (j = 0; j < 16; j++) {
			sum = 0;
			for (i = 0; i < LOOP; i++)
				sum += a[i] * b[i];
			/* It is wanted, and may be another one next time. */
			__asm__ volatile("" : : "r"(sum), "r"(a), "r"(b) : "memory");
			macs += LOOP;
		}
		ns = now(CLOCK_THREAD_CPUTIME_ID) - start;
	} while (ns < 30e6);
	return macs / ns;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *values, int n)
{
	double sorted[ROUNDS];

	memcpy(sorted, values, (size_t)n * sizeof(*values));
	qsort(sorted, (size_t)n, sizeof(*sorted), compare);
	return sorted[n / 2];
}

/* Nanoseconds from the submission to the fence; 0: it failed or took too long, see @why. */
static double run(struct npu_session *session, struct npu_error *why)
{
	double start = now(CLOCK_MONOTONIC);
	int ret = npu_session_submit(session, NULL, 0, NULL, why);

	if (!ret)
		ret = npu_session_wait(session, npu_deadline(LIMIT_NS), why);
	if (ret == -ETIMEDOUT)
		snprintf(why->text, sizeof(why->text), "a job takes more than %lld s",
			 LIMIT_NS / 1000000000);
	return ret ? 0 : now(CLOCK_MONOTONIC) - start;
}

/* What the device says a job took; jobs are numbered from 1. */
static bool device_time(struct npu_session *session, int job, double *ns, struct npu_error *why)
{
	struct drm_npu_perf_query perf;
	int ret = npu_queue_perf(npu_session_queue(session), (uint64_t)job, &perf);

	if (ret)
		snprintf(why->text, sizeof(why->text), "its counters: %s", strerror(-ret));
	else
		*ns = (double)(perf.end_ns - perf.start_ns);
	return !ret;
}

static bool same(struct npu_session *session, const struct npu_program_info *info, const char *want,
		 size_t size, struct npu_error *why)
{
	size_t one = info->outputs[0].size;
	char *out = malloc(one);
	bool good = out && size >= one && !npu_session_read(session, 0, out, one, why) &&
		    !memcmp(out, want, one);

	free(out);
	if (!good)
		snprintf(why->text, sizeof(why->text), "its result is not that of the reference");
	return good;
}

static bool measure(struct npu_session *session, const struct npu_program_info *info,
		    const char *want, size_t size, struct samples *s, struct npu_error *why)
{
	double begin = now(CLOCK_MONOTONIC), loop, ns;

	if (run(session, why) == 0 || !same(session, info, want, size, why))
		return false;
	while (s->n < rounds && (s->n < ENOUGH || now(CLOCK_MONOTONIC) - begin < (double)ENOUGH_NS)) {
		loop = loop_speed();
		ns = run(session, why);
		if (ns == 0 || !device_time(session, s->n + 2, &s->device[s->n], why))
			return false;
		s->job[s->n] = ns;
		s->loop[s->n] = ns * loop;
		s->n++;
	}
	return same(session, info, want, size, why);
}

static void tell(const char *name, const struct samples *s)
{
	printf("{\"workload\": \"%s\", \"ns\": %.0f, \"device_ns\": %.0f, \"loop_macs\": %.0f, "
	       "\"rounds\": %d}\n", name, median(s->job, s->n), median(s->device, s->n),
	       median(s->loop, s->n), s->n);
}

static void bench(struct npu_device *dev, const char *folder, const char *name)
{
	size_t in_size, want_size;
	char *in = participant_load(folder, name, ".in", &in_size);
	char *want = participant_load(folder, name, ".out", &want_size);
	const struct npu_program_info *info;
	struct npu_session *session = NULL;
	struct npu_model *model = NULL;
	struct samples samples = { .n = 0 };
	struct npu_error why;
	char path[512];
	bool good;

	snprintf(path, sizeof(path), "%s/%s.tflite", folder, name);
	good = !npu_model_load(dev, path, NULL, &model, &why) &&
	       !npu_session_create(model, DRM_NPU_PRIORITY_NORMAL, &session, &why);
	if (good) {
		info = npu_model_get_info(model);
		good = !npu_session_write(session, 0, in, info->inputs[0].size, &why) &&
		       measure(session, info, want, want_size, &samples, &why);
	}
	if (good)
		tell(name, &samples);
	else
		printf("{\"workload\": \"%s\", \"reason\": \"%s\"}\n", name, why.text);
	fflush(stdout);
	npu_session_destroy(session);
	npu_model_destroy(model);
	free(in);
	free(want);
}

int main(int argc, char **argv)
{
	struct npu_device *dev;
	struct npu_error err;
	const char *folder;
	int i = 1;

	if (argc > 1 && !strcmp(argv[1], "--quick")) {
		rounds = 1;
		i++;
	}
	if (argc - i < 2)
		participant_die("usage: npu-compute [--quick] FOLDER NAME...");
	folder = argv[i];
	if (npu_device_open(NULL, &dev, &err))
		participant_die("%s", err.text);
	while (++i < argc)
		bench(dev, folder, argv[i]);
	npu_device_close(dev);
	return 0;
}

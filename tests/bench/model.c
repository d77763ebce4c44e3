// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device model as a participant: compiled models on a device in this process. The
 * stream is in its memory once, as with the driver; a run is an entry of the ring and a
 * doorbell, until the sequence number says that it is done. Results are those of the
 * reference, else the workload is not offered.
 *
 *	model [--kernels NAME] [--cores N] [--pages] FOLDER NAME...
 *
 * FOLDER has NAME.tflite, NAME.in and NAME.out, what npu-reference made of the inputs.
 * --kernels: which inner loops. --pages: memory is scattered over pages of 4 KiB; else it
 * is in blocks of 2 MiB.
 */
#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <npu.h>

#include "host.h"
#include "participant.h"

#define ORDER	4	/* of the ring */

struct machine {
	struct host *host;
	struct host_space *space;
	struct host_queue *queue;
	struct npu_program *program;
	const struct npu_program_info *info;
	struct npu_base base[NPU_ISA_MAX_BASES];
	u64 stream;		/* address */
	u64 table;		/* of the bases */
	atomic_bool over;
};

static struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;
static bool scattered;

/* The one place that knows the sets of inner loops. */
static void choose_kernels(const char *name)
{
	if (!npu_kernels_find(name) || setenv("NPU_KERNELS", name, 1))
		participant_die("this model has no inner loops '%s'", name);
}

static u64 memory(struct machine *m, u64 size, u64 flags)
{
	size = size ? size : 1;
	return scattered ? host_alloc(m->space, size, flags) :
			   host_alloc_blocks(m->space, size, flags);
}

static u64 upload(struct machine *m, const void *data, u64 size)
{
	u64 va = memory(m, size, HOST_R);

	host_write(m->space, va, data, size);
	return va;
}

static void power_on(struct machine *m)
{
	const struct npu_base *base;
	unsigned int i;

	m->host = host_new_fast(&config);
	m->space = host_space_new(m->host, 1);
	host_enable(m->host, 6);
	m->info = npu_program_get_info(m->program);
	for (i = 0; i < m->info->nbases; i++) {
		base = &m->info->bases[i];
		m->base[i] = *base;
		m->base[i].va = memory(m, base->size,
				       base->flags & NPU_BASE_WRITE ? HOST_RW : HOST_R);
	}
	host_write(m->space, m->base[NPU_BASE_CONSTANTS].va, m->info->constants,
		   m->base[NPU_BASE_CONSTANTS].size);
	m->stream = upload(m, m->info->stream, m->info->stream_size);
	m->table = upload(m, m->base, m->info->nbases * sizeof(*m->base));
	m->queue = host_queue_new(m->space, 1, 1, ORDER);
	host_bind(m->queue, 1);
}

static bool faulted(const struct npu_context *context)
{
	fprintf(stderr, "fault %u, detail %u\n", le32_to_cpu(context->fault_status),
		le32_to_cpu(context->fault_detail));
	return false;
}

/* Was the core woken since the last question? */
static bool woken(struct machine *m, u32 core)
{
	u32 bit = 1u << core;

	return READ_ONCE(m->host->woken) & bit &&
	       __atomic_fetch_and(&m->host->woken, ~bit, __ATOMIC_SEQ_CST) & bit;
}

/* Cores look for work all the time: what sleep costs is the host's matter. */
static bool run(void *arg)
{
	struct machine *m = arg;
	struct npu_context *context = m->queue->context;
	u64 sequence = host_push(m->queue, m->stream, m->info->stream_size, m->table,
				 m->info->nbases, 0);

	host_ring_doorbell(m->queue);
	while (host_done(m->queue) < sequence) {
		if (host_step(m->host, 0) == NPU_STEP_RAN)
			continue;
		while (host_done(m->queue) < sequence && !woken(m, 0))
			if (READ_ONCE(context->fault_status))
				return faulted(context);
	}
	return true;
}

/* ---- Other cores ---- */

struct core {
	struct machine *m;
	u32 index;
};

static void *core_thread(void *arg)
{
	struct core core = *(struct core *)arg;
	struct machine *m = core.m;

	free(arg);
	while (!atomic_load(&m->over)) {
		if (host_step(m->host, core.index) == NPU_STEP_RAN)
			continue;
		while (!atomic_load(&m->over) && !woken(m, core.index))
			;
	}
	return NULL;
}

static void begin(void *arg)
{
	struct machine *m = arg;
	struct core *core;
	u32 i;

	atomic_store(&m->over, false);
	for (i = 1; i < config.cores; i++) {
		core = malloc(sizeof(*core));
		if (!core)
			participant_die("out of memory");
		*core = (struct core){ m, i };
		participant_helper(core_thread, core, i);
	}
}

static void end(void *arg)
{
	struct machine *m = arg;

	atomic_store(&m->over, true);
	participant_join();
}

/* ---- Workloads ---- */

/* Is the output of each run, one after another, what it should be? */
static bool right(struct machine *m, const char *in, size_t in_size, const char *want,
		  size_t want_size)
{
	const struct npu_tensor_info *input = m->info->inputs, *output = m->info->outputs;
	char *raw = malloc(input->device_size), *got = malloc(output->device_size);
	char *out = malloc(output->size);
	bool good = raw && got && out && in_size / input->size == want_size / output->size;
	size_t i;

	begin(m);
	for (i = 0; good && i < in_size / input->size; i++) {
		npu_tensor_encode(input, in + i * input->size, raw);
		host_write(m->space, m->base[input->base].va, raw, input->device_size);
		good = run(m);
		host_read(m->space, m->base[output->base].va, got, output->device_size);
		npu_tensor_decode(output, got, out);
		good = good && !memcmp(out, want + i * output->size, output->size);
	}
	end(m);
	free(raw);
	free(got);
	free(out);
	return good && i;
}

/* Of a run, as the device counts them. */
static u64 macs(struct machine *m)
{
	u64 index = le64_to_cpu(m->queue->context->write_index) - 1;

	return le64_to_cpu(m->queue->reports[index & ((1u << ORDER) - 1)].macs);
}

static void offer(const char *folder, const char *name)
{
	struct npu_compile_options options = {
		.macs_max_order = config.macs_max_order,
		.bytes_max_order = config.bytes_max_order,
	};
	size_t size, in_size, want_size;
	char *file = participant_load(folder, name, ".tflite", &size);
	char *in = participant_load(folder, name, ".in", &in_size);
	char *want = participant_load(folder, name, ".out", &want_size);
	struct machine *m = calloc(1, sizeof(*m));
	struct workload workload = { .run = run, .begin = begin, .end = end, .arg = m };
	struct npu_error err;

	if (!m)
		participant_die("out of memory");
	if (npu_program_compile(file, size, &options, &m->program, &err))
		participant_die("%s: %s", name, err.text);
	power_on(m);
	if (right(m, in, in_size, want, want_size)) {
		workload.macs = macs(m);
		participant_has(name, &workload);
	} else {
		participant_lacks(name, "its result is not that of the reference");
	}
	free(file);
	free(in);
	free(want);
}

static void usage(void)
{
	participant_die("usage: model [--kernels NAME] [--cores N] [--pages] FOLDER NAME...");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "kernels", required_argument, NULL, 'k' },
		{ "cores", required_argument, NULL, 'c' },
		{ "pages", no_argument, NULL, 'p' },
		{ 0 }
	};
	const char *kernels = "portable";
	char text[96];
	int c, i;

	config.cores = 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'k':
			kernels = optarg;
			break;
		case 'c':
			config.cores = (u32)strtoul(optarg, NULL, 10);
			break;
		case 'p':
			scattered = true;
			break;
		default:
			usage();
		}
	}
	if (argc - optind < 2 || !config.cores || config.cores > NPU_MAX_CORES)
		usage();
	choose_kernels(kernels);
	participant_pin(0);
	for (i = optind + 1; i < argc; i++)
		offer(argv[optind], argv[i]);
	snprintf(text, sizeof(text), "device model, %s, cores: %u%s", kernels, config.cores,
		 scattered ? ", scattered pages" : "");
	return participant_serve(text);
}

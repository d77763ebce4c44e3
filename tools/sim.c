// SPDX-License-Identifier: MIT
/* Models on the device model, in this process: no device, no driver, no kernel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "npuctl.h"

/**
 * struct sim - a device, and a program in its memory
 * @host: the device
 * @space: address space of the program
 * @program: the program
 * @info: of @program
 * @base: its base table
 * @stage: values of a tensor as the device has them
 * @record: --trace
 */
struct sim {
	struct host *host;
	struct host_space *space;
	struct npu_program *program;
	const struct npu_program_info *info;
	struct npu_base base[NPU_ISA_MAX_BASES];
	void *stage;
	FILE *record;
};

/* Too little memory for a device, say. */
static void __attribute__((noreturn)) sim_dying(const char *why)
{
	exit(fail(EXIT_RUN, "the device model: %s", why));
}

static void sim_close(void *machine)
{
	struct sim *sim = machine;

	if (sim->space)
		host_space_free(sim->space);
	if (sim->host)
		host_free(sim->host);
	npu_program_destroy(sim->program);
	if (sim->record)
		fclose(sim->record);
	free(sim->stage);
	free(sim);
}

static int sim_compile(struct sim *sim, const struct options *opt)
{
	static const struct npu_model_config size = NPU_MODEL_CONFIG_DEFAULT;
	struct npu_compile_options options = compile_options(opt);
	struct npu_error err;

	if (!options.macs_max_order)
		options.macs_max_order = size.macs_max_order;
	if (!options.bytes_max_order)
		options.bytes_max_order = size.bytes_max_order;
	if (npu_program_load(opt->args[0], &options, &sim->program, &err))
		return fail(EXIT_MODEL, "%s: %s", opt->args[0], err.text);
	sim->info = npu_program_get_info(sim->program);
	return EXIT_OK;
}

/* The memory is the host's: it has so much for all. */
static bool sim_fits(const struct sim *sim)
{
	uint64_t pages = 0;
	unsigned int i;

	for (i = 0; i < sim->info->nbases; i++)
		pages += sim->info->bases[i].size / HOST_PAGE + 1;
	return pages < HOST_FRAMES / 2;
}

static int sim_load(struct sim *sim)
{
	const struct npu_base *base;
	uint64_t most = 1;
	unsigned int i;

	if (!sim_fits(sim))
		return fail(EXIT_MODEL, "the model takes more than the %u MiB that sim has",
			    HOST_FRAMES / 2 / 256);
	for (i = 0; i < sim->info->nbases; i++) {
		base = &sim->info->bases[i];
		sim->base[i] = *base;
		sim->base[i].va = host_alloc(sim->space, base->size ? base->size : 1,
					     base->flags & NPU_BASE_WRITE ? HOST_RW : HOST_R);
		if (i >= NPU_BASE_IO && base->size > most)
			most = base->size;
	}
	host_write(sim->space, sim->base[NPU_BASE_CONSTANTS].va, sim->info->constants,
		   sim->base[NPU_BASE_CONSTANTS].size);
	if (sim->info->state_base)
		host_write(sim->space, sim->base[sim->info->state_base].va, sim->info->state,
			   sim->base[sim->info->state_base].size);
	sim->stage = malloc(most);
	return sim->stage ? EXIT_OK : fail(EXIT_RUN, "out of memory");
}

static int sim_prepare(struct sim *sim, const struct options *opt)
{
	int ret;

	/* With --check, it is beside a device that has these. */
	if (!opt->check && (opt->device || opt->priority != DRM_NPU_PRIORITY_NORMAL))
		return fail(EXIT_USAGE, "sim has neither --device nor --priority");
	ret = sim_compile(sim, opt);
	if (ret)
		return ret;
	if (opt->trace) {
		sim->record = fopen(opt->trace, "we");
		if (!sim->record)
			return fail(EXIT_INPUT, "%s: %s", opt->trace, strerror(errno));
	}
	host_dying = sim_dying;
	sim->host = host_new_real(sim->record);
	sim->space = host_space_new(sim->host, 1);
	host_enable(sim->host, 6);
	return sim_load(sim);
}

static int sim_open(const struct options *opt, void **machine,
		    const struct npu_program_info **program)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	int ret;

	if (!sim) {
		fail(EXIT_RUN, "out of memory");
		return EXIT_RUN;
	}
	ret = sim_prepare(sim, opt);
	if (ret) {
		sim_close(sim);
		return ret;
	}
	*machine = sim;
	*program = sim->info;
	return EXIT_OK;
}

static const char *sim_where(void *machine)
{
	(void)machine;
	return "sim";
}

static int sim_write(void *machine, unsigned int input, const void *data, size_t size,
		     struct npu_error *err)
{
	struct sim *sim = machine;
	const struct npu_tensor_info *info = &sim->info->inputs[input];

	(void)size;
	(void)err;
	npu_tensor_encode(info, data, sim->stage);
	host_write(sim->space, sim->base[info->base].va, sim->stage, info->device_size);
	return 0;
}

static int sim_read(void *machine, unsigned int output, void *data, size_t size,
		    struct npu_error *err)
{
	struct sim *sim = machine;
	const struct npu_tensor_info *info = &sim->info->outputs[output];

	(void)size;
	(void)err;
	host_read(sim->space, sim->base[info->base].va, sim->stage, info->device_size);
	npu_tensor_decode(info, sim->stage, data);
	return 0;
}

static int sim_run(void *machine, struct npu_error *err)
{
	struct host_result result;
	struct sim *sim = machine;
	struct drm_npu_fault fault;

	if (!host_run(sim->space, sim->info->stream, sim->info->stream_size, sim->base,
		      sim->info->nbases, &result)) {
		if (!sim->host->trace.failed)
			return 0;
		snprintf(err->text, sizeof(err->text), "the record is not complete");
		return -EIO;
	}
	fault = (struct drm_npu_fault){
		.status = result.fault,
		.detail = result.detail,
		.access = result.access,
		.va = result.va,
		.offset = result.offset,
		.job = sim->space->queue->sequence,
	};
	npu_fault_text(&fault, err->text, sizeof(err->text));
	return -EIO;
}

static int sim_profile(void *machine, struct npu_timestamp *ops, unsigned int max)
{
	struct sim *sim = machine;
	unsigned int base = sim->info->nbases - 1;

	host_read(sim->space, sim->base[base].va, sim->stage, sim->base[base].size);
	return npu_program_profile(sim->info, sim->stage, ops, max);
}

const struct machine_ops sim_machine = {
	.name = "sim",
	.open = sim_open,
	.close = sim_close,
	.where = sim_where,
	.write = sim_write,
	.run = sim_run,
	.read = sim_read,
	.profile = sim_profile,
};

int cmd_sim(const struct options *opt)
{
	if (opt->check)
		return fail(EXIT_USAGE, "sim is what --check compares with");
	return run_on(&sim_machine, opt);
}

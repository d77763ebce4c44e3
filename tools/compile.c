// SPDX-License-Identifier: MIT
/* A model into a file that needs no compiler any more. */
#include <inttypes.h>

#include "npuctl.h"

static void describe(const struct options *opt, const struct npu_program_info *info)
{
	const uint64_t constants = info->bases[NPU_BASE_CONSTANTS].size;
	const uint64_t arena = info->bases[NPU_BASE_ARENA].size;
	const uint64_t state = info->state_base ? info->bases[info->state_base].size : 0;

	if (opt->json) {
		json_open(NULL, '{');
		json_string("model", opt->args[0]);
		json_string("output", opt->output);
		json_number("operators", "%u", info->nops);
		json_number("stream", "%u", info->stream_size);
		json_number("constants", "%" PRIu64, constants);
		json_number("arena", "%" PRIu64, arena);
		json_number("state", "%" PRIu64, state);
	} else {
		printf("%s: %u operators, %u bytes of commands, %" PRIu64 " of constants",
		       opt->output, info->nops, info->stream_size, constants);
		printf("; needs %" PRIu64 " of memory%s\n", arena + state,
		       state ? ", variables included" : "");
	}
}

int cmd_compile(const struct options *opt)
{
	const struct npu_compile_options options = compile_options(opt);
	struct npu_program *program;
	struct npu_error err;
	int ret;

	if (opt->nargs != 1)
		return fail(EXIT_USAGE, "compile takes one model; see 'npuctl --help'");
	if (!opt->output)
		return fail(EXIT_USAGE, "compile needs --output");
	if (npu_program_load(opt->args[0], &options, &program, &err))
		return fail(EXIT_MODEL, "%s: %s", opt->args[0], err.text);
	ret = npu_program_save(program, opt->output, &err) ? fail(EXIT_RUN, "%s", err.text) :
							     EXIT_OK;
	if (!ret)
		describe(opt, npu_program_get_info(program));
	npu_program_destroy(program);
	return ret;
}

// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "npuctl.h"

struct context {
	const struct npu_program_info *program;	/* NULL: a bare stream */
	const void *data;
	size_t size;
	bool use_json;
};

/* The operator whose first command is at @offset. */
static const struct npu_op_info *op_at(const struct npu_program_info *program, size_t offset)
{
	unsigned int i;

	for (i = 0; program && i < program->nops; i++)
		if (program->ops[i].offset == offset && program->ops[i].commands)
			return &program->ops[i];
	return NULL;
}

static int print_commands(struct context *c)
{
	const struct npu_op_info *op;
	size_t offset = 0;
	char text[1024];
	int next;

	if (c->use_json)
		json_open("commands", '[');
	do {
		next = npu_stream_dis(c->data, c->size, offset, text, sizeof(text));
		op = op_at(c->program, offset);
		if (c->use_json) {
			json_open(NULL, '{');
			json_number("offset", "%zu", offset);
			if (op) {
				json_number("operator", "%u", op->index);
				json_string("name", op->name);
				json_string("output", op->output);
			}
			json_string("text", text);
			json_close();
		} else {
			if (op)
				printf("; operator %u: %s -> %s\n", op->index, op->name,
				       op->output);
			printf("%06zx  %s\n", offset, text);
		}
		offset = (size_t)next;
	} while (next > 0);
	if (c->use_json)
		json_close();
	return next ? EXIT_MODEL : EXIT_OK;
}

static void print_base(struct context *c, unsigned int base)
{
	const struct npu_program_info *p = c->program;
	const struct npu_tensor_info *info = NULL;
	uint64_t size = p->bases[base].size;
	const char *what = "profile";
	unsigned int i = base - NPU_BASE_IO;

	if (base == NPU_BASE_CONSTANTS) {
		what = "constants";
	} else if (base == NPU_BASE_ARENA) {
		what = "arena";
	} else if (base == p->state_base) {
		what = "state";
	} else if (i < p->ninputs) {
		what = "input";
		info = &p->inputs[i];
	} else if (i < p->ninputs + p->noutputs) {
		what = "output";
		info = &p->outputs[i - p->ninputs];
	}
	if (c->use_json) {
		json_open(NULL, '{');
		json_string("kind", what);
		json_number("size", "%" PRIu64, size);
		if (info) {
			json_string("name", info->name);
			json_string("type", npu_type_name(info->type));
			json_string("device_type", npu_type_name(info->device_type));
			json_open("shape", '[');
			for (i = 0; i < info->rank; i++)
				json_number(NULL, "%u", info->dim[i]);
			json_close();
			json_number("scale", "%.9g", info->scale);
			json_number("zero_point", "%d", info->zero_point);
		}
		json_close();
		return;
	}
	printf("; base %-2u %-9s %10" PRIu64 " bytes", base, what, size);
	if (info) {
		printf("  %s %s[", info->name, npu_type_name(info->device_type));
		for (i = 0; i < info->rank; i++)
			printf("%s%u", i ? "," : "", info->dim[i]);
		printf("] scale %.9g zero point %d", info->scale, info->zero_point);
		if (info->type != info->device_type)
			printf(", %s on the CPU", npu_type_name(info->type));
	}
	putchar('\n');
}

static int dis_stream(const struct options *opt)
{
	struct context c = { .use_json = opt->json };
	struct npu_error err;
	void *data = read_file(opt->args[0], &c.size);
	int code;

	if (!data)
		return EXIT_INPUT;
	c.data = data;
	if (c.use_json)
		json_open(NULL, '{');
	code = print_commands(&c);
	if (npu_stream_check(data, c.size, NULL, 0, NULL, &err))
		code = fail(EXIT_MODEL, "%s: offset 0x%x: %s (%s)", opt->args[0], err.offset,
			    err.text, npu_illegal_name(err.detail));
	free(data);
	return code;
}

int cmd_dis(const struct options *opt)
{
	const struct npu_compile_options options = compile_options(opt);
	struct context c = { .use_json = opt->json };
	struct npu_program *program;
	struct npu_error err;
	unsigned int i;
	int code;

	if (opt->nargs != 1)
		return fail(EXIT_USAGE, "dis takes one file; see 'npuctl --help'");
	if (opt->stream)
		return dis_stream(opt);
	if (npu_program_load(opt->args[0], &options, &program, &err))
		return fail(EXIT_MODEL, "%s: %s", opt->args[0], err.text);
	c.program = npu_program_get_info(program);
	c.data = c.program->stream;
	c.size = c.program->stream_size;
	if (c.use_json) {
		json_open(NULL, '{');
		json_string("model", opt->args[0]);
		json_open("bases", '[');
	}
	for (i = 0; i < c.program->nbases; i++)
		print_base(&c, i);
	if (c.use_json)
		json_close();
	code = print_commands(&c);
	npu_program_destroy(program);
	return code;
}

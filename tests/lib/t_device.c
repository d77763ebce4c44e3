// SPDX-License-Identifier: MIT
/*
 * Compiled models run on the device model in this process, and every output
 * byte is compared with the reference:
 *
 *	t_device MODEL...
 *
 * For MODEL.tflite, MODEL.in are inputs and MODEL.out what npu-reference made
 * of them. Each model runs as it is, with a time stamp around each operator,
 * and split into small commands.
 */
#include <stdlib.h>
#include <string.h>

#include <npu.h>

#include "host.h"
#include "tap.h"

static void *load(const char *base, const char *suffix, size_t *size)
{
	char path[512];
	char *data;
	FILE *f;
	long n;

	snprintf(path, sizeof(path), "%s%s", base, suffix);
	f = fopen(path, "rb");
	if (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) < 0) {
		printf("Bail out! cannot read %s\n", path);
		exit(1);
	}
	rewind(f);
	data = malloc((size_t)n + 1);
	*size = fread(data, 1, (size_t)n, f);
	fclose(f);
	return data;
}

/* Device values of float32 inputs, and back: what libnpu does at the edges. */
static void to_device(const struct npu_tensor_info *info, const char *from, char *to)
{
	bool wide = info->device_type == NPU_TYPE_S16, u8 = info->device_type == NPU_TYPE_U8;
	double low = wide ? INT16_MIN : u8 ? 0 : INT8_MIN, high = wide ? INT16_MAX : u8 ? 255 : INT8_MAX;
	const float *f = (const float *)from;
	uint64_t i;
	int16_t v;

	if (info->type != NPU_TYPE_F32) {
		memcpy(to, from, info->size);
		return;
	}
	for (i = 0; i < info->device_size >> wide; i++) {
		double q = (double)__builtin_roundf(f[i] / info->scale) + info->zero_point;

		v = (int16_t)(q < low ? low : q > high ? high : q);
		memcpy(to + (i << wide), &v, 1u << wide);
	}
}

static void from_device(const struct npu_tensor_info *info, const char *from, char *to)
{
	bool wide = info->device_type == NPU_TYPE_S16, u8 = info->device_type == NPU_TYPE_U8;
	float *f = (float *)to;
	uint64_t i;
	int16_t v;

	if (info->type != NPU_TYPE_F32) {
		memcpy(to, from, info->size);
		return;
	}
	for (i = 0; i < info->device_size >> wide; i++) {
		v = u8 ? (unsigned char)from[i] : (signed char)from[i];
		if (wide)
			memcpy(&v, from + 2 * i, sizeof(v));
		f[i] = (float)((double)info->scale * (v - info->zero_point));
	}
}

struct machine {
	struct host *host;
	struct host_space *space;
	struct npu_base bases[NPU_ISA_MAX_BASES];
};

static void power_on(struct machine *m, const struct npu_program_info *program)
{
	unsigned int i;

	memset(m, 0, sizeof(*m));
	m->host = host_new(NULL);
	m->space = host_space_new(m->host, 1);
	host_enable(m->host, 6);
	for (i = 0; i < program->nbases; i++) {
		m->bases[i] = program->bases[i];
		m->bases[i].va = host_alloc(m->space, m->bases[i].size ? m->bases[i].size : 1,
					    m->bases[i].flags & NPU_BASE_WRITE ? HOST_RW : HOST_R);
	}
	if (m->bases[0].size)
		host_write(m->space, m->bases[0].va, program->constants, m->bases[0].size);
	if (program->state_base)
		host_write(m->space, m->bases[program->state_base].va, program->state,
			   m->bases[program->state_base].size);
}

/* Run on all inputs; returns the outputs or NULL. */
static char *run_program(const struct npu_program_info *program, const char *in, size_t in_size,
			 size_t *out_size)
{
	const struct npu_tensor_info *info;
	struct host_result result;
	struct machine m;
	size_t at = 0, one = 0, bytes = 0, done = 0;
	char *out, *buffer;
	unsigned int i;

	for (i = 0; i < program->ninputs; i++)
		one += program->inputs[i].size;
	for (i = 0; i < program->noutputs; i++)
		bytes += program->outputs[i].size;
	*out_size = in_size / one * bytes;
	out = calloc(1, *out_size + 1);
	buffer = calloc(1, one + bytes + 4096);
	power_on(&m, program);
	while (at + one <= in_size) {
		for (i = 0; i < program->ninputs; i++) {
			info = &program->inputs[i];
			to_device(info, in + at, buffer);
			host_write(m.space, m.bases[info->base].va, buffer, info->device_size);
			at += info->size;
		}
		if (host_run(m.space, program->stream, program->stream_size, m.bases,
			     program->nbases, &result)) {
			note("fault %u, detail %u, offset 0x%llx", result.fault, result.detail,
			     (unsigned long long)result.offset);
			free(out);
			out = NULL;
			break;
		}
		for (i = 0; i < program->noutputs; i++) {
			info = &program->outputs[i];
			host_read(m.space, m.bases[info->base].va, buffer, info->device_size);
			from_device(info, buffer, out + done);
			done += info->size;
		}
	}
	host_space_free(m.space);
	if (host_free(m.host)) {
		note("the device model misused its memory");
		free(out);
		out = NULL;
	}
	free(buffer);
	return out;
}

static void test_model(const char *base, const char *how,
		       const struct npu_compile_options *options)
{
	size_t file_size, in_size, want_size, out_size = 0, i, wrong = 0;
	char *file = load(base, ".tflite", &file_size), *in = load(base, ".in", &in_size);
	char *want = load(base, ".out", &want_size), *out = NULL;
	const char *name = strrchr(base, '/');
	struct npu_program *program = NULL;
	struct npu_error err;
	int ret = npu_program_compile(file, file_size, options, &program, &err);

	if (ret)
		note("%d: %s", ret, err.text);
	else
		out = run_program(npu_program_get_info(program), in, in_size, &out_size);
	for (i = 0; out && i < want_size; i++)
		wrong += i >= out_size || out[i] != want[i];
	if (wrong)
		note("%zu of %zu bytes differ", wrong, want_size);
	ok(out && !wrong && out_size == want_size, "%s %s: %zu bytes equal the reference",
	   name ? name + 1 : base, how, want_size);
	npu_program_destroy(program);
	free(file);
	free(in);
	free(want);
	free(out);
}

/* Limits so low that a lower one does not compile. */
static struct npu_compile_options smallest(const char *base, uint32_t numerics)
{
	struct npu_compile_options options = { .numerics = numerics }, best = options;
	struct npu_program *program;
	unsigned int order;
	size_t size;
	char *file = load(base, ".tflite", &size);

	for (order = 20; order; order--) {
		options.macs_max_order = order;
		options.bytes_max_order = order;
		if (npu_program_compile(file, size, &options, &program, NULL))
			break;
		npu_program_destroy(program);
		best = options;
	}
	free(file);
	return best;
}

int main(int argc, char **argv)
{
	struct npu_compile_options options, split;
	const char *name;
	int i;

	for (i = 1; i < argc; i++) {
		name = strrchr(argv[i], '/');
		options = (struct npu_compile_options) { 0 };
		/* Results of the reference with -n tflite. */
		if (!strncmp(name ? name + 1 : argv[i], "tflite_", 7))
			options.numerics = NPU_NUMERICS_TFLITE;
		test_model(argv[i], "as it is", &options);
		split = smallest(argv[i], options.numerics);
		test_model(argv[i], "in small commands", &split);
		options.flags = NPU_COMPILE_PROFILE;
		test_model(argv[i], "with time stamps", &options);
	}
	return tap_done();
}

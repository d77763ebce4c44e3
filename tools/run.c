// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "npuctl.h"

/**
 * struct runner - a model that runs on inputs of the command line
 * @opt: command line
 * @on: what it runs on
 * @machine: of @on
 * @model: with --check, the device model
 * @program: the model
 * @in: values of an input, as large as the largest
 * @out: values of an output, as large as the largest
 * @want: the same, of @model
 * @raw: file for outputs, or NULL
 * @labels: names of classes, or NULL
 * @nlabels: entries of @labels
 * @checked: outputs that --check has found equal
 * @runs: how many were timed
 * @ns_sum: of their times
 * @ns_min: shortest
 * @ns_max: longest
 */
struct runner {
	const struct options *opt;
	const struct machine_ops *on;
	void *machine;
	void *model;
	const struct npu_program_info *program;
	void *in;
	void *out;
	void *want;
	FILE *raw;
	char **labels;
	size_t nlabels;
	uint64_t checked;
	uint64_t runs;
	int64_t ns_sum;
	int64_t ns_min;
	int64_t ns_max;
};

/* ---- Values ---- */

static double value_at(const struct npu_tensor_info *info, const void *data, size_t i)
{
	double q;

	switch (info->type) {
	case NPU_TYPE_F32:
		return ((const float *)data)[i];
	case NPU_TYPE_U8:
	case NPU_TYPE_BOOL:
		q = ((const uint8_t *)data)[i];
		break;
	case NPU_TYPE_S8:
		q = ((const int8_t *)data)[i];
		break;
	case NPU_TYPE_S16:
		q = ((const int16_t *)data)[i];
		break;
	case NPU_TYPE_S32:
		q = ((const int32_t *)data)[i];
		break;
	default:
		q = (double)((const int64_t *)data)[i];
	}
	return info->scale > 0 ? info->scale * (q - info->zero_point) : q;
}

static size_t elements(const struct npu_tensor_info *info)
{
	size_t n = 1;
	unsigned int i;

	for (i = 0; i < info->rank; i++)
		n *= info->dim[i];
	return n;
}

/* The best class that is worse than @than (rank order), or -1. */
static long next_class(const struct npu_tensor_info *info, const void *data, long than)
{
	size_t n = elements(info), i;
	double limit = than < 0 ? 0 : value_at(info, data, (size_t)than), value, best_value = 0;
	long best = -1;

	for (i = 0; i < n; i++) {
		value = value_at(info, data, i);
		if (than >= 0 && (value > limit || (value == limit && (long)i <= than)))
			continue;
		if (best < 0 || value > best_value) {
			best = (long)i;
			best_value = value;
		}
	}
	return best;
}

static void print_top(struct runner *r, const struct npu_tensor_info *info)
{
	const char *label;
	unsigned long i;
	long class = -1;

	if (r->opt->json)
		json_open("top", '[');
	for (i = 0; i < r->opt->top; i++) {
		class = next_class(info, r->out, class);
		if (class < 0)
			break;
		label = (size_t)class < r->nlabels ? r->labels[class] : NULL;
		if (r->opt->json) {
			json_open(NULL, '{');
			json_number("class", "%ld", class);
			if (label)
				json_string("label", label);
			json_number("score", "%.6g",
				    value_at(info, r->out, (size_t)class));
			json_close();
		} else {
			printf("  %5ld  %9.6f%s%s\n", class,
			       value_at(info, r->out, (size_t)class), label ? "  " : "",
			       label ? label : "");
		}
	}
	if (r->opt->json)
		json_close();
}

/* ---- Runs ---- */

static int run_failed(int ret, const struct npu_error *err)
{
	return fail(ret == -ENODEV ? EXIT_NO_DEVICE : EXIT_RUN, "%s", err->text);
}

static int run_once(struct runner *r)
{
	int64_t start = npu_deadline(0), ns;
	struct npu_error err;
	int ret = r->on->run(r->machine, &err);

	if (ret)
		return run_failed(ret, &err);
	ns = npu_deadline(0) - start;
	if (!r->runs || ns < r->ns_min)
		r->ns_min = ns;
	if (ns > r->ns_max)
		r->ns_max = ns;
	r->ns_sum += ns;
	r->runs++;
	ret = r->model ? sim_machine.run(r->model, &err) : 0;
	return ret ? fail(EXIT_RUN, "the device model: %s", err.text) : EXIT_OK;
}

static int write_input(struct runner *r, unsigned int i, const void *data)
{
	size_t size = r->program->inputs[i].size;
	struct npu_error err;
	int ret = r->on->write(r->machine, i, data, size, &err);

	if (!ret && r->model)
		ret = sim_machine.write(r->model, i, data, size, &err);
	return ret ? run_failed(ret, &err) : EXIT_OK;
}

/* --check: is output @i, which is in r->out, that of the device model? */
static int check_output(struct runner *r, unsigned int i)
{
	const struct npu_tensor_info *info = &r->program->outputs[i];
	struct npu_error err;
	size_t at = 0;

	if (!r->model)
		return EXIT_OK;
	if (sim_machine.read(r->model, i, r->want, info->size, &err))
		return fail(EXIT_RUN, "the device model: %s", err.text);
	while (at < info->size && ((char *)r->out)[at] == ((char *)r->want)[at])
		at++;
	if (at < info->size)
		return fail(EXIT_RUN, "'%s' differs from the device model at byte %zu of %zu",
			    info->name, at, (size_t)info->size);
	r->checked++;
	return EXIT_OK;
}

static int write_raw(struct runner *r, size_t size)
{
	if (r->raw && fwrite(r->out, 1, size, r->raw) != size)
		return fail(EXIT_RUN, "%s: %s", r->opt->raw, strerror(errno));
	return EXIT_OK;
}

/* Read output @i into r->out and write it to the raw file. */
static int take_output(struct runner *r, unsigned int i)
{
	const struct npu_tensor_info *info = &r->program->outputs[i];
	struct npu_error err;
	int ret = r->on->read(r->machine, i, r->out, info->size, &err);

	if (ret)
		return run_failed(ret, &err);
	ret = check_output(r, i);
	return ret ? ret : write_raw(r, info->size);
}

/* One run on as many files as the model has inputs. */
static int run_files(struct runner *r, char **files)
{
	const struct npu_tensor_info *info;
	unsigned long n;
	unsigned int i;
	int ret = EXIT_OK;

	for (i = 0; i < r->program->ninputs; i++) {
		info = &r->program->inputs[i];
		ret = read_input(files[i], info, r->in);
		if (!ret)
			ret = write_input(r, i, r->in);
		if (ret)
			return ret;
	}
	for (n = 0; n < r->opt->repeat && !ret; n++)
		ret = run_once(r);
	if (ret)
		return ret;
	if (r->opt->json) {
		json_open(NULL, '{');
		json_string("input", files[0]);
		json_open("outputs", '[');
	} else {
		printf("%s\n", files[0]);
	}
	for (i = 0; i < r->program->noutputs && !ret; i++) {
		info = &r->program->outputs[i];
		ret = take_output(r, i);
		if (ret)
			break;
		if (r->opt->json) {
			json_open(NULL, '{');
			json_string("name", info->name);
		} else if (r->program->noutputs > 1) {
			printf(" %s\n", info->name);
		}
		print_top(r, info);
		if (r->opt->json)
			json_close();
	}
	if (r->opt->json) {
		json_close();
		json_close();
	}
	return ret;
}

static int run_all_files(struct runner *r)
{
	int inputs = (int)r->program->ninputs, i, ret = EXIT_OK;

	if (r->opt->nargs < 2 || (r->opt->nargs - 1) % inputs)
		return fail(EXIT_USAGE, "%s takes %d input files per run, %d are given",
			    r->opt->args[0], inputs, r->opt->nargs - 1);
	if (r->opt->json)
		json_open("runs", '[');
	for (i = 1; i < r->opt->nargs && !ret; i += inputs)
		ret = run_files(r, r->opt->args + i);
	if (r->opt->json)
		json_close();
	return ret;
}

/* ---- Batches ---- */

static void print_accuracy(struct runner *r, size_t right, size_t count)
{
	double accuracy = 100.0 * (double)right / (double)count;

	if (r->opt->json) {
		json_number("accuracy", "%.4f", accuracy / 100);
		json_number("right", "%zu", right);
		json_number("count", "%zu", count);
	} else {
		printf("accuracy: %.2f %% (%zu of %zu)\n", accuracy, right, count);
	}
}

static int run_images(struct runner *r, const char *images, size_t count, char **expect)
{
	const struct npu_tensor_info *in = &r->program->inputs[0];
	const struct npu_tensor_info *out = &r->program->outputs[0];
	size_t i, right = 0;
	unsigned long n;
	char *end;
	long want;
	int ret;

	for (i = 0; i < count; i++) {
		ret = write_input(r, 0, images + i * in->size);
		if (ret)
			return ret;
		for (n = 0, ret = EXIT_OK; n < r->opt->repeat && !ret; n++)
			ret = run_once(r);
		if (!ret)
			ret = take_output(r, 0);
		if (ret)
			return ret;
		if (!expect)
			continue;
		want = strtol(expect[i], &end, 10);
		if (end == expect[i] || *end)
			return fail(EXIT_INPUT, "%s: line %zu: '%s' is no class number",
				    r->opt->expect, i + 1, expect[i]);
		right += next_class(out, r->out, -1) == want;
	}
	if (expect)
		print_accuracy(r, right, count);
	else if (r->opt->json)
		json_number("count", "%zu", count);
	else
		printf("%zu runs\n", count);
	return EXIT_OK;
}

static int run_batch(struct runner *r)
{
	const struct npu_tensor_info *in = &r->program->inputs[0];
	size_t size, count, lines = 0;
	char **expect = NULL, *images;
	int ret = EXIT_INPUT;

	if (r->program->ninputs != 1 || r->program->noutputs != 1)
		return fail(EXIT_USAGE, "--batch needs a model with one input and one output");
	if (r->opt->nargs != 1)
		return fail(EXIT_USAGE, "with --batch there are no input files beside '%s'",
			    r->opt->batch);
	images = read_file(r->opt->batch, &size);
	if (!images)
		return EXIT_INPUT;
	count = size / in->size;
	if (!count || size % in->size) {
		fail(EXIT_INPUT, "%s: %zu bytes are no multiple of %llu, the size of input '%s'",
		     r->opt->batch, size, (unsigned long long)in->size, in->name);
		goto out;
	}
	if (r->opt->expect) {
		expect = read_lines(r->opt->expect, &lines);
		if (!expect)
			goto out;
		if (lines != count) {
			fail(EXIT_INPUT, "%s has %zu lines, %s has %zu images", r->opt->expect,
			     lines, r->opt->batch, count);
			goto out;
		}
	}
	ret = run_images(r, images, count, expect);
out:
	if (expect)
		free(expect[0]);
	free(expect);
	free(images);
	return ret;
}

/* ---- Times and counters ---- */

static void print_times(struct runner *r)
{
	double mean = (double)r->ns_sum / (double)r->runs;

	if (r->opt->json) {
		json_open("time_ns", '{');
		json_number("runs", "%" PRIu64, r->runs);
		json_number("min", "%" PRId64, r->ns_min);
		json_number("mean", "%.0f", mean);
		json_number("max", "%" PRId64, r->ns_max);
		json_close();
	} else {
		printf("%" PRIu64 " runs: %.1f us mean, %.1f min, %.1f max, %.1f per second\n",
		       r->runs, mean / 1e3, (double)r->ns_min / 1e3, (double)r->ns_max / 1e3,
		       1e9 / mean);
	}
}

static void print_checked(struct runner *r)
{
	if (r->opt->json)
		json_number("checked", "%" PRIu64, r->checked);
	else
		printf("%" PRIu64 " outputs are those of the device model\n", r->checked);
}

static void print_op(struct runner *r, const char *index, const char *name, const char *output,
		     const struct npu_timestamp *t, uint64_t total)
{
	double share = total ? (double)t->cycles / (double)total : 0;

	if (r->opt->json) {
		json_open(NULL, '{');
		json_string("operator", name);
		json_string("output", output);
		json_number("time_ns", "%" PRIu64, (uint64_t)t->time);
		json_number("cycles", "%" PRIu64, (uint64_t)t->cycles);
		json_number("macs", "%" PRIu64, (uint64_t)t->macs);
		json_number("bytes", "%" PRIu64, (uint64_t)t->bytes);
		json_number("share", "%.4f", share);
		json_close();
	} else {
		printf("%5s  %-18.18s %-22.22s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %10.1f %6.1f %%\n",
		       index, name, output, (uint64_t)t->cycles, (uint64_t)t->macs,
		       (uint64_t)t->bytes, (double)t->time / 1e3, 100 * share);
	}
}

static int print_profile(struct runner *r)
{
	unsigned int n = r->program->nops, i;
	struct npu_timestamp *t = calloc(n + 1, sizeof(*t)), total = { 0 };
	const struct npu_op_info *op;
	char index[16];
	int ret;

	if (!t)
		return fail(EXIT_RUN, "out of memory");
	ret = r->on->profile(r->machine, t, n);
	if (ret < 0) {
		free(t);
		return fail(EXIT_RUN, "reading the counters: %s", strerror(-ret));
	}
	for (i = 0; i < n; i++) {
		total.cycles += t[i].cycles;
		total.macs += t[i].macs;
		total.bytes += t[i].bytes;
		total.time += t[i].time;
	}
	if (r->opt->json)
		json_open("profile", '[');
	else
		printf("\n%5s  %-18s %-22s %12s %12s %12s %10s %8s\n", "index", "operator",
		       "output", "cycles", "MACs", "bytes", "us", "share");
	for (i = 0; i < n; i++) {
		op = &r->program->ops[i];
		snprintf(index, sizeof(index), "%u", op->index);
		print_op(r, index, op->name, op->output, &t[i], total.cycles);
	}
	if (r->opt->json)
		json_close();
	else
		print_op(r, "", "total", "", &total, total.cycles);
	free(t);
	return EXIT_OK;
}

/* ---- The command ---- */

static int prepare(struct runner *r)
{
	const struct options *opt = r->opt;
	size_t in = 1, out = 1;
	unsigned int i;
	int ret;

	ret = r->on->open(opt, &r->machine, &r->program);
	if (!ret && opt->check)
		ret = sim_machine.open(opt, &r->model, &r->program);
	if (ret)
		return ret;
	for (i = 0; i < r->program->ninputs; i++)
		if (r->program->inputs[i].size > in)
			in = r->program->inputs[i].size;
	for (i = 0; i < r->program->noutputs; i++)
		if (r->program->outputs[i].size > out)
			out = r->program->outputs[i].size;
	r->in = calloc(1, in);
	r->out = calloc(1, out);
	r->want = calloc(1, out);
	if (!r->in || !r->out || !r->want)
		return fail(EXIT_RUN, "out of memory");
	if (opt->labels) {
		r->labels = read_lines(opt->labels, &r->nlabels);
		if (!r->labels)
			return EXIT_INPUT;
	}
	if (opt->raw) {
		r->raw = strcmp(opt->raw, "-") ? fopen(opt->raw, "wbe") : stdout;
		if (!r->raw)
			return fail(EXIT_RUN, "%s: %s", opt->raw, strerror(errno));
	}
	return EXIT_OK;
}

static void release(struct runner *r)
{
	if (r->machine)
		r->on->close(r->machine);
	if (r->model)
		sim_machine.close(r->model);
	if (r->labels)
		free(r->labels[0]);
	free(r->labels);
	free(r->in);
	free(r->out);
	free(r->want);
}

int run_on(const struct machine_ops *on, const struct options *opt)
{
	struct runner r = { .opt = opt, .on = on };
	int ret;

	if (opt->nargs < 1)
		return fail(EXIT_USAGE, "%s needs a model; see 'npuctl --help'", on->name);
	if (opt->nargs < 2 && !opt->batch)
		return fail(EXIT_USAGE, "%s needs input files or --batch; see 'npuctl --help'",
			    on->name);
	if (opt->expect && !opt->batch)
		return fail(EXIT_USAGE, "--expect needs --batch");
	if (opt->raw && !strcmp(opt->raw, "-") && opt->json)
		return fail(EXIT_USAGE, "--raw - and --json both write to standard output");
	ret = prepare(&r);
	if (!ret && opt->json) {
		json_open(NULL, '{');
		json_string("device", on->where(r.machine));
		json_string("model", opt->args[0]);
	}
	if (!ret) {
		ret = opt->batch ? run_batch(&r) : run_all_files(&r);
		if (!ret && (opt->json || opt->repeat > 1 || opt->batch))
			print_times(&r);
		if (!ret && opt->profile)
			ret = print_profile(&r);
		if (!ret && opt->check)
			print_checked(&r);
	}
	if (r.raw && r.raw != stdout && fclose(r.raw) && !ret)
		ret = fail(EXIT_RUN, "%s: %s", opt->raw, strerror(errno));
	release(&r);
	return ret;
}

/* ---- On a device ---- */

struct device {
	struct npu_device *dev;
	struct npu_model *model;
	struct npu_session *session;
};

static void device_close(void *machine)
{
	struct device *d = machine;

	npu_session_destroy(d->session);
	npu_model_destroy(d->model);
	npu_device_close(d->dev);
	free(d);
}

static int device_prepare(struct device *d, const struct options *opt)
{
	const struct npu_compile_options options = compile_options(opt);
	struct npu_error err;
	int ret;

	ret = open_device(opt, &d->dev);
	if (ret)
		return ret;
	ret = npu_model_load(d->dev, opt->args[0], &options, &d->model, &err);
	if (ret)
		return fail(EXIT_MODEL, "%s: %s", opt->args[0], err.text);
	ret = npu_session_create(d->model, opt->priority, &d->session, &err);
	if (ret)
		return fail(ret == -EACCES ? EXIT_PERMISSION : EXIT_RUN, "%s", err.text);
	return EXIT_OK;
}

static int device_open(const struct options *opt, void **machine,
		       const struct npu_program_info **program)
{
	struct device *d = calloc(1, sizeof(*d));
	int ret;

	if (!d) {
		fail(EXIT_RUN, "out of memory");
		return EXIT_RUN;
	}
	ret = device_prepare(d, opt);
	if (ret) {
		device_close(d);
		return ret;
	}
	*machine = d;
	*program = npu_model_get_info(d->model);
	return EXIT_OK;
}

static const char *device_where(void *machine)
{
	struct device *d = machine;

	return npu_device_path(d->dev);
}

static int device_write(void *machine, unsigned int input, const void *data, size_t size,
			struct npu_error *err)
{
	struct device *d = machine;

	return npu_session_write(d->session, input, data, size, err);
}

static int device_run(void *machine, struct npu_error *err)
{
	struct device *d = machine;

	return npu_session_run(d->session, err);
}

static int device_read(void *machine, unsigned int output, void *data, size_t size,
		       struct npu_error *err)
{
	struct device *d = machine;

	return npu_session_read(d->session, output, data, size, err);
}

static int device_profile(void *machine, struct npu_timestamp *ops, unsigned int max)
{
	struct device *d = machine;

	return npu_session_profile(d->session, ops, max);
}

int cmd_run(const struct options *opt)
{
	static const struct machine_ops device = {
		.name = "run",
		.open = device_open,
		.close = device_close,
		.where = device_where,
		.write = device_write,
		.run = device_run,
		.read = device_read,
		.profile = device_profile,
	};

	if (opt->trace)
		return fail(EXIT_USAGE, "--trace is for sim; of a device, npu-emu --trace makes records");
	return run_on(&device, opt);
}

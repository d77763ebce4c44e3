// SPDX-License-Identifier: GPL-2.0-only
/*
 * TensorFlow Lite with the external delegate, on a device node:
 *
 *	t_delegate DELEGATE.so NETWORKS OPERATORS MIXED
 *
 * Folders: NETWORKS and OPERATORS have NAME.tflite, .in and .out as of npu-reference, with
 * the numerics of TensorFlow Lite Micro and of TensorFlow Lite; all of them is the
 * NPU's, to the bit. Of those in MIXED NAME.want says how much is,
 * and TensorFlow Lite on the CPU what the result is; without it there is no delegation.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tensorflow/lite/c/c_api.h>
#include <tensorflow/lite/c/c_api_experimental.h>
#include <tensorflow/lite/c/common.h>
#include <tensorflow/lite/delegates/external/external_delegate.h>

#include "emu.h"
#include "tap.h"

#define PATH_SIZE	512
#define FILE_SIZE	(PATH_SIZE + 16)	/* with an ending */
#define OUTPUT_SIZE	(4 << 20)	/* of all runs of a model */
#define NAMES_MAX	1000

/*
 * Of int8, how far the results of the graphs in MIXED may be apart from those of TensorFlow
 * Lite's kernels for x86, which round CONV_2D otherwise. It is measured, with these graphs
 * and inputs, which are always the same; it is no bound for others: see delegate.rst.
 */
#define ROUNDING	1

static const char *library;

/* ---- What the delegate claims ---- */

/* The interpreter's functions, which are looked over the shoulder at. */
static TfLiteStatus (*plugin_prepare)(TfLiteContext *context, TfLiteDelegate *delegate);
static TfLiteStatus (*replace)(TfLiteContext *context, TfLiteRegistration registration,
			       const TfLiteIntArray *nodes, TfLiteDelegate *delegate);

static const TfLiteContext *graph;	/* the first one, others are called by it */

static struct claim {
	int partitions;
	int nodes;
	int all;	/* nodes of the graph */
} claim;

static TfLiteStatus counting_replace(TfLiteContext *context, TfLiteRegistration registration,
				     const TfLiteIntArray *nodes, TfLiteDelegate *delegate)
{
	TfLiteDelegateParams *params;

	if (context == graph) {
		claim.nodes = nodes->size;
		claim.partitions = 0;
	}
	if (context == graph && nodes->size)
		context->PreviewDelegatePartitioning(context, nodes, &params, &claim.partitions);
	return replace(context, registration, nodes, delegate);
}

static TfLiteStatus counting_prepare(TfLiteContext *context, TfLiteDelegate *delegate)
{
	TfLiteIntArray *plan;
	TfLiteStatus status;

	if (!graph)
		graph = context;
	context->GetExecutionPlan(context, &plan);
	if (graph == context)
		claim.all = plan->size;
	replace = context->ReplaceNodeSubsetsWithDelegateKernels;
	context->ReplaceNodeSubsetsWithDelegateKernels = counting_replace;
	status = plugin_prepare(context, delegate);
	context->ReplaceNodeSubsetsWithDelegateKernels = replace;
	return status;
}

static const char *numerics = "tflite";

static TfLiteDelegate *make_delegate(const char *device)
{
	TfLiteExternalDelegateOptions options = TfLiteExternalDelegateOptionsDefault(library);
	TfLiteDelegate *delegate;

	if (strcmp(numerics, "tflite"))
		TfLiteExternalDelegateOptionsInsert(&options, "numerics", numerics);
	if (device)
		TfLiteExternalDelegateOptionsInsert(&options, "device", device);
	delegate = TfLiteExternalDelegateCreate(&options);
	if (delegate) {
		plugin_prepare = delegate->Prepare;
		delegate->Prepare = counting_prepare;
	}
	return delegate;
}

/* ---- Models ---- */

struct model {
	TfLiteModel *file;
	TfLiteDelegate *delegate;
	TfLiteInterpreter *interpreter;
};

static char messages[4096];

static void keep_message(void *data, const char *format, va_list args)
{
	size_t used = strlen(messages);

	(void)data;
	vsnprintf(messages + used, sizeof(messages) - used, format, args);
}

static void close_model(struct model *model)
{
	TfLiteInterpreterDelete(model->interpreter);
	TfLiteModelDelete(model->file);
	if (model->delegate)
		TfLiteExternalDelegateDelete(model->delegate);
	*model = (struct model) { 0 };
}

static TfLiteModel *load_model(const char *path)
{
	char file[FILE_SIZE];

	snprintf(file, sizeof(file), "%s.tflite", path);
	return TfLiteModelCreateFromFile(file);
}

/* @path: without its ending; @device: path; "": any; NULL: without the NPU */
static bool open_model(const char *path, const char *device, struct model *model)
{
	TfLiteInterpreterOptions *options = TfLiteInterpreterOptionsCreate();

	*model = (struct model) { 0 };
	claim = (struct claim) { 0 };
	graph = NULL;
	messages[0] = 0;
	TfLiteInterpreterOptionsSetErrorReporter(options, keep_message, NULL);
	model->file = load_model(path);
	if (device) {
		model->delegate = make_delegate(*device ? device : NULL);
		if (model->delegate)
			TfLiteInterpreterOptionsAddDelegate(options, model->delegate);
	}
	if (model->file && (!device || model->delegate))
		model->interpreter = TfLiteInterpreterCreate(model->file, options);
	TfLiteInterpreterOptionsDelete(options);
	if (model->interpreter &&
	    TfLiteInterpreterAllocateTensors(model->interpreter) == kTfLiteOk)
		return true;
	close_model(model);
	return false;
}

static void *read_all(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	char *data = malloc(OUTPUT_SIZE);

	*size = f && data ? fread(data, 1, OUTPUT_SIZE, f) : 0;
	if (f)
		fclose(f);
	return data;
}

static bool set_inputs(TfLiteInterpreter *interpreter, const char **in, const char *end)
{
	TfLiteTensor *tensor;
	size_t size;
	int i;

	for (i = 0; i < TfLiteInterpreterGetInputTensorCount(interpreter); i++) {
		tensor = TfLiteInterpreterGetInputTensor(interpreter, i);
		size = TfLiteTensorByteSize(tensor);
		if (size > (size_t)(end - *in) ||
		    TfLiteTensorCopyFromBuffer(tensor, *in, size) != kTfLiteOk)
			return false;
		*in += size;
	}
	return true;
}

static bool get_outputs(TfLiteInterpreter *interpreter, char **out, const char *end)
{
	const TfLiteTensor *tensor;
	size_t size;
	int i;

	for (i = 0; i < TfLiteInterpreterGetOutputTensorCount(interpreter); i++) {
		tensor = TfLiteInterpreterGetOutputTensor(interpreter, i);
		size = TfLiteTensorByteSize(tensor);
		if (size > (size_t)(end - *out) ||
		    TfLiteTensorCopyToBuffer(tensor, *out, size) != kTfLiteOk)
			return false;
		*out += size;
	}
	return true;
}

/* The outputs of all runs; NULL if one fails. @path: without its ending. */
static char *run_all(TfLiteInterpreter *interpreter, const char *path, size_t *size)
{
	char name[FILE_SIZE], *out = malloc(OUTPUT_SIZE), *at = out, *data;
	const char *in;
	bool good = out;
	size_t n;

	snprintf(name, sizeof(name), "%s.in", path);
	data = read_all(name, &n);
	for (in = data; good && in < data + n;)
		good = set_inputs(interpreter, &in, data + n) &&
		       TfLiteInterpreterInvoke(interpreter) == kTfLiteOk &&
		       get_outputs(interpreter, &at, out + OUTPUT_SIZE);
	free(data);
	*size = (size_t)(at - out);
	if (good && n)
		return out;
	free(out);
	return NULL;
}

/* Are these the bytes of a file? */
static bool same_bytes(const char *path, const char *ending, const char *out, size_t size)
{
	char name[FILE_SIZE], *want;
	bool same;
	size_t n;

	snprintf(name, sizeof(name), "%s%s", path, ending);
	want = read_all(name, &n);
	same = out && n == size && !memcmp(want, out, n);
	free(want);
	return same;
}

/* All of it on the NPU, to the bit. */
static bool same_as_reference(const char *path)
{
	char *out;
	struct model model;
	size_t size;
	bool good;

	if (!open_model(path, "", &model)) {
		note("%s: %s", path, messages);
		return false;
	}
	good = claim.partitions == 1 && claim.nodes == claim.all;
	out = run_all(model.interpreter, path, &size);
	good = good && same_bytes(path, ".out", out, size);
	if (!good)
		note("%s: %d partitions, %d of %d nodes; %s", path, claim.partitions, claim.nodes,
		     claim.all, out ? "" : messages);
	free(out);
	close_model(&model);
	return good;
}

/* ---- Folders of models ---- */

static int is_model(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 7 && !strcmp(entry->d_name + n - 7, ".tflite");
}

/* Paths without ending, in order. */
static int list_models(const char *folder, char names[NAMES_MAX][PATH_SIZE])
{
	struct dirent **entries;
	int i, n = scandir(folder, &entries, is_model, alphasort), count = 0;

	for (i = 0; i < n; i++) {
		if (count < NAMES_MAX)
			snprintf(names[count++], PATH_SIZE, "%s/%.*s", folder,
				 (int)strlen(entries[i]->d_name) - 7, entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return count;
}

static char names[NAMES_MAX][PATH_SIZE];

static void test_networks(const char *folder)
{
	int i, count = list_models(folder, names);

	numerics = "tflm";
	for (i = 0; i < count; i++)
		ok(same_as_reference(names[i]), "%s: all of it on the NPU, to the bit",
		   strrchr(names[i], '/') + 1);
	ok(count > 5, "there were networks");
	numerics = "tflite";
}

/* Does TensorFlow Lite itself take it? */
static bool is_valid(const char *path)
{
	struct model model;
	bool good;

	good = open_model(path, NULL, &model);
	close_model(&model);
	return good;
}

/* NAME_NUMBER: length of what comes before the number, with its folder */
static int kind_of(const char *path)
{
	return (int)(strrchr(path, '_') - path);
}

/* Random models of each operator. */
static void test_operators(const char *folder)
{
	int i, begin, valid, good, kinds = 0, count = list_models(folder, names);

	for (begin = 0; begin < count; begin = i) {
		valid = 0;
		good = 0;
		for (i = begin; i < count && kind_of(names[i]) == kind_of(names[begin]) &&
		     !strncmp(names[i], names[begin], (size_t)kind_of(names[begin])); i++) {
			if (!is_valid(names[i])) {
				note("not TensorFlow Lite's: %s", messages);
				continue;
			}
			valid++;
			good += same_as_reference(names[i]);
		}
		ok(good == valid, "%.*s: %d of %d models%s", kind_of(names[begin]) -
		   (int)strlen(folder) - 1, names[begin] + strlen(folder) + 1, good, valid,
		   valid ? "" : " # SKIP TensorFlow Lite takes none of them");
		kinds += valid > 0;
	}
	ok(kinds > 80, "there were operators");
}

/* ---- A part of a graph ---- */

/* The largest difference of two int8. */
static int difference(const char *a, const char *b, size_t size)
{
	int most = 0;
	size_t i;

	for (i = 0; i < size; i++)
		if (abs(a[i] - b[i]) > most)
			most = abs(a[i] - b[i]);
	return most;
}

/* How far outputs of this model may be apart: if they are float32, not at all. */
static int allowed(const TfLiteInterpreter *interpreter)
{
	int i;

	for (i = 0; i < TfLiteInterpreterGetOutputTensorCount(interpreter); i++)
		if (TfLiteTensorType(TfLiteInterpreterGetOutputTensor(interpreter, i)) !=
		    kTfLiteInt8)
			return 0;
	return ROUNDING;
}

static bool read_want(const char *path, struct claim *want)
{
	char name[FILE_SIZE], text[64] = "", *end = text;

	snprintf(name, sizeof(name), "%s.want", path);
	read_file(name, text, sizeof(text));
	want->partitions = (int)strtol(end, &end, 10);
	want->nodes = (int)strtol(end, &end, 10);
	want->all = (int)strtol(end, &end, 10);
	return want->all;
}

/* TensorFlow Lite does not let the delegate in. */
static void test_without(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	struct model model;

	ok(open_model(path, NULL, &model), "%s: on the CPU", name);
	close_model(&model);
	ok(!open_model(path, "", &model), "%s: not with a delegate", name);
	close_model(&model);
}

static void test_mixed(const char *path)
{
	char *out = NULL, *want = NULL;
	const char *name = strrchr(path, '/') + 1;
	int apart = INT_MAX, most = 0;
	size_t size = 0, want_size = 0;
	struct claim expected;
	struct model model;

	if (!read_want(path, &expected)) {
		test_without(path);
		return;
	}
	if (open_model(path, NULL, &model)) {
		want = run_all(model.interpreter, path, &want_size);
		most = allowed(model.interpreter);
	}
	close_model(&model);
	ok(want, "%s: on the CPU", name);
	if (open_model(path, "", &model))
		out = run_all(model.interpreter, path, &size);
	close_model(&model);
	ok(!memcmp(&claim, &expected, sizeof(claim)),
	   "%s: %d partitions, %d of %d nodes", name, claim.partitions, claim.nodes, claim.all);
	if (out && want && size == want_size)
		apart = difference(out, want, size);
	ok(apart <= most, "%s: %d apart from the CPU alone, at most %d %s", name, apart, most,
	   messages);
	free(out);
	free(want);
}

/* ---- Variables ---- */

static void test_variables(const char *folder)
{
	char path[PATH_SIZE], *out;
	struct model model;
	size_t size;

	snprintf(path, sizeof(path), "%s/svdf_keywords", folder);
	if (!ok(open_model(path, "", &model), "a network with variables"))
		return;
	out = run_all(model.interpreter, path, &size);
	ok(same_bytes(path, ".out", out, size), "remembers from run to run");
	free(out);
	out = run_all(model.interpreter, path, &size);
	ok(out && !same_bytes(path, ".out", out, size), "and goes on with it");
	free(out);
	ok(TfLiteInterpreterResetVariableTensors(model.interpreter) == kTfLiteOk, "is reset");
	out = run_all(model.interpreter, path, &size);
	ok(same_bytes(path, ".out", out, size), "and begins again");
	free(out);
	close_model(&model);
}

/* Somebody else's state is not silently lost. */
static void test_foreign_state(const char *folder)
{
	char path[PATH_SIZE], *out;
	struct model model;
	TfLiteTensor *tensor;
	size_t size;
	int i, n = 0;

	snprintf(path, sizeof(path), "%s/svdf_keywords", folder);
	if (!ok(open_model(path, "", &model), "a network with variables"))
		return;
	for (i = 0; (tensor = TfLiteInterpreterGetTensor(model.interpreter, i)); i++) {
		if (!tensor->is_variable || !tensor->data.raw)
			continue;
		tensor->data.raw[0] = 7;
		n++;
		break;
	}
	messages[0] = 0;
	out = run_all(model.interpreter, path, &size);
	ok(n && !out && strstr(messages, "variable"), "of which one was written: %s", messages);
	free(out);
	close_model(&model);
}

static void copy_variables(TfLiteInterpreter *interpreter, char *saved, bool restore)
{
	TfLiteTensor *tensor;
	size_t at = 0;
	int i;

	for (i = 0; (tensor = TfLiteInterpreterGetTensor(interpreter, i)); i++) {
		if (!tensor->is_variable || !tensor->data.raw ||
		    at + tensor->bytes > OUTPUT_SIZE)
			continue;
		memcpy(restore ? tensor->data.raw : saved + at,
		       restore ? saved + at : tensor->data.raw, tensor->bytes);
		at += tensor->bytes;
	}
}

/* Nor is one that looks like ours. */
static void test_restored_state(const char *folder)
{
	char path[PATH_SIZE], *out, *saved = calloc(1, OUTPUT_SIZE);
	TfLiteInterpreter *interpreter;
	struct model model;
	size_t size;

	snprintf(path, sizeof(path), "%s/svdf_keywords", folder);
	if (!ok(saved && open_model(path, "", &model), "a network with variables")) {
		free(saved);
		return;
	}
	interpreter = model.interpreter;
	free(run_all(interpreter, path, &size));
	copy_variables(interpreter, saved, false);
	copy_variables(interpreter, saved, true);
	ok(TfLiteInterpreterInvoke(interpreter) == kTfLiteOk, "restored before it changed");
	copy_variables(interpreter, saved, true);
	messages[0] = 0;
	ok(TfLiteInterpreterInvoke(interpreter) != kTfLiteOk && strstr(messages, "variable"),
	   "restored after a run: %s", messages);
	TfLiteInterpreterResetVariableTensors(interpreter);
	out = run_all(interpreter, path, &size);
	ok(same_bytes(path, ".out", out, size), "and a reset helps");
	free(out);
	free(saved);
	close_model(&model);
}

/* ---- Shapes ---- */

static void test_resize(const char *folder)
{
	char path[PATH_SIZE], out[2][1024], in[1024];
	int i, dims[4] = { 2, 8, 8, 4 };
	TfLiteInterpreter *interpreter;
	struct model model;
	bool good = true;

	snprintf(path, sizeof(path), "%s/integer_between", folder);
	for (i = 0; i < (int)sizeof(in); i++)
		in[i] = (char)(i * 77);
	for (i = 0; i < 2 && good; i++) {
		good = open_model(path, i ? "" : NULL, &model);
		interpreter = model.interpreter;
		good = good && TfLiteInterpreterResizeInputTensor(interpreter, 0, dims, 4) ==
			       kTfLiteOk &&
		       TfLiteInterpreterAllocateTensors(interpreter) == kTfLiteOk &&
		       TfLiteTensorCopyFromBuffer(TfLiteInterpreterGetInputTensor(interpreter, 0),
						  in, 512) == kTfLiteOk &&
		       TfLiteInterpreterInvoke(interpreter) == kTfLiteOk &&
		       TfLiteTensorCopyToBuffer(TfLiteInterpreterGetOutputTensor(interpreter, 0),
						out[i], 512) == kTfLiteOk;
		close_model(&model);
	}
	ok(good && difference(out[0], out[1], 512) <= ROUNDING, "inputs get another shape: %s",
	   messages);
	ok(claim.partitions == 2 && claim.nodes == 3, "and the NPU gets as much as before");
}

/* ---- Several interpreters ---- */

static char shared_path[PATH_SIZE];
static TfLiteDelegate *shared;

static void *run_shared(void *good)
{
	TfLiteInterpreterOptions *options = TfLiteInterpreterOptionsCreate();
	TfLiteInterpreter *interpreter;
	TfLiteModel *model;
	char *out;
	size_t size;
	int i;

	model = load_model(shared_path);
	TfLiteInterpreterOptionsAddDelegate(options, shared);
	interpreter = TfLiteInterpreterCreate(model, options);
	*(bool *)good = interpreter && TfLiteInterpreterAllocateTensors(interpreter) == kTfLiteOk;
	for (i = 0; i < 5 && *(bool *)good; i++) {
		out = run_all(interpreter, shared_path, &size);
		*(bool *)good = same_bytes(shared_path, ".out", out, size);
		free(out);
	}
	TfLiteInterpreterDelete(interpreter);
	TfLiteModelDelete(model);
	TfLiteInterpreterOptionsDelete(options);
	return NULL;
}

static void test_threads(const char *folder)
{
	pthread_t thread[3];
	bool good[3];
	int i;

	snprintf(shared_path, sizeof(shared_path), "%s/ds_cnn", folder);
	shared = make_delegate(NULL);
	if (!ok(shared, "a delegate for three interpreters"))
		return;
	shared->Prepare = plugin_prepare;
	for (i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, run_shared, &good[i]);
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	ok(good[0] && good[1] && good[2], "in three threads, to the bit");
	TfLiteExternalDelegateDelete(shared);
}

/* ---- What goes wrong ---- */

typedef TfLiteDelegate *(*create_fn)(const char *const *keys, const char *const *values, size_t n,
				     void (*report)(const char *text));

static void report(const char *text)
{
	snprintf(messages, sizeof(messages), "%s", text);
}

static void refused(create_fn create, const char *key, const char *value, const char *want)
{
	messages[0] = 0;
	ok(!create(&key, &value, 1, report) && strstr(messages, want), "%s = %s: %s", key, value,
	   messages);
	ok(!create(&key, &value, 1, NULL), "also if nobody listens");
}

static void test_creation(void)
{
	const char *device = "device", *any = "0", *unknown = "cores";
	void (*destroy)(TfLiteDelegate *delegate);
	void *plugin = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	TfLiteDelegate *delegate;
	create_fn create;

	if (!ok(plugin, "the library is loaded"))
		return;
	*(void **)&create = dlsym(plugin, "tflite_plugin_create_delegate");
	*(void **)&destroy = dlsym(plugin, "tflite_plugin_destroy_delegate");
	if (!ok(create && destroy, "and has both symbols"))
		return;
	refused(create, unknown, "1", "not cores");
	refused(create, "explain", "maybe", "0 or 1");
	refused(create, "numerics", "exact", "tflm or tflite");
	refused(create, device, "/dev/accel/accel77", "/dev/accel/accel77");
	refused(create, device, "/dev/null", "/dev/null");
	messages[0] = 0;
	ok(!create(NULL, NULL, 1, report) && strstr(messages, "without"),
	   "options that are not there");
	delegate = create(NULL, NULL, 0, report);
	ok(delegate, "no option at all");
	destroy(delegate);
	delegate = create(&device, &any, 1, report);
	ok(delegate, "the first device");
	destroy(delegate);
	destroy(NULL);
	ok(true, "nothing is destroyed");
	dlclose(plugin);
}

static void test_explain(const char *folder)
{
	TfLiteExternalDelegateOptions options = TfLiteExternalDelegateOptionsDefault(library);
	TfLiteInterpreterOptions *settings = TfLiteInterpreterOptionsCreate();
	TfLiteInterpreter *interpreter;
	TfLiteDelegate *delegate;
	char path[PATH_SIZE];
	TfLiteModel *model;

	snprintf(path, sizeof(path), "%s/integer_between", folder);
	messages[0] = 0;
	TfLiteExternalDelegateOptionsInsert(&options, "explain", "1");
	delegate = TfLiteExternalDelegateCreate(&options);
	TfLiteInterpreterOptionsSetErrorReporter(settings, keep_message, NULL);
	TfLiteInterpreterOptionsAddDelegate(settings, delegate);
	model = load_model(path);
	interpreter = TfLiteInterpreterCreate(model, settings);
	ok(interpreter && strstr(messages, "node 1 stays on the CPU"), "%s", messages);
	TfLiteInterpreterDelete(interpreter);
	TfLiteModelDelete(model);
	TfLiteInterpreterOptionsDelete(settings);
	TfLiteExternalDelegateDelete(delegate);
}

/* A device of its own, whose faults disturb nobody. */
static void test_faults(const char *folder)
{
	char path[PATH_SIZE], device[32], *out;
	struct model model;
	struct emu emu = { .index = -1 };
	size_t size;

	snprintf(path, sizeof(path), "%s/resnet8", folder);
	if (!ok(!emu_create(&emu, 2, 64), "a device of its own"))
		return;
	snprintf(device, sizeof(device), "/dev/accel/accel%d", emu.index);
	if (ok(open_model(path, device, &model), "%s", device)) {
		ok(!emu_write(&emu, "faults/hang", "1"), "hangs");
		messages[0] = 0;
		out = run_all(model.interpreter, path, &size);
		ok(!out && *messages, "and the run fails: %s", messages);
		free(out);
		out = run_all(model.interpreter, path, &size);
		ok(same_bytes(path, ".out", out, size), "the next ones are good");
		free(out);
		emu_unplug(&emu);
		messages[0] = 0;
		out = run_all(model.interpreter, path, &size);
		ok(!out && *messages, "it is unplugged: %s", messages);
		free(out);
		close_model(&model);
	}
	emu_remove(&emu);
}

/* It goes between the delegate and its first graph. */
static void test_gone(const char *folder)
{
	TfLiteInterpreterOptions *options = TfLiteInterpreterOptionsCreate();
	struct model model = { 0 };
	char path[PATH_SIZE], device[32];
	struct emu emu = { .index = -1 };

	snprintf(path, sizeof(path), "%s/resnet8", folder);
	model.file = load_model(path);
	ok(!emu_create(&emu, 2, 64), "another one");
	snprintf(device, sizeof(device), "/dev/accel/accel%d", emu.index);
	model.delegate = make_delegate(device);
	ok(model.delegate && !emu_unplug(&emu), "is unplugged before there is a graph");
	messages[0] = 0;
	TfLiteInterpreterOptionsSetErrorReporter(options, keep_message, NULL);
	if (model.delegate)
		TfLiteInterpreterOptionsAddDelegate(options, model.delegate);
	model.interpreter = TfLiteInterpreterCreate(model.file, options);
	ok((!model.interpreter ||
	    TfLiteInterpreterAllocateTensors(model.interpreter) != kTfLiteOk) &&
	   strstr(messages, "NPU delegate: "), "which it does not get: %s", messages);
	TfLiteInterpreterOptionsDelete(options);
	close_model(&model);
	emu_remove(&emu);
}

int main(int argc, char **argv)
{
	int i, count;

	if (argc != 5) {
		fprintf(stderr, "usage: t_delegate DELEGATE.so NETWORKS OPERATORS MIXED\n");
		return 2;
	}
	library = argv[1];
	test_creation();
	test_networks(argv[2]);
	test_operators(argv[3]);
	count = list_models(argv[4], names);
	for (i = 0; i < count; i++)
		test_mixed(names[i]);
	ok(count > 5, "there were graphs of which the NPU gets a part");
	test_variables(argv[2]);
	test_foreign_state(argv[2]);
	test_restored_state(argv[2]);
	test_resize(argv[4]);
	test_threads(argv[2]);
	test_explain(argv[4]);
	test_faults(argv[2]);
	test_gone(argv[2]);
	return tap_done();
}

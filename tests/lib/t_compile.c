// SPDX-License-Identifier: MIT
/*
 * What the compiler makes of models, apart from the numbers (t_device has
 * those):
 *
 *	t_compile DIRECTORY
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <npu.h>

#include "tap.h"

static char *load(const char *dir, const char *name, size_t *size)
{
	char path[512];
	char *data;
	FILE *f;
	long n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) < 0) {
		printf("Bail out! cannot read %s\n", path);
		exit(1);
	}
	rewind(f);
	data = calloc(1, (size_t)n + 1);
	*size = fread(data, 1, (size_t)n, f);
	fclose(f);
	return data;
}

static bool same_program(const struct npu_program *x, const struct npu_program *y)
{
	const struct npu_program_info *a = npu_program_get_info(x), *b = npu_program_get_info(y);

	return a->stream_size == b->stream_size && a->nbases == b->nbases &&
	       !memcmp(a->stream, b->stream, a->stream_size) &&
	       !memcmp(a->bases, b->bases, a->nbases * sizeof(a->bases[0])) &&
	       (!a->bases[0].size || !memcmp(a->constants, b->constants, a->bases[0].size));
}

static void test_digits(const char *dir)
{
	struct npu_compile_options options = { .flags = NPU_COMPILE_PROFILE };
	struct npu_program *a = NULL, *b = NULL, *c = NULL;
	const struct npu_program_info *info;
	const struct npu_tensor_info *in, *out;
	struct npu_error err = { 0 };
	size_t size;
	char *file = load(dir, "digits.tflite", &size), *moved = malloc(size + 8), path[512];

	ok(!npu_program_compile(file, size, NULL, &a, &err), "digits compiles (%s)", err.text);
	info = npu_program_get_info(a);
	in = &info->inputs[0];
	out = &info->outputs[0];
	ok(info->ninputs == 1 && !strcmp(in->name, "image") && in->type == NPU_TYPE_S8 &&
	   in->device_type == NPU_TYPE_S8 && in->rank == 4 && in->dim[1] == 8 && in->size == 64 &&
	   in->base == 2 && in->zero_point == -128, "its input");
	ok(info->noutputs == 1 && !strcmp(out->name, "class") && out->rank == 2 &&
	   out->size == 10 && out->base == 3 && out->scale == 1.0f / 256, "its output");
	ok(info->nops == 9 && !strcmp(info->ops[0].name, "CONV_2D") && !info->ops[6].commands,
	   "its operators");
	ok(info->nbases == 4 && info->bases[0].size && !info->bases[0].flags &&
	   !info->bases[2].flags && info->bases[3].flags == NPU_BASE_WRITE,
	   "only its outputs can be written");
	/* The largest two that are needed at one time: depthwise 1024, pointwise 2048. */
	ok(info->bases[1].size == 3072 && info->bases[1].flags == NPU_BASE_WRITE,
	   "its arena has the least size");
	memcpy(moved + 8, file, size);
	ok(!npu_program_compile(moved + 8, size, NULL, &b, NULL) && same_program(a, b),
	   "another run gives the same bytes");
	ok(!npu_program_compile(file, size, &options, &c, NULL) &&
	   npu_program_get_info(c)->nbases == 5 &&
	   npu_program_get_info(c)->bases[4].size == 10 * sizeof(struct npu_timestamp),
	   "with time stamps it has one more base");
	npu_program_destroy(b);
	npu_program_destroy(c);
	options.flags = 2;
	ok(npu_program_compile(file, size, &options, &b, &err) == -EINVAL, "unknown flag: %s",
	   err.text);
	snprintf(path, sizeof(path), "%s/digits.tflite", dir);
	ok(!npu_program_load(path, NULL, &b, &err) && same_program(a, b), "from a path");
	npu_program_destroy(b);
	ok(npu_program_load("/nonexistent.tflite", NULL, &b, &err) == -ENOENT &&
	   strstr(err.text, "/nonexistent.tflite"), "no file: %s", err.text);
	ok(npu_program_load(dir, NULL, &b, &err) == -EBADMSG, "a directory: %s", err.text);
	ok(npu_program_compile("", 0, NULL, &b, &err) == -EBADMSG, "an empty file: %s", err.text);
	ok(npu_program_compile("hello, world", 12, NULL, &b, &err) == -EBADMSG, "a text: %s",
	   err.text);
	npu_program_destroy(a);
	npu_program_destroy(NULL);
	free(file);
	free(moved);
}

static int is_model(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && !strcmp(dot, ".tflite");
}

static bool same_tensors(const struct npu_tensor_info *a, const struct npu_tensor_info *b,
			 unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (strcmp(a[i].name, b[i].name) || a[i].type != b[i].type ||
		    a[i].device_type != b[i].device_type || a[i].size != b[i].size ||
		    a[i].scale != b[i].scale || a[i].zero_point != b[i].zero_point ||
		    memcmp(a[i].dim, b[i].dim, sizeof(a[i].dim)))
			return false;
	return true;
}

/* Whatever is compiled can be saved, and comes back as it was. */
static void test_saved(const char *dir)
{
	static const char saved[] = "saved.npu";
	const struct npu_program_info *x, *y;
	struct npu_program *a, *b;
	struct dirent **entries;
	struct npu_error err;
	char path[512];
	int n = scandir(dir, &entries, is_model, alphasort), i, same = 0;

	for (i = 0; i < n; i++) {
		a = NULL;
		b = NULL;
		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		if (npu_program_load(path, NULL, &a, &err) || npu_program_save(a, saved, &err) ||
		    npu_program_load(saved, NULL, &b, &err)) {
			note("%s: %s", entries[i]->d_name, err.text);
		} else {
			x = npu_program_get_info(a);
			y = npu_program_get_info(b);
			same += same_program(a, b) && x->nops == y->nops &&
				same_tensors(x->inputs, y->inputs, x->ninputs) &&
				same_tensors(x->outputs, y->outputs, x->noutputs) &&
				(!x->state_base || !memcmp(x->state, y->state,
							   x->bases[x->state_base].size));
		}
		npu_program_destroy(a);
		npu_program_destroy(b);
		free(entries[i]);
	}
	free(entries);
	remove(saved);
	ok(n > 10 && same == n, "%d of %d programs come back from a file", same, n);
}

static int is_bad(const struct dirent *entry)
{
	return strlen(entry->d_name) > 4 && !strcmp(strrchr(entry->d_name, '.') ?
						    strrchr(entry->d_name, '.') : "", ".bad");
}

static void test_refusals(const char *dir)
{
	struct npu_program *program;
	struct dirent **entries;
	struct npu_error err;
	char name[256], *file, *want;
	int n = scandir(dir, &entries, is_bad, alphasort), i, ret;
	size_t size, length;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s", entries[i]->d_name);
		file = load(dir, name, &size);
		strcpy(strrchr(name, '.'), ".want");
		want = load(dir, name, &length);
		memset(&err, 0, sizeof(err));
		program = NULL;
		ret = npu_program_compile(file, size, NULL, &program, &err);
		ok((ret == -EOPNOTSUPP || ret == -EBADMSG) && strstr(err.text, want), "%.*s: %s",
		   (int)strcspn(name, "."), name, err.text);
		npu_program_destroy(program);
		free(entries[i]);
		free(file);
		free(want);
	}
	ok(n > 20, "%d models that must be refused", n);
	free(entries);
}

/* Only files are read; nobody writes to the FIFO, and nothing waits for that. */
static void test_paths(const char *dir)
{
	struct npu_program *program = NULL;
	struct npu_error err = { 0 };
	char path[512];

	snprintf(path, sizeof(path), "%s/fifo", dir);
	unlink(path);
	ok(!mkfifo(path, 0600), "a FIFO");
	alarm(60);
	ok(npu_program_load(path, NULL, &program, &err) == -EBADMSG, "is no model: %s", err.text);
	alarm(0);
	unlink(path);
	ok(npu_program_load(dir, NULL, &program, &err) == -EBADMSG, "nor a directory: %s",
	   err.text);
	ok(npu_program_load(path, NULL, &program, &err) == -ENOENT, "nor nothing: %s", err.text);
	ok(npu_program_compile(path, 1ull << 31, NULL, &program, &err) == -EBADMSG,
	   "nor what is too large to have offsets: %s", err.text);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	test_digits(argv[1]);
	test_saved(argv[1]);
	test_refusals(argv[1]);
	test_paths(argv[1]);
	return tap_done();
}

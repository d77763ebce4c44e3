// SPDX-License-Identifier: MIT
/*
 * Damaged model files: cut off at every byte, with flipped bits, with words
 * that look like offsets and sizes. Nothing may be read outside the file (the
 * sanitizers watch), every refusal has a text, and what is accepted all the
 * same is a legal program.
 *
 *	t_hostile DIRECTORY
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <npu.h>

#include "container.h"
#include "tap.h"

static unsigned long files, accepted;

static bool try_file(const unsigned char *data, size_t size)
{
	unsigned char *copy = malloc(size ? size : 1);	/* exact, for the sanitizer */
	struct npu_program *program = NULL;
	struct npu_error err = { 0 };
	bool good = true;
	int ret;

	memcpy(copy, data, size);
	/* Of a saved program all but the checksum is to be looked at. */
	mend_checksum(copy, size);
	ret = npu_program_compile(copy, size, NULL, &program, &err);
	free(copy);
	files++;
	if (!ret) {
		const struct npu_program_info *info = npu_program_get_info(program);

		accepted++;
		good = !npu_stream_check(info->stream, info->stream_size, NULL, 0, NULL, &err);
	} else {
		good = ret < 0 && err.text[0];
	}
	npu_program_destroy(program);
	return good;
}

static bool cut_off(const unsigned char *file, size_t size)
{
	bool good = true;
	size_t i;

	for (i = 0; i < size; i++)
		good &= try_file(file, i);
	return good;
}

static bool flip_bits(unsigned char *file, size_t size, size_t step)
{
	bool good = true;
	size_t bit;

	for (bit = 0; bit < 8 * size; bit += step) {
		file[bit / 8] ^= (unsigned char)(1u << bit % 8);
		good &= try_file(file, size);
		file[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	return good;
}

static bool change_words(unsigned char *file, size_t size, size_t step)
{
	static const uint32_t words[] = { 0, 1, 2, 4, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
					  0xfffffffc, 0xffffffff };
	bool good = true;
	uint32_t old, new;
	size_t at, i;

	for (at = 0; at + 4 <= size && at < 4096; at += 4 * step) {
		memcpy(&old, file + at, 4);
		for (i = 0; i < sizeof(words) / sizeof(words[0]) + 2; i++) {
			new = i < sizeof(words) / sizeof(words[0]) ? words[i] :
			      i & 1 ? (uint32_t)size : (uint32_t)(size - at);
			memcpy(file + at, &new, 4);
			good &= try_file(file, size);
		}
		memcpy(file + at, &old, 4);
	}
	return good;
}

static bool random_damage(unsigned char *file, size_t size, unsigned int rounds)
{
	unsigned char *copy = malloc(size);
	bool good = true;
	unsigned int i, n;

	srand(1);
	for (i = 0; i < rounds; i++) {
		memcpy(copy, file, size);
		for (n = 1 + (unsigned int)rand() % 8; n; n--)
			copy[(size_t)rand() % (rand() % 2 ? size : size < 2048 ? size : 2048)] =
				(unsigned char)rand();
		good &= try_file(copy, size);
	}
	free(copy);
	return good;
}

static void try_all(unsigned char *file, size_t size, const char *name)
{
	/* Each one that is still a model has large tables, which take a millisecond. */
	unsigned int thin = strstr(name, "lstm") || strstr(name, "int16") ? 23 : 1;
	bool good;

	files = 0;
	accepted = 0;
	good = size && cut_off(file, size) &&
	       flip_bits(file, size, (size > 8192 ? 29 : 1) * thin) &&
	       change_words(file, size, thin) && random_damage(file, size, 3000 / thin);
	ok(good && files > 3000 / thin + size, "%s: %lu damaged files, %lu of them still good",
	   name, files, accepted);
}

/* The same of programs that were saved. */
static void try_program(const char *path, const char *name)
{
	static const char program_path[] = "hostile.npu";
	unsigned char *file = malloc(1 << 20);
	struct npu_program *program = NULL;
	struct npu_error err;
	char text[300];
	size_t size = 0;
	FILE *f;

	if (!npu_program_load(path, NULL, &program, &err) &&
	    !npu_program_save(program, program_path, &err)) {
		f = fopen(program_path, "rb");
		size = f ? fread(file, 1, 1 << 20, f) : 0;
		if (f)
			fclose(f);
	}
	npu_program_destroy(program);
	remove(program_path);
	snprintf(text, sizeof(text), "%s, saved", name);
	try_all(file, size, text);
	free(file);
}

static int is_model(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	/* One of each operator; other types only where they take other ways. */
	return dot && !strcmp(dot, ".tflite") &&
	       (!strcmp(entry->d_name, "digits.tflite") ||
		!strcmp(entry->d_name, "fully_connected_int16_00.tflite") ||
		!strcmp(entry->d_name, "concatenation_uint8_00.tflite") ||
		(strstr(entry->d_name, "_00.") && !strstr(entry->d_name, "int16") &&
		 !strstr(entry->d_name, "uint8") && !strstr(entry->d_name, "tflite_")));
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	unsigned char *file;
	char path[512];
	size_t size;
	int n, i;
	FILE *f;

	if (argc < 2)
		return 2;
	n = scandir(argv[1], &entries, is_model, alphasort);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
		f = fopen(path, "rb");
		file = malloc(1 << 20);
		size = f ? fread(file, 1, 1 << 20, f) : 0;
		if (f)
			fclose(f);
		try_all(file, size, entries[i]->d_name);
		if (strstr(entries[i]->d_name, "digits") || strstr(entries[i]->d_name, "variables_0") ||
		    strstr(entries[i]->d_name, "float_"))
			try_program(path, entries[i]->d_name);
		free(entries[i]);
		free(file);
	}
	free(entries);
	ok(n > 10, "%d models", n);
	return tap_done();
}

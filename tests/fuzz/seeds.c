// SPDX-License-Identifier: MIT
/*
 * Writes the seeds that are not files yet:
 *
 *	seeds STREAM-FOLDER MODEL-FOLDER FILE-FOLDER MODEL...
 */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "machine.h"

static void save(const char *folder, const char *name, u32 number, const void *data, size_t size)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s-%02u", folder, name, number);
	f = fopen(path, "wb");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f)) {
		perror(path);
		exit(1);
	}
}

/* One command, and each with its successor. */
static void streams(const char *folder)
{
	struct {
		u8 how;
		u8 data[sizeof(struct npu_stream_header) + 2 * NPU_ISA_MAX_CMD_SIZE];
	} seed = { .how = 1 };
	struct npu_stream_header header = {
		.magic = cpu_to_le32(NPU_ISA_MAGIC), .major = NPU_ISA_MAJOR,
	};
	size_t size, at;
	u32 i, k;

	for (i = 0; i < 2 * COMMANDS; i++) {
		at = sizeof(header);
		for (k = 0; k <= i / COMMANDS; k++, at += size)
			memcpy(seed.data + at, make_command((i + k) % COMMANDS, &size), size);
		header.size = cpu_to_le32((u32)at);
		memcpy(seed.data, &header, sizeof(header));
		save(folder, "stream", i, &seed, 1 + at);
	}
}

/* A device with jobs of each command in all queues, and steps. */
static void models(const char *folder)
{
	u8 seed[] = { 0x29, 0x0f, 0, 0x05, 0x16, 0x45, 0x85, 0xc5, 0xe5, 0x05, 0x0e };
	u32 i;

	for (i = 0; i < COMMANDS; i++) {
		seed[2] = (u8)(i + i % 4 * COMMANDS);
		save(folder, "model", i, seed, sizeof(seed));
	}
}

/* Of each model, a saved program. */
static void programs(const char *folder, char **paths)
{
	struct npu_program *program;
	struct npu_error err;
	char path[512];
	u32 i;

	for (i = 0; paths[i]; i++) {
		snprintf(path, sizeof(path), "%s/program-%02u", folder, i);
		program = NULL;
		if (npu_program_load(paths[i], NULL, &program, &err) ||
		    npu_program_save(program, path, &err)) {
			fprintf(stderr, "%s\n", err.text);
			exit(1);
		}
		npu_program_destroy(program);
	}
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	streams(argv[1]);
	models(argv[2]);
	programs(argv[3], argv + 4);
	return 0;
}

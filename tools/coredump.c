// SPDX-License-Identifier: MIT
/* What the driver has written down of an incident. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"
#include "npuctl.h"

#define DUMPS	"/sys/class/devcoredump/devcd*/data"
#define AROUND	16	/* commands before and behind the one to blame */

/* Sections that are shown as they are. */
static const char * const plain[] = { "incident", "device", "registers", "queue", "context" };

static bool is_ours(const char *path)
{
	char title[13] = "";
	FILE *file = fopen(path, "rbe");
	bool ours;

	if (!file)
		return errno == EACCES;
	ours = fread(title, 1, 12, file) == 12 && !strcmp(title, "npu-coredump");
	fclose(file);
	return ours;
}

/* The dump with the highest number, to be freed; NULL if there is none. */
static char *newest_dump(void)
{
	unsigned long number, best = 0;
	char *path = NULL;
	glob_t found;
	size_t i;

	if (glob(DUMPS, 0, NULL, &found))
		return NULL;
	for (i = 0; i < found.gl_pathc; i++) {
		number = strtoul(found.gl_pathv[i] + strcspn(found.gl_pathv[i], "0123456789"),
				 NULL, 10);
		if ((path && number <= best) || !is_ours(found.gl_pathv[i]))
			continue;
		free(path);
		path = strdup(found.gl_pathv[i]);
		best = number;
	}
	globfree(&found);
	return path;
}

/* ---- In words -------------------------------------------------------------------- */

static void incident_text(const struct dump *dump, char *text, size_t len)
{
	const char *reason = dump_string(dump, "incident", "reason");
	struct drm_npu_fault fault = {
		.status = (uint32_t)dump_number(dump, "fault", "status"),
		.detail = (uint32_t)dump_number(dump, "fault", "detail"),
		.access = (uint32_t)dump_number(dump, "fault", "access"),
		.va = dump_number(dump, "fault", "va"),
		.offset = dump_number(dump, "fault", "offset"),
		.job = dump_number(dump, "fault", "job"),
	};

	if (!strcmp(reason, "hang"))
		snprintf(text, len, "job %" PRIu64 ", offset 0x%" PRIx64
			 " of its stream: no progress", (uint64_t)fault.job, dump->command);
	else if (!strcmp(reason, "fault") && fault.status)
		npu_fault_text(&fault, text, len);
	else if (!strcmp(reason, "fault"))
		snprintf(text, len, "the device could not read the queue's context");
	else if (!strcmp(reason, "reset"))
		snprintf(text, len, "the device had to be reset");
	else if (!strcmp(reason, "lost"))
		snprintf(text, len, "the device does not answer any more");
	else
		snprintf(text, len, "%s", reason);
}

static void slot_text(const char *line, char *text, size_t len)
{
	static const char * const states[] = { "empty", "bound", "halted", "stopping" };
	unsigned int slot, status, queue;
	unsigned long long context;

	if (sscanf(line, "%u %x %llx %u", &slot, &status, &context, &queue) != 4)
		snprintf(text, len, "%s", line);
	else if (status & 0x100)
		snprintf(text, len, "slot %u: queue %u, %s, on core %u", slot, queue,
			 (status & 0xf) < 4 ? states[status & 0xf] : "?", status >> 16 & 0x1f);
	else
		snprintf(text, len, "slot %u: queue %u, %s", slot, queue,
			 (status & 0xf) < 4 ? states[status & 0xf] : "?");
}

static void job_text(const struct dump *dump, const char *line, char *text, size_t len)
{
	unsigned long long job, stream, table;
	unsigned int size, bases, flags;

	if (sscanf(line, "%llu %llx %u %llx %u %x", &job, &stream, &size, &table, &bases,
		   &flags) != 6)
		snprintf(text, len, "   %s", line);
	else
		snprintf(text, len, "%s job %llu: stream 0x%llx, %u bytes; %u bases at 0x%llx",
			 job == dump_number(dump, "fault", "job") ? "=>" : "  ", job, stream, size,
			 bases, table);
}

static void mapping_text(const char *line, char *text, size_t len)
{
	unsigned long long va, size, offset;
	char access[3];
	int n = 0;

	if (sscanf(line, "%llx %llx %llx %2s%n", &va, &size, &offset, access, &n) != 4)
		snprintf(text, len, "%s", line);
	else
		snprintf(text, len, "0x%012llx-0x%012llx %-2s buffer+0x%llx%s", va, va + size,
			 access, offset, line + n);
}

static bool get_base(const struct dump *dump, size_t i, struct npu_base *base)
{
	if (dump->bases.first || (i + 1) * sizeof(*base) > dump->bases.known)
		return false;
	memcpy(base, dump->bases.data + i * sizeof(*base), sizeof(*base));
	return true;
}

/* ---- Text ------------------------------------------------------------------------ */

static void print_section(const struct dump *dump, const char *name)
{
	const struct dump_section *section = dump_section(dump, name);
	size_t i;

	if (!section)
		return;
	printf("%s\n", name);
	for (i = 0; i < section->count; i++)
		printf("  %s\n", section->line[i]);
}

static void print_lines(const struct dump *dump, const char *name)
{
	const struct dump_section *section = dump_section(dump, name);
	char text[256];
	size_t i;

	if (!section)
		return;
	printf("%s\n", name);
	for (i = 0; i < section->count; i++) {
		if (!strcmp(name, "slots"))
			slot_text(section->line[i], text, sizeof(text));
		else if (!strcmp(name, "ring"))
			job_text(dump, section->line[i], text, sizeof(text));
		else
			mapping_text(section->line[i], text, sizeof(text));
		printf("  %s\n", text);
	}
}

static void print_bases(const struct dump *dump)
{
	struct npu_base base;
	size_t i;

	if (!dump->bases.known)
		return;
	puts("bases");
	for (i = 0; get_base(dump, i, &base); i++)
		printf("  %2zu: 0x%012llx, %llu bytes%s\n", i, (unsigned long long)base.va,
		       (unsigned long long)base.size,
		       base.flags & NPU_BASE_WRITE ? ", writable" : "");
}

/* Commands from @from on that are before the one to blame. */
static size_t count_before(const struct dump *dump, uint64_t from)
{
	char text[8];
	size_t n = 0;

	for (; from && from < dump->command; n++)
		from = dump_command(dump, from, text, sizeof(text));
	return n;
}

static void print_commands(const struct dump *dump)
{
	uint64_t at = dump_first_command(dump), next;
	size_t before = 0, behind = 0, n = 0;
	char text[1024];

	if (!dump->stream.known) {
		if (dump_section(dump, "stream"))
			puts("commands\n  the stream could not be read");
		return;
	}
	/* The header of a stream is at 0, where counting cannot begin. */
	puts("commands");
	if (!at) {
		next = dump_command(dump, at, text, sizeof(text));
		printf("%s %06" PRIx64 "  %s\n", at == dump->command ? "=>" : "  ", at, text);
		at = next;
	}
	before = count_before(dump, at);
	for (; at && behind <= AROUND; at = next, n++) {
		next = dump_command(dump, at, text, sizeof(text));
		if (n + AROUND >= before)
			printf("%s %06" PRIx64 "  %s\n", at == dump->command ? "=>" : "  ", at,
			       text);
		else if (!n)
			puts("   ...");
		behind += at >= dump->command;
	}
	if (at)
		puts("   ...");
}

static void print_text(const struct dump *dump)
{
	char text[256];
	size_t i;

	incident_text(dump, text, sizeof(text));
	printf("%s\n", text);
	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		print_section(dump, plain[i]);
	print_lines(dump, "slots");
	print_lines(dump, "ring");
	print_lines(dump, "vm");
	print_bases(dump);
	print_commands(dump);
}

/* ---- JSON ------------------------------------------------------------------------ */

static void json_section(const struct dump *dump, const char *name)
{
	const struct dump_section *section = dump_section(dump, name);
	char key[64];
	size_t i, n;

	if (!section)
		return;
	json_open(name, '{');
	for (i = 0; i < section->count; i++) {
		n = strcspn(section->line[i], " ");
		snprintf(key, sizeof(key), "%.*s", (int)(n < 63 ? n : 63), section->line[i]);
		json_string(key, section->line[i] + n + (section->line[i][n] == ' '));
	}
	json_close();
}

static void json_lines(const struct dump *dump, const char *name)
{
	const struct dump_section *section = dump_section(dump, name);
	size_t i;

	if (!section)
		return;
	json_open(name, '[');
	for (i = 0; i < section->count; i++)
		json_string(NULL, section->line[i]);
	json_close();
}

static void json_bases(const struct dump *dump)
{
	struct npu_base base;
	size_t i;

	json_open("bases", '[');
	for (i = 0; get_base(dump, i, &base); i++) {
		json_open(NULL, '{');
		json_number("va", "%llu", (unsigned long long)base.va);
		json_number("size", "%llu", (unsigned long long)base.size);
		json_number("flags", "%u", base.flags);
		json_close();
	}
	json_close();
}

static void json_commands(const struct dump *dump)
{
	uint64_t at = dump_first_command(dump), next;
	char text[1024];

	json_open("commands", '[');
	do {
		if (!dump->stream.known)
			break;
		next = dump_command(dump, at, text, sizeof(text));
		json_open(NULL, '{');
		json_number("offset", "%" PRIu64, at);
		json_string("text", text);
		if (at == dump->command)
			json_number("blamed", "true");
		json_close();
		at = next;
	} while (at);
	json_close();
}

static void print_json(const struct dump *dump)
{
	char text[256];
	size_t i;

	incident_text(dump, text, sizeof(text));
	json_string("text", text);
	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		json_section(dump, plain[i]);
	json_section(dump, "fault");
	json_lines(dump, "slots");
	json_lines(dump, "ring");
	json_lines(dump, "vm");
	json_bases(dump);
	json_commands(dump);
}

/* ---- The command ----------------------------------------------------------------- */

static int show(const char *path, bool json)
{
	struct dump dump;
	int code = EXIT_OK;
	size_t size;
	char *text;

	if (access(path, R_OK) && errno == EACCES)
		return fail(EXIT_PERMISSION, "%s: %s", path, strerror(errno));
	text = read_file(path, &size);
	if (!text)
		return EXIT_INPUT;
	if (json) {
		json_open(NULL, '{');
		json_string("path", path);
	} else {
		printf("%s: ", path);
	}
	if (!dump_parse(text, size, &dump)) {
		if (!json)
			putchar('\n');
		code = fail(EXIT_MODEL, "%s: %s", path, dump.error);
	} else if (json) {
		print_json(&dump);
	} else {
		print_text(&dump);
	}
	dump_fini(&dump);
	free(text);
	return code;
}

int cmd_coredump(const struct options *opt)
{
	char *path;
	int code;

	if (opt->nargs > 1)
		return fail(EXIT_USAGE, "coredump takes one file; see 'npuctl --help'");
	if (opt->nargs)
		return show(opt->args[0], opt->json);
	path = newest_dump();
	if (!path)
		return fail(EXIT_INPUT, "there is no core dump of an NPU");
	code = show(path, opt->json);
	free(path);
	return code;
}

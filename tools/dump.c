// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <npu.h>

#include "dump.h"

#define TITLE	"npu-coredump "
#define DUMP_PAD	NPU_ISA_ALIGN

static bool __attribute__((format(printf, 2, 3))) damaged(struct dump *dump, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(dump->error, sizeof(dump->error), fmt, args);
	va_end(args);
	return false;
}

/* ---- Lines and sections ---------------------------------------------------------------- */

static bool is_text(const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (text[i] != '\n' && (text[i] < ' ' || text[i] > '~'))
			return false;
	return true;
}

static bool split(char *text, size_t size, struct dump *dump, size_t *lines)
{
	size_t i, n = 0;

	for (i = 0; i < size; i++)
		n += text[i] == '\n';
	if (!n || text[size - 1] != '\n')
		return damaged(dump, "it is cut off");
	dump->line = calloc(n, sizeof(*dump->line));
	if (!dump->line)
		return damaged(dump, "out of memory");
	for (i = 0; i < n; i++) {
		dump->line[i] = text;
		text = strchr(text, '\n');
		*text++ = '\0';
	}
	*lines = n;
	return true;
}

static bool add_section(struct dump *dump, char *line, size_t number)
{
	size_t n = strlen(line);

	if (n < 3 || line[n - 1] != ']')
		return damaged(dump, "line %zu: that is no section", number);
	line[n - 1] = '\0';
	if (dump_section(dump, line + 1))
		return damaged(dump, "line %zu: section %.32s is there twice", number, line + 1);
	if (dump->sections == DUMP_SECTIONS)
		return damaged(dump, "line %zu: too many sections", number);
	dump->section[dump->sections++] = (struct dump_section) {
		.name = line + 1, .line = dump->line + number, .number = number + 1,
	};
	return true;
}

static bool find_sections(struct dump *dump, size_t lines)
{
	size_t i;

	for (i = 1; i < lines; i++) {
		if (dump->line[i][0] == '[') {
			if (!add_section(dump, dump->line[i], i + 1))
				return false;
		} else if (!dump->sections) {
			return damaged(dump, "line %zu belongs to no section", i + 1);
		} else {
			dump->section[dump->sections - 1].count++;
		}
	}
	if (!dump->sections || strcmp(dump->section[dump->sections - 1].name, "end"))
		return damaged(dump, "it is cut off");
	return true;
}

const struct dump_section *dump_section(const struct dump *dump, const char *name)
{
	unsigned int i;

	for (i = 0; i < dump->sections; i++)
		if (!strcmp(dump->section[i].name, name))
			return &dump->section[i];
	return NULL;
}

static const char *find(const struct dump_section *section, const char *key)
{
	size_t i, n = strlen(key);

	for (i = 0; section && i < section->count; i++)
		if (!strncmp(section->line[i], key, n) && section->line[i][n] == ' ')
			return section->line[i] + n + 1;
	return NULL;
}

const char *dump_string(const struct dump *dump, const char *section, const char *key)
{
	const char *value = find(dump_section(dump, section), key);

	return value ? value : "";
}

static bool parse_number(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

uint64_t dump_number(const struct dump *dump, const char *section, const char *key)
{
	uint64_t value;

	return parse_number(dump_string(dump, section, key), &value) ? value : 0;
}

/* Are the numbers there that the rest relies on? */
static bool check_numbers(struct dump *dump)
{
	static const struct {
		const char *section;
		const char *key;
	} numbers[] = {
		{ "incident", "time_us" }, { "incident", "missed" }, { "queue", "id" },
		{ "fault", "job" }, { "fault", "command" }, { "fault", "status" },
		{ "fault", "detail" }, { "fault", "access" }, { "fault", "va" },
		{ "fault", "offset" }, { "bases", "va" }, { "bases", "size" },
		{ "stream", "va" }, { "stream", "size" },
	};
	uint64_t value;
	size_t i;

	if (!dump_section(dump, "incident"))
		return damaged(dump, "section incident is missing");
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (dump_section(dump, numbers[i].section) &&
		    !parse_number(dump_string(dump, numbers[i].section, numbers[i].key), &value))
			return damaged(dump, "section %s: %s is no number", numbers[i].section,
				       numbers[i].key);
	}
	return true;
}

/* ---- Bytes -------------------------------------------------------------------------------- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of one line, which must go on where the last one has ended. */
static bool parse_line(const char *line, struct dump_bytes *bytes)
{
	uint64_t offset;
	char *colon;

	if (digit(*line) < 0)
		return false;
	errno = 0;
	offset = strtoull(line, &colon, 16);
	if (errno || colon[0] != ':' || colon[1] != ' ')
		return false;
	if (!bytes->known)
		bytes->first = offset;
	if (offset > bytes->size || offset != bytes->first + bytes->known)
		return false;
	for (line = colon + 2; *line; line += 2) {
		if (digit(line[0]) < 0 || digit(line[1]) < 0 ||
		    bytes->first + bytes->known == bytes->size)
			return false;
		bytes->data[bytes->known++] = (uint8_t)(digit(line[0]) << 4 | digit(line[1]));
	}
	return true;
}

static bool parse_bytes(struct dump *dump, const char *name, struct dump_bytes *bytes)
{
	const struct dump_section *section = dump_section(dump, name);
	size_t i, room = 0;

	if (!section)
		return true;
	for (i = 0; i < section->count; i++)
		room += strlen(section->line[i]) / 2;
	bytes->va = dump_number(dump, name, "va");
	bytes->size = dump_number(dump, name, "size");
	bytes->data = calloc(1, DUMP_PAD + room + 1);
	if (!bytes->data)
		return damaged(dump, "out of memory");
	bytes->data += DUMP_PAD;
	for (i = 0; i < section->count; i++) {
		/* Keys are words, of which there may be more one day. */
		if (!strchr(section->line[i], ':'))
			continue;
		if (!parse_line(section->line[i], bytes))
			return damaged(dump, "line %zu: these bytes make no sense",
				       section->number + i);
	}
	return true;
}

/* ---- All of it ------------------------------------------------------------------------------ */

bool dump_parse(char *text, size_t size, struct dump *dump)
{
	size_t lines = 0;

	*dump = (struct dump) { 0 };
	if (size < strlen(TITLE) || memcmp(text, TITLE, strlen(TITLE)))
		return damaged(dump, "that is no core dump of an NPU");
	if (!is_text(text, size))
		return damaged(dump, "it has bytes that are no text");
	if (!split(text, size, dump, &lines))
		return false;
	if (strcmp(dump->line[0], TITLE "1"))
		return damaged(dump, "it is of version %.16s, this program knows 1",
			       dump->line[0] + strlen(TITLE));
	if (!find_sections(dump, lines) || !check_numbers(dump) ||
	    !parse_bytes(dump, "bases", &dump->bases) ||
	    !parse_bytes(dump, "stream", &dump->stream))
		return false;
	dump->command = dump_number(dump, "fault", "command");
	return true;
}

void dump_fini(struct dump *dump)
{
	if (dump->bases.data)
		free(dump->bases.data - DUMP_PAD);
	if (dump->stream.data)
		free(dump->stream.data - DUMP_PAD);
	free(dump->line);
}

/* ---- Commands -------------------------------------------------------------------------------- */

uint64_t dump_command(const struct dump *dump, uint64_t offset, char *text, size_t len)
{
	const struct dump_bytes *stream = &dump->stream;
	/* At offset 0 of a stream is its header: what begins later has something before. */
	size_t skip = stream->first ? DUMP_PAD : 0;
	uint64_t at = offset - stream->first;
	int next;

	if (offset < stream->first || at >= stream->known || stream->known > INT32_MAX / 2) {
		snprintf(text, len, "not in the dump");
		return 0;
	}
	next = npu_stream_dis(stream->data - skip, stream->known + skip, (size_t)at + skip, text,
			      len);
	return next > 0 ? stream->first + (uint64_t)next - skip : 0;
}

static bool is_known(const char *text)
{
	return strncmp(text, "unknown", 7) && strncmp(text, "not in", 6);
}

uint64_t dump_first_command(const struct dump *dump)
{
	const struct dump_bytes *stream = &dump->stream;
	uint64_t first = dump->command, at, next;
	char text[64];
	bool *leads;

	if (!stream->first || dump->command < stream->first ||
	    dump->command - stream->first > stream->known)
		return stream->first;
	leads = calloc(stream->known / NPU_ISA_ALIGN + 2, sizeof(*leads));
	if (!leads)
		return first;
	leads[(dump->command - stream->first) / NPU_ISA_ALIGN] = true;
	/* From the one to blame backwards, which of the commands before lead to it. */
	for (at = dump->command; at >= stream->first + NPU_ISA_ALIGN;) {
		at -= NPU_ISA_ALIGN;
		next = dump_command(dump, at, text, sizeof(text));
		if (!next || next > dump->command || !is_known(text) ||
		    !leads[(next - stream->first) / NPU_ISA_ALIGN])
			continue;
		leads[(at - stream->first) / NPU_ISA_ALIGN] = true;
		first = at;
	}
	free(leads);
	return first;
}

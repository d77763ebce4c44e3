/* SPDX-License-Identifier: MIT */
/*
 * Core dumps of the driver: the text of version 1, see "Core dumps" in
 * Documentation/driver.rst. They may be damaged in any way.
 */
#ifndef DUMP_H
#define DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DUMP_SECTIONS	16

/**
 * struct dump_section - a section
 * @name: without brackets
 * @line: its lines
 * @count: how many
 * @number: of the first of them in the file, for messages
 */
struct dump_section {
	const char *name;
	char **line;
	size_t count;
	size_t number;
};

/**
 * struct dump_bytes - what is known of some memory of the address space
 * @va: where it begins
 * @size: bytes
 * @first: offset of the first byte that is known
 * @known: bytes that are known from there on
 * @data: they
 */
struct dump_bytes {
	uint64_t va;
	uint64_t size;
	uint64_t first;
	size_t known;
	uint8_t *data;
};

/**
 * struct dump - a core dump
 * @section: sections, in their order
 * @sections: how many
 * @bases: base table of the job to blame
 * @stream: its command stream
 * @command: offset of the command to blame; only if there is a queue
 * @line: all lines of the file; internal
 * @error: what is wrong with it
 */
struct dump {
	struct dump_section section[DUMP_SECTIONS];
	unsigned int sections;
	struct dump_bytes bases;
	struct dump_bytes stream;
	uint64_t command;
	char **line;
	char error[128];
};

/**
 * dump_parse() - understand a dump
 * @text: is changed, and has to live as long as @dump; a zero stands behind it
 * @size: bytes of @text without that
 * @dump: out: to be ended by dump_fini(), also after a failure
 *
 * Return: false if it is damaged; @dump->error says how.
 */
bool dump_parse(char *text, size_t size, struct dump *dump);
void dump_fini(struct dump *dump);

/** dump_section() - by name, or NULL */
const struct dump_section *dump_section(const struct dump *dump, const char *name);
/** dump_string() - value of a key, or "" */
const char *dump_string(const struct dump *dump, const char *section, const char *key);
/** dump_number() - value of a key, or 0 */
uint64_t dump_number(const struct dump *dump, const char *section, const char *key);

/**
 * dump_first_command() - where a command begins, as early as possible
 * @dump: with a stream
 *
 * Commands say how long they are. Of a long stream, a dump begins somewhere: it is searched
 * for a place from which on commands lead to the one to blame.
 *
 * Return: offset in the stream; the header's if that is known.
 */
uint64_t dump_first_command(const struct dump *dump);

/**
 * dump_command() - disassemble
 * @dump: with a stream
 * @offset: of a command
 * @text: out: one line
 * @len: room at @text
 *
 * Return: offset of the next command, 0: this was the last one that is known.
 */
uint64_t dump_command(const struct dump *dump, uint64_t offset, char *text, size_t len);

#endif /* DUMP_H */

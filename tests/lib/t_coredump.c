// SPDX-License-Identifier: MIT
/*
 * Core dumps as the driver writes them, and damaged ones: what is accepted can be shown
 * from the first to the last command, whatever it says.
 */
#include <npu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "tap.h"

#define SIZE_MAX_TEXT	65536

static char good[SIZE_MAX_TEXT];
static uint64_t seed = 1;

static uint64_t roll(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* No-ops from offset @first on; with a header, if that is 0. */
static void put_stream(char *text, unsigned int first, unsigned int size)
{
	struct npu_stream_header header = {
		.magic = NPU_ISA_MAGIC, .major = NPU_ISA_MAJOR, .size = size,
	};
	const struct npu_cmd nop = { .opcode = NPU_OP_NOP, .size = sizeof(nop) };
	unsigned char bytes[4096];
	unsigned int at, i;

	for (at = 0; at < size; at += sizeof(nop))
		memcpy(bytes + at, &nop, sizeof(nop));
	memcpy(bytes, &header, sizeof(header));
	for (at = first; at < size; at += 32) {
		sprintf(text + strlen(text), "%x: ", at);
		for (i = at; i < at + 32 && i < size; i++)
			sprintf(text + strlen(text), "%02x", bytes[i]);
		strcat(text, "\n");
	}
}

static void make(unsigned int first, unsigned int size, unsigned int command)
{
	sprintf(good, "npu-coredump 1\n[incident]\nreason hang\nrecovery queue reset\n"
		"time_us 1\nmissed 0\nkernel x\ndevice npu.0\n[registers]\nID 0x3155504e\n"
		"[new]\nanything: at all\n[slots]\n0 0x00010101 0x1000 1\n[queue]\nid 1\npid 2\n"
		"[fault]\njob 2\ncommand 0x%x\nstatus 7\ndetail 0\naccess 0\nsequence 2\nva 0x0\n"
		"offset 0x28\n[context]\nsequence 1\n[ring]\n2 0x1000 %u 0x2000 1 0x1\n"
		"[vm]\n0x1000 0x1000 0x0 rw a label\nbusy\n[bases]\nva 0x2000\nsize 24\n"
		"0: 000010000000000000040000000000000100000000000000\n"
		"[stream]\nva 0x1000\nsize %u\n", command, size, size);
	put_stream(good, first, size);
	strcat(good, "[end]\n");
}

/* Everything that npuctl looks at. */
static size_t use(const struct dump *dump)
{
	size_t n = 0, len = 1 + roll() % 200;
	uint64_t at, next;
	char *text;

	text = malloc(len);	/* exact, for the sanitizer */
	at = dump_first_command(dump);
	do {
		next = dump_command(dump, at, text, len);
		if (next && next <= at) {
			printf("# goes back from %llu to %llu\n", (unsigned long long)at,
			       (unsigned long long)next);
			exit(1);
		}
		at = next;
		n++;
	} while (at);
	free(text);
	return n;
}

static bool parse(const char *text, size_t size, struct dump *dump, size_t *commands)
{
	char *copy = malloc(size + 1);
	bool parsed;

	memcpy(copy, text, size);
	copy[size] = 0;
	parsed = dump_parse(copy, size, dump);
	if (parsed)
		*commands = use(dump);
	else if (!dump->error[0])
		exit(1);
	dump_fini(dump);
	free(copy);
	return parsed;
}

static void refused(const char *what, const char *text, size_t size, const char *error)
{
	struct dump dump;
	size_t n;

	bool parsed = parse(text, size, &dump, &n);

	ok(!parsed && strstr(dump.error, error), "%.20s: %s", what, dump.error);
}

/* The good one with @from replaced. */
static void refused_with(const char *from, const char *to, const char *error)
{
	static char text[SIZE_MAX_TEXT];
	char *at = strstr(good, from);

	sprintf(text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
	refused(to, text, strlen(text), error);
}

static void damage(char *text, size_t *size)
{
	size_t at = roll() % *size, n = roll() % 40;

	switch (roll() % 5) {
	case 0:		/* a character */
		text[at] = (char)(roll() % 4 ? ' ' + roll() % 95 : roll());
		break;
	case 1:		/* cut off */
		*size = at + 1;
		break;
	case 2:		/* taken out */
		if (at + n < *size) {
			memmove(text + at, text + at + n, *size - at - n);
			*size -= n;
		}
		break;
	case 3:		/* copied */
		if (at + n < *size)
			memmove(text + roll() % (*size - n), text + at, n);
		break;
	default:	/* a digit, so that the form stays */
		for (; at < *size && !strchr("0123456789abcdef", text[at]); at++)
			;
		if (at < *size)
			text[at] = "0123456789abcdef"[roll() % 16];
	}
}

static void mutate(unsigned int times)
{
	static char text[SIZE_MAX_TEXT];
	unsigned int i, k, accepted = 0;
	struct dump dump;
	size_t size, n;

	for (i = 0; i < times; i++) {
		size = strlen(good);
		memcpy(text, good, size);
		for (k = 1 + roll() % 3; k; k--)
			damage(text, &size);
		accepted += parse(text, size, &dump, &n);
	}
	ok(accepted && accepted < times, "%u damaged dumps, %u of them shown", times, accepted);
}

int main(void)
{
	struct dump dump;
	bool parsed;
	size_t n = 0;

	make(0, 24 + 20 * 8, 24 + 5 * 8);
	parsed = parse(good, strlen(good), &dump, &n);
	ok(parsed && n == 21, "a header and 20 commands: %zu", n);
	mutate(20000);
	refused("nothing", "", 0, "no core dump");
	refused("something else", "hello, world\n", 13, "no core dump");
	refused("cut off", good, strlen(good) - 1, "cut off");
	refused("cut off", good, strlen(good) - 6, "cut off");
	refused("a zero", good, strlen(good) + 1, "no text");
	refused_with("npu-coredump 1", "npu-coredump 2", "version 2");
	refused_with("[queue]", "[queue", "no section");
	refused_with("[vm]", "[ring]", "twice");
	refused_with("[incident]", "incident", "no section");
	refused_with("missed 0", "missed none", "missed is no number");
	refused_with("[incident]", "[accident]", "incident is missing");
	refused_with("20: ", "40: ", "make no sense");
	refused_with("0: 0000", "0: 000", "make no sense");
	refused_with("size 24", "size 23", "make no sense");
	refused_with("command 0x", "command x", "command is no number");

	/* Of a longer stream the end: commands begin at the first place that leads on. */
	make(0x108, 1024, 0x200);
	parsed = parse(good, strlen(good), &dump, &n);
	ok(parsed && n == (1024 - 0x108) / 8, "the end of a stream: %zu commands", n);
	mutate(20000);
	return tap_done();
}

// SPDX-License-Identifier: MIT
/* Records of the device model: shown, filtered, replayed. See Documentation/trace.rst. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "npuctl.h"
#include "trace.h"

#define TEXT	1024
#define TITLE	"npu-trace 1\n"

_Static_assert(TRACE_VERSION == 1, "what the title has");

/* Shown unless asked for otherwise: not each byte of memory, nor each look at the clock. */
#define PLAIN	"power,read,write,doorbell,timer,step,inject,leave,none,job,command,report,event," \
		"irq,stalled"

/* A line that has been understood. */
struct record {
	uint64_t time;
	char kind[16];
	const char *rest;	/* behind the kind */
	int slot;		/* -1: of none */
	char text[TEXT];
};

/* ---- Lines ------------------------------------------------------------------------ */

static const struct {
	u32 reg;
	const char *name;
} registers[] = {
	{ NPU_REG_ID, "ID" },
	{ NPU_REG_VERSION, "VERSION" },
	{ NPU_REG_ISA, "ISA" },
	{ NPU_REG_FEATURES, "FEATURES" },
	{ NPU_REG_ISA_FEATURES_LO, "ISA_FEATURES_LO" },
	{ NPU_REG_ISA_FEATURES_HI, "ISA_FEATURES_HI" },
	{ NPU_REG_SLOTS, "SLOTS" },
	{ NPU_REG_CORES, "CORES" },
	{ NPU_REG_IRQS, "IRQS" },
	{ NPU_REG_VA_BITS, "VA_BITS" },
	{ NPU_REG_BUS_BITS, "BUS_BITS" },
	{ NPU_REG_ASID_BITS, "ASID_BITS" },
	{ NPU_REG_PAGE_SIZES, "PAGE_SIZES" },
	{ NPU_REG_RING_ORDER_MAX, "RING_ORDER_MAX" },
	{ NPU_REG_MACS_MAX, "MACS_MAX" },
	{ NPU_REG_BYTES_MAX, "BYTES_MAX" },
	{ NPU_REG_CLOCK_KHZ, "CLOCK_KHZ" },
	{ NPU_REG_TILE_US, "TILE_US" },
	{ NPU_REG_RESET_MS, "RESET_MS" },
	{ NPU_REG_LAYOUTS, "LAYOUTS" },
	{ NPU_REG_MACS_PER_CYCLE, "MACS_PER_CYCLE" },
	{ NPU_REG_CONTROL, "CONTROL" },
	{ NPU_REG_STATUS, "STATUS" },
	{ NPU_REG_RESET, "RESET" },
	{ NPU_REG_TIME_LO, "TIME_LO" },
	{ NPU_REG_TIME_HI, "TIME_HI" },
	{ NPU_REG_WEIGHT(0), "WEIGHT(0)" },
	{ NPU_REG_WEIGHT(1), "WEIGHT(1)" },
	{ NPU_REG_WEIGHT(2), "WEIGHT(2)" },
	{ NPU_REG_IRQ_STATUS, "IRQ_STATUS" },
	{ NPU_REG_IRQ_ENABLE, "IRQ_ENABLE" },
	{ NPU_REG_IRQ_MODERATION, "IRQ_MODERATION" },
	{ NPU_REG_EVENT_BASE_LO, "EVENT_BASE_LO" },
	{ NPU_REG_EVENT_BASE_HI, "EVENT_BASE_HI" },
	{ NPU_REG_EVENT_ORDER, "EVENT_ORDER" },
	{ NPU_REG_EVENT_READ, "EVENT_READ" },
	{ NPU_REG_EVENT_WRITE, "EVENT_WRITE" },
	{ NPU_REG_TLB_ASID, "TLB_ASID" },
	{ NPU_REG_TLB_VA_LO, "TLB_VA_LO" },
	{ NPU_REG_TLB_VA_HI, "TLB_VA_HI" },
	{ NPU_REG_TLB_PAGES, "TLB_PAGES" },
	{ NPU_REG_TLB_INVALIDATE, "TLB_INVALIDATE" },
	{ NPU_REG_TLB_SEQ, "TLB_SEQ" },
	{ NPU_REG_TLB_DONE, "TLB_DONE" },
	{ NPU_REG_POWER, "POWER" },
	{ NPU_REG_CLOCK_NOW, "CLOCK_NOW" },
	{ NPU_REG_TEMPERATURE, "TEMPERATURE" },
	{ NPU_REG_POWER_MW, "POWER_MW" },
};

/* Slot of a register, or -1. */
static int register_slot(u32 reg)
{
	u32 slot = (reg - NPU_REG_SLOT(0)) / 0x20;

	return reg >= NPU_REG_SLOT(0) && slot < NPU_MAX_SLOTS ? (int)slot : -1;
}

static void register_name(u32 reg, char *name, size_t len)
{
	static const char *const fields[] = { "CONTEXT_LO", "CONTEXT_HI", "COMMAND", "STATUS" };
	int slot = register_slot(reg);
	size_t i;

	snprintf(name, len, "0x%04x", reg);
	if (slot >= 0 && reg % 0x20 < 0x10 && !(reg % 4))
		snprintf(name, len, "SLOT_%s(%d)", fields[reg % 0x20 / 4], slot);
	if (reg >= NPU_REG_CORE_BUSY_LO(0) && reg < NPU_REG_CORE_BUSY_LO(NPU_MAX_CORES))
		snprintf(name, len, "CORE_BUSY_%s(%u)", reg & 4 ? "HI" : "LO",
			 (reg - NPU_REG_CORE_BUSY_LO(0)) / 8);
	for (i = 0; i < ARRAY_SIZE(registers); i++) {
		if (registers[i].reg == reg)
			snprintf(name, len, "%s", registers[i].name);
	}
}

static void register_text(struct record *r)
{
	unsigned int reg, value;
	char name[32];

	if (sscanf(r->rest, "0x%x 0x%x", &reg, &value) != 2)
		return;
	register_name(reg, name, sizeof(name));
	r->slot = register_slot(reg);
	snprintf(r->text, TEXT, "%-17s %s 0x%08x", name, *r->kind == 'r' ? "->" : "<-", value);
}

/* Bytes of the last word of a line; returns how many. */
static size_t bytes_of(const char *rest, void *data, size_t max)
{
	const char *hex = strrchr(rest, ' ');
	unsigned int byte;
	size_t n;

	for (n = 0; hex && n < max && sscanf(hex + 1 + 2 * n, "%2x", &byte) == 1; n++)
		((u8 *)data)[n] = (u8)byte;
	return n;
}

static void job_text(struct record *r)
{
	struct npu_job_desc job;

	if (bytes_of(r->rest, &job, sizeof(job)) < sizeof(job))
		return;
	snprintf(r->text, TEXT,
		 "slot %d: job %" PRIu64 ", stream 0x%" PRIx64 " + %u, %u bases at 0x%" PRIx64 "%s",
		 r->slot, (uint64_t)le64_to_cpu(job.sequence),
		 (uint64_t)le64_to_cpu(job.stream_va), le32_to_cpu(job.stream_size),
		 le32_to_cpu(job.bases), (uint64_t)le64_to_cpu(job.bases_va),
		 le32_to_cpu(job.flags) & NPU_JOB_EVENT ? ", with an event" : "");
}

/* A stream with this command alone. */
static void command_text(struct record *r)
{
	struct {
		struct npu_stream_header header;
		u8 command[NPU_ISA_MAX_CMD_SIZE];
	} stream = { 0 };
	unsigned long long offset;
	char text[TEXT - 64];
	size_t size;

	size = bytes_of(r->rest, stream.command, sizeof(stream.command));
	if (sscanf(r->rest, "%*d 0x%llx", &offset) != 1)
		return;
	npu_stream_dis(&stream, sizeof(stream.header) + size, sizeof(stream.header), text,
		       sizeof(text));
	snprintf(r->text, TEXT, "slot %d: +0x%06llx %s", r->slot, offset, text);
}

static void report_text(struct record *r)
{
	struct npu_report report;
	uint64_t start, end;

	if (bytes_of(r->rest, &report, sizeof(report)) < sizeof(report))
		return;
	start = le64_to_cpu(report.start);
	end = le64_to_cpu(report.end);
	snprintf(r->text, TEXT, "slot %d: job %" PRIu64 " %s, %" PRIu64 " cycles, %" PRIu64
		 " MACs, %" PRIu64 " bytes, %.3f us", r->slot,
		 (uint64_t)le64_to_cpu(report.sequence), end ? "complete" : "suspended",
		 (uint64_t)le64_to_cpu(report.cycles), (uint64_t)le64_to_cpu(report.macs),
		 (uint64_t)le64_to_cpu(report.bytes), (double)(end ? end - start : 0) / 1000);
}

static void event_text(struct record *r)
{
	struct drm_npu_fault fault = { 0 };
	struct npu_event event;
	char why[256] = "";

	if (bytes_of(r->rest, &event, sizeof(event)) < sizeof(event))
		return;
	fault.status = le32_to_cpu(event.status);
	fault.detail = le32_to_cpu(event.fault_detail);
	fault.access = le32_to_cpu(event.fault_access);
	fault.va = le64_to_cpu(event.fault_va);
	fault.offset = le64_to_cpu(event.fault_offset);
	fault.job = le64_to_cpu(event.sequence);
	switch (le32_to_cpu(event.type)) {
	case NPU_EVENT_DONE:
		snprintf(why, sizeof(why), "job %" PRIu64 " is complete", (uint64_t)fault.job);
		break;
	case NPU_EVENT_FAULT:
		npu_fault_text(&fault, why, sizeof(why));
		break;
	case NPU_EVENT_UNBOUND:
		snprintf(why, sizeof(why), "unbound after job %" PRIu64 "%s", (uint64_t)fault.job,
			 fault.status ? ", with a fault" : "");
		break;
	default:
		snprintf(why, sizeof(why), "of unknown type %u", le32_to_cpu(event.type));
		break;
	}
	snprintf(r->text, TEXT, "slot %d: queue %u: %s", r->slot, le32_to_cpu(event.queue), why);
}

static const struct {
	const char *kind;
	void (*text)(struct record *r);	/* NULL: the line says it well */
	bool slot;			/* its first word is one */
} forms[] = {
	{ "read", register_text, false },
	{ "write", register_text, false },
	{ "doorbell", NULL, true },
	{ "job", job_text, true },
	{ "command", command_text, true },
	{ "report", report_text, true },
	{ "event", event_text, true },
};

static bool understand(const char *line, struct record *r)
{
	unsigned long long time;
	size_t i;
	int n = 0;

	*r = (struct record){ .slot = -1 };
	if (sscanf(line, "%llu %15s %n", &time, r->kind, &n) != 2 || !n)
		return false;
	r->time = time;
	r->rest = line + n;
	snprintf(r->text, TEXT, "%s", r->rest);
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		if (strcmp(forms[i].kind, r->kind))
			continue;
		if (forms[i].slot)
			r->slot = (int)strtol(r->rest, NULL, 10);
		if (forms[i].text)
			forms[i].text(r);
	}
	return true;
}

/* ---- Filters ---------------------------------------------------------------------- */

static bool in_list(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; *list; list += strcspn(list, ","), list += *list == ',') {
		if (strcspn(list, ",") == len && !strncmp(list, word, len))
			return true;
	}
	return false;
}

static bool is_kind(const char *word, size_t len)
{
	size_t i;

	for (i = 0; trace_kinds[i]; i++) {
		if (strlen(trace_kinds[i]) == len && !strncmp(trace_kinds[i], word, len))
			return true;
	}
	return false;
}

static int check_only(const char *list)
{
	size_t len;

	for (; *list; list += len, list += *list == ',') {
		len = strcspn(list, ",");
		if (!is_kind(list, len))
			return fail(EXIT_USAGE, "--only: there are no lines '%.*s'", (int)len,
				    list);
	}
	return EXIT_OK;
}

static bool wanted(const struct options *opt, const struct record *r)
{
	if (!in_list(opt->only ? opt->only : PLAIN, r->kind))
		return false;
	if (opt->slot >= 0 && r->slot != opt->slot)
		return false;
	return r->time >= opt->from && r->time <= opt->to;
}

/* ---- Output ----------------------------------------------------------------------- */

static void print_record(const struct options *opt, struct record *r)
{
	char *p;

	/* Who has written the file? */
	for (p = r->text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	if (!opt->json) {
		printf("%14.3f us  %-9s %s\n", (double)r->time / 1000, r->kind, r->text);
		return;
	}
	json_open(NULL, '{');
	json_number("time_ns", "%" PRIu64, r->time);
	json_string("kind", r->kind);
	if (r->slot >= 0)
		json_number("slot", "%d", r->slot);
	json_string("text", r->text);
	json_close();
}

/* Does an empty line or a title follow? */
static bool is_last(FILE *file)
{
	int c = getc(file);

	ungetc(c, file);
	return c == '\n' || c == *TITLE;
}

static int show(const struct options *opt, FILE *file)
{
	unsigned long number = 1;
	char *line = NULL;
	int code = EXIT_OK;
	size_t room = 0;
	struct record r;
	ssize_t n;
	bool good;

	n = getline(&line, &room, file);
	if (n <= 0 || strcmp(line, TITLE))
		code = fail(EXIT_INPUT, "%s: this is no record of version 1", opt->args[0]);
	if (!code && opt->json)
		json_open("records", '[');
	while (!code && (n = getline(&line, &room, file)) > 0 && line[n - 1] == '\n') {
		number++;
		/* A new device, perhaps behind a line that was not completed. */
		if (!strcmp(line, TITLE) || !strcmp(line, "\n"))
			continue;
		line[n - 1] = 0;
		good = understand(line, &r);
		if (!good && is_last(file))
			continue;
		if (!good)
			code = fail(EXIT_INPUT, "%s: line %lu: not of a trace", opt->args[0],
				    number);
		else if (wanted(opt, &r))
			print_record(opt, &r);
	}
	if (!code && ferror(file))
		code = fail(EXIT_INPUT, "%s: %s", opt->args[0], strerror(errno));
	if (!code && opt->json)
		json_close();
	free(line);
	return code;
}

static int replay(const struct options *opt, FILE *file)
{
	struct trace_result result;
	bool good = trace_replay(file, &result);

	if (opt->json) {
		json_number("lines", "%" PRIu64, (uint64_t)result.lines);
		json_number("calls", "%" PRIu64, (uint64_t)result.calls);
	} else {
		printf("%" PRIu64 " lines, %" PRIu64 " calls of the model%s\n",
		       (uint64_t)result.lines, (uint64_t)result.calls,
		       good ? ": the same as recorded" : "");
	}
	return good ? EXIT_OK : fail(result.bad ? EXIT_INPUT : EXIT_RUN, "%s: %s", opt->args[0],
				     result.error);
}

int cmd_trace(const struct options *opt)
{
	FILE *file;
	int code;

	if (opt->nargs != 1 || opt->trace)
		return fail(EXIT_USAGE, "trace takes one file; see 'npuctl --help'");
	code = opt->only ? check_only(opt->only) : EXIT_OK;
	if (code)
		return code;
	file = fopen(opt->args[0], "re");
	if (!file)
		return fail(EXIT_INPUT, "%s: %s", opt->args[0], strerror(errno));
	if (opt->json)
		json_open(NULL, '{');
	code = opt->replay ? replay(opt, file) : show(opt, file);
	fclose(file);
	return code;
}

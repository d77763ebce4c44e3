// SPDX-License-Identifier: MIT
/*
 * Records and replays: "record FILE..." replays what other tests recorded, then
 * come records of its own, good and damaged.
 */
#include <unistd.h>

#include "program.h"
#include "test.h"

/* Anonymous memory as a file. */
static FILE *file_of(const char *text, size_t size)
{
	FILE *file = tmpfile();

	if (!file || fwrite(text, 1, size, file) != size) {
		perror("temporary file");
		exit(1);
	}
	rewind(file);
	return file;
}

static bool replay(const char *text, size_t size, struct trace_result *result)
{
	FILE *file = file_of(text, size);
	bool good = trace_replay(file, result);

	fclose(file);
	return good;
}

static char *read_all(const char *path, size_t *size)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t room = 0;

	if (!file) {
		perror(path);
		exit(1);
	}
	*size = (size_t)getdelim(&text, &room, 0, file);
	fclose(file);
	return text;
}

static void replay_recorded(const char *path)
{
	struct trace_result result = { 0 };
	FILE *file = fopen(path, "r");
	bool good = file && trace_replay(file, &result);

	if (!test_ok(good && result.calls > 1000, "%s: %llu calls, the same again",
		     path, (unsigned long long)result.calls))
		printf("# %s\n", result.error);
	if (file)
		fclose(file);
}

/* ---- Records of our own ------------------------------------------------------------ */

static char path[] = "/tmp/npu-trace.XXXXXX";

/* Random requantisations on two cores; some fail. */
static char *record(u32 jobs, size_t *size)
{
	static const u32 dim[] = { 3, 500 };
	struct npu_cmd_requant c;
	struct program p;
	struct host_space *s;
	struct host *h;
	FILE *file = fopen(path, "we");
	u32 i;

	h = host_new_real(file);
	s = host_space_new(h, 7);
	host_enable(h, 6);
	for (i = 0; i < jobs; i++) {
		program_init(&p, s);
		c = (struct npu_cmd_requant) {
			.cmd.opcode = cpu_to_le16(i % 4 == 3 ? 999 : NPU_OP_REQUANT),
			.cmd.size = cpu_to_le32(sizeof(c)),
			.in = program_tensor(&p, NPU_TYPE_S8, 2, dim, 3, PROGRAM_ANY, false)->raw,
			.out = program_tensor(&p, NPU_TYPE_S8, 2, dim, 9, PROGRAM_ANY, true)->raw,
		};
		c.scale.multiplier = cpu_to_le32(1 << 30);
		c.clamp_min = cpu_to_le32((u32)-128);
		c.clamp_max = cpu_to_le32(127);
		program_run(&p, &c, sizeof(c));
		program_free(&p);
	}
	host_space_free(s);
	test_eq(host_free(h), 0, "the recorder gives memory back");
	fclose(file);
	return read_all(path, size);
}

static u32 count(const char *text, const char *word)
{
	u32 n = 0;

	while ((text = strstr(text, word))) {
		text++;
		n++;
	}
	return n;
}

static void test_record(void)
{
	struct trace_result result;
	size_t size;
	char *text = record(8, &size);

	test_ok(replay(text, size, &result), "a record is replayed: %s", result.error);
	test_eq(result.lines, count(text, "\n"), "all its lines");
	test_eq(count(text, " job "), 8, "a line for each job");
	test_eq(count(text, " command "), 6, "a line for each command that exists");
	test_eq(count(text, " report "), 6, "a line for each job that ends well");
	test_eq(count(text, " event "), 2 + 2 + 1, "a line for each event");
	test_ok(count(text, " irq 0") >= 4, "a line for each interrupt");
	free(text);
}

/* Which line is wrong? */
static u64 line_of(const char *text, const char *at)
{
	u64 n = 1;

	for (; text < at; text++)
		n += *text == '\n';
	return n;
}

/* One digit at the end of a line of each kind. */
static void test_changed(void)
{
	static const char *const kinds[] = {
		" read ", " mem ", " put ", " job ", " command ", " report ", " event ", " irq ",
	};
	struct trace_result result;
	char *text, *end, *at, was;
	size_t size, i;
	u64 line;

	text = record(8, &size);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		at = strstr(text, kinds[i]);
		end = strchr(at, '\n') - 1;
		was = *end;
		*end = was == '0' ? '1' : '0';
		line = line_of(text, at);
		test_ok(!replay(text, size, &result) && result.lines >= line &&
			strstr(result.error, "line "), "another%sis found: %s", kinds[i],
			result.error);
		if (strcmp(kinds[i], " mem "))
			test_eq(result.lines, line, "another%sis found there", kinds[i]);
		*end = was;
	}
	test_ok(replay(text, size, &result), "the record is as it was");
	free(text);
}

/* Is this something that the model has done? */
static bool is_outcome(const char *line)
{
	static const char *const kinds[] = { "put", "job", "command", "report", "event", "irq" };
	char kind[16];
	size_t i;

	for (i = 0; sscanf(line, "%*u %15s", kind) == 1 && i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(kind, kinds[i]))
			return true;
	}
	return false;
}

/* @text with the line at @at doubled, or without it. */
static bool replay_moved(const char *text, size_t size, const char *at, bool twice)
{
	size_t before = (size_t)(at - text), length = strcspn(at, "\n") + 1;
	const char *rest = twice ? at : at + length;
	struct trace_result result;
	char *other = malloc(size + length);
	bool good;

	memcpy(other, text, before + (twice ? length : 0));
	before += twice ? length : 0;
	memcpy(other + before, rest, size - (size_t)(rest - text));
	good = replay(other, before + size - (size_t)(rest - text), &result);
	free(other);
	return good;
}

static void test_moved(void)
{
	u32 bad = 0, n = 0;
	size_t size;
	const char *at;
	char *text;

	text = record(3, &size);
	for (at = text; *at; at = strchr(at, '\n') + 1) {
		if (!is_outcome(at) || !strchr(strchr(at, '\n') + 1, '\n') || test_chance(50))
			continue;
		bad += replay_moved(text, size, at, n % 2);
		n++;
	}
	test_ok(n > 50 && !bad, "%u of %u missing or doubled outcomes are found", n - bad, n);
	free(text);
}

static void test_cut(void)
{
	struct trace_result result;
	u32 i, bad = 0;
	size_t size;
	char *text = record(4, &size);

	for (i = 0; i < 200; i++)
		bad += !replay(text, 12 + test_random() % (size - 12), &result);
	test_eq(bad, 0, "a record that ends anywhere is good as far as it goes");
	free(text);
}

/* Another recorder has gone on where one was killed. */
static void test_joined(void)
{
	u32 i, cut, bad = 0;
	struct trace_result result;
	char *text, *other;
	size_t size;

	text = record(4, &size);
	other = malloc(2 * size + 1);
	for (i = 0; i < 200; i++) {
		cut = (u32)(12 + test_random() % (size - 12));
		memcpy(other, text, cut);
		other[cut] = '\n';
		memcpy(other + cut + 1, text, size);
		if (replay(other, cut + 1 + size, &result))
			continue;
		if (!bad++)
			printf("# cut at %u: %s\n", cut, result.error);
	}
	test_eq(bad, 0, "a record goes on behind a part of one");
	free(other);
	free(text);
}

/* ---- Memory ------------------------------------------------------------------------ */

struct copy_stream {
	struct npu_stream_header header;
	struct npu_cmd_copy copy;
};

static void copy_init(struct copy_stream *c, u32 rank, const u32 *dim, const s64 *in, const s64 *out)
{
	u32 i;

	*c = (struct copy_stream){
		.header.magic = cpu_to_le32(NPU_ISA_MAGIC),
		.header.major = NPU_ISA_MAJOR,
		.header.size = cpu_to_le32(sizeof(*c)),
		.copy.cmd.opcode = cpu_to_le16(NPU_OP_COPY),
		.copy.cmd.size = cpu_to_le32(sizeof(c->copy)),
		.copy.in.type = NPU_TYPE_U8,
		.copy.in.rank = (u8)rank,
	};
	c->copy.out = c->copy.in;
	c->copy.out.base = 1;
	for (i = 0; i < rank; i++) {
		c->copy.in.dim[i] = c->copy.out.dim[i] = cpu_to_le32(dim[i]);
		c->copy.in.stride[i] = cpu_to_le64((u64)in[i]);
		c->copy.out.stride[i] = cpu_to_le64((u64)out[i]);
	}
}

/* Input and output in one page, and the input in another one as well, in turn. */
static void test_shared_pages(void)
{
	static const u32 dim[] = { 8, 2, 64 };
	static const s64 in_stride[] = { 64, 8 * 4096, 1 }, out_stride[] = { 128, 64, 1 };
	struct npu_base base[2] = { 0 };
	struct host_result result;
	u8 memory[9 * 4096], out[1024];
	struct copy_stream c;
	struct host_space *s;
	u32 i, bad = 0;
	FILE *file = fopen(path, "we");
	struct host *h;
	u64 va;

	for (i = 0; i < sizeof(memory); i++)
		memory[i] = (u8)test_random();
	h = host_new_real(file);
	s = host_space_new(h, 3);
	host_enable(h, 6);
	va = host_alloc(s, sizeof(memory), HOST_RW);
	host_write(s, va, memory, sizeof(memory));
	copy_init(&c, 3, dim, in_stride, out_stride);
	base[0] = (struct npu_base){ .va = va + 2048, .size = sizeof(memory) - 2048 };
	base[1] = (struct npu_base){ .va = va, .size = 2048, .flags = NPU_BASE_WRITE };
	test_ok(!host_run(s, &c, sizeof(c), base, 2, &result), "a copy within a page");
	host_read(s, va, out, sizeof(out));
	for (i = 0; i < sizeof(out); i++)
		bad += out[i] != memory[2048 + i / 128 * 64 + i / 64 % 2 * 8 * 4096 + i % 64];
	test_eq(bad, 0, "is what it is without a recorder");
	host_space_free(s);
	host_free(h);
	fclose(file);
}

struct writer {
	u64 *word;
	bool stop;
};

static void *write_on(void *arg)
{
	struct writer *w = arg;
	u64 n = 0;

	/* The same number in both halves. */
	for (; !__atomic_load_n(&w->stop, __ATOMIC_RELAXED); n++)
		__atomic_store_n(w->word, n << 32 | (u32)n, __ATOMIC_RELEASE);
	return NULL;
}

/* Somebody writes words in the pages that the device reads and writes. */
static void test_written_meanwhile(void)
{
	static const u32 dim[] = { 1024 };
	static const s64 stride[] = { 1 };
	struct npu_base base[2] = { 0 };
	struct host_result result;
	struct copy_stream c;
	struct trace_result replayed;
	struct host_space *s;
	FILE *file = fopen(path, "we");
	struct writer w = { 0 };
	u32 i, torn = 0, lost = 0;
	pthread_t thread;
	struct host *h;
	size_t size;
	u64 va, seen, last = 0;
	char *text;
	u8 *page;

	h = host_new_real(file);
	s = host_space_new(h, 3);
	host_enable(h, 6);
	va = host_alloc(s, 4096, HOST_RW);
	page = host_ptr(h, host_bus(s, va));
	copy_init(&c, 1, dim, stride, stride);
	base[0] = (struct npu_base){ .va = va, .size = 1024 };
	base[1] = (struct npu_base){ .va = va + 2048, .size = 1024, .flags = NPU_BASE_WRITE };
	w.word = (u64 *)page + 8;
	pthread_create(&thread, NULL, write_on, &w);
	for (i = 0; i < 2000; i++) {
		host_run(s, &c, sizeof(c), base, 2, &result);
		memcpy(&seen, page + 2048 + 64, sizeof(seen));
		torn += seen >> 32 != (u32)seen || seen < last;
		last = seen;
	}
	__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	lost = __atomic_load_n(w.word, __ATOMIC_RELAXED) < last;
	test_eq(torn, 0, "words are read as a whole, and never older ones");
	test_eq(lost, 0, "what others write is not written back");
	host_space_free(s);
	host_free(h);
	fclose(file);
	text = read_all(path, &size);
	test_ok(replay(text, size, &replayed), "and all of it is replayed: %s", replayed.error);
	free(text);
}

/* ---- Damage ------------------------------------------------------------------------ */

/* No crash; anything else would be luck. */
static void test_damaged(void)
{
	struct trace_result result;
	u32 i, k, n, bad = 0;
	char *text, *other;
	size_t size;

	text = record(4, &size);
	other = malloc(size);
	for (i = 0; i < 2000; i++) {
		memcpy(other, text, size);
		n = (u32)test_range(1, 4);
		for (k = 0; k < n; k++)
			other[test_random() % size] =
				"0123456789abcdefx \n-"[test_random() % 20];
		bad += !replay(other, size, &result);
	}
	test_ok(bad > 1000, "%u of 2000 damaged records are refused", bad);
	free(other);
	free(text);
}

static void test_refused(void)
{
	static const struct {
		const char *text;
		const char *why;
	} cases[] = {
		{ "", "line 0: the file is empty" },
		{ "npu\n", "line 1: this is no record of version 1" },
		{ "npu-trace 2\n", "line 1: this is no record of version 1" },
		{ "npu-trace 1\n1 step 0\n", "line 2: no device yet" },
		{ "npu-trace 1\nstep 0\n", "line 2: no time" },
		{ "npu-trace 1\n0 power cores 2\n", "line 2: a device of unknown size" },
		{ "npu-trace 1\n0 power cores 2 slots 4 irqs 3 bus_bits 48 ring_order_max 12 "
		  "macs_max_order 34 bytes_max_order 32 clock_khz 1000000 reset_ms 500\n",
		  "line 2: a device of a size that does not exist" },
#define POWER "npu-trace 1\n0 power cores 2 slots 4 irqs 2 bus_bits 48 ring_order_max 12 " \
		"macs_max_order 34 bytes_max_order 32 clock_khz 1000000 reset_ms 500\n"
		{ POWER "1 step 2\n", "line 3: 'step 2' is recorded, nothing replayed" },
		{ POWER "1 irq 0\n", "line 3: 'irq 0' is recorded, nothing replayed" },
		{ POWER "1 inject luck 0x1\n", "line 3: no such fault: 'luck'" },
		{ POWER "1 read 0x0000 0x00000000\n", "line 3: '1 read 0x0000 0x00000000' is "
		  "recorded, '1 read 0x0000 0x3155504e' replayed" },
	};
	struct trace_result result;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!test_ok(!replay(cases[i].text, strlen(cases[i].text), &result) &&
			     !strcmp(result.error, cases[i].why), "refused: %s", cases[i].why))
			printf("# %s\n", result.error);
	}
}

/* A core that hangs is asked again and again: that is said once. */
static void test_quiet(void)
{
	static const struct npu_stream_header header = {
		.magic = NPU_ISA_MAGIC, .major = NPU_ISA_MAJOR, .size = sizeof(header) + 8,
	};
	static const struct npu_cmd_nop nop = { .cmd.size = sizeof(nop) };
	struct trace_result result;
	struct host_space *s;
	FILE *file = fopen(path, "we");
	struct host_queue *q;
	struct host *h;
	size_t size;
	char *text;
	u64 code;
	u32 i;

	h = host_new_real(file);
	s = host_space_new(h, 1);
	host_enable(h, 6);
	code = host_alloc(s, 4096, HOST_R);
	host_write(s, code, &header, sizeof(header));
	host_write(s, code + sizeof(header), &nop, sizeof(nop));
	q = host_queue_new(s, 1, 1, 4);
	host_bind(q, 0);
	trace_inject(&h->trace, NPU_INJECT_HANG, 1);
	host_push(q, code, header.size, 0, 0, NPU_JOB_EVENT);
	host_ring_doorbell(q);
	for (i = 0; i < 100; i++)
		host_step(h, i % 2);
	host_command(q, NPU_SLOT_RESET);
	test_eq(host_state(q), NPU_SLOT_EMPTY, "the hung queue is reset");
	host_queue_free(q);
	host_space_free(s);
	host_free(h);
	fclose(file);
	text = read_all(path, &size);
	test_eq(count(text, " stalled "), 1, "a hang is one line");
	test_ok(count(text, " step ") <= 4, "%u steps are recorded", count(text, " step "));
	test_ok(replay(text, size, &result), "and replayed: %s", result.error);
	free(text);
}

/* A disk that is full ends the record, not the device. */
static void test_full(void)
{
	FILE *file = fopen("/dev/full", "we");
	struct host *h = host_new_real(file);

	test_eq(host_reg(h, NPU_REG_CORES), 2, "the device works without its record");
	test_ok(h->trace.failed, "the record has failed");
	host_free(h);
	fclose(file);
}

int main(int argc, char **argv)
{
	int i, fd = mkstemp(path);

	test_seed();
	for (i = 1; i < argc; i++)
		replay_recorded(argv[i]);
	test_record();
	test_changed();
	test_moved();
	test_cut();
	test_joined();
	test_shared_pages();
	test_written_meanwhile();
	test_damaged();
	test_refused();
	test_quiet();
	test_full();
	close(fd);
	unlink(path);
	return test_done();
}

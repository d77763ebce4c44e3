// SPDX-License-Identifier: MIT
#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "trace.h"

#define PAGE		TRACE_WINDOW
#define GRANULE		32u	/* most bytes of memory in a line */
#define LINE		2048u	/* more than the longest */
#define HEADER		"npu-trace "

/* A record that is read. */
struct trace_replay {
	FILE *in;
	char *line;		/* the next one, without its newline */
	size_t room;
	bool there;		/* @line is read and not used up */
	bool calling;		/* a call is under way */
	bool end;		/* of the file; or the record was wrong */
	struct trace_result *result;
};

struct page {
	u64 bus;
	u8 data[PAGE];
};

static const char *const config_names[] = {
	"cores", "slots", "irqs", "bus_bits", "ring_order_max", "macs_max_order",
	"bytes_max_order", "clock_khz", "reset_ms",
};

_Static_assert(sizeof(struct npu_model_config) == ARRAY_SIZE(config_names) * sizeof(u32),
	       "a name for each");

static const char *const inject_names[] = {
	[NPU_INJECT_HANG] = "hang",
	[NPU_INJECT_CORRUPT] = "corrupt",
	[NPU_INJECT_MEMORY] = "memory",
	[NPU_INJECT_WALK] = "walk",
	[NPU_INJECT_STATUS] = "status",
	[NPU_INJECT_EVENT] = "event",
	[NPU_INJECT_OVERFLOW] = "overflow",
	[NPU_INJECT_GONE] = "gone",
	[NPU_INJECT_DEAF] = "deaf",
	[NPU_INJECT_CLOCK] = "clock_khz",
	[NPU_INJECT_LATENCY] = "latency_us",
	[NPU_INJECT_LIMIT] = "memory_limit",
};

_Static_assert(TRACE_VERSION == 1, "replay_header() says so");

_Static_assert(ARRAY_SIZE(inject_names) == NPU_INJECT_KINDS, "a name for each");

static const char *const step_names[] = {
	[NPU_STEP_IDLE] = "idle",
	[NPU_STEP_STALLED] = "stalled",
	[NPU_STEP_RESTING] = "resting",
};

const char *const trace_kinds[] = {
	"power", "read", "write", "doorbell", "timer", "step", "inject", "leave",
	"now", "mem", "none",
	"job", "command", "report", "event", "put", "irq", "idle", "stalled", "resting",
	NULL
};

/* ---- Lines ------------------------------------------------------------------------ */

static void replay_fail(struct trace_replay *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void replay_fail(struct trace_replay *r, const char *format, ...)
{
	struct trace_result *result = r->result;
	va_list args;
	int n;

	r->end = true;
	r->there = false;
	if (*result->error)
		return;
	n = snprintf(result->error, sizeof(result->error), "line %llu: ",
		     (unsigned long long)result->lines);
	va_start(args, format);
	vsnprintf(result->error + n, sizeof(result->error) - (size_t)n, format, args);
	va_end(args);
}

/* Not a record, or not to be read. */
static void replay_bad(struct trace_replay *r, const char *why)
{
	r->result->bad = true;
	replay_fail(r, "%s", why);
}

/* Read a whole line; one without a newline is none. */
static bool read_line(struct trace_replay *r)
{
	ssize_t n = getline(&r->line, &r->room, r->in);

	if (n > 0 && r->line[n - 1] == '\n') {
		r->line[n - 1] = 0;
		return true;
	}
	if (ferror(r->in))
		replay_bad(r, "the file cannot be read");
	return false;
}

/* The next line, NULL at the end, or within a call that a recorder has not completed. */
static const char *replay_peek(struct trace_replay *r)
{
	while (!r->there && !r->end) {
		if (!read_line(r)) {
			r->end = true;
			return NULL;
		}
		r->result->lines++;
		r->there = *r->line;
	}
	return r->there && !(r->calling && !strncmp(r->line, HEADER, strlen(HEADER))) ? r->line :
										       NULL;
}

/* Is this the last line of a killed recorder, which may not be complete? */
static bool replay_cut(struct trace_replay *r)
{
	int c = getc(r->in);

	ungetc(c, r->in);
	/* Times follow, but for an empty line and a header. */
	return c == '\n' || c == *HEADER;
}

/* The model has brought about a line: is it the one of the record? */
static void replay_compare(struct trace_replay *r, const char *line)
{
	const char *want = replay_peek(r);

	if (!want)
		return;
	if (strcmp(want, line) && !replay_cut(r))
		replay_fail(r, "'%.200s' is recorded, '%.200s' replayed", want, line);
	r->there = false;
}

static void line_out(struct trace *t, const char *line)
{
	if (t->replay)
		replay_compare(t->replay, line);
	else
		fprintf(t->call, "%s\n", line);
}

/* "TIME TEXT HEX", with @size bytes as hexadecimal digits, or none. */
static void out(struct trace *t, const void *data, size_t size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void out(struct trace *t, const void *data, size_t size, const char *format, ...)
{
	const u8 *byte = data;
	char line[LINE];
	va_list args;
	size_t i;
	int n;

	n = snprintf(line, sizeof(line), "%llu ", (unsigned long long)t->now);
	va_start(args, format);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	if (size)
		line[n++] = ' ';
	for (i = 0; byte && i < size && (size_t)n + 3 < sizeof(line); i++)
		n += snprintf(line + n, 3, "%02x", byte[i]);
	line_out(t, line);
}

static void record_fail(struct trace *t, const char *why)
{
	if (!t->failed)
		fprintf(stderr, "the record ends here: %s\n", why);
	t->failed = true;
}

/* ---- Memory ----------------------------------------------------------------------- */

static int page_compare(const void *a, const void *b)
{
	const struct page *x = a, *y = b;

	return (x->bus > y->bus) - (x->bus < y->bus);
}

/* What was last told of a page; of most nothing, they are all zeros. */
static const u8 *page_told(struct trace *t, u64 bus)
{
	static const u8 zeros[PAGE];
	struct page key = { .bus = bus / PAGE * PAGE };
	struct page **found = tfind(&key, &t->pages, page_compare);

	return (found ? (*found)->data : zeros) + bus % PAGE;
}

/* To be told: bytes of one page. */
static void page_tell(struct trace *t, u64 bus, const u8 *data, u64 len)
{
	struct page key = { .bus = bus / PAGE * PAGE };
	struct page **found = tfind(&key, &t->pages, page_compare);
	struct page *page = found ? *found : NULL;

	if (!page) {
		page = calloc(1, sizeof(*page));
		if (page)
			page->bus = key.bus;
		if (!page || !tsearch(page, &t->pages, page_compare)) {
			free(page);
			if (t->replay)
				replay_fail(t->replay, "out of memory");
			else
				record_fail(t, "out of memory");
			return;
		}
	}
	memcpy(page->data + bus % PAGE, data, len);
}

/* The first and the last byte that differ, from @at on up to the next granule or @end. */
static u64 differing(const u8 *a, const u8 *b, u64 bus, u64 at, u64 end, u64 *from, u64 *to)
{
	u64 next = min_t(u64, end, at + GRANULE - (bus + at) % GRANULE);

	for (*from = at; *from < next && a[*from] == b[*from]; ++*from)
		;
	for (*to = next; *to > *from && a[*to - 1] == b[*to - 1]; --*to)
		;
	return next;
}

/* Say where @copy differs from @old, which is what was told if @word is "mem". */
static void tell(struct trace *t, const struct trace_window *w, const u8 *old, const char *word)
{
	u64 at, from, to;

	for (at = 0; at < w->len;) {
		at = differing(w->copy, old, w->bus, at, w->len, &from, &to);
		if (from == to)
			continue;
		t->effect = true;
		out(t, w->copy + from, to - from, "%s 0x%llx", word,
		    (unsigned long long)(w->bus + from));
		page_tell(t, w->bus + from, w->copy + from, to - from);
	}
}

/*
 * Each byte is read once, and words as a whole: others write them meanwhile. What is
 * read later is at least as new.
 */
static void load(u8 *copy, const u8 *real, u64 len)
{
	u64 i, word;

	for (i = 0; i < len;) {
		if ((uintptr_t)(real + i) % 8 || len - i < 8) {
			copy[i] = __atomic_load_n(real + i, __ATOMIC_ACQUIRE);
			i++;
			continue;
		}
		word = __atomic_load_n((const u64 *)(real + i), __ATOMIC_ACQUIRE);
		memcpy(copy + i, &word, sizeof(word));
		i += 8;
	}
}

static void store_word(u8 *real, const u8 *copy, u64 at)
{
	u64 word;

	memcpy(&word, copy + at, sizeof(word));
	__atomic_store_n((u64 *)(real + at), word, __ATOMIC_RELEASE);
}

/* Words whose reader relies on the rest of the structure. */
static bool publishes(const struct trace_window *w, u64 at)
{
	return w->len == NPU_CONTEXT_SIZE &&
	       (at == offsetof(struct npu_context, sequence) ||
		at == offsetof(struct npu_context, fault_status));
}

static void store_words(const struct trace_window *w, bool last)
{
	u64 at;

	for (at = 0; at < w->len; at += 8) {
		if (publishes(w, at) == last && memcmp(w->copy + at, w->before + at, 8))
			store_word(w->real, w->copy, at);
	}
}

/* Only what the model has written: the rest may be the driver's at the same time. */
static void store(const struct trace_window *w)
{
	u64 i;

	if (w->len < PAGE && !(w->bus % 8) && !(w->len % 8)) {
		store_words(w, false);
		store_words(w, true);
		return;
	}
	for (i = 0; i < w->len; i++) {
		if (w->copy[i] != w->before[i])
			__atomic_store_n(w->real + i, w->copy[i], __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void write_back(struct trace *t, struct trace_window *w)
{
	tell(t, w, w->before, "put");
	if (w->real)
		store(w);
	memcpy(w->before, w->copy, w->len);
}

/* What was written earlier has to be visible earlier. */
static void write_back_all(struct trace *t)
{
	u32 i;

	for (i = 0; i < TRACE_WINDOWS; i++) {
		if (t->window[i].len && t->window[i].before)
			write_back(t, &t->window[i]);
	}
}

static bool from_hex(const char *text, u8 *data, size_t max, size_t *size)
{
	unsigned int byte;

	for (*size = 0; *text && *size < max; text += 2, ++*size) {
		if (strspn(text, "0123456789abcdef") < 2 || sscanf(text, "%2x", &byte) != 1)
			return false;
		data[*size] = (u8)byte;
	}
	return !*text && *size;
}

/* Take what the record says of memory at this question. Returns false if there is none. */
static bool replay_memory(struct trace *t, u64 bus)
{
	unsigned long long now, at;
	char kind[8], hex[80];
	unsigned int asked;
	const char *line;
	u8 data[GRANULE];
	size_t size;

	while ((line = replay_peek(t->replay))) {
		if (sscanf(line, "%llu %7s %u 0x%llx %79s", &now, kind, &asked, &at, hex) < 4 ||
		    asked != t->asked)
			break;
		if (!strcmp(kind, "none") && at == bus) {
			t->replay->there = false;
			return false;
		}
		if (strcmp(kind, "mem"))
			break;
		if (at / PAGE != bus / PAGE || !from_hex(hex, data, GRANULE, &size) ||
		    at % PAGE + size > PAGE) {
			if (!replay_cut(t->replay))
				replay_fail(t->replay, "the model has not asked for this memory");
			t->replay->there = false;
			break;
		}
		page_tell(t, at, data, size);
		t->replay->there = false;
	}
	return true;
}

/* What the window shows. Real memory is not needed beyond this if the model only reads it. */
static bool window_fill(struct trace *t, struct trace_window *w, enum npu_access access)
{
	char word[16];
	u64 len = 0;
	u8 *real;

	if (t->replay) {
		if (!replay_memory(t, w->bus))
			return false;
		memcpy(w->copy, page_told(t, w->bus), w->len);
		return true;
	}
	real = t->ops->map(t->host, w->bus, w->len, access, &len);
	if (!real)
		return false;
	w->len = min_t(u64, w->len, len);
	load(w->copy, real, w->len);
	snprintf(word, sizeof(word), "mem %u", t->asked);
	tell(t, w, page_told(t, w->bus), word);
	if (access == NPU_ACCESS_WRITE)
		w->real = real;
	else
		t->ops->unmap(t->host, real, len);
	return true;
}

static struct trace_window *window_find(struct trace *t, const void *copy)
{
	u32 i;

	for (i = 0; i < TRACE_WINDOWS; i++) {
		if (copy ? t->window[i].len && t->window[i].copy == copy : !t->window[i].len)
			return &t->window[i];
	}
	fprintf(stderr, "trace: the model borrows too much, or gives back what it has not\n");
	abort();
}

static void *trace_map(void *priv, u64 addr, u64 size, enum npu_access access, u64 *len)
{
	u64 room = PAGE - addr % PAGE;
	struct trace *t = priv;
	struct trace_window *w = window_find(t, NULL);
	u8 *copies = t->copies + 2 * PAGE * (size_t)(w - t->window);

	t->asked++;
	write_back_all(t);
	*w = (struct trace_window){
		/* Addresses in a page are those of the bus. */
		.copy = copies + addr % PAGE,
		.bus = addr,
		.len = size < room ? size : room,
	};
	if (!window_fill(t, w, access)) {
		t->effect = true;
		if (!t->replay)
			out(t, NULL, 0, "none %u 0x%llx", t->asked, (unsigned long long)addr);
		w->len = 0;
		return NULL;
	}
	if (access == NPU_ACCESS_WRITE)
		w->before = memcpy(copies + PAGE + addr % PAGE, w->copy, w->len);
	*len = w->len;
	return w->copy;
}

static void trace_unmap(void *priv, void *ptr, u64 len)
{
	struct trace *t = priv;
	struct trace_window *w = window_find(t, ptr);

	if (w->before)
		write_back(t, w);
	if (w->real)
		t->ops->unmap(t->host, w->real, len);
	w->len = 0;
}

/* ---- What else the model asks of its host ------------------------------------------- */

static u64 real_now(const struct trace *t)
{
	return t->ops->now(t->host) / t->grain * t->grain;
}

static void replay_now(struct trace *t)
{
	const char *line = replay_peek(t->replay);
	unsigned long long now;
	unsigned int asked;
	int end = 0;

	if (line && sscanf(line, "%llu now %u%n", &now, &asked, &end) == 2 && !line[end] &&
	    asked == t->asked) {
		t->now = now;
		t->replay->there = false;
	}
}

static u64 trace_now(void *priv)
{
	struct trace *t = priv;
	u64 now;

	/* What a register says is said in one line, so its time is the line's. */
	if (t->reading)
		return t->now;
	t->asked++;
	if (t->replay) {
		replay_now(t);
		return t->now;
	}
	now = real_now(t);
	if (now > t->now) {
		t->now = now;
		out(t, NULL, 0, "now %u", t->asked);
	}
	return t->now;
}

static void trace_irq(void *priv, u32 vector)
{
	struct trace *t = priv;

	t->effect = true;
	out(t, NULL, 0, "irq %u", vector);
	if (!t->replay)
		t->ops->irq(t->host, vector);
}

static void trace_wake(void *priv, u32 core)
{
	struct trace *t = priv;

	if (!t->replay)
		t->ops->wake(t->host, core);
}

static void trace_alarm(void *priv, u64 ns)
{
	struct trace *t = priv;

	if (!t->replay)
		t->ops->timer(t->host, ns);
}

static unsigned long trace_lock(void *priv)
{
	struct trace *t = priv;

	return t->replay ? 0 : t->ops->lock(t->host);
}

static void trace_unlock(void *priv, unsigned long flags)
{
	struct trace *t = priv;

	if (!t->replay)
		t->ops->unlock(t->host, flags);
}

static void trace_tell(void *priv, enum npu_trace what, u32 slot, u64 offset, const void *data,
		       u32 size)
{
	static const char *const names[] = {
		[NPU_TRACE_JOB] = "job",
		[NPU_TRACE_REPORT] = "report",
		[NPU_TRACE_EVENT] = "event",
	};
	struct trace *t = priv;

	t->effect = true;
	if (what == NPU_TRACE_COMMAND)
		out(t, data, size, "command %u 0x%llx", slot, (unsigned long long)offset);
	else
		out(t, data, size, "%s %u", names[what], slot);
}

static const struct npu_host_ops trace_ops = {
	.map	= trace_map,
	.unmap	= trace_unmap,
	.irq	= trace_irq,
	.wake	= trace_wake,
	.timer	= trace_alarm,
	.now	= trace_now,
	.lock	= trace_lock,
	.unlock	= trace_unlock,
	.trace	= trace_tell,
};

/* ---- Calls ------------------------------------------------------------------------ */

/* First come, first served: else cores would leave no turn to registers. */
static void turn_take(struct trace *t)
{
	u64 turn;

	pthread_mutex_lock(&t->lock);
	if (t->busy && pthread_equal(t->owner, pthread_self())) {
		fprintf(stderr, "trace: called by a function of the host\n");
		abort();
	}
	turn = t->next_turn++;
	while (t->turn != turn)
		pthread_cond_wait(&t->moved, &t->lock);
	t->owner = pthread_self();
	t->busy = true;
	pthread_mutex_unlock(&t->lock);
}

static void turn_give(struct trace *t)
{
	pthread_mutex_lock(&t->lock);
	t->turn++;
	t->busy = false;
	pthread_cond_broadcast(&t->moved);
	pthread_mutex_unlock(&t->lock);
}

/* Returns false if nothing is recorded; else trace_end() follows. */
static bool trace_begin(struct trace *t)
{
	if (!t->file && !t->replay)
		return false;
	turn_take(t);
	t->asked = 0;
	t->effect = false;
	if (t->replay) {
		t->replay->result->calls++;
		t->replay->calling = true;
	} else {
		t->now = max_t(u64, t->now, real_now(t));
	}
	return true;
}

/* All of a call at once: the recorder may be killed at any time. */
static void trace_write_out(struct trace *t)
{
	if (fflush(t->call) || ferror(t->call))
		record_fail(t, "out of memory");
	else if (fwrite(t->text, 1, t->size, t->file) != t->size)
		record_fail(t, strerror(errno));
}

/* @keep: false: the call was one of many that did nothing. */
static void trace_end(struct trace *t, bool keep)
{
	if (t->replay) {
		/* What was not completed when its recorder was killed is no more compared. */
		t->replay->calling = false;
	} else {
		if (keep && !t->failed)
			trace_write_out(t);
		rewind(t->call);
	}
	turn_give(t);
}

static void trace_effect(struct trace *t)
{
	t->effects++;
	trace_end(t, true);
}

static void out_config(struct trace *t, const struct npu_model_config *config)
{
	const u32 *value = (const u32 *)config;
	char text[512];
	int n = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(config_names); i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %s %u", config_names[i],
			      value[i]);
	out(t, NULL, 0, "power%s", text);
}

void trace_power(struct trace *t, void *mem, const struct npu_model_config *config,
		 const struct npu_host_ops *ops, void *host)
{
	unsigned long flags;

	t->ops = ops;
	t->host = host;
	t->cores = config->cores;
	t->model = mem;
	if (!trace_begin(t)) {
		flags = ops->lock(host);
		npu_model_init(mem, config, ops, host);
		npu_model_use(t->model, t->kernels);
		ops->unlock(host, flags);
		return;
	}
	/* Its time begins anew. */
	if (!t->replay)
		t->now = real_now(t);
	out_config(t, config);
	flags = trace_lock(t);
	npu_model_init(mem, config, &trace_ops, t);
	npu_model_use(t->model, t->kernels);
	trace_unlock(t, flags);
	trace_effect(t);
}

u32 trace_read(struct trace *t, u32 reg)
{
	u32 value;

	if (!trace_begin(t))
		return npu_model_read(t->model, reg);
	t->reading = true;
	value = npu_model_read(t->model, reg);
	t->reading = false;
	out(t, NULL, 0, "read 0x%04x 0x%08x", reg, value);
	trace_end(t, true);
	return value;
}

void trace_write(struct trace *t, u32 reg, u32 value)
{
	if (!trace_begin(t)) {
		npu_model_write(t->model, reg, value);
		return;
	}
	out(t, NULL, 0, "write 0x%04x 0x%08x", reg, value);
	npu_model_write(t->model, reg, value);
	trace_effect(t);
}

void trace_doorbell(struct trace *t, u32 slot, u32 value)
{
	if (!trace_begin(t)) {
		npu_model_doorbell(t->model, slot, value);
		return;
	}
	out(t, NULL, 0, "doorbell %u %u", slot, value);
	npu_model_doorbell(t->model, slot, value);
	trace_effect(t);
}

void trace_timer(struct trace *t)
{
	if (!trace_begin(t)) {
		npu_model_timer(t->model);
		return;
	}
	out(t, NULL, 0, "timer");
	npu_model_timer(t->model);
	trace_effect(t);
}

/* Has the core said the same since something happened? A core that waits asks often. */
static bool step_repeats(struct trace *t, u32 core, enum npu_step step)
{
	bool repeats;

	if (t->effect || step == NPU_STEP_RAN) {
		t->effects++;
		return false;
	}
	repeats = t->quiet[core] == t->effects && t->last[core] == step;
	t->quiet[core] = t->effects;
	t->last[core] = step;
	return repeats;
}

enum npu_step trace_step(struct trace *t, u32 core)
{
	enum npu_step step;

	if (!trace_begin(t))
		return npu_model_step(t->model, core);
	out(t, NULL, 0, "step %u", core);
	step = npu_model_step(t->model, core);
	if (step != NPU_STEP_RAN)
		out(t, NULL, 0, "%s %u", step_names[step], core);
	trace_end(t, !step_repeats(t, core, step));
	return step;
}

bool trace_inject(struct trace *t, enum npu_inject what, u64 arg)
{
	bool done;

	if (what >= NPU_INJECT_KINDS || !trace_begin(t))
		return npu_model_inject(t->model, what, arg);
	out(t, NULL, 0, "inject %s 0x%llx", inject_names[what], (unsigned long long)arg);
	done = npu_model_inject(t->model, what, arg);
	trace_effect(t);
	return done;
}

void trace_leave(struct trace *t)
{
	if (!trace_begin(t)) {
		npu_model_leave(t->model);
		return;
	}
	out(t, NULL, 0, "leave");
	npu_model_leave(t->model);
	trace_effect(t);
}

static bool windows_init(struct trace *t)
{
	t->copies = aligned_alloc(PAGE, 2 * (size_t)PAGE * TRACE_WINDOWS);
	return t->copies;
}

static bool record_begin(struct trace *t)
{
	t->call = open_memstream(&t->text, &t->size);
	if (!t->call || !windows_init(t))
		return false;
	setvbuf(t->file, NULL, _IONBF, 0);
	/* Behind what another recorder has left, perhaps in the middle of a line. */
	fprintf(t->call, "%s" HEADER "%d\n", lseek(fileno(t->file), 0, SEEK_CUR) > 0 ? "\n" : "",
		TRACE_VERSION);
	trace_write_out(t);
	rewind(t->call);
	return true;
}

bool trace_kernels(struct trace *t, const char *name)
{
	t->kernels = npu_kernels_find(name);
	if (!t->kernels)
		fprintf(stderr, "this processor has no kernels \"%s\"\n", name);
	return t->kernels;
}

bool trace_init(struct trace *t, FILE *file)
{
	memset(t, 0, sizeof(*t));
	if (!trace_kernels(t, getenv("NPU_KERNELS")))
		return false;
	t->file = file;
	t->grain = 1;
	t->effects = 1;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->moved, NULL);
	return !file || record_begin(t);
}

void trace_fini(struct trace *t)
{
	struct page *page;

	while (t->pages) {
		page = *(struct page **)t->pages;
		tdelete(page, &t->pages, page_compare);
		free(page);
	}
	if (t->call)
		fclose(t->call);
	free(t->text);
	free(t->copies);
	t->call = NULL;
	t->text = NULL;
	t->copies = NULL;
	pthread_cond_destroy(&t->moved);
	pthread_mutex_destroy(&t->lock);
}

/* ---- Replay ----------------------------------------------------------------------- */

static void replay_power(struct trace *t, const char *text)
{
	struct npu_model_config config;
	u32 *value = (u32 *)&config;
	char name[32];
	void *mem;
	size_t i;
	int n;

	for (i = 0; i < ARRAY_SIZE(config_names); i++, text += n) {
		n = 0;
		if (sscanf(text, " %31s %u%n", name, &value[i], &n) != 2 ||
		    strcmp(name, config_names[i])) {
			replay_bad(t->replay, "a device of unknown size");
			return;
		}
	}
	mem = npu_model_size(&config) ? aligned_alloc(64, npu_model_size(&config)) : NULL;
	if (!mem) {
		replay_bad(t->replay, "a device of a size that does not exist");
		return;
	}
	free(t->model);
	trace_power(t, mem, &config, NULL, NULL);
}

static void replay_inject(struct trace *t, const char *name, u64 arg)
{
	size_t i;

	for (i = 0; i < NPU_INJECT_KINDS; i++) {
		if (!strcmp(name, inject_names[i])) {
			trace_inject(t, (enum npu_inject)i, arg);
			return;
		}
	}
	replay_fail(t->replay, "no such fault: '%.32s'", name);
}

/* A line that is no call is one that the model should have brought about before. */
static void replay_call(struct trace *t, const char *text)
{
	unsigned long long arg;
	char name[32];
	unsigned int a, b;

	if (sscanf(text, "read 0x%x", &a) == 1)
		trace_read(t, a);
	else if (sscanf(text, "write 0x%x 0x%x", &a, &b) == 2)
		trace_write(t, a, b);
	else if (sscanf(text, "doorbell %u %u", &a, &b) == 2)
		trace_doorbell(t, a, b);
	else if (sscanf(text, "step %u", &a) == 1 && a < t->cores)
		trace_step(t, a);
	else if (sscanf(text, "inject %31s 0x%llx", name, &arg) == 2)
		replay_inject(t, name, arg);
	else if (!strcmp(text, "timer"))
		trace_timer(t);
	else if (!strcmp(text, "leave"))
		trace_leave(t);
	else
		replay_fail(t->replay, "'%.200s' is recorded, nothing replayed", text);
}

/* Forget the memory as well: another process has gone on. */
static void replay_header(struct trace *t, const char *line)
{
	struct trace_replay *r = t->replay;
	int version;

	if (sscanf(line, HEADER "%d", &version) != 1 || version != TRACE_VERSION) {
		replay_bad(r, "this is no record of version 1");
		return;
	}
	free(t->model);
	trace_fini(t);
	trace_init(t, NULL);
	t->replay = r;
	r->there = false;
	if (!windows_init(t))
		replay_bad(r, "out of memory");
}

static void replay_line(struct trace *t, const char *line)
{
	unsigned long long now;
	int n = 0;

	if (!strncmp(line, HEADER, strlen(HEADER)) || t->replay->result->lines == 1) {
		replay_header(t, line);
		return;
	}
	/* A call that may not be complete, and has done nothing that is recorded. */
	if (replay_cut(t->replay)) {
		t->replay->there = false;
		return;
	}
	if (sscanf(line, "%llu %n", &now, &n) != 1 || !n) {
		replay_bad(t->replay, "no time");
		return;
	}
	t->now = now;
	if (!strncmp(line + n, "power ", 6))
		replay_power(t, line + n + 5);
	else if (!t->model)
		replay_bad(t->replay, "no device yet");
	else
		replay_call(t, line + n);
}

bool trace_replay(FILE *in, struct trace_result *result)
{
	struct trace_replay r = { .in = in, .result = result };
	const char *line;
	struct trace t;

	memset(result, 0, sizeof(*result));
	trace_init(&t, NULL);
	t.replay = &r;
	while ((line = replay_peek(&r)))
		replay_line(&t, line);
	if (!result->lines)
		replay_bad(&r, "the file is empty");
	free(t.model);
	trace_fini(&t);
	free(r.line);
	return !*result->error;
}

// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

void (*host_dying)(const char *why);

static void __attribute__((noreturn)) host_die(const char *why)
{
	if (host_dying)
		host_dying(why);
	fprintf(stderr, "host of the model: %s\n", why);
	abort();
}

/* ---- Memory ------------------------------------------------------------------ */

static u64 host_random(struct host *h)
{
	h->seed = h->seed * 6364136223846793005ull + 1442695040888963407ull;
	return h->seed >> 33;
}

static bool host_hole(struct host *h, u32 first, u32 pages)
{
	u32 i;

	for (i = 0; i < pages; i++)
		if (h->frame[first + i].ptr)
			return false;
	return true;
}

static void host_place(struct host *h, u32 first, u32 pages)
{
	u8 *ptr = aligned_alloc(4096, (size_t)pages * HOST_PAGE);
	u32 i;

	if (!ptr)
		host_die("no memory");
	memset(ptr, 0, (size_t)pages * HOST_PAGE);
	for (i = 0; i < pages; i++) {
		h->frame[first + i].ptr = ptr + (size_t)i * HOST_PAGE;
		h->frame[first + i].left = pages - i;
		h->frame[first + i].head = !i;
	}
}

u64 host_frames(struct host *h, u32 pages)
{
	u32 align = pages % 512 ? 1 : 512;
	u32 first, tries;

	pthread_spin_lock(&h->memory);
	for (tries = 0; tries < 100000; tries++) {
		first = (u32)(host_random(h) % (HOST_FRAMES - pages)) & ~(align - 1);
		if (host_hole(h, first, pages)) {
			host_place(h, first, pages);
			pthread_spin_unlock(&h->memory);
			return HOST_BUS + (u64)first * HOST_PAGE;
		}
	}
	host_die("bus addresses used up");
	return 0;
}

static struct host_frame *host_find(struct host *h, u64 bus)
{
	if (bus < HOST_BUS || bus >= HOST_BUS + (u64)HOST_FRAMES * HOST_PAGE)
		return NULL;
	return &h->frame[(bus - HOST_BUS) / HOST_PAGE];
}

/* Has the model borrowed a frame? Loans are few, and more frequent than frees. */
static bool host_lent(const struct host *h, const struct host_frame *f)
{
	const struct host_loan *loan;
	u64 pages;
	u32 i;

	for (i = 0; i < h->loans; i++) {
		loan = &h->loan[i];
		pages = ((uintptr_t)loan->ptr % HOST_PAGE + loan->len + HOST_PAGE - 1) / HOST_PAGE;
		if (f >= loan->frame && f < loan->frame + pages)
			return true;
	}
	return false;
}

void host_frames_free(struct host *h, u64 bus, u32 pages)
{
	struct host_frame *f = host_find(h, bus);
	u32 i;

	pthread_spin_lock(&h->memory);
	for (i = 0; i < pages; i++) {
		if (host_lent(h, &f[i])) {
			fprintf(stderr, "# page freed while the model has it\n");
			h->errors++;
		}
		if (f[i].head)
			free(f[i].ptr);
		memset(&f[i], 0, sizeof(f[i]));
	}
	pthread_spin_unlock(&h->memory);
}

void *host_ptr(struct host *h, u64 bus)
{
	struct host_frame *f = host_find(h, bus);

	return f && f->ptr ? f->ptr + bus % HOST_PAGE : NULL;
}

static void host_lend(struct host *h, struct host_frame *f, void *ptr, u64 len)
{
	struct host_loan *loan;

	if (h->loans == HOST_LOANS)
		host_die("the model never gives memory back");
	loan = &h->loan[h->loans++];
	loan->frame = f;
	loan->ptr = ptr;
	loan->len = len;
}

/* Of what begins at @addr; NULL: nothing does. */
static void *host_window(struct host *h, u64 addr, u64 size, u64 *len)
{
	struct host_frame *f = host_find(h, addr);
	u64 skip = addr % HOST_PAGE;

	if (!f || !f->ptr || (h->fail_bus && addr / HOST_PAGE == h->fail_bus / HOST_PAGE))
		return NULL;
	*len = min_t(u64, size, (u64)f->left * HOST_PAGE - skip);
	return f->ptr + skip;
}

static void *host_op_map(void *host, u64 addr, u64 size, enum npu_access access, u64 *len)
{
	struct host *h = host;
	void *ptr;

	(void)access;
	if (h->trusts)
		return host_window(h, addr, size, len);
	if (h->mapped)
		h->mapped(h, addr, h->mapped_arg);
	pthread_spin_lock(&h->memory);
	ptr = host_window(h, addr, size, len);
	if (ptr) {
		host_lend(h, host_find(h, addr), ptr, *len);
		h->maps++;
	}
	pthread_spin_unlock(&h->memory);
	return ptr;
}

static void host_op_unmap(void *host, void *ptr, u64 len)
{
	struct host *h = host;
	struct host_loan *loan;
	bool found = false;
	u32 i;

	if (h->trusts)
		return;
	pthread_spin_lock(&h->memory);
	for (i = 0; i < h->loans && !found; i++) {
		loan = &h->loan[i];
		found = loan->ptr == ptr && loan->len == len;
		if (found)
			*loan = h->loan[--h->loans];
	}
	if (!found) {
		fprintf(stderr, "# unmap of what is not mapped\n");
		h->errors++;
	}
	pthread_spin_unlock(&h->memory);
}

/* ---- Other host functions -------------------------------------------------------- */

static void host_op_irq(void *host, u32 vector)
{
	struct host *h = host;

	h->irqs[vector]++;
}

static void host_op_wake(void *host, u32 core)
{
	struct host *h = host;

	h->woken |= 1u << core;
	pthread_cond_broadcast(&h->wake);
}

static void host_op_timer(void *host, u64 ns)
{
	struct host *h = host;

	h->timer = __atomic_load_n(&h->time, __ATOMIC_RELAXED) + ns;
}

static u64 host_monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

static u64 host_op_now(void *host)
{
	struct host *h = host;

	if (h->born)
		return host_monotonic() - h->born;
	return __atomic_add_fetch(&h->time, 1, __ATOMIC_RELAXED);
}

#define HOST_LOCK_TRIES	1000

static unsigned long host_op_lock(void *host)
{
	struct host *h = host;
	u32 i;

	/* Whoever has it gives it back in a moment: sooner than sleep ends. */
	for (i = 0; i < HOST_LOCK_TRIES; i++)
		if (!pthread_mutex_trylock(&h->lock))
			return 1;
	pthread_mutex_lock(&h->lock);
	return 1;
}

static void host_op_unlock(void *host, unsigned long flags)
{
	struct host *h = host;

	if (flags != 1)
		h->errors++;
	pthread_mutex_unlock(&h->lock);
}

static const struct npu_host_ops host_ops = {
	.map	= host_op_map,
	.unmap	= host_op_unmap,
	.irq	= host_op_irq,
	.wake	= host_op_wake,
	.timer	= host_op_timer,
	.now	= host_op_now,
	.lock	= host_op_lock,
	.unlock	= host_op_unlock,
};

static struct host *host_make(const struct npu_model_config *config, FILE *file, bool real)
{
	static const struct npu_model_config standard = NPU_MODEL_CONFIG_DEFAULT;
	struct host *h = calloc(1, sizeof(*h));
	size_t size;

	if (!h)
		host_die("no memory");
	h->config = config ? *config : standard;
	h->seed = 1;
	h->time = 1000000;
	h->frame = calloc(HOST_FRAMES, sizeof(*h->frame));
	pthread_mutex_init(&h->lock, NULL);
	pthread_spin_init(&h->memory, PTHREAD_PROCESS_PRIVATE);
	pthread_cond_init(&h->wake, NULL);
	size = npu_model_size(&h->config);
	if (!size)
		host_die("bad configuration");
	if (!h->frame || !trace_init(&h->trace, file))
		host_die("the device cannot be powered on");
	if (real) {
		h->born = host_monotonic();
		h->trace.grain = 1000;
	}
	trace_power(&h->trace, aligned_alloc(64, size), &h->config, &host_ops, h);
	h->model = h->trace.model;
	return h;
}

struct host *host_new_real(FILE *file)
{
	return host_make(NULL, file, true);
}

struct host *host_new_fast(const struct npu_model_config *config)
{
	struct host *h = host_make(config, NULL, true);

	h->trusts = true;
	return h;
}

struct host *host_new(const struct npu_model_config *config)
{
	const char *path = getenv("NPU_TRACE");
	FILE *file = path ? fopen(path, "ae") : NULL;
	struct host *h;

	if (path && (!file || fseek(file, 0, SEEK_END)))
		host_die("cannot write to the file of $NPU_TRACE");
	h = host_make(config, file, false);
	h->own_trace = path;
	return h;
}

u64 host_free(struct host *h)
{
	u64 errors;
	u32 i;

	host_threads_stop(h);
	errors = h->errors;
	if (h->loans) {
		fprintf(stderr, "# %u mappings left\n", h->loans);
		errors++;
	}
	for (i = 0; i < HOST_FRAMES; i++)
		if (h->frame[i].head)
			free(h->frame[i].ptr);
	free(h->frame);
	if (h->own_trace)
		fclose(h->trace.file);
	trace_fini(&h->trace);
	free(h->model);
	free(h);
	return errors;
}

enum npu_step host_step(struct host *h, u32 core)
{
	if (h->tick)
		h->tick(h, h->tick_arg);
	return trace_step(&h->trace, core);
}

u32 host_steps(struct host *h, u32 steps)
{
	u32 done = 0;
	bool ran;
	u32 i;

	do {
		ran = false;
		for (i = 0; i < h->config.cores && done < steps; i++) {
			if (host_step(h, i) == NPU_STEP_RAN) {
				ran = true;
				done++;
			}
		}
	} while (ran && done < steps);
	return done;
}

struct host_thread {
	struct host *h;
	u32 core;
};

static void *host_thread(void *arg)
{
	struct host_thread t = *(struct host_thread *)arg;
	struct host *h = t.h;
	enum npu_step step;
	bool stop = false;

	free(arg);
	while (!stop) {
		step = trace_step(&h->trace, t.core);
		if (step == NPU_STEP_STALLED || step == NPU_STEP_RESTING)
			usleep(100);
		pthread_mutex_lock(&h->lock);
		while (step == NPU_STEP_IDLE && !h->stop && !(h->woken >> t.core & 1))
			pthread_cond_wait(&h->wake, &h->lock);
		h->woken &= ~(1u << t.core);
		stop = h->stop;
		pthread_mutex_unlock(&h->lock);
	}
	return NULL;
}

void host_threads_start(struct host *h)
{
	struct host_thread *t;

	h->stop = false;
	for (h->threads = 0; h->threads < h->config.cores; h->threads++) {
		t = malloc(sizeof(*t));
		t->h = h;
		t->core = h->threads;
		if (pthread_create(&h->thread[h->threads], NULL, host_thread, t))
			host_die("no thread");
	}
}

void host_threads_stop(struct host *h)
{
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_broadcast(&h->wake);
	pthread_mutex_unlock(&h->lock);
	while (h->threads)
		pthread_join(h->thread[--h->threads], NULL);
}

u32 host_reg(struct host *h, u32 reg)
{
	return trace_read(&h->trace, reg);
}

void host_set(struct host *h, u32 reg, u32 value)
{
	trace_write(&h->trace, reg, value);
}

void host_enable(struct host *h, u32 order)
{
	u64 bus;

	if (order) {
		bus = host_frames(h, ((NPU_EVENT_SIZE << order) + HOST_PAGE - 1) / HOST_PAGE);
		host_set(h, NPU_REG_EVENT_BASE_LO, (u32)bus);
		host_set(h, NPU_REG_EVENT_BASE_HI, (u32)(bus >> 32));
		host_set(h, NPU_REG_EVENT_ORDER, order);
	}
	host_set(h, NPU_REG_IRQ_ENABLE, ~0u);
	host_set(h, NPU_REG_CONTROL, NPU_CONTROL_ENABLE);
}

bool host_event(struct host *h, struct npu_event *event)
{
	u64 base = host_reg(h, NPU_REG_EVENT_BASE_LO) |
		   (u64)host_reg(h, NPU_REG_EVENT_BASE_HI) << 32;
	u32 order = host_reg(h, NPU_REG_EVENT_ORDER);
	u32 read = host_reg(h, NPU_REG_EVENT_READ);

	if (read == host_reg(h, NPU_REG_EVENT_WRITE))
		return false;
	memcpy(event, host_ptr(h, base + (u64)(read & ((1u << order) - 1)) * NPU_EVENT_SIZE),
	       sizeof(*event));
	host_set(h, NPU_REG_EVENT_READ, read + 1);
	return true;
}

/* ---- Address spaces ----------------------------------------------------------------- */

struct host_space *host_space_new(struct host *h, u32 asid)
{
	struct host_space *s = calloc(1, sizeof(*s));

	s->h = h;
	s->asid = asid;
	s->root = host_frames(h, 1);
	s->next = 0x10000000;
	return s;
}

static void host_table_free(struct host_space *s, u64 bus, u32 level)
{
	__le64 *table = host_ptr(s->h, bus);
	u32 i;
	u64 e;

	for (i = 0; level && i < NPU_PT_ENTRIES; i++) {
		e = le64_to_cpu(table[i]);
		if (e & NPU_PTE_VALID && !(e & NPU_PTE_LEAF) &&
		    host_ptr(s->h, e & NPU_PTE_ADDR))
			host_table_free(s, e & NPU_PTE_ADDR, level - 1);
	}
	host_frames_free(s->h, bus, 1);
}

void host_space_free(struct host_space *s)
{
	if (s->queue) {
		host_command(s->queue, NPU_SLOT_RESET);
		host_queue_free(s->queue);
	}
	host_table_free(s, s->root, NPU_PT_LEVELS - 1);
	free(s);
}

__le64 *host_pte(struct host_space *s, u64 va, u32 level)
{
	u64 table = s->root;
	u32 at = NPU_PT_LEVELS;
	__le64 *e = NULL;

	while (at-- > level) {
		e = (__le64 *)host_ptr(s->h, table) + (va >> NPU_PT_SHIFT(at) & 511);
		if (at > level && !(le64_to_cpu(*e) & NPU_PTE_VALID))
			*e = cpu_to_le64(host_frames(s->h, 1) | NPU_PTE_VALID);
		table = le64_to_cpu(*e) & NPU_PTE_ADDR;
	}
	return e;
}

void host_map(struct host_space *s, u64 va, u64 bus, u64 flags)
{
	__atomic_store_n(host_pte(s, va, 0),
			 cpu_to_le64(bus | flags | NPU_PTE_VALID | NPU_PTE_LEAF),
			 __ATOMIC_RELAXED);
}

u64 host_alloc(struct host_space *s, u64 size, u64 flags)
{
	u64 pages = (size + HOST_PAGE - 1) / HOST_PAGE;
	u64 va = s->next;
	u64 i;

	for (i = 0; i < pages; i++)
		host_map(s, va + i * HOST_PAGE, host_frames(s->h, 1), flags);
	s->next += (pages + 1) * HOST_PAGE;
	return va;
}

u64 host_alloc_blocks(struct host_space *s, u64 size, u64 flags)
{
	u64 va = (s->next + 0x1fffff) & ~0x1fffffull;
	u64 at;

	for (at = va; at < va + size; at += 1u << 21)
		*host_pte(s, at, 1) = cpu_to_le64(host_frames(s->h, 512) | flags |
						  NPU_PTE_VALID | NPU_PTE_LEAF);
	s->next = at + (1u << 21);
	return va;
}

void host_invalidate(struct host_space *s, u64 va, u32 pages)
{
	host_set(s->h, NPU_REG_TLB_ASID, s->asid);
	host_set(s->h, NPU_REG_TLB_VA_LO, (u32)va);
	host_set(s->h, NPU_REG_TLB_VA_HI, (u32)(va >> 32));
	host_set(s->h, NPU_REG_TLB_PAGES, pages);
	host_set(s->h, NPU_REG_TLB_INVALIDATE, 1);
}

static bool host_is_block(struct host_space *s, u64 va)
{
	return le64_to_cpu(*host_pte(s, va, 1)) & NPU_PTE_LEAF;
}

void host_release(struct host_space *s, u64 va, u64 size)
{
	u64 at, step, bus;
	__le64 *e;

	for (at = va; at < va + size; at += step) {
		step = host_is_block(s, at) ? 1u << 21 : HOST_PAGE;
		e = host_pte(s, at, step > HOST_PAGE);
		bus = le64_to_cpu(*e) & NPU_PTE_ADDR;
		*e = 0;
		host_invalidate(s, at, (u32)(step / HOST_PAGE));
		while (host_reg(s->h, NPU_REG_TLB_DONE) != host_reg(s->h, NPU_REG_TLB_SEQ))
			usleep(10);
		host_frames_free(s->h, bus, (u32)(step / HOST_PAGE));
	}
}

u64 host_bus(struct host_space *s, u64 va)
{
	u64 mask = HOST_PAGE - 1;
	u64 e;

	if (host_is_block(s, va)) {
		mask = (1u << 21) - 1;
		e = le64_to_cpu(*host_pte(s, va, 1));
	} else {
		e = le64_to_cpu(*host_pte(s, va, 0));
	}
	return (e & NPU_PTE_ADDR) + (va & mask);
}

static u64 host_chunk(u64 va, u64 size)
{
	u64 left = HOST_PAGE - va % HOST_PAGE;

	return size < left ? size : left;
}

void host_read(struct host_space *s, u64 va, void *dst, u64 size)
{
	u8 *to = dst;
	u64 n;

	for (; size; size -= n, va += n, to += n) {
		n = host_chunk(va, size);
		memcpy(to, host_ptr(s->h, host_bus(s, va)), n);
	}
}

void host_write(struct host_space *s, u64 va, const void *src, u64 size)
{
	const u8 *from = src;
	u64 n;

	for (; size; size -= n, va += n, from += n) {
		n = host_chunk(va, size);
		memcpy(host_ptr(s->h, host_bus(s, va)), from, n);
	}
}

/* ---- Queues ------------------------------------------------------------------------------- */

struct host_queue *host_queue_new(struct host_space *s, u32 number, u32 priority, u32 order)
{
	u32 pages = ((NPU_JOB_SIZE << order) + HOST_PAGE - 1) / HOST_PAGE;
	struct host_queue *q = calloc(1, sizeof(*q));

	q->s = s;
	q->order = order;
	q->bus = host_frames(s->h, 1);
	q->ring_bus = host_frames(s->h, pages);
	q->report_bus = host_frames(s->h, pages);
	q->context = host_ptr(s->h, q->bus);
	q->ring = host_ptr(s->h, q->ring_bus);
	q->reports = host_ptr(s->h, q->report_bus);
	q->context->ring_base = cpu_to_le64(q->ring_bus);
	q->context->report_base = cpu_to_le64(q->report_bus);
	q->context->page_table = cpu_to_le64(s->root);
	q->context->asid = cpu_to_le32(s->asid);
	q->context->ring_order = cpu_to_le32(order);
	q->context->priority = cpu_to_le32(priority);
	q->context->queue = cpu_to_le32(number);
	return q;
}

void host_queue_free(struct host_queue *q)
{
	u32 pages = ((NPU_JOB_SIZE << q->order) + HOST_PAGE - 1) / HOST_PAGE;

	host_frames_free(q->s->h, q->bus, 1);
	host_frames_free(q->s->h, q->ring_bus, pages);
	host_frames_free(q->s->h, q->report_bus, pages);
	free(q);
}

void host_bind(struct host_queue *q, u32 slot)
{
	q->slot = slot;
	host_set(q->s->h, NPU_REG_SLOT_CONTEXT_LO(slot), (u32)q->bus);
	host_set(q->s->h, NPU_REG_SLOT_CONTEXT_HI(slot), (u32)(q->bus >> 32));
	host_set(q->s->h, NPU_REG_SLOT_COMMAND(slot), NPU_SLOT_BIND);
}

void host_command(struct host_queue *q, u32 command)
{
	host_set(q->s->h, NPU_REG_SLOT_COMMAND(q->slot), command);
}

u32 host_state(struct host_queue *q)
{
	return host_reg(q->s->h, NPU_REG_SLOT_STATUS(q->slot));
}

u64 host_push(struct host_queue *q, u64 stream, u32 size, u64 bases, u32 n, u32 flags)
{
	u64 at = le64_to_cpu(q->context->write_index);

	q->ring[at & ((1u << q->order) - 1)] = (struct npu_job_desc){
		.sequence = cpu_to_le64(++q->sequence),
		.stream_va = cpu_to_le64(stream),
		.bases_va = cpu_to_le64(bases),
		.stream_size = cpu_to_le32(size),
		.bases = cpu_to_le32(n),
		.flags = cpu_to_le32(flags),
	};
	/* The entry is there before the index says so. */
	smp_store_release(&q->context->write_index, cpu_to_le64(at + 1));
	return q->sequence;
}

void host_ring_doorbell(struct host_queue *q)
{
	trace_doorbell(&q->s->h->trace, q->slot, (u32)le64_to_cpu(q->context->write_index));
}

u64 host_done(struct host_queue *q)
{
	/* Results are looked at behind it. */
	return le64_to_cpu(smp_load_acquire(&q->context->sequence));
}

/* ---- Streams --------------------------------------------------------------------------------- */

static void host_wait(struct host_queue *q, u64 sequence)
{
	struct host *h = q->s->h;

	while (host_done(q) < sequence &&
	       /* So is what the fault is. */
	       !smp_load_acquire(&q->context->fault_status)) {
		if (h->threads)
			usleep(50);
		else if (!host_steps(h, 1))
			host_die("the device does nothing");
	}
}

/* After a fault the queue starts anew behind the faulty job. */
static void host_recover(struct host_queue *q)
{
	struct npu_context *c = q->context;

	while ((host_state(q) & NPU_SLOT_STATE) == NPU_SLOT_BOUND)
		usleep(10);
	host_command(q, NPU_SLOT_UNBIND);
	memset(&c->fault_status, 0, sizeof(*c) - offsetof(struct npu_context, fault_status));
	c->sequence = cpu_to_le64(q->sequence);
	c->read_index = c->write_index;
	host_bind(q, q->slot);
}

int host_run(struct host_space *s, const void *stream, u32 size,
	     const struct npu_base *bases, u32 n, struct host_result *result)
{
	u64 table_size = n ? n * sizeof(*bases) : 8;
	u64 code = host_alloc(s, size ? size : 8, HOST_R);
	u64 table = host_alloc(s, table_size, HOST_R);
	struct host_queue *q = s->queue;
	u64 sequence;

	if (!q) {
		q = host_queue_new(s, s->asid, 1, 4);
		s->queue = q;
		host_bind(q, s->asid % s->h->config.slots);
	}
	host_write(s, code, stream, size);
	host_write(s, table, bases, n * sizeof(*bases));
	sequence = host_push(q, code, size, table, n, 0);
	host_ring_doorbell(q);
	host_wait(q, sequence);
	result->fault = le32_to_cpu(q->context->fault_status);
	result->detail = le32_to_cpu(q->context->fault_detail);
	result->access = le32_to_cpu(q->context->fault_access);
	result->va = le64_to_cpu(q->context->fault_va);
	result->offset = le64_to_cpu(q->context->fault_offset);
	result->report = q->reports[(le64_to_cpu(q->context->write_index) - 1) &
				    ((1u << q->order) - 1)];
	if (result->fault)
		host_recover(q);
	host_release(s, code, size ? size : 8);
	host_release(s, table, table_size);
	return result->fault ? -1 : 0;
}

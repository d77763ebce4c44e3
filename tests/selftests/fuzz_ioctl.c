// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_ioctl [SECONDS [SEED [v]]] - random calls, guided by coverage
 *
 * A program is a tape of numbers. Running it takes one number for each choice:
 * which call, which handle, which flags. Handles are mostly those that earlier
 * calls of the program returned, sizes and addresses mostly such as make sense,
 * so that calls get past the first checks. A tape that reaches code which none
 * reached before (KCOV, of the driver's code alone) is kept, and changed again
 * and again. Without KCOV the tapes are just random.
 *
 * The kernel's checkers say what is wrong. At the end the device must still
 * work. With v, each tape is printed before it runs.
 */
#include <linux/kcov.h>
#include <stddef.h>

#include "npu_test.h"

#define TAPE	192	/* numbers */
#define CORPUS	4096	/* tapes */
#define COVER	(64 * 1024)	/* addresses of one program */
#define MAP_BITS	18

struct tape {
	uint32_t length;
	uint32_t number[TAPE];
};

static struct tape corpus[CORPUS];
static unsigned int corpus_size;
static unsigned long programs, calls, successes;

/* ---- Choices ----------------------------------------------------------------------- */

static uint64_t random_state;

static uint32_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state >> 16;
}

static const struct tape *playing;
static unsigned int position;

static uint32_t choose(uint32_t of)
{
	return position < playing->length ? playing->number[position++] % of : 0;
}

static bool one_in(uint32_t n)
{
	return choose(n) == n - 1;
}

/* ---- Arguments ---------------------------------------------------------------------- */

enum kind {
	ZERO,		/* reserved, or a result */
	BO, VM, QUEUE, SYNCOBJ,
	FLAGS,		/* @limit: known ones */
	NUMBER,		/* @limit: first one that makes no sense */
	SIZE, VA, OFFSET, STREAM,
	BIND_OFFSET,	/* into a buffer, or an address of ours */
	ARRAY,		/* @element, at most @limit of them */
	ROOM,		/* a pointer to memory */
};

struct field {
	enum kind kind;
	size_t offset;
	size_t size;
	uint64_t limit;
	const struct layout *element;
};

struct layout {
	size_t size;
	struct field field[12];
};

#define FIELD(type, name, kind, ...) \
	{ kind, offsetof(struct type, name), sizeof(((struct type *)0)->name), ##__VA_ARGS__ }

/* What may be bound; nothing of ours follows, for jobs write to it. */
static uint8_t *user_memory;

static const struct layout layout_sync = { sizeof(struct drm_npu_sync), {
	FIELD(drm_npu_sync, type, NUMBER, 2),
	FIELD(drm_npu_sync, flags, FLAGS, 1),
	FIELD(drm_npu_sync, handle, SYNCOBJ),
	FIELD(drm_npu_sync, pad, ZERO),
	FIELD(drm_npu_sync, point, NUMBER, 4),
} };

static const struct layout layout_bind_op = { sizeof(struct drm_npu_vm_bind_op), {
	FIELD(drm_npu_vm_bind_op, type, NUMBER, 3),
	FIELD(drm_npu_vm_bind_op, flags, FLAGS, DRM_NPU_VM_BIND_READONLY),
	FIELD(drm_npu_vm_bind_op, handle, BO),
	FIELD(drm_npu_vm_bind_op, pad, ZERO),
	FIELD(drm_npu_vm_bind_op, va, VA),
	FIELD(drm_npu_vm_bind_op, size, SIZE),
	FIELD(drm_npu_vm_bind_op, offset, BIND_OFFSET),
	FIELD(drm_npu_vm_bind_op, reserved, ZERO),
} };

static const struct layout layout_job = { sizeof(struct drm_npu_job), {
	FIELD(drm_npu_job, stream_va, STREAM),
	FIELD(drm_npu_job, bases_va, STREAM),
	FIELD(drm_npu_job, stream_size, NUMBER, 64),
	FIELD(drm_npu_job, bases, NUMBER, 3),
	FIELD(drm_npu_job, flags, ZERO),
	FIELD(drm_npu_job, pad, ZERO),
} };

/* What a call returns goes into the pool of @result. */
static const struct {
	unsigned long request;
	struct layout layout;
	enum kind result;
	size_t result_offset;
} ioctls[] = {
	{ DRM_IOCTL_NPU_DEV_QUERY, { sizeof(struct drm_npu_dev_query), {
		FIELD(drm_npu_dev_query, type, NUMBER, 3),
		FIELD(drm_npu_dev_query, size, NUMBER, 128),
		FIELD(drm_npu_dev_query, ptr, ROOM) } } },
	{ DRM_IOCTL_NPU_BO_CREATE, { sizeof(struct drm_npu_bo_create), {
		FIELD(drm_npu_bo_create, size, SIZE),
		FIELD(drm_npu_bo_create, flags, FLAGS, 0),
		FIELD(drm_npu_bo_create, vm_id, VM),
		FIELD(drm_npu_bo_create, pad, ZERO) } },
	  BO, offsetof(struct drm_npu_bo_create, handle) },
	{ DRM_IOCTL_NPU_BO_CREATE, { sizeof(struct drm_npu_bo_create), {
		FIELD(drm_npu_bo_create, size, SIZE) } },
	  BO, offsetof(struct drm_npu_bo_create, handle) },
	{ DRM_IOCTL_NPU_BO_MMAP_OFFSET, { sizeof(struct drm_npu_bo_mmap_offset), {
		FIELD(drm_npu_bo_mmap_offset, handle, BO),
		FIELD(drm_npu_bo_mmap_offset, pad, ZERO) } } },
	{ DRM_IOCTL_NPU_BO_INFO, { sizeof(struct drm_npu_bo_info), {
		FIELD(drm_npu_bo_info, handle, BO),
		FIELD(drm_npu_bo_info, size, ZERO) } } },
	{ DRM_IOCTL_NPU_BO_LABEL, { sizeof(struct drm_npu_bo_label), {
		FIELD(drm_npu_bo_label, handle, BO),
		FIELD(drm_npu_bo_label, pad, ZERO),
		FIELD(drm_npu_bo_label, label, ROOM) } } },
	{ DRM_IOCTL_NPU_BO_SYNC, { sizeof(struct drm_npu_bo_sync), {
		FIELD(drm_npu_bo_sync, handle, BO),
		FIELD(drm_npu_bo_sync, flags, FLAGS, 3),
		FIELD(drm_npu_bo_sync, offset, OFFSET),
		FIELD(drm_npu_bo_sync, size, SIZE) } } },
	{ DRM_IOCTL_NPU_BO_MADVISE, { sizeof(struct drm_npu_bo_madvise), {
		FIELD(drm_npu_bo_madvise, handle, BO),
		FIELD(drm_npu_bo_madvise, advice, NUMBER, 2),
		FIELD(drm_npu_bo_madvise, retained, ZERO) } } },
	{ DRM_IOCTL_NPU_VM_CREATE, { sizeof(struct drm_npu_vm_create), {
		FIELD(drm_npu_vm_create, flags, FLAGS, 0) } },
	  VM, offsetof(struct drm_npu_vm_create, vm_id) },
	{ DRM_IOCTL_NPU_VM_DESTROY, { sizeof(struct drm_npu_vm_destroy), {
		FIELD(drm_npu_vm_destroy, vm_id, VM),
		FIELD(drm_npu_vm_destroy, pad, ZERO) } } },
	{ DRM_IOCTL_NPU_VM_GET_STATE, { sizeof(struct drm_npu_vm_get_state), {
		FIELD(drm_npu_vm_get_state, vm_id, VM),
		FIELD(drm_npu_vm_get_state, mapped, ZERO) } } },
	{ DRM_IOCTL_NPU_VM_BIND, { sizeof(struct drm_npu_vm_bind), {
		FIELD(drm_npu_vm_bind, vm_id, VM),
		FIELD(drm_npu_vm_bind, flags, FLAGS, 0),
		FIELD(drm_npu_vm_bind, ops, ARRAY, 4, &layout_bind_op) } } },
	{ DRM_IOCTL_NPU_VM_BIND, { sizeof(struct drm_npu_vm_bind), {
		FIELD(drm_npu_vm_bind, vm_id, VM),
		FIELD(drm_npu_vm_bind, flags, FLAGS, 1),
		FIELD(drm_npu_vm_bind, ops, ARRAY, 4, &layout_bind_op),
		FIELD(drm_npu_vm_bind, syncs, ARRAY, 2, &layout_sync) } } },
	{ DRM_IOCTL_NPU_QUEUE_CREATE, { sizeof(struct drm_npu_queue_create), {
		FIELD(drm_npu_queue_create, vm_id, VM),
		FIELD(drm_npu_queue_create, flags, FLAGS, 1),
		FIELD(drm_npu_queue_create, priority, NUMBER, 4),
		FIELD(drm_npu_queue_create, hang_timeout_ms, NUMBER, 100),
		FIELD(drm_npu_queue_create, pad, ZERO) } },
	  QUEUE, offsetof(struct drm_npu_queue_create, queue_id) },
	{ DRM_IOCTL_NPU_QUEUE_DESTROY, { sizeof(struct drm_npu_queue_destroy), {
		FIELD(drm_npu_queue_destroy, queue_id, QUEUE),
		FIELD(drm_npu_queue_destroy, pad, ZERO) } } },
	{ DRM_IOCTL_NPU_QUEUE_GET_STATE, { sizeof(struct drm_npu_queue_get_state), {
		FIELD(drm_npu_queue_get_state, queue_id, QUEUE),
		FIELD(drm_npu_queue_get_state, submitted, ZERO) } } },
	{ DRM_IOCTL_NPU_SUBMIT, { sizeof(struct drm_npu_submit), {
		FIELD(drm_npu_submit, queue_id, QUEUE),
		FIELD(drm_npu_submit, flags, FLAGS, 0),
		FIELD(drm_npu_submit, jobs, ARRAY, 4, &layout_job),
		FIELD(drm_npu_submit, syncs, ARRAY, 4, &layout_sync) } } },
	{ DRM_IOCTL_NPU_SUBMIT, { sizeof(struct drm_npu_submit), {
		FIELD(drm_npu_submit, queue_id, QUEUE),
		FIELD(drm_npu_submit, jobs, ARRAY, 4, &layout_job) } } },
	{ DRM_IOCTL_NPU_PERF_QUERY, { sizeof(struct drm_npu_perf_query), {
		FIELD(drm_npu_perf_query, queue_id, QUEUE),
		FIELD(drm_npu_perf_query, job, NUMBER, 3),
		FIELD(drm_npu_perf_query, tiles, ZERO) } } },
	{ DRM_IOCTL_GEM_CLOSE, { sizeof(struct drm_gem_close), {
		FIELD(drm_gem_close, handle, BO) } } },
	{ DRM_IOCTL_SYNCOBJ_CREATE, { sizeof(struct drm_syncobj_create), {
		FIELD(drm_syncobj_create, flags, FLAGS, 1) } },
	  SYNCOBJ, offsetof(struct drm_syncobj_create, handle) },
	{ DRM_IOCTL_SYNCOBJ_DESTROY, { sizeof(struct drm_syncobj_destroy), {
		FIELD(drm_syncobj_destroy, handle, SYNCOBJ) } } },
	{ DRM_IOCTL_SYNCOBJ_TRANSFER, { sizeof(struct drm_syncobj_transfer), {
		FIELD(drm_syncobj_transfer, src_handle, SYNCOBJ),
		FIELD(drm_syncobj_transfer, dst_handle, SYNCOBJ),
		FIELD(drm_syncobj_transfer, src_point, NUMBER, 4),
		FIELD(drm_syncobj_transfer, dst_point, NUMBER, 4) } } },
};

/* Handles that calls of this program returned. */
#define POOL	8

static uint32_t pool[SYNCOBJ + 1][POOL];
static unsigned int pooled[SYNCOBJ + 1];

static uint8_t room[64 * 1024];
static size_t room_used;

static void *room_take(size_t size)
{
	void *p = room + room_used;

	if (room_used + size > sizeof(room))
		return room;
	room_used += (size + 7) & ~7ul;
	return p;
}

static uint64_t choose_size(void)
{
	static const uint64_t sizes[] = {
		PAGE, 2 * PAGE, 16 * PAGE, BLOCK, BLOCK + PAGE, 2 * BLOCK, 4 * BLOCK, 8 * PAGE,
		0, 1, PAGE - 1, ~0ull, ~0ull - PAGE + 1, 1ull << 63,
	};

	return sizes[choose(one_in(8) ? ARRAY_SIZE(sizes) : 8)];
}

static uint64_t choose_va(void)
{
	static const uint64_t places[] = {
		0, CTX_VA, 1ull << 30, 1ull << 39, (1ull << 48) - 4 * BLOCK,
		(1ull << 48) - PAGE, 1ull << 48, ~0ull - PAGE + 1,
	};

	return places[choose(one_in(8) ? ARRAY_SIZE(places) : 5)] +
	       choose(4) * BLOCK + choose(6) * PAGE + (one_in(32) ? choose(PAGE) : 0);
}

static uint64_t choose_field(const struct field *f)
{
	static const uint64_t odd[] = { 1, 0x80000000, ~0u, ~0ull, PAGE, 1ull << 63 };

	if (one_in(64))
		return odd[choose(ARRAY_SIZE(odd))];

	switch (f->kind) {
	case ZERO:
		return 0;
	case BO:
	case VM:
	case QUEUE:
	case SYNCOBJ:
		return pooled[f->kind] && !one_in(16) ? pool[f->kind][choose(pooled[f->kind])] :
		       choose(3);
	case FLAGS:
		return (choose(f->limit + 1) & f->limit) | (one_in(32) ? 1u << choose(32) : 0);
	case NUMBER:
		return choose(f->limit + one_in(16));
	case SIZE:
		return choose_size();
	case VA:
		return choose_va();
	case OFFSET:
		return choose(4) * PAGE + (one_in(8) ? choose_size() : 0);
	case BIND_OFFSET:
		return one_in(4) ? (uintptr_t)user_memory + choose(4) * PAGE :
		       choose(4) * PAGE + (one_in(8) ? choose_size() : 0);
	case STREAM:
		return one_in(2) ? choose_va() : 0;
	case ROOM:
		return one_in(16) ? choose(3) : (uintptr_t)room_take(256);
	default:
		return 0;
	}
}

static void fill(void *args, const struct layout *layout);

static void fill_array(struct drm_npu_array *array, const struct field *f)
{
	size_t size = f->element->size;
	uint32_t i;

	array->count = choose(f->limit + 1);
	array->stride = size;
	array->ptr = (uintptr_t)room_take(array->count * size);
	for (i = 0; i < array->count; i++)
		fill((uint8_t *)(uintptr_t)array->ptr + i * size, f->element);
	if (one_in(32))
		array->stride = choose(2 * size);
	if (one_in(64))
		array->count = 1u << choose(32);
	if (one_in(64))
		array->ptr = choose(3);
}

static void fill(void *args, const struct layout *layout)
{
	const struct field *f;
	uint64_t value;

	memset(args, 0, layout->size);
	for (f = layout->field; f->size; f++) {
		if (f->kind == ARRAY) {
			fill_array((void *)((uint8_t *)args + f->offset), f);
			continue;
		}
		value = choose_field(f);
		memcpy((uint8_t *)args + f->offset, &value, f->size);
	}
}

/* ---- Calls --------------------------------------------------------------------------- */

static void do_ioctl(int fd, unsigned int i)
{
	uint64_t args[32];
	uint32_t *slot;

	fill(args, &ioctls[i].layout);
	calls++;
	if (ioctl(fd, ioctls[i].request, args))
		return;
	successes++;
	if (ioctls[i].result) {
		slot = pool[ioctls[i].result];
		slot += pooled[ioctls[i].result] < POOL ? pooled[ioctls[i].result]++ : choose(POOL);
		memcpy(slot, (uint8_t *)args + ioctls[i].result_offset, sizeof(*slot));
	}
}

static void do_map(int fd)
{
	uint32_t bo = pooled[BO] ? pool[BO][choose(pooled[BO])] : 0;
	struct drm_npu_bo_info info = { .handle = bo };
	uint8_t *p;

	if (call(fd, DRM_IOCTL_NPU_BO_INFO, &info))
		return;
	p = bo_map(fd, bo, info.size);
	if (p == MAP_FAILED)
		return;
	/* Sometimes what a job would take for a command stream. */
	p[choose(PAGE)] = choose(256);
	munmap(p, info.size);
}

static void do_share(int from, int to)
{
	uint32_t bo = pooled[BO] ? pool[BO][choose(pooled[BO])] : 0;
	int dma_buf;

	if (drmPrimeHandleToFD(from, bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf))
		return;
	if (pooled[BO] < POOL && !drmPrimeFDToHandle(to, dma_buf, &pool[BO][pooled[BO]]))
		pooled[BO]++;
	close(dma_buf);
}

/* Most programs begin with something to work with. */
static void prepare(int fd)
{
	struct ctx ctx;

	if (ctx_init(&ctx, fd))
		return;
	munmap(ctx.mem, CTX_SIZE);
	pool[VM][pooled[VM]++] = ctx.vm;
	pool[BO][pooled[BO]++] = ctx.bo;
	pool[QUEUE][pooled[QUEUE]++] = ctx.queue;
	pool[SYNCOBJ][pooled[SYNCOBJ]++] = ctx.syncobj;
}

static void run(const struct tape *tape)
{
	int fd[2] = { device_open(), device_open() };
	unsigned int which, file;

	playing = tape;
	position = 0;
	memset(pooled, 0, sizeof(pooled));
	if (choose(8))
		prepare(fd[0]);
	while (position < tape->length) {
		room_used = 0;
		which = choose(ARRAY_SIZE(ioctls) + 2);
		file = one_in(16);
		if (which < ARRAY_SIZE(ioctls))
			do_ioctl(fd[file], which);
		else if (which == ARRAY_SIZE(ioctls))
			do_map(fd[file]);
		else
			do_share(fd[file], fd[one_in(2)]);
	}
	close(fd[0]);
	close(fd[1]);
	programs++;
}

/* ---- Coverage ------------------------------------------------------------------------ */

static unsigned long *cover;	/* NULL: there is no KCOV */
static uint8_t seen_edges[1 << MAP_BITS], seen_places[1 << MAP_BITS];
static unsigned int edges, places;

static void cover_init(void)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, KCOV_INIT_TRACE, COVER))
		return;
	cover = mmap(NULL, COVER * sizeof(*cover), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (cover == MAP_FAILED || ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC))
		cover = NULL;
}

static unsigned int hash(uint64_t value)
{
	return value * 0x9e3779b97f4a7c15ull >> (64 - MAP_BITS);
}

static unsigned int mark(uint8_t *map, uint64_t value)
{
	uint8_t *seen = &map[hash(value)];
	unsigned int new = !*seen;

	*seen = 1;
	return new;
}

/* Has the last program reached something new? */
static bool cover_is_new(void)
{
	unsigned int before = edges;
	unsigned long i, n;

	if (!cover)
		return corpus_size < CORPUS / 16;
	n = __atomic_load_n(&cover[0], __ATOMIC_RELAXED);
	for (i = 1; i <= n && i < COVER; i++) {
		places += mark(seen_places, cover[i]);
		edges += mark(seen_edges, cover[i] * 31 + (i > 1 ? cover[i - 1] : 0));
	}
	return edges != before;
}

/* ---- Tapes --------------------------------------------------------------------------- */

static void tape_random(struct tape *tape)
{
	uint32_t i;

	tape->length = 16 + random_number() % (TAPE - 15);
	for (i = 0; i < tape->length; i++)
		tape->number[i] = random_number();
}

static void tape_change(struct tape *tape)
{
	uint32_t at, count, from;
	const struct tape *other;
	unsigned int i;

	for (i = 1 + random_number() % 4; i; i--) {
		at = random_number() % tape->length;
		switch (random_number() % 4) {
		case 0:
		case 1:
			tape->number[at] = random_number();
			break;
		case 2:	/* repeat a part elsewhere */
			from = random_number() % tape->length;
			count = random_number() % (tape->length - (at > from ? at : from));
			memmove(&tape->number[at], &tape->number[from],
				count * sizeof(tape->number[0]));
			break;
		case 3:	/* go on as another one does */
			other = &corpus[random_number() % corpus_size];
			from = random_number() % other->length;
			count = other->length - from;
			if (count > TAPE - at)
				count = TAPE - at;
			memmove(&tape->number[at], &other->number[from],
				count * sizeof(tape->number[0]));
			tape->length = at + count;
			break;
		}
	}
}

static void tape_print(const struct tape *tape)
{
	uint32_t i;

	printf("# tape");
	for (i = 0; i < tape->length; i++)
		printf(" %x", tape->number[i]);
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int64_t end = now_ns() + (argc > 1 ? atoi(argv[1]) : 20) * SECOND;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	bool verbose = argc > 3;
	static struct tape tape;
	int fd;

	random_state = seed * 0x9e3779b97f4a7c15ull | 1;
	user_memory = mmap(NULL, 32 * BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (user_memory == MAP_FAILED || mprotect(user_memory, 64 * PAGE, PROT_READ | PROT_WRITE))
		ksft_exit_fail_msg("no memory\n");
	ksft_print_header();
	ksft_set_plan(1);
	cover_init();

	while (now_ns() < end) {
		if (!corpus_size || !(random_number() % 8)) {
			tape_random(&tape);
		} else {
			tape = corpus[random_number() % corpus_size];
			tape_change(&tape);
		}
		if (verbose)
			tape_print(&tape);
		if (cover)
			__atomic_store_n(&cover[0], 0, __ATOMIC_RELAXED);
		run(&tape);
		if (cover_is_new())
			corpus[corpus_size < CORPUS ? corpus_size++ : random_number() % CORPUS] =
				tape;
	}

	ksft_print_msg("seed %llu: %lu programs, %lu calls, %lu succeeded, %u tapes kept\n",
		       (unsigned long long)seed, programs, calls, successes, corpus_size);
	ksft_print_msg("%u places and %u edges of the driver reached%s\n", places, edges,
		       cover ? "" : " (no KCOV)");
	fd = device_open();
	ksft_test_result(device_works(fd), "the device works after %lu random programs\n",
			 programs);
	ksft_finished();
}

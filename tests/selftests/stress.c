// SPDX-License-Identifier: GPL-2.0-only
/*
 * All calls at once: processes with threads that share files and handles, pass
 * accel files, buffers and fences to each other, fork, are interrupted and
 * killed, on devices that hang, lie, lose interrupts and are pulled out.
 *
 * Usage: stress [SECONDS [SEED]]
 *
 * What each thread does follows from SEED, the number of its worker and how
 * often that one was started again, so that a run can be repeated; who comes
 * first is the scheduler's business and will differ.
 *
 * The supervisor writes /dev/accel numbers and the end of the test on a board
 * that all processes see. Nobody waits for a fence longer than STUCK.
 */
#include "npu_test.h"

#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/time.h>

#define WORKERS		5
#define THREADS		3
#define POOL		6		/* handles of a kind that threads share */
#define STUCK		(180 * SECOND)
#define AREA		(64 * MIB)	/* of the address space, for random mappings */

/* ---- Devices and board ------------------------------------------------------------ */

enum { DEFAULT, SMALL, DEAF, SICK, LOOSE, DEVICES };

struct board {
	int stop;
	int index[DEVICES];	/* of the accel node, -1 while there is none */
	bool forks;		/* workers may */
	int wrong;		/* things that must not happen */
	unsigned long calls;
	unsigned long checked;	/* jobs whose results were right */
};

static struct board *board;
static struct emu emu[DEVICES];
static int sockets[WORKERS][2];	/* [0]: what others send to this worker */

static int get(int *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void set(int *p, int value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static bool ends(void)
{
	return get(&board->stop);
}

/* Results of jobs are right there, whatever happens. */
static bool is_healthy(int device)
{
	return device != SICK && device != LOOSE;
}

/* ---- Random numbers ---------------------------------------------------------------- */

struct rng {
	uint64_t state;
};

/* splitmix64 */
static uint64_t rnd(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned int below(struct rng *rng, unsigned int n)
{
	return rnd(rng) % n;
}

static bool one_in(struct rng *rng, unsigned int n)
{
	return !below(rng, n);
}

static struct rng rng_make(uint64_t seed, unsigned int worker, unsigned int life,
			   unsigned int thread)
{
	struct rng rng = { seed + worker * 1000003ull + life * 10007ull + thread * 101ull };

	rnd(&rng);
	return rng;
}

/* ---- Workers ------------------------------------------------------------------------ */

/* What the threads of a process share, without any lock: races are the point. */
struct pool {
	int worker;
	int life;
	uint64_t seed;
	int device;
	int fd;
	uint32_t bo[POOL];
	uint32_t vm[POOL];
	uint32_t queue[POOL];
	uint32_t syncobj[POOL];
};

struct thread {
	struct pool *pool;
	struct rng rng;
	int fd;
	unsigned int number;
};

static void __attribute__((format(printf, 2, 3))) wrong(struct thread *t, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDOUT_FILENO, "# worker %d.%d.%u, device %d: %s\n", t->pool->worker,
		t->pool->life, t->number, t->pool->device, text);
	set(&board->wrong, 1);
}

static uint32_t *slot(struct thread *t, uint32_t *handles)
{
	return &handles[below(&t->rng, POOL)];
}

static uint32_t pick(struct thread *t, uint32_t *handles)
{
	return __atomic_load_n(slot(t, handles), __ATOMIC_RELAXED);
}

/* Puts a handle into the pool; returns the one that has to make room. */
static uint32_t swap(struct thread *t, uint32_t *handles, uint32_t handle)
{
	return __atomic_exchange_n(slot(t, handles), handle, __ATOMIC_RELAXED);
}

/* 1 or the error of a fence, -ETIMEDOUT if it is stuck; signals may interrupt. */
static int fence_wait(int sync_file)
{
	int64_t end = now_ns() + STUCK;

	while (sync_file_wait(sync_file, 1000))
		if (now_ns() > end)
			return -ETIMEDOUT;
	return sync_file_status(sync_file);
}

static int fence_result(struct thread *t, int fd, uint32_t syncobj)
{
	int sync_file = syncobj_export(fd, syncobj), ret;

	if (sync_file < 0)
		return -EBADF;
	ret = fence_wait(sync_file);
	if (ret == -ETIMEDOUT)
		wrong(t, "a fence does not signal");
	close(sync_file);
	return ret;
}

/* ---- What a worker does: buffers ------------------------------------------------------- */

static void do_bo_create(struct thread *t)
{
	uint32_t vm = one_in(&t->rng, 3) ? pick(t, t->pool->vm) : 0, handle;
	uint32_t flags = one_in(&t->rng, 4) ? DRM_NPU_BO_NO_MMAP : 0;

	if (!bo_create_flags(t->fd, PAGE << below(&t->rng, 9), flags, vm, &handle))
		bo_close(t->fd, swap(t, t->pool->bo, handle));
}

static void do_bo_map(struct thread *t)
{
	uint32_t handle = pick(t, t->pool->bo);
	struct drm_npu_bo_info info = { .handle = handle };
	volatile char *p;
	uint64_t i;

	if (call(t->fd, DRM_IOCTL_NPU_BO_INFO, &info))
		return;
	p = bo_map(t->fd, handle, info.size);
	if (p == MAP_FAILED)
		return;
	for (i = 0; i < info.size; i += PAGE * (1 + below(&t->rng, 8)))
		/* A purged buffer gives this call an error, and us a signal. */
		if (getrandom((void *)(p + i), 1, 0) < 0)
			break;
	munmap((void *)p, info.size);
}

static void do_bo_calls(struct thread *t)
{
	uint32_t handle = pick(t, t->pool->bo);
	struct drm_npu_bo_label label = { .handle = handle, .label = (uintptr_t)"stress" };
	struct drm_npu_bo_madvise madvise = { .handle = handle, .advice = below(&t->rng, 2) };
	struct drm_npu_bo_sync sync = {
		.handle = handle, .size = PAGE, .flags = 1 + below(&t->rng, 2),
	};

	call(t->fd, DRM_IOCTL_NPU_BO_LABEL, &label);
	call(t->fd, DRM_IOCTL_NPU_BO_MADVISE, &madvise);
	call(t->fd, DRM_IOCTL_NPU_BO_SYNC, &sync);
	if (one_in(&t->rng, 3))
		bo_close(t->fd, handle);
}

/*
 * Whatever else goes on. Not in User Mode Linux 6.12: where CPU mappings are zapped while
 * others change, it walks the tree of mappings without a lock (flush_tlb_mm()).
 */
static void do_pressure(struct thread *t)
{
	if (board->forks && one_in(&t->rng, 4))
		drop_slab();
}

static void do_query(struct thread *t)
{
	char info[128];
	struct drm_npu_dev_query query = {
		.type = below(&t->rng, 4), .size = below(&t->rng, sizeof(info)),
		.ptr = (uintptr_t)info,
	};

	call(t->fd, DRM_IOCTL_NPU_DEV_QUERY, &query);
}

/* ---- Address spaces -------------------------------------------------------------------- */

static void do_vm_create(struct thread *t)
{
	uint32_t vm = vm_create(t->fd);

	if (vm)
		vm_destroy(t->fd, swap(t, t->pool->vm, vm));
}

static void do_vm_state(struct thread *t)
{
	struct drm_npu_vm_get_state state;

	vm_state(t->fd, pick(t, t->pool->vm), &state);
}

static void do_vm_bind(struct thread *t)
{
	struct drm_npu_vm_bind_op ops[4] = {};
	struct drm_npu_sync syncs[2];
	unsigned int i, n = 1 + below(&t->rng, 4);

	for (i = 0; i < n; i++) {
		ops[i].va = AREA + below(&t->rng, 1024) * PAGE;
		ops[i].size = PAGE << below(&t->rng, 10);
		ops[i].type = below(&t->rng, 2);
		if (ops[i].type == DRM_NPU_VM_BIND_MAP) {
			ops[i].handle = pick(t, t->pool->bo);
			ops[i].flags = below(&t->rng, 2);
			ops[i].size = PAGE << below(&t->rng, 4);
		}
	}
	if (one_in(&t->rng, 2)) {
		vm_bind_ops(t->fd, pick(t, t->pool->vm), ops, n);
		return;
	}
	syncs[0] = sync_wait(pick(t, t->pool->syncobj), 0);
	syncs[1] = sync_signal(pick(t, t->pool->syncobj), 0);
	i = below(&t->rng, 2);
	vm_bind_async(t->fd, pick(t, t->pool->vm), ops, n, &syncs[i], 2 - i);
}

/* ---- Queues and jobs ------------------------------------------------------------------- */

static void do_queue_create(struct thread *t)
{
	struct drm_npu_queue_create args = {
		.vm_id = pick(t, t->pool->vm), .flags = below(&t->rng, 2),
		.priority = below(&t->rng, 4), .hang_timeout_ms = 1 + below(&t->rng, 3000),
	};

	if (!call(t->fd, DRM_IOCTL_NPU_QUEUE_CREATE, &args))
		queue_destroy(t->fd, swap(t, t->pool->queue, args.queue_id));
}

/* Never waits: the event may be read by another one. */
static void do_event(struct thread *t)
{
	struct pollfd pfd = { .fd = t->fd, .events = POLLIN };
	struct drm_npu_event_fault event[3];
	ssize_t n;

	fcntl(t->fd, F_SETFL, fcntl(t->fd, F_GETFL) | O_NONBLOCK);
	poll(&pfd, 1, 0);
	n = read(t->fd, event, 1 + below(&t->rng, sizeof(event)));
	if (n >= (ssize_t)sizeof(event[0]) && !event[0].state)
		wrong(t, "an event without a reason");
}

static void do_queue_state(struct thread *t)
{
	uint32_t queue = pick(t, t->pool->queue);
	struct drm_npu_perf_query perf = { .queue_id = queue, .job = below(&t->rng, 4) };
	struct drm_npu_queue_get_state state;

	if (!queue_state(t->fd, queue, &state) && state.completed > state.submitted)
		wrong(t, "more jobs are complete than were submitted");
	call(t->fd, DRM_IOCTL_NPU_PERF_QUERY, &perf);
}

/* Streams are whatever lies in the buffers: faults, or nothing. */
static void do_submit(struct thread *t)
{
	struct drm_npu_job jobs[4] = {};
	struct drm_npu_sync syncs[3];
	unsigned int i, n = 1 + below(&t->rng, 4), sync_count = below(&t->rng, 4);

	for (i = 0; i < n; i++) {
		if (!one_in(&t->rng, 3))
			continue;
		jobs[i].stream_va = AREA + below(&t->rng, 1024) * PAGE;
		jobs[i].stream_size = 8 + 8 * below(&t->rng, 100);
	}
	for (i = 0; i < sync_count; i++) {
		syncs[i] = sync_wait(pick(t, t->pool->syncobj),
				     one_in(&t->rng, 2) ? below(&t->rng, 50) : 0);
		syncs[i].flags = one_in(&t->rng, 3) ? 0 : DRM_NPU_SYNC_SIGNAL;
	}
	submit(t->fd, pick(t, t->pool->queue), jobs, n, syncs, sync_count);
}

static void do_wait(struct thread *t)
{
	syncobj_wait(t->fd, pick(t, t->pool->syncobj), below(&t->rng, 5000000));
}

static void do_syncobj(struct thread *t)
{
	uint32_t syncobj = syncobj_create(t->fd);

	if (syncobj)
		drmSyncobjDestroy(t->fd, swap(t, t->pool->syncobj, syncobj));
}

/* How often was a device reset? Those who were in its way may be cancelled. */
static int resets(int index)
{
	char text[512], *line;

	if (objects_file(index, text, sizeof(text)))
		return -1;
	line = strstr(text, "function resets: ");
	return line ? atoi(line + strlen("function resets: ")) : -1;
}

static void check_pattern(struct thread *t, struct ctx *ctx)
{
	struct npu_stream_header *header = stream_begin(ctx, 0);
	uint32_t n = 1 + below(&t->rng, 60000), i;
	int ret, device = t->pool->device, before = resets(get(&board->index[device]));
	int8_t *data = ctx_data(ctx);

	for (i = 0; i < n; i++)
		data[i] = rnd(&t->rng);
	stream_add_copy(header, 0, 0, 0, 65536, n);
	stream_add_copy(header, 0, 65536, 0, 131072, n);
	ret = submit_one(ctx->fd, ctx->queue, stream_job(ctx, header, 1), ctx->syncobj);
	if (!ret)
		ret = fence_result(t, ctx->fd, ctx->syncobj);
	if (!is_healthy(device))
		return;
	if (ret == 1 && memcmp(data, data + 131072, n))
		wrong(t, "a job of %u bytes gives wrong results", n);
	else if (ret != 1 && ret != -ETIMEDOUT && resets(get(&board->index[device])) == before)
		wrong(t, "a good job ends with %d", ret);
	else
		__atomic_add_fetch(&board->checked, 1, __ATOMIC_RELAXED);
}

/* In a file of its own: in the shared one, handles change under everybody's feet. */
static void do_pattern(struct thread *t)
{
	int fd = device_open_index(get(&board->index[t->pool->device]));
	int i, ret, n = 1 + below(&t->rng, 3);
	struct ctx ctx;

	if (fd < 0)
		return;
	/* On a loaded machine, a healthy device may look hung for a while. */
	ret = ctx_init_full(&ctx, fd, below(&t->rng, 2), is_healthy(t->pool->device) ? 60000 : 500);
	for (i = 0; i < n && !ret && !ends(); i++)
		check_pattern(t, &ctx);
	if (ret && is_healthy(t->pool->device))
		wrong(t, "no context: %d", ret);
	if (ctx.mem && ctx.mem != MAP_FAILED)
		munmap(ctx.mem, CTX_SIZE);
	close(fd);
}

/* ---- Between processes ------------------------------------------------------------------- */

static void do_send(struct thread *t)
{
	int to = sockets[below(&t->rng, WORKERS)][1], fd = -1;

	switch (below(&t->rng, 4)) {
	case 0:
		send_fd(to, t->fd, 'f', MSG_DONTWAIT);
		return;
	case 1:
		if (drmPrimeHandleToFD(t->fd, pick(t, t->pool->bo), DRM_CLOEXEC | DRM_RDWR, &fd))
			return;
		send_fd(to, fd, 'b', MSG_DONTWAIT);
		break;
	default:
		fd = syncobj_export(t->fd, pick(t, t->pool->syncobj));
		if (fd < 0)
			return;
		send_fd(to, fd, 's', MSG_DONTWAIT);
	}
	close(fd);
}

/* The file of another process, whose device may be any. */
static void use_file(struct thread *t, int fd)
{
	uint32_t bo = bo_create(fd, PAGE), vm = vm_create(fd);

	vm_map(fd, vm, bo, AREA, PAGE);
	queue_destroy(fd, queue_create(fd, vm));
	vm_destroy(fd, vm);
	bo_close(fd, bo);
}

static void use_fence(struct thread *t, int sync_file)
{
	uint32_t syncobj = pick(t, t->pool->syncobj);

	if (one_in(&t->rng, 4) && fence_wait(sync_file) == -ETIMEDOUT)
		wrong(t, "a fence of another process does not signal");
	drmSyncobjImportSyncFile(t->fd, syncobj, sync_file);
}

static void do_receive(struct thread *t)
{
	uint32_t handle;
	char kind;
	int fd = receive_fd(sockets[t->pool->worker][0], &kind,
			    MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (fd < 0)
		return;
	if (kind == 'f')
		use_file(t, fd);
	else if (kind == 's')
		use_fence(t, fd);
	else if (!drmPrimeFDToHandle(t->fd, fd, &handle))
		/* It may be ours already; then the pool has it twice. */
		bo_close(t->fd, swap(t, t->pool->bo, handle));
	close(fd);
}

/*
 * A process that is killed in the middle of fork() leaves marks in the tree of its
 * mappings, and User Mode Linux 6.12 takes them for mappings (flush_tlb_mm()).
 */
static bool kernel_forks(void)
{
	char text[512] = "";

	return read_file("/proc/cpuinfo", text, sizeof(text)) || !strstr(text, "User Mode Linux");
}

/* The child of a process with threads: nothing but system calls. */
static void do_fork(struct thread *t)
{
	if (!board->forks || fork())
		return;
	do_submit(t);
	do_vm_bind(t);
	do_wait(t);
	if (one_in(&t->rng, 2))
		close(t->fd);
	_exit(0);
}

static void do_open(struct thread *t)
{
	int fd = device_open_index(get(&board->index[below(&t->rng, DEVICES)]));

	if (fd < 0)
		return;
	use_file(t, fd);
	close(fd);
}

/* Memory of our own that goes while jobs may still use it, bound or not. */
static void do_userptr(struct thread *t)
{
	size_t size = PAGE << below(&t->rng, 7);
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t vm = pick(t, t->pool->vm);
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP_USERPTR, .flags = below(&t->rng, 2),
		.va = AREA + below(&t->rng, 1024) * PAGE, .size = size,
		.offset = (uintptr_t)mem,
	};

	if (mem == MAP_FAILED)
		return;
	if (!vm_bind_ops(t->fd, vm, &op, 1)) {
		do_submit(t);
		madvise(mem, size, MADV_DONTNEED);
		do_submit(t);
		/* What stays bound makes SUBMIT fail until something else takes its place. */
		if (!one_in(&t->rng, 8))
			vm_unmap(t->fd, vm, op.va, size);
	}
	munmap(mem, size);
}

/* ---- Turning ------------------------------------------------------------------------------- */

static void (* const actions[])(struct thread *t) = {
	do_bo_create, do_bo_create, do_bo_map, do_bo_calls, do_query, do_vm_create, do_vm_state,
	do_vm_bind, do_vm_bind, do_vm_bind, do_queue_create, do_queue_create, do_queue_state,
	do_pressure, do_event, do_submit, do_submit, do_submit, do_submit, do_wait, do_syncobj,
	do_pattern, do_userptr, do_send, do_receive, do_receive, do_fork, do_open,
};

/* Until the end, or until the device has gone. */
static void *thread_run(void *arg)
{
	struct thread *t = arg;
	unsigned long calls = 0;

	while (!ends() && get(&board->index[t->pool->device]) >= 0) {
		actions[below(&t->rng, sizeof(actions) / sizeof(actions[0]))](t);
		if (++calls % 16 == 0)
			__atomic_add_fetch(&board->calls, 16, __ATOMIC_RELAXED);
		/* A file of a device that was pulled out is of no use any more. */
		if (calls % 64 == 0 && !vm_create(t->fd) && errno == ENODEV)
			break;
	}
	return NULL;
}

static void on_alarm(int signal)
{
}

/* Interrupts system calls at random times, in whichever thread. */
static void storm(struct rng *rng)
{
	struct itimerval timer = { .it_interval.tv_usec = 500 + below(rng, 20000) };
	struct sigaction action = { .sa_handler = on_alarm };

	timer.it_value = timer.it_interval;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void worker_turn(struct pool *pool, int turn)
{
	struct thread threads[THREADS];
	pthread_t ids[THREADS];
	int i;

	pool->fd = device_open_index(get(&board->index[pool->device]));
	if (pool->fd < 0) {
		usleep(10000);
		return;
	}
	for (i = 0; i < THREADS; i++) {
		threads[i] = (struct thread) {
			.pool = pool, .fd = pool->fd, .number = i,
			.rng = rng_make(pool->seed + turn, pool->worker, pool->life, i),
		};
		if (pthread_create(&ids[i], NULL, thread_run, &threads[i])) {
			set(&board->wrong, 1);
			_exit(1);
		}
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
	close(pool->fd);
}

static void worker_run(uint64_t seed, int worker, int life)
{
	struct rng rng = rng_make(seed, worker, life, THREADS);
	struct pool pool;
	int turn;

	/* Children are nobody's business. */
	signal(SIGCHLD, SIG_IGN);
	storm(&rng);
	for (turn = 0; !ends(); turn++) {
		pool = (struct pool) { .worker = worker, .life = life, .seed = seed };
		pool.device = (worker + turn) % DEVICES;
		worker_turn(&pool, turn);
	}
	_exit(0);
}

/* ---- Supervisor ------------------------------------------------------------------------------ */

static pid_t pids[WORKERS];
static int lives[WORKERS];

static void worker_start(uint64_t seed, int worker)
{
	int life = lives[worker]++;

	pids[worker] = fork();
	if (!pids[worker]) {
		setpriority(PRIO_PROCESS, 0, 0);
		worker_run(seed, worker, life);
	}
}

static void worker_kill(uint64_t seed, int worker)
{
	kill(pids[worker], SIGKILL);
	waitpid(pids[worker], NULL, 0);
	worker_start(seed, worker);
}

static void loose_unplug(void)
{
	set(&board->index[LOOSE], -1);
	emu_unplug(&emu[LOOSE]);
}

static void loose_plug(void)
{
	if (!emu_plug(&emu[LOOSE]))
		set(&board->index[LOOSE], emu[LOOSE].index);
}

static void loose_turn(struct rng *rng)
{
	if (get(&board->index[LOOSE]) < 0) {
		loose_plug();
		return;
	}
	if (one_in(rng, 3)) {
		emu_write(&emu[LOOSE], "faults/disappear", "1");
		usleep(below(rng, 20000));
	}
	loose_unplug();
}

/* What is counted; an access to memory is one of very many. */
static const struct {
	const char *file;
	unsigned int most;
} ills[] = {
	{ "faults/hang", 20 }, { "faults/corrupt", 20 }, { "faults/memory", 5000 },
	{ "faults/walk", 200 }, { "faults/status", 2 }, { "faults/event", 20 },
	{ "faults/overflow", 20 },
};

static void sick_turn(struct rng *rng)
{
	unsigned int i = below(rng, ARRAY_SIZE(ills) + 1);

	/* Resets of queues and cores, but never of the function: that would be the end. */
	if (i == ARRAY_SIZE(ills))
		emu_write_number(&emu[SICK], "faults/deaf", below(rng, 4));
	else
		emu_write_number(&emu[SICK], ills[i].file, 1 + below(rng, ills[i].most));
}

static void disturb(struct rng *rng, uint64_t seed)
{
	switch (below(rng, 4)) {
	case 0:
		worker_kill(seed, below(rng, WORKERS));
		break;
	case 1:
	case 2:
		sick_turn(rng);
		break;
	case 3:
		loose_turn(rng);
		break;
	}
}

static bool devices_make(void)
{
	int i;

	for (i = SMALL; i < DEVICES; i++) {
		if (emu_make(&emu[i]) || emu_write_number(&emu[i], "cores", 1 + i % 2) ||
		    emu_write_number(&emu[i], "slots", i == SMALL ? 2 : 8))
			return false;
		/* A loaded machine is not a broken device. */
		if (is_healthy(i) && emu_write(&emu[i], "reset_ms", "30000"))
			return false;
		if (emu_plug(&emu[i]))
			return false;
		board->index[i] = emu[i].index;
	}
	return !emu_write(&emu[DEAF], "faults/irq_lost", "100") &&
	       !emu_write(&emu[DEAF], "faults/irq_double", "100") &&
	       !emu_write(&emu[DEAF], "faults/irq_spurious", "100");
}

static bool no_bus_errors(void)
{
	bool ok = true;
	int i;

	for (i = SMALL; i < DEVICES; i++)
		if (get(&board->index[i]) >= 0 && emu_bus_errors(&emu[i])) {
			ksft_print_msg("device %d: %ld bus errors\n", i, emu_bus_errors(&emu[i]));
			ok = false;
		}
	return ok;
}

static bool objects_return(int device, const char *before)
{
	int64_t end = now_ns() + STUCK;
	char text[512];

	do {
		objects_read(board->index[device], text, sizeof(text));
		if (!strcmp(text, before))
			return true;
		sleep_ms(20);
	} while (now_ns() < end);
	ksft_print_msg("device %d, before: %s after: %s\n", device, before, text);
	return false;
}

/* All processes, also the children of those that were killed, which are ours now. */
static bool all_end(void)
{
	int64_t end = now_ns() + 2 * STUCK;
	pid_t pid;

	while (now_ns() < end) {
		pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0)
			return true;
		if (!pid)
			sleep_ms(10);
	}
	return false;
}

/* No worker ends before it is told to; its children do. */
static void reap(uint64_t seed)
{
	int i, status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < WORKERS; i++) {
			if (pid != pids[i])
				continue;
			dprintf(STDOUT_FILENO, "# worker %d ends, status %#x\n", i, status);
			set(&board->wrong, 1);
			worker_start(seed, i);
		}
	}
}

static void run(struct rng *rng, uint64_t seed, int64_t end)
{
	int i;

	for (i = 0; i < WORKERS; i++)
		worker_start(seed, i);
	while (now_ns() < end) {
		usleep(20000 + below(rng, 200000));
		disturb(rng, seed);
		reap(seed);
	}
	set(&board->stop, 1);
}

static bool devices_work(void)
{
	bool ok = true;
	int i, fd;

	for (i = 0; i < DEVICES; i++) {
		fd = device_open_index(board->index[i]);
		if (fd < 0 || !device_works(fd)) {
			ksft_print_msg("device %d does not work\n", i);
			ok = false;
		}
		close(fd);
	}
	return ok;
}

static void devices_quiet(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ills); i++)
		emu_write(&emu[SICK], ills[i].file, "0");
	emu_write(&emu[SICK], "faults/deaf", "0");
	loose_unplug();
	loose_plug();
}

int main(int argc, char **argv)
{
	int64_t seconds = argc > 1 ? atoll(argv[1]) : 20;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : now_ns();
	struct rng rng = rng_make(seed, WORKERS, 0, 0);
	char before[DEVICES][512];
	bool objects = true;
	int i;

	ksft_print_header();
	ksft_set_plan(5);
	ksft_print_msg("seed %#llx; to repeat: stress %lld %#llx\n", (unsigned long long)seed,
		       (long long)seconds, (unsigned long long)seed);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (board == MAP_FAILED || !devices_make())
		ksft_exit_fail_msg("cannot make the devices\n");
	board->forks = kernel_forks();
	/* What there is no memory for goes there; without it nothing is evicted. */
	if (swap_on())
		ksft_print_msg("no swap\n");
	for (i = 0; i < WORKERS; i++)
		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets[i]))
			ksft_exit_fail_msg("no sockets\n");
	for (i = 0; i < DEVICES; i++) {
		objects_read(board->index[i], before[i], sizeof(before[i]));
		if (!*before[i])
			ksft_exit_fail_msg("cannot count objects: is debugfs mounted?\n");
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	setpriority(PRIO_PROCESS, 0, -10);
	fflush(stdout);

	run(&rng, seed, now_ns() + seconds * SECOND);

	ksft_test_result(all_end(), "all processes end\n");
	ksft_test_result(!board->wrong, "results are right and fences signal\n");
	/* What is on its way to nobody. */
	for (i = 0; i < WORKERS; i++) {
		close(sockets[i][0]);
		close(sockets[i][1]);
	}
	ksft_test_result(no_bus_errors(), "no device touched memory that is not its own\n");
	devices_quiet();
	for (i = 0; i < DEVICES; i++)
		objects &= objects_return(i, before[i]);
	ksft_test_result(objects, "nothing is left\n");
	ksft_test_result(devices_work(), "all devices work\n");

	for (i = 0; i < WORKERS; i++)
		ksft_print_msg("worker %d: started %d times\n", i, lives[i]);
	ksft_print_msg("%lu actions, %lu jobs checked\n", board->calls, board->checked);
	swap_off();
	for (i = SMALL; i < DEVICES; i++)
		emu_remove(&emu[i]);
	ksft_finished();
}

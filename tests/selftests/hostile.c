// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that lies: its registers, rings, contexts and interrupts are random
 * now and then (faults/hostile). What the driver says of its jobs may then be
 * wrong. But it has to survive, to end every job, and to let the device go, and
 * another device must not feel it.
 *
 * Usage: hostile [FIRST-SEED [SEEDS]]
 */
#include "npu_test.h"

#define THREADS		3
#define ROUNDS		25
/* All steps of a reset, each with a limit that a lie may make long. */
#define STUCK		(240 * SECOND)
#define AREA_VA		(64 * MIB)

/* What becomes of the device in the middle of it. */
enum end { END_STAYS, END_PULLED_OUT, END_UNBOUND, ENDS };

static const char * const ends[] = { "", ", pulled out", ", its driver unbound" };

struct user {
	struct emu *emu;
	unsigned int seed;
	int stuck;
	unsigned int good;
	unsigned int bad;
};

/* 1 or the error of a fence, -ETIMEDOUT if it never signals. */
static int fence_wait(int fd, uint32_t syncobj)
{
	int sync_file = syncobj_export(fd, syncobj), ret;

	if (sync_file < 0)
		return -EBADF;
	ret = sync_file_wait(sync_file, STUCK / 1000000) ? -ETIMEDOUT :
							   sync_file_status(sync_file);
	close(sync_file);
	return ret;
}

static void use_calls(struct ctx *ctx, unsigned int i)
{
	struct drm_npu_time_info time;
	struct drm_npu_dev_query query = {
		.type = DRM_NPU_QUERY_TIME, .size = sizeof(time), .ptr = (uintptr_t)&time,
	};
	struct drm_npu_perf_query perf = { .queue_id = ctx->queue, .job = i % 3 };
	struct drm_npu_queue_get_state state;

	call(ctx->fd, DRM_IOCTL_NPU_DEV_QUERY, &query);
	call(ctx->fd, DRM_IOCTL_NPU_PERF_QUERY, &perf);
	queue_state(ctx->fd, ctx->queue, &state);
	vm_map(ctx->fd, ctx->vm, ctx->bo, AREA_VA, CTX_SIZE);
	vm_unmap(ctx->fd, ctx->vm, AREA_VA + PAGE, PAGE);
}

/* A queue and its jobs, some of which nobody waits for. */
static void use_once(struct user *user, int fd, unsigned int i)
{
	struct ctx ctx;
	int ret, n;

	ret = ctx_init_full(&ctx, fd, i % 4, 100);
	for (n = 0; n < 5 && !ret; n++) {
		ret = submit_one(fd, ctx.queue, work_job(&ctx, 1), ctx.syncobj);
		use_calls(&ctx, i + n);
	}
	if (n && i % 3) {
		ret = fence_wait(fd, ctx.syncobj);
		user->stuck += ret == -ETIMEDOUT;
		user->good += ret == 1;
		user->bad += ret < 0;
	}
	if (ctx.mem && ctx.mem != MAP_FAILED)
		munmap(ctx.mem, CTX_SIZE);
	queue_destroy(fd, ctx.queue);
	vm_destroy(fd, ctx.vm);
	bo_close(fd, ctx.bo);
	drmSyncobjDestroy(fd, ctx.syncobj);
}

static void *use(void *arg)
{
	struct user *user = arg;
	unsigned int i;
	int fd = -1;

	for (i = 0; i < ROUNDS; i++) {
		if (fd < 0)
			fd = device_open_index(user->emu->index);
		if (fd < 0)
			break;
		use_once(user, fd, i);
		/* What is under way ends with the file. */
		if (i % 5 == 4) {
			close(fd);
			fd = -1;
		}
	}
	close(fd);
	return NULL;
}

static void emu_lie(struct emu *emu, unsigned int permille)
{
	emu_write_number(emu, "faults/hostile", permille);
}

/* Returns false if a fence got stuck. */
static bool use_all(struct emu *emu, unsigned int seed, unsigned int permille, enum end end)
{
	struct user users[THREADS];
	pthread_t threads[THREADS];
	bool ok = true;
	int i;

	for (i = 0; i < THREADS; i++) {
		users[i] = (struct user) { .emu = emu, .seed = seed };
		pthread_create(&threads[i], NULL, use, &users[i]);
	}
	emu_lie(emu, permille);
	if (end != END_STAYS)
		sleep_ms(100 + seed % 100);
	if (end == END_PULLED_OUT)
		emu_unplug(emu);
	else if (end == END_UNBOUND)
		emu_unbind(emu);
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		ok &= !users[i].stuck;
	}
	ksft_print_msg("seed %u, %u of 1000: %u fences good, %u with errors\n", seed, permille,
		       users[0].good + users[1].good + users[2].good,
		       users[0].bad + users[1].bad + users[2].bad);
	return ok;
}

static bool emu_prepare(struct emu *emu, unsigned int permille, unsigned int seed)
{
	char text[32];

	snprintf(text, sizeof(text), "%u %u", permille, seed);
	return !emu_make(emu) && !emu_write(emu, "slots", "4") &&
	       !emu_write(emu, "reset_ms", "50") && !emu_write(emu, "faults/hostile", text);
}

/* It was honest until the driver had it. */
static void test_use(unsigned int seed, unsigned int permille, enum end end)
{
	struct emu emu;
	bool ok;

	ok = emu_prepare(&emu, 0, seed) && !emu_plug(&emu) &&
	     use_all(&emu, seed, permille, end);
	ok = ok && emu_bus_errors(&emu) <= 0;
	emu_remove(&emu);
	ksft_test_result(ok, "lies in %u of 1000 cases, seed %u%s\n", permille, seed,
			 ends[end]);
}

/* It never was. */
static void test_probe(unsigned int seed, unsigned int permille)
{
	unsigned int i, found = 0;
	struct emu emu;
	bool ok = true;

	for (i = 0; i < 20 && ok; i++) {
		ok = emu_prepare(&emu, permille, seed + i);
		if (!emu_plug(&emu)) {
			found++;
			ok &= use_all(&emu, seed + i, permille, i % ENDS);
		}
		ok &= emu_bus_errors(&emu) <= 0;
		emu_remove(&emu);
	}
	ksft_test_result(ok, "probing: lies in %u of 1000 cases: %u of 20 found\n", permille,
			 found);
}

int main(int argc, char **argv)
{
	static const unsigned int permilles[] = { 3, 20, 100, 400, 1000 };
	unsigned int seed = argc > 1 ? atoi(argv[1]) : 1, seeds = argc > 2 ? atoi(argv[2]) : 3;
	unsigned int i, n;
	int fd;

	ksft_print_header();
	for (n = seed; n < seed + seeds; n++) {
		for (i = 0; i < sizeof(permilles) / sizeof(permilles[0]); i++)
			test_use(n, permilles[i], n % ENDS);
	}
	test_probe(seed, 5);
	test_probe(seed, 50);
	test_probe(seed, 300);
	fd = device_open();
	ksft_test_result(device_works(fd), "the other device works\n");
	ksft_set_plan(ksft_test_num());
	ksft_finished();
}

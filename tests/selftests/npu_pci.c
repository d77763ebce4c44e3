// SPDX-License-Identifier: GPL-2.0-only
/*
 * What only a device on PCI can do: resets by its bus, errors of the bus, D3, a death
 * of which nobody tells.
 */
#include "npu_test.h"

#define HANG_MS	60000

FIXTURE(pci)
{
	struct emu emu;
	char device[64];
	int fd;
	struct ctx ctx;
};

/* By the function itself, or by the port that it is plugged into. */
FIXTURE_VARIANT(pci)
{
	const char *method;
};

FIXTURE_VARIANT_ADD(pci, flr)
{
	.method = "flr",
};

FIXTURE_VARIANT_ADD(pci, bus)
{
	.method = "bus",
};

/* What both fixtures begin with. */
#define PLUG_IN(hang_ms) do {									\
	ASSERT_EQ(emu_create(&self->emu, 2, 8), 0);						\
	ASSERT_EQ(emu_device(&self->emu, self->device, sizeof(self->device)), 0);		\
	self->fd = device_open_index(self->emu.index);						\
	ASSERT_GE(self->fd, 0);									\
	ASSERT_EQ(ctx_init_full(&self->ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, hang_ms), 0);	\
} while (0)

FIXTURE_SETUP(pci)
{
	if (!bus_is_pci())
		SKIP(return, "the NPU is not on PCI");
	PLUG_IN(HANG_MS);
}

FIXTURE_TEARDOWN(pci)
{
	if (!bus_is_pci())
		return;
	EXPECT_EQ(emu_bus_errors(&self->emu), 0);
	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

static int pci_ask(const struct emu *emu, const char *format)
{
	char request[128];

	snprintf(request, sizeof(request), format, emu->name);
	return bench(request, NULL, 0);
}

static int pci_reset(const char *device, const char *method)
{
	int ret = device_write(device, "reset_method", method);

	return ret ? ret : device_write(device, "reset", "1");
}

TEST_F(pci, a_reset_of_an_idle_device)
{
	EXPECT_TRUE(device_works(self->fd));
	ASSERT_EQ(pci_reset(self->device, variant->method), 0);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(pci, a_reset_costs_no_job)
{
	struct ctx ctx[6];
	int i, n;

	for (i = 0; i < 6; i++)
		ASSERT_EQ(ctx_init(&ctx[i], self->fd), 0);
	for (n = 0; n < 4; n++) {
		for (i = 0; i < 6; i++)
			ASSERT_EQ(submit_one(self->fd, ctx[i].queue,
					     work_job_for(&ctx[i], 100), ctx[i].syncobj), 0);
		ASSERT_EQ(pci_reset(self->device, variant->method), 0);
		for (i = 0; i < 6; i++)
			EXPECT_EQ(job_result(self->fd, ctx[i].syncobj), 1);
	}
}

/* A command without end does not leave its slot: it is lost in a function reset. */
TEST_F(pci, a_reset_ends_a_job_that_hangs)
{
	struct drm_npu_queue_get_state state;
	struct ctx other;

	ASSERT_EQ(ctx_init(&other, self->fd), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, 1),
			     self->ctx.syncobj), 0);
	sleep_ms(50);
	ASSERT_EQ(submit_one(self->fd, other.queue, work_job_for(&other, 300), other.syncobj), 0);
	ASSERT_EQ(pci_reset(self->device, variant->method), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ECANCELED);
	ASSERT_EQ(queue_state(self->fd, self->ctx.queue, &state), 0);
	EXPECT_EQ(state.state, DRM_NPU_QUEUE_INNOCENT);
	EXPECT_EQ(job_result(self->fd, other.syncobj), 1);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(pci, a_reset_of_a_device_in_d3)
{
	ASSERT_EQ(device_write(self->device, "power/autosuspend_delay_ms", "0"), 0);
	while (!device_says(self->device, "power/runtime_status", "suspended"))
		sleep_ms(1);
	EXPECT_TRUE(device_says(self->device, "power_state", "D3hot"));
	ASSERT_EQ(pci_reset(self->device, variant->method), 0);
	EXPECT_TRUE(device_works(self->fd));
	while (!device_says(self->device, "power/runtime_status", "suspended"))
		sleep_ms(1);
	EXPECT_TRUE(device_says(self->device, "power_state", "D3hot"));
}

static void *keep_busy(void *arg)
{
	struct ctx *ctx = arg;
	long wrong = 0;
	int i;

	for (i = 0; i < 60; i++)
		wrong += submit_one(ctx->fd, ctx->queue, work_job(ctx, 20), ctx->syncobj) ||
			 job_result(ctx->fd, ctx->syncobj) != 1;
	return (void *)wrong;
}

TEST_F(pci, resets_under_load)
{
	struct ctx ctx[4];
	pthread_t threads[4];
	void *wrong;
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(ctx_init(&ctx[i], self->fd), 0);
		ASSERT_EQ(pthread_create(&threads[i], NULL, keep_busy, &ctx[i]), 0);
	}
	for (i = 0; i < 10; i++) {
		sleep_ms(i * 7);
		EXPECT_EQ(pci_reset(self->device, variant->method), 0);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &wrong);
		EXPECT_EQ(wrong, NULL);
	}
}

/* For queues a function reset: what had begun is lost, what had not goes on. */
TEST_F(pci, fatal_errors)
{
	struct drm_npu_queue_get_state state;
	struct ctx ctx, other;
	int i;

	if (strcmp(variant->method, "bus"))
		SKIP(return, "ports reset their bus");
	ASSERT_EQ(ctx_init(&other, self->fd), 0);
	/* The second one soon after the first, the third one while the device sleeps. */
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(ctx_init_full(&ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, HANG_MS), 0);
		ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
		ASSERT_EQ(submit_one(self->fd, ctx.queue, work_job(&ctx, 1), ctx.syncobj), 0);
		sleep_ms(50);
		ASSERT_EQ(pci_ask(&self->emu, "aer %s"), 0);
		EXPECT_EQ(job_result(self->fd, ctx.syncobj), -ECANCELED);
		ASSERT_EQ(queue_state(self->fd, ctx.queue, &state), 0);
		EXPECT_EQ(state.state, DRM_NPU_QUEUE_INNOCENT);
		ASSERT_EQ(submit_one(self->fd, other.queue, work_job(&other, 5), other.syncobj),
			  0);
		EXPECT_EQ(job_result(self->fd, other.syncobj), 1);
		EXPECT_TRUE(device_works(self->fd));
		if (i != 1)
			continue;
		while (!device_says(self->device, "power/runtime_status", "suspended"))
			sleep_ms(1);
		ASSERT_EQ(pci_ask(&self->emu, "aer %s"), 0);
		EXPECT_TRUE(device_works(self->fd));
	}
}

/* ---- Death ------------------------------------------------------------------------ */

FIXTURE(death)
{
	struct emu emu;
	char device[64];
	int fd;
	struct ctx ctx;
};

FIXTURE_SETUP(death)
{
	if (!bus_is_pci())
		SKIP(return, "the NPU is not on PCI");
	PLUG_IN(500);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	/* Its process ends in the middle. */
	ASSERT_EQ(pci_ask(&self->emu, "control %s kill"), 0);
}

FIXTURE_TEARDOWN(death)
{
	if (!bus_is_pci())
		return;
	if (self->fd >= 0)
		close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
}

TEST_F(death, ends_its_jobs)
{
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ENODEV);
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), -ENODEV);
}

TEST_F(death, and_a_new_one_is_plugged_in)
{
	int sync_file = syncobj_export(self->fd, self->ctx.syncobj);

	ASSERT_EQ(emu_unplug(&self->emu), 0);
	EXPECT_EQ(sync_file_wait(sync_file, 60000), 0);
	EXPECT_EQ(sync_file_status(sync_file), -ENODEV);
	close(sync_file);
	close(self->fd);
	ASSERT_EQ(emu_plug(&self->emu), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	EXPECT_TRUE(device_works(self->fd));
}

/* The same process again: as after power-on, so the bus has to look for it. */
TEST_F(death, and_it_comes_back_by_itself)
{
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ENODEV);
	ASSERT_EQ(device_write(self->device, "remove", "1"), 0);
	close(self->fd);
	ASSERT_EQ(pci_ask(&self->emu, "control %s restart"), 0);
	ASSERT_EQ(write_file("/sys/bus/pci/rescan", "1"), 0);
	ASSERT_EQ(emu_device(&self->emu, self->device, sizeof(self->device)), 0);
	while (!emu_is_bound(&self->emu))
		sleep_ms(10);
	self->emu.index = emu_find_index(&self->emu);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_HARNESS_MAIN

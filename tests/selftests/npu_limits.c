// SPDX-License-Identifier: GPL-2.0-only
/* Limits of a client, and what memory cgroups pay for. */
#include <sys/mount.h>

#include "npu_test.h"

#define CGROUP_ROOT	"/tmp/cgroup"
#define CGROUP		CGROUP_ROOT "/npu-test"

static int set_limit(const char *name, unsigned long value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	snprintf(text, sizeof(text), "%lu", value);
	return write_file(path, text);
}

FIXTURE(limits)
{
	int fd;
};

FIXTURE_SETUP(limits)
{
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(limits)
{
	EXPECT_EQ(set_limit("client_memory_mib", 0), 0);
	EXPECT_EQ(set_limit("client_buffers", 65536), 0);
	EXPECT_EQ(set_limit("client_vms", 1024), 0);
	EXPECT_EQ(set_limit("client_queues", 1024), 0);
	EXPECT_TRUE(device_works(self->fd));
	close(self->fd);
}

TEST_F(limits, bytes)
{
	uint32_t a, b;

	ASSERT_EQ(set_limit("client_memory_mib", 3), 0);
	ASSERT_EQ(bo_create_flags(self->fd, 2 * MIB, 0, 0, &a), 0);
	EXPECT_EQ(bo_create_flags(self->fd, MIB + 1, 0, 0, &b), -EDQUOT);
	EXPECT_EQ(bo_create_flags(self->fd, 4 * MIB, 0, 0, &b), -EDQUOT);
	ASSERT_EQ(bo_create_flags(self->fd, MIB, 0, 0, &b), 0);
	EXPECT_EQ(bo_create_flags(self->fd, 1, 0, 0, &b), -EDQUOT);
	ASSERT_EQ(bo_close(self->fd, a), 0);
	EXPECT_EQ(bo_create_flags(self->fd, 2 * MIB, 0, 0, &b), 0);
}

TEST_F(limits, bytes_of_the_machine)
{
	uint32_t bo;
	char meminfo[256] = "";

	ASSERT_EQ(read_file("/proc/meminfo", meminfo, sizeof(meminfo)), 0);
	ASSERT_EQ(strncmp(meminfo, "MemTotal:", 9), 0);
	EXPECT_EQ(bo_create_flags(self->fd, atol(meminfo + 9) / 4 * 3 * 1024, 0, 0, &bo), -EDQUOT);
}

TEST_F(limits, buffers)
{
	uint32_t bo[4];
	int i;

	ASSERT_EQ(set_limit("client_buffers", 3), 0);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(bo_create_flags(self->fd, PAGE, 0, 0, &bo[i]), 0);
	EXPECT_EQ(bo_create_flags(self->fd, PAGE, 0, 0, &bo[3]), -EDQUOT);
	ASSERT_EQ(bo_close(self->fd, bo[1]), 0);
	EXPECT_EQ(bo_create_flags(self->fd, PAGE, 0, 0, &bo[3]), 0);
}

TEST_F(limits, a_limit_lowered_later_refuses_but_takes_nothing)
{
	uint32_t a, b;

	ASSERT_EQ(bo_create_flags(self->fd, 2 * MIB, 0, 0, &a), 0);
	ASSERT_EQ(set_limit("client_memory_mib", 1), 0);
	EXPECT_EQ(bo_create_flags(self->fd, PAGE, 0, 0, &b), -EDQUOT);
	EXPECT_NE(bo_map(self->fd, a, 2 * MIB), MAP_FAILED);
}

TEST_F(limits, each_file_has_its_own)
{
	int other = device_open();
	uint32_t bo;

	ASSERT_EQ(set_limit("client_memory_mib", 1), 0);
	ASSERT_EQ(bo_create_flags(self->fd, MIB, 0, 0, &bo), 0);
	EXPECT_EQ(bo_create_flags(other, MIB, 0, 0, &bo), 0);
	close(other);
}

/* In whose hands it ever is. */
TEST_F(limits, the_creator_is_charged_until_the_buffer_is_freed)
{
	int dma_buf, other = device_open();
	uint32_t bo, import;
	struct ctx ctx;

	ASSERT_EQ(set_limit("client_buffers", 2), 0);
	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	bo = bo_create(self->fd, PAGE);
	ASSERT_NE(bo, 0);
	ASSERT_EQ(drmPrimeHandleToFD(self->fd, bo, DRM_CLOEXEC | DRM_RDWR, &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(other, dma_buf, &import), 0);
	close(dma_buf);
	bo_close(self->fd, bo);
	EXPECT_EQ(bo_create(self->fd, PAGE), 0);
	/* The other one has paid nothing. */
	EXPECT_NE(bo_create(other, PAGE), 0);
	EXPECT_NE(bo_create(other, PAGE), 0);
	ASSERT_EQ(bo_close(other, import), 0);
	EXPECT_NE(bo_create(self->fd, PAGE), 0);
	close(other);
}

TEST_F(limits, what_fails_is_not_charged)
{
	uint32_t bo;
	int i;

	ASSERT_EQ(set_limit("client_buffers", 1), 0);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(bo_create_flags(self->fd, PAGE, 0, 77, &bo), -ENOENT);
	EXPECT_EQ(bo_create_flags(self->fd, PAGE, 0, 0, &bo), 0);
}

TEST_F(limits, address_spaces)
{
	struct drm_npu_vm_create args = {};
	uint32_t vm;

	ASSERT_EQ(set_limit("client_vms", 2), 0);
	vm = vm_create(self->fd);
	ASSERT_NE(vm, 0);
	ASSERT_NE(vm_create(self->fd), 0);
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_CREATE, &args), -ENOSPC);
	ASSERT_EQ(vm_destroy(self->fd, vm), 0);
	EXPECT_NE(vm_create(self->fd), 0);
}

TEST_F(limits, queues)
{
	uint32_t vm = vm_create(self->fd), queue[3];

	ASSERT_EQ(set_limit("client_queues", 2), 0);
	ASSERT_EQ(queue_create_full(self->fd, vm, 0, 0, &queue[0]), 0);
	ASSERT_EQ(queue_create_full(self->fd, vm, 0, 0, &queue[1]), 0);
	EXPECT_EQ(queue_create_full(self->fd, vm, 0, 0, &queue[2]), -ENOSPC);
	ASSERT_EQ(queue_destroy(self->fd, queue[0]), 0);
	EXPECT_EQ(queue_create_full(self->fd, vm, 0, 0, &queue[2]), 0);
}

TEST_F(limits, ids_are_not_used_twice)
{
	uint32_t vm = vm_create(self->fd), other, queue, next;

	ASSERT_EQ(queue_create_full(self->fd, vm, 0, 0, &queue), 0);
	ASSERT_EQ(queue_destroy(self->fd, queue), 0);
	ASSERT_EQ(queue_create_full(self->fd, vm, 0, 0, &next), 0);
	EXPECT_NE(next, queue);
	ASSERT_EQ(vm_destroy(self->fd, vm), 0);
	other = vm_create(self->fd);
	EXPECT_NE(other, vm);
}

/* ---- Memory cgroups ------------------------------------------------------------------ */

FIXTURE(cgroup)
{
	const char *missing;
};

FIXTURE_SETUP(cgroup)
{
	mkdir(CGROUP_ROOT, 0755);
	if (mount("none", CGROUP_ROOT, "cgroup2", 0, NULL) && errno != EBUSY)
		self->missing = "the kernel has no cgroups";
	else if (write_file(CGROUP_ROOT "/cgroup.subtree_control", "+memory"))
		self->missing = "the kernel has no memory cgroups";
	else
		ASSERT_EQ(mkdir(CGROUP, 0755), 0);
}

FIXTURE_TEARDOWN(cgroup)
{
	int i;

	/* Tasks leave it when they are reaped, its memory may stay a moment. */
	for (i = 0; i < 100 && rmdir(CGROUP) && errno == EBUSY; i++)
		sleep_ms(10);
	umount2(CGROUP_ROOT, MNT_DETACH);
}

static long cgroup_value(const char *file, const char *key)
{
	char path[128], text[4096] = "";
	const char *at = text;

	snprintf(path, sizeof(path), CGROUP "/%s", file);
	if (read_file(path, text, sizeof(text)))
		return -1;
	if (key) {
		at = strstr(text, key);
		at = at ? at + strlen(key) : NULL;
	}
	return at ? atol(at) : -1;
}

static bool cgroup_join(void)
{
	return !write_file(CGROUP "/cgroup.procs", "0");
}

/* Returns what it was that failed, 0 for nothing. */
static int child_result(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

TEST_F(cgroup, the_creator_pays_for_pages_and_page_tables)
{
	pid_t pid;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	pid = fork();
	if (!pid) {
		long shmem, kernel;
		uint32_t bo, vm;
		int fd;

		if (!cgroup_join())
			_exit(1);
		fd = device_open();
		vm = vm_create(fd);
		shmem = cgroup_value("memory.stat", "\nshmem ");
		bo = bo_create(fd, 8 * MIB);
		if (!bo)
			_exit(2);
		/* Counts are flushed every two seconds, or when the change is large. */
		for (int i = 0; i < 50; i++) {
			if (cgroup_value("memory.stat", "\nshmem ") - shmem >= 8 * (long)MIB)
				break;
			sleep_ms(100);
		}
		if (cgroup_value("memory.stat", "\nshmem ") - shmem < 8 * (long)MIB)
			_exit(3);
		/* 512 tables of a page each, and what describes them. */
		kernel = cgroup_value("memory.current", NULL);
		for (int i = 0; i < 512; i++)
			if (vm_map(fd, vm, bo, (uint64_t)i << 30, PAGE))
				_exit(4);
		if (cgroup_value("memory.current", NULL) - kernel < 512 * 4096)
			_exit(5);
		_exit(0);
	}
	EXPECT_EQ(child_result(pid), 0);
}

TEST_F(cgroup, too_large_for_the_cgroup_fails_and_kills_nobody)
{
	pid_t pid;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(write_file(CGROUP "/memory.max", "16777216"), 0);
	pid = fork();
	if (!pid) {
		uint32_t bo;
		int fd, ret;

		if (!cgroup_join())
			_exit(1);
		fd = device_open();
		ret = bo_create_flags(fd, 64 * MIB, 0, 0, &bo);
		if (ret != -ENOMEM)
			_exit(2);
		/* Nothing stays behind that would be in the way. */
		if (bo_create_flags(fd, 4 * MIB, 0, 0, &bo))
			_exit(3);
		_exit(0);
	}
	EXPECT_EQ(child_result(pid), 0);
	EXPECT_EQ(cgroup_value("memory.events", "oom_kill "), 0);
}

TEST_HARNESS_MAIN

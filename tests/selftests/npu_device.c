// SPDX-License-Identifier: GPL-2.0-only
/* Opening a device, and asking it what it is. */
#include "npu_test.h"

FIXTURE(device)
{
	int fd;
};

FIXTURE_SETUP(device)
{
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(device)
{
	close(self->fd);
}

static int query(int fd, uint32_t type, void *ptr, uint32_t *size)
{
	struct drm_npu_dev_query args = { .type = type, .size = *size, .ptr = (uintptr_t)ptr };
	int ret = call(fd, DRM_IOCTL_NPU_DEV_QUERY, &args);

	*size = args.size;
	return ret;
}

TEST_F(device, is_an_accel_character_device)
{
	struct stat st;

	ASSERT_EQ(fstat(self->fd, &st), 0);
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(st.st_rdev >> 8 & 0xfff, 261);
}

TEST_F(device, names_its_driver)
{
	drmVersionPtr version = drmGetVersion(self->fd);

	ASSERT_NE(version, NULL);
	EXPECT_STREQ(version->name, "npu");
	EXPECT_EQ(version->version_major, 1);
	drmFreeVersion(version);
}

TEST_F(device, has_syncobjs_and_timelines)
{
	uint64_t value = 0;

	EXPECT_EQ(drmGetCap(self->fd, DRM_CAP_SYNCOBJ, &value), 0);
	EXPECT_EQ(value, 1);
	EXPECT_EQ(drmGetCap(self->fd, DRM_CAP_SYNCOBJ_TIMELINE, &value), 0);
	EXPECT_EQ(value, 1);
}

TEST_F(device, can_be_opened_many_times)
{
	int fds[64];
	int i;

	for (i = 0; i < 64; i++) {
		fds[i] = device_open();
		ASSERT_GE(fds[i], 0);
	}
	while (i--)
		close(fds[i]);
}

TEST_F(device, tells_its_capabilities)
{
	struct drm_npu_device_info info = {};
	uint32_t size = sizeof(info);

	ASSERT_EQ(query(self->fd, DRM_NPU_QUERY_DEVICE, &info, &size), 0);
	EXPECT_EQ(size, sizeof(info));
	EXPECT_EQ(info.hw_version >> 16, 1);
	EXPECT_EQ(info.isa_version >> 16, NPU_ISA_MAJOR);
	EXPECT_TRUE(info.isa_features & NPU_ISA_FEATURE_MAC);
	EXPECT_EQ(info.cores, 2);
	EXPECT_EQ(info.slots, 64);
	EXPECT_EQ(info.va_bits, 48);
	EXPECT_EQ(info.page_sizes, BLOCK | PAGE);
	EXPECT_TRUE(info.layouts & 1 << NPU_LAYOUT_LINEAR);
	EXPECT_GT(info.clock_khz, 0);
	EXPECT_GT(info.macs_per_cycle, 0);
	EXPECT_GE(info.ring_jobs, 16);
	EXPECT_GT(info.hang_timeout_ms, 0);
}

TEST_F(device, query_tells_the_size_without_a_pointer)
{
	uint32_t size = 0;

	EXPECT_EQ(query(self->fd, DRM_NPU_QUERY_DEVICE, NULL, &size), 0);
	EXPECT_EQ(size, sizeof(struct drm_npu_device_info));
}

TEST_F(device, query_fills_less_room_than_it_could)
{
	struct drm_npu_device_info info;
	uint32_t size = 8;

	memset(&info, 0xaa, sizeof(info));
	ASSERT_EQ(query(self->fd, DRM_NPU_QUERY_DEVICE, &info, &size), 0);
	EXPECT_EQ(size, sizeof(info));
	EXPECT_NE(info.hw_version, 0xaaaaaaaa);
	EXPECT_EQ(info.cores, 0xaaaaaaaa);
}

TEST_F(device, query_zeroes_what_it_does_not_know)
{
	uint8_t room[256];
	uint32_t size = sizeof(room);
	size_t i;

	memset(room, 0xaa, sizeof(room));
	ASSERT_EQ(query(self->fd, DRM_NPU_QUERY_DEVICE, room, &size), 0);
	for (i = sizeof(struct drm_npu_device_info); i < sizeof(room); i++)
		ASSERT_EQ(room[i], 0);
}

TEST_F(device, query_refuses_unknown_types)
{
	uint32_t size = 0;

	EXPECT_EQ(query(self->fd, 1000, NULL, &size), -EINVAL);
}

TEST_F(device, query_refuses_more_than_a_page)
{
	uint32_t size = sysconf(_SC_PAGESIZE) + 1;

	EXPECT_EQ(query(self->fd, DRM_NPU_QUERY_DEVICE, NULL, &size), -E2BIG);
}

TEST_F(device, query_refuses_bad_pointers)
{
	uint32_t size = 64;

	EXPECT_EQ(query(self->fd, DRM_NPU_QUERY_DEVICE, (void *)8, &size), -EFAULT);
}

TEST_F(device, time_goes_on)
{
	struct drm_npu_time_info a, b;
	uint32_t size = sizeof(a);

	ASSERT_EQ(query(self->fd, DRM_NPU_QUERY_TIME, &a, &size), 0);
	sleep_ms(20);
	ASSERT_EQ(query(self->fd, DRM_NPU_QUERY_TIME, &b, &size), 0);
	EXPECT_GT(b.monotonic_ns, a.monotonic_ns);
	EXPECT_GE(b.device_ns, a.device_ns + 10000000);
}

TEST_F(device, root_may_use_all_priorities)
{
	struct drm_npu_priority_info info;
	uint32_t size = sizeof(info);

	ASSERT_EQ(query(self->fd, DRM_NPU_QUERY_PRIORITIES, &info, &size), 0);
	EXPECT_EQ(info.allowed, 0xf);
}

TEST_F(device, users_may_use_normal_priorities)
{
	struct drm_npu_priority_info info;
	uint32_t size = sizeof(info);

	ASSERT_EQ(setuid(65534), 0);
	ASSERT_EQ(query(self->fd, DRM_NPU_QUERY_PRIORITIES, &info, &size), 0);
	EXPECT_EQ(info.allowed, 1 << DRM_NPU_PRIORITY_LOW | 1 << DRM_NPU_PRIORITY_NORMAL);
}

TEST_F(device, unknown_ioctls_are_refused)
{
	char buffer[256] = {};

	EXPECT_EQ(call(self->fd, DRM_IOWR(DRM_COMMAND_BASE + 0x3f, struct drm_npu_submit), buffer),
		  -EINVAL);
}

TEST_F(device, shorter_structs_of_older_programs_work)
{
	/* The fields behind vm_id do not exist for this caller: they are zero. */
	struct { uint32_t flags; } args = {};
	int ret;

	ret = call(self->fd, DRM_IOWR(DRM_COMMAND_BASE + DRM_NPU_VM_CREATE, uint32_t), &args);
	EXPECT_EQ(ret, 0);
}

/* Mostly zero words, so that many calls get past the checks of padding. */
TEST_F_TIMEOUT(device, garbage_in_every_ioctl_does_no_harm, 120)
{
	static const uint64_t likely[] = { 1, 2, 3, PAGE, MIB, CTX_VA, ~0ull };
	uint64_t buffer[32], *target;
	unsigned int seed = 1;
	int nr, n, i;

	target = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(target, MAP_FAILED);

	for (nr = 0; nr < 24; nr++) {
		for (n = 0; n < 100; n++) {
			for (i = 0; i < 64; i++)
				target[i] = rand_r(&seed) % 8 ? 0 : likely[rand_r(&seed) % 7];
			memset(buffer, 0, sizeof(buffer));
			for (i = rand_r(&seed) % 5; i; i--) {
				uint64_t value = likely[rand_r(&seed) % 7];

				if (!(rand_r(&seed) % 4))
					value = (uintptr_t)target;
				else if (!(rand_r(&seed) % 4))
					value = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 40);
				else if (!(rand_r(&seed) % 3))
					value |= (value % 100) << 32 | 48;
				buffer[rand_r(&seed) % 8] = value;
			}
			ioctl(self->fd, DRM_IOC(DRM_IOC_READWRITE, DRM_IOCTL_BASE,
						DRM_COMMAND_BASE + nr, 64), buffer);
		}
	}
	/* What it made may have used up the memory; it goes with the file. */
	close(self->fd);
	sleep_ms(500);
	self->fd = device_open();
	EXPECT_TRUE(device_works(self->fd));
}

TEST_F(device, null_in_every_ioctl_does_no_harm)
{
	int nr;

	for (nr = 0; nr < 16; nr++)
		EXPECT_EQ(ioctl(self->fd, DRM_IOC(DRM_IOC_READWRITE, DRM_IOCTL_BASE,
						  DRM_COMMAND_BASE + nr, 16), NULL), -1);
}

TEST(a_user_without_permission_is_refused)
{
	ASSERT_EQ(chmod("/dev/accel/accel0", 0600), 0);
	ASSERT_EQ(setuid(65534), 0);
	EXPECT_EQ(device_open(), -1);
	EXPECT_EQ(errno, EACCES);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the driver writes down of an incident (/sys/class/devcoredump): of which ones, and
 * whether it is true.
 */
#include "npu_test.h"

#define HANG_MS		200
#define RESET_MS	100
#define DUMP_SIZE	(1ul << 20)
#define WINDOW		65536u

FIXTURE(dump)
{
	struct emu emu;
	int fd;
	struct ctx ctx;
	char *text;
};

FIXTURE_SETUP(dump)
{
	struct stat st;

	if (stat("/sys/class/devcoredump", &st))
		SKIP(return, "the kernel has no devcoredump");
	ASSERT_EQ(emu_make(&self->emu), 0);
	ASSERT_EQ(emu_write_number(&self->emu, "cores", 2), 0);
	ASSERT_EQ(emu_write_number(&self->emu, "slots", 8), 0);
	ASSERT_EQ(emu_write_number(&self->emu, "reset_ms", RESET_MS), 0);
	ASSERT_EQ(emu_plug(&self->emu), 0);
	self->fd = device_open_index(self->emu.index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init_full(&self->ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, HANG_MS), 0);
	self->text = malloc(DUMP_SIZE);
	ASSERT_NE(self->text, NULL);
}

static void dump_path(const struct emu *emu, char *path, size_t size)
{
	char device[64];

	emu_device(emu, device, sizeof(device));
	device_path(device, "devcoredump/data", path, size);
}

static bool dump_exists(const struct emu *emu)
{
	char path[256];
	struct stat st;

	dump_path(emu, path, sizeof(path));
	return !stat(path, &st);
}

/* Whoever writes anything has read it; it goes soon after. */
static int dump_dismiss(const struct emu *emu)
{
	char path[256];
	int i, ret;

	dump_path(emu, path, sizeof(path));
	ret = write_file(path, "0");
	for (i = 0; i < 100 && dump_exists(emu); i++)
		sleep_ms(100);
	return ret;
}

FIXTURE_TEARDOWN(dump)
{
	if (!self->text)
		return;
	dump_dismiss(&self->emu);
	EXPECT_EQ(emu_bus_errors(&self->emu), 0);
	close(self->fd);
	EXPECT_EQ(emu_remove(&self->emu), 0);
	free(self->text);
}

/* Reads the dump of a device, which a work item makes soon after the incident. */
static int dump_read(const struct emu *emu, char *text)
{
	size_t used = 0;
	char path[256];
	int fd, i;
	ssize_t n;

	dump_path(emu, path, sizeof(path));
	for (i = 0; i < 100 && !dump_exists(emu); i++)
		sleep_ms(100);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, text + used, DUMP_SIZE - 1 - used)) > 0)
		used += n;
	text[used] = 0;
	close(fd);
	return n < 0 ? -EIO : 0;
}

/* The line of a section that begins with a key; what follows the key, or NULL. */
static const char *dump_find(const char *text, const char *section, const char *key)
{
	char name[32];
	const char *at;

	snprintf(name, sizeof(name), "\n[%s]\n", section);
	at = strstr(text, name);
	if (!at)
		return NULL;
	for (at += strlen(name); *at && *at != '['; at = strchr(at, '\n') + 1) {
		if (!strncmp(at, key, strlen(key)) && at[strlen(key)] == ' ')
			return at + strlen(key) + 1;
		if (!strchr(at, '\n'))
			break;
	}
	return NULL;
}

static uint64_t dump_number(const char *text, const char *section, const char *key)
{
	const char *at = dump_find(text, section, key);

	return at ? strtoull(at, NULL, 0) : ~0ull;
}

static bool dump_says(const char *text, const char *section, const char *key, const char *value)
{
	const char *at = dump_find(text, section, key);

	return at && !strncmp(at, value, strlen(value)) && at[strlen(value)] == '\n';
}

static bool dump_is_whole(const char *text)
{
	size_t n = strlen(text), end = strlen("\n[end]\n");

	return !strncmp(text, "npu-coredump 1\n", 15) && n > end &&
	       !strcmp(text + n - end, "\n[end]\n");
}

/*
 * Compares the bytes of a section with memory. Returns how many there are, -1 if
 * one is wrong; *first is the offset of the first.
 */
static long dump_compare(const char *text, const char *section, const uint8_t *memory,
			 uint32_t *first)
{
	unsigned int offset, byte;
	char name[32], *end;
	const char *at;
	long n = 0;

	snprintf(name, sizeof(name), "\n[%s]\n", section);
	at = strstr(text, name);
	if (!at)
		return -1;
	for (at += strlen(name); *at && *at != '['; at = strchr(at, '\n') + 1) {
		offset = strtoul(at, &end, 16);
		if (*end != ':')
			continue;
		if (!n)
			*first = offset;
		for (at = end + 2; *at != '\n'; at += 2, offset++, n++) {
			if (sscanf(at, "%2x", &byte) != 1 || memory[offset] != byte)
				return -1;
		}
	}
	return n;
}

static struct drm_npu_job nops_job(struct ctx *ctx, unsigned int count)
{
	struct npu_stream_header *header = stream_begin(ctx, 0);

	while (count--)
		stream_add_nop(header);
	return stream_job(ctx, header, 1);
}

/* The n-th command of a job hangs; returns how the job ends. */
static int run_hanging(const struct emu *emu, struct ctx *ctx, struct drm_npu_job job,
		       unsigned int n)
{
	int ret = emu_write_number(emu, "faults/hang", n);

	if (!ret)
		ret = submit_one(ctx->fd, ctx->queue, job, ctx->syncobj);
	return ret ? ret : job_result(ctx->fd, ctx->syncobj);
}

TEST_F(dump, a_hang_is_written_down)
{
	struct drm_npu_bo_label label = {
		.handle = self->ctx.bo, .label = (uintptr_t)"streams\nand data",
	};
	struct drm_npu_job job = nops_job(&self->ctx, 20);
	uint32_t first = ~0u;
	const char *map;
	char path[256];
	struct stat st;

	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_BO_LABEL, &label), 0);
	ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, self->ctx.bo, 64 * MIB, PAGE, PAGE,
			       DRM_NPU_VM_BIND_READONLY), 0);
	/* One job that ends well, one that does not, and one behind. */
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	ASSERT_EQ(job_result(self->fd, self->ctx.syncobj), 1);
	ASSERT_EQ(run_hanging(&self->emu, &self->ctx, job, 3), -ETIME);
	ASSERT_EQ(dump_read(&self->emu, self->text), 0);
	EXPECT_TRUE(dump_is_whole(self->text));
	EXPECT_TRUE(dump_says(self->text, "incident", "reason", "hang"));
	EXPECT_TRUE(dump_says(self->text, "incident", "recovery", "queue reset"));
	EXPECT_EQ(dump_number(self->text, "incident", "missed"), 0);
	EXPECT_EQ(dump_number(self->text, "device", "cores"), 2);
	EXPECT_EQ(dump_number(self->text, "registers", "ID"), 0x3155504e);
	EXPECT_EQ(dump_number(self->text, "queue", "pid"), getpid());
	EXPECT_EQ(dump_number(self->text, "queue", "state"), DRM_NPU_QUEUE_HUNG);
	EXPECT_EQ(dump_number(self->text, "fault", "job"), 2);
	EXPECT_EQ(dump_number(self->text, "fault", "command"),
		  sizeof(struct npu_stream_header) + 2 * sizeof(struct npu_cmd_nop));
	EXPECT_EQ(dump_number(self->text, "context", "sequence"), 1);
	EXPECT_EQ(dump_number(self->text, "context", "started"), 2);
	/* SLOT_STATUS was read before the reset. */
	EXPECT_NE(dump_number(self->text, "slots", "0") & 0x100, 0);

	map = dump_find(self->text, "vm", "0x10000000");
	ASSERT_NE(map, NULL);
	EXPECT_EQ(strncmp(map, "0x80000 0x0 rw streams\\nand data\n", 33), 0);
	map = dump_find(self->text, "vm", "0x4000000");
	ASSERT_NE(map, NULL);
	EXPECT_EQ(strncmp(map, "0x1000 0x1000 r streams", 23), 0);

	map = dump_find(self->text, "ring", "2");
	ASSERT_NE(map, NULL);
	EXPECT_EQ(strtoull(map, NULL, 0), job.stream_va);
	EXPECT_EQ(dump_compare(self->text, "stream", self->ctx.mem, &first), job.stream_size);
	EXPECT_EQ(first, 0);
	EXPECT_EQ(dump_compare(self->text, "bases", self->ctx.mem + CTX_TABLE, &first),
		  sizeof(struct npu_base));

	dump_path(&self->emu, path, sizeof(path));
	ASSERT_EQ(stat(path, &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0600);
	EXPECT_EQ(st.st_uid, 0);
}

TEST_F(dump, of_a_long_stream_what_is_around_the_command)
{
	unsigned int count = 3 * WINDOW / sizeof(struct npu_cmd_nop);
	struct drm_npu_job job = nops_job(&self->ctx, count);
	uint32_t first = 0;
	uint64_t command;

	/* Far away from both ends. */
	ASSERT_EQ(run_hanging(&self->emu, &self->ctx, job, count / 2), -ETIME);
	ASSERT_EQ(dump_read(&self->emu, self->text), 0);
	EXPECT_TRUE(dump_is_whole(self->text));
	command = dump_number(self->text, "fault", "command");
	EXPECT_EQ(command, sizeof(struct npu_stream_header) +
		  (count / 2 - 1) * sizeof(struct npu_cmd_nop));
	EXPECT_EQ(dump_compare(self->text, "stream", self->ctx.mem, &first), WINDOW);
	EXPECT_GT(first, 0);
	EXPECT_EQ(first % 8, 0);
	EXPECT_LE(first, command);
	EXPECT_GE(first + WINDOW, command + 8);

	/* Near the end. */
	ASSERT_EQ(dump_dismiss(&self->emu), 0);
	ASSERT_EQ(ctx_init_full(&self->ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, HANG_MS), 0);
	job = nops_job(&self->ctx, count);
	ASSERT_EQ(run_hanging(&self->emu, &self->ctx, job, count), -ETIME);
	ASSERT_EQ(dump_read(&self->emu, self->text), 0);
	EXPECT_EQ(dump_compare(self->text, "stream", self->ctx.mem, &first), WINDOW);
	EXPECT_EQ(first + WINDOW, job.stream_size);
}

TEST_F(dump, what_is_not_mapped_any_more_is_left_out)
{
	uint32_t first;

	ASSERT_EQ(emu_write(&self->emu, "faults/hang", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, nops_job(&self->ctx, 2),
			     self->ctx.syncobj), 0);
	sleep_ms(30);
	ASSERT_EQ(vm_unmap(self->fd, self->ctx.vm, CTX_VA, CTX_SIZE), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ETIME);
	ASSERT_EQ(dump_read(&self->emu, self->text), 0);
	EXPECT_TRUE(dump_is_whole(self->text));
	EXPECT_EQ(dump_find(self->text, "vm", "0x10000000"), NULL);
	EXPECT_EQ(dump_number(self->text, "stream", "va"), CTX_VA);
	EXPECT_EQ(dump_compare(self->text, "stream", self->ctx.mem, &first), 0);
}

TEST_F(dump, foreign_memory)
{
	struct drm_npu_job job = nops_job(&self->ctx, 2);
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP_USERPTR, .va = 1024 * MIB, .size = PAGE,
	};
	int other = device_open(), dma_buf;
	uint32_t handle;
	void *mem;

	mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	op.offset = (uintptr_t)mem;
	ASSERT_EQ(vm_bind_ops(self->fd, self->ctx.vm, &op, 1), 0);
	ASSERT_EQ(drmPrimeHandleToFD(other, bo_create(other, PAGE), DRM_CLOEXEC | DRM_RDWR,
				     &dma_buf), 0);
	ASSERT_EQ(drmPrimeFDToHandle(self->fd, dma_buf, &handle), 0);
	ASSERT_EQ(vm_map(self->fd, self->ctx.vm, handle, 2048 * MIB, PAGE), 0);
	ASSERT_EQ(run_hanging(&self->emu, &self->ctx, job, 1), -ETIME);
	ASSERT_EQ(dump_read(&self->emu, self->text), 0);
	EXPECT_TRUE(dump_is_whole(self->text));
	EXPECT_NE(strstr(self->text, " (user memory)"), NULL);
	EXPECT_NE(strstr(self->text, " (imported)"), NULL);
	close(dma_buf);
	close(other);
}

TEST_F(dump, more_mappings_than_room)
{
	struct drm_npu_job job = nops_job(&self->ctx, 2);
	int i;

	for (i = 0; i < 520; i++)
		ASSERT_EQ(vm_map(self->fd, self->ctx.vm, self->ctx.bo, 1024 * MIB + 2 * i * PAGE,
				 PAGE), 0);
	ASSERT_EQ(run_hanging(&self->emu, &self->ctx, job, 1), -ETIME);
	ASSERT_EQ(dump_read(&self->emu, self->text), 0);
	EXPECT_TRUE(dump_is_whole(self->text));
	EXPECT_EQ(dump_number(self->text, "vm", "more"), 521 - 512);
}

/* One is enough: the others are counted. */
TEST_F(dump, one_at_a_time)
{
	char first[64], again[64];
	struct ctx ctx;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(ctx_init_full(&ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, 50), 0);
		ASSERT_EQ(run_hanging(&self->emu, &ctx, nops_job(&ctx, 2), 1), -ETIME);
		ASSERT_EQ(dump_read(&self->emu, self->text), 0);
		snprintf(i ? again : first, sizeof(first), "%.63s",
			 dump_find(self->text, "incident", "time_us"));
		EXPECT_TRUE(!i || !strcmp(first, again));
		/* The work item that finds the old one. */
		sleep_ms(200);
	}
	ASSERT_EQ(dump_dismiss(&self->emu), 0);
	EXPECT_FALSE(dump_exists(&self->emu));
	ASSERT_EQ(ctx_init_full(&ctx, self->fd, DRM_NPU_PRIORITY_NORMAL, 50), 0);
	ASSERT_EQ(run_hanging(&self->emu, &ctx, nops_job(&ctx, 2), 1), -ETIME);
	ASSERT_EQ(dump_read(&self->emu, self->text), 0);
	EXPECT_EQ(dump_number(self->text, "incident", "missed"), 2);
}

TEST_F(dump, everyday_faults_are_not_written_down)
{
	struct drm_npu_job nowhere = { .stream_va = 1ull << 40, .stream_size = 64 };
	struct npu_stream_header *header;
	struct ctx ctx[3];
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(ctx_init(&ctx[i], self->fd), 0);
	ASSERT_EQ(submit_one(self->fd, ctx[0].queue, nowhere, ctx[0].syncobj), 0);
	EXPECT_EQ(job_result(self->fd, ctx[0].syncobj), -EFAULT);
	header = stream_begin(&ctx[1], 0);
	header->magic = 0;
	EXPECT_EQ(stream_run(&ctx[1], header, 0), -EINVAL);
	header = stream_begin(&ctx[2], 0);
	stream_add_copy(header, 0, 0, 0, CTX_DATA_SIZE, 64);
	EXPECT_EQ(stream_run(&ctx[2], header, 1), -EFAULT);
	sleep_ms(500);
	EXPECT_FALSE(dump_exists(&self->emu));
}

TEST_F(dump, a_fault_of_the_hardware_is)
{
	struct drm_npu_job job = nops_job(&self->ctx, 2);

	ASSERT_EQ(emu_write(&self->emu, "faults/walk", "1"), 0);
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EIO);
	ASSERT_EQ(dump_read(&self->emu, self->text), 0);
	EXPECT_TRUE(dump_is_whole(self->text));
	EXPECT_TRUE(dump_says(self->text, "incident", "reason", "fault"));
	EXPECT_EQ(dump_number(self->text, "fault", "status"), DRM_NPU_FAULT_WALK);
	EXPECT_EQ(dump_number(self->text, "fault", "va"), CTX_VA);
	EXPECT_EQ(dump_number(self->text, "fault", "access"), DRM_NPU_ACCESS_FETCH);
}

TEST_F(dump, a_function_reset_is)
{
	struct drm_npu_job job = nops_job(&self->ctx, 2);

	ASSERT_EQ(emu_write(&self->emu, "faults/deaf", "3"), 0);
	EXPECT_EQ(run_hanging(&self->emu, &self->ctx, job, 1), -ETIME);
	ASSERT_EQ(dump_read(&self->emu, self->text), 0);
	EXPECT_TRUE(dump_is_whole(self->text));
	EXPECT_TRUE(dump_says(self->text, "incident", "reason", "hang"));
	EXPECT_TRUE(dump_says(self->text, "incident", "recovery", "function reset"));
	EXPECT_NE(dump_find(self->text, "stream", "va"), NULL);
}

TEST_F(dump, the_loss_of_the_device_is)
{
	struct drm_npu_job job = work_job(&self->ctx, WORK_LONG);

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	ASSERT_EQ(emu_write(&self->emu, "faults/disappear", "1"), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -ENODEV);
	ASSERT_EQ(dump_read(&self->emu, self->text), 0);
	EXPECT_TRUE(dump_is_whole(self->text));
	EXPECT_TRUE(dump_says(self->text, "incident", "reason", "lost"));
	EXPECT_EQ(dump_number(self->text, "registers", "ID"), 0xffffffff);
	EXPECT_EQ(dump_find(self->text, "queue", "id"), NULL);
}

TEST_F(dump, it_outlives_the_driver)
{
	struct drm_npu_job job = nops_job(&self->ctx, 2);

	ASSERT_EQ(run_hanging(&self->emu, &self->ctx, job, 1), -ETIME);
	ASSERT_EQ(dump_read(&self->emu, self->text), 0);
	ASSERT_EQ(emu_unbind(&self->emu), 0);
	*self->text = 0;
	ASSERT_EQ(dump_read(&self->emu, self->text), 0);
	EXPECT_TRUE(dump_is_whole(self->text));
	ASSERT_EQ(emu_bind(&self->emu), 0);
	EXPECT_TRUE(dump_exists(&self->emu));
}

/* Incidents from all sides, while dumps are read and dismissed. */
TEST_F(dump, under_load)
{
	struct ctx ctx[4];
	int i, n, whole = 0;

	for (n = 0; n < 10; n++) {
		for (i = 0; i < ARRAY_SIZE(ctx); i++) {
			ASSERT_EQ(ctx_init_full(&ctx[i], self->fd, DRM_NPU_PRIORITY_NORMAL, 50), 0);
			emu_write(&self->emu, i % 2 ? "faults/hang" : "faults/walk", "1");
			submit_one(self->fd, ctx[i].queue, nops_job(&ctx[i], 3), ctx[i].syncobj);
		}
		for (i = 0; i < ARRAY_SIZE(ctx); i++) {
			EXPECT_NE(job_result(self->fd, ctx[i].syncobj), -ETIMEDOUT);
			queue_destroy(self->fd, ctx[i].queue);
			munmap(ctx[i].mem, CTX_SIZE);
			vm_destroy(self->fd, ctx[i].vm);
			bo_close(self->fd, ctx[i].bo);
		}
		if (!dump_read(&self->emu, self->text))
			whole += dump_is_whole(self->text);
		dump_dismiss(&self->emu);
		emu_write(&self->emu, "faults/hang", "0");
		emu_write(&self->emu, "faults/walk", "0");
	}
	EXPECT_GE(whole, 5);
	EXPECT_TRUE(device_works(self->fd));
}

TEST_HARNESS_MAIN

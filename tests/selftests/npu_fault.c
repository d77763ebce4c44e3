// SPDX-License-Identifier: GPL-2.0-only
/* Bad programs: each gets a clear error, and nobody else notices. */
#include "npu_test.h"

FIXTURE(fault)
{
	int fd;
	struct ctx ctx;		/* the bad one */
	struct ctx good;	/* must not notice */
};

FIXTURE_SETUP(fault)
{
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
	ASSERT_EQ(ctx_init(&self->good, self->fd), 0);
	ASSERT_EQ(submit_one(self->fd, self->good.queue, work_job(&self->good, 10),
			     self->good.syncobj), 0);
}

FIXTURE_TEARDOWN(fault)
{
	EXPECT_EQ(job_result(self->fd, self->good.syncobj), 1);
	EXPECT_TRUE(device_works(self->fd));
	close(self->fd);
}

#define EXPECT_FAULT(f_status, f_access, f_va, f_offset, f_detail) do {		\
	struct drm_npu_queue_get_state s;					\
										\
	EXPECT_EQ(queue_state(self->fd, self->ctx.queue, &s), 0);		\
	EXPECT_EQ(s.state, DRM_NPU_QUEUE_FAULTED);				\
	EXPECT_EQ(s.fault.status, f_status);					\
	EXPECT_EQ(s.fault.access, f_access);					\
	EXPECT_EQ(s.fault.va, (uint64_t)(f_va));				\
	EXPECT_EQ(s.fault.offset, (uint64_t)(f_offset));			\
	if ((int)(f_detail) >= 0)						\
		EXPECT_EQ(s.fault.detail, (uint32_t)(f_detail));		\
	EXPECT_EQ(s.fault.job, 1);						\
} while (0)

#define HEADER	sizeof(struct npu_stream_header)

TEST_F(fault, stream_at_an_address_without_memory)
{
	struct drm_npu_job job = { .stream_va = 0x7000000000, .stream_size = 64 };

	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EFAULT);
	EXPECT_FAULT(DRM_NPU_FAULT_TRANSLATION, DRM_NPU_ACCESS_FETCH, 0x7000000000, 0, -1);
}

TEST_F(fault, base_table_at_an_address_without_memory)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	struct drm_npu_job job;

	stream_add_nop(header);
	job = stream_job(&self->ctx, header, 1);
	job.bases_va = 0x7000000000;
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EFAULT);
	/* Before any command. */
	EXPECT_FAULT(DRM_NPU_FAULT_TRANSLATION, DRM_NPU_ACCESS_FETCH, 0x7000000000, 0, -1);
}

TEST_F(fault, read_of_unmapped_memory)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);

	ctx_bases(&self->ctx)[1] = (struct npu_base) { .va = 0x7000000000, .size = MIB };
	stream_add_nop(header);
	stream_add_copy(header, 1, 4096, 0, 0, 64);
	EXPECT_EQ(stream_run(&self->ctx, header, 2), -EFAULT);
	EXPECT_FAULT(DRM_NPU_FAULT_TRANSLATION, DRM_NPU_ACCESS_READ, 0x7000001000,
		     HEADER + sizeof(struct npu_cmd_nop), -1);
}

TEST_F(fault, write_of_unmapped_memory)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);

	ctx_bases(&self->ctx)[1] = (struct npu_base) {
		.va = 0x7000000000, .size = MIB, .flags = NPU_BASE_WRITE,
	};
	stream_add_copy(header, 0, 0, 1, 0, 64);
	EXPECT_EQ(stream_run(&self->ctx, header, 2), -EFAULT);
	EXPECT_FAULT(DRM_NPU_FAULT_TRANSLATION, DRM_NPU_ACCESS_WRITE, 0x7000000000, HEADER, -1);
}

TEST_F(fault, write_of_read_only_memory)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	uint32_t bo = bo_create(self->fd, PAGE);
	char *p = bo_map(self->fd, bo, PAGE);

	strcpy(p, "precious");
	ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, bo, 64 * MIB, PAGE, 0,
			       DRM_NPU_VM_BIND_READONLY), 0);
	ctx_bases(&self->ctx)[1] = (struct npu_base) {
		.va = 64 * MIB, .size = PAGE, .flags = NPU_BASE_WRITE,
	};
	stream_add_copy(header, 0, 0, 1, 0, 64);
	EXPECT_EQ(stream_run(&self->ctx, header, 2), -EFAULT);
	EXPECT_FAULT(DRM_NPU_FAULT_PERMISSION, DRM_NPU_ACCESS_WRITE, 64 * MIB, HEADER, -1);
	EXPECT_STREQ(p, "precious");
}

TEST_F(fault, read_of_read_only_memory_is_fine)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);
	uint32_t bo = bo_create(self->fd, PAGE);

	ASSERT_EQ(vm_map_flags(self->fd, self->ctx.vm, bo, 64 * MIB, PAGE, 0,
			       DRM_NPU_VM_BIND_READONLY), 0);
	ctx_bases(&self->ctx)[1] = (struct npu_base) { .va = 64 * MIB, .size = PAGE };
	stream_add_copy(header, 1, 0, 0, 0, 64);
	EXPECT_EQ(stream_run(&self->ctx, header, 2), 1);
}

TEST_F(fault, access_outside_the_base)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);

	stream_add_copy(header, 0, CTX_DATA_SIZE - 10, 0, 0, 64);
	EXPECT_EQ(stream_run(&self->ctx, header, 1), -EFAULT);
	/* The address is that of the element farthest out. */
	EXPECT_FAULT(DRM_NPU_FAULT_BOUNDS, DRM_NPU_ACCESS_READ, CTX_VA + CTX_SIZE - 10 + 63,
		     HEADER, -1);
}

TEST_F(fault, access_before_the_base)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);

	stream_add_copy(header, 0, 0, 0, -16, 8);
	EXPECT_EQ(stream_run(&self->ctx, header, 1), -EFAULT);
	EXPECT_FAULT(DRM_NPU_FAULT_BOUNDS, DRM_NPU_ACCESS_WRITE, CTX_VA + CTX_DATA - 16,
		     HEADER, -1);
}

TEST_F(fault, write_through_a_read_only_base)
{
	struct npu_stream_header *header = stream_begin(&self->ctx, 0);

	ctx_bases(&self->ctx)[0].flags = 0;
	stream_add_copy(header, 0, 0, 0, 4096, 64);
	EXPECT_EQ(stream_run(&self->ctx, header, 1), -EFAULT);
	EXPECT_FAULT(DRM_NPU_FAULT_BOUNDS, DRM_NPU_ACCESS_WRITE, CTX_VA + CTX_DATA + 4096,
		     HEADER, -1);
}

TEST_F(fault, unmapped_in_the_middle_of_a_job)
{
	/* The job works on the last pages; they go while it runs. */
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, work_job(&self->ctx, WORK_LONG),
			     self->ctx.syncobj), 0);
	sleep_ms(20);
	ASSERT_EQ(vm_unmap(self->fd, self->ctx.vm, CTX_VA + CTX_DATA, CTX_DATA_SIZE), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EFAULT);
}

FIXTURE(illegal)
{
	int fd;
	struct ctx ctx;
	struct npu_stream_header *header;
	struct npu_cmd_copy *copy;
};

/* A stream that would be good: a nop and a copy. */
FIXTURE_SETUP(illegal)
{
	struct npu_cmd_copy copy = {
		.cmd = { NPU_OP_COPY, 0, sizeof(copy) },
		.in = tensor_1d(NPU_TYPE_S8, 0, 0, 64),
		.out = tensor_1d(NPU_TYPE_S8, 0, 4096, 64),
	};

	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(ctx_init(&self->ctx, self->fd), 0);
	self->header = stream_begin(&self->ctx, 0);
	stream_add_nop(self->header);
	self->copy = stream_add(self->header, &copy);
}

FIXTURE_TEARDOWN(illegal)
{
	EXPECT_TRUE(device_works(self->fd));
	close(self->fd);
}

#define COPY_AT	(HEADER + sizeof(struct npu_cmd_nop))

#define EXPECT_ILLEGAL(f_offset, f_detail) do {					\
	EXPECT_EQ(stream_run(&self->ctx, self->header, 1), -EINVAL);		\
	EXPECT_FAULT(DRM_NPU_FAULT_ILLEGAL, DRM_NPU_ACCESS_NONE, 0, f_offset, f_detail);	\
} while (0)

TEST_F(illegal, the_unchanged_stream_is_legal)
{
	EXPECT_EQ(stream_run(&self->ctx, self->header, 1), 1);
}

TEST_F(illegal, magic)
{
	self->header->magic = 0x12345678;
	EXPECT_ILLEGAL(0, NPU_ILLEGAL_MAGIC);
}

TEST_F(illegal, major_version)
{
	self->header->major++;
	EXPECT_ILLEGAL(0, NPU_ILLEGAL_VERSION);
}

TEST_F(illegal, minor_version)
{
	self->header->minor = 200;
	EXPECT_ILLEGAL(0, NPU_ILLEGAL_VERSION);
}

TEST_F(illegal, required_feature)
{
	self->header->features = 1ull << 63;
	EXPECT_ILLEGAL(0, NPU_ILLEGAL_FEATURE);
}

TEST_F(illegal, size_of_the_stream)
{
	struct drm_npu_job job = stream_job(&self->ctx, self->header, 1);

	self->header->size += 8;
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, job, self->ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, self->ctx.syncobj), -EINVAL);
	EXPECT_FAULT(DRM_NPU_FAULT_ILLEGAL, DRM_NPU_ACCESS_NONE, 0, 0, NPU_ILLEGAL_SIZE);
}

TEST_F(illegal, size_of_a_command)
{
	self->copy->cmd.size = 8;
	EXPECT_ILLEGAL(COPY_AT, NPU_ILLEGAL_SIZE);
}

TEST_F(illegal, command_beyond_the_end)
{
	self->header->size -= 8;
	EXPECT_ILLEGAL(COPY_AT, NPU_ILLEGAL_SIZE);
}

TEST_F(illegal, opcode)
{
	self->copy->cmd.opcode = 0x7777;
	EXPECT_ILLEGAL(COPY_AT, NPU_ILLEGAL_OPCODE);
}

TEST_F(illegal, flags)
{
	self->copy->cmd.flags = NPU_CMD_OVERLAP;
	EXPECT_ILLEGAL(COPY_AT, NPU_ILLEGAL_FLAGS);
}

TEST_F(illegal, type)
{
	self->copy->in.type = NPU_TYPE_F32;
	EXPECT_ILLEGAL(COPY_AT, NPU_ILLEGAL_TYPE);
}

TEST_F(illegal, rank)
{
	self->copy->in.rank = 7;
	EXPECT_ILLEGAL(COPY_AT, NPU_ILLEGAL_SHAPE);
}

TEST_F(illegal, layout)
{
	self->copy->in.layout = 5;
	EXPECT_ILLEGAL(COPY_AT, NPU_ILLEGAL_MODE);
}

TEST_F(illegal, different_sizes)
{
	self->copy->out.dim[0] = 63;
	EXPECT_ILLEGAL(COPY_AT, NPU_ILLEGAL_SHAPE);
}

TEST_F(illegal, base_index)
{
	self->copy->in.base = 5;
	EXPECT_ILLEGAL(COPY_AT, NPU_ILLEGAL_BASE);
}

TEST_F(illegal, overlap)
{
	self->copy->out.offset = 32;
	EXPECT_ILLEGAL(COPY_AT, NPU_ILLEGAL_OVERLAP);
}

TEST_F(illegal, too_much_work)
{
	/* More bytes than one command may move, from one byte; the output is large enough. */
	struct drm_npu_device_info info;
	struct drm_npu_dev_query query = {
		.type = DRM_NPU_QUERY_DEVICE, .size = sizeof(info), .ptr = (uintptr_t)&info,
	};
	int i;

	ASSERT_EQ(call(self->fd, DRM_IOCTL_NPU_DEV_QUERY, &query), 0);
	ctx_bases(&self->ctx)[0].size = 1ull << 40;
	self->copy->in.rank = self->copy->out.rank = 2;
	self->copy->in.stride[0] = self->copy->in.stride[1] = 0;
	self->copy->out.stride[0] = 65536;
	self->copy->out.stride[1] = 1;
	for (i = 0; i < 2; i++)
		self->copy->in.dim[i] = self->copy->out.dim[i] =
			i ? 65536 : 1u << (info.bytes_max_order - 16);
	EXPECT_ILLEGAL(COPY_AT, NPU_ILLEGAL_LIMIT);
}

TEST_F(illegal, jobs_behind_a_fault_are_cancelled)
{
	uint32_t first = syncobj_create(self->fd), second = syncobj_create(self->fd);

	self->copy->cmd.opcode = 0x7777;
	ASSERT_EQ(submit_one(self->fd, self->ctx.queue, stream_job(&self->ctx, self->header, 1),
			     first), 0);
	/* Either it is too late to submit, or the job is cancelled. */
	if (!submit_one(self->fd, self->ctx.queue, empty_job(), second))
		EXPECT_EQ(job_result(self->fd, second), -ECANCELED);
	EXPECT_EQ(job_result(self->fd, first), -EINVAL);
}

TEST_F(illegal, fences_signal_in_order_after_a_fault)
{
	uint32_t first = syncobj_create(self->fd), second = syncobj_create(self->fd);
	int files[2], i;
	struct ctx ctx;

	self->copy->cmd.opcode = 0x7777;
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
		memcpy(ctx.mem, self->header, self->header->size);
		ASSERT_EQ(submit_one(self->fd, ctx.queue,
				     stream_job(&ctx, (void *)ctx.mem, 1), first), 0);
		files[0] = syncobj_export(self->fd, first);
		if (!submit_one(self->fd, ctx.queue, empty_job(), second)) {
			files[1] = syncobj_export(self->fd, second);
			EXPECT_EQ(sync_file_wait(files[1], 60000), 0);
			/* When the second has ended, the first has too. */
			EXPECT_EQ(sync_file_status(files[0]), -EINVAL);
			close(files[1]);
		}
		close(files[0]);
		munmap(ctx.mem, CTX_SIZE);
		queue_destroy(self->fd, ctx.queue);
		vm_destroy(self->fd, ctx.vm);
		bo_close(self->fd, ctx.bo);
	}
}

TEST_F(illegal, a_faulted_queue_takes_no_more)
{
	self->copy->cmd.opcode = 0x7777;
	EXPECT_EQ(stream_run(&self->ctx, self->header, 1), -EINVAL);
	EXPECT_EQ(submit_one(self->fd, self->ctx.queue, empty_job(), self->ctx.syncobj), -EIO);
	EXPECT_EQ(queue_destroy(self->fd, self->ctx.queue), 0);
}

TEST_F(illegal, commands_before_the_fault_are_complete)
{
	int8_t *data = ctx_data(&self->ctx);

	memset(data, 9, 64);
	self->header->size = HEADER;
	stream_add_copy(self->header, 0, 0, 0, 4096, 64);
	stream_add_copy(self->header, 0, 0, 77, 8192, 64);
	EXPECT_EQ(stream_run(&self->ctx, self->header, 1), -EINVAL);
	EXPECT_EQ(memcmp(data, data + 4096, 64), 0);
}

TEST_F(illegal, random_streams_hurt_nobody)
{
	unsigned int seed = 4711;
	struct ctx ctx;
	uint8_t *bytes;
	int i, n;

	for (i = 0; i < 200; i++) {
		ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
		memcpy(ctx.mem, self->header, self->header->size);
		bytes = ctx.mem;
		for (n = rand_r(&seed) % 6 + 1; n; n--)
			bytes[rand_r(&seed) % self->header->size] = rand_r(&seed);
		submit_one(self->fd, ctx.queue, stream_job(&ctx, (void *)ctx.mem, 1), ctx.syncobj);
		EXPECT_NE(job_result(self->fd, ctx.syncobj), -ETIMEDOUT);
		munmap(ctx.mem, CTX_SIZE);
		queue_destroy(self->fd, ctx.queue);
		vm_destroy(self->fd, ctx.vm);
		bo_close(self->fd, ctx.bo);
	}
}

/* ---- A program that changes while it runs --------------------------------------- */

static volatile bool stop;

static void *scribble(void *arg)
{
	struct ctx *ctx = arg;
	unsigned int seed = 99;
	uint32_t *words = (uint32_t *)ctx->mem;
	size_t count = CTX_DATA / 4;

	while (!stop) {
		size_t at = rand_r(&seed) % 2 ? rand_r(&seed) % 200 : rand_r(&seed) % count;

		words[at] ^= 1u << rand_r(&seed) % 32;
	}
	return NULL;
}

TEST_F(fault, a_stream_rewritten_while_it_runs)
{
	pthread_t thread;
	struct ctx ctx;
	int i;

	for (i = 0; i < 60; i++) {
		ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
		stop = false;
		work_job(&ctx, 100);
		ASSERT_EQ(pthread_create(&thread, NULL, scribble, &ctx), 0);
		ASSERT_EQ(submit_one(self->fd, ctx.queue,
				     (struct drm_npu_job) {
					.stream_va = CTX_VA,
					.stream_size = HEADER + 100 * sizeof(struct npu_cmd_copy),
					.bases_va = CTX_VA + CTX_TABLE, .bases = 1,
				     }, ctx.syncobj), 0);
		EXPECT_NE(job_result(self->fd, ctx.syncobj), -ETIMEDOUT);
		stop = true;
		pthread_join(thread, NULL);
		munmap(ctx.mem, CTX_SIZE);
		queue_destroy(self->fd, ctx.queue);
		vm_destroy(self->fd, ctx.vm);
		bo_close(self->fd, ctx.bo);
	}
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/* Address spaces: VM_CREATE, VM_DESTROY, VM_GET_STATE, VM_BIND. */
#include "npu_test.h"

FIXTURE(vm)
{
	int fd;
	uint32_t vm;
	uint32_t bo;
};

#define BO_SIZE	(4 * MIB)

FIXTURE_SETUP(vm)
{
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
	self->vm = vm_create(self->fd);
	ASSERT_NE(self->vm, 0);
	self->bo = bo_create(self->fd, BO_SIZE);
	ASSERT_NE(self->bo, 0);
}

FIXTURE_TEARDOWN(vm)
{
	close(self->fd);
}

#define EXPECT_MAPPED(count, bytes) do {				\
	struct drm_npu_vm_get_state state;				\
									\
	EXPECT_EQ(vm_state(self->fd, self->vm, &state), 0);		\
	EXPECT_EQ(state.pending, 0);					\
	EXPECT_EQ(state.mappings, (uint64_t)(count));			\
	EXPECT_EQ(state.mapped, (uint64_t)(bytes));			\
} while (0)

static int bind_one(int fd, struct drm_npu_vm_bind_op op, uint32_t vm)
{
	return vm_bind_ops(fd, vm, &op, 1);
}

TEST_F(vm, create_refuses_flags)
{
	struct drm_npu_vm_create args = { .flags = 1 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_CREATE, &args), -EINVAL);
}

TEST_F(vm, is_destroyed_once)
{
	EXPECT_EQ(vm_destroy(self->fd, self->vm), 0);
	EXPECT_EQ(vm_destroy(self->fd, self->vm), -ENOENT);
}

TEST_F(vm, destroy_refuses_padding)
{
	struct drm_npu_vm_destroy args = { .vm_id = self->vm, .pad = 1 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_DESTROY, &args), -EINVAL);
}

TEST_F(vm, ids_belong_to_a_file)
{
	int other = device_open();

	EXPECT_EQ(vm_destroy(other, self->vm), -ENOENT);
	close(other);
}

TEST_F(vm, get_state_refuses_an_unknown_vm)
{
	struct drm_npu_vm_get_state state;

	EXPECT_EQ(vm_state(self->fd, 77, &state), -ENOENT);
}

TEST_F(vm, get_state_refuses_values_in_its_results)
{
	struct drm_npu_vm_get_state args = { .vm_id = self->vm, .mapped = 1 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_GET_STATE, &args), -EINVAL);
}

TEST_F(vm, thousands_of_vms)
{
	uint32_t vms[1000];
	int i;

	for (i = 0; i < 1000; i++) {
		vms[i] = vm_create(self->fd);
		ASSERT_NE(vms[i], 0);
	}
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(vm_destroy(self->fd, vms[i]), 0);
}

TEST_F_TIMEOUT(vm, address_spaces_run_out, 600)
{
	struct drm_npu_vm_create args;
	char meminfo[256] = "";
	struct emu emu;
	int fd, ret, i;

	/* Short of memory, the kernel kills somebody instead of saying so. */
	read_file("/proc/meminfo", meminfo, sizeof(meminfo));
	if (!strstr(meminfo, "MemAvailable:") ||
	    atol(strstr(meminfo, "MemAvailable:") + 13) < 1400000)
		SKIP(return, "not enough memory for 65,535 page tables");

	/* A device of its own: 65,535 address-space ids, one page table each. */
	ASSERT_EQ(emu_create(&emu, 1, 1), 0);
	ASSERT_EQ(write_file(PARAMETERS "client_vms", "0"), 0);
	fd = device_open_index(emu.index);
	for (i = 0; i < 70000; i++) {
		args = (struct drm_npu_vm_create) {};
		ret = call(fd, DRM_IOCTL_NPU_VM_CREATE, &args);
		if (ret)
			break;
	}
	EXPECT_EQ(ret, -ENOSPC);
	EXPECT_EQ(i, 65535);
	ASSERT_EQ(vm_destroy(fd, 1), 0);
	EXPECT_NE(vm_create(fd), 0);
	close(fd);
	EXPECT_EQ(write_file(PARAMETERS "client_vms", "1024"), 0);
	EXPECT_EQ(emu_remove(&emu), 0);
}

TEST_F(vm, map_and_unmap)
{
	ASSERT_EQ(vm_map(self->fd, self->vm, self->bo, CTX_VA, PAGE), 0);
	EXPECT_MAPPED(1, PAGE);
	ASSERT_EQ(vm_unmap(self->fd, self->vm, CTX_VA, PAGE), 0);
	EXPECT_MAPPED(0, 0);
}

TEST_F(vm, the_whole_address_space_can_be_used)
{
	uint64_t top = 1ull << 48;

	EXPECT_EQ(vm_map(self->fd, self->vm, self->bo, 0, PAGE), 0);
	EXPECT_EQ(vm_map(self->fd, self->vm, self->bo, top - PAGE, PAGE), 0);
	EXPECT_MAPPED(2, 2 * PAGE);
	EXPECT_EQ(vm_unmap(self->fd, self->vm, 0, top), 0);
	EXPECT_MAPPED(0, 0);
}

TEST_F(vm, one_buffer_at_many_places)
{
	int i;

	for (i = 0; i < 100; i++)
		ASSERT_EQ(vm_map_flags(self->fd, self->vm, self->bo, CTX_VA + i * BLOCK, PAGE,
				       i * PAGE, 0), 0);
	EXPECT_MAPPED(100, 100 * PAGE);
}

TEST_F(vm, one_buffer_in_many_vms)
{
	uint32_t other = vm_create(self->fd);

	EXPECT_EQ(vm_map(self->fd, self->vm, self->bo, CTX_VA, BO_SIZE), 0);
	EXPECT_EQ(vm_map(self->fd, other, self->bo, CTX_VA + PAGE, BO_SIZE), 0);
}

TEST_F(vm, unmap_of_nothing_is_fine)
{
	EXPECT_EQ(vm_unmap(self->fd, self->vm, CTX_VA, MIB), 0);
}

TEST_F(vm, unmap_splits_a_mapping)
{
	ASSERT_EQ(vm_map(self->fd, self->vm, self->bo, CTX_VA, 16 * PAGE), 0);
	ASSERT_EQ(vm_unmap(self->fd, self->vm, CTX_VA + 4 * PAGE, 2 * PAGE), 0);
	EXPECT_MAPPED(2, 14 * PAGE);
	ASSERT_EQ(vm_unmap(self->fd, self->vm, CTX_VA, PAGE), 0);
	ASSERT_EQ(vm_unmap(self->fd, self->vm, CTX_VA + 15 * PAGE, PAGE), 0);
	EXPECT_MAPPED(2, 12 * PAGE);
}

TEST_F(vm, unmap_spans_mappings)
{
	ASSERT_EQ(vm_map(self->fd, self->vm, self->bo, CTX_VA, 4 * PAGE), 0);
	ASSERT_EQ(vm_map(self->fd, self->vm, self->bo, CTX_VA + 8 * PAGE, 4 * PAGE), 0);
	ASSERT_EQ(vm_unmap(self->fd, self->vm, CTX_VA + 2 * PAGE, 8 * PAGE), 0);
	EXPECT_MAPPED(2, 4 * PAGE);
}

TEST_F(vm, map_replaces_what_was_there)
{
	uint32_t other = bo_create(self->fd, BO_SIZE);

	ASSERT_EQ(vm_map(self->fd, self->vm, self->bo, CTX_VA, 8 * PAGE), 0);
	ASSERT_EQ(vm_map(self->fd, self->vm, other, CTX_VA + 2 * PAGE, 2 * PAGE), 0);
	EXPECT_MAPPED(3, 8 * PAGE);
	ASSERT_EQ(vm_map(self->fd, self->vm, other, CTX_VA, 8 * PAGE), 0);
	EXPECT_MAPPED(1, 8 * PAGE);
}

TEST_F(vm, large_mappings)
{
	ASSERT_EQ(vm_map(self->fd, self->vm, self->bo, BLOCK, BO_SIZE), 0);
	EXPECT_MAPPED(1, BO_SIZE);
	ASSERT_EQ(vm_unmap(self->fd, self->vm, BLOCK + MIB, BLOCK), 0);
	EXPECT_MAPPED(2, BO_SIZE - BLOCK);
}

TEST_F(vm, an_array_is_done_in_order)
{
	struct drm_npu_vm_bind_op ops[] = {
		map_op(self->bo, CTX_VA, 8 * PAGE, 0),
		unmap_op(CTX_VA, 4 * PAGE),
		map_op(self->bo, CTX_VA + PAGE, PAGE, 0),
		map_op(self->bo, CTX_VA + 4 * PAGE, 2 * PAGE, MIB),
	};

	ASSERT_EQ(vm_bind_ops(self->fd, self->vm, ops, 4), 0);
	EXPECT_MAPPED(3, 5 * PAGE);
}

TEST_F(vm, an_array_with_an_error_changes_nothing)
{
	struct drm_npu_vm_bind_op ops[] = {
		map_op(self->bo, CTX_VA, 8 * PAGE, 0),
		map_op(77, CTX_VA + MIB, PAGE, 0),
	};

	ASSERT_EQ(vm_map(self->fd, self->vm, self->bo, CTX_VA + PAGE, PAGE), 0);
	EXPECT_EQ(vm_bind_ops(self->fd, self->vm, ops, 2), -ENOENT);
	EXPECT_MAPPED(1, PAGE);
}

TEST_F(vm, an_empty_array_does_nothing)
{
	EXPECT_EQ(vm_bind_ops(self->fd, self->vm, NULL, 0), 0);
	EXPECT_EQ(vm_bind_ops(self->fd, 77, NULL, 0), -ENOENT);
}

TEST_F(vm, a_thousand_operations_at_once)
{
	struct drm_npu_vm_bind_op *ops = calloc(1000, sizeof(*ops));
	int i;

	for (i = 0; i < 1000; i++)
		ops[i] = map_op(self->bo, CTX_VA + 2 * i * PAGE, PAGE, i * PAGE);
	ASSERT_EQ(vm_bind_ops(self->fd, self->vm, ops, 1000), 0);
	EXPECT_MAPPED(1000, 1000 * PAGE);
	ASSERT_EQ(vm_unmap(self->fd, self->vm, 0, 1ull << 40), 0);
	EXPECT_MAPPED(0, 0);
	free(ops);
}

TEST_F(vm, larger_elements_of_newer_programs_work)
{
	struct {
		struct drm_npu_vm_bind_op op;
		uint64_t future;
	} ops[2] = {
		{ map_op(self->bo, CTX_VA, PAGE, 0), 0 },
		{ map_op(self->bo, CTX_VA + PAGE, PAGE, 0), 0 },
	};
	struct drm_npu_vm_bind args = {
		.vm_id = self->vm,
		.ops = { .stride = sizeof(ops[0]), .count = 2, .ptr = (uintptr_t)ops },
	};

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_BIND, &args), 0);
	EXPECT_MAPPED(2, 2 * PAGE);
	ops[1].future = 1;
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_BIND, &args), -EINVAL);
}

TEST_F(vm, bind_refuses_a_small_stride)
{
	struct drm_npu_vm_bind_op op = map_op(self->bo, CTX_VA, PAGE, 0);
	struct drm_npu_vm_bind args = {
		.vm_id = self->vm, .ops = { .stride = 8, .count = 1, .ptr = (uintptr_t)&op },
	};

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_BIND, &args), -EINVAL);
	args.ops.stride = sizeof(op) + 4;
	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_BIND, &args), -EINVAL);
}

TEST_F(vm, bind_refuses_too_many_operations)
{
	struct drm_npu_vm_bind_op op = map_op(self->bo, CTX_VA, PAGE, 0);
	struct drm_npu_vm_bind args = {
		.vm_id = self->vm,
		.ops = { .stride = sizeof(op), .count = DRM_NPU_VM_BIND_MAX + 1,
			 .ptr = (uintptr_t)&op },
	};

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_BIND, &args), -E2BIG);
}

TEST_F(vm, bind_refuses_a_bad_pointer)
{
	struct drm_npu_vm_bind args = {
		.vm_id = self->vm,
		.ops = { .stride = sizeof(struct drm_npu_vm_bind_op), .count = 1, .ptr = 8 },
	};

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_BIND, &args), -EFAULT);
}

TEST_F(vm, bind_refuses_an_unknown_vm)
{
	EXPECT_EQ(vm_map(self->fd, 77, self->bo, CTX_VA, PAGE), -ENOENT);
}

TEST_F(vm, bind_refuses_an_unknown_buffer)
{
	EXPECT_EQ(vm_map(self->fd, self->vm, 77, CTX_VA, PAGE), -ENOENT);
}

TEST_F(vm, bind_refuses_an_unknown_flag)
{
	struct drm_npu_vm_bind args = { .vm_id = self->vm, .flags = 1u << 31 };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_BIND, &args), -EINVAL);
}

TEST_F(vm, bind_refuses_syncs_without_async)
{
	struct drm_npu_vm_bind args = { .vm_id = self->vm, .syncs = { .stride = 24, .count = 1 } };

	EXPECT_EQ(call(self->fd, DRM_IOCTL_NPU_VM_BIND, &args), -EINVAL);
}

TEST_F(vm, bind_refuses_an_unknown_type)
{
	struct drm_npu_vm_bind_op op = map_op(self->bo, CTX_VA, PAGE, 0);

	op.type = 9;
	EXPECT_EQ(bind_one(self->fd, op, self->vm), -EINVAL);
}

TEST_F(vm, bind_refuses_unknown_operation_flags)
{
	struct drm_npu_vm_bind_op op = map_op(self->bo, CTX_VA, PAGE, 0);

	op.flags = 1u << 31;
	EXPECT_EQ(bind_one(self->fd, op, self->vm), -EINVAL);
}

TEST_F(vm, bind_refuses_padding_and_reserved)
{
	struct drm_npu_vm_bind_op op = map_op(self->bo, CTX_VA, PAGE, 0);

	op.pad = 1;
	EXPECT_EQ(bind_one(self->fd, op, self->vm), -EINVAL);
	op.pad = 0;
	op.reserved = 1;
	EXPECT_EQ(bind_one(self->fd, op, self->vm), -EINVAL);
}

TEST_F(vm, bind_refuses_what_is_not_page_aligned)
{
	EXPECT_EQ(bind_one(self->fd, map_op(self->bo, CTX_VA + 1, PAGE, 0), self->vm), -EINVAL);
	EXPECT_EQ(bind_one(self->fd, map_op(self->bo, CTX_VA, PAGE + 1, 0), self->vm), -EINVAL);
	EXPECT_EQ(bind_one(self->fd, map_op(self->bo, CTX_VA, PAGE, 1), self->vm), -EINVAL);
	EXPECT_EQ(bind_one(self->fd, unmap_op(CTX_VA + 8, PAGE), self->vm), -EINVAL);
}

TEST_F(vm, bind_refuses_size_zero)
{
	EXPECT_EQ(bind_one(self->fd, map_op(self->bo, CTX_VA, 0, 0), self->vm), -EINVAL);
	EXPECT_EQ(bind_one(self->fd, unmap_op(CTX_VA, 0), self->vm), -EINVAL);
}

TEST_F(vm, bind_refuses_addresses_beyond_the_end)
{
	EXPECT_EQ(bind_one(self->fd, map_op(self->bo, 1ull << 48, PAGE, 0), self->vm), -EINVAL);
	EXPECT_EQ(bind_one(self->fd, map_op(self->bo, (1ull << 48) - PAGE, 2 * PAGE, 0), self->vm),
		  -EINVAL);
	EXPECT_EQ(bind_one(self->fd, unmap_op(~0ull & ~(PAGE - 1), PAGE), self->vm), -EINVAL);
}

TEST_F(vm, bind_refuses_ranges_beyond_the_buffer)
{
	EXPECT_EQ(bind_one(self->fd, map_op(self->bo, CTX_VA, BO_SIZE + PAGE, 0), self->vm),
		  -EINVAL);
	EXPECT_EQ(bind_one(self->fd, map_op(self->bo, CTX_VA, PAGE, BO_SIZE), self->vm), -EINVAL);
	EXPECT_EQ(bind_one(self->fd, map_op(self->bo, CTX_VA, PAGE, ~0ull & ~(PAGE - 1)), self->vm),
		  -EINVAL);
}

TEST_F(vm, unmap_refuses_what_belongs_to_map)
{
	struct drm_npu_vm_bind_op op = unmap_op(CTX_VA, PAGE);

	op.handle = self->bo;
	EXPECT_EQ(bind_one(self->fd, op, self->vm), -EINVAL);
	op = unmap_op(CTX_VA, PAGE);
	op.offset = PAGE;
	EXPECT_EQ(bind_one(self->fd, op, self->vm), -EINVAL);
	op = unmap_op(CTX_VA, PAGE);
	op.flags = DRM_NPU_VM_BIND_READONLY;
	EXPECT_EQ(bind_one(self->fd, op, self->vm), -EINVAL);
}

TEST_F(vm, private_buffers_stay_in_their_vm)
{
	uint32_t other = vm_create(self->fd), handle;

	ASSERT_EQ(bo_create_flags(self->fd, PAGE, 0, self->vm, &handle), 0);
	EXPECT_EQ(vm_map(self->fd, self->vm, handle, CTX_VA, PAGE), 0);
	EXPECT_EQ(vm_map(self->fd, other, handle, CTX_VA, PAGE), -EACCES);
}

TEST_F(vm, a_mapping_keeps_its_buffer)
{
	struct npu_stream_header *header;
	struct ctx ctx;
	uint32_t handle;
	char *p;

	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	handle = bo_create(self->fd, PAGE);
	p = bo_map(self->fd, handle, PAGE);
	ASSERT_NE(p, MAP_FAILED);
	strcpy(p, "kept");
	memory_sync(DRM_NPU_BO_SYNC_TO_DEVICE);
	ASSERT_EQ(vm_map(self->fd, ctx.vm, handle, CTX_VA + CTX_SIZE, PAGE), 0);
	munmap(p, PAGE);
	ASSERT_EQ(bo_close(self->fd, handle), 0);

	ctx_bases(&ctx)[1] = (struct npu_base) { .va = CTX_VA + CTX_SIZE, .size = PAGE };
	header = stream_begin(&ctx, 0);
	stream_add_copy(header, 1, 0, 0, 0, 5);
	EXPECT_EQ(stream_run(&ctx, header, 2), 1);
	EXPECT_STREQ((char *)ctx_data(&ctx), "kept");
}

/* Copies one byte of each page of a range to the data of a context. */
static int read_pages(struct ctx *ctx, uint64_t va, unsigned int pages)
{
	struct npu_stream_header *header = stream_begin(ctx, 0);
	struct npu_cmd_copy copy = {
		.cmd = { NPU_OP_COPY, 0, sizeof(copy) },
		.in = { .type = NPU_TYPE_S8, .rank = 1, .base = 1, .dim = { pages },
			.stride = { PAGE } },
		.out = { .type = NPU_TYPE_S8, .rank = 1, .base = 0, .dim = { pages },
			 .stride = { 1 } },
	};

	ctx_bases(ctx)[1] = (struct npu_base) { .va = va, .size = pages * PAGE };
	stream_add(header, &copy);
	return stream_run(ctx, header, 2);
}

TEST_F(vm, the_device_sees_every_page_of_a_split_block)
{
	uint64_t va = 64 * MIB;
	struct ctx ctx;
	uint8_t *p;
	unsigned int i;

	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	p = bo_map(self->fd, self->bo, BO_SIZE);
	ASSERT_NE(p, MAP_FAILED);
	for (i = 0; i < BO_SIZE / PAGE; i++)
		p[i * PAGE] = i * 7 + i / 256;

	ASSERT_EQ(vm_map(self->fd, ctx.vm, self->bo, va, BO_SIZE), 0);
	ASSERT_EQ(read_pages(&ctx, va, BO_SIZE / PAGE), 1);
	for (i = 0; i < BO_SIZE / PAGE; i++)
		ASSERT_EQ((uint8_t)ctx_data(&ctx)[i], p[i * PAGE]);

	/* A hole in the middle; all other pages are as before. */
	ASSERT_EQ(vm_unmap(self->fd, ctx.vm, va + MIB, PAGE), 0);
	memset(ctx_data(&ctx), 0, PAGE);
	ASSERT_EQ(read_pages(&ctx, va, 256), 1);
	ASSERT_EQ(memcmp(ctx_data(&ctx), "\0\7\16", 3), 0);
	ASSERT_EQ(read_pages(&ctx, va + MIB + PAGE, 500), 1);
	for (i = 0; i < 500; i++)
		ASSERT_EQ((uint8_t)ctx_data(&ctx)[i], p[(257 + i) * PAGE]);
	EXPECT_EQ(read_pages(&ctx, va, 257), -EFAULT);
}

TEST_F(vm, a_remapped_page_is_seen_at_once)
{
	uint32_t pages[2] = { bo_create(self->fd, PAGE), bo_create(self->fd, PAGE) };
	struct ctx ctx;
	int i;

	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	for (i = 0; i < 2; i++)
		*(uint8_t *)bo_map(self->fd, pages[i], PAGE) = 100 + i;
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(vm_map(self->fd, ctx.vm, pages[i % 2], 64 * MIB, PAGE), 0);
		ASSERT_EQ(read_pages(&ctx, 64 * MIB, 1), 1);
		ASSERT_EQ(ctx_data(&ctx)[0], 100 + i % 2);
	}
}

TEST_F(vm, a_queue_keeps_its_vm)
{
	struct npu_stream_header *header;
	struct ctx ctx;

	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	ASSERT_EQ(vm_destroy(self->fd, ctx.vm), 0);
	header = stream_begin(&ctx, 0);
	stream_add_nop(header);
	EXPECT_EQ(stream_run(&ctx, header, 0), 1);
}

TEST_F(vm, binding_while_jobs_run)
{
	struct ctx ctx;
	int i;

	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	ASSERT_EQ(submit_one(self->fd, ctx.queue, work_job(&ctx, 50), ctx.syncobj), 0);
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(vm_map(self->fd, ctx.vm, self->bo, 64 * MIB, BO_SIZE), 0);
		ASSERT_EQ(vm_unmap(self->fd, ctx.vm, 64 * MIB + i * PAGE, MIB), 0);
	}
	EXPECT_EQ(job_result(self->fd, ctx.syncobj), 1);
}

TEST_F(vm, the_same_mapping_again_is_not_felt)
{
	struct drm_npu_job job;
	struct ctx ctx;
	int i;

	ASSERT_EQ(ctx_init(&ctx, self->fd), 0);
	job = work_job_for(&ctx, 300);
	ASSERT_EQ(submit_one(self->fd, ctx.queue, job, ctx.syncobj), 0);
	/* The memory that the job works on. */
	for (i = 0; i < 300; i++)
		ASSERT_EQ(vm_map(self->fd, ctx.vm, ctx.bo, CTX_VA, CTX_SIZE), 0);
	EXPECT_EQ(job_result(self->fd, ctx.syncobj), 1);
	/* Another permission is another mapping. */
	ASSERT_EQ(vm_map_flags(self->fd, ctx.vm, ctx.bo, CTX_VA, CTX_SIZE, 0,
			       DRM_NPU_VM_BIND_READONLY), 0);
	EXPECT_EQ(submit_one(self->fd, ctx.queue, job, ctx.syncobj), 0);
	EXPECT_EQ(job_result(self->fd, ctx.syncobj), -EFAULT);
}

static void *bind_forever(void *arg)
{
	uint32_t *a = arg;
	long bad = 0;
	int i;

	for (i = 0; i < 300; i++) {
		bad += !!vm_map(a[0], a[1], a[2], (uint64_t)a[3] * MIB, MIB);
		bad += !!vm_unmap(a[0], a[1], (uint64_t)a[3] * MIB + PAGE, 16 * PAGE);
	}
	return (void *)bad;
}

TEST_F(vm, binding_from_many_threads)
{
	uint32_t args[4][4];
	pthread_t threads[4];
	void *bad;
	int i;

	for (i = 0; i < 4; i++) {
		uint32_t a[4] = { self->fd, self->vm, self->bo, 64 + i };

		memcpy(args[i], a, sizeof(a));
		ASSERT_EQ(pthread_create(&threads[i], NULL, bind_forever, args[i]), 0);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &bad);
		EXPECT_EQ(bad, NULL);
	}
	EXPECT_MAPPED(8, 4 * (MIB - 16 * PAGE));
}

TEST_HARNESS_MAIN

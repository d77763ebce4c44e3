// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces: whatever VM_BIND splits, replaces and keeps, the device finds
 * the right memory at each address, and only there.
 */
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include <drm/drm_file.h>

#include "npu_bind.h"
#include "npu_client.h"
#include "npu_drv.h"
#include "npu_gem.h"
#include "npu_kunit.h"
#include "npu_vm.h"

#define VM_BOS		2
#define VM_BO_SIZE	SZ_4M
#define VM_DMA		0x4200000000ull
#define VM_PAGES	(SZ_8M / SZ_4K)
#define VM_ROUNDS	150
#define VM_OPS		4

/**
 * struct vm_test - address space under test, and what is to be in it
 * @test: test
 * @fake: device
 * @file: whose handles the operations name
 * @bo: buffers: one of pages, and one that pretends to be contiguous
 * @handle: of @bo
 * @sgt: of the second buffer in truth
 * @segment: of the second buffer as the driver sees it
 * @contiguous: the same
 * @rnd: for the random test
 * @va: of the first page of @shadow
 * @shadow: what each page is to translate to
 */
struct vm_test {
	struct kunit *test;
	struct fake_npu *fake;
	struct drm_file *file;
	struct npu_bo *bo[VM_BOS];
	u32 handle[VM_BOS];
	struct sg_table *sgt;
	struct scatterlist segment;
	struct sg_table contiguous;
	struct rnd_state rnd;
	u64 va;
	u64 shadow[VM_PAGES];
};

/* As much of a file as handles need. */
static void vm_create_file(struct vm_test *vm)
{
	struct npu_file *nf = kunit_kzalloc(vm->test, sizeof(*nf), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(vm->test, nf);
	nf->client = npu_client_create();
	KUNIT_ASSERT_NOT_NULL(vm->test, nf->client);
	vm->file = kunit_kzalloc(vm->test, sizeof(*vm->file), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(vm->test, vm->file);
	vm->file->driver_priv = nf;
	idr_init_base(&vm->file->object_idr, 1);
	spin_lock_init(&vm->file->table_lock);
	mutex_init(&vm->file->prime.lock);
	vm->file->prime.dmabufs = RB_ROOT;
	vm->file->prime.handles = RB_ROOT;
}

static void vm_create_bo(struct vm_test *vm, unsigned int i)
{
	struct drm_npu_bo_create args = { .size = VM_BO_SIZE };
	int ret = npu_bo_create_ioctl(&vm->fake->npu->drm, &args, vm->file);

	KUNIT_ASSERT_EQ(vm->test, ret, 0);
	vm->handle[i] = args.handle;
	vm->bo[i] = to_npu_bo(drm_gem_object_lookup(vm->file, args.handle));
}

static int vm_init(struct kunit *test)
{
	struct vm_test *vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, vm);
	vm->test = test;
	vm->fake = fake_create(test);
	KUNIT_ASSERT_EQ(test, fake_probe(vm->fake), 0);
	vm_create_file(vm);
	for (i = 0; i < VM_BOS; i++)
		vm_create_bo(vm, i);
	sg_init_table(&vm->segment, 1);
	sg_dma_address(&vm->segment) = VM_DMA;
	sg_dma_len(&vm->segment) = VM_BO_SIZE;
	vm->contiguous = (struct sg_table) { .sgl = &vm->segment, .nents = 1, .orig_nents = 1 };
	vm->sgt = vm->bo[1]->sgt;
	vm->bo[1]->sgt = &vm->contiguous;
	/* Across tables of all levels. */
	vm->va = (1ull << NPU_PT_SHIFT(3)) - SZ_4M;
	test->priv = vm;
	return 0;
}

static void vm_exit(struct kunit *test)
{
	struct vm_test *vm = test->priv;
	struct npu_client *client = to_npu_file(vm->file)->client;
	unsigned int i;

	fake_hold(vm->fake, 0);
	vm->bo[1]->sgt = vm->sgt;
	for (i = 0; i < VM_BOS; i++) {
		if (vm->handle[i])
			drm_gem_handle_delete(vm->file, vm->handle[i]);
		drm_gem_object_put(&vm->bo[i]->base);
	}
	idr_destroy(&vm->file->object_idr);
	mutex_destroy(&vm->file->prime.lock);
	test->priv = vm->fake;
	fake_exit(test);
	KUNIT_EXPECT_EQ(test, client->bytes, 0);
	KUNIT_EXPECT_EQ(test, client->buffers, 0);
	npu_client_put(client);
}

static int vm_bind(struct vm_test *vm, const struct drm_npu_vm_bind_op *ops, u32 count)
{
	return npu_vm_bind(vm->fake->vm, vm->file, ops, count);
}

static int vm_map(struct vm_test *vm, unsigned int bo, u64 offset, u64 page, u64 pages, u32 flags)
{
	const struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_MAP,
		.flags = flags,
		.handle = vm->handle[bo],
		.va = vm->va + page * SZ_4K,
		.size = pages * SZ_4K,
		.offset = offset * SZ_4K,
	};

	return vm_bind(vm, &op, 1);
}

static int vm_unmap(struct vm_test *vm, u64 page, u64 pages)
{
	const struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_UNMAP,
		.va = vm->va + page * SZ_4K,
		.size = pages * SZ_4K,
	};

	return vm_bind(vm, &op, 1);
}

/* ---- What is there ------------------------------------------------------------------- */

/* What a page of a buffer translates to, from its pages instead of its sg table. */
static u64 vm_page(struct vm_test *vm, unsigned int bo, u64 page, u32 flags)
{
	u64 dma = VM_DMA + page * SZ_4K;

	if (!bo)
		dma = phys_to_dma(vm->fake->dev, page_to_phys(vm->bo[0]->pages[page]));
	return dma | NPU_PTE_READ | (flags & DRM_NPU_VM_BIND_READONLY ? 0 : NPU_PTE_WRITE);
}

static void vm_shadow(struct vm_test *vm, const struct drm_npu_vm_bind_op *op)
{
	u64 first = (op->va - vm->va) / SZ_4K;
	u64 i;

	for (i = 0; i < op->size / SZ_4K; i++) {
		vm->shadow[first + i] = 0;
		if (op->type == DRM_NPU_VM_BIND_MAP)
			vm->shadow[first + i] = vm_page(vm, op->handle == vm->handle[1],
							op->offset / SZ_4K + i, op->flags);
	}
}

static u64 vm_translate(struct vm_test *vm, u64 page, unsigned int *level)
{
	return fake_translate(vm->fake, npu_pt_root(&vm->fake->vm->pt), vm->va + page * SZ_4K,
			      level);
}

/* Page tables, counters and the tree of mappings all agree with the shadow. */
static void vm_check(struct vm_test *vm)
{
	u64 i, mapped = 0, mappings = 0, covered = 0;
	struct npu_vm *space = vm->fake->vm;
	struct drm_gpuva *va;
	unsigned int level;

	for (i = 0; i < VM_PAGES; i++) {
		KUNIT_ASSERT_EQ(vm->test, vm_translate(vm, i, &level), vm->shadow[i]);
		mapped += vm->shadow[i] ? SZ_4K : 0;
	}
	drm_gpuvm_for_each_va(va, &space->gpuvm) {
		mappings++;
		covered += va->va.range;
	}
	KUNIT_ASSERT_EQ(vm->test, space->mapped, mapped);
	KUNIT_ASSERT_EQ(vm->test, covered, mapped);
	KUNIT_ASSERT_EQ(vm->test, space->mappings, mappings);
	fake_count_tables(vm->fake, npu_pt_root(&space->pt), NPU_PT_LEVELS - 1);
}

static u32 vm_random(struct vm_test *vm, u32 below)
{
	return prandom_u32_state(&vm->rnd) % below;
}

/* Aligned to blocks rather often, and mapped where it was before too. */
static struct drm_npu_vm_bind_op vm_random_op(struct vm_test *vm)
{
	u32 unit = vm_random(vm, 3) ? 1 : SZ_2M / SZ_4K;
	u32 size = (vm_random(vm, VM_BO_SIZE / SZ_4K / unit) + 1) * unit;
	u32 page = vm_random(vm, (VM_PAGES - size) / unit + 1) * unit;
	struct drm_npu_vm_bind_op op = {
		.type = DRM_NPU_VM_BIND_UNMAP,
		.va = vm->va + page * SZ_4K,
		.size = size * SZ_4K,
	};

	if (vm_random(vm, 4)) {
		op.type = DRM_NPU_VM_BIND_MAP;
		op.flags = vm_random(vm, 4) ? 0 : DRM_NPU_VM_BIND_READONLY;
		op.handle = vm->handle[vm_random(vm, 3) != 0];
		op.offset = (u64)page * SZ_4K % VM_BO_SIZE;
		if (op.offset + op.size > VM_BO_SIZE)
			op.offset = VM_BO_SIZE - op.size;
	}
	return op;
}

static void vm_test_random(struct kunit *test)
{
	struct drm_npu_vm_bind_op op[VM_OPS];
	struct vm_test *vm = test->priv;
	u64 seed = get_random_u64();
	u32 i, n, count;

	kunit_info(test, "seed %#llx\n", seed);
	prandom_seed_state(&vm->rnd, seed);
	for (i = 0; i < VM_ROUNDS; i++) {
		count = vm_random(vm, VM_OPS) + 1;
		for (n = 0; n < count; n++) {
			op[n] = vm_random_op(vm);
			vm_shadow(vm, &op[n]);
		}
		KUNIT_ASSERT_EQ(test, vm_bind(vm, op, count), 0);
		vm_check(vm);
	}
	KUNIT_EXPECT_EQ(test, vm_unmap(vm, 0, VM_PAGES), 0);
	memset(vm->shadow, 0, sizeof(vm->shadow));
	vm_check(vm);
	KUNIT_EXPECT_EQ(test, vm->fake->vm->mappings, 0);
	KUNIT_EXPECT_EQ(test, fake_count_tables(vm->fake, npu_pt_root(&vm->fake->vm->pt), 3), 0);
}

/* ---- Splits ------------------------------------------------------------------------------ */

struct vm_split {
	const char *name;
	u32 page;
	u32 pages;
	u32 mappings;
};

/* Out of one mapping of pages 512 to 1535. */
static const struct vm_split vm_splits[] = {
	{ "head", 512, 1, 1 },
	{ "tail", 1535, 1, 1 },
	{ "middle", 1000, 100, 2 },
	{ "all", 512, 1024, 0 },
	{ "over the head", 500, 20, 1 },
	{ "over the tail", 1530, 20, 1 },
	{ "over both", 0, 2048, 0 },
	{ "beside", 0, 512, 1 },
};

static void vm_split_name(const struct vm_split *split, char *name)
{
	strscpy(name, split->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(vm_split, vm_splits, vm_split_name);

static void vm_test_unmap(struct kunit *test)
{
	const struct vm_split *split = test->param_value;
	struct vm_test *vm = test->priv;
	u32 i;

	KUNIT_EXPECT_EQ(test, vm_map(vm, 1, 0, 512, 1024, 0), 0);
	for (i = 0; i < 1024; i++)
		vm->shadow[512 + i] = vm_page(vm, 1, i, 0);
	vm_check(vm);
	KUNIT_EXPECT_EQ(test, vm_unmap(vm, split->page, split->pages), 0);
	memset64(vm->shadow + split->page, 0, split->pages);
	vm_check(vm);
	KUNIT_EXPECT_EQ(test, vm->fake->vm->mappings, split->mappings);
}

/* The same with another buffer in its place, read-only. */
static void vm_test_replace(struct kunit *test)
{
	const struct vm_split *split = test->param_value;
	u32 i, pages = min(split->pages, 1024);
	struct vm_test *vm = test->priv;

	KUNIT_EXPECT_EQ(test, vm_map(vm, 1, 0, 512, 1024, 0), 0);
	for (i = 0; i < 1024; i++)
		vm->shadow[512 + i] = vm_page(vm, 1, i, 0);
	KUNIT_EXPECT_EQ(test, vm_map(vm, 0, 0, split->page, pages, DRM_NPU_VM_BIND_READONLY), 0);
	for (i = 0; i < pages; i++)
		vm->shadow[split->page + i] = vm_page(vm, 0, i, DRM_NPU_VM_BIND_READONLY);
	vm_check(vm);
}

static u32 vm_tlb_seq(struct vm_test *vm)
{
	return fake_get(vm->fake, NPU_REG_TLB_SEQ);
}

static void vm_test_same_again(struct kunit *test)
{
	const struct vm_split *split = test->param_value;
	u32 first = max(split->page, 512u), last = min(split->page + split->pages, 1536u);
	struct vm_test *vm = test->priv;
	u32 i, seq;

	KUNIT_EXPECT_EQ(test, vm_map(vm, 1, 0, 512, 1024, 0), 0);
	for (i = 0; i < 1024; i++)
		vm->shadow[512 + i] = vm_page(vm, 1, i, 0);
	seq = vm_tlb_seq(vm);
	if (first < last)
		KUNIT_EXPECT_EQ(test, vm_map(vm, 1, first - 512, first, last - first, 0), 0);
	vm_check(vm);
	/* Running jobs see no difference. */
	KUNIT_EXPECT_EQ(test, vm_tlb_seq(vm), seq);

	/* Each of the parts goes by itself, whatever blocks they were made of. */
	KUNIT_EXPECT_EQ(test, vm_unmap(vm, 512, 1024), 0);
	memset(vm->shadow, 0, sizeof(vm->shadow));
	vm_check(vm);
}

static void vm_test_invalidation(struct kunit *test)
{
	struct vm_test *vm = test->priv;
	u32 seq = vm_tlb_seq(vm);

	/* A mapping where there was none needs none; all else does. */
	KUNIT_EXPECT_EQ(test, vm_map(vm, 0, 0, 0, 16, 0), 0);
	KUNIT_EXPECT_EQ(test, vm_tlb_seq(vm), seq);
	KUNIT_EXPECT_EQ(test, vm_map(vm, 0, 0, 0, 16, DRM_NPU_VM_BIND_READONLY), 0);
	KUNIT_EXPECT_EQ(test, vm_tlb_seq(vm), seq + 1);
	KUNIT_EXPECT_EQ(test, vm_unmap(vm, 3, 2), 0);
	KUNIT_EXPECT_EQ(test, vm_tlb_seq(vm), seq + 2);
	KUNIT_EXPECT_EQ(test, fake_get(vm->fake, NPU_REG_TLB_ASID), vm->fake->vm->pt.asid);
	KUNIT_EXPECT_EQ(test, fake_get(vm->fake, NPU_REG_TLB_VA_LO),
			lower_32_bits(vm->va + 3 * SZ_4K));
	KUNIT_EXPECT_EQ(test, fake_get(vm->fake, NPU_REG_TLB_VA_HI), upper_32_bits(vm->va));
	KUNIT_EXPECT_EQ(test, fake_get(vm->fake, NPU_REG_TLB_PAGES), 2);
	KUNIT_EXPECT_EQ(test, vm_unmap(vm, 100, 2), 0);
	KUNIT_EXPECT_EQ(test, vm_tlb_seq(vm), seq + 2);
}

/* ---- Errors --------------------------------------------------------------------------------- */

struct vm_error {
	const char *name;
	struct drm_npu_vm_bind_op op;
	int error;
};

#define VM_MAP(...)	{ .type = DRM_NPU_VM_BIND_MAP, .size = SZ_4K, __VA_ARGS__ }
#define VM_UNMAP(...)	{ .type = DRM_NPU_VM_BIND_UNMAP, .size = SZ_4K, __VA_ARGS__ }

/* Handle 1 is a buffer. */
static const struct vm_error vm_errors[] = {
	{ "type", { .type = 77, .size = SZ_4K }, -EINVAL },
	{ "user memory with a handle",
	  { .type = DRM_NPU_VM_BIND_MAP_USERPTR, .handle = 1, .size = SZ_4K }, -EINVAL },
	{ "handle", VM_MAP(.handle = 99), -ENOENT },
	{ "flags", VM_MAP(.handle = 1, .flags = ~0u), -EINVAL },
	{ "padding", VM_MAP(.handle = 1, .pad = 1), -EINVAL },
	{ "reserved", VM_MAP(.handle = 1, .reserved = 1), -EINVAL },
	{ "no size", { .type = DRM_NPU_VM_BIND_MAP, .handle = 1 }, -EINVAL },
	{ "size", { .type = DRM_NPU_VM_BIND_MAP, .handle = 1, .size = SZ_4K + 1 }, -EINVAL },
	{ "va", VM_MAP(.handle = 1, .va = 8), -EINVAL },
	{ "offset", VM_MAP(.handle = 1, .offset = 64), -EINVAL },
	{ "beyond the buffer", VM_MAP(.handle = 1, .offset = VM_BO_SIZE), -EINVAL },
	{ "end beyond the buffer",
	  { .type = DRM_NPU_VM_BIND_MAP, .handle = 1, .size = VM_BO_SIZE + SZ_4K }, -EINVAL },
	{ "offset wraps", VM_MAP(.handle = 1, .offset = -SZ_4K), -EINVAL },
	{ "beyond the last address", VM_MAP(.handle = 1, .va = 1ull << 48), -EINVAL },
	{ "va wraps", VM_MAP(.handle = 1, .va = -SZ_4K), -EINVAL },
	{ "unmap flags", VM_UNMAP(.flags = 1), -EINVAL },
	{ "unmap handle", VM_UNMAP(.handle = 1), -EINVAL },
	{ "unmap offset", VM_UNMAP(.offset = SZ_4K), -EINVAL },
};

static void vm_error_name(const struct vm_error *error, char *name)
{
	strscpy(name, error->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(vm_error, vm_errors, vm_error_name);

/* The last operation fails: the ones before have not happened. */
static void vm_test_error(struct kunit *test)
{
	const struct vm_error *error = test->param_value;
	struct vm_test *vm = test->priv;
	struct drm_npu_vm_bind_op ops[3] = {
		{ .type = DRM_NPU_VM_BIND_UNMAP, .va = vm->va, .size = SZ_64K },
		{ .type = DRM_NPU_VM_BIND_MAP, .handle = vm->handle[1], .va = vm->va + SZ_2M,
		  .size = SZ_2M },
		error->op,
	};
	unsigned int refs;
	u32 i;

	KUNIT_ASSERT_EQ(test, vm->handle[0], 1);
	KUNIT_EXPECT_EQ(test, vm_map(vm, 0, 0, 0, 16, 0), 0);
	for (i = 0; i < 16; i++)
		vm->shadow[i] = vm_page(vm, 0, i, 0);
	refs = kref_read(&vm->bo[1]->base.refcount);
	KUNIT_EXPECT_EQ(test, vm_bind(vm, ops, 3), error->error);
	vm_check(vm);
	KUNIT_EXPECT_EQ(test, kref_read(&vm->bo[1]->base.refcount), refs);
}

static void vm_test_gone(struct kunit *test)
{
	struct vm_test *vm = test->priv;

	fake_set_gone(vm->fake);
	fake_irq(vm->fake, 0);
	fake_settle(vm->fake);
	KUNIT_EXPECT_EQ(test, vm_map(vm, 0, 0, 0, 16, 0), -ENODEV);
}

/* ---- Buffers ------------------------------------------------------------------ */

static unsigned int vm_bo_refs(struct vm_test *vm, unsigned int bo)
{
	return kref_read(&vm->bo[bo]->base.refcount);
}

static void vm_test_keeps_buffer(struct kunit *test)
{
	struct vm_test *vm = test->priv;
	unsigned int refs = vm_bo_refs(vm, 0);

	/* One reference of buffer and VM, however many mappings there are. */
	KUNIT_EXPECT_EQ(test, vm_map(vm, 0, 0, 0, 16, 0), 0);
	KUNIT_EXPECT_EQ(test, vm_map(vm, 0, 0, 512, 16, 0), 0);
	KUNIT_EXPECT_EQ(test, vm_unmap(vm, 4, 4), 0);
	KUNIT_EXPECT_EQ(test, vm->fake->vm->mappings, 3);
	KUNIT_EXPECT_EQ(test, vm_bo_refs(vm, 0), refs + 1);
	KUNIT_EXPECT_EQ(test, vm_unmap(vm, 0, 16), 0);
	KUNIT_EXPECT_EQ(test, vm_bo_refs(vm, 0), refs + 1);
	KUNIT_EXPECT_EQ(test, vm_map(vm, 1, 0, 512, 16, 0), 0);
	KUNIT_EXPECT_EQ(test, vm_bo_refs(vm, 0), refs);
}

static void vm_test_destroy(struct kunit *test)
{
	struct vm_test *vm = test->priv;
	unsigned int refs = vm_bo_refs(vm, 0);
	u32 seq = vm_tlb_seq(vm);

	KUNIT_EXPECT_EQ(test, vm_map(vm, 0, 0, 0, 16, 0), 0);
	KUNIT_EXPECT_EQ(test, vm_map(vm, 0, 0, 512, 16, 0), 0);
	npu_vm_put(vm->fake->vm);
	vm->fake->vm = NULL;
	KUNIT_EXPECT_EQ(test, vm_bo_refs(vm, 0), refs);
	KUNIT_EXPECT_EQ(test, vm_tlb_seq(vm), seq + 1);
	KUNIT_EXPECT_EQ(test, fake_get(vm->fake, NPU_REG_TLB_PAGES), 0);
}

struct vm_unmapper {
	struct work_struct work;
	struct vm_test *vm;
};

static void vm_unmap_work(struct work_struct *work)
{
	struct vm_unmapper *unmapper = container_of(work, struct vm_unmapper, work);

	KUNIT_EXPECT_EQ(unmapper->vm->test, vm_unmap(unmapper->vm, 0, 16), 0);
}

/* The device may still read through the old translation: the buffer has to stay. */
static void vm_test_buffer_outlives_access(struct kunit *test)
{
	struct vm_test *vm = test->priv;
	unsigned int refs = vm_bo_refs(vm, 0);
	struct vm_unmapper unmapper = { .vm = vm };
	unsigned int level;

	KUNIT_EXPECT_EQ(test, vm_map(vm, 0, 0, 0, 16, 0), 0);
	fake_hold(vm->fake, FAKE_HOLD_TLB);
	INIT_WORK_ONSTACK(&unmapper.work, vm_unmap_work);
	queue_work(system_unbound_wq, &unmapper.work);
	msleep(50);
	KUNIT_EXPECT_EQ(test, vm_translate(vm, 0, &level), 0);
	KUNIT_EXPECT_EQ(test, vm_bo_refs(vm, 0), refs + 1);
	fake_set(vm->fake, NPU_REG_TLB_DONE, vm_tlb_seq(vm));
	flush_work(&unmapper.work);
	destroy_work_on_stack(&unmapper.work);
	KUNIT_EXPECT_EQ(test, vm_bo_refs(vm, 0), refs);
}

struct vm_import {
	const char *name;
	u64 dma;
	u32 size;
};

/* What an exporter may say of a buffer of 64 KiB. */
static const struct vm_import vm_imports[] = {
	{ "address", VM_DMA + 64, SZ_64K },
	{ "length", VM_DMA, SZ_64K + 64 },
	{ "too short", VM_DMA, SZ_64K - SZ_4K },
	{ "empty", VM_DMA, 0 },
};

static void vm_import_name(const struct vm_import *import, char *name)
{
	strscpy(name, import->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(vm_import, vm_imports, vm_import_name);

static void vm_test_import(struct kunit *test)
{
	const struct vm_import *import = test->param_value;
	struct vm_test *vm = test->priv;
	struct dma_buf dma_buf = { .size = SZ_64K };
	struct dma_buf_attachment attach = { .dmabuf = &dma_buf };
	struct drm_gem_object *obj;

	sg_dma_address(&vm->segment) = import->dma;
	sg_dma_len(&vm->segment) = import->size;
	obj = npu_gem_prime_import_sg_table(&vm->fake->npu->drm, &attach, &vm->contiguous);
	KUNIT_EXPECT_EQ(test, PTR_ERR(obj), -EINVAL);
}

static struct kunit_case vm_cases[] = {
	KUNIT_CASE_PARAM(vm_test_unmap, vm_split_gen_params),
	KUNIT_CASE_PARAM(vm_test_replace, vm_split_gen_params),
	KUNIT_CASE_PARAM(vm_test_same_again, vm_split_gen_params),
	KUNIT_CASE_SLOW(vm_test_random),
	KUNIT_CASE(vm_test_invalidation),
	KUNIT_CASE_PARAM(vm_test_error, vm_error_gen_params),
	KUNIT_CASE(vm_test_gone),
	KUNIT_CASE(vm_test_keeps_buffer),
	KUNIT_CASE(vm_test_destroy),
	KUNIT_CASE(vm_test_buffer_outlives_access),
	KUNIT_CASE_PARAM(vm_test_import, vm_import_gen_params),
	{ }
};

static struct kunit_suite vm_suite = {
	.name = "npu_vm",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = vm_cases,
};

kunit_test_suites(&vm_suite);

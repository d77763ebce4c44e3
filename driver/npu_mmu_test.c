// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables: what npu_mmu.c writes is read back by the fake device, which
 * finds its way from the root's bus address alone. The memory that is mapped
 * does not exist.
 */
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "npu_kunit.h"
#include "npu_mmu.h"
#include "npu_slot.h"

/* Where one more table of each level begins. */
#define MMU_EDGE	(1ull << NPU_PT_SHIFT(3))
#define MMU_DMA		0x4200000000ull
#define MMU_TOP		(1ull << NPU_PT_SHIFT(NPU_PT_LEVELS))
#define MMU_RO		NPU_PTE_READ
#define MMU_RW		(NPU_PTE_READ | NPU_PTE_WRITE)

/**
 * struct mmu - address space under test
 * @test: test
 * @fake: device
 * @pt: page tables
 */
struct mmu {
	struct kunit *test;
	struct fake_npu *fake;
	struct npu_pt pt;
};

static int mmu_init(struct kunit *test)
{
	struct mmu *mmu = kunit_kzalloc(test, sizeof(*mmu), GFP_KERNEL);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, mmu);
	mmu->test = test;
	mmu->fake = fake_create(test);
	ret = fake_probe(mmu->fake);
	if (!ret)
		ret = npu_pt_init(&mmu->pt, mmu->fake->npu);
	test->priv = mmu;
	return ret;
}

static void mmu_exit(struct kunit *test)
{
	struct mmu *mmu = test->priv;

	npu_pt_fini(&mmu->pt);
	KUNIT_EXPECT_NULL(test, mmu->pt.root);
	fake_hold(mmu->fake, 0);
	test->priv = mmu->fake;
	fake_exit(test);
}

/* Memory of one segment. */
static struct sg_table *mmu_memory(struct mmu *mmu, u64 dma, u64 size)
{
	struct sg_table *sgt = kunit_kzalloc(mmu->test, sizeof(*sgt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(mmu->test, sgt);
	sgt->sgl = kunit_kzalloc(mmu->test, sizeof(*sgt->sgl), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(mmu->test, sgt->sgl);
	sg_init_table(sgt->sgl, 1);
	sg_dma_address(sgt->sgl) = dma;
	sg_dma_len(sgt->sgl) = size;
	sgt->nents = 1;
	sgt->orig_nents = 1;
	return sgt;
}

/* Memory of many segments, of @size bytes each and @step apart. */
static struct sg_table *mmu_segments(struct mmu *mmu, u64 dma, u64 size, u64 step,
				     unsigned int count)
{
	struct sg_table *sgt = kunit_kzalloc(mmu->test, sizeof(*sgt), GFP_KERNEL);
	struct scatterlist *sg;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(mmu->test, sgt);
	sgt->sgl = kunit_kcalloc(mmu->test, count, sizeof(*sgt->sgl), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(mmu->test, sgt->sgl);
	sg_init_table(sgt->sgl, count);
	sgt->nents = count;
	sgt->orig_nents = count;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		sg_dma_address(sg) = dma + i * step;
		sg_dma_len(sg) = size;
	}
	return sgt;
}

/* All that a change does, as npu_vm_bind() does it. */
static void mmu_map(struct mmu *mmu, u64 va, u64 size, struct sg_table *sgt, u64 offset,
		    bool writable)
{
	struct npu_pt_pool pool;
	int ret;

	npu_pt_pool_init(&pool);
	ret = npu_pt_reserve_map(&mmu->pt, &pool, va, size);
	KUNIT_EXPECT_EQ(mmu->test, ret, 0);
	if (!ret)
		npu_pt_map(&mmu->pt, &pool, va, size, sgt, offset, writable);
	if (!list_empty(&pool.garbage))
		npu_tlb_invalidate(mmu->fake->npu, mmu->pt.asid, va, size);
	npu_pt_pool_fini(&mmu->pt, &pool);
}

static void mmu_unmap(struct mmu *mmu, u64 va, u64 size)
{
	struct npu_pt_pool pool;
	int ret;

	npu_pt_pool_init(&pool);
	ret = npu_pt_reserve_unmap(&mmu->pt, &pool, va, size);
	KUNIT_EXPECT_EQ(mmu->test, ret, 0);
	if (!ret) {
		npu_pt_unmap(&mmu->pt, &pool, va, size);
		npu_pt_prune(&mmu->pt, &pool, va, size);
	}
	npu_tlb_invalidate(mmu->fake->npu, mmu->pt.asid, va, size);
	npu_pt_pool_fini(&mmu->pt, &pool);
}

static u64 mmu_translate(struct mmu *mmu, u64 va, unsigned int *level)
{
	return fake_translate(mmu->fake, npu_pt_root(&mmu->pt), va, level);
}

/* Every page of the range translates to @dma and so on, in leaves of @level. */
static void mmu_expect(struct mmu *mmu, u64 va, u64 size, u64 dma, u64 flags, unsigned int level)
{
	unsigned int found;
	u64 a;

	for (a = 0; a < size; a += SZ_4K) {
		KUNIT_ASSERT_EQ(mmu->test, mmu_translate(mmu, va + a, &found), (dma + a) | flags);
		KUNIT_ASSERT_EQ(mmu->test, found, level);
	}
}

static void mmu_expect_hole(struct mmu *mmu, u64 va, u64 size)
{
	unsigned int level;
	u64 a;

	for (a = va; a < va + size; a += SZ_4K)
		KUNIT_ASSERT_EQ(mmu->test, mmu_translate(mmu, a, &level), 0);
}

static unsigned int mmu_tables(struct mmu *mmu)
{
	return fake_count_tables(mmu->fake, npu_pt_root(&mmu->pt), NPU_PT_LEVELS - 1);
}

/* ---- Map ------------------------------------------------------------------------ */

static void mmu_test_empty(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	unsigned int level;

	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 0);
	KUNIT_EXPECT_EQ(test, mmu_translate(mmu, 0, &level), 0);
	KUNIT_EXPECT_EQ(test, level, 3);
}

static void mmu_test_pages(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct sg_table *sgt = mmu_segments(mmu, MMU_DMA, SZ_4K, SZ_64K, 3);
	unsigned int i;

	mmu_map(mmu, SZ_1M, 3 * SZ_4K, sgt, 0, true);
	for (i = 0; i < 3; i++)
		mmu_expect(mmu, SZ_1M + i * SZ_4K, SZ_4K, MMU_DMA + i * SZ_64K, MMU_RW, 0);
	mmu_expect_hole(mmu, SZ_1M - SZ_4K, SZ_4K);
	mmu_expect_hole(mmu, SZ_1M + 3 * SZ_4K, SZ_4K);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), NPU_PT_LEVELS);
}

static void mmu_test_offset(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct sg_table *sgt = mmu_segments(mmu, MMU_DMA, SZ_16K, SZ_64K, 4);

	/* The last page of the second segment, the third one, and a page. */
	mmu_map(mmu, 0, 6 * SZ_4K, sgt, 7 * SZ_4K, true);
	mmu_expect(mmu, 0, SZ_4K, MMU_DMA + SZ_64K + 3 * SZ_4K, MMU_RW, 0);
	mmu_expect(mmu, SZ_4K, SZ_16K, MMU_DMA + 2 * SZ_64K, MMU_RW, 0);
	mmu_expect(mmu, 5 * SZ_4K, SZ_4K, MMU_DMA + 3 * SZ_64K, MMU_RW, 0);
	mmu_expect_hole(mmu, 6 * SZ_4K, SZ_4K);
}

static void mmu_test_readonly(struct kunit *test)
{
	struct mmu *mmu = test->priv;

	mmu_map(mmu, 0, SZ_2M + SZ_4K, mmu_memory(mmu, MMU_DMA, SZ_4M), 0, false);
	mmu_expect(mmu, 0, SZ_2M, MMU_DMA, MMU_RO, 1);
	mmu_expect(mmu, SZ_2M, SZ_4K, MMU_DMA + SZ_2M, MMU_RO, 0);
}

static void mmu_test_block(struct kunit *test)
{
	struct mmu *mmu = test->priv;

	mmu_map(mmu, SZ_4M, SZ_2M, mmu_memory(mmu, MMU_DMA, SZ_2M), 0, true);
	mmu_expect(mmu, SZ_4M, SZ_2M, MMU_DMA, MMU_RW, 1);
	mmu_expect_hole(mmu, SZ_2M, SZ_2M);
	mmu_expect_hole(mmu, SZ_4M + SZ_2M, SZ_2M);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 3);
}

static void mmu_test_block_by_offset(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct sg_table *sgt = mmu_memory(mmu, MMU_DMA - SZ_64K, SZ_4M);

	mmu_map(mmu, 0, SZ_2M, sgt, SZ_64K, true);
	mmu_expect(mmu, 0, SZ_2M, MMU_DMA, MMU_RW, 1);
}

static void mmu_test_block_between_pages(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct sg_table *sgt = mmu_memory(mmu, MMU_DMA - SZ_4K, SZ_8M);

	mmu_map(mmu, SZ_2M - SZ_4K, SZ_4M + SZ_8K, sgt, 0, true);
	mmu_expect(mmu, SZ_2M - SZ_4K, SZ_4K, MMU_DMA - SZ_4K, MMU_RW, 0);
	mmu_expect(mmu, SZ_2M, SZ_4M, MMU_DMA, MMU_RW, 1);
	mmu_expect(mmu, SZ_2M + SZ_4M, SZ_4K, MMU_DMA + SZ_4M, MMU_RW, 0);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 5);
}

static void mmu_test_no_block_for_va(struct kunit *test)
{
	struct mmu *mmu = test->priv;

	mmu_map(mmu, SZ_4K, SZ_2M, mmu_memory(mmu, MMU_DMA, SZ_4M), 0, true);
	mmu_expect(mmu, SZ_4K, SZ_2M, MMU_DMA, MMU_RW, 0);
}

static void mmu_test_no_block_for_dma(struct kunit *test)
{
	struct mmu *mmu = test->priv;

	mmu_map(mmu, 0, SZ_2M, mmu_memory(mmu, MMU_DMA + SZ_1M, SZ_4M), 0, true);
	mmu_expect(mmu, 0, SZ_2M, MMU_DMA + SZ_1M, MMU_RW, 0);
}

static void mmu_test_no_block_for_segment(struct kunit *test)
{
	struct mmu *mmu = test->priv;

	mmu_map(mmu, 0, SZ_2M, mmu_segments(mmu, MMU_DMA, SZ_1M, SZ_1M, 2), 0, true);
	mmu_expect(mmu, 0, SZ_2M, MMU_DMA, MMU_RW, 0);
}

static void mmu_test_block_for_table(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct sg_table *sgt = mmu_memory(mmu, MMU_DMA, SZ_2M);
	struct npu_pt_pool pool;

	/* In one change a table is emptied, and a block takes its place. */
	mmu_map(mmu, 0, SZ_4K, sgt, SZ_64K, true);
	npu_pt_pool_init(&pool);
	KUNIT_ASSERT_EQ(test, npu_pt_reserve_unmap(&mmu->pt, &pool, 0, SZ_4K), 0);
	KUNIT_ASSERT_EQ(test, npu_pt_reserve_map(&mmu->pt, &pool, 0, SZ_2M), 0);
	npu_pt_unmap(&mmu->pt, &pool, 0, SZ_4K);
	npu_pt_map(&mmu->pt, &pool, 0, SZ_2M, sgt, 0, true);
	npu_pt_prune(&mmu->pt, &pool, 0, SZ_4K);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&pool.garbage), 1);
	npu_pt_pool_fini(&mmu->pt, &pool);
	mmu_expect(mmu, 0, SZ_2M, MMU_DMA, MMU_RW, 1);
}

static void mmu_test_join(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct sg_table *sgt = mmu_memory(mmu, MMU_DMA, SZ_4M);
	u64 blocks, pages;

	mmu_map(mmu, 0, SZ_4M, sgt, 0, true);
	mmu_unmap(mmu, SZ_4K, SZ_4K);
	npu_pt_count(&mmu->pt, &blocks, &pages);
	KUNIT_EXPECT_EQ(test, blocks, 1);
	KUNIT_EXPECT_EQ(test, pages, 511);
	/* The same again, as a whole. */
	mmu_map(mmu, 0, SZ_4M, sgt, 0, true);
	mmu_expect(mmu, 0, SZ_4M, MMU_DMA, MMU_RW, 1);
	npu_pt_count(&mmu->pt, &blocks, &pages);
	KUNIT_EXPECT_EQ(test, blocks, 2);
	KUNIT_EXPECT_EQ(test, pages, 0);
	mmu_unmap(mmu, 0, SZ_4M);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 0);
}

static void mmu_test_across_tables(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct sg_table *sgt = mmu_memory(mmu, MMU_DMA, SZ_64K);

	mmu_map(mmu, MMU_EDGE - SZ_32K, SZ_64K, sgt, 0, true);
	mmu_expect(mmu, MMU_EDGE - SZ_32K, SZ_64K, MMU_DMA, MMU_RW, 0);
	/* Both sides share nothing but the root. */
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 7);
}

static void mmu_test_last_address(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct sg_table *sgt = mmu_memory(mmu, MMU_DMA - SZ_4K, SZ_2M + SZ_4K);

	mmu_map(mmu, MMU_TOP - SZ_2M - SZ_4K, SZ_2M + SZ_4K, sgt, 0, true);
	mmu_expect(mmu, MMU_TOP - SZ_2M, SZ_2M, MMU_DMA, MMU_RW, 1);
	mmu_unmap(mmu, MMU_TOP - SZ_4K, SZ_4K);
	mmu_expect(mmu, MMU_TOP - SZ_2M, SZ_2M - SZ_4K, MMU_DMA, MMU_RW, 0);
	mmu_unmap(mmu, MMU_TOP - SZ_2M - SZ_4K, SZ_2M + SZ_4K);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 0);
}

static void mmu_test_again(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct sg_table *sgt = mmu_memory(mmu, MMU_DMA, SZ_4M);

	/* VM_BIND keeps it; but a block belongs to one mapping as a whole. */
	mmu_map(mmu, 0, SZ_4M, sgt, 0, true);
	mmu_map(mmu, SZ_1M, SZ_4K, sgt, SZ_1M, true);
	mmu_map(mmu, SZ_2M - SZ_64K, SZ_128K, sgt, SZ_2M - SZ_64K, true);
	mmu_expect(mmu, 0, SZ_4M, MMU_DMA, MMU_RW, 0);
}

/* ---- Unmap -------------------------------------------------------------------------- */

struct mmu_split {
	const char *name;
	u64 va;
	u64 size;
};

/* Cut from blocks in [MMU_EDGE - 4 MiB, MMU_EDGE + 4 MiB). */
static const struct mmu_split mmu_splits[] = {
	{ "head", MMU_EDGE - SZ_4M, SZ_4K },
	{ "tail", MMU_EDGE + SZ_4M - SZ_4K, SZ_4K },
	{ "middle", MMU_EDGE + SZ_1M, SZ_64K },
	{ "block", MMU_EDGE - SZ_2M, SZ_2M },
	{ "block and head", MMU_EDGE - SZ_2M, SZ_2M + SZ_4K },
	{ "tail and block", MMU_EDGE - SZ_4K, SZ_4K + SZ_2M },
	{ "tail and head", MMU_EDGE - SZ_1M, SZ_2M },
	{ "all but the ends", MMU_EDGE - SZ_4M + SZ_4K, SZ_8M - SZ_8K },
	{ "all", MMU_EDGE - SZ_4M, SZ_8M },
	{ "beyond both ends", MMU_EDGE - SZ_4M - SZ_4K, SZ_8M + SZ_8K },
};

static void mmu_split_name(const struct mmu_split *split, char *name)
{
	strscpy(name, split->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(mmu_split, mmu_splits, mmu_split_name);

static void mmu_test_split(struct kunit *test)
{
	const struct mmu_split *split = test->param_value;
	struct mmu *mmu = test->priv;
	u64 va, first = MMU_EDGE - SZ_4M;
	unsigned int level;
	bool cut, edge;

	mmu_map(mmu, first, SZ_8M, mmu_memory(mmu, MMU_DMA, SZ_8M), 0, true);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 5);
	mmu_unmap(mmu, split->va, split->size);

	for (va = first; va < first + SZ_8M; va += SZ_4K) {
		cut = va >= split->va && va < split->va + split->size;
		KUNIT_ASSERT_EQ(test, mmu_translate(mmu, va, &level),
				cut ? 0 : (MMU_DMA + va - first) | MMU_RW);
		/* Only blocks that an end of the range cuts are split. */
		edge = ALIGN_DOWN(va, SZ_2M) < split->va + split->size &&
		       ALIGN_DOWN(va, SZ_2M) + SZ_2M > split->va;
		if (!cut)
			KUNIT_ASSERT_EQ(test, level, edge ? 0 : 1);
	}
	mmu_tables(mmu);

	mmu_unmap(mmu, first, SZ_8M);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 0);
}

static void mmu_test_prune(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct sg_table *sgt = mmu_memory(mmu, MMU_DMA, SZ_4K);

	mmu_map(mmu, 0, SZ_4K, sgt, 0, true);
	mmu_map(mmu, SZ_4K, SZ_4K, sgt, 0, true);
	mmu_map(mmu, SZ_2M, SZ_4K, sgt, 0, true);
	mmu_map(mmu, SZ_1G, SZ_4K, sgt, 0, true);
	mmu_map(mmu, MMU_EDGE, SZ_4K, sgt, 0, true);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 10);
	mmu_unmap(mmu, 0, SZ_4K);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 10);
	mmu_unmap(mmu, SZ_4K, SZ_4K);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 9);
	mmu_unmap(mmu, SZ_1G, SZ_4K);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 7);
	mmu_unmap(mmu, MMU_EDGE, SZ_4K);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 4);
	mmu_unmap(mmu, 0, SZ_4M);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 0);
}

static void mmu_test_unmap_nothing(struct kunit *test)
{
	struct mmu *mmu = test->priv;

	mmu_unmap(mmu, SZ_4K, SZ_1G);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 0);
	mmu_map(mmu, SZ_1M, SZ_4K, mmu_memory(mmu, MMU_DMA, SZ_4K), 0, true);
	mmu_unmap(mmu, SZ_1M + SZ_4K, SZ_1M);
	mmu_unmap(mmu, SZ_64K, SZ_64K);
	mmu_expect(mmu, SZ_1M, SZ_4K, MMU_DMA, MMU_RW, 0);
}

static void mmu_test_reserve(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct sg_table *sgt = mmu_memory(mmu, MMU_DMA, SZ_64K);
	struct npu_pt_pool pool;

	/* What is not used after all is given back, and changes nothing. */
	mmu_map(mmu, 0, SZ_4K, sgt, 0, true);
	npu_pt_pool_init(&pool);
	KUNIT_EXPECT_EQ(test, npu_pt_reserve_map(&mmu->pt, &pool, MMU_EDGE - SZ_4K, SZ_8K), 0);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&pool.leaf), 2);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&pool.inner), 4);
	KUNIT_EXPECT_EQ(test, mmu_tables(mmu), 4);
	/* What could become a block may be pages by then. */
	KUNIT_EXPECT_EQ(test, npu_pt_reserve_map(&mmu->pt, &pool, SZ_2M, SZ_2M), 0);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&pool.leaf), 3);
	npu_pt_pool_fini(&mmu->pt, &pool);
	KUNIT_EXPECT_TRUE(test, list_empty(&pool.leaf));
	KUNIT_EXPECT_TRUE(test, list_empty(&pool.inner));
	KUNIT_EXPECT_TRUE(test, list_empty(&pool.garbage));
	mmu_expect(mmu, 0, SZ_4K, MMU_DMA, MMU_RW, 0);
}

static void mmu_test_need(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct sg_table *pages = mmu_memory(mmu, MMU_DMA + SZ_4K, SZ_2M);
	struct sg_table *block = mmu_memory(mmu, MMU_DMA, SZ_2M);
	struct npu_pt_need need = {};
	struct npu_pt_pool pool;

	npu_pt_need_map(&mmu->pt, &need, 0, SZ_2M, block, 0);
	KUNIT_EXPECT_EQ(test, need.leaf, 0);
	KUNIT_EXPECT_EQ(test, need.inner, 2);
	npu_pt_need_map(&mmu->pt, &need, SZ_2M, SZ_2M, pages, 0);
	KUNIT_EXPECT_EQ(test, need.leaf, 1);
	KUNIT_EXPECT_EQ(test, need.inner, 4);
	npu_pt_pool_init(&pool);
	KUNIT_EXPECT_EQ(test, npu_pt_pool_fill(&mmu->pt, &pool, &need), 0);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&pool.leaf), 1);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&pool.inner), 4);
	npu_pt_pool_fini(&mmu->pt, &pool);

	/* What is there is not needed. */
	mmu_map(mmu, 0, SZ_4K, pages, 0, true);
	need = (struct npu_pt_need) {};
	npu_pt_need_map(&mmu->pt, &need, 0, SZ_2M, pages, 0);
	KUNIT_EXPECT_EQ(test, need.leaf, 0);
	KUNIT_EXPECT_EQ(test, need.inner, 0);
}

static void mmu_test_fini(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	u32 asid = mmu->pt.asid;
	struct npu_pt other;

	KUNIT_ASSERT_EQ(test, npu_pt_init(&other, mmu->fake->npu), 0);
	KUNIT_EXPECT_NE(test, other.asid, asid);
	KUNIT_EXPECT_NE(test, other.asid, 0);
	mmu_map(mmu, 0, SZ_4M, mmu_memory(mmu, MMU_DMA + SZ_1M, SZ_4M), 0, true);

	/* With all its tables; a second time is harmless, and the id is free. */
	npu_pt_fini(&mmu->pt);
	npu_pt_fini(&mmu->pt);
	npu_pt_fini(&other);
	KUNIT_ASSERT_EQ(test, npu_pt_init(&mmu->pt, mmu->fake->npu), 0);
	KUNIT_EXPECT_EQ(test, mmu->pt.asid, asid);
}

/* ---- Random changes -------------------------------------------------------------------- */

#define MMU_PAGES	(SZ_8M / SZ_4K)
#define MMU_ROUNDS	300

struct mmu_random {
	struct mmu *mmu;
	struct rnd_state rnd;
	u64 va;
	u64 shadow[MMU_PAGES];
};

/* A range with ends on pages, or rather often on blocks. */
static void mmu_random_range(struct mmu_random *random, u32 *first, u32 *pages)
{
	u32 unit = prandom_u32_state(&random->rnd) % 3 ? 1 : SZ_2M / SZ_4K;
	u32 a = prandom_u32_state(&random->rnd) % (MMU_PAGES / unit);
	u32 b = prandom_u32_state(&random->rnd) % (MMU_PAGES / unit);

	*first = min(a, b) * unit;
	*pages = (abs_diff(a, b) + 1) * unit;
}

static void mmu_random_map(struct mmu_random *random, struct sg_table *sgt, u64 dma)
{
	struct mmu *mmu = random->mmu;
	bool writable = prandom_u32_state(&random->rnd) % 2;
	u32 i, first, pages;

	mmu_random_range(random, &first, &pages);
	/* From the place in memory that fits, or from the next one. */
	i = first + prandom_u32_state(&random->rnd) % 2;
	mmu_unmap(mmu, random->va + first * SZ_4K, pages * SZ_4K);
	mmu_map(mmu, random->va + first * SZ_4K, pages * SZ_4K, sgt, i * SZ_4K, writable);
	for (dma += i * SZ_4K; pages; pages--, dma += SZ_4K)
		random->shadow[first++] = dma | (writable ? MMU_RW : MMU_RO);
}

static void mmu_random_unmap(struct mmu_random *random)
{
	u32 first, pages;

	mmu_random_range(random, &first, &pages);
	mmu_unmap(random->mmu, random->va + first * SZ_4K, pages * SZ_4K);
	memset64(random->shadow + first, 0, pages);
}

static void mmu_random_check(struct mmu_random *random)
{
	unsigned int level;
	u32 i;

	for (i = 0; i < MMU_PAGES; i++)
		KUNIT_ASSERT_EQ(random->mmu->test, random->shadow[i],
				mmu_translate(random->mmu, random->va + i * SZ_4K, &level));
	mmu_tables(random->mmu);
}

/* Memory in one piece, and in many. */
static struct mmu_random *mmu_random_new(struct kunit *test, struct sg_table **whole,
					 struct sg_table **parts)
{
	struct mmu_random *random = kunit_kzalloc(test, sizeof(*random), GFP_KERNEL);
	u64 seed = get_random_u64();

	KUNIT_ASSERT_NOT_NULL(test, random);
	kunit_info(test, "seed %#llx\n", seed);
	prandom_seed_state(&random->rnd, seed);
	random->mmu = test->priv;
	random->va = MMU_EDGE - SZ_4M;
	*whole = mmu_memory(random->mmu, MMU_DMA, SZ_16M);
	*parts = mmu_segments(random->mmu, MMU_DMA, SZ_1M, SZ_1M, 16);
	return random;
}

static void mmu_test_random(struct kunit *test)
{
	struct sg_table *whole, *parts;
	struct mmu_random *random = mmu_random_new(test, &whole, &parts);
	u32 i;

	for (i = 0; i < MMU_ROUNDS; i++) {
		if (prandom_u32_state(&random->rnd) % 4)
			mmu_random_map(random, i % 4 ? whole : parts, MMU_DMA);
		else
			mmu_random_unmap(random);
		mmu_random_check(random);
	}
	mmu_unmap(random->mmu, random->va, SZ_8M);
	KUNIT_EXPECT_EQ(test, mmu_tables(random->mmu), 0);
}

/**
 * struct mmu_op - one change of several that share a pool
 * @sgt: memory, NULL to unmap
 * @first: page
 * @pages: count
 * @offset: first page of @sgt
 * @evicted: by the time of the change there is nothing to be mapped
 */
struct mmu_op {
	struct sg_table *sgt;
	u32 first;
	u32 pages;
	u32 offset;
	bool evicted;
};

#define MMU_OPS		24
#define MMU_TABLES	(MMU_PAGES / NPU_PT_ENTRIES)

/* A range of one table, or all of it. */
static void mmu_random_in_table(struct mmu_random *random, struct mmu_op *op, u32 table)
{
	u32 a = prandom_u32_state(&random->rnd) % NPU_PT_ENTRIES;
	u32 b = prandom_u32_state(&random->rnd) % NPU_PT_ENTRIES;
	bool all = !(prandom_u32_state(&random->rnd) % 3);

	op->first = table * NPU_PT_ENTRIES + (all ? 0 : min(a, b));
	op->pages = all ? NPU_PT_ENTRIES : abs_diff(a, b) + 1;
}

/* @table: the only one that is meant, or -1 */
static void mmu_random_op(struct mmu_random *random, struct mmu_op *op, struct sg_table *sgt,
			  int table)
{
	mmu_random_range(random, &op->first, &op->pages);
	/* More often a few pages, beside or inside what came before. */
	if (prandom_u32_state(&random->rnd) % 2) {
		op->first = op->first / 512 * 512 + prandom_u32_state(&random->rnd) % 512;
		op->pages = 1;
	}
	/* What others set aside and do not need would hide what is missing. */
	if (table >= 0)
		mmu_random_in_table(random, op, table);
	op->offset = op->first + prandom_u32_state(&random->rnd) % 2;
	op->sgt = prandom_u32_state(&random->rnd) % 4 ? sgt : NULL;
	op->evicted = !(prandom_u32_state(&random->rnd) % 8);
}

static int mmu_op_reserve(struct mmu *mmu, struct npu_pt_pool *pool, u64 va,
			  const struct mmu_op *op)
{
	va += op->first * SZ_4K;
	return op->sgt ? npu_pt_reserve_map(&mmu->pt, pool, va, op->pages * SZ_4K) :
			 npu_pt_reserve_unmap(&mmu->pt, pool, va, op->pages * SZ_4K);
}

static void mmu_op_apply(struct mmu_random *random, struct npu_pt_pool *pool,
			 const struct mmu_op *op)
{
	struct npu_pt *pt = &random->mmu->pt;
	u64 va = random->va + op->first * SZ_4K;
	bool maps = op->sgt && !op->evicted;
	u32 i;

	npu_pt_unmap(pt, pool, va, op->pages * SZ_4K);
	if (maps)
		npu_pt_map(pt, pool, va, op->pages * SZ_4K, op->sgt, op->offset * SZ_4K, true);
	for (i = 0; i < op->pages; i++)
		random->shadow[op->first + i] = maps ?
			(MMU_DMA + (op->offset + i) * SZ_4K) | MMU_RW : 0;
}

/* As npu_bind.c does it: all are prepared, then all are made, then tables go. */
static void mmu_random_ops(struct mmu_random *random, struct sg_table *sgt)
{
	u32 i, count = 1 + prandom_u32_state(&random->rnd) % MMU_OPS;
	struct mmu *mmu = random->mmu;
	int table = (int)(prandom_u32_state(&random->rnd) % (2 * MMU_TABLES)) - MMU_TABLES;
	struct mmu_op op[MMU_OPS];
	struct npu_pt_pool pool;

	npu_pt_pool_init(&pool);
	for (i = 0; i < count; i++) {
		mmu_random_op(random, &op[i], sgt, table);
		KUNIT_ASSERT_EQ(mmu->test, 0, mmu_op_reserve(mmu, &pool, random->va, &op[i]));
	}
	for (i = 0; i < count; i++)
		mmu_op_apply(random, &pool, &op[i]);
	for (i = 0; i < count; i++)
		npu_pt_prune(&mmu->pt, &pool, random->va + op[i].first * SZ_4K,
			     op[i].pages * SZ_4K);
	npu_tlb_invalidate(mmu->fake->npu, mmu->pt.asid, 0, 0);
	npu_pt_pool_fini(&mmu->pt, &pool);
}

/* Neighbours share tables, and there are always enough of them. */
static void mmu_test_random_ops(struct kunit *test)
{
	struct sg_table *whole, *parts;
	struct mmu_random *random = mmu_random_new(test, &whole, &parts);
	u32 i;

	for (i = 0; i < MMU_ROUNDS; i++) {
		mmu_random_ops(random, i % 4 ? whole : parts);
		mmu_random_check(random);
	}
	mmu_unmap(random->mmu, random->va, SZ_8M);
	KUNIT_EXPECT_EQ(test, mmu_tables(random->mmu), 0);
}

static void mmu_test_reserve_neighbours(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct npu_pt_pool pool;
	u32 i;

	npu_pt_pool_init(&pool);
	for (i = 0; i < 512; i++)
		KUNIT_ASSERT_EQ(test, 0,
				npu_pt_reserve_map(&mmu->pt, &pool, i * SZ_4K, SZ_4K));
	KUNIT_EXPECT_EQ(test, list_count_nodes(&pool.leaf), 1);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&pool.inner), 2);
	/* What becomes a block may have to be split by what follows. */
	KUNIT_ASSERT_EQ(test, 0, npu_pt_reserve_map(&mmu->pt, &pool, 0, SZ_2M));
	KUNIT_ASSERT_EQ(test, 0, npu_pt_reserve_unmap(&mmu->pt, &pool, SZ_4K, SZ_4K));
	KUNIT_EXPECT_EQ(test, list_count_nodes(&pool.leaf), 2);
	npu_pt_pool_fini(&mmu->pt, &pool);
}

/* ---- TLB ----------------------------------------------------------------------------------- */

/**
 * struct mmu_waiter - somebody in npu_tlb_invalidate()
 * @work: waits
 * @npu: device
 * @done: it has returned
 */
struct mmu_waiter {
	struct work_struct work;
	struct npu_device *npu;
	struct completion done;
};

static void mmu_waiter_work(struct work_struct *work)
{
	struct mmu_waiter *waiter = container_of(work, struct mmu_waiter, work);
	int idx;

	if (npu_dev_enter(waiter->npu, &idx)) {
		npu_tlb_invalidate(waiter->npu, 1, 0, SZ_4K);
		drm_dev_exit(idx);
	}
	complete(&waiter->done);
}

/* Starts one, and sees that it waits. */
static struct mmu_waiter *mmu_wait_begin(struct mmu *mmu)
{
	struct mmu_waiter *waiter = kunit_kzalloc(mmu->test, sizeof(*waiter), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(mmu->test, waiter);
	waiter->npu = mmu->fake->npu;
	init_completion(&waiter->done);
	INIT_WORK(&waiter->work, mmu_waiter_work);
	queue_work(system_unbound_wq, &waiter->work);
	msleep(50);
	KUNIT_EXPECT_FALSE(mmu->test, completion_done(&waiter->done));
	return waiter;
}

static void mmu_wait_end(struct mmu *mmu, struct mmu_waiter *waiter)
{
	KUNIT_EXPECT_NE(mmu->test, wait_for_completion_timeout(&waiter->done, 30 * HZ), 0);
	flush_work(&waiter->work);
}

static void mmu_test_tlb_range(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct fake_npu *fake = mmu->fake;
	u32 seq = fake_get(fake, NPU_REG_TLB_SEQ);

	npu_tlb_invalidate(fake->npu, 0x1234, 0x8765432100000, 3 * SZ_4K);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_TLB_ASID), 0x1234);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_TLB_VA_LO), 0x32100000);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_TLB_VA_HI), 0x87654);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_TLB_PAGES), 3);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_TLB_SEQ), seq + 1);
}

static void mmu_test_tlb_all(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct fake_npu *fake = mmu->fake;

	npu_tlb_invalidate(fake->npu, 1, 0, SZ_4K);
	npu_tlb_invalidate(fake->npu, 1, 0, 0);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_TLB_PAGES), 0);
	/* More pages than the register holds. */
	npu_tlb_invalidate(fake->npu, 1, 0, (1ull << 32) * SZ_4K - SZ_4K);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_TLB_PAGES), U32_MAX);
	npu_tlb_invalidate(fake->npu, 1, 0, (1ull << 32) * SZ_4K + SZ_4K);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_TLB_PAGES), 0);
}

static void mmu_test_tlb_late(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct fake_npu *fake = mmu->fake;
	struct mmu_waiter *waiter;

	fake_hold(fake, FAKE_HOLD_TLB);
	waiter = mmu_wait_begin(mmu);
	/* An interrupt for something else. */
	fake_cause(fake, NPU_IRQ_TLB);
	fake_irq(fake, 1);
	msleep(20);
	KUNIT_EXPECT_FALSE(test, completion_done(&waiter->done));

	fake_set(fake, NPU_REG_TLB_DONE, fake_get(fake, NPU_REG_TLB_SEQ));
	fake_cause(fake, NPU_IRQ_TLB);
	fake_irq(fake, 1);
	mmu_wait_end(mmu, waiter);
}

static void mmu_test_tlb_lost_irq(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct mmu_waiter *waiter;

	fake_hold(mmu->fake, FAKE_HOLD_TLB);
	waiter = mmu_wait_begin(mmu);
	fake_set(mmu->fake, NPU_REG_TLB_DONE, fake_get(mmu->fake, NPU_REG_TLB_SEQ));
	mmu_wait_end(mmu, waiter);
	KUNIT_EXPECT_EQ(test, atomic_read(&mmu->fake->npu->errors.resets), 1);
}

static void mmu_test_tlb_in_order(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct mmu_waiter *first, *second;
	u32 seq;

	fake_hold(mmu->fake, FAKE_HOLD_TLB);
	first = mmu_wait_begin(mmu);
	seq = fake_get(mmu->fake, NPU_REG_TLB_SEQ);
	second = mmu_wait_begin(mmu);
	fake_set(mmu->fake, NPU_REG_TLB_DONE, seq);
	mmu_wait_end(mmu, first);
	KUNIT_EXPECT_FALSE(test, completion_done(&second->done));
	fake_set(mmu->fake, NPU_REG_TLB_DONE, seq + 1);
	mmu_wait_end(mmu, second);
}

static void mmu_test_tlb_wrap(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct mmu_waiter *waiter;

	fake_hold(mmu->fake, FAKE_HOLD_TLB);
	fake_set(mmu->fake, NPU_REG_TLB_SEQ, U32_MAX);
	fake_set(mmu->fake, NPU_REG_TLB_DONE, U32_MAX);
	waiter = mmu_wait_begin(mmu);
	KUNIT_EXPECT_EQ(test, fake_get(mmu->fake, NPU_REG_TLB_SEQ), 0);
	fake_set(mmu->fake, NPU_REG_TLB_DONE, 0);
	mmu_wait_end(mmu, waiter);

	fake_set(mmu->fake, NPU_REG_TLB_SEQ, U32_MAX);
	fake_set(mmu->fake, NPU_REG_TLB_DONE, U32_MAX);
	waiter = mmu_wait_begin(mmu);
	/* Later ones have completed as well. */
	fake_set(mmu->fake, NPU_REG_TLB_DONE, 2);
	mmu_wait_end(mmu, waiter);
}

static void mmu_test_tlb_reset(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct mmu_waiter *waiter;

	/* Somebody else resets the device meanwhile, which empties all TLBs. */
	fake_hold(mmu->fake, FAKE_HOLD_TLB);
	waiter = mmu_wait_begin(mmu);
	npu_slots_reset(mmu->fake->npu);
	mmu_wait_end(mmu, waiter);
	KUNIT_EXPECT_EQ(test, mmu->fake->resets, 2);
}

static void mmu_test_tlb_in_reset(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct mmu_waiter *waiter;
	u32 seq = fake_get(mmu->fake, NPU_REG_TLB_SEQ);

	/* The device ignores it then, and the end of the reset is enough. */
	fake_hold(mmu->fake, FAKE_HOLD_RESET);
	npu_slots_reset(mmu->fake->npu);
	fake_wait(mmu->fake, fake_get(mmu->fake, NPU_REG_RESET));
	waiter = kunit_kzalloc(test, sizeof(*waiter), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, waiter);
	waiter->npu = mmu->fake->npu;
	init_completion(&waiter->done);
	INIT_WORK(&waiter->work, mmu_waiter_work);
	queue_work(system_unbound_wq, &waiter->work);
	msleep(20);
	KUNIT_EXPECT_FALSE(test, completion_done(&waiter->done));
	fake_ack_reset(mmu->fake);
	mmu_wait_end(mmu, waiter);
	KUNIT_EXPECT_EQ(test, fake_get(mmu->fake, NPU_REG_TLB_SEQ), seq);
}

static void mmu_test_tlb_timeout(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct mmu_waiter *waiter;

	/* It is the waiter that has the device reset at last. */
	fake_hold(mmu->fake, FAKE_HOLD_TLB);
	waiter = mmu_wait_begin(mmu);
	mmu_wait_end(mmu, waiter);
	KUNIT_EXPECT_EQ(test, mmu->fake->resets, 2);
	KUNIT_EXPECT_FALSE(test, npu_is_lost(mmu->fake->npu));
}

static void mmu_test_tlb_gone(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct mmu_waiter *waiter;

	fake_hold(mmu->fake, FAKE_HOLD_TLB);
	waiter = mmu_wait_begin(mmu);
	fake_set_gone(mmu->fake);
	mmu_wait_end(mmu, waiter);
}

static void mmu_test_tlb_remove(struct kunit *test)
{
	struct mmu *mmu = test->priv;
	struct mmu_waiter *waiter;

	/* Removal waits for the waiter, which must not wait for ever then. */
	fake_hold(mmu->fake, FAKE_HOLD_TLB);
	waiter = mmu_wait_begin(mmu);
	npu_pt_fini(&mmu->pt);
	fake_remove(mmu->fake);
	KUNIT_EXPECT_TRUE(test, completion_done(&waiter->done));
	flush_work(&waiter->work);
}

static struct kunit_case mmu_cases[] = {
	KUNIT_CASE(mmu_test_empty),
	KUNIT_CASE(mmu_test_pages),
	KUNIT_CASE(mmu_test_offset),
	KUNIT_CASE(mmu_test_readonly),
	KUNIT_CASE(mmu_test_block),
	KUNIT_CASE(mmu_test_block_by_offset),
	KUNIT_CASE(mmu_test_block_between_pages),
	KUNIT_CASE(mmu_test_no_block_for_va),
	KUNIT_CASE(mmu_test_no_block_for_dma),
	KUNIT_CASE(mmu_test_no_block_for_segment),
	KUNIT_CASE(mmu_test_block_for_table),
	KUNIT_CASE(mmu_test_join),
	KUNIT_CASE(mmu_test_across_tables),
	KUNIT_CASE(mmu_test_last_address),
	KUNIT_CASE(mmu_test_again),
	KUNIT_CASE_PARAM(mmu_test_split, mmu_split_gen_params),
	KUNIT_CASE(mmu_test_prune),
	KUNIT_CASE(mmu_test_unmap_nothing),
	KUNIT_CASE(mmu_test_reserve),
	KUNIT_CASE(mmu_test_need),
	KUNIT_CASE(mmu_test_fini),
	KUNIT_CASE_SLOW(mmu_test_random),
	KUNIT_CASE_SLOW(mmu_test_random_ops),
	KUNIT_CASE(mmu_test_reserve_neighbours),
	KUNIT_CASE(mmu_test_tlb_range),
	KUNIT_CASE(mmu_test_tlb_all),
	KUNIT_CASE(mmu_test_tlb_late),
	KUNIT_CASE(mmu_test_tlb_lost_irq),
	KUNIT_CASE(mmu_test_tlb_in_order),
	KUNIT_CASE(mmu_test_tlb_wrap),
	KUNIT_CASE(mmu_test_tlb_reset),
	KUNIT_CASE(mmu_test_tlb_in_reset),
	KUNIT_CASE_SLOW(mmu_test_tlb_timeout),
	KUNIT_CASE(mmu_test_tlb_gone),
	KUNIT_CASE(mmu_test_tlb_remove),
	{ }
};

static struct kunit_suite mmu_suite = {
	.name = "npu_mmu",
	.init = mmu_init,
	.exit = mmu_exit,
	.test_cases = mmu_cases,
};

kunit_test_suites(&mmu_suite);

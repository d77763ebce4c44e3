// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Page tables
 *
 * Four levels in coherent DMA memory, one page per table, 4 KiB and 2 MiB
 * leaves. A change has two halves, so that the second can never fail and can run
 * in the fence signalling path:
 *
 * 1. npu_pt_reserve_map() and npu_pt_reserve_unmap() put every table that may
 *    be needed into a pool, whatever the page tables look like at the change.
 * 2. npu_pt_map() and npu_pt_unmap() write entries. A 2 MiB leaf goes where one
 *    mapping covers it and the memory is in a row and aligned; it takes the place of
 *    a table. Unmapping a part of one splits it. npu_pt_prune() then takes empty
 *    tables out of the tree.
 *
 * After npu_tlb_invalidate() no walk can see what was taken out, and
 * npu_pt_pool_fini() frees it together with what is left of the pool. Whoever maps has to
 * invalidate too if the pool has garbage then.
 *
 * An entry is written with one 64-bit store. A new table is filled before it
 * is linked, with a barrier in between; a split replaces the leaf by a table
 * that translates the same, so that running jobs see no difference. So does a leaf
 * that replaces a table.
 */
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "npu_mmu.h"
#include "npu_slot.h"
#include "npu_trace.h"

#define NPU_BLOCK_SIZE	SZ_2M

/* A tile takes microseconds; emulated on a loaded machine, much longer. */
#define NPU_TLB_TIMEOUT_MS	10000

/**
 * struct npu_pt_table - one table
 * @pte: the entries, as the device sees them
 * @dma: their bus address
 * @node: in a pool
 * @used: entries that are valid
 * @child: the tables below, a page of its own; NULL for level 0
 */
struct npu_pt_table {
	__le64 *pte;
	dma_addr_t dma;
	struct list_head node;
	unsigned int used;
	struct npu_pt_table **child;
};

static void npu_pt_table_free(struct npu_device *npu, struct npu_pt_table *table)
{
	if (table->pte)
		dma_free_coherent(npu->drm.dev, PAGE_SIZE, table->pte, table->dma);
	kfree(table->child);
	kfree(table);
}

static struct npu_pt_table *npu_pt_table_alloc(struct npu_device *npu, unsigned int level)
{
	struct npu_pt_table *table;

	table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;

	INIT_LIST_HEAD(&table->node);
	if (level)
		table->child = kcalloc(NPU_PT_ENTRIES, sizeof(*table->child), GFP_KERNEL_ACCOUNT);
	table->pte = dma_alloc_coherent(npu->drm.dev, PAGE_SIZE, &table->dma,
					GFP_KERNEL_ACCOUNT);
	if (!table->pte || (level && !table->child)) {
		npu_pt_table_free(npu, table);
		return NULL;
	}
	return table;
}

static unsigned int npu_pt_index(u64 va, unsigned int level)
{
	return (va >> NPU_PT_SHIFT(level)) % NPU_PT_ENTRIES;
}

/* First address after the entry of @level that holds @va, or @end. */
static u64 npu_pt_next(u64 va, u64 end, unsigned int level)
{
	return min(end, ALIGN_DOWN(va, 1ull << NPU_PT_SHIFT(level)) +
		   (1ull << NPU_PT_SHIFT(level)));
}

static void npu_pt_write(struct npu_pt_table *table, unsigned int i, u64 pte)
{
	WRITE_ONCE(table->pte[i], cpu_to_le64(pte));
}

static u64 npu_pt_read(const struct npu_pt_table *table, unsigned int i)
{
	return le64_to_cpu(READ_ONCE(table->pte[i]));
}

static void npu_pt_set(struct npu_pt_table *table, unsigned int i, u64 pte)
{
	if (!npu_pt_read(table, i))
		table->used++;
	npu_pt_write(table, i, pte);
}

static void npu_pt_clear(struct npu_pt_table *table, unsigned int i)
{
	if (!npu_pt_read(table, i))
		return;
	table->used--;
	npu_pt_write(table, i, 0);
}

static void npu_pt_link(struct npu_pt_table *table, unsigned int i, struct npu_pt_table *child)
{
	/* The device must not find the link before the content. */
	dma_wmb();
	table->child[i] = child;
	npu_pt_set(table, i, child->dma | NPU_PTE_VALID);
}

/* The table of @level on the way to @va, NULL if it is missing. */
static struct npu_pt_table *npu_pt_find(struct npu_pt *pt, u64 va, unsigned int level)
{
	struct npu_pt_table *table = pt->root;
	unsigned int l;

	for (l = NPU_PT_LEVELS - 1; l > level && table; l--)
		table = table->child[npu_pt_index(va, l)];
	return table;
}

/* ---- Where the memory is ------------------------------------------------- */

/**
 * struct npu_sg_cursor - place in a DMA-mapped scatter list
 * @sg: segment
 * @offset: into the segment
 */
struct npu_sg_cursor {
	struct scatterlist *sg;
	u64 offset;
};

static void npu_sg_advance(struct npu_sg_cursor *cursor, u64 bytes)
{
	cursor->offset += bytes;
	while (cursor->sg && cursor->offset >= sg_dma_len(cursor->sg)) {
		cursor->offset -= sg_dma_len(cursor->sg);
		cursor->sg = sg_next(cursor->sg);
	}
}

static void npu_sg_start(struct npu_sg_cursor *cursor, struct sg_table *sgt, u64 offset)
{
	cursor->sg = sgt->sgl;
	cursor->offset = 0;
	npu_sg_advance(cursor, offset);
}

static dma_addr_t npu_sg_address(const struct npu_sg_cursor *cursor)
{
	return sg_dma_address(cursor->sg) + cursor->offset;
}

/* Can one leaf of level 1 translate [va, next)? */
static bool npu_sg_is_block(const struct npu_sg_cursor *cursor, u64 va, u64 next)
{
	return next - va == NPU_BLOCK_SIZE &&
	       sg_dma_len(cursor->sg) - cursor->offset >= NPU_BLOCK_SIZE &&
	       IS_ALIGNED(npu_sg_address(cursor), NPU_BLOCK_SIZE);
}

/* ---- Reservation --------------------------------------------------------- */

void npu_pt_pool_init(struct npu_pt_pool *pool)
{
	INIT_LIST_HEAD(&pool->leaf);
	INIT_LIST_HEAD(&pool->inner);
	INIT_LIST_HEAD(&pool->garbage);
	memset64(pool->last, NPU_PT_NOWHERE, ARRAY_SIZE(pool->last));
}

/**
 * npu_pt_pool_fini() - free what was not used, and what is garbage
 * @pt: page tables
 * @pool: the invalidation after the change has completed
 */
void npu_pt_pool_fini(struct npu_pt *pt, struct npu_pt_pool *pool)
{
	struct npu_pt_table *table, *next;

	/* Of a device that may still walk them nothing is freed. */
	if (pt->npu->unsafe)
		return;
	list_splice_init(&pool->leaf, &pool->garbage);
	list_splice_init(&pool->inner, &pool->garbage);
	list_for_each_entry_safe(table, next, &pool->garbage, node)
		npu_pt_table_free(pt->npu, table);
	npu_pt_pool_init(pool);
}

static int npu_pt_pool_add(struct npu_pt *pt, struct npu_pt_pool *pool, unsigned int level)
{
	struct npu_pt_table *table = npu_pt_table_alloc(pt->npu, level);

	if (!table)
		return -ENOMEM;
	list_add(&table->node, level ? &pool->inner : &pool->leaf);
	return 0;
}

static struct npu_pt_table *npu_pt_pool_take(struct npu_pt_pool *pool, unsigned int level)
{
	struct list_head *list = level ? &pool->inner : &pool->leaf;
	struct npu_pt_table *table;

	/* A reservation was too small: better a translation fault than no kernel. */
	if (WARN_ON_ONCE(list_empty(list)))
		return NULL;
	table = list_first_entry(list, struct npu_pt_table, node);
	list_del_init(&table->node);
	return table;
}

/* Sets one aside for the table of @level on the way to @va. */
static int npu_pt_reserve_at(struct npu_pt *pt, struct npu_pt_pool *pool, u64 va,
			     unsigned int level)
{
	u64 table = va >> NPU_PT_SHIFT(level + 1);
	int ret;

	/* The change before makes it, if it is missing. */
	if (pool->last[level] == table)
		return 0;
	ret = npu_pt_pool_add(pt, pool, level);
	if (!ret)
		pool->last[level] = table;
	return ret;
}

/**
 * npu_pt_reserve_map() - set aside the tables that npu_pt_map() may need
 * @pt: page tables
 * @pool: where they go
 * @va: first address
 * @size: bytes
 *
 * What is in the page tables by the time of the change does not matter, hence
 * tables are set aside that may be there already. Nor does it matter where the memory
 * is by then: there is a table for what may become a block. What is split on the way,
 * because the range cuts it, needs the same tables.
 *
 * Several reservations may precede the changes, which are then made in the same order and
 * with npu_pt_prune() after the last one only: neighbours share tables. A table that one
 * change has made goes before the next one only where a block takes its place, and who may
 * make a block has set aside a table for what comes after it.
 *
 * Return: 0 or -ENOMEM; the caller ends the pool either way.
 */
int npu_pt_reserve_map(struct npu_pt *pt, struct npu_pt_pool *pool, u64 va, u64 size)
{
	u64 end = va + size;
	int level, ret;
	u64 a, next;

	for (level = NPU_PT_LEVELS - 2; level >= 0; level--) {
		for (a = va; a < end; a = next) {
			next = npu_pt_next(a, end, level + 1);
			/* What becomes a block takes a table out. */
			if (!level && next - a == NPU_BLOCK_SIZE)
				pool->last[0] = NPU_PT_NOWHERE;
			ret = npu_pt_reserve_at(pt, pool, a, level);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/**
 * npu_pt_need_map() - count the tables that npu_pt_map() would need now
 * @pt: page tables, which do not change meanwhile
 * @need: to add to
 * @va: first address
 * @size: bytes
 * @sgt: memory
 * @offset: into @sgt
 */
void npu_pt_need_map(struct npu_pt *pt, struct npu_pt_need *need, u64 va, u64 size,
		     struct sg_table *sgt, u64 offset)
{
	struct npu_sg_cursor cursor;
	u64 end = va + size;
	unsigned int level;
	u64 a, next;

	for (level = NPU_PT_LEVELS - 2; level > 0; level--) {
		for (a = va; a < end; a = npu_pt_next(a, end, level + 1))
			need->inner += !npu_pt_find(pt, a, level);
	}
	npu_sg_start(&cursor, sgt, offset);
	for (a = va; a < end; a = next) {
		next = npu_pt_next(a, end, 1);
		if (!npu_sg_is_block(&cursor, a, next))
			need->leaf += !npu_pt_find(pt, a, 0);
		npu_sg_advance(&cursor, next - a);
	}
}

/**
 * npu_pt_pool_fill() - set aside as many tables as are needed
 * @pt: page tables
 * @pool: where they go
 * @need: how many
 *
 * Return: 0 or -ENOMEM; the caller ends the pool either way.
 */
int npu_pt_pool_fill(struct npu_pt *pt, struct npu_pt_pool *pool, const struct npu_pt_need *need)
{
	unsigned long i;
	int ret = 0;

	for (i = 0; i < need->leaf && !ret; i++)
		ret = npu_pt_pool_add(pt, pool, 0);
	for (i = 0; i < need->inner && !ret; i++)
		ret = npu_pt_pool_add(pt, pool, 1);
	return ret;
}

/**
 * npu_pt_reserve_unmap() - set aside the tables that npu_pt_unmap() may need
 * @pt: page tables
 * @pool: where they go
 * @va: first address
 * @size: bytes
 *
 * Return: 0 or -ENOMEM; the caller ends the pool either way.
 */
int npu_pt_reserve_unmap(struct npu_pt *pt, struct npu_pt_pool *pool, u64 va, u64 size)
{
	const u64 ends[] = { va, va + size };
	unsigned int i;
	int ret;

	/* Only a block that an end of the range cuts must be split. */
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		if (IS_ALIGNED(ends[i], NPU_BLOCK_SIZE))
			continue;
		ret = npu_pt_reserve_at(pt, pool, ends[i], 0);
		if (ret)
			return ret;
	}
	return 0;
}

/* ---- Change -------------------------------------------------------------- */

/* The table of @level on the way to @va, made if it is missing. */
static struct npu_pt_table *npu_pt_get(struct npu_pt *pt, struct npu_pt_pool *pool, u64 va,
				       unsigned int level)
{
	struct npu_pt_table *table = pt->root, *new;
	unsigned int i, l;

	for (l = NPU_PT_LEVELS - 1; l > level; l--) {
		i = npu_pt_index(va, l);
		if (!table->child[i]) {
			new = npu_pt_pool_take(pool, l - 1);
			if (!new)
				return NULL;
			npu_pt_link(table, i, new);
		}
		table = table->child[i];
	}
	return table;
}

/* Replace the leaf at @va in a level 1 table by a table that translates the same. */
static void npu_pt_split(struct npu_pt_table *table, struct npu_pt_pool *pool, u64 va)
{
	struct npu_pt_table *leaf = npu_pt_pool_take(pool, 0);
	unsigned int index = npu_pt_index(va, 1);
	u64 pte = npu_pt_read(table, index);
	unsigned int i;

	if (!leaf) {
		npu_pt_clear(table, index);
		return;
	}
	for (i = 0; i < NPU_PT_ENTRIES; i++)
		npu_pt_set(leaf, i, pte + i * SZ_4K);
	npu_pt_link(table, index, leaf);
}

/* Replace the table at @va in a level 1 table by a leaf, if there is one. */
static void npu_pt_join(struct npu_pt_table *table, struct npu_pt_pool *pool, u64 va, u64 pte)
{
	unsigned int i = npu_pt_index(va, 1);
	struct npu_pt_table *leaf = table->child[i];

	npu_pt_set(table, i, pte);
	table->child[i] = NULL;
	if (leaf)
		list_add(&leaf->node, &pool->garbage);
}

/* Does a leaf of level 1 translate @va? */
static bool npu_pt_is_block(struct npu_pt *pt, u64 va)
{
	struct npu_pt_table *table = npu_pt_find(pt, va, 1);
	unsigned int i = npu_pt_index(va, 1);

	return table && !table->child[i] && npu_pt_read(table, i);
}

/**
 * npu_pt_map() - make [@va, @va + @size) translate to memory
 * @pt: page tables; in the range nothing is mapped, or the same as will be
 * @pool: filled by npu_pt_reserve_map()
 * @va: first address
 * @size: bytes
 * @sgt: memory
 * @offset: into @sgt
 * @writable: the device may write
 */
void npu_pt_map(struct npu_pt *pt, struct npu_pt_pool *pool, u64 va, u64 size,
		struct sg_table *sgt, u64 offset, bool writable)
{
	u64 flags = NPU_PTE_VALID | NPU_PTE_LEAF | NPU_PTE_READ | (writable ? NPU_PTE_WRITE : 0);
	struct npu_sg_cursor cursor;
	struct npu_pt_table *table;
	u64 end = va + size;
	u64 next;

	npu_sg_start(&cursor, sgt, offset);
	while (va < end) {
		next = npu_pt_next(va, end, 1);
		/* A block must not reach into what another mapping will unmap. */
		if (next - va < NPU_BLOCK_SIZE && npu_pt_is_block(pt, va))
			npu_pt_split(npu_pt_find(pt, va, 1), pool, va);
		if (npu_sg_is_block(&cursor, va, next)) {
			table = npu_pt_get(pt, pool, va, 1);
			if (table)
				npu_pt_join(table, pool, va, npu_sg_address(&cursor) | flags);
			npu_sg_advance(&cursor, NPU_BLOCK_SIZE);
			va = next;
			continue;
		}
		table = npu_pt_get(pt, pool, va, 0);
		for (; !table && va < next; va += SZ_4K)
			npu_sg_advance(&cursor, SZ_4K);
		for (; va < next; va += SZ_4K) {
			npu_pt_set(table, npu_pt_index(va, 0), npu_sg_address(&cursor) | flags);
			npu_sg_advance(&cursor, SZ_4K);
		}
	}
}

/**
 * npu_pt_unmap() - take away the translation of [@va, @va + @size)
 * @pt: page tables
 * @pool: filled by npu_pt_reserve_unmap()
 * @va: first address
 * @size: bytes
 */
void npu_pt_unmap(struct npu_pt *pt, struct npu_pt_pool *pool, u64 va, u64 size)
{
	struct npu_pt_table *table;
	u64 end = va + size;
	unsigned int i;
	u64 next;

	for (; va < end; va = next) {
		next = npu_pt_next(va, end, 1);
		i = npu_pt_index(va, 1);
		table = npu_pt_find(pt, va, 1);
		if (!table)
			continue;
		if (!table->child[i]) {
			if (next - va == NPU_BLOCK_SIZE || !npu_pt_read(table, i)) {
				npu_pt_clear(table, i);
				continue;
			}
			npu_pt_split(table, pool, va);
		}
		table = table->child[i];
		for (; table && va < next; va += SZ_4K)
			npu_pt_clear(table, npu_pt_index(va, 0));
	}
}

/**
 * npu_pt_prune() - take empty tables out of the tree
 * @pt: page tables
 * @pool: where they go
 * @va: first address of a range that was unmapped
 * @size: bytes
 */
void npu_pt_prune(struct npu_pt *pt, struct npu_pt_pool *pool, u64 va, u64 size)
{
	struct npu_pt_table *table, *parent;
	u64 end = va + size;
	unsigned int level;
	u64 a;

	for (level = 0; level < NPU_PT_LEVELS - 1; level++) {
		for (a = va; a < end; a = npu_pt_next(a, end, level + 1)) {
			table = npu_pt_find(pt, a, level);
			if (!table || table->used)
				continue;
			parent = npu_pt_find(pt, a, level + 1);
			parent->child[npu_pt_index(a, level + 1)] = NULL;
			npu_pt_clear(parent, npu_pt_index(a, level + 1));
			list_add(&table->node, &pool->garbage);
		}
	}
}

static void npu_pt_count_table(const struct npu_pt_table *table, unsigned int level, u64 *blocks,
			       u64 *pages)
{
	unsigned int i;

	if (!level) {
		*pages += table->used;
		return;
	}
	for (i = 0; i < NPU_PT_ENTRIES; i++) {
		if (table->child[i])
			npu_pt_count_table(table->child[i], level - 1, blocks, pages);
		else if (npu_pt_read(table, i))
			(*blocks)++;
	}
}

/**
 * npu_pt_count() - count leaves
 * @pt: page tables, which do not change meanwhile; may be gone
 * @blocks: out: of 2 MiB
 * @pages: out: of 4 KiB
 */
void npu_pt_count(const struct npu_pt *pt, u64 *blocks, u64 *pages)
{
	*blocks = 0;
	*pages = 0;
	if (pt->root)
		npu_pt_count_table(pt->root, NPU_PT_LEVELS - 1, blocks, pages);
}

/* ---- Address spaces ------------------------------------------------------ */

/**
 * npu_pt_init() - empty page tables with an address-space id
 * @pt: to set up
 * @npu: device
 *
 * Return: 0, -ENOMEM or -ENOSPC.
 */
int npu_pt_init(struct npu_pt *pt, struct npu_device *npu)
{
	int asid;

	asid = ida_alloc_range(&npu->objects.asids, 1, npu->caps.asids - 1, GFP_KERNEL);
	if (asid < 0)
		return asid;

	pt->npu = npu;
	pt->asid = asid;
	pt->root = npu_pt_table_alloc(npu, NPU_PT_LEVELS - 1);
	if (!pt->root) {
		ida_free(&npu->objects.asids, asid);
		return -ENOMEM;
	}
	return 0;
}

static void npu_pt_free_tree(struct npu_device *npu, struct npu_pt_table *table, unsigned int level)
{
	unsigned int i;

	for (i = 0; level && i < NPU_PT_ENTRIES; i++) {
		if (table->child[i])
			npu_pt_free_tree(npu, table->child[i], level - 1);
	}
	npu_pt_table_free(npu, table);
}

/**
 * npu_pt_fini() - free the tables; the device does not use them any more
 * @pt: page tables; a second call does nothing
 */
void npu_pt_fini(struct npu_pt *pt)
{
	if (!pt->root || pt->npu->unsafe)
		return;
	npu_pt_free_tree(pt->npu, pt->root, NPU_PT_LEVELS - 1);
	pt->root = NULL;
	ida_free(&pt->npu->objects.asids, pt->asid);
}

dma_addr_t npu_pt_root(const struct npu_pt *pt)
{
	return pt->root->dma;
}

/* ---- TLB ----------------------------------------------------------------- */

/**
 * struct npu_invalidation - one that is waited for
 * @issued: the device took it; during a function reset it takes none
 * @seq: its number
 * @resets: function resets before it
 */
struct npu_invalidation {
	bool issued;
	u32 seq;
	int resets;
};

static bool npu_tlb_done(struct npu_device *npu, const struct npu_invalidation *inv)
{
	/* A function reset drops all translations. */
	if (atomic_read(&npu->errors.resets) != inv->resets)
		return true;
	return inv->issued && (s32)(npu_read(npu, NPU_REG_TLB_DONE) - inv->seq) >= 0;
}

static void npu_tlb_issue(struct npu_device *npu, struct npu_invalidation *inv, u32 asid, u64 va,
			  u32 pages)
{
	u32 before;

	guard(spinlock_irqsave)(&npu->tlb.lock);

	inv->resets = atomic_read(&npu->errors.resets);
	before = npu_read(npu, NPU_REG_TLB_SEQ);
	npu_write(npu, NPU_REG_TLB_ASID, asid);
	npu_write64(npu, NPU_REG_TLB_VA_LO, va);
	npu_write(npu, NPU_REG_TLB_PAGES, pages);
	trace_npu_tlb_invalidate(npu, asid, va, pages);
	npu_write(npu, NPU_REG_TLB_INVALIDATE, 1);
	inv->seq = npu_read(npu, NPU_REG_TLB_SEQ);
	inv->issued = inv->seq != before;
}

/* Somebody holds the invalidation up beyond all bounds. */
static void npu_tlb_escalate(struct npu_device *npu)
{
	if (!drm_dev_is_unplugged(&npu->drm)) {
		npu_slots_reset(npu);
		return;
	}
	/* Removal waits for us, and the slot worker has ended. */
	guard(mutex)(&npu->slots.lock);
	if (!npu_device_reset(npu))
		npu_device_lose(npu, npu_is_gone(npu), NULL);
}

static void npu_tlb_invalidate_on(struct npu_device *npu, u32 asid, u64 va, u64 size)
{
	struct npu_invalidation inv;
	unsigned long deadline;
	u64 pages = size >> 12;

	npu_tlb_issue(npu, &inv, asid, va, pages > U32_MAX ? 0 : pages);

	deadline = jiffies + msecs_to_jiffies(NPU_TLB_TIMEOUT_MS);
	while (!npu_tlb_done(npu, &inv)) {
		if (npu_is_lost(npu) || npu_is_gone(npu))
			return;
		/* The poll covers a lost interrupt. */
		wait_event_timeout(npu->tlb.wait, npu_tlb_done(npu, &inv) || npu_is_lost(npu),
				   msecs_to_jiffies(10) + 1);
		if (time_after(jiffies, deadline) || drm_dev_is_unplugged(&npu->drm)) {
			npu_tlb_escalate(npu);
			deadline = jiffies + msecs_to_jiffies(NPU_TLB_TIMEOUT_MS);
		}
	}
}

/**
 * npu_tlb_invalidate() - drop translations and wait until none is in use
 * @npu: device; the caller is inside npu_dev_enter() and may sleep
 * @asid: address space
 * @va: first address
 * @size: bytes, 0 = all of the address space
 *
 * Returns when the device has completed the invalidation, which takes a tile; at
 * the latest when NPU_TLB_TIMEOUT_MS have ended in a function reset, or when the
 * device is given up.
 */
void npu_tlb_invalidate(struct npu_device *npu, u32 asid, u64 va, u64 size)
{
	/* The page tables must be written before the invalidation starts. */
	wmb();
	/* A device that is off has forgotten all translations. */
	if (npu_pm_enter(npu))
		npu_tlb_invalidate_on(npu, asid, va, size);
	npu_pm_exit(npu);
}

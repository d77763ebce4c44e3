/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_MMU_H_
#define _NPU_MMU_H_

#include <linux/list.h>
#include <linux/types.h>

#include "npu_device.h"

struct npu_pt_table;
struct sg_table;

/**
 * struct npu_pt - page tables of one address space
 * @npu: device
 * @root: level 3 table, NULL after removal of the device
 * @asid: address-space id
 *
 * The address space's lock protects all of it.
 */
struct npu_pt {
	struct npu_device *npu;
	struct npu_pt_table *root;
	u32 asid;
};

/**
 * struct npu_pt_pool - tables set aside before a change or to be freed after it
 * @leaf: unused tables of level 0
 * @inner: unused tables of other levels
 * @garbage: taken out of the tree; freed once no walk can see them
 * @last: which table of each level was set aside last, NPU_PT_NOWHERE for none
 */
struct npu_pt_pool {
	struct list_head leaf;
	struct list_head inner;
	struct list_head garbage;
	u64 last[NPU_PT_LEVELS - 1];
};

#define NPU_PT_NOWHERE	U64_MAX

int npu_pt_init(struct npu_pt *pt, struct npu_device *npu);
void npu_pt_fini(struct npu_pt *pt);
dma_addr_t npu_pt_root(const struct npu_pt *pt);

/**
 * struct npu_pt_need - how many tables a change needs
 * @leaf: of level 0
 * @inner: of other levels
 */
struct npu_pt_need {
	unsigned long leaf;
	unsigned long inner;
};

void npu_pt_pool_init(struct npu_pt_pool *pool);
void npu_pt_pool_fini(struct npu_pt *pt, struct npu_pt_pool *pool);
int npu_pt_reserve_map(struct npu_pt *pt, struct npu_pt_pool *pool, u64 va, u64 size);
int npu_pt_reserve_unmap(struct npu_pt *pt, struct npu_pt_pool *pool, u64 va, u64 size);

void npu_pt_need_map(struct npu_pt *pt, struct npu_pt_need *need, u64 va, u64 size,
		     struct sg_table *sgt, u64 offset);
int npu_pt_pool_fill(struct npu_pt *pt, struct npu_pt_pool *pool, const struct npu_pt_need *need);

void npu_pt_map(struct npu_pt *pt, struct npu_pt_pool *pool, u64 va, u64 size,
		struct sg_table *sgt, u64 offset, bool writable);
void npu_pt_unmap(struct npu_pt *pt, struct npu_pt_pool *pool, u64 va, u64 size);
void npu_pt_count(const struct npu_pt *pt, u64 *blocks, u64 *pages);
void npu_pt_prune(struct npu_pt *pt, struct npu_pt_pool *pool, u64 va, u64 size);

void npu_tlb_invalidate(struct npu_device *npu, u32 asid, u64 va, u64 size);

#endif /* _NPU_MMU_H_ */

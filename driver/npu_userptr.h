/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_USERPTR_H_
#define _NPU_USERPTR_H_

#include <linux/err.h>
#include <linux/types.h>

struct npu_bind_op;
struct npu_pt_pool;
struct npu_userptr;
struct npu_va;
struct npu_vm;

#if IS_ENABLED(CONFIG_HMM_MIRROR)

struct npu_userptr *npu_userptr_create(struct npu_vm *vm, u64 start, u64 size, bool writable);
struct npu_userptr *npu_userptr_get(struct npu_userptr *userptr);
void npu_userptr_put(struct npu_userptr *userptr);

void npu_userptr_link(struct npu_userptr *userptr, struct npu_va *va);
void npu_userptr_map(struct npu_userptr *userptr, struct npu_va *va, struct npu_pt_pool *pool);

int npu_userptrs_populate(struct npu_vm *vm);
bool npu_userptrs_begin(struct npu_vm *vm);
void npu_userptrs_end(struct npu_vm *vm);
void npu_userptrs_unmap(struct npu_vm *vm);

#else

static inline struct npu_userptr *npu_userptr_create(struct npu_vm *vm, u64 start, u64 size,
						     bool writable)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline struct npu_userptr *npu_userptr_get(struct npu_userptr *userptr)
{
	return userptr;
}

static inline void npu_userptr_put(struct npu_userptr *userptr)
{
}

static inline void npu_userptr_link(struct npu_userptr *userptr, struct npu_va *va)
{
}

static inline void npu_userptr_map(struct npu_userptr *userptr, struct npu_va *va,
				   struct npu_pt_pool *pool)
{
}

static inline int npu_userptrs_populate(struct npu_vm *vm)
{
	return 0;
}

static inline bool npu_userptrs_begin(struct npu_vm *vm)
{
	return true;
}

static inline void npu_userptrs_end(struct npu_vm *vm)
{
}

static inline void npu_userptrs_unmap(struct npu_vm *vm)
{
}

#endif

#endif /* _NPU_USERPTR_H_ */

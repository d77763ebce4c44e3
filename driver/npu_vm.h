/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_VM_H_
#define _NPU_VM_H_

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>

#include <drm/drm_gpuvm.h>
#include <drm/gpu_scheduler.h>

#include "npu_fence.h"
#include "npu_mmu.h"

/**
 * struct npu_vm - address space
 * @gpuvm: what is mapped where
 * @ref: users: the file's handle, queues, calls in progress. The mappings hold
 *       references to @gpuvm and go with the last user.
 * @npu: device
 * @node: in npu_device.objects.vms
 * @lock: protects the mappings and @pt. Taken in the fence signalling path and in
 *        memory reclaim.
 * @link_lock: written to let a mapping's buffer go. While drm_gpuvm_exec_lock() walks the
 *             buffers it holds references that it drops without their locks; they
 *             must not be the last ones.
 * @shared: a buffer that is not private is mapped, or has been
 * @pt: page tables
 * @userptrs: user memory, npu_userptr.node; protected by @lock
 * @userptr_lock: in read mode no user memory becomes invalid. In the fence signalling
 *                path and in memory reclaim.
 * @invalid_userptrs: what SUBMIT has to bring back; changes under @lock, and
 *                    @userptr_lock for writing
 * @mapped: bytes
 * @mappings: count
 * @name: of the timeline of asynchronous changes
 * @sched: holds them until they can be made
 * @entity: the only one of @sched
 * @fence_context: of their fences
 * @bind_lock: orders them; protects what follows. In the fence signalling path.
 * @binds: changes ever armed
 * @last_bind: fence of the last one, a reference
 * @closed: no more changes; may be read without the lock
 * @pending: changes that were not made yet
 */
struct npu_vm {
	struct drm_gpuvm gpuvm;
	struct kref ref;
	struct npu_device *npu;
	struct list_head node;
	struct mutex lock; /* mappings and page tables */
	struct rw_semaphore link_lock;
	bool shared;
	struct npu_pt pt;
	struct list_head userptrs;
	struct rw_semaphore userptr_lock;
	struct list_head invalid_userptrs;
	u64 mapped;
	u64 mappings;

	char name[NPU_FENCE_NAME_SIZE];
	struct drm_gpu_scheduler sched;
	struct drm_sched_entity entity;
	u64 fence_context;
	struct mutex bind_lock; /* order of asynchronous changes */
	u64 binds;
	struct dma_fence *last_bind;
	bool closed;
	atomic_t pending;
};

static inline struct npu_vm *to_npu_vm(struct drm_gpuvm *gpuvm)
{
	return container_of(gpuvm, struct npu_vm, gpuvm);
}

struct npu_vm *npu_vm_create(struct npu_device *npu);
struct npu_vm *npu_vm_lookup(struct drm_file *file, u32 id);
struct npu_vm *npu_vm_get(struct npu_vm *vm);
void npu_vm_put(struct npu_vm *vm);
void npu_vm_close(struct npu_vm *vm);
void npu_vm_unplug_all(struct npu_device *npu);
size_t npu_vm_copy(struct npu_vm *vm, u64 va, void *to, size_t size);

int npu_vm_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int npu_vm_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int npu_vm_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* _NPU_VM_H_ */

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_VM_H_
#define _NPU_VM_H_

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>

#include <drm/drm_gpuvm.h>

#include "npu_mmu.h"

struct drm_npu_vm_bind_op;

/**
 * struct npu_vm - address space
 * @gpuvm: what is mapped where
 * @ref: users: the file's handle, queues, calls in progress. The mappings hold
 *       references to @gpuvm and go with the last user.
 * @npu: device
 * @node: in npu_device.objects.vms
 * @lock: protects the mappings and @pt; taken before reservation locks
 * @link_lock: written to unlink mappings. While drm_gpuvm_exec_lock() walks the
 *             buffers it holds references that it drops without their locks; they
 *             must not be the last ones.
 * @pt: page tables
 * @mapped: bytes
 * @mappings: count
 */
struct npu_vm {
	struct drm_gpuvm gpuvm;
	struct kref ref;
	struct npu_device *npu;
	struct list_head node;
	struct mutex lock; /* mappings and page tables */
	struct rw_semaphore link_lock;
	struct npu_pt pt;
	u64 mapped;
	u64 mappings;
};

struct npu_vm *npu_vm_create(struct npu_device *npu);
struct npu_vm *npu_vm_lookup(struct drm_file *file, u32 id);
struct npu_vm *npu_vm_get(struct npu_vm *vm);
void npu_vm_put(struct npu_vm *vm);
void npu_vm_unplug_all(struct npu_device *npu);
int npu_vm_bind(struct npu_vm *vm, struct drm_file *file, const struct drm_npu_vm_bind_op *args,
		u32 count);

int npu_vm_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int npu_vm_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int npu_vm_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int npu_vm_bind_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* _NPU_VM_H_ */

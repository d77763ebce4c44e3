/* SPDX-License-Identifier: MIT */
/**
 * DOC: Rules
 *
 * This is the user API of the NPU driver on /dev/accel/accelN. It holds for
 * every ioctl:
 *
 * - Structures are 8-byte aligned, have explicit padding and the same layout
 *   on 32 and 64 bit. They grow at the end only; what an older program does
 *   not pass is zero, what an older kernel does not know must be zero.
 * - A padding, reserved or "out" field that is not zero and an unknown flag
 *   are refused with -EINVAL.
 * - Arrays carry the size of their elements (struct drm_npu_array.stride), so
 *   that elements can grow in the same way.
 * - An ioctl that returns an error has changed nothing. It can be called
 *   again after -EINTR (libdrm's drmIoctl() does).
 * - Errors common to all: -EFAULT (unreadable pointer), -EINVAL (see above),
 *   -ENOMEM, -ENODEV (the device has gone), -EOPNOTSUPP (not implemented by
 *   this driver or device). The others stand with each ioctl.
 * - Synchronisation is explicit, with DRM syncobjs. Implicit fences of
 *   foreign dma-bufs travel through DMA_BUF_IOCTL_{IMPORT,EXPORT}_SYNC_FILE.
 */
#ifndef _UAPI_NPU_ACCEL_H_
#define _UAPI_NPU_ACCEL_H_

#include "drm.h"

#if defined(__cplusplus)
extern "C" {
#endif

/* Place new ioctls at the end, never reorder. */
enum drm_npu_ioctl_id {
	DRM_NPU_DEV_QUERY = 0,
	DRM_NPU_BO_CREATE,
	DRM_NPU_BO_MMAP_OFFSET,
	DRM_NPU_BO_INFO,
	DRM_NPU_BO_LABEL,
	DRM_NPU_BO_SYNC,
	DRM_NPU_BO_MADVISE,
	DRM_NPU_VM_CREATE,
	DRM_NPU_VM_DESTROY,
	DRM_NPU_VM_GET_STATE,
	DRM_NPU_VM_BIND,
	DRM_NPU_QUEUE_CREATE,
	DRM_NPU_QUEUE_DESTROY,
	DRM_NPU_QUEUE_GET_STATE,
	DRM_NPU_SUBMIT,
	DRM_NPU_PERF_QUERY,
};

/**
 * struct drm_npu_array - array in user memory
 * @stride: bytes from one element to the next; at least the first version of
 *          the element, at most DRM_NPU_STRIDE_MAX, and a multiple of 8
 * @count: elements
 * @ptr: user pointer, 8-byte aligned; it and @stride are ignored if @count is zero
 */
struct drm_npu_array {
	__u32 stride;
	__u32 count;
	__u64 ptr;
};

#define DRM_NPU_STRIDE_MAX	4096

/**
 * enum drm_npu_query - what DEV_QUERY tells
 * @DRM_NPU_QUERY_DEVICE: struct drm_npu_device_info
 * @DRM_NPU_QUERY_TIME: struct drm_npu_time_info
 * @DRM_NPU_QUERY_PRIORITIES: struct drm_npu_priority_info
 */
enum drm_npu_query {
	DRM_NPU_QUERY_DEVICE = 0,
	DRM_NPU_QUERY_TIME = 1,
	DRM_NPU_QUERY_PRIORITIES = 2,
};

/**
 * struct drm_npu_dev_query - DRM_IOCTL_NPU_DEV_QUERY
 * @type: enum drm_npu_query
 * @size: in: room at @ptr; out: size of the information that this kernel has
 * @ptr: user pointer, or 0 to learn @size only. The kernel writes
 *       min(room, size) bytes and zeroes what is left of the room.
 *
 * Errors: -EINVAL for an unknown type, -E2BIG for a room of more than a page.
 */
struct drm_npu_dev_query {
	__u32 type;
	__u32 size;
	__u64 ptr;
};

/**
 * struct drm_npu_device_info - capabilities
 * @hw_version: major << 16 | minor of the register interface
 * @isa_version: major << 16 | minor of the newest command stream
 * @isa_features: NPU_ISA_FEATURE_* of npu_isa.h
 * @cores: compute cores
 * @slots: queues that the hardware holds at one time
 * @page_sizes: bit n: pages of 2^n bytes; the smallest is the granularity of
 *              VM_BIND
 * @va_bits: virtual addresses are 0 to 2^va_bits - 1
 * @layouts: bit n: tensor layout n of npu_isa.h
 * @clock_khz: nominal clock
 * @macs_per_cycle: peak of one core
 * @macs_max_order: log2 of the most multiply-accumulates in one command
 * @bytes_max_order: log2 of the most bytes one command may move
 * @ring_jobs: jobs of one queue that can be in the hardware at one time
 * @hang_timeout_ms: default of struct drm_npu_queue_create
 */
struct drm_npu_device_info {
	__u32 hw_version;
	__u32 isa_version;
	__u64 isa_features;
	__u32 cores;
	__u32 slots;
	__u64 page_sizes;
	__u32 va_bits;
	__u32 layouts;
	__u32 clock_khz;
	__u32 macs_per_cycle;
	__u32 macs_max_order;
	__u32 bytes_max_order;
	__u32 ring_jobs;
	__u32 hang_timeout_ms;
};

/**
 * struct drm_npu_time_info - device time beside system time
 * @device_ns: as in reports and by the TIMESTAMP command
 * @monotonic_ns: CLOCK_MONOTONIC, read right before
 */
struct drm_npu_time_info {
	__u64 device_ns;
	__u64 monotonic_ns;
};

/**
 * struct drm_npu_priority_info - priorities this process may use
 * @allowed: bit n: enum drm_npu_priority n
 */
struct drm_npu_priority_info {
	__u64 allowed;
};

/**
 * DRM_NPU_BO_NO_MMAP - the buffer will never be mapped by the CPU.
 */
#define DRM_NPU_BO_NO_MMAP	(1u << 0)

/**
 * struct drm_npu_bo_create - DRM_IOCTL_NPU_BO_CREATE
 * @size: in: bytes, more than 0; out: rounded up to pages
 * @flags: DRM_NPU_BO_*
 * @vm_id: 0, or the VM that the buffer is private to: it can be mapped in no
 *         other one and not be exported, and costs nothing per SUBMIT
 * @handle: out: GEM handle, never 0; DRM_IOCTL_GEM_CLOSE ends it
 * @pad: zero
 *
 * New buffers are zeroed.
 * Errors: -ENOENT: no such VM. -EINVAL: size 0. -ENOMEM: size too large, or no
 * memory left to the caller's cgroup. -EDQUOT: over a limit of this file, for the
 * bytes or the number of the buffers that were created through it and still exist.
 */
struct drm_npu_bo_create {
	__u64 size;
	__u32 flags;
	__u32 vm_id;
	__u32 handle;
	__u32 pad;
};

/**
 * struct drm_npu_bo_mmap_offset - DRM_IOCTL_NPU_BO_MMAP_OFFSET
 * @handle: of the buffer
 * @pad: zero
 * @offset: out: for mmap() on the accel file
 *
 * Errors: -ENOENT: no such buffer. -EPERM: DRM_NPU_BO_NO_MMAP. -EINVAL: an
 * imported buffer, which is mapped through its dma-buf.
 */
struct drm_npu_bo_mmap_offset {
	__u32 handle;
	__u32 pad;
	__u64 offset;
};

/**
 * DRM_NPU_BO_INFO_NEED_SYNC - CPU and device need BO_SYNC between their
 * accesses.
 */
#define DRM_NPU_BO_INFO_NEED_SYNC	(1u << 0)
/**
 * DRM_NPU_BO_INFO_IMPORTED - the memory is another driver's.
 */
#define DRM_NPU_BO_INFO_IMPORTED	(1u << 1)

/**
 * struct drm_npu_bo_info - DRM_IOCTL_NPU_BO_INFO
 * @handle: of the buffer
 * @create_flags: out: DRM_NPU_BO_* given at creation
 * @size: out: bytes
 * @flags: out: DRM_NPU_BO_INFO_NEED_SYNC, DRM_NPU_BO_INFO_IMPORTED
 * @vm_id: in: zero; out: id of the VM it is private to, 0 if none
 *
 * Errors: -ENOENT: no such buffer.
 */
struct drm_npu_bo_info {
	__u32 handle;
	__u32 create_flags;
	__u64 size;
	__u32 flags;
	__u32 vm_id;
};

#define DRM_NPU_BO_LABEL_MAX	64

/**
 * struct drm_npu_bo_label - DRM_IOCTL_NPU_BO_LABEL
 * @handle: of the buffer
 * @pad: zero
 * @label: user pointer to a string of less than DRM_NPU_BO_LABEL_MAX bytes, 0
 *         removes the label
 *
 * Errors: -ENOENT: no such buffer. -E2BIG: too long.
 */
struct drm_npu_bo_label {
	__u32 handle;
	__u32 pad;
	__u64 label;
};

/**
 * DRM_NPU_BO_SYNC_TO_DEVICE - the CPU has written, the device will read.
 */
#define DRM_NPU_BO_SYNC_TO_DEVICE	(1u << 0)
/**
 * DRM_NPU_BO_SYNC_TO_CPU - the device has written, the CPU will read.
 */
#define DRM_NPU_BO_SYNC_TO_CPU	(1u << 1)

/**
 * struct drm_npu_bo_sync - DRM_IOCTL_NPU_BO_SYNC
 * @handle: of the buffer
 * @flags: DRM_NPU_BO_SYNC_TO_DEVICE or DRM_NPU_BO_SYNC_TO_CPU, not both
 * @offset: first byte
 * @size: bytes, more than 0; the range lies in the buffer
 *
 * Does nothing for buffers without DRM_NPU_BO_INFO_NEED_SYNC.
 * Errors: -ENOENT: no such buffer. -EINVAL: flags or range. -EOPNOTSUPP: an
 * imported buffer, which is synchronised through its dma-buf.
 */
struct drm_npu_bo_sync {
	__u32 handle;
	__u32 flags;
	__u64 offset;
	__u64 size;
};

/**
 * enum drm_npu_madvise - whether the content of a buffer is needed
 * @DRM_NPU_MADVISE_WILLNEED: it is, as after BO_CREATE
 * @DRM_NPU_MADVISE_DONTNEED: may be purged under memory pressure, when no job of a
 *                            VM that maps the buffer is pending
 */
enum drm_npu_madvise {
	DRM_NPU_MADVISE_WILLNEED = 0,
	DRM_NPU_MADVISE_DONTNEED = 1,
};

/**
 * struct drm_npu_bo_madvise - DRM_IOCTL_NPU_BO_MADVISE
 * @handle: of the buffer
 * @advice: enum drm_npu_madvise
 * @retained: out: 0 if the content is lost
 * @pad: zero
 *
 * Holds for the buffer, whoever has handles of it. What is lost does not come back: a
 * purged buffer is good for nothing but to be closed. A job that needs it faults as if it
 * was not mapped, the CPU gets SIGBUS, VM_BIND and importers get -ENODATA.
 *
 * The content of all other buffers is kept, even if their memory is taken away when it
 * is scarce: it comes back when it is used.
 * Errors: -ENOENT: no such buffer. -EOPNOTSUPP: an imported one.
 */
struct drm_npu_bo_madvise {
	__u32 handle;
	__u32 advice;
	__u32 retained;
	__u32 pad;
};

/**
 * struct drm_npu_vm_create - DRM_IOCTL_NPU_VM_CREATE
 * @flags: zero
 * @vm_id: out: never 0; valid for this file, and not used a second time
 *
 * Errors: -ENOSPC: too many VMs, of this file or on the device.
 */
struct drm_npu_vm_create {
	__u32 flags;
	__u32 vm_id;
};

/**
 * struct drm_npu_vm_destroy - DRM_IOCTL_NPU_VM_DESTROY
 * @vm_id: of the VM
 * @pad: zero
 *
 * The id ends at once. The address space lives on while a queue uses it, but
 * asynchronous changes that are still pending are not made: their fences end with
 * -ECANCELED, when all that they wait for has signalled. Closing the file does the
 * same.
 * Errors: -ENOENT: no such VM.
 */
struct drm_npu_vm_destroy {
	__u32 vm_id;
	__u32 pad;
};

/**
 * struct drm_npu_vm_get_state - DRM_IOCTL_NPU_VM_GET_STATE
 * @vm_id: of the VM
 * @pending: out: asynchronous changes that are not made yet
 * @mappings: out: number of mappings
 * @mapped: out: bytes mapped
 *
 * Errors: -ENOENT: no such VM.
 */
struct drm_npu_vm_get_state {
	__u32 vm_id;
	__u32 pending;
	__u64 mappings;
	__u64 mapped;
};

/**
 * enum drm_npu_sync_type - kind of a syncobj
 * @DRM_NPU_SYNC_BINARY: one fence
 * @DRM_NPU_SYNC_TIMELINE: a fence for each point
 */
enum drm_npu_sync_type {
	DRM_NPU_SYNC_BINARY = 0,
	DRM_NPU_SYNC_TIMELINE = 1,
};

/**
 * DRM_NPU_SYNC_SIGNAL - signal the syncobj; else wait for it.
 */
#define DRM_NPU_SYNC_SIGNAL	(1u << 0)

/**
 * struct drm_npu_sync - a syncobj to wait for or to signal
 * @type: enum drm_npu_sync_type
 * @flags: DRM_NPU_SYNC_SIGNAL
 * @handle: DRM syncobj
 * @pad: zero
 * @point: for timelines more than 0, for binary syncobjs 0
 *
 * Errors: -ENOENT: no such syncobj. -EINVAL: a wait for a syncobj or point
 * that has no fence yet (wait with DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
 * first).
 */
struct drm_npu_sync {
	__u32 type;
	__u32 flags;
	__u32 handle;
	__u32 pad;
	__u64 point;
};

/**
 * enum drm_npu_vm_bind_op_type - kind of a change
 * @DRM_NPU_VM_BIND_MAP: a buffer
 * @DRM_NPU_VM_BIND_UNMAP: what is mapped in the range; may be nothing
 * @DRM_NPU_VM_BIND_MAP_USERPTR: memory of the calling process
 */
enum drm_npu_vm_bind_op_type {
	DRM_NPU_VM_BIND_MAP = 0,
	DRM_NPU_VM_BIND_UNMAP = 1,
	DRM_NPU_VM_BIND_MAP_USERPTR = 2,
};

/**
 * DRM_NPU_VM_BIND_READONLY - the device can not write through the mapping.
 */
#define DRM_NPU_VM_BIND_READONLY	(1u << 0)

/**
 * struct drm_npu_vm_bind_op - one change of an address space
 * @type: enum drm_npu_vm_bind_op_type
 * @flags: MAP, MAP_USERPTR: DRM_NPU_VM_BIND_READONLY
 * @handle: MAP: buffer, else 0
 * @pad: zero
 * @va: first address, page aligned
 * @size: bytes, page aligned, more than 0
 * @offset: MAP: into the buffer, page aligned; MAP_USERPTR: address of the memory, page
 *          aligned; else 0
 * @reserved: zero
 *
 * MAP and MAP_USERPTR replace what was mapped in their range.
 *
 * MAP_USERPTR maps what is at an address of the calling process, anonymous memory or
 * files, whichever pages that are at a time: after an mmap() over it, the new ones. It is
 * not pinned and counts for no limit. A change of the process's memory map there waits
 * for the jobs of the VM, as do a fork() and the end of the process, but for ten seconds
 * at most: a job that needs the memory then still faults. Jobs see the memory of the
 * process that made the call, whoever submits them.
 *
 * SUBMIT fails with -EFAULT or -EPERM if the memory is no longer there or not writable
 * any more. UNMAP what is gone; parts of a mapping that were unmapped are not looked at.
 */
struct drm_npu_vm_bind_op {
	__u32 type;
	__u32 flags;
	__u32 handle;
	__u32 pad;
	__u64 va;
	__u64 size;
	__u64 offset;
	__u64 reserved;
};

/**
 * DRM_NPU_VM_BIND_ASYNC - return before it is done.
 */
#define DRM_NPU_VM_BIND_ASYNC	(1u << 0)

/**
 * struct drm_npu_vm_bind - DRM_IOCTL_NPU_VM_BIND
 * @vm_id: of the VM
 * @flags: DRM_NPU_VM_BIND_ASYNC
 * @ops: array of struct drm_npu_vm_bind_op; done in order, all or none; may be empty
 * @syncs: ASYNC: array of struct drm_npu_sync, at most DRM_NPU_SYNCS_MAX; else empty
 *
 * When a synchronous call returns, the device uses the new mappings, and no
 * access through an old one is in flight. A job that needs an address which
 * it took away faults.
 *
 * An asynchronous call returns when all is checked and allocated: nothing that user
 * space could mend goes wrong later. The change is made when all waits have signalled,
 * whatever their result, and all asynchronous changes of the VM before it are made;
 * then the signals follow. A job that needs the new mapping has to wait for them. The
 * fence ends with 0; with -ECANCELED if the VM was destroyed before; with -ENODEV if
 * the device went away. Handles are looked up during the call and may be closed after
 * it.
 *
 * Changes are made in the order of the calls: a synchronous one waits until the
 * asynchronous ones before it are made.
 *
 * Errors: -ENOENT: no such VM, buffer or syncobj. -EINVAL: range or alignment.
 * -EACCES: a buffer that is private to another VM. -ENODATA: a buffer that was purged.
 * For user memory: -EFAULT: nothing is there, or no memory but a device's (which buffers
 * count as); -EPERM: it is not writable, without READONLY; -EOPNOTSUPP: the kernel cannot,
 * or CPU and device do not see this memory alike.
 * -E2BIG: more than DRM_NPU_VM_BIND_MAX operations or too many syncs.
 */
struct drm_npu_vm_bind {
	__u32 vm_id;
	__u32 flags;
	struct drm_npu_array ops;
	struct drm_npu_array syncs;
};

#define DRM_NPU_VM_BIND_MAX	4096

/**
 * enum drm_npu_priority - weight of a queue
 * @DRM_NPU_PRIORITY_LOW: what can wait
 * @DRM_NPU_PRIORITY_NORMAL: the default
 * @DRM_NPU_PRIORITY_HIGH: needs CAP_SYS_NICE
 * @DRM_NPU_PRIORITY_REALTIME: strict; needs CAP_SYS_NICE
 */
enum drm_npu_priority {
	DRM_NPU_PRIORITY_LOW = 0,
	DRM_NPU_PRIORITY_NORMAL = 1,
	DRM_NPU_PRIORITY_HIGH = 2,
	DRM_NPU_PRIORITY_REALTIME = 3,
};

#define DRM_NPU_HANG_TIMEOUT_MAX_MS	60000

/**
 * DRM_NPU_QUEUE_EVENT - send DRM_NPU_EVENT_FAULT if the queue is banned.
 */
#define DRM_NPU_QUEUE_EVENT	(1u << 0)

/**
 * struct drm_npu_queue_create - DRM_IOCTL_NPU_QUEUE_CREATE
 * @vm_id: address space of all jobs of the queue
 * @flags: DRM_NPU_QUEUE_EVENT
 * @priority: enum drm_npu_priority
 * @hang_timeout_ms: a job without progress for so long has hung; 0 = default,
 *                   at most DRM_NPU_HANG_TIMEOUT_MAX_MS
 * @queue_id: out: never 0; valid for this file, and not used a second time
 * @pad: zero
 *
 * Errors: -ENOENT: no such VM. -EACCES: priority without CAP_SYS_NICE.
 * -ENOSPC: too many queues of this file; or, with DRM_NPU_QUEUE_EVENT, DRM_NPU_EVENTS_MAX
 * events of this file are unread or reserved by other queues.
 */
struct drm_npu_queue_create {
	__u32 vm_id;
	__u32 flags;
	__u32 priority;
	__u32 hang_timeout_ms;
	__u32 queue_id;
	__u32 pad;
};

/**
 * struct drm_npu_queue_destroy - DRM_IOCTL_NPU_QUEUE_DESTROY
 * @queue_id: of the queue
 * @pad: zero
 *
 * Jobs that are not complete are cancelled: their fences end with -ECANCELED.
 * Closing the file does the same.
 * Errors: -ENOENT: no such queue.
 */
struct drm_npu_queue_destroy {
	__u32 queue_id;
	__u32 pad;
};

/**
 * DRM_NPU_QUEUE_HUNG - a job made no progress. The queue is banned.
 */
#define DRM_NPU_QUEUE_HUNG	(1u << 0)
/**
 * DRM_NPU_QUEUE_FAULTED - a job faulted, see the fault. The queue is banned.
 */
#define DRM_NPU_QUEUE_FAULTED	(1u << 1)
/**
 * DRM_NPU_QUEUE_INNOCENT - lost in a reset that another queue caused. Banned.
 */
#define DRM_NPU_QUEUE_INNOCENT	(1u << 2)
/**
 * DRM_NPU_QUEUE_LOST - the device has gone or was given up.
 */
#define DRM_NPU_QUEUE_LOST	(1u << 3)

/**
 * enum drm_npu_fault_status - kind of a fault
 * @DRM_NPU_FAULT_NONE: no fault
 * @DRM_NPU_FAULT_ILLEGAL: illegal command, see the detail
 * @DRM_NPU_FAULT_BOUNDS: outside its base, or written without permission
 * @DRM_NPU_FAULT_TRANSLATION: not mapped
 * @DRM_NPU_FAULT_PERMISSION: mapped read-only
 * @DRM_NPU_FAULT_WALK: malformed page table
 * @DRM_NPU_FAULT_BUS: memory does not answer
 * @DRM_NPU_FAULT_ABORTED: ended by a reset
 * @DRM_NPU_FAULT_DESCRIPTOR: malformed ring entry
 */
enum drm_npu_fault_status {
	DRM_NPU_FAULT_NONE = 0,
	DRM_NPU_FAULT_ILLEGAL = 1,
	DRM_NPU_FAULT_BOUNDS = 2,
	DRM_NPU_FAULT_TRANSLATION = 3,
	DRM_NPU_FAULT_PERMISSION = 4,
	DRM_NPU_FAULT_WALK = 5,
	DRM_NPU_FAULT_BUS = 6,
	DRM_NPU_FAULT_ABORTED = 7,
	DRM_NPU_FAULT_DESCRIPTOR = 8,
};

/**
 * enum drm_npu_fault_access - what the access was for
 * @DRM_NPU_ACCESS_NONE: no memory fault
 * @DRM_NPU_ACCESS_READ: of an operand
 * @DRM_NPU_ACCESS_WRITE: of a result
 * @DRM_NPU_ACCESS_FETCH: of the stream or the base table
 */
enum drm_npu_fault_access {
	DRM_NPU_ACCESS_NONE = 0,
	DRM_NPU_ACCESS_READ = 1,
	DRM_NPU_ACCESS_WRITE = 2,
	DRM_NPU_ACCESS_FETCH = 3,
};

/**
 * struct drm_npu_fault - what a job did wrong; all zero but @job if it hung
 * @status: enum drm_npu_fault_status
 * @access: enum drm_npu_fault_access
 * @va: address, for memory faults
 * @offset: of the faulting command in its stream
 * @job: the queue's job number, counted from 1
 * @detail: ILLEGAL: enum npu_illegal of npu_isa.h; TRANSLATION, PERMISSION and
 *          WALK: page-table level
 * @pad: zero
 */
struct drm_npu_fault {
	__u32 status;
	__u32 access;
	__u64 va;
	__u64 offset;
	__u64 job;
	__u32 detail;
	__u32 pad;
};

/**
 * struct drm_npu_queue_get_state - DRM_IOCTL_NPU_QUEUE_GET_STATE
 * @queue_id: of the queue
 * @state: out: DRM_NPU_QUEUE_*, 0 = good
 * @submitted: out: jobs ever submitted
 * @completed: out: jobs complete, in whatever way
 * @fault: out: the first fault
 *
 * Errors: -ENOENT: no such queue.
 */
struct drm_npu_queue_get_state {
	__u32 queue_id;
	__u32 state;
	__u64 submitted;
	__u64 completed;
	struct drm_npu_fault fault;
};

/**
 * struct drm_npu_job - one run of a command stream
 * @stream_va: struct npu_stream_header of npu_isa.h, 8-byte aligned; 0 if empty
 * @bases_va: array of struct npu_base, 8-byte aligned; 0 if empty
 * @stream_size: bytes, a multiple of 8; 0 for a job that only synchronises
 * @bases: number of bases
 * @flags: zero
 * @pad: zero
 */
struct drm_npu_job {
	__u64 stream_va;
	__u64 bases_va;
	__u32 stream_size;
	__u32 bases;
	__u32 flags;
	__u32 pad;
};

/**
 * struct drm_npu_submit - DRM_IOCTL_NPU_SUBMIT
 * @queue_id: of the queue
 * @flags: zero
 * @jobs: array of struct drm_npu_job, 1 to DRM_NPU_SUBMIT_MAX, run in order
 * @syncs: array of struct drm_npu_sync, at most DRM_NPU_SYNCS_MAX; all waits
 *         come before the first job, all signals after the last
 *
 * A wait whose fence ends with an error does not stop the jobs. A job's own
 * fence ends with 0; with the error of its fault: -EINVAL illegal command,
 * -EFAULT address, -EIO memory or device; with -ETIME if it hung; with
 * -ECANCELED if a predecessor failed or the queue was destroyed; with -ENODEV
 * if the device went away.
 * Memory of the VM that was taken away when it was scarce comes back during the call.
 * Errors: -ENOENT: no such queue or syncobj. -E2BIG: too many jobs or syncs.
 * -EIO: the queue is banned, see QUEUE_GET_STATE. -ENOMEM: no memory for what has to come
 * back, or none left to the caller's cgroup. -EFAULT, -EPERM: user memory that is mapped
 * in the VM, see struct drm_npu_vm_bind_op.
 */
struct drm_npu_submit {
	__u32 queue_id;
	__u32 flags;
	struct drm_npu_array jobs;
	struct drm_npu_array syncs;
};

#define DRM_NPU_SUBMIT_MAX	64
#define DRM_NPU_SYNCS_MAX	256

/**
 * struct drm_npu_perf_query - DRM_IOCTL_NPU_PERF_QUERY
 * @queue_id: of the queue
 * @flags: zero
 * @job: job number counted from 1, one of the last ring_jobs that completed;
 *       0 for the totals of the queue
 * @start_ns: out: device time when the job began; totals: 0
 * @end_ns: out: device time when the job was complete; totals: 0
 * @cycles: out: cycles
 * @macs: out: multiply-accumulates
 * @bytes: out: bytes read and written
 * @tiles: out: totals: progress counter; else 0
 *
 * Errors: -ENOENT: no such queue or job. -EOPNOTSUPP: no report of jobs.
 */
struct drm_npu_perf_query {
	__u32 queue_id;
	__u32 flags;
	__u64 job;
	__u64 start_ns;
	__u64 end_ns;
	__u64 cycles;
	__u64 macs;
	__u64 bytes;
	__u64 tiles;
};

/*
 * Events are read from the accel file: struct drm_event, followed by the rest of
 * the structure of its type. drm_event.length is the size of both; unknown
 * types are to be skipped.
 *
 * read() returns as many whole events as fit, oldest first; 0 if the first does
 * not fit; it waits if there is none, or fails with EAGAIN if the file is
 * O_NONBLOCK. poll() says POLLIN while there are events.
 */
#define DRM_NPU_EVENT_FAULT	0x80000000	/* struct drm_npu_event_fault */

/**
 * struct drm_npu_event_fault - a queue was banned
 * @base: type DRM_NPU_EVENT_FAULT
 * @queue_id: of the queue; it may have been destroyed meanwhile
 * @state: DRM_NPU_QUEUE_*, why
 * @fault: as QUEUE_GET_STATE
 *
 * Sent once for each queue with DRM_NPU_QUEUE_EVENT that is banned, before the
 * fences of its jobs signal; not for queues that are destroyed. The room for it
 * is reserved by QUEUE_CREATE, so no event is ever lost.
 */
struct drm_npu_event_fault {
	struct drm_event base;
	__u32 queue_id;
	__u32 state;
	struct drm_npu_fault fault;
};

/* Events that a file can hold, unread or to come. */
#define DRM_NPU_EVENTS_MAX	1024

#define DRM_IOCTL_NPU(access, name, type) \
	DRM_##access(DRM_COMMAND_BASE + DRM_NPU_##name, struct drm_npu_##type)

#define DRM_IOCTL_NPU_DEV_QUERY		DRM_IOCTL_NPU(IOWR, DEV_QUERY, dev_query)
#define DRM_IOCTL_NPU_BO_CREATE		DRM_IOCTL_NPU(IOWR, BO_CREATE, bo_create)
#define DRM_IOCTL_NPU_BO_MMAP_OFFSET	DRM_IOCTL_NPU(IOWR, BO_MMAP_OFFSET, bo_mmap_offset)
#define DRM_IOCTL_NPU_BO_INFO		DRM_IOCTL_NPU(IOWR, BO_INFO, bo_info)
#define DRM_IOCTL_NPU_BO_LABEL		DRM_IOCTL_NPU(IOW, BO_LABEL, bo_label)
#define DRM_IOCTL_NPU_BO_SYNC		DRM_IOCTL_NPU(IOW, BO_SYNC, bo_sync)
#define DRM_IOCTL_NPU_BO_MADVISE	DRM_IOCTL_NPU(IOWR, BO_MADVISE, bo_madvise)
#define DRM_IOCTL_NPU_VM_CREATE		DRM_IOCTL_NPU(IOWR, VM_CREATE, vm_create)
#define DRM_IOCTL_NPU_VM_DESTROY	DRM_IOCTL_NPU(IOW, VM_DESTROY, vm_destroy)
#define DRM_IOCTL_NPU_VM_GET_STATE	DRM_IOCTL_NPU(IOWR, VM_GET_STATE, vm_get_state)
#define DRM_IOCTL_NPU_VM_BIND		DRM_IOCTL_NPU(IOW, VM_BIND, vm_bind)
#define DRM_IOCTL_NPU_QUEUE_CREATE	DRM_IOCTL_NPU(IOWR, QUEUE_CREATE, queue_create)
#define DRM_IOCTL_NPU_QUEUE_DESTROY	DRM_IOCTL_NPU(IOW, QUEUE_DESTROY, queue_destroy)
#define DRM_IOCTL_NPU_QUEUE_GET_STATE	DRM_IOCTL_NPU(IOWR, QUEUE_GET_STATE, queue_get_state)
#define DRM_IOCTL_NPU_SUBMIT		DRM_IOCTL_NPU(IOW, SUBMIT, submit)
#define DRM_IOCTL_NPU_PERF_QUERY	DRM_IOCTL_NPU(IOWR, PERF_QUERY, perf_query)

#if defined(__cplusplus)
}
#endif

#endif /* _UAPI_NPU_ACCEL_H_ */

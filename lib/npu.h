/* SPDX-License-Identifier: MIT */
/*
 * libnpu: the NPU of /dev/accel from user space.
 *
 * Errors: functions that can fail return 0 or a negative errno. Those with a
 * struct npu_error argument (NULL is welcome) say there in one sentence what
 * went wrong and what to do about it. A destroy function accepts NULL.
 *
 * Lifetime: an object keeps what it was made from alive: a device may be
 * closed before its buffers, a model before its sessions.
 *
 * Devices: what one call gets must come from one struct npu_device, else it
 * returns -EINVAL; opening a node twice makes two. Buffers go from one to
 * another as dma-bufs, fences as sync_files.
 *
 * Threads: the library has no global state. Devices, VMs, queues, buffers,
 * fences, timelines, programs and models may be used by any number of threads at one
 * time; streams and sessions by one thread at a time (different sessions of
 * one model run in parallel). Destroying an object while another thread is
 * using it is an error of the caller. A process that forks uses its devices
 * in one of the two processes only.
 *
 * Units: sizes and offsets are bytes, times nanoseconds, deadlines absolute
 * CLOCK_MONOTONIC. Structures of the kernel (drm_npu_*) and of the command
 * stream are used as they are; the latter are little-endian.
 */
#ifndef NPU_H
#define NPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <drm/npu_accel.h>
#include <drm/npu_isa.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NPU_VERSION_STRING "0.1.0"

struct npu_device;
struct npu_bo;
struct npu_vm;
struct npu_queue;
struct npu_fence;
struct npu_timeline;
struct npu_stream;
struct npu_program;
struct npu_model;
struct npu_session;

/**
 * struct npu_error - the text of an error
 * @detail: enum npu_illegal, if a command stream was refused; else 0
 * @offset: of the refused command in its stream
 * @text: one sentence, no newline, always terminated
 */
struct npu_error {
	uint32_t detail;
	uint32_t offset;
	char text[248];
};

/* ---- Devices ------------------------------------------------------------ */

/**
 * struct npu_device_id - a device node that npu_device_list() found
 * @path: of the node
 * @driver: name of its kernel driver, empty if unknown
 * @version: of the driver: major, minor, patch level; zero if unknown
 * @error: 0, or why the node cannot be opened (negative errno)
 */
struct npu_device_id {
	char path[64];
	char driver[32];
	int32_t version[3];
	int32_t error;
};

/**
 * npu_device_list() - find the NPUs of this machine
 * @ids: room for @max entries, in the order of their node numbers
 * @max: entries of @ids, may be 0
 *
 * Return: number of NPUs, which may be more than @max.
 */
int npu_device_list(struct npu_device_id *ids, unsigned int max);

/**
 * npu_device_open() - open a device
 * @name: path of the node or index in npu_device_list(); NULL: what the
 *        environment variable NPU_DEVICE says, else the first one that opens
 * @dev: out: the device
 * @err: out: text
 *
 * Return: 0; -ENODEV: there is none, or another driver's; -EACCES: no
 * permission; -EOPNOTSUPP: driver or device are too old or too new; errno of
 * open(2).
 */
int npu_device_open(const char *name, struct npu_device **dev, struct npu_error *err);

/**
 * npu_device_close() - end the use of a device
 * @dev: device, or NULL; nothing made from it may be used afterwards
 */
void npu_device_close(struct npu_device *dev);

/**
 * npu_device_info() - capabilities
 * @dev: device
 *
 * Return: valid as long as @dev.
 */
const struct drm_npu_device_info *npu_device_info(const struct npu_device *dev);

/**
 * npu_device_path() - node that was opened
 * @dev: device
 *
 * Return: valid as long as @dev.
 */
const char *npu_device_path(const struct npu_device *dev);

/**
 * npu_device_fd() - the accel file, for ioctls of one's own
 * @dev: device
 *
 * Return: the file descriptor, which is still @dev's.
 */
int npu_device_fd(const struct npu_device *dev);

/**
 * npu_device_time() - device time beside CLOCK_MONOTONIC
 * @dev: device
 * @time: out: both
 *
 * Return: 0; errors of DEV_QUERY.
 */
int npu_device_time(struct npu_device *dev, struct drm_npu_time_info *time);

/**
 * npu_device_event() - has a queue been banned?
 * @dev: device; npu_device_fd() is readable (poll, epoll) when it has
 * @event: out: which (npu_queue_id()) and why
 *
 * Never waits. Each ban is told once, to one caller. There may be several: call it until it
 * returns -EAGAIN, then poll. Queues that are made while
 * DRM_NPU_EVENTS_MAX events are unread tell nothing.
 *
 * Return: 0; -EAGAIN: no queue has; errno of read(2).
 */
int npu_device_event(struct npu_device *dev, struct drm_npu_event_fault *event);

/* ---- Buffers ------------------------------------------------------------- */

/**
 * npu_bo_create() - create a zeroed buffer
 * @dev: device
 * @size: rounded up to pages
 * @flags: DRM_NPU_BO_*
 * @vm: NULL, or the only VM that will map it (cheaper to submit with, cannot
 *      be exported)
 * @bo: out: the buffer
 *
 * Return: 0; -EINVAL: @vm is another device's; errors of BO_CREATE.
 */
int npu_bo_create(struct npu_device *dev, uint64_t size, uint32_t flags, struct npu_vm *vm,
		  struct npu_bo **bo);

/**
 * npu_bo_destroy() - drop a buffer
 * @bo: buffer, or NULL; its mappings in address spaces stay
 */
void npu_bo_destroy(struct npu_bo *bo);

/**
 * npu_bo_import() - use another device's or process's dma-buf
 * @dev: device
 * @fd: dma-buf; still the caller's afterwards
 * @bo: out: the buffer; importing a dma-buf twice gives the same one, which
 *      then needs to be destroyed twice
 */
int npu_bo_import(struct npu_device *dev, int fd, struct npu_bo **bo);

/**
 * npu_bo_export() - make a dma-buf
 * @bo: buffer
 * @fd: out: the dma-buf; the caller closes it
 *
 * Return: 0; -EPERM: private to an address space; errors of PRIME_HANDLE_TO_FD.
 */
int npu_bo_export(struct npu_bo *bo, int *fd);

/**
 * npu_bo_map() - map for the CPU, once
 * @bo: buffer; the mapping ends with it
 * @ptr: out: address; the same on each call
 *
 * Return: 0; errors of BO_MMAP_OFFSET and mmap(2).
 */
int npu_bo_map(struct npu_bo *bo, void **ptr);

/**
 * npu_bo_size() - size of a buffer
 * @bo: buffer
 *
 * Return: bytes, whole pages.
 */
uint64_t npu_bo_size(const struct npu_bo *bo);

/**
 * npu_bo_handle() - GEM handle on npu_device_fd()
 * @bo: buffer
 *
 * Return: valid as long as @bo.
 */
uint32_t npu_bo_handle(const struct npu_bo *bo);

/**
 * npu_bo_label() - name a buffer for debugging
 * @bo: buffer
 * @label: text, NULL = none
 *
 * Return: 0; -E2BIG: DRM_NPU_BO_LABEL_MAX bytes or more; errors of BO_LABEL.
 */
int npu_bo_label(struct npu_bo *bo, const char *label);

/**
 * npu_bo_sync() - between accesses of CPU and device
 * @bo: buffer; nothing is done if it needs no synchronisation
 * @flags: DRM_NPU_BO_SYNC_TO_DEVICE or DRM_NPU_BO_SYNC_TO_CPU
 * @offset: first byte
 * @size: bytes
 */
int npu_bo_sync(struct npu_bo *bo, uint32_t flags, uint64_t offset, uint64_t size);

/**
 * npu_bo_madvise() - say whether the content of a buffer is needed
 * @bo: buffer, not an imported one
 * @advice: DRM_NPU_MADVISE_DONTNEED: it may be lost when memory is scarce;
 *	DRM_NPU_MADVISE_WILLNEED: no more
 *
 * A buffer whose content was lost is good for nothing but to be destroyed.
 * Return: 1 if the content is there, 0 if it is lost; errors of BO_MADVISE.
 */
int npu_bo_madvise(struct npu_bo *bo, enum drm_npu_madvise advice);

/* ---- Address spaces -------------------------------------------------------- */

/**
 * npu_vm_create() - create an empty address space
 * @dev: device
 * @vm: out: the address space
 *
 * Return: 0; errors of VM_CREATE.
 */
int npu_vm_create(struct npu_device *dev, struct npu_vm **vm);

/**
 * npu_vm_destroy() - drop an address space
 * @vm: address space, or NULL; it lives on while a queue uses it
 */
void npu_vm_destroy(struct npu_vm *vm);

/* NPU_VM_FIXED: map at the address given; what was mapped there goes away. */
#define NPU_VM_FIXED	(1u << 31)

/**
 * npu_vm_map() - give the device access to a buffer
 * @vm: address space
 * @bo: buffer; the mapping keeps its memory alive
 * @offset: first byte, page aligned
 * @size: bytes, rounded up to pages; 0 = to the end of the buffer
 * @flags: DRM_NPU_VM_BIND_READONLY, NPU_VM_FIXED
 * @va: out: address, never 0; with NPU_VM_FIXED in: address, page aligned
 *
 * The mapping is in use when the call returns.
 * An error changes nothing.
 * Return: 0; -ENOSPC: no address is left; -EINVAL: range or alignment, or @bo
 * is another device's; errors of VM_BIND.
 */
int npu_vm_map(struct npu_vm *vm, struct npu_bo *bo, uint64_t offset, uint64_t size,
	       uint32_t flags, uint64_t *va);

/**
 * npu_vm_map_user() - give the device access to memory of the process
 * @vm: address space
 * @ptr: memory, page aligned; not of buffers. The device sees whichever pages are there
 * @size: bytes, rounded up to pages
 * @flags: DRM_NPU_VM_BIND_READONLY, NPU_VM_FIXED
 * @va: as of npu_vm_map()
 *
 * Unmap it before the memory goes: else npu_queue_submit() fails with -EFAULT. Who frees
 * the memory waits for the jobs of the address space.
 * An error changes nothing.
 * Return: 0; -ENOSPC: no address is left; -EINVAL: alignment or size 0; errors of VM_BIND.
 */
int npu_vm_map_user(struct npu_vm *vm, const void *ptr, uint64_t size, uint32_t flags,
		    uint64_t *va);

/**
 * npu_vm_unmap() - take an access away; no access is in flight on return
 * @vm: address space
 * @va: as given by npu_vm_map() or npu_vm_map_user(), or a page within
 * @size: bytes, rounded up to pages
 */
int npu_vm_unmap(struct npu_vm *vm, uint64_t va, uint64_t size);

/**
 * npu_vm_bind() - change an address space when fences have signalled
 * @vm: address space
 * @ops: done in order, all or none, at addresses of the caller's choice; handles are
 *       npu_bo_handle() of buffers of the same device
 * @count: of operations, at most DRM_NPU_VM_BIND_MAX
 * @waits: fences that the change waits for
 * @nwaits: fewer than DRM_NPU_SYNCS_MAX
 * @done: out: signals when the change is made; may be NULL
 *
 * Returns at once. Changes of an address space are made in the order of the calls,
 * npu_vm_map() and npu_vm_unmap() among them wait for their turn. npu_vm_map() finds no
 * address that a pending change maps.
 * Return: 0; -EINVAL: one of @waits is another device's; errors of VM_BIND.
 */
int npu_vm_bind(struct npu_vm *vm, const struct drm_npu_vm_bind_op *ops, unsigned int count,
		struct npu_fence *const *waits, unsigned int nwaits, struct npu_fence **done);

/* ---- Queues ---------------------------------------------------------------- */

/**
 * npu_queue_create() - create a queue; its jobs run in order
 * @vm: address space of its jobs
 * @priority: more than NORMAL needs CAP_SYS_NICE
 * @hang_timeout_ms: 0 = the device's default
 * @queue: out: the queue
 */
int npu_queue_create(struct npu_vm *vm, enum drm_npu_priority priority, uint32_t hang_timeout_ms,
		     struct npu_queue **queue);

/**
 * npu_queue_destroy() - end a queue
 * @queue: queue, or NULL; jobs that are not complete end with -ECANCELED
 */
void npu_queue_destroy(struct npu_queue *queue);

/**
 * npu_queue_submit() - run jobs
 * @queue: queue
 * @jobs: run in order
 * @count: of jobs, 1 to DRM_NPU_SUBMIT_MAX
 * @waits: fences that the first job waits for
 * @nwaits: fewer than DRM_NPU_SYNCS_MAX
 * @done: out: signals after the last job; may be NULL
 *
 * Return: 0; -EIO: the queue is banned, see npu_queue_state(); -EINVAL: one of
 * @waits is another device's; errors of SUBMIT. The error of a job is that of its fence.
 */
int npu_queue_submit(struct npu_queue *queue, const struct drm_npu_job *jobs, unsigned int count,
		     struct npu_fence *const *waits, unsigned int nwaits, struct npu_fence **done);

/**
 * npu_queue_state() - is the queue still good?
 * @queue: queue
 * @state: out: may be NULL
 * @err: out: what the faulting job did, in words
 *
 * Return: 0: good; -EIO: banned or lost, and @err says why; errors of
 * QUEUE_GET_STATE.
 */
int npu_queue_state(struct npu_queue *queue, struct drm_npu_queue_get_state *state,
		    struct npu_error *err);

/**
 * npu_fault_text() - what a job did, in words
 * @fault: of QUEUE_GET_STATE, of an event or of a core dump
 * @text: out: one line without newline, cut off at @len
 * @len: room at @text
 */
void npu_fault_text(const struct drm_npu_fault *fault, char *text, size_t len);

/**
 * npu_queue_id() - number of the queue on npu_device_fd()
 * @queue: queue
 *
 * Return: what ioctls and events name it by.
 */
uint32_t npu_queue_id(const struct npu_queue *queue);

/**
 * npu_queue_perf() - counters of a job or of the queue
 * @queue: queue
 * @job: npu_fence_job(); 0 = totals of the queue
 * @perf: out: counters
 *
 * Return: 0; errors of PERF_QUERY.
 */
int npu_queue_perf(struct npu_queue *queue, uint64_t job, struct drm_npu_perf_query *perf);

/* ---- Fences ----------------------------------------------------------------- */

#define NPU_FOREVER	INT64_MAX

/**
 * npu_deadline() - deadline of a wait that begins now
 * @ns: nanoseconds
 *
 * Return: absolute CLOCK_MONOTONIC; saturates at NPU_FOREVER.
 */
int64_t npu_deadline(int64_t ns);

/**
 * npu_fence_wait() - wait for completion
 * @fence: fence
 * @deadline: absolute CLOCK_MONOTONIC; in the past: only look; NPU_FOREVER
 * @err: out: why the job failed
 *
 * Return: 0: complete; -ETIMEDOUT: not complete; else the error of the job:
 * -EINVAL illegal command, -EFAULT address, -EIO memory, -ETIME hung,
 * -ECANCELED a predecessor failed or the queue ended, -ENODEV the device went
 * away. -EMFILE, -ENFILE, -ENOMEM: complete, but how the job ended cannot be
 * asked now (it takes a file descriptor for a moment); a later call can.
 */
int npu_fence_wait(struct npu_fence *fence, int64_t deadline, struct npu_error *err);

/**
 * npu_fence_fd() - sync_file of the fence
 * @fence: fence
 * @fd: out: becomes readable (poll, epoll) when the fence signals; other
 *      drivers can wait for it; the caller closes it
 */
int npu_fence_fd(struct npu_fence *fence, int *fd);

/**
 * npu_fence_import() - fence of a sync_file
 * @dev: device
 * @fd: sync_file; still the caller's afterwards
 * @fence: out: the fence
 *
 * Return: 0; errors of SYNCOBJ_FD_TO_HANDLE.
 */
int npu_fence_import(struct npu_device *dev, int fd, struct npu_fence **fence);

/**
 * npu_fence_job() - number of the fence's job
 * @fence: fence
 *
 * Return: number in its queue, counted from 1; 0 if imported.
 */
uint64_t npu_fence_job(const struct npu_fence *fence);

/**
 * npu_fence_syncobj() - DRM syncobj on npu_device_fd()
 * @fence: fence
 *
 * Return: handle, valid as long as @fence.
 */
uint32_t npu_fence_syncobj(const struct npu_fence *fence);

/**
 * npu_fence_destroy() - drop a fence
 * @fence: fence, or NULL; its job runs on
 */
void npu_fence_destroy(struct npu_fence *fence);

/* ---- Timelines ---------------------------------------------------------------- */

/**
 * npu_timeline_create() - create a timeline
 * @dev: device
 * @timeline: out: a DRM syncobj whose points, from 1 on, are promised and signalled in order
 *
 * Return: 0; errors of SYNCOBJ_CREATE.
 */
int npu_timeline_create(struct npu_device *dev, struct npu_timeline **timeline);

/**
 * npu_timeline_import() - use the timeline of another process or driver
 * @dev: device
 * @fd: of a DRM syncobj; still the caller's afterwards
 * @timeline: out: the timeline
 *
 * Return: 0; errors of SYNCOBJ_FD_TO_HANDLE.
 */
int npu_timeline_import(struct npu_device *dev, int fd, struct npu_timeline **timeline);

/**
 * npu_timeline_export() - give a timeline to another process or driver
 * @timeline: timeline
 * @fd: out: of the DRM syncobj; the caller closes it
 *
 * Return: 0; errors of SYNCOBJ_HANDLE_TO_FD.
 */
int npu_timeline_export(struct npu_timeline *timeline, int *fd);

/**
 * npu_timeline_destroy() - drop a timeline
 * @timeline: timeline, or NULL; others that have it keep it
 */
void npu_timeline_destroy(struct npu_timeline *timeline);

/**
 * npu_timeline_query() - how far it is
 * @timeline: timeline
 * @point: out: last point that has signalled, 0 = none
 *
 * Return: 0; errors of SYNCOBJ_QUERY.
 */
int npu_timeline_query(struct npu_timeline *timeline, uint64_t *point);

/**
 * npu_timeline_signal() - signal a point from the CPU
 * @timeline: timeline
 * @point: larger than all that were promised
 *
 * Return: 0; -EINVAL: @point is 0; errors of SYNCOBJ_TIMELINE_SIGNAL.
 */
int npu_timeline_signal(struct npu_timeline *timeline, uint64_t point);

/**
 * npu_timeline_attach() - promise a point: a fence will signal it
 * @timeline: timeline
 * @point: larger than all that were promised
 * @fence: of the same device
 *
 * Return: 0; -EINVAL: @point is 0, or @fence is another device's; errors of
 * SYNCOBJ_TRANSFER.
 */
int npu_timeline_attach(struct npu_timeline *timeline, uint64_t point, struct npu_fence *fence);

/**
 * npu_timeline_wait() - wait until a point has signalled
 * @timeline: timeline
 * @point: may not be promised yet
 * @deadline: as npu_fence_wait()
 *
 * Return: 0; -ETIMEDOUT; -EINVAL: @point is 0; errors of SYNCOBJ_TIMELINE_WAIT.
 */
int npu_timeline_wait(struct npu_timeline *timeline, uint64_t point, int64_t deadline);

/**
 * npu_timeline_fence() - wait until a point is promised
 * @timeline: timeline
 * @point: larger than 0
 * @deadline: as npu_fence_wait()
 * @fence: out: signals with @point; for npu_queue_submit() and its like, which cannot wait
 *         for what nobody has promised. How its job ended cannot be asked.
 *
 * Return: 0; -ETIMEDOUT; -EINVAL: @point is 0; errors of SYNCOBJ_TIMELINE_WAIT and
 * SYNCOBJ_TRANSFER.
 */
int npu_timeline_fence(struct npu_timeline *timeline, uint64_t point, int64_t deadline,
		       struct npu_fence **fence);

/**
 * npu_timeline_fd() - poll for a point
 * @timeline: timeline
 * @point: larger than 0
 * @signalled: poll for its signal, else for its promise
 * @fd: out: eventfd(2) that is readable then; the caller closes it
 *
 * Return: 0; -EINVAL: @point is 0; errors of SYNCOBJ_EVENTFD (a kernel older than 6.6 has
 * none) and eventfd(2).
 */
int npu_timeline_fd(struct npu_timeline *timeline, uint64_t point, bool signalled, int *fd);

/* ---- Command streams --------------------------------------------------------- */

/**
 * npu_stream_create() - start a command stream
 * @limits: of the device that will run it, NULL = those of the ISA alone
 * @stream: out: the builder
 */
int npu_stream_create(const struct drm_npu_device_info *limits, struct npu_stream **stream);

/**
 * npu_stream_destroy() - drop a builder and its stream
 * @stream: builder, or NULL
 */
void npu_stream_destroy(struct npu_stream *stream);

/**
 * npu_stream_add() - append a command
 * @stream: builder
 * @cmd: a struct npu_cmd_*; only the opcode of its header has to be set
 * @err: out: field and reason
 *
 * Makes all checks that the device makes and that need no base table. After
 * an error the stream is as before.
 * Return: 0; -EINVAL: the device would refuse it; -E2BIG: the stream would
 * become larger than NPU_ISA_MAX_STREAM_SIZE; -ENOMEM.
 */
int npu_stream_add(struct npu_stream *stream, const void *cmd, struct npu_error *err);

/**
 * npu_stream_data() - the finished stream
 * @stream: builder
 * @size: out: bytes
 *
 * Return: valid until the next call on @stream.
 */
const void *npu_stream_data(const struct npu_stream *stream, uint32_t *size);

/**
 * npu_stream_check() - would the device accept this stream?
 * @data: stream
 * @size: bytes
 * @bases: base table of the job: accesses are checked as well; or NULL
 * @nbases: entries
 * @limits: of the device, or NULL
 * @err: out: field and reason, offset and enum npu_illegal
 *
 * Return: 0; -EINVAL: illegal; -EFAULT: outside its base.
 */
int npu_stream_check(const void *data, size_t size, const struct npu_base *bases,
		     unsigned int nbases, const struct drm_npu_device_info *limits,
		     struct npu_error *err);

/**
 * npu_stream_dis() - disassemble the command at @offset
 * @data: stream, may be garbage
 * @size: bytes
 * @offset: 0 = header of the stream, then that of a command
 * @text: out: one line without newline, cut off at @len
 * @len: room at @text
 *
 * Return: offset of the next command; 0: this was the last one; -EINVAL:
 * nothing can be read there, @text says why.
 */
int npu_stream_dis(const void *data, size_t size, size_t offset, char *text, size_t len);

/**
 * npu_tensor_init() - describe a contiguous tensor
 * @tensor: out: the descriptor; strides follow from @dim
 * @type: of the elements
 * @base: index into the base table
 * @offset: of the first element in it
 * @zero_point: of the quantisation
 * @rank: dimensions, at most NPU_ISA_MAX_RANK
 * @dim: @rank sizes, outermost first
 */
void npu_tensor_init(struct npu_tensor *tensor, enum npu_type type, unsigned int base,
		     int64_t offset, int32_t zero_point, unsigned int rank, const uint32_t *dim);

/**
 * npu_type_size() - bytes of an element
 * @type: of elements
 *
 * Return: 0 for types that this ISA does not have.
 */
unsigned int npu_type_size(enum npu_type type);

/**
 * npu_type_name() - name of a type, for messages
 * @type: of elements
 *
 * Return: a constant, as "s8"; never NULL.
 */
const char *npu_type_name(enum npu_type type);

/**
 * npu_illegal_name() - why a command is illegal, in words
 * @detail: of a fault or of struct npu_error
 *
 * Return: a constant; never NULL.
 */
const char *npu_illegal_name(enum npu_illegal detail);

/* ---- Programs: compiled models, no device needed -------------------------------- */

/* NPU_COMPILE_PROFILE: a TIMESTAMP command before and after every operator. */
#define NPU_COMPILE_PROFILE	(1u << 0)

/* Whose results, where the two differ; models.rst says where. */
#define NPU_NUMERICS_TFLM	0	/* TensorFlow Lite Micro */
#define NPU_NUMERICS_TFLITE	1	/* TensorFlow Lite */

/**
 * struct npu_compile_options - how to compile; all zero is the default
 * @flags: NPU_COMPILE_*
 * @macs_max_order: log2 of the most MACs in a command; larger operators are
 *                  split; 0 = 34
 * @bytes_max_order: log2 of the most bytes a command moves; 0 = 32
 * @numerics: NPU_NUMERICS_*
 * @batch: inputs per run, of a model whose first dimension of inputs is 1 or not fixed (-1);
 *         0 = as the file has it
 * @reserved: zero
 * @signature: key of the signature (SignatureDef) to compile; NULL = that of the first subgraph
 * @reserved1: zero
 */
struct npu_compile_options {
	uint32_t flags;
	uint32_t macs_max_order;
	uint32_t bytes_max_order;
	uint32_t numerics;
	uint32_t batch;
	uint32_t reserved;
	const char *signature;
	uint64_t reserved1[4];
};

/*
 * Base table of a program. The bases of inputs, outputs and of the time
 * stamps follow each other in this order.
 */
#define NPU_BASE_CONSTANTS	0	/* read only: weights, scales, biases */
#define NPU_BASE_ARENA		1	/* intermediate results */
#define NPU_BASE_IO		2	/* inputs, outputs, time stamps */

/* An input or output of a program; real value = scale * (device value - zero_point). */
struct npu_tensor_info {
	const char *name;
	enum npu_type type;		/* what the caller reads and writes; F32 if the */
					/* model has QUANTIZE or DEQUANTIZE at this edge */
	enum npu_type device_type;	/* what the device reads and writes; linear */
	uint32_t rank;
	uint32_t dim[NPU_ISA_MAX_RANK];	/* outermost first */
	uint64_t size;			/* bytes in @type */
	uint64_t device_size;		/* bytes in @device_type */
	float scale;			/* 0 = none */
	int32_t zero_point;
	uint32_t base;			/* index into the base table */
	const char *key;		/* its name in the model's signature; NULL: none */
};

/* An operator of a program. */
struct npu_op_info {
	const char *name;		/* as CONV_2D */
	const char *output;		/* tensor */
	uint32_t index;			/* in the model */
	uint32_t offset;		/* of its first command in the stream */
	uint32_t commands;		/* 0 if nothing had to be done */
};

/* What a program consists of. */
struct npu_program_info {
	const void *stream;
	const void *constants;		/* content of base 0 */
	const struct npu_base *bases;	/* sizes and flags; the addresses are the caller's */
	const struct npu_tensor_info *inputs;
	const struct npu_tensor_info *outputs;
	const struct npu_op_info *ops;
	uint32_t stream_size;
	uint32_t nbases;
	uint32_t ninputs;
	uint32_t noutputs;
	uint32_t nops;
	uint32_t flags;			/* NPU_COMPILE_* */
	const void *state;		/* content of the base of variables before the first run */
	uint32_t state_base;		/* its index, 0 = there is none */
};

/**
 * npu_program_compile() - compile a TensorFlow Lite file, or take a saved program
 * @file: its content; not needed afterwards; may be hostile
 * @size: bytes
 * @options: NULL = default
 * @program: out: immutable
 * @err: out: names operator, tensor and what to do
 *
 * The result depends on the arguments alone. A saved program (npu_program_save()) has the flags
 * that it was compiled with; those of @options must be among them, limits do not matter, and other
 * options of a model are refused.
 * Return: 0; -EBADMSG: no valid file; -EOPNOTSUPP: valid, but something is
 * not supported; -EINVAL: options; -ENOMEM; -ENOTRECOVERABLE: the compiler has
 * made a program that its own check refuses, please report it.
 */
int npu_program_compile(const void *file, size_t size, const struct npu_compile_options *options,
			struct npu_program **program, struct npu_error *err);

/**
 * npu_program_save() - write a program to a file
 * @program: program
 * @path: of the file, which is replaced
 * @err: out: text
 *
 * The file has a version and a checksum; npu_program_load() and npu_model_load() take it
 * in place of a model.
 * Return: 0; -ENOMEM; errno of open(2); errno of write(2), after which the file is no program.
 */
int npu_program_save(const struct npu_program *program, const char *path, struct npu_error *err);

/**
 * npu_program_load() - compile a TensorFlow Lite file from a path
 * @path: of the file
 * @options: NULL = default
 * @program: out: immutable
 * @err: out: names operator, tensor and what to do
 *
 * Return: 0; errors of npu_program_compile(); errno of open(2).
 */
int npu_program_load(const char *path, const struct npu_compile_options *options,
		     struct npu_program **program, struct npu_error *err);

/**
 * npu_program_destroy() - drop a program
 * @program: program, or NULL
 */
void npu_program_destroy(struct npu_program *program);

/**
 * npu_program_get_info() - what a program consists of
 * @program: program
 *
 * Return: valid as long as @program.
 */
const struct npu_program_info *npu_program_get_info(const struct npu_program *program);

/**
 * npu_tensor_find() - an input or output by its name
 * @tensors: of struct npu_program_info
 * @count: how many there are
 * @name: in the signature, or else of the tensor
 *
 * Return: its index, or -ENOENT.
 */
int npu_tensor_find(const struct npu_tensor_info *tensors, unsigned int count, const char *name);

/**
 * npu_tensor_encode() - values of the caller as the device reads them
 * @info: input of a program
 * @from: @info->size bytes of @info->type
 * @to: out: @info->device_size bytes of @info->device_type, for the input's base
 *
 * For a buffer of the caller's, see npu_session_bind(); npu_session_write() does the same.
 * What the type does not have becomes the nearest value it has.
 */
void npu_tensor_encode(const struct npu_tensor_info *info, const void *from, void *to);

/**
 * npu_tensor_decode() - the opposite, for an output
 * @info: output of a program
 * @from: @info->device_size bytes, as the device has written them
 * @to: out: @info->size bytes of @info->type
 */
void npu_tensor_decode(const struct npu_tensor_info *info, const void *from, void *to);

/**
 * npu_program_profile() - what the operators of a run cost
 * @info: program compiled with NPU_COMPILE_PROFILE
 * @data: content of its last base after the run: @info->nops + 1 time stamps
 * @ops: out: differences, one per operator
 * @max: entries of @ops
 *
 * Return: number of operators; -EINVAL: not compiled so.
 */
int npu_program_profile(const struct npu_program_info *info, const void *data,
			struct npu_timestamp *ops, unsigned int max);

/* ---- Models and sessions ----------------------------------------------------------- */

/**
 * npu_model_load() - read, compile and upload a TensorFlow Lite file
 * @dev: device
 * @path: of the file
 * @options: as npu_program_compile(); limits that are 0 are the device's; NULL = default
 * @model: out: immutable, shared by its sessions
 * @err: out: text
 *
 * Return: errors of npu_program_load(), npu_bo_create() and npu_vm_map().
 */
int npu_model_load(struct npu_device *dev, const char *path,
		   const struct npu_compile_options *options,
		   struct npu_model **model, struct npu_error *err);

/**
 * npu_model_create() - upload a compiled program
 * @dev: device
 * @program: belongs to the model from now on, also after an error
 * @model: out: immutable, shared by its sessions
 * @err: out: text
 *
 * Return: errors of npu_bo_create() and npu_vm_map().
 */
int npu_model_create(struct npu_device *dev, struct npu_program *program,
		     struct npu_model **model, struct npu_error *err);

/**
 * npu_model_destroy() - drop a model
 * @model: model, or NULL; it lives on while a session uses it
 */
void npu_model_destroy(struct npu_model *model);

/**
 * npu_model_get_info() - inputs, outputs and operators
 * @model: model
 *
 * Return: valid as long as @model.
 */
const struct npu_program_info *npu_model_get_info(const struct npu_model *model);

/**
 * npu_session_create() - memory and queue for runs of a model
 * @model: model
 * @priority: of the queue
 * @session: out: its runs are ordered; sessions run independently
 * @err: out: text
 */
int npu_session_create(struct npu_model *model, enum drm_npu_priority priority,
		       struct npu_session **session, struct npu_error *err);

/**
 * npu_session_destroy() - end a session
 * @session: session, or NULL; a run that is under way is cancelled
 */
void npu_session_destroy(struct npu_session *session);

/**
 * npu_session_write() - set an input
 * @session: session
 * @input: index
 * @data: values in the type of the input; float32 is quantised
 *        (half away from zero, saturating) if the model begins so
 * @size: must be that of the input
 * @err: out: text
 *
 * Return: 0; -EINVAL: index or size; -EBUSY: a run is under way.
 */
int npu_session_write(struct npu_session *session, unsigned int input, const void *data,
		      size_t size, struct npu_error *err);

/**
 * npu_session_read() - get an output of the last run
 * @session: session
 * @output: index
 * @data: out: values in the type of the output
 * @size: must be that of the output
 * @err: out: text
 *
 * Return: 0; -ENODATA: no run has completed since the session was made or
 * reset; the error of the last run, see npu_fence_wait(); -EINVAL: index or
 * size; -EBUSY: a run is under way.
 */
int npu_session_read(struct npu_session *session, unsigned int output, void *data, size_t size,
		     struct npu_error *err);

/**
 * npu_session_bind() - use a buffer of the caller as input or output, zero copy
 * @session: session
 * @base: npu_tensor_info.base
 * @bo: buffer; NULL = the session's own again. Values are of device_type; the
 *      caller synchronises CPU accesses with npu_bo_sync()
 * @offset: first byte, a multiple of 64
 * @err: out: text
 *
 * Return: 0; -EINVAL: index, range or alignment, or @bo is another device's;
 * -EBUSY: a run is under way; errors of npu_vm_map().
 */
int npu_session_bind(struct npu_session *session, unsigned int base, struct npu_bo *bo,
		     uint64_t offset, struct npu_error *err);

/**
 * npu_session_submit() - start a run
 * @session: session
 * @waits: fences to wait for first
 * @nwaits: fewer than DRM_NPU_SYNCS_MAX
 * @fence: out: signals when the outputs are complete; may be NULL
 * @err: out: text
 *
 * Several runs may be under way at one time; they run in order, on the same
 * inputs and outputs.
 * Return: 0; -EIO: an earlier run failed, see npu_session_reset(); -EINVAL: one
 * of @waits is another device's.
 */
int npu_session_submit(struct npu_session *session, struct npu_fence *const *waits,
		       unsigned int nwaits, struct npu_fence **fence, struct npu_error *err);

/**
 * npu_session_wait() - wait for all runs
 * @session: session
 * @deadline: as npu_fence_wait()
 * @err: out: why the last run failed
 *
 * Return: as npu_fence_wait().
 */
int npu_session_wait(struct npu_session *session, int64_t deadline, struct npu_error *err);

/**
 * npu_session_run() - submit a run and wait without limit of time
 * @session: session
 * @err: out: text
 *
 * Return: errors of npu_session_submit() and npu_session_wait().
 */
int npu_session_run(struct npu_session *session, struct npu_error *err);

/**
 * npu_session_reset() - cancel runs, forget a failure and what earlier runs left
 * @session: session; it gets a new queue, its inputs stay, variables of the model are as
 *           before the first run
 * @err: out: text
 *
 * Return: 0; errors of npu_queue_create() and, for variables, npu_bo_map() and npu_bo_sync().
 */
int npu_session_reset(struct npu_session *session, struct npu_error *err);

/**
 * npu_session_profile() - what the operators of the last run cost
 * @session: idle, of a model with NPU_COMPILE_PROFILE
 * @ops: out: differences, one per operator of the program
 * @max: entries of @ops
 *
 * Return: number of operators; -EINVAL: not compiled so; -EBUSY, -ENODATA and
 * the error of the last run as npu_session_read().
 */
int npu_session_profile(struct npu_session *session, struct npu_timestamp *ops, unsigned int max);

/**
 * npu_session_queue() - the queue, for npu_queue_perf() and npu_queue_state()
 * @session: session
 *
 * Return: valid until a reset.
 */
struct npu_queue *npu_session_queue(struct npu_session *session);

#ifdef __cplusplus
}
#endif

#endif /* NPU_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/**
 * DOC: Tracepoints
 *
 * events/npu of tracefs:
 *
 * ==================  ========================================================
 * npu_job_submit      SUBMIT has taken a job; it may have to wait
 * npu_job_emit        it is in the ring of its queue
 * npu_job_complete    its fence signals, with its error
 * npu_vm_bind         one operation of VM_BIND
 * npu_tlb_invalidate  the device is to forget translations
 * npu_slot_bind       a queue gets a hardware slot
 * npu_slot_unbind     it gives the slot back
 * npu_queue_ban       a queue is banned, and why
 * npu_reset           of a queue, a core or the function
 * ==================  ========================================================
 *
 * Queues have the names of their timelines, npuN-queueM, as in the events of
 * gpu_scheduler and dma_fence; a job's number is the sequence of its fence.
 * None of these is user ABI; those of gpu_scheduler are.
 */
#if !defined(_NPU_TRACE_H_) || defined(TRACE_HEADER_MULTI_READ)
#define _NPU_TRACE_H_

#undef TRACE_SYSTEM
#define TRACE_SYSTEM npu

#include <linux/tracepoint.h>

#include "npu_queue.h"

TRACE_EVENT(npu_job_submit,
	TP_PROTO(const struct npu_queue *queue, u64 job, const struct drm_npu_job *args),
	TP_ARGS(queue, job, args),
	TP_STRUCT__entry(
		__string(queue, queue->name)
		__field(u64, job)
		__field(u64, stream_va)
		__field(u32, stream_size)
	),
	TP_fast_assign(
		__assign_str(queue);
		__entry->job = job;
		__entry->stream_va = args->stream_va;
		__entry->stream_size = args->stream_size;
	),
	TP_printk("queue=%s job=%llu stream=%#llx size=%u", __get_str(queue), __entry->job,
		  __entry->stream_va, __entry->stream_size)
);

TRACE_EVENT(npu_job_emit,
	TP_PROTO(const struct npu_queue *queue, u64 job, int slot),
	TP_ARGS(queue, job, slot),
	TP_STRUCT__entry(
		__string(queue, queue->name)
		__field(u64, job)
		__field(int, slot)
	),
	TP_fast_assign(
		__assign_str(queue);
		__entry->job = job;
		__entry->slot = slot;
	),
	TP_printk("queue=%s job=%llu slot=%d", __get_str(queue), __entry->job, __entry->slot)
);

TRACE_EVENT(npu_job_complete,
	TP_PROTO(const struct npu_queue *queue, u64 job, int error),
	TP_ARGS(queue, job, error),
	TP_STRUCT__entry(
		__string(queue, queue->name)
		__field(u64, job)
		__field(int, error)
	),
	TP_fast_assign(
		__assign_str(queue);
		__entry->job = job;
		__entry->error = error;
	),
	TP_printk("queue=%s job=%llu error=%d", __get_str(queue), __entry->job, __entry->error)
);

TRACE_EVENT(npu_vm_bind,
	TP_PROTO(struct npu_device *npu, u32 asid, bool map, u64 va, u64 size, u64 offset),
	TP_ARGS(npu, asid, map, va, size, offset),
	TP_STRUCT__entry(
		__string(dev, dev_name(npu->drm.dev))
		__field(u32, asid)
		__field(bool, map)
		__field(u64, va)
		__field(u64, size)
		__field(u64, offset)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->asid = asid;
		__entry->map = map;
		__entry->va = va;
		__entry->size = size;
		__entry->offset = offset;
	),
	TP_printk("dev=%s asid=%u %s va=%#llx size=%#llx offset=%#llx", __get_str(dev),
		  __entry->asid, __entry->map ? "map" : "unmap", __entry->va, __entry->size,
		  __entry->offset)
);

TRACE_EVENT(npu_tlb_invalidate,
	TP_PROTO(struct npu_device *npu, u32 asid, u64 va, u32 pages),
	TP_ARGS(npu, asid, va, pages),
	TP_STRUCT__entry(
		__string(dev, dev_name(npu->drm.dev))
		__field(u32, asid)
		__field(u64, va)
		__field(u32, pages)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->asid = asid;
		__entry->va = va;
		__entry->pages = pages;
	),
	TP_printk("dev=%s asid=%u va=%#llx pages=%u", __get_str(dev), __entry->asid, __entry->va,
		  __entry->pages)
);

DECLARE_EVENT_CLASS(npu_slot,
	TP_PROTO(const struct npu_queue *queue, int slot),
	TP_ARGS(queue, slot),
	TP_STRUCT__entry(
		__string(queue, queue->name)
		__field(int, slot)
	),
	TP_fast_assign(
		__assign_str(queue);
		__entry->slot = slot;
	),
	TP_printk("queue=%s slot=%d", __get_str(queue), __entry->slot)
);

DEFINE_EVENT(npu_slot, npu_slot_bind,
	TP_PROTO(const struct npu_queue *queue, int slot),
	TP_ARGS(queue, slot)
);

DEFINE_EVENT(npu_slot, npu_slot_unbind,
	TP_PROTO(const struct npu_queue *queue, int slot),
	TP_ARGS(queue, slot)
);

TRACE_EVENT(npu_queue_ban,
	TP_PROTO(const struct npu_queue *queue, u32 state),
	TP_ARGS(queue, state),
	TP_STRUCT__entry(
		__string(queue, queue->name)
		__field(u32, state)
		__field(u64, job)
		__field(u32, status)
		__field(u64, va)
		__field(u64, offset)
	),
	TP_fast_assign(
		__assign_str(queue);
		__entry->state = state;
		__entry->job = queue->fault.job;
		__entry->status = queue->fault.status;
		__entry->va = queue->fault.va;
		__entry->offset = queue->fault.offset;
	),
	TP_printk("queue=%s state=%#x job=%llu status=%u va=%#llx offset=%#llx", __get_str(queue),
		  __entry->state, __entry->job, __entry->status, __entry->va, __entry->offset)
);

TRACE_EVENT(npu_reset,
	TP_PROTO(struct npu_device *npu, const char *scope, int index),
	TP_ARGS(npu, scope, index),
	TP_STRUCT__entry(
		__string(dev, dev_name(npu->drm.dev))
		__string(scope, scope)
		__field(int, index)
	),
	TP_fast_assign(
		__assign_str(dev);
		__assign_str(scope);
		__entry->index = index;
	),
	TP_printk("dev=%s scope=%s index=%d", __get_str(dev), __get_str(scope), __entry->index)
);

#endif /* _NPU_TRACE_H_ */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE npu_trace
#include <trace/define_trace.h>

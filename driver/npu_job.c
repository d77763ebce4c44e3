// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Submission
 *
 * SUBMIT goes through these steps, and an error in any but the last undoes all
 * of the ones before:
 *
 * 1. Check the arrays, look up the queue.
 * 2. Copy and check every job, and allocate it with its fence; look up syncobjs and
 *    the fences to wait for, allocate timeline points.
 * 3. Bring back the VM's user memory (npu_userptr.c).
 * 4. Lock the VM's reservation object and those of its shared buffers, reserve
 *    room for a fence, bring back what was evicted; add the dependencies to the
 *    first job.
 * 5. If user memory has become invalid meanwhile, begin again with step 3.
 * 6. Under the queue's submit_lock: arm the jobs, which fixes their order,
 *    publish the last fence in the reservation objects and the syncobjs, and
 *    push the jobs. Nothing in here can fail.
 *
 * Dependencies on the queue's own jobs are dropped: the ring keeps the order.
 *
 * What it costs is counted, see Documentation/performance.rst. As long as no shared buffer
 * has ever been mapped there is one reservation, and step 4 needs no drm_exec: the cost does
 * not depend on how many private buffers there are.
 */
#include <linux/overflow.h>
#include <linux/pm_runtime.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_exec.h>
#include <drm/drm_file.h>
#include <drm/npu_isa.h>

#include "npu_compat.h"
#include "npu_drv.h"
#include "npu_fence.h"
#include "npu_job.h"
#include "npu_queue.h"
#include "npu_sync.h"
#include "npu_trace.h"
#include "npu_userptr.h"
#include "npu_vm.h"

/**
 * npu_array_check() - can an array of extensible structures be read?
 * @array: where it is
 * @size_v1: smallest element that is accepted
 * @max: most elements
 *
 * Return: 0, -E2BIG for too many elements, -EINVAL for the stride.
 */
int npu_array_check(const struct drm_npu_array *array, size_t size_v1, u32 max)
{
	if (!array->count)
		return 0;
	/* The upper bound keeps the check of unknown fields short. */
	if (array->stride < size_v1 || array->stride > DRM_NPU_STRIDE_MAX ||
	    !IS_ALIGNED(array->stride | array->ptr, 8))
		return -EINVAL;
	return array->count > max ? -E2BIG : 0;
}

/**
 * npu_array_convert() - npu_array_read() of elements of another size than ours
 * @array: as there
 * @first: as there
 * @count: as there
 * @to: as there
 * @size: as there
 *
 * Elements that are smaller than @size are filled with zeros, what is larger
 * must be zero.
 *
 * Return: 0, -EFAULT, or -EINVAL for unknown fields that are not zero.
 */
int npu_array_convert(const struct drm_npu_array *array, u32 first, u32 count, void *to,
		      size_t size)
{
	u64 from = array->ptr + (u64)first * array->stride;
	u32 i;
	int ret;

	for (i = 0; i < count; i++) {
		ret = copy_struct_from_user(to + i * size, size,
					    u64_to_user_ptr(from + (u64)i * array->stride),
					    array->stride);
		/* Unknown fields are refused like unknown flags. */
		if (ret)
			return ret == -E2BIG ? -EINVAL : ret;
	}
	return 0;
}

/**
 * npu_array_copy() - copy a whole array of extensible structures from user space
 * @array: where it is
 * @size_v1: smallest element that is accepted
 * @size: of an element in this kernel
 * @max: most elements
 *
 * Return: elements of @size bytes for kvfree(), NULL for an empty array, or an
 * error pointer as from npu_array_check() and npu_array_read().
 */
void *npu_array_copy(const struct drm_npu_array *array, size_t size_v1, size_t size, u32 max)
{
	void *copy;
	int ret;

	ret = npu_array_check(array, size_v1, max);
	if (ret)
		return ERR_PTR(ret);
	if (!array->count)
		return NULL;

	copy = kvmalloc_array(array->count, size, GFP_KERNEL_ACCOUNT);
	if (!copy)
		return ERR_PTR(-ENOMEM);
	ret = npu_array_read(array, 0, array->count, copy, size);
	if (ret) {
		kvfree(copy);
		return ERR_PTR(ret);
	}
	return copy;
}

/* ---- drm_sched ------------------------------------------------------------------ */

static struct npu_job *to_npu_job(struct drm_sched_job *sched_job)
{
	return container_of(sched_job, struct npu_job, base);
}

static struct dma_fence *npu_sched_run_job(struct drm_sched_job *sched_job)
{
	struct npu_job *job = to_npu_job(sched_job);
	int ret;

	ret = npu_queue_emit(job->queue, job);
	if (ret) {
		npu_queue_end_job(job->queue, &job->fence, ret);
		return ERR_PTR(ret);
	}
	return dma_fence_get(&job->fence.base);
}

/* The scheduler's timeout is infinite, see the hang watch. */
static enum drm_gpu_sched_stat npu_sched_timedout_job(struct drm_sched_job *sched_job)
{
	return DRM_GPU_SCHED_STAT_RESET;
}

static void npu_sched_free_job(struct drm_sched_job *sched_job)
{
	struct npu_job *job = to_npu_job(sched_job);
	struct npu_queue *queue = job->queue;

	/* A job that was killed in the entity never came to run_job. */
	if (!dma_fence_is_signaled(&job->fence.base))
		npu_queue_end_job(queue, &job->fence, queue->dead_error);

	drm_sched_job_cleanup(&job->base);
	npu_queue_put(queue);
	/* Last, because it has the memory, and may be what keeps the module. */
	dma_fence_put(&job->fence.base);
}

const struct drm_sched_backend_ops npu_sched_ops = {
	.run_job = npu_sched_run_job,
	.timedout_job = npu_sched_timedout_job,
	.free_job = npu_sched_free_job,
};

/* A fence frees its memory with kfree(), which knows whose it is. */
static struct kmem_cache *npu_job_cache;

/*
 * What has been constructed is never cleared, see init_on_alloc, and nearly all of a job is
 * written anyway, by drm_sched_job_init(), npu_job_init() and npu_fence_init().
 */
static void npu_job_construct(void *memory)
{
	memset(memory, 0, sizeof(struct npu_job));
}

int npu_jobs_init(void)
{
	npu_job_cache = kmem_cache_create("npu_job", sizeof(struct npu_job),
					  __alignof__(struct npu_job), 0, npu_job_construct);
	return npu_job_cache ? 0 : -ENOMEM;
}

void npu_jobs_fini(void)
{
	kmem_cache_destroy(npu_job_cache);
}

/* ---- Submission ------------------------------------------------------------------- */

/* How many jobs are read from user space and allocated at once. */
#define NPU_SUBMIT_CHUNK	16

/**
 * struct npu_submit - everything a SUBMIT has gathered
 * @queue: a reference
 * @file: who submits
 * @args: what it asks for
 * @first: jobs, npu_job.next
 * @last: the last of them
 * @syncs: what to wait for and to signal
 */
struct npu_submit {
	struct npu_queue *queue;
	struct drm_file *file;
	const struct drm_npu_submit *args;
	struct npu_job *first;
	struct npu_job *last;
	struct npu_syncs syncs;
};

static int npu_job_check(const struct drm_npu_job *args)
{
	if (args->flags || args->pad)
		return -EINVAL;
	if (args->stream_size > NPU_ISA_MAX_STREAM_SIZE || args->bases > NPU_ISA_MAX_BASES)
		return -EINVAL;
	if (!IS_ALIGNED(args->stream_va | args->bases_va | args->stream_size, NPU_ISA_ALIGN))
		return -EINVAL;
	if ((args->stream_va && !args->stream_size) || (args->bases_va && !args->bases))
		return -EINVAL;
	return 0;
}

/* A reference for one more job; that of the first one keeps the device on. */
static int npu_submit_get_power(struct npu_submit *submit)
{
	if (!submit->first)
		return npu_pm_get(submit->queue->npu);
	pm_runtime_get_noresume(submit->queue->npu->drm.dev);
	return 0;
}

static int npu_job_init(struct npu_job *job, struct npu_submit *submit,
			const struct drm_npu_job *args)
{
	struct npu_queue *queue = submit->queue;
	int ret;

	ret = npu_job_check(args);
	if (!ret)
		ret = npu_submit_get_power(submit);
	if (ret)
		return ret;
	/* Before drm_sched clears it 6.12 may look at it, for an error message. */
	job->base.sched = NULL;
	ret = drm_sched_job_init(&job->base, &queue->entity, 1, submit->file,
				 submit->file->client_id);
	if (ret) {
		npu_pm_put(queue->npu);
		return ret;
	}
	job->queue = npu_queue_get(queue);
	job->next = NULL;
	job->args = *args;
	return 0;
}

/* Of a job that is initialised and not armed. */
static void npu_job_discard(struct npu_job *job)
{
	drm_sched_job_cleanup(&job->base);
	npu_pm_put(job->queue->npu);
	npu_queue_put(job->queue);
	kfree(job);
}

static int npu_submit_add_job(struct npu_submit *submit, struct npu_job *job,
			      const struct drm_npu_job *args)
{
	int ret;

	ret = npu_job_init(job, submit, args);
	if (ret)
		return ret;
	if (submit->last)
		submit->last->next = job;
	else
		submit->first = job;
	submit->last = job;
	return 0;
}

static int npu_submit_add_chunk(struct npu_submit *submit, u32 first, u32 count)
{
	struct drm_npu_job args[NPU_SUBMIT_CHUNK];
	void *job[NPU_SUBMIT_CHUNK];
	u32 i;
	int ret;

	ret = npu_array_read(&submit->args->jobs, first, count, args, sizeof(args[0]));
	if (ret)
		return ret;
	if (!kmem_cache_alloc_bulk(npu_job_cache, GFP_KERNEL_ACCOUNT, count, job))
		return -ENOMEM;
	for (i = 0; i < count && !ret; i++)
		ret = npu_submit_add_job(submit, job[i], &args[i]);
	if (ret)
		kmem_cache_free_bulk(npu_job_cache, count - i + 1, &job[i - 1]);
	return ret;
}

static int npu_submit_add_jobs(struct npu_submit *submit)
{
	u32 count = submit->args->jobs.count;
	int ret = 0;
	u32 i;

	for (i = 0; i < count && !ret; i += NPU_SUBMIT_CHUNK)
		ret = npu_submit_add_chunk(submit, i, min_t(u32, count - i, NPU_SUBMIT_CHUNK));
	return ret;
}

static struct dma_fence *npu_submit_arm(struct npu_submit *submit)
{
	struct npu_queue *queue = submit->queue;
	struct npu_job *job;

	for (job = submit->first; job; job = job->next) {
		drm_sched_job_arm(&job->base);
		npu_fence_init(&job->fence, queue->name, queue->fence_context, ++queue->submitted);
		trace_npu_job_submit(queue, queue->submitted, &job->args);
	}
	/* The last job is done when all are. */
	return &submit->last->fence.base;
}

static void npu_submit_push(struct npu_submit *submit)
{
	struct npu_job *job;

	while (submit->first) {
		job = submit->first;
		/* Who is pushed may be gone. */
		submit->first = job->next;
		drm_sched_entity_push_job(&job->base);
	}
}

/**
 * struct npu_submit_lock - the reservations of a SUBMIT
 * @exec: all of them, if @shared
 * @shared: buffers with reservations of their own may be mapped
 *
 * All buffers that are private to an address space have the one of the address space.
 */
struct npu_submit_lock {
	struct drm_gpuvm_exec exec;
	bool shared;
};

static int npu_submit_validate(struct drm_gpuvm_exec *exec)
{
	return drm_gpuvm_validate(exec->vm, &exec->exec);
}

static int npu_submit_lock_shared(struct npu_submit_lock *lock, struct npu_vm *vm)
{
	lock->exec = (struct drm_gpuvm_exec) {
		.vm = &vm->gpuvm,
		.flags = DRM_EXEC_INTERRUPTIBLE_WAIT | DRM_EXEC_IGNORE_DUPLICATES,
		.num_fences = 1,
		.extra.fn = npu_submit_validate,
	};
	return drm_gpuvm_exec_lock(&lock->exec);
}

/* Returns -EAGAIN if a shared buffer has come meanwhile. */
static int npu_submit_lock_private(struct npu_vm *vm)
{
	struct dma_resv *resv = drm_gpuvm_resv(&vm->gpuvm);
	int ret;

	ret = dma_resv_lock_interruptible(resv, NULL);
	if (ret)
		return ret;
	/* The lock may have been waited for; what was mapped by then is to be fenced. */
	ret = READ_ONCE(vm->shared) ? -EAGAIN : dma_resv_reserve_fences(resv, 1);
	if (!ret)
		ret = drm_gpuvm_validate(&vm->gpuvm, NULL);
	if (ret)
		dma_resv_unlock(resv);
	return ret;
}

static int npu_submit_lock(struct npu_submit_lock *lock, struct npu_vm *vm)
{
	guard(rwsem_read)(&vm->link_lock);

	lock->shared = READ_ONCE(vm->shared);
	return lock->shared ? npu_submit_lock_shared(lock, vm) : npu_submit_lock_private(vm);
}

static void npu_submit_unlock(struct npu_submit_lock *lock, struct npu_vm *vm)
{
	if (lock->shared)
		drm_gpuvm_exec_unlock(&lock->exec);
	else
		dma_resv_unlock(drm_gpuvm_resv(&vm->gpuvm));
}

static void npu_submit_add_fence(struct npu_submit_lock *lock, struct npu_vm *vm,
				 struct dma_fence *fence)
{
	if (lock->shared)
		drm_gpuvm_exec_resv_add_fence(&lock->exec, fence, DMA_RESV_USAGE_BOOKKEEP,
					      DMA_RESV_USAGE_BOOKKEEP);
	else
		dma_resv_add_fence(drm_gpuvm_resv(&vm->gpuvm), fence, DMA_RESV_USAGE_BOOKKEEP);
}

/* From the first to the last line nothing fails, and nobody overtakes. */
static int npu_submit_commit(struct npu_submit *submit, struct npu_submit_lock *lock)
{
	struct npu_queue *queue = submit->queue;
	struct dma_fence *fence;

	guard(mutex)(&queue->submit_lock);

	if (queue->closed)
		return -ENOENT;
	if (npu_is_lost(queue->npu))
		return -ENODEV;
	if (READ_ONCE(queue->dead))
		return -EIO;

	fence = npu_submit_arm(submit);
	npu_submit_add_fence(lock, queue->vm, fence);
	npu_syncs_publish(&submit->syncs, fence);
	npu_submit_push(submit);
	return 0;
}

/* Returns -EAGAIN if user memory has become invalid. */
static int npu_submit_publish(struct npu_submit *submit, struct npu_submit_lock *lock)
{
	struct npu_vm *vm = submit->queue->vm;
	bool cookie = dma_fence_begin_signalling();
	int ret = -EAGAIN;

	if (npu_userptrs_begin(vm)) {
		ret = npu_submit_commit(submit, lock);
		npu_userptrs_end(vm);
	}
	dma_fence_end_signalling(cookie);
	return ret;
}

/* Returns -EAGAIN if it has to be tried again. */
static int npu_submit_lock_and_commit(struct npu_submit *submit)
{
	struct npu_queue *queue = submit->queue;
	struct npu_submit_lock lock;
	int ret;

	ret = npu_submit_lock(&lock, queue->vm);
	if (ret)
		return ret;
	ret = npu_syncs_add_dependencies(&submit->syncs, &submit->first->base,
					 queue->fence_context);
	if (!ret)
		ret = npu_submit_publish(submit, &lock);
	npu_submit_unlock(&lock, queue->vm);
	return ret;
}

static void npu_submit_cleanup(struct npu_submit *submit)
{
	struct npu_job *job;

	while (submit->first) {
		job = submit->first;
		submit->first = job->next;
		npu_job_discard(job);
	}
	npu_syncs_fini(&submit->syncs);
}

static int npu_submit(struct npu_submit *submit)
{
	int ret;

	ret = npu_submit_add_jobs(submit);
	if (!ret)
		ret = npu_syncs_lookup(&submit->syncs, submit->file, &submit->args->syncs);
	while (!ret) {
		ret = npu_userptrs_populate(submit->queue->vm);
		if (!ret)
			ret = npu_submit_lock_and_commit(submit);
		if (ret != -EAGAIN)
			break;
		ret = signal_pending(current) ? -ERESTARTSYS : 0;
	}
	npu_submit_cleanup(submit);
	return ret;
}

int npu_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct npu_submit submit = { .file = file, .args = data };
	const struct drm_npu_submit *args = data;
	int ret;

	if (args->flags || !args->jobs.count)
		return -EINVAL;
	ret = npu_array_check(&args->jobs, NPU_JOB_SIZE_V1, DRM_NPU_SUBMIT_MAX);
	if (!ret)
		ret = npu_array_check(&args->syncs, NPU_SYNC_SIZE_V1, DRM_NPU_SYNCS_MAX);
	if (ret)
		return ret;

	submit.queue = npu_queue_lookup(file, args->queue_id);
	if (!submit.queue)
		return -ENOENT;
	ret = npu_submit(&submit);
	npu_queue_put(submit.queue);
	return ret;
}

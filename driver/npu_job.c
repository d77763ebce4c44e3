// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Submission
 *
 * SUBMIT goes through these steps, and an error in any but the last undoes all
 * of the ones before:
 *
 * 1. Copy the arrays, check every field.
 * 2. Look up queue, syncobjs and the fences to wait for; allocate jobs, fences
 *    and timeline points.
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
 */
#include <linux/overflow.h>
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
 * npu_array_copy() - copy an array of extensible structures from user space
 * @array: where it is
 * @size_v1: smallest element that is accepted
 * @size: of an element in this kernel
 * @max: most elements
 *
 * Elements that are smaller than @size are filled with zeros, what is larger
 * must be zero.
 *
 * Return: elements of @size bytes for kvfree(), NULL for an empty array, or an
 * error pointer: -E2BIG for too many elements, -EINVAL for the stride or for
 * unknown fields that are not zero.
 */
void *npu_array_copy(const struct drm_npu_array *array, size_t size_v1, size_t size, u32 max)
{
	void *copy;
	u32 i;
	int ret;

	if (!array->count)
		return NULL;
	/* The upper bound keeps the check of unknown fields short. */
	if (array->stride < size_v1 || array->stride > DRM_NPU_STRIDE_MAX ||
	    !IS_ALIGNED(array->stride | array->ptr, 8))
		return ERR_PTR(-EINVAL);
	if (array->count > max)
		return ERR_PTR(-E2BIG);

	copy = kvmalloc_array(array->count, size, GFP_KERNEL_ACCOUNT);
	if (!copy)
		return ERR_PTR(-ENOMEM);

	for (i = 0; i < array->count; i++) {
		ret = copy_struct_from_user(copy + i * size, size,
					    u64_to_user_ptr(array->ptr + (u64)i * array->stride),
					    array->stride);
		if (ret) {
			kvfree(copy);
			/* Unknown fields are refused like unknown flags. */
			return ERR_PTR(ret == -E2BIG ? -EINVAL : ret);
		}
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
		npu_queue_end_job(job->queue, job->fence, ret);
		return ERR_PTR(ret);
	}
	return dma_fence_get(&job->fence->base);
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
	struct npu_fence *fence = job->fence;

	/* A job that was killed in the entity never came to run_job. */
	if (!dma_fence_is_signaled(&fence->base))
		npu_queue_end_job(queue, fence, queue->dead_error);

	drm_sched_job_cleanup(&job->base);
	kfree(job);
	npu_queue_put(queue);
	/* Last, because it may be what keeps the module. */
	dma_fence_put(&fence->base);
}

const struct drm_sched_backend_ops npu_sched_ops = {
	.run_job = npu_sched_run_job,
	.timedout_job = npu_sched_timedout_job,
	.free_job = npu_sched_free_job,
};

/* ---- Submission ------------------------------------------------------------------- */

/**
 * struct npu_submit - everything a SUBMIT has gathered
 * @queue: a reference
 * @file: who submits
 * @job: jobs
 * @jobs: how many of them are initialised
 * @syncs: what to wait for and to signal
 */
struct npu_submit {
	struct npu_queue *queue;
	struct drm_file *file;
	struct npu_job **job;
	u32 jobs;
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

static struct npu_job *npu_job_create(struct npu_submit *submit, const struct drm_npu_job *args)
{
	struct npu_queue *queue = submit->queue;
	struct npu_job *job;
	int ret;

	job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);
	if (!job)
		return ERR_PTR(-ENOMEM);

	ret = npu_pm_get(queue->npu);
	if (ret)
		goto err_free;
	job->fence = npu_fence_alloc();
	ret = job->fence ? drm_sched_job_init(&job->base, &queue->entity, 1, submit->file,
					      submit->file->client_id) : -ENOMEM;
	if (ret)
		goto err_pm;
	job->queue = npu_queue_get(queue);
	job->args = *args;
	return job;

err_pm:
	kfree(job->fence);
	npu_pm_put(queue->npu);
err_free:
	kfree(job);
	return ERR_PTR(ret);
}

/* Counterpart of npu_job_create(), before the job is armed. */
static void npu_job_discard(struct npu_job *job)
{
	drm_sched_job_cleanup(&job->base);
	kfree(job->fence);
	npu_pm_put(job->queue->npu);
	npu_queue_put(job->queue);
	kfree(job);
}

static int npu_submit_add_jobs(struct npu_submit *submit, const struct drm_npu_job *args, u32 count)
{
	struct npu_job *job;
	int ret;

	submit->job = kvcalloc(count, sizeof(*submit->job), GFP_KERNEL_ACCOUNT);
	if (!submit->job)
		return -ENOMEM;

	while (submit->jobs < count) {
		ret = npu_job_check(&args[submit->jobs]);
		if (ret)
			return ret;
		job = npu_job_create(submit, &args[submit->jobs]);
		if (IS_ERR(job))
			return PTR_ERR(job);
		submit->job[submit->jobs++] = job;
	}
	return 0;
}

static struct dma_fence *npu_submit_arm(struct npu_submit *submit)
{
	struct npu_queue *queue = submit->queue;
	struct npu_job *job = NULL;
	u32 i;

	for (i = 0; i < submit->jobs; i++) {
		job = submit->job[i];
		drm_sched_job_arm(&job->base);
		npu_fence_init(job->fence, queue->name, queue->fence_context, ++queue->submitted);
		trace_npu_job_submit(queue, queue->submitted, &job->args);
	}
	/* The last job is done when all are. */
	return dma_fence_get(&job->fence->base);
}

/* From the first to the last line nothing fails, and nobody overtakes. */
static int npu_submit_commit(struct npu_submit *submit, struct drm_gpuvm_exec *exec)
{
	struct npu_queue *queue = submit->queue;
	struct dma_fence *fence;
	u32 i;

	guard(mutex)(&queue->submit_lock);

	if (queue->closed)
		return -ENOENT;
	if (npu_is_lost(queue->npu))
		return -ENODEV;
	if (READ_ONCE(queue->dead))
		return -EIO;

	fence = npu_submit_arm(submit);
	drm_gpuvm_exec_resv_add_fence(exec, fence, DMA_RESV_USAGE_BOOKKEEP,
				      DMA_RESV_USAGE_BOOKKEEP);
	npu_syncs_publish(&submit->syncs, fence);
	for (i = 0; i < submit->jobs; i++)
		drm_sched_entity_push_job(&submit->job[i]->base);
	submit->jobs = 0;
	dma_fence_put(fence);
	return 0;
}

static int npu_submit_validate(struct drm_gpuvm_exec *exec)
{
	return drm_gpuvm_validate(exec->vm, &exec->exec);
}

/* Returns -EAGAIN if user memory has become invalid. */
static int npu_submit_publish(struct npu_submit *submit, struct drm_gpuvm_exec *exec)
{
	struct npu_vm *vm = submit->queue->vm;
	bool cookie = dma_fence_begin_signalling();
	int ret = -EAGAIN;

	if (npu_userptrs_begin(vm)) {
		ret = npu_submit_commit(submit, exec);
		npu_userptrs_end(vm);
	}
	dma_fence_end_signalling(cookie);
	return ret;
}

/* Returns -EAGAIN if it has to be tried again. */
static int npu_submit_lock_and_commit(struct npu_submit *submit)
{
	struct npu_vm *vm = submit->queue->vm;
	struct drm_gpuvm_exec exec = {
		.vm = &vm->gpuvm,
		.flags = DRM_EXEC_INTERRUPTIBLE_WAIT | DRM_EXEC_IGNORE_DUPLICATES,
		.num_fences = 1,
		.extra.fn = npu_submit_validate,
	};
	int ret;

	scoped_guard(rwsem_read, &vm->link_lock)
		ret = drm_gpuvm_exec_lock(&exec);
	if (ret)
		return ret;
	ret = npu_syncs_add_dependencies(&submit->syncs, &submit->job[0]->base,
					 submit->queue->fence_context);
	if (!ret)
		ret = npu_submit_publish(submit, &exec);
	drm_gpuvm_exec_unlock(&exec);
	return ret;
}

static void npu_submit_cleanup(struct npu_submit *submit)
{
	while (submit->jobs)
		npu_job_discard(submit->job[--submit->jobs]);
	kvfree(submit->job);
	npu_syncs_fini(&submit->syncs);
}

static int npu_submit(struct npu_submit *submit, const struct drm_npu_submit *args,
		      const struct drm_npu_job *jobs, const struct drm_npu_sync *syncs)
{
	int ret;

	ret = npu_submit_add_jobs(submit, jobs, args->jobs.count);
	if (!ret)
		ret = npu_syncs_lookup(&submit->syncs, submit->file, syncs, args->syncs.count);
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
	struct drm_npu_submit *args = data;
	struct npu_submit submit = { .file = file };
	struct drm_npu_job *jobs;
	struct drm_npu_sync *syncs;
	int ret;

	if (args->flags || !args->jobs.count)
		return -EINVAL;

	jobs = npu_array_copy(&args->jobs, NPU_JOB_SIZE_V1, sizeof(*jobs), DRM_NPU_SUBMIT_MAX);
	if (IS_ERR(jobs))
		return PTR_ERR(jobs);
	syncs = npu_array_copy(&args->syncs, NPU_SYNC_SIZE_V1, sizeof(*syncs), DRM_NPU_SYNCS_MAX);
	if (IS_ERR(syncs)) {
		kvfree(jobs);
		return PTR_ERR(syncs);
	}

	submit.queue = npu_queue_lookup(file, args->queue_id);
	ret = submit.queue ? npu_submit(&submit, args, jobs, syncs) : -ENOENT;
	if (submit.queue)
		npu_queue_put(submit.queue);
	kvfree(syncs);
	kvfree(jobs);
	return ret;
}

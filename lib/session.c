// SPDX-License-Identifier: MIT
/*
 * Models and sessions. A model has a VM with one read-only buffer: stream,
 * then constants. A session has a queue, an arena that the CPU never sees, and
 * one buffer with base table, inputs, outputs and time stamps.
 */
#include "compile.h"

#define ALIGN	64	/* of every base in a buffer */

/* An uploaded program. */
struct npu_model {
	atomic_uint refs;	/* the caller's and one of each session */
	struct npu_device *dev;
	struct npu_vm *vm;	/* address space of all sessions */
	struct npu_program *program;	/* what was uploaded */
	struct npu_bo *bo;	/* stream and constants */
	uint64_t stream_va;
	uint64_t constants_va;
};

/* Memory of an input, an output or the time stamps. */
struct binding {
	uint64_t offset;	/* in the session's own buffer */
	uint64_t va;	/* of the caller's buffer as mapped, 0 = the own one is used */
	uint64_t size;	/* mapped at @va */
};

/* Runs of a model. */
struct npu_session {
	struct npu_model *model;
	enum drm_npu_priority priority;	/* of the queue */
	struct npu_queue *queue;	/* its jobs are the runs */
	struct npu_fence *last;	/* fence of the latest run, NULL if none since the last reset */
	struct npu_bo *arena;	/* of intermediate results, NULL if there are none */
	struct npu_bo *bo;	/* base table at its start, then the bindings */
	struct npu_bo *state;	/* of variables, NULL if there are none; apart from @bo, since the
				 * CPU's view of it is older than the device's
				 */
	uint64_t arena_va;
	uint64_t state_va;
	uint64_t bo_va;
	char *map;	/* @bo for the CPU */
	struct binding bound[NPU_ISA_MAX_BASES];	/* by base, from NPU_BASE_IO on */
};

/* ---- Models ---- */

NPU_API void npu_model_destroy(struct npu_model *model)
{
	if (!model || atomic_fetch_sub(&model->refs, 1) != 1)
		return;
	npu_bo_destroy(model->bo);
	npu_vm_destroy(model->vm);
	npu_program_destroy(model->program);
	npu_device_close(model->dev);
	free(model);
}

static int upload(struct npu_model *model)
{
	const struct npu_program_info *info = &model->program->info;
	uint64_t constants_size = info->bases[NPU_BASE_CONSTANTS].size;
	uint64_t constants_at = align_up(info->stream_size, ALIGN);
	void *map;
	int ret;

	ret = npu_vm_create(model->dev, &model->vm);
	if (ret)
		return ret;
	ret = npu_bo_create(model->dev, constants_at + constants_size, 0, model->vm, &model->bo);
	if (!ret)
		ret = npu_bo_map(model->bo, &map);
	if (ret)
		return ret;
	npu_bo_label(model->bo, "model");
	memcpy(map, info->stream, info->stream_size);
	if (constants_size)
		memcpy((char *)map + constants_at, info->constants, constants_size);
	ret = npu_bo_sync(model->bo, DRM_NPU_BO_SYNC_TO_DEVICE, 0, constants_at + constants_size);
	if (!ret)
		ret = npu_vm_map(model->vm, model->bo, 0, 0, DRM_NPU_VM_BIND_READONLY,
				 &model->stream_va);
	model->constants_va = model->stream_va + constants_at;
	return ret;
}

NPU_API int npu_model_create(struct npu_device *dev, struct npu_program *program,
			     struct npu_model **out, struct npu_error *err)
{
	struct npu_model *model;
	int ret;

	ret = npu_stream_check(program->info.stream, program->info.stream_size, NULL, 0,
			       &dev->info, err);
	model = calloc(1, sizeof(*model));
	if (ret || !model) {
		npu_program_destroy(program);
		free(model);
		return ret ? ret : npu_fail(err, -ENOMEM, "out of memory");
	}
	model->refs = 1;
	model->dev = npu_device_get(dev);
	model->program = program;
	ret = upload(model);
	if (ret) {
		npu_model_destroy(model);
		return npu_fail(err, ret, "uploading the model: %s", strerror(-ret));
	}
	*out = model;
	return 0;
}

NPU_API int npu_model_load(struct npu_device *dev, const char *path,
			   const struct npu_compile_options *options, struct npu_model **model,
			   struct npu_error *err)
{
	struct npu_compile_options own = { 0 };
	struct npu_program *program;
	int ret;

	if (options)
		own = *options;
	if (!own.macs_max_order)
		own.macs_max_order = dev->info.macs_max_order;
	if (!own.bytes_max_order)
		own.bytes_max_order = dev->info.bytes_max_order;
	ret = npu_program_load(path, &own, &program, err);
	return ret ? ret : npu_model_create(dev, program, model, err);
}

NPU_API const struct npu_program_info *npu_model_get_info(const struct npu_model *model)
{
	return &model->program->info;
}

/* ---- Sessions ---- */

static struct npu_base *base_table(struct npu_session *session)
{
	return (struct npu_base *)session->map;
}

NPU_API void npu_session_destroy(struct npu_session *session)
{
	struct npu_vm *vm;
	unsigned int i;

	if (!session)
		return;
	/* The queue first: no job runs when its memory goes. */
	npu_queue_destroy(session->queue);
	npu_fence_destroy(session->last);
	vm = session->model->vm;
	for (i = 0; i < ARRAY_SIZE(session->bound); i++)
		if (session->bound[i].va)
			npu_vm_unmap(vm, session->bound[i].va, session->bound[i].size);
	if (session->bo_va)
		npu_vm_unmap(vm, session->bo_va, npu_bo_size(session->bo));
	if (session->arena_va)
		npu_vm_unmap(vm, session->arena_va, npu_bo_size(session->arena));
	if (session->state_va)
		npu_vm_unmap(vm, session->state_va, npu_bo_size(session->state));
	npu_bo_destroy(session->bo);
	npu_bo_destroy(session->arena);
	npu_bo_destroy(session->state);
	npu_model_destroy(session->model);
	free(session);
}

/* Variables as before the first run. */
static int reset_state(struct npu_session *session)
{
	const struct npu_program_info *info = &session->model->program->info;
	uint64_t size = info->bases[info->state_base].size;
	void *map;
	int ret;

	if (!session->state)
		return 0;
	ret = npu_bo_map(session->state, &map);
	if (ret)
		return ret;
	memcpy(map, info->state, size);
	return npu_bo_sync(session->state, DRM_NPU_BO_SYNC_TO_DEVICE, 0, size);
}

static int create_state(struct npu_session *session)
{
	const struct npu_program_info *info = &session->model->program->info;
	struct npu_model *model = session->model;
	int ret;

	if (!info->state_base)
		return 0;
	ret = npu_bo_create(model->dev, info->bases[info->state_base].size, 0, model->vm,
			    &session->state);
	if (!ret)
		ret = npu_vm_map(model->vm, session->state, 0, 0, 0, &session->state_va);
	if (ret)
		return ret;
	npu_bo_label(session->state, "state");
	return reset_state(session);
}

static int create_memory(struct npu_session *session)
{
	struct npu_model *model = session->model;
	const struct npu_program_info *info = &model->program->info;
	uint64_t arena = info->bases[NPU_BASE_ARENA].size;
	uint64_t size = align_up(info->nbases * sizeof(struct npu_base), ALIGN);
	struct npu_base *bases;
	unsigned int i;
	void *map;
	int ret;

	for (i = NPU_BASE_IO; i < info->nbases; i++) {
		session->bound[i].offset = size;
		if (i == info->state_base)
			continue;
		size += align_up(info->bases[i].size, ALIGN);
	}
	ret = npu_bo_create(model->dev, size, 0, model->vm, &session->bo);
	if (!ret)
		ret = npu_bo_map(session->bo, &map);
	if (!ret)
		ret = npu_vm_map(model->vm, session->bo, 0, 0, 0, &session->bo_va);
	if (!ret && arena)
		ret = npu_bo_create(model->dev, arena, DRM_NPU_BO_NO_MMAP, model->vm,
				    &session->arena);
	if (!ret && session->arena)
		ret = npu_vm_map(model->vm, session->arena, 0, 0, 0, &session->arena_va);
	if (!ret)
		ret = create_state(session);
	if (ret)
		return ret;
	npu_bo_label(session->bo, "session");
	if (session->arena)
		npu_bo_label(session->arena, "arena");
	session->map = map;
	bases = base_table(session);
	for (i = 0; i < info->nbases; i++) {
		bases[i] = info->bases[i];
		bases[i].va = session->bo_va + session->bound[i].offset;
	}
	bases[NPU_BASE_CONSTANTS].va = model->constants_va;
	bases[NPU_BASE_ARENA].va = session->arena ? session->arena_va : session->bo_va;
	if (session->state)
		bases[info->state_base].va = session->state_va;
	return 0;
}

NPU_API int npu_session_create(struct npu_model *model, enum drm_npu_priority priority,
			       struct npu_session **out, struct npu_error *err)
{
	struct npu_session *session = calloc(1, sizeof(*session));
	int ret;

	if (!session)
		return npu_fail(err, -ENOMEM, "out of memory");
	atomic_fetch_add(&model->refs, 1);
	session->model = model;
	session->priority = priority;
	ret = create_memory(session);
	if (ret) {
		npu_fail(err, ret, "memory of a session (arena of %llu bytes): %s",
			 (unsigned long long)model->program->bases[NPU_BASE_ARENA].size,
			 strerror(-ret));
	} else {
		ret = npu_queue_create(model->vm, priority, 0, &session->queue);
		if (ret)
			npu_fail(err, ret, "creating a queue: %s%s", strerror(-ret),
				 ret == -EACCES ? "; this priority needs CAP_SYS_NICE" : "");
	}
	if (ret)
		npu_session_destroy(session);
	else
		*out = session;
	return ret;
}

NPU_API struct npu_queue *npu_session_queue(struct npu_session *session)
{
	return session->queue;
}

/* -EBUSY while a run is under way; how it ended does not matter here. */
static int want_idle(struct npu_session *session, struct npu_error *err)
{
	if (session->last && npu_fence_wait(session->last, 0, NULL) == -ETIMEDOUT)
		return npu_fail(err, -EBUSY, "a run of this session is under way");
	return 0;
}

/* What no run or a failed one left behind is no result. */
static int want_result(struct npu_session *session, struct npu_error *err)
{
	if (!session->last)
		return npu_fail(err, -ENODATA, "no run has completed since the session was made or reset");
	return npu_fence_wait(session->last, 0, err);
}

/* ---- Inputs and outputs ---- */

/* Common checks of read and write; @at gets the place in the session's buffer. */
static int find_io(struct npu_session *session, const struct npu_tensor_info *info,
		   size_t size, char **at, struct npu_error *err)
{
	if (!info)
		return npu_fail(err, -EINVAL, "the model has no such input or output");
	if (size != info->size)
		return npu_fail(err, -EINVAL, "'%.64s' takes %llu bytes, not %zu", info->name,
				(unsigned long long)info->size, size);
	if (session->bound[info->base].va)
		return npu_fail(err, -EINVAL, "'%.64s' is bound to a buffer of the caller",
				info->name);
	*at = session->map + session->bound[info->base].offset;
	return want_idle(session, err);
}

NPU_API int npu_session_write(struct npu_session *session, unsigned int input, const void *data,
			      size_t size, struct npu_error *err)
{
	const struct npu_program_info *p = &session->model->program->info;
	const struct npu_tensor_info *info = input < p->ninputs ? &p->inputs[input] : NULL;
	char *at;
	int ret = find_io(session, info, size, &at, err);

	if (ret)
		return ret;
	npu_tensor_encode(info, data, at);
	return 0;
}

NPU_API int npu_session_read(struct npu_session *session, unsigned int output, void *data,
			     size_t size, struct npu_error *err)
{
	const struct npu_program_info *p = &session->model->program->info;
	const struct npu_tensor_info *info = output < p->noutputs ? &p->outputs[output] : NULL;
	char *at;
	int ret = find_io(session, info, size, &at, err);

	if (!ret)
		ret = want_result(session, err);
	if (!ret)
		ret = npu_bo_sync(session->bo, DRM_NPU_BO_SYNC_TO_CPU,
				  session->bound[info->base].offset, info->device_size);
	if (ret)
		return ret;
	npu_tensor_decode(info, at, data);
	return 0;
}

NPU_API int npu_session_bind(struct npu_session *session, unsigned int base, struct npu_bo *bo,
			     uint64_t offset, struct npu_error *err)
{
	const struct npu_program_info *info = &session->model->program->info;
	struct binding *bound = &session->bound[base & (NPU_ISA_MAX_BASES - 1)];
	uint64_t va = 0, first = offset / NPU_PAGE_SIZE * NPU_PAGE_SIZE, size = 0;
	uint32_t readonly;
	int ret = want_idle(session, err);

	if (ret)
		return ret;
	if (base < NPU_BASE_IO || base >= NPU_BASE_IO + info->ninputs + info->noutputs)
		return npu_fail(err, -EINVAL, "base %u is no input or output", base);
	if (bo) {
		if (bo->dev != session->model->dev)
			return npu_fail(err, -EINVAL, "the buffer belongs to another device");
		size = info->bases[base].size;
		if (offset % ALIGN || offset > npu_bo_size(bo) || size > npu_bo_size(bo) - offset)
			return npu_fail(err, -EINVAL,
					"%llu bytes at a multiple of %u must fit into the buffer",
					(unsigned long long)size, ALIGN);
		size += offset - first;
		readonly = info->bases[base].flags & NPU_BASE_WRITE ? 0 : DRM_NPU_VM_BIND_READONLY;
		ret = npu_vm_map(session->model->vm, bo, first, size, readonly, &va);
		if (ret)
			return npu_fail(err, ret, "mapping a buffer: %s", strerror(-ret));
	}
	if (bound->va)
		npu_vm_unmap(session->model->vm, bound->va, bound->size);
	bound->va = va;
	bound->size = size;
	base_table(session)[base].va = bo ? va + offset - first : session->bo_va + bound->offset;
	return 0;
}

/* ---- Runs ---- */

NPU_API int npu_session_submit(struct npu_session *session, struct npu_fence *const *waits,
			       unsigned int nwaits, struct npu_fence **fence,
			       struct npu_error *err)
{
	struct drm_npu_job job = {
		.stream_va = session->model->stream_va,
		.stream_size = session->model->program->info.stream_size,
		.bases_va = session->bo_va,
		.bases = session->model->program->info.nbases,
	};
	struct npu_fence *done;
	unsigned int i;
	int ret;

	for (i = 0; i < nwaits; i++)
		if (waits[i]->dev != session->model->dev)
			return npu_fail(err, -EINVAL,
					"fence %u to wait for belongs to another device", i);
	ret = npu_bo_sync(session->bo, DRM_NPU_BO_SYNC_TO_DEVICE, 0, npu_bo_size(session->bo));
	if (!ret)
		ret = npu_queue_submit(session->queue, &job, 1, waits, nwaits, &done);
	/* The queue says why it takes no more. */
	if (ret == -EIO && npu_queue_state(session->queue, NULL, err) == -EIO)
		return ret;
	if (ret)
		return npu_fail(err, ret, "submitting a run: %s", strerror(-ret));
	npu_fence_destroy(session->last);
	session->last = npu_fence_get(done);
	if (fence)
		*fence = done;
	else
		npu_fence_destroy(done);
	return 0;
}

NPU_API int npu_session_wait(struct npu_session *session, int64_t deadline, struct npu_error *err)
{
	return session->last ? npu_fence_wait(session->last, deadline, err) : 0;
}

NPU_API int npu_session_run(struct npu_session *session, struct npu_error *err)
{
	int ret = npu_session_submit(session, NULL, 0, NULL, err);

	return ret ? ret : npu_session_wait(session, NPU_FOREVER, err);
}

NPU_API int npu_session_reset(struct npu_session *session, struct npu_error *err)
{
	struct npu_queue *queue;
	int ret;

	ret = npu_queue_create(session->model->vm, session->priority, 0, &queue);
	if (ret)
		return npu_fail(err, ret, "creating a queue: %s", strerror(-ret));
	npu_queue_destroy(session->queue);
	session->queue = queue;
	/* Jobs of the old queue may still be on their way out of the device. */
	npu_session_wait(session, NPU_FOREVER, NULL);
	npu_fence_destroy(session->last);
	session->last = NULL;
	ret = reset_state(session);
	return ret ? npu_fail(err, ret, "variables of the model: %s", strerror(-ret)) : 0;
}

NPU_API int npu_session_profile(struct npu_session *session, struct npu_timestamp *ops,
				unsigned int max)
{
	const struct npu_program_info *info = &session->model->program->info;
	unsigned int base = info->nbases - 1;
	int ret;

	if (!(info->flags & NPU_COMPILE_PROFILE))
		return -EINVAL;
	ret = want_idle(session, NULL);
	if (!ret)
		ret = want_result(session, NULL);
	if (!ret)
		ret = npu_bo_sync(session->bo, DRM_NPU_BO_SYNC_TO_CPU, session->bound[base].offset,
				  (info->nops + 1) * sizeof(*ops));
	if (ret)
		return ret;
	return npu_program_profile(info, session->map + session->bound[base].offset, ops, max);
}

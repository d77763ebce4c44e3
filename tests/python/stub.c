// SPDX-License-Identifier: GPL-2.0-only
/*
 * What npu.py uses of libnpu, without a device: calls take a moment, as a device does,
 * and notice whether their handle is destroyed before they end, or was before they
 * began. Handles are never freed, so that this can be told.
 *
 * A model "NAME" has one input and one output of two values: real if the name has an
 * 'f', else int8 of scale 0.5.
 */
#define _POSIX_C_SOURCE 200809L
#include <npu.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the test asks. */
unsigned int stub_bad(void);
int stub_open(void);
unsigned int stub_batch(void);
const char *stub_path(void);

struct handle {
	int inside;
	int destroyed;
	struct npu_tensor_info io[2];
	struct npu_program_info info;
	char data[8];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int bad, batch;
static int handles;
static char last_path[256];

unsigned int stub_bad(void) { return bad; }
int stub_open(void) { return handles; }
unsigned int stub_batch(void) { return batch; }
const char *stub_path(void) { return last_path; }

static void enter(struct handle *handle, int by)
{
	pthread_mutex_lock(&lock);
	handle->inside += by;
	bad += handle->destroyed;
	pthread_mutex_unlock(&lock);
}

static void call(const void *handle, long milliseconds)
{
	struct timespec time = { 0, milliseconds * 1000000 };

	enter((struct handle *)handle, 1);
	nanosleep(&time, NULL);
	enter((struct handle *)handle, -1);
}

static int create(struct handle **handle)
{
	*handle = calloc(1, sizeof(**handle));
	pthread_mutex_lock(&lock);
	handles++;
	pthread_mutex_unlock(&lock);
	return 0;
}

static void destroy(struct handle *handle)
{
	pthread_mutex_lock(&lock);
	bad += handle->inside || handle->destroyed;
	handle->destroyed = 1;
	handles--;
	pthread_mutex_unlock(&lock);
}

int npu_device_list(struct npu_device_id *ids, unsigned int max)
{
	(void)ids;
	(void)max;
	return 0;
}

int npu_device_open(const char *path, struct npu_device **dev, struct npu_error *err)
{
	(void)err;
	snprintf(last_path, sizeof(last_path), "%s", path ? path : "");
	return create((struct handle **)dev);
}

void npu_device_close(struct npu_device *dev)
{
	destroy((struct handle *)dev);
}

const char *npu_device_path(const struct npu_device *dev)
{
	call(dev, 0);
	return last_path;
}

int npu_model_load(struct npu_device *dev, const char *path,
		   const struct npu_compile_options *options, struct npu_model **model,
		   struct npu_error *err)
{
	const struct npu_tensor_info real = {
		.name = "x", .type = NPU_TYPE_F32, .device_type = NPU_TYPE_F32, .rank = 1,
		.dim = { 2 }, .size = 8, .device_size = 8,
	}, quantised = {
		.name = "x", .type = NPU_TYPE_S8, .device_type = NPU_TYPE_S8, .rank = 1,
		.dim = { 2 }, .size = 2, .device_size = 2, .scale = 0.5,
	};
	struct handle *handle;

	(void)err;
	call(dev, 100);
	batch = options->batch;
	create(&handle);
	handle->io[0] = strchr(path, 'f') ? real : quantised;
	handle->io[1] = handle->io[0];
	handle->info.inputs = &handle->io[0];
	handle->info.outputs = &handle->io[1];
	handle->info.ninputs = 1;
	handle->info.noutputs = 1;
	*model = (struct npu_model *)handle;
	return 0;
}

void npu_model_destroy(struct npu_model *model)
{
	destroy((struct handle *)model);
}

const struct npu_program_info *npu_model_get_info(const struct npu_model *model)
{
	call(model, 0);
	return &((const struct handle *)model)->info;
}

int npu_session_create(struct npu_model *model, enum drm_npu_priority priority,
		       struct npu_session **session, struct npu_error *err)
{
	(void)priority;
	(void)err;
	call(model, 50);
	return create((struct handle **)session);
}

void npu_session_destroy(struct npu_session *session)
{
	destroy((struct handle *)session);
}

int npu_session_write(struct npu_session *session, unsigned int input, const void *data,
		      size_t size, struct npu_error *err)
{
	(void)input;
	(void)err;
	call(session, 0);
	memcpy(((struct handle *)session)->data, data, size);
	return 0;
}

int npu_session_read(struct npu_session *session, unsigned int output, void *data,
		     size_t size, struct npu_error *err)
{
	(void)output;
	(void)err;
	call(session, 0);
	memcpy(data, ((struct handle *)session)->data, size);
	return 0;
}

int npu_session_run(struct npu_session *session, struct npu_error *err)
{
	(void)err;
	call(session, 100);
	return 0;
}

int npu_session_reset(struct npu_session *session, struct npu_error *err)
{
	(void)err;
	call(session, 0);
	return 0;
}

void npu_tensor_encode(const struct npu_tensor_info *info, const void *from, void *to)
{
	const float *real = from;
	signed char *value = to;
	int i;

	for (i = 0; i < 2; i++)
		value[i] = (signed char)(real[i] / info->scale);
}

void npu_tensor_decode(const struct npu_tensor_info *info, const void *from, void *to)
{
	const signed char *value = from;
	float *real = to;
	int i;

	for (i = 0; i < 2; i++)
		real[i] = value[i] * info->scale;
}

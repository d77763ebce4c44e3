// SPDX-License-Identifier: MIT
/*
 * What goes wrong around libnpu: no device or the wrong one, a kernel that
 * refuses a call, no memory, faults, buffers and fences of others. Each error
 * has a text, and leaves nothing behind:
 *
 *	t_trouble MODELS-DIRECTORY
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"
#include "tap.h"

static const struct npu_compile_options profile = { .flags = NPU_COMPILE_PROFILE };

static const char *models, *node;

static const char *model_path(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", models, name);
	return path;
}

static void restart(void)
{
	node = kernel_init(models);
}

/* ---- Devices ---- */

static void open_fails(const char *name, int error, const char *text)
{
	struct npu_device *dev = NULL;
	struct npu_error err = { 0 };
	int ret = npu_device_open(name, &dev, &err);

	ok(ret == error && !dev && strstr(err.text, text), "%s: %d, %s", name ? name : "the first",
	   ret, err.text);
	npu_device_close(dev);
}

/* Not in the order of their numbers, and one that is none. */
static const char *const nodes[] = { "accel10", "accel2", "accel0", "accel1", "other" };

static void make_nodes(const char *folder, bool make)
{
	char path[600];
	unsigned int i;
	int fd;

	if (make)
		mkdir(folder, 0700);
	for (i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, nodes[i]);
		fd = make ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
		if (fd >= 0)
			close(fd);
		if (!make)
			unlink(path);
	}
	if (!make)
		rmdir(folder);
}

static void test_list(void)
{
	struct npu_device_id ids[4];
	struct npu_device *dev = NULL;
	struct drm_npu_time_info time;
	struct npu_error err;
	char folder[512];

	restart();
	snprintf(folder, sizeof(folder), "%s/accel", models);
	make_nodes(folder, false);
	ok(!npu_device_list(ids, 4), "no folder, no device");
	open_fails(NULL, -ENODEV, "modprobe npu_emu");
	kernel.alloc = 1;
	ok(npu_device_list(ids, 4) == -ENOMEM, "no memory for a list");
	kernel.alloc = 1;
	open_fails(NULL, -ENOMEM, "memory");
	make_nodes(folder, true);
	kernel.driver[1] = "ivpu";
	ok(npu_device_list(ids, 1) == 3 && !strcmp(ids[0].path, "/dev/accel/accel0"),
	   "three of four nodes are NPUs, the first is the first");
	ok(npu_device_list(ids, 4) == 3 && !strcmp(ids[2].path, "/dev/accel/accel10") &&
	   !strcmp(ids[2].driver, "npu") && !ids[2].error, "they are in the order of their numbers");
	open_fails("3", -ENODEV, "only 3");
	ok(!npu_device_open("2", &dev, &err) && !strcmp(npu_device_path(dev), "/dev/accel/accel10"),
	   "the third one opens");
	ok(npu_device_info(dev)->cores == 1 && npu_device_fd(dev) >= 0 &&
	   !npu_device_time(dev, &time) && time.monotonic_ns == 8, "it answers");
	npu_device_close(dev);
	setenv("NPU_DEVICE", "1", 1);
	ok(!npu_device_open(NULL, &dev, &err) && strstr(npu_device_path(dev), "accel2"),
	   "NPU_DEVICE chooses one");
	npu_device_close(dev);
	setenv("NPU_DEVICE", "", 1);
	ok(!npu_device_open(NULL, &dev, &err) && strstr(npu_device_path(dev), "accel0"),
	   "without it the first is taken");
	npu_device_close(dev);
	kernel.open = EACCES;
	ok(npu_device_list(ids, 4) == 4 && ids[0].error == -EACCES && !ids[0].driver[0],
	   "nodes that cannot be asked may be NPUs");
	kernel.link = "../../../bus/pci/drivers/ivpu";
	ok(!npu_device_list(ids, 4), "unless sysfs knows better");
	kernel.link = "npu";
	ok(npu_device_list(ids, 4) == 4 && !strcmp(ids[3].driver, "npu"), "or as much");
	kernel.open = 0;
	kernel.driver[0] = kernel.driver[2] = "ivpu";
	open_fails(NULL, -ENODEV, "the first to 'ivpu'");
	make_nodes(folder, false);
	unsetenv("NPU_DEVICE");
}

static void test_open(void)
{
	restart();
	open_fails(model_path("no-such-node"), -ENODEV, "npuctl list");
	kernel.open = EACCES;
	chown(node, 0, 0);
	open_fails(node, -EACCES, "udev");
	if (!chown(node, 0, 5) && !chmod(node, 0660))
		open_fails(node, -EACCES, "usermod");
	else
		ok(true, "a group # SKIP only root can give files away");
	kernel.open = EBUSY;
	open_fails(node, -EBUSY, "busy");
	kernel.open = 0;
	kernel.driver[0] = NULL;
	open_fails(node, -ENODEV, "not a DRM");
	kernel.driver[0] = "ivpu";
	open_fails(node, -ENODEV, "belongs to the driver 'ivpu'");
	kernel.driver[0] = "npu";
	kernel.query = ENODEV;
	open_fails(node, -ENODEV, "gone");
	kernel.query = EINVAL;
	open_fails(node, -EOPNOTSUPP, "DEV_QUERY");
	kernel.query = 0;
	kernel.isa_major = NPU_ISA_MAJOR + 1;
	open_fails(node, -EOPNOTSUPP, "this libnpu makes");
}

static struct npu_device *open_node(void)
{
	struct npu_device *dev = NULL;

	restart();
	if (npu_device_open(node, &dev, NULL)) {
		printf("Bail out! no device\n");
		exit(1);
	}
	return dev;
}

/* ---- Queues ---- */

static void state_is(struct npu_queue *queue, int error, const char *text)
{
	struct drm_npu_queue_get_state state;
	struct npu_error err = { 0 };
	int ret = npu_queue_state(queue, &state, &err);

	ok(ret == error && strstr(err.text, text), "%s", err.text);
}

static void test_queue(void)
{
	struct npu_device *dev = open_node();
	struct npu_fence *fence = NULL, *many[40];
	struct drm_npu_perf_query perf;
	struct npu_queue *queue = NULL;
	struct drm_npu_job job = { 0 };
	struct npu_vm *vm = NULL;
	struct npu_error err;
	bool good = true;
	int64_t soon;
	unsigned int i;

	npu_vm_create(dev, &vm);
	npu_queue_create(vm, DRM_NPU_PRIORITY_NORMAL, 0, &queue);
	ok(!npu_queue_state(queue, NULL, &err), "a queue");
	kernel.state = (struct drm_npu_queue_get_state) {
		.state = DRM_NPU_QUEUE_FAULTED,
		.fault = { .status = DRM_NPU_FAULT_ILLEGAL, .detail = NPU_ILLEGAL_SHAPE,
			   .offset = 24, .job = 1 },
	};
	state_is(queue, -EIO, "illegal command (shape)");
	ok(npu_queue_state(queue, NULL, &err) == -EIO && err.detail == NPU_ILLEGAL_SHAPE &&
	   err.offset == 24, "its detail");
	kernel.state.fault.status = DRM_NPU_FAULT_PERMISSION;
	kernel.state.fault.access = DRM_NPU_ACCESS_WRITE;
	state_is(queue, -EIO, "write at 0x0: write to a read-only mapping");
	kernel.state.fault.status = 99;
	kernel.state.fault.access = 99;
	state_is(queue, -EIO, "unknown fault");
	kernel.state.state = DRM_NPU_QUEUE_HUNG;
	state_is(queue, -EIO, "no progress");
	kernel.state.state = DRM_NPU_QUEUE_LOST;
	state_is(queue, -EIO, "has gone");
	kernel.state.state = DRM_NPU_QUEUE_INNOCENT;
	state_is(queue, -EIO, "another queue");
	kernel.call = 1;
	kernel.error = ENODEV;
	state_is(queue, -ENODEV, "QUEUE_GET_STATE");
	ok(!npu_queue_perf(queue, 1, &perf) && perf.macs == 9, "counters");

	npu_queue_submit(queue, &job, 1, NULL, 0, &fence);
	ok(npu_fence_job(fence) == 1 && npu_fence_syncobj(fence), "the first job");
	ok(!npu_queue_submit(queue, &job, 1, &fence, 1, NULL), "another one waits for it");
	ok(npu_queue_submit(queue, &job, 1, &fence, DRM_NPU_SYNCS_MAX, NULL) == -E2BIG,
	   "too many to wait for");
	soon = npu_deadline(1000000000);
	ok(soon > npu_deadline(0) && npu_deadline(NPU_FOREVER) == NPU_FOREVER, "deadlines");
	kernel.call = 1;
	ok(npu_fence_wait(fence, soon, &err) == -ENODEV, "%s", err.text);
	/* The queue knows why the job failed, as long as there is one. */
	kernel.status = -EIO;
	kernel.state.state = DRM_NPU_QUEUE_LOST;
	ok(npu_fence_wait(fence, soon, &err) == -EIO && strstr(err.text, "given up"), "%s", err.text);
	npu_queue_destroy(queue);
	ok(npu_fence_wait(fence, soon, &err) == -EIO && strstr(err.text, "job failed"), "%s", err.text);
	state_is(queue, -ENOENT, "destroyed");
	npu_fence_destroy(fence);

	for (i = 0; i < 40; i++)
		good &= !npu_fence_import(dev, 0, &many[i]);
	for (i = 0; i < 40; i++)
		npu_fence_destroy(many[i]);
	ok(good && kernel.syncobjs > 0 && kernel.syncobjs < 40, "of 40 syncobjs %d are kept",
	   kernel.syncobjs);
	for (i = 0; i < 32; i++)	/* none is kept then */
		npu_fence_import(dev, 0, &many[i]);
	kernel.call = 1;
	ok(npu_fence_import(dev, 0, &fence) == -ENODEV, "no syncobj, no fence");
	for (i = 0; i < 32; i++)
		npu_fence_destroy(many[i]);
	kernel.import = EINVAL;
	ok(npu_fence_import(dev, 0, &fence) == -EINVAL, "no fence is imported from a wrong file");
	npu_queue_destroy(NULL);
	npu_vm_destroy(vm);
	npu_device_close(dev);
	ok(!kernel.objects, "nothing is left");
}

/* ---- Buffers ---- */

static void test_buffers(void)
{
	struct npu_device *dev = open_node();
	struct npu_bo *bo = NULL, *again = NULL, *own = NULL;
	unsigned int syncs, i;
	void *map, *same;
	int fd = -1;

	npu_bo_destroy(NULL);
	npu_bo_create(dev, 4096, 0, NULL, &own);
	ok(!npu_bo_export(own, &fd) && fd >= 0, "a buffer is exported");
	ok(!npu_bo_import(dev, fd, &bo) && npu_bo_size(bo) == 8192, "a dma-buf is imported");
	ok(!npu_bo_import(dev, fd, &again) && again == bo, "and is the same the second time");
	ok(!npu_bo_map(bo, &map) && !npu_bo_map(bo, &same) && map == same, "it can be mapped");
	syncs = kernel.syncs;
	ok(!npu_bo_sync(bo, DRM_NPU_BO_SYNC_TO_CPU, 0, 1) &&
	   !npu_bo_sync(bo, DRM_NPU_BO_SYNC_TO_DEVICE, 0, 1) && kernel.syncs == syncs + 2,
	   "its accesses are bracketed");
	ok(!npu_bo_sync(own, DRM_NPU_BO_SYNC_TO_CPU, 0, 1) && kernel.syncs == syncs + 2,
	   "those of coherent memory are not");
	npu_bo_destroy(again);
	ok(kernel.objects == 2, "the first reference keeps it");
	npu_bo_destroy(bo);
	ok(kernel.objects == 1, "the last one ends it");
	kernel.imported = 0;
	kernel.error = ENOMEM;
	for (i = 1; i < 3; i++) {
		kernel.call = i;
		ok(npu_bo_import(dev, fd, &bo) == -ENOMEM && kernel.objects == 1,
		   "call %u of an import fails", i);
		kernel.imported = 0;
	}
	ok(npu_bo_import(dev, -1, &bo) == -EBADF && kernel.objects == 1, "no file, no import");
	close(fd);
	npu_bo_destroy(own);

	kernel.info = DRM_NPU_BO_INFO_NEED_SYNC;
	npu_bo_create(dev, 4096, 0, NULL, &own);
	syncs = kernel.syncs;
	ok(!npu_bo_sync(own, DRM_NPU_BO_SYNC_TO_CPU, 0, 1) && kernel.syncs == syncs + 1,
	   "memory that is not coherent is synchronised");
	kernel.size[npu_bo_handle(own)] = 0;
	npu_bo_destroy(own);
	npu_bo_create(dev, 4096, 0, NULL, &own);
	kernel.offset = 1;	/* no page */
	ok(npu_bo_map(own, &map) == -EINVAL && !map, "a mapping fails");
	npu_bo_destroy(own);
	npu_device_close(dev);
	ok(!kernel.objects, "nothing is left");
}

/* ---- Sessions ---- */

/* A program as most are, with a caller's buffer; the first error ends it. */
static int whole_life(const char *path, struct npu_error *err)
{
	const struct npu_program_info *info;
	struct npu_session *session = NULL;
	struct npu_device *dev = NULL;
	struct npu_model *model = NULL;
	struct npu_fence *fence = NULL;
	struct npu_timestamp t[32];
	struct npu_bo *bo = NULL;
	static char data[65536];
	int ret;

	ret = npu_device_open(node, &dev, err);
	if (!ret)
		ret = npu_model_load(dev, path, &profile, &model, err);
	if (!ret)
		ret = npu_session_create(model, DRM_NPU_PRIORITY_NORMAL, &session, err);
	if (!ret)
		ret = npu_bo_create(dev, sizeof(data), 0, NULL, &bo);
	info = ret ? NULL : npu_model_get_info(model);
	if (!ret)
		ret = npu_session_bind(session, info->outputs[0].base, bo, 4096 + 64, err);
	if (!ret)
		ret = npu_session_write(session, 0, data, info->inputs[0].size, err);
	if (!ret)
		ret = npu_session_submit(session, NULL, 0, &fence, err);
	if (!ret)
		ret = npu_fence_wait(fence, NPU_FOREVER, err);
	if (!ret)
		ret = npu_session_bind(session, info->outputs[0].base, NULL, 0, err);
	if (!ret)
		ret = npu_session_bind(session, info->outputs[0].base, bo, 0, err);
	if (!ret)
		ret = npu_session_run(session, err);
	if (!ret)
		ret = npu_session_bind(session, info->outputs[0].base, NULL, 0, err);
	if (!ret)
		ret = npu_session_run(session, err);
	if (!ret)
		ret = npu_session_read(session, 0, data, info->outputs[0].size, err);
	if (!ret)
		ret = npu_session_profile(session, t, 32);
	if (ret > 0)
		ret = 0;
	if (!ret)
		ret = npu_session_reset(session, err);
	if (!ret)
		ret = npu_queue_state(npu_session_queue(session), NULL, err);
	npu_fence_destroy(fence);
	npu_session_destroy(session);
	npu_model_destroy(model);
	npu_bo_destroy(bo);
	npu_device_close(dev);
	return ret;
}

/* Each call to the kernel and each allocation fails once. */
static void test_shortage(const char *path, unsigned int *count, const char *what)
{
	struct npu_error err;
	unsigned int n = 0;
	bool good = true;
	int ret;

	do {
		restart();
		kernel.status = 1;
		kernel.info = DRM_NPU_BO_INFO_NEED_SYNC;
		kernel.error = ENOMEM;
		*count = ++n;
		memset(&err, 0, sizeof(err));
		ret = whole_life(path, &err);
		if (kernel.objects || (ret && ret != -ENOMEM && ret != -EOPNOTSUPP)) {
			note("%s, %u: %d, %d objects left, %s", what, n, ret, kernel.objects, err.text);
			good = false;
		}
	} while (!*count && n < 10000);
	ok(good && n > 20 && n < 10000, "%s: %u fail, one after the other", what, n - 1);
	*count = 0;
}

static void test_session(void)
{
	struct npu_session *session = NULL;
	struct npu_device *dev = open_node();
	const struct npu_program_info *info;
	struct npu_model *model = NULL;
	struct npu_fence *fence = NULL;
	struct npu_timestamp t[1];
	struct npu_bo *bo = NULL;
	float *in, *out;
	struct npu_error err;
	unsigned int i;
	bool good = true;

	kernel.status = 1;
	ok(npu_model_load(dev, model_path("no-such-model"), NULL, &model, &err) == -ENOENT, "%s", err.text);
	if (!ok(!npu_model_load(dev, model_path("float_00.tflite"), NULL, &model, &err) &&
		!npu_session_create(model, DRM_NPU_PRIORITY_NORMAL, &session, &err), "a float model"))
		return;
	info = npu_model_get_info(model);
	in = calloc(1, info->inputs[0].size);
	out = calloc(1, info->outputs[0].size);
	for (i = 0; i < info->inputs[0].size / 4; i++)
		in[i] = i % 3 ? -1e30f : 1e30f;
	ok(npu_session_profile(session, t, 1) == -EINVAL, "no profile was asked for");
	ok(!npu_session_write(session, 0, in, info->inputs[0].size, &err) &&
	   !npu_session_run(session, &err) &&
	   !npu_session_read(session, 0, out, info->outputs[0].size, &err), "it runs");
	for (i = 0; i < info->outputs[0].size / 4; i++)
		good &= out[i] == out[0];
	ok(good, "zeros of the device are all the same number");
	ok(npu_session_write(session, 99, in, 4, &err) == -EINVAL, "%s", err.text);
	ok(npu_session_write(session, 0, in, 3, &err) == -EINVAL, "%s", err.text);
	npu_bo_create(dev, 65536, 0, NULL, &bo);
	ok(npu_session_bind(session, NPU_BASE_CONSTANTS, bo, 0, &err) == -EINVAL, "%s", err.text);
	ok(npu_session_bind(session, info->inputs[0].base, bo, 65536, &err) == -EINVAL, "%s", err.text);
	ok(!npu_session_bind(session, info->inputs[0].base, bo, 0, &err) &&
	   npu_session_write(session, 0, in, info->inputs[0].size, &err) == -EINVAL, "%s", err.text);

	kernel.wait = -ETIME;
	ok(!npu_session_submit(session, NULL, 0, &fence, &err) &&
	   npu_session_bind(session, info->inputs[0].base, NULL, 0, &err) == -EBUSY &&
	   npu_session_read(session, 0, out, info->outputs[0].size, &err) == -EBUSY, "%s", err.text);
	kernel.wait = 0;
	kernel.state.state = DRM_NPU_QUEUE_HUNG;
	kernel.error = EIO;
	kernel.call = 1;
	ok(npu_session_submit(session, NULL, 0, NULL, &err) == -EIO && strstr(err.text, "no progress"),
	   "%s", err.text);
	npu_fence_destroy(fence);
	npu_session_destroy(session);
	kernel.state.state = 0;
	kernel.error = EACCES;
	for (i = 1, good = false; i < 20 && !good; i++) {
		kernel.call = i;
		session = NULL;
		good = npu_session_create(model, DRM_NPU_PRIORITY_REALTIME, &session, &err) &&
		       strstr(err.text, "CAP_SYS_NICE");
		npu_session_destroy(session);
	}
	ok(good, "%s", err.text);
	kernel.call = 0;
	npu_session_destroy(NULL);
	npu_model_destroy(model);
	npu_bo_destroy(bo);
	npu_device_close(dev);
	ok(!kernel.objects, "nothing is left");
	free(in);
	free(out);
}

int main(int argc, char **argv)
{
	char digits[512];

	if (argc < 2)
		return 2;
	models = argv[1];
	test_list();
	test_open();
	test_queue();
	test_buffers();
	test_session();
	snprintf(digits, sizeof(digits), "%s", model_path("digits.tflite"));
	test_shortage(digits, &kernel.call, "calls to the kernel");
	test_shortage(digits, &kernel.alloc, "allocations");
	unlink(node);
	return tap_done();
}

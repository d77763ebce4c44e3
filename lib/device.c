// SPDX-License-Identifier: MIT
/* Finding and opening devices. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

#define ACCEL_DIR	"/dev/accel"
#define ACCEL_MAX	256
#define DRIVER_NAME	"npu"

int npu_fail(struct npu_error *err, int code, const char *fmt, ...)
{
	va_list args;
	char *p;

	if (!err)
		return code;
	err->detail = 0;
	err->offset = 0;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	/* Names come from files: no control character reaches a terminal. */
	for (p = err->text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return code;
}

/* The driver of a node that cannot be asked, from sysfs. */
static void driver_from_sysfs(unsigned int index, char *driver, size_t size)
{
	char link[80], target[PATH_MAX];
	const char *name;
	ssize_t n;

	snprintf(link, sizeof(link), "/sys/class/accel/accel%u/device/driver", index);
	n = readlink(link, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	name = strrchr(target, '/');
	snprintf(driver, size, "%.*s", (int)size - 1, name ? name + 1 : target);
}

static int identify(int fd, struct npu_device_id *id)
{
	drmVersionPtr version = drmGetVersion(fd);

	if (!version)
		return -ENOTTY;
	snprintf(id->driver, sizeof(id->driver), "%.*s", version->name_len, version->name);
	id->version[0] = version->version_major;
	id->version[1] = version->version_minor;
	id->version[2] = version->version_patchlevel;
	drmFreeVersion(version);
	return 0;
}

static int compare_index(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

/* All accel nodes, the other drivers' as well. */
static unsigned int scan(struct npu_device_id ids[ACCEL_MAX])
{
	unsigned int index[ACCEL_MAX], n = 0, i;
	struct dirent *entry;
	DIR *dir;
	char end;
	int fd;

	dir = opendir(ACCEL_DIR);
	if (!dir)
		return 0;
	while (n < ACCEL_MAX && (entry = readdir(dir)))
		if (sscanf(entry->d_name, "accel%u%c", &index[n], &end) == 1)
			n++;
	closedir(dir);
	qsort(index, n, sizeof(index[0]), compare_index);

	for (i = 0; i < n; i++) {
		memset(&ids[i], 0, sizeof(ids[i]));
		snprintf(ids[i].path, sizeof(ids[i].path), ACCEL_DIR "/accel%u", index[i]);
		fd = open(ids[i].path, O_RDWR | O_CLOEXEC);
		if (fd >= 0) {
			ids[i].error = identify(fd, &ids[i]);
			close(fd);
		} else {
			ids[i].error = -errno;
			driver_from_sysfs(index[i], ids[i].driver, sizeof(ids[i].driver));
		}
	}
	return n;
}

static bool is_npu(const struct npu_device_id *id)
{
	return !strcmp(id->driver, DRIVER_NAME) || (id->error && !id->driver[0]);
}

NPU_API int npu_device_list(struct npu_device_id *ids, unsigned int max)
{
	struct npu_device_id *all = calloc(ACCEL_MAX, sizeof(*all));
	unsigned int n, i;
	int found = 0;

	if (!all)
		return -ENOMEM;
	n = scan(all);
	for (i = 0; i < n; i++) {
		if (!is_npu(&all[i]))
			continue;
		if ((unsigned int)found < max)
			ids[found] = all[i];
		found++;
	}
	free(all);
	return found;
}

static const char *group_name(gid_t gid, char *buf, size_t size)
{
	struct group group, *found = NULL;
	FILE *file = fopen("/etc/group", "re");

	while (file && !fgetgrent_r(file, &group, buf, size, &found))
		if (found->gr_gid == gid)
			break;
	if (file)
		fclose(file);
	return found && found->gr_gid == gid ? found->gr_name : NULL;
}

static int fail_open(const char *path, int error, struct npu_error *err)
{
	const char *group = NULL;
	struct stat st;
	char buf[4096];

	if (error == -EACCES || error == -EPERM) {
		if (!stat(path, &st) && (st.st_mode & 0060) == 0060 && st.st_gid)
			group = group_name(st.st_gid, buf, sizeof(buf));
		if (group)
			return npu_fail(err, -EACCES,
					"%s: permission denied; become a member of its group (sudo usermod -aG %.32s \"$USER\") and log in again",
					path, group);
		return npu_fail(err, -EACCES,
				"%s: permission denied, only root may open it; install a udev rule: SUBSYSTEM==\"accel\", GROUP=\"render\", MODE=\"0660\"",
				path);
	}
	if (error == -ENOENT)
		return npu_fail(err, -ENODEV, "%s: no such device; 'npuctl list' shows what there is",
				path);
	if (error == -ENOTTY)
		return npu_fail(err, -ENODEV, "%s is not a DRM accel device", path);
	return npu_fail(err, error, "%s: %s", path, strerror(-error));
}

static int open_path(const char *path, struct npu_device **out, struct npu_error *err)
{
	struct npu_device_id id = { 0 };
	struct drm_npu_dev_query query = { .type = DRM_NPU_QUERY_DEVICE };
	struct npu_device *dev;
	int ret;

	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return npu_fail(err, -ENOMEM, "out of memory");
	dev->refs = 1;
	pthread_mutex_init(&dev->lock, NULL);
	dev->path = strdup(path);
	dev->fd = dev->path ? open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK) : -1;
	if (dev->fd < 0) {
		ret = fail_open(path, -errno, err);
		goto fail;
	}
	ret = identify(dev->fd, &id);
	if (ret) {
		ret = fail_open(path, ret, err);
		goto fail;
	}
	if (strcmp(id.driver, DRIVER_NAME)) {
		ret = npu_fail(err, -ENODEV, "%s belongs to the driver '%s', not to '%s'",
			       path, id.driver, DRIVER_NAME);
		goto fail;
	}
	query.size = sizeof(dev->info);
	query.ptr = (uintptr_t)&dev->info;
	ret = npu_ioctl(dev, DRM_IOCTL_NPU_DEV_QUERY, &query);
	if (ret == -ENODEV) {
		npu_fail(err, ret, "%s: the device has gone", path);
		goto fail;
	}
	if (ret) {
		ret = npu_fail(err, -EOPNOTSUPP,
			       "%s: driver %d.%d.%d does not answer DEV_QUERY (%s); install the driver of this release",
			       path, id.version[0], id.version[1], id.version[2], strerror(-ret));
		goto fail;
	}
	if (dev->info.isa_version >> 16 != NPU_ISA_MAJOR) {
		ret = npu_fail(err, -EOPNOTSUPP,
			       "%s runs command streams of version %u, this libnpu makes version %u; use a libnpu that fits the device",
			       path, dev->info.isa_version >> 16, NPU_ISA_MAJOR);
		goto fail;
	}
	*out = dev;
	return 0;
fail:
	npu_device_close(dev);
	return ret;
}

/* NULL: the first that opens; else the index-th NPU. */
static int open_listed(const char *index, struct npu_device **dev, struct npu_error *err)
{
	struct npu_device_id *ids = calloc(ACCEL_MAX, sizeof(*ids));
	unsigned int n, i, found = 0, others = 0;
	unsigned long wanted = index ? strtoul(index, NULL, 10) : ULONG_MAX;
	int ret = -ENODEV;

	if (!ids)
		return npu_fail(err, -ENOMEM, "out of memory");
	n = scan(ids);
	for (i = 0; i < n; i++) {
		if (!is_npu(&ids[i])) {
			others++;
			continue;
		}
		if (index && found++ != wanted)
			continue;
		found += !index;
		ret = open_path(ids[i].path, dev, err);
		if (index || !ret)
			goto out;
	}
	if (index && found)
		npu_fail(err, -ENODEV, "there is no NPU %s, only %u of them, counted from 0", index,
			 found);
	else if (!found && others)
		npu_fail(err, -ENODEV,
			 "no NPU: the %u devices in " ACCEL_DIR " belong to other drivers (the first to '%s')",
			 others, ids[0].driver);
	else if (!found)
		npu_fail(err, -ENODEV,
			 "no NPU: " ACCEL_DIR " has no device; load the driver (sudo modprobe npu) and, without hardware, the emulated device (sudo modprobe npu_emu)");
out:
	free(ids);
	return ret;
}

NPU_API int npu_device_open(const char *name, struct npu_device **dev, struct npu_error *err)
{
	if (!name) {
		name = getenv("NPU_DEVICE");
		if (name && !*name)
			name = NULL;
	}
	if (name && strspn(name, "0123456789") != strlen(name))
		return open_path(name, dev, err);
	return open_listed(name && *name ? name : NULL, dev, err);
}

NPU_API void npu_device_close(struct npu_device *dev)
{
	if (!dev || atomic_fetch_sub(&dev->refs, 1) != 1)
		return;
	if (dev->fd >= 0)
		close(dev->fd);
	pthread_mutex_destroy(&dev->lock);
	free(dev->path);
	free(dev);
}

NPU_API const struct drm_npu_device_info *npu_device_info(const struct npu_device *dev)
{
	return &dev->info;
}

NPU_API const char *npu_device_path(const struct npu_device *dev)
{
	return dev->path;
}

NPU_API int npu_device_fd(const struct npu_device *dev)
{
	return dev->fd;
}

NPU_API int npu_device_time(struct npu_device *dev, struct drm_npu_time_info *time)
{
	struct drm_npu_dev_query query = {
		.type = DRM_NPU_QUERY_TIME,
		.size = sizeof(*time),
		.ptr = (uintptr_t)time,
	};

	return npu_ioctl(dev, DRM_IOCTL_NPU_DEV_QUERY, &query);
}

/* Reads what there is; it comes in whole events. */
static int read_events(struct npu_device *dev)
{
	ssize_t n;

	do {
		n = read(dev->fd, dev->events, sizeof(dev->events));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	dev->event_at = 0;
	dev->event_end = (size_t)n;
	return n ? 0 : -EAGAIN;
}

/* Takes the next event of those read; returns whether it is a fault. */
static bool next_event(struct npu_device *dev, struct drm_npu_event_fault *event)
{
	const char *at = dev->events + dev->event_at;
	struct drm_event base;

	memcpy(&base, at, sizeof(base));
	dev->event_at += base.length;
	if (base.length < sizeof(base) || dev->event_at > dev->event_end)
		dev->event_at = dev->event_end;
	if (base.type != DRM_NPU_EVENT_FAULT || base.length < sizeof(*event))
		return false;
	/* A newer kernel may tell more. */
	memcpy(event, at, sizeof(*event));
	return true;
}

NPU_API int npu_device_event(struct npu_device *dev, struct drm_npu_event_fault *event)
{
	bool found = false;
	int ret = 0;

	pthread_mutex_lock(&dev->lock);
	while (!ret && !found) {
		if (dev->event_at == dev->event_end)
			ret = read_events(dev);
		if (!ret)
			found = next_event(dev, event);
	}
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

int npu_syncobj_get(struct npu_device *dev, uint32_t *handle)
{
	*handle = 0;
	pthread_mutex_lock(&dev->lock);
	if (dev->nsyncobjs)
		*handle = dev->syncobjs[--dev->nsyncobjs];
	pthread_mutex_unlock(&dev->lock);
	if (*handle)
		return 0;
	return drmSyncobjCreate(dev->fd, 0, handle) ? -errno : 0;
}

void npu_syncobj_put(struct npu_device *dev, uint32_t handle)
{
	pthread_mutex_lock(&dev->lock);
	if (dev->nsyncobjs < NPU_SYNCOBJ_POOL) {
		dev->syncobjs[dev->nsyncobjs++] = handle;
		handle = 0;
	}
	pthread_mutex_unlock(&dev->lock);
	if (handle)
		drmSyncobjDestroy(dev->fd, handle);
}

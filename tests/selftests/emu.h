/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Emulated devices: directories of configfs, or in a VM whose NPUs are on PCI, of the
 * bench outside of it (tests/vm/bench.py), which has the same files.
 */
#ifndef _EMU_H_
#define _EMU_H_

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int ret;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	ret = n < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static inline int read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int ret;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	ret = n < 0 ? -errno : 0;
	if (n >= 0)
		text[n] = 0;
	close(fd);
	return ret;
}

/* ---- The bench -------------------------------------------------------------------- */

/* NPU_BENCH is the serial port at whose other end it is; without it there is none. */
static inline bool bench_exists(void)
{
	return getenv("NPU_BENCH");
}

/* Is the NPU a PCI device? */
static inline bool bus_is_pci(void)
{
	const char *bus = getenv("NPU_BUS");

	return bus && !strcmp(bus, "pci");
}

static inline int bench_port_open(void)
{
	int fd;

	/* One request at a time: the port has one user. */
	fd = open(getenv("NPU_BENCH"), O_RDWR | O_CLOEXEC);
	while (fd < 0 && errno == EBUSY) {
		usleep(1000);
		fd = open(getenv("NPU_BENCH"), O_RDWR | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

/* A line without its end. */
static inline int bench_read_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n < size - 1) {
		if (read(fd, line + n, 1) != 1)
			return -EIO;
		if (line[n] == '\n')
			break;
		n++;
	}
	line[n] = 0;
	return 0;
}

/* Returns 0 or a negative errno; @answer, if it is not NULL, gets what there is to say. */
static inline int bench(const char *request, char *answer, size_t size)
{
	char line[512];
	int fd, n, number, error, at = 0, ret;

	if (!bench_exists())
		return -ENODEV;
	n = snprintf(line, sizeof(line), "%d %s\n", getpid(), request);
	if (n >= (int)sizeof(line))
		return -E2BIG;
	fd = bench_port_open();
	if (fd < 0)
		return fd;
	ret = write(fd, line, n) == n ? 0 : -EIO;
	/* Somebody may have died before he read his. */
	do {
		number = 0;
		if (!ret)
			ret = bench_read_line(fd, line, sizeof(line));
		if (!ret && sscanf(line, "%d %d %n", &number, &error, &at) < 2)
			ret = -EIO;
	} while (!ret && number != getpid());
	close(fd);
	if (!ret && answer)
		snprintf(answer, size, "%s\n", line + at);
	return ret ? ret : -error;
}

/* ---- Devices ---------------------------------------------------------------------- */

#define EMU_ROOT "/sys/kernel/config/npu_emu"
#define EMU_BUS "/sys/bus/%s/"

/* An emulated device of a test's own: other tests do not feel its faults. */
struct emu {
	char name[32];
	int index;	/* of /dev/accel/accelN */
};

static inline const char *emu_bus(void)
{
	return bus_is_pci() ? "pci" : "platform";
}

static inline int emu_write(const struct emu *emu, const char *file, const char *value)
{
	char text[256];

	if (bus_is_pci()) {
		snprintf(text, sizeof(text), "write %s %s %s", emu->name, file, value);
		return bench(text, NULL, 0);
	}
	snprintf(text, sizeof(text), EMU_ROOT "/%s/%s", emu->name, file);
	return write_file(text, value);
}

static inline int emu_write_number(const struct emu *emu, const char *file, unsigned long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", value);
	return emu_write(emu, file, text);
}

static inline int emu_read(const struct emu *emu, const char *file, char *text, size_t size)
{
	char path[256];

	if (bus_is_pci()) {
		snprintf(path, sizeof(path), "read %s %s", emu->name, file);
		return bench(path, text, size);
	}
	snprintf(path, sizeof(path), EMU_ROOT "/%s/%s", emu->name, file);
	return read_file(path, text, size);
}

static inline long emu_bus_errors(const struct emu *emu)
{
	char text[32] = "";

	return emu_read(emu, "bus_errors", text, sizeof(text)) ? -1 : atol(text);
}

/* The device's name on its bus. */
static inline int emu_device(const struct emu *emu, char *name, size_t size)
{
	int ret = emu_read(emu, "device", name, size);

	name[ret ? 0 : strcspn(name, "\n")] = 0;
	return ret;
}

static inline int emu_driver(const struct emu *emu, const char *file)
{
	char device[64], path[128];
	int ret = emu_device(emu, device, sizeof(device));

	snprintf(path, sizeof(path), EMU_BUS "drivers/npu/%s", emu_bus(), file);
	return ret ? ret : write_file(path, device);
}

/* Takes the driver away from a device that stays, and gives it back. */
static inline int emu_unbind(const struct emu *emu)
{
	return emu_driver(emu, "unbind");
}

static inline int emu_bind(const struct emu *emu)
{
	return emu_driver(emu, "bind");
}

/* A file in sysfs of a device with this name. */
static inline int device_path(const char *device, const char *file, char *path, size_t size)
{
	return snprintf(path, size, EMU_BUS "devices/%s/%s", emu_bus(), device, file);
}

static inline int device_write(const char *device, const char *file, const char *text)
{
	char path[256];

	device_path(device, file, path, sizeof(path));
	return write_file(path, text);
}

/* Is this what a file says? */
static inline bool device_says(const char *device, const char *file, const char *want)
{
	char path[256], text[64] = "";

	device_path(device, file, path, sizeof(path));
	if (read_file(path, text, sizeof(text)))
		return false;
	text[strcspn(text, "\n")] = 0;
	return !strcmp(text, want);
}

/* A device that is off has no clock. */
static inline int emu_keep_on(const struct emu *emu)
{
	char device[64];
	int ret = emu_device(emu, device, sizeof(device));

	return ret ? ret : device_write(device, "power/control", "on");
}

/* The number of the accel node of a device. */
static inline int emu_find_index(const struct emu *emu)
{
	char device[64], file[64], path[256];
	struct stat st;
	int i;

	if (emu_device(emu, device, sizeof(device)))
		return -1;
	for (i = 0; i < 64; i++) {
		snprintf(file, sizeof(file), "accel/accel%d", i);
		device_path(device, file, path, sizeof(path));
		if (!stat(path, &st))
			return i;
	}
	return -1;
}

static inline int emu_make(struct emu *emu)
{
	static int counter;
	char text[256];

	snprintf(emu->name, sizeof(emu->name), "test-%d-%d", getpid(), counter++);
	emu->index = -1;
	if (bus_is_pci()) {
		snprintf(text, sizeof(text), "mkdir %s", emu->name);
		return bench(text, NULL, 0);
	}
	snprintf(text, sizeof(text), EMU_ROOT "/%s", emu->name);
	return mkdir(text, 0755) ? -errno : 0;
}

/* The driver's attributes are the last thing that comes. */
static inline bool emu_is_bound(const struct emu *emu)
{
	char device[64], path[256];

	if (emu_device(emu, device, sizeof(device)))
		return false;
	device_path(device, "npu_busy_time_us", path, sizeof(path));
	return !access(path, F_OK);
}

static inline int emu_plug(struct emu *emu)
{
	int ret = emu_write(emu, "enabled", "1"), tries;

	/* configfs returns when the driver has been asked; PCI tells the kernel. */
	for (tries = 0; bus_is_pci() && !ret && !emu_is_bound(emu) && tries < 3000; tries++)
		usleep(10000);
	if (!ret)
		emu->index = emu_find_index(emu);
	return ret ? ret : emu->index < 0 ? -ENODEV : 0;
}

static inline int emu_create(struct emu *emu, unsigned int cores, unsigned int slots)
{
	int ret = emu_make(emu);

	if (!ret)
		ret = emu_write_number(emu, "cores", cores);
	if (!ret)
		ret = emu_write_number(emu, "slots", slots);
	return ret ? ret : emu_plug(emu);
}

static inline int emu_unplug(struct emu *emu)
{
	return emu_write(emu, "enabled", "0");
}

static inline int emu_remove(struct emu *emu)
{
	char text[256];

	if (bus_is_pci()) {
		snprintf(text, sizeof(text), "rmdir %s", emu->name);
		return bench(text, NULL, 0);
	}
	snprintf(text, sizeof(text), EMU_ROOT "/%s", emu->name);
	return rmdir(text) ? -errno : 0;
}

#endif /* _EMU_H_ */

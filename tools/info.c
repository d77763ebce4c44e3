// SPDX-License-Identifier: MIT
/* npuctl info: one device, what it can and what it does now. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "npuctl.h"

/* Of the device in sysfs: file, member of JSON, name and unit of the text. */
static const struct {
	const char *file;
	const char *key;
	const char *name;
	const char *unit;
	double scale;	/* file times scale is in the unit */
} values[] = {
	{ "npu_current_frequency_mhz", "current_frequency_mhz", "clock now", "MHz", 1 },
	{ "npu_busy_time_us", "busy_time_us", "busy", "s", 0.000001 },
	{ "npu_memory_utilization", "memory_bytes", "memory", "MiB", 1.0 / 1048576 },
	{ "hwmon/temp1_input", "temperature_mc", "temperature", "C", 0.001 },
	{ "hwmon/power1_input", "power_uw", "power", "W", 0.000001 },
};

#define NVALUES (sizeof(values) / sizeof(values[0]))

static bool read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");
	char *got;

	if (!file)
		return false;
	got = fgets(text, (int)size, file);
	fclose(file);
	if (!got)
		return false;
	text[strcspn(text, "\n")] = 0;
	return true;
}

/* hwmon numbers its devices: hwmon/FILE is hwmon/hwmonN/FILE. */
static void hwmon_path(const char *sysfs, const char *file, char *path, size_t size)
{
	struct dirent *entry;
	char dir_path[128];
	DIR *dir;

	snprintf(dir_path, sizeof(dir_path), "%s/hwmon", sysfs);
	snprintf(path, size, "%s/%s", dir_path, file);
	dir = opendir(dir_path);
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "hwmon", 5))
			snprintf(path, size, "%s/%.64s/%s", dir_path, entry->d_name, file);
	if (dir)
		closedir(dir);
}

static bool read_value(const char *sysfs, const char *file, long long *value)
{
	char path[256], text[64], *end;

	if (!strncmp(file, "hwmon/", 6))
		hwmon_path(sysfs, file + 6, path, sizeof(path));
	else
		snprintf(path, sizeof(path), "%s/%s", sysfs, file);
	if (!read_line(path, text, sizeof(text)))
		return false;
	*value = strtoll(text, &end, 10);
	return end != text;
}

static void print_values(const struct options *opt, const char *sysfs)
{
	char path[256], text[64];
	long long value;
	unsigned int i;

	/* First, since some of the values switch the device on. */
	snprintf(path, sizeof(path), "%s/power/runtime_status", sysfs);
	if (read_line(path, text, sizeof(text))) {
		if (opt->json)
			json_string("power_state", text);
		else
			printf("   %-11s%s\n", "power", text);
	}
	for (i = 0; i < NVALUES; i++) {
		if (!read_value(sysfs, values[i].file, &value))
			continue;
		if (opt->json)
			json_number(values[i].key, "%lld", value);
		else
			printf("   %-11s %.3f %s\n", values[i].name,
			       (double)value * values[i].scale, values[i].unit);
	}
}

int cmd_info(const struct options *opt)
{
	struct npu_device_id ids[64];
	struct npu_device *dev;
	struct stat st, node;
	char sysfs[64];
	int i, n, ret;

	if (opt->nargs)
		return fail(EXIT_USAGE, "info takes no argument '%s'", opt->args[0]);
	ret = open_device(opt, &dev);
	if (ret)
		return ret;
	if (fstat(npu_device_fd(dev), &st)) {
		ret = fail(EXIT_RUN, "%s: %s", npu_device_path(dev), strerror(errno));
		npu_device_close(dev);
		return ret;
	}
	if (opt->json)
		json_open(NULL, '{');
	n = npu_device_list(ids, 64);
	for (i = 0; i < n && i < 64; i++)
		if (!stat(ids[i].path, &node) && node.st_rdev == st.st_rdev)
			print_device(opt, i, &ids[i], npu_device_info(dev), NULL);
	snprintf(sysfs, sizeof(sysfs), "/sys/dev/char/%u:%u/device", major(st.st_rdev),
		 minor(st.st_rdev));
	print_values(opt, sysfs);
	npu_device_close(dev);
	return EXIT_OK;
}

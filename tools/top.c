// SPDX-License-Identifier: MIT
/* npuctl top: who uses the NPUs, from what DRM tells in /proc/PID/fdinfo. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "npuctl.h"

/**
 * struct user - a process that has opened a device
 * @pid: process
 * @name: its command
 * @node: of the device
 * @rdev: likewise
 * @capacity: cores
 * @busy: nanoseconds of cores since the files were opened
 * @total: bytes of buffers
 * @resident: of these, what is in memory
 * @active: of these, what jobs use
 * @share: of all cores since the last look, percent
 */
struct user {
	long pid;
	char name[32];
	char node[64];
	dev_t rdev;
	uint64_t capacity;
	uint64_t busy;
	uint64_t total;
	uint64_t resident;
	uint64_t active;
	double share;
};

/**
 * struct look - all users at one time
 * @time: CLOCK_MONOTONIC, nanoseconds
 * @user: who
 * @users: how many
 * @id: files that were counted: one can have several descriptors and processes
 * @ids: how many
 */
struct look {
	uint64_t time;
	struct user *user;
	size_t users;
	uint64_t *id;
	size_t ids;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void *more(void *array, size_t count, size_t size)
{
	void *larger = realloc(array, (count + 1) * size);

	if (!larger) {
		fail(EXIT_RUN, "%s", strerror(ENOMEM));
		exit(EXIT_RUN);
	}
	return larger;
}

static void look_free(struct look *look)
{
	free(look->user);
	free(look->id);
	*look = (struct look) { 0 };
}

/* Returns false for a file that was counted already. */
static bool look_is_new(struct look *look, uint64_t id)
{
	size_t i;

	for (i = 0; i < look->ids; i++)
		if (look->id[i] == id)
			return false;
	look->id = more(look->id, look->ids, sizeof(*look->id));
	look->id[look->ids++] = id;
	return true;
}

static struct user *look_find(const struct look *look, long pid, dev_t rdev)
{
	size_t i;

	for (i = 0; i < look->users; i++)
		if (look->user[i].pid == pid && look->user[i].rdev == rdev)
			return &look->user[i];
	return NULL;
}

static void read_name(long pid, char *name, size_t size)
{
	char path[64];
	FILE *file;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	file = fopen(path, "r");
	if (file) {
		n = fread(name, 1, size - 1, file);
		fclose(file);
	}
	name[n] = 0;
	for (n = 0; name[n]; n++)
		if ((unsigned char)name[n] < ' ' || name[n] == 0x7f)
			name[n] = name[n + 1] ? '?' : 0;
}

static struct user *look_add(struct look *look, long pid, const char *node, dev_t rdev)
{
	struct user *user = look_find(look, pid, rdev);

	if (user)
		return user;
	look->user = more(look->user, look->users, sizeof(*look->user));
	user = &look->user[look->users++];
	*user = (struct user) { .pid = pid, .rdev = rdev };
	snprintf(user->node, sizeof(user->node), "%s", node);
	read_name(pid, user->name, sizeof(user->name));
	return user;
}

/* The value of "key:\tNUMBER[ KiB| MiB]" in bytes or as it stands. */
static bool parse_line(const char *line, const char *key, uint64_t *value)
{
	size_t len = strlen(key);
	char *unit;

	if (strncmp(line, key, len) || line[len] != ':')
		return false;
	*value = strtoull(line + len + 1, &unit, 10);
	if (!strncmp(unit, " KiB", 4))
		*value <<= 10;
	else if (!strncmp(unit, " MiB", 4))
		*value <<= 20;
	return true;
}

static void parse_fdinfo(struct look *look, FILE *file, long pid, const char *node, dev_t rdev)
{
	uint64_t id = 0, capacity = 0, busy = 0, total = 0, resident = 0, active = 0;
	bool ours = false;
	struct user *user;
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		if (!strcmp(line, "drm-driver:\tnpu\n"))
			ours = true;
		else if (!parse_line(line, "drm-client-id", &id) &&
			 !parse_line(line, "drm-engine-npu", &busy) &&
			 !parse_line(line, "drm-engine-capacity-npu", &capacity) &&
			 !parse_line(line, "drm-total-memory", &total) &&
			 !parse_line(line, "drm-resident-memory", &resident))
			parse_line(line, "drm-active-memory", &active);
	}
	if (!ours || !look_is_new(look, id))
		return;
	user = look_add(look, pid, node, rdev);
	user->capacity = capacity;
	user->busy += busy;
	user->total += total;
	user->resident += resident;
	user->active += active;
}

static void look_at_file(struct look *look, long pid, const char *fd, const dev_t *only)
{
	char path[96], node[64];
	struct stat st = { 0 };
	ssize_t n;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/fd/%.20s", pid, fd);
	n = readlink(path, node, sizeof(node) - 1);
	if (n < 0)
		return;
	node[n] = 0;
	if (strncmp(node, "/dev/accel/", 11) || stat(path, &st) || (only && st.st_rdev != *only))
		return;
	snprintf(path, sizeof(path), "/proc/%ld/fdinfo/%.20s", pid, fd);
	file = fopen(path, "r");
	if (!file)
		return;
	parse_fdinfo(look, file, pid, node, st.st_rdev);
	fclose(file);
}

/* Processes that end meanwhile, or that are not ours to see, are passed over. */
static void look_at_process(struct look *look, long pid, const dev_t *only)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			look_at_file(look, pid, entry->d_name, only);
	closedir(dir);
}

static int by_share(const void *a, const void *b)
{
	const struct user *x = a, *y = b;

	if (x->share != y->share)
		return x->share < y->share ? 1 : -1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static int look_around(struct look *look, const struct look *before, const dev_t *only)
{
	const struct user *old;
	struct dirent *entry;
	struct user *user;
	size_t i;
	long pid;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return fail(EXIT_RUN, "/proc: %s", strerror(errno));
	look->time = now_ns();
	while ((entry = readdir(dir))) {
		pid = strtol(entry->d_name, NULL, 10);
		if (pid > 0)
			look_at_process(look, pid, only);
	}
	closedir(dir);

	for (i = 0; i < look->users; i++) {
		user = &look->user[i];
		old = look_find(before, user->pid, user->rdev);
		if (old && user->capacity && user->busy > old->busy)
			user->share = 100. * (double)(user->busy - old->busy) /
				      (double)(look->time - before->time) / (double)user->capacity;
	}
	if (look->users)
		qsort(look->user, look->users, sizeof(*look->user), by_share);
	return EXIT_OK;
}

/* Four digits and a unit. */
static const char *size_text(uint64_t bytes, char *text, size_t size)
{
	static const char units[] = "BKMGTPE";
	unsigned int unit = 0;

	for (; bytes >= 10000; bytes >>= 10)
		unit++;
	snprintf(text, size, "%" PRIu64 "%c", bytes, units[unit]);
	return text;
}

static void print_text(const struct look *look)
{
	char total[16], resident[16], active[16];
	const struct user *user;
	size_t i;

	printf("%7s %-15s %-18s %6s %9s %7s %8s %7s\n", "PID", "COMMAND", "DEVICE", "NPU %",
	       "TIME", "MEMORY", "RESIDENT", "ACTIVE");
	for (i = 0; i < look->users; i++) {
		user = &look->user[i];
		printf("%7ld %-15.15s %-18s %6.1f %8.2fs %7s %8s %7s\n", user->pid, user->name,
		       user->node, user->share, (double)user->busy / 1e9,
		       size_text(user->total, total, sizeof(total)),
		       size_text(user->resident, resident, sizeof(resident)),
		       size_text(user->active, active, sizeof(active)));
	}
}

static void print_json(const struct look *look, const struct look *before)
{
	const struct user *user;
	size_t i;

	json_open(NULL, '{');
	json_number("interval_ns", "%" PRIu64, look->time - before->time);
	json_open("processes", '[');
	for (i = 0; i < look->users; i++) {
		user = &look->user[i];
		json_open(NULL, '{');
		json_number("pid", "%ld", user->pid);
		json_string("command", user->name);
		json_string("device", user->node);
		json_number("cores", "%" PRIu64, user->capacity);
		json_number("share", "%.4f", user->share / 100);
		json_number("busy_ns", "%" PRIu64, user->busy);
		json_number("total_bytes", "%" PRIu64, user->total);
		json_number("resident_bytes", "%" PRIu64, user->resident);
		json_number("active_bytes", "%" PRIu64, user->active);
		json_close();
	}
	json_close();
}

static int find_device(const struct options *opt, dev_t *rdev)
{
	struct npu_device *dev;
	struct stat st;
	int ret;

	ret = open_device(opt, &dev);
	if (ret)
		return ret;
	if (fstat(npu_device_fd(dev), &st))
		ret = fail(EXIT_RUN, "%s: %s", opt->device, strerror(errno));
	else
		*rdev = st.st_rdev;
	npu_device_close(dev);
	return ret;
}

int cmd_top(const struct options *opt)
{
	struct timespec pause = {
		.tv_sec = (time_t)(opt->interval_ms / 1000),
		.tv_nsec = (long)(opt->interval_ms % 1000) * 1000000,
	};
	bool once = opt->once || opt->json, screen = !once && isatty(STDOUT_FILENO);
	struct look before = { 0 }, look = { 0 };
	dev_t rdev = 0;
	int ret;

	if (opt->nargs)
		return fail(EXIT_USAGE, "top takes no argument '%s'", opt->args[0]);
	ret = opt->device ? find_device(opt, &rdev) : EXIT_OK;
	if (!ret)
		ret = look_around(&before, &look, opt->device ? &rdev : NULL);
	while (!ret) {
		nanosleep(&pause, NULL);
		ret = look_around(&look, &before, opt->device ? &rdev : NULL);
		if (ret)
			break;
		if (screen)
			fputs("\033[H\033[J", stdout);
		if (opt->json)
			print_json(&look, &before);
		else
			print_text(&look);
		if (once || fflush(stdout) || ferror(stdout))
			break;
		look_free(&before);
		before = look;
		look = (struct look) { 0 };
	}
	look_free(&before);
	look_free(&look);
	return ret;
}

// SPDX-License-Identifier: MIT
/* Emulated devices: configfs of npu_emu.ko, see "configfs" in Documentation/emulator.rst. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "npuctl.h"

#define ROOT		"/sys/kernel/config/npu_emu"
#define PATH_SIZE	512
#define VALUE_SIZE	256

/* What the kernel says, as an exit code. */
static enum exit_code code_of(int error)
{
	switch (error) {
	case ENOENT:
	case ENODEV:
		return EXIT_NO_DEVICE;
	case EACCES:
	case EPERM:
	case EROFS:
		return EXIT_PERMISSION;
	case EINVAL:
	case ERANGE:
	case EBUSY:
	case EEXIST:
		return EXIT_INPUT;
	default:
		return EXIT_RUN;
	}
}

/* Names become files, and nothing else. */
static bool is_name(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') && strlen(name) < 64;
}

static void make_path(char *path, const char *name, const char *dir, const char *file)
{
	snprintf(path, PATH_SIZE, ROOT "/%s%s%s%s%s", name, *dir ? "/" : "", dir, *file ? "/" : "",
		 file);
}

static int no_device(const char *name)
{
	struct stat st;

	if (stat(ROOT, &st))
		return fail(EXIT_NO_DEVICE, ROOT ": %s; is npu_emu loaded and configfs mounted?",
			    strerror(errno));
	return fail(EXIT_NO_DEVICE, "there is no emulated device '%s'", name);
}

static int find(const char *name)
{
	char path[PATH_SIZE];
	struct stat st;

	if (!is_name(name))
		return fail(EXIT_USAGE, "'%s' cannot be the name of a device", name);
	make_path(path, name, "", "");
	return stat(path, &st) || !S_ISDIR(st.st_mode) ? no_device(name) : EXIT_OK;
}

/* Writes an attribute at once; the kernel takes or refuses it as a whole. */
static int put(const char *name, const char *dir, const char *file, const char *value)
{
	char path[PATH_SIZE];
	int fd, error = 0;

	make_path(path, name, dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return fail(EXIT_USAGE, "%s: there is no '%s'", name, file);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	if (!error)
		return EXIT_OK;
	if (error == ENODEV)
		return fail(EXIT_NO_DEVICE, "%s: %s: the device is not enabled", name, file);
	return fail(code_of(error), "%s: %s = '%s': %s", name, file, value, strerror(error));
}

/* Reads an attribute; false if it says nothing now. */
static bool get(const char *name, const char *dir, const char *file, char *value)
{
	char path[PATH_SIZE];
	ssize_t n;
	int fd;

	make_path(path, name, dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, value, VALUE_SIZE - 1);
	close(fd);
	if (n <= 0)
		return false;
	value[n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return true;
}

/* The accel node of a device, or "". */
static void find_node(const char *device, char *node, size_t size)
{
	char path[PATH_SIZE];
	struct dirent *entry;
	DIR *dir;

	*node = '\0';
	snprintf(path, sizeof(path), "/sys/devices/platform/%s/accel", device);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!strncmp(entry->d_name, "accel", 5))
			snprintf(node, size, "/dev/accel/%.32s", entry->d_name);
	}
	closedir(dir);
}

/* ---- list, show ------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The entries of a directory in order; NULL at the end. -1 if it cannot be read. */
static int entries(const char *path, char ***names)
{
	char **list = NULL, **more;
	struct dirent *entry;
	DIR *dir = opendir(path);
	int n = 0;

	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		more = realloc(list, (size_t)(n + 1) * sizeof(*list));
		if (!more)
			break;
		list = more;
		list[n] = strdup(entry->d_name);
		n += !!list[n];
	}
	closedir(dir);
	if (n)
		qsort(list, (size_t)n, sizeof(*list), by_name);
	*names = list;
	return n;
}

static void free_entries(char **names, int n)
{
	while (n--)
		free(names[n]);
	free(names);
}

static void list_one(const char *name, bool json)
{
	char device[VALUE_SIZE] = "", node[64];

	get(name, "", "device", device);
	find_node(device, node, sizeof(node));
	if (json) {
		json_open(NULL, '{');
		json_string("name", name);
		json_number("enabled", "%s", *device ? "true" : "false");
		json_string("device", device);
		json_string("node", node);
		json_close();
	} else {
		printf("%-20s %-16s %s\n", name, *device ? device : "not enabled", node);
	}
}

static int emu_list(const struct options *opt)
{
	char **names;
	int i, n = entries(ROOT, &names);

	if (n < 0)
		return no_device("");
	if (opt->json) {
		json_open(NULL, '{');
		json_open("devices", '[');
	}
	for (i = 0; i < n; i++)
		list_one(names[i], opt->json);
	if (opt->json)
		json_close();
	free_entries(names, n);
	return EXIT_OK;
}

/* The attributes of a directory that say something. */
static void show_directory(const char *name, const char *directory, bool json)
{
	char path[PATH_SIZE], value[VALUE_SIZE];
	char **names;
	int i, n;

	make_path(path, name, directory, "");
	n = entries(path, &names);
	for (i = 0; i < n; i++) {
		if (!get(name, directory, names[i], value))
			continue;
		if (json)
			json_string(names[i], value);
		else
			printf("%s%s%-20s %s\n", directory, *directory ? " " : "", names[i], value);
	}
	if (n >= 0)
		free_entries(names, n);
}

static int emu_show(const struct options *opt)
{
	const char *name = opt->args[1];

	if (opt->json) {
		json_open(NULL, '{');
		json_string("name", name);
	}
	show_directory(name, "", opt->json);
	if (opt->json)
		json_open("faults", '{');
	show_directory(name, "faults", opt->json);
	if (opt->json)
		json_close();
	return EXIT_OK;
}

/* ---- create, enable, disable, remove, fault -------------------------------------- */

static int set_keys(const struct options *opt)
{
	int i, code;
	char *value;

	for (i = 2; i < opt->nargs; i++) {
		value = strchr(opt->args[i], '=');
		if (!value || value == opt->args[i])
			return fail(EXIT_USAGE, "'%s' is not key=value", opt->args[i]);
		*value++ = '\0';
		if (!is_name(opt->args[i]))
			return fail(EXIT_USAGE, "'%s' is no key", opt->args[i]);
		code = put(opt->args[1], "", opt->args[i], value);
		if (code)
			return code;
	}
	return EXIT_OK;
}

/* All or nothing. */
static int emu_create(const struct options *opt)
{
	const char *name = opt->args[1];
	char path[PATH_SIZE];
	int code;

	if (!is_name(name))
		return fail(EXIT_USAGE, "'%s' cannot be the name of a device", name);
	make_path(path, name, "", "");
	if (mkdir(path, 0755)) {
		if (errno == ENOENT || errno == EPERM)
			return access(ROOT, F_OK) ? no_device(name) :
			       fail(code_of(errno), "%s: %s", path, strerror(errno));
		return fail(code_of(errno), "%s: %s", path, strerror(errno));
	}
	code = set_keys(opt);
	if (code)
		rmdir(path);
	return code;
}

static int emu_enable(const struct options *opt)
{
	char device[VALUE_SIZE], node[64] = "";
	int code = put(opt->args[1], "", "enabled", "1");

	if (code || opt->json)
		return code;
	/* Without a driver it has none. */
	if (get(opt->args[1], "", "device", device))
		find_node(device, node, sizeof(node));
	if (*node)
		puts(node);
	return EXIT_OK;
}

static int emu_disable(const struct options *opt)
{
	return put(opt->args[1], "", "enabled", "0");
}

static int emu_remove(const struct options *opt)
{
	char path[PATH_SIZE];

	make_path(path, opt->args[1], "", "");
	if (rmdir(path))
		return fail(code_of(errno), "%s: %s", path, strerror(errno));
	return EXIT_OK;
}

static int emu_fault(const struct options *opt)
{
	char value[VALUE_SIZE] = "";
	size_t used = 0;
	int i;

	if (!is_name(opt->args[2]))
		return fail(EXIT_USAGE, "'%s' is no fault", opt->args[2]);
	for (i = 3; i < opt->nargs; i++) {
		used += (size_t)snprintf(value + used, sizeof(value) - used, "%s%s",
					 i > 3 ? " " : "", opt->args[i]);
		if (used >= sizeof(value))
			return fail(EXIT_USAGE, "that is too long for a fault");
	}
	return put(opt->args[1], "faults", opt->args[2], value);
}

/* ---- The command ----------------------------------------------------------------- */

static const struct {
	const char *name;
	int least;	/* arguments, itself included */
	int most;
	bool exists;	/* the second one is a device that is there */
	int (*run)(const struct options *opt);
} commands[] = {
	{ "list", 1, 1, false, emu_list },
	{ "show", 2, 2, true, emu_show },
	{ "create", 2, 64, false, emu_create },
	{ "enable", 2, 2, true, emu_enable },
	{ "disable", 2, 2, true, emu_disable },
	{ "remove", 2, 2, true, emu_remove },
	{ "fault", 4, 6, true, emu_fault },
};

int cmd_emu(const struct options *opt)
{
	const char *what = opt->nargs ? opt->args[0] : "";
	unsigned int i;
	int code;

	if (opt->socket)
		return cmd_emu_socket(opt);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(what, commands[i].name))
			continue;
		if (opt->nargs < commands[i].least || opt->nargs > commands[i].most)
			return fail(EXIT_USAGE, "emu %s: too few or too many arguments", what);
		code = commands[i].exists ? find(opt->args[1]) : EXIT_OK;
		return code ? code : commands[i].run(opt);
	}
	return fail(EXIT_USAGE, "emu has no command '%s'; see 'npuctl --help'", what);
}

// SPDX-License-Identifier: MIT
/* npuctl emu --socket: a device that is a process (npu-emu), see emu/pci/control.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "npuctl.h"

#define ANSWER_SIZE	1024

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 10 };
	int fd, n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s.control", path);

	if (n < 0 || (size_t)n >= sizeof(addr.sun_path)) {
		fail(EXIT_USAGE, "%s: the path is too long for a socket", path);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		fd = -1;
	}
	if (fd < 0) {
		fail(errno == EACCES ? EXIT_PERMISSION : EXIT_NO_DEVICE, "%s: %s; is npu-emu there?",
		     addr.sun_path, strerror(errno));
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* The answer to a line, to be freed without its end of line; NULL after a message. */
static char *ask(const char *path, const char *line)
{
	char *answer = calloc(1, ANSWER_SIZE);
	int fd = answer ? connect_to(path) : -1;
	ssize_t n = -1;

	if (fd >= 0) {
		n = send(fd, line, strlen(line), MSG_NOSIGNAL);
		if (n > 0)
			n = recv(fd, answer, ANSWER_SIZE - 1, 0);
		if (n <= 0)
			fail(EXIT_RUN, "%s: no answer to '%s'", path, line);
		close(fd);
	}
	if (n <= 0) {
		free(answer);
		return NULL;
	}
	answer[strcspn(answer, "\n")] = '\0';
	return answer;
}

/* What npu-emu refuses, as an exit code. */
static int refused(const char *line, const char *answer)
{
	const char *why = answer + strlen("error: ");

	if (!strcmp(why, "no such fault") || !strcmp(why, "no such command"))
		return fail(EXIT_USAGE, "%s: %s", line, why);
	if (!strcmp(why, "out of range") || !strcmp(why, "the device is there"))
		return fail(EXIT_INPUT, "%s: %s", line, why);
	return fail(EXIT_NO_DEVICE, "%s: %s", line, why);
}

static bool is_error(const char *answer)
{
	return !strncmp(answer, "error: ", 7);
}

static int order(const struct options *opt, const char *line)
{
	char *answer = ask(opt->socket, line);
	int code;

	if (!answer)
		return EXIT_NO_DEVICE;
	code = is_error(answer) ? refused(line, answer) : EXIT_OK;
	free(answer);
	return code;
}

static int socket_order(const struct options *opt)
{
	return order(opt, opt->args[0]);
}

static int socket_fault(const struct options *opt)
{
	char line[200];

	if (snprintf(line, sizeof(line), "fault %s %s", opt->args[1], opt->args[2]) >=
	    (int)sizeof(line))
		return fail(EXIT_USAGE, "that is too long for a fault");
	return order(opt, line);
}

static int show_value(const struct options *opt, const char *line, const char *key)
{
	char *value = ask(opt->socket, line);
	int code = EXIT_OK;

	if (!value)
		return EXIT_NO_DEVICE;
	if (is_error(value))
		code = refused(line, value);
	else if (opt->json)
		json_string(key, value);
	else
		printf("%s%-20s %s\n", strcmp(line, key) ? "faults " : "", key, value);
	free(value);
	return code;
}

static int show_faults(const struct options *opt, char *names)
{
	char line[64], *next, *name;
	int code = EXIT_OK;

	for (name = strtok_r(names, " ", &next); name && !code;
	     name = strtok_r(NULL, " ", &next)) {
		snprintf(line, sizeof(line), "fault %.48s", name);
		code = show_value(opt, line, name);
	}
	return code;
}

static int socket_show(const struct options *opt)
{
	char *names;
	int code;

	if (opt->json)
		json_open(NULL, '{');
	code = show_value(opt, "bus_errors", "bus_errors");
	if (code)
		return code;
	names = ask(opt->socket, "faults");
	if (!names)
		return EXIT_NO_DEVICE;
	if (opt->json)
		json_open("faults", '{');
	code = is_error(names) ? refused("faults", names) : show_faults(opt, names);
	free(names);
	if (opt->json)
		json_close();
	return code;
}

int cmd_emu_socket(const struct options *opt)
{
	static const struct {
		const char *name;
		int nargs;
		int (*run)(const struct options *opt);
	} commands[] = {
		{ "show", 1, socket_show }, { "fault", 3, socket_fault },
		{ "kill", 1, socket_order }, { "restart", 1, socket_order },
	};
	const char *what = opt->nargs ? opt->args[0] : "";
	unsigned int i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(what, commands[i].name))
			continue;
		if (opt->nargs != commands[i].nargs)
			return fail(EXIT_USAGE, "emu --socket %s: too few or too many arguments",
				    what);
		return commands[i].run(opt);
	}
	return fail(EXIT_USAGE, "emu --socket has no command '%s'; see 'npuctl --help'", what);
}

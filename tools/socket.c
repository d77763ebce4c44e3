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

/* A connection, or minus the exit code after a message. */
static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 10 };
	int fd, n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s.control", path);

	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return -fail(EXIT_USAGE, "%s: the path is too long for a socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		return -fail(errno == EACCES ? EXIT_PERMISSION : EXIT_NO_DEVICE,
			     "%s: %s; is npu-emu there?", addr.sun_path, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* The answer to a line, without its end; an exit code. */
static int ask(const char *path, const char *line, char answer[ANSWER_SIZE])
{
	int fd = connect_to(path);
	ssize_t n;

	if (fd < 0)
		return -fd;
	n = send(fd, line, strlen(line), MSG_NOSIGNAL);
	if (n > 0)
		n = recv(fd, answer, ANSWER_SIZE - 1, 0);
	close(fd);
	if (n <= 0)
		return fail(EXIT_RUN, "%s: no answer to '%s'", path, line);
	answer[n] = '\0';
	answer[strcspn(answer, "\n")] = '\0';
	return EXIT_OK;
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
	char answer[ANSWER_SIZE];
	int code = ask(opt->socket, line, answer);

	return !code && is_error(answer) ? refused(line, answer) : code;
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
	char value[ANSWER_SIZE];
	int code = ask(opt->socket, line, value);

	if (code)
		return code;
	if (is_error(value))
		return refused(line, value);
	if (opt->json)
		json_string(key, value);
	else
		printf("%s%-20s %s\n", strcmp(line, key) ? "faults " : "", key, value);
	return EXIT_OK;
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
	char names[ANSWER_SIZE];
	int code;

	if (opt->json)
		json_open(NULL, '{');
	code = show_value(opt, "bus_errors", "bus_errors");
	if (!code)
		code = ask(opt->socket, "faults", names);
	if (code)
		return code;
	if (is_error(names))
		return refused("faults", names);
	if (opt->json)
		json_open("faults", '{');
	code = show_faults(opt, names);
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

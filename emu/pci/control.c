// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control.h"

static const struct {
	const char *name;
	enum npu_inject what;
} faults[] = {
	{ "hang", NPU_INJECT_HANG },
	{ "corrupt", NPU_INJECT_CORRUPT },
	{ "memory", NPU_INJECT_MEMORY },
	{ "walk", NPU_INJECT_WALK },
	{ "status", NPU_INJECT_STATUS },
	{ "event", NPU_INJECT_EVENT },
	{ "overflow", NPU_INJECT_OVERFLOW },
	{ "deaf", NPU_INJECT_DEAF },
	{ "clock_khz", NPU_INJECT_CLOCK },
	{ "latency_us", NPU_INJECT_LATENCY },
	{ "memory_limit", NPU_INJECT_LIMIT },
	{ "disappear", NPU_INJECT_GONE },
};

static const char *inject(struct npu_model *model, const char *name, unsigned long long arg)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (!strcmp(faults[i].name, name))
			return npu_model_inject(model, faults[i].what, arg) ? "ok" :
			       "error: out of range";
	}
	return "error: no such fault";
}

void control_line(struct npu_model *model, const char *line, char *answer, size_t size)
{
	unsigned long long arg;
	char name[32], rest;

	if (sscanf(line, "fault %31s %llu %c", name, &arg, &rest) == 2)
		snprintf(answer, size, "%s\n", inject(model, name, arg));
	else if (!strcmp(line, "bus_errors"))
		snprintf(answer, size, "%llu\n",
			 (unsigned long long)npu_model_bus_errors(model));
	else
		snprintf(answer, size, "error: no such command\n");
}

struct control {
	struct npu_model *model;
	int socket;
};

static void *control_thread(void *arg)
{
	struct control c = *(struct control *)arg;
	char line[256], answer[1024];
	ssize_t n;

	free(arg);
	while ((n = recv(c.socket, line, sizeof(line) - 1, 0)) > 0) {
		line[n] = 0;
		control_line(c.model, line, answer, sizeof(answer));
		if (send(c.socket, answer, strlen(answer), MSG_NOSIGNAL) < 0)
			break;
	}
	return NULL;
}

bool control_start(struct npu_model *model, int socket)
{
	struct control *c = malloc(sizeof(*c));
	pthread_t thread;

	if (!c)
		return false;
	*c = (struct control){ model, socket };
	if (pthread_create(&thread, NULL, control_thread, c)) {
		free(c);
		return false;
	}
	pthread_detach(thread);
	return true;
}

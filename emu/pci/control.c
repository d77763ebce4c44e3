// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control.h"

/* Behind the faults of the model come those of interrupts. */
#define IRQ_FAULT(fault)	((unsigned int)NPU_INJECT_KINDS + (fault))

static const struct {
	const char *name;
	unsigned int what;
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
	{ "irq_lost", IRQ_FAULT(NPU_PCI_IRQ_LOST) },
	{ "irq_double", IRQ_FAULT(NPU_PCI_IRQ_DOUBLE) },
	{ "irq_spurious", IRQ_FAULT(NPU_PCI_IRQ_SPURIOUS) },
};

static bool is_irq_fault(unsigned int what)
{
	return what >= NPU_INJECT_KINDS;
}

/* Of those that are counted there may be no end. */
static bool is_counted(unsigned int what)
{
	return what <= NPU_INJECT_OVERFLOW;
}

static bool parse_value(unsigned int what, const char *text, u64 *value)
{
	char *end;

	if (is_counted(what) && !strcmp(text, "all")) {
		*value = NPU_INJECT_EACH;
		return true;
	}
	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && *text != '-' && end != text && !*end;
}

static bool fault_set(struct npu_pci *npu, unsigned int what, const char *text)
{
	u64 value;

	if (!parse_value(what, text, &value))
		return false;
	if (is_irq_fault(what))
		return npu_pci_set_irq_fault(npu, what - NPU_INJECT_KINDS, value);
	return npu_pci_inject(npu, (enum npu_inject)what, value);
}

static void fault_get(struct npu_pci *npu, unsigned int what, char *answer, size_t size)
{
	u64 value = is_irq_fault(what) ? npu_pci_get_irq_fault(npu, what - NPU_INJECT_KINDS) :
		    npu_model_injected(npu_pci_model(npu), (enum npu_inject)what);

	if (is_counted(what) && value == NPU_INJECT_EACH)
		snprintf(answer, size, "all\n");
	else
		snprintf(answer, size, "%llu\n", (unsigned long long)value);
}

/* @value: NULL asks. */
static void control_fault(struct npu_pci *npu, const char *name, const char *value, char *answer,
			  size_t size)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(faults) && strcmp(faults[i].name, name); i++)
		;
	if (i == ARRAY_SIZE(faults))
		snprintf(answer, size, "error: no such fault\n");
	else if (!value)
		fault_get(npu, faults[i].what, answer, size);
	else
		snprintf(answer, size, "%s\n", fault_set(npu, faults[i].what, value) ? "ok" :
			 "error: out of range");
}

static void control_names(char *answer, size_t size)
{
	size_t i, used = 0;

	for (i = 0; i < ARRAY_SIZE(faults) && used < size; i++)
		used += (size_t)snprintf(answer + used, size - used, "%s%s", faults[i].name,
					 i + 1 < ARRAY_SIZE(faults) ? " " : "\n");
}

void control_line(struct npu_pci *npu, const char *line, char *answer, size_t size)
{
	char name[32], value[32], rest;
	int n = sscanf(line, "fault%*[ ]%31s %31s %c", name, value, &rest);

	if (n == 1 || n == 2)
		control_fault(npu, name, n == 2 ? value : NULL, answer, size);
	else if (!strcmp(line, "faults"))
		control_names(answer, size);
	else if (!strcmp(line, "bus_errors"))
		snprintf(answer, size, "%llu\n",
			 (unsigned long long)npu_model_bus_errors(npu_pci_model(npu)));
	else
		snprintf(answer, size, "error: no such command\n");
}

struct control {
	struct npu_pci *npu;
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
		control_line(c.npu, line, answer, sizeof(answer));
		if (send(c.socket, answer, strlen(answer), MSG_NOSIGNAL) < 0)
			break;
	}
	return NULL;
}

bool control_start(struct npu_pci *npu, int socket)
{
	struct control *c = malloc(sizeof(*c));
	pthread_t thread;

	if (!c)
		return false;
	*c = (struct control){ npu, socket };
	if (pthread_create(&thread, NULL, control_thread, c)) {
		free(c);
		return false;
	}
	pthread_detach(thread);
	return true;
}

// SPDX-License-Identifier: MIT
/* npu-emu: the NPU as a PCI device in a process of its own, see emu/pci.rst. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "supervisor.h"

enum log_level log_level = LOG_ERROR;

void log_text(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > log_level)
		return;
	flockfile(stderr);
	fputs("npu-emu: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	funlockfile(stderr);
}

static const char usage[] =
	"usage: npu-emu --socket PATH [option...]\n"
	"An emulated NPU for QEMU: -device '{\"driver\":\"vfio-user-pci\",\n"
	"\"socket\":{\"type\":\"unix\",\"path\":\"PATH\"}}', with shared guest memory.\n"
	"\n"
	"  --socket PATH       where QEMU connects; PATH.control takes commands\n"
	"  --cores N           compute cores (2)\n"
	"  --queues N          hardware slots of queues (64)\n"
	"  --irq msix|msi      kind of interrupts (msix); MSI survives hot unplug in QEMU\n"
	"  --restart           replace a worker that dies\n"
	"  --log LEVEL         error, info or debug (error)\n";

static void die(const char *why, const char *what)
{
	fprintf(stderr, "npu-emu: %s%s%s\n%s", why, what ? ": " : "", what ? what : "", usage);
	exit(2);
}

static unsigned int number(const char *text, const char *option, unsigned int max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 0);

	if (*end || !n || n > max)
		die("out of range", option);
	return (unsigned int)n;
}

static int choice(const char *text, const char *const *names, const char *option)
{
	int i;

	for (i = 0; names[i]; i++) {
		if (!strcmp(names[i], text))
			return i;
	}
	die("unknown value", option);
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const levels[] = { "error", "info", "debug", NULL };
	static const char *const irqs[] = { "msix", "msi", NULL };
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "cores", required_argument, NULL, 'c' },
		{ "queues", required_argument, NULL, 'q' },
		{ "irq", required_argument, NULL, 'i' },
		{ "restart", no_argument, NULL, 'r' },
		{ "log", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	struct supervisor_options o = { .device.config = NPU_MODEL_CONFIG_DEFAULT };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 's':
			o.path = optarg;
			break;
		case 'c':
			o.device.config.cores = number(optarg, "--cores", NPU_MAX_CORES);
			break;
		case 'q':
			o.device.config.slots = number(optarg, "--queues", NPU_MAX_SLOTS);
			break;
		case 'i':
			o.device.msi = choice(optarg, irqs, "--irq");
			break;
		case 'r':
			o.restart = true;
			break;
		case 'l':
			log_level = (enum log_level)choice(optarg, levels, "--log");
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			die("bad arguments", NULL);
		}
	}
	if (optind < argc || !o.path)
		die("bad arguments", NULL);
	return supervisor_run(&o);
}

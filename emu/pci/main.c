// SPDX-License-Identifier: MIT
/* npu-emu: the NPU as a PCI device in a process of its own, see Documentation/pci.rst. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "npu_kernels.h"
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
	"  --vectors N         interrupt vectors, 1 or 2 (2)\n"
	"  --bus-bits N        width of its bus addresses, 32 to 52 (48)\n"
	"  --macs-order N      log2 of the most MACs in a command, 20 to 40 (34)\n"
	"  --bytes-order N     log2 of the most bytes in a command, 20 to 40 (32)\n"
	"  --reset-ms N        bound of a reset, milliseconds (500)\n"
	"  --memory-limit SIZE bus address from which on no memory answers\n"
	"  --irq msix|msi      kind of interrupts (msix); MSI survives hot unplug in QEMU\n"
	"  --kernels NAME      inner loops: portable, avx2, avx512, neon (the best)\n"
	"  --trace FILE        record what the model does, for 'npuctl trace'\n"
	"  --restart           replace a worker that dies\n"
	"  --log LEVEL         error, info or debug (error)\n";

static void die(const char *why, const char *what)
{
	fprintf(stderr, "npu-emu: %s%s%s\n%s", why, what ? ": " : "", what ? what : "", usage);
	exit(2);
}

static unsigned long long number(const char *text, const char *option, unsigned long long max)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (*end || errno || *text == '-' || !n || n > max)
		die("out of range", option);
	return n;
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

enum { SOCKET = 1, IRQ, LIMIT, KERNELS, TRACE, RESTART, LEVEL, HELP, SIZES };

int main(int argc, char **argv)
{
	static const char *const levels[] = { "error", "info", "debug", NULL };
	static const char *const irqs[] = { "msix", "msi", NULL };
	static struct supervisor_options o = { .device.config = NPU_MODEL_CONFIG_DEFAULT };
	/* Which of them fit together, the model knows. */
	static u32 *const sizes[] = {
		&o.device.config.cores, &o.device.config.slots, &o.device.config.irqs,
		&o.device.config.macs_max_order, &o.device.config.bytes_max_order,
		&o.device.config.reset_ms, &o.device.config.bus_bits,
	};
	static const struct option options[] = {
		{ "cores", required_argument, NULL, SIZES },
		{ "queues", required_argument, NULL, SIZES + 1 },
		{ "vectors", required_argument, NULL, SIZES + 2 },
		{ "macs-order", required_argument, NULL, SIZES + 3 },
		{ "bytes-order", required_argument, NULL, SIZES + 4 },
		{ "reset-ms", required_argument, NULL, SIZES + 5 },
		{ "bus-bits", required_argument, NULL, SIZES + 6 },
		{ "socket", required_argument, NULL, SOCKET },
		{ "irq", required_argument, NULL, IRQ },
		{ "memory-limit", required_argument, NULL, LIMIT },
		{ "kernels", required_argument, NULL, KERNELS },
		{ "trace", required_argument, NULL, TRACE },
		{ "restart", no_argument, NULL, RESTART },
		{ "log", required_argument, NULL, LEVEL },
		{ "help", no_argument, NULL, HELP },
		{ 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case SOCKET:
			o.path = optarg;
			break;
		case IRQ:
			o.device.msi = choice(optarg, irqs, "--irq");
			break;
		case LIMIT:
			o.device.memory_limit = number(optarg, "--memory-limit", 1ull << 48);
			break;
		case KERNELS:
			o.device.kernels = npu_kernels_find(optarg);
			if (!o.device.kernels)
				die("this processor has no such inner loops", optarg);
			break;
		case TRACE:
			o.device.trace = fopen(optarg, "we");
			if (!o.device.trace)
				die(strerror(errno), optarg);
			break;
		case RESTART:
			o.restart = true;
			break;
		case LEVEL:
			log_level = (enum log_level)choice(optarg, levels, "--log");
			break;
		case HELP:
			fputs(usage, stdout);
			return 0;
		case '?':
			die("bad arguments", NULL);
			break;
		default:
			c -= SIZES;
			*sizes[c] = (u32)number(optarg, options[c].name, UINT32_MAX);
			break;
		}
	}
	if (optind < argc || !o.path)
		die("bad arguments", NULL);
	if (!npu_model_size(&o.device.config))
		die("there is no NPU of this size", NULL);
	return supervisor_run(&o);
}

// SPDX-License-Identifier: MIT
/* npuctl: the NPU from the command line. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "npuctl.h"

static void usage(FILE *out)
{
	fputs("npuctl - the NPU from the command line\n"
	      "\n"
	      "npuctl [OPTION...] list\n"
	      "	devices, their drivers and capabilities\n"
	      "npuctl [OPTION...] info\n"
	      "	one device: capabilities, power, temperature, memory\n"
	      "npuctl [OPTION...] top\n"
	      "	which processes use the devices, again and again\n"
	      "npuctl [OPTION...] run MODEL INPUT...\n"
	      "	run a TensorFlow Lite model on images (PGM, PPM) or raw tensors\n"
	      "npuctl [OPTION...] run --batch FILE MODEL\n"
	      "	run a model on each image of a raw file\n"
	      "npuctl [OPTION...] sim MODEL INPUT...\n"
	      "npuctl [OPTION...] sim --batch FILE MODEL\n"
	      "	the same on the device model, in this process: needs no device\n"
	      "npuctl [OPTION...] compile MODEL -o FILE\n"
	      "	compile a model once, into a file that run, sim and dis take in its place\n"
	      "npuctl [OPTION...] dis FILE\n"
	      "	compile a model and show its commands; needs no device\n"
	      "npuctl [OPTION...] coredump [FILE]\n"
	      "	show what the driver has written down of a hang, fault, reset or loss\n"
	      "	(default: the newest of /sys/class/devcoredump)\n"
	      "npuctl [OPTION...] emu list\n"
	      "npuctl [OPTION...] emu show|enable|disable|remove NAME\n"
	      "npuctl [OPTION...] emu create NAME [KEY=VALUE...]\n"
	      "npuctl [OPTION...] emu fault NAME KIND VALUE...\n"
	      "	emulated devices of npu_emu.ko; keys and kinds are those that show has\n"
	      "npuctl [OPTION...] emu --socket PATH show|kill|restart\n"
	      "npuctl [OPTION...] emu --socket PATH fault KIND VALUE\n"
	      "	the device of the npu-emu that listens at PATH\n"
	      "npuctl [OPTION...] trace FILE\n"
	      "	show what npu-emu --trace or sim --trace has recorded\n"
	      "\n"
	      "  -d, --device DEV      index or path (default: $NPU_DEVICE, else the first)\n"
	      "  -j, --json            machine-readable output\n"
	      "  -h, --help            this text\n"
	      "      --version         version\n"
	      "top:\n"
	      "  -1, --once            one table, and end\n"
	      "  -i, --interval SEC    time between tables, and that shares are of (default 1)\n"
	      "run, sim:\n"
	      "  -r, --repeat N        run each input N times, show times\n"
	      "  -p, --profile         counters of each operator, of the last run\n"
	      "  -c, --check           run: compare all outputs with those of the device model\n"
	      "  -t, --top N           show the N best classes (default 3)\n"
	      "  -l, --labels FILE     names of the classes, one per line\n"
	      "  -o, --raw FILE        write raw outputs, one after another; - is stdout\n"
	      "  -b, --batch FILE      raw inputs, one after another\n"
	      "  -e, --expect FILE     with --batch: right classes, one per line; shows accuracy\n"
	      "      --priority LEVEL  run: low, normal, high or realtime\n"
	      "      --trace FILE      sim: record what the device model does\n"
	      "compile, run, sim, dis:\n"
	      "      --numerics WHOSE  results as tflm or tflite has them (default tflm)\n"
	      "      --batch-size N    inputs per run, of a model that leaves that open or has 1\n"
	      "      --signature KEY   which signature of the model (default: the first subgraph)\n"
	      "compile:\n"
	      "  -o, --output FILE     where to\n"
	      "  -p, --profile         with the time stamps of a profile\n"
	      "      --macs-order N    for a device of at most 2^N MACs per command (default 34)\n"
	      "      --bytes-order N   and 2^N bytes (default 32)\n"
	      "trace:\n"
	      "      --only KIND,...   lines of these kinds; see npuctl(1)\n"
	      "      --slot N          lines that tell of this slot\n"
	      "      --from US         lines from this time on, microseconds\n"
	      "      --to US           lines until then\n"
	      "      --replay          do it again with a new device model, and compare\n"
	      "dis:\n"
	      "  -s, --stream          FILE is a bare command stream\n"
	      "  -p, --profile         with the time stamps of a profile\n"
	      "\n"
	      "Exit codes: 0 good, 1 run failed, 2 usage, 3 no device, 4 no permission,\n"
	      "5 model or dump damaged or not supported, 6 input or value does not fit, or does\n"
	      "not exist.\n", out);
}

static char error[512];	/* what fail() has said last */

int fail(enum exit_code code, const char *fmt, ...)
{
	va_list args;
	char *p;

	va_start(args, fmt);
	vsnprintf(error, sizeof(error), fmt, args);
	va_end(args);
	/* One line, whatever the names of files are. */
	for (p = error; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	fprintf(stderr, "npuctl: %s\n", error);
	return code;
}

int open_device(const struct options *opt, struct npu_device **dev)
{
	struct npu_error err;
	int ret = npu_device_open(opt->device, dev, &err);

	if (!ret)
		return EXIT_OK;
	return fail(ret == -ENODEV ? EXIT_NO_DEVICE : ret == -EACCES ? EXIT_PERMISSION : EXIT_RUN,
		    "%s", err.text);
}

static bool parse_number(const char *text, unsigned long *value)
{
	char *end;

	errno = 0;
	*value = strtoul(text, &end, 10);
	return !errno && *text >= '0' && *text <= '9' && !*end && *value;
}

static bool parse_seconds(const char *text, unsigned long *ms)
{
	char *end;
	double s;

	errno = 0;
	s = strtod(text, &end);
	if (errno || *end || end == text || !(s >= 0.01 && s <= 3600))
		return false;
	*ms = (unsigned long)(s * 1000);
	return true;
}

static bool parse_us(const char *text, uint64_t *ns)
{
	char *end;
	double us;

	errno = 0;
	us = strtod(text, &end);
	if (errno || *end || end == text || !(us >= 0 && us < 1e15))
		return false;
	*ns = (uint64_t)(us * 1000 + 0.5);
	return true;
}

static bool parse_slot(const char *text, int *slot)
{
	unsigned long n = 0;

	if (strcmp(text, "0") && !parse_number(text, &n))
		return false;
	*slot = (int)n;
	return n < 256;
}

static bool parse_priority(const char *text, enum drm_npu_priority *priority)
{
	static const char * const names[] = { "low", "normal", "high", "realtime" };
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (!strcmp(text, names[i])) {
			*priority = i;
			return true;
		}
	}
	return false;
}

static bool parse_order(const char *text, unsigned long *order)
{
	return parse_number(text, order) && *order < 64;
}

static bool parse_numerics(const char *text, uint32_t *numerics)
{
	*numerics = strcmp(text, "tflite") ? NPU_NUMERICS_TFLM : NPU_NUMERICS_TFLITE;
	return *numerics || !strcmp(text, "tflm");
}

struct npu_compile_options compile_options(const struct options *opt)
{
	return (struct npu_compile_options) {
		.flags = opt->profile ? NPU_COMPILE_PROFILE : 0,
		.numerics = opt->numerics,
		.batch = (uint32_t)opt->batch_size,
		.signature = opt->signature,
		.macs_max_order = (uint32_t)opt->macs_order,
		.bytes_max_order = (uint32_t)opt->bytes_order,
	};
}

static int run_command(int argc, char **argv, struct options *opt)
{
	static const struct option longs[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "repeat", required_argument, NULL, 'r' },
		{ "profile", no_argument, NULL, 'p' },
		{ "top", required_argument, NULL, 't' },
		{ "labels", required_argument, NULL, 'l' },
		{ "raw", required_argument, NULL, 'o' },
		{ "output", required_argument, NULL, 'o' },
		{ "check", no_argument, NULL, 'c' },
		{ "numerics", required_argument, NULL, 'N' },
		{ "batch-size", required_argument, NULL, 'B' },
		{ "signature", required_argument, NULL, 'G' },
		{ "macs-order", required_argument, NULL, 'M' },
		{ "bytes-order", required_argument, NULL, 'Y' },
		{ "batch", required_argument, NULL, 'b' },
		{ "expect", required_argument, NULL, 'e' },
		{ "priority", required_argument, NULL, 'P' },
		{ "stream", no_argument, NULL, 's' },
		{ "once", no_argument, NULL, '1' },
		{ "socket", required_argument, NULL, 'S' },
		{ "interval", required_argument, NULL, 'i' },
		{ "trace", required_argument, NULL, 'T' },
		{ "only", required_argument, NULL, 'O' },
		{ "slot", required_argument, NULL, 'L' },
		{ "from", required_argument, NULL, 'F' },
		{ "to", required_argument, NULL, 'U' },
		{ "replay", no_argument, NULL, 'R' },
		{ 0 }
	};
	static const struct {
		const char *name;
		int (*run)(const struct options *opt);
	} commands[] = {
		{ "list", cmd_list }, { "info", cmd_info }, { "top", cmd_top },
		{ "run", cmd_run }, { "compile", cmd_compile }, { "dis", cmd_dis },
		{ "coredump", cmd_coredump }, { "emu", cmd_emu }, { "sim", cmd_sim },
		{ "trace", cmd_trace },
	};
	unsigned int i;
	int c;

	while ((c = getopt_long(argc, argv, "d:jhr:pct:l:o:b:e:s1i:", longs, NULL)) != -1) {
		switch (c) {
		case 'd':
			opt->device = optarg;
			break;
		case 'j':
			opt->json = true;
			break;
		case 'h':
			usage(stdout);
			opt->json = false;
			return EXIT_OK;
		case 'V':
			puts("npuctl " NPU_VERSION_STRING);
			opt->json = false;
			return EXIT_OK;
		case 'r':
			if (!parse_number(optarg, &opt->repeat))
				return fail(EXIT_USAGE, "--repeat: '%s' is no number", optarg);
			break;
		case 'p':
			opt->profile = true;
			break;
		case 'c':
			opt->check = true;
			break;
		case 'N':
			if (!parse_numerics(optarg, &opt->numerics))
				return fail(EXIT_USAGE, "--numerics: '%s' is not tflm or tflite",
					    optarg);
			break;
		case 'B':
			if (!parse_number(optarg, &opt->batch_size) ||
			    opt->batch_size > INT32_MAX)
				return fail(EXIT_USAGE, "--batch-size: '%s' is no number", optarg);
			break;
		case 'G':
			opt->signature = optarg;
			break;
		case 'M':
			if (!parse_order(optarg, &opt->macs_order))
				return fail(EXIT_USAGE, "--macs-order: '%s' is not 1 to 63",
					    optarg);
			break;
		case 'Y':
			if (!parse_order(optarg, &opt->bytes_order))
				return fail(EXIT_USAGE, "--bytes-order: '%s' is not 1 to 63",
					    optarg);
			break;
		case 't':
			if (!parse_number(optarg, &opt->top))
				return fail(EXIT_USAGE, "--top: '%s' is no number", optarg);
			break;
		case 'l':
			opt->labels = optarg;
			break;
		case 'o':
			opt->raw = optarg;
			opt->output = optarg;
			break;
		case 'b':
			opt->batch = optarg;
			break;
		case 'e':
			opt->expect = optarg;
			break;
		case 'P':
			if (!parse_priority(optarg, &opt->priority))
				return fail(EXIT_USAGE,
					    "--priority: '%s' is not low, normal, high or realtime",
					    optarg);
			break;
		case 's':
			opt->stream = true;
			break;
		case 'S':
			opt->socket = optarg;
			break;
		case 'T':
			opt->trace = optarg;
			break;
		case 'O':
			opt->only = optarg;
			break;
		case 'L':
			if (!parse_slot(optarg, &opt->slot))
				return fail(EXIT_USAGE, "--slot: '%s' is no slot", optarg);
			break;
		case 'F':
			if (!parse_us(optarg, &opt->from))
				return fail(EXIT_USAGE, "--from: '%s' is no time", optarg);
			break;
		case 'U':
			if (!parse_us(optarg, &opt->to))
				return fail(EXIT_USAGE, "--to: '%s' is no time", optarg);
			break;
		case 'R':
			opt->replay = true;
			break;
		case '1':
			opt->once = true;
			break;
		case 'i':
			if (!parse_seconds(optarg, &opt->interval_ms))
				return fail(EXIT_USAGE,
					    "--interval: '%s' is not between 0.01 and 3600",
					    optarg);
			break;
		default:
			return fail(EXIT_USAGE, "see 'npuctl --help'");
		}
	}
	if (optind == argc) {
		usage(stderr);
		return fail(EXIT_USAGE, "there is no command");
	}
	opt->args = argv + optind + 1;
	opt->nargs = argc - optind - 1;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(argv[optind], commands[i].name))
			return commands[i].run(opt);
	}
	return fail(EXIT_USAGE, "there is no command '%s'; see 'npuctl --help'", argv[optind]);
}

int main(int argc, char **argv)
{
	struct options opt = {
		.repeat = 1, .top = 3, .interval_ms = 1000, .priority = DRM_NPU_PRIORITY_NORMAL,
		.slot = -1, .to = UINT64_MAX,
	};
	int ret = run_command(argc, argv, &opt);

	if (opt.json)
		json_end(*error ? error : NULL);
	if ((fflush(stdout) || ferror(stdout)) && !ret)
		ret = fail(EXIT_RUN, "standard output: %s", strerror(errno));
	return ret;
}

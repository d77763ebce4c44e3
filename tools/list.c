// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "npuctl.h"

static const char * const features[] = {
	"mac", "pool", "eltwise", "requant", "lut", "softmax", "copy",
};

#define NFEATURES (sizeof(features) / sizeof(features[0]))

static void print_text(unsigned int index, const struct npu_device_id *id,
		       const struct drm_npu_device_info *info, const struct npu_error *err)
{
	unsigned int i;

	printf("%u: %s, driver %s", index, id->path, id->driver[0] ? id->driver : "unknown");
	if (id->version[0] || id->version[1] || id->version[2])
		printf(" %d.%d.%d", id->version[0], id->version[1], id->version[2]);
	putchar('\n');
	if (!info) {
		printf("   %s\n", err->text);
		return;
	}
	printf("   hardware   %u.%u, commands %u.%u (", info->hw_version >> 16,
	       info->hw_version & 0xffff, info->isa_version >> 16, info->isa_version & 0xffff);
	for (i = 0; i < NFEATURES; i++)
		if (info->isa_features >> i & 1)
			printf("%s%s", i ? " " : "", features[i]);
	printf(")\n");
	printf("   cores      %u, %u MACs per cycle each, %u.%03u MHz\n", info->cores,
	       info->macs_per_cycle, info->clock_khz / 1000, info->clock_khz % 1000);
	printf("   queues     %u in hardware, %u jobs each, hang after %u ms\n", info->slots,
	       info->ring_jobs, info->hang_timeout_ms);
	printf("   addresses  %u bits, pages of", info->va_bits);
	for (i = 0; i < 64; i++) {
		if (!(info->page_sizes >> i & 1))
			continue;
		if (i < 20)
			printf(" %llu KiB", 1ull << i >> 10);
		else
			printf(" %llu MiB", 1ull << i >> 20);
	}
	printf("\n   a command  up to 2^%u MACs, 2^%u bytes\n", info->macs_max_order,
	       info->bytes_max_order);
}

static void print_json(unsigned int index, const struct npu_device_id *id,
		       const struct drm_npu_device_info *info, const struct npu_error *err)
{
	unsigned int i;

	json_number("index", "%u", index);
	json_string("path", id->path);
	json_string("driver", id->driver);
	json_number("driver_version", "\"%d.%d.%d\"", id->version[0], id->version[1],
		    id->version[2]);
	if (!info) {
		json_string("error", err->text);
		return;
	}
	json_number("hw_version", "\"%u.%u\"", info->hw_version >> 16,
		    info->hw_version & 0xffff);
	json_number("isa_version", "\"%u.%u\"", info->isa_version >> 16,
		    info->isa_version & 0xffff);
	json_open("features", '[');
	for (i = 0; i < NFEATURES; i++)
		if (info->isa_features >> i & 1)
			json_string(NULL, features[i]);
	json_close();
	json_number("cores", "%u", info->cores);
	json_number("slots", "%u", info->slots);
	json_number("ring_jobs", "%u", info->ring_jobs);
	json_number("clock_hz", "%llu", info->clock_khz * 1000ull);
	json_number("macs_per_cycle", "%u", info->macs_per_cycle);
	json_number("va_bits", "%u", info->va_bits);
	json_number("page_sizes", "%llu", (unsigned long long)info->page_sizes);
	json_number("layouts", "%u", info->layouts);
	json_number("macs_max_order", "%u", info->macs_max_order);
	json_number("bytes_max_order", "%u", info->bytes_max_order);
	json_number("hang_timeout_ms", "%u", info->hang_timeout_ms);
}

void print_device(const struct options *opt, int index, const struct npu_device_id *id,
		  const struct drm_npu_device_info *info, const struct npu_error *err)
{
	if (opt->json)
		print_json((unsigned int)index, id, info, err);
	else
		print_text((unsigned int)index, id, info, err);
}

int cmd_list(const struct options *opt)
{
	struct npu_device_id ids[64];
	struct npu_error err = { 0 };
	struct npu_device *dev;
	struct stat only, st;
	int n, i, ret, code = EXIT_OK;

	if (opt->nargs)
		return fail(EXIT_USAGE, "list takes no argument '%s'", opt->args[0]);
	if (opt->device) {
		ret = open_device(opt, &dev);
		if (ret)
			return ret;
		ret = fstat(npu_device_fd(dev), &only);
		npu_device_close(dev);
		if (ret)
			return fail(EXIT_RUN, "%s: %s", opt->device, strerror(errno));
	}
	n = npu_device_list(ids, 64);
	if (n < 0)
		return fail(EXIT_RUN, "%s", strerror(-n));
	if (n > 64)
		n = 64;
	if (opt->json) {
		json_open(NULL, '{');
		json_open("devices", '[');
	}
	for (i = 0; i < n; i++) {
		if (opt->device && (stat(ids[i].path, &st) || st.st_rdev != only.st_rdev))
			continue;
		ret = npu_device_open(ids[i].path, &dev, &err);
		if (ret)
			code = ret == -EACCES ? EXIT_PERMISSION : EXIT_RUN;
		if (opt->json)
			json_open(NULL, '{');
		print_device(opt, i, &ids[i], ret ? NULL : npu_device_info(dev), &err);
		if (opt->json)
			json_close();
		if (!ret)
			npu_device_close(dev);
	}
	if (opt->json)
		json_close();
	if (n)
		return code;
	npu_device_open(NULL, &dev, &err);
	return fail(EXIT_NO_DEVICE, "%s", err.text);
}

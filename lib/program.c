// SPDX-License-Identifier: MIT
/* Between the values that a caller has and those that a program reads and writes. */
#include "compile.h"

static void quantise(const struct npu_tensor_info *info, const float *from, void *to)
{
	int64_t min = npu_type_min(info->device_type), max = npu_type_max(info->device_type), q;
	unsigned int width = npu_type_size(info->device_type);
	uint64_t i;

	for (i = 0; i < info->device_size / width; i++) {
		q = (int64_t)quant_round(from[i] / info->scale) + info->zero_point;
		q = q < min ? min : q > max ? max : q;
		memcpy((char *)to + i * width, &q, width);
	}
}

static void dequantise(const struct npu_tensor_info *info, const void *from, float *to)
{
	bool is_signed = npu_type_min(info->device_type) < 0;
	unsigned int width = npu_type_size(info->device_type), unused = 64 - 8 * width;
	uint64_t i, bits;
	int64_t q;

	for (i = 0; i < info->device_size / width; i++) {
		bits = 0;
		memcpy(&bits, (const char *)from + i * width, width);
		q = is_signed ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
		to[i] = (float)((double)info->scale * (double)(q - info->zero_point));
	}
}

NPU_API int npu_tensor_find(const struct npu_tensor_info *tensors, unsigned int count,
			    const char *name)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (tensors[i].key && !strcmp(tensors[i].key, name))
			return (int)i;
	for (i = 0; i < count; i++)
		if (!strcmp(tensors[i].name, name))
			return (int)i;
	return -ENOENT;
}

NPU_API void npu_tensor_encode(const struct npu_tensor_info *info, const void *from, void *to)
{
	if (info->type != info->device_type)
		quantise(info, from, to);
	else
		memcpy(to, from, info->size);
}

NPU_API void npu_tensor_decode(const struct npu_tensor_info *info, const void *from, void *to)
{
	if (info->type != info->device_type)
		dequantise(info, from, to);
	else
		memcpy(to, from, info->size);
}

NPU_API int npu_program_profile(const struct npu_program_info *info, const void *data,
				struct npu_timestamp *ops, unsigned int max)
{
	const struct npu_timestamp *t = data;
	unsigned int i;

	if (!(info->flags & NPU_COMPILE_PROFILE))
		return -EINVAL;
	for (i = 0; i < info->nops && i < max; i++) {
		ops[i].time = t[i + 1].time - t[i].time;
		ops[i].cycles = t[i + 1].cycles - t[i].cycles;
		ops[i].macs = t[i + 1].macs - t[i].macs;
		ops[i].bytes = t[i + 1].bytes - t[i].bytes;
	}
	return (int)info->nops;
}

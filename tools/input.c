// SPDX-License-Identifier: MIT
/* Files that go into a model. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "npuctl.h"

#define FILE_MAX	(1ul << 31)

void *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rbe");
	size_t room = 1 << 16, got = 0, n;
	char *data = NULL, *bigger;

	if (!file) {
		fail(EXIT_INPUT, "%s: %s", path, strerror(errno));
		return NULL;
	}
	do {
		room *= 2;
		bigger = room <= FILE_MAX ? realloc(data, room + 1) : NULL;
		if (!bigger) {
			fail(EXIT_INPUT, "%s: the file is too large", path);
			goto fail;
		}
		data = bigger;
		n = fread(data + got, 1, room - got, file);
		got += n;
	} while (got == room);
	if (ferror(file)) {
		fail(EXIT_INPUT, "%s: %s", path, strerror(errno));
		goto fail;
	}
	fclose(file);
	data[got] = '\0';
	*size = got;
	return data;
fail:
	fclose(file);
	free(data);
	return NULL;
}

char **read_lines(const char *path, size_t *count)
{
	size_t size, n = 1, i;
	char *text = read_file(path, &size), **lines, *p;

	if (!text)
		return NULL;
	for (i = 0; i < size; i++)
		n += text[i] == '\n';
	lines = calloc(n + 1, sizeof(*lines));
	if (!lines) {
		free(text);
		fail(EXIT_INPUT, "%s: out of memory", path);
		return NULL;
	}
	lines[0] = text;
	for (n = 0, p = text; *p; n++) {
		lines[n] = p;
		p += strcspn(p, "\r\n");
		if (*p == '\r')
			*p++ = '\0';
		if (*p == '\n')
			*p++ = '\0';
	}
	*count = n;
	return lines;
}

/* ---- PGM and PPM ---- */

struct image {
	unsigned long width, height, channels, max;
	bool binary;
	const unsigned char *at, *end;
};

static bool next_number(struct image *im, unsigned long *value)
{
	while (im->at < im->end && (isspace(*im->at) || *im->at == '#')) {
		if (*im->at == '#')
			while (im->at < im->end && *im->at != '\n')
				im->at++;
		else
			im->at++;
	}
	if (im->at == im->end || !isdigit(*im->at))
		return false;
	for (*value = 0; im->at < im->end && isdigit(*im->at); im->at++) {
		*value = *value * 10 + (unsigned long)(*im->at - '0');
		if (*value > 1 << 20)
			return false;
	}
	return true;
}

static bool open_image(struct image *im, const unsigned char *data, size_t size)
{
	im->channels = data[1] == '3' || data[1] == '6' ? 3 : 1;
	im->binary = data[1] >= '5';
	im->at = data + 2;
	im->end = data + size;
	if (!next_number(im, &im->width) || !next_number(im, &im->height) ||
	    !next_number(im, &im->max))
		return false;
	/* One separator, then the pixels. */
	if (im->binary)
		im->at++;
	return im->width && im->height && im->max && im->max < 65536 && im->at <= im->end;
}

static bool next_pixel(struct image *im, unsigned long *value)
{
	unsigned int bytes = im->max > 255 ? 2 : 1;

	if (!im->binary)
		return next_number(im, value) && *value <= im->max;
	if ((size_t)(im->end - im->at) < bytes)
		return false;
	*value = *im->at++;
	if (bytes == 2)
		*value = *value << 8 | *im->at++;
	return *value <= im->max;
}

/* The device value of a pixel: black is the least, white the largest there is. */
static void put_pixel(const struct npu_tensor_info *info, void *data, size_t i,
		      unsigned long value, unsigned long max)
{
	double part = (double)value / (double)max;
	long q;

	if (info->device_type == NPU_TYPE_S16)
		q = lround(part * 65535) - 32768;
	else
		q = lround(part * 255) - (info->device_type == NPU_TYPE_S8 ? 128 : 0);
	if (info->type == NPU_TYPE_F32)
		((float *)data)[i] = info->scale * (float)(q - info->zero_point);
	else if (info->device_type == NPU_TYPE_S16)
		((int16_t *)data)[i] = (int16_t)q;
	else
		((uint8_t *)data)[i] = (uint8_t)q;
}

/* [1, H, W, C], [H, W, C] or [H, W] */
static void image_shape(const struct npu_tensor_info *info, unsigned long shape[3])
{
	unsigned int first = info->rank > 3 ? info->rank - 3 : 0, i;

	for (i = 0; i < 3; i++)
		shape[i] = first + i < info->rank ? info->dim[first + i] : 1;
}

static int read_image(const char *path, const unsigned char *file, size_t size,
		      const struct npu_tensor_info *info, void *data)
{
	unsigned long shape[3], value;
	struct image im = { 0 };
	size_t i, count;

	if (!open_image(&im, file, size))
		return fail(EXIT_INPUT, "%s: damaged header of a PGM or PPM image", path);
	image_shape(info, shape);
	if (shape[0] * shape[1] * shape[2] * npu_type_size(info->device_type) != info->device_size)
		return fail(EXIT_INPUT, "%s: the model takes several images at once; give a raw file",
			    path);
	if (info->device_type != NPU_TYPE_S8 && info->device_type != NPU_TYPE_U8 &&
	    info->device_type != NPU_TYPE_S16)
		return fail(EXIT_INPUT, "%s: the model's input is %s, no image; give a raw file",
			    path, npu_type_name(info->device_type));
	if (im.channels != shape[2])
		return fail(EXIT_INPUT,
			    "%s: the image has %lu channels, the model takes %lu; convert it: convert %s out.%s",
			    path, im.channels, shape[2], path, shape[2] == 3 ? "ppm" : "pgm");
	if (im.height != shape[0] || im.width != shape[1])
		return fail(EXIT_INPUT,
			    "%s: the image is %lux%lu, the model takes %lux%lu; scale it: convert %s -resize %lux%lu! out.%s",
			    path, im.width, im.height, shape[1], shape[0], path, shape[1],
			    shape[0], shape[2] == 3 ? "ppm" : "pgm");
	count = im.width * im.height * im.channels;
	for (i = 0; i < count; i++) {
		if (!next_pixel(&im, &value))
			return fail(EXIT_INPUT, "%s: only %zu of %zu pixels are there and valid",
				    path, i, count);
		put_pixel(info, data, i, value, im.max);
	}
	return EXIT_OK;
}

int read_input(const char *path, const struct npu_tensor_info *info, void *data)
{
	size_t size;
	unsigned char *file = read_file(path, &size);
	int ret = EXIT_OK;

	if (!file)
		return EXIT_INPUT;
	if (size > 2 && file[0] == 'P' && strchr("2356", file[1]) && isspace(file[2]))
		ret = read_image(path, file, size, info, data);
	else if (size == info->size)
		memcpy(data, file, size);
	else
		ret = fail(EXIT_INPUT,
			   "%s: no PGM or PPM image, and as raw %s values of '%s' it must have %llu bytes, not %zu",
			   path, npu_type_name(info->type), tensor_name(info),
			   (unsigned long long)info->size, size);
	free(file);
	return ret;
}

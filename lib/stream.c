// SPDX-License-Identifier: MIT
/* The builder of command streams. */
#include "internal.h"

/* A growing stream. */
struct npu_stream {
	struct npu_check check;	/* limits of the device */
	char *data;	/* struct npu_stream_header, then commands */
	uint32_t size;	/* bytes used */
	uint32_t room;	/* bytes allocated */
};

#define STREAM_ROOM	4096

NPU_API int npu_stream_create(const struct drm_npu_device_info *limits, struct npu_stream **out)
{
	struct npu_stream *stream = calloc(1, sizeof(*stream));
	struct npu_stream_header *header;

	if (!stream)
		return -ENOMEM;
	stream->room = STREAM_ROOM;
	stream->data = calloc(1, stream->room);
	if (!stream->data) {
		free(stream);
		return -ENOMEM;
	}
	npu_check_init(&stream->check, limits, NULL);
	stream->size = sizeof(*header);
	header = (struct npu_stream_header *)stream->data;
	header->magic = NPU_ISA_MAGIC;
	header->major = NPU_ISA_MAJOR;
	header->size = stream->size;
	*out = stream;
	return 0;
}

/* A copy of a stream that was checked. */
int npu_stream_adopt(const void *data, uint32_t size, struct npu_stream **out)
{
	struct npu_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return -ENOMEM;
	/* Room for any command, and twice as much if that is not enough. */
	stream->room = size < STREAM_ROOM ? STREAM_ROOM : size;
	stream->data = malloc(stream->room);
	if (!stream->data) {
		free(stream);
		return -ENOMEM;
	}
	memcpy(stream->data, data, size);
	npu_check_init(&stream->check, NULL, NULL);
	stream->size = size;
	*out = stream;
	return 0;
}

NPU_API void npu_stream_destroy(struct npu_stream *stream)
{
	if (!stream)
		return;
	free(stream->data);
	free(stream);
}

NPU_API int npu_stream_add(struct npu_stream *stream, const void *cmd, struct npu_error *err)
{
	const struct npu_cmd_desc *desc = npu_cmd_desc(((const struct npu_cmd *)cmd)->opcode);
	struct npu_stream_header *header;
	struct npu_cmd *copy;
	char *data;
	int ret;

	if (!desc) {
		stream->check.err = err;
		return npu_check_cmd(&stream->check, cmd);
	}
	if (stream->size + desc->size > NPU_ISA_MAX_STREAM_SIZE)
		return npu_fail(err, -E2BIG, "the stream is longer than %u MiB; split it",
				NPU_ISA_MAX_STREAM_SIZE >> 20);
	if (stream->size + desc->size > stream->room) {
		data = realloc(stream->data, stream->room * 2);
		if (!data)
			return npu_fail(err, -ENOMEM, "out of memory");
		stream->data = data;
		stream->room *= 2;
	}
	copy = memcpy(stream->data + stream->size, cmd, desc->size);
	copy->size = desc->size;
	stream->check.err = err;
	ret = npu_check_cmd(&stream->check, copy);
	stream->check.err = NULL;
	if (ret) {
		if (err)
			err->offset = stream->size;
		return ret;
	}
	header = (struct npu_stream_header *)stream->data;
	stream->size += desc->size;
	header->size = stream->size;
	header->features |= desc->feature;
	if (npu_cmd_minor(copy) > header->minor)
		header->minor = (uint8_t)npu_cmd_minor(copy);
	return 0;
}

NPU_API const void *npu_stream_data(const struct npu_stream *stream, uint32_t *size)
{
	*size = stream->size;
	return stream->data;
}

NPU_API void npu_tensor_init(struct npu_tensor *tensor, enum npu_type type, unsigned int base,
			     int64_t offset, int32_t zero_point, unsigned int rank,
			     const uint32_t *dim)
{
	int64_t stride = npu_type_size(type);

	*tensor = (struct npu_tensor) {
		.type = type,
		.rank = rank,
		.layout = NPU_LAYOUT_LINEAR,
		.base = base,
		.zero_point = zero_point,
		.offset = offset,
	};
	while (rank--) {
		tensor->dim[rank] = dim[rank];
		tensor->stride[rank] = stride;
		stride *= dim[rank];
	}
}

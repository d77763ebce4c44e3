// SPDX-License-Identifier: MIT
/* The builder of command streams and the disassembler. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <npu.h>

#include "tap.h"

#define DIM(...) ((const uint32_t[]) { __VA_ARGS__ })

static struct npu_cmd_conv good_conv(void)
{
	struct npu_cmd_conv c = {
		.cmd.opcode = NPU_OP_CONV2D,
		.requant = {
			.rounding = NPU_ROUND_DOUBLE, .bias_type = NPU_TYPE_S32, .axis = 3,
			.count = 8, .clamp_min = (uint32_t)-128, .clamp_max = 127,
			.scale.offset = 512, .bias.offset = 1024,
		},
		.stride = { 1, 1 }, .dilation = { 1, 1 }, .pad = { 1, 1, 1, 1 }, .groups = 1,
	};

	npu_tensor_init(&c.in, NPU_TYPE_S8, 2, 0, -3, 4, DIM(1, 6, 5, 4));
	npu_tensor_init(&c.weight, NPU_TYPE_S8, 0, 0, 0, 4, DIM(8, 3, 3, 4));
	npu_tensor_init(&c.out, NPU_TYPE_S8, 1, 0, 7, 4, DIM(1, 6, 5, 8));
	return c;
}

static struct npu_stream *new_stream(const struct drm_npu_device_info *limits)
{
	struct npu_stream *stream = NULL;

	npu_stream_create(limits, &stream);
	return stream;
}

static void test_build(void)
{
	struct npu_stream *s = new_stream(NULL);
	struct npu_cmd_conv conv = good_conv();
	struct npu_cmd_nop nop = { .cmd.opcode = NPU_OP_NOP };
	const struct npu_stream_header *h;
	struct npu_error err = { 0 };
	uint32_t size, before;
	int i;

	h = npu_stream_data(s, &size);
	ok(size == sizeof(*h) && h->magic == NPU_ISA_MAGIC && h->size == size && !h->features,
	   "an empty stream has a header");
	ok(!npu_stream_add(s, &conv, &err), "a good convolution is taken (%s)", err.text);
	h = npu_stream_data(s, &size);
	ok(size == sizeof(*h) + sizeof(conv) && h->size == size &&
	   h->features == NPU_ISA_FEATURE_MAC, "the header has grown with it");
	ok(((const struct npu_cmd *)(h + 1))->size == sizeof(conv), "the builder sets the size");
	for (i = 0; i < 5000; i++)
		if (npu_stream_add(s, &nop, &err))
			break;
	before = size;
	h = npu_stream_data(s, &size);
	ok(i == 5000 && size == before + 5000 * sizeof(nop), "the buffer grows");
	ok(!npu_stream_check(h, size, NULL, 0, NULL, &err), "and the stream is legal");
	conv.groups = 3;
	before = size;
	ok(npu_stream_add(s, &conv, &err) == -EINVAL && strstr(err.text, "groups") &&
	   err.detail == NPU_ILLEGAL_SHAPE && err.offset == before, "a bad command: %s", err.text);
	npu_stream_data(s, &size);
	ok(size == before, "leaves the stream as it was");
	nop.cmd.opcode = 0x77;
	ok(npu_stream_add(s, &nop, &err) == -EINVAL && err.detail == NPU_ILLEGAL_OPCODE,
	   "an unknown opcode: %s", err.text);
	ok(npu_stream_add(s, &nop, NULL) == -EINVAL, "without a place for the text");
	npu_stream_destroy(s);
	npu_stream_destroy(NULL);
}

/* Each change makes the convolution illegal, and the text names the field. */
static void test_fields(void)
{
#define BAD(change, illegal, word) do {							\
	struct npu_cmd_conv c = good_conv();						\
	struct npu_stream *s = new_stream(NULL);					\
	struct npu_error err = { 0 };							\
	int ret;									\
											\
	c.change;									\
	ret = npu_stream_add(s, &c, &err);						\
	ok(ret == -EINVAL && err.detail == NPU_ILLEGAL_##illegal && strstr(err.text, word), \
	   "%s: %s", #change, err.text);						\
	npu_stream_destroy(s);								\
} while (0)
	BAD(cmd.flags = 1, FLAGS, "flags");
	BAD(reserved = 1, RESERVED, "reserved");
	BAD(requant.reserved1 = 1, RESERVED, "reserved");
	BAD(requant.scale.reserved[3] = 1, RESERVED, "reserved");
	BAD(in.layout = 1, MODE, "in.layout");
	BAD(requant.rounding = 3, MODE, "rounding");
	BAD(in.type = NPU_TYPE_F32, TYPE, "in.type");
	BAD(in.type = 200, TYPE, "in.type");
	BAD(out.type = NPU_TYPE_U8, TYPE, "out.type");
	BAD(weight.type = NPU_TYPE_S16, TYPE, "weight.type");
	BAD(in.rank = 3, SHAPE, "in.rank");
	BAD(in.dim[1] = 0, SHAPE, "in.dim[1]");
	BAD(in.dim[5] = 1, SHAPE, "in.dim[5]");
	BAD(in.stride[4] = 1, SHAPE, "stride[4]");
	BAD(in.stride[1] = 1ull << 62, SHAPE, "in");
	BAD(out.stride[3] = 0, SHAPE, "out.stride");
	BAD(out.dim[2] = 7, SHAPE, "out");
	BAD(out.dim[0] = 2, SHAPE, "images");
	BAD(weight.dim[0] = 7, SHAPE, "weight");
	BAD(stride[1] = 0, SHAPE, "stride");
	BAD(dilation[0] = 0x10000, SHAPE, "dilation");
	BAD(requant.bias.offset = 1, SHAPE, "requant.bias");
	BAD(in.zero_point = 128, QUANT, "in.zero_point");
	BAD(weight.zero_point = 1, QUANT, "weight.zero_point");
	BAD(requant.axis = 2, QUANT, "axis");
	BAD(requant.count = 7, QUANT, "count");
	BAD(requant.clamp_min = 128, QUANT, "clamp");
	BAD(requant.weight_zero_point = 300, QUANT, "weight_zero_point");
	BAD(requant.bias_type = NPU_TYPE_S64, QUANT, "bias");
	BAD(in.base = 32, BASE, "in.base");
	BAD(requant.scale.base = 40, BASE, "requant.scale");
	BAD(out.base = 2, OVERLAP, "overlap");
#undef BAD
}

static void test_limits(void)
{
	struct drm_npu_device_info info = {
		.isa_features = NPU_ISA_FEATURE_COPY, .macs_max_order = 30, .bytes_max_order = 30,
	};
	struct npu_cmd_conv conv = good_conv();
	struct npu_base bases[3] = { { .size = 4096 }, { .size = 240, .flags = NPU_BASE_WRITE },
				     { .size = 120 } };
	struct npu_stream *s = new_stream(&info);
	struct npu_error err;
	const void *data;
	uint32_t size;
	int ret;

	ok(npu_stream_add(s, &conv, &err) == -EINVAL && err.detail == NPU_ILLEGAL_FEATURE,
	   "a device without convolution: %s", err.text);
	npu_stream_destroy(s);
	info.isa_features = ~0ull;
	info.macs_max_order = 10;
	s = new_stream(&info);
	ok(npu_stream_add(s, &conv, &err) == -EINVAL && err.detail == NPU_ILLEGAL_LIMIT &&
	   strstr(err.text, "MACs"), "too much work: %s", err.text);
	npu_stream_destroy(s);

	s = new_stream(NULL);
	npu_stream_add(s, &conv, NULL);
	data = npu_stream_data(s, &size);
	ok(!npu_stream_check(data, size, bases, 3, NULL, &err), "inside all bases");
	bases[2].size = 119;
	ret = npu_stream_check(data, size, bases, 3, NULL, &err);
	ok(ret == -EFAULT && err.offset == sizeof(struct npu_stream_header) &&
	   strstr(err.text, "base 2"), "one byte outside: %s", err.text);
	bases[2].size = 120;
	bases[1].flags = 0;
	ret = npu_stream_check(data, size, bases, 3, NULL, &err);
	ok(ret == -EFAULT && strstr(err.text, "read only"), "read-only output: %s", err.text);
	ret = npu_stream_check(data, size, bases, 2, NULL, &err);
	ok(ret == -EINVAL && err.detail == NPU_ILLEGAL_BASE, "base missing: %s", err.text);
	npu_stream_destroy(s);
}

static void test_huge(void)
{
	struct npu_stream *s = new_stream(NULL);
	struct npu_cmd_conv conv = good_conv();
	struct npu_error err;
	uint32_t size;
	int ret;

	do
		ret = npu_stream_add(s, &conv, &err);
	while (!ret);
	npu_stream_data(s, &size);
	ok(ret == -E2BIG && size <= NPU_ISA_MAX_STREAM_SIZE &&
	   size + sizeof(conv) > NPU_ISA_MAX_STREAM_SIZE, "the longest stream: %s", err.text);
	npu_stream_destroy(s);
}

static void test_dis(void)
{
	static const char *const want[] = {
		"conv2d", "in=s8[1,6,5,4]@2+0x0 zp -3", "weight=s8[8,3,3,4]@0+0x0", "stride 1x1",
		"pad(1,1,1,1)", "scale@0+0x200[8]", "bias@0+0x400:s32", "clamp(-128,127)",
	};
	struct npu_stream *s = new_stream(NULL);
	struct npu_cmd_conv conv = good_conv();
	char text[512], small[16];
	unsigned int i;
	const void *data;
	uint32_t size;
	bool good = true;
	int next;

	npu_stream_add(s, &conv, NULL);
	data = npu_stream_data(s, &size);
	next = npu_stream_dis(data, size, 0, text, sizeof(text));
	ok(next == sizeof(struct npu_stream_header) && !strncmp(text, "stream 1.0", 10), "%s", text);
	next = npu_stream_dis(data, size, (size_t)next, text, sizeof(text));
	ok(!next, "%s", text);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		good &= !!strstr(text, want[i]);
	ok(good, "the text has all operands");
	npu_stream_dis(data, size, sizeof(struct npu_stream_header), small, sizeof(small));
	ok(strlen(small) == sizeof(small) - 1 && !strncmp(small, text, sizeof(small) - 1),
	   "a short buffer gets what fits");
	npu_stream_dis(data, size, 24, NULL, 0);
	ok(npu_stream_dis(data, 1ull << 31, 24, text, sizeof(text)) == -EINVAL,
	   "no stream is so large that its offsets are errors");
	for (i = 0, good = true; i < size; i++) {
		char *copy = malloc(i ? i : 1);	/* exact, for the sanitizer */

		memcpy(copy, data, i);
		good &= npu_stream_check(copy, i, NULL, 0, NULL, NULL) == -EINVAL;
		good &= npu_stream_dis(copy, i, 0, text, sizeof(text)) <= 24;
		good &= npu_stream_dis(copy, i, 24, text, sizeof(text)) == -EINVAL;
		free(copy);
	}
	ok(good, "a stream cut off at each of %u bytes is refused", size);
	npu_stream_destroy(s);
}

/* Whatever there is, the disassembler comes to an end. */
static void test_garbage(void)
{
	unsigned int round, i, commands = 0;
	uint32_t words[256];
	char text[300];
	size_t offset;
	int next;

	srand(1);
	for (round = 0; round < 20000; round++) {
		for (i = 0; i < 256; i++)
			words[i] = rand() % 3 ? (uint32_t)rand() : (uint32_t)(rand() % 128);
		words[0] = NPU_ISA_MAGIC;
		for (i = 6; i + 1 < 256; i += 2 + (unsigned int)rand() % 60) {
			words[i] = (uint32_t)(rand() % 0x70);
			words[i + 1] = (uint32_t)(rand() % 16) * 8;
		}
		offset = 0;
		do {
			next = npu_stream_dis(words, sizeof(words), offset, text, sizeof(text));
			commands++;
			if (next > 0 && (size_t)next <= offset)
				break;
			offset = (size_t)next;
		} while (next > 0);
		if (next > 0)
			break;
		npu_stream_check(words, sizeof(words), NULL, 0, NULL, NULL);
	}
	ok(round == 20000, "%u random streams, %u commands", round, commands);
}

/* A device whose command set is older than this library. */
static void test_version(void)
{
	struct drm_npu_device_info old = {
		.isa_version = NPU_ISA_MAJOR << 16, .isa_features = ~0ull,
		.macs_max_order = 63, .bytes_max_order = 63,
	};
	struct npu_cmd_eltwise cmd = {
		.cmd.opcode = NPU_OP_ELTWISE, .op = NPU_ELTWISE_PRELU,
		.scale_a = { 1 << 30, 0 }, .scale_out = { 1 << 30, 0 },
		.clamp_min = (uint32_t)-128, .clamp_max = 127,
	};
	const struct npu_stream_header *header;
	struct npu_stream *stream;
	struct npu_error err;
	uint32_t size, dim = 4;

	npu_tensor_init(&cmd.a, NPU_TYPE_S8, 1, 0, 0, 1, &dim);
	npu_tensor_init(&cmd.b, NPU_TYPE_S8, 1, 64, 0, 1, &dim);
	npu_tensor_init(&cmd.out, NPU_TYPE_S8, 2, 0, 0, 1, &dim);
	npu_stream_create(&old, &stream);
	ok(npu_stream_add(stream, &cmd, &err) == -EINVAL && err.detail == NPU_ILLEGAL_VERSION,
	   "a command of 1.1 for a device of 1.0: %s", err.text);
	npu_stream_destroy(stream);
	npu_stream_create(NULL, &stream);
	ok(!npu_stream_add(stream, &cmd, &err), "for any device");
	header = npu_stream_data(stream, &size);
	ok(header->minor == 1, "the stream says so");
	ok(npu_stream_check(header, size, NULL, 0, &old, &err) == -EINVAL &&
	   err.detail == NPU_ILLEGAL_VERSION, "and is refused: %s", err.text);
	npu_stream_destroy(stream);
	cmd.op = NPU_ELTWISE_MUL;
	cmd.scale_a = (struct npu_scale) { 0 };
	npu_stream_create(&old, &stream);
	ok(!npu_stream_add(stream, &cmd, &err), "a command of 1.0");
	header = npu_stream_data(stream, &size);
	ok(!header->minor, "makes a stream of 1.0");
	npu_stream_destroy(stream);
}

int main(void)
{
	test_build();
	test_fields();
	test_limits();
	test_version();
	test_huge();
	test_dis();
	test_garbage();
	return tap_done();
}

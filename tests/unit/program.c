// SPDX-License-Identifier: MIT
#include "program.h"
#include "test.h"

u32 program_type_size(u32 type)
{
	static const u8 size[] = { 0, 1, 1, 1, 2, 4, 8 };

	return size[type];
}

s64 program_type_min(u32 type)
{
	static const s64 min[] = { 0, 0, 0, -128, -32768, -0x80000000ll, INT64_MIN };

	return min[type];
}

s64 program_type_max(u32 type)
{
	static const s64 max[] = { 0, 1, 255, 127, 32767, 0x7fffffff, INT64_MAX };

	return max[type];
}

static s64 program_value(u32 type)
{
	s64 low = program_type_min(type), high = program_type_max(type);

	if (test_chance(5))
		return test_chance(50) ? low : high;
	if (type == NPU_TYPE_S64)
		return (s64)test_random();
	return test_range(low, high);
}

void program_init(struct program *p, struct host_space *s)
{
	memset(p, 0, sizeof(*p));
	p->s = s;
}

/* ---- Layout ---------------------------------------------------------------------- */

static void program_order(u32 *order, u32 rank, bool shuffle)
{
	u32 i, k, swap;

	for (i = 0; i < rank; i++)
		order[i] = rank - 1 - i;
	for (i = rank; shuffle && i-- > 1;) {
		k = (u32)test_range(0, i);
		swap = order[i];
		order[i] = order[k];
		order[k] = swap;
	}
}

/* Choose strides; returns the bytes from the lowest to the highest element. */
static u64 program_strides(struct program_tensor *t, enum program_layout layout, bool output,
			   s64 *low)
{
	bool any = layout == PROGRAM_ANY;
	u64 pitch = t->esize;
	u32 order[6], i, d;
	s64 stride;
	u64 span = 0;

	*low = 0;
	program_order(order, t->ref.rank, any && test_chance(40));
	for (i = 0; i < t->ref.rank; i++) {
		d = order[i];
		if (any && test_chance(15))
			pitch += (u64)test_range(0, 3) * t->esize;
		if (any && ref_elements(&t->ref) < 1000 && test_chance(3))
			pitch += 4096;
		stride = (s64)pitch;
		pitch *= t->ref.dim[d];
		if (any && !output && test_chance(8))
			stride = 0;
		if (any && test_chance(10))
			stride = -stride;
		span += (u64)(stride < 0 ? -stride : stride) * (t->ref.dim[d] - 1);
		if (stride < 0)
			*low += stride * (s64)(t->ref.dim[d] - 1);
		t->raw.stride[d] = cpu_to_le64((u64)stride);
	}
	return span + t->esize;
}

/* Offset in the buffer of the logical element @n. */
static u64 program_place(const struct program_tensor *t, u64 start, u64 n)
{
	u32 i;

	for (i = t->ref.rank; i-- > 0; n /= t->ref.dim[i])
		start += le64_to_cpu(t->raw.stride[i]) * (n % t->ref.dim[i]);
	return start;
}

static s64 program_load(const struct program_tensor *t, const u8 *at)
{
	u64 v = 0;
	u32 i;

	for (i = 0; i < t->esize; i++)
		v |= (u64)at[i] << 8 * i;
	switch (t->type) {
	case NPU_TYPE_S8:
		return (s8)v;
	case NPU_TYPE_S16:
		return (s16)v;
	case NPU_TYPE_S32:
		return (s32)v;
	default:
		return (s64)v;
	}
}

static void program_store(const struct program_tensor *t, u8 *at, s64 v)
{
	u32 i;

	for (i = 0; i < t->esize; i++)
		at[i] = (u8)((u64)v >> 8 * i);
}

static u64 program_start(const struct program *p, const struct program_tensor *t)
{
	const struct npu_base *b = &p->base[t->raw.base];

	return le64_to_cpu(b->va) - t->va + le64_to_cpu(t->raw.offset);
}

static void program_fill(struct program *p, struct program_tensor *t, bool output)
{
	u64 start = program_start(p, t);
	u64 n = ref_elements(&t->ref);
	u64 i;
	u8 *at;

	for (i = 0; i < t->size; i++)
		t->image[i] = (u8)test_random();
	for (i = 0; i < n && !output; i++) {
		at = t->image + program_place(t, start, i);
		program_store(t, at, program_value(t->type));
	}
	/* Broadcast elements were written more than once. */
	for (i = 0; i < n; i++)
		t->ref.v[i] = program_load(t, t->image + program_place(t, start, i));
	host_write(p->s, t->va, t->image, t->size);
}

struct program_tensor *program_tensor(struct program *p, u32 type, u32 rank, const u32 *dim,
				      s32 zero_point, enum program_layout layout, bool output)
{
	struct program_tensor *t = &p->t[p->tensors++];
	struct npu_base *b = &p->base[p->bases];
	u64 head, lead, tail, span;
	s64 low;
	u32 i;

	t->type = type;
	t->esize = program_type_size(type);
	t->ref.rank = rank;
	t->ref.zero_point = zero_point;
	t->raw.type = (u8)type;
	t->raw.rank = (u8)rank;
	t->raw.base = (u8)p->bases++;
	t->raw.zero_point = cpu_to_le32((u32)zero_point);
	for (i = 0; i < rank; i++) {
		t->ref.dim[i] = dim[i];
		t->raw.dim[i] = cpu_to_le32(dim[i]);
	}
	span = program_strides(t, layout, output, &low);
	head = (u64)test_range(0, 600) * 8;
	lead = test_chance(50) ? 0 : (u64)test_range(0, 20) * 8;
	tail = test_chance(70) ? 0 : (u64)test_range(0, 100);
	t->size = head + lead + span + tail + 32;
	if (test_chance(3))
		t->va = host_alloc_blocks(p->s, t->size, output ? HOST_RW : HOST_R);
	else
		t->va = host_alloc(p->s, t->size, !output ? HOST_R :
				   HOST_W | (test_chance(50) ? HOST_R : 0));
	b->va = cpu_to_le64(t->va + head);
	b->size = cpu_to_le64(lead + span + tail);
	b->flags = cpu_to_le32(output ? NPU_BASE_WRITE : 0);
	t->raw.offset = cpu_to_le64(lead - (u64)low);
	t->ref.v = calloc(ref_elements(&t->ref), sizeof(*t->ref.v));
	t->image = malloc(t->size);
	program_fill(p, t, output);
	return t;
}

struct npu_ref program_array(struct program *p, const void *data, u64 size, u64 align)
{
	u64 skew = (u64)test_range(0, 1023) * align;
	u64 va = host_alloc(p->s, skew + size, HOST_R);
	u32 n = p->bases++;

	p->array[p->arrays] = va;
	p->array_size[p->arrays++] = skew + size;
	p->base[n].va = cpu_to_le64(va);
	p->base[n].size = cpu_to_le64(skew + size);
	host_write(p->s, va + skew, data, size);
	return (struct npu_ref){ .base = (u8)n, .offset = cpu_to_le64(skew) };
}

int program_run(struct program *p, const void *cmd, u32 size)
{
	u8 stream[sizeof(struct npu_stream_header) + NPU_ISA_MAX_CMD_SIZE];
	struct npu_stream_header h = {
		.magic = cpu_to_le32(NPU_ISA_MAGIC),
		.major = NPU_ISA_MAJOR,
		.minor = NPU_ISA_MINOR,
		.size = cpu_to_le32((u32)sizeof(h) + size),
	};

	memcpy(stream, &h, sizeof(h));
	memcpy(stream + sizeof(h), cmd, size);
	return host_run(p->s, stream, sizeof(h) + size, p->base, p->bases, &p->result);
}

bool program_good(struct program *p, struct program_tensor *t)
{
	u64 start = program_start(p, t);
	u8 *now = malloc(t->size);
	u64 i, n = ref_elements(&t->ref);
	bool good;

	for (i = 0; i < n; i++)
		program_store(t, t->image + program_place(t, start, i), t->ref.v[i]);
	host_read(p->s, t->va, now, t->size);
	good = !memcmp(now, t->image, t->size);
	for (i = 0; i < n && !good; i++) {
		u64 at = program_place(t, start, i);

		if (memcmp(now + at, t->image + at, t->esize)) {
			printf("# element %" PRIu64 " of %" PRIu64 " is %" PRId64
			       ", not %" PRId64 "\n", (uint64_t)i, (uint64_t)n,
			       (int64_t)program_load(t, now + at), t->ref.v[i]);
			break;
		}
	}
	free(now);
	return good;
}

void program_read(struct program *p, struct program_tensor *t)
{
	u64 start = program_start(p, t);
	u64 i;

	host_read(p->s, t->va, t->image, t->size);
	for (i = 0; i < ref_elements(&t->ref); i++)
		t->ref.v[i] = program_load(t, t->image + program_place(t, start, i));
}

void program_free(struct program *p)
{
	u32 i;

	for (i = 0; i < p->tensors; i++) {
		host_release(p->s, p->t[i].va, p->t[i].size);
		free(p->t[i].ref.v);
		free(p->t[i].image);
	}
	for (i = 0; i < p->arrays; i++)
		host_release(p->s, p->array[i], p->array_size[i]);
	memset(p, 0, sizeof(*p));
}

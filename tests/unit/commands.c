// SPDX-License-Identifier: MIT
/*
 * Every command against plain reference code: random shapes, strides, types
 * and parameters. NPU_SEED replays, NPU_CASES sets the cases of each test.
 */
#include <math.h>

#include "program.h"
#include "test.h"

static struct host *host;
static struct host_space *space;
static const u32 quant_types[] = { NPU_TYPE_S8, NPU_TYPE_U8, NPU_TYPE_S16 };
static const u32 all_types[] = {
	NPU_TYPE_BOOL, NPU_TYPE_U8, NPU_TYPE_S8, NPU_TYPE_S16, NPU_TYPE_S32, NPU_TYPE_S64,
};

static enum program_layout layout(void)
{
	return test_chance(50) ? PROGRAM_DENSE : PROGRAM_ANY;
}

static u32 small(u32 most)
{
	return (u32)(test_chance(20) ? 1 : test_range(1, most));
}

static s32 zero_point(u32 type)
{
	if (type != NPU_TYPE_S8 && type != NPU_TYPE_U8)
		return 0;
	if (test_chance(20))
		return (s32)(test_chance(50) ? program_type_min(type) : program_type_max(type));
	return (s32)test_range(program_type_min(type), program_type_max(type));
}

static void limits(u32 type, __le32 *raw_min, __le32 *raw_max, int64_t *min, int64_t *max)
{
	*min = program_type_min(type);
	*max = program_type_max(type);
	if (test_chance(40)) {
		*min = test_range(*min, *max);
		*max = test_range(*min, *max);
	}
	*raw_min = cpu_to_le32((u32)*min);
	*raw_max = cpu_to_le32((u32)*max);
}

static s32 multiplier(void)
{
	if (test_chance(5))
		return test_chance(50) ? 0x7fffffff : (s32)0x80000000;
	if (test_chance(5))
		return (s32)test_random();
	return (s32)test_range(1 << 30, 0x7fffffff);
}

static struct npu_scale scale(s32 m, s32 s)
{
	return (struct npu_scale){ cpu_to_le32((u32)m), cpu_to_le32((u32)s) };
}

/* A tensor made as output becomes input and output of a command in place. */
static void make_in_place(struct program *p, struct program_tensor *t)
{
	u64 at;

	if (le64_to_cpu(*host_pte(p->s, t->va, 1)) & NPU_PTE_LEAF)
		return;
	for (at = t->va & ~(HOST_PAGE - 1ull); at < t->va + t->size; at += HOST_PAGE)
		*host_pte(p->s, at, 0) |= cpu_to_le64(HOST_R);
}

/* The result of @out, checked where the input is. */
static bool good_in_place(struct program *p, struct program_tensor *in,
			  const struct program_tensor *out)
{
	memcpy(in->ref.v, out->ref.v, ref_elements(&in->ref) * sizeof(*in->ref.v));
	in->type = out->type;
	return program_good(p, in);
}

/* ---- CONV2D, DEPTHWISE, MATMUL ------------------------------------------------------- */

struct quant {
	struct ref_quant ref;
	struct npu_requant raw;
	s32 multiplier[4096];
	s32 shift[4096];
	int64_t bias[4096];
};

static void bias_make(struct program *p, struct quant *q, u32 channels)
{
	s32 narrow[4096];
	u32 i;

	q->raw.bias_type = q->ref.wide ? NPU_TYPE_S64 : NPU_TYPE_S32;
	for (i = 0; i < channels; i++) {
		q->bias[i] = test_range(-20000, 20000);
		if (test_chance(5))
			q->bias[i] = (s32)test_random();
		if (q->ref.wide && test_chance(5))
			q->bias[i] = (s64)test_random() >> test_range(0, 30);
		narrow[i] = (s32)q->bias[i];
	}
	q->ref.bias = q->bias;
	q->raw.bias = q->ref.wide ? program_array(p, q->bias, channels * 8, 8) :
				    program_array(p, narrow, channels * 4, 4);
}

static void quant_make(struct program *p, struct quant *q, u32 rank, u32 channels, bool scaled,
		       bool wide, u32 out_type, u32 weight_type, u32 terms)
{
	struct npu_scale raw[4096];
	u32 i;

	memset(q, 0, sizeof(*q));
	limits(out_type, &q->raw.clamp_min, &q->raw.clamp_max, &q->ref.min, &q->ref.max);
	q->raw.axis = (u8)(rank - 1);
	q->ref.weight_zero_point = weight_type == NPU_TYPE_U8 || test_chance(10) ?
				   zero_point(weight_type) : 0;
	q->raw.weight_zero_point = cpu_to_le32((u32)q->ref.weight_zero_point);
	if (scaled) {
		q->raw.rounding = wide ? NPU_ROUND_WIDE : NPU_ROUND_DOUBLE;
		q->ref.scaled = true;
		q->ref.wide = wide;
		q->ref.count = test_chance(30) ? 1 : channels;
		q->ref.multiplier = q->multiplier;
		q->ref.shift = q->shift;
		for (i = 0; i < q->ref.count; i++) {
			q->multiplier[i] = multiplier();
			q->shift[i] = -(s32)test_range(0, 8) - (terms > 64 ? 4 : 0);
			if (test_chance(3))
				q->shift[i] = (s32)test_range(-31, wide ? 14 : 31);
			raw[i] = scale(q->multiplier[i], q->shift[i]);
		}
		q->raw.count = cpu_to_le32(q->ref.count);
		q->raw.scale = program_array(p, raw, q->ref.count * sizeof(raw[0]), 4);
	}
	if (test_chance(70))
		bias_make(p, q, channels);
}

static void window_make(struct ref_window *w, struct npu_cmd_conv *c, const u32 *kernel,
			const u32 *in, u32 *out)
{
	u32 i, end, reach;

	for (i = 0; i < 2; i++) {
		w->size[i] = kernel[i];
		w->stride[i] = small(3);
		w->dilation[i] = test_chance(70) ? 1 : small(3);
		w->pad[i] = test_range(0, kernel[i]);
		end = (u32)test_range(0, kernel[i]);
		reach = (u32)((kernel[i] - 1) * w->dilation[i] + 1);
		if (in[i] + w->pad[i] + end < reach)
			end = reach;
		out[i] = (u32)((in[i] + w->pad[i] + end - reach) / w->stride[i] + 1);
		if (test_chance(10))
			out[i] = small(out[i]);
		c->stride[i] = cpu_to_le32((u32)w->stride[i]);
		c->dilation[i] = cpu_to_le32((u32)w->dilation[i]);
		c->pad[2 * i] = cpu_to_le32((u32)w->pad[i]);
		c->pad[2 * i + 1] = cpu_to_le32(end);
	}
}

static bool conv_case(u32 type, bool depthwise)
{
	static struct quant q;
	struct npu_cmd_conv c = {
		.cmd.opcode = cpu_to_le16(depthwise ? NPU_OP_DEPTHWISE : NPU_OP_CONV2D),
		.cmd.size = cpu_to_le32(sizeof(c)),
	};
	u32 weight_type = type == NPU_TYPE_U8 || test_chance(15) ? NPU_TYPE_U8 :
			  type == NPU_TYPE_S16 && depthwise && test_chance(40) ? NPU_TYPE_S16 :
			  NPU_TYPE_S8;
	bool scaled = test_chance(85), wide = scaled && type == NPU_TYPE_S16 && test_chance(60);
	u32 out_type = scaled ? type : NPU_TYPE_S32;
	bool big = test_chance(4);
	u32 groups = depthwise || test_chance(70) ? 1 : small(4);
	u32 in[4] = { small(2), small(9), small(9), groups * small(big ? 300 : 12) };
	u32 kernel[2] = { small(4), small(4) };
	u32 times = small(3);
	u32 out[4] = { in[0], 0, 0, depthwise ? in[3] * times : groups * small(big ? 400 : 9) };
	u32 w[4] = { depthwise ? 1 : out[3], kernel[0], kernel[1],
		     depthwise ? out[3] : in[3] / groups };
	struct program_tensor *ti, *tw, *to;
	struct ref_window win;
	struct program p;
	bool good;

	program_init(&p, space);
	window_make(&win, &c, kernel, in + 1, out + 1);
	ti = program_tensor(&p, type, 4, in, zero_point(type), layout(), false);
	tw = program_tensor(&p, weight_type, 4, w, 0, layout(), false);
	to = program_tensor(&p, out_type, 4, out, zero_point(out_type), layout(), true);
	quant_make(&p, &q, 4, out[3], scaled, wide, out_type, weight_type,
		   kernel[0] * kernel[1] * (depthwise ? 1 : w[3]));
	c.in = ti->raw;
	c.weight = tw->raw;
	c.out = to->raw;
	c.requant = q.raw;
	c.groups = cpu_to_le32(depthwise ? 0 : groups);
	if (depthwise)
		ref_depthwise(&ti->ref, &tw->ref, &to->ref, &win, &q.ref);
	else
		ref_conv(&ti->ref, &tw->ref, &to->ref, &win, groups, &q.ref);
	good = !program_run(&p, &c, sizeof(c)) && program_good(&p, to);
	program_free(&p);
	return good;
}

static bool conv2d_case(u32 n)
{
	return conv_case(quant_types[n % 3], false);
}

static bool depthwise_case(u32 n)
{
	return conv_case(quant_types[n % 3], true);
}

static bool matmul_case(u32 n)
{
	static struct quant q;
	struct npu_cmd_matmul c = {
		.cmd.opcode = cpu_to_le16(NPU_OP_MATMUL),
		.cmd.size = cpu_to_le32(sizeof(c)),
	};
	u32 type = quant_types[n % 3];
	bool scaled = test_chance(85), wide = scaled && type == NPU_TYPE_S16 && test_chance(60);
	u32 weight_type = type == NPU_TYPE_U8 || test_chance(15) ? NPU_TYPE_U8 :
			  wide && test_chance(60) ? NPU_TYPE_S16 : NPU_TYPE_S8;
	u32 out_type = scaled ? type : NPU_TYPE_S32;
	u32 rank = (u32)test_range(2, 6);
	u32 rows = small(9), cols = small(test_chance(5) ? 1500 : 20);
	u32 terms = small(test_chance(5) ? 20000 : 60);
	u32 a[6], b[6], out[6], i;
	struct program_tensor *ta, *tb, *to;
	struct program p;
	bool good;

	if (terms > 2000)
		cols = small(20);
	for (i = 0; i + 2 < rank; i++)
		a[i] = b[i] = out[i] = small(terms > 2000 ? 1 : 3);
	a[rank - 2] = out[rank - 2] = rows;
	b[rank - 2] = out[rank - 1] = cols;
	a[rank - 1] = b[rank - 1] = terms;
	program_init(&p, space);
	ta = program_tensor(&p, type, rank, a, zero_point(type), layout(), false);
	tb = program_tensor(&p, weight_type, rank, b, 0, layout(), false);
	to = program_tensor(&p, out_type, rank, out, zero_point(out_type), layout(), true);
	quant_make(&p, &q, rank, cols, scaled, wide, out_type, weight_type, terms);
	c.a = ta->raw;
	c.b = tb->raw;
	c.out = to->raw;
	c.requant = q.raw;
	ref_matmul(&ta->ref, &tb->ref, &to->ref, &q.ref);
	good = !program_run(&p, &c, sizeof(c)) && program_good(&p, to);
	program_free(&p);
	return good;
}

/* ---- POOL, REDUCE ----------------------------------------------------------------------- */

static bool pool_case(u32 n)
{
	struct npu_cmd_pool c = {
		.cmd.opcode = cpu_to_le16(NPU_OP_POOL),
		.cmd.size = cpu_to_le32(sizeof(c)),
		.mode = cpu_to_le32(n / 3 % 2),
	};
	u32 type = quant_types[n % 3];
	u32 in[4] = { small(2), small(12), small(12), small(test_chance(5) ? 2500 : 20) };
	u32 out[4] = { in[0], 0, 0, in[3] };
	struct program_tensor *ti, *to;
	struct ref_window win;
	s32 zp = zero_point(type);
	struct program p;
	int64_t min, max;
	u32 i, end;
	bool good;

	program_init(&p, space);
	for (i = 0; i < 2; i++) {
		win.size[i] = small(6);
		win.stride[i] = small(3);
		win.dilation[i] = 1;
		win.pad[i] = test_range(0, win.size[i] - 1);
		end = (u32)test_range(0, win.size[i] - 1);
		if (in[1 + i] + win.pad[i] + end < win.size[i])
			win.size[i] = in[1 + i] + win.pad[i] + end;
		if (win.pad[i] >= win.size[i] || end >= win.size[i])
			win.size[i] = win.stride[i] = 1, win.pad[i] = end = 0;
		out[1 + i] = (u32)((in[1 + i] + win.pad[i] + end - win.size[i]) /
				   win.stride[i] + 1);
		c.window[i] = cpu_to_le32((u32)win.size[i]);
		c.stride[i] = cpu_to_le32((u32)win.stride[i]);
		c.pad[2 * i] = cpu_to_le32((u32)win.pad[i]);
		c.pad[2 * i + 1] = cpu_to_le32(end);
	}
	ti = program_tensor(&p, type, 4, in, zp, layout(), false);
	to = program_tensor(&p, type, 4, out, zp, layout(), true);
	limits(type, &c.clamp_min, &c.clamp_max, &min, &max);
	c.in = ti->raw;
	c.out = to->raw;
	ref_pool(&ti->ref, &to->ref, &win, n / 3 % 2, type == NPU_TYPE_U8, min, max);
	good = !program_run(&p, &c, sizeof(c)) && program_good(&p, to);
	program_free(&p);
	return good;
}

static bool reduce_case(u32 n)
{
	struct npu_cmd_reduce c = {
		.cmd.opcode = cpu_to_le16(NPU_OP_REDUCE),
		.cmd.size = cpu_to_le32(sizeof(c)),
		.mode = cpu_to_le32(n / 3 % 3),
	};
	bool arg = n / 3 % 3 == NPU_REDUCE_ARG_MAX, max_of = n / 3 % 3 == NPU_REDUCE_MAX;
	u32 type = quant_types[n % 3], to_type = arg ? n % 2 ? NPU_TYPE_S64 : NPU_TYPE_S32 : type;
	s32 zp = zero_point(type);
	u32 rank = (u32)test_range(arg, 6);
	u32 axes = arg ? 1u << test_range(0, rank - 1) : (u32)test_range(0, (1 << rank) - 1);
	struct program_tensor *ti, *to;
	u32 in[6], out[6], i;
	s32 m = multiplier(), shift = (s32)test_range(-12, 0);
	struct program p;
	int64_t min, max;
	bool good;

	for (i = 0; i < rank; i++) {
		/* At most one is large: a result is made of up to 2^20 elements. */
		in[i] = small(rank > 3 ? 5 : !i && test_chance(15) ? 700 : 12);
		out[i] = axes >> i & 1 ? 1 : in[i];
	}
	program_init(&p, space);
	ti = program_tensor(&p, type, rank, in, zp, layout(), false);
	to = program_tensor(&p, to_type, rank, out, arg ? 0 : max_of ? zp : zero_point(type),
			    layout(), true);
	if (!arg)
		limits(type, &c.clamp_min, &c.clamp_max, &min, &max);
	c.in = ti->raw;
	c.out = to->raw;
	c.axes = cpu_to_le32(axes);
	if (!max_of && !arg)
		c.scale = scale(m, shift);
	if (arg)
		ref_arg_max(&ti->ref, &to->ref, axes);
	else if (max_of)
		ref_max(&ti->ref, &to->ref, axes, min, max);
	else
		ref_mean(&ti->ref, &to->ref, axes, m, shift, min, max);
	good = !program_run(&p, &c, sizeof(c)) && program_good(&p, to);
	program_free(&p);
	return good;
}

/* ---- Elementwise --------------------------------------------------------------------------- */

static u32 shape(u32 *dim)
{
	u32 rank = (u32)test_range(0, 6);
	u32 i;

	for (i = 0; i < rank; i++)
		dim[i] = small(rank > 3 ? 5 : test_chance(10) ? 200 : 20);
	if (rank == 1 && test_chance(20))
		dim[0] = (u32)test_range(4000, 14000);
	return rank;
}

static void eltwise_reference(const struct program_tensor *a, const struct program_tensor *b,
			      struct program_tensor *out, u32 op, s32 left, const s32 *m,
			      const s32 *s, s64 min, s64 max)
{
	u64 i, n = ref_elements(&out->ref);
	s64 x, y, z;

	for (i = 0; i < n; i++) {
		x = a->ref.v[i] - a->ref.zero_point;
		y = b->ref.v[i] - b->ref.zero_point;
		switch (op) {
		case NPU_ELTWISE_ADD:
		case NPU_ELTWISE_SUB:
			x = ref_rq32(x * (1ll << left), m[0], s[0]);
			y = ref_rq32(y * (1ll << left), m[1], s[1]);
			z = ref_rq32(op == NPU_ELTWISE_ADD ? x + y : x - y, m[2], s[2]) +
			    out->ref.zero_point;
			break;
		case NPU_ELTWISE_SQUARED_DIFFERENCE:
			x = ref_rq32(x * (1ll << left), m[0], s[0]);
			y = ref_rq32(y * (1ll << left), m[1], s[1]);
			z = ref_rq32((s64)((u64)(x - y) * (u64)(x - y)), m[2], s[2]) +
			    out->ref.zero_point;
			break;
		case NPU_ELTWISE_PRELU:
			z = (x >= 0 ? ref_rq32(x, m[0], s[0]) : ref_rq32(x * y, m[2], s[2])) +
			    out->ref.zero_point;
			break;
		case NPU_ELTWISE_MUL:
			z = ref_rq32(x * y, m[2], s[2]) + out->ref.zero_point;
			break;
		case NPU_ELTWISE_MIN:
			x = a->ref.v[i];
			y = b->ref.v[i];
			z = x < y ? x : y;
			break;
		default:
			x = a->ref.v[i];
			y = b->ref.v[i];
			z = x > y ? x : y;
			break;
		}
		out->ref.v[i] = z < min ? min : z > max ? max : z;
	}
}

static bool eltwise_case(u32 n)
{
	struct npu_cmd_eltwise c = {
		.cmd.opcode = cpu_to_le16(NPU_OP_ELTWISE),
		.cmd.size = cpu_to_le32(sizeof(c)),
	};
	u32 op = n % 7;
	bool pick = op == NPU_ELTWISE_MIN || op == NPU_ELTWISE_MAX;
	bool square = op == NPU_ELTWISE_SQUARED_DIFFERENCE, shifted = op <= NPU_ELTWISE_SUB || square;
	u32 type = pick && n / 7 % 4 == 3 ? NPU_TYPE_S32 : quant_types[n / 7 % 3];
	u32 left = !shifted ? 0 : type == NPU_TYPE_S16 ? 15 : square ? 7 : 20;
	struct program_tensor *a, *b, *out;
	s32 m[3] = { multiplier(), multiplier(), multiplier() };
	s32 s[3] = { (s32)-test_range(0, 8), (s32)-test_range(0, 8), (s32)-test_range(3, 25) };
	s32 zp = zero_point(type);
	u32 dim[6], rank = shape(dim);
	bool in_place = test_chance(20);
	struct program p;
	int64_t min, max;
	bool good;

	program_init(&p, space);
	a = program_tensor(&p, type, rank, dim, pick ? zp : zero_point(type), layout(), in_place);
	b = program_tensor(&p, type, rank, dim, pick ? zp : zero_point(type), layout(), false);
	out = program_tensor(&p, type, rank, dim, pick ? zp : zero_point(type), layout(), true);
	c.out = out->raw;
	if (in_place) {
		make_in_place(&p, a);
		c.out = a->raw;
		c.out.zero_point = out->raw.zero_point;
	}
	limits(type, &c.clamp_min, &c.clamp_max, &min, &max);
	c.a = a->raw;
	c.b = b->raw;
	c.op = cpu_to_le32(op);
	c.left_shift = cpu_to_le32(left);
	if (shifted || op == NPU_ELTWISE_PRELU)
		c.scale_a = scale(m[0], s[0]);
	if (shifted)
		c.scale_b = scale(m[1], s[1]);
	if (!pick)
		c.scale_out = scale(m[2], s[2]);
	eltwise_reference(a, b, out, op, (s32)left, m, s, min, max);
	good = !program_run(&p, &c, sizeof(c));
	good = good && (in_place ? good_in_place(&p, a, out) : program_good(&p, out));
	program_free(&p);
	return good;
}

static bool requant_case(u32 n)
{
	static const u32 types[] = { NPU_TYPE_S8, NPU_TYPE_U8, NPU_TYPE_S16, NPU_TYPE_S32 };
	struct npu_cmd_requant c = {
		.cmd.opcode = cpu_to_le16(NPU_OP_REQUANT),
		.cmd.size = cpu_to_le32(sizeof(c)),
	};
	u32 from = types[n % 4], to = types[n / 4 % 4];
	bool in_place = program_type_size(from) == program_type_size(to) && test_chance(40);
	s32 m = multiplier(), s = (s32)test_range(test_chance(10) ? -31 : -8, test_chance(10) ? 31 : 4);
	u32 dim[6], rank = shape(dim);
	struct program_tensor *in, *out;
	struct program p;
	int64_t min, max, y;
	bool good;
	u64 i;

	program_init(&p, space);
	in = program_tensor(&p, from, rank, dim, zero_point(from), layout(), in_place);
	out = program_tensor(&p, to, rank, dim, zero_point(to), layout(), true);
	limits(to, &c.clamp_min, &c.clamp_max, &min, &max);
	c.in = in->raw;
	c.out = out->raw;
	if (in_place) {
		make_in_place(&p, in);
		c.out = in->raw;
		c.out.type = out->raw.type;
		c.out.zero_point = out->raw.zero_point;
	}
	c.scale = scale(m, s);
	for (i = 0; i < ref_elements(&in->ref); i++) {
		y = ref_rq32(in->ref.v[i] - in->ref.zero_point, m, s) + out->ref.zero_point;
		out->ref.v[i] = y < min ? min : y > max ? max : y;
	}
	good = !program_run(&p, &c, sizeof(c)) &&
	       (in_place ? good_in_place(&p, in, out) : program_good(&p, out));
	program_free(&p);
	return good;
}

static bool lut_case(u32 n)
{
	struct npu_cmd_lut c = {
		.cmd.opcode = cpu_to_le16(NPU_OP_LUT),
		.cmd.size = cpu_to_le32(sizeof(c)),
	};
	bool wide = n % 5 == 4;
	u32 from = wide ? NPU_TYPE_S16 : quant_types[n % 2];
	u32 to = wide ? NPU_TYPE_S16 : quant_types[n / 2 % 2];
	struct program_tensor *in, *out;
	u32 dim[6], rank = shape(dim);
	static s16 wide_table[65536];
	struct program p;
	u8 table[256];
	bool in_place = test_chance(30);
	bool good;
	u64 i;

	for (i = 0; i < 256; i++)
		table[i] = (u8)test_random();
	for (i = 0; wide && i < 65536; i++)
		wide_table[i] = (s16)test_random();
	program_init(&p, space);
	in = program_tensor(&p, from, rank, dim, zero_point(from), layout(), in_place);
	out = program_tensor(&p, to, rank, dim, zero_point(to), layout(), true);
	c.in = in->raw;
	c.out = out->raw;
	if (in_place) {
		make_in_place(&p, in);
		c.out = in->raw;
		c.out.type = out->raw.type;
		c.out.zero_point = out->raw.zero_point;
	}
	c.table = wide ? program_array(&p, wide_table, sizeof(wide_table), 4) :
			 program_array(&p, table, sizeof(table), 4);
	for (i = 0; i < ref_elements(&in->ref); i++)
		out->ref.v[i] = wide ? wide_table[in->ref.v[i] + 32768] :
				table[in->ref.v[i] + (from == NPU_TYPE_S8 ? 128 : 0)];
	good = !program_run(&p, &c, sizeof(c)) &&
	       (in_place ? good_in_place(&p, in, out) : program_good(&p, out));
	program_free(&p);
	return good;
}

/* ---- SOFTMAX ----------------------------------------------------------------------------------- */

/* As TensorFlow Lite prepares it: beta * scale in Q5.26. */
static void softmax_scale(double real, s32 *m, s32 *shift, s32 *diff_min)
{
	int exponent;
	double q = frexp(fmin(real * (1 << 26), 2147483647.0), &exponent);

	*m = (s32)fmin(round(q * 2147483648.0), 2147483647.0);
	*shift = exponent < 0 ? 0 : exponent;
	*diff_min = -(s32)floor(31.0 * (1 << 26) / (double)(1ll << *shift));
}

static bool softmax_close(const struct program_tensor *in, const struct program_tensor *out,
			  double real)
{
	u64 depth = in->ref.rank ? in->ref.dim[in->ref.rank - 1] : 1;
	u64 r, i, rows = ref_elements(&in->ref) / depth;
	double sum, want;
	s64 max;

	for (r = 0; r < rows; r++) {
		max = INT64_MIN;
		for (i = 0; i < depth; i++)
			max = in->ref.v[r * depth + i] > max ? in->ref.v[r * depth + i] : max;
		for (i = 0, sum = 0; i < depth; i++)
			sum += exp(real * (double)(in->ref.v[r * depth + i] - max));
		for (i = 0; i < depth; i++) {
			want = 256 * exp(real * (double)(in->ref.v[r * depth + i] - max)) / sum;
			want = fmin(want, 255);
			if (fabs((double)(out->ref.v[r * depth + i] - out->ref.zero_point) -
				 want) > 0.52) {
				printf("# not close to the real softmax, scale %g\n", real);
				return false;
			}
		}
	}
	return true;
}

static bool softmax_case(u32 n)
{
	struct npu_cmd_softmax c = {
		.cmd.opcode = cpu_to_le16(NPU_OP_SOFTMAX),
		.cmd.size = cpu_to_le32(sizeof(c)),
	};
	u32 type = quant_types[n % 2];
	u32 dim[6], rank = (u32)test_range(0, 4);
	double real = pow(2, (double)test_range(-70, 20) / 10);
	struct program_tensor *in, *out;
	s32 m, shift, diff_min;
	struct program p;
	bool in_place = test_chance(30);
	bool good;
	u32 i;

	for (i = 0; i < rank; i++)
		dim[i] = small(6);
	if (rank)
		dim[rank - 1] = small(test_chance(10) ? 5000 : 30);
	softmax_scale(real, &m, &shift, &diff_min);
	program_init(&p, space);
	in = program_tensor(&p, type, rank, dim, zero_point(type), layout(), in_place);
	out = program_tensor(&p, type, rank, dim, type == NPU_TYPE_S8 ? -128 : 0, layout(), true);
	c.in = in->raw;
	c.out = out->raw;
	if (in_place) {
		make_in_place(&p, in);
		c.out = in->raw;
		c.out.zero_point = out->raw.zero_point;
	}
	c.beta = scale(m, shift);
	c.diff_min = cpu_to_le32((u32)diff_min);
	ref_softmax(&in->ref, &out->ref, m, shift, diff_min);
	good = softmax_close(in, out, real) && !program_run(&p, &c, sizeof(c)) &&
	       (in_place ? good_in_place(&p, in, out) : program_good(&p, out));
	program_free(&p);
	return good;
}

/*
 * ---- LOG_SOFTMAX, SOFTMAX16, L2_NORM: close to what they stand for; tests/lib has the bits ----
 */

/* @diff_min: differences below it are the least result of LOG_SOFTMAX, whatever their scale */
static bool norm_close(const struct program_tensor *in, const struct program_tensor *out,
		       u32 opcode, double real, s32 diff_min)
{
	u64 depth = in->ref.rank ? in->ref.dim[in->ref.rank - 1] : 1;
	u64 r, i, rows = ref_elements(&in->ref) / depth;
	double sum, want, x, off;
	s64 max;

	for (r = 0; r < rows; r++) {
		max = INT64_MIN;
		for (i = 0; i < depth; i++)
			max = in->ref.v[r * depth + i] > max ? in->ref.v[r * depth + i] : max;
		for (i = 0, sum = 0; i < depth; i++) {
			x = (double)(in->ref.v[r * depth + i] - in->ref.zero_point);
			sum += opcode == NPU_OP_L2_NORM ? x * x :
			       exp(real * (double)(in->ref.v[r * depth + i] - max));
		}
		for (i = 0; i < depth; i++) {
			x = (double)(in->ref.v[r * depth + i] - max) * real;
			if (opcode == NPU_OP_L2_NORM)
				want = fmin(128 * (double)(in->ref.v[r * depth + i] -
							   in->ref.zero_point) / sqrt(sum), 127);
			else if (opcode == NPU_OP_LOG_SOFTMAX)
				want = x < diff_min * real ? -255 : fmax(16 * (x - log(sum)), -255);
			else
				want = fmin(32768 * exp(x) / sum, 32767);
			off = fabs((double)(out->ref.v[r * depth + i] - out->ref.zero_point) - want);
			/* Between the entries of a table of 16 bits lies a straight line. */
			if (sum > 0 && off > (opcode == NPU_OP_SOFTMAX16 ? 40 : 1.1)) {
				printf("# 0x%x, scale %g: %g, not %g\n", opcode, real,
				       (double)(out->ref.v[r * depth + i] - out->ref.zero_point),
				       want);
				return false;
			}
		}
	}
	return true;
}

static struct npu_ref norm_tables(struct program *p)
{
	s16 table[2][NPU_SOFTMAX16_ENTRIES];
	u32 i;

	for (i = 0; i < NPU_SOFTMAX16_ENTRIES; i++) {
		table[0][i] = (s16)fmin(round(32767.5 * exp(10 * (i / 512.0 - 1))), 32767);
		table[1][i] = (s16)fmin(round(32767.5 / (1 + i / 512.0)), 32767);
	}
	return program_array(p, table, sizeof(table), 2);
}

static bool norm_case(u32 n)
{
	static const u32 opcodes[] = { NPU_OP_LOG_SOFTMAX, NPU_OP_SOFTMAX16, NPU_OP_L2_NORM };
	union {
		struct npu_cmd cmd;
		struct npu_cmd_log_softmax log;
		struct npu_cmd_softmax16 soft;
		struct npu_cmd_l2_norm norm;
	} c = { .cmd.opcode = cpu_to_le16((u16)opcodes[n % 3]) };
	u32 type = n % 3 == 1 ? NPU_TYPE_S16 : n % 3 == 0 && n % 2 ? NPU_TYPE_U8 : NPU_TYPE_S8;
	u32 dim[6], rank = (u32)test_range(0, 4), size, i;
	double real = pow(2, (double)test_range(-70, n % 3 ? 0 : 20) / 10);
	struct program_tensor *in, *out;
	s32 m, shift, diff_min, reverse_min;
	struct program p;
	bool good;

	if (n % 3 == 1)
		real /= 512;
	for (i = 0; i < rank; i++)
		dim[i] = small(6);
	if (rank)
		dim[rank - 1] = small(test_chance(10) ? 4000 : 30);
	program_init(&p, space);
	in = program_tensor(&p, type, rank, dim, zero_point(type), layout(), false);
	out = program_tensor(&p, type, rank, dim,
			     n % 3 ? 0 : type == NPU_TYPE_U8 ? 255 : 127, layout(), true);
	c.norm.in = in->raw;
	c.norm.out = out->raw;
	softmax_scale(n % 3 == 1 ? real * 6553.5 / (1 << 26) : real, &m, &shift, &diff_min);
	size = sizeof(c.norm);
	if (n % 3 == 0) {
		c.log.beta = scale(m, shift);
		c.log.diff_min = cpu_to_le32((u32)diff_min);
		softmax_scale((double)(1ll << (31 - shift)) / m / (1 << 26), &m, &shift,
			      &reverse_min);
		c.log.reverse = scale(m, ilogb((double)(1ll << (31 - le32_to_cpu(c.log.beta.shift))) /
					       le32_to_cpu(c.log.beta.multiplier)) + 1);
		size = sizeof(c.log);
	} else if (n % 3 == 1) {
		c.soft.beta = scale(m, ilogb(real * 6553.5) + 1);
		c.soft.tables = norm_tables(&p);
		size = sizeof(c.soft);
	}
	c.cmd.size = cpu_to_le32(size);
	good = !program_run(&p, &c, size);
	program_read(&p, out);
	good = good && norm_close(in, out, opcodes[n % 3], real, diff_min);
	program_free(&p);
	return good;
}

/* ---- COPY, PAD, RESIZE ---------------------------------------------------------------------------- */

static bool copy_case(u32 n)
{
	struct npu_cmd_copy c = {
		.cmd.opcode = cpu_to_le16(NPU_OP_COPY),
		.cmd.size = cpu_to_le32(sizeof(c)),
	};
	u32 type = all_types[n % 6];
	u32 dim[6], rank = shape(dim);
	struct program_tensor *in, *out;
	struct program p;
	bool good;

	program_init(&p, space);
	in = program_tensor(&p, type, rank, dim, 0, layout(), false);
	out = program_tensor(&p, type, rank, dim, 0, layout(), true);
	c.in = in->raw;
	c.out = out->raw;
	memcpy(out->ref.v, in->ref.v, ref_elements(&in->ref) * sizeof(*in->ref.v));
	good = !program_run(&p, &c, sizeof(c)) && program_good(&p, out);
	program_free(&p);
	return good;
}

static bool pad_case(u32 n)
{
	struct npu_cmd_pad c = {
		.cmd.opcode = cpu_to_le16(NPU_OP_PAD),
		.cmd.size = cpu_to_le32(sizeof(c)),
	};
	u32 type = all_types[n % 6];
	u32 in[6], to[6], before[6] = { 0 }, rank = shape(in);
	struct program_tensor *ti, *out;
	struct program p;
	bool good;
	s64 value;
	u32 i;

	for (i = 0; i < rank; i++) {
		before[i] = (u32)test_range(0, 3);
		to[i] = in[i] + before[i] + (u32)test_range(0, 3);
		c.before[i] = cpu_to_le32(before[i]);
	}
	value = type == NPU_TYPE_S64 ? (s64)test_random() :
		test_range(program_type_min(type), program_type_max(type));
	program_init(&p, space);
	ti = program_tensor(&p, type, rank, in, 0, layout(), false);
	out = program_tensor(&p, type, rank, to, 0, layout(), true);
	c.in = ti->raw;
	c.out = out->raw;
	c.value = cpu_to_le64((u64)value);
	ref_pad(&ti->ref, &out->ref, before, value);
	good = !program_run(&p, &c, sizeof(c)) && program_good(&p, out);
	program_free(&p);
	return good;
}

static s64 resize_index(s64 x, const struct npu_resize_axis *a, s64 size)
{
	s64 den = (s64)le32_to_cpu(a->den);
	s64 v = x * (s64)le32_to_cpu(a->num) + (s32)le32_to_cpu(a->add);

	v = v >= 0 ? v / den : -((-v + den - 1) / den);
	return v < 0 ? 0 : v >= size ? size - 1 : v;
}

/* Distance of output @x from input 0, in 1024ths of that of two inputs. */
static s64 resize_place(s64 x, const struct npu_resize_axis *axis, s64 size)
{
	s64 at = x * le32_to_cpu(axis->num) + (s32)le32_to_cpu(axis->add);

	return at < 0 ? 0 : at > (size - 1) * 1024 ? (size - 1) * 1024 : at;
}

static void resize_mix(const struct ref_tensor *in, struct ref_tensor *out,
		       const struct npu_resize_axis *axis)
{
	const uint32_t *d = in->dim;
	s64 sum, wy, wx, y, x;
	uint64_t i, rest, image;
	int k;

	for (i = 0; i < ref_elements(out); i++) {
		rest = i / d[3];
		x = resize_place((s64)(rest % out->dim[2]), &axis[1], d[2]);
		rest /= out->dim[2];
		y = resize_place((s64)(rest % out->dim[1]), &axis[0], d[1]);
		image = rest / out->dim[1];
		sum = 0;
		for (k = 0; k < 4; k++) {
			wy = k & 1 ? y % 1024 : 1024 - y % 1024;
			wx = k & 2 ? x % 1024 : 1024 - x % 1024;
			if (wy && wx)
				sum += wy * wx * in->v[((image * d[1] + (u64)y / 1024 + (k & 1)) *
							d[2] + (u64)x / 1024 + (k >> 1)) * d[3] +
						       i % d[3]];
		}
		out->v[i] = sum > 0 ? (sum + (1 << 19)) >> 20 : -((-sum + (1 << 19)) >> 20);
	}
}

static bool resize_case(u32 n)
{
	struct npu_cmd_resize c = {
		.cmd.opcode = cpu_to_le16(NPU_OP_RESIZE),
		.cmd.size = cpu_to_le32(sizeof(c)),
	};
	bool mix = n % 3 == 2;
	u32 type = mix ? quant_types[n / 3 % 3] : all_types[n % 6];
	u32 in[4] = { small(2), small(12), small(12), small(test_chance(5) ? 6000 : 20) };
	u32 out[4] = { in[0], small(12), small(12), in[3] };
	struct program_tensor *ti, *to;
	struct program p;
	s64 b, y, x, k, at = 0;
	bool good;
	u32 i;

	for (i = 0; i < 2; i++) {
		c.axis[i].num = cpu_to_le32(test_chance(80) ? in[1 + i] : (u32)test_range(0, 0x7fffffff));
		c.axis[i].den = cpu_to_le32(test_chance(80) ? out[1 + i] : (u32)test_range(1, 0x7fffffff));
		c.axis[i].add = cpu_to_le32((u32)test_range(-10, 10));
		if (mix) {
			c.axis[i].num = cpu_to_le32(1024 * in[1 + i] / out[1 + i]);
			c.axis[i].den = cpu_to_le32(1024);
			c.axis[i].add = cpu_to_le32((u32)test_range(-2000, 2000));
		}
	}
	c.mode = cpu_to_le32(mix ? NPU_RESIZE_BILINEAR : NPU_RESIZE_NEAREST);
	program_init(&p, space);
	ti = program_tensor(&p, type, 4, in, 0, layout(), false);
	to = program_tensor(&p, type, 4, out, 0, layout(), true);
	c.in = ti->raw;
	c.out = to->raw;
	if (mix)
		resize_mix(&ti->ref, &to->ref, c.axis);
	else
	for (b = 0; b < out[0]; b++)
	for (y = 0; y < out[1]; y++)
	for (x = 0; x < out[2]; x++)
	for (k = 0; k < out[3]; k++)
		to->ref.v[at++] = ti->ref.v[((b * in[1] + resize_index(y, &c.axis[0], in[1])) *
					     in[2] + resize_index(x, &c.axis[1], in[2])) *
					    in[3] + k];
	good = !program_run(&p, &c, sizeof(c)) && program_good(&p, to);
	program_free(&p);
	return good;
}

/* ---- TIMESTAMP, NOP ------------------------------------------------------------------------------------ */

static bool timestamp_case(u32 n)
{
	struct npu_timestamp stamp;
	struct {
		struct npu_cmd_nop nop;
		struct npu_cmd_timestamp stamp;
	} c = {
		.nop.cmd.size = cpu_to_le32(sizeof(c.nop)),
		.stamp.cmd.opcode = cpu_to_le16(NPU_OP_TIMESTAMP),
		.stamp.cmd.size = cpu_to_le32(sizeof(c.stamp)),
		.stamp.out.offset = cpu_to_le64(8 * (n % 7)),
	};
	struct program p;
	u64 va = host_alloc(space, 8192, HOST_RW);
	bool good;

	program_init(&p, space);
	p.base[0].va = cpu_to_le64(va + 4000);
	p.base[0].size = cpu_to_le64(8 * (n % 7) + sizeof(stamp));
	p.base[0].flags = cpu_to_le32(NPU_BASE_WRITE);
	p.bases = 1;
	good = !program_run(&p, &c, sizeof(c));
	host_read(space, va + 4000 + 8 * (n % 7), &stamp, sizeof(stamp));
	good = good && le64_to_cpu(stamp.time) > le64_to_cpu(p.result.report.start) &&
	       le64_to_cpu(stamp.time) < le64_to_cpu(p.result.report.end) &&
	       le64_to_cpu(stamp.cycles) == 16 && !stamp.macs && !stamp.bytes;
	host_release(space, va, 8192);
	return good;
}

/* ---- Main ------------------------------------------------------------------------------------------------- */

static void run(const char *name, bool (*one)(u32 n), u32 cases, u64 seed)
{
	u32 failed = 0;
	u32 n;

	for (n = 0; n < cases; n++) {
		test_state = seed + n * 1000003ull;
		if (!one(n)) {
			printf("# %s: case %u fails\n", name, n);
			failed++;
		}
	}
	test_ok(!failed, "%s: %u random cases", name, cases);
}

int main(void)
{
	const char *text = getenv("NPU_CASES");
	u32 cases = text ? (u32)strtoul(text, NULL, 0) : 300;
	u64 seed = test_seed();

	host = host_new(NULL);
	host_enable(host, 4);
	space = host_space_new(host, 7);
	run("CONV2D", conv2d_case, cases, seed);
	run("DEPTHWISE", depthwise_case, cases, seed);
	run("MATMUL", matmul_case, cases, seed);
	run("POOL", pool_case, cases, seed);
	run("REDUCE", reduce_case, cases * 2, seed);
	run("ELTWISE", eltwise_case, cases * 4, seed);
	run("REQUANT", requant_case, cases, seed);
	run("LUT", lut_case, cases, seed);
	run("SOFTMAX", softmax_case, cases, seed);
	run("LOG_SOFTMAX, SOFTMAX16, L2_NORM", norm_case, cases, seed);
	run("COPY", copy_case, cases, seed);
	run("PAD", pad_case, cases, seed);
	run("RESIZE", resize_case, cases, seed);
	run("NOP and TIMESTAMP", timestamp_case, 20, seed);
	test_eq(npu_model_bus_errors(host->model), 0, "no bus error");
	host_space_free(space);
	test_eq(host_free(host), 0, "the model gave all memory back");
	return test_done();
}

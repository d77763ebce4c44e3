// SPDX-License-Identifier: MIT
/*
 * Operators with a state, SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM: sequences of
 * general commands, with the variables in a base of their own.
 */
#include <math.h>

#include "ops.h"

/* ---- Parts of both ---- */

/* A variable, or an input, of a type and with one scale. */
static bool get_operand(const struct op *op, unsigned int i, enum npu_type type, bool state,
			struct act *act)
{
	struct value *v = op_input(op, i);

	act->v = v;
	if (!v)
		return op_fail(op, DAMAGED, "input %u is left out", i);
	if (v->type != type)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' is %s, supported is %s", NAME(v),
			       tfl_type_name(v->tfl.type), type == NPU_TYPE_S16 ? "int16" : "int8");
	if (v->state != state)
		return op_fail(op, DAMAGED, "tensor '%.*s' is %s variable", NAME(v),
			       state ? "no" : "a");
	return tensor_quant(op, v, &act->scale, &act->zero_point);
}

static bool get_weights(const struct op *op, unsigned int i, enum npu_type type, uint32_t rows,
			uint32_t columns, struct act *act)
{
	return get_operand(op, i, type, false, act) && want_rank(op, act->v, 2) &&
	       want_dim(op, act->v, 0, rows) && want_dim(op, act->v, 1, columns) &&
	       (!act->zero_point ||
		op_fail(op, UNSUPPORTED, "weights '%.*s' have zero point %d", NAME(act->v),
			act->zero_point));
}

/* The accumulators themselves. */
static void raw_sums(struct npu_requant *rq, unsigned int axis)
{
	*rq = (struct npu_requant) {
		.rounding = NPU_ROUND_NONE,
		.axis = (uint8_t)axis,
		.clamp_min = (uint32_t)INT32_MIN,
		.clamp_max = INT32_MAX,
	};
}

/* @early: the limits of the type are also those of the value without the zero point. */
static bool emit_requant(struct op *op, const struct npu_tensor *in, const struct npu_tensor *out,
			 double real, bool early)
{
	struct npu_cmd_requant cmd = { .in = *in, .out = *out };
	int32_t zp = (int32_t)out->zero_point;

	full_range(out->type, &cmd.clamp_min, &cmd.clamp_max);
	if (early && zp > 0)
		cmd.clamp_min += (uint32_t)zp;
	if (early && zp < 0)
		cmd.clamp_max += (uint32_t)zp;
	return get_factor(op, real, &cmd.scale) && op_emit(op, &cmd, NPU_OP_REQUANT);
}

/* Rows of S16 times rows of @weights, in 64 bits, scaled to S16. */
static bool emit_wide_sums(struct op *op, const struct npu_tensor *in, const struct act *weights,
			   unsigned int bias, double real, const struct npu_tensor *out)
{
	struct npu_cmd_matmul cmd = {
		.a = *in, .out = *out,
		.requant = { .rounding = NPU_ROUND_WIDE, .axis = 1, .count = 1 },
	};
	struct npu_scale scale;

	op_tensor(op, weights->v, &cmd.b);
	full_range(NPU_TYPE_S16, &cmd.requant.clamp_min, &cmd.requant.clamp_max);
	if (!get_factor(op, real, &scale))
		return false;
	if ((int32_t)scale.shift > NPU_ROUND_WIDE_SHIFT)
		return op_fail(op, UNSUPPORTED, "weights '%.*s' have scale %g", NAME(weights->v),
			       weights->scale);
	return op_constant(op, &scale, sizeof(scale), &cmd.requant.scale) &&
	       get_bias(op, bias, cmd.b.dim[0], &cmd.requant) && op_emit(op, &cmd, NPU_OP_MATMUL);
}

/* Rows of @in times rows of @weights, and scaled. */
static bool emit_sums(struct op *op, const struct npu_tensor *in, const struct act *weights,
		      unsigned int bias, double real, const struct npu_tensor *out)
{
	struct npu_cmd_matmul cmd = { .a = *in };

	if (in->type == NPU_TYPE_S16)
		return emit_wide_sums(op, in, weights, bias, real, out);
	op_tensor(op, weights->v, &cmd.b);
	op_scratch(op, NPU_TYPE_S32, 2, (uint32_t[]) { in->dim[0], cmd.b.dim[0] }, &cmd.out);
	raw_sums(&cmd.requant, 1);
	return get_bias(op, bias, cmd.b.dim[0], &cmd.requant) &&
	       op_emit(op, &cmd, NPU_OP_MATMUL) &&
	       emit_requant(op, &cmd.out, out, real, true);
}

/* ---- SVDF ---- */

struct svdf {
	struct act in, feature, time, state, out;
	uint32_t batches, filters, units, rank, memory;
};

static bool get_svdf(struct op *op, struct svdf *s)
{
	struct value *in = op_input(op, 0), *time = op_input(op, 2);
	enum npu_type type = time->type == NPU_TYPE_S8 ? NPU_TYPE_S8 : NPU_TYPE_S16;

	s->rank = (uint32_t)fb_i32(&op->tfl.options, SVDF_RANK, 0);
	if (fb_i8(&op->tfl.options, SVDF_ACTIVATION, 0) != TFL_ACT_RELU)
		return op_fail(op, UNSUPPORTED, "fused activation %d, supported is RELU",
			       fb_i8(&op->tfl.options, SVDF_ACTIVATION, 0));
	if (!want_rank(op, in, 2) || !want_rank(op, time, 2))
		return false;
	s->batches = in->dim[0];
	s->filters = time->dim[0];
	s->memory = time->dim[1];
	if (!s->rank || s->filters % s->rank)
		return op_fail(op, DAMAGED, "rank %u of %u filters", s->rank, s->filters);
	s->units = s->filters / s->rank;
	return get_operand(op, 0, NPU_TYPE_S8, false, &s->in) &&
	       get_weights(op, 1, NPU_TYPE_S8, s->filters, in->dim[1], &s->feature) &&
	       get_weights(op, 2, type, s->filters, s->memory, &s->time) &&
	       get_operand(op, 4, type, true, &s->state) &&
	       want_rank(op, s->state.v, 2) && want_dim(op, s->state.v, 0, s->batches) &&
	       want_dim(op, s->state.v, 1, (uint64_t)s->filters * s->memory) &&
	       get_act(op, op_output(op), &s->out) && want_rank(op, s->out.v, 2) &&
	       want_dim(op, s->out.v, 0, s->batches) && want_dim(op, s->out.v, 1, s->units);
}

/* The oldest features leave, by way of scratch: a copy does not overlap itself. */
static bool emit_svdf_shift(struct op *op, struct svdf *s, const struct npu_tensor *state)
{
	struct npu_tensor kept, old = *state, young = *state;

	if (s->memory == 1)
		return true;
	old.dim[2]--;
	young.dim[2]--;
	young.offset += young.stride[2];
	op_scratch(op, state->type, 3, old.dim, &kept);
	return emit_copy(op, &young, &kept) && emit_copy(op, &kept, &old);
}

bool emit_svdf(struct op *op)
{
	struct npu_cmd_conv cmd = { .stride = { 1, 1 }, .dilation = { 1, 1 } };
	struct npu_tensor in, state, newest, out;
	uint32_t run, width;
	struct svdf s;

	if (!get_svdf(op, &s))
		return false;
	op_tensor(op, s.state.v, &state);
	op_reshape(&state, 3, (uint32_t[]) { s.batches, s.filters, s.memory });
	if (!emit_svdf_shift(op, &s, &state))
		return false;
	/* Features of this input come last. */
	newest = state;
	newest.rank = 2;
	newest.dim[2] = 0;
	newest.stride[2] = 0;
	width = npu_type_size(state.type);
	newest.offset += (s.memory - 1) * width;
	op_tensor(op, s.in.v, &in);
	if (!emit_sums(op, &in, &s.feature, ~0u,
		       (double)(s.in.scale * s.feature.scale / s.state.scale), &newest))
		return false;
	/* A unit is a channel: what its filters remember, one below the other. */
	run = s.rank * s.memory;
	cmd.in = state;
	op_reshape(&cmd.in, 4, (uint32_t[]) { s.batches, s.units, run, 1 });
	cmd.in.dim[1] = run;
	cmd.in.stride[1] = width;
	cmd.in.dim[2] = 1;
	cmd.in.dim[3] = s.units;
	cmd.in.stride[3] = run * width;
	op_tensor(op, s.time.v, &cmd.weight);
	cmd.weight.rank = 4;
	memcpy(cmd.weight.dim, cmd.in.dim, sizeof(cmd.weight.dim));
	memcpy(cmd.weight.stride, cmd.in.stride, sizeof(cmd.weight.stride));
	cmd.weight.dim[0] = 1;
	op_scratch(op, NPU_TYPE_S32, 4, (uint32_t[]) { s.batches, 1, 1, s.units }, &cmd.out);
	raw_sums(&cmd.requant, 3);
	op_tensor(op, s.out.v, &out);
	op_reshape(&out, 4, cmd.out.dim);
	return get_bias(op, 3, s.units, &cmd.requant) && op_emit(op, &cmd, NPU_OP_DEPTHWISE) &&
	       emit_requant(op, &cmd.out, &out,
			    (double)(s.state.scale * s.time.scale / s.out.scale), false);
}

/* ---- UNIDIRECTIONAL_SEQUENCE_LSTM ---- */

#define GATE_SCALE	(1.0 / 4096)	/* of what goes into a gate: 3 integer bits */
#define UNIT_SCALE	(1.0 / 32768)	/* of what is between -1 and 1 */

enum { GATE_INPUT, GATE_FORGET, GATE_CELL, GATE_OUTPUT, GATES };

/* Numbers of the operator's inputs */
enum {
	LSTM_INPUT = 0, LSTM_INPUT_WEIGHTS = 1, LSTM_HIDDEN_WEIGHTS = 5, LSTM_PEEPHOLE = 9,
	LSTM_BIAS = 12, LSTM_PROJECTION = 16, LSTM_HIDDEN = 18, LSTM_CELL = 19, LSTM_NORM = 20,
	LSTM_INPUTS = 24
};

struct lstm {
	struct act in, out, hidden, cell;
	struct act input_weights[GATES], hidden_weights[GATES];
	uint32_t batches, steps, inputs, cells;
	bool time_major;
	double clip;
	struct npu_ref sigmoid, tanh, cell_tanh;
	/* Of one step, [batches, cells] */
	struct npu_tensor gate[GATES], other, product, h, c;
};

static bool get_lstm_weights(struct op *op, struct lstm *l)
{
	unsigned int g;

	for (g = 0; g < GATES; g++) {
		if (!get_weights(op, LSTM_INPUT_WEIGHTS + g, NPU_TYPE_S8, l->cells, l->inputs,
				 &l->input_weights[g]) ||
		    !get_weights(op, LSTM_HIDDEN_WEIGHTS + g, NPU_TYPE_S8, l->cells, l->cells,
				 &l->hidden_weights[g]))
			return false;
	}
	return true;
}

/* What this form of the operator has not. */
static bool check_lstm_kind(struct op *op)
{
	static const struct {
		unsigned int first, last;
		const char *name;
	} parts[] = {
		{ LSTM_PEEPHOLE, LSTM_BIAS, "peephole connections" },
		{ LSTM_PROJECTION, LSTM_HIDDEN, "a projection" },
		{ LSTM_NORM, LSTM_INPUTS, "layer normalisation" },
	};
	unsigned int i, k;

	for (k = 0; k < ARRAY_SIZE(parts); k++)
		for (i = parts[k].first; i < parts[k].last; i++)
			if (op_input(op, i))
				return op_fail(op, UNSUPPORTED, "%s", parts[k].name);
	if (fb_i8(&op->tfl.options, LSTM_ACTIVATION, 0) != TFL_ACT_TANH)
		return op_fail(op, UNSUPPORTED, "fused activation %d, supported is TANH",
			       fb_i8(&op->tfl.options, LSTM_ACTIVATION, 0));
	if (fb_i8(&op->tfl.options, LSTM_DIAGONAL, 0))
		return op_fail(op, UNSUPPORTED, "diagonal recurrent weights");
	return true;
}

static bool get_lstm(struct op *op, struct lstm *l)
{
	struct value *in = op_input(op, LSTM_INPUT);
	enum npu_type type = in->type == NPU_TYPE_S16 ? NPU_TYPE_S16 : NPU_TYPE_S8;

	l->time_major = fb_i8(&op->tfl.options, LSTM_TIME_MAJOR, 0);
	if (!check_lstm_kind(op) || !want_rank(op, in, 3) ||
	    !get_operand(op, LSTM_INPUT, type, false, &l->in) ||
	    !get_operand(op, LSTM_HIDDEN, type, true, &l->hidden) ||
	    !get_operand(op, LSTM_CELL, NPU_TYPE_S16, true, &l->cell) ||
	    !get_act(op, op_output(op), &l->out) || !want_same_quant(op, &l->hidden, &l->out))
		return false;
	if (l->out.v->type != type)
		return op_fail(op, UNSUPPORTED, "tensor '%.*s' is %s, the input is not",
			       NAME(l->out.v), tfl_type_name(l->out.v->tfl.type));
	if (l->time_major && op->c->batch)
		return op_fail(op, UNSUPPORTED, "its first dimension is time, not a batch");
	l->batches = in->dim[l->time_major];
	l->steps = in->dim[!l->time_major];
	l->inputs = in->dim[2];
	if (!want_rank(op, l->hidden.v, 2) || !want_rank(op, l->cell.v, 2) ||
	    !want_rank(op, l->out.v, 3))
		return false;
	l->cells = l->hidden.v->dim[1];
	return want_dim(op, l->hidden.v, 0, l->batches) && want_dim(op, l->cell.v, 0, l->batches) &&
	       want_dim(op, l->cell.v, 1, l->cells) && want_dim(op, l->out.v, 0, in->dim[0]) &&
	       want_dim(op, l->out.v, 1, in->dim[1]) && want_dim(op, l->out.v, 2, l->cells) &&
	       get_lstm_weights(op, l);
}

/* Tables, the clip of the cell, and memory for one step. */
static bool prepare_lstm(struct op *op, struct lstm *l)
{
	uint32_t dim[2] = { l->batches, l->cells };
	float clip = fb_f32(&op->tfl.options, LSTM_CELL_CLIP, 0);
	int exponent;
	unsigned int g;

	if (frexpf(l->cell.scale, &exponent) != 0.5f || exponent - 1 < -12 || exponent - 1 > 3)
		return op_fail(op, UNSUPPORTED,
			       "cell state '%.*s' has scale %g, must be a power of two from 2^-12 to 2^3",
			       NAME(l->cell.v), l->cell.scale);
	l->clip = INT16_MAX + 1;
	if (clip > 0)
		l->clip = (double)clip / (double)l->cell.scale;
	for (g = 0; g < GATES; g++)
		op_scratch(op, NPU_TYPE_S16, 2, dim, &l->gate[g]);
	op_scratch(op, NPU_TYPE_S16, 2, dim, &l->other);
	op_scratch(op, NPU_TYPE_S32, 2, dim, &l->product);
	op_tensor(op, l->hidden.v, &l->h);
	op_tensor(op, l->cell.v, &l->c);
	/* TANH of what has the scale of the gates, and of the cell. */
	return get_wide_table(op, false, 3, 0, &l->sigmoid) &&
	       get_wide_table(op, true, 3, 0, &l->tanh) &&
	       get_wide_table(op, true, 3 << (exponent - 1 + 12), 0, &l->cell_tanh);
}

/* @a += @b, between -@limit - 1 and @limit; the factors are 1. */
static bool emit_add(struct op *op, const struct npu_tensor *a, const struct npu_tensor *b,
		     int32_t low, int32_t high)
{
	const struct npu_scale one = { .multiplier = 1 << 30, .shift = 1 };
	struct npu_cmd_eltwise cmd = {
		.a = *a, .b = *b, .out = *a, .op = NPU_ELTWISE_ADD,
		.scale_a = one, .scale_b = one, .scale_out = one,
		.clamp_min = (uint32_t)low, .clamp_max = (uint32_t)high,
	};

	return op_emit(op, &cmd, NPU_OP_ELTWISE);
}

static bool emit_mul(struct op *op, const struct npu_tensor *a, const struct npu_tensor *b,
		     const struct npu_tensor *out, double real)
{
	struct npu_cmd_eltwise cmd = {
		.a = *a, .b = *b, .out = *out, .op = NPU_ELTWISE_MUL,
		.clamp_min = (uint32_t)INT16_MIN, .clamp_max = INT16_MAX,
	};

	return get_factor(op, real, &cmd.scale_out) && op_emit(op, &cmd, NPU_OP_ELTWISE);
}

/* As images of one pixel. */
static void as_pixel(struct npu_tensor *t, const struct lstm *l)
{
	op_reshape(t, 4, (uint32_t[]) { 1, 1, 1, l->batches * l->cells });
}

/* Products of S16 as S32, which no element-wise command has: weights that are values. */
static bool emit_products(struct op *op, const struct lstm *l, const struct npu_tensor *a,
			  const struct npu_tensor *b, const struct npu_tensor *out)
{
	struct npu_cmd_conv cmd = {
		.in = *a, .weight = *b, .out = *out, .stride = { 1, 1 }, .dilation = { 1, 1 },
	};

	as_pixel(&cmd.in, l);
	as_pixel(&cmd.weight, l);
	as_pixel(&cmd.out, l);
	raw_sums(&cmd.requant, 3);
	return op_emit(op, &cmd, NPU_OP_DEPTHWISE);
}

static bool emit_gate(struct op *op, struct lstm *l, unsigned int g, const struct npu_tensor *x)
{
	const struct act *wx = &l->input_weights[g], *wh = &l->hidden_weights[g];
	struct npu_tensor *gate = &l->gate[g];
	uint64_t scratch = op->scratch;
	bool good;

	good = emit_sums(op, x, wx, LSTM_BIAS + g, (double)(l->in.scale * wx->scale) / GATE_SCALE,
			 gate) &&
	       emit_sums(op, &l->h, wh, ~0u, (double)(l->hidden.scale * wh->scale) / GATE_SCALE,
			 &l->other);
	op->scratch = scratch;
	return good && emit_add(op, gate, &l->other, INT16_MIN, INT16_MAX) &&
	       emit_lut(op, gate, gate, g == GATE_CELL ? &l->tanh : &l->sigmoid);
}

static bool emit_cell(struct op *op, struct lstm *l)
{
	double scale = (double)l->cell.scale;
	int32_t low = INT16_MIN, high = INT16_MAX;

	if (l->clip <= INT16_MAX) {
		high = (int32_t)l->clip;
		low = -high;
	}
	return emit_mul(op, &l->gate[GATE_FORGET], &l->c, &l->c, UNIT_SCALE * scale / scale) &&
	       emit_mul(op, &l->gate[GATE_INPUT], &l->gate[GATE_CELL], &l->other,
			UNIT_SCALE * UNIT_SCALE / scale) &&
	       emit_add(op, &l->c, &l->other, low, high);
}

static bool emit_hidden(struct op *op, struct lstm *l)
{
	return emit_lut(op, &l->c, &l->other, &l->cell_tanh) &&
	       emit_products(op, l, &l->gate[GATE_OUTPUT], &l->other, &l->product) &&
	       emit_requant(op, &l->product, &l->h,
			    UNIT_SCALE * UNIT_SCALE / (double)l->hidden.scale, false);
}

/* [batches, ...] at a step of [batches, steps, ...] or [steps, batches, ...] */
static void take_step(struct npu_tensor *t, const struct lstm *l, uint32_t step)
{
	unsigned int along = !l->time_major;

	t->offset += step * t->stride[along];
	if (l->time_major) {
		t->dim[0] = t->dim[1];
		t->stride[0] = t->stride[1];
	}
	t->dim[1] = t->dim[2];
	t->stride[1] = t->stride[2];
	t->rank = 2;
	t->dim[2] = 0;
	t->stride[2] = 0;
}

bool emit_lstm(struct op *op)
{
	struct npu_tensor x, y;
	struct lstm l;
	unsigned int g;
	uint32_t step;

	if (!get_lstm(op, &l) || !prepare_lstm(op, &l))
		return false;
	for (step = 0; step < l.steps; step++) {
		op_tensor(op, l.in.v, &x);
		op_tensor(op, l.out.v, &y);
		take_step(&x, &l, step);
		take_step(&y, &l, step);
		for (g = 0; g < GATES; g++)
			if (!emit_gate(op, &l, g, &x))
				return false;
		if (!emit_cell(op, &l) || !emit_hidden(op, &l) || !emit_copy(op, &l.h, &y))
			return false;
	}
	return true;
}

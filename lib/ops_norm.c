// SPDX-License-Identifier: MIT
/* Operators that see a whole row before they write it. */
#include <math.h>

#include "ops.h"

static bool get_rows(struct op *op, struct act *in, struct act *out, float scale, int32_t zp)
{
	return get_acts(op, in, out) && want_same_shape(op, in->v, out->v) &&
	       (in->v->rank ||
		op_fail(op, DAMAGED, "tensor '%.*s' has no dimension", NAME(in->v))) &&
	       (!in->v->batched || in->v->rank > 1 ||
		op_fail(op, UNSUPPORTED, "tensor '%.*s' is one row of the whole batch",
			NAME(in->v))) &&
	       want_output_quant(op, out, scale, zp);
}

/* ---- SOFTMAX and LOG_SOFTMAX: Q5.26 holds a difference ---- */

static bool get_beta(const struct op *op, const struct act *in, float beta, struct npu_scale *scale,
		     __le32 *diff_min)
{
	double factor = (double)beta * (double)in->scale * (double)(1 << 26);

	if (!(factor > 1))
		return op_fail(op, UNSUPPORTED, "beta %g times scale %g is too small", beta,
			       in->scale);
	quant_scale(factor < (double)INT32_MAX ? factor : (double)INT32_MAX, scale);
	*diff_min = (uint32_t)-(int32_t)floor(31.0 * (double)(1 << 26) /
					      (double)(1ll << scale->shift));
	return true;
}

/* One entry per 512th of the unit interval, and one at its end. */
static void make_curve(double (*curve)(double x), double from, double to, int16_t *table)
{
	double step = (to - from) / 512, y, next, miss;
	unsigned int i;

	for (i = 0; i <= 512; i++) {
		y = round(curve(i < 512 ? from + i * step : to) * 32768);
		/* Half of what the straight line to the next entry misses in the middle. */
		if (i < 512) {
			next = curve(from + (i + 1) * step) * 32768;
			miss = round((next + y) / 2) -
			       round(curve(from + i * step + step / 2) * 32768);
			y -= round(miss / 2);
		}
		table[i] = (int16_t)(y > INT16_MAX ? INT16_MAX : y);
	}
}

static double inverse(double x)
{
	return 1.0 / (1.0 + x);
}

/* A program has them once. */
static bool get_softmax_tables(struct op *op, struct npu_ref *ref)
{
	int16_t table[2][NPU_SOFTMAX16_ENTRIES];
	struct compile *c = op->c;

	if (!c->has_softmax16) {
		c->tables += sizeof(table);
		make_curve(exp, 10.0 / 65535 * -65535, 10.0 / 65535 * 0, table[0]);
		make_curve(inverse, 1.0 / 65535 * 0, 1.0 / 65535 * 65535, table[1]);
		if (!op_constant(op, table, sizeof(table), &c->softmax16))
			return false;
		c->has_softmax16 = true;
	}
	*ref = c->softmax16;
	return true;
}

static bool emit_softmax16(struct op *op, float beta)
{
	struct npu_cmd_softmax16 cmd = { 0 };
	struct act in, out;
	double real;

	if (!get_rows(op, &in, &out, 1.0f / 32768, 0))
		return false;
	real = op->c->numerics == NPU_NUMERICS_TFLITE ? (double)(in.scale * beta) :
							(double)in.scale * (double)beta;
	if (!get_factor(op, real / (10.0 / 65535.0), &cmd.beta) ||
	    !get_softmax_tables(op, &cmd.tables))
		return false;
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_SOFTMAX16);
}

bool emit_softmax(struct op *op)
{
	float beta = fb_f32(&op->tfl.options, SOFTMAX_BETA, 0);
	enum npu_type type = op_input(op, 0)->type;
	struct npu_cmd_softmax cmd = { 0 };
	struct act in, out;

	if (type == NPU_TYPE_S16)
		return emit_softmax16(op, beta);
	if (!get_rows(op, &in, &out, 1.0f / 256, (int32_t)npu_type_min(type)) ||
	    !get_beta(op, &in, beta, &cmd.beta, &cmd.diff_min))
		return false;
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_SOFTMAX);
}

bool emit_log_softmax(struct op *op)
{
	struct npu_cmd_log_softmax cmd = { 0 };
	struct act in, out;

	if (!get_rows(op, &in, &out, 1.0f / 16, INT8_MAX) ||
	    !get_beta(op, &in, 1, &cmd.beta, &cmd.diff_min))
		return false;
	quant_scale((double)(1ll << (31 - cmd.beta.shift)) / (double)cmd.beta.multiplier,
		    &cmd.reverse);
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_LOG_SOFTMAX);
}

/* ---- L2_NORMALIZATION ---- */

bool emit_l2_norm(struct op *op)
{
	struct npu_cmd_l2_norm cmd = { 0 };
	struct act in, out;

	if (fb_i8(&op->tfl.options, L2_NORM_ACTIVATION, 0))
		return op_fail(op, UNSUPPORTED, "a fused activation");
	if (!get_rows(op, &in, &out, 1.0f / 128, 0))
		return false;
	op_tensor(op, in.v, &cmd.in);
	op_tensor(op, out.v, &cmd.out);
	return op_emit(op, &cmd, NPU_OP_L2_NORM);
}

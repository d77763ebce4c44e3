/* SPDX-License-Identifier: MIT */
/* What the files of operators share; functions that return bool have failed if it is false. */
#ifndef NPU_OPS_H
#define NPU_OPS_H

#include "compile.h"

#define UNSUPPORTED	(-EOPNOTSUPP)

#define DAMAGED		(-EBADMSG)

/* An activation with its quantisation. */
struct act {
	struct value *v;
	float scale;
	int32_t zero_point;
};

/* ---- ops.c ---- */

bool want_type(const struct op *op, const struct value *v);
bool want_numbers(const struct op *op, const struct value *v, uint32_t n);
bool want_rank(const struct op *op, const struct value *v, unsigned int rank);
bool want_dim(const struct op *op, const struct value *v, unsigned int i, uint64_t size);
bool want_same_shape(const struct op *op, const struct value *in, const struct value *out);
bool want_same_quant(const struct op *op, const struct act *in, const struct act *out);
bool tensor_quant(const struct op *op, const struct value *v, float *scale, int32_t *zp);
bool get_act(const struct op *op, struct value *v, struct act *act);
bool get_acts(const struct op *op, struct act *in, struct act *out);
bool get_index(const struct op *op, const struct value *v, uint32_t i, int64_t *index);
bool get_axis(const struct op *op, int64_t axis, unsigned int rank, unsigned int *i);
bool get_axis_input(const struct op *op, unsigned int input, unsigned int rank, unsigned int *i);
bool get_bias(const struct op *op, unsigned int i, uint32_t channels, struct npu_requant *rq);
void full_range(enum npu_type type, __le32 *clamp_min, __le32 *clamp_max);
void get_rounding(const struct op *op, const struct act *in, unsigned int bias,
		  struct npu_requant *rq);
bool get_factor(const struct op *op, double factor, struct npu_scale *scale);
void op_reshape(struct npu_tensor *tensor, unsigned int rank, const uint32_t *dim);

/* ---- ops_move.c: values go to other places ---- */

bool emit_copy(struct op *op, const struct npu_tensor *in, const struct npu_tensor *out);
bool emit_alias(struct op *op);
bool emit_concatenation(struct op *op);
bool emit_depth_to_space(struct op *op);
bool emit_gather(struct op *op);
bool emit_mirror_pad(struct op *op);
bool emit_pack(struct op *op);
bool emit_pad(struct op *op);
bool emit_resize_bilinear(struct op *op);
bool emit_resize_nearest(struct op *op);
bool emit_slice(struct op *op);
bool emit_space_to_depth(struct op *op);
bool emit_split(struct op *op);
bool emit_split_v(struct op *op);
bool emit_strided_slice(struct op *op);
bool emit_transpose(struct op *op);
bool emit_unpack(struct op *op);

/* ---- ops_norm.c: along whole rows ---- */

bool emit_l2_norm(struct op *op);
bool emit_log_softmax(struct op *op);
bool emit_softmax(struct op *op);

/* ---- ops_state.c: with variables ---- */

bool emit_lstm(struct op *op);
bool emit_svdf(struct op *op);

/* ---- resource.c: variables with a name ---- */

bool emit_assign_variable(struct op *op);
bool emit_nothing(struct op *op);
bool emit_read_variable(struct op *op);

/* ---- ops_table.c: a table of all results ---- */

bool get_wide_table(struct op *op, bool tanh, int32_t multiplier, unsigned int shift,
		    struct npu_ref *ref);
bool emit_lut(struct op *op, const struct npu_tensor *in, const struct npu_tensor *out,
	      const struct npu_ref *table);
bool emit_rescale(struct op *op, const struct npu_tensor *in, const struct act *from,
		  const struct npu_tensor *out, const struct act *to);
bool want_output_quant(const struct op *op, const struct act *out, float scale, int32_t zp);
bool emit_elu(struct op *op);
bool emit_hard_swish(struct op *op);
bool emit_leaky_relu(struct op *op);
bool emit_logistic(struct op *op);
bool emit_rsqrt(struct op *op);
bool emit_tanh(struct op *op);

/* ---- fixed.c ---- */

int32_t fixed_mul(int32_t a, int32_t b);
int32_t fixed_shift_right(int32_t x, unsigned int n);
int32_t fixed_shift_left(int32_t x, unsigned int n);
int32_t fixed_scale(int32_t x, const struct npu_scale *scale);
int32_t fixed_logistic(int32_t a);
int32_t fixed_tanh(int32_t a);
int16_t fixed_logistic16(int64_t d);
int16_t fixed_tanh16(int64_t d);

#endif /* NPU_OPS_H */

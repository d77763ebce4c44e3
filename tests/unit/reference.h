/* SPDX-License-Identifier: MIT */
/*
 * What the commands compute, written down plainly: dense arrays of 64-bit
 * numbers, one loop per dimension. Shares nothing with the device model.
 */
#ifndef _REFERENCE_H_
#define _REFERENCE_H_

#include <stdbool.h>
#include <stdint.h>

struct ref_tensor {
	uint32_t rank;
	uint32_t dim[6];
	int64_t zero_point;
	int64_t *v;		/* row-major */
};

struct ref_quant {
	bool scaled;
	bool wide;		/* with 64 bits */
	uint32_t count;
	const int32_t *multiplier;
	const int32_t *shift;
	const int64_t *bias;	/* NULL: none */
	int64_t weight_zero_point;
	int64_t min;
	int64_t max;
};

struct ref_window {
	int64_t size[2];
	int64_t stride[2];
	int64_t dilation[2];
	int64_t pad[2];		/* top, left */
};

uint64_t ref_elements(const struct ref_tensor *t);
int64_t ref_rq32(int64_t x, int64_t multiplier, int64_t shift);
void ref_conv(const struct ref_tensor *in, const struct ref_tensor *w,
	      struct ref_tensor *out, const struct ref_window *win, uint32_t groups,
	      const struct ref_quant *q);
void ref_depthwise(const struct ref_tensor *in, const struct ref_tensor *w,
		   struct ref_tensor *out, const struct ref_window *win,
		   const struct ref_quant *q);
void ref_matmul(const struct ref_tensor *a, const struct ref_tensor *b,
		struct ref_tensor *out, const struct ref_quant *q);
void ref_pool(const struct ref_tensor *in, struct ref_tensor *out,
	      const struct ref_window *win, bool average, bool is_unsigned, int64_t min,
	      int64_t max);
void ref_mean(const struct ref_tensor *in, struct ref_tensor *out, uint32_t axes,
	      int32_t multiplier, int32_t shift, int64_t min, int64_t max);
void ref_arg_max(const struct ref_tensor *in, struct ref_tensor *out, uint32_t axes);
void ref_max(const struct ref_tensor *in, struct ref_tensor *out, uint32_t axes, int64_t min,
	     int64_t max);
void ref_softmax(const struct ref_tensor *in, struct ref_tensor *out, int32_t multiplier,
		 int32_t shift, int32_t diff_min);
void ref_pad(const struct ref_tensor *in, struct ref_tensor *out, const uint32_t *before,
	     int64_t value);

#endif /* _REFERENCE_H_ */

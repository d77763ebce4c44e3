// SPDX-License-Identifier: MIT
/* From real factors to the integers of the device, in IEEE double as TensorFlow Lite does it. */
#include <math.h>

#include "compile.h"

/* QuantizeMultiplier(): factor = multiplier * 2^(shift - 31), 2^30 <= multiplier < 2^31 */
void quant_scale(double factor, struct npu_scale *scale)
{
	int shift = 0;
	int64_t m = llround(frexp(factor, &shift) * (double)(1ll << 31));

	if (m == 1ll << 31) {
		m /= 2;
		shift++;
	}
	if (shift < -31) {
		shift = 0;
		m = 0;
	}
	scale->multiplier = (uint32_t)m;
	scale->shift = (uint32_t)shift;
}

/* Half away from zero, saturating, so that any file gives a defined number. */
int32_t quant_round(float value)
{
	if (!(value > -2147483648.0f))
		return INT32_MIN;
	return value < 2147483648.0f ? (int32_t)roundf(value) : INT32_MAX;
}

static int64_t quantise(float real, float scale, int32_t zero_point)
{
	return (int64_t)zero_point + quant_round(real / scale);
}

/* CalculateActivationRangeQuantized(): false for an activation it does not have. */
bool quant_activation(int activation, float scale, int32_t zero_point, enum npu_type type,
		      int32_t *min, int32_t *max)
{
	int64_t low = npu_type_min(type), high = npu_type_max(type);
	float from = activation == TFL_ACT_RELU_N1_TO_1 ? -1.0f : 0.0f;
	float to = activation == TFL_ACT_RELU6 ? 6.0f : 1.0f;

	if (activation < TFL_ACT_NONE || activation > TFL_ACT_RELU6)
		return false;
	if (activation != TFL_ACT_NONE && quantise(from, scale, zero_point) > low)
		low = quantise(from, scale, zero_point);
	if (activation > TFL_ACT_RELU && quantise(to, scale, zero_point) < high)
		high = quantise(to, scale, zero_point);
	*min = (int32_t)low;
	*max = (int32_t)high;
	return true;
}

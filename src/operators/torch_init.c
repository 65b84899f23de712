/* torch_init.c - initial values for torch's modules (include/atrous/operators.h has the formula and its promise).
 *
 * In: a seed and a shape. Out: numbers uniform in [-r, r). Each is a function of the seed and its own number, so nothing
 * depends on the order of filling or on the machine. */
#include <math.h>

#include "base/dtype.h"
#include "operators/operators.h"

static uint64_t mix(uint64_t z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static void fill(uint64_t seed, uint64_t first, double r, const atr_shape *shape, char *out) {
  uint64_t count = (uint64_t)atr_shape_elements(shape);
  size_t size = atr_dtype_size(shape->dtype);
  for (uint64_t i = 0; i < count; i++, out += size) {
    uint64_t bits = mix(seed + (first + i + 1) * 0x9e3779b97f4a7c15u) >> 11;
    atr_scalar_store(shape->dtype, out, (atr_scalar){.re = ((double)(2 * bits + 1) * 0x1p-53 - 1) * r});
  }
}

static bool is_fillable(const atr_shape *shape, const void *out) {
  bool is_float = atr_dtype_class_of(shape->dtype) == ATR_CLASS_FLOAT && shape->rank >= 0 && shape->rank <= ATR_MAX_RANK;
  return is_float && atr_shape_is_row_major(shape) && atr_shape_elements(shape) >= 0 &&
         (out != NULL || atr_shape_elements(shape) == 0);
}

atr_status atr_torch_conv_init(uint64_t seed, const atr_shape *weight_shape, void *weight, const atr_shape *bias_shape,
                               void *bias) {
  static const uint64_t BIAS_FIRST = UINT64_C(1) << 63;
  if (weight_shape == NULL || !is_fillable(weight_shape, weight) || weight_shape->rank < 2) return ATR_INVALID_ARGUMENT;
  if (bias_shape != NULL && !is_fillable(bias_shape, bias)) return ATR_INVALID_ARGUMENT;
  double places = 1;
  for (int d = 1; d < weight_shape->rank; d++) places *= (double)weight_shape->dims[d];
  double r = places > 0 ? 1 / sqrt(places) : 0;
  fill(seed, 0, r, weight_shape, weight);
  if (bias_shape != NULL) fill(seed, BIAS_FIRST, r, bias_shape, bias);
  return ATR_OK;
}

/* fill.c - see fill.h. */
#include "fill.h"

#include <math.h>

#include "base/dtype.h"

static double special(rng *r, double otherwise) {
  static const double values[] = {INFINITY, -INFINITY, NAN};
  return rng_chance(r, 1, 40) ? RNG_PICK(r, values) : otherwise;
}

static atr_scalar element(rng *r, fill kind, atr_dtype dtype, bool with_special) {
  atr_dtype_class class = atr_dtype_class_of(dtype);
  if (class == ATR_CLASS_PRED) return (atr_scalar){.i = rng_below(r, 2)};
  if (class == ATR_CLASS_UINT) return (atr_scalar){.i = kind == FILL_WIDE ? (int64_t)rng_next(r) : rng_range(r, 0, 4)};
  if (class == ATR_CLASS_SINT) return (atr_scalar){.i = kind == FILL_WIDE ? (int64_t)rng_next(r) : rng_range(r, -4, 4)};
  atr_scalar x = {.re = (double)rng_range(r, -4, 4), .im = (double)rng_range(r, -4, 4)};
  if (kind == FILL_WIDE) x = (atr_scalar){.re = 2 * rng_unit(r) - 1, .im = 2 * rng_unit(r) - 1};
  if (with_special) {
    x.re = special(r, x.re);
    x.im = special(r, x.im);
  }
  return x;
}

void fill_array(rng *r, fill kind, const atr_shape *shape, void *out) {
  int64_t n = atr_shape_elements(shape);
  size_t size = atr_dtype_size(shape->dtype);
  bool with_special = kind == FILL_SPECIAL && rng_chance(r, 1, 2);
  for (int64_t i = 0; i < n; i++)
    atr_scalar_store(shape->dtype, (char *)out + (size_t)i * size, element(r, kind, shape->dtype, with_special));
}

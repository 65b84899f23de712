/* fill.c - see fill.h. */
#include "fill.h"

#include <math.h>

#include "base/dtype.h"

static double special(rng *r, double otherwise) {
  static const double values[] = {INFINITY, -INFINITY, NAN};
  return rng_chance(r, 1, 40) ? RNG_PICK(r, values) : otherwise;
}

/* Any integer, in one of eight cases a special one. */
static int64_t wide_integer(rng *r, atr_dtype dtype) {
  uint64_t top = UINT64_C(1) << (atr_dtype_bits(dtype) - 1), ends[] = {0, 1, UINT64_MAX, top, top - 1};
  return (int64_t)(rng_chance(r, 1, 8) ? RNG_PICK(r, ends) : rng_next(r));
}

typedef struct filling {
  rng *r;
  fill kind;
  atr_dtype dtype;
  bool with_special;
  double scale;
} filling;

static atr_scalar element(const filling *f) {
  rng *r = f->r;
  switch (atr_dtype_class_of(f->dtype)) {
  case ATR_CLASS_NONE: break;
  case ATR_CLASS_PRED: return (atr_scalar){.i = rng_below(r, 2)};
  case ATR_CLASS_UINT: return (atr_scalar){.i = f->kind == FILL_WIDE ? wide_integer(r, f->dtype) : rng_range(r, 0, 4)};
  case ATR_CLASS_SINT: return (atr_scalar){.i = f->kind == FILL_WIDE ? wide_integer(r, f->dtype) : rng_range(r, -4, 4)};
  case ATR_CLASS_FLOAT:
  case ATR_CLASS_COMPLEX: break;
  }
  atr_scalar x;
  if (f->kind == FILL_WIDE) {
    x.re = f->scale * (2 * rng_unit(r) - 1);
    x.im = f->scale * (2 * rng_unit(r) - 1);
  } else {
    x.re = (double)rng_range(r, -4, 4);
    x.im = (double)rng_range(r, -4, 4);
  }
  if (f->with_special) {
    x.re = special(r, x.re);
    x.im = special(r, x.im);
  }
  return x;
}

/* Powers of two that leave sums of products inside most dtypes, and one that makes products subnormal. */
static double draw_scale(rng *r, atr_dtype dtype) {
  static const int usual[] = {0, 0, 0, 0, -3, 4, 10, 33};
  static const int narrow[] = {0, 0, 0, -3, 4, -12};
  if (atr_dtype_real(dtype) == ATR_F16) return ldexp(1, RNG_PICK(r, narrow));
  if (rng_chance(r, 1, 12)) return ldexp(1, atr_dtype_real(dtype) == ATR_F64 ? -520 : -66);
  return ldexp(1, RNG_PICK(r, usual));
}

void fill_array(rng *r, fill kind, const atr_shape *shape, void *out) {
  int64_t n = atr_shape_elements(shape);
  size_t size = atr_dtype_size(shape->dtype);
  filling f = {.r = r, .kind = kind, .dtype = shape->dtype};
  f.with_special = kind == FILL_SPECIAL && rng_chance(r, 1, 2);
  f.scale = draw_scale(r, shape->dtype);
  for (int64_t i = 0; i < n; i++) atr_scalar_store(shape->dtype, (char *)out + (size_t)i * size, element(&f));
}

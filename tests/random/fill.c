/* fill.c - see fill.h. */
#include "fill.h"

#include <math.h>
#include <string.h>

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

/* Digits behind the leading one of the float types, the last halved: numbers with this one set lie between two of the type. */
static const int HALVES[] = {3, 4, 8, 11, 24, 53};

/* A power of two and the half of a last digit of some float type, perhaps a little more or less. */
static int64_t integer_between(rng *r, atr_dtype dtype) {
  int64_t top = rng_range(r, 0, atr_dtype_bits(dtype) - 1), last = top - RNG_PICK(r, HALVES);
  uint64_t sum = UINT64_C(1) << top;
  if (last >= 0) sum |= UINT64_C(1) << last;
  if (last >= 1) sum += (uint64_t)rng_range(r, -1, 1) * (UINT64_C(1) << (rng_chance(r, 1, 2) ? 0 : rng_below(r, last)));
  return (int64_t)(rng_chance(r, 1, 2) ? 0 - sum : sum);
}

static int64_t end_integer(rng *r, atr_dtype dtype) {
  return rng_chance(r, 1, 2) ? integer_between(r, dtype) : wide_integer(r, dtype);
}

/* Digits behind the leading one, and the exponents of the largest and the least normal number. */
typedef struct format {
  int digits, most, least;
} format;

static format format_of(atr_dtype dtype) {
  switch (atr_dtype_real(dtype)) {
  case ATR_F8E4M3FN: return (format){3, 8, -6};
  case ATR_F8E5M2: return (format){2, 15, -14};
  case ATR_F16: return (format){10, 15, -14};
  case ATR_BF16: return (format){7, 127, -126};
  case ATR_F32: return (format){23, 127, -126};
  default: return (format){52, 1023, -1022};
  }
}

/* The same of floats of any size. */
static double between(rng *r, const format *f) {
  int last = RNG_PICK(r, HALVES), tiny = (int)rng_range(r, last + 1, 60);
  double x = 1 + ldexp(1, -last) + (double)rng_range(r, -1, 1) * ldexp(1, -tiny);
  return ldexp(x, (int)rng_range(r, f->least - f->digits - 1, f->most));
}

static double end_number(rng *r, atr_dtype dtype) {
  format f = format_of(dtype);
  double least = ldexp(1, f.least), step = ldexp(least, -f.digits), sign = rng_chance(r, 1, 2) ? 1 : -1;
  double ends[] = {0, step, least - step, least, ldexp(2 - ldexp(1, -f.digits), f.most), 1, INFINITY, NAN};
  switch (rng_below(r, 4)) {
  case 0: return sign * RNG_PICK(r, ends);
  case 1: return sign * between(r, &f);
  case 2: return sign * step * (double)rng_below(r, 64);
  default: return (double)rng_range(r, -4, 4);
  }
}

typedef struct filling {
  rng *r;
  fill kind;
  atr_dtype dtype;
  bool with_special;
  double scale;
} filling;

static int64_t integer(const filling *f, int64_t lowest) {
  if (f->kind == FILL_ENDS) return end_integer(f->r, f->dtype);
  return f->kind == FILL_WIDE || f->kind == FILL_NORMAL ? wide_integer(f->r, f->dtype) : rng_range(f->r, lowest, 4);
}

static atr_scalar element(const filling *f) {
  rng *r = f->r;
  switch (atr_dtype_class_of(f->dtype)) {
  case ATR_CLASS_NONE: break;
  case ATR_CLASS_PRED: return (atr_scalar){.i = rng_below(r, 2)};
  case ATR_CLASS_UINT: return (atr_scalar){.i = integer(f, 0)};
  case ATR_CLASS_SINT: return (atr_scalar){.i = integer(f, -4)};
  case ATR_CLASS_FLOAT:
  case ATR_CLASS_COMPLEX: break;
  }
  atr_scalar x;
  if (f->kind == FILL_ENDS) {
    x.re = end_number(r, f->dtype);
    x.im = end_number(r, f->dtype);
  } else if (f->kind == FILL_WIDE || f->kind == FILL_NORMAL) {
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
static double draw_scale(rng *r, fill kind, atr_dtype dtype) {
  static const int usual[] = {0, 0, 0, 0, -3, 4, 10, 33};
  static const int narrow[] = {0, 0, 0, -3, 4, -12};
  if (atr_dtype_real(dtype) == ATR_F16) return ldexp(1, RNG_PICK(r, narrow));
  if (rng_chance(r, 1, 12) && kind != FILL_NORMAL) return ldexp(1, atr_dtype_real(dtype) == ATR_F64 ? -520 : -66);
  return ldexp(1, RNG_PICK(r, usual));
}

void fill_array(rng *r, fill kind, const atr_shape *shape, void *out) {
  int64_t n = atr_shape_elements(shape);
  size_t size = atr_dtype_size(shape->dtype);
  filling f = {.r = r, .kind = kind, .dtype = shape->dtype};
  f.with_special = kind == FILL_SPECIAL && rng_chance(r, 1, 2);
  f.scale = draw_scale(r, kind, shape->dtype);
  bool any_bits = kind == FILL_ENDS && shape->dtype != ATR_PRED && rng_chance(r, 1, 4);
  for (int64_t i = 0; i < n; i++) {
    char *at = (char *)out + (size_t)i * size;
    if (any_bits) memcpy(at, (uint64_t[]){rng_next(r), rng_next(r)}, size);
    else atr_scalar_store(shape->dtype, at, element(&f));
  }
}

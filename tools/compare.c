/* compare.c - see compare.h. */
#include "compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "element.h"
#include "layout.h"

/* The largest finite magnitude of a part. */
static double largest_magnitude(const atr_shape *shape, const void *data, double largest) {
  size_t size = atr_dtype_size(shape->dtype);
  int64_t n = atr_shape_elements(shape);
  for (int64_t i = 0; i < n; i++) {
    double re, im;
    element_get(shape->dtype, (const char *)data + (size_t)i * size, &re, &im);
    if (isfinite(re)) largest = fmax(largest, fabs(re));
    if (isfinite(im)) largest = fmax(largest, fabs(im));
  }
  return largest;
}

/* The bound for a scale of 1. */
static double relative_bound(atr_dtype part, const conv_stats *stats) {
  atr_dtype coarsest = stats->coarsest;
  double result_epsilon = fmax(element_epsilon(part), coarsest != ATR_DTYPE_NONE ? element_epsilon(coarsest) : 0);
  double sum_epsilon = element_epsilon(part == ATR_F64 ? ATR_F64 : ATR_F32);
  return result_epsilon * (2 + stats->steps) + sum_epsilon * (1 + stats->reduction);
}

/* 0 where equal or both NaN, infinite where only one is NaN or infinities differ. */
static double difference(double got, double want) {
  if (got == want || (isnan(got) && isnan(want))) return 0;
  double d = fabs(got - want);
  return isnan(d) ? (double)INFINITY : d;
}

static double element_difference(atr_dtype dtype, const void *got, const void *want) {
  double got_re, got_im, want_re, want_im;
  if (memcmp(got, want, atr_dtype_size(dtype)) == 0) return 0;
  element_get(dtype, got, &got_re, &got_im);
  element_get(dtype, want, &want_re, &want_im);
  double d = fmax(difference(got_re, want_re), difference(got_im, want_im));
  return d == 0 && !element_is_float(dtype) ? 1 : d; /* 64-bit neighbours that are one double; pred bytes other than 0 and 1 */
}

typedef struct bounds {
  double relative, scale, smallest; /* zero: elements must be equal */
  const double *condition;
} bounds;

static bounds bounds_of(const atr_shape *shape, const compare_reference *reference, const conv_stats *stats) {
  atr_dtype part = element_part(shape->dtype);
  double scale = largest_magnitude(shape, reference->want, 0);
  if (reference->magnitudes != NULL) scale = largest_magnitude(shape, reference->magnitudes, scale);
  return (bounds){relative_bound(part, stats), scale, element_smallest(part), reference->condition};
}

static double bound_at(const bounds *b, int64_t element) {
  double condition = b->condition != NULL ? b->condition[element] : 0;
  return (b->scale + condition) * b->relative + b->smallest;
}

void compare_arrays(const atr_shape *shape, const void *got, const compare_reference *reference, const conv_stats *stats,
                    bool exact, compare_result *out) {
  int64_t strides[ATR_MAX_RANK], index[ATR_MAX_RANK] = {0}, offset = 0, size = (int64_t)atr_dtype_size(shape->dtype);
  bounds limits = {.condition = NULL};
  *out = (compare_result){.same = true, .elements = atr_shape_elements(shape)};
  if (!exact && element_is_float(shape->dtype)) limits = bounds_of(shape, reference, stats);
  if (out->elements == 0) return;
  out->bound = bound_at(&limits, 0);
  layout_of_shape(shape, strides);
  do {
    double error = element_difference(shape->dtype, (const char *)got + offset, (const char *)reference->want + offset);
    double bound = bound_at(&limits, offset / size);
    if (bound > 0 ? error * out->bound > out->largest * bound : error > out->largest) out->largest = error, out->bound = bound;
    if (error <= bound && isfinite(error)) continue;
    if (out->wrong++ == 0) {
      memcpy(out->first, index, sizeof out->first);
      out->first_offset = offset;
    }
  } while (layout_next(shape, strides, index, &offset));
  out->same = out->wrong == 0;
}

void compare_text(const atr_shape *shape, const void *got, const void *want, const compare_result *result, char *out) {
  char a[ELEMENT_TEXT_MAX], b[ELEMENT_TEXT_MAX], place[ATR_MAX_RANK * 21 + 8] = "[";
  if (result->same && (result->largest == 0 || result->bound == 0)) {
    snprintf(out, COMPARE_TEXT_MAX, "ok, equal");
    return;
  }
  int used = 0;
  if (result->same) {
    used = snprintf(out, COMPARE_TEXT_MAX, "ok");
  } else {
    int len = 1;
    for (int i = 0; i < shape->rank; i++) {
      len += snprintf(place + len, sizeof place - (size_t)len, "%s%lld", i != 0 ? "," : "", (long long)result->first[i]);
    }
    element_text(shape->dtype, (const char *)got + result->first_offset, a);
    element_text(shape->dtype, (const char *)want + result->first_offset, b);
    used = snprintf(out, COMPARE_TEXT_MAX, "FAILED, %lld of %lld elements differ, first at %s]: %s instead of %s",
                    (long long)result->wrong, (long long)result->elements, place, a, b);
  }
  used += snprintf(out + used, COMPARE_TEXT_MAX - (size_t)used, ", largest error %.3g", result->largest);
  if (result->bound > 0) {
    snprintf(out + used, COMPARE_TEXT_MAX - (size_t)used, ", %.3g of the bound %.3g", result->largest / result->bound,
             result->bound);
  }
}

void compare_magnitudes(const atr_shape *shape, void *data) {
  size_t size = atr_dtype_size(shape->dtype), part = atr_dtype_size(element_part(shape->dtype));
  int64_t n = atr_shape_elements(shape) * (int64_t)(size / part);
  element_kind kind = element_kind_of(shape->dtype);
  if (kind == ELEMENT_PRED || kind == ELEMENT_UNSIGNED) return;
  unsigned char *p = data;
  for (int64_t i = 0; i < n; i++, p += part) {
    if (kind == ELEMENT_SIGNED) {
      int64_t value = 0;
      memcpy(&value, p, part);
      if ((p[part - 1] & 0x80) != 0) value = (int64_t)(0 - (uint64_t)value);
      memcpy(p, &value, part);
    } else {
      p[part - 1] &= 0x7f; /* the sign bit of every float format, little-endian */
    }
  }
}

/* Adds or takes away `step` units in the last place; what is too small for this, or would not be finite, stays. */
static void nudge(atr_dtype part, uint64_t step, bool up, void *address) {
  size_t size = atr_dtype_size(part);
  uint64_t bits = 0, moved = 0, sign = UINT64_C(1) << (8 * size - 1);
  double old, new, im;
  memcpy(&bits, address, size);
  if ((bits & (sign - 1)) <= step) return;
  moved = up ? bits + step : bits - step;
  element_get(part, &bits, &old, &im);
  element_get(part, &moved, &new, &im);
  if (isfinite(old) && isfinite(new)) memcpy(address, &moved, size);
}

void compare_nudge(const atr_shape *shape, double relative, int trial, int32_t number, void *data) {
  atr_dtype part = element_part(shape->dtype);
  size_t size = atr_dtype_size(part);
  int64_t n = atr_shape_bytes(shape) / (int64_t)size;
  if (!element_is_float(shape->dtype)) return;
  uint64_t step = (uint64_t)(relative / element_epsilon(part)), random = (uint64_t)trial << 32 | (uint32_t)number;
  for (int64_t i = 0; i < n; i++) {
    random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth's MMIX generator */
    nudge(part, step, trial == 0 || random >> 63 != 0, (char *)data + (size_t)i * size);
  }
}

void compare_condition(const atr_shape *shape, const void *want, const void *nudged, double relative, double *condition) {
  size_t size = atr_dtype_size(shape->dtype);
  int64_t n = atr_shape_elements(shape);
  for (int64_t i = 0; i < n; i++) {
    size_t at = (size_t)i * size;
    double change = element_difference(shape->dtype, (const char *)nudged + at, (const char *)want + at);
    if (isfinite(change)) condition[i] = fmax(condition[i], change / relative);
  }
}

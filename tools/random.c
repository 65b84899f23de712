/* random.c - see random.h. A counter goes through the finalizer of SplitMix64 (Steele, Lea, Flood 2014), a bijection that mixes
 * all 64 bits: element i of parameter p is mix(mix(mix(seed) + p) + 2*i), so that elements need no state between them. */
#include "random.h"

#include <string.h>

#include "element.h"
#include "layout.h"

static uint64_t mix(uint64_t x) {
  x += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  return x ^ x >> 31;
}

/* 24 bits as a number in [-1, 1). */
static double wide(uint64_t bits) { return (double)((int64_t)(bits >> 40) - (1 << 23)) / (1 << 23); }
static double small(uint64_t bits) { return (double)(bits >> 32) * 9 / 4294967296.0 - 4; }

static void fill_element(uint64_t counter, random_fill fill, atr_dtype dtype, void *out) {
  uint64_t re = mix(counter), im = mix(counter + 1);
  element_kind kind = element_kind_of(dtype);
  if (kind == ELEMENT_PRED) {
    element_set(dtype, out, (double)(re >> 63), 0);
  } else if (fill == RANDOM_SMALL && kind == ELEMENT_UNSIGNED) {
    element_set(dtype, out, (double)((re >> 32) * 5 >> 32), 0);
  } else if (fill == RANDOM_SMALL) {
    element_set(dtype, out, __builtin_floor(small(re)), __builtin_floor(small(im)));
  } else if (kind == ELEMENT_FLOAT || kind == ELEMENT_COMPLEX) {
    element_set(dtype, out, wide(re), wide(im));
  } else {
    memcpy(out, &re, atr_dtype_size(dtype));
  }
}

void random_array(uint64_t seed, int32_t parameter, random_fill fill, const atr_shape *shape, void *out) {
  int64_t strides[ATR_MAX_RANK], index[ATR_MAX_RANK] = {0}, offset = 0;
  uint64_t counter = mix(mix(seed) + (uint64_t)parameter);
  if (atr_shape_elements(shape) == 0) return;
  layout_of_shape(shape, strides);
  do {
    fill_element(counter, fill, shape->dtype, (char *)out + offset);
    counter += 2;
  } while (layout_next(shape, strides, index, &offset));
}

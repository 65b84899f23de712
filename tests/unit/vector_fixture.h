/* vector_fixture.h - problems with their answers from a file of tests/data, one block of text each.
 *
 *     case NAME
 *     ... what the test's own reader reads
 *     arg f32[2,3]{0,1} 1 2 3 4 5 6      elements in row-major logical order, complex numbers as two numbers
 *     out f32[2] 6 15
 *
 *     int main(void) { return run_vectors("interpret.txt", suite); }    suite finds blocks[0..block_count) */
#ifndef TESTS_UNIT_VECTOR_FIXTURE_H
#define TESTS_UNIT_VECTOR_FIXTURE_H

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "arena_fixture.h"
#include "data_file.h"

/* ---- reading */

typedef struct tensor {
  atr_shape shape;
  void *memory; /* in the shape's layout */
} tensor;

static inline int64_t read_int(const char **at) {
  char *end;
  int64_t value = strtoll(*at, &end, 10);
  ck_assert_msg(end != *at, "a number is missing at '%.20s'", *at);
  *at = end;
  return value;
}

static inline bool skip(const char **at, const char *word) {
  size_t len = strlen(word);
  if (strncmp(*at, word, len) != 0) return false;
  *at += len;
  return true;
}

static inline atr_shape read_shape(const char **at) {
  int64_t dims[ATR_MAX_RANK];
  int rank = 0;
  size_t len = strcspn(*at, "[");
  atr_dtype dtype = atr_dtype_from_name(*at, len);
  ck_assert_int_ne(dtype, ATR_DTYPE_NONE);
  for (*at += len + 1; **at != ']'; *at += **at == ',') dims[rank++] = read_int(at);
  ++*at;
  atr_shape shape = atr_shape_make(dtype, rank, dims);
  if (!skip(at, "{")) return shape;
  for (int i = 0; i < rank; i++, *at += **at == ',') shape.minor_to_major[i] = (int8_t)read_int(at);
  ++*at;
  return shape;
}

/* Byte offset, in the layout, of element e counted in row-major logical order. */
static inline size_t place_of(const atr_shape *shape, int64_t e) {
  int64_t strides[ATR_MAX_RANK], place = 0;
  atr_shape_strides(shape, strides);
  for (int i = shape->rank - 1; i >= 0; i--) {
    place += e % shape->dims[i] * strides[i];
    e /= shape->dims[i];
  }
  return (size_t)place * atr_dtype_size(shape->dtype);
}

static inline atr_scalar read_scalar(const char **at, atr_dtype dtype) {
  atr_scalar value = {0};
  atr_dtype_class class = atr_dtype_class_of(dtype);
  char *end;
  if (class == ATR_CLASS_UINT) value.i = (int64_t)strtoull(*at, &end, 10);
  else if (class == ATR_CLASS_SINT || class == ATR_CLASS_PRED) value.i = strtoll(*at, &end, 10);
  else value.re = strtod(*at, &end);
  ck_assert_ptr_ne(end, *at);
  *at = end;
  if (class == ATR_CLASS_COMPLEX) {
    value.im = strtod(*at, &end);
    *at = end;
  }
  return value;
}

static inline tensor read_tensor(const char **at) {
  tensor t = {.shape = read_shape(at)};
  t.memory = atr_arena_alloc(&arena, (size_t)atr_shape_bytes(&t.shape));
  for (int64_t e = 0; e < atr_shape_elements(&t.shape); e++)
    atr_scalar_store(t.shape.dtype, (char *)t.memory + place_of(&t.shape, e), read_scalar(at, t.shape.dtype));
  return t;
}

/* ---- comparing */

static inline double ulp_of(atr_dtype dtype, double value) {
  int digits = dtype == ATR_F16 ? 10 : dtype == ATR_BF16 ? 7 : dtype == ATR_F32 || dtype == ATR_C64 ? 23 : 52, exponent;
  int least = dtype == ATR_F16 ? -14 : digits == 52 ? -1022 : -126; /* exponent of the subnormal numbers' spacing */
  frexp(value, &exponent);
  return ldexp(1, (exponent - 1 > least ? exponent - 1 : least) - digits);
}

static inline bool close_enough(double a, double b, double bound) {
  return (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= bound;
}

static inline bool is_same(atr_dtype dtype, atr_scalar a, atr_scalar b, int ulps) {
  atr_dtype_class class = atr_dtype_class_of(dtype);
  if (class != ATR_CLASS_FLOAT && class != ATR_CLASS_COMPLEX) return a.i == b.i;
  double bound = ulps * ulp_of(dtype, fmax(fabs(b.re), fabs(b.im)));
  return close_enough(a.re, b.re, bound) && close_enough(a.im, b.im, bound);
}

static inline const char *describe(atr_dtype dtype, const void *address) {
  atr_text text = atr_text_make(&arena);
  atr_text_scalar(&text, dtype, address);
  return text.data;
}

static inline void compare(const tensor *want, const void *got, int ulps) {
  atr_dtype dtype = want->shape.dtype;
  for (int64_t e = 0; e < atr_shape_elements(&want->shape); e++) {
    const char *w = (const char *)want->memory + place_of(&want->shape, e), *g = (const char *)got + place_of(&want->shape, e);
    ck_assert_msg(is_same(dtype, atr_scalar_load(dtype, g), atr_scalar_load(dtype, w), ulps),
                  "element %lld is %s and should be %s", (long long)e, describe(dtype, g), describe(dtype, w));
  }
}

/* ---- the file */

static char *vectors;       /* the file's text */
static const char **blocks; /* where each case starts */
static int block_count;

static inline void find_blocks(void) {
  for (const char *at = vectors; at != NULL; at = strchr(at, '\n')) {
    at += *at == '\n';
    if (strncmp(at, "case ", 5) == 0) blocks[block_count++] = at;
  }
}

static inline int run_vectors(const char *name, Suite *(*suite)(void)) {
  vectors = read_data_file(name);
  blocks = vectors != NULL ? calloc(strlen(vectors) / 8 + 1, sizeof *blocks) : NULL;
  if (blocks != NULL) find_blocks();
  int failed = run_suite(suite());
  free(vectors);
  free(blocks);
  return failed;
}

#endif

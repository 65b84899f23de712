/* values.c - random values of a wanted shape (generate.h).
 *
 * In: dtype and extents. Out: a parameter or constant, or an operation of the graph whose result has that shape, with operands
 * made the same way: so a pad, reverse, transpose, convert, broadcast, slice, reshape, concatenate or reduce stands in front
 * of convolutions, biases and results alike. */
#include "generate.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "ir/ir.h"

enum { MANY_ELEMENTS = 60000, BIG_OPERAND = 6000 };

atr_shape gen_shape(gen *g, atr_value v) {
  const atr_shape *shape = atr_builder_shape(g->b, v);
  return shape != NULL ? *shape : (atr_shape){.dtype = ATR_DTYPE_NONE};
}

atr_value gen_keep(gen *g, atr_value v) {
  if (v != 0 && g->made_count < GEN_MAX_VALUES) g->made[g->made_count++] = v;
  return v;
}

atr_dtype gen_dtype(gen *g) {
  static const atr_dtype common[] = {ATR_F32, ATR_F32, ATR_F32, ATR_F64, ATR_F16, ATR_BF16, ATR_S8, ATR_S32};
  static const atr_dtype all[] = {ATR_PRED, ATR_S8,  ATR_S16,  ATR_S32, ATR_S64, ATR_U8,  ATR_U16, ATR_U32,
                                  ATR_U64,  ATR_F16, ATR_BF16, ATR_F32, ATR_F64, ATR_C64, ATR_C128};
  return rng_chance(&g->r, 2, 5) ? RNG_PICK(&g->r, common) : RNG_PICK(&g->r, all);
}

atr_dtype gen_dtype_like(gen *g, atr_dtype dtype) {
  static const atr_dtype integers[] = {ATR_S8, ATR_S16, ATR_S32, ATR_S64, ATR_U8, ATR_U16, ATR_U32, ATR_U64};
  static const atr_dtype floats[] = {ATR_F16, ATR_BF16, ATR_F32, ATR_F64};
  static const atr_dtype complexes[] = {ATR_C64, ATR_C128};
  switch (atr_dtype_class_of(dtype)) {
  case ATR_CLASS_NONE:
  case ATR_CLASS_PRED: break;
  case ATR_CLASS_SINT:
  case ATR_CLASS_UINT: return RNG_PICK(&g->r, integers);
  case ATR_CLASS_FLOAT: return RNG_PICK(&g->r, floats);
  case ATR_CLASS_COMPLEX: return RNG_PICK(&g->r, complexes);
  }
  return dtype;
}

int64_t gen_extent(gen *g, int64_t max) {
  if (rng_chance(&g->r, 1, 60)) return 0;
  return rng_range(&g->r, 1, max < 1 ? 1 : max);
}

void gen_layout(gen *g, atr_shape *shape, int64_t a, int64_t b) {
  int order[ATR_MAX_RANK];
  bool change = rng_chance(&g->r, a, b);
  rng_permutation(&g->r, shape->rank, order);
  for (int i = 0; i < shape->rank; i++) shape->minor_to_major[i] = (int8_t)(change ? order[i] : shape->rank - 1 - i);
}

/* ---- leaves */

static void store_number(atr_dtype dtype, char *at, double value) {
  atr_scalar_store(dtype, at, atr_scalar_convert(ATR_F64, dtype, (atr_scalar){.re = value}));
}

double gen_number(gen *g, double usual) {
  static const double others[] = {INFINITY, -INFINITY, NAN, 1e30, -1e30, 0x1p-149};
  return rng_chance(&g->r, 1, 6) ? RNG_PICK(&g->r, others) : usual;
}

atr_value gen_scalar(gen *g, atr_dtype dtype, double value) {
  char element[16] = {0};
  atr_shape shape = atr_shape_make(dtype, 0, NULL);
  store_number(dtype, element, value);
  return atr_build_constant(g->b, &shape, element);
}

static atr_value constant(gen *g, const atr_shape *shape) {
  static char data[16 * 4096];
  int64_t n = atr_shape_elements(shape);
  size_t size = atr_dtype_size(shape->dtype);
  atr_shape row_major = atr_shape_make(shape->dtype, shape->rank, shape->dims);
  bool same = rng_chance(&g->r, 1, 4);
  double value = (double)rng_range(&g->r, -3, 3);
  for (int64_t i = 0; i < n; i++) {
    if (!same) value = (double)rng_range(&g->r, -3, 3);
    if (atr_dtype_class_of(shape->dtype) == ATR_CLASS_UINT || shape->dtype == ATR_PRED) value = value < 0 ? -value : value;
    store_number(shape->dtype, data + (size_t)i * size, value);
  }
  return atr_build_constant(g->b, &row_major, data);
}

static bool same_type(const atr_shape *a, const atr_shape *b) {
  return a->dtype == b->dtype && a->rank == b->rank &&
         (a->rank == 0 || memcmp(a->dims, b->dims, sizeof a->dims[0] * (size_t)a->rank) == 0);
}

atr_value gen_leaf(gen *g, const atr_shape *shape) {
  int64_t n = atr_shape_elements(shape);
  if (g->parameter_count > 0 && rng_chance(&g->r, 1, 6)) {
    atr_value old = g->parameters[rng_below(&g->r, g->parameter_count)];
    atr_shape have = gen_shape(g, old);
    if (same_type(&have, shape)) return old;
  }
  if (n <= 4096 && rng_chance(&g->r, 1, 8)) return constant(g, shape);
  atr_shape own = atr_shape_make(shape->dtype, shape->rank, shape->dims);
  gen_layout(g, &own, 1, 3);
  atr_value v = atr_build_parameter(g->b, NULL, &own);
  if (g->parameter_count < GEN_MAX_VALUES) g->parameters[g->parameter_count++] = v;
  g->elements += n;
  return v;
}

atr_value gen_broadcast_scalar(gen *g, atr_value scalar, const atr_shape *shape) {
  atr_shape to = atr_shape_make(shape->dtype, shape->rank, shape->dims);
  return atr_build_broadcast(g->b, scalar, &to, NULL, 0);
}

/* ---- operations that move elements */

static atr_value transpose_to(gen *g, const atr_shape *shape, int depth) {
  int order[ATR_MAX_RANK];
  int64_t permutation[ATR_MAX_RANK], dims[ATR_MAX_RANK];
  rng_permutation(&g->r, shape->rank, order);
  for (int i = 0; i < shape->rank; i++) {
    permutation[i] = order[i];
    dims[order[i]] = shape->dims[i];
  }
  atr_shape from = atr_shape_make(shape->dtype, shape->rank, dims);
  return atr_build_transpose(g->b, gen_value(g, &from, depth), permutation, shape->rank);
}

static atr_value reverse_to(gen *g, const atr_shape *shape, int depth) {
  int64_t dims[ATR_MAX_RANK];
  int count = 0;
  for (int i = 0; i < shape->rank; i++)
    if (rng_chance(&g->r, 1, 2)) dims[count++] = i;
  return atr_build_reverse(g->b, gen_value(g, shape, depth), dims, count);
}

static atr_value slice_to(gen *g, const atr_shape *shape, int depth) {
  int64_t slice[ATR_MAX_RANK][3];
  atr_shape from = atr_shape_make(shape->dtype, shape->rank, shape->dims);
  for (int i = 0; i < shape->rank; i++) {
    int64_t n = shape->dims[i], stride = rng_chance(&g->r, 1, 3) ? rng_range(&g->r, 1, 3) : 1,
            start = rng_chance(&g->r, 1, 3) ? rng_range(&g->r, 0, 3) : 0;
    int64_t limit = n == 0 ? start : start + (n - 1) * stride + 1;
    if (n > 0) limit += rng_range(&g->r, 0, stride - 1);
    slice[i][0] = start;
    slice[i][1] = limit;
    slice[i][2] = stride;
    from.dims[i] = limit + (rng_chance(&g->r, 1, 3) ? rng_range(&g->r, 0, 3) : 0);
  }
  if (atr_shape_elements(&from) > BIG_OPERAND) return gen_leaf(g, shape);
  return atr_build_slice(g->b, gen_value(g, &from, depth), (const int64_t(*)[3])slice);
}

/* low + (e-1)*(interior+1)+1 + high = extent; negative amounts cut off. */
static atr_value pad_to(gen *g, const atr_shape *shape, int depth) {
  int64_t pad[ATR_MAX_RANK][3];
  atr_shape from = atr_shape_make(shape->dtype, shape->rank, shape->dims);
  for (int i = 0; i < shape->rank; i++) {
    int64_t interior = rng_chance(&g->r, 1, 5) ? rng_range(&g->r, 1, 3) : 0;
    int64_t low = rng_chance(&g->r, 1, 2) ? rng_range(&g->r, -2, 3) : 0,
            high = rng_chance(&g->r, 1, 2) ? rng_range(&g->r, -2, 3) : 0;
    int64_t inside = shape->dims[i] - low - high, e = inside <= 0 ? 0 : (inside - 1) / (interior + 1) + 1;
    int64_t covered = e == 0 ? 0 : (e - 1) * (interior + 1) + 1;
    pad[i][0] = low;
    pad[i][1] = shape->dims[i] - low - covered;
    pad[i][2] = interior;
    from.dims[i] = e;
  }
  atr_shape scalar = atr_shape_make(shape->dtype, 0, NULL);
  atr_value value = rng_chance(&g->r, 1, 4) ? gen_leaf(g, &scalar)
                                            : gen_scalar(g, shape->dtype, rng_chance(&g->r, 1, 3) ? 2 : 0);
  return atr_build_pad(g->b, gen_value(g, &from, depth), value, (const int64_t(*)[3])pad);
}

/* Neighbouring extents merged, split and ones put in. */
static atr_value reshape_to(gen *g, const atr_shape *shape, int depth) {
  int64_t dims[ATR_MAX_RANK + 1];
  int rank = 0;
  for (int i = 0; i < shape->rank; i++) {
    int64_t n = shape->dims[i];
    if (rank > 0 && rng_chance(&g->r, 1, 3)) dims[rank - 1] *= n;
    else dims[rank++] = n;
    int room = ATR_MAX_RANK - rank - (shape->rank - 1 - i);
    int64_t factor = rng_range(&g->r, 1, 4);
    if (room > 2 && rng_chance(&g->r, 1, 3) && dims[rank - 1] % factor == 0) {
      dims[rank - 1] /= factor;
      dims[rank++] = factor;
    }
  }
  atr_shape from = atr_shape_make(shape->dtype, rank, dims), to = atr_shape_make(shape->dtype, shape->rank, shape->dims);
  return atr_build_reshape(g->b, gen_value(g, &from, depth), &to);
}

atr_value gen_broadcast(gen *g, const atr_shape *shape, int depth) {
  int order[ATR_MAX_RANK], rank = 0;
  int64_t dims[ATR_MAX_RANK], map[ATR_MAX_RANK];
  bool in_order = rng_chance(&g->r, 3, 4);
  rng_permutation(&g->r, shape->rank, order);
  for (int i = 0; i < shape->rank; i++) {
    int dim = in_order ? i : order[i];
    if (rng_chance(&g->r, 1, 2)) continue;
    map[rank] = dim;
    dims[rank++] = shape->dims[dim];
  }
  atr_shape from = atr_shape_make(shape->dtype, rank, dims), to = atr_shape_make(shape->dtype, shape->rank, shape->dims);
  return atr_build_broadcast(g->b, gen_value(g, &from, depth), &to, map, rank);
}

/* Up to three dimensions, put in anywhere, are summed over. */
static atr_value reduce_to(gen *g, const atr_shape *shape, int depth) {
  int64_t dims[ATR_MAX_RANK], summed[3];
  int rank = 0, count = 0, room = ATR_MAX_RANK - shape->rank;
  bool is_number = atr_op_takes(ATR_OP_REDUCE, shape->dtype);
  for (int i = 0; i <= shape->rank; i++) {
    while (count < 3 && count < room && rng_chance(&g->r, 1, 3)) {
      summed[count++] = rank;
      dims[rank++] = gen_extent(g, 6);
    }
    if (i < shape->rank) dims[rank++] = shape->dims[i];
  }
  atr_shape from = atr_shape_make(shape->dtype, rank, dims);
  if (!is_number || atr_shape_elements(&from) > BIG_OPERAND) return gen_leaf(g, shape);
  return atr_build_reduce(g->b, gen_value(g, &from, depth), summed, count);
}

static atr_value concatenate_to(gen *g, const atr_shape *shape, int depth) {
  if (shape->rank == 0) return gen_leaf(g, shape);
  atr_value parts[3];
  int count = (int)rng_range(&g->r, 1, 3), along = (int)rng_below(&g->r, shape->rank);
  int64_t left = shape->dims[along];
  for (int i = 0; i < count; i++) {
    atr_shape part = atr_shape_make(shape->dtype, shape->rank, shape->dims);
    part.dims[along] = i == count - 1 ? left : rng_range(&g->r, 0, left);
    left -= part.dims[along];
    parts[i] = gen_value(g, &part, depth);
  }
  return atr_build_concatenate(g->b, parts, count, along);
}

/* ---- operations on elements */

static atr_value convert_to(gen *g, const atr_shape *shape, int depth) {
  if (g->linear) return gen_leaf(g, shape);
  atr_dtype dtype = rng_chance(&g->r, 1, 2) ? gen_dtype_like(g, shape->dtype) : gen_dtype(g);
  if (rng_chance(&g->r, 1, 10)) dtype = rng_chance(&g->r, 1, 2) ? ATR_F8E4M3FN : ATR_F8E5M2;
  atr_shape from = atr_shape_make(dtype, shape->rank, shape->dims);
  return atr_build_convert(g->b, gen_value(g, &from, depth), shape->dtype);
}

static atr_value elementwise_to(gen *g, const atr_shape *shape, int depth) {
  static const char *const numbers[] = {"multiply", "add", "subtract"};
  static const char *const ordered[] = {"maximum", "minimum"};
  bool is_number = atr_op_takes(ATR_OP_ADD, shape->dtype), has_order = !g->linear && atr_op_takes(ATR_OP_MAXIMUM, shape->dtype);
  atr_value v[3] = {gen_value(g, shape, depth)};
  if (is_number && rng_chance(&g->r, 1, 4)) return atr_build_elementwise(g->b, "negate", v, 1);
  if ((!is_number && !has_order) || rng_chance(&g->r, 1, 8)) return atr_build_elementwise(g->b, "copy", v, 1);
  v[1] = gen_value(g, shape, depth);
  if (is_number && (!has_order || rng_chance(&g->r, 1, 2)))
    return atr_build_elementwise(g->b, numbers[rng_range(&g->r, g->linear, 2)], v, 2);
  return atr_build_elementwise(g->b, RNG_PICK(&g->r, ordered), v, 2);
}

atr_value gen_value(gen *g, const atr_shape *shape, int depth) {
  typedef atr_value (*maker)(gen * g, const atr_shape *shape, int depth);
  static const maker makers[] = {transpose_to, reverse_to,     slice_to,   pad_to,         pad_to,   reshape_to,
                                 gen_broadcast, concatenate_to, convert_to, elementwise_to, reduce_to};
  bool plain = depth <= 0 || g->elements > MANY_ELEMENTS || atr_shape_elements(shape) > BIG_OPERAND;
  if (plain || rng_chance(&g->r, 3, 5)) return gen_leaf(g, shape);
  return gen_keep(g, RNG_PICK(&g->r, makers)(g, shape, depth - 1));
}

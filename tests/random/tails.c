/* tails.c - what stands behind a convolution, and the module as a whole (generate.h).
 *
 * In: a value. Out: the value after a few operations: bias, residual, scale, clamp, activation, select, convert, views. Most can
 * be fused into the store of a convolution, some cannot, some leave the tail in another shape. */
#include "generate.h"

#include <string.h>

#include "base/dtype.h"
#include "ir/ir.h"

static atr_value unary(gen *g, const char *opcode, atr_value v) { return atr_build_elementwise(g->b, opcode, &v, 1); }

static atr_value binary(gen *g, const char *opcode, atr_value a, atr_value b) {
  atr_value v[2] = {a, b};
  return rng_chance(&g->r, 3, 4) ? atr_build_elementwise(g->b, opcode, v, 2)
                                 : atr_build_elementwise(g->b, opcode, (atr_value[]){b, a}, 2);
}

/* One number per output feature (or a scalar) in v's shape. */
static atr_value per_feature(gen *g, const atr_shape *shape, int feature) {
  atr_shape scalar = atr_shape_make(shape->dtype, 0, NULL);
  if (feature < 0 || rng_chance(&g->r, 1, 6)) return gen_broadcast_scalar(g, gen_leaf(g, &scalar), shape);
  int64_t dim = feature;
  atr_shape row = atr_shape_make(shape->dtype, 1, &shape->dims[feature]),
            to = atr_shape_make(shape->dtype, shape->rank, shape->dims);
  return atr_build_broadcast(g->b, gen_value(g, &row, 1), &to, &dim, 1);
}

static atr_value number(gen *g, const atr_shape *shape, double value) {
  return gen_broadcast_scalar(g, gen_scalar(g, shape->dtype, value), shape);
}

/* ---- operations by what dtypes they take */

static atr_value arithmetic(gen *g, atr_value v, const atr_shape *shape, int feature) {
  static const char *const opcodes[] = {"add", "add", "subtract", "multiply"};
  const char *opcode = RNG_PICK(&g->r, opcodes);
  switch (rng_below(&g->r, 8)) {
  case 0:
  case 1: return binary(g, "add", v, per_feature(g, shape, feature));
  case 2: return binary(g, "multiply", v, per_feature(g, shape, feature));
  case 3:
  case 4: return binary(g, opcode, v, gen_value(g, shape, 1));
  case 5: return unary(g, "negate", v);
  case 6:
    if (atr_dtype_is_integer(shape->dtype)) return binary(g, "divide", v, gen_value(g, shape, 1));
    return binary(g, "subtract", v, per_feature(g, shape, feature));
  default: return binary(g, "divide", v, number(g, shape, (double)rng_range(&g->r, 2, 5)));
  }
}

static atr_value bitwise(gen *g, atr_value v, const atr_shape *shape, int feature) {
  (void)feature;
  static const char *const opcodes[] = {"and", "or", "xor"};
  const char *opcode = RNG_PICK(&g->r, opcodes);
  return rng_chance(&g->r, 1, 4) ? unary(g, "not", v) : binary(g, opcode, v, gen_value(g, shape, 1));
}

/* From a float to a complex number or from that to a part of it. */
static atr_value parts(gen *g, atr_value v, const atr_shape *shape, int feature) {
  (void)feature;
  if (shape->dtype == ATR_F32 || shape->dtype == ATR_F64) return binary(g, "complex", v, gen_value(g, shape, 1));
  return unary(g, rng_chance(&g->r, 1, 2) ? "real" : "imag", v);
}

static atr_value clamp(gen *g, atr_value v, const atr_shape *shape, int feature) {
  (void)feature;
  atr_value low = gen_scalar(g, shape->dtype, gen_number(g, (double)rng_range(&g->r, 0, 3))),
            high = gen_scalar(g, shape->dtype, gen_number(g, (double)rng_range(&g->r, 4, 40)));
  if (rng_chance(&g->r, 1, 3)) low = gen_broadcast_scalar(g, low, shape);
  if (rng_chance(&g->r, 1, 3)) high = gen_value(g, shape, 1);
  return atr_build_elementwise(g->b, "clamp", (atr_value[]){low, v, high}, 3);
}

static atr_value select_by(gen *g, atr_value v, const atr_shape *shape, int feature) {
  (void)feature;
  static const char *const directions[] = {"EQ", "NE", "LT", "LE", "GT", "GE"};
  bool has_order = atr_dtype_class_of(shape->dtype) != ATR_CLASS_COMPLEX;
  const char *direction = has_order ? RNG_PICK(&g->r, directions) : directions[rng_below(&g->r, 2)];
  atr_value other = gen_value(g, shape, 1), condition;
  atr_shape scalar = atr_shape_make(ATR_PRED, 0, NULL);
  if (rng_chance(&g->r, 1, 5)) condition = gen_leaf(g, &scalar);
  else if (rng_chance(&g->r, 1, 2)) condition = atr_build_compare(g->b, direction, other, gen_value(g, shape, 1));
  else condition = atr_build_compare(g->b, direction, v, number(g, shape, gen_number(g, 0)));
  return atr_build_elementwise(g->b, "select", (atr_value[]){condition, v, other}, 3);
}

static atr_value ordered(gen *g, atr_value v, const atr_shape *shape, int feature) {
  (void)feature;
  static const char *const opcodes[] = {"maximum", "minimum"};
  const char *opcode = RNG_PICK(&g->r, opcodes);
  if (rng_chance(&g->r, 1, 2)) return binary(g, "maximum", v, number(g, shape, gen_number(g, 0)));
  return binary(g, opcode, v, gen_value(g, shape, 1));
}

static atr_value transcendental(gen *g, atr_value v, const atr_shape *shape, int feature) {
  (void)shape, (void)feature;
  static const char *const opcodes[] = {"exponential", "tanh", "logistic"};
  return unary(g, RNG_PICK(&g->r, opcodes), v);
}

static atr_value rounded(gen *g, atr_value v, const atr_shape *shape, int feature) {
  (void)feature;
  return unary(g, "round-nearest-even", binary(g, "multiply", v, number(g, shape, gen_number(g, 0))));
}

/* ---- views behind the value */

static atr_value view(gen *g, atr_value v, const atr_shape *shape, int feature) {
  (void)feature;
  int order[ATR_MAX_RANK];
  int64_t list[ATR_MAX_RANK], triples[ATR_MAX_RANK][3];
  rng_permutation(&g->r, shape->rank, order);
  for (int i = 0; i < shape->rank; i++) list[i] = order[i];
  switch (rng_below(&g->r, 5)) {
  case 0: return atr_build_transpose(g->b, v, list, shape->rank);
  case 1: return atr_build_reverse(g->b, v, list, shape->rank / 2);
  case 2:
    for (int i = 0; i < shape->rank; i++) {
      triples[i][0] = rng_range(&g->r, 0, shape->dims[i] < 2 ? shape->dims[i] : 2);
      triples[i][1] = rng_range(&g->r, triples[i][0], shape->dims[i]);
      triples[i][2] = rng_range(&g->r, 1, 2);
    }
    return atr_build_slice(g->b, v, (const int64_t(*)[3])triples);
  case 3:
    for (int i = 0; i < shape->rank; i++) {
      bool wide = shape->dims[i] > 3;
      triples[i][0] = rng_range(&g->r, wide ? -1 : 0, 2);
      triples[i][1] = rng_range(&g->r, wide ? -1 : 0, 2);
      triples[i][2] = rng_chance(&g->r, 1, 6) ? 1 : 0;
    }
    if (shape->rank > 4 || atr_shape_elements(shape) > 5000) return v;
    return atr_build_pad(g->b, v, gen_scalar(g, shape->dtype, gen_number(g, 1)), (const int64_t(*)[3])triples);
  default: {
    int64_t all = atr_shape_elements(shape);
    atr_shape flat = atr_shape_make(shape->dtype, 1, &all);
    return atr_build_reshape(g->b, v, &flat);
  }
  }
}

static bool same_dims(const atr_shape *a, const atr_shape *b) {
  return a->rank == b->rank && (a->rank == 0 || memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0);
}

static atr_value absolute(gen *g, atr_value v, const atr_shape *shape, int feature) {
  (void)shape, (void)feature;
  return unary(g, "abs", v);
}

static atr_value convert(gen *g, atr_value v, const atr_shape *shape, int feature) {
  (void)feature;
  static const atr_dtype fp8[] = {ATR_F8E4M3FN, ATR_F8E5M2};
  if (atr_dtype_class_of(shape->dtype) == ATR_CLASS_FLOAT && rng_chance(&g->r, 1, 5))
    return atr_build_convert(g->b, v, RNG_PICK(&g->r, fp8));
  return atr_build_convert(g->b, v, rng_chance(&g->r, 1, 2) ? gen_dtype_like(g, shape->dtype) : gen_dtype(g));
}

/* ---- which operation for which class of dtypes, how often */

typedef struct tail_row {
  atr_op op; /* the row is for dtypes that this operation takes */
  int weight;
  atr_value (*make)(gen *g, atr_value v, const atr_shape *shape, int feature);
} tail_row;

static const tail_row tail_rows[] = {
    {ATR_OP_ADD, 80, arithmetic},  {ATR_OP_MAXIMUM, 30, ordered},     {ATR_OP_CLAMP, 12, clamp},
    {ATR_OP_ABS, 12, absolute},    {ATR_OP_TANH, 20, transcendental}, {ATR_OP_COMPARE, 20, select_by},
    {ATR_OP_CONVERT, 20, convert}, {ATR_OP_TRANSPOSE, 10, view},      {ATR_OP_AND, 10, bitwise},
    {ATR_OP_REAL, 8, parts},       {ATR_OP_ROUND_NEAREST_EVEN, 8, rounded},
};
enum { TAIL_ROWS = sizeof tail_rows / sizeof *tail_rows };

static int weight_of(const tail_row *row, atr_dtype dtype) { return atr_op_takes(row->op, dtype) ? row->weight : 0; }

static const tail_row *draw_row(gen *g, atr_dtype dtype) {
  int total = 0, row = 0;
  for (int i = 0; i < TAIL_ROWS; i++) total += weight_of(&tail_rows[i], dtype);
  int64_t at = rng_below(&g->r, total);
  for (;; row++) {
    at -= weight_of(&tail_rows[row], dtype);
    if (at < 0) return &tail_rows[row];
  }
}

atr_value gen_tail(gen *g, atr_value v, int feature, int count) {
  for (int i = 0; i < count; i++) {
    atr_shape shape = gen_shape(g, v);
    if (shape.dtype == ATR_DTYPE_NONE) return v;
    v = gen_keep(g, draw_row(g, shape.dtype)->make(g, v, &shape, feature));
    atr_shape after = gen_shape(g, v);
    if (!same_dims(&shape, &after)) feature = -1;
  }
  return v;
}

/* ---- the module */

static atr_value plain_core(gen *g) {
  int64_t dims[ATR_MAX_RANK];
  int rank = rng_chance(&g->r, 1, 12) ? (int)rng_range(&g->r, 5, 8) : (int)rng_range(&g->r, 0, 4);
  for (int i = 0; i < rank; i++) dims[i] = gen_extent(g, rank > 4 ? 3 : rank > 2 ? 9 : 40);
  atr_shape shape = atr_shape_make(g->only_dtype != 0 ? (atr_dtype)g->only_dtype : gen_dtype(g), rank, dims);
  g->dtype = shape.dtype;
  g->rank = -1;
  return gen_keep(g, gen_value(g, &shape, 4));
}

int gen_module(gen *g, atr_value *results, int max_results) {
  int roles[ATR_MAX_RANK] = {0}, convs = 1, count = 0;
  if (g->only_rank < 0 && rng_chance(&g->r, 1, 8)) convs = 0;
  else if (rng_chance(&g->r, 1, 5)) convs = (int)rng_range(&g->r, 2, 3);
  atr_value v = convs == 0 ? plain_core(g) : 0;
  for (int i = 0; i < convs; i++) {
    v = gen_conv(g, v, roles);
    bool last = i == convs - 1;
    v = gen_tail(g, v, roles[1], rng_chance(&g->r, 2, 5) ? 0 : (int)rng_range(&g->r, 1, last ? 4 : 2));
    atr_shape shape = gen_shape(g, v);
    if (shape.rank < 2 || shape.rank > ATR_MAX_SPATIAL + 2 || !atr_op_takes(ATR_OP_CONVOLUTION, shape.dtype)) break;
    if (rng_chance(&g->r, 1, 3)) rng_permutation(&g->r, shape.rank, roles);
  }
  if (convs == 0) v = gen_tail(g, v, -1, (int)rng_range(&g->r, 0, 4));
  results[count++] = v;
  while (count < max_results && g->made_count > 0 && rng_chance(&g->r, 1, 7))
    results[count++] = g->made[rng_below(&g->r, g->made_count)];
  return count;
}

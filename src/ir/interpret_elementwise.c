/* interpret_elementwise.c - operations that take each element by itself.
 *
 * In: dense operands. Out: dense results; each element is loaded as a wide scalar (dtype.h), computed on, and stored with one
 * rounding or wrap. One row per operation says which function serves which class of dtypes:
 *
 *     f32 divide: f64 quotient, rounded to f32        s8 add: 100 + 100 = 200, wrapped to -56
 *
 * Where operations leave a choice it is XLA's: maximum and minimum of a NaN are NaN; an integer divided by zero is -1 (all bits
 * set); the smallest integer stays itself under negate, abs and division by -1; clamp is minimum(maximum(min, x), max), so
 * max wins where min > max. On pred, add and maximum are OR, multiply and minimum AND, subtract and negate work modulo 2. Of
 * equal zeros maximum gives +0 and minimum -0. */
#include "ir/interpret.h"

#include <complex.h>
#include <math.h>
#include <string.h>

/* Operands in the order of the instruction; what an operation does not have is zero. */
typedef atr_scalar (*apply_fn)(const atr_scalar *x);

static atr_scalar of_real(double re) { return (atr_scalar){.re = re}; }
static atr_scalar of_int(int64_t i) { return (atr_scalar){.i = i}; }
static atr_scalar of_bits(uint64_t bits) { return (atr_scalar){.i = (int64_t)bits}; }
static uint64_t bits_of(const atr_scalar *x) { return (uint64_t)x->i; }
static double complex complex_of(const atr_scalar *x) { /* re + im*I would turn an infinite im into a NaN re */
  union { double parts[2]; double complex z; } u = {.parts = {x->re, x->im}};
  return u.z;
}
static atr_scalar of_complex(double complex z) { return (atr_scalar){.re = creal(z), .im = cimag(z)}; }

/* ---- floats */

static double maximum(double a, double b) {
  if (isnan(a) || isnan(b)) return a + b;
  if (a == b) return signbit(a) ? b : a;
  return a > b ? a : b;
}
static double minimum(double a, double b) { return -maximum(-a, -b); }

static atr_scalar float_add(const atr_scalar *x) { return of_real(x[0].re + x[1].re); }
static atr_scalar float_subtract(const atr_scalar *x) { return of_real(x[0].re - x[1].re); }
static atr_scalar float_multiply(const atr_scalar *x) { return of_real(x[0].re * x[1].re); }
static atr_scalar float_divide(const atr_scalar *x) { return of_real(x[0].re / x[1].re); }
static atr_scalar float_maximum(const atr_scalar *x) { return of_real(maximum(x[0].re, x[1].re)); }
static atr_scalar float_minimum(const atr_scalar *x) { return of_real(minimum(x[0].re, x[1].re)); }
static atr_scalar float_negate(const atr_scalar *x) { return of_real(-x[0].re); }
static atr_scalar float_abs(const atr_scalar *x) { return of_real(fabs(x[0].re)); }
static atr_scalar float_exponential(const atr_scalar *x) { return of_real(exp(x[0].re)); }
static atr_scalar float_tanh(const atr_scalar *x) { return of_real(tanh(x[0].re)); }
static atr_scalar float_logistic(const atr_scalar *x) { /* 1 / (1 + exp(-x)), without the overflow that would make it 0 */
  double e = exp(-fabs(x[0].re));
  return of_real(x[0].re < 0 ? e / (1 + e) : 1 / (1 + e));
}
static atr_scalar float_round_nearest_even(const atr_scalar *x) { return of_real(rint(x[0].re)); }
static atr_scalar float_complex(const atr_scalar *x) { return (atr_scalar){.re = x[0].re, .im = x[1].re}; }
static atr_scalar float_real(const atr_scalar *x) { return x[0]; }
static atr_scalar float_imag(const atr_scalar *x) { (void)x; return of_real(0); }
static atr_scalar float_clamp(const atr_scalar *x) { return of_real(minimum(maximum(x[0].re, x[1].re), x[2].re)); }

/* ---- integers: 64 bits are computed on, modulo 2^64; the store wraps to fewer */

static atr_scalar int_add(const atr_scalar *x) { return of_bits(bits_of(&x[0]) + bits_of(&x[1])); }
static atr_scalar int_subtract(const atr_scalar *x) { return of_bits(bits_of(&x[0]) - bits_of(&x[1])); }
static atr_scalar int_multiply(const atr_scalar *x) { return of_bits(bits_of(&x[0]) * bits_of(&x[1])); }
static atr_scalar int_and(const atr_scalar *x) { return of_bits(bits_of(&x[0]) & bits_of(&x[1])); }
static atr_scalar int_or(const atr_scalar *x) { return of_bits(bits_of(&x[0]) | bits_of(&x[1])); }
static atr_scalar int_xor(const atr_scalar *x) { return of_bits(bits_of(&x[0]) ^ bits_of(&x[1])); }
static atr_scalar int_not(const atr_scalar *x) { return of_bits(~bits_of(&x[0])); }
static atr_scalar int_negate(const atr_scalar *x) { return of_bits(0 - bits_of(&x[0])); }

static atr_scalar sint_divide(const atr_scalar *x) {
  if (x[1].i == 0) return of_int(-1);
  if (x[1].i == -1) return int_negate(x); /* the smallest 64-bit integer traps otherwise */
  return of_int(x[0].i / x[1].i);
}
static atr_scalar sint_maximum(const atr_scalar *x) { return x[0].i > x[1].i ? x[0] : x[1]; }
static atr_scalar sint_minimum(const atr_scalar *x) { return x[0].i < x[1].i ? x[0] : x[1]; }
static atr_scalar sint_abs(const atr_scalar *x) { return x[0].i < 0 ? int_negate(x) : x[0]; }
static atr_scalar sint_clamp(const atr_scalar *x) {
  atr_scalar low = sint_maximum(x), pair[2] = {low, x[2]};
  return sint_minimum(pair);
}

static atr_scalar uint_divide(const atr_scalar *x) {
  return of_bits(x[1].i == 0 ? UINT64_MAX : bits_of(&x[0]) / bits_of(&x[1]));
}
static atr_scalar uint_maximum(const atr_scalar *x) { return bits_of(&x[0]) > bits_of(&x[1]) ? x[0] : x[1]; }
static atr_scalar uint_minimum(const atr_scalar *x) { return bits_of(&x[0]) < bits_of(&x[1]) ? x[0] : x[1]; }
static atr_scalar uint_abs(const atr_scalar *x) { return x[0]; }
static atr_scalar uint_clamp(const atr_scalar *x) {
  atr_scalar low = uint_maximum(x), pair[2] = {low, x[2]};
  return uint_minimum(pair);
}

static atr_scalar pred_not(const atr_scalar *x) { return of_int(x[0].i == 0); }
static atr_scalar pred_divide(const atr_scalar *x) { return of_int(x[1].i == 0 ? 1 : x[0].i); }

/* ---- complex numbers */

static atr_scalar complex_add(const atr_scalar *x) { return of_complex(complex_of(&x[0]) + complex_of(&x[1])); }
static atr_scalar complex_subtract(const atr_scalar *x) { return of_complex(complex_of(&x[0]) - complex_of(&x[1])); }
static atr_scalar complex_multiply(const atr_scalar *x) { /* as convolution does, without C's repair of infinities */
  return (atr_scalar){.re = x[0].re * x[1].re - x[0].im * x[1].im, .im = x[0].re * x[1].im + x[0].im * x[1].re};
}
static atr_scalar complex_divide(const atr_scalar *x) { return of_complex(complex_of(&x[0]) / complex_of(&x[1])); }
static atr_scalar complex_negate(const atr_scalar *x) { return (atr_scalar){.re = -x[0].re, .im = -x[0].im}; }
static atr_scalar complex_real(const atr_scalar *x) { return of_real(x[0].re); }
static atr_scalar complex_imag(const atr_scalar *x) { return of_real(x[0].im); }
static atr_scalar complex_abs(const atr_scalar *x) { return of_real(hypot(x[0].re, x[0].im)); }
static atr_scalar complex_exponential(const atr_scalar *x) { return of_complex(cexp(complex_of(x))); }
static atr_scalar complex_tanh(const atr_scalar *x) { return of_complex(ctanh(complex_of(x))); }
static atr_scalar complex_logistic(const atr_scalar *x) { /* near its poles i pi (2k + 1), 1 + exp(-z) would cancel */
  bool negative = x[0].re < 0;
  atr_scalar minus = complex_negate(x), half = {.re = x[0].re / 2, .im = x[0].im / 2};
  if (!(fabs(x[0].re) >= 1)) return of_complex((1 + ctanh(complex_of(&half))) / 2);
  double complex e = cexp(complex_of(negative ? x : &minus)); /* this one does not overflow */
  return of_complex((negative ? e : 1) / (1 + e));
}

/* ---- which function for which class */

typedef struct apply_row {
  apply_fn on_pred, on_sint, on_uint, on_float, on_complex;
} apply_row;

static const apply_row apply_rows[ATR_OP_COUNT] = {
  [ATR_OP_ADD] = {int_or, int_add, int_add, float_add, complex_add},
  [ATR_OP_SUBTRACT] = {int_xor, int_subtract, int_subtract, float_subtract, complex_subtract},
  [ATR_OP_MULTIPLY] = {int_and, int_multiply, int_multiply, float_multiply, complex_multiply},
  [ATR_OP_DIVIDE] = {pred_divide, sint_divide, uint_divide, float_divide, complex_divide},
  [ATR_OP_MAXIMUM] = {int_or, sint_maximum, uint_maximum, float_maximum, NULL},
  [ATR_OP_MINIMUM] = {int_and, sint_minimum, uint_minimum, float_minimum, NULL},
  [ATR_OP_AND] = {int_and, int_and, int_and, NULL, NULL},
  [ATR_OP_OR] = {int_or, int_or, int_or, NULL, NULL},
  [ATR_OP_XOR] = {int_xor, int_xor, int_xor, NULL, NULL},
  [ATR_OP_NOT] = {pred_not, int_not, int_not, NULL, NULL},
  [ATR_OP_COMPLEX] = {NULL, NULL, NULL, float_complex, NULL},
  [ATR_OP_REAL] = {NULL, NULL, NULL, float_real, complex_real},
  [ATR_OP_IMAG] = {NULL, NULL, NULL, float_imag, complex_imag},
  [ATR_OP_NEGATE] = {uint_abs, int_negate, int_negate, float_negate, complex_negate},
  [ATR_OP_ABS] = {uint_abs, sint_abs, uint_abs, float_abs, complex_abs},
  [ATR_OP_EXPONENTIAL] = {NULL, NULL, NULL, float_exponential, complex_exponential},
  [ATR_OP_TANH] = {NULL, NULL, NULL, float_tanh, complex_tanh},
  [ATR_OP_LOGISTIC] = {NULL, NULL, NULL, float_logistic, complex_logistic},
  [ATR_OP_ROUND_NEAREST_EVEN] = {NULL, NULL, NULL, float_round_nearest_even, NULL},
  [ATR_OP_CLAMP] = {uint_clamp, sint_clamp, uint_clamp, float_clamp, NULL},
};

static apply_fn apply_for(atr_op op, atr_dtype dtype) {
  const apply_row *row = &apply_rows[op];
  switch (atr_dtype_class_of(dtype)) {
  case ATR_CLASS_PRED: return row->on_pred;
  case ATR_CLASS_SINT: return row->on_sint;
  case ATR_CLASS_UINT: return row->on_uint;
  case ATR_CLASS_FLOAT: return row->on_float;
  case ATR_CLASS_COMPLEX: return row->on_complex;
  case ATR_CLASS_NONE: break;
  }
  return NULL;
}

/* ---- comparison */

typedef enum relation { IS_LESS, IS_EQUAL, IS_GREATER, IS_UNORDERED } relation;

static relation relation_of(atr_dtype_class class, const atr_scalar *a, const atr_scalar *b) {
  switch (class) {
  case ATR_CLASS_PRED: case ATR_CLASS_SINT: return a->i < b->i ? IS_LESS : a->i > b->i ? IS_GREATER : IS_EQUAL;
  case ATR_CLASS_UINT: return bits_of(a) < bits_of(b) ? IS_LESS : bits_of(a) > bits_of(b) ? IS_GREATER : IS_EQUAL;
  case ATR_CLASS_FLOAT:
    if (a->re != b->re) return a->re < b->re ? IS_LESS : a->re > b->re ? IS_GREATER : IS_UNORDERED;
    return IS_EQUAL;
  case ATR_CLASS_COMPLEX: return a->re == b->re && a->im == b->im ? IS_EQUAL : IS_UNORDERED;
  case ATR_CLASS_NONE: break;
  }
  return IS_UNORDERED;
}

static bool holds(atr_direction direction, relation found) {
  switch (direction) {
  case ATR_EQ: return found == IS_EQUAL;
  case ATR_NE: return found != IS_EQUAL;
  case ATR_LT: return found == IS_LESS;
  case ATR_LE: return found == IS_LESS || found == IS_EQUAL;
  case ATR_GT: return found == IS_GREATER;
  case ATR_GE: return found == IS_GREATER || found == IS_EQUAL;
  }
  return false;
}

/* ---- the loop */

/* An operand as the loop walks it; a scalar beside arrays (clamp's bounds, select's predicate) has step 0. */
typedef struct stream {
  atr_dtype dtype;
  const char *at;
  size_t step;
} stream;

/* The result at the streams' places. `apply` is NULL where no function of the table is needed. */
static atr_scalar apply_inst(const atr_inst *inst, apply_fn apply, const stream *s) {
  atr_scalar x[3] = {{0}};
  for (int i = 0; i < inst->operand_count; i++) x[i] = atr_scalar_load(s[i].dtype, s[i].at);
  if (apply != NULL) return apply(x);
  if (inst->op == ATR_OP_CONVERT) return atr_scalar_convert(s[0].dtype, inst->shape.dtype, x[0]);
  if (inst->op == ATR_OP_SELECT) return x[0].i != 0 ? x[1] : x[2];
  return of_int(holds(inst->u.direction, relation_of(atr_dtype_class_of(s[0].dtype), &x[0], &x[1])));
}

atr_status atr_interpreter_map(const atr_interpreter *in, const atr_inst *inst, void *out) {
  size_t size = atr_dtype_size(inst->shape.dtype);
  int64_t count = atr_shape_elements(&inst->shape);
  bool has_own_rule = inst->op == ATR_OP_CONVERT || inst->op == ATR_OP_SELECT || inst->op == ATR_OP_COMPARE;
  stream streams[3] = {{0}};
  for (int i = 0; i < inst->operand_count; i++) {
    const atr_shape *shape = &atr_operand(in->module, inst, i)->shape;
    bool is_scalar = shape->rank == 0 && inst->shape.rank != 0;
    streams[i] = (stream){shape->dtype, atr_interpreter_operand(in, inst, i), is_scalar ? 0 : atr_dtype_size(shape->dtype)};
  }
  apply_fn apply = has_own_rule ? NULL : apply_for(inst->op, streams[0].dtype);
  if (apply == NULL && !has_own_rule)
    return atr_fail(in->work, atr_inst_span(inst, ATR_ATTR_OPCODE), ATR_UNSUPPORTED, "%s is not defined for %s",
                    atr_op_name(inst->op), atr_dtype_name(streams[0].dtype));
  for (int64_t e = 0; e < count; e++) {
    atr_scalar_store(inst->shape.dtype, (char *)out + e * (int64_t)size, apply_inst(inst, apply, streams));
    for (int i = 0; i < inst->operand_count; i++) streams[i].at += streams[i].step;
  }
  return ATR_OK;
}

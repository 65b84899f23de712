/* llvm_math.h - what the functions of real (llvm_math.c) and of complex numbers (llvm_math_complex.c) are written with.
 *
 * Vectors of f32 or f64 in formulas that read as formulas: 1 - x*y is sub_mul(m, number(m, 1), x, y). Numbers that must be
 * known beyond their type's precision are pairs. The short names are for these two files alone. */
#ifndef ATR_CODEGEN_LLVM_MATH_H
#define ATR_CODEGEN_LLVM_MATH_H

#include "codegen/llvm_internal.h"

enum { ATR_MATH_COEFFICIENTS = 11 };

typedef LLVMValueRef value;

/* What depends on the type. */
typedef struct real_format {
  int mantissa;             /* stored bits */
  uint64_t one;             /* the bits of 1 */
  uint64_t half_mask;       /* keeps the leading half of the significant bits: products of two such numbers are exact */
  double round;             /* 1.5 * 2^mantissa: adding it leaves the nearest integer in the low bits */
  double ln2_high, ln2_low; /* n * ln2_high is exact for every n that occurs */
  double least, greatest;   /* exp is 0 below, infinite above */
  double flat;              /* tanh(x / 2) rounds to -1 below */
  int count;                /* of coefficients: 1/2 and those of p */
  double coefficient[ATR_MATH_COEFFICIENTS];
} real_format;

/* A function being emitted. */
typedef struct math {
  atr_emitter *e;
  const real_format *format;
  LLVMTypeRef real, integer; /* vectors */
} math;

/* A sum that is not rounded; |tail| may be a few percent of |head|. */
typedef struct pair {
  value head, tail;
} pair;

/* x = n ln 2 + r */
typedef struct reduced {
  value n;    /* bits whose lowest ones are those of n */
  pair expm1; /* of r: head = r */
} reduced;

math atr_math_begin(atr_emitter *e, value x); /* for the type of x */
value atr_math_polynomial(math *m, const double *c, int count, value x, value square);
reduced atr_math_reduce(math *m, value x); /* |x| < 2048 */
/* 2^n and x * 2^n, for n as in reduced; the second also where 2^n is no number of the type but 2^(n/2) is. */
value atr_math_power(math *m, value n);
value atr_math_scale(math *m, value x, value n);
value atr_math_half(math *m, value n); /* floor(n / 2) */
/* a + b for |a| >= |b.head|, or a = 0; only the tail is rounded. */
pair atr_math_add(math *m, value a, pair b);
/* exp(x) - 1 from x reduced and 2^n: nothing cancels near 0. */
pair atr_math_expm1(math *m, reduced x, value power);

/* ---- shorthand */

static inline value add(math *m, value a, value b) { return LLVMBuildFAdd(m->e->b, a, b, ""); }
static inline value sub(math *m, value a, value b) { return LLVMBuildFSub(m->e->b, a, b, ""); }
static inline value mul(math *m, value a, value b) { return LLVMBuildFMul(m->e->b, a, b, ""); }
static inline value divide(math *m, value a, value b) { return LLVMBuildFDiv(m->e->b, a, b, ""); }
static inline value negate(math *m, value a) { return LLVMBuildFNeg(m->e->b, a, ""); }
static inline value rounded(math *m, pair a) { return add(m, a.head, a.tail); }

static inline value bits_of(math *m, value x) { return LLVMBuildBitCast(m->e->b, x, m->integer, ""); }
static inline value real_of(math *m, value bits) { return LLVMBuildBitCast(m->e->b, bits, m->real, ""); }

static inline value number(math *m, double x) { return atr_llvm_splat(m->e, LLVMConstReal(LLVMGetElementType(m->real), x)); }
static inline value integer(math *m, uint64_t x) {
  return atr_llvm_splat(m->e, LLVMConstInt(LLVMGetElementType(m->integer), x, 0));
}
static inline value masked(math *m, value bits, uint64_t mask) { return LLVMBuildAnd(m->e->b, bits, integer(m, mask), ""); }

static inline value choose(math *m, value mask, value a, value b) { return LLVMBuildSelect(m->e->b, mask, a, b, ""); }
static inline value is(math *m, LLVMRealPredicate relation, value a, value b) {
  return LLVMBuildFCmp(m->e->b, relation, a, b, "");
}

/* a * b + c, rounded once where the target can. */
static inline value mul_add(math *m, value a, value b, value c) {
  if (!m->e->target->row->fma) return add(m, mul(m, a, b), c);
  return atr_llvm_intrinsic(m->e, "llvm.fma", m->real, (value[]){a, b, c}, 3);
}
static inline value sub_mul(math *m, value c, value a, value b) {
  if (!m->e->target->row->fma) return sub(m, c, mul(m, a, b));
  return mul_add(m, negate(m, a), b, c);
}

/* NaN stays: these compares are false for it. */
static inline value at_least(math *m, value x, double limit) {
  value bound = number(m, limit);
  return choose(m, is(m, LLVMRealOGT, bound, x), bound, x);
}
static inline value clamp(math *m, value x, double least, double greatest) {
  value bound = number(m, greatest);
  x = at_least(m, x, least);
  return choose(m, is(m, LLVMRealOLT, bound, x), bound, x);
}

static inline value absolute(math *m, value x) { return atr_llvm_intrinsic(m->e, "llvm.fabs", m->real, &x, 1); }
static inline value with_sign_of(math *m, value x, value sign) {
  return atr_llvm_intrinsic(m->e, "llvm.copysign", m->real, (value[]){x, sign}, 2);
}

static inline value leading_half(math *m, value x) { return real_of(m, masked(m, bits_of(m, x), m->format->half_mask)); }

#endif

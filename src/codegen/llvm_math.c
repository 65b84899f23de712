/* llvm_math.c - exp, tanh and logistic as straight-line vector code.
 *
 * In: a vector of f32 or f64. Out: one of the same type, within 0.85 ulp of the exact result everywhere (tests/unit/test_math.c
 * measures it), with the C library's values for infinities, NaN, zeros, and results that overflow or are subnormal. Nothing is
 * called and nothing branches, so that a fused epilogue stays one block of vector instructions, on every target.
 *
 * Everything comes from one reduction: x = n ln 2 + r with |r| <= ln(2)/2, and exp(r) - 1 = head + tail, where head = r is
 * exact to a rounding and tail holds what r lost and the polynomial part r^2/2 + r^3 p(r).
 *
 *     exp(x)      = 2^n (1 + head + tail)
 *     tanh(x)     = E / (2 + E) with the sign of x, E = exp(-2|x|) - 1 = (2^n - 1) + 2^n (head + tail): nothing cancels near 0
 *     logistic(x) = 1 / (1 + exp(-x)), scaled so that the large exp(-x) of a subnormal result does not overflow
 *
 * Sums and quotients carry the part that rounding cuts off, in plain arithmetic that is right with and without a fused
 * multiply-add. The reduction is Cody and Waite's ("Software Manual for the Elementary Functions", 1980), the sum Dekker's ("A
 * floating-point technique for extending the available precision", 1971); the numbers below are printed by
 * scripts/make-math-coefficients.py. */
#include "codegen/llvm_internal.h"

enum { MAX_COEFFICIENTS = 11 };

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
  double coefficient[MAX_COEFFICIENTS];
} real_format;

/* The polynomials' relative errors as exp(r) - 1: 2^-29.8 and 2^-59.2. */
static const real_format F32 = {
    .mantissa = 23,
    .one = 0x3f800000,
    .half_mask = 0xfffff000,
    .round = 0x1.8p23,
    .ln2_high = 0x1.62e4p-1,
    .ln2_low = 0x1.7f7d1cp-20,
    .least = -104,
    .greatest = 89,
    .flat = -18.5,
    .count = 6,
    .coefficient = {0.5, 0x1.555554p-3, 0x1.5554f2p-5, 0x1.1111cap-7, 0x1.6d407ap-10, 0x1.9fbdfp-13},
};
static const real_format F64 = {
    .mantissa = 52,
    .one = 0x3ff0000000000000,
    .half_mask = 0xfffffffff8000000,
    .round = 0x1.8p52,
    .ln2_high = 0x1.62e42fefa38p-1,
    .ln2_low = 0x1.ef35793c7673p-45,
    .least = -746,
    .greatest = 710,
    .flat = -38.5,
    .count = 11,
    .coefficient = {0.5, 0x1.5555555555559p-3, 0x1.5555555555549p-5, 0x1.111111110f7e7p-7, 0x1.6c16c16c1ccffp-10,
                    0x1.a01a01af77d97p-13, 0x1.a01a0182fee81p-16, 0x1.71ddf94d74f9ap-19, 0x1.27e52b3762985p-22,
                    0x1.af5d2ca2445b7p-26, 0x1.1ef51a08b46c6p-29},
};

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

static math begin(atr_emitter *e, value x) {
  LLVMTypeRef real = LLVMTypeOf(x);
  bool wide = LLVMGetElementType(real) == e->f64;
  return (math){e, wide ? &F64 : &F32, real, LLVMVectorType(wide ? e->i64 : e->i32, (unsigned)e->lanes)};
}

/* ---- shorthand */

static value add(math *m, value a, value b) { return LLVMBuildFAdd(m->e->b, a, b, ""); }
static value sub(math *m, value a, value b) { return LLVMBuildFSub(m->e->b, a, b, ""); }
static value mul(math *m, value a, value b) { return LLVMBuildFMul(m->e->b, a, b, ""); }
static value bits_of(math *m, value x) { return LLVMBuildBitCast(m->e->b, x, m->integer, ""); }
static value real_of(math *m, value bits) { return LLVMBuildBitCast(m->e->b, bits, m->real, ""); }
static value choose(math *m, value mask, value a, value b) { return LLVMBuildSelect(m->e->b, mask, a, b, ""); }

static value number(math *m, double x) { return atr_llvm_splat(m->e, LLVMConstReal(LLVMGetElementType(m->real), x)); }

static value integer(math *m, uint64_t x) { return atr_llvm_splat(m->e, LLVMConstInt(LLVMGetElementType(m->integer), x, 0)); }

/* a * b + c, rounded once where the target can. */
static value mul_add(math *m, value a, value b, value c) {
  if (!m->e->target->row->fma) return add(m, mul(m, a, b), c);
  return atr_llvm_intrinsic(m->e, "llvm.fma", m->real, (value[]){a, b, c}, 3);
}

static value sub_mul(math *m, value c, value a, value b) {
  if (!m->e->target->row->fma) return sub(m, c, mul(m, a, b));
  return mul_add(m, LLVMBuildFNeg(m->e->b, a, ""), b, c);
}

/* NaN stays: these compares are false for it. */
static value at_least(math *m, value x, double limit) {
  value bound = number(m, limit);
  return choose(m, LLVMBuildFCmp(m->e->b, LLVMRealOGT, bound, x, ""), bound, x);
}

static value clamp(math *m, value x, double least, double greatest) {
  value bound = number(m, greatest);
  x = at_least(m, x, least);
  return choose(m, LLVMBuildFCmp(m->e->b, LLVMRealOLT, bound, x, ""), bound, x);
}

static value absolute(math *m, value x) { return atr_llvm_intrinsic(m->e, "llvm.fabs", m->real, &x, 1); }

static value with_sign_of(math *m, value x, value sign) {
  return atr_llvm_intrinsic(m->e, "llvm.copysign", m->real, (value[]){x, sign}, 2);
}

/* ---- the reduction */

typedef struct reduced {
  value n;    /* bits whose lowest ones are those of n */
  pair expm1; /* of r: head = r */
} reduced;

/* c0 + c1 r + c2 r^2 + ...: pairs first, then Horner in r^2, which halves the chain of dependent steps. */
static value polynomial(math *m, value r, value square) {
  const double *c = m->format->coefficient;
  int k = (m->format->count - 1) & ~1;
  value sum = number(m, c[k]);
  if (k + 1 < m->format->count) sum = mul_add(m, number(m, c[k + 1]), r, sum);
  while ((k -= 2) >= 0) sum = mul_add(m, sum, square, mul_add(m, number(m, c[k + 1]), r, number(m, c[k])));
  return sum;
}

static reduced reduce(math *m, value x) {
  value magic = number(m, m->format->round);
  value shifted = mul_add(m, x, number(m, 0x1.71547652b82fep0), magic); /* 1 / ln 2 */
  value n = sub(m, shifted, magic);
  value most = sub_mul(m, x, n, number(m, m->format->ln2_high)); /* exact */
  value rest = mul(m, n, number(m, m->format->ln2_low));
  value r = sub(m, most, rest), lost = sub(m, sub(m, most, r), rest), square = mul(m, r, r);
  return (reduced){bits_of(m, shifted), {r, mul_add(m, polynomial(m, r, square), square, lost)}};
}

/* 2^n for n of bits whose lowest ones are those of n. */
static value power(math *m, value n) {
  value exponent = LLVMBuildShl(m->e->b, n, integer(m, (uint64_t)m->format->mantissa), "");
  return real_of(m, LLVMBuildAdd(m->e->b, exponent, integer(m, m->format->one), ""));
}

/* floor(n / 2), for exponents that the type lacks: 2^n is then 2^half times 2^rest. The bits above those of n are an even and
 * positive number, so that shifting all of them halves n too. */
static value half_of(math *m, value n) { return LLVMBuildLShr(m->e->b, n, integer(m, 1), ""); }

/* ---- arithmetic with unrounded sums */

/* a + b for |a| >= |b.head|, or a = 0; only the tail is rounded. */
static pair add_pair(math *m, value a, pair b) {
  value sum = add(m, a, b.head);
  return (pair){sum, add(m, sub(m, b.head, sub(m, sum, a)), b.tail)};
}

static value leading_half(math *m, value x) {
  return real_of(m, LLVMBuildAnd(m->e->b, bits_of(m, x), integer(m, m->format->half_mask), ""));
}

/* a / (large + small) for |large| >= |small.head|, rounded once: half of the quotient's bits, times half of the divisor's, is
 * exact; what is left of a, divided by the rounded divisor, gives the other bits. */
static value divide(math *m, pair a, value large, pair small) {
  value divisor = add(m, large, add(m, small.head, small.tail)), inverse = LLVMBuildFDiv(m->e->b, number(m, 1), divisor, "");
  value high = leading_half(m, divisor), low = add(m, add(m, sub(m, large, high), small.head), small.tail);
  value quotient = leading_half(m, mul(m, add(m, a.head, a.tail), inverse));
  value left = sub_mul(m, add(m, sub_mul(m, a.head, quotient, high), a.tail), quotient, low);
  return mul_add(m, left, inverse, quotient);
}

/* ---- the functions */

value atr_llvm_exp(atr_emitter *e, value x) {
  math m = begin(e, x);
  reduced r = reduce(&m, clamp(&m, x, m.format->least, m.format->greatest));
  pair sum = add_pair(&m, number(&m, 1), r.expm1);
  value half = half_of(&m, r.n), rest = LLVMBuildSub(e->b, r.n, half, "");
  return mul(&m, mul(&m, add(&m, sum.head, sum.tail), power(&m, half)), power(&m, rest));
}

value atr_llvm_tanh(atr_emitter *e, value x) {
  math m = begin(e, x);
  value one = number(&m, 1), below = LLVMBuildFNeg(e->b, absolute(&m, x), "");
  reduced r = reduce(&m, at_least(&m, add(&m, below, below), m.format->flat));
  value scale = power(&m, r.n), most = sub(&m, scale, one), lost = sub(&m, scale, add(&m, most, one));
  pair scaled = {mul(&m, scale, r.expm1.head), mul_add(&m, scale, r.expm1.tail, lost)}, expm1 = add_pair(&m, most, scaled);
  return with_sign_of(&m, divide(&m, expm1, number(&m, 2), expm1), x);
}

/* With exp(-x) = 2^n v, n = half + rest: 1 / (1 + exp(-x)) = 2^-half / (2^-half + 2^rest v). Nothing overflows, and what makes
 * a result subnormal is the last multiplication. */
value atr_llvm_logistic(atr_emitter *e, value x) {
  math m = begin(e, x);
  reduced r = reduce(&m, clamp(&m, LLVMBuildFNeg(e->b, x, ""), m.format->least, -m.format->least));
  pair v = add_pair(&m, number(&m, 1), r.expm1);
  value half = half_of(&m, r.n), scale = power(&m, LLVMBuildSub(e->b, r.n, half, ""));
  value one = power(&m, LLVMBuildNeg(e->b, half, ""));
  value u = mul(&m, v.head, scale), one_is_more = LLVMBuildFCmp(e->b, LLVMRealOGT, one, u, "");
  value large = choose(&m, one_is_more, one, u), small = choose(&m, LLVMBuildFCmp(e->b, LLVMRealOLT, one, u, ""), one, u);
  pair dividend = {number(&m, 1), number(&m, -0.0)}; /* adding -0 changes nothing, and LLVM knows it */
  return mul(&m, divide(&m, dividend, large, (pair){small, mul(&m, v.tail, scale)}), one);
}

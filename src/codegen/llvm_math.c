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
#include "codegen/llvm_math.h"

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

math atr_math_begin(atr_emitter *e, value x) {
  LLVMTypeRef real = LLVMTypeOf(x);
  bool wide = LLVMGetElementType(real) == e->f64;
  return (math){e, wide ? &F64 : &F32, real, LLVMVectorType(wide ? e->i64 : e->i32, (unsigned)e->lanes)};
}

/* ---- the reduction */

/* c0 + c1 x + c2 x^2 + ...: pairs first, then Horner in x^2, which halves the chain of dependent steps. */
value atr_math_polynomial(math *m, const double *c, int count, value x, value square) {
  int k = (count - 1) & ~1;
  value sum = number(m, c[k]);
  if (k + 1 < count) sum = mul_add(m, number(m, c[k + 1]), x, sum);
  while ((k -= 2) >= 0) sum = mul_add(m, sum, square, mul_add(m, number(m, c[k + 1]), x, number(m, c[k])));
  return sum;
}

reduced atr_math_reduce(math *m, value x) {
  value magic = number(m, m->format->round);
  value shifted = mul_add(m, x, number(m, 0x1.71547652b82fep0), magic); /* 1 / ln 2 */
  value n = sub(m, shifted, magic);
  value most = sub_mul(m, x, n, number(m, m->format->ln2_high)); /* exact */
  value rest = mul(m, n, number(m, m->format->ln2_low));
  value r = sub(m, most, rest), lost = sub(m, sub(m, most, r), rest), square = mul(m, r, r);
  value p = atr_math_polynomial(m, m->format->coefficient, m->format->count, r, square);
  return (reduced){bits_of(m, shifted), {r, mul_add(m, p, square, lost)}};
}

value atr_math_power(math *m, value n) {
  value exponent = LLVMBuildShl(m->e->b, n, integer(m, (uint64_t)m->format->mantissa), "");
  return real_of(m, LLVMBuildAdd(m->e->b, exponent, integer(m, m->format->one), ""));
}

/* The bits above those of n are an even and positive number, so that shifting all of them halves n too. */
value atr_math_half(math *m, value n) { return LLVMBuildLShr(m->e->b, n, integer(m, 1), ""); }

/* Only the last of the products may be subnormal or overflow. */
value atr_math_scale(math *m, value x, value n) {
  value half = atr_math_half(m, n), rest = LLVMBuildSub(m->e->b, n, half, "");
  return mul(m, mul(m, x, atr_math_power(m, half)), atr_math_power(m, rest));
}

/* ---- arithmetic with unrounded sums */

pair atr_math_add(math *m, value a, pair b) {
  value sum = add(m, a, b.head);
  return (pair){sum, add(m, sub(m, b.head, sub(m, sum, a)), b.tail)};
}

pair atr_math_expm1(math *m, reduced x, value power) {
  value one = number(m, 1), most = sub(m, power, one), lost = sub(m, power, add(m, most, one));
  return atr_math_add(m, most, (pair){mul(m, power, x.expm1.head), mul_add(m, power, x.expm1.tail, lost)});
}

/* a / (large + small) for |large| >= |small.head|, rounded once: half of the quotient's bits, times half of the divisor's, is
 * exact; what is left of a, divided by the rounded divisor, gives the other bits. */
static value quotient(math *m, pair a, value large, pair small) {
  value divisor = add(m, large, add(m, small.head, small.tail)), inverse = divide(m, number(m, 1), divisor);
  value high = leading_half(m, divisor), low = add(m, add(m, sub(m, large, high), small.head), small.tail);
  value first = leading_half(m, mul(m, rounded(m, a), inverse));
  value left = sub_mul(m, add(m, sub_mul(m, a.head, first, high), a.tail), first, low);
  return mul_add(m, left, inverse, first);
}

/* ---- the functions */

value atr_llvm_exp(atr_emitter *e, value x) {
  math m = atr_math_begin(e, x);
  reduced r = atr_math_reduce(&m, clamp(&m, x, m.format->least, m.format->greatest));
  return atr_math_scale(&m, rounded(&m, atr_math_add(&m, number(&m, 1), r.expm1)), r.n);
}

value atr_llvm_tanh(atr_emitter *e, value x) {
  math m = atr_math_begin(e, x);
  value below = negate(&m, absolute(&m, x));
  reduced r = atr_math_reduce(&m, at_least(&m, add(&m, below, below), m.format->flat));
  pair expm1 = atr_math_expm1(&m, r, atr_math_power(&m, r.n));
  return with_sign_of(&m, quotient(&m, expm1, number(&m, 2), expm1), x);
}

/* With exp(-x) = 2^n v, n = half + rest: 1 / (1 + exp(-x)) = 2^-half / (2^-half + 2^rest v). Nothing overflows, and what makes
 * a result subnormal is the last multiplication. */
value atr_llvm_logistic(atr_emitter *e, value x) {
  math m = atr_math_begin(e, x);
  reduced r = atr_math_reduce(&m, clamp(&m, negate(&m, x), m.format->least, -m.format->least));
  pair v = atr_math_add(&m, number(&m, 1), r.expm1);
  value half = atr_math_half(&m, r.n), scale = atr_math_power(&m, LLVMBuildSub(e->b, r.n, half, ""));
  value one = atr_math_power(&m, LLVMBuildNeg(e->b, half, ""));
  value u = mul(&m, v.head, scale), one_is_more = is(&m, LLVMRealOGT, one, u);
  value large = choose(&m, one_is_more, one, u), small = choose(&m, is(&m, LLVMRealOLT, one, u), one, u);
  pair dividend = {number(&m, 1), number(&m, -0.0)}; /* adding -0 changes nothing, and LLVM knows it */
  return mul(&m, quotient(&m, dividend, large, (pair){small, mul(&m, v.tail, scale)}), one);
}

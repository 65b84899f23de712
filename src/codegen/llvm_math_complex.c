/* llvm_math_complex.c - abs, exp, tanh and logistic of complex numbers as straight-line vector code.
 *
 * In: the parts of c64 or c128 numbers as two vectors. Out: the same (abs: one), with the C library's values for infinities and
 * NaN. All is computed in f64, so c64 is right to a rounding; how far c128 may be off is measured by
 * tests/unit/test_math_complex.c. As with real numbers nothing of a library is called and nothing branches. These are some 300
 * instructions, so all but abs are functions of the module, for each number of lanes one, which unrolled code calls.
 *
 *     abs(a + bi)      = sqrt(a^2 + b^2), scaled by a power of two where a square would overflow or vanish
 *     exp(a + bi)      = e^a (cos b + i sin b)
 *     tanh(a + bi)     = (u (1 + t) + 4 t i sin b cos b) / (u^2 + 4 t cos(b)^2)     t = exp(-2|a|), u = 1 - t, sign of a
 *     logistic(a + bi) = (1 + tanh((a + bi) / 2)) / 2
 *
 * The quotients have sums of positive terms only, so nothing cancels, near the poles or far from them.
 *
 * An angle x is reduced to x = n pi/2 + r with |r| <= pi/4 by one method for all sizes, that of Payne and Hanek ("Radian
 * reduction for trigonometric functions", 1983): of the bits of 2/pi only those are multiplied that make less than a whole turn
 * and more than rounding, 192 from a place that depends on the exponent. r is right to 64 bits where x is as near to a multiple
 * of pi/2 as an f64 can be (2^-61). The numbers are printed by scripts/make-math-coefficients.py. */
#include <math.h>

#include "codegen/llvm_math.h"

enum { LIMBS = 6, WORDS = 39, PLACES = 150 };

/* The bits of 2/pi behind 64 zeros. */
static const uint32_t TWO_OVER_PI[WORDS] = {
    0,          0,          0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561,
    0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484, 0xe99c7026, 0xb45f7e41,
    0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7,
    0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046};

static const double HALF_PI = 0x1.921fb54442d18p0, HALF_PI_HIGH = 0x1.921fb54p0, HALF_PI_LOW = 0x1.10b4611a62633p-30;

/* sin(r) = r + r z p(z), cos(r) = 1 - z/2 + z^2 p(z) with z = r^2; relative errors 2^-56.4 and 2^-59.6. */
enum { ANGLE_COEFFICIENTS = 6 };
static const double SIN[] = {-0x1.5555555555548p-3, 0x1.111111110f7cap-7,   -0x1.a01a019bfd1b5p-13,
                             0x1.71de356715232p-19, -0x1.ae5e59f7b5c57p-26, 0x1.5d8fa3b900f51p-33};
static const double COS[] = {0x1.555555555554bp-5,   -0x1.6c16c16c14f8ap-10, 0x1.a01a019c83927p-16,
                             -0x1.27e4f7ea38c7ep-22, 0x1.1ee9d75373017p-29,  -0x1.8fa46669e1b15p-37};

/* ---- bits */

static value shift_left(math *m, value bits, uint64_t count) { return LLVMBuildShl(m->e->b, bits, integer(m, count), ""); }
static value shift_right(math *m, value bits, uint64_t count) { return LLVMBuildLShr(m->e->b, bits, integer(m, count), ""); }
static value sign_of(math *m, value bits) { return masked(m, bits, (uint64_t)1 << 63); }

/* x with the sign changed where `sign` has the sign bit. */
static value flip(math *m, value x, value sign) { return real_of(m, LLVMBuildXor(m->e->b, bits_of(m, x), sign, "")); }
static pair flip_pair(math *m, pair x, value sign) { return (pair){flip(m, x.head, sign), flip(m, x.tail, sign)}; }

static pair choose_pair(math *m, value mask, pair a, pair b) {
  return (pair){choose(m, mask, a.head, b.head), choose(m, mask, a.tail, b.tail)};
}

/* The constant array of the module whose element k is 32 bits of TWO_OVER_PI from bit 8 k on. */
static value two_over_pi(atr_emitter *e) {
  static const char NAME[] = "two.over.pi"; /* no C identifier, so never a kernel's name */
  value global = LLVMGetNamedGlobal(e->module, NAME), entries[PLACES];
  if (global != NULL) return global;
  for (int k = 0; k < PLACES; k++) {
    uint64_t words = (uint64_t)TWO_OVER_PI[k / 4] << 32 | TWO_OVER_PI[k / 4 + 1];
    entries[k] = LLVMConstInt(e->i32, words >> (32 - 8 * (k % 4)) & UINT32_MAX, 0);
  }
  value data = LLVMConstArray2(e->i32, entries, PLACES);
  global = LLVMAddGlobal(e->module, LLVMTypeOf(data), NAME);
  LLVMSetInitializer(global, data);
  LLVMSetGlobalConstant(global, 1);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
  LLVMSetAlignment(global, 4);
  return global;
}

/* The elements at `index`, widened. */
static value look_up(math *m, value index) {
  atr_emitter *e = m->e;
  LLVMTypeRef narrow = LLVMVectorType(e->i32, (unsigned)e->lanes);
  value all = LLVMConstAllOnes(LLVMVectorType(e->i1, (unsigned)e->lanes)), alignment = LLVMConstInt(e->i32, 4, 0);
  value args[4] = {LLVMBuildGEP2(e->b, e->i32, two_over_pi(e), &index, 1, ""), alignment, all, LLVMGetPoison(narrow)};
  return LLVMBuildZExt(e->b, atr_llvm_intrinsic(e, "llvm.masked.gather", narrow, args, 4), m->integer, "");
}

/* ---- sine and cosine */

/* x * 2/pi modulo 4, for x >= 1/2: limb i counts 2^(-30 - 32 i). x is M * 2^k with 53 bits of M; the first bit of 2/pi that
 * enters counts 2^(1 - k), or is up to 7 places in front of that, because there is an element for every 8 bits; M is moved up
 * by as much. Then it is long multiplication by the two limbs of M. */
static void count_quarters(math *m, value x, value *limb) {
  LLVMBuilderRef b = m->e->b;
  value bits = bits_of(m, x), place = LLVMBuildSub(b, shift_right(m, bits, 52), integer(m, 1013), "");
  value mantissa = LLVMBuildOr(b, masked(m, bits, ((uint64_t)1 << 52) - 1), integer(m, (uint64_t)1 << 52), "");
  mantissa = LLVMBuildShl(b, mantissa, masked(m, place, 7), "");
  value start = shift_right(m, place, 3), low = masked(m, mantissa, UINT32_MAX), high = shift_right(m, mantissa, 32);
  value factor[LIMBS], carry = integer(m, 0);
  for (int i = LIMBS - 1; i >= 0; i--) {
    factor[i] = look_up(m, LLVMBuildAdd(b, start, integer(m, 4 * (uint64_t)i), ""));
    value sum = LLVMBuildAdd(b, LLVMBuildMul(b, low, factor[i], ""), carry, "");
    limb[i] = masked(m, sum, UINT32_MAX);
    carry = shift_right(m, sum, 32);
  }
  carry = integer(m, 0);
  for (int i = LIMBS - 2; i >= 0; i--) {
    value sum = LLVMBuildAdd(b, LLVMBuildMul(b, high, factor[i + 1], ""), LLVMBuildAdd(b, limb[i], carry, ""), "");
    limb[i] = masked(m, sum, UINT32_MAX);
    carry = shift_right(m, sum, 32);
  }
}

/* |x| = n pi/2 + r, of which the lowest two bits of n count. */
typedef struct turned {
  value n;
  pair r;
} turned;

/* A limb below 2^32 as a real number times 2^-weight: behind the exponent of 2^(52 - weight), which is then taken away. */
static value limb_value(math *m, value limb, uint64_t weight) {
  value base = integer(m, (1075 - weight) << 52);
  return sub(m, real_of(m, LLVMBuildOr(m->e->b, limb, base, "")), real_of(m, base));
}

/* The nearest whole number of quarters goes to n. What is left is between -1/2 and 1/2; its magnitude is summed from the limbs,
 * whose leading ones may be 0, and multiplied by pi/2. */
static turned reduce_large(math *m, value x) {
  LLVMBuilderRef b = m->e->b;
  value limb[LIMBS];
  count_quarters(m, x, limb);
  value top = LLVMBuildAdd(b, limb[0], integer(m, 1 << 29), "");
  value rest = LLVMBuildSub(b, masked(m, top, (1 << 30) - 1), integer(m, 1 << 29), "");
  value negative = LLVMBuildAShr(b, rest, integer(m, 63), ""), flipped = shift_right(m, negative, 32);
  pair sum = {limb_value(m, LLVMBuildXor(b, limb[3], flipped, ""), 126), number(m, -0.0)};
  for (int i = 2; i > 0; i--)
    sum = atr_math_add(m, limb_value(m, LLVMBuildXor(b, limb[i], flipped, ""), 30 + 32 * (uint64_t)i), sum);
  sum = atr_math_add(m, limb_value(m, LLVMBuildXor(b, rest, negative, ""), 30), sum);
  value high = leading_half(m, sum.head), low = add(m, sub(m, sum.head, high), sum.tail);
  value small = mul_add(m, high, number(m, HALF_PI_LOW), mul(m, low, number(m, HALF_PI)));
  pair r = atr_math_add(m, mul(m, high, number(m, HALF_PI_HIGH)), (pair){small, number(m, -0.0)});
  return (turned){shift_right(m, top, 30), flip_pair(m, r, sign_of(m, negative))};
}

static turned reduce_angle(math *m, value x) {
  value size = absolute(m, x), none = sub(m, x, x); /* NaN where x is not finite */
  turned t = reduce_large(m, at_least(m, size, 0.5));
  value is_small = is(m, LLVMRealOLE, size, number(m, HALF_PI / 2));
  t.n = choose(m, is_small, integer(m, 0), t.n);
  t.r = choose_pair(m, is_small, (pair){size, number(m, 0)}, t.r);
  t.r.tail = add(m, t.r.tail, none);
  return t;
}

typedef struct angle {
  pair sin, cos;
} angle;

static angle sin_cos_reduced(math *m, pair r) {
  value z = mul(m, r.head, r.head), square = mul(m, z, z), half = mul(m, z, number(m, 0.5)), one = number(m, 1);
  value most = sub(m, one, half), lost = sub_mul(m, sub(m, sub(m, one, most), half), r.head, r.tail);
  value sin = atr_math_polynomial(m, SIN, ANGLE_COEFFICIENTS, z, square);
  value cos = atr_math_polynomial(m, COS, ANGLE_COEFFICIENTS, z, square);
  pair sine = {r.head, mul_add(m, mul(m, r.head, z), sin, mul(m, r.tail, most))};
  return (angle){sine, {most, mul_add(m, square, cos, lost)}};
}

static angle sin_cos(math *m, value x) {
  turned t = reduce_angle(m, x);
  angle a = sin_cos_reduced(m, t.r);
  value is_odd = LLVMBuildICmp(m->e->b, LLVMIntNE, masked(m, t.n, 1), integer(m, 0), "");
  value next = LLVMBuildAdd(m->e->b, t.n, integer(m, 1), ""), sign = sign_of(m, bits_of(m, x));
  sign = LLVMBuildXor(m->e->b, sign, sign_of(m, shift_left(m, t.n, 62)), "");
  return (angle){flip_pair(m, choose_pair(m, is_odd, a.cos, a.sin), sign),
                 flip_pair(m, choose_pair(m, is_odd, a.sin, a.cos), sign_of(m, shift_left(m, next, 62)))};
}

/* ---- special values */

static value is_not_finite(math *m, value x) {
  value none = sub(m, x, x);
  return is(m, LLVMRealUNO, none, none);
}

static value both(math *m, value a, value b) { return LLVMBuildAnd(m->e->b, a, b, ""); }

/* b, but 0 with its sign where b is not finite and `a` settles the result anyway. */
static value settled(math *m, value a_settles, value b) {
  return choose(m, both(m, a_settles, is_not_finite(m, b)), with_sign_of(m, number(m, 0), b), b);
}

/* What is known where x is 0, also if the other part of the number is not finite: `at_zero`. */
static value keep_zero(math *m, value x, value at_zero, value otherwise) {
  return choose(m, is(m, LLVMRealOEQ, x, number(m, 0)), at_zero, otherwise);
}

/* ---- the functions */

/* Squares of f32 never leave f64. */
static value magnitude(math *m, atr_vec z, bool wide) {
  value a = absolute(m, z.re), b = absolute(m, z.im), x = a, y = b;
  value larger = choose(m, is(m, LLVMRealOGT, a, b), a, b), scale = number(m, 1), back = scale;
  if (wide) {
    value huge = is(m, LLVMRealOGT, larger, number(m, 0x1p500)), tiny = is(m, LLVMRealOLT, larger, number(m, 0x1p-500));
    scale = choose(m, huge, number(m, 0x1p-600), choose(m, tiny, number(m, 0x1p600), scale));
    back = choose(m, huge, number(m, 0x1p600), choose(m, tiny, number(m, 0x1p-600), back));
    x = mul(m, a, scale);
    y = mul(m, b, scale);
  }
  value square = mul_add(m, x, x, mul(m, y, y)), root = atr_llvm_intrinsic(m->e, "llvm.sqrt", m->real, &square, 1);
  if (wide) root = mul(m, root, back);
  value infinite = number(m, (double)INFINITY);
  root = choose(m, is(m, LLVMRealOEQ, a, infinite), infinite, root); /* also of NaN and an infinity */
  return choose(m, is(m, LLVMRealOEQ, b, infinite), infinite, root);
}

static value product(math *m, pair a, pair b) {
  return mul_add(m, a.head, b.head, mul_add(m, a.head, b.tail, mul(m, a.tail, rounded(m, b))));
}

/* A subnormal sin b may meet an e^a that is much too large for its type: a product without the exponent of e^a, but large
 * enough that nothing of it is lost, gets that exponent in four parts. */
static atr_vec exponential(math *m, atr_vec z) {
  static const double GREATEST = 1456; /* infinite, times the least number */
  value infinite = number(m, (double)INFINITY), b = settled(m, is(m, LLVMRealOEQ, z.re, negate(m, infinite)), z.im);
  reduced r = atr_math_reduce(m, clamp(m, z.re, m->format->least, GREATEST));
  pair power = atr_math_add(m, number(m, 1), r.expm1);
  power = (pair){mul(m, power.head, number(m, 0x1p128)), mul(m, power.tail, number(m, 0x1p128))};
  value n = LLVMBuildSub(m->e->b, r.n, integer(m, 128), "");
  value half = atr_math_half(m, n), rest = LLVMBuildSub(m->e->b, n, half, "");
  angle turn = sin_cos(m, b);
  value re = atr_math_scale(m, atr_math_scale(m, product(m, power, turn.cos), half), rest);
  value im = atr_math_scale(m, atr_math_scale(m, product(m, power, turn.sin), half), rest);
  value unsettled = both(m, is(m, LLVMRealOEQ, z.re, infinite), is_not_finite(m, b));
  return (atr_vec){choose(m, unsettled, infinite, re), keep_zero(m, b, b, im)};
}

/* What tanh(z) (part = 1) and logistic(z) (part = 1/2) are made of, with a + bi = part * z. */
typedef struct quotient {
  double part;
  value n, v, t, u;         /* t = exp(-2|a|) = 2^n v, u = 1 - t */
  value b, sin, cos, under; /* under = u^2 + 4 t cos(b)^2 */
} quotient;

static quotient begin_quotient(math *m, atr_vec z, double part) {
  quotient q = {.part = part};
  value size = absolute(m, z.re), infinite = number(m, (double)INFINITY);
  q.b = mul(m, settled(m, is(m, LLVMRealOEQ, size, infinite), z.im), number(m, part));
  reduced r = atr_math_reduce(m, at_least(m, mul(m, size, number(m, -2 * part)), m->format->least));
  angle turn = sin_cos(m, q.b);
  value power = atr_math_scale(m, number(m, 1), r.n);
  q.n = r.n;
  q.v = rounded(m, atr_math_add(m, number(m, 1), r.expm1));
  q.t = mul(m, power, q.v);
  q.u = negate(m, rounded(m, atr_math_expm1(m, r, power)));
  q.sin = rounded(m, turn.sin);
  q.cos = rounded(m, turn.cos);
  q.under = mul_add(m, q.u, q.u, mul(m, mul(m, number(m, 4), q.t), mul(m, q.cos, q.cos)));
  return q;
}

static value imaginary_part(math *m, const quotient *q) {
  value over = mul(m, mul(m, number(m, 4 * q->part), q->v), mul(m, q->sin, q->cos));
  return keep_zero(m, q->b, q->b, atr_math_scale(m, divide(m, over, q->under), q->n));
}

static atr_vec hyperbolic_tangent(math *m, atr_vec z) {
  quotient q = begin_quotient(m, z, 1);
  value re = with_sign_of(m, divide(m, mul(m, q.u, add(m, number(m, 1), q.t)), q.under), z.re);
  return (atr_vec){keep_zero(m, z.re, z.re, re), imaginary_part(m, &q)};
}

/* The real part is (u + 2 t cos^2) / under, and t (2 cos^2 - u) / under where a < 0. */
static atr_vec logistic(math *m, atr_vec z) {
  quotient q = begin_quotient(m, z, 0.5);
  value is_below = is(m, LLVMRealOLT, z.re, number(m, 0)), square = mul(m, q.cos, q.cos), twice = add(m, square, square);
  value over = choose(m, is_below, mul(m, q.v, sub(m, twice, q.u)), mul_add(m, q.t, twice, q.u));
  value re = atr_math_scale(m, divide(m, over, q.under), choose(m, is_below, q.n, integer(m, 0)));
  return (atr_vec){keep_zero(m, z.re, number(m, 0.5), re), imaginary_part(m, &q)};
}

static atr_vec function_of(math *m, atr_op op, atr_vec z, bool wide) {
  if (op == ATR_OP_ABS) return (atr_vec){magnitude(m, z, wide), NULL};
  if (op == ATR_OP_EXPONENTIAL) return exponential(m, z);
  return op == ATR_OP_TANH ? hyperbolic_tangent(m, z) : logistic(m, z);
}

/* In f64, and back to what z is. */
static atr_vec emit_inline(atr_emitter *e, atr_op op, atr_vec z) {
  LLVMTypeRef type = LLVMTypeOf(z.re), f64s = LLVMVectorType(e->f64, (unsigned)e->lanes);
  bool wide = type == f64s;
  if (!wide) z = (atr_vec){LLVMBuildFPExt(e->b, z.re, f64s, ""), LLVMBuildFPExt(e->b, z.im, f64s, "")};
  math m = atr_math_begin(e, z.re);
  atr_vec y = function_of(&m, op, z, wide);
  if (wide) return y;
  return (atr_vec){LLVMBuildFPTrunc(e->b, y.re, type, ""), y.im != NULL ? LLVMBuildFPTrunc(e->b, y.im, type, "") : NULL};
}

/* The function for such vectors on this CPU, made at its first use: {re, im} from re and im. */
static value shared_function(atr_emitter *e, atr_op op, LLVMTypeRef type, LLVMTypeRef signature) {
  const char *name = atr_arena_printf(e->work->arena, "%s.%s.%d%s%s", atr_op_name(op),
                                      LLVMGetElementType(type) == e->f64 ? "c128" : "c64", e->lanes, e->cpu != NULL ? "." : "",
                                      e->cpu != NULL ? e->cpu : "");
  value f = LLVMGetNamedFunction(e->module, name);
  if (f != NULL) return f;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
  f = atr_llvm_function(e, name, signature);
  LLVMSetLinkage(f, LLVMInternalLinkage);
  LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, f, "entry"));
  atr_vec y = emit_inline(e, op, (atr_vec){LLVMGetParam(f, 0), LLVMGetParam(f, 1)});
  LLVMBuildAggregateRet(e->b, (value[]){y.re, y.im}, 2);
  LLVMPositionBuilderAtEnd(e->b, here);
  return f;
}

atr_vec atr_llvm_complex_function(atr_emitter *e, atr_op op, atr_vec z) {
  if (op == ATR_OP_ABS) return emit_inline(e, op, z);
  LLVMTypeRef type = LLVMTypeOf(z.re), both_parts = LLVMStructTypeInContext(e->context, (LLVMTypeRef[]){type, type}, 2, 0);
  LLVMTypeRef signature = LLVMFunctionType(both_parts, (LLVMTypeRef[]){type, type}, 2, 0);
  value y = LLVMBuildCall2(e->b, signature, shared_function(e, op, type, signature), (value[]){z.re, z.im}, 2, "");
  return (atr_vec){LLVMBuildExtractValue(e->b, y, 0, ""), LLVMBuildExtractValue(e->b, y, 1, "")};
}

/* llvm_value.c - arithmetic and conversions of every dtype, on vectors.
 *
 * In and out: atr_vec in the held form of a dtype (llvm_internal.h). Narrow floats are held as f32 and rounded to their own
 * precision after every operation, so a fused epilogue gives the same bits as one operation at a time. Where a target lacks
 * an instruction (f16 conversion, fused multiply-add) the same value is made from integer or plain instructions: no libm, no
 * compiler runtime. */
#include <string.h>

#include "codegen/llvm_internal.h"

static bool is_complex(atr_dtype dtype) { return atr_dtype_class_of(dtype) == ATR_CLASS_COMPLEX; }
static bool is_unsigned(atr_dtype dtype) { return atr_dtype_class_of(dtype) == ATR_CLASS_UINT || dtype == ATR_PRED; }
static bool is_float_held(atr_dtype dtype) { return atr_dtype_class_of(dtype) == ATR_CLASS_FLOAT && !atr_dtype_is_fp8(dtype); }

/* ---- types and constants */

LLVMTypeRef atr_llvm_element_type(atr_emitter *e, atr_dtype dtype) {
  switch (dtype) {
  case ATR_F32:
  case ATR_C64:
  case ATR_F16:
  case ATR_BF16: return e->f32;
  case ATR_F64:
  case ATR_C128: return e->f64;
  case ATR_S16:
  case ATR_U16: return e->i16;
  case ATR_S32:
  case ATR_U32: return e->i32;
  case ATR_S64:
  case ATR_U64: return e->i64;
  case ATR_DTYPE_NONE:
  case ATR_PRED:
  case ATR_S8:
  case ATR_U8:
  case ATR_F8E4M3FN:
  case ATR_F8E5M2: return e->i8;
  }
  return e->i8;
}

static LLVMTypeRef vector_of(atr_emitter *e, LLVMTypeRef element) { return LLVMVectorType(element, (unsigned)e->lanes); }

LLVMTypeRef atr_llvm_vector_type(atr_emitter *e, atr_dtype dtype) { return vector_of(e, atr_llvm_element_type(e, dtype)); }

LLVMTypeRef atr_llvm_memory_type(atr_emitter *e, atr_dtype dtype) {
  return dtype == ATR_F16 || dtype == ATR_BF16 ? e->i16 : atr_llvm_element_type(e, dtype);
}

LLVMValueRef atr_llvm_splat(atr_emitter *e, LLVMValueRef scalar) {
  LLVMTypeRef type = vector_of(e, LLVMTypeOf(scalar));
  LLVMValueRef one = LLVMBuildInsertElement(e->b, LLVMGetPoison(type), scalar, LLVMConstInt(e->i32, 0, 0), "");
  if (e->lanes == 1) return one;
  return LLVMBuildShuffleVector(e->b, one, LLVMGetPoison(type), LLVMConstNull(vector_of(e, e->i32)), "");
}

static LLVMValueRef splat_constant(atr_emitter *e, LLVMValueRef constant) {
  LLVMValueRef lanes[ATR_MAX_LANES];
  for (int l = 0; l < e->lanes; l++) lanes[l] = constant;
  return LLVMConstVector(lanes, (unsigned)e->lanes);
}

static LLVMValueRef int_like(atr_emitter *e, LLVMValueRef like, uint64_t value) {
  return splat_constant(e, LLVMConstInt(LLVMGetElementType(LLVMTypeOf(like)), value, 0));
}

static LLVMValueRef float_like(atr_emitter *e, LLVMValueRef like, double value) {
  return splat_constant(e, LLVMConstReal(LLVMGetElementType(LLVMTypeOf(like)), value));
}

atr_vec atr_llvm_constant(atr_emitter *e, atr_dtype dtype, atr_scalar value) {
  LLVMTypeRef type = atr_llvm_element_type(e, dtype);
  if (atr_dtype_is_fp8(dtype)) {
    uint8_t bits;
    atr_scalar_store(dtype, &bits, value);
    return (atr_vec){splat_constant(e, LLVMConstInt(type, bits, 0)), NULL};
  }
  if (is_complex(dtype))
    return (atr_vec){splat_constant(e, LLVMConstReal(type, value.re)), splat_constant(e, LLVMConstReal(type, value.im))};
  if (is_float_held(dtype)) return (atr_vec){splat_constant(e, LLVMConstReal(type, value.re)), NULL};
  return (atr_vec){splat_constant(e, LLVMConstInt(type, (unsigned long long)value.i, 1)), NULL};
}

LLVMValueRef atr_llvm_mask(atr_emitter *e, const bool *valid) {
  LLVMValueRef lanes[ATR_MAX_LANES];
  for (int l = 0; l < e->lanes; l++) lanes[l] = LLVMConstInt(e->i1, valid[l], 0);
  return LLVMConstVector(lanes, (unsigned)e->lanes);
}

atr_vec atr_llvm_select(atr_emitter *e, LLVMValueRef mask, atr_vec a, atr_vec b) {
  atr_vec v = {LLVMBuildSelect(e->b, mask, a.re, b.re, ""), NULL};
  if (a.im != NULL) v.im = LLVMBuildSelect(e->b, mask, a.im, b.im, "");
  return v;
}

/* The overload is on `type`, which is also the result's if there is one. */
LLVMValueRef atr_llvm_intrinsic(atr_emitter *e, const char *name, LLVMTypeRef type, LLVMValueRef *args, unsigned count) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  LLVMTypeRef overload[2] = {type, LLVMTypeOf(args[0])};
  size_t overloads = LLVMTypeOf(args[0]) == type ? 1 : 2; /* conversions name both types */
  LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module, id, overload, overloads);
  return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->context, id, overload, overloads), function, args, count, "");
}

/* ---- narrow floats and their bits */

static LLVMValueRef bits_of(atr_emitter *e, LLVMValueRef f) { return LLVMBuildBitCast(e->b, f, vector_of(e, e->i32), ""); }
static LLVMValueRef float_of(atr_emitter *e, LLVMValueRef bits) {
  return LLVMBuildBitCast(e->b, bits, vector_of(e, e->f32), "");
}
static LLVMValueRef and_bits(atr_emitter *e, LLVMValueRef v, uint64_t mask) {
  return LLVMBuildAnd(e->b, v, int_like(e, v, mask), "");
}
static LLVMValueRef shift_right(atr_emitter *e, LLVMValueRef v, unsigned n) {
  return LLVMBuildLShr(e->b, v, int_like(e, v, n), "");
}
static LLVMValueRef shift_left(atr_emitter *e, LLVMValueRef v, unsigned n) {
  return LLVMBuildShl(e->b, v, int_like(e, v, n), "");
}
static LLVMValueRef is_nan(atr_emitter *e, LLVMValueRef f) { return LLVMBuildFCmp(e->b, LLVMRealUNO, f, f, ""); }

/* A binary float format inside f32's: `mantissa` stored bits, exponents from `min_exponent` (the smallest normal number is
 * 2^min_exponent). */
typedef struct narrow_format {
  int mantissa, exponent_bits, min_exponent;
  double largest; /* largest finite value */
  bool has_infinity;
  uint32_t nan, infinity; /* bit patterns without the sign */
} narrow_format;

static narrow_format format_of(atr_dtype dtype) {
  switch ((int)dtype) {
  case ATR_F16: return (narrow_format){10, 5, -14, 65504.0, true, 0x7e00, 0x7c00};
  case ATR_F8E5M2: return (narrow_format){2, 5, -14, 57344.0, true, 0x7e, 0x7c};
  default: return (narrow_format){3, 4, -6, 448.0, false, 0x7f, 0x7f}; /* e4m3fn */
  }
}

/* f32 to the format's bits (i32), to nearest even. Normal results: round the f32 bits at the format's last place and rebase
 * the exponent. Subnormal results: adding 2^(min_exponent + 23 - mantissa) aligns the last place with f32's and rounds in
 * hardware. */
static LLVMValueRef narrow_bits(atr_emitter *e, atr_dtype dtype, LLVMValueRef f) {
  narrow_format n = format_of(dtype);
  unsigned shift = (unsigned)(23 - n.mantissa);
  LLVMValueRef bits = bits_of(e, f), sign = and_bits(e, bits, 0x80000000u), magnitude = and_bits(e, bits, 0x7fffffffu);
  LLVMValueRef odd = and_bits(e, shift_right(e, magnitude, shift), 1);
  LLVMValueRef rounded = LLVMBuildAdd(e->b, LLVMBuildAdd(e->b, magnitude, int_like(e, magnitude, (1u << (shift - 1)) - 1), ""),
                                      odd, "");
  uint32_t rebase = (uint32_t)(127 - (1 - n.min_exponent)) << 23;
  LLVMValueRef normal = shift_right(e, LLVMBuildSub(e->b, rounded, int_like(e, rounded, rebase), ""), shift);
  double magic = 1;
  for (int i = 0; i < n.min_exponent + 23 - n.mantissa; i++) magic *= 2;
  for (int i = 0; i > n.min_exponent + 23 - n.mantissa; i--) magic /= 2;
  LLVMValueRef absolute = float_of(e, magnitude), aligned = LLVMBuildFAdd(e->b, absolute, float_like(e, absolute, magic), "");
  LLVMValueRef magic_bits = bits_of(e, float_like(e, absolute, magic));
  LLVMValueRef subnormal = LLVMBuildSub(e->b, bits_of(e, aligned), magic_bits, "");
  double smallest = 1;
  for (int i = 0; i > n.min_exponent; i--) smallest /= 2;
  LLVMValueRef small = LLVMBuildFCmp(e->b, LLVMRealOLT, absolute, float_like(e, absolute, smallest), "");
  LLVMValueRef result = LLVMBuildSelect(e->b, small, subnormal, normal, "");
  /* Past the largest value by half a last place: infinity, or NaN where there is none. The tie goes to the even neighbour. */
  uint32_t largest_bits = n.has_infinity ? n.infinity : n.nan;
  LLVMValueRef over = LLVMBuildICmp(e->b, LLVMIntUGE, result, int_like(e, result, largest_bits), "");
  LLVMValueRef huge = LLVMBuildFCmp(e->b, LLVMRealUGT, absolute, float_like(e, absolute, n.largest * 2), "");
  over = LLVMBuildOr(e->b, over, huge, "");
  result = LLVMBuildSelect(e->b, over, int_like(e, result, largest_bits), result, "");
  result = LLVMBuildSelect(e->b, is_nan(e, f), int_like(e, result, n.nan), result, "");
  unsigned sign_shift = (unsigned)(31 - n.mantissa - n.exponent_bits);
  return LLVMBuildOr(e->b, result, shift_right(e, sign, sign_shift), "");
}

/* The format's bits (i32) to f32, exactly: exponent and mantissa moved into place, rebased by a multiplication that also
 * normalises. Where subnormal f32 are taken as zero: the exponent is rebased as an integer, which leaves subnormal numbers as if
 * they had a leading one, and that is subtracted. */
static LLVMValueRef rebased(atr_emitter *e, const narrow_format *n, LLVMValueRef moved) {
  int rebase = 127 - (1 - n->min_exponent);
  double scale = 1, least = 1;
  for (int i = 0; i < rebase; i++) scale *= 2;
  for (int i = 0; i > n->min_exponent; i--) least /= 2;
  if (!e->target->row->flushes) return LLVMBuildFMul(e->b, float_of(e, moved), float_like(e, float_of(e, moved), scale), "");
  LLVMValueRef number = LLVMBuildAdd(e->b, moved, int_like(e, moved, (uint64_t)rebase << 23), "");
  LLVMValueRef raised = LLVMBuildAdd(e->b, number, int_like(e, number, 1 << 23), "");
  LLVMValueRef small = LLVMBuildFSub(e->b, float_of(e, raised), float_like(e, float_of(e, raised), least), "");
  LLVMValueRef is_small = LLVMBuildICmp(e->b, LLVMIntULT, moved, int_like(e, moved, 1 << 23), "");
  return LLVMBuildSelect(e->b, is_small, small, float_of(e, number), "");
}

/* A format's bits as f32. */
static LLVMValueRef widen_bits(atr_emitter *e, atr_dtype dtype, LLVMValueRef bits) {
  narrow_format n = format_of(dtype);
  unsigned width = (unsigned)(n.mantissa + n.exponent_bits), shift = (unsigned)(23 - n.mantissa);
  LLVMValueRef magnitude = and_bits(e, bits, (1u << width) - 1), sign = shift_left(e, shift_right(e, bits, width), 31);
  LLVMValueRef value = bits_of(e, rebased(e, &n, shift_left(e, magnitude, shift)));
  LLVMValueRef special = LLVMBuildICmp(e->b, LLVMIntUGE, magnitude, int_like(e, magnitude, n.has_infinity ? n.infinity : n.nan),
                                       "");
  LLVMValueRef nan = n.has_infinity ? LLVMBuildICmp(e->b, LLVMIntUGT, magnitude, int_like(e, magnitude, n.infinity), "")
                                    : special;
  value = LLVMBuildSelect(e->b, special, int_like(e, value, 0x7f800000u), value, "");
  value = LLVMBuildSelect(e->b, nan, int_like(e, value, 0x7fc00000u), value, "");
  return float_of(e, LLVMBuildOr(e->b, value, sign, ""));
}

/* f32 bits rounded to bf16 in place: the low half becomes zero. */
static LLVMValueRef bf16_bits(atr_emitter *e, LLVMValueRef f) {
  LLVMValueRef bits = bits_of(e, f), odd = and_bits(e, shift_right(e, bits, 16), 1);
  LLVMValueRef rounded = LLVMBuildAdd(e->b, LLVMBuildAdd(e->b, bits, int_like(e, bits, 0x7fff), ""), odd, "");
  LLVMValueRef quiet = LLVMBuildOr(e->b, bits, int_like(e, bits, 0x400000), "");
  return and_bits(e, LLVMBuildSelect(e->b, is_nan(e, f), quiet, rounded, ""), 0xffff0000u);
}

/* A vector of i16 as one of half. LLVM 19 crashes on aarch64 where <1 x half> comes from <1 x i16>; one lane goes as a scalar. */
static LLVMValueRef halves_of(atr_emitter *e, LLVMValueRef bits) {
  LLVMTypeRef half = LLVMHalfTypeInContext(e->context), type = vector_of(e, half);
  if (e->lanes > 1) return LLVMBuildBitCast(e->b, bits, type, "");
  LLVMValueRef zero = LLVMConstInt(e->i32, 0, 0), lane = LLVMBuildExtractElement(e->b, bits, zero, "");
  return LLVMBuildInsertElement(e->b, LLVMGetPoison(type), LLVMBuildBitCast(e->b, lane, half, ""), zero, "");
}

LLVMValueRef atr_llvm_from_memory(atr_emitter *e, atr_dtype dtype, LLVMValueRef value) {
  if (dtype == ATR_BF16) return float_of(e, shift_left(e, LLVMBuildZExt(e->b, value, vector_of(e, e->i32), ""), 16));
  if (dtype != ATR_F16) return value;
  if (!e->target->row->f16_convert) return widen_bits(e, ATR_F16, LLVMBuildZExt(e->b, value, vector_of(e, e->i32), ""));
  return LLVMBuildFPExt(e->b, halves_of(e, value), vector_of(e, e->f32), "");
}

LLVMValueRef atr_llvm_to_memory(atr_emitter *e, atr_dtype dtype, LLVMValueRef value) {
  LLVMTypeRef i16s = vector_of(e, e->i16);
  if (dtype == ATR_BF16)
    return LLVMBuildTrunc(e->b, shift_right(e, bits_of(e, value), 16), i16s, ""); /* held values are rounded already */
  if (dtype != ATR_F16) return value;
  if (!e->target->row->f16_convert) return LLVMBuildTrunc(e->b, narrow_bits(e, ATR_F16, value), i16s, "");
  LLVMValueRef half = LLVMBuildFPTrunc(e->b, value, vector_of(e, LLVMHalfTypeInContext(e->context)), "");
  return LLVMBuildBitCast(e->b, half, i16s, "");
}

/* ---- conversion */

/* f64 to f32 so that a later rounding to a narrower format is as if done once: an inexact result gets an odd last bit
 * (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008). */
static LLVMValueRef round_to_odd(atr_emitter *e, LLVMValueRef d) {
  LLVMValueRef f = LLVMBuildFPTrunc(e->b, d, vector_of(e, e->f32), ""),
               back = LLVMBuildFPExt(e->b, f, vector_of(e, e->f64), "");
  LLVMValueRef bits = bits_of(e, f), inexact = LLVMBuildFCmp(e->b, LLVMRealONE, back, d, "");
  LLVMValueRef even = LLVMBuildICmp(e->b, LLVMIntEQ, and_bits(e, bits, 1), int_like(e, bits, 0), "");
  LLVMValueRef negative = LLVMBuildICmp(e->b, LLVMIntSLT, bits, int_like(e, bits, 0), "");
  LLVMValueRef rounded_up = LLVMBuildFCmp(e->b, LLVMRealOGT, back, d, "");
  LLVMValueRef away = LLVMBuildXor(e->b, rounded_up, negative, ""); /* the magnitude grew: step back, else step on */
  LLVMValueRef step = LLVMBuildSelect(e->b, away, int_like(e, bits, UINT32_MAX), int_like(e, bits, 1), "");
  LLVMValueRef moved = LLVMBuildAdd(e->b, bits, step, "");
  return float_of(e, LLVMBuildSelect(e->b, LLVMBuildAnd(e->b, inexact, even, ""), moved, bits, ""));
}

/* f32 or f64 vector to the held form of a float dtype. */
static LLVMValueRef float_to_held(atr_emitter *e, LLVMValueRef f, atr_dtype to) {
  bool wide = LLVMGetElementType(LLVMTypeOf(f)) == e->f64;
  if (to == ATR_F64) return wide ? f : LLVMBuildFPExt(e->b, f, vector_of(e, e->f64), "");
  if (to == ATR_F32) return wide ? LLVMBuildFPTrunc(e->b, f, vector_of(e, e->f32), "") : f;
  if (wide) f = round_to_odd(e, f);
  if (to == ATR_BF16) return float_of(e, bf16_bits(e, f));
  if (atr_dtype_is_fp8(to)) return LLVMBuildTrunc(e->b, narrow_bits(e, to, f), vector_of(e, e->i8), "");
  return atr_llvm_from_memory(e, ATR_F16, atr_llvm_to_memory(e, ATR_F16, f));
}

/* The held form of a float dtype as f32 or f64 arithmetic sees it. */
static LLVMValueRef held_to_float(atr_emitter *e, LLVMValueRef v, atr_dtype from) {
  return atr_dtype_is_fp8(from) ? widen_bits(e, from, LLVMBuildZExt(e->b, v, vector_of(e, e->i32), "")) : v;
}

static LLVMValueRef int_to_int(atr_emitter *e, LLVMValueRef v, atr_dtype from, atr_dtype to) {
  LLVMTypeRef type = atr_llvm_vector_type(e, to);
  unsigned have = LLVMGetIntTypeWidth(LLVMGetElementType(LLVMTypeOf(v))), want = LLVMGetIntTypeWidth(LLVMGetElementType(type));
  if (have == want) return v;
  if (have > want) return LLVMBuildTrunc(e->b, v, type, "");
  return is_unsigned(from) ? LLVMBuildZExt(e->b, v, type, "") : LLVMBuildSExt(e->b, v, type, "");
}

/* 64-bit integers that f64 may not hold lose their 12 low bits; the lowest one that stays also stands for them, so that a later
 * rounding to a narrower format is as if done once. */
static LLVMValueRef sticky_int(atr_emitter *e, LLVMValueRef v, bool is_signed) {
  LLVMTypeRef type = LLVMTypeOf(v);
  LLVMValueRef lost = LLVMBuildAnd(e->b, v, int_like(e, v, 0xfff), "");
  LLVMValueRef any = LLVMBuildZExt(e->b, LLVMBuildICmp(e->b, LLVMIntNE, lost, LLVMConstNull(type), ""), type, "");
  LLVMValueRef sticky = LLVMBuildOr(e->b, LLVMBuildSub(e->b, v, lost, ""), shift_left(e, any, 12), "");
  LLVMValueRef from_least = is_signed ? LLVMBuildAdd(e->b, v, int_like(e, v, UINT64_C(1) << 52), "") : v;
  LLVMValueRef small = LLVMBuildICmp(e->b, LLVMIntULT, from_least, int_like(e, v, UINT64_C(1) << 53), "");
  return LLVMBuildSelect(e->b, small, v, sticky, "");
}

static LLVMValueRef int_to_held(atr_emitter *e, LLVMValueRef v, atr_dtype from, atr_dtype to) {
  /* Integers that f32 holds exactly go there; wider ones by way of f64, so that narrow results round once. */
  bool exact = atr_dtype_bits(from) <= 16;
  bool plain = atr_llvm_lacks_wide(e, v);
  if (atr_dtype_bits(from) == 64 && to != ATR_F64 && (to != ATR_F32 || plain)) v = sticky_int(e, v, !is_unsigned(from));
  if (plain) return float_to_held(e, atr_llvm_wide_to_f64(e, v, !is_unsigned(from)), to);
  LLVMTypeRef type = vector_of(e, exact && to != ATR_F64 ? e->f32 : to == ATR_F32 ? e->f32 : e->f64);
  LLVMValueRef f = is_unsigned(from) ? LLVMBuildUIToFP(e->b, v, type, "") : LLVMBuildSIToFP(e->b, v, type, "");
  return float_to_held(e, f, to);
}

/* The ends of an integer of up to 16 bits, which f32 and f64 hold. */
static double least_of(atr_dtype t) { return is_unsigned(t) ? 0 : -(double)(1 << (atr_dtype_bits(t) - 1)); }
static double most_of(atr_dtype t) { return (double)((1 << (atr_dtype_bits(t) - (is_unsigned(t) ? 0 : 1))) - 1); }

/* Up to 16 bits, by way of 32 bits: LLVM takes llvm.fptosi.sat of vectors to such types apart into their lanes. NaN is zero. `within`:
 * others lie between the ends. */
static LLVMValueRef float_to_narrow_int(atr_emitter *e, LLVMValueRef f, atr_dtype to, bool within) {
  LLVMValueRef least = float_like(e, f, least_of(to)), most = float_like(e, f, most_of(to));
  LLVMValueRef number = LLVMBuildFCmp(e->b, LLVMRealORD, f, f, "");
  f = LLVMBuildSelect(e->b, number, f, LLVMConstNull(LLVMTypeOf(f)), "");
  if (!within) f = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOGT, f, least, ""), f, least, "");
  if (!within) f = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOLT, f, most, ""), f, most, "");
  return LLVMBuildTrunc(e->b, LLVMBuildFPToSI(e->b, f, vector_of(e, e->i32), ""), atr_llvm_vector_type(e, to), "");
}

static LLVMValueRef float_to_int(atr_emitter *e, LLVMValueRef f, atr_dtype to) {
  LLVMTypeRef type = atr_llvm_vector_type(e, to);
  if (atr_dtype_bits(to) <= 16) return float_to_narrow_int(e, f, to, false);
  if (atr_llvm_lacks_wide(e, LLVMConstNull(type))) {
    if (LLVMGetElementType(LLVMTypeOf(f)) != e->f64) f = LLVMBuildFPExt(e->b, f, vector_of(e, e->f64), "");
    return atr_llvm_wide_from_f64(e, f, !is_unsigned(to));
  }
  return atr_llvm_intrinsic(e, is_unsigned(to) ? "llvm.fptoui.sat" : "llvm.fptosi.sat", type, &f, 1);
}

static LLVMValueRef bool_to_pred(atr_emitter *e, LLVMValueRef condition) {
  return LLVMBuildZExt(e->b, condition, vector_of(e, e->i8), "");
}

static LLVMValueRef not_zero(atr_emitter *e, LLVMValueRef v) {
  if (LLVMGetTypeKind(LLVMGetElementType(LLVMTypeOf(v))) == LLVMIntegerTypeKind)
    return LLVMBuildICmp(e->b, LLVMIntNE, v, int_like(e, v, 0), "");
  return LLVMBuildFCmp(e->b, LLVMRealUNE, v, float_like(e, v, 0), "");
}

static LLVMValueRef convert_real(atr_emitter *e, atr_dtype from, atr_dtype to, LLVMValueRef v) {
  if (from == to) return v;
  bool from_float = atr_dtype_class_of(from) == ATR_CLASS_FLOAT, to_float = atr_dtype_class_of(to) == ATR_CLASS_FLOAT;
  if (from_float) v = held_to_float(e, v, from);
  if (to == ATR_PRED) return bool_to_pred(e, not_zero(e, v));
  if (from_float) return to_float ? float_to_held(e, v, to) : float_to_int(e, v, to);
  return to_float ? int_to_held(e, v, from, to) : int_to_int(e, v, from, to);
}

atr_vec atr_llvm_convert(atr_emitter *e, atr_dtype from, atr_dtype to, atr_vec value) {
  if (from == to) return value;
  if (is_complex(from) && to == ATR_PRED)
    return (atr_vec){bool_to_pred(e, LLVMBuildOr(e->b, not_zero(e, value.re), not_zero(e, value.im), "")), NULL};
  atr_vec v = {convert_real(e, atr_dtype_real(from), atr_dtype_real(to), value.re), NULL};
  if (is_complex(to)) {
    v.im = value.im != NULL ? convert_real(e, atr_dtype_real(from), atr_dtype_real(to), value.im)
                            : LLVMConstNull(atr_llvm_vector_type(e, to));
  }
  return v;
}

/* ---- arithmetic */

static LLVMValueRef fused(atr_emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
  if (!e->target->row->fma) return LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, a, b, ""), c, "");
  LLVMValueRef args[3] = {a, b, c};
  return atr_llvm_intrinsic(e, "llvm.fma", LLVMTypeOf(a), args, 3);
}

/* Low and high halves of each lane, sign-extended. */
static LLVMValueRef low_half(atr_emitter *e, LLVMValueRef v) {
  return LLVMBuildAShr(e->b, shift_left(e, v, 16), int_like(e, v, 16), "");
}
static LLVMValueRef high_half(atr_emitter *e, LLVMValueRef v) { return LLVMBuildAShr(e->b, v, int_like(e, v, 16), ""); }

/* Do 32-bit sums of this nest's lanes fill a register, or a half or a quarter of one, for which there are instructions? */
static bool fills_register(const atr_emitter *e) {
  bool fits = e->lanes == 4 || e->lanes == 8 || e->lanes == 16;
  return fits && e->lanes * 32 <= e->target->row->vector_bits;
}

/* The instruction for acc + the products of what a and b hold, which in some versions of LLVM are i32 and in others their elements. */
static LLVMValueRef call_dot(atr_emitter *e, const char *name, LLVMTypeRef *overload, size_t overloads, LLVMValueRef acc,
                             LLVMValueRef a, LLVMValueRef b) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  LLVMTypeRef type = LLVMIntrinsicGetType(e->context, id, overload, overloads), parameters[3];
  LLVMGetParamTypes(type, parameters);
  LLVMValueRef args[3] = {acc, LLVMBuildBitCast(e->b, a, parameters[1], ""), LLVMBuildBitCast(e->b, b, parameters[2], "")};
  return LLVMBuildCall2(e->b, type, LLVMGetIntrinsicDeclaration(e->module, id, overload, overloads), args, 3, "");
}

/* pmaddwd and an addition, which LLVM makes one vpdpwssd where the CPU has it and it is no longer; both wrap as the sum does. */
static LLVMValueRef dot_add_pairs(atr_emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef acc) {
  static const char *const NAMES[] = {"llvm.x86.sse2.pmadd.wd", "llvm.x86.avx2.pmadd.wd", "llvm.x86.avx512.pmaddw.d.512"};
  int width = e->lanes == 4 ? 0 : e->lanes == 8 ? 1 : 2;
  LLVMTypeRef halves = LLVMVectorType(e->i16, 2 * (unsigned)e->lanes);
  if (e->target->row->s16_dot && fills_register(e)) {
    LLVMValueRef args[2] = {LLVMBuildBitCast(e->b, a, halves, ""), LLVMBuildBitCast(e->b, b, halves, "")};
    unsigned id = LLVMLookupIntrinsicID(NAMES[width], strlen(NAMES[width]));
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module, id, NULL, 0);
    LLVMValueRef sum = LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->context, id, NULL, 0), function, args, 2, "");
    return LLVMBuildAdd(e->b, acc, sum, "");
  }
  LLVMValueRef low = LLVMBuildMul(e->b, low_half(e, a), low_half(e, b), "");
  LLVMValueRef high = LLVMBuildMul(e->b, high_half(e, a), high_half(e, b), "");
  return LLVMBuildAdd(e->b, LLVMBuildAdd(e->b, acc, low, ""), high, "");
}

/* Is a product of two elements one of a pair, the other half of whose second factor is zero? */
static bool multiplies_halves(const atr_emitter *e) {
  const atr_nest *nest = e->nest;
  return atr_target_multiplies_halves(e->target, nest->lhs_dtype, nest->rhs_dtype, nest->acc_dtype) && fills_register(e);
}

atr_vec atr_llvm_multiply_add(atr_emitter *e, atr_dtype dtype, atr_vec a, atr_vec b, atr_vec acc) {
  if (is_complex(dtype) && b.im == NULL) return (atr_vec){fused(e, a.re, b.re, acc.re), fused(e, a.im, b.re, acc.im)};
  if (is_complex(dtype)) {
    LLVMValueRef re = fused(e, a.re, b.re, acc.re), im = fused(e, a.re, b.im, acc.im);
    return (atr_vec){fused(e, LLVMBuildFNeg(e->b, a.im, ""), b.im, re), fused(e, a.im, b.re, im)};
  }
  if (dtype == ATR_PRED) return (atr_vec){LLVMBuildOr(e->b, acc.re, LLVMBuildAnd(e->b, a.re, b.re, ""), ""), NULL};
  if (atr_dtype_class_of(dtype) == ATR_CLASS_FLOAT) return (atr_vec){fused(e, a.re, b.re, acc.re), NULL};
  if (multiplies_halves(e)) {
    LLVMValueRef low = LLVMBuildAnd(e->b, b.re, int_like(e, b.re, 0xffff), "");
    return (atr_vec){dot_add_pairs(e, a.re, low, acc.re), NULL};
  }
  return (atr_vec){LLVMBuildAdd(e->b, acc.re, LLVMBuildMul(e->b, a.re, b.re, ""), ""), NULL};
}

/* Fours of 8-bit integers, unsigned by signed: nothing saturates, and the sum wraps. */
static bool has_fours(const atr_emitter *e) { return e->target->s8_dot && fills_register(e); }

bool atr_llvm_is_biased(const atr_emitter *e) {
  bool fours = e->dot >= 0 && e->nest->dims[e->dot].extent == 4;
  return fours && has_fours(e) && e->nest->lhs_dtype == e->nest->rhs_dtype;
}

LLVMValueRef atr_llvm_biased(atr_emitter *e, LLVMValueRef lhs_word) {
  return LLVMBuildXor(e->b, lhs_word, int_like(e, lhs_word, 0x80808080), "");
}

/* Quarter i of each lane, 0 the lowest, extended as its dtype is. */
static LLVMValueRef quarter(atr_emitter *e, LLVMValueRef v, unsigned i, atr_dtype dtype) {
  LLVMValueRef high = shift_left(e, v, 24 - 8 * i), down = int_like(e, v, 24);
  return dtype == ATR_S8 ? LLVMBuildAShr(e->b, high, down, "") : LLVMBuildLShr(e->b, high, down, "");
}

/* vpdpbusd, of which the first factor is unsigned. Without it four products. */
static LLVMValueRef dot_add_fours(atr_emitter *e, LLVMValueRef lhs, LLVMValueRef rhs, LLVMValueRef acc) {
  const atr_nest *nest = e->nest;
  if (!has_fours(e)) {
    for (unsigned i = 0; i < 4; i++) {
      LLVMValueRef a = quarter(e, lhs, i, nest->lhs_dtype), b = quarter(e, rhs, i, nest->rhs_dtype);
      acc = LLVMBuildAdd(e->b, acc, LLVMBuildMul(e->b, a, b, ""), "");
    }
    return acc;
  }
  const char *name = e->lanes == 4   ? "llvm.x86.avx512.vpdpbusd.128"
                     : e->lanes == 8 ? "llvm.x86.avx512.vpdpbusd.256"
                                     : "llvm.x86.avx512.vpdpbusd.512";
  bool swap = nest->rhs_dtype == ATR_U8;
  return call_dot(e, name, NULL, 0, acc, swap ? rhs : lhs, swap ? lhs : rhs);
}

static bool is_aarch64(const atr_emitter *e) { return strcmp(e->target->row->arch, "aarch64") == 0; }

bool atr_llvm_has_bf16_dot(const atr_emitter *e) { return e->target->bf16_dot && fills_register(e); }

/* v as the first elements of a register of SVE with elements like `element`; the others may be anything. */
static LLVMValueRef to_scalable(atr_emitter *e, LLVMValueRef v, LLVMTypeRef scalable) {
  LLVMValueRef args[3] = {LLVMGetPoison(scalable), v, atr_llvm_i64(e, 0)};
  LLVMTypeRef overload[2] = {scalable, LLVMTypeOf(v)};
  unsigned id = LLVMLookupIntrinsicID("llvm.vector.insert", 18);
  LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module, id, overload, 2);
  return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->context, id, overload, 2), function, args, 3, "");
}

/* The longer vectors of SVE have an instruction of their own. */
static LLVMValueRef dot_add_scalable(atr_emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef acc) {
  LLVMTypeRef type = LLVMTypeOf(acc), halves = LLVMVectorType(LLVMBFloatTypeInContext(e->context), 2 * (unsigned)e->lanes);
  LLVMTypeRef sums = LLVMScalableVectorType(e->f32, 4), pairs = LLVMScalableVectorType(LLVMBFloatTypeInContext(e->context), 8);
  LLVMValueRef args[3] = {to_scalable(e, acc, sums), to_scalable(e, LLVMBuildBitCast(e->b, a, halves, ""), pairs),
                          to_scalable(e, LLVMBuildBitCast(e->b, b, halves, ""), pairs)};
  unsigned dot = LLVMLookupIntrinsicID("llvm.aarch64.sve.bfdot", 22),
           extract = LLVMLookupIntrinsicID("llvm.vector.extract", 19);
  LLVMValueRef sum = LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->context, dot, NULL, 0),
                                    LLVMGetIntrinsicDeclaration(e->module, dot, NULL, 0), args, 3, "");
  LLVMTypeRef overload[2] = {type, sums};
  return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->context, extract, overload, 2),
                        LLVMGetIntrinsicDeclaration(e->module, extract, overload, 2), (LLVMValueRef[]){sum, atr_llvm_i64(e, 0)},
                        2, "");
}

/* vdpbf16ps or bfdot: f32 products of bf16 pairs added to f32, with subnormal numbers taken and given as zero. */
static LLVMValueRef dot_add_bf16(atr_emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef acc) {
  if (is_aarch64(e) && e->lanes > 4) return dot_add_scalable(e, a, b, acc);
  const char *name = is_aarch64(e)   ? "llvm.aarch64.neon.bfdot"
                     : e->lanes == 4 ? "llvm.x86.avx512bf16.dpbf16ps.128"
                     : e->lanes == 8 ? "llvm.x86.avx512bf16.dpbf16ps.256"
                                     : "llvm.x86.avx512bf16.dpbf16ps.512";
  LLVMTypeRef halves = LLVMVectorType(LLVMBFloatTypeInContext(e->context), 2 * (unsigned)e->lanes);
  LLVMTypeRef overload[2] = {LLVMTypeOf(acc), halves};
  return call_dot(e, name, overload, is_aarch64(e) ? 2 : 0, acc, a, b);
}

atr_vec atr_llvm_dot_add(atr_emitter *e, atr_dot_factor lhs, atr_dot_factor rhs, atr_vec acc) {
  if (lhs.word == NULL) return (atr_vec){fused(e, lhs.high, rhs.high, fused(e, lhs.low, rhs.low, acc.re)), NULL};
  if (e->nest->acc_dtype == ATR_F32) return (atr_vec){dot_add_bf16(e, lhs.word, rhs.word, acc.re), NULL};
  if (e->nest->dims[e->dot].extent == 4) return (atr_vec){dot_add_fours(e, lhs.word, rhs.word, acc.re), NULL};
  return (atr_vec){dot_add_pairs(e, lhs.word, rhs.word, acc.re), NULL};
}

/* The same in comparisons: LLVM 19 cannot select llvm.maximum of f64 for 32-bit Arm. Equal numbers differ at most in the sign of
 * zero, which an AND or OR of their bits decides. */
static LLVMValueRef plain_extremum(atr_emitter *e, int sign, LLVMValueRef a, LLVMValueRef b) {
  LLVMTypeRef type = LLVMTypeOf(a), bits = vector_of(e, LLVMGetElementType(type) == e->f64 ? e->i64 : e->i32);
  LLVMValueRef x = LLVMBuildBitCast(e->b, a, bits, ""), y = LLVMBuildBitCast(e->b, b, bits, "");
  LLVMValueRef equal = sign > 0 ? LLVMBuildAnd(e->b, x, y, "") : LLVMBuildOr(e->b, x, y, "");
  LLVMValueRef better = LLVMBuildFCmp(e->b, sign > 0 ? LLVMRealOGT : LLVMRealOLT, a, b, "");
  LLVMValueRef other = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOEQ, a, b, ""),
                                       LLVMBuildBitCast(e->b, equal, type, ""), b, "");
  LLVMValueRef nan = LLVMBuildFCmp(e->b, LLVMRealUNO, a, b, ""), number = LLVMBuildSelect(e->b, better, a, other, "");
  return LLVMBuildSelect(e->b, nan, LLVMBuildFAdd(e->b, a, b, ""), number, "");
}

/* The larger (sign +1) or smaller (-1), NaN if either is NaN, and +0 above -0 as IEEE 754-2019's maximum and minimum. */
static LLVMValueRef extremum(atr_emitter *e, atr_dtype dtype, int sign, LLVMValueRef a, LLVMValueRef b) {
  if (!is_float_held(dtype)) {
    LLVMIntPredicate order = is_unsigned(dtype) ? (sign > 0 ? LLVMIntUGT : LLVMIntULT) : (sign > 0 ? LLVMIntSGT : LLVMIntSLT);
    return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, order, a, b, ""), a, b, "");
  }
  LLVMValueRef args[2] = {a, b};
  if (e->target->integer_bits == 32 && dtype == ATR_F64) return plain_extremum(e, sign, a, b);
  return atr_llvm_intrinsic(e, sign > 0 ? "llvm.maximum" : "llvm.minimum", LLVMTypeOf(a), args, 2);
}

/* b != 0, and not the least number by -1 */
static LLVMValueRef quotient(atr_emitter *e, bool is_signed, LLVMValueRef a, LLVMValueRef b) {
  if (atr_llvm_lacks_division(e, a)) return atr_llvm_plain_divide(e, a, b, is_signed);
  return is_signed ? LLVMBuildSDiv(e->b, a, b, "") : LLVMBuildUDiv(e->b, a, b, "");
}

/* XLA: x / 0 has all bits set, the least number / -1 is itself. */
static LLVMValueRef divide_integers(atr_emitter *e, atr_dtype dtype, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef zero = int_like(e, b, 0), one = int_like(e, b, 1), ones = int_like(e, b, UINT64_MAX);
  LLVMValueRef by_zero = LLVMBuildICmp(e->b, LLVMIntEQ, b, zero, "");
  if (is_unsigned(dtype))
    return LLVMBuildSelect(e->b, by_zero, ones, quotient(e, false, a, LLVMBuildSelect(e->b, by_zero, one, b, "")), "");
  LLVMValueRef by_minus_one = LLVMBuildICmp(e->b, LLVMIntEQ, b, ones, "");
  LLVMValueRef safe = LLVMBuildSelect(e->b, LLVMBuildOr(e->b, by_zero, by_minus_one, ""), one, b, "");
  LLVMValueRef q = LLVMBuildSelect(e->b, by_minus_one, LLVMBuildNeg(e->b, a, ""), quotient(e, true, a, safe), "");
  return LLVMBuildSelect(e->b, by_zero, ones, q, "");
}

static atr_vec divide_complex(atr_emitter *e, atr_vec a, atr_vec b) {
  LLVMValueRef norm = LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, b.re, b.re, ""), LLVMBuildFMul(e->b, b.im, b.im, ""), "");
  LLVMValueRef re = LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, a.re, b.re, ""), LLVMBuildFMul(e->b, a.im, b.im, ""), "");
  LLVMValueRef im = LLVMBuildFSub(e->b, LLVMBuildFMul(e->b, a.im, b.re, ""), LLVMBuildFMul(e->b, a.re, b.im, ""), "");
  return (atr_vec){LLVMBuildFDiv(e->b, re, norm, ""), LLVMBuildFDiv(e->b, im, norm, "")};
}

static LLVMValueRef absolute(atr_emitter *e, atr_dtype dtype, LLVMValueRef v) {
  if (is_float_held(dtype)) return atr_llvm_intrinsic(e, "llvm.fabs", LLVMTypeOf(v), &v, 1);
  if (is_unsigned(dtype)) return v;
  return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, v, int_like(e, v, 0), ""), LLVMBuildNeg(e->b, v, ""), v, "");
}

static LLVMValueRef compare_real(atr_emitter *e, atr_dtype dtype, atr_direction direction, LLVMValueRef a, LLVMValueRef b) {
  static const LLVMRealPredicate FLOATS[] = {LLVMRealOEQ, LLVMRealUNE, LLVMRealOLT, LLVMRealOLE, LLVMRealOGT, LLVMRealOGE};
  static const LLVMIntPredicate SIGNED[] = {LLVMIntEQ, LLVMIntNE, LLVMIntSLT, LLVMIntSLE, LLVMIntSGT, LLVMIntSGE};
  static const LLVMIntPredicate UNSIGNED[] = {LLVMIntEQ, LLVMIntNE, LLVMIntULT, LLVMIntULE, LLVMIntUGT, LLVMIntUGE};
  if (is_float_held(dtype)) return LLVMBuildFCmp(e->b, FLOATS[direction], a, b, "");
  return LLVMBuildICmp(e->b, is_unsigned(dtype) ? UNSIGNED[direction] : SIGNED[direction], a, b, "");
}

static LLVMValueRef compare(atr_emitter *e, atr_dtype dtype, atr_direction direction, atr_vec a, atr_vec b) {
  LLVMValueRef re = compare_real(e, atr_dtype_real(dtype), direction, a.re, b.re);
  if (a.im == NULL) return re;
  LLVMValueRef im = compare_real(e, atr_dtype_real(dtype), direction, a.im, b.im);
  return direction == ATR_NE ? LLVMBuildOr(e->b, re, im, "") : LLVMBuildAnd(e->b, re, im, "");
}

typedef LLVMValueRef (*float_op)(LLVMBuilderRef, LLVMValueRef, LLVMValueRef, const char *);

static LLVMValueRef arithmetic(atr_emitter *e, atr_dtype dtype, float_op on_floats, float_op on_ints, LLVMValueRef a,
                               LLVMValueRef b) {
  return (is_float_held(atr_dtype_real(dtype)) ? on_floats : on_ints)(e->b, a, b, "");
}

/* Real and complex add, subtract, multiply, divide. */
static atr_vec binary(atr_emitter *e, atr_op op, atr_dtype t, atr_vec a, atr_vec b) {
  atr_vec v = {NULL, NULL};
  switch ((int)op) {
  case ATR_OP_ADD:
    v.re = t == ATR_PRED ? LLVMBuildOr(e->b, a.re, b.re, "") : arithmetic(e, t, LLVMBuildFAdd, LLVMBuildAdd, a.re, b.re);
    if (a.im != NULL) v.im = LLVMBuildFAdd(e->b, a.im, b.im, "");
    return v;
  case ATR_OP_SUBTRACT:
    v.re = t == ATR_PRED ? LLVMBuildXor(e->b, a.re, b.re, "") : arithmetic(e, t, LLVMBuildFSub, LLVMBuildSub, a.re, b.re);
    if (a.im != NULL) v.im = LLVMBuildFSub(e->b, a.im, b.im, "");
    return v;
  case ATR_OP_MULTIPLY:
    if (a.im != NULL) { /* four products, each rounded: what the definition says without fusing */
      v.re = LLVMBuildFSub(e->b, LLVMBuildFMul(e->b, a.re, b.re, ""), LLVMBuildFMul(e->b, a.im, b.im, ""), "");
      v.im = LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, a.re, b.im, ""), LLVMBuildFMul(e->b, a.im, b.re, ""), "");
      return v;
    }
    v.re = arithmetic(e, t, LLVMBuildFMul, LLVMBuildMul, a.re, b.re);
    return v;
  default:
    if (a.im != NULL) return divide_complex(e, a, b);
    v.re = is_float_held(t) ? LLVMBuildFDiv(e->b, a.re, b.re, "") : divide_integers(e, t, a.re, b.re);
    return v;
  }
}

static atr_vec function_of(atr_emitter *e, atr_op op, atr_dtype t, atr_vec x) {
  if (x.im != NULL) return atr_llvm_complex_function(e, op, x);
  if (op == ATR_OP_ABS) return (atr_vec){absolute(e, t, x.re), NULL};
  if (op == ATR_OP_EXPONENTIAL) return (atr_vec){atr_llvm_exp(e, x.re), NULL};
  return (atr_vec){op == ATR_OP_TANH ? atr_llvm_tanh(e, x.re) : atr_llvm_logistic(e, x.re), NULL};
}

/* llvm.roundeven would be a call of the C library on CPUs without an instruction for it. There adding and subtracting 2^23 (f64: 2^52)
 * rounds what is below; larger numbers, infinities and NaN are themselves. */
static LLVMValueRef round_nearest_even(atr_emitter *e, atr_dtype dtype, LLVMValueRef v) {
  LLVMTypeRef type = LLVMTypeOf(v);
  if (e->target->row->rounds) return atr_llvm_intrinsic(e, "llvm.roundeven", type, &v, 1);
  LLVMValueRef limit = float_like(e, v, dtype == ATR_F64 ? 0x1p52 : 0x1p23);
  LLVMValueRef size = absolute(e, dtype, v);
  LLVMValueRef rounded = LLVMBuildFSub(e->b, LLVMBuildFAdd(e->b, size, limit, ""), limit, "");
  LLVMValueRef is_small = LLVMBuildFCmp(e->b, LLVMRealOLT, size, limit, "");
  LLVMValueRef args[] = {LLVMBuildSelect(e->b, is_small, rounded, size, ""), v};
  return atr_llvm_intrinsic(e, "llvm.copysign", type, args, 2);
}

/* Is a conversion to an integer of up to 16 bits of floats that were just clamped to its range, as where results are quantized? */
static bool is_clamped(const atr_nest *nest, const atr_expr *convert) {
  const atr_expr *x = &nest->exprs[convert->args[0]];
  atr_dtype to = convert->dtype;
  bool integer = atr_dtype_class_of(to) == ATR_CLASS_SINT || atr_dtype_class_of(to) == ATR_CLASS_UINT;
  if (atr_dtype_class_of(x->dtype) != ATR_CLASS_FLOAT || !integer || atr_dtype_bits(to) > 16) return false;
  if (x->kind != ATR_EXPR_OP || x->op != ATR_OP_CLAMP) return false;
  const atr_expr *low = &nest->exprs[x->args[0]], *high = &nest->exprs[x->args[2]];
  if (low->kind != ATR_EXPR_CONST || high->kind != ATR_EXPR_CONST) return false;
  double least = least_of(to), most = most_of(to);
  return low->constant.re >= least && high->constant.re >= least && high->constant.re <= most;
}

static atr_vec negate(atr_emitter *e, atr_dtype t, atr_vec a) {
  if (!is_float_held(atr_dtype_real(t))) return (atr_vec){LLVMBuildNeg(e->b, a.re, ""), NULL};
  return (atr_vec){LLVMBuildFNeg(e->b, a.re, ""), a.im != NULL ? LLVMBuildFNeg(e->b, a.im, "") : NULL};
}

/* Bitwise not; of pred, whose bytes are 0 and 1, the lowest bit alone. */
static LLVMValueRef complement(atr_emitter *e, atr_dtype t, LLVMValueRef v) {
  return t == ATR_PRED ? LLVMBuildXor(e->b, v, int_like(e, v, 1), "") : LLVMBuildNot(e->b, v, "");
}

/* A real number is its own real part. */
static atr_vec imaginary(atr_emitter *e, atr_dtype t, atr_vec a) {
  return (atr_vec){a.im != NULL ? a.im : LLVMConstNull(atr_llvm_vector_type(e, t)), NULL};
}

/* The op in the held precision; the caller rounds. */
static atr_vec unrounded(atr_emitter *e, const atr_expr *x, atr_dtype t, const atr_vec *a) {
  switch (x->op) {
  case ATR_OP_ADD:
  case ATR_OP_SUBTRACT:
  case ATR_OP_MULTIPLY:
  case ATR_OP_DIVIDE: return binary(e, x->op, t, a[0], a[1]);
  case ATR_OP_MAXIMUM: return (atr_vec){extremum(e, t, 1, a[0].re, a[1].re), NULL};
  case ATR_OP_MINIMUM: return (atr_vec){extremum(e, t, -1, a[0].re, a[1].re), NULL};
  case ATR_OP_CLAMP: return (atr_vec){extremum(e, t, -1, extremum(e, t, 1, a[1].re, a[0].re), a[2].re), NULL};
  case ATR_OP_AND: return (atr_vec){LLVMBuildAnd(e->b, a[0].re, a[1].re, ""), NULL};
  case ATR_OP_OR: return (atr_vec){LLVMBuildOr(e->b, a[0].re, a[1].re, ""), NULL};
  case ATR_OP_XOR: return (atr_vec){LLVMBuildXor(e->b, a[0].re, a[1].re, ""), NULL};
  case ATR_OP_NOT: return (atr_vec){complement(e, t, a[0].re), NULL};
  case ATR_OP_COMPLEX: return (atr_vec){a[0].re, a[1].re};
  case ATR_OP_REAL: return (atr_vec){a[0].re, NULL};
  case ATR_OP_IMAG: return imaginary(e, t, a[0]);
  case ATR_OP_NEGATE: return negate(e, t, a[0]);
  case ATR_OP_ABS:
  case ATR_OP_EXPONENTIAL:
  case ATR_OP_TANH:
  case ATR_OP_LOGISTIC: return function_of(e, x->op, t, a[0]);
  case ATR_OP_ROUND_NEAREST_EVEN: return (atr_vec){round_nearest_even(e, t, a[0].re), NULL};
  case ATR_OP_COMPARE: return (atr_vec){bool_to_pred(e, compare(e, t, x->direction, a[0], a[1])), NULL};
  case ATR_OP_SELECT: return atr_llvm_select(e, not_zero(e, a[0].re), a[1], a[2]);
  case ATR_OP_CONVERT:
    if (is_clamped(e->nest, x)) return (atr_vec){float_to_narrow_int(e, held_to_float(e, a[0].re, t), x->dtype, true), NULL};
    return atr_llvm_convert(e, t, x->dtype, a[0]);
  case ATR_OP_NONE:
  case ATR_OP_PARAMETER:
  case ATR_OP_CONSTANT:
  case ATR_OP_IOTA:
  case ATR_OP_CONVOLUTION:
  case ATR_OP_LOCAL_CONVOLUTION:
  case ATR_OP_LOCAL_DATA_GRADIENT:
  case ATR_OP_LOCAL_WEIGHT_GRADIENT:
  case ATR_OP_REDUCE:
  case ATR_OP_PAD:
  case ATR_OP_REVERSE:
  case ATR_OP_BROADCAST:
  case ATR_OP_RESHAPE:
  case ATR_OP_TRANSPOSE:
  case ATR_OP_SLICE:
  case ATR_OP_CONCATENATE:
  case ATR_OP_COPY:
  case ATR_OP_COUNT: break; /* never steps of an expression */
  }
  return a[0];
}

atr_vec atr_llvm_elementwise(atr_emitter *e, const atr_expr *expr, atr_dtype operand_type, const atr_vec *args) {
  atr_vec v = unrounded(e, expr, operand_type, args);
  bool narrow = expr->dtype == ATR_F16 || expr->dtype == ATR_BF16;
  if (narrow && expr->op != ATR_OP_CONVERT && expr->op != ATR_OP_SELECT) v.re = float_to_held(e, v.re, expr->dtype);
  return v;
}

/* llvm_wide.c - division and conversion of integers on targets that have no instructions for them.
 *
 * In: vectors of integers or f64. Out: vectors of the same number of lanes, in instructions of 32-bit registers. Addition,
 * products, shifts and comparisons of 64 bits LLVM writes out by itself; for these it would call functions of the compiler's
 * library (__udivdi3, __aeabi_ldivmod, __floatdidf), which a kernel must not. 32-bit Arm need not even divide 32 bits.
 *
 * A quotient is found bit by bit: slow, but nothing that convolutions do. Halves of 32 bits are converted apart: both are exact,
 * so the sum is rounded once. */
#include "codegen/llvm_internal.h"

static LLVMValueRef splat_int(LLVMTypeRef type, uint64_t value) {
  LLVMValueRef lanes[ATR_MAX_LANES];
  unsigned count = LLVMGetVectorSize(type);
  for (unsigned l = 0; l < count; l++) lanes[l] = LLVMConstInt(LLVMGetElementType(type), value, 0);
  return LLVMConstVector(lanes, count);
}

static LLVMValueRef splat_real(LLVMTypeRef type, double value) {
  LLVMValueRef lanes[ATR_MAX_LANES];
  unsigned count = LLVMGetVectorSize(type);
  for (unsigned l = 0; l < count; l++) lanes[l] = LLVMConstReal(LLVMGetElementType(type), value);
  return LLVMConstVector(lanes, count);
}

static LLVMTypeRef like(LLVMTypeRef element, LLVMValueRef v) {
  return LLVMVectorType(element, LLVMGetVectorSize(LLVMTypeOf(v)));
}

bool atr_llvm_lacks_wide(const atr_emitter *e, LLVMValueRef v) {
  return e->target->integer_bits == 32 && LLVMGetElementType(LLVMTypeOf(v)) == e->i64;
}

bool atr_llvm_lacks_division(const atr_emitter *e, LLVMValueRef v) {
  return e->target->lacks_division || atr_llvm_lacks_wide(e, v);
}

/* ---- division */

/* One step of restoring division: the next bit of the dividend, which leaves `quotient` at the top, goes to the remainder; a bit
 * of the quotient enters at the bottom. The remainder's own top bit counts where the divisor has its own. */
static void divide_step(atr_emitter *e, LLVMValueRef divisor, LLVMValueRef *quotient, LLVMValueRef *remainder) {
  LLVMTypeRef type = LLVMTypeOf(divisor);
  LLVMValueRef one = splat_int(type, 1), top = splat_int(type, LLVMGetIntTypeWidth(LLVMGetElementType(type)) - 1);
  LLVMValueRef carry = LLVMBuildICmp(e->b, LLVMIntSLT, *remainder, LLVMConstNull(type), "");
  LLVMValueRef grown = LLVMBuildOr(e->b, LLVMBuildShl(e->b, *remainder, one, ""), LLVMBuildLShr(e->b, *quotient, top, ""), "");
  LLVMValueRef fits = LLVMBuildOr(e->b, carry, LLVMBuildICmp(e->b, LLVMIntUGE, grown, divisor, ""), "");
  *remainder = LLVMBuildSelect(e->b, fits, LLVMBuildSub(e->b, grown, divisor, ""), grown, "");
  *quotient = LLVMBuildOr(e->b, LLVMBuildShl(e->b, *quotient, one, ""), LLVMBuildZExt(e->b, fits, type, ""), "");
}

static void emit_divide(atr_emitter *e, LLVMValueRef f) {
  LLVMValueRef dividend = LLVMGetParam(f, 0), divisor = LLVMGetParam(f, 1);
  LLVMTypeRef type = LLVMTypeOf(dividend);
  unsigned bits = LLVMGetIntTypeWidth(LLVMGetElementType(type));
  LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(e->context, f, "entry"),
                    loop = LLVMAppendBasicBlockInContext(e->context, f, "loop"),
                    done = LLVMAppendBasicBlockInContext(e->context, f, "done");
  LLVMPositionBuilderAtEnd(e->b, entry);
  LLVMBuildBr(e->b, loop);
  LLVMPositionBuilderAtEnd(e->b, loop);
  LLVMValueRef bit = LLVMBuildPhi(e->b, e->i32, "bit"), quotient = LLVMBuildPhi(e->b, type, "quotient"),
               remainder = LLVMBuildPhi(e->b, type, "remainder"), q = quotient, r = remainder;
  divide_step(e, divisor, &q, &r);
  LLVMValueRef next = LLVMBuildAdd(e->b, bit, LLVMConstInt(e->i32, 1, 0), "");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntULT, next, LLVMConstInt(e->i32, bits, 0), ""), loop, done);
  LLVMBasicBlockRef from[2] = {entry, loop};
  LLVMAddIncoming(bit, (LLVMValueRef[]){LLVMConstNull(e->i32), next}, from, 2);
  LLVMAddIncoming(quotient, (LLVMValueRef[]){dividend, q}, from, 2);
  LLVMAddIncoming(remainder, (LLVMValueRef[]){LLVMConstNull(type), r}, from, 2);
  LLVMPositionBuilderAtEnd(e->b, done);
  LLVMBuildRet(e->b, q);
}

/* The function for such vectors, made at its first use. */
static LLVMValueRef divide_unsigned(atr_emitter *e, LLVMValueRef a, LLVMValueRef b) {
  LLVMTypeRef type = LLVMTypeOf(a), signature = LLVMFunctionType(type, (LLVMTypeRef[]){type, type}, 2, 0);
  const char *name = atr_arena_printf(e->work->arena, "divide.u%u.%u", LLVMGetIntTypeWidth(LLVMGetElementType(type)),
                                      LLVMGetVectorSize(type));
  LLVMValueRef f = LLVMGetNamedFunction(e->module, name);
  if (f == NULL) {
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    f = atr_llvm_function(e, name, signature);
    LLVMSetLinkage(f, LLVMInternalLinkage);
    emit_divide(e, f);
    LLVMPositionBuilderAtEnd(e->b, here);
  }
  return LLVMBuildCall2(e->b, signature, f, (LLVMValueRef[]){a, b}, 2, "");
}

static LLVMValueRef negate_where(atr_emitter *e, LLVMValueRef negative, LLVMValueRef v) {
  return LLVMBuildSelect(e->b, negative, LLVMBuildNeg(e->b, v, ""), v, "");
}

LLVMValueRef atr_llvm_plain_divide(atr_emitter *e, LLVMValueRef a, LLVMValueRef b, bool is_signed) {
  if (!is_signed) return divide_unsigned(e, a, b);
  LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(a)), a_negative = LLVMBuildICmp(e->b, LLVMIntSLT, a, zero, ""),
               b_negative = LLVMBuildICmp(e->b, LLVMIntSLT, b, zero, "");
  LLVMValueRef q = divide_unsigned(e, negate_where(e, a_negative, a), negate_where(e, b_negative, b));
  return negate_where(e, LLVMBuildXor(e->b, a_negative, b_negative, ""), q);
}

/* ---- conversion */

LLVMValueRef atr_llvm_wide_to_f64(atr_emitter *e, LLVMValueRef v, bool is_signed) {
  LLVMTypeRef i32s = like(e->i32, v), f64s = like(e->f64, v);
  LLVMValueRef high = LLVMBuildTrunc(e->b, LLVMBuildLShr(e->b, v, splat_int(LLVMTypeOf(v), 32), ""), i32s, "");
  LLVMValueRef low = LLVMBuildUIToFP(e->b, LLVMBuildTrunc(e->b, v, i32s, ""), f64s, "");
  high = is_signed ? LLVMBuildSIToFP(e->b, high, f64s, "") : LLVMBuildUIToFP(e->b, high, f64s, "");
  return LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, high, splat_real(f64s, 0x1p32), ""), low, "");
}

/* The magnitude's halves, both saturated: from 2^64 on all bits are set. */
static LLVMValueRef magnitude(atr_emitter *e, LLVMValueRef f) {
  LLVMTypeRef f64s = LLVMTypeOf(f), i32s = like(e->i32, f), i64s = like(e->i64, f);
  LLVMValueRef size = atr_llvm_intrinsic(e, "llvm.fabs", f64s, &f, 1);
  LLVMValueRef quotient = LLVMBuildFMul(e->b, size, splat_real(f64s, 0x1p-32), "");
  LLVMValueRef high = atr_llvm_intrinsic(e, "llvm.fptoui.sat", i32s, &quotient, 1);
  LLVMValueRef whole = LLVMBuildFMul(e->b, LLVMBuildUIToFP(e->b, high, f64s, ""), splat_real(f64s, 0x1p32), "");
  LLVMValueRef rest = LLVMBuildFSub(e->b, size, whole, ""), low = atr_llvm_intrinsic(e, "llvm.fptoui.sat", i32s, &rest, 1);
  high = LLVMBuildShl(e->b, LLVMBuildZExt(e->b, high, i64s, ""), splat_int(i64s, 32), "");
  return LLVMBuildOr(e->b, high, LLVMBuildZExt(e->b, low, i64s, ""), "");
}

LLVMValueRef atr_llvm_wide_from_f64(atr_emitter *e, LLVMValueRef f, bool is_signed) {
  LLVMTypeRef f64s = LLVMTypeOf(f), i64s = like(e->i64, f);
  LLVMValueRef size = magnitude(e, f), negative = LLVMBuildFCmp(e->b, LLVMRealOLT, f, LLVMConstNull(f64s), "");
  if (!is_signed) return LLVMBuildSelect(e->b, negative, LLVMConstNull(i64s), size, "");
  LLVMValueRef most = splat_int(i64s, INT64_MAX), least = splat_int(i64s, (uint64_t)1 << 63);
  LLVMValueRef over = LLVMBuildFCmp(e->b, LLVMRealOGE, f, splat_real(f64s, 0x1p63), ""),
               under = LLVMBuildFCmp(e->b, LLVMRealOLT, f, splat_real(f64s, -0x1p63), "");
  return LLVMBuildSelect(e->b, over, most, LLVMBuildSelect(e->b, under, least, negate_where(e, negative, size), ""), "");
}

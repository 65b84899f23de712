/* dtype.h - facts about dtypes, and scalars that are wide enough to hold any of them exactly.
 *
 * In: elements in memory (any alignment). Out: atr_scalar, computed on in f64, c128 or 64-bit integers and put back with one
 * rounding (to nearest even; floats saturate to infinity, or NaN where e4m3fn has none) or wrapped modulo 2^bits. Used by the
 * readers (literals), the interpreters and the tools; compiled code has its own conversions, which are tested against these. */
#ifndef ATR_BASE_DTYPE_H
#define ATR_BASE_DTYPE_H

#include <stdbool.h>
#include "atrous/atrous.h"

enum { ATR_DTYPE_COUNT = ATR_C128 + 1 };

typedef enum atr_dtype_class { ATR_CLASS_NONE, ATR_CLASS_PRED, ATR_CLASS_SINT, ATR_CLASS_UINT, ATR_CLASS_FLOAT, ATR_CLASS_COMPLEX } atr_dtype_class;

atr_dtype_class atr_dtype_class_of(atr_dtype dtype);
bool atr_dtype_is_integer(atr_dtype dtype); /* SINT or UINT, not PRED */
bool atr_dtype_is_fp8(atr_dtype dtype);
int atr_dtype_bits(atr_dtype dtype);        /* 8 * size; 1 for pred; of the whole complex number */
const char *atr_dtype_stablehlo_name(atr_dtype dtype);
/* Both return ATR_DTYPE_NONE for unknown names; `len` bytes are read. */
atr_dtype atr_dtype_from_name(const char *name, size_t len);
atr_dtype atr_dtype_from_stablehlo_name(const char *name, size_t len);
/* C64 -> F32, C128 -> F64, others themselves. */
atr_dtype atr_dtype_real(atr_dtype dtype);
/* F32 -> C64, F64 -> C128, others ATR_DTYPE_NONE. */
atr_dtype atr_dtype_complex(atr_dtype part);
/* The dtype in which products of lhs and rhs are summed for a result of `result`: f32 for f16, bf16 and fp8 results of
 * such operands, else the widest of the operands and the result; integers use the result type (rule 23, 25). */
atr_dtype atr_dtype_accumulator(atr_dtype lhs, atr_dtype rhs, atr_dtype result);

/* A value of a known dtype: re (and im) for FLOAT and COMPLEX, i for PRED and SINT, (uint64_t)i for UINT. */
typedef struct atr_scalar {
  double re, im;
  int64_t i;
} atr_scalar;

atr_scalar atr_scalar_load(atr_dtype dtype, const void *address);
void atr_scalar_store(atr_dtype dtype, void *address, atr_scalar value);
/* Elements as kernels want them: of pred, any byte but 0 becomes 1; of others nothing changes. */
void atr_dtype_clean(atr_dtype dtype, void *data, int64_t count);
/* Value of `from` as a value of `to`, rounded or wrapped as `to` demands; XLA's convert: float to integer truncates towards
 * zero and saturates, NaN becomes 0; to pred means != 0; complex to real drops im. */
atr_scalar atr_scalar_convert(atr_dtype from, atr_dtype to, atr_scalar value);
/* Rounds or wraps a wide value to what `dtype` can hold (a store and a load). */
atr_scalar atr_scalar_round(atr_dtype dtype, atr_scalar value);

/* Bit patterns, one rounding from f64. */
uint16_t atr_f16_from_f64(double value);
uint16_t atr_bf16_from_f64(double value);
uint8_t atr_f8e4m3fn_from_f64(double value);
uint8_t atr_f8e5m2_from_f64(double value);
double atr_f16_to_f64(uint16_t bits);
double atr_bf16_to_f64(uint16_t bits);
double atr_f8e4m3fn_to_f64(uint8_t bits);
double atr_f8e5m2_to_f64(uint8_t bits);

#endif

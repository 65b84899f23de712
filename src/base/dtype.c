/* dtype.c - the table of dtypes, and every conversion between an element in memory and a wide scalar.
 *
 * In: bits of a dtype. Out: an atr_scalar that holds the value exactly; and back, with one rounding to nearest even:
 *
 *     f16 0x7bff -> 65504.0        65519.9 -> f16 0x7bff        65520.0 -> f16 0x7c00 (inf)
 *     464.0 -> f8e4m3fn 0x7e (448: the tie goes to even)        464.1 -> f8e4m3fn 0x7f (NaN: it has no infinity)
 *
 * The four formats narrower than f32 share one encoder and one decoder; a format is a row of two numbers and a limit. Payloads
 * of NaNs pass through unchanged where there is room, so that load and store give every bit pattern back. f32 uses the
 * compiler's casts (IEEE 754: round to nearest even, overflow to infinity). */
#include "base/dtype.h"

#include <string.h>

/* ---- facts */

typedef struct dtype_row {
  const char *name, *stablehlo_name;
  size_t size;
  atr_dtype_class class_of;
} dtype_row;

static const dtype_row dtype_rows[ATR_DTYPE_COUNT] = {
  {"?", "?", 0, ATR_CLASS_NONE},
#define ATR_DTYPE(ENUM, name, bytes, class_name, stablehlo_name, npy) {name, stablehlo_name, bytes, ATR_CLASS_##class_name},
#include "base/dtype.def"
#undef ATR_DTYPE
};

/* ORDER dtype: the rows must stand in the order of the public enum. */
enum {
  ROW_NONE,
#define ATR_DTYPE(ENUM, name, bytes, class_name, stablehlo_name, npy) ROW_##ENUM,
#include "base/dtype.def"
#undef ATR_DTYPE
  ROW_COUNT
};
#define ATR_DTYPE(ENUM, name, bytes, class_name, stablehlo_name, npy) \
  _Static_assert((int)ROW_##ENUM == (int)ATR_##ENUM, "dtype.def: " name " is out of order");
#include "base/dtype.def"
#undef ATR_DTYPE
_Static_assert((int)ROW_COUNT == (int)ATR_DTYPE_COUNT, "dtype.def lacks a dtype");

static const dtype_row *row_of(atr_dtype dtype) {
  return &dtype_rows[(unsigned)dtype < ATR_DTYPE_COUNT ? dtype : ATR_DTYPE_NONE];
}

const char *atr_dtype_name(atr_dtype dtype) { return row_of(dtype)->name; }
const char *atr_dtype_stablehlo_name(atr_dtype dtype) { return row_of(dtype)->stablehlo_name; }
size_t atr_dtype_size(atr_dtype dtype) { return row_of(dtype)->size; }
atr_dtype_class atr_dtype_class_of(atr_dtype dtype) { return row_of(dtype)->class_of; }

bool atr_dtype_is_integer(atr_dtype dtype) {
  atr_dtype_class class_of = atr_dtype_class_of(dtype);
  return class_of == ATR_CLASS_SINT || class_of == ATR_CLASS_UINT;
}

bool atr_dtype_is_fp8(atr_dtype dtype) { return dtype == ATR_F8E4M3FN || dtype == ATR_F8E5M2; }

int atr_dtype_bits(atr_dtype dtype) { return dtype == ATR_PRED ? 1 : 8 * (int)atr_dtype_size(dtype); }

static bool is_name(const char *known, const char *name, size_t len) {
  return strlen(known) == len && memcmp(known, name, len) == 0;
}

atr_dtype atr_dtype_from_name(const char *name, size_t len) {
  for (int i = 1; i < ATR_DTYPE_COUNT; i++) {
    if (is_name(dtype_rows[i].name, name, len)) return (atr_dtype)i;
  }
  return ATR_DTYPE_NONE;
}

atr_dtype atr_dtype_from_stablehlo_name(const char *name, size_t len) {
  for (int i = 1; i < ATR_DTYPE_COUNT; i++) {
    if (is_name(dtype_rows[i].stablehlo_name, name, len)) return (atr_dtype)i;
  }
  return ATR_DTYPE_NONE;
}

atr_dtype atr_dtype_real(atr_dtype dtype) {
  if (dtype == ATR_C64) return ATR_F32;
  return dtype == ATR_C128 ? ATR_F64 : dtype;
}

atr_dtype atr_dtype_complex(atr_dtype part) {
  if (part == ATR_F32) return ATR_C64;
  return part == ATR_F64 ? ATR_C128 : ATR_DTYPE_NONE;
}

atr_dtype atr_dtype_accumulator(atr_dtype lhs, atr_dtype rhs, atr_dtype result) {
  const atr_dtype all[] = {lhs, rhs, result};
  bool is_complex = false, is_double = false;
  if (atr_dtype_class_of(result) < ATR_CLASS_FLOAT) return result; /* none, pred and the integers, which wrap */
  for (int i = 0; i < 3; i++) {
    is_complex = is_complex || atr_dtype_class_of(all[i]) == ATR_CLASS_COMPLEX;
    is_double = is_double || atr_dtype_real(all[i]) == ATR_F64;
  }
  if (is_complex) return is_double ? ATR_C128 : ATR_C64;
  return is_double ? ATR_F64 : ATR_F32;
}

/* ---- bit patterns */

static uint64_t bits_of(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static double double_of(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

enum { F64_FRACTION_BITS = 52, F64_BIAS = 1023, F64_SPECIAL = 2047 };

/* A binary format of at most 16 bits: sign, exponent, fraction. `limit` is the first pattern that is not finite: infinity in
 * the IEEE formats (NaNs follow), the only NaN in e4m3fn. Overflow gives `limit` in both. */
typedef struct narrow_format {
  int exponent_bits, fraction_bits;
  uint32_t limit;
  bool has_infinity;
} narrow_format;

static const narrow_format f16_format = {5, 10, 0x7c00, true};
static const narrow_format bf16_format = {8, 7, 0x7f80, true};
static const narrow_format f8e4m3fn_format = {4, 3, 0x7f, false};
static const narrow_format f8e5m2_format = {5, 2, 0x7c, true};

static int least_exponent(const narrow_format *format) { return 2 - (1 << (format->exponent_bits - 1)); }

static uint32_t encode_nan(const narrow_format *format, uint64_t fraction) {
  if (!format->has_infinity) return format->limit;
  uint32_t payload = (uint32_t)(fraction >> (F64_FRACTION_BITS - format->fraction_bits));
  return format->limit | (payload != 0 ? payload : 1u << (format->fraction_bits - 1));
}

/* The finite magnitude significand * 2^(exponent - 52), rounded. In `pattern` a carry out of the fraction moves into the
 * exponent field by itself, from subnormal to normal and from the largest finite pattern to `limit` too. The largest f64
 * gives a pattern of at most 22 bits. */
static uint32_t encode_finite(const narrow_format *format, uint64_t significand, int exponent) {
  int above = exponent - least_exponent(format); /* negative: subnormal */
  int drop = F64_FRACTION_BITS - format->fraction_bits + (above < 0 ? -above : 0);
  if (drop > F64_FRACTION_BITS + 1) return 0; /* below half of the least subnormal */
  uint64_t kept = significand >> drop, rest = significand & (((uint64_t)1 << drop) - 1), half = (uint64_t)1 << (drop - 1);
  uint32_t pattern = (uint32_t)kept + ((uint32_t)(above < 0 ? 0 : above) << format->fraction_bits);
  if (rest > half || (rest == half && (kept & 1) != 0)) pattern++;
  return pattern < format->limit ? pattern : format->limit;
}

static uint32_t encode(const narrow_format *format, double value) {
  uint64_t bits = bits_of(value), fraction = bits & (((uint64_t)1 << F64_FRACTION_BITS) - 1);
  int exponent = (int)(bits >> F64_FRACTION_BITS) & F64_SPECIAL;
  uint32_t sign = (uint32_t)(bits >> 63) << (format->exponent_bits + format->fraction_bits);
  if (exponent == F64_SPECIAL) return sign | (fraction != 0 ? encode_nan(format, fraction) : format->limit);
  if (exponent == 0) return sign; /* zero, or a subnormal f64, which is far below every narrow format */
  return sign | encode_finite(format, fraction | (uint64_t)1 << F64_FRACTION_BITS, exponent - F64_BIAS);
}

static double decode(const narrow_format *format, uint32_t pattern) {
  int sign_at = format->exponent_bits + format->fraction_bits;
  uint64_t sign = (uint64_t)(pattern >> sign_at) << 63;
  uint32_t magnitude = pattern & ((1u << sign_at) - 1), fraction = magnitude & ((1u << format->fraction_bits) - 1);
  int field = (int)(magnitude >> format->fraction_bits);
  if (magnitude >= format->limit) {
    uint64_t payload = (uint64_t)fraction << (F64_FRACTION_BITS - format->fraction_bits); /* zero: infinity */
    return double_of(sign | (uint64_t)F64_SPECIAL << F64_FRACTION_BITS | payload);
  }
  uint32_t significand = field == 0 ? fraction : fraction | 1u << format->fraction_bits;
  int scale = least_exponent(format) + (field == 0 ? 0 : field - 1) - format->fraction_bits;
  double unit = double_of((uint64_t)(scale + F64_BIAS) << F64_FRACTION_BITS); /* 2^scale; the product is exact */
  return double_of(sign | bits_of((double)significand * unit));
}

uint16_t atr_f16_from_f64(double value) { return (uint16_t)encode(&f16_format, value); }
uint16_t atr_bf16_from_f64(double value) { return (uint16_t)encode(&bf16_format, value); }
uint8_t atr_f8e4m3fn_from_f64(double value) { return (uint8_t)encode(&f8e4m3fn_format, value); }
uint8_t atr_f8e5m2_from_f64(double value) { return (uint8_t)encode(&f8e5m2_format, value); }
double atr_f16_to_f64(uint16_t bits) { return decode(&f16_format, bits); }
double atr_bf16_to_f64(uint16_t bits) { return decode(&bf16_format, bits); }
double atr_f8e4m3fn_to_f64(uint8_t bits) { return decode(&f8e4m3fn_format, bits); }
double atr_f8e5m2_to_f64(uint8_t bits) { return decode(&f8e5m2_format, bits); }

/* ---- elements in memory, of any alignment */

#define LOAD(type, variable) \
  type variable;             \
  memcpy(&variable, address, sizeof variable)

atr_scalar atr_scalar_load(atr_dtype dtype, const void *address) {
  switch (dtype) {
    case ATR_DTYPE_NONE: break;
    case ATR_PRED: { LOAD(uint8_t, v); return (atr_scalar){.i = v != 0}; }
    case ATR_S8: { LOAD(int8_t, v); return (atr_scalar){.i = v}; }
    case ATR_S16: { LOAD(int16_t, v); return (atr_scalar){.i = v}; }
    case ATR_S32: { LOAD(int32_t, v); return (atr_scalar){.i = v}; }
    case ATR_S64: { LOAD(int64_t, v); return (atr_scalar){.i = v}; }
    case ATR_U8: { LOAD(uint8_t, v); return (atr_scalar){.i = v}; }
    case ATR_U16: { LOAD(uint16_t, v); return (atr_scalar){.i = v}; }
    case ATR_U32: { LOAD(uint32_t, v); return (atr_scalar){.i = v}; }
    case ATR_U64: { LOAD(uint64_t, v); return (atr_scalar){.i = (int64_t)v}; }
    case ATR_F8E4M3FN: { LOAD(uint8_t, v); return (atr_scalar){.re = decode(&f8e4m3fn_format, v)}; }
    case ATR_F8E5M2: { LOAD(uint8_t, v); return (atr_scalar){.re = decode(&f8e5m2_format, v)}; }
    case ATR_F16: { LOAD(uint16_t, v); return (atr_scalar){.re = decode(&f16_format, v)}; }
    case ATR_BF16: { LOAD(uint16_t, v); return (atr_scalar){.re = decode(&bf16_format, v)}; }
    case ATR_F32: { LOAD(float, v); return (atr_scalar){.re = (double)v}; }
    case ATR_F64: { LOAD(double, v); return (atr_scalar){.re = v}; }
    case ATR_C64: {
      float v[2];
      memcpy(v, address, sizeof v);
      return (atr_scalar){.re = (double)v[0], .im = (double)v[1]};
    }
    case ATR_C128: {
      double v[2];
      memcpy(v, address, sizeof v);
      return (atr_scalar){.re = v[0], .im = v[1]};
    }
  }
  return (atr_scalar){0};
}

#define STORE(type, value)                   \
  do {                                       \
    type stored = (type)(value);             \
    memcpy(address, &stored, sizeof stored); \
  } while (0)

void atr_scalar_store(atr_dtype dtype, void *address, atr_scalar value) {
  switch (dtype) {
    case ATR_DTYPE_NONE: return;
    case ATR_PRED: STORE(uint8_t, value.i != 0); return;
    case ATR_S8: case ATR_U8: STORE(uint8_t, value.i); return; /* the low bits, whatever the sign */
    case ATR_S16: case ATR_U16: STORE(uint16_t, value.i); return;
    case ATR_S32: case ATR_U32: STORE(uint32_t, value.i); return;
    case ATR_S64: case ATR_U64: STORE(uint64_t, value.i); return;
    case ATR_F8E4M3FN: STORE(uint8_t, encode(&f8e4m3fn_format, value.re)); return;
    case ATR_F8E5M2: STORE(uint8_t, encode(&f8e5m2_format, value.re)); return;
    case ATR_F16: STORE(uint16_t, encode(&f16_format, value.re)); return;
    case ATR_BF16: STORE(uint16_t, encode(&bf16_format, value.re)); return;
    case ATR_F32: STORE(float, value.re); return;
    case ATR_F64: STORE(double, value.re); return;
    case ATR_C64: memcpy(address, (float[2]){(float)value.re, (float)value.im}, 2 * sizeof(float)); return;
    case ATR_C128: memcpy(address, (double[2]){value.re, value.im}, 2 * sizeof(double)); return;
  }
}

atr_scalar atr_scalar_round(atr_dtype dtype, atr_scalar value) {
  char element[16];
  atr_scalar_store(dtype, element, value);
  return atr_scalar_load(dtype, element);
}

/* ---- conversion */

/* Truncated towards zero and saturated; NaN becomes 0. The bounds 2^n are exact in f64, the largest integers are not. */
static int64_t int_from_float(atr_dtype to, double value) {
  int bits = atr_dtype_bits(to);
  if (value != value) return 0;
  if (atr_dtype_class_of(to) == ATR_CLASS_SINT) {
    double bound = (double)((uint64_t)1 << (bits - 1));
    if (value >= bound) return (int64_t)(((uint64_t)1 << (bits - 1)) - 1);
    return value < -bound ? (int64_t)(-((uint64_t)1 << (bits - 1))) : (int64_t)value;
  }
  double bound = 2 * (double)((uint64_t)1 << (bits - 1));
  if (value >= bound) return (int64_t)(UINT64_MAX >> (64 - bits));
  return value <= 0 ? 0 : (int64_t)(uint64_t)value;
}

/* An integer as a value of `to`, a float dtype. For dtypes narrower than f64, an integer that f64 may not hold first loses its
 * 12 low bits, and the lowest one that stays also stands for them (rounding to odd): to round to nearest twice is not to round
 * once. */
static double float_from_int(atr_dtype from, atr_dtype to, int64_t value) {
  bool negative = atr_dtype_class_of(from) == ATR_CLASS_SINT && value < 0;
  uint64_t magnitude = negative ? -(uint64_t)value : (uint64_t)value;
  if (to != ATR_F64 && magnitude >> 53 != 0) {
    uint64_t lost = magnitude & 0xfff;
    magnitude = (magnitude - lost) | (uint64_t)(lost != 0) << 12;
  }
  double wide = negative ? -(double)magnitude : (double)magnitude;
  return atr_scalar_round(to, (atr_scalar){.re = wide}).re;
}

void atr_dtype_clean(atr_dtype dtype, void *data, int64_t count) {
  unsigned char *bytes = data;
  if (dtype != ATR_PRED) return;
  for (int64_t i = 0; i < count; i++) bytes[i] = bytes[i] != 0;
}

atr_scalar atr_scalar_convert(atr_dtype from, atr_dtype to, atr_scalar value) {
  bool from_float = atr_dtype_class_of(from) >= ATR_CLASS_FLOAT;
  switch (atr_dtype_class_of(to)) {
    case ATR_CLASS_NONE: break;
    case ATR_CLASS_PRED: return (atr_scalar){.i = from_float ? (value.re != 0 || value.im != 0) : value.i != 0};
    case ATR_CLASS_SINT:
    case ATR_CLASS_UINT:
      if (from_float) return (atr_scalar){.i = int_from_float(to, value.re)};
      return atr_scalar_round(to, value);
    case ATR_CLASS_FLOAT:
    case ATR_CLASS_COMPLEX:
      if (from_float) return atr_scalar_round(to, value);
      return (atr_scalar){.re = float_from_int(from, atr_dtype_real(to), value.i)};
  }
  return (atr_scalar){0};
}

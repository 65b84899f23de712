/* element.c - see element.h. */
#include "element.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

element_kind element_kind_of(atr_dtype dtype) {
  if (dtype == ATR_PRED) return ELEMENT_PRED;
  if (dtype >= ATR_S8 && dtype <= ATR_S64) return ELEMENT_SIGNED;
  if (dtype >= ATR_U8 && dtype <= ATR_U64) return ELEMENT_UNSIGNED;
  return dtype >= ATR_C64 ? ELEMENT_COMPLEX : ELEMENT_FLOAT;
}

atr_dtype element_part(atr_dtype dtype) { return dtype == ATR_C64 ? ATR_F32 : dtype == ATR_C128 ? ATR_F64 : dtype; }

/* ---- float formats of 8 and 16 bits ------------------------------------------------------------ */

typedef struct float_format {
  int exponent_bits, fraction_bits;
  bool has_infinity; /* e4m3fn spends that exponent on numbers and keeps one NaN */
} float_format;

static float_format format_of(atr_dtype dtype) {
  if (dtype == ATR_F16) return (float_format){5, 10, true};
  if (dtype == ATR_BF16) return (float_format){8, 7, true};
  if (dtype == ATR_F8E5M2) return (float_format){5, 2, true};
  if (dtype == ATR_F8E4M3FN) return (float_format){4, 3, false};
  if (dtype == ATR_F32) return (float_format){8, 23, true};
  return (float_format){11, 52, true};
}

/* Exponent of the smallest normal number. */
static int least_exponent(float_format f) { return 2 - (1 << (f.exponent_bits - 1)); }

static double decode(float_format f, unsigned bits) {
  unsigned field = bits >> f.fraction_bits & ((1u << f.exponent_bits) - 1), fraction = bits & ((1u << f.fraction_bits) - 1);
  double sign = (bits >> (f.exponent_bits + f.fraction_bits) & 1) != 0 ? -1.0 : 1.0;
  bool top = field == (1u << f.exponent_bits) - 1;
  if (top && f.has_infinity) return fraction != 0 ? (double)NAN : sign * (double)INFINITY;
  if (top && fraction == (1u << f.fraction_bits) - 1) return (double)NAN;
  int exponent = least_exponent(f) - f.fraction_bits;
  if (field == 0) return sign * ldexp(fraction, exponent);
  return sign * ldexp(fraction + (1u << f.fraction_bits), (int)field - 1 + exponent);
}

/* A finite value in range. The fraction with its leading bit, added to the exponent above it, is the encoding: a fraction that
 * rounds up to the next power of two carries into the exponent, and a subnormal has neither. */
static unsigned encode(float_format f, double value) {
  unsigned sign = signbit(value) ? 1u << (f.exponent_bits + f.fraction_bits) : 0;
  int exponent = value != 0 ? ilogb(value) : 0;
  if (value == 0 || exponent < least_exponent(f)) exponent = least_exponent(f);
  unsigned fraction = (unsigned)rint(ldexp(fabs(value), f.fraction_bits - exponent));
  return sign | (((unsigned)(exponent - least_exponent(f)) << f.fraction_bits) + fraction);
}

double element_epsilon(atr_dtype dtype) { return ldexp(1, -format_of(element_part(dtype)).fraction_bits); }

double element_smallest(atr_dtype dtype) {
  float_format f = format_of(element_part(dtype));
  return ldexp(1, least_exponent(f) - f.fraction_bits);
}

/* ---- any dtype --------------------------------------------------------------------------------- */

static int64_t get_signed(const void *address, size_t size) {
  int64_t wide = 0;
  memcpy(&wide, address, size); /* little-endian hosts, as everywhere LLVM's JIT runs us */
  int shift = 64 - 8 * (int)size;
  return (int64_t)((uint64_t)wide << shift) >> shift;
}

static uint64_t get_unsigned(const void *address, size_t size) {
  uint64_t wide = 0;
  memcpy(&wide, address, size);
  return wide;
}

static double get_real(atr_dtype dtype, const void *address) {
  float single;
  double value;
  if (dtype == ATR_F32) {
    memcpy(&single, address, sizeof single);
    return (double)single;
  }
  if (dtype != ATR_F64) return decode(format_of(dtype), (unsigned)get_unsigned(address, atr_dtype_size(dtype)));
  memcpy(&value, address, sizeof value);
  return value;
}

static void set_real(atr_dtype dtype, void *address, double value) {
  float single = (float)value;
  unsigned bits = 0;
  if (dtype == ATR_F32) {
    memcpy(address, &single, sizeof single);
  } else if (dtype == ATR_F64) {
    memcpy(address, &value, sizeof value);
  } else {
    bits = encode(format_of(dtype), value);
    memcpy(address, &bits, atr_dtype_size(dtype));
  }
}

void element_get(atr_dtype dtype, const void *address, double *re, double *im) {
  size_t size = atr_dtype_size(dtype);
  *im = 0;
  switch (element_kind_of(dtype)) {
    case ELEMENT_PRED: *re = *(const unsigned char *)address != 0; return;
    case ELEMENT_SIGNED: *re = (double)get_signed(address, size); return;
    case ELEMENT_UNSIGNED: *re = (double)get_unsigned(address, size); return;
    case ELEMENT_FLOAT: *re = get_real(dtype, address); return;
    case ELEMENT_COMPLEX:
      *re = get_real(element_part(dtype), address);
      *im = get_real(element_part(dtype), (const char *)address + size / 2);
  }
}

void element_set(atr_dtype dtype, void *address, double re, double im) {
  size_t size = atr_dtype_size(dtype);
  int64_t integer;
  switch (element_kind_of(dtype)) {
    case ELEMENT_PRED: *(unsigned char *)address = re != 0; return;
    case ELEMENT_SIGNED:
    case ELEMENT_UNSIGNED:
      integer = (int64_t)re;
      memcpy(address, &integer, size);
      return;
    case ELEMENT_FLOAT: set_real(dtype, address, re); return;
    case ELEMENT_COMPLEX:
      set_real(element_part(dtype), address, re);
      set_real(element_part(dtype), (char *)address + size / 2, im);
  }
}

bool element_less(atr_dtype dtype, const void *a, const void *b) {
  size_t size = atr_dtype_size(dtype);
  double x, y, im;
  if (element_kind_of(dtype) == ELEMENT_SIGNED) return get_signed(a, size) < get_signed(b, size);
  if (element_kind_of(dtype) == ELEMENT_UNSIGNED) return get_unsigned(a, size) < get_unsigned(b, size);
  element_get(dtype, a, &x, &im);
  element_get(dtype, b, &y, &im);
  return x < y;
}

/* ---- text -------------------------------------------------------------------------------------- */

/* Tries more and more digits until the text reads back as the same bits; whole numbers are written out. */
static void real_text(atr_dtype dtype, double value, char *out, size_t size) {
  if (isnan(value)) {
    snprintf(out, size, "nan");
  } else if (isinf(value)) {
    snprintf(out, size, value < 0 ? "-inf" : "inf");
  } else if (value == rint(value) && fabs(value) < 1e9) {
    snprintf(out, size, "%.0f", value);
  } else {
    uint64_t want = 0, got;
    set_real(dtype, &want, value);
    for (int digits = 1; digits <= 17; digits++) {
      snprintf(out, size, "%.*g", digits, value);
      got = 0;
      set_real(dtype, &got, strtod(out, NULL));
      if (got == want) return;
    }
  }
}

void element_double_text(double value, char out[ELEMENT_TEXT_MAX]) { real_text(ATR_F64, value, out, ELEMENT_TEXT_MAX); }

void element_text(atr_dtype dtype, const void *address, char out[ELEMENT_TEXT_MAX]) {
  size_t size = atr_dtype_size(dtype);
  double re, im;
  char parts[2][30];
  element_get(dtype, address, &re, &im);
  switch (element_kind_of(dtype)) {
    case ELEMENT_PRED: snprintf(out, ELEMENT_TEXT_MAX, re != 0 ? "true" : "false"); return;
    case ELEMENT_SIGNED: snprintf(out, ELEMENT_TEXT_MAX, "%lld", (long long)get_signed(address, size)); return;
    case ELEMENT_UNSIGNED: snprintf(out, ELEMENT_TEXT_MAX, "%llu", (unsigned long long)get_unsigned(address, size)); return;
    case ELEMENT_FLOAT: real_text(dtype, re, out, ELEMENT_TEXT_MAX); return;
    case ELEMENT_COMPLEX:
      real_text(element_part(dtype), re, parts[0], sizeof parts[0]);
      real_text(element_part(dtype), im, parts[1], sizeof parts[1]);
      snprintf(out, ELEMENT_TEXT_MAX, "(%s,%s)", parts[0], parts[1]);
  }
}

/* text.c - growing text, and the shortest decimal of a scalar.
 *
 * In: pieces of text, elements of arrays. Out: one NUL-terminated text in the arena. A float is printed with the fewest digits
 * that read back (as a reader does: to f64, then one rounding to the dtype) as the same bits:
 *
 *     f32 0x3dcccccd -> 0.1     bf16 3.140625 -> 3.14     f32 1e10 -> 1e+10     f16 65504 -> 65504
 *
 * Integers below 10^9 are exact: 65500 would read back as the f16 65504 too, but is no shorter.
 * The C library turns digits into f64 and back, but only in forms without a decimal point ("314e-2"): the point depends on the
 * host program's locale, and a library may neither rely on it nor change it. */
#include "base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"

atr_text atr_text_make(atr_arena *arena) { return (atr_text){.arena = arena}; }

/* Room for `more` bytes and the NUL. Doubling keeps the copying linear. */
static void reserve(atr_text *text, size_t more) {
  if (text->data != NULL && more < text->capacity - text->len) return;
  size_t capacity = text->capacity != 0 ? 2 * text->capacity : 64;
  if (capacity - text->len <= more) capacity = text->len + more + 1;
  text->data = atr_arena_grow(text->arena, text->data, text->len, capacity);
  text->capacity = capacity;
}

void atr_text_append(atr_text *text, const char *bytes, size_t len) {
  reserve(text, len);
  if (len != 0) memcpy(text->data + text->len, bytes, len);
  text->len += len;
  text->data[text->len] = '\0';
}

void atr_text_puts(atr_text *text, const char *string) { atr_text_append(text, string, strlen(string)); }

void atr_text_printf(atr_text *text, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (len >= 0) {
    reserve(text, (size_t)len);
    vsnprintf(text->data + text->len, (size_t)len + 1, format, again);
    text->len += (size_t)len;
  }
  va_end(again);
}

/* ---- floats */

enum { MAX_DIGITS = 17, FIXED_DIGITS = 9 };
static const double fixed_limit = 1e9; /* 10^FIXED_DIGITS */

/* A positive decimal: digits[0].digits[1]digits[2]... * 10^exponent. */
typedef struct decimal {
  char digits[MAX_DIGITS];
  int count, exponent;
} decimal;

/* The nearest decimal of `count` digits. */
static decimal decimal_of(double value, int count) {
  char buffer[MAX_DIGITS + 16];
  decimal d = {.count = 0};
  snprintf(buffer, sizeof buffer, "%.*e", count - 1, value);
  const char *at = buffer;
  for (; *at != 'e'; at++) {
    if (*at >= '0' && *at <= '9' && d.count < MAX_DIGITS) d.digits[d.count++] = *at; /* else: the locale's point */
  }
  d.exponent = atoi(at + 1);
  return d;
}

/* The next larger decimal of as many digits. */
static void decimal_increment(decimal *d) {
  int i = d->count - 1;
  for (; i >= 0 && d->digits[i] == '9'; i--) d->digits[i] = '0';
  if (i >= 0) {
    d->digits[i]++;
  } else {
    d->digits[0] = '1';
    d->exponent++;
  }
}

static bool reads_back(const decimal *d, atr_dtype dtype, double value) {
  char buffer[MAX_DIGITS + 16];
  snprintf(buffer, sizeof buffer, "%.*se%d", d->count, d->digits, d->exponent - (d->count - 1));
  return atr_scalar_round(dtype, (atr_scalar){.re = strtod(buffer, NULL)}).re == value;
}

/* Below a power of two the floats lie twice as dense, so that the decimal nearest to it may fail where the next larger one
 * reads back: 2^-44 is 5.684341886080802e-14, not ...801e-14. */
static decimal shortest(atr_dtype dtype, double value) {
  int binary_exponent;
  bool power_of_two = frexp(value, &binary_exponent) == 0.5;
  for (int count = 1; count < MAX_DIGITS; count++) {
    decimal d = decimal_of(value, count);
    if (reads_back(&d, dtype, value)) return d;
    if (!power_of_two) continue;
    decimal_increment(&d);
    if (reads_back(&d, dtype, value)) return d;
  }
  return decimal_of(value, MAX_DIGITS);
}

/* Of a value that is not an integer below 10^FIXED_DIGITS. */
static void append_decimal(atr_text *text, const decimal *d) {
  if (d->exponent < -4 || d->exponent >= FIXED_DIGITS) {
    atr_text_append(text, d->digits, 1);
    if (d->count > 1) atr_text_printf(text, ".%.*s", d->count - 1, d->digits + 1);
    atr_text_printf(text, "e%+03d", d->exponent);
  } else if (d->exponent < 0) {
    atr_text_puts(text, "0.");
    for (int i = -1; i > d->exponent; i--) atr_text_puts(text, "0");
    atr_text_append(text, d->digits, (size_t)d->count);
  } else {
    size_t whole = (size_t)d->exponent + 1; /* fewer than all: an integer would read back as an integer */
    atr_text_append(text, d->digits, whole);
    atr_text_puts(text, ".");
    atr_text_append(text, d->digits + whole, (size_t)d->count - whole);
  }
}

static void append_float(atr_text *text, atr_dtype dtype, double value) {
  if (isnan(value)) {
    atr_text_puts(text, "nan");
    return;
  }
  if (signbit(value)) atr_text_puts(text, "-");
  if (isinf(value)) {
    atr_text_puts(text, "inf");
  } else if (fabs(value) < fixed_limit && value == (double)(long long)value) {
    atr_text_printf(text, "%lld", (long long)fabs(value));
  } else {
    decimal d = shortest(dtype, fabs(value));
    append_decimal(text, &d);
  }
}

void atr_text_scalar(atr_text *text, atr_dtype dtype, const void *address) {
  atr_scalar value = atr_scalar_load(dtype, address);
  switch (atr_dtype_class_of(dtype)) {
    case ATR_CLASS_NONE: atr_text_puts(text, "?"); return;
    case ATR_CLASS_PRED: atr_text_puts(text, value.i != 0 ? "true" : "false"); return;
    case ATR_CLASS_SINT: atr_text_printf(text, "%lld", (long long)value.i); return;
    case ATR_CLASS_UINT: atr_text_printf(text, "%llu", (unsigned long long)value.i); return;
    case ATR_CLASS_FLOAT: append_float(text, dtype, value.re); return;
    case ATR_CLASS_COMPLEX:
      atr_text_puts(text, "(");
      append_float(text, atr_dtype_real(dtype), value.re);
      atr_text_puts(text, ", ");
      append_float(text, atr_dtype_real(dtype), value.im);
      atr_text_puts(text, ")");
      return;
  }
}

/* element.h - single elements of any dtype, as numbers and as text.
 *
 * In: an element in memory. Out: its value as a double (two for complex), or the shortest text that reads back as it; and back,
 * rounded to nearest even. The library computes with elements inside; this is what a client needs to fill, compare and show
 * them. f16, bf16 and the fp8 formats are one scheme with two numbers, exponent and fraction bits. */
#ifndef TOOLS_ELEMENT_H
#define TOOLS_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atrous/atrous.h"

typedef enum element_kind { ELEMENT_PRED, ELEMENT_SIGNED, ELEMENT_UNSIGNED, ELEMENT_FLOAT, ELEMENT_COMPLEX } element_kind;
element_kind element_kind_of(atr_dtype dtype);
static inline bool element_is_float(atr_dtype dtype) { return element_kind_of(dtype) >= ELEMENT_FLOAT; }
/* The dtype of a complex number's parts; others themselves. */
atr_dtype element_part(atr_dtype dtype);

/* Distance from 1 to the next larger value (float and complex dtypes), and the smallest positive value. */
double element_epsilon(atr_dtype dtype);
double element_smallest(atr_dtype dtype);

/* 64-bit integers may be rounded on the way to a double. *im is 0 unless complex. */
void element_get(atr_dtype dtype, const void *address, double *re, double *im);
/* `re` and `im` in [-2^15, 2^15] for float formats of 16 bits, [-448, 448] for fp8, and in range for integers. */
void element_set(atr_dtype dtype, void *address, double re, double im);
/* Order within one real dtype, exact for 64-bit integers; false when one is NaN. */
bool element_less(atr_dtype dtype, const void *a, const void *b);
/* "1.5", "-7", "true", "(1,-2)", "nan": at most 63 characters and a NUL. */
enum { ELEMENT_TEXT_MAX = 64 };
void element_text(atr_dtype dtype, const void *address, char out[ELEMENT_TEXT_MAX]);
/* The number alone, shortest for doubles. */
void element_double_text(double value, char out[ELEMENT_TEXT_MAX]);

#endif

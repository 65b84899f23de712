/* checked.h - int64 arithmetic that says when it overflows.
 * In: two int64. Out: true and *out when the exact result fits, false (and *out unspecified) otherwise. */
#ifndef ATR_BASE_CHECKED_H
#define ATR_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool atr_checked_add(int64_t a, int64_t b, int64_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool atr_checked_sub(int64_t a, int64_t b, int64_t *out) { return !__builtin_sub_overflow(a, b, out); }
static inline bool atr_checked_mul(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }

/* Division rounding towards minus infinity, plus infinity, and the matching remainder in [0, b). b > 0. */
static inline int64_t atr_floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }
static inline int64_t atr_ceil_div(int64_t a, int64_t b) { return a / b + (a % b > 0); }
static inline int64_t atr_mod(int64_t a, int64_t b) { return a % b < 0 ? a % b + b : a % b; }
static inline int64_t atr_gcd(int64_t a, int64_t b) { while (b != 0) { int64_t t = a % b; a = b; b = t; } return a < 0 ? -a : a; }
static inline int64_t atr_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t atr_max(int64_t a, int64_t b) { return a > b ? a : b; }
/* For qsort: the least first. */
static inline int atr_compare_int64(const void *a, const void *b) { int64_t x = *(const int64_t *)a, y = *(const int64_t *)b; return (x > y) - (x < y); }
static inline int64_t atr_align(int64_t a, int64_t to) { return atr_ceil_div(a, to) * to; }

#endif

/* bound.h - how far a result may be from the interpreter's.
 *
 * In: a module and the interpreter's value of every instruction. Out: for every instruction a bound on what correct code may
 * compute instead: |got - want| <= absolute + relative * |want|, or both lie beyond a ceiling with one sign.
 *
 * A value is exact (both 0) when every correct evaluation gives the same bits: arguments, what moves elements, integers, and
 * operations that round once, of exact operands. A sum of floats is exact too when its terms are integers and stay below 2^24
 * (2^53 in f64) in total: then no partial sum is rounded, in any order. Other sums of n terms are allowed
 *
 *     (n + 4) * eps(accumulator) * n * max|lhs| * max|rhs|
 *
 * (the forward error of a sum in any order, of the product's rounding and of operands that are converted to the accumulator's
 * dtype), plus what their operands' errors can make of it, plus one rounding to the result's dtype. exponential, tanh and
 * logistic are allowed 8 units in the last place; of exact operands an exponential close to the largest number may be infinite
 * or not. Elsewhere, where an error decides something that is not continuous (a comparison, a conversion to integers, a division
 * by what may be zero, an overflow), nothing is demanded of the value, nor of what follows. */
#ifndef TESTS_RANDOM_BOUND_H
#define TESTS_RANDOM_BOUND_H

#include <stdbool.h>

#include "atrous/atrous.h"

typedef struct bound {
  bool known; /* false: nothing is demanded */
  double absolute, relative;
  double ceiling; /* above it in magnitude all numbers are as good as each other, infinity too; 0: none */
} bound;

/* flushes: the code may take subnormal numbers of f32 and of what is computed in f32 as zero, where they come out of sums and
 * functions; no argument may be one, nor a product of elements. values[id] is dense in the layout of the instruction's shape; bounds[id] is written for id in 1..module->count. */
void bound_values(const atr_module *module, const void *const *values, bool flushes, bound *bounds);

/* Index (in memory order) of the first of n elements that breaks the bound, or -1. NaN agrees with NaN, zeros of both signs
 * agree. Needs base/dtype.c alone, so that it can be linked into a program for another machine. */
int64_t bound_first_wrong(atr_dtype dtype, int64_t n, const void *got, const void *want, const bound *allowed);

#endif

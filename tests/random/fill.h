/* fill.h - random arguments.
 *
 * In: a dtype and a kind of data. Out: elements.
 *     FILL_SMALL    integers from -4 to 4 (0 to 4 where unsigned) in every dtype: sums of their products are exact
 *     FILL_SPECIAL  the same, with a few infinities and NaNs in float arrays
 *     FILL_WIDE     floats in [-1, 1), in some arrays times a power of two; integers of any value and the ends of their range
 *     FILL_NORMAL   the same without the powers of two that make products of floats subnormal
 *     FILL_ENDS     what operations that round once, choose or convert are most often wrong for: subnormal numbers, the ends of
 *                   the range, infinities, NaNs, zeros of both signs, numbers close to the middle of two that a narrower type
 *                   has, any bits; sums of such numbers are not exact, so what goes into a convolution is filled in another way */
#ifndef TESTS_RANDOM_FILL_H
#define TESTS_RANDOM_FILL_H

#include "atrous/atrous.h"
#include "rng.h"

typedef enum fill { FILL_SMALL, FILL_SPECIAL, FILL_WIDE, FILL_NORMAL, FILL_ENDS } fill;

void fill_array(rng *r, fill kind, const atr_shape *shape, void *out);

#endif

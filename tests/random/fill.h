/* fill.h - random arguments.
 *
 * In: a dtype and a kind of data. Out: elements.
 *     FILL_SMALL    integers from -4 to 4 (0 to 4 where unsigned) in every dtype: sums of their products are exact
 *     FILL_SPECIAL  the same, with a few infinities and NaNs in float arrays
 *     FILL_WIDE     floats in [-1, 1), in some arrays times a power of two; integers of any value and the ends of their range */
#ifndef TESTS_RANDOM_FILL_H
#define TESTS_RANDOM_FILL_H

#include "atrous/atrous.h"
#include "rng.h"

typedef enum fill { FILL_SMALL, FILL_SPECIAL, FILL_WIDE } fill;

void fill_array(rng *r, fill kind, const atr_shape *shape, void *out);

#endif

/* random.h - reproducible arguments.
 *
 * In: a seed, the parameter's number, its shape. Out: the filled array. An element depends on the seed, the parameter and its
 * logical place only: not on the layout, the order of filling or the machine. */
#ifndef TOOLS_RANDOM_H
#define TOOLS_RANDOM_H

#include <stdint.h>

#include "atrous/atrous.h"

typedef enum random_fill {
  RANDOM_WIDE, /* floats: multiples of 2^-23 in [-1, 1), rounded to the dtype; integers: any value; pred: either */
  RANDOM_SMALL /* integers from -4 to 4, or 0 to 4 for unsigned, in every dtype: sums of products stay exact for long */
} random_fill;

void random_array(uint64_t seed, int32_t parameter, random_fill fill, const atr_shape *shape, void *out);

#endif

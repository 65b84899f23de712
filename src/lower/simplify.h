/* simplify.h - passes from canonical nests to canonical nests: fewer dims, no divisors. */
#ifndef ATR_LOWER_SIMPLIFY_H
#define ATR_LOWER_SIMPLIFY_H

#include "lower/nest.h"

/* phases.c: removes divisors (lhs_dilation, interior padding) by splitting each output dim into residue classes, one nest per
 * class. Appends the resulting nests to `out`, which receives the nest itself when it has no divisor. */
void atr_nest_split_phases(atr_arena *arena, const atr_nest *nest, atr_program *out);

/* collapse.c: drops dims of extent 1 and merges pairs of dims that every access walks as one. */
void atr_nest_collapse(atr_arena *arena, atr_nest *nest);

#endif

/* nest_bounds.h - which elements an access of a nest can reach, for the verifier. */
#ifndef ATR_LOWER_NEST_BOUNDS_H
#define ATR_LOWER_NEST_BOUNDS_H

#include "lower/nest.h"

/* Every value computed on the way to an address stays below this in magnitude, so that sums of them, one for each dim, never
 * overflow and nobody needs checked arithmetic later. */
#define ATR_NEST_LIMIT (INT64_C(1) << 55)
/* The same where addresses have 32 bits and so has the arithmetic that leads to them. */
#define ATR_NEST_LIMIT_32 (INT64_C(1) << 28)
bool atr_affine_fits(const atr_nest *nest, const atr_affine *affine);
bool atr_access_fits(const atr_nest *nest, const atr_access *access, int64_t limit);

typedef struct atr_reach {
  bool never;       /* at no point the guards pass and the element exists */
  int64_t min, max; /* element numbers; exact, or wider than exact where dims that belong together have too many points */
} atr_reach;

/* Over all points of the dims' box that pass the guards (a padded access: over the whole box) and at which the element
 * exists. Stops looking closer once min and max are known to lie in [0, elements). The access must fit. */
atr_reach atr_access_reach(atr_arena *arena, const atr_nest *nest, const atr_access *access, int64_t elements);

#endif

/* compare.h - are two arrays the same result?
 *
 * In: a shape, what was computed, what the interpreter says, and a bound. Out: the largest error and where the first element
 * stands that breaks the bound.
 *
 * Integers and pred must be equal. Floats may differ by
 *
 *     bound = scale * (eps(result) * (2 + steps) + eps(sum) * (1 + reduction))
 *
 * with scale the largest magnitude of the interpreter's results, also of those for the magnitudes of the arguments (what the
 * terms of a sum add up to before they cancel), eps(result) that of the coarsest float dtype computed in the module, steps its
 * instructions, eps(sum) that of f64 for f64 and c128 results and of f32 for others (bf16 and f16 are summed in f32), and
 * reduction the number of terms of its sums. It is what the forward error of a sum in any order stays below. NaN agrees with
 * NaN, an infinity with itself. */
#ifndef TOOLS_COMPARE_H
#define TOOLS_COMPARE_H

#include "conv_scan.h"

typedef struct compare_result {
  bool same;
  int64_t elements, wrong; /* wrong: outside the bound */
  int64_t first[ATR_MAX_RANK]; /* the logical index of the first wrong one in memory order */
  int64_t first_offset;        /* its byte offset */
  double largest, bound;       /* error; 0 for a bound that demands equality */
} compare_result;

/* `magnitudes` holds the interpreter's result for the arguments' magnitudes, or is NULL. `exact` demands equality of floats. */
void compare_arrays(const atr_shape *shape, const void *got, const void *want, const void *magnitudes, const conv_stats *stats,
                    bool exact, compare_result *out);
/* "ok, largest error 1e-07, 0.1 of the bound 1e-06" or what is wrong first, without a newline. */
enum { COMPARE_TEXT_MAX = 512 };
void compare_text(const atr_shape *shape, const void *got, const void *want, const compare_result *result, char *out);
/* Replaces every number of an array by its magnitude (of each part, for complex); unsigned and pred stay. */
void compare_magnitudes(const atr_shape *shape, void *data);

#endif

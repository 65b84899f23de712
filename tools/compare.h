/* compare.h - are two arrays the same result?
 *
 * In: a shape, what was computed, what the interpreter says, and a bound. Out: the error that comes closest to its bound, and
 * where the first element stands that breaks its own.
 *
 * Integers and pred must be equal. Floats may differ by
 *
 *     bound = (scale + condition) * (eps(result) * (2 + steps) + eps(sum) * (1 + reduction))
 *
 * with scale the largest magnitude of the interpreter's results, also of those for the magnitudes of the arguments (what the
 * terms of a sum add up to before they cancel), eps(result) that of the coarsest float dtype computed in the module, steps its
 * instructions, eps(sum) that of f64 for f64 and c128 results and of f32 for others (bf16 and f16 are summed in f32), and
 * reduction the number of terms of its sums, in convolutions and in reduce. It is what the forward error of a sum in any order
 * stays below. NaN agrees with NaN, an infinity with itself.
 *
 * condition is the element's own: how much it changes for relative changes of the arguments, seen from small random ones. Where
 * a function is steep it magnifies the errors of the sums in front of it: 1 / s for a sum s that cancels to 1e-3 of its terms
 * has a million times their error. */
#ifndef TOOLS_COMPARE_H
#define TOOLS_COMPARE_H

#include "conv_scan.h"

typedef struct compare_result {
  bool same;
  int64_t elements, wrong;     /* wrong: outside the bound */
  int64_t first[ATR_MAX_RANK]; /* the logical index of the first wrong one in memory order */
  int64_t first_offset;        /* its byte offset */
  double largest, bound;       /* the error nearest to its bound, and this bound; 0 for one that demands equality */
} compare_result;

/* What the interpreter says: its result; its result for the arguments' magnitudes, or NULL; and by element in memory order what
 * compare_condition made, or NULL where arguments do not tell. */
typedef struct compare_reference {
  const void *want, *magnitudes;
  const double *condition;
} compare_reference;

/* `exact` demands equality of floats. */
void compare_arrays(const atr_shape *shape, const void *got, const compare_reference *reference, const conv_stats *stats,
                    bool exact, compare_result *out);
/* "ok, largest error 1e-07, 0.1 of the bound 1e-06" or what is wrong first, without a newline. */
enum { COMPARE_TEXT_MAX = 512 };
void compare_text(const atr_shape *shape, const void *got, const void *want, const compare_result *result, char *out);
/* Replaces every number of an array by its magnitude (of each part, for complex); unsigned and pred stay. */
void compare_magnitudes(const atr_shape *shape, void *data);
/* Replaces every float of an array by one whose distance is about `relative` of it (a power of two, not below the dtype's
 * epsilon): in trial 0 away from zero, where sums without cancellation move most, in others to a side that follows from the
 * trial, the array's number and the place. Zeros, infinities, NaN and other dtypes stay. */
void compare_nudge(const atr_shape *shape, double relative, int trial, int32_t number, void *data);
/* Raises an element's condition (0 at first) to the change from `want` to `nudged`, per relative change of the arguments. */
void compare_condition(const atr_shape *shape, const void *want, const void *nudged, double relative, double *condition);

#endif

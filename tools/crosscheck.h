/* crosscheck.h - compares results with the interpreter's.
 *
 * In: a module, its arguments, what was computed from them. Out: one line per result (compare.h has the bound), and whether all
 * agree. The interpreter runs once, and for float results once more on the magnitudes of the arguments, which scale the bound;
 * where this does not do, five times more on arguments nearby, for each element's condition.
 *
 *     check result 0: ok, largest error 2.38e-07, 0.0518 of the bound 4.6e-06 */
#ifndef TOOLS_CROSSCHECK_H
#define TOOLS_CROSSCHECK_H

#include <stdio.h>

#include "job.h"

typedef struct crosscheck_options {
  bool exact;         /* floats must be equal too */
  bool only_failures; /* no line for results that agree */
  const char *prefix; /* of each line */
  FILE *to;
} crosscheck_options;

/* TOOL_INPUT when a result differs. */
tool_exit crosscheck_results(const job *j, const arrays *arguments, const arrays *got, const crosscheck_options *options);

#endif

/* check.h - one random problem from generation to verdict.
 *
 * In: a seed and a number. Out: counts in a tally, and a report on standard output when something is wrong: the module, the
 * schedule, the CPU, and the first element that differs. The tally lies in memory shared with the parent process, so that it
 * survives a crash of compiled code. */
#ifndef TESTS_RANDOM_CHECK_H
#define TESTS_RANDOM_CHECK_H

#include <stdbool.h>

#include "atrous/atrous.h"
#include "emit.h"

enum {
  TALLY_DTYPES = ATR_C128 + 1,
  TALLY_RANKS = ATR_MAX_SPATIAL + 2,
  TALLY_REASONS = 24,
  TALLY_REASON = 120,
  TALLY_MESSAGE = 1024
};

typedef struct reason {
  char text[TALLY_REASON];
  long count;
} reason;

typedef struct tally {
  long problems[TALLY_DTYPES][TALLY_RANKS];        /* by dtype and by spatial rank + 1 */
  long checked, wrong, exact, bounded, undemanded; /* problems; results compared bit by bit, within a bound, not at all */
  long kernels, interpreted;                       /* executables by how they run */
  long schedules, accepted;                        /* random ones: tried, compiled */
  long cpus;                                       /* kernels for another CPU than the host's */
  reason reasons[TALLY_REASONS];                   /* why something was refused */
  long long number;                                /* problem under way */
  char stage[TALLY_MESSAGE];                       /* what is being done with it */
} tally;

typedef struct check_options {
  uint64_t seed;
  int dtype, rank; /* of the core; 0 and -1: any */
  bool threads;    /* more runs with threads */
  bool flushes;    /* the target takes subnormal numbers of f32 as zero (bound.h) */
  bool verbose;
  const char *module; /* file with HLO to be checked instead of generated modules; NULL: none */
  emission *emission; /* NULL: kernels run here; else they are written for another machine */
} check_options;

void check_problem(const check_options *options, int64_t number, tally *t);
/* Prints the module's HLO text. */
void check_print(const check_options *options, int64_t number);
/* Reports crashes of the problem under way, then ends the process. Installed once per process. */
void check_catch_crashes(void);
void tally_add(tally *sum, const tally *part);

#endif

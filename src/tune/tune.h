/* tune.h - the best schedule of a nest by measurement.
 *
 * In: a program's nests before their schedules, a target, and a bench: the caller's way to make code with a schedule text and
 * to time it. Out: the fastest schedule text found, and what the cost model's own choice took in the same interleaved
 * measurement. Nothing is remembered between calls. atr_tune searches the space; atr_tune_select tries a few places of the
 * ranking, none of which changes a bit of the result. */
#ifndef ATR_TUNE_TUNE_H
#define ATR_TUNE_TUNE_H

#include "lower/schedule.h"

/* One executable per schedule text, timed by turns. */
typedef struct atr_tune_bench {
  void *user;
  /* Code for a schedule text (lines "NEST: schedule", as in atr_compile_options); a failure means: leave this one out. */
  atr_status (*make)(void *user, const char *schedule, void **variant);
  double (*run)(void *user, void *variant, double *spent); /* nanoseconds of one run; adds to *spent what all took that it needed */
  void (*drop)(void *user, void *variant);
} atr_tune_bench;

typedef struct atr_tune_options {
  uint64_t constant_parameters; /* as in atr_compile_options */
  int64_t occupied;             /* as in atr_schedule_setting */
  int most;                     /* schedules that are tried per nest, at least 1 */
  double budget_ns;             /* time for running the finalists of a nest; every one has at least three turns */
  /* Told of every schedule that was timed, when it drops out; why: the model's words, NULL for neighbours. May be NULL. */
  void (*tried)(void *user, const char *nest, const char *schedule, const char *why, double ns);
  void *user;
} atr_tune_options;

typedef struct atr_tuned {
  const char *schedule;  /* a line per nest with a sum; in the work's arena */
  double best_ns;        /* least time of a run with it, */
  double model_ns;       /* and of one with the cost model's choices; 0: no code could be made of that for the largest nest */
  int tried, refused;    /* schedules; refused: illegal or not to be made into code */
} atr_tuned;

/* Tunes the nests with a sum one after the other, the largest first, each with the best of those before it. */
ATR_CHECK_RESULT atr_status atr_tune(atr_work *work, const atr_program *problem, const atr_target *target,
                                     const atr_tune_options *options, const atr_tune_bench *bench, atr_tuned *out);

typedef struct atr_selected {
  /* A line for each nest that is like the one with most work; NULL: the cost model's choice is the fastest. */
  const char *schedule;
  const char *why;      /* the model's words about it */
  const char *report;   /* a line of text: how many were timed, and their times */
} atr_selected;

/* The fastest of at most `most` schedules for the nest with most work: the cost model's choice and the next of its ranking that add
 * terms in the same order. The choice is left alone unless another is faster by more than a measurement errs. */
ATR_CHECK_RESULT atr_status atr_tune_select(atr_work *work, const atr_program *problem, const atr_target *target,
                                            const atr_tune_options *options, const atr_tune_bench *bench, atr_selected *out);

#endif

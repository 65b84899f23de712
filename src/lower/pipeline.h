/* pipeline.h - lowering as a whole: graph IR in, scheduled nests out. */
#ifndef ATR_LOWER_PIPELINE_H
#define ATR_LOWER_PIPELINE_H

#include "lower/schedule.h"

typedef struct atr_lower_options {
  const atr_target *target;
  uint64_t constant_parameters; /* bit i: parameter i keeps its value between runs */
  bool keep_padding;            /* pad operations stay: their zeros are to be multiplied (rule 26) */
  int64_t workspace; /* bytes of scratch that the plan may take; 0: no limit; ATR_WORKSPACE_NONE: none. ATR_UNSUPPORTED where it needs more */
  /* NULL: the cost model's. Lines "NEST: schedule"; a line without a name is for every nest with a sum. Each must be for a nest
   * that there is. */
  const char *schedule;
  /* The lines of `schedule` where several lowerings share them, each with nests of its own; it is the caller who then checks that
   * all are taken. NULL: of this lowering alone. */
  atr_schedule_lines *lines;
  const char *schedule_why; /* reasons for it, for explain; NULL: the caller's own */
  /* One scalar loop per dim, nothing packed, widened or shared out, whatever `schedule` and the cost model say (but for their
   * parts): other code for the same results, which a self-test compares with. */
  bool plain;
  /* Called with the program's text after every pass that changed it; may be NULL. */
  void (*dump)(void *user, const char *stage, const char *text);
  void *dump_user;
} atr_lower_options;

/* Runs every pass of the table in pipeline.c. */
ATR_CHECK_RESULT atr_status atr_lower(atr_work *work, const atr_module *module, const atr_lower_options *options,
                                      atr_program **out);

/* Bytes of scratch that a nest may add within the options' workspace. */
int64_t atr_lower_room(const atr_lower_options *options);

/* The passes before schedules: the nests that schedules are chosen for. */
ATR_CHECK_RESULT atr_status atr_lower_to_nests(atr_work *work, const atr_module *module, const atr_lower_options *options,
                                               atr_program **out);

#endif

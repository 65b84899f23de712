/* measure.h - schedules of a module timed on this machine.
 *
 * In: a module, and the options to compile it with. Out: a bench for src/tune, which makes an executable for a schedule text and
 * times runs of it, on arrays of its own and with the context's threads; and the choice for atr_compile_options.measure. */
#ifndef ATR_MEASURE_H
#define ATR_MEASURE_H

#include "context.h"
#include "lower/pipeline.h"
#include "tune/tune.h"

typedef struct atr_measure {
  atr_context *context;
  const atr_module *module;
  atr_compile_options options; /* but for schedule and measure */
  int32_t threads;             /* of a run, as in atr_run_options */
  void **arrays, **blocks;     /* arguments, then results, aligned; and what to free */
  struct contender *live;      /* made and not dropped */
} atr_measure;

/* Makes the arrays, as the caller has filled in all above them: small numbers, none of them subnormal, so that no
 * arithmetic is slower than usual. */
ATR_CHECK_RESULT atr_status atr_measure_init(atr_work *work, atr_measure *measure);
/* Drops what is left too, and leaves a zeroed one, which it also takes: whatever was under way when memory ran out is released here. */
void atr_measure_fini(atr_measure *measure);
/* Valid as long as the measure. */
atr_tune_bench atr_measure_bench(atr_measure *measure);

/* The fastest of a few schedules, as atr_tune_select has it, in work's arena. `measure` says for which module and options, and in which
 * context; it is the caller's to finish where memory runs out, and finished otherwise. `lowered`, the module or a form of it, and
 * `lowering` say how it is lowered without a schedule. */
ATR_CHECK_RESULT atr_status atr_measure_select(atr_work *work, atr_measure *measure, const atr_module *lowered,
                                               const atr_lower_options *lowering, atr_selected *out);

#endif

/* explain.h - what was compiled and why, as text for people. */
#ifndef ATR_EXPLAIN_H
#define ATR_EXPLAIN_H

#include "lower/nest.h"
#include "lower/target.h"

/* Problem, work done and skipped, bytes, intensity, bound, schedule, reasons and nest of every nest; `measured` (may be NULL)
 * says what was timed, `fallback` (may be NULL) why no code was generated. */
void atr_explain(atr_text *text, const atr_module *module, const atr_program *program, const atr_target *target,
                 const char *measured, const char *fallback);

#endif

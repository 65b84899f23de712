/* schedules.h - random schedules of a module's nests, as text.
 *
 * In: a module. Out: lines "NEST: schedule" for its nests after the passes that come before scheduling. Most are legal; some break
 * a rule (a piece of a reduced dim that does not divide it, too many lanes), which compilation must refuse. */
#ifndef TESTS_RANDOM_SCHEDULES_H
#define TESTS_RANDOM_SCHEDULES_H

#include "atrous/atrous.h"
#include "ir/ir.h"
#include "rng.h"

/* For the target that the options name, which decides which dims nests have. NULL when the module has no nests; else to be freed. */
char *schedules_random(rng *r, const atr_module *module, const atr_compile_options *options);

#endif

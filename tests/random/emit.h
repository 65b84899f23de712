/* emit.h - problems for another machine: objects, arguments and expected results as files (guest.h). */
#ifndef TESTS_RANDOM_EMIT_H
#define TESTS_RANDOM_EMIT_H

#include <stdio.h>

#include "bound.h"
#include "memory.h"

typedef struct emission {
  const char *folder;                  /* exists; NULL: nothing is emitted */
  const char *cpu, *features, *triple; /* as atr_compile_options has them */
  FILE *table, *data;
  int kernels; /* so far */
} emission;

/* A module with everything that its kernel is to be checked by. */
typedef struct emit_problem {
  int64_t number;
  atr_context *context;
  const atr_module *module;
  const memory *args; /* of every parameter */
  void *const *values;
  const bound *bounds; /* both by atr_id */
} emit_problem;

/* False when files cannot be written. */
bool emission_open(emission *e);
bool emission_close(emission *e);
/* One kernel; options->name is replaced. A failure of the compiler leaves its message in the context. */
ATR_CHECK_RESULT atr_status emit_kernel(emission *e, const emit_problem *p, const atr_compile_options *options);

#endif

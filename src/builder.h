/* builder.h - what is behind the public builder, for the files that implement its functions.
 *
 *     atr_value atr_build_x(atr_builder *builder, ...) { ATR_BUILD(builder, atr_x_build(&builder->work, builder->module, ...));
 * }
 *
 * Each call sets the arena's guard, so that running out of memory inside becomes the builder's error; the arena stays whole and
 * is freed with the builder. */
#ifndef ATR_BUILDER_H
#define ATR_BUILDER_H

#include "context.h"
#include "ir/build.h"

struct atr_builder {
  atr_context *context;
  atr_arena *arena; /* NULL: spent, the module has it */
  atr_module *module;
  atr_work work;
};

/* The error of a guard that was jumped to; returns 0. */
atr_value atr_builder_run_out(atr_builder *builder);
/* It exists, its module was not taken, and there is no error yet. */
bool atr_builder_is_open(const atr_builder *builder);

/* The body of every public function that makes a value. setjmp must stand in the function that stays on the stack, hence a
 * macro. */
#define ATR_BUILD(builder, call)                                                                                               \
  do {                                                                                                                         \
    if (!atr_builder_is_open(builder)) return 0;                                                                               \
    if (setjmp((builder)->arena->guard) != 0) return atr_builder_run_out(builder);                                             \
    return (call);                                                                                                             \
  } while (0)

#endif

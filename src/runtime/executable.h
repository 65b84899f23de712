/* executable.h - a compiled module ready to run: immutable, reference counted, callable from many threads.
 *
 * Made by compile.c; run by executable.c. Either code (kernel and, when something is packed, prepack) or, where no back end
 * has code for the module, the module itself for the interpreter. */
#ifndef ATR_RUNTIME_EXECUTABLE_H
#define ATR_RUNTIME_EXECUTABLE_H

#include <stdatomic.h>

#include "ir/ir.h"
#include "runtime/jit.h"
#include "runtime/threads.h"

typedef int (*atr_kernel)(const void *const *args, void *const *results, void *scratch, const atr_host *host);
typedef int (*atr_prepack)(const void *const *args, void *packed, const atr_host *host);

struct atr_executable {
  atomic_int references;
  atr_arena arena;      /* shapes, text; the executable's own */
  atr_threads *threads; /* the context's, which outlives executables */
  atr_jit *jit;
  atr_kernel kernel;        /* NULL: interpreted */
  atr_prepack prepack;      /* NULL: nothing is packed */
  const atr_module *module; /* interpreted only */
  bool multiply_padding;
  int parameter_count, result_count;
  const atr_shape *parameters, *results;
  size_t scratch_bytes, packed_bytes;
  uint64_t constant_parameters;
  void *constants; /* packed block of modules whose packed data comes from literals alone; NULL otherwise */
  const char *explanation;
};

enum { ATR_BLOCK_ALIGNMENT = 64 };

/* Scratch from an allocator that knows no alignment: *block is what to free, the result is aligned. NULL: no memory. */
void *atr_block_alloc(atr_realloc_fn realloc, void *user, size_t bytes, void **block);
void atr_block_free(atr_realloc_fn realloc, void *user, size_t bytes, void *block);

/* Runs prepack into `packed` with the executable's threads. */
void atr_executable_pack(const atr_executable *executable, const void *const *args, void *packed, const atr_host *host);
/* Frees everything an executable holds, and itself; for a half-made one too. */
void atr_executable_free(atr_executable *executable);

#endif

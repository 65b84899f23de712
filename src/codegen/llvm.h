/* llvm.h - scheduled programs as machine code, through LLVM's C API.
 *
 * In: programs with trees and places (lower/pipeline.h), targets. Out: LLVM IR text, assembly or a relocatable object with
 *     int NAME(const void *const *args, void *const *results, void *scratch, const atr_host *host);
 *     int NAME_prepack(const void *const *args, void *packed, const atr_host *host);       when there is something to pack
 *     int NAME_selftest(void *memory, const atr_host *host);                               when asked for
 * args has one more entry than there are parameters when something is packed: the packed block. With several CPUs each function
 * has a copy NAME.CPU for each of them, and NAME calls the one for the machine that it is on. */
#ifndef ATR_CODEGEN_LLVM_H
#define ATR_CODEGEN_LLVM_H

#include "codegen/cpu_level.h"
#include "lower/nest.h"
#include "lower/target.h"

typedef enum atr_llvm_output { ATR_LLVM_TEXT, ATR_LLVM_ASSEMBLY, ATR_LLVM_OBJECT } atr_llvm_output;

/* LLVM objects of one emission, owned by the caller's frame so that running out of memory can release them. */
typedef struct atr_llvm_state {
  void *context, *module, *builder, *machine, *buffer, *binary;
  char error[256]; /* the first that LLVM found while it made code, "" if none */
} atr_llvm_state;

typedef struct atr_llvm_cpu {
  const char *name, *tune; /* tune NULL: for itself */
  atr_target target;
  atr_cpu_level level; /* of several CPUs only */
} atr_llvm_cpu;

/* The code of one function for one CPU. reference: the same with a plain schedule, which a self-test compares with; else NULL. */
typedef struct atr_llvm_copy {
  const atr_program *program, *reference;
} atr_llvm_copy;

typedef struct atr_llvm_kernel {
  const char *symbol; /* NAME, a C identifier */
  const atr_module *module;
  const atr_llvm_copy *copies; /* by CPU */
} atr_llvm_kernel;

typedef struct atr_llvm_object {
  const atr_target *base; /* what the code that serves all CPUs is made for */
  const atr_llvm_cpu *cpus; /* best first; with one there is nothing to choose */
  int cpu_count;
  const atr_llvm_kernel *kernels;
  int kernel_count;
  const char *cpu_variable; /* NULL: none */
  bool selftest, unwind;
} atr_llvm_object;

/* The host's triple, CPU name and features in the arena. Initialises LLVM's targets (idempotent, thread-safe). */
void atr_llvm_host(atr_arena *arena, const char **triple, const char **cpu, const char **features);

/* Has the LLVM in use been built with the target of this triple? */
bool atr_llvm_has_target(const char *triple);

/* Emits. *bytes points into `state` and lives until atr_llvm_release; for text a NUL follows the *len bytes. An object that needs
 * other symbols than it may is ATR_UNSUPPORTED. */
ATR_CHECK_RESULT atr_status atr_llvm_emit_object(atr_work *work, const atr_llvm_object *object, atr_llvm_output output,
                                                 atr_llvm_state *state, const char **bytes, size_t *len);
/* The same for one function and one CPU, to be loaded. */
ATR_CHECK_RESULT atr_status atr_llvm_emit(atr_work *work, const atr_program *program, const atr_target *target,
                                          const char *symbol, int parameter_count, atr_llvm_output output,
                                          atr_llvm_state *state, const char **bytes, size_t *len);
void atr_llvm_release(atr_llvm_state *state);

/* Bytes of memory that NAME_selftest wants for a copy; fails when they are too many to count. */
ATR_CHECK_RESULT atr_status atr_llvm_selftest_bytes(atr_work *work, const atr_module *module, const atr_llvm_copy *copy,
                                                    int64_t *bytes);

#endif

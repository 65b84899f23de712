/* llvm.h - a scheduled program as machine code, through LLVM's C API.
 *
 * In: a program with trees and places (lower/pipeline.h), a target. Out: LLVM IR text, assembly or a relocatable object with
 *     int NAME(const void *const *args, void *const *results, void *scratch, const atr_host *host);
 *     int NAME_prepack(const void *const *args, void *packed, const atr_host *host);       when there is something to pack
 * args has one more entry than there are parameters when something is packed: the packed block. */
#ifndef ATR_CODEGEN_LLVM_H
#define ATR_CODEGEN_LLVM_H

#include "lower/nest.h"
#include "lower/target.h"

typedef enum atr_llvm_output { ATR_LLVM_TEXT, ATR_LLVM_ASSEMBLY, ATR_LLVM_OBJECT } atr_llvm_output;

/* LLVM objects of one emission, owned by the caller's frame so that running out of memory can release them. */
typedef struct atr_llvm_state {
  void *context, *module, *builder, *machine, *buffer;
} atr_llvm_state;

/* The host's triple, CPU name and features in the arena. Initialises LLVM's targets (idempotent, thread-safe). */
void atr_llvm_host(atr_arena *arena, const char **triple, const char **cpu, const char **features);

/* Has the LLVM in use been built with the target of this triple? */
bool atr_llvm_has_target(const char *triple);

/* Emits. An object that would want more of others than memcpy, memmove and memset is ATR_UNSUPPORTED. *bytes points into `state` and lives until atr_llvm_release; for text a NUL follows the *len bytes. `symbol` is
 * NAME, a C identifier. */
ATR_CHECK_RESULT atr_status atr_llvm_emit(atr_work *work, const atr_program *program, const atr_target *target,
                                          const char *symbol, int parameter_count, atr_llvm_output output,
                                          atr_llvm_state *state, const char **bytes, size_t *len);
void atr_llvm_release(atr_llvm_state *state);

#endif

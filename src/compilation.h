/* compilation.h - what compile.c (executables) and object.c (ahead of time) share: options, names, targets, dumps, lowering, and the
 * frame of a public call that makes text or bytes.
 *
 *     atr_compilation c = {.context = context, .module = module, .options = ..., .work = {.arena = arena}};
 *     choose_symbol, choose_target -> lower -> c.program */
#ifndef ATR_COMPILATION_H
#define ATR_COMPILATION_H

#include "codegen/llvm.h"
#include "context.h"
#include "lower/pipeline.h"
#include "measure.h"

/* One module for one machine: what must be released whichever way it ends. */
typedef struct atr_compilation {
  atr_context *context;
  const atr_module *module;
  atr_compile_options options;
  atr_work work;
  atr_target target;
  atr_program *program;
  const char *symbol; /* names dumps too */
  const char *measured; /* for explain; NULL: nothing was */
  atr_schedule_lines *lines; /* of options.schedule, where several lowerings share them; else NULL */
  bool plain;         /* lower with a plain schedule (pipeline.h) */
  atr_llvm_state llvm;
  atr_measure measure;
  int stage; /* number of the next dump */
} atr_compilation;

/* What is not in the arena; at the end, and when memory has run out. */
void atr_compilation_release(atr_compilation *c);

/* A full copy of the caller's options, what is left open as the module (which may be NULL) says; a message in the context when they
 * are impossible. */
ATR_CHECK_RESULT atr_status atr_compilation_read_options(atr_context *context, const atr_module *module,
                                                         const atr_compile_options *given, atr_compile_options *out);
/* The kernel's symbol: options.name, or the module's name with whatever C does not allow replaced, behind `prefix`. */
ATR_CHECK_RESULT atr_status atr_compilation_choose_symbol(atr_compilation *c, const char *prefix);
/* The target that options.triple, cpu and features say; this machine where they say nothing. */
ATR_CHECK_RESULT atr_status atr_compilation_choose_target(atr_compilation *c);
/* Runs the passes for c->target and dumps what was asked for. */
ATR_CHECK_RESULT atr_status atr_compilation_lower(atr_compilation *c);

/* A call that makes text or bytes and hands a copy to the caller. They may be in the work's arena or in c->llvm. */
typedef atr_status (*atr_text_maker)(atr_compilation *c, void *user, const char **bytes, size_t *len);
ATR_CHECK_RESULT atr_status atr_with_compilation(atr_context *context, const atr_module *module,
                                                 const atr_compile_options *options, atr_text_maker make, void *user,
                                                 char **out, size_t *len);

#endif

/* context.h - what a context holds, and what the entry points of the library share.
 *
 * A public call on a context looks like this: check the arguments, make an arena from the context's memory, guard it against
 * running out, work, report.
 *
 *     if (context == NULL || out == NULL) return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_x: out is NULL");
 *     atr_arena *arena = atr_context_arena(context);
 *     if (arena == NULL) return atr_context_out_of_memory(context);
 *     if (setjmp(arena->guard) != 0) {
 *       atr_arena_destroy(arena);
 *       return atr_context_out_of_memory(context);
 *     }
 *     atr_work work = {.arena = arena};
 *     ... atr_context_report(context, &work) ...
 *
 * The message belongs to the thread that uses the context: executables, which run on any thread, never write it. */
#ifndef ATR_CONTEXT_H
#define ATR_CONTEXT_H

#include <stdbool.h>
#include "base/diag.h"
#include "runtime/threads.h"

struct atr_context {
  atr_realloc_fn realloc;
  void *realloc_user;
  atr_host host; /* the caller's threads, if has_host */
  bool has_host;
  int32_t threads;     /* as asked for: 0 one per core */
  atr_threads *pool;   /* never NULL; carries host and threads out */
  char *dump_dir;      /* NULL: no dumps */
  unsigned listeners;  /* ATR_JIT_...: who is told about loaded code */
  const char *message; /* never NULL; either `block` or a literal */
  char *block;         /* the last message that was copied, or NULL; freed by atr_string_free */
};

/* Keep a copy of the work's message, or the literal `message` itself, for atr_context_message. They return the status that
 * the entry point should return: the work's or the given one, or ATR_OUT_OF_MEMORY when the copy did not fit. A NULL context
 * only passes the status through. */
atr_status atr_context_report(atr_context *context, const atr_work *work);
atr_status atr_context_fail(atr_context *context, atr_status status, const char *message);
atr_status atr_context_out_of_memory(atr_context *context);

/* An arena on the heap, with the context's memory; NULL: none left. Its guard is not set. A module owns one until it is
 * destroyed. */
atr_arena *atr_context_arena(atr_context *context);
void atr_arena_destroy(atr_arena *arena);

/* A copy for the caller of the library, to be freed by atr_string_free; a NUL follows the `len` bytes. */
atr_status atr_context_string(atr_context *context, const char *bytes, size_t len, char **out);

#endif

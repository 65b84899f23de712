/* context.c - contexts, their last message, and the memory and strings that entry points take from them (context.h).
 *
 * Strings carry their size in front, because the caller's realloc is told the old size when it frees:
 *
 *     | size_t size of the block | padding to 16 | bytes | NUL |
 *                                                ^ what the caller gets */
#include "context.h"
#include "runtime/jit.h"

#include <stdlib.h>
#include <string.h>
#include "base/options.h"

enum { STRING_HEADER = 16 };

atr_status atr_context_string(atr_context *context, const char *bytes, size_t len, char **out) {
  if (len > SIZE_MAX - STRING_HEADER - 1) return atr_context_out_of_memory(context);
  size_t size = STRING_HEADER + len + 1;
  char *block = context->realloc(context->realloc_user, NULL, 0, size);
  if (block == NULL) return atr_context_out_of_memory(context);
  memcpy(block, &size, sizeof size);
  if (len > 0) memcpy(block + STRING_HEADER, bytes, len);
  block[size - 1] = '\0';
  *out = block + STRING_HEADER;
  return ATR_OK;
}

void atr_string_free(atr_context *context, char *string) {
  if (context == NULL || string == NULL) return;
  size_t size;
  memcpy(&size, string - STRING_HEADER, sizeof size);
  context->realloc(context->realloc_user, string - STRING_HEADER, size, 0);
}

/* ---- messages ---------------------------------------------------------------------------------- */

atr_status atr_context_fail(atr_context *context, atr_status status, const char *message) {
  if (context != NULL) context->message = message;
  return status;
}

atr_status atr_context_out_of_memory(atr_context *context) {
  return atr_context_fail(context, ATR_OUT_OF_MEMORY, "out of memory");
}

atr_status atr_context_report(atr_context *context, const atr_work *work) {
  if (context == NULL || work->status == ATR_OK) return work->status;
  const char *text = work->message != NULL ? work->message : atr_status_name(work->status);
  char *copy;
  ATR_TRY(atr_context_string(context, text, strlen(text), &copy));
  atr_string_free(context, context->block);
  context->block = copy;
  context->message = copy;
  return work->status;
}

const char *atr_context_message(const atr_context *context) { return context != NULL ? context->message : ""; }

/* ---- arenas ------------------------------------------------------------------------------------ */

atr_arena *atr_context_arena(atr_context *context) {
  atr_arena *arena = context->realloc(context->realloc_user, NULL, 0, sizeof *arena);
  if (arena != NULL) atr_arena_init(arena, context->realloc, context->realloc_user);
  return arena;
}

void atr_arena_destroy(atr_arena *arena) {
  if (arena == NULL) return;
  atr_realloc_fn free_block = arena->realloc;
  void *user = arena->user;
  atr_arena_fini(arena);
  free_block(user, arena, sizeof *arena, 0);
}

/* ---- contexts ---------------------------------------------------------------------------------- */

/* ATROUS_JIT=gdb,perf: debuggers and profilers that see compiled kernels by name. Unknown words are ignored. */
static unsigned listeners_from_environment(void) {
  const char *words = getenv("ATROUS_JIT");
  if (words == NULL) return 0;
  return (strstr(words, "gdb") != NULL ? ATR_JIT_GDB : 0u) | (strstr(words, "perf") != NULL ? ATR_JIT_PERF : 0u);
}

/* Fills the parts that need memory; on failure the caller destroys what is there. */
static atr_status fill(atr_context *context, const atr_context_options *options) {
  const char *dump_dir = options->dump_dir != NULL ? options->dump_dir : getenv("ATROUS_DUMP");
  if (dump_dir != NULL && *dump_dir != '\0')
    ATR_TRY(atr_context_string(context, dump_dir, strlen(dump_dir), &context->dump_dir));
  context->pool = atr_threads_create(context->realloc, context->realloc_user, options->host, options->threads);
  return context->pool != NULL ? ATR_OK : ATR_OUT_OF_MEMORY;
}

atr_status atr_context_create(const atr_context_options *options, atr_context **out) {
  atr_context_options o;
  if (out == NULL || !atr_options_read(&o, sizeof o, options) || o.threads < 0) return ATR_INVALID_ARGUMENT;
  if (o.realloc == NULL) {
    o.realloc = atr_default_realloc;
    o.realloc_user = NULL;
  }
  atr_context *context = o.realloc(o.realloc_user, NULL, 0, sizeof *context);
  if (context == NULL) return ATR_OUT_OF_MEMORY;
  *context = (atr_context){.realloc = o.realloc, .realloc_user = o.realloc_user, .threads = o.threads, .message = ""};
  context->listeners = listeners_from_environment();
  context->has_host = o.host != NULL;
  if (o.host != NULL) context->host = *o.host;
  atr_status status = fill(context, &o);
  if (status != ATR_OK) {
    atr_context_destroy(context);
    return status;
  }
  *out = context;
  return ATR_OK;
}

void atr_context_destroy(atr_context *context) {
  if (context == NULL) return;
  atr_threads_destroy(context->pool);
  atr_string_free(context, context->dump_dir);
  atr_string_free(context, context->block);
  context->realloc(context->realloc_user, context, sizeof *context, 0);
}

/* executable.c - running compiled modules (executable.h).
 *
 * In: an executable, the caller's arrays, perhaps scratch, a packed block and threads. Out: results written. A run with
 * scratch given allocates nothing; nothing in an executable changes after it was made, but for the reference count. */
#include "runtime/executable.h"

#include <string.h>

#include "base/options.h"

enum { MAX_STACK_ARGS = 64 };

void *atr_block_alloc(atr_realloc_fn realloc, void *user, size_t bytes, void **block) {
  *block = realloc(user, NULL, 0, bytes + ATR_BLOCK_ALIGNMENT);
  if (*block == NULL) return NULL;
  uintptr_t at = (uintptr_t)*block;
  return (void *)((at + ATR_BLOCK_ALIGNMENT - 1) / ATR_BLOCK_ALIGNMENT * ATR_BLOCK_ALIGNMENT);
}

void atr_block_free(atr_realloc_fn realloc, void *user, size_t bytes, void *block) {
  if (block != NULL) realloc(user, block, bytes + ATR_BLOCK_ALIGNMENT, 0);
}

atr_executable *atr_executable_retain(atr_executable *executable) {
  if (executable != NULL) atomic_fetch_add_explicit(&executable->references, 1, memory_order_relaxed);
  return executable;
}

void atr_executable_free(atr_executable *executable) {
  atr_realloc_fn release = executable->arena.realloc;
  void *user = executable->arena.user;
  atr_jit_destroy(executable->jit);
  atr_block_free(release, user, executable->packed_bytes, executable->constants);
  atr_arena_fini(&executable->arena);
  release(user, executable, sizeof *executable, 0);
}

void atr_executable_release(atr_executable *executable) {
  if (executable == NULL) return;
  if (atomic_fetch_sub_explicit(&executable->references, 1, memory_order_acq_rel) == 1) atr_executable_free(executable);
}

size_t atr_executable_scratch_size(const atr_executable *executable) {
  return executable != NULL ? executable->scratch_bytes : 0;
}
size_t atr_executable_scratch_alignment(const atr_executable *executable) {
  (void)executable;
  return ATR_BLOCK_ALIGNMENT;
}

/* Blocks that belong to the executable are not the caller's business. */
size_t atr_executable_packed_size(const atr_executable *executable) {
  return executable != NULL && executable->constants == NULL ? executable->packed_bytes : 0;
}

ATR_CALLS_JIT void atr_executable_pack(const atr_executable *executable, const void *const *args, void *packed,
                                       const atr_host *host) {
  executable->prepack(args, packed, host);
}

static const void *aligned_constants(const atr_executable *executable) {
  uintptr_t at = (uintptr_t)executable->constants;
  return (const void *)((at + ATR_BLOCK_ALIGNMENT - 1) / ATR_BLOCK_ALIGNMENT * ATR_BLOCK_ALIGNMENT);
}

/* Wrong pointers that can be seen: NULL for an array with elements, or less than the element's alignment. */
static bool pointer_is_wrong(const atr_shape *shape, const void *pointer) {
  if (atr_shape_elements(shape) == 0) return false;
  return pointer == NULL || (uintptr_t)pointer % atr_dtype_size(atr_dtype_real(shape->dtype)) != 0;
}

/* The arguments that are read: all, or the constant ones, which are among the first 64. */
static atr_status check_args(const atr_executable *executable, const void *const *args, bool all) {
  if (executable->parameter_count > 0 && args == NULL) return ATR_INVALID_ARGUMENT;
  for (int p = 0; p < executable->parameter_count; p++) {
    bool wanted = all || (p < 64 && (executable->constant_parameters >> p & 1) != 0);
    if (wanted && pointer_is_wrong(&executable->parameters[p], args[p])) return ATR_INVALID_ARGUMENT;
  }
  return ATR_OK;
}

static atr_status check_run(const atr_executable *executable, const void *const *args, void *const *results,
                            const atr_run_options *options) {
  if (executable == NULL || (executable->result_count > 0 && results == NULL)) return ATR_INVALID_ARGUMENT;
  ATR_TRY(check_args(executable, args, true));
  for (int r = 0; r < executable->result_count; r++)
    if (pointer_is_wrong(&executable->results[r], results[r])) return ATR_INVALID_ARGUMENT;
  if (options->threads < 0 || (uintptr_t)options->packed % ATR_BLOCK_ALIGNMENT != 0) return ATR_INVALID_ARGUMENT;
  return (uintptr_t)options->scratch % ATR_BLOCK_ALIGNMENT != 0 ? ATR_INVALID_ARGUMENT : ATR_OK;
}

static atr_status interpret(const atr_executable *executable, const void *const *args, void *const *results) {
  atr_arena arena;
  atr_arena_init(&arena, executable->arena.realloc, executable->arena.user);
  if (setjmp(arena.guard) != 0) {
    atr_arena_fini(&arena);
    return ATR_OUT_OF_MEMORY;
  }
  atr_work work = {.arena = &arena};
  atr_interpret_options options = {.multiply_padding = executable->multiply_padding};
  atr_status status = atr_interpret(&work, executable->module, &options, args, results);
  atr_arena_fini(&arena);
  return status;
}

/* args with the packed block behind the last parameter. */
ATR_CALLS_JIT static atr_status call_kernel(const atr_executable *executable, const void *const *args, void *const *results,
                                            const void *packed, void *scratch, const atr_host *host) {
  const void *local[MAX_STACK_ARGS + 1], **table = local;
  size_t count = (size_t)executable->parameter_count, bytes = (count + 1) * sizeof *table;
  if (packed == NULL) return executable->kernel(args, results, scratch, host) == 0 ? ATR_OK : ATR_INTERNAL;
  if (count > MAX_STACK_ARGS) table = executable->arena.realloc(executable->arena.user, NULL, 0, bytes);
  if (table == NULL) return ATR_OUT_OF_MEMORY;
  if (count > 0) memcpy(table, args, count * sizeof *table);
  table[count] = packed;
  int rc = executable->kernel(table, results, scratch, host);
  if (table != local) executable->arena.realloc(executable->arena.user, table, bytes, 0);
  return rc == 0 ? ATR_OK : ATR_INTERNAL;
}

atr_status atr_executable_run(const atr_executable *executable, const void *const *args, void *const *results,
                              const atr_run_options *given) {
  atr_run_options o;
  if (!atr_options_read(&o, sizeof o, given)) return ATR_INVALID_ARGUMENT;
  const atr_run_options *options = &o;
  ATR_TRY(check_run(executable, args, results, options));
  if (executable->kernel == NULL) return interpret(executable, args, results);
  atr_threads_run run = {executable->threads, options->threads};
  atr_host own = atr_threads_host(&run);
  const atr_host *host = options->host != NULL ? options->host : &own;
  const void *packed = executable->constants != NULL ? aligned_constants(executable) : options->packed;
  void *scratch = options->scratch, *scratch_block = NULL, *packed_block = NULL;
  atr_realloc_fn memory = executable->arena.realloc;
  void *user = executable->arena.user;
  atr_status status = ATR_OUT_OF_MEMORY;
  if (executable->packed_bytes > 0 && packed == NULL) {
    void *fresh = atr_block_alloc(memory, user, executable->packed_bytes, &packed_block);
    if (fresh == NULL) goto out;
    atr_executable_pack(executable, args, fresh, host);
    packed = fresh;
  }
  if (executable->scratch_bytes > 0 && scratch == NULL) {
    scratch = atr_block_alloc(memory, user, executable->scratch_bytes, &scratch_block);
    if (scratch == NULL) goto out;
  }
  status = call_kernel(executable, args, results, executable->packed_bytes > 0 ? packed : NULL, scratch, host);
out:
  atr_block_free(memory, user, executable->packed_bytes, packed_block);
  atr_block_free(memory, user, executable->scratch_bytes, scratch_block);
  return status;
}

atr_status atr_executable_prepack(const atr_executable *executable, const void *const *args, void *packed) {
  if (executable == NULL) return ATR_INVALID_ARGUMENT;
  if (atr_executable_packed_size(executable) == 0) return ATR_OK;
  if (packed == NULL || (uintptr_t)packed % ATR_BLOCK_ALIGNMENT != 0) return ATR_INVALID_ARGUMENT;
  ATR_TRY(check_args(executable, args, false));
  atr_threads_run run = {executable->threads, 0};
  atr_host host = atr_threads_host(&run);
  atr_executable_pack(executable, args, packed, &host);
  return ATR_OK;
}

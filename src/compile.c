/* compile.c - from a module to an executable; nests from text, the table of targets.
 *
 * In: a verified module and options. Out: atr_executable (JIT). A module that the code generator refuses becomes an executable
 * that the interpreter runs; explain says so and why. Objects ahead of time are object.c's. */
#include <string.h>

#include "compilation.h"
#include "explain.h"
#include "runtime/executable.h"

/* ---- executables */

static const atr_shape *copy_shapes(atr_arena *arena, const atr_module *module, const atr_id *ids, int count) {
  atr_shape *shapes = ATR_NEW_ARRAY(arena, atr_shape, count);
  for (int i = 0; i < count; i++) shapes[i] = atr_inst_at(module, ids[i])->shape;
  return shapes;
}

/* An executable without code yet; its arena's guard is the caller's business. */
static atr_executable *new_executable(atr_context *context) {
  atr_executable *x = context->realloc(context->realloc_user, NULL, 0, sizeof *x);
  if (x == NULL) return NULL;
  memset(x, 0, sizeof *x);
  atomic_init(&x->references, 1);
  atr_arena_init(&x->arena, context->realloc, context->realloc_user);
  x->threads = context->pool;
  return x;
}

static void describe(atr_compilation *c, atr_executable *x, const char *fallback) {
  atr_text text = atr_text_make(&x->arena);
  x->parameter_count = c->module->parameter_count;
  x->result_count = c->module->result_count;
  x->parameters = copy_shapes(&x->arena, c->module, c->module->parameters, x->parameter_count);
  x->results = copy_shapes(&x->arena, c->module, c->module->results, x->result_count);
  x->multiply_padding = c->options.multiply_padding != 0;
  x->constant_parameters = c->options.constant_parameters;
  atr_explain(&text, c->module, c->program, &c->target, c->measured, fallback);
  x->explanation = text.data;
}

/* The interpreter needs the module for as long as the executable lives: it is read back from its own text. */
static atr_status make_interpreted(atr_compilation *c, atr_executable *x, const char *reason) {
  atr_text text = atr_text_make(&x->arena);
  atr_hlo_print(&text, c->module);
  atr_source *source = ATR_NEW(&x->arena, atr_source);
  *source = (atr_source){c->module->name, text.data, text.len};
  atr_work reading = {.arena = &x->arena, .source = source};
  atr_module *module;
  if (atr_hlo_read(&reading, &module) != ATR_OK)
    return ATR_BUG(&c->work, "a printed module does not read back: %.400s", reading.message);
  x->module = module;
  describe(c, x, atr_arena_string(&x->arena, reason, strlen(reason)));
  return ATR_OK;
}

static atr_status load(atr_compilation *c, atr_executable *x) {
  const char *bytes;
  size_t len;
  ATR_TRY(atr_llvm_emit(&c->work, c->program, &c->target, c->symbol, c->module->parameter_count, ATR_LLVM_OBJECT, &c->llvm,
                        &bytes, &len));
  const char *symbols[2] = {c->symbol, atr_arena_printf(c->work.arena, "%s_prepack", c->symbol)};
  void *addresses[2] = {NULL, NULL};
  ATR_TRY(atr_jit_load_watched(&c->work, c->context->listeners, bytes, len, symbols, c->program->packed_bytes > 0 ? 2 : 1,
                               addresses, &x->jit));
  memcpy(&x->kernel, &addresses[0], sizeof addresses[0]);
  memcpy(&x->prepack, &addresses[1], sizeof addresses[1]);
  x->scratch_bytes = (size_t)c->program->scratch_bytes;
  x->packed_bytes = (size_t)c->program->packed_bytes;
  describe(c, x, NULL);
  return ATR_OK;
}

/* Packed data that comes from literals alone is made now and kept. */
static atr_status pack_literals(atr_compilation *c, atr_executable *x) {
  if (x->packed_bytes == 0 || c->options.constant_parameters != 0) return ATR_OK;
  const void **no_args = ATR_NEW_ARRAY(c->work.arena, const void *, x->parameter_count + 1);
  void *packed = atr_block_alloc(c->context->realloc, c->context->realloc_user, x->packed_bytes, &x->constants);
  if (packed == NULL)
    return atr_fail(&c->work, ATR_NOWHERE, ATR_OUT_OF_MEMORY, "no memory for %zu bytes of packed constants", x->packed_bytes);
  atr_executable_pack(x, no_args, packed, NULL);
  return ATR_OK;
}

static atr_status lower(atr_compilation *c) {
  ATR_TRY(atr_compilation_choose_symbol(c, ""));
  ATR_TRY(atr_compilation_choose_target(c));
  return atr_compilation_lower(c);
}

static atr_status build(atr_compilation *c, atr_executable *x) {
  atr_status status = lower(c);
  if (status == ATR_OK && c->options.triple != NULL)
    return atr_fail(&c->work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "code for another machine cannot be loaded; use atr_emit");
  if (status == ATR_OK) status = load(c, x);
  bool from_caller = c->options.schedule != NULL || c->options.cpu != NULL || c->options.triple != NULL ||
                     c->options.workspace != c->module->hints.workspace; /* the interpreter takes what it needs */
  if (status == ATR_UNSUPPORTED && !from_caller) return make_interpreted(c, x, c->work.message);
  ATR_TRY(status);
  return pack_literals(c, x);
}

/* Memory ran out somewhere in between. */
static atr_status abandon(atr_compilation *c, atr_executable *x, atr_arena *arena) {
  atr_context *context = c->context;
  atr_compilation_release(c);
  atr_executable_free(x);
  atr_arena_destroy(arena);
  return atr_context_out_of_memory(context);
}

atr_status atr_compile(atr_context *context, const atr_module *module, const atr_compile_options *options,
                       atr_executable **out) {
  atr_compilation c = {.context = context, .module = module};
  if (context == NULL || module == NULL || out == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_compile: module and out must not be NULL");
  ATR_TRY(atr_compilation_read_options(context, module, options, &c.options));
  atr_executable *x = new_executable(context);
  atr_arena *arena = x != NULL ? atr_context_arena(context) : NULL;
  if (arena == NULL) {
    if (x != NULL) atr_executable_free(x);
    return atr_context_out_of_memory(context);
  }
  atr_compilation *volatile kept = &c; /* what the guard must find whatever the compiler keeps in registers */
  c.work.arena = arena;
  c.work.source = module->source.text != NULL ? &module->source : NULL;
  if (setjmp(arena->guard) != 0) return abandon(kept, x, arena);
  if (setjmp(x->arena.guard) != 0) return abandon(kept, x, arena);
  atr_status status = build(&c, x);
  atr_compilation_release(&c);
  if (status == ATR_OK) {
    *out = x;
  } else {
    status = atr_context_report(context, &c.work);
    atr_executable_free(x);
  }
  atr_arena_destroy(arena);
  return status;
}

atr_status atr_executable_explain(atr_context *context, const atr_executable *executable, char **out) {
  if (context == NULL || executable == NULL || out == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_executable_explain: executable and out must not be NULL");
  return atr_context_string(context, executable->explanation, strlen(executable->explanation), out);
}

/* ---- texts */

static atr_status make_checked_nest(atr_compilation *c, void *user, const char **bytes, size_t *len) {
  atr_text text = atr_text_make(c->work.arena);
  size_t at = 0;
  c->work.source = user;
  for (atr_program *program;;) {
    ATR_TRY(atr_program_read_next(&c->work, &at, &program));
    if (program == NULL) break;
    ATR_TRY(atr_program_verify(&c->work, program));
    atr_program_print(&text, program);
  }
  *bytes = text.data;
  *len = text.len;
  return ATR_OK;
}

atr_status atr_nest_check(atr_context *context, const char *name, const char *text, int64_t len, char **out) {
  if (context == NULL || text == NULL || out == NULL || len < -1 || len >= (int64_t)UINT32_MAX)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT,
                            "atr_nest_check: text and out must not be NULL, len between -1 and 4 GiB");
  atr_source source = {name, text, len < 0 ? strlen(text) : (size_t)len};
  return atr_with_compilation(context, NULL, NULL, make_checked_nest, &source, out, NULL);
}

static atr_status make_targets(atr_compilation *c, void *user, const char **bytes, size_t *len) {
  (void)user;
  ATR_TRY(atr_compilation_choose_target(c));
  atr_text text = atr_text_make(c->work.arena);
  atr_target_print(&text, &c->target, atr_llvm_has_target);
  *bytes = text.data;
  *len = text.len;
  return ATR_OK;
}

atr_status atr_targets(atr_context *context, const atr_compile_options *options, char **out) {
  if (context == NULL || out == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_targets: out must not be NULL");
  return atr_with_compilation(context, NULL, options, make_targets, NULL, out, NULL);
}

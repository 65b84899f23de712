/* module_api.c - modules as the public API shows them: parse, destroy, print, shapes, gradient, interpret.
 *
 * In: the caller's pointers, which may be wrong. Out: a module that owns its arena (text, instructions and literals, freed
 * at once), or a status with the message in the context. Temporary work gets an arena of its own that ends with the call.
 * Every entry point sets the guard of its arena before anything can allocate from it; nothing that changes after setjmp is
 * read behind it. */
#include "context.h"
#include "ir/gradient.h"

#include <string.h>

/* Spans are 32 bits, and offsets are one more than the byte's index. */
static const size_t text_limit = UINT32_MAX - 1;

/* ---- parse and destroy ------------------------------------------------------------------------- */

/* Everything between the guard and the report: the module is complete only on ATR_OK. entry NULL: the default. */
static atr_status read_module(atr_work *work, const char *entry, atr_module **out) {
  const atr_source *source = work->source;
  atr_module *module = NULL;
  bool stablehlo = atr_text_is_stablehlo(source->text, source->len);
  if (entry != NULL) ATR_TRY(stablehlo ? atr_stablehlo_read_entry(work, entry, &module) : atr_hlo_read_entry(work, entry, &module));
  else ATR_TRY(stablehlo ? atr_stablehlo_read(work, &module) : atr_hlo_read(work, &module));
  module->arena = work->arena;
  module->source = *source;
  ATR_TRY(atr_verify_module(work, module));
  *out = module;
  return ATR_OK;
}

static const atr_source *keep_source(atr_arena *arena, const char *name, const char *text, size_t len) {
  atr_source *source = ATR_NEW(arena, atr_source);
  source->name = name != NULL ? atr_arena_string(arena, name, strlen(name)) : NULL;
  source->text = atr_arena_string(arena, text, len);
  source->len = len;
  return source;
}

static atr_status parse(atr_context *context, atr_arena *arena, const char *name, const char *text, size_t len,
                        const char *entry, atr_module **out) {
  atr_work work = {.arena = arena, .source = keep_source(arena, name, text, len)};
  atr_status status = read_module(&work, entry, out);
  if (status == ATR_OK) return ATR_OK;
  if (work.status == ATR_OK) status = ATR_BUG(&work, "a reader failed without a message (%s)", atr_status_name(status));
  return atr_context_report(context, &work);
}

/* The text's length, or a complaint. `call` is the message for wrong pointers. */
static atr_status check_text(atr_context *context, bool pointers, const char *text, int64_t len, const char *call, size_t *size) {
  if (!pointers || len < -1) return atr_context_fail(context, ATR_INVALID_ARGUMENT, call);
  *size = len < 0 ? strlen(text) : (size_t)len;
  if (*size > text_limit) return atr_context_fail(context, ATR_INVALID_ARGUMENT, "the text is longer than 4 GiB");
  return ATR_OK;
}

static atr_status parse_guarded(atr_context *context, const char *name, const char *text, size_t size, const char *entry,
                                atr_module **out) {
  atr_arena *arena = atr_context_arena(context);
  if (arena == NULL) return atr_context_out_of_memory(context);
  if (setjmp(arena->guard) != 0) {
    atr_arena_destroy(arena);
    return atr_context_out_of_memory(context);
  }
  atr_status status = parse(context, arena, name, text, size, entry, out);
  if (status != ATR_OK) atr_arena_destroy(arena);
  return status;
}

atr_status atr_module_parse(atr_context *context, const char *name, const char *text, int64_t len, atr_module **out) {
  size_t size = 0;
  ATR_TRY(check_text(context, context != NULL && text != NULL && out != NULL, text, len,
                     "atr_module_parse: text and out must not be NULL, len not below -1", &size));
  return parse_guarded(context, name, text, size, NULL, out);
}

atr_status atr_module_parse_entry(atr_context *context, const char *name, const char *text, int64_t len, const char *entry,
                                  atr_module **out) {
  size_t size = 0;
  ATR_TRY(check_text(context, context != NULL && text != NULL && entry != NULL && out != NULL, text, len,
                     "atr_module_parse_entry: text, entry and out must not be NULL, len not below -1", &size));
  return parse_guarded(context, name, text, size, entry, out);
}

static atr_status entries(atr_context *context, atr_arena *arena, const char *name, const char *text, size_t len, char **out) {
  atr_work work = {.arena = arena, .source = keep_source(arena, name, text, len)};
  atr_entries list;
  atr_text lines = atr_text_make(arena);
  atr_status status =
      atr_text_is_stablehlo(text, len) ? atr_stablehlo_entries(&work, &list) : atr_hlo_entries(&work, &list);
  if (status != ATR_OK) return atr_context_report(context, &work);
  for (int i = 0; i < list.count; i++) atr_text_printf(&lines, "%s\n", list.names[i]);
  return atr_context_string(context, lines.data, lines.len, out);
}

static atr_status entries_guarded(atr_context *context, const char *name, const char *text, size_t size, char **out) {
  atr_arena *arena = atr_context_arena(context);
  if (arena == NULL) return atr_context_out_of_memory(context);
  if (setjmp(arena->guard) != 0) {
    atr_arena_destroy(arena);
    return atr_context_out_of_memory(context);
  }
  atr_status status = entries(context, arena, name, text, size, out);
  atr_arena_destroy(arena);
  return status;
}

atr_status atr_module_entries(atr_context *context, const char *name, const char *text, int64_t len, char **out) {
  size_t size = 0;
  ATR_TRY(check_text(context, context != NULL && text != NULL && out != NULL, text, len,
                     "atr_module_entries: text and out must not be NULL, len not below -1", &size));
  return entries_guarded(context, name, text, size, out);
}

void atr_module_destroy(atr_module *module) {
  if (module != NULL) atr_arena_destroy(module->arena);
}

/* ---- shapes ------------------------------------------------------------------------------------ */

int32_t atr_module_parameter_count(const atr_module *module) { return module != NULL ? module->parameter_count : 0; }
int32_t atr_module_result_count(const atr_module *module) { return module != NULL ? module->result_count : 0; }

const atr_shape *atr_module_parameter_shape(const atr_module *module, int32_t index) {
  if (module == NULL || index < 0 || index >= module->parameter_count) return NULL;
  return &atr_inst_at(module, module->parameters[index])->shape;
}

const char *atr_module_parameter_name(const atr_module *module, int32_t index) {
  if (module == NULL || index < 0 || index >= module->parameter_count) return NULL;
  return atr_inst_at(module, module->parameters[index])->name;
}

const atr_shape *atr_module_result_shape(const atr_module *module, int32_t index) {
  if (module == NULL || index < 0 || index >= module->result_count) return NULL;
  return &atr_inst_at(module, module->results[index])->shape;
}

/* ---- print ------------------------------------------------------------------------------------- */

static atr_status print(atr_context *context, atr_arena *arena, const atr_module *module, char **out) {
  atr_text text = atr_text_make(arena);
  atr_hlo_print(&text, module);
  return atr_context_string(context, text.data, text.len, out);
}

atr_status atr_module_print(atr_context *context, const atr_module *module, char **out) {
  if (context == NULL || module == NULL || out == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_module_print: context, module and out must not be NULL");
  atr_arena *arena = atr_context_arena(context);
  if (arena == NULL) return atr_context_out_of_memory(context);
  if (setjmp(arena->guard) != 0) {
    atr_arena_destroy(arena);
    return atr_context_out_of_memory(context);
  }
  atr_status status = print(context, arena, module, out);
  atr_arena_destroy(arena);
  return status;
}

/* ---- bind -------------------------------------------------------------------------------------- */

static atr_status bind(atr_context *context, atr_arena *arena, const atr_module *module, int32_t parameter, const void *data,
                       atr_module **out) {
  atr_work work = {.arena = arena, .source = module->source.text != NULL ? &module->source : NULL};
  const atr_shape *shape = atr_module_parameter_shape(module, parameter);
  if (shape == NULL)
    atr_fail(&work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "there is no parameter %d: the module has %d", (int)parameter,
             module->parameter_count);
  else if (data == NULL && atr_shape_elements(shape) > 0)
    atr_fail(&work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "the data of parameter %d is NULL", (int)parameter);
  if (work.status != ATR_OK || atr_module_copy(&work, module, parameter, data, out) != ATR_OK)
    return atr_context_report(context, &work);
  return ATR_OK;
}

atr_status atr_module_bind(atr_context *context, const atr_module *module, int32_t parameter, const void *data,
                           atr_module **out) {
  if (context == NULL || module == NULL || out == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_module_bind: context, module and out must not be NULL");
  atr_module *bound = NULL;
  atr_arena *arena = atr_context_arena(context);
  if (arena == NULL) return atr_context_out_of_memory(context);
  if (setjmp(arena->guard) != 0) {
    atr_arena_destroy(arena);
    return atr_context_out_of_memory(context);
  }
  atr_status status = bind(context, arena, module, parameter, data, &bound);
  if (status == ATR_OK) *out = bound;
  else atr_arena_destroy(arena);
  return status;
}

/* ---- gradient ---------------------------------------------------------------------------------- */

static atr_status gradient(atr_context *context, atr_arena *arena, const atr_module *module, int32_t parameter,
                           atr_module **out) {
  atr_work work = {.arena = arena, .source = module->source.text != NULL ? &module->source : NULL};
  return atr_vjp_build(&work, module, parameter, out) == ATR_OK ? ATR_OK : atr_context_report(context, &work);
}

atr_status atr_module_gradient(atr_context *context, const atr_module *module, int32_t parameter, atr_module **out) {
  if (context == NULL || module == NULL || out == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_module_gradient: context, module and out must not be NULL");
  atr_arena *arena = atr_context_arena(context);
  if (arena == NULL) return atr_context_out_of_memory(context);
  if (setjmp(arena->guard) != 0) {
    atr_arena_destroy(arena);
    return atr_context_out_of_memory(context);
  }
  atr_status status = gradient(context, arena, module, parameter, out);
  if (status != ATR_OK) atr_arena_destroy(arena);
  return status;
}

/* ---- interpret --------------------------------------------------------------------------------- */

/* An array without elements may be NULL; any other must be there. */
static atr_status check_array(atr_work *work, const char *kind, int32_t index, const atr_shape *shape, const void *data) {
  if (data == NULL && atr_shape_elements(shape) > 0)
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "%s %d is NULL", kind, (int)index);
  return ATR_OK;
}

static atr_status check_arrays(atr_work *work, const atr_module *module, const void *const *args, void *const *results) {
  if ((args == NULL && module->parameter_count > 0) || (results == NULL && module->result_count > 0))
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "%s is NULL", args == NULL ? "args" : "results");
  for (int32_t i = 0; i < module->parameter_count; i++)
    ATR_TRY(check_array(work, "argument", i, atr_module_parameter_shape(module, i), args[i]));
  for (int32_t i = 0; i < module->result_count; i++)
    ATR_TRY(check_array(work, "result", i, atr_module_result_shape(module, i), results[i]));
  return ATR_OK;
}

static atr_status interpret(atr_context *context, atr_arena *arena, const atr_module *module, const void *const *args,
                            void *const *results) {
  atr_work work = {.arena = arena, .source = module->source.text != NULL ? &module->source : NULL};
  const atr_interpret_options options = {.multiply_padding = false};
  if (check_arrays(&work, module, args, results) != ATR_OK || atr_interpret(&work, module, &options, args, results) != ATR_OK)
    return atr_context_report(context, &work);
  return ATR_OK;
}

atr_status atr_module_interpret(atr_context *context, const atr_module *module, const void *const *args,
                                void *const *results) {
  if (context == NULL || module == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_module_interpret: context and module must not be NULL");
  atr_arena *arena = atr_context_arena(context);
  if (arena == NULL) return atr_context_out_of_memory(context);
  if (setjmp(arena->guard) != 0) {
    atr_arena_destroy(arena);
    return atr_context_out_of_memory(context);
  }
  atr_status status = interpret(context, arena, module, args, results);
  atr_arena_destroy(arena);
  return status;
}

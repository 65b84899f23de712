/* compile.c - from a module to an executable or to emitted text: the only file that sees every folder.
 *
 * In: a verified module and options. Out: atr_executable (JIT), or nests, LLVM IR, assembly or an object as bytes. A module
 * that the code generator refuses becomes an executable that the interpreter runs; explain says so and why. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "codegen/llvm.h"
#include "context.h"
#include "explain.h"
#include "ir/explicit_pad.h"
#include "lower/pipeline.h"
#include "runtime/executable.h"

/* One compilation: what must be released whichever way it ends. */
typedef struct compilation {
  atr_context *context;
  const atr_module *module;
  atr_compile_options options;
  atr_work work;
  atr_target target;
  atr_program *program;
  const char *symbol;
  atr_llvm_state llvm;
  int stage; /* number of the next dump */
} compilation;

/* ---- options */

static bool is_identifier(const char *name) {
  if (!isalpha((unsigned char)name[0]) && name[0] != '_') return false;
  for (const char *p = name; *p != '\0'; p++)
    if (!isalnum((unsigned char)*p) && *p != '_') return false;
  return true;
}

/* The kernel's symbol: as given, or the module's name with whatever C does not allow replaced. */
static atr_status choose_symbol(compilation *c) {
  const char *given = c->options.name;
  if (given != NULL) {
    if (!is_identifier(given))
      return atr_fail(&c->work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "kernel name \"%s\" is not a C identifier", given);
    c->symbol = given;
    return ATR_OK;
  }
  char *name = atr_arena_printf(c->work.arena, "%s%s", isdigit((unsigned char)c->module->name[0]) ? "_" : "", c->module->name);
  for (char *p = name; *p != '\0'; p++)
    if (!isalnum((unsigned char)*p)) *p = '_';
  c->symbol = name[0] != '\0' ? name : "kernel";
  return ATR_OK;
}

static atr_status choose_target(compilation *c) {
  const char *triple, *cpu, *features;
  atr_llvm_host(c->work.arena, &triple, &cpu, &features);
  const atr_compile_options *o = &c->options;
  if (o->triple != NULL || o->cpu != NULL) features = "";
  if (o->triple != NULL) {
    triple = o->triple;
    cpu = atr_target_default_cpu(triple);
  }
  if (o->cpu != NULL) cpu = o->cpu;
  if (o->features != NULL && o->features[0] != '\0')
    features = features[0] != '\0' ? atr_arena_printf(c->work.arena, "%s,%s", features, o->features) : o->features;
  return atr_target_select(&c->work, triple, cpu, features, &c->target);
}

/* ---- dumps: DIR/SYMBOL.NN.STAGE */

static void dump(void *user, const char *stage, const char *text) {
  compilation *c = user;
  if (c->context->dump_dir == NULL) return;
  char *path = atr_arena_printf(c->work.arena, "%s/%s.%02d.%s", c->context->dump_dir, c->symbol, c->stage++, stage);
  FILE *file = fopen(path, "w");
  if (file == NULL) return; /* a dump that cannot be written never fails a compilation */
  fputs(text, file);
  fclose(file);
}

static void dump_nests(void *user, const char *stage, const char *text) {
  compilation *c = user;
  dump(c, atr_arena_printf(c->work.arena, "%s.nest", stage), text);
}

static atr_status dump_llvm(compilation *c) {
  const char *bytes;
  size_t len;
  if (c->context->dump_dir == NULL) return ATR_OK;
  for (int assembly = 0; assembly < 2; assembly++) {
    atr_status status = atr_llvm_emit(&c->work, c->program, &c->target, c->symbol, c->module->parameter_count,
                                      assembly ? ATR_LLVM_ASSEMBLY : ATR_LLVM_TEXT, &c->llvm, &bytes, &len);
    if (status == ATR_OK) dump(c, assembly ? "llvm.s" : "llvm.ll", atr_arena_string(c->work.arena, bytes, len));
    atr_llvm_release(&c->llvm);
    ATR_TRY(status);
  }
  return ATR_OK;
}

/* ---- lowering */

static atr_status lower(compilation *c) {
  ATR_TRY(choose_symbol(c));
  ATR_TRY(choose_target(c));
  const atr_module *module = c->module;
  atr_module *padded;
  if (c->options.multiply_padding) {
    ATR_TRY(atr_module_explicit_padding(&c->work, module, &padded));
    module = padded;
  }
  atr_text text = atr_text_make(c->work.arena);
  atr_hlo_print(&text, module);
  dump(c, "module.hlo", text.data);
  atr_lower_options options = {.target = &c->target,
                               .constant_parameters = c->options.constant_parameters,
                               .keep_padding = c->options.multiply_padding != 0,
                               .schedule = c->options.schedule,
                               .dump = c->context->dump_dir != NULL ? dump_nests : NULL,
                               .dump_user = c};
  ATR_TRY(atr_lower(&c->work, module, &options, &c->program));
  return dump_llvm(c);
}

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

static void describe(compilation *c, atr_executable *x, const char *fallback) {
  atr_text text = atr_text_make(&x->arena);
  x->parameter_count = c->module->parameter_count;
  x->result_count = c->module->result_count;
  x->parameters = copy_shapes(&x->arena, c->module, c->module->parameters, x->parameter_count);
  x->results = copy_shapes(&x->arena, c->module, c->module->results, x->result_count);
  x->multiply_padding = c->options.multiply_padding != 0;
  x->constant_parameters = c->options.constant_parameters;
  atr_explain(&text, c->module, c->program, &c->target, fallback);
  x->explanation = text.data;
}

/* The interpreter needs the module for as long as the executable lives: it is read back from its own text. */
static atr_status make_interpreted(compilation *c, atr_executable *x, const char *reason) {
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

static atr_status load(compilation *c, atr_executable *x) {
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
static atr_status pack_literals(compilation *c, atr_executable *x) {
  if (x->packed_bytes == 0 || c->options.constant_parameters != 0) return ATR_OK;
  const void **no_args = ATR_NEW_ARRAY(c->work.arena, const void *, x->parameter_count + 1);
  void *packed = atr_block_alloc(c->context->realloc, c->context->realloc_user, x->packed_bytes, &x->constants);
  if (packed == NULL)
    return atr_fail(&c->work, ATR_NOWHERE, ATR_OUT_OF_MEMORY, "no memory for %zu bytes of packed constants", x->packed_bytes);
  atr_executable_pack(x, no_args, packed, NULL);
  return ATR_OK;
}

static atr_status build(compilation *c, atr_executable *x) {
  atr_status status = lower(c);
  if (status == ATR_OK && c->options.triple != NULL)
    return atr_fail(&c->work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "code for another machine cannot be loaded; use atr_emit");
  if (status == ATR_OK) status = load(c, x);
  bool from_caller = c->options.schedule != NULL || c->options.cpu != NULL || c->options.triple != NULL;
  if (status == ATR_UNSUPPORTED && !from_caller) return make_interpreted(c, x, c->work.message);
  ATR_TRY(status);
  return pack_literals(c, x);
}

static atr_status read_options(atr_context *context, const atr_compile_options *given, atr_compile_options *out) {
  if (atr_options_read(out, sizeof *out, given)) return ATR_OK;
  return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_compile_options: size is not that of any version of the struct");
}

/* Memory ran out somewhere in between. */
static atr_status abandon(compilation *c, atr_executable *x, atr_arena *arena) {
  atr_context *context = c->context;
  atr_llvm_release(&c->llvm);
  atr_executable_free(x);
  atr_arena_destroy(arena);
  return atr_context_out_of_memory(context);
}

atr_status atr_compile(atr_context *context, const atr_module *module, const atr_compile_options *options,
                       atr_executable **out) {
  compilation c = {.context = context, .module = module};
  if (context == NULL || module == NULL || out == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_compile: module and out must not be NULL");
  ATR_TRY(read_options(context, options, &c.options));
  atr_executable *x = new_executable(context);
  atr_arena *arena = x != NULL ? atr_context_arena(context) : NULL;
  if (arena == NULL) {
    if (x != NULL) atr_executable_free(x);
    return atr_context_out_of_memory(context);
  }
  compilation *volatile kept = &c; /* what the guard must find whatever the compiler keeps in registers */
  c.work.arena = arena;
  c.work.source = module->source.text != NULL ? &module->source : NULL;
  if (setjmp(arena->guard) != 0) return abandon(kept, x, arena);
  if (setjmp(x->arena.guard) != 0) return abandon(kept, x, arena);
  atr_status status = build(&c, x);
  atr_llvm_release(&c.llvm);
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

/* ---- emission */

static atr_status emit(compilation *c, atr_emit_kind kind, const char **bytes, size_t *len) {
  ATR_TRY(lower(c));
  if (kind == ATR_EMIT_NEST) {
    atr_text text = atr_text_make(c->work.arena);
    atr_program_print(&text, c->program);
    *bytes = text.data;
    *len = text.len;
    return ATR_OK;
  }
  atr_llvm_output output = kind == ATR_EMIT_LLVM ? ATR_LLVM_TEXT : kind == ATR_EMIT_ASM ? ATR_LLVM_ASSEMBLY : ATR_LLVM_OBJECT;
  return atr_llvm_emit(&c->work, c->program, &c->target, c->symbol, c->module->parameter_count, output, &c->llvm, bytes, len);
}

/* A call that makes text in an arena and hands a copy to the caller. */
typedef atr_status (*text_maker)(compilation *c, void *user, const char **bytes, size_t *len);

static atr_status with_compilation(atr_context *context, const atr_module *module, const atr_compile_options *options,
                                   text_maker make, void *user, char **out, size_t *len) {
  compilation c = {.context = context, .module = module};
  ATR_TRY(read_options(context, options, &c.options));
  atr_arena *arena = atr_context_arena(context);
  if (arena == NULL) return atr_context_out_of_memory(context);
  compilation *volatile kept = &c;
  c.work.arena = arena;
  c.work.source = module != NULL && module->source.text != NULL ? &module->source : NULL;
  if (setjmp(arena->guard) != 0) {
    atr_llvm_release(&kept->llvm);
    atr_arena_destroy(arena);
    return atr_context_out_of_memory(context);
  }
  const char *bytes = NULL;
  size_t size = 0;
  atr_status status = make(&c, user, &bytes, &size);
  status = status == ATR_OK ? atr_context_string(context, bytes, size, out) : atr_context_report(context, &c.work);
  if (status == ATR_OK && len != NULL) *len = size;
  atr_llvm_release(&c.llvm);
  atr_arena_destroy(arena);
  return status;
}

static atr_status make_emitted(compilation *c, void *user, const char **bytes, size_t *len) {
  return emit(c, *(const atr_emit_kind *)user, bytes, len);
}

atr_status atr_emit(atr_context *context, const atr_module *module, const atr_compile_options *options, atr_emit_kind kind,
                    char **out, size_t *len) {
  if (context == NULL || module == NULL || out == NULL || len == NULL || (unsigned)kind > ATR_EMIT_OBJ)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT,
                            "atr_emit: module, out and len must not be NULL, kind one of atr_emit_kind");
  return with_compilation(context, module, options, make_emitted, &kind, out, len);
}

static atr_status make_checked_nest(compilation *c, void *user, const char **bytes, size_t *len) {
  atr_program *program;
  c->work.source = user;
  ATR_TRY(atr_program_read(&c->work, &program));
  ATR_TRY(atr_program_verify(&c->work, program));
  atr_text text = atr_text_make(c->work.arena);
  atr_program_print(&text, program);
  *bytes = text.data;
  *len = text.len;
  return ATR_OK;
}

atr_status atr_nest_check(atr_context *context, const char *name, const char *text, int64_t len, char **out) {
  if (context == NULL || text == NULL || out == NULL || len < -1 || len >= (int64_t)UINT32_MAX)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT,
                            "atr_nest_check: text and out must not be NULL, len between -1 and 4 GiB");
  atr_source source = {name, text, len < 0 ? strlen(text) : (size_t)len};
  return with_compilation(context, NULL, NULL, make_checked_nest, &source, out, NULL);
}

static atr_status make_targets(compilation *c, void *user, const char **bytes, size_t *len) {
  (void)user;
  ATR_TRY(choose_target(c));
  atr_text text = atr_text_make(c->work.arena);
  atr_target_print(&text, &c->target, atr_llvm_has_target);
  *bytes = text.data;
  *len = text.len;
  return ATR_OK;
}

atr_status atr_targets(atr_context *context, const atr_compile_options *options, char **out) {
  if (context == NULL || out == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_targets: out must not be NULL");
  return with_compilation(context, NULL, options, make_targets, NULL, out, NULL);
}

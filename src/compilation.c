/* compilation.c - see compilation.h.
 *
 * In: the caller's options, a module. Out: a symbol that C allows, a target, a lowered program; stages as files where dumps are
 * asked for. */
#include "compilation.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "codegen/header.h"
#include "ir/explicit_pad.h"

/* ---- options */

static bool is_identifier(const char *name) {
  if (!isalpha((unsigned char)name[0]) && name[0] != '_') return false;
  for (const char *p = name; *p != '\0'; p++)
    if (!isalnum((unsigned char)*p) && *p != '_') return false;
  return !atr_header_is_taken(name);
}

/* The module's name as an identifier that is free: int becomes int_, and __x, which C keeps for itself, kernel__x. */
static const char *identifier(atr_arena *arena, const char *prefix, const char *given) {
  char *name = atr_arena_printf(arena, "%s%s%s", prefix, isdigit((unsigned char)given[0]) ? "_" : "", given);
  for (char *p = name; *p != '\0'; p++)
    if (!isalnum((unsigned char)*p)) *p = '_';
  if (!atr_header_is_taken(name)) return name;
  bool reserved = name[0] == '_' && prefix[0] == '\0'; /* a prefix is the caller's, and stays in front */
  return atr_arena_printf(arena, reserved ? "kernel%s" : "%s_", name);
}

atr_status atr_compilation_choose_symbol(atr_compilation *c, const char *prefix) {
  const char *given = c->options.name, *name = c->module->name[0] != '\0' ? c->module->name : "kernel";
  c->symbol = given != NULL ? atr_arena_printf(c->work.arena, "%s%s", prefix, given) : identifier(c->work.arena, prefix, name);
  if (is_identifier(c->symbol)) return ATR_OK;
  return atr_fail(&c->work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "kernel name \"%.100s\" is not a C identifier%s", c->symbol,
                  atr_header_is_taken(c->symbol) ? " that is free: the language or its library has it" : "");
}

atr_status atr_compilation_choose_target(atr_compilation *c) {
  static const char *const gpus[] = {"cuda", "nvptx", "rocm", "hip", "amdgcn", "spirv", "opencl", "vulkan", "metal", NULL};
  const char *triple, *cpu, *features;
  atr_llvm_host(c->work.arena, &triple, &cpu, &features);
  const atr_compile_options *o = &c->options;
  if (o->triple != NULL || o->cpu != NULL) features = "";
  if (o->triple != NULL) {
    for (const char *const *gpu = gpus; *gpu != NULL; gpu++)
      if (strncmp(o->triple, *gpu, strlen(*gpu)) == 0)
        return atr_fail(&c->work, ATR_NOWHERE, ATR_UNSUPPORTED, "target %.100s: there is no code generator for GPUs",
                        o->triple);
    triple = o->triple;
    cpu = atr_target_default_cpu(triple);
  }
  if (o->cpu != NULL) cpu = o->cpu;
  /* A name that is given must be known by itself: features beside it are no full list, and of a name that LLVM does not know it makes
   * a CPU without 64 bits, for which it ends the process. */
  if (o->cpu != NULL) ATR_TRY(atr_target_select(&c->work, triple, cpu, "", &c->target));
  if (o->features != NULL && o->features[0] != '\0')
    features = features[0] != '\0' ? atr_arena_printf(c->work.arena, "%s,%s", features, o->features) : o->features;
  return atr_target_select(&c->work, triple, cpu, features, &c->target);
}

/* ---- dumps: DIR/SYMBOL.NN.STAGE */

static void dump(void *user, const char *stage, const char *text) {
  atr_compilation *c = user;
  if (c->context->dump_dir == NULL) return;
  char *path = atr_arena_printf(c->work.arena, "%s/%s.%02d.%s", c->context->dump_dir, c->symbol, c->stage++, stage);
  FILE *file = fopen(path, "w");
  if (file == NULL) return; /* a dump that cannot be written never fails a compilation */
  fputs(text, file);
  fclose(file);
}

static void dump_nests(void *user, const char *stage, const char *text) {
  atr_compilation *c = user;
  dump(c, atr_arena_printf(c->work.arena, "%s.nest", stage), text);
}

static atr_status dump_llvm(atr_compilation *c) {
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

void atr_compilation_release(atr_compilation *c) {
  atr_llvm_release(&c->llvm);
  atr_measure_fini(&c->measure);
}

/* Times schedules where that is asked for and possible, and puts the fastest into the options. */
static atr_status measure(atr_compilation *c, const atr_module *module, atr_lower_options *options) {
  const atr_compile_options *o = &c->options;
  atr_selected selected;
  if (o->measure <= 0 || o->schedule != NULL || c->plain) return ATR_OK;
  if (o->triple != NULL || o->cpu != NULL || o->features != NULL) {
    c->measured = "nothing: the code is for a machine that is named";
    return ATR_OK;
  }
  c->measure = (atr_measure){.context = c->context, .module = c->module, .options = *o};
  ATR_TRY(atr_measure_select(&c->work, &c->measure, module, options, &selected));
  options->schedule = selected.schedule;
  options->schedule_why = selected.why;
  c->measured = selected.report;
  return ATR_OK;
}

atr_status atr_compilation_lower(atr_compilation *c) {
  const atr_module *module = c->module;
  atr_module *padded;
  if (c->options.multiply_padding) {
    ATR_TRY(atr_module_explicit_padding(&c->work, module, &padded));
    module = padded;
  }
  if (c->context->dump_dir != NULL) {
    atr_text text = atr_text_make(c->work.arena);
    atr_hlo_print(&text, module);
    dump(c, "module.hlo", text.data);
  }
  atr_lower_options options = {.target = &c->target,
                               .constant_parameters = c->options.constant_parameters,
                               .keep_padding = c->options.multiply_padding != 0,
                               .workspace = c->options.workspace,
                               .schedule = c->options.schedule,
                               .lines = c->lines,
                               .plain = c->plain};
  ATR_TRY(measure(c, module, &options));
  options.dump = c->context->dump_dir != NULL ? dump_nests : NULL;
  options.dump_user = c;
  ATR_TRY(atr_lower(&c->work, module, &options, &c->program));
  return dump_llvm(c);
}

atr_status atr_compilation_read_options(atr_context *context, const atr_module *module, const atr_compile_options *given,
                                        atr_compile_options *out) {
  if (!atr_options_read(out, sizeof *out, given))
    return atr_context_fail(context, ATR_INVALID_ARGUMENT,
                            "atr_compile_options: size is not that of any version of the struct");
  if (out->workspace < ATR_WORKSPACE_NONE || out->measure < -1 || out->measure > 1)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT,
                            "atr_compile_options: workspace is bytes or ATR_WORKSPACE_NONE, measure 1, 0 or -1");
  if (out->workspace == 0 && module != NULL) out->workspace = module->hints.workspace;
  if (out->measure == 0 && module != NULL) out->measure = module->hints.measure;
  return ATR_OK;
}

atr_status atr_with_compilation(atr_context *context, const atr_module *module, const atr_compile_options *options,
                                atr_text_maker make, void *user, char **out, size_t *len) {
  atr_compilation c = {.context = context, .module = module};
  ATR_TRY(atr_compilation_read_options(context, module, options, &c.options));
  atr_arena *arena = atr_context_arena(context);
  if (arena == NULL) return atr_context_out_of_memory(context);
  atr_compilation *volatile kept = &c;
  c.work.arena = arena;
  c.work.source = module != NULL && module->source.text != NULL ? &module->source : NULL;
  if (setjmp(arena->guard) != 0) {
    atr_compilation_release(kept);
    atr_arena_destroy(arena);
    return atr_context_out_of_memory(context);
  }
  const char *bytes = NULL;
  size_t size = 0;
  atr_status status = make(&c, user, &bytes, &size);
  status = status == ATR_OK ? atr_context_string(context, bytes, size, out) : atr_context_report(context, &c.work);
  if (status == ATR_OK && len != NULL) *len = size;
  atr_compilation_release(&c);
  atr_arena_destroy(arena);
  return status;
}

/* object.c - ahead-of-time objects: modules in, one object, listing or header out.
 *
 * In: modules, one by one, and the CPUs that each is compiled for. Out: for every function its lowered program for each CPU, kept
 * until the object is asked for; then code (codegen/llvm.h) or the header (codegen/header.h) of all of them.
 *
 *     conv.hlo  ->  conv.x86-64-v4  conv.x86-64-v3  conv.x86-64-v2  conv (the one that the machine has)
 *
 * An object has an arena of its own, which its programs and copies of the modules live in. */
#include <string.h>

#include "base/checked.h"
#include "base/options.h"
#include "codegen/header.h"
#include "compilation.h"

enum { MAX_CPUS = 16 };

/* A function of the object. */
typedef struct function {
  const char *symbol, *from; /* from: its module, for messages */
  const atr_module *module;
  uint64_t constant_parameters;
  atr_llvm_copy *copies; /* by CPU */
  int64_t scratch_bytes, packed_bytes, selftest_bytes;
} function;

struct atr_object {
  atr_context *context;
  atr_arena *arena;
  atr_object_options options; /* strings in the arena; prefix never NULL */
  atr_target base;
  atr_llvm_cpu *cpus; /* best first */
  int cpu_count;
  function *functions;
  int function_count, function_capacity;
  atr_schedule_lines *schedules; /* of the functions, one for each text */
  int schedule_count, schedule_capacity;
};

/* ---- CPUs */

static const char *default_cpus(const char *triple) {
  return strncmp(triple, "x86_64", 6) == 0 ? "x86-64-v2,x86-64-v3,x86-64-v4" : atr_target_default_cpu(triple);
}

/* The target that these words select. */
static atr_status select_target(atr_object *object, atr_work *work, const char *cpu, const char *features, atr_target *out) {
  atr_compilation c = {.context = object->context, .work = *work};
  c.options = (atr_compile_options){.triple = object->options.triple, .cpu = cpu, .features = features};
  atr_status status = atr_compilation_choose_target(&c);
  *work = c.work;
  *out = c.target;
  return status;
}

/* The word that names this machine. */
static bool is_native(const char *cpus) { return cpus != NULL && strcmp(cpus, "native") == 0; }

static atr_status choose_base(atr_object *object, atr_work *work) {
  const char *triple, *cpu, *features;
  atr_llvm_host(object->arena, &triple, &cpu, &features);
  atr_object_options *o = &object->options;
  if (is_native(o->cpus) && o->triple != NULL)
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "the CPU \"native\" is this machine's and goes with no triple");
  bool native = is_native(o->cpus);
  if (o->triple == NULL && !native) o->triple = triple; /* the machine's name, but none of its CPU's features */
  if (o->cpus == NULL) o->cpus = default_cpus(o->triple);
  return select_target(object, work, NULL, native ? o->features : NULL, &object->base);
}

static atr_status add_cpu(atr_object *object, atr_work *work, const char *name) {
  if (object->cpu_count == MAX_CPUS)
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "more than %d CPUs in one object", MAX_CPUS);
  for (int c = 0; c < object->cpu_count; c++)
    if (strcmp(object->cpus[c].name, name) == 0)
      return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "CPU \"%.60s\" is named twice", name);
  atr_llvm_cpu *cpu = &object->cpus[object->cpu_count++];
  *cpu = (atr_llvm_cpu){.name = name};
  ATR_TRY(select_target(object, work, is_native(name) ? NULL : name, object->options.features, &cpu->target));
  if (is_native(name)) cpu->name = cpu->target.cpu;
  return ATR_OK;
}

static atr_status read_cpus(atr_object *object, atr_work *work) {
  const char *p = object->options.cpus;
  object->cpus = ATR_NEW_ARRAY(object->arena, atr_llvm_cpu, MAX_CPUS);
  bool several = strchr(p, ',') != NULL;
  for (bool more = true; more; p++) {
    size_t len = strcspn(p, ",");
    const char *name = atr_arena_string(object->arena, p, len);
    if (len == 0) return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "a CPU's name is empty");
    if (several && is_native(name))
      return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "the CPU \"native\" stands alone, not beside others");
    ATR_TRY(add_cpu(object, work, name));
    p += len;
    more = *p == ',';
  }
  return ATR_OK;
}

/* With several CPUs each is compiled for what can be tested; the rest of what its name means is for tuning. */
static atr_status set_level(atr_work *work, atr_llvm_cpu *cpu) {
  ATR_TRY(atr_cpu_level_of(work, &cpu->target, &cpu->level));
  if (strcmp(cpu->level.cpu, cpu->name) != 0) cpu->tune = cpu->name;
  cpu->target.cpu = cpu->level.cpu;
  cpu->target.features = cpu->level.features;
  return ATR_OK;
}

static atr_status rank_cpus(atr_object *object, atr_work *work) {
  if (object->cpu_count == 1) return ATR_OK;
  for (int c = 0; c < object->cpu_count; c++) {
    ATR_TRY(set_level(work, &object->cpus[c]));
    atr_llvm_cpu cpu = object->cpus[c];
    int at = c;
    for (; at > 0 && object->cpus[at - 1].level.rank < cpu.level.rank; at--) object->cpus[at] = object->cpus[at - 1];
    object->cpus[at] = cpu;
  }
  for (int c = 1; c < object->cpu_count; c++) {
    const atr_llvm_cpu *a = &object->cpus[c - 1], *b = &object->cpus[c];
    if (memcmp(a->level.need, b->level.need, sizeof a->level.need) == 0)
      return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT,
                      "CPUs \"%s\" and \"%s\" ask for the same of a machine: only one of them would be used", a->name, b->name);
  }
  return ATR_OK;
}

/* ---- the object */

static const char *keep(atr_arena *arena, const char *text) {
  return text != NULL ? atr_arena_string(arena, text, strlen(text)) : NULL;
}

static void keep_options(atr_object *object, const atr_object_options *o) {
  object->options = *o;
  object->options.triple = keep(object->arena, o->triple);
  object->options.cpus = keep(object->arena, o->cpus);
  object->options.features = keep(object->arena, o->features);
  object->options.cpu_variable = keep(object->arena, o->cpu_variable);
  object->options.prefix = o->prefix != NULL ? keep(object->arena, o->prefix) : "";
}

static atr_status init(atr_object *object, atr_work *work) {
  const char *variable = object->options.cpu_variable;
  if (variable != NULL && (variable[0] == '\0' || strchr(variable, '=') != NULL))
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "\"%.60s\" is no name of an environment variable", variable);
  ATR_TRY(choose_base(object, work));
  ATR_TRY(read_cpus(object, work));
  ATR_TRY(rank_cpus(object, work));
  if (object->cpu_count == 1) object->base = object->cpus[0].target;
  return ATR_OK;
}

static atr_status create(atr_context *context, atr_arena *arena, const atr_object_options *options, atr_object **out) {
  atr_work work = {.arena = arena};
  atr_object *object = ATR_NEW(arena, atr_object);
  object->context = context;
  object->arena = arena;
  keep_options(object, options);
  if (init(object, &work) != ATR_OK) return atr_context_report(context, &work);
  *out = object;
  return ATR_OK;
}

static atr_status create_guarded(atr_context *context, const atr_object_options *options, atr_object **out) {
  atr_arena *arena = atr_context_arena(context);
  if (arena == NULL) return atr_context_out_of_memory(context);
  if (setjmp(arena->guard) != 0) {
    atr_arena_destroy(arena);
    return atr_context_out_of_memory(context);
  }
  atr_status status = create(context, arena, options, out);
  if (status != ATR_OK) atr_arena_destroy(arena);
  return status;
}

atr_status atr_object_create(atr_context *context, const atr_object_options *options, atr_object **out) {
  atr_object_options o;
  if (context == NULL || out == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_object_create: context and out must not be NULL");
  if (!atr_options_read(&o, sizeof o, options))
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_object_options: size is not that of any version of the struct");
  return create_guarded(context, &o, out);
}

void atr_object_destroy(atr_object *object) {
  if (object != NULL) atr_arena_destroy(object->arena);
}

/* ---- functions */

/* Lowers for one CPU; what depends on literals alone is worked out. */
static atr_status lower_for(atr_compilation *c, const atr_object *object, int cpu, bool plain, const atr_program **out) {
  c->target = object->cpus[cpu].target;
  c->plain = plain;
  c->stage = 0;
  const char *symbol = c->symbol;
  if (object->cpu_count > 1) c->symbol = atr_arena_printf(c->work.arena, "%s.%s", symbol, object->cpus[cpu].name);
  if (plain) c->symbol = atr_arena_printf(c->work.arena, "%s.reference", c->symbol);
  ATR_TRY(atr_compilation_lower(c));
  ATR_TRY(atr_program_fold_literals(&c->work, c->program));
  if (object->cpu_count > 1) c->program->name = c->symbol;
  c->symbol = symbol;
  *out = c->program;
  return ATR_OK;
}

static atr_status lower_all(atr_compilation *c, const atr_object *object, function *f) {
  f->copies = ATR_NEW_ARRAY(c->work.arena, atr_llvm_copy, object->cpu_count);
  for (int cpu = 0; cpu < object->cpu_count; cpu++) {
    atr_llvm_copy *copy = &f->copies[cpu];
    int64_t bytes = 0;
    ATR_TRY(lower_for(c, object, cpu, false, &copy->program));
    if (object->options.selftest) ATR_TRY(lower_for(c, object, cpu, true, &copy->reference));
    if (object->options.selftest) ATR_TRY(atr_llvm_selftest_bytes(&c->work, c->module, copy, &bytes));
    f->selftest_bytes = atr_max(f->selftest_bytes, bytes);
    f->scratch_bytes = atr_max(f->scratch_bytes, copy->program->scratch_bytes);
    f->packed_bytes = atr_max(f->packed_bytes, copy->program->packed_bytes);
  }
  return ATR_OK;
}

static const char *origin(const atr_module *module) { return module->source.name != NULL ? module->source.name : module->name; }

static atr_status check_name(atr_work *work, const atr_object *object, const function *f) {
  for (int i = 0; i < object->function_count; i++) {
    const function *other = &object->functions[i];
    if (!atr_header_names_collide(f->symbol, other->symbol)) continue;
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "the function \"%s\" of %.200s collides with \"%s\" of %.200s",
                    f->symbol, f->from, other->symbol, other->from);
  }
  return ATR_OK;
}

/* A text may be for several functions, of which each has other nests. */
static void add_lines(atr_object *object, const atr_schedule_lines *lines) {
  int s = 0;
  while (s < object->schedule_count && strcmp(object->schedules[s].text, lines->text) != 0) s++;
  if (s == object->schedule_count) {
    ATR_RESERVE(object->arena, object->schedules, object->schedule_count, object->schedule_capacity);
    object->schedules[object->schedule_count++] = *lines;
  }
  for (int i = 0; i < lines->count; i++) object->schedules[s].list[i].taken |= lines->list[i].taken;
}

/* c->work.arena is the object's; c->module lives until the call's end. */
static atr_status add_function(atr_object *object, atr_compilation *c) {
  function f = {.from = keep(object->arena, origin(c->module)), .constant_parameters = c->options.constant_parameters};
  atr_module *copy;
  ATR_TRY(atr_module_copy(&c->work, c->module, -1, NULL, &copy));
  c->module = f.module = copy;
  c->work.source = copy->source.text != NULL ? &copy->source : NULL;
  ATR_TRY(atr_compilation_choose_symbol(c, object->options.prefix));
  f.symbol = keep(object->arena, c->symbol);
  ATR_TRY(check_name(&c->work, object, &f));
  atr_schedule_lines lines = atr_schedule_lines_make(object->arena, keep(object->arena, c->options.schedule));
  c->lines = lines.text != NULL ? &lines : NULL;
  ATR_TRY(lower_all(c, object, &f));
  ATR_RESERVE(object->arena, object->functions, object->function_count, object->function_capacity);
  if (lines.text != NULL) add_lines(object, &lines);
  object->functions[object->function_count++] = f;
  return ATR_OK;
}

static atr_status add_guarded(atr_object *object, atr_compilation *c) {
  if (setjmp(object->arena->guard) != 0) {
    atr_compilation_release(c);
    return atr_context_out_of_memory(object->context);
  }
  atr_status status = add_function(object, c);
  return status == ATR_OK ? ATR_OK : atr_context_report(object->context, &c->work);
}

atr_status atr_object_add(atr_object *object, const atr_module *module, const atr_compile_options *options) {
  if (object == NULL || module == NULL)
    return atr_context_fail(object != NULL ? object->context : NULL, ATR_INVALID_ARGUMENT,
                            "atr_object_add: object and module must not be NULL");
  atr_compilation c = {.context = object->context, .module = module, .work = {.arena = object->arena}};
  ATR_TRY(atr_compilation_read_options(object->context, module, options, &c.options));
  if (!is_native(object->options.cpus)) c.options.measure = -1; /* nothing of this machine goes into code for others */
  if (c.options.cpu != NULL || c.options.features != NULL || c.options.triple != NULL)
    return atr_context_fail(object->context, ATR_INVALID_ARGUMENT,
                            "atr_object_add: cpu, features and triple are the object's and must be NULL here");
  return add_guarded(object, &c);
}

/* ---- emission */

static void print_nests(const atr_object *object, atr_text *text) {
  for (int f = 0; f < object->function_count; f++)
    for (int c = 0; c < object->cpu_count; c++) atr_program_print(text, object->functions[f].copies[c].program);
}

static void print_header(const atr_object *object, atr_text *text) {
  atr_header_kernel *kernels = ATR_NEW_ARRAY(text->arena, atr_header_kernel, object->function_count);
  const char **cpus = ATR_NEW_ARRAY(text->arena, const char *, object->cpu_count);
  for (int i = 0; i < object->function_count; i++) {
    const function *f = &object->functions[i];
    kernels[i] = (atr_header_kernel){f->symbol,        f->module,       f->constant_parameters,
                                     f->scratch_bytes, f->packed_bytes, f->selftest_bytes};
  }
  for (int c = 0; c < object->cpu_count; c++) cpus[c] = object->cpus[c].name;
  atr_header_print(text, &(atr_header){.kernels = kernels,
                                       .count = object->function_count,
                                       .triple = object->base.triple,
                                       .cpus = cpus,
                                       .cpu_count = object->cpu_count,
                                       .cpu_variable = object->options.cpu_variable,
                                       .selftest = object->options.selftest != 0});
}

static atr_status emit_code(atr_compilation *c, const atr_object *object, atr_llvm_output output, const char **bytes,
                            size_t *len) {
  atr_llvm_kernel *kernels = ATR_NEW_ARRAY(c->work.arena, atr_llvm_kernel, object->function_count);
  for (int f = 0; f < object->function_count; f++)
    kernels[f] = (atr_llvm_kernel){object->functions[f].symbol, object->functions[f].module, object->functions[f].copies};
  atr_llvm_object code = {.base = &object->base,
                          .cpus = object->cpus,
                          .cpu_count = object->cpu_count,
                          .kernels = kernels,
                          .kernel_count = object->function_count,
                          .cpu_variable = object->options.cpu_variable,
                          .selftest = object->options.selftest != 0,
                          .unwind = object->options.unwind != 0};
  return atr_llvm_emit_object(&c->work, &code, output, &c->llvm, bytes, len);
}

static atr_status emit(atr_compilation *c, const atr_object *object, atr_emit_kind kind, const char **bytes, size_t *len) {
  atr_text text = atr_text_make(c->work.arena);
  if (object->function_count == 0)
    return atr_fail(&c->work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "an object without functions: add one first");
  for (int s = 0; s < object->schedule_count; s++) ATR_TRY(atr_schedule_lines_check(&c->work, &object->schedules[s]));
  switch (kind) {
  case ATR_EMIT_NEST: print_nests(object, &text); break;
  case ATR_EMIT_HEADER: print_header(object, &text); break;
  case ATR_EMIT_LLVM: return emit_code(c, object, ATR_LLVM_TEXT, bytes, len);
  case ATR_EMIT_ASM: return emit_code(c, object, ATR_LLVM_ASSEMBLY, bytes, len);
  case ATR_EMIT_OBJ: return emit_code(c, object, ATR_LLVM_OBJECT, bytes, len);
  }
  *bytes = text.data;
  *len = text.len;
  return ATR_OK;
}

typedef struct request {
  const atr_object *object;
  atr_emit_kind kind;
} request;

static atr_status make_object(atr_compilation *c, void *user, const char **bytes, size_t *len) {
  const request *r = user;
  return emit(c, r->object, r->kind, bytes, len);
}

atr_status atr_object_emit(atr_object *object, atr_emit_kind kind, char **out, size_t *len) {
  if (object == NULL || out == NULL || len == NULL || (unsigned)kind > ATR_EMIT_HEADER)
    return atr_context_fail(object != NULL ? object->context : NULL, ATR_INVALID_ARGUMENT,
                            "atr_object_emit: object, out and len must not be NULL, kind one of atr_emit_kind");
  request r = {object, kind};
  return atr_with_compilation(object->context, NULL, NULL, make_object, &r, out, len);
}

/* ---- one function */

/* An object in the compilation's arena, of one function for the one CPU that the options say. */
static atr_status make_emitted(atr_compilation *c, void *user, const char **bytes, size_t *len) {
  ATR_TRY(atr_compilation_choose_target(c));
  atr_llvm_cpu cpu = {.name = c->target.cpu, .target = c->target};
  atr_object object = {.context = c->context,
                       .arena = c->work.arena,
                       .options = {.prefix = ""},
                       .base = c->target,
                       .cpus = &cpu,
                       .cpu_count = 1};
  ATR_TRY(add_function(&object, c));
  return emit(c, &object, *(const atr_emit_kind *)user, bytes, len);
}

atr_status atr_emit(atr_context *context, const atr_module *module, const atr_compile_options *options, atr_emit_kind kind,
                    char **out, size_t *len) {
  if (context == NULL || module == NULL || out == NULL || len == NULL || (unsigned)kind > ATR_EMIT_HEADER)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT,
                            "atr_emit: module, out and len must not be NULL, kind one of atr_emit_kind");
  return atr_with_compilation(context, module, options, make_emitted, &kind, out, len);
}

/* check.c - see check.h.
 *
 * The module is generated, printed and read back; the interpreter computes every value of it; then executables are made: for this
 * machine, with a random schedule, for another CPU. Each runs in one thread, in the pool with 2 and 7 threads, and with a caller's
 * loop that takes tasks in a random order; all runs must give the same bits, the first is compared with the interpreter. */
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bound.h"
#include "fill.h"
#include "generate.h"
#include "memory.h"
#include "runtime/executable.h"
#include "schedules.h"

enum { MAX_ARRAYS = 600, MAX_RESULTS = 6 };

typedef struct problem {
  const check_options *options;
  tally *tally;
  int64_t number;
  rng r; /* for everything but the module */
  atr_context *context;
  atr_module *module;
  char *text;
  fill fill;
  bool multiply_padding;
  memory args[MAX_ARRAYS];
  char *copies[MAX_ARRAYS]; /* of the arguments, to see that they stay */
  void **values;            /* by atr_id, the interpreter's */
  bound *bounds;
  bool failed;
} problem;

/* What the executable at hand was made of. */
typedef struct variant {
  const char *what, *cpu, *schedule;
  uint64_t constants;
  atr_executable *executable;
} variant;

static problem *under_way; /* for the report of a crash */

static const char *const FILLS[] = {", small integers", ", with infinities", ", wide data", ", normal data",
                                    ", ends of ranges"}; /* by fill */

/* ---- reports */

static void report_head(problem *p, const variant *v, const char *message) {
  printf("problem %lld of seed %llu: %s\n", (long long)p->number, (unsigned long long)p->options->seed, message);
  if (v != NULL)
    printf("  %s, cpu %s, constant parameters 0x%llx%s%s\n", v->what, v->cpu != NULL ? v->cpu : "of this machine",
           (unsigned long long)v->constants, p->multiply_padding ? ", padding multiplied" : "", FILLS[p->fill]);
  if (v != NULL && v->schedule != NULL) printf("  schedule:\n%s\n", v->schedule);
}

static void fail(problem *p, const variant *v, const char *message) {
  if (!p->failed) {
    report_head(p, v, message);
    printf("%s\n  again: random_problems --seed=%llu --only=%lld\n\n", p->text != NULL ? p->text : "",
           (unsigned long long)p->options->seed, (long long)p->number);
    p->tally->wrong++;
  }
  p->failed = true;
  fflush(stdout);
}

static void stage(problem *p, const char *what) { snprintf(p->tally->stage, sizeof p->tally->stage, "%s", what); }

static void count_reason(tally *t, const char *text) {
  char line[TALLY_REASON];
  size_t n = 0;
  const char *error = strstr(text, "error: ");
  if (error != NULL) text = error + 7;
  /* Names and numbers are cut out so that one cause is one row. */
  for (const char *c = text; *c != '\0' && *c != '\n' && n + 1 < sizeof line; c++)
    if (*c >= '0' && *c <= '9') {
      if (n == 0 || line[n - 1] != '#') line[n++] = '#';
    } else {
      line[n++] = *c;
    }
  line[n] = '\0';
  for (int i = 0; i < TALLY_REASONS; i++) {
    if (t->reasons[i].count == 0) snprintf(t->reasons[i].text, sizeof t->reasons[i].text, "%s", line);
    if (i < TALLY_REASONS - 1 && strcmp(t->reasons[i].text, line) != 0) continue;
    t->reasons[i].count++;
    return;
  }
}

static void element_text(char *out, size_t size, atr_dtype dtype, const void *at) {
  atr_scalar x = atr_scalar_load(dtype, at);
  atr_dtype_class class = atr_dtype_class_of(dtype);
  if (class == ATR_CLASS_UINT) snprintf(out, size, "%llu", (unsigned long long)x.i);
  else if (class < ATR_CLASS_FLOAT) snprintf(out, size, "%lld", (long long)x.i);
  else if (class == ATR_CLASS_COMPLEX) snprintf(out, size, "(%.9g,%.9g)", x.re, x.im);
  else snprintf(out, size, "%.9g", x.re);
}

/* "result 0 at [1,2,3]: 4 instead of 5" */
static void describe_element(char *out, size_t size, int result, const atr_shape *shape, int64_t element, const void *got,
                             const void *want, const bound *b) {
  char a[96], c[96], place[ATR_MAX_RANK * 21 + 2] = "";
  int64_t index[ATR_MAX_RANK] = {0}, rest = element;
  size_t bytes = atr_dtype_size(shape->dtype), len = 0;
  for (int i = 0; i < shape->rank; i++) {
    int d = shape->minor_to_major[i];
    index[d] = rest % shape->dims[d];
    rest /= shape->dims[d];
  }
  for (int d = 0; d < shape->rank; d++)
    len += (size_t)snprintf(place + len, sizeof place - len, "%s%lld", d > 0 ? "," : "", (long long)index[d]);
  element_text(a, sizeof a, shape->dtype, (const char *)got + (size_t)element * bytes);
  element_text(c, sizeof c, shape->dtype, (const char *)want + (size_t)element * bytes);
  snprintf(out, size, "result %d at [%s]: %s instead of %s (allowed %.3g + %.3g of it)", result, place, a, c, b->absolute,
           b->relative);
}

/* ---- the module and its arguments */

/* Padding that is multiplied is padding that is stored, and none can be where there are holes. */
static bool may_multiply_padding(const atr_module *module) {
  for (atr_id id = 1; id <= module->count; id++) {
    const atr_inst *inst = atr_inst_at(module, id);
    if (atr_op_kind_of(inst->op) != ATR_KIND_CONV) continue;
    for (int d = 0; d < inst->u.conv->spatial; d++) {
      const atr_window_dim *w = &inst->u.conv->window[d];
      if (w->lhs_dilation > 1 || w->pad_lo > 100 || w->pad_hi > 100) return false;
    }
  }
  return true;
}

/* Layouts of values that are no parameters: HLO text states one for every instruction. */
static void change_layouts(rng *r, atr_module *module) {
  for (atr_id id = 1; id <= module->count; id++) {
    atr_inst *inst = &module->insts[id];
    if (inst->op == ATR_OP_PARAMETER || inst->op == ATR_OP_CONSTANT || inst->shape.rank < 2 || !rng_chance(r, 1, 6)) continue;
    int order[ATR_MAX_RANK];
    rng_permutation(r, inst->shape.rank, order);
    for (int i = 0; i < inst->shape.rank; i++) inst->shape.minor_to_major[i] = (int8_t)order[i];
  }
}

/* The text of a file in place of a generated module; the number still chooses data and schedules. */
static char *read_file(const char *path) {
  enum { MOST = 1 << 20 };
  FILE *file = fopen(path, "r");
  char *text = file != NULL ? calloc(MOST, 1) : NULL;
  if (text != NULL && fread(text, 1, MOST - 1, file) == 0) text[0] = '\0';
  if (file != NULL) fclose(file);
  return text;
}

static bool use_file(problem *p) {
  char *text = read_file(p->options->module);
  p->r = rng_make(p->options->seed, ~(uint64_t)p->number);
  bool ok = text != NULL && atr_module_parse(p->context, p->options->module, text, -1, &p->module) == ATR_OK &&
            atr_module_print(p->context, p->module, &p->text) == ATR_OK;
  if (!ok) fail(p, NULL, text != NULL ? atr_context_message(p->context) : "the file cannot be read");
  free(text);
  return ok;
}

/* The generated module as text, and the module that this text is. */
static bool make_module(problem *p) {
  rng r = rng_make(p->options->seed, (uint64_t)p->number);
  gen g = {.r = r, .only_dtype = p->options->dtype, .only_rank = p->options->rank};
  atr_value results[MAX_RESULTS];
  atr_module *built = NULL;
  bool ok = false;
  if (p->options->module != NULL) return use_file(p);
  if (atr_builder_create(p->context, "random", &g.b) != ATR_OK) return fail(p, NULL, "no builder"), false;
  int count = gen_module(&g, results, MAX_RESULTS);
  p->tally->problems[g.dtype][g.rank + 1]++;
  if (atr_builder_finish(g.b, results, count, &built) != ATR_OK) fail(p, NULL, atr_context_message(p->context));
  atr_builder_destroy(g.b);
  if (built == NULL) return false;
  p->r = rng_make(p->options->seed, ~(uint64_t)p->number);
  change_layouts(&g.r, built);
  if (atr_module_print(p->context, built, &p->text) != ATR_OK) fail(p, NULL, atr_context_message(p->context));
  else if (atr_module_parse(p->context, "random", p->text, -1, &p->module) != ATR_OK)
    fail(p, NULL, atr_context_message(p->context));
  else ok = true;
  atr_module_destroy(built);
  return ok;
}

/* reached[id]: the value goes into a convolution, directly or through other operations. */
static void find_reached(const atr_module *module, bool *reached) {
  for (atr_id id = module->count; id >= 1; id--) {
    const atr_inst *inst = atr_inst_at(module, id);
    bool conv = atr_op_kind_of(inst->op) == ATR_KIND_CONV;
    for (int i = 0; i < inst->operand_count; i++) reached[inst->operands[i]] |= conv || reached[id];
  }
}

static bool make_arguments(problem *p) {
  static const memory_place places[] = {MEMORY_INSIDE, MEMORY_INSIDE, MEMORY_END, MEMORY_END, MEMORY_START};
  int64_t n = p->module->parameter_count;
  if (n > MAX_ARRAYS) return fail(p, NULL, "too many parameters for this test"), false;
  bool *reached = calloc(p->module->count + 1, sizeof *reached);
  if (reached == NULL) return fail(p, NULL, "no memory"), false;
  find_reached(p->module, reached);
  for (int i = 0; i < n; i++) {
    const atr_shape *shape = atr_module_parameter_shape(p->module, i);
    size_t size = (size_t)atr_shape_bytes(shape), alignment = atr_dtype_size(atr_dtype_real(shape->dtype));
    p->copies[i] = malloc(size + 1);
    if (p->copies[i] == NULL || !memory_init(&p->args[i], size, alignment, RNG_PICK(&p->r, places))) {
      fail(p, NULL, "no memory");
      break;
    }
    fill kind = p->fill == FILL_ENDS && reached[p->module->parameters[i]] ? FILL_SMALL : p->fill;
    fill_array(&p->r, kind, shape, p->args[i].data);
    memcpy(p->copies[i], p->args[i].data, size);
  }
  free(reached);
  return !p->failed;
}

/* Every value of the module: a module like it whose results they all are. */
static bool interpret(problem *p) {
  atr_module all = *p->module;
  atr_id *ids = calloc(all.count + 1, sizeof *ids);
  const void *args[MAX_ARRAYS];
  atr_arena arena;
  atr_arena_init(&arena, atr_default_realloc, NULL);
  p->values = calloc(all.count + 1, sizeof *p->values);
  p->bounds = calloc(all.count + 1, sizeof *p->bounds);
  for (int i = 0; i < all.parameter_count; i++) args[i] = p->args[i].data;
  for (atr_id id = 1; id <= all.count; id++) {
    ids[id - 1] = id;
    p->values[id] = calloc((size_t)atr_shape_bytes(&atr_inst_at(&all, id)->shape) + 1, 1);
  }
  all.results = ids;
  all.result_count = (int)all.count;
  atr_work work = {.arena = &arena};
  atr_status status = ATR_OUT_OF_MEMORY;
  if (setjmp(arena.guard) == 0)
    status = atr_interpret(&work, &all, &(atr_interpret_options){p->multiply_padding}, args, p->values + 1);
  if (status != ATR_OK) fail(p, NULL, work.message != NULL ? work.message : "no memory to interpret");
  else bound_values(p->module, (const void *const *)p->values, p->options->flushes, p->bounds);
  atr_arena_fini(&arena);
  free(ids);
  return status == ATR_OK;
}

/* ---- runs */

/* A caller's loop: serial, in a random order. */
static void shuffled_for(void *user, int64_t n, void (*body)(void *arg, int64_t i), void *arg) {
  rng *r = user;
  int64_t start = n > 0 ? rng_below(r, n) : 0, step = n > 1 ? rng_range(r, 1, n - 1) : 1;
  for (int64_t a = n, b = step; b != 0;) { /* a step without a common divisor visits every task */
    int64_t t = a % b;
    a = b;
    b = t;
    if (b == 0 && a != 1) step = 1;
  }
  for (int64_t i = 0; i < n; i++) body(arg, (start + i * step) % n);
}

typedef struct run_kind {
  const char *what;
  int threads;
  bool own_loop, own_scratch, prepacked;
} run_kind;

typedef struct run_arrays {
  memory results[MAX_RESULTS], scratch, packed;
} run_arrays;

static bool make_run_arrays(problem *p, const variant *v, run_arrays *a) {
  static const memory_place places[] = {MEMORY_INSIDE, MEMORY_END, MEMORY_END, MEMORY_START};
  *a = (run_arrays){0};
  for (int i = 0; i < p->module->result_count; i++) {
    const atr_shape *shape = atr_module_result_shape(p->module, i);
    if (!memory_init(&a->results[i], (size_t)atr_shape_bytes(shape), atr_dtype_size(atr_dtype_real(shape->dtype)),
                     RNG_PICK(&p->r, places)))
      return false;
  }
  size_t alignment = atr_executable_scratch_alignment(v->executable);
  return memory_init(&a->scratch, atr_executable_scratch_size(v->executable), alignment, MEMORY_END) &&
         memory_init(&a->packed, atr_executable_packed_size(v->executable), alignment, MEMORY_END);
}

static void free_run_arrays(run_arrays *a) {
  for (int i = 0; i < MAX_RESULTS; i++) memory_fini(&a->results[i]);
  memory_fini(&a->scratch);
  memory_fini(&a->packed);
}

static void check_surroundings(problem *p, const variant *v, const run_arrays *a, const char *what) {
  char message[200];
  for (int i = 0; i < p->module->result_count; i++)
    if (!memory_intact(&a->results[i]))
      fail(p, v, (snprintf(message, sizeof message, "%s: bytes around result %d were written", what, i), message));
  if (!memory_intact(&a->scratch)) fail(p, v, "bytes around the scratch block were written");
  if (!memory_intact(&a->packed)) fail(p, v, "bytes around the packed block were written");
  for (int i = 0; i < p->module->parameter_count; i++)
    if (!memory_intact(&p->args[i]) || memcmp(p->copies[i], p->args[i].data, p->args[i].size) != 0)
      fail(p, v, (snprintf(message, sizeof message, "%s: argument %d was written", what, i), message));
}

static bool run_once(problem *p, const variant *v, const run_kind *kind, run_arrays *a) {
  const void *args[MAX_ARRAYS];
  void *results[MAX_RESULTS];
  atr_host shuffled = {&p->r, shuffled_for};
  atr_run_options options = {.size = sizeof options,
                             .threads = kind->threads,
                             .host = kind->own_loop ? &shuffled : NULL,
                             .scratch = kind->own_scratch ? a->scratch.data : NULL};
  char label[TALLY_MESSAGE];
  snprintf(label, sizeof label, "%s, cpu %s, running %s", v->what, v->cpu != NULL ? v->cpu : "of this machine", kind->what);
  stage(p, label);
  for (int i = 0; i < p->module->parameter_count; i++) args[i] = p->args[i].data;
  for (int i = 0; i < p->module->result_count; i++) {
    memory_clear(&a->results[i]);
    results[i] = a->results[i].data;
  }
  memory_clear(&a->scratch);
  if (kind->prepacked && a->packed.size > 0) {
    memory_clear(&a->packed);
    if (atr_executable_prepack(v->executable, args, a->packed.data) != ATR_OK) return fail(p, v, "prepack failed"), false;
    options.packed = a->packed.data;
  }
  atr_status status = atr_executable_run(v->executable, args, results, &options);
  if (status != ATR_OK) return fail(p, v, atr_status_name(status)), false;
  check_surroundings(p, v, a, kind->what);
  return true;
}

static void compare_with_interpreter(problem *p, const variant *v, const run_arrays *a) {
  char message[512];
  for (int i = 0; i < p->module->result_count; i++) {
    atr_id id = p->module->results[i];
    const atr_shape *shape = &atr_inst_at(p->module, id)->shape;
    const bound *b = &p->bounds[id];
    if (!b->known) p->tally->undemanded++;
    else if (b->absolute == 0 && b->relative == 0) p->tally->exact++;
    else p->tally->bounded++;
    int64_t wrong = bound_first_wrong(shape->dtype, atr_shape_elements(shape), a->results[i].data, p->values[id], b);
    if (wrong < 0) continue;
    describe_element(message, sizeof message, i, shape, wrong, a->results[i].data, p->values[id], b);
    fail(p, v, message);
    return;
  }
}

static void compare_runs(problem *p, const variant *v, const run_arrays *first, const run_arrays *other, const char *what) {
  char message[200];
  for (int i = 0; i < p->module->result_count; i++) {
    if (memcmp(first->results[i].data, other->results[i].data, first->results[i].size) == 0) continue;
    snprintf(message, sizeof message, "result %d has other bits %s than in one thread", i, what);
    fail(p, v, message);
    return;
  }
}

static void run_variant(problem *p, const variant *v) {
  static const run_kind kinds[] = {{"in one thread", 1, false, true, false},
                                   {"in random order", 0, true, true, true},
                                   {"in 7 threads", 7, false, false, true},
                                   {"in 2 threads", 2, false, true, false}};
  run_arrays first, other;
  bool ok = make_run_arrays(p, v, &first);
  ok = make_run_arrays(p, v, &other) && ok;
  if (!ok) fail(p, v, "no memory");
  if (ok && run_once(p, v, &kinds[0], &first)) {
    compare_with_interpreter(p, v, &first);
    int count = p->options->threads || v->schedule != NULL || rng_chance(&p->r, 1, 4) ? 4 : 2;
    for (int k = 1; k < count && !p->failed && v->executable->kernel != NULL; k++)
      if (run_once(p, v, &kinds[k], &other)) compare_runs(p, v, &first, &other, kinds[k].what);
  }
  free_run_arrays(&first);
  free_run_arrays(&other);
}

/* ---- executables */

static atr_compile_options options_of(const problem *p, const variant *v) {
  const emission *e = p->options->emission;
  return (atr_compile_options){.size = sizeof(atr_compile_options),
                               .cpu = e != NULL ? e->cpu : v->cpu,
                               .features = e != NULL ? e->features : NULL,
                               .triple = e != NULL ? e->triple : NULL,
                               .schedule = v->schedule,
                               .constant_parameters = v->constants,
                               .multiply_padding = p->multiply_padding};
}

/* The lowered program as text must satisfy the verifier and read back as itself. */
static void check_nest_text(problem *p, const variant *v) {
  atr_compile_options options = options_of(p, v);
  char *text = NULL, *again = NULL;
  size_t len;
  stage(p, "reading nests back");
  if (atr_emit(p->context, p->module, &options, ATR_EMIT_NEST, &text, &len) != ATR_OK ||
      atr_nest_check(p->context, "nest", text, (int64_t)len, &again) != ATR_OK)
    fail(p, v, atr_context_message(p->context));
  else if (strcmp(text, again) != 0) fail(p, v, "the text of the nests does not read back as itself");
  atr_string_free(p->context, text);
  atr_string_free(p->context, again);
}

static bool is_refusal(atr_status status) { return status == ATR_UNSUPPORTED || status == ATR_VERIFY_ERROR; }

/* True when there is an executable. What was chosen by this test may be refused, the default may not. */
static bool compile(problem *p, variant *v) {
  char label[TALLY_MESSAGE];
  atr_compile_options options = options_of(p, v);
  snprintf(label, sizeof label, "%s, cpu %s, compiling; schedule:\n%s", v->what, v->cpu != NULL ? v->cpu : "of this machine",
           v->schedule != NULL ? v->schedule : "chosen");
  stage(p, label);
  atr_status status = atr_compile(p->context, p->module, &options, &v->executable);
  if (status == ATR_OK && v->executable->kernel == NULL) {
    p->tally->interpreted++;
    const char *why = strstr(v->executable->explanation, "interpret");
    count_reason(p->tally, why != NULL ? why : v->executable->explanation);
  } else if (status == ATR_OK) {
    p->tally->kernels++;
  } else if (is_refusal(status) && (v->cpu != NULL || v->schedule != NULL)) {
    count_reason(p->tally, atr_context_message(p->context));
  } else {
    fail(p, v, atr_context_message(p->context));
  }
  if (p->options->verbose)
    printf("%lld %s, cpu %s: %s\n%s", (long long)p->number, v->what, v->cpu != NULL ? v->cpu : "of this machine",
           status == ATR_OK ? "compiled" : atr_context_message(p->context), v->schedule != NULL ? v->schedule : "");
  return status == ATR_OK;
}

/* The kernel as an object and what it must compute, for another machine. */
static void emit_variant(problem *p, const variant *v) {
  atr_compile_options options = options_of(p, v);
  emit_problem e = {p->number, p->context, p->module, p->args, p->values, p->bounds};
  stage(p, v->what);
  atr_status status = emit_kernel(p->options->emission, &e, &options);
  if (status == ATR_OK) p->tally->kernels++;
  else if (is_refusal(status)) count_reason(p->tally, atr_context_message(p->context));
  else fail(p, v, atr_context_message(p->context));
}

static void try_variant(problem *p, variant *v) {
  if (p->options->emission != NULL && !p->failed) {
    emit_variant(p, v);
    return;
  }
  if (p->failed || !compile(p, v)) return;
  if (v->schedule != NULL) p->tally->accepted++;
  if (v->cpu != NULL) p->tally->cpus++;
  run_variant(p, v);
  if (!p->failed && v->executable->kernel != NULL && (v->schedule != NULL || rng_chance(&p->r, 1, 3))) check_nest_text(p, v);
  atr_executable_release(v->executable);
}

/* CPUs that this machine can run, other than its own. */
static const char *other_cpu(rng *r) {
  static const char *const cpus[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4", "x86-64", "haswell"};
#if defined(__x86_64__)
  const char *cpu = RNG_PICK(r, cpus);
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq");
  if (strcmp(cpu, "x86-64-v4") == 0) return avx512 ? cpu : "x86-64-v2";
  if (strcmp(cpu, "x86-64-v3") == 0 || strcmp(cpu, "haswell") == 0) return avx2 ? cpu : "x86-64-v2";
  return cpu;
#else
  (void)r;
  (void)cpus;
  return NULL;
#endif
}

static void try_variants(problem *p) {
  variant v = {.what = "default schedule"};
  uint64_t constants = rng_chance(&p->r, 1, 3) ? rng_next(&p->r) & rng_next(&p->r) : 0;
  v.constants = constants;
  try_variant(p, &v);
  if (rng_chance(&p->r, 1, 2)) {
    atr_compile_options options = options_of(p, &v);
    char *schedule = schedules_random(&p->r, p->module, &options);
    v = (variant){.what = "random schedule", .schedule = schedule, .constants = constants};
    if (schedule != NULL && !p->failed) {
      p->tally->schedules++;
      try_variant(p, &v);
    }
    free(schedule);
  }
  if (p->options->emission != NULL) return;
  v = (variant){.what = "another CPU", .cpu = rng_chance(&p->r, 1, 3) ? other_cpu(&p->r) : NULL, .constants = constants};
  if (v.cpu != NULL) try_variant(p, &v);
}

/* ---- one problem */

static bool open_problem(problem *p, const check_options *options, int64_t number, tally *t) {
  atr_context_options context = {.size = sizeof context, .threads = 7};
  *p = (problem){.options = options, .tally = t, .number = number};
  t->number = number;
  stage(p, "making the module");
  under_way = p;
  return atr_context_create(&context, &p->context) == ATR_OK && make_module(p);
}

static void close_problem(problem *p) {
  for (int i = 0; i < MAX_ARRAYS; i++) {
    memory_fini(&p->args[i]);
    free(p->copies[i]);
  }
  for (atr_id id = 0; p->values != NULL && p->module != NULL && id <= p->module->count; id++) free(p->values[id]);
  free(p->values);
  free(p->bounds);
  atr_string_free(p->context, p->text);
  atr_module_destroy(p->module);
  atr_context_destroy(p->context);
  under_way = NULL;
}

void check_problem(const check_options *options, int64_t number, tally *t) {
  static problem p;
  static const fill fills[] = {FILL_SMALL, FILL_SPECIAL, FILL_WIDE, FILL_WIDE, FILL_ENDS, FILL_ENDS};
  if (open_problem(&p, options, number, t)) {
    p.fill = RNG_PICK(&p.r, fills);
    if (options->flushes && p.fill >= FILL_WIDE) p.fill = FILL_NORMAL;
    p.multiply_padding = p.fill != FILL_SPECIAL && rng_chance(&p.r, 1, 12) && may_multiply_padding(p.module);
    stage(&p, "interpreting");
    if (make_arguments(&p) && interpret(&p)) try_variants(&p);
  }
  t->checked++;
  close_problem(&p);
}

void check_print(const check_options *options, int64_t number) {
  static problem p;
  static tally t;
  if (open_problem(&p, options, number, &t)) fputs(p.text, stdout);
  close_problem(&p);
}

/* ---- crashes */

/* Not all of this is allowed in a signal handler; the process ends after it anyway. */
static void on_signal(int number, siginfo_t *info, void *context) {
  (void)context;
  problem *p = under_way;
  if (p != NULL) {
    bool before = false;
    printf("problem %lld of seed %llu: signal %d (%s) while %s\n", (long long)p->number, (unsigned long long)p->options->seed,
           number, strsignal(number), p->tally->stage);
    for (int i = 0; i < MAX_ARRAYS; i++)
      if (memory_faults_at(&p->args[i], info->si_addr, &before))
        printf("  touched %lld bytes %s argument %d\n",
               (long long)(before ? p->args[i].data - (char *)info->si_addr
                                  : (char *)info->si_addr - p->args[i].data - (long long)p->args[i].size),
               before ? "before" : "behind the end of", i);
    printf("%s\n  again: random_problems --seed=%llu --only=%lld\n\n", p->text != NULL ? p->text : "",
           (unsigned long long)p->options->seed, (long long)p->number);
    p->tally->wrong++;
    p->tally->checked++;
    fflush(stdout);
  }
  _exit(3);
}

void check_catch_crashes(void) {
  static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};
  static char stack[65536];
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
}

void tally_add(tally *sum, const tally *part) {
  for (int d = 0; d < TALLY_DTYPES; d++)
    for (int r = 0; r < TALLY_RANKS; r++) sum->problems[d][r] += part->problems[d][r];
  sum->checked += part->checked;
  sum->wrong += part->wrong;
  sum->exact += part->exact;
  sum->bounded += part->bounded;
  sum->undemanded += part->undemanded;
  sum->kernels += part->kernels;
  sum->interpreted += part->interpreted;
  sum->schedules += part->schedules;
  sum->accepted += part->accepted;
  sum->cpus += part->cpus;
  for (int i = 0; i < TALLY_REASONS; i++)
    for (int j = 0; part->reasons[i].count > 0 && j < TALLY_REASONS; j++) {
      if (sum->reasons[j].count > 0 && j < TALLY_REASONS - 1 && strcmp(sum->reasons[j].text, part->reasons[i].text) != 0)
        continue;
      if (sum->reasons[j].count == 0) sum->reasons[j] = part->reasons[i];
      else sum->reasons[j].count += part->reasons[i].count;
      break;
    }
}

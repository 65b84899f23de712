/* measure.c - see measure.h. A client of the public calls: each schedule becomes an executable as any other, with its constant
 * parameters packed and its scratch in place, so that a run is what the caller's runs will be. */
#include "measure.h"

#include <string.h>
#include <time.h>

#include "runtime/executable.h"

enum { SCHEDULES = 6 };
static const double BUDGET_NS = 40e6; /* for the runs of one module */
/* Of one turn, a short run is repeated for so long, and takes what it takes on average but for the first, which finds what other schedules'
 * code and weights have left of the caches. Not the least: depthwise layers out of the second cache, 4.2 us one after the other, have taken 2.3
 * for ten runs now and then, in orders that had nothing else to say for them. And for long enough that packed weights, of which each
 * schedule has its own, come from where they will: of 3.2 MB of unshared weights the first run takes 0.15 ms, the tenth 0.1. */
static const double TURN_NS = 2e6;
/* Runs as long as this are the first and the only one of their turn: what they find of the caches is soon used up. */
static const double LONG_NS = 5e6;
static const double FAILED_NS = 1e30; /* of a run that fails: more than any takes */

/* ---- arrays */

static void fill(const atr_shape *shape, void *data) {
  char *element = data;
  size_t size = atr_dtype_size(shape->dtype);
  bool whole = atr_dtype_class_of(shape->dtype) < ATR_CLASS_FLOAT;
  for (int64_t i = 0; i < atr_shape_elements(shape); i++, element += size) {
    int64_t small = i * 7 % 13 - 6;
    double value = (double)small / 8 + 0.0625;
    atr_scalar_store(shape->dtype, element, (atr_scalar){.i = whole ? small & 3 : 0, .re = value, .im = -value});
  }
}

static int array_count(const atr_module *module) { return module->parameter_count + module->result_count; }

static const atr_shape *shape_of(const atr_module *module, int i) {
  return i < module->parameter_count ? atr_module_parameter_shape(module, i)
                                     : atr_module_result_shape(module, i - module->parameter_count);
}

atr_status atr_measure_init(atr_work *work, atr_measure *measure) {
  const atr_module *module = measure->module;
  const atr_context *context = measure->context;
  int count = array_count(module);
  measure->arrays = ATR_NEW_ARRAY(work->arena, void *, count);
  measure->blocks = ATR_NEW_ARRAY(work->arena, void *, count);
  for (int i = 0; i < count; i++) {
    const atr_shape *shape = shape_of(module, i);
    size_t bytes = (size_t)atr_shape_bytes(shape);
    measure->arrays[i] = atr_block_alloc(context->realloc, context->realloc_user, bytes, &measure->blocks[i]);
    if (measure->arrays[i] == NULL)
      return atr_fail(work, ATR_NOWHERE, ATR_OUT_OF_MEMORY, "no memory for arrays to measure with");
    if (i < module->parameter_count) fill(shape, measure->arrays[i]);
    else memset(measure->arrays[i], 0, bytes);
  }
  return ATR_OK;
}

/* ---- the bench */

/* An executable with the memory that its runs take. */
typedef struct contender {
  atr_executable *executable;
  void *packed, *packed_block, *scratch, *scratch_block;
  struct contender *next;
} contender;

static void drop(void *user, void *variant) {
  atr_measure *m = user;
  contender *c = variant, **link = &m->live;
  while (*link != c) link = &(*link)->next;
  *link = c->next;
  atr_realloc_fn memory = m->context->realloc;
  void *memory_user = m->context->realloc_user;
  atr_block_free(memory, memory_user, atr_executable_packed_size(c->executable), c->packed_block);
  atr_block_free(memory, memory_user, atr_executable_scratch_size(c->executable), c->scratch_block);
  atr_executable_release(c->executable);
  memory(memory_user, c, sizeof *c, 0);
}

static atr_status give_memory(const atr_measure *m, contender *c) {
  size_t packed = atr_executable_packed_size(c->executable), scratch = atr_executable_scratch_size(c->executable);
  atr_realloc_fn memory = m->context->realloc;
  void *user = m->context->realloc_user;
  if (packed > 0 && (c->packed = atr_block_alloc(memory, user, packed, &c->packed_block)) == NULL) return ATR_OUT_OF_MEMORY;
  if (scratch > 0 && (c->scratch = atr_block_alloc(memory, user, scratch, &c->scratch_block)) == NULL) return ATR_OUT_OF_MEMORY;
  return packed > 0 ? atr_executable_prepack(c->executable, (const void *const *)m->arrays, c->packed) : ATR_OK;
}

static atr_status make(void *user, const char *schedule, void **variant) {
  atr_measure *m = user;
  atr_compile_options options = m->options;
  options.schedule = schedule;
  options.measure = -1;
  char *dump_dir = m->context->dump_dir;
  contender *c = m->context->realloc(m->context->realloc_user, NULL, 0, sizeof *c);
  if (c == NULL) return ATR_OUT_OF_MEMORY;
  *c = (contender){.next = m->live};
  m->live = c;
  m->context->dump_dir = NULL; /* dumps are of what is kept in the end */
  atr_status status = atr_compile(m->context, m->module, &options, &c->executable);
  m->context->dump_dir = dump_dir;
  if (status == ATR_OK) status = give_memory(m, c);
  if (status == ATR_OK) *variant = c;
  else drop(m, c);
  return status;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static double time_run(const atr_measure *m, const contender *c) {
  atr_run_options options = {.size = sizeof options, .packed = c->packed, .scratch = c->scratch, .threads = m->threads};
  double start = now();
  atr_status status = atr_executable_run(c->executable, (const void *const *)m->arrays, m->arrays + m->module->parameter_count,
                                         &options);
  return status == ATR_OK ? now() - start : FAILED_NS;
}

static double run(void *user, void *variant, double *spent) {
  double first = time_run(user, variant), others = 0;
  int count = 0;
  for (; first + others < TURN_NS || (count == 0 && first < LONG_NS); count++) others += time_run(user, variant);
  *spent += first + others;
  return count > 0 ? others / count : first;
}

void atr_measure_fini(atr_measure *measure) {
  while (measure->live != NULL) drop(measure, measure->live);
  for (int i = 0; measure->blocks != NULL && i < array_count(measure->module); i++)
    atr_block_free(measure->context->realloc, measure->context->realloc_user,
                   (size_t)atr_shape_bytes(shape_of(measure->module, i)), measure->blocks[i]);
  *measure = (atr_measure){.context = NULL};
}

atr_tune_bench atr_measure_bench(atr_measure *measure) { return (atr_tune_bench){measure, make, run, drop}; }

/* ---- the choice */

static atr_status select_from(atr_work *work, atr_measure *measure, const atr_module *lowered,
                              const atr_lower_options *lowering, atr_selected *out) {
  atr_program *problem;
  atr_tune_options how = {.constant_parameters = measure->options.constant_parameters,
                          .occupied = ATR_NEST_SCRATCH - atr_lower_room(lowering),
                          .most = SCHEDULES,
                          .budget_ns = BUDGET_NS};
  ATR_TRY(atr_lower_to_nests(work, lowered, lowering, &problem));
  ATR_TRY(atr_measure_init(work, measure));
  atr_tune_bench bench = atr_measure_bench(measure);
  return atr_tune_select(work, problem, lowering->target, &how, &bench, out);
}

atr_status atr_measure_select(atr_work *work, atr_measure *measure, const atr_module *lowered,
                              const atr_lower_options *lowering, atr_selected *out) {
  atr_work trying = {.arena = work->arena, .source = work->source}; /* what was tried in vain is nobody's concern */
  atr_context *context = measure->context;
  atr_status status = select_from(&trying, measure, lowered, lowering, out);
  atr_measure_fini(measure);
  atr_context_fail(context, ATR_OK, "");
  if (status == ATR_OK) return ATR_OK;
  if (status != ATR_UNSUPPORTED)
    return atr_fail(work, ATR_NOWHERE, status, "%s", status == ATR_OUT_OF_MEMORY ? "out of memory" : trying.message);
  /* The model's choice will do, or the interpreter. */
  *out = (atr_selected){.report = atr_arena_printf(work->arena, "nothing: %s", trying.message)};
  return ATR_OK;
}

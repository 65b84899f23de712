/* crosscheck.c - see crosscheck.h. */
#include "crosscheck.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "element.h"
#include "file.h"

enum { TRIALS = 5 }; /* in one of them each element moves about as far as it can */

typedef struct check {
  const job *j;
  const arrays *arguments, *got;
  const crosscheck_options *options;
  arrays want, magnitudes;
  double **conditions; /* by result; NULL: not measured */
  conv_stats stats;
  bool scaled; /* by magnitudes */
} check;

static bool has_float_result(const arrays *results) {
  for (int32_t i = 0; i < results->count; i++) {
    if (element_is_float(results->shapes[i]->dtype)) return true;
  }
  return false;
}

static tool_exit interpret(const job *j, const arrays *arguments, const arrays *results) {
  const program interpreter = {.executable = NULL};
  return program_run(&interpreter, j, arguments, results);
}

/* What to do to the arguments: take magnitudes where relative is 0, else nudge them. */
typedef struct change {
  double relative;
  int trial;
} change;

static tool_exit interpret_changed(const check *c, change how, arrays *results) {
  arrays copies = {.count = 0};
  tool_exit code = arrays_make(results, c->j, true);
  if (code == TOOL_DONE) code = arrays_make(&copies, c->j, false);
  for (int32_t i = 0; code == TOOL_DONE && i < copies.count; i++) {
    memcpy(copies.data[i], c->arguments->data[i], (size_t)atr_shape_bytes(copies.shapes[i]));
    if (how.relative == 0) compare_magnitudes(copies.shapes[i], copies.data[i]);
    else compare_nudge(copies.shapes[i], how.relative, how.trial, i, copies.data[i]);
  }
  if (code == TOOL_DONE) code = interpret(c->j, &copies, results);
  arrays_fini(&copies);
  return code;
}

/* ---- conditions */

static double coarser(double relative, const arrays *a) {
  for (int32_t i = 0; i < a->count; i++) {
    if (element_is_float(a->shapes[i]->dtype)) relative = fmax(relative, element_epsilon(element_part(a->shapes[i]->dtype)));
  }
  return relative;
}

/* A change that arguments can make, and that is not lost in the rounding of what is computed from them. */
static double visible_change(const check *c) {
  double computed = c->stats.coarsest != ATR_DTYPE_NONE ? element_epsilon(c->stats.coarsest) : 0;
  return 4 * coarser(coarser(computed, c->arguments), c->got);
}

static tool_exit add_nudge(check *c, change how) {
  arrays nudged = {.count = 0};
  tool_exit code = interpret_changed(c, how, &nudged);
  for (int32_t i = 0; code == TOOL_DONE && i < nudged.count; i++) {
    if (c->conditions[i] != NULL)
      compare_condition(nudged.shapes[i], c->want.data[i], nudged.data[i], how.relative, c->conditions[i]);
  }
  arrays_fini(&nudged);
  return code;
}

static tool_exit measure_conditions(check *c) {
  tool_exit code = TOOL_DONE;
  c->conditions = calloc((size_t)c->got->count + 1, sizeof *c->conditions);
  if (c->conditions == NULL) return report_out_of_memory();
  for (int32_t i = 0; code == TOOL_DONE && i < c->got->count; i++) {
    if (!element_is_float(c->got->shapes[i]->dtype)) continue;
    c->conditions[i] = calloc((size_t)atr_shape_elements(c->got->shapes[i]) + 1, sizeof **c->conditions);
    if (c->conditions[i] == NULL) code = report_out_of_memory();
  }
  for (int trial = 0; code == TOOL_DONE && trial < TRIALS; trial++)
    code = add_nudge(c, (change){.relative = visible_change(c), .trial = trial});
  return code;
}

/* ---- comparing */

static void compare_one(const check *c, int32_t i, compare_result *out) {
  compare_reference reference = {.want = c->want.data[i]};
  if (c->scaled) reference.magnitudes = c->magnitudes.data[i];
  if (c->conditions != NULL) reference.condition = c->conditions[i];
  compare_arrays(c->got->shapes[i], c->got->data[i], &reference, &c->stats, c->options->exact, out);
}

/* Prints unless only failures are wanted; returns whether the result agrees. */
static bool report_one(const check *c, int32_t i) {
  compare_result result;
  char text[COMPARE_TEXT_MAX];
  compare_one(c, i, &result);
  if (result.same && c->options->only_failures) return true;
  compare_text(c->got->shapes[i], c->got->data[i], c->want.data[i], &result, text);
  fprintf(c->options->to, "%sresult %d: %s\n", c->options->prefix, i, text);
  return result.same;
}

static bool all_agree(const check *c) {
  for (int32_t i = 0; i < c->got->count; i++) {
    compare_result result;
    compare_one(c, i, &result);
    if (!result.same) return false;
  }
  return true;
}

static void fini(check *c) {
  for (int32_t i = 0; c->conditions != NULL && i < c->got->count; i++) free(c->conditions[i]);
  free(c->conditions);
  arrays_fini(&c->want);
  arrays_fini(&c->magnitudes);
}

tool_exit crosscheck_results(const job *j, const arrays *arguments, const arrays *got, const crosscheck_options *options) {
  check c = {.j = j, .arguments = arguments, .got = got, .options = options};
  bool same = true;
  c.scaled = !options->exact && has_float_result(got);
  tool_exit code = job_scan(j, &c.stats);
  if (code == TOOL_DONE) code = arrays_make(&c.want, j, true);
  if (code == TOOL_DONE) code = interpret(j, arguments, &c.want);
  if (code == TOOL_DONE && c.scaled) code = interpret_changed(&c, (change){0}, &c.magnitudes);
  if (code == TOOL_DONE && c.scaled && !all_agree(&c)) code = measure_conditions(&c);
  for (int32_t i = 0; code == TOOL_DONE && i < got->count; i++) same = report_one(&c, i) && same;
  fini(&c);
  return code == TOOL_DONE && !same ? TOOL_INPUT : code;
}

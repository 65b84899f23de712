/* cmd_run.c - atrousc run: arrays in, arrays out.
 *
 * Arguments come from files in parameter order, the rest from --random or --random-int. Results go to the -o files, or a
 * summary of each goes to stdout:
 *
 *     result 0: f32[1,3,3,2] min -2.5 max 7 mean 0.25 {1, -2.5, 3, 0, ...}
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crosscheck.h"
#include "commands.h"
#include "element.h"
#include "file.h"
#include "layout.h"
#include "npy.h"

/* ---- summary ----------------------------------------------------------------------------------- */

enum { SHOWN_ELEMENTS = 8 };

static void print_first(const atr_shape *shape, const char *data) {
  int64_t strides[ATR_MAX_RANK], index[ATR_MAX_RANK] = {0}, offset = 0, n = atr_shape_elements(shape);
  char text[ELEMENT_TEXT_MAX];
  layout_of_shape(shape, strides);
  printf(" {");
  for (int64_t i = 0; i < n && i < SHOWN_ELEMENTS; i++) {
    element_text(shape->dtype, data + offset, text);
    printf("%s%s", i != 0 ? ", " : "", text);
    layout_next(shape, strides, index, &offset);
  }
  printf(n > SHOWN_ELEMENTS ? ", ...}\n" : "}\n");
}

/* min and max of what is not NaN (real dtypes), mean of all. */
static void print_range(const atr_shape *shape, const char *data) {
  size_t size = atr_dtype_size(shape->dtype);
  int64_t n = atr_shape_elements(shape), nans = 0;
  const char *least = NULL, *most = NULL;
  bool is_complex = element_kind_of(shape->dtype) == ELEMENT_COMPLEX;
  double sum_re = 0, sum_im = 0;
  char text[ELEMENT_TEXT_MAX];
  for (int64_t i = 0; i < n; i++) {
    const char *at = data + (size_t)i * size;
    double re, im;
    element_get(shape->dtype, at, &re, &im);
    sum_re += re, sum_im += im;
    nans += isnan(re) || isnan(im);
    if (isnan(re)) continue;
    if (least == NULL || element_less(shape->dtype, at, least)) least = at;
    if (most == NULL || element_less(shape->dtype, most, at)) most = at;
  }
  if (least != NULL && !is_complex) {
    element_text(shape->dtype, least, text);
    printf(" min %s", text);
    element_text(shape->dtype, most, text);
    printf(" max %s", text);
  }
  if (n > 0 && is_complex) printf(" mean (%.6g,%.6g)", sum_re / (double)n, sum_im / (double)n);
  if (n > 0 && !is_complex) printf(" mean %.6g", sum_re / (double)n);
  if (nans > 0) printf(" nans %lld", (long long)nans);
}

static void print_summary(const arrays *results) {
  for (int32_t i = 0; i < results->count; i++) {
    char shape[256];
    npy_shape_text(results->shapes[i], shape, sizeof shape);
    printf("result %d: %s", i, shape);
    print_range(results->shapes[i], results->data[i]);
    print_first(results->shapes[i], results->data[i]);
  }
}

/* ---- the command ------------------------------------------------------------------------------- */

typedef struct run {
  job j;
  arrays arguments, results;
  program p;
} run;

/* Each .npy output takes one result and a .npz all, so that nothing is left out silently. */
static tool_exit check_outputs(const args *parsed, int32_t results) {
  int single = 0;
  for (int i = 0; i < parsed->output_count; i++) {
    size_t len = strlen(parsed->outputs[i]);
    single += len <= 4 || strcmp(parsed->outputs[i] + len - 4, ".npz") != 0;
  }
  bool has_archive = single < parsed->output_count;
  if (parsed->output_count == 0 || single == results || (has_archive && single < results)) return TOOL_DONE;
  return args_fail(parsed, "the module has %d result%s, but %d file%s given with -o (an .npz file takes all results)", results,
                   results == 1 ? "" : "s", single, single == 1 ? " is" : "s are");
}

/* Fills the arguments from files, then by --random or --random-int. */
static tool_exit fill_arguments(run *r, const args *parsed) {
  uint64_t seed = 0;
  int32_t filled;
  bool wide = args_has(parsed, OPTION_RANDOM), small = args_has(parsed, OPTION_RANDOM_INT);
  if (wide && small) return args_fail(parsed, "options '--random' and '--random-int' exclude each other");
  tool_exit code = args_seed(parsed, wide ? OPTION_RANDOM : OPTION_RANDOM_INT, &seed);
  if (code == TOOL_DONE) code = arrays_read(&r->arguments, parsed->files + 1, parsed->file_count - 1, &filled);
  if (code != TOOL_DONE) return code;
  if (filled < r->arguments.count && !wide && !small) {
    char shape[256];
    npy_shape_text(r->arguments.shapes[filled], shape, sizeof shape);
    return args_fail(parsed, "no array for parameter %d, %s; give a file or --random=SEED", filled, shape);
  }
  arrays_random(&r->arguments, filled, seed, wide ? RANDOM_WIDE : RANDOM_SMALL);
  return TOOL_DONE;
}

static tool_exit select_back_end(const args *parsed, bool *interpreter) {
  static const option_id compiling[] = {OPTION_CPU,       OPTION_FEATURES, OPTION_SCHEDULE, OPTION_MULTIPLY_PADDING,
                                        OPTION_WORKSPACE, OPTION_MEASURE};
  const char *name = parsed->values[OPTION_BACK_END];
  *interpreter = name != NULL && strcmp(name, "interpreter") == 0;
  for (size_t i = 0; i < sizeof compiling / sizeof compiling[0] && *interpreter; i++)
    if (args_has(parsed, compiling[i]))
      return args_fail(parsed, "option '--%s' is for compiled code, not for the interpreter", args_options[compiling[i]].name);
  if (name == NULL || *interpreter || strcmp(name, "cpu") == 0) return TOOL_DONE;
  return args_fail(parsed, "option '--target' wants cpu or interpreter, got '%s'", name);
}

/* Runs once, or --repeat times with the least and the median time on stderr. */
static tool_exit run_repeated(run *r, const args *parsed) {
  int64_t repeat = 1;
  tool_exit code = args_integer(parsed, OPTION_REPEAT, 1, 10000000, &repeat);
  if (code != TOOL_DONE) return code;
  int64_t *ns = malloc((size_t)repeat * sizeof *ns);
  if (ns == NULL) return report_out_of_memory();
  for (int64_t i = 0; code == TOOL_DONE && i < repeat; i++) {
    int64_t start = time_now();
    code = program_run(&r->p, &r->j, &r->arguments, &r->results);
    ns[i] = time_now() - start;
  }
  if (code == TOOL_DONE && args_has(parsed, OPTION_REPEAT)) {
    time_sort(ns, repeat);
    fprintf(stderr, "time: min %lld ns, median %lld ns, %lld run%s\n", (long long)ns[0], (long long)ns[(repeat - 1) / 2],
            (long long)repeat, repeat == 1 ? "" : "s");
  }
  free(ns);
  return code;
}

/* The report goes to stderr when an array goes to stdout. */
static tool_exit check_run(const run *r, const args *parsed) {
  if (!args_has(parsed, OPTION_CHECK) && !args_has(parsed, OPTION_EXACT)) return TOOL_DONE;
  crosscheck_options options = {.exact = args_has(parsed, OPTION_EXACT), .prefix = "check ", .to = stdout};
  for (int i = 0; i < parsed->output_count; i++) {
    if (strcmp(parsed->outputs[i], "-") == 0) options.to = stderr;
  }
  return crosscheck_results(&r->j, &r->arguments, &r->results, &options);
}

static tool_exit run_module(run *r, const args *parsed) {
  int64_t threads = 0;
  bool interpreter;
  tool_exit code = select_back_end(parsed, &interpreter);
  if (code == TOOL_DONE) code = args_integer(parsed, OPTION_THREADS, 1, 1024, &threads);
  if (code == TOOL_DONE) code = job_open(&r->j, parsed, parsed->files[0], (int32_t)threads);
  if (code == TOOL_DONE) code = check_outputs(parsed, atr_module_result_count(r->j.module));
  if (code == TOOL_DONE) code = arrays_make(&r->arguments, &r->j, false);
  if (code == TOOL_DONE) code = arrays_make(&r->results, &r->j, true);
  if (code == TOOL_DONE) code = fill_arguments(r, parsed);
  if (code == TOOL_DONE && !interpreter) code = program_make(&r->p, &r->j, &r->arguments);
  if (code == TOOL_DONE) code = run_repeated(r, parsed);
  if (code != TOOL_DONE) return code;
  /* What was computed is written even when it is wrong: one wants to look at it. */
  code = parsed->output_count > 0 ? arrays_write(&r->results, parsed) : TOOL_DONE;
  if (parsed->output_count == 0) print_summary(&r->results);
  return code == TOOL_DONE ? check_run(r, parsed) : code;
}

tool_exit cmd_run(const args *parsed) {
  run r;
  memset(&r, 0, sizeof r);
  tool_exit code = run_module(&r, parsed);
  program_fini(&r.p);
  arrays_fini(&r.arguments);
  arrays_fini(&r.results);
  job_fini(&r.j);
  return code;
}

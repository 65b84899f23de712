/* crosscheck.c - see crosscheck.h. */
#include "crosscheck.h"

#include <string.h>

#include "compare.h"
#include "element.h"
#include "file.h"

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

/* The interpreter's results for the arguments' magnitudes. */
static tool_exit interpret_magnitudes(const job *j, const arrays *arguments, arrays *results) {
  arrays copies = {.count = 0};
  tool_exit code = arrays_make(results, j, true);
  if (code == TOOL_DONE) code = arrays_make(&copies, j, false);
  for (int32_t i = 0; code == TOOL_DONE && i < copies.count; i++) {
    memcpy(copies.data[i], arguments->data[i], (size_t)atr_shape_bytes(copies.shapes[i]));
    compare_magnitudes(copies.shapes[i], copies.data[i]);
  }
  if (code == TOOL_DONE) code = interpret(j, &copies, results);
  arrays_fini(&copies);
  return code;
}

tool_exit crosscheck_results(const job *j, const arrays *arguments, const arrays *got, const crosscheck_options *options) {
  arrays want = {.count = 0}, magnitudes = {.count = 0};
  conv_stats stats;
  bool scaled = !options->exact && has_float_result(got), same = true;
  tool_exit code = job_scan(j, &stats);
  if (code == TOOL_DONE) code = arrays_make(&want, j, true);
  if (code == TOOL_DONE) code = interpret(j, arguments, &want);
  if (code == TOOL_DONE && scaled) code = interpret_magnitudes(j, arguments, &magnitudes);
  for (int32_t i = 0; code == TOOL_DONE && i < got->count; i++) {
    compare_result result;
    char text[COMPARE_TEXT_MAX];
    compare_arrays(got->shapes[i], got->data[i], want.data[i], scaled ? magnitudes.data[i] : NULL, &stats, options->exact,
                   &result);
    same = same && result.same;
    if (result.same && options->only_failures) continue;
    compare_text(got->shapes[i], got->data[i], want.data[i], &result, text);
    fprintf(options->to, "%sresult %d: %s\n", options->prefix, i, text);
  }
  arrays_fini(&want);
  arrays_fini(&magnitudes);
  return code == TOOL_DONE && !same ? TOOL_INPUT : code;
}

/* worker_atrous.c - Atrous as a contender of the benchmark (worker.h has the protocol), and what all results are compared with.
 *
 *     prepare file=conv.hlo [constant=BITS] [threads=N] [cpu=NAME] [delay=PERCENT]
 *     check file=box.hlo at=AxBx...   ->  ok same=1 elements=N largest=X bound=X   its result with the interpreter's
 *     compare file=PATH               ->  the same                                 another contender's (an output) with its own
 *
 * The module's parameters are filled in their physical order; those of BITS are constant, so packed once outside the timing.
 * box.hlo computes a box of the prepared module's result, at this place, from the same parameters: the interpreter is too
 * slow for whole layers, and the box is compared with what the timed executable left in memory. The bound is that of atrousc
 * verify; convolutions alone need no conditions. delay makes every run slower by so much: how the tests plant a slow-down. */
#include <stdlib.h>
#include <string.h>

#include "atrous/atrous.h"
#include "tools/compare.h"
#include "tools/file.h"
#include "tools/layout.h"
#include "worker.h"

enum { MAX_ARRAYS = 8 };

static struct {
  atr_context *context;
  atr_module *module;
  atr_executable *executable;
  void *arguments[MAX_ARRAYS], *results[MAX_ARRAYS], *scratch, *packed;
  atr_run_options options;
  int64_t delay; /* per cent */
} state;

static void drop(void) {
  if (state.executable != NULL) atr_executable_release(state.executable);
  if (state.module != NULL) atr_module_destroy(state.module);
  for (int i = 0; i < MAX_ARRAYS; i++) {
    free(state.arguments[i]);
    free(state.results[i]);
    state.arguments[i] = state.results[i] = NULL;
  }
  free(state.scratch);
  free(state.packed);
  state.executable = NULL, state.module = NULL, state.scratch = state.packed = NULL;
}

/* Reads a module, which is the caller's to destroy. */
static bool parse(const char *path, atr_module **module, worker_reply *reply) {
  unsigned char *text;
  size_t len;
  if (file_read(path, &text, &len) != TOOL_DONE) return worker_fail(reply, "%s cannot be read", path);
  bool parsed = atr_module_parse(state.context, path, (const char *)text, (int64_t)len, module) == ATR_OK;
  free(text);
  return parsed || worker_refuse(reply, "%s", atr_context_message(state.context));
}

static bool make_arrays(void) {
  for (int32_t i = 0; i < atr_module_parameter_count(state.module); i++) {
    const atr_shape *shape = atr_module_parameter_shape(state.module, i);
    state.arguments[i] = worker_allocate((size_t)atr_shape_bytes(shape));
    if (state.arguments[i] == NULL) return false;
    if (!worker_fill(atr_dtype_name(shape->dtype), (uint32_t)i, (size_t)atr_shape_elements(shape), state.arguments[i]))
      return false;
  }
  for (int32_t i = 0; i < atr_module_result_count(state.module); i++) {
    size_t bytes = (size_t)atr_shape_bytes(atr_module_result_shape(state.module, i));
    state.results[i] = worker_allocate(bytes);
    if (state.results[i] == NULL) return false;
    memset(state.results[i], 0xff, bytes); /* NaN and -1: an element that is never stored does not pass for a zero */
  }
  return true;
}

static bool compile(const char *request, worker_reply *reply) {
  char cpu[64];
  atr_compile_options options = {.size = sizeof options};
  options.constant_parameters = (uint64_t)worker_integer(request, "constant", 0);
  if (worker_text(request, "cpu", cpu, sizeof cpu)) options.cpu = cpu;
  int64_t start = worker_now();
  if (atr_compile(state.context, state.module, &options, &state.executable) != ATR_OK)
    return worker_refuse(reply, "%s", atr_context_message(state.context));
  int64_t compiled = worker_now();
  size_t scratch = atr_executable_scratch_size(state.executable), packed = atr_executable_packed_size(state.executable);
  state.scratch = scratch != 0 ? worker_allocate(scratch) : NULL;
  state.packed = packed != 0 ? worker_allocate(packed) : NULL;
  worker_say(reply, " compile_ns=%lld scratch=%zu packed=%zu", (long long)(compiled - start), scratch, packed);
  return true;
}

static bool prepare(const char *request, worker_reply *reply) {
  char path[4096];
  if (!worker_text(request, "file", path, sizeof path)) return worker_fail(reply, "file is missing");
  if (!parse(path, &state.module, reply)) return false;
  if (!make_arrays()) return worker_fail(reply, "no memory for the arrays, or a dtype without a fill");
  if (!compile(request, reply)) return false;
  if (state.packed != NULL &&
      atr_executable_prepack(state.executable, (const void *const *)state.arguments, state.packed) != ATR_OK)
    return worker_fail(reply, "prepack failed");
  state.options = (atr_run_options){.size = sizeof state.options,
                                    .packed = state.packed,
                                    .scratch = state.scratch,
                                    .threads = (int32_t)worker_integer(request, "threads", 1)};
  state.delay = worker_integer(request, "delay", 0);
  return true;
}

static bool run(void) {
  if (state.executable == NULL) return false;
  int64_t start = worker_now();
  bool done = atr_executable_run(state.executable, (const void *const *)state.arguments, state.results, &state.options) ==
              ATR_OK;
  int64_t end = worker_now(), until = end + (end - start) * state.delay / 100;
  while (state.delay > 0 && worker_now() < until) continue;
  return done;
}

static const void *last_result(size_t *bytes) {
  if (state.executable == NULL) return NULL;
  *bytes = (size_t)atr_shape_bytes(atr_module_result_shape(state.module, 0));
  return state.results[0];
}

/* ---- comparisons */

static bool scan(const atr_module *module, conv_stats *stats) {
  char *text;
  if (atr_module_print(state.context, module, &text) != ATR_OK) return false;
  bool scanned = conv_scan(text, stats);
  atr_string_free(state.context, text);
  return scanned;
}

static void say_comparison(const compare_result *result, worker_reply *reply) {
  worker_say(reply, "ok same=%d elements=%lld largest=%.3g bound=%.3g", result->same, (long long)result->elements,
             result->largest, result->bound);
}

static void *interpret(const atr_module *module, const void *const *arguments) {
  void *out = worker_allocate((size_t)atr_shape_bytes(atr_module_result_shape(module, 0)));
  if (out != NULL && atr_module_interpret(state.context, module, arguments, &out) == ATR_OK) return out;
  free(out);
  return NULL;
}

/* The interpreter's result for the magnitudes of the arguments, which scale the bound. */
static void *interpret_magnitudes(const atr_module *module) {
  void *copies[MAX_ARRAYS] = {NULL}, *out = NULL;
  bool done = true;
  for (int32_t i = 0; done && i < atr_module_parameter_count(module); i++) {
    const atr_shape *shape = atr_module_parameter_shape(module, i);
    size_t bytes = (size_t)atr_shape_bytes(shape);
    copies[i] = worker_allocate(bytes);
    done = copies[i] != NULL;
    if (done) memcpy(copies[i], state.arguments[i], bytes);
    if (done) compare_magnitudes(shape, copies[i]);
  }
  if (done) out = interpret(module, (const void *const *)copies);
  for (int i = 0; i < MAX_ARRAYS; i++) free(copies[i]);
  return out;
}

/* The part of the result that starts at `at` (AxBx...) and has the box's extents, row major; free() it. */
static void *cut_result(const char *at, const atr_shape *box) {
  const atr_shape *whole = atr_module_result_shape(state.module, 0);
  int64_t from[ATR_MAX_RANK], to[ATR_MAX_RANK], offset = 0;
  if (box->rank != whole->rank || box->dtype != whole->dtype) return NULL;
  layout_of_shape(whole, from);
  layout_of_shape(box, to);
  for (int32_t d = 0; d < box->rank; d++) {
    char *end;
    int64_t first = strtoll(at, &end, 10);
    if (end == at || first < 0 || first + box->dims[d] > whole->dims[d]) return NULL;
    offset += first * from[d];
    at = *end == 'x' ? end + 1 : end;
  }
  void *cut = worker_allocate((size_t)atr_shape_bytes(box));
  if (cut != NULL) layout_copy(box, cut, to, (const char *)state.results[0] + offset, from);
  return cut;
}

static bool same_parameters(const atr_module *box) {
  if (atr_module_parameter_count(box) != atr_module_parameter_count(state.module)) return false;
  for (int32_t i = 0; i < atr_module_parameter_count(box); i++) {
    const atr_shape *a = atr_module_parameter_shape(box, i), *b = atr_module_parameter_shape(state.module, i);
    if (a->dtype != b->dtype || atr_shape_bytes(a) != atr_shape_bytes(b)) return false;
  }
  return true;
}

/* The fill makes sums exact, so most results are equal; only one that is not needs the bound, and the interpreter once more. */
static bool check_box(const atr_module *box, const char *at, worker_reply *reply) {
  const atr_shape *shape = atr_module_result_shape(box, 0);
  conv_stats stats;
  compare_result result = {.same = false};
  void *got = same_parameters(box) ? cut_result(at, shape) : NULL, *magnitudes = NULL;
  void *want = got != NULL ? interpret(box, (const void *const *)state.arguments) : NULL;
  bool done = want != NULL && scan(box, &stats);
  if (done) compare_arrays(shape, got, &(compare_reference){.want = want}, &stats, true, &result);
  if (done && !result.same) {
    magnitudes = interpret_magnitudes(box);
    done = magnitudes != NULL;
    if (done) compare_arrays(shape, got, &(compare_reference){.want = want, .magnitudes = magnitudes}, &stats, false, &result);
  }
  if (done) say_comparison(&result, reply);
  free(got);
  free(want);
  free(magnitudes);
  return done || worker_fail(reply, "the box does not fit the prepared module, or the interpreter failed: %s",
                             atr_context_message(state.context));
}

static bool check(const char *request, worker_reply *reply) {
  char path[4096], at[256];
  atr_module *box;
  if (state.executable == NULL || !worker_text(request, "file", path, sizeof path) ||
      !worker_text(request, "at", at, sizeof at))
    return worker_fail(reply, "check file=PATH at=PLACE, after prepare");
  if (!parse(path, &box, reply)) return false;
  bool done = check_box(box, at, reply);
  atr_module_destroy(box);
  return done;
}

static bool compare(const char *request, worker_reply *reply) {
  char path[4096];
  conv_stats stats;
  compare_result result;
  if (state.executable == NULL || !worker_text(request, "file", path, sizeof path) || !scan(state.module, &stats))
    return worker_fail(reply, "compare file=PATH, after prepare");
  const atr_shape *shape = atr_module_result_shape(state.module, 0);
  size_t bytes = (size_t)atr_shape_bytes(shape), len = 0;
  unsigned char *got = NULL;
  bool fits = file_read(path, &got, &len) == TOOL_DONE && len == bytes;
  if (fits) {
    compare_arrays(shape, got, &(compare_reference){.want = state.results[0]}, &stats, false, &result);
    say_comparison(&result, reply);
  }
  free(got);
  return fits || worker_fail(reply, "%s does not hold %zu bytes", path, bytes);
}

static bool other(const char *request, worker_reply *reply) {
  if (strncmp(request, "check ", 6) == 0) return check(request, reply);
  if (strncmp(request, "compare ", 8) == 0) return compare(request, reply);
  if (strcmp(request, "version") == 0) return worker_say(reply, "ok version=%s", atr_version()), true;
  return false;
}

int main(void) {
  static const worker atrous = {.prepare = prepare, .run = run, .output = last_result, .drop = drop, .other = other};
  atr_context_options options = {.size = sizeof options};
  if (atr_context_create(&options, &state.context) != ATR_OK) return 1;
  int status = worker_serve(&atrous);
  atr_context_destroy(state.context);
  return status;
}

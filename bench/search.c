/* search.c - how good the cost model's choices are: each against the best that a search over the schedule space finds.
 *
 * In: HLO files with parameters x and w (w constant). Out: a line per file,
 *
 *     row                            model ns    best ns  ratio  tried  best schedule
 *     resnet_3x3_64_56                2512044    2498731  1.005     96  y: parallel oy; ...
 *
 * and the geometric mean and the worst of the ratios. --all: also a line for every schedule that was timed, with the model's
 * words about it: what its constants are fitted to. --most=N schedules a nest, --seconds=S for the finalists of a nest,
 * --cpu=NAME for instructions of another CPU that this machine can run. What is measured are this machine's caches all the same, so that
 * the model is told of these.
 * Sees the library's internals, as unit tests do; what it times is what atr_compile_options.measure times, on one thread. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atrous/atrous.h"
#include "base/arena.h"
#include "compilation.h"
#include "lower/pipeline.h"
#include "measure.h"
#include "tools/file.h"
#include "tune/tune.h"

static void print_tried(void *user, const char *nest, const char *schedule, const char *why, double ns) {
  (void)user;
  printf("ALL\t%s\t%.0f\t%s\t%s\n", nest, ns, schedule, why != NULL ? why : "");
}

/* The target that atr_compile has for the CPU, NULL: this machine's, and with this machine's caches. */
static atr_status choose_target(atr_compilation *c) {
  atr_compilation here = {.context = c->context, .module = c->module, .work = {.arena = c->work.arena}};
  atr_status status = atr_compilation_choose_target(c);
  if (status == ATR_OK) status = atr_compilation_choose_target(&here);
  for (int i = 0; i < 2 && status == ATR_OK; i++) c->target.near_bytes[i] = atr_target_cache(&here.target, i);
  return status;
}

/* The same nests that atr_compile schedules for the target. */
static atr_status tune(atr_context *context, atr_measure *measure, atr_module *module, atr_arena *arena, const char *cpu,
                       const atr_tune_options *options, atr_tuned *out) {
  const atr_compile_options how = {.size = sizeof how, .constant_parameters = options->constant_parameters, .cpu = cpu};
  atr_compilation c = {.context = context, .module = module, .options = how, .work = {.arena = arena}};
  atr_program *problem;
  atr_lower_options lowering = {.target = &c.target, .constant_parameters = options->constant_parameters};
  atr_status status = choose_target(&c);
  if (status == ATR_OK) status = atr_lower_to_nests(&c.work, module, &lowering, &problem);
  *measure = (atr_measure){.context = context, .module = module, .options = how, .threads = 1};
  if (status == ATR_OK) status = atr_measure_init(&c.work, measure);
  atr_tune_bench bench = atr_measure_bench(measure);
  if (status == ATR_OK) status = atr_tune(&c.work, problem, &c.target, options, &bench, out);
  if (status != ATR_OK) fprintf(stderr, "%s\n", c.work.message != NULL ? c.work.message : "?");
  return status;
}

static void print_line(const char *path, const atr_tuned *tuned) {
  const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path, *suffix = strrchr(name, '.');
  printf("%-34.*s %11.0f %11.0f  %.3f %5d  ", (int)(suffix != NULL ? suffix - name : (long)strlen(name)), name, tuned->model_ns,
         tuned->best_ns, tuned->model_ns / tuned->best_ns, tuned->tried);
  for (const char *p = tuned->schedule; *p != '\0'; p++)
    if (*p != '\n') putchar(*p);
    else printf(" | ");
  printf("\n");
  fflush(stdout);
}

/* The ratio model / best of one file; 0: it failed. */
static double search_file(atr_context *context, const char *path, const char *cpu, const atr_tune_options *options) {
  atr_module *module;
  unsigned char *text;
  size_t len;
  if (file_read(path, &text, &len) != TOOL_DONE) return 0;
  bool parsed = atr_module_parse(context, path, (const char *)text, (int64_t)len, &module) == ATR_OK;
  free(text);
  if (!parsed) {
    fprintf(stderr, "%s\n", atr_context_message(context));
    return 0;
  }
  atr_measure measure = {.context = NULL};
  atr_arena arena;
  atr_arena_init(&arena, atr_default_realloc, NULL);
  atr_tuned tuned;
  double ratio = 0;
  if (setjmp(arena.guard) == 0 && tune(context, &measure, module, &arena, cpu, options, &tuned) == ATR_OK) {
    print_line(path, &tuned);
    ratio = tuned.model_ns / tuned.best_ns;
  }
  atr_measure_fini(&measure);
  atr_arena_fini(&arena);
  atr_module_destroy(module);
  return ratio;
}

int main(int argc, char **argv) {
  atr_context *context;
  atr_context_options options = {.size = sizeof options, .threads = 1};
  atr_tune_options how = {.constant_parameters = 2, .most = 96, .budget_ns = 3e8};
  double logs = 0, worst = 0;
  const char *cpu = NULL;
  int files = 0, failed = 0;
  if (atr_context_create(&options, &context) != ATR_OK) return 2;
  printf("%-34s %11s %11s  %5s %5s  %s\n", "row", "model ns", "best ns", "ratio", "tried", "best schedule");
  for (int i = 1; i < argc; i++) {
    if (sscanf(argv[i], "--most=%d", &how.most) == 1) continue;
    if (strcmp(argv[i], "--all") == 0) {
      how.tried = print_tried;
      continue;
    }
    if (strncmp(argv[i], "--seconds=", 10) == 0) {
      how.budget_ns = 1e9 * atof(argv[i] + 10);
      continue;
    }
    if (strncmp(argv[i], "--cpu=", 6) == 0) {
      cpu = argv[i] + 6;
      continue;
    }
    double ratio = search_file(context, argv[i], cpu, &how);
    failed += ratio == 0;
    if (ratio == 0) continue;
    files++;
    logs += log(ratio);
    if (ratio > worst) worst = ratio;
  }
  if (files > 0) printf("model / best: geometric mean %.3f, worst %.3f of %d\n", exp(logs / files), worst, files);
  atr_context_destroy(context);
  return failed > 0 || files == 0;
}

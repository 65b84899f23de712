/* cmd_bench.c - atrousc bench: how fast are compiled modules?
 *
 * Each module is compiled, run on random arguments once to warm up and then --repeat times, or for about half a second but at
 * least 10 times. A line per module and one for each nest that computes sums, or a JSON array:
 *
 *     conv.hlo  min 10240 ns  median 10311 ns  151.2 GFLOP/s  useful 143  0.969 of the f32 peak 156  compile 21.3 ms ...
 *       y: parallel oc; loop ox; reduce kx ic; unroll ky:3 oy:4 oc:2; vector oc:8; pack rhs
 *
 * GFLOP/s is by the least time and counts every product of the window; "useful" leaves out padding and holes (conv_scan.h). The
 * peak (peak.h) is measured right after each module, on as many threads but no more than cores, in f64 for modules with f64 or
 * c128 arrays and in f32 for all others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "file.h"
#include "job.h"
#include "peak.h"

enum { MIN_RUNS = 10, MAX_RUNS = 100000, ENOUGH_NS = 500000000, SEED = 1 };

typedef struct measurement {
  int64_t min_ns, median_ns, compile_ns, runs;
  size_t scratch, packed;
  conv_stats stats;
  bool is_double;
  peak peak;
  char *explained; /* what the library says of the executable; the nests' schedules are in it */
} measurement;

typedef struct bench {
  job j;
  arrays arguments, results;
  program p;
} bench;

/* `repeat` 0: as long as the head of this file says. */
static tool_exit time_runs(bench *b, int64_t repeat, measurement *m) {
  int64_t most = repeat != 0 ? repeat : MAX_RUNS, total = 0;
  int64_t *ns = malloc((size_t)most * sizeof *ns);
  if (ns == NULL) return report_out_of_memory();
  tool_exit code = program_run(&b->p, &b->j, &b->arguments, &b->results);
  for (m->runs = 0; code == TOOL_DONE && m->runs < most; m->runs++) {
    if (repeat == 0 && m->runs >= MIN_RUNS && total > ENOUGH_NS) break;
    int64_t start = time_now();
    code = program_run(&b->p, &b->j, &b->arguments, &b->results);
    ns[m->runs] = time_now() - start;
    total += ns[m->runs];
  }
  if (code == TOOL_DONE) {
    time_sort(ns, m->runs);
    m->min_ns = ns[0];
    m->median_ns = ns[(m->runs - 1) / 2];
  }
  free(ns);
  return code;
}

static bool has_double(const arrays *a) {
  for (int32_t i = 0; i < a->count; i++) {
    if (a->shapes[i]->dtype == ATR_F64 || a->shapes[i]->dtype == ATR_C128) return true;
  }
  return false;
}

static tool_exit measure(bench *b, const args *parsed, const char *path, measurement *m) {
  int64_t threads = 1, repeat = 0;
  tool_exit code = args_integer(parsed, OPTION_THREADS, 1, 1024, &threads);
  if (code == TOOL_DONE) code = args_integer(parsed, OPTION_REPEAT, 1, 10000000, &repeat);
  if (code == TOOL_DONE) code = job_open(&b->j, parsed, path, (int32_t)threads);
  if (code == TOOL_DONE) code = job_scan(&b->j, &m->stats);
  if (code == TOOL_DONE) code = arrays_make(&b->arguments, &b->j, false);
  if (code == TOOL_DONE) code = arrays_make(&b->results, &b->j, true);
  if (code != TOOL_DONE) return code;
  arrays_random(&b->arguments, 0, SEED, RANDOM_WIDE);
  int64_t start = time_now();
  code = program_make(&b->p, &b->j, &b->arguments);
  m->compile_ns = time_now() - start;
  if (code != TOOL_DONE) return code;
  m->scratch = atr_executable_scratch_size(b->p.executable);
  m->packed = atr_executable_packed_size(b->p.executable);
  code = job_report(&b->j, atr_executable_explain(b->j.context, b->p.executable, &m->explained));
  if (code == TOOL_DONE) code = time_runs(b, repeat, m);
  m->is_double = has_double(&b->arguments) || has_double(&b->results);
  if (code == TOOL_DONE) m->peak = peak_measure(m->is_double, 0, (int)threads);
  return code;
}

/* ---- printing ---------------------------------------------------------------------------------- */

/* A JSON string; bytes outside ASCII pass as the UTF-8 they are taken for. */
static void print_string(const char *text, size_t len) {
  putchar('"');
  for (size_t i = 0; i < len; i++) {
    if (text[i] == '"' || text[i] == '\\') printf("\\%c", text[i]);
    else if ((unsigned char)text[i] < ' ') printf("\\u%04x", (unsigned)text[i]);
    else putchar(text[i]);
  }
  putchar('"');
}

/* The schedules of the nests with a sum, out of explain's text:
 *
 *     nest NAME
 *       work      ...
 *       schedule  TEXT */
static void print_schedules(const char *explained, bool json) {
  const char *nest = NULL, *separator = "";
  size_t nest_len = 0;
  bool has_sum = false;
  for (const char *at = explained, *end; *at != 0; at = *end != 0 ? end + 1 : end) {
    end = at + strcspn(at, "\n");
    if (strncmp(at, "nest ", 5) == 0) nest = at + 5, nest_len = (size_t)(end - nest), has_sum = false;
    if (strncmp(at, "  work ", 7) == 0) has_sum = true;
    if (strncmp(at, "  schedule  ", 12) != 0 || nest == NULL || !has_sum) continue;
    if (json) {
      printf("%s", separator);
      print_string(nest, nest_len);
      printf(": ");
      print_string(at + 12, (size_t)(end - at - 12));
      separator = ", ";
    } else {
      printf("  %.*s: %.*s\n", (int)nest_len, nest, (int)(end - at - 12), at + 12);
    }
  }
}

static double per_ns(double flops, int64_t ns) { return flops / (double)(ns > 0 ? ns : 1); }

static void print_measurement(const char *name, const measurement *m, bool json, bool first) {
  double rate = per_ns(m->stats.flops, m->min_ns), useful = per_ns(m->stats.useful_flops, m->min_ns);
  double most = m->peak.flops * 1e-9;
  const char *dtype = m->is_double ? "f64" : "f32";
  if (!json) {
    printf("%s  min %lld ns  median %lld ns  %.4g GFLOP/s  useful %.4g  %.3f of the %s peak %.4g  compile %.1f ms  "
           "scratch %zu bytes\n",
           name, (long long)m->min_ns, (long long)m->median_ns, rate, useful, rate / most, dtype, most,
           (double)m->compile_ns * 1e-6, m->scratch);
    print_schedules(m->explained, false);
    return;
  }
  printf("%s\n  {\"name\": ", first ? "" : ",");
  print_string(name, strlen(name));
  printf(", \"min_ns\": %lld, \"median_ns\": %lld, \"runs\": %lld, \"compile_ns\": %lld, \"flops\": %.0f, "
         "\"useful_flops\": %.0f, \"gflops\": %.6g, \"useful_gflops\": %.6g, \"scratch_bytes\": %zu, \"packed_bytes\": %zu",
         (long long)m->min_ns, (long long)m->median_ns, (long long)m->runs, (long long)m->compile_ns, m->stats.flops,
         m->stats.useful_flops, rate, useful, m->scratch, m->packed);
  printf(", \"peak_dtype\": \"%s\", \"peak_gflops\": %.6g, \"share\": %.4g, \"schedules\": {", dtype, most, rate / most);
  print_schedules(m->explained, true);
  printf("}}");
}

tool_exit cmd_bench(const args *parsed) {
  tool_exit worst = TOOL_DONE;
  bool json = args_has(parsed, OPTION_JSON), first = true;
  if (json) putchar('[');
  for (int i = 0; i < parsed->file_count && worst != TOOL_USAGE; i++) {
    bench b;
    measurement m;
    memset(&b, 0, sizeof b);
    memset(&m, 0, sizeof m);
    tool_exit code = measure(&b, parsed, parsed->files[i], &m);
    if (code == TOOL_DONE) {
      print_measurement(b.j.path, &m, json, first);
      first = false;
      fflush(stdout);
    }
    if (code == TOOL_USAGE || code > worst) worst = code;
    if (m.explained != NULL) atr_string_free(b.j.context, m.explained);
    program_fini(&b.p);
    arrays_fini(&b.arguments);
    arrays_fini(&b.results);
    job_fini(&b.j);
  }
  if (json) printf("\n]\n");
  return worst;
}

/* cmd_bench.c - atrousc bench: how fast are compiled modules?
 *
 * Each module is compiled, run on random arguments once to warm up and then --repeat times, or for about half a second but at
 * least 10 times. One line per module (columns fit), or a JSON array:
 *
 *     conv.hlo  min 10240 ns  median 10311 ns  151.2 GFLOP/s  useful 143.0  compile 21.3 ms  scratch 0 bytes
 *
 * GFLOP/s is by the least time and counts every product of the window; "useful" leaves out padding and holes (conv_scan.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "file.h"
#include "job.h"

enum { MIN_RUNS = 10, MAX_RUNS = 100000, ENOUGH_NS = 500000000, SEED = 1 };

typedef struct measurement {
  int64_t min_ns, median_ns, compile_ns, runs;
  size_t scratch, packed;
  conv_stats stats;
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
  return time_runs(b, repeat, m);
}

/* A JSON string; bytes outside ASCII pass as the UTF-8 they are taken for. */
static void print_string(const char *text) {
  putchar('"');
  for (; *text != 0; text++) {
    if (*text == '"' || *text == '\\') printf("\\%c", *text);
    else if ((unsigned char)*text < ' ') printf("\\u%04x", (unsigned)*text);
    else putchar(*text);
  }
  putchar('"');
}

static double per_ns(double flops, int64_t ns) { return flops / (double)(ns > 0 ? ns : 1); }

static void print_measurement(const char *name, const measurement *m, bool json, bool first) {
  double rate = per_ns(m->stats.flops, m->min_ns), useful = per_ns(m->stats.useful_flops, m->min_ns);
  if (!json) {
    printf("%s  min %lld ns  median %lld ns  %.4g GFLOP/s  useful %.4g  compile %.1f ms  scratch %zu bytes\n", name,
           (long long)m->min_ns, (long long)m->median_ns, rate, useful, (double)m->compile_ns * 1e-6, m->scratch);
    return;
  }
  printf("%s\n  {\"name\": ", first ? "" : ",");
  print_string(name);
  printf(", \"min_ns\": %lld, \"median_ns\": %lld, \"runs\": %lld, \"compile_ns\": %lld, \"flops\": %.0f, "
         "\"useful_flops\": %.0f, \"gflops\": %.6g, \"useful_gflops\": %.6g, \"scratch_bytes\": %zu, \"packed_bytes\": %zu}",
         (long long)m->min_ns, (long long)m->median_ns, (long long)m->runs, (long long)m->compile_ns, m->stats.flops,
         m->stats.useful_flops, rate, useful, m->scratch, m->packed);
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
    program_fini(&b.p);
    arrays_fini(&b.arguments);
    arrays_fini(&b.results);
    job_fini(&b.j);
  }
  if (json) printf("\n]\n");
  return worst;
}

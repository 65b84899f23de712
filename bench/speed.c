/* speed.c - speed of the layers in bench/rows as shares of the FMA peak, which is measured in the same run beside every row.
 *
 * In: HLO files with parameters x and w (w constant, so packed once). Out: a table on stdout
 *
 *     row                        GFLOP/s   useful   share  compile ms
 *     resnet_3x3_64_56              90.1     88.0   0.962        31.2
 *     peak 93.7 GFLOP/s on 256-bit vectors, one thread; median compile 30.1 ms, worst 88.0 ms
 *
 * GFLOP/s counts every tap, also those that fall on padding (as papers do); useful counts those that exist. Time is the least of many
 * runs, one thread; pin it: taskset -c 0. A client of the public API. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "atrous/atrous.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the peak: independent multiply-adds in registers, on the widest vectors of this machine */

#define PEAK(NAME, TARGET, REGISTER, TYPE, LANES, BYTES, COUNT)                                                                \
  typedef float TYPE __attribute__((vector_size(BYTES)));                                                                      \
  TARGET static double NAME(int64_t steps) {                                                                                   \
    TYPE a[COUNT], b, c;                                                                                                       \
    for (int l = 0; l < LANES; l++) b[l] = 0.999f, c[l] = 1e-3f;                                                               \
    for (int i = 0; i < COUNT; i++) a[i] = b;                                                                                  \
    double start = now();                                                                                                      \
    for (int64_t s = 0; s < steps; s++) {                                                                                      \
      _Pragma("GCC unroll 24") for (int i = 0; i < COUNT; i++) a[i] = a[i] * b + c;                                            \
      __asm__ volatile("" : "+" REGISTER(b)); /* b might have changed: the loop stays */                                       \
    }                                                                                                                          \
    double seconds = now() - start;                                                                                            \
    float sum = 0;                                                                                                             \
    for (int i = 0; i < COUNT; i++) sum += a[i][0];                                                                            \
    return sum > 1e30f ? 0 : 2.0 * LANES * COUNT * (double)steps / seconds / 1e9;                                              \
  }

#if defined(__x86_64__)
PEAK(peak_avx512, __attribute__((target("avx512f"))), "v", v16, 16, 64, 24)
PEAK(peak_avx2, __attribute__((target("avx2,fma"))), "x", v8, 8, 32, 12)
#endif
#if defined(__x86_64__)
PEAK(peak_plain, , "x", v4, 4, 16, 12)
#else
PEAK(peak_plain, , "w", v4, 4, 16, 12)
#endif

static double measure_peak(int *bits) {
  const int64_t steps = 400000;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return *bits = 512, peak_avx512(steps);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return *bits = 256, peak_avx2(steps);
#endif
  *bits = 128;
  return peak_plain(steps);
}

/* ---- one row */

typedef struct row {
  const char *name;
  double counted, useful, seconds, compile_ms;
} row;

static char *read_text(const char *path) {
  FILE *file = fopen(path, "rb");
  static char text[1 << 16];
  if (file == NULL) return NULL;
  size_t len = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[len] = '\0';
  return text;
}

static void *filled(const atr_shape *shape) {
  size_t bytes = (size_t)atr_shape_bytes(shape);
  float *data = aligned_alloc(64, (bytes + 127) / 64 * 64);
  for (size_t i = 0; data != NULL && i < bytes / 4; i++) data[i] = (float)(i % 13) * 0.125f - 0.75f;
  return data;
}

/* Least time of one run: as many as fit in about half a second, at least ten. */
static double time_runs(const atr_executable *x, const void *const *args, void *const *results,
                        const atr_run_options *options) {
  double best = 1e9, start = now();
  for (int i = 0; i < 10 || now() - start < 0.5; i++) {
    double t = now();
    if (atr_executable_run(x, args, results, options) != ATR_OK) return -1;
    t = now() - t;
    if (t < best) best = t;
  }
  return best;
}

/* FLOPs of the module, from what explain says of its nests. */
static void count_flops(atr_context *context, const atr_executable *x, row *r) {
  char *text = NULL;
  if (atr_executable_explain(context, x, &text) != ATR_OK) return;
  for (const char *p = text; (p = strstr(p, "work ")) != NULL; p++) {
    double all, skipped;
    if (sscanf(p, "work %lf MFLOP, of which %lf", &all, &skipped) != 2) continue;
    r->counted += all * 1e6;
    r->useful += (all - skipped) * 1e6;
  }
  atr_string_free(context, text);
}

static int run_row(atr_context *context, const char *path, row *r) {
  atr_module *module;
  atr_executable *x;
  char *text = read_text(path);
  const char *slash = strrchr(path, '/');
  *r = (row){.name = slash != NULL ? slash + 1 : path};
  if (text == NULL || atr_module_parse(context, path, text, -1, &module) != ATR_OK) return 1;
  atr_compile_options compile = {.size = sizeof compile, .constant_parameters = 2};
  double start = now();
  if (atr_compile(context, module, &compile, &x) != ATR_OK) return 1;
  r->compile_ms = (now() - start) * 1e3;
  void *args[2] = {filled(atr_module_parameter_shape(module, 0)), filled(atr_module_parameter_shape(module, 1))};
  void *results[1] = {filled(atr_module_result_shape(module, 0))};
  size_t packed = atr_executable_packed_size(x), scratch = atr_executable_scratch_size(x);
  void *block = packed > 0 ? aligned_alloc(64, (packed + 63) / 64 * 64) : NULL,
       *work = scratch > 0 ? aligned_alloc(64, (scratch + 63) / 64 * 64) : NULL;
  atr_run_options run = {.size = sizeof run, .packed = block, .scratch = work, .threads = 1};
  int failed = packed > 0 && atr_executable_prepack(x, (const void *const *)args, block) != ATR_OK;
  if (!failed) r->seconds = time_runs(x, (const void *const *)args, results, &run);
  count_flops(context, x, r);
  free(args[0]), free(args[1]), free(results[0]), free(block), free(work);
  atr_executable_release(x);
  atr_module_destroy(module);
  return failed || r->seconds <= 0;
}

static int compare_ms(const void *a, const void *b) {
  double x = ((const row *)a)->compile_ms, y = ((const row *)b)->compile_ms;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  atr_context *context;
  atr_context_options options = {.size = sizeof options, .threads = 1};
  row *rows = calloc((size_t)argc, sizeof *rows);
  double peak = 0;
  int bits = 0, failed = 0;
  if (rows == NULL || argc < 2 || atr_context_create(&options, &context) != ATR_OK)
    return fprintf(stderr, "usage: speed FILE.hlo...\n"), 2;
  for (int i = 1; i < argc; i++) {
    for (int repeat = 0; repeat < 20; repeat++) {
      double p = measure_peak(&bits);
      if (p > peak) peak = p;
    }
    if (run_row(context, argv[i], &rows[i - 1]) == 0) continue;
    fprintf(stderr, "%s: %s\n", argv[i], atr_context_message(context));
    failed = 1;
  }
  printf("%-28s %8s %8s %7s %11s\n", "row", "GFLOP/s", "useful", "share", "compile ms");
  for (int i = 0; i < argc - 1; i++)
    printf("%-28.*s %8.1f %8.1f %7.3f %11.1f\n", (int)strcspn(rows[i].name, "."), rows[i].name,
           rows[i].counted / rows[i].seconds / 1e9, rows[i].useful / rows[i].seconds / 1e9,
           rows[i].counted / rows[i].seconds / 1e9 / peak, rows[i].compile_ms);
  qsort(rows, (size_t)argc - 1, sizeof *rows, compare_ms);
  printf("peak %.1f GFLOP/s on %d-bit vectors, one thread; median compile %.1f ms, worst %.1f ms\n", peak, bits,
         rows[(argc - 1) / 2].compile_ms, rows[argc - 2].compile_ms);
  free(rows);
  atr_context_destroy(context);
  return failed;
}

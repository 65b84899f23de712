/* aot.c - is code compiled ahead of time as fast as the JIT's?
 *
 * In: pairs of a module and a shared library made of it, whose function is called kernel and whose parameter 1 is constant:
 *
 *     atrousc compile conv.hlo -o conv.so --cpu=native --name=kernel --constant=1
 *     bench/aot conv.hlo conv.so ...
 *
 * Out: a line per pair with the least time of each, run by turns on one thread on the same arrays, and whether the results are the
 * same bits; then the geometric mean and the worst of the ratios. bench/aot.sh makes the libraries of the whole suite. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "atrous/atrous.h"
#include "tools/file.h"

enum { MOST_ARRAYS = 16, ROUNDS = 15 };

typedef int (*kernel_fn)(const void *const *args, void *const *results, void *scratch, const atr_host *host);
typedef int (*prepack_fn)(const void *const *args, void *packed, const atr_host *host);

typedef struct pair {
  atr_executable *jit;
  kernel_fn aot;
  void *library, *scratch, *packed_jit, *packed_aot;
  void *args[MOST_ARRAYS + 1], *jit_result, *aot_result;
  size_t result_bytes;
} pair;

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void *block(size_t bytes) { return aligned_alloc(64, (bytes + 127) / 64 * 64); }

static void *filled(const atr_shape *shape) {
  size_t bytes = (size_t)atr_shape_bytes(shape);
  unsigned char *data = block(bytes);
  for (size_t i = 0; data != NULL && i < bytes; i++) data[i] = shape->dtype == ATR_F32 ? 0 : (unsigned char)(i % 3);
  for (size_t i = 0; data != NULL && shape->dtype == ATR_F32 && i < bytes / 4; i++)
    ((float *)(void *)data)[i] = (float)(i % 13) * 0.125f - 0.75f;
  return data;
}

static atr_status compile(atr_context *context, const char *path, pair *p) {
  unsigned char *text;
  size_t len;
  atr_module *module;
  const atr_compile_options options = {.size = sizeof options, .constant_parameters = 2};
  if (file_read(path, &text, &len) != TOOL_DONE) return ATR_IO_ERROR;
  atr_status status = atr_module_parse(context, path, (const char *)text, (int64_t)len, &module);
  free(text);
  if (status != ATR_OK) return status;
  for (int i = 0; i < atr_module_parameter_count(module) && i < MOST_ARRAYS; i++)
    p->args[i] = filled(atr_module_parameter_shape(module, i));
  p->result_bytes = (size_t)atr_shape_bytes(atr_module_result_shape(module, 0));
  p->jit_result = block(p->result_bytes);
  p->aot_result = block(p->result_bytes);
  status = atr_compile(context, module, &options, &p->jit);
  atr_module_destroy(module);
  return status;
}

/* dlsym gives functions as data pointers. */
static bool find(void *library, const char *name, void *function, size_t size) {
  void *address = library != NULL ? dlsym(library, name) : NULL;
  if (address != NULL) memcpy(function, &address, size);
  return address != NULL;
}

static bool prepare(pair *p, const char *library) {
  prepack_fn prepack = NULL;
  size_t packed = atr_executable_packed_size(p->jit);
  p->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!find(p->library, "kernel", &p->aot, sizeof p->aot)) {
    fprintf(stderr, "%s\n", dlerror());
    return false;
  }
  p->scratch = block(atr_executable_scratch_size(p->jit));
  if (packed == 0) return true;
  p->packed_jit = block(packed);
  p->packed_aot = block(packed);
  if (atr_executable_prepack(p->jit, (const void *const *)p->args, p->packed_jit) != ATR_OK) return false;
  if (!find(p->library, "kernel_prepack", &prepack, sizeof prepack)) return false;
  if (prepack((const void *const *)p->args, p->packed_aot, NULL) != 0) return false;
  for (int i = 0; i < MOST_ARRAYS; i++)
    if (p->args[i] == NULL) {
      p->args[i] = p->packed_aot; /* behind the last parameter */
      break;
    }
  return true;
}

static double run(const pair *p, bool ahead) {
  const atr_run_options options = {.size = sizeof options, .packed = p->packed_jit, .scratch = p->scratch, .threads = 1};
  double start = now_ns();
  if (ahead) (void)p->aot((const void *const *)p->args, (void *const[]){p->aot_result}, p->scratch, NULL);
  else if (atr_executable_run(p->jit, (const void *const *)p->args, (void *const[]){p->jit_result}, &options) != ATR_OK)
    return 1e30;
  return now_ns() - start;
}

static void release(pair *p) {
  atr_executable_release(p->jit);
  if (p->library != NULL) dlclose(p->library);
  for (int i = 0; i < MOST_ARRAYS; i++)
    if (p->args[i] != p->packed_aot) free(p->args[i]);
  free(p->scratch), free(p->packed_jit), free(p->packed_aot), free(p->jit_result), free(p->aot_result);
}

/* Time of the object over that of the JIT; 0: it failed. */
static double compare(atr_context *context, const char *module, const char *library) {
  pair p = {.jit = NULL};
  double least[2] = {1e30, 1e30};
  if (compile(context, module, &p) != ATR_OK) fprintf(stderr, "%s: %s\n", module, atr_context_message(context));
  if (p.jit == NULL || !prepare(&p, library)) {
    release(&p);
    return 0;
  }
  double one = run(&p, true);
  int runs = one < 2e6 ? (int)(2e6 / one) + 1 : 1;
  for (int round = 0; round < ROUNDS; round++)
    for (int ahead = 0; ahead < 2; ahead++)
      for (int i = 0; i < runs; i++) least[ahead] = fmin(least[ahead], run(&p, ahead != 0));
  bool same = memcmp(p.jit_result, p.aot_result, p.result_bytes) == 0;
  const char *slash = strrchr(module, '/');
  printf("%-40s jit %11.0f ns  ahead %11.0f ns  %.3f%s\n", slash != NULL ? slash + 1 : module, least[0], least[1],
         least[1] / least[0], same ? "" : "  OTHER BITS");
  fflush(stdout);
  release(&p);
  return same ? least[1] / least[0] : 0;
}

int main(int argc, char **argv) {
  atr_context *context;
  const atr_context_options options = {.size = sizeof options, .threads = 1};
  double logs = 0, worst = 0;
  int pairs = 0, failed = 0;
  if (atr_context_create(&options, &context) != ATR_OK) return 2;
  for (int i = 1; i + 1 < argc; i += 2) {
    double ratio = compare(context, argv[i], argv[i + 1]);
    failed += ratio == 0;
    if (ratio == 0) continue;
    pairs++;
    logs += log(ratio);
    worst = fmax(worst, ratio);
  }
  if (pairs > 0) printf("ahead / jit: geometric mean %.3f, worst %.3f of %d\n", exp(logs / pairs), worst, pairs);
  atr_context_destroy(context);
  return failed > 0 || pairs == 0;
}

/* jax_hlo.c - runs a layer that JAX wrote as HLO, without JAX.
 *
 *     jax_hlo [FILE.hlo]        default: examples/jax_layer.hlo
 *
 * Parses the file, asks the module for its shapes, fills the parameters with element i = 7 i mod 11 - 5, compiles and runs.
 * For the layer in jax_layer.hlo JAX itself gave the sum below for these values (all sums are of small integers, so they are
 * exact). */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atrous/atrous.h"

/* sum over i of y[i] * (i mod 97) */
static const double SUM_BY_JAX = 5566532;

enum { MAX_PARAMETERS = 8 };

static void die(const char *what) {
  fprintf(stderr, "jax_hlo: %s\n", what);
  exit(1);
}

static void try(atr_context *context, atr_status status) {
  if (status != ATR_OK) die(atr_context_message(context));
}

static char *read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = calloc(1, 1 << 20);
  if (file == NULL || text == NULL) die("cannot read the file; name it as the argument");
  size_t len = fread(text, 1, (1 << 20) - 1, file);
  fclose(file);
  text[len] = '\0';
  return text;
}

static float *allocate(const atr_shape *shape) {
  if (shape->dtype != ATR_F32) die("this program fills f32 parameters only");
  float *values = calloc(1, (size_t)atr_shape_bytes(shape) + 1);
  if (values == NULL) die("out of memory");
  return values;
}

static void print_shape(const char *what, const atr_shape *shape) {
  printf("%s %s[", what, atr_dtype_name(shape->dtype));
  for (int d = 0; d < shape->rank; d++) printf("%s%lld", d > 0 ? "," : "", (long long)shape->dims[d]);
  printf("]\n");
}

int main(int argc, char **argv) {
  atr_context *context = NULL;
  atr_module *module = NULL;
  atr_executable *executable = NULL;
  const char *path = argc > 1 ? argv[1] : "examples/jax_layer.hlo";
  char *text = read_file(path);
  if (atr_context_create(NULL, &context) != ATR_OK) die("no context");
  try(context, atr_module_parse(context, path, text, -1, &module));
  if (atr_module_parameter_count(module) > MAX_PARAMETERS || atr_module_result_count(module) != 1)
    die("not a layer like jax_layer.hlo");

  float *args[MAX_PARAMETERS];
  for (int p = 0; p < atr_module_parameter_count(module); p++) {
    const atr_shape *shape = atr_module_parameter_shape(module, p);
    print_shape("parameter", shape);
    args[p] = allocate(shape);
    for (int64_t i = 0; i < atr_shape_elements(shape); i++) args[p][i] = (float)(i * 7 % 11 - 5);
  }
  const atr_shape *shape = atr_module_result_shape(module, 0);
  print_shape("result   ", shape);
  float *y = allocate(shape);

  try(context, atr_compile(context, module, NULL, &executable));
  try(context, atr_executable_run(executable, (const void *const *)args, (void *[]){y}, NULL));
  double sum = 0;
  for (int64_t i = 0; i < atr_shape_elements(shape); i++) sum += (double)y[i] * (double)(i % 97);
  printf("weighted sum %.0f, by JAX %.0f\n", sum, SUM_BY_JAX);

  for (int p = 0; p < atr_module_parameter_count(module); p++) free(args[p]);
  free(y);
  free(text);
  atr_executable_release(executable);
  atr_module_destroy(module);
  atr_context_destroy(context);
  return sum == SUM_BY_JAX ? 0 : 1;
}

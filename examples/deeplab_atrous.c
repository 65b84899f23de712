/* deeplab_atrous.c - a layer of DeepLab's pyramid: 3x3 taps at rate 12 on a 33x33 map, 256 to 256 channels, bias and ReLU.
 *
 * Shows the builder, a parameter that does not change between runs (the weights: packed once), the caller's own scratch
 * memory, and timing. At this rate 43 % of the products meet padding; they are not computed, so GFLOP/s is printed twice:
 * with all products of the window counted, as everybody does, and with those that are computed.
 *
 * The numbers are small integers, so that every sum is exact and the check can demand equality. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "atrous/atrous.h"

enum { SIZE = 33, CHANNELS = 256, TAPS = 3, RATE = 12, RUNS = 20 };
enum { MAP = SIZE * SIZE * CHANNELS, WEIGHTS = TAPS * TAPS * CHANNELS * CHANNELS };

static float x[MAP], w[WEIGHTS], bias[CHANNELS], y[MAP];

static void try(atr_context *context, atr_status status) {
  if (status == ATR_OK) return;
  fprintf(stderr, "%s\n", atr_context_message(context));
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static atr_module *make_module(atr_context *context) {
  atr_builder *b;
  atr_module *module = NULL;
  atr_shape map = atr_shape_make(ATR_F32, 4, (const int64_t[]){1, SIZE, SIZE, CHANNELS});
  atr_shape filter = atr_shape_make(ATR_F32, 4, (const int64_t[]){TAPS, TAPS, CHANNELS, CHANNELS});
  atr_shape row = atr_shape_make(ATR_F32, 1, (const int64_t[]){CHANNELS}), scalar = atr_shape_make(ATR_F32, 0, NULL);
  atr_conv_options options = {.size = sizeof options,
                              .lhs_spec = "NHWC",
                              .rhs_spec = "HWIO",
                              .out_spec = "NHWC",
                              .padding_kind = ATR_PADDING_SAME,
                              .rhs_dilation = (const int64_t[]){RATE, RATE}};
  try(context, atr_builder_create(context, "deeplab", &b));
  atr_value px = atr_build_parameter(b, "x", &map), pw = atr_build_parameter(b, "w", &filter);
  atr_value pb = atr_build_broadcast(b, atr_build_parameter(b, "bias", &row), &map, (const int64_t[]){3}, 1);
  atr_value zero = atr_build_broadcast(b, atr_build_constant(b, &scalar, &(const float){0}), &map, NULL, 0);
  atr_value sum = atr_build_elementwise(b, "add", (const atr_value[]){atr_build_conv(b, px, pw, &options), pb}, 2);
  atr_value relu = atr_build_elementwise(b, "maximum", (const atr_value[]){sum, zero}, 2);
  try(context, atr_builder_finish(b, &relu, 1, &module));
  atr_builder_destroy(b);
  return module;
}

/* Small integers from a linear congruential generator. */
static void fill(float *values, int count, uint32_t seed) {
  for (int i = 0; i < count; i++) {
    seed = seed * 1664525 + 1013904223;
    values[i] = (float)(int)(seed >> 24 & 7) - 3;
  }
}

/* One output pixel by the definition. Returns the number of taps inside the map. */
static int reference_pixel(int oy, int ox, float out[CHANNELS]) {
  int inside = 0;
  memcpy(out, bias, sizeof bias);
  for (int ky = 0; ky < TAPS; ky++)
    for (int kx = 0; kx < TAPS; kx++) {
      int iy = oy + (ky - 1) * RATE, ix = ox + (kx - 1) * RATE;
      if (iy < 0 || iy >= SIZE || ix < 0 || ix >= SIZE) continue;
      inside++;
      const float *pixel = x + (iy * SIZE + ix) * CHANNELS, *tap = w + (ky * TAPS + kx) * CHANNELS * CHANNELS;
      for (int ic = 0; ic < CHANNELS; ic++)
        for (int oc = 0; oc < CHANNELS; oc++) out[oc] += pixel[ic] * tap[ic * CHANNELS + oc];
    }
  for (int oc = 0; oc < CHANNELS; oc++) out[oc] = fmaxf(out[oc], 0);
  return inside;
}

/* Compares every pixel; *taps receives the number of taps inside the map over all of them. */
static bool check(int *taps) {
  float expected[CHANNELS];
  bool equal = true;
  *taps = 0;
  for (int pixel = 0; pixel < SIZE * SIZE; pixel++) {
    *taps += reference_pixel(pixel / SIZE, pixel % SIZE, expected);
    equal &= memcmp(expected, y + pixel * CHANNELS, sizeof expected) == 0;
  }
  return equal;
}

static void *allocate(size_t bytes, size_t alignment) {
  void *block = aligned_alloc(alignment, (bytes + alignment) / alignment * alignment);
  if (block == NULL) exit(1);
  return block;
}

int main(void) {
  atr_context *context = NULL;
  atr_executable *executable = NULL;
  if (atr_context_create(NULL, &context) != ATR_OK) return 1;
  atr_module *module = make_module(context);
  atr_compile_options options = {.size = sizeof options, .constant_parameters = 1 << 1}; /* w */
  try(context, atr_compile(context, module, &options, &executable));
  atr_module_destroy(module); /* the executable does not need it */

  fill(x, MAP, 1), fill(w, WEIGHTS, 2), fill(bias, CHANNELS, 3);
  const void *args[] = {x, w, bias};
  void *results[] = {y};
  size_t alignment = atr_executable_scratch_alignment(executable);
  void *packed = allocate(atr_executable_packed_size(executable), alignment);
  void *scratch = allocate(atr_executable_scratch_size(executable), alignment);
  try(context, atr_executable_prepack(executable, args, packed));
  atr_run_options run = {.size = sizeof run, .packed = packed, .scratch = scratch};

  double least = INFINITY;
  for (int i = 0; i < RUNS; i++) {
    double start = now();
    try(context, atr_executable_run(executable, args, results, &run));
    least = fmin(least, now() - start);
  }
  int taps;
  bool equal = check(&taps);
  double per_tap = 2 * CHANNELS * CHANNELS, all = per_tap * (SIZE * SIZE * TAPS * TAPS);
  printf("3x3 rate %d, %d -> %d channels, %dx%d: %.3f ms, %.1f GFLOP/s, %.1f of them needed; %s\n", RATE, CHANNELS, CHANNELS,
         SIZE, SIZE, 1e3 * least, all / least / 1e9, per_tap * taps / least / 1e9, equal ? "equal to the definition" : "WRONG");

  free(packed);
  free(scratch);
  atr_executable_release(executable);
  atr_context_destroy(context);
  return equal ? 0 : 1;
}

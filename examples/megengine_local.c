/* megengine_local.c - a layer with weights of its own at every pixel, as networks for aligned faces have: MegEngine's LocalConv2d.
 *
 * weight is (groups, OH, OW, in / groups, kh, kw, out / groups). The gradient for the images is a module again, checked here by
 * the equation that makes it one: <layer(x), g> = <x, gradient(g)> for any g. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "atrous/operators.h"

enum { N = 2, GROUPS = 2, IC = 4, OC = 3, IN = 9, OUT = 7, TAPS = 3 }; /* IC and OC of a group */

static const char *const CALL[] = {"inp=f32[2,8,9,9]", "in_channels=8", "out_channels=6", "input_height=9",
                                   "input_width=9",    "kernel_size=3", "groups=2"};

static float x[N][GROUPS * IC][IN][IN], w[GROUPS][OUT][OUT][IC][TAPS][TAPS][OC];
static float y[N][GROUPS * OC][OUT][OUT], g[N][GROUPS * OC][OUT][OUT], back[N][GROUPS * IC][IN][IN];

static void try(atr_context *context, atr_status status) {
  if (status == ATR_OK) return;
  fprintf(stderr, "%s\n", atr_context_message(context));
  exit(1);
}

static void run(atr_context *context, const atr_module *module, const void *const *args, void *result) {
  atr_executable *executable = NULL;
  try(context, atr_compile(context, module, NULL, &executable));
  try(context, atr_executable_run(executable, args, &result, NULL));
  atr_executable_release(executable);
}

static void fill(void *values, size_t bytes, uint32_t seed) {
  for (size_t i = 0; i < bytes / sizeof(float); i++) {
    seed = seed * 1664525 + 1013904223;
    ((float *)values)[i] = (float)(int)(seed >> 24 & 7) - 3;
  }
}

/* One output by the definition. */
static float expected(int n, int o, int oy, int ox) {
  int group = o / OC;
  float sum = 0;
  for (int ic = 0; ic < IC; ic++)
    for (int ky = 0; ky < TAPS; ky++)
      for (int kx = 0; kx < TAPS; kx++) sum += x[n][group * IC + ic][oy + ky][ox + kx] * w[group][oy][ox][ic][ky][kx][o % OC];
  return sum;
}

static int count_different(void) {
  int different = 0;
  for (int i = 0; i < N * GROUPS * OC * OUT * OUT; i++) {
    int n = i / (GROUPS * OC * OUT * OUT), o = i / (OUT * OUT) % (GROUPS * OC), oy = i / OUT % OUT, ox = i % OUT;
    different += y[n][o][oy][ox] != expected(n, o, oy, ox);
  }
  return different;
}

static int64_t dot(const void *a, const void *b, size_t bytes) {
  int64_t sum = 0;
  for (size_t i = 0; i < bytes / sizeof(float); i++) sum += (int64_t)(((const float *)a)[i] * ((const float *)b)[i]);
  return sum;
}

int main(void) {
  atr_context *context = NULL;
  atr_module *layer = NULL, *gradient = NULL;
  if (atr_context_create(NULL, &context) != ATR_OK) return 1;
  try(context, atr_import(context, "megengine.LocalConv2d", CALL, 7, &layer, NULL));
  try(context, atr_module_gradient(context, layer, 0, &gradient));
  fill(x, sizeof x, 1), fill(w, sizeof w, 2), fill(g, sizeof g, 3);
  run(context, layer, (const void *[]){x, w}, y);
  run(context, gradient, (const void *[]){x, w, g}, back);
  int64_t there = dot(y, g, sizeof y), here = dot(x, back, sizeof x);
  bool equal = count_different() == 0 && there == here;
  printf("unshared 3x3, %d weights: <y, g> = %" PRId64 " = <x, gradient>; %s\n", (int)(sizeof w / sizeof(float)), there,
         equal ? "equal to the definition" : "WRONG");
  atr_module_destroy(gradient);
  atr_module_destroy(layer);
  atr_context_destroy(context);
  return equal ? 0 : 1;
}

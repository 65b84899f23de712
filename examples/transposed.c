/* transposed.c - a transposed convolution, as a generator network has it: 4x4 taps, stride 2, 8x8 to 16x16 pixels.
 *
 * The transpose of a convolution with stride 2 and padding 1 is a convolution of the input with holes: lhs_dilation 2,
 * window reversed, padding 4 - 1 - 1. Three of four taps meet holes. The compiler splits the output into four phases, each a dense
 * 2x2 convolution, so that no hole is ever multiplied; this program asks explain how much work is left.
 *
 * The check scatters instead: every input pixel times the filter is added to the outputs that it reaches. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atrous/atrous.h"

enum { IN = 8, OUT = 16, IC = 32, OC = 16, TAPS = 4, STRIDE = 2, PAD = 1 };

static float x[IN][IN][IC], w[TAPS][TAPS][IC][OC], y[OUT][OUT][OC], expected[OUT][OUT][OC];

static void try(atr_context *context, atr_status status) {
  if (status == ATR_OK) return;
  fprintf(stderr, "%s\n", atr_context_message(context));
  exit(1);
}

static atr_module *make_module(atr_context *context) {
  atr_builder *b;
  atr_module *module = NULL;
  atr_shape map = atr_shape_make(ATR_F32, 4, (const int64_t[]){1, IN, IN, IC});
  atr_shape filter = atr_shape_make(ATR_F32, 4, (const int64_t[]){TAPS, TAPS, IC, OC});
  const int64_t pad = TAPS - 1 - PAD;
  atr_conv_options options = {.size = sizeof options,
                              .lhs_spec = "NHWC",
                              .rhs_spec = "HWIO",
                              .out_spec = "NHWC",
                              .padding = (const int64_t[][2]){{pad, pad}, {pad, pad}},
                              .lhs_dilation = (const int64_t[]){STRIDE, STRIDE},
                              .window_reversal = (const int32_t[]){1, 1}};
  try(context, atr_builder_create(context, "transposed", &b));
  atr_value px = atr_build_parameter(b, "x", &map), pw = atr_build_parameter(b, "w", &filter);
  atr_value py = atr_build_conv(b, px, pw, &options);
  try(context, atr_builder_finish(b, &py, 1, &module));
  atr_builder_destroy(b);
  return module;
}

static void fill(float *values, size_t count, uint32_t seed) {
  for (size_t i = 0; i < count; i++) {
    seed = seed * 1664525 + 1013904223;
    values[i] = (float)(int)(seed >> 24 & 7) - 3;
  }
}

/* Adds what input pixel (iy, ix) gives to the output. */
static void scatter(int iy, int ix) {
  for (int ky = 0; ky < TAPS; ky++)
    for (int kx = 0; kx < TAPS; kx++) {
      int oy = iy * STRIDE + ky - PAD, ox = ix * STRIDE + kx - PAD;
      if (oy < 0 || oy >= OUT || ox < 0 || ox >= OUT) continue;
      for (int ic = 0; ic < IC; ic++)
        for (int oc = 0; oc < OC; oc++) expected[oy][ox][oc] += x[iy][ix][ic] * w[ky][kx][ic][oc];
    }
}

/* Multiplications and additions of all nests of the executable, in MFLOP. */
static double count_work(atr_context *context, const atr_executable *executable) {
  static const char word[] = "\n  work ";
  char *text;
  double work = 0;
  try(context, atr_executable_explain(context, executable, &text));
  for (const char *at = text; (at = strstr(at, word)) != NULL;) work += strtod(at += sizeof word - 1, NULL);
  atr_string_free(context, text);
  return work;
}

int main(void) {
  atr_context *context = NULL;
  atr_executable *executable = NULL;
  if (atr_context_create(NULL, &context) != ATR_OK) return 1;
  atr_module *module = make_module(context);
  try(context, atr_compile(context, module, NULL, &executable));
  fill(&x[0][0][0], IN * IN * IC, 1);
  fill(&w[0][0][0][0], TAPS * TAPS * IC * OC, 2);
  try(context, atr_executable_run(executable, (const void *[]){x, w}, (void *[]){y}, NULL));

  for (int pixel = 0; pixel < IN * IN; pixel++) scatter(pixel / IN, pixel % IN);
  bool equal = memcmp(y, expected, sizeof y) == 0;
  double work = count_work(context, executable), naive = 2e-6 * (double)(OUT * OUT * OC * TAPS * TAPS * IC);
  printf("4x4 stride 2, transposed, %dx%dx%d -> %dx%dx%d: %.3f of %.3f MFLOP; %s\n", IN, IN, IC, OUT, OUT, OC, work, naive,
         equal ? "equal to scattering" : "WRONG");
  atr_executable_release(executable);
  atr_module_destroy(module);
  atr_context_destroy(context);
  return equal && work < 1.01 * naive / (double)(STRIDE * STRIDE) ? 0 : 1;
}

/* onnx_quantized.c - a layer of bytes: ONNX's QLinearConv with an activation behind it, as one kernel.
 *
 * x and w stand for real numbers, (x - 128) / 16 and w * scale[channel]. Scales and zero points are constants of the builder. The
 * kernel sums products of bytes in 32 bits and rounds once. The activation is a maximum with 10, the byte of 0, and is computed
 * behind the sum, not in a second pass.
 *
 * The check works with the real numbers. All scales are powers of two, so that it is exact. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "atrous/operators.h"

enum { SIZE = 12, IC = 16, OC = 8, TAPS = 3, X_ZERO = 128, Y_ZERO = 10 };

static const float X_SCALE = 1.0F / 16, Y_SCALE = 4;
static const float W_SCALE[OC] = {0.5F, 0.25F, 1, 0.5F, 2, 0.125F, 0.5F, 0.25F};

static uint8_t x[IC][SIZE][SIZE], y[OC][SIZE][SIZE];
static int8_t w[OC][IC][TAPS][TAPS];

static void try(atr_context *context, atr_status status) {
  if (status == ATR_OK) return;
  fprintf(stderr, "%s\n", atr_context_message(context));
  exit(1);
}

static atr_value number(atr_builder *b, atr_dtype dtype, const void *value) {
  atr_shape scalar = atr_shape_make(dtype, 0, NULL);
  return atr_build_constant(b, &scalar, value);
}

static atr_module *make_module(atr_context *context) {
  atr_builder *b;
  atr_module *module = NULL;
  atr_shape image = atr_shape_make(ATR_U8, 4, (const int64_t[]){1, IC, SIZE, SIZE});
  atr_shape result = atr_shape_make(ATR_U8, 4, (const int64_t[]){1, OC, SIZE, SIZE});
  atr_shape filter = atr_shape_make(ATR_S8, 4, (const int64_t[]){OC, IC, TAPS, TAPS});
  atr_shape channels = atr_shape_make(ATR_F32, 1, (const int64_t[]){OC});
  atr_onnx_conv_options options = {.size = sizeof options, .auto_pad = ATR_PADDING_SAME};
  try(context, atr_builder_create(context, "quantized", &b));
  atr_value zero = number(b, ATR_U8, &(const uint8_t){Y_ZERO});
  const atr_value inputs[9] = {atr_build_parameter(b, "x", &image),
                               number(b, ATR_F32, &X_SCALE),
                               number(b, ATR_U8, &(const uint8_t){X_ZERO}),
                               atr_build_parameter(b, "w", &filter),
                               atr_build_constant(b, &channels, W_SCALE),
                               number(b, ATR_S8, &(const int8_t){0}),
                               number(b, ATR_F32, &Y_SCALE),
                               zero};
  const atr_value both[] = {atr_onnx_qlinear_conv(b, inputs, &options), atr_build_broadcast(b, zero, &result, NULL, 0)};
  atr_value active = atr_build_elementwise(b, "maximum", both, 2);
  try(context, atr_builder_finish(b, &active, 1, &module));
  atr_builder_destroy(b);
  return module;
}

static void fill(void *bytes, size_t count, uint32_t seed) {
  for (size_t i = 0; i < count; i++) {
    seed = seed * 1664525 + 1013904223;
    ((uint8_t *)bytes)[i] = (uint8_t)(seed >> 24);
  }
}

/* One output by what the bytes stand for. */
static int expected(int oc, int oy, int ox) {
  double sum = 0;
  for (int ic = 0; ic < IC; ic++)
    for (int ky = 0; ky < TAPS; ky++)
      for (int kx = 0; kx < TAPS; kx++) {
        int iy = oy + ky - 1, ix = ox + kx - 1;
        if (iy < 0 || iy >= SIZE || ix < 0 || ix >= SIZE) continue;
        sum += (double)(x[ic][iy][ix] - X_ZERO) * (double)X_SCALE * (double)w[oc][ic][ky][kx] * (double)W_SCALE[oc];
      }
  return (int)fmin(255, rint(fmax(0, sum) / (double)Y_SCALE) + (double)Y_ZERO);
}

int main(void) {
  atr_context *context = NULL;
  atr_executable *executable = NULL;
  int different = 0, active = 0;
  if (atr_context_create(NULL, &context) != ATR_OK) return 1;
  atr_module *module = make_module(context);
  try(context, atr_compile(context, module, NULL, &executable));
  fill(x, sizeof x, 1);
  fill(w, sizeof w, 2);
  try(context, atr_executable_run(executable, (const void *[]){x, w}, (void *[]){y}, NULL));
  for (int i = 0; i < OC * SIZE * SIZE; i++) {
    int oc = i / (SIZE * SIZE), oy = i / SIZE % SIZE, ox = i % SIZE;
    different += y[oc][oy][ox] != expected(oc, oy, ox);
    active += y[oc][oy][ox] > Y_ZERO && y[oc][oy][ox] < 255;
  }
  printf("3x3 of bytes, %d -> %d channels: %d of %d results active; %s\n", IC, OC, active, OC * SIZE * SIZE,
         different == 0 ? "equal to the real numbers, rounded" : "WRONG");
  atr_executable_release(executable);
  atr_module_destroy(module);
  atr_context_destroy(context);
  return different == 0 ? 0 : 1;
}

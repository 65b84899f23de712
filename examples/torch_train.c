/* torch_train.c - trains a layer of torch.Conv2d without torch: initial values, forward pass, gradients, and steps downhill.
 *
 * The layer is given as torch's call. atr_module_gradient makes of it the modules of the gradients for weight and bias, which
 * are compiled like any other. The images' targets were made with Sobel's filter and a bias of 1/2, which the layer must find:
 *
 *     loss(weight, bias) = 1/2 mean (conv(images) - target)^2,  so the cotangent of conv(images) is (conv(images) - target) / n */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "atrous/operators.h"

enum { IMAGES = 4, SIZE = 16, TAPS = 3, INPUT = IMAGES * SIZE * SIZE, STEPS = 60 };
enum { WEIGHT = 1, BIAS = 2 }; /* numbers of torch's arrays */

static const char *const CALL[] = {"input=f32[4,1,16,16]", "in_channels=1", "out_channels=1", "kernel_size=3", "padding=same"};
static const float SOBEL[TAPS * TAPS] = {1, 0, -1, 2, 0, -2, 1, 0, -1}, SOBEL_BIAS = 0.5F;
static const float RATE = 1;

static float images[INPUT], target[INPUT], output[INPUT], cotangent[INPUT];
static float weight[TAPS * TAPS], bias, weight_gradient[TAPS * TAPS], bias_gradient;

static void try(atr_context *context, atr_status status) {
  if (status == ATR_OK) return;
  fprintf(stderr, "%s\n", atr_context_message(context));
  exit(1);
}

/* The layer, or with a parameter's number the gradient for it. */
static atr_executable *compile(atr_context *context, const atr_module *layer, int parameter) {
  atr_executable *executable = NULL;
  atr_module *gradient = NULL;
  if (parameter > 0) try(context, atr_module_gradient(context, layer, parameter, &gradient));
  try(context, atr_compile(context, parameter > 0 ? gradient : layer, NULL, &executable));
  atr_module_destroy(gradient);
  return executable;
}

/* Numbers in [-1, 1) from a linear congruential generator. */
static void fill(float *values, int count, uint32_t seed) {
  for (int i = 0; i < count; i++) {
    seed = seed * 1664525 + 1013904223;
    values[i] = (float)(seed >> 8) * 0x1p-23F - 1;
  }
}

/* Writes the cotangent and returns the loss. */
static double measure(void) {
  double sum = 0;
  for (int i = 0; i < INPUT; i++) {
    cotangent[i] = (output[i] - target[i]) / (float)INPUT;
    sum += 0.5 * (double)(output[i] - target[i]) * (double)cotangent[i];
  }
  return sum;
}

int main(void) {
  atr_context *context = NULL;
  atr_module *layer = NULL;
  if (atr_context_create(NULL, &context) != ATR_OK) return 1;
  try(context, atr_import(context, "torch.Conv2d", CALL, 5, &layer, NULL));
  atr_executable *forward = compile(context, layer, 0);
  atr_executable *by_weight = compile(context, layer, WEIGHT), *by_bias = compile(context, layer, BIAS);
  try(context, atr_torch_conv_init(1, atr_module_parameter_shape(layer, WEIGHT), weight,
                                   atr_module_parameter_shape(layer, BIAS), &bias));
  fill(images, INPUT, 1);
  try(context, atr_executable_run(forward, (const void *[]){images, SOBEL, &SOBEL_BIAS}, (void *[]){target}, NULL));

  const void *args[] = {images, weight, &bias, cotangent};
  double first = 0, loss = 0;
  for (int step = 0; step < STEPS; step++) {
    try(context, atr_executable_run(forward, args, (void *[]){output}, NULL));
    loss = measure();
    first = step == 0 ? loss : first;
    try(context, atr_executable_run(by_weight, args, (void *[]){weight_gradient}, NULL));
    try(context, atr_executable_run(by_bias, args, (void *[]){&bias_gradient}, NULL));
    for (int i = 0; i < TAPS * TAPS; i++) weight[i] -= RATE * weight_gradient[i];
    bias -= RATE * bias_gradient;
  }
  double error = fabs((double)(bias - SOBEL_BIAS));
  for (int i = 0; i < TAPS * TAPS; i++) error = fmax(error, fabs((double)(weight[i] - SOBEL[i])));
  printf("loss %.3f, after %d steps %.0e; %s\n", first, STEPS, loss, error < 1e-4 ? "Sobel's filter is found" : "WRONG");

  atr_executable_release(forward);
  atr_executable_release(by_weight);
  atr_executable_release(by_bias);
  atr_module_destroy(layer);
  atr_context_destroy(context);
  return error < 1e-4 ? 0 : 1;
}

/* fuzz_operators.c - hostile calls of other systems.
 *
 * In: bytes, as an operator and its pairs, one to a line. atr_import ends with a module or a diagnostic. A module is printed,
 * read and printed again to the same text, and its result is small enough to be named. plain.h has the command line. */
#include <stdlib.h>
#include <string.h>

#include "atrous/operators.h"
#include "plain.h"

enum { PAIRS_MAX = 32 };

/* Cuts the text at its line feeds; the number of lines. */
static int cut_lines(char *text, const char **lines) {
  int count = 0;
  while (text != NULL && count < PAIRS_MAX) {
    lines[count++] = text;
    text = strchr(text, '\n');
    if (text != NULL) *text++ = '\0';
  }
  return count;
}

/* The module's text reads back as itself. */
static void check_module(atr_context *context, const atr_module *module) {
  char *first, *second;
  atr_module *again;
  if (atr_module_print(context, module, &first) != ATR_OK) abort();
  if (atr_module_parse(context, "m", first, -1, &again) != ATR_OK || atr_module_print(context, again, &second) != ATR_OK)
    abort();
  if (strcmp(first, second) != 0) abort();
  atr_string_free(context, first);
  atr_string_free(context, second);
  atr_module_destroy(again);
}

static bool try_input(const uint8_t *data, size_t size) {
  const char *lines[PAIRS_MAX];
  char *text = malloc(size + 1);
  atr_context_options options = {.size = sizeof options, .threads = 1};
  atr_context *context;
  atr_module *module;
  if (text == NULL || atr_context_create(&options, &context) != ATR_OK) abort();
  memcpy(text, data, size);
  text[size] = '\0';
  int count = cut_lines(text, lines);
  atr_status status = atr_import(context, lines[0], lines + 1, count - 1, &module, NULL);
  if (status == ATR_INTERNAL || (status != ATR_OK && atr_context_message(context)[0] == '\0')) abort();
  if (status == ATR_OK) {
    check_module(context, module);
    atr_module_destroy(module);
  }
  atr_context_destroy(context);
  free(text);
  return status == ATR_OK;
}

static const char *const seeds[] = {
    "torch.Conv2d\ninput=f32[1,4,8,8]\nin_channels=4\nout_channels=6\nkernel_size=(3,2)\npadding='same'\ngroups=2\nstride=1",
    "torch.ConvTranspose2d\ninput=f16[4,8,8]\nin_channels=4\nout_channels=6\nkernel_size=3\nstride=2\noutput_size=(18,17)"
    "\ngroups=2",
    "mxnet.Deconvolution\ndata=f32[1,5,5,4]\nkernel=3\nstride=2\ntarget_shape=(9,10)\nlayout=NHWC\nnum_filter=6\nnum_group=2",
    "mxnet.Convolution\ndata=f64[1,4,8]\nkernel=(3,)\npad=(1,)\nnum_filter=6\ncudnn_tune=fastest\nbias=f64[6]\nworkspace=10",
    "megengine.LocalConv2d\ninp=f32[1,4,5,5]\nin_channels=4\nout_channels=6\ninput_height=5\ninput_width=5\nkernel_size="
    "3\ngroups=2",
    "megengine.Conv1d\ninp=f16[1,4,8]\nin_channels=4\nout_channels=6\nkernel_size=3\npadding=1\npadding_mode=reflect\ngroups=2",
    "jax.conv_general_dilated\nlhs=s8[3,9,8,2]\nrhs=s8[4,3,3,2]\nwindow_strides=(1,2)\npadding=((1,-1),(0,2))\n"
    "dimension_numbers=('CxyN','OIyx','xNCy')\npreferred_element_type=int32",
    "jax.conv_general_dilated_local\nlhs=f32[1,4,8]\nrhs=f32[6,12,8]\nwindow_strides=1\npadding=((1,1),)\nfilter_shape=3",
    "jax.conv_general_dilated_patches\nlhs=f32[1,2,8]\nwindow_strides=1\npadding=SAME\nfilter_shape=[3]\nprecision=HIGH",
    "jax.conv_transpose\nlhs=f32[1,8,4]\nrhs=f32[3,4,6]\nstrides=2\npadding=SAME\ntranspose_kernel=True\n"
    "dimension_numbers=ConvDimensionNumbers(lhs_spec=(0,2,1),rhs_spec=(1,2,0),out_spec=(0,2,1))",
    "onnx.Conv\nX=f32[1,4,8,8]\nW=f32[6,4,3,2]\nB=f32[6]\nauto_pad=SAME_LOWER\nstrides=[2,1]\nkernel_shape=3,2",
    "onnx.ConvTranspose\nX=f32[1,4,8]\nW=f32[4,6,3]\nstrides=2\noutput_shape=16\noutput_padding=1",
    "onnx.QLinearConv\nx=u8[1,4,8]\nx_scale=0.05\nx_zero_point=7\nw=s8[6,4,3]\nw_scale=f32[6]\nw_zero_point=[1,2,3,4,5,6]\n"
    "y_scale=0.1\ny_zero_point=s8[]:-3\nB=s32[6]\npads=(1,1)",
};

/* clang-format off */
static const char *const words[] = {
    "\n", "=", "(", ")", "[", "]", ",", ":", "'", "0", "1", "-1", "2147483647", "2147483648", "9223372036854775807", "1e9", "None",
    "True", "False", "same", "valid", "SAME", "VALID", "f32", "s8", "u8", "[]", "f32[1,4,8,8]", "f32[0,0,0]", "()", "(1,)", "NCHW",
    "stride=", "padding=", "dilation=", "groups=", "bias=", "pads=", "4611686018427387904", "dimension_numbers=",
};
/* clang-format on */

const fuzz_plan fuzz = {
    .name = "fuzz_operators",
    .seeds = seeds,
    .seed_count = FUZZ_COUNT(seeds),
    .words = words,
    .word_count = FUZZ_COUNT(words),
    .run = try_input,
};

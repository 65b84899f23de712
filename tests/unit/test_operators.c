/* test_operators.c - operators of other systems: what calls give, what they refuse, and that builders make what texts make.
 *
 * In: tests/data/operators.txt, calls with arrays and results that scripts/make-operator-vectors.py worked out with NumPy;
 * golden vectors of the systems themselves; calls that are wrong. Calls are read by atr_import and run by the interpreter,
 * exactly. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atrous/operators.h"
#include "support.h"

static atr_context *context;

static void setup(void) { ck_assert_int_eq(atr_context_create(NULL, &context), ATR_OK); }
static void teardown(void) { atr_context_destroy(context); }

enum { PAIRS_MAX = 32, ARRAYS_MAX = 4, NUMBERS_MAX = 8192 };

/* ---- running a call ---------------------------------------------------------------------------- */

static void store(atr_dtype dtype, void *data, int64_t i, double value) {
  switch ((int)dtype) {
  case ATR_F32: ((float *)data)[i] = (float)value; return;
  case ATR_S32: ((int32_t *)data)[i] = (int32_t)value; return;
  case ATR_S8: ((int8_t *)data)[i] = (int8_t)value; return;
  case ATR_U8: ((uint8_t *)data)[i] = (uint8_t)value; return;
  }
  ck_abort_msg("a dtype that the test does not fill");
}

static double load(atr_dtype dtype, const void *data, int64_t i) {
  switch ((int)dtype) {
  case ATR_F32: return (double)((const float *)data)[i];
  case ATR_S32: return ((const int32_t *)data)[i];
  case ATR_S8: return ((const int8_t *)data)[i];
  case ATR_U8: return ((const uint8_t *)data)[i];
  }
  ck_abort_msg("a dtype that the test does not read");
}

/* Numbers separated by blanks; all of the array. */
static void fill(const atr_shape *shape, const char *text, void *data, const char *where) {
  int64_t count = atr_shape_elements(shape);
  char *end;
  for (int64_t i = 0; i < count; i++, text = end) {
    double value = strtod(text, &end);
    ck_assert_msg(end != text, "%s: an array has %lld numbers instead of %lld", where, (long long)i, (long long)count);
    store(shape->dtype, data, i, value);
  }
  ck_assert_msg(text[strspn(text, " \n")] == '\0', "%s: an array has more than %lld numbers", where, (long long)count);
}

static atr_module *import_call(const char *op, const char *const *pairs, int count) {
  atr_module *module = NULL;
  atr_status status = atr_import(context, op, pairs, count, &module, NULL);
  ck_assert_msg(status == ATR_OK, "%s: %s", op, atr_context_message(context));
  return module;
}

/* data: one text for each parameter, then the result. */
static void check_call(const char *op, const char *const *pairs, int pair_count, const char *const *data, int data_count,
                       const char *where) {
  static _Alignas(16) char memory[ARRAYS_MAX + 1][8 * NUMBERS_MAX];
  atr_module *module = import_call(op, pairs, pair_count);
  int count = atr_module_parameter_count(module);
  ck_assert_msg(count + 1 == data_count && count <= ARRAYS_MAX, "%s: %d parameters", where, count);
  const void *args[ARRAYS_MAX];
  for (int i = 0; i < count; i++) {
    fill(atr_module_parameter_shape(module, i), data[i], memory[i], where);
    args[i] = memory[i];
  }
  const atr_shape *shape = atr_module_result_shape(module, 0);
  void *results[] = {memory[ARRAYS_MAX]}, *want = malloc(8 * NUMBERS_MAX);
  ck_assert_int_le(atr_shape_elements(shape), NUMBERS_MAX);
  fill(shape, data[count], want, where);
  ck_assert_int_eq(atr_module_interpret(context, module, args, results), ATR_OK);
  for (int64_t i = 0; i < atr_shape_elements(shape); i++)
    ck_assert_msg(load(shape->dtype, results[0], i) == load(shape->dtype, want, i), "%s: element %lld is %g, not %g", where,
                  (long long)i, load(shape->dtype, results[0], i), load(shape->dtype, want, i));
  free(want);
  atr_module_destroy(module);
}

/* ---- calls with answers from NumPy ------------------------------------------------------------- */

typedef struct block {
  char *op, *pairs[PAIRS_MAX], *data[ARRAYS_MAX + 2];
  int pair_count, data_count;
} block;

static void check_block(block *b, int number) {
  char where[64];
  snprintf(where, sizeof where, "case %d, %s", number, b->op);
  check_call(b->op, (const char *const *)b->pairs, b->pair_count, (const char *const *)b->data, b->data_count, where);
}

static void free_block(block *b) {
  free(b->op);
  for (int i = 0; i < b->pair_count; i++) free(b->pairs[i]);
  for (int i = 0; i < b->data_count; i++) free(b->data[i]);
  *b = (block){.op = NULL};
}

static char *copy_of(const char *text) {
  char *copy = strdup(text);
  copy[strcspn(copy, "\n")] = '\0';
  return copy;
}

START_TEST(test_vectors) {
  const char *source = getenv("ATROUS_SOURCE");
  char path[4096], *line = NULL;
  size_t size = 0;
  int number = 0;
  snprintf(path, sizeof path, "%s/tests/data/operators.txt", source != NULL ? source : ".");
  FILE *file = fopen(path, "r");
  ck_assert_msg(file != NULL, "cannot open %s", path);
  block b = {.op = NULL};
  while (getline(&line, &size, file) > 0) {
    if (strncmp(line, "call ", 5) == 0) b.op = copy_of(line + 5);
    else if (strncmp(line, "pair ", 5) == 0) b.pairs[b.pair_count++] = copy_of(line + 5);
    else if (strncmp(line, "data ", 5) == 0) b.data[b.data_count++] = copy_of(line + 5);
    else if (line[0] == '\n') {
      check_block(&b, number++);
      free_block(&b);
    }
    ck_assert(b.pair_count < PAIRS_MAX && b.data_count <= ARRAYS_MAX + 1);
  }
  ck_assert_int_gt(number, 80);
  free(line);
  fclose(file);
}
END_TEST

/* ---- answers of the systems themselves --------------------------------------------------------- */

typedef struct golden {
  const char *op;
  const char *pairs[10], *data[ARRAYS_MAX + 1];
} golden;

static const golden goldens[] = {
    /* the crop comes after the dilation */
    {"jax.conv_general_dilated",
     {"lhs=f32[1,1,4]", "rhs=f32[1,1,2]", "window_strides=1", "padding=((-1,0),)", "lhs_dilation=2"},
     {"1 2 3 4", "1 10", "20 2 30 3 40"}},
    /* conv_transpose: SAME 10, VALID 11, pairs (0,0) 7, consistent 11 */
    {"jax.conv_transpose",
     {"lhs=f32[1,5,1]", "rhs=f32[3,1,1]", "strides=2", "padding=SAME"},
     {"1 2 3 4 5", "1 10 100", "100 10 201 20 302 30 403 40 504 50"}},
    {"jax.conv_transpose",
     {"lhs=f32[1,5,1]", "rhs=f32[3,1,1]", "strides=(2,)", "padding=VALID", "dimension_numbers=('NHC','HIO','NHC')"},
     {"1 2 3 4 5", "1 10 100", "100 10 201 20 302 30 403 40 504 50 5"}},
    {"jax.conv_transpose",
     {"lhs=f32[1,5,1]", "rhs=f32[3,1,1]", "strides=2", "padding=[(0,0)]"},
     {"1 2 3 4 5", "1 10 100", "201 20 302 30 403 40 504"}},
    {"jax.conv_transpose",
     {"lhs=f32[1,5,1]", "rhs=f32[3,1,1]", "strides=2", "padding=((0,0),)", "use_consistent_padding=True",
      "transpose_kernel=True"},
     {"1 2 3 4 5", "1 10 100", "1 10 102 20 203 30 304 40 405 50 500"}},
    /* the unshared weights' features are channel slowest, then the window in the order of rhs */
    {"jax.conv_general_dilated_local",
     {"lhs=f32[1,2,2]", "rhs=f32[1,4,1]", "window_strides=1", "padding=VALID", "filter_shape=(2,)"},
     {"1 2 3 4", "1 10 100 1000", "4321"}},
    {"jax.conv_general_dilated_patches",
     {"lhs=f32[1,2,3]", "filter_shape=2", "window_strides=1", "padding=valid"},
     {"1 2 3 4 5 6", "1 2 2 3 4 5 5 6"}},
    /* filter_shape goes by places in rhs, all else by the list: 1x2 elements, stride 1x2, padding in front of the columns */
    {"jax.conv_general_dilated_patches",
     {"lhs=f32[1,1,3,4]", "filter_shape=(2,1)", "window_strides=(1,2)", "padding=((0,0),(1,0))",
      "dimension_numbers=ConvDimensionNumbers(lhs_spec=(0,1,2,3), rhs_spec=(0,1,3,2), out_spec=(0,1,2,3))"},
     {"1 2 3 4 5 6 7 8 9 10 11 12", "0 2 0 6 0 10 1 3 5 7 9 11"}},
    {"jax.conv_general_dilated_local",
     {"lhs=f32[1,1,3,4]", "rhs=f32[1,2,2,3]", "filter_shape=(2,1)", "window_strides=(1,2)", "padding=((0,0),(1,0))",
      "dimension_numbers=ConvDimensionNumbers(lhs_spec=(0,1,2,3), rhs_spec=(0,1,3,2), out_spec=(0,1,2,3))"},
     {"1 2 3 4 5 6 7 8 9 10 11 12", "1 2 3 4 5 6 7 8 9 10 11 12", "7 38 40 107 81 192"}},
    /* integers wrap in their own dtype, or are widened first */
    {"jax.conv_general_dilated",
     {"lhs=s8[1,4,1]", "rhs=s8[1,4,1]", "window_strides=1", "padding=VALID"},
     {"100 100 100 100", "100 100 100 100", "64"}},
    {"jax.conv_general_dilated",
     {"lhs=u8[1,1,1]", "rhs=u8[1,1,1]", "window_strides=1", "padding=VALID", "preferred_element_type=int32"},
     {"200", "200", "40000"}},
    {"jax.conv_general_dilated",
     {"lhs=f32[1,2,1]", "rhs=f32[1,2,1]", "window_strides=1", "padding=SAME", "precision=('highest',Precision.DEFAULT)",
      "dimension_numbers=ConvDimensionNumbers(lhs_spec=(0,2,1), rhs_spec=(0,2,1), out_spec=(0,2,1))"},
     {"1 2", "3 4", "11 6"}},
    /* torch puts the extra zero of 'same' on the right */
    {"torch.conv1d", {"input=f32[1,1,4]", "weight=f32[1,1,4]", "padding='same'"}, {"1 0 0 0", "1 2 3 4", "2 1 0 0"}},
    {"torch.conv1d", {"input=f32[1,1,3]", "weight=f32[1,1,2]", "padding=same", "bias=None"}, {"1 0 0", "1 2", "1 0 0"}},
    {"torch.ConvTranspose1d",
     {"input=f32[1,2]", "in_channels=1", "out_channels=1", "kernel_size=2", "dilation=3", "stride=2", "output_padding=2",
      "bias=False"},
     {"1 2", "1 10", "1 0 2 10 0 20 0 0"}},
    {"torch.ConvTranspose1d",
     {"input=f32[1,1,2]", "in_channels=1", "out_channels=1", "kernel_size=3", "stride=2", "bias=False", "output_size=(1,1,6)"},
     {"1 2", "1 10 100", "1 10 102 20 200 0"}},
    /* ONNX: only SAME_UPPER cuts the smaller half off in front */
    {"onnx.ConvTranspose",
     {"X=f32[1,1,5]", "W=f32[1,1,3]", "strides=2", "output_shape=10", "auto_pad=SAME_UPPER"},
     {"1 2 3 4 5", "1 10 100", "1 10 102 20 203 30 304 40 405 50"}},
    {"onnx.ConvTranspose",
     {"X=f32[1,1,5]", "W=f32[1,1,3]", "strides=2", "output_shape=10"},
     {"1 2 3 4 5", "1 10 100", "10 102 20 203 30 304 40 405 50 500"}},
    {"onnx.ConvTranspose",
     {"X=f32[1,1,4]", "W=f32[1,1,2]", "strides=2", "output_shape=9", "auto_pad=SAME_UPPER"},
     {"1 2 3 4", "1 10", "1 10 2 20 3 30 4 40 0"}},
    {"onnx.ConvTranspose", {"X=f32[1,1,2]", "W=f32[1,1,1]", "strides=3", "auto_pad=SAME_LOWER"}, {"1 2", "5", "5 0 0 10"}},
    /* zero points: padding is the zero point, not 0 */
    {"onnx.QLinearConv",
     {"x=u8[1,1,3]", "x_scale=1", "x_zero_point=2", "w=s8[1,1,3]", "w_scale=1", "w_zero_point=0", "y_scale=1", "y_zero_point=0",
      "pads=1"},
     {"4 4 4", "1 1 1", "4 6 4"}},
    /* 1.5 4.5 7.5 190.5 -192: halves to even, then the zero point, then the range of y */
    {"onnx.QLinearConv",
     {"x=s8[1,1,5]", "x_scale=f32[]", "x_zero_point=0", "w=s8[1,1,1]", "w_scale=[1]", "w_zero_point=0", "y_scale=f32[]",
      "y_zero_point=s8[]:1"},
     {"1 3 5 127 -128", "0.5", "3", "1", "3 5 9 127 -128"}},
    {"mxnet.Deconvolution",
     {"data=f32[1,1,4]", "kernel=(3,)", "stride=(2,)", "num_filter=1", "target_shape=(8,)", "pad=(2,)"},
     {"1 2 3 4", "1 10 100", "10 102 20 203 30 304 40 400"}},
};

START_TEST(test_goldens) {
  const golden *g = &goldens[_i];
  int pairs = 0, data = 0;
  while (pairs < COUNT(g->pairs) && g->pairs[pairs] != NULL) pairs++;
  while (data < COUNT(g->data) && g->data[data] != NULL) data++;
  check_call(g->op, g->pairs, pairs, g->data, data, g->op);
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------- */

#define TORCH "torch.Conv2d", {"input=f32[1,4,8,8]", "in_channels=4", "out_channels=6", "kernel_size=3"}
#define TORCH_T "torch.ConvTranspose2d", {"input=f32[1,4,8,8]", "in_channels=4", "out_channels=6", "kernel_size=3"}
#define MXNET "mxnet.Convolution", {"data=f32[1,4,8,8]", "kernel=3", "num_filter=6"}
#define MXNET_D "mxnet.Deconvolution", {"data=f32[1,4,8,8]", "kernel=3", "num_filter=6"}
#define MEGENGINE "megengine.Conv2d", {"inp=f32[1,4,8,8]", "in_channels=4", "out_channels=6", "kernel_size=3"}
#define MEGENGINE_T "megengine.ConvTranspose2d", {"inp=f32[1,4,8,8]", "in_channels=4", "out_channels=6", "kernel_size=3"}
#define LOCAL                                                                                                                  \
  "megengine.LocalConv2d",                                                                                                     \
      {"inp=f32[1,4,8,8]", "in_channels=4", "out_channels=6", "kernel_size=3", "input_height=8", "input_width=8"}
#define JAX "jax.conv_general_dilated", {"lhs=f32[1,4,8,8]", "rhs=f32[6,4,3,3]", "window_strides=1", "padding=VALID"}
#define JAX_L                                                                                                                  \
  "jax.conv_general_dilated_local",                                                                                            \
      {"lhs=f32[1,4,8,8]", "rhs=f32[6,36,6,6]", "window_strides=1", "padding=VALID", "filter_shape=3"}
#define JAX_T "jax.conv_transpose", {"lhs=f32[1,8,8,4]", "rhs=f32[3,3,4,6]", "strides=2", "padding=VALID"}
#define ONNX "onnx.Conv", {"X=f32[1,4,8,8]", "W=f32[6,4,3,3]"}
#define ONNX_T "onnx.ConvTranspose", {"X=f32[1,4,8,8]", "W=f32[4,6,3,3]"}
#define INTEGER "onnx.ConvInteger", {"x=u8[1,4,8,8]", "w=s8[6,4,3,3]"}
#define LINEAR                                                                                                                 \
  "onnx.QLinearConv", {"x=u8[1,4,8,8]", "x_scale=1",      "x_zero_point=0", "w=s8[6,4,3,3]",                                   \
                       "w_scale=1",     "w_zero_point=0", "y_scale=1",      "y_zero_point=0"}

/* The good call of the operator, with one pair put in place of that of the same name, or behind the others. */
static const struct bad {
  const char *op, *pairs[10], *wrong, *message;
} bads[] = {
    /* the form of a call */
    {"torch.conv4d",
     {NULL},
     NULL,
     "there is no operator 'torch.conv4d'; did you mean 'torch.conv1d', 'torch.conv2d' or 'torch.conv3d'?"},
    {TORCH, "strid=2", "torch.Conv2d: there is no attribute 'strid'; did you mean 'stride', "},
    {TORCH, "stride", "expected name=value, got 'stride'"},
    {TORCH, "stride=", "stride=: expected a value at the end"},
    {TORCH, "stride=(1,2", "stride=(1,2: expected ',' or ')' at the end"},
    {TORCH, "stride=[1,2)", "expected ',' or ']' at ')'"},
    {TORCH, "padding='same", "expected a closing quote"},
    {TORCH, "stride=1 2", "expected ',' at '2'"},
    {TORCH, "stride=((((((((((1))))))))))", "expected fewer brackets"},
    {TORCH, "stride=9999999999999999999", "allowed: 2 integers from 1, or one for all"},
    /* arrays */
    {"torch.Conv2d", {NULL}, NULL, "input is missing: its type has the shape (N, C, spatial...) or (C, spatial...)"},
    {TORCH, "input=f32(1,4,8,8)", "input=f32(1,4,8,8); allowed: a type, as f32[1,3,8,8], of shape (N, C, "},
    {TORCH, "input=f31[1,4,8,8]", "input=f31[1,4,8,8]; allowed: a type"},
    {TORCH, "input=f32[1,4,-8,8]", "allowed: a type"},
    {TORCH, "input=f32[4611686018427387904,4,8,8]", "allowed: a type"},
    {TORCH, "input=f32[1,1,4,8,8]", "input is f32[1,1,4,8,8], but it must have rank 4 (N, C, ...) or 3 (C, ...)"},
    {TORCH, "input=pred[1,4,8,8]", "input is pred[1,4,8,8], but it must be of "},
    {TORCH, "input=f32[1,4,0,8]", "spatial dimension 0 of input is empty"},
    {TORCH, "weight=f32[6,4,3,4]",
     "weight is f32[6,4,3,4], but it must be f32[6,4,3,3]: (out_channels, in_channels / groups, kernel_size...)"},
    {TORCH, "weight=f32[6,4,3]", "weight is f32[6,4,3], but it must have rank 4"},
    {TORCH, "weight=f64[6,4,3,3]", "weight is f64[6,4,3,3], but it must be f32[6,4,3,3]"},
    {TORCH, "bias=f32[5]", "bias is f32[5], but it must be f32[6]: (out_channels)"},
    {"torch.conv2d", {"input=f32[1,4,8,8]"}, NULL, "weight is missing"},
    {"torch.conv2d",
     {"input=f32[1,4,8,8]", "weight=f32[6,4,0,3]"},
     NULL,
     "the kernel has extent 0 in spatial dimension 0; allowed: from 1"},
    /* torch */
    {"torch.Conv2d", {"input=f32[1,4,8,8]"}, NULL, "in_channels is missing; allowed: an integer from 1"},
    {TORCH, "in_channels=5", "in_channels=5, but input is f32[1,4,8,8] with 4 channels"},
    {TORCH, "out_channels=0", "out_channels=0; allowed: an integer from 1"},
    {TORCH, "kernel_size=(3,3,3)", "kernel_size=(3,3,3); allowed: 2 integers from 1, or one for all"},
    {TORCH, "kernel_size=9",
     "spatial dimension 0: the kernel, which takes 9 elements with its dilation, is larger than the padded input, "},
    {TORCH, "stride=(1,0)", "stride=(1,0); allowed: 2 integers from 1, or one for all"},
    {TORCH, "padding=-1", "padding=-1; allowed: valid, same, or 2 integers from 0, or one for all"},
    {TORCH, "padding=full", "padding=full; allowed: valid, same, or "},
    {TORCH, "dilation=0.5", "dilation=0.5; allowed: 2 integers from 1"},
    {TORCH, "dilation=4", "the kernel, which takes 9 elements with its dilation"},
    {TORCH, "groups=3", "groups=3 does not divide the 4 input channels"},
    {TORCH, "groups=4", "groups=4 does not divide the 6 output channels"},
    {TORCH, "bias=yes", "bias=yes; allowed: True, False"},
    {TORCH, "dtype=f16", "dtype=f16, but input is f32[1,4,8,8]; they must be equal"},
    {TORCH, "dtype=f33", "dtype=f33; allowed: None or a dtype, as f32 or float32"},
    {TORCH, "padding_mode=wrap", "padding_mode=wrap; allowed: zeros, reflect, replicate, circular"},
    {TORCH, "allow_tf32=2", "allow_tf32=2; allowed: True, False"},
    {TORCH, "deterministic=None", "deterministic=None; allowed: True, False"},
    {TORCH_T, "output_padding=1", "output_padding=1 in spatial dimension 0; it must be below stride 1 or dilation 1"},
    {TORCH_T, "output_size=11", "output_size=11 in spatial dimension 0; allowed: from 10 to 10"},
    {TORCH_T, "output_size=(1,1,1,10,10)", "output_size=(1,1,1,10,10); allowed: 2 integers from 1"},
    {TORCH_T, "padding=same", "padding=same; allowed: 2 integers from 0, or one for all"},
    {TORCH_T, "padding=6", "the padding leaves an output of extent -2 in spatial dimension 0"},
    {TORCH_T, "padding_mode=reflect", "padding_mode=reflect; allowed: zeros"},
    /* mxnet */
    {MXNET, "data=s8[1,4,8,8]", "data is s8[1,4,8,8], but it must be of f16, bf16, f32 or f64"},
    {MXNET, "data=f32[1,4,8,8,8,8]", "data is f32[1,4,8,8,8,8], but it must have 1 to 3 spatial dimensions"},
    {MXNET, "kernel=()", "kernel=(); allowed: 2 integers from 1, or one for all"},
    {MXNET, "stride=0", "stride=0; allowed: 2 integers from 1"},
    {MXNET, "dilate=(1,1,1)", "dilate=(1,1,1); allowed: 2 integers from 1"},
    {MXNET, "pad=x", "pad=x; allowed: 2 integers from 0"},
    {MXNET, "num_filter=(6,)", "num_filter=(6,); allowed: an integer from 1"},
    {MXNET, "num_group=3", "num_group=3 does not divide the 4 input channels"},
    {MXNET, "num_group=0", "num_group=0; allowed: an integer from 1"},
    {MXNET, "workspace=-1", "workspace=-1; allowed: an integer from 0"},
    {MXNET, "no_bias=maybe", "no_bias=maybe; allowed: True, False"},
    {MXNET, "cudnn_tune=fast", "cudnn_tune=fast; allowed: None, off, limited_workspace, fastest"},
    {MXNET, "cudnn_off=off", "cudnn_off=off; allowed: True, False"},
    {MXNET, "layout=NCW", "layout has 1 spatial dimensions, but data is f32[1,4,8,8] with 2"},
    {MXNET, "layout=CHWN", "layout=CHWN; allowed: None, NCW, NCHW, NCDHW, NWC, NHWC, NDHWC"},
    {MXNET_D, "layout=NWC", "layout=NWC; allowed: None, NCW, NCHW, NCDHW, NHWC, NDHWC"},
    {MXNET_D, "adj=1", "adj=1 in spatial dimension 0; allowed: from 0 to stride - 1, which is 0"},
    {MXNET_D, "adj=-1", "adj=-1; allowed: 2 integers from 0"},
    {MXNET_D, "target_shape=11", "target_shape=11 in spatial dimension 0; at most 10 can be reached"},
    {MXNET_D, "target_shape=9", "target_shape wants adj=1 in spatial dimension 0"},
    /* megengine */
    {MEGENGINE, "inp=f32[4,8,8]", "inp is f32[4,8,8], but it must have rank 4 (N, C, ...)"},
    {MEGENGINE, "conv_mode=convolution", "conv_mode=convolution; allowed: cross_correlation"},
    {MEGENGINE, "compute_mode=float32", "compute_mode='float32' is for f16, but inp is f32[1,4,8,8]"},
    {MEGENGINE, "compute_mode=float16", "compute_mode=float16; allowed: default, float32"},
    {MEGENGINE, "padding_mode=circular", "padding_mode=circular; allowed: zeros, reflect, replicate"},
    {MEGENGINE, "weight=f32[4,6,3,3]", "weight is f32[4,6,3,3], but it must be f32[6,4,3,3]"},
    {MEGENGINE, "bias=f32[6]", "bias is f32[6], but it must be f32[1,6,1,1]: (1, out, 1...)"},
    {MEGENGINE_T, "output_padding=1", "output_padding=1 in spatial dimension 0; it must be below stride 1"},
    {LOCAL, "input_height=7", "input_height=7, but inp is f32[1,4,8,8]"},
    {LOCAL, "input_width=7", "input_width=7, but inp is f32[1,4,8,8]"},
    {LOCAL, "weight=f32[1,8,8,4,3,3,6]", "weight is f32[1,8,8,4,3,3,6], but it must be f32[1,6,6,4,3,3,6]"},
    {LOCAL, "bias=True", "there is no attribute 'bias'"},
    /* jax */
    {"jax.conv_general_dilated",
     {"lhs=f32[8]"},
     "rhs=f32[8]",
     "lhs is f32[8], but it must have from 0 to 8 spatial dimensions"},
    {"jax.conv_general_dilated", {"lhs=f32[1,4,8]", "rhs=f32[6,4,3]"}, NULL, "window_strides is missing"},
    {JAX, "rhs=f64[6,4,3,3]", "lhs is of f32 and rhs of f64; they must be equal"},
    {JAX, "rhs=f32[6,4,3]", "lhs and rhs must have the same rank"},
    {JAX, "window_strides=(1,1,1)", "window_strides=(1,1,1); allowed: 2 integers from 1"},
    {JAX, "padding=FULL", "padding=FULL; allowed: VALID, SAME, SAME_LOWER, or 2 pairs (low, high)"},
    {JAX, "padding=(1,1)", "padding=(1,1); allowed: VALID, SAME, SAME_LOWER, or 2 pairs (low, high)"},
    {JAX, "lhs_dilation=0", "lhs_dilation=0; allowed: 2 integers from 1"},
    {JAX, "rhs_dilation=(2,)", "rhs_dilation=(2,); allowed: 2 integers from 1"},
    {JAX, "feature_group_count=0", "feature_group_count=0; allowed: an integer from 1"},
    {JAX, "batch_group_count=2.5", "batch_group_count=2.5; allowed: an integer from 1"},
    {JAX, "dimension_numbers=NCHW", "dimension_numbers=NCHW; allowed: None, three strings"},
    {JAX, "dimension_numbers=(NCHW,OIHW,NCWX)", "spatial dimension H of rhs_spec \"OIHW\" must stand once in"},
    {JAX, "dimension_numbers=ConvDimensionNumbers((0,1,2),(0,1,2),(0,1,2))", "allowed: None, three strings"},
    {JAX, "precision=best", "precision=best; allowed: None, DEFAULT, HIGH, HIGHEST, or a pair of them"},
    {JAX, "preferred_element_type=f16", "preferred_element_type=f16 is narrower than f32 of lhs, or of another kind"},
    {JAX_L, "filter_shape=(3,)", "filter_shape=(3,); allowed: 2 integers from 1"},
    {JAX_L, "feature_group_count=2", "there is no attribute 'feature_group_count'"},
    {JAX_T, "strides=0", "strides=0; allowed: 2 integers from 1"},
    {JAX_T, "padding=SAME_LOWER", "padding=SAME_LOWER; allowed: VALID, SAME, or 2 pairs (low, high)"},
    {JAX_T, "transpose_kernel=kernel", "transpose_kernel=kernel; allowed: True, False"},
    {JAX_T, "use_consistent_padding=1.0", "use_consistent_padding=1.0; allowed: True, False"},
    /* onnx */
    {ONNX, "auto_pad=SAME", "auto_pad=SAME; allowed: NOTSET, VALID, SAME_UPPER, SAME_LOWER"},
    {ONNX, "dilations=0", "dilations=0; allowed: 2 integers from 1"},
    {ONNX, "group=3", "group=3 does not divide the 4 input channels"},
    {ONNX, "kernel_shape=(3,4)", "W is f32[6,4,3,3], but it must be f32[6,4,3,4]: (M, C / group, kernel...)"},
    {ONNX, "pads=(1,1)", "pads=(1,1); allowed: 4 integers from 0: all begins, then all ends"},
    {ONNX, "strides=-1", "strides=-1; allowed: 2 integers from 1"},
    {ONNX, "B=f32[4]", "B is f32[4], but it must be f32[6]: (M)"},
    {ONNX_T, "output_padding=1", "output_padding=1 in spatial dimension 0; it must be below stride 1 or dilation 1"},
    {ONNX_T, "output_shape=12", "output_shape=12 in spatial dimension 0; allowed: from 1 to 10"},
    {INTEGER, "x=s32[1,4,8,8]", "x is s32[1,4,8,8], but it must be of s8 or u8"},
    {INTEGER, "x_zero_point=256", "x_zero_point=256; allowed: a type, as f32[1,3,8,8], or numbers"},
    {INTEGER, "x_zero_point=s8[]", "x_zero_point is s8[], but it must be of u8, as x is"},
    {INTEGER, "x_zero_point=[1,2]", "x_zero_point is u8[2], but it must be a scalar"},
    {INTEGER, "w_zero_point=[1,2,3]", "w_zero_point is s8[3], but it must be a scalar or have one element per output channel"},
    {INTEGER, "w_zero_point=1.5", "w_zero_point=1.5; allowed: a type"},
    {LINEAR, "x_scale=f16[]", "x_scale is f16[], but it must be of f32"},
    {LINEAR, "w_scale=[1,x]", "w_scale=[1,x]; allowed: a type, as f32[1,3,8,8], or numbers"},
    {LINEAR, "y_scale=f32[2]:1", "y_scale=f32[2]:1; allowed: a type"},
    {LINEAR, "y_zero_point=s8[]:200", "y_zero_point=s8[]:200; allowed: a type"},
    {LINEAR, "B=f32[6]", "B is f32[6], but it must be of s32"},
};

static bool same_name(const char *a, const char *b) {
  size_t len = strcspn(a, "=");
  return strcspn(b, "=") == len && memcmp(a, b, len) == 0;
}

START_TEST(test_refusals) {
  const struct bad *bad = &bads[_i];
  const char *pairs[12];
  int count = 0;
  for (int i = 0; i < COUNT(bad->pairs) && bad->pairs[i] != NULL; i++)
    if (bad->wrong == NULL || !same_name(bad->pairs[i], bad->wrong)) pairs[count++] = bad->pairs[i];
  if (bad->wrong != NULL) pairs[count++] = bad->wrong;
  atr_module *module = NULL;
  atr_status status = atr_import(context, bad->op, pairs, count, &module, NULL);
  const char *message = atr_context_message(context);
  ck_assert_msg(status == ATR_INVALID_ARGUMENT || status == ATR_PARSE_ERROR, "%s is accepted, or status %d: %s",
                bad->wrong != NULL ? bad->wrong : bad->op, (int)status, message);
  ck_assert_ptr_null(module);
  ck_assert_msg(strstr(message, bad->message) != NULL, "\"%s\" is not in \"%s\"", bad->message, message);
}
END_TEST

START_TEST(test_twice) {
  const char *pairs[] = {"input=f32[1,4,8,8]", "stride=1", "stride=1"};
  atr_module *module;
  ck_assert_int_eq(atr_import(context, "torch.Conv2d", pairs, 3, &module, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(atr_context_message(context), "stride is given twice"));
  ck_assert_int_eq(atr_import(NULL, "torch.Conv2d", pairs, 3, &module, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_import(context, NULL, pairs, 3, &module, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_import(context, "torch.Conv2d", NULL, 3, &module, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_import(context, "torch.Conv2d", pairs, 3, NULL, NULL), ATR_INVALID_ARGUMENT);
  const char *missing[] = {NULL};
  ck_assert_int_eq(atr_import(context, "torch.Conv2d", missing, 1, &module, NULL), ATR_INVALID_ARGUMENT);
}
END_TEST

/* Every attribute of every operator is in the list, and so is every operator of the tables above. */
START_TEST(test_list) {
  char *list = NULL, line[80];
  ck_assert_int_eq(atr_import_list(context, &list), ATR_OK);
  for (int i = 0; i < COUNT(goldens); i++) {
    snprintf(line, sizeof line, "%s\n  ", goldens[i].op);
    ck_assert_msg(strstr(list, line) != NULL, "%s is not in the list", goldens[i].op);
  }
  ck_assert_ptr_nonnull(strstr(list, "  no_bias=True              True, False\n"));
  ck_assert_ptr_nonnull(strstr(list, "  kernel_size               2 integers from 1, or one for all; required\n"));
  atr_string_free(context, list);
  ck_assert_int_eq(atr_import_list(context, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_import_list(NULL, &list), ATR_INVALID_ARGUMENT);
}
END_TEST

/* ---- builders make what texts make ------------------------------------------------------------- */

static atr_builder *b;

static atr_value parameter(const char *name, atr_dtype dtype, int rank, const int64_t *dims) {
  atr_shape shape = atr_shape_make(dtype, rank, dims);
  return atr_build_parameter(b, name, &shape);
}
#define DIMS(...) ((const int64_t[]){__VA_ARGS__})
#define P(name, dtype, ...) parameter(name, dtype, COUNT(DIMS(__VA_ARGS__)), DIMS(__VA_ARGS__))

static atr_value build_mxnet_convolution(void) {
  atr_value x = P("data", ATR_F32, 1, 4, 8, 8), w = P("weight", ATR_F32, 6, 2, 3, 3), bias = P("bias", ATR_F32, 6);
  atr_mxnet_convolution_options o = {
      .size = sizeof o, .stride = {2, 1}, .pad = {1, 0}, .num_group = 2, .workspace = ATR_WORKSPACE_NONE};
  return atr_mxnet_convolution(b, x, w, bias, &o);
}
static atr_value build_mxnet_deconvolution(void) {
  atr_value x = P("data", ATR_F32, 1, 5, 5, 4), w = P("weight", ATR_F32, 4, 3, 3, 6);
  atr_mxnet_deconvolution_options o = {.size = sizeof o, .stride = {2, 2}, .target_shape = {9, 10}, .layout = ATR_MXNET_NHWC};
  return atr_mxnet_deconvolution(b, x, w, 0, &o);
}
static atr_value build_megengine_conv(void) {
  atr_value x = P("inp", ATR_F32, 1, 4, 8), w = P("weight", ATR_F32, 2, 3, 2, 3), bias = P("bias", ATR_F32, 1, 6, 1);
  atr_megengine_conv_options o = {.size = sizeof o, .padding = {1}, .groups = 2, .padding_mode = ATR_EDGE_REPLICATE};
  return atr_megengine_conv(b, x, w, bias, &o);
}
static atr_value build_megengine_conv_transpose(void) {
  atr_value x = P("inp", ATR_F32, 1, 4, 8, 8), w = P("weight", ATR_F32, 4, 6, 3, 3);
  atr_megengine_conv_transpose_options o = {.size = sizeof o, .stride = {2, 2}, .output_padding = {1, 0}};
  return atr_megengine_conv_transpose(b, x, w, 0, &o);
}
static atr_value build_megengine_local_conv(void) {
  atr_value x = P("inp", ATR_F32, 1, 4, 8, 8), w = P("weight", ATR_F32, 2, 6, 6, 2, 3, 3, 3);
  atr_megengine_local_conv_options o = {.size = sizeof o, .kernel_size = {3, 3}, .groups = 2};
  return atr_megengine_local_conv(b, x, w, &o);
}
static atr_value build_torch_conv(void) {
  atr_value x = P("input", ATR_F32, 4, 8, 8, 8), w = P("weight", ATR_F32, 6, 4, 3, 3, 3), bias = P("bias", ATR_F32, 6);
  atr_torch_conv_options o = {.size = sizeof o, .padding_kind = ATR_PADDING_SAME, .allow_tf32 = ATR_FLAG_FALSE};
  return atr_torch_conv(b, x, w, bias, &o);
}
static atr_value build_torch_conv_transpose(void) {
  atr_value x = P("input", ATR_F32, 1, 4, 8), w = P("weight", ATR_F32, 4, 3, 3);
  atr_torch_conv_transpose_options o = {.size = sizeof o, .stride = {2}, .padding = {1}, .output_padding = {1}, .groups = 2};
  return atr_torch_conv_transpose(b, x, w, 0, &o);
}
static atr_value build_jax_general(void) {
  atr_value x = P("lhs", ATR_F32, 1, 8, 8, 4), w = P("rhs", ATR_F32, 3, 3, 2, 6);
  atr_jax_conv_options o = {.size = sizeof o,
                            .padding_kind = ATR_PADDING_SAME_LOWER,
                            .feature_group_count = 2,
                            .dimension_numbers = {.lhs_spec = "NHWC", .rhs_spec = "HWIO", .out_spec = "NCHW"}};
  return atr_jax_conv_general_dilated(b, x, w, &o);
}
static atr_value build_jax_local(void) {
  atr_value x = P("lhs", ATR_F32, 1, 4, 8), w = P("rhs", ATR_F32, 6, 12, 8);
  atr_jax_conv_options o = {.size = sizeof o, .padding = {{1, 1}}, .filter_shape = {3}};
  return atr_jax_conv_general_dilated_local(b, x, w, &o);
}
static atr_value build_jax_patches(void) {
  atr_value x = P("lhs", ATR_F32, 1, 4, 8);
  atr_jax_conv_options o = {.size = sizeof o, .window_strides = {2}, .filter_shape = {3}};
  return atr_jax_conv_general_dilated_patches(b, x, &o);
}
static atr_value build_jax_transpose(void) {
  atr_value x = P("lhs", ATR_F32, 1, 8, 4), w = P("rhs", ATR_F32, 3, 6, 4);
  atr_jax_conv_transpose_options o = {
      .size = sizeof o, .strides = {2}, .padding_kind = ATR_PADDING_SAME, .transpose_kernel = ATR_FLAG_TRUE};
  return atr_jax_conv_transpose(b, x, w, &o);
}
static atr_value build_onnx_conv(void) {
  atr_value x = P("X", ATR_F32, 1, 4, 8), w = P("W", ATR_F32, 6, 4, 3), bias = P("B", ATR_F32, 6);
  atr_onnx_conv_options o = {.size = sizeof o, .pads = {1, 2}, .strides = {3}};
  return atr_onnx_conv(b, x, w, bias, &o);
}
static atr_value build_onnx_conv_transpose(void) {
  atr_value x = P("X", ATR_F32, 1, 4, 8), w = P("W", ATR_F32, 4, 6, 3);
  atr_onnx_conv_transpose_options o = {.size = sizeof o, .output_shape = {9}, .auto_pad = ATR_PADDING_SAME};
  return atr_onnx_conv_transpose(b, x, w, 0, &o);
}
static atr_value build_onnx_conv_integer(void) {
  atr_value x = P("x", ATR_U8, 1, 4, 8), w = P("w", ATR_S8, 6, 4, 3), zero = P("w_zero_point", ATR_S8, 6);
  return atr_onnx_conv_integer(b, x, w, 0, zero, NULL);
}
static atr_value build_onnx_qlinear_conv(void) {
  atr_value x = P("x", ATR_U8, 1, 4, 8), x_scale = parameter("x_scale", ATR_F32, 0, NULL),
            x_zero = P("x_zero_point", ATR_U8, 1);
  atr_value w = P("w", ATR_S8, 6, 4, 3), w_scale = P("w_scale", ATR_F32, 6), w_zero = P("w_zero_point", ATR_S8, 6);
  atr_value y_scale = P("y_scale", ATR_F32, 1), y_zero = parameter("y_zero_point", ATR_S8, 0, NULL);
  return atr_onnx_qlinear_conv(b, (atr_value[]){x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, 0}, NULL);
}

static const struct built {
  atr_value (*build)(void);
  const char *op, *pairs[10];
} builts[] = {
    {build_mxnet_convolution,
     "mxnet.Convolution",
     {"data=f32[1,4,8,8]", "kernel=3", "stride=(2,1)", "pad=(1,0)", "num_group=2", "num_filter=6",
      "workspace=0"}},
    {build_mxnet_deconvolution,
     "mxnet.Deconvolution",
     {"data=f32[1,5,5,4]", "kernel=3", "stride=2", "target_shape=(9,10)", "layout=NHWC", "num_filter=6"}},
    {build_megengine_conv,
     "megengine.Conv1d",
     {"inp=f32[1,4,8]", "in_channels=4", "out_channels=6", "kernel_size=3", "padding=1", "groups=2", "padding_mode=replicate"}},
    {build_megengine_conv_transpose,
     "megengine.ConvTranspose2d",
     {"inp=f32[1,4,8,8]", "in_channels=4", "out_channels=6", "kernel_size=3", "stride=2", "output_padding=(1,0)",
      "bias=False"}},
    {build_megengine_local_conv,
     "megengine.LocalConv2d",
     {"inp=f32[1,4,8,8]", "in_channels=4", "out_channels=6", "kernel_size=3", "groups=2", "input_height=8", "input_width=8"}},
    {build_torch_conv,
     "torch.Conv3d",
     {"input=f32[4,8,8,8]", "in_channels=4", "out_channels=6", "kernel_size=3", "padding=same", "allow_tf32=False"}},
    {build_torch_conv_transpose,
     "torch.ConvTranspose1d",
     {"input=f32[1,4,8]", "in_channels=4", "out_channels=6", "kernel_size=3", "stride=2", "padding=1", "output_padding=1",
      "groups=2", "bias=False"}},
    {build_jax_general,
     "jax.conv_general_dilated",
     {"lhs=f32[1,8,8,4]", "rhs=f32[3,3,2,6]", "window_strides=1", "padding=SAME_LOWER", "feature_group_count=2",
      "dimension_numbers=('NHWC','HWIO','NCHW')"}},
    {build_jax_local,
     "jax.conv_general_dilated_local",
     {"lhs=f32[1,4,8]", "rhs=f32[6,12,8]", "window_strides=1", "padding=((1,1),)", "filter_shape=3"}},
    {build_jax_patches,
     "jax.conv_general_dilated_patches",
     {"lhs=f32[1,4,8]", "window_strides=2", "padding=((0,0),)", "filter_shape=3"}},
    {build_jax_transpose,
     "jax.conv_transpose",
     {"lhs=f32[1,8,4]", "rhs=f32[3,6,4]", "strides=2", "padding=SAME", "transpose_kernel=True"}},
    {build_onnx_conv, "onnx.Conv", {"X=f32[1,4,8]", "W=f32[6,4,3]", "B=f32[6]", "pads=(1,2)", "strides=3"}},
    {build_onnx_conv_transpose,
     "onnx.ConvTranspose",
     {"X=f32[1,4,8]", "W=f32[4,6,3]", "output_shape=9", "auto_pad=SAME_UPPER"}},
    {build_onnx_conv_integer, "onnx.ConvInteger", {"x=u8[1,4,8]", "w=s8[6,4,3]", "w_zero_point=s8[6]"}},
    {build_onnx_qlinear_conv,
     "onnx.QLinearConv",
     {"x=u8[1,4,8]", "x_scale=f32[]", "x_zero_point=u8[1]", "w=s8[6,4,3]", "w_scale=f32[6]", "w_zero_point=s8[6]",
      "y_scale=f32[1]", "y_zero_point=s8[]"}},
};

static atr_module *finish(atr_value value) {
  atr_module *module = NULL;
  atr_status status = atr_builder_finish(b, &value, 1, &module);
  ck_assert_msg(status == ATR_OK, "%s", atr_context_message(context));
  atr_builder_destroy(b);
  return module;
}

START_TEST(test_builders) {
  const struct built *row = &builts[_i];
  int count = 0;
  char *want = NULL, *got = NULL;
  while (count < COUNT(row->pairs) && row->pairs[count] != NULL) count++;
  ck_assert_int_eq(atr_builder_create(context, row->op, &b), ATR_OK);
  atr_module *built = finish(row->build()), *imported = import_call(row->op, row->pairs, count);
  ck_assert_int_eq(atr_module_print(context, built, &got), ATR_OK);
  ck_assert_int_eq(atr_module_print(context, imported, &want), ATR_OK);
  ck_assert_str_eq(got, want);
  atr_string_free(context, got);
  atr_string_free(context, want);
  atr_module_destroy(built);
  atr_module_destroy(imported);
}
END_TEST

/* What only a C program can get wrong. */
static atr_value wrong_entries(void) {
  atr_onnx_conv_options o = {.size = sizeof o, .strides = {1, 2}};
  return atr_onnx_conv(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4, 3), 0, &o);
}
static atr_value wrong_range(void) {
  atr_torch_conv_options o = {.size = sizeof o, .stride = {-1}};
  return atr_torch_conv(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4, 3), 0, &o);
}
static atr_value wrong_workspace(void) {
  atr_mxnet_convolution_options o = {.size = sizeof o, .workspace = -2};
  return atr_mxnet_convolution(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4, 3), 0, &o);
}
static atr_value wrong_word(void) {
  atr_mxnet_convolution_options o = {.size = sizeof o, .layout = (atr_mxnet_layout)9};
  return atr_mxnet_convolution(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4, 3), 0, &o);
}
static atr_value wrong_padding_kind(void) {
  atr_torch_conv_options o = {.size = sizeof o, .padding_kind = ATR_PADDING_SAME_LOWER};
  return atr_torch_conv(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4, 3), 0, &o);
}
static atr_value wrong_flag(void) {
  atr_mxnet_convolution_options o = {.size = sizeof o, .cudnn_off = (atr_flag)3};
  return atr_mxnet_convolution(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4, 3), 0, &o);
}
static atr_value wrong_size(void) {
  atr_onnx_conv_options o = {.size = 1};
  return atr_onnx_conv(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4, 3), 0, &o);
}
static atr_value bias_unsaid(void) {
  atr_torch_conv_options o = {.size = sizeof o, .bias = ATR_FLAG_FALSE};
  return atr_torch_conv(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4, 3), P(NULL, ATR_F32, 6), &o);
}
static atr_value bias_missing(void) {
  atr_mxnet_deconvolution_options o = {.size = sizeof o, .no_bias = ATR_FLAG_FALSE};
  return atr_mxnet_deconvolution(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 4, 6, 3), 0, &o);
}
static atr_value no_weight(void) { return atr_torch_conv(b, P(NULL, ATR_F32, 1, 4, 8), 0, 0, NULL); }
static atr_value no_rank(void) { return atr_torch_conv(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4), 0, NULL); }
static atr_value no_value(void) { return atr_onnx_conv(b, P(NULL, ATR_F32, 1, 4, 8), 77, 0, NULL); }
static atr_value no_inputs(void) { return atr_onnx_qlinear_conv(b, NULL, NULL); }
static atr_value no_kernel(void) {
  return atr_megengine_local_conv(b, P(NULL, ATR_F32, 1, 4, 8, 8), P(NULL, ATR_F32, 1, 6, 6, 4, 3, 3, 6), NULL);
}
static atr_value no_filter(void) { return atr_jax_conv_general_dilated_patches(b, P(NULL, ATR_F32, 1, 4, 8), NULL); }
static atr_value wrong_edge(void) {
  atr_megengine_conv_options o = {.size = sizeof o, .padding_mode = ATR_EDGE_REFLECT, .padding = {8}};
  return atr_megengine_conv(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4, 3), 0, &o);
}
static atr_value wrong_circular(void) {
  atr_torch_conv_options o = {.size = sizeof o, .padding_mode = ATR_EDGE_CIRCULAR, .padding = {9}};
  return atr_torch_conv(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4, 3), 0, &o);
}
static atr_value wrong_pads(void) {
  atr_onnx_conv_options o = {.size = sizeof o, .pads = {1}, .auto_pad = ATR_PADDING_VALID};
  return atr_onnx_conv(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4, 3), 0, &o);
}
static atr_value wrong_stride(void) {
  atr_torch_conv_options o = {.size = sizeof o, .padding_kind = ATR_PADDING_SAME, .stride = {2}};
  return atr_torch_conv(b, P(NULL, ATR_F32, 1, 4, 8), P(NULL, ATR_F32, 6, 4, 3), 0, &o);
}

static const struct misuse {
  atr_value (*build)(void);
  const char *message;
} misuses[] = {
    {wrong_entries, "onnx.Conv: strides has more than 1 entries"},
    {wrong_range, "torch.Conv1d: stride has -1; allowed: 1 integer from 1, or one for all"},
    {wrong_workspace, "mxnet.Convolution: workspace has -2; allowed: an integer from 0"},
    {wrong_word, "mxnet.Convolution: layout has the number 9; allowed: None, NCW"},
    {wrong_padding_kind, "torch.Conv1d: padding has the number 3; allowed: valid, same"},
    {wrong_flag, "cudnn_off has the number 3; allowed: an atr_flag"},
    {wrong_size, "the options have a size that this library does not know"},
    {bias_unsaid, "there is a bias, but the attribute says that there is none"},
    {bias_missing, "the attribute says that there is a bias, but none is given"},
    {no_weight, "torch.Conv1d: weight is not a value of this builder"},
    {no_rank, "torch.Conv1d: weight has rank 2; its kin take 1 to 3 spatial dimensions"},
    {no_value, "onnx.Conv: W is not a value of this builder"},
    {no_inputs, "onnx.QLinearConv: inputs is NULL"},
    {no_kernel, "megengine.LocalConv2d: kernel_size is missing"},
    {no_filter, "jax.conv_general_dilated_patches: filter_shape is missing"},
    {wrong_edge, "padding_mode='reflect' allows a padding of at most 7 for extent 8 in spatial dimension 0, got 8"},
    {wrong_circular, "padding_mode='circular' allows a padding of at most 8 for extent 8 in spatial dimension 0, got 9"},
    {wrong_pads, "pads go with auto_pad=NOTSET only"},
    {wrong_stride, "padding='same' needs stride 1, but stride has 2"},
};

START_TEST(test_misuses) {
  atr_module *module = NULL;
  ck_assert_int_eq(atr_builder_create(context, "m", &b), ATR_OK);
  atr_value value = misuses[_i].build();
  ck_assert_uint_eq(value, 0);
  ck_assert_uint_eq(P(NULL, ATR_F32, 1), 0); /* the error sticks */
  ck_assert_int_eq(atr_builder_finish(b, &value, 1, &module), ATR_INVALID_ARGUMENT);
  ck_assert_msg(strstr(atr_context_message(context), misuses[_i].message) != NULL, "\"%s\" is not in \"%s\"",
                misuses[_i].message, atr_context_message(context));
  atr_builder_destroy(b);
}
END_TEST

/* ---- hints ------------------------------------------------------------------------------------- */

static atr_import_hints hints_of(const char *op, const char *first, const char *second) {
  const char *mxnet[] = {"data=f32[1,1,4]", "kernel=2", "num_filter=1", first, second};
  const char *torch[] = {"input=f32[1,1,4]", "in_channels=1", "out_channels=1", "kernel_size=2", first};
  atr_import_hints hints = {.size = sizeof hints, .workspace = -9, .cudnn_off = -1, .deterministic = -1};
  atr_module *module;
  ck_assert_int_eq(atr_import(context, op, op[0] == 'm' ? mxnet : torch, 5, &module, &hints), ATR_OK);
  ck_assert_uint_eq(hints.size, sizeof hints);
  atr_module_destroy(module);
  return hints;
}

START_TEST(test_hints) {
  unsetenv("MXNET_CUDNN_AUTOTUNE_DEFAULT");
  atr_import_hints h = hints_of("mxnet.Convolution", "workspace=3", "cudnn_off=True");
  ck_assert(h.workspace == 3 << 20 && h.cudnn_tune == ATR_MXNET_TUNE_LIMITED_WORKSPACE && h.cudnn_off == 1 &&
            h.deterministic == 0);
  h = hints_of("mxnet.Deconvolution", "cudnn_tune=off", "no_bias=1");
  ck_assert(h.workspace == 1 << 30 && h.cudnn_tune == ATR_MXNET_TUNE_OFF && h.cudnn_off == 0);
  h = hints_of("mxnet.Convolution", "workspace=3", "cudnn_tune=fastest");
  ck_assert(h.workspace == 0 && h.cudnn_tune == ATR_MXNET_TUNE_FASTEST);
  ck_assert_int_eq(hints_of("mxnet.Convolution", "workspace=0", "no_bias=1").workspace, ATR_WORKSPACE_NONE);
  ck_assert_int_eq(hints_of("mxnet.Deconvolution", "workspace=0", "no_bias=1").workspace, ATR_WORKSPACE_NONE);
  ck_assert_int_eq(hints_of("mxnet.Convolution", "workspace=0", "cudnn_tune=fastest").workspace, 0);
  setenv("MXNET_CUDNN_AUTOTUNE_DEFAULT", "0", 1);
  ck_assert(hints_of("mxnet.Convolution", "workspace=3", "cudnn_tune=None").cudnn_tune == ATR_MXNET_TUNE_OFF);
  setenv("MXNET_CUDNN_AUTOTUNE_DEFAULT", "2", 1);
  ck_assert(hints_of("mxnet.Convolution", "workspace=3", "cudnn_tune=None").workspace == 0);
  ck_assert(hints_of("mxnet.Convolution", "workspace=3", "cudnn_tune=off").cudnn_tune == ATR_MXNET_TUNE_OFF);
  setenv("MXNET_CUDNN_AUTOTUNE_DEFAULT", "1", 1);
  ck_assert(hints_of("mxnet.Convolution", "workspace=3", "no_bias=0").cudnn_tune == ATR_MXNET_TUNE_LIMITED_WORKSPACE);
  unsetenv("MXNET_CUDNN_AUTOTUNE_DEFAULT");
  h = hints_of("torch.Conv1d", "deterministic=True", NULL);
  ck_assert(h.deterministic == 1 && h.cudnn_tune == ATR_MXNET_TUNE_DEFAULT && h.workspace == 0 && h.cudnn_off == 0);
  ck_assert(hints_of("torch.ConvTranspose1d", "deterministic=True", NULL).deterministic == 1);
  atr_import_hints none = {.size = 0};
  atr_module *module;
  ck_assert_int_eq(atr_import(context, "torch.Conv1d", NULL, 0, &module, &none), ATR_INVALID_ARGUMENT);
}
END_TEST

/* ---- initial values ---------------------------------------------------------------------------- */

START_TEST(test_init) {
  enum { OUT = 64, IN = 8, TAPS = 9, COUNT_W = OUT * IN * TAPS };
  atr_shape weight = atr_shape_make(ATR_F32, 4, DIMS(OUT, IN, 3, 3)), bias = atr_shape_make(ATR_F64, 1, DIMS(OUT));
  static float w[COUNT_W], again[COUNT_W];
  static double v[OUT];
  static const double places = IN * TAPS;
  const double r = 1 / sqrt(places);
  static const double count = COUNT_W;
  double sum = 0, squares = 0;
  ck_assert_int_eq(atr_torch_conv_init(7, &weight, w, &bias, v), ATR_OK);
  ck_assert_int_eq(atr_torch_conv_init(7, &weight, again, NULL, NULL), ATR_OK);
  ck_assert_mem_eq(w, again, sizeof w);
  ck_assert_int_eq(atr_torch_conv_init(8, &weight, again, NULL, NULL), ATR_OK);
  ck_assert_mem_ne(w, again, sizeof w);
  for (int i = 0; i < COUNT_W; i++) {
    ck_assert(fabs((double)w[i]) <= r);
    sum += (double)w[i] / r;
    squares += (double)w[i] / r * (double)w[i] / r;
  }
  /* uniform in [-1, 1): mean 0, variance 1/3; four standard deviations of the estimates */
  ck_assert(fabs(sum / count) < 4 * sqrt(1.0 / 3 / count));
  ck_assert(fabs(squares / count - 1.0 / 3) < 4 * sqrt(4.0 / 45 / count));
  /* the formula of the header, worked out in Python */
  ck_assert_float_eq(w[0], -0x1.a973140000000p-6f);
  ck_assert_double_eq(v[OUT - 1], 0x1.92a50d737169ep-4);
}
END_TEST

START_TEST(test_init_misuse) {
  atr_shape good = atr_shape_make(ATR_F32, 3, DIMS(1, 1, 1)), integers = atr_shape_make(ATR_S8, 3, DIMS(1, 1, 1)),
            flat = atr_shape_make(ATR_F32, 1, DIMS(1)), other = good;
  float value;
  other.minor_to_major[0] = 0;
  other.minor_to_major[2] = 2;
  ck_assert_int_eq(atr_torch_conv_init(1, NULL, &value, NULL, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_torch_conv_init(1, &good, NULL, NULL, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_torch_conv_init(1, &integers, &value, NULL, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_torch_conv_init(1, &flat, &value, NULL, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_torch_conv_init(1, &other, &value, NULL, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_torch_conv_init(1, &good, &value, &flat, NULL), ATR_INVALID_ARGUMENT);
}
END_TEST

/* ---- no memory --------------------------------------------------------------------------------- */

static int left;

static void *failing_realloc(void *user, void *old, size_t old_size, size_t new_size) {
  (void)user, (void)old_size;
  if (new_size == 0) {
    free(old);
    return NULL;
  }
  return left-- > 0 ? realloc(old, new_size) : NULL;
}

START_TEST(test_out_of_memory) {
  const char *pairs[] = {"x=u8[1,4,8]",    "x_scale=1",      "x_zero_point=3", "w=s8[6,4,3]",
                         "w_scale=f32[6]", "w_zero_point=1", "y_scale=1",      "y_zero_point=2"};
  atr_context_options options = {.size = sizeof options, .realloc = failing_realloc, .threads = 1};
  atr_context *poor;
  atr_status status = ATR_OUT_OF_MEMORY;
  left = 1000;
  ck_assert_int_eq(atr_context_create(&options, &poor), ATR_OK);
  for (int n = 0; status != ATR_OK; n++) {
    atr_module *module = NULL;
    char *list = NULL;
    left = n;
    status = atr_import(poor, "onnx.QLinearConv", pairs, COUNT(pairs), &module, NULL);
    if (status == ATR_OK) status = atr_import_list(poor, &list);
    left = 1000;
    ck_assert_msg(status == ATR_OK || status == ATR_OUT_OF_MEMORY, "%s", atr_context_message(poor));
    if (module != NULL) atr_module_destroy(module);
    atr_string_free(poor, list);
  }
  atr_context_destroy(poor);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("operators");
  TCase *tc = tcase_create("operators");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, test_vectors);
  tcase_add_loop_test(tc, test_goldens, 0, COUNT(goldens));
  tcase_add_loop_test(tc, test_refusals, 0, COUNT(bads));
  tcase_add_test(tc, test_twice);
  tcase_add_test(tc, test_list);
  tcase_add_loop_test(tc, test_builders, 0, COUNT(builts));
  tcase_add_loop_test(tc, test_misuses, 0, COUNT(misuses));
  tcase_add_test(tc, test_hints);
  tcase_add_test(tc, test_init);
  tcase_add_test(tc, test_init_misuse);
  tcase_add_test(tc, test_out_of_memory);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }

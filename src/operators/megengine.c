/* megengine.c - MegEngine's Conv1d to Conv3d, ConvTranspose2d and 3d, and LocalConv2d.
 *
 * In: inp, weight, bias. Out: one convolution and an addition. With groups > 1 weights have a dimension for them in front:
 *
 *     Conv2d            (groups, out / groups, in / groups, kh, kw)               bias (1, out, 1, 1)
 *     ConvTranspose2d   (groups, in / groups, out / groups, kh, kw)
 *     LocalConv2d       (groups, OH, OW, in / groups, kh, kw, out / groups)       always with groups, no bias
 *
 * padding_mode reflect and replicate are edge modes. compute_mode float32 asks for what sums of f16 always have here. */
#include "operators/operators.h"

#include <stddef.h>

#include "base/checked.h"

typedef atr_megengine_conv_options conv_options;
typedef atr_megengine_conv_transpose_options transpose_options;
typedef atr_megengine_local_conv_options local_options;

/* ---- types ------------------------------------------------------------------------------------- */

static atr_status check_input(const atr_call *call, atr_megengine_compute_mode mode) {
  const atr_shape *inp = &call->types[ATR_INPUT];
  ATR_REFUSE_UNLESS(call, inp->rank == call->spatial + 2, "inp is %s, but it must have rank %d (N, C, ...)",
                    atr_shape_text(call->work, inp), call->spatial + 2);
  ATR_REFUSE_UNLESS(call, mode == ATR_MEGENGINE_COMPUTE_DEFAULT || inp->dtype == ATR_F16,
                    "compute_mode='float32' is for f16, but inp is %s", atr_shape_text(call->work, inp));
  return ATR_OK;
}

/* (first, second, kernel...), or with groups (groups, first / groups, second / groups, kernel...); bias (1, out, 1...). */
static void expect_types(atr_call *call, int64_t first, int64_t second) {
  atr_dtype dtype = call->types[ATR_INPUT].dtype;
  int64_t groups = call->layer.groups, weight[ATR_MAX_RANK], bias[ATR_MAX_RANK] = {1, call->layer.out};
  int rank = 0;
  if (groups > 1) weight[rank++] = groups;
  weight[rank++] = first / groups;
  weight[rank++] = second / groups;
  for (int d = 0; d < call->spatial; d++) {
    weight[rank++] = call->layer.kernel[d];
    bias[d + 2] = 1;
  }
  atr_call_expect(call, ATR_WEIGHT, dtype, rank, weight);
  atr_call_expect(call, ATR_BIAS, dtype, call->spatial + 2, bias);
}

static atr_layer_source source_of(const atr_call *call, int64_t in, int64_t out, int64_t groups, const int64_t *kernel) {
  int leading = groups > 1 ? 1 : 0;
  return (atr_layer_source){.in = call->types[ATR_INPUT].dims[1],
                            .in_stated = in,
                            .out_stated = out,
                            .groups = groups,
                            .kernel_stated = kernel,
                            .weight_rank = call->spatial + 2 + leading,
                            .out_dim = leading,
                            .kernel_dim = leading + 2,
                            .out_scale = groups,
                            .out_name = "output channels",
                            .groups_name = "groups"};
}

static atr_status conv_types(atr_call *call) {
  const conv_options *o = call->options;
  ATR_TRY(check_input(call, o->compute_mode));
  ATR_REFUSE_UNLESS(call, o->padding_mode != ATR_EDGE_CIRCULAR, "padding_mode circular is not MegEngine's");
  atr_layer_source source = source_of(call, o->in_channels, o->out_channels, o->groups, o->kernel_size);
  ATR_TRY(atr_call_find_layer(call, &source));
  expect_types(call, call->layer.out, call->layer.in);
  return ATR_OK;
}

static atr_status transpose_types(atr_call *call) {
  const transpose_options *o = call->options;
  ATR_TRY(check_input(call, o->compute_mode));
  atr_layer_source source = source_of(call, o->in_channels, o->out_channels, o->groups, o->kernel_size);
  source.out_dim++;
  ATR_TRY(atr_call_find_layer(call, &source));
  expect_types(call, call->layer.in, call->layer.out);
  return ATR_OK;
}

/* ---- instructions ------------------------------------------------------------------------------ */

/* Without the dimension of groups: merged into the one behind it. */
static atr_id merge_groups(atr_call *call, atr_id weight) {
  if (call->layer.groups == 1 || call->work->status != ATR_OK) return weight;
  const atr_shape *w = atr_call_shape(call, weight);
  int64_t dims[ATR_MAX_RANK] = {w->dims[0] * w->dims[1]};
  for (int d = 2; d < w->rank; d++) dims[d - 1] = w->dims[d];
  atr_shape merged = atr_shape_make(w->dtype, w->rank - 1, dims);
  return atr_reshape_build(call->work, call->module, weight, &merged);
}

static atr_id finish(atr_call *call, const atr_conv *c, atr_id weight) {
  atr_id y = atr_call_add_conv(call, ATR_OP_CONVOLUTION, c, call->args[ATR_INPUT], weight, call->types[ATR_INPUT].dtype);
  return atr_call_add_bias(call, y, call->args[ATR_BIAS], 1);
}

static void set_window(atr_window_dim *w, int64_t stride, int64_t padding, int64_t dilation) {
  w->stride = stride;
  w->rhs_dilation = dilation;
  w->pad_lo = w->pad_hi = padding;
}

static atr_id conv_build(atr_call *call) {
  const conv_options *o = call->options;
  atr_conv *c = atr_call_conv(call, false);
  for (int d = 0; d < call->spatial; d++) {
    int64_t input = call->types[ATR_INPUT].dims[d + 2];
    set_window(&c->window[d], o->stride[d], o->padding[d], o->dilation[d]);
    c->window[d].edge = o->padding_mode;
    if (o->padding_mode == ATR_EDGE_REFLECT && o->padding[d] >= input) {
      ATR_REFUSE(call,
                 "padding_mode='reflect' allows a padding of at most %lld for extent %lld in spatial dimension %d, got %lld",
                 (long long)input - 1, (long long)input, d, (long long)o->padding[d]);
      return 0;
    }
  }
  if (atr_call_check_fit(call, c, &call->types[ATR_INPUT]) != ATR_OK) return 0;
  return finish(call, c, merge_groups(call, call->args[ATR_WEIGHT]));
}

static atr_id transpose_build(atr_call *call) {
  const transpose_options *o = call->options;
  atr_conv *c = atr_call_conv(call, false);
  atr_conv_swap_features(c);
  for (int d = 0; d < call->spatial; d++) {
    c->window[d].rhs_dilation = o->dilation[d];
    atr_window_invert(&c->window[d], o->stride[d], o->padding[d], o->padding[d] - o->output_padding[d]);
    if (o->output_padding[d] >= o->stride[d]) {
      ATR_REFUSE(call, "output_padding=%lld in spatial dimension %d; it must be below stride %lld",
                 (long long)o->output_padding[d], d, (long long)o->stride[d]);
      return 0;
    }
  }
  if (atr_call_check_inverse(call, c, &call->types[ATR_INPUT]) != ATR_OK) return 0;
  return finish(call, c, atr_call_inverse_weight(call, merge_groups(call, call->args[ATR_WEIGHT]), 1));
}

/* ---- unshared weights -------------------------------------------------------------------------- */

/* The only thing that says the extents of the output is the convolution itself. */
static atr_status local_window(atr_call *call, atr_conv *c, int64_t output[2]) {
  const local_options *o = call->options;
  for (int d = 0; d < 2; d++) {
    set_window(&c->window[d], o->stride[d], o->padding[d], o->dilation[d]);
    c->window[d].size = o->kernel_size[d];
    if (!atr_conv_output_extent(call->types[ATR_INPUT].dims[d + 2], &c->window[d], &output[d]))
      return ATR_REFUSE(call, "the extents of the output overflow");
  }
  return atr_call_check_fit(call, c, &call->types[ATR_INPUT]);
}

static atr_status local_types(atr_call *call) {
  const local_options *o = call->options;
  const atr_shape *inp = &call->types[ATR_INPUT];
  ATR_TRY(check_input(call, ATR_MEGENGINE_COMPUTE_DEFAULT));
  ATR_REFUSE_UNLESS(call, o->kernel_size[0] != 0 && o->kernel_size[1] != 0, "kernel_size is missing");
  ATR_REFUSE_UNLESS(call, o->input_height == 0 || o->input_height == inp->dims[2], "input_height=%lld, but inp is %s",
                    (long long)o->input_height, atr_shape_text(call->work, inp));
  ATR_REFUSE_UNLESS(call, o->input_width == 0 || o->input_width == inp->dims[3], "input_width=%lld, but inp is %s",
                    (long long)o->input_width, atr_shape_text(call->work, inp));
  atr_layer_source source = source_of(call, o->in_channels, o->out_channels, o->groups, o->kernel_size);
  source.weight_rank = 7;
  source.out_dim = 6;
  ATR_TRY(atr_call_find_layer(call, &source));
  const atr_layer *l = &call->layer;
  int64_t output[2], features;
  ATR_REFUSE_UNLESS(call, atr_checked_mul(l->in / l->groups, l->kernel[0] * l->kernel[1], &features), "kernel_size overflows");
  ATR_TRY(local_window(call, atr_call_conv(call, false), output));
  int64_t dims[] = {l->groups, output[0], output[1], l->in / l->groups, l->kernel[0], l->kernel[1], l->out / l->groups};
  atr_call_expect(call, ATR_WEIGHT, inp->dtype, 7, dims);
  return ATR_OK;
}

/* (g, OH, OW, in/g, kh, kw, out/g), with f = in/g kh kw -> (g, OH, OW, f, out/g) -> (OH, OW, f, g, out/g) -> (OH, OW, f,
 * out) */
static atr_id local_weight(atr_call *call, atr_id weight) {
  const atr_shape w = call->types[ATR_WEIGHT];
  int64_t features = w.dims[3] * w.dims[4] * w.dims[5], merged[] = {w.dims[0], w.dims[1], w.dims[2], features, w.dims[6]};
  int64_t flat[] = {w.dims[1], w.dims[2], features, w.dims[0] * w.dims[6]}, order[] = {1, 2, 3, 0, 4};
  atr_shape merged_shape = atr_shape_make(w.dtype, 5, merged), flat_shape = atr_shape_make(w.dtype, 4, flat);
  if (call->layer.groups > 1) {
    weight = atr_reshape_build(call->work, call->module, weight, &merged_shape);
    weight = atr_transpose_build(call->work, call->module, weight, order, 5);
  }
  return atr_reshape_build(call->work, call->module, weight, &flat_shape);
}

static atr_id local_build(atr_call *call) {
  atr_conv *c = atr_call_conv(call, false);
  int64_t output[2];
  if (local_window(call, c, output) != ATR_OK) return 0;
  c->rhs_spatial[0] = 0;
  c->rhs_spatial[1] = 1;
  c->rhs_input_feature = 2;
  c->rhs_output_feature = 3;
  atr_id weight = local_weight(call, call->args[ATR_WEIGHT]);
  return atr_call_add_conv(call, ATR_OP_LOCAL_CONVOLUTION, c, call->args[ATR_INPUT], weight, call->types[ATR_INPUT].dtype);
}

/* ---- tables ------------------------------------------------------------------------------------ */

#define INP {.name = "inp", .holds = ATR_HOLDS_FLOATS, .form = "(N, C, spatial...)"}
#define WEIGHT(text) {.name = "weight", .role = ATR_ARRAY_INFERRED, .holds = ATR_HOLDS_FLOATS, .form = text}
#define BIAS {.name = "bias", .role = ATR_ARRAY_BIAS, .holds = ATR_HOLDS_FLOATS, .form = "(1, out, 1...)"}

static const atr_array conv_arrays[] = {
    INP, WEIGHT("(out, in, kernel...), with groups > 1 (groups, out / groups, in / groups, kernel...)"), BIAS};
static const atr_array transpose_arrays[] = {
    INP, WEIGHT("(in, out, kernel...), with groups > 1 (groups, in / groups, out / groups, kernel...)"), BIAS};
static const atr_array local_arrays[] = {INP, WEIGHT("(groups, OH, OW, in / groups, kh, kw, out / groups)")};

#define CHANNEL(T, field) ATR_FIELD(T, field, INT, .low = 1, .traits = ATR_TRAIT_REQUIRED)
#define WINDOW(T)                                                                                                              \
  ATR_FIELD(T, kernel_size, TUPLE, .low = 1, .traits = ATR_TRAIT_REQUIRED),                                                    \
      ATR_FIELD(T, stride, TUPLE, .low = 1, .fallback = 1), ATR_FIELD(T, padding, TUPLE, ),                                    \
      ATR_FIELD(T, dilation, TUPLE, .low = 1, .fallback = 1), ATR_FIELD(T, groups, INT, .low = 1, .fallback = 1),              \
      ATR_FIELD(T, conv_mode, WORD, .words = "cross_correlation")
#define FLAG(T) ATR_FIELD(T, bias, FLAG, .fallback = ATR_FLAG_TRUE, .traits = ATR_TRAIT_BIAS)
#define MODE(T) ATR_FIELD(T, compute_mode, WORD, .words = "default|float32")

static const atr_attribute conv_attributes[] = {
    CHANNEL(conv_options, in_channels),
    CHANNEL(conv_options, out_channels),
    WINDOW(conv_options),
    FLAG(conv_options),
    MODE(conv_options),
    ATR_FIELD(conv_options, padding_mode, WORD, .words = "zeros|reflect|replicate")};
static const atr_attribute transpose_attributes[] = {CHANNEL(transpose_options, in_channels),
                                                     CHANNEL(transpose_options, out_channels),
                                                     WINDOW(transpose_options),
                                                     ATR_FIELD(transpose_options, output_padding, TUPLE, ),
                                                     FLAG(transpose_options),
                                                     MODE(transpose_options)};
static const atr_attribute local_attributes[] = {CHANNEL(local_options, in_channels), CHANNEL(local_options, out_channels),
                                                 CHANNEL(local_options, input_height), CHANNEL(local_options, input_width),
                                                 WINDOW(local_options)};

#define ROW(text, rank, kind)                                                                                                  \
  {.name = "megengine." text, .spatial = rank, ATR_OPERATOR_ROW(kind##_arrays, kind##_attributes, kind##_options, kind)}

const atr_operator atr_megengine_convs[3] = {ROW("Conv1d", 1, conv), ROW("Conv2d", 2, conv), ROW("Conv3d", 3, conv)};
const atr_operator atr_megengine_transposes[2] = {ROW("ConvTranspose2d", 2, transpose), ROW("ConvTranspose3d", 3, transpose)};
const atr_operator atr_megengine_local = ROW("LocalConv2d", 2, local);

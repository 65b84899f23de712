/* onnx.c - ONNX's Conv and ConvTranspose, and what the quantized forms (onnx_quantized.c) share with them.
 *
 * In: X (N, C, ...), W, B. Out: one convolution and an addition.
 *
 *     Conv            W (M, C / group, kernel...)     pads: all begins, then all ends; auto_pad SAME puts an odd zero behind
 *     ConvTranspose   W (C, M / group, kernel...)     stride (x - 1) + output_padding + dilated kernel - pads
 *
 * With output_shape the pads of a ConvTranspose are computed; an odd one is cut off behind for SAME_UPPER, in front for all
 * other values of auto_pad. SAME without output_shape cuts the result down to stride x, and leaves a shorter one as it is, as
 * ONNX's shape inference has it. */
#include "operators/operators.h"

#include <stddef.h>

#include "base/checked.h"
#include "operators/onnx.h"

typedef atr_onnx_conv_options conv_options;
typedef atr_onnx_conv_transpose_options transpose_options;

/* ---- types ------------------------------------------------------------------------------------- */

static atr_status check_auto_pad(const atr_call *call, atr_padding_kind kind, const int64_t *pads) {
  for (int i = 0; i < 2 * call->spatial; i++)
    ATR_REFUSE_UNLESS(call, kind == ATR_PADDING_EXPLICIT || pads[i] == 0, "pads go with auto_pad=NOTSET only");
  return ATR_OK;
}

static atr_layer_source source_of(const atr_call *call, int64_t group, const int64_t *kernel) {
  return (atr_layer_source){.in = call->types[ATR_INPUT].dims[1],
                            .groups = group,
                            .kernel_stated = kernel,
                            .weight_rank = call->spatial + 2,
                            .kernel_dim = 2,
                            .out_scale = 1,
                            .out_name = "output channels",
                            .groups_name = "group"};
}

atr_status atr_onnx_conv_types(atr_call *call) {
  const conv_options *o = call->options;
  ATR_TRY(check_auto_pad(call, o->auto_pad, o->pads));
  atr_layer_source source = source_of(call, o->group, o->kernel_shape);
  ATR_TRY(atr_call_find_layer(call, &source));
  atr_call_expect_weight(call, call->layer.out, call->layer.in / call->layer.groups, false);
  return ATR_OK;
}

static atr_status conv_types(atr_call *call) {
  ATR_TRY(atr_onnx_conv_types(call));
  atr_call_expect(call, ATR_BIAS, call->types[ATR_INPUT].dtype, 1, &call->layer.out);
  return ATR_OK;
}

static atr_status transpose_types(atr_call *call) {
  const transpose_options *o = call->options;
  ATR_TRY(check_auto_pad(call, o->auto_pad, o->pads));
  atr_layer_source source = source_of(call, o->group, o->kernel_shape);
  source.out_dim = 1;
  source.out_scale = o->group;
  ATR_TRY(atr_call_find_layer(call, &source));
  atr_call_expect_weight(call, call->layer.in, call->layer.out / call->layer.groups, false);
  atr_call_expect(call, ATR_BIAS, call->types[ATR_INPUT].dtype, 1, &call->layer.out);
  return ATR_OK;
}

/* ---- Conv -------------------------------------------------------------------------------------- */

static atr_status pad(const atr_call *call, atr_window_dim *w, int d) {
  const conv_options *o = call->options;
  switch (o->auto_pad) {
  case ATR_PADDING_EXPLICIT:
    w->pad_lo = o->pads[d];
    w->pad_hi = o->pads[call->spatial + d];
    return ATR_OK;
  case ATR_PADDING_VALID: return ATR_OK;
  case ATR_PADDING_SAME:
  case ATR_PADDING_SAME_LOWER: break;
  }
  ATR_REFUSE_UNLESS(call, atr_window_pad_same(call->types[ATR_INPUT].dims[d + 2], o->auto_pad == ATR_PADDING_SAME_LOWER, w),
                    "the padding of spatial dimension %d overflows", d);
  return ATR_OK;
}

atr_conv *atr_onnx_conv_window(atr_call *call) {
  const conv_options *o = call->options;
  atr_conv *c = atr_call_conv(call, false);
  for (int d = 0; d < call->spatial; d++) {
    c->window[d].stride = o->strides[d];
    c->window[d].rhs_dilation = o->dilations[d];
    if (pad(call, &c->window[d], d) != ATR_OK) return NULL;
  }
  return atr_call_check_fit(call, c, &call->types[ATR_INPUT]) == ATR_OK ? c : NULL;
}

static atr_id conv_build(atr_call *call) {
  const atr_conv *c = atr_onnx_conv_window(call);
  if (c == NULL) return 0;
  atr_id y = atr_call_add_conv(call, ATR_OP_CONVOLUTION, c, call->args[ATR_INPUT], call->args[ATR_WEIGHT],
                               call->types[ATR_INPUT].dtype);
  return atr_call_add_bias(call, y, call->args[ATR_BIAS], 1);
}

/* ---- ConvTranspose ----------------------------------------------------------------------------- */

static bool has_output_shape(const atr_call *call) {
  const transpose_options *o = call->options;
  for (int d = 0; d < call->spatial; d++)
    if (o->output_shape[d] != 0) return true;
  return false;
}

/* What is cut off in front and behind; `full` is the whole result without output_padding. */
static atr_status find_cut(const atr_call *call, int d, int64_t full, int64_t cut[2]) {
  const transpose_options *o = call->options;
  bool has_shape = has_output_shape(call), is_same = o->auto_pad == ATR_PADDING_SAME || o->auto_pad == ATR_PADDING_SAME_LOWER;
  int64_t wanted = has_shape ? o->output_shape[d] : call->types[ATR_INPUT].dims[d + 2] * o->strides[d];
  int64_t most = full + o->strides[d] - 1, total = full + o->output_padding[d] - wanted;
  cut[0] = o->pads[d];
  cut[1] = o->pads[call->spatial + d];
  if (!has_shape && !is_same) return ATR_OK;
  ATR_REFUSE_UNLESS(call, !has_shape || (wanted >= 1 && wanted <= most),
                    "output_shape=%lld in spatial dimension %d; allowed: from 1 to %lld", (long long)wanted, d,
                    (long long)most);
  if (!has_shape) total = atr_max(total, 0);
  cut[0] = o->auto_pad == ATR_PADDING_SAME ? total / 2 : total - total / 2;
  if (total < 0) cut[0] = 0; /* what is missing is added behind, as output_padding is */
  cut[1] = total - cut[0];
  return ATR_OK;
}

static atr_status invert(const atr_call *call, atr_window_dim *w, int d) {
  const transpose_options *o = call->options;
  int64_t full, cut[2] = {0}, more = o->output_padding[d];
  ATR_REFUSE_UNLESS(call, more < o->strides[d] || more < o->dilations[d],
                    "output_padding=%lld in spatial dimension %d; it must be below stride %lld or dilation %lld",
                    (long long)more, d, (long long)o->strides[d], (long long)o->dilations[d]);
  w->rhs_dilation = o->dilations[d];
  ATR_TRY(atr_call_full_extent(call, call->types[ATR_INPUT].dims[d + 2], o->strides[d], w, &full));
  ATR_TRY(find_cut(call, d, full, cut));
  atr_window_invert(w, o->strides[d], cut[0], cut[1] - more);
  return ATR_OK;
}

static atr_id transpose_build(atr_call *call) {
  atr_conv *c = atr_call_conv(call, false);
  atr_conv_swap_features(c);
  for (int d = 0; d < call->spatial; d++)
    if (invert(call, &c->window[d], d) != ATR_OK) return 0;
  if (atr_call_check_inverse(call, c, &call->types[ATR_INPUT]) != ATR_OK) return 0;
  atr_id weight = atr_call_inverse_weight(call, call->args[ATR_WEIGHT], 1);
  atr_id y = atr_call_add_conv(call, ATR_OP_CONVOLUTION, c, call->args[ATR_INPUT], weight, call->types[ATR_INPUT].dtype);
  return atr_call_add_bias(call, y, call->args[ATR_BIAS], 1);
}

/* ---- tables ------------------------------------------------------------------------------------ */

#define ARRAYS(text)                                                                                                           \
  {.name = "X", .holds = ATR_HOLDS_FLOATS, .form = "(N, C, spatial...)"},                                                      \
      {.name = "W", .holds = ATR_HOLDS_FLOATS, .form = text},                                                                  \
      {.name = "B", .role = ATR_ARRAY_OPTIONAL, .holds = ATR_HOLDS_FLOATS, .form = "(M)"}

static const atr_array conv_arrays[] = {ARRAYS("(M, C / group, kernel...)")};
static const atr_array transpose_arrays[] = {ARRAYS("(C, M / group, kernel...)")};

static const atr_attribute transpose_attributes[] = {ATR_ONNX_ATTRIBUTES(transpose_options),
                                                     ATR_FIELD(transpose_options, output_padding, TUPLE, ),
                                                     ATR_FIELD(transpose_options, output_shape, TUPLE, .low = 1)};
static const atr_attribute conv_attributes[] = {ATR_ONNX_ATTRIBUTES(conv_options)};

#define ROW(text, kind) {.name = "onnx." text, ATR_OPERATOR_ROW(kind##_arrays, kind##_attributes, kind##_options, kind)}

const atr_operator atr_onnx_operators[2] = {ROW("Conv", conv), ROW("ConvTranspose", transpose)};

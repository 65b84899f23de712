/* mxnet.c - MXNet's Convolution and Deconvolution.
 *
 * In: data, weight, bias. Out: one convolution and an addition.
 *
 *     Convolution     weight (num_filter, C / num_group, kernel...)   floor((x + 2 pad - dilate (kernel - 1) - 1) / stride) + 1
 *     Deconvolution   weight (C, num_filter / num_group, kernel...)   stride (x - 1) + dilate (kernel - 1) + 1 - 2 pad + adj
 *
 * The weight's dimensions stand in the order of data's layout. The attributes of a Deconvolution are those of the convolution
 * that it inverts; with target_shape the padding is computed: t = what is too much, adj = t mod 2, pad = (t + 1) / 2 in front
 * and pad - adj behind. */
#include "operators/operators.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef atr_mxnet_convolution_options conv_options;
typedef atr_mxnet_deconvolution_options deconv_options;

/* ---- types ------------------------------------------------------------------------------------- */

static bool is_last(atr_mxnet_layout layout) { return layout >= ATR_MXNET_NWC; }

static atr_status check_layout(const atr_call *call, atr_mxnet_layout layout) {
  int spatial = ((int)layout - 1) % 3 + 1;
  ATR_REFUSE_UNLESS(call, call->spatial >= 1 && call->spatial <= 3, "data is %s, but it must have 1 to 3 spatial dimensions",
                    atr_shape_text(call->work, &call->types[ATR_INPUT]));
  ATR_REFUSE_UNLESS(call, layout == ATR_MXNET_LAYOUT_NONE || spatial == call->spatial,
                    "layout has %d spatial dimensions, but data is %s with %d", spatial,
                    atr_shape_text(call->work, &call->types[ATR_INPUT]), call->spatial);
  return ATR_OK;
}

/* What both operators say of their weight, which is in the order of the layout. */
static atr_layer_source source_of(const atr_call *call, bool last, int64_t num_filter, int64_t num_group,
                                  const int64_t *kernel) {
  return (atr_layer_source){.in = call->types[ATR_INPUT].dims[last ? call->spatial + 1 : 1],
                            .out_stated = num_filter,
                            .groups = num_group,
                            .kernel_stated = kernel,
                            .weight_rank = call->spatial + 2,
                            .kernel_dim = last ? 1 : 2,
                            .out_scale = 1,
                            .out_name = "filters",
                            .groups_name = "num_group"};
}

static atr_status conv_types(atr_call *call) {
  const conv_options *o = call->options;
  bool last = is_last(o->layout);
  ATR_TRY(check_layout(call, o->layout));
  atr_layer_source source = source_of(call, last, o->num_filter, o->num_group, o->kernel);
  ATR_TRY(atr_call_find_layer(call, &source));
  atr_call_expect_weight(call, call->layer.out, call->layer.in / call->layer.groups, last);
  atr_call_expect(call, ATR_BIAS, call->types[ATR_INPUT].dtype, 1, &call->layer.out);
  return ATR_OK;
}

static atr_status deconv_types(atr_call *call) {
  const deconv_options *o = call->options;
  bool last = is_last(o->layout);
  ATR_TRY(check_layout(call, o->layout));
  atr_layer_source source = source_of(call, last, o->num_filter, o->num_group, o->kernel);
  source.out_dim = last ? call->spatial + 1 : 1;
  source.out_scale = o->num_group;
  ATR_TRY(atr_call_find_layer(call, &source));
  atr_call_expect_weight(call, call->layer.in, call->layer.out / call->layer.groups, last);
  atr_call_expect(call, ATR_BIAS, call->types[ATR_INPUT].dtype, 1, &call->layer.out);
  return ATR_OK;
}

/* ---- instructions ------------------------------------------------------------------------------ */

static atr_id finish(atr_call *call, const atr_conv *c, atr_id weight) {
  atr_id y = atr_call_add_conv(call, ATR_OP_CONVOLUTION, c, call->args[ATR_INPUT], weight, call->types[ATR_INPUT].dtype);
  return atr_call_add_bias(call, y, call->args[ATR_BIAS], c->out_feature);
}

static atr_id conv_build(atr_call *call) {
  const conv_options *o = call->options;
  atr_conv *c = atr_call_conv(call, is_last(o->layout));
  for (int d = 0; d < call->spatial; d++) {
    atr_window_dim *w = &c->window[d];
    w->stride = o->stride[d];
    w->rhs_dilation = o->dilate[d];
    w->pad_lo = w->pad_hi = o->pad[d];
  }
  return atr_call_check_fit(call, c, &call->types[ATR_INPUT]) == ATR_OK ? finish(call, c, call->args[ATR_WEIGHT]) : 0;
}

/* What is cut off the full result in front and behind. */
static atr_status find_cut(const atr_call *call, const atr_window_dim *w, int d, int64_t input, int64_t cut[2]) {
  const deconv_options *o = call->options;
  bool has_target = false;
  for (int i = 0; i < call->spatial; i++) has_target = has_target || o->target_shape[i] != 0;
  int64_t pad = o->pad[d], adj = o->adj[d], full;
  if (has_target) {
    ATR_TRY(atr_call_full_extent(call, input, o->stride[d], w, &full));
    int64_t more = full - o->target_shape[d];
    ATR_REFUSE_UNLESS(call, more >= 0, "target_shape=%lld in spatial dimension %d; at most %lld can be reached",
                      (long long)o->target_shape[d], d, (long long)full);
    adj = more % 2;
    pad = (more + 1) / 2;
  }
  ATR_REFUSE_UNLESS(call, adj < o->stride[d], "%s%lld in spatial dimension %d; allowed: from 0 to stride - 1, which is %lld",
                    has_target ? "target_shape wants adj=" : "adj=", (long long)adj, d, (long long)(o->stride[d] - 1));
  cut[0] = pad;
  cut[1] = pad - adj;
  return ATR_OK;
}

static atr_id deconv_build(atr_call *call) {
  const deconv_options *o = call->options;
  bool last = is_last(o->layout);
  const atr_shape data = call->types[ATR_INPUT];
  atr_conv *c = atr_call_conv(call, last);
  atr_conv_swap_features(c);
  for (int d = 0; d < call->spatial; d++) {
    int64_t cut[2] = {0};
    c->window[d].rhs_dilation = o->dilate[d];
    if (find_cut(call, &c->window[d], d, data.dims[c->lhs_spatial[d]], cut) != ATR_OK) return 0;
    atr_window_invert(&c->window[d], o->stride[d], cut[0], cut[1]);
  }
  if (atr_call_check_inverse(call, c, &data) != ATR_OK) return 0;
  return finish(call, c, atr_call_inverse_weight(call, call->args[ATR_WEIGHT], c->rhs_output_feature));
}

/* ---- hints ------------------------------------------------------------------------------------- */

/* What MXNet does without a word in the call: 0 off, 2 fastest, else limited_workspace. */
static atr_mxnet_tune default_tune(void) {
  const char *text = getenv("MXNET_CUDNN_AUTOTUNE_DEFAULT");
  if (text != NULL && strcmp(text, "0") == 0) return ATR_MXNET_TUNE_OFF;
  return text != NULL && strcmp(text, "2") == 0 ? ATR_MXNET_TUNE_FASTEST : ATR_MXNET_TUNE_LIMITED_WORKSPACE;
}

/* `workspace` is in MiB, or none, and no limit for the fastest plan. */
static void set_hints(atr_import_hints *hints, int64_t workspace, atr_mxnet_tune tune, atr_flag cudnn_off) {
  hints->cudnn_tune = tune != ATR_MXNET_TUNE_DEFAULT ? tune : default_tune();
  int64_t bytes = workspace == ATR_WORKSPACE_NONE ? workspace : workspace * (1 << 20);
  hints->workspace = hints->cudnn_tune == ATR_MXNET_TUNE_FASTEST ? 0 : bytes;
  hints->cudnn_off = cudnn_off == ATR_FLAG_TRUE;
}

static void conv_hints(const atr_call *call, atr_import_hints *hints) {
  const conv_options *o = call->options;
  set_hints(hints, o->workspace, o->cudnn_tune, o->cudnn_off);
}

static void deconv_hints(const atr_call *call, atr_import_hints *hints) {
  const deconv_options *o = call->options;
  set_hints(hints, o->workspace, o->cudnn_tune, o->cudnn_off);
}

/* ---- tables ------------------------------------------------------------------------------------ */

#define DATA {.name = "data", .holds = ATR_HOLDS_FLOATS, .form = "(N, C, spatial...), or as layout says"}
#define WEIGHT(text) {.name = "weight", .role = ATR_ARRAY_INFERRED, .holds = ATR_HOLDS_FLOATS, .form = text}
#define BIAS {.name = "bias", .role = ATR_ARRAY_BIAS, .holds = ATR_HOLDS_FLOATS, .form = "(num_filter)"}

static const atr_array conv_arrays[] = {DATA, WEIGHT("(num_filter, C / num_group, kernel...), in the order of layout"), BIAS};
static const atr_array deconv_arrays[] = {DATA, WEIGHT("(C, num_filter / num_group, kernel...), in the order of layout"), BIAS};

#define WINDOW(T)                                                                                                              \
  ATR_FIELD(T, kernel, TUPLE, .low = 1, .traits = ATR_TRAIT_REQUIRED), ATR_FIELD(T, stride, TUPLE, .low = 1, .fallback = 1),   \
      ATR_FIELD(T, dilate, TUPLE, .low = 1, .fallback = 1), ATR_FIELD(T, pad, TUPLE, )
#define REST(T, no_bias_default, layouts)                                                                                      \
  ATR_FIELD(T, num_filter, INT, .low = 1, .traits = ATR_TRAIT_REQUIRED),                                                       \
      ATR_FIELD(T, num_group, INT, .low = 1, .fallback = 1),                                                                   \
      ATR_FIELD(T, workspace, INT, .fallback = 1024, .zero = ATR_WORKSPACE_NONE),                                              \
      ATR_FIELD(T, no_bias, FLAG, .fallback = no_bias_default, .traits = ATR_TRAIT_NO_BIAS),                                   \
      ATR_FIELD(T, cudnn_tune, WORD, .words = "None|off|limited_workspace|fastest"),                                           \
      ATR_FIELD(T, cudnn_off, FLAG, .fallback = ATR_FLAG_FALSE), ATR_FIELD(T, layout, WORD, .words = layouts)

static const atr_attribute conv_attributes[] = {WINDOW(conv_options),
                                                REST(conv_options, ATR_FLAG_FALSE, "None|NCW|NCHW|NCDHW|NWC|NHWC|NDHWC")};
static const atr_attribute deconv_attributes[] = {WINDOW(deconv_options), ATR_FIELD(deconv_options, adj, TUPLE, ),
                                                  ATR_FIELD(deconv_options, target_shape, TUPLE, ),
                                                  REST(deconv_options, ATR_FLAG_TRUE, "None|NCW|NCHW|NCDHW||NHWC|NDHWC")};

#define ROW(text, kind)                                                                                                        \
  {.name = "mxnet." text, ATR_OPERATOR_ROW(kind##_arrays, kind##_attributes, kind##_options, kind), .hints = kind##_hints}

const atr_operator atr_mxnet_operators[2] = {ROW("Convolution", conv), ROW("Deconvolution", deconv)};

/* torch.c - PyTorch's convolutions: Conv1d to Conv3d, ConvTranspose1d to 3d, and their functional forms.
 *
 * In: input (N, C, ...) or (C, ...), weight, bias. Out: one convolution and an addition.
 *
 *     Conv2d           weight (out, in / groups, kh, kw)   padding 'same': the extra zero is on the right
 *     ConvTranspose2d  weight (in, out / groups, kh, kw)   (I - 1) S - 2 p + D (K - 1) + op + 1, where op is output_padding
 *
 * The modules know their weight's shape from their attributes; conv2d and its kin take it from weight. Unbatched input is a
 * batch of one. padding_mode other than zeros is an edge mode of the convolution. */
#include "operators/operators.h"

#include <stddef.h>

typedef atr_torch_conv_options conv_options;
typedef atr_torch_conv_transpose_options transpose_options;

/* ---- convolution ------------------------------------------------------------------------------- */

static atr_status check_input(const atr_call *call, int *feature) {
  const atr_shape *input = &call->types[ATR_INPUT];
  int batched = call->spatial + 2;
  ATR_REFUSE_UNLESS(call, input->rank == batched || input->rank == batched - 1,
                    "input is %s, but it must have rank %d (N, C, ...) or %d (C, ...)", atr_shape_text(call->work, input),
                    batched, batched - 1);
  *feature = input->rank - call->spatial - 1;
  return ATR_OK;
}

static atr_status check_dtype(const atr_call *call, atr_dtype dtype) {
  const atr_shape *input = &call->types[ATR_INPUT];
  ATR_REFUSE_UNLESS(call, dtype == ATR_DTYPE_NONE || dtype == input->dtype, "dtype=%s, but input is %s; they must be equal",
                    atr_dtype_name(dtype), atr_shape_text(call->work, input));
  return ATR_OK;
}

/* What modules and functions, forward and transposed, say alike; `source` has what the options state. */
static atr_status find_types(atr_call *call, atr_dtype dtype, atr_layer_source source, bool transposed) {
  int feature = 0;
  ATR_TRY(check_input(call, &feature));
  ATR_TRY(check_dtype(call, dtype));
  source.in = call->types[ATR_INPUT].dims[feature];
  source.weight_rank = call->spatial + 2;
  source.out_dim = transposed ? 1 : 0;
  source.out_scale = transposed ? source.groups : 1;
  source.kernel_dim = 2;
  source.out_name = "output channels";
  source.groups_name = "groups";
  ATR_TRY(atr_call_find_layer(call, &source));
  const atr_layer *l = &call->layer;
  if (transposed) atr_call_expect_weight(call, l->in, l->out / l->groups, false);
  else atr_call_expect_weight(call, l->out, l->in / l->groups, false);
  atr_call_expect(call, ATR_BIAS, call->types[ATR_INPUT].dtype, 1, &l->out);
  return ATR_OK;
}

static atr_status conv_types(atr_call *call) {
  const conv_options *o = call->options;
  atr_layer_source source = {
      .in_stated = o->in_channels, .out_stated = o->out_channels, .groups = o->groups, .kernel_stated = o->kernel_size};
  return find_types(call, o->dtype, source, false);
}

/* (C, ...) as (1, C, ...) */
static atr_id add_batch(atr_call *call, atr_id input) {
  if (call->work->status != ATR_OK) return 0;
  atr_shape shape = *atr_call_shape(call, input);
  if (shape.rank == call->spatial + 2) return input;
  for (int d = shape.rank; d > 0; d--) shape.dims[d] = shape.dims[d - 1];
  shape.dims[0] = 1;
  shape = atr_shape_make(shape.dtype, shape.rank + 1, shape.dims);
  return atr_reshape_build(call->work, call->module, input, &shape);
}

static atr_id drop_batch(atr_call *call, atr_id y) {
  if (call->work->status != ATR_OK || call->types[ATR_INPUT].rank == call->spatial + 2) return y;
  const atr_shape *shape = atr_call_shape(call, y);
  atr_shape dropped = atr_shape_make(shape->dtype, shape->rank - 1, shape->dims + 1);
  return atr_reshape_build(call->work, call->module, y, &dropped);
}

static atr_id finish(atr_call *call, atr_conv *c, atr_id input, atr_id weight, atr_flag allow_tf32) {
  c->precision[0] = c->precision[1] = allow_tf32 == ATR_FLAG_FALSE ? ATR_PRECISION_HIGHEST : ATR_PRECISION_DEFAULT;
  atr_id y = atr_call_add_conv(call, ATR_OP_CONVOLUTION, c, input, weight, call->types[ATR_INPUT].dtype);
  return drop_batch(call, atr_call_add_bias(call, y, call->args[ATR_BIAS], 1));
}

static atr_status pad(const atr_call *call, atr_conv *c, int d, int64_t input) {
  const conv_options *o = call->options;
  atr_window_dim *w = &c->window[d];
  switch (o->padding_kind) {
  case ATR_PADDING_EXPLICIT: w->pad_lo = w->pad_hi = o->padding[d]; break;
  case ATR_PADDING_VALID: break;
  case ATR_PADDING_SAME:
    ATR_REFUSE_UNLESS(call, o->stride[d] == 1, "padding='same' needs stride 1, but stride has %lld", (long long)o->stride[d]);
    w->pad_lo = (atr_window_extent(w) - 1) / 2;
    w->pad_hi = atr_window_extent(w) - 1 - w->pad_lo;
    break;
  case ATR_PADDING_SAME_LOWER: return ATR_REFUSE(call, "padding_kind SAME_LOWER is not torch's");
  }
  int64_t most = o->padding_mode == ATR_EDGE_CIRCULAR ? input : o->padding_mode == ATR_EDGE_REFLECT ? input - 1 : INT64_MAX;
  ATR_REFUSE_UNLESS(call, w->pad_lo <= most && w->pad_hi <= most,
                    "padding_mode='%s' allows a padding of at most %lld for extent %lld in spatial dimension %d, got %lld",
                    o->padding_mode == ATR_EDGE_CIRCULAR ? "circular" : "reflect", (long long)most, (long long)input, d,
                    (long long)w->pad_hi);
  w->edge = o->padding_mode;
  return ATR_OK;
}

static atr_id conv_build(atr_call *call) {
  const conv_options *o = call->options;
  atr_conv *c = atr_call_conv(call, false);
  atr_id input = add_batch(call, call->args[ATR_INPUT]);
  if (input == 0) return 0;
  const atr_shape lhs = *atr_call_shape(call, input);
  for (int d = 0; d < call->spatial; d++) {
    c->window[d].stride = o->stride[d];
    c->window[d].rhs_dilation = o->dilation[d];
    if (pad(call, c, d, lhs.dims[d + 2]) != ATR_OK) return 0;
  }
  if (atr_call_check_fit(call, c, &lhs) != ATR_OK) return 0;
  return finish(call, c, input, call->args[ATR_WEIGHT], o->allow_tf32);
}

static void conv_hints(const atr_call *call, atr_import_hints *hints) {
  hints->deterministic = ((const conv_options *)call->options)->deterministic == ATR_FLAG_TRUE;
}

/* ---- transposed convolution -------------------------------------------------------------------- */

static atr_status transpose_types(atr_call *call) {
  const transpose_options *o = call->options;
  atr_layer_source source = {
      .in_stated = o->in_channels, .out_stated = o->out_channels, .groups = o->groups, .kernel_stated = o->kernel_size};
  return find_types(call, o->dtype, source, true);
}

/* output_padding, or what makes it of output_size. */
static atr_status find_output_padding(const atr_call *call, const atr_window_dim *w, int d, int64_t input, int64_t *out) {
  const transpose_options *o = call->options;
  bool has_size = false;
  for (int i = 0; i < call->spatial; i++) has_size = has_size || o->output_size[i] != 0;
  *out = o->output_padding[d];
  if (!has_size) {
    ATR_REFUSE_UNLESS(call, *out < o->stride[d] || *out < o->dilation[d],
                      "output_padding=%lld in spatial dimension %d; it must be below stride %lld or dilation %lld",
                      (long long)*out, d, (long long)o->stride[d], (long long)o->dilation[d]);
    return ATR_OK;
  }
  int64_t full;
  ATR_TRY(atr_call_full_extent(call, input, o->stride[d], w, &full));
  int64_t least = full - 2 * o->padding[d], most = least + o->stride[d] - 1;
  ATR_REFUSE_UNLESS(call, o->output_size[d] >= least && o->output_size[d] <= most,
                    "output_size=%lld in spatial dimension %d; allowed: from %lld to %lld", (long long)o->output_size[d], d,
                    (long long)least, (long long)most);
  *out = o->output_size[d] - least;
  return ATR_OK;
}

static atr_id transpose_build(atr_call *call) {
  const transpose_options *o = call->options;
  atr_conv *c = atr_call_conv(call, false);
  atr_conv_swap_features(c);
  atr_id input = add_batch(call, call->args[ATR_INPUT]), weight = atr_call_inverse_weight(call, call->args[ATR_WEIGHT], 1);
  if (weight == 0) return 0;
  const atr_shape lhs = *atr_call_shape(call, input);
  for (int d = 0; d < call->spatial; d++) {
    int64_t more;
    c->window[d].rhs_dilation = o->dilation[d];
    if (find_output_padding(call, &c->window[d], d, lhs.dims[d + 2], &more) != ATR_OK) return 0;
    atr_window_invert(&c->window[d], o->stride[d], o->padding[d], o->padding[d] - more);
  }
  if (atr_call_check_inverse(call, c, &lhs) != ATR_OK) return 0;
  return finish(call, c, input, weight, o->allow_tf32);
}

static void transpose_hints(const atr_call *call, atr_import_hints *hints) {
  hints->deterministic = ((const transpose_options *)call->options)->deterministic == ATR_FLAG_TRUE;
}

/* ---- tables ------------------------------------------------------------------------------------ */

#define INPUT {.name = "input", .holds = ATR_HOLDS_NUMBERS, .form = "(N, C, spatial...) or (C, spatial...)"}
#define WEIGHT(array_role, text) {.name = "weight", .role = array_role, .holds = ATR_HOLDS_NUMBERS, .form = text}
#define BIAS(array_role) {.name = "bias", .role = array_role, .holds = ATR_HOLDS_NUMBERS, .form = "(out_channels)"}
static const char conv_form[] = "(out_channels, in_channels / groups, kernel_size...)",
                  transpose_form[] = "(in_channels, out_channels / groups, kernel_size...)";

static const atr_array conv_arrays[] = {INPUT, WEIGHT(ATR_ARRAY_INFERRED, conv_form), BIAS(ATR_ARRAY_BIAS)};
static const atr_array transpose_arrays[] = {INPUT, WEIGHT(ATR_ARRAY_INFERRED, transpose_form), BIAS(ATR_ARRAY_BIAS)};
static const atr_array conv_function_arrays[] = {INPUT, WEIGHT(ATR_ARRAY_REQUIRED, conv_form), BIAS(ATR_ARRAY_OPTIONAL)};
static const atr_array transpose_function_arrays[] = {INPUT, WEIGHT(ATR_ARRAY_REQUIRED, transpose_form),
                                                      BIAS(ATR_ARRAY_OPTIONAL)};

#define SHAPE(T)                                                                                                               \
  ATR_FIELD(T, in_channels, INT, .low = 1, .traits = ATR_TRAIT_REQUIRED),                                                      \
      ATR_FIELD(T, out_channels, INT, .low = 1, .traits = ATR_TRAIT_REQUIRED),                                                 \
      ATR_FIELD(T, kernel_size, TUPLE, .low = 1, .traits = ATR_TRAIT_REQUIRED)
#define STRIDE(T) ATR_FIELD(T, stride, TUPLE, .low = 1, .fallback = 1)
#define DILATION(T) ATR_FIELD(T, dilation, TUPLE, .low = 1, .fallback = 1)
#define GROUPS(T) ATR_FIELD(T, groups, INT, .low = 1, .fallback = 1)
#define MODULE(T) ATR_FIELD(T, bias, FLAG, .fallback = ATR_FLAG_TRUE, .traits = ATR_TRAIT_BIAS), ATR_FIELD(T, dtype, DTYPE, )
#define SWITCHES(T)                                                                                                            \
  ATR_FIELD(T, allow_tf32, FLAG, .fallback = ATR_FLAG_TRUE), ATR_FIELD(T, deterministic, FLAG, .fallback = ATR_FLAG_FALSE)
#define CONV_PADDING                                                                                                           \
  ATR_FIELD(conv_options, padding, TUPLE, .words = "|valid|same", .word_offset = offsetof(conv_options, padding_kind))
#define TRANSPOSE_PADDING ATR_FIELD(transpose_options, padding, TUPLE, ), ATR_FIELD(transpose_options, output_padding, TUPLE, )

static const atr_attribute conv_attributes[] = {
    SHAPE(conv_options),
    STRIDE(conv_options),
    CONV_PADDING,
    DILATION(conv_options),
    GROUPS(conv_options),
    MODULE(conv_options),
    ATR_FIELD(conv_options, padding_mode, WORD, .words = "zeros|reflect|replicate|circular"),
    SWITCHES(conv_options)};
static const atr_attribute transpose_attributes[] = {
    SHAPE(transpose_options),    STRIDE(transpose_options),
    TRANSPOSE_PADDING,           ATR_FIELD(transpose_options, output_size, TUPLE, .low = 1, .traits = ATR_TRAIT_FULL_SIZE),
    GROUPS(transpose_options),   MODULE(transpose_options),
    DILATION(transpose_options), ATR_FIELD(transpose_options, padding_mode, WORD, .words = "zeros"),
    SWITCHES(transpose_options)};
static const atr_attribute conv_function_attributes[] = {STRIDE(conv_options), CONV_PADDING, DILATION(conv_options),
                                                         GROUPS(conv_options), SWITCHES(conv_options)};
static const atr_attribute transpose_function_attributes[] = {STRIDE(transpose_options), TRANSPOSE_PADDING,
                                                              GROUPS(transpose_options), DILATION(transpose_options),
                                                              SWITCHES(transpose_options)};

#define ROW(text, rank, kind, form)                                                                                            \
  {.name = "torch." text,                                                                                                      \
   .spatial = rank,                                                                                                            \
   ATR_OPERATOR_ROW(kind##form##_arrays, kind##form##_attributes, kind##_options, kind),                                       \
   .hints = kind##_hints}

const atr_operator atr_torch_convs[3] = {ROW("Conv1d", 1, conv, ), ROW("Conv2d", 2, conv, ), ROW("Conv3d", 3, conv, )};
const atr_operator atr_torch_transposes[3] = {ROW("ConvTranspose1d", 1, transpose, ), ROW("ConvTranspose2d", 2, transpose, ),
                                              ROW("ConvTranspose3d", 3, transpose, )};
const atr_operator atr_torch_functions[6] = {ROW("conv1d", 1, conv, _function),
                                             ROW("conv2d", 2, conv, _function),
                                             ROW("conv3d", 3, conv, _function),
                                             ROW("conv_transpose1d", 1, transpose, _function),
                                             ROW("conv_transpose2d", 2, transpose, _function),
                                             ROW("conv_transpose3d", 3, transpose, _function)};

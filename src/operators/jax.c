/* jax.c - jax.lax's convolutions: conv_general_dilated, _local, _patches, and conv_transpose.
 *
 * In: lhs, rhs, and the arguments of these functions. Out: one convolution.
 *
 *     conv_general_dilated           the compiler's own convolution, with JAX's restrictions
 *     conv_general_dilated_local     an unshared convolution; rhs's input features are channel times window, channel slowest
 *     conv_general_dilated_patches   a convolution of each channel by itself with one filter per place of the window
 *     conv_transpose                 lhs_dilation is strides; flips the kernel for transpose_kernel only; NHWC, HWIO, NHWC
 *
 * Strides, paddings and dilations go with the spatial dimensions in the order of rhs_spec; filter_shape, and the window within a
 * feature, with their places in rhs. These orders differ where a ConvDimensionNumbers lists rhs's places (1, 3, 2, 0). */
#include "operators/operators.h"

#include <stddef.h>
#include <string.h>

typedef atr_jax_conv_options conv_options;
typedef atr_jax_conv_transpose_options transpose_options;

enum { LHS = 0, RHS = 1 };

/* ---- dtypes ------------------------------------------------------------------------------------ */

/* Never narrower; a signed integer stays signed, a float a float; an integer may become a float. */
static bool may_prefer(atr_dtype from, atr_dtype to) {
  atr_dtype_class a = atr_dtype_class_of(from), b = atr_dtype_class_of(to);
  bool kind = a == b || (a == ATR_CLASS_UINT && b == ATR_CLASS_SINT) || (atr_dtype_is_integer(from) && b == ATR_CLASS_FLOAT);
  return kind && atr_dtype_bits(to) >= atr_dtype_bits(from);
}

static atr_status check_preferred(const atr_call *call, atr_dtype preferred) {
  atr_dtype dtype = call->types[LHS].dtype;
  ATR_REFUSE_UNLESS(call, preferred == ATR_DTYPE_NONE || may_prefer(dtype, preferred),
                    "preferred_element_type=%s is narrower than %s of lhs, or of another kind", atr_dtype_name(preferred),
                    atr_dtype_name(dtype));
  return ATR_OK;
}

static atr_status check_dtypes(const atr_call *call) {
  ATR_REFUSE_UNLESS(call, call->types[LHS].dtype == call->types[RHS].dtype, "lhs is of %s and rhs of %s; they must be equal",
                    atr_dtype_name(call->types[LHS].dtype), atr_dtype_name(call->types[RHS].dtype));
  return ATR_OK;
}

static atr_status conv_types(atr_call *call) {
  const conv_options *o = call->options;
  ATR_TRY(check_dtypes(call));
  return check_preferred(call, o->preferred_element_type);
}

static atr_status transpose_types(atr_call *call) {
  const transpose_options *o = call->options;
  ATR_TRY(check_dtypes(call));
  ATR_REFUSE_UNLESS(call, o->padding_kind != ATR_PADDING_SAME_LOWER, "padding_kind SAME_LOWER is not conv_transpose's");
  return check_preferred(call, o->preferred_element_type);
}

static atr_status check_filter(const atr_call *call) {
  const conv_options *o = call->options;
  for (int d = 0; d < call->spatial; d++) ATR_REFUSE_UNLESS(call, o->filter_shape[d] != 0, "filter_shape is missing");
  return ATR_OK;
}

static atr_status local_types(atr_call *call) {
  ATR_TRY(check_filter(call));
  return conv_types(call);
}

static atr_status patches_types(atr_call *call) {
  ATR_TRY(check_filter(call));
  return check_preferred(call, ((const conv_options *)call->options)->preferred_element_type);
}

/* ---- the compiler's own words ------------------------------------------------------------------ */

static void name_dimensions(const atr_jax_dimension_numbers *dn, atr_conv_options *out) {
  out->lhs_spec = dn->lhs_spec;
  out->rhs_spec = dn->rhs_spec;
  out->out_spec = dn->out_spec;
  out->lhs_dims = dn->lhs_dims;
  out->rhs_dims = dn->rhs_dims;
  out->out_dims = dn->out_dims;
}

static atr_conv_options general_options(const conv_options *o) {
  atr_conv_options out = {.size = sizeof out,
                          .window_strides = o->window_strides,
                          .padding_kind = o->padding_kind,
                          .lhs_dilation = o->lhs_dilation,
                          .rhs_dilation = o->rhs_dilation,
                          .feature_group_count = o->feature_group_count,
                          .batch_group_count = o->batch_group_count,
                          .lhs_precision = o->precision[0],
                          .rhs_precision = o->precision[1],
                          .preferred_element_type = o->preferred_element_type};
  if (o->padding_kind == ATR_PADDING_EXPLICIT) out.padding = o->padding;
  name_dimensions(&o->dimension_numbers, &out);
  return out;
}

static atr_id conv_build(atr_call *call) {
  atr_conv_options options = general_options(call->options);
  return atr_conv_build(call->work, call->module, ATR_OP_CONVOLUTION, call->args[LHS], call->args[RHS], &options);
}

/* ---- windows by filter_shape ------------------------------------------------------------------- */

static const int64_t *reorder(atr_call *call, const int64_t *dims, const int *order) {
  int64_t *out = ATR_NEW_ARRAY(call->work->arena, int64_t, call->spatial + 2);
  memcpy(out, dims, 2 * sizeof *dims);
  for (int d = 0; d < call->spatial; d++) out[d + 2] = dims[order[d] + 2];
  return out;
}

/* The call with its spatial dimensions in the order of their places in rhs, which is that of filter_shape. Strings are. */
static conv_options in_places(atr_call *call) {
  const conv_options *o = call->options;
  conv_options out = *o;
  atr_jax_dimension_numbers *dn = &out.dimension_numbers;
  int order[ATR_MAX_SPATIAL] = {0};
  if (dn->lhs_dims == NULL || dn->rhs_dims == NULL || dn->out_dims == NULL) return out;
  for (int d = 0, at; d < call->spatial; order[at] = d++)
    for (at = d; at > 0 && dn->rhs_dims[order[at - 1] + 2] > dn->rhs_dims[d + 2]; at--) order[at] = order[at - 1];
  for (int d = 0; d < call->spatial; d++) {
    out.window_strides[d] = o->window_strides[order[d]];
    memcpy(out.padding[d], o->padding[order[d]], sizeof out.padding[d]);
    out.lhs_dilation[d] = o->lhs_dilation[order[d]];
    out.rhs_dilation[d] = o->rhs_dilation[order[d]];
  }
  dn->lhs_dims = reorder(call, dn->lhs_dims, order);
  dn->rhs_dims = reorder(call, dn->rhs_dims, order);
  dn->out_dims = reorder(call, dn->out_dims, order);
  return out;
}

static atr_id local_build(atr_call *call) {
  conv_options o = in_places(call);
  atr_conv_options options = general_options(&o);
  options.filter_shape = o.filter_shape;
  return atr_conv_build(call->work, call->module, ATR_OP_LOCAL_CONVOLUTION, call->args[LHS], call->args[RHS], &options);
}

/* 1 where both indices are equal: filter i has its one at place i of the window. */
static atr_id identity(atr_call *call, int64_t n, atr_dtype dtype) {
  atr_shape square = atr_shape_make(ATR_S32, 2, (int64_t[]){n, n});
  atr_id index[2];
  for (int64_t dim = 0; dim < 2; dim++) {
    atr_inst iota = {.op = ATR_OP_IOTA, .shape = square};
    iota.u.dims.dims = ATR_NEW(call->module->arena, int64_t);
    iota.u.dims.dims[0] = dim;
    iota.u.dims.count = 1;
    index[dim] = atr_inst_build(call->work, call->module, &iota);
  }
  return atr_convert_build(call->work, call->module, atr_compare_build(call->work, call->module, "EQ", index[0], index[1]),
                           dtype);
}

/* Filters (channels * places, 1, window...): those of the identity, once per channel. */
static atr_id patch_filters(atr_call *call, int64_t channels) {
  const conv_options *o = call->options;
  int64_t dims[ATR_MAX_RANK] = {0, 1}, places = 1;
  for (int d = 0; d < call->spatial; d++) places *= dims[d + 2] = o->filter_shape[d];
  dims[0] = channels * places;
  atr_dtype dtype = call->types[LHS].dtype;
  atr_shape all = atr_shape_make(dtype, 3, (int64_t[]){channels, places, places}),
            filters = atr_shape_make(dtype, call->spatial + 2, dims);
  atr_id each = identity(call, places, dtype);
  atr_id wide = atr_broadcast_build(call->work, call->module, each, &all, (int64_t[]){1, 2}, 2);
  return atr_reshape_build(call->work, call->module, wide, &filters);
}

/* The window's places must be few enough to be filters, and their number times the channels must not overflow. */
static atr_status check_places(const atr_call *call, int64_t channels) {
  const conv_options *o = call->options;
  int64_t places = 1;
  for (int d = 0; d < call->spatial; d++) places = places > INT32_MAX ? places : places * o->filter_shape[d];
  ATR_REFUSE_UNLESS(call, places <= INT32_MAX && channels <= INT64_MAX / places, "filter_shape has too many places");
  return ATR_OK;
}

static int feature_of(const atr_jax_dimension_numbers *dn) {
  if (dn->lhs_dims != NULL) return (int)dn->lhs_dims[1];
  const char *feature = dn->lhs_spec != NULL ? strchr(dn->lhs_spec, 'C') : NULL;
  return feature != NULL ? (int)(feature - dn->lhs_spec) : 1;
}

static atr_id patches_build(atr_call *call) {
  const conv_options *o = call->options;
  int rank = call->types[LHS].rank, feature = feature_of(&o->dimension_numbers);
  if (feature < 0 || feature >= rank) feature = 1; /* what is wrong will be said of the convolution */
  int64_t channels = call->types[LHS].dims[feature];
  if (check_places(call, channels) != ATR_OK) return 0;
  atr_id filters = patch_filters(call, channels);
  conv_options copy = in_places(call);
  char spec[ATR_MAX_RANK + 1] = "OI";
  int64_t dims[ATR_MAX_RANK];
  size_t len = 2;
  for (int d = 0; d < rank; d++) dims[d] = d;
  const char *given = o->dimension_numbers.rhs_spec;
  for (; given != NULL && *given != '\0' && len < ATR_MAX_RANK; given++)
    if (*given != 'O' && *given != 'I') spec[len++] = *given;
  if (given != NULL) copy.dimension_numbers.rhs_spec = spec;
  if (o->dimension_numbers.rhs_dims != NULL) copy.dimension_numbers.rhs_dims = dims;
  copy.feature_group_count = channels;
  copy.precision[1] = ATR_PRECISION_DEFAULT;
  atr_conv_options options = general_options(&copy);
  return atr_conv_build(call->work, call->module, ATR_OP_CONVOLUTION, call->args[LHS], filters, &options);
}

/* ---- conv_transpose ---------------------------------------------------------------------------- */

/* Pads of the convolution that runs, for a dilated kernel of extent k and stride s. */
static void transpose_pads(const transpose_options *o, int d, int64_t k, int64_t s, int64_t pads[2]) {
  int64_t same = k + s - 2, valid = same + (k > s ? k - s : 0);
  switch (o->padding_kind) {
  case ATR_PADDING_SAME:
    pads[0] = s > k - 1 ? k - 1 : (same + 1) / 2;
    pads[1] = same - pads[0];
    return;
  case ATR_PADDING_VALID:
    pads[0] = k - 1;
    pads[1] = valid - pads[0];
    return;
  case ATR_PADDING_EXPLICIT:
  case ATR_PADDING_SAME_LOWER: break;
  }
  bool consistent = o->use_consistent_padding == ATR_FLAG_TRUE;
  for (int end = 0; end < 2; end++) pads[end] = consistent ? k - 1 - o->padding[d][end] : o->padding[d][end];
}

/* N, spatial..., C and spatial..., I, O: what JAX takes here without dimension_numbers. */
static void default_dimensions(int spatial, int64_t lhs[ATR_MAX_RANK], int64_t rhs[ATR_MAX_RANK]) {
  lhs[0] = 0;
  lhs[1] = rhs[0] = spatial + 1;
  rhs[1] = spatial;
  for (int d = 0; d < spatial; d++) {
    lhs[d + 2] = d + 1;
    rhs[d + 2] = d;
  }
}

static const char *swap_features(atr_call *call, const char *spec) {
  char *copy = atr_arena_string(call->work->arena, spec, strlen(spec));
  for (char *c = copy; *c != '\0'; c++) *c = *c == 'I' ? 'O' : *c == 'O' ? 'I' : *c;
  return copy;
}

/* The extent of the kernel in each spatial dimension of rhs_spec; 1 where dimension_numbers are wrong, which is said later. */
static void kernel_extents(const atr_call *call, const atr_jax_dimension_numbers *dn, int64_t extents[ATR_MAX_SPATIAL]) {
  const atr_shape *rhs = &call->types[RHS];
  int found = 0;
  for (int d = 0; d < call->spatial; d++) extents[d] = 1;
  for (int place = 0; dn->rhs_spec != NULL && place < rhs->rank && dn->rhs_spec[place] != '\0' && found < call->spatial;
       place++)
    if (dn->rhs_spec[place] != 'I' && dn->rhs_spec[place] != 'O') extents[found++] = rhs->dims[place];
  for (int d = 0; dn->rhs_dims != NULL && d < call->spatial; d++)
    if (dn->rhs_dims[d + 2] >= 0 && dn->rhs_dims[d + 2] < rhs->rank) extents[d] = rhs->dims[dn->rhs_dims[d + 2]];
}

static atr_id transpose_build(atr_call *call) {
  const transpose_options *o = call->options;
  atr_jax_dimension_numbers dn = o->dimension_numbers;
  int64_t lhs[ATR_MAX_RANK], rhs[ATR_MAX_RANK], extents[ATR_MAX_SPATIAL], pads[ATR_MAX_SPATIAL][2];
  int32_t reversal[ATR_MAX_SPATIAL];
  bool turned = o->transpose_kernel == ATR_FLAG_TRUE;
  default_dimensions(call->spatial, lhs, rhs);
  if (dn.lhs_spec == NULL && dn.lhs_dims == NULL)
    dn = (atr_jax_dimension_numbers){.lhs_dims = lhs, .rhs_dims = rhs, .out_dims = lhs};
  kernel_extents(call, &dn, extents);
  for (int d = 0; d < call->spatial; d++) {
    atr_window_dim w = {.size = extents[d] < INT32_MAX ? extents[d] : INT32_MAX, .rhs_dilation = o->rhs_dilation[d]};
    transpose_pads(o, d, atr_window_extent(&w), o->strides[d], pads[d]);
    reversal[d] = turned;
  }
  int64_t swapped[ATR_MAX_RANK];
  if (turned && dn.rhs_spec != NULL) dn.rhs_spec = swap_features(call, dn.rhs_spec);
  if (turned && dn.rhs_dims != NULL) {
    memcpy(swapped, dn.rhs_dims, sizeof *swapped * (size_t)(call->spatial + 2));
    swapped[0] = dn.rhs_dims[1];
    swapped[1] = dn.rhs_dims[0];
    dn.rhs_dims = swapped;
  }
  atr_conv_options options = {.size = sizeof options,
                              .padding = pads,
                              .lhs_dilation = o->strides,
                              .rhs_dilation = o->rhs_dilation,
                              .window_reversal = reversal,
                              .lhs_precision = o->precision[0],
                              .rhs_precision = o->precision[1],
                              .preferred_element_type = o->preferred_element_type};
  name_dimensions(&dn, &options);
  return atr_conv_build(call->work, call->module, ATR_OP_CONVOLUTION, call->args[LHS], call->args[RHS], &options);
}

/* ---- tables ------------------------------------------------------------------------------------ */

#define LHS_ROW {.name = "lhs", .holds = ATR_HOLDS_ANY, .form = "N, C and the spatial dimensions, by lhs_spec"}

static const atr_array conv_arrays[] = {
    LHS_ROW, {.name = "rhs", .holds = ATR_HOLDS_ANY, .form = "O, I and the spatial dimensions, by rhs_spec"}};
static const atr_array patches_arrays[] = {LHS_ROW};

#define PADDING(T, kinds)                                                                                                      \
  ATR_FIELD(T, padding, PAIRS, .low = -INT32_MAX, .traits = ATR_TRAIT_REQUIRED | ATR_TRAIT_ANY_CASE, .words = kinds,           \
            .word_offset = offsetof(T, padding_kind))
#define STRIDES(T, field) ATR_FIELD(T, field, TUPLE, .low = 1, .fallback = 1, .traits = ATR_TRAIT_REQUIRED)
#define DILATION(T, field) ATR_FIELD(T, field, TUPLE, .low = 1, .fallback = 1)
#define REST(T)                                                                                                                \
  ATR_FIELD(T, dimension_numbers, DIMENSIONS, ), ATR_FIELD(T, precision, PRECISION, .traits = ATR_TRAIT_ANY_CASE),             \
      ATR_FIELD(T, preferred_element_type, DTYPE, )
#define WINDOW                                                                                                                 \
  STRIDES(conv_options, window_strides), PADDING(conv_options, "|VALID|SAME|SAME_LOWER"),                                      \
      DILATION(conv_options, lhs_dilation), DILATION(conv_options, rhs_dilation)
#define FILTER ATR_FIELD(conv_options, filter_shape, TUPLE, .low = 1, .traits = ATR_TRAIT_REQUIRED)
#define COUNT(field) ATR_FIELD(conv_options, field, INT, .low = 1, .fallback = 1)

static const atr_attribute conv_attributes[] = {WINDOW, COUNT(feature_group_count), COUNT(batch_group_count),
                                                REST(conv_options)};
static const atr_attribute filter_attributes[] = {FILTER, WINDOW, REST(conv_options)};
static const atr_attribute transpose_attributes[] = {
    STRIDES(transpose_options, strides),
    PADDING(transpose_options, "|VALID|SAME"),
    DILATION(transpose_options, rhs_dilation),
    REST(transpose_options),
    ATR_FIELD(transpose_options, transpose_kernel, FLAG, .fallback = ATR_FLAG_FALSE),
    ATR_FIELD(transpose_options, use_consistent_padding, FLAG, .fallback = ATR_FLAG_FALSE)};

#define ROW(text, array_table, kind, table, T)                                                                                 \
  {.name = "jax." text, ATR_OPERATOR_ROW(array_table##_arrays, table##_attributes, T, kind)}

const atr_operator atr_jax_operators[4] = {ROW("conv_general_dilated", conv, conv, conv, conv_options),
                                           ROW("conv_general_dilated_local", conv, local, filter, conv_options),
                                           ROW("conv_general_dilated_patches", patches, patches, filter, conv_options),
                                           ROW("conv_transpose", conv, transpose, transpose, transpose_options)};

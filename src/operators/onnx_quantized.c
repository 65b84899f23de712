/* onnx_quantized.c - ONNX's ConvInteger and QLinearConv.
 *
 * In: 8-bit x and w with zero points zx and zw. Out: sum((x - zx) (w - zw)) over the window positions inside the input, in s32,
 * from convolutions of the operands as they are:
 *
 *     conv(x, w) - zx conv(1, w) - zw conv(x, 1) + zx zw conv(1, 1)
 *
 * A term is there only if its zero points are not known to be 0. Places outside add nothing to any of the four, which is what
 * padding with the zero point means. conv(x, 1) is the same for all output channels of a group, and conv(1, w) for all images,
 * and without padding for all pixels, and needs w only as summed over its input channels; so all but the first are small. A zx that
 * is a literal stands in the place of the 1, for then conv(zx, w) is worked out once, with the weights. QLinearConv then makes 8-bit
 * numbers of the sum in f32, by elementwise operations that fuse with it:
 *
 *     y = clamp(round_nearest_even((sum + B) x_scale w_scale / y_scale) + y_zero_point) */
#include "operators/onnx.h"

#include <stddef.h>
#include <string.h>

#include "ir/explicit_pad.h"

typedef atr_onnx_conv_options conv_options;

enum { INTEGER_X, INTEGER_W, INTEGER_X_ZERO, INTEGER_W_ZERO };
enum {
  LINEAR_X,
  LINEAR_X_SCALE,
  LINEAR_X_ZERO,
  LINEAR_W,
  LINEAR_W_SCALE,
  LINEAR_W_ZERO,
  LINEAR_Y_SCALE,
  LINEAR_Y_ZERO,
  LINEAR_B
};

/* ---- types ------------------------------------------------------------------------------------- */

/* A scalar, one element, or one per channel where `channels` is not 0; of dtype `like`, or of its own where that is NONE. */
static atr_status check_parameter(const atr_call *call, int array, atr_dtype like, int64_t channels) {
  const atr_shape *type = &call->types[array];
  if (type->dtype == ATR_DTYPE_NONE) return ATR_OK;
  bool fits = type->rank == 0 || (type->rank == 1 && (type->dims[0] == 1 || (channels != 0 && type->dims[0] == channels)));
  ATR_REFUSE_UNLESS(call, fits, "%s is %s, but it must be a scalar%s", call->op->arrays[array].name,
                    atr_shape_text(call->work, type), channels != 0 ? " or have one element per output channel" : "");
  ATR_REFUSE_UNLESS(call, like == ATR_DTYPE_NONE || type->dtype == like, "%s is %s, but it must be of %s, as %s is",
                    call->op->arrays[array].name, atr_shape_text(call->work, type), atr_dtype_name(like),
                    like == call->types[0].dtype ? call->op->arrays[0].name : call->op->arrays[atr_call_weight(call)].name);
  return ATR_OK;
}

static atr_status integer_types(atr_call *call) {
  ATR_TRY(atr_onnx_conv_types(call));
  ATR_TRY(check_parameter(call, INTEGER_X_ZERO, call->types[INTEGER_X].dtype, 0));
  return check_parameter(call, INTEGER_W_ZERO, call->types[INTEGER_W].dtype, call->layer.out);
}

static atr_status linear_types(atr_call *call) {
  ATR_TRY(atr_onnx_conv_types(call));
  ATR_TRY(check_parameter(call, LINEAR_X_SCALE, ATR_DTYPE_NONE, 0));
  ATR_TRY(check_parameter(call, LINEAR_X_ZERO, call->types[LINEAR_X].dtype, 0));
  ATR_TRY(check_parameter(call, LINEAR_W_SCALE, ATR_DTYPE_NONE, call->layer.out));
  ATR_TRY(check_parameter(call, LINEAR_W_ZERO, call->types[LINEAR_W].dtype, call->layer.out));
  ATR_TRY(check_parameter(call, LINEAR_Y_SCALE, ATR_DTYPE_NONE, 0));
  ATR_TRY(check_parameter(call, LINEAR_Y_ZERO, ATR_DTYPE_NONE, 0));
  atr_call_expect(call, LINEAR_B, ATR_S32, 1, &call->layer.out);
  return ATR_OK;
}

/* ---- values spread over the result's shape ----------------------------------------------------- */

static atr_id apply(atr_call *call, const char *opcode, atr_id a, atr_id b) {
  return atr_elementwise_build(call->work, call->module, opcode, (atr_id[]){a, b}, b != 0 ? 2 : 1);
}

static atr_id convert(atr_call *call, atr_id value, atr_dtype dtype) {
  if (call->work->status != ATR_OK) return 0;
  return atr_call_shape(call, value)->dtype == dtype ? value : atr_convert_build(call->work, call->module, value, dtype);
}

/* `value` without its dimensions of extent 1, repeated in `shape`; dims: where the others stand there. */
static atr_id spread(atr_call *call, atr_id value, const atr_shape *shape, const int64_t *dims, int count) {
  if (call->work->status != ATR_OK) return 0;
  atr_dtype dtype = atr_call_shape(call, value)->dtype;
  int64_t extents[ATR_MAX_RANK];
  for (int i = 0; i < count; i++) extents[i] = shape->dims[dims[i]];
  atr_shape narrow = atr_shape_make(dtype, count, extents), wide = atr_shape_make(dtype, shape->rank, shape->dims);
  if (atr_call_shape(call, value)->rank != count) value = atr_reshape_build(call->work, call->module, value, &narrow);
  return atr_broadcast_build(call->work, call->module, value, &wide, dims, count);
}

/* A scalar, or one element for each output channel. */
static atr_id spread_parameter(atr_call *call, atr_id value, const atr_shape *shape) {
  if (call->work->status != ATR_OK) return 0;
  const atr_shape *type = atr_call_shape(call, value);
  bool is_scalar = type->rank == 0 || type->dims[0] == 1;
  return spread(call, value, shape, (int64_t[]){1}, is_scalar ? 0 : 1);
}

static atr_id ones(atr_call *call, int rank, const int64_t *dims) {
  static const int8_t one = 1;
  atr_shape scalar = atr_shape_make(ATR_S8, 0, NULL), wide = atr_shape_make(ATR_S8, rank, dims);
  return spread(call, atr_constant_build(call->work, call->module, &scalar, &one), &wide, NULL, 0);
}

/* ---- the four sums ----------------------------------------------------------------------------- */

typedef struct sums {
  atr_call *call;
  const atr_conv *conv;
  atr_id x, w, x_zero, w_zero; /* zero points; 0 where they are known to be 0 */
  bool x_zero_is_literal;
  atr_shape shape; /* of the result, s32 */
} sums;

static int first_and_spatial(const sums *s, int64_t first, int64_t dims[ATR_MAX_RANK]) {
  dims[0] = first;
  for (int d = 0; d < s->conv->spatial; d++) dims[d + 1] = d + 2;
  return s->conv->spatial + 1;
}

/* w summed over its input channels: (M, 1, kernel...), by a convolution over the channels alone with w as the images. */
static atr_id sum_of_channels(const sums *s) {
  atr_shape w = *atr_call_shape(s->call, s->w);
  atr_conv conv = *s->conv;
  int64_t dims[ATR_MAX_RANK] = {1, w.dims[1]};
  conv.feature_group_count = 1;
  for (int d = 0; d < conv.spatial; d++) {
    dims[d + 2] = 1;
    conv.window[d] = (atr_window_dim){.size = 1, .stride = 1, .lhs_dilation = 1, .rhs_dilation = 1};
  }
  return atr_call_add_conv(s->call, ATR_OP_CONVOLUTION, &conv, s->w, ones(s->call, w.rank, dims), ATR_S32);
}

/* The window at one place alone, which lies inside. */
static void take_one_place(atr_conv *conv, atr_shape *x) {
  for (int d = 0; d < conv->spatial; d++) {
    conv->window[d].stride = 1;
    conv->window[d].pad_lo = conv->window[d].pad_hi = 0;
    x->dims[d + 2] = atr_window_extent(&conv->window[d]);
  }
}

/* Channels last in the result: what reads it are vectors of output channels, but for depthwise convolutions vectors of pixels. */
static void put_channels_last(atr_conv *conv) {
  for (int d = 0; d < conv->spatial; d++) conv->out_spatial[d] = d + 1;
  conv->out_feature = conv->spatial + 1;
}

/* The same value with its channels in front of the pixels again. */
static atr_id put_channels_first(const sums *s, atr_id sum) {
  int64_t permutation[ATR_MAX_RANK] = {0, s->conv->spatial + 1};
  for (int d = 0; d < s->conv->spatial; d++) permutation[d + 2] = d + 1;
  return atr_transpose_build(s->call->work, s->call->module, sum, permutation, s->conv->spatial + 2);
}

/* conv(1, w), or conv(zx, w) where zx is a literal: of one image and one channel for each group, and without padding of one place. */
static atr_id sum_of_weights(const sums *s) {
  atr_shape x = *atr_call_shape(s->call, s->x);
  atr_conv conv = *s->conv;
  x.dims[0] = 1;
  x.dims[1] = conv.feature_group_count;
  int64_t dims[ATR_MAX_RANK];
  int count = first_and_spatial(s, 1, dims);
  bool everywhere = !atr_conv_pads_zeros(&conv), last = !everywhere && conv.feature_group_count == 1;
  if (everywhere) take_one_place(&conv, &x);
  if (last) put_channels_last(&conv);
  x = atr_shape_make(x.dtype, x.rank, x.dims);
  atr_id w = sum_of_channels(s);
  atr_id lhs = s->x_zero_is_literal ? spread(s->call, s->x_zero, &x, NULL, 0) : ones(s->call, x.rank, x.dims);
  atr_id sum = atr_call_add_conv(s->call, ATR_OP_CONVOLUTION, &conv, lhs, w, ATR_S32);
  if (last) sum = put_channels_first(s, sum);
  return spread(s->call, sum, &s->shape, dims, everywhere ? 1 : count);
}

/* conv(x, 1), of one output channel for each group: (N, groups, ...), then (N, groups, M / groups, ...) as (N, M, ...) */
static atr_id sum_of_inputs(const sums *s) {
  atr_shape w = *atr_call_shape(s->call, s->w), split = s->shape;
  int64_t groups = s->conv->feature_group_count, dims[ATR_MAX_RANK] = {0, 1};
  w.dims[0] = groups;
  split.dims[1] = groups;
  split.dims[2] = s->shape.dims[1] / groups;
  for (int d = 0; d < s->conv->spatial; d++) {
    split.dims[d + 3] = s->shape.dims[d + 2];
    dims[d + 2] = d + 3;
  }
  split = atr_shape_make(ATR_S32, s->shape.rank + 1, split.dims);
  atr_id sum = atr_call_add_conv(s->call, ATR_OP_CONVOLUTION, s->conv, s->x, ones(s->call, w.rank, w.dims), ATR_S32);
  atr_id wide = atr_broadcast_build(s->call->work, s->call->module, sum, &split, dims, s->shape.rank);
  return atr_reshape_build(s->call->work, s->call->module, wide, &s->shape);
}

/* conv(1, 1): how many products there are, of one image, channel and group */
static atr_id count_of_products(const sums *s) {
  atr_shape x = *atr_call_shape(s->call, s->x), w = *atr_call_shape(s->call, s->w);
  atr_conv conv = *s->conv;
  int64_t dims[ATR_MAX_RANK];
  int count = first_and_spatial(s, 1, dims) - 1;
  x.dims[0] = w.dims[0] = 1;
  x.dims[1] = w.dims[1];
  conv.feature_group_count = 1;
  atr_id lhs = ones(s->call, x.rank, x.dims), rhs = ones(s->call, w.rank, w.dims);
  atr_id sum = atr_call_add_conv(s->call, ATR_OP_CONVOLUTION, &conv, lhs, rhs, ATR_S32);
  return spread(s->call, sum, &s->shape, dims + 1, count);
}

static atr_id times_parameter(const sums *s, atr_id sum, atr_id parameter) {
  return apply(s->call, "multiply", sum, spread_parameter(s->call, convert(s->call, parameter, ATR_S32), &s->shape));
}

static atr_id add_up(sums *s) {
  atr_id y = atr_call_add_conv(s->call, ATR_OP_CONVOLUTION, s->conv, s->x, s->w, ATR_S32);
  if (y == 0) return 0;
  s->shape = *atr_call_shape(s->call, y);
  if (s->x_zero != 0) {
    atr_id sum = sum_of_weights(s);
    y = apply(s->call, "subtract", y, s->x_zero_is_literal ? sum : times_parameter(s, sum, s->x_zero));
  }
  if (s->w_zero != 0) y = apply(s->call, "subtract", y, times_parameter(s, sum_of_inputs(s), s->w_zero));
  if (s->x_zero == 0 || s->w_zero == 0) return y;
  return apply(s->call, "add", y, times_parameter(s, times_parameter(s, count_of_products(s), s->x_zero), s->w_zero));
}

/* Is it not there, or a constant of zeros? */
static bool is_zero(const atr_call *call, atr_id value) {
  if (value == 0) return true;
  const atr_inst *inst = atr_inst_at(call->module, value);
  bool zero = inst->op == ATR_OP_CONSTANT;
  for (int64_t i = 0; zero && i < atr_shape_elements(&inst->shape); i++) zero = ((const uint8_t *)inst->u.literal)[i] == 0;
  return zero;
}

static atr_id integer_sum(atr_call *call, int x, int w, int x_zero, int w_zero) {
  const atr_conv *conv = atr_onnx_conv_window(call);
  if (conv == NULL) return 0;
  sums s = {.call = call, .conv = conv, .x = call->args[x], .w = call->args[w]};
  if (!is_zero(call, call->args[x_zero])) s.x_zero = call->args[x_zero];
  if (!is_zero(call, call->args[w_zero])) s.w_zero = call->args[w_zero];
  s.x_zero_is_literal = s.x_zero != 0 && atr_inst_at(call->module, s.x_zero)->op == ATR_OP_CONSTANT;
  return add_up(&s);
}

static atr_id integer_build(atr_call *call) { return integer_sum(call, INTEGER_X, INTEGER_W, INTEGER_X_ZERO, INTEGER_W_ZERO); }

/* ---- requantization ---------------------------------------------------------------------------- */

static atr_id number(atr_call *call, float value) {
  atr_shape scalar = atr_shape_make(ATR_F32, 0, NULL);
  return atr_constant_build(call->work, call->module, &scalar, &value);
}

/* x_scale w_scale / y_scale, a scalar or one per output channel. */
static atr_id scale_of(atr_call *call) {
  const atr_shape *w = &call->types[LINEAR_W_SCALE];
  atr_shape shape = w->rank == 1 && w->dims[0] != 1 ? *w : atr_shape_make(ATR_F32, 0, NULL);
  atr_id values[3];
  static const int arrays[3] = {LINEAR_X_SCALE, LINEAR_W_SCALE, LINEAR_Y_SCALE};
  for (int i = 0; i < 3; i++) {
    const atr_shape *type = &call->types[arrays[i]];
    bool is_vector = type->rank == 1 && type->dims[0] != 1;
    values[i] = atr_shape_same_dims(type, &shape)
                    ? call->args[arrays[i]]
                    : spread(call, call->args[arrays[i]], &shape, (int64_t[]){0}, is_vector ? 1 : 0);
  }
  return apply(call, "divide", apply(call, "multiply", values[0], values[1]), values[2]);
}

static atr_id linear_build(atr_call *call) {
  atr_id sum = integer_sum(call, LINEAR_X, LINEAR_W, LINEAR_X_ZERO, LINEAR_W_ZERO);
  sum = atr_call_add_bias(call, sum, call->args[LINEAR_B], 1);
  if (sum == 0) return 0;
  const atr_shape shape = *atr_call_shape(call, sum);
  atr_dtype dtype = call->types[LINEAR_Y_ZERO].dtype;
  bool is_signed = dtype == ATR_S8;
  atr_id y = convert(call, sum, ATR_F32), low, high;
  y = apply(call, "multiply", y, spread_parameter(call, scale_of(call), &shape));
  y = apply(call, "round-nearest-even", y, 0);
  if (!is_zero(call, call->args[LINEAR_Y_ZERO]))
    y = apply(call, "add", y, spread_parameter(call, convert(call, call->args[LINEAR_Y_ZERO], ATR_F32), &shape));
  low = number(call, is_signed ? -128.0f : 0.0f);
  high = number(call, is_signed ? 127.0f : 255.0f);
  y = atr_elementwise_build(call->work, call->module, "clamp", (atr_id[]){low, y, high}, 3);
  return convert(call, y, dtype);
}

/* ---- tables ------------------------------------------------------------------------------------ */

#define X {.name = "x", .holds = ATR_HOLDS_BYTES, .form = "(N, C, spatial...)"}
#define W {.name = "w", .holds = ATR_HOLDS_BYTES, .form = "(M, C / group, kernel...)"}
#define ZERO(text, array_role, like, shape)                                                                                    \
  {.name = text, .role = array_role, .holds = ATR_HOLDS_BYTES, .form = shape, .may_be_value = true, .value_like = like}
#define SCALE(text, shape) {.name = text, .holds = 1 << ATR_F32, .form = shape, .may_be_value = true, .value_dtype = ATR_F32}

static const atr_array integer_arrays[] = {X, W, ZERO("x_zero_point", ATR_ARRAY_OPTIONAL, INTEGER_X, "()"),
                                           ZERO("w_zero_point", ATR_ARRAY_OPTIONAL, INTEGER_W, "() or (M)")};
static const atr_array linear_arrays[] = {X,
                                          SCALE("x_scale", "()"),
                                          ZERO("x_zero_point", ATR_ARRAY_REQUIRED, LINEAR_X, "()"),
                                          W,
                                          SCALE("w_scale", "() or (M)"),
                                          ZERO("w_zero_point", ATR_ARRAY_REQUIRED, LINEAR_W, "() or (M)"),
                                          SCALE("y_scale", "()"),
                                          ZERO("y_zero_point", ATR_ARRAY_REQUIRED, LINEAR_X, "()"),
                                          {.name = "B", .role = ATR_ARRAY_OPTIONAL, .holds = 1 << ATR_S32, .form = "(M)"}};
static const atr_attribute attributes[] = {ATR_ONNX_ATTRIBUTES(conv_options)};

#define ROW(text, kind, weight_array)                                                                                          \
  {.name = "onnx." text, .weight = weight_array, ATR_OPERATOR_ROW(kind##_arrays, attributes, conv_options, kind)}

const atr_operator atr_onnx_quantized[2] = {ROW("ConvInteger", integer, INTEGER_W), ROW("QLinearConv", linear, LINEAR_W)};

/* gradient_conv.c - the gradients of a convolution, each again one convolution (gradient.h). Those with unshared weights have
 * operations of their own.
 *
 * In: y[o] = sum of x[(o*S + k*D - lo) / L] * w[k] over k, and g, the cotangent of y. Per spatial dimension, with Il, Kd and Ol the
 * extents of the dilated input, of the dilated window and of the output dilated by S:
 *
 *     data      convolution of g with w from the other end: stride L, lhs_dilation S, rhs_dilation D,
 *               pad Kd-1-lo and Il+Kd-1-Ol-(Kd-1-lo); either may be negative
 *     weights   convolution of x with g as its window: stride D, lhs_dilation L, rhs_dilation S, pad lo and Ol-Il+Kd-1-lo
 *
 * What is batch and what is feature changes places accordingly. Feature groups of the forward pass are such groups of the data
 * gradient, after their axis moved from the output to the input features of w, and batch groups of the weights' gradient; batch
 * groups become feature groups of both, and the data's are moved from the features of the result into its batch.
 *
 * Under an edge mode x stands for a larger array that repeats elements of x. The data gradient is first that of the larger array,
 * whose margins are then folded back on the elements that they repeat:
 *
 *     reflect   d c b | a b c d | c b a       margins turned around and added from one element inside
 *     replicate a a a | a b c d | d d d       sums over margins, added to the ends
 *     circular  b c d | a b c d | a b c       cut into periods, which are added up */
#include "base/checked.h"
#include "ir/gradient.h"

/* ---- axes */

/* `factor` groups, outermost in dimension `from`, become the outermost part of dimension `to`. */
static atr_id move_groups(atr_gradient *grad, atr_id id, int from, int to, int64_t factor) {
  if (grad->work->status != ATR_OK || factor == 1) return id;
  const atr_shape shape = *atr_gradient_shape(grad, id);
  int64_t split[ATR_MAX_RANK], merged[ATR_MAX_RANK], order[ATR_MAX_RANK];
  int parts = 0, moved = 0;
  for (int d = 0; d < shape.rank; d++) {
    if (d == from) split[parts++] = factor;
    split[parts++] = d == from ? shape.dims[d] / factor : shape.dims[d];
    merged[d] = d == from ? shape.dims[d] / factor : d == to ? shape.dims[d] * factor : shape.dims[d];
  }
  for (int d = 0; d < shape.rank; d++) { /* the group's own dimension is number `from`, those behind it come one later */
    if (d == to) order[moved++] = from;
    order[moved++] = d >= from ? d + 1 : d;
  }
  id = atr_gradient_reshape(grad, id, parts, split);
  id = atr_transpose_build(grad->work, grad->to, id, order, parts);
  return atr_gradient_reshape(grad, id, shape.rank, merged);
}

/* ---- windows */

/* (extent - 1) * dilation + 1, and 0 of nothing. */
static bool dilate(int64_t extent, int64_t dilation, int64_t *out) {
  *out = 0;
  return extent == 0 || (atr_checked_mul(extent - 1, dilation, out) && atr_checked_add(*out, 1, out));
}

/* What the formulas at the head are made of. */
typedef struct extents {
  int64_t input, window, output; /* dilated */
} extents;

static bool dilated_extents(const atr_window_dim *w, int64_t input, int64_t output, extents *e) {
  return dilate(input, w->lhs_dilation, &e->input) && dilate(w->size, w->rhs_dilation, &e->window) &&
         dilate(output, w->stride, &e->output);
}

/* out = a + b - c - d */
static bool balance(int64_t a, int64_t b, int64_t c, int64_t d, int64_t *out) {
  return atr_checked_add(a, b, out) && atr_checked_sub(*out, c, out) && atr_checked_sub(*out, d, out);
}

/* The window of the data's gradient, for an input without edge modes. */
static bool data_window(const atr_window_dim *w, int64_t input, int64_t output, atr_window_dim *out) {
  extents e;
  *out = (atr_window_dim){.size = w->size,
                          .stride = w->lhs_dilation,
                          .lhs_dilation = w->stride,
                          .rhs_dilation = w->rhs_dilation,
                          .reversal = !w->reversal};
  return dilated_extents(w, input, output, &e) && atr_checked_sub(e.window - 1, w->pad_lo, &out->pad_lo) &&
         balance(e.input, e.window - 1, e.output, out->pad_lo, &out->pad_hi);
}

static bool weights_window(const atr_window_dim *w, int64_t input, int64_t output, atr_window_dim *out) {
  extents e;
  *out = (atr_window_dim){.size = output,
                          .stride = w->rhs_dilation,
                          .pad_lo = w->pad_lo,
                          .lhs_dilation = w->lhs_dilation,
                          .rhs_dilation = w->stride,
                          .edge = w->edge};
  return dilated_extents(w, input, output, &e) && balance(e.output, e.window - 1, e.input, w->pad_lo, &out->pad_hi);
}

/* ---- the two convolutions */

/* A convolution with these attributes and a result like `result`. */
static atr_id build_conv(atr_gradient *grad, atr_op op, const atr_conv *conv, atr_id lhs, atr_id rhs, const atr_shape *result) {
  atr_conv *own = ATR_NEW(grad->work->arena, atr_conv);
  *own = *conv;
  atr_inst inst = {.op = op, .operand_count = 2, .operands = (atr_id[]){lhs, rhs}, .u.conv = own};
  inst.shape = atr_shape_make(result->dtype, result->rank, result->dims);
  return atr_inst_build(grad->work, grad->to, &inst);
}

static atr_id too_large(atr_gradient *grad, const atr_inst *inst) {
  (void)atr_fail(grad->work, inst->span, ATR_UNSUPPORTED, "the gradient of %s has a window that does not fit in 64 bits",
                 inst->name);
  return 0;
}

/* w is convolved with as it is, its two features in each other's place. */
static atr_id of_data(atr_gradient *grad, const atr_inst *inst, const atr_conv *c, const atr_shape *lhs, atr_id g) {
  atr_conv t = *c;
  int64_t groups = c->feature_group_count * c->batch_group_count;
  atr_id rhs = move_groups(grad, atr_gradient_operand(grad, inst, 1), c->rhs_output_feature, c->rhs_input_feature, groups);
  t.lhs_batch = c->out_batch, t.lhs_feature = c->out_feature;
  t.out_batch = c->lhs_batch, t.out_feature = c->lhs_feature;
  t.rhs_input_feature = c->rhs_output_feature, t.rhs_output_feature = c->rhs_input_feature;
  t.feature_group_count = groups, t.batch_group_count = 1;
  for (int d = 0; d < c->spatial; d++) {
    t.lhs_spatial[d] = c->out_spatial[d], t.out_spatial[d] = c->lhs_spatial[d];
    if (!data_window(&c->window[d], lhs->dims[c->lhs_spatial[d]], inst->shape.dims[c->out_spatial[d]], &t.window[d]))
      return too_large(grad, inst);
  }
  atr_id data = build_conv(grad, ATR_OP_CONVOLUTION, &t, g, rhs, lhs);
  return move_groups(grad, data, c->lhs_feature, c->lhs_batch, c->batch_group_count);
}

/* g is the window; of a window that is reversed the result comes from the other end. */
static atr_id of_weights(atr_gradient *grad, const atr_inst *inst, const atr_conv *c, const atr_shape *lhs, atr_id g) {
  atr_conv t = *c;
  int64_t reversed[ATR_MAX_SPATIAL];
  int count = 0;
  t.lhs_batch = c->lhs_feature, t.lhs_feature = c->lhs_batch;
  t.rhs_input_feature = c->out_batch, t.rhs_output_feature = c->out_feature;
  t.out_batch = c->rhs_input_feature, t.out_feature = c->rhs_output_feature;
  t.feature_group_count = c->batch_group_count, t.batch_group_count = c->feature_group_count;
  for (int d = 0; d < c->spatial; d++) {
    t.rhs_spatial[d] = c->out_spatial[d], t.out_spatial[d] = c->rhs_spatial[d];
    if (c->window[d].reversal) reversed[count++] = c->rhs_spatial[d];
    if (!weights_window(&c->window[d], lhs->dims[c->lhs_spatial[d]], inst->shape.dims[c->out_spatial[d]], &t.window[d]))
      return too_large(grad, inst);
  }
  atr_id weights = build_conv(grad, ATR_OP_CONVOLUTION, &t, atr_gradient_operand(grad, inst, 0), g,
                              &atr_operand(grad->from, inst, 1)->shape);
  return count == 0 ? weights : atr_reverse_build(grad->work, grad->to, weights, reversed, count);
}

/* ---- edge modes */

/* Elements [start, limit) along dimension d. */
static atr_id cut(atr_gradient *grad, atr_id id, int d, int64_t start, int64_t limit) {
  int64_t slice[ATR_MAX_RANK][3];
  if (grad->work->status != ATR_OK) return 0;
  const atr_shape *shape = atr_gradient_shape(grad, id);
  for (int i = 0; i < shape->rank; i++) {
    slice[i][0] = i == d ? start : 0;
    slice[i][1] = i == d ? limit : shape->dims[i];
    slice[i][2] = 1;
  }
  return atr_slice_build(grad->work, grad->to, id, (const int64_t(*)[3])slice);
}

/* id with zeros in front and behind along dimension d. */
static atr_id place(atr_gradient *grad, atr_id id, int d, int64_t low, int64_t high) {
  int64_t pad[ATR_MAX_RANK][3] = {{0}};
  pad[d][0] = low;
  pad[d][1] = high;
  return atr_gradient_pad(grad, id, (const int64_t(*)[3])pad);
}

/* A margin, which lies outside, as what is to be added inside. */
static atr_id fold_margin(atr_gradient *grad, atr_edge_mode edge, atr_id margin, int d, int64_t input, bool is_low) {
  int64_t dims[ATR_MAX_RANK], along = d;
  if (grad->work->status != ATR_OK) return 0;
  const atr_shape shape = *atr_gradient_shape(grad, margin);
  if (edge == ATR_EDGE_REFLECT) {
    int64_t rest = input - 1 - shape.dims[d];
    margin = atr_reverse_build(grad->work, grad->to, margin, &along, 1);
    return is_low ? place(grad, margin, d, 1, rest) : place(grad, margin, d, rest, 1);
  }
  for (int i = 0; i < shape.rank; i++) dims[i] = i == d ? 1 : shape.dims[i];
  margin = atr_gradient_reshape(grad, atr_reduce_build(grad->work, grad->to, margin, &along, 1), shape.rank, dims);
  return is_low ? place(grad, margin, d, 0, input - 1) : place(grad, margin, d, input - 1, 0);
}

/* Along dimension d: lo elements that repeat others, the input, hi that repeat others. */
static atr_id fold_margins(atr_gradient *grad, atr_edge_mode edge, atr_id id, int d, int64_t input, int64_t lo, int64_t hi) {
  atr_id sum = cut(grad, id, d, lo, lo + input);
  for (int side = 0; side < 2; side++) {
    bool is_low = side == 0;
    if ((is_low ? lo : hi) == 0) continue;
    atr_id margin = is_low ? cut(grad, id, d, 0, lo) : cut(grad, id, d, lo + input, lo + input + hi);
    sum = atr_gradient_binary(grad, "add", sum, fold_margin(grad, edge, margin, d, input, is_low));
  }
  return sum;
}

/* The same for a circular edge, whose margins may be longer than the input: whole periods, one of which is the input. */
static atr_id fold_periods(atr_gradient *grad, atr_id id, int d, int64_t input, int64_t lo, int64_t hi) {
  int64_t before = atr_ceil_div(lo, input), periods = before + 1 + atr_ceil_div(hi, input), dims[ATR_MAX_RANK], along = d;
  id = place(grad, id, d, before * input - lo, atr_ceil_div(hi, input) * input - hi);
  if (grad->work->status != ATR_OK) return 0;
  const atr_shape shape = *atr_gradient_shape(grad, id);
  for (int i = 0; i <= shape.rank; i++) dims[i] = i < d ? shape.dims[i] : i == d ? periods : shape.dims[i - 1];
  dims[d + 1] = input;
  id = atr_gradient_reshape(grad, id, shape.rank + 1, dims);
  return atr_reduce_build(grad->work, grad->to, id, &along, 1);
}

/* Elements of the larger array in front of the input and behind it: those that padding reaches, which counts holes too. */
static int64_t margin_of(const atr_window_dim *w, int64_t pad) {
  return w->edge == ATR_EDGE_ZERO ? 0 : atr_max(pad, 0) / w->lhs_dilation;
}

/* Padding under an edge mode becomes part of `lhs`; holes at the outer end, and what a negative padding cuts off, stay with the
 * window. */
static bool extend(atr_conv *c, atr_shape *lhs) {
  for (int d = 0; d < c->spatial; d++) {
    atr_window_dim *w = &c->window[d];
    int64_t *extent = &lhs->dims[c->lhs_spatial[d]], lo = margin_of(w, w->pad_lo), hi = margin_of(w, w->pad_hi);
    if (!balance(*extent, lo, 0, 0, extent) || !balance(*extent, hi, 0, 0, extent)) return false;
    w->pad_lo -= lo * w->lhs_dilation;
    w->pad_hi -= hi * w->lhs_dilation;
    w->edge = ATR_EDGE_ZERO;
  }
  return true;
}

static atr_id fold_edges(atr_gradient *grad, const atr_inst *inst, const atr_shape *lhs, atr_id g) {
  const atr_conv *c = inst->u.conv;
  for (int s = 0; s < c->spatial; s++) {
    const atr_window_dim *w = &c->window[s];
    int d = c->lhs_spatial[s];
    int64_t lo = margin_of(w, w->pad_lo), hi = margin_of(w, w->pad_hi);
    if (lo == 0 && hi == 0) continue;
    g = w->edge == ATR_EDGE_CIRCULAR ? fold_periods(grad, g, d, lhs->dims[d], lo, hi)
                                     : fold_margins(grad, w->edge, g, d, lhs->dims[d], lo, hi);
  }
  return g;
}

/* ---- unshared weights */

/* A local convolution and its two gradients are one sum of products of three arrays, each seen from one of them: the gradient for
 * an operand has g in the place of the result, and is the operation whose result that operand is. */
static atr_id of_local(atr_gradient *grad, const atr_inst *inst, const atr_conv *c, const atr_shape *wanted, atr_id g, int i) {
  static const atr_op MAKES[] = {ATR_OP_LOCAL_DATA_GRADIENT, ATR_OP_LOCAL_WEIGHT_GRADIENT,
                                 ATR_OP_LOCAL_CONVOLUTION}; /* ORDER atr_conv_array */
  atr_id arrays[3];
  for (int j = 0; j < 2; j++) arrays[atr_conv_array_at(inst->op, j)] = atr_gradient_operand(grad, inst, j);
  arrays[atr_conv_array_at(inst->op, 2)] = g;
  atr_op op = MAKES[atr_conv_array_at(inst->op, i)];
  return build_conv(grad, op, c, arrays[atr_conv_array_at(op, 0)], arrays[atr_conv_array_at(op, 1)], wanted);
}

/* ---- all kinds of convolutions */

atr_id atr_gradient_of_conv(atr_gradient *grad, const atr_inst *inst, atr_id g, int i) {
  const atr_shape *operand = &atr_operand(grad->from, inst, i)->shape;
  atr_conv c = *inst->u.conv;
  atr_shape wanted = *operand;
  bool is_local = inst->op != ATR_OP_CONVOLUTION;
  /* Where a sum is empty or there is nothing to sum up, no window could be formed. */
  if (atr_shape_elements(&inst->shape) == 0 || atr_shape_elements(operand) == 0) return 0;
  if (atr_conv_array_at(inst->op, i) != ATR_CONV_LHS)
    return is_local ? of_local(grad, inst, &c, &wanted, g, i)
                    : of_weights(grad, inst, &c, &atr_operand(grad->from, inst, 0)->shape, g);
  if (!extend(&c, &wanted)) return too_large(grad, inst);
  atr_id data = is_local ? of_local(grad, inst, &c, &wanted, g, i) : of_data(grad, inst, &c, &wanted, g);
  return fold_edges(grad, inst, operand, data);
}

/* convs.c - random convolutions with every attribute (generate.h).
 *
 * In: a value to convolve, or none. Out: a convolution or local convolution of it, or a gradient of the latter. Extents are
 * drawn, looked at, and drawn again while they give too much work or nothing that the operation allows; after a few dozen tries
 * the problem becomes a tiny one. */
#include "generate.h"

#include <string.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "ir/ir.h"

/* What was drawn, in logical order: arrays are made of it by the role lists. */
typedef struct plan {
  int spatial;
  int64_t batch, features, outputs; /* N, C, O */
  int64_t groups, batch_groups;
  int64_t input[ATR_MAX_SPATIAL], output[ATR_MAX_SPATIAL];
  atr_window_dim window[ATR_MAX_SPATIAL];
  atr_op op;
  bool local, has_edge;
  int roles[3][ATR_MAX_RANK]; /* by atr_conv_array: batch (rhs: output feature), feature, spatial */
  atr_dtype dtypes[3];        /* of operands 0 and 1 and the result, which may be left to them */
} plan;

static int64_t channels(gen *g) {
  static const int64_t usual[] = {1, 1, 2, 3, 4, 4, 5, 8, 8, 13, 16, 16, 17, 24, 32, 33, 48, 64};
  return rng_chance(&g->r, 1, 80) ? 0 : RNG_PICK(&g->r, usual);
}

static int spatial_rank(gen *g) {
  static const int usual[] = {0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4};
  if (g->only_rank >= 0) return g->only_rank;
  return rng_chance(&g->r, 1, 12) ? (int)rng_range(&g->r, 5, ATR_MAX_SPATIAL) : RNG_PICK(&g->r, usual);
}

static int64_t divisor_of(gen *g, int64_t n) {
  int64_t divisors[16], count = 0;
  if (n == 0) return rng_range(&g->r, 1, 3);
  for (int64_t d = 1; d <= n && count < 16; d++)
    if (n % d == 0) divisors[count++] = d;
  return rng_chance(&g->r, 1, 3) ? n : divisors[rng_below(&g->r, count)];
}

/* ---- one spatial dimension */

static int64_t padding(gen *g) {
  static const int64_t usual[] = {0, 0, 0, 1, 1, 2, 3, -1, -2};
  if (rng_chance(&g->r, 1, 25)) return rng_range(&g->r, -9, 40);
  return RNG_PICK(&g->r, usual);
}

/* Strides and dilations far beyond the extents, with padding that leaves a small result: products of 2^40 and more. */
static void draw_huge(gen *g, int64_t input, atr_window_dim *w) {
  static const int64_t scales[] = {1048583, INT64_C(1) << 33, INT64_C(1) << 40};
  rng *r = &g->r;
  int64_t scale = RNG_PICK(r, scales), few = rng_range(r, 0, 6);
  switch (rng_below(r, 3)) {
  case 0: /* some results, far apart */
    w->stride = scale;
    w->pad_hi = rng_range(r, 0, 3) * scale + few;
    return;
  case 1: /* taps far apart, in padding but for one or two */
    w->rhs_dilation = scale;
    w->pad_lo = rng_chance(r, 1, 2) ? (w->size - 1) * scale : few;
    w->pad_hi = (w->size - 1) * scale - input + 1 + few - w->pad_lo;
    return;
  default:
    w->lhs_dilation = scale;
    w->stride = rng_chance(r, 1, 2) ? scale : scale - 1;
    w->rhs_dilation = rng_chance(r, 1, 2) ? rng_range(r, 1, 3) : scale;
    w->pad_lo = rng_range(r, 0, 2) * w->rhs_dilation + few;
    w->pad_hi = (w->size - 1) * w->rhs_dilation;
  }
}

static void draw_window(gen *g, const plan *p, int64_t input, atr_window_dim *w) {
  static const int64_t odd_dilations[] = {5, 7, 9, 16, 25, 70};
  rng *r = &g->r;
  bool tiny = p->spatial > 4;
  *w = (atr_window_dim){.size = rng_range(r, 1, tiny ? 2 : 4), .stride = 1, .lhs_dilation = 1, .rhs_dilation = 1};
  if (!tiny && rng_chance(r, 1, 12)) w->size = rng_range(r, 5, 11);
  if (rng_chance(r, 1, 3)) w->stride = rng_chance(r, 1, 6) ? rng_range(r, 4, 9) : rng_range(r, 2, 3);
  if (rng_chance(r, 1, 4)) w->rhs_dilation = rng_chance(r, 1, 6) ? RNG_PICK(r, odd_dilations) : rng_range(r, 2, 3);
  if (rng_chance(r, 1, 5)) w->lhs_dilation = rng_chance(r, 1, 6) ? RNG_PICK(r, odd_dilations) : rng_range(r, 2, 4);
  if (rng_chance(r, 1, 2)) w->pad_lo = padding(g);
  if (rng_chance(r, 1, 2)) w->pad_hi = rng_chance(r, 1, 2) ? w->pad_lo : padding(g);
  if (rng_chance(r, 1, 8)) w->pad_lo = w->pad_hi = (w->size - 1) * w->rhs_dilation; /* full */
  w->reversal = rng_chance(r, 1, 4);
  if (!tiny && rng_chance(r, 1, 60)) {
    draw_huge(g, input, w);
    return;
  }
  if (input > 0 && p->op != ATR_OP_LOCAL_DATA_GRADIENT && rng_chance(r, 1, 7)) {
    w->edge = (atr_edge_mode)rng_range(r, ATR_EDGE_REFLECT, ATR_EDGE_CIRCULAR);
    if (rng_chance(r, 3, 4)) w->pad_lo += rng_range(r, 0, 4);
    if (rng_chance(r, 3, 4)) w->pad_hi += rng_range(r, 0, 4);
  }
  if (w->edge == ATR_EDGE_REFLECT) {
    w->pad_lo = atr_min(w->pad_lo, input * w->lhs_dilation - 1);
    w->pad_hi = atr_min(w->pad_hi, input * w->lhs_dilation - 1);
  }
}

/* ---- the whole */

static void draw_features(gen *g, plan *p, bool have_lhs) {
  static const int64_t batches[] = {1, 1, 1, 1, 2, 2, 3, 4, 7};
  static const int64_t group_counts[] = {2, 2, 3, 4, 8, 16, 17, 32};
  static const int64_t few[] = {1, 1, 1, 2, 2, 3, 4, 5, 8};
  rng *r = &g->r;
  bool grouped = rng_chance(r, 1, 3), batch_grouped = !grouped && !p->local && rng_chance(r, 1, 8);
  p->groups = p->batch_groups = 1;
  if (have_lhs) {
    if (grouped) p->groups = divisor_of(g, p->features);
    if (batch_grouped) p->batch_groups = divisor_of(g, p->batch);
  } else {
    p->batch = rng_chance(r, 1, 80) ? 0 : RNG_PICK(r, batches);
    p->features = channels(g);
    if (grouped) {
      p->groups = RNG_PICK(r, group_counts);
      p->features = p->groups * (rng_chance(r, 1, 2) ? 1 : RNG_PICK(r, few));
    }
    if (batch_grouped) {
      p->batch_groups = rng_range(r, 2, 6);
      p->batch = p->batch_groups * rng_range(r, 1, 3);
    }
  }
  p->outputs = grouped || batch_grouped ? p->groups * p->batch_groups * RNG_PICK(r, few) : channels(g);
}

static int64_t work_of(const plan *p) {
  int64_t work = atr_max(1, p->batch / p->batch_groups) * atr_max(1, p->outputs) * atr_max(1, p->features / p->groups);
  for (int d = 0; d < p->spatial; d++) work *= atr_max(1, p->output[d]) * p->window[d].size;
  return work;
}

static int64_t largest_array(const plan *p) {
  int64_t lhs = atr_max(1, p->batch) * atr_max(1, p->features), out = atr_max(1, p->batch) * atr_max(1, p->outputs);
  int64_t rhs = atr_max(1, p->features / p->groups) * atr_max(1, p->outputs);
  for (int d = 0; d < p->spatial; d++) {
    lhs *= atr_max(1, p->input[d]);
    out *= atr_max(1, p->output[d]);
    rhs *= p->window[d].size * (p->local ? atr_max(1, p->output[d]) : 1);
  }
  return atr_max(lhs, atr_max(out, rhs));
}

/* A value that is there already can be an lhs, but hardly a cotangent. */
static atr_op draw_op(gen *g, bool have_lhs) {
  static const atr_op ops[] = {ATR_OP_LOCAL_CONVOLUTION, ATR_OP_LOCAL_WEIGHT_GRADIENT, ATR_OP_LOCAL_DATA_GRADIENT};
  return rng_chance(&g->r, 1, 6) ? ops[rng_below(&g->r, have_lhs ? 2 : 3)] : ATR_OP_CONVOLUTION;
}

/* True when the drawn problem is small enough and its extents can be had. */
static bool draw(gen *g, plan *p, bool have_lhs, bool tiny) {
  static const int64_t limits[] = {3000, 20000, 100000, 400000, 400000, 3000000};
  p->op = tiny ? ATR_OP_CONVOLUTION : draw_op(g, have_lhs);
  p->local = p->op != ATR_OP_CONVOLUTION;
  draw_features(g, p, have_lhs);
  if (tiny) p->outputs = p->groups * p->batch_groups;
  int64_t largest = p->spatial > 4 ? 3 : p->spatial > 2 ? 6 : p->spatial == 2 ? 14 : 40;
  if (p->spatial <= 4 && rng_chance(&g->r, 1, 4)) largest *= p->spatial < 3 ? 3 : 2;
  for (int d = 0; d < p->spatial; d++) {
    if (!have_lhs) p->input[d] = gen_extent(g, largest);
    if (tiny) p->window[d] = (atr_window_dim){.size = 1, .stride = 1, .lhs_dilation = 1, .rhs_dilation = 1};
    else draw_window(g, p, p->input[d], &p->window[d]);
    if (!atr_conv_output_extent(p->input[d], &p->window[d], &p->output[d])) return false;
    if (p->output[d] == 0 && !tiny && !rng_chance(&g->r, 1, 12)) return false;
    if (p->output[d] > 3000) return false;
    p->has_edge |= p->window[d].edge != ATR_EDGE_ZERO;
  }
  return tiny || (work_of(p) <= RNG_PICK(&g->r, limits) && largest_array(p) <= 200000);
}

static void draw_dtypes(gen *g, plan *p, atr_dtype first) {
  rng *r = &g->r;
  p->dtypes[0] = first != ATR_DTYPE_NONE ? first : g->only_dtype != 0 ? (atr_dtype)g->only_dtype : gen_dtype(g);
  p->dtypes[1] = rng_chance(r, 1, 5) ? gen_dtype_like(g, p->dtypes[0]) : p->dtypes[0];
  p->dtypes[2] = ATR_DTYPE_NONE;
  if (g->linear) p->dtypes[1] = p->dtypes[0];
  if (g->linear) return;
  atr_dtype_class class = atr_dtype_class_of(p->dtypes[0]);
  if (atr_dtype_is_integer(p->dtypes[0]) && atr_dtype_size(p->dtypes[0]) <= 2 && rng_chance(r, 1, 2)) {
    p->dtypes[2] = rng_chance(r, 1, 5) ? ATR_U32 : ATR_S32; /* what quantized layers want */
    return;
  }
  if (!rng_chance(r, 1, 3)) return;
  p->dtypes[2] = gen_dtype_like(g, p->dtypes[0]);
  if (class <= ATR_CLASS_UINT && rng_chance(r, 1, 3)) p->dtypes[2] = gen_dtype_like(g, ATR_F32);
  if (class == ATR_CLASS_PRED && rng_chance(r, 1, 2)) p->dtypes[2] = gen_dtype_like(g, ATR_S32);
}

/* Common orders (NHWC, NCHW, OIHW, HWIO) in half of all cases, any order in the rest. */
static void draw_roles(gen *g, int spatial, int *roles) {
  int rank = spatial + 2;
  rng_permutation(&g->r, rank, roles);
  if (rng_chance(&g->r, 1, 2)) return;
  bool last = rng_chance(&g->r, 1, 2);
  roles[0] = 0;
  roles[1] = last ? rank - 1 : 1;
  for (int d = 0; d < spatial; d++) roles[2 + d] = last ? 1 + d : 2 + d;
}

static atr_shape array_shape(const plan *p, atr_conv_array array, atr_dtype dtype) {
  int64_t dims[ATR_MAX_RANK], inputs = p->features / p->groups;
  const int *roles = p->roles[array];
  for (int d = 0; d < p->spatial; d++) {
    bool window = array == ATR_CONV_RHS && !p->local;
    dims[roles[2 + d]] = window ? p->window[d].size : array == ATR_CONV_LHS ? p->input[d] : p->output[d];
    if (p->local) inputs *= p->window[d].size;
  }
  int64_t batch = array == ATR_CONV_LHS ? p->batch : p->batch / p->batch_groups;
  dims[roles[0]] = array == ATR_CONV_RHS ? p->outputs : batch;
  dims[roles[1]] = array == ATR_CONV_RHS ? inputs : array == ATR_CONV_LHS ? p->features : p->outputs;
  return atr_shape_make(dtype, p->spatial + 2, dims);
}

static atr_value build_op(gen *g, const plan *p, atr_value a, atr_value b, const atr_conv_options *options) {
  atr_shape result = array_shape(p, atr_conv_array_at(p->op, 2), p->dtypes[2] != 0 ? p->dtypes[2] : p->dtypes[0]);
  gen_layout(g, &result, 1, 6);
  if (p->op == ATR_OP_LOCAL_DATA_GRADIENT) return atr_build_conv_local_data_gradient(g->b, a, b, &result, options);
  if (p->op == ATR_OP_LOCAL_WEIGHT_GRADIENT) return atr_build_conv_local_weight_gradient(g->b, a, b, &result, options);
  return p->local ? atr_build_conv_local(g->b, a, b, options) : atr_build_conv(g->b, a, b, options);
}

static atr_value build(gen *g, const plan *p, atr_value a, atr_value b) {
  int64_t strides[ATR_MAX_SPATIAL], pads[ATR_MAX_SPATIAL][2], lhs_dilation[ATR_MAX_SPATIAL], rhs_dilation[ATR_MAX_SPATIAL],
      filter[ATR_MAX_SPATIAL];
  int64_t lhs_dims[ATR_MAX_RANK], rhs_dims[ATR_MAX_RANK], out_dims[ATR_MAX_RANK];
  int32_t reversal[ATR_MAX_SPATIAL];
  atr_edge_mode edges[ATR_MAX_SPATIAL];
  for (int d = 0; d < p->spatial; d++) {
    const atr_window_dim *w = &p->window[d];
    strides[d] = w->stride;
    pads[d][0] = w->pad_lo;
    pads[d][1] = w->pad_hi;
    lhs_dilation[d] = w->lhs_dilation;
    rhs_dilation[d] = w->rhs_dilation;
    reversal[d] = w->reversal;
    filter[d] = w->size;
    edges[d] = w->edge;
  }
  for (int i = 0; i < p->spatial + 2; i++) {
    lhs_dims[i] = p->roles[ATR_CONV_LHS][i];
    rhs_dims[i] = p->roles[ATR_CONV_RHS][i];
    out_dims[i] = p->roles[ATR_CONV_OUT][i];
  }
  atr_conv_options options = {.size = sizeof options,
                              .lhs_dims = lhs_dims,
                              .rhs_dims = rhs_dims,
                              .out_dims = out_dims,
                              .window_strides = strides,
                              .padding = (const int64_t(*)[2])pads,
                              .lhs_dilation = lhs_dilation,
                              .rhs_dilation = rhs_dilation,
                              .window_reversal = reversal,
                              .feature_group_count = p->groups,
                              .batch_group_count = p->batch_groups,
                              .preferred_element_type = p->dtypes[2],
                              .edge_mode = p->has_edge ? edges : NULL,
                              .filter_shape = p->local ? filter : NULL};
  return build_op(g, p, a, b, &options);
}

/* Operand i of the drawn operation, unless there is one; now and then repeated along some dims, which it does not move along then. */
static atr_value operand(gen *g, const plan *p, int i, atr_value have) {
  atr_shape shape = array_shape(p, atr_conv_array_at(p->op, i), p->dtypes[i]);
  if (have != 0) return have;
  return rng_chance(&g->r, 1, 10) ? gen_keep(g, gen_broadcast(g, &shape, 1)) : gen_value(g, &shape, 2);
}

atr_value gen_conv(gen *g, atr_value lhs, int roles[ATR_MAX_RANK]) {
  plan p = {0};
  atr_shape have = {.dtype = ATR_DTYPE_NONE};
  if (lhs != 0) have = gen_shape(g, lhs);
  p.spatial = lhs != 0 ? have.rank - 2 : spatial_rank(g);
  for (int array = lhs != 0; array < 3; array++) draw_roles(g, p.spatial, p.roles[array]);
  if (lhs != 0) {
    memcpy(p.roles[ATR_CONV_LHS], roles, sizeof p.roles[ATR_CONV_LHS]);
    p.batch = have.dims[roles[0]];
    p.features = have.dims[roles[1]];
    for (int d = 0; d < p.spatial; d++) p.input[d] = have.dims[roles[2 + d]];
  }
  plan drawn = p;
  for (int tries = 0; tries <= 60; tries++) {
    drawn = p;
    if (draw(g, &drawn, lhs != 0, tries == 60)) break;
  }
  draw_dtypes(g, &drawn, have.dtype);
  if (lhs == 0) {
    g->dtype = drawn.dtypes[0];
    g->rank = drawn.spatial;
  }
  atr_value a = operand(g, &drawn, 0, lhs), b = operand(g, &drawn, 1, 0), v = build(g, &drawn, a, b);
  memcpy(roles, drawn.roles[atr_conv_array_at(drawn.op, 2)], sizeof p.roles[0]);
  return gen_keep(g, v);
}

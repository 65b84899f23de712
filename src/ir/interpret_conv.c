/* interpret_conv.c - convolution, local convolution and the gradients of the latter from their definition.
 *
 * In: lhs and rhs, dense in their own dtypes, and the attributes. Out: for each output element the sum over the window and the
 * input features, rounded or wrapped once to the result's dtype. Per spatial dimension, output o and window position k meet at
 *
 *     t = o*stride + k*rhs_dilation - pad_lo          a place in the input dilated by lhs_dilation
 *
 * which is an input element when 0 <= t < extent and t is a multiple of lhs_dilation, a hole when it is not a multiple, and
 * padding outside; reversal pairs it with weight size-1-k. Under an edge mode the input goes on before it is dilated, so that
 * there are holes outside too, and t / lhs_dilation is mapped to an index inside. Holes and padding contribute nothing, unless
 * multiply_padding makes padding contribute 0*weight.
 *
 * Operands are widened once to f64, c128 or 64-bit integers (by the class of the result, so that s8 with an f32 result sums
 * reals) and put into one order, lhs [batch][spatial][feature] and rhs [spatial][input feature][output feature], so that one
 * loop serves every dtype, rank and dimension order. A sum starts at +0 and takes window positions in row-major order, input
 * features innermost; in f64 that is the order of roundings, which shows in the last bits of f64 and c128 results only. A
 * few output features at a time are summed side by side, which leaves each one's order alone.
 *
 * A gradient meets the same triples of elements, output place by output place, and adds the product of the cotangent there and
 * of one element to the place of the other.
 *
 * pred: the sum counts the pairs that are both true, and any count but 0 is stored as true. */
#include "ir/interpret.h"

#include <string.h>
#include "base/checked.h"

enum { LANES = 8 }; /* output features summed side by side */

/* One pair of operand elements that meet, as offsets in elements; lhs < 0 is padding. */
typedef struct tap {
  int64_t lhs, rhs;
} tap;

/* What one run of output features needs at one output position. */
typedef struct feature_run {
  const tap *taps;
  int64_t tap_count;
  const void *lhs;   /* at the run's batch and first input feature */
  const void *zeros; /* as many as there are input features */
  const void *rhs;   /* at the run's first output feature */
  int64_t channels;  /* input features of a group */
  int64_t rhs_step;  /* between input features in rhs */
} feature_run;

typedef union sums {
  double f[LANES];
  double c[2 * LANES];
  uint64_t i[LANES];
} sums;

/* ---- sums, one function per domain; with a constant width the lanes become vectors */

static inline __attribute__((always_inline)) void add_reals(const feature_run *r, int width, double *sum) {
  for (int64_t t = 0; t < r->tap_count; t++) {
    const double *x = r->taps[t].lhs < 0 ? r->zeros : (const double *)r->lhs + r->taps[t].lhs;
    const double *w = (const double *)r->rhs + r->taps[t].rhs;
    for (int64_t c = 0; c < r->channels; c++, w += r->rhs_step)
      for (int j = 0; j < width; j++) sum[j] += x[c] * w[j];
  }
}

/* Unsigned, because a wrap is meant; the low bits of products are those of signed ones. */
static inline __attribute__((always_inline)) void add_integers(const feature_run *r, int width, uint64_t *sum) {
  for (int64_t t = 0; t < r->tap_count; t++) {
    const uint64_t *x = r->taps[t].lhs < 0 ? r->zeros : (const uint64_t *)r->lhs + r->taps[t].lhs;
    const uint64_t *w = (const uint64_t *)r->rhs + r->taps[t].rhs;
    for (int64_t c = 0; c < r->channels; c++, w += r->rhs_step)
      for (int j = 0; j < width; j++) sum[j] += x[c] * w[j];
  }
}

/* Four multiplications each, no conjugate, and no repair of infinities as C's own complex product does. */
static inline __attribute__((always_inline)) void add_complex(const feature_run *r, int width, double *sum) {
  for (int64_t t = 0; t < r->tap_count; t++) {
    const double *x = r->taps[t].lhs < 0 ? r->zeros : (const double *)r->lhs + 2 * r->taps[t].lhs;
    const double *w = (const double *)r->rhs + 2 * r->taps[t].rhs;
    for (int64_t c = 0; c < r->channels; c++, w += 2 * r->rhs_step)
      for (int j = 0; j < width; j++) {
        sum[2 * j] += x[2 * c] * w[2 * j] - x[2 * c + 1] * w[2 * j + 1];
        sum[2 * j + 1] += x[2 * c] * w[2 * j + 1] + x[2 * c + 1] * w[2 * j];
      }
  }
}

static sums sum_reals(const feature_run *r, int width) {
  sums sum = {.f = {0}};
  if (width == LANES) add_reals(r, LANES, sum.f);
  else add_reals(r, width, sum.f);
  return sum;
}

static sums sum_integers(const feature_run *r, int width) {
  sums sum = {.i = {0}};
  if (width == LANES) add_integers(r, LANES, sum.i);
  else add_integers(r, width, sum.i);
  return sum;
}

static sums sum_complex(const feature_run *r, int width) {
  sums sum = {.c = {0}};
  add_complex(r, width, sum.c);
  return sum;
}

/* ---- one product */

static void add_real(void *sum, const void *a, const void *b) { *(double *)sum += *(const double *)a * *(const double *)b; }

static void add_integer(void *sum, const void *a, const void *b) {
  *(uint64_t *)sum += *(const uint64_t *)a * *(const uint64_t *)b;
}

static void add_complex_number(void *sum, const void *a, const void *b) {
  const double *x = a, *y = b;
  double *s = sum;
  s[0] += x[0] * y[0] - x[1] * y[1];
  s[1] += x[0] * y[1] + x[1] * y[0];
}

/* The wide numbers in which a result of some class is summed. */
typedef struct wide_domain {
  atr_dtype convert_to; /* operands become this, */
  atr_dtype stored_as;  /* and lie in memory as this */
  sums (*sum)(const feature_run *r, int width);
  void (*add)(void *sum, const void *a, const void *b); /* one product */
} wide_domain;

static wide_domain domain_of(atr_dtype result) {
  switch (atr_dtype_class_of(result)) {
  case ATR_CLASS_PRED: return (wide_domain){ATR_PRED, ATR_S64, sum_integers, add_integer};
  case ATR_CLASS_SINT: return (wide_domain){ATR_S64, ATR_S64, sum_integers, add_integer};
  case ATR_CLASS_UINT: return (wide_domain){ATR_U64, ATR_U64, sum_integers, add_integer};
  case ATR_CLASS_COMPLEX: return (wide_domain){ATR_C128, ATR_C128, sum_complex, add_complex_number};
  case ATR_CLASS_NONE: case ATR_CLASS_FLOAT: break;
  }
  return (wide_domain){ATR_F64, ATR_F64, sum_reals, add_real};
}

/* ---- operands */

/* The elements of operand `i`, which the box puts into order, as a dense array of the domain. */
static void *widen(const atr_interpreter *in, const wide_domain *domain, const atr_inst *inst, int i, const atr_box *box) {
  const atr_shape *shape = &atr_operand(in->module, inst, i)->shape;
  size_t size = atr_dtype_size(shape->dtype), wide_size = atr_dtype_size(domain->stored_as);
  size_t count = (size_t)atr_shape_elements(shape);
  char *dense = atr_arena_alloc(in->work->arena, count * size);
  char *wide = atr_arena_alloc(in->work->arena, count * wide_size);
  atr_box_copy(box, size, dense, atr_interpreter_operand(in, inst, i));
  for (size_t e = 0; e < count; e++) {
    atr_scalar value = atr_scalar_load(shape->dtype, dense + e * size);
    atr_scalar_store(domain->stored_as, wide + e * wide_size, atr_scalar_convert(shape->dtype, domain->convert_to, value));
  }
  return wide;
}

/* Sums of the domain, ordered as the box puts the result's elements, rounded and put back. */
static void narrow(const atr_interpreter *in, const wide_domain *domain, const atr_shape *shape, const atr_box *box,
                   const char *wide, void *out) {
  size_t size = atr_dtype_size(shape->dtype), wide_size = atr_dtype_size(domain->stored_as);
  size_t count = (size_t)atr_shape_elements(shape);
  char *dense = atr_arena_alloc(in->work->arena, count * size);
  atr_box back = *box;
  for (size_t e = 0; e < count; e++)
    atr_scalar_store(shape->dtype, dense + e * size, atr_scalar_load(domain->stored_as, wide + e * wide_size));
  memcpy(back.dst_steps, box->src_steps, sizeof back.dst_steps);
  memcpy(back.src_steps, box->dst_steps, sizeof back.src_steps);
  atr_box_copy(&back, size, out, dense);
}

/* ---- one spatial dimension */

typedef struct conv_axis {
  const atr_window_dim *window;
  int64_t input, output; /* extents */
  int64_t lhs_step, rhs_step, local_step, out_step; /* of an input element, a weight, an output place in rhs and in out */
  int64_t at;        /* the output place that taps belong to */
  tap *taps;         /* window positions that contribute there, in order */
  int64_t tap_count;
} conv_axis;

/* Any index as the one in [0, extent) that it repeats. extent > 0. */
static int64_t resolve_edge(atr_edge_mode edge, int64_t i, int64_t extent) {
  switch (edge) {
  case ATR_EDGE_REFLECT: {
    int64_t period = extent > 1 ? 2 * (extent - 1) : 1, place = atr_mod(i, period);
    return place < extent ? place : period - place;
  }
  case ATR_EDGE_REPLICATE: return i < 0 ? 0 : atr_min(i, extent - 1);
  case ATR_EDGE_CIRCULAR: return atr_mod(i, extent);
  case ATR_EDGE_ZERO: break;
  }
  return i;
}

typedef enum place_kind { PLACE_INPUT, PLACE_HOLE, PLACE_PADDING } place_kind;

/* What window position k of output place `at` meets, and for an input element its index. */
static place_kind find_place(const conv_axis *axis, int64_t k, int64_t *index) {
  const atr_window_dim *window = axis->window;
  int64_t extent = axis->input == 0 ? 0 : (axis->input - 1) * window->lhs_dilation + 1;
  int64_t t = axis->at * window->stride + k * window->rhs_dilation - window->pad_lo; /* below extent + pad_hi, which fits */
  if ((t < 0 || t >= extent) && window->edge == ATR_EDGE_ZERO) return PLACE_PADDING;
  if (atr_mod(t, window->lhs_dilation) != 0) return PLACE_HOLE;
  *index = resolve_edge(window->edge, t / window->lhs_dilation, axis->input);
  return PLACE_INPUT;
}

/* Moves the axis to output place `at` and lists its taps. */
static void move_axis(conv_axis *axis, int64_t at, bool multiply_padding) {
  const atr_window_dim *window = axis->window;
  axis->at = at;
  axis->tap_count = 0;
  for (int64_t k = 0; k < window->size; k++) {
    int64_t index = 0, weight = window->reversal ? window->size - 1 - k : k;
    place_kind place = find_place(axis, k, &index);
    if (place == PLACE_HOLE || (place == PLACE_PADDING && !multiply_padding)) continue;
    axis->taps[axis->tap_count++] = (tap){place == PLACE_PADDING ? -1 : index * axis->lhs_step, weight * axis->rhs_step};
  }
}

/* ---- the whole problem */

typedef struct problem {
  const atr_conv *conv;
  atr_op op;
  wide_domain domain;
  conv_axis axes[ATR_MAX_SPATIAL];
  int64_t batch;        /* of the output */
  int64_t blocks;       /* feature groups or batch groups, whichever there are */
  int64_t features;     /* output features of a block */
  int64_t channels;     /* input features of a group */
  int64_t rhs_step;     /* between input features: all output features */
  int64_t lhs_batch_step, lhs_block_step;
  int64_t out_batch_step, out_feature_step;
  atr_box boxes[3];     /* by atr_conv_array: how it is ordered */
  char *wide[3];        /* its elements in that order; NULL: the result of a convolution */
  const char *zeros;
  tap *taps, *spare;    /* room for one tap per window position each */
} problem;

/* Elements of an operand, or zeros to add up a gradient in. */
static void take_array(const atr_interpreter *in, const atr_inst *inst, problem *p, atr_conv_array array, const atr_box *box) {
  size_t size = atr_dtype_size(p->domain.stored_as);
  p->boxes[array] = *box;
  if (array == atr_conv_array_at(p->op, 2))
    p->wide[array] = atr_arena_alloc(in->work->arena, (size_t)atr_shape_elements(&inst->shape) * size);
  for (int i = 0; i < 2; i++)
    if (array == atr_conv_array_at(p->op, i)) p->wide[array] = widen(in, &p->domain, inst, i, box);
}

/* lhs as [batch][spatial][feature]. */
static void order_lhs(const atr_interpreter *in, const atr_inst *inst, problem *p) {
  const atr_conv *conv = p->conv;
  const atr_shape *lhs = atr_conv_shape(in->module, inst, ATR_CONV_LHS);
  int64_t steps[ATR_MAX_RANK];
  int from[ATR_MAX_RANK];
  atr_box box = {.rank = conv->spatial + 2};
  from[0] = conv->lhs_batch;
  for (int d = 0; d < conv->spatial; d++) from[1 + d] = conv->lhs_spatial[d];
  from[1 + conv->spatial] = conv->lhs_feature;
  atr_box_dense_steps(lhs->rank, lhs->dims, steps);
  for (int i = 0; i < box.rank; i++) {
    box.extents[i] = lhs->dims[from[i]];
    box.src_steps[i] = steps[from[i]];
  }
  atr_box_dense_steps(box.rank, box.extents, box.dst_steps);
  take_array(in, inst, p, ATR_CONV_LHS, &box);
  p->lhs_batch_step = box.dst_steps[0];
  /* Block q reads feature group q of its own batch row, or batch group q of the only feature group (rules 20 and 21). */
  p->lhs_block_step = conv->batch_group_count > 1 ? p->batch * p->lhs_batch_step : p->channels;
  for (int d = 0; d < conv->spatial; d++) {
    p->axes[d].input = box.extents[1 + d];
    p->axes[d].lhs_step = box.dst_steps[1 + d];
  }
}

/* Distance along rhs's input feature dimension between neighbours of window dimension d of a local convolution: the extents
 * of the window dimensions that stand behind it in rhs. With d < 0, between channels: the whole window (rule 18). */
static int64_t local_window_step(const atr_conv *conv, int d) {
  int64_t step = 1;
  for (int e = 0; e < conv->spatial; e++)
    if (d < 0 || conv->rhs_spatial[e] > conv->rhs_spatial[d]) step *= conv->window[e].size;
  return step;
}

/* rhs as [spatial][input feature][output feature]; for a local convolution [output place][window][channel][output feature]. */
static void order_rhs(const atr_interpreter *in, const atr_inst *inst, problem *p) {
  const atr_conv *conv = p->conv;
  const atr_shape *rhs = atr_conv_shape(in->module, inst, ATR_CONV_RHS);
  bool local = atr_conv_is_local(inst->op);
  int64_t steps[ATR_MAX_RANK];
  int window = local ? conv->spatial : 0, spatial = conv->spatial;
  atr_box box = {.rank = window + spatial + 2};
  atr_box_dense_steps(rhs->rank, rhs->dims, steps);
  int64_t feature_step = steps[conv->rhs_input_feature];
  for (int d = 0; d < spatial; d++) {
    box.extents[d] = rhs->dims[conv->rhs_spatial[d]];
    box.src_steps[d] = steps[conv->rhs_spatial[d]];
    if (!local) continue;
    box.extents[window + d] = conv->window[d].size;
    box.src_steps[window + d] = local_window_step(conv, d) * feature_step;
  }
  box.extents[window + spatial] = p->channels;
  box.src_steps[window + spatial] = local ? local_window_step(conv, -1) * feature_step : feature_step;
  box.extents[window + spatial + 1] = rhs->dims[conv->rhs_output_feature];
  box.src_steps[window + spatial + 1] = steps[conv->rhs_output_feature];
  atr_box_dense_steps(box.rank, box.extents, box.dst_steps);
  take_array(in, inst, p, ATR_CONV_RHS, &box);
  p->rhs_step = box.dst_steps[window + spatial];
  for (int d = 0; d < spatial; d++) {
    p->axes[d].rhs_step = box.dst_steps[window + d];
    p->axes[d].local_step = local ? box.dst_steps[d] : 0;
  }
}

/* The result stays as it is; the result of a convolution is written place by place. */
static void order_out(const atr_interpreter *in, const atr_inst *inst, problem *p) {
  const atr_shape *out = atr_conv_shape(in->module, inst, ATR_CONV_OUT);
  int64_t steps[ATR_MAX_RANK];
  atr_box_dense_steps(out->rank, out->dims, steps);
  p->out_batch_step = steps[p->conv->out_batch];
  p->out_feature_step = steps[p->conv->out_feature];
  for (int d = 0; d < p->conv->spatial; d++) {
    p->axes[d].output = out->dims[p->conv->out_spatial[d]];
    p->axes[d].out_step = steps[p->conv->out_spatial[d]];
  }
  atr_box box = {.rank = out->rank};
  memcpy(box.extents, out->dims, sizeof(int64_t) * (size_t)out->rank);
  memcpy(box.src_steps, steps, sizeof steps);
  memcpy(box.dst_steps, steps, sizeof steps);
  if (atr_conv_array_at(p->op, 2) != ATR_CONV_OUT) take_array(in, inst, p, ATR_CONV_OUT, &box);
}

/* Every combination of one tap per dimension at the axes' places, the last dimension fastest; *count of them in p->taps. */
static void combine_taps(problem *p, int64_t *count) {
  p->taps[0] = (tap){0, 0};
  *count = 1;
  for (int d = 0; d < p->conv->spatial; d++) {
    const conv_axis *axis = &p->axes[d];
    int64_t n = 0;
    for (int64_t i = 0; i < *count; i++)
      for (int64_t k = 0; k < axis->tap_count; k++) {
        tap a = p->taps[i], b = axis->taps[k];
        p->spare[n++] = (tap){a.lhs < 0 || b.lhs < 0 ? -1 : a.lhs + b.lhs, a.rhs + b.rhs};
      }
    tap *combined = p->spare;
    p->spare = p->taps;
    p->taps = combined;
    *count = n;
  }
}

/* Where the axes' places begin in rhs and in the output. */
static void find_firsts(const problem *p, int64_t *rhs_first, int64_t *out_first) {
  *rhs_first = *out_first = 0;
  for (int d = 0; d < p->conv->spatial; d++) {
    *rhs_first += p->axes[d].at * p->axes[d].local_step;
    *out_first += p->axes[d].at * p->axes[d].out_step;
  }
}

/* The output elements of every batch row and feature at the axes' places. */
static void sum_place(problem *p, atr_dtype dtype, char *out) {
  int64_t wide_size = (int64_t)atr_dtype_size(p->domain.stored_as), size = (int64_t)atr_dtype_size(dtype);
  int64_t rhs_first, out_first;
  feature_run run = {.zeros = p->zeros, .channels = p->channels, .rhs_step = p->rhs_step};
  combine_taps(p, &run.tap_count);
  run.taps = p->taps;
  find_firsts(p, &rhs_first, &out_first);
  for (int64_t row = 0; row < p->batch * p->blocks; row++) {
    int64_t n = row / p->blocks, block = row % p->blocks;
    run.lhs = p->wide[ATR_CONV_LHS] + (n * p->lhs_batch_step + block * p->lhs_block_step) * wide_size;
    for (int64_t j = 0; j < p->features; j += LANES) {
      int64_t feature = block * p->features + j;
      int width = (int)atr_min(LANES, p->features - j);
      run.rhs = p->wide[ATR_CONV_RHS] + (rhs_first + feature) * wide_size;
      sums sum = p->domain.sum(&run, width);
      char *to = out + (n * p->out_batch_step + feature * p->out_feature_step + out_first) * size;
      for (int lane = 0; lane < width; lane++) {
        atr_scalar value = atr_scalar_load(p->domain.stored_as, (char *)&sum + lane * wide_size);
        atr_scalar_store(dtype, to + lane * p->out_feature_step * size, value);
      }
    }
  }
}

/* The next output place, the last dimension fastest; false after the last. Only axes that moved list their taps again. */
static bool next_place(problem *p, bool multiply_padding) {
  for (int d = p->conv->spatial - 1; d >= 0; d--) {
    conv_axis *axis = &p->axes[d];
    bool wraps = axis->at + 1 == axis->output;
    move_axis(axis, wraps ? 0 : axis->at + 1, multiply_padding);
    if (!wraps) return true;
  }
  return false;
}

/* Everything at the first output place; false when there is none, or nothing to sum there: then the result is zero. */
static bool make_problem(const atr_interpreter *in, const atr_inst *inst, problem *p) {
  const atr_conv *conv = inst->u.conv;
  const atr_shape *lhs = atr_conv_shape(in->module, inst, ATR_CONV_LHS);
  const atr_shape *result = atr_conv_shape(in->module, inst, ATR_CONV_OUT);
  *p = (problem){.conv = conv, .op = inst->op, .domain = domain_of(inst->shape.dtype)};
  p->batch = result->dims[conv->out_batch];
  p->blocks = conv->feature_group_count * conv->batch_group_count;
  p->features = result->dims[conv->out_feature] / p->blocks;
  p->channels = lhs->dims[conv->lhs_feature] / conv->feature_group_count;
  /* From here on rhs has elements, so its window's extents fit in memory. */
  if (atr_shape_elements(result) == 0 || p->channels == 0) return false;
  order_lhs(in, inst, p);
  order_rhs(in, inst, p);
  order_out(in, inst, p);
  p->zeros = atr_arena_alloc(in->work->arena, (size_t)p->channels * atr_dtype_size(p->domain.stored_as));
  int64_t window = 1;
  for (int d = 0; d < conv->spatial; d++) {
    p->axes[d].window = &conv->window[d];
    p->axes[d].taps = ATR_NEW_ARRAY(in->work->arena, tap, conv->window[d].size);
    move_axis(&p->axes[d], 0, in->multiply_padding);
    window *= conv->window[d].size;
  }
  p->taps = ATR_NEW_ARRAY(in->work->arena, tap, window);
  p->spare = ATR_NEW_ARRAY(in->work->arena, tap, window);
  return true;
}

void atr_interpreter_convolve(const atr_interpreter *in, const atr_inst *inst, void *out) {
  problem p;
  if (!make_problem(in, inst, &p)) return;
  do sum_place(&p, inst->shape.dtype, out);
  while (next_place(&p, in->multiply_padding));
}

/* ---- gradients */

/* One tap of one cotangent element: each channel's product goes to the weight, or to the input element, that it met. Padding
 * has no gradient. */
static void spread_tap(const problem *p, const char *cotangent, int64_t lhs, int64_t rhs, bool padding) {
  int64_t size = (int64_t)atr_dtype_size(p->domain.stored_as);
  bool data = p->op == ATR_OP_LOCAL_DATA_GRADIENT;
  for (int64_t c = 0; c < p->channels && !(data && padding); c++) {
    char *weight = p->wide[ATR_CONV_RHS] + (rhs + c * p->rhs_step) * size;
    char *element = p->wide[ATR_CONV_LHS] + (lhs + c) * size;
    if (data) p->domain.add(element, cotangent, weight);
    else p->domain.add(weight, padding ? p->zeros : element, cotangent);
  }
}

/* All cotangent elements at the axes' places. */
static void spread_place(problem *p) {
  int64_t size = (int64_t)atr_dtype_size(p->domain.stored_as), rhs_first, out_first, taps;
  combine_taps(p, &taps);
  find_firsts(p, &rhs_first, &out_first);
  for (int64_t row = 0; row < p->batch * p->blocks; row++) {
    int64_t n = row / p->blocks, block = row % p->blocks, lhs = n * p->lhs_batch_step + block * p->lhs_block_step;
    for (int64_t feature = block * p->features; feature < (block + 1) * p->features; feature++) {
      int64_t from = n * p->out_batch_step + feature * p->out_feature_step + out_first;
      for (int64_t t = 0; t < taps; t++)
        spread_tap(p, p->wide[ATR_CONV_OUT] + from * size, lhs + p->taps[t].lhs, rhs_first + feature + p->taps[t].rhs,
                   p->taps[t].lhs < 0);
    }
  }
}

void atr_interpreter_differentiate(const atr_interpreter *in, const atr_inst *inst, void *out) {
  problem p;
  atr_conv_array result = atr_conv_array_at(inst->op, 2);
  if (atr_shape_elements(&inst->shape) == 0 || !make_problem(in, inst, &p)) return;
  do spread_place(&p);
  while (next_place(&p, in->multiply_padding));
  narrow(in, &p.domain, &inst->shape, &p.boxes[result], p.wide[result], out);
}

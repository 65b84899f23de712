/* cost.c - the analytic cost model: a legal schedule for any nest and target row, in about a millisecond and without
 * measuring.
 *
 * In: a canonical nest and a target row. Out: the schedule with the least estimated cycles, and the reasons as text.
 *
 * A candidate is: the vector dims (one dim, or an inner and an outer one fused, such as (g, oc)); R vectors of it and U
 * copies of one other independent dim in registers; which small reduced dims are unrolled. Its innermost step costs the
 * largest of
 *     arithmetic / ports,  loads / load ports,  all instructions / issue width,  the latency of one accumulator's chain,
 *     bytes of weights streamed from the cache that holds a tile's panel,
 * plus a penalty for each vector beyond the register file. Loads are counted after equal addresses of unrolled copies are
 * shared, and weighed by how lanes find their elements: one for all (broadcast), contiguous, within a span (load and
 * shuffle), or apart. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "lower/schedule.h"

enum { MAX_CANDIDATE_VECTORS = 24 };

static const double ISSUE_WIDTH = 5;        /* instructions per cycle, somewhat below what the front end can do */
static const double MAX_CODE = 4000;        /* instructions of a nest's body with all its variants */
static const double CODE_SCALE = 12000;     /* instructions that weigh as much as doubling the time */
static const double PARALLEL_CYCLES = 30e3; /* work below which waking threads costs more than it gives */

typedef struct vector_choice {
  int dims[2]; /* outer, inner; dims[0] -1 when there is one */
  int64_t lanes[2];
} vector_choice;

typedef struct candidate {
  vector_choice vector;
  int64_t vectors;     /* R: copies of the inner vector dim */
  int copies_dim;      /* -1: none */
  int64_t copies;      /* U */
  uint64_t unrolled;   /* bit d: reduced dim d is unrolled whole */
  int64_t inner_steps; /* the innermost looped reduced dim is unrolled this many times */
  int dot;             /* reduced dim whose elements are multiplied in pairs; -1: none */
} candidate;

typedef struct model {
  const atr_nest *nest;
  const atr_target_row *row;
  int64_t lhs[ATR_MAX_DIMS], rhs[ATR_MAX_DIMS], out[ATR_MAX_DIMS]; /* elements moved per step of each dim, indices included */
  int reduce_order[ATR_MAX_DIMS], reduce_count;
  int64_t width;        /* lanes of the accumulator's type in one vector register */
  double mac_uops;      /* instructions per vector multiply-accumulate */
  double acc_registers; /* registers per accumulator of `width` lanes */
  double convert_uops;  /* extra instructions per loaded vector */
  double step_uops;     /* instructions per vector of the epilogue */
  bool vnni;            /* a pair's products and the addition are one instruction */
  bool rhs_packs;       /* weights are worth laying out anew */
} model;

static void effective(const atr_nest *nest, const atr_access *access, int64_t *out) {
  for (int d = 0; d < nest->dim_count; d++) out[d] = atr_access_step(access, d);
}

static double mac_cost(atr_dtype acc, bool fma) {
  switch (acc) {
  case ATR_C64:
  case ATR_C128: return fma ? 4 : 8;
  case ATR_S32:
  case ATR_U32: return 3;
  case ATR_S64:
  case ATR_U64: return 6;
  case ATR_S8:
  case ATR_U8: return 6;
  case ATR_F32:
  case ATR_F64: return fma ? 1 : 2;
  case ATR_S16:
  case ATR_U16:
  case ATR_PRED:
  case ATR_F16:
  case ATR_BF16:
  case ATR_F8E4M3FN:
  case ATR_F8E5M2:
  case ATR_DTYPE_NONE: return 2;
  }
  return 2;
}

static double expression_cost(const atr_nest *nest) {
  double uops = 1;
  for (int e = 1; e <= nest->expr_count; e++) {
    if (nest->exprs[e].kind != ATR_EXPR_OP) continue;
    bool transcendental = nest->exprs[e].op == ATR_OP_EXPONENTIAL || nest->exprs[e].op == ATR_OP_TANH ||
                          nest->exprs[e].op == ATR_OP_LOGISTIC;
    uops += transcendental ? 30 : nest->exprs[e].op == ATR_OP_DIVIDE ? 8 : 1;
  }
  return uops;
}

/* Reduced dims from the largest step through lhs to the smallest, so that the innermost walks contiguous memory. */
static void order_reduction(model *m) {
  for (int d = 0; d < m->nest->dim_count; d++) {
    if (!m->nest->dims[d].reduced) continue;
    int at = m->reduce_count++;
    for (; at > 0 && llabs(m->lhs[m->reduce_order[at - 1]]) < llabs(m->lhs[d]); at--)
      m->reduce_order[at] = m->reduce_order[at - 1];
    m->reduce_order[at] = d;
  }
}

static model make_model(const atr_nest *nest, const atr_target *target) {
  model m = {.nest = nest, .row = target->row, .vnni = target->vnni};
  atr_dtype type = nest->has_acc ? nest->acc_dtype : nest->exprs[nest->root].dtype;
  if (!nest->has_acc && (type == ATR_F16 || type == ATR_BF16 || atr_dtype_size(type) == 1)) type = ATR_F32;
  bool complex_type = atr_dtype_class_of(type) == ATR_CLASS_COMPLEX;
  m.width = target->row->vector_bits / 8 / (int64_t)atr_dtype_size(atr_dtype_real(type));
  m.mac_uops = mac_cost(type, target->row->fma);
  m.acc_registers = complex_type ? 2 : 1;
  m.convert_uops = nest->has_acc && (nest->lhs_dtype != nest->acc_dtype || complex_type) ? 1 : 0;
  m.step_uops = expression_cost(nest);
  effective(nest, &nest->out, m.out);
  if (nest->has_acc) {
    effective(nest, &nest->lhs, m.lhs);
    effective(nest, &nest->rhs, m.rhs);
    order_reduction(&m);
    double outputs = 1, weights = 1;
    for (int d = 0; d < nest->dim_count; d++) {
      if (m.rhs[d] != 0) weights *= (double)nest->dims[d].extent;
      if (!nest->dims[d].reduced && m.rhs[d] == 0) outputs *= (double)nest->dims[d].extent;
    }
    m.rhs_packs = outputs >= 16 && weights > 1 && nest->rhs.index_count == 0;
  }
  return m;
}

/* ---- how lanes find their elements */

/* Load instructions and shuffles for one vector of `lanes` lanes. */
typedef struct lane_cost {
  double loads, shuffles;
} lane_cost;

static lane_cost cost_of_lanes(const model *m, const vector_choice *v, const int64_t *step, bool aligned) {
  int64_t outer = v->dims[0] >= 0 ? step[v->dims[0]] : 0, inner = step[v->dims[1]];
  int64_t lanes = v->lanes[0] * v->lanes[1];
  double registers = (double)atr_ceil_div(lanes, m->width);
  bool outer_follows = v->dims[0] < 0 || v->lanes[0] == 1 || outer == inner * v->lanes[1];
  if (outer == 0 && inner == 0) return (lane_cost){1, 0};
  if (inner == 1 && outer_follows) return (lane_cost){registers * (aligned ? 1.0 : 1.3), 0};
  int64_t span = llabs(outer) * (v->lanes[0] - 1) + llabs(inner) * (v->lanes[1] - 1) + 1;
  if (span <= 2 * lanes) return (lane_cost){(double)atr_ceil_div(span, m->width), registers * 1.5};
  return (lane_cost){(double)lanes, (double)lanes};
}

/* |{a*i + b*j}| where a divides b: rows of e values, each r = |b/a| values further on. */
static double distinct_pair(int64_t a, int64_t e, int64_t b, int64_t f) {
  int64_t r = llabs(b / a);
  return (double)(r >= e ? e * f : e + r * (f - 1));
}

static double distinct_by_listing(const int64_t *step, const int *dims, const int64_t *extents, int count) {
  int64_t values[256];
  int filled = 1;
  values[0] = 0;
  for (int i = 0; i < count; i++) {
    int before = filled;
    for (int64_t e = 1; e < extents[i]; e++)
      for (int j = 0; j < before; j++) {
        int64_t v = values[j] + e * step[dims[i]];
        int k = 0;
        while (k < filled && values[k] != v) k++;
        if (k == filled) values[filled++] = v;
      }
  }
  return filled;
}

/* Different addresses among unrolled copies: a product of extents, but for dims that step through one array together. */
static double distinct(const int64_t *step, const int *dims, const int64_t *extents, int count) {
  int64_t total = 1, moving_extents[ATR_MAX_DIMS];
  int moving[ATR_MAX_DIMS], n = 0;
  for (int i = 0; i < count; i++) {
    if (step[dims[i]] == 0) continue;
    moving[n] = dims[i];
    moving_extents[n++] = extents[i];
    total *= extents[i];
  }
  if (n <= 1 || total > 256) return (double)total;
  int64_t a = step[moving[0]], b = step[moving[1]];
  if (n == 2 && b % a == 0) return distinct_pair(a, moving_extents[0], b, moving_extents[1]);
  if (n == 2 && a % b == 0) return distinct_pair(b, moving_extents[1], a, moving_extents[0]);
  return distinct_by_listing(step, moving, moving_extents, n);
}

/* ---- cycles of a candidate */

typedef struct shape_of_step {
  int dims[ATR_MAX_DIMS];
  int64_t extents[ATR_MAX_DIMS];
  int count;
} shape_of_step;

static void add_copies(shape_of_step *s, int dim, int64_t extent) {
  if (extent <= 1) return;
  s->dims[s->count] = dim;
  s->extents[s->count++] = extent;
}

/* The innermost looped reduced dim; -1: none. */
static int innermost_loop(const model *m, uint64_t unrolled) {
  for (int i = m->reduce_count - 1; i >= 0; i--)
    if ((unrolled >> m->reduce_order[i] & 1) == 0 && m->nest->dims[m->reduce_order[i]].extent > 1) return m->reduce_order[i];
  return -1;
}

/* Bytes of weights that one tile reads over its whole reduction: they are streamed again for each tile. */
static double panel_bytes(const model *m, const candidate *c) {
  double bytes = (double)(c->vectors * c->vector.lanes[0] * c->vector.lanes[1]) * (double)atr_dtype_size(m->nest->rhs_dtype);
  for (int d = 0; d < m->nest->dim_count; d++)
    if (m->nest->dims[d].reduced && m->rhs[d] != 0) bytes *= (double)m->nest->dims[d].extent;
  return bytes;
}

/* The unrolled copies of one innermost step. */
typedef struct step_copies {
  shape_of_step outer;  /* independent dims: one accumulator each */
  shape_of_step whole;  /* and unrolled reduced dims */
  shape_of_step live;   /* outer, and the reduced dims through which copies share lhs elements: these are kept in registers */
  shape_of_step loaded; /* whole, without reduced dims whose elements come with one load of a span (llvm_access.c) */
  double reduce_copies;
  int64_t lhs[ATR_MAX_DIMS], rhs[ATR_MAX_DIMS]; /* elements per copy */
} step_copies;

/* Do copies of the independent dims and of reduced dim d meet at the same lhs elements? */
static bool shares_lhs(const step_copies *s, int d, int64_t extent) {
  for (int i = 0; i < s->outer.count; i++)
    if (atr_steps_meet(s->lhs[s->outer.dims[i]], s->outer.extents[i], s->lhs[d], extent)) return true;
  return false;
}

static bool in_an_index(const atr_access *access, int d) {
  for (int i = 0; i < access->index_count; i++)
    if (access->index[i].at.coef[d] != 0) return true;
  return false;
}

static void add_reduced(const model *m, step_copies *s, int d, int64_t extent, bool spanned) {
  if (extent <= 1) return;
  add_copies(&s->whole, d, extent);
  if (shares_lhs(s, d, extent)) add_copies(&s->live, d, extent);
  if (!spanned || in_an_index(&m->nest->lhs, d) || s->lhs[d] * extent > 2 * m->width) add_copies(&s->loaded, d, extent);
  s->reduce_copies *= (double)extent;
}

static void copies_of(const model *m, const candidate *c, int64_t copies, int64_t vectors, bool spanned, step_copies *s) {
  int vd = c->vector.dims[1], loop = innermost_loop(m, c->unrolled);
  memcpy(s->lhs, m->lhs, sizeof s->lhs);
  memcpy(s->rhs, m->rhs, sizeof s->rhs);
  s->lhs[vd] *= c->vector.lanes[1]; /* copies of the vector dim step by whole vectors */
  s->rhs[vd] *= c->vector.lanes[1];
  s->outer.count = 0;
  s->reduce_copies = 1;
  if (c->copies_dim >= 0) add_copies(&s->outer, c->copies_dim, copies);
  add_copies(&s->outer, vd, vectors);
  s->whole = s->live = s->loaded = s->outer;
  for (int i = 0; i < m->reduce_count; i++) {
    int d = m->reduce_order[i];
    if ((c->unrolled >> d & 1) != 0) add_reduced(m, s, d, m->nest->dims[d].extent, spanned);
  }
  if (loop >= 0) add_reduced(m, s, loop, c->inner_steps, spanned);
}

static double distinct_in(const int64_t *step, const shape_of_step *shape) {
  return distinct(step, shape->dims, shape->extents, shape->count);
}

static double largest(const double *values, int count) {
  double most = values[0];
  for (int i = 1; i < count; i++)
    if (values[i] > most) most = values[i];
  return most;
}

/* Loads of the span that one vector and the copies that share its load read: whole registers, or pieces of several sizes. */
static double span_loads(const model *m, const candidate *c, const step_copies *s) {
  int64_t span = 1;
  for (int v = 0; v < 2; v++)
    if (c->vector.dims[v] >= 0) span += llabs(m->lhs[c->vector.dims[v]]) * (c->vector.lanes[v] - 1);
  if (span > 2 * c->vector.lanes[0] * c->vector.lanes[1]) return (double)(c->vector.lanes[0] * c->vector.lanes[1]);
  for (int i = s->outer.count; i < s->whole.count; i++) {
    bool loaded = false;
    for (int j = s->outer.count; j < s->loaded.count; j++) loaded |= s->loaded.dims[j] == s->whole.dims[i];
    if (!loaded) span += llabs(s->lhs[s->whole.dims[i]]) * (s->whole.extents[i] - 1);
  }
  bool whole = (span & (span - 1)) == 0;
  return (double)atr_ceil_div(span, m->width) + (whole ? 0 : 1.5);
}

/* Copies whose elements lie a multiple of the cache's way apart fall into few of its sets and throw each other out. With 64
 * sets of 64-byte lines and at least 8 ways, which every CPU of the table has: the factor by which loads slow down. */
static double conflict_factor(const int64_t *step, const shape_of_step *shape, int dim, atr_dtype dtype) {
  shape_of_step rows = {.count = 0}; /* copies of dim, and of taps that step through the same rows */
  if (dim < 0 || llabs(step[dim]) * (int64_t)atr_dtype_size(dtype) < 1024) return 1;
  for (int i = 0; i < shape->count; i++)
    if (step[shape->dims[i]] % step[dim] == 0) add_copies(&rows, shape->dims[i], shape->extents[i]);
  int64_t lines = llabs(step[dim]) * (int64_t)atr_dtype_size(dtype) / 64;
  double per_set = distinct(step, rows.dims, rows.extents, rows.count) / (double)(64 / atr_gcd(lines % 64 + 64, 64));
  return per_set > 7 ? 2 : per_set > 6 ? 1.15 : 1.02;
}

/* Cycles of one pass of the innermost step with `copies` x `vectors` accumulators. */
static double step_cycles(const model *m, const candidate *c, int64_t copies, int64_t vectors, double *body) {
  step_copies s;
  int vd = c->vector.dims[1];
  int64_t lanes = c->vector.lanes[0] * c->vector.lanes[1];
  double width = (double)atr_ceil_div(lanes, m->width), accumulators = (double)(copies * vectors) * width;
  bool moving = m->lhs[vd] != 0 && m->rhs[vd] == 0; /* over a spatial dim taps shift lhs off its alignment */
  lane_cost l = cost_of_lanes(m, &c->vector, m->lhs, !moving), r = cost_of_lanes(m, &c->vector, m->rhs, true);
  if (m->rhs_packs && r.loads > 1) r = (lane_cost){width, 0};
  copies_of(m, c, copies, vectors, l.shuffles > 0, &s);
  if (l.shuffles > 0) l.loads = span_loads(m, c, &s);
  double lhs_vectors = distinct_in(s.lhs, &s.whole), rhs_vectors = distinct_in(s.rhs, &s.whole),
         lhs_loads = distinct_in(s.lhs, &s.loaded);
  double mac_uops = c->dot < 0 ? m->mac_uops : m->vnni ? 1 : 2, lhs_converts = c->dot < 0 ? m->convert_uops : 2;
  double rhs_converts = c->dot < 0 ? m->convert_uops : 0;
  double arithmetic = accumulators * s.reduce_copies * mac_uops, loads = lhs_loads * l.loads + rhs_vectors * r.loads;
  double others = lhs_vectors * (l.shuffles + lhs_converts) + rhs_vectors * (r.shuffles + rhs_converts);
  double panel = panel_bytes(m, c), rate = panel > 700e3 ? 6 : panel > 20e3 ? 16 : 64;
  double streamed = rhs_vectors * (double)lanes * (double)atr_dtype_size(m->nest->rhs_dtype);
  double bounds[] = {arithmetic / m->row->fma_per_cycle,
                     loads / m->row->loads_per_cycle,
                     others,
                     (arithmetic + loads + others + 3) / ISSUE_WIDTH,
                     m->row->fma_latency * s.reduce_copies * (m->acc_registers > 1 ? 2 : 1),
                     streamed / rate};
  double cycles = largest(bounds, sizeof bounds / sizeof bounds[0]);
  cycles *= conflict_factor(s.lhs, &s.whole, c->copies_dim, m->nest->lhs_dtype);
  double live_l = distinct_in(s.lhs, &s.live), live_r = distinct_in(s.rhs, &s.live);
  double registers = (accumulators + (live_l < live_r ? live_l : live_r) * width + 1) * m->acc_registers;
  if (registers > m->row->registers) cycles += 2 * (registers - m->row->registers) * s.reduce_copies;
  *body = arithmetic + loads + others;
  return cycles;
}

/* Cycles of one tile: the reduction, loop overheads, and the epilogue with its stores. */
static double tile_cycles(const model *m, const candidate *c, int64_t copies, int64_t vectors) {
  double accumulators = (double)(copies * vectors) * (double)atr_ceil_div(c->vector.lanes[0] * c->vector.lanes[1], m->width);
  lane_cost store = cost_of_lanes(m, &c->vector, m->out, true);
  double cycles = 8 + (double)(copies * vectors) * (store.loads + store.shuffles) + accumulators * (m->step_uops + 1) / 2;
  if (!m->nest->has_acc) {
    for (int e = 1; e <= m->nest->expr_count; e++) {
      if (m->nest->exprs[e].kind != ATR_EXPR_LOAD) continue;
      int64_t step[ATR_MAX_DIMS];
      effective(m->nest, &m->nest->exprs[e].access, step);
      lane_cost load = cost_of_lanes(m, &c->vector, step, true);
      cycles += (double)(copies * vectors) * (load.loads / 2 + load.shuffles);
    }
    return cycles;
  }
  double body, step = step_cycles(m, c, copies, vectors, &body), iterations = 1;
  int loop = innermost_loop(m, c->unrolled);
  for (int i = 0; i < m->reduce_count; i++) {
    int d = m->reduce_order[i];
    if ((c->unrolled >> d & 1) != 0) continue;
    double extent = (double)m->nest->dims[d].extent;
    if (d == loop) extent /= (double)c->inner_steps;
    if (d == c->dot) extent /= 2;
    iterations *= extent;
    cycles += iterations * (d == loop ? 0 : 6);
  }
  return cycles + iterations * step;
}

/* Whole and partial tiles of the two unrolled dims. */
static double total_cycles(const model *m, const candidate *c) {
  const atr_nest *nest = m->nest;
  double others = 1;
  for (int d = 0; d < nest->dim_count; d++) {
    if (nest->dims[d].reduced || d == c->copies_dim || d == c->vector.dims[1]) continue;
    others *= (double)(d == c->vector.dims[0] ? atr_ceil_div(nest->dims[d].extent, c->vector.lanes[0]) : nest->dims[d].extent);
  }
  int64_t vectors = atr_ceil_div(nest->dims[c->vector.dims[1]].extent, c->vector.lanes[1]);
  int64_t copies = c->copies_dim >= 0 ? nest->dims[c->copies_dim].extent : 1;
  double cycles = 0;
  for (int tail_v = 0; tail_v < 2; tail_v++)
    for (int tail_c = 0; tail_c < 2; tail_c++) {
      int64_t v = tail_v ? vectors % c->vectors : c->vectors, u = tail_c ? copies % c->copies : c->copies;
      double count = (double)(tail_v ? 1 : vectors / c->vectors) * (double)(tail_c ? 1 : copies / c->copies);
      if (v > 0 && u > 0 && count > 0) cycles += count * tile_cycles(m, c, u, v);
    }
  return cycles * others;
}

/* ---- candidates */

/* Dims under a divisor that phases left cannot be unrolled or vector dims. */
static bool has_run_time_divisor(const atr_nest *nest, int dim) {
  for (int i = 0; nest->has_acc && i < nest->lhs.index_count; i++)
    if (nest->lhs.index[i].divisor != 1 && nest->lhs.index[i].at.coef[dim] != 0) return true;
  for (int e = 1; e <= nest->expr_count; e++)
    for (int i = 0; nest->exprs[e].kind == ATR_EXPR_LOAD && i < nest->exprs[e].access.index_count; i++)
      if (nest->exprs[e].access.index[i].divisor != 1 && nest->exprs[e].access.index[i].at.coef[dim] != 0) return true;
  return false;
}

static int64_t power_of_two_up(int64_t n) {
  int64_t p = 1;
  while (p < n) p *= 2;
  return p;
}

/* One dim with as many lanes as it fills, and pairs whose inner dim is smaller than a vector. */
static int vector_choices(const model *m, vector_choice *out) {
  const atr_nest *nest = m->nest;
  int count = 0;
  for (int d = 0; d < nest->dim_count; d++) {
    if (nest->dims[d].reduced || count >= MAX_CANDIDATE_VECTORS - 1) continue;
    int64_t extent = nest->dims[d].extent, lanes = atr_min(m->width, power_of_two_up(atr_max(extent, 1)));
    if (has_run_time_divisor(nest, d)) lanes = 1;
    out[count++] = (vector_choice){{-1, d}, {1, lanes}};
    if (lanes == 1 || extent >= m->width || extent < 2 || m->width % extent != 0) continue;
    for (int o = 0; o < nest->dim_count && count < MAX_CANDIDATE_VECTORS; o++)
      if (o != d && !nest->dims[o].reduced && !has_run_time_divisor(nest, o) && nest->dims[o].extent >= m->width / extent)
        out[count++] = (vector_choice){{o, d}, {m->width / extent, extent}};
  }
  return count;
}

/* Sets of reduced dims to unroll whole: none, and the one, two or three innermost small ones that are taps or few channels. */
static int unroll_choices(const model *m, uint64_t *out) {
  int count = 0;
  uint64_t set = 0;
  int64_t product = 1;
  out[count++] = 0;
  for (int i = m->reduce_count - 1; i >= 0 && count < 5; i--) {
    int d = m->reduce_order[i];
    product *= m->nest->dims[d].extent;
    if (product > 32 || has_run_time_divisor(m->nest, d)) break;
    set |= UINT64_C(1) << d;
    out[count++] = set;
  }
  for (int i = 0; i < m->reduce_count && count < 8; i++) { /* one small dim that is not innermost: rows of a window */
    int d = m->reduce_order[i];
    if (m->nest->dims[d].extent > 1 && m->nest->dims[d].extent <= 7 && !has_run_time_divisor(m->nest, d))
      out[count++] = UINT64_C(1) << d;
  }
  return count;
}

/* Instructions of all the variants of the body that edges need. */
static double code_size(const model *m, const candidate *c) {
  double body, variants = 1;
  if (!m->nest->has_acc) return 0;
  step_cycles(m, c, c->copies, c->vectors, &body);
  for (int i = 0; i < m->nest->lhs.index_count; i++) {
    const atr_affine *at = &m->nest->lhs.index[i].at;
    bool inner = (c->copies_dim >= 0 && at->coef[c->copies_dim] != 0) || at->coef[c->vector.dims[1]] != 0 ||
                 (c->vector.dims[0] >= 0 && at->coef[c->vector.dims[0]] != 0);
    double taps = 1;
    for (int d = 0; d < m->nest->dim_count; d++) {
      if (!m->nest->dims[d].reduced || at->coef[d] == 0) continue;
      inner |= (c->unrolled >> d & 1) != 0;
      if ((c->unrolled >> d & 1) == 0) taps = (double)m->nest->dims[d].extent;
    }
    if (inner) variants *= 2 + 1.5 * (taps - 1);
  }
  const atr_dim *dims = m->nest->dims;
  if (dims[c->vector.dims[1]].extent % (c->vectors * c->vector.lanes[1]) != 0) variants *= 1.8;
  if (c->copies_dim >= 0 && dims[c->copies_dim].extent % c->copies != 0) variants *= 1.6;
  return body * variants;
}

/* Code costs time to compile and cache to run: where cycles are about equal the smaller body wins. */
static void consider(const model *m, const candidate *c, candidate *best, double *best_cycles) {
  double code = code_size(m, c);
  bool first = *best_cycles < 0;
  if (code > MAX_CODE && !first) return;
  double cycles = total_cycles(m, c) * (1 + code / CODE_SCALE) + (code > MAX_CODE ? 1e30 : 0);
  if (!first && cycles >= *best_cycles) return;
  *best_cycles = cycles;
  *best = *c;
}

static void try_tiles(const model *m, candidate *c, candidate *best, double *best_cycles) {
  static const int64_t R[] = {1, 2, 3, 4, 6, 8, 12};
  const atr_nest *nest = m->nest;
  double limit = (double)m->row->registers / m->acc_registers;
  int64_t most = atr_max(atr_ceil_div(nest->dims[c->vector.dims[1]].extent, c->vector.lanes[1]), 1);
  if (has_run_time_divisor(nest, c->vector.dims[1])) most = 1;
  for (size_t r = 0; r < sizeof R / sizeof R[0]; r++) {
    if (R[r] > most && r > 0) break;
    c->vectors = atr_min(R[r], most);
    for (int d = -1; d < nest->dim_count; d++) {
      bool usable = d < 0 || (!nest->dims[d].reduced && d != c->vector.dims[0] && d != c->vector.dims[1] &&
                              nest->dims[d].extent > 1 && !has_run_time_divisor(nest, d));
      if (!usable || (!nest->has_acc && d >= 0)) continue;
      c->copies_dim = d;
      int64_t top = d < 0 ? 1 : atr_min(nest->dims[d].extent, (int64_t)(limit / (double)c->vectors));
      for (c->copies = d < 0 ? 1 : 2; c->copies <= top; c->copies++) consider(m, c, best, best_cycles);
    }
  }
}

/* ---- the schedule of a candidate */

static void add_piece(atr_schedule *s, int dim, atr_dim_kind kind, int64_t extent) {
  s->pieces[s->count++] = (atr_piece){dim, kind, extent};
}

/* Where a dim's outermost piece stands: weights' own dims first, so that their panel stays in cache while the pixels pass; a
 * vector dim shared by lhs and rhs (depthwise channels) just outside the innermost loop; the others by their step through the
 * output. */
static int64_t loop_rank(const model *m, const candidate *c, int d) {
  bool vector = d == c->vector.dims[0] || d == c->vector.dims[1];
  if (m->nest->has_acc && m->rhs[d] != 0 && (m->lhs[d] == 0 || !vector)) return INT64_MAX;
  return llabs(m->out[d]);
}

static int order_loops(const model *m, const candidate *c, int *order) {
  int count = 0;
  for (int d = 0; d < m->nest->dim_count; d++) {
    if (m->nest->dims[d].reduced) continue;
    int at = count++;
    for (; at > 0 && loop_rank(m, c, order[at - 1]) < loop_rank(m, c, d); at--) order[at] = order[at - 1];
    order[at] = d;
  }
  int shared = -1;
  for (int i = 0; i < count; i++)
    if (m->nest->has_acc && (order[i] == c->vector.dims[0] || (c->vector.dims[0] < 0 && order[i] == c->vector.dims[1])) &&
        m->lhs[order[i]] != 0 && m->rhs[order[i]] != 0)
      shared = i;
  if (shared == count - 1 && count >= 2) { /* channels innermost: one step out, so that pixels run inside */
    int d = order[shared];
    order[shared] = order[shared - 1];
    order[shared - 1] = d;
  }
  return count;
}

static int64_t inner_extent(const candidate *c, int d) {
  int64_t e = 1;
  if (d == c->vector.dims[0]) e *= c->vector.lanes[0];
  if (d == c->vector.dims[1]) e *= c->vector.lanes[1] * c->vectors;
  if (d == c->copies_dim) e *= c->copies;
  return e;
}

static void make_schedule(const model *m, const candidate *c, double cycles, atr_schedule *s) {
  const atr_nest *nest = m->nest;
  int order[ATR_MAX_DIMS], count = order_loops(m, c, order), looped = 0;
  *s = (atr_schedule){.pack_rhs = m->rhs_packs};
  for (int i = 0; i < count; i++)
    looped += inner_extent(c, order[i]) < nest->dims[order[i]].extent || nest->dims[order[i]].extent == 0;
  double tasks = 1;
  for (int i = 0, seen = 0; i < count; i++) {
    int64_t extent = nest->dims[order[i]].extent, inner = inner_extent(c, order[i]);
    if (inner >= extent && extent > 0) continue;
    /* the last loop stays whole unless there is little else to share out */
    bool parallel = cycles >= PARALLEL_CYCLES && (++seen < looped || tasks < 16);
    add_piece(s, order[i], parallel ? ATR_DIM_PARALLEL : ATR_DIM_LOOP, 0);
    tasks *= (double)atr_ceil_div(extent, inner);
  }
  int loop = innermost_loop(m, c->unrolled);
  for (int i = 0; i < m->reduce_count; i++)
    if ((c->unrolled >> m->reduce_order[i] & 1) == 0) add_piece(s, m->reduce_order[i], ATR_DIM_LOOP, 0);
  for (int i = 0; i < m->reduce_count; i++) {
    int d = m->reduce_order[i];
    if ((c->unrolled >> d & 1) != 0) add_piece(s, d, ATR_DIM_UNROLL, nest->dims[d].extent);
    if (d == loop && c->inner_steps > 1) add_piece(s, d, ATR_DIM_UNROLL, c->inner_steps);
  }
  if (c->copies > 1) add_piece(s, c->copies_dim, ATR_DIM_UNROLL, c->copies);
  if (c->vectors > 1) add_piece(s, c->vector.dims[1], ATR_DIM_UNROLL, c->vectors);
  if (c->vector.dims[0] >= 0) add_piece(s, c->vector.dims[0], ATR_DIM_VECTOR, c->vector.lanes[0]);
  if (c->vector.lanes[1] > 1) add_piece(s, c->vector.dims[1], ATR_DIM_VECTOR, c->vector.lanes[1]);
  if (c->dot >= 0) add_piece(s, c->dot, ATR_DIM_DOT, 2);
}

static const char *reasons(atr_arena *arena, const model *m, const candidate *c, double cycles) {
  atr_text t = atr_text_make(arena);
  const atr_nest *nest = m->nest;
  atr_text_printf(&t, "vector over %s%s%s: %lld lanes of %s fill %lld-bit registers; ",
                  c->vector.dims[0] >= 0 ? nest->dims[c->vector.dims[0]].name : "", c->vector.dims[0] >= 0 ? " and " : "",
                  nest->dims[c->vector.dims[1]].name, (long long)(c->vector.lanes[0] * c->vector.lanes[1]),
                  atr_dtype_name(nest->has_acc ? nest->acc_dtype : nest->exprs[nest->root].dtype),
                  (long long)m->row->vector_bits);
  if (nest->has_acc) {
    double body, step = step_cycles(m, c, c->copies, c->vectors, &body);
    atr_text_printf(&t, "tile of %lld x %lld vectors: %.1f cycles a step for %.0f instructions; ", (long long)c->copies,
                    (long long)c->vectors, step, body);
    atr_text_printf(&t, "rhs %s; ", m->rhs_packs ? "packed, it is read by many outputs" : "read in place");
  }
  atr_text_printf(&t, "estimate %.3g cycles", cycles);
  return t.data;
}

/* The reduced dim to take in pairs: the innermost one that allows it, on targets with an instruction for it; -1: none. */
static int dot_choice(const model *m) {
  for (int i = m->reduce_count - 1; i >= 0; i--) {
    int d = m->reduce_order[i];
    if (m->nest->dims[d].extent == 0 || m->nest->dims[d].extent % 2 != 0 || !atr_nest_can_dot(m->nest, d)) continue;
    return m->rhs_packs && strcmp(m->row->arch, "x86_64") == 0 ? d : -1;
  }
  return -1;
}

/* Every tile for one choice of vector, unrolled taps and pairs, with and without more steps of the innermost loop. */
static void try_steps(const model *m, candidate c, candidate *best, double *cycles) {
  int loop = innermost_loop(m, c.unrolled);
  for (c.inner_steps = 1; c.inner_steps <= 4; c.inner_steps *= 2) {
    bool divides = loop >= 0 && c.dot < 0 && !has_run_time_divisor(m->nest, loop) &&
                   m->nest->dims[loop].extent % c.inner_steps == 0 && m->nest->dims[loop].extent > c.inner_steps;
    if (c.inner_steps == 1 || divides) try_tiles(m, &c, best, cycles);
  }
}

void atr_schedule_choose(atr_arena *arena, const atr_nest *nest, const atr_target *target, atr_schedule *out,
                         const char **why) {
  model m = make_model(nest, target);
  vector_choice vectors[MAX_CANDIDATE_VECTORS];
  uint64_t unrolled[8];
  int vector_count = vector_choices(&m, vectors), unroll_count = unroll_choices(&m, unrolled);
  int dot = dot_choice(&m);
  candidate best = {.vector = vectors[0], .copies_dim = -1, .copies = 1, .vectors = 1, .inner_steps = 1, .dot = -1};
  double cycles = -1;
  for (int v = 0; v < vector_count; v++)
    for (int u = 0; u < unroll_count; u++) {
      candidate c = {.vector = vectors[v], .unrolled = unrolled[u], .dot = -1};
      try_steps(&m, c, &best, &cycles);
      c.dot = dot;
      if (dot >= 0 && (c.unrolled >> dot & 1) == 0) try_steps(&m, c, &best, &cycles);
    }
  make_schedule(&m, &best, cycles, out);
  *why = reasons(arena, &m, &best, cycles);
}

/* cost.c - cycles of a candidate's tiles, as if all data lay in the nearest cache (cost.h).
 *
 * The innermost step costs the largest of
 *     arithmetic / ports,  loads / load ports,  all instructions / issue width,  the latency of one accumulator's chain,
 * plus a penalty for each vector beyond the register file. Loads are counted after equal addresses of unrolled copies are
 * shared, and weighed by how lanes find their elements: one for all (broadcast), contiguous, within a span (load and
 * shuffle), or apart. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "lower/cost.h"

static const double CHAINS_WANTED = 1.5,
                    FEW_CHAINS = 0.2; /* sums at work, as a multiple of what the latency needs, to never wait */
/* What waiting takes where there are 16 registers and lhs is one element for all lanes: each product has a load of its own, which may come
 * late. With AVX2 a transposed layer of 128 to 64 channels takes 0.52 ms with 8 sums, 4 x 2 or 8 x 1, and 0.47 with 12. */
static const double FEW_CHAINS_OF_SPLATS = 0.35;
static const double LATENCY_SLACK = 1.08; /* chains that depend on each other are never packed without gaps */
static const double WINDOW = 200;     /* instructions at work at once: tiles without a loop overlap, each with its own sums */
static const double HINDRANCE = 0.1;  /* part of the shorter times that does not hide behind the longest, but for loads */
static const double FULL_FILE = 1.03; /* the last register taken: LLVM may have to move some about */
static const double FULL_FILE_OF_TAPS = 1.1;   /* the same where it may also load ahead */
static const double FULL_FILE_OF_SPANS = 1.25; /* and what it loads is put together */
static const double LARGE_FILE_AHEAD = 3;      /* and from how much farther ahead, where there are more than 16 */
static const double SPLATS_AHEAD = 2; /* the same where lhs is one element for all lanes, which needs no register of its own */
/* Cycles for each register that is missing. LLVM moves weights about first, but where lhs is one element for all lanes and there are 16, sums:
 * 7 x 2 of them take 53 cycles for 56 products. */
static const double SPILL = 2, SPILL_OF_SUMS = 4;
static const double LOOP_CYCLES = 8; /* to set up a loop of the reduction and to leave it */
/* The same beside steps of so many products, where there are 16 registers: they wait for multipliers as it turns. A stem of 3 x 3 x 3 taps
 * and 6 x 2 sums runs at the peak with loops over 9 of the taps. */
static const double LONG_STEP = 32, LOOP_CYCLES_BESIDE = 2;
/* So many more sums are wanted, where there are 16 registers, if the taps of one element follow each other: they come in bursts for the same
 * sum. With AVX2 3x3 on 128 channels takes 1.79 ms with 10 sums, three taps of each element at a time, and 1.68 with 6 x 2 sums. Not where an
 * instruction of its own adds the products, all that a sum waits for: with SSE2 4.4 and 5.9 ms, the other way round. */
static const double WANTED_IN_BURSTS = 1.25;
static const double ISSUE_WIDTH = 5;     /* instructions per cycle, somewhat below what the front end can do */
static const double SHUFFLE_SHARE = 0.5; /* of the shuffles go to ports that multiply */
/* The same of blends, which have more ports. With AVX2 3x3 on 256 channels of 14 x 14 pixels in NCHW takes 2.2 ms with pixels in the lanes,
 * a third of whose products are blended into their sums, and 1.7 with features there. */
static const double BLEND_SHARE = 0.35;
/* Cycles of a product of two pairs of bf16, as a multiple of a multiply-add's; Zen 5: 6 and 4. */
static const double BF16_LATENCY = 1.5;
/* How many times longer LLVM takes for instructions of such a product's nest. */
static const double BF16_CODE = 2;
/* Registers for the last pair of a sum that they do not divide: its one element, and the zero beside it. */
static const double ODD_PAIR = 2;
static const double EXTEND_SHARE = 0.5; /* cycles that an instruction of an integer conversion takes from the multipliers */
static const double STORE_MISS = 12;    /* cycles of a store to a line that the nearest cache has lost */
static const double LOAD_MISS = 2.5;    /* the same of a load, several of which are under way */

void atr_cost_steps(const atr_nest *nest, const atr_access *access, int64_t *out) {
  for (int d = 0; d < nest->dim_count; d++) out[d] = atr_access_step(access, d);
}

atr_dtype atr_cost_lhs_dtype(const atr_cost_model *m, const atr_candidate *c) {
  return c->widen_lhs ? m->nest->acc_dtype : m->nest->lhs_dtype;
}

atr_dtype atr_cost_rhs_dtype(const atr_cost_model *m, const atr_candidate *c) {
  if (c->dot >= 0 && c->dot_extent == 2 && c->pack && m->nest->acc_dtype != ATR_F32) return ATR_S16;
  return c->widen_rhs ? m->nest->acc_dtype : m->nest->rhs_dtype;
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

static double step_cost(atr_op op, bool is_complex) {
  if (op == ATR_OP_EXPONENTIAL || op == ATR_OP_TANH || op == ATR_OP_LOGISTIC) return is_complex ? 300 : 30;
  if (op == ATR_OP_ABS && is_complex) return 20;
  return op == ATR_OP_DIVIDE ? 8 : op == ATR_OP_ROUND_NEAREST_EVEN ? 5 : 1;
}

static double expression_cost(const atr_nest *nest) {
  double uops = 1;
  for (int e = 1; e <= nest->expr_count; e++) {
    const atr_expr *x = &nest->exprs[e];
    if (x->kind != ATR_EXPR_OP) continue;
    uops += step_cost(x->op, atr_dtype_class_of(nest->exprs[x->args[0]].dtype) == ATR_CLASS_COMPLEX);
  }
  return uops;
}

/* Reduced dims from the largest step through lhs to the smallest, so that the innermost walks contiguous memory. */
static void order_reduction(atr_cost_model *m) {
  for (int d = 0; d < m->nest->dim_count; d++)
    if (m->nest->dims[d].reduced) m->reduce_count = atr_dims_insert_by_step(m->lhs, m->reduce_order, m->reduce_count, d);
}

/* Elements that lhs reads: no more than its dims have points, nor than there are from the first to the last. */
static double lhs_elements(const atr_nest *nest) {
  double points = 1, span = 1;
  for (int i = 0; i < nest->lhs.index_count; i++) {
    double most = (double)atr_max(nest->lhs.index[i].bound - 1, 0);
    points *= most + 1;
    span += most * (double)llabs(nest->lhs.index[i].stride);
  }
  for (int d = 0; d < nest->dim_count; d++) {
    if (nest->lhs.at.coef[d] == 0) continue;
    points *= (double)nest->dims[d].extent;
    span += (double)llabs(nest->lhs.at.coef[d]) * (double)atr_max(nest->dims[d].extent - 1, 0);
  }
  return points < span ? points : span;
}

atr_cost_model atr_cost_model_make(const atr_nest *nest, const atr_schedule_setting *setting) {
  const atr_target *target = setting->target;
  atr_cost_model m = {.nest = nest,
                      .nests = setting->nests,
                      .alone = setting->alone,
                      .rhs_constant = setting->rhs_constant,
                      .target = target,
                      .row = target->row,
                      .room = (double)(ATR_NEST_SCRATCH - setting->occupied),
                      .beside = (double)setting->beside};
  atr_dtype type = nest->has_acc ? nest->acc_dtype : nest->exprs[nest->root].dtype;
  if (!nest->has_acc && (type == ATR_F16 || type == ATR_BF16 || atr_dtype_size(type) == 1)) type = ATR_F32;
  bool complex_type = atr_dtype_class_of(type) == ATR_CLASS_COMPLEX;
  m.width = atr_target_lanes(target, atr_dtype_real(type));
  m.mac_uops = mac_cost(type, target->row->fma);
  m.acc_registers = complex_type ? 2 : 1;
  bool converts = nest->has_acc && nest->lhs_dtype != nest->acc_dtype && atr_dtype_class_of(type) != ATR_CLASS_FLOAT;
  m.convert_uops = converts || (nest->has_acc && complex_type) ? 1 : 0;
  m.step_uops = expression_cost(nest);
  m.useful = 1;
  atr_cost_steps(nest, &nest->out, m.out);
  if (nest->has_acc) {
    atr_cost_steps(nest, &nest->lhs, m.lhs);
    atr_cost_steps(nest, &nest->rhs, m.rhs);
    order_reduction(&m);
    double outputs = 1;
    for (int d = 0; d < nest->dim_count; d++)
      if (!nest->dims[d].reduced && m.rhs[d] == 0) outputs *= (double)nest->dims[d].extent;
    m.weights = atr_nest_rhs_points(nest);
    m.useful = atr_cost_useful(nest);
    m.lhs_elements = lhs_elements(nest);
    m.reused = outputs >= 16;
    m.may_pack = (m.reused || m.rhs_constant) && m.weights > 1 && nest->rhs.index_count == 0;
    if (m.may_pack && !m.rhs_constant) m.packing_cycles = atr_cost_packing(&m);
  }
  return m;
}

/* ---- how lanes find their elements */

/* Load instructions and shuffles for one vector of `lanes` lanes. */
typedef struct lane_cost {
  double loads, shuffles;
} lane_cost;

static lane_cost cost_of_lanes(const atr_cost_model *m, const atr_vector_choice *v, const int64_t *step, bool aligned) {
  int64_t outer = v->dims[0] >= 0 ? step[v->dims[0]] : 0, inner = step[v->dims[1]];
  int64_t lanes = v->lanes[0] * v->lanes[1];
  double registers = (double)atr_ceil_div(lanes, m->width);
  bool outer_follows = v->dims[0] < 0 || v->lanes[0] == 1 || outer == inner * v->lanes[1];
  if (lanes == 1 || (outer == 0 && inner == 0)) return (lane_cost){1, 0};
  if (inner == 1 && outer_follows) return (lane_cost){registers * (aligned ? 1.0 : 1.3), 0};
  int64_t span = llabs(outer) * (v->lanes[0] - 1) + llabs(inner) * (v->lanes[1] - 1) + 1;
  if (span <= 4 * lanes)
    return (lane_cost){(double)atr_ceil_div(span, m->width), registers * 1.5 * (double)atr_max(llabs(inner), 1)};
  return (lane_cost){(double)lanes, (double)lanes};
}

/* The same to store it: what a load picks from a span is stored run by run. */
static lane_cost cost_of_store(const atr_cost_model *m, const atr_vector_choice *v) {
  lane_cost cost = cost_of_lanes(m, v, m->out, true);
  double runs = (double)(v->lanes[0] * (m->out[v->dims[1]] == 1 ? 1 : v->lanes[1]));
  return cost.shuffles > 0 ? (lane_cost){runs, runs} : cost;
}

static bool joins_stores(const atr_cost_model *m, const atr_candidate *c, lane_cost store) {
  return c->copies_dim >= 0 && llabs(m->out[c->copies_dim]) == 1 && store.shuffles > 0;
}

bool atr_cost_joins_stores(const atr_cost_model *m, const atr_candidate *c) {
  return joins_stores(m, c, cost_of_store(m, &c->vector));
}

enum { MAX_LISTED = 256, LIST_SLOTS = 1024 };

/* Different sums of up to MAX_LISTED: a list, and a table of places in it by value. */
typedef struct value_list {
  int64_t values[MAX_LISTED];
  int16_t slots[LIST_SLOTS]; /* place + 1; 0: free */
  int count;
} value_list;

static void list_value(value_list *list, int64_t value) {
  uint64_t slot = ((uint64_t)value * UINT64_C(0x9e3779b97f4a7c15) >> 32) % LIST_SLOTS;
  for (; list->slots[slot] != 0; slot = (slot + 1) % LIST_SLOTS)
    if (list->values[list->slots[slot] - 1] == value) return;
  list->values[list->count++] = value;
  list->slots[slot] = (int16_t)list->count;
}

static double distinct_by_listing(const int64_t *step, const int *dims, const int64_t *extents, int count) {
  value_list list = {.count = 0};
  list_value(&list, 0);
  for (int i = 0; i < count; i++) {
    int before = list.count;
    for (int64_t e = 1; e < extents[i]; e++)
      for (int j = 0; j < before; j++) list_value(&list, list.values[j] + e * step[dims[i]]);
  }
  return list.count;
}

/* Different addresses among unrolled copies: a product of extents, but for dims that step through one array together. By their
 * steps from the smallest on, a dim either starts behind all the ones before it, or its steps fall on theirs. */
static double distinct(const int64_t *step, const int *dims, const int64_t *extents, int count) {
  int order[ATR_MAX_DIMS], n = 0;
  int64_t total = 1;
  for (int i = 0; i < count; i++) {
    if (step[dims[i]] == 0) continue;
    int at = n++;
    for (; at > 0 && llabs(step[dims[order[at - 1]]]) > llabs(step[dims[i]]); at--) order[at] = order[at - 1];
    order[at] = i;
    total *= extents[i];
  }
  int64_t apart = 1, run = 1, run_step = 0; /* run values, run_step apart, in each of `apart` places */
  for (int i = 0; i < n; i++) {
    int64_t s = llabs(step[dims[order[i]]]), e = extents[order[i]];
    if (run_step == 0 || s > run_step * (run - 1)) {
      apart *= run;
      run = e;
      run_step = s;
    } else if (s % run_step == 0) {
      run += s / run_step * (e - 1);
    } else {
      return total > MAX_LISTED ? (double)total : distinct_by_listing(step, dims, extents, count);
    }
  }
  return (double)(apart * run);
}

/* ---- cycles of a candidate */

/* Unrolled copies: of up to three independent dims, a few small reduced ones and a piece of one more. Small, because thousands are made. */
typedef struct shape_of_step {
  int dims[ATR_COST_COPIES];
  int64_t extents[ATR_COST_COPIES];
  int count;
} shape_of_step;

static void add_copies(shape_of_step *s, int dim, int64_t extent) {
  if (extent <= 1 || s->count == ATR_COST_COPIES) return;
  s->dims[s->count] = dim;
  s->extents[s->count++] = extent;
}

int atr_cost_innermost_loop(const atr_cost_model *m, uint64_t unrolled) {
  for (int i = m->reduce_count - 1; i >= 0; i--)
    if ((unrolled >> m->reduce_order[i] & 1) == 0 && m->nest->dims[m->reduce_order[i]].extent > 1) return m->reduce_order[i];
  return -1;
}

int64_t atr_cost_dot_extent(const atr_nest *nest, const atr_target *target, int d) {
  int64_t extent = nest->dims[d].extent;
  bool pairs = extent > 1 && (nest->acc_dtype == ATR_F32 || target->row->s16_dot);
  if (extent > 2 && target->s8_dot && atr_nest_can_dot(nest, d, 4)) return 4;
  return pairs && atr_nest_can_dot(nest, d, 2) ? 2 : 1;
}

static bool few_registers(const atr_cost_model *m) { return m->row->registers <= 16; }

int64_t atr_cost_iterations(const atr_cost_model *m, const atr_candidate *c, int d) {
  return d == c->dot ? atr_ceil_div(m->nest->dims[d].extent, c->dot_extent) : m->nest->dims[d].extent;
}

int64_t atr_cost_whole(const atr_cost_model *m, const atr_candidate *c) {
  return c->whole_dim >= 0 ? m->nest->dims[c->whole_dim].extent : 1;
}

double atr_cost_taps_at_once(const atr_cost_model *m, const atr_candidate *c) {
  double taps = (double)c->inner_steps;
  for (int d = 0; d < m->nest->dim_count; d++)
    if ((c->unrolled >> d & 1) != 0) taps *= (double)atr_cost_iterations(m, c, d);
  return taps;
}

int64_t atr_cost_inner_extent(const atr_cost_model *m, const atr_candidate *c, int d) {
  int64_t e = 1;
  if (d == c->vector.dims[0]) e *= c->vector.lanes[0];
  if (d == c->vector.dims[1]) e *= c->vector.lanes[1] * c->vectors;
  if (d == c->copies_dim) e *= c->copies;
  if (d == c->whole_dim) e *= m->nest->dims[d].extent;
  if ((c->unrolled >> d & 1) != 0) e *= atr_cost_iterations(m, c, d);
  if (d == c->step_dim) e *= c->inner_steps;
  if (d == c->dot) e *= c->dot_extent;
  return e;
}

/* The unrolled copies of one innermost step. */
typedef struct step_copies {
  shape_of_step outer;  /* independent dims: one accumulator each */
  shape_of_step whole;  /* and unrolled reduced dims */
  shape_of_step live;   /* outer, and the reduced dims through which copies share lhs elements: these are kept in registers */
  shape_of_step window; /* the same for rhs: of the taps that share, those between first and last */
  shape_of_step loaded; /* whole, without reduced dims whose elements come with one load of a span (llvm_access.c) */
  double reduce_copies;
  int64_t lhs[ATR_MAX_DIMS], rhs[ATR_MAX_DIMS]; /* elements per copy; of the nest's dims only */
} step_copies;

/* Taps of reduced dim d between the first and the last that read one lhs element for copies of an independent dim; 0: each
 * element has its one tap. */
static int64_t sharing_taps(const step_copies *s, int d, int64_t extent) {
  int64_t most = 0;
  for (int i = 0; i < s->outer.count; i++) {
    int64_t copies = s->outer.extents[i], step = llabs(s->lhs[s->outer.dims[i]]), tap = llabs(s->lhs[d]);
    if (atr_steps_meet(step, copies, tap, extent)) most = atr_max(most, (copies - 1) * atr_max(step / tap, 1) + 1);
  }
  return most;
}

static void add_reduced(const atr_cost_model *m, step_copies *s, int d, int64_t extent, bool spanned) {
  if (extent <= 1) return;
  add_copies(&s->whole, d, extent);
  int64_t sharing = sharing_taps(s, d, extent);
  if (sharing > 0) add_copies(&s->live, d, extent);
  if (sharing > 0) add_copies(&s->window, d, atr_min(extent, sharing));
  if (!spanned || atr_access_asks(&m->nest->lhs, d) || s->lhs[d] * extent > 2 * m->width) add_copies(&s->loaded, d, extent);
  s->reduce_copies *= (double)extent;
}

static void copies_of(const atr_cost_model *m, const atr_candidate *c, int64_t copies, int64_t vectors, bool spanned,
                      step_copies *s) {
  int vd = c->vector.dims[1];
  memcpy(s->lhs, m->lhs, sizeof s->lhs[0] * (size_t)m->nest->dim_count);
  memcpy(s->rhs, m->rhs, sizeof s->rhs[0] * (size_t)m->nest->dim_count);
  s->lhs[vd] *= c->vector.lanes[1]; /* copies of the vector dim step by whole vectors */
  s->rhs[vd] *= c->vector.lanes[1];
  if (c->dot >= 0) s->lhs[c->dot] *= c->dot_extent, s->rhs[c->dot] *= c->dot_extent; /* and those of a dim in pairs by pairs */
  s->outer.count = 0;
  s->reduce_copies = 1;
  if (c->copies_dim >= 0) add_copies(&s->outer, c->copies_dim, copies);
  if (c->whole_dim >= 0) add_copies(&s->outer, c->whole_dim, m->nest->dims[c->whole_dim].extent);
  add_copies(&s->outer, vd, vectors);
  s->whole = s->live = s->window = s->loaded = s->outer;
  for (int i = 0; i < m->reduce_count; i++) {
    int d = m->reduce_order[i];
    if ((c->unrolled >> d & 1) != 0) add_reduced(m, s, d, atr_cost_iterations(m, c, d), spanned);
  }
  if (c->step_dim >= 0) add_reduced(m, s, c->step_dim, c->inner_steps, spanned);
}

static double distinct_in(const int64_t *step, const shape_of_step *shape) {
  return distinct(step, shape->dims, shape->extents, shape->count);
}

double atr_cost_overlapped(const double *times, const double *exposed, int count) {
  int longest = 0;
  for (int i = 1; i < count; i++)
    if (times[i] > times[longest]) longest = i;
  double cycles = times[longest];
  for (int i = 0; i < count; i++)
    if (i != longest) cycles += exposed[i] * times[i];
  return cycles;
}

/* Loads of the span that one vector and the copies that share its load read: whole registers, or pieces of several sizes. Beyond two
 * vectors' lengths one for each lane, which is more than there are; counted as they are, 3x3 on three channels in NHWC read every third
 * element in place, 100 us, where a panel takes 56. */
static double span_loads(const atr_cost_model *m, const atr_candidate *c, const step_copies *s) {
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

/* The nearest cache of every CPU of the table has so many sets, or nearly. */
enum { CACHE_SETS = 64 };

static double ways_of_cache(const atr_cost_model *m) {
  return (double)(int64_t)(atr_target_cache(m->target, 0) / (CACHE_SETS * ATR_CACHE_LINE) + 0.5);
}

/* Sets that lines fall into which are so many lines apart. */
static double sets_of(int64_t lines) { return (double)(CACHE_SETS / atr_gcd(lines, CACHE_SETS)); }

/* Copies whose elements lie a multiple of the cache's way apart fall into few of its sets and throw each other out: the factor by which
 * loads slow down. */
static double conflict_factor(const atr_cost_model *m, const atr_candidate *c, const int64_t *step,
                              const shape_of_step *shape) {
  shape_of_step rows = {.count = 0}; /* copies of the nearer dim, and others that step through the same rows */
  int64_t size = (int64_t)atr_dtype_size(atr_cost_lhs_dtype(m, c));
  int dim = c->copies_dim, other = c->whole_dim;
  if (other >= 0 && step[other] != 0 && (step[dim] == 0 || llabs(step[other]) < llabs(step[dim]))) dim = other;
  if (dim < 0 || llabs(step[dim]) * size < 1024) return 1;
  for (int i = 0; i < shape->count; i++)
    if (step[shape->dims[i]] % step[dim] == 0) add_copies(&rows, shape->dims[i], shape->extents[i]);
  int64_t lines = llabs(step[dim]) * size / ATR_CACHE_LINE;
  double per_set = distinct(step, rows.dims, rows.extents, rows.count) / sets_of(lines);
  double ways = ways_of_cache(m);
  double taken = per_set - (ways > 8 ? 1 : 0); /* with twelve lines in twelve ways nothing was slower yet */
  return taken > ways - 1 ? 2 : taken > ways - 2 ? 1.15 : 1.02;
}

/* What `loads` of single elements take more where the lanes of a tile's vectors lie a multiple of the nearest cache's way apart, more of them
 * in a set than it has ways: the lines in excess are thrown out before the next element of their lane is asked for. 256 channels of 3136
 * pixels to one feature: 101 us with 16 lanes in 4 sets of 12 ways, 155 with 64, 480 with 192. */
static double crowded_loads(const atr_cost_model *m, const atr_candidate *c, double loads, int64_t vectors) {
  int64_t lanes = c->vector.lanes[1] * vectors,
          apart = llabs(m->lhs[c->vector.dims[1]]) * (int64_t)atr_dtype_size(atr_cost_lhs_dtype(m, c));
  if (apart == 0 || apart % ATR_CACHE_LINE != 0) return 0;
  double room = sets_of(apart / ATR_CACHE_LINE) * ways_of_cache(m), held = fmin(room / (double)lanes, 1);
  return LOAD_MISS * loads * (1 - held);
}

/* Instructions that convert one loaded vector of an operand; `splat`: of one element for all lanes. */
static double convert_uops(const atr_cost_model *m, atr_dtype from, bool splat) {
  bool floats = atr_dtype_class_of(m->nest->acc_dtype) == ATR_CLASS_FLOAT;
  if (!floats || from == m->nest->acc_dtype) return m->convert_uops;
  if (from == ATR_F16) return m->row->f16_convert ? (splat ? 2.7 : 1.8) : 12;
  return splat ? 3 : 2;
}

/* Instructions of a multiply-accumulate, or of one of pairs or fours: for each accumulator, and to make a factor of what was loaded. */
typedef struct mac_uops {
  double each, lhs, rhs;
  bool apart;   /* a pair is two factors in registers */
  bool slow;    /* takes BF16_LATENCY */
  bool odd;     /* the last pair, of one element, is put together */
  bool product; /* takes a register before it is added */
  bool biased;  /* sums of weights are taken beside, one for each vector of them (llvm_tile.c) */
} mac_uops;

static bool is_splat(const atr_vector_choice *v, const int64_t *step) {
  return step[v->dims[1]] == 0 && (v->dims[0] < 0 || step[v->dims[0]] == 0);
}

static mac_uops uops_of_mac(const atr_cost_model *m, const atr_candidate *c) {
  atr_dtype lhs = atr_cost_lhs_dtype(m, c), rhs = atr_cost_rhs_dtype(m, c);
  double of_pair = m->target->vnni ? 1 : 1.35; /* an addition has more ports than a product */
  bool halves = atr_target_multiplies_halves(m->target, lhs, rhs, m->nest->acc_dtype);
  if (c->dot < 0)
    return (mac_uops){.each = halves ? of_pair : m->mac_uops,
                      .lhs = convert_uops(m, lhs, is_splat(&c->vector, m->lhs)),
                      .rhs = convert_uops(m, rhs, is_splat(&c->vector, m->rhs)) + (halves ? 1 : 0),
                      .product = halves ? !m->target->vnni : m->mac_uops > 1 && m->acc_registers == 1};
  bool whole = m->lhs[c->dot] == 1 && is_splat(&c->vector, m->lhs); /* else the elements are loaded one by one */
  double extend = m->nest->lhs_dtype == ATR_S16 ? 0 : 2;
  bool biased = c->dot_extent == 4 && m->nest->lhs_dtype == m->nest->rhs_dtype;
  if (c->dot_extent == 4) return (mac_uops){.each = 1, .lhs = whole ? 0 : 12, .biased = biased};
  if (m->nest->acc_dtype != ATR_F32) return (mac_uops){.each = of_pair, .lhs = whole ? extend : 6, .product = !m->target->vnni};
  bool odd = (c->unrolled >> c->dot & 1) != 0 && m->nest->dims[c->dot].extent % c->dot_extent != 0;
  if (m->target->bf16_dot) return (mac_uops){.each = 1, .lhs = whole ? 0 : 6, .slow = true, .odd = odd};
  /* a shift and a mask, on more ports than shuffles */
  return (mac_uops){.each = 2 * m->mac_uops, .lhs = whole ? 1.6 : 6, .rhs = 1.6, .apart = true};
}

double atr_cost_sums_wanted(const atr_cost_model *m) { return CHAINS_WANTED * m->row->fma_latency * m->row->fma_per_cycle; }

bool atr_cost_small_tiles(const atr_cost_model *m) { return m->row->registers / 2.0 >= atr_cost_sums_wanted(m); }

/* Of a tile that covers an image along one index of lhs: the part of the elements in its reach that exist, relative to the part of its
 * products that do. Beside the image nothing is loaded, but what is there serves fewer taps. 1: it does not cover it. */
static double loaded_along(const atr_nest *nest, const atr_index *index, const step_copies *s) {
  int64_t first = index->at.offset, last = first, extent[2] = {1, 1}, step[2] = {0, 0};
  double products = 0;
  int moving = 0, outside = 0;
  for (int d = 0; d < nest->dim_count; d++) outside += index->at.coef[d] != 0 && nest->dims[d].extent > 1;
  for (int i = 0; i < s->whole.count; i++) {
    int d = s->whole.dims[i];
    int64_t c = index->at.coef[d];
    if (c == 0) continue;
    if (moving == 2 || s->whole.extents[i] < nest->dims[d].extent) return 1;
    extent[moving] = s->whole.extents[i];
    step[moving++] = c;
    first += atr_min(c * (s->whole.extents[i] - 1), 0);
    last += atr_max(c * (s->whole.extents[i] - 1), 0);
  }
  if (moving < 2 || outside > moving || (first >= 0 && last < index->bound)) return 1;
  for (int64_t i = 0; i < extent[0]; i++)
    for (int64_t j = 0; j < extent[1]; j++) {
      int64_t at = index->at.offset + i * step[0] + j * step[1];
      products += at >= 0 && at < index->bound ? 1 : 0;
    }
  double there = (double)(atr_min(last, index->bound - 1) - atr_max(first, 0) + 1) / (double)(last - first + 1);
  return products > 0 ? fmin(there * (double)(extent[0] * extent[1]) / products, 1) : 1;
}

static double loaded_part(const atr_cost_model *m, const atr_candidate *c, const step_copies *s) {
  double part = 1;
  for (int i = 0; i < m->nest->lhs.index_count; i++) {
    const atr_index *index = &m->nest->lhs.index[i];
    bool lanes = index->at.coef[c->vector.dims[1]] != 0 || (c->vector.dims[0] >= 0 && index->at.coef[c->vector.dims[0]] != 0);
    if (index->edge == ATR_EDGE_ZERO && index->divisor == 1 && !lanes) part *= loaded_along(m->nest, index, s);
  }
  return part;
}

/* How many times longer a step takes that waits for its sums. */
static double wait_for_sums(const atr_cost_model *m, double sums, bool few, bool bursts, bool splat) {
  double chains = sums / (atr_cost_sums_wanted(m) * (few && bursts ? WANTED_IN_BURSTS : 1));
  return chains < 1 ? 1 + (few && splat ? FEW_CHAINS_OF_SPLATS : FEW_CHAINS) * (1 - chains) : 1;
}

double atr_cost_step(const atr_cost_model *m, const atr_candidate *c, int64_t copies, int64_t vectors, double *body) {
  step_copies s;
  int vd = c->vector.dims[1];
  int64_t lanes = c->vector.lanes[0] * c->vector.lanes[1];
  double width = (double)atr_ceil_div(lanes, m->width),
         accumulators = (double)(copies * vectors * atr_cost_whole(m, c)) * width;
  bool moving = m->lhs[vd] != 0 && m->rhs[vd] == 0; /* over a spatial dim taps shift lhs off its alignment */
  lane_cost l = cost_of_lanes(m, &c->vector, m->lhs, !moving), r = cost_of_lanes(m, &c->vector, m->rhs, true);
  if (c->pack && r.loads > 1) r = (lane_cost){width, 0};
  copies_of(m, c, copies, vectors, l.shuffles > 0, &s);
  if (l.shuffles > 0) l.loads = span_loads(m, c, &s);
  double lhs_vectors = distinct_in(s.lhs, &s.whole), rhs_vectors = distinct_in(s.rhs, &s.whole),
         lhs_loads = l.shuffles > 0 ? distinct_in(s.lhs, &s.loaded) : lhs_vectors;
  double part = loaded_part(m, c, &s);
  lhs_vectors *= part;
  lhs_loads *= part;
  mac_uops uops = uops_of_mac(m, c);
  double arithmetic = accumulators * s.reduce_copies * uops.each + (uops.biased ? rhs_vectors * width : 0),
         loads = lhs_loads * l.loads + rhs_vectors * r.loads;
  double shuffles = lhs_vectors * l.shuffles + rhs_vectors * r.shuffles;
  double blends = m->row->masks ? 0 : accumulators * s.reduce_copies * c->vector.cut;     /* keep sums whose taps are absent */
  double flips = uops.biased ? lhs_vectors : 0, beside = m->row->logic_apart ? flips : 0; /* of the sign bits of lhs */
  double converts = lhs_vectors * uops.lhs + rhs_vectors * uops.rhs + flips - beside, others = shuffles + converts;
  /* Conversions of floats run beside other instructions, but take a little of the multipliers' time, and more of shuffles'. */
  bool floats = atr_dtype_class_of(m->nest->acc_dtype) == ATR_CLASS_FLOAT;
  double bounds[] = {(arithmetic + SHUFFLE_SHARE * shuffles + BLEND_SHARE * blends) / m->row->fma_per_cycle +
                         (floats ? m->row->convert_share : EXTEND_SHARE) * converts,
                     loads / m->row->loads_per_cycle, (floats ? others - 0.6 * converts : others) / m->row->shuffles_per_cycle,
                     (arithmetic + loads + others + blends + beside + 3) / ISSUE_WIDTH};
  *body = arithmetic + loads + others + beside;
  double tiles = atr_cost_innermost_loop(m, c->unrolled) < 0 ? fmax(1, WINDOW / *body) : 1;
  double slow = uops.slow ? BF16_LATENCY : 1, each = m->acc_registers > 1 || uops.apart ? 2 : slow;
  double latency = LATENCY_SLACK * m->row->fma_latency * s.reduce_copies * each / tiles;
  const double hindrances[] = {HINDRANCE, m->row->loads_exposed, HINDRANCE, HINDRANCE};
  double cycles = atr_cost_overlapped(bounds, hindrances, sizeof bounds / sizeof bounds[0]);
  bool few = few_registers(m), splat = is_splat(&c->vector, m->lhs),
       bursts = s.live.count != s.outer.count; /* uses of one element follow each other */
  if (cycles < latency) cycles = latency;
  cycles *= wait_for_sums(m, tiles * accumulators / slow, few && !uops.product, bursts, splat);
  if (l.shuffles > 0) cycles += crowded_loads(m, c, lhs_vectors * l.loads, vectors);
  cycles *= conflict_factor(m, c, s.lhs, &s.whole);
  double live_l = distinct_in(s.lhs, &s.live), live_r = distinct_in(s.rhs, &s.window);
  double factors = (live_l < live_r ? live_l : live_r) * width + 1;
  double registers = (accumulators + (uops.apart ? 2 * factors + 1 : factors) + (uops.product ? 1 : 0)) * m->acc_registers;
  if (uops.biased) registers += distinct_in(s.rhs, &s.outer) * width + 1;
  if (uops.odd) registers += ODD_PAIR;
  /* Taps after each other: LLVM loads for the next before the last is done with, above all where each has loads of its own. Not where lhs is
   * one element for all lanes, no tap shares it, and there are few registers: with 12 sums, 3 elements and one vector of weights in 16 a
   * 7x7 layer of 3 channels takes 1.72 ms, with 10 sums 1.80, with 8 1.97. But elements that are used once may end up as the registers of
   * the sums, and these be spilled: 14 sums, one of each and two taps take 3.0 ms where one tap takes 1.7. */
  bool several = s.whole.count > s.live.count, in_turn = few && splat && !bursts && rhs_vectors > s.reduce_copies;
  double ahead = in_turn ? 0 : few ? 1 : splat ? SPLATS_AHEAD : LARGE_FILE_AHEAD;
  if (several) registers += (moving ? 2 : 1) * ahead;
  if (registers == m->row->registers)
    cycles *= !several || in_turn ? FULL_FILE : moving ? FULL_FILE_OF_SPANS : FULL_FILE_OF_TAPS;
  double spilled = fmax(registers - m->row->registers, 0) * s.reduce_copies;
  cycles += (few && splat ? SPILL_OF_SUMS : SPILL) * spilled;
  return cycles;
}

/* Instructions that move a vector of which not all lanes are there: 4 and 1 of 5. */
static double pieces_of_vector(const atr_cost_model *m, const atr_candidate *c) {
  int64_t there = m->nest->dims[c->vector.dims[1]].extent;
  double pieces = 0;
  if (m->nest->has_acc || there >= c->vector.lanes[1]) return 1;
  for (; there > 0; there &= there - 1) pieces++;
  return pieces;
}

/* Stores of a tile. Lanes that lie apart are stored one by one, but those of copies that are neighbours in memory are interleaved first,
 * up to 16 bytes or a whole vector (llvm_store.c). */
static double store_cycles(const atr_cost_model *m, const atr_candidate *c, int64_t copies, int64_t vectors) {
  lane_cost store = cost_of_store(m, &c->vector);
  double lanes = (double)(c->vector.lanes[0] * c->vector.lanes[1]), cycles = 0;
  double at_once = m->nest->has_acc ? 1 : m->row->shuffles_per_cycle; /* at the end of a sum one stage waits for the other */
  int64_t group = 16 / (int64_t)atr_dtype_size(atr_dtype_real(m->nest->exprs[m->nest->root].dtype));
  if (!joins_stores(m, c, store))
    return (double)(copies * vectors) * (store.loads * pieces_of_vector(m, c) + store.shuffles / 2);
  for (int64_t left = copies, run = atr_min(group, c->vector.lanes[0] * c->vector.lanes[1]); left > 0; left -= run) {
    double stages = 0;
    while (run > left) run /= 2;
    for (int64_t r = run; r > 1; r /= 2) stages++;
    cycles += (double)run * (run > 1 ? lanes / (double)run + stages / at_once : store.loads + store.shuffles / 2);
  }
  return cycles * (double)vectors;
}

/* What stores of a tile take more whose lanes lie a multiple of the nearest cache's way apart, more of them in a set than it has ways:
 * every one is a miss, though the next one of its lane is to the same line. */
static double crowded_stores(const atr_cost_model *m, const atr_candidate *c, int64_t copies, int64_t vectors) {
  int64_t size = (int64_t)atr_dtype_size(m->nest->exprs[m->nest->root].dtype), lanes = c->vector.lanes[1] * vectors,
          apart = llabs(m->out[c->vector.dims[1]]) * size;
  lane_cost store = cost_of_store(m, &c->vector);
  if (store.shuffles == 0 || apart % ATR_CACHE_LINE != 0) return 0;
  if ((double)lanes <= sets_of(apart / ATR_CACHE_LINE) * ways_of_cache(m)) return 0;
  int64_t group = joins_stores(m, c, store) ? atr_min(copies, 16 / size) : 1;
  return STORE_MISS * (double)(lanes * atr_ceil_div(copies, group)) * (double)c->vector.lanes[0];
}

/* Loads of the sums that a tile continues, each vector by itself. */
static double sum_load_cycles(const atr_cost_model *m, const atr_candidate *c, int64_t copies, int64_t vectors) {
  lane_cost load = cost_of_lanes(m, &c->vector, m->out, true);
  return (double)(copies * vectors) * (load.loads + load.shuffles);
}

/* Loads of the expression. */
static double load_cycles(const atr_cost_model *m, const atr_candidate *c, int64_t copies, int64_t vectors) {
  double cycles = 0;
  for (int e = 1; e <= m->nest->expr_count; e++) {
    if (m->nest->exprs[e].kind != ATR_EXPR_LOAD) continue;
    int64_t step[ATR_MAX_DIMS];
    atr_cost_steps(m->nest, &m->nest->exprs[e].access, step);
    lane_cost load = cost_of_lanes(m, &c->vector, step, true);
    cycles += (double)(copies * vectors) * (load.loads * pieces_of_vector(m, c) / 2 + load.shuffles);
  }
  return cycles;
}

/* Cycles of one tile: the reduction, loop overheads, and the epilogue with its stores. */
static double tile_cycles(const atr_cost_model *m, const atr_candidate *c, int64_t copies, int64_t vectors) {
  double whole = (double)atr_cost_whole(m, c),
         accumulators = whole * (double)(copies * vectors) *
                        (double)atr_ceil_div(c->vector.lanes[0] * c->vector.lanes[1], m->width);
  double steps = m->nest->has_acc || c->vector.lanes[0] * c->vector.lanes[1] > 1 ? m->step_uops + 1 : m->step_uops - 1;
  double ends = 8 + whole * store_cycles(m, c, copies, vectors) + accumulators * steps / 2;
  if (m->nest->continues) ends += whole * sum_load_cycles(m, c, copies, vectors);
  if (!m->nest->has_acc) return ends + load_cycles(m, c, copies, vectors);
  double body, step = atr_cost_step(m, c, copies, vectors, &body), iterations = 1, sum = 0;
  bool beside = few_registers(m) && accumulators * atr_cost_taps_at_once(m, c) >= LONG_STEP;
  for (int i = 0; i < m->reduce_count; i++) {
    int d = m->reduce_order[i];
    if ((c->unrolled >> d & 1) != 0) continue;
    double extent = (double)atr_cost_iterations(m, c, d);
    if (d == c->step_dim) extent /= (double)c->inner_steps;
    sum += iterations * (beside ? LOOP_CYCLES_BESIDE : LOOP_CYCLES);
    iterations *= extent;
  }
  double exposed = m->row->ends_exposed;
  return atr_cost_overlapped((double[]){sum + iterations * step, ends}, (double[]){exposed, exposed}, 2) +
         whole * crowded_stores(m, c, copies, vectors);
}

/* Cycles of all tiles if every tap ran everywhere. */
static double cycles_of_tiles(const atr_cost_model *m, const atr_candidate *c, double limit) {
  const atr_nest *nest = m->nest;
  double others = 1;
  for (int d = 0; d < nest->dim_count; d++) {
    if (nest->dims[d].reduced || d == c->copies_dim || d == c->whole_dim || d == c->vector.dims[1]) continue;
    others *= (double)(d == c->vector.dims[0] ? atr_ceil_div(nest->dims[d].extent, c->vector.lanes[0]) : nest->dims[d].extent);
  }
  int64_t vectors = atr_ceil_div(nest->dims[c->vector.dims[1]].extent, c->vector.lanes[1]);
  int64_t copies = c->copies_dim >= 0 ? nest->dims[c->copies_dim].extent : 1;
  double cycles = 0;
  for (int tail_v = 0; tail_v < 2; tail_v++)
    for (int tail_c = 0; tail_c < 2; tail_c++) {
      int64_t v = tail_v ? vectors % c->vectors : c->vectors, u = tail_c ? copies % c->copies : c->copies;
      double count = (double)(tail_v ? 1 : vectors / c->vectors) * (double)(tail_c ? 1 : copies / c->copies);
      if (v > 0 && u > 0 && count > 0 && cycles < limit) cycles += count * others * tile_cycles(m, c, u, v);
    }
  return cycles;
}

/* To ask how many taps run takes as long as the rest, and no fewer do than those that exist. */
double atr_cost_tiles(const atr_cost_model *m, atr_candidate *c, double limit) {
  double cycles = cycles_of_tiles(m, c, m->useful > 0 ? limit / m->useful : HUGE_VAL);
  if (cycles * m->useful >= limit) return cycles * m->useful;
  c->taps = atr_cost_taps(m, c);
  return cycles * c->taps;
}

double atr_cost_tiles_floor(const atr_cost_model *m, const atr_candidate *c) {
  const atr_nest *nest = m->nest;
  if (!nest->has_acc) return 0;
  double tiles = 1, terms = c->dot >= 0 ? 1 / (double)c->dot_extent : 1;
  for (int d = 0; d < nest->dim_count; d++) {
    int64_t extent = nest->dims[d].extent;
    if (d == c->whole_dim) continue;
    if (nest->dims[d].reduced) terms *= (double)extent;
    else if (d == c->copies_dim) tiles *= (double)atr_ceil_div(extent, c->copies);
    else if (d == c->vector.dims[1]) tiles *= (double)atr_ceil_div(extent, c->vectors * c->vector.lanes[1]);
    else tiles *= (double)(d == c->vector.dims[0] ? atr_ceil_div(extent, c->vector.lanes[0]) : extent);
  }
  return tiles * terms * m->row->fma_latency * m->useful;
}

/* Of a bounds question: where all copies of the tile have an element, where some have, and the latter at each place of a loop over taps
 * for which the tile reaches across an end. */
static double variants_along(const atr_cost_model *m, const atr_candidate *c, const atr_affine *at) {
  int64_t reach = 1, taps = 1;
  for (int d = 0; d < m->nest->dim_count; d++) {
    if (at->coef[d] == 0) continue;
    reach += llabs(at->coef[d]) * (atr_cost_inner_extent(m, c, d) - 1);
    if (m->nest->dims[d].reduced && (c->unrolled >> d & 1) == 0) taps = m->nest->dims[d].extent;
  }
  return reach > 1 ? 2 + 1.5 * (double)(atr_min(taps, reach) - 1) : 1;
}

double atr_cost_code(const atr_cost_model *m, const atr_candidate *c) {
  double body, variants = 1;
  if (m->nest->has_acc) atr_cost_step(m, c, c->copies, c->vectors, &body);
  else body = 2 * load_cycles(m, c, c->copies, c->vectors) + store_cycles(m, c, c->copies, c->vectors);
  if (c->dot >= 0 && m->nest->acc_dtype == ATR_F32) body *= BF16_CODE;
  for (int i = 0; m->nest->has_acc && i < m->nest->lhs.index_count; i++)
    variants *= variants_along(m, c, &m->nest->lhs.index[i].at);
  const atr_dim *dims = m->nest->dims;
  if (dims[c->vector.dims[1]].extent % (c->vectors * c->vector.lanes[1]) != 0) variants *= 1.8;
  if (c->copies_dim >= 0 && dims[c->copies_dim].extent % c->copies != 0) variants *= 1.6;
  if (c->step_dim >= 0 && dims[c->step_dim].extent % c->inner_steps != 0) variants *= 2;
  return body * variants;
}

/* choose.c - which schedules the cost model weighs, and its order among them.
 *
 * In: a canonical nest and a target row. Out: the schedules with the least estimated cycles, and the reasons as text.
 *
 * A tile is: the vector dims (one dim, or an inner and an outer one fused, such as (g, oc)); R vectors of it, U copies of one
 * other independent dim and all of a small third one in registers; which small reduced dims are unrolled. The best tile of
 * each kind goes on to the second question, the order of the loops around it: where among the pixels the weights' dims stand,
 * whether the pixels inside them are a block, and whether the innermost reduced dim is walked in pieces. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "lower/cost.h"

enum { MAX_VECTOR_CHOICES = 24, MAX_TILES = 24, ROUGH_TILES = 14 };

static const double MAX_CODE = 4000;    /* instructions of a nest's body with all its variants */
static const double CODE_SCALE = 20000; /* instructions that weigh as much as doubling the time of the nests of one result */
static const double COPY_SHARE = 0.1;   /* part of that time that moving elements takes, whose code counts as much */
static const double PIECE_CYCLES =
    40;                              /* a loop over a piece of the reduction: clipped anew, and left when it is not foreseen */
static const double TAPS_CYCLES = 8; /* the same of a loop over taps, one of few */
static const double LOOP_PRODUCTS = 56; /* multiplications of a loop that takes several steps */
static const int64_t MOST_STEPS = 4;
static const int64_t MOST_WHOLE = 4;      /* indices of a dim that is unrolled whole beside copies of another */
static const double IDLE_SHARE = 0.5;     /* of the time that a thread waits, what counts beside the time of one thread alone */
static const double MEETING_CYCLES = 3e3; /* that a thread waits at the end of a part, and until it is woken for the next */
static const double PARALLEL_CYCLES = 30e3; /* work below which waking threads costs more than it gives */

/* The best candidates so far, best first; one of each kind. */
typedef struct ranking {
  atr_candidate *best;
  int count, most;
  double limit; /* cycles from which on a candidate is not looked at; 0: every one is */
} ranking;

/* Cycles from which on a candidate is of no interest. `last`: those of the last place, where all are taken. */
static double limit_of(const ranking *r, double last) {
  return r->count == r->most ? last : r->limit > 0 ? r->limit : HUGE_VAL;
}

static bool is_beyond(const ranking *r, double cycles, double last) { return cycles >= limit_of(r, last); }

/* ---- tiles */

static bool is_part(const atr_nest *nest, int dim) { return nest->dims[dim].kind == ATR_DIM_PART; }

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

/* One dim with as many lanes as it fills, and pairs whose inner dim is smaller than a vector; for moving elements that lie apart also
 * one at a time. */
static int vector_choices(const atr_cost_model *m, atr_vector_choice *out) {
  const atr_nest *nest = m->nest;
  int count = 0;
  for (int d = 0; d < nest->dim_count; d++) {
    if (nest->dims[d].reduced || is_part(nest, d) || count >= MAX_VECTOR_CHOICES - 1) continue;
    int64_t extent = nest->dims[d].extent, lanes = atr_min(m->width, power_of_two_up(atr_max(extent, 1)));
    if (has_run_time_divisor(nest, d)) lanes = 1;
    out[count++] = (atr_vector_choice){.dims = {-1, d}, .lanes = {1, lanes}};
    if (lanes > 1 && !nest->has_acc && count < MAX_VECTOR_CHOICES)
      out[count++] = (atr_vector_choice){.dims = {-1, d}, .lanes = {1, 1}};
    if (lanes == 1 || extent >= m->width || extent < 2 || m->width % extent != 0) continue;
    for (int o = 0; o < nest->dim_count && count < MAX_VECTOR_CHOICES; o++)
      if (o != d && !nest->dims[o].reduced && !is_part(nest, o) && !has_run_time_divisor(nest, o) &&
          nest->dims[o].extent >= m->width / extent)
        out[count++] = (atr_vector_choice){.dims = {o, d}, .lanes = {m->width / extent, extent}};
  }
  for (int i = 0; i < count; i++) out[i].cut = atr_cost_cut(m, &out[i]);
  return count;
}

/* Sets of reduced dims to unroll whole: none, and the one, two or three innermost small ones that are taps or few channels. */
static int unroll_choices(const atr_cost_model *m, uint64_t *out) {
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
  for (int i = 0; i < m->reduce_count && count < 8; i++) { /* one dim that is not innermost: rows of a window */
    int d = m->reduce_order[i];
    int64_t extent = m->nest->dims[d].extent,
            most = atr_access_asks(&m->nest->lhs, d) ? 7 : 32; /* with questions there would be many variants */
    bool listed = count > 1 && out[1] == UINT64_C(1) << d;     /* the innermost one */
    if (!listed && extent > 1 && extent <= most && !has_run_time_divisor(m->nest, d)) out[count++] = UINT64_C(1) << d;
  }
  return count;
}

/* Does it take half of the registers for its sums? Where fewer keep the multipliers busy too, a smaller tile may do less for taps that
 * are absent, but brings in more. */
static bool is_large(const atr_cost_model *m, const atr_candidate *c) {
  int64_t vectors = atr_ceil_div(c->vector.lanes[0] * c->vector.lanes[1], m->width) * c->copies * c->vectors *
                    atr_cost_whole(m, c);
  return !atr_cost_small_tiles(m) || (double)(2 * vectors) * m->acc_registers >= m->row->registers;
}

/* Same vectors, same copied dim and as many vectors of each: variants of one tile, of which the best is enough. */
static bool same_kind(const atr_cost_model *m, const atr_candidate *a, const atr_candidate *b) {
  return is_large(m, a) == is_large(m, b) && memcmp(&a->vector, &b->vector, sizeof a->vector) == 0 &&
         a->vectors == b->vectors && a->copies_dim == b->copies_dim && a->whole_dim == b->whole_dim && a->dot == b->dot &&
         a->dot_extent == b->dot_extent && a->pack == b->pack && a->widen_lhs == b->widen_lhs && a->widen_rhs == b->widen_rhs;
}

static int64_t trips_of(const atr_cost_model *m, const atr_candidate *c, int d) {
  return atr_ceil_div(m->nest->dims[d].extent, atr_cost_inner_extent(m, c, d));
}

/* Is there scratch for the weights as they are laid out, padded to whole tiles, and for a converted lhs? */
static bool fits(const atr_cost_model *m, const atr_candidate *c) {
  bool packs = c->pack && !m->rhs_constant;
  double bytes = (double)atr_dtype_size(atr_cost_rhs_dtype(m, c));
  for (int d = 0; packs && d < m->nest->dim_count; d++)
    if (m->rhs[d] != 0 && !is_part(m->nest, d)) bytes *= (double)(trips_of(m, c, d) * atr_cost_inner_extent(m, c, d));
  return (!packs && !c->widen_lhs) || (packs ? bytes : 0) + (c->widen_lhs ? atr_cost_widened_bytes(m) : 0) <= m->room;
}

/* Unrolled iterations of one step. */
static double unrolled_iterations(const atr_cost_model *m, const atr_candidate *c) {
  return (double)(c->copies * c->vectors * atr_cost_whole(m, c)) * atr_cost_taps_at_once(m, c);
}

/* Cycles of all tiles. Code costs time to compile and cache to run: where cycles are about equal the smaller body wins. */
static double weighted_cycles(const atr_cost_model *m, const atr_candidate *c, double cycles) {
  double code = atr_cost_code(m, c), scale = CODE_SCALE * (m->nest->has_acc ? 1 : COPY_SHARE);
  double weighted = cycles * (1 + code * m->nests / scale) + atr_cost_widening(m, c) + (code > MAX_CODE ? 1e30 : 0);
  return c->pack ? weighted + m->packing_cycles : weighted;
}

static void consider_tile(const atr_cost_model *m, atr_candidate *c, ranking *r) {
  double last = r->best[r->most - 1].tile_cycles;
  if (is_beyond(r, atr_cost_tiles_floor(m, c), last) || unrolled_iterations(m, c) > (double)ATR_MAX_UNROLL || !fits(m, c))
    return;
  double cycles = atr_cost_tiles(m, c, limit_of(r, last));
  if (is_beyond(r, cycles, last)) return;
  c->tile_cycles = weighted_cycles(m, c, cycles);
  if (is_beyond(r, c->tile_cycles, last)) return;
  int at = 0;
  while (at < r->count && !same_kind(m, &r->best[at], c)) at++;
  if (at == r->count && r->count < r->most) r->count++;
  else if (at == r->count) at--;
  else if (c->tile_cycles >= r->best[at].tile_cycles) return;
  for (; at > 0 && r->best[at - 1].tile_cycles > c->tile_cycles; at--) r->best[at] = r->best[at - 1];
  r->best[at] = *c;
}

/* May a tile have copies of dim d? */
static bool can_copy(const atr_cost_model *m, const atr_candidate *c, int d) {
  return !m->nest->dims[d].reduced && !is_part(m->nest, d) && d != c->vector.dims[0] && d != c->vector.dims[1] &&
         m->nest->dims[d].extent > 1 && !has_run_time_divisor(m->nest, d);
}

/* Every number of copies of every other dim, or none, beside `vectors` vectors and whole_dim. */
static void try_copies(const atr_cost_model *m, atr_candidate *c, double limit, ranking *r) {
  bool moves = !m->nest->has_acc && c->vector.lanes[0] * c->vector.lanes[1] > 1;
  for (int d = c->whole_dim < 0 ? -1 : 0; d < m->nest->dim_count; d++) {
    c->copies_dim = d;
    if (d >= 0 && (!can_copy(m, c, d) || d == c->whole_dim || (moves && !atr_cost_joins_stores(m, c)))) continue;
    int64_t fit = (int64_t)(limit / (double)(c->vectors * atr_cost_whole(m, c))),
            top = d < 0 ? 1 : atr_min(m->nest->dims[d].extent, fit);
    for (c->copies = d < 0 ? 1 : 2; c->copies <= top; c->copies++) consider_tile(m, c, r);
  }
}

static void try_tiles(const atr_cost_model *m, atr_candidate *c, ranking *r) {
  static const int64_t R[] = {1, 2, 3, 4, 6, 8, 12};
  const atr_nest *nest = m->nest;
  double limit = (double)m->row->registers / m->acc_registers;
  int64_t most = atr_max(atr_ceil_div(nest->dims[c->vector.dims[1]].extent, c->vector.lanes[1]), 1);
  if (has_run_time_divisor(nest, c->vector.dims[1])) most = 1;
  for (size_t i = 0; i < sizeof R / sizeof R[0]; i++) {
    if (i > 0 && (R[i] > most || (double)R[i] > limit)) break;
    c->vectors = atr_min(R[i], most);
    c->whole_dim = -1;
    try_copies(m, c, limit, r);
    for (int d = 0; nest->has_acc && d < nest->dim_count; d++) {
      if (!can_copy(m, c, d) || nest->dims[d].extent > MOST_WHOLE) continue;
      c->whole_dim = d;
      try_copies(m, c, limit, r);
    }
  }
  c->whole_dim = -1;
}

/* The reduced dim to take in pairs or fours: the innermost one that allows it; -1: none. */
static int dot_choice(const atr_cost_model *m) {
  for (int i = m->reduce_count - 1; m->may_pack && i >= 0; i--)
    if (atr_cost_dot_extent(m->nest, m->target, m->reduce_order[i]) > 1) return m->reduce_order[i];
  return -1;
}

/* Every tile with a piece of reduced dim d unrolled; `divides`: the last piece must be whole. */
static void try_piece(const atr_cost_model *m, atr_candidate *c, int d, int64_t extent, bool divides, ranking *r) {
  int64_t whole = m->nest->dims[d].extent;
  if (c->dot >= 0 || (c->unrolled >> d & 1) != 0 || has_run_time_divisor(m->nest, d)) return;
  if ((divides && whole % extent != 0) || whole <= extent) return;
  c->step_dim = d;
  c->inner_steps = extent;
  try_tiles(m, c, r);
}

/* Every tile for one choice of vector, unrolled taps and pairs: alone, with steps of the innermost loop, and with some rows of a
 * large window beside the pixels that share them. */
static void try_steps(const atr_cost_model *m, atr_candidate c, ranking *r) {
  int loop = atr_cost_innermost_loop(m, c.unrolled);
  c.step_dim = -1;
  c.inner_steps = 1;
  try_tiles(m, &c, r);
  if (loop < 0) return;
  try_piece(m, &c, loop, 2, true, r);
  try_piece(m, &c, loop, 4, true, r);
  for (int i = 0; i < m->reduce_count; i++) {
    int d = m->reduce_order[i];
    if (d == loop || atr_access_asks(&m->nest->lhs, d) || m->nest->dims[d].extent < 7) continue;
    for (int64_t rows = 2; rows <= 5; rows++) try_piece(m, &c, d, rows, false, r);
  }
}

/* Do packed weights of the sum's dtype stay in the nearest caches? Then there is no reason to keep them narrow. */
static bool weights_are_small(const atr_cost_model *m) {
  return m->weights * (double)atr_dtype_size(m->nest->acc_dtype) <= atr_target_cache(m->target, 1) / 2;
}

static void find_step(const atr_cost_model *m, atr_candidate *c) {
  c->step_cycles = atr_cost_step(m, c, c->copies, c->vectors, &c->instructions);
}

/* A tile's loop over channels takes several steps at once while these are few multiplications. With a core to itself the loop hides
 * behind them; where another thread of the core takes half of what it can issue, a loop of 12 of them took 1.35 times as long as one
 * of 48, so this is no matter of the estimate. */
static void take_steps(const atr_cost_model *m, atr_candidate *c) {
  int d = atr_cost_innermost_loop(m, c->unrolled);
  if (d < 0 || (c->step_dim >= 0 && c->step_dim != d) || c->dot >= 0) return;
  if (atr_access_asks(&m->nest->lhs, d) || has_run_time_divisor(m->nest, d)) return;
  double registers = (double)atr_ceil_div(c->vector.lanes[0] * c->vector.lanes[1], m->width);
  double products = unrolled_iterations(m, c) * registers * m->mac_uops; /* of a loop that goes twice as far: twice as many */
  for (int64_t steps = 2 * c->inner_steps; steps <= MOST_STEPS && 2 * products <= LOOP_PRODUCTS; steps *= 2, products *= 2) {
    if (m->nest->dims[d].extent % steps != 0 || m->nest->dims[d].extent == steps) return;
    c->step_dim = d;
    c->inner_steps = steps;
    c->step_cycles *= 2;
    c->instructions *= 2;
  }
}

/* Does packing cost nothing? Then the best tiles are those of packed weights; which of them do without is seen later. */
static bool packs_freely(const atr_cost_model *m) { return m->may_pack && m->rhs_constant; }

static void rank_tiles(const atr_cost_model *m, ranking *r) {
  atr_vector_choice vectors[MAX_VECTOR_CHOICES];
  uint64_t unrolled[8];
  int vector_count = vector_choices(m, vectors), unroll_count = unroll_choices(m, unrolled), dot = dot_choice(m);
  bool wide = m->may_pack && atr_nest_can_widen(m->nest, m->nest->rhs_dtype), small = wide && weights_are_small(m);
  for (int v = 0; v < vector_count; v++)
    for (int u = 0; u < unroll_count; u++)
      for (int pack = m->may_pack; pack >= packs_freely(m); pack--) {
        atr_candidate c = {.vector = vectors[v],
                           .unrolled = unrolled[u],
                           .whole_dim = -1,
                           .step_dim = -1,
                           .dot = -1,
                           .pack = pack,
                           .widen_rhs = pack && small};
        try_steps(m, c, r);
        c.widen_rhs = false;
        c.dot = dot;
        c.dot_extent = dot >= 0 ? atr_cost_dot_extent(m->nest, m->target, dot) : 0;
        if (dot >= 0 && pack) try_steps(m, c, r);
        c.dot = -1;
        c.dot_extent = 0;
        c.widen_rhs = pack && wide;
        c.widen_lhs = m->nest->schedule == NULL && atr_nest_can_widen(m->nest, m->nest->lhs_dtype);
        if (c.widen_lhs) try_steps(m, c, r);
      }
}

/* ---- loops around a tile */

static void add_loop(atr_candidate *c, int dim, int64_t trips) { c->loops[c->loop_count++] = (atr_loop){dim, trips}; }

/* Reduced loops: the model's order; `block` > 0: the innermost one in pieces of that many trips, the others between them. */
static void add_reduction(const atr_cost_model *m, atr_candidate *c, int64_t block) {
  int inner = atr_cost_innermost_loop(m, c->unrolled);
  c->reduced_from = c->loop_count;
  if (block > 0) add_loop(c, inner, trips_of(m, c, inner) / block);
  for (int i = 0; i < m->reduce_count; i++) {
    int d = m->reduce_order[i];
    if ((c->unrolled >> d & 1) != 0 || (d == inner && block == 1)) continue;
    add_loop(c, d, d == inner && block > 0 ? block : trips_of(m, c, d));
  }
}

/* Dims of the pixels (they move lhs or only the output) and of the weights, each by their steps through an array: the output, or what is
 * copied. */
typedef struct loop_dims {
  int pixels[ATR_MAX_DIMS], weights[ATR_MAX_DIMS];
  int pixel_count, weight_count;
} loop_dims;

static loop_dims dims_of_loops(const atr_cost_model *m, const atr_candidate *c, const int64_t *step) {
  loop_dims l = {.pixel_count = 0};
  for (int d = 0; d < m->nest->dim_count; d++) {
    if (m->nest->dims[d].reduced || is_part(m->nest, d) || (trips_of(m, c, d) <= 1 && m->nest->dims[d].extent > 0)) continue;
    if (m->nest->has_acc && m->rhs[d] != 0) l.weight_count = atr_dims_insert_by_step(step, l.weights, l.weight_count, d);
    else l.pixel_count = atr_dims_insert_by_step(step, l.pixels, l.pixel_count, d);
  }
  return l;
}

/* The weights' dims in front of pixel dim `before`; `block` > 0: the pixel dim in front of them is split, `block` trips inside. */
static void add_independent(const atr_cost_model *m, atr_candidate *c, const loop_dims *l, int before, int64_t block) {
  c->loop_count = 0;
  for (int d = 0; d < m->nest->dim_count; d++)
    if (is_part(m->nest, d)) add_loop(c, d, m->nest->dims[d].extent);
  c->part_count = c->loop_count;
  for (int i = 0; i < before; i++) {
    int64_t trips = trips_of(m, c, l->pixels[i]);
    add_loop(c, l->pixels[i], i == before - 1 && block > 0 ? atr_ceil_div(trips, block) : trips);
  }
  for (int i = 0; i < l->weight_count; i++) add_loop(c, l->weights[i], trips_of(m, c, l->weights[i]));
  if (block > 0) add_loop(c, l->pixels[before - 1], block);
  for (int i = before; i < l->pixel_count; i++) add_loop(c, l->pixels[i], trips_of(m, c, l->pixels[i]));
}

/* Up to which of the outermost loops behind the parts, before `end`, are shared out: enough for tasks of a fair size on many threads. */
static int shared_loops(const atr_candidate *c, int end, double cycles) {
  double tasks = 1;
  int count = c->part_count;
  while (count < end && tasks < 32 && cycles / tasks >= PARALLEL_CYCLES / 2) tasks *= (double)c->loops[count++].trips;
  return cycles >= PARALLEL_CYCLES ? count : c->part_count;
}

/* Runs no other nest in its parts, and will none that packs its weights? */
static bool is_alone(const atr_cost_model *m, const atr_candidate *c) { return m->alone && (!c->pack || m->rhs_constant); }

/* Up to which of them iterations share nothing, so that tasks may run all parts: the number of parts' loops where they may not. */
static int private_loops(const atr_cost_model *m, const atr_candidate *c) {
  int end = c->part_count;
  bool together = c->part_count > 0 && is_alone(m, c);
  while (together && end < c->reduced_from && atr_nest_is_private(m->nest, c->loops[end].dim)) end++;
  return end;
}

/* Where tasks run all parts, little work in each part is no matter. */
static int parallel_loops(const atr_cost_model *m, const atr_candidate *c) {
  int end = private_loops(m, c);
  double part = c->cycles;
  for (int l = 0; l < c->part_count; l++) part /= (double)c->loops[l].trips;
  return end > c->part_count ? shared_loops(c, end, c->cycles) : shared_loops(c, c->reduced_from, part);
}

/* Of work that one thread does alone a second one could do half; where tasks run all parts they are few, so that an odd one leaves a thread
 * of two idle while it runs; and where they do not, threads meet after each part. */
static double idle_cycles(const atr_cost_model *m, const atr_candidate *c) {
  int end = parallel_loops(m, c);
  bool all_parts = private_loops(m, c) > c->part_count;
  int64_t tasks = 1, parts = 1;
  if (c->cycles < PARALLEL_CYCLES) return 0;
  for (int l = 0; l < c->part_count; l++) parts *= c->loops[l].trips;
  for (int l = c->part_count; l < end; l++) tasks *= c->loops[l].trips;
  if (tasks > 1 && !all_parts) return IDLE_SHARE * (double)(parts - 1) * MEETING_CYCLES;
  return IDLE_SHARE * c->cycles * (double)(tasks % 2) / (double)tasks;
}

static void rank(ranking *r, const atr_candidate *c) {
  if (is_beyond(r, c->cycles, r->best[r->most - 1].cycles)) return;
  int at = r->count < r->most ? r->count++ : r->count - 1;
  for (; at > 0 && r->best[at - 1].cycles > c->cycles; at--) r->best[at] = r->best[at - 1];
  r->best[at] = *c;
}

/* The candidate with its loops as they are. */
static void rank_loops(const atr_cost_model *m, const atr_cost_arrays *arrays, atr_candidate *c, ranking *r) {
  atr_cost_traffic(m, arrays, c);
  c->cycles += idle_cycles(m, c);
  rank(r, c);
}

static void try_reductions(const atr_cost_model *m, const atr_cost_arrays *arrays, atr_candidate *c, ranking *r) {
  int independent = c->loop_count, inner = atr_cost_innermost_loop(m, c->unrolled);
  int64_t trips = inner >= 0 ? trips_of(m, c, inner) : 0;
  add_reduction(m, c, 0);
  rank_loops(m, arrays, c, r);
  bool between = c->loop_count - independent > 1 && c->loops[c->loop_count - 1].dim == inner; /* taps to share a piece */
  double whole = c->tile_cycles;
  for (int64_t block = 1; between && block < trips; block = block == 1 ? 16 : 2 * block) {
    if (trips % block != 0) continue;
    c->loop_count = independent;
    add_reduction(m, c, block);
    double passes = block > 1 ? (double)block : fmax((double)c->loops[c->loop_count - 1].trips, 1); /* of the innermost loop */
    c->tile_cycles = whole * (1 + (block > 1 ? PIECE_CYCLES : TAPS_CYCLES) / (c->step_cycles * passes));
    rank_loops(m, arrays, c, r);
  }
  c->tile_cycles = whole;
}

/* Elements that are only moved: also in the order in which they lie where they come from. */
static void try_order_of_loads(const atr_cost_model *m, const atr_cost_arrays *arrays, atr_candidate *c, ranking *r) {
  for (int e = 1; e <= m->nest->expr_count; e++) {
    int64_t step[ATR_MAX_DIMS];
    if (m->nest->exprs[e].kind != ATR_EXPR_LOAD) continue;
    atr_cost_steps(m->nest, &m->nest->exprs[e].access, step);
    loop_dims l = dims_of_loops(m, c, step);
    add_independent(m, c, &l, 0, 0);
    try_reductions(m, arrays, c, r);
  }
}

static void try_orders(const atr_cost_model *m, const atr_candidate *tile, ranking *r) {
  atr_candidate c = *tile;
  atr_cost_arrays arrays;
  atr_cost_find_arrays(m, tile, &arrays);
  loop_dims l = dims_of_loops(m, &c, m->out);
  for (int before = 0; before <= l.pixel_count; before++) {
    int64_t trips = before > 0 && l.weight_count > 0 ? trips_of(m, &c, l.pixels[before - 1]) : 0;
    add_independent(m, &c, &l, before, 0);
    try_reductions(m, &arrays, &c, r);
    for (int64_t block = 2; block < trips && block <= 64; block *= 2) {
      add_independent(m, &c, &l, before, block);
      try_reductions(m, &arrays, &c, r);
    }
    if (l.weight_count == 0) break;
  }
  if (!m->nest->has_acc) try_order_of_loads(m, &arrays, &c, r);
}

/* In the nearest cache the order of weights that are read one by one says nothing; vectors of them are aligned when they are
 * packed. */
static bool is_near_and_single(const atr_cost_model *m, const atr_candidate *c) {
  const int *dims = c->vector.dims;
  bool single = m->rhs[dims[1]] == 0 && (dims[0] < 0 || m->rhs[dims[0]] == 0);
  return single && m->weights * (double)atr_dtype_size(m->nest->rhs_dtype) <= atr_target_cache(m->target, 0) / 2;
}

/* Weights that are read in place need no nest that packs them. */
static void try_in_place(const atr_cost_model *m, const atr_candidate *packed, ranking *r) {
  atr_candidate c = *packed;
  if (!packs_freely(m) || c.dot >= 0 || c.widen_rhs) return;
  c.pack = false;
  c.tile_cycles = weighted_cycles(m, &c, atr_cost_tiles(m, &c, HUGE_VAL));
  find_step(m, &c);
  if (!is_beyond(r, c.tile_cycles, r->best[r->most - 1].cycles)) try_orders(m, &c, r);
}

/* ---- the schedule of a candidate */

static void add_piece(atr_schedule *s, int dim, atr_dim_kind kind, int64_t extent) {
  s->pieces[s->count++] = (atr_piece){dim, kind, extent};
}

static atr_dim_kind kind_of(const atr_candidate *c, int loop, int parallel) {
  return loop < c->part_count ? ATR_DIM_PART : loop < parallel ? ATR_DIM_PARALLEL : ATR_DIM_LOOP;
}

static bool first_piece(const atr_candidate *c, int loop) {
  for (int l = 0; l < loop; l++)
    if (c->loops[l].dim == c->loops[loop].dim) return false;
  return true;
}

static void make_schedule(const atr_cost_model *m, const atr_candidate *c, atr_schedule *s) {
  int parallel = parallel_loops(m, c);
  *s = (atr_schedule){.widen_lhs = c->widen_lhs,
                      .widen_rhs = c->widen_rhs,
                      .pack_rhs = c->pack,
                      .prefetch_lhs = c->prefetch_lhs,
                      .prefetch_out = c->prefetch_out};
  for (int l = 0; l < c->loop_count; l++)
    add_piece(s, c->loops[l].dim, kind_of(c, l, parallel), first_piece(c, l) ? 0 : c->loops[l].trips);
  for (int i = 0; i < m->reduce_count; i++) {
    int d = m->reduce_order[i];
    if ((c->unrolled >> d & 1) != 0) add_piece(s, d, ATR_DIM_UNROLL, atr_cost_iterations(m, c, d));
    if (d == c->step_dim) add_piece(s, d, ATR_DIM_UNROLL, c->inner_steps);
  }
  if (c->whole_dim >= 0) add_piece(s, c->whole_dim, ATR_DIM_UNROLL, m->nest->dims[c->whole_dim].extent);
  if (c->copies > 1) add_piece(s, c->copies_dim, ATR_DIM_UNROLL, c->copies);
  if (c->vectors > 1) add_piece(s, c->vector.dims[1], ATR_DIM_UNROLL, c->vectors);
  if (c->vector.dims[0] >= 0) add_piece(s, c->vector.dims[0], ATR_DIM_VECTOR, c->vector.lanes[0]);
  if (c->vector.lanes[1] > 1) add_piece(s, c->vector.dims[1], ATR_DIM_VECTOR, c->vector.lanes[1]);
  if (c->dot >= 0) add_piece(s, c->dot, ATR_DIM_DOT, c->dot_extent);
}

static const char *reasons(atr_arena *arena, const atr_cost_model *m, const atr_candidate *c) {
  atr_text t = atr_text_make(arena);
  const atr_nest *nest = m->nest;
  if (c->vector.lanes[0] * c->vector.lanes[1] == 1 && m->width > 1 && !nest->has_acc)
    atr_text_printf(&t, "one element at a time: they lie apart; ");
  else
    atr_text_printf(&t, "vector over %s%s%s: %lld lanes of %s fill %lld-bit registers; ",
                    c->vector.dims[0] >= 0 ? nest->dims[c->vector.dims[0]].name : "", c->vector.dims[0] >= 0 ? " and " : "",
                    nest->dims[c->vector.dims[1]].name, (long long)(c->vector.lanes[0] * c->vector.lanes[1]),
                    atr_dtype_name(nest->has_acc ? nest->acc_dtype : nest->exprs[nest->root].dtype),
                    (long long)m->row->vector_bits);
  if (!nest->has_acc && c->copies > 1 && atr_cost_joins_stores(m, c))
    atr_text_printf(&t, "neighbours interleaved for their stores; ");
  if (nest->has_acc) {
    atr_text_printf(&t, "tile of %lld x %lld vectors: %.1f cycles a step for %.0f instructions; ",
                    (long long)(c->copies * atr_cost_whole(m, c)), (long long)c->vectors, c->step_cycles, c->instructions);
    if (c->dot >= 0)
      atr_text_printf(&t, "%s of %s at once%s; ", c->dot_extent == 2 ? "pairs" : "fours", nest->dims[c->dot].name,
                      nest->acc_dtype == ATR_F32 && m->target->bf16_dot ? ", subnormal bf16 taken as zero" : "");
    if (c->widen_lhs || c->widen_rhs)
      atr_text_printf(&t, "%s converted once, not at every use; ", c->widen_lhs ? c->widen_rhs ? "operands" : "lhs" : "rhs");
    if (c->prefetch_lhs) atr_text_puts(&t, "lhs prefetched, its lines are far from each other; ");
    if (c->prefetch_out) atr_text_puts(&t, "results prefetched, they go to memory; ");
    atr_text_printf(&t, "rhs %s; ", c->pack ? "packed, it is read by many outputs" : "read in place");
  }
  atr_text_printf(&t, "estimate %.5g cycles: %.5g in tiles", c->cycles, c->tile_cycles);
  static const char *const terms[ATR_TRAFFIC_TERMS] = {"misses of L1", "misses of L2", "misses of L3", "translations",
                                                       "page walks"};
  for (int i = 0; i < ATR_TRAFFIC_TERMS; i++) atr_text_printf(&t, ", %.5g for %s", c->traffic[i], terms[i]);
  if (c->late > 0) atr_text_printf(&t, ", %.5g of waiting", c->late);
  return t.data;
}

int atr_schedule_rank(atr_arena *arena, const atr_nest *nest, const atr_schedule_setting *setting, int most, atr_choice *out) {
  atr_cost_model m = atr_cost_model_make(nest, setting);
  int most_tiles = setting->rough ? ROUGH_TILES : MAX_TILES;
  ranking tiles = {ATR_NEW_ARRAY(arena, atr_candidate, most_tiles), 0, most_tiles, setting->limit},
          all = {ATR_NEW_ARRAY(arena, atr_candidate, most), 0, most, setting->limit};
  rank_tiles(&m, &tiles);
  for (int t = 0; m.nest->has_acc && t < tiles.count; t++) {
    find_step(&m, &tiles.best[t]);
    take_steps(&m, &tiles.best[t]);
  }
  for (int t = 0; t < tiles.count; t++) {
    if (is_beyond(&all, tiles.best[t].tile_cycles, all.best[most - 1].cycles)) break; /* traffic only adds */
    bool simple = is_near_and_single(&m, &tiles.best[t]);                             /* of equals the first wins */
    if (simple) try_in_place(&m, &tiles.best[t], &all);
    try_orders(&m, &tiles.best[t], &all);
    /* Others that are read again and again from afar come as one stream when they are packed, and as many as the tile has rows when they
     * are not. 512 to 256 channels of 28 x 28 pixels, a tile of 6 x 2 vectors over the pixels, took 3.9 ms in place and 2.9 packed while
     * others kept the memory busy. */
    if (!simple && !m.reused) try_in_place(&m, &tiles.best[t], &all);
  }
  for (int i = 0; i < all.count; i++) {
    make_schedule(&m, &all.best[i], &out[i].schedule);
    out[i].cycles = all.best[i].cycles;
    out[i].apart = all.best[i].apart;
    out[i].alone = is_alone(&m, &all.best[i]);
    out[i].why = reasons(arena, &m, &all.best[i]);
  }
  return all.count;
}

void atr_schedule_choose(atr_arena *arena, const atr_nest *nest, const atr_schedule_setting *setting, atr_schedule *out,
                         const char **why) {
  atr_choice best;
  atr_schedule_rank(arena, nest, setting, 1, &best);
  *out = best.schedule;
  *why = best.why;
}

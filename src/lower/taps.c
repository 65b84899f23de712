/* taps.c - which part of a sum's terms exist, and which run (cost.h).
 *
 * In: a nest, and the size of a candidate's tiles. Out: parts of one. Padding is not multiplied, but a tile does a tap for whole vectors,
 * and gains nothing by leaving it out for copies whose absence would only make the multipliers wait. */
#include <math.h>

#include "base/checked.h"
#include "lower/cost.h"

/* Part of a guard's points that run: the last of parts or strips may have few, but whole vectors of so many lanes. */
static double present(const atr_nest *nest, const atr_guard *guard, int64_t lanes) {
  int64_t covered = guard->at.offset + 1;
  for (int d = 0; d < nest->dim_count; d++) covered += atr_max(guard->at.coef[d], 0) * (nest->dims[d].extent - 1);
  return fmin(1, (double)(atr_ceil_div(guard->bound, lanes) * lanes) / (double)covered);
}

double atr_cost_computed(const atr_nest *nest) {
  double part = 1;
  for (int g = 0; g < nest->guard_count; g++) part *= present(nest, &nest->guards[g], 1);
  return part;
}

double atr_cost_useful(const atr_nest *nest) {
  double all = atr_nest_macs(nest);
  return all > 0 ? atr_nest_useful_macs(nest) / all * atr_cost_computed(nest) : 0;
}

/* A tile's copies of one dim: so many, in vectors of so many of which any or none has a tap; and as many as the multipliers are busy
 * with, while the tile's other copies are at work beside them: all, if they need more than half of the registers. */
typedef struct tile_extent {
  int64_t copies, lanes, busy;
} tile_extent;

static tile_extent extent_of_tile(const atr_cost_model *m, const atr_candidate *c, int d) {
  tile_extent t = {.copies = atr_cost_inner_extent(m, c, d), .lanes = 1};
  for (int v = 0; v < 2; v++)
    if (d == c->vector.dims[v]) t.lanes *= c->vector.lanes[v];
  int64_t registers = atr_ceil_div(c->vector.lanes[0] * c->vector.lanes[1], m->width);
  double others = (double)(registers * c->copies * atr_cost_whole(m, c) * c->vectors) * (double)t.lanes / (double)t.copies;
  t.busy = atr_cost_small_tiles(m) ? t.lanes * (int64_t)ceil(atr_cost_sums_wanted(m) / others) : t.copies;
  return t;
}

/* Copies for which tile number `tile` runs a tap that those from `first` to `last` have: absent ones are left out, which saves nothing
 * where the multipliers wait for sums. */
static int64_t run_by_tile(const tile_extent *t, int64_t tile, int64_t extent, int64_t first, int64_t last) {
  int64_t from = tile * t->copies, to = atr_min(from + t->copies, extent);
  int64_t there = atr_min(last + 1, to) - atr_max(first, from);
  return atr_min(atr_max(atr_ceil_div(there, t->lanes) * t->lanes, t->busy), to - from);
}

/* The first and last index of dim d that have the tap at offset t; none where the first is behind the last. */
static void range_of_tap(const atr_nest *nest, const atr_index *index, int64_t t, int d, int64_t *first, int64_t *last) {
  int64_t extent = nest->dims[d].extent, c = index->at.coef[d];
  *first = atr_max(c > 0 ? atr_ceil_div(-t, c) : atr_ceil_div(t - index->bound + 1, -c), 0);
  *last = atr_min(c > 0 ? atr_floor_div(index->bound - 1 - t, c) : atr_floor_div(t, -c), extent - 1);
}

/* Copies of dim d that run the tap at offset t. */
static int64_t run_of_tap(const atr_nest *nest, const atr_index *index, int64_t t, int d, const tile_extent *tile) {
  int64_t extent = nest->dims[d].extent, first, last;
  range_of_tap(nest, index, t, d, &first, &last);
  if (first > last) return 0;
  int64_t lo = first / tile->copies, hi = last / tile->copies, run = run_by_tile(tile, lo, extent, first, last);
  return hi > lo ? run + run_by_tile(tile, hi, extent, first, last) + (hi - lo - 1) * tile->copies : run;
}

/* The taps along an index beside dim d: how many, and the dims that they go over. 0: they are many, or not left out by themselves. */
static int64_t taps_beside(const atr_nest *nest, const atr_index *index, int d, int *dims, int *count) {
  int64_t taps = 1;
  *count = 0;
  for (int r = 0; r < nest->dim_count; r++) {
    if (r == d || index->at.coef[r] == 0) continue;
    dims[(*count)++] = r;
    taps *= nest->dims[r].extent;
  }
  return taps > 64 || index->edge != ATR_EDGE_ZERO || index->divisor != 1 ? 0 : taps;
}

/* Part of the taps that run. Wide rates want tiles that end where taps do. */
static double executed(const atr_nest *nest, const atr_index *index, int d, const tile_extent *tile) {
  int dims[ATR_MAX_DIMS], count;
  int64_t point[ATR_MAX_DIMS] = {0}, taps = taps_beside(nest, index, d, dims, &count), run = 0;
  if (taps == 0) return 1;
  do run += run_of_tap(nest, index, atr_affine_at(&index->at, point, nest->dim_count), d, tile);
  while (atr_nest_next_point(nest, dims, count, point));
  return run > 0 ? (double)run / ((double)taps * (double)nest->dims[d].extent) : 1;
}

/* Part of the vectors of dim d, for each tap, that the first or the last index with this tap parts. */
static double cut_along(const atr_nest *nest, const atr_index *index, int d, int64_t lanes) {
  int dims[ATR_MAX_DIMS], count;
  int64_t point[ATR_MAX_DIMS] = {0}, extent = nest->dims[d].extent, taps = taps_beside(nest, index, d, dims, &count), cut = 0;
  if (taps == 0 || extent == 0) return 0;
  do {
    int64_t first, last;
    range_of_tap(nest, index, atr_affine_at(&index->at, point, nest->dim_count), d, &first, &last);
    if (first > last) continue;
    bool begins = first % lanes != 0, ends = last + 1 < extent && (last + 1) % lanes != 0;
    cut += begins + (ends && !(begins && first / lanes == last / lanes));
  } while (atr_nest_next_point(nest, dims, count, point));
  return (double)cut / ((double)taps * (double)atr_ceil_div(extent, lanes));
}

double atr_cost_cut(const atr_cost_model *m, const atr_vector_choice *v) {
  double whole = 1;
  for (int i = 0; m->nest->has_acc && i < m->nest->lhs.index_count; i++)
    for (int j = 0; j < 2; j++)
      if (v->dims[j] >= 0 && v->lanes[j] > 1 && m->nest->lhs.index[i].at.coef[v->dims[j]] != 0)
        whole *= 1 - cut_along(m->nest, &m->nest->lhs.index[i], v->dims[j], v->lanes[j]);
  return 1 - whole;
}

double atr_cost_taps(const atr_cost_model *m, const atr_candidate *c) {
  double part = 1;
  for (int g = 0; g < m->nest->guard_count; g++) {
    bool moves = m->nest->guards[g].at.coef[c->vector.dims[1]] != 0;
    part *= present(m->nest, &m->nest->guards[g], moves ? c->vector.lanes[1] : 1);
  }
  for (int i = 0; m->nest->has_acc && i < m->nest->lhs.index_count; i++) {
    int d = atr_affine_only_dim(m->nest, &m->nest->lhs.index[i].at, false);
    if (d < 0) continue;
    tile_extent tile = extent_of_tile(m, c, d);
    part *= executed(m->nest, &m->nest->lhs.index[i], d, &tile);
  }
  return part;
}

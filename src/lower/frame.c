/* frame.c - large windows and those of few channels: the inside of the output as a nest of its own.
 *
 * In: a canonical nest. Out: where a window of many taps sticks out of the input at the edges of the output only, up to two
 * strips for each spatial dimension and the inside between them, which keeps the nest's name:
 *
 *     31x31 on 1024x1024, padding 15:   y.oy_low 15 rows, y.oy_high 15 rows, y.ox_low and y.ox_high 15 columns of the rest, y
 *
 * Inside no tap asks whether its element exists, so rows of taps can be unrolled beside rows of pixels that share their
 * elements; with questions left, every tile along the edges would be other code for every tap. And channels that do not fill pairs or
 * fours become one dim with the taps beside them, which does. */
#include "base/checked.h"
#include "lower/cost.h"
#include "lower/simplify.h"

/* Taps of a dimension: fewer are cheap to leave out where they are absent. Where a sum is over taps alone, as on one channel or depthwise,
 * its terms are few and unrolled, and questions weigh more: 5x5 on 1024x1024 would be nine tiles of code, three times as long to
 * compile as the inside and its strips. */
enum { MANY_TAPS = 9, MANY_TAPS_ALONE = 5 };
static const double SMALL_WEIGHTS = 16384; /* elements: every part packs its own */
/* Of an output dim: with less inside, its edges are no small matter any more. Where masks have registers the edges cost code, but no time,
 * and the whole needs no strips: depthwise 7x7 on 28x28 and 56x56 pixels 1.6 and 1.2 times faster. */
static const double LEAST_INSIDE = 0.75, LEAST_INSIDE_MASKED = 31.0 / 32;
/* Of products in pairs or fours, how many times more there are where the last of each tap's channels stays empty, from which on the inside
 * of an image goes without: 7x7 on three channels of 224 x 224 pixels, bf16, takes 0.64 ms with 14 pairs for a row of taps, 0.48 with 11. */
static const double MORE_PRODUCTS = 1.1, LEAST_INSIDE_JOINED = 7.0 / 8;

typedef struct frame {
  int dim;
  int64_t lo, hi; /* the inside */
} frame;

static bool sums_taps_alone(const atr_nest *nest) {
  for (int d = 0; d < nest->dim_count; d++)
    if (nest->dims[d].reduced && nest->dims[d].extent > 1 && !atr_access_asks(&nest->lhs, d)) return false;
  return true;
}

/* Would taps k and reduced dim d, without questions, be one dim that leaves fewer of the factors multiplied at once empty? */
static bool fills_pairs(const atr_nest *nest, const atr_target *target, int k, int d) {
  int64_t at_once = atr_cost_dot_extent(nest, target, d), taps = nest->dims[k].extent, extent = nest->dims[d].extent;
  const atr_access *both[] = {&nest->lhs, &nest->rhs};
  for (int i = 0; i < 2; i++)
    if (atr_access_step(both[i], k) != extent * atr_access_step(both[i], d)) return false;
  return (double)(atr_ceil_div(extent, at_once) * taps) > MORE_PRODUCTS * (double)atr_ceil_div(extent * taps, at_once);
}

/* Part of the output that must be inside for a frame to pay; more than all: it never does. */
static double least_inside(const atr_nest *nest, const atr_target *target, int k) {
  for (int d = 0; d < nest->dim_count; d++)
    if (d != k && nest->dims[d].reduced && nest->dims[d].extent > 1 && fills_pairs(nest, target, k, d))
      return LEAST_INSIDE_JOINED;
  if (nest->dims[k].extent < (sums_taps_alone(nest) ? MANY_TAPS_ALONE : MANY_TAPS)) return 2;
  return target->row->masks ? LEAST_INSIDE_MASKED : LEAST_INSIDE;
}

/* Is most of the index's output dim inside, and not all of it? */
static bool find_inside(const atr_nest *nest, const atr_target *target, const atr_index *index, frame *out) {
  int o = atr_affine_only_dim(nest, &index->at, false), k = atr_affine_only_dim(nest, &index->at, true);
  if (o < 0 || k < 0 || index->divisor != 1 || index->at.coef[o] < 0) return false;
  int64_t c = index->at.coef[o], reach = index->at.coef[k] * (nest->dims[k].extent - 1), extent = nest->dims[o].extent;
  int64_t first = index->at.offset + atr_min(reach, 0), last = index->at.offset + atr_max(reach, 0);
  out->dim = o;
  out->lo = atr_max(atr_ceil_div(-first, c), 0);
  out->hi = atr_min(atr_floor_div(index->bound - 1 - last, c) + 1, extent);
  return out->hi - out->lo < extent && (double)(out->hi - out->lo) >= least_inside(nest, target, k) * (double)extent;
}

static bool find_frame(const atr_nest *nest, const atr_target *target, frame *out) {
  if (!nest->has_acc || atr_nest_rhs_points(nest) > SMALL_WEIGHTS) return false;
  for (int i = 0; i < nest->lhs.index_count; i++)
    if (find_inside(nest, target, &nest->lhs.index[i], out)) return true;
  return false;
}

/* The part [lo, hi) of the frame's dim; `side` NULL: under the nest's own name. */
static atr_nest *part(atr_arena *arena, const atr_nest *nest, int dim, int64_t lo, int64_t hi, const char *side) {
  atr_nest *p = atr_nest_copy(arena, nest);
  atr_nest_substitute(p, dim, 1, lo);
  p->dims[dim].extent = hi - lo;
  if (side != NULL) p->name = atr_arena_printf(arena, "%s.%s_%s", nest->name, nest->dims[dim].name, side);
  return p;
}

void atr_nest_split_frame(atr_arena *arena, const atr_nest *nest, const atr_target *target, atr_program *out) {
  frame f;
  atr_nest *inside = atr_nest_copy(arena, nest);
  while (find_frame(inside, target, &f)) {
    int64_t extent = inside->dims[f.dim].extent;
    if (f.lo > 0) atr_program_new_nest(arena, out, part(arena, inside, f.dim, 0, f.lo, "low"));
    if (f.hi < extent) atr_program_new_nest(arena, out, part(arena, inside, f.dim, f.hi, extent, "high"));
    inside = part(arena, inside, f.dim, f.lo, f.hi, NULL);
  }
  atr_program_new_nest(arena, out, inside);
}

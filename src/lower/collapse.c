/* collapse.c - as few dims as the problem really has.
 *
 * In: a canonical nest. Out: the same nest with dims of extent 1 dropped, and with every two dims a, b of one kind merged
 * when all affine forms have coef[a] = coef[b] * extent(b), so that one dim of extent(a)*extent(b) walks both: the pixels of
 * a 1x1 convolution, or a whole elementwise operation. At least one independent dim stays, and taps stay apart from channels where a
 * panel of lhs may want these in another order. */
#include <string.h>

#include "lower/simplify.h"

typedef struct pair {
  int a, b;
  int64_t extent_b;
  bool mergeable;
} pair;

static void check_pair(void *user, atr_affine *affine) {
  pair *p = user;
  if (affine->coef[p->a] != affine->coef[p->b] * p->extent_b) p->mergeable = false;
}

static void remove_coef(void *user, atr_affine *affine) {
  int dim = *(const int *)user;
  memmove(&affine->coef[dim], &affine->coef[dim + 1], sizeof(int64_t) * (size_t)(ATR_MAX_DIMS - 1 - dim));
  affine->coef[ATR_MAX_DIMS - 1] = 0;
}

static void remove_dim(atr_nest *nest, int dim) {
  atr_nest_visit_affine(nest, remove_coef, &dim);
  for (int d = dim; d + 1 < nest->dim_count; d++) nest->dims[d] = nest->dims[d + 1];
  nest->dim_count--;
}

/* One of these stays, whatever its extent: it is what a schedule has for lanes. */
static int independent_count(const atr_nest *nest) {
  int count = 0;
  for (int d = 0; d < nest->dim_count; d++) count += !nest->dims[d].reduced && nest->dims[d].kind != ATR_DIM_PART;
  return count;
}

static bool is_tap(const atr_nest *nest, int d) {
  for (int p = 0; p < nest->dim_count; p++)
    if (atr_nest_is_pixel(nest, p) && atr_nest_walk_together(nest, p, d)) return true;
  return false;
}

static bool merge_one_pair(atr_arena *arena, atr_nest *nest, bool taps_apart) {
  for (int a = 0; a < nest->dim_count; a++)
    for (int b = 0; b < nest->dim_count; b++) {
      pair p = {a, b, nest->dims[b].extent, true};
      if (a == b || nest->dims[a].reduced != nest->dims[b].reduced || nest->dims[a].kind == ATR_DIM_PART ||
          nest->dims[b].kind == ATR_DIM_PART || nest->dims[a].extent == 0 || p.extent_b == 0)
        continue;
      atr_nest_visit_affine(nest, check_pair, &p);
      if (!p.mergeable || (taps_apart && nest->dims[a].reduced && is_tap(nest, a) != is_tap(nest, b))) continue;
      nest->dims[b].name = atr_arena_printf(arena, "%s_%s", nest->dims[a].name, nest->dims[b].name);
      nest->dims[b].extent *= nest->dims[a].extent;
      remove_dim(nest, a);
      return true;
    }
  return false;
}

void atr_nest_collapse(atr_arena *arena, atr_nest *nest, const atr_target *target) {
  bool sums = target != NULL && nest->has_acc,
       taps_apart = sums && !atr_nest_features_fill(nest, atr_target_lanes(target, nest->acc_dtype));
  atr_nest_fold_indices(nest);
  for (int d = nest->dim_count - 1; d >= 0; d--)
    if (nest->dims[d].extent == 1 && nest->dims[d].kind != ATR_DIM_PART &&
        (nest->dims[d].reduced || independent_count(nest) > 1))
      remove_dim(nest, d);
  while (merge_one_pair(arena, nest, taps_apart)) {}
}

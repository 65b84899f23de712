/* tile.c - a nest and a schedule make the scheduled nest.
 *
 * In: a canonical nest, a checked schedule. Out: a nest with one dim per piece, in the schedule's order and with its kinds.
 * The index of an old dim is the sum of its pieces' indices times the product of the extents inside them; where that can
 * reach past the dim's extent a guard says so, or for a reduced dim a question of both operands: a tap that is not there
 * contributes nothing. Accesses follow by substitution; nothing else changes. */
#include "base/checked.h"
#include "lower/schedule.h"

typedef struct tiling {
  const atr_schedule *schedule;
  int64_t step[ATR_MAX_DIMS]; /* by piece: how far the old dim moves per iteration */
} tiling;

static void tile_affine(void *user, atr_affine *affine) {
  const tiling *t = user;
  atr_affine tiled = {.offset = affine->offset};
  for (int p = 0; p < t->schedule->count; p++) tiled.coef[p] = affine->coef[t->schedule->pieces[p].dim] * t->step[p];
  *affine = tiled;
}

static int pieces_of(const atr_schedule *schedule, int dim) {
  int count = 0;
  for (int p = 0; p < schedule->count; p++) count += schedule->pieces[p].dim == dim;
  return count;
}

/* Dims of the new nest and the steps; from the inside out, so that the extents inside a piece are known. */
static void make_dims(atr_arena *arena, const atr_nest *nest, tiling *t, atr_nest *tiled, int64_t *covered) {
  int seen[ATR_MAX_DIMS] = {0};
  for (int d = 0; d < nest->dim_count; d++) covered[d] = 1;
  for (int p = t->schedule->count - 1; p >= 0; p--) {
    const atr_piece *piece = &t->schedule->pieces[p];
    const atr_dim *dim = &nest->dims[piece->dim];
    int64_t extent = piece->extent != 0 ? piece->extent : atr_ceil_div(dim->extent, covered[piece->dim]);
    const char *name = dim->name;
    if (pieces_of(t->schedule, piece->dim) > 1) name = atr_arena_printf(arena, "%s.%d", dim->name, seen[piece->dim]++);
    t->step[p] = covered[piece->dim];
    covered[piece->dim] *= extent;
    tiled->dims[p] = (atr_dim){.name = name, .extent = extent, .reduced = dim->reduced, .kind = piece->kind};
  }
  tiled->dim_count = t->schedule->count;
}

static void add_guard(atr_arena *arena, atr_nest *tiled, const atr_affine *at, int64_t bound) {
  int capacity = tiled->guard_count;
  ATR_RESERVE(arena, tiled->guards, tiled->guard_count, capacity);
  tiled->guards[tiled->guard_count++] = (atr_guard){.at = *at, .bound = bound};
}

static void add_index(atr_arena *arena, atr_access *access, const atr_affine *at, int64_t bound) {
  int capacity = access->index_count;
  ATR_RESERVE(arena, access->index, access->index_count, capacity);
  access->index[access->index_count++] = (atr_index){.at = *at, .bound = bound, .divisor = 1};
}

atr_nest *atr_nest_tile(atr_arena *arena, const atr_nest *nest, const atr_schedule *schedule) {
  atr_nest *tiled = atr_nest_copy(arena, nest);
  tiling t = {.schedule = schedule};
  int64_t covered[ATR_MAX_DIMS];
  make_dims(arena, nest, &t, tiled, covered);
  atr_nest_visit_affine(tiled, tile_affine, &t);
  for (int d = 0; d < nest->dim_count; d++) {
    if (covered[d] <= nest->dims[d].extent) continue;
    atr_affine at = {.coef = {0}};
    at.coef[d] = 1;
    tile_affine(&t, &at);
    if (!nest->dims[d].reduced) {
      add_guard(arena, tiled, &at, nest->dims[d].extent);
      continue;
    }
    add_index(arena, &tiled->lhs, &at, nest->dims[d].extent);
    if (atr_access_step(&nest->rhs, d) != 0) add_index(arena, &tiled->rhs, &at, nest->dims[d].extent);
  }
  atr_text text = atr_text_make(arena);
  atr_schedule_print(&text, nest, schedule);
  tiled->schedule = text.data;
  tiled->prefetch_lhs = schedule->prefetch_lhs;
  tiled->prefetch_out = schedule->prefetch_out;
  return tiled;
}

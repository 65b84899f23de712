/* regions.c - from a scheduled nest to its loop tree: padding, tails and edges without a test in the inner loop.
 *
 * In: a scheduled nest. Out: nest->tree. A bounds question is "0 <= t < bound" for an affine t: a tap inside the input, a
 * pixel inside the tile's dim. Questions are answered in one of three places:
 *
 *   cut    t depends on unrolled or vector dims, or belongs to a load or a guard: the looped dims that t depends on are cut into
 *          ranges in which the answer is the same for every iteration (interior), and single iterations elsewhere (edges), in
 *          which each unrolled copy has its own constant answer. Neighbouring iterations with equal answers are one range again.
 *          Of loops that are pieces of one dim the innermost is cut, across the iterations of them all: the code of the interior
 *          is there once, and not again for what is left of it next to each edge.
 *   clip   t depends on looped dims only and the last of them is reduced: the range of that loop is computed while running
 *   run    an edge mode on looped dims only: the index is resolved while running; t on several independent loops only (weight
 *          gradients, whose taps are loops around the sum): tested in front of the sum; and divisors that phases left
 *
 * Where rhs asks what lhs asks, it is asked once.
 *
 * So a 3x3 layer on 28 columns in tiles of 14 gets, for its columns: range [0,1) with taps [0,1) on 13 pixels and [1,3) on
 * 14, range [1,2) with [0,2) on 14 and [2,3) on 13; its rows are clipped. */
#include "lower/regions.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "lower/schedule.h"

enum { MAX_QUESTIONS = 64, MAX_CUTS = 4096, MAX_NODES = 20000, MAX_SIGNATURES = 256 };

typedef struct question {
  const atr_affine *at;
  int64_t bound;
  bool edge; /* an edge mode: outside does not mean absent, and each iteration outside is different code */
  bool lhs;  /* absent elements drop the multiply-accumulate */
} question;

typedef struct builder {
  atr_work *work;
  const atr_nest *nest;
  question questions[MAX_QUESTIONS];
  int question_count, node_count;
  int order[ATR_MAX_DIMS]; /* looped dims from the outside in, independent before reduced */
  int order_count, independent_count;
  bool whole[ATR_MAX_DIMS];        /* by dim: is not cut, because a loop that goes on in it is */
  struct cuts *cuts[ATR_MAX_DIMS]; /* by level: memory for its cut points */
} builder;

atr_box atr_nest_box(const atr_nest *nest) {
  atr_box box;
  memset(&box, 0, sizeof box);
  for (int d = 0; d < nest->dim_count; d++) box.hi[d] = nest->dims[d].extent;
  return box;
}

atr_box atr_box_inside(const atr_box *box, const atr_across *across, int dim, int64_t lo, int64_t hi) {
  atr_box inside = *box;
  for (int o = 0; across != NULL && o < dim; o++)
    if (across->first.coef[o] != 0) inside.lo[o] = 0, inside.hi[o] = 1;
  inside.lo[dim] = lo;
  inside.hi[dim] = hi;
  return inside;
}

atr_answer atr_bounds_answer(const atr_nest *nest, const atr_affine *at, int64_t bound, const atr_box *box) {
  int64_t min, max;
  atr_affine_range(at, box->lo, box->hi, nest->dim_count, &min, &max);
  if (min >= 0 && max < bound) return ATR_ALWAYS;
  return max < 0 || min >= bound ? ATR_NEVER : ATR_SOMETIMES;
}

bool atr_affine_has_inner(const atr_nest *nest, const atr_affine *at) {
  for (int d = 0; d < nest->dim_count; d++)
    if (at->coef[d] != 0 && !atr_dim_is_looped(&nest->dims[d])) return true;
  return false;
}

int atr_affine_last_loop(const atr_nest *nest, const atr_affine *at) {
  int last = -1;
  for (int d = 0; d < nest->dim_count; d++)
    if (at->coef[d] != 0 && atr_dim_is_looped(&nest->dims[d])) last = d;
  return last;
}

bool atr_index_clips(const atr_nest *nest, const atr_index *index, int dim) {
  return index->edge == ATR_EDGE_ZERO && index->divisor == 1 && !atr_affine_has_inner(nest, &index->at) &&
         nest->dims[dim].reduced && atr_affine_last_loop(nest, &index->at) == dim;
}

bool atr_index_is_tested(const atr_nest *nest, const atr_index *index) {
  int loops = 0, last = atr_affine_last_loop(nest, &index->at);
  for (int d = 0; d < nest->dim_count; d++) loops += index->at.coef[d] != 0;
  return index->edge == ATR_EDGE_ZERO && index->divisor == 1 && !atr_affine_has_inner(nest, &index->at) && loops > 1 &&
         !nest->dims[last].reduced;
}

bool atr_index_is_of_lhs(const atr_nest *nest, const atr_access *access, const atr_index *index) {
  if (access == &nest->lhs) return true;
  for (int i = 0; access == &nest->rhs && i < nest->lhs.index_count; i++) {
    const atr_index *of_lhs = &nest->lhs.index[i];
    if (of_lhs->bound == index->bound && of_lhs->divisor == index->divisor && of_lhs->edge == ATR_EDGE_ZERO &&
        index->edge == ATR_EDGE_ZERO && memcmp(&of_lhs->at, &index->at, sizeof index->at) == 0)
      return true;
  }
  return false;
}

/* ---- questions */

static atr_status add_question(builder *b, const atr_affine *at, int64_t bound, bool edge, bool lhs) {
  if (b->question_count == MAX_QUESTIONS)
    return atr_fail(b->work, ATR_NOWHERE, ATR_UNSUPPORTED, "nest %s asks more than %d bounds questions", b->nest->name,
                    MAX_QUESTIONS);
  b->questions[b->question_count++] = (question){.at = at, .bound = bound, .edge = edge, .lhs = lhs};
  return ATR_OK;
}

/* Is an lhs index without inner dims settled while running, by a clipped range, a test or a resolved edge? */
static bool settled_running(const atr_nest *nest, const atr_index *index) {
  int last = atr_affine_last_loop(nest, &index->at);
  if (last < 0 || atr_affine_has_inner(nest, &index->at)) return false;
  return index->edge != ATR_EDGE_ZERO || atr_index_clips(nest, index, last) || atr_index_is_tested(nest, index);
}

static atr_status add_access_questions(builder *b, const atr_access *access) {
  for (int i = 0; i < access->index_count; i++) {
    const atr_index *index = &access->index[i];
    bool lhs = access == &b->nest->lhs;
    if (index->divisor != 1) {
      if (atr_affine_has_inner(b->nest, &index->at))
        return atr_fail(b->work, ATR_NOWHERE, ATR_UNSUPPORTED,
                        "nest %s: dims under an lhs_dilation left to run time cannot be unrolled or vector dims",
                        b->nest->name);
      continue;
    }
    if (lhs ? settled_running(b->nest, index) : atr_index_is_of_lhs(b->nest, access, index)) continue;
    ATR_TRY(add_question(b, &index->at, index->bound, index->edge != ATR_EDGE_ZERO, lhs && index->edge == ATR_EDGE_ZERO));
  }
  return ATR_OK;
}

static atr_status find_questions(builder *b) {
  const atr_nest *nest = b->nest;
  if (nest->has_acc) {
    ATR_TRY(add_access_questions(b, &nest->lhs));
    ATR_TRY(add_access_questions(b, &nest->rhs));
  }
  for (int e = 1; e <= nest->expr_count; e++)
    if (nest->exprs[e].kind == ATR_EXPR_LOAD) ATR_TRY(add_access_questions(b, &nest->exprs[e].access));
  for (int g = 0; g < nest->guard_count; g++)
    ATR_TRY(add_question(b, &nest->guards[g].at, nest->guards[g].bound, false, false));
  return ATR_OK;
}

/* ---- cuts */

/* Iterations v of dim for which min(t) >= low and max(t) <= high over the rest of the box: one interval, clipped to the box. */
static void iterations_within(const atr_nest *nest, const atr_affine *at, int dim, const atr_box *box, int64_t low,
                              int64_t high, int64_t *from, int64_t *to) {
  atr_box rest = *box;
  int64_t min, max, c = at->coef[dim];
  rest.lo[dim] = 0;
  rest.hi[dim] = 1;
  atr_affine_range(at, rest.lo, rest.hi, nest->dim_count, &min, &max);
  int64_t first = c > 0 ? atr_ceil_div(low - min, c) : atr_ceil_div(max - high, -c);
  int64_t last = c > 0 ? atr_floor_div(high - max, c) : atr_floor_div(min - low, -c);
  *from = atr_min(atr_max(first, box->lo[dim]), box->hi[dim]);
  *to = atr_max(atr_min(last + 1, box->hi[dim]), *from);
}

typedef struct cuts {
  int64_t at[MAX_CUTS];
  int count;
} cuts;

static bool add_cut(cuts *c, int64_t at) {
  if (c->count == MAX_CUTS) return false;
  c->at[c->count++] = at;
  return true;
}

/* Cut points that one question makes in dim: ends of the interior and of the parts wholly outside, and every iteration
 * between. */
static bool question_cuts(const atr_nest *nest, const question *q, int dim, const atr_box *box, cuts *out) {
  const int64_t far = INT64_C(1) << 60;
  int64_t interior_lo, interior_hi, below_lo, below_hi, above_lo, above_hi;
  iterations_within(nest, q->at, dim, box, 0, q->bound - 1, &interior_lo, &interior_hi);
  iterations_within(nest, q->at, dim, box, -far, -1, &below_lo, &below_hi);
  iterations_within(nest, q->at, dim, box, q->bound, far, &above_lo, &above_hi);
  for (int64_t v = box->lo[dim]; v < box->hi[dim]; v++) {
    if (interior_hi > interior_lo && v == interior_lo) {
      if (!add_cut(out, v)) return false;
      v = interior_hi - 1;
    } else if (!q->edge && below_hi > below_lo && v == below_lo) {
      if (!add_cut(out, v)) return false;
      v = below_hi - 1;
    } else if (!q->edge && above_hi > above_lo && v == above_lo) {
      if (!add_cut(out, v)) return false;
      v = above_hi - 1;
    } else if (!add_cut(out, v)) {
      return false;
    }
  }
  return true;
}

/* Points at which dim is cut for the questions that depend on it and have not been answered further out. */
static atr_status find_cuts(builder *b, int dim, const atr_box *box, cuts *out) {
  out->count = 0;
  bool room = add_cut(out, box->lo[dim]);
  for (int i = 0; i < b->question_count && room; i++) {
    const question *q = &b->questions[i];
    if (q->at->coef[dim] == 0 || atr_bounds_answer(b->nest, q->at, q->bound, box) != ATR_SOMETIMES) {
      if (q->at->coef[dim] == 0 || !q->edge || atr_bounds_answer(b->nest, q->at, q->bound, box) == ATR_ALWAYS) continue;
    }
    room = question_cuts(b->nest, q, dim, box, out);
  }
  if (!room)
    return atr_fail(b->work, ATR_NOWHERE, ATR_UNSUPPORTED, "nest %s: dim %s would be cut into more than %d parts",
                    b->nest->name, b->nest->dims[dim].name, MAX_CUTS);
  qsort(out->at, (size_t)out->count, sizeof out->at[0], atr_compare_int64);
  int kept = 0;
  for (int i = 0; i < out->count; i++)
    if (kept == 0 || out->at[i] != out->at[kept - 1]) out->at[kept++] = out->at[i];
  out->count = kept;
  return ATR_OK;
}

/* Which of the unrolled and vector points answer question q with yes when the looped dims stand at box->lo: equal signatures
 * mean equal code. The values of t at looped dims are what differs, so it is enough to compare where the two bounds fall
 * among the values that the inner dims add. */
static void inner_signature(const atr_nest *nest, const question *q, const atr_box *box, int64_t *below, int64_t *inside) {
  int64_t base = q->at->offset, point[ATR_MAX_DIMS] = {0};
  int dims[ATR_MAX_DIMS], count = 0;
  *below = *inside = 0;
  for (int d = 0; d < nest->dim_count; d++) {
    if (q->at->coef[d] == 0) continue;
    if (atr_dim_is_looped(&nest->dims[d])) base += q->at->coef[d] * box->lo[d];
    else dims[count++] = d;
  }
  for (int d = 0; d >= 0;) {
    int64_t t = base;
    for (int i = 0; i < count; i++) t += q->at->coef[dims[i]] * point[i];
    *below += t < 0;
    *inside += t >= 0 && t < q->bound;
    for (d = count - 1; d >= 0 && ++point[d] == nest->dims[dims[d]].extent; d--) point[d] = 0;
  }
}

/* Do u and v, which differ in dim, have equal signatures at every point of the loops inside of it? Where t grows from u to v, as many
 * points below a bound means the same points. */
static bool same_signatures(const builder *b, const question *q, int dim, atr_box *u, atr_box *v) {
  int dims[ATR_MAX_DIMS], count = 0, i = 0;
  int64_t points = 1;
  const atr_box box = *u;
  for (int level = b->order_count - 1; level >= 0; level--) {
    int d = b->order[level];
    int64_t extent = box.hi[d] - box.lo[d];
    if (q->at->coef[d] == 0 || extent <= 1 || d == dim || (d < dim && !b->whole[d])) continue; /* what is whole was not cut */
    if (extent > MAX_SIGNATURES / points) return false;
    points *= extent;
    dims[count++] = d;
  }
  do {
    int64_t below_u, inside_u, below_v, inside_v;
    inner_signature(b->nest, q, u, &below_u, &inside_u);
    inner_signature(b->nest, q, v, &below_v, &inside_v);
    if (below_u != below_v || inside_u != inside_v) return false;
    for (i = 0; i < count; i++) {
      int d = dims[i];
      u->lo[d] = v->lo[d] = u->lo[d] + 1 < box.hi[d] ? u->lo[d] + 1 : box.lo[d];
      if (u->lo[d] != box.lo[d]) break;
    }
  } while (i < count);
  return true;
}

/* Do iterations u and v of dim lead to the same code? */
static bool same_code(const builder *b, int dim, const atr_box *box, int64_t u, int64_t v) {
  for (int i = 0; i < b->question_count; i++) {
    const question *q = &b->questions[i];
    if (q->at->coef[dim] == 0) continue;
    atr_box at_u = *box, at_v = *box;
    at_u.lo[dim] = u, at_u.hi[dim] = u + 1;
    at_v.lo[dim] = v, at_v.hi[dim] = v + 1;
    atr_answer a = atr_bounds_answer(b->nest, q->at, q->bound, &at_u), c = atr_bounds_answer(b->nest, q->at, q->bound, &at_v);
    if (a == ATR_ALWAYS && c == ATR_ALWAYS) continue;
    if (a != c || q->edge || (a != ATR_NEVER && !same_signatures(b, q, dim, &at_u, &at_v))) return false;
  }
  return true;
}

/* True when no unrolled point of the box has an lhs element: the node contributes nothing. */
static bool contributes_nothing(const builder *b, const atr_box *box) {
  for (int i = 0; i < b->question_count; i++)
    if (b->questions[i].lhs && atr_bounds_answer(b->nest, b->questions[i].at, b->questions[i].bound, box) == ATR_NEVER)
      return true;
  return false;
}

/* ---- the tree */

static atr_status new_node(builder *b, int dim, int64_t lo, int64_t hi, atr_node **out) {
  if (++b->node_count > MAX_NODES)
    return atr_fail(b->work, ATR_NOWHERE, ATR_UNSUPPORTED, "nest %s would be cut into more than %d parts", b->nest->name,
                    MAX_NODES);
  *out = ATR_NEW(b->work->arena, atr_node);
  **out = (atr_node){.dim = dim, .lo = lo, .hi = hi};
  return ATR_OK;
}

static bool needs_clip(const builder *b, int dim, const atr_box *box) {
  if (!b->nest->has_acc) return false;
  for (int i = 0; i < b->nest->lhs.index_count; i++) {
    const atr_index *index = &b->nest->lhs.index[i];
    if (atr_index_clips(b->nest, index, dim) && atr_bounds_answer(b->nest, &index->at, index->bound, box) != ATR_ALWAYS)
      return true;
  }
  return false;
}

static atr_status build_level(builder *b, int level, const atr_box *box, atr_node **out);

static atr_status build_range(builder *b, int level, const atr_box *box, const atr_across *across, int64_t lo, int64_t hi,
                              atr_node **out) {
  int dim = b->order[level];
  atr_box inside = atr_box_inside(box, across, dim, lo, hi);
  *out = NULL;
  if (b->nest->dims[dim].reduced && contributes_nothing(b, &inside)) return ATR_OK;
  ATR_TRY(new_node(b, dim, lo, hi, out));
  (*out)->across = across != NULL;
  (*out)->clip = needs_clip(b, dim, &inside);
  return build_level(b, level + 1, &inside, &(*out)->child);
}

/* One node for each range of the loop's iterations that has code of its own. */
static atr_status build_loops(builder *b, int level, const atr_box *box, atr_node **out) {
  int dim = b->order[level];
  int64_t extent = b->nest->dims[dim].extent;
  if (b->whole[dim]) return build_range(b, level, box, NULL, 0, extent, out);
  const atr_across *across = b->nest->across[dim].total > 0 ? &b->nest->across[dim] : NULL;
  int64_t total = across != NULL ? across->total : extent;
  atr_box all = atr_box_inside(box, across, dim, 0, total);
  if (b->cuts[level] == NULL) b->cuts[level] = ATR_NEW(b->work->arena, cuts);
  cuts *c = b->cuts[level];
  ATR_TRY(find_cuts(b, dim, &all, c));
  for (int i = 0; i < c->count;) {
    int64_t lo = c->at[i++];
    while (i < c->count && same_code(b, dim, &all, lo, c->at[i])) i++;
    int64_t hi = i < c->count ? c->at[i] : total;
    if (hi - lo == total) return build_range(b, level, box, NULL, 0, extent, out);
    ATR_TRY(build_range(b, level, box, across, lo, hi, out));
    if (*out != NULL) out = &(*out)->next;
  }
  return ATR_OK;
}

static atr_status build_level(builder *b, int level, const atr_box *box, atr_node **out) {
  *out = NULL;
  if (level == b->independent_count && level >= 0) {
    atr_node *tile;
    ATR_TRY(new_node(b, ATR_NODE_TILE, 0, 0, &tile));
    *out = tile;
    if (!b->nest->has_acc || contributes_nothing(b, box)) return ATR_OK;
    out = &tile->child;
  }
  if (level == b->order_count) return b->nest->has_acc ? new_node(b, ATR_NODE_MAC, 0, 0, out) : ATR_OK;
  if (b->nest->dims[b->order[level]].extent == 0) return ATR_OK;
  return build_loops(b, level, box, out);
}

atr_status atr_nest_build_tree(atr_work *work, atr_nest *nest) {
  builder b = {.work = work, .nest = nest};
  for (int reduced = 0; reduced < 2; reduced++) {
    for (int d = 0; d < nest->dim_count; d++)
      if (atr_dim_is_looped(&nest->dims[d]) && nest->dims[d].reduced == (reduced == 1)) b.order[b.order_count++] = d;
    if (reduced == 0) b.independent_count = b.order_count;
  }
  for (int d = 0; d < nest->dim_count; d++)
    if (!nest->dims[d].reduced && nest->dims[d].extent == 0) return ATR_OK; /* nothing to compute: no tree needed */
  nest->across = atr_nest_across(work->arena, nest);
  for (int d = 0; d < nest->dim_count; d++)
    for (int o = 0; nest->across[d].total > 0 && o < d; o++) b.whole[o] |= nest->across[d].first.coef[o] != 0;
  ATR_TRY(find_questions(&b));
  atr_box box = atr_nest_box(nest);
  return build_level(&b, 0, &box, &nest->tree);
}

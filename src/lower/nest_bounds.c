/* nest_bounds.c - which elements an access of a nest can reach.
 *
 * In: a nest and one of its accesses. Out: the least and the largest element number over the points that matter.
 *
 * An address is a sum of terms, and a condition (a guard, an index that must be inside) speaks of a few dims only. Dims that
 * share a condition or an index form a group; groups are independent of one another, so the address's range is the sum of
 * the groups' ranges. With x[1792*ox.1 + 128*ox.0 + 128*kx + ic - 128], an index ox + kx - 1 of 28 and the guard ox < 28,
 * where ox is 14*ox.1 + ox.0, the groups are {ox.1, ox.0, kx} and {ic}. A group's range is found in one of two ways:
 *
 *   intervals  the box's corners, made tighter by conditions 0 <= t < bound: as address = k*t + rest, its range is at most
 *              that of k*[0, bound) + rest. With k = 128 above, rest is 0. Always tried first; it costs nothing.
 *   points     every point of the group's box, if there are at most MAX_POINTS. Exact.
 *
 * A guard is treated as an index that moves nothing: stride 0, absent outside. */
#include "lower/nest_bounds.h"

#include "base/checked.h"

enum { MAX_POINTS = 1000000 };

/* |offset| + sum of |coef| * extent; -1 when it is `limit` or more. */
static int64_t magnitude(const atr_nest *nest, const atr_affine *affine, int64_t limit) {
  int64_t total = affine->offset, term;
  if (total <= -limit || total >= limit) return -1;
  if (total < 0) total = -total;
  for (int d = 0; d < nest->dim_count; d++) {
    int64_t c = affine->coef[d];
    if (c <= -limit || c >= limit) return -1;
    if (!atr_checked_mul(c < 0 ? -c : c, nest->dims[d].extent, &term) || !atr_checked_add(total, term, &total) ||
        total >= limit)
      return -1;
  }
  return total;
}

bool atr_affine_fits(const atr_nest *nest, const atr_affine *affine) { return magnitude(nest, affine, ATR_NEST_LIMIT) >= 0; }

bool atr_access_fits(const atr_nest *nest, const atr_access *access, int64_t limit) {
  int64_t total = magnitude(nest, &access->at, limit);
  for (int i = 0; total >= 0 && i < access->index_count; i++) {
    const atr_index *index = &access->index[i];
    int64_t t = magnitude(nest, &index->at, limit), stride = index->stride;
    if (t < 0 || index->bound >= limit || index->divisor >= limit || stride <= -limit || stride >= limit) return false;
    int64_t moved, span;
    bool fits = atr_checked_mul(index->bound, index->divisor, &span) && span < limit;
    fits = fits && atr_checked_mul(t + index->bound, stride < 0 ? -stride : stride, &moved);
    if (!fits || !atr_checked_add(total, moved, &total) || total >= limit) return false;
  }
  return total >= 0;
}

typedef struct range {
  int64_t min, max;
} range;

/* What is looked at: the access's indices, then the guards. */
typedef struct search {
  const atr_nest *nest;
  const atr_access *access;
  atr_index *parts;
  int part_count;
  int group[ATR_MAX_DIMS]; /* by dim: the least dim of its group */
} search;

/* ---- groups */

static void join(search *s, int a, int b) {
  int from = s->group[a] > s->group[b] ? s->group[a] : s->group[b], to = s->group[a] > s->group[b] ? s->group[b] : s->group[a];
  for (int d = 0; d < s->nest->dim_count; d++)
    if (s->group[d] == from) s->group[d] = to;
}

static int first_dim(const atr_nest *nest, const atr_affine *affine) {
  for (int d = 0; d < nest->dim_count; d++)
    if (affine->coef[d] != 0) return d;
  return -1;
}

static search search_make(atr_arena *arena, const atr_nest *nest, const atr_access *access) {
  search s = {.nest = nest, .access = access};
  s.parts = ATR_NEW_ARRAY(arena, atr_index, access->index_count + nest->guard_count);
  for (int i = 0; i < access->index_count; i++) s.parts[s.part_count++] = access->index[i];
  for (int g = 0; g < nest->guard_count && !access->padded; g++)
    s.parts[s.part_count++] = (atr_index){
        .at = nest->guards[g].at, .bound = nest->guards[g].bound, .divisor = 1, .edge = ATR_EDGE_ZERO};
  for (int d = 0; d < nest->dim_count; d++) s.group[d] = d;
  for (int p = 0; p < s.part_count; p++) {
    int first = first_dim(nest, &s.parts[p].at);
    for (int d = first + 1; first >= 0 && d < nest->dim_count; d++)
      if (s.parts[p].at.coef[d] != 0) join(&s, first, d);
  }
  return s;
}

static bool is_of_group(const search *s, const atr_index *part, int group) {
  int first = first_dim(s->nest, &part->at);
  return first >= 0 && s->group[first] == group;
}

/* ---- by intervals */

static range box_range(const search *s, const atr_affine *affine) {
  int64_t lo[ATR_MAX_DIMS] = {0}, hi[ATR_MAX_DIMS];
  range r;
  for (int d = 0; d < s->nest->dim_count; d++) hi[d] = s->nest->dims[d].extent;
  atr_affine_range(affine, lo, hi, s->nest->dim_count, &r.min, &r.max);
  return r;
}

static void extend(range *r, int64_t factor, int64_t most) {
  if (factor < 0) r->min += factor * most;
  else r->max += factor * most;
}

/* affine - factor * t, unless a coefficient grows out of bounds. */
static bool subtract(const search *s, const atr_affine *affine, const atr_affine *t, int64_t factor, atr_affine *out) {
  int64_t scaled;
  *out = *affine;
  if (!atr_checked_mul(factor, t->offset, &scaled) || !atr_checked_sub(affine->offset, scaled, &out->offset)) return false;
  for (int d = 0; d < s->nest->dim_count; d++)
    if (!atr_checked_mul(factor, t->coef[d], &scaled) || !atr_checked_sub(affine->coef[d], scaled, &out->coef[d])) return false;
  return atr_affine_fits(s->nest, out);
}

/* What is left of an affine form without `factor` times a condition's t, which is `most` at most. */
typedef struct narrowing {
  atr_affine without;
  int64_t factor, most;
  int64_t width; /* of what can be reached */
} narrowing;

/* Is it narrower without a multiple of t than *best? */
static void try_condition(const search *s, const atr_index *condition, const atr_affine *affine, narrowing *best) {
  int64_t most = condition->bound * condition->divisor - 1, span;
  for (int d = 0; d < s->nest->dim_count; d++) {
    int64_t c = condition->at.coef[d];
    if (c == 0 || affine->coef[d] == 0 || affine->coef[d] % c != 0) continue;
    int64_t factor = affine->coef[d] / c;
    atr_affine without;
    if (!atr_checked_mul(factor < 0 ? -factor : factor, most, &span) || span >= ATR_NEST_LIMIT) continue;
    if (!subtract(s, affine, &condition->at, factor, &without)) continue;
    range r = box_range(s, &without);
    if (r.max - r.min + span < best->width) *best = (narrowing){without, factor, most, r.max - r.min + span};
  }
}

/* Replaces that multiple of a condition of the group by its bounds that leaves the narrowest range; false: none makes it
 * narrower. */
static bool use_condition(const search *s, int group, atr_affine *affine, range *rest) {
  range whole = box_range(s, affine);
  narrowing best = {.width = whole.max - whole.min};
  for (int p = 0; p < s->part_count; p++)
    if (is_of_group(s, &s->parts[p], group) && s->parts[p].edge == ATR_EDGE_ZERO) try_condition(s, &s->parts[p], affine, &best);
  if (best.factor == 0) return false;
  *affine = best.without;
  extend(rest, best.factor, best.most);
  return true;
}

static range group_interval(const search *s, int group) {
  atr_affine affine = {0};
  range rest = {0, 0};
  for (int d = 0; d < s->nest->dim_count; d++)
    if (s->group[d] == group) affine.coef[d] = s->access->at.coef[d];
  for (int p = 0; p < s->part_count; p++) {
    const atr_index *part = &s->parts[p];
    if (!is_of_group(s, part, group)) continue;
    if (part->edge == ATR_EDGE_ZERO && part->divisor == 1) {
      affine.offset += part->stride * part->at.offset;
      for (int d = 0; d < s->nest->dim_count; d++) affine.coef[d] += part->stride * part->at.coef[d];
    } else {
      extend(&rest, part->stride, part->bound - 1);
    }
  }
  while (use_condition(s, group, &affine, &rest)) {}
  range r = box_range(s, &affine);
  return (range){r.min + rest.min, r.max + rest.max};
}

/* ---- by points */

static bool group_has_points(const search *s, int group) {
  int64_t points = 1;
  for (int d = 0; d < s->nest->dim_count; d++)
    if (s->group[d] == group && (!atr_checked_mul(points, s->nest->dims[d].extent, &points) || points > MAX_POINTS))
      return false;
  return true;
}

/* True when the element exists at `point` as far as this group decides; its part of the address then. */
static bool address_at(const search *s, const int *parts, int part_count, const int *dims, int count, const int64_t *point,
                       int64_t *out) {
  int64_t address = 0;
  for (int i = 0; i < count; i++) address += s->access->at.coef[dims[i]] * point[i];
  for (int p = 0; p < part_count; p++) {
    const atr_index *part = &s->parts[parts[p]];
    int64_t t = part->at.offset;
    for (int i = 0; i < count; i++) t += part->at.coef[dims[i]] * point[i];
    int64_t i = atr_index_resolve(part, t);
    if (i < 0) return false;
    address += i * part->stride;
  }
  *out = address;
  return true;
}

/* False when no point of the group lets the element exist. */
static bool group_points(atr_arena *arena, const search *s, int group, range *out) {
  int dims[ATR_MAX_DIMS], count = 0, part_count = 0, *parts = ATR_NEW_ARRAY(arena, int, s->part_count);
  int64_t point[ATR_MAX_DIMS] = {0}, address;
  bool found = false;
  for (int d = 0; d < s->nest->dim_count; d++)
    if (s->group[d] == group) dims[count++] = d;
  for (int p = 0; p < s->part_count; p++)
    if (is_of_group(s, &s->parts[p], group)) parts[part_count++] = p;
  for (int d = 0; d >= 0;) {
    if (address_at(s, parts, part_count, dims, count, point, &address)) {
      out->min = found ? atr_min(out->min, address) : address;
      out->max = found ? atr_max(out->max, address) : address;
      found = true;
    }
    for (d = count - 1; d >= 0 && ++point[d] == s->nest->dims[dims[d]].extent; d--) point[d] = 0;
  }
  return found;
}

/* ---- */

/* Sum over the groups; `closer`: by points where there are few enough. False: the element never exists. */
static bool total_range(atr_arena *arena, const search *s, bool closer, range *total) {
  *total = (range){s->access->at.offset, s->access->at.offset};
  for (int p = 0; p < s->part_count; p++) { /* conditions that depend on no dim, or never hold */
    if (s->parts[p].bound == 0) return false;
    if (first_dim(s->nest, &s->parts[p].at) >= 0) continue;
    int64_t i = atr_index_resolve(&s->parts[p], s->parts[p].at.offset);
    if (i < 0) return false;
    total->min += i * s->parts[p].stride;
    total->max += i * s->parts[p].stride;
  }
  for (int group = 0; group < s->nest->dim_count; group++) {
    if (s->group[group] != group) continue;
    range r = group_interval(s, group);
    bool by_points = closer && group_has_points(s, group);
    if (by_points && !group_points(arena, s, group, &r)) return false;
    total->min += r.min;
    total->max += r.max;
  }
  return true;
}

atr_reach atr_access_reach(atr_arena *arena, const atr_nest *nest, const atr_access *access, int64_t elements) {
  range total;
  for (int d = 0; d < nest->dim_count; d++)
    if (nest->dims[d].extent == 0) return (atr_reach){.never = true};
  search s = search_make(arena, nest, access);
  bool exists = total_range(arena, &s, false, &total);
  if (exists && (total.min < 0 || total.max >= elements)) exists = total_range(arena, &s, true, &total);
  return (atr_reach){!exists, total.min, total.max};
}

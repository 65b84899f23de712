/* parts.c - splits a nest into parts (parts.h).
 *
 * In: a canonical nest with a sum. Out: nests with PART dims, a group of the program, that together do the same:
 *
 *     NAME.zero  where sums are continued, set to zero                      where reduced dims are split
 *     NAME.lhs   one part's elements of lhs, copied into a panel            where lhs is packed
 *     NAME       the nest itself, over one part
 *     NAME.end   the expression of the whole sum                            where it is more than the sum
 *
 * Sums are continued in the place of the result where that is of the sum's dtype, else in a temporary. Each part goes on from where
 * the one before stopped, so the terms are added in the order of a loop over the parts around the whole reduction.
 *
 * The panel has a dimension for each index of lhs, whose questions stay with the nest where absent elements contribute nothing, and one
 * for each set of other dims that walk the same elements. So taps read what pixels read, once. */
#include "lower/parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "lower/simplify.h"

static const int64_t MAX_PANEL = INT64_C(1) << 40; /* elements */

/* ---- text */

void atr_parts_print(atr_text *text, const atr_nest *nest, const atr_parts *parts) {
  bool any = false;
  for (int d = 0; d < nest->dim_count; d++) {
    if (parts->block[d] == 0) continue;
    atr_text_printf(text, "%s %s:%lld", any ? "" : "part", nest->dims[d].name, (long long)parts->block[d]);
    any = true;
  }
  for (int i = 0; i < parts->lhs_count; i++) {
    int64_t strip = parts->strip[parts->lhs[i]];
    atr_text_printf(text, "%s %s", i > 0 ? "" : any ? "; lhs" : "lhs", nest->dims[parts->lhs[i]].name);
    if (strip != 0) atr_text_printf(text, ":%lld", (long long)strip);
  }
  if (parts->lhs_dtype != ATR_DTYPE_NONE) atr_text_printf(text, " as %s", atr_dtype_name(parts->lhs_dtype));
}

/* ---- the panel's dimensions */

/* One dimension of the panel: an index of lhs, or dims of its affine part. Positions count from 0 at the start of a part. */
typedef struct axis {
  int index;        /* of lhs; -1: affine */
  uint64_t dims;    /* bit d */
  atr_affine at;    /* position, for the dims that are not PART */
  atr_affine first; /* affine axes: elements of lhs before position 0; else the index of position 0; for the PART dims */
  int64_t extent, step, panel; /* positions; elements from one to the next in lhs and in the panel */
} axis;

typedef struct axes {
  axis list[ATR_MAX_DIMS];
  int count;
} axes;

static bool is_part(const atr_nest *nest, int d) { return nest->dims[d].kind == ATR_DIM_PART; }

/* Positions of an affine form: its PART dims and its least value go to `first`, the rest in steps of `step` to `at`. */
static void place(const atr_nest *nest, const atr_affine *form, int64_t step, axis *a) {
  a->extent = 1;
  a->step = step;
  a->first.offset += form->offset;
  for (int d = 0; d < nest->dim_count; d++) {
    int64_t c = form->coef[d], last = nest->dims[d].extent - 1;
    if (c == 0) continue;
    if (is_part(nest, d)) {
      a->first.coef[d] = c;
      continue;
    }
    a->dims |= UINT64_C(1) << d;
    a->at.coef[d] = c / step;
    a->extent += llabs(c / step) * last;
    if (c < 0) a->first.offset += c * last, a->at.offset += -c / step * last;
  }
}

/* Dims of the affine part by their steps, the smallest first. A dim whose step is within what a set of dims before it reaches walks
 * the same elements. */
static void find_affine_axes(const atr_nest *nest, axes *out) {
  int dims[ATR_MAX_DIMS], count = 0, sets = 0;
  atr_affine form[ATR_MAX_DIMS];
  int64_t reach[ATR_MAX_DIMS], step[ATR_MAX_DIMS];
  for (int d = 0; d < nest->dim_count; d++) {
    int64_t c = llabs(nest->lhs.at.coef[d]);
    if (c == 0 || is_part(nest, d)) continue;
    int at = count++;
    for (; at > 0 && llabs(nest->lhs.at.coef[dims[at - 1]]) > c; at--) dims[at] = dims[at - 1];
    dims[at] = d;
  }
  for (int i = 0; i < count; i++) {
    int64_t c = llabs(nest->lhs.at.coef[dims[i]]);
    int s = 0;
    while (s < sets && reach[s] < c) s++;
    if (s == sets) form[sets] = (atr_affine){.offset = 0}, reach[sets] = step[sets] = 0, sets++;
    form[s].coef[dims[i]] = nest->lhs.at.coef[dims[i]];
    reach[s] += c * (nest->dims[dims[i]].extent - 1);
    step[s] = atr_gcd(step[s], c);
  }
  for (int s = 0; s < sets; s++) {
    out->list[out->count] = (axis){.index = -1};
    place(nest, &form[s], step[s], &out->list[out->count++]);
  }
}

/* Position of an axis in the panel: as named, else before those that are, as strips are. */
static int rank_of(const axis *a, const atr_parts *parts, const int *now) {
  for (int i = 0; i < parts->lhs_count; i++)
    if ((a->dims >> now[parts->lhs[i]] & 1) != 0) return i;
  return -1;
}

/* `now`: the dim of the split nest that an original dim's indices within a part are. */
static axes find_axes(const atr_nest *nest, const atr_parts *parts, const int *now) {
  axes out = {.count = 0};
  for (int i = 0; i < nest->lhs.index_count; i++) {
    out.list[out.count] = (axis){.index = i};
    place(nest, &nest->lhs.index[i].at, 1, &out.list[out.count++]);
  }
  find_affine_axes(nest, &out);
  for (int i = 1; i < out.count; i++) {
    axis a = out.list[i];
    int at = i;
    for (; at > 0 && rank_of(&out.list[at - 1], parts, now) > rank_of(&a, parts, now); at--) out.list[at] = out.list[at - 1];
    out.list[at] = a;
  }
  int64_t elements = 1;
  for (int i = out.count - 1; i >= 0; i--) {
    out.list[i].panel = elements;
    elements *= out.list[i].extent;
  }
  return out;
}

/* ---- the copy */

/* Fill nest: the PART dims, then one dim for each axis. */
typedef struct filling {
  const atr_nest *nest;
  int dim_of[ATR_MAX_DIMS]; /* PART dims of the nest: theirs in the fill */
} filling;

static atr_affine of_parts(const filling *f, const atr_affine *first) {
  atr_affine out = {.offset = first->offset};
  for (int d = 0; d < f->nest->dim_count; d++)
    if (is_part(f->nest, d) && first->coef[d] != 0) out.coef[f->dim_of[d]] = first->coef[d];
  return out;
}

/* Pixels behind the last one, in a part or a strip that is not full, are not there: a question to the load. The one dim
 * that such an axis has walks it forward, or back from the last position (place()). `first`: the fill's dim of the first axis. */
static void ask_guards(const filling *f, const axes *panel, int first, atr_access *access) {
  for (int g = 0; g < f->nest->guard_count; g++) {
    const atr_guard *guard = &f->nest->guards[g];
    atr_index index = {.at = of_parts(f, &guard->at), .bound = guard->bound, .divisor = 1};
    bool moves = false;
    for (int i = 0; i < panel->count; i++)
      for (int d = 0; d < f->nest->dim_count; d++) {
        const axis *a = &panel->list[i];
        if (a->index >= 0 || (a->dims >> d & 1) == 0 || guard->at.coef[d] == 0) continue;
        int64_t c = guard->at.coef[d] * a->at.coef[d];
        index.at.coef[first + i] = c;
        index.at.offset -= c * a->at.offset;
        moves = true;
      }
    if (moves) access->index[access->index_count++] = index;
  }
}

/* Does lhs differ from part to part? Then the copy is made in all of them. */
static bool moves_with_parts(const atr_nest *nest) {
  for (int d = 0; d < nest->dim_count; d++)
    if (is_part(nest, d) && (nest->lhs.at.coef[d] != 0 || atr_access_asks(&nest->lhs, d))) return true;
  return false;
}

static atr_nest *fill_nest(atr_arena *arena, const atr_nest *nest, const axes *panel, int buffer, atr_dtype dtype) {
  filling f = {.nest = nest};
  atr_nest *fill = ATR_NEW(arena, atr_nest);
  fill->name = atr_arena_printf(arena, "%s.lhs", nest->name);
  for (int d = 0; d < nest->dim_count && moves_with_parts(nest); d++)
    if (is_part(nest, d)) fill->dims[f.dim_of[d] = fill->dim_count++] = nest->dims[d];
  atr_expr zero = {.kind = ATR_EXPR_CONST, .dtype = nest->lhs_dtype};
  atr_expr load = {.kind = ATR_EXPR_LOAD, .dtype = nest->lhs_dtype, .args = {atr_nest_add_expr(arena, fill, &zero)}};
  load.access = (atr_access){.buffer = nest->lhs.buffer, .at = of_parts(&f, &nest->lhs.at)};
  load.access.index = ATR_NEW_ARRAY(arena, atr_index, panel->count + nest->guard_count);
  fill->out.buffer = buffer;
  int first = fill->dim_count;
  for (int i = 0; i < panel->count; i++) {
    const axis *a = &panel->list[i];
    int dim = fill->dim_count++;
    fill->dims[dim] = (atr_dim){.name = atr_arena_printf(arena, "a%d", i), .extent = a->extent};
    fill->out.at.coef[dim] = a->panel;
    if (a->index < 0) {
      load.access.at.coef[dim] = a->step;
      load.access.at.offset += a->first.offset;
      continue;
    }
    atr_index *index = &load.access.index[load.access.index_count++];
    *index = nest->lhs.index[a->index];
    index->at = of_parts(&f, &a->first);
    index->at.coef[dim] = 1;
  }
  ask_guards(&f, panel, first, &load.access);
  fill->root = atr_nest_add_expr(arena, fill, &load);
  atr_expr convert = {.kind = ATR_EXPR_OP, .op = ATR_OP_CONVERT, .dtype = dtype, .args = {fill->root}};
  if (convert.dtype != load.dtype) fill->root = atr_nest_add_expr(arena, fill, &convert);
  return fill;
}

/* lhs in terms of the panel. Where absent elements contribute nothing the nest still asks; edge modes have been resolved. */
static void read_panel(atr_nest *nest, const axes *panel, int buffer) {
  atr_access lhs = {.buffer = buffer, .index = nest->lhs.index};
  atr_index kept[ATR_MAX_DIMS];
  for (int i = 0; i < panel->count; i++) {
    const axis *a = &panel->list[i];
    if (a->index >= 0 && nest->lhs.index[a->index].edge == ATR_EDGE_ZERO) {
      kept[lhs.index_count] = nest->lhs.index[a->index];
      kept[lhs.index_count++].stride = a->panel;
      atr_affine_add_scaled(&lhs.at, &a->first, -a->panel);
    } else {
      atr_affine_add_scaled(&lhs.at, &a->at, a->panel);
    }
  }
  memcpy(lhs.index, kept, sizeof kept[0] * (size_t)lhs.index_count);
  nest->lhs = lhs;
}

static atr_nest *pack_lhs(atr_arena *arena, atr_program *program, atr_nest *nest, const atr_parts *parts, const int *now) {
  axes panel = find_axes(nest, parts, now);
  atr_dtype dtype = parts->lhs_dtype != ATR_DTYPE_NONE ? parts->lhs_dtype : nest->lhs_dtype;
  atr_buffer buffer = {
      .name = atr_arena_printf(arena, "%s.lhs", nest->name), .kind = ATR_BUFFER_TEMP, .dtype = dtype, .elements = 1};
  for (int i = 0; i < panel.count; i++) buffer.elements *= panel.list[i].extent;
  int number = atr_program_new_buffer(arena, program, &buffer);
  atr_nest *fill = fill_nest(arena, nest, &panel, number, dtype);
  read_panel(nest, &panel, number);
  nest->lhs_dtype = dtype;
  atr_nest_collapse(arena, fill, NULL);
  return fill;
}

/* ---- sums that are continued */

static bool splits_sum(const atr_nest *nest, const atr_parts *parts) {
  for (int d = 0; d < nest->dim_count; d++)
    if (nest->dims[d].reduced && parts->block[d] != 0) return true;
  return false;
}

/* A temporary with an element for each point of the independent dims, in the order of the output. */
static atr_access add_totals(atr_arena *arena, atr_program *program, const atr_nest *nest) {
  int dims[ATR_MAX_DIMS], count = 0;
  atr_access at = {.index_count = 0};
  atr_buffer buffer = {
      .name = atr_arena_printf(arena, "%s.sum", nest->name), .kind = ATR_BUFFER_TEMP, .dtype = nest->acc_dtype, .elements = 1};
  for (int d = 0; d < nest->dim_count; d++)
    if (!nest->dims[d].reduced) count = atr_dims_insert_by_step(nest->out.at.coef, dims, count, d);
  for (int i = count - 1; i >= 0; i--) {
    at.at.coef[dims[i]] = buffer.elements;
    buffer.elements *= nest->dims[dims[i]].extent;
  }
  at.buffer = atr_program_new_buffer(arena, program, &buffer);
  return at;
}

/* The nest's independent dims alone: what runs in front of the parts, and behind them. */
static atr_nest *without_sum(atr_arena *arena, const atr_nest *nest, const char *suffix) {
  atr_nest *out = atr_nest_copy(arena, nest);
  out->name = atr_arena_printf(arena, "%s.%s", nest->name, suffix);
  out->has_acc = false;
  out->lhs = out->rhs = (atr_access){.index_count = 0};
  for (int d = 0; d < out->dim_count; d++)
    if (out->dims[d].reduced) out->dims[d] = (atr_dim){.name = out->dims[d].name, .extent = 1};
  return out;
}

static void add_zero(atr_arena *arena, atr_program *program, const atr_nest *nest, const atr_access *totals) {
  atr_nest *zero = without_sum(arena, nest, "zero");
  atr_expr constant = {.kind = ATR_EXPR_CONST, .dtype = nest->acc_dtype};
  zero->exprs = NULL;
  zero->expr_count = zero->expr_capacity = 0;
  zero->root = atr_nest_add_expr(arena, zero, &constant);
  zero->out = *totals;
  atr_nest_collapse(arena, zero, NULL);
  atr_program_new_nest(arena, program, zero);
}

/* Is the whole sum what is stored, and in its own dtype? */
static bool stores_sum(const atr_nest *nest) {
  const atr_expr *root = &nest->exprs[nest->root];
  return root->kind == ATR_EXPR_ACC && root->dtype == nest->acc_dtype;
}

/* The nest's expression, with the sum out of where it was continued. */
static atr_nest *end_nest(atr_arena *arena, const atr_nest *nest, const atr_access *totals) {
  atr_nest *end = without_sum(arena, nest, "end");
  for (int e = 1; e <= end->expr_count; e++)
    if (end->exprs[e].kind == ATR_EXPR_ACC)
      end->exprs[e] = (atr_expr){.kind = ATR_EXPR_LOAD, .dtype = end->exprs[e].dtype, .access = *totals};
  atr_nest_collapse(arena, end, NULL);
  return end;
}

static void continue_sum(atr_arena *arena, atr_nest *nest, const atr_access *totals) {
  atr_expr sum = {.kind = ATR_EXPR_ACC, .dtype = nest->acc_dtype};
  nest->exprs = NULL;
  nest->expr_count = nest->expr_capacity = 0;
  nest->root = atr_nest_add_expr(arena, nest, &sum);
  nest->out = *totals;
  nest->continues = true;
}

/* ---- the nest over one part */

/* PART dims in front, with the number of their group in their names, so that no other nest has the same; behind them each dim's
 * indices within a part, and within a strip, under the old names; now[d]: where those of dim d are. */
static atr_nest *split(atr_arena *arena, const atr_nest *nest, const atr_parts *parts, int group, int *now) {
  atr_schedule pieces = {.count = 0};
  for (int d = 0; d < nest->dim_count; d++)
    if (parts->block[d] != 0) pieces.pieces[pieces.count++] = (atr_piece){.dim = d, .kind = ATR_DIM_PART};
  int part_count = pieces.count;
  for (int d = 0; d < nest->dim_count; d++) {
    int64_t block = parts->block[d], strip = parts->strip[d];
    if (strip != 0) pieces.pieces[pieces.count++] = (atr_piece){.dim = d, .kind = ATR_DIM_LOOP, .extent = block / strip};
    now[d] = pieces.count;
    pieces.pieces[pieces.count++] = (atr_piece){.dim = d, .kind = ATR_DIM_LOOP, .extent = strip != 0 ? strip : block};
  }
  atr_nest *out = atr_nest_tile(arena, nest, &pieces);
  for (int p = 0; p < part_count; p++) {
    out->dims[p].name = atr_arena_printf(arena, "p%d.%s", group, nest->dims[pieces.pieces[p].dim].name);
    out->dims[p].reduced = false;
  }
  for (int d = 0; d < nest->dim_count; d++) {
    out->dims[now[d]].name = nest->dims[d].name;
    if (parts->strip[d] != 0) out->dims[now[d] - 1].name = atr_arena_printf(arena, "%s.strip", nest->dims[d].name);
  }
  atr_text text = atr_text_make(arena);
  atr_parts_print(&text, nest, parts);
  out->schedule = text.data;
  return out;
}

void atr_nest_split_parts(atr_arena *arena, atr_program *program, const atr_nest *nest, const atr_parts *parts) {
  int now[ATR_MAX_DIMS];
  atr_nest *whole = atr_nest_copy(arena, nest), *end = NULL, *fill = NULL;
  if (splits_sum(nest, parts)) {
    bool in_place = program->buffers[nest->out.buffer].dtype == nest->acc_dtype;
    atr_access totals = in_place ? nest->out : add_totals(arena, program, nest);
    if (!in_place || !stores_sum(nest)) end = end_nest(arena, nest, &totals);
    add_zero(arena, program, nest, &totals);
    continue_sum(arena, whole, &totals);
  }
  atr_nest *part = split(arena, whole, parts, program->nest_count, now);
  if (parts->lhs_count > 0) fill = pack_lhs(arena, program, part, parts, now);
  if (fill != NULL) atr_program_new_nest(arena, program, fill);
  atr_nest_collapse(arena, part, NULL);
  part->why = parts->why;
  atr_program_new_nest(arena, program, part);
  if (end != NULL) atr_program_new_nest(arena, program, end);
}

/* ---- legality */

static atr_status check_blocks(atr_work *work, const atr_nest *nest, const atr_parts *parts) {
  int split_dims = 0;
  int64_t count = 1;
  for (int d = 0; d < nest->dim_count; d++) {
    const atr_dim *dim = &nest->dims[d];
    int64_t block = parts->block[d];
    split_dims += parts->strip[d] != 0;
    if (block == 0) continue;
    split_dims++;
    if (block < 0 || block >= dim->extent)
      return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "a part of dim %s must have fewer than its %lld indices, got %lld",
                      dim->name, (long long)dim->extent, (long long)block);
    if (dim->reduced && dim->extent % block != 0)
      return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "parts of the reduced dim %s must divide its extent %lld, got %lld",
                      dim->name, (long long)dim->extent, (long long)block);
    if (!atr_checked_mul(count, atr_ceil_div(dim->extent, block), &count))
      return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "nest %s in 2^63 parts, or more", nest->name);
  }
  if (nest->dim_count + split_dims > ATR_MAX_DIMS / 2)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "nest %s has too many dims for parts", nest->name);
  return ATR_OK;
}

/* Has the panel elements, and not many more than lhs? Taps far apart would leave most of it empty. */
static atr_status check_size(atr_work *work, const atr_nest *nest, const axes *panel) {
  int64_t elements = 1;
  for (int i = 0; i < panel->count; i++) {
    const axis *a = &panel->list[i];
    bool sparse = a->index >= 0 && a->extent / 4 > nest->lhs.index[a->index].bound + 16;
    if (sparse || !atr_checked_mul(elements, a->extent, &elements) || elements > MAX_PANEL)
      return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "a panel for lhs of nest %s would be too large", nest->name);
  }
  if (panel->count == 0)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "lhs of nest %s is one element: there is nothing to pack", nest->name);
  return ATR_OK;
}

/* Strips are as long as each other, but for the last of all. */
static atr_status check_strips(atr_work *work, const atr_nest *nest, const atr_parts *parts) {
  for (int d = 0; d < nest->dim_count; d++) {
    int64_t strip = parts->strip[d], block = parts->block[d], indices = block != 0 ? block : nest->dims[d].extent;
    if (strip != 0 && (strip < 0 || strip >= indices || block % strip != 0))
      return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR,
                      "strips of dim %s must be shorter than the %lld indices of a part and divide a block, got %lld",
                      nest->dims[d].name, (long long)indices, (long long)strip);
  }
  return ATR_OK;
}

/* Does dim d of the split nest alone walk the elements of an axis without questions? */
static bool walks_alone(const axes *panel, int d) {
  for (int i = 0; i < panel->count; i++)
    if (panel->list[i].dims == UINT64_C(1) << d) return panel->list[i].index < 0;
  return false;
}

/* Positions that several dims share are known to lie in lhs only where no part of these dims has indices too many. */
static atr_status check_panel(atr_work *work, const atr_nest *nest, const atr_parts *parts) {
  int now[ATR_MAX_DIMS];
  for (int i = 0; i < nest->lhs.index_count; i++)
    if (nest->lhs.index[i].divisor != 1)
      return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "lhs with a divisor that phases left cannot be packed");
  ATR_TRY(check_strips(work, nest, parts));
  atr_nest *part = split(work->arena, nest, parts, 0, now);
  axes panel = find_axes(part, parts, now);
  ATR_TRY(check_size(work, part, &panel));
  for (int d = 0; d < nest->dim_count; d++)
    if (parts->strip[d] != 0 && (nest->dims[d].reduced || !walks_alone(&panel, now[d]) || !walks_alone(&panel, now[d] - 1)))
      return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "lhs cannot be laid out in strips of dim %s, which %s",
                      nest->dims[d].name, nest->dims[d].reduced ? "is reduced" : "does not walk its elements alone");
  for (int i = 0; i < panel.count; i++) {
    const axis *a = &panel.list[i];
    bool shared = (a->dims & (a->dims - 1)) != 0;
    for (int g = 0; g < part->guard_count && a->index < 0 && shared; g++)
      for (int d = 0; d < part->dim_count; d++)
        if ((a->dims >> d & 1) != 0 && part->guards[g].at.coef[d] != 0)
          return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR,
                          "lhs can be packed only where parts divide dim %s, which shares elements with another",
                          part->dims[d].name);
  }
  return ATR_OK;
}

/* Every value of lhs, in a type that the sum may be made of: the sum's own for floats, 16 bits for smaller integers. */
static bool holds(atr_dtype dtype, const atr_nest *nest) {
  bool narrow = nest->lhs_dtype == ATR_S8 || nest->lhs_dtype == ATR_U8;
  bool wide = nest->acc_dtype == ATR_S32 || nest->acc_dtype == ATR_U32;
  return dtype == nest->lhs_dtype || (atr_nest_can_widen(nest, nest->lhs_dtype) && dtype == nest->acc_dtype) ||
         (narrow && wide && dtype == ATR_S16);
}

atr_status atr_parts_check(atr_work *work, const atr_nest *nest, const atr_parts *parts) {
  if (!nest->has_acc)
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "nest %s has no sum: it runs as a whole", nest->name);
  if (!atr_nest_has_points(nest))
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "nest %s is empty: it has no parts", nest->name);
  ATR_TRY(check_blocks(work, nest, parts));
  if (parts->lhs_dtype != ATR_DTYPE_NONE && !holds(parts->lhs_dtype, nest))
    return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "a panel as %s does not hold the %s that nest %s multiplies in %s",
                    atr_dtype_name(parts->lhs_dtype), atr_dtype_name(nest->lhs_dtype), nest->name,
                    atr_dtype_name(nest->acc_dtype));
  return parts->lhs_count > 0 ? check_panel(work, nest, parts) : ATR_OK;
}

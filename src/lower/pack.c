/* pack.c - weights in the order in which the nest reads them.
 *
 * In: a scheduled nest whose rhs is an array of any layout. Out: the nest reading a new buffer whose dimensions are the
 * nest's own dims that rhs depends on, in the nest's order (so the innermost vector is contiguous and the reduction streams),
 * padded to whole tiles; and the nest that fills it, with zeros where a guard fails, unless another nest has asked for the same: the
 * frame of a large window does. */
#include "lower/schedule.h"

/* The fill nest: one dim per dim of rhs, coefficients renumbered by `from` (new dim -> old dim). */
static atr_affine renumber(const atr_affine *affine, const int *from, int count) {
  atr_affine out = {.offset = affine->offset};
  for (int d = 0; d < count; d++) out.coef[d] = affine->coef[from[d]];
  return out;
}

/* Is a question about dims that rhs moves along alone? Then the fill has these, and absent elements are zeros there. */
static bool is_of_rhs(const atr_nest *nest, const atr_affine *at) {
  for (int d = 0; d < nest->dim_count; d++)
    if (at->coef[d] != 0 && nest->rhs.at.coef[d] == 0 && nest->dims[d].extent > 1) return false;
  return true;
}

/* What the buffer holds: 16-bit elements where pairs of integers are multiplied at once, else the convolution's own type or
 * the sum's. */
static atr_dtype packed_dtype(const atr_nest *nest, bool widen) {
  if (widen) return nest->acc_dtype;
  for (int d = 0; d < nest->dim_count; d++)
    if (nest->dims[d].kind == ATR_DIM_DOT && nest->dims[d].extent == 2 && nest->acc_dtype != ATR_F32) return ATR_S16;
  return nest->rhs_dtype;
}

static atr_nest *fill_nest(atr_arena *arena, const atr_nest *nest, const int *from, int count, atr_dtype dtype,
                           const atr_affine *packed) {
  atr_nest *fill = ATR_NEW(arena, atr_nest);
  fill->name = atr_arena_printf(arena, "%s.pack", nest->name);
  for (int d = 0; d < count; d++)
    fill->dims[d] = (atr_dim){.name = nest->dims[from[d]].name,
                              .extent = nest->dims[from[d]].extent,
                              .kind = packed->coef[from[d]] == 0 ? ATR_DIM_PART : ATR_DIM_LOOP};
  fill->dim_count = count;
  atr_expr zero = {.kind = ATR_EXPR_CONST, .dtype = nest->rhs_dtype};
  atr_expr load = {.kind = ATR_EXPR_LOAD, .dtype = nest->rhs_dtype, .args = {atr_nest_add_expr(arena, fill, &zero)}};
  load.access = (atr_access){.buffer = nest->rhs.buffer, .at = renumber(&nest->rhs.at, from, count)};
  load.access.index = ATR_NEW_ARRAY(arena, atr_index, nest->guard_count + nest->rhs.index_count);
  for (int i = 0; i < nest->rhs.index_count; i++) {
    load.access.index[load.access.index_count] = nest->rhs.index[i];
    load.access.index[load.access.index_count++].at = renumber(&nest->rhs.index[i].at, from, count);
  }
  for (int g = 0; g < nest->guard_count; g++) {
    if (!is_of_rhs(nest, &nest->guards[g].at)) continue;
    load.access.index[load.access.index_count++] = (atr_index){
        .at = renumber(&nest->guards[g].at, from, count), .bound = nest->guards[g].bound, .divisor = 1};
  }
  fill->root = atr_nest_add_expr(arena, fill, &load);
  atr_expr convert = {.kind = ATR_EXPR_OP, .op = ATR_OP_CONVERT, .dtype = dtype, .args = {fill->root}};
  if (convert.dtype != load.dtype) fill->root = atr_nest_add_expr(arena, fill, &convert);
  fill->out = (atr_access){.at = renumber(packed, from, count)};
  atr_nest_fold_indices(fill);
  return fill;
}

static bool moves_with_parts(const atr_nest *nest) {
  for (int d = 0; d < nest->dim_count; d++)
    if (nest->dims[d].kind == ATR_DIM_PART && nest->rhs.at.coef[d] != 0) return true;
  return false;
}

/* Questions of rhs that only say whether an element exists are answered once, with zeros; lhs asks them too. */
static bool can_pack(const atr_nest *nest) {
  for (int i = 0; i < nest->rhs.index_count; i++) {
    const atr_index *index = &nest->rhs.index[i];
    if (index->stride != 0 || index->divisor != 1 || index->edge != ATR_EDGE_ZERO || !is_of_rhs(nest, &index->at)) return false;
  }
  return true;
}

/* Do both load the same elements? Nests are alike also where they only start at different places. */
static bool same_elements(const atr_nest *a, const atr_nest *b) {
  const atr_affine *x[ATR_MOST_FORMS], *y[ATR_MOST_FORMS];
  if (!atr_nest_alike(a, b)) return false;
  int count = atr_nest_forms(a, x);
  atr_nest_forms(b, y);
  for (int i = 0; i < count; i++)
    if (x[i]->offset != y[i]->offset) return false;
  return true;
}

/* The buffer that a nest like `fill` has filled; -1: none. */
static int filled_before(const atr_packings *all, const atr_nest *fill) {
  for (int i = 0; i < all->count; i++) {
    atr_nest same = *fill;
    same.out.buffer = all->list[i]->out.buffer;
    if (same_elements(all->list[i], &same)) return same.out.buffer;
  }
  return -1;
}

/* Does one tile read each of its weights, and no other tile? */
static bool reads_once(const atr_nest *nest) {
  for (int d = 0; d < nest->dim_count; d++) {
    const atr_dim *dim = &nest->dims[d];
    bool inside = dim->kind == ATR_DIM_UNROLL || dim->kind == ATR_DIM_VECTOR;
    if (!dim->reduced && !inside && dim->extent > 1 && nest->rhs.at.coef[d] == 0) return false;
  }
  return true;
}

/* Dims of the packed weights from the outside in, as they stand in the nest; *count of them. But where weights are read once they come
 * from memory as fast as they are asked for, and faster in several streams: each vector of a tile has its own, with the reduction inside
 * (24 MB: 15 GB/s in one, 23 in four). */
static void order_weights(const atr_nest *nest, bool part_by_part, int *from, int *count) {
  bool once = reads_once(nest);
  *count = 0;
  for (int inside = 0; inside < 2; inside++)
    for (int d = 0; d < nest->dim_count; d++) {
      const atr_dim *dim = &nest->dims[d];
      bool behind = once && (dim->reduced || dim->kind == ATR_DIM_VECTOR), wanted = part_by_part && dim->kind == ATR_DIM_PART;
      if (behind == (inside == 1) && (wanted || nest->rhs.at.coef[d] != 0)) from[(*count)++] = d;
    }
}

/* Constant weights are packed once for all nests that want them alike. Those that are packed in every run are not held from one
 * nest to another, so that each adds no more scratch than it may, and are packed part by part: by a nest of the same group, so with
 * all its PART dims. */
atr_nest *atr_nest_pack_rhs(atr_arena *arena, atr_program *program, atr_packings *all, atr_nest *nest, bool widen,
                            bool constant) {
  int from[ATR_MAX_DIMS], count = 0;
  int64_t elements = 1;
  atr_affine packed = {0};
  bool part_by_part = !constant && moves_with_parts(nest);
  order_weights(nest, part_by_part, from, &count);
  if (count == 0 || !can_pack(nest)) return NULL;
  for (int i = count - 1; i >= 0; i--) {
    if (part_by_part && nest->dims[from[i]].kind == ATR_DIM_PART) continue;
    packed.coef[from[i]] = elements;
    elements *= nest->dims[from[i]].extent;
  }
  if (elements <= 1) return NULL; /* of one there is no order */
  atr_dtype dtype = packed_dtype(nest, widen);
  atr_nest *fill = fill_nest(arena, nest, from, count, dtype, &packed);
  int number = constant ? filled_before(all, fill) : -1;
  bool found = number >= 0;
  if (!found) {
    atr_buffer buffer = {.name = atr_arena_printf(arena, "%s.%s", nest->name, "rhs"),
                         .kind = ATR_BUFFER_TEMP,
                         .dtype = dtype,
                         .elements = elements};
    fill->out.buffer = number = atr_program_new_buffer(arena, program, &buffer);
  }
  if (!found && constant) {
    ATR_RESERVE(arena, all->list, all->count, all->capacity);
    all->list[all->count++] = atr_nest_copy(arena, fill);
  }
  nest->rhs = (atr_access){.buffer = number, .at = packed, .padded = true};
  if (widen) nest->rhs_dtype = dtype;
  return found ? NULL : fill;
}

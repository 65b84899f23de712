/* widen.c - lhs converted to the dtype of the sum once, instead of at every use.
 *
 * In: a scheduled nest whose lhs is narrower than its sum. Out: the nest reading a new buffer that holds the same elements in
 * the sum's dtype, and the nest that fills it:
 *
 *     %1 = load x[i] bf16
 *     %2 = convert f32 %1
 *     store y.lhs[i] %2
 *
 * That is what the sum's definition says, so no bit changes. Nests that read the same elements of one buffer, as the phases of
 * a transposed convolution do, share what the first of them has filled. */
#include "base/checked.h"
#include "lower/nest_bounds.h"
#include "lower/schedule.h"

/* Elements that lhs reads; all of the buffer where they are most of it, because other nests may read the rest. */
static bool elements_read(atr_arena *arena, const atr_program *program, const atr_nest *nest, atr_widening *w) {
  int64_t elements = program->buffers[nest->lhs.buffer].elements;
  atr_reach reach = atr_access_reach(arena, nest, &nest->lhs, elements);
  if (reach.never) return false;
  int64_t first = atr_max(reach.min, 0), last = atr_min(reach.max, elements - 1);
  if (last < first) return false;
  bool most = (last - first + 1) / 3 >= elements / 4;
  *w = (atr_widening){.source = nest->lhs.buffer,
                      .as = nest->lhs_dtype,
                      .to = nest->acc_dtype,
                      .first = most ? 0 : first,
                      .count = most ? elements : last - first + 1};
  return true;
}

/* All that writes to a buffer comes before what reads it, so what was converted once stays right. */
static bool holds(const atr_widening *have, const atr_widening *want) {
  return have->source == want->source && have->as == want->as && have->to == want->to && have->first <= want->first &&
         want->first + want->count <= have->first + have->count;
}

static atr_nest *fill_nest(atr_arena *arena, const atr_nest *nest, const atr_widening *w) {
  atr_nest *fill = ATR_NEW(arena, atr_nest);
  fill->name = atr_arena_printf(arena, "%s.widen", nest->name);
  fill->dims[0] = (atr_dim){.name = "i", .extent = w->count};
  fill->dim_count = 1;
  atr_expr load = {.kind = ATR_EXPR_LOAD, .dtype = w->as, .access = {.buffer = w->source}};
  load.access.at = (atr_affine){.offset = w->first, .coef = {1}};
  atr_expr convert = {.kind = ATR_EXPR_OP, .op = ATR_OP_CONVERT, .dtype = w->to};
  convert.args[0] = atr_nest_add_expr(arena, fill, &load);
  fill->root = atr_nest_add_expr(arena, fill, &convert);
  fill->out = (atr_access){.buffer = w->buffer, .at = {.coef = {1}}};
  return fill;
}

atr_nest *atr_nest_widen_lhs(atr_arena *arena, atr_program *program, atr_widenings *all, atr_nest *nest) {
  atr_widening want;
  atr_nest *fill = NULL;
  int found = 0;
  if (!elements_read(arena, program, nest, &want)) return NULL;
  while (found < all->count && !holds(&all->list[found], &want)) found++;
  if (found == all->count) {
    atr_buffer buffer = {.name = atr_arena_printf(arena, "%s.%s", nest->name, "lhs"),
                         .kind = ATR_BUFFER_TEMP,
                         .dtype = want.to,
                         .elements = want.count};
    want.buffer = atr_program_new_buffer(arena, program, &buffer);
    ATR_RESERVE(arena, all->list, all->count, all->capacity);
    all->list[all->count++] = want;
    fill = fill_nest(arena, nest, &want);
  }
  nest->lhs.buffer = all->list[found].buffer;
  nest->lhs.at.offset -= all->list[found].first;
  nest->lhs_dtype = want.to;
  return fill;
}

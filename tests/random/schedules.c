/* schedules.c - see schedules.h. */
#include "schedules.h"

#include <stdlib.h>
#include <string.h>

#include "ir/explicit_pad.h"
#include "base/checked.h"
#include "codegen/llvm.h"
#include "lower/canonical.h"
#include "lower/parts.h"
#include "lower/simplify.h"

typedef struct drawing {
  rng *r;
  const atr_nest *nest;
  int64_t outer[ATR_MAX_DIMS]; /* what the pieces drawn so far leave of each dim */
  bool small;                  /* keep the code of one tile small: long compilations test nothing new */
} drawing;

static int64_t pick_lanes(rng *r) {
  static const int64_t usual[] = {2, 4, 4, 8, 8, 8, 16, 16, 32, 3, 5, 7};
  return RNG_PICK(r, usual);
}

/* Pieces "name:extent" of a section, for dims in random order, while their product stays below `limit`. */
static void inner_pieces(drawing *d, atr_text *text, const char *section, int64_t limit, bool vector) {
  int order[ATR_MAX_DIMS], pieces = 0;
  int64_t product = 1;
  rng_permutation(d->r, d->nest->dim_count, order);
  for (int i = 0; i < d->nest->dim_count; i++) {
    const atr_dim *dim = &d->nest->dims[order[i]];
    if ((vector && dim->reduced) || dim->kind == ATR_DIM_PART) continue;
    if (!rng_chance(d->r, vector ? 2 : 1, vector ? 3 : 2) || (vector && pieces >= 2)) continue;
    int64_t extent = vector ? pick_lanes(d->r) : rng_range(d->r, 2, 6);
    int64_t left = d->outer[order[i]];
    if (dim->reduced && left % extent != 0 && !rng_chance(d->r, 1, 4)) continue;
    if (extent > 2 * left && rng_chance(d->r, 3, 4)) continue; /* mostly idle lanes */
    if (product * extent > limit) continue;
    atr_text_printf(text, "%s %s:%lld", pieces == 0 ? section : "", dim->name, (long long)extent);
    product *= extent;
    d->outer[order[i]] = (left + extent - 1) / extent;
    pieces++;
  }
  if (pieces > 0) atr_text_puts(text, "; ");
}

/* Pieces of a section of looped dims. Outermost ones by name: some of those that are left, the reader completes the rest; and
 * behind them cache tiles, drawn before as `tiles`. */
static void outer_pieces(drawing *d, atr_text *text, const char *section, bool reduced, const atr_text *tiles) {
  int order[ATR_MAX_DIMS], pieces = 0;
  rng_permutation(d->r, d->nest->dim_count, order);
  for (int i = 0; i < d->nest->dim_count; i++) {
    const atr_dim *dim = &d->nest->dims[order[i]];
    if (dim->reduced != reduced || d->outer[order[i]] < 0 || !rng_chance(d->r, 2, 3)) continue;
    atr_text_printf(text, "%s %s", pieces++ == 0 ? section : "", dim->name);
    d->outer[order[i]] = -1; /* has its outermost piece */
  }
  if (tiles->len > 0) atr_text_printf(text, "%s%s", pieces++ == 0 ? section : "", tiles->data);
  if (pieces > 0) atr_text_puts(text, "; ");
}

static void cache_tiles(drawing *d, atr_text *text, bool reduced) {
  for (int i = 0; i < d->nest->dim_count; i++) {
    int64_t left = d->outer[i], extent = rng_range(d->r, 2, 5);
    if (d->nest->dims[i].reduced != reduced || left < 2 || !rng_chance(d->r, 1, 5)) continue;
    atr_text_printf(text, " %s:%lld", d->nest->dims[i].name, (long long)extent);
    d->outer[i] = (left + extent - 1) / extent;
  }
}

/* A pair or four of a reduced dim in one instruction, where the nest allows it, and seldom where it does not. */
static void dot_piece(drawing *d, atr_text *text) {
  for (int i = 0; i < d->nest->dim_count; i++) {
    const atr_dim *dim = &d->nest->dims[i];
    int64_t extent = dim->extent % 4 == 0 && rng_chance(d->r, 1, 2) ? 4 : 2;
    bool legal = dim->reduced && dim->extent % extent == 0 && dim->extent > 0 && atr_nest_can_dot(d->nest, i, extent);
    if (!rng_chance(d->r, legal ? 20 : 1, legal ? 30 : 600)) continue;
    atr_text_printf(text, "dot %s:%lld; ", dim->name, (long long)extent);
    d->outer[i] /= extent;
    return;
  }
}

/* Operands converted beforehand, where the nest allows it, and seldom where it does not. */
static void widen_operands(drawing *d, atr_text *text, bool packs, bool dot) {
  bool lhs = atr_nest_can_widen(d->nest, d->nest->lhs_dtype) && !dot,
       rhs = atr_nest_can_widen(d->nest, d->nest->rhs_dtype) && !dot && packs;
  lhs = rng_chance(d->r, lhs ? 15 : 1, lhs ? 30 : 600);
  rhs = rng_chance(d->r, rhs ? 15 : 1, rhs ? 30 : 600);
  if (lhs || rhs) atr_text_printf(text, "widen%s%s; ", lhs ? " lhs" : "", rhs ? " rhs" : "");
}

/* Inner sections are drawn first, because outer pieces are what they leave, and written last. */
static void draw_schedule(drawing *d, atr_arena *arena, atr_text *text) {
  atr_text inner = atr_text_make(arena), vector = atr_text_make(arena), loops = atr_text_make(arena),
           reduced = atr_text_make(arena), none = atr_text_make(arena), dot = atr_text_make(arena);
  if (d->nest->has_acc) dot_piece(d, &dot);
  if (rng_chance(d->r, 4, 5)) inner_pieces(d, &vector, "vector", d->small ? 16 : rng_chance(d->r, 1, 30) ? 256 : 64, true);
  if (rng_chance(d->r, 4, 5)) inner_pieces(d, &inner, "unroll", d->small ? 8 : 24, false);
  cache_tiles(d, &loops, false);
  cache_tiles(d, &reduced, true);
  outer_pieces(d, text, "parallel", false, &none);
  outer_pieces(d, text, "loop", false, &loops);
  outer_pieces(d, text, "reduce", true, &reduced);
  const atr_text *last[] = {&inner, &vector, &dot};
  for (int i = 0; i < 3; i++)
    if (last[i]->len > 0) atr_text_puts(text, last[i]->data);
  if (!d->nest->has_acc) return;
  bool packs = rng_chance(d->r, 1, 2);
  widen_operands(d, text, packs, dot.len > 0);
  if (packs) atr_text_puts(text, "pack rhs; ");
  if (rng_chance(d->r, 1, 10)) atr_text_puts(text, "prefetch lhs; ");
  if (rng_chance(d->r, d->nest->continues ? 1 : 20, 200)) atr_text_puts(text, "prefetch out");
}

/* Blocks for some dims and, half the time, a panel, at times in strips; often illegal ones, which the caller refuses. */
static atr_parts draw_parts(rng *r, const atr_nest *nest) {
  atr_parts parts = {.lhs_count = 0};
  int order[ATR_MAX_DIMS];
  for (int d = 0; d < nest->dim_count; d++) {
    int64_t extent = nest->dims[d].extent;
    if (extent < 2 || !rng_chance(r, 1, 3)) continue;
    parts.block[d] = rng_range(r, 1, (int)atr_min(extent - 1, 20));
    while (nest->dims[d].reduced && extent % parts.block[d] != 0) parts.block[d]--;
  }
  rng_permutation(r, nest->dim_count, order);
  for (int i = 0; i < nest->dim_count && rng_chance(r, 1, 2); i++) {
    int d = parts.lhs[parts.lhs_count++] = order[i];
    int64_t indices = parts.block[d] != 0 ? parts.block[d] : nest->dims[d].extent;
    bool alone = !nest->dims[d].reduced && nest->lhs.at.coef[d] != 0 && !atr_access_asks(&nest->lhs, d);
    if (indices < 3 || !rng_chance(r, alone ? 20 : 1, alone ? 30 : 100)) continue;
    parts.strip[d] = rng_range(r, 1, (int)atr_min(indices - 1, 20));
    while (parts.block[d] != 0 && indices % parts.strip[d] != 0) parts.strip[d]--;
  }
  bool narrow = nest->lhs_dtype == ATR_S8 || nest->lhs_dtype == ATR_U8;
  if (parts.lhs_count > 0 && rng_chance(r, 1, 2)) parts.lhs_dtype = narrow ? ATR_S16 : nest->acc_dtype;
  return parts;
}

/* The nest over one part, and how it came about in front of its schedule; the nest itself where it stays whole. */
static const atr_nest *draw_split(rng *r, atr_arena *arena, const atr_program *program, const atr_nest *nest) {
  atr_work work = {.arena = arena};
  atr_parts parts = draw_parts(r, nest);
  if (!nest->has_acc || !rng_chance(r, 1, 3) || atr_parts_check(&work, nest, &parts) != ATR_OK) return nest;
  atr_program *split = atr_program_without_nests(arena, program);
  atr_nest_split_parts(arena, split, nest, &parts);
  for (int n = 0; n < split->nest_count; n++)
    if (split->nests[n]->has_acc) nest = split->nests[n];
  return nest;
}

static void draw_nest(rng *r, atr_arena *arena, const atr_program *program, const atr_target *target, atr_nest *nest,
                      bool small, atr_text *text) {
  atr_nest_collapse(arena, nest, target);
  drawing d = {.r = r, .nest = draw_split(r, arena, program, nest), .small = small};
  for (int i = 0; i < d.nest->dim_count; i++) d.outer[i] = d.nest->dims[i].kind == ATR_DIM_PART ? -1 : d.nest->dims[i].extent;
  atr_text_printf(text, "%s: ", nest->name);
  if (d.nest->schedule != NULL) atr_text_printf(text, "%s; ", d.nest->schedule);
  draw_schedule(&d, arena, text);
  atr_text_puts(text, "\n");
}

/* The nests that are scheduled in a nest's place, but for their collapse. */
static const atr_program *split_nest(atr_arena *arena, const atr_program *program, const atr_nest *nest,
                                     const atr_target *target) {
  atr_program *phases = atr_program_without_nests(arena, program), *out = atr_program_without_nests(arena, program);
  atr_nest_split_residues(arena, nest, phases);
  for (int n = 0; n < phases->nest_count; n++) atr_nest_split_frame(arena, phases->nests[n], target, out);
  return out;
}

static atr_status select_target(atr_work *work, const atr_compile_options *options, atr_target *out) {
  const char *triple, *cpu, *features;
  atr_llvm_host(work->arena, &triple, &cpu, &features);
  if (options->triple != NULL) triple = options->triple, cpu = options->cpu, features = options->features;
  return atr_target_select(work, triple, cpu != NULL ? cpu : atr_target_default_cpu(triple), features != NULL ? features : "",
                           out);
}

static atr_status draw_module(rng *r, atr_work *work, const atr_module *module, const atr_compile_options *options,
                              atr_text *text) {
  atr_program *program;
  atr_module *padded;
  atr_target target;
  bool multiply_padding = options->multiply_padding;
  ATR_TRY(select_target(work, options, &target));
  if (multiply_padding) {
    ATR_TRY(atr_module_explicit_padding(work, module, &padded));
    module = padded;
  }
  ATR_TRY(atr_lower_canonical(work, module, !multiply_padding, &program));
  for (int n = 0; n < program->nest_count; n++) {
    const atr_program *nests = split_nest(work->arena, program, program->nests[n], &target);
    for (int p = 0; p < nests->nest_count; p++)
      if (nests->nests[p]->has_acc || rng_chance(r, 1, 3))
        draw_nest(r, work->arena, program, &target, nests->nests[p], nests->nest_count > 6, text);
  }
  return ATR_OK;
}

char *schedules_random(rng *r, const atr_module *module, const atr_compile_options *options) {
  atr_arena arena;
  atr_arena_init(&arena, atr_default_realloc, NULL);
  if (setjmp(arena.guard) != 0) {
    atr_arena_fini(&arena);
    return NULL;
  }
  atr_work work = {.arena = &arena};
  atr_text text = atr_text_make(&arena);
  char *out = NULL;
  if (draw_module(r, &work, module, options, &text) == ATR_OK && text.len > 0) out = strdup(text.data);
  atr_arena_fini(&arena);
  return out;
}

/* llvm_tile.c - one tile: accumulators, multiply-accumulate, epilogue and store.
 *
 * In: the current place of the loop tree. Out: straight code over all unrolled points, each point one vector. Accumulators
 * are stack slots in the entry block, which LLVM's sroa pass turns into registers. A point whose lanes are all absent emits
 * nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "codegen/llvm_internal.h"

static const double RARE = 0.125; /* of a nest's points */
enum { SPILLED = 1 };             /* vectors that may be, for others to stay in registers */
enum { MOST_AHEAD = 64 };         /* lines of one step's lhs that are asked for: no cache has more under way */

void atr_llvm_list_unrolled(atr_emitter *e) {
  e->unrolled_count[0] = e->unrolled_count[1] = 0;
  for (int d = 0; d < e->nest->dim_count; d++) {
    bool reduced = e->nest->dims[d].reduced;
    if (e->nest->dims[d].kind == ATR_DIM_UNROLL && d != e->rolled) e->unrolled[reduced][e->unrolled_count[reduced]++] = d;
  }
}

int64_t atr_llvm_points(const atr_emitter *e, int reduced) {
  int64_t points = 1;
  for (int i = 0; i < e->unrolled_count[reduced]; i++) points *= e->nest->dims[e->unrolled[reduced][i]].extent;
  return points;
}

/* Sets the unrolled dims of one kind in `point` to the n-th point, the last dim fastest. */
static void set_point(const atr_emitter *e, int reduced, int64_t n, int64_t *point) {
  for (int i = e->unrolled_count[reduced] - 1; i >= 0; i--) {
    int d = e->unrolled[reduced][i];
    point[d] = n % e->nest->dims[d].extent;
    n /= e->nest->dims[d].extent;
  }
}

static bool all_valid(const atr_lanes *lanes) {
  for (int l = 0; l < lanes->count; l++)
    if (!lanes->valid[l]) return false;
  return true;
}

static bool is_complex(atr_dtype dtype) { return atr_dtype_class_of(dtype) == ATR_CLASS_COMPLEX; }

/* The first unrolled independent point that reads the same of rhs as the n-th. */
static int64_t first_of_rhs(const atr_emitter *e, int64_t n) {
  int64_t first = 0, stride = 1;
  for (int i = e->unrolled_count[0] - 1; i >= 0; i--) {
    int64_t extent = e->nest->dims[e->unrolled[0][i]].extent;
    if (atr_access_step(&e->nest->rhs, e->unrolled[0][i]) != 0) first += n % extent * stride;
    n /= extent;
    stride *= extent;
  }
  return first;
}

void atr_llvm_prepare_tile(atr_emitter *e) {
  e->acc = e->excess = NULL;
  e->mask_count = 0;
  if (!e->nest->has_acc) return;
  int64_t points = atr_llvm_points(e, 0);
  LLVMTypeRef type = atr_llvm_vector_type(e, e->nest->acc_dtype);
  e->acc = ATR_NEW_ARRAY(e->work->arena, LLVMValueRef, 2 * points);
  for (int64_t i = 0; i < points; i++) {
    e->acc[2 * i] = LLVMBuildAlloca(e->b, type, "acc");
    if (is_complex(e->nest->acc_dtype)) e->acc[2 * i + 1] = LLVMBuildAlloca(e->b, type, "acc.im");
  }
  if (!atr_llvm_is_biased(e)) return;
  e->excess = ATR_NEW_ARRAY(e->work->arena, LLVMValueRef, points);
  for (int64_t i = 0; i < points; i++)
    if (first_of_rhs(e, i) == i) e->excess[i] = LLVMBuildAlloca(e->b, type, "excess");
}

static atr_vec load_acc(atr_emitter *e, int64_t n) {
  LLVMTypeRef type = atr_llvm_vector_type(e, e->nest->acc_dtype);
  atr_vec v = {LLVMBuildLoad2(e->b, type, e->acc[2 * n], ""), NULL};
  if (e->acc[2 * n + 1] != NULL) v.im = LLVMBuildLoad2(e->b, type, e->acc[2 * n + 1], "");
  return v;
}

static void store_acc(atr_emitter *e, int64_t n, atr_vec v) {
  LLVMBuildStore(e->b, v.re, e->acc[2 * n]);
  if (e->acc[2 * n + 1] != NULL) LLVMBuildStore(e->b, v.im, e->acc[2 * n + 1]);
}

static LLVMValueRef load_excess(atr_emitter *e, int64_t first) {
  return LLVMBuildLoad2(e->b, atr_llvm_vector_type(e, e->nest->acc_dtype), e->excess[first], "");
}

/* The n-th sum, when all terms are in it. */
static atr_vec whole_sum(atr_emitter *e, int64_t n) {
  atr_vec sum = load_acc(e, n);
  if (e->excess != NULL) sum.re = LLVMBuildSub(e->b, sum.re, load_excess(e, first_of_rhs(e, n)), "");
  return sum;
}

/* What earlier parts have left of accumulator n's sums. */
static atr_vec load_continued(atr_emitter *e, LLVMValueRef base, int64_t n) {
  int64_t point[ATR_MAX_DIMS] = {0};
  atr_dtype dtype = e->nest->acc_dtype;
  atr_lanes lanes;
  set_point(e, 0, n, point);
  atr_llvm_lanes(e, &e->nest->out, point, &lanes);
  return atr_llvm_load(e, ATR_ACCESS_OUT, &e->nest->out, base, &lanes, point, dtype, dtype);
}

/* Is this code for a small part of the points, as at the edges? */
static bool is_rare(const atr_emitter *e) {
  double share = 1;
  for (int d = 0; d < e->nest->dim_count; d++) {
    const atr_dim *dim = &e->nest->dims[d];
    if (!dim->reduced && dim->kind != ATR_DIM_UNROLL && dim->kind != ATR_DIM_VECTOR && dim->extent > 0)
      share *= (double)(e->box.hi[d] - e->box.lo[d]) / (double)dim->extent;
  }
  return share <= RARE;
}

/* A rare tile loops over the outermost of its unrolled taps: there is less to compile, and terms are added in the same order. Not over
 * taps that may be absent, each of which has code of its own. */
static int dim_to_roll(const atr_emitter *e) {
  if (!is_rare(e)) return -1;
  for (int i = 0; i < e->unrolled_count[1]; i++) {
    int d = e->unrolled[1][i];
    if (atr_nest_shares_lhs(e->nest, d)) continue; /* inside the others */
    return atr_access_asks(&e->nest->lhs, d) || atr_access_asks(&e->nest->rhs, d) ? -1 : d;
  }
  return -1;
}

static void roll(atr_emitter *e, int d) {
  e->rolled = d;
  atr_llvm_list_unrolled(e);
}

/* Into the nearest cache what is to be written, into the second what is to be read. */
static void prefetch(atr_emitter *e, LLVMValueRef address, bool write) {
  LLVMValueRef data = LLVMConstInt(e->i32, 1, false), near = LLVMConstInt(e->i32, write ? 3 : 2, false);
  LLVMValueRef args[] = {address, LLVMConstInt(e->i32, write, false), near, data};
  atr_llvm_intrinsic(e, "llvm.prefetch", LLVMTypeOf(address), args, 4);
}

/* Lines of an array, by the first element of each that is accessed, as far as offsets tell. */
typedef struct line_list {
  int64_t *first, count;
} line_list;

/* Those of `reduced` unrolled points of the sum, 1 where it does not move the access, and all independent ones. */
static line_list list_lines(atr_emitter *e, const atr_access *access, int64_t reduced) {
  int64_t point[ATR_MAX_DIMS] = {0}, points = atr_llvm_points(e, 0), most = e->lanes * points * reduced, count = 0;
  line_list out = {ATR_NEW_ARRAY(e->work->arena, int64_t, most), 0};
  int64_t line = ATR_CACHE_LINE / (int64_t)atr_dtype_size(e->program->buffers[access->buffer].dtype), last = INT64_MIN / 2;
  for (int64_t i = 0; i < reduced * points; i++) {
    atr_lanes lanes;
    set_point(e, 1, i / points, point);
    set_point(e, 0, i % points, point);
    atr_llvm_lanes(e, access, point, &lanes);
    for (int l = 0; l < lanes.count; l++)
      if (lanes.valid[l]) out.first[count++] = lanes.offset[l];
  }
  qsort(out.first, (size_t)count, sizeof *out.first, atr_compare_int64);
  for (int64_t i = 0; i < count; i++)
    if (out.first[i] >= last + line) out.first[out.count++] = last = out.first[i];
  return out;
}

/* Asks for the lines that the tile will store to. */
static void prefetch_results(atr_emitter *e) {
  const atr_access *out = &e->nest->out;
  line_list lines = list_lines(e, out, 1);
  LLVMValueRef base = atr_llvm_base(e, ATR_ACCESS_OUT, out);
  for (int64_t i = 0; i < lines.count; i++)
    prefetch(e, atr_llvm_moved(e, out->buffer, base, atr_llvm_index(e, lines.first[i])), true);
}

static bool goes_from_tile_to_tile(const atr_dim *dim) {
  return (dim->kind == ATR_DIM_PARALLEL || dim->kind == ATR_DIM_LOOP) && !dim->reduced && dim->extent > 1;
}

/* The i-th line of those in a list, i a number in the code; behind the last one that one. */
static LLVMValueRef pick_line(atr_emitter *e, const line_list *lines, LLVMValueRef i) {
  LLVMValueRef *first = ATR_NEW_ARRAY(e->work->arena, LLVMValueRef, lines->count), last = atr_llvm_index(e, lines->count - 1);
  for (int64_t l = 0; l < lines->count; l++) first[l] = atr_llvm_index(e, lines->first[l]);
  i = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, i, last, ""), i, last, "");
  return LLVMBuildExtractElement(e->b, LLVMConstVector(first, (unsigned)lines->count), i, "");
}

/* Asks for some lines of lhs that this step of the sum will read when the innermost loop that moves lhs from tile to tile is one iteration
 * further. The tiles of the loops inside, which read the same, share them out: the first ones, where they are more tiles than lines. */
static void prefetch_lhs(atr_emitter *e, LLVMValueRef base) {
  const atr_nest *nest = e->nest;
  atr_affine tile = {.offset = 0};
  int64_t tiles = 1;
  int d = nest->dim_count - 1;
  for (; d >= 0 && !(goes_from_tile_to_tile(&nest->dims[d]) && atr_access_step(&nest->lhs, d) != 0); d--) {
    if (!goes_from_tile_to_tile(&nest->dims[d])) continue;
    tile.coef[d] = tiles;
    tiles *= nest->dims[d].extent;
  }
  if (d < 0) return;
  line_list lines = list_lines(e, &nest->lhs, atr_llvm_points(e, 1));
  lines.count = atr_min(lines.count, MOST_AHEAD);
  int64_t each = atr_ceil_div(lines.count, tiles);
  LLVMValueRef first = LLVMBuildNSWMul(e->b, atr_llvm_affine(e, &tile), atr_llvm_index(e, each), "");
  base = atr_llvm_moved(e, nest->lhs.buffer, base, atr_llvm_index(e, atr_access_step(&nest->lhs, d)));
  for (int64_t i = 0; i < each; i++) {
    LLVMValueRef line = pick_line(e, &lines, LLVMBuildNSWAdd(e->b, first, atr_llvm_index(e, i), ""));
    prefetch(e, atr_llvm_moved(e, nest->lhs.buffer, base, line), false);
  }
}

void atr_llvm_tile_begin(atr_emitter *e) {
  if (!e->nest->has_acc) return;
  roll(e, dim_to_roll(e));
  if (e->nest->prefetch_out) prefetch_results(e);
  atr_vec zero = atr_llvm_constant(e, e->nest->acc_dtype, (atr_scalar){0, 0, 0});
  LLVMValueRef base = e->nest->continues ? atr_llvm_base(e, ATR_ACCESS_OUT, &e->nest->out) : NULL;
  atr_llvm_forget_loads(e);
  for (int64_t n = 0; n < atr_llvm_points(e, 0); n++) {
    store_acc(e, n, base != NULL ? load_continued(e, base, n) : zero);
    if (e->excess != NULL && e->excess[n] != NULL) LLVMBuildStore(e->b, zero.re, e->excess[n]);
  }
}

/* ---- multiply-accumulate */

typedef struct mac_bases {
  LLVMValueRef lhs, rhs;
} mac_bases;

/* A mask of lanes whose bits LLVM does not know: it comes out of an instruction of no instructions at the function's beginning. */
static LLVMValueRef hide_mask(atr_emitter *e, uint64_t bits) {
  LLVMTypeRef narrow = LLVMIntTypeInContext(e->context, (unsigned)e->lanes), word = e->lanes <= 32 ? e->i32 : e->i64;
  LLVMTypeRef same = LLVMFunctionType(word, &word, 1, false);
  LLVMValueRef number = LLVMConstInt(word, bits, false);
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b), entry = LLVMGetEntryBasicBlock(e->function);
  LLVMPositionBuilderBefore(e->b, LLVMGetFirstInstruction(entry));
  LLVMValueRef hidden = atr_llvm_assembly(e, same, "", "=r,0", false, &number);
  if (narrow != word) hidden = LLVMBuildTrunc(e->b, hidden, narrow, "");
  hidden = LLVMBuildBitCast(e->b, hidden, LLVMVectorType(e->i1, (unsigned)e->lanes), "mask");
  LLVMPositionBuilderAtEnd(e->b, here);
  return hidden;
}

/* Lanes of a sum that have a term. Where masks have registers, the choice between the sums after and before the term is part of the
 * multiply-add; but LLVM, where it knows the mask, makes it an instruction of its own. */
static LLVMValueRef mask_of_terms(atr_emitter *e, const bool *valid) {
  if (!e->target->row->masks) return atr_llvm_mask(e, valid);
  uint64_t bits = 0;
  for (int l = 0; l < e->lanes; l++) bits |= (uint64_t)valid[l] << l;
  for (int i = 0; i < e->mask_count; i++)
    if (e->masks[i].bits == bits) return e->masks[i].mask;
  LLVMValueRef mask = hide_mask(e, bits);
  ATR_RESERVE(e->work->arena, e->masks, e->mask_count, e->mask_capacity);
  e->masks[e->mask_count++] = (atr_hidden_mask){bits, mask};
  return mask;
}

/* One multiply-accumulate of the block: unrolled reduced point r, accumulator n. */
typedef struct mac_step {
  int64_t r, n;
  int64_t group, shared; /* order of emission: taps, then the operand element whose uses follow each other */
} mac_step;

/* Products of fours. Where lhs is biased an absent term is one of lhs 0, like all others: then every sum of a step has the same too
 * much, which `excess` adds up; NULL: another has. */
static atr_vec dot_point(atr_emitter *e, const mac_bases *bases, const int64_t *point, LLVMValueRef exists, atr_vec sum,
                         LLVMValueRef *excess) {
  const atr_nest *nest = e->nest;
  atr_dot_factor a = atr_llvm_load_factor(e, ATR_ACCESS_LHS, &nest->lhs, bases->lhs, point, nest->lhs_dtype);
  atr_dot_factor b = atr_llvm_load_factor(e, ATR_ACCESS_RHS, &nest->rhs, bases->rhs, point, nest->rhs_dtype);
  if (e->excess != NULL) {
    atr_dot_factor none = {.word = atr_llvm_biased(e, LLVMConstNull(LLVMTypeOf(a.word)))};
    a.word = atr_llvm_biased(e, a.word);
    if (exists != NULL) a.word = LLVMBuildSelect(e->b, exists, a.word, none.word, "");
    if (excess != NULL) *excess = atr_llvm_dot_add(e, none, b, (atr_vec){*excess, NULL}).re;
    return atr_llvm_dot_add(e, a, b, sum);
  }
  atr_vec after = atr_llvm_dot_add(e, a, b, sum);
  return exists != NULL ? atr_llvm_select(e, exists, after, sum) : after;
}

/* sum: of the step's accumulator. */
static void mac_point(atr_emitter *e, const mac_bases *bases, const mac_step *step, atr_vec *sum, LLVMValueRef *excess) {
  const atr_nest *nest = e->nest;
  int64_t point[ATR_MAX_DIMS] = {0};
  atr_lanes out, l, r;
  set_point(e, 1, step->r, point);
  set_point(e, 0, step->n, point);
  atr_llvm_lanes(e, &nest->out, point, &out);
  atr_llvm_lanes(e, &nest->lhs, point, &l);
  bool partial = false;
  for (int lane = 0; lane < l.count; lane++) partial |= out.valid[lane] && !l.valid[lane];
  LLVMValueRef exists = partial ? mask_of_terms(e, l.valid) : NULL;
  if (e->dot >= 0) {
    *sum = dot_point(e, bases, point, exists, *sum, excess);
    return;
  }
  atr_lanes_share(&l);
  atr_llvm_lanes(e, &nest->rhs, point, &r);
  if (nest->rhs.index_count == 0) atr_lanes_share(&r); /* else a lane without an element has a factor of zero */
  atr_vec a = atr_llvm_load(e, ATR_ACCESS_LHS, &nest->lhs, bases->lhs, &l, point, nest->lhs_dtype, nest->acc_dtype);
  atr_dtype factor = is_complex(nest->rhs_dtype) ? nest->acc_dtype : atr_dtype_real(nest->acc_dtype);
  atr_vec b = atr_llvm_load(e, ATR_ACCESS_RHS, &nest->rhs, bases->rhs, &r, point, nest->rhs_dtype, factor);
  atr_vec after = atr_llvm_multiply_add(e, nest->acc_dtype, a, b, *sum);
  /* An absent term contributes nothing, also where the other factor is not finite. Lanes that are never stored may hold
   * anything. */
  *sum = partial ? atr_llvm_select(e, exists, after, *sum) : after;
}

static int compare_steps(const void *a, const void *b) {
  const mac_step *x = a, *y = b;
  if (x->group != y->group) return x->group < y->group ? -1 : 1;
  if (x->shared != y->shared) return x->shared < y->shared ? -1 : 1;
  if (x->r != y->r) return x->r < y->r ? -1 : 1;
  return (x->n > y->n) - (x->n < y->n);
}

/* Vectors of an operand that the unrolled copies of independent dims read at one tap. */
static int64_t copies_of(const atr_emitter *e, const atr_access *access) {
  int64_t copies = 1;
  for (int i = 0; i < e->unrolled_count[0]; i++)
    if (atr_access_step(access, e->unrolled[0][i]) != 0) copies *= e->nest->dims[e->unrolled[0][i]].extent;
  return copies;
}

/* Where the first lane's element lies among those of the unrolled copies, or would, if it existed: so the terms of a sum are in the same
 * order at the edges as elsewhere, and whatever the lanes are. */
static int64_t place_of(const atr_emitter *e, const atr_access *access, const int64_t *point) {
  int64_t place = 0;
  for (int set = 0; set < 2; set++)
    for (int i = 0; i < e->unrolled_count[set]; i++)
      place += point[e->unrolled[set][i]] * atr_access_step(access, e->unrolled[set][i]);
  return place;
}

static void note_lhs(atr_emitter *e, const atr_lanes *lanes) {
  for (int lane = 0; lane < lanes->count; lane++) {
    if (!lanes->valid[lane]) continue;
    e->lhs_first = atr_min(e->lhs_first, lanes->offset[lane]);
    e->lhs_last = atr_max(e->lhs_last, lanes->offset[lane]);
  }
}

static bool has_lanes(atr_emitter *e, const atr_access *access, const int64_t *point) {
  atr_lanes lanes;
  atr_llvm_lanes(e, access, point, &lanes);
  return atr_lanes_any(&lanes);
}

/* Does any accumulator have a term at the unrolled reduced point that is set in `point`? */
static bool any_term(atr_emitter *e, int64_t *point) {
  for (int64_t n = 0; n < atr_llvm_points(e, 0); n++) {
    set_point(e, 0, n, point);
    if (has_lanes(e, &e->nest->out, point) && has_lanes(e, &e->nest->lhs, point)) return true;
  }
  return false;
}

/* The reduced dims that share lhs run inside the others, and there all uses of one lhs vector follow each other, so that it
 * need not stay in a register while the other taps are worked on. Without such dims it is the vectors of the larger operand
 * that come one after the other, and those of the smaller that stay. */
static int64_t list_steps(atr_emitter *e, mac_step *steps) {
  int64_t point[ATR_MAX_DIMS] = {0}, count = 0;
  bool shared[ATR_MAX_DIMS], by_rhs = copies_of(e, &e->nest->lhs) < copies_of(e, &e->nest->rhs);
  for (int i = 0; i < e->unrolled_count[1]; i++) {
    shared[i] = atr_nest_shares_lhs(e->nest, e->unrolled[1][i]);
    by_rhs &= !shared[i];
  }
  e->lhs_first = INT64_MAX;
  e->lhs_last = INT64_MIN;
  for (int64_t r = 0; r < atr_llvm_points(e, 1); r++) {
    set_point(e, 1, r, point);
    int64_t group = 0;
    for (int i = 0; i < e->unrolled_count[1]; i++) {
      int d = e->unrolled[1][i];
      if (!shared[i]) group = group * e->nest->dims[d].extent + point[d];
    }
    bool all = e->excess != NULL && any_term(e, point);
    for (int64_t n = 0; n < atr_llvm_points(e, 0); n++) {
      atr_lanes l;
      set_point(e, 0, n, point);
      atr_llvm_lanes(e, &e->nest->lhs, point, &l);
      if (!has_lanes(e, &e->nest->out, point) || !(all || atr_lanes_any(&l))) continue;
      note_lhs(e, &l);
      steps[count++] = (mac_step){r, n, group, place_of(e, by_rhs ? &e->nest->rhs : &e->nest->lhs, point)};
    }
  }
  return count;
}

/* The same address, in a form that is computed where it stands. */
static LLVMValueRef pinned(atr_emitter *e, LLVMValueRef address) {
  LLVMTypeRef type = LLVMTypeOf(address);
  return atr_llvm_assembly(e, LLVMFunctionType(type, &type, 1, 0), "", "=r,0", true, &address);
}

/* Do the taps that follow each other pick their lhs vectors from the same loads? */
static bool picks_from_spans(atr_emitter *e, const mac_step *steps, int64_t count) {
  int64_t point[ATR_MAX_DIMS] = {0};
  for (int64_t s = 0; s < count; s++) {
    set_point(e, 0, steps[s].n, point);
    set_point(e, 1, steps[s].r, point);
    for (int i = 0; i < e->unrolled_count[1]; i++)
      if (atr_llvm_comes_in_span(e, &e->nest->lhs, point, e->unrolled[1][i])) return true;
  }
  return false;
}

/* An accumulator comes out of its slot once and goes back once, so that there are few loads and stores for sroa to resolve. Spans that all
 * taps pick their vectors from are loaded for each group of taps again, for LLVM would keep them, and what shuffles have in common, for
 * the next: more than there are registers (32 groups of 8 channels: 674 spills for 664 products, 281 us; 14 and 223). */
static void mac_all(atr_emitter *e, void *user) {
  mac_bases bases = *(const mac_bases *)user;
  int64_t accumulators = atr_llvm_points(e, 0), terms = accumulators * atr_llvm_points(e, 1);
  mac_step *steps = ATR_NEW_ARRAY(e->work->arena, mac_step, terms);
  atr_vec *sums = ATR_NEW_ARRAY(e->work->arena, atr_vec, accumulators); /* NULL: not yet loaded */
  LLVMValueRef *excess = ATR_NEW_ARRAY(e->work->arena, LLVMValueRef, accumulators);
  bool *counted = ATR_NEW_ARRAY(e->work->arena, bool, terms); /* by reduced point and first point of rhs */
  int64_t count = list_steps(e, steps);
  qsort(steps, (size_t)count, sizeof *steps, compare_steps);
  atr_llvm_forget_loads(e);
  bool anew = picks_from_spans(e, steps, count);
  for (int64_t i = 0; i < count; i++) {
    if (anew && i > 0 && steps[i].group != steps[i - 1].group) {
      bases.lhs = pinned(e, bases.lhs);
      atr_llvm_forget_loads(e);
    }
    atr_vec *sum = &sums[steps[i].n];
    int64_t first = first_of_rhs(e, steps[i].n), at = steps[i].r * accumulators + first;
    if (sum->re == NULL) *sum = load_acc(e, steps[i].n);
    if (e->excess != NULL && excess[first] == NULL) excess[first] = load_excess(e, first);
    mac_point(e, &bases, &steps[i], sum, counted[at] ? NULL : &excess[first]);
    counted[at] = true;
  }
  for (int64_t n = 0; n < accumulators; n++) {
    if (sums[n].re != NULL) store_acc(e, n, sums[n]);
    if (excess[n] != NULL) LLVMBuildStore(e->b, excess[n], e->excess[n]);
  }
}

/* Does the innermost loop go over tiles, and leave an operand where it is? LLVM would load all of it in front of that loop. */
static bool stays_inside(const atr_emitter *e, const atr_access *access) {
  const atr_nest *nest = e->nest;
  int inner = -1;
  for (int d = 0; d < nest->dim_count; d++)
    if (atr_dim_is_looped(&nest->dims[d])) inner = d;
  return inner >= 0 && !nest->dims[inner].reduced && atr_access_step(access, inner) == 0;
}

/* Such elements as all taps read, if these are unrolled, are many more than there are registers, and would be spilled. */
static bool reads_lhs_anew(const atr_emitter *e) { return stays_inside(e, &e->nest->lhs) && atr_llvm_points(e, 1) > 4; }

/* Weights too, where sums leave no room for more than one or two of them. Spilled they are read from the stack as often as they would be from
 * where they lie, and slower where that is aligned to less than a vector: 16 to 96 channels with AVX2 2.5 or 3.7 ms from process to
 * process. */
static bool reads_rhs_anew(const atr_emitter *e) {
  int64_t sums = atr_llvm_points(e, 0) * (is_complex(e->nest->acc_dtype) ? 2 : 1),
          vectors = copies_of(e, &e->nest->rhs) * atr_llvm_points(e, 1);
  return stays_inside(e, &e->nest->rhs) && sums + vectors > e->target->row->registers + SPILLED;
}

void atr_llvm_mac(atr_emitter *e) {
  LLVMValueRef exists = atr_llvm_exists(e, &e->nest->lhs), other = atr_llvm_exists(e, &e->nest->rhs);
  if (exists != NULL && other != NULL) exists = LLVMBuildAnd(e->b, exists, other, "");
  else if (exists == NULL) exists = other;
  mac_bases bases = {atr_llvm_base(e, ATR_ACCESS_LHS, &e->nest->lhs), atr_llvm_base(e, ATR_ACCESS_RHS, &e->nest->rhs)};
  if (e->nest->prefetch_lhs) prefetch_lhs(e, bases.lhs);
  if (reads_lhs_anew(e)) bases.lhs = pinned(e, bases.lhs);
  if (reads_rhs_anew(e)) bases.rhs = pinned(e, bases.rhs);
  if (exists != NULL) atr_llvm_if(e, exists, mac_all, &bases);
  else mac_all(e, &bases);
}

/* ---- epilogue */

static atr_vec load_step(atr_emitter *e, int step, const int64_t *point, const atr_vec *values) {
  const atr_expr *x = &e->nest->exprs[step];
  int number = ATR_ACCESS_LOADS + step;
  atr_lanes lanes;
  atr_llvm_lanes(e, &x->access, point, &lanes);
  if (x->args[0] != 0 && !atr_lanes_any(&lanes)) return values[x->args[0]];
  LLVMValueRef exists = atr_llvm_exists(e, &x->access), base = atr_llvm_base(e, number, &x->access);
  if (exists != NULL) base = LLVMBuildSelect(e->b, exists, base, atr_llvm_safe_base(e, &x->access, &lanes), "");
  atr_vec loaded = atr_llvm_load(e, number, &x->access, base, &lanes, point, x->dtype, x->dtype);
  if (x->args[0] == 0) return loaded;
  if (!all_valid(&lanes)) loaded = atr_llvm_select(e, atr_llvm_mask(e, lanes.valid), loaded, values[x->args[0]]);
  if (exists != NULL) loaded = atr_llvm_select(e, atr_llvm_splat(e, exists), loaded, values[x->args[0]]);
  return loaded;
}

static atr_vec step_value(atr_emitter *e, int step, int64_t n, const int64_t *point, const atr_vec *values) {
  const atr_expr *x = &e->nest->exprs[step];
  switch (x->kind) {
  case ATR_EXPR_ACC: return atr_llvm_convert(e, e->nest->acc_dtype, x->dtype, whole_sum(e, n));
  case ATR_EXPR_CONST: return atr_llvm_constant(e, x->dtype, x->constant);
  case ATR_EXPR_LOAD: return load_step(e, step, point, values);
  case ATR_EXPR_OP: break;
  }
  atr_vec args[3] = {{NULL, NULL}};
  for (int i = 0; i < 3; i++)
    if (x->args[i] != 0) args[i] = values[x->args[i]];
  int typed = x->op == ATR_OP_SELECT ? 1 : 0;
  return atr_llvm_elementwise(e, x, e->nest->exprs[x->args[typed]].dtype, args);
}

void atr_llvm_tile_end(atr_emitter *e) {
  const atr_nest *nest = e->nest;
  int64_t point[ATR_MAX_DIMS] = {0}, points = atr_llvm_points(e, 0);
  atr_vec *values = ATR_NEW_ARRAY(e->work->arena, atr_vec, nest->expr_count + 1);
  atr_stored *stored = ATR_NEW_ARRAY(e->work->arena, atr_stored, points);
  int count = 0;
  LLVMValueRef base = atr_llvm_base(e, ATR_ACCESS_OUT, &nest->out);
  atr_llvm_forget_loads(e);
  for (int64_t n = 0; n < points; n++) {
    set_point(e, 0, n, point);
    atr_llvm_lanes(e, &nest->out, point, &stored[count].lanes);
    if (!atr_lanes_any(&stored[count].lanes)) continue;
    for (int step = 1; step <= nest->expr_count; step++) values[step] = step_value(e, step, n, point, values);
    stored[count++].value = values[nest->root];
  }
  atr_llvm_store(e, &nest->out, base, stored, count);
  roll(e, -1);
}

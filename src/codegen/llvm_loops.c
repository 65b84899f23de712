/* llvm_loops.c - the loop tree as basic blocks.
 *
 * In: a nest's tree (regions.c). Out: one loop per node, a constant where a node has one iteration, a run-time range where it
 * clips; below the tile node the accumulators and below MAC the multiply-accumulates (llvm_tile.c). e->iv and e->box follow
 * the path. */
#include "base/checked.h"
#include "codegen/llvm_internal.h"

LLVMValueRef atr_llvm_i64(atr_emitter *e, int64_t value) { return LLVMConstInt(e->i64, (unsigned long long)value, 1); }
LLVMValueRef atr_llvm_index(atr_emitter *e, int64_t value) { return LLVMConstInt(e->index, (unsigned long long)value, 1); }

LLVMBasicBlockRef atr_llvm_block(atr_emitter *e, const char *name) {
  return LLVMAppendBasicBlockInContext(e->context, e->function, name);
}

static bool is_zero(LLVMValueRef v) { return LLVMIsAConstantInt(v) != NULL && LLVMConstIntGetSExtValue(v) == 0; }

LLVMValueRef atr_llvm_affine(atr_emitter *e, const atr_affine *at) {
  LLVMValueRef sum = atr_llvm_index(e, 0);
  for (int d = 0; d < e->nest->dim_count; d++) {
    if (at->coef[d] == 0 || e->iv[d] == NULL || is_zero(e->iv[d])) continue;
    LLVMValueRef term = at->coef[d] == 1 ? e->iv[d] : LLVMBuildNSWMul(e->b, e->iv[d], atr_llvm_index(e, at->coef[d]), "");
    sum = is_zero(sum) ? term : LLVMBuildNSWAdd(e->b, sum, term, "");
  }
  return sum;
}

/* floor(a / b), b > 0 */
LLVMValueRef atr_llvm_floor_div(atr_emitter *e, LLVMValueRef a, int64_t b) {
  if (b == 1) return a;
  LLVMValueRef divisor = atr_llvm_index(e, b);
  LLVMValueRef q = LLVMBuildSDiv(e->b, a, divisor, ""), r = LLVMBuildSRem(e->b, a, divisor, "");
  LLVMValueRef negative = LLVMBuildICmp(e->b, LLVMIntSLT, r, atr_llvm_index(e, 0), "");
  return LLVMBuildAdd(e->b, q, LLVMBuildSExt(e->b, negative, e->index, ""), "");
}

static LLVMValueRef pick(atr_emitter *e, LLVMIntPredicate order, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, order, a, b, ""), a, b, "");
}

void atr_llvm_if(atr_emitter *e, LLVMValueRef condition, void (*then)(atr_emitter *e, void *user), void *user) {
  LLVMBasicBlockRef yes = atr_llvm_block(e, "then"), after = atr_llvm_block(e, "after");
  LLVMBuildCondBr(e->b, condition, yes, after);
  LLVMPositionBuilderAtEnd(e->b, yes);
  then(e, user);
  LLVMBuildBr(e->b, after);
  LLVMPositionBuilderAtEnd(e->b, after);
}

void atr_llvm_loop(atr_emitter *e, LLVMValueRef lo, LLVMValueRef hi, atr_llvm_body body, void *user) {
  LLVMValueRef runs = LLVMBuildICmp(e->b, LLVMIntSLT, lo, hi, "");
  bool known = LLVMIsAConstantInt(runs) != NULL;
  if (known && LLVMConstIntGetZExtValue(runs) == 0) return;
  LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b), head = atr_llvm_block(e, "loop"), after = atr_llvm_block(e, "done");
  if (known) LLVMBuildBr(e->b, head);
  else LLVMBuildCondBr(e->b, runs, head, after);
  LLVMPositionBuilderAtEnd(e->b, head);
  LLVMValueRef index = LLVMBuildPhi(e->b, LLVMTypeOf(hi), "i");
  body(e, user, index);
  LLVMValueRef next = LLVMBuildNSWAdd(e->b, index, LLVMConstInt(LLVMTypeOf(hi), 1, 0), "next");
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->b);
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, next, hi, ""), head, after);
  LLVMAddIncoming(index, (LLVMValueRef[]){lo, next}, (LLVMBasicBlockRef[]){before, latch}, 2);
  LLVMPositionBuilderAtEnd(e->b, after);
}

/* The part of [lo, hi) in which every clipping lhs index of dim is inside its bounds:
 * 0 <= rest + c*i < bound, so ceil(-rest/c) <= i <= floor((bound-1-rest)/c) for c > 0, and mirrored for c < 0. */
static void clip_range(atr_emitter *e, int dim, LLVMValueRef *lo, LLVMValueRef *hi) {
  const atr_access *lhs = &e->nest->lhs;
  for (int i = 0; i < lhs->index_count; i++) {
    const atr_index *index = &lhs->index[i];
    if (!atr_index_clips(e->nest, index, dim) || atr_bounds_answer(e->nest, &index->at, index->bound, &e->box) == ATR_ALWAYS)
      continue;
    int64_t c = index->at.coef[dim], size = c > 0 ? c : -c;
    LLVMValueRef rest = LLVMBuildNSWAdd(e->b, atr_llvm_affine(e, &index->at), atr_llvm_index(e, index->at.offset), "");
    LLVMValueRef below = LLVMBuildNSWSub(e->b, atr_llvm_index(e, c > 0 ? 0 : 1 - index->bound),
                                         c > 0 ? rest : LLVMBuildNeg(e->b, rest, ""), "");
    LLVMValueRef above = LLVMBuildNSWSub(e->b, atr_llvm_index(e, c > 0 ? index->bound - 1 : 0),
                                         c > 0 ? rest : LLVMBuildNeg(e->b, rest, ""), "");
    LLVMValueRef first = atr_llvm_floor_div(e, LLVMBuildNSWAdd(e->b, below, atr_llvm_index(e, size - 1), ""), size);
    LLVMValueRef end = LLVMBuildNSWAdd(e->b, atr_llvm_floor_div(e, above, size), atr_llvm_index(e, 1), "");
    *lo = pick(e, LLVMIntSGT, first, *lo);
    *hi = pick(e, LLVMIntSLT, end, *hi);
  }
}

static void node_body(atr_emitter *e, void *user, LLVMValueRef index) {
  const atr_node *node = user;
  size_t bytes = sizeof *e->at * (size_t)atr_llvm_access_count(e);
  LLVMValueRef *outside = atr_arena_grow(e->work->arena, e->at, bytes, bytes);
  e->iv[node->dim] = index;
  atr_llvm_enter(e, node->dim, index);
  atr_llvm_tree(e, node->child);
  e->at = outside;
}

static void guarded_body(atr_emitter *e, void *user) {
  const atr_node *node = user;
  LLVMValueRef index = e->iv[node->dim];
  node_body(e, user, node->hi - node->lo == 1 && !node->across ? atr_llvm_index(e, node->lo) : index);
}

/* The node's range of its dim's iterations: its own part of it where lo and hi count those of the loops around it too. */
static void node_range(atr_emitter *e, const atr_node *node, LLVMValueRef *lo, LLVMValueRef *hi) {
  *lo = atr_llvm_index(e, node->lo), *hi = atr_llvm_index(e, node->hi);
  if (!node->across) return;
  LLVMValueRef before = atr_llvm_affine(e, &e->nest->across[node->dim].first);
  *lo = pick(e, LLVMIntSGT, LLVMBuildNSWSub(e->b, *lo, before, ""), atr_llvm_index(e, 0));
  *hi = pick(e, LLVMIntSLT, LLVMBuildNSWSub(e->b, *hi, before, ""), atr_llvm_index(e, e->nest->dims[node->dim].extent));
}

/* The index of a part or of a parallel dim is given; the node is the part of its range that this code is for. */
static void given_node(atr_emitter *e, atr_node *node) {
  LLVMValueRef index = e->iv[node->dim], yes = NULL, lo, hi;
  node_range(e, node, &lo, &hi);
  if (node->lo > 0) yes = LLVMBuildICmp(e->b, LLVMIntSGE, index, lo, "");
  if (node->across || node->hi < e->nest->dims[node->dim].extent) {
    LLVMValueRef below = LLVMBuildICmp(e->b, LLVMIntSLT, index, hi, "");
    yes = yes == NULL ? below : LLVMBuildAnd(e->b, yes, below, "");
  }
  if (yes == NULL) guarded_body(e, node);
  else atr_llvm_if(e, yes, guarded_body, node);
  e->iv[node->dim] = index;
}

static void loop_node(atr_emitter *e, atr_node *node) {
  LLVMValueRef lo, hi;
  e->iv[node->dim] = NULL;
  node_range(e, node, &lo, &hi);
  if (node->clip) clip_range(e, node->dim, &lo, &hi);
  if (!node->across && !node->clip && node->hi - node->lo == 1) node_body(e, node, lo);
  else atr_llvm_loop(e, lo, hi, node_body, node);
  e->iv[node->dim] = NULL;
}

/* The multiply-accumulates of a rare tile, in one loop more. */
static void rolled_node(atr_emitter *e, const atr_node *mac) {
  atr_node inner = *mac, loop = {.dim = e->rolled, .hi = e->nest->dims[e->rolled].extent, .child = &inner};
  inner.next = NULL;
  loop_node(e, &loop);
}

void atr_llvm_tree(atr_emitter *e, const atr_node *first) {
  for (const atr_node *node = first; node != NULL; node = node->next) {
    if (node->dim == ATR_NODE_TILE) {
      atr_llvm_tile_begin(e);
      atr_llvm_tree(e, node->child);
      atr_llvm_tile_end(e);
    } else if (node->dim == ATR_NODE_MAC) {
      if (e->rolled >= 0 && e->iv[e->rolled] == NULL) rolled_node(e, node);
      else atr_llvm_mac(e);
    } else {
      atr_box saved = e->box;
      e->box = atr_box_inside(&saved, node->across ? &e->nest->across[node->dim] : NULL, node->dim, node->lo, node->hi);
      if (e->nest->dims[node->dim].kind != ATR_DIM_LOOP) given_node(e, (atr_node *)node);
      else loop_node(e, (atr_node *)node);
      e->box = saved;
    }
  }
}

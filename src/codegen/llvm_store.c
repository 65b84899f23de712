/* llvm_store.c - vectors to memory.
 *
 * In: the vectors of a tile, each with where its lanes go. Out: stores. Neighbours are stored at once; vectors whose lanes lie apart are
 * first interleaved with those that hold the neighbours of their lanes:
 *
 *     four vectors of features, pixels beside each other, in NCHW     4 x 4 transposed, 4 stores of 16 bytes
 *     what is left                                                    one store per lane, fenced off where there are many
 */
#include "codegen/llvm_internal.h"

static void store_run(atr_emitter *e, const atr_access *access, LLVMValueRef base, int64_t first, LLVMValueRef value) {
  LLVMValueRef store = LLVMBuildStore(e->b, value, atr_llvm_address(e, access, base, first));
  LLVMSetAlignment(store, atr_llvm_alignment_of(e, access));
  atr_llvm_mark(e, store, true);
}

/* Lanes first..first+count of one vector, or of two interleaved. */
static LLVMValueRef gather_run(atr_emitter *e, LLVMValueRef re, LLVMValueRef im, int first, int count) {
  int64_t from[2 * ATR_MAX_LANES];
  int n = 0;
  for (int l = first; l < first + count; l++) {
    from[n++] = l;
    if (im != NULL) from[n++] = l + e->lanes;
  }
  return atr_llvm_shuffled(e, re, im != NULL ? im : LLVMGetPoison(LLVMTypeOf(re)), from, n);
}

/* Are lane l and the one before it there, and neighbours in memory? */
static bool follows_lane(const atr_lanes *lanes, int l) {
  return l > 0 && lanes->valid[l] && lanes->valid[l - 1] && lanes->offset[l] == lanes->offset[l - 1] + 1;
}

/* Runs of lanes that are neighbours in memory: stores of the vector. */
static int runs_of(const atr_lanes *lanes) {
  int runs = 0;
  for (int l = 0; l < lanes->count; l++) runs += lanes->valid[l] && !follows_lane(lanes, l);
  return runs;
}

enum { MANY_STORES = 64, FENCED_STORES = 16 };

/* No load or store passes this point. LLVM's scheduler compares each store with all that it might pass; of lanes stored one by one there are
 * hundreds, whose comparison was half of the compile time of transposed layers in NCHW. */
static void fence_stores(atr_emitter *e) {
  LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(e->context), NULL, 0, 0);
  atr_llvm_assembly(e, type, "", "~{memory}", true, NULL);
}

static void store_vector(atr_emitter *e, const atr_access *access, LLVMValueRef base, const atr_stored *v) {
  const atr_lanes *lanes = &v->lanes;
  LLVMValueRef re = v->value.re, im = v->value.im;
  int parts = im != NULL ? 2 : 1;
  for (int l = 0; l < lanes->count;) {
    if (!lanes->valid[l]) {
      l++;
      continue;
    }
    int end = l + 1;
    while (end < lanes->count && follows_lane(lanes, end)) end++;
    LLVMValueRef run = gather_run(e, re, im, l, end - l);
    if (parts * (end - l) == 1) run = LLVMBuildExtractElement(e->b, re, LLVMConstInt(e->i32, (unsigned long long)l, 1), "");
    store_run(e, access, base, lanes->offset[l] * parts, run);
    l = end;
  }
}

/* Does every run of `length` lanes of b follow in memory the same run of a? */
static bool continues_runs(const atr_lanes *a, const atr_lanes *b, int length) {
  for (int l = 0; l < a->count; l++) {
    if (a->valid[l] != b->valid[l]) return false;
    if (a->valid[l] && b->offset[l] != a->offset[l] + length) return false;
  }
  return true;
}

/* From which lane of a (or, beyond a's lanes, of b) lane l of their lower or upper halves, interleaved by runs, comes. Halves of groups
 * of 16 bytes, which is what the instructions of every target that has vectors do in one go. */
static int interleaved_lane(int l, int count, int group, int length, bool upper) {
  int inside = l % group, run = inside / length,
      place = l - inside + run / 2 * length + inside % length + (upper ? group / 2 : 0);
  return run % 2 == 0 ? place : place + count;
}

static atr_stored interleaved(atr_emitter *e, const atr_stored *a, const atr_stored *b, int group, int length, bool upper) {
  int64_t from[ATR_MAX_LANES];
  int count = a->lanes.count;
  atr_stored out = {.lanes = {.count = count}};
  for (int l = 0; l < count; l++) {
    from[l] = interleaved_lane(l, count, group, length, upper);
    const atr_lanes *source = from[l] < count ? &a->lanes : &b->lanes;
    out.lanes.valid[l] = source->valid[from[l] % count];
    out.lanes.offset[l] = source->offset[from[l] % count];
  }
  out.value.re = atr_llvm_shuffled(e, a->value.re, b->value.re, from, count);
  if (a->value.im != NULL) out.value.im = atr_llvm_shuffled(e, a->value.im, b->value.im, from, count);
  return out;
}

static int bytes_held(LLVMValueRef vector) {
  LLVMTypeRef element = LLVMGetElementType(LLVMTypeOf(vector));
  LLVMTypeKind kind = LLVMGetTypeKind(element);
  return kind == LLVMFloatTypeKind ? 4 : kind == LLVMDoubleTypeKind ? 8 : (int)LLVMGetIntTypeWidth(element) / 8;
}

/* Interleaves vectors whose lanes lie apart with those that hold the neighbours of their lanes, as in the output of a vector of features
 * in NCHW: blocks of 16 bytes by 16 bytes, or of whole narrower vectors, are transposed, and so many are stored at once. cost.c counts
 * on it. */
static void join_runs(atr_emitter *e, atr_stored *v, int count) {
  int group = count > 0 ? 16 / bytes_held(v[0].value.re) : 0;
  if (group > e->lanes) group = e->lanes;
  if (group == 0 || (group & (group - 1)) != 0 || e->lanes % group != 0) return;
  for (int length = 1; length < group; length *= 2)
    for (int i = 0; i < count; i++)
      for (int j = 0; j < count && v[i].run == length; j++) {
        if (j == i || v[j].run != length || !continues_runs(&v[i].lanes, &v[j].lanes, length)) continue;
        atr_stored lower = interleaved(e, &v[i], &v[j], group, length, false),
                   upper = interleaved(e, &v[i], &v[j], group, length, true);
        v[i] = lower;
        v[j] = upper;
        v[i].run = v[j].run = 2 * length;
      }
}

static bool has_neighbours(const atr_lanes *lanes) {
  for (int l = 1; l < lanes->count; l++)
    if (follows_lane(lanes, l)) return true;
  return false;
}

void atr_llvm_store(atr_emitter *e, const atr_access *access, LLVMValueRef base, atr_stored *v, int count) {
  atr_dtype dtype = e->program->buffers[access->buffer].dtype;
  for (int i = 0; i < count; i++) {
    v[i].run = has_neighbours(&v[i].lanes) ? 0 : 1;
    v[i].value.re = atr_llvm_to_memory(e, dtype, v[i].value.re);
    if (v[i].value.im != NULL) v[i].value.im = atr_llvm_to_memory(e, dtype, v[i].value.im);
  }
  join_runs(e, v, count);
  int stores = 0;
  for (int i = 0; i < count; i++) stores += runs_of(&v[i].lanes);
  bool many = stores >= MANY_STORES;
  for (int i = 0, since = 0; i < count; i++) {
    store_vector(e, access, base, &v[i]);
    since += runs_of(&v[i].lanes);
    if (!many || since < FENCED_STORES) continue;
    fence_stores(e);
    since = 0;
  }
}

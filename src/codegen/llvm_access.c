/* llvm_access.c - where the lanes of an access are, and vectors out of memory.
 *
 * In: an access and an unrolled point. Out: one vector. An address is a dynamic offset, from looped dims, plus a table of
 * static offsets, one per lane, from unrolled and vector dims; the table decides how the vector is made:
 *
 *     one offset for all lanes       scalar load, splat                 (lhs of a dense layer over oc)
 *     neighbouring elements          vector load, narrower at an edge   (packed weights, depthwise channels)
 *     within a short span            one load of the span, shuffle      (strides, groups of 4, channel multipliers)
 *     apart                          one scalar load per lane           (what a schedule should have packed)
 */
#include <string.h>

#include <llvm-c/Target.h>
#include <llvm/Config/llvm-config.h>

#include "base/checked.h"
#include "codegen/llvm_internal.h"

static bool looped(const atr_emitter *e, int d) { return atr_dim_is_looped(&e->nest->dims[d]); }

/* How an index of an access is dealt with below the current place of the tree (regions.c says why). */
typedef enum index_mode {
  INDEX_AFFINE, /* in bounds, or absent elements are found by the static test: the address is affine */
  INDEX_STATIC, /* an edge mode: every looped dim it depends on stands still, lanes resolve it */
  INDEX_RUN,    /* an edge mode on looped dims only: resolved while running */
  INDEX_DIVIDED /* a divisor: divided, and an edge mode resolved, while running; existence tested while running */
} index_mode;

static index_mode mode_of(const atr_emitter *e, const atr_index *index) {
  if (index->divisor != 1) return INDEX_DIVIDED;
  if (index->edge == ATR_EDGE_ZERO || atr_bounds_answer(e->nest, &index->at, index->bound, &e->box) == ATR_ALWAYS)
    return INDEX_AFFINE;
  return atr_affine_has_inner(e->nest, &index->at) ? INDEX_STATIC : INDEX_RUN;
}

/* An affine form at each lane of an unrolled point, looped dims at 0. */
static void inner_parts(const atr_emitter *e, const atr_affine *at, const int64_t *point, int64_t *out) {
  int64_t value = at->offset;
  for (int d = 0; d < e->nest->dim_count; d++)
    if (at->coef[d] != 0 && e->nest->dims[d].kind != ATR_DIM_VECTOR && !looped(e, d)) value += at->coef[d] * point[d];
  for (int lane = 0; lane < e->lanes; lane++) out[lane] = value;
  for (int v = 0; v < e->vector_count; v++) {
    int64_t step = at->coef[e->vector[v]];
    for (int lane = 0; lane < e->lanes && step != 0; lane++) out[lane] += step * e->place[v * e->lanes + lane];
  }
}

/* What looped dims add where the box starts. */
static int64_t looped_part(const atr_emitter *e, const atr_affine *at) {
  int64_t value = 0;
  for (int d = 0; d < e->nest->dim_count; d++)
    if (at->coef[d] != 0 && looped(e, d)) value += at->coef[d] * e->box.lo[d];
  return value;
}

/* Is what falls outside of the index absent here, and not settled while running? */
static bool drops_outside(const atr_emitter *e, const atr_access *access, const atr_index *index) {
  if (atr_bounds_answer(e->nest, &index->at, index->bound, &e->box) == ATR_ALWAYS) return false;
  int last = atr_affine_last_loop(e->nest, &index->at);
  bool settled = last >= 0 && (atr_index_clips(e->nest, index, last) || atr_index_is_tested(e->nest, index));
  return !settled || !atr_index_is_of_lhs(e->nest, access, index);
}

static void drop_lanes(const int64_t *inner, int64_t outer, int64_t bound, atr_lanes *lanes) {
  for (int lane = 0; lane < lanes->count; lane++)
    if (inner[lane] + outer < 0 || inner[lane] + outer >= bound) lanes->valid[lane] = false;
}

static void add_index(const atr_emitter *e, const atr_access *access, const atr_index *index, const int64_t *point,
                      atr_lanes *out) {
  index_mode mode = mode_of(e, index);
  if (mode == INDEX_RUN || mode == INDEX_DIVIDED) return;
  int64_t inner[ATR_MAX_LANES], outer = looped_part(e, &index->at);
  inner_parts(e, &index->at, point, inner);
  if (mode == INDEX_AFFINE && drops_outside(e, access, index)) drop_lanes(inner, outer, index->bound, out);
  for (int lane = 0; lane < e->lanes; lane++) {
    int64_t element = mode == INDEX_AFFINE ? inner[lane] : atr_index_resolve(index, inner[lane] + outer);
    if (mode == INDEX_STATIC && element < 0) out->valid[lane] = false;
    else out->offset[lane] += index->stride * element;
  }
}

/* Which lanes pass the guards and find their elements, and where? The answers are the same for all iterations of the box (regions.c). */
void atr_llvm_lanes(atr_emitter *e, const atr_access *access, const int64_t *point, atr_lanes *out) {
  out->count = e->lanes;
  for (int lane = 0; lane < e->lanes; lane++) out->valid[lane] = lane < e->filled;
  inner_parts(e, &access->at, point, out->offset);
  for (int g = 0; g < e->nest->guard_count && !access->padded; g++) {
    int64_t inner[ATR_MAX_LANES];
    inner_parts(e, &e->nest->guards[g].at, point, inner);
    drop_lanes(inner, looped_part(e, &e->nest->guards[g].at), e->nest->guards[g].bound, out);
  }
  for (int i = 0; i < access->index_count; i++) add_index(e, access, &access->index[i], point, out);
}

bool atr_lanes_any(const atr_lanes *lanes) {
  for (int l = 0; l < lanes->count; l++)
    if (lanes->valid[l]) return true;
  return false;
}

void atr_lanes_share(atr_lanes *lanes) {
  int first = 0;
  while (first < lanes->count && !lanes->valid[first]) first++;
  for (int lane = first; lane < lanes->count; lane++)
    if (lanes->valid[lane] && lanes->offset[lane] != lanes->offset[first]) return;
  for (int lane = 0; lane < lanes->count && first < lanes->count; lane++) {
    lanes->valid[lane] = true;
    lanes->offset[lane] = lanes->offset[first];
  }
}

/* Must be asked while running whether the index has an element? */
static bool asks_running(const atr_emitter *e, const atr_access *access, const atr_index *index) {
  if (access == &e->nest->rhs && atr_index_is_of_lhs(e->nest, access, index)) return false; /* lhs asks */
  if (index->divisor != 1) return true;
  return access == &e->nest->lhs && atr_index_is_tested(e->nest, index) &&
         atr_bounds_answer(e->nest, &index->at, index->bound, &e->box) != ATR_ALWAYS;
}

LLVMValueRef atr_llvm_exists(atr_emitter *e, const atr_access *access) {
  LLVMValueRef all = NULL;
  for (int i = 0; i < access->index_count; i++) {
    const atr_index *index = &access->index[i];
    if (!asks_running(e, access, index)) continue;
    LLVMValueRef t = LLVMBuildAdd(e->b, atr_llvm_affine(e, &index->at), atr_llvm_index(e, index->at.offset), "");
    LLVMValueRef rest = LLVMBuildSRem(e->b, t, atr_llvm_index(e, index->divisor), "");
    LLVMValueRef exists = LLVMBuildICmp(e->b, LLVMIntEQ, rest, atr_llvm_index(e, 0), "");
    /* one unsigned comparison asks both bounds: a negative t is a large number */
    int64_t end = index->bound > 0 ? (index->bound - 1) * index->divisor + 1 : 0;
    LLVMValueRef inside = LLVMBuildICmp(e->b, LLVMIntULT, t, atr_llvm_index(e, end), "");
    if (index->edge == ATR_EDGE_ZERO) exists = LLVMBuildAnd(e->b, exists, inside, "");
    all = all == NULL ? exists : LLVMBuildAnd(e->b, all, exists, "");
  }
  return all;
}

/* i resolved by an edge mode, for an index known while running. */
static LLVMValueRef resolve_running(atr_emitter *e, const atr_index *index, LLVMValueRef i) {
  LLVMValueRef zero = atr_llvm_index(e, 0), last = atr_llvm_index(e, index->bound - 1);
  int64_t period = index->edge == ATR_EDGE_REFLECT ? atr_max(2 * (index->bound - 1), 1) : index->bound;
  if (index->edge == ATR_EDGE_REPLICATE) {
    i = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, i, zero, ""), zero, i, "");
    return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, i, last, ""), last, i, "");
  }
  LLVMValueRef wrapped = LLVMBuildSub(e->b, i,
                                      LLVMBuildMul(e->b, atr_llvm_floor_div(e, i, period), atr_llvm_index(e, period), ""), "");
  if (index->edge == ATR_EDGE_CIRCULAR) return wrapped;
  LLVMValueRef mirrored = LLVMBuildSub(e->b, atr_llvm_index(e, period), wrapped, "");
  return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, wrapped, last, ""), mirrored, wrapped, "");
}

/* Elements that one step of dim d moves an access by, as far as that is the same everywhere: indices with an edge mode or a
 * divisor are added where they are resolved. */
static int64_t steady_step(const atr_access *access, int d) {
  int64_t step = access->at.coef[d];
  for (int i = 0; i < access->index_count; i++)
    if (access->index[i].edge == ATR_EDGE_ZERO && access->index[i].divisor == 1)
      step += access->index[i].stride * access->index[i].at.coef[d];
  return step;
}

static const atr_access *access_numbered(const atr_emitter *e, int number) {
  const atr_nest *nest = e->nest;
  if (number == ATR_ACCESS_OUT) return &nest->out;
  if (number < ATR_ACCESS_LOADS) return nest->has_acc ? (number == ATR_ACCESS_LHS ? &nest->lhs : &nest->rhs) : NULL;
  const atr_expr *x = &nest->exprs[number - ATR_ACCESS_LOADS];
  return number > ATR_ACCESS_LOADS && x->kind == ATR_EXPR_LOAD ? &x->access : NULL;
}

int atr_llvm_access_count(const atr_emitter *e) { return ATR_ACCESS_LOADS + 1 + e->nest->expr_count; }

LLVMValueRef atr_llvm_moved(atr_emitter *e, int buffer, LLVMValueRef p, LLVMValueRef elements) {
  atr_dtype dtype = e->program->buffers[buffer].dtype;
  if (atr_dtype_class_of(dtype) == ATR_CLASS_COMPLEX) elements = LLVMBuildMul(e->b, elements, atr_llvm_index(e, 2), "");
  return LLVMBuildGEP2(e->b, atr_llvm_memory_type(e, dtype), p, &elements, 1, "");
}

/* Along each vector dim, the last one fastest. */
static void place_lanes(atr_emitter *e) {
  int64_t inside = 1;
  e->place = ATR_NEW_ARRAY(e->work->arena, int64_t, e->vector_count * e->lanes);
  for (int v = e->vector_count - 1; v >= 0; v--) {
    int64_t extent = e->nest->dims[e->vector[v]].extent;
    for (int lane = 0; lane < e->lanes; lane++) e->place[v * e->lanes + lane] = lane / inside % extent;
    inside *= extent;
  }
  e->filled = (int)inside;
}

void atr_llvm_begin_accesses(atr_emitter *e) {
  place_lanes(e);
  e->at = ATR_NEW_ARRAY(e->work->arena, LLVMValueRef, atr_llvm_access_count(e));
  for (int n = 0; n < atr_llvm_access_count(e); n++)
    if (access_numbered(e, n) != NULL) e->at[n] = e->base[access_numbered(e, n)->buffer];
}

/* The address is frozen: LLVM's loop strength reduction, which would otherwise weigh every way to write the whole expression for every
 * load (nine tenths of the compile time of a large body), then sees a plain pointer. */
void atr_llvm_enter(atr_emitter *e, int dim, LLVMValueRef index) {
  bool constant = LLVMIsAConstantInt(index) != NULL;
  for (int n = 0; n < atr_llvm_access_count(e); n++) {
    int64_t step = e->at[n] != NULL ? steady_step(access_numbered(e, n), dim) : 0;
    if (step == 0 || (constant && LLVMConstIntGetSExtValue(index) == 0)) continue;
    LLVMValueRef elements = step == 1 ? index : LLVMBuildNSWMul(e->b, index, atr_llvm_index(e, step), "");
    e->at[n] = atr_llvm_moved(e, access_numbered(e, n)->buffer, e->at[n], elements);
    if (!constant) e->at[n] = LLVMBuildFreeze(e->b, e->at[n], "");
  }
}

LLVMValueRef atr_llvm_base(atr_emitter *e, int access_number, const atr_access *access) {
  LLVMValueRef base = e->at[access_number];
  for (int i = 0; i < access->index_count; i++) {
    const atr_index *index = &access->index[i];
    index_mode mode = mode_of(e, index);
    if (mode == INDEX_STATIC || (index->edge == ATR_EDGE_ZERO && index->divisor == 1)) continue;
    LLVMValueRef t = atr_llvm_affine(e, &index->at);
    if (mode != INDEX_AFFINE) t = LLVMBuildAdd(e->b, t, atr_llvm_index(e, index->at.offset), "");
    if (mode == INDEX_DIVIDED) t = atr_llvm_floor_div(e, t, index->divisor);
    if (mode != INDEX_AFFINE && index->edge != ATR_EDGE_ZERO) t = resolve_running(e, index, t);
    base = atr_llvm_moved(e, access->buffer, base, LLVMBuildMul(e->b, t, atr_llvm_index(e, index->stride), ""));
  }
  return base;
}

LLVMValueRef atr_llvm_safe_base(atr_emitter *e, const atr_access *access, const atr_lanes *lanes) {
  int64_t least = 0;
  bool found = false;
  for (int l = 0; l < lanes->count; l++) {
    if (!lanes->valid[l] || (found && lanes->offset[l] >= least)) continue;
    least = lanes->offset[l];
    found = true;
  }
  return atr_llvm_moved(e, access->buffer, e->base[access->buffer], atr_llvm_index(e, -least));
}

/* ---- memory */

void atr_llvm_mark(atr_emitter *e, LLVMValueRef instruction, bool store) {
  unsigned scope = LLVMGetMDKindIDInContext(e->context, "alias.scope", 11),
           noalias = LLVMGetMDKindIDInContext(e->context, "noalias", 7);
  LLVMSetMetadata(instruction, scope, store ? e->scope_write : e->scope_read);
  LLVMSetMetadata(instruction, noalias, store ? e->scope_read : e->scope_write);
}

/* The same for a plain load: nobody needs to look for stores before it, which takes a tenth of a large body's compile time. */
static void mark_unchanged(atr_emitter *e, LLVMValueRef load) {
  unsigned invariant = LLVMGetMDKindIDInContext(e->context, "invariant.load", 14);
  LLVMSetMetadata(load, invariant, LLVMMetadataAsValue(e->context, LLVMMDNodeInContext2(e->context, NULL, 0)));
}

unsigned atr_llvm_alignment_of(const atr_emitter *e, const atr_access *access) {
  return (unsigned)atr_dtype_size(atr_dtype_real(e->program->buffers[access->buffer].dtype));
}

LLVMValueRef atr_llvm_address(atr_emitter *e, const atr_access *access, LLVMValueRef base, int64_t offset) {
  LLVMValueRef constant = atr_llvm_index(e, offset);
  LLVMTypeRef type = atr_llvm_memory_type(e, e->program->buffers[access->buffer].dtype);
  return offset == 0 ? base : LLVMBuildGEP2(e->b, type, base, &constant, 1, "");
}

/* LLVM before 20 crashes on aarch64 when it makes a load with increment and then one into a lane of the same instruction
 * (llvm/llvm-project#118538). A frozen value is none of its candidates for the second. */
static bool must_freeze(const atr_emitter *e) {
  return LLVM_VERSION_MAJOR < 20 && strcmp(e->target->row->arch, "aarch64") == 0;
}

static LLVMValueRef load_run(atr_emitter *e, const atr_access *access, LLVMValueRef base, int64_t first, int64_t count) {
  LLVMTypeRef element = atr_llvm_memory_type(e, e->program->buffers[access->buffer].dtype);
  LLVMTypeRef type = count == 1 ? element : LLVMVectorType(element, (unsigned)count);
  LLVMValueRef load = LLVMBuildLoad2(e->b, type, atr_llvm_address(e, access, base, first), "");
  LLVMSetAlignment(load, atr_llvm_alignment_of(e, access));
  if (access->buffer != e->nest->out.buffer) mark_unchanged(e, load); /* else a sum that is continued */
  bool whole = count == e->lanes && (count & (count - 1)) == 0;
  return must_freeze(e) && !whole ? LLVMBuildFreeze(e->b, load, "") : load;
}

static LLVMValueRef index_constant(atr_emitter *e, int64_t i) { return LLVMConstInt(e->i32, (unsigned long long)i, 1); }

typedef struct lane_span {
  int64_t min, max;
  int valid;
} lane_span;

static lane_span span_of(const atr_lanes *lanes) {
  lane_span s = {0, 0, 0};
  for (int l = 0; l < lanes->count; l++) {
    if (!lanes->valid[l]) continue;
    s.min = s.valid == 0 ? lanes->offset[l] : atr_min(s.min, lanes->offset[l]);
    s.max = s.valid == 0 ? lanes->offset[l] : atr_max(s.max, lanes->offset[l]);
    s.valid++;
  }
  return s;
}

static int64_t place_of_piece(const atr_run *run, int piece) {
  return piece == run->pieces - 1 ? run->count - run->width : piece * run->width;
}

LLVMValueRef atr_llvm_shuffled(atr_emitter *e, LLVMValueRef a, LLVMValueRef b, const int64_t *from, int count) {
  LLVMValueRef pattern[2 * ATR_MAX_LANES];
  bool identity = LLVMGetVectorSize(LLVMTypeOf(a)) == (unsigned)count;
  for (int l = 0; l < count; l++) {
    identity = identity && (from[l] < 0 || from[l] == l);
    pattern[l] = from[l] < 0 ? LLVMGetPoison(e->i32) : index_constant(e, from[l]);
  }
  return identity ? a : LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(pattern, (unsigned)count), "");
}

/* Place of an element of the run within one of its pieces; -1: it is not there. */
static int64_t place_in_piece(const atr_run *run, int piece, int64_t element) {
  int64_t place = element - place_of_piece(run, piece);
  return element >= 0 && place >= 0 && place < run->width ? place : -1;
}

/* Lanes out of a loaded run, which holds elements min.. (times `parts` real numbers each); absent lanes are zero. */
static LLVMValueRef pick_lanes(atr_emitter *e, const atr_run *run, const atr_lanes *lanes, int64_t min, int parts, int part) {
  int64_t element[ATR_MAX_LANES], from[ATR_MAX_LANES];
  bool all = true, whole = run->pieces == 1;
  LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(run->piece[0]));
  for (int l = 0; l < lanes->count; l++) {
    all = all && lanes->valid[l];
    element[l] = lanes->valid[l] ? (lanes->offset[l] - min) * parts + part : -1;
    from[l] = place_in_piece(run, 0, element[l]);
    if (from[l] < 0 && whole) from[l] = run->width;
    if (from[l] < 0 && (from[l] = place_in_piece(run, 1, element[l])) >= 0) from[l] += run->width;
  }
  LLVMValueRef out = atr_llvm_shuffled(e, run->piece[0], whole ? zero : run->piece[1], from, lanes->count);
  for (int piece = 2; piece < run->pieces; piece++) { /* all as wide as `out` */
    for (int l = 0; l < lanes->count; l++) {
      int64_t place = place_in_piece(run, piece, element[l]);
      from[l] = place >= 0 ? lanes->count + place : l;
    }
    out = atr_llvm_shuffled(e, out, run->piece[piece], from, lanes->count);
  }
  if (all || whole) return out;
  for (int l = 0; l < lanes->count; l++) from[l] = lanes->valid[l] ? l : lanes->count;
  return atr_llvm_shuffled(e, out, LLVMConstNull(LLVMTypeOf(out)), from, lanes->count);
}

static LLVMValueRef load_apart(atr_emitter *e, const atr_access *access, LLVMValueRef base, const atr_lanes *lanes, int parts,
                               int part) {
  LLVMTypeRef element = atr_llvm_memory_type(e, e->program->buffers[access->buffer].dtype);
  LLVMValueRef v = LLVMConstNull(LLVMVectorType(element, (unsigned)lanes->count));
  for (int l = 0; l < lanes->count; l++)
    if (lanes->valid[l])
      v = LLVMBuildInsertElement(e->b, v, load_run(e, access, base, lanes->offset[l] * parts + part, 1), index_constant(e, l),
                                 "");
  return v;
}

/* The span that this and the other copies of unrolled reduced dims read together: their vectors then come out of one load.
 * The ends are elements that some copy wants, so all of it is inside the buffer. */
static lane_span widen_span(const atr_emitter *e, const atr_access *access, const int64_t *point, lane_span s) {
  lane_span wide = s;
  for (int i = 0; i < e->unrolled_count[1]; i++) {
    int d = e->unrolled[1][i];
    int64_t c = access->at.coef[d], last = e->nest->dims[d].extent - 1;
    if (atr_access_asks(access, d) || c == 0) continue;
    wide.min += atr_min(0, c * last) - c * point[d];
    wide.max += atr_max(0, c * last) - c * point[d];
  }
  return wide.max - wide.min < 2 * (int64_t)e->lanes ? wide : s;
}

/* Elements from the first to the last that one load may bring for all lanes; farther apart each lane has its own. */
static int64_t most_span(const atr_lanes *lanes) { return 4 * (int64_t)lanes->count; }

/* Is a vector of these lanes picked from a span, not loaded as it lies or as one element? */
static bool is_picked(const atr_lanes *lanes) {
  lane_span s = span_of(lanes);
  bool neighbours = true, same = true;
  for (int l = 1; l < lanes->count; l++) {
    if (!lanes->valid[l] || !lanes->valid[l - 1]) continue;
    neighbours = neighbours && lanes->offset[l] == lanes->offset[l - 1] + 1;
    same = same && lanes->offset[l] == lanes->offset[l - 1];
  }
  return s.valid > 1 && !neighbours && !same && s.max - s.min < most_span(lanes);
}

bool atr_llvm_comes_in_span(atr_emitter *e, const atr_access *access, const int64_t *point, int d) {
  atr_lanes lanes;
  if (access->at.coef[d] == 0 || atr_access_asks(access, d)) return false;
  atr_llvm_lanes(e, access, point, &lanes);
  if (!is_picked(&lanes)) return false;
  lane_span s = span_of(&lanes), wide = widen_span(e, access, point, s);
  return wide.max - wide.min > s.max - s.min;
}

/* Vectors as wide as registers, or half of them and so on, down to 16 bytes: others LLVM puts together from several loads and many
 * shuffles. */
static int64_t width_of_pieces(const atr_emitter *e, const atr_access *access, int64_t count) {
  int64_t width = e->lanes;
  if ((width & (width - 1)) != 0 || count > ATR_MAX_PIECES * width) return count;
  while (width > count) width /= 2;
  return width * atr_llvm_alignment_of(e, access) < 16 ? count : width;
}

static const atr_run *load_span(atr_emitter *e, int access_number, const atr_access *access, LLVMValueRef base, int64_t first,
                                int64_t count, int64_t width) {
  for (int i = 0; i < e->run_count; i++)
    if (e->runs[i].access == access_number && e->runs[i].first == first && e->runs[i].count == count &&
        e->runs[i].width == width)
      return &e->runs[i];
  ATR_RESERVE(e->work->arena, e->runs, e->run_count, e->run_capacity);
  atr_run *run = &e->runs[e->run_count++];
  *run = (atr_run){.access = access_number, .first = first, .count = count, .width = width};
  run->pieces = (int)atr_ceil_div(count, width);
  for (int i = 0; i < run->pieces; i++) run->piece[i] = load_run(e, access, base, first + place_of_piece(run, i), width);
  return run;
}

/* Lanes that are neighbours in memory where they are there, but not all there: an edge of the input. Where the target has them, one
 * masked load takes what would be several narrow ones; NULL: it has not, or the lanes lie otherwise. */
static LLVMValueRef load_masked(atr_emitter *e, const atr_access *access, LLVMValueRef base, const atr_lanes *lanes) {
  atr_dtype dtype = e->program->buffers[access->buffer].dtype;
  LLVMTypeRef element = atr_llvm_memory_type(e, dtype), type = LLVMVectorType(element, (unsigned)lanes->count);
  int64_t bits = 8 * (int64_t)atr_dtype_size(dtype), shift = 0;
  int first = -1, valid = 0;
  for (int l = 0; l < lanes->count; l++) {
    if (!lanes->valid[l]) continue;
    if (first < 0) first = l, shift = lanes->offset[l] - l;
    if (lanes->offset[l] - l != shift) return NULL;
    valid++;
  }
  bool narrow = (valid & (valid - 1)) == 0; /* one plain load does */
  if (!e->target->row->masked_loads || bits < 32 || narrow || bits * lanes->count % 128 != 0) return NULL;
  LLVMValueRef args[] = {atr_llvm_address(e, access, base, shift), LLVMConstInt(e->i32, atr_llvm_alignment_of(e, access), 0),
                         atr_llvm_mask(e, lanes->valid), LLVMConstNull(type)};
  LLVMValueRef load = atr_llvm_intrinsic(e, "llvm.masked.load", type, args, 4);
  if (access->buffer != e->nest->out.buffer) atr_llvm_mark(e, load, false);
  return load;
}

/* The memory form of each part (real and imaginary) of every lane. */
static void load_parts(atr_emitter *e, int access_number, const atr_access *access, LLVMValueRef base, const atr_lanes *lanes,
                       const int64_t *point, int parts, LLVMValueRef *out) {
  lane_span s = span_of(lanes);
  int64_t span = s.max - s.min + 1;
  if (s.valid == lanes->count && span == 1) {
    for (int p = 0; p < parts; p++) out[p] = atr_llvm_splat(e, load_run(e, access, base, s.min * parts + p, 1));
  } else if (parts == 1 && s.valid > 0 && s.valid < lanes->count && (out[0] = load_masked(e, access, base, lanes)) != NULL) {
    return;
  } else if (s.valid > 0 && (span * parts > 1) && span <= most_span(lanes)) {
    if (span != lanes->count) s = widen_span(e, access, point, s);
    int64_t count = (s.max - s.min + 1) * parts;
    const atr_run *run = load_span(e, access_number, access, base, s.min * parts, count, width_of_pieces(e, access, count));
    for (int p = 0; p < parts; p++) out[p] = pick_lanes(e, run, lanes, s.min, parts, p);
  } else {
    for (int p = 0; p < parts; p++) out[p] = load_apart(e, access, base, lanes, parts, p);
  }
}

enum { MOST_AT_ONCE = 4 }; /* extent of a DOT dim */

/* Do the `count` elements of a lane stand side by side, where it has any? */
static bool is_side_by_side(const atr_lanes *elements, int64_t count, int lane) {
  for (int64_t j = 1; j < count; j++)
    if (elements[j].offset[lane] != elements[0].offset[lane] + j) return false;
  return true;
}

/* Elements count * l and behind for lane l, all lanes there: the layout of packed weights. */
static bool is_dotted_run(const atr_lanes *elements, int64_t count) {
  const atr_lanes *first = &elements[0];
  for (int l = 0; l < first->count; l++)
    if (!first->valid[l] || first->offset[l] != first->offset[0] + count * l || !is_side_by_side(elements, count, l))
      return false;
  return true;
}

/* Neighbours as one number: not by way of a short vector, which LLVM would put together from its elements. */
static LLVMValueRef load_word(atr_emitter *e, const atr_access *access, LLVMValueRef base, int64_t first) {
  LLVMValueRef load = LLVMBuildLoad2(e->b, e->i32, atr_llvm_address(e, access, base, first), "");
  LLVMSetAlignment(load, atr_llvm_alignment_of(e, access));
  mark_unchanged(e, load);
  return load;
}

/* Elements that stand side by side in memory, as i32: the same ones for all lanes, or lane after lane; NULL: neither. */
static LLVMValueRef load_side_by_side(atr_emitter *e, int access_number, const atr_access *access, LLVMValueRef base,
                                      const atr_lanes *lanes, int64_t count, atr_dtype as) {
  atr_dtype dtype = e->program->buffers[access->buffer].dtype;
  bool as_it_is = dtype == as || (access->padded && dtype == ATR_S16), /* packed for this, of whatever was narrower */
      fills = 8 * (int64_t)atr_dtype_size(dtype) * count == 32;
  lane_span s = span_of(&lanes[0]);
  if (!as_it_is) return NULL;
  if (LLVMByteOrder(LLVMGetModuleDataLayout(e->module)) != LLVMLittleEndian) return NULL; /* the first one must be low */
  LLVMTypeRef i32s = LLVMVectorType(e->i32, (unsigned)e->lanes), i16s = LLVMVectorType(e->i16, 2);
  int64_t all = count * lanes[0].count;
  if (fills && is_dotted_run(lanes, count))
    return LLVMBuildBitCast(e->b, load_span(e, access_number, access, base, s.min, all, all)->piece[0], i32s, "");
  if (s.valid != lanes[0].count || s.min != s.max || !is_side_by_side(lanes, count, 0)) return NULL;
  if (fills) return atr_llvm_splat(e, load_word(e, access, base, s.min));
  if (count != 2) return NULL;
  LLVMValueRef pair = load_span(e, access_number, access, base, s.min, 2, 2)->piece[0];
  pair = dtype == ATR_S8 ? LLVMBuildSExt(e->b, pair, i16s, "") : LLVMBuildZExt(e->b, pair, i16s, "");
  return atr_llvm_splat(e, LLVMBuildBitCast(e->b, pair, e->i32, ""));
}

static LLVMValueRef i32s_of(atr_emitter *e, uint32_t value) {
  LLVMValueRef lanes[ATR_MAX_LANES];
  for (int l = 0; l < e->lanes; l++) lanes[l] = LLVMConstInt(e->i32, value, 0);
  return LLVMConstVector(lanes, (unsigned)e->lanes);
}

/* Integers of which the last of a word are behind the end of the sum. Packed weights are zero there, so anything may stand in their
 * place that can be read: between the first and the last element of lhs that the block reads all can. NULL: there is no room. */
static LLVMValueRef load_with_neighbours(atr_emitter *e, const atr_access *access, LLVMValueRef base, const atr_lanes *elements,
                                         int64_t count, atr_dtype as) {
  atr_dtype dtype = e->program->buffers[access->buffer].dtype;
  int64_t bits = 8 * (int64_t)atr_dtype_size(dtype), there = 1;
  lane_span s = span_of(&elements[0]);
  if (dtype != as || bits * count != 32 || s.valid != elements[0].count || s.min != s.max) return NULL;
  if (LLVMByteOrder(LLVMGetModuleDataLayout(e->module)) != LLVMLittleEndian) return NULL;
  while (there < count && atr_lanes_any(&elements[there])) there++;
  if (!is_side_by_side(elements, there, 0)) return NULL;
  int64_t last = atr_max(e->lhs_last, s.min + there - 1), at = atr_min(s.min, last - (count - 1));
  if (at < e->lhs_first) return NULL;
  LLVMValueRef word = atr_llvm_splat(e, load_word(e, access, base, at));
  return at == s.min ? word : LLVMBuildLShr(e->b, word, i32s_of(e, (uint32_t)(bits * (s.min - at))), "");
}

/* Elements loaded one by one, as shares of i32: the first one lowest. */
static LLVMValueRef join_integers(atr_emitter *e, LLVMValueRef *elements, int64_t count) {
  uint32_t bits = (uint32_t)(32 / count);
  LLVMValueRef word = NULL;
  for (int64_t j = 0; j < count; j++) {
    LLVMValueRef share = LLVMBuildAnd(e->b, elements[j], i32s_of(e, (1u << bits) - 1), "");
    share = LLVMBuildShl(e->b, share, i32s_of(e, bits * (uint32_t)j), "");
    word = word == NULL ? share : LLVMBuildOr(e->b, word, share, "");
  }
  return word;
}

/* A bf16 is the upper half of the f32 of the same value. */
static LLVMValueRef join_floats(atr_emitter *e, LLVMValueRef low, LLVMValueRef high) {
  LLVMTypeRef i32s = LLVMVectorType(e->i32, (unsigned)e->lanes);
  low = LLVMBuildLShr(e->b, LLVMBuildBitCast(e->b, low, i32s, ""), i32s_of(e, 16), "");
  return LLVMBuildOr(e->b, low, LLVMBuildBitCast(e->b, high, i32s, ""), "");
}

static atr_dot_factor halves_apart(atr_emitter *e, LLVMValueRef word) {
  LLVMTypeRef f32s = LLVMVectorType(e->f32, (unsigned)e->lanes);
  return (atr_dot_factor){.low = LLVMBuildBitCast(e->b, LLVMBuildShl(e->b, word, i32s_of(e, 16), ""), f32s, ""),
                          .high = LLVMBuildBitCast(e->b, LLVMBuildAnd(e->b, word, i32s_of(e, 0xffff0000u), ""), f32s, "")};
}

atr_dot_factor atr_llvm_load_factor(atr_emitter *e, int access_number, const atr_access *access, LLVMValueRef base,
                                    const int64_t *point, atr_dtype as) {
  bool floats = as == ATR_BF16, apart = floats && !atr_llvm_has_bf16_dot(e);
  int64_t p[ATR_MAX_DIMS], count = e->nest->dims[e->dot].extent;
  atr_lanes lanes[MOST_AT_ONCE];
  LLVMValueRef elements[MOST_AT_ONCE];
  memcpy(p, point, sizeof p);
  for (int64_t j = 0; j < count; j++) {
    p[e->dot] = j;
    atr_llvm_lanes(e, access, p, &lanes[j]);
    atr_lanes_share(&lanes[j]);
  }
  bool whole = atr_lanes_any(&lanes[count - 1]); /* not at the end of a sum whose terms they do not divide */
  LLVMValueRef word = NULL;
  if (whole) word = load_side_by_side(e, access_number, access, base, lanes, count, as);
  else if (access_number == ATR_ACCESS_LHS && !floats) word = load_with_neighbours(e, access, base, lanes, count, as);
  if (word != NULL) return apart ? halves_apart(e, word) : (atr_dot_factor){.word = word};
  for (int64_t j = 0; j < count; j++)
    elements[j] = atr_llvm_load(e, access_number, access, base, &lanes[j], point, as, floats ? ATR_F32 : ATR_S32).re;
  if (apart) return (atr_dot_factor){.low = elements[0], .high = elements[1]};
  return (atr_dot_factor){.word = floats ? join_floats(e, elements[0], elements[1]) : join_integers(e, elements, count)};
}

/* What was loaded before belongs to other values of the looped dims. */
void atr_llvm_forget_loads(atr_emitter *e) { e->loaded_count = e->run_count = 0; }

static void lane_key(const atr_lanes *lanes, int64_t key[3]) {
  lane_span s = span_of(lanes);
  uint64_t hash = 1469598103934665603u;
  for (int l = 0; l < lanes->count; l++)
    hash = (hash ^ (lanes->valid[l] ? (uint64_t)lanes->offset[l] * 2 + 1 : 0)) * 1099511628211u;
  key[0] = s.min;
  key[1] = s.max;
  key[2] = (int64_t)hash;
}

static bool same_lanes(const atr_lanes *a, const atr_lanes *b) {
  for (int l = 0; l < a->count; l++)
    if (a->valid[l] != b->valid[l] || (a->valid[l] && a->offset[l] != b->offset[l])) return false;
  return true;
}

atr_vec atr_llvm_load(atr_emitter *e, int access_number, const atr_access *access, LLVMValueRef base, const atr_lanes *lanes,
                      const int64_t *point, atr_dtype as, atr_dtype to) {
  int64_t key[3];
  lane_key(lanes, key);
  for (int i = 0; i < e->loaded_count; i++) {
    const atr_loaded *done = &e->loaded[i];
    if (done->access == access_number && memcmp(done->key, key, sizeof key) == 0 && same_lanes(done->lanes, lanes))
      return done->value;
  }
  atr_dtype dtype = e->program->buffers[access->buffer].dtype;
  LLVMValueRef parts[2] = {NULL, NULL};
  bool is_complex = atr_dtype_class_of(dtype) == ATR_CLASS_COMPLEX;
  load_parts(e, access_number, access, base, lanes, point, is_complex ? 2 : 1, parts);
  atr_loaded entry = {.access = access_number, .lanes = ATR_NEW(e->work->arena, atr_lanes)};
  memcpy(entry.key, key, sizeof key);
  *entry.lanes = *lanes;
  entry.value.re = atr_llvm_from_memory(e, dtype, parts[0]);
  if (is_complex) entry.value.im = atr_llvm_from_memory(e, dtype, parts[1]);
  entry.value = atr_llvm_convert(e, as, to, atr_llvm_convert(e, dtype, as, entry.value));
  ATR_RESERVE(e->work->arena, e->loaded, e->loaded_count, e->loaded_capacity);
  e->loaded[e->loaded_count++] = entry;
  return entry.value;
}

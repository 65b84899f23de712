/* llvm_selftest.c - NAME_selftest: does this machine compute what it should?
 *
 * In: the program of a function, and the same program with a plain schedule. Out:
 *
 *     int NAME_selftest(void *memory, const atr_host *host)
 *         fills the arguments with integers from -4 to 3 (unsigned 0 to 4, pred 0 and 1)
 *         runs both, each with its own packed block, scratch and results, which start as different bytes
 *         returns 0, or the number (from 1) of the first result that is wrong
 *
 * Results must have the same bits (NaNs of any kind are equal) wherever that follows: where every sum is of integers that its
 * dtype holds exactly. Else, as with weights that are no integers, the order of terms shows in the last bits, and floats may
 * differ by a small part of the largest one. All memory is the caller's: for each array, block and scratch a place at a multiple of
 * 64. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "codegen/llvm_internal.h"

enum { FILL_COUNT = 8, FIRST_BYTE = 0x5a, SECOND_BYTE = 0xa5 };

/* ---- places */

typedef struct places {
  int64_t *args, *first, *second; /* byte offsets of arguments, results, results of the reference */
  int64_t packed[2], scratch[2];  /* of the program, of the reference */
  int64_t bytes;
  bool fits;
} places;

static int64_t place(places *p, int64_t bytes) {
  int64_t at = p->bytes, end;
  p->fits = p->fits && bytes >= 0 && bytes <= INT64_MAX / 4 && atr_checked_add(at, bytes, &end) && end <= INT64_MAX / 4;
  if (p->fits) p->bytes = atr_align(end, ATR_SCRATCH_ALIGNMENT);
  return at;
}

static int64_t *place_arrays(atr_arena *arena, places *p, const atr_module *module, const atr_id *ids, int count) {
  int64_t *at = ATR_NEW_ARRAY(arena, int64_t, count);
  for (int i = 0; i < count; i++) at[i] = place(p, atr_shape_bytes(&atr_inst_at(module, ids[i])->shape));
  return at;
}

static places find_places(atr_arena *arena, const atr_module *module, const atr_llvm_copy *copy) {
  places p = {.fits = true};
  p.args = place_arrays(arena, &p, module, module->parameters, module->parameter_count);
  p.first = place_arrays(arena, &p, module, module->results, module->result_count);
  p.second = place_arrays(arena, &p, module, module->results, module->result_count);
  const atr_program *programs[2] = {copy->program, copy->reference};
  for (int i = 0; i < 2; i++) {
    p.packed[i] = place(&p, programs[i]->packed_bytes);
    p.scratch[i] = place(&p, programs[i]->scratch_bytes);
  }
  return p;
}

atr_status atr_llvm_selftest_bytes(atr_work *work, const atr_module *module, const atr_llvm_copy *copy, int64_t *bytes) {
  places p = find_places(work->arena, module, copy);
  *bytes = p.bytes;
  return p.fits ? ATR_OK : atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "the arrays of the self-test are too large");
}

/* ---- arguments */

typedef struct array {
  LLVMValueRef memory, table, bad; /* table: what to fill with; bad: alloca, 1 when an element differs */
  LLVMValueRef scale;              /* alloca: the largest magnitude of an array that may be inexact; NULL: bits are compared */
  int64_t at, other;               /* byte offsets */
  int64_t number;
  atr_dtype part; /* of the elements, of each part of complex ones */
  int64_t count;
} array;

static array array_of(const atr_shape *shape, LLVMValueRef memory, int64_t at) {
  int64_t parts = atr_dtype_class_of(shape->dtype) == ATR_CLASS_COMPLEX ? 2 : 1;
  return (array){.memory = memory, .at = at, .part = atr_dtype_real(shape->dtype), .count = parts * atr_shape_elements(shape)};
}

static LLVMTypeRef bits_of(atr_emitter *e, atr_dtype dtype) {
  return LLVMIntTypeInContext(e->context, 8 * (unsigned)atr_dtype_size(dtype));
}

/* The values that arguments are made of, as elements. */
static LLVMValueRef fill_table(atr_emitter *e, atr_dtype dtype) {
  size_t size = atr_dtype_size(dtype);
  char *bytes = atr_arena_alloc(e->work->arena, FILL_COUNT * size);
  for (int i = 0; i < FILL_COUNT; i++) {
    int value = i - 4;
    if (atr_dtype_class_of(dtype) == ATR_CLASS_UINT) value = i % 5;
    if (atr_dtype_class_of(dtype) == ATR_CLASS_PRED) value = i & 1;
    atr_scalar_store(dtype, bytes + (size_t)i * size, (atr_scalar){.re = value, .i = value});
  }
  return atr_llvm_data(e, bytes, FILL_COUNT * size);
}

static LLVMValueRef element_at(atr_emitter *e, const array *a, int64_t at, LLVMValueRef index) {
  LLVMValueRef base = atr_llvm_element(e, e->i8, a->memory, at);
  return LLVMBuildGEP2(e->b, bits_of(e, a->part), base, &index, 1, "");
}

/* Which value: the top bits of a multiple of the golden ratio, which visits all of them evenly and repeats nowhere. */
static void fill_element(atr_emitter *e, void *user, LLVMValueRef index) {
  const array *a = user;
  LLVMTypeRef bits = bits_of(e, a->part);
  LLVMValueRef seed = LLVMBuildAdd(e->b, index, atr_llvm_i64(e, 1000003 * (a->number + 1)), "");
  LLVMValueRef hash = LLVMBuildMul(e->b, seed, LLVMConstInt(e->i64, 0x9e3779b97f4a7c15u, 0), "");
  LLVMValueRef which = LLVMBuildLShr(e->b, hash, atr_llvm_i64(e, 61), "");
  LLVMValueRef value = LLVMBuildLoad2(e->b, bits, LLVMBuildGEP2(e->b, bits, a->table, &which, 1, ""), "");
  LLVMBuildStore(e->b, value, element_at(e, a, a->at, index));
}

/* ---- results */

/* Largest bits of an infinity or number, without the sign; 0: the dtype has no NaN. */
static uint64_t largest_number(atr_dtype dtype) {
  switch ((int)dtype) { /* the others have none */
  case ATR_F8E4M3FN: return 0x7e;
  case ATR_F8E5M2: return 0x7c;
  case ATR_F16: return 0x7c00;
  case ATR_BF16: return 0x7f80;
  case ATR_F32: return 0x7f800000;
  case ATR_F64: return 0x7ff0000000000000u;
  }
  return 0;
}

static LLVMValueRef is_nan(atr_emitter *e, atr_dtype dtype, LLVMValueRef bits) {
  LLVMTypeRef type = bits_of(e, dtype);
  unsigned width = 8 * (unsigned)atr_dtype_size(dtype);
  LLVMValueRef magnitude = LLVMBuildAnd(e->b, bits, LLVMConstInt(type, (UINT64_C(1) << (width - 1)) - 1, 0), "");
  return LLVMBuildICmp(e->b, LLVMIntUGT, magnitude, LLVMConstInt(type, largest_number(dtype), 0), "");
}

/* i1: one is a NaN and the other is not, or they have other bits. */
static LLVMValueRef differ(atr_emitter *e, const array *a, LLVMValueRef x, LLVMValueRef y) {
  LLVMValueRef differs = LLVMBuildICmp(e->b, LLVMIntNE, x, y, "");
  if (largest_number(a->part) == 0) return differs;
  LLVMValueRef both = LLVMBuildAnd(e->b, is_nan(e, a->part, x), is_nan(e, a->part, y), "");
  return LLVMBuildAnd(e->b, differs, LLVMBuildNot(e->b, both, ""), "");
}

/* An element as f64, by way of a vector of one lane. */
static LLVMValueRef number_of(atr_emitter *e, const array *a, LLVMValueRef bits) {
  LLVMTypeRef memory = atr_llvm_memory_type(e, a->part);
  LLVMValueRef element = memory == LLVMTypeOf(bits) ? bits : LLVMBuildBitCast(e->b, bits, memory, "");
  LLVMValueRef held = atr_llvm_from_memory(e, a->part, atr_llvm_splat(e, element));
  LLVMValueRef number = LLVMBuildExtractElement(e->b, held, LLVMConstInt(e->i32, 0, 0), "");
  return LLVMTypeOf(number) == e->f64 ? number : LLVMBuildFPExt(e->b, number, e->f64, "");
}

static LLVMValueRef magnitude(atr_emitter *e, LLVMValueRef x) {
  LLVMValueRef below = LLVMBuildFCmp(e->b, LLVMRealOLT, x, LLVMConstReal(e->f64, 0), "");
  return LLVMBuildSelect(e->b, below, LLVMBuildFNeg(e->b, x, ""), x, "");
}

static void measure_element(atr_emitter *e, void *user, LLVMValueRef index) {
  const array *a = user;
  LLVMValueRef bits = LLVMBuildLoad2(e->b, bits_of(e, a->part), element_at(e, a, a->other, index), "");
  LLVMValueRef x = magnitude(e, number_of(e, a, bits)), before = LLVMBuildLoad2(e->b, e->f64, a->scale, "");
  LLVMBuildStore(e->b, LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOGT, x, before, ""), x, before, ""), a->scale);
}

/* Half of the fraction's bits must agree. */
static double tolerance(atr_dtype dtype) {
  switch ((int)dtype) { /* of no other can sums be inexact */
  case ATR_F16: return 0x1p-5;
  case ATR_BF16: return 0x1p-4;
  case ATR_F64: return 0x1p-26;
  }
  return 0x1p-12;
}

static void compare_element(atr_emitter *e, void *user, LLVMValueRef index) {
  const array *a = user;
  LLVMTypeRef bits = bits_of(e, a->part);
  LLVMValueRef x = LLVMBuildLoad2(e->b, bits, element_at(e, a, a->at, index), ""),
               y = LLVMBuildLoad2(e->b, bits, element_at(e, a, a->other, index), ""), differs = differ(e, a, x, y);
  if (a->scale != NULL) {
    LLVMValueRef error = magnitude(e, LLVMBuildFSub(e->b, number_of(e, a, x), number_of(e, a, y), ""));
    LLVMValueRef bound = LLVMBuildFMul(e->b, LLVMBuildLoad2(e->b, e->f64, a->scale, ""),
                                       LLVMConstReal(e->f64, tolerance(a->part)), "");
    LLVMValueRef far = LLVMBuildNot(e->b, LLVMBuildFCmp(e->b, LLVMRealOLE, error, bound, ""), "");
    differs = LLVMBuildAnd(e->b, differs, far, "");
  }
  LLVMValueRef before = LLVMBuildLoad2(e->b, e->i1, a->bad, "");
  LLVMBuildStore(e->b, LLVMBuildOr(e->b, before, differs, ""), a->bad);
}

/* Returns `number` from the function if any element differs. */
static void compare(atr_emitter *e, array *a, int number) {
  LLVMBuildStore(e->b, LLVMConstInt(e->i1, 0, 0), a->bad);
  if (a->scale != NULL) {
    LLVMBuildStore(e->b, LLVMConstReal(e->f64, 0), a->scale);
    atr_llvm_loop(e, atr_llvm_i64(e, 0), atr_llvm_i64(e, a->count), measure_element, a);
  }
  atr_llvm_loop(e, atr_llvm_i64(e, 0), atr_llvm_i64(e, a->count), compare_element, a);
  LLVMBasicBlockRef wrong = atr_llvm_block(e, "wrong"), right = atr_llvm_block(e, "right");
  LLVMBuildCondBr(e->b, LLVMBuildLoad2(e->b, e->i1, a->bad, ""), wrong, right);
  LLVMPositionBuilderAtEnd(e->b, wrong);
  LLVMBuildRet(e->b, LLVMConstInt(e->i32, (unsigned long long)number, 0));
  LLVMPositionBuilderAtEnd(e->b, right);
}

/* ---- which sums are exact */

/* What is known of a value: its floats are integers of at most this magnitude; infinite: nothing. */
static double literal_bound(const atr_inst *inst) {
  double bound = 0;
  int64_t count = atr_shape_elements(&inst->shape);
  size_t size = atr_dtype_size(inst->shape.dtype);
  for (int64_t i = 0; i < count; i++) {
    atr_scalar x = atr_scalar_load(inst->shape.dtype, (const char *)inst->u.literal + (size_t)i * size);
    double largest = fmax(fabs(x.re), fabs(x.im));
    if (!(largest <= 0x1p60) || x.re != rint(x.re) || x.im != rint(x.im)) return (double)INFINITY;
    bound = fmax(bound, largest);
  }
  return bound;
}

static double operands_bound(const atr_inst *inst, const double *bound, bool product) {
  double both = product ? 1 : 0;
  for (int i = 0; i < inst->operand_count; i++)
    both = product ? both * bound[inst->operands[i]] : both + bound[inst->operands[i]];
  return both;
}

/* Terms of each of its sums. */
static double terms_of(const atr_module *module, const atr_inst *inst) {
  double all = 1, kept = 1;
  const atr_shape *rhs = &atr_operand(module, inst, inst->op == ATR_OP_REDUCE ? 0 : 1)->shape;
  for (int d = 0; d < rhs->rank; d++) all *= (double)rhs->dims[d];
  if (inst->op == ATR_OP_REDUCE)
    for (int d = 0; d < inst->shape.rank; d++) kept *= (double)inst->shape.dims[d];
  return kept > 0 ? all / kept : 0;
}

static bool is_sum(atr_op op) { return atr_op_kind_of(op) == ATR_KIND_CONV || op == ATR_OP_REDUCE; }

static double bound_of(const atr_module *module, const atr_inst *inst, const double *bound) {
  bool complex = atr_dtype_class_of(inst->shape.dtype) == ATR_CLASS_COMPLEX;
  if (atr_dtype_class_of(inst->shape.dtype) < ATR_CLASS_FLOAT)
    return atr_dtype_bits(inst->shape.dtype) <= 8 ? 255 : (double)INFINITY;
  if (is_sum(inst->op)) {
    double each = inst->op == ATR_OP_REDUCE ? bound[inst->operands[0]] : operands_bound(inst, bound, true);
    return terms_of(module, inst) * (complex ? 2 : 1) * each;
  }
  switch ((int)inst->op) { /* those that integers stay integers in, as far as the bound is kept */
  case ATR_OP_PARAMETER: return 4;
  case ATR_OP_CONSTANT: return literal_bound(inst);
  case ATR_OP_MULTIPLY: return (complex ? 2 : 1) * operands_bound(inst, bound, true);
  case ATR_OP_IOTA:
  case ATR_OP_DIVIDE:
  case ATR_OP_EXPONENTIAL:
  case ATR_OP_TANH:
  case ATR_OP_LOGISTIC: return (double)INFINITY;
  case ATR_OP_ABS: return complex ? (double)INFINITY : operands_bound(inst, bound, false);
  }
  return operands_bound(inst, bound, false);
}

/* Is every sum of floats one of integers that are exact in any order? */
static bool is_exact(atr_arena *arena, const atr_module *module) {
  double *bound = ATR_NEW_ARRAY(arena, double, module->count + 1);
  for (atr_id id = 1; id <= module->count; id++) {
    const atr_inst *inst = atr_inst_at(module, id);
    atr_dtype dtype = atr_dtype_real(inst->shape.dtype);
    bound[id] = bound_of(module, inst, bound);
    bool floats = atr_dtype_class_of(dtype) == ATR_CLASS_FLOAT;
    if (is_sum(inst->op) && floats && !(bound[id] <= (dtype == ATR_F64 ? 0x1p53 : 0x1p24))) return false;
  }
  return true;
}

static bool may_differ(const atr_shape *shape) {
  return atr_dtype_class_of(shape->dtype) >= ATR_CLASS_FLOAT && !atr_dtype_is_fp8(shape->dtype);
}

/* ---- the function */

typedef struct run {
  LLVMValueRef memory, args, results; /* args, results: tables of pointers */
  const atr_module *module;
} run;

static void set_pointer(atr_emitter *e, LLVMValueRef table, int i, LLVMValueRef memory, int64_t at) {
  LLVMBuildStore(e->b, atr_llvm_element(e, e->i8, memory, at), atr_llvm_element(e, e->ptr, table, i));
}

static void call(atr_emitter *e, const run *r, const atr_entries_of *entries, const int64_t *results, int64_t packed,
                 int64_t scratch, int byte, LLVMValueRef host) {
  for (int i = 0; i < r->module->result_count; i++) {
    int64_t bytes = atr_shape_bytes(&atr_inst_at(r->module, r->module->results[i])->shape);
    set_pointer(e, r->results, i, r->memory, results[i]);
    LLVMBuildMemSet(e->b, atr_llvm_element(e, e->i8, r->memory, results[i]), LLVMConstInt(e->i8, (unsigned)byte, 0),
                    atr_llvm_i64(e, bytes), 1);
  }
  LLVMValueRef block = atr_llvm_element(e, e->i8, r->memory, packed), work = atr_llvm_element(e, e->i8, r->memory, scratch);
  LLVMBuildStore(e->b, block, atr_llvm_element(e, e->ptr, r->args, r->module->parameter_count));
  if (entries->prepack != NULL)
    LLVMBuildCall2(e->b, atr_llvm_entry_type(e, 3), entries->prepack, (LLVMValueRef[]){r->args, block, host}, 3, "");
  LLVMBuildCall2(e->b, atr_llvm_entry_type(e, 4), entries->kernel, (LLVMValueRef[]){r->args, r->results, work, host}, 4, "");
}

static LLVMValueRef pointer_table(atr_emitter *e, int count, const char *name) {
  return LLVMBuildArrayAlloca(e->b, e->ptr, atr_llvm_i64(e, count), name);
}

LLVMValueRef atr_llvm_build_selftest(atr_emitter *e, const char *symbol, const atr_module *module, const atr_llvm_copy *copy,
                                     const atr_entries_of *main, const atr_entries_of *reference) {
  places p = find_places(e->work->arena, module, copy);
  LLVMValueRef f = atr_llvm_begin_entry(e, symbol, 2), memory = LLVMGetParam(f, 0), host = LLVMGetParam(f, 1);
  run r = {memory, pointer_table(e, module->parameter_count + 1, "args"), pointer_table(e, module->result_count, "results"),
           module};
  LLVMValueRef bad = LLVMBuildAlloca(e->b, e->i1, "bad"), scale = LLVMBuildAlloca(e->b, e->f64, "scale");
  bool exact = is_exact(e->work->arena, module);
  e->lanes = 1;
  for (int i = 0; i < module->parameter_count; i++) {
    array a = array_of(&atr_inst_at(module, module->parameters[i])->shape, memory, p.args[i]);
    a.number = i;
    a.table = fill_table(e, a.part);
    set_pointer(e, r.args, i, memory, p.args[i]);
    atr_llvm_loop(e, atr_llvm_i64(e, 0), atr_llvm_i64(e, a.count), fill_element, &a);
  }
  call(e, &r, main, p.first, p.packed[0], p.scratch[0], FIRST_BYTE, host);
  call(e, &r, reference, p.second, p.packed[1], p.scratch[1], SECOND_BYTE, LLVMConstNull(e->ptr));
  for (int i = 0; i < module->result_count; i++) {
    array a = array_of(&atr_inst_at(module, module->results[i])->shape, memory, p.first[i]);
    a.other = p.second[i];
    a.bad = bad;
    a.scale = exact || !may_differ(&atr_inst_at(module, module->results[i])->shape) ? NULL : scale;
    compare(e, &a, i + 1);
  }
  LLVMBuildRet(e->b, LLVMConstInt(e->i32, 0, 0));
  return f;
}

/* llvm_selftest.c - NAME_selftest: does this machine compute what it should?
 *
 * In: the program of a function, and the same program with a plain schedule, which keeps the order of every sum. Out:
 *
 *     int NAME_selftest(void *memory, const atr_host *host)
 *         fills the arguments with integers from -4 to 3 (unsigned 0 to 4, pred 0 and 1)
 *         runs both, each with its own packed block, scratch and results, which start as different bytes
 *         returns 0, or the number (from 1) of the first result that has another bit, NaNs of any kind being equal
 *
 * All memory is the caller's: for each array, block and scratch a place at a multiple of 64. */
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

static void compare_element(atr_emitter *e, void *user, LLVMValueRef index) {
  const array *a = user;
  LLVMTypeRef bits = bits_of(e, a->part);
  LLVMValueRef x = LLVMBuildLoad2(e->b, bits, element_at(e, a, a->at, index), ""),
               y = LLVMBuildLoad2(e->b, bits, element_at(e, a, a->other, index), "");
  LLVMValueRef differs = LLVMBuildICmp(e->b, LLVMIntNE, x, y, "");
  if (largest_number(a->part) != 0) {
    LLVMValueRef both = LLVMBuildAnd(e->b, is_nan(e, a->part, x), is_nan(e, a->part, y), "");
    differs = LLVMBuildAnd(e->b, differs, LLVMBuildNot(e->b, both, ""), "");
  }
  LLVMValueRef before = LLVMBuildLoad2(e->b, e->i1, a->bad, "");
  LLVMBuildStore(e->b, LLVMBuildOr(e->b, before, differs, ""), a->bad);
}

/* Returns `number` from the function if any element differs. */
static void compare(atr_emitter *e, array *a, int number) {
  LLVMBuildStore(e->b, LLVMConstInt(e->i1, 0, 0), a->bad);
  atr_llvm_loop(e, atr_llvm_i64(e, 0), atr_llvm_i64(e, a->count), compare_element, a);
  LLVMBasicBlockRef wrong = atr_llvm_block(e, "wrong"), right = atr_llvm_block(e, "right");
  LLVMBuildCondBr(e->b, LLVMBuildLoad2(e->b, e->i1, a->bad, ""), wrong, right);
  LLVMPositionBuilderAtEnd(e->b, wrong);
  LLVMBuildRet(e->b, LLVMConstInt(e->i32, (unsigned long long)number, 0));
  LLVMPositionBuilderAtEnd(e->b, right);
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
  LLVMValueRef bad = LLVMBuildAlloca(e->b, e->i1, "bad");
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
    compare(e, &a, i + 1);
  }
  LLVMBuildRet(e->b, LLVMConstInt(e->i32, 0, 0));
  return f;
}

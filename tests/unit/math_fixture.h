/* math_fixture.h - what the unit tests of generated functions share: a function as code for one vector, and errors in ulp.
 *
 * In: a function from vectors to vectors. Out: machine code for a CPU,
 *
 *     void f(const vector *x, vector *y)           x[0] ... x[inputs - 1], y[0] ... y[outputs - 1]
 *
 * loaded. The loader refuses objects that call anything of the C library, so a call that crept in fails every test.
 *
 * The including file has a table of functions; those tests that are the same for all of them are here. */
#ifndef TESTS_UNIT_MATH_FIXTURE_H
#define TESTS_UNIT_MATH_FIXTURE_H

#include <llvm-c/Analysis.h>
#include <llvm-c/TargetMachine.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/llvm_internal.h"
#include "runtime/jit.h"
#include "support.h"

enum { MAX_CPUS = 4, MAX_VECTORS = 2 };

/* What is made into code; `user` is for emit. */
typedef struct math_code {
  const char *name;
  int inputs, outputs;
  int calls; /* of functions of its own */
  void (*emit)(atr_emitter *e, const void *user, const LLVMValueRef *x, LLVMValueRef *y);
  const void *user;
} math_code;

/* Of the including file: a function of its table, and element i of an input for vectors of several lengths. */
static math_code code_of(int number);
static double input_of(int part, int i);

static atr_arena arena;
static atr_work work;
static const char *host_triple, *cpus[MAX_CPUS]; /* every kind of CPU that this machine can run */
static int cpu_count;

static inline void setup(void) {
  const char *cpu, *features;
  atr_arena_init(&arena, atr_default_realloc, NULL);
  work = (atr_work){.arena = &arena};
  atr_llvm_host(&arena, &host_triple, &cpu, &features);
  cpu_count = 0;
#if defined(__x86_64__)
  cpus[cpu_count++] = "x86-64";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) cpus[cpu_count++] = "x86-64-v3";
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) cpus[cpu_count++] = "skylake-avx512";
#else
  cpus[cpu_count++] = "generic";
#endif
}

static inline void teardown(void) { atr_arena_fini(&arena); }

/* ---- making code */

typedef struct kernel {
  math_code code;
  atr_jit *jit;
  void *address;
  int lanes;
  bool wide;
} kernel;

static inline LLVMValueRef vector_at(atr_emitter *e, LLVMTypeRef vector, LLVMValueRef base, int i) {
  LLVMValueRef index = LLVMConstInt(e->i64, (unsigned)i, 0);
  return LLVMBuildGEP2(e->b, vector, base, &index, 1, "");
}

/* Both arrays at any alignment of their elements. */
static inline void emit_function(atr_emitter *e, const math_code *code, LLVMTypeRef element, unsigned alignment) {
  LLVMTypeRef vector = LLVMVectorType(element, (unsigned)e->lanes);
  LLVMValueRef f = LLVMAddFunction(e->module, "f", LLVMFunctionType(e->void_type, (LLVMTypeRef[]){e->ptr, e->ptr}, 2, 0));
  LLVMValueRef x[MAX_VECTORS], y[MAX_VECTORS] = {NULL};
  LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, f, "entry"));
  for (int i = 0; i < code->inputs; i++) {
    x[i] = LLVMBuildLoad2(e->b, vector, vector_at(e, vector, LLVMGetParam(f, 0), i), "x");
    LLVMSetAlignment(x[i], alignment);
  }
  code->emit(e, code->user, x, y);
  for (int i = 0; i < code->outputs; i++)
    LLVMSetAlignment(LLVMBuildStore(e->b, y[i], vector_at(e, vector, LLVMGetParam(f, 1), i)), alignment);
  LLVMBuildRetVoid(e->b);
  ck_assert_int_eq(LLVMCountBasicBlocks(f), 1);
  char *message = NULL;
  ck_assert_msg(LLVMVerifyModule(e->module, LLVMReturnStatusAction, &message) == 0, "%s", message);
  LLVMDisposeMessage(message);
}

/* An object or assembly; the caller disposes of it. */
static inline LLVMMemoryBufferRef compile(const math_code *code, const char *triple, const char *cpu, bool wide, int lanes,
                                          LLVMCodeGenFileType type) {
  atr_target target;
  LLVMTargetRef t;
  char *message = NULL;
  ck_assert_int_eq(atr_target_select(&work, triple, cpu, "", &target), ATR_OK);
  ck_assert_int_eq(LLVMGetTargetFromTriple(triple, &t, &message), 0);
  LLVMTargetMachineRef machine = LLVMCreateTargetMachine(t, triple, cpu, "", LLVMCodeGenLevelDefault, LLVMRelocPIC,
                                                         LLVMCodeModelDefault);
  atr_emitter e = {.work = &work, .target = &target, .lanes = lanes, .context = LLVMContextCreate()};
  e.module = LLVMModuleCreateWithNameInContext("math", e.context);
  e.b = LLVMCreateBuilderInContext(e.context);
  atr_llvm_init_types(&e);
  LLVMSetTarget(e.module, triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
  LLVMSetModuleDataLayout(e.module, layout);
  emit_function(&e, code, wide ? e.f64 : e.f32, wide ? 8 : 4);
  LLVMMemoryBufferRef out;
  ck_assert_int_eq(LLVMTargetMachineEmitToMemoryBuffer(machine, e.module, type, &message, &out), 0);
  LLVMDisposeTargetData(layout);
  LLVMDisposeBuilder(e.b);
  LLVMDisposeModule(e.module);
  LLVMContextDispose(e.context);
  LLVMDisposeTargetMachine(machine);
  return out;
}

static inline kernel make(const math_code *code, const char *cpu, bool wide, int lanes) {
  static const char *const names[] = {"f"};
  kernel k = {.code = *code, .lanes = lanes, .wide = wide};
  LLVMMemoryBufferRef object = compile(code, host_triple, cpu, wide, lanes, LLVMObjectFile);
  atr_status status = atr_jit_load(&work, LLVMGetBufferStart(object), LLVMGetBufferSize(object), names, 1, &k.address, &k.jit);
  ck_assert_msg(status == ATR_OK, "%s for %s: %s", code->name, cpu, work.message);
  LLVMDisposeMemoryBuffer(object);
  return k;
}

/* As many lanes as the CPU's registers hold. */
static inline kernel make_natural(const math_code *code, const char *cpu, bool wide) {
  atr_target target;
  ck_assert_int_eq(atr_target_select(&work, host_triple, cpu, "", &target), ATR_OK);
  return make(code, cpu, wide, target.row->vector_bits / (wide ? 64 : 32));
}

/* One call: one vector of each input and output. */
ATR_CALLS_JIT static inline void call(const kernel *k, const void *x, void *y) {
  ((void (*)(const void *, void *))(uintptr_t)k->address)(x, y);
}

/* `count` elements of each input and output, a multiple of the lanes. */
static inline void run_arrays(const kernel *k, const void *const *x, void *const *y, int count) {
  char in[MAX_VECTORS * ATR_MAX_LANES * 8], out[sizeof in];
  size_t size = k->wide ? 8 : 4, step = (size_t)k->lanes * size;
  for (size_t at = 0; at < (size_t)count * size; at += step) {
    for (int i = 0; i < k->code.inputs; i++) memcpy(in + (size_t)i * step, (const char *)x[i] + at, step);
    call(k, in, out);
    for (int i = 0; i < k->code.outputs; i++) memcpy((char *)y[i] + at, out + (size_t)i * step, step);
  }
}

/* ---- straight-line code of the target's own */

static inline int occurrences(const char *text, const char *what) {
  int count = 0;
  for (const char *p = text; (p = strstr(p, what)) != NULL; p++) count++;
  return count;
}

/* No calls but those of its own, no branches, and fused exactly where the row says so. */
static inline void check_assembly(const math_code *code, bool wide) {
  static const struct {
    const char *triple, *cpu, *call, *branch, *fused;
    bool has_fused;
  } targets[] = {
      {"x86_64-unknown-linux-gnu", "x86-64", "\tcall", "\tj", "vfmadd", false},
      {"x86_64-unknown-linux-gnu", "x86-64-v3", "\tcall", "\tj", "vfmadd", true},
      {"x86_64-unknown-linux-gnu", "x86-64-v4", "\tcall", "\tj", "vfmadd", true},
      {"aarch64-unknown-linux-gnu", "generic", "\tbl\t", "\tb.", "fmla", true},
  };
  for (size_t t = 0; t < sizeof targets / sizeof targets[0]; t++) {
    LLVMMemoryBufferRef text = compile(code, targets[t].triple, targets[t].cpu, wide, wide ? 2 : 4, LLVMAssemblyFile);
    const char *assembly = LLVMGetBufferStart(text);
    ck_assert_int_eq(occurrences(assembly, targets[t].call), code->calls);
    ck_assert_int_eq(occurrences(assembly, targets[t].branch), 0);
    ck_assert_int_eq(occurrences(assembly, targets[t].fused) > 0, targets[t].has_fused);
    LLVMDisposeMemoryBuffer(text);
  }
}

START_TEST(test_assembly) {
  math_code code = code_of(_i);
  check_assembly(&code, false);
  check_assembly(&code, true);
}
END_TEST

/* ---- measuring */

/* Distance in units in the last place at `exact`; huge for a wrong kind of number. Overflow is where rounding says so. */
static inline double error_in_ulp(bool wide, double got, long double exact) {
  int exponent, least = wide ? -1021 : -125, bits = wide ? 53 : 24;
  double nearest = wide ? (double)exact : (double)(float)exact;
  if (isnan(exact)) return isnan(got) ? 0 : INFINITY;
  if (isinf(nearest) || isinf(got)) return got == nearest ? 0 : INFINITY;
  frexpl(exact, &exponent);
  if (exponent < least) exponent = least;
  double error = (double)fabsl(ldexpl((long double)got - exact, bits - exponent));
  return isnan(error) ? INFINITY : error;
}

static inline double element(bool wide, const void *array, int i) {
  if (wide) return ((const double *)array)[i];
  return (double)((const float *)array)[i];
}

static inline void set_element(bool wide, void *array, int i, double x) {
  if (wide) ((double *)array)[i] = x;
  else ((float *)array)[i] = (float)x;
}

/* xorshift64, the same numbers in every run */
static inline uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* ---- vectors of any length */

static inline void check_lanes_agree(const math_code *code, bool wide) {
  enum { ELEMENTS = 4096 };
  static const int lanes[] = {1, 2, 4, 16, 64};
  double x[MAX_VECTORS][ELEMENTS], y[MAX_VECTORS][ELEMENTS], expected[MAX_VECTORS][ELEMENTS];
  for (int part = 0; part < code->inputs; part++)
    for (int i = 0; i < ELEMENTS; i++) set_element(wide, x[part], i, input_of(part, i));
  for (int n = 0; n < COUNT(lanes); n++) {
    kernel k = make(code, cpus[cpu_count - 1], wide, lanes[n]);
    run_arrays(&k, (const void *[]){x[0], x[1]}, (void *[]){y[0], y[1]}, ELEMENTS);
    for (int part = 0; part < code->outputs; part++) {
      if (n == 0) memcpy(expected[part], y[part], sizeof y[part]);
      bool same = memcmp(expected[part], y[part], ELEMENTS * (wide ? 8 : 4)) == 0;
      ck_assert_msg(same, "%s with %d lanes differs", code->name, lanes[n]);
    }
    atr_jit_destroy(k.jit);
  }
}

/* One lane, less than a register, several registers: the same bits. */
START_TEST(test_lanes_agree) {
  math_code code = code_of(_i);
  check_lanes_agree(&code, false);
  check_lanes_agree(&code, true);
}
END_TEST

static inline int run_math_tests(const char *name, TCase *tcase, int function_count) {
  Suite *suite = suite_create(name);
  tcase_add_loop_test(tcase, test_lanes_agree, 0, function_count);
  tcase_add_loop_test(tcase, test_assembly, 0, function_count);
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_set_timeout(tcase, 300);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}

#endif

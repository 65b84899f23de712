/* test_math.c - exp, tanh and logistic as generated code, against the C library's long double functions.
 *
 * Each function is emitted alone, y = f(x) for one vector, for every kind of CPU that this machine can run (with and without a
 * fused multiply-add), loaded, and run over sweeps of f32 and f64. Errors are in units in the last place of the type at the
 * exact result; with ATROUS_TEST_VERBOSE=1 the largest of each function is printed:
 *
 *     tanh f64 x86-64-v3   0.793 ulp at 0x1.666850c06cebp-3
 *
 * The loader refuses objects that call anything of the C library, so a call that crept in fails every test here. */
#include <check.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/TargetMachine.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/llvm_internal.h"
#include "runtime/jit.h"

enum { BLOCK = 4096, MAX_CPUS = 4 };
static const double BOUND = 0.9; /* ulp; measured: 0.82 */

typedef LLVMValueRef (*emit_fn)(atr_emitter *e, LLVMValueRef x);

static long double logistic_l(long double x) { return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x)); }

typedef struct function {
  const char *name;
  emit_fn emit;
  long double (*exact)(long double);
} function;

static const function FUNCTIONS[] = {
    {"exp", atr_llvm_exp, expl}, {"tanh", atr_llvm_tanh, tanhl}, {"logistic", atr_llvm_logistic, logistic_l}};
enum { EXP, TANH, LOGISTIC, FUNCTION_COUNT };

static atr_arena arena;
static atr_work work;
static const char *host_triple, *cpus[MAX_CPUS];
static int cpu_count;

static void setup(void) {
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

static void teardown(void) { atr_arena_fini(&arena); }

/* ---- making code */

typedef struct kernel {
  atr_jit *jit;
  void *address;
  int lanes;
  bool wide;
} kernel;

static void init_types(atr_emitter *e) {
  e->i1 = LLVMInt1TypeInContext(e->context);
  e->i8 = LLVMInt8TypeInContext(e->context);
  e->i16 = LLVMInt16TypeInContext(e->context);
  e->i32 = LLVMInt32TypeInContext(e->context);
  e->i64 = LLVMInt64TypeInContext(e->context);
  e->f32 = LLVMFloatTypeInContext(e->context);
  e->f64 = LLVMDoubleTypeInContext(e->context);
  e->ptr = LLVMPointerTypeInContext(e->context, 0);
  e->void_type = LLVMVoidTypeInContext(e->context);
}

/* void f(const vector *x, vector *y), both at any alignment of their elements */
static void emit_function(atr_emitter *e, emit_fn emit, LLVMTypeRef element, unsigned alignment) {
  LLVMTypeRef vector = LLVMVectorType(element, (unsigned)e->lanes);
  LLVMValueRef f = LLVMAddFunction(e->module, "f", LLVMFunctionType(e->void_type, (LLVMTypeRef[]){e->ptr, e->ptr}, 2, 0));
  LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->context, f, "entry"));
  LLVMValueRef x = LLVMBuildLoad2(e->b, vector, LLVMGetParam(f, 0), "x");
  LLVMSetAlignment(x, alignment);
  LLVMSetAlignment(LLVMBuildStore(e->b, emit(e, x), LLVMGetParam(f, 1)), alignment);
  LLVMBuildRetVoid(e->b);
  ck_assert_int_eq(LLVMCountBasicBlocks(f), 1);
  char *message = NULL;
  ck_assert_msg(LLVMVerifyModule(e->module, LLVMReturnStatusAction, &message) == 0, "%s", message);
  LLVMDisposeMessage(message);
}

/* An object or assembly; the caller disposes of it. */
static LLVMMemoryBufferRef compile(emit_fn emit, const char *triple, const char *cpu, bool wide, int lanes,
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
  init_types(&e);
  LLVMSetTarget(e.module, triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
  LLVMSetModuleDataLayout(e.module, layout);
  emit_function(&e, emit, wide ? e.f64 : e.f32, wide ? 8 : 4);
  LLVMMemoryBufferRef out;
  ck_assert_int_eq(LLVMTargetMachineEmitToMemoryBuffer(machine, e.module, type, &message, &out), 0);
  LLVMDisposeTargetData(layout);
  LLVMDisposeBuilder(e.b);
  LLVMDisposeModule(e.module);
  LLVMContextDispose(e.context);
  LLVMDisposeTargetMachine(machine);
  return out;
}

static kernel make(const function *f, const char *cpu, bool wide, int lanes) {
  static const char *const names[] = {"f"};
  kernel k = {.lanes = lanes, .wide = wide};
  LLVMMemoryBufferRef object = compile(f->emit, host_triple, cpu, wide, lanes, LLVMObjectFile);
  atr_status status = atr_jit_load(&work, LLVMGetBufferStart(object), LLVMGetBufferSize(object), names, 1, &k.address, &k.jit);
  ck_assert_msg(status == ATR_OK, "%s for %s: %s", f->name, cpu, work.message);
  LLVMDisposeMemoryBuffer(object);
  return k;
}

/* As many lanes as the CPU's registers hold. */
static kernel make_natural(const function *f, const char *cpu, bool wide) {
  atr_target target;
  ck_assert_int_eq(atr_target_select(&work, host_triple, cpu, "", &target), ATR_OK);
  return make(f, cpu, wide, target.row->vector_bits / (wide ? 64 : 32));
}

/* y = f(x) for `count` elements, a multiple of the lanes. */
ATR_CALLS_JIT static void run(const kernel *k, const void *x, void *y, int count) {
  void (*f)(const void *, void *) = (void (*)(const void *, void *))(uintptr_t)k->address;
  size_t step = (size_t)k->lanes * (k->wide ? 8 : 4);
  for (size_t at = 0; at < (size_t)count * (k->wide ? 8 : 4); at += step) f((const char *)x + at, (char *)y + at);
}

/* ---- measuring */

/* Distance in units in the last place at `exact`; huge for a wrong kind of number. Overflow is where rounding says so. */
static double error_in_ulp(bool wide, double got, long double exact) {
  int exponent, least = wide ? -1021 : -125, bits = wide ? 53 : 24;
  double nearest = wide ? (double)exact : (double)(float)exact;
  if (isnan(exact)) return isnan(got) ? 0 : INFINITY;
  if (isinf(nearest) || isinf(got)) return got == nearest ? 0 : INFINITY;
  frexpl(exact, &exponent);
  if (exponent < least) exponent = least;
  double error = (double)fabsl(ldexpl((long double)got - exact, bits - exponent));
  return isnan(error) ? INFINITY : error;
}

/* Inputs and outputs of one block in both types; f32 uses the front halves. */
typedef struct block {
  double x[BLOCK], y[BLOCK];
} block;

static double element(bool wide, const void *array, int i) {
  if (wide) return ((const double *)array)[i];
  return (double)((const float *)array)[i];
}

static void set_bits(bool wide, void *array, int i, uint64_t bits) {
  uint32_t low = (uint32_t)bits;
  if (wide) memcpy((double *)array + i, &bits, 8);
  else memcpy((float *)array + i, &low, 4);
}

typedef struct sweep {
  const function *f;
  bool wide;
  kernel kernels[MAX_CPUS];
  double worst[MAX_CPUS], at[MAX_CPUS];
  long double exact[BLOCK];
  block data;
} sweep;

static sweep *begin(int number, bool wide) {
  sweep *s = calloc(1, sizeof *s);
  ck_assert_ptr_nonnull(s);
  s->f = &FUNCTIONS[number];
  s->wide = wide;
  for (int c = 0; c < cpu_count; c++) s->kernels[c] = make_natural(s->f, cpus[c], wide);
  return s;
}

/* Runs the block in s->data.x on every CPU. */
static void measure(sweep *s) {
  for (int i = 0; i < BLOCK; i++) s->exact[i] = s->f->exact((long double)element(s->wide, s->data.x, i));
  for (int c = 0; c < cpu_count; c++) {
    run(&s->kernels[c], s->data.x, s->data.y, BLOCK);
    for (int i = 0; i < BLOCK; i++) {
      double x = element(s->wide, s->data.x, i), y = element(s->wide, s->data.y, i),
             error = error_in_ulp(s->wide, y, s->exact[i]);
      if (s->f->emit != atr_llvm_exp && fabs(y) > 1) error = INFINITY;
      if (s->f->emit == atr_llvm_tanh && !isnan(x) && signbit(x) != signbit(y)) error = INFINITY;
      if (error <= s->worst[c]) continue;
      s->worst[c] = error;
      s->at[c] = x;
    }
  }
}

static void finish(sweep *s) {
  for (int c = 0; c < cpu_count; c++) {
    if (getenv("ATROUS_TEST_VERBOSE") != NULL)
      printf("%s %s %s   %.3f ulp at %a\n", s->f->name, s->wide ? "f64" : "f32", cpus[c], s->worst[c], s->at[c]);
    ck_assert_msg(s->worst[c] <= BOUND, "%s %s for %s is off by %g ulp at %a", s->f->name, s->wide ? "f64" : "f32", cpus[c],
                  s->worst[c], s->at[c]);
    atr_jit_destroy(s->kernels[c].jit);
  }
  free(s);
}

/* xorshift64, the same numbers in every run */
static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* ---- sweeps */

/* 2^22 values at a prime distance: every exponent, both signs, infinities' neighbours, NaNs. */
START_TEST(test_f32_all_exponents) {
  sweep *s = begin(_i, false);
  for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += (uint64_t)BLOCK * 1021) {
    for (int i = 0; i < BLOCK; i++) set_bits(false, s->data.x, i, bits + (uint64_t)i * 1021);
    measure(s);
  }
  finish(s);
}
END_TEST

/* What f64 numbers with exponents in [low, high) do; most of the work is where the result is not trivial. */
typedef struct binades {
  int low, high, blocks;
} binades;

static const binades CLASSES[] = {
    {0, 1, 16},                  /* subnormal */
    {1, 1023 - 60, 64},          /* tanh(x) = x */
    {1023 - 60, 1023 - 27, 256}, /* one term */
    {1023 - 27, 1023 - 2, 256},  /* no reduction */
    {1023 - 2, 1023 + 4, 256},   /* up to where tanh is 1 */
    {1023 + 4, 1023 + 10, 256},  /* to overflow and subnormal results */
    {1023 + 10, 2048, 16},       /* constant, infinity, NaN */
};
enum { CLASS_COUNT = sizeof CLASSES / sizeof CLASSES[0] };

START_TEST(test_f64_binades) {
  uint64_t state = 0x9e3779b97f4a7c15, mantissa_and_sign = 0x800fffffffffffff;
  sweep *s = begin(_i, true);
  for (int c = 0; c < CLASS_COUNT; c++)
    for (int block_number = 0; block_number < CLASSES[c].blocks; block_number++) {
      for (int i = 0; i < BLOCK; i++) {
        uint64_t exponent = (uint64_t)CLASSES[c].low + next_random(&state) % (uint64_t)(CLASSES[c].high - CLASSES[c].low);
        set_bits(true, s->data.x, i, (next_random(&state) & mantissa_and_sign) | exponent << 52);
      }
      measure(s);
    }
  finish(s);
}
END_TEST

/* Every neighbour of the places where a formula changes: overflow, subnormal results, underflow, tanh = 1, n from 0 to 1. */
static const double TURNS_F32[] = {0,         0.34657359, 1.0397208, 88.722839, 87.336545, 103.27893,
                                   103.97208, 104,        89,        9.0109133, 9.25,      1.17549435e-38};
static const double TURNS_F64[] = {0,
                                   0.34657359027997264,
                                   1.0397207708399179,
                                   709.782712893384,
                                   708.39641853226408,
                                   745.13321910194122,
                                   744.44007192138122,
                                   746,
                                   710,
                                   19.061547465398498,
                                   19.25,
                                   2.2250738585072014e-308};
enum { TURN_COUNT = sizeof TURNS_F32 / sizeof TURNS_F32[0] };

static void around(sweep *s, double turn) {
  float narrow = (float)turn;
  uint32_t narrow_bits;
  uint64_t bits, sign = s->wide ? (uint64_t)1 << 63 : (uint64_t)1 << 31;
  memcpy(&narrow_bits, &narrow, 4);
  memcpy(&bits, &turn, 8);
  if (!s->wide) bits = narrow_bits;
  bits = bits > BLOCK / 4 ? bits - BLOCK / 4 : 0;
  for (int i = 0; i < BLOCK; i++) set_bits(s->wide, s->data.x, i, (bits + (uint64_t)i / 2) | (i % 2 != 0 ? sign : 0));
  measure(s);
}

START_TEST(test_turning_points) {
  for (int wide = 0; wide < 2; wide++) {
    sweep *s = begin(_i, wide != 0);
    for (int t = 0; t < TURN_COUNT; t++) around(s, wide ? TURNS_F64[t] : TURNS_F32[t]);
    finish(s);
  }
}
END_TEST

/* ---- special values */

typedef struct special {
  int number;
  double x, y;
} special;

static const special SPECIALS[] = {
    {EXP, 0.0, 1},
    {EXP, -0.0, 1},
    {EXP, INFINITY, INFINITY},
    {EXP, -INFINITY, 0},
    {EXP, NAN, NAN},
    {EXP, 1e30, INFINITY},
    {EXP, -1e30, 0},
    {TANH, 0.0, 0.0},
    {TANH, -0.0, -0.0},
    {TANH, INFINITY, 1},
    {TANH, -INFINITY, -1},
    {TANH, NAN, NAN},
    {TANH, 1e30, 1},
    {TANH, -1e30, -1},
    {TANH, 0x1p-149, 0x1p-149},
    {TANH, -0x1p-149, -0x1p-149},
    {LOGISTIC, 0.0, 0.5},
    {LOGISTIC, -0.0, 0.5},
    {LOGISTIC, INFINITY, 1},
    {LOGISTIC, -INFINITY, 0},
    {LOGISTIC, NAN, NAN},
    {LOGISTIC, 1e30, 1},
    {LOGISTIC, -1e30, 0},
    {LOGISTIC, 0x1p-149, 0.5},
};

static void check_special(const kernel *k, const char *cpu, const special *want) {
  block b;
  for (int i = 0; i < k->lanes; i++) {
    if (k->wide) b.x[i] = want->x;
    else ((float *)b.x)[i] = (float)want->x;
  }
  run(k, b.x, b.y, k->lanes);
  for (int i = 0; i < k->lanes; i++) {
    double y = element(k->wide, b.y, i);
    bool same = isnan(want->y) ? isnan(y) : y == want->y && signbit(y) == signbit(want->y);
    ck_assert_msg(same, "%s(%a) for %s, %d bits, is %a", FUNCTIONS[want->number].name, want->x, cpu, k->wide ? 64 : 32, y);
  }
}

START_TEST(test_special_values) {
  for (int c = 0; c < cpu_count; c++)
    for (int wide = 0; wide < 2; wide++) {
      kernel k = make_natural(&FUNCTIONS[_i], cpus[c], wide != 0);
      for (size_t n = 0; n < sizeof SPECIALS / sizeof SPECIALS[0]; n++)
        if (SPECIALS[n].number == _i) check_special(&k, cpus[c], &SPECIALS[n]);
      atr_jit_destroy(k.jit);
    }
}
END_TEST

/* A NaN whose only mantissa bit is the lowest, which a mask of the leading bits would turn into infinity. */
START_TEST(test_signalling_nan) {
  for (int c = 0; c < cpu_count; c++)
    for (int wide = 0; wide < 2; wide++) {
      kernel k = make_natural(&FUNCTIONS[_i], cpus[c], wide != 0);
      block b;
      for (int i = 0; i < k.lanes; i++) set_bits(k.wide, b.x, i, wide ? 0x7ff0000000000001 : 0x7f800001);
      run(&k, b.x, b.y, k.lanes);
      for (int i = 0; i < k.lanes; i++) ck_assert(isnan(element(k.wide, b.y, i)));
      atr_jit_destroy(k.jit);
    }
}
END_TEST

/* ---- shapes and targets */

/* One lane, less than a register, several registers: the same bits. */
START_TEST(test_lanes_agree) {
  static const int lanes[] = {1, 2, 4, 16, 64};
  for (int wide = 0; wide < 2; wide++) {
    block expected, b;
    for (int i = 0; i < BLOCK; i++) {
      if (wide) b.x[i] = (i - BLOCK / 2) * 0.0173;
      else ((float *)b.x)[i] = (float)(i - BLOCK / 2) * 0.0173f;
    }
    for (size_t n = 0; n < sizeof lanes / sizeof lanes[0]; n++) {
      kernel k = make(&FUNCTIONS[_i], cpus[cpu_count - 1], wide != 0, lanes[n]);
      run(&k, b.x, n == 0 ? expected.y : b.y, BLOCK);
      if (n > 0)
        ck_assert_msg(memcmp(expected.y, b.y, BLOCK * (wide ? 8 : 4)) == 0, "%s with %d lanes differs", FUNCTIONS[_i].name,
                      lanes[n]);
      atr_jit_destroy(k.jit);
    }
  }
}
END_TEST

static int occurrences(const char *text, const char *what) {
  int count = 0;
  for (const char *p = text; (p = strstr(p, what)) != NULL; p++) count++;
  return count;
}

/* Straight-line code of the target's own: no calls, no branches, and fused exactly where the row says so. */
START_TEST(test_assembly) {
  static const struct {
    const char *triple, *cpu, *call, *branch, *fused;
    bool has_fused;
  } targets[] = {
      {"x86_64-unknown-linux-gnu", "x86-64", "\tcall", "\tj", "vfmadd", false},
      {"x86_64-unknown-linux-gnu", "x86-64-v3", "\tcall", "\tj", "vfmadd", true},
      {"x86_64-unknown-linux-gnu", "x86-64-v4", "\tcall", "\tj", "vfmadd", true},
      {"aarch64-unknown-linux-gnu", "generic", "\tbl\t", "\tb.", "fmla", true},
  };
  for (size_t t = 0; t < sizeof targets / sizeof targets[0]; t++)
    for (int wide = 0; wide < 2; wide++) {
      LLVMMemoryBufferRef text = compile(FUNCTIONS[_i].emit, targets[t].triple, targets[t].cpu, wide != 0, wide ? 2 : 4,
                                         LLVMAssemblyFile);
      const char *assembly = LLVMGetBufferStart(text);
      ck_assert_int_eq(occurrences(assembly, targets[t].call), 0);
      ck_assert_int_eq(occurrences(assembly, targets[t].branch), 0);
      ck_assert_int_eq(occurrences(assembly, targets[t].fused) > 0, targets[t].has_fused);
      LLVMDisposeMemoryBuffer(text);
    }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("math");
  TCase *tcase = tcase_create("functions");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_set_timeout(tcase, 300);
  tcase_add_loop_test(tcase, test_f32_all_exponents, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_f64_binades, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_turning_points, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_special_values, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_signalling_nan, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_lanes_agree, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_assembly, 0, FUNCTION_COUNT);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}

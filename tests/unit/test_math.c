/* test_math.c - exp, tanh and logistic as generated code, against the C library's long double functions.
 *
 * Each function is emitted alone, y = f(x) for one vector, for every kind of CPU that this machine can run (with and without a
 * fused multiply-add), loaded, and run over sweeps of f32 and f64. Errors are in units in the last place of the type at the
 * exact result; with ATROUS_TEST_VERBOSE=1 the largest of each function is printed:
 *
 *     tanh f64 x86-64-v3   0.793 ulp at 0x1.666850c06cebp-3 */
#include "math_fixture.h"

enum { BLOCK = 4096 };
static const double BOUND = 0.85; /* ulp, as llvm_math.c promises; measured: 0.80 */

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

static void emit_real(atr_emitter *e, const void *user, const LLVMValueRef *x, LLVMValueRef *y) {
  y[0] = ((const function *)user)->emit(e, x[0]);
}

static math_code code_of(int number) { return (math_code){FUNCTIONS[number].name, 1, 1, 0, emit_real, &FUNCTIONS[number]}; }

static void run(const kernel *k, const void *x, void *y, int count) { run_arrays(k, &x, &y, count); }

/* ---- measuring */

/* Inputs and outputs of one block in both types; f32 uses the front halves. */
typedef struct block {
  double x[BLOCK], y[BLOCK];
} block;

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
  math_code code = code_of(number);
  for (int c = 0; c < cpu_count; c++) s->kernels[c] = make_natural(&code, cpus[c], wide);
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
  for (int i = 0; i < k->lanes; i++) set_element(k->wide, b.x, i, want->x);
  run(k, b.x, b.y, k->lanes);
  for (int i = 0; i < k->lanes; i++) {
    double y = element(k->wide, b.y, i);
    bool same = isnan(want->y) ? isnan(y) : y == want->y && signbit(y) == signbit(want->y);
    ck_assert_msg(same, "%s(%a) for %s, %d bits, is %a", FUNCTIONS[want->number].name, want->x, cpu, k->wide ? 64 : 32, y);
  }
}

START_TEST(test_special_values) {
  math_code code = code_of(_i);
  for (int c = 0; c < cpu_count; c++)
    for (int wide = 0; wide < 2; wide++) {
      kernel k = make_natural(&code, cpus[c], wide != 0);
      for (size_t n = 0; n < sizeof SPECIALS / sizeof SPECIALS[0]; n++)
        if (SPECIALS[n].number == _i) check_special(&k, cpus[c], &SPECIALS[n]);
      atr_jit_destroy(k.jit);
    }
}
END_TEST

/* A NaN whose only mantissa bit is the lowest, which a mask of the leading bits would turn into infinity. */
START_TEST(test_signalling_nan) {
  math_code code = code_of(_i);
  for (int c = 0; c < cpu_count; c++)
    for (int wide = 0; wide < 2; wide++) {
      kernel k = make_natural(&code, cpus[c], wide != 0);
      block b;
      for (int i = 0; i < k.lanes; i++) set_bits(k.wide, b.x, i, wide ? 0x7ff0000000000001 : 0x7f800001);
      run(&k, b.x, b.y, k.lanes);
      for (int i = 0; i < k.lanes; i++) ck_assert(isnan(element(k.wide, b.y, i)));
      atr_jit_destroy(k.jit);
    }
}
END_TEST

static double input_of(int part, int i) {
  (void)part;
  return (i - 2048) * 0.0173;
}

int main(void) {
  TCase *tcase = tcase_create("functions");
  tcase_add_loop_test(tcase, test_f32_all_exponents, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_f64_binades, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_turning_points, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_special_values, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_signalling_nan, 0, FUNCTION_COUNT);
  return run_math_tests("math", tcase, FUNCTION_COUNT);
}

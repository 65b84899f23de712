/* test_math_complex.c - abs, exp, tanh and logistic of complex numbers as generated code, against the C library in long double.
 *
 * As test_math.c: each function alone, for every kind of CPU that this machine can run, in c64 and c128. The error of a part is
 * in units in the last place of that part, but for logistic, whose real part may cancel: there it is that of the magnitude.
 * With ATROUS_TEST_VERBOSE=1 the largest of each function is printed:
 *
 *     tanh c128 x86-64-v3   4.257 ulp at -0x1.029b14a63ee43p-53 + 0x1.064849abbb8a8p+0 i
 *
 * The bounds are those of doc/ir.md. */
#include <complex.h>

#include "math_fixture.h"

enum { BLOCK = 2048 };

typedef long double complex exact_complex;

static exact_complex abs_l(exact_complex z) { return cabsl(z); }

/* 1 / (1 + exp(-z)) cancels near its poles i pi (2k + 1), and overflows far to the left. */
static exact_complex logistic_l(exact_complex z) {
  if (creall(z) >= 1) return 1 / (1 + cexpl(-z));
  if (creall(z) <= -1) return cexpl(z) / (1 + cexpl(z));
  return (1 + ctanhl(z / 2)) / 2;
}

typedef struct function {
  const char *name;
  atr_op op;
  int parts; /* of the result */
  exact_complex (*exact)(exact_complex);
  bool of_norm;        /* errors are relative to the magnitude */
  double narrow, wide; /* bounds for c64 and c128, ulp */
} function;

static const function FUNCTIONS[] = {{"abs", ATR_OP_ABS, 1, abs_l, false, 0.51, 1.2},
                                     {"exp", ATR_OP_EXPONENTIAL, 2, cexpl, false, 0.51, 2},
                                     {"tanh", ATR_OP_TANH, 2, ctanhl, false, 0.51, 5},
                                     {"logistic", ATR_OP_LOGISTIC, 2, logistic_l, true, 0.51, 5}};
enum { ABS, EXP, TANH, LOGISTIC, FUNCTION_COUNT };

static void emit_complex(atr_emitter *e, const void *user, const LLVMValueRef *x, LLVMValueRef *y) {
  atr_vec v = atr_llvm_complex_function(e, ((const function *)user)->op, (atr_vec){x[0], x[1]});
  y[0] = v.re;
  y[1] = v.im;
}

static math_code code_of(int number) {
  return (math_code){FUNCTIONS[number].name, 2, FUNCTIONS[number].parts, number == ABS ? 0 : 1, emit_complex,
                     &FUNCTIONS[number]};
}

typedef struct point {
  double re, im;
} point;

static exact_complex complex_of(point z) {
  union {
    long double parts[2];
    exact_complex z;
  } u = {.parts = {z.re, z.im}};
  return u.z;
}

/* volatile: gcc 12 forgets to round when it makes vectors of the conversions of both parts. */
static double narrowed(bool wide, double x) {
  volatile float f = (float)x;
  return wide ? x : (double)f;
}

static void run(const kernel *k, const point *x, point *y, int count) {
  double in[2][BLOCK], out[2][BLOCK] = {{0}};
  for (int i = 0; i < count; i++) {
    set_element(k->wide, in[0], i, x[i].re);
    set_element(k->wide, in[1], i, x[i].im);
  }
  run_arrays(k, (const void *[]){in[0], in[1]}, (void *[]){out[0], out[1]}, count);
  for (int i = 0; i < count; i++) y[i] = (point){element(k->wide, out[0], i), element(k->wide, out[1], i)};
}

/* ---- measuring */

typedef struct sweep {
  const function *f;
  bool wide;
  kernel kernels[MAX_CPUS];
  double worst[MAX_CPUS];
  point at[MAX_CPUS], x[BLOCK], y[BLOCK];
  exact_complex exact[BLOCK];
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

/* In units of the part, or of the magnitude where that is larger. */
static double part_error(const sweep *s, double got, long double part, long double magnitude) {
  if (!s->f->of_norm || !isfinite(magnitude)) return error_in_ulp(s->wide, got, part);
  return error_in_ulp(s->wide, (double)magnitude, magnitude + (long double)got - part);
}

static double error_of(const sweep *s, point got, exact_complex exact) {
  long double magnitude = cabsl(exact);
  double re = part_error(s, got.re, creall(exact), magnitude), im = part_error(s, got.im, cimagl(exact), magnitude);
  return re > im ? re : im;
}

/* Runs the block in s->x on every CPU. */
static void measure(sweep *s) {
  for (int i = 0; i < BLOCK; i++) {
    s->x[i] = (point){narrowed(s->wide, s->x[i].re), narrowed(s->wide, s->x[i].im)};
    s->exact[i] = s->f->exact(complex_of(s->x[i]));
  }
  for (int c = 0; c < cpu_count; c++) {
    run(&s->kernels[c], s->x, s->y, BLOCK);
    for (int i = 0; i < BLOCK; i++) {
      double error = error_of(s, s->y[i], s->exact[i]);
      if (error <= s->worst[c]) continue;
      s->worst[c] = error;
      s->at[c] = s->x[i];
    }
  }
}

static void finish(sweep *s) {
  double bound = s->wide ? s->f->wide : s->f->narrow;
  for (int c = 0; c < cpu_count; c++) {
    const char *type = s->wide ? "c128" : "c64";
    if (getenv("ATROUS_TEST_VERBOSE") != NULL)
      printf("%s %s %s   %.3f ulp at %a + %a i\n", s->f->name, type, cpus[c], s->worst[c], s->at[c].re, s->at[c].im);
    ck_assert_msg(s->worst[c] <= bound, "%s %s for %s is off by %g ulp at %a + %a i", s->f->name, type, cpus[c], s->worst[c],
                  s->at[c].re, s->at[c].im);
    atr_jit_destroy(s->kernels[c].jit);
  }
  free(s);
}

/* ---- sweeps */

/* Binary exponents of a part, [low, high): everything that makes a difference to one of the functions. */
typedef struct binades {
  int low, high;
} binades;

static const binades WIDE[] = {{-1074, -1022}, {-1022, -520}, {-520, -60}, {-60, -27}, {-27, -2},
                               {-2, 4},        {4, 11},       {11, 60},    {60, 500},  {500, 1024}};
static const binades NARROW[] = {{-149, -126}, {-126, -60}, {-60, -13}, {-13, -2}, {-2, 4}, {4, 8}, {8, 30}, {30, 128}};
enum { WIDE_COUNT = sizeof WIDE / sizeof WIDE[0], NARROW_COUNT = sizeof NARROW / sizeof NARROW[0] };

static double draw(uint64_t *state, const binades *b) {
  uint64_t bits = next_random(state);
  double mantissa = 1 + (double)(bits >> 12) * 0x1p-52;
  int exponent = b->low + (int)(next_random(state) % (uint64_t)(b->high - b->low));
  return ldexp((bits & 1) != 0 ? -mantissa : mantissa, exponent);
}

START_TEST(test_binades) {
  for (int wide = 0; wide < 2; wide++) {
    uint64_t state = 0x9e3779b97f4a7c15;
    int count = wide ? WIDE_COUNT : NARROW_COUNT;
    const binades *classes = wide ? WIDE : NARROW;
    sweep *s = begin(_i, wide != 0);
    for (int n = 0; n < count * count; n++) {
      for (int i = 0; i < BLOCK; i++) s->x[i] = (point){draw(&state, &classes[n / count]), draw(&state, &classes[n % count])};
      measure(s);
    }
    finish(s);
  }
}
END_TEST

/* Angles next to multiples of pi/4, where a sine or cosine nearly vanishes or the reduction changes; among them the f64 that is
 * nearest of all to a multiple of pi/2. Real parts near 0, so that tanh and logistic come close to their poles. */
START_TEST(test_multiples) {
  static const double REAL[] = {0, 0x1p-1074, 0x1p-300, 0x1p-62, 0x1p-53, 0x1p-30, 0.1, 1, 3, 300, 745};
  enum { REAL_COUNT = sizeof REAL / sizeof REAL[0] };
  for (int wide = 0; wide < 2; wide++) {
    uint64_t state = 0x2545f4914f6cdd1d;
    sweep *s = begin(_i, wide != 0);
    for (int n = 0; n < 16 * REAL_COUNT; n++) {
      for (int i = 0; i < BLOCK; i++) {
        long double k = (long double)(next_random(&state) >> (16 + 3 * (n % 16)));
        double b = (double)(k * 0x1.921fb54442d1846ap-1L);
        b = narrowed(wide != 0, b);
        double next = wide ? nextafter(b, i & 2 ? 1e300 : -1e300) : (double)nextafterf((float)b, i & 2 ? 1e30f : -1e30f);
        s->x[i] = (point){i & 8 ? -REAL[n / 16] : REAL[n / 16], i & 1 ? b : next};
      }
      if (wide) s->x[0].im = 0x1.6ac5b262ca1ffp+849; /* 2^-60.9 from a multiple */
      measure(s);
    }
    finish(s);
  }
}
END_TEST

/* The magnitude of exp about to overflow or to be subnormal; sine and cosine move the place. */
START_TEST(test_turning_points) {
  static const double TURNS[] = {88.722839,          87.336545,          103.97208, 709.782712893384,
                                 708.39641853226408, 745.13321910194122, 751.9};
  for (int wide = 0; wide < 2; wide++) {
    uint64_t state = 0x9e3779b97f4a7c15;
    sweep *s = begin(_i, wide != 0);
    for (size_t t = 0; t < sizeof TURNS / sizeof TURNS[0]; t++) {
      for (int i = 0; i < BLOCK; i++) {
        double a = TURNS[t] + 4 * ((double)(next_random(&state) >> 11) * 0x1p-53 - 0.5);
        s->x[i] = (point){i & 1 ? a : -a, (double)(int64_t)next_random(&state) * 0x1p-60};
      }
      measure(s);
    }
    finish(s);
  }
}
END_TEST

/* ---- special values */

static point library_value(int number, point z) {
  union {
    double parts[2];
    double complex z;
  } in = {.parts = {z.re, z.im}}, out = {.parts = {0, 0}};
  if (number == ABS) return (point){hypot(z.re, z.im), 0};
  if (number == EXP) out.z = cexp(in.z);
  else if (number == TANH) out.z = ctanh(in.z);
  else {
    exact_complex exact = logistic_l(complex_of(z));
    return (point){(double)creall(exact), (double)cimagl(exact)};
  }
  return (point){out.parts[0], out.parts[1]};
}

/* NaN, infinities and zeros are as they must be, and other values are such; their errors are the sweeps' business. The sums of
 * logistic_l lose the sign of a zero. */
static bool is_same_kind(int number, double got, double want) {
  if (isnan(want)) return isnan(got);
  if (isfinite(want) && want != 0) return isfinite(got) && signbit(got) == signbit(want);
  return got == want && (number == LOGISTIC || signbit(got) == signbit(want));
}

START_TEST(test_special_values) {
  static const double VALUES[] = {0,        1e-310, 0x1p-149, 0.5, 1, 3, 90, 800, 1500, 0x1.fffffep127, 0x1.fffffffffffffp1023,
                                  INFINITY, NAN};
  enum { COUNT = sizeof VALUES / sizeof VALUES[0] };
  math_code code = code_of(_i);
  for (int c = 0; c < cpu_count; c++) {
    kernel k = make_natural(&code, cpus[c], true);
    for (int n = 0; n < 4 * COUNT * COUNT; n++) {
      point x[ATR_MAX_LANES], y[ATR_MAX_LANES];
      double re = VALUES[n / 4 % COUNT], im = VALUES[n / 4 / COUNT];
      for (int i = 0; i < k.lanes; i++) x[i] = (point){n & 1 ? -re : re, n & 2 ? -im : im};
      run(&k, x, y, k.lanes);
      point want = library_value(_i, x[0]);
      for (int i = 0; i < k.lanes; i++)
        ck_assert_msg(is_same_kind(_i, y[i].re, want.re) && is_same_kind(_i, y[i].im, want.im),
                      "%s(%a + %a i) for %s is %a + %a i, not %a + %a i", code.name, x[i].re, x[i].im, cpus[c], y[i].re,
                      y[i].im, want.re, want.im);
    }
    atr_jit_destroy(k.jit);
  }
}
END_TEST

static double input_of(int part, int i) { return part == 0 ? (i % 64 - 32) * 0.2933 : (i / 64 - 32) * 129.3; }

int main(void) {
  TCase *tcase = tcase_create("functions");
  tcase_add_loop_test(tcase, test_binades, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_multiples, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_turning_points, 0, FUNCTION_COUNT);
  tcase_add_loop_test(tcase, test_special_values, 0, FUNCTION_COUNT);
  return run_math_tests("math_complex", tcase, FUNCTION_COUNT);
}

/* test_wide.c - division and conversion of 64-bit integers as targets without them do it (llvm_wide.c), on this machine.
 *
 * In: numbers from all over the range and its ends, as vectors of several lengths. Out: what C computes, to the bit. */
#include "../random/rng.h"
#include "math_fixture.h"

enum { WIDE_ROUNDS = 2000, MOST_LANES = 8 };

typedef union number {
  uint64_t u;
  int64_t s;
  double f;
} number;

static LLVMValueRef as(atr_emitter *e, LLVMValueRef v, LLVMTypeRef element) {
  return LLVMBuildBitCast(e->b, v, LLVMVectorType(element, (unsigned)e->lanes), "");
}

/* `user` is "s" or "u". */
static bool is_signed(const void *user) { return *(const char *)user == 's'; }

static void emit_divide(atr_emitter *e, const void *user, const LLVMValueRef *x, LLVMValueRef *y) {
  y[0] = as(e, atr_llvm_plain_divide(e, as(e, x[0], e->i64), as(e, x[1], e->i64), is_signed(user)), e->f64);
}

static void emit_to_f64(atr_emitter *e, const void *user, const LLVMValueRef *x, LLVMValueRef *y) {
  y[0] = atr_llvm_wide_to_f64(e, as(e, x[0], e->i64), is_signed(user));
}

static void emit_from_f64(atr_emitter *e, const void *user, const LLVMValueRef *x, LLVMValueRef *y) {
  y[0] = as(e, atr_llvm_wide_from_f64(e, x[0], is_signed(user)), e->f64);
}

static number divide_s(number a, number b) { return (number){.s = a.s / b.s}; }
static number divide_u(number a, number b) { return (number){.u = a.u / b.u}; }
static number to_f64_s(number a, number b) { return (void)b, (number){.f = (double)a.s}; }
static number to_f64_u(number a, number b) { return (void)b, (number){.f = (double)a.u}; }

static number from_f64_s(number a, number b) {
  (void)b;
  if (a.f != a.f) return (number){.s = 0};
  return (number){.s = a.f >= 0x1p63 ? INT64_MAX : a.f < -0x1p63 ? INT64_MIN : (int64_t)a.f};
}

static number from_f64_u(number a, number b) {
  (void)b;
  return (number){.u = !(a.f > 0) ? 0 : a.f >= 0x1p64 ? UINT64_MAX : (uint64_t)a.f};
}

static const struct {
  math_code code;
  number (*want)(number a, number b);
} rows[] = {{{"divide", 2, 1, 1, emit_divide, "s"}, divide_s},       {{"divide", 2, 1, 1, emit_divide, "u"}, divide_u},
            {{"to_f64", 1, 1, 0, emit_to_f64, "s"}, to_f64_s},       {{"to_f64", 1, 1, 0, emit_to_f64, "u"}, to_f64_u},
            {{"from_f64", 1, 1, 0, emit_from_f64, "s"}, from_f64_s}, {{"from_f64", 1, 1, 0, emit_from_f64, "u"}, from_f64_u}};

/* For the fixture's tests, which are about functions of reals. */
static math_code code_of(int row) { return rows[row].code; }
static double input_of(int part, int i) { return part + i; }

/* Integers of any length, or floats of any kind. */
static number draw(rng *r, bool floats) {
  static const double ends[] = {
      0, 0.5, -0.75, 0x1p63, -0x1p63, 0x1p64, 0x1.fffffffffffffp62, -0x1.0000000000001p63, INFINITY, -INFINITY, NAN};
  uint64_t bits = rng_next(r) >> rng_below(r, 64);
  if (!floats) return (number){.u = rng_chance(r, 1, 2) ? bits : 0 - bits};
  if (rng_chance(r, 1, 4)) return (number){.f = RNG_PICK(r, ends)};
  return (number){.f = (double)(int64_t)rng_next(r) * ldexp(1, (int)rng_range(r, -70, 3))};
}

START_TEST(test_wide) {
  const int lanes = 1 << _i % 4;
  const math_code *code = &rows[_i / 4].code;
  rng r = rng_make(3, (uint64_t)_i);
  for (int c = 0; c < cpu_count; c++) {
    kernel k = make(code, cpus[c], true, lanes);
    for (int round = 0; round < WIDE_ROUNDS; round++) {
      number x[2 * MOST_LANES], y[MOST_LANES];
      for (int i = 0; i < 2 * lanes; i++) {
        x[i] = draw(&r, code->emit == emit_from_f64);
        /* callers see to 0 and -1 */
        while (i >= lanes && code->inputs == 2 && (x[i].s == 0 || x[i].s == -1)) x[i] = draw(&r, false);
      }
      call(&k, x, y);
      for (int i = 0; i < lanes; i++) {
        number want = rows[_i / 4].want(x[i], x[lanes + i]);
        ck_assert_msg(y[i].u == want.u, "%s %s of %016llx and %016llx: %016llx instead of %016llx", code->name,
                      (const char *)code->user, (unsigned long long)x[i].u, (unsigned long long)x[lanes + i].u,
                      (unsigned long long)y[i].u, (unsigned long long)want.u);
      }
    }
    atr_jit_destroy(k.jit);
  }
}
END_TEST

int main(void) {
  (void)test_assembly, (void)test_lanes_agree;
  Suite *suite = suite_create("wide");
  TCase *tcase = tcase_create("wide");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_add_loop_test(tcase, test_wide, 0, 4 * COUNT(rows));
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}

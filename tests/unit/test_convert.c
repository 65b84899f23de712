/* test_convert.c - conversions between all pairs of dtypes as compiled code, against the scalars of base/dtype.h.
 *
 * For each dtype one module converts an array of it to every other dtype:
 *
 *     x = s64[N] parameter(0)   a = pred[N] convert(x)   b = s8[N] convert(x)  ...
 *
 * It runs as code of the plainest CPU of this machine's kind and of the machine itself, whose instructions differ. Types of up
 * to 16 bits are converted from all their bit patterns; the others from what the random problems call the ends of their range,
 * among it numbers just beside the middle of two that a narrower type has, which show a result that was rounded twice. */
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/text.h"
#include "arena_fixture.h"
#include "../random/fill.h"

enum { WIDE_COUNT = 1 << 14, PIECE = 256 };

/* All patterns, or pieces that are each filled by themselves: some kinds of data are drawn for a whole array. */
static char *make_values(atr_dtype dtype, int64_t *count) {
  size_t size = atr_dtype_size(dtype);
  *count = dtype == ATR_PRED ? 2 : size <= 2 ? INT64_C(1) << 8 * size : WIDE_COUNT;
  char *values = atr_arena_alloc(&arena, (size_t)*count * size);
  rng r = rng_make(1, (uint64_t)dtype);
  for (int64_t i = 0; i < *count; i++) {
    if (size <= 2) memcpy(values + (size_t)i * size, &i, size); /* little-endian, as all targets */
    else if (i % PIECE == 0)
      fill_array(&r, FILL_ENDS, &(atr_shape[]){atr_shape_make(dtype, 1, (int64_t[]){PIECE})}[0], values + (size_t)i * size);
  }
  return values;
}

static const char *module_text(atr_dtype from, int64_t count) {
  atr_text text = atr_text_make(&arena);
  const char *comma = "";
  atr_text_printf(&text, "HloModule m\nENTRY e {\n  x = %s[%lld] parameter(0)\n", atr_dtype_name(from), (long long)count);
  for (int to = ATR_PRED; to < ATR_DTYPE_COUNT; to++)
    atr_text_printf(&text, "  y%d = %s[%lld] convert(x)\n", to, atr_dtype_name((atr_dtype)to), (long long)count);
  atr_text_puts(&text, "  ROOT t = tuple(");
  for (int to = ATR_PRED; to < ATR_DTYPE_COUNT; to++, comma = ", ") atr_text_printf(&text, "%sy%d", comma, to);
  atr_text_puts(&text, ")\n}\n");
  return text.data;
}

static bool same_part(double a, double b) { return a == b || (a != a && b != b); }

static void compare(atr_dtype from, atr_dtype to, const char *values, const char *results, int64_t count) {
  size_t from_size = atr_dtype_size(from), to_size = atr_dtype_size(to);
  for (int64_t i = 0; i < count; i++) {
    atr_scalar x = atr_scalar_load(from, values + (size_t)i * from_size),
               got = atr_scalar_load(to, results + (size_t)i * to_size);
    atr_scalar want = atr_scalar_round(to, atr_scalar_convert(from, to, x));
    if (got.i == want.i && same_part(got.re, want.re) && same_part(got.im, want.im)) continue;
    atr_text text = atr_text_make(&arena);
    atr_text_scalar(&text, from, values + (size_t)i * from_size);
    atr_text_printf(&text, " of %s as %s is ", atr_dtype_name(from), atr_dtype_name(to));
    atr_text_scalar(&text, to, results + (size_t)i * to_size);
    ck_abort_msg("%s, not %.17g %.17g %lld", text.data, want.re, want.im, (long long)want.i);
  }
}

static const char *const cpus[] = {
#if defined(__x86_64__)
    "x86-64",
#endif
    NULL};

START_TEST(test_from) {
  atr_dtype from = (atr_dtype)(ATR_PRED + _i / COUNT(cpus));
  atr_compile_options options = {.size = sizeof options, .cpu = cpus[_i % COUNT(cpus)]};
  int64_t count;
  const char *values = make_values(from, &count);
  void *results[ATR_DTYPE_COUNT];
  for (int to = ATR_PRED; to < ATR_DTYPE_COUNT; to++)
    results[to - ATR_PRED] = atr_arena_alloc(&arena, (size_t)count * atr_dtype_size((atr_dtype)to));
  atr_context *context;
  atr_module *module;
  atr_executable *executable;
  ck_assert_int_eq(atr_context_create(NULL, &context), ATR_OK);
  ck_assert_int_eq(atr_module_parse(context, "convert", module_text(from, count), -1, &module), ATR_OK);
  ck_assert_msg(atr_compile(context, module, &options, &executable) == ATR_OK, "%s", atr_context_message(context));
  ck_assert_int_eq(atr_executable_run(executable, (const void *const[]){values}, results, NULL), ATR_OK);
  for (int to = ATR_PRED; to < ATR_DTYPE_COUNT; to++) compare(from, (atr_dtype)to, values, results[to - ATR_PRED], count);
  atr_executable_release(executable);
  atr_module_destroy(module);
  atr_context_destroy(context);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("convert");
  TCase *tcase = tcase_create("compiled");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_add_loop_test(tcase, test_from, 0, (ATR_DTYPE_COUNT - ATR_PRED) * COUNT(cpus));
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}

/* test_compare.c - what the tool says about numbers: element.h (values and texts of every dtype), random.h (fills),
 * conv_scan.h (figures of a module's convolutions) and compare.h (the bound). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "element.h"
#include "random.h"
#include "support.h"

/* ---- elements ---------------------------------------------------------------------------------- */

/* Bits of an element, little-endian, and its text. */
static const struct { atr_dtype dtype; uint64_t bits; const char *text; } texts[] = {
    {ATR_PRED, 1, "true"}, {ATR_S8, 0x80, "-128"}, {ATR_S64, UINT64_C(1) << 63, "-9223372036854775808"},
    {ATR_U64, ~UINT64_C(0), "18446744073709551615"}, {ATR_U8, 200, "200"},
    {ATR_F16, 0x3c00, "1"}, {ATR_F16, 0x7bff, "65504"}, {ATR_F16, 0x0001, "6e-08"}, {ATR_F16, 0x3555, "0.3333"},
    {ATR_F16, 0xfc00, "-inf"}, {ATR_F16, 0x7e00, "nan"}, {ATR_BF16, 0x3dcd, "0.1"}, {ATR_BF16, 0xc2f7, "-123.5"},
    {ATR_F8E4M3FN, 0x7e, "448"}, {ATR_F8E4M3FN, 0x7f, "nan"}, {ATR_F8E4M3FN, 0x01, "0.002"}, {ATR_F8E4M3FN, 0x38, "1"},
    {ATR_F8E5M2, 0x7b, "57344"}, {ATR_F8E5M2, 0x7c, "inf"}, {ATR_F8E5M2, 0x01, "2e-05"}, {ATR_F8E5M2, 0xc0, "-2"},
    {ATR_F32, 0x3dcccccd, "0.1"}, {ATR_F32, 0x7f7fffff, "3.4028235e+38"}, {ATR_F32, 0x80000000, "-0"},
    {ATR_F64, UINT64_C(0x3fb999999999999a), "0.1"}, {ATR_C64, UINT64_C(0xc00000003f800000), "(1,-2)"},
};

START_TEST(element_texts) {
  char text[ELEMENT_TEXT_MAX];
  element_text(texts[_i].dtype, &texts[_i].bits, text);
  ck_assert_str_eq(text, texts[_i].text);
}
END_TEST

/* Every finite pattern of the small formats that is in range goes to a double and back; NaN stays NaN. */
START_TEST(element_round_trips) {
  static const struct { atr_dtype dtype; unsigned patterns; double range; } rows[] = {
      {ATR_F8E4M3FN, 256, 448}, {ATR_F8E5M2, 256, 448}, {ATR_F16, 65536, 32768}, {ATR_BF16, 65536, 32768}};
  for (int row = 0; row < 4; row++) {
    unsigned tried = 0;
    for (unsigned bits = 0; bits < rows[row].patterns; bits++) {
      unsigned back = 0;
      double re, im;
      element_get(rows[row].dtype, &bits, &re, &im);
      if (!(fabs(re) <= rows[row].range)) continue;
      element_set(rows[row].dtype, &back, re, 0);
      ck_assert_uint_eq(back, bits);
      tried++;
    }
    ck_assert_uint_gt(tried, rows[row].patterns / 2);
  }
}
END_TEST

/* A tie goes to the even fraction, and a carry into the exponent. */
START_TEST(element_rounding) {
  static const struct { double value; uint16_t bf16; } rows[] = {
      {1 + 1.0 / 256, 0x3f80}, {1 + 3.0 / 256, 0x3f82}, {1 + 1.0 / 256 + 1e-9, 0x3f81}, {2 - 1.0 / 1024, 0x4000}};
  for (int i = 0; i < 4; i++) {
    uint16_t bits;
    element_set(ATR_BF16, &bits, rows[i].value, 0);
    ck_assert_uint_eq(bits, rows[i].bf16);
  }
}
END_TEST

START_TEST(element_order) {
  int64_t a = INT64_MAX - 1, b = INT64_MAX; /* one double */
  uint64_t big = UINT64_C(1) << 63, one = 1;
  float nan = (float)NAN, zero = 0;
  ck_assert(element_less(ATR_S64, &a, &b) && !element_less(ATR_S64, &b, &a));
  ck_assert(element_less(ATR_U64, &one, &big) && !element_less(ATR_U64, &big, &one));
  ck_assert(!element_less(ATR_F32, &nan, &zero) && !element_less(ATR_F32, &zero, &nan));
}
END_TEST

/* ---- random arrays ----------------------------------------------------------------------------- */

START_TEST(random_ranges) {
  for (atr_dtype dtype = ATR_PRED; dtype <= ATR_C128; dtype = (atr_dtype)(dtype + 1)) {
    const int64_t n = 2000;
    atr_shape shape = atr_shape_make(dtype, 1, &n);
    bool is_unsigned = element_kind_of(dtype) == ELEMENT_UNSIGNED, is_float = element_is_float(dtype);
    unsigned char *data = malloc((size_t)atr_shape_bytes(&shape));
    int seen[9] = {0};
    random_array(1, 0, RANDOM_SMALL, &shape, data);
    for (int64_t i = 0; i < n; i++) {
      double re, im;
      element_get(dtype, data + (size_t)i * atr_dtype_size(dtype), &re, &im);
      ck_assert(re == rint(re) && re >= (is_unsigned ? 0 : -4) && re <= 4 && im == rint(im) && fabs(im) <= 4);
      seen[(int)re + 4]++;
    }
    for (int v = is_unsigned ? 0 : -4; dtype != ATR_PRED && v <= 4; v++) ck_assert_int_gt(seen[v + 4], (int)n / 20);
    random_array(1, 0, RANDOM_WIDE, &shape, data);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
      double re, im;
      element_get(dtype, data + (size_t)i * atr_dtype_size(dtype), &re, &im);
      if (is_float) ck_assert(fabs(re) <= 1 && fabs(im) <= 1);
      sum += is_float ? fabs(re) : 0;
    }
    if (is_float) ck_assert(fabs(sum / (double)n - 0.5) < 0.03);
    free(data);
  }
}
END_TEST

/* ---- figures ----------------------------------------------------------------------------------- */

/* Text, then convolutions, steps, reduction, flops, useful flops. */
static const struct { const char *text; int convolutions, steps; double reduction, flops, useful; } scans[] = {
    {"  y = f32[1,8,8,4] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f\n", 1, 1, 18,
     2.0 * 256 * 18, 2.0 * 22 * 22 * 2 * 4},
    /* operands with shapes and %, no padding on the second dimension, a stride */
    {"  ROOT %y = f32[1,4,6,4]{3,2,1,0} convolution(f32[1,8,8,2] %x, f32[3,3,2,4] %w), "
     "window={size=3x3 stride=2x1 pad=1_0x0_0}, dim_labels=b01f_01io->b01f, metadata={op_name=\"a\"}\n", 1, 1, 18,
     2.0 * 96 * 18, 2.0 * (4 * 3 - 1) * (6 * 3) * 2 * 4},
    /* edge modes put something real everywhere */
    {"  y = f32[1,8,8,4] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, "
     "edge_mode=reflectxreflect\n", 1, 1, 18, 2.0 * 256 * 18, 2.0 * 256 * 18},
    {"  y = c64[1,8,8,4] convolution(x, w), window={size=1x1}, dim_labels=b01f_01io->b01f\n  z = c64[4] negate(y)\n", 1, 2, 2,
     8.0 * 256 * 2, 8.0 * 256 * 2},
    {"  t = (f32[2], f32[2]) tuple(a, b)\n  y = f32[1,8,8,4] convolution(unknown, w)\n", 0, 1, 0, 0, 0},
    {"  y = f32[1,8,8,4] convolution(x, w), window={size=3", 0, 1, 0, 0, 0},
};

START_TEST(figures) {
  char text[1024];
  conv_stats stats;
  snprintf(text, sizeof text, "ENTRY main {\n  x = f32[1,8,8,2] parameter(0)\n  w = f32[3,3,2,4] parameter(1)\n%s}\n",
           scans[_i].text);
  if (strstr(text, "size=1x1") != NULL) memcpy(strstr(text, "f32[3,3"), "f32[1,1", 7);
  ck_assert(conv_scan(text, &stats));
  ck_assert_int_eq(stats.convolutions, scans[_i].convolutions);
  ck_assert_int_eq(stats.steps, scans[_i].steps);
  ck_assert_double_eq(stats.reduction, scans[_i].reduction);
  ck_assert_double_eq(stats.flops, scans[_i].flops);
  ck_assert_double_eq(stats.useful_flops, scans[_i].useful);
}
END_TEST

START_TEST(coarsest_float) {
  conv_stats stats;
  const char *text = "a = f32[2] parameter(0)\nb = bf16[2] convert(a)\nc = f16[2] convert(b)\nd = f64[2] convert(c)\n";
  ck_assert(conv_scan(text, &stats));
  ck_assert_int_eq(stats.coarsest, ATR_BF16);
  ck_assert_int_eq(stats.steps, 3);
  ck_assert(conv_scan("a = f32[2] parameter(0)\nb = s32[2] convert(a)\n", &stats));
  ck_assert_int_eq(stats.coarsest, ATR_DTYPE_NONE);
}
END_TEST

/* ---- comparison -------------------------------------------------------------------------------- */

START_TEST(bound) {
  static const float want[4] = {1, -100, 3, 4};
  atr_shape shape = atr_shape_make(ATR_F32, 2, (const int64_t[]){2, 2});
  conv_stats stats = {.steps = 2, .reduction = 9, .coarsest = ATR_F32};
  double expected = 100 * ldexp(1, -23) * (2 + 2 + 1 + 9);
  compare_result result;
  for (int over = 0; over < 2; over++) {
    float got[4] = {1, -100, 3, 4};
    got[2] = (float)(3 + expected * (over ? 1.05 : 0.95));
    compare_arrays(&shape, got, want, NULL, &stats, false, &result);
    ck_assert_double_eq_tol(result.bound, expected, 1e-12);
    ck_assert_int_eq(result.same, !over);
    ck_assert_int_eq(result.wrong, over);
    if (over) ck_assert(result.first[0] == 1 && result.first[1] == 0);
    compare_arrays(&shape, got, want, NULL, &stats, true, &result);
    ck_assert(!result.same);
  }
  /* What the terms added up to before they cancelled scales the bound; bf16 on the way coarsens it. */
  static const float magnitudes[4] = {1, 1000, 1, 1};
  compare_arrays(&shape, want, want, magnitudes, &stats, false, &result);
  ck_assert_double_eq_tol(result.bound, 10 * expected, 1e-12);
  stats.coarsest = ATR_BF16;
  compare_arrays(&shape, want, want, NULL, &stats, false, &result);
  ck_assert_double_eq_tol(result.bound, 100 * (4 * ldexp(1, -7) + 10 * ldexp(1, -23)), 1e-12);
}
END_TEST

START_TEST(special_values) {
  const float inf = (float)INFINITY, nan = (float)NAN, max = 3e38f;
  const struct { float got, want; bool same; } rows[] = {
      {nan, nan, true}, {inf, inf, true}, {0.0f, -0.0f, true}, {nan, 1, false}, {1, nan, false}, {inf, -inf, false},
      {max, inf, false}, {inf, max, false}};
  atr_shape shape = atr_shape_make(ATR_F32, 0, NULL);
  conv_stats stats = {.coarsest = ATR_F32};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    compare_result result;
    compare_arrays(&shape, &rows[i].got, &rows[i].want, NULL, &stats, false, &result);
    ck_assert_msg(result.same == rows[i].same, "%g against %g", (double)rows[i].got, (double)rows[i].want);
  }
}
END_TEST

START_TEST(integers_exactly) {
  int64_t got = INT64_MAX, want = INT64_MAX - 1;
  unsigned char got_pred = 255, want_pred = 1;
  atr_shape s64 = atr_shape_make(ATR_S64, 0, NULL), pred = atr_shape_make(ATR_PRED, 0, NULL);
  conv_stats stats = {.coarsest = ATR_BF16, .reduction = 1e6};
  compare_result result;
  char text[COMPARE_TEXT_MAX];
  compare_arrays(&s64, &got, &want, NULL, &stats, false, &result);
  ck_assert(!result.same);
  compare_text(&s64, &got, &want, &result, text);
  ck_assert_ptr_nonnull(strstr(text, "first at []: 9223372036854775807 instead of 9223372036854775806"));
  compare_arrays(&pred, &got_pred, &want_pred, NULL, &stats, false, &result);
  ck_assert(!result.same); /* a pred is stored as 0 or 1 */
}
END_TEST

START_TEST(magnitudes) {
  float f32[2] = {-1.5f, 2};
  uint16_t bf16[2] = {0xbf80, 0x3f80};
  int16_t s16[2] = {-300, INT16_MIN};
  float c64[2] = {-1, -2};
  atr_shape shape = atr_shape_make(ATR_F32, 1, (const int64_t[]){2}), scalar = atr_shape_make(ATR_C64, 0, NULL);
  compare_magnitudes(&shape, f32);
  ck_assert(f32[0] == 1.5f && f32[1] == 2);
  shape.dtype = ATR_BF16;
  compare_magnitudes(&shape, bf16);
  ck_assert(bf16[0] == 0x3f80 && bf16[1] == 0x3f80);
  shape.dtype = ATR_S16;
  compare_magnitudes(&shape, s16);
  ck_assert(s16[0] == 300 && s16[1] == INT16_MIN);
  compare_magnitudes(&scalar, c64);
  ck_assert(c64[0] == 1 && c64[1] == 2);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("compare");
  TCase *tests = tcase_create("compare");
  tcase_add_loop_test(tests, element_texts, 0, COUNT(texts));
  tcase_add_test(tests, element_round_trips);
  tcase_add_test(tests, element_rounding);
  tcase_add_test(tests, element_order);
  tcase_add_test(tests, random_ranges);
  tcase_add_loop_test(tests, figures, 0, COUNT(scans));
  tcase_add_test(tests, coarsest_float);
  tcase_add_test(tests, bound);
  tcase_add_test(tests, special_values);
  tcase_add_test(tests, integers_exactly);
  tcase_add_test(tests, magnitudes);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}

/* test_compare.c - what the tool says about numbers: element.h (values and texts of every dtype), random.h (fills),
 * conv_scan.h (figures of a module's convolutions), compare.h (the bound) and crosscheck.h (what a bound is made from). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "crosscheck.h"
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

/* Text, then steps, reduction, flops, useful flops. */
static const struct { const char *text; int steps; double reduction, flops, useful; } scans[] = {
    {"  y = f32[1,8,8,4] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f\n", 1, 18,
     2.0 * 256 * 18, 2.0 * 22 * 22 * 2 * 4},
    /* operands with shapes and %, no padding on the second dimension, a stride */
    {"  ROOT %y = f32[1,4,6,4]{3,2,1,0} convolution(f32[1,8,8,2] %x, f32[3,3,2,4] %w), "
     "window={size=3x3 stride=2x1 pad=1_0x0_0}, dim_labels=b01f_01io->b01f, metadata={op_name=\"a\"}\n", 1, 18,
     2.0 * 96 * 18, 2.0 * (4 * 3 - 1) * (6 * 3) * 2 * 4},
    /* edge modes put something real everywhere */
    {"  y = f32[1,8,8,4] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, "
     "edge_mode=reflectxreflect\n", 1, 18, 2.0 * 256 * 18, 2.0 * 256 * 18},
    /* but for holes, and in their own dimension only: half of 16 x 3 pairs of columns and taps, and 22 of 8 x 3 of rows */
    {"  y = f32[1,8,16,4] convolution(x, w), window={size=3x3 pad=1_1x2_1 lhs_dilate=1x2}, dim_labels=b01f_01io->b01f, "
     "edge_mode=zeroxcircular\n", 1, 18, 2.0 * 512 * 18, 2.0 * 22 * 24 * 2 * 4},
    /* gradients of unshared weights: a sum over 2 batch rows, and over 3x2 taps of the 2 / 2 features of a group */
    {"  y = f32[6,7,9,4] custom-call(x, w), custom_call_target=\"atrous.local_convolution_weight_gradient\", window={size=3x3}, "
     "dim_labels=1f0b_01io->b01f\n", 1, 2, 2.0 * 1512 * 2, 2.0 * 1512 * 2},
    {"  y = f32[1,10,9,6] custom-call(x, w), custom_call_target=\"atrous.local_convolution_data_gradient\", "
     "window={size=3x2}, dim_labels=b01f_01io->b01f, feature_group_count=2\n", 1, 6, 2.0 * 540 * 6, 2.0 * 540 * 6},
    {"  y = c64[1,8,8,4] convolution(x, w), window={size=1x1}, dim_labels=b01f_01io->b01f\n  z = c64[4] negate(y)\n", 2, 2,
     8.0 * 256 * 2, 8.0 * 256 * 2},
    /* sums over dimensions: their terms come to those of convolutions */
    {"  s = f32[8] reduce(x, z), dimensions={3,0,1}, to_apply=add_f32\n", 1, 16, 0, 0},
    {"  r = f32[8,8,2] reduce(x, z), dimensions={}, to_apply=add_f32\n", 1, 1, 0, 0},
    {"  y = f32[1,8,8,4] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f\n"
     "  s = f32[1,4] reduce(y, z), dimensions={1,2}, to_apply=add_f32\n", 2, 18 + 64, 2.0 * 256 * 18, 2.0 * 22 * 22 * 2 * 4},
    {"  t = (f32[2], f32[2]) tuple(a, b)\n  y = f32[1,8,8,4] convolution(unknown, w)\n", 1, 0, 0, 0},
    {"  y = f32[1,8,8,4] convolution(x, w), window={size=3", 1, 0, 0, 0},
};

START_TEST(figures) {
  char text[1024];
  conv_stats stats;
  snprintf(text, sizeof text, "ENTRY main {\n  x = f32[1,8,8,2] parameter(0)\n  w = f32[3,3,2,4] parameter(1)\n%s}\n",
           scans[_i].text);
  if (strstr(text, "size=1x1") != NULL) memcpy(strstr(text, "f32[3,3"), "f32[1,1", 7);
  ck_assert(conv_scan(text, &stats));
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
    compare_reference reference = {.want = want};
    compare_arrays(&shape, got, &reference, &stats, false, &result);
    ck_assert_double_eq_tol(result.bound, expected, 1e-12);
    ck_assert_int_eq(result.same, !over);
    ck_assert_int_eq(result.wrong, over);
    if (over) ck_assert(result.first[0] == 1 && result.first[1] == 0);
    compare_arrays(&shape, got, &reference, &stats, true, &result);
    ck_assert(!result.same);
  }
  /* What the terms added up to before they cancelled scales the bound; bf16 on the way coarsens it. */
  static const float magnitudes[4] = {1, 1000, 1, 1};
  compare_reference reference = {.want = want, .magnitudes = magnitudes};
  compare_arrays(&shape, want, &reference, &stats, false, &result);
  ck_assert_double_eq_tol(result.bound, 10 * expected, 1e-12);
  stats.coarsest = ATR_BF16;
  reference.magnitudes = NULL;
  compare_arrays(&shape, want, &reference, &stats, false, &result);
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
    compare_arrays(&shape, &rows[i].got, &(compare_reference){.want = &rows[i].want}, &stats, false, &result);
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
  compare_arrays(&s64, &got, &(compare_reference){.want = &want}, &stats, false, &result);
  ck_assert(!result.same);
  compare_text(&s64, &got, &want, &result, text);
  ck_assert_ptr_nonnull(strstr(text, "first at []: 9223372036854775807 instead of 9223372036854775806"));
  compare_arrays(&pred, &got_pred, &(compare_reference){.want = &want_pred}, &stats, false, &result);
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

/* ---- conditions -------------------------------------------------------------------------------- */

/* An element's condition is added to the scale, for it alone; the error that is nearest to its bound is told. An infinity is
 * never within a bound. */
START_TEST(condition_in_bound) {
  static const float want[3] = {1, 2, 3};
  static const double condition[3] = {0, 1e6, 1e300};
  atr_shape shape = atr_shape_make(ATR_F32, 1, (const int64_t[]){3});
  conv_stats stats = {.steps = 1, .reduction = 1, .coarsest = ATR_F32};
  const double relative = 5 * ldexp(1, -23);
  const struct { float got[3]; bool same; double largest, scale; } rows[] = {
      {{1, 2.5f, 3}, true, 0.5, 1e6 + 3}, {{1, 2.7f, 3}, false, 0.7, 1e6 + 3}, {{1.125f, 2.25f, 3}, false, 0.125, 3},
      {{1, 2, 1e30f}, true, 1e30, 1e300}, {{1, 2, INFINITY}, false, INFINITY, 1e300}, {{1, 2, NAN}, false, INFINITY, 1e300}};
  for (int i = 0; i < COUNT(rows); i++) {
    compare_result result;
    compare_arrays(&shape, rows[i].got, &(compare_reference){want, NULL, condition}, &stats, false, &result);
    ck_assert_msg(result.same == rows[i].same, "row %d", i);
    ck_assert_msg(isinf(result.largest) == isinf(rows[i].largest), "row %d", i);
    if (isfinite(result.largest)) ck_assert_double_eq_tol(result.largest / rows[i].largest, 1, 1e-6);
    ck_assert_double_eq_tol(result.bound / (rows[i].scale * relative), 1, 1e-6);
  }
}
END_TEST

/* Floats of every format move by the part asked for, up to what their digits allow, up and down, in trial 0 outwards. */
START_TEST(nudges) {
  enum { N = 64 };
  const double epsilon = 1.0 / 32; /* not below that of bf16 */
  for (atr_dtype dtype = ATR_F16; dtype <= ATR_C128; dtype = (atr_dtype)(dtype + 1)) {
    if (element_epsilon(element_part(dtype)) > epsilon) continue;
    atr_shape shape = atr_shape_make(dtype, 1, (const int64_t[]){N});
    for (int trial = 0; trial < 2; trial++) {
      unsigned char data[16 * N];
      int up = 0, parts = element_kind_of(dtype) == ELEMENT_COMPLEX ? 2 : 1;
      for (int i = 0; i < N; i++) element_set(dtype, data + (size_t)i * atr_dtype_size(dtype), 1 + i / 64.0, -1.5);
      compare_nudge(&shape, epsilon, trial, 0, data);
      for (int i = 0; i < N; i++) {
        double re, im, old = 1 + i / 64.0;
        element_get(dtype, data + (size_t)i * atr_dtype_size(dtype), &re, &im);
        ck_assert(fabs(re - old) >= epsilon / 2 && fabs(re - old) <= epsilon * 2);
        up += fabs(re) > old;
        if (parts == 2) ck_assert(fabs(im + 1.5) == epsilon && (trial > 0 || im < -1.5));
      }
      if (trial == 0) ck_assert_int_eq(up, N);
      else ck_assert(up > N / 4 && up < N * 3 / 4);
    }
  }
}
END_TEST

START_TEST(nudges_stay_finite) {
  float f32[6] = {0, -0.0f, INFINITY, -INFINITY, NAN, 3.4028235e38f}, old[6];
  int32_t s32[2] = {1, -7}, old_s32[2] = {1, -7};
  atr_shape shape = atr_shape_make(ATR_F32, 1, (const int64_t[]){6});
  memcpy(old, f32, sizeof f32);
  compare_nudge(&shape, ldexp(1, -20), 0, 0, f32);
  ck_assert(memcmp(old, f32, sizeof f32) == 0);
  shape = atr_shape_make(ATR_S32, 1, (const int64_t[]){2});
  compare_nudge(&shape, ldexp(1, -20), 0, 0, s32);
  ck_assert(memcmp(old_s32, s32, sizeof s32) == 0);
}
END_TEST

START_TEST(conditions) {
  const double want[4] = {1, 2, 3, 4}, nudged[4] = {1.5, 2, INFINITY, NAN}, other[4] = {0.75, 1, 3, 4};
  double condition[4] = {0};
  atr_shape shape = atr_shape_make(ATR_F64, 1, (const int64_t[]){4});
  compare_condition(&shape, want, nudged, 0.25, condition);
  compare_condition(&shape, want, other, 0.25, condition);
  ck_assert(condition[0] == 2 && condition[1] == 4 && condition[2] == 0 && condition[3] == 0);
}
END_TEST

/* One over sums: of 1.25 and -1.25 + 2^-12, which magnifies an error of the sum 2^24 times, and of 1.25 and 0.5. An error of
 * the sum by a unit in the last place of 1.25 is none of the compiler's; as large a part of the other quotient is, and so is a
 * wrong sign. */
static const char QUOTIENTS[] =
    "HloModule m\nENTRY e {\n  x = f32[2,2]{1,0} parameter(0)\n  w = f32[1,2,1]{2,1,0} parameter(1)\n"
    "  y = f32[2,1,2]{2,1,0} reshape(x)\n"
    "  s = f32[2,1,1]{2,1,0} convolution(y, w), window={size=1}, dim_labels=b0f_0io->b0f\n"
    "  o = f32[] constant(1)\n  n = f32[2,1,1]{2,1,0} broadcast(o), dimensions={}\n"
    "  ROOT q = f32[2,1,1]{2,1,0} divide(n, s)\n}\n";

static const struct { double steep, flat; bool same; } quotients[] = {
    {4096, 1 / 1.75, true}, {1 / (1.0 / 4096 + 1.0 / (1 << 23)), 1 / 1.75, true}, {-4096, 1 / 1.75, false},
    {4096, 1 / 1.75 + 4, false}, {4096, 1 / 1.75 + 0.03, false}, {INFINITY, 1 / 1.75, false}};

/* A module with its arguments and a result, and what is said of it. */
typedef struct checked {
  job j;
  arrays arguments, got;
  char text[COMPARE_TEXT_MAX];
} checked;

static checked open_checked(const char *module) {
  checked c = {.j = {.path = "m"}};
  atr_context_options options = {.size = sizeof options};
  ck_assert_int_eq(atr_context_create(&options, &c.j.context), ATR_OK);
  ck_assert_msg(atr_module_parse(c.j.context, "m", module, -1, &c.j.module) == ATR_OK, "%s", atr_context_message(c.j.context));
  ck_assert(arrays_make(&c.arguments, &c.j, false) == TOOL_DONE && arrays_make(&c.got, &c.j, true) == TOOL_DONE);
  return c;
}

static void expect_checked(checked *c, bool same, const char *wrong) {
  FILE *to = fmemopen(c->text, sizeof c->text - 1, "w");
  ck_assert_ptr_nonnull(to);
  tool_exit code = crosscheck_results(&c->j, &c->arguments, &c->got, &(crosscheck_options){.prefix = "", .to = to});
  fclose(to);
  ck_assert_msg(code == (same ? TOOL_DONE : TOOL_INPUT), "%s", c->text);
  ck_assert_msg((strstr(c->text, wrong) == NULL) == same, "%s", c->text);
  arrays_fini(&c->arguments);
  arrays_fini(&c->got);
  job_fini(&c->j);
}

START_TEST(crosscheck_of_steep_functions) {
  checked c = open_checked(QUOTIENTS);
  memcpy(c.arguments.data[0], (const float[]){1.25f, -1.25f + 1.0f / 4096, 1.25f, 0.5f}, 16);
  memcpy(c.arguments.data[1], (const float[]){1, 1}, 8);
  memcpy(c.got.data[0], (const float[]){(float)quotients[_i].steep, (float)quotients[_i].flat}, 8);
  expect_checked(&c, quotients[_i].same, "FAILED, 1 of 2");
}
END_TEST

/* 200000 roundings by up to 2^-24 of the sum each may come to 1.2 % of it when all go one way. The bound is twice that, and
 * beyond it twice as much again, because a sum of equal terms changes as much as these do: its condition. */
static const char SUM[] =
    "HloModule m\nadd {\n  a = f32[] parameter(0)\n  b = f32[] parameter(1)\n  ROOT c = f32[] add(a, b)\n}\n"
    "ENTRY e {\n  x = f32[200000]{0} parameter(0)\n  z = f32[] constant(0)\n"
    "  ROOT s = f32[] reduce(x, z), dimensions={0}, to_apply=add\n}\n";

static const struct { float part; bool same; } sums[] = {
    {1, true}, {1.012f, true}, {0.988f, true}, {1.06f, false}, {0.94f, false}};

START_TEST(crosscheck_of_long_sums) {
  checked c = open_checked(SUM);
  for (int i = 0; i < 200000; i++) ((float *)c.arguments.data[0])[i] = 1;
  *(float *)c.got.data[0] = 200000 * sums[_i].part;
  expect_checked(&c, sums[_i].same, "FAILED, 1 of 1");
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
  tcase_add_test(tests, condition_in_bound);
  tcase_add_test(tests, nudges);
  tcase_add_test(tests, nudges_stay_finite);
  tcase_add_test(tests, conditions);
  tcase_add_loop_test(tests, crosscheck_of_steep_functions, 0, COUNT(quotients));
  tcase_add_loop_test(tests, crosscheck_of_long_sums, 0, COUNT(sums));
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}

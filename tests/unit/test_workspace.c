/* test_workspace.c - the limit on scratch, and schedules chosen by measurement: what they may change and what not.
 *
 * In: modules whose weights are not constant, so that packing them takes scratch, as C options and as frontend_attributes of the
 * text. Out: scratch within the limit, results equal to the interpreter's on small integers, and the same bits on fractions
 * from 1 MiB on and whatever is measured. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "atrous/atrous.h"
#include "support.h"

#define HEAD "HloModule m\nENTRY e {\n"

/* Weights of 1.2 and 9 MB, some that are packed, every second pixel of channels that are pages apart, a gradient whose sum runs over 12,544 pixels into f16, a chain with 1.6 MB between its convolutions. */
static const char *const modules[] = {
    HEAD "x = f32[1,64,14,14] parameter(0) w = f32[512,64,3,3] parameter(1) ROOT y = f32[1,512,14,14] convolution(x, w), "
         "window={size=3x3 pad=1_1x1_1}, dim_labels=bf01_oi01->bf01 }",
    HEAD "x = f32[1,4,4,512] parameter(0) w = f32[3,3,512,512] parameter(1) ROOT y = f32[1,4,4,512] convolution(x, w), "
         "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f }",
    HEAD "x = f32[1,28,28,64] parameter(0) w = f32[3,3,64,64] parameter(1) ROOT y = f32[1,28,28,64] convolution(x, w), "
         "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f }",
    HEAD "x = f32[1,512,28,28] parameter(0) w = f32[1024,512,1,1] parameter(1) ROOT y = f32[1,1024,14,14] convolution(x, w), "
         "window={size=1x1 stride=2x2}, dim_labels=bf01_oi01->bf01 }",
    HEAD "x = f16[4,56,56,64] parameter(0) g = f16[4,56,56,48] parameter(1) ROOT y = f16[1,1,64,48] convolution(x, g), "
         "window={size=56x56}, dim_labels=f01b_i01o->01bf }",
    HEAD "x = f32[1,28,28,512] parameter(0) w = f32[1,1,512,512] parameter(1) v = f32[1,1,512,16] parameter(2) "
         "a = f32[1,28,28,512] convolution(x, w), window={size=1x1}, dim_labels=b01f_01io->b01f "
         "ROOT y = f32[1,28,28,16] convolution(a, v), window={size=1x1}, dim_labels=b01f_01io->b01f }",
};
enum { MODULES = sizeof modules / sizeof modules[0], MOST_ARRAYS = 3 };

static atr_context *context;
static atr_module *module;
static void *args[MOST_ARRAYS];
static size_t result_bytes;

static void fill(const atr_shape *shape, void *data, bool fractions, uint32_t seed) {
  for (int64_t i = 0; i < atr_shape_elements(shape); i++) {
    seed = seed * 1664525 + 1013904223;
    float value = (float)(int)(seed >> 24 & 3) - 1;
    if (fractions && shape->dtype == ATR_F32) value += (float)(seed >> 8 & 0xffff) / 77777;
    if (shape->dtype == ATR_F32) ((float *)data)[i] = value;
    else ((uint16_t *)data)[i] = value == 0 ? 0 : value == 1 ? 0x3c00 : value == 2 ? 0x4000 : 0xbc00;
  }
}

static void begin(const char *text, bool fractions) {
  const atr_context_options options = {.size = sizeof options, .threads = 2};
  ck_assert_int_eq(atr_context_create(&options, &context), ATR_OK);
  ck_assert_msg(atr_module_parse(context, "m", text, -1, &module) == ATR_OK, "%s", atr_context_message(context));
  for (int p = 0; p < atr_module_parameter_count(module); p++) {
    const atr_shape *shape = atr_module_parameter_shape(module, p);
    args[p] = malloc((size_t)atr_shape_bytes(shape));
    fill(shape, args[p], fractions, (uint32_t)p + 7);
  }
  result_bytes = (size_t)atr_shape_bytes(atr_module_result_shape(module, 0));
}

static void end(void) {
  for (int p = 0; p < MOST_ARRAYS; p++) {
    free(args[p]);
    args[p] = NULL;
  }
  atr_module_destroy(module);
  atr_context_destroy(context);
}

/* The result under these options, and how much scratch it took; NULL: refused. */
static char *run(const atr_compile_options *options, size_t *scratch) {
  atr_executable *executable;
  char *y = calloc(1, result_bytes);
  if (atr_compile(context, module, options, &executable) != ATR_OK) {
    free(y);
    return NULL;
  }
  *scratch = atr_executable_scratch_size(executable);
  ck_assert_int_eq(atr_executable_run(executable, (const void *const *)args, (void *const[]){y}, NULL), ATR_OK);
  atr_executable_release(executable);
  return y;
}

static const int64_t limits[] = {0, INT64_C(64) << 20, 4 << 20, 1 << 20, 300 << 10, 5000, ATR_WORKSPACE_NONE};
enum { LIMITS = sizeof limits / sizeof limits[0] };

static size_t bytes_of_limit(int64_t limit) { return limit == 0 ? SIZE_MAX : limit == ATR_WORKSPACE_NONE ? 0 : (size_t)limit; }

/* Small integers: exact in every order. The chain needs what passes from one convolution to the other. */
START_TEST(test_limits_are_kept) {
  bool chain = _i == MODULES - 1;
  size_t scratch, between = chain ? 28 * 28 * 512 * 4 : 0;
  begin(modules[_i], false);
  char *expected = calloc(1, result_bytes);
  ck_assert_int_eq(atr_module_interpret(context, module, (const void *const *)args, (void *const[]){expected}), ATR_OK);
  for (int l = 0; l < LIMITS; l++) {
    atr_compile_options options = {.size = sizeof options, .workspace = limits[l]};
    char *y = run(&options, &scratch);
    if (bytes_of_limit(limits[l]) < between) {
      ck_assert_ptr_null(y);
      ck_assert_msg(strstr(atr_context_message(context), "1605632 bytes of scratch are needed, and the workspace is ") != NULL,
                    "%s", atr_context_message(context));
      continue;
    }
    ck_assert_msg(y != NULL, "%s", atr_context_message(context));
    ck_assert_uint_le(scratch, bytes_of_limit(limits[l]));
    if (limits[l] == 0) ck_assert_uint_le(scratch, between + (1 << 20)); /* also without a limit */
    ck_assert_mem_eq(y, expected, result_bytes);
    free(y);
  }
  free(expected);
  end();
}
END_TEST

START_TEST(test_bits_are_kept) {
  size_t scratch;
  begin(modules[_i], true);
  char *expected = run(NULL, &scratch);
  for (int l = 1; limits[l] >= 1 << 20; l++) {
    atr_compile_options options = {.size = sizeof options, .workspace = limits[l]};
    char *y = run(&options, &scratch);
    if (y != NULL) ck_assert_mem_eq(y, expected, result_bytes);
    free(y);
  }
  atr_compile_options options = {.size = sizeof options, .measure = 1};
  char *y = run(&options, &scratch);
  ck_assert_mem_eq(y, expected, result_bytes);
  free(y);
  free(expected);
  end();
}
END_TEST

/* ---- where the options come from */

static char *explained(const atr_compile_options *options) {
  atr_executable *executable;
  char *text;
  ck_assert_msg(atr_compile(context, module, options, &executable) == ATR_OK, "%s", atr_context_message(context));
  ck_assert_int_eq(atr_executable_explain(context, executable, &text), ATR_OK);
  atr_executable_release(executable);
  return text;
}

static void check_explained(const atr_compile_options *options, const char *wanted, bool is_there) {
  char *text = explained(options);
  ck_assert_msg((strstr(text, wanted) != NULL) == is_there, "%s", text);
  atr_string_free(context, text);
}

#define BODY                                                                                                                   \
  "\nENTRY e { x = f32[1,28,28,64] parameter(0) w = f32[3,3,64,64] parameter(1) ROOT y = f32[1,28,28,64] convolution(x, w), "  \
  "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01oi->b01f }" /* weights that lie apart: packed wherever there is room */

START_TEST(test_hints_of_the_module) {
  begin("HloModule m, frontend_attributes={atrous.workspace=\"none\", other.key=\"x\", atrous.measure=\"true\"}" BODY, false);
  check_explained(NULL, "memory    0 bytes of scratch", true);
  check_explained(NULL, "measured  ", true);
  check_explained(&(atr_compile_options){.size = sizeof(atr_compile_options), .measure = -1}, "measured  ", false);
  check_explained(&(atr_compile_options){.size = sizeof(atr_compile_options), .workspace = 1 << 20, .measure = -1},
                  "memory    0 bytes", false);
  char *text;
  ck_assert_int_eq(atr_module_print(context, module, &text), ATR_OK);
  ck_assert_msg(strncmp(text, "HloModule m, frontend_attributes={atrous.workspace=\"none\",atrous.measure=\"true\"}\n", 79) ==
                    0,
                "%s", text);
  atr_string_free(context, text);
  end();
}
END_TEST

START_TEST(test_what_is_not_measured) {
  begin("HloModule m" BODY, false);
  check_explained(NULL, "measured  ", false);
  check_explained(&(atr_compile_options){.size = sizeof(atr_compile_options), .measure = 1, .schedule = "loop oc"},
                  "measured  ", false);
  check_explained(&(atr_compile_options){.size = sizeof(atr_compile_options), .measure = 1, .cpu = "x86-64"},
                  "measured  nothing: the code is for a machine that is named", true);
  end();
}
END_TEST

START_TEST(test_wrong_options) {
  static const atr_compile_options wrong[] = {{.size = sizeof wrong[0], .workspace = -2},
                                              {.size = sizeof wrong[0], .measure = 2},
                                              {.size = sizeof wrong[0], .measure = -2}};
  begin("HloModule m" BODY, false);
  atr_executable *executable;
  ck_assert_int_eq(atr_compile(context, module, &wrong[_i], &executable), ATR_INVALID_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(atr_context_message(context), "workspace is bytes or ATR_WORKSPACE_NONE, measure 1, 0 or -1"));
  end();
}
END_TEST

int main(void) {
  Suite *suite = suite_create("workspace");
  TCase *tcase = tcase_create("workspace");
  tcase_set_timeout(tcase, 120);
  tcase_add_loop_test(tcase, test_limits_are_kept, 0, MODULES);
  tcase_add_loop_test(tcase, test_bits_are_kept, 0, MODULES);
  tcase_add_test(tcase, test_hints_of_the_module);
  tcase_add_test(tcase, test_what_is_not_measured);
  tcase_add_loop_test(tcase, test_wrong_options, 0, 3);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}

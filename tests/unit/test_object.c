/* test_object.c - ahead-of-time objects as a caller of the library meets them: entry points of a text, parameters bound to values,
 * objects of several functions and CPUs, their headers, wrong calls, and memory that runs out at every allocation. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atrous/atrous.h"
#include "support.h"

static atr_context *context;

static void setup(void) { ck_assert_int_eq(atr_context_create(NULL, &context), ATR_OK); }
static void teardown(void) { atr_context_destroy(context); }

static atr_module *parse(const char *text) {
  atr_module *module = NULL;
  atr_status status = atr_module_parse(context, "test.hlo", text, -1, &module);
  ck_assert_msg(status == ATR_OK, "%s", atr_context_message(context));
  return module;
}

static void expect_message(const char *part) {
  ck_assert_msg(strstr(atr_context_message(context), part) != NULL, "no \"%s\" in: %s", part, atr_context_message(context));
}

/* ---- entry points */

static const char two_entries[] = "HloModule pair, entry_computation_layout={(f32[2,2]{0,1})->f32[2,2]{1,0}}\n"
                                  "helper { a = f32[2,2] parameter(0) ROOT n = f32[2,2] negate(a) }\n"
                                  "twice { a = f32[2,2] parameter(0) ROOT d = f32[2,2] add(a, a) }\n"
                                  "ENTRY main { x = f32[2,2] parameter(0) ROOT y = f32[2,2] call(x), to_apply=helper }\n";
static const char two_functions[] = "module @pair {\n"
                                    "  func.func public @twice(%a: tensor<2xf32>) -> tensor<2xf32> {\n"
                                    "    %0 = stablehlo.add %a, %a : tensor<2xf32>\n"
                                    "    return %0 : tensor<2xf32>\n"
                                    "  }\n"
                                    "  func.func private @helper(%a: tensor<2xf32>) -> tensor<2xf32> {\n"
                                    "    return %a : tensor<2xf32>\n"
                                    "  }\n"
                                    "  func.func public @NAME(%a: tensor<2xf32>) -> tensor<2xf32> {\n"
                                    "    %0 = call @helper(%a) : (tensor<2xf32>) -> tensor<2xf32>\n"
                                    "    return %0 : tensor<2xf32>\n"
                                    "  }\n"
                                    "}\n";

static void check_entries(const char *text, const char *expected) {
  char *lines = NULL;
  ck_assert_msg(atr_module_entries(context, NULL, text, -1, &lines) == ATR_OK, "%s", atr_context_message(context));
  ck_assert_str_eq(lines, expected);
  atr_string_free(context, lines);
}

/* The module of an entry prints as HLO with this first line. */
static atr_module *check_entry(const char *text, const char *entry, const char *first_line) {
  atr_module *module = NULL;
  char *printed = NULL;
  atr_status status = atr_module_parse_entry(context, NULL, text, -1, entry, &module);
  ck_assert_msg(status == ATR_OK, "%s", atr_context_message(context));
  ck_assert_int_eq(atr_module_print(context, module, &printed), ATR_OK);
  ck_assert_msg(strncmp(printed, first_line, strlen(first_line)) == 0, "%s", printed);
  atr_string_free(context, printed);
  return module;
}

START_TEST(test_entries_of_hlo) {
  check_entries(two_entries, "main\ntwice\n");
  atr_module *main = check_entry(two_entries, "main", "HloModule pair\n");
  ck_assert_int_eq(atr_module_parameter_shape(main, 0)->minor_to_major[0], 0); /* the caller's layout */
  atr_module *twice = check_entry(two_entries, "twice", "HloModule twice\n");
  ck_assert_int_eq(atr_module_parameter_shape(twice, 0)->minor_to_major[0], 1); /* is not this one's */
  float x[4] = {1, 2, 3, 4}, y[4];
  ck_assert_int_eq(atr_module_interpret(context, twice, (const void *const[]){x}, (void *const[]){y}), ATR_OK);
  ck_assert(y[0] == 2.0f && y[3] == 8.0f);
  atr_module_destroy(main);
  atr_module_destroy(twice);
  atr_module *none = NULL;
  ck_assert_int_eq(atr_module_parse_entry(context, NULL, two_entries, -1, "thrice", &none), ATR_INVALID_ARGUMENT);
  expect_message("there is no computation 'thrice'");
}
END_TEST

START_TEST(test_entries_of_stablehlo) {
  char text[sizeof two_functions];
  memcpy(text, two_functions, sizeof text);
  memcpy(strstr(text, "NAME"), "main", 4);
  check_entries(text, "main\ntwice\n");
  atr_module_destroy(check_entry(text, "main", "HloModule pair\n"));
  atr_module_destroy(check_entry(text, "twice", "HloModule twice\n"));
  atr_module *none = NULL;
  ck_assert_int_eq(atr_module_parse_entry(context, NULL, text, -1, "helper", &none), ATR_INVALID_ARGUMENT);
  expect_message("no public function '@helper'");
  check_entries(two_functions, "twice\nNAME\n");
  ck_assert_int_eq(atr_module_parse(context, NULL, two_functions, -1, &none), ATR_PARSE_ERROR);
  atr_module_destroy(check_entry(two_functions, "twice", "HloModule twice\n"));
  atr_module_destroy(check_entry(two_functions, "NAME", "HloModule NAME\n"));
}
END_TEST

START_TEST(test_wrong_entries) {
  char *lines = NULL;
  atr_module *none = NULL;
  ck_assert_int_eq(atr_module_entries(NULL, NULL, two_entries, -1, &lines), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_entries(context, NULL, NULL, -1, &lines), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_entries(context, NULL, two_entries, -2, &lines), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_entries(context, NULL, two_entries, -1, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_entries(context, "bad", "HloModule", -1, &lines), ATR_PARSE_ERROR);
  expect_message("bad:1:");
  ck_assert_int_eq(atr_module_parse_entry(context, NULL, two_entries, -1, NULL, &none), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_parse_entry(context, NULL, two_entries, -1, "main", NULL), ATR_INVALID_ARGUMENT);
}
END_TEST

/* ---- parameters bound to values */

static const char bindable[] = "HloModule bindable\n"
                               "ENTRY e {\n"
                               "  x = f32[2,3]{0,1} parameter(0)\n"
                               "  w = f32[2,3] parameter(1)\n"
                               "  b = f32[2,3] parameter(2)\n"
                               "  s = f32[2,3] multiply(x, w)\n"
                               "  r = f32[2,3] add(s, b)\n"
                               "  ROOT t = (f32[2,3], f32[2,3]{0,1}) tuple(r, x)\n"
                               "}\n";

/* Parameter by parameter: the same results as with all arrays given, the module being gone. */
START_TEST(test_bind) {
  float data[3][6] = {{1, 2, 3, 4, 5, 6}, {1, 10, 100, 1000, 10000, 100000}, {7, 8, 9, 10, 11, 12}}, y[6], x[6], bound_y[6],
        bound_x[6];
  atr_module *module = parse(bindable), *bound = NULL;
  ck_assert_int_eq(
      atr_module_interpret(context, module, (const void *const[]){data[0], data[1], data[2]}, (void *const[]){y, x}), ATR_OK);
  ck_assert_int_eq(atr_module_bind(context, module, _i, data[_i], &bound), ATR_OK);
  atr_module_destroy(module);
  ck_assert_int_eq(atr_module_parameter_count(bound), 2);
  const void *args[2];
  for (int p = 0, n = 0; p < 3; p++)
    if (p != _i) args[n++] = data[p];
  ck_assert_int_eq(atr_module_interpret(context, bound, args, (void *const[]){bound_y, bound_x}), ATR_OK);
  ck_assert_mem_eq(bound_y, y, sizeof y);
  ck_assert_mem_eq(bound_x, x, sizeof x); /* the result keeps the layout that it was promised in */
  ck_assert_int_eq(atr_module_result_shape(bound, 1)->minor_to_major[0], 0);
  ck_assert_str_eq(atr_module_parameter_name(bound, 0), _i == 0 ? "w" : "x");
  ck_assert_str_eq(atr_module_parameter_name(bound, 1), _i == 2 ? "w" : "b");
  atr_module_destroy(bound);
}
END_TEST

START_TEST(test_wrong_bind) {
  float data[6] = {0};
  atr_module *module = parse(bindable), *out = NULL;
  ck_assert_int_eq(atr_module_bind(NULL, module, 0, data, &out), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_bind(context, NULL, 0, data, &out), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_bind(context, module, 0, data, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_bind(context, module, 3, data, &out), ATR_INVALID_ARGUMENT);
  expect_message("there is no parameter 3: the module has 3");
  ck_assert_int_eq(atr_module_bind(context, module, 1, NULL, &out), ATR_INVALID_ARGUMENT);
  expect_message("the data of parameter 1 is NULL");
  ck_assert_ptr_null(out);
  atr_module_destroy(module);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("object");
  TCase *tcase = tcase_create("object");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_entries_of_hlo);
  tcase_add_test(tcase, test_entries_of_stablehlo);
  tcase_add_test(tcase, test_wrong_entries);
  tcase_add_loop_test(tcase, test_bind, 0, 3);
  tcase_add_test(tcase, test_wrong_bind);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}

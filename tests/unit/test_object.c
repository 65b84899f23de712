/* test_object.c - ahead-of-time objects as a caller of the library meets them: entry points of a text, parameters bound to values,
 * objects of several functions and CPUs, their headers, wrong calls, and memory that runs out at every allocation. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "runtime/jit.h"
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

/* ---- objects */

static const char layer[] =
    "HloModule layer\n"
    "ENTRY e {\n"
    "  x = f32[1,8,8,4] parameter(0)\n"
    "  w = f32[3,3,4,16] parameter(1)\n"
    "  ROOT y = f32[1,8,8,16] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f\n"
    "}\n";

static atr_object *object_of(const atr_object_options *options) {
  atr_object *object = NULL;
  ck_assert_msg(atr_object_create(context, options, &object) == ATR_OK, "%s", atr_context_message(context));
  return object;
}

static void add(atr_object *object, const char *text, const char *name) {
  atr_module *module = parse(text);
  atr_compile_options options = {.size = sizeof options, .name = name};
  ck_assert_msg(atr_object_add(object, module, &options) == ATR_OK, "%s", atr_context_message(context));
  atr_module_destroy(module); /* the object keeps what it needs */
}

static char *emit(atr_object *object, atr_emit_kind kind, size_t *len) {
  char *bytes = NULL;
  ck_assert_msg(atr_object_emit(object, kind, &bytes, len) == ATR_OK, "%s", atr_context_message(context));
  return bytes;
}

static void expect_text(atr_object *object, atr_emit_kind kind, const char *const *parts) {
  size_t len;
  char *text = emit(object, kind, &len);
  ck_assert_uint_eq(strlen(text), len);
  for (; *parts != NULL; parts++) ck_assert_msg(strstr(text, *parts) != NULL, "no \"%s\" in: %s", *parts, text);
  atr_string_free(context, text);
}

/* On any machine the same default CPUs, and the same bytes however often. */
START_TEST(test_default_cpus) {
  atr_object_options options = {.size = sizeof options, .triple = "x86_64-unknown-linux-gnu", .prefix = "my_"};
  atr_object *object = object_of(&options), *again = object_of(&options);
  size_t len, len_again;
  add(object, layer, NULL);
  add(object, two_entries, "second");
  expect_text(object, ATR_EMIT_NEST,
              (const char *const[]){"program my_layer.x86-64-v2 {", "program my_layer.x86-64-v4 {",
                                    "program my_second.x86-64-v3 {", NULL});
  expect_text(object, ATR_EMIT_LLVM,
              (const char *const[]){"i32 @my_layer(ptr", "\"target-cpu\"=\"x86-64-v4\"", "@my_second.x86-64-v2", NULL});
  expect_text(object, ATR_EMIT_HEADER,
              (const char *const[]){"int my_layer(", "int my_second(", "MY_LAYER_SCRATCH_SIZE",
                                    "x86-64-v4, x86-64-v3, x86-64-v2", NULL});
  add(again, layer, NULL);
  add(again, two_entries, "second");
  char *bytes = emit(object, ATR_EMIT_OBJ, &len), *same = emit(again, ATR_EMIT_OBJ, &len_again);
  ck_assert_uint_eq(len, len_again);
  ck_assert_mem_eq(bytes, same, len);
  atr_string_free(context, bytes);
  atr_string_free(context, same);
  atr_object_destroy(object);
  atr_object_destroy(again);
  atr_object_destroy(NULL);
}
END_TEST

/* A named CPU beside others is compiled at its level and tuned for by its name; of the features only those that are tested for. */
START_TEST(test_named_cpus) {
  atr_object_options options = {
      .size = sizeof options, .triple = "x86_64-unknown-linux-gnu", .cpus = "haswell,sapphirerapids,x86-64"};
  atr_object *object = object_of(&options);
  add(object, layer, NULL);
  expect_text(object, ATR_EMIT_LLVM,
              (const char *const[]){"\"target-cpu\"=\"x86-64-v3\"", "\"tune-cpu\"=\"haswell\"",
                                    "\"tune-cpu\"=\"sapphirerapids\"", "+avx512vnni,+avx512bf16", NULL});
  expect_text(object, ATR_EMIT_HEADER, (const char *const[]){"sapphirerapids, haswell, x86-64:", NULL});
  size_t len;
  char *text = emit(object, ATR_EMIT_LLVM, &len);
  ck_assert_ptr_null(strstr(text, "\"target-cpu\"=\"haswell\""));
  atr_string_free(context, text);
  atr_object_destroy(object);
}
END_TEST

static const struct {
  atr_object_options options;
  atr_status status;
  const char *message;
} wrong_objects[] = {
    {{.triple = "cuda:sm_90"}, ATR_UNSUPPORTED, "target cuda:sm_90: there is no code generator for GPUs"},
    {{.cpus = "no-such-cpu"}, ATR_UNSUPPORTED, "no-such-cpu"},
    {{.cpus = "x86-64-v3,haswell", .triple = "x86_64-linux-gnu"}, ATR_INVALID_ARGUMENT, "ask for the same of a machine"},
    {{.cpus = "x86-64-v3,x86-64-v3", .triple = "x86_64-linux-gnu"}, ATR_INVALID_ARGUMENT, "named twice"},
    {{.cpus = "x86-64-v3,", .triple = "x86_64-linux-gnu"}, ATR_INVALID_ARGUMENT, "a CPU's name is empty"},
    {{.cpus = "native,x86-64-v3"}, ATR_INVALID_ARGUMENT, "stands alone"},
    {{.cpus = "native", .triple = "x86_64-linux-gnu"}, ATR_INVALID_ARGUMENT, "goes with no triple"},
    {{.cpus = "cortex-a72,neoverse-v1", .triple = "aarch64-linux-gnu"}, ATR_UNSUPPORTED, "only x86-64 has a test"},
    {{.cpus = "x86-64-v2,x86-64-v3", .triple = "x86_64-linux-gnu", .features = "+sse4a"},
     ATR_UNSUPPORTED,
     "\"+sse4a\" cannot be tested for"},
    {{.cpu_variable = "A=B"}, ATR_INVALID_ARGUMENT, "no name of an environment variable"},
};

START_TEST(test_wrong_objects) {
  atr_object *object = NULL;
  atr_object_options options = wrong_objects[_i].options;
  options.size = sizeof options;
  ck_assert_int_eq(atr_object_create(context, &options, &object), wrong_objects[_i].status);
  expect_message(wrong_objects[_i].message);
  ck_assert_ptr_null(object);
}
END_TEST

/* What LLVM finds wrong with a function while it makes code comes back as a message; the process goes on, and so does the object. */
START_TEST(test_llvm_refuses) {
  atr_object_options options = {
      .size = sizeof options, .triple = "aarch64-linux-gnu", .cpus = "generic", .features = "+reserve-x1"};
  char *code = NULL;
  size_t len = 0;
  atr_object *object = object_of(&options);
  add(object, layer, NULL);
  ck_assert_int_eq(atr_object_emit(object, ATR_EMIT_OBJ, &code, &len), ATR_UNSUPPORTED);
  expect_message("argument registers is reserved");
  ck_assert_ptr_null(code);
  atr_object_destroy(object);
}
END_TEST

static const struct {
  const char *name, *cpu;
  atr_status status;
  const char *message;
} wrong_functions[] = {
    {"layer", NULL, ATR_INVALID_ARGUMENT, "the function \"layer\" of test.hlo collides with \"layer\" of test.hlo"},
    {"LAYER", NULL, ATR_INVALID_ARGUMENT, "collides"},
    {"layer_prepack", NULL, ATR_INVALID_ARGUMENT, "collides"},
    {"layer_scratch_size", NULL, ATR_INVALID_ARGUMENT, "collides"},
    {"a b", NULL, ATR_INVALID_ARGUMENT, "\"a b\" is not a C identifier"},
    {"int", NULL, ATR_INVALID_ARGUMENT, "the language or its library has it"},
    {"memcpy", NULL, ATR_INVALID_ARGUMENT, "the language or its library has it"},
    {"other", "haswell", ATR_INVALID_ARGUMENT, "must be NULL here"},
};

/* A refused function leaves the object as it was. */
START_TEST(test_wrong_functions) {
  atr_object *object = object_of(NULL);
  size_t len, len_after;
  atr_module *module = parse(layer);
  atr_compile_options options = {.size = sizeof options, .name = wrong_functions[_i].name, .cpu = wrong_functions[_i].cpu};
  add(object, layer, NULL);
  char *before = emit(object, ATR_EMIT_HEADER, &len);
  ck_assert_int_eq(atr_object_add(object, module, &options), wrong_functions[_i].status);
  expect_message(wrong_functions[_i].message);
  char *after = emit(object, ATR_EMIT_HEADER, &len_after);
  ck_assert_str_eq(before, after);
  atr_string_free(context, before);
  atr_string_free(context, after);
  atr_module_destroy(module);
  atr_object_destroy(object);
}
END_TEST

/* Whatever a module is called, it has a function, and can be compiled to be run. */
static const struct {
  const char *module, *function;
} odd_names[] = {{"int", "\nint int_("},    {"a.b-c", "\nint a_b_c("}, {"_x", "\nint _x("},
                 {"__x", "\nint kernel__x("}, {"_X", "\nint kernel_X("}};

START_TEST(test_odd_names) {
  char text[512];
  atr_executable *executable = NULL;
  snprintf(text, sizeof text, "HloModule %s\nENTRY e {\n  x = f32[4] parameter(0)\n  ROOT y = f32[4] negate(x)\n}\n",
           odd_names[_i].module);
  atr_module *module = parse(text);
  ck_assert_msg(atr_compile(context, module, NULL, &executable) == ATR_OK, "%s", atr_context_message(context));
  atr_executable_release(executable);
  atr_module_destroy(module);
  atr_object *object = object_of(NULL);
  add(object, text, NULL);
  expect_text(object, ATR_EMIT_HEADER, (const char *const[]){odd_names[_i].function, NULL});
  atr_object_destroy(object);
}
END_TEST

/* A macro of another function, of the function itself, of what the header includes; a type, a keyword, a number. */
START_TEST(test_odd_arrays) {
  static const char text[] = "HloModule other\n"
                             "ENTRY e {\n"
                             "  LAYER_OK = f32[4] parameter(0)\n"
                             "  OTHER.SCRATCH-SIZE = f32[4] parameter(1)\n"
                             "  SIZE_MAX = f32[4] parameter(2)\n"
                             "  size_t = f32[4] parameter(3)\n"
                             "  int = f32[4] parameter(4)\n"
                             "  X = f32[4] parameter(5)\n"
                             "  a = f32[4] add(LAYER_OK, OTHER.SCRATCH-SIZE)\n"
                             "  b = f32[4] add(SIZE_MAX, size_t)\n"
                             "  c = f32[4] add(int, X)\n"
                             "  d = f32[4] add(a, b)\n"
                             "  ROOT other_call = f32[4] add(c, d)\n"
                             "}\n";
  atr_object *object = object_of(NULL);
  add(object, layer, NULL);
  add(object, text, NULL);
  expect_text(object, ATR_EMIT_HEADER,
              (const char *const[]){"const float *vLAYER_OK ", "const float *vOTHER_SCRATCH_SIZE ", "const float *vSIZE_MAX ",
                                    "const float *size_t_ ", "const float *int_ ", "const float *X ", "float *other_call_ ",
                                    NULL});
  atr_object_destroy(object);
}
END_TEST

/* ---- schedules */

/* Strips at the edges are nests of their own where masks have no registers (lower/frame.c). */
static const char framed[] =
    "HloModule framed\n"
    "ENTRY e {\n"
    "  x = f32[1,64,48,1] parameter(0)\n"
    "  w = f32[9,3,1,1] parameter(1)\n"
    "  ROOT z = f32[1,64,48,1] convolution(x, w), window={size=9x3 pad=4_4x1_1}, dim_labels=b01f_01io->b01f\n"
    "}\n";

static atr_status add_scheduled(atr_object *object, const char *text, const char *schedule) {
  atr_module *module = parse(text);
  atr_compile_options options = {.size = sizeof options, .schedule = schedule};
  atr_status status = atr_object_add(object, module, &options);
  atr_module_destroy(module);
  return status;
}

/* NULL: it must be possible. */
static void expect_emitted(atr_object *object, const char *message) {
  size_t len;
  char *bytes = NULL;
  ck_assert_int_eq(atr_object_emit(object, ATR_EMIT_NEST, &bytes, &len), message == NULL ? ATR_OK : ATR_VERIFY_ERROR);
  if (message != NULL) expect_message(message);
  atr_string_free(context, bytes);
}

/* Which nests there are depends on the CPU, and plain loops pack nothing: a line must be for a nest of any of them. */
START_TEST(test_schedule_of_several_cpus) {
  static const char schedule[] = "z: loop oy ox\nz.oy_low: loop ox oy";
  static const char *const cpus[] = {"x86-64-v3,x86-64-v4", "x86-64-v3", "x86-64-v4"};
  for (int i = 0; i < COUNT(cpus); i++) {
    atr_object_options options = {
        .size = sizeof options, .triple = "x86_64-unknown-linux-gnu", .cpus = cpus[i], .selftest = 1};
    atr_object *object = object_of(&options);
    ck_assert_msg(add_scheduled(object, framed, schedule) == ATR_OK, "%s", atr_context_message(context));
    expect_emitted(object, i < 2 ? NULL : "schedule:2:1: error: there is no nest \"z.oy_low\"");
    ck_assert_int_eq(add_scheduled(object, layer, "y: vector oc:8; pack rhs\ny.pack: vector oc.0:8"), ATR_OK);
    expect_emitted(object, i < 2 ? NULL : "there is no nest \"z.oy_low\"");
    atr_object_destroy(object);
  }
}
END_TEST

/* Functions may share a text; one that is refused has no part in it. */
START_TEST(test_schedule_of_several_functions) {
  static const char schedule[] = "y: vector oc:8\nz: loop oy ox";
  atr_object *object = object_of(NULL);
  ck_assert_int_eq(add_scheduled(object, layer, "nosuch: loop oc\ny: nonsense"), ATR_PARSE_ERROR);
  ck_assert_int_eq(add_scheduled(object, layer, schedule), ATR_OK);
  expect_emitted(object, "schedule:2:1: error: there is no nest \"z\"");
  ck_assert_int_eq(add_scheduled(object, framed, schedule), ATR_OK);
  expect_emitted(object, NULL);
  atr_object_destroy(object);
}
END_TEST

START_TEST(test_wrong_calls) {
  atr_object *object = NULL;
  char *bytes = NULL;
  size_t len;
  struct {
    atr_object_options options;
    char more[16];
  } newer = {.options = {.size = sizeof newer}, .more = {1}};
  ck_assert_int_eq(atr_object_create(NULL, NULL, &object), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_object_create(context, NULL, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_object_create(context, &newer.options, &object), ATR_INVALID_ARGUMENT);
  object = object_of(NULL);
  ck_assert_int_eq(atr_object_emit(object, ATR_EMIT_OBJ, &bytes, &len), ATR_INVALID_ARGUMENT);
  expect_message("add one first");
  ck_assert_int_eq(atr_object_add(NULL, NULL, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_object_add(object, NULL, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_object_emit(NULL, ATR_EMIT_OBJ, &bytes, &len), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_object_emit(object, ATR_EMIT_OBJ, NULL, &len), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_object_emit(object, ATR_EMIT_OBJ, &bytes, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_object_emit(object, (atr_emit_kind)(ATR_EMIT_HEADER + 1), &bytes, &len), ATR_INVALID_ARGUMENT);
  atr_object_destroy(object);
}
END_TEST

/* ---- self-tests, run in this process */

typedef int (*selftest_fn)(void *memory, const atr_host *host);
ATR_CALLS_JIT static int call_selftest(void *address, void *memory) { return ((selftest_fn)(uintptr_t)address)(memory, NULL); }

/* Loads the object and runs layer_selftest. */
static int run_selftest(const char *bytes, size_t len) {
  static const char *const names[] = {"layer_selftest"};
  static _Alignas(64) char memory[1 << 20];
  void *address;
  atr_jit *jit;
  atr_arena arena;
  atr_arena_init(&arena, atr_default_realloc, NULL);
  atr_work work = {.arena = &arena};
  ck_assert_msg(atr_jit_load(&work, bytes, len, names, 1, &address, &jit) == ATR_OK, "%s", work.message);
  int wrong = call_selftest(address, memory);
  atr_jit_destroy(jit);
  atr_arena_fini(&arena);
  return wrong;
}

/* 40 features are no whole vectors on any CPU, and not one vector: packed weights are not what they were. */
static const char wide_layer[] =
    "HloModule layer\n"
    "ENTRY e {\n"
    "  x = f32[1,8,8,4] parameter(0)\n"
    "  w = f32[3,3,4,40] parameter(1)\n"
    "  ROOT y = f32[1,8,8,40] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f\n"
    "}\n";

/* Weights become data twice: packed, and as they are for the plain loops. One element of one of them changed is found: of whole
 * numbers a bit of the fraction, of others one of the exponent. */
START_TEST(test_selftest_finds_a_fault) {
  static const char *const cpus[] = {NULL, "native"};
  atr_object_options options = {.size = sizeof options, .cpus = cpus[_i % 2], .selftest = 1};
  atr_object *object = object_of(&options);
  atr_module *module = parse(wide_layer), *bound = NULL;
  bool whole = _i < 2;
  float w[3 * 3 * 4 * 40], marked = whole ? 1021.0f : 1000.3f;
  size_t byte = whole ? 1 : 3;
  size_t len;
  for (int i = 0; i < COUNT(w); i++) w[i] = (float)(i % 11) - 5.0f;
  w[200] = marked;
  ck_assert_int_eq(atr_module_bind(context, module, 1, w, &bound), ATR_OK);
  ck_assert_int_eq(atr_object_add(object, bound, NULL), ATR_OK);
  char *bytes = emit(object, ATR_EMIT_OBJ, &len);
  ck_assert_int_eq(run_selftest(bytes, len), 0);
  int found = 0;
  for (size_t i = 0; i + sizeof marked <= len; i++) {
    if (memcmp(bytes + i, &marked, sizeof marked) != 0) continue;
    found++;
    bytes[i + byte] ^= 0x40;
    int wrong = run_selftest(bytes, len);
    bytes[i + byte] ^= 0x40;
    ck_assert(wrong == 0 || wrong == 1); /* 0: another CPU's data */
    found += wrong << 16;
  }
  ck_assert_int_ge(found >> 16, 2); /* in both places, on this machine's CPU */
  atr_string_free(context, bytes);
  atr_module_destroy(bound);
  atr_module_destroy(module);
  atr_object_destroy(object);
}
END_TEST

/* ---- memory that runs out */

typedef struct meter {
  size_t blocks, calls, fail_at;
} meter;

static void *metered_realloc(void *user, void *old, size_t old_size, size_t new_size) {
  meter *m = user;
  if (new_size > 0 && m->calls++ == m->fail_at) return NULL;
  void *made = atr_default_realloc(NULL, old, old_size, new_size);
  m->blocks += (old == NULL && made != NULL);
  m->blocks -= (old != NULL && new_size == 0);
  return made;
}

static atr_status walk(atr_context *c) {
  static const float w[3 * 3 * 4 * 16];
  atr_object_options options = {
      .size = sizeof options, .triple = "x86_64-linux-gnu", .cpus = "x86-64-v2,x86-64-v3", .selftest = 1};
  atr_module *module = NULL, *bound = NULL;
  atr_object *object = NULL;
  char *targets = NULL, *entries = NULL, *header = NULL, *listing = NULL, *code = NULL;
  size_t len;
  atr_status status = atr_targets(c, NULL, &targets);
  if (status == ATR_OK) status = atr_module_entries(c, NULL, layer, -1, &entries);
  if (status == ATR_OK) status = atr_module_parse_entry(c, NULL, layer, -1, "e", &module);
  if (status == ATR_OK) status = atr_module_bind(c, module, 1, w, &bound);
  if (status == ATR_OK) status = atr_object_create(c, &options, &object);
  if (status == ATR_OK) status = atr_object_add(object, bound, NULL);
  if (status == ATR_OK) status = atr_object_emit(object, ATR_EMIT_HEADER, &header, &len);
  if (status == ATR_OK) status = atr_object_emit(object, ATR_EMIT_LLVM, &listing, &len);
  if (status == ATR_OK) status = atr_object_emit(object, ATR_EMIT_OBJ, &code, &len);
  atr_string_free(c, targets);
  atr_string_free(c, entries);
  atr_string_free(c, header);
  atr_string_free(c, listing);
  atr_string_free(c, code);
  atr_object_destroy(object);
  atr_module_destroy(bound);
  atr_module_destroy(module);
  return status;
}

START_TEST(test_starved) {
  atr_status status = ATR_OUT_OF_MEMORY;
  size_t k = 0;
  for (; status == ATR_OUT_OF_MEMORY; k += 1 + k / 16) {
    meter m = {.fail_at = k};
    atr_context_options options = {.size = sizeof options, .realloc = metered_realloc, .realloc_user = &m, .threads = 1};
    atr_context *c = NULL;
    status = atr_context_create(&options, &c);
    if (status == ATR_OK) status = walk(c);
    if (status != ATR_OK) ck_assert_int_eq(status, ATR_OUT_OF_MEMORY);
    atr_context_destroy(c);
    ck_assert_uint_eq(m.blocks, 0);
  }
  ck_assert_int_eq(status, ATR_OK);
  ck_assert_uint_gt(k, 10);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("object");
  TCase *tcase = tcase_create("object");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_set_timeout(tcase, 180);
  tcase_add_test(tcase, test_entries_of_hlo);
  tcase_add_test(tcase, test_entries_of_stablehlo);
  tcase_add_test(tcase, test_wrong_entries);
  tcase_add_loop_test(tcase, test_bind, 0, 3);
  tcase_add_test(tcase, test_wrong_bind);
  tcase_add_test(tcase, test_default_cpus);
  tcase_add_test(tcase, test_named_cpus);
  tcase_add_loop_test(tcase, test_wrong_objects, 0, COUNT(wrong_objects));
  tcase_add_loop_test(tcase, test_wrong_functions, 0, COUNT(wrong_functions));
  tcase_add_test(tcase, test_llvm_refuses);
  tcase_add_loop_test(tcase, test_odd_names, 0, COUNT(odd_names));
  tcase_add_test(tcase, test_odd_arrays);
  tcase_add_test(tcase, test_schedule_of_several_cpus);
  tcase_add_test(tcase, test_schedule_of_several_functions);
  tcase_add_test(tcase, test_wrong_calls);
  tcase_add_loop_test(tcase, test_selftest_finds_a_fault, 0, 4);
  tcase_add_test(tcase, test_starved);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}

/* test_api.c - the public interface as a caller meets it: contexts, modules, strings, messages, wrong arguments, options of
 * other sizes, and memory that runs out at every single allocation.
 *
 * The allocator below keeps its own record of each block, so that a wrong old_size, a block freed twice or one never freed is
 * seen here rather than in a host program. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atrous/atrous.h"
#include "support.h"

/* ---- an allocator that counts, checks and fails on request */

enum { GUARD = 32 };

typedef struct meter {
  size_t blocks, calls;
  size_t fail_at; /* the call (from 0) that gets NULL; SIZE_MAX: none */
  bool keep_failing;
  bool wrong_size;
} meter;

static void *metered_realloc(void *user, void *old, size_t old_size, size_t new_size) {
  meter *m = user;
  char *block = old != NULL ? (char *)old - GUARD : NULL;
  if (block != NULL) {
    size_t recorded;
    memcpy(&recorded, block, sizeof recorded);
    if (recorded != old_size) m->wrong_size = true;
  }
  if (new_size == 0) {
    m->blocks -= block != NULL;
    free(block);
    return NULL;
  }
  size_t call = m->calls++;
  if (call == m->fail_at || (m->keep_failing && call > m->fail_at)) return NULL;
  char *made = realloc(block, new_size + GUARD);
  ck_assert_ptr_nonnull(made);
  m->blocks += block == NULL;
  memcpy(made, &new_size, sizeof new_size);
  return made + GUARD;
}

static meter meter_make(void) { return (meter){.fail_at = SIZE_MAX}; }

static atr_context_options metered_options(meter *m) {
  const size_t size = sizeof(atr_context_options);
  return (atr_context_options){.size = size, .realloc = metered_realloc, .realloc_user = m, .threads = 1};
}

static atr_context *metered_context(meter *m) {
  atr_context_options options = metered_options(m);
  atr_context *context = NULL;
  ck_assert_int_eq(atr_context_create(&options, &context), ATR_OK);
  return context;
}

static void check_empty(const meter *m) {
  ck_assert_uint_eq(m->blocks, 0);
  ck_assert(!m->wrong_size);
}

/* ---- texts */

static const char hlo[] =
  "HloModule conv\n"
  "ENTRY e {\n"
  "  x = f32[1,5,1] parameter(0)\n"
  "  w = f32[3,1,1] parameter(1)\n"
  "  ROOT c = f32[1,3,1] convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f\n"
  "}\n";
static const char stablehlo[] =
  "func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {\n"
  "  %s = stablehlo.add %x, %y : tensor<4xf32>\n"
  "  return %s : tensor<4xf32>\n"
  "}\n";
static const char unknown_operand[] =
  "HloModule m\n"
  "ENTRY e {\n"
  "  x = f32[4] parameter(0)\n"
  "  ROOT c = f32[4] negate(nobody)\n"
  "}\n";
static const char wrong_shape[] =
  "HloModule m\n"
  "ENTRY e {\n"
  "  x = f32[4] parameter(0)\n"
  "  ROOT c = f32[5] negate(x)\n"
  "}\n";

static const float x_data[5] = {1, 2, 3, 4, 5}, w_data[3] = {1, 10, 100};
static const float y_expected[3] = {321, 432, 543};

static atr_module *parse(atr_context *context, const char *text) {
  atr_module *module = NULL;
  atr_status status = atr_module_parse(context, NULL, text, -1, &module);
  ck_assert_msg(status == ATR_OK, "%s", atr_context_message(context));
  return module;
}

/* ---- contexts */

START_TEST(test_context_defaults) {
  atr_context *context = NULL;
  ck_assert_int_eq(atr_context_create(NULL, &context), ATR_OK);
  ck_assert_str_eq(atr_context_message(context), "");
  atr_context_destroy(context);
  atr_context_destroy(NULL);
}
END_TEST

START_TEST(test_context_options_sizes) {
  struct { atr_context_options options; char more[16]; } newer = {.options = {.threads = 1}};
  atr_context *context = NULL;
  newer.options.size = sizeof newer;
  ck_assert_int_eq(atr_context_create(&newer.options, &context), ATR_OK);
  atr_context_destroy(context);
  newer.more[15] = 1; /* something that this library does not know */
  ck_assert_int_eq(atr_context_create(&newer.options, &context), ATR_INVALID_ARGUMENT);
  newer.options.size = 0;
  ck_assert_int_eq(atr_context_create(&newer.options, &context), ATR_INVALID_ARGUMENT);
  newer.options = (atr_context_options){.size = sizeof(size_t), .threads = -7}; /* older: what lies behind is not read */
  ck_assert_int_eq(atr_context_create(&newer.options, &context), ATR_OK);
  atr_context_destroy(context);
  newer.options.size = sizeof newer.options;
  ck_assert_int_eq(atr_context_create(&newer.options, &context), ATR_INVALID_ARGUMENT); /* threads below 0 */
  ck_assert_int_eq(atr_context_create(&newer.options, NULL), ATR_INVALID_ARGUMENT);
}
END_TEST

START_TEST(test_context_memory) {
  meter m = meter_make();
  atr_context *context = metered_context(&m);
  ck_assert_uint_gt(m.blocks, 0);
  atr_context_destroy(context);
  check_empty(&m);
}
END_TEST

/* ---- modules */

static void check_conv_shapes(const atr_module *module) {
  ck_assert_int_eq(atr_module_parameter_count(module), 2);
  ck_assert_int_eq(atr_module_result_count(module), 1);
  const atr_shape *w = atr_module_parameter_shape(module, 1), *y = atr_module_result_shape(module, 0);
  ck_assert_int_eq(w->dtype, ATR_F32);
  ck_assert_int_eq(w->rank, 3);
  ck_assert_int_eq(w->dims[0], 3);
  ck_assert_int_eq(y->dims[1], 3);
  ck_assert_ptr_null(atr_module_parameter_shape(module, 2));
  ck_assert_ptr_null(atr_module_parameter_shape(module, -1));
  ck_assert_ptr_null(atr_module_result_shape(module, 1));
  ck_assert_ptr_null(atr_module_result_shape(module, -1));
}

START_TEST(test_parse_print_interpret) {
  meter m = meter_make();
  atr_context *context = metered_context(&m);
  char *text = strdup(hlo); /* the module keeps a copy */
  atr_module *module = NULL;
  ck_assert_int_eq(atr_module_parse(context, "conv.hlo", text, -1, &module), ATR_OK);
  memset(text, '!', strlen(text));
  free(text);
  check_conv_shapes(module);

  char *printed = NULL, *again = NULL;
  ck_assert_int_eq(atr_module_print(context, module, &printed), ATR_OK);
  atr_module *second = parse(context, printed);
  ck_assert_int_eq(atr_module_print(context, second, &again), ATR_OK);
  ck_assert_str_eq(printed, again);
  atr_string_free(context, printed);
  atr_string_free(context, again);
  atr_string_free(context, NULL);

  float y[3] = {0};
  ck_assert_int_eq(atr_module_interpret(context, module, (const void *const[]){x_data, w_data}, (void *const[]){y}), ATR_OK);
  ck_assert_mem_eq(y, y_expected, sizeof y);
  atr_module_destroy(module);
  atr_module_destroy(second);
  atr_module_destroy(NULL);
  atr_context_destroy(context);
  check_empty(&m);
}
END_TEST

START_TEST(test_stablehlo_is_recognized) {
  meter m = meter_make();
  atr_context *context = metered_context(&m);
  atr_module *module = parse(context, stablehlo);
  float a[4] = {1, 2, 3, 4}, b[4] = {10, 20, 30, 40}, y[4] = {0};
  ck_assert_int_eq(atr_module_interpret(context, module, (const void *const[]){a, b}, (void *const[]){y}), ATR_OK);
  ck_assert(y[0] == 11.0f && y[3] == 44.0f);
  atr_module_destroy(module);
  atr_context_destroy(context);
  check_empty(&m);
}
END_TEST

START_TEST(test_length) {
  atr_context *context = NULL;
  ck_assert_int_eq(atr_context_create(NULL, &context), ATR_OK);
  size_t len = strlen(hlo);
  char *text = malloc(len + 8); /* no NUL, and rubbish behind the text */
  memcpy(text, hlo, len);
  memset(text + len, '}', 8);
  atr_module *module = NULL;
  ck_assert_int_eq(atr_module_parse(context, NULL, text, (int64_t)len, &module), ATR_OK);
  check_conv_shapes(module);
  atr_module_destroy(module);
  for (size_t part = 0; part < len - 1; part++) { /* of exactly its size, so that a sanitizer sees a read behind it */
    char *prefix = malloc(part + 1);
    memcpy(prefix, hlo, part);
    ck_assert_int_ne(atr_module_parse(context, NULL, prefix, (int64_t)part, &module), ATR_OK);
    ck_assert_str_ne(atr_context_message(context), "");
    free(prefix);
  }
  free(text);
  atr_context_destroy(context);
}
END_TEST

/* ---- messages */

START_TEST(test_messages) {
  meter m = meter_make();
  atr_context *context = metered_context(&m);
  atr_module *module = (atr_module *)&m;
  ck_assert_int_eq(atr_module_parse(context, "bad.hlo", unknown_operand, -1, &module), ATR_PARSE_ERROR);
  ck_assert_ptr_eq(module, &m); /* written on ATR_OK only */
  ck_assert_ptr_nonnull(strstr(atr_context_message(context), "bad.hlo:4:"));
  ck_assert_ptr_nonnull(strstr(atr_context_message(context), "nobody"));
  ck_assert_ptr_nonnull(strchr(atr_context_message(context), '^'));
  ck_assert_int_eq(atr_module_parse(context, NULL, wrong_shape, -1, &module), ATR_VERIFY_ERROR);
  ck_assert_ptr_nonnull(strstr(atr_context_message(context), ":4:")); /* the newest replaces the older */
  ck_assert_ptr_null(strstr(atr_context_message(context), "nobody"));
  atr_context_destroy(context);
  check_empty(&m);
}
END_TEST

START_TEST(test_contexts_do_not_touch) {
  atr_context *a = NULL, *b = NULL;
  ck_assert_int_eq(atr_context_create(NULL, &a), ATR_OK);
  ck_assert_int_eq(atr_context_create(NULL, &b), ATR_OK);
  atr_module *module = NULL;
  ck_assert_int_ne(atr_module_parse(a, NULL, unknown_operand, -1, &module), ATR_OK);
  ck_assert_str_ne(atr_context_message(a), "");
  ck_assert_str_eq(atr_context_message(b), "");
  atr_context_destroy(a);
  atr_module_destroy(parse(b, hlo));
  atr_context_destroy(b);
}
END_TEST

/* ---- wrong arguments */

START_TEST(test_null_arguments) {
  atr_context *context = NULL;
  atr_module *out = NULL;
  char *string = NULL;
  ck_assert_int_eq(atr_context_create(NULL, &context), ATR_OK);
  atr_module *module = parse(context, hlo);
  ck_assert_int_eq(atr_module_parse(NULL, NULL, hlo, -1, &out), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_parse(context, NULL, NULL, -1, &out), ATR_INVALID_ARGUMENT);
  ck_assert_str_ne(atr_context_message(context), "");
  ck_assert_int_eq(atr_module_parse(context, NULL, hlo, -1, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_parse(context, NULL, hlo, -2, &out), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_parse(context, NULL, hlo, INT64_MAX, &out), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_print(NULL, module, &string), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_print(context, NULL, &string), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_print(context, module, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_parameter_count(NULL), 0);
  ck_assert_int_eq(atr_module_result_count(NULL), 0);
  ck_assert_ptr_null(atr_module_parameter_shape(NULL, 0));
  ck_assert_ptr_null(atr_module_result_shape(NULL, 0));
  ck_assert_ptr_null(atr_module_parameter_name(NULL, 0));
  ck_assert_ptr_null(atr_module_parameter_name(module, 2));
  ck_assert_ptr_null(atr_module_parameter_name(module, -1));
  ck_assert_str_eq(atr_module_parameter_name(module, 1), "w");
  ck_assert_int_eq(atr_module_gradient(NULL, module, 0, &out), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_gradient(context, NULL, 0, &out), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_gradient(context, module, 0, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_gradient(context, module, 2, &out), ATR_INVALID_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(atr_context_message(context), "there is no parameter 2"));
  ck_assert_ptr_null(out);
  ck_assert_str_eq(atr_context_message(NULL), "");
  atr_string_free(NULL, NULL);
  atr_module_destroy(module);
  atr_context_destroy(context);
}
END_TEST

START_TEST(test_interpret_arguments) {
  atr_context *context = NULL;
  ck_assert_int_eq(atr_context_create(NULL, &context), ATR_OK);
  atr_module *module = parse(context, hlo);
  float y[3] = {-1, -1, -1};
  const void *const args[] = {x_data, w_data}, *const hole[] = {x_data, NULL};
  void *const results[] = {y}, *const nowhere[] = {NULL};
  ck_assert_int_eq(atr_module_interpret(NULL, module, args, results), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_interpret(context, NULL, args, results), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_interpret(context, module, NULL, results), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_interpret(context, module, args, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_interpret(context, module, args, nowhere), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_module_interpret(context, module, hole, results), ATR_INVALID_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(atr_context_message(context), "argument 1"));
  ck_assert(y[0] == -1.0f && y[2] == -1.0f);
  atr_module_destroy(module);
  atr_context_destroy(context);
}
END_TEST

/* ---- many parameters */

/* Of 70 parameters one is packed: packing reads no other, wherever they stand. */
START_TEST(test_many_parameters) {
  enum { ADDED = 68, PIXELS = 64, CHANNELS = 16, ELEMENTS = PIXELS * CHANNELS };
  char text[16384], *end = text;
  end += sprintf(end, "HloModule many\nENTRY e {\n  x = f32[1,64,16] parameter(0)\n  w = f32[3,16,16] parameter(1)\n"
                      "  c0 = f32[1,64,16] convolution(x, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f\n");
  for (int i = 1; i <= ADDED; i++)
    end += sprintf(end, "  a%d = f32[1,64,16] parameter(%d)\n  %sc%d = f32[1,64,16] add(c%d, a%d)\n", i, i + 1,
                   i == ADDED ? "ROOT " : "", i, i - 1, i);
  strcpy(end, "}\n");
  static float ones[ELEMENTS], w[3 * CHANNELS * CHANNELS], y[ELEMENTS], expected[ELEMENTS];
  for (int i = 0; i < ELEMENTS; i++) ones[i] = 1;
  for (int i = 0; i < 3 * CHANNELS * CHANNELS; i++) w[i] = (float)(i % 5);
  const void *args[2 + ADDED], *const constant[2 + ADDED] = {NULL, w};
  for (int i = 0; i < 2 + ADDED; i++) args[i] = i == 1 ? w : ones;

  atr_context *context = NULL;
  atr_executable *executable = NULL;
  atr_compile_options options = {.size = sizeof options, .constant_parameters = 2};
  ck_assert_int_eq(atr_context_create(NULL, &context), ATR_OK);
  atr_module *module = parse(context, text);
  ck_assert_int_eq(atr_compile(context, module, &options, &executable), ATR_OK);
  size_t size = atr_executable_packed_size(executable);
  ck_assert_uint_gt(size, 0);
  void *packed = aligned_alloc(64, (size + 63) / 64 * 64);
  ck_assert_int_eq(atr_executable_prepack(executable, constant, packed), ATR_OK);
  atr_run_options run = {.size = sizeof run, .packed = packed};
  ck_assert_int_eq(atr_executable_run(executable, args, (void *const[]){y}, &run), ATR_OK);
  ck_assert_int_eq(atr_module_interpret(context, module, args, (void *const[]){expected}), ATR_OK);
  ck_assert_mem_eq(y, expected, sizeof y);
  free(packed);
  atr_executable_release(executable);
  atr_module_destroy(module);
  atr_context_destroy(context);
}
END_TEST

/* ---- memory that runs out */

typedef atr_status (*walk_fn)(atr_context *context, const char *text, const void *const *args, void *const *results);

/* The way of a module through the calls that need memory; the first status that is not ATR_OK. */
static atr_status walk_module(atr_context *context, const char *text, const void *const *args, void *const *results) {
  atr_module *module = NULL;
  char *printed = NULL;
  atr_status status = atr_module_parse(context, "walk", text, -1, &module);
  if (status == ATR_OK) status = atr_module_print(context, module, &printed);
  if (status == ATR_OK) status = atr_module_interpret(context, module, args, results);
  atr_string_free(context, printed);
  atr_module_destroy(module);
  return status;
}

/* The gradient outlives the module that it was made of. */
static atr_status walk_gradient(atr_context *context, const char *text, const void *const *args, void *const *results) {
  atr_module *module = NULL, *gradient = NULL;
  atr_status status = atr_module_parse(context, "walk", text, -1, &module);
  if (status == ATR_OK) status = atr_module_gradient(context, module, 1, &gradient);
  atr_module_destroy(module);
  if (status == ATR_OK) status = atr_module_interpret(context, gradient, args, results);
  atr_module_destroy(gradient);
  return status;
}

static atr_status walk_executable(atr_context *context, const char *text, const void *const *args, void *const *results) {
  atr_module *module = NULL;
  atr_executable *executable = NULL;
  char *explained = NULL;
  atr_status status = atr_module_parse(context, "walk", text, -1, &module);
  if (status == ATR_OK) status = atr_compile(context, module, NULL, &executable);
  atr_module_destroy(module);
  if (status == ATR_OK) status = atr_executable_explain(context, executable, &explained);
  if (status == ATR_OK) status = atr_executable_run(executable, args, results, NULL);
  atr_string_free(context, explained);
  atr_executable_release(executable);
  return status;
}

/* Fails allocation k = 0, 1, 2, ... (once, or from then on) until `text` gets `last` because k is past the last one. */
static void starve(walk_fn walk, const char *text, atr_status last, bool keep_failing, const void *const *args,
                   void *const *results) {
  atr_status status = ATR_OUT_OF_MEMORY;
  size_t k = 0;
  for (; status == ATR_OUT_OF_MEMORY; k++) {
    meter m = {.fail_at = k, .keep_failing = keep_failing};
    atr_context_options options = metered_options(&m);
    if (walk == walk_module) options.dump_dir = "/nonexistent"; /* a string to keep; nothing is compiled there */
    atr_context *context = NULL;
    status = atr_context_create(&options, &context);
    if (status == ATR_OK) {
      status = walk(context, text, args, results);
      const char *message = atr_context_message(context);
      bool is_silent = walk == walk_executable && *message == '\0'; /* a run has no message: it may come from any thread */
      if (status == ATR_OUT_OF_MEMORY) ck_assert_msg(is_silent || strstr(message, "memory") != NULL, "%s", message);
      else ck_assert((status == ATR_OK) == (*message == '\0'));
    }
    atr_context_destroy(context);
    check_empty(&m);
    ck_assert_uint_lt(k, 10000);
    if (status != ATR_OUT_OF_MEMORY) ck_assert_uint_le(m.calls, k);
  }
  ck_assert_int_eq(status, last);
  ck_assert_uint_gt(k, 4); /* context, its threads, arenas: something was starved */
}

START_TEST(test_starved) {
  float y[3] = {0}, a[4] = {1, 2, 3, 4}, s[4];
  const void *const conv_args[] = {x_data, w_data}, *const add_args[] = {a, a};
  bool keep_failing = _i != 0;
  starve(walk_module, hlo, ATR_OK, keep_failing, conv_args, (void *const[]){y});
  ck_assert_mem_eq(y, y_expected, sizeof y);
  starve(walk_module, stablehlo, ATR_OK, keep_failing, add_args, (void *const[]){s});
  starve(walk_module, unknown_operand, ATR_PARSE_ERROR, keep_failing, add_args, (void *const[]){s});
  starve(walk_module, wrong_shape, ATR_VERIFY_ERROR, keep_failing, add_args, (void *const[]){s});
}
END_TEST

START_TEST(test_starved_gradient) {
  static const float cotangent[3] = {1, 2, 4}, expected[3] = {17, 24, 31};
  float g[3] = {0};
  starve(walk_gradient, hlo, ATR_OK, _i != 0, (const void *const[]){x_data, w_data, cotangent}, (void *const[]){g});
  ck_assert_mem_eq(g, expected, sizeof g);
}
END_TEST

/* A text of many blocks, so that the arena is starved in its middle too. */
START_TEST(test_starved_large) {
  enum { LINES = 400 };
  char *text = malloc(LINES * 64 + 256), *end = text;
  end += sprintf(end, "HloModule large\nENTRY e {\n  v0 = f32[8] parameter(0)\n");
  for (int i = 1; i < LINES; i++)
    end += sprintf(end, "  %sv%d = f32[8] add(v%d, v0)\n", i == LINES - 1 ? "ROOT " : "", i, i - 1);
  strcpy(end, "}\n");
  float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[8] = {0};
  starve(walk_module, text, ATR_OK, false, (const void *const[]){x}, (void *const[]){y});
  ck_assert(y[7] == 8.0f * (float)LINES);
  free(text);
}
END_TEST

START_TEST(test_starved_compile) {
  float y[3] = {0};
  starve(walk_executable, hlo, ATR_OK, _i != 0, (const void *const[]){x_data, w_data}, (void *const[]){y});
  ck_assert_mem_eq(y, y_expected, sizeof y);
}
END_TEST

/* Schedules are made and timed on the way; all of them are gone whenever memory runs out. */
static atr_status walk_measured(atr_context *context, const char *text, const void *const *args, void *const *results) {
  atr_module *module = NULL;
  atr_executable *executable = NULL;
  const atr_compile_options options = {.size = sizeof options, .measure = 1, .constant_parameters = 2};
  atr_status status = atr_module_parse(context, "walk", text, -1, &module);
  if (status == ATR_OK) status = atr_compile(context, module, &options, &executable);
  atr_module_destroy(module);
  if (status == ATR_OK && atr_executable_run(executable, args, results, NULL) != ATR_OK)
    status = atr_module_parse(context, "memory", "", -1, &module); /* a message, and never ATR_OK */
  atr_executable_release(executable);
  return status == ATR_PARSE_ERROR ? ATR_OUT_OF_MEMORY : status;
}

START_TEST(test_starved_measuring) {
  float y[3] = {0};
  meter m = meter_make();
  atr_context *context = metered_context(&m);
  ck_assert_int_eq(walk_measured(context, hlo, (const void *const[]){x_data, w_data}, (void *const[]){y}), ATR_OK);
  ck_assert_str_eq(atr_context_message(context), "");
  atr_context_destroy(context);
  check_empty(&m);
  ck_assert_mem_eq(y, y_expected, sizeof y);
  atr_status status = ATR_OUT_OF_MEMORY; /* how often memory is asked for depends on which schedule is the fastest */
  for (size_t k = 0; status == ATR_OUT_OF_MEMORY; k += 1 + (size_t)(_i * 2)) {
    meter failing = {.fail_at = k, .keep_failing = _i != 0};
    atr_context_options options = metered_options(&failing);
    context = NULL;
    status = atr_context_create(&options, &context);
    if (status == ATR_OK)
      status = walk_measured(context, hlo, (const void *const[]){x_data, w_data}, (void *const[]){y});
    atr_context_destroy(context);
    check_empty(&failing);
    if (status != ATR_OUT_OF_MEMORY) ck_assert_uint_le(failing.calls, k);
  }
  ck_assert_int_eq(status, ATR_OK);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("api");
  TCase *tcase = tcase_create("api");
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_context_defaults);
  tcase_add_test(tcase, test_context_options_sizes);
  tcase_add_test(tcase, test_context_memory);
  tcase_add_test(tcase, test_parse_print_interpret);
  tcase_add_test(tcase, test_stablehlo_is_recognized);
  tcase_add_test(tcase, test_length);
  tcase_add_test(tcase, test_messages);
  tcase_add_test(tcase, test_contexts_do_not_touch);
  tcase_add_test(tcase, test_null_arguments);
  tcase_add_test(tcase, test_interpret_arguments);
  tcase_add_test(tcase, test_many_parameters);
  tcase_add_loop_test(tcase, test_starved, 0, 2);
  tcase_add_loop_test(tcase, test_starved_gradient, 0, 2);
  tcase_add_test(tcase, test_starved_large);
  tcase_add_loop_test(tcase, test_starved_compile, 0, 2);
  tcase_add_loop_test(tcase, test_starved_measuring, 0, 2);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}

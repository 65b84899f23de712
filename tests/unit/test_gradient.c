/* test_gradient.c - gradients of modules against jax.vjp, as text, and what is refused.
 *
 * In: tests/data/gradient.txt, written by tests/oracle/jax_gradients.py, which has the format: functions with the gradients that
 * jax gives for each parameter. Each is run in the interpreter, and printed and read back. What jax has no word for is compared
 * with numbers worked out by hand, and what must not be built with the very text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/gradient.h"
#include "arena_fixture.h"
#include "data_file.h"

static char *data;
static const char **cases; /* each at the line behind "case " */
static int case_count;

/* ---- the file */

static void find_cases(void) {
  for (const char *at = data; (at = strstr(at, "\ncase ")) != NULL; at += 6) cases[case_count++] = at + 6;
}

static const char *line_behind(const char *at) { return at + strcspn(at, "\n") + 1; }

typedef struct tensor {
  atr_shape shape;
  char *memory;
} tensor;

static int64_t read_int(const char **at) {
  char *end;
  int64_t value = strtoll(*at, &end, 10);
  *at = end;
  return value;
}

static double read_double(const char **at) {
  char *end;
  double value = strtod(*at, &end);
  ck_assert_ptr_ne(end, *at);
  *at = end;
  return value;
}

/* "f64[2,3] 1 2 3 4 5 6" */
static tensor read_tensor(const char *at) {
  int64_t dims[ATR_MAX_RANK];
  int rank = 0;
  size_t len = strcspn(at, "[");
  atr_dtype dtype = atr_dtype_from_name(at, len);
  for (at += len + 1; *at != ']'; at += *at == ',') dims[rank++] = read_int(&at);
  at++;
  tensor t = {.shape = atr_shape_make(dtype, rank, dims)};
  t.memory = atr_arena_alloc(&arena, (size_t)atr_shape_bytes(&t.shape));
  for (int64_t e = 0; e < atr_shape_elements(&t.shape); e++) {
    atr_scalar value = {.re = read_double(&at)};
    value.i = (int64_t)value.re;
    if (atr_dtype_class_of(dtype) == ATR_CLASS_COMPLEX) value.im = read_double(&at);
    atr_scalar_store(dtype, t.memory + (size_t)e * atr_dtype_size(dtype), value);
  }
  return t;
}

/* ---- gradients */

static atr_module *read_module(const char *text, size_t len) {
  atr_work work = work_on("t", text, len);
  atr_module *module = NULL;
  atr_status status = atr_text_is_stablehlo(text, len) ? atr_stablehlo_read(&work, &module) : atr_hlo_read(&work, &module);
  ck_assert_msg(status == ATR_OK && atr_verify_module(&work, module) == ATR_OK, "%s\n%.*s", work.message, (int)len, text);
  return module;
}

static const char *print(const atr_module *module) {
  atr_text text = atr_text_make(&arena);
  atr_hlo_print(&text, module);
  return text.data;
}

static atr_module *gradient_of(const atr_module *module, int parameter) {
  atr_work work = {.arena = &arena};
  atr_module *gradient = NULL;
  ck_assert_msg(atr_vjp_build(&work, module, parameter, &gradient) == ATR_OK, "%s\n%s", work.message, print(module));
  const char *text = print(gradient);
  ck_assert_str_eq(print(read_module(text, strlen(text))), text);
  return gradient;
}

static double tolerance(atr_dtype dtype) {
  return atr_dtype_real(dtype) == ATR_F64 ? 1e-12 : atr_dtype_real(dtype) == ATR_F32 ? 1e-5 : 0x1p-7;
}

static void compare(const char *name, const tensor *want, const char *got) {
  atr_dtype dtype = want->shape.dtype;
  size_t size = atr_dtype_size(dtype);
  int64_t n = atr_shape_elements(&want->shape);
  double scale = 1;
  for (int64_t e = 0; e < n; e++) {
    atr_scalar w = atr_scalar_load(dtype, want->memory + (size_t)e * size);
    scale = fmax(scale, fmax(fabs(w.re), fabs(w.im)));
  }
  for (int64_t e = 0; e < n; e++) {
    atr_scalar w = atr_scalar_load(dtype, want->memory + (size_t)e * size), g = atr_scalar_load(dtype, got + (size_t)e * size);
    double error = fmax(fabs(w.re - g.re), fabs(w.im - g.im));
    ck_assert_msg(error <= tolerance(dtype) * scale, "%.*s: element %lld is %.17g %.17g and should be %.17g %.17g",
                  (int)strcspn(name, "\n"), name, (long long)e, g.re, g.im, w.re, w.im);
  }
}

/* "gradient 0 f64[3] 1 2 3" */
static void check_gradient(const char *name, const atr_module *module, const char *line, const void *const *args) {
  int parameter = (int)read_int(&line);
  tensor want = read_tensor(line + 1);
  const atr_module *gradient = gradient_of(module, parameter);
  ck_assert(atr_shape_equal(&want.shape, &atr_inst_at(gradient, gradient->results[0])->shape));
  char *got = atr_arena_alloc(&arena, (size_t)atr_shape_bytes(&want.shape));
  atr_work work = {.arena = &arena};
  ck_assert_msg(atr_interpret(&work, gradient, NULL, args, (void *const[]){got}) == ATR_OK, "%s", work.message);
  compare(name, &want, got);
}

/* A module, "end", and lines of arrays. */
static void check_case(const char *name) {
  const char *text = line_behind(name), *end = strstr(text, "\nend\n");
  const void *args[ATR_MAX_RANK];
  int count = 0, gradients = 0;
  const atr_module *module = read_module(text, (size_t)(end - text));
  for (const char *line = end + 5; *line != '\0' && strncmp(line, "case ", 5) != 0; line = line_behind(line)) {
    if (strncmp(line, "arg ", 4) == 0) args[count++] = read_tensor(line + 4).memory;
    else if (strncmp(line, "cotangent ", 10) == 0) args[count++] = read_tensor(line + 10).memory;
    else {
      ck_assert(strncmp(line, "gradient ", 9) == 0);
      check_gradient(name, module, line + 9, args);
      gradients++;
    }
  }
  ck_assert_int_gt(gradients, 0);
}

START_TEST(test_jax) { check_case(cases[_i]); }
END_TEST

START_TEST(test_cases_present) { ck_assert_msg(case_count >= 50, "tests/data/gradient.txt has %d cases", case_count); }
END_TEST

/* ---- by hand: what HLO can say and jax cannot */

#define IN(text) "HloModule m\nENTRY e {\n" text "\n}"
static const char *const hand_cases[] = {
    /* scalar bounds of clamp, each the sum over elements; nothing at the bounds themselves */
    "clamp\n" IN(
        "l = f32[] parameter(0) x = f32[5] parameter(1) h = f32[] parameter(2) ROOT y = clamp(l, x, h)") "\nend\narg f32[] "
                                                                                                         "0\narg f32[5] -1 0 "
                                                                                                         "0.5 1 2\narg f32[] "
                                                                                                         "1\ncotangent f32[5] "
                                                                                                         "1 2 4 8 16\n"
                                                                                                         "gradient 0 f32[] "
                                                                                                         "1\ngradient 1 f32[5] "
                                                                                                         "0 0 4 0 0\ngradient "
                                                                                                         "2 f32[] 16\n",
    "clamp with crossed bounds\n" IN("l = f32[] parameter(0) x = f32[2] parameter(1) h = f32[] parameter(2) ROOT y = clamp(l, "
                                     "x, h)") "\nend\narg f32[] 1\narg f32[2] -1 0.5\narg f32[] 0\ncotangent f32[2] 1 2\n"
                                              "gradient 0 f32[] 0\ngradient 1 f32[2] 0 0\ngradient 2 f32[] 2\n",
    "a condition for all\n" IN("p = pred[] parameter(0) a = f32[2] parameter(1) b = f32[2] parameter(2) ROOT y = select(p, a, "
                               "b)") "\nend\narg pred[] 1\narg f32[2] 3 4\narg f32[2] 5 6\ncotangent f32[2] 1 2\n"
                                     "gradient 1 f32[2] 1 2\ngradient 2 f32[2] 0 0\n",
    "a broadcast that turns dimensions\n" IN(
        "x = f32[2,3] parameter(0) ROOT y = f32[3,2,2] broadcast(x), dimensions={2,0}") "\nend\narg f32[2,3] 0 0 0 0 0 "
                                                                                        "0\ncotangent f32[3,2,2] 1 2 3 4 5 6 7 "
                                                                                        "8 9 10 11 12\n"
                                                                                        "gradient 0 f32[2,3] 4 12 20 6 14 22\n",
    "parts of a real number\n" IN(
        "x = f32[2] parameter(0) r = real(x) i = imag(x) ROOT y = add(r, i)") "\nend\narg f32[2] 1 2\ncotangent f32[2] 3 "
                                                                              "4\ngradient 0 f32[2] 3 4\n",
    "from complex to real and back\n" IN(
        "z = c64[2] parameter(0) r = f32[2] convert(z) ROOT y = c64[2] convert(r)") "\nend\narg c64[2] 1 2 3 4\ncotangent "
                                                                                    "c64[2] 5 6 7 8\ngradient 0 c64[2] 5 0 7 "
                                                                                    "0\n",
    "a pad that cuts off\n" IN(
        "x = f32[4] parameter(0) v = f32[] parameter(1) ROOT y = f32[8] pad(x, v), padding=-1_2_1") "\nend\narg f32[4] 1 2 3 "
                                                                                                    "4\narg f32[] 9\ncotangent "
                                                                                                    "f32[8] 1 2 4 8 16 32 64 "
                                                                                                    "128\n"
                                                                                                    "gradient 0 f32[4] 0 2 8 "
                                                                                                    "32\ngradient 1 f32[] "
                                                                                                    "213\n",
    /* one tap over two elements, the margins of which repeat: reflect a b | repeats b, replicate the ends, circular all */
    "reflect\n" IN(
        "x = f32[3] parameter(0) r = f32[1,3,1] reshape(x) w = f32[1,1,1] constant({{{1}}}) "
        "ROOT y = convolution(r, w), window={size=1 pad=2_1}, dim_labels=b0f_0io->b0f, edge_mode=reflect") "\nend\narg f32[3] "
                                                                                                           "0 0 0\ncotangent "
                                                                                                           "f32[1,6,1] 1 2 4 8 "
                                                                                                           "16 32\ngradient 0 "
                                                                                                           "f32[3] 4 42 17\n",
    "replicate\n" IN(
        "x = f32[3] parameter(0) r = f32[1,3,1] reshape(x) w = f32[1,1,1] constant({{{1}}}) "
        "ROOT y = convolution(r, w), window={size=1 pad=2_1}, dim_labels=b0f_0io->b0f, edge_mode=replicate") "\nend\narg "
                                                                                                             "f32[3] 0 0 "
                                                                                                             "0\ncotangent "
                                                                                                             "f32[1,6,1] 1 2 4 "
                                                                                                             "8 16 "
                                                                                                             "32\ngradient 0 "
                                                                                                             "f32[3] 7 8 48\n",
    "circular, more than once around\n" IN("x = f32[2] parameter(0) r = f32[1,2,1] reshape(x) w = f32[1,1,1] constant({{{1}}}) "
                                           "ROOT y = convolution(r, w), window={size=1 pad=3_2}, dim_labels=b0f_0io->b0f, "
                                           "edge_mode=circular") "\nend\narg f32[2] 0 0\ncotangent f32[1,7,1] 1 2 4 8 16 32 "
                                                                 "64\ngradient 0 f32[2] 42 85\n",
};

START_TEST(test_hand) { check_case(hand_cases[_i]); }
END_TEST

/* ---- what is built */

typedef struct build_row {
  const char *module;
  int parameter;
  const char *gradient; /* behind the parameters */
} build_row;

static const build_row build_rows[] = {
    /* one convolution each, nothing of the forward pass; a stride becomes a dilation, feature groups batch groups */
    {IN("x = f32[2,9,4] parameter(0) w = f32[3,2,6] parameter(1) "
        "ROOT y = convolution(x, w), window={size=3 stride=2 pad=1_0 rhs_reversal=1}, dim_labels=b0f_0io->b0f, "
        "feature_group_count=2"),
     1,
     "  convolution.5 = f32[3,2,6] convolution(x, cotangent), window={size=4 pad=1_-1 rhs_dilate=2}, dim_labels=f0b_i0o->0bf, "
     "batch_group_count=2\n  ROOT reverse.6 = f32[3,2,6] reverse(convolution.5), dimensions={0}\n}\n"},
    {IN("x = f32[2,9,4] parameter(0) w = f32[3,4,6] parameter(1) "
        "ROOT y = convolution(x, w), window={size=3 stride=2 pad=1_-2 rhs_dilate=2}, dim_labels=b0f_0io->b0f"),
     0,
     "  ROOT convolution.5 = f32[2,9,4] convolution(cotangent, w), window={size=3 pad=3_7 lhs_dilate=2 rhs_dilate=2 "
     "rhs_reversal=1}, dim_labels=b0f_0oi->b0f\n}\n"},
    /* the name of the cotangent may be taken, layouts are kept */
    {IN("cotangent = f32[2,3]{0,1} parameter(0) ROOT y = negate(cotangent)"), 0,
     "  negate.4 = f32[2,3] negate(cotangent.2)\n  ROOT copy.5 = f32[2,3]{0,1} copy(negate.4)\n}\n"},
    {IN("x = f32[2,3]{0,1} parameter(0) ROOT y = f32[2,3]{0,1} copy(x)"), 0, ""},
    /* a way through integers is no way */
    {IN("x = f32[3] parameter(0) i = s32[3] convert(x) ROOT y = f32[3] convert(i)"), 0,
     "  constant.5 = f32[] constant(0)\n  ROOT broadcast.6 = f32[3] broadcast(constant.5), dimensions={}\n}\n"},
    /* no window could be formed of an output without elements */
    {IN("x = f32[1,2,1] parameter(0) w = f32[3,1,1] parameter(1) ROOT y = convolution(x, w), window={size=3}, "
        "dim_labels=b0f_0io->b0f"),
     1, "  constant.5 = f32[] constant(0)\n  ROOT broadcast.6 = f32[3,1,1] broadcast(constant.5), dimensions={}\n}\n"},
};

START_TEST(test_build) {
  const build_row *row = &build_rows[_i];
  const char *text = print(gradient_of(read_module(row->module, strlen(row->module)), row->parameter));
  size_t len = strlen(text), tail = strlen(row->gradient);
  ck_assert_msg(len > tail && strcmp(text + len - tail, row->gradient) == 0, "%s", text);
}
END_TEST

/* ---- what is refused */

typedef struct error_row {
  const char *module;
  int parameter;
  atr_status status;
  const char *message;
} error_row;

static const error_row error_rows[] = {
    {IN("x = f32[2] parameter(0) ROOT t = (f32[2], f32[2]) tuple(x, x)"), 0, ATR_INVALID_ARGUMENT,
     "a gradient needs a module with one result; this one has 2"},
    {IN("x = f32[2] parameter(0) ROOT y = negate(x)"), 1, ATR_INVALID_ARGUMENT, "there is no parameter 1: the module has 1"},
    {IN("x = f32[2] parameter(0) ROOT y = negate(x)"), -1, ATR_INVALID_ARGUMENT, "there is no parameter -1: the module has 1"},
    {IN("x = s32[2] parameter(0) ROOT y = f32[2] convert(x)"), 0, ATR_INVALID_ARGUMENT,
     "parameter 0 (x) is s32[2]; only floats and complex numbers have gradients"},
    {IN("x = f32[2] parameter(0) ROOT y = pred[2] compare(x, x), direction=EQ"), 0, ATR_INVALID_ARGUMENT,
     "the result is pred[2]; only floats and complex numbers have gradients"},
    {IN("x = f32[2] parameter(0) e = f8e5m2[2] convert(x) ROOT y = f32[2] convert(e)"), 0, ATR_UNSUPPORTED,
     "no gradient through e, which is f8e5m2: there is no arithmetic on fp8"},
    {IN("x = f32[2] parameter(0) v = f32[] constant(0) "
        "ROOT y = f32[1] pad(x, v), padding=-9223372036854775808_9223372036854775807"),
     0, ATR_UNSUPPORTED, "the gradient of y has padding that does not fit in 64 bits"},
};

START_TEST(test_error) {
  const error_row *row = &error_rows[_i];
  atr_work work = {.arena = &arena};
  atr_module *gradient = NULL;
  const atr_module *module = read_module(row->module, strlen(row->module));
  ck_assert_int_eq(atr_vjp_build(&work, module, row->parameter, &gradient), row->status);
  ck_assert_msg(strstr(work.message, row->message) != NULL, "%s", work.message);
  ck_assert_ptr_null(gradient);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("gradient");
  TCase *tc = tcase_create("gradient");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, test_cases_present);
  tcase_add_loop_test(tc, test_jax, 0, case_count);
  tcase_add_loop_test(tc, test_hand, 0, COUNT(hand_cases));
  tcase_add_loop_test(tc, test_build, 0, COUNT(build_rows));
  tcase_add_loop_test(tc, test_error, 0, COUNT(error_rows));
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  data = read_data_file("gradient.txt");
  cases = data != NULL ? calloc(strlen(data) / 8 + 1, sizeof *cases) : NULL;
  if (cases != NULL) find_cases();
  int failed = run_suite(suite());
  free(data);
  free(cases);
  return failed;
}

/* test_fold.c - packing of literals when compiling: the same results before and after, nothing left to pack, and functions of the
 * C library left alone. */
#include "lower_fixture.h"

static const char weights[] = "k = s32[864] iota(), iota_dimension=0 f = f32[864] convert(k) w = f32[3,3,8,12] reshape(f) ";

static atr_program *lowered(const char *instructions, int row, uint64_t constant_parameters) {
  atr_target target = target_of_row(row, false);
  atr_lower_options options = {.target = &target, .constant_parameters = constant_parameters};
  atr_program *program = NULL;
  ck_assert_msg(atr_lower(&work, module_of(instructions), &options, &program) == ATR_OK, "%s", work.message);
  return program;
}

static int prepacked(const atr_program *program) {
  int count = 0;
  for (int n = 0; n < program->nest_count; n++) count += program->nests[n]->prepack;
  return count;
}

static void fold(atr_program *program) {
  ck_assert_msg(atr_program_fold_literals(&work, program) == ATR_OK, "%s", work.message);
  ck_assert_msg(atr_program_verify(&work, program) == ATR_OK, "%s", work.message);
}

/* Runs before and after folding and compares. */
static void check(atr_program *program, const void *const *args, size_t results) {
  float *before = ATR_NEW_ARRAY(&arena, float, results), *after = ATR_NEW_ARRAY(&arena, float, results);
  ck_assert_int_eq(atr_program_interpret(&work, program, args, (void *const[]){before}), ATR_OK);
  fold(program);
  ck_assert_int_eq(atr_program_interpret(&work, program, args, (void *const[]){after}), ATR_OK);
  ck_assert_mem_eq(before, after, results * sizeof *before);
}

static float x[10 * 10 * 8], v[3 * 3 * 12 * 12];

static void fill(void) {
  for (int i = 0; i < COUNT(x); i++) x[i] = (float)(i % 7 - 3);
  for (int i = 0; i < COUNT(v); i++) v[i] = (float)(i % 5 - 2);
}

START_TEST(test_packed_weights) {
  char text[512];
  fill();
  snprintf(text, sizeof text,
           "x = f32[1,10,10,8] parameter(0) %s ROOT y = convolution(x, w), window={size=3x3 pad=1_1x1_1}, "
           "dim_labels=b01f_01io->b01f",
           weights);
  atr_program *program = lowered(text, _i, 0);
  if (_i == ROW_AVX2) ck_assert_int_gt(prepacked(program), 0);
  check(program, (const void *const[]){x}, 10 * 10 * 12);
  ck_assert_int_eq(program->packed_bytes, 0);
  ck_assert_int_eq(prepacked(program), 0);
}
END_TEST

/* Beside a literal a parameter that is packed before the first run: that one stays, at the head of the block. */
START_TEST(test_literal_beside_parameter) {
  char text[768];
  fill();
  snprintf(text, sizeof text,
           "x = f32[1,10,10,8] parameter(0) v = f32[3,3,12,12] parameter(1) %s "
           "y = convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f "
           "ROOT z = convolution(y, v), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f",
           weights);
  atr_program *program = lowered(text, ROW_AVX2, 2);
  int64_t bytes = program->packed_bytes;
  int nests = prepacked(program);
  check(program, (const void *const[]){x, v}, 10 * 10 * 12);
  ck_assert_int_gt(program->packed_bytes, 0);
  ck_assert_int_lt(program->packed_bytes, bytes);
  ck_assert_int_gt(prepacked(program), 0);
  ck_assert_int_lt(prepacked(program), nests);
  for (int b = 0; b < program->buffer_count; b++)
    if (program->buffers[b].kind == ATR_BUFFER_PACKED) ck_assert_int_eq(program->buffers[b].offset, 0);
}
END_TEST

START_TEST(test_library_functions_stay) {
  char text[512];
  snprintf(text, sizeof text,
           "x = f32[1,10,10,8] parameter(0) %s t = f32[3,3,8,12] tanh(w) "
           "ROOT y = convolution(x, t), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f",
           weights);
  atr_program *program = lowered(text, ROW_AVX2, 0);
  ck_assert_int_gt(prepacked(program), 1);
  check(program, (const void *const[]){x}, 10 * 10 * 12);
  ck_assert_int_gt(program->packed_bytes, 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fold");
  TCase *tcase = tcase_create("fold");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_add_loop_test(tcase, test_packed_weights, 0, ROW_COUNT);
  tcase_add_test(tcase, test_literal_beside_parameter);
  tcase_add_test(tcase, test_library_functions_stay);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}

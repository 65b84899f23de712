/* test_residues.c - residues that become one nest again (residues.c), and those that must not.
 *
 * That merged nests compute what the residues did is tested with the other passes in test_lower.c and at random in tests/random; here
 * is the structure. */
#include <check.h>

#include "lower/simplify.h"
#include "lower_fixture.h"

#define CONV(lhs, rhs, attributes) "x = " lhs " parameter(0) w = " rhs " parameter(1) ROOT y = convolution(x, w), " attributes

static const struct {
  const char *instructions;
  int nests;
  const char *lines[3];
} rows[] = {
    {CONV("f32[1,6,6,4]", "f32[2,2,4,8]",
          "window={size=2x2 pad=1_1x1_1 lhs_dilate=2x2}, dim_labels=b01f_01io->b01f"), /* a tap each */
     1,
     {"nest y {\n    dims loop oc:8 loop oy:6 loop ox:6 loop r:2 loop r1:2 reduce ic:4\n",
      "store y[oc + 192*oy + 16*ox + 8*r + 96*r1] %1"}},
    {CONV("f32[1,8,8,4]", "f32[9,9,4,1]",
          "window={size=9x9 pad=4_7x4_7 lhs_dilate=4x4}, dim_labels=b01f_01io->b01f"), /* 3 or 2 taps */
     4,
     {"nest y.oy0.ox0 {\n    dims loop oy:8 loop ox:8 reduce ky:3 reduce kx:3 reduce ic:4\n",
      "dims loop oy:8 loop ox:8 loop r:3 loop r1:3 reduce ky:2 reduce kx:2 reduce ic:4\n"}},
    {CONV("f32[1,8,8,4]", "f32[4,4,4,8]",
          "window={size=4x4 pad=2_2x2_2 lhs_dilate=2x2}, dim_labels=b01f_01io->b01f"), /* other pixels */
     1,
     {"nest y {\n    dims loop oc:8 loop oy:8 loop ox:8 loop r:2 loop r1:2 reduce ky:2 reduce kx:2 reduce ic:4\n",
      "index (oy + r1 + ky - 1) of 8 by 32 else skip index (ox + r + kx - 1) of 8 by 4 else skip",
      "store y[oc + 256*oy + 16*ox + 8*r + 128*r1] %1"}},
    {CONV("f32[1,8,8,4]", "f32[4,4,4,8]",
          "window={size=4x4 pad=2_2x2_3 lhs_dilate=2x2}, dim_labels=b01f_01io->b01f"), /* nine pixels and eight */
     2,
     {"nest y.oy0.ox0 {\n    dims loop oc:8 loop oy:8 loop ox:9 loop r:2", "dims loop oc:8 loop oy:8 loop ox:8 loop r:2"}},
    {CONV("f32[1,8,4]", "f32[8,4,8]", "window={size=8 pad=6_4 lhs_dilate=4}, dim_labels=b0f_0io->b0f"), /* starts 0 0 0 1 */
     2,
     {"dims loop oc:8 loop ox:8 loop r:3 reduce kx:2 reduce ic:4\n", "dims loop oc:8 loop ox:8 reduce kx:2 reduce ic:4\n"}},
    {CONV("f32[1,8,4]", "f32[8,4,8]", "window={size=8 pad=5_5 lhs_dilate=4}, dim_labels=b0f_0io->b0f"), /* 0 0 1 1 */
     1,
     {"dims loop oc:8 loop ox:8 loop r:2 loop r1:2 reduce kx:2 reduce ic:4\n", "index (ox + r1 + kx - 1) of 8 by 4 else skip"}},
    {CONV("f32[1,5,4]", "f32[3,4,8]", "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f"),
     1,
     {"nest y {\n    dims loop oc:8 loop ox:5"}},
    {"x = f32[1,4,4] parameter(0) w = f32[2,4,8] parameter(1) b = f32[1,8,8] parameter(2) c = f32[1,8,8] convolution(x, w), "
     "window={size=2 pad=1_1 lhs_dilate=2}, dim_labels=b0f_0io->b0f ROOT y = f32[1,8,8] add(c, b)", /* loads move along */
     1,
     {"dims loop oc:8 loop ox:4 loop r:2 reduce ic:4\n", "= load b[oc + 16*ox + 8*r] f32", "store y[oc + 16*ox + 8*r]"}},
};

START_TEST(test_structure) {
  const atr_program *program = collapsed_of(rows[_i].instructions);
  const char *text = program_text(program);
  ck_assert_int_eq(program->nest_count, rows[_i].nests);
  for (int i = 0; i < COUNT(rows[0].lines) && rows[_i].lines[i] != NULL; i++)
    ck_assert_msg(strstr(text, rows[_i].lines[i]) != NULL, "%s\nis not in\n%s", rows[_i].lines[i], text);
}
END_TEST

/* Columns of residues before rows. */
START_TEST(test_order) {
  atr_program *program = phases_of(canonical_of(rows[2].instructions));
  ck_assert_int_eq(program->nest_count, 4);
  atr_nest *second = program->nests[1];
  program->nests[1] = program->nests[2];
  program->nests[2] = second;
  atr_nest_merge_residues(&arena, program, 0, "z");
  ck_assert_int_eq(program->nest_count, 1);
  ck_assert_str_eq(program->nests[0]->name, "z");
  ck_assert_msg(atr_program_verify(&work, program) == ATR_OK, "%s", work.message);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("residues");
  TCase *tc = tcase_create("residues");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_loop_test(tc, test_structure, 0, COUNT(rows));
  tcase_add_test(tc, test_order);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }

/* test_parts.c - nests in parts: their text, what is legal, what they become, and which the cost model takes.
 *
 * That the parts compute what the whole computes is tested with every stage in test_lower.c and at random in tests/random; here is
 * the structure: which nests there are, which dims count parts, what the panel holds, how long temporaries live. */
#include <check.h>

#include "lower/parts.h"
#include "lower_fixture.h"

#define CONV(lhs, rhs, attributes) "x = " lhs " parameter(0) w = " rhs " parameter(1) ROOT y = convolution(x, w), " attributes
#define DENSE CONV("f32[1,5,13,4]", "f32[3,3,4,20]", "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f")
#define NEGATED                                                                                                                \
  "x = f32[1,5,13,4] parameter(0) w = f32[3,3,4,20] parameter(1) c = f32[1,5,13,20] convolution(x, w), "                       \
  "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f ROOT y = negate(c)"
#define HALF                                                                                                                   \
  "x = f16[1,5,13,4] parameter(0) w = f16[3,3,4,20] parameter(1) ROOT y = convolution(x, w), "                                 \
  "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f"
#define VALID CONV("f32[1,9,13,4]", "f32[3,3,4,20]", "window={size=3x3}, dim_labels=b01f_01io->b01f")
#define EDGES                                                                                                                  \
  CONV("f32[1,8,12,4]", "f32[3,3,4,20]",                                                                                       \
       "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, edge_mode=reflectxcircular")
#define POINTS CONV("f32[1,4,7,9]", "f32[20,4,1,1]", "window={size=1x1}, dim_labels=bf01_oi01->bf01")
#define NARROW                                                                                                                 \
  "x = s8[1,5,13,4] parameter(0) w = s8[1,1,4,20] parameter(1) ROOT y = s32[1,5,7,20] convolution(x, w), "                     \
  "window={size=1x1 stride=1x2}, dim_labels=b01f_01io->b01f"
/* A single element for every tap. */
#define VAST                                                                                                                   \
  "a = s8[] parameter(0) b = s8[] parameter(1) x = s8[2,1073741824,1073741824,1] broadcast(a), dimensions={} "                 \
  "w = s8[1073741824,1073741824,1,4] broadcast(b), dimensions={} ROOT y = s8[2,1,1,4] convolution(x, w), "                     \
  "window={size=1073741824x1073741824}, dim_labels=b01f_01io->b01f"
/* As many dims as a convolution has, none of which goes on where another ends. */
#define DEEP                                                                                                                   \
  CONV("f32[2,3,3,3,3,3,3,3,3,4]", "f32[2,2,2,2,2,2,2,2,2,4]",                                                                 \
       "window={size=2x2x2x2x2x2x2x2}, dim_labels=b01234567f_01234567io->b01234567f, feature_group_count=2")

static const atr_nest *only_nest(const char *instructions) {
  const atr_program *program = collapsed_of(instructions);
  ck_assert_int_eq(program->nest_count, 1);
  return program->nests[0];
}

static atr_status read_parts(const atr_nest *nest, const char *text, atr_work *reading, atr_parts *out) {
  bool found;
  *reading = work_on("schedule", text, strlen(text));
  atr_status status = atr_parts_read(reading, 0, nest, out, &found);
  if (status == ATR_OK) ck_assert(found);
  return status;
}

static const char *parts_text(const atr_nest *nest, const atr_parts *parts) {
  atr_text text = atr_text_make(&arena);
  atr_parts_print(&text, nest, parts);
  return text.data;
}

/* ---- text */

static const char *const texts[][2] = {
    {"part ic:2", "part ic:2"},
    {"part ic:2; loop oc", "part ic:2"},
    {"part  ox:4 ic:1 ; lhs ic oy ox; vector oc:8", "part ox:4 ic:1; lhs ic oy ox"},
    {"lhs kx", "lhs kx"},
    {"lhs ic oy as f32; pack rhs", "lhs ic oy as f32"},
};

START_TEST(test_text) {
  const atr_nest *nest = only_nest(DENSE);
  atr_work reading;
  atr_parts parts, again;
  ck_assert_msg(read_parts(nest, texts[_i][0], &reading, &parts) == ATR_OK, "%s", reading.message);
  ck_assert_str_eq(parts_text(nest, &parts), texts[_i][1]);
  ck_assert_int_eq(read_parts(nest, parts_text(nest, &parts), &reading, &again), ATR_OK);
  ck_assert_str_eq(parts_text(nest, &again), texts[_i][1]);
}
END_TEST

START_TEST(test_no_parts) {
  static const char *const whole[] = {"", "loop oc; pack rhs", "pack rhs", ";;"};
  const atr_nest *nest = only_nest(DENSE);
  for (int i = 0; i < COUNT(whole); i++) {
    atr_work reading = work_on("schedule", whole[i], strlen(whole[i]));
    atr_parts parts;
    bool found = true;
    ck_assert_int_eq(atr_parts_read(&reading, 0, nest, &parts, &found), ATR_OK);
    ck_assert(!found);
  }
}
END_TEST

static const struct {
  const char *instructions, *text, *message;
  atr_status status;
  uint32_t column;
} errors[] = {
    {DENSE, "part iq:2", "schedule names dim \"iq\", which nest y does not have", ATR_VERIFY_ERROR, 6},
    {DENSE, "part ic", "section part takes \"dim:indices\"", ATR_PARSE_ERROR, 6},
    {DENSE, "part ic:x", "must be a positive number, got \"ic:x\"", ATR_PARSE_ERROR, 6},
    {DENSE, "part ic:0", "must be a positive number, got \"ic:0\"", ATR_PARSE_ERROR, 6},
    {DENSE, "lhs ic:x", "must be a positive number, got \"ic:x\"", ATR_PARSE_ERROR, 5},
    {DENSE, "lhs ic:2", "lhs cannot be laid out in strips of dim ic, which is reduced", ATR_VERIFY_ERROR, 0},
    {DENSE, "lhs ox:2", "lhs cannot be laid out in strips of dim ox, which does not walk its elements alone", ATR_VERIFY_ERROR,
     0},
    {VALID, "lhs ox:2", "lhs cannot be laid out in strips of dim ox, which does not walk its elements alone", ATR_VERIFY_ERROR,
     0},
    {POINTS, "lhs ic oy_ox:63", "strips of dim oy_ox must be shorter than the 63 indices of a part and divide a block, got 63",
     ATR_VERIFY_ERROR, 0},
    {POINTS, "part oy_ox:20; lhs ic oy_ox:6",
     "strips of dim oy_ox must be shorter than the 20 indices of a part and divide a block, got 6", ATR_VERIFY_ERROR, 0},
    {DENSE, "lhs ic as f23", "expected a dtype behind as, got \"f23\"", ATR_PARSE_ERROR, 11},
    {DENSE, "lhs ic as f32 as f32", "section lhs ends with its dtype, got \"as\"", ATR_PARSE_ERROR, 15},
    {DENSE, "lhs ic as f32 oy", "section lhs ends with its dtype, got \"oy\"", ATR_PARSE_ERROR, 15},
    {DENSE, "lhs as f32", "section lhs names no dim", ATR_PARSE_ERROR, 1},
    {DENSE, "part oy:2; lhs; loop oc", "section lhs names no dim", ATR_PARSE_ERROR, 12},
    {DENSE, "part; lhs ic", "section part names no dim", ATR_PARSE_ERROR, 1},
    {DENSE, "lhs", "section lhs names no dim", ATR_PARSE_ERROR, 1},
    {DENSE, "part oy:2 oy:3", "section part names dim oy twice", ATR_VERIFY_ERROR, 11},
    {DENSE, "lhs ic oy ic", "section lhs names dim ic twice", ATR_VERIFY_ERROR, 11},
    {POINTS, "lhs oy_ox:16 ic oy_ox", "section lhs names dim oy_ox twice", ATR_VERIFY_ERROR, 17},
    {DENSE, "part oy:2; part ic:2", "sections part and lhs stand once, part in front of lhs", ATR_VERIFY_ERROR, 12},
    {DENSE, "lhs ic; part ic:2", "sections part and lhs stand once, part in front of lhs", ATR_VERIFY_ERROR, 9},
    {DENSE, "part oy:2; lhs ic;; lhs ox", "sections part and lhs stand once, part in front of lhs", ATR_VERIFY_ERROR, 21},
    {DENSE, "part oc:20", "a part of dim oc must have fewer than its 20 indices, got 20", ATR_VERIFY_ERROR, 0},
    {DENSE, "part kx:2", "parts of the reduced dim kx must divide its extent 3, got 2", ATR_VERIFY_ERROR, 0},
    {VAST, "part n_oc:1 ky_kx:1", "nest y in 2^63 parts, or more", ATR_VERIFY_ERROR, 0},
    {DENSE, "lhs ic as s16", "a panel as s16 does not hold the f32 that nest y multiplies in f32", ATR_VERIFY_ERROR, 0},
    {NARROW, "lhs ic as u8", "a panel as u8 does not hold the s8 that nest y multiplies", ATR_VERIFY_ERROR, 0},
    {VALID, "part ox:4; lhs ox", "lhs can be packed only where parts divide dim ox, which shares elements with another",
     ATR_VERIFY_ERROR, 0},
    {"x = f32[4,5] parameter(0) ROOT y = negate(x)", "part d0_d1:3", "nest y has no sum: it runs as a whole", ATR_VERIFY_ERROR,
     0},
    {CONV("f32[0,9,4]", "f32[1,4,8]", "window={size=1}, dim_labels=b0f_0io->b0f"), "part oc:4",
     "nest y is empty: it has no parts", ATR_VERIFY_ERROR, 0},
    {CONV("f32[1,9,4]", "f32[3,4,8]", "window={size=3 rhs_dilate=1000000 pad=1000000_1000000}, dim_labels=b0f_0io->b0f"),
     "lhs kx", "a panel for lhs of nest y would be too large", ATR_VERIFY_ERROR, 0},
    /* more residues than there may be nests */
    {CONV("f32[1,9,4]", "f32[3,4,8]", "window={size=3 lhs_dilate=65}, dim_labels=b0f_0io->b0f"), "lhs ic",
     "lhs with a divisor that phases left cannot be packed", ATR_VERIFY_ERROR, 0},
    {DEEP, "part o0:1 o1:1 o2:1 o3:1 o4:1", "nest y has too many dims for parts", ATR_VERIFY_ERROR, 0},
    {CONV("f32[1,1,1]", "f32[1,1,8]", "window={size=1}, dim_labels=b0f_0io->b0f"), "lhs oc",
     "lhs of nest y is one element: there is nothing to pack", ATR_VERIFY_ERROR, 0},
};

START_TEST(test_errors) {
  atr_work reading;
  atr_parts parts;
  const atr_nest *nest = only_nest(errors[_i].instructions);
  atr_status status = read_parts(nest, errors[_i].text, &reading, &parts);
  ck_assert_msg(status == errors[_i].status, "%s: %s", errors[_i].text, reading.message);
  ck_assert_msg(strstr(reading.message, errors[_i].message) != NULL, "%s: %s", errors[_i].text, reading.message);
  ck_assert_uint_eq(reading.column, errors[_i].column);
}
END_TEST

/* As many as there may be, and of as many dims. */
START_TEST(test_many_parts) {
  atr_work reading;
  atr_parts parts;
  ck_assert_msg(read_parts(only_nest(VAST), "part n_oc:1 ky_kx:2", &reading, &parts) == ATR_OK, "%s", reading.message);
  ck_assert_msg(read_parts(only_nest(DEEP), "part o0:1 o1:1 o2:1 o3:1", &reading, &parts) == ATR_OK, "%s", reading.message);
}
END_TEST

/* ---- what they become */

static const struct {
  const char *instructions, *text, *lines[6];
} splits[] = {
    {DENSE, /* in the place of the result: nothing is left to do behind the last part */
     "part ic:2",
     {"nest y.zero {", "dims part p1.ic:2 loop oc:20 loop oy:5 loop ox:13 reduce ky:3 reduce kx:3 reduce ic:2\n",
      "acc f32 continued\n", "store y[oc + 260*oy + 20*ox] %1\n  }\n}\n"}},
    {NEGATED,
     "part ic:2",
     {"acc f32 continued\n", "nest y.end {", "%1 = load y[oy_ox_oc] f32\n", "%2 = negate f32 %1\n", "store y[oy_ox_oc] %2\n"}},
    {HALF, /* f16 does not hold the sum */
     "part ic:2",
     {"buffer y.sum temp f32 1300\n", "store y.sum[oc + 260*oy + 20*ox] %1\n", "nest y.end {", "load y.sum[oy_ox_oc] f16\n",
      "store y[oy_ox_oc] %1\n"}},
    {DENSE,
     "part oc:10 oy:2", /* no sum is split: two dims that count parts, and rows too many in the last */
     {"dims part p0.oc:2 part p0.oy:3 loop oc:10 loop oy:2 loop ox:13", "guard 2*p0.oy + oy < 5\n",
      "lhs x[ic] as f32 index (2*p0.oy + oy + ky - 1) of 5 by 52 else skip",
      "store y[10*p0.oc + 520*p0.oy + oc + 260*oy + 20*ox] %1"}},
    {DENSE,
     "part oy:2; lhs ic oy ox", /* a part reads 4 rows of 15 positions; absent ones are still asked for */
     {"buffer y.lhs temp f32 240\n", "store y.lhs[", "of 5 by 15 else skip index (ox + kx - 1) of 13 by 1 else skip"}},
    {VALID,
     "lhs oy ox", /* rows and taps walk the same elements: 9 x 13 positions, once */
     {"buffer y.lhs temp f32 468\n", "lhs y.lhs[", "nest y.lhs {"}},
    {EDGES,
     "part oy:4; lhs oy ox ic", /* edges are resolved by the copy: 6 rows of 14 */
     {"buffer y.lhs temp f32 336\n", "of 8 by 48 else reflect", "of 12 by 4 else circular", "lhs y.lhs["}},
    {POINTS,
     "lhs ic oy_ox:16", /* four strips of 16 columns for each channel, the last one with 15 */
     {"buffer y.lhs temp f32 256\n", "of 63 by 0 else skip", "lhs y.lhs[64*oy_ox.strip + oy_ox + 16*ic] as f32\n",
      "guard 16*oy_ox.strip + oy_ox < 63\n", "store y[63*oc + 16*oy_ox.strip + oy_ox] %1"}},
    {POINTS,
     "part oy_ox:20; lhs ic oy_ox:5", /* and of a part */
     {"buffer y.lhs temp f32 80\n", "dims part p0.oy_ox:4 loop oc:20 loop oy_ox.strip:4 loop oy_ox:5 reduce ic:4\n",
      "guard 20*p0.oy_ox + 5*oy_ox.strip + oy_ox < 63\n"}},
    {NARROW,
     "lhs oy ox ic as s16", /* every second column, wider */
     {"buffer y.lhs temp s16 140\n", "convert s16", "lhs y.lhs[", "as s16\n"}},
};

static atr_program *split_of(const char *instructions, const char *text) {
  atr_program *program = collapsed_of(instructions), *out = atr_program_without_nests(&arena, program);
  atr_work reading;
  atr_parts parts;
  ck_assert_msg(read_parts(program->nests[0], text, &reading, &parts) == ATR_OK, "%s", reading.message);
  atr_nest_split_parts(&arena, out, program->nests[0], &parts);
  ck_assert_msg(atr_program_verify(&work, out) == ATR_OK, "%s", work.message);
  return out;
}

START_TEST(test_split) {
  const atr_program *program = split_of(splits[_i].instructions, splits[_i].text);
  const char *text = program_text(program);
  for (int i = 0; i < COUNT(splits[0].lines) && splits[_i].lines[i] != NULL; i++)
    ck_assert_msg(strstr(text, splits[_i].lines[i]) != NULL, "%s\nis not in\n%s", splits[_i].lines[i], text);
  ck_assert_str_eq(nest_named(program, "y")->schedule, splits[_i].text);
}
END_TEST

/* Dims that count parts are given, and cannot be scheduled; schedules that speak of parts need a nest in parts. */
START_TEST(test_schedules) {
  const atr_nest *part = nest_named(split_of(DENSE, "part ic:2; lhs oy ox ic"), "y"), *whole = only_nest(DENSE);
  atr_work reading;
  atr_schedule schedule = schedule_of(part, "part ic:2; lhs oy ox ic; parallel oc; vector oc:8");
  ck_assert_str_eq(schedule_text(part, &schedule),
                   "part ic:2; lhs oy ox ic; parallel oc; loop oy ox; reduce ic kx ky; vector oc:8");
  ck_assert_int_eq(schedule.pieces[0].kind, ATR_DIM_PART);
  ck_assert_int_eq(read_schedule(part, "loop p1.ic", &reading, &schedule), ATR_VERIFY_ERROR);
  ck_assert_msg(strstr(reading.message, "dim p1.ic counts parts and cannot stand in a schedule") != NULL, "%s",
                reading.message);
  static const char *const behind[] = {"part ic:2; loop oc; part oc:2", "lhs oy; pack rhs; lhs ic", "vector oc:8; lhs ic"};
  for (int i = 0; i < COUNT(behind); i++) {
    const atr_nest *nest = i < 2 ? part : whole;
    ck_assert_int_eq(read_schedule(nest, behind[i], &reading, &schedule), ATR_VERIFY_ERROR);
    ck_assert_msg(strstr(reading.message, "sections part and lhs must come before all others") != NULL, "%s", reading.message);
  }
  ck_assert_int_eq(read_schedule(whole, "part ic:2; loop oc", &reading, &schedule), ATR_VERIFY_ERROR);
  ck_assert_msg(strstr(reading.message, "nest y is not in parts") != NULL, "%s", reading.message);
  schedule = (atr_schedule){.pieces = {{0, ATR_DIM_LOOP, 0}}, .count = 1};
  atr_work checking = {.arena = &arena};
  ck_assert_int_eq(atr_schedule_check(&checking, part, &schedule), ATR_VERIFY_ERROR);
  ck_assert_msg(strstr(checking.message, "dim p1.ic counts parts") != NULL, "%s", checking.message);
  const atr_nest *half = nest_named(
      split_of(CONV("f16[1,9,4]", "f16[1,4,8]", "window={size=1}, dim_labels=b0f_0io->b0f"), "part ic:2"), "y");
  ck_assert_int_eq(read_schedule(half, "widen lhs", &reading, &schedule), ATR_VERIFY_ERROR);
  ck_assert_msg(strstr(reading.message, "in parts lhs is widened as it is copied: lhs ... as f32") != NULL, "%s",
                reading.message);
}
END_TEST

/* ---- groups */

START_TEST(test_groups) {
  const atr_program *p = split_of(NEGATED, "part ic:2; lhs oy ox ic"); /* zero, lhs, y, end */
  ck_assert_int_eq(p->nest_count, 4);
  ck_assert_int_eq(atr_program_group_end(p, 0), 0);
  ck_assert_int_eq(atr_program_group_end(p, 1), 2);
  ck_assert_int_eq(atr_program_group_end(p, 3), 3);
  ck_assert(atr_nest_same_parts(p->nests[1], p->nests[2]));
  ck_assert(!atr_nest_same_parts(p->nests[0], p->nests[0]));
  ck_assert_int_eq(atr_nest_parts(p->nests[0]), 1);
  ck_assert_int_eq(atr_nest_parts(p->nests[2]), 2);
  /* inside the group as they are; from outside in, or from inside out, through all parts */
  static const int lives[][4] = {{1, 2, 1, 2}, {2, 2, 2, 2}, {0, 1, 0, 2}, {2, 3, 1, 3},
                                 {0, 3, 0, 3}, {0, 0, 0, 0}, {3, 3, 3, 3}};
  for (int i = 0; i < COUNT(lives); i++) {
    int first = lives[i][0], last = lives[i][1];
    atr_program_extend_life(p, &first, &last);
    ck_assert_int_eq(first, lives[i][2]);
    ck_assert_int_eq(last, lives[i][3]);
  }
}
END_TEST

/* What must be true of a sum that goes on from what is stored. */
START_TEST(test_continued) {
  atr_program *p = split_of(DENSE, "part ic:2");
  atr_work checking = {.arena = &arena};
  atr_nest *y = (atr_nest *)nest_named(p, "y");
  atr_nest *zero = p->nests[0];
  p->nests[0] = p->nests[1];
  p->nest_count = 1;
  ck_assert_int_eq(atr_program_verify(&checking, p), ATR_INTERNAL);
  ck_assert_msg(strstr(checking.message, "it reads y, which no earlier nest writes") != NULL, "%s", checking.message);
  p->nests[0] = zero;
  p->nest_count = 2;
  y->exprs[y->root].dtype = ATR_F64;
  checking = (atr_work){.arena = &arena};
  ck_assert_int_eq(atr_program_verify(&checking, p), ATR_INTERNAL);
  ck_assert_msg(strstr(checking.message, "the sum is continued, but what is stored is not the sum in f32") != NULL, "%s",
                checking.message);
}
END_TEST

/* Where a tile begins by reading what it will store over, there is nothing to prefetch; nor without a sum. */
START_TEST(test_prefetches) {
  atr_program *p = split_of(DENSE, "part ic:2");
  atr_nest *y = (atr_nest *)nest_named(p, "y");
  atr_work checking = {.arena = &arena};
  atr_schedule schedule = {.prefetch_out = true};
  ck_assert_int_eq(atr_schedule_check(&checking, y, &schedule), ATR_VERIFY_ERROR);
  y->prefetch_out = true;
  checking = (atr_work){.arena = &arena};
  ck_assert_int_eq(atr_program_verify(&checking, p), ATR_INTERNAL);
  ck_assert_msg(strstr(checking.message, "results are prefetched, but read when the tile begins") != NULL, "%s",
                checking.message);
  y->prefetch_out = false;
  p->nests[0]->prefetch_out = true; /* it stores zeros */
  checking = (atr_work){.arena = &arena};
  ck_assert_int_eq(atr_program_verify(&checking, p), ATR_INTERNAL);
  ck_assert_msg(strstr(checking.message, "results are prefetched, but there is no sum") != NULL, "%s", checking.message);
  p->nests[0]->prefetch_out = false;
  p->nests[0]->prefetch_lhs = true;
  checking = (atr_work){.arena = &arena};
  ck_assert_int_eq(atr_program_verify(&checking, p), ATR_INTERNAL);
  ck_assert_msg(strstr(checking.message, "lhs is prefetched, but there is no sum") != NULL, "%s", checking.message);
}
END_TEST

/* A nest may read what it is about to write, and nothing else of it. */
START_TEST(test_in_place) {
  atr_program *p = split_of(NEGATED, "part ic:2");
  atr_work checking = {.arena = &arena};
  atr_nest *end = (atr_nest *)nest_named(p, "y.end");
  end->exprs[1].access.at.coef[0] = 0; /* stays inside the buffer */
  ck_assert_int_eq(atr_program_verify(&checking, p), ATR_INTERNAL);
  ck_assert_msg(strstr(checking.message, "it reads y, which it writes") != NULL, "%s", checking.message);
}
END_TEST

/* ---- the cost model */

static const char *reason; /* of the last choice */

static const char *chosen_on(int row, const char *instructions, bool constant) {
  atr_program *program = collapsed_of(instructions);
  atr_target target = target_of_row(row, false);
  atr_schedule_setting setting = {.target = &target, .rhs_constant = constant, .nests = 1};
  atr_parts parts = {.lhs_count = 0};
  atr_choice whole = {.why = NULL}, best;
  bool split = atr_parts_choose(&arena, program, program->nests[0], &setting, &parts, &whole);
  ck_assert_int_eq(atr_schedule_rank(&arena, program->nests[0], &setting, 1, &best), 1);
  ck_assert_msg(whole.why == NULL || strcmp(whole.why, best.why) == 0, "%s, not %s", whole.why, best.why);
  if (!split) return "";
  reason = parts.why;
  return parts_text(program->nests[0], &parts);
}

static const char *chosen(const char *instructions, bool constant) { return chosen_on(ROW_AVX2, instructions, constant); }

START_TEST(test_choice) {
  ck_assert_str_eq(chosen(DENSE, true), "");
  ck_assert_str_eq(
      chosen(CONV("f32[1,28,28,128]", "f32[3,3,128,128]", "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f"), true),
      "");
  /* the gradient of weights of a 1x1 layer: 6272 pixels of 128 and of 512 features */
  const char *gradient = chosen(CONV("f32[8,28,28,128]", "f32[8,28,28,512]", "window={size=28x28}, dim_labels=f01b_i01o->01bf"),
                                false);
  ck_assert_msg(strncmp(gradient, "part ", 5) == 0 && strstr(gradient, "lhs") == NULL, "%s", gradient);
  ck_assert(strstr(reason, "in parts: estimate ") == reason && strstr(reason, " whole") != NULL);
  /* every second pixel of channels that are pages apart */
  const char *strided = chosen(
      CONV("f32[1,512,28,28]", "f32[1024,512,1,1]", "window={size=1x1 stride=2x2}, dim_labels=bf01_oi01->bf01"), true);
  ck_assert_msg(strstr(strided, "lhs oy ic ox:5") != NULL, "%s", strided);
  /* elements that would be widened at every use */
  const char *narrow = chosen("x = s8[1,28,28,128] parameter(0) w = s8[3,3,128,128] parameter(1) ROOT y = s32[1,28,28,128] "
                              "convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f",
                              true);
  ck_assert_msg(strstr(narrow, " as s16") != NULL, "%s", narrow);
}
END_TEST

/* Channels whose pixels lie apart are packed in strips, as wide as two vectors of pixels, or as the pixels of a tile over features. */
START_TEST(test_strips) {
  const char *strips = chosen(CONV("f32[1,512,56,56]", "f32[256,512,1,1]", "window={size=1x1}, dim_labels=bf01_oi01->bf01"),
                              true);
  ck_assert_msg(strstr(strips, "lhs ic oy_ox:16") != NULL, "%s", strips);
  /* fewer pixels do without a panel: with some of the channels all of them stay in the second cache */
  ck_assert_str_eq(chosen(CONV("f32[1,512,28,28]", "f32[256,512,1,1]", "window={size=1x1}, dim_labels=bf01_oi01->bf01"), true),
                   "part ic:128");
  const char *few = chosen(CONV("f32[1,2048,7,7]", "f32[512,2048,1,1]", "window={size=1x1}, dim_labels=bf01_oi01->bf01"), true);
  ck_assert_msg(strstr(few, "lhs ic oy_ox:6") != NULL, "%s", few);
}
END_TEST

/* The gradient of a 1x1 layer's weights in NCHW: where weights are not constant, the image of 128 features is laid out anew rather than
 * that of 512. */
START_TEST(test_turned) {
  static const char gradient[] = CONV("f32[8,128,28,28]", "f32[8,512,28,28]",
                                      "window={size=28x28}, dim_labels=fb01_io01->fb01");
  ck_assert_msg(strstr(chosen(gradient, false), " n:16") != NULL, "%s", chosen(gradient, false));
  ck_assert_msg(strstr(chosen(gradient, true), " n:16") == NULL, "%s", chosen(gradient, true));
  /* as they lie, n fills vectors already */
  const char *turned = chosen(CONV("f32[8,28,28,128]", "f32[8,28,28,512]", "window={size=28x28}, dim_labels=f01b_i01o->01bf"),
                              false);
  ck_assert_msg(strstr(turned, "lhs") == NULL, "%s", turned);
}
END_TEST

/* Three features leave most lanes empty: their pixels are laid side by side, in parts of rows, channels before them. Not where planes of
 * pixels lie so already, where features fill vectors, or where there is little to gain. */
START_TEST(test_pixels) {
#define LAYER(x, w, labels) CONV(x, w, "window={size=5x5 pad=2_2x2_2}, dim_labels=" labels)
  const char *few = chosen_on(ROW_AVX512_ZEN5, LAYER("f32[1,96,96,64]", "f32[5,5,64,3]", "b01f_01io->b01f"), true);
  ck_assert_msg(strncmp(few, "part oy:", 8) == 0 && strstr(few, "ic ox") == few + strlen(few) - 5, "%s", few);
  ck_assert_str_eq(chosen_on(ROW_AVX512_ZEN5, LAYER("f32[1,64,96,96]", "f32[3,64,5,5]", "bf01_oi01->bf01"), true), "");
  ck_assert_str_eq(chosen_on(ROW_AVX512_ZEN5, LAYER("f32[1,96,96,64]", "f32[5,5,64,16]", "b01f_01io->b01f"), true), "");
  ck_assert_str_eq(chosen_on(ROW_AVX512_ZEN5, LAYER("f32[1,8,8,8]", "f32[5,5,8,3]", "b01f_01io->b01f"), true), "");
}
END_TEST

/* A 1x1 layer's pixels lie as a panel would have them, one after the other with all of their channels: there is nothing to copy, though the
 * layer waits for memory. */
START_TEST(test_no_copy_in_order) {
  const char *wide = chosen(CONV("f32[8,112,112,16]", "f32[1,1,16,96]", "window={size=1x1}, dim_labels=b01f_01io->b01f"), true);
  ck_assert_str_eq(wide, "");
}
END_TEST

/* DeepLab's rates: all taps of 2048 channels for 32 features are 2.4 MB of weights, those of some channels stay in the second cache. Layers
 * with fewer channels need no parts. */
START_TEST(test_channels) {
#define RATE(channels)                                                                                                         \
  CONV("f32[1,33,33," channels "]", "f32[3,3," channels ",256]",                                                               \
       "window={size=3x3 pad=12_12x12_12 rhs_dilate=12x12}, dim_labels=b01f_01io->b01f")
  ck_assert_str_eq(chosen_on(ROW_AVX512_ZEN5, RATE("2048"), true), "part ic:128");
  ck_assert_str_eq(chosen_on(ROW_AVX512_ZEN5, RATE("128"), true), "");
  /* the bottom of U-Net: 2.4 MB too, the multipliers idle for a fifth of the time */
  ck_assert_str_eq(chosen_on(ROW_AVX512_ZEN5,
                             CONV("f32[1,30,30,1024]", "f32[3,3,1024,1024]", "window={size=3x3}, dim_labels=b01f_01io->b01f"),
                             true),
                   "part kx_ic:512");
}
END_TEST

/* What passes through the caches beside a nest: what the others of its group touch. */
START_TEST(test_beside) {
  atr_program *p = split_of(CONV("f32[1,8,8,4]", "f32[1,1,4,8]", "window={size=1x1}, dim_labels=b01f_01io->b01f"),
                            "part oy_ox:16; lhs oy_ox ic");
  const atr_nest *fill = nest_named(p, "y.lhs"), *y = nest_named(p, "y");
  ck_assert_int_eq(atr_nest_beside(p, fill), 4 * (4 * 8 + 8 * 8 * 8)); /* weights and output */
  ck_assert_int_eq(atr_nest_beside(p, y), 4 * (8 * 8 * 4));
  atr_program *whole = collapsed_of(CONV("f32[1,8,8,4]", "f32[1,1,4,8]", "window={size=1x1}, dim_labels=b01f_01io->b01f"));
  ck_assert_int_eq(atr_nest_beside(whole, whole->nests[0]), 0);
}
END_TEST

/* Weighing parts makes buffers and drops them; those that others have added since stay as they are. */
START_TEST(test_weighing_leaves_no_trace) {
  atr_program *program = collapsed_of(
      CONV("f32[1,512,28,28]", "f32[1024,512,1,1]", "window={size=1x1 stride=2x2}, dim_labels=bf01_oi01->bf01"));
  atr_target target = target_of_row(ROW_AVX2, false);
  atr_schedule_setting setting = {.target = &target, .rhs_constant = true, .nests = 1};
  atr_parts parts;
  atr_program *other = ATR_NEW(&arena, atr_program);
  atr_buffer buffer = {.name = "mine", .kind = ATR_BUFFER_TEMP, .dtype = ATR_F32, .elements = 7};
  atr_program_new_buffer(&arena, program,
                         &(atr_buffer){.name = "first", .dtype = ATR_F32, .elements = 1}); /* makes room for more */
  *other = *program;
  int mine = atr_program_new_buffer(&arena, other, &buffer);
  ck_assert_ptr_eq(other->buffers, program->buffers); /* they share the array, as the nests of one pass do */
  atr_choice whole;
  ck_assert(atr_parts_choose(&arena, program, program->nests[0], &setting, &parts, &whole));
  ck_assert_str_eq(other->buffers[mine].name, "mine");
  ck_assert_int_eq(other->buffers[mine].elements, 7);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("parts");
  TCase *tc = tcase_create("parts");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_loop_test(tc, test_text, 0, COUNT(texts));
  tcase_add_test(tc, test_no_parts);
  tcase_add_loop_test(tc, test_errors, 0, COUNT(errors));
  tcase_add_test(tc, test_many_parts);
  tcase_add_loop_test(tc, test_split, 0, COUNT(splits));
  tcase_add_test(tc, test_schedules);
  tcase_add_test(tc, test_groups);
  tcase_add_test(tc, test_continued);
  tcase_add_test(tc, test_prefetches);
  tcase_add_test(tc, test_in_place);
  tcase_add_test(tc, test_choice);
  tcase_add_test(tc, test_strips);
  tcase_add_test(tc, test_turned);
  tcase_add_test(tc, test_pixels);
  tcase_add_test(tc, test_no_copy_in_order);
  tcase_add_test(tc, test_channels);
  tcase_add_test(tc, test_beside);
  tcase_add_test(tc, test_weighing_leaves_no_trace);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }

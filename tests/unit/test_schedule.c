/* test_schedule.c - the text of schedules: what is read, how it is completed, what is refused and with which words.
 *
 * In: schedules of one nest
 *
 *     dims loop oc:20 loop oy:5 loop ox:13 reduce ky:3 reduce kx:3 reduce ic:4
 *
 * Out: the pieces as text, which read back give the same text; the message and the column of every error; the dims, accesses
 * and guards that tiling makes of them. */
#include "lower_fixture.h"

#define DENSE                                                                                                                  \
  "x = f32[1,5,13,4] parameter(0) w = f32[3,3,4,20] parameter(1) "                                                             \
  "ROOT y = convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f"
#define NARROW                                                                                                                 \
  "x = s8[1,5,13,4] parameter(0) w = s8[3,3,4,20] parameter(1) ROOT y = s32[1,5,13,20] "                                       \
  "convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f"

static const atr_nest *only_nest(const char *instructions) {
  const atr_program *program = collapsed_of(instructions);
  ck_assert_int_eq(program->nest_count, 1);
  return program->nests[0];
}

/* ---- reading and completing */

typedef struct reading_row {
  const char *text, *completed; /* completed NULL: the same */
} reading_row;

static const reading_row reading_rows[] = {
    {"parallel oy; loop oc ox; reduce ky kx ic", NULL},
    {"parallel oc oy; loop ox; reduce ky kx ic; unroll ox:6 oc:2; vector oc:8; pack rhs", NULL},
    {"parallel oy; loop ox oc oc:2 ox:5; reduce ky kx ic; unroll kx:3; vector oc:4", NULL},
    {"loop oy ox oc; reduce ic ic:2 ky kx", NULL},
    {"parallel oy ox:1; loop oc; reduce ky kx ic; vector ox:13", NULL},
    /* independent dims go behind the loops, reduced ones to the front of the reduction */
    {"", "loop oc oy ox; reduce ic kx ky"},
    {"pack rhs", "loop oc oy ox; reduce ic kx ky; pack rhs"},
    {"  \n\t ", "loop oc oy ox; reduce ic kx ky"},
    {"vector oc:8", "loop oc oy ox; reduce ic kx ky; vector oc:8"},
    {"loop ox; reduce ic", "loop ox oc oy; reduce kx ky ic"},
    {"parallel ox", "parallel ox; loop oc oy; reduce ic kx ky"},
    {"unroll ic:2 ox:2; vector oc:4", "loop oc oy ox; reduce ic kx ky; unroll ic:2 ox:2; vector oc:4"},
    /* an inner piece in a loop: the outermost one goes in front of it */
    {"loop ox:4", "loop ox ox:4 oc oy; reduce ic kx ky"},
    {"reduce ic:2", "loop oc oy ox; reduce ic kx ky ic:2"},
    /* what numbers cover needs no more */
    {"unroll kx:3 ky:3; vector ox:16", "loop oc oy; reduce ic; unroll kx:3 ky:3; vector ox:16"},
    {"loop oy:5; unroll ic:4", "loop oy:5 oc ox; reduce kx ky; unroll ic:4"},
    /* blanks, and sections that come again */
    {"loop   ox;;\nloop oy ; reduce ic;reduce kx;pack   rhs;", "loop ox oy oc; reduce ky ic kx; pack rhs"},
    {"pack rhs; loop ox; pack rhs; vector oc:64", "loop ox oy; reduce ic kx ky; vector oc:64; pack rhs"},
    {"loop oy; reduce ky kx ic; unroll oc:20 ox:13", NULL},
    {"parallel oc oy; loop ox; reduce ky kx ic; vector oc:8; pack rhs; prefetch out", NULL},
    {"prefetch  out; loop ox oc; vector ox:13", "loop ox oc oy; reduce ic kx ky; vector ox:13; prefetch out"},
    {"loop oy ox oc; reduce ic kx ky; pack rhs; prefetch lhs", NULL},
    {"prefetch out lhs; loop ox; prefetch lhs", "loop ox oc oy; reduce ic kx ky; prefetch lhs out"},
    /* more than there are; tasks count 2^62 iterations */
    {"parallel oc:1099511627776 ox:4194304; loop oy; reduce ky kx ic", NULL},
};

/* Operands narrower than the sum. */
static const reading_row narrow_rows[] = {
    {"loop ox oc; reduce ic; widen lhs", NULL},
    {"loop ox oc; reduce ic; widen lhs rhs; pack rhs", NULL},
    {"loop ox oc; reduce ic; widen rhs; pack rhs", NULL},
    {"pack rhs; widen rhs lhs lhs", "loop oc ox; reduce ic; widen lhs rhs; pack rhs"},
    {"widen lhs; widen rhs;loop ox; pack rhs", "loop ox oc; reduce ic; widen lhs rhs; pack rhs"},
};

START_TEST(test_reading) {
  const reading_row *r = &reading_rows[_i];
  const atr_nest *nest = only_nest(DENSE);
  atr_schedule schedule = schedule_of(nest, r->text);
  const char *text = schedule_text(nest, &schedule);
  ck_assert_str_eq(text, r->completed != NULL ? r->completed : r->text);
  atr_schedule again = schedule_of(nest, text);
  ck_assert_str_eq(schedule_text(nest, &again), text);
}
END_TEST

START_TEST(test_reading_narrow) {
  const reading_row *r = &narrow_rows[_i];
  const atr_nest *nest = only_nest(
      "x = f16[1,9,4] parameter(0) w = f16[1,4,8] parameter(1) ROOT y = f16[1,9,8] convolution(x, w), "
      "window={size=1}, dim_labels=b0f_0io->b0f");
  atr_schedule schedule = schedule_of(nest, r->text);
  ck_assert_str_eq(schedule_text(nest, &schedule), r->completed != NULL ? r->completed : r->text);
}
END_TEST

/* ---- errors */

typedef struct error_row {
  const char *text, *message;
  atr_status status;
  uint32_t column; /* 0: the error is of the schedule as a whole */
} error_row;

static const error_row error_rows[] = {
    {"loop oz", "schedule names dim \"oz\", which nest y does not have", ATR_VERIFY_ERROR, 6},
    {"loop ox  o:4", "schedule names dim \"o\", which nest y does not have", ATR_VERIFY_ERROR, 10},
    {"vector :8", "schedule names dim \"\", which nest y does not have", ATR_VERIFY_ERROR, 8},
    {"vector oc:x", "extent of a schedule's piece must be a positive number, got \"oc:x\"", ATR_PARSE_ERROR, 8},
    {"vector oc:8x", "extent of a schedule's piece must be a positive number, got \"oc:8x\"", ATR_PARSE_ERROR, 8},
    {"vector oc:0", "extent of a schedule's piece must be a positive number, got \"oc:0\"", ATR_PARSE_ERROR, 8},
    {"vector oc:", "extent of a schedule's piece must be a positive number, got \"oc:\"", ATR_PARSE_ERROR, 8},
    {"vector oc:-8", "extent of a schedule's piece must be a positive number, got \"oc:-8\"", ATR_PARSE_ERROR, 8},
    {"loop oc:99999999999999999999999999", "extent of a schedule's piece must be a positive number", ATR_PARSE_ERROR, 6},
    {"loop ic", "dim ic is reduced and cannot stand in section loop", ATR_VERIFY_ERROR, 6},
    {"parallel oy ic", "dim ic is reduced and cannot stand in section parallel", ATR_VERIFY_ERROR, 13},
    {"vector ic:4", "dim ic is reduced and cannot stand in section vector", ATR_VERIFY_ERROR, 8},
    {"loop oy; reduce ox", "dim ox is independent and cannot stand in section reduce", ATR_VERIFY_ERROR, 17},
    {"dot oc:2", "dim oc is independent and cannot stand in section dot", ATR_VERIFY_ERROR, 5},
    {"loop oy; tile ox",
     "expected part, lhs, parallel, loop, reduce, unroll, vector, dot, widen, pack or prefetch, got \"tile\"", ATR_PARSE_ERROR,
     10},
    {"loops", "expected part, lhs, parallel, loop, reduce, unroll, vector, dot, widen, pack or prefetch, got \"loops\"",
     ATR_PARSE_ERROR, 1},
    {"oc:8", "expected part, lhs, parallel, loop, reduce, unroll, vector, dot, widen, pack or prefetch, got \"oc:8\"",
     ATR_PARSE_ERROR, 1},
    {"loop oy; {", "expected part, lhs, parallel, loop, reduce, unroll, vector, dot, widen, pack or prefetch, got \"{\"",
     ATR_PARSE_ERROR, 10},
    {"loop oy, ox", "schedule names dim \",\", which nest y does not have", ATR_VERIFY_ERROR, 8},
    {"loop oy; pack lhs", "only rhs can be packed", ATR_PARSE_ERROR, 10},
    {"pack", "only rhs can be packed", ATR_PARSE_ERROR, 1},
    {"loop oy; prefetch rhs", "expected lhs or out behind prefetch", ATR_PARSE_ERROR, 19},
    {"prefetch", "expected lhs or out behind prefetch", ATR_PARSE_ERROR, 9},
    {"prefetch out rhs", "pack or prefetch, got \"rhs\"", ATR_PARSE_ERROR, 14},
    {"loop oc; unroll oy:5 ox:13; prefetch lhs", "nest y has one tile of lhs: nothing would be fetched ahead",
     ATR_VERIFY_ERROR, 0},
    {"vector oc:8; unroll oc:2", "section unroll must come before vector", ATR_VERIFY_ERROR, 0},
    {"loop oc; parallel oy", "section parallel must come before loop", ATR_VERIFY_ERROR, 0},
    {"unroll kx:3; reduce ic", "section reduce must come before unroll", ATR_VERIFY_ERROR, 0},
    {"reduce ic; loop oy", "section loop must come before reduce", ATR_VERIFY_ERROR, 0},
    {"unroll oc:20 ox:13 ky:3 kx:3", "more than 1024 unrolled iterations", ATR_VERIFY_ERROR, 0},
    {"unroll oc:1025", "more than 1024 unrolled iterations", ATR_VERIFY_ERROR, 0},
    {"unroll oc:1099511627776 ox:1099511627776", "more than 1024 unrolled iterations", ATR_VERIFY_ERROR, 0},
    {"vector oc:65", "more than 64 vector lanes", ATR_VERIFY_ERROR, 0},
    {"vector ox:8 oc:16", "more than 64 vector lanes", ATR_VERIFY_ERROR, 0},
    {"vector ox:1099511627776 oc:1099511627776", "more than 64 vector lanes", ATR_VERIFY_ERROR, 0},
    {"loop oc oy; unroll oc", "only the outermost piece of dim oc may be without a number", ATR_VERIFY_ERROR, 0},
    {"loop oc:4 oc", "only the outermost piece of dim oc may be without a number", ATR_VERIFY_ERROR, 0},
    {"loop oc oc", "only the outermost piece of dim oc may be without a number", ATR_VERIFY_ERROR, 0},
    {"loop oc:1000000 oc:10000000", "pieces of dim oc are too large", ATR_VERIFY_ERROR, 0},
    {"loop oc:1099511627776 oc:1099511627776", "pieces of dim oc are too large", ATR_VERIFY_ERROR, 0},
    {"parallel oc:1099511627776 ox:8388608", "2^63 parallel iterations, or more", ATR_VERIFY_ERROR, 0},
    {"parallel oc:1099511627776 ox:16777216", "2^63 parallel iterations, or more", ATR_VERIFY_ERROR, 0},
    {"widen", "expected lhs or rhs behind widen", ATR_PARSE_ERROR, 6},
    {"widen; loop oy", "expected lhs or rhs behind widen", ATR_PARSE_ERROR, 6},
    {"widen oc", "expected lhs or rhs behind widen", ATR_PARSE_ERROR, 7},
    {"widen lhs oc", "expected part, lhs, parallel, loop, reduce, unroll, vector, dot, widen, pack or prefetch, got \"oc\"",
     ATR_PARSE_ERROR, 11},
    {"widen lhs", "nest y has no lhs of floats narrower than its sum to widen", ATR_VERIFY_ERROR, 0},
    {"widen rhs; pack rhs", "nest y has no rhs of floats narrower than its sum to widen", ATR_VERIFY_ERROR, 0},
    {"dot ic:2",
     "dot takes one piece of extent 2, of a sum in s32 or u32 over s8, u8 or s16, or in f32 over bf16, or of extent 4, over s8 "
     "or "
     "u8, in which ic is in no bounds question",
     ATR_VERIFY_ERROR, 0},
};

START_TEST(test_errors) {
  const error_row *e = &error_rows[_i];
  atr_work reading;
  atr_schedule schedule;
  ck_assert_msg(read_schedule(only_nest(DENSE), e->text, &reading, &schedule) == e->status, "%s: %s", e->text, reading.message);
  ck_assert_msg(strstr(reading.message, e->message) != NULL, "%s: %s", e->text, reading.message);
  ck_assert_uint_eq(reading.column, e->column);
}
END_TEST

/* A text full of pieces: there is room for ATR_MAX_DIMS of them, also for those that completing would add. */
START_TEST(test_too_many_pieces) {
  const atr_nest *nest = only_nest(DENSE);
  atr_work reading;
  atr_schedule schedule;
  for (int count = ATR_MAX_DIMS; count <= ATR_MAX_DIMS + 1; count++) {
    atr_text text = atr_text_make(&arena);
    atr_text_puts(&text, "loop oc");
    for (int i = 1; i < count; i++) atr_text_puts(&text, " oc:1");
    ck_assert_int_eq(read_schedule(nest, text.data, &reading, &schedule), ATR_VERIFY_ERROR);
    const char *message = count > ATR_MAX_DIMS ? "a schedule has at most 48 pieces"
                                               : "the schedule has no room left for dim oy";
    ck_assert_msg(strstr(reading.message, message) != NULL, "%s", reading.message);
    ck_assert_uint_eq(reading.column, count > ATR_MAX_DIMS ? 1 + strlen(text.data) - 4 : 0);
  }
}
END_TEST

/* Of a dim without a number as many iterations are unrolled as its vectors leave. */
START_TEST(test_unrolled_rest) {
  const atr_nest *nest = only_nest("x = f32[1,3,4] parameter(0) w = f32[1,4,32784] parameter(1) "
                                   "ROOT y = convolution(x, w), window={size=1}, dim_labels=b0f_0io->b0f");
  static const struct {
    const char *text;
    bool legal;
  } rows[] = {
      {"unroll oc; vector oc:64", true}, /* 513 */
      {"unroll oc oc:2; vector oc:64", true},
      {"unroll oc; vector oc:32", false}, /* 1025 */
      {"unroll oc ox:2; vector oc:64", false},
      {"unroll oc", false},
  };
  for (int i = 0; i < COUNT(rows); i++) {
    atr_work reading;
    atr_schedule schedule;
    atr_status status = read_schedule(nest, rows[i].text, &reading, &schedule);
    ck_assert_msg(status == (rows[i].legal ? ATR_OK : ATR_VERIFY_ERROR), "%s: %s", rows[i].text, reading.message);
    if (!rows[i].legal) ck_assert_msg(strstr(reading.message, "more than 1024 unrolled") != NULL, "%s", reading.message);
  }
}
END_TEST

/* Steps of outer pieces are products of a step through an array and the extents of inner ones. */
START_TEST(test_far_steps) {
  static const struct {
    const char *text;
    atr_status status;
  } rows[] = {
      {"loop oy oy:1073741823", ATR_OK}, /* times 2^25 */
      {"loop oy oy:1073741824", ATR_UNSUPPORTED},
      {"loop oy:2 oy:549755813888", ATR_UNSUPPORTED},
      {"reduce ic:1099511627776", ATR_OK},
  };
  const atr_nest *nest = only_nest("x = f32[1,4,1,33554432] parameter(0) w = f32[1,1,33554432,1] parameter(1) "
                                   "ROOT y = convolution(x, w), window={size=1x1}, dim_labels=b01f_01io->b01f");
  for (int i = 0; i < COUNT(rows); i++) {
    atr_work reading;
    atr_schedule schedule;
    atr_status status = read_schedule(nest, rows[i].text, &reading, &schedule);
    ck_assert_msg(status == rows[i].status, "%s: %s", rows[i].text, reading.message);
    if (status != ATR_OK)
      ck_assert_msg(strstr(reading.message, "nest y: pieces of dim oy times its steps through an array pass 2^55") != NULL,
                    "%s", reading.message);
  }
}
END_TEST

/* A piece's idle weights are packed with the others. */
START_TEST(test_much_packed) {
  static const char empty[] = "x = f32[1,5,13,4] parameter(0) w = f32[0,4,3,3] parameter(1) ROOT y = convolution(x, w), "
                              "window={size=3x3}, dim_labels=b01f_oi01->b01f";
  static const struct {
    const char *instructions, *text;
    atr_status status;
  } rows[] = {
      {DENSE, "loop oc:1099511627776; reduce ky kx ic:3640; pack rhs", ATR_OK}, /* 9 * 3640 is less than 2^15 */
      {DENSE, "loop oc:1099511627776; reduce ky kx ic:3641; pack rhs", ATR_UNSUPPORTED},
      {DENSE, "loop oc:1099511627776 ox:1099511627776; reduce ky kx ic:3640; pack rhs", ATR_OK},
      {DENSE, "loop oc:1099511627776; reduce ky kx:1099511627776 ic:1099511627776; pack rhs", ATR_UNSUPPORTED},
      {DENSE, "loop oc:1099511627776; reduce ky kx ic:3641", ATR_OK},
      {empty, "loop oc; reduce ky kx:1099511627776 ic:1099511627776; pack rhs", ATR_UNSUPPORTED}, /* none at all, in the end */
      {empty, "loop oc; pack rhs", ATR_OK},
  };
  for (int i = 0; i < COUNT(rows); i++) {
    atr_work reading;
    atr_schedule schedule;
    atr_status status = read_schedule(only_nest(rows[i].instructions), rows[i].text, &reading, &schedule);
    ck_assert_msg(status == rows[i].status, "%s: %s", rows[i].text, reading.message);
    if (status != ATR_OK)
      ck_assert_msg(strstr(reading.message, "nest y: packed rhs has 2^55 elements, or more") != NULL, "%s", reading.message);
  }
}
END_TEST

/* Text is read by its length, not to a NUL, and an inner NUL is a character like another. */
START_TEST(test_length) {
  const atr_nest *nest = only_nest(DENSE);
  static const char text[] = "vector oc:8\0;";
  atr_schedule schedule;
  for (size_t len = 0; len < sizeof text; len++) {
    atr_work reading = work_on("schedule", text, len);
    bool ok = len == 0 || len == 6 || len == 7 || len == 9 || len == 11;
    ck_assert_msg((atr_schedule_read(&reading, 0, nest, &schedule) == ATR_OK) == ok, "%d: %s", (int)len, reading.message);
  }
}
END_TEST

/* ---- dot and widen */

typedef struct dot_row {
  const char *instructions, *text;
  bool legal;
} dot_row;

#define CONV_OF(lhs, rhs, out, attributes)                                                                                     \
  "x = " lhs " parameter(0) w = " rhs " parameter(1) ROOT y = " out " convolution(x, w), " attributes
#define POINTWISE "window={size=1}, dim_labels=b0f_0io->b0f"

static const dot_row dot_rows[] = {
    {NARROW, "vector oc:8; dot ic:2", true},
    {NARROW, "unroll ic:2; vector oc:8; dot ic:2", true},
    {NARROW, "vector oc:8; dot ic:2; pack rhs", true},
    {NARROW, "vector oc:8; dot ic:4", true},
    {NARROW, "unroll ic:2; vector oc:8; dot ic:4; pack rhs", true},
    {NARROW, "vector oc:8; dot ic:3", false},
    {NARROW, "vector oc:8; dot ic:8", false},
    {NARROW, "vector oc:8; dot ic:4 ic:2", false},
    {CONV_OF("u8[1,9,4]", "s8[1,4,8]", "s32[1,9,8]", POINTWISE), "dot ic:4", true},
    {CONV_OF("u8[1,9,4]", "u8[1,4,8]", "u32[1,9,8]", POINTWISE), "dot ic:4", true},
    {CONV_OF("s16[1,9,4]", "s16[1,4,8]", "s32[1,9,8]", POINTWISE), "dot ic:4", false},
    {CONV_OF("s8[1,9,4]", "s16[1,4,8]", "s32[1,9,8]", POINTWISE), "dot ic:4", false},
    {CONV_OF("s8[1,9,4]", "s8[1,4,8]", "s16[1,9,8]", POINTWISE), "dot ic:4", false},
    {CONV_OF("bf16[1,9,4]", "bf16[1,4,8]", "f32[1,9,8]", POINTWISE), "dot ic:4", false},
    {CONV_OF("s8[1,9,6]", "s8[1,6,8]", "s32[1,9,8]", POINTWISE), "dot ic:4", false},          /* 4 does not divide 6, */
    {CONV_OF("s8[1,9,6]", "s8[1,6,8]", "s32[1,9,8]", POINTWISE), "dot ic:4; pack rhs", true}, /* packed with zeros */
    {NARROW, "vector oc:8; dot ic:1", false},
    {NARROW, "vector oc:8; dot ic", false},
    {NARROW, "vector oc:8; dot ic:2 ic:2", false},
    {NARROW, "dot kx:2", false}, /* 3 taps; and columns may be absent */
    {CONV_OF("s8[1,9,4]", "s8[2,4,8]", "s32[1,10,8]", "window={size=2 pad=1_1}, dim_labels=b0f_0io->b0f"), "dot ic:2", true},
    {CONV_OF("s8[1,9,4]", "s8[2,4,8]", "s32[1,10,8]", "window={size=2 pad=1_1}, dim_labels=b0f_0io->b0f"), "dot kx:2", false},
    {CONV_OF("s8[1,9,3]", "s8[2,3,8]", "s32[1,4,8]", "window={size=2 stride=2}, dim_labels=b0f_0io->b0f"), "dot kx_ic:2", true},
    {CONV_OF("s16[1,9,4]", "s16[1,4,8]", "s32[1,9,8]", POINTWISE), "dot ic:2", true},
    {CONV_OF("u8[1,9,4]", "u8[1,4,8]", "u32[1,9,8]", POINTWISE), "dot ic:2", true},
    {CONV_OF("u8[1,9,4]", "s8[1,4,8]", "s32[1,9,8]", POINTWISE), "dot ic:2", true},
    {CONV_OF("u16[1,9,4]", "s16[1,4,8]", "s32[1,9,8]", POINTWISE), "dot ic:2", false}, /* 65535 is not in 16 signed bits */
    {CONV_OF("s8[1,9,4]", "s32[1,4,8]", "s32[1,9,8]", POINTWISE), "dot ic:2", false},
    {CONV_OF("s8[1,9,4]", "s8[1,4,8]", "s64[1,9,8]", POINTWISE), "dot ic:2", false},
    {CONV_OF("s8[1,9,4]", "s8[1,4,8]", "s16[1,9,8]", POINTWISE), "dot ic:2", false},
    {CONV_OF("f32[1,9,4]", "f32[1,4,8]", "f32[1,9,8]", POINTWISE), "dot ic:2", false},
    {CONV_OF("s8[1,9,5]", "s8[1,5,8]", "s32[1,9,8]", POINTWISE), "dot ic:2", false}, /* 2 does not divide 5 */
    {CONV_OF("s8[1,9,6]", "s8[2,6,8]", "s32[1,8,8]", "window={size=2}, dim_labels=b0f_0io->b0f"), "unroll kx_ic:4; dot kx_ic:2",
     false},
    {CONV_OF("s8[1,9,9,6]", "s8[3,3,6,8]", "s32[1,7,8,8]", "window={size=3x3 pad=0_0x1_0}, dim_labels=b01f_01io->b01f"),
     "unroll ky:2; dot ic:2", false},
    {CONV_OF("bf16[1,9,4]", "bf16[1,4,8]", "f32[1,9,8]", POINTWISE), "dot ic:2", true},
    {CONV_OF("bf16[1,9,4]", "bf16[1,4,8]", "bf16[1,9,8]", POINTWISE), "dot ic:2", true}, /* summed in f32 all the same */
    {CONV_OF("bf16[1,9,4]", "bf16[2,4,8]", "f32[1,10,8]", "window={size=2 pad=1_1}, dim_labels=b0f_0io->b0f"), "dot kx:2",
     false},
    {CONV_OF("bf16[1,9,4]", "bf16[1,4,8]", "f64[1,9,8]", POINTWISE), "dot ic:2", false},
    {CONV_OF("bf16[1,9,4]", "f16[1,4,8]", "f32[1,9,8]", POINTWISE), "dot ic:2", false},
    {CONV_OF("f32[1,9,4]", "bf16[1,4,8]", "f32[1,9,8]", POINTWISE), "dot ic:2", false},
    {CONV_OF("f16[1,9,4]", "f16[1,4,8]", "f32[1,9,8]", POINTWISE), "dot ic:2", false},
    {CONV_OF("f16[1,9,4]", "f16[1,4,8]", "f16[1,9,8]", POINTWISE), "widen lhs", true},
    {CONV_OF("f16[1,9,4]", "bf16[1,4,8]", "f32[1,9,8]", POINTWISE), "widen lhs rhs; pack rhs", true},
    {CONV_OF("f32[1,9,4]", "f32[1,4,8]", "f64[1,9,8]", POINTWISE), "widen lhs rhs; pack rhs", true},
    {CONV_OF("f16[1,9,4]", "f32[1,4,8]", "f32[1,9,8]", POINTWISE), "widen lhs", true},
    {CONV_OF("f16[1,9,4]", "f32[1,4,8]", "f32[1,9,8]", POINTWISE), "widen rhs; pack rhs", false},
    {CONV_OF("f16[1,9,4]", "f16[1,4,8]", "f16[1,9,8]", POINTWISE), "widen rhs", false}, /* only while it is packed */
    {CONV_OF("bf16[1,9,4]", "bf16[1,4,8]", "f32[1,9,8]", POINTWISE), "widen lhs; dot ic:2", false},
    {CONV_OF("s8[1,9,4]", "s8[1,4,8]", "s32[1,9,8]", POINTWISE), "widen lhs", false},
    {CONV_OF("s8[1,9,4]", "s8[1,4,8]", "f32[1,9,8]", POINTWISE), "widen lhs", false},
};

START_TEST(test_dot) {
  const dot_row *r = &dot_rows[_i];
  atr_work reading;
  atr_schedule schedule;
  const atr_nest *nest = only_nest(r->instructions);
  atr_status status = read_schedule(nest, r->text, &reading, &schedule);
  ck_assert_msg(status == (r->legal ? ATR_OK : ATR_VERIFY_ERROR), "%s: %s", r->text, reading.message);
  if (!r->legal) return;
  const char *printed = schedule_text(nest, &schedule);
  atr_schedule again = schedule_of(nest, printed);
  ck_assert_msg(strstr(printed, strstr(r->text, "dot") != NULL ? "; dot " : "; widen ") != NULL, "%s", printed);
  ck_assert_str_eq(schedule_text(nest, &again), printed);
}
END_TEST

/* ---- nests of other kinds */

START_TEST(test_elementwise) {
  const atr_nest *nest = only_nest(
      "x = f32[6,7] parameter(0) b = f32[6] parameter(1) z = f32[6,7] broadcast(b), dimensions={0} "
      "ROOT y = add(x, z)");
  atr_work reading;
  atr_schedule schedule = schedule_of(nest, "vector d1:8");
  ck_assert_str_eq(schedule_text(nest, &schedule), "loop d0; vector d1:8");
  ck_assert_int_eq(read_schedule(nest, "vector d1:8; pack rhs", &reading, &schedule), ATR_VERIFY_ERROR);
  ck_assert_msg(strstr(reading.message, "nest y has no rhs to pack") != NULL, "%s", reading.message);
  ck_assert_int_eq(read_schedule(nest, "vector d1:8; prefetch lhs", &reading, &schedule), ATR_VERIFY_ERROR);
  ck_assert_msg(strstr(reading.message, "nest y has no sum: nothing would be fetched ahead") != NULL, "%s", reading.message);
  ck_assert_int_eq(read_schedule(nest, "vector d1:8; prefetch out", &reading, &schedule), ATR_VERIFY_ERROR);
  ck_assert_msg(strstr(reading.message, "nest y has no sum: nothing would be fetched ahead") != NULL, "%s", reading.message);
}
END_TEST

/* A dim of extent 0 has an outermost piece of no iterations, wherever it stands. */
START_TEST(test_empty_dims) {
  const atr_nest *nest = only_nest("x = f32[1,9,0] parameter(0) w = f32[3,0,4] parameter(1) "
                                   "ROOT y = convolution(x, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f");
  static const char *const texts[] = {"", "vector oc:4", "reduce ic", "unroll ic:2"};
  for (int i = 0; i < COUNT(texts); i++) {
    atr_schedule schedule = schedule_of(nest, texts[i]);
    const atr_nest *tiled = atr_nest_tile(&arena, nest, &schedule);
    int64_t iterations = 1;
    for (int d = 0; d < tiled->dim_count; d++)
      if (tiled->dims[d].reduced) iterations *= tiled->dims[d].extent;
    ck_assert_msg(iterations == 0, "'%s' became '%s'", texts[i], tiled->schedule);
  }
}
END_TEST

/* The whole schedule must be checked, not only a text's: what a store or the cost model gives may be wrong. */
START_TEST(test_check) {
  const atr_nest *nest = only_nest(DENSE); /* oc oy ox ky kx ic */
  const struct {
    atr_schedule schedule;
    const char *message;
  } rows[] = {
      {{.pieces = {{0, ATR_DIM_LOOP, 0}}, .count = 1}, "the schedule has no room left for dim oy"},
      {{.pieces = {{0, ATR_DIM_LOOP, 19}}, .count = 1}, "pieces of dim oc cover 19 of its 20"},
      {{.pieces = {{5, ATR_DIM_PARALLEL, 0}}, .count = 1}, "dim ic is reduced and cannot be parallel"},
      {{.pieces = {{5, ATR_DIM_VECTOR, 4}}, .count = 1}, "dim ic is reduced and cannot be vector"},
  };
  for (int i = 0; i < COUNT(rows); i++) {
    atr_work checking = {.arena = &arena};
    ck_assert_int_eq(atr_schedule_check(&checking, nest, &rows[i].schedule), ATR_VERIFY_ERROR);
    ck_assert_str_eq(strstr(checking.message, rows[i].message) != NULL ? "" : checking.message, "");
  }
}
END_TEST

/* ---- tiling */

typedef struct tile_row {
  const char *text, *lines[4];
} tile_row;

static const tile_row tile_rows[] = {
    /* every dim whole: the canonical nest in another order */
    {"loop ox oy oc; reduce ic kx ky",
     {"dims loop ox:13 loop oy:5 loop oc:20 reduce ic:4 reduce kx:3 reduce ky:3\n",
      "lhs x[ic] as f32 index (oy + ky - 1) of 5 by 52 else skip index (ox + kx - 1) of 13 by 4 else skip\n",
      "rhs w[oc + 20*ic + 80*kx + 240*ky] as f32\n", "store y[20*ox + 260*oy + oc] %1\n"}},
    /* 13 columns in threes: 5 tiles, of which the last has one column; 20 features in 3 of 8 */
    {"parallel oy; loop oc ox; reduce ky kx ic; unroll ox:3; vector oc:8",
     {"dims parallel oy:5 loop oc.1:3 loop ox.1:5 reduce ky:3 reduce kx:3 reduce ic:4 unroll ox.0:3 vector oc.0:8\n",
      "guard 8*oc.1 + oc.0 < 20\n", "guard 3*ox.1 + ox.0 < 13\n", "store y[260*oy + 8*oc.1 + 60*ox.1 + 20*ox.0 + oc.0] %1\n"}},
    /* 3 taps in twos, 4 channels in threes: what is not there is absent from both operands */
    {"loop oc oy ox; reduce ic ky kx; unroll kx:2 ic:3",
     {"dims loop oc:20 loop oy:5 loop ox:13 reduce ic.1:2 reduce ky:3 reduce kx.1:2 reduce unroll kx.0:2 reduce unroll "
      "ic.0:3\n",
      "index (2*kx.1 + kx.0) of 3 by 0 else skip index (3*ic.1 + ic.0) of 4 by 0 else skip\n",
      "rhs w[oc + 60*ic.1 + 240*ky + 160*kx.1 + 80*kx.0 + 20*ic.0] as f32 index (2*kx.1 + kx.0) of 3 by 0 else skip index "
      "(3*ic.1 + ic.0) of 4 by 0 else skip\n",
      "store y[oc + 260*oy + 20*ox] %1\n"}},
    /* three levels: the step of a piece is what the pieces inside it cover */
    {"parallel oy; loop ox oc oc:2; reduce ky kx ic ic:2; vector oc:5",
     {"dims parallel oy:5 loop ox:13 loop oc.2:2 loop oc.1:2 reduce ky:3 reduce kx:3 reduce ic.1:2 reduce ic.0:2 vector "
      "oc.0:5\n",
      "lhs x[2*ic.1 + ic.0] as f32 index", "rhs w[10*oc.2 + 5*oc.1 + 240*ky + 80*kx + 40*ic.1 + 20*ic.0 + oc.0] as f32\n",
      "store y[260*oy + 20*ox + 10*oc.2 + 5*oc.1 + oc.0] %1\n"}},
};

START_TEST(test_tiles) {
  const tile_row *r = &tile_rows[_i];
  const atr_program *program = collapsed_of(DENSE);
  atr_schedule schedule = schedule_of(program->nests[0], r->text);
  const atr_nest *tiled = atr_nest_tile(&arena, program->nests[0], &schedule);
  const char *text = nest_text(program, tiled);
  for (int i = 0; i < COUNT(r->lines); i++)
    ck_assert_msg(strstr(text, r->lines[i]) != NULL, "%s\nis not in\n%s", r->lines[i], text);
  ck_assert_str_eq(tiled->schedule, r->text);
  if (_i != 1) ck_assert_int_eq(tiled->guard_count, 0);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("schedule");
  TCase *tc = tcase_create("schedule");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_loop_test(tc, test_reading, 0, COUNT(reading_rows));
  tcase_add_loop_test(tc, test_reading_narrow, 0, COUNT(narrow_rows));
  tcase_add_loop_test(tc, test_errors, 0, COUNT(error_rows));
  tcase_add_test(tc, test_too_many_pieces);
  tcase_add_test(tc, test_unrolled_rest);
  tcase_add_test(tc, test_far_steps);
  tcase_add_test(tc, test_much_packed);
  tcase_add_test(tc, test_length);
  tcase_add_loop_test(tc, test_dot, 0, COUNT(dot_rows));
  tcase_add_test(tc, test_elementwise);
  tcase_add_test(tc, test_empty_dims);
  tcase_add_test(tc, test_check);
  tcase_add_loop_test(tc, test_tiles, 0, COUNT(tile_rows));
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }

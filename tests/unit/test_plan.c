/* test_plan.c - packed weights, places of temporaries, and what may run once and for all.
 *
 * In: modules and schedules. Out: sizes and offsets worked out by hand; temporaries whose lives do not meet share bytes:
 *
 *     a -> b -> c -> y     a [0, 1024)   b [1024, 2560)   c [0, 512), because a is dead when c is made */
#include "lower_fixture.h"

static atr_program *lowered(const char *instructions, const char *schedule, uint64_t constant_parameters) {
  atr_target target = target_of_row(ROW_AVX2, false);
  atr_program *program = NULL;
  atr_lower_options options = {.target = &target, .schedule = schedule, .constant_parameters = constant_parameters};
  ck_assert_msg(atr_lower(&work, module_of(instructions), &options, &program) == ATR_OK, "%s", work.message);
  ck_assert_msg(atr_program_verify(&work, program) == ATR_OK, "%s", work.message);
  return program;
}

/* ---- packing */

typedef struct pack_row {
  const char *instructions, *schedule;
  int64_t elements; /* 0: not packed */
  const char *lines[3];
} pack_row;

#define CONV(lhs, rhs, attributes) "x = " lhs " parameter(0) w = " rhs " parameter(1) ROOT y = convolution(x, w), " attributes

static const pack_row pack_rows[] = {
    /* 20 features in 2 x 2 x 8: the buffer holds 32, the last 12 of them zero */
    {CONV("f32[1,28,3]", "f32[3,3,20]", "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f"),
     "parallel oc; loop ox; reduce kx ic; unroll oc:2; vector oc:8; pack rhs",
     288,
     {"rhs y.rhs[144*oc.2 + 48*kx + 16*ic + 8*oc.1 + oc.0] padded as f32\n", "of 20 by 0 else skip else %1\n",
      "guard 16*oc.2 + 8*oc.1 + oc.0 < 20\n"}},
    /* 16 features are whole tiles: nothing absent */
    {CONV("f32[1,28,3]", "f32[3,3,16]", "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f"),
     "loop ox; reduce kx ic; unroll oc:2; vector oc:8; pack rhs",
     144,
     {"rhs y.rhs[48*kx + 16*ic + 8*oc.1 + oc.0] padded as f32\n", "load w[", "packs whole"}},
    /* reversed taps are read in the order of the loops */
    {CONV("f32[1,28,3]", "f32[3,3,8]", "window={size=3 pad=1_1 rhs_reversal=1}, dim_labels=b0f_0io->b0f"),
     "loop ox; reduce kx ic; vector oc:8; pack rhs",
     72,
     {"rhs y.rhs[24*kx + 8*ic + oc] padded as f32\n", "load w[-24*kx", NULL}},
    /* over columns: weights do not depend on them; the order of the reduction is the order of the buffer */
    {CONV("f32[1,5,28]", "f32[8,5,3]", "window={size=3 pad=1_1}, dim_labels=bf0_oi0->bf0"),
     "loop oc; reduce ic; unroll kx:3; vector ox:8; pack rhs",
     120,
     {"rhs y.rhs[15*oc + 3*ic + kx] padded as f32\n", NULL, NULL}},
    /* weights that one tile alone reads, each once: a stream for each of its vectors */
    {CONV("f32[1,4,3]", "f32[4,3,16]", "window={size=4}, dim_labels=b0f_0io->b0f"),
     "unroll oc:2; vector oc:8; pack rhs",
     192,
     {"rhs y.rhs[8*kx_ic + 96*oc.1 + oc.0] padded as f32\n", NULL, NULL}},
    {CONV("f32[2,4,3]", "f32[4,3,16]", "window={size=4}, dim_labels=b0f_0io->b0f"),
     "unroll n:2 oc:2; vector oc:8; pack rhs",
     192,
     {"rhs y.rhs[8*kx_ic + 96*oc.1 + oc.0] padded as f32\n", NULL, NULL}},
    {CONV("f32[2,4,3]", "f32[4,3,16]", "window={size=4}, dim_labels=b0f_0io->b0f"),
     "loop n; unroll oc:2; vector oc:8; pack rhs",
     192,
     {"rhs y.rhs[16*kx_ic + 8*oc.1 + oc.0] padded as f32\n", NULL, NULL}},
    /* one weight */
    {CONV("f32[1,9,1]", "f32[1,1,1]", "window={size=1}, dim_labels=b0f_0io->b0f"),
     "pack rhs",
     0,
     {"rhs w[0] as f32\n", NULL, NULL}},
    /* no weights */
    {CONV("f32[1,9,0]", "f32[3,0,4]", "window={size=3}, dim_labels=b0f_0io->b0f"), "pack rhs", 0, {"rhs w[", NULL, NULL}},
    /* only where the schedule says so */
    {CONV("f32[1,28,3]", "f32[3,3,16]", "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f"),
     "vector oc:8",
     0,
     {"rhs w[", NULL, NULL}},
};

START_TEST(test_pack) {
  const pack_row *r = &pack_rows[_i];
  const atr_program *program = lowered(r->instructions, r->schedule, 0);
  const char *text = program_text(program);
  bool whole = r->lines[2] != NULL && strcmp(r->lines[2], "packs whole") == 0;
  for (int i = 0; i < COUNT(r->lines) && r->lines[i] != NULL; i++)
    if (i < 2 || !whole) ck_assert_msg(strstr(text, r->lines[i]) != NULL, "%s\nis not in\n%s", r->lines[i], text);
  ck_assert_int_eq(program->nest_count, r->elements != 0 ? 2 : 1);
  if (r->elements == 0) return;
  ck_assert_int_eq(buffer_named(program, "y.rhs")->elements, r->elements);
  ck_assert_str_eq(program->nests[0]->name, "y.pack");
  if (whole) ck_assert_msg(strstr(nest_text(program, program->nests[0]), "index") == NULL, "%s", text);
}
END_TEST

/* ---- widening */

typedef struct widen_row {
  const char *instructions, *schedule;
  int nests;
  const char *buffer; /* NULL: none */
  int64_t elements;
  const char *lines[3];
} widen_row;

#define X16 "x = f16[1,28,3] parameter(0) "
#define W16 "w = f16[3,3,16] parameter(1) "
#define SUMS "vector oc:8; "

static const widen_row widen_rows[] = {
    {X16 W16 "ROOT y = convolution(x, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f",
     SUMS "widen lhs",
     2,
     "y.lhs",
     84,
     {"%1 = load x[", "lhs y.lhs[ic] as f32 index (ox + kx - 1) of 28 by 3 else skip\n", "] as f16\n    acc f32\n"}},
    {X16 W16 "ROOT y = convolution(x, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f",
     SUMS "widen lhs rhs; pack rhs",
     3,
     "y.rhs",
     144,
     {"lhs y.lhs[", "] padded as f32\n    acc f32\n", "%3 = convert f32 %2\n"}},
    /* a part of an array is all that is converted */
    {X16 W16 "p = slice(x), slice={[0:1],[4:9],[0:3]} ROOT y = convolution(p, w), window={size=3}, dim_labels=b0f_0io->b0f",
     SUMS "widen lhs",
     2,
     "y.lhs",
     15,
     {"+ i.0 + 12] f16", "lhs y.lhs[3*ox + kx_ic] as f32\n", NULL}},
    /* but for a little more that other nests may want */
    {X16 W16 "p = slice(x), slice={[0:1],[0:27],[0:3]} ROOT y = convolution(p, w), window={size=3}, dim_labels=b0f_0io->b0f",
     SUMS "widen lhs",
     2,
     "y.lhs",
     84,
     {NULL, NULL, NULL}},
    /* rounded to the convolution's own type first */
    {"v = f32[1,28,3] parameter(0) x = f16[1,28,3] convert(v) " W16
     "ROOT y = convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f",
     SUMS "widen lhs",
     2,
     "y.lhs",
     84,
     {"%1 = load v[", "] f16\n    %2 = convert f32 %1\n", NULL}},
    /* both phases read what the first has filled */
    {X16 W16 "ROOT y = convolution(x, w), window={size=3 pad=2_2 lhs_dilate=2}, dim_labels=b0f_0io->b0f",
     SUMS "widen lhs",
     3,
     "y.ox0.lhs",
     84,
     {"nest y.ox1 {", NULL, NULL}},
    /* and so do two convolutions of one array */
    {X16 W16 "a = convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f "
             "b = convolution(x, w), window={size=3 rhs_reversal=1}, dim_labels=b0f_0io->b0f ROOT y = concatenate(a, b), "
             "dimensions={2}",
     SUMS "widen lhs",
     5,
     "a.lhs",
     84,
     {"nest b {", NULL, NULL}},
    /* nothing is read */
    {"x = f16[1,28,0] parameter(0) w = f16[3,0,16] parameter(1) "
     "ROOT y = convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f",
     SUMS "widen lhs",
     1,
     NULL,
     0,
     {"lhs x[", "] as f16\n", NULL}},
};

START_TEST(test_widen) {
  const widen_row *r = &widen_rows[_i];
  const atr_program *program = lowered(r->instructions, r->schedule, 0);
  const char *text = program_text(program);
  for (int i = 0; i < COUNT(r->lines) && r->lines[i] != NULL; i++)
    ck_assert_msg(strstr(text, r->lines[i]) != NULL, "%s\nis not in\n%s", r->lines[i], text);
  ck_assert_msg(program->nest_count == r->nests, "%s", text);
  if (r->buffer == NULL) return;
  ck_assert_int_eq(buffer_named(program, r->buffer)->elements, r->elements);
  ck_assert_int_eq(buffer_named(program, r->buffer)->dtype, ATR_F32);
}
END_TEST

/* ---- temporaries */

typedef struct place_row {
  const char *instructions;
  int64_t scratch;
  struct {
    const char *name;
    int64_t offset;
  } places[4];
} place_row;

#define POINTWISE ", window={size=1}, dim_labels=b0f_0io->b0f "
#define CHAIN(second, third)                                                                                                   \
  "x = f32[1,16,8] parameter(0) w1 = f32[1,8,16] parameter(1) w2 = f32[1,16," second "] parameter(2) "                         \
  "w3 = f32[1," second "," third "] parameter(3) w4 = f32[1," third ",8] parameter(4) "                                        \
  "a = convolution(x, w1)" POINTWISE "b = convolution(a, w2)" POINTWISE "c = convolution(b, w3)" POINTWISE                     \
  "ROOT y = convolution(c, w4)" POINTWISE

static const place_row place_rows[] = {
    /* 1024, 1536 and 512 bytes: c lies where a was */
    {CHAIN("24", "8"), 2560, {{"a", 0}, {"b", 1024}, {"c", 0}}},
    /* c of 2048 bytes does not fit below b, which is still read while c is made */
    {CHAIN("24", "32"), 4608, {{"a", 0}, {"b", 1024}, {"c", 2560}}},
    /* a of 1024, b of 128 bytes, c of 1024, which just fits where a was */
    {CHAIN("2", "16"), 1152, {{"a", 0}, {"b", 1024}, {"c", 0}}},
    /* two that live together to the end, and a third between: 60 bytes take 64 */
    {"x = f32[1,5,3] parameter(0) w = f32[1,3,3] parameter(1) a = negate(x) b = convolution(a, w)" POINTWISE
     "c = convolution(b, w)" POINTWISE "d = convolution(a, w)" POINTWISE "ROOT y = subtract(c, d)",
     192,
     {{"a", 0}, {"b", 64}, {"c", 128}}},
    /* nothing to keep */
    {"x = f32[1,5,3] parameter(0) w = f32[1,3,3] parameter(1) ROOT y = convolution(x, w)" POINTWISE, 0, {{NULL, 0}}},
};

START_TEST(test_places) {
  const place_row *r = &place_rows[_i];
  const atr_program *program = lowered(r->instructions, "vector oc:8", 0);
  for (int i = 0; i < COUNT(r->places) && r->places[i].name != NULL; i++)
    ck_assert_msg(buffer_named(program, r->places[i].name)->offset == r->places[i].offset, "%s\n%s", r->places[i].name,
                  program_text(program));
  ck_assert_msg(program->scratch_bytes == r->scratch, "%s", program_text(program));
  ck_assert_int_eq(program->packed_bytes, 0);
}
END_TEST

START_TEST(test_too_large) {
  atr_program *program = lowered(place_rows[0].instructions, "vector oc:8", 0);
  atr_work planning = {.arena = &arena};
  ((atr_buffer *)buffer_named(program, "b"))->elements = INT64_MAX / 8;
  ck_assert_int_eq(atr_program_plan(&planning, program, 0), ATR_UNSUPPORTED);
  ck_assert_msg(strstr(planning.message, "temporary b is too large") != NULL, "%s", planning.message);
}
END_TEST

/* ---- prepack */

typedef struct prepack_row {
  const char *instructions;
  uint64_t constant_parameters;
  const char *prepacked; /* names of nests, a blank behind each */
  int64_t packed;        /* bytes */
} prepack_row;

#define XW "x = f32[1,9,4] parameter(0) w = f32[3,4,8] parameter(1) "
#define SAME ", window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f "
#define CONSTANT "x = f32[1,9,2] parameter(0) k = f32[2,2,2] constant({{{1,2},{3,4}},{{5,6},{7,8}}}) two = f32[] constant(2) "

#define TWICE(first, second, how)                                                                                              \
  "x = f32[1,9,4] parameter(0) all = f32[4,4,4] parameter(1) w = f32[3,4,4] slice(all), slice={[0:3], [0:4], [0:4]} "          \
  "p = f32[3,4,4] slice(all), slice={[0:3], [0:4], [0:4]} q = f32[3,4,4] slice(all), slice={[1:4], [0:4], [0:4]} "             \
  "a = convolution(x, " first ")" SAME "ROOT y = convolution(a, " second ")" how

static const prepack_row prepack_rows[] = {
    {XW "ROOT y = convolution(x, w)" SAME, 0, "", 0},
    {XW "ROOT y = convolution(x, w)" SAME, 1, "", 0},                                 /* the input alone */
    {XW "ROOT y = convolution(x, w)" SAME, 2, "y.pack ", 96 * 4},                     /* the weights */
    {XW "ROOT y = convolution(x, w)" SAME, 3, "y.pack ", 96 * 4},                     /* a result is never made beforehand */
    {XW "ROOT y = convolution(x, w)" SAME, ~UINT64_C(3), "", 0},                      /* parameters that there are not */
    {XW "n = negate(w) ROOT y = convolution(x, n)" SAME, 2, "n y.pack ", 2 * 96 * 4}, /* and what is made of them */
    {XW "n = negate(w) ROOT y = convolution(x, n)" SAME, 1, "", 0},
    {XW "n = negate(x) ROOT y = convolution(n, w)" SAME, 1, "n ", 192}, /* 36 elements, to 64 bytes */
    {XW "b = f32[4] parameter(2) bb = f32[1,9,4] broadcast(b), dimensions={2} n = add(x, bb) ROOT y = convolution(n, w)" SAME,
     1, "", 0},
    {XW "b = f32[4] parameter(2) bb = f32[1,9,4] broadcast(b), dimensions={2} n = add(x, bb) ROOT y = convolution(n, w)" SAME,
     5, "n ", 192},
    /* weights wanted alike are packed once; not so where they are read from the other end, or are a part from another place */
    {TWICE("w", "w", SAME), 2, "a.pack ", 96 * 4},
    {TWICE("w", "w", ", window={size=3 pad=1_1 rhs_reversal=1}, dim_labels=b0f_0io->b0f "), 2, "a.pack y.pack ", 2 * 96 * 4},
    {TWICE("p", "p", SAME), 2, "a.pack ", 96 * 4},
    {TWICE("p", "q", SAME), 2, "a.pack y.pack ", 2 * 96 * 4},
    {CONSTANT "t = f32[2,2,2] broadcast(two), dimensions={} m = multiply(k, t) ROOT y = convolution(x, m), window={size=2}, "
              "dim_labels=b0f_0io->b0f",
     0, "m y.pack ", 64 + 128},
    /* a buffer is constant when all that writes to it is */
    {"x = f32[1,9,4] parameter(0) w = f32[1,4,8] parameter(1) v = f32[2,4,8] parameter(2) k = f32[3,4,8] concatenate(w, v), "
     "dimensions={0} "
     "ROOT y = convolution(x, k)" SAME,
     2, "", 0},
    {"x = f32[1,9,4] parameter(0) w = f32[1,4,8] parameter(1) v = f32[2,4,8] parameter(2) k = f32[3,4,8] concatenate(w, v), "
     "dimensions={0} "
     "ROOT y = convolution(x, k)" SAME,
     4, "", 0},
    {"x = f32[1,9,4] parameter(0) w = f32[1,4,8] parameter(1) v = f32[2,4,8] parameter(2) k = f32[3,4,8] concatenate(w, v), "
     "dimensions={0} "
     "ROOT y = convolution(x, k)" SAME,
     6, "k.0 k.1 y.pack ", 2 * 96 * 4},
};

START_TEST(test_prepack) {
  const prepack_row *r = &prepack_rows[_i];
  const atr_program *program = lowered(r->instructions, "vector oc:8; pack rhs", r->constant_parameters);
  atr_text names = atr_text_make(&arena);
  atr_text_puts(&names, "");
  for (int n = 0; n < program->nest_count; n++)
    if (program->nests[n]->prepack) atr_text_printf(&names, "%s ", program->nests[n]->name);
  ck_assert_msg(strcmp(names.data, r->prepacked) == 0, "%s\n%s", names.data, program_text(program));
  ck_assert_msg(program->packed_bytes == r->packed, "%s", program_text(program));
  for (int b = 0; b < program->buffer_count; b++)
    ck_assert(program->buffers[b].kind != ATR_BUFFER_PACKED || program->buffers[b].offset % ATR_SCRATCH_ALIGNMENT == 0);
}
END_TEST

/* The mask has 64 bits: a parameter beyond it is never constant. */
START_TEST(test_parameter_64) {
  atr_text text = atr_text_make(&arena);
  for (int p = 0; p < 64; p++) atr_text_printf(&text, "p%d = f32[1,9,4] parameter(%d) ", p, p);
  atr_text_puts(&text, "w = f32[3,4,8] parameter(64) ROOT y = convolution(p63, w)" SAME);
  const atr_program *program = lowered(text.data, "vector oc:8; pack rhs", UINT64_MAX);
  ck_assert_int_eq(program->packed_bytes, 0);
}
END_TEST

/* ---- 32-bit addresses */

/* What integers of 32 bits cannot count is refused there, and only there. */
START_TEST(test_narrow_counts) {
  static const struct {
    const char *schedule;
    bool narrow; /* does it do with 32 bits? */
  } rows[] = {{"parallel oc:65536 ox:32767", true}, {"parallel oc:65536 ox:32768", false}};
  const atr_module *module = module_of(CONV("f32[1,9,4]", "f32[1,4,8]", "window={size=1}, dim_labels=b0f_0io->b0f"));
  for (int i = 0; i < COUNT(rows); i++) {
    for (int bits = 32; bits <= 64; bits += 32) {
      atr_target target = target_of_row(ROW_SSE2, false);
      target.address_bits = target.integer_bits = bits;
      atr_lower_options options = {.target = &target, .schedule = rows[i].schedule};
      atr_work lowering = {.arena = &arena};
      atr_program *program;
      atr_status status = atr_lower(&lowering, module, &options, &program);
      ck_assert_msg(status == (bits == 64 || rows[i].narrow ? ATR_OK : ATR_UNSUPPORTED), "%s", lowering.message);
      if (status != ATR_OK) ck_assert_msg(strstr(lowering.message, "nest y: 2^31 parallel") != NULL, "%s", lowering.message);
    }
  }
}
END_TEST

/* Two temporaries of 1.6 GB that are needed at the same time. */
START_TEST(test_narrow_scratch) {
  const atr_module *module = module_of("x = c128[1,100000000,1] parameter(0) w = c128[1,1,1] parameter(1) "
                                       "a = convolution(x, w)" POINTWISE "b = convolution(a, w)" POINTWISE
                                       "ROOT y = convolution(b, w)" POINTWISE);
  for (int bits = 32; bits <= 64; bits += 32) {
    atr_target target = target_of_row(ROW_SSE2, false);
    target.address_bits = target.integer_bits = bits;
    atr_lower_options options = {.target = &target};
    atr_work lowering = {.arena = &arena};
    atr_program *program;
    ck_assert_int_eq(atr_lower(&lowering, module, &options, &program), bits == 64 ? ATR_OK : ATR_UNSUPPORTED);
    if (bits == 32)
      ck_assert_msg(strstr(lowering.message, "temporaries take more memory than 32-bit addresses reach") != NULL, "%s",
                    lowering.message);
  }
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("plan");
  TCase *tc = tcase_create("plan");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_loop_test(tc, test_pack, 0, COUNT(pack_rows));
  tcase_add_loop_test(tc, test_widen, 0, COUNT(widen_rows));
  tcase_add_loop_test(tc, test_places, 0, COUNT(place_rows));
  tcase_add_test(tc, test_too_large);
  tcase_add_loop_test(tc, test_prepack, 0, COUNT(prepack_rows));
  tcase_add_test(tc, test_parameter_64);
  tcase_add_test(tc, test_narrow_counts);
  tcase_add_test(tc, test_narrow_scratch);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }

/* test_nest.c - the text form of nests, their verifier and their interpreter.
 *
 * In: programs as text. Out: a failure that names the text. Three kinds of tables: texts that must print as they were read;
 * texts that the reader or the verifier must refuse, each with the message that its rule gives (for the verifier: a good
 * text and what to replace in it); programs to run on small arrays, with the arrays that must come out:
 *
 *     {"reduce kx:3", "reduce vector kx:3", "the reduced dim kx is vector"} */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lower/nest.h"
#include "lower/nest_bounds.h"
#include "arena_fixture.h"

static atr_status read_text(atr_work *work, const char *text, atr_program **out) {
  *work = work_on("nest", text, strlen(text));
  return atr_program_read(work, out);
}

static atr_program *must_read(const char *text) {
  atr_work work;
  atr_program *program = NULL;
  ck_assert_msg(read_text(&work, text, &program) == ATR_OK, "%s\n%s", work.message, text);
  return program;
}

static atr_status verify(const atr_program *program, const char **message) {
  atr_work work = {.arena = &arena};
  atr_status status = atr_program_verify(&work, program);
  *message = work.message;
  return status;
}

static void must_verify(const atr_program *program) {
  const char *message;
  ck_assert_msg(verify(program, &message) == ATR_OK, "%s", message);
}

static char *printed(const atr_program *program) {
  atr_text text = atr_text_make(&arena);
  atr_program_print(&text, program);
  return text.data;
}

/* `text` with the one occurrence of `from` replaced. */
static char *replaced(const char *text, const char *from, const char *to) {
  const char *at = strstr(text, from);
  ck_assert_msg(at != NULL && strstr(at + 1, from) == NULL, "'%s' is not once in\n%s", from, text);
  return atr_arena_printf(&arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

/* ---- texts that print as they were read -------------------------------------------------------- */

/* Canonical: the example of nest.h. */
#define DENSE                                                                                                                  \
  "program conv {\n"                                                                                                           \
  "  buffer x arg 0 f32 100352\n"                                                                                              \
  "  buffer w arg 1 f32 147456\n"                                                                                              \
  "  buffer y result 0 f32 100352\n"                                                                                           \
  "  nest y {\n"                                                                                                               \
  "    dims loop oc:128 loop oy:28 loop ox:28 reduce ky:3 reduce kx:3 reduce ic:128\n"                                         \
  "    lhs x[128*ox + 128*kx + ic - 128] as f32 index (oy + ky - 1) of 28 by 3584 else skip"                                   \
  " index (ox + kx - 1) of 28 by 0 else skip\n"                                                                                \
  "    rhs w[oc + 49152*ky + 16384*kx + 128*ic] as f32\n"                                                                      \
  "    acc f32\n"                                                                                                              \
  "    %1 = acc f32\n"                                                                                                         \
  "    store y[oc + 3584*oy + 128*ox] %1\n"                                                                                    \
  "  }\n"                                                                                                                      \
  "}\n"

/* Scheduled: every kind of dim and of node, a guard, packed weights, an epilogue. */
#define SCHEDULED                                                                                                              \
  "program m {\n"                                                                                                              \
  "  scratch 192\n"                                                                                                            \
  "  packed 192\n"                                                                                                             \
  "  buffer x arg 0 s32 100\n"                                                                                                 \
  "  buffer w arg 1 s32 18\n"                                                                                                  \
  "  buffer y result 0 s32 200\n"                                                                                              \
  "  buffer b arg 2 s32 2\n"                                                                                                   \
  "  buffer w.p packed s32 18 at 64\n"                                                                                         \
  "  buffer t temp s32 2 at 128\n"                                                                                             \
  "  nest w.pack prepack {\n"                                                                                                  \
  "    dims loop oc:2 loop ky:3 loop kx:3\n"                                                                                   \
  "    %1 = load w[oc + 6*ky + 2*kx] s32\n"                                                                                    \
  "    store w.p[oc + 6*ky + 2*kx] %1\n"                                                                                       \
  "  }\n"                                                                                                                      \
  "  nest t {\n"                                                                                                               \
  "    dims loop oc:2\n"                                                                                                       \
  "    %1 = load b[-oc + 1] s32\n"                                                                                             \
  "    store t[oc] %1\n"                                                                                                       \
  "  }\n"                                                                                                                      \
  "  nest y {\n"                                                                                                               \
  "    schedule \"parallel oy; loop ox; reduce ky; unroll kx:3 ox:4; vector oc:2; pack rhs; prefetch lhs out\"\n"                  \
  "    dims parallel oy:10 loop ox.1:3 reduce ky:3 reduce unroll kx:3 unroll ox.0:4 vector oc:2\n"                             \
  "    guard 4*ox.1 + ox.0 < 10\n"                                                                                             \
  "    lhs x[0] as s32 index (oy + ky - 1) of 10 by 10 else skip index (4*ox.1 + kx + ox.0 - 1) of 10 by 1 else skip prefetch\n" \
  "    rhs w.p[6*ky + 2*kx + oc] padded as s32\n"                                                                              \
  "    acc s32\n"                                                                                                              \
  "    %1 = acc s32\n"                                                                                                         \
  "    %2 = load t[oc] s32\n"                                                                                                  \
  "    %3 = add s32 %1 %2\n"                                                                                                   \
  "    %4 = const s32 0\n"                                                                                                     \
  "    %5 = maximum s32 %3 %4\n"                                                                                               \
  "    store y[20*oy + 8*ox.1 + 2*ox.0 + oc] %5 prefetch\n"                                                                    \
  "    parallel oy 0..10 {\n"                                                                                                  \
  "      loop ox.1 0..1 {\n"                                                                                                   \
  "        tile {\n"                                                                                                           \
  "          reduce ky 0..3 clip {\n"                                                                                          \
  "            mac\n"                                                                                                          \
  "          }\n"                                                                                                              \
  "        }\n"                                                                                                                \
  "      }\n"                                                                                                                  \
  "      loop ox.1 1..3 {\n"                                                                                                   \
  "        tile {\n"                                                                                                           \
  "          reduce ky 0..1 clip {\n"                                                                                          \
  "            mac\n"                                                                                                          \
  "          }\n"                                                                                                              \
  "          reduce ky 1..3 clip {\n"                                                                                          \
  "            mac\n"                                                                                                          \
  "          }\n"                                                                                                              \
  "        }\n"                                                                                                                \
  "      }\n"                                                                                                                  \
  "    }\n"                                                                                                                    \
  "  }\n"                                                                                                                      \
  "}\n"

/* Pieces of one dim, counted together in three of four: parts, parallel and two loops, with a loop of another dim between. */
#define PIECES                                                                                                                 \
  "program m {\n"                                                                                                              \
  "  buffer x arg 0 s32 20\n"                                                                                                  \
  "  buffer y result 0 s32 56\n"                                                                                               \
  "  nest y {\n"                                                                                                               \
  "    dims part p0:2 parallel ox.2:3 loop oc:2 loop ox.1:2 unroll ox.0:3\n"                                                   \
  "    guard 18*p0 + 6*ox.2 + 3*ox.1 + ox.0 < 28\n"                                                                            \
  "    %1 = const s32 7\n"                                                                                                     \
  "    %2 = load x[0] s32 index (18*p0 + 6*ox.2 + 3*ox.1 + ox.0 - 4) of 20 by 1 else skip else %1\n"                           \
  "    store y[36*p0 + 12*ox.2 + oc + 6*ox.1 + 2*ox.0] %2\n"                                                                   \
  "    part p0 0..2 {\n"                                                                                                       \
  "      parallel ox.2 0..3 {\n"                                                                                               \
  "        loop oc 0..2 {\n"                                                                                                   \
  "          loop ox.1 0..1 across {\n"                                                                                        \
  "            tile {}\n"                                                                                                      \
  "          }\n"                                                                                                              \
  "          loop ox.1 1..9 across {\n"                                                                                        \
  "            tile {}\n"                                                                                                      \
  "          }\n"                                                                                                              \
  "          loop ox.1 9..12 across {\n"                                                                                       \
  "            tile {}\n"                                                                                                      \
  "          }\n"                                                                                                              \
  "        }\n"                                                                                                                \
  "      }\n"                                                                                                                  \
  "    }\n"                                                                                                                    \
  "  }\n"                                                                                                                      \
  "}\n"

/* Edges, divisors, fallbacks, all forms of steps, all dtypes of constants. */
#define STEPS                                                                                                                  \
  "program s {\n"                                                                                                              \
  "  buffer x arg 0 f32 12\n"                                                                                                  \
  "  buffer y result 0 pred 8\n"                                                                                               \
  "  buffer k constant f16 3\n"                                                                                                \
  "  nest y {\n"                                                                                                               \
  "    dims loop a:8\n"                                                                                                        \
  "    %1 = const f32 -0\n"                                                                                                    \
  "    %2 = load x[0] f32 index (a - 3) / 2 of 4 by -3 else skip index (3) of 12 by 3 else reflect else %1\n"                  \
  "    %3 = load x[0] f32 index (a - 2) of 4 by 3 else replicate\n"                                                            \
  "    %4 = load x[2] f32 index (-a) of 4 by 3 else circular\n"                                                                \
  "    %5 = clamp f32 %2 %3 %4\n"                                                                                              \
  "    %6 = compare LT pred %5 %3\n"                                                                                           \
  "    %7 = select f32 %6 %2 %3\n"                                                                                             \
  "    %8 = convert bf16 %7\n"                                                                                                 \
  "    %9 = const bf16 3.14\n"                                                                                                 \
  "    %10 = compare NE pred %8 %9\n"                                                                                          \
  "    %11 = const c64 (1.5, -inf)\n"                                                                                          \
  "    %12 = const c128 (0.1, nan)\n"                                                                                          \
  "    %13 = const s8 -128\n"                                                                                                  \
  "    %14 = const u64 18446744073709551615\n"                                                                                 \
  "    %15 = const s64 -9223372036854775808\n"                                                                                 \
  "    %16 = const pred true\n"                                                                                                \
  "    %17 = const f64 1e-300\n"                                                                                               \
  "    %18 = const f32 1e+10\n"                                                                                                \
  "    %19 = const f8e5m2 -57344\n"                                                                                            \
  "    %20 = load k[2] f16\n"                                                                                                  \
  "    %21 = maximum pred %10 %16\n"                                                                                           \
  "    store y[a] %21\n"                                                                                                       \
  "  }\n"                                                                                                                      \
  "}\n"

/* Pairs of products. */
#define PAIRS_OF(product, sum)                                                                                                 \
  "program d {\n"                                                                                                              \
  "  buffer x arg 0 " product " 12\n"                                                                                          \
  "  buffer w arg 1 " product " 12\n"                                                                                          \
  "  buffer y result 0 " sum " 6\n"                                                                                            \
  "  nest y {\n"                                                                                                               \
  "    dims loop o:3 reduce k:2 vector v:2 reduce dot p:2\n"                                                                   \
  "    lhs x[4*o + 2*k + p] as " product "\n"                                                                                  \
  "    rhs w[4*k + 2*v + p] as " product "\n"                                                                                  \
  "    acc " sum "\n"                                                                                                          \
  "    %1 = acc " sum "\n"                                                                                                     \
  "    store y[2*o + v] %1\n"                                                                                                  \
  "    loop o 0..3 {\n"                                                                                                        \
  "      tile {\n"                                                                                                             \
  "        reduce k 0..2 {\n"                                                                                                  \
  "          mac\n"                                                                                                            \
  "        }\n"                                                                                                                \
  "      }\n"                                                                                                                  \
  "    }\n"                                                                                                                    \
  "  }\n"                                                                                                                      \
  "}\n"
#define PAIRS PAIRS_OF("s8", "s32")
#define BF16_PAIRS PAIRS_OF("bf16", "f32")

static const char *const good_texts[] = {
    PAIRS,
    DENSE,
    SCHEDULED,
    STEPS,
    "program empty {\n}\n",
    "program \"a \\\"b\\\\ \\x0a\\xff\" {\n"
    "  buffer \"x y\" arg 0 f32 4\n"
    "  buffer custom-call.1 result 0 f32 4\n"
    "  nest \"\\x09\" {\n"
    "    schedule \"loop \\\"i\\\"\"\n"
    "    dims loop i.0_j:4\n"
    "    %1 = load \"x y\"[-i.0_j + 3] f32\n"
    "    store custom-call.1[i.0_j] %1\n"
    "    loop i.0_j 0..4 {\n"
    "      tile {}\n"
    "    }\n"
    "  }\n"
    "}\n",
    "program zero {\n"
    "  buffer x arg 0 f32 0\n"
    "  buffer y result 0 f32 7\n"
    "  nest y {\n"
    "    dims loop a:7 reduce k:0\n"
    "    lhs x[100*k] as f32\n"
    "    rhs x[k] as f32\n"
    "    acc f32\n"
    "    %1 = acc f32\n"
    "    store y[a] %1\n"
    "    loop a 0..7 {\n"
    "      tile {}\n"
    "    }\n"
    "  }\n"
    "}\n",
    "program point {\n"
    "  buffer y result 0 f32 1\n"
    "  nest y {\n"
    "    dims\n"
    "    %1 = const f32 2\n"
    "    store y[0] %1\n"
    "    tile {}\n"
    "  }\n"
    "}\n",
    BF16_PAIRS,
    PIECES,
};

START_TEST(test_round_trip) {
  const char *text = good_texts[_i];
  atr_program *program = must_read(text);
  ck_assert_str_eq(printed(program), text);
  must_verify(program);
}
END_TEST

/* Text that no printer makes, and that the verifier would refuse: the reader's job is to lose nothing. */
START_TEST(test_round_trip_nonsense) {
  static const char text[] = "program p {\n"
                             "  scratch -1\n"
                             "  packed -9223372036854775808\n"
                             "  buffer b temp f32 -5 at -7\n"
                             "  nest n {\n"
                             "    dims vector v:-3 reduce parallel \"0\":2 reduce vector \"a-b\":9223372036854775807\n"
                             "    guard -9223372036854775808*v + 2*\"0\" - \"a-b\" - 9223372036854775808 < -4\n"
                             "    lhs b[v] padded as f32 index (\"0\") / -2 of -1 by -9 else circular\n"
                             "    rhs b[0] as c64\n"
                             "    acc pred\n"
                             "    %1 = add f32 %7 %9\n"
                             "    store b[0] padded index (v) of 1 by 1 else skip %99\n"
                             "    mac\n"
                             "    tile {\n"
                             "      vector v 5..-5 {\n"
                             "        mac\n"
                             "        mac\n"
                             "      }\n"
                             "      reduce parallel \"0\" 0..1 across clip {}\n"
                             "    }\n"
                             "  }\n"
                             "}\n";
  ck_assert_str_eq(printed(must_read(text)), text);
}
END_TEST

START_TEST(test_free_form) {
  static const char text[] =
      "program point{buffer y result 0 f32 1 nest y{dims loop\ta : 1\r\n%1=const f32 2.0e0 store y[0+0*a]%1"
      "\n\nloop a 0 .. 1{tile{}}}}";
  static const char tidy[] = "program point {\n  buffer y result 0 f32 1\n  nest y {\n    dims loop a:1\n    %1 = const f32 2\n"
                             "    store y[0] %1\n    loop a 0..1 {\n      tile {}\n    }\n  }\n}\n";
  ck_assert_str_eq(printed(must_read(text)), tidy);
}
END_TEST

/* What the text does not hold: the reasons for a schedule, and data. */
START_TEST(test_what_is_not_printed) {
  atr_program *program = must_read(STEPS);
  uint16_t data[3] = {1, 2, 3};
  program->buffers[2].data = data;
  program->nests[0]->why = "because";
  ck_assert_str_eq(printed(program), STEPS);
}
END_TEST

START_TEST(test_print_one_nest) {
  atr_program *program = must_read(good_texts[7]);
  atr_text text = atr_text_make(&arena);
  atr_nest_print(&text, program, program->nests[0], 4);
  ck_assert_str_eq(text.data, "    nest y {\n      dims\n      %1 = const f32 2\n      store y[0] %1\n      tile {}\n    }\n");
}
END_TEST

/* ---- texts that the reader refuses ------------------------------------------------------------- */

static const struct bad_text {
  const char *text, *place, *message;
} bad_texts[] = {
    {"", "nest:1:1:", "expected 'program', found the end of the text"},
    {"module m {}", "nest:1:1:", "expected 'program', found 'module'"},
    {"program {}", "nest:1:9:", "expected the name of the program, found '{'"},
    {"program p {", "nest:1:12:", "expected 'buffer', 'nest' or '}', found the end of the text"},
    {"program p { nests }", "nest:1:13:", "expected 'buffer', 'nest' or '}', found 'nests'"},
    {"program p {} }", "nest:1:14:", "expected the end of the text, found '}'"},
    {"program p { scratch x }", "nest:1:21:", "expected a number, found 'x'"},
    {"program p { scratch 9223372036854775808 }", "nest:1:21:", "does not fit 64 bits"},
    {"program p { scratch 99999999999999999999 }", "nest:1:21:", "does not fit 64 bits"},
    {"program p { buffer b place f32 1 }", "nest:1:22:", "expected arg, result, constant, temp or packed, found 'place'"},
    {"program p { buffer b arg f32 1 }", "nest:1:26:", "expected a number, found 'f32'"},
    {"program p { buffer b arg 2147483648 f32 1 }", "nest:1:26:", "does not fit 32 bits"},
    {"program p { buffer b temp f31 1 }", "nest:1:27:", "expected a dtype, found 'f31'"},
    {"program p { buffer \"b temp", "nest:1:20:", "the string has no end"},
    {"program p { buffer \"b\\n\" temp", "nest:1:20:", "the string has an escape"},
    {"program p { buffer \"b\\x0\" temp", "nest:1:20:", "the string has an escape"},
    {"program p { buffer \"b\\x00\" temp", "nest:1:20:", "the string has an escape"},
    {"program p { nest n { } }", "nest:1:22:", "expected 'dims', found '}'"},
    {"program p { nest n { schedule s", "nest:1:31:", "expected '\"', found 's'"},
    {"program p { nest n { dims loop :3", "nest:1:32:", "expected the name of a dim, found ':'"},
    {"program p { nest n { dims loop a=3", "nest:1:33:", "expected ':', found '='"},
    {"program p { nest n { dims loop a:3 guard b < 3", "nest:1:42:", "dim \"b\" is not one of the nest's dims"},
    {"program p { nest n { dims loop a:3 guard a + 2*a < 3", "nest:1:48:", "dim a stands here twice"},
    {"program p { nest n { dims loop a:3 guard 1 + a + 2 < 3", "nest:1:52:", "a second offset"},
    {"program p { nest n { dims loop a:3 guard 9223372036854775808*a < 3", "nest:1:42:", "does not fit 64 bits"},
    {"program p { nest n { dims loop a:3 guard a + < 3", "nest:1:46:", "expected a dim, found '<'"},
    {"program p { nest n { dims loop a:3 guard a > 3", "nest:1:44:", "expected '<', found '>'"},
    {"program p { nest n { dims loop a:3 lhs b[a] as f32", "nest:1:40:", "no buffer is called \"b\""},
    {"program p { buffer b arg 0 f32 3 nest n { dims loop a:3 lhs b[a f32", "nest:1:65:", "expected ']', found 'f32'"},
    {"program p { buffer b arg 0 f32 3 nest n { dims loop a:3 lhs b[a] f32", "nest:1:66:", "expected 'as', found 'f32'"},
    {"program p { buffer b arg 0 f32 3 nest n { dims loop a:3 lhs b[a] as f32 index (a) of 3 by 1 store b[a] %1",
     "nest:1:93:", "expected 'else', found 'store'"},
    {"program p { buffer b arg 0 f32 3 nest n { dims loop a:3 lhs b[a] as f32 index (a) of 3 by 1 else zero",
     "nest:1:98:", "expected skip, reflect, replicate or circular, found 'zero'"},
    {"program p { buffer b arg 0 f32 3 nest n { dims loop a:3 lhs b[a] as f32 acc f32",
     "nest:1:73:", "expected 'rhs', found 'acc'"},
    {"program p { nest n { dims %2 = acc f32", "nest:1:28:", "this is step %1"},
    {"program p { nest n { dims %0 = acc f32", "nest:1:28:", "steps are numbered from 1"},
    {"program p { nest n { dims %1 = sum f32",
     "nest:1:32:", "expected acc, const, load or an elementwise operation, found 'sum'"},
    {"program p { nest n { dims %1 = concatenate f32 %1",
     "nest:1:32:", "expected acc, const, load or an elementwise operation"},
    {"program p { nest n { dims %1 = parameter f32", "nest:1:32:", "expected acc, const, load or an elementwise operation"},
    {"program p { nest n { dims %1 = add f32 %1 1", "nest:1:43:", "expected '%', found '1'"},
    {"program p { nest n { dims %1 = compare pred %1 %1", "nest:1:40:", "expected EQ, NE, LT, LE, GT or GE, found 'pred'"},
    {"program p { nest n { dims %1 = const s8 128", "nest:1:41:", "the number does not fit s8"},
    {"program p { nest n { dims %1 = const u8 -1", "nest:1:42:", "the number does not fit u8"},
    {"program p { nest n { dims %1 = const u64 18446744073709551616", "nest:1:42:", "does not fit 64 bits"},
    {"program p { nest n { dims %1 = const f32 1.5.2", "nest:1:42:", "expected a decimal number, inf or nan, found '1.5.2'"},
    {"program p { nest n { dims %1 = const f32 1e", "nest:1:42:", "expected a decimal number"},
    {"program p { nest n { dims %1 = const f32 .5", "nest:1:42:", "expected a decimal number"},
    {"program p { nest n { dims %1 = const c64 1", "nest:1:42:", "expected '(', found '1'"},
    {"program p { nest n { dims %1 = const pred 1", "nest:1:43:", "expected 'false', found '1'"},
    {"program p { nest n { dims loop a:3 }", "nest:1:36:", "expected 'store', found '}'"},
    {"program p { buffer b temp f32 3 nest n { dims loop a:3 store b[a] %1 loops a",
     "nest:1:70:", "expected a loop, 'tile', 'mac' or '}', found 'loops'"},
    {"program p { buffer b temp f32 3 nest n { dims loop a:3 store b[a] %1 reduce a",
     "nest:1:77:", "dim a was declared as another kind"},
    {"program p { buffer b temp f32 3 nest n { dims loop a:3 store b[a] %1 vector a",
     "nest:1:77:", "dim a was declared as another kind"},
    {"program p { buffer b temp f32 3 nest n { dims loop a:3 store b[a] %1 loop a 0.3",
     "nest:1:79:", "expected '.', found '3'"},
    {"program p { buffer b temp f32 3 nest n { dims loop a:3 store b[a] %1 loop a 0..3 tile",
     "nest:1:82:", "expected '{', found 'tile'"},
    {"program p { buffer b temp f32 3 nest n { dims loop a:3 store b[a] %1 tile {",
     "nest:1:76:", "expected a loop, 'tile', 'mac' or '}', found the end of the text"},
};

START_TEST(test_bad_text) {
  const struct bad_text *row = &bad_texts[_i];
  atr_work work;
  atr_program *program;
  ck_assert_msg(read_text(&work, row->text, &program) == ATR_PARSE_ERROR, "accepted: %s", row->text);
  ck_assert_msg(strncmp(work.message, row->place, strlen(row->place)) == 0, "%s: place of %s", row->text, work.message);
  ck_assert_msg(strstr(work.message, row->message) != NULL, "%s: message of %s", row->text, work.message);
}
END_TEST

START_TEST(test_bad_long_text) {
  atr_text dims = atr_text_make(&arena), tree = atr_text_make(&arena);
  atr_work work;
  atr_program *program;
  atr_text_puts(&dims, "program p { nest n { dims");
  for (int d = 0; d <= ATR_MAX_DIMS; d++) atr_text_printf(&dims, " loop d%d:1", d);
  ck_assert_int_eq(read_text(&work, dims.data, &program), ATR_PARSE_ERROR);
  ck_assert_ptr_nonnull(strstr(work.message, "a nest has at most 48 dims"));
  atr_text_puts(&tree, "program p { buffer b temp f32 1 nest n { dims store b[0] %1");
  for (int d = 0; d < 100000; d++) atr_text_puts(&tree, " tile {");
  ck_assert_int_eq(read_text(&work, tree.data, &program), ATR_PARSE_ERROR);
  ck_assert_ptr_nonnull(strstr(work.message, "the tree is nested deeper than 50 nodes"));
}
END_TEST

/* Every beginning of a good text is refused and nothing worse. */
START_TEST(test_truncated) {
  const char *text = good_texts[_i];
  size_t len = strlen(text) - 2; /* the closing brace and the line feed */
  for (size_t n = 0; n <= len; n++) {
    char *exact = malloc(n > 0 ? n : 1);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, n);
    atr_work work = work_on("nest", exact, n);
    atr_program *program;
    ck_assert_int_eq(atr_program_read(&work, &program), ATR_PARSE_ERROR);
    free(exact);
  }
}
END_TEST

/* ---- programs that the verifier refuses -------------------------------------------------------- */

static const struct bad_program {
  const char *text, *from, *to, *message;
} bad_programs[] = {
    /* programs and buffers */
    {DENSE, "buffer y result", "buffer x temp f32 1\n  buffer y result", "two buffers are called x"},
    {DENSE, "buffer y result", "buffer \"\" temp f32 1\n  buffer y result", "buffer 2 has no name"},
    {DENSE, "buffer w arg 1", "buffer w arg 0", "buffers x and w are both argument 0"},
    {DENSE, "y result 0 f32 100352", "y result 0 f32 100352 buffer z result 0 f32 1", "buffers y and z are both result 0"},
    {DENSE, "x arg 0 f32 100352", "x arg 0 f32 -1", "buffer x cannot have -1 elements"},
    {DENSE, "x arg 0 f32 100352", "x arg 0 f32 2305843009213693952", "buffer x cannot have 2305843009213693952 elements"},
    {SCHEDULED, "t temp s32 2 at 128", "t temp s32 2 at 132", "buffer t cannot stand at offset 132"},
    {SCHEDULED, "t temp s32 2 at 128", "t temp s32 2 at -64", "buffer t cannot stand at offset -64"},
    {SCHEDULED, "t temp s32 2 at 128", "t temp s32 2 at 192", "buffer t reaches past the 192 bytes planned"},
    {SCHEDULED, "w.p packed s32 18 at 64", "w.p packed s32 18 at 128", "buffer w.p reaches past the 192 bytes planned"},
    {SCHEDULED, "scratch 192", "scratch -64", "the program has blocks of negative size"},
    {SCHEDULED, "nest t {", "nest y {", "two nests are called y"},
    {SCHEDULED, "nest t {", "nest \"\" {", "nest 1 has no name"},
    /* order of nests */
    {SCHEDULED, "store t[oc] %1", "store y[oc] %1", "nest y: it reads t, which no earlier nest writes"},
    {SCHEDULED, "load b[-oc + 1] s32\n", "load t[-oc + 1] s32\n", "nest t: it reads t, which it writes"},
    {SCHEDULED, "load t[oc] s32", "load y[oc] s32", "nest y: it reads y, which it writes"},
    {SCHEDULED, "nest w.pack prepack", "nest w.pack", "prepack nests, and no others, write packed buffers"},
    {SCHEDULED, "nest t {", "nest t prepack {", "prepack nests, and no others, write packed buffers"},
    {SCHEDULED, "load w[oc + 6*ky + 2*kx] s32\n", "load y[oc + 6*ky + 2*kx] s32\n", "it reads y, which no earlier nest writes"},
    /* dims and guards */
    {DENSE, "loop oy:28 loop ox:28", "loop \"o-y\":28 loop oy:28 loop ox:28", "the name of dim 1 is not a word"},
    {DENSE, "loop oy:28 loop ox:28", "loop \"1\":28 loop oy:28 loop ox:28", "the name of dim 1 is not a word"},
    {DENSE, "loop ox:28", "loop ox:28 loop ox:1", "two dims are called ox"},
    {DENSE, "oc:128 ", "oc:-128 ", "dim oc has the negative extent -128"},
    {DENSE, "loop oy:28", "parallel oy:28", "dim oy comes too late: the order is part, parallel, loop, reduce, unroll, vector"},
    {DENSE, "loop ox:28 reduce ky:3", "reduce ky:3 loop ox:28", "dim ox comes too late"},
    {DENSE, "loop ox:28", "unroll ox:28", "dim ky comes too late"},
    {DENSE, "loop ox:28", "vector ox:28", "dim ky comes too late"},
    {SCHEDULED, "reduce unroll kx:3 unroll ox.0:4 vector oc:2", "unroll ox.0:4 vector oc:2 reduce unroll kx:3",
     "dim kx comes too late"},
    {DENSE, "reduce ic:128", "reduce vector ic:128", "the reduced dim ic is vector"},
    {SCHEDULED, "dims parallel oy:10", "dims reduce parallel z:1 parallel oy:10", "the reduced dim z is parallel"},
    {SCHEDULED, "dims loop oc:2\n", "dims loop oc:2 reduce z:1\n", "dim z is reduced but there is no sum"},
    {SCHEDULED, "4*ox.1 + ox.0 < 10", "36028797018963968*ox.1 < 10", "guard 0 overflows"},
    {SCHEDULED, "4*ox.1 + ox.0 < 10", "4*ox.1 + ox.0 < 36028797018963968", "guard 0 overflows"},
    {SCHEDULED, "4*ox.1 + ox.0 < 10", "4*ox.1 + ox.0 < -1", "guard 0 has the negative bound -1"},
    {SCHEDULED, "4*ox.1 + ox.0 < 10", "4*ox.1 + ox.0 + ky < 10", "guard 0 depends on a reduced dim"},
    {PAIRS, "reduce dot p:2", "reduce dot p:1", "dot dim p needs extent 2"},
    {PAIRS, "reduce dot p:2", "dot p:2", "dot dim p needs extent 2"},
    {PAIRS, "reduce dot p:2", "reduce dot p:3", "dot dim p needs extent 2"},
    {BF16_PAIRS, "reduce dot p:2", "reduce dot p:4", "or 4 and one of s8 or u8"},
    {PAIRS, "vector v:2 reduce dot p:2", "reduce dot p:2 vector v:2", "dim v comes too late"},
    {PAIRS, "+ p] as s8\n    rhs", "+ p] as s32\n    rhs",
     "dot dim p needs extent 2, an s32 or u32 sum of s8, u8 or s16 or an f32 sum of bf16"},
    {BF16_PAIRS, "+ p] as bf16\n    rhs", "+ p] as f32\n    rhs", "dot dim p needs extent 2"},
    {BF16_PAIRS, "acc f32\n    %1", "acc f64\n    %1", "dot dim p needs extent 2"},
    {PAIRS, "+ p] as s8\n    rhs", "] as s8 index (p) of 2 by 1 else skip\n    rhs", "and no index on it"},
    /* the sum */
    {DENSE, "ic - 128] as f32", "ic - 128] as s8", "lhs as s8 and rhs as f32 are of different classes"},
    {DENSE, "acc f32\n    %1", "acc s32\n    %1", "products of f32 cannot be summed in s32"},
    {DENSE, "acc f32\n    %1", "acc c64\n    %1", "products of f32 cannot be summed in c64"},
    {SCHEDULED, "acc s32\n    %1", "acc pred\n    %1", "products of s32 cannot be summed in pred"},
    /* accesses */
    {DENSE, "of 28 by 3584", "/ 0 of 28 by 3584", "lhs has an index with divisor 0"},
    {DENSE, "of 28 by 3584", "of -28 by 3584", "lhs has an index with the negative bound -28"},
    {DENSE, "of 28 by 3584 else skip", "of 0 by 3584 else reflect", "lhs has an index with an edge mode over no elements"},
    {DENSE, "w[oc + 49152*ky", "w[oc + 36028797018963968*ky", "rhs overflows"},
    {DENSE, "of 28 by 3584", "of 36028797018963968 by 3584", "lhs overflows"},
    {DENSE, "of 28 by 3584", "of 28 by 36028797018963968", "lhs overflows"},
    {DENSE, "of 28 by 3584", "/ 36028797018963967 of 28 by 3584", "lhs overflows"},
    {DENSE, "y[oc + 3584*oy + 128*ox]", "y[oc + 3584*oy + 128*ox + ic]", "store depends on a reduced dim"},
    {DENSE, "y[oc + 3584*oy + 128*ox]", "y[oc + 3584*oy + 128*ox + 1]",
     "store reaches elements 1..100352 of y, which has 100352"},
    {DENSE, "y[oc + 3584*oy + 128*ox]", "y[-oc + 3584*oy + 128*ox]",
     "store reaches elements -127..100224 of y, which has 100352"},
    {DENSE, "of 28 by 3584", "of 29 by 3584", "lhs reaches elements 0..103935 of x, which has 100352"},
    {DENSE, "of 28 by 0 else", "of 29 by 0 else", "lhs reaches elements 0..100479 of x, which has 100352"},
    {DENSE, "(ox + kx - 1) of", "(ox + kx) of", "lhs reaches elements -128..100223 of x, which has 100352"},
    {DENSE, "128*ic] as f32", "128*ic + 1] as f32", "rhs reaches elements 1..147456 of w, which has 147456"},
    {SCHEDULED, "4*ox.1 + ox.0 < 10", "4*ox.1 + ox.0 < 11", "store reaches elements 0..201 of y, which has 200"},
    {SCHEDULED, "load t[oc] s32", "load t[oc + ky] s32", "the load of step %2 depends on a reduced dim"},
    {SCHEDULED, "load t[oc] s32", "load t[2*oc] s32", "the load of step %2 reaches elements 0..2 of t, which has 2"},
    {SCHEDULED, "w.p[6*ky + 2*kx + oc] padded", "w.p[6*ky + 2*kx + oc + 2*ox.1 - 4] padded",
     "rhs reaches elements -4..17 of w.p, which has 18"},
    {STEPS, "of 4 by -3", "of 4 by -5", "the load of step %2 reaches elements -1..9 of x, which has 12"},
    {STEPS, "load x[2] f32", "load x[3] f32", "the load of step %4 reaches elements 3..12 of x, which has 12"},
    {STEPS, "load k[2] f16", "load k[3] f16", "the load of step %20 reaches elements 3..3 of k, which has 3"},
    /* the store */
    {DENSE, "store y[oc", "store x[oc", "it stores into x, which is only read"},
    {STEPS, "store y[a] %21", "store k[0] %20", "it stores into k, which is only read"},
    {DENSE, "128*ox] %1", "128*ox] %2", "it stores step %2, which is not there"},
    {DENSE, "128*ox] %1", "128*ox] index (oc) of 128 by 0 else skip %1", "the store has an index to resolve"},
    {STEPS, "store y[a] %21", "store y[a] %20", "it stores f16 into y, which is pred"},
    /* steps */
    {STEPS, "%16 = const pred true", "%16 = acc pred", "step %16 reads a sum that is not there"},
    {STEPS, "clamp f32 %2 %3 %4", "clamp f32 %2 %3 %5", "step %5 uses %5, which is no earlier step"},
    {STEPS, "else reflect else %1", "else reflect", "the load of step %2 may be absent and has no fallback"},
    {STEPS, "(a - 2) of", "(a - 2) / 2 of", "the load of step %3 may be absent and has no fallback"},
    {STEPS, "else reflect else %1", "else reflect else %3", "step %2 uses %3, which is no earlier step"},
    {STEPS, "%1 = const f32 -0", "%1 = const f16 -0", "the load of step %2 is f32, but its fallback is f16"},
    {STEPS, "compare LT pred %5 %3", "compare LT s8 %5 %3", "step %6 is s8, but compare of f32 is pred"},
    {STEPS, "select f32 %6 %2 %3", "select f32 %1 %2 %3", "step %7 selects by a value that is not pred"},
    {STEPS, "select f32 %6 %2 %3", "select f16 %6 %2 %3", "step %7 is f16, but select of f32 is f32"},
    {STEPS, "compare NE pred %8 %9", "compare NE pred %8 %7", "step %10 has operands of different dtypes, bf16 and f32"},
    {STEPS, "maximum pred %10 %16", "add pred %10 %16", "step %21: add is not defined for pred"},
    {STEPS, "maximum pred %10 %16", "clamp pred %10 %16 %16", "step %21: clamp is not defined for pred"},
    {STEPS, "maximum pred %10 %16", "compare GT pred %11 %11", "step %21 orders complex numbers"},
    {STEPS, "maximum pred %10 %16", "maximum c64 %11 %11", "step %21: maximum is not defined for c64"},
    {STEPS, "maximum pred %10 %16", "abs c64 %11", "step %21 is c64, but abs of c64 is f32"},
    {STEPS, "maximum pred %10 %16", "abs u64 %14", "step %21: abs is not defined for u64"},
    {STEPS, "maximum pred %10 %16", "tanh s8 %13", "step %21: tanh is not defined for s8"},
    {STEPS, "maximum pred %10 %16", "copy pred %10", "step %21 is not an elementwise operation"},
    {STEPS, "maximum pred %10 %16", "reshape pred %10", "step %21 is not an elementwise operation"},
    /* trees */
    {SCHEDULED, "parallel oy 0..10", "parallel oy 0..9", "the tree leaves out iterations 9..10 of dim oy"},
    {SCHEDULED, "parallel oy 0..10", "parallel oy 1..10", "the tree leaves out iterations 0..1 of dim oy"},
    {SCHEDULED, "parallel oy 0..10", "parallel oy 0..11", "the tree runs dim oy over 0..11, behind 0 and of 10"},
    {SCHEDULED, "parallel oy 0..10", "parallel oy -1..10", "the tree runs dim oy over -1..10, behind 0 and of 10"},
    {SCHEDULED, "loop ox.1 1..3", "loop ox.1 2..3", "the tree leaves out iterations 1..2 of dim ox.1"},
    {SCHEDULED, "loop ox.1 1..3", "loop ox.1 0..3", "the tree runs dim ox.1 over 0..3, behind 1 and of 3"},
    {SCHEDULED, "loop ox.1 1..3", "loop ox.1 1..1", "the tree runs dim ox.1 over 1..1, behind 1 and of 3"},
    {SCHEDULED, "loop ox.1 1..3", "loop ox.1 1..3 clip", "the tree clips the independent dim ox.1"},
    {SCHEDULED, "loop ox.1 0..1", "loop ox.1 0..1 across",
     "the tree counts dim ox.1 across other loops, but it goes on in none"},
    {PIECES, "loop ox.1 1..9 across", "loop ox.1 1..9",
     "the tree counts some iterations of dim ox.1 across other loops, and some not"},
    {PIECES, "parallel ox.2 0..3", "parallel ox.2 0..2", "the tree counts dim ox.1 across loop ox.2, which is cut"},
    {PIECES, "loop ox.1 9..12", "loop ox.1 9..13", "the tree runs dim ox.1 over 9..13, behind 9 and of 12"},
    {PIECES, "loop ox.1 9..12", "loop ox.1 9..11", "the tree leaves out iterations 11..12 of dim ox.1"},
    {PIECES, "index (18*p0 + 6", "index (18*p0 + 7", "the tree counts dim ox.1 across other loops, but it goes on in none"},
    {SCHEDULED, "reduce ky 1..3", "reduce ky 0..3", "the tree runs dim ky over 0..3, behind 1 and of 3"},
    {SCHEDULED, "reduce ky 1..3", "reduce ky 2..3", "the tree leaves out iterations 1..2 of dim ky, where lhs has elements"},
    {SCHEDULED, "reduce ky 0..3 clip {\n            mac\n          }\n", "",
     "leaves out iterations 0..3 of dim ky, where lhs has elements"},
    {SCHEDULED, "reduce ky 0..3 clip {\n            mac\n          }\n", "mac\n",
     "something else where a loop over ky must stand"},
    {SCHEDULED, "reduce ky 0..3 clip {\n            mac\n", "reduce ky 0..3 clip {\n",
     "the tree lacks a mac where lhs has elements"},
    {SCHEDULED, "reduce ky 0..3 clip {\n            mac\n", "reduce ky 0..3 clip {\n mac mac\n",
     "something else where one mac must stand"},
    {SCHEDULED, "reduce ky 0..3 clip {\n            mac\n", "reduce ky 0..3 clip {\n tile {}\n",
     "something else where one mac must stand"},
    {SCHEDULED, "loop ox.1 0..1 {\n        tile {", "loop ox.1 0..1 {\n        tile {} tile {",
     "something else where one tile must stand"},
    {SCHEDULED, "loop ox.1 1..3 {", "loop ox.1 1..2 {}\n loop ox.1 2..3 {", "something else where one tile must stand"},
    {SCHEDULED, "parallel oy 0..10 {", "loop ox.1 0..3 {} parallel oy 0..10 {",
     "something else where a loop over oy must stand"},
    {SCHEDULED, "store t[oc] %1\n", "store t[oc] %1\n loop oc 0..2 { tile { mac } }\n", "a tile without a sum has loops in it"},
};

START_TEST(test_bad_program) {
  const struct bad_program *row = &bad_programs[_i];
  atr_program *program = must_read(replaced(row->text, row->from, row->to));
  const char *message;
  ck_assert_msg(verify(program, &message) == ATR_INTERNAL, "accepted: %s", row->to);
  ck_assert_msg(strstr(message, row->message) != NULL, "%s: \"%s\" is not in \"%s\"", row->to, row->message, message);
}
END_TEST

/* Defects that text cannot spell. */
START_TEST(test_bad_structs) {
  const char *message;
  atr_program *p = must_read(DENSE);
  p->nests[0]->lhs.buffer = 3;
  ck_assert_int_eq(verify(p, &message), ATR_INTERNAL);
  ck_assert_ptr_nonnull(strstr(message, "lhs names buffer 3, which is not there"));
  ck_assert_ptr_nonnull(printed(p));
  p = must_read(DENSE);
  p->nests[0]->out.at.coef[47] = 1;
  ck_assert_int_eq(verify(p, &message), ATR_INTERNAL);
  ck_assert_ptr_nonnull(strstr(message, "store depends on a dim that is not there"));
  p = must_read(DENSE);
  p->nests[0]->lhs.index[1].at.coef[6] = 1;
  ck_assert_int_eq(verify(p, &message), ATR_INTERNAL);
  ck_assert_ptr_nonnull(strstr(message, "lhs has an index on a dim that is not there"));
  p = must_read(SCHEDULED);
  p->nests[2]->guards[0].at.coef[6] = 1;
  ck_assert_int_eq(verify(p, &message), ATR_INTERNAL);
  ck_assert_ptr_nonnull(strstr(message, "guard 0 depends on a dim that is not there"));
  p = must_read(STEPS);
  p->nests[0]->exprs[16].args[1] = 1;
  ck_assert_int_eq(verify(p, &message), ATR_INTERNAL);
  ck_assert_ptr_nonnull(strstr(message, "step %16 has an operand too many"));
  p = must_read(STEPS);
  p->nests[0]->exprs[6].direction = (atr_direction)9;
  ck_assert_int_eq(verify(p, &message), ATR_INTERNAL);
  ck_assert_ptr_nonnull(strstr(message, "step %6 compares in no known direction"));
  p = must_read(STEPS);
  p->nests[0]->exprs[2].access.index[0].edge = (atr_edge_mode)7;
  ck_assert_int_eq(verify(p, &message), ATR_INTERNAL);
  ck_assert_ptr_nonnull(strstr(message, "the load of step %2 has an index of no known edge mode"));
}
END_TEST

/* Nests that differ in names, offsets and their output are alike; in anything that a schedule is chosen by they are not. */
START_TEST(test_alike) {
  atr_program *p = must_read(DENSE), *q = must_read(DENSE);
  atr_nest *a = p->nests[0], *b = q->nests[0];
  b->name = "other";
  b->lhs.at.offset += 7;
  b->lhs.index[0].at.offset -= 1;
  b->out.at.offset = 3;
  ck_assert(atr_nest_alike(a, b));
  b->lhs.index[0].bound++;
  ck_assert(!atr_nest_alike(a, b));
  b = must_read(DENSE)->nests[0];
  b->dims[1].extent++;
  ck_assert(!atr_nest_alike(a, b));
  b = must_read(DENSE)->nests[0];
  b->rhs.at.coef[b->dim_count - 1]++;
  ck_assert(!atr_nest_alike(a, b));
  b = must_read(DENSE)->nests[0];
  b->acc_dtype = ATR_F64;
  ck_assert(!atr_nest_alike(a, b));
  b = must_read(DENSE)->nests[0];
  b->exprs[1].dtype = ATR_F16;
  ck_assert(!atr_nest_alike(a, b));
  b = must_read(DENSE)->nests[0];
  b->rhs.buffer = b->lhs.buffer;
  ck_assert(!atr_nest_alike(a, b));
  b = must_read(DENSE)->nests[0];
  b->dims[0].kind = ATR_DIM_PART;
  ck_assert(!atr_nest_alike(a, b));
}
END_TEST

/* What atr_steps_meet must say, by trying all pairs. */
static bool meets(int64_t a, int64_t a_extent, int64_t b, int64_t b_extent) {
  for (int64_t i = 0; i < a_extent; i++)
    for (int64_t j = 0; j < b_extent; j++)
      if ((i != 0 || j != 0) && (a * i == b * j || a * i == -b * j)) return true;
  return false;
}

START_TEST(test_steps_meet) {
  for (int64_t a = -7; a <= 7; a++)
    for (int64_t b = -7; b <= 7; b++)
      for (int64_t m = 1; m <= 8; m++)
        for (int64_t n = 1; n <= 8; n++)
          ck_assert_msg(atr_steps_meet(a, m, b, n) == (a != 0 && b != 0 && meets(a, m, b, n)), "%d x %d, %d x %d", (int)a,
                        (int)m, (int)b, (int)n);
}
END_TEST

/* ---- work */

static atr_nest counted_nest(atr_index *index, int64_t a, int64_t b, int64_t c) {
  atr_nest nest = {.name = "n",
                   .dims = {{"a", a, false, ATR_DIM_LOOP}, {"b", b, true, ATR_DIM_LOOP}, {"c", c, true, ATR_DIM_LOOP}}};
  nest.dim_count = 3;
  nest.has_acc = true;
  nest.lhs.index = index;
  nest.lhs.index_count = 1;
  return nest;
}

/* Products whose lhs element exists, one by one. */
static int64_t useful_by_trying(const atr_nest *nest) {
  int64_t useful = 0, point[ATR_MAX_DIMS];
  for (point[0] = 0; point[0] < nest->dims[0].extent; point[0]++)
    for (point[1] = 0; point[1] < nest->dims[1].extent; point[1]++)
      for (point[2] = 0; point[2] < nest->dims[2].extent; point[2]++)
        useful += atr_index_resolve(&nest->lhs.index[0], atr_affine_at(&nest->lhs.index[0].at, point, 3)) >= 0;
  return useful;
}

START_TEST(test_useful_macs) {
  for (int64_t i = 0; i < 8000; i++) {
    atr_index index = {.bound = i % 7, .divisor = 1 + i / 7 % 4, .stride = 1};
    if (i >= 4000 && index.bound > 0) index.edge = (atr_edge_mode)(i % 4);
    index.at = (atr_affine){.offset = i % 13 - 6, .coef = {i / 3 % 7 - 3, i / 5 % 5 - 2, i / 11 % 3 - 1}};
    atr_nest nest = counted_nest(&index, 1 + i % 9, 1 + i % 4, 1 + i % 3);
    ck_assert_double_eq_tol(atr_nest_useful_macs(&nest), (double)useful_by_trying(&nest), 1e-9);
  }
}
END_TEST

/* In no time, whatever the extents: explain asks after each compilation. */
START_TEST(test_useful_macs_of_many) {
  atr_index index = {.bound = INT64_C(1) << 50, .divisor = 1, .stride = 1, .at = {.offset = -1, .coef = {1, 1, 0}}};
  atr_nest nest = counted_nest(&index, INT64_C(1) << 50, 3, 1);
  ck_assert_double_eq_tol(atr_nest_macs(&nest) - atr_nest_useful_macs(&nest), 2, 1);
  index = (atr_index){.bound = INT64_C(1) << 40, .divisor = 2, .stride = 1, .at = {.coef = {1, 1, 0}}};
  ck_assert_double_eq_tol(atr_nest_useful_macs(&nest) / atr_nest_macs(&nest), 1.0 / 1024, 1e-6);
}
END_TEST

/* Two temporaries in the same bytes: right while one is dead, wrong while both live. */
#define SHARING                                                                                                                \
  "program p {\n"                                                                                                              \
  "  scratch 64\n"                                                                                                             \
  "  buffer x arg 0 s32 4\n  buffer y result 0 s32 4\n"                                                                        \
  "  buffer t temp s32 4\n  buffer u temp s32 4\n  buffer v temp s32 4\n"                                                      \
  "  nest t { dims loop i:4 %1 = load x[i] s32 %2 = add s32 %1 %1 store t[i] %2 }\n"                                           \
  "  nest y { dims loop i:4 %1 = load t[i] s32 %2 = add s32 %1 %1 store y[i] %2 }\n"                                           \
  "  nest u { dims loop i:4 %1 = load y[i] s32 %2 = add s32 %1 %1 store u[i] %2 }\n"                                           \
  "  nest v { dims loop i:4 %1 = load x[i] s32 store y[i] %1 }\n"                                                              \
  "}\n"

START_TEST(test_sharing) {
  const char *message;
  must_verify(must_read(SHARING));
  ck_assert_int_eq(verify(must_read(replaced(SHARING, "load y[i] s32 %2 = add", "load t[i] s32 %2 = add")), &message),
                   ATR_INTERNAL);
  ck_assert_ptr_nonnull(strstr(message, "buffers t and u share bytes while both are needed"));
  must_verify(must_read(replaced(replaced(SHARING, "load y[i] s32 %2 = add", "load t[i] s32 %2 = add"), "  scratch 64\n", "")));
  static const char packed[] = "program p { packed 64 buffer w arg 0 s32 1 buffer p packed s32 1 buffer q packed s32 1"
                               " nest p prepack { dims %1 = load w[0] s32 store p[0] %1 }"
                               " nest q prepack { dims %1 = load w[0] s32 store q[0] %1 } }";
  ck_assert_int_eq(verify(must_read(packed), &message), ATR_INTERNAL);
  ck_assert_ptr_nonnull(strstr(message, "buffers p and q share bytes while both are needed"));
  static const char late[] = "program p { buffer w arg 0 s32 1 buffer t temp s32 1 buffer q packed s32 1"
                             " nest t { dims %1 = load w[0] s32 store t[0] %1 }"
                             " nest q prepack { dims %1 = load t[0] s32 store q[0] %1 } }";
  ck_assert_int_eq(verify(must_read(late), &message), ATR_INTERNAL);
  ck_assert_ptr_nonnull(strstr(message, "it prepacks but reads t, which is made while running"));
}
END_TEST

/* An empty nest may read what was never written. */
START_TEST(test_empty) {
  static const char text[] = "program p { buffer t temp s32 3 buffer u temp s32 0 buffer y result 0 s32 3"
                             " nest y { dims loop i:0 %1 = load t[i] s32 %2 = load u[i] s32 store y[i] %2 } }";
  const char *message;
  must_verify(must_read(text));
  ck_assert_int_eq(verify(must_read(replaced(text, "loop i:0", "loop i:1")), &message), ATR_INTERNAL);
}
END_TEST

/* Left-out taps are right where lhs is absent: for one reason, for different reasons, and never for an edge mode. */
START_TEST(test_gaps) {
  static const char text[] =
      "program p { buffer x arg 0 s32 4 buffer y result 0 s32 2"
      " nest y { dims loop o:2 reduce k:5"
      " lhs x[0] as s32 index (o + 4*k - 8) of 4 by 1 else skip rhs x[0] as s32 acc s32 %1 = acc s32 store y[o] %1"
      " loop o 0..2 { tile { reduce k 2..3 { mac } } } } }";
  const char *message;
  must_verify(must_read(text));
  must_verify(
      must_read(replaced(text, "reduce k 2..3 { mac }", "reduce k 0..1 {} reduce k 2..3 { mac } reduce k 4..5 { mac }")));
  ck_assert_int_eq(verify(must_read(replaced(text, "reduce k 2..3 { mac }", "")), &message), ATR_INTERNAL);
  ck_assert_int_eq(verify(must_read(replaced(text, "reduce k 2..3", "reduce k 3..4")), &message), ATR_INTERNAL);
  ck_assert_int_eq(verify(must_read(replaced(text, "else skip", "else reflect")), &message), ATR_INTERNAL);
  must_verify(must_read(replaced(text, "- 8) of 4", "- 100) of 4")));
  /* the last pixel lacks its last tap, the one before does not */
  const char *border = replaced(
      replaced(text, "(o + 4*k - 8) of 4", "(o + k + 2) of 4"), "loop o 0..2 { tile { reduce k 2..3 { mac } } }",
      "loop o 0..1 { tile { reduce k 0..2 { mac } } } loop o 1..2 { tile { reduce k 0..1 { mac } } }");
  must_verify(must_read(border));
  ck_assert_int_eq(verify(must_read(replaced(border, "reduce k 0..2", "reduce k 0..1")), &message), ATR_INTERNAL);
  /* holes of a divisor: k = 2 meets 0 and 2, which exist; every second tap of a step of 1 meets odd numbers only */
  const char *divided = replaced(replaced(text, "(o + 4*k - 8) of 4", "(2*o + k - 2) / 2 of 4"), "reduce k 2..3 { mac }",
                                 "reduce k 0..1 { mac } reduce k 2..3 { mac } reduce k 4..5 { mac }");
  must_verify(must_read(divided));
  must_verify(must_read(replaced(divided, "else skip", "else reflect")));
  divided = replaced(divided, "reduce k 4..5 { mac }", "");
  ck_assert_int_eq(verify(must_read(divided), &message), ATR_INTERNAL);
  ck_assert_int_eq(verify(must_read(replaced(divided, "/ 2 of 4", "/ 2 of 2")), &message), ATR_INTERNAL);
  must_verify(must_read(replaced(divided, "/ 2 of 4", "/ 2 of 1")));
  must_verify(must_read(replaced(replaced(text, "- 8) of 4", "- 100) of 4"), "reduce k 2..3 { mac }", "")));
}
END_TEST

/* ---- which elements an access reaches ---------------------------------------------------------- */

static const struct reach_row {
  const char *dims, *guards, *access;
  int64_t elements; /* what it is measured against */
  int64_t min, max; /* min > max: never */
} reach_rows[] = {
    {"loop a:4 loop b:3", "", "x[10*a - b + 5] s32", 1, 3, 35},
    {"loop a:4 loop b:0", "", "x[10*a] s32", 1, 1, 0},
    /* a guard ties two dims: proven by intervals, also where there are far too many points */
    {"loop a:3 loop b:4", "guard 4*a + b < 10", "x[4*a + b] s32", 10, 0, 9},
    {"loop a:3000000 loop b:4", "guard 4*a + b < 11999999", "x[-8*a - 2*b + 23999996] s32", 23999997, 0, 23999996},
    {"loop a:3 loop b:4 loop c:5", "guard 4*a + b < 10", "x[20*a + 5*b + c] s32", 50, 0, 49},
    {"loop a:3 loop b:4", "guard 4*a + b < 0", "x[4*a + b] s32", 1, 1, 0},
    {"loop a:3", "guard 5 < 5", "x[a] s32", 1, 1, 0},
    {"loop a:3", "guard 5 < 6", "x[a] s32", 1, 0, 2},
    {"loop a:3", "guard -1 < 6", "x[a] s32", 1, 1, 0},
    /* two guards on the same dims */
    {"loop a:10", "guard a - 3 < 10 guard -a + 6 < 10", "x[a - 3] s32", 4, 0, 3},
    /* the guard that ties a alone says more than the other, which comes first */
    {"loop a:3000000 loop b:9", "guard a + b < 9 guard a < 3", "x[10*a] s32", 21, 0, 20},
    /* only points tell: the guard is no multiple of the address */
    {"loop a:10 loop b:10", "guard 2*a + 3*b < 10", "x[a + b] s32", 5, 0, 4},
    {"loop a:3 loop b:3 loop c:3", "guard b + c < 3 guard a + b < 3", "x[a + 3*b + 9*c] s32", 21, 0, 20},
    {"loop a:2000000", "guard a < 3000000", "x[a] s32", 5, 0, 1999999},              /* a guard that says nothing */
    {"loop a:2000 loop b:2000", "guard 2*a + 3*b < 10", "x[a + b] s32", 5, 0, 3998}, /* too many of them */
    {"loop a:10 loop b:10 loop c:3", "guard 2*a + 3*b < 10", "x[a + b + 5*c] s32", 15, 0, 14},
    {"loop a:10 loop b:10", "guard 2*a + 3*b - 1 < 1", "x[a + b] s32", 5, 1, 0},
    {"loop a:10 loop b:10", "guard a + b < 10", "x[10*a + b] s32", 91, 0, 90},
    /* an index that is inside, by intervals and with a divisor */
    {"loop a:8 loop k:3", "", "x[0] s32 index (a + k - 1) of 8 by 5 else skip else %1", 36, 0, 35},
    {"loop a:8 loop k:3", "", "x[5*a + 5*k - 5] s32 index (a + k - 1) of 8 by 0 else skip else %1", 36, 0, 35},
    {"loop a:9", "", "x[0] s32 index (a) / 4 of 3 by 7 else skip else %1", 15, 0, 14},
    {"loop a:9", "", "x[0] s32 index (a) / 4 of 2 by 7 else skip else %1", 8, 0, 7},
    {"loop a:9", "", "x[0] s32 index (2*a + 1) / 2 of 90 by 7 else skip else %1", 8, 1, 0},
    {"loop a:9", "", "x[a] s32 index (a) / 4 of 3 by -1 else skip else %1", 7, 0, 6},
    {"loop a:9", "", "x[0] s32 index (a) of 0 by 7 else skip else %1", 1, 1, 0},
    {"loop a:20", "", "x[a] s32 index (a) / 4 of 3 by 0 else skip else %1", 12, 0, 11},
    /* edge modes always are inside */
    {"loop a:2000000", "", "x[3] s32 index (a - 40) of 4 by 2 else reflect", 9, 3, 9},
    {"loop a:90", "", "x[3] s32 index (a - 40) of 4 by 2 else reflect", 10, 3, 9},
    {"loop a:90", "", "x[3] s32 index (a - 40) of 4 by -2 else circular", 4, -3, 3},
    {"loop a:2", "", "x[0] s32 index (a - 9) of 4 by 2 else replicate", 1, 0, 0},
    /* a padded access does not rely on guards */
    {"loop a:3 loop b:4", "guard 4*a + b < 10", "x[4*a + b] padded s32", 10, 0, 11},
};

START_TEST(test_reach) {
  const struct reach_row *row = &reach_rows[_i];
  const char *text = atr_arena_printf(
      &arena, "program p { buffer x temp s32 1 nest n { dims %s %s %%1 = const s32 0 %%2 = load %s store x[0] %%2 } }",
      row->dims, row->guards, row->access);
  const atr_nest *nest = must_read(text)->nests[0];
  const atr_access *access = &nest->exprs[2].access;
  ck_assert(atr_access_fits(nest, access, ATR_NEST_LIMIT));
  atr_reach reach = atr_access_reach(&arena, nest, access, row->elements);
  ck_assert_msg(reach.never == (row->min > row->max), "row %d: never %d", _i, reach.never);
  if (reach.never) return;
  ck_assert_msg(reach.min == row->min && reach.max == row->max, "row %d: %lld..%lld, expected %lld..%lld", _i,
                (long long)reach.min, (long long)reach.max, (long long)row->min, (long long)row->max);
}
END_TEST

/* ---- running ----------------------------------------------------------------------------------- */

enum { MAX_ARRAY = 4096 };

/* "1 -2 (3, 4) nan" into memory; the number of elements. */
static int64_t parse_array(atr_dtype dtype, const char *text, char *out) {
  int64_t count = 0;
  for (; *text != '\0'; text += strspn(text, " ,")) {
    char *end;
    atr_scalar value = {.i = 0};
    bool is_complex = atr_dtype_class_of(dtype) == ATR_CLASS_COMPLEX;
    if (*text == '(') text++;
    value.re = strtod(text, &end);
    value.i = dtype == ATR_U64 ? (int64_t)strtoull(text, NULL, 10) : strtoll(text, NULL, 10);
    ck_assert_msg(end != text, "a number is missing at '%s'", text);
    text = end;
    if (is_complex) {
      value.im = strtod(text + 1, &end);
      text = end + 1;
    }
    atr_scalar_store(dtype, out + count++ * (int64_t)atr_dtype_size(dtype), value);
  }
  return count;
}

static const atr_buffer *find_buffer(const atr_program *program, atr_buffer_kind kind, int number) {
  for (int b = 0; b < program->buffer_count; b++)
    if (program->buffers[b].kind == kind && program->buffers[b].number == number) return &program->buffers[b];
  return NULL;
}

static char *array_text(atr_dtype dtype, const char *memory, int64_t count) {
  atr_text text = atr_text_make(&arena);
  atr_text_puts(&text, "");
  for (int64_t i = 0; i < count; i++) {
    if (i > 0) atr_text_puts(&text, " ");
    atr_text_scalar(&text, dtype, memory + i * (int64_t)atr_dtype_size(dtype));
  }
  return text.data;
}

/* Runs a program with up to three arguments and one result, and compares what comes out with `want` as text. */
static void run_program(const atr_program *program, const char *const args[3], const char *want) {
  static char memory[4][MAX_ARRAY * 16];
  const void *inputs[3] = {memory[0], memory[1], memory[2]};
  void *outputs[1] = {memory[3]};
  for (int i = 0; i < 3; i++) {
    const atr_buffer *buffer = find_buffer(program, ATR_BUFFER_ARG, i);
    if (buffer == NULL) continue;
    ck_assert_int_eq(parse_array(buffer->dtype, args[i], memory[i]), buffer->elements);
  }
  const atr_buffer *result = find_buffer(program, ATR_BUFFER_RESULT, 0);
  ck_assert_ptr_nonnull(result);
  memset(memory[3], 0x55, sizeof memory[3]);
  atr_work work = {.arena = &arena};
  ck_assert_msg(atr_program_interpret(&work, program, inputs, outputs) == ATR_OK, "%s\n%s", work.message, printed(program));
  char *got = array_text(result->dtype, memory[3], result->elements);
  ck_assert_msg(strcmp(got, want) == 0, "got  %s\nwant %s\n%s", got, want, printed(program));
  ck_assert_int_eq(memory[3][result->elements * (int64_t)atr_dtype_size(result->dtype)], 0x55);
}

static void run_text(const char *text, const char *const args[3], const char *want) {
  atr_program *program = must_read(text);
  must_verify(program);
  run_program(program, args, want);
}

/* One sum: dims, lhs, rhs and acc from the row; x and w are arguments of the dtypes at the front of their accesses. */
static const struct sum_row {
  const char *x, *w, *y; /* "DTYPE ELEMENTS" */
  const char *nest;      /* dims to acc */
  const char *step;      /* dtype of the step that reads the sum */
  const char *args[2], *want;
} sum_rows[] = {
    /* a window over 4 pixels with a border of 1, for each edge mode */
    {"s32 4",
     "s32 3",
     "s32 4",
     "dims loop o:4 reduce k:3 lhs x[0] as s32 index (o + k - 1) of 4 by 1 else skip rhs w[k] as s32 acc s32",
     "s32",
     {"1 2 3 4", "1 10 100"},
     "210 321 432 43"},
    {"s32 4",
     "s32 3",
     "s32 4",
     "dims loop o:4 reduce k:3 lhs x[0] as s32 index (o + k - 1) of 4 by 1 else reflect rhs w[k] as s32 acc s32",
     "s32",
     {"1 2 3 4", "1 10 100"},
     "212 321 432 343"},
    {"s32 4",
     "s32 3",
     "s32 4",
     "dims loop o:4 reduce k:3 lhs x[0] as s32 index (o + k - 1) of 4 by 1 else replicate rhs w[k] as s32 acc s32",
     "s32",
     {"1 2 3 4", "1 10 100"},
     "211 321 432 443"},
    {"s32 4",
     "s32 3",
     "s32 4",
     "dims loop o:4 reduce k:3 lhs x[0] as s32 index (o + k - 1) of 4 by 1 else circular rhs w[k] as s32 acc s32",
     "s32",
     {"1 2 3 4", "1 10 100"},
     "214 321 432 143"},
    /* lhs_dilation 2: every second term is absent */
    {"s32 3",
     "s32 3",
     "s32 5",
     "dims loop o:5 reduce k:3 lhs x[0] as s32 index (o + k - 1) / 2 of 3 by 1 else skip rhs w[k] as s32 acc s32",
     "s32",
     {"1 2 3", "1 10 100"},
     "10 201 20 302 30"},
    /* an absent rhs contributes nothing too, even against an infinity */
    {"f32 2",
     "f32 2",
     "f32 2",
     "dims loop o:2 reduce k:2 lhs x[k] as f32 rhs w[0] as f32 index (o + k) of 2 by 1 else skip acc f32",
     "f32",
     {"2 inf", "1 3"},
     "inf 6"},
    {"f32 1",
     "f32 2",
     "f32 1",
     "dims loop o:1 reduce k:2 lhs x[0] as f32 index (k) of 1 by 1 else skip rhs w[k] as f32 acc f32",
     "f32",
     {"2", "3 inf"},
     "6"},
    /* no reduced iterations: the sum is zero */
    {"f32 1",
     "f32 1",
     "f32 2",
     "dims loop o:2 reduce k:0 lhs x[0] as f32 rhs w[0] as f32 acc f32",
     "f32",
     {"nan", "nan"},
     "0 0"},
    /* unrolled and vector dims, a guard that keeps the last element as it was */
    {"s32 4",
     "s32 2",
     "s32 3",
     "dims loop a:2 reduce unroll k:2 unroll b:1 vector v:2 guard 2*a + v < 3 lhs x[0] as s32 index (2*a + v + k) of 4 by 1 "
     "else skip"
     " rhs w[k] as s32 acc s32",
     "s32",
     {"1 2 3 4", "1 10"},
     "21 32 43"},
    /* dtypes: pred is OR of ANDs; integers wrap; signed and unsigned mix; narrow floats are summed wide and rounded once */
    {"pred 4",
     "pred 2",
     "pred 2",
     "dims loop o:2 reduce k:2 lhs x[2*o + k] as pred rhs w[k] as pred acc pred",
     "pred",
     {"1 1 1 0", "1 1"},
     "true true"},
    {"pred 4",
     "pred 2",
     "pred 2",
     "dims loop o:2 reduce k:2 lhs x[2*o + k] as pred rhs w[k] as pred acc pred",
     "pred",
     {"1 0 1 1", "0 1"},
     "false true"},
    {"pred 4",
     "pred 2",
     "s32 2",
     "dims loop o:2 reduce k:2 lhs x[2*o + k] as pred rhs w[k] as pred acc s32",
     "s32",
     {"1 1 1 0", "1 1"},
     "2 1"},
    {"s8 2", "s8 2", "s8 1", "dims loop o:1 reduce k:2 lhs x[k] as s8 rhs w[k] as s8 acc s8", "s8", {"100 100", "1 1"}, "-56"},
    {"s8 2",
     "s8 2",
     "s32 1",
     "dims loop o:1 reduce k:2 lhs x[k] as s8 rhs w[k] as s8 acc s32",
     "s32",
     {"100 -100", "100 -100"},
     "20000"},
    {"u8 2",
     "s8 2",
     "s32 1",
     "dims loop o:1 reduce k:2 lhs x[k] as u8 rhs w[k] as s8 acc s32",
     "s32",
     {"200 255", "-1 -128"},
     "-32840"},
    {"u64 1",
     "u64 1",
     "u64 1",
     "dims loop o:1 lhs x[0] as u64 rhs w[0] as u64 acc u64",
     "u64",
     {"18446744073709551615", "18446744073709551615"},
     "1"},
    {"s64 1",
     "s64 1",
     "s64 1",
     "dims loop o:1 lhs x[0] as s64 rhs w[0] as s64 acc s64",
     "s64",
     {"-9223372036854775808", "-1"},
     "-9223372036854775808"},
    {"f16 3",
     "f16 3",
     "f16 1",
     "dims loop o:1 reduce k:3 lhs x[k] as f16 rhs w[k] as f16 acc f32",
     "f16",
     {"2048 1 1", "1 1 1"},
     "2050"},
    {"f32 3",
     "f32 3",
     "f32 1",
     "dims loop o:1 reduce k:3 lhs x[k] as f32 rhs w[k] as f32 acc f32",
     "f32",
     {"1e30 1 -1e30", "1 1 1"},
     "0"},
    /* 4097 in f32 is exact; as bf16 operands it is 4096 */
    {"f32 1", "f32 1", "f32 1", "dims loop o:1 lhs x[0] as bf16 rhs w[0] as bf16 acc f32", "f32", {"4097", "1"}, "4096"},
    /* rounded to the accumulator first: 2^24 + 1 is a tie of f32 that goes to 2^24, of which s32 then is exact */
    {"f32 2",
     "f32 2",
     "s32 1",
     "dims loop o:1 reduce k:2 lhs x[k] as f32 rhs w[k] as f32 acc f32",
     "s32 f32",
     {"16777216 1", "1 1"},
     "16777216"},
    {"s32 2",
     "s32 2",
     "f32 1",
     "dims loop o:1 reduce k:2 lhs x[k] as s32 rhs w[k] as s32 acc f32",
     "f32",
     {"16777217 -1", "1 1"},
     "16777216"},
    {"c64 2",
     "c64 2",
     "c64 1",
     "dims loop o:1 reduce k:2 lhs x[k] as c64 rhs w[k] as c64 acc c64",
     "c64",
     {"(1, 2) (0, 1)", "(3, 4) (0, 1)"},
     "(-6, 10)"},
};

START_TEST(test_sums) {
  const struct sum_row *row = &sum_rows[_i];
  const char *args[3] = {row->args[0], row->args[1], NULL};
  char dtype[8], step[8];
  ck_assert_int_eq(sscanf(row->y, "%7s", dtype), 1);
  ck_assert_int_eq(sscanf(row->step, "%7s", step), 1);
  ck_assert_str_eq(dtype, step);
  const char *stride = strstr(row->nest, "dims loop a:2") != NULL ? "2*a + b + v" : "o";
  run_text(
      atr_arena_printf(
          &arena,
          "program p { buffer x arg 0 %s buffer w arg 1 %s buffer y result 0 %s nest y { %s %%1 = acc %s store y[%s] %%1 } }",
          row->x, row->w, row->y, row->nest, step, stride),
      args, row->want);
}
END_TEST

/* Elementwise steps: y[i] = op(a[i], b[i], c[i]), all of one dtype but for the result. */
static const struct op_row {
  const char *op, *dtype, *result, *a, *b, *c, *want;
} op_rows[] = {
    {"add", "f32", "f32", "16777216 1", "1 2", NULL, "16777216 3"},
    {"add", "s8", "s8", "100 -128", "100 -1", NULL, "-56 127"},
    {"add", "u8", "u8", "250 1", "10 2", NULL, "4 3"},
    {"add", "c64", "c64", "(1, 2)", "(3, -inf)", NULL, "(4, -inf)"},
    {"subtract", "u16", "u16", "0 5", "1 3", NULL, "65535 2"},
    {"subtract", "f16", "f16", "65504 inf", "-65504 inf", NULL, "inf nan"},
    {"subtract", "c128", "c128", "(1, 2)", "(3, 5)", NULL, "(-2, -3)"},
    {"multiply", "bf16", "bf16", "3 257", "5 1", NULL, "15 256"},
    {"multiply", "s64", "s64", "4611686018427387904", "2", NULL, "-9223372036854775808"},
    {"multiply", "c64", "c64", "(1, 2) (inf, 0)", "(3, 4) (0, 1)", NULL, "(-5, 10) (nan, inf)"},
    {"divide", "f32", "f32", "1 1 0", "3 0 0", NULL, "0.33333334 inf nan"},
    {"divide", "s32", "s32", "7 -7 5 -2147483648", "2 2 0 -1", NULL, "3 -3 -1 -2147483648"},
    {"divide", "s64", "s64", "-9223372036854775808", "-1", NULL, "-9223372036854775808"},
    {"divide", "u8", "u8", "200 7", "3 0", NULL, "66 255"},
    {"divide", "c64", "c64", "(-5, 10)", "(3, 4)", NULL, "(1, 2)"},
    {"maximum", "f32", "f32", "1 nan 2 -0 0 -0", "3 1 nan 0 -0 -0", NULL, "3 nan nan 0 0 -0"},
    {"minimum", "f32", "f32", "1 nan 2 -0 0 0", "3 1 nan 0 -0 0", NULL, "1 nan nan -0 -0 0"},
    {"maximum", "s8", "s8", "-1 5", "1 -5", NULL, "1 5"},
    {"minimum", "s8", "s8", "-1 5", "1 -5", NULL, "-1 -5"},
    {"maximum", "u64", "u64", "18446744073709551615 1", "1 2", NULL, "18446744073709551615 2"},
    {"minimum", "u64", "u64", "18446744073709551615 1", "1 2", NULL, "1 1"},
    {"maximum", "pred", "pred", "0 0 1", "0 1 1", NULL, "false true true"},
    {"minimum", "pred", "pred", "0 0 1", "0 1 1", NULL, "false false true"},
    {"negate", "f32", "f32", "1 0 -inf", NULL, NULL, "-1 -0 inf"},
    {"negate", "s8", "s8", "-128 1", NULL, NULL, "-128 -1"},
    {"negate", "c64", "c64", "(1, -2)", NULL, NULL, "(-1, 2)"},
    {"abs", "f32", "f32", "-1 -0 -inf", NULL, NULL, "1 0 inf"},
    {"abs", "s8", "s8", "-128 -1 5", NULL, NULL, "-128 1 5"},
    {"abs", "c64", "f32", "(3, -4)", NULL, NULL, "5"},
    {"exponential", "f32", "f32", "0 1 -inf", NULL, NULL, "1 2.7182817 0"},
    {"exponential", "c128", "c128", "(0, 0)", NULL, NULL, "(1, 0)"},
    {"tanh", "f32", "f32", "0 100 -100", NULL, NULL, "0 1 -1"},
    {"round-nearest-even", "f32", "f32", "0.5 1.5 -2.5 -0.25 8388609 inf nan", NULL, NULL, "0 2 -2 -0 8388609 inf nan"},
    {"tanh", "c128", "c128", "(0, 0)", NULL, NULL, "(0, 0)"},
    {"logistic", "f32", "f32", "0 200 -200", NULL, NULL, "0.5 1 0"},
    {"logistic", "f64", "f64", "-715 715 -inf nan", NULL, NULL, "3.016097934134e-311 1 0 nan"},
    {"logistic", "c128", "c128", "(0, 0) (-715, 0)", NULL, NULL, "(0.5, 0) (3.016097934134e-311, 0)"},
    {"clamp", "f32", "f32", "0 0 0 5", "-1 0.5 nan 0", "1 1 1 2", "0 0.5 nan 2"},
    {"clamp", "s8", "s8", "0 0 0 5", "-1 1 9 0", "2 2 2 2", "0 1 2 2"},
    {"clamp", "u8", "u8", "10 10 10", "255 1 20", "200 200 200", "200 10 20"},
    {"select", "f32", "f32", NULL, "1 2", "3 4", "1 4"},
    {"convert", "f32", "s8", "-1.9 300 nan 1.5", NULL, NULL, "-1 127 0 1"},
    {"convert", "s32", "pred", "0 2 -1", NULL, NULL, "false true true"},
    {"convert", "f64", "f32", "16777217 1e300", NULL, NULL, "16777216 inf"},
    {"convert", "u8", "s8", "255 1", NULL, NULL, "-1 1"},
    {"convert", "f32", "c64", "2.5", NULL, NULL, "(2.5, 0)"},
    {"compare EQ", "f32", "pred", "1 1 nan", "1 2 nan", NULL, "true false false"},
    {"compare NE", "f32", "pred", "1 1 nan", "1 2 nan", NULL, "false true true"},
    {"compare LT", "s8", "pred", "-1 1 1", "1 1 -1", NULL, "true false false"},
    {"compare LT", "u8", "pred", "255 1 1", "1 1 255", NULL, "false false true"},
    {"compare LE", "f32", "pred", "1 1 2 nan", "1 2 1 1", NULL, "true true false false"},
    {"compare GT", "u64", "pred", "18446744073709551615 1", "1 1", NULL, "true false"},
    {"compare GE", "f32", "pred", "1 1 2 nan", "1 2 1 1", NULL, "true false true false"},
    {"compare GE", "pred", "pred", "0 1 1", "1 1 0", NULL, "false true true"},
    {"compare EQ", "c64", "pred", "(1, 2) (1, 2)", "(1, 2) (1, 3)", NULL, "true false"},
    {"compare NE", "c64", "pred", "(1, 2) (1, 2)", "(1, 2) (1, 3)", NULL, "false true"},
};

START_TEST(test_ops) {
  const struct op_row *row = &op_rows[_i];
  bool is_select = row->a == NULL;
  const char *args[3] = {is_select ? "1 0" : row->a, row->b, row->c};
  static char memory[MAX_ARRAY * 16];
  atr_dtype dtype = atr_dtype_from_name(row->dtype, strlen(row->dtype));
  int count = (int)parse_array(is_select ? ATR_PRED : dtype, args[0], memory);
  atr_text text = atr_text_make(&arena);
  atr_text_printf(&text, "program p { buffer a arg 0 %s %d", is_select ? "pred" : row->dtype, count);
  if (row->b != NULL) atr_text_printf(&text, " buffer b arg 1 %s %d", row->dtype, count);
  if (row->c != NULL) atr_text_printf(&text, " buffer c arg 2 %s %d", row->dtype, count);
  atr_text_printf(&text, " buffer y result 0 %s %d nest y { dims loop i:%d %%1 = load a[i] %s", row->result, count, count,
                  is_select ? "pred" : row->dtype);
  if (row->b != NULL) atr_text_printf(&text, " %%2 = load b[i] %s", row->dtype);
  if (row->c != NULL) atr_text_printf(&text, " %%3 = load c[i] %s", row->dtype);
  int step = 2 + (row->b != NULL) + (row->c != NULL);
  atr_text_printf(&text, " %%%d = %s %s %%1%s%s store y[i] %%%d } }", step, row->op, row->result, row->b != NULL ? " %2" : "",
                  row->c != NULL ? " %3" : "", step);
  run_text(text.data, args, row->want);
}
END_TEST

/* A load is converted; absent elements are the fallback's value; steps are rounded to their dtype. */
START_TEST(test_loads) {
  static const char text[] =
      "program p { buffer x arg 0 f32 3 buffer y result 0 f32 7"
      " nest y { dims loop i:7 %1 = const f16 -7 %2 = load x[0] f16 index (i - 1) / 2 of 3 by 1 else skip else %1"
      " %3 = convert f32 %2 store y[i] %3 } }";
  const char *args[3] = {"4097 0.5 3"};
  run_text(text, args, "-7 4096 -7 0.5 -7 3 -7");
}
END_TEST

START_TEST(test_pairs) {
  const char *args[3] = {"1 2 3 4 5 6 7 8 9 10 11 12", "1 0 0 1 2 0 0 2 9 9 9 9"};
  run_text(PAIRS, args, "7 10 19 22 31 34");
}
END_TEST

/* Every step is rounded, not only the last: 2048 + 1 is 2048 in f16. */
START_TEST(test_rounded_steps) {
  static const char text[] = "program p { buffer x arg 0 f16 2 buffer y result 0 f16 1 nest y { dims %1 = load x[0] f16"
                             " %2 = load x[1] f16 %3 = add f16 %1 %2 %4 = subtract f16 %3 %1 store y[0] %4 } }";
  const char *args[3] = {"2048 1"};
  run_text(text, args, "0");
}
END_TEST

/* The same nest as a loop over everything, tiled with guards, and with a tree that skips what is absent. */
START_TEST(test_trees) {
  atr_text x = atr_text_make(&arena), w = atr_text_make(&arena);
  for (int i = 0; i < 100; i++) atr_text_printf(&x, "%d ", (i * 7 + 3) % 11 - 5);
  for (int i = 0; i < 18; i++) atr_text_printf(&w, "%d ", i % 5 - 2);
  const char *args[3] = {x.data, w.data, "4 -9"};
  int64_t want[200];
  atr_text expected = atr_text_make(&arena);
  for (int oy = 0; oy < 10; oy++)
    for (int ox = 0; ox < 10; ox++)
      for (int oc = 0; oc < 2; oc++) {
        int64_t sum = oc == 0 ? -9 : 4;
        for (int ky = 0; ky < 3; ky++)
          for (int kx = 0; kx < 3; kx++) {
            int iy = oy + ky - 1, ix = ox + kx - 1, i = iy * 10 + ix, k = 6 * ky + 2 * kx + oc;
            if (iy >= 0 && iy < 10 && ix >= 0 && ix < 10) sum += ((i * 7 + 3) % 11 - 5) * (k % 5 - 2);
          }
        want[20 * oy + 2 * ox + oc] = sum > 0 ? sum : 0;
      }
  for (int i = 0; i < 200; i++) atr_text_printf(&expected, i > 0 ? " %" PRId64 : "%" PRId64, want[i]);
  run_text(SCHEDULED, args, expected.data);
  atr_program *program = must_read(SCHEDULED);
  program->nests[2]->tree = NULL;
  run_program(program, args, expected.data);
}
END_TEST

/* The tree is what runs: where it leaves out terms that exist, or runs one twice, the result shows it. */
START_TEST(test_tree_is_followed) {
  static const char text[] =
      "program p { buffer x arg 0 s32 4 buffer y result 0 s32 2"
      " nest y { dims loop o:2 reduce k:2 lhs x[2*o + k] as s32 rhs x[k] as s32 acc s32 %1 = acc s32 store y[o] %1"
      " loop o 0..1 { tile { reduce k 0..2 { mac } } } loop o 1..2 { tile { reduce k 0..2 { mac } } } } }";
  const char *args[3] = {"1 2 3 4"};
  run_program(must_read(text), args, "5 11");
  run_program(must_read(replaced(text, "o 0..1 { tile { reduce k 0..2", "o 0..1 { tile { reduce k 1..2")), args, "4 11");
  run_program(must_read(replaced(text, "o 0..1 { tile {", "o 0..1 { tile { reduce k 0..1 { mac }")), args, "6 11");
  run_program(must_read(replaced(text, "loop o 1..2 { tile { reduce k 0..2 { mac } } }", "")), args, "5 1431655765");
  run_program(must_read(replaced(text, "loop o 1..2 { tile { reduce k 0..2 { mac } } }", "loop o 1..2 { tile {} }")), args,
              "5 0");
}
END_TEST

/* Clipping changes no result, and where lhs is absent rhs is not read: there it is outside its buffer. */
START_TEST(test_clip) {
  static const char text[] =
      "program p { buffer x arg 0 s32 2 buffer w arg 1 s32 4 buffer y result 0 s32 2"
      " nest y { dims loop o:2 reduce k:5 lhs x[0] as s32 index (k - 1) of 2 by 1 else skip rhs w[k] as s32 acc s32"
      " %1 = acc s32 store y[o] %1 loop o 0..2 { tile { reduce k 0..5 clip { mac } } } } }";
  const char *args[3] = {"1 2", "1 10 100 1000"};
  run_program(must_read(text), args, "210 210");
}
END_TEST

/* Temporaries start as bytes of ones, apart from one another without a plan, and where the plan says with one. */
START_TEST(test_memory) {
  const char *args[3] = {"1 2 3 4"};
  run_text(SHARING, args, "1 2 3 4");
  static const char unwritten[] = "program p { buffer x arg 0 s32 4 buffer y result 0 s32 4 buffer t temp s32 4"
                                  " nest t { dims loop i:2 %1 = load x[i] s32 store t[2*i] %1 }"
                                  " nest y { dims loop i:4 %1 = load t[i] s32 store y[i] %1 } }";
  run_text(unwritten, args, "1 -1 2 -1");
  static const char overlap[] =
      "program p { scratch 64 buffer x arg 0 s32 4 buffer y result 0 s32 4 buffer t temp s32 4 buffer u temp s32 4"
      " nest t { dims loop i:4 %1 = load x[i] s32 store t[i] %1 }"
      " nest u { dims loop i:4 %1 = const s32 7 store u[i] %1 }"
      " nest y { dims loop i:4 %1 = load t[i] s32 store y[i] %1 } }";
  run_program(must_read(overlap), args, "7 7 7 7");
  run_program(must_read(replaced(overlap, "scratch 64 ", "")), args, "1 2 3 4");
  run_program(must_read(replaced(replaced(overlap, "scratch 64 ", "scratch 128 "), "u temp s32 4", "u temp s32 4 at 64")), args,
              "1 2 3 4");
}
END_TEST

static void refuse_run(const char *text, atr_status status, const char *message) {
  static char memory[64];
  const void *args[2] = {memory, NULL};
  void *results[1] = {memory};
  atr_work work = {.arena = &arena};
  ck_assert_msg(atr_program_interpret(&work, must_read(text), args, results) == status, "%s", text);
  ck_assert_msg(strstr(work.message, message) != NULL, "%s: %s", text, work.message);
}

/* Nothing outside a buffer is touched, even by programs that the verifier never saw. */
START_TEST(test_refused_runs) {
  refuse_run(
      "program p { buffer y result 0 s32 4 buffer k constant s32 4 nest y { dims loop i:4 %1 = load k[i] s32 store y[i] %1 } }",
      ATR_UNSUPPORTED, "constant k has no data: the program was read from text");
  refuse_run(
      "program p { buffer y result 0 s32 4 buffer x arg 1 s32 4 nest y { dims loop i:4 %1 = load x[i] s32 store y[i] %1 } }",
      ATR_INVALID_ARGUMENT, "no array is given for buffer x");
  refuse_run("program p { buffer y result 0 s32 4 nest y { dims loop i:5 %1 = const s32 1 store y[i] %1 } }", ATR_INTERNAL,
             "nest y: the store touches element 4 of y, which has 4");
  refuse_run("program p { buffer y result 0 s32 4 buffer x arg 0 s32 4 nest y { dims loop i:4 %1 = load x[i - 1] s32 store "
             "y[i] %1 } }",
             ATR_INTERNAL, "nest y: a load touches element -1 of x, which has 4");
  refuse_run("program p { buffer y result 0 s32 1 buffer x arg 0 s32 4 nest y { dims reduce k:5 lhs x[k] as s32 rhs x[0] as "
             "s32 acc s32"
             " %1 = acc s32 store y[0] %1 } }",
             ATR_INTERNAL, "nest y: lhs touches element 4 of x, which has 4");
  refuse_run("program p { buffer y result 0 s32 1 buffer x arg 0 s32 4 nest y { dims reduce k:5 lhs x[0] as s32 rhs x[k] as "
             "s32 acc s32"
             " %1 = acc s32 store y[0] %1 } }",
             ATR_INTERNAL, "nest y: rhs touches element 4 of x, which has 4");
  refuse_run(
      "program p { buffer y result 0 s32 1 buffer x arg 0 s32 4 nest y { dims %1 = load x[0] s32 index (9) of 4 by 1 else skip"
      " store y[0] %1 } }",
      ATR_INTERNAL, "nest y: step %1 loads an absent element");
  refuse_run("program p { buffer x arg 0 s32 4 nest x { dims %1 = const s32 1 store x[0] %1 } }", ATR_INTERNAL,
             "nest x: it stores into x, which is only read");
  refuse_run("program p { scratch 64 buffer t temp s32 4 at 64 }", ATR_INTERNAL, "buffer t reaches past the 64 bytes planned");
  refuse_run("program p { buffer t temp s32 4611686018427387904 }", ATR_INTERNAL, "buffer t cannot be allocated");
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("nest");
  TCase *tc = tcase_create("nest");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_loop_test(tc, test_round_trip, 0, COUNT(good_texts));
  tcase_add_test(tc, test_alike);
  tcase_add_test(tc, test_round_trip_nonsense);
  tcase_add_test(tc, test_free_form);
  tcase_add_test(tc, test_what_is_not_printed);
  tcase_add_test(tc, test_print_one_nest);
  tcase_add_loop_test(tc, test_bad_text, 0, COUNT(bad_texts));
  tcase_add_test(tc, test_bad_long_text);
  tcase_add_loop_test(tc, test_truncated, 0, COUNT(good_texts));
  tcase_add_loop_test(tc, test_bad_program, 0, COUNT(bad_programs));
  tcase_add_test(tc, test_bad_structs);
  tcase_add_test(tc, test_steps_meet);
  tcase_add_test(tc, test_useful_macs);
  tcase_add_test(tc, test_useful_macs_of_many);
  tcase_add_test(tc, test_sharing);
  tcase_add_test(tc, test_empty);
  tcase_add_test(tc, test_gaps);
  tcase_add_loop_test(tc, test_reach, 0, COUNT(reach_rows));
  tcase_add_loop_test(tc, test_sums, 0, COUNT(sum_rows));
  tcase_add_loop_test(tc, test_ops, 0, COUNT(op_rows));
  tcase_add_test(tc, test_loads);
  tcase_add_test(tc, test_pairs);
  tcase_add_test(tc, test_rounded_steps);
  tcase_add_test(tc, test_trees);
  tcase_add_test(tc, test_tree_is_followed);
  tcase_add_test(tc, test_clip);
  tcase_add_test(tc, test_memory);
  tcase_add_test(tc, test_refused_runs);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }

/* test_regions.c - where loops are cut for padding, tails and edges, and that no question is left below the cuts.
 *
 * In: convolutions with schedules. Out: the loop tree on one line, worked out by hand from which copies are inside, such as for
 * 3 taps with padding 1 on 28 columns in tiles of 14
 *
 *     loop ox.1 0..1 { tile { reduce kx 0..1 { mac } reduce kx 1..3 { mac } } }     column -1 is outside
 *     loop ox.1 1..2 { tile { reduce kx 0..2 { mac } reduce kx 2..3 { mac } } }     column 28 is outside
 *
 * and for many windows and schedules the property itself: in every range each unrolled copy is always inside or never. */
#include "lower_fixture.h"

#include "base/checked.h"
#include "lower/regions.h"

static atr_nest *scheduled(const atr_nest *nest, const char *schedule) {
  atr_schedule s = schedule_of(nest, schedule);
  return atr_nest_tile(&arena, nest, &s);
}

/* The tree alone, with one blank wherever there is white space. */
static const char *tree_of(const atr_program *program, const atr_nest *nest) {
  if (nest->tree == NULL) return "";
  const char *at = strchr(strstr(nest_text(program, nest), "store "), '\n');
  atr_text text = atr_text_make(&arena);
  atr_text_puts(&text, "");
  for (bool blank = true; *at != '\0'; at++) {
    bool space = *at == ' ' || *at == '\n';
    if (!space) atr_text_append(&text, at, 1);
    else if (!blank) atr_text_append(&text, " ", 1);
    blank = space;
  }
  text.data[text.len - 3] = '\0'; /* the nest's own brace */
  return text.data;
}

/* ---- trees by hand */

typedef struct tree_row {
  const char *instructions, *schedule, *tree;
} tree_row;

#define CONV1(lhs, rhs, attributes)                                                                                            \
  "x = " lhs " parameter(0) w = " rhs " parameter(1) ROOT y = convolution(x, w), " attributes ", dim_labels=b0f_0io->b0f"
#define COLUMNS(window) CONV1("f32[1,28,4]", "f32[3,4,8]", window)
#define IC "{ reduce ic 0..4 { mac } } "

#define UNSHARED(kind, first, second, result)                                                                                  \
  "x = " first " parameter(0) w = " second " parameter(1) ROOT y = " result " custom-call(x, w), window={size=3 pad=1_1}, "    \
  "custom_call_target=\"atrous.local_convolution_" kind "_gradient\", dim_labels=b0f_0io->b0f"
#define WEIGHTS UNSHARED("weight", "f32[4,12,3]", "f32[4,12,8]", "f32[12,9,8]")
#define DATA UNSHARED("data", "f32[1,12,4]", "f32[12,24,4]", "f32[1,12,8]")

static const tree_row tree_rows[] = {
    /* the example of regions.c, and its rows: looped, so they are clipped */
    {COLUMNS("window={size=3 pad=1_1}"), "loop ox; reduce kx ic; unroll ox:14; vector oc:8",
     "loop ox.1 0..1 { tile { reduce kx 0..1 " IC "reduce kx 1..3 " IC "} } "
     "loop ox.1 1..2 { tile { reduce kx 0..2 " IC "reduce kx 2..3 " IC "} }"},
    {"x = f32[1,28,28,4] parameter(0) w = f32[3,3,4,8] parameter(1) ROOT y = convolution(x, w), "
     "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f",
     "parallel oy; loop ox; reduce ky ic; unroll kx:3 ox:14; vector oc:8",
     "parallel oy 0..28 { loop ox.1 0..1 { tile { reduce ky 0..3 clip " IC "} } loop ox.1 1..2 { tile { reduce ky 0..3 clip " IC
     "} } }"},
    /* tiles of 7: the two in the middle are the same code */
    {COLUMNS("window={size=3 pad=1_1}"), "loop ox; reduce kx ic; unroll ox:7; vector oc:8",
     "loop ox.1 0..1 { tile { reduce kx 0..1 " IC "reduce kx 1..3 " IC "} } loop ox.1 1..3 { tile { reduce kx 0..3 " IC "} } "
     "loop ox.1 3..4 { tile { reduce kx 0..2 " IC "reduce kx 2..3 " IC "} }"},
    /* tiles of 3, of which the last has one column: there tap 2 is outside for the copy that counts and those that do not */
    {COLUMNS("window={size=3 pad=1_1}"), "loop ox; reduce kx ic; unroll ox:3; vector oc:8",
     "loop ox.1 0..1 { tile { reduce kx 0..1 " IC "reduce kx 1..3 " IC "} } loop ox.1 1..9 { tile { reduce kx 0..3 " IC "} } "
     "loop ox.1 9..10 { tile { reduce kx 0..1 " IC "reduce kx 1..2 " IC "} }"},
    /* no padding: nothing to ask but the tail */
    {COLUMNS("window={size=3}"), "loop ox; reduce kx_ic; unroll ox:6; vector oc:8",
     "loop ox.1 0..4 { tile { reduce kx_ic 0..12 { mac } } } loop ox.1 4..5 { tile { reduce kx_ic 0..12 { mac } } }"},
    {COLUMNS("window={size=3}"), "loop ox; reduce kx_ic; unroll ox:13; vector oc:8",
     "loop ox.1 0..2 { tile { reduce kx_ic 0..12 { mac } } }"},
    /* everything in loops: one range, clipped; nothing clipped where no tap can be outside */
    {COLUMNS("window={size=3 pad=1_1}"), "loop ox; reduce kx ic; vector oc:8",
     "loop ox 0..28 { tile { reduce kx 0..3 clip " IC "} }"},
    {COLUMNS("window={size=3}"), "loop ox; reduce kx_ic; vector oc:8", "loop ox 0..26 { tile { reduce kx_ic 0..12 { mac } } }"},
    /* the order of the reduction does not matter: the loop over taps is the one that is clipped */
    {COLUMNS("window={size=3 pad=1_1}"), "loop ox; reduce ic kx; vector oc:8",
     "loop ox 0..28 { tile { reduce ic 0..4 { reduce kx 0..3 clip { mac } } } }"},
    /* rate 12 on 16 columns: of 16 columns tap 0 has 4, tap 2 has 4; in tiles of 4 whole taps fall away, and tiles 1 and 2 are alike,
     * since both answer alike for every tap */
    {CONV1("f32[1,16,4]", "f32[3,4,8]", "window={size=3 pad=12_12 rhs_dilate=12}"),
     "loop ox; reduce kx ic; unroll ox:4; vector oc:8",
     "loop ox.1 0..1 { tile { reduce kx 1..3 " IC "} } loop ox.1 1..3 { tile { reduce kx 1..2 " IC "} } "
     "loop ox.1 3..4 { tile { reduce kx 0..2 " IC "} }"},
    /* a causal layer of rate 8 in blocks of two tiles, which are counted together: the first two have one tap */
    {CONV1("f32[1,32,4]", "f32[2,4,8]", "window={size=2 pad=8_0 rhs_dilate=8}"),
     "loop ox ox:2; reduce kx ic; unroll ox:4; vector oc:8",
     "loop ox.2 0..4 { loop ox.1 0..2 across { tile { reduce kx 1..2 " IC "} } "
     "loop ox.1 2..8 across { tile { reduce kx 0..2 " IC "} } }"},
    /* so are the pieces of a dim around other loops, and parallel ones; the last of 4 blocks of 4 tiles has two */
    {COLUMNS("window={size=3 pad=1_1}"), "parallel ox; loop oc ox:4; reduce kx ic; unroll ox:2; vector oc:4",
     "parallel ox.2 0..4 { loop oc.1 0..2 { loop ox.1 0..1 across { tile { reduce kx 0..1 " IC "reduce kx 1..3 " IC "} } "
     "loop ox.1 1..13 across { tile { reduce kx 0..3 " IC "} } "
     "loop ox.1 13..14 across { tile { reduce kx 0..2 " IC "reduce kx 2..3 " IC
     "} } loop ox.1 14..15 across { tile { reduce kx 0..1 " IC "} } loop ox.1 15..16 across { tile {} } } }"},
    {COLUMNS("window={size=3 pad=1_1}"), "parallel ox ox:4; reduce kx ic; unroll ox:2; vector oc:8",
     "parallel ox.2 0..4 { parallel ox.1 0..1 across { tile { reduce kx 0..1 " IC "reduce kx 1..3 " IC "} } "
     "parallel ox.1 1..13 across { tile { reduce kx 0..3 " IC "} } "
     "parallel ox.1 13..14 across { tile { reduce kx 0..2 " IC "reduce kx 2..3 " IC "} } "
     "parallel ox.1 14..15 across { tile { reduce kx 0..1 " IC "} } parallel ox.1 15..16 across { tile {} } }"},
    /* the innermost of three is cut; where nothing is, each counts its own */
    {COLUMNS("window={size=3 pad=1_0}"), "loop ox ox:3 ox:3; reduce kx ic; unroll ox:3; vector oc:8",
     "loop ox.3 0..1 { loop ox.2 0..3 { loop ox.1 0..1 across { tile { reduce kx 0..1 " IC "reduce kx 1..3 " IC "} } "
     "loop ox.1 1..9 across { tile { reduce kx 0..3 " IC "} } } }"},
    {COLUMNS("window={size=3}"), "loop ox ox:2; reduce kx_ic; unroll ox:13; vector oc:8",
     "loop ox.2 0..1 { loop ox.1 0..2 { tile { reduce kx_ic 0..12 { mac } } } }"},
    /* outputs that no tap reaches are stored without a sum */
    {CONV1("f32[1,4,4]", "f32[1,4,8]", "window={size=1 pad=4_4}"), "loop ox; reduce ic; unroll ox:4; vector oc:8",
     "loop ox.1 0..1 { tile {} } loop ox.1 1..2 { tile { reduce ic 0..4 { mac } } } loop ox.1 2..3 { tile {} }"},
    {CONV1("f32[1,28,0]", "f32[3,0,8]", "window={size=3 pad=1_1}"), "loop ox; reduce kx ic; vector oc:8",
     "loop ox 0..28 { tile { reduce kx 0..3 clip {} } }"},
    {CONV1("f32[0,28,4]", "f32[3,4,8]", "window={size=3 pad=1_1}"), "vector oc:8", ""},
    /* edge modes: in loops resolved while running, in tiles each iteration outside is code of its own */
    {CONV1("f32[1,28,4]", "f32[3,4,8]", "window={size=3 pad=1_1}, edge_mode=reflect"), "loop ox; reduce kx ic; vector oc:8",
     "loop ox 0..28 { tile { reduce kx 0..3 " IC "} }"},
    {CONV1("f32[1,28,4]", "f32[3,4,8]", "window={size=3 pad=1_1}, edge_mode=circular"),
     "loop ox; reduce kx ic; unroll ox:7; vector oc:8",
     "loop ox.1 0..1 { tile { reduce kx 0..1 " IC "reduce kx 1..3 " IC "} } loop ox.1 1..3 { tile { reduce kx 0..3 " IC "} } "
     "loop ox.1 3..4 { tile { reduce kx 0..2 " IC "reduce kx 2..3 " IC "} }"},
    {CONV1("f32[1,6,4]", "f32[2,4,8]", "window={size=2 pad=6_0}, edge_mode=replicate"),
     "loop ox; reduce kx ic; unroll ox:2; vector oc:8",
     "loop ox.1 0..1 { tile { reduce kx 0..1 " IC "reduce kx 1..2 " IC "} } loop ox.1 1..2 { tile { reduce kx 0..1 " IC
     "reduce kx 1..2 " IC "} } "
     "loop ox.1 2..3 { tile { reduce kx 0..1 " IC "reduce kx 1..2 " IC "} } loop ox.1 3..5 { tile { reduce kx 0..2 " IC "} } "
     "loop ox.1 5..6 { tile { reduce kx 0..1 " IC "reduce kx 1..2 " IC "} }"}, /* 11 outputs: the last tile's second is none */
    /* taps of a weight gradient are loops around the sum: in loops alone they are tested there, and nothing is cut */
    {WEIGHTS, "loop ox kx ic; reduce n; vector oc:8",
     "loop ox 0..12 { loop kx 0..3 { loop ic 0..3 { tile { reduce n 0..4 { mac } } } } }"},
    {WEIGHTS, "loop kx ic; reduce n; unroll ox:12; vector oc:8",
     "loop kx 0..1 { loop ic 0..3 { tile { reduce n 0..4 { mac } } } } loop kx 1..2 { loop ic 0..3 { tile { reduce n 0..4 { "
     "mac } "
     "} } } loop kx 2..3 { loop ic 0..3 { tile { reduce n 0..4 { mac } } } }"},
    /* the weights of a data gradient are there when the cotangent is: their question is not asked again */
    {DATA, "loop ix; reduce kx oc; vector ic:8", "loop ix 0..12 { tile { reduce kx 0..3 clip { reduce oc 0..4 { mac } } } }"},
    {DATA, "loop ic; reduce kx oc; unroll ix:6",
     "loop ic 0..8 { loop ix.1 0..1 { tile { reduce kx 0..2 { reduce oc 0..4 { mac } } reduce kx 2..3 { reduce oc 0..4 { mac } "
     "} "
     "} } loop ix.1 1..2 { tile { reduce kx 0..1 { reduce oc 0..4 { mac } } reduce kx 1..3 { reduce oc 0..4 { mac } } } } }"},
    /* a load's question is answered outside of its loop as well */
    {"x = f32[20] parameter(0) v = f32[] parameter(1) ROOT y = f32[28] pad(x, v), padding=3_5", "loop d0; vector d0:4",
     "loop d0.1 0..1 { tile {} } loop d0.1 1..5 { tile {} } loop d0.1 5..6 { tile {} } loop d0.1 6..7 { tile {} }"},
    /* and where it depends on loops alone: there is no sum to clip */
    {"x = f32[20,8] parameter(0) v = f32[] parameter(1) ROOT y = f32[28,8] pad(x, v), padding=3_5x0_0", "loop d0; vector d1:8",
     "loop d0 0..3 { tile {} } loop d0 3..23 { tile {} } loop d0 23..28 { tile {} }"},
};

START_TEST(test_questions_of_lhs) {
  const atr_nest *nest = collapsed_of(DATA)->nests[0];
  atr_nest other = *nest;
  ck_assert(atr_index_is_of_lhs(nest, &nest->lhs, &nest->lhs.index[0]) && nest->rhs.index_count == 1);
  ck_assert(atr_index_is_of_lhs(nest, &nest->rhs, &nest->rhs.index[0]));
  ck_assert(!atr_index_is_of_lhs(nest, &nest->out, &nest->rhs.index[0])); /* a load or store runs without terms too */
  const atr_index same = nest->rhs.index[0];
  for (int change = 0; change < 5; change++) {
    atr_index index = same;
    if (change == 0) index.bound++;
    if (change == 1) index.divisor++;
    if (change == 2) index.edge = ATR_EDGE_CIRCULAR;
    if (change == 3) index.at.offset++;
    if (change == 4) index.at.coef[0]++;
    other.rhs.index = &index;
    ck_assert_msg(!atr_index_is_of_lhs(&other, &other.rhs, &index), "change %d", change);
  }
}
END_TEST

/* By their steps two dims could go on in the same loop, as taps and columns of a panel: the innermost does, and it alone. */
START_TEST(test_one_dim_goes_on) {
  atr_index index = {.at = {.coef = {3, 1, 1}, .offset = -2}, .bound = 4, .divisor = 1};
  atr_nest nest = {.dim_count = 3, .out = {.index = &index, .index_count = 1}};
  static const int64_t extents[] = {2, 3, 3};
  for (int d = 0; d < 3; d++) nest.dims[d] = (atr_dim){.name = "d", .extent = extents[d], .kind = ATR_DIM_LOOP};
  const atr_across *across = atr_nest_across(&arena, &nest);
  ck_assert(across[2].total == 6 && across[2].first.coef[0] == 3 && across[2].first.coef[1] == 0);
  ck_assert(across[1].total == 0);
  ck_assert(across[0].total == 0);
}
END_TEST

START_TEST(test_trees) {
  const tree_row *r = &tree_rows[_i];
  const atr_program *program = collapsed_of(r->instructions);
  ck_assert_int_eq(program->nest_count, 1);
  atr_nest *nest = scheduled(program->nests[0], r->schedule);
  ck_assert_msg(atr_nest_build_tree(&work, nest) == ATR_OK, "%s", work.message);
  ck_assert_str_eq(tree_of(program, nest), r->tree);
}
END_TEST

/* ---- no question is left */

typedef struct walk {
  const atr_nest *nest;
  atr_box box;
  int asked; /* questions on unrolled dims */
} walk;

static bool is_inner(const atr_nest *nest, int d) {
  return nest->dims[d].kind != ATR_DIM_LOOP && nest->dims[d].kind != ATR_DIM_PARALLEL;
}

/* Steps through the unrolled and vector dims that `at` depends on, as a range of one iteration each; false behind the last. */
static bool next_copy(const atr_nest *nest, const atr_affine *at, atr_box *box) {
  for (int d = nest->dim_count - 1; d >= 0; d--) {
    if (at->coef[d] == 0 || !is_inner(nest, d)) continue;
    box->hi[d] = ++box->lo[d] + 1;
    if (box->lo[d] < nest->dims[d].extent) return true;
    box->lo[d] = 0;
    box->hi[d] = 1;
  }
  return false;
}

/* Every copy is inside for all iterations of the ranges, or for none. Outside, an edge mode needs the very iteration. */
static void check_question(walk *w, const atr_affine *at, int64_t bound, bool edge) {
  if (!atr_affine_has_inner(w->nest, at)) return;
  atr_box box = w->box;
  w->asked++;
  bool one_iteration = true;
  for (int d = 0; d < w->nest->dim_count; d++) {
    if (at->coef[d] == 0) continue;
    if (is_inner(w->nest, d)) box.lo[d] = 0, box.hi[d] = 1;
    else one_iteration = one_iteration && box.hi[d] - box.lo[d] == 1;
  }
  do {
    atr_answer answer = atr_bounds_answer(w->nest, at, bound, &box);
    ck_assert_msg(answer != ATR_SOMETIMES, "%s: a copy is sometimes inside", w->nest->schedule);
    if (edge && answer == ATR_NEVER) ck_assert_msg(one_iteration, "%s: an edge over several iterations", w->nest->schedule);
  } while (next_copy(w->nest, at, &box));
}

static void check_nodes(walk *w, const atr_node *node) {
  for (; node != NULL; node = node->next) {
    if (node->dim == ATR_NODE_MAC) {
      for (int i = 0; i < w->nest->lhs.index_count; i++) {
        const atr_index *index = &w->nest->lhs.index[i];
        if (index->divisor == 1) check_question(w, &index->at, index->bound, index->edge != ATR_EDGE_ZERO);
      }
      continue;
    }
    if (node->dim == ATR_NODE_TILE) {
      for (int g = 0; g < w->nest->guard_count; g++) check_question(w, &w->nest->guards[g].at, w->nest->guards[g].bound, false);
      check_nodes(w, node->child);
      continue;
    }
    atr_box around = w->box;
    const atr_across *across = node->across ? &w->nest->across[node->dim] : NULL;
    if (across != NULL) ck_assert(across->total > 0 && node->hi <= across->total);
    w->box = atr_box_inside(&around, across, node->dim, node->lo, node->hi);
    check_nodes(w, node->child);
    w->box = around;
  }
}

static const char *const windows[] = {
    "size=3x3 pad=1_1x1_1",     "size=3x3 pad=2_2x2_2 rhs_dilate=2x2",   "size=5x4 pad=2_2x0_3 stride=2x3",
    "size=4x4 pad=9_1x-1_6",    "size=3x3 pad=1_1x1_1 rhs_reversal=1x1", "size=7x7 stride=2x2 pad=3_3x3_3",
    "size=2x2 pad=20_20x20_20", "size=3x3 pad=6_6x6_6 rhs_dilate=6x6",
};
static const char *const edges[] = {"", ", edge_mode=reflectxzero", ", edge_mode=replicatexcircular",
                                    ", edge_mode=zeroxcircular"};
static const char *const schedules[] = {
    "vector oc:8",
    "unroll ox:5; vector oc:8",
    "unroll oy:2 ox:3",
    "vector ox:8",
    "loop ox oy; reduce kx ky; unroll oy:3; vector ox:4",
    "unroll ky:K; vector ox:16",
    "parallel oc oy; loop ox ox:2; unroll ox:4; vector oc:4",
};

START_TEST(test_no_question_left) {
  const char *window = windows[_i / COUNT(edges)], *edge = edges[_i % COUNT(edges)];
  bool far = strstr(window, "20_20") != NULL;
  const atr_program *program = collapsed_of(
      atr_arena_printf(&arena,
                       "x = f32[1,%d,%d,4] parameter(0) w = f32[%c,%c,4,10] parameter(1) ROOT y = convolution(x, w), "
                       "window={%s}, dim_labels=b01f_01io->b01f%s",
                       far ? 21 : 11, far ? 22 : 23, window[5], window[7], window, edge));
  for (int s = 0; s < COUNT(schedules); s++) {
    char *schedule = atr_arena_string(&arena, schedules[s], strlen(schedules[s]));
    if (strchr(schedule, 'K') != NULL) *strchr(schedule, 'K') = window[5];
    walk w = {.nest = scheduled(program->nests[0], schedule)};
    w.box = atr_nest_box(w.nest);
    ck_assert_msg(atr_nest_build_tree(&work, (atr_nest *)w.nest) == ATR_OK, "%s", work.message);
    check_nodes(&w, w.nest->tree);
    ck_assert_msg(s == 0 || w.asked > 0, "%s", schedule);
  }
}
END_TEST

/* ---- limits */

typedef struct limit_row {
  const char *instructions, *schedule, *message; /* NULL: fine */
} limit_row;

#define EDGES(size, pad)                                                                                                       \
  "x = f32[1,8,8,1] parameter(0) w = f32[" size "," size ",1,1] parameter(1) ROOT y = convolution(x, w), window={size=" size   \
  "x" size " pad=" pad "_0x" pad "_0}, dim_labels=b01f_01io->b01f, edge_mode=replicatexreplicate"

static const limit_row limit_rows[] = {
    /* 2^13 - 2 + 1 outputs before column 0, two to a tile */
    {CONV1("f32[1,8,1]", "f32[1,1,1]", "window={size=1 pad=8192_0}, edge_mode=replicate"), "unroll ox:2",
     "nest y: dim ox.1 would be cut into more than 4096 parts"},
    {CONV1("f32[1,8,1]", "f32[1,1,1]", "window={size=1 pad=8000_0}, edge_mode=replicate"), "unroll ox:2", NULL},
    {CONV1("f32[1,8,1]", "f32[1,1,1]", "window={size=1 pad=8192_0}, edge_mode=replicate"), "loop ox", NULL},
    {EDGES("1", "400"), "unroll oy:2 ox:2", "nest y would be cut into more than 20000 parts"},
    {EDGES("1", "100"), "unroll oy:2 ox:2", NULL},
    {CONV1("f32[1,3,2]", "f32[3,2,3]", "window={size=3 pad=2_5 lhs_dilate=65}"), "vector ox:8",
     "nest y: dims under an lhs_dilation left to run time cannot be unrolled or vector dims"},
    {CONV1("f32[1,3,2]", "f32[3,2,3]", "window={size=3 pad=2_5 lhs_dilate=65}"), "unroll kx:3",
     "nest y: dims under an lhs_dilation left to run time cannot be unrolled or vector dims"},
    {CONV1("f32[1,3,2]", "f32[3,2,3]", "window={size=3 pad=2_5 lhs_dilate=65}"), "vector oc:4", NULL},
};

START_TEST(test_limits) {
  const limit_row *r = &limit_rows[_i];
  atr_nest *nest = scheduled(collapsed_of(r->instructions)->nests[0], r->schedule);
  atr_status status = atr_nest_build_tree(&work, nest);
  ck_assert_msg(status == (r->message != NULL ? ATR_UNSUPPORTED : ATR_OK), "%d: %s", (int)status, work.message);
  if (r->message != NULL) ck_assert_msg(strstr(work.message, r->message) != NULL, "%s", work.message);
}
END_TEST

/* A nest of many padded loads: 64 questions are answered, 65 are too many. */
START_TEST(test_question_limit) {
  for (int loads = 64; loads <= 65; loads++) {
    atr_text text = atr_text_make(&arena);
    atr_text_puts(
        &text,
        "program m {\n buffer x arg 0 f32 10\n buffer y result 0 f32 10\n nest y {\n dims loop d:10\n %1 = const f32 0\n");
    for (int i = 0; i < loads; i++)
      atr_text_printf(&text, " %%%d = load x[0] f32 index (d - 1) of 10 by 1 else skip else %%1\n", i + 2);
    atr_text_printf(&text, " store y[d] %%%d\n }\n}\n", loads + 1);
    atr_work reading = work_on("nest", text.data, text.len);
    atr_program *program;
    ck_assert_msg(atr_program_read(&reading, &program) == ATR_OK, "%s", reading.message);
    atr_status status = atr_nest_build_tree(&work, program->nests[0]);
    ck_assert_int_eq(status, loads == 64 ? ATR_OK : ATR_UNSUPPORTED);
    if (loads == 65)
      ck_assert_msg(strstr(work.message, "nest y asks more than 64 bounds questions") != NULL, "%s", work.message);
  }
}
END_TEST

/* ---- the questions themselves */

START_TEST(test_answers) {
  atr_nest nest = {.dim_count = 2, .dims = {{.name = "a", .extent = 4}, {.name = "b", .extent = 3}}};
  const struct {
    int64_t a, b, offset, bound;
    atr_answer answer;
  } rows[] = {
      {1, 1, 0, 6, ATR_ALWAYS},     {1, 1, 0, 5, ATR_SOMETIMES}, {1, 1, -1, 6, ATR_SOMETIMES}, {1, 1, -6, 9, ATR_NEVER},
      {1, 1, -5, 9, ATR_SOMETIMES}, {1, 1, 9, 9, ATR_NEVER},     {1, 1, 8, 9, ATR_SOMETIMES},  {-1, 0, 3, 4, ATR_ALWAYS},
      {-1, 0, 2, 4, ATR_SOMETIMES}, {-2, 1, 6, 9, ATR_ALWAYS},   {-2, 1, -3, 9, ATR_NEVER},    {-2, 1, -2, 9, ATR_SOMETIMES},
      {0, 0, 0, 1, ATR_ALWAYS},     {0, 0, 0, 0, ATR_NEVER},
  };
  atr_box box = atr_nest_box(&nest);
  ck_assert(box.lo[0] == 0 && box.hi[0] == 4 && box.lo[1] == 0 && box.hi[1] == 3);
  for (int i = 0; i < COUNT(rows); i++) {
    atr_affine at = {.offset = rows[i].offset, .coef = {rows[i].a, rows[i].b}};
    ck_assert_msg(atr_bounds_answer(&nest, &at, rows[i].bound, &box) == rows[i].answer, "row %d", i);
  }
}
END_TEST

START_TEST(test_clips) {
  atr_nest nest = {.dim_count = 4,
                   .dims = {{.name = "o", .extent = 4, .kind = ATR_DIM_PARALLEL},
                            {.name = "k", .extent = 3, .reduced = true},
                            {.name = "c", .extent = 3, .reduced = true},
                            {.name = "v", .extent = 8, .kind = ATR_DIM_VECTOR}}};
  atr_index index = {.at = {.coef = {1, 1, 0, 0}}, .bound = 4, .divisor = 1};
  ck_assert(atr_index_clips(&nest, &index, 1) && !atr_index_clips(&nest, &index, 0) && !atr_index_clips(&nest, &index, 2));
  ck_assert(!atr_affine_has_inner(&nest, &index.at) && atr_affine_last_loop(&nest, &index.at) == 1);
  atr_index other = index;
  other.edge = ATR_EDGE_REFLECT;
  ck_assert(!atr_index_clips(&nest, &other, 1));
  other = index;
  other.divisor = 2;
  ck_assert(!atr_index_clips(&nest, &other, 1));
  other = index;
  other.at.coef[3] = 1;
  ck_assert(!atr_index_clips(&nest, &other, 1) && atr_affine_has_inner(&nest, &other.at));
  other = index;
  other.at.coef[1] = 0;
  ck_assert(!atr_index_clips(&nest, &other, 0) && atr_affine_last_loop(&nest, &other.at) == 0);
  other.at.coef[0] = 0;
  ck_assert_int_eq(atr_affine_last_loop(&nest, &other.at), -1);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("regions");
  TCase *tc = tcase_create("regions");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, test_questions_of_lhs);
  tcase_add_test(tc, test_one_dim_goes_on);
  tcase_add_loop_test(tc, test_trees, 0, COUNT(tree_rows));
  tcase_add_loop_test(tc, test_no_question_left, 0, COUNT(windows) * COUNT(edges));
  tcase_add_loop_test(tc, test_limits, 0, COUNT(limit_rows));
  tcase_add_test(tc, test_question_limit);
  tcase_add_test(tc, test_answers);
  tcase_add_test(tc, test_clips);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }

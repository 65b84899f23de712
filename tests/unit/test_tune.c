/* test_tune.c - the search for the best schedule, with a clock of our own.
 *
 * In: nests from HLO, and a bench that gives each schedule text a time without running anything. Out: the fastest text is
 * found, what cannot be made is left out, and everything that was made is dropped. */
#include "lower_fixture.h"

#include "base/checked.h"
#include "tune/tune.h"

typedef struct fake {
  const char *wanted; /* text that makes a variant fast; each occurrence halves its time */
  const char *unmade; /* text that cannot be made */
  double turn, budget; /* time that each turn takes of the budget */
  int unlucky;         /* the first so many that are made lie where everything takes three times as long */
  int made, dropped, runs, told;
} fake;

static atr_status fake_make(void *user, const char *schedule, void **variant) {
  fake *f = user;
  if (f->unmade != NULL && strstr(schedule, f->unmade) != NULL) return ATR_UNSUPPORTED;
  f->made++;
  *variant = atr_arena_printf(&arena, "%s%s", f->made <= f->unlucky ? "!" : "", schedule);
  return ATR_OK;
}

static double fake_run(void *user, void *variant, double *spent) {
  fake *f = user;
  double ns = *(const char *)variant == '!' ? 3000 : 1000;
  f->runs++;
  *spent += f->turn;
  for (const char *p = variant; (p = strstr(p, f->wanted)) != NULL; p++) ns /= 2;
  return ns;
}

static void fake_drop(void *user, void *variant) {
  (void)variant;
  ((fake *)user)->dropped++;
}

static void fake_tried(void *user, const char *nest, const char *schedule, const char *why, double ns) {
  (void)why;
  ck_assert(nest[0] != '\0' && schedule[0] != '\0' && ns > 0);
  ((fake *)user)->told++;
}

static const char DENSE[] = "x = f32[1,28,28,64] parameter(0) w = f32[3,3,64,64] parameter(1) ROOT y = f32[1,28,28,64] "
                            "convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f";
static const char TRANSPOSED[] = "x = f32[1,8,8,32] parameter(0) w = f32[4,4,32,32] parameter(1) ROOT y = f32[1,17,17,32] "
                                 "convolution(x, w), window={size=4x4 pad=2_3x2_3 lhs_dilate=2x2}, dim_labels=b01f_01io->b01f";

static atr_status tune(const char *instructions, fake *f, int most, atr_tuned *out) {
  const atr_program *problem = collapsed_of(instructions);
  const atr_tune_bench bench = {f, fake_make, fake_run, fake_drop};
  atr_tune_options options = {.constant_parameters = 2, .most = most, .budget_ns = f->budget, .tried = fake_tried, .user = f};
  atr_target target;
  ck_assert_int_eq(atr_target_select(&work, "x86_64-unknown-linux-gnu", "haswell", "", &target), ATR_OK);
  return atr_tune(&work, problem, &target, &options, &bench, out);
}

/* Where memory lies is chance: the last few are timed in other places too. */
START_TEST(test_places) {
  fake f = {.wanted = "no piece has this", .unlucky = 1}; /* the model's choice is made first */
  atr_tuned tuned;
  ck_assert_int_eq(tune(DENSE, &f, 32, &tuned), ATR_OK);
  ck_assert(tuned.model_ns == 1000 && tuned.best_ns == 1000);
  ck_assert_int_eq(f.made, f.dropped);
}
END_TEST

/* Neighbours are walked to: no schedule of the model's ranking need have the wanted piece. */
START_TEST(test_finds_fastest) {
  fake f = {.wanted = "ic:5"}; /* does not divide 64 */
  atr_tuned tuned;
  ck_assert_int_eq(tune(DENSE, &f, 200, &tuned), ATR_OK);
  ck_assert_msg(strstr(tuned.schedule, "ic:5") != NULL, "%s", tuned.schedule);
  ck_assert(tuned.best_ns < tuned.model_ns && tuned.model_ns == 1000);
  ck_assert(tuned.tried <= 200 && tuned.tried > 50);
  ck_assert_int_eq(f.made, f.dropped);
  ck_assert_int_eq(f.told, tuned.tried - tuned.refused);
  ck_assert_int_eq(f.told, f.made - 2 * 7); /* the model's choice and six more are made again for two more places */
  ck_assert(f.runs > f.made); /* every one is run more than once in the end, or dropped for being slow */
}
END_TEST

/* The model's choice is a line of its own in the result when nothing is faster. */
START_TEST(test_keeps_the_choice) {
  fake f = {.wanted = "no such text"};
  atr_tuned tuned;
  atr_schedule schedule;
  atr_target target;
  const char *why;
  ck_assert_int_eq(tune(DENSE, &f, 20, &tuned), ATR_OK);
  const atr_nest *nest = collapsed_of(DENSE)->nests[0];
  ck_assert_int_eq(atr_target_select(&work, "x86_64-unknown-linux-gnu", "haswell", "", &target), ATR_OK);
  atr_schedule_setting setting = {.target = &target, .rhs_constant = true, .nests = 1};
  atr_schedule_choose(&arena, nest, &setting, &schedule, &why);
  ck_assert_str_eq(tuned.schedule, atr_arena_printf(&arena, "%s: %s\n", nest->name, schedule_text(nest, &schedule)));
  ck_assert(tuned.best_ns == tuned.model_ns);
}
END_TEST

/* The finalists share the budget: what their turns took counts, not the least time of a run; three turns each are always there. */
START_TEST(test_budget) {
  static const struct {
    double turn;
    int least, most;
  } cases[] = {{1e6, 0, 100}, {1e3, 1000, 1100}, {250, 4000, 4100}};
  for (int i = 0; i < COUNT(cases); i++) {
    fake f = {.wanted = "no such text", .turn = cases[i].turn, .budget = 1e6};
    atr_tuned tuned;
    ck_assert_int_eq(tune(DENSE, &f, 10, &tuned), ATR_OK);
    ck_assert_msg(f.runs >= cases[i].least && f.runs <= cases[i].most, "%d runs of %g", f.runs, f.turn);
    ck_assert(tuned.model_ns == 1000);
  }
}
END_TEST

START_TEST(test_leaves_out_what_cannot_be_made) {
  fake f = {.wanted = "oc:3", .unmade = "oc:3"};
  atr_tuned tuned;
  ck_assert_int_eq(tune(DENSE, &f, 100, &tuned), ATR_OK);
  ck_assert(tuned.refused > 0 && strstr(tuned.schedule, "oc:3") == NULL);
  ck_assert_int_eq(f.made, f.dropped);
}
END_TEST

START_TEST(test_nothing_can_be_made) {
  fake f = {.wanted = "x", .unmade = ""};
  atr_tuned tuned;
  ck_assert_int_eq(tune(DENSE, &f, 10, &tuned), ATR_UNSUPPORTED);
  ck_assert_int_eq(f.made, 0);
}
END_TEST

/* Every residue class of other size is a nest of its own, and every text tried names the nests settled before it. */
START_TEST(test_every_nest_gets_a_line) {
  fake f = {.wanted = "ox:11"};
  atr_tuned tuned;
  ck_assert_int_eq(tune(TRANSPOSED, &f, 60, &tuned), ATR_OK);
  int lines = 0;
  for (const char *p = tuned.schedule; *p != '\0'; p++) lines += *p == '\n';
  ck_assert_int_eq(lines, collapsed_of(TRANSPOSED)->nest_count);
  ck_assert_int_eq(lines, 4);
  ck_assert_int_eq(f.made, f.dropped);
}
END_TEST

/* ---- a selection */

static atr_status choose(const char *instructions, fake *f, int most, atr_selected *out) {
  const atr_program *problem = collapsed_of(instructions);
  const atr_tune_bench bench = {f, fake_make, fake_run, fake_drop};
  atr_tune_options options = {.constant_parameters = 2, .most = most};
  atr_target target;
  ck_assert_int_eq(atr_target_select(&work, "x86_64-unknown-linux-gnu", "haswell", "", &target), ATR_OK);
  return atr_tune_select(&work, problem, &target, &options, &bench, out);
}

/* The reduced part of a schedule's text. */
static const char *reduction(const char *schedule) {
  const char *from = strstr(schedule, "reduce"), *to = strchr(from, ';');
  return atr_arena_string(&arena, from, (size_t)(to - from));
}

START_TEST(test_selection) {
  fake slow = {.wanted = "no such text"};
  atr_selected selected;
  ck_assert_int_eq(choose(DENSE, &slow, 6, &selected), ATR_OK);
  ck_assert_ptr_null(selected.schedule); /* nothing is faster */
  ck_assert(slow.made > 2 && slow.made <= 6 && slow.made == slow.dropped);
  ck_assert_ptr_nonnull(strstr(selected.report, "the cost model's choice first: 1 1"));
  atr_schedule schedule;
  atr_target target;
  const char *why;
  ck_assert_int_eq(atr_target_select(&work, "x86_64-unknown-linux-gnu", "haswell", "", &target), ATR_OK);
  const atr_nest *nest = collapsed_of(DENSE)->nests[0];
  atr_schedule_choose(&arena, nest, &(atr_schedule_setting){.target = &target, .rhs_constant = true, .nests = 1}, &schedule,
                      &why);
  /* whatever of the others is fastest: it cuts the reduction as the choice does */
  static const char *const tiles[] = {"ox:4", "ox:5", "ox:7", "oc:3", "oc:1", "oy:2"};
  int faster = 0;
  for (int i = 0; i < COUNT(tiles); i++) {
    fake f = {.wanted = tiles[i]};
    ck_assert_int_eq(choose(DENSE, &f, 6, &selected), ATR_OK);
    ck_assert_int_eq(f.made, f.dropped);
    if (selected.schedule == NULL) continue;
    faster++;
    ck_assert_ptr_nonnull(selected.why);
    ck_assert_str_eq(reduction(selected.schedule), reduction(schedule_text(nest, &schedule)));
  }
  ck_assert_int_gt(faster, 0);
}
END_TEST

START_TEST(test_selection_of_residues) {
  fake f = {.wanted = "vector"};
  atr_selected selected;
  f.unmade = "vector";
  ck_assert_int_eq(choose(TRANSPOSED, &f, 4, &selected), ATR_UNSUPPORTED);
  f = (fake){.wanted = "oy:3"};
  ck_assert_int_eq(choose(TRANSPOSED, &f, 4, &selected), ATR_OK);
  /* the nest with the most work, alone */
  ck_assert_ptr_nonnull(selected.schedule);
  ck_assert_msg(strncmp(selected.schedule, "y.oy0.ox0: ", 11) == 0, "%s", selected.schedule);
  ck_assert_ptr_eq(strchr(selected.schedule, '\n'), selected.schedule + strlen(selected.schedule) - 1);
  ck_assert_int_eq(choose("x = f32[4,5] parameter(0) ROOT y = negate(x)", &f, 4, &selected), ATR_OK);
  ck_assert_ptr_null(selected.schedule);
  ck_assert_ptr_nonnull(strstr(selected.report, "there is no sum"));
}
END_TEST

/* What is tried is compiled for this machine and run: all of a selection have the bits of the first, the model's choice. */
typedef struct runner {
  atr_context *context;
  atr_module *module;
  void *results[2]; /* of the first schedule, and of the one that is tried */
  const void *args[2];
  size_t bytes;
  int made;
} runner;

static atr_status runner_make(void *user, const char *schedule, void **variant) {
  runner *r = user;
  atr_executable *executable;
  const atr_compile_options options = {.size = sizeof options, .schedule = schedule, .constant_parameters = 2};
  ck_assert_msg(atr_compile(r->context, r->module, &options, &executable) == ATR_OK, "%s", atr_context_message(r->context));
  ck_assert_int_eq(atr_executable_run(executable, r->args, (void *const[]){r->results[r->made > 0]}, NULL), ATR_OK);
  atr_executable_release(executable);
  ck_assert_msg(memcmp(r->results[0], r->results[r->made > 0], r->bytes) == 0, "other bits: %s", schedule);
  r->made++;
  *variant = r;
  return ATR_OK;
}

static double runner_run(void *user, void *variant, double *spent) {
  (void)user;
  (void)variant;
  *spent += 1e9;
  return 1000;
}

static void runner_drop(void *user, void *variant) {
  (void)user;
  (void)variant;
}

static void *numbers(const atr_shape *shape, uint32_t seed) {
  float *data = atr_arena_alloc(&arena, (size_t)atr_shape_bytes(shape));
  for (int64_t i = 0; i < atr_shape_elements(shape); i++) {
    seed = seed * 1664525 + 1013904223;
    data[i] = (float)(seed >> 8) / 0x1p24f - 0.5f;
  }
  return data;
}

static const char *const ORDERED[] = {
    /* reversed images, of which pixels and taps share elements, or features and taps do not */
    "x0 = f32[1,34,1] parameter(0) w = f32[5,1,16] parameter(1) x = f32[1,34,1] reverse(x0), dimensions={1} "
    "ROOT y = f32[1,30,16] convolution(x, w), window={size=5}, dim_labels=b0f_0io->b0f",
    "x0 = f32[1,9,32] parameter(0) w = f32[3,1,32] parameter(1) x = f32[1,9,32] reverse(x0), dimensions={1} "
    "ROOT y = f32[1,7,32] convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f, feature_group_count=32",
    /* two unrolled taps, of which copies of rows share one and copies of columns the other */
    "x = f32[1,12,12,16] parameter(0) w = f32[3,3,1,16] parameter(1) ROOT y = f32[1,12,12,16] convolution(x, w), "
    "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, feature_group_count=16",
    "x = f32[1,20,20,1] parameter(0) w = f32[3,3,1,8] parameter(1) ROOT y = f32[1,20,18,8] convolution(x, w), "
    "window={size=3x3 pad=1_1x2_0 rhs_dilate=1x2}, dim_labels=b01f_01io->b01f",
    "x = f32[1,16,16,3] parameter(0) w = f32[3,3,3,16] parameter(1) ROOT y = f32[1,8,8,16] convolution(x, w), "
    "window={size=3x3 stride=2x2 pad=0_1x0_1 rhs_reversal=1x1}, dim_labels=b01f_01io->b01f"};

START_TEST(test_selection_keeps_bits) {
  static const char *const cpus[] = {"haswell", "znver5", "x86-64"};
  const char *text = atr_arena_printf(&arena, "HloModule m\n\nENTRY main {\n  %s\n}\n", ORDERED[_i / COUNT(cpus)]);
  runner r = {.made = 0};
  ck_assert_int_eq(atr_context_create(NULL, &r.context), ATR_OK);
  ck_assert_int_eq(atr_module_parse(r.context, "m", text, -1, &r.module), ATR_OK);
  for (int i = 0; i < 2; i++) r.args[i] = numbers(atr_module_parameter_shape(r.module, i), 17 + (uint32_t)i);
  r.bytes = (size_t)atr_shape_bytes(atr_module_result_shape(r.module, 0));
  for (int i = 0; i < 2; i++) r.results[i] = atr_arena_alloc(&arena, r.bytes);
  const atr_tune_bench bench = {&r, runner_make, runner_run, runner_drop};
  atr_tune_options options = {.constant_parameters = 2, .most = 12};
  atr_target target;
  atr_selected selected;
  ck_assert_int_eq(atr_target_select(&work, "x86_64-unknown-linux-gnu", cpus[_i % COUNT(cpus)], "", &target), ATR_OK);
  const atr_program *problem = collapsed_of(ORDERED[_i / COUNT(cpus)]);
  ck_assert_int_eq(atr_tune_select(&work, problem, &target, &options, &bench, &selected), ATR_OK);
  ck_assert_int_gt(r.made, 0);
  atr_module_destroy(r.module);
  atr_context_destroy(r.context);
}
END_TEST

/* Where the model's choice cannot be made the fastest of the others is taken, however little faster it is. */
START_TEST(test_selection_without_the_choice) {
  const atr_nest *nest = collapsed_of(DENSE)->nests[0];
  atr_schedule schedule;
  atr_target target;
  const char *why;
  ck_assert_int_eq(atr_target_select(&work, "x86_64-unknown-linux-gnu", "haswell", "", &target), ATR_OK);
  atr_schedule_choose(&arena, nest, &(atr_schedule_setting){.target = &target, .rhs_constant = true, .nests = 1}, &schedule,
                      &why);
  fake f = {.wanted = "no such text", .unmade = atr_arena_printf(&arena, "y: %s\n", schedule_text(nest, &schedule))};
  atr_selected selected;
  ck_assert_int_eq(choose(DENSE, &f, 6, &selected), ATR_OK);
  ck_assert_ptr_nonnull(selected.schedule);
  ck_assert_ptr_nonnull(strstr(selected.report, "without the cost model's choice"));
  atr_tuned tuned;
  ck_assert_int_eq(tune(DENSE, &f, 8, &tuned), ATR_OK);
  ck_assert(tuned.model_ns == 0 && tuned.best_ns > 0 && tuned.refused > 0);
}
END_TEST

/* The ranking that the search starts from: legal, different, best first. */
START_TEST(test_ranking) {
  const atr_nest *nest = collapsed_of(DENSE)->nests[0];
  atr_choice choices[64];
  atr_target target;
  ck_assert_int_eq(atr_target_select(&work, "x86_64-unknown-linux-gnu", "haswell", "", &target), ATR_OK);
  int count = atr_schedule_rank(&arena, nest, &(atr_schedule_setting){.target = &target, .rhs_constant = true, .nests = 1}, 64,
                                choices);
  ck_assert_int_eq(count, 64);
  for (int i = 0; i < count; i++) {
    ck_assert_int_eq(atr_schedule_check(&work, nest, &choices[i].schedule), ATR_OK);
    ck_assert(i == 0 || choices[i].cycles >= choices[i - 1].cycles);
    for (int j = 0; j < i; j++)
      ck_assert_str_ne(schedule_text(nest, &choices[i].schedule), schedule_text(nest, &choices[j].schedule));
  }
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("tune");
  TCase *tc = tcase_create("tune");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, test_places);
  tcase_add_test(tc, test_finds_fastest);
  tcase_add_test(tc, test_keeps_the_choice);
  tcase_add_test(tc, test_budget);
  tcase_add_test(tc, test_leaves_out_what_cannot_be_made);
  tcase_add_test(tc, test_nothing_can_be_made);
  tcase_add_test(tc, test_every_nest_gets_a_line);
  tcase_add_test(tc, test_ranking);
  tcase_add_test(tc, test_selection);
  tcase_add_test(tc, test_selection_of_residues);
  tcase_add_loop_test(tc, test_selection_keeps_bits, 0, 3 * COUNT(ORDERED));
  tcase_add_test(tc, test_selection_without_the_choice);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }

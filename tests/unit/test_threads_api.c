/* test_threads_api.c - the public API from many threads, as atrous.h allows it. Also built with ThreadSanitizer.
 *
 * Each row of the table below is what a few threads do at the same time, some times each, with one shared state: runs of one
 * executable with arguments of their own; runs while the context's one compiling thread makes and frees others; references
 * taken and dropped; texts; contexts of their own. Every result is compared bit by bit with that of one thread before.
 *
 * The convolution is large enough to be shared out to the context's pool and to have scratch and a packed block:
 *
 *     c = convolution(x, w)   d = convolution(c, w)   y = d + b */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atrous/atrous.h"
#include "support.h"

enum { EXTENT = 40, FEATURES = 8, X = EXTENT * EXTENT * FEATURES, W = 9 * FEATURES * FEATURES, THREADS = 4, ROUNDS = 6 };

#define CONV(operand) "f32[1,40,40,8] convolution(" operand ", w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f\n"
static const char text[] = "HloModule threads\nENTRY e {\n  x = f32[1,40,40,8] parameter(0)\n  w = f32[3,3,8,8] parameter(1)\n"
                           "  b = f32[1,40,40,8] parameter(2)\n  c = " CONV("x") "  d = " CONV(
                               "c") "  ROOT y = f32[1,40,40,8] add(d, b)\n}\n";

/* ---- what the threads share */

typedef struct shared {
  atr_context *context;
  atr_executable *executable;
  void *packed;
  float x[THREADS][X], want[THREADS][X], w[W];
  _Atomic int next, failures;
} shared;

static bool run(const shared *s, const atr_executable *executable, int k, int threads, const void *packed) {
  float *y = malloc(sizeof s->want[k]);
  atr_run_options options = {.size = sizeof options, .packed = packed, .threads = threads};
  const void *const args[] = {s->x[k], s->w, s->x[(k + 1) % THREADS]};
  bool ok = y != NULL && atr_executable_run(executable, args, (void *const[]){y}, &options) == ATR_OK &&
            memcmp(y, s->want[k], sizeof s->want[k]) == 0;
  free(y);
  return ok;
}

static atr_executable *compile(atr_context *context) {
  atr_module *module = NULL;
  atr_executable *executable = NULL;
  atr_compile_options options = {.size = sizeof options, .constant_parameters = 2};
  if (atr_module_parse(context, "threads", text, -1, &module) != ATR_OK) return NULL;
  if (atr_compile(context, module, &options, &executable) != ATR_OK) executable = NULL;
  atr_module_destroy(module);
  return executable;
}

static shared *make_shared(void) {
  shared *s = calloc(1, sizeof *s);
  ck_assert_ptr_nonnull(s);
  atr_context_options options = {.size = sizeof options, .threads = 3};
  ck_assert_int_eq(atr_context_create(&options, &s->context), ATR_OK);
  s->executable = compile(s->context);
  ck_assert_ptr_nonnull(s->executable);
  for (int i = 0; i < W; i++) s->w[i] = (float)(i % 7 - 3) / 8;
  for (int k = 0; k < THREADS; k++)
    for (int i = 0; i < X; i++) s->x[k][i] = (float)((i * 31 + k) % 101) / 7;
  ck_assert_uint_gt(atr_executable_packed_size(s->executable), 0);
  size_t alignment = atr_executable_scratch_alignment(s->executable), size = atr_executable_packed_size(s->executable);
  s->packed = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  ck_assert_int_eq(atr_executable_prepack(s->executable, (const void *const[]){s->x[0], s->w, s->x[0]}, s->packed), ATR_OK);
  for (int k = 0; k < THREADS; k++) {
    const void *const args[] = {s->x[k], s->w, s->x[(k + 1) % THREADS]};
    ck_assert_int_eq(atr_executable_run(s->executable, args, (void *const[]){s->want[k]}, NULL), ATR_OK);
  }
  return s;
}

static void free_shared(shared *s) {
  atr_executable_release(s->executable);
  atr_context_destroy(s->context);
  free(s->packed);
  free(s);
}

/* ---- what one thread does; k: which one it is */

static bool run_often(shared *s, int k) {
  bool ok = true;
  for (int i = 0; i < ROUNDS; i++) ok = run(s, s->executable, k, i % 3, i % 2 != 0 ? s->packed : NULL) && ok;
  return ok;
}

/* Thread 0 is the one that may use the context. */
static bool compile_beside_runs(shared *s, int k) {
  bool ok = true;
  if (k > 0) return run_often(s, k) && run_often(s, k);
  for (int i = 0; i < 3; i++) {
    char *explained = NULL;
    atr_executable *made = compile(s->context);
    ok = ok && made != NULL && run(s, made, k, 0, NULL) && atr_executable_explain(s->context, made, &explained) == ATR_OK;
    atr_string_free(s->context, explained);
    if (made != NULL) atr_executable_release(made);
  }
  return ok;
}

static bool hold_and_run(shared *s, int k) {
  bool ok = true;
  for (int i = 0; i < 200; i++) {
    atr_executable *mine = atr_executable_retain(s->executable);
    if (i % 50 == k) ok = run(s, mine, k, 1, s->packed) && ok;
    atr_executable_release(mine);
  }
  return ok;
}

/* Some texts are the same for all threads, which then share an executable of the cache or compile it together. */
static bool run_texts(shared *s, int k) {
  bool ok = true;
  for (int i = 0; i < ROUNDS; i++) {
    char own[128];
    int32_t x[2] = {7, 9}, y[2] = {0, 0}, add = i % 2 != 0 ? i : 100 * k + i;
    snprintf(own, sizeof own,
             "HloModule m\nENTRY e {\n  x = s32[2] parameter(0)\n  k = s32[2] constant({%d, 1})\n"
             "  ROOT y = s32[2] add(x, k)\n}\n",
             (int)add);
    ok = atr_run_text(own, -1, (const void *const[]){x}, (void *const[]){y}) == ATR_OK && y[0] == 7 + add && y[1] == 10 && ok;
    ok = atr_run_text("?", -1, NULL, NULL) != ATR_OK && atr_last_error()[0] != '\0' && ok;
  }
  (void)s;
  return ok;
}

static bool own_context(shared *s, int k) {
  atr_context *context;
  atr_context_options options = {.size = sizeof options, .threads = 2};
  if (atr_context_create(&options, &context) != ATR_OK) return false;
  atr_executable *made = compile(context);
  bool ok = made != NULL && run(s, made, k, 0, NULL) && run(s, s->executable, k, 0, NULL);
  if (made != NULL) atr_executable_release(made);
  atr_context_destroy(context);
  return ok;
}

static bool (*const acts[])(shared *s, int k) = {run_often, compile_beside_runs, hold_and_run, run_texts, own_context};

/* ---- all at the same time */

typedef struct actor {
  shared *s;
  bool (*act)(shared *s, int k);
} actor;

static void *play(void *arg) {
  const actor *a = arg;
  if (!a->act(a->s, atomic_fetch_add(&a->s->next, 1))) atomic_fetch_add(&a->s->failures, 1);
  return NULL;
}

START_TEST(test_act) {
  shared *s = make_shared();
  actor a = {s, acts[_i]};
  pthread_t threads[THREADS];
  for (int t = 0; t < THREADS; t++) ck_assert_int_eq(pthread_create(&threads[t], NULL, play, &a), 0);
  for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
  ck_assert_int_eq(atomic_load(&s->failures), 0);
  free_shared(s);
}
END_TEST

/* The last reference may be dropped by any thread, when the context's owner has dropped its own. */
static void *run_and_release(void *arg) {
  shared *s = arg;
  int k = atomic_fetch_add(&s->next, 1);
  if (!run(s, s->executable, k, 0, NULL)) atomic_fetch_add(&s->failures, 1);
  atr_executable_release(s->executable);
  return NULL;
}

START_TEST(test_last_reference) {
  shared *s = make_shared();
  pthread_t threads[THREADS];
  for (int t = 1; t < THREADS; t++) atr_executable_retain(s->executable);
  for (int t = 0; t < THREADS; t++) ck_assert_int_eq(pthread_create(&threads[t], NULL, run_and_release, s), 0);
  for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
  ck_assert_int_eq(atomic_load(&s->failures), 0);
  s->executable = compile(s->context);
  free_shared(s);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("threads_api");
  TCase *tcase = tcase_create("at the same time");
  tcase_add_loop_test(tcase, test_act, 0, COUNT(acts));
  tcase_add_test(tcase, test_last_reference);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}

/* test_run_text.c - one call, text in: results, errors of each thread, the two shims, more texts than the cache holds, many
 * threads at once, and children of a process that is in the middle of it. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "atrous/atrous.h"
#include "support.h"

static const char conv[] =
  "HloModule conv\n"
  "ENTRY e {\n"
  "  x = f32[1,5,1] parameter(0)\n"
  "  w = f32[3,1,1] parameter(1)\n"
  "  ROOT c = f32[1,3,1] convolution(x, w), window={size=3}, dim_labels=b0f_0io->b0f\n"
  "}\n";
static const float x_data[5] = {1, 2, 3, 4, 5}, w_data[3] = {1, 10, 100}, y_expected[3] = {321, 432, 543};

/* y = x + k, a text of its own for each k; a kernel may be named as anything in it. */
static bool run_numbered(int k) {
  char text[256];
  static const char format[] =
    "HloModule constant\n"
    "ENTRY e {\n"
    "  x = s32[2] parameter(0)\n"
    "  k = s32[2] constant({%d, %d})\n"
    "  ROOT y = s32[2] add(x, k)\n"
    "}\n";
  snprintf(text, sizeof text, format, k, -k);
  int32_t x[2] = {1000000, 2000000}, y[2] = {0, 0};
  int status = atr_run_text(text, -1, (const void *const[]){x}, (void *const[]){y});
  return status == ATR_OK && y[0] == 1000000 + k && y[1] == 2000000 - k;
}

START_TEST(test_results) {
  float y[3] = {0};
  const void *const args[] = {x_data, w_data};
  void *const results[] = {y};
  ck_assert_str_eq(atr_last_error(), "");
  ck_assert_msg(atr_run_text(conv, -1, args, results) == 0, "%s", atr_last_error());
  ck_assert_mem_eq(y, y_expected, sizeof y);
  memset(y, 0, sizeof y); /* known now, and by its length, without a NUL */
  size_t len = strlen(conv);
  char *text = malloc(len);
  memcpy(text, conv, len);
  ck_assert_int_eq(atr_run_text(text, (int64_t)len, args, results), 0);
  ck_assert_mem_eq(y, y_expected, sizeof y);
  free(text);
}
END_TEST

START_TEST(test_errors) {
  float y[3] = {-1, -1, -1};
  const void *const args[] = {x_data, w_data}, *const hole[] = {x_data, NULL};
  const void *const odd[] = {(const char *)x_data + 1, w_data};
  void *const results[] = {y}, *const nowhere[] = {NULL};
  const char *unknown = "HloModule m\nENTRY e {\n  ROOT y = f32[2] negate(nobody)\n}\n";
  ck_assert_int_eq(atr_run_text(unknown, -1, args, results), ATR_PARSE_ERROR);
  ck_assert_ptr_nonnull(strstr(atr_last_error(), ":3:"));
  ck_assert_ptr_nonnull(strstr(atr_last_error(), "nobody"));
  ck_assert_int_eq(atr_run_text(conv, -1, hole, results), ATR_INVALID_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(atr_last_error(), "argument 1 is NULL"));
  ck_assert_int_eq(atr_run_text(conv, -1, odd, results), ATR_INVALID_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(atr_last_error(), "argument 0 is not aligned"));
  ck_assert_int_eq(atr_run_text(conv, -1, args, nowhere), ATR_INVALID_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(atr_last_error(), "result 0 is NULL"));
  ck_assert_int_eq(atr_run_text(conv, -1, NULL, results), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_run_text(conv, -1, args, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_run_text(NULL, -1, args, results), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_run_text(conv, -2, args, results), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_run_text("", -1, args, results), ATR_PARSE_ERROR);
  ck_assert(y[0] == -1.0f && y[2] == -1.0f);
}
END_TEST

static void *see_own_error(void *arg) {
  bool clean = *atr_last_error() == '\0';
  bool failed = atr_run_text("second", -1, NULL, NULL) != 0 && strstr(atr_last_error(), "second") != NULL;
  return clean && failed ? arg : NULL;
}

START_TEST(test_errors_are_per_thread) {
  ck_assert_int_ne(atr_run_text("first", -1, NULL, NULL), 0);
  char before[2048];
  snprintf(before, sizeof before, "%s", atr_last_error());
  pthread_t other;
  void *right;
  ck_assert_int_eq(pthread_create(&other, NULL, see_own_error, before), 0);
  pthread_join(other, &right);
  ck_assert_ptr_eq(right, before);
  ck_assert_str_eq(atr_last_error(), before);
}
END_TEST

/* ---- shims */

START_TEST(test_by_pointer) {
  float y[3] = {0};
  char *text = strdup(conv);
  const void *args[] = {x_data, w_data};
  void *results[] = {y};
  int rc = -1;
  atr_run_text_p(&text, args, results, &rc);
  ck_assert_int_eq(rc, 0);
  ck_assert_mem_eq(y, y_expected, sizeof y);
  text[0] = '?';
  atr_run_text_p(&text, args, results, &rc);
  ck_assert_int_eq(rc, ATR_PARSE_ERROR);
  atr_run_text_p(NULL, args, results, &rc);
  ck_assert_int_eq(rc, ATR_INVALID_ARGUMENT);
  atr_run_text_p(&text, args, results, NULL);
  free(text);
}
END_TEST

START_TEST(test_argv) {
  float x[5], w[3], y[3] = {0};
  memcpy(x, x_data, sizeof x);
  memcpy(w, w_data, sizeof w);
  char *text = strdup(conv);
  void *argv[] = {text, x, w, y, NULL};
  ck_assert_int_eq(atr_run_text_argv(4, argv), 0);
  ck_assert_mem_eq(y, y_expected, sizeof y);
  ck_assert_int_eq(atr_run_text_argv(3, argv), ATR_INVALID_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(atr_last_error(), "2 arguments and 1 results"));
  ck_assert_int_eq(atr_run_text_argv(5, argv), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_run_text_argv(0, argv), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_run_text_argv(-1, argv), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_run_text_argv(4, NULL), ATR_INVALID_ARGUMENT);
  free(text);
}
END_TEST

/* ---- the cache */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A known text costs far less than a new one: 200 compilations against as many runs. */
START_TEST(test_known_texts_are_quick) {
  double new_time = 0, known_time = 0;
  ck_assert(run_numbered(-1));
  for (int k = 0; k < 200; k++) {
    double start = seconds();
    ck_assert(run_numbered(k));
    double middle = seconds();
    ck_assert(run_numbered(-1));
    known_time += seconds() - middle;
    new_time += middle - start;
  }
  ck_assert_msg(known_time < new_time / 10, "known %g s, new %g s", known_time, new_time);
}
END_TEST

START_TEST(test_more_texts_than_places) {
  for (int round = 0; round < 2; round++)
    for (int k = 0; k < 150; k++) ck_assert_msg(run_numbered(k), "%s", atr_last_error());
}
END_TEST

/* ---- threads and fork */

typedef struct crowd {
  _Atomic int failures;
  _Atomic bool stop;
} crowd;

static void *run_many(void *arg) {
  crowd *c = arg;
  for (int k = 0; k < 60; k++)
    if (!run_numbered(k) || !run_numbered(7)) atomic_fetch_add(&c->failures, 1);
  return NULL;
}

/* All ask for the same new texts at the same time. */
START_TEST(test_many_threads) {
  crowd c = {0};
  pthread_t threads[4];
  for (int k = 0; k < 4; k++) ck_assert_int_eq(pthread_create(&threads[k], NULL, run_many, &c), 0);
  for (int k = 0; k < 4; k++) pthread_join(threads[k], NULL);
  ck_assert_int_eq(atomic_load(&c.failures), 0);
}
END_TEST

static void *run_until_stop(void *arg) {
  crowd *c = arg;
  for (int k = 0; !atomic_load(&c->stop); k++)
    if (!run_numbered(k % 100)) atomic_fetch_add(&c->failures, 1);
  return NULL;
}

/* A child runs a text that is perhaps being compiled by a thread it does not have, and a new one; SIGALRM ends a hang. */
START_TEST(test_fork) {
  crowd c = {0};
  pthread_t threads[2];
  ck_assert(run_numbered(3));
  for (int k = 0; k < 2; k++) ck_assert_int_eq(pthread_create(&threads[k], NULL, run_until_stop, &c), 0);
  for (int k = 0; k < 20; k++) {
    pid_t child = fork();
    if (child == 0) {
      alarm(30);
      _exit(run_numbered(3) && run_numbered(k) && run_numbered(1000 + k) ? 0 : 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
  }
  atomic_store(&c.stop, true);
  for (int k = 0; k < 2; k++) pthread_join(threads[k], NULL);
  ck_assert_int_eq(atomic_load(&c.failures), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("run_text");
  TCase *tcase = tcase_create("run_text");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, test_results);
  tcase_add_test(tcase, test_errors);
  tcase_add_test(tcase, test_errors_are_per_thread);
  tcase_add_test(tcase, test_by_pointer);
  tcase_add_test(tcase, test_argv);
  tcase_add_test(tcase, test_known_texts_are_quick);
  tcase_add_test(tcase, test_more_texts_than_places);
  tcase_add_test(tcase, test_many_threads);
  tcase_add_test(tcase, test_fork);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}

/* test_threads.c - loops on a context's threads: every index exactly once whatever the numbers, really in parallel, lazily,
 * nested, from many callers, after fork, and on the caller's own threads. Also built with ThreadSanitizer, which cannot follow
 * a fork from a process with threads, and has a thread of its own: a few tests are left out there. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "runtime/threads.h"
#include "support.h"

#if defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#endif

enum { MAX_N = 2000 };

static atr_threads *make(const atr_host *host, int count) {
  atr_threads *threads = atr_threads_create(atr_default_realloc, NULL, host, count);
  ck_assert_ptr_nonnull(threads);
  return threads;
}

/* As a kernel does it: without a parallel_for the loop is its own. */
static void run_loop(atr_threads *threads, int limit, int64_t n, void (*body)(void *, int64_t), void *arg) {
  atr_threads_run run = {threads, limit};
  atr_host host = atr_threads_host(&run);
  if (host.parallel_for != NULL) host.parallel_for(host.user, n, body, arg);
  else
    for (int64_t i = 0; i < n; i++) body(arg, i);
}

/* Plain, not atomic: two threads on one index are a race that ThreadSanitizer reports, and so is a result that is read too
 * early. */
static void count_index(void *arg, int64_t i) { ((int *)arg)[i]++; }

static bool each_once(atr_threads *threads, int limit, int64_t n) {
  int counts[MAX_N + 1] = {0};
  run_loop(threads, limit, n, count_index, counts);
  for (int64_t i = 0; i < n; i++)
    if (counts[i] != 1) return false;
  return counts[n] == 0;
}

START_TEST(test_each_index_once) {
  static const int64_t extents[] = {0, 1, 2, 3, 5, 16, 63, 64, 65, 1000, MAX_N};
  for (int count = 0; count <= 5; count++) {
    atr_threads *threads = make(NULL, count);
    for (size_t e = 0; e < sizeof extents / sizeof *extents; e++)
      for (int limit = 0; limit <= 6; limit++) ck_assert(each_once(threads, limit, extents[e]));
    atr_threads_destroy(threads);
  }
}
END_TEST

/* ---- really parallel, and not more than asked for */

/* Two iterations that wait for each other end only if they run at the same time. */
typedef struct meeting {
  _Atomic int arrived;
  _Atomic bool missed;
} meeting;

static void meet(void *arg, int64_t i) {
  (void)i;
  meeting *m = arg;
  atomic_fetch_add(&m->arrived, 1);
  for (int waited = 0; atomic_load(&m->arrived) < 2; waited++) {
    if (waited == 10000) {
      atomic_store(&m->missed, true);
      return;
    }
    nanosleep(&(struct timespec){0, 1000000}, NULL);
  }
}

static bool is_parallel(atr_threads *threads) {
  meeting m = {0};
  run_loop(threads, 0, 2, meet, &m);
  return !atomic_load(&m.missed);
}

START_TEST(test_runs_in_parallel) {
  atr_threads *threads = make(NULL, 2);
  ck_assert(is_parallel(threads));
  ck_assert(is_parallel(threads)); /* the pool is free again after a loop */
  atr_threads_destroy(threads);
}
END_TEST

typedef struct roll {
  pthread_mutex_t mutex;
  pthread_t seen[8];
  int count;
} roll;

static void enrol(void *arg, int64_t i) {
  (void)i;
  roll *r = arg;
  nanosleep(&(struct timespec){0, 200000}, NULL);
  pthread_mutex_lock(&r->mutex);
  int k = 0;
  while (k < r->count && !pthread_equal(r->seen[k], pthread_self())) k++;
  if (k == r->count && k < 8) r->seen[r->count++] = pthread_self();
  pthread_mutex_unlock(&r->mutex);
}

static int threads_of_loop(atr_threads *threads, int limit) {
  roll r = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  run_loop(threads, limit, 101, enrol, &r);
  return r.count;
}

START_TEST(test_limit) {
  atr_threads *threads = make(NULL, 4);
  ck_assert_int_eq(threads_of_loop(threads, 1), 1);
  ck_assert_int_le(threads_of_loop(threads, 2), 2);
  ck_assert_int_le(threads_of_loop(threads, 3), 3);
  ck_assert_int_le(threads_of_loop(threads, 0), 4);
  ck_assert_int_ge(threads_of_loop(threads, 0), 2);
  atr_threads_destroy(threads);
}
END_TEST

START_TEST(test_one_is_serial) {
  atr_threads *threads = make(NULL, 1);
  atr_threads_run all = {threads, 0};
  ck_assert_ptr_null(atr_threads_host(&all).parallel_for);
  atr_threads_destroy(threads);
  threads = make(NULL, 3);
  atr_threads_run one = {threads, 1};
  ck_assert_ptr_null(atr_threads_host(&one).parallel_for);
  atr_threads_destroy(threads);
}
END_TEST

static int threads_of_process(void) {
  DIR *dir = opendir("/proc/self/task");
  int count = 0;
  if (dir == NULL) return -1;
  for (const struct dirent *e; (e = readdir(dir)) != NULL;) count += e->d_name[0] != '.';
  closedir(dir);
  return count;
}

typedef struct signals {
  pthread_t caller;
  meeting meeting;
  _Atomic int interrupts, faults; /* workers that let SIGINT, SIGSEGV through */
} signals;

static void look_at_mask(void *arg, int64_t i) {
  signals *s = arg;
  meet(&s->meeting, i); /* so that a worker gets one of the two */
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, NULL, &mask);
  if (pthread_equal(pthread_self(), s->caller)) return;
  atomic_fetch_add(&s->interrupts, !sigismember(&mask, SIGINT));
  atomic_fetch_add(&s->faults, !sigismember(&mask, SIGSEGV));
}

START_TEST(test_workers_take_no_signals) {
  sigset_t before, after;
  pthread_sigmask(SIG_BLOCK, NULL, &before);
  atr_threads *threads = make(NULL, 2);
  signals s = {.caller = pthread_self()};
  run_loop(threads, 0, 2, look_at_mask, &s);
  ck_assert_int_eq(atomic_load(&s.interrupts), 0);
  ck_assert_int_eq(atomic_load(&s.faults), 1);
  pthread_sigmask(SIG_BLOCK, NULL, &after);
  ck_assert_int_eq(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
  atr_threads_destroy(threads);
}
END_TEST

/* ---- nested and from many callers */

typedef struct outer {
  atr_threads *threads;
  _Atomic int failures;
} outer;

static void loop_inside(void *arg, int64_t i) {
  outer *o = arg;
  if (!each_once(o->threads, 0, 10 + i)) atomic_fetch_add(&o->failures, 1);
}

START_TEST(test_nested) {
  outer o = {.threads = make(NULL, 3)};
  for (int k = 0; k < 50; k++) run_loop(o.threads, 0, 20, loop_inside, &o);
  ck_assert_int_eq(atomic_load(&o.failures), 0);
  ck_assert(is_parallel(o.threads));
  atr_threads_destroy(o.threads);
}
END_TEST

static void *caller(void *arg) {
  outer *o = arg;
  for (int k = 0; k < 100; k++) loop_inside(o, k);
  return NULL;
}

START_TEST(test_many_callers) {
  outer o = {.threads = make(NULL, 3)};
  pthread_t callers[6];
  for (int k = 0; k < 6; k++) ck_assert_int_eq(pthread_create(&callers[k], NULL, caller, &o), 0);
  for (int k = 0; k < 6; k++) pthread_join(callers[k], NULL);
  ck_assert_int_eq(atomic_load(&o.failures), 0);
  ck_assert(is_parallel(o.threads));
  atr_threads_destroy(o.threads);
}
END_TEST

/* While one loop holds the pool, another caller's loop ends on its own: here the first waits for the second. */
typedef struct blocked {
  atr_threads *threads;
  _Atomic bool entered, second_done, missed;
} blocked;

static void wait_for_second(void *arg, int64_t i) {
  (void)i;
  blocked *b = arg;
  atomic_store(&b->entered, true);
  for (int waited = 0; !atomic_load(&b->second_done) && !atomic_load(&b->missed); waited++) {
    if (waited == 10000) atomic_store(&b->missed, true);
    nanosleep(&(struct timespec){0, 1000000}, NULL);
  }
}

static void *first_caller(void *arg) {
  run_loop(((blocked *)arg)->threads, 0, 4, wait_for_second, arg);
  return NULL;
}

START_TEST(test_busy_pool_blocks_nobody) {
  blocked b = {.threads = make(NULL, 2)};
  pthread_t first;
  ck_assert_int_eq(pthread_create(&first, NULL, first_caller, &b), 0);
  while (!atomic_load(&b.entered)) nanosleep(&(struct timespec){0, 1000000}, NULL);
  ck_assert(each_once(b.threads, 0, 100));
  atomic_store(&b.second_done, true);
  pthread_join(first, NULL);
  ck_assert(!atomic_load(&b.missed));
  atr_threads_destroy(b.threads);
}
END_TEST

/* ---- what ThreadSanitizer cannot watch: its own thread is counted, and forks */

#ifndef HAS_TSAN
/* A thread that has been joined may be listed for a moment more: the system wakes who waits for it before it takes it off the list. */
static bool come_down_to(int count) {
  for (int i = 0; i < 10000 && threads_of_process() > count; i++) nanosleep(&(struct timespec){0, 1000000}, NULL);
  return threads_of_process() == count;
}

START_TEST(test_pool_is_lazy) {
  int before = threads_of_process();
  atr_threads *threads = make(NULL, 3);
  ck_assert(each_once(threads, 0, 1)); /* one iteration needs nobody */
  ck_assert(each_once(threads, 1, 10));
  ck_assert_int_eq(threads_of_process(), before);
  ck_assert(each_once(threads, 0, 10));
  if (before >= 0) ck_assert_int_eq(threads_of_process(), before + 2);
  atr_threads_destroy(threads);
  ck_assert(come_down_to(before));
}
END_TEST

/* What a child does with what it inherited; a hang ends by SIGALRM. */
static void be_child(atr_threads *threads) {
  alarm(20);
  bool ok = each_once(threads, 0, 100) && is_parallel(threads) && each_once(threads, 2, 50);
  atr_threads_destroy(threads);
  _exit(ok ? 0 : 1);
}

static int wait_for(pid_t child) {
  int status = -1;
  while (waitpid(child, &status, 0) < 0) {}
  return status;
}

START_TEST(test_fork_with_pool) {
  atr_threads *threads = make(NULL, 3);
  ck_assert(each_once(threads, 0, 100));
  pid_t child = fork();
  if (child == 0) be_child(threads);
  ck_assert_int_eq(wait_for(child), 0);
  ck_assert(is_parallel(threads)); /* the parent's is untouched */
  atr_threads_destroy(threads);
}
END_TEST

START_TEST(test_fork_and_only_destroy) {
  atr_threads *threads = make(NULL, 3);
  ck_assert(each_once(threads, 0, 100));
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    atr_threads_destroy(threads);
    _exit(0);
  }
  ck_assert_int_eq(wait_for(child), 0);
  atr_threads_destroy(threads);
}
END_TEST

typedef struct forking {
  atr_threads *threads;
  _Atomic int statuses;
} forking;

static void fork_inside(void *arg, int64_t i) {
  forking *f = arg;
  if (i != 1) return;
  pid_t child = fork();
  if (child == 0) be_child(f->threads);
  atomic_store(&f->statuses, wait_for(child));
}

/* The child finds the pool taken by a thread that it does not have. */
START_TEST(test_fork_during_loop) {
  forking f = {.threads = make(NULL, 2), .statuses = -1};
  run_loop(f.threads, 0, 8, fork_inside, &f);
  ck_assert_int_eq(atomic_load(&f.statuses), 0);
  ck_assert(is_parallel(f.threads));
  atr_threads_destroy(f.threads);
}
END_TEST
#endif

/* ---- the caller's threads */

static void host_loop(void *user, int64_t n, void (*body)(void *arg, int64_t i), void *arg) {
  *(int64_t *)user += n;
  for (int64_t i = n; i-- > 0;) body(arg, i);
}

START_TEST(test_callers_parallel_for) {
  int64_t iterations = 0;
  int before = threads_of_process();
  atr_host host = {&iterations, host_loop};
  atr_threads *threads = make(&host, 4);
  memset(&host, 0, sizeof host); /* it was copied */
  ck_assert(each_once(threads, 0, 100));
  ck_assert(each_once(threads, 2, 11));
  ck_assert_int_eq(iterations, 111);
  ck_assert(each_once(threads, 1, 100)); /* this thread only */
  ck_assert_int_eq(iterations, 111);
  ck_assert_int_eq(threads_of_process(), before);
  atr_threads_destroy(threads);
}
END_TEST

static void *no_memory(void *user, void *old, size_t old_size, size_t new_size) {
  (void)user, (void)old, (void)old_size, (void)new_size;
  return NULL;
}

START_TEST(test_out_of_memory) {
  ck_assert_ptr_null(atr_threads_create(no_memory, NULL, NULL, 2));
  atr_threads_destroy(NULL);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("threads");
  TCase *tcase = tcase_create("loops");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, test_each_index_once);
  tcase_add_test(tcase, test_runs_in_parallel);
  tcase_add_test(tcase, test_limit);
  tcase_add_test(tcase, test_one_is_serial);
  tcase_add_test(tcase, test_workers_take_no_signals);
  tcase_add_test(tcase, test_nested);
  tcase_add_test(tcase, test_many_callers);
  tcase_add_test(tcase, test_busy_pool_blocks_nobody);
#ifndef HAS_TSAN
  tcase_add_test(tcase, test_pool_is_lazy);
  tcase_add_test(tcase, test_fork_with_pool);
  tcase_add_test(tcase, test_fork_and_only_destroy);
  tcase_add_test(tcase, test_fork_during_loop);
#endif
  tcase_add_test(tcase, test_callers_parallel_for);
  tcase_add_test(tcase, test_out_of_memory);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}

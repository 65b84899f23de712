/* threads.c - see threads.h. Our own pool is pthreadpool's; this file is the only one that knows.
 *
 * `owner` holds the process id of the process in which a loop has the pool, 0 if none does. A plain mutex would be wrong after
 * fork(): the child would inherit one locked by a thread that it does not have. An owner that is not this process is a
 * leftover of the parent and is simply taken over. `pool` is touched by the owner only. */
#include "runtime/threads.h"

#include "runtime/jit.h"

#include <pthread.h>
#include <pthreadpool.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

struct atr_threads {
  atr_realloc_fn realloc;
  void *user;
  bool has_host;
  atr_host host; /* the caller's */
  int32_t count; /* threads of our pool, the caller's included */
  _Atomic int owner;
  pthreadpool_t pool; /* NULL: not made yet */
  pid_t pool_pid;     /* the process that made it */
};

/* A loop as pthreadpool's task sees it. */
typedef struct loop {
  void (*body)(void *arg, int64_t i);
  void *arg;
} loop;

/* pthreadpool is not built with ThreadSanitizer, which therefore does not see that a loop's start happens before its bodies and
 * these before its end. Under the sanitizer it is told: what was released with a loop happens before what acquires it. An atomic
 * in the loop would not do, since the loop itself is on a stack that the sanitizer believes the workers must not touch yet. */
#if defined(__SANITIZE_THREAD__)
#define TELL_ORDER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TELL_ORDER 1
#endif
#endif
#ifdef TELL_ORDER
#include <sanitizer/tsan_interface.h>
#define RELEASE(l) __tsan_release(l)
#define ACQUIRE(l) __tsan_acquire(l)
#else
#define RELEASE(l) ((void)0)
#define ACQUIRE(l) ((void)0)
#endif

/* Workers sleep between loops. pthreadpool's default is to spin, which after each run burns tens of milliseconds of every core
 * that the host has better use for, and makes loops ten times slower where there are more threads than free cores; the wake-up
 * that spinning saves did not show in 0.4 ms loops. Nor do they spin between the loops of one run, which would take a third off many
 * short loops on two idle cores: where a machine gives both threads one core for a while, the caller waits in each loop for the end of a
 * time slice, and five loops took 16 ms instead of 0.12. Not among the flags: the one that flushes denormals. */
static const uint32_t flags = PTHREADPOOL_FLAG_YIELD_WORKERS;

static int32_t available_cores(void) {
  cpu_set_t set;
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
  if (count == 0) { /* more processors than cpu_set_t has bits */
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    count = online < 1 ? 1 : online > ATR_MAX_THREADS ? ATR_MAX_THREADS : (int)online;
  }
  return count;
}

atr_threads *atr_threads_create(atr_realloc_fn realloc, void *user, const atr_host *host, int32_t count) {
  atr_threads *threads = realloc(user, NULL, 0, sizeof *threads);
  if (threads == NULL) return NULL;
  *threads = (atr_threads){.realloc = realloc, .user = user, .has_host = host != NULL};
  if (host != NULL) threads->host = *host;
  if (count == 0) count = available_cores();
  threads->count = count > ATR_MAX_THREADS ? ATR_MAX_THREADS : count;
  return threads;
}

void atr_threads_destroy(atr_threads *threads) {
  if (threads == NULL) return;
  if (threads->pool != NULL && threads->pool_pid == getpid()) pthreadpool_destroy(threads->pool);
  threads->realloc(threads->user, threads, sizeof *threads, 0);
}

/* Signals that are sent to the process belong to the host program's threads: a handler of R or Octave on a thread of ours would
 * find none of its thread's state. Workers inherit the mask of their creator; the signals of a fault stay as they are. */
static pthreadpool_t make_pool(int32_t count) {
  static const int kept[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPROF};
  sigset_t mask, before;
  sigfillset(&mask);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) sigdelset(&mask, kept[i]);
  bool masked = pthread_sigmask(SIG_BLOCK, &mask, &before) == 0;
  pthreadpool_t pool = pthreadpool_create((size_t)count);
  if (masked) pthread_sigmask(SIG_SETMASK, &before, NULL);
  return pool;
}

static bool claim(atr_threads *threads, int self) {
  int seen = atomic_load_explicit(&threads->owner, memory_order_relaxed);
  if (seen == self) return false;
  return atomic_compare_exchange_strong_explicit(&threads->owner, &seen, self, memory_order_acquire, memory_order_relaxed);
}

ATR_CALLS_JIT static void run_tile(void *context, size_t start, size_t count) {
  loop *l = context;
  ACQUIRE(l);
  for (size_t i = start; i < start + count; i++) l->body(l->arg, (int64_t)i);
  RELEASE(l);
}

/* The first loop, also the first in a forked child, makes the pool. */
static pthreadpool_t own_pool(atr_threads *threads, pid_t self) {
  if (threads->pool == NULL || threads->pool_pid != self) {
    threads->pool = make_pool(threads->count);
    threads->pool_pid = self;
  }
  return threads->pool;
}

/* atr_parallel_for_fn. With at most `limit` tiles at most `limit` threads find something to do; without a limit single
 * iterations are handed out, so that threads that finish early take over from others. */
ATR_CALLS_JIT static void parallel_for(void *user, int64_t n, void (*body)(void *arg, int64_t i), void *arg) {
  const atr_threads_run *run = user;
  atr_threads *threads = run->threads;
  pid_t self = getpid();
  if (n > 1 && claim(threads, (int)self)) {
    pthreadpool_t pool = own_pool(threads, self);
    if (pool != NULL) {
      bool limited = run->limit > 0 && run->limit < threads->count;
      size_t tile = limited ? ((size_t)n - 1) / (size_t)run->limit + 1 : 1;
      loop l = {.body = body, .arg = arg};
      RELEASE(&l);
      pthreadpool_parallelize_1d_tile_1d(pool, run_tile, &l, (size_t)n, tile, flags);
      ACQUIRE(&l);
      atomic_store_explicit(&threads->owner, 0, memory_order_release);
      return;
    }
    atomic_store_explicit(&threads->owner, 0, memory_order_release);
  }
  for (int64_t i = 0; i < n; i++) body(arg, i);
}

atr_host atr_threads_host(atr_threads_run *run) {
  const atr_threads *threads = run->threads;
  if (run->limit == 1) return (atr_host){NULL, NULL};
  if (threads->has_host) return threads->host;
  if (threads->count == 1) return (atr_host){NULL, NULL};
  return (atr_host){run, parallel_for};
}

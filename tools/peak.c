/* peak.c - see peak.h. A loop of independent multiply-adds, more of them than latency times ports, so that every port is busy
 * in every cycle: one function for each width of vectors, chosen by what the CPU has. */
#include "peak.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

enum { MAX_THREADS = 256, TRIES = 20, STEPS = 1 << 12 };

static const double ENOUGH_SECONDS = 0.001;

typedef struct peak_task {
  double (*body)(int64_t steps); /* operations done; 0 never */
  atomic_bool *go;               /* all start together */
  double flops;                  /* out, per second */
} peak_task;

static double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* COUNT accumulators in registers. The sum at the end is used, so that nothing is optimized away. */
#define PEAK_BODY(NAME, TARGET, REGISTER, TYPE, BYTES, COUNT)                                                                  \
  TARGET static double NAME(int64_t steps) {                                                                                   \
    typedef TYPE vector __attribute__((vector_size(BYTES)));                                                                   \
    enum { LANES = BYTES / sizeof(TYPE) };                                                                                     \
    vector a[COUNT], b, c;                                                                                                     \
    for (int l = 0; l < LANES; l++) b[l] = (TYPE)0.999, c[l] = (TYPE)1e-3;                                                     \
    for (int i = 0; i < COUNT; i++) a[i] = b;                                                                                  \
    for (int64_t s = 0; s < steps; s++) {                                                                                      \
      _Pragma("GCC unroll 24") for (int i = 0; i < COUNT; i++) a[i] = a[i] * b + c;                                            \
      __asm__ volatile("" : "+" REGISTER(b)); /* b might have changed: the loop stays */                                       \
    }                                                                                                                          \
    TYPE sum = 0;                                                                                                              \
    for (int i = 0; i < COUNT; i++) sum += a[i][0];                                                                            \
    return sum > (TYPE)1e30 ? 0 : (double)(2 * LANES * COUNT) * (double)steps;                                                 \
  }

#if defined(__x86_64__)
PEAK_BODY(f32_512, __attribute__((target("avx512f"))), "v", float, 64, 24)
PEAK_BODY(f64_512, __attribute__((target("avx512f"))), "v", double, 64, 24)
PEAK_BODY(f32_256, __attribute__((target("avx2,fma"))), "x", float, 32, 12)
PEAK_BODY(f64_256, __attribute__((target("avx2,fma"))), "x", double, 32, 12)
#define PLAIN_REGISTER "x"
#else
#define PLAIN_REGISTER "w"
#endif
PEAK_BODY(f32_128, , PLAIN_REGISTER, float, 16, 12)
PEAK_BODY(f64_128, , PLAIN_REGISTER, double, 16, 12)

static double (*choose(bool is_double, int max_bits, int *bits))(int64_t) {
#if defined(__x86_64__)
  if ((max_bits == 0 || max_bits >= 512) && __builtin_cpu_supports("avx512f")) {
    *bits = 512;
    return is_double ? f64_512 : f32_512;
  }
  if ((max_bits == 0 || max_bits >= 256) && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    *bits = 256;
    return is_double ? f64_256 : f32_256;
  }
#else
  (void)max_bits;
#endif
  *bits = 128;
  return is_double ? f64_128 : f32_128;
}

static void *run_task(void *arg) {
  peak_task *task = arg;
  double done = 0, seconds = 0;
  task->body(STEPS); /* wakes the clock and the wide units */
  while (!atomic_load(task->go)) sched_yield();
  for (double start = seconds_now(); seconds < ENOUGH_SECONDS; seconds = seconds_now() - start) done += task->body(STEPS);
  task->flops = done / seconds;
  return NULL;
}

static double measure_once(double (*body)(int64_t), int threads) {
  pthread_t handles[MAX_THREADS];
  peak_task tasks[MAX_THREADS];
  atomic_bool go = false;
  double sum = 0;
  int started = 0;
  for (int i = 0; i < threads; i++) tasks[i] = (peak_task){.body = body, .go = &go};
  while (started < threads - 1 && pthread_create(&handles[started], NULL, run_task, &tasks[started]) == 0) started++;
  atomic_store(&go, true);
  run_task(&tasks[started]);
  for (int i = 0; i < started; i++) pthread_join(handles[i], NULL);
  for (int i = 0; i <= started; i++) sum += tasks[i].flops;
  return sum;
}

peak peak_measure(bool is_double, int max_bits, int threads) {
  peak p = {.flops = 0};
  double (*body)(int64_t) = choose(is_double, max_bits, &p.bits);
  if (threads < 1) threads = 1;
  if (threads > MAX_THREADS) threads = MAX_THREADS;
  for (int i = 0; i < TRIES; i++) {
    double flops = measure_once(body, threads);
    if (flops > p.flops) p.flops = flops;
  }
  return p;
}

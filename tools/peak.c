/* peak.c - see peak.h. A loop of independent multiply-adds, more of them than latency times ports, so that every port is busy
 * in every cycle: one function for each width of vectors, chosen by what the CPU has.
 *
 * Accumulators are variables, not elements of an array, and multiply-adds are fused by name: whether a compiler keeps an array
 * in registers and fuses a product and a sum depends on how much it optimizes, and -O1 gave a third of the peak. */
#include "peak.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { MAX_THREADS = CPU_SETSIZE, TRIES = 20, STEPS = 1 << 12 };

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

/* Accumulators that differ, and whose sum is used, so that none is left out: as many as 16 registers hold beside b and c. */
enum { ACCUMULATORS = 14 };
#define EACH(DO, HOW)                                                                                                          \
  DO(0, HOW)                                                                                                                   \
  DO(1, HOW) DO(2, HOW) DO(3, HOW) DO(4, HOW) DO(5, HOW) DO(6, HOW) DO(7, HOW) DO(8, HOW) DO(9, HOW) DO(10, HOW) DO(11, HOW)   \
      DO(12, HOW) DO(13, HOW)

#define DECLARE(N, VECTOR) VECTOR a##N = b + N;
#define STEP(N, MULTIPLY_ADD) a##N = MULTIPLY_ADD(a##N, b, c);
#define ADD(N, SUM) SUM += a##N[0];

#define PEAK_BODY(NAME, TARGET, VECTOR, TYPE, MULTIPLY_ADD)                                                                    \
  TARGET static double NAME(int64_t steps) {                                                                                   \
    VECTOR b = (VECTOR){0} + (TYPE)0.999, c = (VECTOR){0} + (TYPE)1e-3;                                                        \
    TYPE sum = 0;                                                                                                              \
    EACH(DECLARE, VECTOR)                                                                                                      \
    for (int64_t s = 0; s < steps; s++) { EACH(STEP, MULTIPLY_ADD) }                                                           \
    EACH(ADD, sum)                                                                                                             \
    return sum > (TYPE)1e30 ? 0 : (double)(2 * ACCUMULATORS * sizeof(VECTOR) / sizeof(TYPE)) * (double)steps;                  \
  }

#define PLAIN(A, B, C) ((A) * (B) + (C))
#if defined(__x86_64__)
#define AVX512 __attribute__((target("avx512f")))
#define AVX2 __attribute__((target("avx2,fma")))
PEAK_BODY(f32_512, AVX512, __m512, float, _mm512_fmadd_ps)
PEAK_BODY(f64_512, AVX512, __m512d, double, _mm512_fmadd_pd)
PEAK_BODY(f32_256, AVX2, __m256, float, _mm256_fmadd_ps)
PEAK_BODY(f64_256, AVX2, __m256d, double, _mm256_fmadd_pd)
PEAK_BODY(f32_128, , __m128, float, PLAIN)
PEAK_BODY(f64_128, , __m128d, double, PLAIN)
#elif defined(__aarch64__)
#define NEON_F32(A, B, C) vfmaq_f32(C, A, B)
#define NEON_F64(A, B, C) vfmaq_f64(C, A, B)
PEAK_BODY(f32_128, , float32x4_t, float, NEON_F32)
PEAK_BODY(f64_128, , float64x2_t, double, NEON_F64)
#else
typedef float plain_f32 __attribute__((vector_size(16)));
typedef double plain_f64 __attribute__((vector_size(16)));
PEAK_BODY(f32_128, , plain_f32, float, PLAIN)
PEAK_BODY(f64_128, , plain_f64, double, PLAIN)
#endif

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

/* Cores that this process may use. Each thread counts by its own clock, so that more threads than these would add up to more than
 * there is. */
static int core_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online < 1 ? 1 : online > MAX_THREADS ? MAX_THREADS : (int)online;
}

peak peak_measure(bool is_double, int max_bits, int threads) {
  peak p = {.flops = 0};
  double (*body)(int64_t) = choose(is_double, max_bits, &p.bits);
  int cores = core_count();
  if (threads < 1) threads = 1;
  if (threads > cores) threads = cores;
  for (int i = 0; i < TRIES; i++) {
    double flops = measure_once(body, threads);
    if (flops > p.flops) p.flops = flops;
  }
  return p;
}

/* guest.c - the program that runs kernels on the machine that they were compiled for, or in an emulator of it.
 *
 * In: the table and the data that random_problems --emit wrote (guest.h), linked in. Out: a line for everything that is wrong
 * and a last line with counts; exit status 0 when nothing is. Each kernel runs twice, alone and with a caller's loop from the
 * last task to the first; both must give the same bits, within the bounds, and touch nothing but their arrays. It needs the C
 * library (or bare.c), memory.c, agree.c and src/base/dtype.c; LLVM and the interpreter stay at home. */
#include "guest.h"

#ifndef __wasm__
#include <setjmp.h>
#include <signal.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "memory.h"

enum { MAX_ARRAYS = 640, ALIGNMENT = 64 };

typedef struct job {
  const guest_head *head;
  const guest_kernel *kernel;
  const guest_array *arrays[MAX_ARRAYS];
  memory memories[MAX_ARRAYS], scratch, packed;
  char *first[MAX_ARRAYS]; /* results of the first run */
  bool wrong;
} job;

static const char *data_of(const guest_array *a) { return (const char *)(a + 1); }
static size_t size_of(const guest_array *a) { return (size_t)a->elements * atr_dtype_size((atr_dtype)a->dtype); }

static void fail(job *j, const char *what, int array) {
  if (!j->wrong)
    printf("problem %lld%s: %s %d\n", (long long)j->head->problem, j->head->random_schedule ? ", random schedule" : "", what,
           array);
  j->wrong = true;
  fflush(stdout);
}

/* ---- crashes: the signal's number, 0 when there was none. WebAssembly has no signals: there the first crash ends the program. */
#ifdef __wasm__

static void catch_crashes(void) {}
#define CRASHED 0

#else

static sigjmp_buf crash;
#define CRASHED sigsetjmp(crash, 1)

static void on_signal(int number) { siglongjmp(crash, number); }

static void catch_crashes(void) {
  static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  struct sigaction action = {.sa_handler = on_signal};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
}

#endif

/* A caller's loop, from the last to the first. */
static void backwards(void *user, int64_t n, void (*body)(void *arg, int64_t i), void *arg) {
  (void)user;
  while (n-- > 0) body(arg, n);
}

/* ---- one kernel */

/* Reads a record; returns the place behind it. Arrays lie against a closed page, at either end in turn. */
static const char *open_job(job *j, const char *at) {
  j->head = (const guest_head *)(const void *)at;
  at += sizeof *j->head;
  bool ok = true;
  for (int i = 0; i < j->head->parameters + j->head->results; i++) {
    const guest_array *a = (const guest_array *)(const void *)at;
    memory_place place = (j->head->problem + i) % 3 == 0 ? MEMORY_START : MEMORY_END;
    j->arrays[i] = a;
    ok = memory_init(&j->memories[i], size_of(a), atr_dtype_size(atr_dtype_real((atr_dtype)a->dtype)), place) && ok;
    j->first[i] = malloc(size_of(a) + 1);
    ok = ok && j->first[i] != NULL;
    if (ok && i < j->head->parameters) memcpy(j->memories[i].data, data_of(a), size_of(a));
    at = data_of(a) + (size_of(a) + 7) / 8 * 8;
  }
  ok = memory_init(&j->scratch, (size_t)j->head->scratch, ALIGNMENT, MEMORY_END) && ok;
  ok = memory_init(&j->packed, (size_t)j->head->packed, ALIGNMENT, MEMORY_END) && ok;
  if (!ok) fail(j, "no memory for array", 0);
  return at;
}

static void close_job(job *j) {
  for (int i = 0; i < j->head->parameters + j->head->results; i++) {
    memory_fini(&j->memories[i]);
    free(j->first[i]);
  }
  memory_fini(&j->scratch);
  memory_fini(&j->packed);
}

static void run(job *j, const atr_host *host) {
  const void *args[MAX_ARRAYS];
  void *results[MAX_ARRAYS];
  int parameters = (int)j->head->parameters;
  for (int i = 0; i < parameters; i++) args[i] = j->memories[i].data;
  args[parameters] = j->packed.data;
  for (int i = 0; i < j->head->results; i++) {
    memory_clear(&j->memories[parameters + i]);
    results[i] = j->memories[parameters + i].data;
  }
  memory_clear(&j->scratch);
  memory_clear(&j->packed);
  if (j->kernel->prepack != NULL && j->kernel->prepack(args, j->packed.data, host) != 0) fail(j, "prepack fails", 0);
  if (j->kernel->run(args, results, j->scratch.data, host) != 0) fail(j, "the kernel fails", 0);
}

static void check_surroundings(job *j) {
  for (int i = 0; i < j->head->parameters + j->head->results; i++) {
    if (!memory_intact(&j->memories[i])) fail(j, "bytes were written around array", i);
    if (i < j->head->parameters && memcmp(j->memories[i].data, data_of(j->arrays[i]), size_of(j->arrays[i])) != 0)
      fail(j, "written was argument", i);
  }
  if (!memory_intact(&j->scratch)) fail(j, "bytes were written around scratch", 0);
  if (!memory_intact(&j->packed)) fail(j, "bytes were written around packed", 0);
}

static void check_result(job *j, int result) {
  int i = (int)j->head->parameters + result;
  const guest_array *a = j->arrays[i];
  const char *got = j->memories[i].data, *want = data_of(a);
  bound allowed = {a->known != 0, a->absolute, a->relative, a->ceiling};
  int64_t wrong = bound_first_wrong((atr_dtype)a->dtype, a->elements, got, want, &allowed);
  if (wrong < 0) return;
  size_t size = atr_dtype_size((atr_dtype)a->dtype);
  atr_scalar x = atr_scalar_load((atr_dtype)a->dtype, got + (size_t)wrong * size),
             y = atr_scalar_load((atr_dtype)a->dtype, want + (size_t)wrong * size);
  fail(j, "differs from the interpreter: result", result);
  if (atr_dtype_class_of((atr_dtype)a->dtype) < ATR_CLASS_FLOAT)
    printf("  %s element %lld: %lld instead of %lld\n", atr_dtype_name((atr_dtype)a->dtype), (long long)wrong, (long long)x.i,
           (long long)y.i);
  else
    printf("  %s element %lld: (%.17g,%.17g) instead of (%.17g,%.17g), allowed %g + %g of it\n",
           atr_dtype_name((atr_dtype)a->dtype), (long long)wrong, x.re, x.im, y.re, y.im, a->absolute, a->relative);
}

static void check_kernel(job *j) {
  run(j, NULL);
  check_surroundings(j);
  for (int i = 0; i < j->head->results; i++) {
    int at = (int)j->head->parameters + i;
    check_result(j, i);
    memcpy(j->first[at], j->memories[at].data, size_of(j->arrays[at]));
  }
  run(j, &(atr_host){NULL, backwards});
  check_surroundings(j);
  for (int i = (int)j->head->parameters; i < j->head->parameters + j->head->results; i++)
    if (memcmp(j->first[i], j->memories[i].data, size_of(j->arrays[i])) != 0)
      fail(j, "other bits with a caller's loop: array", i);
}

int main(void) {
  const char *at = guest_data;
  int wrong = 0;
  catch_crashes();
  for (int k = 0; k < guest_kernel_count; k++) {
    static job j;
    j = (job){.kernel = &guest_kernels[k]};
    at = open_job(&j, at);
    int number = j.wrong ? 0 : CRASHED;
    if (number != 0) fail(&j, "crashes with signal", number);
    else if (!j.wrong) check_kernel(&j);
    close_job(&j);
    wrong += j.wrong;
  }
  printf("kernels %d, wrong %d\n", guest_kernel_count, wrong);
  return wrong > 0 || guest_kernel_count == 0;
}

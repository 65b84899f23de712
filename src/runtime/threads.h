/* threads.h - the threads of one context: how `parallel_for` of a kernel's atr_host is carried out.
 *
 * In: the caller's own parallel_for, or a number of threads. Out: an atr_host for one run.
 *
 *     atr_threads_run run = {context->pool, options->threads};
 *     atr_host host = atr_threads_host(&run);        (run must outlive host)
 *     kernel(args, results, scratch, &host);
 *
 * The rules:
 *   - One loop at a time has the pool. A loop that finds it busy, because another thread runs a loop on the same context or
 *     because it was started from inside the body of one, is run serially by its caller at once: nobody waits, so nothing can
 *     deadlock, and with many callers each core is busy anyway.
 *   - The pool is made by the first loop that wants it. A child process made by fork() inherits memory but no threads: it
 *     forgets the pool (destroying it would wait for threads that do not exist) and makes its own when it needs one.
 *   - The body must return normally (no longjmp, no exception), and may run on the caller.
 *   - The floating-point environment is left alone: denormals count. */
#ifndef ATR_RUNTIME_THREADS_H
#define ATR_RUNTIME_THREADS_H

#include "atrous/atrous.h"

/* More are never made, whatever is asked for. */
enum { ATR_MAX_THREADS = 1024 };

typedef struct atr_threads atr_threads;

/* host: the caller's threads, copied, or NULL for a pool of our own of `count` threads (0: one per core that this process may
 * use; 1: no pool). count >= 0. NULL: out of memory. Starts no thread. */
atr_threads *atr_threads_create(atr_realloc_fn realloc, void *user, const atr_host *host, int32_t count);
/* No loop may be under way. NULL is allowed. */
void atr_threads_destroy(atr_threads *threads);

/* One run's share: at most `limit` threads (0: all, 1: the caller only, which also keeps the caller's parallel_for unused). */
typedef struct atr_threads_run {
  atr_threads *threads;
  int32_t limit;
} atr_threads_run;

/* What to hand to a kernel; refers to `run` and may be used until it ends. Its parallel_for is NULL where the run is serial. */
atr_host atr_threads_host(atr_threads_run *run);

#endif

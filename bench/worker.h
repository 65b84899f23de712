/* worker.h - what the C workers of the benchmark share: the line protocol, reproducible data, timing, the FMA peak.
 *
 * A worker is one contender in a process of its own, so that contenders can be pinned, killed and timed alike. bench.py
 * writes one request a line on stdin and reads one reply a line on stdout; a worker works only between the two, so
 * alternating requests interleave contenders.
 *
 *     prepare KEY=VALUE...   ->  ok create_ns=N first_ns=N KEY=VALUE...     makes the problem and runs it once
 *     run NS                 ->  ok min_ns=N median_ns=N runs=N             one more run to warm up, then as many as fill NS
 *                                                                           nanoseconds, at least one
 *     output PATH            ->  ok bytes=N                                 writes the last run's result as it lies in memory
 *     peak DTYPE THREADS MAX_BITS  ->  ok gflops=X bits=N
 *     drop                   ->  ok                                         forgets the problem
 *     quit                   ->  (ends)
 *
 * Other replies: "refused REASON" (this contender cannot do the problem) and "error REASON" (it failed, or the request is
 * wrong). A worker's own requests go to `other`. Keys and values hold no blanks; REASON is the rest of the line. */
#ifndef BENCH_WORKER_H
#define BENCH_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORKER_LINE_MAX = 1 << 16 };

typedef struct worker_reply {
  char text[WORKER_LINE_MAX];
  size_t len;
} worker_reply;

/* printf to the end of the reply's line. */
void worker_say(worker_reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes the reply "refused ..." or "error ..."; returns false. */
bool worker_refuse(worker_reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool worker_fail(worker_reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The value of "KEY=VALUE" in a request, in `out`; false: not there, or longer than `size` allows. */
bool worker_text(const char *request, const char *key, char *out, size_t size);
int64_t worker_integer(const char *request, const char *key, int64_t missing);

typedef struct worker {
  /* Makes what `request` describes; returns false after worker_refuse or worker_fail. May add to the reply. */
  bool (*prepare)(const char *request, worker_reply *reply);
  bool (*run)(void);
  /* The result of the last run as bench.py expects it in memory. */
  const void *(*output)(size_t *bytes);
  void (*drop)(void); /* also when nothing, or half of something, was prepared */
  /* Requests of its own; NULL: none. False and an empty reply: not known. */
  bool (*other)(const char *request, worker_reply *reply);
} worker;

/* Serves requests until "quit" or the end of stdin; returns what main returns. What libraries print goes to stderr. */
int worker_serve(const worker *w);

/* 64-byte aligned memory; NULL when there is none. free() it. */
void *worker_allocate(size_t bytes);
/* Fills elements of `dtype` ("f32", "s8", ...), so that every worker has the same bytes: element i of array `number` is one of
 * 17 values from -1 to 1 (s8: -16 to 16, unsigned: 0 to 16, other integers: -8 to 8), so sums of products are exact in f32 and
 * in s32 in any order. False: dtype unknown. */
bool worker_fill(const char *dtype, uint32_t number, size_t elements, void *out);
int64_t worker_now(void);

#endif

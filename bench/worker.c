/* worker.c - see worker.h. */
#include "worker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/peak.h"

/* ---- replies and requests */

static void say_list(worker_reply *reply, const char *format, va_list list) {
  int len = vsnprintf(reply->text + reply->len, WORKER_LINE_MAX - reply->len, format, list);
  if (len > 0) reply->len += (size_t)len;
  if (reply->len >= WORKER_LINE_MAX) reply->len = WORKER_LINE_MAX - 1;
}

void worker_say(worker_reply *reply, const char *format, ...) {
  va_list list;
  va_start(list, format);
  say_list(reply, format, list);
  va_end(list);
}

static bool turn_down(worker_reply *reply, const char *word, const char *format, va_list list) {
  reply->len = 0;
  worker_say(reply, "%s ", word);
  say_list(reply, format, list);
  for (size_t i = 0; i < reply->len; i++) {
    if (reply->text[i] == '\n') reply->text[i] = ' ';
  }
  return false;
}

bool worker_refuse(worker_reply *reply, const char *format, ...) {
  va_list list;
  va_start(list, format);
  turn_down(reply, "refused", format, list);
  va_end(list);
  return false;
}

bool worker_fail(worker_reply *reply, const char *format, ...) {
  va_list list;
  va_start(list, format);
  turn_down(reply, "error", format, list);
  va_end(list);
  return false;
}

bool worker_text(const char *request, const char *key, char *out, size_t size) {
  size_t len = strlen(key);
  for (const char *at = request; (at = strstr(at, key)) != NULL; at += len) {
    if (at == request || at[-1] != ' ' || at[len] != '=') continue;
    size_t value = strcspn(at + len + 1, " ");
    if (value >= size) return false;
    memcpy(out, at + len + 1, value);
    out[value] = '\0';
    return true;
  }
  return false;
}

int64_t worker_integer(const char *request, const char *key, int64_t missing) {
  char text[32];
  return worker_text(request, key, text, sizeof text) ? strtoll(text, NULL, 10) : missing;
}

/* ---- data and time */

void *worker_allocate(size_t bytes) { return aligned_alloc(64, (bytes + 127) / 64 * 64); }

int64_t worker_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* How a dtype holds k/8 (floats) or k, |k| <= 8; complex elements are two floats. s8 has even numbers, because oneDNN halves s8
 * weights where a CPU's byte products might saturate, and would lose the last bit of odd ones. */
typedef enum fill_kind { FILL_FLOAT, FILL_HALF, FILL_BRAIN, FILL_DOUBLE, FILL_SIGNED, FILL_EVEN, FILL_UNSIGNED } fill_kind;

static const struct dtype_row {
  const char *name;
  fill_kind kind;
  size_t part, parts; /* bytes of a part, parts of an element */
} DTYPES[] = {{"f32", FILL_FLOAT, 4, 1}, {"f64", FILL_DOUBLE, 8, 1}, {"f16", FILL_HALF, 2, 1},   {"bf16", FILL_BRAIN, 2, 1},
              {"c64", FILL_FLOAT, 4, 2}, {"s8", FILL_EVEN, 1, 1},    {"s32", FILL_SIGNED, 4, 1}, {"u8", FILL_UNSIGNED, 1, 1}};

static const struct dtype_row *dtype_row(const char *name) {
  for (size_t i = 0; i < sizeof DTYPES / sizeof DTYPES[0]; i++) {
    if (strcmp(DTYPES[i].name, name) == 0) return &DTYPES[i];
  }
  return NULL;
}

/* The bytes of value k (little-endian machines only, as all the library's targets are). */
static void value_bytes(fill_kind kind, int k, unsigned char out[8]) {
  float f = (float)k / 8;
  double d = (double)k / 8;
  int64_t integer = kind == FILL_UNSIGNED ? k + 8 : kind == FILL_EVEN ? 2 * k : k;
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  switch (kind) {
  case FILL_FLOAT: memcpy(out, &f, sizeof f); return;
  case FILL_DOUBLE: memcpy(out, &d, sizeof d); return;
  case FILL_SIGNED:
  case FILL_EVEN:
  case FILL_UNSIGNED: memcpy(out, &integer, sizeof integer); return;
  case FILL_BRAIN: bits >>= 16; break;
  case FILL_HALF: bits = k == 0 ? 0 : (bits >> 16 & 0x8000) | (((bits >> 23 & 0xff) - 112) << 10) | (bits >> 13 & 0x3ff); break;
  }
  memcpy(out, &bits, sizeof bits);
}

/* Time spent on filling since the request came: no part of making a problem. */
static int64_t fill_ns;

bool worker_fill(const char *dtype, uint32_t number, size_t elements, void *out) {
  const struct dtype_row *row = dtype_row(dtype);
  unsigned char table[17][8];
  int64_t start = worker_now();
  if (row == NULL) return false;
  for (int k = 0; k < 17; k++) value_bytes(row->kind, k - 8, table[k]);
  unsigned char *at = out;
  for (size_t i = 0; i < elements * row->parts; i++, at += row->part) {
    uint32_t h = ((uint32_t)i + number * 0x10001u) * 2654435761u;
    memcpy(at, table[(h >> 16) % 17], row->part);
  }
  fill_ns += worker_now() - start;
  return true;
}

/* ---- requests */

static int order(const void *a, const void *b) {
  const int64_t *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

/* Times of runs, as many as came to be. */
typedef struct samples {
  int64_t *ns;
  size_t count, room;
} samples;

static bool add_sample(samples *s, int64_t ns) {
  if (s->count == s->room) {
    size_t room = s->room == 0 ? 1024 : 2 * s->room;
    int64_t *more = realloc(s->ns, room * sizeof *more);
    if (more == NULL) return false;
    s->ns = more, s->room = room;
  }
  s->ns[s->count++] = ns;
  return true;
}

static void serve_run(const worker *w, int64_t ns, worker_reply *reply) {
  samples s = {NULL, 0, 0};
  bool done = w->run();
  int64_t begin = worker_now(), end = begin;
  do {
    int64_t start = worker_now();
    done = done && w->run();
    end = worker_now();
    done = done && add_sample(&s, end - start);
  } while (done && end - begin < ns);
  if (done) {
    qsort(s.ns, s.count, sizeof *s.ns, order);
    worker_say(reply, "ok min_ns=%lld median_ns=%lld runs=%zu", (long long)s.ns[0], (long long)s.ns[(s.count - 1) / 2],
               s.count);
  } else {
    worker_fail(reply, "a run failed, or there is no memory for its time");
  }
  free(s.ns);
}

static void serve_prepare(const worker *w, const char *request, worker_reply *reply) {
  worker_reply *more = malloc(sizeof *more);
  if (more == NULL) {
    worker_fail(reply, "out of memory");
    return;
  }
  more->len = 0, more->text[0] = '\0';
  w->drop();
  fill_ns = 0;
  int64_t start = worker_now();
  bool done = w->prepare(request, more);
  int64_t made = worker_now();
  if (done && !w->run()) done = worker_fail(more, "the first run failed");
  int64_t end = worker_now();
  if (done)
    worker_say(reply, "ok create_ns=%lld first_ns=%lld%s", (long long)(made - start - fill_ns), (long long)(end - made),
               more->text);
  else worker_say(reply, "%s", more->text);
  free(more);
}

static void serve_output(const worker *w, const char *path, worker_reply *reply) {
  size_t bytes;
  const void *data = w->output(&bytes);
  FILE *file = data != NULL ? fopen(path, "wb") : NULL;
  if (file == NULL) {
    worker_fail(reply, "no result, or %s cannot be written", path);
    return;
  }
  bool written = fwrite(data, 1, bytes, file) == bytes;
  if (fclose(file) != 0 || !written) worker_fail(reply, "%s cannot be written", path);
  else worker_say(reply, "ok bytes=%zu", bytes);
}

static void serve_peak(const char *request, worker_reply *reply) {
  char dtype[8];
  int threads, bits;
  if (sscanf(request, "peak %7s %d %d", dtype, &threads, &bits) != 3) {
    worker_fail(reply, "peak DTYPE THREADS MAX_BITS");
    return;
  }
  peak p = peak_measure(strcmp(dtype, "f64") == 0, bits, threads);
  worker_say(reply, "ok gflops=%.6g bits=%d", p.flops * 1e-9, p.bits);
}

static bool starts(const char *text, const char *word) { return strncmp(text, word, strlen(word)) == 0; }

static void serve(const worker *w, const char *request, worker_reply *reply) {
  if (starts(request, "prepare ")) serve_prepare(w, request, reply);
  else if (starts(request, "run ")) serve_run(w, strtoll(request + 4, NULL, 10), reply);
  else if (starts(request, "output ")) serve_output(w, request + 7, reply);
  else if (starts(request, "peak ")) serve_peak(request, reply);
  else if (strcmp(request, "drop") == 0) w->drop(), worker_say(reply, "ok");
  else if (w->other == NULL || (!w->other(request, reply) && reply->len == 0)) worker_fail(reply, "unknown request");
}

int worker_serve(const worker *w) {
  static char line[WORKER_LINE_MAX];
  static worker_reply reply;
  int replies = dup(STDOUT_FILENO);
  if (replies < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return 1;
  FILE *to = fdopen(replies, "w");
  while (to != NULL && fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "quit") == 0) break;
    reply.len = 0, reply.text[0] = '\0';
    serve(w, line, &reply);
    fprintf(to, "%s\n", reply.text);
    fflush(to);
  }
  w->drop();
  return 0;
}

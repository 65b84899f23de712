/* plain.c - see plain.h. */
#include "plain.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../random/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz.run(data, size);
  return 0;
}

/* ---- changes */

typedef struct input {
  char text[FUZZ_INPUT_MAX];
  size_t len;
} input;

static void make_seed(int number, input *in) {
  if (fuzz.make_seed != NULL) {
    in->len = fuzz.make_seed(number, in->text);
    return;
  }
  in->len = strlen(fuzz.seeds[number]);
  memcpy(in->text, fuzz.seeds[number], in->len);
}

/* Puts `size` bytes, which may be of the input itself, in the place of `gone` bytes at `at`. */
static void splice(input *in, size_t at, size_t gone, const char *bytes, size_t size) {
  char copy[FUZZ_INPUT_MAX];
  if (gone > in->len - at) gone = in->len - at;
  if (in->len - gone + size > FUZZ_INPUT_MAX) return;
  memcpy(copy, bytes, size);
  memmove(in->text + at + size, in->text + at + gone, in->len - at - gone);
  memcpy(in->text + at, copy, size);
  in->len += size - gone;
}

/* Another number in the place of one: text stays readable, so what comes behind the reader gets its share. */
static void change_number(rng *r, input *in, size_t at) {
  static const char *const large[] = {"9223372036854775807", "-9223372036854775808", "36028797018963967", "2147483648",
                                      "1000000"};
  char number[24];
  while (at < in->len && (in->text[at] < '0' || in->text[at] > '9')) at++;
  size_t end = at;
  while (end < in->len && in->text[end] >= '0' && in->text[end] <= '9') end++;
  snprintf(number, sizeof number, "%d", (int)rng_below(r, 14));
  const char *other = rng_chance(r, 1, 8) ? RNG_PICK(r, large) : number;
  splice(in, at, end - at, other, strlen(other));
}

static size_t below(rng *r, size_t n) { return (size_t)rng_below(r, (int64_t)n); }

/* A piece of `from`, of mostly up to 24 bytes and now and then of hundreds, put into the input in the place of a few bytes. */
static void insert_piece(rng *r, input *in, size_t at, const input *from) {
  size_t start = below(r, from->len + 1), n = below(r, 24);
  if (rng_chance(r, 1, 4)) n *= n;
  splice(in, at, rng_chance(r, 1, 2) ? n : 0, from->text + start, from->len - start < n ? from->len - start : n);
}

/* In the place of as many bytes half of the time, which leaves all offsets in a file as they were. */
static void insert_word(rng *r, input *in, size_t at) {
  const char *word = fuzz.words[rng_below(r, fuzz.word_count)];
  size_t len = strlen(word);
  splice(in, at, rng_chance(r, 1, 2) ? len : below(r, 3), word, len);
}

static void change(rng *r, input *in) {
  static input other;
  size_t at = below(r, in->len + 1);
  switch (rng_below(r, 8)) {
  case 0:
    if (at < in->len) in->text[at] = (char)(in->text[at] ^ (1 << rng_below(r, 8)));
    return;
  case 1: splice(in, at, below(r, 24), "", 0); return;
  case 2:
    if (rng_chance(r, 1, 4)) in->len = at;
    return;
  case 3: insert_piece(r, in, at, in); return;
  case 4:
    make_seed((int)rng_below(r, fuzz.seed_count), &other);
    insert_piece(r, in, at, &other);
    return;
  case 5: insert_word(r, in, at); return;
  default: change_number(r, in, at);
  }
}

/* ---- which input it was: after a signal, or called by a sanitizer that is about to end the process */

static volatile sig_atomic_t current;

static void report(void) {
  char line[64];
  int len = snprintf(line, sizeof line, "\n%s: input %ld failed\n", fuzz.name, (long)current);
  if (write(STDERR_FILENO, line, (size_t)len) < 0) return;
}

static void report_signal(int number) {
  report();
  signal(number, SIG_DFL);
  raise(number);
}

extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

/* A sanitizer reports bad addresses itself, and better, but not __builtin_trap and abort. */
static void report_failures(void) {
  static const int signals[] = {SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGBUS};
  bool sanitized = __sanitizer_set_death_callback != NULL;
  if (sanitized) __sanitizer_set_death_callback(report);
  for (int i = 0; i < (sanitized ? 3 : FUZZ_COUNT(signals)); i++) signal(signals[i], report_signal);
}

/* ---- the program */

static bool seeds_are_good(void) {
  static input in;
  for (int i = 0; i < fuzz.seed_count; i++) {
    make_seed(i, &in);
    if (fuzz.run((const uint8_t *)in.text, in.len)) continue;
    fprintf(stderr, "%s: seed %d is refused, so its changes test little\n", fuzz.name, i);
    return false;
  }
  return true;
}

int main(int argc, char **argv) {
  static input in;
  long long count = argc > 1 ? strtoll(argv[1], NULL, 10) : 20000, first = argc > 2 ? strtoll(argv[2], NULL, 10) : 0;
  report_failures();
  if (!seeds_are_good()) return 1;
  for (long long number = first; number < first + count; number++) {
    rng r = rng_make(1, (uint64_t)number);
    current = (sig_atomic_t)number;
    make_seed((int)(number % fuzz.seed_count), &in);
    for (int64_t changes = rng_below(&r, 6); changes > 0; changes--) change(&r, &in);
    uint8_t *exact = malloc(in.len > 0 ? in.len : 1);
    if (exact == NULL) return 77;
    memcpy(exact, in.text, in.len);
    fuzz.run(exact, in.len);
    free(exact);
  }
  printf("%lld inputs\n", count);
  return 0;
}

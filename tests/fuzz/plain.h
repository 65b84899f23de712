/* plain.h - fuzzers without libFuzzer: a program that makes inputs by changing good ones.
 *
 * A fuzzer is a plan: the function that takes an input and stops the program (abort, __builtin_trap) when something is wrong,
 * and what inputs look like. libFuzzer has its own main and calls LLVMFuzzerTestOneInput of plain.c; otherwise plain.c has main:
 *
 *     fuzz_hlo [COUNT [FIRST]]   inputs FIRST to FIRST + COUNT - 1 (default 20000 from 0); a failing number repeats alone
 *
 * Input number N is a function of N: seed N % seed_count with up to five changes: bits flipped, cut, cut off, pieces moved and
 * doubled, pieces of other seeds, words, other numbers. It is passed in a block of its exact size, so that a sanitizer sees
 * every byte too many. */
#ifndef TESTS_FUZZ_PLAIN_H
#define TESTS_FUZZ_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FUZZ_INPUT_MAX = 8192 };

typedef struct fuzz_plan {
  const char *name;
  const char *const *seeds; /* texts */
  int seed_count;
  size_t (*make_seed)(int number, char *input); /* in place of `seeds`, for files that are no text; returns the length */
  const char *const *words;                     /* of the language: keywords, brackets, numbers at the limits */
  int word_count;
  /* Says whether the input was accepted. The seeds must be: changes of what is refused at once test little. */
  bool (*run)(const uint8_t *data, size_t size);
} fuzz_plan;

extern const fuzz_plan fuzz;

#define FUZZ_COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

#endif

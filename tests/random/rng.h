/* rng.h - the random numbers of the test: a pure function of a seed and a number, the same on every machine.
 *
 * In: (seed, stream). Out: a sequence. The generator is SplitMix64 (Steele, Lea, Flood 2014): a counter through a mixing
 * bijection, so streams that start at mixed places do not follow each other. */
#ifndef TESTS_RANDOM_RNG_H
#define TESTS_RANDOM_RNG_H

#include <stdbool.h>
#include <stdint.h>

typedef struct rng {
  uint64_t state;
} rng;

static inline uint64_t rng_mix(uint64_t x) {
  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  return x ^ x >> 31;
}

static inline uint64_t rng_next(rng *r) { return rng_mix(r->state += UINT64_C(0x9e3779b97f4a7c15)); }

static inline rng rng_make(uint64_t seed, uint64_t stream) {
  return (rng){rng_mix(rng_mix(seed + 1) ^ (stream * UINT64_C(0xd6e8feb86659fd93) + 1))};
}

/* Uniform in [0, n), n > 0; in [lo, hi]; true in `a` of `b` cases. */
static inline int64_t rng_below(rng *r, int64_t n) { return (int64_t)((rng_next(r) >> 11) % (uint64_t)n); }
static inline int64_t rng_range(rng *r, int64_t lo, int64_t hi) { return lo + rng_below(r, hi - lo + 1); }
static inline bool rng_chance(rng *r, int64_t a, int64_t b) { return rng_below(r, b) < a; }
static inline double rng_unit(rng *r) { return (double)(rng_next(r) >> 11) / 9007199254740992.0; }

/* One element of an array. */
#define RNG_PICK(r, array) ((array)[rng_below((r), (int64_t)(sizeof(array) / sizeof *(array)))])

/* A random order of 0..n-1. */
static inline void rng_permutation(rng *r, int n, int *out) {
  for (int i = 0; i < n; i++) out[i] = i;
  for (int i = n - 1; i > 0; i--) {
    int j = (int)rng_below(r, i + 1), t = out[i];
    out[i] = out[j];
    out[j] = t;
  }
}

#endif

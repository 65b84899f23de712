/* wasm.c - what main.c is for a WebAssembly module that has no C library: memory for the pictures, and the calls. run-wasm.mjs
 * fills the photograph and reads the drawing. */
#include "sketch.h"

enum { SIZE = 128 };

static uint8_t pixels[2][SIZE * SIZE];
static _Alignas(SKETCH_SCRATCH_ALIGNMENT)
    uint8_t memory[SKETCH_SELFTEST_SIZE > SKETCH_SCRATCH_SIZE ? SKETCH_SELFTEST_SIZE : SKETCH_SCRATCH_SIZE + 1];

/* What an object may need of a C library. */
void *memcpy(void *to, const void *from, size_t n) {
  for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
  return to;
}

void *memmove(void *to, const void *from, size_t n) {
  if ((uintptr_t)to < (uintptr_t)from) return memcpy(to, from, n);
  while (n-- > 0) ((volatile char *)to)[n] = ((const char *)from)[n];
  return to;
}

void *memset(void *to, int byte, size_t n) {
  for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = (char)byte;
  return to;
}

uint8_t *picture(int which) { return pixels[which]; }
int draw(void) { return sketch_call(pixels[0], pixels[1], memory, NULL); }
int selftest(void) { return sketch_selftest(memory, NULL); }

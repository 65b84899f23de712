/* main.c - makes a pencil drawing of a photograph with code that was compiled ahead of time: draw face.pgm drawing.pgm
 *
 * Linked with sketch.o, which atrousc makes of sketch.hlo and the weights in edges.npy and blur.npy, and with nothing of Atrous.
 * Shows the typed call, scratch memory, the caller's own threads, and the self-test. The last line is a checksum of the drawing,
 * which is the same on every machine: the network computes with integers. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sketch.h"

enum { SIZE = 128, THREADS = 4 };

/* ---- the caller's threads: any parallel-for will do, OpenMP's or a pool's. This one starts threads for each loop. */

typedef struct loop {
  void (*body)(void *arg, int64_t i);
  void *arg;
  int64_t count;
  atomic_llong next;
} loop;

static void *work(void *argument) {
  loop *l = argument;
  for (int64_t i; (i = atomic_fetch_add(&l->next, 1)) < l->count;) l->body(l->arg, i);
  return NULL;
}

static void parallel_for(void *user, int64_t n, void (*body)(void *arg, int64_t i), void *arg) {
  int *loops = user;
  loop l = {.body = body, .arg = arg, .count = n};
  pthread_t threads[THREADS];
  int started = 0;
  ++*loops;
  while (started < THREADS - 1 && pthread_create(&threads[started], NULL, work, &l) == 0) started++;
  work(&l);
  while (started > 0) pthread_join(threads[--started], NULL);
}

/* ---- pictures: binary PGM, 128 x 128, 8 bits */

static int read_picture(const char *path, uint8_t *pixels) {
  int width = 0, height = 0, most = 0;
  FILE *file = fopen(path, "rb");
  if (file == NULL) return 0;
  int is_good = fscanf(file, "P5 %d %d %d", &width, &height, &most) == 3 && width == SIZE && height == SIZE && most == 255 &&
                fgetc(file) != EOF && fread(pixels, SIZE, SIZE, file) == SIZE;
  fclose(file);
  return is_good;
}

static int write_picture(const char *path, const uint8_t *pixels) {
  FILE *file = fopen(path, "wb");
  if (file == NULL) return 0;
  int is_good = fprintf(file, "P5\n%d %d\n255\n", SIZE, SIZE) > 0 && fwrite(pixels, SIZE, SIZE, file) == SIZE;
  return fclose(file) == 0 && is_good;
}

static uint32_t checksum(const uint8_t *bytes, size_t len) { /* FNV-1a */
  uint32_t sum = 2166136261u;
  for (size_t i = 0; i < len; i++) sum = (sum ^ bytes[i]) * 16777619u;
  return sum;
}

static int fail(const char *what) {
  fprintf(stderr, "draw: %s\n", what);
  return 1;
}

int main(int argc, char **argv) {
  static uint8_t photograph[SIZE * SIZE], drawing[SIZE * SIZE], serial[SIZE * SIZE];
  int loops = 0;
  atr_host host = {&loops, parallel_for};
  if (argc != 3) return fail("usage: draw PHOTOGRAPH.pgm DRAWING.pgm");
  if (!read_picture(argv[1], photograph)) return fail("the photograph cannot be read, or is not 128 x 128");

  /* Does this machine do what the compiler thought? The block serves as scratch afterwards. */
  size_t size = SKETCH_SELFTEST_SIZE > SKETCH_SCRATCH_SIZE ? SKETCH_SELFTEST_SIZE : SKETCH_SCRATCH_SIZE;
  void *memory = aligned_alloc(SKETCH_SCRATCH_ALIGNMENT,
                               (size + SKETCH_SCRATCH_ALIGNMENT) / SKETCH_SCRATCH_ALIGNMENT * SKETCH_SCRATCH_ALIGNMENT);
  if (memory == NULL) return fail("no memory");
  int wrong = sketch_selftest(memory, &host);
  if (wrong == -SKETCH_UNSUPPORTED) return fail("compiled for none of the CPUs of this machine");
  if (wrong != 0) return fail("the self-test found a wrong result");

  int status = sketch_call(photograph, drawing, memory, &host);
  if (status == SKETCH_OK) status = sketch_call(photograph, serial, memory, NULL);
  free(memory);
  if (status != SKETCH_OK) return fail("sketch_call failed");
  if (memcmp(drawing, serial, sizeof drawing) != 0) return fail("threads change the result");
  if (!write_picture(argv[2], drawing)) return fail("the drawing cannot be written");
  printf("self-test passed; %s\n", loops > 0 ? "work shared among threads" : "no loop to share");
  printf("%08x\n", (unsigned)checksum(drawing, sizeof drawing));
  return 0;
}

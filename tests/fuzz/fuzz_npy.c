/* fuzz_npy.c - hostile .npy and .npz files.
 *
 * In: bytes. Nothing may crash, read outside them or write outside the array. With libFuzzer this file is a target; without,
 * main mutates the seeds below: flips, cuts, doubled pieces and interesting numbers.
 *
 *     fuzz_npy [COUNT [FIRST]]   inputs FIRST to FIRST + COUNT - 1 (default 20000 from 0); a failing number repeats alone */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npy.h"
#include "npz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_array(const uint8_t *data, size_t size, const atr_shape *shape) {
  npy_error error;
  void *out = malloc((size_t)atr_shape_bytes(shape));
  if (out != NULL) (void)npy_array_read(data, size, shape, out, &error);
  free(out);
}

static void read_npy(const uint8_t *data, size_t size) {
  npy_header header;
  npy_error error;
  atr_shape f32 = atr_shape_make(ATR_F32, 2, (const int64_t[]){2, 3}), c64 = atr_shape_make(ATR_C64, 1, (const int64_t[]){3});
  f32.minor_to_major[0] = 0, f32.minor_to_major[1] = 1;
  read_array(data, size, &f32);
  read_array(data, size, &c64);
  if (!npy_header_read(data, size, &header, &error)) return;
  if (header.data_offset > size || header.rank > NPY_MAX_RANK || header.elements < 0) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  npz_archive archive;
  npy_error error;
  read_npy(data, size);
  bool read = npz_read(data, size, &archive, &error);
  for (int i = 0; read && i < archive.count; i++) {
    unsigned char *entry;
    if (!npz_entry_read(data, &archive.entries[i], &entry, &error)) continue;
    read_npy(entry, (size_t)archive.entries[i].len);
    free(entry);
  }
  npz_fini(&archive);
  return 0;
}

/* ---- without libFuzzer ------------------------------------------------------------------------- */

enum { INPUT_MAX = 2048 };

static uint64_t next(uint64_t *state) {
  *state += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t x = (*state ^ *state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  return x ^ x >> 31;
}

/* A good file to start from: .npy with one of some headers, or a .npz of it. */
static size_t seed_file(uint64_t number, uint8_t file[INPUT_MAX]) {
  static const char *const headers[] = {
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
      "{'descr': '>f4', 'fortran_order': True, 'shape': (2, 3), }",
      "{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }",
      "{\"shape\": (2L, 3L), \"fortran_order\": True, \"descr\": '|V2'}",
  };
  const char *header = headers[number % 4];
  uint8_t npy[256] = "\x93NUMPY\x01";
  size_t len = 10 + strlen(header), npy_len = len + 24;
  npy[8] = (uint8_t)(len - 10);
  memcpy(npy + 10, header, len - 10);
  if (number % 8 < 4) {
    memcpy(file, npy, npy_len);
    return npy_len;
  }
  npz_written entry = {.offset = 0, .len = npy_len, .crc = npz_crc(0, npy, npy_len)};
  size_t at = npz_write_local(&entry, 0, file);
  memcpy(file + at, npy, npy_len);
  at += npy_len;
  return at + npz_write_directory(&entry, 1, at, file + at);
}

static size_t mutate(uint64_t *state, uint8_t *file, size_t len) {
  static const char *const pieces[] = {"4611686018427387904", "\xff\xff\xff\xff", "-1", "(", ")", "'", ", ", "0", "{", "}"};
  size_t at = next(state) % (len + 1), n = next(state) % 16;
  switch (next(state) % 5) {
    case 0: if (at < len) file[at] ^= (uint8_t)(1 << n % 8); return len;
    case 1: if (at < len) file[at] = (uint8_t)next(state); return len;
    case 2: return at;
    case 3:
      if (at + n > len || len + n > INPUT_MAX) return len;
      memmove(file + at + n, file + at, len - at);
      return len + n;
    case 4: {
      const char *piece = pieces[next(state) % (sizeof pieces / sizeof pieces[0])];
      size_t size = strlen(piece);
      if (at + size > len) return len;
      memcpy(file + at, piece, size);
      return len;
    }
  }
  return len;
}

int main(int argc, char **argv) {
  uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000, first = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
  for (uint64_t number = first; number < first + count; number++) {
    uint64_t state = number;
    uint8_t file[INPUT_MAX];
    size_t len = seed_file(number, file);
    for (uint64_t steps = next(&state) % 6; steps > 0; steps--) len = mutate(&state, file, len);
    uint8_t *exact = malloc(len + 1); /* so that a sanitizer sees every byte too many */
    if (exact == NULL) return 77;
    memcpy(exact, file, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
  }
  printf("%llu inputs\n", (unsigned long long)count);
  return 0;
}

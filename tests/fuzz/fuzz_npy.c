/* fuzz_npy.c - hostile .npy and .npz files.
 *
 * In: bytes. Nothing may crash, read outside them or write outside the array. plain.h has the command line. */
#include <stdlib.h>
#include <string.h>

#include "npy.h"
#include "npz.h"
#include "plain.h"

static void read_array(const uint8_t *data, size_t size, const atr_shape *shape) {
  npy_error error;
  void *out = malloc((size_t)atr_shape_bytes(shape));
  if (out != NULL) (void)npy_array_read(data, size, shape, out, &error);
  free(out);
}

static bool read_npy(const uint8_t *data, size_t size) {
  npy_header header;
  npy_error error;
  atr_shape f32 = atr_shape_make(ATR_F32, 2, (const int64_t[]){2, 3}), c64 = atr_shape_make(ATR_C64, 1, (const int64_t[]){3});
  f32.minor_to_major[0] = 0, f32.minor_to_major[1] = 1;
  read_array(data, size, &f32);
  read_array(data, size, &c64);
  if (!npy_header_read(data, size, &header, &error)) return false;
  if (header.data_offset > size || header.rank > NPY_MAX_RANK || header.elements < 0) __builtin_trap();
  return true;
}

static bool try_input(const uint8_t *data, size_t size) {
  npz_archive archive;
  npy_error error;
  bool is_array = read_npy(data, size), read = npz_read(data, size, &archive, &error);
  for (int i = 0; read && i < archive.count; i++) {
    unsigned char *entry;
    if (!npz_entry_read(data, &archive.entries[i], &entry, &error)) continue;
    read_npy(entry, (size_t)archive.entries[i].len);
    free(entry);
  }
  npz_fini(&archive);
  return is_array || read;
}

/* A good file to start from: .npy with one of some headers, or a .npz of it. */
static size_t seed_file(int number, char *file) {
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
  size_t at = npz_write_local(&entry, 0, (uint8_t *)file);
  memcpy(file + at, npy, npy_len);
  at += npy_len;
  return at + npz_write_directory(&entry, 1, at, (uint8_t *)file + at);
}

/* clang-format off */
static const char *const words[] = {
    "4611686018427387904", "\xff\xff\xff\xff", "-1", "(", ")", "'", ", ", "0", "{", "}",
};
/* clang-format on */

const fuzz_plan fuzz = {
    .name = "fuzz_npy",
    .make_seed = seed_file,
    .seed_count = 8,
    .words = words,
    .word_count = FUZZ_COUNT(words),
    .run = try_input,
};

/* test_npy.c - the tool's readers and writers of .npy and .npz (tools/npy.h, tools/npz.h).
 *
 * Headers are spelled here as NumPy, ml_dtypes and older writers spell them; each bad file differs from a good one in one thing
 * and must be refused with the message that names that thing, and leave the output untouched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npy.h"
#include "npz.h"
#include "support.h"

enum { FILE_MAX = 1024 };

/* A file with `text` as header (padded as NumPy pads) and `size` bytes of data; returns its length. */
static size_t make_file(unsigned char file[FILE_MAX], int major, const char *text, const void *data, size_t size) {
  size_t start = major == 1 ? 10 : 12, len = strlen(text);
  memset(file, ' ', FILE_MAX);
  memcpy(file, "\x93NUMPY", 6);
  file[6] = (unsigned char)major, file[7] = 0;
  memcpy(file + start, text, len);
  size_t padded = (start + len + 1 + 63) / 64 * 64 - start;
  file[start + padded - 1] = '\n';
  file[8] = (unsigned char)padded, file[9] = (unsigned char)(padded >> 8);
  if (start == 12) file[10] = file[11] = 0;
  memcpy(file + start + padded, data, size);
  return start + padded + size;
}

static atr_shape shape_2x3(atr_dtype dtype) { return atr_shape_make(dtype, 2, (const int64_t[]){2, 3}); }

/* Reads one file into a 2x3 array; the error's text is "" when it was read. */
static npy_error read_2x3(atr_dtype dtype, int major, const char *text, const void *data, size_t size, void *out) {
  unsigned char file[FILE_MAX];
  npy_error error = {""};
  size_t len = make_file(file, major, text, data, size);
  atr_shape shape = shape_2x3(dtype);
  bool read = npy_array_read(file, len, &shape, out, &error);
  ck_assert_msg(read == (error.text[0] == 0), "status and message disagree: %s", error.text);
  return error;
}

static const float numbers[6] = {1, 2, 3, 4, 5, 6};
#define C_ORDER "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"

START_TEST(versions_and_spellings) {
  static const char *const texts[] = {
      C_ORDER,
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
      "{\"shape\": (2L, 3L), \"fortran_order\": False, \"descr\": \"<f4\"}",
      "{ 'fortran_order' :False,'shape':(2,3,),'descr':'=f4', }",
      "{'descr': 'f4', 'fortran_order': False, 'shape': (2, 3), }",
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    for (int major = 1; major <= 3; major++) {
      float out[6] = {0};
      ck_assert_str_eq(read_2x3(ATR_F32, major, texts[i], numbers, sizeof numbers, out).text, "");
      ck_assert_mem_eq(out, numbers, sizeof out);
    }
  }
}
END_TEST

/* Fortran order in the file and column-major layout in the module: four combinations of one logical array. */
START_TEST(orders) {
  static const char *const texts[2] = {C_ORDER, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }"};
  static const float files[2][6] = {{1, 2, 3, 4, 5, 6}, {1, 4, 2, 5, 3, 6}};
  for (int fortran = 0; fortran < 2; fortran++) {
    for (int column_major = 0; column_major < 2; column_major++) {
      unsigned char file[FILE_MAX];
      npy_error error = {""};
      float out[6] = {0};
      atr_shape shape = shape_2x3(ATR_F32);
      if (column_major) shape.minor_to_major[0] = 0, shape.minor_to_major[1] = 1;
      size_t len = make_file(file, 1, texts[fortran], files[fortran], sizeof files[fortran]);
      ck_assert_msg(npy_array_read(file, len, &shape, out, &error), "%s", error.text);
      ck_assert_mem_eq(out, files[column_major], sizeof out);
    }
  }
}
END_TEST

START_TEST(big_endian) {
  static const unsigned char words[12] = {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 1, 6};
  uint16_t out[6];
  const char *header = "{'descr': '>u2', 'fortran_order': False, 'shape': (2, 3), }";
  ck_assert_str_eq(read_2x3(ATR_U16, 1, header, words, 12, out).text, "");
  for (int i = 0; i < 5; i++) ck_assert_uint_eq(out[i], (unsigned)i + 1);
  ck_assert_uint_eq(out[5], 0x106);
  /* A complex number is two swapped numbers, not one swapped block. */
  unsigned char parts[48] = {0x3f, 0x80, 0, 0, 0x40, 0, 0, 0}; /* (1, 2) */
  float complex_out[12];
  header = "{'descr': '>c8', 'fortran_order': False, 'shape': (2, 3), }";
  ck_assert_str_eq(read_2x3(ATR_C64, 1, header, parts, 48, complex_out).text, "");
  ck_assert(complex_out[0] == 1 && complex_out[1] == 2);
}
END_TEST

/* What each dtype may be called, and what it may not. */
START_TEST(dtype_names) {
  static const struct { atr_dtype dtype; const char *descr; bool fits; } rows[] = {
      {ATR_PRED, "|b1", true}, {ATR_PRED, "?", true}, {ATR_PRED, "|u1", false}, {ATR_S8, "|i1", true}, {ATR_S8, "|u1", false},
      {ATR_S64, "<i8", true}, {ATR_U32, "<u4", true}, {ATR_U32, "<i4", false}, {ATR_F16, "<f2", true}, {ATR_F16, "<u2", false},
      {ATR_BF16, "<u2", true}, {ATR_BF16, "<V2", true}, {ATR_BF16, "|V2", true}, {ATR_BF16, "bfloat16", true},
      {ATR_BF16, "<f2", false}, {ATR_F8E5M2, "<f1", true}, {ATR_F8E5M2, "|u1", true}, {ATR_F8E4M3FN, "<V1", true},
      {ATR_F8E4M3FN, "|i1", false}, {ATR_F64, "<f8", true}, {ATR_F64, "<f4", false}, {ATR_C64, "<c8", true},
      {ATR_C64, "<f8", false}, {ATR_C128, "<c16", true}, {ATR_F32, "<f16", false}, {ATR_F32, "|O", false},
      {ATR_F32, "<U4", false}, {ATR_F32, "<M8[ns]", false}, {ATR_F32, "", false}, {ATR_F32, "<", false}, {ATR_F32, "<f", false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char text[128];
    unsigned char data[6 * 16] = {0}, out[6 * 16];
    snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (2, 3), }", rows[i].descr);
    npy_error error = read_2x3(rows[i].dtype, 1, text, data, 6 * atr_dtype_size(rows[i].dtype), out);
    const char *dtype = atr_dtype_name(rows[i].dtype);
    ck_assert_msg((error.text[0] == 0) == rows[i].fits, "%s as %s: '%s'", rows[i].descr, dtype, error.text);
    if (!rows[i].fits) ck_assert_msg(strstr(error.text, "dtype") != NULL, "%s: %s", rows[i].descr, error.text);
  }
}
END_TEST

START_TEST(pred_is_normalized) {
  static const unsigned char data[6] = {0, 1, 2, 255, 0, 1};
  unsigned char out[6];
  ck_assert_str_eq(read_2x3(ATR_PRED, 1, "{'descr': '|b1', 'fortran_order': False, 'shape': (2, 3), }", data, 6, out).text, "");
  ck_assert_mem_eq(out, "\0\1\1\1\0\1", 6);
}
END_TEST

/* header, bytes of data, what the message must hold */
static const struct { const char *text; size_t size; const char *message; } bad[] = {
    {C_ORDER, 23, "needs 24 bytes, the file has 23"},
    {C_ORDER, 25, "needs 24 bytes, the file has 25"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", 24, "the array is f32[3,2], the parameter is f32[2,3]"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", 24, "1 dimensions, the parameter has 2"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 4, "0 dimensions"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6), }", 24, "shape is not a tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }", 24, "shape is not a tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3), }", 24, "no extent"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0x3), }", 24, "shape is not a tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 3), }", 24, "no extent"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 24, "elements overflows"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904, 4), }", 24, "elements overflows"},
    {"{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,), }", 24, "bytes overflows"},
    {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3), }", 24, "neither True nor False"},
    {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }", 24, "structured"},
    {"{'descr': '<f4', 'shape': (2, 3), }", 24, "missing"},
    {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24, "appears twice"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1, }", 24, "unknown key 'x'"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x", 24, "text after"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3) ", 24, "expected ',' or '}'"},
    {"{'descr': '<f4 ", 24, "descr is not a short string"},
    {"['descr']", 24, "expected a dictionary"},
    {"", 24, "expected a dictionary"},
};

START_TEST(bad_headers) {
  static const float padding[8] = {0};
  unsigned char out[24], untouched[24];
  memset(out, 0x5a, sizeof out);
  memset(untouched, 0x5a, sizeof untouched);
  npy_error error = read_2x3(ATR_F32, 1, bad[_i].text, padding, bad[_i].size, out);
  bool named = strstr(error.text, bad[_i].message) != NULL;
  ck_assert_msg(named, "%s\n  got '%s'\n  not '%s'", bad[_i].text, error.text, bad[_i].message);
  ck_assert_mem_eq(out, untouched, sizeof out);
}
END_TEST

/* Every prefix of a file is refused; none is read past its end (the copies are exact, for AddressSanitizer). */
START_TEST(truncated) {
  unsigned char file[FILE_MAX];
  size_t len = make_file(file, 2, C_ORDER, numbers, sizeof numbers);
  atr_shape shape = shape_2x3(ATR_F32);
  for (size_t cut = 0; cut < len; cut++) {
    unsigned char *copy = malloc(cut + 1);
    float out[6];
    npy_error error;
    memcpy(copy, file, cut);
    ck_assert(!npy_array_read(copy, cut, &shape, out, &error));
    free(copy);
  }
}
END_TEST

START_TEST(bad_version) {
  unsigned char file[FILE_MAX];
  npy_header header;
  npy_error error;
  size_t len = make_file(file, 1, C_ORDER, numbers, sizeof numbers);
  file[6] = 4;
  ck_assert(!npy_header_read(file, len, &header, &error));
  ck_assert_str_eq(error.text, ".npy version 4.0 is not supported");
}
END_TEST

/* What is written reads back, has C order whatever the layout, and a header as NumPy writes it. */
START_TEST(write_and_read) {
  static const struct { int rank; int64_t dims[4]; const char *shape; } rows[] = {
      {0, {0}, "'shape': (), }"}, {1, {4}, "'shape': (4,), }"}, {2, {2, 3}, "'shape': (2, 3), }"},
      {3, {2, 1, 3}, "'shape': (2, 1, 3), }"}, {4, {2, 3, 2, 2}, "'shape': (2, 3, 2, 2), }"}, {2, {0, 3}, "'shape': (0, 3), }"},
  };
  for (atr_dtype dtype = ATR_PRED; dtype <= ATR_C128; dtype = (atr_dtype)(dtype + 1)) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
      atr_shape shape = atr_shape_make(dtype, rows[i].rank, rows[i].dims);
      for (int d = 0; d < shape.rank; d++) shape.minor_to_major[d] = (int8_t)d; /* column major */
      unsigned char data[24 * 16], back[24 * 16], file[NPY_HEADER_MAX + sizeof data];
      size_t size = (size_t)atr_shape_bytes(&shape);
      npy_error error = {""};
      for (size_t b = 0; b < size; b++) data[b] = dtype == ATR_PRED ? b & 1 : (unsigned char)(7 * b + 1);
      size_t header_len = npy_header_write(&shape, (char *)file);
      ck_assert_uint_eq(header_len % 64, 0);
      file[header_len - 1] = 0;
      ck_assert_msg(strstr((char *)file + 10, rows[i].shape) != NULL, "%s", (char *)file + 10);
      file[header_len - 1] = '\n';
      npy_elements_write(&shape, data, file + header_len);
      ck_assert_msg(npy_array_read(file, header_len + size, &shape, back, &error), "%s", error.text);
      ck_assert_mem_eq(back, data, size);
    }
  }
}
END_TEST

START_TEST(written_order) {
  static const float column_major[6] = {1, 4, 2, 5, 3, 6};
  atr_shape shape = shape_2x3(ATR_F32);
  shape.minor_to_major[0] = 0, shape.minor_to_major[1] = 1;
  float out[6];
  npy_elements_write(&shape, column_major, out);
  ck_assert_mem_eq(out, numbers, sizeof out);
}
END_TEST

/* ---- archives ---------------------------------------------------------------------------------- */

/* An archive of `count` small entries; entry i holds the bytes i+1, i+1, ... of length 3 + i. */
static size_t make_archive(unsigned char *file, int count) {
  npz_written entries[16];
  size_t len = 0;
  for (int i = 0; i < count; i++) {
    unsigned char data[32];
    memset(data, i + 1, sizeof data);
    entries[i] = (npz_written){.offset = len, .len = 3 + (uint64_t)i, .crc = npz_crc(0, data, 3 + (size_t)i)};
    len += npz_write_local(&entries[i], i, file + len);
    memcpy(file + len, data, (size_t)entries[i].len);
    len += (size_t)entries[i].len;
  }
  return len + npz_write_directory(entries, count, len, file + len);
}

START_TEST(crc_known_value) { ck_assert_uint_eq(npz_crc(0, "123456789", 9), 0xcbf43926u); }
END_TEST

START_TEST(archive_round_trip) {
  for (int count = 0; count <= 12; count += 3) {
    unsigned char file[4096];
    npz_archive archive;
    npy_error error = {""};
    size_t len = make_archive(file, count);
    ck_assert_msg(npz_read(file, len, &archive, &error), "%s", error.text);
    ck_assert_int_eq(archive.count, count);
    for (int i = 0; i < count; i++) {
      unsigned char *data;
      ck_assert_msg(npz_entry_read(file, &archive.entries[i], &data, &error), "%s", error.text);
      ck_assert_uint_eq(archive.entries[i].len, 3u + (unsigned)i);
      ck_assert_uint_eq(data[0], (unsigned)i + 1);
      free(data);
    }
    npz_fini(&archive);
  }
}
END_TEST

/* Numbers order arr_K; another name leaves the archive's order. */
START_TEST(archive_order) {
  unsigned char file[4096];
  npz_archive archive;
  npy_error error;
  size_t len = make_archive(file, 2);
  for (size_t i = 0; i + 5 < len; i++) {
    if (memcmp(file + i, "arr_", 4) == 0) file[i + 4] ^= 1; /* 0 <-> 1 */
  }
  ck_assert(npz_read(file, len, &archive, &error));
  ck_assert_str_eq(archive.entries[0].name, "arr_0");
  ck_assert_uint_eq(archive.entries[0].len, 4);
  npz_fini(&archive);
  for (size_t i = 0; i + 5 < len; i++) {
    if (memcmp(file + i, "arr_1", 5) == 0) memcpy(file + i, "w_bia", 5);
  }
  ck_assert(npz_read(file, len, &archive, &error));
  ck_assert_str_eq(archive.entries[0].name, "w_bia");
  npz_fini(&archive);
}
END_TEST

/* A flipped bit anywhere never crashes, and in the data is always noticed. */
START_TEST(archive_damage) {
  unsigned char good[4096];
  size_t len = make_archive(good, 2);
  for (size_t at = 0; at < len; at++) {
    for (int bit = 0; bit < 8; bit++) {
      unsigned char *file = malloc(len);
      npz_archive archive;
      npy_error error;
      memcpy(file, good, len);
      file[at] ^= (unsigned char)(1 << bit);
      bool read = npz_read(file, len, &archive, &error);
      for (int i = 0; read && i < archive.count; i++) {
        unsigned char *data;
        bool entry_read = npz_entry_read(file, &archive.entries[i], &data, &error);
        bool inside = at >= archive.entries[i].offset && at < archive.entries[i].offset + archive.entries[i].len;
        ck_assert(!(entry_read && inside));
        if (entry_read) free(data);
      }
      npz_fini(&archive);
      free(file);
    }
  }
}
END_TEST

START_TEST(archive_truncated) {
  unsigned char good[4096];
  size_t len = make_archive(good, 2);
  for (size_t cut = 0; cut < len; cut++) {
    unsigned char *file = malloc(cut + 1);
    npz_archive archive;
    npy_error error;
    memcpy(file, good, cut);
    ck_assert(!npz_read(file, cut, &archive, &error));
    npz_fini(&archive);
    free(file);
  }
}
END_TEST

/* {1, 2, 3} deflated by "fixed" codes, as zlib writes it: read with zlib, refused by name without. */
START_TEST(archive_deflated) {
  static const unsigned char packed[5] = {0x63, 0x64, 0x62, 0x06, 0x00};
  npz_entry entry = {.name = "arr_0", .method = 8, .packed_len = sizeof packed, .len = 3};
  entry.crc = npz_crc(0, "\1\2\3", 3);
  unsigned char *data;
  npy_error error;
  bool read = npz_entry_read(packed, &entry, &data, &error);
#ifdef HAVE_ZLIB
  ck_assert(read);
  ck_assert_mem_eq(data, "\1\2\3", 3);
  free(data);
  entry.len = UINT64_C(1) << 60; /* a claim that must not be believed */
  ck_assert(!npz_entry_read(packed, &entry, &data, &error));
  ck_assert_str_eq(error.text, "entry 'arr_0' states a wrong length");
#else
  ck_assert(!read);
  ck_assert_ptr_nonnull(strstr(error.text, "'arr_0' is compressed"));
#endif
}
END_TEST

int main(void) {
  Suite *suite = suite_create("npy");
  TCase *npy = tcase_create("npy"), *npz = tcase_create("npz");
  tcase_add_test(npy, versions_and_spellings);
  tcase_add_test(npy, orders);
  tcase_add_test(npy, big_endian);
  tcase_add_test(npy, dtype_names);
  tcase_add_test(npy, pred_is_normalized);
  tcase_add_loop_test(npy, bad_headers, 0, COUNT(bad));
  tcase_add_test(npy, truncated);
  tcase_add_test(npy, bad_version);
  tcase_add_test(npy, write_and_read);
  tcase_add_test(npy, written_order);
  tcase_add_test(npz, crc_known_value);
  tcase_add_test(npz, archive_round_trip);
  tcase_add_test(npz, archive_order);
  tcase_add_test(npz, archive_damage);
  tcase_add_test(npz, archive_truncated);
  tcase_add_test(npz, archive_deflated);
  suite_add_tcase(suite, npy);
  suite_add_tcase(suite, npz);
  return run_suite(suite);
}

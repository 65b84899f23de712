/* test_base.c - src/base and src/ir/module.c: arena, diagnostics, text, dtypes, names and shapes.
 *
 * Narrow floats are tested over all their bit patterns; conversions between all pairs of dtypes against dtype_vectors.inc,
 * which numpy, ml_dtypes and exact fractions made. Memory is tested by an allocator that fails the k-th call, for k = 0, 1,
 * 2, ... until the work gets through, and that knows how much it has out. */
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "ir/ir.h"
#include "arena_fixture.h"

/* For loops of many rounds: Check's own assertions write to a pipe each time. `number` says which round failed. */
#define HOLDS(condition, number)                                                                   \
  do {                                                                                             \
    if (!(condition)) ck_abort_msg("%s: 0x%" PRIx64, #condition, (uint64_t)(number));              \
  } while (0)

/* ---- arena */

typedef struct starved {
  int64_t calls, fail_at, bytes_out;
  bool wrong_size; /* a block came back with another size than it had */
} starved;

/* Keeps each block's size in front of it, and gives blocks only the alignment that malloc promises everywhere. */
static void *starved_realloc(void *user, void *old, size_t old_size, size_t new_size) {
  starved *s = user;
  if (new_size == 0) {
    size_t *block = (size_t *)old - 1;
    s->wrong_size |= *block != old_size;
    s->bytes_out -= (int64_t)*block;
    free(block);
    return NULL;
  }
  if (s->calls++ == s->fail_at) return NULL;
  size_t *block = malloc(sizeof(size_t) + new_size);
  memset(block, 0xa5, sizeof(size_t) + new_size);
  *block = new_size;
  s->bytes_out += (int64_t)new_size;
  return block + 1;
}

static bool is_zero(const char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

/* Something of everything that allocates; true when all went well. */
static bool busy_work(atr_arena *a) {
  atr_text text = atr_text_make(a);
  atr_module *module = atr_module_new(a, "m");
  for (int i = 0; i < 300; i++) {
    char *piece = atr_arena_alloc(a, (size_t)(i * 37 % 6000));
    if ((uintptr_t)piece % 16 != 0 || !is_zero(piece, (size_t)(i * 37 % 6000))) return false;
    memset(piece, 0x5a, (size_t)(i * 37 % 6000));
    atr_module_add(module, &(atr_inst){.op = ATR_OP_ADD, .name = "x"});
    atr_text_printf(&text, "%d,", i);
  }
  atr_source source = {"f", "ab\ncd\n", 6};
  atr_work work = {.arena = a, .source = &source};
  return atr_fail(&work, (atr_span){5, 1}, ATR_PARSE_ERROR, "%s", text.data) == ATR_PARSE_ERROR && module->count == 300;
}

START_TEST(arena_survives_every_failed_allocation) {
  volatile int64_t failures = 0;
  for (volatile bool done = false; !done; failures++) {
    starved s = {.fail_at = failures};
    atr_arena a;
    atr_arena_init(&a, starved_realloc, &s);
    if (setjmp(a.guard) == 0) {
      ck_assert(busy_work(&a));
      done = true;
    }
    ck_assert_int_eq(done, s.calls <= s.fail_at);
    atr_arena_fini(&a);
    ck_assert_int_eq(s.bytes_out, 0);
    ck_assert(!s.wrong_size);
  }
  ck_assert_int_gt(failures, 20);
}
END_TEST

START_TEST(arena_refuses_absurd_sizes) {
  const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2, PTRDIFF_MAX};
  for (volatile size_t i = 0; i < 4 * sizeof sizes / sizeof *sizes; i++) {
    starved s = {.fail_at = -1};
    atr_arena a;
    atr_arena_init(&a, starved_realloc, &s);
    size_t size = sizes[i / 4];
    if (setjmp(a.guard) == 0) {
      if (i % 4 == 0) atr_arena_alloc(&a, size);
      if (i % 4 == 1) atr_arena_alloc_aligned(&a, size, 64);
      if (i % 4 == 2) atr_arena_grow(&a, NULL, 0, size);
      if (i % 4 == 3) atr_arena_string(&a, "", size);
      ck_abort_msg("a size of %zu was allocated", size);
    }
    ck_assert_int_eq(s.calls, 0);
    atr_arena_fini(&a);
  }
}
END_TEST

START_TEST(arena_pieces_are_aligned_apart_and_kept) {
  uintptr_t last_end = 0;
  ck_assert_ptr_nonnull(atr_arena_alloc(&arena, 0));
  for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
    char *piece = atr_arena_alloc_aligned(&arena, 100, alignment);
    ck_assert_uint_eq((uintptr_t)piece % alignment, 0);
    ck_assert(is_zero(piece, 100));
    ck_assert((uintptr_t)piece >= last_end || (uintptr_t)piece + 100 <= last_end - 100);
    memset(piece, 1, 100);
    last_end = (uintptr_t)piece + 100;
  }
  char *old = atr_arena_string(&arena, "abcdef", 3);
  ck_assert_str_eq(old, "abc");
  char *grown = atr_arena_grow(&arena, old, 4, 64);
  ck_assert_str_eq(grown, "abc");
  ck_assert(is_zero(grown + 3, 61));
  ck_assert_str_eq(old, "abc");
  ck_assert_str_eq(atr_arena_printf(&arena, "%s-%d", "x", 5), "x-5");
  int *list = NULL, count = 0, capacity = 0;
  for (; count < 1000; count++) {
    ATR_RESERVE(&arena, list, count, capacity);
    list[count] = count;
  }
  for (int i = 0; i < 1000; i++) ck_assert_int_eq(list[i], i);
}
END_TEST

START_TEST(arena_after_a_large_piece_still_uses_its_block) {
  starved s = {.fail_at = -1};
  atr_arena a;
  atr_arena_init(&a, starved_realloc, &s);
  if (setjmp(a.guard) != 0) ck_abort_msg("out of memory");
  atr_arena_alloc(&a, 16);
  atr_arena_alloc(&a, 1 << 20);
  atr_arena_alloc(&a, 16);
  ck_assert_int_eq(s.calls, 2);
  atr_arena_fini(&a);
  atr_arena_fini(&a); /* harmless */
  ck_assert_int_eq(s.bytes_out, 0);
}
END_TEST

/* ---- diagnostics */

static const char *message_at(const char *name, const char *text, size_t len, uint32_t offset) {
  atr_source source = {name, text, len};
  atr_work work = {.arena = &arena, .source = &source};
  ck_assert_int_eq(atr_fail(&work, (atr_span){offset, 1}, ATR_PARSE_ERROR, "no %d", 7), ATR_PARSE_ERROR);
  ck_assert_int_eq(work.status, ATR_PARSE_ERROR);
  return work.message;
}

START_TEST(diag_points_at_line_and_column) {
  static const char text[] = "one\ntwo x\r\n\tthree\t\"y\"\n\nend";
  const struct { uint32_t offset; const char *expected; } cases[] = {
    {1, "f:1:1: error: no 7\none\n^"},
    {4, "f:1:4: error: no 7\none\n   ^"}, /* the line feed itself */
    {5, "f:2:1: error: no 7\ntwo x\n^"},
    {9, "f:2:5: error: no 7\ntwo x\n    ^"},
    {10, "f:2:6: error: no 7\ntwo x\n     ^"}, /* the carriage return */
    {11, "f:2:7: error: no 7\ntwo x\n     ^"},
    {12, "f:3:1: error: no 7\n\tthree\t\"y\"\n^"},
    {13, "f:3:2: error: no 7\n\tthree\t\"y\"\n\t^"},
    {20, "f:3:9: error: no 7\n\tthree\t\"y\"\n\t     \t ^"},
    {23, "f:4:1: error: no 7\n\n^"},
    {26, "f:5:3: error: no 7\nend\n  ^"},
    {27, "f:5:4: error: no 7\nend\n   ^"}, /* one past the end: the text stops too early */
    {28, "f:5:4: error: no 7\nend\n   ^"},
    {UINT32_MAX, "f:5:4: error: no 7\nend\n   ^"},
    {0, "f: error: no 7"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ck_assert_str_eq(message_at("f", text, sizeof text - 1, cases[i].offset), cases[i].expected);
  }
  ck_assert_str_eq(message_at(NULL, "a\n", 2, 3), "<text>:2:1: error: no 7\n\n^");
  ck_assert_str_eq(message_at("f", "", 0, 1), "f:1:1: error: no 7\n\n^");
  ck_assert_str_eq(message_at("f", NULL, 0, 1), "f: error: no 7");
}
END_TEST

START_TEST(diag_shows_only_harmless_bytes) {
  ck_assert_str_eq(message_at("f", "a\033[1m\0\xc3\xa9 z", 10, 10), "f:1:10: error: no 7\na?[1m??? z\n         ^");
  ck_assert_str_eq(message_at("f", "a\rb", 3, 3), "f:1:3: error: no 7\na?b\n  ^");
}
END_TEST

/* For each caret in a line of `len` bytes of which each is unlike its neighbours: the caret is under its byte, and the printed
 * line is at most 160 bytes, with dots where it was cut and only there. */
static void check_long_line(size_t len) {
  char text[1200];
  for (size_t i = 0; i < len; i++) text[i] = (char)('0' + i % 61);
  text[len] = '\n';
  for (size_t at = 0; at <= len; at++) {
    const char *line = strchr(message_at("f", text, len + 1, (uint32_t)at + 1), '\n') + 1, *caret = strchr(line, '\n') + 1;
    size_t width = (size_t)(caret - 1 - line), column = strlen(caret) - 1;
    ck_assert_uint_eq(width, len < 160 ? len : 160);
    ck_assert_int_eq(caret[column], '^');
    ck_assert_uint_eq(strspn(caret, " "), column);
    ck_assert_uint_le(column, width);
    if (at < len) ck_assert_int_eq(line[column], text[at]);
    bool front = strncmp(line, "...", 3) == 0, back = strncmp(caret - 4, "...", 3) == 0;
    ck_assert_int_eq(front, len > 160 && at > 80);
    ck_assert_int_eq(back, len > 160 && at < len - 80);
    if (!back) ck_assert_int_eq(line[width - 1], text[len - 1]);
    if (front) ck_assert_uint_ge(column, 3);
    if (!front) ck_assert_uint_eq(column, at);
  }
}

START_TEST(diag_cuts_long_lines_around_the_caret) {
  const size_t lens[] = {1, 159, 160, 161, 162, 240, 1100};
  for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) check_long_line(lens[i]);
}
END_TEST

START_TEST(diag_keeps_the_first_error) {
  atr_work work = {.arena = &arena};
  ck_assert_int_eq(atr_fail(&work, (atr_span){3, 1}, ATR_UNSUPPORTED, "first"), ATR_UNSUPPORTED);
  ck_assert_int_eq(atr_fail(&work, ATR_NOWHERE, ATR_VERIFY_ERROR, "second"), ATR_UNSUPPORTED);
  ck_assert_str_eq(work.message, "error: first");
  ck_assert_uint_eq(work.line + work.column, 0);
  atr_source source = {"f", "a\nbc", 4};
  atr_work other = {.arena = &arena, .source = &source};
  ck_assert_int_eq(ATR_BUG(&other, "%s", "lost"), ATR_INTERNAL);
  ck_assert_str_eq(other.message, "f: internal error: lost");
  uint32_t line, column;
  atr_source_position(&source, (atr_span){4, 1}, &line, &column);
  ck_assert(line == 2 && column == 2);
  atr_source_position(NULL, (atr_span){4, 1}, &line, &column);
  ck_assert(line == 0 && column == 0);
}
END_TEST

START_TEST(statuses_and_version_have_names) {
  for (int status = ATR_OK; status <= ATR_INTERNAL; status++) {
    ck_assert_str_ne(atr_status_name((atr_status)status), "unknown status");
    for (int other = ATR_OK; other < status; other++) {
      ck_assert_str_ne(atr_status_name((atr_status)status), atr_status_name((atr_status)other));
    }
  }
  ck_assert_str_eq(atr_status_name(ATR_PARSE_ERROR), "parse error");
  ck_assert_str_eq(atr_status_name((atr_status)99), "unknown status");
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", ATR_VERSION_MAJOR, ATR_VERSION_MINOR, ATR_VERSION_PATCH);
  ck_assert_str_eq(atr_version(), version);
}
END_TEST

/* ---- text */

START_TEST(text_grows) {
  atr_text text = atr_text_make(&arena);
  ck_assert_ptr_null(text.data);
  atr_text_puts(&text, "");
  ck_assert_str_eq(text.data, "");
  for (int i = 0; i < 5000; i++) {
    atr_text_append(&text, "xyz", 2);
    ck_assert_uint_eq(strlen(text.data), text.len);
    ck_assert_uint_lt(text.len, text.capacity);
  }
  char wide[3000];
  memset(wide, 'w', sizeof wide);
  wide[sizeof wide - 1] = '\0';
  atr_text_printf(&text, "%s%c", wide, '!');
  ck_assert_uint_eq(text.len, 13000);
  ck_assert_str_eq(text.data + 12998, "w!");
  for (int i = 0; i < 10000; i++) ck_assert_int_eq(text.data[i], i % 2 == 0 ? 'x' : 'y');
}
END_TEST

static const char *scalar_text(atr_dtype dtype, const void *element) {
  atr_text text = atr_text_make(&arena);
  atr_text_scalar(&text, dtype, element);
  return text.data;
}

static const char *value_text(atr_dtype dtype, double re, double im, int64_t i) {
  char element[16];
  atr_scalar_store(dtype, element, (atr_scalar){.re = re, .im = im, .i = i});
  return scalar_text(dtype, element);
}

START_TEST(text_of_scalars) {
  const struct { atr_dtype dtype; double re, im; int64_t i; const char *expected; } cases[] = {
    {ATR_PRED, 0, 0, 0, "false"}, {ATR_PRED, 0, 0, 1, "true"}, {ATR_S8, 0, 0, -128, "-128"}, {ATR_U8, 0, 0, 255, "255"},
    {ATR_S64, 0, 0, INT64_MIN, "-9223372036854775808"}, {ATR_U64, 0, 0, -1, "18446744073709551615"}, {ATR_S32, 0, 0, 0, "0"},
    {ATR_F32, 0.0, 0, 0, "0"}, {ATR_F32, -0.0, 0, 0, "-0"}, {ATR_F32, 1, 0, 0, "1"}, {ATR_F32, -1.5, 0, 0, "-1.5"},
    {ATR_F32, 0.1, 0, 0, "0.1"}, {ATR_F64, 0.1, 0, 0, "0.1"}, {ATR_F64, 1.0 / 3, 0, 0, "0.3333333333333333"},
    {ATR_F32, 1.0 / 3, 0, 0, "0.33333334"}, {ATR_F16, 1.0 / 3, 0, 0, "0.3333"}, {ATR_BF16, 1.0 / 3, 0, 0, "0.334"},
    {ATR_F32, 16777216, 0, 0, "16777216"}, {ATR_F16, 65504, 0, 0, "65504"}, {ATR_F32, 999999936, 0, 0, "999999936"},
    {ATR_F32, 1e9, 0, 0, "1e+09"}, {ATR_F32, -1e10, 0, 0, "-1e+10"}, {ATR_F32, 1e-4, 0, 0, "0.0001"},
    {ATR_F32, 1e-5, 0, 0, "1e-05"},
    {ATR_F32, 1.25e-7, 0, 0, "1.25e-07"}, {ATR_F64, 123456.789, 0, 0, "123456.789"}, {ATR_F64, 5e-324, 0, 0, "5e-324"},
    {ATR_F64, 1.7976931348623157e308, 0, 0, "1.7976931348623157e+308"}, {ATR_F64, 0x1p-44, 0, 0, "5.684341886080802e-14"},
    {ATR_F32, 3.4028234663852886e38, 0, 0, "3.4028235e+38"}, {ATR_F64, 0x1p-1022, 0, 0, "2.2250738585072014e-308"},
    {ATR_F32, INFINITY, 0, 0, "inf"}, {ATR_BF16, -INFINITY, 0, 0, "-inf"}, {ATR_F64, NAN, 0, 0, "nan"},
    {ATR_F16, -NAN, 0, 0, "nan"},
    {ATR_F8E4M3FN, INFINITY, 0, 0, "nan"}, {ATR_F8E5M2, INFINITY, 0, 0, "inf"}, {ATR_F8E4M3FN, 448, 0, 0, "448"},
    {ATR_C64, 1.5, -2, 0, "(1.5, -2)"}, {ATR_C128, NAN, -INFINITY, 0, "(nan, -inf)"}, {ATR_C64, 0.1, -0.0, 0, "(0.1, -0)"},
    {ATR_F64, 999999999.5, 0, 0, "999999999.5"}, {ATR_DTYPE_NONE, 0, 0, 0, "?"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ck_assert_str_eq(value_text(cases[i].dtype, cases[i].re, cases[i].im, cases[i].i), cases[i].expected);
  }
}
END_TEST

/* The digits of a printed float without sign, point, leading and trailing zeros. */
static int digits_in(const char *text) {
  int digits = 0, zeros = 0;
  for (; *text != '\0' && *text != 'e'; text++) {
    if (*text == '0' && digits > 0) zeros++;
    if (*text >= '1' && *text <= '9') {
      digits += zeros + 1;
      zeros = 0;
    }
  }
  return digits;
}

static bool same_as_read(atr_dtype dtype, double decimal, double value) {
  return atr_scalar_round(dtype, (atr_scalar){.re = decimal}).re == value;
}

/* No decimal of fewer digits reads back: of so many digits, the ones just below and above are the candidates. */
static void check_shortest(atr_dtype dtype, double value, const char *text) {
  if (!same_as_read(dtype, strtod(text, NULL), value)) ck_abort_msg("%s %a is not %s", atr_dtype_name(dtype), value, text);
  if (fabs(value) < 1e9 && value == (double)(int64_t)value) return; /* printed exactly */
  int digits = digits_in(text), exponent = (int)floor(log10(fabs(value)));
  if (digits < 2) return;
  for (int last = exponent - digits + 1; last <= exponent - digits + 3; last++) { /* its last digit's power, give or take one */
    char shorter[64];
    snprintf(shorter, sizeof shorter, "1e%d", last + 1);
    double unit = strtod(shorter, NULL);
    if (digits > 15 || unit == 0) continue; /* the steps themselves would be rounded */
    double below = floor(fabs(value) / unit);
    for (double step = below; step <= below + 1; step++) {
      snprintf(shorter, sizeof shorter, "%.0fe%d", step, last + 1);
      if (digits_in(shorter) >= digits) continue;
      if (!same_as_read(dtype, strtod(shorter, NULL), fabs(value))) continue;
      ck_abort_msg("%s: %s for %s", atr_dtype_name(dtype), text, shorter);
    }
  }
}

START_TEST(text_of_every_narrow_float_is_shortest) {
  const atr_dtype dtypes[] = {ATR_F8E4M3FN, ATR_F8E5M2, ATR_F16, ATR_BF16};
  for (size_t d = 0; d < 4; d++) {
    for (uint32_t bits = 0; bits < 1u << atr_dtype_bits(dtypes[d]); bits++) {
      uint16_t element = (uint16_t)bits; /* little-endian: an fp8 is its first byte */
      double value = atr_scalar_load(dtypes[d], &element).re;
      if (isfinite(value) && value != 0) check_shortest(dtypes[d], value, scalar_text(dtypes[d], &element));
    }
  }
}
END_TEST

static uint64_t random_bits(uint64_t *state) {
  *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
  uint64_t z = *state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

START_TEST(text_of_wide_floats_reads_back) {
  uint64_t state = 1;
  for (int i = 0; i < 20000; i++) {
    uint64_t bits = random_bits(&state);
    if (i % 4 == 0) bits &= ~((UINT64_C(1) << 52) - 1); /* powers of two in f64 */
    atr_dtype dtype = i % 2 == 0 ? ATR_F64 : ATR_F32;
    double value = atr_scalar_load(dtype, &bits).re;
    if (!isfinite(value) || value == 0) continue;
    const char *text = scalar_text(dtype, &bits);
    HOLDS(digits_in(text) <= (dtype == ATR_F64 ? 17 : 9), bits);
    check_shortest(dtype, value, text);
  }
}
END_TEST

/* A host program may have set a locale that writes 1,5. */
START_TEST(text_does_not_depend_on_the_locale) {
  const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8", "de_DE", "fr_FR"};
  for (size_t i = 0; i < sizeof names / sizeof *names && setlocale(LC_NUMERIC, names[i]) == NULL; i++) continue;
  ck_assert_str_eq(value_text(ATR_F32, 0.15, 0, 0), "0.15");
  ck_assert_str_eq(value_text(ATR_F64, -1.25e-9, 0, 0), "-1.25e-09");
  ck_assert_str_eq(value_text(ATR_F64, 1234567.125, 0, 0), "1234567.125");
  setlocale(LC_NUMERIC, "C");
}
END_TEST

/* ---- dtypes */

START_TEST(dtype_facts) {
  const int bits[] = {0, 1, 8, 16, 32, 64, 8, 16, 32, 64, 8, 8, 16, 16, 32, 64, 64, 128};
  for (int i = 1; i < ATR_DTYPE_COUNT; i++) {
    atr_dtype dtype = (atr_dtype)i;
    const char *name = atr_dtype_name(dtype), *stablehlo = atr_dtype_stablehlo_name(dtype);
    ck_assert_int_eq(atr_dtype_from_name(name, strlen(name)), i);
    ck_assert_int_eq(atr_dtype_from_stablehlo_name(stablehlo, strlen(stablehlo)), i);
    ck_assert_int_eq(atr_dtype_from_name(name, strlen(name) - 1), ATR_DTYPE_NONE);
    ck_assert_int_eq(atr_dtype_bits(dtype), bits[i]);
    ck_assert_uint_eq(atr_dtype_size(dtype), ((size_t)bits[i] + 7) / 8);
    ck_assert_int_eq(atr_dtype_is_integer(dtype), i >= ATR_S8 && i <= ATR_U64);
    ck_assert_int_eq(atr_dtype_is_fp8(dtype), strncmp(name, "f8", 2) == 0);
  }
  ck_assert_str_eq(atr_dtype_name(ATR_F8E4M3FN), "f8e4m3fn");
  ck_assert_str_eq(atr_dtype_stablehlo_name(ATR_C128), "complex<f64>");
  ck_assert_int_eq(atr_dtype_from_name("f32x", 3), ATR_F32);
  ck_assert_int_eq(atr_dtype_from_name("F32", 3), ATR_DTYPE_NONE);
  ck_assert_int_eq(atr_dtype_from_name("?", 1), ATR_DTYPE_NONE);
  ck_assert_int_eq(atr_dtype_from_stablehlo_name("?", 1), ATR_DTYPE_NONE);
  ck_assert_int_eq(atr_dtype_from_name("", 0), ATR_DTYPE_NONE);
  const int unknown[] = {ATR_DTYPE_NONE, ATR_DTYPE_COUNT, 1000000, -1};
  for (int i = 0; i < 4; i++) {
    ck_assert_str_eq(atr_dtype_name((atr_dtype)unknown[i]), "?");
    ck_assert_uint_eq(atr_dtype_size((atr_dtype)unknown[i]), 0);
    ck_assert_int_eq(atr_dtype_class_of((atr_dtype)unknown[i]), ATR_CLASS_NONE);
  }
  ck_assert_int_eq(atr_dtype_real(ATR_C64), ATR_F32);
  ck_assert_int_eq(atr_dtype_real(ATR_C128), ATR_F64);
  ck_assert_int_eq(atr_dtype_real(ATR_BF16), ATR_BF16);
  ck_assert_int_eq(atr_dtype_complex(ATR_F32), ATR_C64);
  ck_assert_int_eq(atr_dtype_complex(ATR_F64), ATR_C128);
  ck_assert_int_eq(atr_dtype_complex(ATR_F16), ATR_DTYPE_NONE);
}
END_TEST

START_TEST(dtype_accumulators) {
  const struct { atr_dtype lhs, rhs, result, expected; } cases[] = {
    {ATR_F16, ATR_F16, ATR_F16, ATR_F32}, {ATR_BF16, ATR_BF16, ATR_BF16, ATR_F32},
    {ATR_F8E4M3FN, ATR_F8E5M2, ATR_F8E4M3FN, ATR_F32},
    {ATR_BF16, ATR_BF16, ATR_F32, ATR_F32}, {ATR_F16, ATR_F16, ATR_F64, ATR_F64}, {ATR_F32, ATR_F32, ATR_F32, ATR_F32},
    {ATR_F64, ATR_F32, ATR_F32, ATR_F64}, {ATR_F64, ATR_F64, ATR_F64, ATR_F64}, {ATR_S8, ATR_S8, ATR_S8, ATR_S8},
    {ATR_S8, ATR_S8, ATR_S32, ATR_S32}, {ATR_U8, ATR_S8, ATR_S32, ATR_S32}, {ATR_S8, ATR_S8, ATR_F32, ATR_F32},
    {ATR_PRED, ATR_PRED, ATR_PRED, ATR_PRED}, {ATR_C64, ATR_C64, ATR_C64, ATR_C64}, {ATR_C64, ATR_C64, ATR_C128, ATR_C128},
    {ATR_C64, ATR_F64, ATR_C64, ATR_C128}, {ATR_F32, ATR_F32, ATR_C64, ATR_C64},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ck_assert_int_eq(atr_dtype_accumulator(cases[i].lhs, cases[i].rhs, cases[i].result), cases[i].expected);
  }
}
END_TEST

typedef struct narrow {
  atr_dtype dtype;
  int exponent_bits, fraction_bits;
  uint32_t last; /* largest finite pattern */
} narrow;

static const narrow narrows[] = {
  {ATR_F8E4M3FN, 4, 3, 0x7e}, {ATR_F8E5M2, 5, 2, 0x7b}, {ATR_F16, 5, 10, 0x7bff}, {ATR_BF16, 8, 7, 0x7f7f}};

static uint32_t pattern_from(atr_dtype dtype, double value) {
  switch ((int)dtype) {
    case ATR_F8E4M3FN: return atr_f8e4m3fn_from_f64(value);
    case ATR_F8E5M2: return atr_f8e5m2_from_f64(value);
    case ATR_F16: return atr_f16_from_f64(value);
    default: return atr_bf16_from_f64(value);
  }
}

static double value_of(atr_dtype dtype, uint32_t pattern) {
  switch ((int)dtype) {
    case ATR_F8E4M3FN: return atr_f8e4m3fn_to_f64((uint8_t)pattern);
    case ATR_F8E5M2: return atr_f8e5m2_to_f64((uint8_t)pattern);
    case ATR_F16: return atr_f16_to_f64((uint16_t)pattern);
    default: return atr_bf16_to_f64((uint16_t)pattern);
  }
}

/* What the standard says a pattern means, by its definition and libm. */
static double defined_value(const narrow *n, uint32_t pattern) {
  int bias = (1 << (n->exponent_bits - 1)) - 1, field = (int)(pattern >> n->fraction_bits) & ((1 << n->exponent_bits) - 1);
  double fraction = ldexp(pattern & ((1u << n->fraction_bits) - 1), -n->fraction_bits);
  double sign = pattern >> (n->exponent_bits + n->fraction_bits) != 0 ? -1 : 1;
  return sign * (field == 0 ? ldexp(fraction, 1 - bias) : ldexp(1 + fraction, field - bias));
}

START_TEST(dtype_every_narrow_pattern_round_trips) {
  for (size_t f = 0; f < 4; f++) {
    const narrow *n = &narrows[f];
    uint32_t sign = 1u << (n->exponent_bits + n->fraction_bits);
    for (uint32_t pattern = 0; pattern < 2 * sign; pattern++) {
      double value = value_of(n->dtype, pattern);
      uint32_t magnitude = pattern & (sign - 1);
      HOLDS(pattern_from(n->dtype, value) == pattern, pattern);
      HOLDS((signbit(value) != 0) == (pattern >= sign), pattern);
      if (magnitude <= n->last) {
        HOLDS(value == defined_value(n, pattern), pattern);
      } else if (n->dtype != ATR_F8E4M3FN && magnitude == n->last + 1) {
        HOLDS(isinf(value), pattern);
      } else {
        HOLDS(isnan(value), pattern);
      }
    }
  }
}
END_TEST

/* Between every two neighbours: the tie goes to the even pattern, and one f64 to either side of the tie decides. */
START_TEST(dtype_every_narrow_tie_goes_to_even) {
  for (size_t f = 0; f < 4; f++) {
    const narrow *n = &narrows[f];
    uint32_t sign = 1u << (n->exponent_bits + n->fraction_bits);
    for (uint32_t low = 0; low <= n->last; low++) {
      double tie = (defined_value(n, low) + defined_value(n, low + 1)) / 2; /* after `last`: where overflow begins */
      uint32_t even = low % 2 == 0 ? low : low + 1;
      HOLDS(pattern_from(n->dtype, tie) == even, low);
      HOLDS(pattern_from(n->dtype, -tie) == (even | sign), low);
      HOLDS(pattern_from(n->dtype, nextafter(tie, 0)) == low, low);
      HOLDS(pattern_from(n->dtype, nextafter(tie, INFINITY)) == (low + 1), low);
    }
    const double beyond[] = {1e5, 1e39, 0x1p1023, INFINITY};
    for (int i = n->dtype == ATR_BF16 ? 1 : 0; i < 4; i++) {
      ck_assert_uint_eq(pattern_from(n->dtype, beyond[i]), n->last + 1);
      ck_assert_uint_eq(pattern_from(n->dtype, -beyond[i]), (n->last + 1) | sign);
    }
    const double tiny[] = {0x1p-140, 0x1p-1022, 0x1p-1074, 0};
    for (int i = 0; i < 4; i++) {
      ck_assert_uint_eq(pattern_from(n->dtype, tiny[i]), 0);
      ck_assert_uint_eq(pattern_from(n->dtype, -tiny[i]), sign);
    }
    ck_assert(isnan(value_of(n->dtype, pattern_from(n->dtype, NAN))));
  }
  uint64_t deep_payload = UINT64_C(0x7ff0000000000001); /* no payload bit that a narrow format has: still a NaN */
  double value;
  memcpy(&value, &deep_payload, sizeof value);
  for (size_t f = 0; f < 4; f++) ck_assert(isnan(value_of(narrows[f].dtype, pattern_from(narrows[f].dtype, value))));
}
END_TEST

static const struct { atr_dtype from; const char *value, *expected; } vectors[] = {
#include "dtype_vectors.inc"
};

static void bytes_of(const char *hex, size_t count, unsigned char *bytes) {
  for (size_t i = 0; i < count; i++) {
    unsigned byte;
    ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
    bytes[i] = (unsigned char)byte;
  }
}

static bool same_float(double a, double b) { return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b)); }

static bool same_element(atr_dtype dtype, const void *a, const void *b) {
  if (memcmp(a, b, atr_dtype_size(dtype)) == 0) return true;
  atr_scalar x = atr_scalar_load(dtype, a), y = atr_scalar_load(dtype, b);
  return atr_dtype_class_of(dtype) >= ATR_CLASS_FLOAT && same_float(x.re, y.re) && same_float(x.im, y.im);
}

START_TEST(dtype_conversions_agree_with_numpy) {
  for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++) {
    unsigned char buffer[17], expected[16], got[17];
    atr_dtype from = vectors[v].from;
    bytes_of(vectors[v].value, atr_dtype_size(from), buffer + 1); /* + 1: at no alignment */
    atr_scalar value = atr_scalar_load(from, buffer + 1);
    const char *hex = vectors[v].expected;
    for (int to = 1; to < ATR_DTYPE_COUNT; to++) {
      size_t size = atr_dtype_size((atr_dtype)to);
      bytes_of(hex, size, expected);
      hex += 2 * size;
      atr_scalar converted = atr_scalar_convert(from, (atr_dtype)to, value);
      atr_scalar_store((atr_dtype)to, got + 1, converted);
      ck_assert_msg(same_element((atr_dtype)to, got + 1, expected), "%s %s -> %s: %s", atr_dtype_name(from), vectors[v].value,
                    atr_dtype_name((atr_dtype)to), scalar_text((atr_dtype)to, got + 1));
      atr_scalar again = atr_scalar_load((atr_dtype)to, got + 1); /* already a value of `to`: the store changed nothing */
      ck_assert(again.i == converted.i && same_float(again.re, converted.re) && same_float(again.im, converted.im));
    }
    ck_assert_int_eq(*hex, '\0');
  }
}
END_TEST

START_TEST(dtype_store_writes_its_own_bytes_only) {
  for (int i = 0; i < ATR_DTYPE_COUNT; i++) {
    unsigned char bytes[32];
    memset(bytes, 0xee, sizeof bytes);
    atr_scalar_store((atr_dtype)i, bytes + 3, (atr_scalar){.re = 1, .im = 1, .i = 1});
    size_t size = atr_dtype_size((atr_dtype)i);
    ck_assert(bytes[2] == 0xee && bytes[3 + size] == 0xee);
    ck_assert_int_eq(bytes[3 + size - 1] == 0xee, size == 0);
  }
  ck_assert_int_eq(atr_scalar_round(ATR_S8, (atr_scalar){.i = 200}).i, -56);
  ck_assert_int_eq(atr_scalar_round(ATR_U16, (atr_scalar){.i = -1}).i, 65535);
  ck_assert_int_eq(atr_scalar_round(ATR_PRED, (atr_scalar){.i = 256}).i, 1);
  ck_assert_double_eq(atr_scalar_round(ATR_F32, (atr_scalar){.re = 0.1}).re, (double)0.1f);
  ck_assert_double_eq(atr_scalar_round(ATR_C64, (atr_scalar){.im = 0.1}).im, (double)0.1f);
  ck_assert_int_eq(atr_scalar_load(ATR_PRED, "\x80").i, 1);
}
END_TEST

/* ---- operations, names, shapes */

START_TEST(op_table) {
  for (int i = 1; i < ATR_OP_COUNT; i++) {
    const char *name = atr_op_name((atr_op)i);
    ck_assert_int_eq(atr_op_from_name(name, strlen(name)), i);
    ck_assert_int_eq(atr_op_from_name(name, strlen(name) - 1), ATR_OP_NONE);
  }
  ck_assert_int_eq(atr_op_from_name("none", 4), ATR_OP_NONE);
  ck_assert_int_eq(atr_op_from_name("addend", 3), ATR_OP_ADD);
  ck_assert_int_eq(atr_op_operand_count(ATR_OP_SELECT), 3);
  ck_assert_int_eq(atr_op_operand_count(ATR_OP_CONCATENATE), -1);
  ck_assert_int_eq(atr_op_kind_of(ATR_OP_LOCAL_CONVOLUTION), ATR_KIND_CONV);
  for (int i = 0; i < ATR_OP_COUNT; i++) {
    const char *target = atr_op_target((atr_op)i);
    ck_assert_int_eq(target != NULL, atr_conv_is_local((atr_op)i));
    if (target != NULL) ck_assert_int_eq(atr_op_from_target(target, strlen(target)), i);
    if (target != NULL) ck_assert_int_eq(atr_op_from_target(target, strlen(target) - 1), ATR_OP_NONE);
  }
  ck_assert(atr_conv_is_local(ATR_OP_LOCAL_DATA_GRADIENT) && !atr_conv_is_local(ATR_OP_CONVOLUTION));
  ck_assert_int_eq(atr_op_kind_of(ATR_OP_TANH), ATR_KIND_UNARY);
  ck_assert(atr_op_is_elementwise(ATR_OP_TANH) && atr_op_is_elementwise(ATR_OP_SELECT) && !atr_op_is_elementwise(ATR_OP_COPY));
  ck_assert(atr_op_takes(ATR_OP_COPY, ATR_F8E5M2) && !atr_op_takes(ATR_OP_ADD, ATR_F8E5M2) && atr_op_takes(ATR_OP_ADD, ATR_U8));
  ck_assert(!atr_op_takes(ATR_OP_ADD, ATR_PRED) && atr_op_takes(ATR_OP_COMPARE, ATR_PRED) && !atr_op_takes(ATR_OP_ABS, ATR_U8));
  ck_assert_str_eq(atr_op_takes_text(&arena, ATR_OP_ABS), "signed integers, floats and complex numbers");
  ck_assert_str_eq(atr_op_takes_text(&arena, ATR_OP_NOT), "pred and integers");
  ck_assert_str_eq(atr_op_takes_text(&arena, ATR_OP_COMPLEX), "floats");
  ck_assert_str_eq(atr_op_name((atr_op)12345), "none");
}
END_TEST

static const char *name_after_add(atr_module *module, const char *name) {
  return atr_inst_at(module, atr_module_add(module, &(atr_inst){.op = ATR_OP_ADD, .name = name}))->name;
}

START_TEST(module_names_are_unique) {
  atr_module *module = atr_module_new(&arena, NULL);
  ck_assert_str_eq(module->name, "module");
  ck_assert_str_eq(name_after_add(module, "x"), "x");
  ck_assert_str_eq(name_after_add(module, NULL), "add.2");
  ck_assert_str_eq(name_after_add(module, "x"), "x.3");
  ck_assert_str_eq(name_after_add(module, "add.5"), "add.5");
  ck_assert_str_eq(name_after_add(module, ""), "add.6");
  ck_assert_str_eq(name_after_add(module, "add.5"), "add.5.6");
  char wanted[16];
  for (int i = 0; i < 3000; i++) {
    snprintf(wanted, sizeof wanted, "x.%d", i % 1000);
    name_after_add(module, wanted);
  }
  ck_assert_uint_eq(module->count, 3006);
  for (atr_id a = 1; a <= module->count; a += 7) {
    for (atr_id b = 1; b <= module->count; b++) HOLDS(a == b || strcmp(module->insts[a].name, module->insts[b].name) != 0, b);
  }
}
END_TEST

START_TEST(module_add_copies) {
  atr_module *module = atr_module_new(&arena, "m");
  char name[] = "p";
  atr_id operands[2] = {1, 1};
  ck_assert_uint_eq(atr_module_add(module, &(atr_inst){.op = ATR_OP_PARAMETER, .name = name}), 1);
  atr_inst inst = {.op = ATR_OP_ADD, .operands = operands, .operand_count = 2, .span = {7, 3}};
  ck_assert_uint_eq(atr_module_add(module, &inst), 2);
  name[0] = 'q';
  operands[0] = operands[1] = 9;
  const atr_inst *sum = atr_inst_at(module, 2);
  ck_assert_str_eq(atr_operand(module, sum, 1)->name, "p");
  ck_assert_uint_eq(sum->operands[0], 1);
  atr_span spans[ATR_ATTR_COUNT] = {[ATR_ATTR_WINDOW] = {20, 4}};
  ck_assert_uint_eq(atr_inst_span(sum, ATR_ATTR_WINDOW).offset, 7);
  inst.spans = spans;
  ck_assert_uint_eq(atr_inst_span(&inst, ATR_ATTR_WINDOW).offset, 20);
  ck_assert_uint_eq(atr_inst_span(&inst, ATR_ATTR_SHAPE).offset, 7);
}
END_TEST

START_TEST(shape_sizes_are_checked) {
  const int64_t big = INT64_C(1) << 40;
  const struct { atr_dtype dtype; int rank; int64_t dims[3], elements, bytes; } cases[] = {
    {ATR_F32, 0, {0}, 1, 4}, {ATR_F32, 3, {2, 3, 4}, 24, 96}, {ATR_C128, 1, {3}, 3, 48}, {ATR_F32, 2, {0, 5}, 0, 0},
    {ATR_F32, 3, {big, big, 0}, 0, 0}, {ATR_F32, 2, {big, big}, -1, -1}, {ATR_F32, 2, {-1, 5}, -1, -1},
    {ATR_F32, 2, {0, -1}, -1, -1},
    {ATR_S8, 1, {INT64_MAX}, INT64_MAX, INT64_MAX}, {ATR_S16, 1, {INT64_MAX}, -1, -1},
    {ATR_F64, 1, {INT64_MAX / 8}, INT64_MAX / 8, INT64_MAX - 7},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    atr_shape shape = atr_shape_make(cases[i].dtype, cases[i].rank, cases[i].dims);
    ck_assert_int_eq(atr_shape_elements(&shape), cases[i].elements);
    ck_assert_int_eq(atr_shape_bytes(&shape), cases[i].bytes);
    int64_t elements, bytes;
    ck_assert_int_eq(atr_shape_checked_bytes(&shape, &elements, &bytes), cases[i].bytes >= 0);
  }
  ck_assert_int_eq(atr_shape_elements(NULL), -1);
  ck_assert_int_eq(atr_shape_bytes(&(atr_shape){.dtype = ATR_F32, .rank = 99}), -1);
  int64_t ones[ATR_MAX_RANK + 1];
  for (int i = 0; i <= ATR_MAX_RANK; i++) ones[i] = 1;
  ck_assert_int_eq(atr_shape_make(ATR_F32, ATR_MAX_RANK, ones).rank, ATR_MAX_RANK);
  ck_assert_int_eq(atr_shape_make(ATR_F32, ATR_MAX_RANK + 1, ones).dtype, ATR_DTYPE_NONE);
  ck_assert_int_eq(atr_shape_make(ATR_F32, -1, ones).dtype, ATR_DTYPE_NONE);
  ck_assert_int_eq(atr_shape_make(ATR_F32, 1, NULL).dtype, ATR_DTYPE_NONE);
  ck_assert_int_eq(atr_shape_make(ATR_F32, 0, NULL).dtype, ATR_F32);
}
END_TEST

static const char *shape_text(const atr_shape *shape, bool layout) {
  atr_text text = atr_text_make(&arena);
  atr_shape_print(&text, shape, layout);
  return text.data;
}

START_TEST(shape_layouts) {
  atr_shape row = atr_shape_make(ATR_BF16, 3, (int64_t[]){2, 3, 4}), column = row;
  memcpy(column.minor_to_major, (int8_t[]){0, 2, 1}, 3);
  ck_assert_str_eq(shape_text(&row, false), "bf16[2,3,4]");
  ck_assert_str_eq(shape_text(&row, true), "bf16[2,3,4]{2,1,0}");
  ck_assert_str_eq(shape_text(&column, false), "bf16[2,3,4]{0,2,1}");
  atr_shape scalar = atr_shape_make(ATR_PRED, 0, NULL);
  ck_assert_str_eq(shape_text(&scalar, true), "pred[]");
  ck_assert(atr_shape_is_row_major(&row) && !atr_shape_is_row_major(&column) && atr_shape_is_row_major(&scalar));
  int64_t strides[ATR_MAX_RANK];
  atr_shape_strides(&row, strides);
  ck_assert(strides[0] == 12 && strides[1] == 4 && strides[2] == 1);
  atr_shape_strides(&column, strides);
  ck_assert(strides[0] == 1 && strides[1] == 8 && strides[2] == 2);
  atr_shape other = column;
  other.dtype = ATR_F16;
  ck_assert(atr_shape_equal(&row, &column) && atr_shape_same_dims(&row, &other) && !atr_shape_equal(&row, &other));
  other.dims[1] = 5;
  ck_assert(!atr_shape_same_dims(&row, &other));
  other = row;
  other.rank = 2;
  ck_assert(!atr_shape_same_dims(&row, &other));
}
END_TEST

START_TEST(checked_arithmetic) {
  int64_t out;
  ck_assert(atr_checked_add(INT64_MAX - 1, 1, &out) && out == INT64_MAX && !atr_checked_add(INT64_MAX, 1, &out));
  ck_assert(atr_checked_sub(INT64_MIN + 1, 1, &out) && out == INT64_MIN && !atr_checked_sub(INT64_MIN, 1, &out));
  ck_assert(!atr_checked_mul(INT64_MIN, -1, &out) && atr_checked_mul(-3, 5, &out) && out == -15);
  for (int64_t a = -20; a <= 20; a++) {
    for (int64_t b = 1; b <= 7; b++) {
      ck_assert_int_eq(atr_floor_div(a, b), (int64_t)floor((double)a / (double)b));
      ck_assert_int_eq(atr_ceil_div(a, b), (int64_t)ceil((double)a / (double)b));
      ck_assert_int_eq(atr_mod(a, b), a - b * atr_floor_div(a, b));
    }
  }
  ck_assert(atr_gcd(12, 18) == 6 && atr_gcd(0, 5) == 5 && atr_gcd(-4, 6) == 2);
  ck_assert(atr_align(17, 16) == 32 && atr_align(16, 16) == 16);
}
END_TEST

/* ---- */

static TCase *add_case(Suite *suite, const char *name) {
  TCase *tests = tcase_create(name);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 120);
  suite_add_tcase(suite, tests);
  return tests;
}

static Suite *base_suite(void) {
  Suite *suite = suite_create("base");
  TCase *memory = add_case(suite, "arena"), *diag = add_case(suite, "diag"), *text = add_case(suite, "text");
  TCase *dtype = add_case(suite, "dtype"), *module = add_case(suite, "module");
  tcase_add_test(memory, arena_survives_every_failed_allocation);
  tcase_add_test(memory, arena_refuses_absurd_sizes);
  tcase_add_test(memory, arena_pieces_are_aligned_apart_and_kept);
  tcase_add_test(memory, arena_after_a_large_piece_still_uses_its_block);
  tcase_add_test(diag, diag_points_at_line_and_column);
  tcase_add_test(diag, diag_shows_only_harmless_bytes);
  tcase_add_test(diag, diag_cuts_long_lines_around_the_caret);
  tcase_add_test(diag, diag_keeps_the_first_error);
  tcase_add_test(diag, statuses_and_version_have_names);
  tcase_add_test(text, text_grows);
  tcase_add_test(text, text_of_scalars);
  tcase_add_test(text, text_of_every_narrow_float_is_shortest);
  tcase_add_test(text, text_of_wide_floats_reads_back);
  tcase_add_test(text, text_does_not_depend_on_the_locale);
  tcase_add_test(dtype, dtype_facts);
  tcase_add_test(dtype, dtype_accumulators);
  tcase_add_test(dtype, dtype_every_narrow_pattern_round_trips);
  tcase_add_test(dtype, dtype_every_narrow_tie_goes_to_even);
  tcase_add_test(dtype, dtype_conversions_agree_with_numpy);
  tcase_add_test(dtype, dtype_store_writes_its_own_bytes_only);
  tcase_add_test(module, op_table);
  tcase_add_test(module, module_names_are_unique);
  tcase_add_test(module, module_add_copies);
  tcase_add_test(module, shape_sizes_are_checked);
  tcase_add_test(module, shape_layouts);
  tcase_add_test(module, checked_arithmetic);
  return suite;
}

int main(void) {
  int failed = run_suite(base_suite());
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

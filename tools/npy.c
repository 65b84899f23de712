/* npy.c - see npy.h. The header is a Python literal, of which this reads what NumPy can write: a dictionary with the three
 * keys in any order, strings in either quote, True or False, a tuple of integers (with Python 2's L). Anything else is refused
 * with a message; no length or product in it is trusted before it is checked. */
#include "npy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "layout.h"

bool npy_fail(npy_error *error, const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(error->text, sizeof error->text, format, list);
  va_end(list);
  return false;
}

/* ---- dtypes ------------------------------------------------------------------------------------ */

/* Which npy types hold which dtype; the first of a dtype is the one written. */
static const struct npy_type {
  atr_dtype dtype;
  char kind;
  int size;
} types[] = {
    {ATR_PRED, 'b', 1}, {ATR_S8, 'i', 1}, {ATR_S16, 'i', 2}, {ATR_S32, 'i', 4}, {ATR_S64, 'i', 8},
    {ATR_U8, 'u', 1}, {ATR_U16, 'u', 2}, {ATR_U32, 'u', 4}, {ATR_U64, 'u', 8},
    {ATR_F8E4M3FN, 'u', 1}, {ATR_F8E4M3FN, 'V', 1}, {ATR_F8E4M3FN, 'f', 1},
    {ATR_F8E5M2, 'u', 1}, {ATR_F8E5M2, 'V', 1}, {ATR_F8E5M2, 'f', 1},
    {ATR_F16, 'f', 2}, {ATR_BF16, 'u', 2}, {ATR_BF16, 'V', 2},
    {ATR_F32, 'f', 4}, {ATR_F64, 'f', 8}, {ATR_C64, 'c', 8}, {ATR_C128, 'c', 16},
};
enum { TYPE_COUNT = sizeof types / sizeof types[0] };

static bool type_holds(atr_dtype dtype, char kind, int64_t size) {
  for (int i = 0; i < TYPE_COUNT; i++) {
    if (types[i].dtype == dtype && types[i].kind == kind && types[i].size == size) return true;
  }
  return false;
}

/* "'<u2' or '<V2'" */
static void type_list(atr_dtype dtype, char *out, size_t size) {
  size_t used = 0;
  out[0] = 0;
  for (int i = 0; i < TYPE_COUNT && used < size; i++) {
    if (types[i].dtype != dtype) continue;
    used += (size_t)snprintf(out + used, size - used, "%s'%c%c%d'", used != 0 ? " or " : "", types[i].size > 1 ? '<' : '|',
                             types[i].kind, types[i].size);
  }
}

void npy_shape_text(const atr_shape *shape, char *out, size_t size) {
  size_t used = (size_t)snprintf(out, size, "%s[", atr_dtype_name(shape->dtype));
  for (int i = 0; i < shape->rank && used < size; i++) {
    used += (size_t)snprintf(out + used, size - used, "%s%lld", i != 0 ? "," : "", (long long)shape->dims[i]);
  }
  if (used < size) snprintf(out + used, size - used, "]");
}

/* ---- the header's literal ---------------------------------------------------------------------- */

typedef struct cursor {
  const char *at, *end;
} cursor;

static void skip_space(cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

static bool take(cursor *c, char wanted) {
  skip_space(c);
  if (c->at == c->end || *c->at != wanted) return false;
  c->at++;
  return true;
}

static bool take_word(cursor *c, const char *word) {
  size_t len = strlen(word);
  skip_space(c);
  if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0) return false;
  c->at += len;
  return true;
}

/* A quoted string of printable ASCII without escapes, as descr and the keys are. */
static bool take_string(cursor *c, char *out, size_t size) {
  skip_space(c);
  if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
  char quote = *c->at++;
  size_t len = 0;
  for (; c->at < c->end && *c->at != quote; c->at++) {
    if (*c->at < ' ' || *c->at > '~' || *c->at == '\\' || len + 1 >= size) return false;
    out[len++] = *c->at;
  }
  out[len] = 0;
  return take(c, quote);
}

static bool take_extent(cursor *c, int64_t *out) {
  skip_space(c);
  const char *first = c->at;
  int64_t value = 0;
  for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *c->at - '0', &value)) return false;
  }
  if (c->at == first) return false;
  if (c->at < c->end && *c->at == 'L') c->at++;
  *out = value;
  return true;
}

static bool read_shape(cursor *c, npy_header *out, npy_error *error) {
  out->rank = 0;
  if (!take(c, '(')) return npy_fail(error, "header: shape is not a tuple");
  while (!take(c, ')')) {
    if (out->rank == NPY_MAX_RANK) return npy_fail(error, "header: shape has more than %d dimensions", NPY_MAX_RANK);
    if (!take_extent(c, &out->dims[out->rank])) return npy_fail(error, "header: shape has an entry that is no extent");
    out->rank++;
    if (!take(c, ',')) {
      /* "(3)" is a number in Python, not a tuple of one. */
      if (out->rank < 2 || !take(c, ')')) return npy_fail(error, "header: shape is not a tuple");
      return true;
    }
  }
  return true;
}

/* "<f4": byte order, kind, bytes. "bfloat16" is how some writers spell their V2. */
static bool read_descr(cursor *c, npy_header *out, npy_error *error) {
  char *d = out->descr;
  skip_space(c);
  if (c->at < c->end && (*c->at == '[' || *c->at == '(')) return npy_fail(error, "structured dtypes are not supported");
  if (!take_string(c, d, sizeof out->descr)) return npy_fail(error, "header: descr is not a short string");
  if (strcmp(d, "bfloat16") == 0) {
    out->byte_order = '<', out->kind = 'V', out->item_size = 2;
    return true;
  }
  const char *digits = strchr("<>|=", d[0]) != NULL && d[0] != 0 ? d + 1 : d;
  out->byte_order = digits == d || d[0] == '=' ? '<' : d[0];
  out->kind = *digits;
  if (*digits != 0) digits++;
  cursor number = {digits, digits + strlen(digits)};
  if (strcmp(digits, "") == 0 && out->kind == '?') {
    out->kind = 'b', out->item_size = 1;
    return true;
  }
  if (strchr("biufcV", out->kind) == NULL || !take_extent(&number, &out->item_size) || number.at != number.end) {
    return npy_fail(error, "dtype '%s' is not supported", d);
  }
  return true;
}

static bool read_order(cursor *c, npy_header *out, npy_error *error) {
  out->fortran_order = take_word(c, "True");
  return out->fortran_order || take_word(c, "False") ? true : npy_fail(error, "header: fortran_order is neither True nor False");
}

static bool read_dictionary(cursor *c, npy_header *out, npy_error *error) {
  enum { DESCR = 1, ORDER = 2, SHAPE = 4 };
  unsigned seen = 0;
  if (!take(c, '{')) return npy_fail(error, "header: expected a dictionary");
  while (!take(c, '}')) {
    char key[24];
    if (!take_string(c, key, sizeof key) || !take(c, ':')) return npy_fail(error, "header: expected a key and ':'");
    unsigned bit = strcmp(key, "descr") == 0 ? DESCR : strcmp(key, "shape") == 0 ? SHAPE : 0;
    if (strcmp(key, "fortran_order") == 0) bit = ORDER;
    if (bit == 0) return npy_fail(error, "header: unknown key '%s'", key);
    if ((seen & bit) != 0) return npy_fail(error, "header: key '%s' appears twice", key);
    seen |= bit;
    bool read = bit == DESCR ? read_descr(c, out, error) : bit == ORDER ? read_order(c, out, error) : read_shape(c, out, error);
    if (!read) return false;
    if (take(c, ',')) continue;
    if (!take(c, '}')) return npy_fail(error, "header: expected ',' or '}'");
    break;
  }
  if (seen != (DESCR | ORDER | SHAPE)) return npy_fail(error, "header: descr, fortran_order or shape is missing");
  skip_space(c);
  return c->at == c->end ? true : npy_fail(error, "header: text after the dictionary");
}

/* ---- the file ---------------------------------------------------------------------------------- */

bool npy_is_file(const unsigned char *bytes, size_t len) { return len >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0; }

bool npy_header_read(const unsigned char *bytes, size_t len, npy_header *out, npy_error *error) {
  memset(out, 0, sizeof *out);
  if (!npy_is_file(bytes, len)) return npy_fail(error, "not an .npy file");
  if (len < 8) return npy_fail(error, "the file ends in the header");
  if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0) {
    return npy_fail(error, ".npy version %d.%d is not supported", bytes[6], bytes[7]);
  }
  size_t start = bytes[6] == 1 ? 10 : 12;
  if (len < start) return npy_fail(error, "the file ends in the header");
  size_t text_len = bytes[8] | (size_t)bytes[9] << 8;
  if (start == 12) text_len |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  if (text_len > len - start) return npy_fail(error, "the file ends in the header");
  cursor c = {(const char *)bytes + start, (const char *)bytes + start + text_len};
  if (!read_dictionary(&c, out, error)) return false;
  out->data_offset = start + text_len;
  /* NumPy allows (0, huge, huge): the product of the others must fit all the same. */
  int64_t product = 1, total;
  bool empty = false;
  for (int i = 0; i < out->rank; i++) {
    empty = empty || out->dims[i] == 0;
    if (out->dims[i] != 0 && __builtin_mul_overflow(product, out->dims[i], &product)) {
      return npy_fail(error, "the number of elements overflows");
    }
  }
  if (__builtin_mul_overflow(product, out->item_size, &total)) return npy_fail(error, "the number of bytes overflows");
  out->elements = empty ? 0 : product;
  return true;
}

static bool check_type(const npy_header *header, const atr_shape *want, npy_error *error) {
  char list[64], stated[288];
  atr_shape got = {.dtype = want->dtype, .rank = header->rank};
  if (!type_holds(want->dtype, header->kind, header->item_size)) {
    type_list(want->dtype, list, sizeof list);
    return npy_fail(error, "dtype is '%s', %s wants %s", header->descr, atr_dtype_name(want->dtype), list);
  }
  if (header->rank != want->rank) {
    return npy_fail(error, "the array has %d dimensions, the parameter has %d", header->rank, want->rank);
  }
  memcpy(got.dims, header->dims, (size_t)got.rank * sizeof got.dims[0]);
  if (memcmp(got.dims, want->dims, (size_t)got.rank * sizeof got.dims[0]) == 0) return true;
  npy_shape_text(&got, stated, 100);
  npy_shape_text(want, stated + 128, 100);
  return npy_fail(error, "the array is %s, the parameter is %s", stated, stated + 128);
}

/* Reverses the bytes of every number; a complex element is two numbers. */
static void swap_bytes(unsigned char *bytes, int64_t numbers, size_t size) {
  for (int64_t n = 0; n < numbers; n++, bytes += size) {
    for (size_t i = 0; i < size / 2; i++) {
      unsigned char byte = bytes[i];
      bytes[i] = bytes[size - 1 - i];
      bytes[size - 1 - i] = byte;
    }
  }
}

bool npy_array_read(const unsigned char *bytes, size_t len, const atr_shape *want, void *out, npy_error *error) {
  npy_header header;
  if (!npy_header_read(bytes, len, &header, error) || !check_type(&header, want, error)) return false;
  uint64_t need = (uint64_t)header.elements * (uint64_t)header.item_size, have = len - header.data_offset;
  if (need != have) {
    return npy_fail(error, "the array needs %llu bytes, the file has %llu", (unsigned long long)need, (unsigned long long)have);
  }
  int64_t from[ATR_MAX_RANK], to[ATR_MAX_RANK];
  if (header.fortran_order) layout_column_major(want, from);
  else layout_row_major(want, from);
  layout_of_shape(want, to);
  layout_copy(want, out, to, bytes + header.data_offset, from);
  bool is_complex = header.kind == 'c';
  char host = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>';
  if (header.byte_order != '|' && header.byte_order != host) {
    swap_bytes(out, header.elements * (is_complex ? 2 : 1), (size_t)header.item_size / (is_complex ? 2 : 1));
  }
  if (want->dtype == ATR_PRED) {
    for (int64_t i = 0; i < header.elements; i++) ((unsigned char *)out)[i] = ((unsigned char *)out)[i] != 0;
  }
  return true;
}

/* ---- writing ----------------------------------------------------------------------------------- */

size_t npy_header_write(const atr_shape *shape, char out[NPY_HEADER_MAX]) {
  char kind = 'V';
  for (int i = TYPE_COUNT - 1; i >= 0; i--) {
    if (types[i].dtype == shape->dtype) kind = types[i].kind;
  }
  int size = (int)atr_dtype_size(shape->dtype);
  char host = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>';
  size_t used = 10 + (size_t)snprintf(out + 10, NPY_HEADER_MAX - 10, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (",
                                      size > 1 ? host : '|', kind, size);
  for (int i = 0; i < shape->rank; i++) {
    const char *space = i + 1 < shape->rank ? " " : "";
    used += (size_t)snprintf(out + used, NPY_HEADER_MAX - used, "%lld,%s", (long long)shape->dims[i], space);
  }
  /* Python's own repr has no comma after the last of several. */
  if (shape->rank > 1) used--;
  used += (size_t)snprintf(out + used, NPY_HEADER_MAX - used, "), }");
  while ((used + 1) % 64 != 0) out[used++] = ' ';
  out[used++] = '\n';
  memcpy(out, "\x93NUMPY\x01\x00", 8);
  out[8] = (char)((used - 10) & 0xff);
  out[9] = (char)((used - 10) >> 8);
  return used;
}

void npy_elements_write(const atr_shape *shape, const void *elements, void *out) {
  int64_t from[ATR_MAX_RANK], to[ATR_MAX_RANK];
  layout_of_shape(shape, from);
  layout_row_major(shape, to);
  layout_copy(shape, out, to, elements, from);
}

/* stablehlo_literal.c - dense literals: "dense<[[1.0, 0x7FC00000], ...]> : tensor<2x2xf32>".
 *
 * In: the text of the literal; the type stands behind it. Out: its elements as they lie in memory, row major:
 *
 *     dense<1.5>              one element for all (a splat): only that one is stored
 *     dense<[[1, 2], [3, 4]]> nested as deep as the rank
 *     dense<"0x0000803F">     the raw little-endian bytes of all elements, or of a splat
 *     dense<>                 no elements
 *
 * An element is a decimal, a bit pattern (0x7FC00000, which is how MLIR writes infinities and NaN), true or false, or a pair
 * (re,im). No storage is set aside before the text is long enough to fill it: a short text cannot ask for 2^60 bytes. */
#include "ir/stablehlo_attrs.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

/* ---- one element */

static int digit_value(int c, int base) {
  int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
  return value < base ? value : -1;
}

/* A number as it is spelled: sign, and either an integer (decimal or hexadecimal) or a decimal fraction. */
typedef struct number {
  uint32_t start;
  bool negative, hex, fraction, fits;
  uint64_t magnitude; /* of an integer that fits */
} number;

static int byte_at(const atr_mlir *m) { return m->pos < m->end ? (unsigned char)m->text[m->pos] : -1; }

static void magnitude_read(atr_mlir *m, number *n) {
  int base = n->hex ? 16 : 10;
  for (int digit; (digit = digit_value(byte_at(m), base)) >= 0; m->pos++) {
    n->fits = n->fits && !__builtin_mul_overflow(n->magnitude, (uint64_t)base, &n->magnitude) &&
              !__builtin_add_overflow(n->magnitude, (uint64_t)digit, &n->magnitude);
  }
}

static void fraction_read(atr_mlir *m, number *n) {
  if (byte_at(m) == '.') {
    n->fraction = true;
    for (m->pos++; digit_value(byte_at(m), 10) >= 0;) m->pos++;
  }
  if (byte_at(m) != 'e' && byte_at(m) != 'E') return;
  n->fraction = true;
  m->pos++;
  if (byte_at(m) == '-' || byte_at(m) == '+') m->pos++;
  while (digit_value(byte_at(m), 10) >= 0) m->pos++;
}

static atr_status number_read(atr_mlir *m, number *n) {
  int c = atr_mlir_peek(m);
  *n = (number){.start = m->pos, .fits = true};
  n->negative = c == '-';
  if (c == '-' || c == '+') m->pos++;
  if (digit_value(byte_at(m), 10) < 0) return atr_mlir_unexpected(m, "a number");
  if (m->end - m->pos > 2 && m->text[m->pos] == '0' && m->text[m->pos + 1] == 'x' &&
      digit_value((unsigned char)m->text[m->pos + 2], 16) >= 0) {
    n->hex = true;
    m->pos += 2;
  }
  magnitude_read(m, n);
  if (!n->hex) fraction_read(m, n);
  return ATR_OK;
}

static atr_status int_element(atr_mlir *m, const atr_shape *shape, char *out) {
  number n;
  ATR_TRY(number_read(m, &n));
  atr_span span = atr_mlir_span(m, n.start);
  const char *type = atr_dtype_stablehlo_name(shape->dtype);
  if (n.fraction) return atr_fail(m->work, span, ATR_PARSE_ERROR, "an element of type %s must be an integer", type);
  int bits = atr_dtype_bits(shape->dtype);
  uint64_t most = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1; /* MLIR lets i8 spell -1 as 255 */
  bool is_signed = atr_dtype_class_of(shape->dtype) == ATR_CLASS_SINT;
  if (n.negative) most = is_signed ? (uint64_t)1 << (bits - 1) : 0;
  if (shape->dtype == ATR_PRED && n.negative) most = 1; /* and true as -1 */
  if (!n.fits || n.magnitude > most) {
    return atr_fail(m->work, span, ATR_PARSE_ERROR, "this integer does not fit an element of type %s", type);
  }
  uint64_t value = n.negative && shape->dtype != ATR_PRED ? 0 - n.magnitude : n.magnitude;
  atr_scalar_store(shape->dtype, out, (atr_scalar){.i = (int64_t)value});
  return ATR_OK;
}

static atr_status pred_element(atr_mlir *m, const atr_shape *shape, char *out) {
  bool is_true = atr_mlir_accept_word(m, "true");
  if (!is_true && !atr_mlir_accept_word(m, "false")) return int_element(m, shape, out);
  atr_scalar_store(ATR_PRED, out, (atr_scalar){.i = is_true});
  return ATR_OK;
}

/* strtod reads what the host's locale calls a decimal point, so the text is read in the C locale. F32 has a way of its own
 * because rounding to f64 first could round twice. */
static void decimal_store(atr_mlir *m, const number *n, atr_dtype dtype, char *out) {
  char local[64];
  size_t len = m->pos - n->start;
  char *text = len < sizeof local ? local : ATR_NEW_ARRAY(m->work->arena, char, len + 1);
  memcpy(text, m->text + n->start, len);
  text[len] = '\0';
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  locale_t before = uselocale(c); /* (locale_t)0 changes nothing */
  if (dtype == ATR_F32) {
    float value = strtof(text, NULL);
    memcpy(out, &value, sizeof value);
  } else {
    atr_scalar_store(dtype, out, (atr_scalar){.re = strtod(text, NULL)});
  }
  uselocale(before);
  if (c != (locale_t)0) freelocale(c);
}

static atr_status float_element(atr_mlir *m, atr_dtype dtype, char *out) {
  number n;
  ATR_TRY(number_read(m, &n));
  if (!n.hex) {
    decimal_store(m, &n, dtype, out);
    return ATR_OK;
  }
  const char *type = atr_dtype_stablehlo_name(dtype);
  atr_span span = atr_mlir_span(m, n.start);
  size_t size = atr_dtype_size(dtype);
  if (n.negative) return atr_fail(m->work, span, ATR_PARSE_ERROR, "a bit pattern cannot have a sign");
  if (!n.fits || (size < 8 && n.magnitude >> (8 * size) != 0)) {
    return atr_fail(m->work, span, ATR_PARSE_ERROR, "this bit pattern has more than the %d bits of %s", atr_dtype_bits(dtype),
                    type);
  }
  for (size_t i = 0; i < size; i++) {
    /* least significant byte first, as every machine we generate code for stores it */
    out[i] = (char)(unsigned char)(n.magnitude >> (8 * i));
  }
  return ATR_OK;
}

static atr_status element_read(atr_mlir *m, const atr_shape *shape, char *out) {
  atr_dtype real = atr_dtype_real(shape->dtype);
  switch (atr_dtype_class_of(shape->dtype)) {
  case ATR_CLASS_PRED: return pred_element(m, shape, out);
  case ATR_CLASS_SINT:
  case ATR_CLASS_UINT: return int_element(m, shape, out);
  case ATR_CLASS_FLOAT: return float_element(m, real, out);
  case ATR_CLASS_COMPLEX:
    ATR_TRY(atr_mlir_expect(m, "("));
    ATR_TRY(float_element(m, real, out));
    ATR_TRY(atr_mlir_expect(m, ","));
    ATR_TRY(float_element(m, real, out + atr_dtype_size(real)));
    return atr_mlir_expect(m, ")");
  case ATR_CLASS_NONE: break;
  }
  return ATR_BUG(m->work, "a literal without a dtype");
}

/* ---- all elements */

/* One bracket of dimension `dim`, and what is in it; the depth of recursion is the rank. */
static atr_status nested_read(atr_mlir *m, const atr_shape *shape, int dim, char **out) {
  if (dim == shape->rank) {
    if (atr_mlir_peek(m) == '[') return atr_mlir_unexpected(m, "an element: brackets are nested deeper than the type's rank");
    ATR_TRY(element_read(m, shape, *out));
    *out += atr_dtype_size(shape->dtype);
    return ATR_OK;
  }
  if (!atr_mlir_accept(m, "[")) return atr_mlir_unexpected(m, "'[': brackets are nested as deep as the type's rank");
  for (int64_t i = 0; i < shape->dims[dim]; i++) {
    if (atr_mlir_peek(m) == ']') {
      return atr_fail(m->work, atr_mlir_here(m), ATR_PARSE_ERROR,
                      "this list has %lld entries, dimension %d of the type has %lld", (long long)i, dim,
                      (long long)shape->dims[dim]);
    }
    if (i > 0) ATR_TRY(atr_mlir_expect(m, ","));
    ATR_TRY(nested_read(m, shape, dim + 1, out));
  }
  if (atr_mlir_accept(m, "]")) return ATR_OK;
  return atr_fail(m->work, atr_mlir_here(m), ATR_PARSE_ERROR,
                  "this list has more entries than the %lld of dimension %d of the type", (long long)shape->dims[dim], dim);
}

/* i1 elements are bytes in new texts and bits, eight to a byte and lowest first, in old ones; every other bit pattern than 0
 * is true. */
static void preds_store(char *out, const char *bytes, int64_t count, bool packed) {
  for (int64_t i = 0; i < count; i++) {
    int byte = (unsigned char)bytes[packed ? i / 8 : i];
    out[i] = packed ? (char)(byte >> (i % 8) & 1) : byte != 0;
  }
}

static const char *hex_bytes(atr_mlir *m, const atr_mlir_word *hex, int64_t *count) {
  if (hex->len < 2 || hex->text[0] != '0' || hex->text[1] != 'x' || hex->len % 2 != 0) return NULL;
  *count = (hex->len - 2) / 2;
  char *bytes = ATR_NEW_ARRAY(m->work->arena, char, *count);
  for (uint32_t i = 2; i < hex->len; i++) {
    int digit = digit_value((unsigned char)hex->text[i], 16);
    if (digit < 0) return NULL;
    bytes[i / 2 - 1] = (char)((unsigned char)bytes[i / 2 - 1] << 4 | digit);
  }
  return bytes;
}

static atr_status hex_read(atr_mlir *m, const atr_shape *shape, int64_t elements, const void **data, bool *splat) {
  atr_mlir_word hex;
  int64_t count = 0, size = (int64_t)atr_dtype_size(shape->dtype);
  ATR_TRY(atr_mlir_string_read(m, &hex));
  const char *bytes = hex_bytes(m, &hex, &count);
  if (bytes == NULL)
    return atr_fail(m->work, hex.span, ATR_PARSE_ERROR, "raw bytes are spelled \"0x\" and two hexadecimal digits each");
  bool whole = count % size == 0 && count / size == elements;
  bool packed = !whole && shape->dtype == ATR_PRED && elements > 8 && count == atr_ceil_div(elements, 8);
  *splat = !whole && !packed;
  if (*splat && count != size) {
    return atr_fail(m->work, hex.span, ATR_PARSE_ERROR, "this literal has %lld bytes, its type has %lld elements of %lld",
                    (long long)count, (long long)elements, (long long)size);
  }
  *data = bytes;
  if (shape->dtype != ATR_PRED) return ATR_OK;
  char *preds = ATR_NEW_ARRAY(m->work->arena, char, packed ? elements : count);
  preds_store(preds, bytes, packed ? elements : count, packed);
  *data = preds;
  return ATR_OK;
}

static atr_status elements_read(atr_mlir *m, const atr_shape *shape, const void **data, bool *splat) {
  int64_t elements, bytes, size = (int64_t)atr_dtype_size(shape->dtype);
  int c = atr_mlir_peek(m);
  *splat = false;
  if (c != '[' && c != '"' && c >= 0) {
    char *out = ATR_NEW_ARRAY(m->work->arena, char, size);
    *data = out;
    *splat = true;
    return element_read(m, shape, out);
  }
  if (!atr_shape_checked_bytes(shape, &elements, &bytes)) {
    return atr_fail(m->work, atr_mlir_here(m), ATR_PARSE_ERROR, "the size in bytes of %s does not fit 64 bits",
                    atr_mlir_type_text(m->work, shape));
  }
  if (c == '"') return hex_read(m, shape, elements, data, splat);
  if ((c < 0 && elements != 0) || elements > m->end - m->pos) {
    return atr_fail(m->work, atr_mlir_here(m), ATR_PARSE_ERROR, "this literal has fewer elements than the %lld of %s",
                    (long long)elements, atr_mlir_type_text(m->work, shape));
  }
  char *out = ATR_NEW_ARRAY(m->work->arena, char, bytes);
  *data = out;
  if (c < 0) return ATR_OK;
  return nested_read(m, shape, 0, &out);
}

atr_status atr_mlir_literal_read(atr_mlir *m, atr_shape *shape, atr_span *type, const void **data, bool *splat) {
  atr_span here = atr_mlir_here(m);
  if (!atr_mlir_accept_word(m, "dense")) {
    int len = here.len < 40 ? (int)here.len : 40;
    if (len == 0 || !atr_mlir_accept_word(m, "dense_resource")) return atr_mlir_unexpected(m, "'dense<'");
    return atr_fail(m->work, here, ATR_UNSUPPORTED,
                    "a literal whose elements stand elsewhere (dense_resource) is not supported");
  }
  (void)atr_mlir_peek(m);
  uint32_t start = m->pos;
  ATR_TRY(atr_mlir_expect(m, "<"));
  m->pos = start;
  ATR_TRY(atr_mlir_skip_group(m));
  atr_mlir body = atr_mlir_part(m, start + 1, m->pos - 1);
  ATR_TRY(atr_mlir_expect(m, ":"));
  ATR_TRY(atr_mlir_type_read(m, shape, type));
  ATR_TRY(elements_read(&body, shape, data, splat));
  if (atr_mlir_peek(&body) >= 0) return atr_mlir_unexpected(&body, "the end of the literal");
  return ATR_OK;
}

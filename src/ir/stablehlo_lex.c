/* stablehlo_lex.c - the cursor over MLIR text: white space, words, numbers, types, and stepping over balanced brackets.
 *
 * In: bytes that may be anything, truncated anywhere. Out: spans and values, or an error at the place where the text stops
 * following the grammar. For example, in
 *
 *     %0 = stablehlo.abs %arg0 {x = "}"} : tensor<2xcomplex<f32>> loc(#loc3)  // comment
 *
 * a step over the dictionary ends behind its second brace, since the first one stands in a string, and the type is read byte by
 * byte, since "2xcomplex" is one word to every other rule. Nothing here recurses, so depth of nesting costs no stack. */
#include "ir/stablehlo_lex.h"

#include <string.h>

#include "base/checked.h"

enum { MAX_DEPTH = 128 };

atr_mlir atr_mlir_make(atr_work *work) {
  return (atr_mlir){.work = work, .text = work->source->text, .pos = 0, .end = (uint32_t)work->source->len};
}

atr_mlir atr_mlir_part(const atr_mlir *m, uint32_t pos, uint32_t end) {
  return (atr_mlir){.work = m->work, .text = m->text, .pos = pos, .end = end};
}

atr_span atr_mlir_span(const atr_mlir *m, uint32_t start) { return (atr_span){start + 1, m->pos - start}; }

/* Not <ctype.h>: what a letter is must not depend on the host's locale. */
static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_word_start(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_word_byte(int c) { return is_word_start(c) || is_digit(c) || c == '.' || c == '$'; }
static bool is_value_byte(int c) { return is_word_byte(c) || c == '-'; }

/* The byte `ahead` of the cursor, -1 behind the end. */
static int byte_at(const atr_mlir *m, uint32_t ahead) {
  return m->end - m->pos > ahead ? (unsigned char)m->text[m->pos + ahead] : -1;
}

static void skip_line(atr_mlir *m) {
  while (m->pos < m->end && m->text[m->pos] != '\n') m->pos++;
}

int atr_mlir_peek(atr_mlir *m) {
  for (;;) {
    int c = byte_at(m, 0);
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') m->pos++;
    else if (c == '/' && byte_at(m, 1) == '/') skip_line(m);
    else return c;
  }
}

atr_span atr_mlir_here(atr_mlir *m) {
  int c = atr_mlir_peek(m);
  uint32_t len = 0;
  if (c >= 0) len = 1;
  if (is_value_byte(c) || c == '%' || c == '@' || c == '#' || c == '!') {
    while (is_value_byte(byte_at(m, len))) len++;
  }
  return (atr_span){m->pos + 1, len};
}

bool atr_mlir_accept(atr_mlir *m, const char *token) {
  (void)atr_mlir_peek(m);
  size_t len = strlen(token);
  if (m->end - m->pos < len || memcmp(m->text + m->pos, token, len) != 0) return false;
  m->pos += (uint32_t)len;
  return true;
}

bool atr_mlir_accept_word(atr_mlir *m, const char *word) {
  atr_mlir before = *m;
  if (atr_mlir_accept(m, word) && !is_word_byte(byte_at(m, 0))) return true;
  *m = before;
  return false;
}

atr_status atr_mlir_unexpected(atr_mlir *m, const char *wanted) {
  atr_span here = atr_mlir_here(m);
  int c = atr_mlir_peek(m), len = here.len < 40 ? (int)here.len : 40;
  if (c < 0) return atr_fail(m->work, here, ATR_PARSE_ERROR, "expected %s, found the end of the text", wanted);
  if (c < ' ' || c > '~')
    return atr_fail(m->work, here, ATR_PARSE_ERROR, "expected %s, found the byte 0x%02x", wanted, (unsigned)c);
  return atr_fail(m->work, here, ATR_PARSE_ERROR, "expected %s, found '%.*s'", wanted, len, m->text + m->pos);
}

atr_status atr_mlir_expect(atr_mlir *m, const char *token) {
  if (atr_mlir_accept(m, token)) return ATR_OK;
  return atr_mlir_unexpected(m, atr_arena_printf(m->work->arena, "'%s'", token));
}

/* ---- words, names and numbers */

static void take(atr_mlir *m, uint32_t start, atr_mlir_word *out) {
  *out = (atr_mlir_word){.text = m->text + start, .len = m->pos - start, .span = atr_mlir_span(m, start)};
}

bool atr_mlir_word_read(atr_mlir *m, atr_mlir_word *out) {
  if (!is_word_start(atr_mlir_peek(m))) return false;
  uint32_t start = m->pos;
  while (is_word_byte(byte_at(m, 0))) m->pos++;
  take(m, start, out);
  return true;
}

bool atr_mlir_word_is(const atr_mlir_word *word, const char *text) {
  return strlen(text) == word->len && memcmp(text, word->text, word->len) == 0;
}

/* The cursor is at the opening quote; false: the string has no end. */
static bool skip_string(atr_mlir *m) {
  for (m->pos++; m->pos < m->end && m->text[m->pos] != '"'; m->pos++) {
    if (m->text[m->pos] == '\\' && m->pos + 1 < m->end) m->pos++;
  }
  if (m->pos == m->end) return false;
  m->pos++;
  return true;
}

static atr_status open_string(atr_mlir *m, uint32_t start) {
  return atr_fail(m->work, (atr_span){start + 1, 1}, ATR_PARSE_ERROR, "this string has no closing '\"'");
}

atr_status atr_mlir_string_read(atr_mlir *m, atr_mlir_word *out) {
  if (atr_mlir_peek(m) != '"') return atr_mlir_unexpected(m, "a string");
  uint32_t start = m->pos;
  if (!skip_string(m)) return open_string(m, start);
  *out = (atr_mlir_word){.text = m->text + start + 1, .len = m->pos - start - 2, .span = atr_mlir_span(m, start)};
  return ATR_OK;
}

atr_status atr_mlir_symbol_read(atr_mlir *m, atr_mlir_word *out) {
  if (atr_mlir_peek(m) != '@') return atr_mlir_unexpected(m, "the name of a function such as '@main'");
  uint32_t start = m->pos++;
  if (byte_at(m, 0) == '"') {
    ATR_TRY(atr_mlir_string_read(m, out));
  } else {
    while (is_value_byte(byte_at(m, 0))) m->pos++;
    take(m, start + 1, out);
  }
  out->span = atr_mlir_span(m, start);
  if (out->len == 0) return atr_fail(m->work, out->span, ATR_PARSE_ERROR, "'@' stands without a name");
  return ATR_OK;
}

atr_status atr_mlir_value_read(atr_mlir *m, atr_mlir_word *out, int64_t *index) {
  if (atr_mlir_peek(m) != '%') return atr_mlir_unexpected(m, "a value such as '%0'");
  uint32_t start = m->pos++;
  while (is_value_byte(byte_at(m, 0))) m->pos++;
  take(m, start + 1, out);
  out->span = atr_mlir_span(m, start);
  if (out->len == 0) return atr_fail(m->work, out->span, ATR_PARSE_ERROR, "'%%' stands without a name");
  *index = 0;
  if (byte_at(m, 0) != '#') return ATR_OK;
  m->pos++;
  if (!is_digit(byte_at(m, 0))) return atr_mlir_unexpected(m, "the number of a result behind '#'");
  ATR_TRY(atr_mlir_int_read(m, index));
  out->span = atr_mlir_span(m, start);
  return ATR_OK;
}

/* Decimal digits at the cursor; false when they exceed int64. */
static bool digits_read(atr_mlir *m, bool negative, int64_t *out) {
  int64_t value = 0;
  bool fits = true;
  for (; is_digit(byte_at(m, 0)); m->pos++) {
    int64_t digit = byte_at(m, 0) - '0';
    fits = fits && atr_checked_mul(value, 10, &value) && atr_checked_add(value, negative ? -digit : digit, &value);
  }
  *out = value;
  return fits;
}

atr_status atr_mlir_int_read(atr_mlir *m, int64_t *out) {
  (void)atr_mlir_peek(m);
  uint32_t start = m->pos;
  bool negative = byte_at(m, 0) == '-';
  if (!is_digit(byte_at(m, negative ? 1 : 0))) return atr_mlir_unexpected(m, "an integer");
  if (negative) m->pos++;
  if (digits_read(m, negative, out)) return ATR_OK;
  return atr_fail(m->work, atr_mlir_span(m, start), ATR_PARSE_ERROR, "this integer does not fit 64 bits");
}

/* ---- types */

/* The extents up to the element type: "2x3x" of "2x3xf32". */
static atr_status extents_read(atr_mlir *m, int64_t dims[ATR_MAX_RANK], int *rank) {
  for (*rank = 0;; ++*rank) {
    int c = atr_mlir_peek(m);
    atr_span here = {m->pos + 1, 1};
    if (c == '?') {
      return atr_fail(m->work, here, ATR_UNSUPPORTED, "dynamic extent '?': every extent of a tensor must be a number");
    }
    if (c == '*') return atr_fail(m->work, here, ATR_UNSUPPORTED, "unranked tensors are not supported");
    if (!is_digit(c)) return ATR_OK;
    if (*rank == ATR_MAX_RANK) {
      return atr_fail(m->work, here, ATR_UNSUPPORTED, "tensors of rank above %d are not supported", ATR_MAX_RANK);
    }
    uint32_t start = m->pos;
    if (!digits_read(m, false, &dims[*rank])) {
      return atr_fail(m->work, atr_mlir_span(m, start), ATR_PARSE_ERROR, "this extent does not fit 64 bits");
    }
    ATR_TRY(atr_mlir_expect(m, "x"));
  }
}

static atr_status element_read(atr_mlir *m, atr_dtype *out) {
  int c = atr_mlir_peek(m);
  uint32_t start = m->pos;
  if (c != '!' && !is_word_start(c)) return atr_mlir_unexpected(m, "an element type such as f32");
  m->pos++;
  while (is_word_byte(byte_at(m, 0))) m->pos++;
  if (byte_at(m, 0) == '<') ATR_TRY(atr_mlir_skip_group(m));
  atr_mlir_word name;
  take(m, start, &name);
  *out = atr_dtype_from_stablehlo_name(name.text, name.len);
  if (*out != ATR_DTYPE_NONE) return ATR_OK;
  int len = name.len < 60 ? (int)name.len : 60;
  const char *what = name.len > 6 && memcmp(name.text, "!quant", 6) == 0 ? "quantized type" : "element type";
  return atr_fail(m->work, name.span, ATR_UNSUPPORTED, "%s '%.*s' is not supported", what, len, name.text);
}

/* A type that is no tensor: "f32", "tuple<...>", "!stablehlo.token". */
static atr_status other_type(atr_mlir *m) {
  atr_span here = atr_mlir_here(m);
  int c = atr_mlir_peek(m), len = here.len < 60 ? (int)here.len : 60;
  if (c != '!' && !is_word_start(c)) return atr_mlir_unexpected(m, "a type such as tensor<2x3xf32>");
  return atr_fail(m->work, here, ATR_UNSUPPORTED, "type '%.*s' is not supported: only ranked tensors are", len,
                  m->text + m->pos);
}

atr_status atr_mlir_type_read(atr_mlir *m, atr_shape *out, atr_span *span) {
  (void)atr_mlir_peek(m);
  uint32_t start = m->pos;
  int64_t dims[ATR_MAX_RANK];
  int rank;
  atr_dtype dtype;
  if (!atr_mlir_accept_word(m, "tensor")) return other_type(m);
  ATR_TRY(atr_mlir_expect(m, "<"));
  ATR_TRY(extents_read(m, dims, &rank));
  ATR_TRY(element_read(m, &dtype));
  if (atr_mlir_peek(m) == ',') {
    return atr_fail(m->work, atr_mlir_here(m), ATR_UNSUPPORTED, "a tensor type with an encoding is not supported");
  }
  ATR_TRY(atr_mlir_expect(m, ">"));
  *out = atr_shape_make(dtype, rank, dims);
  *span = atr_mlir_span(m, start);
  return ATR_OK;
}

const char *atr_mlir_type_text(atr_work *work, const atr_shape *shape) {
  atr_text text = atr_text_make(work->arena);
  atr_text_puts(&text, "tensor<");
  for (int i = 0; i < shape->rank; i++) atr_text_printf(&text, "%lldx", (long long)shape->dims[i]);
  atr_text_printf(&text, "%s>", atr_dtype_stablehlo_name(shape->dtype));
  return text.data;
}

/* ---- stepping over */

static int closing(int c) {
  const char *open = "([{<", *close = ")]}>", *at = c > 0 ? strchr(open, c) : NULL;
  return at != NULL ? close[at - open] : 0;
}

/* Signs that hold '<' or '>' and are no brackets. */
static bool is_sign(const atr_mlir *m) {
  int a = byte_at(m, 0), b = byte_at(m, 1);
  return (a == '-' && b == '>') || (a == '>' && b == '=') || (a == '<' && b == '=');
}

atr_status atr_mlir_skip(atr_mlir *m, const char *stops, bool line) {
  uint32_t open[MAX_DEPTH];
  int depth = 0;
  for (;;) {
    int c = line && depth == 0 ? byte_at(m, 0) : atr_mlir_peek(m);
    if (c < 0) break;
    if (depth == 0 && ((line && c == '\n') || (c != 0 && strchr(stops, c) != NULL))) return ATR_OK;
    if (c == '"') {
      uint32_t start = m->pos;
      if (!skip_string(m)) return open_string(m, start);
    } else if (c == '/' && byte_at(m, 1) == '/') {
      skip_line(m);
    } else if (is_sign(m)) {
      m->pos += 2;
    } else if (closing(c) != 0) {
      if (depth == MAX_DEPTH) {
        return atr_fail(m->work, atr_mlir_here(m), ATR_PARSE_ERROR, "brackets are nested more than %d deep", MAX_DEPTH);
      }
      open[depth++] = m->pos++;
    } else if (c != 0 && strchr(")]}>", c) != NULL) {
      if (depth == 0) return ATR_OK;
      int opener = (unsigned char)m->text[open[--depth]];
      if (closing(opener) != c) {
        return atr_fail(m->work, atr_mlir_here(m), ATR_PARSE_ERROR, "'%c' closes a '%c'", c, opener);
      }
      m->pos++;
    } else {
      m->pos++;
    }
  }
  if (depth == 0) return ATR_OK;
  atr_span span = {open[depth - 1] + 1, 1};
  return atr_fail(m->work, span, ATR_PARSE_ERROR, "this '%c' is not closed", m->text[open[depth - 1]]);
}

atr_status atr_mlir_skip_group(atr_mlir *m) {
  int close = closing(atr_mlir_peek(m));
  if (close == 0) return atr_mlir_unexpected(m, "an opening bracket");
  uint32_t start = m->pos++;
  ATR_TRY(atr_mlir_skip(m, "", false));
  int c = atr_mlir_peek(m);
  if (c < 0) return atr_fail(m->work, (atr_span){start + 1, 1}, ATR_PARSE_ERROR, "this '%c' is not closed", m->text[start]);
  if (c != close) return atr_fail(m->work, atr_mlir_here(m), ATR_PARSE_ERROR, "'%c' closes a '%c'", c, m->text[start]);
  m->pos++;
  return ATR_OK;
}

atr_status atr_mlir_skip_location(atr_mlir *m) {
  atr_mlir ahead = *m;
  if (!atr_mlir_accept_word(&ahead, "loc") || atr_mlir_peek(&ahead) != '(') return ATR_OK;
  *m = ahead;
  return atr_mlir_skip_group(m);
}

/* hlo_literal.c - values of constants.
 *
 * In: "{{1, 2.5}, {-inf, nan(0x7fc00000)}}" and the shape f32[2,2]. Out: the elements, dense and row major in logical order
 * whatever the layout. Depth and counts must be the shape's exactly; numbers must fit the dtype (a NaN's payload is read and
 * dropped: there is one NaN). Commas between elements may be missing, as in XLA.
 *
 * No recursion: the braces' counts are an array, as no shape has more than ATR_MAX_RANK dimensions. Memory is taken only when
 * the text is long enough to hold the elements, so that "s8[1000000000000]" alone costs nothing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/hlo_read.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static size_t count_digits(const char *text, size_t len) {
  size_t n = 0;
  while (n < len && is_digit(text[n])) n++;
  return n;
}

/* The exponent behind 'e', clipped: beyond a million digits only its sign matters. */
static bool parse_exponent(const char *text, size_t len, int64_t *out) {
  size_t sign = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  if (sign == len || count_digits(text + sign, len - sign) != len - sign) return false;
  int64_t value = 0;
  for (size_t i = sign; i < len; i++) value = value < (int64_t)1 << 40 ? 10 * value + (text[i] - '0') : value;
  *out = text[0] == '-' ? -value : value;
  return true;
}

/* strtod sees "-125e-2" for "-1.25": the point it expects depends on the locale. */
bool atr_text_to_f64(atr_arena *arena, const char *text, size_t len, double *out) {
  size_t sign = len > 0 && text[0] == '-' ? 1 : 0, at = sign;
  size_t whole = count_digits(text + at, len - at), fraction = 0;
  int64_t exponent = 0;
  if (whole == 0) return false;
  at += whole;
  if (at < len && text[at] == '.') {
    fraction = count_digits(text + at + 1, len - at - 1);
    at += 1 + fraction;
  }
  if (at < len) {
    if ((text[at] != 'e' && text[at] != 'E') || !parse_exponent(text + at + 1, len - at - 1, &exponent)) return false;
  }
  char small[64], *digits = len + 32 <= sizeof small ? small : atr_arena_alloc(arena, len + 32);
  memcpy(digits, text, sign + whole);
  if (fraction > 0) memcpy(digits + sign + whole, text + sign + whole + 1, fraction);
  snprintf(digits + sign + whole + fraction, 32, "e%lld", (long long)(exponent - (int64_t)fraction));
  *out = strtod(digits, NULL);
  return true;
}

static atr_status out_of_range(atr_hlo_reader *r, const atr_token *token, atr_dtype dtype) {
  return atr_fail(r->work, token->span, ATR_PARSE_ERROR, "the number %.*s is out of range for %s",
                  ATR_CLIP(token->text, token->len), atr_dtype_name(dtype));
}

/* Behind "nan": "(0x" hex ")", or nothing. */
static atr_status skip_payload(atr_hlo_reader *r) {
  if (!atr_token_is(atr_hlo_token(r), '(')) return ATR_OK;
  ATR_TRY(atr_hlo_next(r));
  const atr_token *token = atr_hlo_token(r);
  bool hex = token->kind == ATR_TOKEN_WORD && token->len > 2 && token->text[0] == '0' && token->text[1] == 'x';
  for (size_t i = 2; hex && i < token->len; i++) {
    char c = token->text[i];
    hex = is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  }
  if (!hex) return atr_hlo_expected(r, "the payload of nan as a hexadecimal number, '0x...'");
  ATR_TRY(atr_hlo_next(r));
  return atr_hlo_take(r, ')');
}

/* One real number of a float dtype. */
static atr_status read_float(atr_hlo_reader *r, atr_dtype dtype, double *out) {
  const atr_token token = *atr_hlo_token(r);
  if (atr_token_is_word(&token, "nan") || atr_token_is_word(&token, "-nan")) {
    *out = token.text[0] == '-' ? -(double)NAN : (double)NAN;
    ATR_TRY(atr_hlo_next(r));
    return skip_payload(r);
  }
  if (atr_token_is_word(&token, "inf") || atr_token_is_word(&token, "-inf")) {
    if (dtype == ATR_F8E4M3FN) return atr_fail(r->work, token.span, ATR_PARSE_ERROR, "f8e4m3fn has no infinity");
    *out = token.text[0] == '-' ? -(double)INFINITY : (double)INFINITY;
    return atr_hlo_next(r);
  }
  if (token.kind != ATR_TOKEN_WORD || !atr_text_to_f64(r->work->arena, token.text, token.len, out)) {
    return atr_hlo_expected(r, "a decimal number, inf or nan");
  }
  double rounded = atr_scalar_round(dtype, (atr_scalar){.re = *out}).re;
  if (isinf(rounded) || isnan(rounded)) return out_of_range(r, &token, dtype);
  return atr_hlo_next(r);
}

static atr_status read_complex(atr_hlo_reader *r, atr_dtype dtype, atr_scalar *out) {
  if (!atr_token_is(atr_hlo_token(r), '(')) return atr_hlo_expected(r, "a complex number, '(re, im)'");
  ATR_TRY(atr_hlo_next(r));
  ATR_TRY(read_float(r, atr_dtype_real(dtype), &out->re));
  ATR_TRY(atr_hlo_take(r, ','));
  ATR_TRY(read_float(r, atr_dtype_real(dtype), &out->im));
  return atr_hlo_take(r, ')');
}

static bool parse_uint64(const char *text, size_t len, uint64_t *out) {
  uint64_t value = 0;
  for (size_t i = 0; i < len; i++) {
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value)) {
      return false;
    }
  }
  *out = value;
  return true;
}

static atr_status read_integer(atr_hlo_reader *r, atr_dtype dtype, atr_scalar *out) {
  const atr_token token = *atr_hlo_token(r);
  size_t sign = token.kind == ATR_TOKEN_WORD && token.len > 0 && token.text[0] == '-' ? 1 : 0;
  if (token.kind != ATR_TOKEN_WORD || token.len == sign ||
      count_digits(token.text + sign, token.len - sign) != token.len - sign) {
    return atr_hlo_expected(r, "an integer");
  }
  int bits = atr_dtype_bits(dtype);
  if (atr_dtype_class_of(dtype) == ATR_CLASS_UINT) {
    uint64_t value;
    bool fits = parse_uint64(token.text + sign, token.len - sign, &value) && (bits == 64 || value >> bits == 0);
    if (!fits || (sign == 1 && value != 0)) return out_of_range(r, &token, dtype);
    out->i = (int64_t)value;
  } else {
    int64_t limit = INT64_MAX >> (64 - bits);
    if (!atr_text_to_int64(token.text, token.len, &out->i) || out->i > limit || out->i < -limit - 1) {
      return out_of_range(r, &token, dtype);
    }
  }
  return atr_hlo_next(r);
}

static atr_status read_pred(atr_hlo_reader *r, atr_scalar *out) {
  const atr_token *token = atr_hlo_token(r);
  out->i = atr_token_is_word(token, "true") || atr_token_is_word(token, "1");
  if (out->i == 0 && !atr_token_is_word(token, "false") && !atr_token_is_word(token, "0")) {
    return atr_hlo_expected(r, "true or false");
  }
  return atr_hlo_next(r);
}

static atr_status read_scalar(atr_hlo_reader *r, atr_dtype dtype, atr_scalar *out) {
  *out = (atr_scalar){.re = 0};
  switch (atr_dtype_class_of(dtype)) {
    case ATR_CLASS_PRED: return read_pred(r, out);
    case ATR_CLASS_SINT:
    case ATR_CLASS_UINT: return read_integer(r, dtype, out);
    case ATR_CLASS_FLOAT: return read_float(r, dtype, &out->re);
    case ATR_CLASS_COMPLEX: return read_complex(r, dtype, out);
    case ATR_CLASS_NONE: break;
  }
  return ATR_BUG(r->work, "a constant of an unknown dtype");
}

/* ---- arrays */

typedef struct literal {
  const atr_shape *shape;
  char *elements, *next;
  size_t element_size;
  int depth;                     /* open braces */
  int64_t counts[ATR_MAX_RANK];  /* elements met so far at each of them */
} literal;

/* Counts one more element of the innermost open brace. */
static atr_status count_element(atr_hlo_reader *r, literal *l) {
  if (l->depth == 0) return ATR_OK;
  int dim = l->depth - 1;
  if (l->counts[dim] < l->shape->dims[dim]) {
    l->counts[dim]++;
    return ATR_OK;
  }
  return atr_fail(r->work, atr_hlo_token(r)->span, ATR_PARSE_ERROR, "the literal has more than %lld elements in dimension %d",
                  (long long)l->shape->dims[dim], dim);
}

static atr_status open_brace(atr_hlo_reader *r, literal *l) {
  if (l->depth == l->shape->rank) {
    return atr_fail(r->work, atr_hlo_token(r)->span, ATR_PARSE_ERROR,
                    "the literal is nested deeper than the rank %d of its shape", l->shape->rank);
  }
  ATR_TRY(count_element(r, l));
  l->counts[l->depth++] = 0;
  return atr_hlo_next(r);
}

static atr_status close_brace(atr_hlo_reader *r, literal *l) {
  int dim = l->depth - 1;
  if (l->counts[dim] != l->shape->dims[dim]) {
    return atr_fail(r->work, atr_hlo_token(r)->span, ATR_PARSE_ERROR,
                    "the literal has %lld elements in dimension %d, its shape has %lld", (long long)l->counts[dim], dim,
                    (long long)l->shape->dims[dim]);
  }
  l->depth--;
  return atr_hlo_next(r);
}

static atr_status left_out(atr_hlo_reader *r) {
  return atr_fail(r->work, atr_hlo_token(r)->span, ATR_PARSE_ERROR,
                  "the value of the constant is left out ('...'); print large constants in full");
}

static atr_status read_element(atr_hlo_reader *r, literal *l) {
  const atr_token *token = atr_hlo_token(r);
  if (atr_token_is_word(token, "...")) return left_out(r);
  if (l->depth != l->shape->rank) {
    if (token->kind != ATR_TOKEN_WORD && !atr_token_is(token, '(')) return atr_hlo_expected(r, "'{'");
    return atr_fail(r->work, token->span, ATR_PARSE_ERROR, "the literal has a number at depth %d, its shape has rank %d",
                    l->depth, l->shape->rank);
  }
  ATR_TRY(count_element(r, l));
  atr_scalar value;
  ATR_TRY(read_scalar(r, l->shape->dtype, &value));
  atr_scalar_store(l->shape->dtype, l->next, value);
  l->next += l->element_size;
  return ATR_OK;
}

atr_status atr_hlo_literal_read(atr_hlo_reader *r, const atr_shape *shape, const void **out) {
  int64_t elements, bytes;
  atr_span start = atr_hlo_token(r)->span;
  if (!atr_shape_checked_bytes(shape, &elements, &bytes)) {
    return atr_fail(r->work, start, ATR_UNSUPPORTED, "the constant has more than 2^63 bytes");
  }
  if ((uint64_t)elements > r->lexer.len) {
    if (atr_token_is(atr_hlo_token(r), '{') && atr_lexer_peek(&r->lexer) == '.') { /* "{...}" */
      ATR_TRY(atr_hlo_next(r));
      return left_out(r);
    }
    return atr_fail(r->work, start, ATR_PARSE_ERROR, "the shape has %lld elements, more than the literal can hold",
                    (long long)elements);
  }
  literal l = {.shape = shape, .element_size = atr_dtype_size(shape->dtype)};
  l.elements = l.next = atr_arena_alloc(r->work->arena, (size_t)bytes);
  do {
    if (atr_token_is(atr_hlo_token(r), '{')) {
      ATR_TRY(open_brace(r, &l));
    } else if (atr_token_is(atr_hlo_token(r), '}') && l.depth > 0) {
      ATR_TRY(close_brace(r, &l));
    } else {
      ATR_TRY(read_element(r, &l));
    }
    bool comma = l.depth > 0 && l.counts[l.depth - 1] > 0 && atr_token_is(atr_hlo_token(r), ',');
    if (comma) ATR_TRY(atr_hlo_next(r));
  } while (l.depth > 0);
  *out = l.elements;
  return ATR_OK;
}

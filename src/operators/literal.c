/* literal.c - values as Python writes them.
 *
 * In: the text behind "name=". Out: a tree.
 *
 *     (3,3)   [3, 3]   3,3      LIST of two INTEGERs; 3 alone is an INTEGER, (3,) a LIST of one, and (3) is 3
 *     same   'same'   None      WORDs
 *     f32[1,3]                  LIST with the word f32 in front
 *     Name(lhs_spec=(0,1))      LIST with a word in front, whose item has a key
 *
 * Only the form is checked here; which values an attribute takes is in attributes.c. */
#include "operators/operators.h"

#include <string.h>

#include "ir/hlo_lex.h"

enum { DEPTH_MAX = 8 };

typedef struct reader {
  atr_work *work;
  const char *what, *text, *at, *end;
} reader;

static atr_status expected(const reader *r, const char *wanted) {
  size_t rest = (size_t)(r->end - r->at);
  return atr_fail(r->work, ATR_NOWHERE, ATR_PARSE_ERROR, "%s=%.*s: expected %s %s%.*s%s", r->what,
                  ATR_CLIP(r->text, (size_t)(r->end - r->text)), wanted, rest == 0 ? "at the end" : "at '",
                  ATR_CLIP(r->at, rest), rest == 0 ? "" : "'");
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }
static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '+' ||
         c == '-';
}

static char peek(reader *r) {
  while (r->at < r->end && is_blank(*r->at)) r->at++;
  return r->at < r->end ? *r->at : '\0';
}

static bool take(reader *r, char c) {
  if (peek(r) != c) return false;
  r->at++;
  return true;
}

static atr_status read_value(reader *r, int depth, atr_literal *out);

/* Items up to `close`, or to the end of the text for '\0'. *comma says whether there was one. */
static atr_status read_items(reader *r, int depth, char close, atr_literal *out, bool *comma) {
  int capacity = 0;
  *comma = false;
  out->kind = ATR_LITERAL_LIST;
  while (peek(r) != close) {
    ATR_RESERVE(r->work->arena, out->items, out->count, capacity);
    ATR_TRY(read_value(r, depth + 1, &out->items[out->count++]));
    if (!take(r, ',')) break;
    *comma = true;
  }
  if (peek(r) != close) return expected(r, close == ')' ? "',' or ')'" : close == ']' ? "',' or ']'" : "','");
  if (close != '\0') r->at++;
  return ATR_OK;
}

/* A parenthesized single value is that value, as in Python. */
static atr_status read_bracket(reader *r, int depth, atr_literal *out) {
  char open = *r->at++;
  bool comma;
  ATR_TRY(read_items(r, depth, open == '(' ? ')' : ']', out, &comma));
  if (open == '(' && out->word == NULL && out->count == 1 && !comma) *out = *(const atr_literal[]){out->items[0]};
  return ATR_OK;
}

static atr_status read_quoted(reader *r, atr_literal *out) {
  char quote = *r->at++;
  const char *end = memchr(r->at, quote, (size_t)(r->end - r->at));
  if (end == NULL) return expected(r, "a closing quote");
  *out = (atr_literal){.kind = ATR_LITERAL_WORD, .word = r->at, .word_len = (size_t)(end - r->at)};
  r->at = end + 1;
  return ATR_OK;
}

static atr_status read_word(reader *r, int depth, atr_literal *out) {
  const char *start = r->at;
  while (r->at < r->end && is_word(*r->at)) r->at++;
  size_t len = (size_t)(r->at - start);
  if (len == 0) return expected(r, "a value");
  *out = (atr_literal){.kind = ATR_LITERAL_WORD, .word = start, .word_len = len};
  if (atr_text_to_int64(start, len, &out->integer)) {
    out->kind = ATR_LITERAL_INTEGER;
    out->real = (double)out->integer;
  } else if (atr_text_to_f64(r->work->arena, start, len, &out->real)) {
    out->kind = ATR_LITERAL_REAL;
  } else if (peek(r) == '(' || peek(r) == '[') {
    return read_bracket(r, depth, out);
  }
  return ATR_OK;
}

/* key=value, if a key stands here. */
static void read_key(reader *r, const char **key, size_t *len) {
  const char *start = r->at;
  while (r->at < r->end && is_word(*r->at)) r->at++;
  *len = (size_t)(r->at - start);
  if (*len > 0 && take(r, '=')) *key = start;
  else r->at = start;
}

static atr_status read_value(reader *r, int depth, atr_literal *out) {
  const char *key = NULL;
  size_t key_len = 0;
  char c = peek(r);
  if (depth > DEPTH_MAX) return expected(r, "fewer brackets");
  if (depth > 0) read_key(r, &key, &key_len);
  const char *start = (c = peek(r), r->at);
  *out = (atr_literal){.kind = ATR_LITERAL_LIST};
  if (c == '(' || c == '[') ATR_TRY(read_bracket(r, depth, out));
  else if (c == '\'' || c == '"') ATR_TRY(read_quoted(r, out));
  else ATR_TRY(read_word(r, depth, out));
  out->text = start;
  out->len = (size_t)(r->at - start);
  out->key = key;
  out->key_len = key_len;
  return ATR_OK;
}

atr_status atr_literal_read(atr_work *work, const char *what, const char *text, size_t len, atr_literal *out) {
  reader r = {.work = work, .what = what, .text = text, .at = text, .end = text + len};
  atr_literal list = {.text = text, .len = len};
  bool comma;
  if (peek(&r) == '\0') return expected(&r, "a value");
  ATR_TRY(read_items(&r, 0, '\0', &list, &comma));
  if (r.at != r.end) return expected(&r, "the end of the value"); /* a NUL byte */
  *out = comma ? list : list.items[0];
  return ATR_OK;
}

bool atr_literal_is(const atr_literal *literal, const char *word) {
  return literal->kind == ATR_LITERAL_WORD && strlen(word) == literal->word_len &&
         memcmp(word, literal->word, literal->word_len) == 0;
}

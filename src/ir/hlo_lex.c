/* hlo_lex.c - from characters to tokens; see hlo_lex.h for what a token is.
 *
 * In: bytes, of which nothing is believed: NULs, stray control characters, unclosed strings and comments are errors with a
 * place. Out: the next token. Nothing here depends on the locale, and each character is looked at a bounded number of times. */
#include "ir/hlo_lex.h"

#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '.' || c == '?' || c == '+' ||
         c == '-';
}

static atr_span span_of(size_t begin, size_t end) { return (atr_span){(uint32_t)(begin + 1), (uint32_t)(end - begin)}; }

bool atr_token_is(const atr_token *token, char punct) { return token->kind == ATR_TOKEN_PUNCT && token->punct == punct; }

bool atr_token_is_word(const atr_token *token, const char *word) {
  return token->kind == ATR_TOKEN_WORD && token->len == strlen(word) && memcmp(token->text, word, token->len) == 0;
}

atr_span atr_lexer_span_from(const atr_lexer *lexer, atr_span start) {
  return (atr_span){start.offset, lexer->last.offset + lexer->last.len - start.offset};
}

const char *atr_token_describe(atr_arena *arena, const atr_token *token) {
  switch (token->kind) {
    case ATR_TOKEN_END: return "the end of the text";
    case ATR_TOKEN_WORD: return atr_arena_printf(arena, "'%.*s'", ATR_CLIP(token->text, token->len));
    case ATR_TOKEN_STRING: return "a string";
    case ATR_TOKEN_ARROW: return "'->'";
    case ATR_TOKEN_PUNCT: return atr_arena_printf(arena, "'%c'", token->punct);
  }
  return "?";
}

/* Where the next token begins; *unclosed is set when a comment does not end. */
static size_t skip_space(const atr_lexer *lexer, bool *unclosed) {
  const char *text = lexer->text;
  size_t pos = lexer->pos;
  *unclosed = false;
  while (pos < lexer->len) {
    char c = text[pos];
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      pos++;
    } else if (c == '/' && pos + 1 < lexer->len && text[pos + 1] == '/') {
      const char *end = memchr(text + pos, '\n', lexer->len - pos);
      pos = end != NULL ? (size_t)(end - text) : lexer->len;
    } else if (c == '/' && pos + 1 < lexer->len && text[pos + 1] == '*') {
      size_t close = pos + 2;
      while (close + 1 < lexer->len && !(text[close] == '*' && text[close + 1] == '/')) close++;
      if (close + 1 >= lexer->len) {
        *unclosed = true;
        return pos;
      }
      pos = close + 2;
    } else {
      break;
    }
  }
  return pos;
}

char atr_lexer_peek(const atr_lexer *lexer) {
  bool unclosed;
  size_t pos = skip_space(lexer, &unclosed);
  return pos < lexer->len ? lexer->text[pos] : '\0';
}

static atr_status lex_string(atr_work *work, atr_lexer *lexer, size_t begin) {
  size_t end = begin + 1;
  while (end < lexer->len && lexer->text[end] != '"') end += lexer->text[end] == '\\' ? 2 : 1;
  if (end >= lexer->len) {
    return atr_fail(work, span_of(begin, begin + 1), ATR_PARSE_ERROR, "the string that begins here is not closed");
  }
  lexer->token = (atr_token){
      .kind = ATR_TOKEN_STRING, .text = lexer->text + begin + 1, .len = end - begin - 1, .span = span_of(begin, end + 1)};
  lexer->pos = end + 1;
  return ATR_OK;
}

static void lex_word(atr_lexer *lexer, size_t begin) {
  size_t first = begin + (lexer->text[begin] == '%' ? 1 : 0), end = first;
  while (end < lexer->len && is_word_char(lexer->text[end])) {
    if (lexer->text[end] == '-' && end + 1 < lexer->len && lexer->text[end + 1] == '>') break;
    end++;
  }
  lexer->token = (atr_token){
      .kind = ATR_TOKEN_WORD, .text = lexer->text + first, .len = end - first, .span = span_of(begin, end)};
  lexer->pos = end;
}

atr_status atr_lexer_next(atr_work *work, atr_lexer *lexer) {
  bool unclosed;
  size_t begin = skip_space(lexer, &unclosed);
  lexer->last = lexer->token.span;
  if (unclosed) return atr_fail(work, span_of(begin, begin + 2), ATR_PARSE_ERROR, "the comment that begins here is not closed");
  if (begin == lexer->len) {
    lexer->pos = begin;
    lexer->token = (atr_token){.kind = ATR_TOKEN_END, .span = span_of(begin, begin)};
    return ATR_OK;
  }
  char c = lexer->text[begin];
  if (c == '"') return lex_string(work, lexer, begin);
  if (c == '-' && begin + 1 < lexer->len && lexer->text[begin + 1] == '>') {
    lexer->token = (atr_token){.kind = ATR_TOKEN_ARROW, .span = span_of(begin, begin + 2)};
    lexer->pos = begin + 2;
    return ATR_OK;
  }
  bool percent = c == '%' && begin + 1 < lexer->len && is_word_char(lexer->text[begin + 1]);
  if (is_word_char(c) || percent) {
    lex_word(lexer, begin);
    return ATR_OK;
  }
  if (c <= ' ' || c > '~') {
    return atr_fail(work, span_of(begin, begin + 1), ATR_PARSE_ERROR, "unexpected byte 0x%02x outside of a string",
                    (unsigned)(unsigned char)c);
  }
  lexer->token = (atr_token){.kind = ATR_TOKEN_PUNCT, .punct = c, .span = span_of(begin, begin + 1)};
  lexer->pos = begin + 1;
  return ATR_OK;
}

atr_status atr_lexer_init(atr_work *work, atr_lexer *lexer) {
  *lexer = (atr_lexer){.text = "", .len = 0};
  if (work->source != NULL && work->source->text != NULL) {
    lexer->text = work->source->text;
    lexer->len = work->source->len;
  }
  if (lexer->len >= UINT32_MAX) return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "the text is longer than 4 GiB");
  return atr_lexer_next(work, lexer);
}

static char closing(char open) { return open == '(' ? ')' : open == '[' ? ']' : open == '{' ? '}' : '\0'; }

/* The brackets are kept on a list and not on the stack of calls, so that their depth is bounded by memory only. */
static atr_status skip_brackets(atr_work *work, atr_lexer *lexer) {
  atr_span opener = lexer->token.span;
  char *open = NULL;
  size_t depth = 0, capacity = 0;
  do {
    const atr_token *token = &lexer->token;
    if (token->kind == ATR_TOKEN_END) {
      return atr_fail(work, opener, ATR_PARSE_ERROR, "the bracket that opens here is not closed");
    }
    if (token->kind == ATR_TOKEN_PUNCT && closing(token->punct) != '\0') {
      ATR_RESERVE(work->arena, open, depth, capacity);
      open[depth++] = closing(token->punct);
    } else if (atr_token_is(token, ')') || atr_token_is(token, ']') || atr_token_is(token, '}')) {
      if (open[depth - 1] != token->punct) {
        return atr_fail(work, token->span, ATR_PARSE_ERROR, "expected '%c' but found '%c'", open[depth - 1], token->punct);
      }
      depth--;
    }
    ATR_TRY(atr_lexer_next(work, lexer));
  } while (depth > 0);
  return ATR_OK;
}

atr_status atr_lexer_skip_value(atr_work *work, atr_lexer *lexer) {
  const atr_token *token = &lexer->token;
  if (token->kind == ATR_TOKEN_STRING || token->kind == ATR_TOKEN_WORD) return atr_lexer_next(work, lexer);
  if (token->kind == ATR_TOKEN_PUNCT && closing(token->punct) != '\0') return skip_brackets(work, lexer);
  return atr_fail(work, token->span, ATR_PARSE_ERROR, "expected a value but found %s", atr_token_describe(work->arena, token));
}

bool atr_text_to_int64(const char *text, size_t len, int64_t *out) {
  bool negative = len > 0 && text[0] == '-';
  size_t i = negative ? 1 : 0;
  if (i == len) return false;
  int64_t value = 0; /* kept negative, since -2^63 has no positive counterpart */
  for (; i < len; i++) {
    if (!is_digit(text[i])) return false;
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, text[i] - '0', &value)) return false;
  }
  if (!negative && __builtin_sub_overflow(0, value, &value)) return false;
  *out = value;
  return true;
}

/* hlo_lex.h - tokens of HLO text.
 *
 * In: the text of work->source. Out: one token at a time, each with its span; white space and comments are skipped. A word is
 * a maximal run of letters, digits and _ . ? + - (a '-' before '>' ends it), with an optional '%' in front that is not part of
 * its text: names, opcodes, numbers, "3x3", "1_1x0_2" and "b01f_01io" are all words, and the reader knows which it wants.
 *
 *     ROOT %c = f32[2] add(a, b)    ->  ROOT | c | = | f32 | [ | 2 | ] | add | ( | a | , | b | )
 */
#ifndef ATR_IR_HLO_LEX_H
#define ATR_IR_HLO_LEX_H

#include <stdbool.h>

#include "base/diag.h"

typedef enum atr_token_kind {
  ATR_TOKEN_END,
  ATR_TOKEN_WORD,
  ATR_TOKEN_STRING, /* text is what stands between the quotes, escapes as written */
  ATR_TOKEN_ARROW,  /* -> */
  ATR_TOKEN_PUNCT   /* any other printable character */
} atr_token_kind;

typedef struct atr_token {
  atr_token_kind kind;
  char punct;       /* PUNCT */
  const char *text; /* WORD, STRING: into the source, not NUL-terminated */
  size_t len;
  atr_span span;    /* with '%' or quotes */
} atr_token;

typedef struct atr_lexer {
  const char *text;
  size_t len, pos; /* pos: behind the current token */
  atr_token token; /* the current one */
  atr_span last;   /* of the token before it */
} atr_lexer;

/* Starts at the first token of work->source. Texts of 4 GiB and more are refused: spans are 32 bits wide. */
ATR_CHECK_RESULT atr_status atr_lexer_init(atr_work *work, atr_lexer *lexer);
ATR_CHECK_RESULT atr_status atr_lexer_next(atr_work *work, atr_lexer *lexer);
/* The first character of the token after the current one, '\0' at the end of the text. */
char atr_lexer_peek(const atr_lexer *lexer);
/* Takes one value whose meaning does not matter: a string, a word, or anything in balanced brackets. */
ATR_CHECK_RESULT atr_status atr_lexer_skip_value(atr_work *work, atr_lexer *lexer);

bool atr_token_is(const atr_token *token, char punct);
bool atr_token_is_word(const atr_token *token, const char *word);
/* From the token at `start` to the last one taken. */
atr_span atr_lexer_span_from(const atr_lexer *lexer, atr_span start);
/* "'foo'", "'('", "the end of the text": a token as messages name it, in the arena and cut short. */
const char *atr_token_describe(atr_arena *arena, const atr_token *token);

/* Decimal integer in exactly text[0, len): false for anything else and for what does not fit. */
bool atr_text_to_int64(const char *text, size_t len, int64_t *out);
/* Decimal text such as -1.25e-3 to the nearest f64 (hlo_literal.c); false for anything else. */
bool atr_text_to_f64(atr_arena *arena, const char *text, size_t len, double *out);

/* Arguments for "%.*s" that keep a message readable when the text is a megabyte long. */
#define ATR_CLIP(text, len) (int)((len) < 60 ? (len) : 60), (text)

#endif

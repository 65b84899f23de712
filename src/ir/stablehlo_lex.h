/* stablehlo_lex.h - a cursor over MLIR text, shared by the files of the StableHLO reader.
 *
 * In: the source of a work. Out: words, strings, numbers, %values, @symbols and tensor types, each with its span; and ways to
 * step over what the reader has no use for (dictionaries of other dialects, locations, bodies that are read later).
 *
 *     atr_mlir m = atr_mlir_make(work);
 *     if (atr_mlir_accept(&m, "tensor")) ...
 *
 * The grammar of MLIR depends on the operation, so there is no token stream: whoever knows what comes next asks for it. A
 * cursor is a plain value; a copy with other ends reads a part of the text again. */
#ifndef ATR_IR_STABLEHLO_LEX_H
#define ATR_IR_STABLEHLO_LEX_H

#include "ir/ir.h"

typedef struct atr_mlir {
  atr_work *work;
  const char *text;
  uint32_t pos, end; /* the cursor never reads text[end] */
} atr_mlir;

/* A piece of the text; not NUL-terminated. */
typedef struct atr_mlir_word {
  const char *text;
  uint32_t len;
  atr_span span;
} atr_mlir_word;

atr_mlir atr_mlir_make(atr_work *work);
/* The same text from `pos` to `end`. */
atr_mlir atr_mlir_part(const atr_mlir *m, uint32_t pos, uint32_t end);
/* The place of the text from byte `start` to the cursor, and of the next thing to be read. */
atr_span atr_mlir_span(const atr_mlir *m, uint32_t start);
atr_span atr_mlir_here(atr_mlir *m);

/* Steps over white space and comments and says what follows: a byte, or -1 at the end. */
int atr_mlir_peek(atr_mlir *m);
/* Takes `token` (punctuation) when it follows; atr_mlir_accept_word takes only whole words. */
bool atr_mlir_accept(atr_mlir *m, const char *token);
bool atr_mlir_accept_word(atr_mlir *m, const char *word);
ATR_CHECK_RESULT atr_status atr_mlir_expect(atr_mlir *m, const char *token);
/* Fails with "expected WANTED, found ..." at the next thing. */
atr_status atr_mlir_unexpected(atr_mlir *m, const char *wanted);

/* A letter or '_', then letters, digits, '_', '.' and '$'. False, and nothing taken, when none follows. */
bool atr_mlir_word_read(atr_mlir *m, atr_mlir_word *out);
bool atr_mlir_word_is(const atr_mlir_word *word, const char *text);
/* A quoted string; the word is what stands between the quotes, escapes as they are. */
ATR_CHECK_RESULT atr_status atr_mlir_string_read(atr_mlir *m, atr_mlir_word *out);
/* "@name" or "@\"name\"". */
ATR_CHECK_RESULT atr_status atr_mlir_symbol_read(atr_mlir *m, atr_mlir_word *out);
/* "%name" (the word is without '%'), and with "#2" behind it: *index 2, else 0. */
ATR_CHECK_RESULT atr_status atr_mlir_value_read(atr_mlir *m, atr_mlir_word *out, int64_t *index);
ATR_CHECK_RESULT atr_status atr_mlir_int_read(atr_mlir *m, int64_t *out);
/* A ranked tensor type of static extents and a dtype we have; all others are refused by name. */
ATR_CHECK_RESULT atr_status atr_mlir_type_read(atr_mlir *m, atr_shape *out, atr_span *span);
/* "tensor<2x3xf32>", for messages. */
const char *atr_mlir_type_text(atr_work *work, const atr_shape *shape);

/* Steps to the first of the bytes `stops` outside of brackets and strings, to a closing bracket that was not opened here, or to
 * the end; with `line` also to the end of a line outside of brackets. */
ATR_CHECK_RESULT atr_status atr_mlir_skip(atr_mlir *m, const char *stops, bool line);
/* Steps over one bracketed group; the cursor must be at its opening bracket. */
ATR_CHECK_RESULT atr_status atr_mlir_skip_group(atr_mlir *m);
/* Steps over "loc(...)" if one follows. */
ATR_CHECK_RESULT atr_status atr_mlir_skip_location(atr_mlir *m);

#endif

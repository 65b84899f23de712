/* text.h - a text that grows in an arena, for printers. Always NUL-terminated. */
#ifndef ATR_BASE_TEXT_H
#define ATR_BASE_TEXT_H

#include "base/arena.h"

typedef struct atr_text {
  atr_arena *arena;
  char *data; /* NULL until the first write */
  size_t len, capacity;
} atr_text;

atr_text atr_text_make(atr_arena *arena);
void atr_text_append(atr_text *text, const char *bytes, size_t len);
void atr_text_puts(atr_text *text, const char *string);
void atr_text_printf(atr_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The shortest decimal that reads back as the same value of `dtype` (inf, -inf, nan as HLO spells them). */
void atr_text_scalar(atr_text *text, atr_dtype dtype, const void *address);

#endif

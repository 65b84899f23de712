/* response.c - see response.h. A word is never longer than what it is written as, so it is unquoted in place. */
#include "response.h"

#include <stdbool.h>

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

char *response_word(char *text, size_t len, size_t *at, const char **error) {
  size_t from = *at;
  *error = NULL;
  while (from < len && is_space(text[from])) from++;
  char *word = text + from, *to = word, quote = 0;
  if (from == len) return NULL;
  for (; from < len && (quote != 0 || !is_space(text[from])); from++) {
    char c = text[from];
    if (c == '\\' && from + 1 < len) *to++ = text[++from];
    else if (quote == 0 && (c == '\'' || c == '"')) quote = c;
    else if (quote != 0 && c == quote) quote = 0;
    else *to++ = c;
    if (text[from] == 0) *error = "it holds a NUL";
  }
  if (quote != 0) *error = quote == '"' ? "a \" is not closed" : "a ' is not closed";
  *at = from < len ? from + 1 : len;
  *to = 0;
  return *error == NULL ? word : NULL;
}

/* response.h - the words of a response file.
 *
 * In: the text of a file. Out: its words, as gcc splits them: at white space; single and double quotes keep it together, and a
 * backslash takes the next character as it is, in quotes too. Words may be empty (''). Where gcc is silent there is a message: a
 * quote that is not closed, a NUL.
 *
 *     --name=conv "a b.hlo" c\ d.hlo    ->    --name=conv, a b.hlo, c d.hlo */
#ifndef TOOLS_RESPONSE_H
#define TOOLS_RESPONSE_H

#include <stddef.h>

/* The next word from text[*at] on, written over the text itself and ended by a NUL, so text[len] must be one; NULL: there is none.
 * *error is set, and NULL returned, when the text is wrong. */
char *response_word(char *text, size_t len, size_t *at, const char **error);

#endif

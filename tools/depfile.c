/* depfile.c - see depfile.h. */
#include "depfile.h"

#include <stdlib.h>
#include <string.h>

#include "file.h"

tool_exit depfile_add(depfile *d, const char *input) {
  if (strcmp(input, "-") == 0) return TOOL_DONE;
  for (int i = 0; i < d->input_count; i++)
    if (strcmp(d->inputs[i], input) == 0) return TOOL_DONE;
  const char **grown = realloc(d->inputs, sizeof *grown * ((size_t)d->input_count + 1));
  if (grown == NULL) return report_out_of_memory();
  d->inputs = grown;
  d->inputs[d->input_count++] = input;
  return TOOL_DONE;
}

/* Appends `name` as Make reads it; at most three times as long, as a backslash in front of a space is doubled. */
static char *put_name(char *to, const char *name) {
  for (const char *at = name; *at != 0; at++) {
    if (*at == ' ' || *at == '\t') {
      for (const char *back = at; back > name && back[-1] == '\\'; back--) *to++ = '\\';
      *to++ = '\\';
    } else if (*at == '#') {
      *to++ = '\\';
    } else if (*at == '$') {
      *to++ = '$';
    }
    *to++ = *at;
  }
  return to;
}

tool_exit depfile_print(const depfile *d, const char *const *outputs, int count, char **text, size_t *len) {
  static const char line_end[] = " \\\n ";
  size_t size = 4;
  for (int i = 0; i < count; i++) size += outputs[i] != NULL ? 3 * strlen(outputs[i]) + 1 : 0;
  for (int i = 0; i < d->input_count; i++) size += 3 * strlen(d->inputs[i]) + sizeof line_end;
  char *at = *text = malloc(size);
  if (at == NULL) return report_out_of_memory();
  for (int i = 0; i < count; i++) {
    if (outputs[i] == NULL) continue;
    if (at != *text) *at++ = ' ';
    at = put_name(at, outputs[i]);
  }
  *at++ = ':';
  for (int i = 0; i < d->input_count; i++) {
    if (i > 0) memcpy(at, line_end, sizeof line_end - 1), at += sizeof line_end - 1;
    else *at++ = ' ';
    at = put_name(at, d->inputs[i]);
  }
  *at++ = '\n';
  *len = (size_t)(at - *text);
  return TOOL_DONE;
}

void depfile_fini(depfile *d) {
  free(d->inputs);
  *d = (depfile){0};
}

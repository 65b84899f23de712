/* depfile.h - what a file was made of, as a rule of Make.
 *
 * In: the inputs as they are read, then the outputs. Out: a dependency file as gcc's -MD writes it, which Make, Ninja, CMake and
 * Meson read:
 *
 *     conv.o conv.h: conv.hlo w.npy
 *
 * Names are escaped as gcc does: a backslash before a space (and before each backslash in front of it) and before #; $ twice.
 * Standard input is left out, and a file that is named twice is there once. Texts are borrowed. */
#ifndef TOOLS_DEPFILE_H
#define TOOLS_DEPFILE_H

#include "args.h"

typedef struct depfile {
  const char **inputs; /* each once */
  int input_count;
} depfile;

tool_exit depfile_add(depfile *d, const char *input);
/* The whole file in *text (free() it): the first `count` of `outputs`, NULLs left out, made of what was added. */
tool_exit depfile_print(const depfile *d, const char *const *outputs, int count, char **text, size_t *len);
void depfile_fini(depfile *d);

#endif

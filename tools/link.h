/* link.h - a library of one object, by the machine's own ar and ld.
 *
 * In: an object's bytes. Out: the bytes of an archive (ar rcsD) or of a shared library (ld -shared), the same whenever and wherever
 * they are made. The tools run as child processes without a shell, in a folder of their own that is removed. AR and LD in the
 * environment name other tools; an object for another machine is linked by TRIPLE-ld or ld.lld. */
#ifndef TOOLS_LINK_H
#define TOOLS_LINK_H

#include <stddef.h>

#include "args.h"

typedef enum link_kind { LINK_NONE, LINK_STATIC, LINK_SHARED } link_kind;

/* `triple` NULL: this machine's. `path` is where the library will be: its name is in it. *out is to be freed. TOOL_MACHINE and a
 * message when the tool is missing or fails. */
tool_exit link_object(link_kind kind, const char *triple, const char *path, const void *object, size_t len, unsigned char **out,
                      size_t *out_len);

#endif

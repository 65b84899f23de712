/* file.h - whole files in, whole files out.
 *
 * In: a path or "-" (a pipe). Out: its bytes; or a file that holds either all of what was written or what it held before.
 * An output is staged in a temporary file beside its target, synchronized and renamed over it; a failure removes the temporary
 * file. Devices, pipes and standard output cannot be staged and are written directly. Symbolic links are followed.
 *
 *     output out;
 *     if ((code = output_open(&out, path)) != TOOL_DONE) return code;
 *     code = output_write(&out, bytes, len);
 *     return output_close(&out, code);
 *
 * Every failure has been reported on stderr when a code other than TOOL_DONE comes back. */
#ifndef TOOLS_FILE_H
#define TOOLS_FILE_H

#include <stddef.h>

#include "args.h"

/* The file's bytes, then a NUL that *len does not count; free() them. TOOL_INPUT when it cannot be read. */
tool_exit file_read(const char *path, unsigned char **bytes, size_t *len);

typedef struct output {
  const char *path; /* as the user wrote it, for messages */
  char *target;     /* what is renamed over; NULL: written directly */
  char *temporary;
  int fd; /* -1: not open */
} output;

tool_exit output_open(output *out, const char *path);
tool_exit output_write(output *out, const void *bytes, size_t len);
/* Puts the file in place if `code` (of the writes) is TOOL_DONE, else removes what was staged and returns `code`. */
tool_exit output_close(output *out, tool_exit code);
/* The same in two steps, for several files that belong together: synchronize each, then rename each. */
tool_exit output_sync(output *out);
tool_exit output_rename(output *out);
void output_abandon(output *out); /* also after output_rename: then it only frees */

/* Opens, writes and closes. */
tool_exit file_write(const char *path, const void *bytes, size_t len);
/* Flushes stdout; TOOL_MACHINE and a message if anything written to it was lost. */
tool_exit stdout_finish(tool_exit code);
tool_exit report_out_of_memory(void);

#endif

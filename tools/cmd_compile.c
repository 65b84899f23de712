/* cmd_compile.c - atrousc compile: a module to object code or a listing.
 *
 *     atrousc compile conv.hlo -o conv.s      by the suffix: assembly
 *     atrousc compile conv.hlo --emit=nest    to stdout */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "file.h"
#include "job.h"

static const struct emit_row {
  const char *name, *suffix;
  atr_emit_kind kind;
} emit_rows[] = {
    {"nest", ".nest", ATR_EMIT_NEST},
    {"llvm", ".ll", ATR_EMIT_LLVM},
    {"asm", ".s", ATR_EMIT_ASM},
    {"obj", ".o", ATR_EMIT_OBJ},
};
enum { EMIT_ROWS = sizeof emit_rows / sizeof emit_rows[0] };

static bool ends_with(const char *text, const char *suffix) {
  size_t len = strlen(text), suffix_len = strlen(suffix);
  return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

/* By --emit, else by the output's suffix. */
static tool_exit select_kind(const args *parsed, const char *path, atr_emit_kind *kind) {
  const char *name = parsed->values[OPTION_EMIT];
  for (int i = 0; i < EMIT_ROWS; i++) {
    if (name != NULL ? strcmp(name, emit_rows[i].name) == 0 : ends_with(path, emit_rows[i].suffix)) {
      *kind = emit_rows[i].kind;
      return TOOL_DONE;
    }
  }
  if (name != NULL) return args_fail(parsed, "option '--emit' wants nest, llvm, asm or obj, got '%s'", name);
  return args_fail(parsed, "cannot tell from '%s' what to write; give --emit=nest, llvm, asm or obj", path);
}

tool_exit cmd_compile(const args *parsed) {
  const char *path = args_has(parsed, OPTION_OUTPUT_TEXT) ? parsed->values[OPTION_OUTPUT_TEXT] : "-";
  job j = {.parsed = parsed};
  atr_emit_kind kind = ATR_EMIT_NEST;
  atr_compile_options options;
  char *bytes = NULL;
  size_t len;
  tool_exit code = select_kind(parsed, path, &kind);
  if (code == TOOL_DONE && kind == ATR_EMIT_OBJ && strcmp(path, "-") == 0 && isatty(STDOUT_FILENO)) {
    code = args_fail(parsed, "object code is not for a terminal; give -o FILE");
  }
  if (code == TOOL_DONE) code = job_open(&j, parsed, parsed->files[0], 1);
  if (code == TOOL_DONE) code = job_compile_options(&j, &options);
  if (code == TOOL_DONE) code = job_report(&j, atr_emit(j.context, j.module, &options, kind, &bytes, &len));
  if (code == TOOL_DONE) code = file_write(path, bytes, len);
  if (bytes != NULL) atr_string_free(j.context, bytes);
  job_fini(&j);
  return code;
}

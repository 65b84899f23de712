/* main.c - atrousc, the command line of Atrous.
 *
 * In: a subcommand, options, files. Out: files, text on stdout, diagnostics on stderr, and an exit status that says which of
 * three was at fault (args.h). The tables commands.def and options.def hold all names.
 *
 *     atrousc run conv.hlo x.npy w.npy -o y.npy --check
 *
 * This program reads the command line, answers --help, --version, --completion and mistakes, and leaves the rest to
 * atrousc-commands (commands.c), which it becomes. Only that one is linked with libatrous and so with LLVM, whose library alone
 * takes 20 to 30 ms to load (342,000 relocations, which touch 2,000 pages): too long for what a shell or a build system asks. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "atrous/atrous.h"
#include "completion.h"
#include "file.h"

/* The folder of this program in path[0..PATH_MAX]; 0: it cannot be told, else its length. */
static size_t own_folder(char *path) {
  ssize_t len = readlink("/proc/self/exe", path, PATH_MAX);
  if (len <= 0 || len == PATH_MAX) return 0;
  path[len] = 0;
  char *slash = strrchr(path, '/');
  return slash != NULL ? (size_t)(slash + 1 - path) : 0;
}

/* Becomes atrousc-commands: beside this program, as built, or in ATR_COMMANDS from there, as installed. Comes back if it cannot. */
static tool_exit become_commands(char **argv, const args *parsed) {
  static const char *const places[] = {"atrousc-commands", ATR_COMMANDS};
  char path[PATH_MAX + sizeof ATR_COMMANDS + 32];
  size_t folder = own_folder(path);
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    strcpy(path + folder, places[i]);
    /* With the words of response files, which may have been pipes; where these are too many for a command line, as it was. */
    execv(path, (char *const *)(uintptr_t)parsed->words);
    if (errno == E2BIG) execv(path, argv);
    if (errno != ENOENT) break;
  }
  fprintf(stderr, "atrousc: cannot run '%s': %s\n", path, strerror(errno));
  return TOOL_MACHINE;
}

int main(int argc, char **argv) {
  args parsed;
  tool_exit code = args_parse(argc, argv, &parsed);
  if (code == TOOL_DONE && args_has(&parsed, OPTION_HELP)) {
    args_print_help(parsed.command);
  } else if (code == TOOL_DONE && args_has(&parsed, OPTION_VERSION)) {
    printf("atrousc %d.%d.%d\n", ATR_VERSION_MAJOR, ATR_VERSION_MINOR, ATR_VERSION_PATCH);
  } else if (code == TOOL_DONE && args_has(&parsed, OPTION_COMPLETION)) {
    code = completion_print(&parsed);
  } else if (code == TOOL_DONE) {
    code = become_commands(argv, &parsed);
  }
  args_fini(&parsed);
  return (int)stdout_finish(code);
}

/* main.c - atrousc, the command line of Atrous.
 *
 * In: a subcommand, options, files. Out: files, text on stdout, diagnostics on stderr, and an exit status that says which of
 * three was at fault (args.h). The tables commands.def and options.def hold all names; each subcommand is a function in a
 * cmd_*.c file; everything goes through the public interface, atrous/atrous.h.
 *
 *     atrousc run conv.hlo x.npy w.npy -o y.npy --check */
#include <stdio.h>

#include "atrous/atrous.h"
#include "commands.h"
#include "file.h"

static tool_exit run_command(const args *parsed) {
  switch (parsed->command) {
#define ATR_COMMAND(id, name, operands, least, most, summary) \
  case COMMAND_##id: return cmd_##name(parsed);
#include "commands.def"
#undef ATR_COMMAND
    case COMMAND_COUNT: break;
  }
  return TOOL_USAGE;
}

int main(int argc, char **argv) {
  args parsed;
  tool_exit code = args_parse(argc, argv, &parsed);
  if (code == TOOL_DONE && args_has(&parsed, OPTION_HELP)) {
    args_print_help(parsed.command);
  } else if (code == TOOL_DONE && args_has(&parsed, OPTION_VERSION)) {
    printf("atrousc %s\n", atr_version());
  } else if (code == TOOL_DONE) {
    code = run_command(&parsed);
  }
  args_fini(&parsed);
  return (int)stdout_finish(code);
}

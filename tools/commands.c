/* commands.c - atrousc-commands, the program that does what atrousc is asked to (main.c says why it is another one).
 *
 * In: the command line of atrousc. Out: files, text on stdout, diagnostics on stderr, and the exit status. Each subcommand is a
 * function in a cmd_*.c file; everything goes through the public interface, atrous/atrous.h. */
#include "commands.h"

#include "file.h"

static tool_exit run_command(const args *parsed) {
  switch (parsed->command) {
#define ATR_COMMAND(id, name, operands, least, most, summary)                                                                  \
  case COMMAND_##id:                                                                                                           \
    return cmd_##name(parsed);
#include "commands.def"
#undef ATR_COMMAND
  case COMMAND_COUNT: break;
  }
  return TOOL_USAGE;
}

int main(int argc, char **argv) {
  args parsed;
  tool_exit code = args_parse(argc, argv, &parsed);
  if (code == TOOL_DONE) code = run_command(&parsed);
  args_fini(&parsed);
  return (int)stdout_finish(code);
}

/* commands.h - one function per row of commands.def. Each gets the parsed command line (--help and --version are done with) and
 * returns what the process exits with; whatever went wrong has been said on stderr. */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "args.h"

#define ATR_COMMAND(id, name, operands, least, most, summary) tool_exit cmd_##name(const args *parsed);
#include "commands.def"
#undef ATR_COMMAND

#endif

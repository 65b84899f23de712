/* completion.h - scripts that let a shell complete atrousc's words, printed from commands.def and options.def. */
#ifndef TOOLS_COMPLETION_H
#define TOOLS_COMPLETION_H

#include "args.h"

/* The script of --completion's shell (bash, zsh or fish) on stdout. */
tool_exit completion_print(const args *parsed);

#endif

/* args.h - the command line of atrousc, read by two tables.
 *
 * In: argc, argv. Out: the subcommand, its files and the text of every option given, checked against commands.def and
 * options.def (names, arguments, number of files); or a message on stderr and TOOL_USAGE. Texts point into argv or
 * into response files: a word @FILE is replaced by the words of FILE (response.h), unless it is the argument of an option
 * (--schedule @FILE) or behind "--". Such files may name others, to a depth of 16.
 *
 *     atrousc run conv.hlo x.npy --random=7 -o y.npy
 *     -> command RUN, files {conv.hlo, x.npy}, values[OPTION_RANDOM] = "7", outputs {y.npy}
 *     atrousc conv.hlo -o conv.o
 *     -> command COMPILE, as with its name in front
 *
 * An option's argument follows as --name=VALUE or --name VALUE (-oVALUE or -o VALUE); the last one given counts, except that
 * -o and --weights collect. "--" ends the options and "-" is a file (a pipe). */
#ifndef TOOLS_ARGS_H
#define TOOLS_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the process returns. */
typedef enum tool_exit {
  TOOL_DONE = 0,
  TOOL_INPUT = 1,  /* the input is wrong, or a comparison with the interpreter failed */
  TOOL_USAGE = 2,  /* the command line is wrong */
  TOOL_MACHINE = 3 /* the machine cannot: unsupported, no memory, output not writable */
} tool_exit;

typedef enum command_id {
#define ATR_COMMAND(id, name, operands, least, most, summary) COMMAND_##id,
#include "commands.def"
#undef ATR_COMMAND
  COMMAND_COUNT
} command_id;

typedef enum option_id {
#define ATR_OPTION(id, name, letter, argument, commands, help) OPTION_##id,
#include "options.def"
#undef ATR_OPTION
  OPTION_COUNT
} option_id;

/* The rows of the two tables. Commands that take an option are bits; ON_NONE: the bit of no subcommand. */
typedef struct command_row {
  const char *name, *operands;
  int least, most;
  const char *summary;
} command_row;

typedef struct option_row {
  const char *name;
  char letter;
  const char *argument;
  unsigned commands;
  const char *help;
} option_row;

#define ON_ALL ~0u
#define ON_NONE (1u << COMMAND_COUNT)

extern const command_row args_commands[COMMAND_COUNT];
extern const option_row args_options[OPTION_COUNT];

typedef struct args {
  command_id command;               /* COMMAND_COUNT: none (atrousc --help, atrousc --version) */
  const char *values[OPTION_COUNT]; /* NULL: not given; "" without an argument */
  const char **files, **outputs;    /* of file_count and output_count entries, in the order given */
  int file_count, output_count;
  const char **weights; /* all of --weights, in order */
  int weight_count;
  const char **words; /* argv with the words of response files in place, and a NULL */
  char **responses; /* the texts of response files */
  int response_count;
} args;

/* `out` owns lists and texts, whatever comes back: args_fini. A --help is recognized before anything is checked. */
tool_exit args_parse(int argc, char **argv, args *out);
void args_fini(args *parsed);
const char *command_name(command_id command);
/* Without an argument, or with one that may be left out, "[FILE]", but not "[NAME=]FILE". */
bool args_stands_alone(const option_row *row);
/* Help on one subcommand, or for COMMAND_COUNT on the whole tool, on stdout. */
void args_print_help(command_id command);

static inline bool args_has(const args *parsed, option_id option) { return parsed->values[option] != NULL; }
/* A complaint about the command line on stderr; returns TOOL_USAGE. */
tool_exit args_fail(const args *parsed, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Option as a number in [low, high]; `*value` keeps its content when the option was not given. */
tool_exit args_integer(const args *parsed, option_id option, int64_t low, int64_t high, int64_t *value);
tool_exit args_seed(const args *parsed, option_id option, uint64_t *value);
/* "1,3" as the bits 1 and 3; every number must be below `count`, the module's number of parameters. */
tool_exit args_mask(const args *parsed, option_id option, int32_t count, uint64_t *mask);

#endif

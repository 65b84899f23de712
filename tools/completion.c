/* completion.c - see completion.h. `make install` puts what this prints where the shells look for it, so that the tables are the
 * only list of names. An argument with FILE in it is completed by files, one with words in value_words() by these, others not at all. */
#include "completion.h"

#include <stdio.h>
#include <string.h>

/* The words that an option takes; NULL: any text. tests/cli/completion.sh tries each. */
static const char *value_words(int option) {
  if (option == OPTION_EMIT) return "obj static shared header asm llvm nest";
  if (option == OPTION_BACK_END) return "cpu interpreter";
  return option == OPTION_COMPLETION ? "bash zsh fish" : NULL;
}

static bool belongs(int option, int command) { return (args_options[option].commands >> command & 1) != 0; }
static bool takes_file(int option) {
  return strstr(args_options[option].argument, "FILE") != NULL || option == OPTION_SCHEDULE;
}

/* The help up to its first semicolon, a backslash in front of the characters of `special`, and `quote` for each '. */
static void print_help(const char *text, const char *special, const char *quote) {
  int depth = 0; /* of parentheses */
  for (; *text != 0 && (*text != ';' || depth > 0); text++) {
    depth += (*text == '(') - (*text == ')');
    if (*text == '\'') fputs(quote, stdout);
    else printf("%s%c", strchr(special, *text) != NULL ? "\\" : "", *text);
  }
}

/* ---- bash */

static void print_bash_options(int command) {
  for (int i = 0; i < OPTION_COUNT; i++) {
    if (!belongs(i, command)) continue;
    if (args_options[i].letter != 0) printf(" -%c", args_options[i].letter);
    if (args_stands_alone(&args_options[i])) printf(" --%s", args_options[i].name);
    if (args_options[i].argument != NULL) printf(" --%s=", args_options[i].name);
  }
}

/* What comes behind an option's name; "files" is bash's own completion. */
static void print_bash_values(int command) {
  const char *name = command == COMMAND_COUNT ? "" : args_commands[command].name;
  for (int i = 0; i < OPTION_COUNT; i++) {
    if (!belongs(i, command) || args_options[i].argument == NULL) continue;
    const char *words = value_words(i);
    printf("    %s:--%s", name, args_options[i].name);
    if (args_options[i].letter != 0) printf(" | %s:-%c", name, args_options[i].letter);
    if (words != NULL) printf(") values='%s' ;;\n", words);
    else printf(") %s ;;\n", takes_file(i) ? "return" : "compopt +o default; return");
  }
}

static void print_bash(void) {
  printf("# atrousc - what bash completes on its command line; printed by atrousc --completion=bash.\n\n"
         "_atrousc() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' options='' values='' front='' i\n"
         "  COMPREPLY=()\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case ${COMP_WORDS[i]} in -* | =) ;; *) command=${COMP_WORDS[i]}; break ;; esac\n"
         "  done\n"
         "  # --name=VALUE is three words, or one where = does not end words.\n"
         "  case $cur in\n"
         "    =) cur='' ;;\n"
         "    --*=*) prev=${cur%%%%=*} front=${cur%%%%=*}= cur=${cur#*=} ;;\n"
         "    *) if [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD - 2]}; else\n"
         "         case $command:$prev in\n");
  /* An option that may stand alone has its argument behind = only. */
  for (int i = 0; i < OPTION_COUNT; i++)
    if (args_options[i].argument != NULL && args_stands_alone(&args_options[i]))
      printf("           *:--%s) prev='' ;;\n", args_options[i].name);
  printf("         esac\n       fi ;;\n  esac\n  case $command:$prev in\n");
  for (int command = 0; command <= COMMAND_COUNT; command++) print_bash_values(command);
  printf("  esac\n  case $command in\n");
  for (int command = 0; command < COMMAND_COUNT; command++) {
    printf("    %s) options='", args_commands[command].name);
    print_bash_options(command);
    printf("' ;;\n");
  }
  printf("    '') options='");
  for (int command = 0; command < COMMAND_COUNT; command++) printf(" %s", args_commands[command].name);
  print_bash_options(COMMAND_COUNT);
  printf("' ;;\n  esac\n"
         "  if [ -n \"$values\" ]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -P \"$front\" -W \"$values\" -- \"$cur\")\n"
         "  elif [ -z \"$command\" ] || [ \"${cur#-}\" != \"$cur\" ]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
         "    case ${COMPREPLY-} in *=) compopt -o nospace ;; esac\n"
         "  fi\n"
         "}\n"
         "complete -o default -F _atrousc atrousc\n");
}

/* ---- zsh */

static void print_zsh_argument(int option) {
  const char *words = value_words(option);
  printf("%s:%s:", args_stands_alone(&args_options[option]) ? ":" : "", args_options[option].argument);
  if (words != NULL) printf("(%s)", words);
  else if (takes_file(option)) printf("_files");
  else printf(" ");
}

static void print_zsh_option(int option, const char *name, bool is_long) {
  bool has_argument = args_options[option].argument != NULL;
  bool repeats = option == OPTION_OUTPUT || option == OPTION_WEIGHTS;
  printf("        '%s%s", repeats ? "*" : "", name);
  if (has_argument) printf("%s", !is_long ? "+" : args_stands_alone(&args_options[option]) ? "=-" : "=");
  printf("[");
  print_help(args_options[option].help, "[]:\\", "'\\''");
  printf("]");
  if (has_argument) print_zsh_argument(option);
  printf("' \\\n");
}

static void print_zsh_options(int command) {
  for (int i = 0; i < OPTION_COUNT; i++) {
    char name[40];
    if (!belongs(i, command)) continue;
    snprintf(name, sizeof name, "-%c", args_options[i].letter);
    if (args_options[i].letter != 0) print_zsh_option(i, name, false);
    snprintf(name, sizeof name, "--%s", args_options[i].name);
    print_zsh_option(i, name, true);
  }
}

static void print_zsh(void) {
  printf("#compdef atrousc\n# What zsh completes on atrousc's command line; printed by atrousc --completion=zsh.\n\n"
         "_atrousc() {\n"
         "  local context state state_descr line ret=1\n"
         "  local -a subcommands\n"
         "  typeset -A opt_args\n"
         "  subcommands=(\n");
  for (int i = 0; i < COMMAND_COUNT; i++) {
    printf("    '%s:", args_commands[i].name);
    print_help(args_commands[i].summary, "\\", "'\\''");
    printf("'\n");
  }
  printf("  )\n  _arguments -C \\\n");
  print_zsh_options(COMMAND_COUNT);
  printf("        '1:subcommand:->subcommand' '*::argument:->argument' && ret=0\n"
         "  case $state in\n"
         "    subcommand) _describe subcommand subcommands && ret=0 ;;\n"
         "    argument)\n"
         "      case $words[1] in\n");
  for (int i = 0; i < COMMAND_COUNT; i++) {
    printf("      %s)\n        _arguments \\\n", args_commands[i].name);
    print_zsh_options(i);
    printf("        '*:file:_files' && ret=0 ;;\n");
  }
  printf("      esac ;;\n  esac\n  return ret\n}\n\n"
         "if [ \"$funcstack[1]\" = _atrousc ]; then _atrousc \"$@\"; else compdef _atrousc atrousc; fi\n");
}

/* ---- fish */

static void print_fish_condition(int option) {
  printf("complete -c atrousc");
  if (args_options[option].commands == ON_NONE) printf(" -n __fish_use_subcommand");
  if (args_options[option].commands == ON_ALL || args_options[option].commands == ON_NONE) return;
  printf(" -n '__fish_seen_subcommand_from");
  for (int i = 0; i < COMMAND_COUNT; i++)
    if (belongs(option, i)) printf(" %s", args_commands[i].name);
  printf("'");
}

static void print_fish(void) {
  printf("# atrousc - what fish completes on its command line; printed by atrousc --completion=fish.\n\n");
  for (int i = 0; i < COMMAND_COUNT; i++) {
    printf("complete -c atrousc -f -n __fish_use_subcommand -a %s -d '", args_commands[i].name);
    print_help(args_commands[i].summary, "\\", "\\'");
    printf("'\n");
  }
  for (int i = 0; i < OPTION_COUNT; i++) {
    print_fish_condition(i);
    printf(" -l %s", args_options[i].name);
    if (args_options[i].letter != 0) printf(" -s %c", args_options[i].letter);
    if (value_words(i) != NULL) printf(" -x -a '%s'", value_words(i));
    else if (!args_stands_alone(&args_options[i])) printf("%s", takes_file(i) ? " -r -F" : " -x");
    printf(" -d '");
    print_help(args_options[i].help, "\\", "\\'");
    printf("'\n");
  }
}

tool_exit completion_print(const args *parsed) {
  const char *shell = parsed->values[OPTION_COMPLETION];
  if (strcmp(shell, "bash") == 0) print_bash();
  else if (strcmp(shell, "zsh") == 0) print_zsh();
  else if (strcmp(shell, "fish") == 0) print_fish();
  else return args_fail(parsed, "option '--completion' wants bash, zsh or fish, got '%s'", shell);
  return TOOL_DONE;
}

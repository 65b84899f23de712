/* args.c - see args.h. One pass over the words; the tables say what is known. A wrong name is answered with the nearest right one
 * by edit distance:
 *
 *     atrousc run: unknown option '--thread'; did you mean '--threads'?
 */
#include "args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "response.h"

const command_row args_commands[COMMAND_COUNT] = {
#define ATR_COMMAND(id, name, operands, least, most, summary) [COMMAND_##id] = {#name, operands, least, most, summary},
#include "commands.def"
#undef ATR_COMMAND
};

#define ON(command) (1u << COMMAND_##command)

const option_row args_options[OPTION_COUNT] = {
#define ATR_OPTION(id, name, letter, argument, commands, help) [OPTION_##id] = {name, letter, argument, commands, help},
#include "options.def"
#undef ATR_OPTION
};

const char *command_name(command_id command) { return args_commands[command].name; }

tool_exit args_fail(const args *parsed, const char *format, ...) {
  va_list list;
  fprintf(stderr, "atrousc%s%s: ", parsed->command == COMMAND_COUNT ? "" : " ",
          parsed->command == COMMAND_COUNT ? "" : args_commands[parsed->command].name);
  va_start(list, format);
  vfprintf(stderr, format, list);
  va_end(list);
  fputc('\n', stderr);
  return TOOL_USAGE;
}

/* ---- the nearest known name -------------------------------------------------------------------- */

enum { NAME_MAX_LEN = 24 };

/* Levenshtein's distance: insertions, deletions and replacements that turn `a` into `b`. Names longer than the table's
 * longest are nobody's neighbours. */
static size_t distance(const char *a, size_t a_len, const char *b) {
  size_t row[NAME_MAX_LEN + 1], b_len = strlen(b);
  if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN) return NAME_MAX_LEN;
  for (size_t j = 0; j <= b_len; j++) row[j] = j;
  for (size_t i = 1; i <= a_len; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b_len; j++) {
      size_t best = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      row[j] = best;
    }
  }
  return row[b_len];
}

static const char *nearest_option(command_id command, const char *name, size_t len) {
  const char *best = NULL;
  size_t best_distance = 0;
  for (int i = 0; i < OPTION_COUNT; i++) {
    size_t d = distance(name, len, args_options[i].name);
    if ((args_options[i].commands & (1u << command)) == 0) continue;
    if (best == NULL || d < best_distance) best = args_options[i].name, best_distance = d;
  }
  return best;
}

static const char *nearest_command(const char *name) {
  const char *best = args_commands[0].name;
  for (int i = 1; i < COMMAND_COUNT; i++) {
    if (distance(name, strlen(name), args_commands[i].name) < distance(name, strlen(name), best)) best = args_commands[i].name;
  }
  return best;
}

/* ---- options ----------------------------------------------------------------------------------- */

/* The row of an option that `command` takes; OPTION_COUNT: none. COMMAND_COUNT stands for no subcommand. */
static option_id find_option(command_id command, const char *name, size_t len, char letter) {
  for (int i = 0; i < OPTION_COUNT; i++) {
    if ((args_options[i].commands & (1u << command)) == 0) continue;
    bool same_name = strlen(args_options[i].name) == len && memcmp(args_options[i].name, name, len) == 0;
    bool same = letter != 0 ? args_options[i].letter == letter : same_name;
    if (same) return (option_id)i;
  }
  return OPTION_COUNT;
}

/* The same of a word of the command line: --name, --name=VALUE, -x or -xVALUE. */
static option_id option_of(command_id command, const char *word) {
  bool is_long = word[1] == '-';
  return find_option(command, word + 2, is_long ? strcspn(word + 2, "=") : 0, is_long ? 0 : word[1]);
}

static void set_option(args *out, option_id option, const char *value) {
  out->values[option] = value;
  if (option == OPTION_OUTPUT || option == OPTION_OUTPUT_TEXT) out->outputs[out->output_count++] = value;
  if (option == OPTION_WEIGHTS) out->weights[out->weight_count++] = value;
}

bool args_stands_alone(const option_row *row) {
  return row->argument == NULL || (row->argument[0] == '[' && strchr(row->argument, ']')[1] == 0);
}

/* `word` starts with "--" or is "-x..."; *next is the word after it (NULL at the end), consumed when it is the argument. */
static tool_exit parse_option(args *out, const char *word, const char *next, bool *consumed) {
  bool is_long = word[1] == '-';
  const char *name = word + 2, *equals = is_long ? strchr(word, '=') : NULL;
  size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
  const char *value = is_long ? (equals != NULL ? equals + 1 : NULL) : (word[2] != 0 ? word + 2 : NULL);
  option_id option = option_of(out->command, word);
  if (option == OPTION_COUNT && is_long) {
    return args_fail(out, "unknown option '--%.*s'; did you mean '--%s'?", (int)(len < 100 ? len : 100), name,
                     nearest_option(out->command, name, len));
  }
  if (option == OPTION_COUNT) return args_fail(out, "unknown option '-%c'; see --help", word[1]);
  if (args_options[option].argument == NULL && value != NULL) {
    return args_fail(out, "option '--%s' takes no argument, got '%s'", args_options[option].name, value);
  }
  if (value == NULL && args_stands_alone(&args_options[option])) {
    set_option(out, option, "");
    return TOOL_DONE;
  }
  *consumed = value == NULL && next != NULL;
  if (*consumed) value = next;
  if (value == NULL || value[0] == 0) {
    return args_fail(out, "option '--%s' needs an argument: %s", args_options[option].name, args_options[option].argument);
  }
  set_option(out, option, value);
  return TOOL_DONE;
}

/* ---- response files ---------------------------------------------------------------------------- */

enum { RESPONSE_DEPTH = 16 };

/* The command line with the words of response files in their places. */
typedef struct words {
  args *out; /* the subcommand, once it is seen, and the files' texts */
  const char **list;
  int count;
  bool is_named;             /* the first word is the subcommand's name */
  bool only_files, is_value; /* of the next word */
} words;

static bool find_command(const char *name, command_id *out) {
  for (int i = 0; i < COMMAND_COUNT; i++) {
    if (strcmp(args_commands[i].name, name) == 0) {
      *out = (command_id)i;
      return true;
    }
  }
  return false;
}

/* Does a command line that begins with this word leave out the subcommand's name, compile? It does with a file, or an option of it: a word
 * that is neither an option nor has a dot or a slash is a name that there isn't. */
static bool leaves_out_compile(const char *word) {
  if (word[0] != '-' || word[1] == 0) return word[0] == '-' || strpbrk(word, "./") != NULL;
  return option_of(COMMAND_COUNT, word) == OPTION_COUNT && option_of(COMMAND_COMPILE, word) != OPTION_COUNT;
}

/* Is the word after this one the option's argument? */
static bool wants_value(const args *out, const char *word) {
  bool is_long = word[1] == '-';
  if (word[0] != '-' || word[1] == 0 || (is_long ? strchr(word, '=') != NULL : word[2] != 0)) return false;
  option_id option = option_of(out->command, word);
  return option != OPTION_COUNT && !args_stands_alone(&args_options[option]);
}

static tool_exit add_word(words *w, const char *word) {
  if ((w->count & (w->count - 1)) == 0) { /* full at each power of two */
    const char **grown = realloc(w->list, sizeof *grown * (w->count == 0 ? 1 : 2 * (size_t)w->count));
    if (grown == NULL) return report_out_of_memory();
    w->list = grown;
  }
  if (w->count == 0) {
    w->is_named = find_command(word, &w->out->command);
    if (!w->is_named && leaves_out_compile(word)) w->out->command = COMMAND_COMPILE;
  }
  if (!w->only_files && !w->is_value && strcmp(word, "--") == 0) w->only_files = true;
  w->is_value = !w->only_files && !w->is_value && wants_value(w->out, word);
  w->list[w->count++] = word;
  return TOOL_DONE;
}

static tool_exit read_response(args *out, const char *path, char **text, size_t *len) {
  unsigned char *bytes;
  char **grown = realloc(out->responses, sizeof *grown * ((size_t)out->response_count + 1));
  if (grown == NULL) return report_out_of_memory();
  out->responses = grown;
  tool_exit code = file_read(path, &bytes, len);
  if (code != TOOL_DONE) return code == TOOL_INPUT ? TOOL_USAGE : code;
  *text = out->responses[out->response_count++] = (char *)bytes;
  return TOOL_DONE;
}

/* Adds one word, or those of the file that it names. The argument of an option is itself, and so is a file behind "--". */
static tool_exit expand(words *w, const char *word, int depth) {
  if (word[0] != '@' || word[1] == 0 || w->is_value || w->only_files) return add_word(w, word);
  if (depth == RESPONSE_DEPTH) return args_fail(w->out, "response files are nested deeper than %d: '%s'", RESPONSE_DEPTH, word);
  char *text = NULL;
  const char *error = NULL;
  size_t len, at = 0;
  tool_exit code = read_response(w->out, word + 1, &text, &len);
  while (code == TOOL_DONE) {
    char *next = response_word(text, len, &at, &error);
    if (error != NULL) return args_fail(w->out, "response file '%s': %s", word + 1, error);
    if (next == NULL) break;
    code = expand(w, next, depth + 1);
  }
  return code;
}

/* ---- the command line -------------------------------------------------------------------------- */

static tool_exit parse_words(const words *w, int first, args *out) {
  bool only_files = false;
  for (int i = first; i < w->count; i++) {
    const char *word = w->list[i];
    if (!only_files && strcmp(word, "--") == 0) {
      only_files = true;
    } else if (only_files || word[0] != '-' || word[1] == 0) {
      if (word[0] == 0) return args_fail(out, "a file name is empty");
      out->files[out->file_count++] = word;
    } else {
      bool consumed = false;
      tool_exit code = parse_option(out, word, i + 1 < w->count ? w->list[i + 1] : NULL, &consumed);
      if (code != TOOL_DONE) return code;
      i += consumed;
    }
  }
  return TOOL_DONE;
}

/* Options may name files that are read too: @FILE of a schedule, [PARAMETER=]FILE of weights. */
static int count_pipes(const args *out) {
  const char *schedule = out->values[OPTION_SCHEDULE];
  int pipes = schedule != NULL && strcmp(schedule, "@-") == 0;
  for (int i = 0; i < out->file_count; i++) pipes += strcmp(out->files[i], "-") == 0;
  for (int i = 0; i < out->weight_count; i++) {
    const char *equals = strrchr(out->weights[i], '=');
    pipes += strcmp(equals != NULL ? equals + 1 : out->weights[i], "-") == 0;
  }
  return pipes;
}

static tool_exit check_files(const args *out) {
  const command_row *row = &args_commands[out->command];
  if (out->file_count < row->least) return args_fail(out, "expected %s; see 'atrousc %s --help'", row->operands, row->name);
  if (row->most >= 0 && out->file_count > row->most) {
    return args_fail(out, "unexpected operand '%s'; see 'atrousc %s --help'", out->files[row->most], row->name);
  }
  int pipes = count_pipes(out);
  return pipes > 1 ? args_fail(out, "'-' is given %d times, but there is one standard input", pipes) : TOOL_DONE;
}

static tool_exit parse_command(const words *w, args *out) {
  out->files = calloc(3 * ((size_t)w->count + 1), sizeof *out->files);
  if (out->files == NULL) return report_out_of_memory();
  out->outputs = out->files + w->count + 1;
  out->weights = out->outputs + w->count + 1;
  bool has_command = out->command != COMMAND_COUNT;
  if (!has_command && w->count > 0 && w->list[0][0] != '-') {
    return args_fail(out, "unknown subcommand '%s'; did you mean '%s'? See 'atrousc --help'", w->list[0],
                     nearest_command(w->list[0]));
  }
  tool_exit code = parse_words(w, w->is_named ? 1 : 0, out);
  bool is_answered = args_has(out, OPTION_VERSION) || args_has(out, OPTION_COMPLETION);
  if (args_has(out, OPTION_HELP) || (code == TOOL_DONE && is_answered)) return TOOL_DONE;
  if (code != TOOL_DONE) return code;
  if (!has_command) return args_fail(out, "expected a subcommand; see 'atrousc --help'");
  return check_files(out);
}

static tool_exit keep_words(const char *program, const words *w, args *out) {
  out->words = calloc((size_t)w->count + 2, sizeof *out->words);
  if (out->words == NULL) return report_out_of_memory();
  out->words[0] = program;
  for (int i = 0; i < w->count; i++) out->words[i + 1] = w->list[i];
  return TOOL_DONE;
}

tool_exit args_parse(int argc, char **argv, args *out) {
  words w = {.out = out};
  memset(out, 0, sizeof *out);
  out->command = COMMAND_COUNT;
  tool_exit code = TOOL_DONE;
  for (int i = 1; i < argc && code == TOOL_DONE; i++) code = expand(&w, argv[i], 0);
  if (code == TOOL_DONE) code = parse_command(&w, out);
  if (code == TOOL_DONE) code = keep_words(argv[0], &w, out);
  free(w.list);
  return code;
}

void args_fini(args *parsed) {
  free(parsed->files);
  free(parsed->words);
  for (int i = 0; i < parsed->response_count; i++) free(parsed->responses[i]);
  free(parsed->responses);
  parsed->files = parsed->outputs = parsed->weights = NULL;
  parsed->words = NULL;
  parsed->responses = NULL;
}

/* ---- help -------------------------------------------------------------------------------------- */

/* Prints `text` in lines of at most 100 columns, the second and later ones indented by `indent`. */
static void print_wrapped(const char *text, int indent, int column) {
  while (*text != 0) {
    int len = (int)strcspn(text, " ");
    if (column > indent && column + 1 + len > 100) {
      printf("\n%*s", indent, "");
      column = indent;
    } else if (column > indent) {
      putchar(' ');
      column++;
    }
    printf("%.*s", len, text);
    column += len;
    text += len;
    text += strspn(text, " ");
  }
  putchar('\n');
}

static void print_option(const option_row *row) {
  char left[48];
  int len = row->letter != 0 ? snprintf(left, sizeof left, "  -%c, --%s", row->letter, row->name)
                             : snprintf(left, sizeof left, "      --%s", row->name);
  const char *argument = row->argument;
  if (argument != NULL && args_stands_alone(row)) snprintf(left + len, sizeof left - (size_t)len, "[=%s", argument + 1);
  else if (argument != NULL) snprintf(left + len, sizeof left - (size_t)len, "=%s", argument);
  printf("%-28s", left);
  print_wrapped(row->help, 28, 28);
}

void args_print_help(command_id command) {
  if (command == COMMAND_COUNT) {
    printf("Usage: atrousc SUBCOMMAND [OPTION...] FILE...\n       atrousc MODULE... -o FILE [OPTION...]\n\n");
    print_wrapped("Atrous compiles convolutions. A MODULE is a file of HLO or StableHLO text; - is a pipe. "
                  "Without a subcommand, modules are compiled.",
                  0, 0);
    printf("\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
      printf("  %-12s", args_commands[i].name);
      print_wrapped(args_commands[i].summary, 14, 14);
    }
    printf("\n");
  } else {
    const command_row *row = &args_commands[command];
    printf("Usage: atrousc %s [OPTION...]%s%s\n\n", row->name, row->operands[0] != 0 ? " " : "", row->operands);
    print_wrapped(row->summary, 0, 0);
    printf("\n");
  }
  for (int i = 0; i < OPTION_COUNT; i++) {
    if ((args_options[i].commands & (1u << command)) != 0) print_option(&args_options[i]);
  }
  printf("\n@FILE among the arguments stands for the words of FILE.\n");
  printf("Exit status: 0 done, 1 the input is wrong, 2 the command line is wrong, 3 the machine cannot.\n");
}

/* ---- values ------------------------------------------------------------------------------------ */

tool_exit args_integer(const args *parsed, option_id option, int64_t low, int64_t high, int64_t *value) {
  const char *text = parsed->values[option];
  if (text == NULL) return TOOL_DONE;
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  if (end == text || *end != 0 || errno != 0 || number < low || number > high) {
    return args_fail(parsed, "option '--%s' wants a number from %lld to %lld, got '%s'", args_options[option].name,
                     (long long)low, (long long)high, text);
  }
  *value = number;
  return TOOL_DONE;
}

tool_exit args_seed(const args *parsed, option_id option, uint64_t *value) {
  const char *text = parsed->values[option];
  if (text == NULL) return TOOL_DONE;
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0) {
    return args_fail(parsed, "option '--%s' wants a number from 0 to %llu, got '%s'", args_options[option].name, ~0ull, text);
  }
  *value = number;
  return TOOL_DONE;
}

tool_exit args_mask(const args *parsed, option_id option, int32_t count, uint64_t *mask) {
  const char *text = parsed->values[option];
  *mask = 0;
  if (text == NULL) return TOOL_DONE;
  for (const char *at = text;; at++) {
    char *end;
    errno = 0;
    long number = strtol(at, &end, 10);
    if (*at < '0' || *at > '9' || errno != 0 || (*end != 0 && *end != ',')) {
      return args_fail(parsed, "option '--%s' wants parameter numbers as 1,3, got '%s'", args_options[option].name, text);
    }
    if (number >= count) {
      return args_fail(parsed, "option '--%s' names parameter %ld, but the module has %d", args_options[option].name, number,
                       count);
    }
    if (number >= 64)
      return args_fail(parsed, "option '--%s': only parameters 0 to 63 can be constant", args_options[option].name);
    *mask |= UINT64_C(1) << number;
    at = end;
    if (*at == 0) return TOOL_DONE;
  }
}

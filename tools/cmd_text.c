/* cmd_text.c - the subcommands that print a text of the library: explain, print, gradient, nest, targets. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "file.h"
#include "job.h"

tool_exit cmd_explain(const args *parsed) {
  job j = {.parsed = parsed};
  atr_compile_options options;
  atr_executable *executable = NULL;
  char *text = NULL;
  tool_exit code = job_open(&j, parsed, parsed->files[0], 1);
  if (code == TOOL_DONE) code = job_compile_options(&j, &options);
  if (code == TOOL_DONE) code = job_report(&j, atr_compile(j.context, j.module, &options, &executable));
  if (code == TOOL_DONE) code = job_report(&j, atr_executable_explain(j.context, executable, &text));
  if (executable != NULL) atr_executable_release(executable);
  return job_finish_text(&j, text, code);
}

tool_exit cmd_print(const args *parsed) {
  job j = {.parsed = parsed};
  char *text = NULL;
  tool_exit code = job_open(&j, parsed, parsed->files[0], 1);
  if (code == TOOL_DONE) code = job_report(&j, atr_module_print(j.context, j.module, &text));
  return job_finish_text(&j, text, code);
}

/* --parameter: the name of one, or its number. */
static tool_exit find_parameter(const job *j, int32_t *parameter) {
  const char *wanted = j->parsed->values[OPTION_PARAMETER];
  int32_t count = atr_module_parameter_count(j->module);
  int64_t number = 0;
  *parameter = wanted != NULL ? job_find_parameter(j, wanted) : -1;
  if (*parameter >= 0) return TOOL_DONE;
  if (count == 0) return job_fail(j->path, "the module has no parameters");
  if (wanted != NULL && (*wanted < '0' || *wanted > '9')) return job_fail(j->path, "the module has no parameter '%s'", wanted);
  tool_exit code = args_integer(j->parsed, OPTION_PARAMETER, 0, count - 1, &number);
  *parameter = (int32_t)number;
  return code;
}

tool_exit cmd_gradient(const args *parsed) {
  job j = {.parsed = parsed};
  char *text = NULL;
  int32_t parameter = 0;
  tool_exit code = job_open(&j, parsed, parsed->files[0], 1);
  if (code == TOOL_DONE) code = find_parameter(&j, &parameter);
  if (code == TOOL_DONE) code = job_gradient_text(&j, parameter, &text);
  return job_finish_text(&j, text, code);
}

tool_exit cmd_nest(const args *parsed) {
  job j = {.parsed = parsed};
  const char *path = parsed->files[0];
  unsigned char *bytes = NULL;
  size_t len;
  char *text = NULL;
  tool_exit code = job_open(&j, parsed, NULL, 1);
  if (code == TOOL_DONE) code = file_read(path, &bytes, &len);
  j.path = strcmp(path, "-") == 0 ? "<stdin>" : path;
  if (code == TOOL_DONE) code = job_report(&j, atr_nest_check(j.context, j.path, (const char *)bytes, (int64_t)len, &text));
  free(bytes);
  return job_finish_text(&j, text, code);
}

tool_exit cmd_targets(const args *parsed) {
  job j = {.parsed = parsed};
  atr_compile_options options;
  char *text = NULL;
  tool_exit code = job_open(&j, parsed, NULL, 1);
  if (code == TOOL_DONE) code = job_compile_options(&j, &options);
  if (code == TOOL_DONE) code = job_report(&j, atr_targets(j.context, &options, &text));
  return job_finish_text(&j, text, code);
}

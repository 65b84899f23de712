/* job.c - see job.h. The context, the module and the program; the arrays are in arrays.c. */
#include "job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "file.h"

tool_exit job_fail(const char *path, const char *format, ...) {
  va_list list;
  fprintf(stderr, "%s: error: ", path);
  va_start(list, format);
  vfprintf(stderr, format, list);
  va_end(list);
  fputc('\n', stderr);
  return TOOL_INPUT;
}

static tool_exit exit_of(atr_status status) {
  switch (status) {
    case ATR_OK: return TOOL_DONE;
    case ATR_INVALID_ARGUMENT:
    case ATR_PARSE_ERROR:
    case ATR_VERIFY_ERROR: return TOOL_INPUT;
    case ATR_UNSUPPORTED:
    case ATR_OUT_OF_MEMORY:
    case ATR_IO_ERROR:
    case ATR_INTERNAL: return TOOL_MACHINE;
  }
  return TOOL_MACHINE;
}

tool_exit job_report(const job *j, atr_status status) {
  if (status == ATR_OK) return TOOL_DONE;
  const char *message = j->context != NULL ? atr_context_message(j->context) : "";
  size_t len = strlen(message);
  if (len == 0) fprintf(stderr, "%s: error: %s\n", j->path != NULL ? j->path : "atrousc", atr_status_name(status));
  else fprintf(stderr, "%s%s", message, message[len - 1] == '\n' ? "" : "\n");
  return exit_of(status);
}

tool_exit job_open(job *j, const args *parsed, const char *path, int32_t threads) {
  *j = (job){.parsed = parsed, .path = path};
  atr_context_options options = {.size = sizeof options, .threads = threads};
  tool_exit code = job_report(j, atr_context_create(&options, &j->context));
  if (code != TOOL_DONE || path == NULL) return code;
  unsigned char *text;
  size_t len;
  code = file_read(path, &text, &len);
  if (code != TOOL_DONE) return code;
  j->path = strcmp(path, "-") == 0 ? "<stdin>" : path;
  code = job_report(j, atr_module_parse(j->context, j->path, (const char *)text, (int64_t)len, &j->module));
  free(text);
  return code;
}

void job_fini(job *j) {
  if (j->module != NULL) atr_module_destroy(j->module);
  if (j->context != NULL) atr_context_destroy(j->context);
  if (j->owns_schedule) free(j->schedule);
  *j = (job){.parsed = j->parsed};
}

tool_exit job_finish_text(job *j, char *text, tool_exit code) {
  const char *path = j->parsed->values[OPTION_OUTPUT_TEXT];
  if (code == TOOL_DONE) code = file_write(path != NULL ? path : "-", text, strlen(text));
  if (text != NULL) atr_string_free(j->context, text);
  job_fini(j);
  return code;
}

static tool_exit read_schedule(job *j) {
  const char *text = j->parsed->values[OPTION_SCHEDULE];
  if (text == NULL || j->schedule != NULL) return TOOL_DONE;
  j->owns_schedule = text[0] == '@';
  unsigned char *bytes;
  size_t len;
  if (!j->owns_schedule) {
    j->schedule = (char *)(uintptr_t)text; /* only read */
    return TOOL_DONE;
  }
  tool_exit code = file_read(text + 1, &bytes, &len);
  if (code != TOOL_DONE) return code;
  j->schedule = (char *)bytes;
  return strlen(j->schedule) == len ? TOOL_DONE : job_fail(text + 1, "the schedule holds a NUL byte");
}

int32_t job_find_parameter(const job *j, const char *name) {
  int32_t p = atr_module_parameter_count(j->module) - 1;
  while (p >= 0 && strcmp(name, atr_module_parameter_name(j->module, p)) != 0) p--;
  return p;
}

tool_exit job_gradient_text(const job *j, int32_t parameter, char **text) {
  atr_module *gradient = NULL;
  tool_exit code = job_report(j, atr_module_gradient(j->context, j->module, parameter, &gradient));
  if (code == TOOL_DONE) code = job_report(j, atr_module_print(j->context, gradient, text));
  atr_module_destroy(gradient);
  return code;
}

tool_exit job_compile_options(job *j, atr_compile_options *options) {
  const args *a = j->parsed;
  uint64_t mask;
  int32_t parameters = j->module != NULL ? atr_module_parameter_count(j->module) : 0;
  tool_exit code = args_mask(a, OPTION_CONSTANT, parameters, &mask);
  if (code == TOOL_DONE) code = read_schedule(j);
  int64_t mebibytes = -1;
  const char *measure = a->values[OPTION_MEASURE];
  if (code == TOOL_DONE) code = args_integer(a, OPTION_WORKSPACE, 0, INT64_C(1) << 40, &mebibytes);
  if (code == TOOL_DONE && measure != NULL && strcmp(measure, "yes") != 0 && strcmp(measure, "no") != 0)
    code = args_fail(a, "option '--measure' wants yes or no, got '%s'", measure);
  *options = (atr_compile_options){
      .size = sizeof *options, .cpu = a->values[OPTION_CPU], .features = a->values[OPTION_FEATURES],
      .triple = a->values[OPTION_TRIPLE], .schedule = j->schedule, .constant_parameters = mask,
      .multiply_padding = args_has(a, OPTION_MULTIPLY_PADDING), .name = a->values[OPTION_NAME],
      .workspace = mebibytes < 0 ? 0 : mebibytes == 0 ? ATR_WORKSPACE_NONE : mebibytes << 20,
      .measure = measure == NULL ? 0 : measure[0] == 'y' ? 1 : -1};
  return code;
}

tool_exit job_scan(const job *j, conv_stats *stats) {
  char *text;
  tool_exit code = job_report(j, atr_module_print(j->context, j->module, &text));
  if (code != TOOL_DONE) return code;
  bool scanned = conv_scan(text, stats);
  atr_string_free(j->context, text);
  return scanned ? TOOL_DONE : report_out_of_memory();
}

/* ---- programs ---------------------------------------------------------------------------------- */

/* Aligned memory for `size` bytes; *out stays NULL for none. */
static tool_exit allocate(size_t size, size_t alignment, void **out) {
  if (size == 0) return TOOL_DONE;
  if (alignment < sizeof(void *)) alignment = sizeof(void *);
  return posix_memalign(out, alignment, size) == 0 ? TOOL_DONE : report_out_of_memory();
}

tool_exit program_make(program *p, job *j, const arrays *arguments) {
  atr_compile_options options;
  *p = (program){.options = {.size = sizeof p->options}};
  tool_exit code = job_compile_options(j, &options);
  if (code != TOOL_DONE) return code;
  code = job_report(j, atr_compile(j->context, j->module, &options, &p->executable));
  if (code != TOOL_DONE) return code;
  size_t alignment = atr_executable_scratch_alignment(p->executable);
  code = allocate(atr_executable_scratch_size(p->executable), alignment, &p->scratch);
  if (code == TOOL_DONE) code = allocate(atr_executable_packed_size(p->executable), alignment, &p->packed);
  if (code == TOOL_DONE && p->packed != NULL) {
    code = job_report(j, atr_executable_prepack(p->executable, (const void *const *)arguments->data, p->packed));
  }
  p->options.scratch = p->scratch;
  p->options.packed = p->packed;
  return code;
}

tool_exit program_run(const program *p, const job *j, const arrays *arguments, const arrays *results) {
  const void *const *in = (const void *const *)arguments->data;
  if (p->executable == NULL) return job_report(j, atr_module_interpret(j->context, j->module, in, results->data));
  return job_report(j, atr_executable_run(p->executable, in, results->data, &p->options));
}

void program_fini(program *p) {
  if (p->executable != NULL) atr_executable_release(p->executable);
  free(p->scratch);
  free(p->packed);
  *p = (program){.executable = NULL};
}

/* ---- time -------------------------------------------------------------------------------------- */

int64_t time_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int order(const void *a, const void *b) {
  const int64_t *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

void time_sort(int64_t *ns, int64_t n) { qsort(ns, (size_t)n, sizeof *ns, order); }

/* job.h - what every subcommand starts with: a context, a module, its arguments, and a program that runs it.
 *
 * In: the parsed command line. Out: objects of the library, ready. Every function that returns a tool_exit other than
 * TOOL_DONE has said why on stderr; the library's diagnostics are printed as they come. The fini functions take zeroed and
 * half-made objects too.
 *
 *     job j; arrays args, results; program p;
 *     job_open(&j, parsed, path) -> arrays_make, arrays_read, arrays_fill -> program_make -> program_run */
#ifndef TOOLS_JOB_H
#define TOOLS_JOB_H

#include "args.h"
#include "atrous/atrous.h"
#include "conv_scan.h"
#include "random.h"

typedef struct job {
  const args *parsed;
  const char *path; /* of the module, for messages */
  atr_context *context;
  atr_module *module;
  char *schedule; /* text of --schedule, malloc'ed if it came from a file */
  bool owns_schedule;
} job;

/* Reads and verifies the module at `path`; NULL: a context only. threads as in atr_context_options. */
tool_exit job_open(job *j, const args *parsed, const char *path, int32_t threads);
void job_fini(job *j);
/* Writes `text`, a string of the context or NULL, to -o or stdout when `code` is TOOL_DONE, and ends the job. */
tool_exit job_finish_text(job *j, char *text, tool_exit code);
/* Prints the context's message (or `status` in words) and says what to exit with. ATR_OK: TOOL_DONE. */
tool_exit job_report(const job *j, atr_status status);
/* --cpu, --features, --target (of compile and targets), --schedule, --constant, --multiply-padding, --name, --workspace, --measure. */
tool_exit job_compile_options(job *j, atr_compile_options *options);
/* The number of the module's parameter of this name, -1: there is none. */
int32_t job_find_parameter(const job *j, const char *name);
/* The module of the gradient for this parameter, as a string of the context. */
tool_exit job_gradient_text(const job *j, int32_t parameter, char **text);
/* The module's figures (conv_scan.h). */
tool_exit job_scan(const job *j, conv_stats *stats);
/* Prints "path: error: ..." and returns TOOL_INPUT. */
tool_exit job_fail(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The parameters' or the results' arrays of a module, each in the layout of its shape. */
typedef struct arrays {
  int32_t count;
  const atr_shape **shapes;
  void **data;
} arrays;

tool_exit arrays_make(arrays *a, const job *j, bool of_results);
void arrays_fini(arrays *a);
/* Fills from .npy and .npz files in parameter order and says how many were filled; more arrays than parameters are an error. */
tool_exit arrays_read(arrays *a, const char *const *files, int file_count, int32_t *filled);
/* Fills parameters first, first + 1, ... */
void arrays_random(arrays *a, int32_t first, uint64_t seed, random_fill fill);
/* One result to a .npy, or all to a .npz (by the path's suffix). All files are in place, or none. */
tool_exit arrays_write(const arrays *a, const args *parsed);

/* An executable with the memory that its runs need. */
typedef struct program {
  atr_executable *executable; /* NULL: the interpreter */
  void *scratch, *packed;
  atr_run_options options;
} program;

/* Compiles; the parameters marked constant are packed from `arguments`. */
tool_exit program_make(program *p, job *j, const arrays *arguments);
tool_exit program_run(const program *p, const job *j, const arrays *arguments, const arrays *results);
void program_fini(program *p);

/* 0 and up, monotonic. */
int64_t time_now(void);
/* Sorts n > 0 times; the median of an even number is the lower one of the two in the middle. */
void time_sort(int64_t *ns, int64_t n);

#endif

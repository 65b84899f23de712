/* cmd_verify.c - atrousc verify: is each module well-formed, and does its compiled form agree with the interpreter?
 *
 * Two sets of arguments per module: wide random ones and small integers (random.h); --random or --random-int chooses one of the
 * two and its seed. Prints "FILE: ok" per module that passes; a bad one does not keep the next from being looked at.
 *
 *     good.hlo: ok
 *     bad.hlo:4:61: error: window has 2 dimensions but dim_labels names 3 spatial dimensions
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crosscheck.h"
#include "commands.h"
#include "file.h"

/* Runs and compares on one set of arguments. Constants are packed anew, as they differ. */
static tool_exit verify_fill(job *j, uint64_t seed, random_fill fill) {
  arrays arguments = {.count = 0}, results = {.count = 0};
  program p = {.executable = NULL};
  size_t size = strlen(j->path) + 32;
  char *prefix = malloc(size);
  tool_exit code = prefix != NULL ? TOOL_DONE : report_out_of_memory();
  if (code == TOOL_DONE) snprintf(prefix, size, "%s: error: ", j->path);
  crosscheck_options options = {.only_failures = true, .prefix = prefix, .to = stderr};
  options.exact = args_has(j->parsed, OPTION_EXACT);
  if (code == TOOL_DONE) code = arrays_make(&arguments, j, false);
  if (code == TOOL_DONE) code = arrays_make(&results, j, true);
  if (code == TOOL_DONE) arrays_random(&arguments, 0, seed, fill);
  if (code == TOOL_DONE) code = program_make(&p, j, &arguments);
  if (code == TOOL_DONE) code = program_run(&p, j, &arguments, &results);
  if (code == TOOL_DONE) code = crosscheck_results(j, &arguments, &results, &options);
  program_fini(&p);
  arrays_fini(&arguments);
  arrays_fini(&results);
  free(prefix);
  return code;
}

static tool_exit verify_file(const args *parsed, const char *path, int32_t threads) {
  uint64_t wide_seed = 1, small_seed = 1;
  bool wide = args_has(parsed, OPTION_RANDOM), small = args_has(parsed, OPTION_RANDOM_INT);
  job j = {.parsed = parsed};
  tool_exit code = args_seed(parsed, OPTION_RANDOM, &wide_seed);
  if (code == TOOL_DONE) code = args_seed(parsed, OPTION_RANDOM_INT, &small_seed);
  if (code == TOOL_DONE) code = job_open(&j, parsed, path, threads);
  if (code == TOOL_DONE && (small || !wide)) code = verify_fill(&j, small_seed, RANDOM_SMALL);
  if (code == TOOL_DONE && (wide || !small)) code = verify_fill(&j, wide_seed, RANDOM_WIDE);
  if (code == TOOL_DONE) printf("%s: ok\n", j.path);
  job_fini(&j);
  return code;
}

tool_exit cmd_verify(const args *parsed) {
  int64_t threads = 0;
  tool_exit worst = args_integer(parsed, OPTION_THREADS, 1, 1024, &threads);
  for (int i = 0; i < parsed->file_count && worst != TOOL_USAGE; i++) {
    tool_exit code = verify_file(parsed, parsed->files[i], (int32_t)threads);
    if (code == TOOL_USAGE || code > worst) worst = code;
  }
  return worst;
}

/* random_problems.c - compiled modules against the interpreter, thousands of them.
 *
 *     random_problems [--seed=N] [--count=N] [--only=K] [--print=K] [--dtype=D] [--rank=R] [--module=FILE] [--jobs=N] [--threads] [--verbose]
 *     random_problems --emit=FOLDER [--cpu=CPU] [--features=LIST] [--triple=TRIPLE] [--flushes] [--seed=N] [--count=N] ...
 *
 * Problem K of seed S is a function of (S, K): what fails is repeated by --seed=S --only=K, which runs in this process (for a
 * debugger), and --print=K writes its HLO. --dtype and --rank fix the dtype and the spatial rank of the first convolution, so the
 * numbers mean other problems then; --module takes the HLO of a file in place of generated modules, so that a failing one can be cut
 * down. Without --only the work is done by child processes, as many as there are processors: compiled
 * code that crashes ends one of them, is reported, and the next child goes on behind it.
 *
 * --emit runs nothing: it writes objects for another machine into an existing folder, with their arguments and what the
 * interpreter makes of them; tests/random/link-guest makes a program of these. --flushes: for a target that takes subnormal numbers
 * of f32 as zero.
 *
 * Exit: 0 all agree, 1 something is wrong, 2 the command line is. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { MAX_JOBS = 64, SECONDS_PER_PROBLEM = 120, DEFAULT_COUNT = 10000 };

typedef struct arguments {
  check_options check;
  emission emission;
  long long count, only, print;
  long jobs;
} arguments;

/* The number behind "--name=", if `arg` is that option. */
static bool number_option(const char *arg, const char *name, long long *value) {
  size_t len = strlen(name);
  char *end;
  if (strncmp(arg, name, len) != 0 || arg[len] != '=' || arg[len + 1] == '\0') return false;
  *value = strtoll(arg + len + 1, &end, 10);
  return *end == '\0';
}

static bool dtype_option(const char *arg, int *dtype) {
  if (strncmp(arg, "--dtype=", 8) != 0) return false;
  for (int d = ATR_PRED; d <= ATR_C128; d++)
    if (d != ATR_F8E4M3FN && d != ATR_F8E5M2 && strcmp(arg + 8, atr_dtype_name((atr_dtype)d)) == 0) *dtype = d;
  return *dtype != 0;
}

static bool read_arguments(int argc, char **argv, arguments *a) {
  for (int i = 1; i < argc; i++) {
    const char *arg = argv[i];
    long long n = 0;
    if (number_option(arg, "--seed", &n)) a->check.seed = (uint64_t)n;
    else if (number_option(arg, "--count", &n)) a->count = n;
    else if (number_option(arg, "--only", &n)) a->only = n;
    else if (number_option(arg, "--print", &n)) a->print = n;
    else if (number_option(arg, "--jobs", &n) && n >= 1 && n <= MAX_JOBS) a->jobs = (long)n;
    else if (number_option(arg, "--rank", &n) && n >= 0 && n <= ATR_MAX_SPATIAL) a->check.rank = (int)n;
    else if (strncmp(arg, "--module=", 9) == 0) a->check.module = arg + 9;
    else if (strncmp(arg, "--emit=", 7) == 0) a->emission.folder = arg + 7;
    else if (strncmp(arg, "--cpu=", 6) == 0) a->emission.cpu = arg + 6;
    else if (strncmp(arg, "--features=", 11) == 0) a->emission.features = arg + 11;
    else if (strncmp(arg, "--triple=", 9) == 0) a->emission.triple = arg + 9;
    else if (strcmp(arg, "--flushes") == 0) a->check.flushes = true;
    else if (strcmp(arg, "--threads") == 0) a->check.threads = true;
    else if (strcmp(arg, "--verbose") == 0) a->check.verbose = true;
    else if (!dtype_option(arg, &a->check.dtype)) return fprintf(stderr, "random_problems: unknown option %s\n", arg), false;
  }
  return true;
}

/* ---- children */

/* Problems first, first + step, ... below count. */
static pid_t start(const arguments *a, tally *t, long long first) {
  fflush(stdout);
  pid_t child = fork();
  if (child != 0) return child;
  check_catch_crashes();
  for (long long k = first; k < a->count; k += a->jobs) {
    alarm(SECONDS_PER_PROBLEM);
    check_problem(&a->check, k, t);
  }
  t->number = a->count;
  fflush(stdout);
  _exit(0);
}

static int run_jobs(const arguments *a, tally *tallies) {
  pid_t children[MAX_JOBS];
  int left = 0;
  for (int j = 0; j < a->jobs; j++) {
    children[j] = start(a, &tallies[j], j);
    left += children[j] > 0;
  }
  while (left > 0) {
    int status;
    pid_t child = wait(&status);
    for (int j = 0; j < a->jobs; j++) {
      if (children[j] != child) continue;
      if (tallies[j].number >= a->count) {
        left--;
      } else {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 3) { /* it could not even report */
          printf("problem %lld of seed %llu: the process ended while %s\n\n", tallies[j].number,
                 (unsigned long long)a->check.seed, tallies[j].stage);
          tallies[j].wrong++;
        }
        children[j] = start(a, &tallies[j], tallies[j].number + a->jobs);
        if (children[j] < 0) return 1;
      }
    }
  }
  return 0;
}

/* One process, so that the files of the emission have one writer. */
static int emit_all(arguments *a, tally *t) {
  a->check.emission = &a->emission;
  if (!emission_open(&a->emission)) return perror(a->emission.folder), 1;
  check_catch_crashes();
  for (long long k = a->only >= 0 ? a->only : 0; k < (a->only >= 0 ? a->only + 1 : a->count); k++)
    check_problem(&a->check, k, t);
  return emission_close(&a->emission) ? 0 : (perror(a->emission.folder), 1);
}

/* ---- the table */

static void print_table(const tally *t) {
  printf("dtype     none");
  for (int r = 0; r < TALLY_RANKS - 1; r++) printf("  rank%d", r);
  printf("\n");
  for (int d = 1; d < TALLY_DTYPES; d++) {
    long sum = 0;
    for (int r = 0; r < TALLY_RANKS; r++) sum += t->problems[d][r];
    if (sum == 0) continue;
    printf("%-8s", atr_dtype_name((atr_dtype)d));
    for (int r = 0; r < TALLY_RANKS; r++) printf(r == 0 ? "%6ld" : "%7ld", t->problems[d][r]);
    printf("\n");
  }
  printf("problems %ld, wrong %ld; kernels %ld (%ld for another CPU), interpreted %ld; random schedules %ld, accepted %ld\n",
         t->checked, t->wrong, t->kernels, t->cpus, t->interpreted, t->schedules, t->accepted);
  printf("results compared exactly %ld, within a bound %ld, not at all %ld\n", t->exact, t->bounded, t->undemanded);
  for (int i = 0; i < TALLY_REASONS; i++)
    if (t->reasons[i].count > 0) printf("  refused %ld: %s\n", t->reasons[i].count, t->reasons[i].text);
}

int main(int argc, char **argv) {
  arguments a = {.check = {.seed = 1, .rank = -1}, .count = DEFAULT_COUNT, .only = -1, .print = -1};
  a.jobs = sysconf(_SC_NPROCESSORS_ONLN);
  if (a.jobs > MAX_JOBS) a.jobs = MAX_JOBS;
  if (a.jobs < 1) a.jobs = 1;
  if (!read_arguments(argc, argv, &a)) return 2;
  if (a.print >= 0) {
    check_print(&a.check, a.print);
    return 0;
  }
  tally *tallies = mmap(NULL, sizeof *tallies * MAX_JOBS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  static tally sum;
  if (tallies == MAP_FAILED) return perror("random_problems"), 1;
  int failed = 0;
  if (a.emission.folder != NULL) failed = emit_all(&a, &tallies[0]);
  else if (a.only >= 0) check_problem(&a.check, a.only, &tallies[0]);
  else failed = run_jobs(&a, tallies);
  for (int j = 0; j < MAX_JOBS; j++) tally_add(&sum, &tallies[j]);
  print_table(&sum);
  return failed != 0 || sum.wrong > 0 || sum.checked == 0;
}

/* run_text.c - one call, text in: for hosts that can call a C function and pass pointers, and nothing more.
 *
 *     float x[5] = {1, 2, 3, 4, 5}, w[3] = {1, 10, 100}, y[3];
 *     const void *args[] = {x, w};
 *     void *results[] = {y};
 *     int status = atr_run_text("HloModule m ENTRY e { ... }", -1, args, results);      y = 321 432 543
 *
 * Behind it stands the one thing that the library shares between its callers: a context, made by the first call, and the last
 * CACHE_SIZE texts with their modules and executables. A call with a known text costs a hash of it and a comparison. An entry
 * is counted, so that one that leaves the cache lives on until the calls that run it are done; runs hold no lock.
 *
 * Two locks, always taken in this order: `compile_lock` around reading and compiling (a context takes one thread at a time, and
 * a text that many threads ask for at once is compiled once), `cache_lock` around the table. fork() waits for both, so that a
 * child never inherits a half-made entry or a lock without an owner. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"

enum { CACHE_SIZE = 64, ERROR_SIZE = 2048 };

typedef struct entry {
  uint64_t hash;
  uint64_t last_use; /* the least one leaves first */
  int64_t users;     /* calls that run it, and one for its place in the cache */
  atr_module *module; /* its source is the key; its shapes serve messages */
  atr_executable *executable;
} entry;

static pthread_mutex_t compile_lock = PTHREAD_MUTEX_INITIALIZER, cache_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static atr_context *shared_context; /* under compile_lock */
static entry *cache[CACHE_SIZE];    /* under cache_lock, as the clock */
static uint64_t clock_ticks;
static _Thread_local char last_error[ERROR_SIZE];

const char *atr_last_error(void) { return last_error; }

static atr_status fail(atr_status status, const char *message) {
  snprintf(last_error, sizeof last_error, "%s", message);
  return status;
}

/* ---- fork -------------------------------------------------------------------------------------- */

static void before_fork(void) {
  pthread_mutex_lock(&compile_lock);
  pthread_mutex_lock(&cache_lock);
}

static void after_fork(void) {
  pthread_mutex_unlock(&cache_lock);
  pthread_mutex_unlock(&compile_lock);
}

static void watch_forks(void) { (void)pthread_atfork(before_fork, after_fork, after_fork); }

/* ---- entries ----------------------------------------------------------------------------------- */

/* Eight bytes at a time: the text of every call passes through here. The two constants are odd with well-mixed bits. */
static uint64_t hash_text(const char *text, size_t len) {
  uint64_t hash = 0x9e3779b97f4a7c15u ^ len;
  for (size_t i = 0; i < len; i += 8) {
    uint64_t word = 0;
    memcpy(&word, text + i, len - i < 8 ? len - i : 8);
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  }
  return hash;
}

static void destroy_entry(entry *e) {
  atr_executable_release(e->executable);
  atr_module_destroy(e->module);
  free(e);
}

static void release_entry(entry *e) {
  pthread_mutex_lock(&cache_lock);
  int64_t users = --e->users;
  pthread_mutex_unlock(&cache_lock);
  if (users == 0) destroy_entry(e);
}

/* The caller becomes a user of what is found. NULL: not there. */
static entry *find_entry(uint64_t hash, const char *text, size_t len) {
  entry *found = NULL;
  pthread_mutex_lock(&cache_lock);
  for (int i = 0; i < CACHE_SIZE && cache[i] != NULL && found == NULL; i++) {
    const atr_source *source = &cache[i]->module->source;
    if (cache[i]->hash == hash && source->len == len && memcmp(source->text, text, len) == 0) found = cache[i];
  }
  if (found != NULL) {
    found->users++;
    found->last_use = ++clock_ticks;
  }
  pthread_mutex_unlock(&cache_lock);
  return found;
}

/* Takes an empty place, else that of the entry which was not used for the longest time. */
static void insert_entry(entry *e) {
  pthread_mutex_lock(&cache_lock);
  int place = 0;
  for (int i = 0; i < CACHE_SIZE && cache[place] != NULL; i++)
    if (cache[i] == NULL || cache[i]->last_use < cache[place]->last_use) place = i;
  entry *old = cache[place];
  cache[place] = e;
  e->users++;
  e->last_use = ++clock_ticks;
  pthread_mutex_unlock(&cache_lock);
  if (old != NULL) release_entry(old);
}

/* ---- compiling (compile_lock is held) ---------------------------------------------------------- */

static atr_status compile_entry(entry *e, const char *text, size_t len) {
  if (shared_context == NULL && atr_context_create(NULL, &shared_context) != ATR_OK)
    return fail(ATR_OUT_OF_MEMORY, "out of memory");
  atr_status status = atr_module_parse(shared_context, NULL, text, (int64_t)len, &e->module);
  if (status == ATR_OK) status = atr_compile(shared_context, e->module, NULL, &e->executable);
  return status == ATR_OK ? ATR_OK : fail(status, atr_context_message(shared_context));
}

static atr_status make_entry(uint64_t hash, const char *text, size_t len, entry **out) {
  entry *e = calloc(1, sizeof *e);
  if (e == NULL) return fail(ATR_OUT_OF_MEMORY, "out of memory");
  e->hash = hash;
  e->users = 1;
  atr_status status = compile_entry(e, text, len);
  if (status != ATR_OK) {
    destroy_entry(e);
    return status;
  }
  insert_entry(e);
  *out = e;
  return ATR_OK;
}

static atr_status get_entry(const char *text, int64_t len, entry **out) {
  if (text == NULL || len < -1) return fail(ATR_INVALID_ARGUMENT, "the text is NULL or its length is below -1");
  pthread_once(&fork_once, watch_forks); /* before the first lock is taken */
  size_t size = len < 0 ? strlen(text) : (size_t)len;
  uint64_t hash = hash_text(text, size);
  if ((*out = find_entry(hash, text, size)) != NULL) return ATR_OK;
  pthread_mutex_lock(&compile_lock);
  *out = find_entry(hash, text, size); /* another thread may have been quicker */
  atr_status status = *out != NULL ? ATR_OK : make_entry(hash, text, size, out);
  pthread_mutex_unlock(&compile_lock);
  return status;
}

/* ---- running ----------------------------------------------------------------------------------- */

/* The run itself refuses such arrays too, but without a context it cannot say which one. */
static atr_status check_array(const char *kind, int32_t index, const atr_shape *shape, const void *data) {
  if (atr_shape_elements(shape) == 0) return ATR_OK;
  size_t alignment = atr_dtype_size(atr_dtype_real(shape->dtype));
  if (data != NULL && (uintptr_t)data % alignment == 0) return ATR_OK;
  char message[64];
  snprintf(message, sizeof message, "%s %d is %s", kind, (int)index, data == NULL ? "NULL" : "not aligned to its element");
  return fail(ATR_INVALID_ARGUMENT, message);
}

static atr_status run_entry(const entry *e, const void *const *args, void *const *results) {
  int32_t arg_count = atr_module_parameter_count(e->module), result_count = atr_module_result_count(e->module);
  if (args == NULL && arg_count > 0) return fail(ATR_INVALID_ARGUMENT, "args is NULL");
  if (results == NULL && result_count > 0) return fail(ATR_INVALID_ARGUMENT, "results is NULL");
  for (int32_t i = 0; i < arg_count; i++)
    ATR_TRY(check_array("argument", i, atr_module_parameter_shape(e->module, i), args[i]));
  for (int32_t i = 0; i < result_count; i++)
    ATR_TRY(check_array("result", i, atr_module_result_shape(e->module, i), results[i]));
  atr_status status = atr_executable_run(e->executable, args, results, NULL);
  return status == ATR_OK ? ATR_OK : fail(status, atr_status_name(status));
}

static atr_status run_text(const char *text, int64_t len, const void *const *args, void *const *results) {
  entry *e;
  ATR_TRY(get_entry(text, len, &e));
  atr_status status = run_entry(e, args, results);
  release_entry(e);
  return status;
}

int atr_run_text(const char *text, int64_t len, const void *const *args, void *const *results) {
  return (int)run_text(text, len, args, results);
}

void atr_run_text_p(char **text, const void **args, void **results, int *rc) {
  atr_status status = run_text(text != NULL ? *text : NULL, -1, args, results);
  if (rc != NULL) *rc = (int)status;
}

/* Pointers of argv after the text, as many as the module has arguments and results. */
static atr_status run_argv(const entry *e, int argc, void **argv) {
  int32_t arg_count = atr_module_parameter_count(e->module), result_count = atr_module_result_count(e->module);
  if ((int64_t)argc != 1 + (int64_t)arg_count + result_count) {
    char message[128];
    snprintf(message, sizeof message, "the text has %d arguments and %d results, but argc is %d", (int)arg_count,
             (int)result_count, argc);
    return fail(ATR_INVALID_ARGUMENT, message);
  }
  return run_entry(e, (const void *const *)(argv + 1), argv + 1 + arg_count);
}

static atr_status run_text_argv(int argc, void **argv) {
  if (argc < 1 || argv == NULL) return fail(ATR_INVALID_ARGUMENT, "argv has no text");
  entry *e;
  ATR_TRY(get_entry(argv[0], -1, &e));
  atr_status status = run_argv(e, argc, argv);
  release_entry(e);
  return status;
}

int atr_run_text_argv(int argc, void **argv) { return (int)run_text_argv(argc, argv); }

/* arena_fixture.h - an arena per test, and work that reads a text in it.
 *
 *     tcase_add_checked_fixture(tc, setup, teardown);
 *     atr_work work = work_on("t.hlo", text, strlen(text));
 *     status = atr_hlo_read(&work, &module); */
#ifndef TESTS_UNIT_ARENA_FIXTURE_H
#define TESTS_UNIT_ARENA_FIXTURE_H

#include "base/diag.h"
#include "support.h"

static atr_arena arena;

/* A test that runs out of memory is a failed test. It ends here: a guard set in setup would be in a frame that is gone. */
static inline void *checked_realloc(void *user, void *old, size_t old_size, size_t new_size) {
  void *made = atr_default_realloc(user, old, old_size, new_size);
  if (made == NULL && new_size > 0) ck_abort_msg("out of memory");
  return made;
}

static inline void setup(void) { atr_arena_init(&arena, checked_realloc, NULL); }
static inline void teardown(void) { atr_arena_fini(&arena); }

static inline atr_work work_on(const char *name, const char *text, size_t len) {
  atr_source *source = ATR_NEW(&arena, atr_source);
  *source = (atr_source){.name = name, .text = text, .len = len};
  return (atr_work){.arena = &arena, .source = source};
}

#endif

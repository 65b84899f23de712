/* support.h - what all unit tests share: counting rows of a table, and running a suite as a program.
 *
 *     int main(void) { return run_suite(suite()); }        0: all passed */
#ifndef TESTS_UNIT_SUPPORT_H
#define TESTS_UNIT_SUPPORT_H

#include <check.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static inline int run_suite(Suite *suite) {
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}

#endif

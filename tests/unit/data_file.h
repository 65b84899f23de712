/* data_file.h - a file of tests/data, for tests of many cases.
 *
 *     char *text = read_data_file("interpret.txt");     to be freed; NULL when it is not there
 *
 * automake runs tests in the build folder and says where the sources are; a person runs them from either folder. */
#ifndef TESTS_UNIT_DATA_FILE_H
#define TESTS_UNIT_DATA_FILE_H

#include <stdio.h>
#include <stdlib.h>

static inline char *read_whole_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *text = calloc((size_t)size + 1, 1);
  if (text != NULL && fread(text, 1, (size_t)size, file) != (size_t)size) text[0] = '\0';
  fclose(file);
  return text;
}

static inline char *read_data_file(const char *name) {
  const char *srcdir = getenv("srcdir");
  char path[4096];
  snprintf(path, sizeof path, "%s/tests/data/%s", srcdir != NULL ? srcdir : ".", name);
  char *text = read_whole_file(path);
  snprintf(path, sizeof path, "../tests/data/%s", name);
  return text != NULL ? text : read_whole_file(path);
}

#endif

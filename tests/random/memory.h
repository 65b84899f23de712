/* memory.h - arrays that notice what is done around them.
 *
 * In: a size, an element's alignment. Out: a place for the array in pages of its own, with a page that cannot be touched on either
 * side and a pattern in all bytes that are not the array's:
 *
 *     | no access | pattern | array | pattern | no access |      MEMORY_INSIDE: at an odd multiple of the alignment
 *     | no access | pattern ......... | array | no access |      MEMORY_END: reading behind the array stops the program
 *     | no access | array | pattern ......... | no access |      MEMORY_START: reading before it does */
#ifndef TESTS_RANDOM_MEMORY_H
#define TESTS_RANDOM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

typedef enum memory_place { MEMORY_INSIDE, MEMORY_END, MEMORY_START } memory_place;

typedef struct memory {
  char *map;
  size_t map_size, page; /* bytes of the mapping with both closed pages */
  char *data;
  size_t size;
} memory;

/* False when the system has no memory. */
bool memory_init(memory *m, size_t size, size_t alignment, memory_place place);
void memory_fini(memory *m);
/* Fills the array itself with the pattern, which is a NaN or a large number in every dtype. */
void memory_clear(memory *m);
/* True while no byte outside the array has changed. */
bool memory_intact(const memory *m);
/* True when the page that cannot be touched and `address` are one; *before says on which side of the array. */
bool memory_faults_at(const memory *m, const void *address, bool *before);

#endif

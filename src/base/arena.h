/* arena.h - memory of one compilation: allocate, never free singly, free all at once.
 *
 * Out of memory is not a return value here. atr_arena_alloc jumps to the guard that the public entry point set, which destroys
 * the arena and returns ATR_OUT_OF_MEMORY; so code in between reads as if memory were endless. What is not in the arena (LLVM
 * objects, files) must be reachable from a struct that the guard's function owns, so that it can be released there.
 *
 *     atr_arena arena; atr_arena_init(&arena, realloc, user);
 *     if (setjmp(arena.guard) != 0) { release(...); atr_arena_fini(&arena); return ATR_OUT_OF_MEMORY; }
 *
 * Used by one thread at a time. */
#ifndef ATR_BASE_ARENA_H
#define ATR_BASE_ARENA_H

#include <setjmp.h>
#include "atrous/atrous.h"

typedef struct atr_arena_block atr_arena_block;

typedef struct atr_arena {
  atr_realloc_fn realloc;
  void *user;
  atr_arena_block *blocks; /* newest first */
  char *next, *end;        /* free part of the newest common block */
  jmp_buf guard;
} atr_arena;

/* The C library's realloc and free in the shape of atr_realloc_fn. */
void *atr_default_realloc(void *user, void *old, size_t old_size, size_t new_size);

void atr_arena_init(atr_arena *arena, atr_realloc_fn realloc, void *user);
void atr_arena_fini(atr_arena *arena);

/* Zeroed memory aligned to 16 bytes; never NULL, also for size 0. Jumps to the guard when there is none. */
void *atr_arena_alloc(atr_arena *arena, size_t size);
/* Zeroed memory at a larger alignment (a power of two). */
void *atr_arena_alloc_aligned(atr_arena *arena, size_t size, size_t alignment);
/* A copy of `old_size` bytes of `old` in a block of `new_size`; the rest is zero. */
void *atr_arena_grow(atr_arena *arena, const void *old, size_t old_size, size_t new_size);
/* A NUL-terminated copy of `len` bytes. */
char *atr_arena_string(atr_arena *arena, const char *text, size_t len);
char *atr_arena_printf(atr_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define ATR_NEW(arena, type) ((type *)atr_arena_alloc((arena), sizeof(type)))
#define ATR_NEW_ARRAY(arena, type, n) ((type *)atr_arena_alloc((arena), sizeof(type) * (size_t)(n)))
/* Makes room for one more in a dense array of `count` elements with `capacity` places. */
#define ATR_RESERVE(arena, array, count, capacity)                                                                     \
  do {                                                                                                                 \
    if ((count) == (capacity)) {                                                                                       \
      size_t atr_new_capacity = (capacity) != 0 ? 2 * (size_t)(capacity) : 8;                                          \
      (array) = atr_arena_grow((arena), (array), (size_t)(count) * sizeof *(array), atr_new_capacity * sizeof *(array)); \
      (capacity) = (__typeof__(capacity))atr_new_capacity;                                                             \
    }                                                                                                                  \
  } while (0)

#endif

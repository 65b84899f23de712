/* arena.c - blocks from the caller's allocator, cut into pieces from the front.
 *
 * In: sizes. Out: zeroed, aligned memory that lives until atr_arena_fini. A piece that would waste much of a block (more than a
 * quarter) gets one of its own, and the free part of the newest common block stays in use:
 *
 *     blocks -> [header | one large piece] -> [header | pieces ... | next ... end] -> [header | older pieces]
 *
 * A failed allocation jumps to the guard and leaves the arena as it was: fini then frees every block. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16384, LARGE_SIZE = BLOCK_SIZE / 4, ALIGNMENT = 16 };

struct atr_arena_block {
  atr_arena_block *older;
  size_t size; /* of the whole block, as the allocator wants to hear again */
};

_Static_assert(sizeof(struct atr_arena_block) <= ALIGNMENT, "the first piece starts ALIGNMENT bytes into a block");

void *atr_default_realloc(void *user, void *old, size_t old_size, size_t new_size) {
  (void)user;
  (void)old_size;
  if (new_size != 0) return realloc(old, new_size);
  free(old);
  return NULL;
}

void atr_arena_init(atr_arena *arena, atr_realloc_fn realloc_fn, void *user) {
  memset(arena, 0, sizeof *arena);
  arena->realloc = realloc_fn != NULL ? realloc_fn : atr_default_realloc;
  arena->user = user;
}

void atr_arena_fini(atr_arena *arena) {
  while (arena->blocks != NULL) {
    atr_arena_block *block = arena->blocks;
    arena->blocks = block->older;
    arena->realloc(arena->user, block, block->size, 0);
  }
  arena->next = arena->end = NULL;
}

_Noreturn static void out_of_memory(atr_arena *arena) { longjmp(arena->guard, 1); }

static char *align_up(char *address, size_t alignment) {
  return address + (-(uintptr_t)address & (alignment - 1));
}

/* `room` bytes at ALIGNMENT in a block of their own. The allocator promises the alignment of malloc only, which is 8 on some
 * machines: hence one ALIGNMENT for the header and one to move the start. */
static char *new_block(atr_arena *arena, size_t room) {
  size_t size = room + 2 * (size_t)ALIGNMENT;
  atr_arena_block *block = arena->realloc(arena->user, NULL, 0, size);
  if (block == NULL) out_of_memory(arena);
  block->size = size;
  block->older = arena->blocks;
  arena->blocks = block;
  return align_up((char *)block + sizeof *block, ALIGNMENT);
}

static char *cut_piece(atr_arena *arena, size_t size) {
  if ((size_t)(arena->end - arena->next) < size) {
    arena->next = new_block(arena, BLOCK_SIZE);
    arena->end = arena->next + BLOCK_SIZE;
  }
  char *piece = arena->next;
  arena->next += size;
  return piece;
}

void *atr_arena_alloc(atr_arena *arena, size_t size) {
  if (size > PTRDIFF_MAX - 4 * (size_t)ALIGNMENT) out_of_memory(arena);
  size = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  return memset(size > LARGE_SIZE ? new_block(arena, size) : cut_piece(arena, size), 0, size);
}

void *atr_arena_alloc_aligned(atr_arena *arena, size_t size, size_t alignment) {
  if (alignment <= ALIGNMENT) return atr_arena_alloc(arena, size);
  if (size > PTRDIFF_MAX - alignment) out_of_memory(arena);
  return align_up(atr_arena_alloc(arena, size + alignment), alignment);
}

void *atr_arena_grow(atr_arena *arena, const void *old, size_t old_size, size_t new_size) {
  char *grown = atr_arena_alloc(arena, new_size);
  if (old_size != 0) memcpy(grown, old, old_size < new_size ? old_size : new_size);
  return grown;
}

char *atr_arena_string(atr_arena *arena, const char *text, size_t len) {
  if (len == SIZE_MAX) out_of_memory(arena);
  char *copy = atr_arena_alloc(arena, len + 1);
  if (len != 0) memcpy(copy, text, len);
  return copy;
}

char *atr_arena_printf(atr_arena *arena, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  /* negative: a result of 2 GiB or an invalid wide character; an empty text is the best that can be said */
  char *text = atr_arena_alloc(arena, len < 0 ? 1 : (size_t)len + 1);
  if (len >= 0) vsnprintf(text, (size_t)len + 1, format, again);
  va_end(again);
  return text;
}

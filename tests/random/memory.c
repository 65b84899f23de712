/* memory.c - see memory.h. */
#include "memory.h"

#include <stdlib.h>
#include <string.h>
#ifndef __wasm__
#include <sys/mman.h>
#include <unistd.h>
#endif

enum { PATTERN = 0xff, SLACK = 256 };

/* Whole pages, closed at both ends; NULL when there are none. */
#ifdef __wasm__ /* no page can be closed there, so these have the pattern's protection alone */

static size_t page_size(void) { return 4096; }
static char *map_pages(size_t size, size_t page) { return aligned_alloc(page, size); }
static void unmap_pages(char *map, size_t size) { (void)size, free(map); }

#else

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }
static void unmap_pages(char *map, size_t size) { munmap(map, size); }

static char *map_pages(size_t size, size_t page) {
  char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return NULL;
  if (mprotect(map, page, PROT_NONE) == 0 && mprotect(map + size - page, page, PROT_NONE) == 0) return map;
  munmap(map, size);
  return NULL;
}

#endif

bool memory_init(memory *m, size_t size, size_t alignment, memory_place place) {
  size_t page = page_size(), inside = (size + SLACK + page - 1) / page * page;
  *m = (memory){.map_size = inside + 2 * page, .page = page, .size = size};
  m->map = map_pages(m->map_size, page);
  if (m->map == NULL) return false;
  memset(m->map + page, PATTERN, inside);
  size_t offset = 64 + alignment;
  if (place == MEMORY_START) offset = 0;
  if (place == MEMORY_END) offset = (inside - size) / alignment * alignment;
  m->data = m->map + page + offset;
  return true;
}

void memory_fini(memory *m) {
  if (m->map != NULL) unmap_pages(m->map, m->map_size);
  *m = (memory){0};
}

void memory_clear(memory *m) { memset(m->data, PATTERN, m->size); }

bool memory_intact(const memory *m) {
  const char *from = m->map + m->page, *to = m->map + m->map_size - m->page;
  for (const char *p = from; p < m->data; p++)
    if ((unsigned char)*p != PATTERN) return false;
  for (const char *p = m->data + m->size; p < to; p++)
    if ((unsigned char)*p != PATTERN) return false;
  return true;
}

bool memory_faults_at(const memory *m, const void *address, bool *before) {
  const char *p = address;
  if (m->map == NULL || p < m->map || p >= m->map + m->map_size) return false;
  *before = p < m->data;
  return true;
}

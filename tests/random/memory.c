/* memory.c - see memory.h. */
#include "memory.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATTERN = 0xff, SLACK = 256 };

bool memory_init(memory *m, size_t size, size_t alignment, memory_place place) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), inside = (size + SLACK + page - 1) / page * page;
  *m = (memory){.map_size = inside + 2 * page, .page = page, .size = size};
  m->map = mmap(NULL, m->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (m->map == MAP_FAILED) return false;
  memset(m->map + page, PATTERN, inside);
  if (mprotect(m->map, page, PROT_NONE) != 0 || mprotect(m->map + page + inside, page, PROT_NONE) != 0) {
    munmap(m->map, m->map_size);
    return false;
  }
  size_t offset = 64 + alignment;
  if (place == MEMORY_START) offset = 0;
  if (place == MEMORY_END) offset = (inside - size) / alignment * alignment;
  m->data = m->map + page + offset;
  return true;
}

void memory_fini(memory *m) {
  if (m->map != NULL) munmap(m->map, m->map_size);
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

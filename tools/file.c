/* file.c - see file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINKS = 40 }; /* as many as Linux follows */

tool_exit report_out_of_memory(void) {
  fputs("atrousc: error: out of memory\n", stderr);
  return TOOL_MACHINE;
}

static tool_exit fail(const char *path, const char *what, tool_exit code) {
  fprintf(stderr, "%s: error: cannot %s: %s\n", strcmp(path, "-") == 0 ? "standard stream" : path, what, strerror(errno));
  return code;
}

/* ---- input ------------------------------------------------------------------------------------- */

/* Reads up to the end, growing the block by halves; the file's size, where it has one, makes the first block fit. */
static tool_exit read_all(int fd, const char *path, unsigned char **bytes, size_t *len) {
  struct stat info;
  size_t capacity = 1 << 16, used = 0;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) capacity = (size_t)info.st_size + 2;
  unsigned char *block = malloc(capacity);
  while (block != NULL) {
    if (used + 1 >= capacity) {
      size_t larger = capacity + capacity / 2;
      unsigned char *grown = larger > capacity ? realloc(block, larger) : NULL;
      if (grown == NULL) break;
      block = grown, capacity = larger;
    }
    ssize_t got = read(fd, block + used, capacity - used - 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      free(block);
      return fail(path, "read", TOOL_INPUT);
    }
    if (got == 0) {
      block[used] = 0;
      *bytes = block, *len = used;
      return TOOL_DONE;
    }
    used += (size_t)got;
  }
  free(block);
  return report_out_of_memory();
}

tool_exit file_read(const char *path, unsigned char **bytes, size_t *len) {
  if (strcmp(path, "-") == 0) return read_all(STDIN_FILENO, path, bytes, len);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(path, "read", TOOL_INPUT);
  tool_exit code = read_all(fd, path, bytes, len);
  close(fd);
  return code;
}

/* ---- output ------------------------------------------------------------------------------------ */

/* The permissions of a new file, or those of the one that will be replaced. */
static mode_t target_mode(const struct stat *old) {
  if (old != NULL) return old->st_mode & 07777;
  mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

/* Where a name leads through links, the last of which may be to what is not there yet: of such realpath says nothing. free() it;
 * NULL: errno says why. */
static char *follow_links(const char *path) {
  char *at = strdup(path), link[PATH_MAX];
  for (int hops = 0; at != NULL && hops < MAX_LINKS; hops++) {
    ssize_t len = readlink(at, link, sizeof link);
    if (len < 0) return at;
    const char *slash = strrchr(at, '/');
    size_t folder = link[0] == '/' || slash == NULL ? 0 : (size_t)(slash - at) + 1;
    char *next = malloc(folder + (size_t)len + 1);
    if (next != NULL) snprintf(next, folder + (size_t)len + 1, "%.*s%.*s", (int)folder, at, (int)len, link);
    free(at);
    at = next;
  }
  if (at == NULL) return NULL;
  free(at);
  errno = ELOOP;
  return NULL;
}

static tool_exit open_staged(output *out, const struct stat *old) {
  out->target = follow_links(out->path);
  if (out->target == NULL) return fail(out->path, "write", TOOL_MACHINE);
  size_t size = strlen(out->target) + 8;
  out->temporary = malloc(size);
  if (out->temporary == NULL) return report_out_of_memory();
  snprintf(out->temporary, size, "%s.XXXXXX", out->target);
  out->fd = mkostemp(out->temporary, O_CLOEXEC);
  if (out->fd < 0) {
    free(out->temporary);
    out->temporary = NULL; /* there is nothing to remove */
    return fail(out->path, "write", TOOL_MACHINE);
  }
  return fchmod(out->fd, target_mode(old)) == 0 ? TOOL_DONE : fail(out->path, "write", TOOL_MACHINE);
}

tool_exit output_open(output *out, const char *path) {
  *out = (output){.path = path, .fd = -1};
  if (strcmp(path, "-") == 0) {
    fflush(stdout);
    out->fd = dup(STDOUT_FILENO);
    return out->fd >= 0 ? TOOL_DONE : fail(path, "write", TOOL_MACHINE);
  }
  struct stat old;
  bool exists = stat(path, &old) == 0;
  tool_exit code = TOOL_DONE;
  if (exists && !S_ISREG(old.st_mode)) {
    out->fd = open(path, O_WRONLY | O_CLOEXEC);
    if (out->fd < 0) code = fail(path, "write", TOOL_MACHINE);
  } else {
    code = open_staged(out, exists ? &old : NULL);
  }
  if (code != TOOL_DONE) output_abandon(out);
  return code;
}

tool_exit output_write(output *out, const void *bytes, size_t len) {
  const char *at = bytes;
  while (len > 0) {
    ssize_t put = write(out->fd, at, len);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail(out->path, "write", TOOL_MACHINE);
    at += put;
    len -= (size_t)put;
  }
  return TOOL_DONE;
}

tool_exit output_sync(output *out) {
  bool synced = out->temporary == NULL || fsync(out->fd) == 0;
  bool closed = close(out->fd) == 0;
  out->fd = -1;
  return synced && closed ? TOOL_DONE : fail(out->path, "write", TOOL_MACHINE);
}

tool_exit output_rename(output *out) {
  if (out->temporary == NULL) return TOOL_DONE;
  if (rename(out->temporary, out->target) != 0) return fail(out->path, "write", TOOL_MACHINE);
  free(out->temporary);
  out->temporary = NULL;
  return TOOL_DONE;
}

void output_abandon(output *out) {
  if (out->fd >= 0) close(out->fd);
  if (out->temporary != NULL) unlink(out->temporary);
  free(out->temporary);
  free(out->target);
  *out = (output){.path = out->path, .fd = -1};
}

tool_exit output_close(output *out, tool_exit code) {
  if (code == TOOL_DONE) code = output_sync(out);
  if (code == TOOL_DONE) code = output_rename(out);
  output_abandon(out);
  return code;
}

tool_exit file_write(const char *path, const void *bytes, size_t len) {
  output out;
  tool_exit code = output_open(&out, path);
  return code == TOOL_DONE ? output_close(&out, output_write(&out, bytes, len)) : code;
}

tool_exit stdout_finish(tool_exit code) {
  bool failed = ferror(stdout) != 0;
  if ((fflush(stdout) != 0 || failed) && code == TOOL_DONE) return fail("-", "write", TOOL_MACHINE);
  return code;
}

/* link.c - see link.h. */
#include "link.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"

extern char **environ;

enum { PATH_SIZE = 4096 };

/* The folder and the files in it. */
typedef struct place {
  char folder[PATH_SIZE / 2], object[PATH_SIZE], library[PATH_SIZE];
} place;

static tool_exit fail(const char *tool, const char *why, const char *variable) {
  fprintf(stderr, "atrousc compile: cannot run '%s': %s; %s in the environment names another one\n", tool, why, variable);
  return TOOL_MACHINE;
}

/* conv of "dir/libconv.so.1": what the archive's member is called. */
static void stem_of(const char *name, char *out, size_t size) {
  const char *start = strncmp(name, "lib", 3) == 0 && name[3] != 0 && name[3] != '.' ? name + 3 : name;
  size_t len = strcspn(start, ".");
  if (len == 0 || len >= size - 2) snprintf(out, size, "object.o");
  else snprintf(out, size, "%.*s.o", (int)len, start);
}

static tool_exit open_place(place *p, const char *name) {
  const char *base = getenv("TMPDIR");
  char member[256];
  stem_of(name, member, sizeof member);
  int len = snprintf(p->folder, sizeof p->folder, "%s/atrousc-XXXXXX", base != NULL && base[0] != 0 ? base : "/tmp");
  if (len >= (int)sizeof p->folder || mkdtemp(p->folder) == NULL) {
    fprintf(stderr, "atrousc compile: cannot make a folder for temporary files: %s\n", strerror(errno));
    return TOOL_MACHINE;
  }
  snprintf(p->object, sizeof p->object, "%s/%s", p->folder, member);
  snprintf(p->library, sizeof p->library, "%s/library", p->folder);
  return TOOL_DONE;
}

static void close_place(const place *p) {
  unlink(p->object);
  unlink(p->library);
  rmdir(p->folder);
}

/* Runs a program with these words; *missing: there is none of this name. */
static tool_exit run(char **words, const char *variable, bool *missing) {
  pid_t child;
  int status;
  int error = posix_spawnp(&child, words[0], NULL, NULL, words, environ);
  *missing = error == ENOENT;
  if (error != 0) return *missing ? TOOL_MACHINE : fail(words[0], strerror(error), variable);
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return fail(words[0], strerror(errno), variable);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return TOOL_DONE;
  *missing = WIFEXITED(status) && WEXITSTATUS(status) == 127;
  return *missing ? TOOL_MACHINE : fail(words[0], "it failed", variable);
}

static tool_exit archive(const place *p) {
  const char *tool = getenv("AR") != NULL ? getenv("AR") : "ar";
  bool missing;
  char *words[] = {(char *)(uintptr_t)tool, "rcsD", (char *)(uintptr_t)p->library, (char *)(uintptr_t)p->object, NULL};
  tool_exit code = run(words, "AR", &missing);
  return missing ? fail(tool, "there is no such program", "AR") : code;
}

/* Is the triple one of this kind of machine? */
static bool is_here(const char *triple) {
  struct utsname name;
  size_t len = strcspn(triple, "-");
  return uname(&name) == 0 && strlen(name.machine) == len && strncmp(triple, name.machine, len) == 0;
}

static tool_exit share_with(const char *tool, const place *p, const char *soname, bool *missing) {
  char *words[] = {(char *)(uintptr_t)tool,
                   "-shared",
                   "-soname",
                   (char *)(uintptr_t)soname,
                   "-z",
                   "text",
                   "-z",
                   "noexecstack",
                   "--build-id=none",
                   "-o",
                   (char *)(uintptr_t)p->library,
                   (char *)(uintptr_t)p->object,
                   NULL};
  return run(words, "LD", missing);
}

/* "aarch64-unknown-linux-gnu" -> "aarch64-linux-gnu-ld", as distributions call it. */
static void cross_name(const char *triple, char *out, size_t size) {
  const char *rest = strchr(triple, '-'), *vendor = rest != NULL ? strchr(rest + 1, '-') : NULL;
  bool has_vendor = rest != NULL && (strncmp(rest, "-unknown-", 9) == 0 || strncmp(rest, "-pc-", 4) == 0);
  if (has_vendor && vendor != NULL) snprintf(out, size, "%.*s%s-ld", (int)(rest - triple), triple, vendor);
  else snprintf(out, size, "%s-ld", triple);
}

static tool_exit share(const place *p, const char *triple, const char *soname) {
  char cross[256];
  bool missing;
  const char *tool = getenv("LD") != NULL ? getenv("LD") : "ld";
  if (getenv("LD") == NULL && triple != NULL && !is_here(triple)) {
    cross_name(triple, cross, sizeof cross);
    tool_exit code = share_with(cross, p, soname, &missing);
    if (!missing) return code;
    tool = "ld.lld";
  }
  tool_exit code = share_with(tool, p, soname, &missing);
  return missing ? fail(tool, "there is no such program", "LD") : code;
}

tool_exit link_object(link_kind kind, const char *triple, const char *path, const void *object, size_t len, unsigned char **out,
                      size_t *out_len) {
  place p;
  const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
  tool_exit code = open_place(&p, name);
  if (code != TOOL_DONE) return code;
  code = file_write(p.object, object, len);
  if (code == TOOL_DONE)
    code = kind == LINK_STATIC ? archive(&p) : share(&p, triple, strcmp(name, "-") == 0 ? "object.so" : name);
  if (code == TOOL_DONE) code = file_read(p.library, out, out_len);
  close_place(&p);
  return code;
}

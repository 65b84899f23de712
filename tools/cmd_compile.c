/* cmd_compile.c - atrousc compile: modules to an object with its header, a library, or a listing.
 *
 *     atrousc compile conv.hlo -o conv.o                  conv.o and conv.h
 *     atrousc compile a.hlo b.hlo -o libconv.a            one function for each computation of each file
 *     atrousc compile conv.hlo --emit=nest                to stdout
 *     atrousc compile conv.hlo -o conv.o --MD             and conv.d, a rule of Make with what was read
 *
 * All files are in place at the end, or none of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "depfile.h"
#include "file.h"
#include "job.h"
#include "link.h"
#include "npy.h"

static const struct emit_row {
  const char *name, *suffix;
  atr_emit_kind kind;
  link_kind link;  /* what is made of the object */
  bool has_header; /* beside it */
} emit_rows[] = {
    {"obj", ".o", ATR_EMIT_OBJ, LINK_NONE, true},       {"static", ".a", ATR_EMIT_OBJ, LINK_STATIC, true},
    {"shared", ".so", ATR_EMIT_OBJ, LINK_SHARED, true}, {"header", ".h", ATR_EMIT_HEADER, LINK_NONE, false},
    {"asm", ".s", ATR_EMIT_ASM, LINK_NONE, false},      {"llvm", ".ll", ATR_EMIT_LLVM, LINK_NONE, false},
    {"nest", ".nest", ATR_EMIT_NEST, LINK_NONE, false},
};
enum { EMIT_ROWS = sizeof emit_rows / sizeof emit_rows[0] };
static const char kinds[] = "obj, static, shared, header, asm, llvm or nest";

static bool ends_with(const char *text, const char *suffix) {
  size_t len = strlen(text), suffix_len = strlen(suffix);
  return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

/* By --emit, else by the output's suffix. */
static tool_exit select_kind(const args *parsed, const char *path, const struct emit_row **row) {
  const char *name = parsed->values[OPTION_EMIT];
  for (int i = 0; i < EMIT_ROWS; i++) {
    if (name != NULL ? strcmp(name, emit_rows[i].name) == 0 : ends_with(path, emit_rows[i].suffix)) {
      *row = &emit_rows[i];
      return TOOL_DONE;
    }
  }
  if (name != NULL) return args_fail(parsed, "option '--emit' wants %s, got '%s'", kinds, name);
  return args_fail(parsed, "cannot tell from '%s' what to write; give --emit=%s", path, kinds);
}

/* "dir/conv.o", ".h" -> "dir/conv.h"; free() it. */
static char *path_beside(const char *path, const char *suffix) {
  const char *slash = strrchr(path, '/'), *dot = strrchr(slash != NULL ? slash : path, '.');
  size_t stem = dot != NULL && dot != path && dot[-1] != '/' ? (size_t)(dot - path) : strlen(path);
  char *beside = malloc(stem + strlen(suffix) + 1);
  if (beside == NULL) return NULL;
  memcpy(beside, path, stem);
  strcpy(beside + stem, suffix);
  return beside;
}

/* ---- weights */

/* The weights of one module. Numbers are those of its text: where[i] is the number that parameter i has now, -1: bound. */
typedef struct binding {
  job *j;
  depfile *inputs;
  int32_t count, *where;
} binding;

/* PARAMETER of "PARAMETER=FILE" as its number now, and the file; -1: the text is a FILE alone. */
static tool_exit find_bound(const binding *b, const char *text, const char **file, int32_t *parameter) {
  const char *equals = strchr(text, '=');
  size_t len = equals != NULL ? (size_t)(equals - text) : 0;
  char name[256], *end;
  *file = text;
  *parameter = -1;
  if (len == 0 || len >= sizeof name) return TOOL_DONE;
  snprintf(name, sizeof name, "%.*s", (int)len, text);
  *parameter = job_find_parameter(b->j, name);
  if (*parameter >= 0) *file = equals + 1;
  long number = strtol(name, &end, 10);
  if (*parameter >= 0) return TOOL_DONE;
  if (*end != 0 || number < 0) { /* a name with = in it, or a mistake */
    if (access(text, F_OK) == 0) return TOOL_DONE;
    return job_fail(equals + 1, "%s has no parameter '%s' that is not bound yet", b->j->path, name);
  }
  *file = equals + 1;
  if (number >= b->count) return job_fail(*file, "there is no parameter %ld: %s has %d", number, b->j->path, (int)b->count);
  *parameter = b->where[number];
  return *parameter >= 0 ? TOOL_DONE : job_fail(*file, "parameter %ld is given twice", number);
}

/* The one parameter behind the text's first, which may be bound by now, that the file's array fits. */
static tool_exit fitting_parameter(const binding *b, const char *path, const unsigned char *bytes, size_t len, int32_t *out) {
  const job *j = b->j;
  int32_t count = atr_module_parameter_count(j->module), first = b->count > 0 && b->where[0] < 0 ? 0 : 1, fitting = 0;
  npy_error error = {""};
  for (int32_t p = first; p < count; p++) {
    const atr_shape *shape = atr_module_parameter_shape(j->module, p);
    int64_t size = atr_shape_bytes(shape);
    void *data = size >= 0 ? malloc((size_t)size + 1) : NULL;
    if (data == NULL) return report_out_of_memory();
    if (npy_array_read(bytes, len, shape, data, &error)) *out = p, fitting++;
    free(data);
  }
  if (fitting == 1) return TOOL_DONE;
  if (fitting > 1)
    return job_fail(path, "%d parameters of %s have this shape; write --weights=PARAMETER=FILE", fitting, j->path);
  bool alone = count - first == 1;
  return job_fail(path, "no parameter of %s behind the first takes this array%s%s", j->path, alone ? ": " : "",
                  alone ? error.text : "");
}

static tool_exit bind_bytes(job *j, int32_t parameter, const char *path, const unsigned char *bytes, size_t len) {
  const atr_shape *shape = atr_module_parameter_shape(j->module, parameter);
  npy_error error;
  char wanted[128];
  int64_t size = atr_shape_bytes(shape);
  void *data = size >= 0 ? malloc((size_t)size + 1) : NULL;
  if (data == NULL) return report_out_of_memory();
  tool_exit code = TOOL_DONE;
  if (!npy_array_read(bytes, len, shape, data, &error)) {
    npy_shape_text(shape, wanted, sizeof wanted);
    code = job_fail(path, "%s (parameter %s is %s)", error.text, atr_module_parameter_name(j->module, parameter), wanted);
  }
  atr_module *bound = NULL;
  if (code == TOOL_DONE) code = job_report(j, atr_module_bind(j->context, j->module, parameter, data, &bound));
  if (code == TOOL_DONE) {
    atr_module_destroy(j->module);
    j->module = bound;
  }
  free(data);
  return code;
}

/* One --weights. */
static tool_exit bind_file(const binding *b, const char *text) {
  const char *path;
  unsigned char *bytes;
  size_t len;
  int32_t parameter;
  tool_exit code = find_bound(b, text, &path, &parameter);
  if (code == TOOL_DONE) code = depfile_add(b->inputs, path);
  if (code == TOOL_DONE) code = file_read(path, &bytes, &len);
  if (code != TOOL_DONE) return code;
  if (parameter < 0) code = fitting_parameter(b, path, bytes, len, &parameter);
  if (code == TOOL_DONE) code = bind_bytes(b->j, parameter, path, bytes, len);
  free(bytes);
  for (int32_t i = 0; i < b->count && code == TOOL_DONE; i++)
    b->where[i] = b->where[i] == parameter ? -1 : b->where[i] > parameter ? b->where[i] - 1 : b->where[i];
  return code;
}

/* --constant in the numbers that are left. */
static uint64_t moved_mask(uint64_t mask, const int32_t *where, int32_t count) {
  uint64_t moved = 0;
  for (int32_t i = 0; i < count && i < 64; i++)
    if ((mask >> i & 1) != 0 && where[i] >= 0) moved |= UINT64_C(1) << where[i];
  return moved;
}

/* ---- modules */

typedef struct compile {
  const args *parsed;
  job j;
  atr_object *object;
  depfile inputs;
  int functions;
} compile;

static tool_exit add_module(compile *c) {
  const args *parsed = c->parsed;
  atr_compile_options options;
  int32_t count = atr_module_parameter_count(c->j.module);
  binding b = {&c->j, &c->inputs, count, malloc(sizeof *b.where * ((size_t)count + 1))};
  if (b.where == NULL) return report_out_of_memory();
  for (int32_t i = 0; i < count; i++) b.where[i] = i;
  tool_exit code = job_compile_options(&c->j, &options);
  for (int w = 0; w < parsed->weight_count && code == TOOL_DONE; w++) code = bind_file(&b, parsed->weights[w]);
  options.constant_parameters = moved_mask(options.constant_parameters, b.where, count);
  options.cpu = options.features = options.triple = NULL; /* the object's */
  free(b.where);
  if (code == TOOL_DONE) code = job_report(&c->j, atr_object_add(c->object, c->j.module, &options));
  c->functions++;
  return code;
}

/* `entry` NULL: the only one of its text. */
static tool_exit add_entry(compile *c, const char *text, size_t len, const char *entry) {
  job *j = &c->j;
  atr_status status = entry == NULL ? atr_module_parse(j->context, j->path, text, (int64_t)len, &j->module)
                                    : atr_module_parse_entry(j->context, j->path, text, (int64_t)len, entry, &j->module);
  tool_exit code = job_report(j, status);
  if (code == TOOL_DONE) code = add_module(c);
  atr_module_destroy(j->module);
  j->module = NULL;
  return code;
}

static int count_lines(const char *text) {
  int count = 0;
  for (; *text != 0; text++) count += *text == '\n';
  return count;
}

static tool_exit check_single(const compile *c, int entries) {
  const args *parsed = c->parsed;
  if (parsed->file_count == 1 && entries == 1) return TOOL_DONE;
  const char *option = args_has(parsed, OPTION_NAME) ? "--name" : parsed->weight_count > 0 ? "--weights" : NULL;
  if (option == NULL) return TOOL_DONE;
  return args_fail(parsed, "option '%s' is for one function, but there are more%s", option,
                   strcmp(option, "--name") == 0 ? "; see --prefix" : "");
}

static tool_exit add_file(compile *c, const char *path) {
  unsigned char *text;
  size_t len;
  char *entries = NULL;
  tool_exit code = depfile_add(&c->inputs, path);
  if (code == TOOL_DONE) code = file_read(path, &text, &len);
  if (code != TOOL_DONE) return code;
  c->j.path = strcmp(path, "-") == 0 ? "<stdin>" : path;
  code = job_report(&c->j, atr_module_entries(c->j.context, c->j.path, (const char *)text, (int64_t)len, &entries));
  int count = code == TOOL_DONE ? count_lines(entries) : 0;
  if (code == TOOL_DONE) code = check_single(c, count);
  if (code == TOOL_DONE && count == 1) code = add_entry(c, (const char *)text, len, NULL);
  for (char *name = entries, *end; count > 1 && code == TOOL_DONE && *name != 0; name = end + 1) {
    end = strchr(name, '\n');
    *end = 0;
    code = add_entry(c, (const char *)text, len, name);
  }
  if (entries != NULL) atr_string_free(c->j.context, entries);
  free(text);
  return code;
}

static tool_exit make_object(compile *c) {
  const args *a = c->parsed;
  atr_object_options options = {.size = sizeof options,
                                .triple = a->values[OPTION_TRIPLE],
                                .cpus = a->values[OPTION_CPUS],
                                .features = a->values[OPTION_FEATURES],
                                .prefix = a->values[OPTION_PREFIX],
                                .cpu_variable = a->values[OPTION_CPU_VARIABLE],
                                .selftest = args_has(a, OPTION_SELFTEST),
                                .unwind = args_has(a, OPTION_UNWIND)};
  tool_exit code = job_open(&c->j, a, NULL, 1);
  c->j.path = a->files[0];
  if (code == TOOL_DONE) code = job_report(&c->j, atr_object_create(c->j.context, &options, &c->object));
  for (int i = 0; i < a->file_count && code == TOOL_DONE; i++) code = add_file(c, a->files[i]);
  const char *schedule = a->values[OPTION_SCHEDULE];
  return code == TOOL_DONE && schedule != NULL && schedule[0] == '@' ? depfile_add(&c->inputs, schedule + 1) : code;
}

/* ---- output */

enum { MAIN, HEADER, DEPENDENCIES, PRODUCTS };

/* What is written: the main file, and those of the others whose path is not NULL. */
typedef struct products {
  const char *paths[PRODUCTS];
  char *beside[PRODUCTS]; /* paths that were made here */
  char *bytes[PRODUCTS];  /* MAIN and HEADER: the context's */
  unsigned char *linked;  /* instead of MAIN's bytes */
  size_t lens[PRODUCTS];
} products;

static tool_exit write_products(const products *p) {
  output outputs[PRODUCTS];
  int opened = 0;
  tool_exit code = TOOL_DONE;
  for (int i = 0; i < PRODUCTS && code == TOOL_DONE; i++) {
    if (p->paths[i] == NULL) continue;
    code = output_open(&outputs[opened], p->paths[i]);
    if (code != TOOL_DONE) break;
    code = output_write(&outputs[opened], i == MAIN && p->linked != NULL ? (const char *)p->linked : p->bytes[i], p->lens[i]);
    if (code == TOOL_DONE) code = output_sync(&outputs[opened]);
    opened++;
  }
  for (int i = 0; i < opened && code == TOOL_DONE; i++) code = output_rename(&outputs[i]);
  for (int i = 0; i < opened; i++) output_abandon(&outputs[i]);
  return code;
}

static tool_exit make_products(compile *c, const struct emit_row *row, products *p) {
  tool_exit code = job_report(&c->j, atr_object_emit(c->object, row->kind, &p->bytes[MAIN], &p->lens[MAIN]));
  if (code == TOOL_DONE && p->paths[HEADER] != NULL)
    code = job_report(&c->j, atr_object_emit(c->object, ATR_EMIT_HEADER, &p->bytes[HEADER], &p->lens[HEADER]));
  if (code == TOOL_DONE && row->link != LINK_NONE)
    code = link_object(row->link, c->parsed->values[OPTION_TRIPLE], p->paths[MAIN], p->bytes[MAIN], p->lens[MAIN], &p->linked,
                       &p->lens[MAIN]);
  if (code == TOOL_DONE && p->paths[DEPENDENCIES] != NULL)
    code = depfile_print(&c->inputs, p->paths, DEPENDENCIES, &p->bytes[DEPENDENCIES], &p->lens[DEPENDENCIES]);
  return code == TOOL_DONE ? write_products(p) : code;
}

static void fini_products(const compile *c, products *p) {
  for (int i = MAIN; i <= HEADER; i++)
    if (p->bytes[i] != NULL) atr_string_free(c->j.context, p->bytes[i]);
  free(p->bytes[DEPENDENCIES]);
  free(p->linked);
  for (int i = 0; i < PRODUCTS; i++) free(p->beside[i]);
}

static tool_exit place_beside(products *p, int product, const char *suffix) {
  p->paths[product] = p->beside[product] = path_beside(p->paths[MAIN], suffix);
  return p->beside[product] != NULL ? TOOL_DONE : report_out_of_memory();
}

/* Where header and dependencies go. */
static tool_exit choose_paths(const args *parsed, const struct emit_row *row, products *p) {
  static const char *const names[PRODUCTS] = {"output", "header", "dependency file"};
  bool is_stream = strcmp(p->paths[MAIN], "-") == 0;
  const char *dependencies = parsed->values[OPTION_DEPENDENCIES];
  tool_exit code = TOOL_DONE;
  if (dependencies != NULL && is_stream) return args_fail(parsed, "option '--MD' needs -o FILE, the target of its rule");
  if (row->has_header && !is_stream) code = place_beside(p, HEADER, ".h");
  if (dependencies != NULL && dependencies[0] != 0) p->paths[DEPENDENCIES] = dependencies;
  else if (dependencies != NULL && code == TOOL_DONE) code = place_beside(p, DEPENDENCIES, ".d");
  for (int i = 1; i < PRODUCTS && code == TOOL_DONE; i++)
    for (int k = 0; k < i && code == TOOL_DONE && p->paths[i] != NULL; k++)
      if (p->paths[k] != NULL && strcmp(p->paths[i], p->paths[k]) == 0)
        code = args_fail(parsed, "the %s and its %s cannot both be '%s'", k == MAIN && row->has_header ? "object" : names[k],
                         names[i], p->paths[i]);
  return code;
}

tool_exit cmd_compile(const args *parsed) {
  const char *path = args_has(parsed, OPTION_OUTPUT_TEXT) ? parsed->values[OPTION_OUTPUT_TEXT] : "-";
  const struct emit_row *row = NULL;
  compile c = {.parsed = parsed, .j = {.parsed = parsed}};
  products p = {.paths = {path}};
  tool_exit code = select_kind(parsed, path, &row);
  if (code == TOOL_DONE && row->kind == ATR_EMIT_OBJ && strcmp(path, "-") == 0 && isatty(STDOUT_FILENO))
    code = args_fail(parsed, "object code is not for a terminal; give -o FILE");
  if (code == TOOL_DONE) code = choose_paths(parsed, row, &p);
  if (code == TOOL_DONE) code = make_object(&c);
  if (code == TOOL_DONE) code = make_products(&c, row, &p);
  fini_products(&c, &p);
  depfile_fini(&c.inputs);
  atr_object_destroy(c.object);
  job_fini(&c.j);
  return code;
}

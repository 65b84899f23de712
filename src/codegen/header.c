/* header.c - see header.h. A function y = conv(x, w) becomes
 *
 *     #define CONV_SCRATCH_SIZE 4096
 *     int conv(const void *const *args, void *const *results, void *scratch, const atr_host *host);
 *     static inline int conv_call(const float *x, const float *w, float *y, void *scratch, const atr_host *host) { ... }
 *
 * Names of arrays are the module's as far as C allows. Comments hold nothing that ends them. */
#include "codegen/header.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lower/nest.h"

/* ---- names */

static const char *const TAKEN[] = {"NULL",
                                    "alignas",
                                    "alignof",
                                    "and",
                                    "and_eq",
                                    "asm",
                                    "atr_host",
                                    "atr_parallel_for_fn",
                                    "auto",
                                    "bitand",
                                    "bitor",
                                    "bool",
                                    "break",
                                    "case",
                                    "catch",
                                    "char",
                                    "char16_t",
                                    "char32_t",
                                    "char8_t",
                                    "class",
                                    "co_await",
                                    "co_return",
                                    "co_yield",
                                    "compl",
                                    "concept",
                                    "const",
                                    "const_cast",
                                    "consteval",
                                    "constexpr",
                                    "constinit",
                                    "continue",
                                    "decltype",
                                    "default",
                                    "delete",
                                    "do",
                                    "double",
                                    "dynamic_cast",
                                    "else",
                                    "enum",
                                    "errno",
                                    "explicit",
                                    "export",
                                    "extern",
                                    "false",
                                    "float",
                                    "for",
                                    "friend",
                                    "getenv",
                                    "goto",
                                    "if",
                                    "inline",
                                    "int",
                                    "int16_t",
                                    "int32_t",
                                    "int64_t",
                                    "int8_t",
                                    "linux",
                                    "long",
                                    "main",
                                    "memcpy",
                                    "memmove",
                                    "memset",
                                    "mutable",
                                    "namespace",
                                    "new",
                                    "noexcept",
                                    "not",
                                    "not_eq",
                                    "nullptr",
                                    "operator",
                                    "or",
                                    "or_eq",
                                    "private",
                                    "protected",
                                    "public",
                                    "register",
                                    "reinterpret_cast",
                                    "requires",
                                    "restrict",
                                    "return",
                                    "short",
                                    "signed",
                                    "size_t",
                                    "sizeof",
                                    "static",
                                    "static_assert",
                                    "static_cast",
                                    "struct",
                                    "switch",
                                    "template",
                                    "this",
                                    "thread_local",
                                    "throw",
                                    "true",
                                    "try",
                                    "typedef",
                                    "typeid",
                                    "typename",
                                    "typeof",
                                    "uint16_t",
                                    "uint32_t",
                                    "uint64_t",
                                    "uint8_t",
                                    "union",
                                    "unix",
                                    "unsigned",
                                    "using",
                                    "virtual",
                                    "void",
                                    "volatile",
                                    "wchar_t",
                                    "while",
                                    "xor",
                                    "xor_eq"};

bool atr_header_is_taken(const char *name) {
  for (size_t i = 0; i < sizeof TAKEN / sizeof TAKEN[0]; i++)
    if (strcmp(TAKEN[i], name) == 0) return true;
  return name[0] == '_' && (name[1] == '_' || isupper((unsigned char)name[1]));
}

static const char *const SUFFIXES[] = {"",
                                       "_call",
                                       "_prepack",
                                       "_prepack_call",
                                       "_selftest",
                                       "_ok",
                                       "_unsupported",
                                       "_scratch_size",
                                       "_packed_size",
                                       "_selftest_size",
                                       "_scratch_alignment",
                                       NULL};

/* Is `name` what `stem` makes with one of the suffixes? */
static bool is_made_of(const char *name, const char *stem) {
  size_t len = strlen(stem);
  if (strncasecmp(name, stem, len) != 0) return false;
  for (const char *const *suffix = SUFFIXES; *suffix != NULL; suffix++)
    if (strcasecmp(name + len, *suffix) == 0) return true;
  return false;
}

bool atr_header_names_collide(const char *a, const char *b) { return is_made_of(a, b) || is_made_of(b, a); }

static const char *upper(atr_arena *arena, const char *name) {
  char *copy = atr_arena_string(arena, name, strlen(name));
  for (char *p = copy; *p != '\0'; p++) *p = (char)toupper((unsigned char)*p);
  return copy;
}

/* One array of a function. */
typedef struct array {
  const char *name;
  const atr_shape *shape;
} array;

/* A function with names for its arrays, parameters first. */
typedef struct kernel {
  const atr_header_kernel *k;
  const char *upper;
  array *arrays;
  int parameters, count;
  bool packs;
} kernel;

static bool is_free(const kernel *k, const char *name) {
  static const char *const own[] = {"args", "results", "scratch", "host", "packed"};
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
    if (strcmp(own[i], name) == 0) return false;
  for (int i = 0; i < k->count; i++)
    if (strcmp(k->arrays[i].name, name) == 0) return false;
  return !is_made_of(name, k->k->symbol) && !atr_header_is_taken(name);
}

/* Several words without small letters: so are the macros of all functions of the header, and those of stdint.h. */
static bool may_be_macro(const char *name) {
  bool several = false;
  for (; *name != '\0'; name++) {
    if (islower((unsigned char)*name)) return false;
    several = several || !isalnum((unsigned char)*name);
  }
  return several;
}

static void add_array(atr_arena *arena, kernel *k, const atr_inst *inst) {
  bool odd = isdigit((unsigned char)inst->name[0]) || inst->name[0] == '_' || may_be_macro(inst->name);
  char *name = atr_arena_printf(arena, "%s%s", odd ? "v" : "", inst->name);
  for (char *p = name; *p != '\0'; p++)
    if (!isalnum((unsigned char)*p)) *p = '_';
  while (!is_free(k, name)) name = atr_arena_printf(arena, "%s_", name);
  k->arrays[k->count++] = (array){name, &inst->shape};
}

static kernel describe(atr_arena *arena, const atr_header_kernel *from) {
  const atr_module *m = from->module;
  kernel k = {
      .k = from, .upper = upper(arena, from->symbol), .parameters = m->parameter_count, .packs = from->packed_bytes > 0};
  k.arrays = ATR_NEW_ARRAY(arena, array, m->parameter_count + m->result_count);
  for (int p = 0; p < m->parameter_count; p++) add_array(arena, &k, atr_inst_at(m, m->parameters[p]));
  for (int r = 0; r < m->result_count; r++) add_array(arena, &k, atr_inst_at(m, m->results[r]));
  return k;
}

/* ---- types */

static const char *c_type(atr_dtype dtype) {
  switch (dtype) {
  case ATR_PRED:
  case ATR_U8:
  case ATR_F8E4M3FN:
  case ATR_F8E5M2: return "uint8_t";
  case ATR_S8: return "int8_t";
  case ATR_S16: return "int16_t";
  case ATR_S32: return "int32_t";
  case ATR_S64: return "int64_t";
  case ATR_U16:
  case ATR_F16:
  case ATR_BF16: return "uint16_t";
  case ATR_U32: return "uint32_t";
  case ATR_U64: return "uint64_t";
  case ATR_F32:
  case ATR_C64: return "float";
  case ATR_F64:
  case ATR_C128: return "double";
  case ATR_DTYPE_NONE: break;
  }
  return "void";
}

static const char *type_note(atr_dtype dtype) {
  switch ((int)dtype) { /* the others are what C has */
  case ATR_PRED: return ", 0 or 1";
  case ATR_F16:
  case ATR_BF16:
  case ATR_F8E4M3FN:
  case ATR_F8E5M2: return ", its bits";
  case ATR_C64:
  case ATR_C128: return ", real and imaginary parts by turns";
  }
  return "";
}

static const char *shape_text(atr_arena *arena, const atr_shape *shape) {
  atr_text text = atr_text_make(arena);
  atr_shape_print(&text, shape, false);
  return text.data;
}

static bool is_constant(const kernel *k, int p) { return p < 64 && k->packs && (k->k->constant_parameters >> p & 1) != 0; }

/* ---- comments */

/* Text as lines of a comment; what would end or nest comments gets a space, and what is not ASCII a question mark. */
static void print_quoted(atr_text *text, const char *quoted) {
  atr_text_puts(text, " *     ");
  for (const char *p = quoted; *p != '\0'; p++) {
    bool breaks = p > quoted && ((p[-1] == '*' && *p == '/') || (p[-1] == '/' && *p == '*'));
    char c = (*p >= ' ' && *p < 0x7f) || *p == '\n' ? *p : '?';
    if (breaks) atr_text_puts(text, " ");
    if (c != '\n') atr_text_append(text, &c, 1);
    else if (p[1] != '\0') atr_text_puts(text, p[1] == '\n' ? "\n *" : "\n *     ");
  }
  atr_text_puts(text, "\n");
}

static void print_array(atr_text *text, const kernel *k, int i) {
  bool parameter = i < k->parameters;
  atr_text_printf(text, " *     %s[%d]  %s: %s%s%s\n", parameter ? "args" : "results", parameter ? i : i - k->parameters,
                  k->arrays[i].name, shape_text(text->arena, k->arrays[i].shape), type_note(k->arrays[i].shape->dtype),
                  parameter && is_constant(k, i) ? "; constant, read by prepack" : "");
}

static void print_interface(atr_text *text, const kernel *k, const atr_header *h) {
  atr_text_printf(text, "\n/* ---- %s\n *\n", k->k->symbol);
  for (int i = 0; i < k->parameters; i++) print_array(text, k, i);
  if (k->packs) atr_text_printf(text, " *     args[%d]  the block that %s_prepack filled\n", k->parameters, k->k->symbol);
  for (int i = k->parameters; i < k->count; i++) print_array(text, k, i);
  atr_text_puts(
      text,
      " *\n * Arrays are dense, row major where no other layout is stated ({} lists dimensions from the fastest on), and do\n"
      " * not overlap. ");
  if (k->k->scratch_bytes > 0) atr_text_printf(text, "Each call needs scratch of its own: %s_SCRATCH_SIZE bytes.", k->upper);
  else atr_text_puts(text, "No scratch is needed: it may be NULL.");
  if (h->cpu_count > 1) atr_text_printf(text, " Returns %s_OK or\n * %s_UNSUPPORTED.", k->upper, k->upper);
  else atr_text_printf(text, " Returns %s_OK.", k->upper);
  atr_text_puts(text, "\n *\n * The module:\n *\n");
  atr_text module = atr_text_make(text->arena);
  atr_hlo_print_brief(&module, k->k->module);
  print_quoted(text, module.data);
  atr_text_puts(text, " */\n");
}

static void print_head(atr_text *text, const atr_header *h) {
  atr_text_printf(text, "/* Made by Atrous %s; do not edit.\n *\n * Code for %s, CPU%s ", atr_version(), h->triple,
                  h->cpu_count > 1 ? "s" : "");
  for (int c = 0; c < h->cpu_count; c++) atr_text_printf(text, "%s%s", c > 0 ? ", " : "", h->cpus[c]);
  if (h->cpu_count > 1)
    atr_text_puts(text, ": the first of them that the machine has is chosen at the first\n * call and kept");
  if (h->cpu_count > 1 && h->cpu_variable != NULL)
    atr_text_printf(text, "; %s in the environment may name another one that it has", h->cpu_variable);
  bool environment = h->cpu_count > 1 && h->cpu_variable != NULL;
  atr_text_printf(
      text,
      ".\n * Needs memcpy, memmove%s memset%s, and nothing else. Functions may be called by any number of threads.\n"
      " * Given a host they share their work among its threads; the results do not depend on that.\n",
      environment ? "," : " and", environment ? " and getenv" : "");
}

/* Five lines or so for the first function. */
static void print_use(atr_text *text, const kernel *k) {
  const char *name = k->k->symbol;
  atr_text_puts(text, " *\n");
  for (int i = 0; i < k->count; i++) {
    int64_t parts = atr_dtype_class_of(k->arrays[i].shape->dtype) == ATR_CLASS_COMPLEX ? 2 : 1;
    int64_t elements = parts * atr_shape_elements(k->arrays[i].shape);
    atr_text_printf(text, " *     static %s %s[%lld];\n", c_type(k->arrays[i].shape->dtype), k->arrays[i].name,
                    (long long)(elements > 0 ? elements : 1));
  }
  if (k->k->scratch_bytes > 0)
    atr_text_printf(text, " *     void *scratch = aligned_alloc(%s_SCRATCH_ALIGNMENT, %s_SCRATCH_SIZE);\n", k->upper, k->upper);
  if (k->packs) {
    atr_text_printf(text, " *     void *packed = aligned_alloc(%s_SCRATCH_ALIGNMENT, %s_PACKED_SIZE);\n *     %s_prepack_call(",
                    k->upper, k->upper, name);
    for (int i = 0; i < k->parameters; i++)
      if (is_constant(k, i)) atr_text_printf(text, "%s, ", k->arrays[i].name);
    atr_text_puts(text, "packed, NULL);\n");
  }
  atr_text_printf(text, " *     int status = %s_call(", name);
  for (int i = 0; i < k->count; i++) {
    if (i == k->parameters && k->packs) atr_text_puts(text, "packed, ");
    atr_text_printf(text, "%s, ", k->arrays[i].name);
  }
  atr_text_printf(text, "%s, NULL);\n", k->k->scratch_bytes > 0 ? "scratch" : "NULL");
}

/* ---- declarations */

static const char HOST[] =
    "#ifndef ATR_HOST_DEFINED\n"
    "#define ATR_HOST_DEFINED\n"
    "/* Runs body(arg, i) for every i in [0, n), in any order and on any threads, and returns when all are done. */\n"
    "typedef void (*atr_parallel_for_fn)(void *user, int64_t n, void (*body)(void *arg, int64_t i), void *arg);\n"
    "\n"
    "/* The caller's threads. */\n"
    "typedef struct atr_host {\n"
    "  void *user;\n"
    "  atr_parallel_for_fn parallel_for; /* NULL: serial */\n"
    "} atr_host;\n"
    "#endif\n";

static void print_constants(atr_text *text, const kernel *k, const atr_header *h) {
  atr_text_printf(text, "#define %s_OK 0\n#define %s_UNSUPPORTED %d /* the machine has none of the CPUs */\n", k->upper,
                  k->upper, ATR_UNSUPPORTED);
  atr_text_printf(text, "#define %s_SCRATCH_SIZE %lld\n", k->upper, (long long)k->k->scratch_bytes);
  atr_text_printf(text, "#define %s_SCRATCH_ALIGNMENT %d /* of all blocks */\n", k->upper, ATR_SCRATCH_ALIGNMENT);
  if (k->packs) atr_text_printf(text, "#define %s_PACKED_SIZE %lld\n", k->upper, (long long)k->k->packed_bytes);
  if (h->selftest) atr_text_printf(text, "#define %s_SELFTEST_SIZE %lld\n", k->upper, (long long)k->k->selftest_bytes);
  atr_text_puts(text, "\n");
}

static void print_prototypes(atr_text *text, const kernel *k, const atr_header *h) {
  const char *name = k->k->symbol;
  atr_text_printf(text, "int %s(const void *const *args, void *const *results, void *scratch, const atr_host *host);\n", name);
  if (k->packs)
    atr_text_printf(text,
                    "/* Fills a block of %s_PACKED_SIZE bytes from the arguments that are packed; no others are read. */\n"
                    "int %s_prepack(const void *const *args, void *packed, const atr_host *host);\n",
                    k->upper, name);
  if (h->selftest)
    atr_text_printf(
        text,
        "/* Runs %s and plain loops on small integers in %s_SELFTEST_SIZE bytes of memory: 0, or the number (from 1) of\n"
        " * the first result that differs; -%s_UNSUPPORTED. */\n"
        "int %s_selftest(void *memory, const atr_host *host);\n",
        name, k->upper, k->upper, name);
}

static void print_pointer(atr_text *text, const kernel *k, int i) {
  const array *a = &k->arrays[i];
  atr_text_printf(text, "%s%s *%s /* %s */, ", i < k->parameters ? "const " : "", c_type(a->shape->dtype), a->name,
                  shape_text(text->arena, a->shape));
}

static void print_table(atr_text *text, int entries) {
  atr_text_printf(text, "  const void *args[%d];\n", entries > 0 ? entries : 1);
  if (entries == 0) atr_text_puts(text, "  args[0] = NULL;\n");
}

static void print_call(atr_text *text, const kernel *k) {
  int results = k->count - k->parameters, entries = k->parameters + k->packs;
  atr_text_printf(text, "\nstatic inline int %s_call(", k->k->symbol);
  for (int i = 0; i < k->parameters; i++) print_pointer(text, k, i);
  if (k->packs) atr_text_puts(text, "const void *packed, ");
  for (int i = k->parameters; i < k->count; i++) print_pointer(text, k, i);
  atr_text_puts(text, "void *scratch, const atr_host *host) {\n");
  print_table(text, entries);
  atr_text_printf(text, "  void *results[%d];\n", results > 0 ? results : 1);
  if (results == 0) atr_text_puts(text, "  results[0] = NULL;\n");
  for (int i = 0; i < k->parameters; i++) atr_text_printf(text, "  args[%d] = %s;\n", i, k->arrays[i].name);
  if (k->packs) atr_text_printf(text, "  args[%d] = packed;\n", k->parameters);
  for (int i = k->parameters; i < k->count; i++)
    atr_text_printf(text, "  results[%d] = %s;\n", i - k->parameters, k->arrays[i].name);
  atr_text_printf(text, "  return %s(args, results, scratch, host);\n}\n", k->k->symbol);
}

static void print_prepack_call(atr_text *text, const kernel *k) {
  atr_text_printf(text, "\nstatic inline int %s_prepack_call(", k->k->symbol);
  for (int i = 0; i < k->parameters; i++)
    if (is_constant(k, i)) print_pointer(text, k, i);
  atr_text_puts(text, "void *packed, const atr_host *host) {\n");
  print_table(text, k->parameters);
  for (int i = 0; i < k->parameters; i++)
    atr_text_printf(text, "  args[%d] = %s;\n", i, is_constant(k, i) ? k->arrays[i].name : "NULL");
  atr_text_printf(text, "  return %s_prepack(args, packed, host);\n}\n", k->k->symbol);
}

void atr_header_print(atr_text *text, const atr_header *h) {
  kernel first = describe(text->arena, &h->kernels[0]);
  print_head(text, h);
  print_use(text, &first);
  atr_text_printf(text, " */\n#ifndef ATROUS_OBJECT_%s_H\n#define ATROUS_OBJECT_%s_H\n\n", first.upper, first.upper);
  atr_text_printf(text, "#include <stddef.h>\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n%s", HOST);
  for (int i = 0; i < h->count; i++) {
    kernel k = describe(text->arena, &h->kernels[i]);
    print_interface(text, &k, h);
    print_constants(text, &k, h);
    print_prototypes(text, &k, h);
    print_call(text, &k);
    if (k.packs) print_prepack_call(text, &k);
  }
  atr_text_puts(text, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

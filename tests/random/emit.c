/* emit.c - see emit.h. */
#include "emit.h"

#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "ir/ir.h"

static FILE *open_file(const emission *e, const char *name) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s", e->folder, name);
  return fopen(path, "wb");
}

bool emission_open(emission *e) {
  e->table = open_file(e, "table.c");
  e->data = open_file(e, "data.bin");
  if (e->table == NULL || e->data == NULL) return false;
  fputs("#include \"guest.h\"\n", e->table);
  return true;
}

/* The table follows the declarations, which were written kernel by kernel. */
bool emission_close(emission *e) {
  fputs("const guest_kernel guest_kernels[] = {\n", e->table);
  for (int k = 0; k < e->kernels; k++) fprintf(e->table, "  {k%d, K%d_PREPACK},\n", k, k);
  fprintf(e->table, "  {0, 0}};\nconst int guest_kernel_count = %d;\n", e->kernels);
  fputs("GUEST_DATA(\"data.bin\")\n", e->table);
  bool ok = ferror(e->table) == 0 && ferror(e->data) == 0;
  ok = fclose(e->table) == 0 && ok;
  return fclose(e->data) == 0 && ok;
}

/* Bytes that the program states at its head: "  scratch N". */
static int64_t stated(const char *nests, const char *what) {
  char line[32];
  snprintf(line, sizeof line, "\n  %s ", what);
  const char *at = strstr(nests, line);
  return at != NULL ? strtoll(at + strlen(line), NULL, 10) : 0;
}

static void write_array(FILE *f, const atr_shape *shape, const bound *b, const void *data) {
  static const char zeros[8];
  size_t size = (size_t)atr_shape_bytes(shape);
  guest_array a = {.dtype = shape->dtype, .elements = atr_shape_elements(shape)};
  if (b != NULL) a.known = b->known, a.absolute = b->absolute, a.relative = b->relative, a.ceiling = b->ceiling;
  fwrite(&a, sizeof a, 1, f);
  fwrite(data, 1, size, f);
  fwrite(zeros, 1, -size % 8, f);
}

static void write_record(emission *e, const emit_problem *p, bool random_schedule, const char *nests) {
  const atr_module *m = p->module;
  guest_head head = {p->number,          random_schedule, stated(nests, "scratch"), stated(nests, "packed"),
                     m->parameter_count, m->result_count};
  fwrite(&head, sizeof head, 1, e->data);
  for (int i = 0; i < m->parameter_count; i++) write_array(e->data, atr_module_parameter_shape(m, i), NULL, p->args[i].data);
  for (int i = 0; i < m->result_count; i++) {
    atr_id id = m->results[i];
    write_array(e->data, &atr_inst_at(m, id)->shape, &p->bounds[id], p->values[id]);
  }
  int k = e->kernels;
  fprintf(e->table, "int k%d(const void *const *, void *const *, void *, const atr_host *);\n", k);
  if (head.packed > 0)
    fprintf(e->table, "int k%d_prepack(const void *const *, void *, const atr_host *);\n#define K%d_PREPACK k%d_prepack\n", k,
            k, k);
  else fprintf(e->table, "#define K%d_PREPACK 0\n", k);
}

atr_status emit_kernel(emission *e, const emit_problem *p, const atr_compile_options *options) {
  char name[32], *nests = NULL, *object = NULL;
  size_t nests_len, len;
  atr_compile_options mine = *options;
  snprintf(name, sizeof name, "k%d", e->kernels);
  mine.name = name;
  atr_status status = atr_emit(p->context, p->module, &mine, ATR_EMIT_OBJ, &object, &len);
  if (status == ATR_OK) status = atr_emit(p->context, p->module, &mine, ATR_EMIT_NEST, &nests, &nests_len);
  if (status == ATR_OK) {
    snprintf(name, sizeof name, "k%d.o", e->kernels);
    FILE *file = open_file(e, name);
    if (file != NULL) {
      fwrite(object, 1, len, file);
      fclose(file);
    }
    write_record(e, p, options->schedule != NULL, nests);
    e->kernels++;
  }
  atr_string_free(p->context, object);
  atr_string_free(p->context, nests);
  return status;
}

/* arrays.c - the arguments and results of a module as files (job.h): .npy and .npz in, either out.
 *
 *     x.npy data.npz -> parameter 0 from x.npy, parameters 1, 2, ... from data.npz's entries */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "job.h"
#include "npz.h"

tool_exit arrays_make(arrays *a, const job *j, bool of_results) {
  int32_t count = of_results ? atr_module_result_count(j->module) : atr_module_parameter_count(j->module);
  *a = (arrays){.count = count};
  a->shapes = calloc((size_t)count + 1, sizeof *a->shapes);
  a->data = calloc((size_t)count + 1, sizeof *a->data);
  if (a->shapes == NULL || a->data == NULL) return report_out_of_memory();
  for (int32_t i = 0; i < count; i++) {
    a->shapes[i] = of_results ? atr_module_result_shape(j->module, i) : atr_module_parameter_shape(j->module, i);
    size_t size = (size_t)atr_shape_bytes(a->shapes[i]);
    if (posix_memalign(&a->data[i], 64, size != 0 ? size : 1) != 0) return report_out_of_memory();
    /* Results start as NaN and -1, so that an element that is never stored does not pass for a zero. */
    memset(a->data[i], of_results ? 0xff : 0, size);
  }
  return TOOL_DONE;
}

void arrays_fini(arrays *a) {
  for (int32_t i = 0; a->data != NULL && i < a->count; i++) free(a->data[i]);
  free(a->data);
  free(a->shapes);
  *a = (arrays){.count = 0};
}

void arrays_random(arrays *a, int32_t first, uint64_t seed, random_fill fill) {
  for (int32_t i = first; i < a->count; i++) random_array(seed, i, fill, a->shapes[i], a->data[i]);
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* The next parameter from one .npy file's bytes; `entry` is its name in an archive or NULL. */
static tool_exit read_next(arrays *a, const char *path, const char *entry, const unsigned char *bytes, size_t len,
                           int32_t *filled) {
  npy_error error;
  char wanted[128], place[NPZ_NAME_MAX + 16] = "";
  if (entry != NULL) snprintf(place, sizeof place, "entry '%s': ", entry);
  if (*filled == a->count) return job_fail(path, "%sthe module has only %d parameters", place, a->count);
  if (!npy_array_read(bytes, len, a->shapes[*filled], a->data[*filled], &error)) {
    npy_shape_text(a->shapes[*filled], wanted, sizeof wanted);
    return job_fail(path, "%s%s (parameter %d is %s)", place, error.text, *filled, wanted);
  }
  ++*filled;
  return TOOL_DONE;
}

static tool_exit read_archive(arrays *a, const char *path, const unsigned char *bytes, size_t len, int32_t *filled) {
  npz_archive archive;
  npy_error error;
  tool_exit code = npz_read(bytes, len, &archive, &error) ? TOOL_DONE : job_fail(path, "%s", error.text);
  for (int i = 0; code == TOOL_DONE && i < archive.count; i++) {
    const npz_entry *entry = &archive.entries[i];
    unsigned char *data;
    if (!npz_entry_read(bytes, entry, &data, &error)) {
      code = job_fail(path, "%s", error.text);
    } else {
      code = read_next(a, path, entry->name, data, (size_t)entry->len, filled);
      free(data);
    }
  }
  npz_fini(&archive);
  return code;
}

tool_exit arrays_read(arrays *a, const char *const *files, int file_count, int32_t *filled) {
  *filled = 0;
  for (int i = 0; i < file_count; i++) {
    unsigned char *bytes;
    size_t len;
    tool_exit code = file_read(files[i], &bytes, &len);
    if (code != TOOL_DONE) return code;
    const char *path = strcmp(files[i], "-") == 0 ? "<stdin>" : files[i];
    code = npz_is_file(bytes, len) ? read_archive(a, path, bytes, len, filled) : read_next(a, path, NULL, bytes, len, filled);
    free(bytes);
    if (code != TOOL_DONE) return code;
  }
  return TOOL_DONE;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static bool is_archive(const char *path) {
  size_t len = strlen(path);
  return len > 4 && strcmp(path + len - 4, ".npz") == 0;
}

/* The whole .npy file of one result; free() it. */
static unsigned char *npy_bytes(const atr_shape *shape, const void *data, size_t *len) {
  char header[NPY_HEADER_MAX];
  size_t header_len = npy_header_write(shape, header), size = (size_t)atr_shape_bytes(shape);
  unsigned char *bytes = malloc(header_len + size);
  if (bytes == NULL) return NULL;
  memcpy(bytes, header, header_len);
  npy_elements_write(shape, data, bytes + header_len);
  *len = header_len + size;
  return bytes;
}

static tool_exit write_array(output *out, const atr_shape *shape, const void *data) {
  size_t len;
  unsigned char *bytes = npy_bytes(shape, data, &len);
  if (bytes == NULL) return report_out_of_memory();
  tool_exit code = output_write(out, bytes, len);
  free(bytes);
  return code;
}

static tool_exit write_entry(output *out, const arrays *a, int32_t i, npz_written *entry) {
  unsigned char local[NPZ_LOCAL_MAX];
  size_t len;
  unsigned char *bytes = npy_bytes(a->shapes[i], a->data[i], &len);
  if (bytes == NULL) return report_out_of_memory();
  entry->len = len;
  entry->crc = npz_crc(0, bytes, len);
  size_t local_len = npz_write_local(entry, i, local);
  tool_exit code = output_write(out, local, local_len);
  if (code == TOOL_DONE) code = output_write(out, bytes, len);
  entry[1].offset = entry->offset + local_len + len;
  free(bytes);
  return code;
}

static tool_exit write_archive(output *out, const arrays *a) {
  uint64_t total = 0;
  for (int32_t i = 0; i < a->count; i++) total += (uint64_t)atr_shape_bytes(a->shapes[i]) + NPY_HEADER_MAX + 2 * NPZ_LOCAL_MAX;
  if (total > NPZ_WRITE_LIMIT || a->count > 65534) {
    fprintf(stderr, "%s: error: the results do not fit a zip archive of 4 GiB; write .npy files\n", out->path);
    return TOOL_MACHINE;
  }
  npz_written *entries = calloc((size_t)a->count + 1, sizeof *entries);
  unsigned char *directory = malloc((size_t)NPZ_LOCAL_MAX * ((size_t)a->count + 1));
  tool_exit code = entries != NULL && directory != NULL ? TOOL_DONE : report_out_of_memory();
  for (int32_t i = 0; code == TOOL_DONE && i < a->count; i++) code = write_entry(out, a, i, &entries[i]);
  if (code == TOOL_DONE) {
    size_t len = npz_write_directory(entries, a->count, entries[a->count].offset, directory);
    code = output_write(out, directory, len);
  }
  free(entries);
  free(directory);
  return code;
}

/* Opens, fills and synchronizes file `i`; *next is the next result without a file. */
static tool_exit stage(output *out, const arrays *a, const char *path, int32_t *next) {
  tool_exit code = output_open(out, path);
  if (code != TOOL_DONE) return code;
  if (is_archive(path)) code = write_archive(out, a);
  else code = write_array(out, a->shapes[*next], a->data[*next]);
  if (!is_archive(path)) ++*next;
  return code == TOOL_DONE ? output_sync(out) : code;
}

tool_exit arrays_write(const arrays *a, const args *parsed) {
  output *outputs = calloc((size_t)parsed->output_count + 1, sizeof *outputs);
  if (outputs == NULL) return report_out_of_memory();
  tool_exit code = TOOL_DONE;
  int opened = 0;
  int32_t next = 0;
  while (code == TOOL_DONE && opened < parsed->output_count) {
    code = stage(&outputs[opened], a, parsed->outputs[opened], &next);
    opened++;
  }
  for (int i = 0; code == TOOL_DONE && i < opened; i++) code = output_rename(&outputs[i]);
  for (int i = 0; i < opened; i++) output_abandon(&outputs[i]);
  free(outputs);
  return code;
}

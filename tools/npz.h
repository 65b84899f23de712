/* npz.h - several .npy files in one zip archive, as numpy.savez writes and numpy.savez_compressed too.
 *
 * In: the archive's bytes. Out: its entries in the order of the parameters: by number when all are called arr_K (the
 * names of unnamed arrays), else as they stand in the archive. Out again: an archive of stored entries arr_0.npy, arr_1.npy.
 *
 * Both stored and deflated entries are read (deflated ones where the tool was built with zlib, else they are refused by name);
 * zip64 as well. Each entry's length and CRC-32 must be right. */
#ifndef TOOLS_NPZ_H
#define TOOLS_NPZ_H

#include "npy.h"

enum { NPZ_NAME_MAX = 64 };

typedef struct npz_entry {
  char name[NPZ_NAME_MAX]; /* without ".npy"; long names are cut */
  unsigned method;         /* 0 stored, 8 deflated */
  uint32_t crc;
  uint64_t offset, packed_len, len; /* of the data in the archive */
} npz_entry;

typedef struct npz_archive {
  npz_entry *entries; /* malloc'ed */
  int count;
} npz_archive;

bool npz_is_file(const unsigned char *bytes, size_t len);
/* Reads the directory and checks that every entry lies inside the archive. The result keeps no pointer to `bytes`. */
bool npz_read(const unsigned char *bytes, size_t len, npz_archive *out, npy_error *error);
void npz_fini(npz_archive *archive);
/* An entry's bytes, an .npy file; free() them. */
bool npz_entry_read(const unsigned char *bytes, const npz_entry *entry, unsigned char **out, npy_error *error);

/* What stands before and after the data of entry `index` when written: call npz_write_local before each entry's .npy bytes and
 * npz_write_directory after the last. Both return the length; the caller sums the offsets. */
enum { NPZ_LOCAL_MAX = 128 };
typedef struct npz_written {
  uint64_t offset, len; /* of the local header; of the .npy file */
  uint32_t crc;
} npz_written;
size_t npz_write_local(const npz_written *entry, int index, unsigned char out[NPZ_LOCAL_MAX]);
/* `out` has NPZ_LOCAL_MAX * (count + 1) bytes; `offset` is where the directory starts. */
size_t npz_write_directory(const npz_written *entries, int count, uint64_t offset, unsigned char *out);
/* The largest archive that can be written: zip's 32-bit fields, without zip64. */
#define NPZ_WRITE_LIMIT UINT64_C(0xfffffff0)

/* CRC-32 (ISO 3309, as zip uses it) of more bytes after those that gave `crc`; 0 to begin. */
uint32_t npz_crc(uint32_t crc, const void *bytes, size_t len);

#endif

/* npz.c - see npz.h. Of the zip format (APPNOTE 6.3) this takes what matters here: the end record is searched from the back,
 * the central directory states the entries, and a local header is read only to learn where its data starts. Every offset is
 * checked against the archive before it is followed. */
#include "npz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

enum {
  LOCAL_SIZE = 30, CENTRAL_SIZE = 46, END_SIZE = 22, LOCATOR64_SIZE = 20, END64_SIZE = 56, /* fixed parts of the records */
  METHOD_STORED = 0, METHOD_DEFLATED = 8, EXTRA_ZIP64 = 1, FLAG_ENCRYPTED = 1
};
#define MAGIC_LOCAL 0x04034b50u
#define MAGIC_CENTRAL 0x02014b50u
#define MAGIC_END 0x06054b50u
#define MAGIC_LOCATOR64 0x07064b50u
#define MAGIC_END64 0x06064b50u
#define UNKNOWN32 0xffffffffu

static unsigned get16(const unsigned char *p) { return p[0] | (unsigned)p[1] << 8; }
static uint32_t get32(const unsigned char *p) { return get16(p) | (uint32_t)get16(p + 2) << 16; }
static uint64_t get64(const unsigned char *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

/* True when `size` bytes at `offset` lie in an archive of `len`. */
static bool inside(uint64_t offset, uint64_t size, size_t len) { return offset <= len && size <= len - offset; }

uint32_t npz_crc(uint32_t crc, const void *bytes, size_t len) {
  const unsigned char *p = bytes;
  uint32_t table[256];
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; bit++) c = (c & 1) != 0 ? c >> 1 ^ 0xedb88320u : c >> 1;
    table[i] = c;
  }
  crc = ~crc;
  for (size_t i = 0; i < len; i++) crc = crc >> 8 ^ table[(crc ^ p[i]) & 0xff];
  return ~crc;
}

/* ---- reading ----------------------------------------------------------------------------------- */

typedef struct directory {
  uint64_t offset, count;
} directory;

/* The zip64 end record, where a 32-bit field of the plain one was too small. */
static bool read_end64(const unsigned char *bytes, size_t len, size_t end, directory *out) {
  if (end < LOCATOR64_SIZE || get32(bytes + end - LOCATOR64_SIZE) != MAGIC_LOCATOR64) return false;
  uint64_t at = get64(bytes + end - LOCATOR64_SIZE + 8);
  if (!inside(at, END64_SIZE, len) || get32(bytes + at) != MAGIC_END64) return false;
  out->count = get64(bytes + at + 32);
  out->offset = get64(bytes + at + 48);
  return true;
}

/* Finds the end record, which a comment of up to 65535 bytes may follow. */
static bool read_end(const unsigned char *bytes, size_t len, directory *out, npy_error *error) {
  for (size_t back = END_SIZE; back <= len && back <= END_SIZE + 65535; back++) {
    const unsigned char *p = bytes + len - back;
    if (get32(p) != MAGIC_END || get16(p + 20) != back - END_SIZE) continue;
    out->count = get16(p + 10);
    out->offset = get32(p + 16);
    if (out->count != 0xffff && out->offset != UNKNOWN32) return true;
    return read_end64(bytes, len, len - back, out) ? true : npy_fail(error, "the zip64 end record is broken");
  }
  return npy_fail(error, "the archive is truncated: no end record");
}

/* The zip64 extra field holds, in this order, those of length, packed length and offset that did not fit. */
static bool read_extra64(const unsigned char *extra, size_t extra_len, npz_entry *entry, uint64_t *local) {
  for (size_t at = 0; at + 4 <= extra_len;) {
    size_t size = get16(extra + at + 2), used = 0;
    if (size > extra_len - at - 4) return false;
    if (get16(extra + at) == EXTRA_ZIP64) {
      uint64_t *fields[3] = {&entry->len, &entry->packed_len, local};
      for (int i = 0; i < 3; i++) {
        if (*fields[i] != UNKNOWN32) continue;
        if (used + 8 > size) return false;
        *fields[i] = get64(extra + at + 4 + used);
        used += 8;
      }
      return true;
    }
    at += 4 + size;
  }
  return entry->len != UNKNOWN32 && entry->packed_len != UNKNOWN32 && *local != UNKNOWN32;
}

static void set_name(npz_entry *entry, const unsigned char *name, size_t len) {
  if (len > 4 && memcmp(name + len - 4, ".npy", 4) == 0) len -= 4;
  if (len >= NPZ_NAME_MAX) len = NPZ_NAME_MAX - 1;
  for (size_t i = 0; i < len; i++) entry->name[i] = name[i] >= ' ' && name[i] <= '~' ? (char)name[i] : '?';
  entry->name[len] = 0;
}

/* One central record at *at, which moves behind it. */
static bool read_entry(const unsigned char *bytes, size_t len, uint64_t *at, npz_entry *entry, npy_error *error) {
  const unsigned char *p = bytes + *at;
  if (!inside(*at, CENTRAL_SIZE, len) || get32(p) != MAGIC_CENTRAL) return npy_fail(error, "the archive's directory is broken");
  size_t name_len = get16(p + 28), extra_len = get16(p + 30), size = CENTRAL_SIZE + name_len + extra_len + get16(p + 32);
  if (!inside(*at, size, len)) return npy_fail(error, "the archive's directory is broken");
  set_name(entry, p + CENTRAL_SIZE, name_len);
  entry->method = get16(p + 10);
  entry->crc = get32(p + 16);
  entry->packed_len = get32(p + 20);
  entry->len = get32(p + 24);
  uint64_t local = get32(p + 42);
  if ((get16(p + 8) & FLAG_ENCRYPTED) != 0) return npy_fail(error, "entry '%s' is encrypted", entry->name);
  if (!read_extra64(p + CENTRAL_SIZE + name_len, extra_len, entry, &local) || !inside(local, LOCAL_SIZE, len) ||
      get32(bytes + local) != MAGIC_LOCAL) {
    return npy_fail(error, "entry '%s' is broken", entry->name);
  }
  entry->offset = local + LOCAL_SIZE + get16(bytes + local + 26) + get16(bytes + local + 28);
  if (!inside(entry->offset, entry->packed_len, len)) return npy_fail(error, "entry '%s' is truncated", entry->name);
  *at += size;
  return true;
}

/* K of "arr_K" when K < count, -1 for other names. */
static int entry_number(const npz_entry *entry, int count) {
  if (strncmp(entry->name, "arr_", 4) != 0) return -1;
  char *end;
  long number = strtol(entry->name + 4, &end, 10);
  return entry->name[4] >= '0' && entry->name[4] <= '9' && *end == 0 && number < count ? (int)number : -1;
}

/* Puts arr_K at place K; leaves the archive's order when a name is other than that or appears twice. */
static bool order_entries(npz_archive *archive) {
  npz_entry *ordered = calloc((size_t)archive->count + 1, sizeof *ordered);
  if (ordered == NULL) return false;
  int placed = 0;
  for (int i = 0; i < archive->count; i++) {
    int number = entry_number(&archive->entries[i], archive->count);
    if (number < 0 || ordered[number].name[0] != 0) break;
    ordered[number] = archive->entries[i];
    placed++;
  }
  if (placed == archive->count) memcpy(archive->entries, ordered, (size_t)placed * sizeof *ordered);
  free(ordered);
  return true;
}

bool npz_is_file(const unsigned char *bytes, size_t len) {
  return len >= 4 && (get32(bytes) == MAGIC_LOCAL || get32(bytes) == MAGIC_END);
}

bool npz_read(const unsigned char *bytes, size_t len, npz_archive *out, npy_error *error) {
  directory dir = {0, 0};
  *out = (npz_archive){NULL, 0};
  if (!npz_is_file(bytes, len)) return npy_fail(error, "not an .npz file");
  if (!read_end(bytes, len, &dir, error)) return false;
  if (dir.count > len / CENTRAL_SIZE || dir.count > 65536) return npy_fail(error, "the archive's directory is broken");
  out->entries = calloc((size_t)dir.count + 1, sizeof *out->entries);
  if (out->entries == NULL) return npy_fail(error, "out of memory");
  uint64_t at = dir.offset;
  for (; out->count < (int)dir.count; out->count++) {
    if (!inside(at, 0, len)) return npy_fail(error, "the archive's directory is broken");
    if (!read_entry(bytes, len, &at, &out->entries[out->count], error)) return false;
  }
  return order_entries(out) ? true : npy_fail(error, "out of memory");
}

void npz_fini(npz_archive *archive) {
  free(archive->entries);
  *archive = (npz_archive){NULL, 0};
}

#ifdef HAVE_ZLIB
/* Inflates in steps, as zlib's counters have 32 bits; exactly entry->len bytes must come out. */
static bool inflate_entry(const unsigned char *from, const npz_entry *entry, unsigned char *to) {
  z_stream stream = {.next_in = (unsigned char *)(uintptr_t)from, .next_out = to};
  uint64_t in_left = entry->packed_len, out_left = entry->len;
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;
  int status = Z_OK;
  while (status == Z_OK) {
    uInt in = in_left < 1u << 30 ? (uInt)in_left : 1u << 30, out = out_left < 1u << 30 ? (uInt)out_left : 1u << 30;
    stream.avail_in = in, stream.avail_out = out;
    status = inflate(&stream, Z_NO_FLUSH);
    in_left -= in - stream.avail_in;
    out_left -= out - stream.avail_out;
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END && out_left == 0;
}
#else
static bool inflate_entry(const unsigned char *from, const npz_entry *entry, unsigned char *to) {
  (void)from, (void)entry, (void)to;
  return false;
}
#endif

bool npz_entry_read(const unsigned char *bytes, const npz_entry *entry, unsigned char **out, npy_error *error) {
#ifndef HAVE_ZLIB
  if (entry->method == METHOD_DEFLATED) {
    return npy_fail(error, "entry '%s' is compressed and this tool was built without zlib; use numpy.savez", entry->name);
  }
#endif
  if (entry->method != METHOD_STORED && entry->method != METHOD_DEFLATED) {
    return npy_fail(error, "entry '%s' is compressed by method %u, which is not supported", entry->name, entry->method);
  }
  /* Deflate gains at most a factor of 1032: a larger claim is a lie, and must not become an allocation. */
  bool stored = entry->method == METHOD_STORED;
  if (stored ? entry->len != entry->packed_len : entry->len / 1032 > entry->packed_len) {
    return npy_fail(error, "entry '%s' states a wrong length", entry->name);
  }
  unsigned char *data = malloc((size_t)entry->len + 1);
  if (data == NULL) return npy_fail(error, "out of memory");
  bool right = true;
  if (stored) memcpy(data, bytes + entry->offset, (size_t)entry->len);
  else right = inflate_entry(bytes + entry->offset, entry, data);
  if (!right || npz_crc(0, data, (size_t)entry->len) != entry->crc) {
    free(data);
    return npy_fail(error, "entry '%s' is damaged", entry->name);
  }
  *out = data;
  return true;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static unsigned char *put16(unsigned char *p, unsigned value) {
  p[0] = (unsigned char)value, p[1] = (unsigned char)(value >> 8);
  return p + 2;
}
static unsigned char *put32(unsigned char *p, uint64_t value) {
  return put16(put16(p, (unsigned)(value & 0xffff)), (unsigned)(value >> 16 & 0xffff));
}

/* What local and central records share: version needed 2.0, no flags, stored, 1980-01-01 00:00, CRC, lengths, name's length. */
static unsigned char *put_common(unsigned char *p, const npz_written *entry, size_t name_len) {
  p = put16(put16(put16(put16(put16(p, 20), 0), METHOD_STORED), 0), 33);
  p = put32(put32(put32(p, entry->crc), entry->len), entry->len);
  return put16(put16(p, (unsigned)name_len), 0);
}

size_t npz_write_local(const npz_written *entry, int index, unsigned char out[NPZ_LOCAL_MAX]) {
  char name[32];
  size_t name_len = (size_t)snprintf(name, sizeof name, "arr_%d.npy", index);
  unsigned char *p = put_common(put32(out, MAGIC_LOCAL), entry, name_len);
  memcpy(p, name, name_len);
  return (size_t)(p - out) + name_len;
}

size_t npz_write_directory(const npz_written *entries, int count, uint64_t offset, unsigned char *out) {
  unsigned char *p = out;
  for (int i = 0; i < count; i++) {
    char name[32];
    size_t name_len = (size_t)snprintf(name, sizeof name, "arr_%d.npy", i);
    p = put_common(put16(put32(p, MAGIC_CENTRAL), 20), &entries[i], name_len);
    p = put16(put16(put16(p, 0), 0), 0); /* no comment, disk 0, no internal attributes */
    p = put32(put32(p, 0), entries[i].offset);
    memcpy(p, name, name_len);
    p += name_len;
  }
  size_t size = (size_t)(p - out);
  p = put16(put16(put32(p, MAGIC_END), 0), 0);
  p = put16(put16(p, (unsigned)count), (unsigned)count);
  p = put16(put32(put32(p, size), offset), 0);
  return (size_t)(p - out);
}

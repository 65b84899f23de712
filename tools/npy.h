/* npy.h - NumPy's array files, format versions 1.0, 2.0 and 3.0.
 *
 * In: a file's bytes and the shape that a parameter wants. Out: the array in that shape's layout, or a message. The dtype and
 * extents must be the parameter's; C and Fortran order and both byte orders are read. Out again: a version 1.0 file in C order.
 *
 *     "\x93NUMPY" 1 0  u16 length  "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n"  elements
 *
 * NumPy has no bf16 and no fp8: they are written as u2 and u1, their bits, and read from u2 and u1 or from what ml_dtypes
 * writes (V2; V1 or f1). */
#ifndef TOOLS_NPY_H
#define TOOLS_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atrous/atrous.h"

enum { NPY_MAX_RANK = 32, NPY_HEADER_MAX = 512 };

typedef struct npy_error {
  char text[256];
} npy_error;

/* Sets the message; always false, for `return npy_fail(...)`. */
bool npy_fail(npy_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a header says. */
typedef struct npy_header {
  char descr[16];     /* "<f4" */
  char byte_order;    /* '<', '>' or '|' */
  char kind;          /* b i u f c V */
  int64_t item_size;  /* bytes */
  bool fortran_order;
  int rank;
  int64_t dims[NPY_MAX_RANK];
  int64_t elements;   /* the product of dims; elements * item_size fits int64 */
  size_t data_offset; /* of the first element in the file */
} npy_header;

/* True when the bytes start as an .npy file does. */
bool npy_is_file(const unsigned char *bytes, size_t len);
bool npy_header_read(const unsigned char *bytes, size_t len, npy_header *out, npy_error *error);
/* Fills `out` (atr_shape_bytes(want), in want's layout). Nothing is written there unless the file is right. */
bool npy_array_read(const unsigned char *bytes, size_t len, const atr_shape *want, void *out, npy_error *error);

/* Writes the header of an array of this shape and returns its length, a multiple of 64; the elements follow in C order. */
size_t npy_header_write(const atr_shape *shape, char out[NPY_HEADER_MAX]);
/* Puts elements from the shape's layout into C order. */
void npy_elements_write(const atr_shape *shape, const void *elements, void *out);

/* "f32[2,3]" for messages. */
void npy_shape_text(const atr_shape *shape, char *out, size_t size);

#endif

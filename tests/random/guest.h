/* guest.h - what random_problems --emit writes and the guest program reads.
 *
 * In a folder: k0.o, k1.o, ... with kernels for another machine; table.c with a table of them; data.bin, which table.c includes
 * as it is, with one record for each kernel: a head, then its arrays, parameters before results:
 *
 *     guest_head | guest_array, data | guest_array, data | ...         every part padded to 8 bytes
 *
 * Data of a result is what the interpreter has computed. Both machines must be little-endian, with floats as
 * IEEE 754 has them. */
#ifndef TESTS_RANDOM_GUEST_H
#define TESTS_RANDOM_GUEST_H

#include <stdint.h>

#include "atrous/atrous.h"
#include "bound.h"

typedef struct guest_head {
  int64_t problem, random_schedule; /* for the report */
  int64_t scratch, packed;          /* bytes */
  int64_t parameters, results;
} guest_head;

typedef struct guest_array {
  int64_t dtype, elements;
  int64_t known; /* a result's bound */
  double absolute, relative, ceiling;
} guest_array;

typedef struct guest_kernel {
  int (*run)(const void *const *args, void *const *results, void *scratch, const atr_host *host);
  int (*prepack)(const void *const *args, void *packed, const atr_host *host); /* NULL: nothing is packed */
} guest_kernel;

/* Defines guest_data as what is in a file. */
#ifdef __wasm__
#define GUEST_SECTION ".section .rodata.guest,\"\",@\n.type guest_data,@object\n.p2align 6\n"
#define GUEST_END ".size guest_data, . - guest_data\n"
#else
#define GUEST_SECTION ".section .rodata\n.balign 64\n"
#define GUEST_END ".previous\n"
#endif
#define GUEST_DATA(file) __asm__(GUEST_SECTION ".globl guest_data\nguest_data:\n.incbin \"" file "\"\n" GUEST_END);

extern const guest_kernel guest_kernels[];
extern const int guest_kernel_count;
extern const char guest_data[];

#endif

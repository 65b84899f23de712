/* header.h - the C header of an ahead-of-time object.
 *
 * In: a plain description of the object's functions. Out: text for C99 and C++11: sizes, prototypes, typed calls, and as comments the
 * arrays with their shapes and layouts, the module, and a use. */
#ifndef ATR_CODEGEN_HEADER_H
#define ATR_CODEGEN_HEADER_H

#include "ir/ir.h"

typedef struct atr_header_kernel {
  const char *symbol;
  const atr_module *module;
  uint64_t constant_parameters; /* those that NAME_prepack reads */
  int64_t scratch_bytes, packed_bytes, selftest_bytes;
} atr_header_kernel;

typedef struct atr_header {
  const atr_header_kernel *kernels;
  int count; /* at least 1 */
  const char *triple;
  const char *const *cpus;
  int cpu_count;
  const char *cpu_variable; /* NULL: none */
  bool selftest;
} atr_header;

void atr_header_print(atr_text *text, const atr_header *header);

/* Has C, C++ or the part of the C library that objects use this name? */
bool atr_header_is_taken(const char *name);

/* Do the names that two functions make, their own and those with suffixes, meet? Case does not count, because macros are upper case. */
bool atr_header_names_collide(const char *a, const char *b);

#endif

/* cpu_level.h - what code for a CPU asks of a machine, so that it can be tested there.
 *
 * In: a target of x86-64 that was selected by a CPU's name. Out: the psABI level that holds its row (x86-64, -v2, -v3, -v4), the
 * features beyond it that the row's code uses, and the bits of cpuid and xgetbv that say so. Code is made for exactly these and only
 * tuned for the named CPU, so the test is exact. */
#ifndef ATR_CODEGEN_CPU_LEVEL_H
#define ATR_CODEGEN_CPU_LEVEL_H

#include "lower/target.h"

/* Words of a machine that are looked at: cpuid's leaves and registers, and xgetbv's low half. ORDER: llvm_dispatch.c */
enum { ATR_WORD_1_ECX, ATR_WORD_7_EBX, ATR_WORD_7_ECX, ATR_WORD_7_EDX, ATR_WORD_7_1_EAX, ATR_WORD_EXT_1_ECX, ATR_WORD_XCR0, ATR_WORD_COUNT };

typedef struct atr_cpu_level {
  const char *cpu, *features; /* for LLVM */
  uint32_t need[ATR_WORD_COUNT];
  int rank; /* larger is better */
} atr_cpu_level;

/* Fails for other architectures, and for features that cannot be tested. */
ATR_CHECK_RESULT atr_status atr_cpu_level_of(atr_work *work, const atr_target *target, atr_cpu_level *out);

#endif

/* target.h - a CPU as a row of data: what lowering and code generation need to know about it.
 *
 * In: an LLVM CPU name and a feature string. Out: the row. A new vector extension is a new row, never a new file. */
#ifndef ATR_LOWER_TARGET_H
#define ATR_LOWER_TARGET_H

#include <stdbool.h>

#include "base/diag.h"
#include "base/dtype.h"
#include "base/text.h"

enum { ATR_CACHE_LEVELS = 3, ATR_CACHE_LINE = 64 /* bytes, of every CPU of the table, or nearly */ };

/* What bringing data to the tiles takes, in cycles. Of arrays by cache the nearest is first. */
typedef struct atr_caches {
  double bytes[ATR_CACHE_LEVELS];
  double room[ATR_CACHE_LEVELS];        /* part of each that loops may count on: pages lie in its sets by chance */
  double line_cycles[ATR_CACHE_LEVELS]; /* to bring in one line of 64 bytes from behind it */
  double exposed
      [ATR_CACHE_LEVELS]; /* part of these that does not hide behind a longer time: for the nearest, behind that of the tiles */
  /* Streams are fetched ahead. How many times longer than those of a packed array lines take from behind the nearest cache that lie in rows,
   * those that are alone and the next tile goes on from, and others that are; lines of short runs from behind the other caches; and from
   * there single ones in long steps. */
  double near_rows, near_next, near_alone, short_runs, lines_alone;
  /* Cycles for each instruction of a step whose lines from behind the second cache nothing fetches ahead: those until one arrives, by the
   * instructions at work at once. 0: not seen to matter. */
  double wait_cycles;
  /* Cycles more for each line of results that go to memory in rows half as long as those that do at full speed. 0 likewise. */
  double store_cycles;
  bool prefetches; /* lines of results come from memory sooner where they are asked for ahead of their stores */
  int streams; /* rows of the result, written longer and longer, from which on lines of several come at once, in half the time */
  double start_lines;                  /* that the beginning of a shorter one takes as long as */
  double tlb_pages[2], page_cycles[2]; /* as bytes and line_cycles, of translations of pages of 4096 bytes */
} atr_caches;

typedef struct atr_target_row {
  const char *name;
  const char *arch; /* name of an architecture (target.c); "" any other */
  int vector_bits;
  int registers;        /* vector registers */
  double fma_per_cycle; /* vector fused multiply-adds (or multiply and add pairs) started per cycle */
  double loads_per_cycle, shuffles_per_cycle;
  double loads_exposed; /* part of a step's loads that does not hide behind its products */
  double convert_share; /* cycles that an instruction of a float conversion takes from the multipliers */
  int fma_latency;      /* cycles */
  double
      ends_exposed; /* part of the shorter of a tile's products and its beginning and end that does not hide behind the longer */
  bool fma;         /* has a fused multiply-add; without it a multiply and an add are emitted */
  bool f16_convert;  /* converts f16 in hardware */
  bool masked_loads; /* loads some lanes of 32 or 64 bits in one instruction */
  bool rounds;       /* floats to whole numbers, halves to even, in one instruction */
  const atr_caches *caches;
  const char *asks;     /* LLVM features that the row needs beyond its architecture's base line, as "avx2,fma" */
  bool s16_dot;         /* multiplies pairs of 16-bit integers and adds the two products */
  bool s8_dot;          /* some of its CPUs multiply fours of 8-bit integers */
  const char *bf16_dot; /* feature that brings products of pairs of bf16; "": there is none */
  bool flushes;         /* vectors take and give subnormal f32 numbers as zero */
  bool masks;           /* has registers of masks, by which any instruction leaves lanes as they were */
  bool logic_apart;     /* and, or and the like on ports that do not multiply */
} atr_target_row;

typedef struct atr_target {
  const atr_target_row *row;
  int address_bits, integer_bits;      /* of pointers, and of the widest integers that it divides and converts; 0: 64 */
  bool lacks_division;                 /* of integers of any size */
  bool vnni;                           /* multiplies pairs of 16-bit integers and adds them to 32-bit sums in one instruction */
  bool s8_dot;                         /* and fours of unsigned by signed 8-bit integers */
  bool bf16_dot;                       /* and pairs of bf16, adding them to f32 sums */
  double near_bytes[2];                /* of the CPU's first and second cache; 0: as the row says */
  const char *triple, *cpu, *features; /* as handed to LLVM */
} atr_target;

/* Elements of this dtype in a vector, at least one. */
int64_t atr_target_lanes(const atr_target *target, atr_dtype dtype);

/* Bytes of the cache of this level, 0 the nearest: the CPU's own where it is known, else its row's. */
double atr_target_cache(const atr_target *target, int level);
/* Those of them that loops may count on. */
double atr_target_room(const atr_target *target, int level);
/* Are products of these two dtypes, summed in acc, the target's products of pairs of 16 bits with one half zero? Instructions that multiply
 * 32 bits take the multipliers twice on Intel: a depthwise layer of 192 channels in s8 took 52 us, not 30. */
bool atr_target_multiplies_halves(const atr_target *target, atr_dtype lhs, atr_dtype rhs, atr_dtype acc);

int atr_target_row_count(void);
const atr_target_row *atr_target_row_at(int i);
/* A triple that the row can be had with. */
const char *atr_target_example(const atr_target_row *row);
/* The CPU that a triple means when none is named: the oldest that is still to be expected. */
const char *atr_target_default_cpu(const char *triple);

/* Chooses the row: by the features where the string names them (a detected host), else by the CPU's name. A CPU that no table
 * knows, or knows as one of another architecture, is ATR_UNSUPPORTED, naming it. A feature without a sign is
 * ATR_INVALID_ARGUMENT. triple, cpu and features must not be NULL and are kept by reference; out->features may have words of ours
 * in front. */
ATR_CHECK_RESULT atr_status atr_target_select(atr_work *work, const char *triple, const char *cpu, const char *features,
                                              atr_target *out);

/* What `atrousc targets` prints: the rows, `selected` marked, and the CPUs of each architecture. has: can code for a triple be had
 * from the LLVM in use? */
void atr_target_print(atr_text *text, const atr_target *selected, bool (*has)(const char *triple));

#endif

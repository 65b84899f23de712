/* schedule.h - how a nest is executed, as data.
 *
 * In: a canonical nest and a target row. Out: an order of loops with a kind and tile sizes, as text
 *
 *     parallel oc oy; loop ox; reduce ky kx ic; unroll ox:6 oc:2; vector oc:8; pack rhs
 *
 * `dot ic:2` behind `vector` takes the last two of a reduced dim in one instruction per lane, for s32 sums of narrow integers and
 * f32 sums of bf16. `widen lhs rhs` in front of `pack` converts operands to the sum's dtype beforehand. `prefetch out` asks for the lines
 * that a tile stores to when it begins, `prefetch lhs` for those that the next tiles read, which the tiles before them share out.
 * In front of all that may stand how the nest is split into parts (parts.h). A dim without a number is its outermost piece, as
 * many iterations as the inner pieces leave; numbers are extents of inner pieces. Every order of one dim's pieces is from the
 * outside in. A dim that is not mentioned gets its outermost piece in the first place that its kind allows. Two sources: the cost
 * model (atr_schedule_choose; atr_schedule_rank for those that are measured) and a person (atr_schedule_read). */
#ifndef ATR_LOWER_SCHEDULE_H
#define ATR_LOWER_SCHEDULE_H

#include "lower/nest.h"
#include "lower/target.h"

typedef struct atr_piece {
  int dim;
  atr_dim_kind kind;
  int64_t extent; /* 0: what the others leave */
} atr_piece;

typedef struct atr_schedule {
  atr_piece pieces[ATR_MAX_DIMS];
  int count;
  bool widen_lhs, widen_rhs; /* converted to the sum's dtype beforehand; rhs while it is packed */
  bool pack_rhs;
  bool prefetch_lhs, prefetch_out; /* lines of the next tiles' lhs are asked for; of the result, when a tile begins */
} atr_schedule;

enum {
  ATR_MAX_UNROLL = 1024, /* product of unrolled extents: beyond it code grows past every cache */
  ATR_MAX_LANES = 64     /* product of vector extents */
};

void atr_schedule_print(atr_text *text, const atr_nest *nest, const atr_schedule *schedule);

/* Reads the text above against the nest's dims: work->source from byte `from` on, which errors point into. */
ATR_CHECK_RESULT atr_status atr_schedule_read(atr_work *work, size_t from, const atr_nest *nest, atr_schedule *out);

/* Legality: kinds in order, reduced and independent dims in their places, pairs whose last one is whole or packed, limits.
 * Illegal is ATR_VERIFY_ERROR with the reason; slow is never illegal. ATR_UNSUPPORTED where tiles would step too far or packed
 * weights be too many. */
ATR_CHECK_RESULT atr_status atr_schedule_check(atr_work *work, const atr_nest *nest, const atr_schedule *schedule);

/* schedule_lines.c: the lines of the caller's text. "NEST: schedule" is for the nest of that name, a line without a name for
 * every nest with a sum that has no other. */
typedef struct atr_schedule_line {
  const char *nest; /* NULL: without a name */
  atr_source text;  /* the caller's, to the line's end */
  size_t at, from;  /* bytes where the line begins, and its schedule, behind the name */
  bool taken;       /* by a nest */
} atr_schedule_line;

typedef struct atr_schedule_lines {
  const char *text;
  atr_schedule_line *list; /* blank ones left out */
  int count;
} atr_schedule_lines;

/* Text NULL: there are none. The text is not copied. */
atr_schedule_lines atr_schedule_lines_make(atr_arena *arena, const char *text);
/* The line for a nest; NULL: none. */
const atr_schedule_line *atr_schedule_lines_take(atr_schedule_lines *lines, const atr_nest *nest);
/* ATR_VERIFY_ERROR at the first line that no nest has taken. */
ATR_CHECK_RESULT atr_status atr_schedule_lines_check(atr_work *work, const atr_schedule_lines *lines);

/* tile.c: the scheduled nest: one dim per piece, guards where pieces do not divide their dim. The schedule has been checked. */
atr_nest *atr_nest_tile(atr_arena *arena, const atr_nest *nest, const atr_schedule *schedule);

/* What a nest's schedule is chosen for. */
typedef struct atr_schedule_setting {
  const atr_target *target;
  bool rhs_constant; /* rhs keeps its value between runs, so that packing it is free */
  double nests;      /* products of all nests of its result, of those of this one, or 1: of so many nests like it the code adds up */
  bool rough;        /* an estimate is wanted more than the best schedule: fewer tiles are looked at */
  double limit;      /* cycles from which on a schedule is of no interest; 0: all are */
  int64_t occupied;  /* bytes of ATR_NEST_SCRATCH that are taken already */
  bool alone;        /* no other nest runs in the same parts (atr_program_is_alone) */
  int64_t beside;    /* bytes of other arrays that pass through the caches while it runs (atr_nest_beside) */
} atr_schedule_setting;

/* Bytes of scratch that one nest may add: its packed weights, panel, widened lhs and continued sums. So a plan takes no more than
 * that beside the values that pass from one operation to the next, and any larger limit leaves the choice, and the bits, alone. */
enum { ATR_NEST_SCRATCH = 1 << 20 };

/* pipeline.c. Bit i of constant_parameters: parameter i keeps its value. */
atr_schedule_setting atr_schedule_setting_of(const atr_program *program, const atr_nest *nest, const atr_target *target,
                                             uint64_t constant_parameters);

/* choose.c: the analytic cost model's choice, always legal; *why receives lines of text that give its reasons and estimate. */
void atr_schedule_choose(atr_arena *arena, const atr_nest *nest, const atr_schedule_setting *setting, atr_schedule *out,
                         const char **why);

/* The same and the next best, up to `most` of them, by their estimates; returns how many: with a limit perhaps none. */
typedef struct atr_choice {
  atr_schedule schedule;
  double cycles, apart; /* estimated; what lines that lie far apart may add, which a panel of them can save (parts.h) */
  bool alone;           /* no other nest runs in its parts, nor one that packs its weights */
  const char *why;
} atr_choice;
int atr_schedule_rank(atr_arena *arena, const atr_nest *nest, const atr_schedule_setting *setting, int most, atr_choice *out);

/* pack.c: replaces rhs of a scheduled nest by a buffer laid out in the order in which the nest reads it, in the sum's dtype if
 * `widen`; returns the nest that fills the buffer, canonical and to be scheduled itself, or NULL when rhs is read only once
 * anyway or an earlier nest has filled such a buffer. `constant`: rhs keeps its value between runs. Else a nest in parts has it packed
 * anew for every part that reads others. `all` knows what the program's constant weights were packed to. */
typedef struct atr_packings {
  atr_nest **list; /* as they were made, not scheduled */
  int count, capacity;
} atr_packings;

atr_nest *atr_nest_pack_rhs(atr_arena *arena, atr_program *program, atr_packings *all, atr_nest *nest, bool widen,
                            bool constant);

/* widen.c: lets lhs of a scheduled nest read a buffer with its elements in the sum's dtype; returns the nest that fills the
 * buffer, to be scheduled and added next, or NULL where an earlier nest has done that or nothing is read. `all` knows the
 * program's buffers of this kind. */
typedef struct atr_widening {
  int source, buffer;
  atr_dtype as, to;
  int64_t first, count; /* elements of source */
} atr_widening;

typedef struct atr_widenings {
  atr_widening *list;
  int count, capacity;
} atr_widenings;

atr_nest *atr_nest_widen_lhs(atr_arena *arena, atr_program *program, atr_widenings *all, atr_nest *nest);

/* regions.c: the loop tree, cut so that below every tile each bounds question on unrolled dims has one answer. ATR_UNSUPPORTED
 * when the schedule would need too many parts. */
ATR_CHECK_RESULT atr_status atr_nest_build_tree(atr_work *work, atr_nest *nest);

/* plan.c: offsets of temporaries in scratch (lifetimes that do not overlap share bytes) and of packed buffers; marks nests that
 * depend on constants and constant parameters alone as prepack and moves their outputs to the packed block. */
ATR_CHECK_RESULT atr_status atr_program_plan(atr_work *work, atr_program *program, uint64_t constant_parameters);

/* fold.c, not a pass: packed buffers of a planned program that depend on literals alone become constants, and the nests that fill
 * them go. The same bytes on every machine. */
ATR_CHECK_RESULT atr_status atr_program_fold_literals(atr_work *work, atr_program *program);

#endif

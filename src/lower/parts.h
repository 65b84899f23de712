/* parts.h - a nest in parts that run one after the other, so that what one part works on stays in a cache.
 *
 * As text, in front of a schedule:
 *
 *     part ic:512; lhs ic oy ox; parallel oc; loop oy_ox; ...
 *
 * `part` names dims and how many of their indices one part has. Where one of them is reduced, the sum is continued from part to part
 * in the result, or in a temporary where that is of another dtype. `lhs` copies what a part reads of lhs into a panel first, its
 * dimensions in the order named here, the last one contiguous: the elements of each dim by itself, but the positions of dims that walk
 * the same elements (pixels and taps) once. With a number, `lhs ic oy_ox:16`, a dim's elements are laid out in strips of so many,
 * one behind the other, and a tile that covers a strip walks through memory from its first element to its last; the strips are a dim
 * of their own, `oy_ox.strip`. */
#ifndef ATR_LOWER_PARTS_H
#define ATR_LOWER_PARTS_H

#include "lower/schedule.h"

typedef struct atr_parts {
  int64_t block[ATR_MAX_DIMS]; /* by dim: indices in a part; 0: all of them */
  int lhs[ATR_MAX_DIMS]; /* dims that name the panel's dimensions, from the outside in; those not named come before them */
  int lhs_count;         /* 0: lhs is read where it lies */
  int64_t strip[ATR_MAX_DIMS]; /* by dim: indices in a strip of the panel; 0: all that a part has */
  atr_dtype lhs_dtype;         /* of the panel: NONE as lhs is read, or a type that holds all its values */
  const char *why;             /* for explain; NULL: the caller said so */
} atr_parts;

void atr_parts_print(atr_text *text, const atr_nest *nest, const atr_parts *parts);

/* Reads the sections `part` and `lhs` in front of a schedule, as atr_schedule_read; *found: there were any. */
ATR_CHECK_RESULT atr_status atr_parts_read(atr_work *work, size_t from, const atr_nest *nest, atr_parts *out, bool *found);

/* Legality: blocks smaller than their dims, which divide reduced ones; strips that divide their blocks, of dims that alone walk their
 * elements; and the panel must be possible. ATR_VERIFY_ERROR with the reason. */
ATR_CHECK_RESULT atr_status atr_parts_check(atr_work *work, const atr_nest *nest, const atr_parts *parts);

/* Appends the nests that `nest` becomes to `program`, canonical and to be scheduled: NAME.zero, NAME.lhs, NAME and NAME.end as far as
 * needed. The parts have been checked. */
void atr_nest_split_parts(atr_arena *arena, atr_program *program, const atr_nest *nest, const atr_parts *parts);

/* choose_parts.c: the cost model's choice; false: better whole. *whole is left alone or set to the best schedule without parts. */
bool atr_parts_choose(atr_arena *arena, const atr_program *program, const atr_nest *nest, const atr_schedule_setting *setting,
                      atr_parts *out, atr_choice *whole);

#endif

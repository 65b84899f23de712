/* simplify.h - passes from canonical nests to canonical nests: fewer dims, no divisors. */
#ifndef ATR_LOWER_SIMPLIFY_H
#define ATR_LOWER_SIMPLIFY_H

#include "lower/nest.h"
#include "lower/target.h"

/* phases.c: removes divisors (lhs_dilation, interior padding) by splitting each output dim into residue classes, one nest per
 * class. Appends the resulting nests to `out`, which receives the nest itself when it has no divisor. */
void atr_nest_split_phases(atr_arena *arena, const atr_nest *nest, atr_program *out);

/* The same, with those merged again that can be: what the pass phases is. */
void atr_nest_split_residues(atr_arena *arena, const atr_nest *nest, atr_program *out);

/* residues.c: merges those of the program's nests from number `first` on, the residues of one nest of this name, that differ in where
 * they read and store alone. */
void atr_nest_merge_residues(atr_arena *arena, atr_program *program, int first, const char *name);

/* Restricts a dim to the indices offset, offset + scale, ... below its extent. */
void atr_nest_substitute(atr_nest *nest, int dim, int64_t scale, int64_t offset);

/* frame.c: a nest with a large window, or with few channels that are multiplied in pairs or fours, is split in its inside, where every tap
 * has an element, and the strips around it, unless these are wide for what the target gains. Appends them to `out`, or the nest itself. */
void atr_nest_split_frame(atr_arena *arena, const atr_nest *nest, const atr_target *target, atr_program *out);

/* collapse.c: drops dims of extent 1 and merges pairs of dims that every access walks as one. `target`: but not taps with channels where
 * features leave lanes of its vectors empty, for there a panel may have pixels in their place (parts.h); NULL: these too. */
void atr_nest_collapse(atr_arena *arena, atr_nest *nest, const atr_target *target);

#endif

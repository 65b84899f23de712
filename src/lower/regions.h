/* regions.h - bounds questions of a scheduled nest, shared by the pass that cuts loops and the code that is emitted below the
 * cuts. */
#ifndef ATR_LOWER_REGIONS_H
#define ATR_LOWER_REGIONS_H

#include "lower/nest.h"

/* Ranges of the dims at one place of the loop tree: looped dims above it have the node's range (one iteration when hi - lo is
 * 1), all others their whole extent. */
typedef struct atr_box {
  int64_t lo[ATR_MAX_DIMS], hi[ATR_MAX_DIMS];
} atr_box;

typedef enum atr_answer { ATR_ALWAYS, ATR_NEVER, ATR_SOMETIMES } atr_answer;

atr_box atr_nest_box(const atr_nest *nest);

/* The box with iterations [lo, hi) of dim. across: they are counted together with those of the loops that dim goes on in, which stand at
 * 0, as every question moves by them as by dim; NULL: they are dim's own. */
atr_box atr_box_inside(const atr_box *box, const atr_across *across, int dim, int64_t lo, int64_t hi);

/* Is 0 <= at < bound for the points of the box? */
atr_answer atr_bounds_answer(const atr_nest *nest, const atr_affine *at, int64_t bound, const atr_box *box);

/* True when the index depends on unrolled or vector dims, so that its question must be settled by cutting loops. */
bool atr_affine_has_inner(const atr_nest *nest, const atr_affine *at);

/* The last looped dim (PARALLEL or LOOP) that the affine form depends on; -1: none. */
int atr_affine_last_loop(const atr_nest *nest, const atr_affine *at);

/* True when lhs index `index` is dealt with by clipping the range of the reduced dim `dim` while running. */
bool atr_index_clips(const atr_nest *nest, const atr_index *index, int dim);

/* True when lhs index `index` is tested while running, in front of the sum: it depends on several independent loops alone. */
bool atr_index_is_tested(const atr_nest *nest, const atr_index *index);

/* Is the index of the access one of lhs's, or one of rhs's that asks the same question, so that lhs's answer is its own? */
bool atr_index_is_of_lhs(const atr_nest *nest, const atr_access *access, const atr_index *index);

#endif

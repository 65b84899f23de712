/* rules.h - what infer.c and verify.c share: the form of a rule's failure and the texts that its messages are made of.
 *
 * In: an instruction. Out: a verify error at one of the instruction's spans, whose message says what the instruction has and
 * what the rule allows. The table of all rules stands at the head of verify.c. */
#ifndef ATR_IR_RULES_H
#define ATR_IR_RULES_H

#include "ir/ir.h"

/* Returns from the enclosing function with a verify error at `attr` of `inst` unless `condition` holds. */
#define ATR_RULE(work, inst, attr, condition, ...)                                                                             \
  do {                                                                                                                         \
    if (!(condition)) return atr_fail((work), atr_inst_span((inst), (attr)), ATR_VERIFY_ERROR, __VA_ARGS__);                   \
  } while (0)

/* "f32[2,3]" for a message, in the work's arena; the shape's rank must be in range. */
const char *atr_shape_text(atr_work *work, const atr_shape *shape);

/* Rules R3 and R4: a known dtype, rank, extents and layout, and sizes that fit in int64. */
ATR_CHECK_RESULT atr_status atr_verify_shape(atr_work *work, const atr_inst *inst, const atr_shape *shape);

#endif

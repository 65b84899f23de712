/* canonical.h - graph IR to canonical nests. */
#ifndef ATR_LOWER_CANONICAL_H
#define ATR_LOWER_CANONICAL_H

#include "lower/nest.h"

/* A verified module as a program of nests without schedules, in definition order, temporaries unplaced. fold_padding false: a
 * pad operation in front of a convolution stays an operation of its own, so that its zeros are multiplied. */
ATR_CHECK_RESULT atr_status atr_lower_canonical(atr_work *work, const atr_module *module, bool fold_padding, atr_program **out);

#endif

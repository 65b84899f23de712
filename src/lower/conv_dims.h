/* conv_dims.h - the dims of a convolution's nest, and where in its three arrays a point of them is.
 *
 * In: a convolution or a gradient. Out: dims for the nest, and for lhs, rhs and out the coordinates of the element that a point
 * of the dims stands for. A point has one spatial place of its own, the output's, or in a data gradient the input's; the other
 * one follows from it and the tap, if there is one:
 *
 *     output place o, tap k: input place  (o*stride + k*rhs_dilation - pad_lo) / lhs_dilation
 *     input place i, tap k:  output place (i*lhs_dilation - k*rhs_dilation + pad_lo) / stride */
#ifndef ATR_LOWER_CONV_DIMS_H
#define ATR_LOWER_CONV_DIMS_H

#include "lower/nest.h"

typedef struct atr_conv_dims {
  int n, g, oc, ic, place[ATR_MAX_SPATIAL], k[ATR_MAX_SPATIAL];
} atr_conv_dims;

/* Adds the dims, those of the result first, then the reduced ones. */
atr_conv_dims atr_conv_add_dims(atr_arena *arena, atr_nest *nest, const atr_module *module, const atr_inst *inst);

/* Logical coordinates in an array, but for spatial ones that follow from the place and the tap: those stay 0. `coords` is
 * zeroed. */
void atr_conv_coords(const atr_nest *nest, const atr_inst *inst, atr_conv_array array, const atr_conv_dims *dims,
                     atr_affine coords[ATR_MAX_RANK]);

/* Do the spatial coordinates of the array follow from the place and the tap? Then coordinate `s` is this index, whose bound and
 * stride the caller sets. */
bool atr_conv_follows(atr_op op, atr_conv_array array);
atr_index atr_conv_index(atr_op op, const atr_window_dim *window, const atr_conv_dims *dims, int s);

/* Positions of the spatial dimensions in the array's shape. */
const int *atr_conv_positions(const atr_conv *conv, atr_conv_array array);

#endif

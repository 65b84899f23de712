/* build.h - making instructions from the caller's numbers: what the public builder and the operators share.
 *
 * In: values of a module and attributes as the public API spells them. Out: the id of a new, verified instruction, or 0 with
 * the error in `work`; every function does nothing and returns 0 when `work` has an error already, so calls can be chained and
 * the first error looked at once, at the end. What pointers point at is copied. */
#ifndef ATR_IR_BUILD_H
#define ATR_IR_BUILD_H

#include "ir/ir.h"

/* Infers the type of `inst` (whose shape says what the op leaves open, ir.h), verifies and appends it. */
atr_id atr_inst_build(atr_work *work, atr_module *module, const atr_inst *inst);

atr_id atr_parameter_build(atr_work *work, atr_module *module, const char *name, const atr_shape *shape);
atr_id atr_constant_build(atr_work *work, atr_module *module, const atr_shape *shape, const void *data);
/* op: CONVOLUTION or LOCAL_CONVOLUTION; `options` is of this library's size, NULL for the defaults. */
atr_id atr_conv_build(atr_work *work, atr_module *module, atr_op op, atr_id lhs, atr_id rhs, const atr_conv_options *options);
/* op: LOCAL_DATA_GRADIENT (a is the cotangent, b rhs) or LOCAL_WEIGHT_GRADIENT (lhs, the cotangent); `shape`: of the result. */
atr_id atr_gradient_build(atr_work *work, atr_module *module, atr_op op, atr_id a, atr_id b, const atr_shape *shape,
                          const atr_conv_options *options);
atr_id atr_elementwise_build(atr_work *work, atr_module *module, const char *opcode, const atr_id *operands, int count);
atr_id atr_compare_build(atr_work *work, atr_module *module, const char *direction, atr_id a, atr_id b);
atr_id atr_convert_build(atr_work *work, atr_module *module, atr_id operand, atr_dtype dtype);
atr_id atr_pad_build(atr_work *work, atr_module *module, atr_id operand, atr_id value, const int64_t (*low_high_interior)[3]);
atr_id atr_reverse_build(atr_work *work, atr_module *module, atr_id operand, const int64_t *dims, int count);
/* The sum over these dimensions; makes the zero that it starts at. */
atr_id atr_reduce_build(atr_work *work, atr_module *module, atr_id operand, const int64_t *dims, int count);
atr_id atr_broadcast_build(atr_work *work, atr_module *module, atr_id operand, const atr_shape *shape, const int64_t *dims,
                           int count);
atr_id atr_reshape_build(atr_work *work, atr_module *module, atr_id operand, const atr_shape *shape);
atr_id atr_transpose_build(atr_work *work, atr_module *module, atr_id operand, const int64_t *permutation, int count);
atr_id atr_slice_build(atr_work *work, atr_module *module, atr_id operand, const int64_t (*start_limit_stride)[3]);
atr_id atr_concatenate_build(atr_work *work, atr_module *module, const atr_id *operands, int count, int64_t dimension);

/* Names the results and verifies the whole module. */
ATR_CHECK_RESULT atr_status atr_results_build(atr_work *work, atr_module *module, const atr_id *results, int count);

/* True for what HLO text can spell as a name: a letter or '_', then letters, digits, '_', '.' and '-'. */
bool atr_name_is_valid(const char *name);

/* SAME padding: the output extent becomes ceil(input / stride), and an odd element of padding goes to the end (to the start if
 * `lower`). size, stride and rhs_dilation of `window` are read, the pads written; needs positive values and lhs_dilation 1.
 * False if int64 overflows. */
bool atr_window_pad_same(int64_t input, bool lower, atr_window_dim *window);

#endif

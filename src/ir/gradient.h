/* gradient.h - reverse-mode differentiation of a module, and what its files share.
 *
 * In: a module y = f(p0, p1, ...) with one result, and the number of a parameter. Out: the module of the vector-Jacobian
 * product: the same parameters, the cotangent of y behind them, and as result what jax.vjp gives for that parameter.
 *
 * gradient.c walks the instructions from the result backwards and adds up the cotangents of each value; the rules say what one
 * operand's cotangent is: gradient_rules.c has elementwise operations and those that move elements, gradient_conv.c
 * convolutions.
 *
 * A complex cotangent t of z means the linear form dz -> Re(t * dz), as jax.vjp has it: nothing is conjugated, so that the rules
 * of holomorphic functions are those of real ones. */
#ifndef ATR_IR_GRADIENT_H
#define ATR_IR_GRADIENT_H

#include "ir/build.h"

/* ATR_INVALID_ARGUMENT: no such parameter, several results, or dtypes that have no gradient; ATR_UNSUPPORTED: fp8 on the way. The
 * new module and all it holds are in work->arena; nothing of the old one is shared. */
ATR_CHECK_RESULT atr_status atr_vjp_build(atr_work *work, const atr_module *module, int parameter, atr_module **out);

/* ---- within gradient*.c */

typedef struct atr_gradient {
  atr_work *work;
  const atr_module *from; /* y = f(p0, ...) */
  atr_module *to;         /* f again, and behind it the gradient */
  atr_id *value;          /* by id of `from`: the same value in `to` */
  bool *active;           /* by id of `from`: depends on the parameter in a way that can be differentiated */
  atr_id *cotangent;      /* by id of `from`: in `to`, the sum so far; 0: none yet */
} atr_gradient;

/* The cotangent of operand i of `inst`, given g, that of its result; 0: there is none. Also 0 after an error. */
atr_id atr_gradient_of_operand(atr_gradient *grad, const atr_inst *inst, atr_id g, int i);
/* The same for convolutions, local ones, and their gradients. */
atr_id atr_gradient_of_conv(atr_gradient *grad, const atr_inst *inst, atr_id g, int i);

static inline const atr_shape *atr_gradient_shape(const atr_gradient *grad, atr_id id) {
  return &atr_inst_at(grad->to, id)->shape;
}
/* A value of `from` in `to`: operand i. */
static inline atr_id atr_gradient_operand(const atr_gradient *grad, const atr_inst *inst, int i) {
  return grad->value[inst->operands[i]];
}
/* One number in every element of this shape (row major). */
atr_id atr_gradient_splat(atr_gradient *grad, const atr_shape *shape, double number);
atr_id atr_gradient_unary(atr_gradient *grad, const char *opcode, atr_id a);
atr_id atr_gradient_binary(atr_gradient *grad, const char *opcode, atr_id a, atr_id b);
/* Zeros around `id`: one row of low, high and interior for each dimension. */
atr_id atr_gradient_pad(atr_gradient *grad, atr_id id, const int64_t (*low_high_interior)[3]);
/* Reshapes to these extents. */
atr_id atr_gradient_reshape(atr_gradient *grad, atr_id id, int rank, const int64_t *dims);

#endif

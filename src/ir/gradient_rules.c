/* gradient_rules.c - what one operand of an operation has to do with the cotangent of the result (gradient.h).
 *
 * In: an instruction of the forward pass, g, the cotangent of its result, and the number of an operand. Out: that operand's
 * cotangent, of its dtype and extents. Where operations leave a choice it is that of jax:
 *
 *     maximum, minimum   operands that are equal get half of g each
 *     clamp              at a bound nobody gets anything: x needs min < x < max, min needs x < min < max, max needs max < x
 *     abs                g at +0 and -0; of a complex 0 it is 0
 *     real, imag         t and -i t, so that Re(t' dz) = t Re(dz) and t Im(dz) */
#include "ir/gradient.h"

#include "base/checked.h"

static atr_id zeros_like(atr_gradient *grad, atr_id g) {
  return grad->work->status != ATR_OK ? 0 : atr_gradient_splat(grad, atr_gradient_shape(grad, g), 0);
}

static atr_id compare(atr_gradient *grad, const char *direction, atr_id a, atr_id b) {
  return atr_compare_build(grad->work, grad->to, direction, a, b);
}

static atr_id choose(atr_gradient *grad, atr_id condition, atr_id yes, atr_id no) {
  return atr_elementwise_build(grad->work, grad->to, "select", (const atr_id[]){condition, yes, no}, 3);
}

/* g where the condition holds. */
static atr_id masked(atr_gradient *grad, atr_id condition, atr_id g) { return choose(grad, condition, g, zeros_like(grad, g)); }

static const atr_shape *shape_of_operand(const atr_gradient *grad, const atr_inst *inst, int i) {
  return &atr_operand(grad->from, inst, i)->shape;
}

/* ---- one operand of one */

static atr_id of_abs(atr_gradient *grad, const atr_inst *inst, atr_id g, atr_id y) {
  atr_id x = atr_gradient_operand(grad, inst, 0), zero = zeros_like(grad, g);
  if (atr_dtype_class_of(shape_of_operand(grad, inst, 0)->dtype) != ATR_CLASS_COMPLEX)
    return choose(grad, compare(grad, "GE", x, zero), g, atr_gradient_unary(grad, "negate", g));
  /* g * conj(x) / |x| */
  atr_id one = atr_gradient_splat(grad, &inst->shape, 1);
  atr_id scale = atr_gradient_binary(grad, "divide", g, choose(grad, compare(grad, "EQ", y, zero), one, y));
  atr_id re = atr_gradient_binary(grad, "multiply", scale, atr_gradient_unary(grad, "real", x));
  atr_id im = atr_gradient_binary(grad, "multiply", scale, atr_gradient_unary(grad, "imag", x));
  return atr_gradient_binary(grad, "complex", re, atr_gradient_unary(grad, "negate", im));
}

/* g * (1 + y) * (1 - y) */
static atr_id of_tanh(atr_gradient *grad, const atr_inst *inst, atr_id g, atr_id y) {
  atr_id one = atr_gradient_splat(grad, &inst->shape, 1);
  atr_id scaled = atr_gradient_binary(grad, "multiply", g, atr_gradient_binary(grad, "add", one, y));
  return atr_gradient_binary(grad, "multiply", scaled, atr_gradient_binary(grad, "subtract", one, y));
}

/* g * y * (1 - y) */
static atr_id of_logistic(atr_gradient *grad, const atr_inst *inst, atr_id g, atr_id y) {
  atr_id rest = atr_gradient_binary(grad, "subtract", atr_gradient_splat(grad, &inst->shape, 1), y);
  return atr_gradient_binary(grad, "multiply", g, atr_gradient_binary(grad, "multiply", y, rest));
}

static atr_id of_real(atr_gradient *grad, const atr_inst *inst, atr_id g) {
  bool real = atr_dtype_class_of(shape_of_operand(grad, inst, 0)->dtype) != ATR_CLASS_COMPLEX;
  return real ? g : atr_gradient_binary(grad, "complex", g, zeros_like(grad, g));
}

static atr_id of_imag(atr_gradient *grad, const atr_inst *inst, atr_id g) {
  bool real = atr_dtype_class_of(shape_of_operand(grad, inst, 0)->dtype) != ATR_CLASS_COMPLEX;
  return real ? 0 : atr_gradient_binary(grad, "complex", zeros_like(grad, g), atr_gradient_unary(grad, "negate", g));
}

/* A conversion from a complex number drops the imaginary part, so that of the cotangent is 0; and the other way around. */
static atr_id of_convert(atr_gradient *grad, const atr_inst *inst, atr_id g) {
  return atr_convert_build(grad->work, grad->to, g, shape_of_operand(grad, inst, 0)->dtype);
}

/* ---- one operand of two or three */

static atr_id of_multiply(atr_gradient *grad, const atr_inst *inst, atr_id g, int i) {
  return atr_gradient_binary(grad, "multiply", g, atr_gradient_operand(grad, inst, 1 - i));
}

/* g / b and -(g / b) * y */
static atr_id of_divide(atr_gradient *grad, const atr_inst *inst, atr_id g, atr_id y, int i) {
  atr_id quotient = atr_gradient_binary(grad, "divide", g, atr_gradient_operand(grad, inst, 1));
  if (i == 0) return quotient;
  return atr_gradient_unary(grad, "negate", atr_gradient_binary(grad, "multiply", quotient, y));
}

static atr_id of_extremum(atr_gradient *grad, const atr_inst *inst, atr_id g, int i) {
  atr_id own = atr_gradient_operand(grad, inst, i), other = atr_gradient_operand(grad, inst, 1 - i);
  atr_id half = atr_gradient_binary(grad, "multiply", g, atr_gradient_splat(grad, &inst->shape, 0.5));
  atr_id tied = masked(grad, compare(grad, "EQ", own, other), half);
  return choose(grad, compare(grad, inst->op == ATR_OP_MAXIMUM ? "GT" : "LT", own, other), g, tied);
}

/* The parts of t that belong to the real and the imaginary part: re(t) and -im(t). */
static atr_id of_complex(atr_gradient *grad, atr_id g, int i) {
  return i == 0 ? atr_gradient_unary(grad, "real", g) : atr_gradient_unary(grad, "negate", atr_gradient_unary(grad, "imag", g));
}

static atr_id of_select(atr_gradient *grad, const atr_inst *inst, atr_id g, int i) {
  atr_id zero = zeros_like(grad, g), condition = atr_gradient_operand(grad, inst, 0);
  return i == 1 ? choose(grad, condition, g, zero) : choose(grad, condition, zero, g);
}

/* The sum over the dimensions that `dims` (of the result's, one for each of the operand's) does not name, turned into the
 * operand's order of dimensions. */
static atr_id sum_to(atr_gradient *grad, atr_id g, const int64_t *dims, int count) {
  int64_t others[ATR_MAX_RANK], permutation[ATR_MAX_RANK];
  int other_count = 0, rank = grad->work->status == ATR_OK ? atr_gradient_shape(grad, g)->rank : 0;
  bool sorted = true;
  for (int d = 0; d < rank; d++) {
    bool kept = false;
    for (int i = 0; i < count; i++) kept = kept || dims[i] == d;
    if (!kept) others[other_count++] = d;
  }
  for (int i = 0; i < count; i++) {
    permutation[i] = 0;
    for (int j = 0; j < count; j++) permutation[i] += dims[j] < dims[i];
    sorted = sorted && permutation[i] == i;
  }
  if (other_count > 0) g = atr_reduce_build(grad->work, grad->to, g, others, other_count);
  return sorted ? g : atr_transpose_build(grad->work, grad->to, g, permutation, count);
}

/* A bound of clamp in x's extents: it may be a scalar. */
static atr_id bound_of(atr_gradient *grad, const atr_inst *inst, int i) {
  const atr_shape *x = shape_of_operand(grad, inst, 1), *bound = shape_of_operand(grad, inst, i);
  atr_id value = atr_gradient_operand(grad, inst, i);
  if (bound->rank == x->rank) return value;
  atr_shape shape = atr_shape_make(x->dtype, x->rank, x->dims);
  return atr_broadcast_build(grad->work, grad->to, value, &shape, NULL, 0);
}

static atr_id of_clamp(atr_gradient *grad, const atr_inst *inst, atr_id g, int i) {
  atr_id min = bound_of(grad, inst, 0), x = atr_gradient_operand(grad, inst, 1), max = bound_of(grad, inst, 2);
  if (i == 2) g = masked(grad, compare(grad, "LT", max, x), g);
  else {
    atr_id above = i == 0 ? compare(grad, "GT", min, x) : compare(grad, "GT", x, min);
    atr_id below = i == 0 ? compare(grad, "LT", min, max) : compare(grad, "LT", x, max);
    g = masked(grad, atr_gradient_binary(grad, "and", above, below), g);
  }
  return shape_of_operand(grad, inst, i)->rank == inst->shape.rank ? g : sum_to(grad, g, NULL, 0);
}

/* ---- what moves elements */

static atr_id too_large(atr_gradient *grad, const atr_inst *inst) {
  (void)atr_fail(grad->work, inst->span, ATR_UNSUPPORTED, "the gradient of %s has padding that does not fit in 64 bits",
                 inst->name);
  return 0;
}

/* Elements of the operand are taken back from where the pad put them, those that it cut off as zeros; the padding value gets
 * what is left of the sum. */
static atr_id of_pad(atr_gradient *grad, const atr_inst *inst, atr_id g, int i) {
  const atr_shape *shape = shape_of_operand(grad, inst, 0);
  int64_t cut[ATR_MAX_RANK][3] = {{0}}, slice[ATR_MAX_RANK][3];
  bool any = false;
  for (int d = 0; d < shape->rank; d++) {
    const atr_pad_dim *p = &inst->u.pad[d];
    if (!atr_checked_sub(0, atr_min(p->low, 0), &cut[d][0]) || !atr_checked_sub(0, atr_min(p->high, 0), &cut[d][1]))
      return too_large(grad, inst);
    any = any || cut[d][0] > 0 || cut[d][1] > 0;
    slice[d][0] = atr_max(p->low, 0);
    slice[d][1] = slice[d][0] + (shape->dims[d] == 0 ? 0 : (shape->dims[d] - 1) * (p->interior + 1) + 1);
    slice[d][2] = p->interior + 1;
  }
  atr_id whole = any ? atr_gradient_pad(grad, g, (const int64_t(*)[3])cut) : g;
  atr_id taken = atr_slice_build(grad->work, grad->to, whole, (const int64_t(*)[3])slice);
  if (i == 0) return taken;
  return atr_gradient_binary(grad, "subtract", sum_to(grad, g, NULL, 0), sum_to(grad, taken, NULL, 0));
}

static atr_id of_slice(atr_gradient *grad, const atr_inst *inst, atr_id g) {
  const atr_shape *shape = shape_of_operand(grad, inst, 0);
  int64_t pad[ATR_MAX_RANK][3];
  for (int d = 0; d < shape->rank; d++) {
    const atr_slice_dim *s = &inst->u.slice[d];
    int64_t taken = inst->shape.dims[d], covered = taken == 0 ? 0 : (taken - 1) * s->stride + 1;
    pad[d][0] = s->start;
    pad[d][1] = shape->dims[d] - s->start - covered;
    pad[d][2] = s->stride - 1;
  }
  return atr_gradient_pad(grad, g, (const int64_t(*)[3])pad);
}

static atr_id of_concatenate(atr_gradient *grad, const atr_inst *inst, atr_id g, int i) {
  const atr_shape *shape = shape_of_operand(grad, inst, i);
  int64_t slice[ATR_MAX_RANK][3], start = 0, along = inst->u.dims.dims[0];
  for (int before = 0; before < i; before++) start += shape_of_operand(grad, inst, before)->dims[along];
  for (int d = 0; d < shape->rank; d++) {
    slice[d][0] = d == along ? start : 0;
    slice[d][1] = slice[d][0] + shape->dims[d];
    slice[d][2] = 1;
  }
  return atr_slice_build(grad->work, grad->to, g, (const int64_t(*)[3])slice);
}

static atr_id of_transpose(atr_gradient *grad, const atr_inst *inst, atr_id g) {
  int64_t inverse[ATR_MAX_RANK];
  for (int d = 0; d < inst->u.dims.count; d++) inverse[inst->u.dims.dims[d]] = d;
  return atr_transpose_build(grad->work, grad->to, g, inverse, inst->u.dims.count);
}

static atr_id of_reduce(atr_gradient *grad, const atr_inst *inst, atr_id g) {
  const atr_shape *shape = shape_of_operand(grad, inst, 0);
  atr_shape whole = atr_shape_make(shape->dtype, shape->rank, shape->dims);
  int64_t kept[ATR_MAX_RANK];
  int count = 0;
  for (int d = 0; d < shape->rank; d++)
    if (!atr_inst_names_dim(inst, d)) kept[count++] = d;
  return atr_broadcast_build(grad->work, grad->to, g, &whole, kept, count);
}

atr_id atr_gradient_of_operand(atr_gradient *grad, const atr_inst *inst, atr_id g, int i) {
  const atr_shape *x = inst->operand_count > 0 ? shape_of_operand(grad, inst, i) : NULL;
  atr_id y = grad->value[inst - grad->from->insts];
  if (grad->work->status != ATR_OK) return 0;
  switch (inst->op) {
  case ATR_OP_CONVOLUTION:
  case ATR_OP_LOCAL_CONVOLUTION:
  case ATR_OP_LOCAL_DATA_GRADIENT:
  case ATR_OP_LOCAL_WEIGHT_GRADIENT: return atr_gradient_of_conv(grad, inst, g, i);
  case ATR_OP_REDUCE: return of_reduce(grad, inst, g);
  case ATR_OP_PAD: return of_pad(grad, inst, g, i);
  case ATR_OP_REVERSE: return atr_reverse_build(grad->work, grad->to, g, inst->u.dims.dims, inst->u.dims.count);
  case ATR_OP_BROADCAST: return sum_to(grad, g, inst->u.dims.dims, inst->u.dims.count);
  case ATR_OP_RESHAPE: return atr_gradient_reshape(grad, g, x->rank, x->dims);
  case ATR_OP_TRANSPOSE: return of_transpose(grad, inst, g);
  case ATR_OP_SLICE: return of_slice(grad, inst, g);
  case ATR_OP_CONCATENATE: return of_concatenate(grad, inst, g, i);
  case ATR_OP_COPY:
  case ATR_OP_ADD: return g;
  case ATR_OP_SUBTRACT: return i == 0 ? g : atr_gradient_unary(grad, "negate", g);
  case ATR_OP_MULTIPLY: return of_multiply(grad, inst, g, i);
  case ATR_OP_DIVIDE: return of_divide(grad, inst, g, y, i);
  case ATR_OP_MAXIMUM:
  case ATR_OP_MINIMUM: return of_extremum(grad, inst, g, i);
  case ATR_OP_COMPLEX: return of_complex(grad, g, i);
  case ATR_OP_NEGATE: return atr_gradient_unary(grad, "negate", g);
  case ATR_OP_ABS: return of_abs(grad, inst, g, y);
  case ATR_OP_EXPONENTIAL: return atr_gradient_binary(grad, "multiply", g, y);
  case ATR_OP_TANH: return of_tanh(grad, inst, g, y);
  case ATR_OP_LOGISTIC: return of_logistic(grad, inst, g, y);
  case ATR_OP_REAL: return of_real(grad, inst, g);
  case ATR_OP_IMAG: return of_imag(grad, inst, g);
  case ATR_OP_CONVERT: return of_convert(grad, inst, g);
  case ATR_OP_ROUND_NEAREST_EVEN: return 0; /* constant wherever it can be differentiated */
  case ATR_OP_CLAMP: return of_clamp(grad, inst, g, i);
  case ATR_OP_SELECT: return of_select(grad, inst, g, i);
  case ATR_OP_NONE:
  case ATR_OP_PARAMETER:
  case ATR_OP_CONSTANT:
  case ATR_OP_IOTA:
  case ATR_OP_AND:
  case ATR_OP_OR:
  case ATR_OP_XOR:
  case ATR_OP_NOT:
  case ATR_OP_COMPARE:
  case ATR_OP_COUNT: break;
  }
  ATR_BUG(grad->work, "no gradient of %s, whose operands are never floats", atr_op_name(inst->op));
  return 0;
}

/* verify.c - every rule of the graph IR, each with its own message and its own place in the text.
 *
 * In: a module from a reader or the builder, in any state that the types of ir.h can express. Out: ATR_OK, after which the
 * interpreter and the lowering rely on all of this without looking again, or the first rule that is broken. Cn are the
 * constraints of StableHLO's convolution by their numbers there, Rn are ours; * marks those that infer.c finds.
 *
 *   rule       rule in words                                  message has                      in tests/error
 *   R1        *operands are as many as the operation takes    takes N operand                  operand-count, concatenate-none
 *   R2        *operands are values that are defined earlier   is not a value of this module    use-before-definition
 *   R3         dtype, rank, extents and layout are possible   result has                       layout
 *   R4         elements and bytes fit in int64                is too large                     too-large
 *   R5         stated type = inferred type (with C25, C26)    has type                         result-shape, compare-result,
 *                                                                                              negate-result
 *   R6         parameter numbers are 0..n-1, each once        parameter number                 parameter-gap, parameter-twice
 *   R7         a module has a result                          module has no result
 *   C1        *ranks of lhs and rhs are equal                 same rank                        conv-ranks
 *   C2-C9      lists have an entry per spatial dimension                                       conv-window-rank, conv-list-rank
 *   C3        *stride > 0                                     window stride                    conv-stride
 *   C6        *lhs_dilation > 0                               window lhs_dilation              conv-lhs-dilation
 *   C8        *rhs_dilation > 0                               window rhs_dilation              conv-rhs-dilation
 *   C10       *batch % batch_group_count = 0                  batch extent                     conv-c10
 *   C11       *input features % feature_group_count = 0       input feature extent             conv-c11
 *   C12 17 19 *rank = spatial dimensions + 2                  dimension numbers name           conv-spatial-rank
 *   C13 18 20 *dimension numbers are permutations             dimension numbers of             conv-labels-twice, -missing,
 *                                                                                              -range
 *   C14       *rhs input features = features / groups         rhs input feature extent         conv-c14
 *   C15       *output features % batch_group_count = 0        output feature extent            conv-c15
 *   C16       *output features % feature_group_count = 0      output feature extent            conv-c16
 *   C21       *feature_group_count > 0                        feature_group_count must         conv-c21
 *   C22       *batch_group_count > 0                          batch_group_count must           conv-c22
 *   C23       *not both counts > 1                            cannot both exceed 1             conv-c23
 *   C24        operand_precision is one of three              operand_precision                conv-c24
 *   R8        *window sizes > 0 and equal to rhs's extents    window size                      conv-empty-window,
 *                                                                                              conv-window-rhs
 *   R9        *dilated and padded extents fit in int64        padded or dilated extent         conv-extent-overflow,
 *                                                                                              conv-dilation-overflow
 *   R10        no fp8 in convolutions                         convolution has no               conv-fp8, conv-fp8-result
 *   R11        lhs and rhs of one class of dtypes             of different classes             conv-operand-classes
 *   R12        result of a class that holds the sum           cannot be the result             conv-result-class
 *   R13        edge mode is one of four                       edge_mode N                      edge-unknown
 *   R14        data gradient: no edge mode but zero           must be zero                     local-data-gradient-edge
 *   R15        edge mode needs an input element               of an empty dimension            edge-empty
 *   R16        reflect reaches less than the input extent     reflect needs                    edge-reflect, -reflect-dilated
 *   R17       *local: batch_group_count = 1                   of a local convolution must be 1 local-batch-groups
 *   R18       *local: rhs features = features / groups * taps window taps                      local-features
 *   R19       *local: rhs's spatial extents = the output's    have the output's extent         local-spatial
 *   R35       *gradient: cotangent is like the result         cotangent must                   local-gradient-cotangent
 *   R20       *pad: the value is a scalar of the same dtype   padding value must               pad-value
 *   R21       *pad: interior >= 0, extents >= 0 and in int64  interior padding; removes more;  pad-interior, -negative,
 *                                                             padded extent                    -overflow, -count
 *   R22       *lists of dimensions: length, range, no repeats entries in dimensions;           dims-count, -range, -twice,
 *                                                             is outside; twice                concatenate-dimension,
 *                                                                                              iota-dimension, iota-rank
 *             *                                               reverse names; reduce names      reverse-count, reduce-count
 *   R23       *broadcast keeps extents                        broadcast puts                   broadcast-extent
 *   R24       *reshape keeps the number of elements           reshape must keep                reshape-count
 *   R25       *slice: stride >= 1, 0 <= start <= limit <= dim slice stride; slice of           slice-stride, -range, -crossed,
 *                                                                                              -count
 *   R26       *concatenate: equal but for one extent; int64   may differ in;                   concatenate-shapes, -overflow
 *                                                             concatenated extent
 *   R27       *binary: operands of one type                   must have the same type          binary-types
 *   R28       *clamp: bounds are scalars or like the operand  of clamp must                    clamp-bounds
 *   R29       *select: values of one type, condition pred     two values; the condition        select-values, select-condition
 *   R30        no arithmetic on fp8                           form; convert                    add-fp8, iota-fp8
 *   R31        operations take certain classes of dtypes      is not defined for               add-pred, exponential-integer,
 *                                                                                              maximum-complex
 *                                                                                              abs-unsigned, clamp-complex,
 *                                                                                              and-float, real-integer, iota-pred,
 *                                                                                              reduce-pred
 *   R32        complex numbers have no order                  complex numbers have no order    compare-complex
 *   R33        comparison direction is one of six             comparison direction             compare-direction
 *   R34       *complex: parts are f32 or f64                  complex is not defined for       complex-half
 *   R36       *reduce: initial value a scalar, same dtype     initial value of reduce must be  reduce-init-type
 *   R37        reduce: the initial value is the constant 0    must be the constant 0           reduce-init, -init-parameter
 *
 * Rules that a reader already refuses (by its own message, where text cannot even spell the fault) are tested here with
 * instructions made by hand: tests/unit/test_verify.c and test_build.c. C27 is R10 to R12, which allow other result types as
 * XLA does; C28 to C34 speak of quantized types, which are no dtypes here. */
#include "base/checked.h"
#include "ir/rules.h"

/* ---- types ------------------------------------------------------------------------------------- */

atr_status atr_verify_shape(atr_work *work, const atr_inst *inst, const atr_shape *shape) {
  bool seen[ATR_MAX_RANK] = {false};
  int64_t elements, bytes;
  const char *op = atr_op_name(inst->op);
  ATR_RULE(work, inst, ATR_ATTR_SHAPE, atr_dtype_size(shape->dtype) != 0, "%s result has no known dtype", op);
  ATR_RULE(work, inst, ATR_ATTR_SHAPE, shape->rank >= 0 && shape->rank <= ATR_MAX_RANK,
           "%s result has rank %d; 0 to %d are possible", op, shape->rank, ATR_MAX_RANK);
  for (int d = 0; d < shape->rank; d++)
    ATR_RULE(work, inst, ATR_ATTR_SHAPE, shape->dims[d] >= 0, "%s result has the negative extent %lld in dimension %d", op,
             (long long)shape->dims[d], d);
  for (int i = 0; i < shape->rank; i++) {
    int dim = shape->minor_to_major[i];
    ATR_RULE(work, inst, ATR_ATTR_SHAPE, dim >= 0 && dim < shape->rank && !seen[dim],
             "%s result has a layout that does not name each of its %d dimensions once", op, shape->rank);
    seen[dim] = true;
  }
  ATR_RULE(work, inst, ATR_ATTR_SHAPE, atr_shape_checked_bytes(shape, &elements, &bytes),
           "%s is too large: its size in bytes does not fit in 64 bits", atr_shape_text(work, shape));
  return ATR_OK;
}

/* Signed and unsigned integers mix in a convolution, so they are one class there. */
static atr_dtype_class family(atr_dtype dtype) {
  atr_dtype_class class = atr_dtype_class_of(dtype);
  return class == ATR_CLASS_UINT ? ATR_CLASS_SINT : class;
}

static const char *class_text(atr_dtype dtype) {
  switch (atr_dtype_class_of(dtype)) {
  case ATR_CLASS_NONE: return "none";
  case ATR_CLASS_PRED: return "pred";
  case ATR_CLASS_SINT:
  case ATR_CLASS_UINT: return "integer";
  case ATR_CLASS_FLOAT: return "float";
  case ATR_CLASS_COMPLEX: return "complex";
  }
  return "none";
}

/* ---- elementwise dtypes ------------------------------------------------------------------------ */

static atr_status verify_dtype(atr_work *work, const atr_inst *inst, atr_dtype dtype, const char *instead) {
  const char *op = atr_op_name(inst->op);
  if (atr_op_takes(inst->op, dtype)) return ATR_OK;
  ATR_RULE(work, inst, ATR_ATTR_OPCODE, !atr_dtype_is_fp8(dtype), "%s has no %s form; convert %s", op, atr_dtype_name(dtype),
           instead);
  return atr_fail(work, atr_inst_span(inst, ATR_ATTR_OPCODE), ATR_VERIFY_ERROR, "%s is not defined for %s; it takes %s", op,
                  atr_dtype_name(dtype), atr_op_takes_text(work->arena, inst->op));
}

/* Convolutions have messages of their own. */
static atr_status verify_domain(atr_work *work, const atr_module *module, const atr_inst *inst) {
  if (inst->op == ATR_OP_IOTA) return verify_dtype(work, inst, inst->shape.dtype, "one of f32 instead");
  if (inst->op == ATR_OP_REDUCE) return verify_dtype(work, inst, inst->shape.dtype, "its operand to f32 first");
  for (int i = 0; i < inst->operand_count && atr_op_is_elementwise(inst->op); i++)
    ATR_TRY(verify_dtype(work, inst, atr_operand(module, inst, i)->shape.dtype, "its operands to f32 first"));
  return ATR_OK;
}

static atr_status verify_compare(atr_work *work, const atr_module *module, const atr_inst *inst) {
  atr_direction direction = inst->u.direction;
  atr_dtype dtype = atr_operand(module, inst, 0)->shape.dtype;
  ATR_RULE(work, inst, ATR_ATTR_DIRECTION, (unsigned)direction <= ATR_GE,
           "comparison direction %u is not one of EQ NE LT LE GT GE", (unsigned)direction);
  ATR_RULE(work, inst, ATR_ATTR_DIRECTION,
           atr_dtype_class_of(dtype) != ATR_CLASS_COMPLEX || direction == ATR_EQ || direction == ATR_NE,
           "complex numbers have no order: %s can be compared with EQ and NE only", atr_dtype_name(dtype));
  return ATR_OK;
}

/* HLO starts a sum anywhere; here it starts at zero, which is what sums are written with. */
static atr_status verify_reduce(atr_work *work, const atr_module *module, const atr_inst *inst) {
  const atr_inst *init = atr_operand(module, inst, 1);
  ATR_RULE(work, inst, ATR_ATTR_OPCODE, init->op == ATR_OP_CONSTANT && init->u.literal != NULL,
           "initial value of reduce must be the constant 0, got the result of %s", atr_op_name(init->op));
  atr_scalar start = atr_scalar_load(init->shape.dtype, init->u.literal);
  ATR_RULE(work, inst, ATR_ATTR_OPCODE, start.re == 0 && start.im == 0 && start.i == 0,
           "initial value of reduce must be the constant 0, got another constant");
  return ATR_OK;
}

/* ---- convolution: dtypes and edges ------------------------------------------------------------- */

/* XLA computes any pair of classes somehow; here the product must have one obvious meaning, so operands share a class, and
 * the result is of it or of one that holds every such sum: pred -> integer -> float. Widths are free (the sum is rounded or
 * wrapped once, at the end). */
static atr_status verify_conv_dtypes(atr_work *work, const atr_inst *inst, atr_dtype lhs, atr_dtype rhs) {
  atr_dtype result = inst->shape.dtype;
  const atr_dtype all[] = {lhs, rhs, result};
  static const char *const names[] = {"lhs", "rhs", "cotangent"}; /* ORDER atr_conv_array */
  for (int i = 0; i < 3; i++)
    ATR_RULE(work, inst, i == 2 ? ATR_ATTR_SHAPE : ATR_ATTR_OPCODE, !atr_dtype_is_fp8(all[i]),
             "convolution has no %s form (%s); %s", atr_dtype_name(all[i]),
             i == 2 ? "result" : names[atr_conv_array_at(inst->op, i)],
             i == 2 ? "convert its result instead" : "convert its operands to f16, bf16 or f32 first");
  ATR_RULE(work, inst, ATR_ATTR_OPCODE, family(lhs) == family(rhs),
           "convolution has operands of different classes, %s (%s) and %s (%s); convert one of them", atr_dtype_name(lhs),
           class_text(lhs), atr_dtype_name(rhs), class_text(rhs));
  atr_dtype_class from = family(lhs), to = family(result);
  ATR_RULE(work, inst, ATR_ATTR_SHAPE, from == to || (from < to && to <= ATR_CLASS_FLOAT),
           "%s (%s) cannot be the result of a convolution of %s with %s (%s)", atr_dtype_name(result), class_text(result),
           atr_dtype_name(lhs), atr_dtype_name(rhs), class_text(lhs));
  return ATR_OK;
}

static atr_status verify_edge(atr_work *work, const atr_inst *inst, int d, int64_t input) {
  const atr_window_dim *w = &inst->u.conv->window[d];
  ATR_RULE(work, inst, ATR_ATTR_EDGE_MODE, (unsigned)w->edge <= ATR_EDGE_CIRCULAR,
           "edge_mode %u of spatial dimension %d is not one of zero, reflect, replicate, circular", (unsigned)w->edge, d);
  if (w->edge == ATR_EDGE_ZERO) return ATR_OK;
  ATR_RULE(work, inst, ATR_ATTR_EDGE_MODE, inst->op != ATR_OP_LOCAL_DATA_GRADIENT,
           "edge_mode of a data gradient must be zero, got %s in spatial dimension %d; take the gradient of the input as it is "
           "extended, and add up its elements that repeat one",
           atr_edge_name(w->edge), d);
  ATR_RULE(work, inst, ATR_ATTR_EDGE_MODE, input > 0,
           "edge_mode %s of an empty dimension: spatial dimension %d has no element to continue with", atr_edge_name(w->edge),
           d);
  int64_t L = w->lhs_dilation; /* padding counts holes, the reach elements */
  if (w->edge == ATR_EDGE_REFLECT)
    ATR_RULE(work, inst, ATR_ATTR_EDGE_MODE, atr_floor_div(w->pad_lo, L) < input && atr_floor_div(w->pad_hi, L) < input,
             "edge_mode reflect needs padding / lhs_dilation below the input extent %lld in spatial dimension %d, got "
             "%lld_%lld / %lld",
             (long long)input, d, (long long)w->pad_lo, (long long)w->pad_hi, (long long)L);
  return ATR_OK;
}

static atr_status verify_conv(atr_work *work, const atr_module *module, const atr_inst *inst) {
  const atr_conv *c = inst->u.conv;
  const atr_shape *lhs = atr_conv_shape(module, inst, ATR_CONV_LHS);
  for (int i = 0; i < 2; i++)
    ATR_RULE(work, inst, ATR_ATTR_OPCODE, (unsigned)c->precision[i] <= ATR_PRECISION_HIGHEST,
             "operand_precision %u is not one of default, high, highest", (unsigned)c->precision[i]);
  for (int d = 0; d < c->spatial; d++) ATR_TRY(verify_edge(work, inst, d, lhs->dims[c->lhs_spatial[d]]));
  return verify_conv_dtypes(work, inst, atr_operand(module, inst, 0)->shape.dtype, atr_operand(module, inst, 1)->shape.dtype);
}

/* ---- instructions and modules ------------------------------------------------------------------ */

atr_status atr_verify_inst(atr_work *work, const atr_module *module, const atr_inst *inst) {
  atr_shape inferred;
  ATR_TRY(atr_verify_shape(work, inst, &inst->shape));
  ATR_TRY(atr_infer_shape(work, module, inst, &inferred));
  ATR_TRY(verify_domain(work, module, inst));
  if (atr_op_kind_of(inst->op) == ATR_KIND_CONV) ATR_TRY(verify_conv(work, module, inst));
  if (inst->op == ATR_OP_REDUCE) ATR_TRY(verify_reduce(work, module, inst));
  if (inst->op == ATR_OP_COMPARE) ATR_TRY(verify_compare(work, module, inst));
  ATR_RULE(work, inst, ATR_ATTR_SHAPE, atr_shape_equal(&inst->shape, &inferred), "%s has type %s, but its operands give %s",
           atr_op_name(inst->op), atr_shape_text(work, &inst->shape), atr_shape_text(work, &inferred));
  return ATR_OK;
}

static atr_status verify_parameters(atr_work *work, const atr_module *module) {
  int64_t count = 0;
  for (atr_id id = 1; id <= module->count; id++) count += atr_inst_at(module, id)->op == ATR_OP_PARAMETER;
  bool *seen = ATR_NEW_ARRAY(work->arena, bool, count);
  for (atr_id id = 1; id <= module->count; id++) {
    const atr_inst *inst = atr_inst_at(module, id);
    if (inst->op != ATR_OP_PARAMETER) continue;
    int64_t number = inst->u.parameter;
    ATR_RULE(work, inst, ATR_ATTR_LITERAL, number >= 0 && number < count,
             "parameter number %lld is outside 0..%lld, the numbers of the module's %lld parameters", (long long)number,
             (long long)count - 1, (long long)count);
    ATR_RULE(work, inst, ATR_ATTR_LITERAL, !seen[number], "parameter number %lld is used twice", (long long)number);
    seen[number] = true;
    if (number >= module->parameter_count || module->parameters[number] != id)
      return ATR_BUG(work, "parameter %lld is not in the module's list", (long long)number);
  }
  return ATR_OK;
}

static atr_status verify_results(atr_work *work, const atr_module *module) {
  if (module->result_count <= 0) return atr_fail(work, ATR_NOWHERE, ATR_VERIFY_ERROR, "module has no result");
  for (int i = 0; i < module->result_count; i++)
    if (module->results[i] == 0 || module->results[i] > module->count)
      return ATR_BUG(work, "result %d is not a value of the module", i);
  return ATR_OK;
}

atr_status atr_verify_module(atr_work *work, const atr_module *module) {
  for (atr_id id = 1; id <= module->count; id++) {
    const atr_inst *inst = atr_inst_at(module, id);
    for (int i = 0; i < inst->operand_count; i++)
      ATR_RULE(work, inst, ATR_ATTR_OPCODE, inst->operands[i] < id,
               "operand %d of %s is not a value of this module defined before it", i, atr_op_name(inst->op));
    ATR_TRY(atr_verify_inst(work, module, inst));
    int64_t elements, bytes;
    if (inst->op == ATR_OP_CONSTANT && inst->u.literal == NULL && atr_shape_checked_bytes(&inst->shape, &elements, &bytes) &&
        bytes > 0)
      return ATR_BUG(work, "constant %s has no elements", inst->name);
  }
  ATR_TRY(verify_parameters(work, module));
  return verify_results(work, module);
}

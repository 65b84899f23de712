/* gradient.c - the gradient of a module as a module: the walk backwards, and what is kept (gradient.h).
 *
 * In: y = tanh(convolution(x, w)), parameter w. Out:
 *
 *     x, w, cotangent     the parameters
 *     c = convolution(x, w)  y = tanh(c)      what the rules ask for of the forward pass
 *     ...  d = g * (1 + y) * (1 - y)          the cotangent of c
 *     ROOT convolution(x, d)                  that of w: one convolution again
 *
 * First all of the forward pass is repeated in a draft. Then every instruction from the last to the first that has a cotangent
 * and depends on the parameter hands it on to such of its operands; an operand's users all come behind it, so its sum is
 * complete when the walk reaches it. What the result does not need is left behind when the draft is copied. */
#include "ir/gradient.h"

#include <string.h>

#include "ir/rules.h"

/* ---- small things that the rules are made of */

atr_id atr_gradient_splat(atr_gradient *grad, const atr_shape *shape, double number) {
  char element[16] = {0};
  atr_shape scalar = atr_shape_make(shape->dtype, 0, NULL), dense = atr_shape_make(shape->dtype, shape->rank, shape->dims);
  atr_scalar_store(shape->dtype, element, (atr_scalar){.re = number});
  atr_id one = atr_constant_build(grad->work, grad->to, &scalar, element);
  return shape->rank == 0 ? one : atr_broadcast_build(grad->work, grad->to, one, &dense, NULL, 0);
}

atr_id atr_gradient_unary(atr_gradient *grad, const char *opcode, atr_id a) {
  return atr_elementwise_build(grad->work, grad->to, opcode, &a, 1);
}

atr_id atr_gradient_binary(atr_gradient *grad, const char *opcode, atr_id a, atr_id b) {
  return atr_elementwise_build(grad->work, grad->to, opcode, (const atr_id[]){a, b}, 2);
}

atr_id atr_gradient_pad(atr_gradient *grad, atr_id id, const int64_t (*low_high_interior)[3]) {
  if (grad->work->status != ATR_OK) return 0;
  atr_shape scalar = atr_shape_make(atr_gradient_shape(grad, id)->dtype, 0, NULL);
  return atr_pad_build(grad->work, grad->to, id, atr_gradient_splat(grad, &scalar, 0), low_high_interior);
}

atr_id atr_gradient_reshape(atr_gradient *grad, atr_id id, int rank, const int64_t *dims) {
  if (grad->work->status != ATR_OK) return 0;
  atr_shape shape = atr_shape_make(atr_gradient_shape(grad, id)->dtype, rank, dims);
  return atr_reshape_build(grad->work, grad->to, id, &shape);
}

/* ---- what can be asked for */

static bool has_gradient(atr_dtype dtype) { return atr_dtype_class_of(dtype) >= ATR_CLASS_FLOAT; }

static atr_status refuse(atr_work *work, const char *what, const atr_shape *shape) {
  return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "%s is %s; only floats and complex numbers have gradients", what,
                  atr_shape_text(work, shape));
}

static atr_status check_request(atr_work *work, const atr_module *module, int parameter) {
  if (module->result_count != 1)
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "a gradient needs a module with one result; this one has %d",
                    module->result_count);
  if (parameter < 0 || parameter >= module->parameter_count)
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "there is no parameter %d: the module has %d", parameter,
                    module->parameter_count);
  const atr_inst *p = atr_inst_at(module, module->parameters[parameter]), *y = atr_inst_at(module, module->results[0]);
  if (!has_gradient(p->shape.dtype))
    return refuse(work, atr_arena_printf(work->arena, "parameter %d (%s)", parameter, p->name), &p->shape);
  return has_gradient(y->shape.dtype) ? ATR_OK : refuse(work, "the result", &y->shape);
}

/* Sets `active`; cotangents are added up, which fp8 cannot be. */
static atr_status find_active(atr_gradient *grad, atr_id parameter) {
  for (atr_id id = 1; id <= grad->from->count; id++) {
    const atr_inst *inst = atr_inst_at(grad->from, id);
    bool reached = id == parameter;
    for (int i = 0; i < inst->operand_count; i++) reached = reached || grad->active[inst->operands[i]];
    grad->active[id] = reached && has_gradient(inst->shape.dtype);
    if (grad->active[id] && atr_dtype_is_fp8(inst->shape.dtype))
      return atr_fail(grad->work, inst->span, ATR_UNSUPPORTED,
                      "no gradient through %s, which is %s: there is no arithmetic on fp8", inst->name,
                      atr_dtype_name(inst->shape.dtype));
  }
  return ATR_OK;
}

/* ---- the draft */

static void add_parameter(atr_module *module, const char *name, const atr_shape *shape, atr_id *out) {
  atr_inst inst = {.op = ATR_OP_PARAMETER, .shape = *shape, .name = name, .u.parameter = module->parameter_count};
  *out = module->parameters[module->parameter_count++] = atr_module_add(module, &inst);
}

/* The parameters of f and the cotangent, in a module of its own. */
static atr_module *new_module(atr_gradient *grad, atr_id *renamed, atr_id *cotangent) {
  const atr_module *from = grad->from;
  atr_module *module = atr_module_new(grad->work->arena, from->name);
  module->hints = from->hints;
  module->parameters = ATR_NEW_ARRAY(grad->work->arena, atr_id, from->parameter_count + 1);
  for (int p = 0; p < from->parameter_count; p++) {
    const atr_inst *inst = atr_inst_at(from, from->parameters[p]);
    add_parameter(module, inst->name, &inst->shape, &renamed[from->parameters[p]]);
  }
  add_parameter(module, "cotangent", &atr_inst_at(from, from->results[0])->shape, cotangent);
  return module;
}

/* An instruction with other operands; attributes are shared. */
static atr_id add_renamed(atr_module *to, const atr_inst *inst, const atr_id *renamed) {
  atr_inst copy = *inst;
  copy.operands = ATR_NEW_ARRAY(to->arena, atr_id, inst->operand_count);
  copy.span = ATR_NOWHERE;
  copy.spans = NULL;
  for (int i = 0; i < inst->operand_count; i++) copy.operands[i] = renamed[inst->operands[i]];
  return atr_module_add(to, &copy);
}

static void repeat_forward(atr_gradient *grad) {
  for (atr_id id = 1; id <= grad->from->count; id++) {
    const atr_inst *inst = atr_inst_at(grad->from, id);
    if (inst->op != ATR_OP_PARAMETER) grad->value[id] = add_renamed(grad->to, inst, grad->value);
  }
}

/* ---- backwards */

static atr_status add_cotangent(atr_gradient *grad, atr_id id, atr_id g) {
  const atr_inst *inst = atr_inst_at(grad->from, id);
  atr_id *sum = &grad->cotangent[id];
  if (g == 0) return grad->work->status;
  if (!atr_shape_equal(&inst->shape, atr_gradient_shape(grad, g)))
    return ATR_BUG(grad->work, "the cotangent of %s %s is %s", inst->name, atr_shape_text(grad->work, &inst->shape),
                   atr_shape_text(grad->work, atr_gradient_shape(grad, g)));
  *sum = *sum == 0 ? g : atr_gradient_binary(grad, "add", *sum, g);
  return grad->work->status;
}

static atr_status walk_back(atr_gradient *grad) {
  for (atr_id id = grad->from->count; id >= 1; id--) {
    const atr_inst *inst = atr_inst_at(grad->from, id);
    if (!grad->active[id] || grad->cotangent[id] == 0) continue;
    for (int i = 0; i < inst->operand_count; i++) {
      atr_id operand = inst->operands[i];
      if (!grad->active[operand]) continue;
      ATR_TRY(add_cotangent(grad, operand, atr_gradient_of_operand(grad, inst, grad->cotangent[id], i)));
    }
  }
  return ATR_OK;
}

/* The cotangent of the parameter, zeros if it has none, in the parameter's layout. */
static atr_id result_of(atr_gradient *grad, const atr_inst *parameter, atr_id g) {
  const atr_shape *shape = &parameter->shape;
  if (g == 0) g = atr_gradient_splat(grad, shape, 0);
  if (g == 0) return 0;
  const atr_shape *have = atr_gradient_shape(grad, g);
  if (memcmp(have->minor_to_major, shape->minor_to_major, (size_t)shape->rank) == 0) return g;
  return atr_module_add(grad->to, &(atr_inst){.op = ATR_OP_COPY, .shape = *shape, .operand_count = 1, .operands = &g});
}

/* ---- what is kept */

/* The draft without what `result` does not need. */
static atr_module *keep_needed(atr_gradient *grad, atr_id result) {
  const atr_module *draft = grad->to;
  atr_id *renamed = ATR_NEW_ARRAY(grad->work->arena, atr_id, draft->count + 1), unused;
  bool *needed = ATR_NEW_ARRAY(grad->work->arena, bool, draft->count + 1);
  atr_id *old = ATR_NEW_ARRAY(grad->work->arena, atr_id, grad->from->count + 1);
  atr_module *module = new_module(grad, old, &unused);
  for (int p = 0; p < draft->parameter_count; p++) renamed[draft->parameters[p]] = module->parameters[p];
  needed[result] = true;
  for (atr_id id = draft->count; id >= 1; id--)
    for (int i = 0; i < draft->insts[id].operand_count; i++)
      needed[draft->insts[id].operands[i]] = needed[draft->insts[id].operands[i]] || needed[id];
  for (atr_id id = 1; id <= draft->count; id++) {
    if (!needed[id] || draft->insts[id].op == ATR_OP_PARAMETER) continue;
    atr_inst inst = draft->insts[id];
    atr_inst_own_attributes(grad->work->arena, draft, &inst);
    renamed[id] = add_renamed(module, &inst, renamed);
  }
  module->results = atr_arena_grow(grad->work->arena, &renamed[result], sizeof *renamed, sizeof *renamed);
  module->result_count = 1;
  return module;
}

atr_status atr_vjp_build(atr_work *work, const atr_module *module, int parameter, atr_module **out) {
  atr_arena *arena = work->arena;
  size_t n = (size_t)module->count + 1;
  ATR_TRY(check_request(work, module, parameter));
  atr_gradient grad = {.work = work,
                       .from = module,
                       .value = ATR_NEW_ARRAY(arena, atr_id, n),
                       .active = ATR_NEW_ARRAY(arena, bool, n),
                       .cotangent = ATR_NEW_ARRAY(arena, atr_id, n)};
  atr_id wanted = module->parameters[parameter];
  ATR_TRY(find_active(&grad, wanted));
  grad.to = new_module(&grad, grad.value, &grad.cotangent[module->results[0]]);
  repeat_forward(&grad);
  ATR_TRY(walk_back(&grad));
  atr_id result = result_of(&grad, atr_inst_at(module, wanted), grad.cotangent[wanted]);
  if (work->status != ATR_OK) return work->status;
  *out = keep_needed(&grad, result);
  return atr_verify_module(work, *out);
}

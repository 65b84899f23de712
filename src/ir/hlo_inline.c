/* hlo_inline.c - computations to one module.
 *
 * In: the computations that hlo_read.c made of the text. Out: the module: the entry computation with every called and fused
 * computation in place of its call, no tuples but that of the result, bitcasts as the reshapes and transposes that they are.
 *
 *     neg { a  m = negate(a) }   ENTRY { x  y = call(x) neg  z = call(y) neg }   ->   x  m = negate(x)  m.3 = negate(m)
 *
 * Computations under way are kept on a list and not on the stack of calls, so that long chains of calls do no harm; a chain
 * that doubles at each link would never end, which is what MAX_INLINED is for. Attributes are shared between the copies.
 *
 * Layouts. What operations compute does not depend on layouts, so those of intermediate values only matter to bitcast, which
 * reinterprets memory. Those of the entry's parameters and results are the caller's; where entry_computation_layout or the
 * ROOT state another than the value has, a copy changes it. */
#include <string.h>

#include "ir/hlo_read.h"

enum { MAX_INLINED = 1 << 18 }; /* nodes and operands met in called computations */

typedef struct value {
  const atr_id *ids;
  int count; /* 1 if not a tuple */
  bool is_tuple;
} value;

typedef struct frame {
  const atr_hlo_comp *comp;
  const value *arguments; /* NULL: the entry */
  value *values;          /* by node */
  uint32_t next;          /* node to do */
} frame;

typedef struct inliner {
  atr_hlo_reader *r;
  atr_work *work;
  atr_arena *arena;
  atr_module *module;
  frame *frames;
  uint32_t depth, capacity;
  bool *active; /* by computation: it is in frames */
  uint32_t steps;
} inliner;

static const char *type_text(inliner *in, const atr_shape *shape) {
  atr_text text = atr_text_make(in->arena);
  atr_shape_print(&text, shape, false);
  return text.data;
}

static value single(inliner *in, atr_id id) {
  atr_id *ids = ATR_NEW(in->arena, atr_id);
  *ids = id;
  return (value){.ids = ids, .count = 1};
}

static const atr_shape *shape_of(const inliner *in, atr_id id) { return &in->module->insts[id].shape; }

static bool same_layout(const atr_shape *a, const atr_shape *b) {
  return memcmp(a->minor_to_major, b->minor_to_major, (size_t)a->rank) == 0;
}

/* A value against a type that the text states for it; `what` begins the message. Layouts may differ. */
static atr_status check_type(inliner *in, const value *v, const atr_hlo_type *type, atr_span span, const char *what) {
  if (type == NULL || !type->stated) return ATR_OK;
  if (type->is_tuple != v->is_tuple) {
    return atr_fail(in->work, span, ATR_VERIFY_ERROR, "%s is %s tuple but %s", what, v->is_tuple ? "a" : "no",
                    type->is_tuple ? "a tuple is stated" : "an array is stated");
  }
  if (type->count != v->count) {
    return atr_fail(in->work, span, ATR_VERIFY_ERROR, "%s is a tuple of %d elements but %d are stated", what, v->count,
                    type->count);
  }
  for (int i = 0; i < v->count; i++) {
    const atr_shape *stated = &type->elements[i].shape, *actual = shape_of(in, v->ids[i]);
    if (atr_shape_equal(stated, actual)) continue;
    return atr_fail(in->work, span, ATR_VERIFY_ERROR, "%s is %s but %s is stated", what, type_text(in, actual),
                    type_text(in, stated));
  }
  return ATR_OK;
}

/* ---- one operation */

static atr_status operand_ids(inliner *in, const frame *f, const atr_hlo_node *node, atr_id *ids) {
  for (int i = 0; i < node->operand_count; i++) {
    const atr_hlo_operand *operand = &node->operands[i];
    const value *v = &f->values[operand->node];
    ATR_TRY(check_type(in, v, operand->stated, operand->span, "the operand"));
    if (v->is_tuple) return atr_fail(in->work, operand->span, ATR_VERIFY_ERROR, "an operand of %s is a tuple", node->opcode);
    ids[i] = v->ids[0];
  }
  return ATR_OK;
}

/* padding and slice have an entry per dimension, and the instruction does not say how many they are. */
static atr_status check_entries(inliner *in, const atr_hlo_node *node, const atr_inst *inst) {
  if (inst->op != ATR_OP_PAD && inst->op != ATR_OP_SLICE) return ATR_OK;
  int rank = shape_of(in, inst->operands[0])->rank;
  if (rank == node->attr_count) return ATR_OK;
  return atr_fail(in->work, atr_inst_span(inst, inst->op == ATR_OP_PAD ? ATR_ATTR_PADDING : ATR_ATTR_SLICE), ATR_VERIFY_ERROR,
                  "%s has %d entries but the operand has rank %d", inst->op == ATR_OP_PAD ? "padding" : "slice",
                  node->attr_count, rank);
}

/* The computation that reduce applies takes scalars of the operand's dtype. */
static atr_status check_reducer(inliner *in, const atr_hlo_node *node, const atr_inst *inst) {
  if (inst->op != ATR_OP_REDUCE) return ATR_OK;
  const atr_hlo_comp *comp = &in->r->comps[node->callee];
  atr_shape scalar = atr_shape_make(shape_of(in, inst->operands[0])->dtype, 0, NULL);
  for (uint32_t i = 0; i < comp->parameter_count; i++) {
    const atr_hlo_type *type = &comp->nodes[comp->parameters[i]].type;
    if (!type->is_tuple && atr_shape_equal(&type->elements[0].shape, &scalar)) continue;
    return atr_fail(in->work, node->target.span, ATR_VERIFY_ERROR, "parameter %u of the computation '%.60s' must be %s", i,
                    comp->name, type_text(in, &scalar));
  }
  return ATR_OK;
}

/* The stated type, or what the operands say. */
static atr_status set_shape(inliner *in, const atr_hlo_node *node, atr_inst *inst) {
  if (node->type.stated) {
    inst->shape = node->type.elements[0].shape;
    return ATR_OK;
  }
  bool gradient = inst->op == ATR_OP_LOCAL_DATA_GRADIENT || inst->op == ATR_OP_LOCAL_WEIGHT_GRADIENT;
  if (inst->op == ATR_OP_BROADCAST || inst->op == ATR_OP_RESHAPE || inst->op == ATR_OP_CONVERT || inst->op == ATR_OP_IOTA ||
      gradient) {
    return atr_fail(in->work, atr_inst_span(inst, ATR_ATTR_OPCODE), ATR_PARSE_ERROR, "the result type of %s must be stated",
                    node->opcode);
  }
  atr_shape inferred;
  ATR_TRY(atr_infer_shape(in->work, in->module, inst, &inferred));
  inst->shape = inferred;
  return ATR_OK;
}

static atr_status add_op(inliner *in, const frame *f, const atr_hlo_node *node, value *out) {
  atr_inst inst = node->inst;
  inst.operand_count = node->operand_count;
  inst.operands = ATR_NEW_ARRAY(in->arena, atr_id, node->operand_count);
  ATR_TRY(operand_ids(in, f, node, inst.operands));
  ATR_TRY(check_entries(in, node, &inst));
  ATR_TRY(check_reducer(in, node, &inst));
  ATR_TRY(set_shape(in, node, &inst));
  *out = single(in, atr_module_add(in->module, &inst));
  return ATR_OK;
}

static atr_id add_copy(inliner *in, atr_id id, const atr_shape *layout, const atr_hlo_node *node) {
  atr_inst copy = {.op = ATR_OP_COPY, .shape = *shape_of(in, id), .operand_count = 1, .operands = &id, .span = node->inst.span};
  memcpy(copy.shape.minor_to_major, layout->minor_to_major, sizeof copy.shape.minor_to_major);
  return atr_module_add(in->module, &copy);
}

/* ---- bitcast: the same bytes seen as another shape, in terms of logical dimensions
 *
 * Memory order of a value is its dimensions from the slowest to the fastest. Transposing the operand to its memory order,
 * reshaping that to the memory order of the result and transposing to the result's dimensions moves no byte. */

typedef struct order {
  int dims[ATR_MAX_RANK]; /* slowest first */
  bool identity;
} order;

static order memory_order(const atr_shape *shape) {
  order o = {.identity = true};
  for (int i = 0; i < shape->rank; i++) {
    o.dims[i] = shape->minor_to_major[shape->rank - 1 - i];
    o.identity = o.identity && o.dims[i] == i;
  }
  return o;
}

static atr_shape in_memory_order(const atr_shape *shape, const order *o) {
  int64_t dims[ATR_MAX_RANK];
  for (int i = 0; i < shape->rank; i++) dims[i] = shape->dims[o->dims[i]];
  return atr_shape_make(shape->dtype, shape->rank, dims);
}

/* One step of a bitcast; permutation NULL: a reshape. The last step gets the bitcast's name. */
static atr_id add_step(inliner *in, const atr_hlo_node *node, atr_id operand, const atr_shape *shape, const int *permutation,
                       bool last) {
  atr_inst step = {
      .op = permutation != NULL ? ATR_OP_TRANSPOSE : ATR_OP_RESHAPE, .shape = *shape, .operand_count = 1, .operands = &operand};
  step.span = node->inst.span;
  if (last) step.name = node->inst.name;
  if (permutation != NULL) {
    step.u.dims.count = shape->rank;
    step.u.dims.dims = ATR_NEW_ARRAY(in->arena, int64_t, shape->rank);
    for (int i = 0; i < shape->rank; i++) step.u.dims.dims[i] = permutation[i];
  }
  return atr_module_add(in->module, &step);
}

static atr_status check_bitcast(inliner *in, const atr_hlo_node *node, const atr_shape *from, const atr_shape *to) {
  int64_t from_elements, to_elements, bytes;
  if (from->dtype != to->dtype) {
    return atr_fail(in->work, node->spans[ATR_ATTR_OPCODE], ATR_UNSUPPORTED,
                    "bitcast from %s to %s changes the dtype, which is not supported", type_text(in, from), type_text(in, to));
  }
  bool fits = atr_shape_checked_bytes(from, &from_elements, &bytes) && atr_shape_checked_bytes(to, &to_elements, &bytes);
  if (!fits || from_elements != to_elements) {
    return atr_fail(in->work, node->spans[ATR_ATTR_OPCODE], ATR_VERIFY_ERROR,
                    "bitcast from %s to %s changes the number of elements", type_text(in, from), type_text(in, to));
  }
  return ATR_OK;
}

static atr_status add_bitcast(inliner *in, const frame *f, const atr_hlo_node *node, value *out) {
  atr_id id;
  ATR_TRY(operand_ids(in, f, node, &id));
  if (!node->type.stated) {
    return atr_fail(in->work, node->spans[ATR_ATTR_OPCODE], ATR_PARSE_ERROR, "the result type of bitcast must be stated");
  }
  const atr_shape from = *shape_of(in, id), *to = &node->type.elements[0].shape;
  ATR_TRY(check_bitcast(in, node, &from, to));
  order source = memory_order(&from), target = memory_order(to);
  atr_shape source_memory = in_memory_order(&from, &source), target_memory = in_memory_order(to, &target);
  bool reshape = !atr_shape_same_dims(&source_memory, &target_memory);
  int permutation[ATR_MAX_RANK];
  for (int i = 0; i < to->rank; i++) permutation[target.dims[i]] = reshape ? i : source.dims[i];
  if (reshape) {
    if (!source.identity) id = add_step(in, node, id, &source_memory, source.dims, false);
    id = add_step(in, node, id, &target_memory, NULL, target.identity);
    if (!target.identity) id = add_step(in, node, id, to, permutation, true);
  } else {
    bool nothing = true;
    for (int i = 0; i < to->rank; i++) nothing = nothing && permutation[i] == i;
    if (!nothing) id = add_step(in, node, id, to, permutation, true);
  }
  *out = single(in, id);
  return ATR_OK;
}

/* ---- tuples, parameters, calls */

static atr_status add_tuple(inliner *in, const frame *f, const atr_hlo_node *node, value *out) {
  atr_id *ids = ATR_NEW_ARRAY(in->arena, atr_id, node->operand_count);
  for (int i = 0; i < node->operand_count; i++) {
    if (f->values[node->operands[i].node].is_tuple) {
      return atr_fail(in->work, node->operands[i].span, ATR_UNSUPPORTED, "nested tuples are not supported");
    }
  }
  ATR_TRY(operand_ids(in, f, node, ids));
  *out = (value){.ids = ids, .count = node->operand_count, .is_tuple = true};
  return check_type(in, out, &node->type, node->type.span, "the tuple");
}

static atr_status add_element(inliner *in, const frame *f, const atr_hlo_node *node, value *out) {
  const value *tuple = &f->values[node->operands[0].node];
  ATR_TRY(check_type(in, tuple, node->operands[0].stated, node->operands[0].span, "the operand"));
  if (!tuple->is_tuple) {
    return atr_fail(in->work, node->operands[0].span, ATR_VERIFY_ERROR, "the operand of get-tuple-element is not a tuple");
  }
  if (node->index >= (uint32_t)tuple->count) {
    return atr_fail(in->work, node->inst.span, ATR_VERIFY_ERROR, "element %u of a tuple of %d elements", node->index,
                    tuple->count);
  }
  *out = single(in, tuple->ids[node->index]);
  return check_type(in, out, &node->type, node->type.span, "the element");
}

/* The parameter has the caller's layout; a copy gives it the one that its computation states, should they differ. */
static atr_status add_entry_parameter(inliner *in, const atr_hlo_node *node, value *out) {
  const atr_hlo_reader *r = in->r;
  if (node->type.is_tuple) {
    return atr_fail(in->work, node->type.span, ATR_UNSUPPORTED, "a parameter that is a tuple is not supported");
  }
  atr_inst inst = node->inst;
  const atr_hlo_shape *own = &node->type.elements[0];
  inst.shape = own->shape;
  const atr_hlo_type *caller = r->has_entry_layout ? &r->entry_parameters[inst.u.parameter] : NULL;
  if (caller != NULL && (caller->is_tuple || !atr_shape_equal(&caller->elements[0].shape, &own->shape))) {
    return atr_fail(in->work, caller->span, ATR_VERIFY_ERROR,
                    "entry_computation_layout states another type for parameter %lld than its instruction, %s",
                    (long long)inst.u.parameter, type_text(in, &own->shape));
  }
  if (caller != NULL && caller->elements[0].has_layout) inst.shape = caller->elements[0].shape;
  atr_id id = atr_module_add(in->module, &inst);
  in->module->parameters[inst.u.parameter] = id;
  if (own->has_layout && !same_layout(&inst.shape, &own->shape)) id = add_copy(in, id, &own->shape, node);
  *out = single(in, id);
  return ATR_OK;
}

/* The argument, in the layout of the parameter where a bitcast may look at it. */
static atr_status bind_parameter(inliner *in, const frame *f, const atr_hlo_node *node, value *out) {
  *out = f->arguments[node->inst.u.parameter];
  if (!f->comp->has_bitcast || out->is_tuple || !node->type.elements[0].has_layout) return ATR_OK;
  const atr_shape *wanted = &node->type.elements[0].shape;
  if (!same_layout(shape_of(in, out->ids[0]), wanted)) *out = single(in, add_copy(in, out->ids[0], wanted, node));
  return ATR_OK;
}

static void push_frame(inliner *in, uint32_t comp, const value *arguments) {
  ATR_RESERVE(in->arena, in->frames, in->depth, in->capacity);
  const atr_hlo_comp *c = &in->r->comps[comp];
  in->frames[in->depth++] = (frame){.comp = c, .arguments = arguments, .values = ATR_NEW_ARRAY(in->arena, value, c->count)};
  in->active[comp] = true;
}

static atr_status enter_call(inliner *in, const frame *f, const atr_hlo_node *node) {
  const atr_hlo_comp *callee = &in->r->comps[node->callee];
  if (in->active[node->callee]) {
    return atr_fail(in->work, node->target.span, ATR_VERIFY_ERROR, "the computation '%.60s' calls itself", callee->name);
  }
  if ((uint32_t)node->operand_count != callee->parameter_count) {
    return atr_fail(in->work, node->spans[ATR_ATTR_OPCODE], ATR_VERIFY_ERROR,
                    "%s passes %d operands to a computation of %u parameters", node->opcode, node->operand_count,
                    callee->parameter_count);
  }
  value *arguments = ATR_NEW_ARRAY(in->arena, value, node->operand_count);
  for (int i = 0; i < node->operand_count; i++) {
    arguments[i] = f->values[node->operands[i].node];
    ATR_TRY(check_type(in, &arguments[i], node->operands[i].stated, node->operands[i].span, "the operand"));
    const char *what = atr_arena_printf(in->arena, "argument %d of %s", i, node->opcode);
    ATR_TRY(check_type(in, &arguments[i], &callee->nodes[callee->parameters[i]].type, node->operands[i].span, what));
  }
  push_frame(in, node->callee, arguments);
  return ATR_OK;
}

/* ---- the walk */

static atr_status do_node(inliner *in, frame *f, const atr_hlo_node *node, value *out) {
  switch (node->kind) {
    case ATR_HLO_OP:
      if (node->inst.op != ATR_OP_PARAMETER) return add_op(in, f, node, out);
      return f->arguments == NULL ? add_entry_parameter(in, node, out) : bind_parameter(in, f, node, out);
    case ATR_HLO_TUPLE: return add_tuple(in, f, node, out);
    case ATR_HLO_ELEMENT: return add_element(in, f, node, out);
    case ATR_HLO_BITCAST: return add_bitcast(in, f, node, out);
    case ATR_HLO_CALL: break;
  }
  return ATR_BUG(in->work, "a call where none can be");
}

/* The computation on top is done: its root is what its call returns. */
static atr_status leave_call(inliner *in, value *result) {
  const frame *done = &in->frames[in->depth - 1];
  *result = done->values[done->comp->root];
  in->active[done->comp - in->r->comps] = false;
  in->depth--;
  if (in->depth == 0) return ATR_OK;
  frame *caller = &in->frames[in->depth - 1];
  const atr_hlo_node *call = &caller->comp->nodes[caller->next];
  ATR_TRY(check_type(in, result, &call->type, call->type.span, atr_arena_printf(in->arena, "the result of %s", call->opcode)));
  caller->values[caller->next++] = *result;
  return ATR_OK;
}

static atr_status walk(inliner *in, value *result) {
  push_frame(in, in->r->entry, NULL);
  while (in->depth > 0) {
    frame *f = &in->frames[in->depth - 1];
    if (f->next == f->comp->count) {
      ATR_TRY(leave_call(in, result));
      continue;
    }
    const atr_hlo_node *node = &f->comp->nodes[f->next];
    if (in->depth > 1) in->steps += 1 + (uint32_t)node->operand_count;
    if (in->steps > MAX_INLINED) {
      return atr_fail(in->work, node->inst.span, ATR_UNSUPPORTED,
                      "the calls of this module make it longer than %d instructions", MAX_INLINED);
    }
    if (node->kind == ATR_HLO_CALL) {
      ATR_TRY(enter_call(in, f, node));
    } else {
      ATR_TRY(do_node(in, f, node, &f->values[f->next]));
      f->next++;
    }
  }
  return ATR_OK;
}

/* Results in the layouts that the caller is promised: entry_computation_layout's, else those stated at the ROOT. */
static atr_status set_results(inliner *in, const value *result) {
  const atr_hlo_reader *r = in->r;
  const atr_hlo_comp *entry = &r->comps[r->entry];
  const atr_hlo_node *root = &entry->nodes[entry->root];
  atr_module *m = in->module;
  if (r->has_entry_layout) ATR_TRY(check_type(in, result, &r->entry_result, r->entry_result.span, "the result"));
  m->returns_tuple = result->is_tuple;
  m->result_count = result->count;
  m->results = ATR_NEW_ARRAY(in->arena, atr_id, result->count);
  for (int i = 0; i < result->count; i++) {
    atr_id id = result->ids[i];
    bool by_layout = r->has_entry_layout && r->entry_result.elements[i].has_layout;
    const atr_hlo_type *type = by_layout ? &r->entry_result : &root->type;
    const atr_hlo_shape *promised = type->stated ? &type->elements[i] : NULL;
    bool differs = promised != NULL && promised->has_layout && !same_layout(&promised->shape, shape_of(in, id));
    m->results[i] = differs ? add_copy(in, id, &promised->shape, root) : id;
  }
  return ATR_OK;
}

atr_status atr_hlo_inline(atr_hlo_reader *r, atr_module **out) {
  const atr_hlo_comp *entry = &r->comps[r->entry];
  inliner in = {.r = r, .work = r->work, .arena = r->work->arena, .module = atr_module_new(r->work->arena, r->module_name)};
  if (r->work->source != NULL) in.module->source = *r->work->source;
  if (r->has_entry_layout && r->entry_parameter_count != entry->parameter_count) {
    return atr_fail(r->work, r->entry_layout_span, ATR_VERIFY_ERROR,
                    "entry_computation_layout has %u parameters but the entry computation has %u", r->entry_parameter_count,
                    entry->parameter_count);
  }
  in.active = ATR_NEW_ARRAY(in.arena, bool, r->comp_count);
  in.module->hints = r->hints;
  in.module->parameter_count = (int)entry->parameter_count;
  in.module->parameters = ATR_NEW_ARRAY(in.arena, atr_id, entry->parameter_count);
  value result = {.count = 0};
  ATR_TRY(walk(&in, &result));
  ATR_TRY(set_results(&in, &result));
  *out = in.module;
  return ATR_OK;
}

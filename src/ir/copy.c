/* copy.c - a module once more, whole or with a parameter bound to its value.
 *
 * In: y = convolution(x, w), bias b; parameter 1 and the elements of w. Out: a module that shares nothing with the first one,
 *
 *     x = parameter(0)  w = constant({...})  b = parameter(1)  y = convolution(x, w) ...
 *
 * so that what depends on w alone, such as packing it, is done when compiling. */
#include "ir/ir.h"

#include <string.h>

/* Elements from the layout of their shape to row-major order. */
static void *row_major(atr_arena *arena, const atr_shape *shape, const void *data) {
  size_t size = atr_dtype_size(shape->dtype);
  int64_t strides[ATR_MAX_RANK], at[ATR_MAX_RANK] = {0}, count = atr_shape_elements(shape);
  char *out = atr_arena_alloc(arena, (size_t)count * size);
  if (count == 0) return out;
  if (atr_shape_is_row_major(shape)) return memcpy(out, data, (size_t)count * size);
  atr_shape_strides(shape, strides);
  for (int64_t i = 0, from = 0; i < count; i++) {
    memcpy(out + (size_t)i * size, (const char *)data + (size_t)from * size, size);
    for (int d = shape->rank - 1; d >= 0; d--) {
      from += strides[d];
      if (++at[d] < shape->dims[d]) break;
      from -= strides[d] * shape->dims[d];
      at[d] = 0;
    }
  }
  return out;
}

static void bind(atr_arena *arena, atr_inst *inst, const void *data) {
  void *literal = row_major(arena, &inst->shape, data);
  atr_dtype_clean(inst->shape.dtype, literal, atr_shape_elements(&inst->shape));
  inst->op = ATR_OP_CONSTANT;
  inst->u.literal = literal;
  inst->shape = atr_shape_make(inst->shape.dtype, inst->shape.rank, inst->shape.dims);
}

static atr_source copy_source(atr_arena *arena, const atr_source *source) {
  if (source->text == NULL) return (atr_source){.text = NULL};
  const char *name = source->name != NULL ? atr_arena_string(arena, source->name, strlen(source->name)) : NULL;
  return (atr_source){name, atr_arena_string(arena, source->text, source->len), source->len};
}

static const atr_span *copy_spans(atr_arena *arena, const atr_span *spans) {
  const size_t size = ATR_ATTR_COUNT * sizeof *spans;
  return spans != NULL ? atr_arena_grow(arena, spans, size, size) : NULL;
}

/* A result that is the bound parameter itself keeps the layout that the caller was promised. */
static atr_id result_of(atr_module *copy, atr_id id, const atr_shape *promised) {
  const atr_shape *have = &atr_inst_at(copy, id)->shape;
  if (memcmp(have->minor_to_major, promised->minor_to_major, (size_t)promised->rank) == 0) return id;
  return atr_module_add(copy, &(atr_inst){.op = ATR_OP_COPY, .shape = *promised, .operand_count = 1, .operands = &id});
}

static atr_id add(atr_arena *arena, const atr_module *module, atr_module *copy, const atr_inst *inst, const atr_id *renamed,
                  const void *bound, int64_t parameter) {
  atr_inst own = *inst;
  own.operands = ATR_NEW_ARRAY(arena, atr_id, inst->operand_count);
  for (int i = 0; i < inst->operand_count; i++) own.operands[i] = renamed[inst->operands[i]];
  own.spans = copy_spans(arena, inst->spans);
  atr_inst_own_attributes(arena, module, &own);
  if (inst->op == ATR_OP_PARAMETER && inst->u.parameter == parameter) bind(arena, &own, bound);
  else if (inst->op == ATR_OP_PARAMETER && parameter >= 0 && inst->u.parameter > parameter) own.u.parameter--;
  return atr_module_add(copy, &own);
}

atr_status atr_module_copy(atr_work *work, const atr_module *module, int parameter, const void *data, atr_module **out) {
  atr_arena *arena = work->arena;
  atr_module *copy = atr_module_new(arena, module->name);
  atr_id *renamed = ATR_NEW_ARRAY(arena, atr_id, module->count + 1);
  copy->source = copy_source(arena, &module->source);
  copy->parameters = ATR_NEW_ARRAY(arena, atr_id, module->parameter_count);
  copy->results = ATR_NEW_ARRAY(arena, atr_id, module->result_count);
  copy->returns_tuple = module->returns_tuple;
  copy->hints = module->hints;
  for (atr_id id = 1; id <= module->count; id++)
    renamed[id] = add(arena, module, copy, &module->insts[id], renamed, data, parameter);
  for (int p = 0; p < module->parameter_count; p++)
    if (p != parameter) copy->parameters[copy->parameter_count++] = renamed[module->parameters[p]];
  for (int r = 0; r < module->result_count; r++)
    copy->results[copy->result_count++] = result_of(copy, renamed[module->results[r]],
                                                    &atr_inst_at(module, module->results[r])->shape);
  *out = copy;
  return atr_verify_module(work, copy);
}

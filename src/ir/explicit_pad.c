/* explicit_pad.c - implicit zeros as a pad operation (explicit_pad.h).
 *
 * In: convolution(x, w), window={size=3 pad=1_1}. Out: pad(x, 0), padding=1_1 and convolution(pad, w), window={size=3}. */
#include "ir/explicit_pad.h"

#include <string.h>

#include "base/checked.h"

bool atr_conv_pads_zeros(const atr_conv *conv) {
  for (int s = 0; s < conv->spatial; s++)
    if (conv->window[s].edge == ATR_EDGE_ZERO && (conv->window[s].pad_lo > 0 || conv->window[s].pad_hi > 0)) return true;
  return false;
}

/* Moves positive padding from `conv` into `pad`, and the padded extents into `shape`. */
static atr_status move_padding(atr_work *work, const atr_inst *inst, atr_conv *conv, atr_pad_dim *pad, atr_shape *shape) {
  for (int s = 0; s < conv->spatial; s++) {
    atr_window_dim *w = &conv->window[s];
    int d = conv->lhs_spatial[s];
    if (w->edge != ATR_EDGE_ZERO || (w->pad_lo <= 0 && w->pad_hi <= 0)) continue;
    if (w->lhs_dilation != 1)
      return atr_fail(work, atr_inst_span(inst, ATR_ATTR_WINDOW), ATR_UNSUPPORTED,
                      "multiplied padding together with lhs_dilation has no generated code");
    pad[d] = (atr_pad_dim){.low = atr_max(w->pad_lo, 0), .high = atr_max(w->pad_hi, 0)};
    shape->dims[d] += pad[d].low + pad[d].high;
    w->pad_lo = atr_min(w->pad_lo, 0);
    w->pad_hi = atr_min(w->pad_hi, 0);
  }
  return ATR_OK;
}

static atr_status pad_convolution(atr_work *work, atr_module *module, atr_inst *inst) {
  const atr_shape lhs = module->insts[inst->operands[0]].shape;
  atr_conv *conv = ATR_NEW(work->arena, atr_conv);
  *conv = *inst->u.conv;
  inst->u.conv = conv;
  atr_inst pad = {
      .op = ATR_OP_PAD, .operand_count = 2, .span = inst->span, .shape = atr_shape_make(lhs.dtype, lhs.rank, lhs.dims)};
  pad.u.pad = ATR_NEW_ARRAY(work->arena, atr_pad_dim, lhs.rank);
  ATR_TRY(move_padding(work, inst, conv, pad.u.pad, &pad.shape));
  atr_inst zero = {
      .op = ATR_OP_CONSTANT, .shape = atr_shape_make(lhs.dtype, 0, NULL), .u.literal = atr_arena_alloc(work->arena, 16)};
  atr_id operands[2] = {inst->operands[0], atr_module_add(module, &zero)};
  pad.operands = operands;
  inst->operands[0] = atr_module_add(module, &pad);
  return ATR_OK;
}

atr_status atr_module_explicit_padding(atr_work *work, const atr_module *module, atr_module **out) {
  atr_module *copy = atr_module_new(work->arena, module->name);
  atr_id *renamed = ATR_NEW_ARRAY(work->arena, atr_id, module->count + 1);
  copy->parameters = ATR_NEW_ARRAY(work->arena, atr_id, module->parameter_count);
  copy->parameter_count = module->parameter_count;
  copy->results = ATR_NEW_ARRAY(work->arena, atr_id, module->result_count);
  copy->result_count = module->result_count;
  copy->returns_tuple = module->returns_tuple;
  copy->source = module->source;
  for (atr_id id = 1; id <= module->count; id++) {
    atr_inst inst = module->insts[id];
    inst.operands = atr_arena_grow(work->arena, inst.operands, sizeof(atr_id) * (size_t)inst.operand_count,
                                   sizeof(atr_id) * (size_t)inst.operand_count);
    for (int i = 0; i < inst.operand_count; i++) inst.operands[i] = renamed[inst.operands[i]];
    bool pads = atr_op_kind_of(inst.op) == ATR_KIND_CONV && inst.op != ATR_OP_LOCAL_DATA_GRADIENT; /* whose padding is unseen */
    if (pads && atr_conv_pads_zeros(inst.u.conv)) ATR_TRY(pad_convolution(work, copy, &inst));
    renamed[id] = atr_module_add(copy, &inst);
  }
  for (int p = 0; p < module->parameter_count; p++) copy->parameters[p] = renamed[module->parameters[p]];
  for (int r = 0; r < module->result_count; r++) copy->results[r] = renamed[module->results[r]];
  *out = copy;
  return ATR_OK;
}

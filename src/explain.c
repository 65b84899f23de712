/* explain.c - the report behind `atrousc explain` (explain.h).
 *
 * In: the module, its program and target. Out: per nest
 *
 *     nest y
 *       work      231.2 MFLOP, of which 6.9 MFLOP (3.0 %) fall on padding or holes and are skipped
 *       traffic   1.2 MB at least once, intensity 187 FLOP/byte: bound by arithmetic (balance 4.0)
 *       schedule  parallel oc oy; loop ox; reduce ky kx ic; ...
 *       why       vector over oc: ...
 *
 * Intensity is FLOPs that count over bytes that must move once; the balance of the machine is its row's FLOPs per cycle over
 * the 8 bytes per cycle that a core is taken to get from memory (Williams, Waterman, Patterson, "Roofline", 2009). */
#include "explain.h"

#include <string.h>

static const double MEMORY_BYTES_PER_CYCLE = 8;

static double flops_per_mac(atr_dtype dtype) { return atr_dtype_class_of(dtype) == ATR_CLASS_COMPLEX ? 8 : 2; }

/* Bytes of the distinct buffers that the nest touches. */
static double nest_bytes(const atr_program *program, const atr_nest *nest) {
  double bytes = 0;
  for (int b = 0; b < program->buffer_count; b++) {
    bool touched = nest->out.buffer == b || (nest->has_acc && (nest->lhs.buffer == b || nest->rhs.buffer == b));
    for (int x = 1; x <= nest->expr_count; x++)
      touched |= nest->exprs[x].kind == ATR_EXPR_LOAD && nest->exprs[x].access.buffer == b;
    if (touched) bytes += (double)program->buffers[b].elements * (double)atr_dtype_size(program->buffers[b].dtype);
  }
  return bytes;
}

static void explain_work(atr_text *text, const atr_program *program, const atr_nest *nest, const atr_target *target) {
  double flops = nest->has_acc ? flops_per_mac(nest->acc_dtype) : 0, counted, all = flops * atr_nest_macs(nest);
  double bytes = nest_bytes(program, nest);
  counted = flops * atr_nest_useful_macs(nest);
  if (nest->has_acc)
    atr_text_printf(text, "  work      %.4g MFLOP, of which %.4g MFLOP (%.1f %%) fall outside the input and are skipped\n",
                    all / 1e6, (all - counted) / 1e6, all > 0 ? 100 * (all - counted) / all : 0);
  atr_dtype type = nest->has_acc ? nest->acc_dtype : nest->exprs[nest->root].dtype;
  double lanes = target->row->vector_bits / 8.0 / (double)atr_dtype_size(atr_dtype_real(type));
  double balance = 2 * lanes * target->row->fma_per_cycle / MEMORY_BYTES_PER_CYCLE, intensity = bytes > 0 ? counted / bytes : 0;
  atr_text_printf(text, "  traffic   %.4g MB at least once, intensity %.3g FLOP/byte: bound by %s (balance of %s: %.3g)\n",
                  bytes / 1e6, intensity, intensity > balance ? "arithmetic" : "memory", target->row->name, balance);
}

void atr_explain(atr_text *text, const atr_module *module, const atr_program *program, const atr_target *target,
                 const char *fallback) {
  atr_text_printf(text, "module %s\n", module->name);
  for (atr_id id = 1; id <= module->count; id++) {
    if (atr_op_kind_of(module->insts[id].op) != ATR_KIND_CONV) continue;
    atr_text_puts(text, "  ");
    atr_hlo_print_inst(text, module, &module->insts[id]);
    atr_text_puts(text, "\n");
  }
  if (fallback != NULL) {
    atr_text_printf(text, "ran by    the interpreter, because %s\n", fallback);
    return;
  }
  atr_text_printf(text, "target    %s, row %s: %d-bit vectors, %d registers%s%s\n", target->cpu, target->row->name,
                  target->row->vector_bits, target->row->registers, target->vnni ? ", integer dot products" : "",
                  target->bf16_dot ? ", bf16 dot products" : "");
  atr_text_printf(text, "memory    %lld bytes of scratch, %lld bytes packed\n", (long long)program->scratch_bytes,
                  (long long)program->packed_bytes);
  for (int n = 0; n < program->nest_count; n++) {
    const atr_nest *nest = program->nests[n];
    atr_text_printf(text, "nest %s%s\n", nest->name, nest->prepack ? " (runs once, in prepack)" : "");
    explain_work(text, program, nest, target);
    if (nest->schedule != NULL) atr_text_printf(text, "  schedule  %s\n", nest->schedule);
    if (nest->why != NULL) atr_text_printf(text, "  why       %s\n", nest->why);
    atr_nest_print(text, program, nest, 2);
  }
}

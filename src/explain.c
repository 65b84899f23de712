/* explain.c - the report behind `atrousc explain` (explain.h).
 *
 * In: the module, its program and target. Out: what schedules were measured, if any, and per nest
 *
 *     nest y
 *       work      231.2 MFLOP, of which 6.9 MFLOP (3.0 %) fall on padding or holes and are skipped
 *       traffic   1.2 MB at least once, intensity 187 FLOP/byte: bound by arithmetic (balance 4.0)
 *       schedule  parallel oc oy; loop ox; reduce ky kx ic; ...
 *       why       vector over oc: ...
 *       threads   oc (8) and oy (28): 224 iterations in 64 tasks
 *       regions   6 tiles in the code: ox in 3 parts for padding; ky clipped while running
 *
 * Intensity is FLOPs that count over bytes that must move once; the balance of the machine is its row's FLOPs per cycle over
 * the 8 bytes per cycle that a core is taken to get from memory (Williams, Waterman, Patterson, "Roofline", 2009). */
#include "explain.h"

#include <string.h>

#include "lower/cost.h"
#include "lower/regions.h"

static const double MEMORY_BYTES_PER_CYCLE = 8;

static double flops_per_mac(atr_dtype dtype) { return atr_dtype_class_of(dtype) == ATR_CLASS_COMPLEX ? 8 : 2; }

/* Bytes of the distinct buffers that the nest touches. */
static double nest_bytes(const atr_program *program, const atr_nest *nest) {
  double bytes = 0;
  for (int b = 0; b < program->buffer_count; b++)
    if (atr_nest_touches(nest, b)) bytes += (double)atr_buffer_bytes(&program->buffers[b]);
  return bytes;
}

static void explain_work(atr_text *text, const atr_program *program, const atr_nest *nest, const atr_target *target) {
  double flops = nest->has_acc ? flops_per_mac(nest->acc_dtype) * atr_cost_computed(nest) : 0, counted;
  double all = flops * atr_nest_macs(nest);
  double bytes = nest_bytes(program, nest);
  counted = flops * atr_nest_useful_macs(nest);
  if (nest->has_acc)
    atr_text_printf(text, "  work      %.4g MFLOP, of which %.4g MFLOP (%.1f %%) fall outside the input and are skipped\n",
                    all / 1e6, (all - counted) / 1e6, all > 0 ? 100 * (all - counted) / all : 0);
  atr_dtype type = nest->has_acc ? nest->acc_dtype : nest->exprs[nest->root].dtype;
  double lanes = (double)atr_target_lanes(target, atr_dtype_real(type));
  double balance = 2 * lanes * target->row->fma_per_cycle / MEMORY_BYTES_PER_CYCLE, intensity = bytes > 0 ? counted / bytes : 0;
  atr_text_printf(text, "  traffic   %.4g MB at least once, intensity %.3g FLOP/byte: bound by %s (balance of %s: %.3g)\n",
                  bytes / 1e6, intensity, intensity > balance ? "arithmetic" : "memory", target->row->name, balance);
}

/* ---- threads and regions */

static void explain_threads(atr_text *text, const atr_program *program, const atr_nest *nest) {
  const char *between = "";
  int64_t total = atr_nest_parallel_total(nest), tasks = atr_nest_tasks(nest);
  atr_text_puts(text, "  threads   ");
  for (int d = 0; d < nest->dim_count; d++) {
    if (nest->dims[d].kind != ATR_DIM_PARALLEL) continue;
    atr_text_printf(text, "%s%s (%lld)", between, nest->dims[d].name, (long long)nest->dims[d].extent);
    between = " and ";
  }
  const char *parts = atr_nest_parts(nest) > 1 && atr_program_tasks_run_parts(program, nest) ? ", each of which runs all parts" : "";
  if (*between == '\0') atr_text_puts(text, "one: no dim is parallel\n");
  else
    atr_text_printf(text, ": %lld iterations in %lld task%s%s\n", (long long)total, (long long)tasks, tasks == 1 ? "" : "s",
                    parts);
}

/* What the loop tree of a nest is made of. */
typedef struct tree_facts {
  int64_t tiles;
  int parts[ATR_MAX_DIMS]; /* of the range of the dim, where it has most */
  bool clipped[ATR_MAX_DIMS];
} tree_facts;

static void look_at_tree(const atr_node *first, tree_facts *f) {
  int parts = 0;
  for (const atr_node *node = first; node != NULL; node = node->next) {
    f->tiles += node->dim == ATR_NODE_TILE;
    if (node->dim >= 0) {
      if (++parts > f->parts[node->dim]) f->parts[node->dim] = parts;
      f->clipped[node->dim] |= node->clip;
    }
    look_at_tree(node->child, f);
  }
}

/* May the question be answered differently along the dim? */
static bool asks_about(const atr_nest *nest, const atr_affine *at, int64_t bound, int dim) {
  atr_box box = atr_nest_box(nest);
  return at->coef[dim] != 0 && atr_bounds_answer(nest, at, bound, &box) != ATR_ALWAYS;
}

typedef struct cut_reasons {
  const atr_nest *nest;
  int dim;
  bool padding, edge, load, tail;
} cut_reasons;

static void look_at_access(cut_reasons *r, const atr_access *access, bool lhs) {
  for (int i = 0; i < access->index_count; i++) {
    const atr_index *index = &access->index[i];
    if (!asks_about(r->nest, &index->at, index->bound, r->dim)) continue;
    r->edge |= index->edge != ATR_EDGE_ZERO;
    r->padding |= index->edge == ATR_EDGE_ZERO && lhs;
    r->load |= index->edge == ATR_EDGE_ZERO && !lhs;
  }
}

/* "padding and the last tile" */
static void print_reasons(atr_text *text, const atr_nest *nest, int dim) {
  cut_reasons r = {.nest = nest, .dim = dim};
  if (nest->has_acc) look_at_access(&r, &nest->lhs, true);
  for (int e = 1; e <= nest->expr_count; e++)
    if (nest->exprs[e].kind == ATR_EXPR_LOAD) look_at_access(&r, &nest->exprs[e].access, false);
  for (int g = 0; g < nest->guard_count; g++) r.tail |= asks_about(nest, &nest->guards[g].at, nest->guards[g].bound, dim);
  const char *const words[] = {r.padding ? "padding" : NULL, r.edge ? "its edge mode" : NULL,
                               r.load ? "the ends of a pad or concatenation" : NULL,
                               r.tail ? "a last tile that is not full" : NULL};
  const char *between = " for ";
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (words[i] == NULL) continue;
    atr_text_printf(text, "%s%s", between, words[i]);
    between = " and ";
  }
}

static void explain_regions(atr_text *text, const atr_nest *nest) {
  tree_facts f = {.tiles = 0};
  const char *between = ": ";
  look_at_tree(nest->tree, &f);
  atr_text_printf(text, "  regions   %lld tile%s in the code", (long long)f.tiles, f.tiles == 1 ? "" : "s");
  for (int d = 0; d < nest->dim_count; d++) {
    if (f.parts[d] < 2 && !f.clipped[d]) continue;
    atr_text_printf(text, "%s%s", between, nest->dims[d].name);
    between = "; ";
    if (f.parts[d] >= 2) {
      atr_text_printf(text, " in %d parts", f.parts[d]);
      print_reasons(text, nest, d);
    }
    if (f.clipped[d]) atr_text_printf(text, "%s clipped to the input while running", f.parts[d] >= 2 ? "," : "");
  }
  atr_text_puts(text, "\n");
}

void atr_explain(atr_text *text, const atr_module *module, const atr_program *program, const atr_target *target,
                 const char *measured, const char *fallback) {
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
  if (measured != NULL) atr_text_printf(text, "measured  %s\n", measured);
  for (int n = 0; n < program->nest_count; n++) {
    const atr_nest *nest = program->nests[n];
    atr_text_printf(text, "nest %s%s\n", nest->name, nest->prepack ? " (runs once, in prepack)" : "");
    explain_work(text, program, nest, target);
    if (nest->schedule != NULL) atr_text_printf(text, "  schedule  %s\n", nest->schedule);
    if (nest->why != NULL) atr_text_printf(text, "  why       %s\n", nest->why);
    explain_threads(text, program, nest);
    if (nest->tree != NULL) explain_regions(text, nest);
    atr_nest_print(text, program, nest, 2);
  }
}

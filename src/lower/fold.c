/* fold.c - what depends on literals alone is worked out when compiling.
 *
 * In: a planned program. Out: packed buffers that are made of literals become constants, whose bytes the interpreter of nests
 * works out, and the nests that made them are gone:
 *
 *     buffer w constant f32 9216                      buffer w constant f32 9216
 *     buffer y.rhs packed f32 9216 at 0       ->      buffer y.rhs constant f32 9216
 *     nest y.pack prepack { ... }                     nest y { ... }
 *     nest y { ... }
 *
 * The bytes must be the same on any machine that compiles, so nests with functions of the C library (exponential, tanh, logistic,
 * the absolute value and quotient of complex numbers) are left to the machine that runs. */
#include "base/checked.h"
#include "lower/schedule.h"

static bool is_exact(const atr_nest *nest) {
  for (int e = 1; e <= nest->expr_count; e++) {
    const atr_expr *expr = &nest->exprs[e];
    if (expr->kind != ATR_EXPR_OP) continue;
    bool of_complex = atr_dtype_class_of(nest->exprs[expr->args[0]].dtype) == ATR_CLASS_COMPLEX;
    if (expr->op == ATR_OP_EXPONENTIAL || expr->op == ATR_OP_TANH || expr->op == ATR_OP_LOGISTIC) return false;
    if (of_complex && (expr->op == ATR_OP_ABS || expr->op == ATR_OP_DIVIDE)) return false;
  }
  return true;
}

typedef struct known {
  const bool *literal; /* by buffer */
  int out;             /* may be read by its own nest */
  bool all;
} known;

static void check_access(void *user, atr_access *access) {
  known *k = user;
  k->all = k->all && (k->literal[access->buffer] || access->buffer == k->out);
}

/* Can the nest be run now? All that it reads is known. */
static bool is_literal(const atr_nest *nest, const bool *literal) {
  known k = {literal, nest->out.buffer, true};
  atr_nest_visit_access((atr_nest *)nest, check_access, &k);
  return k.all && nest->prepack && is_exact(nest);
}

/* literal[b]: b is a constant, or a packed buffer all of whose writers can be run now. Nests are in order of execution. */
static int find_literals(const atr_program *p, bool *literal) {
  int found = 0;
  for (int b = 0; b < p->buffer_count; b++) literal[b] = p->buffers[b].kind == ATR_BUFFER_CONSTANT;
  for (int n = 0; n < p->nest_count; n++) {
    int buffer = p->nests[n]->out.buffer;
    bool all = p->buffers[buffer].kind == ATR_BUFFER_PACKED, last = true;
    for (int m = 0; m < p->nest_count; m++) {
      if (p->nests[m]->out.buffer != buffer) continue;
      last = m <= n;
      all = all && is_literal(p->nests[m], literal);
    }
    if (!all || !last) continue;
    literal[buffer] = true;
    found++;
  }
  return found;
}

/* The nests that can be run now as a program of their own, whose results are the new constants. */
static atr_program *literal_part(atr_arena *arena, const atr_program *p, const bool *literal, void **results) {
  atr_program *part = ATR_NEW(arena, atr_program);
  int count = 0;
  part->name = p->name;
  for (int b = 0; b < p->buffer_count; b++) {
    atr_buffer buffer = p->buffers[b];
    if (!literal[b]) {
      buffer.kind = ATR_BUFFER_CONSTANT; /* nothing reads it */
      buffer.elements = 0;
    } else if (buffer.kind == ATR_BUFFER_PACKED) {
      buffer.kind = ATR_BUFFER_RESULT;
      buffer.number = count;
      results[count++] = atr_arena_alloc_aligned(arena, (size_t)buffer.elements * atr_dtype_size(buffer.dtype), 64);
    }
    atr_program_add_buffer(arena, part, &buffer);
  }
  for (int n = 0; n < p->nest_count; n++)
    if (p->nests[n]->prepack && literal[p->nests[n]->out.buffer])
      atr_program_add_nest(arena, part, atr_nest_copy(arena, p->nests[n]));
  return part;
}

/* Takes the nests that have run out of the program, and closes the gaps in the packed block. */
static void replace(atr_program *p, const atr_program *part, void *const *results) {
  int kept = 0;
  for (int n = 0; n < p->nest_count; n++)
    if (part->buffers[p->nests[n]->out.buffer].kind != ATR_BUFFER_RESULT) p->nests[kept++] = p->nests[n];
  p->nest_count = kept;
  p->packed_bytes = 0;
  for (int b = 0; b < p->buffer_count; b++) {
    atr_buffer *buffer = &p->buffers[b];
    if (buffer->kind != ATR_BUFFER_PACKED) continue;
    if (part->buffers[b].kind == ATR_BUFFER_RESULT) {
      buffer->kind = ATR_BUFFER_CONSTANT;
      buffer->offset = 0;
      buffer->data = results[part->buffers[b].number];
      continue;
    }
    buffer->offset = p->packed_bytes;
    p->packed_bytes += atr_align(atr_buffer_bytes(buffer), ATR_SCRATCH_ALIGNMENT);
  }
}

atr_status atr_program_fold_literals(atr_work *work, atr_program *program) {
  bool *literal = ATR_NEW_ARRAY(work->arena, bool, program->buffer_count);
  int found = find_literals(program, literal);
  if (found == 0) return ATR_OK;
  void **results = ATR_NEW_ARRAY(work->arena, void *, found);
  const atr_program *part = literal_part(work->arena, program, literal, results);
  ATR_TRY(atr_program_interpret(work, part, NULL, results));
  replace(program, part, results);
  return ATR_OK;
}

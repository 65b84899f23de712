/* plan.c - where temporaries and packed weights live.
 *
 * In: a program whose nests are final. Out: byte offsets of TEMP buffers in one scratch block (first fit; buffers whose
 * lifetimes, in nests, do not overlap share bytes) and of PACKED buffers in the packed block; nests that read constants alone
 * are marked prepack. */
#include <stdlib.h>

#include "base/checked.h"
#include "lower/schedule.h"

typedef struct reads {
  const atr_program *program;
  uint64_t constant_parameters;
  bool all_constant;
} reads;

static bool buffer_is_constant(const reads *r, int buffer) {
  const atr_buffer *b = &r->program->buffers[buffer];
  switch (b->kind) {
  case ATR_BUFFER_CONSTANT:
  case ATR_BUFFER_PACKED: return true;
  case ATR_BUFFER_ARG: return b->number < 64 && (r->constant_parameters >> b->number & 1) != 0;
  case ATR_BUFFER_TEMP:
  case ATR_BUFFER_RESULT: return false;
  }
  return false;
}

static bool reads_constants_only(const atr_program *program, const atr_nest *nest, uint64_t constant_parameters) {
  reads r = {program, constant_parameters, true};
  if (nest->has_acc) r.all_constant = buffer_is_constant(&r, nest->lhs.buffer) && buffer_is_constant(&r, nest->rhs.buffer);
  for (int e = 1; e <= nest->expr_count; e++)
    if (nest->exprs[e].kind == ATR_EXPR_LOAD)
      r.all_constant = r.all_constant && buffer_is_constant(&r, nest->exprs[e].access.buffer);
  return r.all_constant;
}

/* A temporary all of whose writers read constants only becomes packed; its readers may then follow. Nests are in order of
 * execution, so one pass over the buffers in the order of their last writer settles everything. */
static void find_prepacked(atr_program *program, uint64_t constant_parameters) {
  for (int n = 0; n < program->nest_count; n++) {
    int buffer = program->nests[n]->out.buffer;
    bool constant = program->buffers[buffer].kind == ATR_BUFFER_TEMP && atr_nest_parts(program->nests[n]) == 1, last = true;
    for (int m = 0; m < program->nest_count; m++) {
      if (program->nests[m]->out.buffer != buffer) continue;
      last = m <= n;
      constant = constant && reads_constants_only(program, program->nests[m], constant_parameters);
    }
    if (constant && last) program->buffers[buffer].kind = ATR_BUFFER_PACKED;
  }
  for (int n = 0; n < program->nest_count; n++)
    program->nests[n]->prepack = program->buffers[program->nests[n]->out.buffer].kind == ATR_BUFFER_PACKED;
}

typedef struct lifetime {
  int first, last; /* nests; first > last: never used */
} lifetime;

typedef struct lifetimes {
  lifetime *of;
  int nest;
} lifetimes;

static void note_access(void *user, atr_access *access) {
  lifetimes *l = user;
  lifetime *t = &l->of[access->buffer];
  if (l->nest < t->first) t->first = l->nest;
  if (l->nest > t->last) t->last = l->nest;
}

static atr_status padded_bytes(atr_work *work, const atr_buffer *buffer, int64_t *bytes) {
  if (!atr_checked_mul(buffer->elements, (int64_t)atr_dtype_size(buffer->dtype), bytes) || *bytes > INT64_MAX / 4)
    return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "temporary %s is too large", buffer->name);
  *bytes = atr_align(*bytes, ATR_SCRATCH_ALIGNMENT);
  return ATR_OK;
}

/* The lowest offset at which `bytes` fit beside every placed buffer whose lifetime overlaps. */
static int64_t first_fit(const atr_program *program, const lifetime *of, const int *placed, int placed_count, int buffer,
                         int64_t bytes) {
  int64_t at = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (int i = 0; i < placed_count; i++) {
      const atr_buffer *other = &program->buffers[placed[i]];
      int64_t size = atr_align(atr_buffer_bytes(other), ATR_SCRATCH_ALIGNMENT);
      bool together = of[placed[i]].first <= of[buffer].last && of[buffer].first <= of[placed[i]].last;
      if (!together || at + bytes <= other->offset || at >= other->offset + size) continue;
      at = other->offset + size;
      moved = true;
    }
  }
  return at;
}

atr_status atr_program_plan(atr_work *work, atr_program *program, uint64_t constant_parameters) {
  find_prepacked(program, constant_parameters);
  lifetimes l = {.of = ATR_NEW_ARRAY(work->arena, lifetime, program->buffer_count)};
  for (int b = 0; b < program->buffer_count; b++) l.of[b] = (lifetime){program->nest_count, -1};
  for (int n = 0; n < program->nest_count; n++) {
    l.nest = n;
    atr_nest_visit_access(program->nests[n], note_access, &l);
  }
  for (int b = 0; b < program->buffer_count; b++) atr_program_extend_life(program, &l.of[b].first, &l.of[b].last);
  int *placed = ATR_NEW_ARRAY(work->arena, int, program->buffer_count), placed_count = 0;
  program->scratch_bytes = program->packed_bytes = 0;
  for (int b = 0; b < program->buffer_count; b++) {
    atr_buffer *buffer = &program->buffers[b];
    int64_t bytes;
    if ((buffer->kind != ATR_BUFFER_TEMP && buffer->kind != ATR_BUFFER_PACKED) || l.of[b].last < 0) continue;
    ATR_TRY(padded_bytes(work, buffer, &bytes));
    if (buffer->kind == ATR_BUFFER_PACKED) {
      buffer->offset = program->packed_bytes;
      program->packed_bytes += bytes;
      continue;
    }
    buffer->offset = first_fit(program, l.of, placed, placed_count, b, bytes);
    placed[placed_count++] = b;
    program->scratch_bytes = atr_max(program->scratch_bytes, buffer->offset + bytes);
  }
  return ATR_OK;
}

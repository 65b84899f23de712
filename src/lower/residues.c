/* residues.c - residue classes of one nest that differ by fixed steps alone, as one nest again.
 *
 * In: the nests that phases.c made of one nest. Out: fewer: where all affine forms of nests, of accesses and of the questions about
 * them, stand a fixed step apart from one nest to the next, they become one nest with one more dim, which counts them. Nothing depends
 * on their order: residues store different elements.
 *
 *     2x2 window on a dilated input: four residues of one tap each                        -> one dense nest with two more dims of 2
 *     4x4 window, lhs_dilation 2: four residues of 2x2 taps, of which some start a pixel later -> the same
 *     9x9 window, lhs_dilation 4: residues of 3 and of 2 taps a row                       -> 4 nests instead of 16
 *
 * Several dims of outputs then share elements of lhs, which a schedule can make vectors or copies of; and there is less code. */
#include <string.h>

#include "lower/simplify.h"

/* Is b the residue whose forms stand `times` steps behind a's? times 0: the step is whatever lies between them. */
static bool follows(const atr_nest *a, const atr_nest *b, int64_t times, int64_t *step) {
  const atr_affine *x[ATR_MOST_FORMS], *y[ATR_MOST_FORMS];
  if (!atr_nest_alike(a, b)) return false;
  int count = atr_nest_forms(a, x);
  atr_nest_forms(b, y);
  for (int i = 0; i < count; i++) {
    int64_t between = y[i]->offset - x[i]->offset;
    if (times == 0) step[i] = between;
    else if (between != times * step[i]) return false;
  }
  return true;
}

typedef struct insertion {
  int dim;
  const int64_t *step; /* of the forms, in their order */
  int next;
} insertion;

static void insert_dim(void *user, atr_affine *affine) {
  insertion *in = user;
  memmove(&affine->coef[in->dim + 1], &affine->coef[in->dim], sizeof(int64_t) * (size_t)(ATR_MAX_DIMS - 1 - in->dim));
  affine->coef[in->dim] = in->step[in->next++];
}

/* A name that no dim has: r, r1, r2, ... */
static const char *new_name(atr_arena *arena, const atr_nest *nest) {
  const char *name = "r";
  for (int n = 1, d = 0; d < nest->dim_count; d++) {
    if (strcmp(nest->dims[d].name, name) != 0) continue;
    name = atr_arena_printf(arena, "r%d", n++);
    d = -1;
  }
  return name;
}

/* The dim that counts residues, behind the other independent ones: they are neighbours in memory where nothing else is. */
static void add_residues(atr_arena *arena, atr_nest *nest, int64_t count, const int64_t *step) {
  insertion in = {.step = step};
  const char *name = new_name(arena, nest);
  while (in.dim < nest->dim_count && !nest->dims[in.dim].reduced) in.dim++;
  atr_nest_visit_affine(nest, insert_dim, &in);
  memmove(&nest->dims[in.dim + 1], &nest->dims[in.dim], sizeof nest->dims[0] * (size_t)(nest->dim_count - in.dim));
  nest->dims[in.dim] = (atr_dim){.name = name, .extent = count};
  nest->dim_count++;
}

/* Merges what follows nests[first] with it; false when nothing does. */
static bool merge_into(atr_arena *arena, atr_nest **nests, int *count, int first) {
  int64_t step[ATR_MOST_FORMS];
  int run[ATR_MOST_FORMS], length = 1;
  run[0] = first;
  for (int n = first + 1; n < *count && length == 1; n++)
    if (follows(nests[first], nests[n], 0, step)) run[length++] = n;
  if (length == 1 || nests[first]->dim_count == ATR_MAX_DIMS / 2) return false;
  for (bool more = true; more && length < ATR_MOST_FORMS;) {
    more = false;
    for (int n = first + 1; n < *count && !more; n++) {
      more = follows(nests[first], nests[n], length, step);
      if (more) run[length++] = n;
    }
  }
  add_residues(arena, nests[first], length, step);
  int kept = 0;
  for (int n = 0; n < *count; n++) {
    bool merged = false;
    for (int i = 1; i < length; i++) merged |= run[i] == n;
    if (!merged) nests[kept++] = nests[n];
  }
  *count = kept;
  return true;
}

void atr_nest_merge_residues(atr_arena *arena, atr_program *program, int first, const char *name) {
  int count = program->nest_count - first;
  for (bool merged = true; merged;) { /* rows of residues, then rows of rows */
    merged = false;
    for (int n = 0; n < count; n++) merged |= merge_into(arena, program->nests + first, &count, n);
  }
  program->nest_count = first + count;
  if (count == 1) program->nests[first]->name = name;
}

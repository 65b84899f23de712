/* phases.c - lhs_dilation without a wasted multiply: output residue classes as nests of their own.
 *
 * In: a canonical nest with an index t = S*o + D*k + c whose element exists only where L divides t (o independent, k reduced or
 * absent). Out: P = L / gcd(S, L) nests, one for each residue r of o mod P. There
 *     o = P*o' + r,   k = (L/gcd(D,L))*k' + k0   with k0 the least tap that makes t a multiple of L,
 * and t/L is affine in o' and k' again. A residue that no tap reaches keeps its nest with no taps: the sum is zero and the
 * epilogue still runs. The derivation is in doc/design.md; it follows from t mod L depending on r and k only. Where k is
 * independent as well (weight gradients), its residues are nests too. Weights that a data gradient finds by the same quotient
 * as the cotangent are divided with it.
 *
 * Residues that differ in where they read and store alone become one nest again (residues.c). Every other is code of its own, so beyond MAX_PHASES nests the remaining divisors stay, to be tested while running. */
#include <string.h>

#include "base/checked.h"
#include "lower/simplify.h"

enum { MAX_PHASES = 64 };

typedef struct substitution {
  int dim;
  int64_t scale, offset; /* old index = scale * new index + offset */
} substitution;

static void substitute_affine(void *user, atr_affine *affine) {
  const substitution *s = user;
  affine->offset += affine->coef[s->dim] * s->offset;
  affine->coef[s->dim] *= s->scale;
}

void atr_nest_substitute(atr_nest *nest, int dim, int64_t scale, int64_t offset) {
  substitution s = {dim, scale, offset};
  int64_t extent = nest->dims[dim].extent;
  nest->dims[dim].extent = extent > offset ? atr_ceil_div(extent - offset, scale) : 0;
  if (nest->dims[dim].extent == 0) s.offset = 0; /* no point uses it; keeps accesses tidy */
  atr_nest_visit_affine(nest, substitute_affine, &s);
}

typedef struct divided_index {
  atr_index *index;
  int load; /* expr step it belongs to; 0: lhs or rhs */
  int o, k; /* dims on which it depends whether the divisor divides: the first independent one, the reduced one; -1: none */
} divided_index;

static bool describe(const atr_nest *nest, atr_index *index, int load, divided_index *out) {
  *out = (divided_index){.index = index, .load = load, .o = -1, .k = -1};
  if (index->divisor == 1) return false;
  for (int d = 0; d < nest->dim_count; d++) {
    if (index->at.coef[d] % index->divisor == 0) continue;
    if (!nest->dims[d].reduced) {
      if (out->o < 0) out->o = d;
      continue;
    }
    if (out->k >= 0) return false; /* more than one reduced dim: left to be tested while running */
    out->k = d;
  }
  return true;
}

/* The first index with a divisor that phases can remove; one of rhs right after that of lhs which asks the same. */
static bool find_divided(const atr_nest *nest, divided_index *out) {
  int most = nest->has_acc ? (int)atr_max(nest->lhs.index_count, nest->rhs.index_count) : 0;
  for (int i = 0; i < most; i++) {
    if (i < nest->lhs.index_count && describe(nest, &nest->lhs.index[i], 0, out)) return true;
    if (i < nest->rhs.index_count && describe(nest, &nest->rhs.index[i], 0, out)) return true;
  }
  for (int e = 1; e <= nest->expr_count; e++)
    for (int i = 0; nest->exprs[e].kind == ATR_EXPR_LOAD && i < nest->exprs[e].access.index_count; i++)
      if (describe(nest, &nest->exprs[e].access.index[i], e, out)) return true;
  return false;
}

/* Least k0 in [0, L/gcd(D, L)) with D*k0 + rest a multiple of L, among the `taps` that there are; -1 if there is none. */
static int64_t first_tap(int64_t D, int64_t rest, int64_t L, int64_t taps) {
  for (int64_t k = 0; k < atr_min(L / atr_gcd(D, L), taps); k++)
    if (atr_mod(atr_mod(D, L) * k + atr_mod(rest, L), L) == 0) return k;
  return -1;
}

/* No element of this residue exists: a sum gets no taps, a load becomes its fallback. */
static void make_absent(atr_nest *nest, const divided_index *d) {
  d->index->divisor = 1;
  if (d->load == 0) {
    int k = d->k;
    for (int r = 0; k < 0 && r < nest->dim_count; r++)
      if (nest->dims[r].reduced && d->index->at.coef[r] != 0) k = r;
    for (int r = 0; k < 0 && r < nest->dim_count; r++)
      if (nest->dims[r].reduced) k = r;
    if (k >= 0) nest->dims[k].extent = 0;
    d->index->at = (atr_affine){0}; /* there is nothing left to ask */
    return;
  }
  atr_expr *load = &nest->exprs[d->load], fallback = nest->exprs[load->args[0]];
  *load = fallback;
}

/* Makes the quotient an affine form, of the taps at which it is exact. */
static void divide(atr_nest *nest, const divided_index *d) {
  int64_t L = d->index->divisor, D = d->k >= 0 ? d->index->at.coef[d->k] : L;
  int64_t k0 = first_tap(D, d->index->at.offset, L, d->k >= 0 ? nest->dims[d->k].extent : 1);
  if (k0 < 0) {
    make_absent(nest, d);
    return;
  }
  if (d->k >= 0) atr_nest_substitute(nest, d->k, L / atr_gcd(D, L), k0);
  for (int i = 0; i < nest->dim_count; i++) d->index->at.coef[i] /= L;
  d->index->at.offset = atr_floor_div(d->index->at.offset, L);
  d->index->divisor = 1;
}

/* The points whose index in dim d->o is r modulo P, or all of them without the divisor where there is no such dim. */
static atr_nest *residue_nest(atr_arena *arena, const atr_nest *nest, int64_t P, int64_t r) {
  atr_nest *phase = atr_nest_copy(arena, nest);
  divided_index d;
  if (!find_divided(phase, &d)) return phase;
  if (d.o < 0) {
    divide(phase, &d);
    return phase;
  }
  atr_nest_substitute(phase, d.o, P, r);
  phase->name = atr_arena_printf(arena, "%s.%s%lld", nest->name, nest->dims[d.o].name, (long long)r);
  return phase;
}

static void split(atr_arena *arena, const atr_nest *nest, int64_t phases, atr_program *out) {
  divided_index d;
  int64_t P = 1;
  bool found = find_divided((atr_nest *)nest, &d);
  if (found && d.o >= 0) P = d.index->divisor / atr_gcd(d.index->at.coef[d.o], d.index->divisor);
  if (!found || phases * P > MAX_PHASES) {
    atr_program_new_nest(arena, out, (atr_nest *)nest);
    return;
  }
  for (int64_t r = 0; r < P; r++) {
    atr_nest *phase = residue_nest(arena, nest, P, r);
    if (d.o >= 0 && phase->dims[d.o].extent == 0 && nest->dims[d.o].extent > 0) continue; /* no output has this residue */
    split(arena, phase, phases * P, out);
  }
}

void atr_nest_split_phases(atr_arena *arena, const atr_nest *nest, atr_program *out) {
  split(arena, atr_nest_copy(arena, nest), 1, out);
}

void atr_nest_split_residues(atr_arena *arena, const atr_nest *nest, atr_program *out) {
  int first = out->nest_count;
  atr_nest_split_phases(arena, nest, out);
  atr_nest_merge_residues(arena, out, first, nest->name);
}

/* nest.c - helpers on nests that every pass uses: making, copying, evaluating affine forms, resolving indices, counting work.
 *
 * In and out: atr_nest and atr_program (nest.h). Nothing here decides anything about a schedule. */
#include "lower/nest.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

static bool has_buffer(const atr_program *program, const char *name) {
  for (int b = 0; b < program->buffer_count; b++)
    if (strcmp(program->buffers[b].name, name) == 0) return true;
  return false;
}

static bool has_nest(const atr_program *program, const char *name) {
  for (int n = 0; n < program->nest_count; n++)
    if (strcmp(program->nests[n]->name, name) == 0) return true;
  return false;
}

int atr_program_add_buffer(atr_arena *arena, atr_program *program, const atr_buffer *buffer) {
  ATR_RESERVE(arena, program->buffers, program->buffer_count, program->buffer_capacity);
  program->buffers[program->buffer_count] = *buffer;
  return program->buffer_count++;
}

void atr_program_add_nest(atr_arena *arena, atr_program *program, atr_nest *nest) {
  ATR_RESERVE(arena, program->nests, program->nest_count, program->nest_capacity);
  program->nests[program->nest_count++] = nest;
}

/* Without room behind the buffers, which both have: the first one that is added to either goes into an array of its own. */
atr_program *atr_program_without_nests(atr_arena *arena, const atr_program *program) {
  atr_program *p = ATR_NEW(arena, atr_program);
  *p = *program;
  p->buffer_capacity = p->buffer_count;
  p->nests = NULL;
  p->nest_count = p->nest_capacity = 0;
  return p;
}

int atr_program_new_buffer(atr_arena *arena, atr_program *program, const atr_buffer *buffer) {
  atr_buffer named = *buffer;
  for (int i = 2; has_buffer(program, named.name); i++) named.name = atr_arena_printf(arena, "%s.%d", buffer->name, i);
  return atr_program_add_buffer(arena, program, &named);
}

void atr_nest_rename(atr_arena *arena, atr_nest *nest, const atr_program *a, const atr_program *b) {
  const char *name = nest->name;
  for (int i = 2; has_nest(a, nest->name) || has_nest(b, nest->name); i++)
    nest->name = atr_arena_printf(arena, "%s.%d", name, i);
}

void atr_program_new_nest(atr_arena *arena, atr_program *program, atr_nest *nest) {
  atr_nest_rename(arena, nest, program, program);
  atr_program_add_nest(arena, program, nest);
}

static void copy_access(atr_arena *arena, atr_access *access) {
  access->index = atr_arena_grow(arena, access->index, sizeof(atr_index) * (size_t)access->index_count,
                                 sizeof(atr_index) * (size_t)access->index_count);
}

atr_nest *atr_nest_copy(atr_arena *arena, const atr_nest *nest) {
  atr_nest *copy = ATR_NEW(arena, atr_nest);
  *copy = *nest;
  size_t guards = sizeof(atr_guard) * (size_t)nest->guard_count, exprs = sizeof(atr_expr) * (size_t)(nest->expr_count + 1);
  copy->guards = atr_arena_grow(arena, nest->guards, guards, guards);
  if (nest->expr_capacity > 0) copy->exprs = atr_arena_grow(arena, nest->exprs, exprs, exprs);
  copy->expr_capacity = nest->expr_capacity > 0 ? nest->expr_count + 1 : 0;
  copy_access(arena, &copy->lhs);
  copy_access(arena, &copy->rhs);
  copy_access(arena, &copy->out);
  for (int i = 1; i <= copy->expr_count; i++)
    if (copy->exprs[i].kind == ATR_EXPR_LOAD) copy_access(arena, &copy->exprs[i].access);
  copy->tree = NULL;
  return copy;
}

int atr_nest_add_dim(atr_nest *nest, const char *name, int64_t extent, bool reduced) {
  nest->dims[nest->dim_count] = (atr_dim){.name = name, .extent = extent, .reduced = reduced};
  return nest->dim_count++;
}

int atr_nest_add_expr(atr_arena *arena, atr_nest *nest, const atr_expr *expr) {
  if (nest->expr_capacity == 0) { /* step 0 is reserved for "none" */
    nest->exprs = ATR_NEW_ARRAY(arena, atr_expr, 8);
    nest->expr_capacity = 8;
  }
  int count = nest->expr_count + 1;
  ATR_RESERVE(arena, nest->exprs, count, nest->expr_capacity);
  nest->exprs[count] = *expr;
  return nest->expr_count = count;
}

void atr_affine_add_scaled(atr_affine *to, const atr_affine *from, int64_t scale) {
  to->offset += from->offset * scale;
  for (int d = 0; d < ATR_MAX_DIMS; d++) to->coef[d] += from->coef[d] * scale;
}

int64_t atr_affine_at(const atr_affine *affine, const int64_t *point, int dim_count) {
  int64_t value = affine->offset;
  for (int d = 0; d < dim_count; d++) value += affine->coef[d] * point[d];
  return value;
}

void atr_affine_range(const atr_affine *affine, const int64_t *lo, const int64_t *hi, int dim_count, int64_t *min,
                      int64_t *max) {
  *min = *max = affine->offset;
  for (int d = 0; d < dim_count; d++) {
    int64_t c = affine->coef[d];
    if (c == 0) continue;
    *min += c > 0 ? c * lo[d] : c * (hi[d] - 1);
    *max += c > 0 ? c * (hi[d] - 1) : c * lo[d];
  }
}

int64_t atr_edge_resolve(atr_edge_mode edge, int64_t i, int64_t bound) {
  if (i >= 0 && i < bound) return i;
  switch (edge) {
  case ATR_EDGE_ZERO: return -1;
  case ATR_EDGE_REPLICATE: return i < 0 ? 0 : bound - 1;
  case ATR_EDGE_CIRCULAR: return atr_mod(i, bound);
  case ATR_EDGE_REFLECT: {
    if (bound == 1) return 0;
    int64_t m = atr_mod(i, 2 * (bound - 1));
    return m < bound ? m : 2 * (bound - 1) - m;
  }
  }
  return -1;
}

int64_t atr_index_resolve(const atr_index *index, int64_t t) {
  if (atr_mod(t, index->divisor) != 0) return -1;
  return atr_edge_resolve(index->edge, atr_floor_div(t, index->divisor), index->bound);
}

int64_t atr_access_step(const atr_access *access, int d) {
  int64_t step = access->at.coef[d];
  for (int i = 0; i < access->index_count; i++)
    step += access->index[i].at.coef[d] * access->index[i].stride / access->index[i].divisor;
  return step;
}

bool atr_access_asks(const atr_access *access, int d) {
  for (int i = 0; i < access->index_count; i++)
    if (access->index[i].at.coef[d] != 0) return true;
  return false;
}

int atr_affine_only_dim(const atr_nest *nest, const atr_affine *at, bool summed) {
  int found = -1;
  for (int d = 0; d < nest->dim_count; d++) {
    if (at->coef[d] == 0 || (atr_access_step(&nest->out, d) == 0) != summed) continue;
    if (found >= 0) return -1;
    found = d;
  }
  return found;
}

bool atr_nest_is_pixel(const atr_nest *nest, int d) {
  return !nest->dims[d].reduced && atr_access_step(&nest->lhs, d) != 0 && atr_access_step(&nest->rhs, d) == 0;
}

bool atr_nest_walk_together(const atr_nest *nest, int a, int b) {
  const int64_t *at = nest->lhs.at.coef;
  for (int i = 0; i < nest->lhs.index_count; i++)
    if (nest->lhs.index[i].at.coef[a] != 0 && nest->lhs.index[i].at.coef[b] != 0) return true;
  return at[a] != 0 && at[b] != 0 && atr_steps_meet(at[a], nest->dims[a].extent, at[b], nest->dims[b].extent);
}

bool atr_nest_features_fill(const atr_nest *nest, int64_t lanes) {
  for (int d = 0; d < nest->dim_count; d++) {
    int64_t extent = nest->dims[d].extent;
    bool features = !nest->dims[d].reduced && atr_access_step(&nest->rhs, d) != 0 && atr_access_step(&nest->lhs, d) == 0;
    if (features && 5 * extent >= 4 * atr_ceil_div(extent, lanes) * lanes) return true;
  }
  return false;
}

double atr_nest_rhs_points(const atr_nest *nest) {
  double points = 1;
  for (int d = 0; d < nest->dim_count; d++)
    if (atr_access_step(&nest->rhs, d) != 0) points *= (double)nest->dims[d].extent;
  return points;
}

/* a * i = b * j first at i = |b| / g, j = |a| / g: two pairs meet if both are differences of indices in range. */
bool atr_steps_meet(int64_t a, int64_t a_extent, int64_t b, int64_t b_extent) {
  if (a == 0 || b == 0) return false;
  int64_t g = atr_gcd(a, b);
  return llabs(b) / g < a_extent && llabs(a) / g < b_extent;
}

typedef struct touching {
  int buffer;
  bool found;
} touching;

static void look_for_buffer(void *user, atr_access *access) {
  touching *t = user;
  t->found |= access->buffer == t->buffer;
}

bool atr_nest_touches(const atr_nest *nest, int buffer) {
  touching t = {buffer, false};
  atr_nest_visit_access((atr_nest *)nest, look_for_buffer, &t);
  return t.found;
}

int64_t atr_nest_temporaries(const atr_program *program, const atr_nest *nest, int first) {
  int64_t bytes = 0;
  for (int i = first; i < program->buffer_count; i++) {
    const atr_buffer *b = &program->buffers[i];
    if (b->kind == ATR_BUFFER_TEMP && atr_nest_touches(nest, i)) bytes += atr_align(atr_buffer_bytes(b), ATR_SCRATCH_ALIGNMENT);
  }
  return bytes;
}

int atr_dims_insert_by_step(const int64_t *step, int *dims, int count, int d) {
  int at = count;
  for (; at > 0 && llabs(step[dims[at - 1]]) < llabs(step[d]); at--) dims[at] = dims[at - 1];
  dims[at] = d;
  return count + 1;
}

void atr_nest_visit_access(atr_nest *nest, atr_access_visitor visit, void *user) {
  if (nest->has_acc) {
    visit(user, &nest->lhs);
    visit(user, &nest->rhs);
  }
  for (int i = 1; i <= nest->expr_count; i++)
    if (nest->exprs[i].kind == ATR_EXPR_LOAD) visit(user, &nest->exprs[i].access);
  visit(user, &nest->out);
}

typedef struct affine_visit {
  atr_affine_visitor visit;
  void *user;
} affine_visit;

static void visit_affine_of_access(void *user, atr_access *access) {
  affine_visit *v = user;
  v->visit(v->user, &access->at);
  for (int i = 0; i < access->index_count; i++) v->visit(v->user, &access->index[i].at);
}

void atr_nest_visit_affine(atr_nest *nest, atr_affine_visitor visit, void *user) {
  affine_visit v = {visit, user};
  atr_nest_visit_access(nest, visit_affine_of_access, &v);
  for (int i = 0; i < nest->guard_count; i++) visit(user, &nest->guards[i].at);
}

typedef struct going_on {
  int dim, outer;
  int64_t inside;
  bool holds;
} going_on;

static void look_at_question(going_on *g, const atr_affine *at) {
  int64_t step;
  g->holds = g->holds && atr_checked_mul(at->coef[g->dim], g->inside, &step) && at->coef[g->outer] == step;
}

static void look_at_questions(void *user, atr_access *access) {
  for (int i = 0; i < access->index_count; i++) look_at_question(user, &access->index[i].at);
}

/* The nearest independent loop whose iterations are `inside` of dim's each, and that no other dim goes on in; -1: none. */
static int loop_around(const atr_nest *nest, int dim, int64_t inside, const bool *taken) {
  for (int o = dim - 1; o >= 0; o--) {
    const atr_dim *outer = &nest->dims[o];
    going_on g = {dim, o, inside, !outer->reduced && outer->extent > 1 && atr_dim_is_looped(outer) && !taken[o]};
    if (g.holds) atr_nest_visit_access((atr_nest *)nest, look_at_questions, &g);
    for (int i = 0; i < nest->guard_count; i++) look_at_question(&g, &nest->guards[i].at);
    if (g.holds) return o;
  }
  return -1;
}

const atr_across *atr_nest_across(atr_arena *arena, const atr_nest *nest) {
  atr_across *across = ATR_NEW_ARRAY(arena, atr_across, nest->dim_count);
  bool taken[ATR_MAX_DIMS] = {false};
  for (int d = nest->dim_count - 1; d >= 0; d--) {
    int64_t total = nest->dims[d].extent;
    bool fits = !taken[d] && !nest->dims[d].reduced && atr_dim_is_looped(&nest->dims[d]);
    across[d] = (atr_across){.total = 0};
    for (int outer; fits && (outer = loop_around(nest, d, total, taken)) >= 0; taken[outer] = true) {
      across[d].first.coef[outer] = total;
      fits = atr_checked_mul(total, nest->dims[outer].extent, &total);
      across[d].total = fits ? total : 0;
    }
  }
  return across;
}

typedef struct dim_box {
  int64_t lo[ATR_MAX_DIMS], hi[ATR_MAX_DIMS];
  int dim_count;
} dim_box;

static void fold_access(void *user, atr_access *access) {
  const dim_box *box = user;
  int kept = 0;
  for (int i = 0; i < access->index_count; i++) {
    atr_index index = access->index[i];
    int64_t min, max;
    atr_affine_range(&index.at, box->lo, box->hi, box->dim_count, &min, &max);
    if (index.divisor != 1 || min < 0 || max >= index.bound) {
      access->index[kept++] = index;
      continue;
    }
    access->at.offset += index.at.offset * index.stride;
    for (int d = 0; d < box->dim_count; d++) access->at.coef[d] += index.at.coef[d] * index.stride;
  }
  access->index_count = kept;
}

bool atr_nest_shares_lhs(const atr_nest *nest, int d) {
  int64_t step = atr_access_step(&nest->lhs, d), extent = nest->dims[d].extent;
  for (int o = 0; o < nest->dim_count; o++)
    if (nest->dims[o].kind == ATR_DIM_UNROLL && !nest->dims[o].reduced &&
        atr_steps_meet(atr_access_step(&nest->lhs, o), nest->dims[o].extent, step, extent))
      return true;
  return false;
}

bool atr_nest_has_points(const atr_nest *nest) {
  for (int d = 0; d < nest->dim_count; d++)
    if (nest->dims[d].extent == 0) return false;
  return true;
}

void atr_nest_fold_indices(atr_nest *nest) {
  dim_box box = {.dim_count = nest->dim_count};
  if (!atr_nest_has_points(nest)) return; /* ranges mean nothing */
  for (int d = 0; d < nest->dim_count; d++) box.hi[d] = nest->dims[d].extent;
  atr_nest_visit_access(nest, fold_access, &box);
}

/* Is a factor of this dtype one of `count` that fill a 32-bit lane, for sums in `acc`? */
static bool is_share(atr_dtype dtype, atr_dtype acc, int64_t count) {
  bool integers = acc == ATR_S32 || acc == ATR_U32, byte = dtype == ATR_S8 || dtype == ATR_U8;
  if (count == 4) return integers && byte;
  return count == 2 && (integers ? byte || dtype == ATR_S16 : acc == ATR_F32 && dtype == ATR_BF16);
}

/* Does the index only say where the sum ends, so that of neighbours along dim d the first is there if any is? */
static bool ends_sum(const atr_nest *nest, const atr_index *index, int d) {
  if (index->stride != 0 || index->divisor != 1 || index->edge != ATR_EDGE_ZERO || index->at.coef[d] != 1 ||
      index->at.offset < 0)
    return false;
  for (int e = 0; e < nest->dim_count; e++)
    if (index->at.coef[e] < 0 || (index->at.coef[e] != 0 && !nest->dims[e].reduced)) return false;
  return true;
}

/* Behind the end of a sum that `extent` does not divide any lhs will do, for packed weights are zero there: if they have a place of their
 * own for each index, which those that are repeated along d have not. */
bool atr_nest_can_dot(const atr_nest *nest, int d, int64_t extent) {
  if (!nest->has_acc || !nest->dims[d].reduced || nest->rhs.index_count > 0) return false;
  bool ends_anywhere = nest->rhs.at.coef[d] != 0;
  if (!ends_anywhere && nest->dims[d].extent % extent != 0) return false;
  for (int i = 0; i < nest->lhs.index_count; i++)
    if (nest->lhs.index[i].at.coef[d] != 0 && !(ends_anywhere && ends_sum(nest, &nest->lhs.index[i], d))) return false;
  return is_share(nest->lhs_dtype, nest->acc_dtype, extent) && is_share(nest->rhs_dtype, nest->acc_dtype, extent);
}

bool atr_nest_can_widen(const atr_nest *nest, atr_dtype operand) {
  return nest->has_acc && operand != nest->acc_dtype && atr_dtype_class_of(operand) == ATR_CLASS_FLOAT &&
         atr_dtype_class_of(nest->acc_dtype) == ATR_CLASS_FLOAT;
}

int64_t atr_nest_parts(const atr_nest *nest) {
  int64_t parts = 1;
  for (int d = 0; d < nest->dim_count; d++)
    if (nest->dims[d].kind == ATR_DIM_PART) parts *= nest->dims[d].extent;
  return parts;
}

/* PART dims stand in front of all others. */
bool atr_nest_same_parts(const atr_nest *a, const atr_nest *b) {
  for (int d = 0;; d++) {
    bool in_a = d < a->dim_count && a->dims[d].kind == ATR_DIM_PART, in_b = d < b->dim_count && b->dims[d].kind == ATR_DIM_PART;
    if (!in_a && !in_b) return d > 0;
    if (in_a != in_b || a->dims[d].extent != b->dims[d].extent || strcmp(a->dims[d].name, b->dims[d].name) != 0) return false;
  }
}

int atr_program_group_end(const atr_program *program, int n) {
  while (n + 1 < program->nest_count && atr_nest_same_parts(program->nests[n], program->nests[n + 1])) n++;
  return n;
}

/* Does a nest of first..last touch the buffer? */
static bool group_touches(const atr_program *program, int first, int last, int buffer) {
  for (int n = first; n <= last; n++)
    if (atr_nest_touches(program->nests[n], buffer)) return true;
  return false;
}

/* First and last nest of the group that it belongs to. */
static void find_group(const atr_program *program, const atr_nest *nest, int *first, int *last) {
  int at = 0;
  while (at < program->nest_count && program->nests[at] != nest) at++;
  for (*first = 0; (*last = atr_program_group_end(program, *first)) < at;) *first = *last + 1;
}

bool atr_program_is_alone(const atr_program *program, const atr_nest *nest) {
  int first, last;
  find_group(program, nest, &first, &last);
  return first == last;
}

bool atr_nest_is_private(const atr_nest *nest, int d) {
  return nest->has_acc && atr_access_step(&nest->lhs, d) != 0 && atr_access_step(&nest->rhs, d) != 0 &&
         atr_access_step(&nest->out, d) != 0;
}

bool atr_program_tasks_run_parts(const atr_program *program, const atr_nest *nest) {
  for (int d = 0; d < nest->dim_count; d++)
    if (nest->dims[d].kind == ATR_DIM_PARALLEL && !atr_nest_is_private(nest, d)) return false;
  return atr_nest_parallel_total(nest) > 1 && atr_program_is_alone(program, nest);
}

int64_t atr_nest_beside(const atr_program *program, const atr_nest *nest) {
  int64_t bytes = 0;
  int first, last;
  find_group(program, nest, &first, &last);
  for (int b = 0; b < program->buffer_count && first < last; b++)
    if (!atr_nest_touches(nest, b) && group_touches(program, first, last, b)) bytes += atr_buffer_bytes(&program->buffers[b]);
  return bytes;
}

void atr_program_extend_life(const atr_program *program, int *first, int *last) {
  int from = *first, to = *last;
  for (int n = 0, end; n < program->nest_count; n = end + 1) {
    end = atr_program_group_end(program, n);
    if (end == n || from > end || to < n || (from >= n && to <= end)) continue;
    *first = (int)atr_min(*first, n);
    *last = (int)atr_max(*last, end);
  }
}

int64_t atr_nest_parallel_total(const atr_nest *nest) {
  int64_t total = 1;
  for (int d = 0; d < nest->dim_count; d++)
    if (nest->dims[d].kind == ATR_DIM_PARALLEL) total *= nest->dims[d].extent;
  return total;
}

int64_t atr_nest_tasks(const atr_nest *nest) { return atr_min(atr_nest_parallel_total(nest), ATR_MAX_TASKS); }

double atr_nest_macs(const atr_nest *nest) {
  double macs = nest->has_acc ? 1 : 0;
  for (int d = 0; d < nest->dim_count; d++) macs *= (double)nest->dims[d].extent;
  return macs;
}

typedef struct forms {
  const atr_affine **list;
  int count;
} forms;

static void list_form(void *user, atr_affine *affine) {
  forms *f = user;
  if (f->count < ATR_MOST_FORMS) f->list[f->count] = affine;
  f->count++;
}

int atr_nest_forms(const atr_nest *nest, const atr_affine **out) {
  forms f = {.list = out};
  atr_nest_visit_affine((atr_nest *)nest, list_form, &f);
  return f.count;
}

static bool same_forms(const atr_nest *a, const atr_nest *b) {
  const atr_affine *x[ATR_MOST_FORMS], *y[ATR_MOST_FORMS];
  int count = atr_nest_forms(a, x);
  if (atr_nest_forms(b, y) != count || count > ATR_MOST_FORMS) return false;
  for (int i = 0; i < count; i++)
    if (memcmp(x[i]->coef, y[i]->coef, sizeof x[i]->coef) != 0) return false;
  return true;
}

static bool same_access(const atr_access *a, const atr_access *b) {
  if (a->buffer != b->buffer || a->index_count != b->index_count || a->padded != b->padded) return false;
  for (int i = 0; i < a->index_count; i++) {
    const atr_index *x = &a->index[i], *y = &b->index[i];
    if (x->bound != y->bound || x->divisor != y->divisor || x->stride != y->stride || x->edge != y->edge) return false;
  }
  return true;
}

static bool same_expr(const atr_expr *a, const atr_expr *b) {
  return a->kind == b->kind && a->dtype == b->dtype && a->op == b->op && a->direction == b->direction &&
         memcmp(a->args, b->args, sizeof a->args) == 0 && memcmp(&a->constant, &b->constant, sizeof a->constant) == 0 &&
         (a->kind != ATR_EXPR_LOAD || same_access(&a->access, &b->access));
}

bool atr_nest_alike(const atr_nest *a, const atr_nest *b) {
  if (a->dim_count != b->dim_count || a->guard_count != b->guard_count || a->expr_count != b->expr_count ||
      a->has_acc != b->has_acc || a->continues != b->continues || a->prefetch_lhs != b->prefetch_lhs ||
      a->prefetch_out != b->prefetch_out)
    return false;
  if (a->has_acc && (!same_access(&a->lhs, &b->lhs) || !same_access(&a->rhs, &b->rhs) || a->lhs_dtype != b->lhs_dtype ||
                     a->rhs_dtype != b->rhs_dtype || a->acc_dtype != b->acc_dtype))
    return false;
  for (int d = 0; d < a->dim_count; d++)
    if (a->dims[d].extent != b->dims[d].extent || a->dims[d].reduced != b->dims[d].reduced ||
        a->dims[d].kind != b->dims[d].kind)
      return false;
  for (int e = 1; e <= a->expr_count; e++)
    if (!same_expr(&a->exprs[e], &b->exprs[e])) return false;
  for (int g = 0; g < a->guard_count; g++)
    if (a->guards[g].bound != b->guards[g].bound) return false;
  return a->root == b->root && a->out.buffer == b->out.buffer && same_forms(a, b);
}

bool atr_nest_next_point(const atr_nest *nest, const int *dims, int count, int64_t *point) {
  for (int i = count - 1; i >= 0; i--) {
    if (++point[dims[i]] < nest->dims[dims[i]].extent) return true;
    point[dims[i]] = 0;
  }
  return false;
}

/* How many of t, t + step, t + 2*step, ..., `extent` numbers, are elements of `index`: multiples of its divisor that lie, divided
 * by it, inside the bound, or anywhere under an edge mode. Of the multiples at most one period is looked at; they are as far
 * apart as each other. */
static int64_t count_present(const atr_index *index, int64_t t, int64_t step, int64_t extent) {
  if (step < 0) { /* from the other end */
    t += step * (extent - 1);
    step = -step;
  }
  int64_t first = 0, last = extent - 1;
  if (index->edge == ATR_EDGE_ZERO) {
    first = atr_max(atr_ceil_div(-t, step), 0);
    last = atr_min(atr_floor_div(index->bound * index->divisor - 1 - t, step), last);
  }
  int64_t period = index->divisor / atr_gcd(step, index->divisor);
  for (int64_t i = first; i <= last && i < first + period; i++)
    if ((t + i * step) % index->divisor == 0) return (last - i) / period + 1;
  return 0;
}

/* Share of the points of the dims of `index` whose element exists; indices of one access share no dims, so shares multiply. The
 * longest dim is counted at once for each point of the others. */
static double existing_share(const atr_nest *nest, const atr_index *index) {
  int dims[ATR_MAX_DIMS], count = 0, longest = -1;
  int64_t point[ATR_MAX_DIMS] = {0};
  double total = 1, present = 0;
  for (int d = 0; d < nest->dim_count; d++) {
    if (index->at.coef[d] == 0) continue;
    if (longest < 0 || nest->dims[d].extent > nest->dims[longest].extent) longest = d;
    total *= (double)nest->dims[d].extent;
  }
  if (total == 0) return 1;
  if (longest < 0) return atr_index_resolve(index, index->at.offset) >= 0;
  for (int d = 0; d < nest->dim_count; d++)
    if (index->at.coef[d] != 0 && d != longest) dims[count++] = d;
  do {
    int64_t t = atr_affine_at(&index->at, point, nest->dim_count);
    present += (double)count_present(index, t, index->at.coef[longest], nest->dims[longest].extent);
  } while (atr_nest_next_point(nest, dims, count, point));
  return present / total;
}

double atr_nest_useful_macs(const atr_nest *nest) {
  double macs = atr_nest_macs(nest);
  for (int i = 0; i < nest->lhs.index_count && macs > 0; i++) macs *= existing_share(nest, &nest->lhs.index[i]);
  return macs;
}

/* nest_verify.c - the rules that every program keeps between passes.
 *
 * In: a program from any pass, or from text. Out: ATR_OK, or the first rule that is broken as an internal error: programs
 * are ours, so a broken one is a defect of a pass and never the user's mistake.
 *
 *     internal error: nest y: lhs reaches elements -128..3455 of x, which has 3456
 *
 * Programs: names are unique words; a temporary is written before it is read; planned temporaries that live together share
 * no bytes. Dims: at most ATR_MAX_DIMS, in the order part, parallel, loop, reduce, unroll, vector, dot; reduced dims are neither
 * part, parallel nor vector. Accesses: every element that is touched is inside its buffer (nest_bounds.c says how that is known).
 * Expressions: operands are earlier steps of fitting dtypes. Trees: every independent point exactly once, every reduced
 * point at most once, and what is left out is absent from lhs. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "lower/nest.h"
#include "lower/nest_bounds.h"

typedef struct checker {
  atr_work *work;
  const atr_program *program;
  const atr_nest *nest;
  bool empty; /* the nest has no independent point: nothing is touched */
} checker;

#define RULE(c, condition, format, ...)                                                                                        \
  do {                                                                                                                         \
    if (!(condition)) return ATR_BUG((c)->work, "nest %s: " format, (c)->nest->name, __VA_ARGS__);                             \
  } while (0)

static bool is_dtype(atr_dtype dtype) { return atr_dtype_class_of(dtype) != ATR_CLASS_NONE; }

/* ---- dims, guards, the sum */

/* Place in the order of a scheduled nest: part, parallel, loop, reduce, unroll, vector, dot. */
static int rank_of(const atr_dim *dim) {
  switch (dim->kind) {
  case ATR_DIM_PART: return 0;
  case ATR_DIM_PARALLEL: return 1;
  case ATR_DIM_LOOP: return dim->reduced ? 3 : 2;
  case ATR_DIM_UNROLL: return 4;
  case ATR_DIM_VECTOR: return 5;
  case ATR_DIM_DOT: return 6;
  }
  return -1;
}

static bool is_dim_name(const char *name) {
  if (name == NULL || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char *at = name; *at != '\0'; at++) {
    bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
    if (!letter && *at != '_' && (*at != '.' || at == name)) return false;
  }
  return name[0] != '\0';
}

static atr_status check_dims(checker *c) {
  const atr_nest *nest = c->nest;
  int last = 0;
  RULE(c, nest->dim_count >= 0 && nest->dim_count <= ATR_MAX_DIMS, "%d dims, at most %d are possible", nest->dim_count,
       ATR_MAX_DIMS);
  for (int d = 0; d < nest->dim_count; d++) {
    const atr_dim *dim = &nest->dims[d];
    RULE(c, is_dim_name(dim->name), "the name of dim %d is not a word", d);
    for (int e = 0; e < d; e++) RULE(c, strcmp(dim->name, nest->dims[e].name) != 0, "two dims are called %s", dim->name);
    RULE(c, dim->extent >= 0, "dim %s has the negative extent %lld", dim->name, (long long)dim->extent);
    int rank = rank_of(dim);
    RULE(c, rank >= 0, "dim %s is of no known kind", dim->name);
    RULE(c, rank >= last, "dim %s comes too late: the order is part, parallel, loop, reduce, unroll, vector, dot", dim->name);
    last = rank;
    bool outside = dim->kind == ATR_DIM_PART || dim->kind == ATR_DIM_PARALLEL;
    RULE(c, !dim->reduced || (!outside && dim->kind != ATR_DIM_VECTOR), "the reduced dim %s is %s", dim->name,
         dim->kind == ATR_DIM_PART ? "part"
         : outside                 ? "parallel"
                                   : "vector");
    bool few = dim->extent == 2 || dim->extent == 4;
    RULE(
        c, dim->kind != ATR_DIM_DOT || (few && (atr_nest_can_dot(nest, d, dim->extent) || !atr_nest_has_points(nest))),
        "dot dim %s needs extent 2, an s32 or u32 sum of s8, u8 or s16 or an f32 sum of bf16, or 4 and one of s8 or u8, and no "
        "index on it",
        dim->name);
    RULE(c, !dim->reduced || nest->has_acc, "dim %s is reduced but there is no sum", dim->name);
    c->empty = c->empty || (!dim->reduced && dim->extent == 0);
  }
  return ATR_OK;
}

static bool depends_on_reduced(const atr_nest *nest, const atr_affine *affine) {
  for (int d = 0; d < nest->dim_count; d++)
    if (nest->dims[d].reduced && affine->coef[d] != 0) return true;
  return false;
}

/* Coefficients of dims that the nest does not have would be lost in the text and come alive when a pass adds a dim. */
static bool has_stray_coef(const atr_nest *nest, const atr_affine *affine) {
  for (int d = nest->dim_count; d < ATR_MAX_DIMS; d++)
    if (affine->coef[d] != 0) return true;
  return false;
}

static atr_status check_guards(checker *c) {
  for (int g = 0; g < c->nest->guard_count; g++) {
    const atr_guard *guard = &c->nest->guards[g];
    RULE(c, atr_affine_fits(c->nest, &guard->at) && guard->bound < ATR_NEST_LIMIT, "guard %d overflows", g);
    RULE(c, !has_stray_coef(c->nest, &guard->at), "guard %d depends on a dim that is not there", g);
    RULE(c, guard->bound >= 0, "guard %d has the negative bound %lld", g, (long long)guard->bound);
    RULE(c, !depends_on_reduced(c->nest, &guard->at), "guard %d depends on a reduced dim", g);
  }
  return ATR_OK;
}

/* Signed and unsigned operands may be mixed; pred, integers and floats are each held by the next. */
static atr_dtype_class family(atr_dtype dtype) {
  atr_dtype_class class_of = atr_dtype_class_of(dtype);
  return class_of == ATR_CLASS_UINT ? ATR_CLASS_SINT : class_of;
}

static atr_status check_sum(checker *c) {
  const atr_nest *nest = c->nest;
  RULE(c, nest->has_acc || !nest->prefetch_out, "%s", "results are prefetched, but there is no sum");
  RULE(c, nest->has_acc || !nest->prefetch_lhs, "%s", "lhs is prefetched, but there is no sum");
  if (!nest->has_acc) return ATR_OK;
  RULE(c, is_dtype(nest->lhs_dtype) && is_dtype(nest->rhs_dtype) && is_dtype(nest->acc_dtype), "%s", "the sum lacks a dtype");
  atr_dtype_class operands = family(nest->lhs_dtype), sum = family(nest->acc_dtype);
  bool scaled = operands == ATR_CLASS_COMPLEX && family(nest->rhs_dtype) == ATR_CLASS_FLOAT; /* a real factor */
  RULE(c, operands == family(nest->rhs_dtype) || scaled, "lhs as %s and rhs as %s are of different classes",
       atr_dtype_name(nest->lhs_dtype), atr_dtype_name(nest->rhs_dtype));
  const atr_expr *root = nest->root >= 1 && nest->root <= nest->expr_count ? &nest->exprs[nest->root] : NULL;
  RULE(c, !nest->continues || (root != NULL && root->kind == ATR_EXPR_ACC && root->dtype == nest->acc_dtype),
       "the sum is continued, but what is stored is not the sum in %s", atr_dtype_name(nest->acc_dtype));
  RULE(c, !nest->prefetch_out || !nest->continues, "%s", "results are prefetched, but read when the tile begins");
  RULE(c, operands == sum || (operands < sum && sum <= ATR_CLASS_FLOAT), "products of %s cannot be summed in %s",
       atr_dtype_name(nest->lhs_dtype), atr_dtype_name(nest->acc_dtype));
  return ATR_OK;
}

/* ---- accesses */

static atr_status check_index(checker *c, const char *what, const atr_index *index) {
  RULE(c, index->divisor >= 1, "%s has an index with divisor %lld", what, (long long)index->divisor);
  RULE(c, index->bound >= 0, "%s has an index with the negative bound %lld", what, (long long)index->bound);
  RULE(c, (unsigned)index->edge <= ATR_EDGE_CIRCULAR, "%s has an index of no known edge mode", what);
  RULE(c, index->edge == ATR_EDGE_ZERO || index->bound >= 1, "%s has an index with an edge mode over no elements", what);
  RULE(c, !has_stray_coef(c->nest, &index->at), "%s has an index on a dim that is not there", what);
  return ATR_OK;
}

/* `sum`: lhs or rhs, which alone may depend on reduced dims. */
static atr_status check_access(checker *c, const char *what, const atr_access *access, bool sum) {
  const atr_nest *nest = c->nest;
  RULE(c, access->buffer >= 0 && access->buffer < c->program->buffer_count, "%s names buffer %d, which is not there", what,
       access->buffer);
  const atr_buffer *buffer = &c->program->buffers[access->buffer];
  RULE(c, !has_stray_coef(nest, &access->at), "%s depends on a dim that is not there", what);
  for (int i = 0; i < access->index_count; i++) ATR_TRY(check_index(c, what, &access->index[i]));
  RULE(c, atr_access_fits(nest, access, ATR_NEST_LIMIT), "%s overflows", what);
  bool reduced = depends_on_reduced(nest, &access->at);
  for (int i = 0; i < access->index_count; i++) reduced = reduced || depends_on_reduced(nest, &access->index[i].at);
  RULE(c, sum || !reduced, "%s depends on a reduced dim", what);
  atr_nest outside = *nest; /* reduced dims that have no iteration do not keep loads and stores from running */
  for (int d = 0; d < nest->dim_count && !sum; d++)
    if (nest->dims[d].reduced) outside.dims[d].extent = 1;
  atr_reach reach = atr_access_reach(c->work->arena, &outside, access, buffer->elements);
  RULE(c, reach.never || (reach.min >= 0 && reach.max < buffer->elements),
       "%s reaches elements %lld..%lld of %s, which has %lld", what, (long long)reach.min, (long long)reach.max, buffer->name,
       (long long)buffer->elements);
  return ATR_OK;
}

static bool may_be_absent(const atr_access *access) {
  for (int i = 0; i < access->index_count; i++)
    if (access->index[i].edge == ATR_EDGE_ZERO || access->index[i].divisor != 1) return true;
  return false;
}

static atr_status check_store(checker *c) {
  const atr_nest *nest = c->nest;
  ATR_TRY(check_access(c, "store", &nest->out, false));
  const atr_buffer *buffer = &c->program->buffers[nest->out.buffer];
  RULE(c, nest->out.index_count == 0, "%s", "the store has an index to resolve");
  RULE(c, buffer->kind != ATR_BUFFER_ARG && buffer->kind != ATR_BUFFER_CONSTANT, "it stores into %s, which is only read",
       buffer->name);
  RULE(c, nest->root >= 1 && nest->root <= nest->expr_count, "it stores step %%%d, which is not there", nest->root);
  atr_dtype dtype = nest->exprs[nest->root].dtype;
  RULE(c, dtype == buffer->dtype, "it stores %s into %s, which is %s", atr_dtype_name(dtype), buffer->name,
       atr_dtype_name(buffer->dtype));
  RULE(c, nest->prepack == (buffer->kind == ATR_BUFFER_PACKED), "%s", "prepack nests, and no others, write packed buffers");
  return ATR_OK;
}

/* ---- expressions */

static atr_status check_operands(checker *c, int step, int count) {
  const atr_expr *e = &c->nest->exprs[step];
  for (int i = 0; i < 3; i++) {
    RULE(c, i >= count || (e->args[i] >= 1 && e->args[i] < step), "step %%%d uses %%%d, which is no earlier step", step,
         e->args[i]);
    RULE(c, i < count || e->args[i] == 0, "step %%%d has an operand too many", step);
  }
  return ATR_OK;
}

static atr_status check_compare(checker *c, int step, atr_dtype operand) {
  atr_direction direction = c->nest->exprs[step].direction;
  RULE(c, (unsigned)direction <= ATR_GE, "step %%%d compares in no known direction", step);
  bool ordered = atr_dtype_class_of(operand) != ATR_CLASS_COMPLEX;
  RULE(c, ordered || direction == ATR_EQ || direction == ATR_NE, "step %%%d orders complex numbers", step);
  return ATR_OK;
}

static atr_status check_op(checker *c, int step) {
  const atr_expr *exprs = c->nest->exprs, *e = &exprs[step];
  int first = e->op == ATR_OP_SELECT ? 1 : 0;
  RULE(c, atr_op_is_elementwise(e->op), "step %%%d is not an elementwise operation", step);
  int count = atr_op_operand_count(e->op);
  ATR_TRY(check_operands(c, step, count));
  atr_dtype operand = exprs[e->args[first]].dtype, result = operand;
  RULE(c, first == 0 || exprs[e->args[0]].dtype == ATR_PRED, "step %%%d selects by a value that is not pred", step);
  for (int i = first + 1; i < count; i++)
    RULE(c, exprs[e->args[i]].dtype == operand, "step %%%d has operands of different dtypes, %s and %s", step,
         atr_dtype_name(operand), atr_dtype_name(exprs[e->args[i]].dtype));
  RULE(c, atr_op_takes(e->op, operand), "step %%%d: %s is not defined for %s", step, atr_op_name(e->op),
       atr_dtype_name(operand));
  if (e->op == ATR_OP_COMPARE) ATR_TRY(check_compare(c, step, operand));
  if (e->op == ATR_OP_COMPARE) result = ATR_PRED;
  if (e->op == ATR_OP_ABS || e->op == ATR_OP_REAL || e->op == ATR_OP_IMAG) result = atr_dtype_real(operand);
  if (e->op == ATR_OP_COMPLEX) result = atr_dtype_complex(operand);
  if (e->op == ATR_OP_CONVERT) result = e->dtype;
  RULE(c, e->dtype == result, "step %%%d is %s, but %s of %s is %s", step, atr_dtype_name(e->dtype), atr_op_name(e->op),
       atr_dtype_name(operand), atr_dtype_name(result));
  return ATR_OK;
}

static atr_status check_load(checker *c, int step) {
  const atr_expr *e = &c->nest->exprs[step];
  const char *what = atr_arena_printf(c->work->arena, "the load of step %%%d", step);
  ATR_TRY(check_access(c, what, &e->access, false));
  if (e->args[0] == 0) {
    RULE(c, !may_be_absent(&e->access), "%s may be absent and has no fallback", what);
    return check_operands(c, step, 0);
  }
  ATR_TRY(check_operands(c, step, 1));
  atr_dtype fallback = c->nest->exprs[e->args[0]].dtype;
  RULE(c, fallback == e->dtype, "%s is %s, but its fallback is %s", what, atr_dtype_name(e->dtype), atr_dtype_name(fallback));
  return ATR_OK;
}

static atr_status check_exprs(checker *c) {
  for (int i = 1; i <= c->nest->expr_count; i++) {
    const atr_expr *e = &c->nest->exprs[i];
    RULE(c, is_dtype(e->dtype), "step %%%d has no dtype", i);
    switch (e->kind) {
    case ATR_EXPR_ACC:
      RULE(c, c->nest->has_acc, "step %%%d reads a sum that is not there", i);
      ATR_TRY(check_operands(c, i, 0));
      break;
    case ATR_EXPR_LOAD: ATR_TRY(check_load(c, i)); break;
    case ATR_EXPR_CONST: ATR_TRY(check_operands(c, i, 0)); break;
    case ATR_EXPR_OP: ATR_TRY(check_op(c, i)); break;
    }
  }
  return ATR_OK;
}

/* ---- the loop tree */

/* Where the check stands: ranges of the looped dims above, whole extents elsewhere. */
typedef struct place {
  int64_t lo[ATR_MAX_DIMS], hi[ATR_MAX_DIMS];
} place;

typedef struct tree {
  checker *c;
  int order[ATR_MAX_DIMS]; /* looped dims from the outside in, independent before reduced */
  int count, independent;
  const atr_across *across; /* by dim */
} tree;

enum { MAX_POINTS = 10000 };

/* Does the index resolve to no element at any point of the place? Its range may say so, or, if there are few, each point. */
static bool index_is_absent(const atr_nest *nest, const atr_index *index, const place *at) {
  int64_t min, max, point[ATR_MAX_DIMS] = {0}, points = 1;
  int dims[ATR_MAX_DIMS], count = 0;
  atr_affine_range(&index->at, at->lo, at->hi, nest->dim_count, &min, &max);
  if (index->edge == ATR_EDGE_ZERO && (max < 0 || min >= index->bound * index->divisor)) return true;
  for (int d = 0; d < nest->dim_count; d++) {
    if (index->at.coef[d] == 0) continue;
    dims[count++] = d;
    point[d] = at->lo[d];
    if (!atr_checked_mul(points, at->hi[d] - at->lo[d], &points) || points > MAX_POINTS) return false;
  }
  for (int i = 0; i >= 0;) {
    if (atr_index_resolve(index, atr_affine_at(&index->at, point, nest->dim_count)) >= 0) return false;
    for (i = count - 1; i >= 0 && ++point[dims[i]] == at->hi[dims[i]]; i--) point[dims[i]] = at->lo[dims[i]];
  }
  return true;
}

/* Is no lhs element there at any point of the place? An index that is absent everywhere shows it, or an empty range. */
static bool lhs_is_absent(const atr_nest *nest, const place *at) {
  for (int d = 0; d < nest->dim_count; d++)
    if (at->lo[d] >= at->hi[d]) return true;
  for (int i = 0; i < nest->lhs.index_count; i++)
    if (index_is_absent(nest, &nest->lhs.index[i], at)) return true;
  return false;
}

enum { MAX_GAP = 1000000 };

/* Iterations [lo, hi) of dim are in no node. */
static atr_status check_gap(const tree *t, int dim, int64_t lo, int64_t hi, const place *at) {
  checker *c = t->c;
  const char *name = c->nest->dims[dim].name;
  place gap = *at;
  gap.lo[dim] = lo;
  gap.hi[dim] = hi;
  if (lo >= hi) return ATR_OK;
  RULE(c, c->nest->dims[dim].reduced, "the tree leaves out iterations %lld..%lld of dim %s", (long long)lo, (long long)hi,
       name);
  if (lhs_is_absent(c->nest, &gap)) return ATR_OK;
  for (int64_t v = lo; v < hi; v++) { /* the reason may differ from one iteration to the next */
    gap.lo[dim] = v;
    gap.hi[dim] = v + 1;
    RULE(c, v - lo < MAX_GAP && lhs_is_absent(c->nest, &gap),
         "the tree leaves out iterations %lld..%lld of dim %s, where lhs has elements", (long long)lo, (long long)hi, name);
  }
  return ATR_OK;
}

/* What stands below the last looped dim of a sum: one multiply-accumulate, or nothing where lhs is absent. */
static atr_status check_mac(const tree *t, const atr_node *node, const place *at) {
  checker *c = t->c;
  if (node == NULL) {
    RULE(c, lhs_is_absent(c->nest, at), "%s", "the tree lacks a mac where lhs has elements");
    return ATR_OK;
  }
  RULE(c, node->dim == ATR_NODE_MAC && node->child == NULL && node->next == NULL, "%s",
       "the tree has something else where one mac must stand");
  return ATR_OK;
}

static atr_status check_loops(const tree *t, int level, const atr_node *node, bool in_tile, const place *at);

static atr_status check_tile(const tree *t, const atr_node *node, const place *at) {
  checker *c = t->c;
  RULE(c, node != NULL && node->dim == ATR_NODE_TILE && node->next == NULL, "%s",
       "the tree has something else where one tile must stand");
  if (!c->nest->has_acc) {
    RULE(c, node->child == NULL, "%s", "a tile without a sum has loops in it");
    return ATR_OK;
  }
  return check_loops(t, t->independent, node->child, true, at);
}

/* Iterations of dim counted across the loops that it goes on in, which stand at 0 then: there are such loops, and none of them is cut. */
static atr_status check_across(const tree *t, int dim, place *at) {
  checker *c = t->c;
  const char *name = c->nest->dims[dim].name;
  RULE(c, t->across[dim].total > 0, "the tree counts dim %s across other loops, but it goes on in none", name);
  for (int d = 0; d < dim; d++) {
    if (t->across[dim].first.coef[d] == 0) continue;
    RULE(c, at->lo[d] == 0 && at->hi[d] == c->nest->dims[d].extent, "the tree counts dim %s across loop %s, which is cut", name,
         c->nest->dims[d].name);
    at->hi[d] = 1;
  }
  return ATR_OK;
}

static atr_status check_loops(const tree *t, int level, const atr_node *node, bool in_tile, const place *at) {
  checker *c = t->c;
  if (level == t->independent && !in_tile) return check_tile(t, node, at);
  if (level == t->count) return check_mac(t, node, at);
  int dim = t->order[level];
  const char *name = c->nest->dims[dim].name;
  int64_t done = 0, extent = c->nest->dims[dim].extent;
  bool across = node != NULL && node->across;
  place all = *at;
  if (across) ATR_TRY(check_across(t, dim, &all));
  if (across) extent = t->across[dim].total;
  for (; node != NULL; node = node->next) {
    place inside = all;
    RULE(c, node->dim == dim, "the tree has something else where a loop over %s must stand", name);
    RULE(c, node->lo < node->hi && node->lo >= done && node->hi <= extent,
         "the tree runs dim %s over %lld..%lld, behind %lld and of %lld", name, (long long)node->lo, (long long)node->hi,
         (long long)done, (long long)extent);
    RULE(c, node->across == across, "the tree counts some iterations of dim %s across other loops, and some not", name);
    RULE(c, !node->clip || c->nest->dims[dim].reduced, "the tree clips the independent dim %s", name);
    ATR_TRY(check_gap(t, dim, done, node->lo, &all));
    inside.lo[dim] = node->lo;
    inside.hi[dim] = done = node->hi;
    ATR_TRY(check_loops(t, level + 1, node->child, in_tile, &inside));
  }
  return check_gap(t, dim, done, extent, &all);
}

static atr_status check_tree(checker *c) {
  const atr_nest *nest = c->nest;
  tree t = {.c = c};
  place whole = {{0}, {0}};
  if (nest->tree == NULL) return ATR_OK;
  t.across = atr_nest_across(c->work->arena, nest);
  for (int reduced = 0; reduced < 2; reduced++) {
    for (int d = 0; d < nest->dim_count; d++)
      if (atr_dim_is_looped(&nest->dims[d]) && nest->dims[d].reduced == (reduced == 1)) t.order[t.count++] = d;
    if (reduced == 0) t.independent = t.count;
  }
  for (int d = 0; d < nest->dim_count; d++) whole.hi[d] = nest->dims[d].extent;
  return check_loops(&t, 0, nest->tree, false, &whole);
}

/* ---- programs */

static int compare_names(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static atr_status check_names(atr_work *work, const char *what, const char **names, int count) {
  for (int i = 0; i < count; i++)
    if (names[i] == NULL || names[i][0] == '\0') return ATR_BUG(work, "%s %d has no name", what, i);
  qsort(names, (size_t)count, sizeof names[0], compare_names);
  for (int i = 1; i < count; i++)
    if (strcmp(names[i - 1], names[i]) == 0) return ATR_BUG(work, "two %ss are called %s", what, names[i]);
  return ATR_OK;
}

static atr_status check_buffer(atr_work *work, const atr_buffer *buffer) {
  int64_t bytes;
  bool numbered = buffer->kind == ATR_BUFFER_ARG || buffer->kind == ATR_BUFFER_RESULT;
  if ((unsigned)buffer->kind > ATR_BUFFER_PACKED) return ATR_BUG(work, "buffer %s is of no known kind", buffer->name);
  if (!is_dtype(buffer->dtype)) return ATR_BUG(work, "buffer %s has no dtype", buffer->name);
  if (numbered && buffer->number < 0)
    return ATR_BUG(work, "buffer %s has the negative number %d", buffer->name, buffer->number);
  if (buffer->elements < 0 || !atr_checked_mul(buffer->elements, (int64_t)atr_dtype_size(buffer->dtype), &bytes) ||
      bytes > INT64_MAX - ATR_SCRATCH_ALIGNMENT)
    return ATR_BUG(work, "buffer %s cannot have %lld elements", buffer->name, (long long)buffer->elements);
  if (buffer->offset < 0 || buffer->offset % ATR_SCRATCH_ALIGNMENT != 0 ||
      buffer->offset > INT64_MAX - ATR_SCRATCH_ALIGNMENT - bytes)
    return ATR_BUG(work, "buffer %s cannot stand at offset %lld", buffer->name, (long long)buffer->offset);
  return ATR_OK;
}

/* Every argument and every result is one buffer. */
static atr_status check_numbers(atr_work *work, const atr_program *program) {
  for (int a = 0; a < program->buffer_count; a++) {
    const atr_buffer *x = &program->buffers[a];
    if (x->kind != ATR_BUFFER_ARG && x->kind != ATR_BUFFER_RESULT) continue;
    for (int b = 0; b < a; b++) {
      const atr_buffer *y = &program->buffers[b];
      if (x->kind == y->kind && x->number == y->number)
        return ATR_BUG(work, "buffers %s and %s are both %s %d", y->name, x->name,
                       x->kind == ATR_BUFFER_ARG ? "argument" : "result", x->number);
    }
  }
  return ATR_OK;
}

static atr_status check_buffers(atr_work *work, const atr_program *program) {
  const char **names = ATR_NEW_ARRAY(work->arena, const char *, program->buffer_count);
  for (int b = 0; b < program->buffer_count; b++) names[b] = program->buffers[b].name;
  ATR_TRY(check_names(work, "buffer", names, program->buffer_count));
  for (int b = 0; b < program->buffer_count; b++) ATR_TRY(check_buffer(work, &program->buffers[b]));
  return check_numbers(work, program);
}

/* First and last nest that touch each buffer, and whether it has been written; filled in order of execution. */
typedef struct use {
  int first, last; /* first -1: never */
  bool written;
} use;

static void note_use(use *u, int nest) {
  if (u->first < 0) u->first = nest;
  u->last = nest;
}

/* The element that is read is the one that will be written. */
static bool is_continued(const atr_nest *nest, const atr_access *access) {
  return access != &nest->lhs && access != &nest->rhs && access->index_count == 0 &&
         memcmp(&access->at, &nest->out.at, sizeof access->at) == 0;
}

static atr_status check_read(checker *c, use *uses, int n, const atr_access *access) {
  const atr_buffer *buffer = &c->program->buffers[access->buffer];
  bool given = buffer->kind == ATR_BUFFER_ARG || buffer->kind == ATR_BUFFER_CONSTANT;
  note_use(&uses[access->buffer], n);
  RULE(c, access->buffer != c->nest->out.buffer || is_continued(c->nest, access), "it reads %s, which it writes", buffer->name);
  RULE(c, given || c->empty || buffer->elements == 0 || uses[access->buffer].written,
       "it reads %s, which no earlier nest writes", buffer->name);
  RULE(c, given || !c->nest->prepack || buffer->kind == ATR_BUFFER_PACKED,
       "it prepacks but reads %s, which is made while running", buffer->name);
  return ATR_OK;
}

static atr_status check_reads(checker *c, use *uses, int n) {
  const atr_nest *nest = c->nest;
  if (nest->has_acc) {
    ATR_TRY(check_read(c, uses, n, &nest->lhs));
    ATR_TRY(check_read(c, uses, n, &nest->rhs));
  }
  for (int e = 1; e <= nest->expr_count; e++)
    if (nest->exprs[e].kind == ATR_EXPR_LOAD) ATR_TRY(check_read(c, uses, n, &nest->exprs[e].access));
  if (nest->continues) ATR_TRY(check_read(c, uses, n, &nest->out));
  note_use(&uses[nest->out.buffer], n);
  uses[nest->out.buffer].written = true;
  return ATR_OK;
}

static atr_status check_nest(checker *c) {
  ATR_TRY(check_dims(c));
  ATR_TRY(check_guards(c));
  ATR_TRY(check_sum(c));
  if (c->nest->has_acc) {
    ATR_TRY(check_access(c, "lhs", &c->nest->lhs, true));
    ATR_TRY(check_access(c, "rhs", &c->nest->rhs, true));
  }
  ATR_TRY(check_exprs(c));
  ATR_TRY(check_store(c));
  return check_tree(c);
}

/* Temporaries that live at the same time, and packed buffers always, must stand in different bytes of their block. */
static atr_status check_plan(atr_work *work, const atr_program *program, const use *uses, atr_buffer_kind kind, int64_t block) {
  if (block == 0) return ATR_OK; /* not planned yet, or nothing to plan */
  for (int a = 0; a < program->buffer_count; a++) {
    const atr_buffer *x = &program->buffers[a];
    if (x->kind != kind || uses[a].first < 0) continue;
    if (x->offset + atr_buffer_bytes(x) > block)
      return ATR_BUG(work, "buffer %s reaches past the %lld bytes planned", x->name, (long long)block);
    for (int b = 0; b < a; b++) {
      const atr_buffer *y = &program->buffers[b];
      if (y->kind != kind || uses[b].first < 0) continue;
      bool together = kind == ATR_BUFFER_PACKED || (uses[a].first <= uses[b].last && uses[b].first <= uses[a].last);
      bool apart = x->offset + atr_buffer_bytes(x) <= y->offset || y->offset + atr_buffer_bytes(y) <= x->offset;
      if (together && !apart) return ATR_BUG(work, "buffers %s and %s share bytes while both are needed", y->name, x->name);
    }
  }
  return ATR_OK;
}

atr_status atr_program_verify(atr_work *work, const atr_program *program) {
  const char **names = ATR_NEW_ARRAY(work->arena, const char *, program->nest_count);
  use *uses = ATR_NEW_ARRAY(work->arena, use, program->buffer_count);
  if (program->name == NULL) return ATR_BUG(work, "the program has no name");
  ATR_TRY(check_buffers(work, program));
  for (int b = 0; b < program->buffer_count; b++) uses[b].first = -1;
  for (int n = 0; n < program->nest_count; n++) names[n] = program->nests[n]->name;
  ATR_TRY(check_names(work, "nest", names, program->nest_count));
  for (int n = 0; n < program->nest_count; n++) {
    checker c = {.work = work, .program = program, .nest = program->nests[n]};
    ATR_TRY(check_nest(&c));
    ATR_TRY(check_reads(&c, uses, n));
  }
  for (int b = 0; b < program->buffer_count; b++) atr_program_extend_life(program, &uses[b].first, &uses[b].last);
  if (program->scratch_bytes < 0 || program->packed_bytes < 0) return ATR_BUG(work, "the program has blocks of negative size");
  ATR_TRY(check_plan(work, program, uses, ATR_BUFFER_TEMP, program->scratch_bytes));
  return check_plan(work, program, uses, ATR_BUFFER_PACKED, program->packed_bytes);
}

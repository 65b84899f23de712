/* nest_interpret.c - runs a program of nests, at any stage of lowering.
 *
 * In: a program, the arrays of its arguments. Out: the arrays of its results. Every pass is tested by running this before
 * and after it, and the graph interpreter (src/ir) is its rival: the two share no arithmetic beyond the scalars of
 * base/dtype.h.
 *
 * A nest without a tree runs over the box of its dims; one with a tree runs as the tree says, part by part and tile by tile.
 * A sum is kept in f64, c128 or 64-bit integers (pred: OR of ANDs) and rounded once to the accumulator's dtype; each step of
 * the expression is computed wide and rounded to its own dtype:
 *
 *     %2 = load b[oc] f32      the element, converted to f32
 *     %3 = add f32 %1 %2       f64 sum of the two, rounded to f32
 *
 * Temporaries stand where the plan puts them, once there is a plan, so that buffers which wrongly share bytes give wrong
 * results; and their memory starts as bytes of ones (NaNs, -1), so that an element which is read but was never written
 * shows. An address outside its buffer is never touched: it is an internal error that names the access. */
#include <complex.h>
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "lower/nest.h"

typedef struct machine {
  atr_work *work;
  const atr_program *program;
  const char **memory; /* by buffer */
  const atr_nest *nest;
  char *out;
  atr_dtype_class sum_class;
  int inner[ATR_MAX_DIMS], inner_count;     /* independent dims below the tile: all of them when there is no tree */
  int reduced[ATR_MAX_DIMS], reduced_count; /* reduced dims below the mac */
  int64_t point[ATR_MAX_DIMS];
  atr_scalar sum;
  atr_scalar *values; /* by step */
} machine;

/* ---- elements */

typedef enum presence { ABSENT, PRESENT, OUTSIDE } presence;

static presence address_of(const machine *m, const atr_access *access, int64_t *out) {
  int dims = m->nest->dim_count;
  int64_t address = atr_affine_at(&access->at, m->point, dims);
  for (int i = 0; i < access->index_count; i++) {
    int64_t element = atr_index_resolve(&access->index[i], atr_affine_at(&access->index[i].at, m->point, dims));
    if (element < 0) return ABSENT;
    address += element * access->index[i].stride;
  }
  *out = address;
  return address >= 0 && address < m->program->buffers[access->buffer].elements ? PRESENT : OUTSIDE;
}

static atr_status outside(const machine *m, const char *what, const atr_access *access, int64_t address) {
  const atr_buffer *buffer = &m->program->buffers[access->buffer];
  return ATR_BUG(m->work, "nest %s: %s touches element %lld of %s, which has %lld", m->nest->name, what, (long long)address,
                 buffer->name, (long long)buffer->elements);
}

/* The element as a value of `dtype`; *present says whether there is one. */
static atr_status load(const machine *m, const char *what, const atr_access *access, atr_dtype dtype, bool *present,
                       atr_scalar *out) {
  int64_t address = 0;
  presence found = address_of(m, access, &address);
  if (found == OUTSIDE) return outside(m, what, access, address);
  *present = found == PRESENT;
  if (found == ABSENT) return ATR_OK;
  atr_dtype stored = m->program->buffers[access->buffer].dtype;
  const char *element = m->memory[access->buffer] + address * (int64_t)atr_dtype_size(stored);
  *out = atr_scalar_convert(stored, dtype, atr_scalar_load(stored, element));
  return ATR_OK;
}

/* ---- the sum */

/* A value of a dtype in the domain in which the sum is kept. */
static atr_scalar widen(const machine *m, atr_dtype from, atr_scalar value) {
  bool to_float = m->sum_class == ATR_CLASS_FLOAT && atr_dtype_class_of(from) < ATR_CLASS_FLOAT;
  return to_float ? atr_scalar_convert(from, ATR_F64, value) : value;
}

static void add_complex_product(atr_scalar *sum, atr_scalar a, atr_scalar b, bool b_is_real) {
  sum->re += a.re * b.re - (b_is_real ? 0 : a.im * b.im);
  sum->im += a.im * b.re + (b_is_real ? 0 : a.re * b.im);
}

static void add_product(machine *m, atr_scalar a, atr_scalar b) {
  atr_scalar *sum = &m->sum;
  switch (m->sum_class) {
  case ATR_CLASS_NONE: return;
  case ATR_CLASS_PRED: sum->i |= a.i & b.i; return;
  case ATR_CLASS_SINT:
  case ATR_CLASS_UINT: sum->i = (int64_t)((uint64_t)sum->i + (uint64_t)a.i * (uint64_t)b.i); return;
  case ATR_CLASS_FLOAT: sum->re += a.re * b.re; return;
  case ATR_CLASS_COMPLEX: add_complex_product(sum, a, b, atr_dtype_class_of(m->nest->rhs_dtype) == ATR_CLASS_FLOAT); return;
  }
}

static atr_status add_term(machine *m) {
  const atr_nest *nest = m->nest;
  atr_scalar a = {0}, b = {0};
  bool has_lhs, has_rhs;
  ATR_TRY(load(m, "lhs", &nest->lhs, nest->lhs_dtype, &has_lhs, &a));
  if (!has_lhs) return ATR_OK;
  ATR_TRY(load(m, "rhs", &nest->rhs, nest->rhs_dtype, &has_rhs, &b));
  if (has_rhs) add_product(m, widen(m, nest->lhs_dtype, a), widen(m, nest->rhs_dtype, b));
  return ATR_OK;
}

static bool has_points(const machine *m, const int *dims, int count) {
  for (int i = 0; i < count; i++)
    if (m->nest->dims[dims[i]].extent == 0) return false;
  return true;
}

static atr_status add_terms(machine *m) {
  if (!has_points(m, m->reduced, m->reduced_count)) return ATR_OK;
  do { ATR_TRY(add_term(m)); } while (atr_nest_next_point(m->nest, m->reduced, m->reduced_count, m->point));
  return ATR_OK;
}

/* What stands in a tile: reduced loops down to the mac. Clipping only passes over terms whose lhs is absent, which add nothing
 * here anyway. */
static atr_status sum_nodes(machine *m, const atr_node *node) {
  for (; node != NULL; node = node->next) {
    if (node->dim == ATR_NODE_MAC) {
      ATR_TRY(add_terms(m));
      continue;
    }
    for (int64_t v = node->lo; v < node->hi; v++) {
      m->point[node->dim] = v;
      ATR_TRY(sum_nodes(m, node->child));
    }
  }
  return ATR_OK;
}

/* ---- elementwise operations */

static atr_scalar real(double re) { return (atr_scalar){.re = re}; }
static atr_scalar integer(uint64_t bits) { return (atr_scalar){.i = (int64_t)bits}; }

/* NaN if either is; +0 is above -0. */
static double larger(double a, double b) {
  if (a != a || b != b) return (double)NAN;
  if (a == 0 && b == 0) return signbit(a) && signbit(b) ? -0.0 : 0.0;
  return fmax(a, b);
}
static double smaller(double a, double b) { return -larger(-a, -b); }

/* 1 / (1 + exp(-a)), which would be 0 where exp(-a) overflows and the value is a small number. */
static double logistic(double a) { return a < 0 ? exp(a) / (1 + exp(a)) : 1 / (1 + exp(-a)); }

static atr_scalar float_op(atr_op op, double a, double b, double c) {
  switch ((int)op) { /* the verifier lets only these through */
  case ATR_OP_ADD: return real(a + b);
  case ATR_OP_SUBTRACT: return real(a - b);
  case ATR_OP_MULTIPLY: return real(a * b);
  case ATR_OP_DIVIDE: return real(a / b);
  case ATR_OP_MAXIMUM: return real(larger(a, b));
  case ATR_OP_MINIMUM: return real(smaller(a, b));
  case ATR_OP_NEGATE: return real(-a);
  case ATR_OP_ABS: return real(fabs(a));
  case ATR_OP_COMPLEX: return (atr_scalar){.re = a, .im = b};
  case ATR_OP_REAL: return real(a);
  case ATR_OP_IMAG: return real(0);
  case ATR_OP_EXPONENTIAL: return real(exp(a));
  case ATR_OP_TANH: return real(tanh(a));
  case ATR_OP_LOGISTIC: return real(logistic(a));
  case ATR_OP_ROUND_NEAREST_EVEN: return real(rint(a));
  case ATR_OP_CLAMP: return real(smaller(larger(a, b), c));
  }
  return real(0);
}

/* Also pred, whose values are 0 and 1; it has no arithmetic. */
static bool is_below(bool is_unsigned, int64_t a, int64_t b) { return is_unsigned ? (uint64_t)a < (uint64_t)b : a < b; }

static atr_scalar divide_integers(bool is_unsigned, int64_t a, int64_t b) {
  if (b == 0) return integer(UINT64_MAX); /* all bits set */
  if (is_unsigned) return integer((uint64_t)a / (uint64_t)b);
  if (b == -1) return integer(0 - (uint64_t)a); /* the least integer stays itself */
  return integer((uint64_t)(a / b));
}

/* Also for pred, whose values are 0 and 1 and which has maximum and minimum only. */
static atr_scalar integer_op(atr_op op, bool is_unsigned, const int64_t *x) {
  uint64_t a = (uint64_t)x[0], b = (uint64_t)x[1];
  switch ((int)op) {
  case ATR_OP_ADD: return integer(a + b);
  case ATR_OP_SUBTRACT: return integer(a - b);
  case ATR_OP_MULTIPLY: return integer(a * b);
  case ATR_OP_DIVIDE: return divide_integers(is_unsigned, x[0], x[1]);
  case ATR_OP_MAXIMUM: return integer(is_below(is_unsigned, x[0], x[1]) ? b : a);
  case ATR_OP_MINIMUM: return integer(is_below(is_unsigned, x[0], x[1]) ? a : b);
  case ATR_OP_AND: return integer(a & b);
  case ATR_OP_OR: return integer(a | b);
  case ATR_OP_XOR: return integer(a ^ b);
  case ATR_OP_NOT: return integer(~a);
  case ATR_OP_NEGATE: return integer(0 - a);
  case ATR_OP_ABS: return integer(!is_unsigned && x[0] < 0 ? 0 - a : a);
  case ATR_OP_CLAMP: {
    int64_t low = is_below(is_unsigned, x[1], x[0]) ? x[0] : x[1];
    return integer((uint64_t)(is_below(is_unsigned, x[2], low) ? x[2] : low));
  }
  }
  return integer(0);
}

/* Not re + im*I, which makes a NaN of re where im is infinite. */
static double complex number(atr_scalar x) {
  union {
    double parts[2];
    double complex z;
  } u = {.parts = {x.re, x.im}};
  return u.z;
}
static atr_scalar of_number(double complex z) { return (atr_scalar){.re = creal(z), .im = cimag(z)}; }

static atr_scalar complex_logistic(double complex z) {
  return of_number(creal(z) < 0 ? cexp(z) / (1 + cexp(z)) : 1 / (1 + cexp(-z)));
}

static atr_scalar complex_op(atr_op op, atr_scalar a, atr_scalar b) {
  switch ((int)op) {
  case ATR_OP_ADD: return (atr_scalar){.re = a.re + b.re, .im = a.im + b.im};
  case ATR_OP_SUBTRACT: return (atr_scalar){.re = a.re - b.re, .im = a.im - b.im};
  case ATR_OP_MULTIPLY: return (atr_scalar){.re = a.re * b.re - a.im * b.im, .im = a.re * b.im + a.im * b.re};
  case ATR_OP_DIVIDE: return of_number(number(a) / number(b));
  case ATR_OP_NEGATE: return (atr_scalar){.re = -a.re, .im = -a.im};
  case ATR_OP_REAL: return real(a.re);
  case ATR_OP_IMAG: return real(a.im);
  case ATR_OP_ABS: return real(hypot(a.re, a.im));
  case ATR_OP_EXPONENTIAL: return of_number(cexp(number(a)));
  case ATR_OP_TANH: return of_number(ctanh(number(a)));
  case ATR_OP_LOGISTIC: return complex_logistic(number(a));
  }
  return real(0);
}

static atr_scalar compare(atr_dtype dtype, atr_direction direction, atr_scalar a, atr_scalar b) {
  bool less = false, equal = false, greater = false; /* none: unordered */
  switch (atr_dtype_class_of(dtype)) {
  case ATR_CLASS_NONE: break;
  case ATR_CLASS_PRED:
  case ATR_CLASS_SINT:
  case ATR_CLASS_UINT:
    equal = a.i == b.i;
    less = is_below(atr_dtype_class_of(dtype) == ATR_CLASS_UINT, a.i, b.i);
    greater = !less && !equal;
    break;
  case ATR_CLASS_FLOAT:
    less = a.re < b.re;
    equal = a.re == b.re;
    greater = a.re > b.re;
    break;
  case ATR_CLASS_COMPLEX: equal = a.re == b.re && a.im == b.im; break;
  }
  switch (direction) {
  case ATR_EQ: return integer(equal);
  case ATR_NE: return integer(!equal);
  case ATR_LT: return integer(less);
  case ATR_LE: return integer(less || equal);
  case ATR_GT: return integer(greater);
  case ATR_GE: return integer(greater || equal);
  }
  return integer(0);
}

static atr_scalar apply(const machine *m, const atr_expr *e) {
  atr_scalar x[3] = {{0}};
  for (int i = 0; i < 3; i++)
    if (e->args[i] != 0) x[i] = m->values[e->args[i]];
  atr_dtype operand = m->nest->exprs[e->args[0]].dtype;
  if (e->op == ATR_OP_SELECT) return x[0].i != 0 ? x[1] : x[2];
  if (e->op == ATR_OP_NOT && operand == ATR_PRED) return integer(x[0].i == 0);
  if (e->op == ATR_OP_CONVERT) return atr_scalar_convert(operand, e->dtype, x[0]);
  if (e->op == ATR_OP_COMPARE) return compare(operand, e->direction, x[0], x[1]);
  switch (atr_dtype_class_of(operand)) {
  case ATR_CLASS_NONE: break;
  case ATR_CLASS_PRED:
  case ATR_CLASS_SINT:
  case ATR_CLASS_UINT:
    return integer_op(e->op, atr_dtype_class_of(operand) == ATR_CLASS_UINT, (const int64_t[]){x[0].i, x[1].i, x[2].i});
  case ATR_CLASS_FLOAT: return float_op(e->op, x[0].re, x[1].re, x[2].re);
  case ATR_CLASS_COMPLEX: return complex_op(e->op, x[0], x[1]);
  }
  return (atr_scalar){0};
}

static atr_status evaluate(machine *m, int step) {
  const atr_expr *e = &m->nest->exprs[step];
  atr_scalar *out = &m->values[step];
  bool present;
  switch (e->kind) {
  case ATR_EXPR_ACC:
    *out = atr_scalar_convert(m->nest->acc_dtype, e->dtype, atr_scalar_round(m->nest->acc_dtype, m->sum));
    return ATR_OK;
  case ATR_EXPR_CONST: *out = atr_scalar_round(e->dtype, e->constant); return ATR_OK;
  case ATR_EXPR_OP: *out = atr_scalar_round(e->dtype, apply(m, e)); return ATR_OK;
  case ATR_EXPR_LOAD:
    ATR_TRY(load(m, "a load", &e->access, e->dtype, &present, out));
    if (!present && e->args[0] == 0) return ATR_BUG(m->work, "nest %s: step %%%d loads an absent element", m->nest->name, step);
    if (!present) *out = m->values[e->args[0]];
    return ATR_OK;
  }
  return ATR_OK;
}

/* ---- nests */

static bool is_guarded_away(const machine *m) {
  for (int g = 0; g < m->nest->guard_count; g++) {
    int64_t t = atr_affine_at(&m->nest->guards[g].at, m->point, m->nest->dim_count);
    if (t < 0 || t >= m->nest->guards[g].bound) return true;
  }
  return false;
}

/* One output element: the sum over `nodes` (a tile's children; without a tree all reduced dims), the expression, the store. */
static atr_status compute(machine *m, bool has_tree, const atr_node *nodes) {
  const atr_access *out = &m->nest->out;
  int64_t address = 0;
  bool present;
  m->sum = (atr_scalar){0};
  if (m->nest->continues) ATR_TRY(load(m, "the sum continued", out, m->nest->acc_dtype, &present, &m->sum));
  if (m->nest->has_acc) ATR_TRY(has_tree ? sum_nodes(m, nodes) : add_terms(m));
  for (int step = 1; step <= m->nest->expr_count; step++) ATR_TRY(evaluate(m, step));
  presence found = address_of(m, out, &address);
  if (found == OUTSIDE) return outside(m, "the store", out, address);
  if (found == ABSENT) return ATR_OK;
  atr_dtype dtype = m->program->buffers[out->buffer].dtype;
  atr_scalar_store(dtype, m->out + address * (int64_t)atr_dtype_size(dtype), m->values[m->nest->root]);
  return ATR_OK;
}

/* ---- nests that only copy: addresses move by steps, which is what makes packing megabytes of weights quick */

enum { MAX_COPY_FORMS = 8 };

/* The affine forms of a copy, load, store and guards, and their values at the current point. */
typedef struct copy_forms {
  const atr_affine *form[MAX_COPY_FORMS];
  int64_t at[MAX_COPY_FORMS];
  int count;
} copy_forms;

static bool is_copy(const atr_nest *nest) {
  const atr_expr *e = nest->root > 0 ? &nest->exprs[nest->root] : NULL;
  return !nest->has_acc && e != NULL && e->kind == ATR_EXPR_LOAD && e->access.index_count == 0 && nest->out.index_count == 0 &&
         nest->guard_count <= MAX_COPY_FORMS - 2;
}

static copy_forms copy_begin(const machine *m) {
  const atr_nest *nest = m->nest;
  copy_forms f = {.form = {&nest->exprs[nest->root].access.at, &nest->out.at}, .count = 2};
  for (int g = 0; g < nest->guard_count; g++) f.form[f.count++] = &nest->guards[g].at;
  for (int k = 0; k < f.count; k++) f.at[k] = atr_affine_at(f.form[k], m->point, nest->dim_count);
  return f;
}

/* To the next point of the inner dims, as atr_nest_next_point does. */
static bool copy_next(machine *m, copy_forms *f) {
  for (int i = m->inner_count - 1; i >= 0; i--) {
    int d = m->inner[i];
    int64_t extent = m->nest->dims[d].extent, steps = ++m->point[d] < extent ? 1 : 1 - extent;
    for (int k = 0; k < f->count; k++) f->at[k] += steps * f->form[k]->coef[d];
    if (steps == 1) return true;
    m->point[d] = 0;
  }
  return false;
}

static atr_status copy_element(const machine *m, const atr_expr *e, int64_t from, int64_t to, bool same) {
  const atr_access *out = &m->nest->out;
  const atr_buffer *source = &m->program->buffers[e->access.buffer], *target = &m->program->buffers[out->buffer];
  if (from < 0 || from >= source->elements) return outside(m, "a load", &e->access, from);
  if (to < 0 || to >= target->elements) return outside(m, "the store", out, to);
  size_t size = atr_dtype_size(source->dtype);
  const char *element = m->memory[e->access.buffer] + from * (int64_t)size;
  char *place = m->out + to * (int64_t)atr_dtype_size(target->dtype);
  if (same) memcpy(place, element, size);
  else
    atr_scalar_store(target->dtype, place,
                     atr_scalar_convert(source->dtype, e->dtype, atr_scalar_load(source->dtype, element)));
  return ATR_OK;
}

static atr_status copy_points(machine *m) {
  const atr_expr *e = &m->nest->exprs[m->nest->root];
  atr_dtype from = m->program->buffers[e->access.buffer].dtype, to = m->program->buffers[m->nest->out.buffer].dtype;
  bool same = from == e->dtype && to == from && from != ATR_PRED;
  copy_forms f = copy_begin(m);
  do {
    bool computed = true;
    for (int g = 0; g < m->nest->guard_count; g++)
      computed = computed && f.at[2 + g] >= 0 && f.at[2 + g] < m->nest->guards[g].bound;
    if (computed) ATR_TRY(copy_element(m, e, f.at[0], f.at[1], same));
  } while (copy_next(m, &f));
  return ATR_OK;
}

/* Every point of the independent dims that are not set yet. */
static atr_status run_points(machine *m, bool has_tree, const atr_node *nodes) {
  if (!has_points(m, m->inner, m->inner_count)) return ATR_OK;
  if (is_copy(m->nest)) return copy_points(m);
  do {
    if (!is_guarded_away(m)) ATR_TRY(compute(m, has_tree, nodes));
  } while (atr_nest_next_point(m->nest, m->inner, m->inner_count, m->point));
  return ATR_OK;
}

/* The node's iterations at the current point of the loops around it. */
static void node_range(const machine *m, const atr_node *node, int64_t *lo, int64_t *hi) {
  const atr_dim *dim = &m->nest->dims[node->dim];
  int64_t given = m->point[node->dim],
          before = node->across ? atr_affine_at(&m->nest->across[node->dim].first, m->point, m->nest->dim_count) : 0;
  *lo = atr_max(node->lo - before, 0), *hi = atr_min(node->hi - before, dim->extent);
  if (dim->kind == ATR_DIM_PART) *lo = atr_max(given, *lo), *hi = atr_min(given + 1, *hi);
}

static atr_status run_nodes(machine *m, const atr_node *node) {
  for (; node != NULL; node = node->next) {
    if (node->dim == ATR_NODE_TILE) {
      ATR_TRY(run_points(m, true, node->child));
      continue;
    }
    if (node->dim < 0) return ATR_BUG(m->work, "nest %s: the tree has a mac outside a tile", m->nest->name);
    int64_t lo, hi;
    node_range(m, node, &lo, &hi);
    for (int64_t v = lo; v < hi; v++) {
      m->point[node->dim] = v;
      ATR_TRY(run_nodes(m, node->child));
    }
  }
  return ATR_OK;
}

/* Sets the PART dims to their point number `part`, the last dim fastest. */
static void set_part(machine *m, int64_t part) {
  for (int d = m->nest->dim_count - 1; d >= 0; d--) {
    if (m->nest->dims[d].kind != ATR_DIM_PART) continue;
    m->point[d] = part % m->nest->dims[d].extent;
    part /= m->nest->dims[d].extent;
  }
}

static atr_status run_nest(machine *m, const atr_nest *nest, int64_t part, char **memory) {
  m->nest = nest;
  m->out = memory[nest->out.buffer];
  m->sum_class = nest->has_acc ? atr_dtype_class_of(nest->acc_dtype) : ATR_CLASS_NONE;
  m->inner_count = m->reduced_count = 0;
  m->values = ATR_NEW_ARRAY(m->work->arena, atr_scalar, nest->expr_count + 1);
  memset(m->point, 0, sizeof m->point);
  set_part(m, part);
  for (int d = 0; d < nest->dim_count; d++) {
    if (nest->dims[d].kind == ATR_DIM_PART) continue;
    if (nest->tree != NULL && atr_dim_is_looped(&nest->dims[d])) continue; /* the tree's nodes set it */
    if (nest->dims[d].reduced) m->reduced[m->reduced_count++] = d;
    else m->inner[m->inner_count++] = d;
  }
  return nest->tree != NULL ? run_nodes(m, nest->tree) : run_points(m, false, NULL);
}

/* ---- memory */

static char *ones(atr_arena *arena, int64_t bytes) {
  char *memory = atr_arena_alloc(arena, (size_t)bytes);
  memset(memory, 0xff, (size_t)bytes);
  return memory;
}

/* Memory of a buffer that the caller does not give: in its planned block, or its own before there is a plan. */
static atr_status place_buffer(atr_work *work, const atr_buffer *buffer, char *block, int64_t block_bytes, char **out) {
  int64_t bytes, end;
  if (!atr_checked_mul(buffer->elements, (int64_t)atr_dtype_size(buffer->dtype), &bytes) || bytes < 0 || buffer->offset < 0)
    return ATR_BUG(work, "buffer %s cannot be allocated", buffer->name);
  if (block_bytes == 0) {
    *out = ones(work->arena, bytes);
    return ATR_OK;
  }
  if (!atr_checked_add(buffer->offset, bytes, &end) || end > block_bytes)
    return ATR_BUG(work, "buffer %s reaches past the %lld bytes planned", buffer->name, (long long)block_bytes);
  *out = block + buffer->offset;
  return ATR_OK;
}

static atr_status find_memory(atr_work *work, const atr_program *p, const void *const *args, void *const *results,
                              const char **memory, char **writable) {
  char *scratch = p->scratch_bytes > 0 ? ones(work->arena, p->scratch_bytes) : NULL;
  char *packed = p->packed_bytes > 0 ? ones(work->arena, p->packed_bytes) : NULL;
  for (int b = 0; b < p->buffer_count; b++) {
    const atr_buffer *buffer = &p->buffers[b];
    switch (buffer->kind) {
    case ATR_BUFFER_ARG: memory[b] = args[buffer->number]; break;
    case ATR_BUFFER_CONSTANT: memory[b] = buffer->data; break;
    case ATR_BUFFER_RESULT: memory[b] = writable[b] = results[buffer->number]; break;
    case ATR_BUFFER_TEMP: ATR_TRY(place_buffer(work, buffer, scratch, p->scratch_bytes, &writable[b])); break;
    case ATR_BUFFER_PACKED: ATR_TRY(place_buffer(work, buffer, packed, p->packed_bytes, &writable[b])); break;
    }
    if (writable[b] != NULL) memory[b] = writable[b];
    if (memory[b] != NULL || buffer->elements == 0) continue;
    if (buffer->kind == ATR_BUFFER_CONSTANT)
      return atr_fail(work, ATR_NOWHERE, ATR_UNSUPPORTED, "constant %s has no data: the program was read from text",
                      buffer->name);
    return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "no array is given for buffer %s", buffer->name);
  }
  return ATR_OK;
}

atr_status atr_program_interpret(atr_work *work, const atr_program *program, const void *const *args, void *const *results) {
  machine m = {.work = work, .program = program, .memory = ATR_NEW_ARRAY(work->arena, const char *, program->buffer_count)};
  char **writable = ATR_NEW_ARRAY(work->arena, char *, program->buffer_count);
  ATR_TRY(find_memory(work, program, args, results, m.memory, writable));
  for (int n = 0; n < program->nest_count; n++) {
    const atr_buffer *out = &program->buffers[program->nests[n]->out.buffer];
    if (out->kind == ATR_BUFFER_ARG || out->kind == ATR_BUFFER_CONSTANT)
      return ATR_BUG(work, "nest %s: it stores into %s, which is only read", program->nests[n]->name, out->name);
  }
  for (int first = 0, last; first < program->nest_count; first = last + 1) {
    last = atr_program_group_end(program, first);
    for (int64_t part = 0; part < atr_nest_parts(program->nests[first]); part++)
      for (int n = first; n <= last; n++) ATR_TRY(run_nest(&m, program->nests[n], part, writable));
  }
  return ATR_OK;
}

/* canonical.c - from the graph IR to canonical nests: what is a view, what is fused, what is computed by a nest of its own.
 *
 * In: a verified module. Out: a program (nest.h) whose nests have only LOOP dims, in an order that names the problem (n g oc
 * oy ox | ky kx ic), no guards and no tree.
 *
 * Three decisions, each made once for every value:
 *
 *   view   transpose, reverse, slice, broadcast, most reshapes: strides and an offset into another value's buffer; nothing runs
 *   group  an elementwise value, a convolution or a reduce all of whose users are elementwise values of one group is computed
 *          inside that group's nest and never stored: bias, residual, activation, clamp and convert end up behind the sum
 *   root   everything else gets a buffer and a nest; an iota gets a constant list of indices, which its other dimensions repeat
 *
 * and three foldings into the convolution's own accesses: a zero pad in front (rule 4), a convert in front, a transpose or
 * copy behind. */
#include "lower/canonical.h"

#include <string.h>

#include "base/checked.h"
#include "lower/conv_dims.h"

enum { MAX_IOTA_BYTES = 1 << 28 };

/* A value as elements of a buffer: offset + sum of stride[d] * index d. */
typedef struct view {
  uint32_t base; /* id of the value that owns the buffer */
  int64_t offset, stride[ATR_MAX_RANK];
} view;

typedef struct lowering {
  atr_work *work;
  const atr_module *module;
  bool fold_padding;
  atr_program *program;
  view *views;     /* by id; base == id: the value has a buffer of its own */
  uint32_t *group; /* by id: root that computes it; 0: not computed (dead, or a view) */
  bool *has_sum;   /* by root id: its group holds a convolution or a reduce */
  bool *needed;    /* by id: somebody reads its buffer */
  uint32_t *uses;  /* by id: users in the graph, results included */
  int *result_of;  /* by id: 1 + number of the result whose buffer the value is written to; 0: none */
  int *buffer;     /* by id: 1 + buffer number; 0: none yet */
} lowering;

static bool is_conv(atr_op op) { return atr_op_kind_of(op) == ATR_KIND_CONV; }
static bool is_sum(atr_op op) { return is_conv(op) || op == ATR_OP_REDUCE; }

/* ---- views */

/* An iota is a list of its indices that all other dimensions repeat. */
static view iota_view(uint32_t id, const atr_inst *inst) {
  view v = {.base = id};
  v.stride[inst->u.dims.dims[0]] = 1;
  return v;
}

static view own_view(uint32_t id, const atr_shape *shape, bool row_major) {
  view v = {.base = id};
  atr_shape plain = row_major ? atr_shape_make(shape->dtype, shape->rank, shape->dims) : *shape;
  atr_shape_strides(&plain, v.stride);
  return v;
}

/* Neighbouring old dims and neighbouring new dims with as many elements: [from, from_end) and [to, to_end). */
typedef struct run {
  int from, from_end, to, to_end;
} run;

/* The shortest run behind *r, which starts at dims of more than one element; false where none comes out even. */
static bool next_run(const atr_shape *from, const atr_shape *to, run *r) {
  while (r->from_end < from->rank && from->dims[r->from_end] == 1) r->from_end++;
  if (r->from_end == from->rank) return false;
  r->from = r->from_end;
  r->to = r->to_end;
  int64_t old = from->dims[r->from_end++], new = to->dims[r->to_end++];
  while (old != new) {
    bool more_old = old < new;
    if (more_old ? r->from_end == from->rank : r->to_end == to->rank) return false;
    if (more_old) old *= from->dims[r->from_end++];
    else new *= to->dims[r->to_end++];
  }
  return true;
}

/* True when each old dim of the run steps over just what the dims inside it cover; *stride is that of the innermost. */
static bool run_is_dense(const atr_shape *from, const view *old, const run *r, int64_t *stride) {
  int inner = r->from_end - 1;
  while (inner > r->from && from->dims[inner] == 1) inner--;
  *stride = old->stride[inner];
  int64_t expected = *stride * from->dims[inner];
  for (int d = inner - 1; d >= r->from; d--) {
    if (from->dims[d] == 1) continue;
    if (old->stride[d] != expected) return false;
    expected *= from->dims[d];
  }
  return true;
}

/* Reshapes without moving elements: every run of new dims must cut up one run of old dims that is dense within itself. */
static bool reshape_view(const atr_shape *from, const atr_shape *to, const view *old, view *out) {
  *out = (view){.base = old->base, .offset = old->offset};
  run r = {0};
  while (r.to_end < to->rank) {
    int64_t stride;
    if (to->dims[r.to_end] == 1) {
      r.to_end++;
      continue;
    }
    if (!next_run(from, to, &r) || !run_is_dense(from, old, &r, &stride)) return false;
    for (int d = r.to_end - 1; d >= r.to; d--) {
      out->stride[d] = stride;
      stride *= to->dims[d];
    }
  }
  return true;
}

/* True and the view when `inst` only names elements of its operand. */
static bool derive_view(const lowering *l, const atr_inst *inst, view *out) {
  if (atr_op_kind_of(inst->op) != ATR_KIND_SHAPE || inst->operand_count == 0) return false;
  const atr_shape *from = &atr_operand(l->module, inst, 0)->shape;
  const view *old = &l->views[inst->operands[0]];
  view v = {.base = old->base, .offset = old->offset};
  switch ((int)inst->op) { /* the other ops never are views */
  case ATR_OP_COPY: v = *old; break;
  case ATR_OP_REVERSE:
    v = *old;
    for (int i = 0; i < inst->u.dims.count; i++) {
      int64_t d = inst->u.dims.dims[i];
      if (from->dims[d] > 0) v.offset += (from->dims[d] - 1) * v.stride[d];
      v.stride[d] = -v.stride[d];
    }
    break;
  case ATR_OP_TRANSPOSE:
    for (int d = 0; d < from->rank; d++) v.stride[d] = old->stride[inst->u.dims.dims[d]];
    break;
  case ATR_OP_BROADCAST:
    for (int d = 0; d < from->rank; d++) v.stride[inst->u.dims.dims[d]] = old->stride[d];
    break;
  case ATR_OP_SLICE:
    for (int d = 0; d < from->rank; d++) {
      v.offset += inst->u.slice[d].start * old->stride[d];
      v.stride[d] = inst->u.slice[d].stride * old->stride[d];
    }
    break;
  case ATR_OP_RESHAPE:
    if (atr_shape_elements(from) == 0) break;
    if (!reshape_view(from, &inst->shape, old, &v)) return false;
    break;
  default: return false;
  }
  *out = v;
  return true;
}

/* A result that is a transpose or copy of a value used nowhere else: that value is written straight to the result's buffer. */
static void forward_result(lowering *l, uint32_t id, int number) {
  const atr_inst *inst = atr_inst_at(l->module, id);
  if (inst->op != ATR_OP_TRANSPOSE && inst->op != ATR_OP_COPY) return;
  uint32_t source = inst->operands[0];
  const atr_inst *from = atr_inst_at(l->module, source);
  bool computed = is_sum(from->op) || atr_op_is_elementwise(from->op) || from->op == ATR_OP_PAD ||
                  from->op == ATR_OP_CONCATENATE;
  if (l->uses[source] != 1 || l->uses[id] != 1 || !computed || l->result_of[source] != 0) return;
  view v = own_view(source, &inst->shape, false);
  l->views[source].offset = 0;
  for (int d = 0; d < inst->shape.rank; d++) {
    int64_t to = inst->op == ATR_OP_TRANSPOSE ? inst->u.dims.dims[d] : d;
    l->views[source].stride[to] = v.stride[d];
  }
  l->result_of[source] = number + 1;
}

static void find_views(lowering *l) {
  const atr_module *m = l->module;
  for (uint32_t id = 1; id <= m->count; id++)
    for (int i = 0; i < m->insts[id].operand_count; i++) l->uses[m->insts[id].operands[i]]++;
  for (int r = 0; r < m->result_count; r++) l->uses[m->results[r]]++;
  for (uint32_t id = 1; id <= m->count; id++) l->views[id].base = id; /* strides follow below */
  for (int r = 0; r < m->result_count; r++) {
    const atr_inst *inst = atr_inst_at(m, m->results[r]);
    bool view_op = atr_op_kind_of(inst->op) == ATR_KIND_SHAPE && inst->op != ATR_OP_PAD && inst->op != ATR_OP_CONCATENATE;
    if (atr_op_kind_of(inst->op) == ATR_KIND_LEAF || view_op || l->result_of[m->results[r]] != 0) continue;
    l->result_of[m->results[r]] = r + 1;
  }
  for (uint32_t id = 1; id <= m->count; id++) {
    const atr_inst *inst = &m->insts[id];
    bool row_major = inst->op != ATR_OP_PARAMETER && l->result_of[id] == 0;
    l->views[id] = inst->op == ATR_OP_IOTA ? iota_view(id, inst) : own_view(id, &inst->shape, row_major);
  }
  for (int r = 0; r < m->result_count; r++) forward_result(l, m->results[r], r);
  for (uint32_t id = 1; id <= m->count; id++) {
    view v;
    if (derive_view(l, &m->insts[id], &v)) l->views[id] = v;
  }
}

/* ---- groups */

/* Rule 4: may the zero pad in front of lhs be folded into the window? *folded is the window that it becomes, or the old one.
 * The pad in front of a cotangent is none of the window's. */
static bool fold_pad(const lowering *l, const atr_inst *conv, atr_conv *folded) {
  const atr_inst *pad = atr_operand(l->module, conv, 0);
  atr_conv c = *conv->u.conv;
  *folded = c;
  if (atr_conv_array_at(conv->op, 0) != ATR_CONV_LHS) return false;
  if (pad->op != ATR_OP_PAD || !l->fold_padding) return false;
  const atr_inst *value = atr_operand(l->module, pad, 1);
  if (value->op != ATR_OP_CONSTANT) return false;
  atr_scalar zero = atr_scalar_load(value->shape.dtype, value->u.literal);
  if (zero.re != 0 || zero.im != 0 || zero.i != 0) return false;
  bool spatial_dim[ATR_MAX_RANK] = {false};
  for (int s = 0; s < c.spatial; s++) {
    atr_window_dim *w = &c.window[s];
    const atr_pad_dim *p = &pad->u.pad[c.lhs_spatial[s]];
    spatial_dim[c.lhs_spatial[s]] = true;
    if (p->low == 0 && p->high == 0 && p->interior == 0) continue;
    bool low = p->low >= 0 || w->pad_lo <= 0, high = p->high >= 0 || w->pad_hi <= 0;
    if (w->lhs_dilation != 1 || w->edge != ATR_EDGE_ZERO || !low || !high) return false;
    w->pad_lo += p->low;
    w->pad_hi += p->high;
    w->lhs_dilation = p->interior + 1;
  }
  for (int d = 0; d < pad->shape.rank; d++)
    if (!spatial_dim[d] && (pad->u.pad[d].low != 0 || pad->u.pad[d].high != 0 || pad->u.pad[d].interior != 0)) return false;
  *folded = c;
  return true;
}

/* The value that a convolution or reduce really reads for operand i: behind a folded pad and one convert. */
static uint32_t sum_source(const lowering *l, const atr_inst *sum, int i) {
  atr_conv folded;
  uint32_t id = sum->operands[i];
  if (i == 0 && is_conv(sum->op) && fold_pad(l, sum, &folded)) id = atr_inst_at(l->module, id)->operands[0];
  const atr_inst *inst = atr_inst_at(l->module, id);
  if (inst->op == ATR_OP_CONVERT && l->result_of[id] == 0) id = inst->operands[0];
  return id;
}

/* Operands that are read: the zero that a reduce starts at is not. */
static int factors_of(const atr_inst *sum) { return is_conv(sum->op) ? 2 : 1; }

static void need(lowering *l, uint32_t id) { l->needed[l->views[id].base] = true; }

/* The one group that all users of `id` belong to, 0 if there is none. */
static uint32_t users_group(const lowering *l, uint32_t id, const uint32_t *user_group) {
  const atr_inst *inst = atr_inst_at(l->module, id);
  uint32_t g = user_group[id];
  if (g == 0 || g == UINT32_MAX || l->needed[id]) return 0;
  if (!atr_shape_same_dims(&inst->shape, &atr_inst_at(l->module, g)->shape)) return 0;
  if (is_sum(inst->op) && l->has_sum[g]) return 0;
  return g;
}

static void note_user(uint32_t *user_group, uint32_t operand, uint32_t g) {
  user_group[operand] = user_group[operand] == 0 || user_group[operand] == g ? g : UINT32_MAX;
}

/* Users come before definitions: ids run downwards, and what is read is known when its definition is reached. */
static void find_groups(lowering *l) {
  const atr_module *m = l->module;
  uint32_t *user_group = ATR_NEW_ARRAY(l->work->arena, uint32_t, m->count + 1);
  for (int r = 0; r < m->result_count; r++) {
    need(l, m->results[r]);
    note_user(user_group, m->results[r], UINT32_MAX);
  }
  for (uint32_t id = m->count; id >= 1; id--) {
    const atr_inst *inst = &m->insts[id];
    bool fusible = atr_op_is_elementwise(inst->op) || is_sum(inst->op);
    uint32_t g = fusible ? users_group(l, id, user_group) : 0;
    if (fusible && g == 0 && user_group[id] != 0) l->needed[id] = true;
    if (g == 0 && (l->views[id].base != id || !l->needed[id])) continue;
    if (g == 0) g = id;
    l->group[id] = g;
    if (is_sum(inst->op)) {
      l->has_sum[g] = true;
      for (int i = 0; i < factors_of(inst); i++) {
        need(l, sum_source(l, inst, i));
        note_user(user_group, sum_source(l, inst, i), UINT32_MAX);
      }
      continue;
    }
    for (int i = 0; i < inst->operand_count; i++) {
      uint32_t operand = inst->operands[i];
      note_user(user_group, operand, atr_op_is_elementwise(inst->op) ? g : UINT32_MAX);
      const atr_inst *from = atr_inst_at(m, operand);
      bool may_join = atr_op_is_elementwise(inst->op) && (atr_op_is_elementwise(from->op) || is_sum(from->op));
      if (!may_join) need(l, operand);
    }
  }
}

/* ---- nests */

/* The list of an iota, as constant data. Nothing is read of it when the array is empty. */
static const void *iota_list(lowering *l, const atr_inst *inst, int64_t count) {
  atr_dtype dtype = inst->shape.dtype;
  size_t size = atr_dtype_size(dtype);
  char *list = ATR_NEW_ARRAY(l->work->arena, char, (size_t)count *size);
  for (int64_t i = 0; i < count; i++)
    atr_scalar_store(dtype, list + (size_t)i * size, atr_scalar_convert(ATR_S64, dtype, (atr_scalar){.i = i}));
  return list;
}

/* The buffer of a base value, made at its first use. */
static int buffer_of(lowering *l, uint32_t base) {
  if (l->buffer[base] != 0) return l->buffer[base] - 1;
  const atr_inst *inst = atr_inst_at(l->module, base);
  atr_buffer b = {.name = inst->name, .dtype = inst->shape.dtype, .elements = atr_shape_elements(&inst->shape)};
  if (inst->op == ATR_OP_PARAMETER) {
    b.kind = ATR_BUFFER_ARG;
    b.number = (int)inst->u.parameter;
  } else if (inst->op == ATR_OP_CONSTANT) {
    b.kind = ATR_BUFFER_CONSTANT;
    b.data = inst->u.literal;
  } else if (inst->op == ATR_OP_IOTA) {
    b.kind = ATR_BUFFER_CONSTANT;
    b.elements = b.elements != 0 ? inst->shape.dims[inst->u.dims.dims[0]] : 0;
    b.data = iota_list(l, inst, b.elements);
  } else if (l->result_of[base] != 0) {
    b.kind = ATR_BUFFER_RESULT;
    b.number = l->result_of[base] - 1;
  } else {
    b.kind = ATR_BUFFER_TEMP;
  }
  int number = atr_program_new_buffer(l->work->arena, l->program, &b);
  l->buffer[base] = number + 1;
  return number;
}

/* The access of value `id` at logical index coords[0..rank). */
static atr_access access_of(lowering *l, uint32_t id, const atr_affine *coords) {
  const view *v = &l->views[id];
  atr_access access = {.buffer = buffer_of(l, v->base)};
  access.at.offset = v->offset;
  for (int d = 0; d < atr_inst_at(l->module, id)->shape.rank; d++) atr_affine_add_scaled(&access.at, &coords[d], v->stride[d]);
  return access;
}

/* One dim per output dimension, and coords that are those dims. */
static void map_domain(lowering *l, atr_nest *nest, const atr_shape *shape, atr_affine *coords) {
  for (int d = 0; d < shape->rank; d++)
    coords[d].coef[atr_nest_add_dim(nest, atr_arena_printf(l->work->arena, "d%d", d), shape->dims[d], false)] = 1;
  if (shape->rank == 0) atr_nest_add_dim(nest, "one", 1, false);
}

/* Operand i of a convolution: what it reads behind folded pads and converts, at the nest's dims. */
static atr_access conv_access(lowering *l, const atr_nest *nest, const atr_inst *inst, int i, const atr_conv_dims *d) {
  atr_conv folded;
  fold_pad(l, inst, &folded);
  uint32_t source = sum_source(l, inst, i);
  atr_conv_array array = atr_conv_array_at(inst->op, i);
  const int *positions = atr_conv_positions(&folded, array);
  atr_affine coords[ATR_MAX_RANK] = {{0}};
  atr_conv_coords(nest, inst, array, d, coords);
  atr_access a = access_of(l, source, coords);
  if (!atr_conv_follows(inst->op, array)) return a;
  a.index = ATR_NEW_ARRAY(l->work->arena, atr_index, folded.spatial);
  a.index_count = folded.spatial;
  for (int s = 0; s < folded.spatial; s++) {
    a.index[s] = atr_conv_index(inst->op, &folded.window[s], d, s);
    a.index[s].bound = atr_inst_at(l->module, source)->shape.dims[positions[s]];
    a.index[s].stride = l->views[source].stride[positions[s]];
  }
  return a;
}

static atr_dtype dtype_of(const lowering *l, uint32_t id) { return atr_inst_at(l->module, id)->shape.dtype; }

static void conv_nest(lowering *l, atr_nest *nest, const atr_inst *inst, atr_affine *coords) {
  atr_conv_dims d = atr_conv_add_dims(l->work->arena, nest, l->module, inst);
  nest->has_acc = true;
  nest->lhs_dtype = dtype_of(l, inst->operands[0]);
  nest->rhs_dtype = dtype_of(l, inst->operands[1]);
  nest->acc_dtype = atr_dtype_accumulator(nest->lhs_dtype, nest->rhs_dtype, inst->shape.dtype);
  nest->lhs = conv_access(l, nest, inst, 0, &d);
  nest->rhs = conv_access(l, nest, inst, 1, &d);
  atr_conv_coords(nest, inst, atr_conv_array_at(inst->op, 2), &d, coords);
}

/* The number 1 as an array without dimensions. */
static atr_access access_one(lowering *l, atr_dtype dtype) {
  void *one = atr_arena_alloc(l->work->arena, atr_dtype_size(dtype));
  atr_scalar_store(dtype, one, (atr_scalar){.re = 1, .i = 1});
  atr_buffer b = {.name = "one", .kind = ATR_BUFFER_CONSTANT, .dtype = dtype, .elements = 1, .data = one};
  return (atr_access){.buffer = atr_program_new_buffer(l->work->arena, l->program, &b)};
}

/* A reduce is a convolution whose window is the dimensions summed over, with weights of 1. That of complex numbers is real, so
 * that an infinite part leaves the other alone. */
static void reduce_nest(lowering *l, atr_nest *nest, const atr_inst *inst, atr_affine *coords) {
  const atr_shape *shape = &atr_operand(l->module, inst, 0)->shape;
  atr_affine from[ATR_MAX_RANK] = {{0}};
  int kept = 0;
  map_domain(l, nest, &inst->shape, coords);
  for (int d = 0; d < shape->rank; d++) {
    bool reduced = atr_inst_names_dim(inst, d);
    if (!reduced) from[d] = coords[kept++];
    else from[d].coef[atr_nest_add_dim(nest, atr_arena_printf(l->work->arena, "r%d", d), shape->dims[d], true)] = 1;
  }
  nest->has_acc = true;
  nest->lhs_dtype = inst->shape.dtype;
  nest->acc_dtype = atr_dtype_accumulator(inst->shape.dtype, inst->shape.dtype, inst->shape.dtype);
  nest->rhs_dtype = atr_dtype_real(nest->acc_dtype);
  nest->lhs = access_of(l, sum_source(l, inst, 0), from);
  nest->rhs = access_one(l, nest->rhs_dtype);
}

/* The step for operand `id` of an elementwise op: inside the group its own step, else a load, or a constant where it is one
 * scalar. */
static int operand_step(lowering *l, atr_nest *nest, uint32_t id, const int *steps, const atr_affine *coords) {
  if (steps[id] != 0) return steps[id];
  const atr_inst *inst = atr_inst_at(l->module, id), *base = atr_inst_at(l->module, l->views[id].base);
  atr_expr e = {.kind = ATR_EXPR_LOAD, .dtype = inst->shape.dtype};
  if (base->op == ATR_OP_CONSTANT && atr_shape_elements(&base->shape) == 1) {
    e.kind = ATR_EXPR_CONST;
    e.constant = atr_scalar_load(base->shape.dtype, base->u.literal);
  } else {
    e.access = access_of(l, id, coords);
  }
  return atr_nest_add_expr(l->work->arena, nest, &e);
}

/* Steps of every value of the group, in definition order; the root's is the last. */
static void group_steps(lowering *l, atr_nest *nest, uint32_t root, const atr_affine *coords) {
  int *steps = ATR_NEW_ARRAY(l->work->arena, int, l->module->count + 1);
  for (uint32_t id = 1; id <= root; id++) {
    if (l->group[id] != root) continue;
    const atr_inst *inst = atr_inst_at(l->module, id);
    atr_expr e = {.kind = ATR_EXPR_OP, .dtype = inst->shape.dtype, .op = inst->op};
    if (is_sum(inst->op)) {
      e.kind = ATR_EXPR_ACC;
    } else {
      if (inst->op == ATR_OP_COMPARE) e.direction = inst->u.direction;
      for (int i = 0; i < inst->operand_count; i++) e.args[i] = operand_step(l, nest, inst->operands[i], steps, coords);
    }
    nest->root = steps[id] = atr_nest_add_expr(l->work->arena, nest, &e);
  }
}

static atr_nest *new_nest(lowering *l, const char *name) {
  atr_nest *nest = ATR_NEW(l->work->arena, atr_nest);
  nest->name = name;
  return nest;
}

static void finish_nest(lowering *l, atr_nest *nest) {
  atr_nest_fold_indices(nest);
  atr_program_new_nest(l->work->arena, l->program, nest);
}

static void lower_group(lowering *l, uint32_t root) {
  const atr_inst *inst = atr_inst_at(l->module, root), *sum = NULL;
  atr_nest *nest = new_nest(l, inst->name);
  atr_affine coords[ATR_MAX_RANK] = {{0}};
  for (uint32_t id = 1; id <= root && l->has_sum[root]; id++)
    if (l->group[id] == root && is_sum(atr_inst_at(l->module, id)->op)) sum = atr_inst_at(l->module, id);
  if (sum != NULL && is_conv(sum->op)) conv_nest(l, nest, sum, coords);
  else if (sum != NULL) reduce_nest(l, nest, sum, coords);
  else map_domain(l, nest, &inst->shape, coords);
  group_steps(l, nest, root, coords);
  nest->out = access_of(l, root, coords);
  finish_nest(l, nest);
}

/* One load stored at `out`; the shared tail of pad, concatenate, reshape and result copies. */
static void copy_nest(lowering *l, atr_nest *nest, atr_dtype dtype, atr_access in, int fallback, atr_access out) {
  atr_expr e = {.kind = ATR_EXPR_LOAD, .dtype = dtype, .access = in, .args = {fallback}};
  nest->root = atr_nest_add_expr(l->work->arena, nest, &e);
  nest->out = out;
  finish_nest(l, nest);
}

static void lower_pad(lowering *l, uint32_t id) {
  const atr_inst *inst = atr_inst_at(l->module, id), *from = atr_operand(l->module, inst, 0);
  atr_nest *nest = new_nest(l, inst->name);
  atr_affine coords[ATR_MAX_RANK] = {{0}};
  map_domain(l, nest, &inst->shape, coords);
  int fallback = operand_step(l, nest, inst->operands[1], ATR_NEW_ARRAY(l->work->arena, int, l->module->count + 1), coords);
  const view *v = &l->views[inst->operands[0]];
  atr_access in = {.buffer = buffer_of(l, v->base), .at = {.offset = v->offset}, .index_count = inst->shape.rank};
  in.index = ATR_NEW_ARRAY(l->work->arena, atr_index, inst->shape.rank);
  for (int d = 0; d < inst->shape.rank; d++) {
    const atr_pad_dim *p = &inst->u.pad[d];
    in.index[d] = (atr_index){
        .at = coords[d], .bound = from->shape.dims[d], .divisor = p->interior + 1, .stride = v->stride[d]};
    in.index[d].at.offset = -p->low;
  }
  copy_nest(l, nest, inst->shape.dtype, in, fallback, access_of(l, id, coords));
}

static void lower_concatenate(lowering *l, uint32_t id) {
  const atr_inst *inst = atr_inst_at(l->module, id);
  int64_t along = inst->u.dims.dims[0], at = 0;
  for (int i = 0; i < inst->operand_count; i++) {
    const atr_shape *shape = &atr_operand(l->module, inst, i)->shape;
    atr_nest *nest = new_nest(l, atr_arena_printf(l->work->arena, "%s.%d", inst->name, i));
    atr_affine coords[ATR_MAX_RANK] = {{0}};
    map_domain(l, nest, shape, coords);
    atr_access in = access_of(l, inst->operands[i], coords);
    coords[along].offset = at;
    copy_nest(l, nest, shape->dtype, in, 0, access_of(l, id, coords));
    at += shape->dims[along];
  }
}

/* A reshape that has to move elements: read in the operand's order, written densely. */
static void lower_reshape(lowering *l, uint32_t id) {
  const atr_inst *inst = atr_inst_at(l->module, id);
  const atr_shape *from = &atr_operand(l->module, inst, 0)->shape;
  atr_nest *nest = new_nest(l, inst->name);
  atr_affine coords[ATR_MAX_RANK] = {{0}};
  map_domain(l, nest, from, coords);
  view dense = own_view(id, from, true);
  atr_access out = {.buffer = buffer_of(l, id)};
  for (int d = 0; d < from->rank; d++) atr_affine_add_scaled(&out.at, &coords[d], dense.stride[d]);
  copy_nest(l, nest, inst->shape.dtype, access_of(l, inst->operands[0], coords), 0, out);
}

/* A result that is a parameter, a constant, a view, or a value that another result already holds. */
static void lower_result_copy(lowering *l, int number) {
  uint32_t id = l->module->results[number];
  const atr_inst *inst = atr_inst_at(l->module, id);
  const char *name = atr_arena_printf(l->work->arena, "result.%d", number);
  atr_buffer b = {.name = name,
                  .kind = ATR_BUFFER_RESULT,
                  .number = number,
                  .dtype = inst->shape.dtype,
                  .elements = atr_shape_elements(&inst->shape)};
  atr_nest *nest = new_nest(l, name);
  atr_affine coords[ATR_MAX_RANK] = {{0}};
  map_domain(l, nest, &inst->shape, coords);
  view v = own_view(id, &inst->shape, false);
  atr_access in = access_of(l, id, coords), out = {.buffer = atr_program_new_buffer(l->work->arena, l->program, &b)};
  for (int d = 0; d < inst->shape.rank; d++) atr_affine_add_scaled(&out.at, &coords[d], v.stride[d]);
  copy_nest(l, nest, inst->shape.dtype, in, 0, out);
}

static bool result_is_written(const lowering *l, int number) {
  uint32_t base = l->views[l->module->results[number]].base;
  return l->result_of[base] == number + 1;
}

static lowering lowering_make(atr_work *work, const atr_module *module) {
  atr_arena *arena = work->arena;
  size_t n = module->count + 1;
  return (lowering){.work = work,
                    .module = module,
                    .program = ATR_NEW(arena, atr_program),
                    .views = ATR_NEW_ARRAY(arena, view, n),
                    .group = ATR_NEW_ARRAY(arena, uint32_t, n),
                    .has_sum = ATR_NEW_ARRAY(arena, bool, n),
                    .needed = ATR_NEW_ARRAY(arena, bool, n),
                    .uses = ATR_NEW_ARRAY(arena, uint32_t, n),
                    .result_of = ATR_NEW_ARRAY(arena, int, n),
                    .buffer = ATR_NEW_ARRAY(arena, int, n)};
}

/* The list of an iota is data of the program, so its length has a limit. */
static atr_status check_iotas(atr_work *work, const atr_module *module) {
  for (uint32_t id = 1; id <= module->count; id++) {
    const atr_inst *inst = atr_inst_at(module, id);
    if (inst->op != ATR_OP_IOTA || atr_shape_elements(&inst->shape) == 0) continue;
    int64_t extent = inst->shape.dims[inst->u.dims.dims[0]], bytes = extent * (int64_t)atr_dtype_size(inst->shape.dtype);
    if (bytes > MAX_IOTA_BYTES)
      return atr_fail(work, atr_inst_span(inst, ATR_ATTR_DIMENSIONS), ATR_UNSUPPORTED,
                      "iota over %lld elements of %s would make %lld bytes of constants, more than %d", (long long)extent,
                      atr_dtype_name(inst->shape.dtype), (long long)bytes, MAX_IOTA_BYTES);
  }
  return ATR_OK;
}

atr_status atr_lower_canonical(atr_work *work, const atr_module *module, bool fold_padding, atr_program **out) {
  ATR_TRY(check_iotas(work, module));
  lowering l = lowering_make(work, module);
  l.fold_padding = fold_padding;
  l.program->name = module->name;
  find_views(&l);
  find_groups(&l);
  for (int p = 0; p < module->parameter_count; p++) buffer_of(&l, module->parameters[p]);
  for (uint32_t id = 1; id <= module->count; id++) {
    if (l.group[id] != id) continue;
    switch ((int)atr_inst_at(module, id)->op) {
    case ATR_OP_PARAMETER:
    case ATR_OP_CONSTANT:
    case ATR_OP_IOTA: break;
    case ATR_OP_PAD: lower_pad(&l, id); break;
    case ATR_OP_CONCATENATE: lower_concatenate(&l, id); break;
    case ATR_OP_RESHAPE: lower_reshape(&l, id); break;
    default: lower_group(&l, id); break;
    }
  }
  for (int r = 0; r < module->result_count; r++)
    if (!result_is_written(&l, r)) lower_result_copy(&l, r);
  *out = l.program;
  return ATR_OK;
}

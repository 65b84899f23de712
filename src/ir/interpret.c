/* interpret.c - runs a module instruction by instruction: the oracle that compiled code is compared with.
 *
 * In: a verified module, its arguments. Out: its results, written after everything has been computed. Each operation follows
 * its definition and nothing else; no code is shared with the lowering, so that a mistake there cannot hide here. Each
 * operation rounds once: it is computed in f64, c128 or 64-bit integers and put into its dtype at the end (dtype.h).
 *
 *     x = f32[2,2]{0,1} parameter(0)      elements arrive column by column, and are laid out row by row here
 *     ROOT t = f32[2,2] transpose(x), dimensions={1,0}
 *
 * This file holds the driver, the operations that only move elements, reduce, and iota. Convolutions are in interpret_conv.c,
 * elementwise operations in interpret_elementwise.c. All memory is the work's arena's; nothing is given back before the arena
 * goes. */
#include "ir/interpret.h"

#include <string.h>
#include "base/checked.h"

/* ---- moving elements */

/* memcpy with a constant size is one move. */
static void copy_row(size_t size, int64_t n, char *dst, int64_t dst_step, const char *src, int64_t src_step) {
  if (dst_step == 1 && src_step == 1) {
    memcpy(dst, src, (size_t)n * size);
    return;
  }
  int64_t d = dst_step * (int64_t)size, s = src_step * (int64_t)size;
  switch (size) {
  case 1: for (int64_t i = 0; i < n; i++) dst[i * d] = src[i * s]; return;
  case 2: for (int64_t i = 0; i < n; i++) memcpy(dst + i * d, src + i * s, 2); return;
  case 4: for (int64_t i = 0; i < n; i++) memcpy(dst + i * d, src + i * s, 4); return;
  case 8: for (int64_t i = 0; i < n; i++) memcpy(dst + i * d, src + i * s, 8); return;
  default: for (int64_t i = 0; i < n; i++) memcpy(dst + i * d, src + i * s, size); return;
  }
}

void atr_box_copy(const atr_box *box, size_t size, void *dst, const void *src) {
  int last = box->rank - 1;
  int64_t at[ATR_BOX_RANK] = {0}, d = box->dst_first, s = box->src_first;
  for (int i = 0; i <= last; i++)
    if (box->extents[i] == 0) return;
  bool is_row = last >= 0 && box->extents[last] > 1;
  int64_t n = is_row ? box->extents[last] : 1;
  int64_t dst_step = is_row ? box->dst_steps[last] : 1, src_step = is_row ? box->src_steps[last] : 1;
  for (;;) {
    copy_row(size, n, (char *)dst + d * (int64_t)size, dst_step, (const char *)src + s * (int64_t)size, src_step);
    int i = last - 1;
    for (; i >= 0; i--) {
      if (at[i] + 1 < box->extents[i]) break;
      d -= at[i] != 0 ? at[i] * box->dst_steps[i] : 0;
      s -= at[i] != 0 ? at[i] * box->src_steps[i] : 0;
      at[i] = 0;
    }
    if (i < 0) return;
    at[i]++;
    d += box->dst_steps[i];
    s += box->src_steps[i];
  }
}

void atr_box_dense_steps(int rank, const int64_t *extents, int64_t *steps) {
  bool empty = false;
  for (int i = 0; i < rank; i++) empty = empty || extents[i] == 0;
  int64_t step = empty ? 0 : 1;
  for (int i = rank - 1; i >= 0; i--) {
    steps[i] = step;
    step *= empty ? 1 : extents[i];
  }
}

static void shape_steps(const atr_shape *shape, int64_t *steps) { atr_box_dense_steps(shape->rank, shape->dims, steps); }

/* The whole of `shape` with dense steps on the destination's side. */
static atr_box box_of(const atr_shape *shape) {
  atr_box box = {.rank = shape->rank};
  memcpy(box.extents, shape->dims, sizeof(int64_t) * (size_t)shape->rank);
  shape_steps(shape, box.dst_steps);
  return box;
}

/* Between the layout in memory and the dense row-major one, in the direction that `into_layout` says. */
static void copy_layout(const atr_shape *shape, void *dst, const void *src, bool into_layout) {
  atr_box box = box_of(shape);
  if (atr_shape_elements(shape) == 0) return; /* strides of an empty array need not fit */
  atr_shape_strides(shape, box.src_steps);
  if (into_layout) {
    int64_t dense[ATR_BOX_RANK];
    memcpy(dense, box.dst_steps, sizeof dense);
    memcpy(box.dst_steps, box.src_steps, sizeof dense);
    memcpy(box.src_steps, dense, sizeof dense);
  }
  atr_box_copy(&box, atr_dtype_size(shape->dtype), dst, src);
}

/* ---- operations that move elements; each describes its box */

static void reverse(const atr_interpreter *in, const atr_inst *inst, void *out) {
  atr_box box = box_of(&inst->shape);
  shape_steps(&inst->shape, box.src_steps);
  for (int i = 0; i < inst->u.dims.count; i++) {
    int64_t dim = inst->u.dims.dims[i];
    if (box.extents[dim] == 0) return;
    box.src_first += (box.extents[dim] - 1) * box.src_steps[dim];
    box.src_steps[dim] = -box.src_steps[dim];
  }
  atr_box_copy(&box, atr_dtype_size(inst->shape.dtype), out, atr_interpreter_operand(in, inst, 0));
}

/* Output dimensions that no operand dimension becomes have step 0: the same element again. */
static void broadcast(const atr_interpreter *in, const atr_inst *inst, void *out) {
  int64_t steps[ATR_MAX_RANK];
  atr_box box = box_of(&inst->shape);
  shape_steps(&atr_operand(in->module, inst, 0)->shape, steps);
  for (int i = 0; i < inst->u.dims.count; i++) box.src_steps[inst->u.dims.dims[i]] = steps[i];
  atr_box_copy(&box, atr_dtype_size(inst->shape.dtype), out, atr_interpreter_operand(in, inst, 0));
}

static void transpose(const atr_interpreter *in, const atr_inst *inst, void *out) {
  int64_t steps[ATR_MAX_RANK];
  atr_box box = box_of(&inst->shape);
  shape_steps(&atr_operand(in->module, inst, 0)->shape, steps);
  for (int i = 0; i < box.rank; i++) box.src_steps[i] = steps[inst->u.dims.dims[i]];
  atr_box_copy(&box, atr_dtype_size(inst->shape.dtype), out, atr_interpreter_operand(in, inst, 0));
}

static void slice(const atr_interpreter *in, const atr_inst *inst, void *out) {
  int64_t steps[ATR_MAX_RANK];
  atr_box box = box_of(&inst->shape);
  if (atr_shape_elements(&inst->shape) == 0) return;
  shape_steps(&atr_operand(in->module, inst, 0)->shape, steps);
  for (int i = 0; i < box.rank; i++) {
    box.src_first += inst->u.slice[i].start * steps[i];
    if (box.extents[i] > 1) box.src_steps[i] = inst->u.slice[i].stride * steps[i];
  }
  atr_box_copy(&box, atr_dtype_size(inst->shape.dtype), out, atr_interpreter_operand(in, inst, 0));
}

static void concatenate(const atr_interpreter *in, const atr_inst *inst, void *out) {
  int64_t dim = inst->u.dims.dims[0], start = 0;
  for (int i = 0; i < inst->operand_count; i++) {
    const atr_shape *shape = &atr_operand(in->module, inst, i)->shape;
    atr_box box = box_of(shape);
    shape_steps(shape, box.src_steps);
    shape_steps(&inst->shape, box.dst_steps);
    box.dst_first = start * box.dst_steps[dim];
    atr_box_copy(&box, atr_dtype_size(inst->shape.dtype), out, atr_interpreter_operand(in, inst, i));
    start += shape->dims[dim];
  }
}

/* The operand's elements [*first, *end) land inside the output: 0 <= low + i*step < out. Nothing overflows for any low. */
static void landing_range(int64_t extent, int64_t out, int64_t low, int64_t step, int64_t *first, int64_t *end) {
  int64_t room;
  *first = low >= 0 ? 0 : low == INT64_MIN ? extent : atr_min(extent, atr_ceil_div(-low, step));
  *end = atr_checked_sub(out - 1, low, &room) ? atr_min(extent, atr_floor_div(room, step) + 1) : extent;
}

/* The padding value everywhere, then the elements that are not cropped. */
static void pad(const atr_interpreter *in, const atr_inst *inst, void *out) {
  const atr_shape *shape = &atr_operand(in->module, inst, 0)->shape;
  size_t size = atr_dtype_size(inst->shape.dtype);
  atr_box fill = box_of(&inst->shape), box = {.rank = shape->rank};
  atr_box_copy(&fill, size, out, atr_interpreter_operand(in, inst, 1)); /* source steps are all 0 */
  if (atr_shape_elements(&inst->shape) == 0 || atr_shape_elements(shape) == 0) return;
  shape_steps(shape, box.src_steps);
  for (int i = 0; i < box.rank; i++) {
    const atr_pad_dim *dim = &inst->u.pad[i];
    int64_t step = shape->dims[i] > 1 ? dim->interior + 1 : 1, first, end;
    landing_range(shape->dims[i], inst->shape.dims[i], dim->low, step, &first, &end);
    if (first >= end) return;
    box.extents[i] = end - first;
    box.src_first += first * box.src_steps[i];
    box.dst_first += (dim->low + first * step) * fill.dst_steps[i];
    if (box.extents[i] > 1) box.dst_steps[i] = step * fill.dst_steps[i];
  }
  atr_box_copy(&box, size, out, atr_interpreter_operand(in, inst, 0));
}

/* Adds the element to a sum in the wide arithmetic of its class. */
static void add_element(atr_dtype dtype, const void *element, atr_scalar *sum) {
  atr_scalar x = atr_scalar_load(dtype, element);
  sum->re += x.re;
  sum->im += x.im;
  sum->i = (int64_t)((uint64_t)sum->i + (uint64_t)x.i);
}

/* The elements in row-major order, each added to the sum that its other dimensions name; rounded once, at the end. */
static void reduce(const atr_interpreter *in, const atr_inst *inst, void *out) {
  const atr_shape *shape = &atr_operand(in->module, inst, 0)->shape;
  int64_t steps[ATR_MAX_RANK] = {0}, at[ATR_MAX_RANK] = {0}, results[ATR_MAX_RANK], to = 0;
  int64_t count = atr_shape_elements(shape), sums_count = atr_shape_elements(&inst->shape);
  size_t size = atr_dtype_size(shape->dtype);
  const char *element = atr_interpreter_operand(in, inst, 0);
  if (count == 0) return; /* empty sums are the zeros that are there */
  atr_scalar *sums = ATR_NEW_ARRAY(in->work->arena, atr_scalar, sums_count);
  shape_steps(&inst->shape, results);
  for (int d = 0, kept = 0; d < shape->rank; d++)
    if (!atr_inst_names_dim(inst, d)) steps[d] = results[kept++];
  for (int64_t e = 0; e < count; e++, element += size) {
    add_element(shape->dtype, element, &sums[to]);
    for (int d = shape->rank - 1; d >= 0; d--) {
      to += steps[d];
      if (++at[d] < shape->dims[d]) break;
      to -= at[d] * steps[d];
      at[d] = 0;
    }
  }
  for (int64_t i = 0; i < sums_count; i++) atr_scalar_store(shape->dtype, (char *)out + (size_t)i * size, sums[i]);
}

/* Each element is its index along one dimension, rounded or wrapped as convert does. */
static void iota(const atr_interpreter *in, const atr_inst *inst, void *out) {
  (void)in;
  const atr_shape *shape = &inst->shape;
  int64_t along = inst->u.dims.dims[0], inner = 1, count = atr_shape_elements(shape);
  if (count == 0) return; /* the product of some of its extents need not fit */
  for (int d = (int)along + 1; d < shape->rank; d++) inner *= shape->dims[d];
  for (int64_t e = 0; e < count; e++) {
    atr_scalar index = {.i = e / inner % shape->dims[along]};
    void *at = (char *)out + e * (int64_t)atr_dtype_size(shape->dtype);
    atr_scalar_store(shape->dtype, at, atr_scalar_convert(ATR_S64, shape->dtype, index));
  }
}

/* ---- the driver */

static const void *parameter(atr_interpreter *in, const atr_inst *inst) {
  const void *arg = in->args[inst->u.parameter];
  if (atr_shape_is_row_major(&inst->shape)) return arg;
  void *dense = atr_arena_alloc(in->work->arena, (size_t)atr_shape_bytes(&inst->shape));
  copy_layout(&inst->shape, dense, arg, false);
  return dense;
}

typedef void (*fill_fn)(const atr_interpreter *in, const atr_inst *inst, void *out);

/* Every instruction's value; the switch has a case for each row of ops.def. */
static atr_status evaluate(atr_interpreter *in, const atr_inst *inst, const void **value) {
  fill_fn fill = NULL;
  switch (inst->op) {
  case ATR_OP_PARAMETER: *value = parameter(in, inst); return ATR_OK;
  case ATR_OP_CONSTANT: *value = inst->u.literal; return ATR_OK;
  case ATR_OP_COPY: case ATR_OP_RESHAPE: *value = atr_interpreter_operand(in, inst, 0); return ATR_OK;
  case ATR_OP_CONVOLUTION: case ATR_OP_LOCAL_CONVOLUTION: fill = atr_interpreter_convolve; break;
  case ATR_OP_LOCAL_DATA_GRADIENT: case ATR_OP_LOCAL_WEIGHT_GRADIENT: fill = atr_interpreter_differentiate; break;
  case ATR_OP_IOTA: fill = iota; break;
  case ATR_OP_REDUCE: fill = reduce; break;
  case ATR_OP_PAD: fill = pad; break;
  case ATR_OP_REVERSE: fill = reverse; break;
  case ATR_OP_BROADCAST: fill = broadcast; break;
  case ATR_OP_TRANSPOSE: fill = transpose; break;
  case ATR_OP_SLICE: fill = slice; break;
  case ATR_OP_CONCATENATE: fill = concatenate; break;
  case ATR_OP_ADD: case ATR_OP_SUBTRACT: case ATR_OP_MULTIPLY: case ATR_OP_DIVIDE: case ATR_OP_MAXIMUM: case ATR_OP_MINIMUM:
  case ATR_OP_NEGATE: case ATR_OP_ABS: case ATR_OP_EXPONENTIAL: case ATR_OP_TANH: case ATR_OP_LOGISTIC: case ATR_OP_CONVERT:
  case ATR_OP_AND: case ATR_OP_OR: case ATR_OP_XOR: case ATR_OP_NOT: case ATR_OP_COMPLEX: case ATR_OP_REAL: case ATR_OP_IMAG:
  case ATR_OP_COMPARE: case ATR_OP_CLAMP: case ATR_OP_SELECT: case ATR_OP_ROUND_NEAREST_EVEN: break;
  case ATR_OP_NONE: case ATR_OP_COUNT: return ATR_BUG(in->work, "instruction %s has no operation", inst->name);
  }
  void *out = atr_arena_alloc(in->work->arena, (size_t)atr_shape_bytes(&inst->shape));
  *value = out;
  if (fill == NULL) return atr_interpreter_map(in, inst, out);
  fill(in, inst, out);
  return ATR_OK;
}

atr_status atr_interpret(atr_work *work, const atr_module *module, const atr_interpret_options *options,
                         const void *const *args, void *const *results) {
  atr_interpreter in = {.work = work, .module = module, .args = args};
  in.multiply_padding = options != NULL && options->multiply_padding;
  in.values = ATR_NEW_ARRAY(work->arena, const void *, module->count + 1);
  for (atr_id id = 1; id <= module->count; id++) ATR_TRY(evaluate(&in, atr_inst_at(module, id), &in.values[id]));
  for (int i = 0; i < module->result_count; i++) {
    atr_id id = module->results[i];
    copy_layout(&atr_inst_at(module, id)->shape, results[i], in.values[id], true);
  }
  return ATR_OK;
}

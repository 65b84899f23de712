/* build.c - instructions from numbers: checks what the types of C leave open, infers, verifies, appends.
 *
 * In: ids, dimension numbers as strings or lists, paddings by name. Out: instructions that a reader could have made from text.
 *
 *     lhs_spec "NHWC", rhs_spec "HWIO", out_spec "NHWC"
 *     -> lhs batch 0, feature 3; rhs input feature 2, output feature 3; spatial dimension 0 is H, 1 is W
 *
 * The spatial dimensions are numbered by their order in rhs_spec, and strides, pads and dilations go with these numbers,
 * wherever the letters stand in lhs. Wrong pointers, counts and strings are ATR_INVALID_ARGUMENT; what the IR forbids is the
 * verifier's error. */
#include "ir/build.h"

#include <string.h>

#include "base/checked.h"
#include "ir/rules.h"

/* Stops the build of one instruction: the call was made wrongly. */
#define REFUSE_UNLESS(work, condition, ...)                                                                                    \
  do {                                                                                                                         \
    if (!(condition)) return atr_fail((work), ATR_NOWHERE, ATR_INVALID_ARGUMENT, __VA_ARGS__);                                 \
  } while (0)

/* ---- any instruction --------------------------------------------------------------------------- */

static atr_status check_values(atr_work *work, const atr_module *module, atr_op op, const atr_id *ids, int count) {
  for (int i = 0; i < count; i++)
    REFUSE_UNLESS(work, ids[i] != 0 && ids[i] <= module->count, "operand %d of %s is not a value of this builder", i,
                  atr_op_name(op));
  return ATR_OK;
}

static atr_status complete(atr_work *work, const atr_module *module, atr_inst *inst) {
  atr_shape inferred;
  ATR_TRY(check_values(work, module, inst->op, inst->operands, inst->operand_count));
  ATR_TRY(atr_infer_shape(work, module, inst, &inferred));
  bool stated = inst->op == ATR_OP_PARAMETER || inst->op == ATR_OP_CONSTANT || inst->op == ATR_OP_BROADCAST ||
                inst->op == ATR_OP_RESHAPE || inst->op == ATR_OP_LOCAL_DATA_GRADIENT ||
                inst->op == ATR_OP_LOCAL_WEIGHT_GRADIENT; /* the caller's shape has a layout that the inferred one lacks */
  if (!stated) inst->shape = inferred;
  return atr_verify_inst(work, module, inst);
}

atr_id atr_inst_build(atr_work *work, atr_module *module, const atr_inst *inst) {
  atr_inst whole = *inst;
  if (work->status != ATR_OK || complete(work, module, &whole) != ATR_OK) return 0;
  return atr_module_add(module, &whole);
}

/* ---- leaves ------------------------------------------------------------------------------------ */

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool atr_name_is_valid(const char *name) {
  if (!is_letter(*name)) return false;
  for (; *name != '\0'; name++)
    if (!is_letter(*name) && !(*name >= '0' && *name <= '9') && *name != '.' && *name != '-') return false;
  return true;
}

static atr_status check_parameter(atr_work *work, const char *name, const atr_shape *shape) {
  REFUSE_UNLESS(work, shape != NULL, "parameter: shape is NULL");
  REFUSE_UNLESS(work, name == NULL || atr_name_is_valid(name),
                "parameter name \"%s\" is not a name: a letter or _, then letters, digits, _ . -", name);
  return ATR_OK;
}

atr_id atr_parameter_build(atr_work *work, atr_module *module, const char *name, const atr_shape *shape) {
  if (work->status != ATR_OK || check_parameter(work, name, shape) != ATR_OK) return 0;
  int count = module->parameter_count;
  atr_inst inst = {.op = ATR_OP_PARAMETER, .shape = *shape, .name = name, .u.parameter = count};
  atr_id id = atr_inst_build(work, module, &inst);
  if (id == 0) return 0;
  if ((count & (count - 1)) == 0) { /* full: places are 1, 2, 4, ... */
    size_t places = count == 0 ? 1 : 2 * (size_t)count;
    module->parameters = atr_arena_grow(module->arena, module->parameters, (size_t)count * sizeof(atr_id),
                                        places * sizeof(atr_id));
  }
  module->parameters[count] = id;
  module->parameter_count = count + 1;
  return id;
}

static atr_status copy_literal(atr_work *work, const atr_module *module, atr_inst *inst, const void *data) {
  int64_t elements, bytes;
  ATR_TRY(atr_verify_shape(work, inst, &inst->shape));
  if (!atr_shape_checked_bytes(&inst->shape, &elements, &bytes)) return ATR_BUG(work, "a verified shape overflows");
  REFUSE_UNLESS(work, data != NULL || bytes == 0, "constant: data is NULL");
  char *copy = atr_arena_alloc(module->arena, (size_t)bytes);
  if (bytes > 0) memcpy(copy, data, (size_t)bytes);
  atr_dtype_clean(inst->shape.dtype, copy, elements);
  inst->u.literal = copy;
  return ATR_OK;
}

static atr_status check_shape_argument(atr_work *work, atr_op op, const atr_shape *shape) {
  REFUSE_UNLESS(work, shape != NULL, "%s: shape is NULL", atr_op_name(op));
  return ATR_OK;
}

atr_id atr_constant_build(atr_work *work, atr_module *module, const atr_shape *shape, const void *data) {
  if (work->status != ATR_OK || check_shape_argument(work, ATR_OP_CONSTANT, shape) != ATR_OK) return 0;
  atr_inst inst = {.op = ATR_OP_CONSTANT, .shape = *shape};
  return copy_literal(work, module, &inst, data) == ATR_OK ? atr_inst_build(work, module, &inst) : 0;
}

/* ---- dimension numbers ------------------------------------------------------------------------- */

/* The only place of `letter` in `spec`, -1 if there is none or more than one. */
static int place_of(const char *spec, char letter) {
  const char *at = strchr(spec, letter);
  return at != NULL && strchr(at + 1, letter) == NULL ? (int)(at - spec) : -1;
}

static atr_status check_spec(atr_work *work, const char *which, const char *spec, int rank, const char *reserved) {
  REFUSE_UNLESS(work, strlen(spec) == (size_t)rank, "%s_spec \"%s\" names %zu dimensions, but %s has %d", which, spec,
                strlen(spec), which, rank);
  for (const char *c = reserved; *c != '\0'; c++)
    REFUSE_UNLESS(work, place_of(spec, *c) >= 0, "%s_spec \"%s\" must contain %c once", which, spec, *c);
  return ATR_OK;
}

/* Positions of the letters of rhs_spec that are neither I nor O, in all three arrays. */
static atr_status read_spatial_letters(atr_work *work, const atr_conv_options *o, atr_conv *c) {
  int d = 0;
  for (const char *letter = o->rhs_spec; *letter != '\0'; letter++) {
    if (*letter == 'I' || *letter == 'O') continue;
    c->rhs_spatial[d] = place_of(o->rhs_spec, *letter);
    REFUSE_UNLESS(work, c->rhs_spatial[d] >= 0, "rhs_spec \"%s\" names %c more than once", o->rhs_spec, *letter);
    REFUSE_UNLESS(work, *letter != 'N' && *letter != 'C', "rhs_spec \"%s\" must not contain %c", o->rhs_spec, *letter);
    c->lhs_spatial[d] = place_of(o->lhs_spec, *letter);
    c->out_spatial[d] = place_of(o->out_spec, *letter);
    REFUSE_UNLESS(work, c->lhs_spatial[d] >= 0 && c->out_spatial[d] >= 0,
                  "spatial dimension %c of rhs_spec \"%s\" must stand once in lhs_spec \"%s\" and in out_spec \"%s\"", *letter,
                  o->rhs_spec, o->lhs_spec, o->out_spec);
    d++;
  }
  return ATR_OK;
}

static atr_status read_specs(atr_work *work, const atr_conv_options *o, atr_conv *c) {
  int rank = c->spatial + 2;
  REFUSE_UNLESS(work, o->lhs_spec != NULL && o->rhs_spec != NULL && o->out_spec != NULL,
                "lhs_spec, rhs_spec and out_spec must be given together");
  ATR_TRY(check_spec(work, "lhs", o->lhs_spec, rank, "NC"));
  ATR_TRY(check_spec(work, "rhs", o->rhs_spec, rank, "IO"));
  ATR_TRY(check_spec(work, "out", o->out_spec, rank, "NC"));
  c->lhs_batch = place_of(o->lhs_spec, 'N');
  c->lhs_feature = place_of(o->lhs_spec, 'C');
  c->rhs_input_feature = place_of(o->rhs_spec, 'I');
  c->rhs_output_feature = place_of(o->rhs_spec, 'O');
  c->out_batch = place_of(o->out_spec, 'N');
  c->out_feature = place_of(o->out_spec, 'C');
  return read_spatial_letters(work, o, c);
}

/* One list: two named dimensions, then the spatial ones. Whether they are a permutation is the verifier's question. */
static atr_status read_dims(atr_work *work, const char *which, const int64_t *list, int spatial, int *first, int *second,
                            int *rest) {
  for (int i = 0; i < spatial + 2; i++) {
    REFUSE_UNLESS(work, list[i] >= 0 && list[i] < spatial + 2, "%s_dims names dimension %lld, which is outside 0..%d", which,
                  (long long)list[i], spatial + 1);
    *(i == 0 ? first : i == 1 ? second : &rest[i - 2]) = (int)list[i];
  }
  return ATR_OK;
}

static atr_status read_dimension_lists(atr_work *work, const atr_conv_options *o, atr_conv *c) {
  REFUSE_UNLESS(work, o->lhs_dims != NULL && o->rhs_dims != NULL && o->out_dims != NULL,
                "lhs_dims, rhs_dims and out_dims must be given together");
  ATR_TRY(read_dims(work, "lhs", o->lhs_dims, c->spatial, &c->lhs_batch, &c->lhs_feature, c->lhs_spatial));
  ATR_TRY(read_dims(work, "rhs", o->rhs_dims, c->spatial, &c->rhs_output_feature, &c->rhs_input_feature, c->rhs_spatial));
  return read_dims(work, "out", o->out_dims, c->spatial, &c->out_batch, &c->out_feature, c->out_spatial);
}

static atr_status read_dimension_numbers(atr_work *work, const atr_conv_options *o, atr_conv *c) {
  bool specs = o->lhs_spec != NULL || o->rhs_spec != NULL || o->out_spec != NULL;
  bool lists = o->lhs_dims != NULL || o->rhs_dims != NULL || o->out_dims != NULL;
  REFUSE_UNLESS(work, !specs || !lists, "dimension numbers are given twice, as strings and as lists");
  if (specs) return read_specs(work, o, c);
  if (lists) return read_dimension_lists(work, o, c);
  c->lhs_feature = c->rhs_input_feature = c->out_feature = 1; /* NC..., OI..., NC... */
  for (int d = 0; d < c->spatial; d++) c->lhs_spatial[d] = c->rhs_spatial[d] = c->out_spatial[d] = d + 2;
  return ATR_OK;
}

/* ---- window ------------------------------------------------------------------------------------ */

bool atr_window_pad_same(int64_t input, bool lower, atr_window_dim *w) {
  int64_t output = atr_ceil_div(input, w->stride), rhs, total;
  if (!atr_checked_mul(w->size - 1, w->rhs_dilation, &rhs) || !atr_checked_add(rhs, 1, &rhs)) return false;
  if (!atr_checked_mul(output - 1, w->stride, &total) || !atr_checked_add(total, rhs, &total)) return false;
  if (!atr_checked_sub(total, input, &total)) return false;
  total = atr_max(total, 0);
  w->pad_lo = lower ? total - total / 2 : total / 2;
  w->pad_hi = total - w->pad_lo;
  return true;
}

static atr_status read_padding(atr_work *work, const atr_conv_options *o, const atr_shape *lhs, atr_conv *c, int d) {
  atr_window_dim *w = &c->window[d];
  switch (o->padding_kind) {
  case ATR_PADDING_EXPLICIT:
    if (o->padding != NULL) {
      w->pad_lo = o->padding[d][0];
      w->pad_hi = o->padding[d][1];
    }
    return ATR_OK;
  case ATR_PADDING_VALID: return ATR_OK;
  case ATR_PADDING_SAME:
  case ATR_PADDING_SAME_LOWER:
    REFUSE_UNLESS(work, w->lhs_dilation == 1, "SAME padding is not defined with lhs_dilation %lld in spatial dimension %d",
                  (long long)w->lhs_dilation, d);
    /* Values that the verifier refuses have no SAME padding, and its message is the better one. */
    if (w->size < 1 || w->stride < 1 || w->rhs_dilation < 1) return ATR_OK;
    REFUSE_UNLESS(work, atr_window_pad_same(lhs->dims[c->lhs_spatial[d]], o->padding_kind == ATR_PADDING_SAME_LOWER, w),
                  "SAME padding of spatial dimension %d does not fit in 64 bits", d);
    return ATR_OK;
  }
  return atr_fail(work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "padding_kind %u is unknown", (unsigned)o->padding_kind);
}

static atr_status read_window(atr_work *work, const atr_conv_options *o, const atr_shape *lhs, const atr_shape *rhs,
                              atr_conv *c) {
  REFUSE_UNLESS(work, o->padding == NULL || o->padding_kind == ATR_PADDING_EXPLICIT,
                "padding is given twice, by kind and by list");
  for (int d = 0; d < c->spatial; d++) {
    atr_window_dim *w = &c->window[d];
    w->size = o->filter_shape != NULL ? o->filter_shape[d] : rhs->dims[c->rhs_spatial[d]];
    w->stride = o->window_strides != NULL ? o->window_strides[d] : 1;
    w->lhs_dilation = o->lhs_dilation != NULL ? o->lhs_dilation[d] : 1;
    w->rhs_dilation = o->rhs_dilation != NULL ? o->rhs_dilation[d] : 1;
    w->reversal = o->window_reversal != NULL && o->window_reversal[d] != 0;
    w->edge = o->edge_mode != NULL ? o->edge_mode[d] : ATR_EDGE_ZERO;
    ATR_TRY(read_padding(work, o, lhs, c, d));
  }
  return ATR_OK;
}

static atr_status read_conv(atr_work *work, atr_op op, const atr_conv_options *o, const atr_shape *lhs, const atr_shape *rhs,
                            atr_conv *c) {
  const char *name = atr_op_name(op);
  REFUSE_UNLESS(work, lhs->rank == rhs->rank, "lhs and rhs must have the same rank, got %s and %s", atr_shape_text(work, lhs),
                atr_shape_text(work, rhs));
  c->spatial = lhs->rank - 2;
  REFUSE_UNLESS(work, c->spatial >= 0 && c->spatial <= ATR_MAX_SPATIAL, "operands of %s must have rank 2 to %d, got %s", name,
                ATR_MAX_SPATIAL + 2, atr_shape_text(work, lhs));
  if (atr_conv_is_local(op))
    REFUSE_UNLESS(work, o->filter_shape != NULL || c->spatial == 0, "a local convolution needs filter_shape");
  else REFUSE_UNLESS(work, o->filter_shape == NULL, "filter_shape is for local convolutions; others take it from rhs");
  c->feature_group_count = o->feature_group_count != 0 ? o->feature_group_count : 1;
  c->batch_group_count = o->batch_group_count != 0 ? o->batch_group_count : 1;
  c->precision[0] = o->lhs_precision;
  c->precision[1] = o->rhs_precision;
  ATR_TRY(read_dimension_numbers(work, o, c));
  return read_window(work, o, lhs, rhs, c);
}

/* `inst` has its operands, and the shape of a result that is stated. */
static atr_id build_conv(atr_work *work, atr_module *module, atr_inst *inst, const atr_conv_options *options) {
  static const atr_conv_options defaults = {.size = sizeof defaults};
  if (check_values(work, module, inst->op, inst->operands, 2) != ATR_OK) return 0;
  if (options == NULL) options = &defaults;
  if (inst->shape.dtype == ATR_DTYPE_NONE) inst->shape.dtype = options->preferred_element_type;
  inst->u.conv = ATR_NEW(module->arena, atr_conv);
  const atr_shape *lhs = atr_conv_shape(module, inst, ATR_CONV_LHS), *rhs = atr_conv_shape(module, inst, ATR_CONV_RHS);
  if (read_conv(work, inst->op, options, lhs, rhs, inst->u.conv) != ATR_OK) return 0;
  return atr_inst_build(work, module, inst);
}

atr_id atr_conv_build(atr_work *work, atr_module *module, atr_op op, atr_id lhs, atr_id rhs, const atr_conv_options *options) {
  atr_inst inst = {.op = op, .operand_count = 2, .operands = (atr_id[]){lhs, rhs}};
  return work->status == ATR_OK ? build_conv(work, module, &inst, options) : 0;
}

atr_id atr_gradient_build(atr_work *work, atr_module *module, atr_op op, atr_id a, atr_id b, const atr_shape *shape,
                          const atr_conv_options *options) {
  atr_inst inst = {.op = op, .operand_count = 2, .operands = (atr_id[]){a, b}};
  if (work->status != ATR_OK || check_shape_argument(work, op, shape) != ATR_OK) return 0;
  inst.shape = *shape;
  return atr_verify_shape(work, &inst, shape) == ATR_OK ? build_conv(work, module, &inst, options) : 0;
}

/* ---- elementwise ------------------------------------------------------------------------------- */

/* What needs nothing but its operands. */
static bool is_plain(atr_op op) {
  return op == ATR_OP_COPY || (atr_op_is_elementwise(op) && op != ATR_OP_CONVERT && op != ATR_OP_COMPARE);
}

static atr_status read_opcode(atr_work *work, const char *opcode, const atr_id *operands, int count, atr_op *op) {
  REFUSE_UNLESS(work, opcode != NULL, "elementwise: opcode is NULL");
  *op = atr_op_from_name(opcode, strlen(opcode));
  REFUSE_UNLESS(work, is_plain(*op), "\"%s\" is not an elementwise operation that this call can build", opcode);
  REFUSE_UNLESS(work, count >= 0 && (operands != NULL || count == 0), "%s: operands is NULL or count is negative", opcode);
  return ATR_OK;
}

/* Instructions are const to the verifier and atr_module_add copies the list, so nothing writes through this pointer. */
static atr_id *list_of(const atr_id *operands) { return (atr_id *)(uintptr_t)operands; }

atr_id atr_elementwise_build(atr_work *work, atr_module *module, const char *opcode, const atr_id *operands, int count) {
  atr_op op = ATR_OP_NONE;
  if (work->status != ATR_OK || read_opcode(work, opcode, operands, count, &op) != ATR_OK) return 0;
  return atr_inst_build(work, module, &(atr_inst){.op = op, .operand_count = count, .operands = list_of(operands)});
}

static atr_status read_direction(atr_work *work, const char *text, atr_direction *direction) {
  REFUSE_UNLESS(work, text != NULL, "compare: direction is NULL");
  int value = atr_direction_from_name(text, strlen(text));
  REFUSE_UNLESS(work, value >= 0, "comparison direction \"%s\" is not one of EQ NE LT LE GT GE", text);
  *direction = (atr_direction)value;
  return ATR_OK;
}

atr_id atr_compare_build(atr_work *work, atr_module *module, const char *direction, atr_id a, atr_id b) {
  atr_id operands[] = {a, b};
  atr_inst inst = {.op = ATR_OP_COMPARE, .operand_count = 2, .operands = operands};
  if (work->status != ATR_OK || read_direction(work, direction, &inst.u.direction) != ATR_OK) return 0;
  return atr_inst_build(work, module, &inst);
}

atr_id atr_convert_build(atr_work *work, atr_module *module, atr_id operand, atr_dtype dtype) {
  atr_inst inst = {.op = ATR_OP_CONVERT, .shape.dtype = dtype, .operand_count = 1, .operands = &operand};
  return atr_inst_build(work, module, &inst);
}

/* ---- moving elements --------------------------------------------------------------------------- */

/* The rank of the operand, after a check that `list` has something to read for it. */
static atr_status rank_of(atr_work *work, const atr_module *module, atr_op op, atr_id operand, const void *list, int *rank) {
  ATR_TRY(check_values(work, module, op, &operand, 1));
  *rank = atr_inst_at(module, operand)->shape.rank;
  REFUSE_UNLESS(work, list != NULL || *rank == 0, "%s: the list of its dimensions is NULL", atr_op_name(op));
  return ATR_OK;
}

atr_id atr_pad_build(atr_work *work, atr_module *module, atr_id operand, atr_id value, const int64_t (*low_high_interior)[3]) {
  atr_id operands[] = {operand, value};
  int rank;
  if (work->status != ATR_OK || rank_of(work, module, ATR_OP_PAD, operand, low_high_interior, &rank) != ATR_OK) return 0;
  atr_pad_dim *pad = ATR_NEW_ARRAY(module->arena, atr_pad_dim, rank);
  for (int d = 0; d < rank; d++)
    pad[d] = (atr_pad_dim){low_high_interior[d][0], low_high_interior[d][1], low_high_interior[d][2]};
  return atr_inst_build(work, module, &(atr_inst){.op = ATR_OP_PAD, .operand_count = 2, .operands = operands, .u.pad = pad});
}

atr_id atr_slice_build(atr_work *work, atr_module *module, atr_id operand, const int64_t (*start_limit_stride)[3]) {
  int rank;
  if (work->status != ATR_OK || rank_of(work, module, ATR_OP_SLICE, operand, start_limit_stride, &rank) != ATR_OK) return 0;
  atr_slice_dim *slice = ATR_NEW_ARRAY(module->arena, atr_slice_dim, rank);
  for (int d = 0; d < rank; d++)
    slice[d] = (atr_slice_dim){start_limit_stride[d][0], start_limit_stride[d][1], start_limit_stride[d][2]};
  return atr_inst_build(work, module,
                        &(atr_inst){.op = ATR_OP_SLICE, .operand_count = 1, .operands = &operand, .u.slice = slice});
}

/* Copies a list of dimensions into `inst`; more entries than any array has dimensions are refused before they are read. */
static atr_status read_list(atr_work *work, const atr_module *module, atr_inst *inst, const int64_t *dims, int count) {
  REFUSE_UNLESS(work, count >= 0 && count <= ATR_MAX_RANK && (dims != NULL || count == 0),
                "%s: its dimensions are NULL, or their number %d is outside 0..%d", atr_op_name(inst->op), count, ATR_MAX_RANK);
  inst->u.dims.dims = ATR_NEW_ARRAY(module->arena, int64_t, count);
  inst->u.dims.count = count;
  for (int i = 0; i < count; i++) inst->u.dims.dims[i] = dims[i];
  return ATR_OK;
}

static atr_id build_with_dims(atr_work *work, atr_module *module, atr_inst *inst, const int64_t *dims, int count) {
  if (work->status != ATR_OK || read_list(work, module, inst, dims, count) != ATR_OK) return 0;
  return atr_inst_build(work, module, inst);
}

atr_id atr_reverse_build(atr_work *work, atr_module *module, atr_id operand, const int64_t *dims, int count) {
  atr_inst inst = {.op = ATR_OP_REVERSE, .operand_count = 1, .operands = &operand};
  return build_with_dims(work, module, &inst, dims, count);
}

atr_id atr_reduce_build(atr_work *work, atr_module *module, atr_id operand, const int64_t *dims, int count) {
  static const char zeros[16];
  if (work->status != ATR_OK || check_values(work, module, ATR_OP_REDUCE, &operand, 1) != ATR_OK) return 0;
  atr_shape scalar = atr_shape_make(atr_inst_at(module, operand)->shape.dtype, 0, NULL);
  atr_id operands[] = {operand, atr_constant_build(work, module, &scalar, zeros)};
  atr_inst inst = {.op = ATR_OP_REDUCE, .operand_count = 2, .operands = operands};
  return build_with_dims(work, module, &inst, dims, count);
}

atr_id atr_transpose_build(atr_work *work, atr_module *module, atr_id operand, const int64_t *permutation, int count) {
  atr_inst inst = {.op = ATR_OP_TRANSPOSE, .operand_count = 1, .operands = &operand};
  return build_with_dims(work, module, &inst, permutation, count);
}

atr_id atr_broadcast_build(atr_work *work, atr_module *module, atr_id operand, const atr_shape *shape, const int64_t *dims,
                           int count) {
  if (work->status != ATR_OK || check_shape_argument(work, ATR_OP_BROADCAST, shape) != ATR_OK) return 0;
  atr_inst inst = {.op = ATR_OP_BROADCAST, .shape = *shape, .operand_count = 1, .operands = &operand};
  return build_with_dims(work, module, &inst, dims, count);
}

atr_id atr_reshape_build(atr_work *work, atr_module *module, atr_id operand, const atr_shape *shape) {
  if (work->status != ATR_OK || check_shape_argument(work, ATR_OP_RESHAPE, shape) != ATR_OK) return 0;
  return atr_inst_build(work, module,
                        &(atr_inst){.op = ATR_OP_RESHAPE, .shape = *shape, .operand_count = 1, .operands = &operand});
}

static atr_status check_concatenate(atr_work *work, const atr_id *operands, int count) {
  REFUSE_UNLESS(work, count > 0 && operands != NULL, "concatenate: operands is NULL or count is not positive");
  return ATR_OK;
}

atr_id atr_concatenate_build(atr_work *work, atr_module *module, const atr_id *operands, int count, int64_t dimension) {
  if (work->status != ATR_OK || check_concatenate(work, operands, count) != ATR_OK) return 0;
  atr_inst inst = {.op = ATR_OP_CONCATENATE, .operand_count = count, .operands = list_of(operands)};
  return build_with_dims(work, module, &inst, &dimension, 1);
}

/* ---- the whole module -------------------------------------------------------------------------- */

atr_status atr_results_build(atr_work *work, atr_module *module, const atr_id *results, int count) {
  if (work->status != ATR_OK) return work->status;
  REFUSE_UNLESS(work, count > 0 && results != NULL, "results is NULL or count is not positive");
  for (int i = 0; i < count; i++)
    REFUSE_UNLESS(work, results[i] != 0 && results[i] <= module->count, "result %d is not a value of this builder", i);
  module->results = atr_arena_grow(module->arena, results, (size_t)count * sizeof *results, (size_t)count * sizeof *results);
  module->result_count = count;
  module->returns_tuple = count != 1;
  return atr_verify_module(work, module);
}

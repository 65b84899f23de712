/* infer.c - the type of an instruction, from its operands and attributes.
 *
 * In: an instruction whose operands are already in the module. Out: dtype and extents of its result (row major), or the rule
 * that the instruction breaks; the rules and their names (C1, R5, ...) are listed at the head of verify.c. The readers use it
 * for results that the text leaves out, the builder for every value, and the verifier compares its answer with the text.
 *
 *     convolution of f32[1,33,33,256] and f32[3,3,256,256], window={size=3x3 pad=12_12x12_12 rhs_dilate=12x12}
 *     -> dilated window 2*12+1 = 25, padded input 12+33+12 = 57, output 57-25+1 = 33: f32[1,33,33,256]
 *
 * Text may state any extent up to 2^63-1, so all arithmetic is checked. */
#include <string.h>

#include "base/checked.h"
#include "ir/rules.h"

const char *atr_shape_text(atr_work *work, const atr_shape *shape) {
  atr_text text = atr_text_make(work->arena);
  atr_shape_print(&text, shape, false);
  return text.data;
}

bool atr_conv_output_extent(int64_t input, const atr_window_dim *window, int64_t *out) {
  int64_t lhs = 0, rhs, padded, unused;
  if (input > 0 && (!atr_checked_mul(input - 1, window->lhs_dilation, &lhs) || !atr_checked_add(lhs, 1, &lhs))) return false;
  if (!atr_checked_mul(window->size - 1, window->rhs_dilation, &rhs) || !atr_checked_add(rhs, 1, &rhs)) return false;
  if (!atr_checked_add(window->pad_lo, lhs, &padded) || !atr_checked_add(padded, window->pad_hi, &padded)) return false;
  /* Positions run from -pad_lo to lhs + pad_hi - 1; the lowering needs both, so both must be numbers too. */
  if (!atr_checked_sub(0, window->pad_lo, &unused) || !atr_checked_add(lhs, window->pad_hi, &unused)) return false;
  *out = padded <= 0 || rhs > padded ? 0 : (padded - rhs) / window->stride + 1;
  return true;
}

static const atr_shape *operand_shape(const atr_module *module, const atr_inst *inst, int i) {
  return &atr_operand(module, inst, i)->shape;
}

static atr_shape shape_of(atr_dtype dtype, const atr_shape *like) { return atr_shape_make(dtype, like->rank, like->dims); }

/* ---- operands ---------------------------------------------------------------------------------- */

static atr_status check_operands(atr_work *work, const atr_module *module, const atr_inst *inst) {
  int want = atr_op_operand_count(inst->op);
  const char *op = atr_op_name(inst->op);
  if (want >= 0)
    ATR_RULE(work, inst, ATR_ATTR_OPCODE, inst->operand_count == want, "%s takes %d operand%s, got %d", op, want,
             want == 1 ? "" : "s", inst->operand_count);
  else ATR_RULE(work, inst, ATR_ATTR_OPCODE, inst->operand_count > 0, "%s takes at least one operand, got none", op);
  for (int i = 0; i < inst->operand_count; i++)
    ATR_RULE(work, inst, ATR_ATTR_OPCODE, inst->operands[i] != 0 && inst->operands[i] <= module->count,
             "operand %d of %s is not a value of this module", i, op);
  return ATR_OK;
}

/* ---- convolution ------------------------------------------------------------------------------- */

/* C13, C18, C20: the positions of one operand name each of its `spatial + 2` dimensions once. */
static atr_status check_permutation(atr_work *work, const atr_inst *inst, const char *which, int a, int b, const int *spatial) {
  int rank = inst->u.conv->spatial + 2;
  bool seen[ATR_MAX_SPATIAL + 2] = {false};
  for (int i = 0; i < rank; i++) {
    int dim = i == 0 ? a : i == 1 ? b : spatial[i - 2];
    ATR_RULE(work, inst, ATR_ATTR_DIM_LABELS, dim >= 0 && dim < rank,
             "dimension numbers of %s name dimension %d, which is outside 0..%d", which, dim, rank - 1);
    ATR_RULE(work, inst, ATR_ATTR_DIM_LABELS, !seen[dim], "dimension numbers of %s name dimension %d twice", which, dim);
    seen[dim] = true;
  }
  return ATR_OK;
}

static atr_status check_conv_dimensions(atr_work *work, const atr_inst *inst, const atr_shape *lhs, const atr_shape *rhs) {
  const atr_conv *c = inst->u.conv;
  ATR_RULE(work, inst, ATR_ATTR_DIM_LABELS, c->spatial >= 0 && c->spatial <= ATR_MAX_SPATIAL,
           "%s has %d spatial dimensions; 0 to %d are possible", atr_op_name(inst->op), c->spatial, ATR_MAX_SPATIAL);
  ATR_RULE(work, inst, ATR_ATTR_OPCODE, lhs->rank == rhs->rank, "lhs and rhs must have the same rank, got %s and %s",
           atr_shape_text(work, lhs), atr_shape_text(work, rhs));
  ATR_RULE(work, inst, ATR_ATTR_DIM_LABELS, lhs->rank == c->spatial + 2,
           "dimension numbers name %d dimensions (%d of them spatial), but lhs %s and rhs %s have %d", c->spatial + 2,
           c->spatial, atr_shape_text(work, lhs), atr_shape_text(work, rhs), lhs->rank);
  ATR_TRY(check_permutation(work, inst, "lhs", c->lhs_batch, c->lhs_feature, c->lhs_spatial));
  ATR_TRY(check_permutation(work, inst, "rhs", c->rhs_input_feature, c->rhs_output_feature, c->rhs_spatial));
  return check_permutation(work, inst, "the result", c->out_batch, c->out_feature, c->out_spatial);
}

static atr_status check_window(atr_work *work, const atr_inst *inst) {
  const atr_conv *c = inst->u.conv;
  for (int d = 0; d < c->spatial; d++) {
    const atr_window_dim *w = &c->window[d];
    struct {
      const char *what;
      int64_t value;
    } positive[] = {
        {"size", w->size}, {"stride", w->stride}, {"lhs_dilation", w->lhs_dilation}, {"rhs_dilation", w->rhs_dilation}};
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++)
      ATR_RULE(work, inst, ATR_ATTR_WINDOW, positive[i].value > 0,
               "window %s of spatial dimension %d must be positive, got %lld", positive[i].what, d,
               (long long)positive[i].value);
  }
  return ATR_OK;
}

static atr_status check_group_counts(atr_work *work, const atr_inst *inst) {
  const atr_conv *c = inst->u.conv;
  ATR_RULE(work, inst, ATR_ATTR_FEATURE_GROUP_COUNT, c->feature_group_count > 0,
           "feature_group_count must be positive, got %lld", (long long)c->feature_group_count);
  ATR_RULE(work, inst, ATR_ATTR_BATCH_GROUP_COUNT, c->batch_group_count > 0, "batch_group_count must be positive, got %lld",
           (long long)c->batch_group_count);
  if (atr_conv_is_local(inst->op))
    ATR_RULE(work, inst, ATR_ATTR_BATCH_GROUP_COUNT, c->batch_group_count == 1,
             "batch_group_count of a local convolution must be 1, got %lld", (long long)c->batch_group_count);
  ATR_RULE(work, inst, ATR_ATTR_BATCH_GROUP_COUNT, c->feature_group_count == 1 || c->batch_group_count == 1,
           "feature_group_count and batch_group_count cannot both exceed 1, got %lld and %lld",
           (long long)c->feature_group_count, (long long)c->batch_group_count);
  return ATR_OK;
}

static atr_status check_divides(atr_work *work, const atr_inst *inst, atr_attr attr, const char *what, int64_t extent,
                                int64_t count) {
  ATR_RULE(work, inst, attr, extent % count == 0, "%s %lld is not a multiple of %s %lld", what, (long long)extent,
           attr == ATR_ATTR_BATCH_GROUP_COUNT ? "batch_group_count" : "feature_group_count", (long long)count);
  return ATR_OK;
}

/* C10, C11, C14, C15, C16; `taps` is 1 for convolution and the product of the window sizes for local_convolution. */
static atr_status check_groups(atr_work *work, const atr_inst *inst, const atr_shape *lhs, const atr_shape *rhs, int64_t taps) {
  const atr_conv *c = inst->u.conv;
  int64_t batch = lhs->dims[c->lhs_batch], channels = lhs->dims[c->lhs_feature];
  int64_t input = rhs->dims[c->rhs_input_feature], output = rhs->dims[c->rhs_output_feature], want;
  ATR_TRY(check_divides(work, inst, ATR_ATTR_FEATURE_GROUP_COUNT, "input feature extent", channels, c->feature_group_count));
  ATR_TRY(check_divides(work, inst, ATR_ATTR_FEATURE_GROUP_COUNT, "output feature extent", output, c->feature_group_count));
  ATR_TRY(check_divides(work, inst, ATR_ATTR_BATCH_GROUP_COUNT, "batch extent", batch, c->batch_group_count));
  ATR_TRY(check_divides(work, inst, ATR_ATTR_BATCH_GROUP_COUNT, "output feature extent", output, c->batch_group_count));
  bool fits = atr_checked_mul(channels / c->feature_group_count, taps, &want);
  if (atr_conv_is_local(inst->op))
    ATR_RULE(work, inst, ATR_ATTR_OPCODE, fits && input == want,
             "rhs input feature extent must be lhs feature extent / feature_group_count * window taps = %lld / %lld * %lld, "
             "got %lld",
             (long long)channels, (long long)c->feature_group_count, (long long)taps, (long long)input);
  else
    ATR_RULE(work, inst, ATR_ATTR_OPCODE, input == want,
             "rhs input feature extent must be lhs feature extent / feature_group_count = %lld / %lld, got %lld",
             (long long)channels, (long long)c->feature_group_count, (long long)input);
  return ATR_OK;
}

static atr_status check_taps(atr_work *work, const atr_inst *inst, int64_t *taps) {
  const atr_conv *c = inst->u.conv;
  *taps = 1;
  for (int d = 0; d < c->spatial; d++)
    ATR_RULE(work, inst, ATR_ATTR_WINDOW, atr_checked_mul(*taps, c->window[d].size, taps),
             "the number of window taps does not fit in 64 bits");
  return ATR_OK;
}

/* Output extent of spatial dimension d, and what rhs must have there: the window's, or the output's when unshared. */
static atr_status infer_spatial(atr_work *work, const atr_inst *inst, const atr_shape *lhs, const atr_shape *rhs, int d,
                                int64_t *extent) {
  const atr_conv *c = inst->u.conv;
  int64_t have = rhs->dims[c->rhs_spatial[d]];
  ATR_RULE(work, inst, ATR_ATTR_WINDOW, atr_conv_output_extent(lhs->dims[c->lhs_spatial[d]], &c->window[d], extent),
           "padded or dilated extent of spatial dimension %d does not fit in 64 bits", d);
  if (atr_conv_is_local(inst->op))
    ATR_RULE(work, inst, ATR_ATTR_OPCODE, have == *extent,
             "rhs of a local convolution must have the output's extent %lld in spatial dimension %d, got %lld",
             (long long)*extent, d, (long long)have);
  else
    ATR_RULE(work, inst, ATR_ATTR_WINDOW, have == c->window[d].size,
             "window size of spatial dimension %d is %lld, but rhs has extent %lld there", d, (long long)c->window[d].size,
             (long long)have);
  return ATR_OK;
}

/* Extents of what lhs and rhs give. */
static atr_status infer_extents(atr_work *work, const atr_inst *inst, const atr_shape *lhs, const atr_shape *rhs,
                                int64_t dims[ATR_MAX_RANK]) {
  const atr_conv *c = inst->u.conv;
  int64_t taps;
  ATR_TRY(check_conv_dimensions(work, inst, lhs, rhs));
  ATR_TRY(check_window(work, inst));
  ATR_TRY(check_group_counts(work, inst));
  ATR_TRY(check_taps(work, inst, &taps));
  ATR_TRY(check_groups(work, inst, lhs, rhs, atr_conv_is_local(inst->op) ? taps : 1));
  dims[c->out_batch] = lhs->dims[c->lhs_batch] / c->batch_group_count;
  dims[c->out_feature] = rhs->dims[c->rhs_output_feature];
  for (int d = 0; d < c->spatial; d++) ATR_TRY(infer_spatial(work, inst, lhs, rhs, d, &dims[c->out_spatial[d]]));
  return ATR_OK;
}

static atr_status infer_conv(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *lhs = operand_shape(module, inst, 0), *rhs = operand_shape(module, inst, 1);
  int64_t dims[ATR_MAX_RANK] = {0};
  ATR_TRY(infer_extents(work, inst, lhs, rhs, dims));
  /* Without a request: lhs's dtype, as wide as the wider operand (bf16 with f32 gives f32, as XLA infers). */
  atr_dtype dtype = inst->shape.dtype;
  if (dtype == ATR_DTYPE_NONE) dtype = atr_dtype_size(rhs->dtype) > atr_dtype_size(lhs->dtype) ? rhs->dtype : lhs->dtype;
  *out = atr_shape_make(dtype, inst->u.conv->spatial + 2, dims);
  return ATR_OK;
}

/* The result is lhs or rhs of a convolution whose result has the cotangent's extents; what they are does not follow from it. */
static atr_status infer_gradient(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *lhs = atr_conv_shape(module, inst, ATR_CONV_LHS), *rhs = atr_conv_shape(module, inst, ATR_CONV_RHS);
  const atr_shape *cotangent = atr_conv_shape(module, inst, ATR_CONV_OUT);
  int64_t dims[ATR_MAX_RANK] = {0};
  ATR_TRY(atr_verify_shape(work, inst, &inst->shape));
  ATR_TRY(infer_extents(work, inst, lhs, rhs, dims));
  atr_shape want = atr_shape_make(cotangent->dtype, inst->u.conv->spatial + 2, dims);
  ATR_RULE(work, inst, ATR_ATTR_OPCODE, atr_shape_same_dims(cotangent, &want),
           "cotangent must have the extents of the result of a local convolution of %s with %s, %s, got %s",
           atr_shape_text(work, lhs), atr_shape_text(work, rhs), atr_shape_text(work, &want), atr_shape_text(work, cotangent));
  *out = shape_of(inst->shape.dtype, &inst->shape);
  return ATR_OK;
}

/* ---- moving elements --------------------------------------------------------------------------- */

/* u.dims: `count` entries, each in 0..limit-1 and none twice. */
static atr_status check_dims_list(atr_work *work, const atr_inst *inst, int count, int limit) {
  bool seen[ATR_MAX_RANK] = {false};
  const char *op = atr_op_name(inst->op);
  ATR_RULE(work, inst, ATR_ATTR_DIMENSIONS, inst->u.dims.count == count, "%s needs %d entries in dimensions, got %d", op, count,
           inst->u.dims.count);
  for (int i = 0; i < count; i++) {
    int64_t dim = inst->u.dims.dims[i];
    ATR_RULE(work, inst, ATR_ATTR_DIMENSIONS, dim >= 0 && dim < limit,
             "dimension %lld of %s is outside the array's %d dimensions", (long long)dim, op, limit);
    ATR_RULE(work, inst, ATR_ATTR_DIMENSIONS, !seen[dim], "%s names dimension %lld twice", op, (long long)dim);
    seen[dim] = true;
  }
  return ATR_OK;
}

static atr_status infer_pad(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *in = operand_shape(module, inst, 0), *value = operand_shape(module, inst, 1);
  ATR_RULE(work, inst, ATR_ATTR_OPCODE, value->rank == 0 && value->dtype == in->dtype,
           "padding value must be a scalar of the operand's dtype %s, got %s", atr_dtype_name(in->dtype),
           atr_shape_text(work, value));
  *out = shape_of(in->dtype, in);
  for (int d = 0; d < in->rank; d++) {
    const atr_pad_dim *p = &inst->u.pad[d];
    int64_t step, extent = in->dims[d];
    ATR_RULE(work, inst, ATR_ATTR_PADDING, p->interior >= 0, "interior padding of dimension %d must not be negative, got %lld",
             d, (long long)p->interior);
    bool fits = atr_checked_add(p->interior, 1, &step);
    if (extent > 0) fits = fits && atr_checked_mul(extent - 1, step, &extent) && atr_checked_add(extent, 1, &extent);
    fits = fits && atr_checked_add(extent, p->low, &extent) && atr_checked_add(extent, p->high, &extent);
    ATR_RULE(work, inst, ATR_ATTR_PADDING, fits, "padded extent of dimension %d does not fit in 64 bits", d);
    ATR_RULE(work, inst, ATR_ATTR_PADDING, extent >= 0, "padding of dimension %d removes more than there is: extent %lld", d,
             (long long)extent);
    out->dims[d] = extent;
  }
  return ATR_OK;
}

/* u.dims: some of the dimensions of the operand. */
static atr_status check_dims_subset(atr_work *work, const atr_inst *inst, const atr_shape *in) {
  ATR_RULE(work, inst, ATR_ATTR_DIMENSIONS, inst->u.dims.count <= in->rank, "%s names %d dimensions, but %s has %d",
           atr_op_name(inst->op), inst->u.dims.count, atr_shape_text(work, in), in->rank);
  return check_dims_list(work, inst, inst->u.dims.count, in->rank);
}

static atr_status infer_reverse(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *in = operand_shape(module, inst, 0);
  *out = shape_of(in->dtype, in);
  return check_dims_subset(work, inst, in);
}

/* Extents of the dimensions that are not summed over, in their order. */
static atr_status infer_reduce(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *in = operand_shape(module, inst, 0), *init = operand_shape(module, inst, 1);
  int64_t dims[ATR_MAX_RANK];
  int rank = 0;
  ATR_RULE(work, inst, ATR_ATTR_OPCODE, init->rank == 0 && init->dtype == in->dtype,
           "initial value of reduce must be a scalar of the operand's dtype %s, got %s", atr_dtype_name(in->dtype),
           atr_shape_text(work, init));
  ATR_TRY(check_dims_subset(work, inst, in));
  for (int d = 0; d < in->rank; d++)
    if (!atr_inst_names_dim(inst, d)) dims[rank++] = in->dims[d];
  *out = atr_shape_make(in->dtype, rank, dims);
  return ATR_OK;
}

static atr_status infer_broadcast(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *in = operand_shape(module, inst, 0);
  ATR_TRY(atr_verify_shape(work, inst, &inst->shape));
  ATR_TRY(check_dims_list(work, inst, in->rank, inst->shape.rank));
  for (int i = 0; i < in->rank; i++) {
    int64_t dim = inst->u.dims.dims[i];
    ATR_RULE(work, inst, ATR_ATTR_DIMENSIONS, inst->shape.dims[dim] == in->dims[i],
             "broadcast puts operand dimension %d of extent %lld in result dimension %lld of extent %lld", i,
             (long long)in->dims[i], (long long)dim, (long long)inst->shape.dims[dim]);
  }
  *out = shape_of(in->dtype, &inst->shape);
  return ATR_OK;
}

static atr_status infer_iota(atr_work *work, const atr_inst *inst, atr_shape *out) {
  ATR_TRY(atr_verify_shape(work, inst, &inst->shape));
  *out = shape_of(inst->shape.dtype, &inst->shape);
  return check_dims_list(work, inst, 1, inst->shape.rank);
}

static atr_status infer_reshape(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *in = operand_shape(module, inst, 0);
  int64_t before, after, bytes;
  ATR_TRY(atr_verify_shape(work, inst, &inst->shape));
  ATR_RULE(
      work, inst, ATR_ATTR_SHAPE,
      atr_shape_checked_bytes(in, &before, &bytes) && atr_shape_checked_bytes(&inst->shape, &after, &bytes) && before == after,
      "reshape must keep the number of elements, got %s to %s", atr_shape_text(work, in), atr_shape_text(work, &inst->shape));
  *out = shape_of(in->dtype, &inst->shape);
  return ATR_OK;
}

static atr_status infer_transpose(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *in = operand_shape(module, inst, 0);
  ATR_TRY(check_dims_list(work, inst, in->rank, in->rank));
  *out = shape_of(in->dtype, in);
  for (int i = 0; i < in->rank; i++) out->dims[i] = in->dims[inst->u.dims.dims[i]];
  return ATR_OK;
}

static atr_status infer_slice(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *in = operand_shape(module, inst, 0);
  *out = shape_of(in->dtype, in);
  for (int d = 0; d < in->rank; d++) {
    const atr_slice_dim *s = &inst->u.slice[d];
    ATR_RULE(work, inst, ATR_ATTR_SLICE, s->stride >= 1, "slice stride of dimension %d must be at least 1, got %lld", d,
             (long long)s->stride);
    ATR_RULE(work, inst, ATR_ATTR_SLICE, 0 <= s->start && s->start <= s->limit && s->limit <= in->dims[d],
             "slice of dimension %d must satisfy 0 <= start <= limit <= %lld, got [%lld:%lld]", d, (long long)in->dims[d],
             (long long)s->start, (long long)s->limit);
    int64_t length = s->limit - s->start;
    out->dims[d] = length == 0 ? 0 : (length - 1) / s->stride + 1;
  }
  return ATR_OK;
}

static atr_status infer_concatenate(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *first = operand_shape(module, inst, 0);
  ATR_TRY(check_dims_list(work, inst, 1, first->rank));
  int64_t along = inst->u.dims.dims[0], total = first->dims[along];
  for (int i = 1; i < inst->operand_count; i++) {
    const atr_shape *next = operand_shape(module, inst, i);
    bool agree = next->dtype == first->dtype && next->rank == first->rank;
    for (int d = 0; agree && d < first->rank; d++) agree = d == along || next->dims[d] == first->dims[d];
    ATR_RULE(work, inst, ATR_ATTR_OPCODE, agree, "operands of concatenate may differ in dimension %lld only, got %s and %s",
             (long long)along, atr_shape_text(work, first), atr_shape_text(work, next));
    ATR_RULE(work, inst, ATR_ATTR_OPCODE, atr_checked_add(total, next->dims[along], &total),
             "concatenated extent of dimension %lld does not fit in 64 bits", (long long)along);
  }
  *out = shape_of(first->dtype, first);
  out->dims[along] = total;
  return ATR_OK;
}

/* ---- elementwise ------------------------------------------------------------------------------- */

static atr_status infer_unary(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *in = operand_shape(module, inst, 0);
  atr_dtype dtype = in->dtype;
  if (inst->op == ATR_OP_ABS || inst->op == ATR_OP_REAL || inst->op == ATR_OP_IMAG) dtype = atr_dtype_real(dtype);
  if (inst->op == ATR_OP_CONVERT) {
    dtype = inst->shape.dtype;
    ATR_RULE(work, inst, ATR_ATTR_OPCODE, dtype != ATR_DTYPE_NONE, "convert needs a result type");
  }
  *out = shape_of(dtype, in);
  return ATR_OK;
}

static atr_status infer_binary(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *a = operand_shape(module, inst, 0), *b = operand_shape(module, inst, 1);
  ATR_RULE(work, inst, ATR_ATTR_OPCODE, atr_shape_equal(a, b), "operands of %s must have the same type, got %s and %s",
           atr_op_name(inst->op), atr_shape_text(work, a), atr_shape_text(work, b));
  atr_dtype dtype = inst->op == ATR_OP_COMPARE ? ATR_PRED : a->dtype;
  if (inst->op == ATR_OP_COMPLEX) {
    dtype = atr_dtype_complex(a->dtype);
    ATR_RULE(work, inst, ATR_ATTR_OPCODE, dtype != ATR_DTYPE_NONE, "complex is not defined for %s; it takes f32 and f64",
             atr_dtype_name(a->dtype));
  }
  *out = shape_of(dtype, a);
  return ATR_OK;
}

static atr_status infer_clamp(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *in = operand_shape(module, inst, 1);
  for (int i = 0; i <= 2; i += 2) {
    const atr_shape *bound = operand_shape(module, inst, i);
    ATR_RULE(work, inst, ATR_ATTR_OPCODE, bound->dtype == in->dtype && (bound->rank == 0 || atr_shape_equal(bound, in)),
             "%s of clamp must be a scalar or an array like its operand %s, got %s", i == 0 ? "minimum" : "maximum",
             atr_shape_text(work, in), atr_shape_text(work, bound));
  }
  *out = shape_of(in->dtype, in);
  return ATR_OK;
}

static atr_status infer_select(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  const atr_shape *pred = operand_shape(module, inst, 0), *a = operand_shape(module, inst, 1),
                  *b = operand_shape(module, inst, 2);
  ATR_RULE(work, inst, ATR_ATTR_OPCODE, atr_shape_equal(a, b),
           "the two values of select must have the same type, got %s and %s", atr_shape_text(work, a), atr_shape_text(work, b));
  ATR_RULE(work, inst, ATR_ATTR_OPCODE, pred->dtype == ATR_PRED && (pred->rank == 0 || atr_shape_same_dims(pred, a)),
           "the condition of select must be pred, a scalar or with the extents of %s, got %s", atr_shape_text(work, a),
           atr_shape_text(work, pred));
  *out = shape_of(a->dtype, a);
  return ATR_OK;
}

atr_status atr_infer_shape(atr_work *work, const atr_module *module, const atr_inst *inst, atr_shape *out) {
  if (inst->op <= ATR_OP_NONE || inst->op >= ATR_OP_COUNT) return ATR_BUG(work, "instruction without an operation");
  ATR_TRY(check_operands(work, module, inst));
  switch (inst->op) {
  case ATR_OP_PARAMETER:
  case ATR_OP_CONSTANT:
    ATR_TRY(atr_verify_shape(work, inst, &inst->shape));
    *out = shape_of(inst->shape.dtype, &inst->shape);
    return ATR_OK;
  case ATR_OP_IOTA: return infer_iota(work, inst, out);
  case ATR_OP_CONVOLUTION:
  case ATR_OP_LOCAL_CONVOLUTION: return infer_conv(work, module, inst, out);
  case ATR_OP_LOCAL_DATA_GRADIENT:
  case ATR_OP_LOCAL_WEIGHT_GRADIENT: return infer_gradient(work, module, inst, out);
  case ATR_OP_REDUCE: return infer_reduce(work, module, inst, out);
  case ATR_OP_PAD: return infer_pad(work, module, inst, out);
  case ATR_OP_REVERSE: return infer_reverse(work, module, inst, out);
  case ATR_OP_BROADCAST: return infer_broadcast(work, module, inst, out);
  case ATR_OP_RESHAPE: return infer_reshape(work, module, inst, out);
  case ATR_OP_TRANSPOSE: return infer_transpose(work, module, inst, out);
  case ATR_OP_SLICE: return infer_slice(work, module, inst, out);
  case ATR_OP_CONCATENATE: return infer_concatenate(work, module, inst, out);
  case ATR_OP_COPY:
  case ATR_OP_NEGATE:
  case ATR_OP_ABS:
  case ATR_OP_EXPONENTIAL:
  case ATR_OP_TANH:
  case ATR_OP_LOGISTIC:
  case ATR_OP_ROUND_NEAREST_EVEN:
  case ATR_OP_NOT:
  case ATR_OP_REAL:
  case ATR_OP_IMAG:
  case ATR_OP_CONVERT: return infer_unary(work, module, inst, out);
  case ATR_OP_ADD:
  case ATR_OP_SUBTRACT:
  case ATR_OP_MULTIPLY:
  case ATR_OP_DIVIDE:
  case ATR_OP_MAXIMUM:
  case ATR_OP_MINIMUM:
  case ATR_OP_AND:
  case ATR_OP_OR:
  case ATR_OP_XOR:
  case ATR_OP_COMPLEX:
  case ATR_OP_COMPARE: return infer_binary(work, module, inst, out);
  case ATR_OP_CLAMP: return infer_clamp(work, module, inst, out);
  case ATR_OP_SELECT: return infer_select(work, module, inst, out);
  case ATR_OP_NONE:
  case ATR_OP_COUNT: break;
  }
  return ATR_BUG(work, "no rule for the type of %s", atr_op_name(inst->op));
}

/* call.c - what every operator does: types of arrays, and the steps that convolutions of all systems are made of.
 *
 * In: a call with the arrays' types (or some of them) and options. Out: complete options, types that fit each other, and then
 * the instructions of the operator's build(). For example torch.ConvTranspose1d with stride 2, padding 1, kernel 4 is
 *
 *     convolution(input, weight with its features exchanged), window={size=4 pad=2_2 lhs_dilate=2 rhs_reversal=1}, plus bias */
#include "operators/operators.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/options.h"
#include "ir/rules.h"

atr_status atr_call_refuse(const atr_call *call, const char *format, ...) {
  va_list args;
  char message[1024];
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  return atr_fail(call->work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "%s: %s", call->op->name, message);
}

/* ---- types ------------------------------------------------------------------------------------- */

static bool is_there(const atr_call *call, int array) { return call->types[array].dtype != ATR_DTYPE_NONE; }

/* "f16, f32 or f64" */
static const char *holds_text(const atr_call *call, unsigned holds) {
  atr_text text = atr_text_make(call->work->arena);
  for (int i = 1; holds >> i != 0; i++) {
    if ((holds >> i & 1) == 0) continue;
    atr_text_printf(&text, "%s%s", text.len == 0 ? "" : holds >> (i + 1) == 0 ? " or " : ", ", atr_dtype_name((atr_dtype)i));
  }
  return text.data;
}

static atr_status check_dtypes(const atr_call *call) {
  for (int i = 0; i < call->op->array_count; i++) {
    const atr_array *array = &call->op->arrays[i];
    if (!is_there(call, i)) continue;
    ATR_REFUSE_UNLESS(call, (array->holds >> call->types[i].dtype & 1) != 0, "%s is %s, but it must be of %s", array->name,
                      atr_shape_text(call->work, &call->types[i]), holds_text(call, array->holds));
  }
  return ATR_OK;
}

/* `flag` as the caller said it. With text the default decides what is not said; with arrays those that are there do. */
static atr_status find_bias(atr_call *call, atr_flag said) {
  call->has_bias = is_there(call, ATR_BIAS);
  ATR_REFUSE_UNLESS(call, said != ATR_FLAG_FALSE || !call->has_bias,
                    "there is a bias, but the attribute says that there is none");
  ATR_REFUSE_UNLESS(call, said != ATR_FLAG_TRUE || call->has_bias || call->from_text,
                    "the attribute says that there is a bias, but none is given");
  if (call->from_text && atr_call_bias_flag(call) == ATR_FLAG_TRUE) call->has_bias = true;
  return ATR_OK;
}

static atr_status compare_types(atr_call *call) {
  for (int i = 0; i < call->op->array_count; i++) {
    const atr_array *array = &call->op->arrays[i];
    const atr_shape *want = &call->expected[i];
    bool wanted = array->role != ATR_ARRAY_BIAS || call->has_bias;
    if (want->dtype == ATR_DTYPE_NONE || !wanted) continue;
    if (is_there(call, i))
      ATR_REFUSE_UNLESS(call, atr_shape_equal(&call->types[i], want), "%s is %s, but it must be %s: %s", array->name,
                        atr_shape_text(call->work, &call->types[i]), atr_shape_text(call->work, want), array->form);
    else if (array->role != ATR_ARRAY_OPTIONAL) call->types[i] = *want;
  }
  return ATR_OK;
}

atr_status atr_call_complete(atr_call *call) {
  atr_flag said = atr_call_bias_flag(call);
  ATR_REFUSE_UNLESS(call, call->spatial >= 0 && call->spatial <= ATR_MAX_SPATIAL,
                    "%s is %s, but it must have from 0 to %d spatial dimensions", call->op->arrays[0].name,
                    atr_shape_text(call->work, &call->types[0]), ATR_MAX_SPATIAL);
  ATR_TRY(check_dtypes(call));
  ATR_TRY(atr_attributes_complete(call));
  ATR_TRY(find_bias(call, said));
  ATR_TRY(call->op->types(call));
  return compare_types(call);
}

void atr_call_expect(atr_call *call, int array, atr_dtype dtype, int rank, const int64_t *dims) {
  call->expected[array] = atr_shape_make(dtype, rank, dims);
}

/* ---- calls from C ------------------------------------------------------------------------------ */

/* Copies what the caller's struct has; the rest is zero, that is default. */
static atr_status read_options(atr_call *call, const void *options) {
  call->options = atr_arena_alloc(call->work->arena, call->op->options_size);
  ATR_REFUSE_UNLESS(call, atr_options_read(call->options, call->op->options_size, options),
                    "the options have a size that this library does not know");
  return ATR_OK;
}

static atr_status read_args(atr_call *call, const atr_id *args) {
  for (int i = 0; i < call->op->array_count; i++) {
    atr_array_role role = call->op->arrays[i].role;
    bool may_miss = role == ATR_ARRAY_BIAS || role == ATR_ARRAY_OPTIONAL;
    ATR_REFUSE_UNLESS(call, args[i] <= call->module->count && (args[i] != 0 || may_miss), "%s is not a value of this builder",
                      call->op->arrays[i].name);
    call->args[i] = args[i];
    if (args[i] != 0) call->types[i] = *atr_call_shape(call, args[i]);
  }
  if (call->op->spatial == 0) call->spatial = call->types[0].rank - 2;
  return ATR_OK;
}

/* Of two limits the lower one; 0 is none. */
static int64_t lower_limit(int64_t a, int64_t b) {
  if (a == 0 || b == 0) return a == 0 ? b : a;
  return a < b ? a : b;
}

void atr_call_take_hints(const atr_call *call, atr_import_hints *hints) {
  atr_import_hints own = {.size = sizeof own};
  atr_plan_hints *of_module = &call->module->hints;
  if (call->op->hints == NULL) return;
  call->op->hints(call, &own);
  of_module->workspace = lower_limit(of_module->workspace, own.workspace);
  bool measures = own.cudnn_tune == ATR_MXNET_TUNE_LIMITED_WORKSPACE || own.cudnn_tune == ATR_MXNET_TUNE_FASTEST;
  if (measures || (own.cudnn_tune != ATR_MXNET_TUNE_DEFAULT && of_module->measure == 0)) of_module->measure = measures ? 1 : -1;
  if (hints != NULL) *hints = own;
}

atr_id atr_operator_build(atr_work *work, atr_module *module, const atr_operator *op, const atr_id *args, const void *options) {
  atr_call call = {.work = work, .module = module, .op = op, .spatial = op->spatial};
  if (work->status != ATR_OK || read_args(&call, args) != ATR_OK || read_options(&call, options) != ATR_OK) return 0;
  if (atr_call_complete(&call) != ATR_OK) return 0;
  atr_id result = op->build(&call);
  if (result != 0) atr_call_take_hints(&call, NULL);
  return result;
}

atr_id atr_family_build(atr_work *work, atr_module *module, const atr_operator *rows, int count, int array, int leading,
                        const atr_id *args, const void *options) {
  if (work->status != ATR_OK) return 0;
  bool is_value = args[array] != 0 && args[array] <= module->count;
  int rank = is_value ? atr_inst_at(module, args[array])->shape.rank : 0, first = rows[0].spatial;
  int row = rank - leading - first;
  atr_call call = {.work = work, .op = &rows[0]};
  if (!is_value) ATR_REFUSE(&call, "%s is not a value of this builder", rows[0].arrays[array].name);
  else if (row < 0 || row >= count)
    ATR_REFUSE(&call, "%s has rank %d; its kin take %d to %d spatial dimensions", rows[0].arrays[array].name, rank, first,
               first + count - 1);
  else return atr_operator_build(work, module, &rows[row], args, options);
  return 0;
}

/* ---- layers ------------------------------------------------------------------------------------ */

static atr_status check_channels(const atr_call *call, const char *name, int64_t channels, const char *groups_name,
                                 int64_t groups) {
  ATR_REFUSE_UNLESS(call, channels % groups == 0, "%s=%lld does not divide the %lld %s", groups_name, (long long)groups,
                    (long long)channels, name);
  return ATR_OK;
}

static atr_status find_kernel(atr_call *call, const atr_layer_source *s, const atr_shape *weight) {
  for (int d = 0; d < call->spatial; d++) {
    int64_t *extent = &call->layer.kernel[d];
    *extent = s->kernel_stated[d] != 0 ? s->kernel_stated[d] : weight->dims[s->kernel_dim + d];
    ATR_REFUSE_UNLESS(call, *extent >= 1 && *extent <= INT32_MAX,
                      "the kernel has extent %lld in spatial dimension %d; allowed: from 1", (long long)*extent, d);
  }
  return ATR_OK;
}

atr_status atr_call_find_layer(atr_call *call, const atr_layer_source *s) {
  int array = atr_call_weight(call);
  const atr_shape *weight = &call->types[array];
  const char *name = call->op->arrays[array].name, *form = call->op->arrays[array].form;
  bool stated = s->out_stated != 0 && (call->spatial == 0 || s->kernel_stated[0] != 0);
  atr_layer *layer = &call->layer;
  ATR_REFUSE_UNLESS(call, stated || is_there(call, array), "%s is missing: %s", name, form);
  if (is_there(call, array))
    ATR_REFUSE_UNLESS(call, weight->rank == s->weight_rank, "%s is %s, but it must have rank %d: %s", name,
                      atr_shape_text(call->work, weight), s->weight_rank, form);
  ATR_REFUSE_UNLESS(call, s->in_stated == 0 || s->in_stated == s->in, "in_channels=%lld, but %s is %s with %lld channels",
                    (long long)s->in_stated, call->op->arrays[0].name, atr_shape_text(call->work, &call->types[0]),
                    (long long)s->in);
  layer->groups = s->groups;
  layer->in = s->in;
  layer->out = s->out_stated;
  if (layer->out == 0 && !atr_checked_mul(weight->dims[s->out_dim], s->out_scale, &layer->out))
    return ATR_REFUSE(call, "the number of output channels overflows");
  ATR_TRY(check_channels(call, "input channels", layer->in, s->groups_name, layer->groups));
  ATR_TRY(check_channels(call, s->out_name, layer->out, s->groups_name, layer->groups));
  return find_kernel(call, s, weight);
}

int atr_call_weight(const atr_call *call) { return call->op->weight != 0 ? call->op->weight : ATR_WEIGHT; }

void atr_call_expect_weight(atr_call *call, int64_t first, int64_t second, bool features_last) {
  int64_t dims[ATR_MAX_RANK];
  int rank = call->spatial + 2;
  dims[0] = first;
  dims[features_last ? rank - 1 : 1] = second;
  for (int d = 0; d < call->spatial; d++) dims[d + (features_last ? 1 : 2)] = call->layer.kernel[d];
  int array = atr_call_weight(call);
  atr_call_expect(call, array, is_there(call, array) && call->op->weight != 0 ? call->types[array].dtype : call->types[0].dtype,
                  rank, dims);
}

/* ---- convolutions ------------------------------------------------------------------------------ */

atr_conv *atr_call_conv(atr_call *call, bool features_last) {
  atr_conv *c = ATR_NEW(call->module->arena, atr_conv);
  c->spatial = call->spatial;
  c->lhs_feature = c->rhs_input_feature = c->out_feature = features_last ? call->spatial + 1 : 1;
  c->feature_group_count = call->layer.groups;
  c->batch_group_count = 1;
  for (int d = 0; d < call->spatial; d++) {
    c->lhs_spatial[d] = c->rhs_spatial[d] = c->out_spatial[d] = d + (features_last ? 1 : 2);
    c->window[d] = (atr_window_dim){.size = call->layer.kernel[d], .stride = 1, .lhs_dilation = 1, .rhs_dilation = 1};
  }
  return c;
}

void atr_conv_swap_features(atr_conv *c) {
  int input = c->rhs_input_feature;
  c->rhs_input_feature = c->rhs_output_feature;
  c->rhs_output_feature = input;
}

atr_id atr_call_add_conv(atr_call *call, atr_op op, const atr_conv *conv, atr_id lhs, atr_id rhs, atr_dtype dtype) {
  atr_id operands[] = {lhs, rhs};
  atr_conv *copy = ATR_NEW(call->module->arena, atr_conv);
  *copy = *conv;
  atr_inst inst = {.op = op, .shape.dtype = dtype, .operand_count = 2, .operands = operands, .u.conv = copy};
  return atr_inst_build(call->work, call->module, &inst);
}

atr_id atr_call_add_bias(atr_call *call, atr_id y, atr_id bias, int feature) {
  if (call->work->status != ATR_OK || bias == 0) return y;
  atr_shape shape = *atr_call_shape(call, y), flat = atr_shape_make(shape.dtype, 1, &shape.dims[feature]);
  int64_t dim = feature;
  if (atr_call_shape(call, bias)->rank != 1) bias = atr_reshape_build(call->work, call->module, bias, &flat);
  atr_id wide = atr_broadcast_build(call->work, call->module, bias, &shape, &dim, 1);
  return atr_elementwise_build(call->work, call->module, "add", (atr_id[]){y, wide}, 2);
}

int64_t atr_window_extent(const atr_window_dim *w) { return (w->size - 1) * w->rhs_dilation + 1; }

atr_status atr_call_check_fit(const atr_call *call, const atr_conv *c, const atr_shape *lhs) {
  for (int d = 0; d < c->spatial; d++) {
    const atr_window_dim *w = &c->window[d];
    int64_t input = lhs->dims[c->lhs_spatial[d]], padded;
    ATR_REFUSE_UNLESS(call, input >= 1, "spatial dimension %d of %s is empty", d, call->op->arrays[0].name);
    bool fits = atr_checked_add(input, w->pad_lo, &padded) && atr_checked_add(padded, w->pad_hi, &padded);
    ATR_REFUSE_UNLESS(call, fits, "the padding of spatial dimension %d overflows", d);
    ATR_REFUSE_UNLESS(
        call, atr_window_extent(w) <= padded,
        "spatial dimension %d: the kernel, which takes %lld elements with its dilation, is larger than the padded "
        "input, which has %lld",
        d, (long long)atr_window_extent(w), (long long)padded);
  }
  return ATR_OK;
}

/* ---- inverses ---------------------------------------------------------------------------------- */

void atr_window_invert(atr_window_dim *w, int64_t stride, int64_t lo, int64_t hi) {
  int64_t reach = atr_window_extent(w) - 1;
  w->lhs_dilation = stride;
  w->reversal = true;
  w->pad_lo = reach - lo;
  w->pad_hi = reach - hi;
}

atr_status atr_call_full_extent(const atr_call *call, int64_t input, int64_t stride, const atr_window_dim *w, int64_t *out) {
  bool fits = atr_checked_mul(input - 1, stride, out) && atr_checked_add(*out, atr_window_extent(w), out);
  ATR_REFUSE_UNLESS(call, fits, "the extents of the output overflow");
  return ATR_OK;
}

atr_status atr_call_check_inverse(const atr_call *call, const atr_conv *c, const atr_shape *lhs) {
  for (int d = 0; d < c->spatial; d++) {
    const atr_window_dim *w = &c->window[d];
    int64_t input = lhs->dims[c->lhs_spatial[d]], output;
    ATR_REFUSE_UNLESS(call, input >= 1, "spatial dimension %d of %s is empty", d, call->op->arrays[0].name);
    ATR_TRY(atr_call_full_extent(call, input, w->lhs_dilation, w, &output));
    output += w->pad_lo + w->pad_hi - 2 * (atr_window_extent(w) - 1);
    ATR_REFUSE_UNLESS(call, output >= 0, "the padding leaves an output of extent %lld in spatial dimension %d",
                      (long long)output, d);
  }
  return ATR_OK;
}

/* (in, a..., out/g, b...) -> (g, in/g, a..., out/g, b...) -> (in/g, a..., g, out/g, b...) -> (in/g, a..., out, b...) */
atr_id atr_call_inverse_weight(atr_call *call, atr_id weight, int out_dim) {
  int64_t groups = call->layer.groups, order[ATR_MAX_RANK], split[ATR_MAX_RANK], merged[ATR_MAX_RANK];
  if (groups == 1 || call->work->status != ATR_OK) return weight;
  atr_shape w = *atr_call_shape(call, weight);
  split[0] = groups;
  split[1] = w.dims[0] / groups;
  for (int d = 1; d < w.rank; d++) split[d + 1] = w.dims[d];
  for (int d = 0; d <= w.rank; d++) order[d] = d < out_dim ? d + 1 : d == out_dim ? 0 : d;
  memcpy(merged, w.dims, sizeof merged);
  merged[0] /= groups;
  merged[out_dim] *= groups;
  atr_shape split_shape = atr_shape_make(w.dtype, w.rank + 1, split), merged_shape = atr_shape_make(w.dtype, w.rank, merged);
  atr_id parts = atr_reshape_build(call->work, call->module, weight, &split_shape);
  atr_id turned = atr_transpose_build(call->work, call->module, parts, order, w.rank + 1);
  return atr_reshape_build(call->work, call->module, turned, &merged_shape);
}

/* build_api.c - the public builder: a module, its arena and one sticky error behind an opaque handle.
 *
 * In: the caller's pointers and values, which may be wrong. Out: values, or 0 once anything went wrong; atr_builder_finish
 * hands the module with its arena to the caller, or reports the first error.
 *
 *     atr_builder *b;
 *     if (atr_builder_create(context, "conv", &b) != ATR_OK) ...
 *     atr_value x = atr_build_parameter(b, "x", &shape_x), w = atr_build_parameter(b, "w", &shape_w);
 *     atr_value y = atr_build_conv(b, x, w, NULL);
 *     atr_status status = atr_builder_finish(b, &y, 1, &module);
 *     atr_builder_destroy(b);
 *
 * src/ir/build.c does the work, in the frame of builder.h. */
#include <string.h>

#include "base/options.h"
#include "builder.h"

atr_value atr_builder_run_out(atr_builder *builder) {
  builder->work.status = ATR_OUT_OF_MEMORY;
  builder->work.message = "out of memory";
  return 0;
}

bool atr_builder_is_open(const atr_builder *builder) {
  return builder != NULL && builder->arena != NULL && builder->work.status == ATR_OK;
}

/* ---- the builder ------------------------------------------------------------------------------- */

void atr_builder_destroy(atr_builder *builder) {
  if (builder == NULL) return;
  atr_context *context = builder->context;
  atr_arena_destroy(builder->arena);
  context->realloc(context->realloc_user, builder, sizeof *builder, 0);
}

static atr_status open_module(atr_builder *builder, const char *name) {
  if (setjmp(builder->arena->guard) != 0) {
    atr_builder_run_out(builder);
    return ATR_OUT_OF_MEMORY;
  }
  builder->module = atr_module_new(builder->arena, name);
  return ATR_OK;
}

atr_status atr_builder_create(atr_context *context, const char *module_name, atr_builder **out) {
  if (context == NULL || out == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_builder_create: context and out must not be NULL");
  if (module_name != NULL && !atr_name_is_valid(module_name))
    return atr_context_fail(context, ATR_INVALID_ARGUMENT,
                            "atr_builder_create: a module's name is a letter or _, then letters, digits, _ . -");
  atr_builder *builder = context->realloc(context->realloc_user, NULL, 0, sizeof *builder);
  if (builder == NULL) return atr_context_out_of_memory(context);
  memset(builder, 0, sizeof *builder);
  builder->context = context;
  builder->arena = atr_context_arena(context);
  builder->work.arena = builder->arena;
  if (builder->arena == NULL || open_module(builder, module_name) != ATR_OK) {
    atr_builder_destroy(builder);
    return atr_context_out_of_memory(context);
  }
  *out = builder;
  return ATR_OK;
}

static atr_status finish(atr_builder *builder, const atr_value *results, int32_t count) {
  if (setjmp(builder->arena->guard) != 0) {
    atr_builder_run_out(builder);
    return ATR_OUT_OF_MEMORY;
  }
  return atr_results_build(&builder->work, builder->module, results, count);
}

atr_status atr_builder_finish(atr_builder *builder, const atr_value *results, int32_t count, atr_module **out) {
  if (builder == NULL) return ATR_INVALID_ARGUMENT;
  atr_context *context = builder->context;
  if (out == NULL) return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_builder_finish: out is NULL");
  if (builder->arena == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT,
                            "atr_builder_finish: the builder is spent, its module was made already");
  if (finish(builder, results, count) != ATR_OK) return atr_context_report(context, &builder->work);
  *out = builder->module;
  builder->arena = NULL;
  builder->module = NULL;
  return ATR_OK;
}

const atr_shape *atr_builder_shape(const atr_builder *builder, atr_value value) {
  if (!atr_builder_is_open(builder) || value == 0 || value > builder->module->count) return NULL;
  return &atr_inst_at(builder->module, value)->shape;
}

/* ---- values ------------------------------------------------------------------------------------ */

atr_value atr_build_parameter(atr_builder *builder, const char *name, const atr_shape *shape) {
  ATR_BUILD(builder, atr_parameter_build(&builder->work, builder->module, name, shape));
}

atr_value atr_build_constant(atr_builder *builder, const atr_shape *shape, const void *data) {
  ATR_BUILD(builder, atr_constant_build(&builder->work, builder->module, shape, data));
}

static bool read_conv_options(atr_builder *builder, const atr_conv_options *options, atr_conv_options *known) {
  if (atr_options_read(known, sizeof *known, options)) return true;
  atr_fail(&builder->work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "atr_conv_options has a size that this library does not know");
  return false;
}

static atr_value build_conv(atr_builder *builder, atr_op op, atr_value lhs, atr_value rhs, const atr_conv_options *options) {
  atr_conv_options known;
  if (!read_conv_options(builder, options, &known)) return 0;
  return atr_conv_build(&builder->work, builder->module, op, lhs, rhs, &known);
}

static atr_value build_gradient(atr_builder *builder, atr_op op, atr_value a, atr_value b, const atr_shape *shape,
                                const atr_conv_options *options) {
  atr_conv_options known;
  if (!read_conv_options(builder, options, &known)) return 0;
  return atr_gradient_build(&builder->work, builder->module, op, a, b, shape, &known);
}

atr_value atr_build_conv(atr_builder *builder, atr_value lhs, atr_value rhs, const atr_conv_options *options) {
  ATR_BUILD(builder, build_conv(builder, ATR_OP_CONVOLUTION, lhs, rhs, options));
}

atr_value atr_build_conv_local(atr_builder *builder, atr_value lhs, atr_value rhs, const atr_conv_options *options) {
  ATR_BUILD(builder, build_conv(builder, ATR_OP_LOCAL_CONVOLUTION, lhs, rhs, options));
}

atr_value atr_build_conv_local_data_gradient(atr_builder *builder, atr_value cotangent, atr_value rhs, const atr_shape *shape,
                                             const atr_conv_options *options) {
  ATR_BUILD(builder, build_gradient(builder, ATR_OP_LOCAL_DATA_GRADIENT, cotangent, rhs, shape, options));
}

atr_value atr_build_conv_local_weight_gradient(atr_builder *builder, atr_value lhs, atr_value cotangent, const atr_shape *shape,
                                               const atr_conv_options *options) {
  ATR_BUILD(builder, build_gradient(builder, ATR_OP_LOCAL_WEIGHT_GRADIENT, lhs, cotangent, shape, options));
}

atr_value atr_build_elementwise(atr_builder *builder, const char *opcode, const atr_value *operands, int32_t count) {
  ATR_BUILD(builder, atr_elementwise_build(&builder->work, builder->module, opcode, operands, count));
}

atr_value atr_build_compare(atr_builder *builder, const char *direction, atr_value a, atr_value b) {
  ATR_BUILD(builder, atr_compare_build(&builder->work, builder->module, direction, a, b));
}

atr_value atr_build_convert(atr_builder *builder, atr_value operand, atr_dtype dtype) {
  ATR_BUILD(builder, atr_convert_build(&builder->work, builder->module, operand, dtype));
}

atr_value atr_build_pad(atr_builder *builder, atr_value operand, atr_value padding_value,
                        const int64_t (*low_high_interior)[3]) {
  ATR_BUILD(builder, atr_pad_build(&builder->work, builder->module, operand, padding_value, low_high_interior));
}

atr_value atr_build_reverse(atr_builder *builder, atr_value operand, const int64_t *dims, int32_t count) {
  ATR_BUILD(builder, atr_reverse_build(&builder->work, builder->module, operand, dims, count));
}

atr_value atr_build_reduce(atr_builder *builder, atr_value operand, const int64_t *dims, int32_t count) {
  ATR_BUILD(builder, atr_reduce_build(&builder->work, builder->module, operand, dims, count));
}

atr_value atr_build_broadcast(atr_builder *builder, atr_value operand, const atr_shape *shape, const int64_t *dims,
                              int32_t count) {
  ATR_BUILD(builder, atr_broadcast_build(&builder->work, builder->module, operand, shape, dims, count));
}

atr_value atr_build_reshape(atr_builder *builder, atr_value operand, const atr_shape *shape) {
  ATR_BUILD(builder, atr_reshape_build(&builder->work, builder->module, operand, shape));
}

atr_value atr_build_transpose(atr_builder *builder, atr_value operand, const int64_t *permutation, int32_t count) {
  ATR_BUILD(builder, atr_transpose_build(&builder->work, builder->module, operand, permutation, count));
}

atr_value atr_build_slice(atr_builder *builder, atr_value operand, const int64_t (*start_limit_stride)[3]) {
  ATR_BUILD(builder, atr_slice_build(&builder->work, builder->module, operand, start_limit_stride));
}

atr_value atr_build_concatenate(atr_builder *builder, const atr_value *operands, int32_t count, int64_t dimension) {
  ATR_BUILD(builder, atr_concatenate_build(&builder->work, builder->module, operands, count, dimension));
}

/* operators_api.c - the public side of the operators of other systems (include/atrous/operators.h).
 *
 * In: values of a builder and an options struct, or a call as text. Out: a value of the builder, or a module. src/operators
 * does the work. Which row of an operator with several ranks is meant follows from an array's rank. */
#include <string.h>

#include "builder.h"
#include "operators/operators.h"

/* ---- values ------------------------------------------------------------------------------------ */

#define OPERATOR(builder, row, options, ...)                                                                                   \
  ATR_BUILD(builder, atr_operator_build(&builder->work, builder->module, row, (const atr_id[]){__VA_ARGS__}, options))
#define FAMILY(builder, rows, array, leading, options, ...)                                                                    \
  ATR_BUILD(builder, atr_family_build(&builder->work, builder->module, rows, ATR_COUNT(rows), array, leading,                  \
                                      (const atr_id[]){__VA_ARGS__}, options))

atr_value atr_mxnet_convolution(atr_builder *builder, atr_value data, atr_value weight, atr_value bias,
                                const atr_mxnet_convolution_options *options) {
  OPERATOR(builder, &atr_mxnet_operators[0], options, data, weight, bias);
}

atr_value atr_mxnet_deconvolution(atr_builder *builder, atr_value data, atr_value weight, atr_value bias,
                                  const atr_mxnet_deconvolution_options *options) {
  OPERATOR(builder, &atr_mxnet_operators[1], options, data, weight, bias);
}

atr_value atr_megengine_conv(atr_builder *builder, atr_value inp, atr_value weight, atr_value bias,
                             const atr_megengine_conv_options *options) {
  FAMILY(builder, atr_megengine_convs, ATR_INPUT, 2, options, inp, weight, bias);
}

atr_value atr_megengine_conv_transpose(atr_builder *builder, atr_value inp, atr_value weight, atr_value bias,
                                       const atr_megengine_conv_transpose_options *options) {
  FAMILY(builder, atr_megengine_transposes, ATR_INPUT, 2, options, inp, weight, bias);
}

atr_value atr_megengine_local_conv(atr_builder *builder, atr_value inp, atr_value weight,
                                   const atr_megengine_local_conv_options *options) {
  OPERATOR(builder, &atr_megengine_local, options, inp, weight);
}

atr_value atr_torch_conv(atr_builder *builder, atr_value input, atr_value weight, atr_value bias,
                         const atr_torch_conv_options *options) {
  FAMILY(builder, atr_torch_convs, ATR_WEIGHT, 2, options, input, weight, bias);
}

atr_value atr_torch_conv_transpose(atr_builder *builder, atr_value input, atr_value weight, atr_value bias,
                                   const atr_torch_conv_transpose_options *options) {
  FAMILY(builder, atr_torch_transposes, ATR_WEIGHT, 2, options, input, weight, bias);
}

atr_value atr_jax_conv_general_dilated(atr_builder *builder, atr_value lhs, atr_value rhs,
                                       const atr_jax_conv_options *options) {
  OPERATOR(builder, &atr_jax_operators[0], options, lhs, rhs);
}

atr_value atr_jax_conv_general_dilated_local(atr_builder *builder, atr_value lhs, atr_value rhs,
                                             const atr_jax_conv_options *options) {
  OPERATOR(builder, &atr_jax_operators[1], options, lhs, rhs);
}

atr_value atr_jax_conv_general_dilated_patches(atr_builder *builder, atr_value lhs, const atr_jax_conv_options *options) {
  OPERATOR(builder, &atr_jax_operators[2], options, lhs);
}

atr_value atr_jax_conv_transpose(atr_builder *builder, atr_value lhs, atr_value rhs,
                                 const atr_jax_conv_transpose_options *options) {
  OPERATOR(builder, &atr_jax_operators[3], options, lhs, rhs);
}

atr_value atr_onnx_conv(atr_builder *builder, atr_value x, atr_value w, atr_value b, const atr_onnx_conv_options *options) {
  OPERATOR(builder, &atr_onnx_operators[0], options, x, w, b);
}

atr_value atr_onnx_conv_transpose(atr_builder *builder, atr_value x, atr_value w, atr_value b,
                                  const atr_onnx_conv_transpose_options *options) {
  OPERATOR(builder, &atr_onnx_operators[1], options, x, w, b);
}

atr_value atr_onnx_conv_integer(atr_builder *builder, atr_value x, atr_value w, atr_value x_zero_point, atr_value w_zero_point,
                                const atr_onnx_conv_options *options) {
  OPERATOR(builder, &atr_onnx_quantized[0], options, x, w, x_zero_point, w_zero_point);
}

atr_value atr_onnx_qlinear_conv(atr_builder *builder, const atr_value inputs[9], const atr_onnx_conv_options *options) {
  ATR_BUILD(builder, inputs == NULL
                         ? (atr_fail(&builder->work, ATR_NOWHERE, ATR_INVALID_ARGUMENT, "onnx.QLinearConv: inputs is NULL"), 0u)
                         : atr_operator_build(&builder->work, builder->module, &atr_onnx_quantized[1], inputs, options));
}

/* ---- text -------------------------------------------------------------------------------------- */

/* The struct may be older and shorter than ours, or newer and longer; its own size stays. */
static void write_hints(atr_import_hints *out, const atr_import_hints *hints) {
  size_t size = out->size, known = size < sizeof *hints ? size : sizeof *hints;
  if (known > sizeof size) memcpy((char *)out + sizeof size, (const char *)hints + sizeof size, known - sizeof size);
}

static atr_status import_call(atr_context *context, atr_arena *arena, const atr_import_request *request, atr_module **out,
                              atr_import_hints *hints) {
  atr_work work = {.arena = arena};
  atr_import_hints found = {.size = sizeof found};
  atr_module *module = atr_module_new(arena, request->op);
  if (atr_operator_import(&work, module, request, &found) != ATR_OK) return atr_context_report(context, &work);
  if (hints != NULL) write_hints(hints, &found);
  *out = module;
  return ATR_OK;
}

atr_status atr_import(atr_context *context, const char *op, const char *const *pairs, int32_t count, atr_module **out,
                      atr_import_hints *hints) {
  if (context == NULL || op == NULL || out == NULL || count < 0 || (pairs == NULL && count > 0))
    return atr_context_fail(context, ATR_INVALID_ARGUMENT,
                            "atr_import: op, pairs and out must not be NULL, count not negative");
  if (hints != NULL && hints->size < sizeof hints->size)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_import: hints has no size");
  const atr_import_request request = {.op = op, .pairs = pairs, .count = count};
  atr_arena *arena = atr_context_arena(context);
  if (arena == NULL) return atr_context_out_of_memory(context);
  if (setjmp(arena->guard) != 0) {
    atr_arena_destroy(arena);
    return atr_context_out_of_memory(context);
  }
  atr_status status = import_call(context, arena, &request, out, hints);
  if (status != ATR_OK) atr_arena_destroy(arena);
  return status;
}

static atr_status list(atr_context *context, atr_arena *arena, char **out) {
  atr_text text = atr_text_make(arena);
  atr_operators_list(&text);
  return atr_context_string(context, text.data, text.len, out);
}

atr_status atr_import_list(atr_context *context, char **out) {
  if (context == NULL || out == NULL)
    return atr_context_fail(context, ATR_INVALID_ARGUMENT, "atr_import_list: context and out must not be NULL");
  atr_arena *arena = atr_context_arena(context);
  if (arena == NULL) return atr_context_out_of_memory(context);
  if (setjmp(arena->guard) != 0) {
    atr_arena_destroy(arena);
    return atr_context_out_of_memory(context);
  }
  atr_status status = list(context, arena, out);
  atr_arena_destroy(arena);
  return status;
}

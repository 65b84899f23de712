/* test_build.c - the public builder: what it makes, what it refuses and with which words, and what it does without memory.
 *
 * In: calls of atrous.h only, as a user writes them. Out: for good calls the inferred type (and for dimension numbers and
 * paddings the attributes, read from the module's own structure); for bad ones the status and the message of
 * atr_builder_finish. The rules of the IR for convolutions are in test_verify.c; those of the other operations are here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "support.h"

static atr_context *context;
static atr_builder *b;

static void setup(void) {
  ck_assert_int_eq(atr_context_create(NULL, &context), ATR_OK);
  ck_assert_int_eq(atr_builder_create(context, "test", &b), ATR_OK);
}

static void teardown(void) {
  atr_builder_destroy(b);
  atr_context_destroy(context);
}

#define DIMS(...) ((const int64_t[]){__VA_ARGS__})
#define SHAPE(dtype, ...) atr_shape_make(dtype, COUNT(DIMS(__VA_ARGS__)), DIMS(__VA_ARGS__))
#define PARAMETER(dtype, ...) atr_build_parameter(b, NULL, &(const atr_shape[]){SHAPE(dtype, __VA_ARGS__)}[0])
#define VALUES(...) ((const atr_value[]){__VA_ARGS__})

static atr_value scalar(atr_dtype dtype) {
  static const char zeros[16] = {0};
  atr_shape shape = atr_shape_make(dtype, 0, NULL);
  return atr_build_constant(b, &shape, zeros);
}

static void expect_type(atr_value value, const atr_shape *want) {
  const atr_shape *got = atr_builder_shape(b, value);
  if (got == NULL) {
    atr_module *module;
    atr_status status = atr_builder_finish(b, &value, 1, &module);
    ck_abort_msg("status %d: %s", (int)status, atr_context_message(context));
  }
  ck_assert_msg(atr_shape_equal(got, want), "got dtype %d rank %d %lld %lld", (int)got->dtype, (int)got->rank,
                (long long)got->dims[0], (long long)got->dims[1]);
}
#define EXPECT_TYPE(value, dtype, ...) expect_type(value, &(const atr_shape[]){SHAPE(dtype, __VA_ARGS__)}[0])

/* The value was refused, nothing can be built after it, and finish says why. */
static void expect_error(atr_value value, atr_status status, const char *message) {
  atr_module *module = NULL;
  atr_shape shape = SHAPE(ATR_F32, 2);
  ck_assert_msg(value == 0, "built value %u, expected: %s", value, message);
  ck_assert_uint_eq(atr_build_parameter(b, "late", &shape), 0);
  ck_assert_ptr_null(atr_builder_shape(b, 1));
  ck_assert_int_eq(atr_builder_finish(b, VALUES(1), 1, &module), status);
  ck_assert_ptr_null(module);
  ck_assert_msg(strstr(atr_context_message(context), message) != NULL, "\"%s\" is not in \"%s\"", message,
                atr_context_message(context));
}

/* A new builder in place of the old one. */
static void restart(void) {
  atr_builder_destroy(b);
  ck_assert_int_eq(atr_builder_create(context, NULL, &b), ATR_OK);
}

/* ---- modules ----------------------------------------------------------------------------------- */

START_TEST(test_module) {
  atr_shape shape = SHAPE(ATR_F32, 1, 3, 8);
  atr_value x = atr_build_parameter(b, "x", &shape);
  atr_value w = PARAMETER(ATR_F32, 2, 3, 3);
  atr_value y = atr_build_conv(b, x, w, NULL);
  atr_value z = atr_build_elementwise(b, "tanh", &y, 1);
  EXPECT_TYPE(z, ATR_F32, 1, 2, 6);
  atr_module *module;
  ck_assert_int_eq(atr_builder_finish(b, VALUES(z, y), 2, &module), ATR_OK);
  ck_assert_str_eq(module->name, "test");
  ck_assert_int_eq(atr_module_parameter_count(module), 2);
  ck_assert_int_eq(atr_module_result_count(module), 2);
  ck_assert(module->returns_tuple);
  ck_assert(atr_shape_equal(atr_module_parameter_shape(module, 0), &shape));
  ck_assert_uint_eq(module->parameters[0], x);
  ck_assert_uint_eq(module->parameters[1], w);
  ck_assert_uint_eq(module->results[0], z);
  ck_assert_uint_eq(module->results[1], y);
  ck_assert_str_eq(atr_inst_at(module, x)->name, "x");
  ck_assert_ptr_null(atr_builder_shape(b, x));
  ck_assert_uint_eq(atr_build_parameter(b, NULL, &shape), 0);
  atr_module *again = NULL;
  ck_assert_int_eq(atr_builder_finish(b, &z, 1, &again), ATR_INVALID_ARGUMENT);
  ck_assert_ptr_null(again);
  atr_module_destroy(module);
}
END_TEST

START_TEST(test_many_parameters) {
  atr_value last = 0;
  for (int i = 0; i < 37; i++) last = PARAMETER(ATR_F32, 2);
  atr_module *module;
  ck_assert_int_eq(atr_builder_finish(b, &last, 1, &module), ATR_OK);
  ck_assert(!module->returns_tuple);
  ck_assert_int_eq(module->parameter_count, 37);
  for (int i = 0; i < 37; i++) {
    ck_assert_uint_eq(module->parameters[i], (atr_value)i + 1);
    ck_assert_int_eq(atr_inst_at(module, module->parameters[i])->u.parameter, i);
  }
  atr_module_destroy(module);
}
END_TEST

/* What is true is 1 in the module, as in its text: kernels and the interpreter then see the same. */
START_TEST(test_constant_of_pred) {
  static const unsigned char data[] = {0, 1, 2, 255}, ones[] = {0, 1, 1, 1};
  atr_shape shape = SHAPE(ATR_PRED, 4);
  atr_value x = atr_build_parameter(b, NULL, &shape), c = atr_build_constant(b, &shape, data);
  atr_value both[] = {c, x}, y = atr_build_elementwise(b, "and", both, 2);
  atr_module *module, *bound = NULL;
  ck_assert_int_eq(atr_builder_finish(b, &y, 1, &module), ATR_OK);
  ck_assert_mem_eq(atr_inst_at(module, c)->u.literal, ones, sizeof ones);
  ck_assert_int_eq(atr_module_bind(context, module, 0, data, &bound), ATR_OK);
  ck_assert_mem_eq(atr_inst_at(bound, x)->u.literal, ones, sizeof ones);
  atr_module_destroy(bound);
  atr_module_destroy(module);
}
END_TEST

START_TEST(test_constant_is_copied) {
  float data[] = {1, 2, 3};
  atr_shape shape = SHAPE(ATR_F32, 3), empty = SHAPE(ATR_F32, 0, 3);
  atr_value c = atr_build_constant(b, &shape, data), e = atr_build_constant(b, &empty, NULL);
  data[1] = 7;
  EXPECT_TYPE(e, ATR_F32, 0, 3);
  atr_module *module;
  ck_assert_int_eq(atr_builder_finish(b, &c, 1, &module), ATR_OK);
  ck_assert_float_eq(((const float *)atr_inst_at(module, c)->u.literal)[1], 2);
  atr_module_destroy(module);
}
END_TEST

START_TEST(test_layout_is_kept) {
  atr_shape shape = SHAPE(ATR_F32, 2, 3);
  shape.minor_to_major[0] = 0;
  shape.minor_to_major[1] = 1;
  atr_value x = atr_build_parameter(b, NULL, &shape);
  ck_assert(!atr_shape_is_row_major(atr_builder_shape(b, x)));
  atr_value y = atr_build_elementwise(b, "copy", &x, 1);
  ck_assert(atr_shape_is_row_major(atr_builder_shape(b, y)));
  atr_value z = atr_build_reshape(b, x, &shape);
  ck_assert(!atr_shape_is_row_major(atr_builder_shape(b, z)));
}
END_TEST

START_TEST(test_first_error_is_kept) {
  atr_build_convert(b, 9, ATR_F32);
  atr_build_reverse(b, 8, NULL, 0);
  expect_error(0, ATR_INVALID_ARGUMENT, "operand 0 of convert is not a value of this builder");
}
END_TEST

START_TEST(test_bad_calls) {
  atr_builder *none = NULL;
  atr_module *module = NULL;
  atr_shape shape = SHAPE(ATR_F32, 2);
  atr_builder_destroy(NULL);
  ck_assert_int_eq(atr_builder_create(NULL, "m", &none), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_builder_create(context, "m", NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_builder_create(context, "two words", &none), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_builder_create(context, "", &none), ATR_INVALID_ARGUMENT);
  ck_assert_ptr_null(none);
  ck_assert_int_eq(atr_builder_finish(NULL, NULL, 0, &module), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_builder_finish(b, NULL, 0, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_uint_eq(atr_build_parameter(NULL, NULL, &shape), 0);
  ck_assert_ptr_null(atr_builder_shape(NULL, 1));
  ck_assert_ptr_null(atr_builder_shape(b, 0));
  ck_assert_ptr_null(atr_builder_shape(b, 1));
  expect_error(atr_build_parameter(b, "two words", &shape), ATR_INVALID_ARGUMENT, "parameter name \"two words\" is not a name");
  restart();
  expect_error(atr_build_parameter(b, NULL, NULL), ATR_INVALID_ARGUMENT, "parameter: shape is NULL");
  restart();
  expect_error(atr_build_constant(b, NULL, NULL), ATR_INVALID_ARGUMENT, "constant: shape is NULL");
  restart();
  expect_error(atr_build_constant(b, &shape, NULL), ATR_INVALID_ARGUMENT, "constant: data is NULL");
  restart();
  PARAMETER(ATR_F32, 2);
  ck_assert_int_eq(atr_builder_finish(b, VALUES(2), 1, &module), ATR_INVALID_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(atr_context_message(context), "result 0 is not a value of this builder"));
  restart();
  PARAMETER(ATR_F32, 2);
  ck_assert_int_eq(atr_builder_finish(b, NULL, 1, &module), ATR_INVALID_ARGUMENT);
  restart();
  PARAMETER(ATR_F32, 2);
  ck_assert_int_eq(atr_builder_finish(b, VALUES(1), 0, &module), ATR_INVALID_ARGUMENT);
  ck_assert_ptr_null(module);
}
END_TEST

/* ---- convolutions ------------------------------------------------------------------------------ */

/* Builds, finishes and hands back the module, whose last instruction is the convolution. */
static const atr_conv *finish_conv(atr_value y, atr_module **module) {
  atr_status status = atr_builder_finish(b, &y, 1, module);
  ck_assert_msg(status == ATR_OK, "%s", atr_context_message(context));
  return atr_inst_at(*module, y)->u.conv;
}

START_TEST(test_spec_strings) {
  atr_value x = PARAMETER(ATR_F32, 2, 9, 7, 6), w = PARAMETER(ATR_F32, 2, 8, 6, 3);
  /* rhs names W before H, so dimension 0 is W wherever it stands. */
  atr_conv_options o = {.size = sizeof o, .lhs_spec = "NHWC", .rhs_spec = "WOIH", .out_spec = "CNHW"};
  o.window_strides = DIMS(2, 1);
  o.window_reversal = (const int32_t[]){1, 0};
  o.lhs_precision = ATR_PRECISION_HIGHEST;
  atr_value y = atr_build_conv(b, x, w, &o);
  EXPECT_TYPE(y, ATR_F32, 8, 2, 7, 3);
  atr_module *module;
  const atr_conv *c = finish_conv(y, &module);
  ck_assert_int_eq(c->lhs_batch, 0);
  ck_assert_int_eq(c->lhs_feature, 3);
  ck_assert_int_eq(c->lhs_spatial[0], 2);
  ck_assert_int_eq(c->lhs_spatial[1], 1);
  ck_assert_int_eq(c->rhs_output_feature, 1);
  ck_assert_int_eq(c->rhs_input_feature, 2);
  ck_assert_int_eq(c->rhs_spatial[0], 0);
  ck_assert_int_eq(c->rhs_spatial[1], 3);
  ck_assert_int_eq(c->out_batch, 1);
  ck_assert_int_eq(c->out_feature, 0);
  ck_assert_int_eq(c->out_spatial[0], 3);
  ck_assert_int_eq(c->out_spatial[1], 2);
  ck_assert(c->window[0].reversal && !c->window[1].reversal);
  ck_assert_int_eq(c->window[0].size, 2);
  ck_assert_int_eq(c->window[1].size, 3);
  ck_assert_int_eq(c->window[0].stride, 2);
  ck_assert_int_eq(c->feature_group_count, 1);
  ck_assert_int_eq(c->batch_group_count, 1);
  ck_assert_int_eq(c->precision[0], ATR_PRECISION_HIGHEST);
  ck_assert_int_eq(c->precision[1], ATR_PRECISION_DEFAULT);
  atr_module_destroy(module);
}
END_TEST

START_TEST(test_dimension_lists) {
  atr_value x = PARAMETER(ATR_F32, 2, 9, 7, 6), w = PARAMETER(ATR_F32, 2, 8, 6, 3);
  atr_conv_options o = {
      .size = sizeof o, .lhs_dims = DIMS(0, 3, 2, 1), .rhs_dims = DIMS(1, 2, 0, 3), .out_dims = DIMS(1, 0, 3, 2)};
  atr_value y = atr_build_conv(b, x, w, &o);
  EXPECT_TYPE(y, ATR_F32, 8, 2, 7, 6);
  atr_module *module;
  const atr_conv *c = finish_conv(y, &module);
  ck_assert_int_eq(c->rhs_output_feature, 1);
  ck_assert_int_eq(c->rhs_input_feature, 2);
  ck_assert_int_eq(c->lhs_spatial[0], 2);
  ck_assert_int_eq(c->out_spatial[1], 2);
  atr_module_destroy(module);
}
END_TEST

START_TEST(test_ranks) {
  EXPECT_TYPE(atr_build_conv(b, PARAMETER(ATR_F64, 5, 3), PARAMETER(ATR_F64, 7, 3), NULL), ATR_F64, 5, 7);
  atr_value x = PARAMETER(ATR_S8, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3), w = PARAMETER(ATR_S8, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2);
  atr_conv_options o = {.size = sizeof o, .preferred_element_type = ATR_S32};
  EXPECT_TYPE(atr_build_conv(b, x, w, &o), ATR_S32, 1, 4, 2, 2, 2, 2, 2, 2, 2, 2);
}
END_TEST

typedef struct spec_row {
  const char *lhs, *rhs, *out, *message;
} spec_row;

static const spec_row spec_rows[] = {
    {"NHWC", NULL, "NHWC", "lhs_spec, rhs_spec and out_spec must be given together"},
    {"NHC", "HWIO", "NHWC", "lhs_spec \"NHC\" names 3 dimensions, but lhs has 4"},
    {"NHWC", "HWDIO", "NHWC", "rhs_spec \"HWDIO\" names 5 dimensions, but rhs has 4"},
    {"NHWC", "HWIO", "NHWCD", "out_spec \"NHWCD\" names 5 dimensions, but out has 4"},
    {"XHWC", "HWIO", "NHWC", "lhs_spec \"XHWC\" must contain N once"},
    {"NNWC", "HWIO", "NHWC", "lhs_spec \"NNWC\" must contain N once"},
    {"NHWC", "HWOO", "NHWC", "rhs_spec \"HWOO\" must contain I once"},
    {"NHWC", "HWIO", "NHWW", "out_spec \"NHWW\" must contain C once"},
    {"NHWC", "HHIO", "NHWC", "rhs_spec \"HHIO\" names H more than once"},
    {"NHWC", "HNIO", "NHWC", "rhs_spec \"HNIO\" must not contain N"},
    {"NHDC", "HWIO", "NHWC", "spatial dimension W of rhs_spec \"HWIO\" must stand once in lhs_spec \"NHDC\""},
    {"NHWC", "HWIO", "NHHC", "spatial dimension H of rhs_spec \"HWIO\" must stand once"},
    {"NHWC", "HwIO", "NHWC", "spatial dimension w of rhs_spec"},
};

START_TEST(test_bad_spec) {
  const spec_row *r = &spec_rows[_i];
  atr_conv_options o = {.size = sizeof o, .lhs_spec = r->lhs, .rhs_spec = r->rhs, .out_spec = r->out};
  atr_value x = PARAMETER(ATR_F32, 1, 8, 8, 4), w = PARAMETER(ATR_F32, 3, 3, 4, 4);
  expect_error(atr_build_conv(b, x, w, &o), ATR_INVALID_ARGUMENT, r->message);
}
END_TEST

/* x f32[1,4,8] and w f32[4,4,3] with options that some rule forbids. */
static void refuse_conv(const atr_conv_options *o, atr_status status, const char *message) {
  restart();
  atr_value x = PARAMETER(ATR_F32, 1, 4, 8), w = PARAMETER(ATR_F32, 4, 4, 3);
  expect_error(atr_build_conv(b, x, w, o), status, message);
}

#define REFUSE_CONV(status, message, ...)                                                                                      \
  refuse_conv(&(const atr_conv_options){.size = sizeof(atr_conv_options), __VA_ARGS__}, status, message)

START_TEST(test_bad_conv_options) {
  const int64_t list[] = {0, 1, 2}, far[] = {0, 1, 4294967298}, one[] = {1}, two[] = {2}, zero[] = {0}, twice[] = {0, 0, 2};
  const int64_t pads[][2] = {{1, 1}};
  REFUSE_CONV(ATR_INVALID_ARGUMENT, "lhs_dims, rhs_dims and out_dims must be given together", .lhs_dims = list);
  REFUSE_CONV(ATR_INVALID_ARGUMENT, "dimension numbers are given twice", .lhs_dims = list, .lhs_spec = "NCW");
  REFUSE_CONV(ATR_INVALID_ARGUMENT, "lhs_dims names dimension 4294967298, which is outside 0..2", .lhs_dims = far,
              .rhs_dims = list, .out_dims = list);
  REFUSE_CONV(ATR_VERIFY_ERROR, "dimension numbers of rhs name dimension 0 twice", .lhs_dims = list, .rhs_dims = twice,
              .out_dims = list);
  REFUSE_CONV(ATR_INVALID_ARGUMENT, "padding is given twice", .padding = pads, .padding_kind = ATR_PADDING_SAME);
  REFUSE_CONV(ATR_INVALID_ARGUMENT, "padding_kind 4 is unknown", .padding_kind = (atr_padding_kind)4);
  REFUSE_CONV(ATR_INVALID_ARGUMENT, "SAME padding is not defined with lhs_dilation 2", .padding_kind = ATR_PADDING_SAME_LOWER,
              .lhs_dilation = two);
  REFUSE_CONV(ATR_INVALID_ARGUMENT, "SAME padding of spatial dimension 0 does not fit in 64 bits",
              .padding_kind = ATR_PADDING_SAME, .rhs_dilation = DIMS(INT64_MAX));
  REFUSE_CONV(ATR_VERIFY_ERROR, "window stride of spatial dimension 0 must be positive, got 0",
              .padding_kind = ATR_PADDING_SAME, .window_strides = zero);
  REFUSE_CONV(ATR_INVALID_ARGUMENT, "filter_shape is for local convolutions", .filter_shape = one);
  REFUSE_CONV(ATR_VERIFY_ERROR, "feature_group_count must be positive, got -1", .feature_group_count = -1);
  REFUSE_CONV(ATR_VERIFY_ERROR, "edge_mode 7 of spatial dimension 0", .edge_mode = (const atr_edge_mode[]){(atr_edge_mode)7});
  REFUSE_CONV(ATR_VERIFY_ERROR, "no known dtype", .preferred_element_type = (atr_dtype)99);
  refuse_conv(&(const atr_conv_options){.size = 3}, ATR_INVALID_ARGUMENT, "atr_conv_options has a size");
  restart();
  expect_error(atr_build_conv(b, PARAMETER(ATR_F32, 1, 4, 8), PARAMETER(ATR_F32, 4, 4), NULL), ATR_INVALID_ARGUMENT,
               "lhs and rhs must have the same rank, got f32[1,4,8] and f32[4,4]");
  restart();
  expect_error(atr_build_conv(b, PARAMETER(ATR_F32, 3), PARAMETER(ATR_F32, 3), NULL), ATR_INVALID_ARGUMENT,
               "operands of convolution must have rank 2 to 10, got f32[3]");
  restart();
  expect_error(atr_build_conv(b, PARAMETER(ATR_F32, 1, 4, 8), 77, NULL), ATR_INVALID_ARGUMENT,
               "operand 1 of convolution is not a value");
}
END_TEST

/* An options struct of an older header ends earlier: what it lacks are defaults. */
START_TEST(test_shorter_options) {
  atr_conv_options o = {.size = offsetof(atr_conv_options, padding_kind), .padding_kind = ATR_PADDING_SAME};
  EXPECT_TYPE(atr_build_conv(b, PARAMETER(ATR_F32, 1, 4, 8), PARAMETER(ATR_F32, 4, 4, 3), &o), ATR_F32, 1, 4, 6);
}
END_TEST

typedef struct padding_row {
  int64_t input, size, stride, rhs_dilation;
  atr_padding_kind kind;
  int64_t lo, hi;
} padding_row;

/* From jax.lax.padtype_to_pads, with the dilated window. */
static const padding_row padding_rows[] = {
    {8, 3, 1, 1, ATR_PADDING_SAME, 1, 1},       {8, 4, 1, 1, ATR_PADDING_SAME, 1, 2},
    {8, 4, 1, 1, ATR_PADDING_SAME_LOWER, 2, 1}, {8, 3, 2, 1, ATR_PADDING_SAME, 0, 1},
    {7, 3, 2, 1, ATR_PADDING_SAME, 1, 1},       {8, 3, 2, 1, ATR_PADDING_SAME_LOWER, 1, 0},
    {33, 3, 1, 12, ATR_PADDING_SAME, 12, 12},   {9, 2, 5, 1, ATR_PADDING_SAME, 0, 0},
    {10, 2, 1, 3, ATR_PADDING_SAME, 1, 2},      {10, 2, 1, 3, ATR_PADDING_SAME_LOWER, 2, 1},
    {8, 3, 2, 1, ATR_PADDING_VALID, 0, 0},      {0, 3, 1, 1, ATR_PADDING_SAME, 1, 1},
};

START_TEST(test_padding) {
  const padding_row *r = &padding_rows[_i];
  atr_conv_options o = {
      .size = sizeof o, .padding_kind = r->kind, .window_strides = &r->stride, .rhs_dilation = &r->rhs_dilation};
  atr_value y = atr_build_conv(b, PARAMETER(ATR_F32, 1, 2, r->input), PARAMETER(ATR_F32, 2, 2, r->size), &o);
  atr_module *module;
  const atr_conv *c = finish_conv(y, &module);
  ck_assert_int_eq(c->window[0].pad_lo, r->lo);
  ck_assert_int_eq(c->window[0].pad_hi, r->hi);
  if (r->kind != ATR_PADDING_VALID)
    ck_assert_int_eq(atr_module_result_shape(module, 0)->dims[2], (r->input + r->stride - 1) / r->stride);
  atr_module_destroy(module);
}
END_TEST

START_TEST(test_explicit_padding) {
  const int64_t pads[][2] = {{-1, 0}, {2, 3}};
  const atr_edge_mode modes[] = {ATR_EDGE_ZERO, ATR_EDGE_CIRCULAR};
  atr_conv_options o = {.size = sizeof o, .padding = pads, .lhs_dilation = DIMS(2, 1), .edge_mode = modes};
  atr_value y = atr_build_conv(b, PARAMETER(ATR_F32, 1, 1, 4, 4), PARAMETER(ATR_F32, 1, 1, 2, 2), &o);
  EXPECT_TYPE(y, ATR_F32, 1, 1, 5, 8);
  atr_module *module;
  const atr_conv *c = finish_conv(y, &module);
  ck_assert_int_eq(c->window[0].pad_lo, -1);
  ck_assert_int_eq(c->window[1].pad_hi, 3);
  ck_assert_int_eq(c->window[0].lhs_dilation, 2);
  ck_assert_int_eq(c->window[1].edge, ATR_EDGE_CIRCULAR);
  atr_module_destroy(module);
}
END_TEST

START_TEST(test_local) {
  atr_value x = PARAMETER(ATR_F32, 2, 9, 9, 4);
  atr_conv_options o = {
      .size = sizeof o, .lhs_spec = "NHWC", .rhs_spec = "HWIO", .out_spec = "NHWC", .filter_shape = DIMS(3, 2)};
  o.window_strides = DIMS(2, 1);
  EXPECT_TYPE(atr_build_conv_local(b, x, PARAMETER(ATR_F32, 4, 8, 24, 5), &o), ATR_F32, 2, 4, 8, 5);
  expect_error(atr_build_conv_local(b, x, PARAMETER(ATR_F32, 4, 7, 24, 5), &o), ATR_VERIFY_ERROR, "rhs of a local convolution");
  restart();
  o.filter_shape = NULL;
  x = PARAMETER(ATR_F32, 2, 9, 9, 4);
  expect_error(atr_build_conv_local(b, x, PARAMETER(ATR_F32, 4, 8, 24, 5), &o), ATR_INVALID_ARGUMENT, "needs filter_shape");
}
END_TEST

/* The gradients' types are the caller's, with his layout; SAME padding is that of the lhs that they say. */
START_TEST(test_local_gradients) {
  atr_shape lhs = atr_shape_make(ATR_F32, 4, DIMS(2, 9, 9, 4)), rhs = atr_shape_make(ATR_F64, 4, DIMS(5, 9, 24, 5));
  for (int i = 0; i < 4; i++) lhs.minor_to_major[i] = (int8_t)i;
  atr_value x = PARAMETER(ATR_F32, 2, 9, 9, 4), w = PARAMETER(ATR_F32, 5, 9, 24, 5), g = PARAMETER(ATR_F32, 2, 5, 9, 5);
  atr_conv_options o = {.size = sizeof o,
                        .lhs_spec = "NHWC",
                        .rhs_spec = "HWIO",
                        .out_spec = "NHWC",
                        .filter_shape = DIMS(3, 2),
                        .window_strides = DIMS(2, 1),
                        .padding_kind = ATR_PADDING_SAME,
                        .preferred_element_type = ATR_BF16};
  atr_value d = atr_build_conv_local_data_gradient(b, g, w, &lhs, &o);
  EXPECT_TYPE(d, ATR_F32, 2, 9, 9, 4);
  EXPECT_TYPE(atr_build_conv_local_weight_gradient(b, x, g, &rhs, &o), ATR_F64, 5, 9, 24, 5);
  ck_assert_int_eq(atr_builder_shape(b, d)->minor_to_major[0], 0);
  expect_error(atr_build_conv_local_weight_gradient(b, x, w, &rhs, &o), ATR_VERIFY_ERROR, "cotangent must have the extents");
  restart();
  expect_error(atr_build_conv_local_data_gradient(b, PARAMETER(ATR_F32, 2, 5, 9, 5), PARAMETER(ATR_F32, 5, 9, 24, 5), NULL, &o),
               ATR_INVALID_ARGUMENT, "local-convolution-data-gradient: shape is NULL");
  restart();
  lhs.rank = 77;
  expect_error(atr_build_conv_local_data_gradient(b, PARAMETER(ATR_F32, 2, 5, 9, 5), PARAMETER(ATR_F32, 5, 9, 24, 5), &lhs, &o),
               ATR_VERIFY_ERROR, "has rank 77");
  restart();
  o.filter_shape = NULL;
  expect_error(
      atr_build_conv_local_weight_gradient(b, PARAMETER(ATR_F32, 2, 9, 9, 4), PARAMETER(ATR_F32, 2, 5, 9, 5), &rhs, &o),
      ATR_INVALID_ARGUMENT, "needs filter_shape");
  restart();
  o.size = 3;
  expect_error(
      atr_build_conv_local_weight_gradient(b, PARAMETER(ATR_F32, 2, 9, 9, 4), PARAMETER(ATR_F32, 2, 5, 9, 5), &rhs, &o),
      ATR_INVALID_ARGUMENT, "atr_conv_options has a size");
}
END_TEST

/* ---- moving elements --------------------------------------------------------------------------- */

START_TEST(test_pad) {
  const int64_t config[][3] = {{1, 2, 0}, {-1, 0, 2}, {0, 1, 5}};
  atr_value x = PARAMETER(ATR_F32, 2, 3, 0);
  EXPECT_TYPE(atr_build_pad(b, x, scalar(ATR_F32), config), ATR_F32, 5, 6, 1);
  expect_error(atr_build_pad(b, x, scalar(ATR_F16), config), ATR_VERIFY_ERROR,
               "padding value must be a scalar of the operand's dtype f32, got f16[]");
  restart();
  x = PARAMETER(ATR_F32, 2, 3, 0);
  expect_error(atr_build_pad(b, x, x, config), ATR_VERIFY_ERROR, "padding value must be a scalar");
}
END_TEST

static void refuse_pad(int64_t low, int64_t high, int64_t interior, const char *message) {
  restart();
  const int64_t config[][3] = {{0, 0, 0}, {low, high, interior}};
  expect_error(atr_build_pad(b, PARAMETER(ATR_F32, 2, 3), scalar(ATR_F32), config), ATR_VERIFY_ERROR, message);
}

START_TEST(test_bad_pad) {
  refuse_pad(0, 0, -1, "interior padding of dimension 1 must not be negative, got -1");
  refuse_pad(-2, -2, 0, "padding of dimension 1 removes more than there is: extent -1");
  refuse_pad(INT64_MAX, 0, 0, "padded extent of dimension 1 does not fit in 64 bits");
  refuse_pad(0, 0, INT64_MAX, "padded extent of dimension 1 does not fit");
  refuse_pad(0, 0, INT64_MAX / 2, "padded extent of dimension 1 does not fit");
  refuse_pad(INT64_MAX / 4, 0, 0, "f32[2,2305843009213693954] is too large");
  restart();
  expect_error(atr_build_pad(b, PARAMETER(ATR_F32, 2, 3), scalar(ATR_F32), NULL), ATR_INVALID_ARGUMENT,
               "pad: the list of its dimensions is NULL");
}
END_TEST

START_TEST(test_moves) {
  atr_value x = PARAMETER(ATR_F8E5M2, 2, 3, 4); /* moving is all that fp8 can do */
  EXPECT_TYPE(atr_build_reverse(b, x, DIMS(2, 0), 2), ATR_F8E5M2, 2, 3, 4);
  EXPECT_TYPE(atr_build_reverse(b, x, NULL, 0), ATR_F8E5M2, 2, 3, 4);
  atr_value n = PARAMETER(ATR_BF16, 2, 3, 4);
  EXPECT_TYPE(atr_build_reduce(b, n, DIMS(2, 0), 2), ATR_BF16, 3);
  EXPECT_TYPE(atr_build_reduce(b, n, DIMS(0, 1, 2), 3), ATR_BF16);
  EXPECT_TYPE(atr_build_reduce(b, n, NULL, 0), ATR_BF16, 2, 3, 4);
  EXPECT_TYPE(atr_build_transpose(b, x, DIMS(2, 0, 1), 3), ATR_F8E5M2, 4, 2, 3);
  atr_shape wide = SHAPE(ATR_F8E5M2, 4, 7, 2, 3), flat = SHAPE(ATR_F8E5M2, 6, 4);
  EXPECT_TYPE(atr_build_broadcast(b, x, &wide, DIMS(2, 3, 0), 3), ATR_F8E5M2, 4, 7, 2, 3);
  EXPECT_TYPE(atr_build_broadcast(b, scalar(ATR_F8E5M2), &wide, NULL, 0), ATR_F8E5M2, 4, 7, 2, 3);
  EXPECT_TYPE(atr_build_reshape(b, x, &flat), ATR_F8E5M2, 6, 4);
  const int64_t slices[][3] = {{0, 2, 1}, {1, 1, 1}, {0, 4, 3}};
  EXPECT_TYPE(atr_build_slice(b, x, slices), ATR_F8E5M2, 2, 0, 2);
  EXPECT_TYPE(atr_build_concatenate(b, VALUES(x, PARAMETER(ATR_F8E5M2, 2, 5, 4), x), 3, 1), ATR_F8E5M2, 2, 11, 4);
}
END_TEST

/* ---- bad calls of everything else: one row each ------------------------------------------------ */

typedef struct bad_row {
  atr_value (*build)(atr_value x); /* x is f32[2,3] */
  atr_status status;
  const char *message;
} bad_row;

#define BAD(name, expression)                                                                                                  \
  static atr_value name(atr_value x) { return (void)x, (expression); }

static const int64_t zero_one[] = {0, 1}, zero_zero[] = {0, 0}, zero_two[] = {0, 2}, minus[] = {-1, 0}, many[20] = {0};
static const int64_t bad_stride[][3] = {{0, 2, 1}, {0, 3, 0}}, low[][3] = {{-1, 2, 1}, {0, 3, 1}};
static const int64_t high[][3] = {{0, 2, 1}, {0, 4, 1}}, crossed[][3] = {{2, 1, 1}, {0, 3, 1}};

static atr_value broadcast(atr_value x, atr_dtype dtype, int64_t a, int64_t c, const int64_t *dims, int count) {
  atr_shape shape = SHAPE(dtype, a, c, 2);
  return atr_build_broadcast(b, x, &shape, dims, count);
}

static atr_value reshape(atr_value x, atr_dtype dtype, int64_t a, int64_t c) {
  atr_shape shape = SHAPE(dtype, a, c);
  return atr_build_reshape(b, x, &shape);
}

static atr_value unary(const char *opcode, atr_dtype dtype) {
  return atr_build_elementwise(b, opcode, VALUES(PARAMETER(dtype, 4)), 1);
}

static atr_value binary(const char *opcode, atr_dtype dtype) {
  atr_value x = PARAMETER(dtype, 4);
  return atr_build_elementwise(b, opcode, VALUES(x, x), 2);
}

static atr_value compare(const char *direction, atr_dtype dtype) {
  atr_value x = PARAMETER(dtype, 4);
  return atr_build_compare(b, direction, x, x);
}

static atr_value clamp(atr_value low_bound, atr_value x, atr_value high_bound) {
  return atr_build_elementwise(b, "clamp", VALUES(low_bound, x, high_bound), 3);
}

static atr_value select3(atr_value p, atr_value x, atr_value y) {
  return atr_build_elementwise(b, "select", VALUES(p, x, y), 3);
}

BAD(reverse_twice, atr_build_reverse(b, x, zero_zero, 2))
BAD(reverse_range, atr_build_reverse(b, x, zero_two, 2))
BAD(reverse_negative, atr_build_reverse(b, x, minus, 2))
BAD(reverse_three, atr_build_reverse(b, x, DIMS(0, 1, 0), 3))
BAD(reverse_many, atr_build_reverse(b, x, many, 20))
BAD(reverse_null, atr_build_reverse(b, x, NULL, 1))
BAD(reverse_count, atr_build_reverse(b, x, zero_one, -1))
BAD(reduce_twice, atr_build_reduce(b, x, zero_zero, 2))
BAD(reduce_three, atr_build_reduce(b, x, DIMS(0, 1, 0), 3))
BAD(reduce_null, atr_build_reduce(b, x, NULL, 1))
BAD(reduce_nothing, atr_build_reduce(b, 0, NULL, 0))
BAD(reduce_pred, atr_build_reduce(b, PARAMETER(ATR_PRED, 2), DIMS(0), 1))
BAD(transpose_twice, atr_build_transpose(b, x, zero_zero, 2))
BAD(transpose_count, atr_build_transpose(b, x, zero_one, 1))
BAD(broadcast_extent, broadcast(x, ATR_F32, 3, 2, zero_one, 2))
BAD(broadcast_twice, broadcast(x, ATR_F32, 2, 3, zero_zero, 2))
BAD(broadcast_range, broadcast(x, ATR_F32, 2, 3, DIMS(0, 3), 2))
BAD(broadcast_count, broadcast(x, ATR_F32, 2, 3, zero_one, 1))
BAD(broadcast_dtype, broadcast(x, ATR_F16, 2, 3, zero_one, 2))
BAD(broadcast_shape, broadcast(x, ATR_F32, -2, 3, zero_one, 2))
BAD(broadcast_null, atr_build_broadcast(b, x, NULL, zero_one, 2))
BAD(reshape_number, reshape(x, ATR_F32, 2, 4))
BAD(reshape_dtype, reshape(x, ATR_F16, 3, 2))
BAD(reshape_huge, reshape(x, ATR_F32, INT64_MAX, INT64_MAX))
BAD(reshape_null, atr_build_reshape(b, x, NULL))
BAD(slice_stride, atr_build_slice(b, x, bad_stride))
BAD(slice_low, atr_build_slice(b, x, low))
BAD(slice_high, atr_build_slice(b, x, high))
BAD(slice_crossed, atr_build_slice(b, x, crossed))
BAD(slice_null, atr_build_slice(b, x, NULL))
BAD(concatenate_none, atr_build_concatenate(b, VALUES(x), 0, 0))
BAD(concatenate_null, atr_build_concatenate(b, NULL, 1, 0))
BAD(concatenate_range, atr_build_concatenate(b, VALUES(x), 1, 2))
BAD(concatenate_dims, atr_build_concatenate(b, VALUES(x, PARAMETER(ATR_F32, 2, 4)), 2, 0))
BAD(concatenate_rank, atr_build_concatenate(b, VALUES(x, PARAMETER(ATR_F32, 2)), 2, 0))
BAD(concatenate_dtype, atr_build_concatenate(b, VALUES(x, PARAMETER(ATR_F16, 2, 3)), 2, 0))
BAD(concatenate_huge, atr_build_concatenate(b, VALUES(PARAMETER(ATR_S8, INT64_MAX), PARAMETER(ATR_S8, 1)), 2, 0))
BAD(unknown, atr_build_elementwise(b, "addd", VALUES(x, x), 2))
BAD(not_elementwise, atr_build_elementwise(b, "reverse", VALUES(x), 1))
BAD(compare_by_name, atr_build_elementwise(b, "compare", VALUES(x, x), 2))
BAD(convert_by_name, atr_build_elementwise(b, "convert", VALUES(x), 1))
BAD(none_by_name, atr_build_elementwise(b, "none", VALUES(x), 0))
BAD(null_name, atr_build_elementwise(b, NULL, VALUES(x), 1))
BAD(null_operands, atr_build_elementwise(b, "add", NULL, 2))
BAD(one_of_two, atr_build_elementwise(b, "add", VALUES(x), 1))
BAD(not_a_value, atr_build_elementwise(b, "add", VALUES(x, 99), 2))
BAD(add_extents, atr_build_elementwise(b, "add", VALUES(x, PARAMETER(ATR_F32, 3, 2)), 2))
BAD(add_dtypes, atr_build_elementwise(b, "add", VALUES(x, PARAMETER(ATR_F16, 2, 3)), 2))
BAD(add_pred, binary("add", ATR_PRED))
BAD(add_fp8, binary("add", ATR_F8E4M3FN))
BAD(maximum_complex, binary("maximum", ATR_C64))
BAD(abs_unsigned, unary("abs", ATR_U8))
BAD(and_float, binary("and", ATR_F32))
BAD(real_integer, unary("real", ATR_S32))
BAD(complex_half, binary("complex", ATR_F16))
BAD(iota_by_name, atr_build_elementwise(b, "iota", VALUES(x), 0))
BAD(negate_pred, unary("negate", ATR_PRED))
BAD(exponential_integer, unary("exponential", ATR_S32))
BAD(tanh_integer, unary("tanh", ATR_U8))
BAD(logistic_pred, unary("logistic", ATR_PRED))
BAD(compare_direction, compare("lt", ATR_F32))
BAD(compare_null, compare(NULL, ATR_F32))
BAD(compare_complex, compare("LT", ATR_C64))
BAD(compare_fp8, compare("EQ", ATR_F8E5M2))
BAD(compare_types, atr_build_compare(b, "EQ", x, scalar(ATR_F32)))
BAD(clamp_low, clamp(PARAMETER(ATR_F32, 3), x, scalar(ATR_F32)))
BAD(clamp_high, clamp(x, x, scalar(ATR_F16)))
BAD(clamp_complex, clamp(scalar(ATR_C64), PARAMETER(ATR_C64, 3), scalar(ATR_C64)))
BAD(select_values, select3(scalar(ATR_PRED), x, scalar(ATR_F32)))
BAD(select_condition, select3(x, x, x))
BAD(select_extents, select3(PARAMETER(ATR_PRED, 3, 2), x, x))
BAD(convert_none, atr_build_convert(b, x, ATR_DTYPE_NONE))
BAD(convert_unknown, atr_build_convert(b, x, (atr_dtype)99))

static const bad_row bad_rows[] = {
    {reverse_twice, ATR_VERIFY_ERROR, "reverse names dimension 0 twice"},
    {reverse_range, ATR_VERIFY_ERROR, "dimension 2 of reverse is outside the array's 2 dimensions"},
    {reverse_negative, ATR_VERIFY_ERROR, "dimension -1 of reverse is outside"},
    {reverse_three, ATR_VERIFY_ERROR, "reverse names 3 dimensions, but f32[2,3] has 2"},
    {reverse_many, ATR_INVALID_ARGUMENT, "reverse: its dimensions are NULL, or their number 20 is outside 0..12"},
    {reverse_null, ATR_INVALID_ARGUMENT, "reverse: its dimensions are NULL"},
    {reverse_count, ATR_INVALID_ARGUMENT, "their number -1 is outside 0..12"},
    {reduce_twice, ATR_VERIFY_ERROR, "reduce names dimension 0 twice"},
    {reduce_three, ATR_VERIFY_ERROR, "reduce names 3 dimensions, but f32[2,3] has 2"},
    {reduce_null, ATR_INVALID_ARGUMENT, "reduce: its dimensions are NULL"},
    {reduce_nothing, ATR_INVALID_ARGUMENT, "operand 0 of reduce is not a value of this builder"},
    {reduce_pred, ATR_VERIFY_ERROR, "reduce is not defined for pred; it takes integers, floats and complex numbers"},
    {transpose_twice, ATR_VERIFY_ERROR, "transpose names dimension 0 twice"},
    {transpose_count, ATR_VERIFY_ERROR, "transpose needs 2 entries in dimensions, got 1"},
    {broadcast_extent, ATR_VERIFY_ERROR, "broadcast puts operand dimension 0 of extent 2 in result dimension 0 of extent 3"},
    {broadcast_twice, ATR_VERIFY_ERROR, "broadcast names dimension 0 twice"},
    {broadcast_range, ATR_VERIFY_ERROR, "dimension 3 of broadcast is outside the array's 3 dimensions"},
    {broadcast_count, ATR_VERIFY_ERROR, "broadcast needs 2 entries in dimensions, got 1"},
    {broadcast_dtype, ATR_VERIFY_ERROR, "broadcast has type f16[2,3,2], but its operands give f32[2,3,2]"},
    {broadcast_shape, ATR_VERIFY_ERROR, "broadcast result has the negative extent -2 in dimension 0"},
    {broadcast_null, ATR_INVALID_ARGUMENT, "broadcast: shape is NULL"},
    {reshape_number, ATR_VERIFY_ERROR, "reshape must keep the number of elements, got f32[2,3] to f32[2,4]"},
    {reshape_dtype, ATR_VERIFY_ERROR, "reshape has type f16[3,2], but its operands give f32[3,2]"},
    {reshape_huge, ATR_VERIFY_ERROR, "is too large"},
    {reshape_null, ATR_INVALID_ARGUMENT, "reshape: shape is NULL"},
    {slice_stride, ATR_VERIFY_ERROR, "slice stride of dimension 1 must be at least 1, got 0"},
    {slice_low, ATR_VERIFY_ERROR, "slice of dimension 0 must satisfy 0 <= start <= limit <= 2, got [-1:2]"},
    {slice_high, ATR_VERIFY_ERROR, "slice of dimension 1 must satisfy 0 <= start <= limit <= 3, got [0:4]"},
    {slice_crossed, ATR_VERIFY_ERROR, "got [2:1]"},
    {slice_null, ATR_INVALID_ARGUMENT, "slice: the list of its dimensions is NULL"},
    {concatenate_none, ATR_INVALID_ARGUMENT, "concatenate: operands is NULL or count is not positive"},
    {concatenate_null, ATR_INVALID_ARGUMENT, "concatenate: operands is NULL"},
    {concatenate_range, ATR_VERIFY_ERROR, "dimension 2 of concatenate is outside the array's 2 dimensions"},
    {concatenate_dims, ATR_VERIFY_ERROR, "may differ in dimension 0 only, got f32[2,3] and f32[2,4]"},
    {concatenate_rank, ATR_VERIFY_ERROR, "may differ in dimension 0 only, got f32[2,3] and f32[2]"},
    {concatenate_dtype, ATR_VERIFY_ERROR, "may differ in dimension 0 only, got f32[2,3] and f16[2,3]"},
    {concatenate_huge, ATR_VERIFY_ERROR, "concatenated extent of dimension 0 does not fit in 64 bits"},
    {unknown, ATR_INVALID_ARGUMENT, "\"addd\" is not an elementwise operation"},
    {not_elementwise, ATR_INVALID_ARGUMENT, "\"reverse\" is not an elementwise operation"},
    {compare_by_name, ATR_INVALID_ARGUMENT, "\"compare\" is not an elementwise operation that this call can build"},
    {convert_by_name, ATR_INVALID_ARGUMENT, "\"convert\" is not an elementwise operation that this call can build"},
    {none_by_name, ATR_INVALID_ARGUMENT, "\"none\" is not an elementwise operation"},
    {null_name, ATR_INVALID_ARGUMENT, "elementwise: opcode is NULL"},
    {null_operands, ATR_INVALID_ARGUMENT, "add: operands is NULL or count is negative"},
    {one_of_two, ATR_VERIFY_ERROR, "add takes 2 operands, got 1"},
    {not_a_value, ATR_INVALID_ARGUMENT, "operand 1 of add is not a value of this builder"},
    {add_extents, ATR_VERIFY_ERROR, "operands of add must have the same type, got f32[2,3] and f32[3,2]"},
    {add_dtypes, ATR_VERIFY_ERROR, "operands of add must have the same type, got f32[2,3] and f16[2,3]"},
    {add_pred, ATR_VERIFY_ERROR, "add is not defined for pred; it takes integers, floats and complex numbers"},
    {add_fp8, ATR_VERIFY_ERROR, "add has no f8e4m3fn form; convert its operands to f32 first"},
    {maximum_complex, ATR_VERIFY_ERROR, "maximum is not defined for c64; it takes pred, integers and floats"},
    {abs_unsigned, ATR_VERIFY_ERROR, "abs is not defined for u8; it takes signed integers, floats and complex numbers"},
    {and_float, ATR_VERIFY_ERROR, "and is not defined for f32; it takes pred and integers"},
    {real_integer, ATR_VERIFY_ERROR, "real is not defined for s32; it takes floats and complex numbers"},
    {complex_half, ATR_VERIFY_ERROR, "complex is not defined for f16; it takes f32 and f64"},
    {iota_by_name, ATR_INVALID_ARGUMENT, "\"iota\" is not an elementwise operation that this call can build"},
    {negate_pred, ATR_VERIFY_ERROR, "negate is not defined for pred"},
    {exponential_integer, ATR_VERIFY_ERROR, "exponential is not defined for s32; it takes floats and complex numbers"},
    {tanh_integer, ATR_VERIFY_ERROR, "tanh is not defined for u8"},
    {logistic_pred, ATR_VERIFY_ERROR, "logistic is not defined for pred"},
    {compare_direction, ATR_INVALID_ARGUMENT, "comparison direction \"lt\" is not one of EQ NE LT LE GT GE"},
    {compare_null, ATR_INVALID_ARGUMENT, "compare: direction is NULL"},
    {compare_complex, ATR_VERIFY_ERROR, "complex numbers have no order: c64 can be compared with EQ and NE only"},
    {compare_fp8, ATR_VERIFY_ERROR, "compare has no f8e5m2 form"},
    {compare_types, ATR_VERIFY_ERROR, "operands of compare must have the same type, got f32[2,3] and f32[]"},
    {clamp_low, ATR_VERIFY_ERROR, "minimum of clamp must be a scalar or an array like its operand f32[2,3], got f32[3]"},
    {clamp_high, ATR_VERIFY_ERROR, "maximum of clamp must be a scalar or an array like its operand f32[2,3], got f16[]"},
    {clamp_complex, ATR_VERIFY_ERROR, "clamp is not defined for c64; it takes integers and floats"},
    {select_values, ATR_VERIFY_ERROR, "the two values of select must have the same type, got f32[2,3] and f32[]"},
    {select_condition, ATR_VERIFY_ERROR,
     "the condition of select must be pred, a scalar or with the extents of f32[2,3], got f32[2,3]"},
    {select_extents, ATR_VERIFY_ERROR,
     "the condition of select must be pred, a scalar or with the extents of f32[2,3], got pred[3,2]"},
    {convert_none, ATR_VERIFY_ERROR, "convert needs a result type"},
    {convert_unknown, ATR_VERIFY_ERROR, "convert result has no known dtype"},
};

START_TEST(test_bad_call) {
  const bad_row *r = &bad_rows[_i];
  expect_error(r->build(PARAMETER(ATR_F32, 2, 3)), r->status, r->message);
}
END_TEST

START_TEST(test_elementwise) {
  static const char *const numbers[] = {"add", "subtract", "multiply", "divide"}, *const orders[] = {"maximum", "minimum"};
  static const char *const curves[] = {"exponential", "tanh", "logistic", "negate", "abs", "copy"};
  static const atr_dtype every[] = {ATR_S8, ATR_U64, ATR_F16, ATR_BF16, ATR_F32, ATR_F64};
  for (size_t t = 0; t < sizeof every / sizeof *every; t++) {
    for (int i = 0; i < 4; i++) EXPECT_TYPE(binary(numbers[i], every[t]), every[t], 4);
    for (int i = 0; i < 2; i++) EXPECT_TYPE(binary(orders[i], every[t]), every[t], 4);
    for (int i = t < 2 ? 5 : 0; i < 6; i++) EXPECT_TYPE(unary(curves[i], every[t]), every[t], 4);
    EXPECT_TYPE(compare("GE", every[t]), ATR_PRED, 4);
  }
  for (int i = 0; i < 4; i++) EXPECT_TYPE(binary(numbers[i], ATR_C64), ATR_C64, 4);
  for (int i = 0; i < 4; i++) EXPECT_TYPE(unary(curves[i], ATR_C128), ATR_C128, 4);
  EXPECT_TYPE(unary("abs", ATR_C64), ATR_F32, 4);
  EXPECT_TYPE(unary("abs", ATR_C128), ATR_F64, 4);
  EXPECT_TYPE(unary("abs", ATR_S8), ATR_S8, 4);
  EXPECT_TYPE(unary("real", ATR_C64), ATR_F32, 4);
  EXPECT_TYPE(unary("imag", ATR_C128), ATR_F64, 4);
  EXPECT_TYPE(binary("complex", ATR_F32), ATR_C64, 4);
  EXPECT_TYPE(binary("complex", ATR_F64), ATR_C128, 4);
  EXPECT_TYPE(binary("and", ATR_PRED), ATR_PRED, 4);
  EXPECT_TYPE(binary("or", ATR_S8), ATR_S8, 4);
  EXPECT_TYPE(binary("xor", ATR_U64), ATR_U64, 4);
  EXPECT_TYPE(unary("not", ATR_PRED), ATR_PRED, 4);
  EXPECT_TYPE(binary("maximum", ATR_PRED), ATR_PRED, 4);
  EXPECT_TYPE(compare("NE", ATR_C64), ATR_PRED, 4);
  EXPECT_TYPE(compare("LT", ATR_PRED), ATR_PRED, 4);
  atr_value x = PARAMETER(ATR_F32, 2, 3), p = PARAMETER(ATR_PRED, 2, 3), q = PARAMETER(ATR_F8E5M2, 2, 3);
  EXPECT_TYPE(clamp(scalar(ATR_F32), x, x), ATR_F32, 2, 3);
  EXPECT_TYPE(select3(scalar(ATR_PRED), x, x), ATR_F32, 2, 3);
  EXPECT_TYPE(select3(p, q, q), ATR_F8E5M2, 2, 3);
  EXPECT_TYPE(atr_build_convert(b, q, ATR_F32), ATR_F32, 2, 3);
  EXPECT_TYPE(atr_build_convert(b, x, ATR_F8E4M3FN), ATR_F8E4M3FN, 2, 3);
}
END_TEST

/* ---- without memory ---------------------------------------------------------------------------- */

typedef struct allocator {
  long left; /* allocations that still succeed */
  long live; /* bytes */
} allocator;

static void *starve(void *user, void *old, size_t old_size, size_t new_size) {
  allocator *a = user;
  if (new_size > old_size && a->left-- <= 0) return NULL;
  a->live += (long)new_size - (long)old_size;
  if (new_size == 0) {
    free(old);
    return NULL;
  }
  return realloc(old, new_size);
}

static atr_status build_something(atr_context *c, atr_module **module) {
  atr_builder *builder;
  atr_status status = atr_builder_create(c, "m", &builder);
  if (status != ATR_OK) return status;
  static const char zeros[65536] = {0}; /* more than a block of any arena */
  atr_shape x_shape = SHAPE(ATR_S8, 1, 16, 64), w_shape = SHAPE(ATR_S8, 1024, 16, 4);
  atr_value x = atr_build_parameter(builder, NULL, &x_shape), w = atr_build_constant(builder, &w_shape, zeros);
  atr_value y = atr_build_conv(builder, x, w, NULL);
  for (int i = 0; i < 200; i++) y = atr_build_elementwise(builder, "negate", &y, 1);
  status = atr_builder_finish(builder, &y, 1, module);
  atr_builder_destroy(builder);
  return status;
}

START_TEST(test_out_of_memory) {
  allocator a = {.left = 1000};
  atr_context_options o = {.size = sizeof o, .realloc = starve, .realloc_user = &a, .threads = 1};
  atr_context *c;
  ck_assert_int_eq(atr_context_create(&o, &c), ATR_OK);
  long idle = a.live;
  atr_status status = ATR_OUT_OF_MEMORY;
  int failures = 0;
  for (long k = 0; status != ATR_OK; k++, failures++) {
    atr_module *module = NULL;
    ck_assert_int_lt(k, 1000);
    a.left = k;
    status = build_something(c, &module);
    ck_assert_msg(status == ATR_OK || status == ATR_OUT_OF_MEMORY, "allocation %ld: %s", k, atr_context_message(c));
    ck_assert((status == ATR_OK) == (module != NULL));
    if (status != ATR_OK) ck_assert_ptr_nonnull(strstr(atr_context_message(c), "out of memory"));
    atr_module_destroy(module);
  }
  ck_assert_int_gt(failures, 4);
  a.left = 1000;
  atr_context_destroy(c);
  ck_assert_int_eq(a.live, 0);
  ck_assert_int_gt(idle, 0);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("build");
  TCase *tc = tcase_create("build");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, test_module);
  tcase_add_test(tc, test_many_parameters);
  tcase_add_test(tc, test_constant_is_copied);
  tcase_add_test(tc, test_constant_of_pred);
  tcase_add_test(tc, test_layout_is_kept);
  tcase_add_test(tc, test_first_error_is_kept);
  tcase_add_test(tc, test_bad_calls);
  tcase_add_test(tc, test_spec_strings);
  tcase_add_test(tc, test_dimension_lists);
  tcase_add_test(tc, test_ranks);
  tcase_add_loop_test(tc, test_bad_spec, 0, COUNT(spec_rows));
  tcase_add_test(tc, test_bad_conv_options);
  tcase_add_test(tc, test_shorter_options);
  tcase_add_loop_test(tc, test_padding, 0, COUNT(padding_rows));
  tcase_add_test(tc, test_explicit_padding);
  tcase_add_test(tc, test_local);
  tcase_add_test(tc, test_local_gradients);
  tcase_add_test(tc, test_pad);
  tcase_add_test(tc, test_bad_pad);
  tcase_add_test(tc, test_moves);
  tcase_add_loop_test(tc, test_bad_call, 0, COUNT(bad_rows));
  tcase_add_test(tc, test_elementwise);
  tcase_add_test(tc, test_out_of_memory);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }

/* test_stablehlo.c - the StableHLO reader: what it makes of good text, and what it says about bad text.
 *
 * In: small texts, most of them one operation in the braces of a function. Out: the module as HLO text or as fields, or a
 * status with its line, column and a piece of the message. The pretty and the generic spelling of an operation must give equal
 * modules; every prefix of a text must be refused; a text whose allocations fail must leak nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "arena_fixture.h"

static atr_work work;

static atr_status read_bytes(const char *text, size_t len, atr_module **out) {
  work = work_on("t", text, len);
  return atr_stablehlo_read(&work, out);
}

/* Reads text that must be good, by the verifier's judgement too. */
static atr_module *read_good(const char *text) {
  atr_module *module = NULL;
  atr_status status = read_bytes(text, strlen(text), &module);
  ck_assert_msg(status == ATR_OK, "%s\nin\n%s", work.message, text);
  status = atr_verify_module(&work, module);
  ck_assert_msg(status == ATR_OK, "%s\nin\n%s", work.message, text);
  return module;
}

static const char *print(const atr_module *module) {
  atr_text text = atr_text_make(&arena);
  atr_hlo_print(&text, module);
  return text.data;
}

/* A function of these arguments and this body, on lines of their own. */
static const char *function(const char *args, const char *result, const char *body) {
  return atr_arena_printf(&arena, "func.func @main(%s) -> %s {\n%s\n}\n", args, result, body);
}

/* ---- operations, pretty and generic */

typedef struct op_case {
  const char *args, *result;    /* of the function */
  const char *pretty, *generic; /* the operation, giving %r */
  const char *hlo;              /* what it is in HLO */
} op_case;

static const op_case op_cases[] = {
    {"%a: tensor<2x3xf32>, %b: tensor<2x3xf32>", "tensor<2x3xf32>", "%r = stablehlo.add %a, %b : tensor<2x3xf32>",
     "%r = \"stablehlo.add\"(%a, %b) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>", "r = f32[2,3] add(a, b)"},
    {"%a: tensor<2xi8>, %b: tensor<2xi8>", "tensor<2xi8>", "%r = stablehlo.subtract %a, %b {x.y = \"}\"} : tensor<2xi8>",
     "%r = \"stablehlo.subtract\"(%a, %b) {x = [1]} : (tensor<2xi8>, tensor<2xi8>) -> tensor<2xi8>",
     "r = s8[2] subtract(a, b)"},
    {"%a: tensor<f64>, %b: tensor<f64>", "tensor<f64>",
     "%r = stablehlo.multiply %a, %b : (tensor<f64>, tensor<f64>) -> tensor<f64>",
     "%r = \"stablehlo.multiply\"(%a, %b) : (tensor<f64>, tensor<f64>) -> tensor<f64>", "r = f64[] multiply(a, b)"},
    {"%a: tensor<ui16>, %b: tensor<ui16>", "tensor<ui16>", "%r = stablehlo.divide %a, %b : tensor<ui16>",
     "%r = \"stablehlo.divide\"(%a, %b) : (tensor<ui16>, tensor<ui16>) -> tensor<ui16>", "r = u16[] divide(a, b)"},
    {"%a: tensor<bf16>, %b: tensor<bf16>", "tensor<bf16>", "%r = stablehlo.maximum %a, %b : tensor<bf16>",
     "%r = \"stablehlo.maximum\"(%a, %b) : (tensor<bf16>, tensor<bf16>) -> tensor<bf16>", "r = bf16[] maximum(a, b)"},
    {"%a: tensor<f16>, %b: tensor<f16>", "tensor<f16>", "%r = stablehlo.minimum %a, %b : tensor<f16>",
     "%r = \"stablehlo.minimum\"(%a, %b) : (tensor<f16>, tensor<f16>) -> tensor<f16>", "r = f16[] minimum(a, b)"},
    {"%a: tensor<i64>", "tensor<i64>", "%r = stablehlo.negate %a : tensor<i64>",
     "%r = \"stablehlo.negate\"(%a) : (tensor<i64>) -> tensor<i64>", "r = s64[] negate(a)"},
    {"%a: tensor<2xcomplex<f32>>", "tensor<2xf32>", "%r = stablehlo.abs %a : (tensor<2xcomplex<f32>>) -> tensor<2xf32>",
     "%r = \"stablehlo.abs\"(%a) : (tensor<2xcomplex<f32>>) -> tensor<2xf32>", "r = f32[2] abs(a)"},
    {"%a: tensor<f32>", "tensor<f32>", "%r = stablehlo.exponential %a : tensor<f32>",
     "%r = \"stablehlo.exponential\"(%a) <{result_accuracy = #stablehlo.result_accuracy<mode = "
     "#stablehlo.result_accuracy_mode<DEFAULT>>}> : (tensor<f32>) -> tensor<f32>",
     "r = f32[] exponential(a)"},
    {"%a: tensor<f32>", "tensor<f32>", "%r = stablehlo.tanh %a : tensor<f32>",
     "%r = \"stablehlo.tanh\"(%a) : (tensor<f32>) -> tensor<f32>", "r = f32[] tanh(a)"},
    {"%a: tensor<f32>", "tensor<f32>", "%r = stablehlo.logistic %a : tensor<f32>",
     "%r = \"stablehlo.logistic\"(%a) : (tensor<f32>) -> tensor<f32>", "r = f32[] logistic(a)"},
    {"%a: tensor<f32>", "tensor<f32>", "%r = stablehlo.round_nearest_even %a : tensor<f32>",
     "%r = \"stablehlo.round_nearest_even\"(%a) : (tensor<f32>) -> tensor<f32>", "r = f32[] round-nearest-even(a)"},
    {"%a: tensor<2xi1>, %b: tensor<2xi1>", "tensor<2xi1>", "%r = stablehlo.and %a, %b : tensor<2xi1>",
     "%r = \"stablehlo.and\"(%a, %b) : (tensor<2xi1>, tensor<2xi1>) -> tensor<2xi1>", "r = pred[2] and(a, b)"},
    {"%a: tensor<2xui8>, %b: tensor<2xui8>", "tensor<2xui8>", "%r = stablehlo.or %a, %b : tensor<2xui8>",
     "%r = \"stablehlo.or\"(%a, %b) : (tensor<2xui8>, tensor<2xui8>) -> tensor<2xui8>", "r = u8[2] or(a, b)"},
    {"%a: tensor<i64>, %b: tensor<i64>", "tensor<i64>", "%r = stablehlo.xor %a, %b : tensor<i64>",
     "%r = \"stablehlo.xor\"(%a, %b) : (tensor<i64>, tensor<i64>) -> tensor<i64>", "r = s64[] xor(a, b)"},
    {"%a: tensor<2xi32>", "tensor<2xi32>", "%r = stablehlo.not %a : tensor<2xi32>",
     "%r = \"stablehlo.not\"(%a) : (tensor<2xi32>) -> tensor<2xi32>", "r = s32[2] not(a)"},
    {"%a: tensor<2xcomplex<f32>>", "tensor<2xf32>", "%r = stablehlo.real %a : (tensor<2xcomplex<f32>>) -> tensor<2xf32>",
     "%r = \"stablehlo.real\"(%a) : (tensor<2xcomplex<f32>>) -> tensor<2xf32>", "r = f32[2] real(a)"},
    {"%a: tensor<2xcomplex<f64>>", "tensor<2xf64>", "%r = stablehlo.imag %a : (tensor<2xcomplex<f64>>) -> tensor<2xf64>",
     "%r = \"stablehlo.imag\"(%a) : (tensor<2xcomplex<f64>>) -> tensor<2xf64>", "r = f64[2] imag(a)"},
    {"%a: tensor<2xf64>, %b: tensor<2xf64>", "tensor<2xcomplex<f64>>", "%r = stablehlo.complex %a, %b : tensor<2xcomplex<f64>>",
     "%r = \"stablehlo.complex\"(%a, %b) : (tensor<2xf64>, tensor<2xf64>) -> tensor<2xcomplex<f64>>",
     "r = c128[2] complex(a, b)"},
    {"%a: tensor<f32>", "tensor<3x4xbf16>", "%r = stablehlo.iota dim = 1 : tensor<3x4xbf16>",
     "%r = \"stablehlo.iota\"() <{iota_dimension = 1 : i64}> : () -> tensor<3x4xbf16>",
     "r = bf16[3,4] iota(), iota_dimension=1"},
    {"%a: tensor<2xf32>", "tensor<2xi32>", "%r = stablehlo.convert %a : (tensor<2xf32>) -> tensor<2xi32>",
     "%r = \"stablehlo.convert\"(%a) : (tensor<2xf32>) -> tensor<2xi32>", "r = s32[2] convert(a)"},
    {"%a: tensor<2xi1>", "tensor<2xi1>", "%r = stablehlo.convert %a : tensor<2xi1>",
     "%r = \"stablehlo.convert\"(%a) : (tensor<2xi1>) -> tensor<2xi1>", "r = pred[2] convert(a)"},
    {"%a: tensor<2xf32>", "tensor<2xi1>",
     "%r = stablehlo.compare GE, %a, %a, FLOAT : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xi1>",
     "%r = \"stablehlo.compare\"(%a, %a) <{compare_type = #stablehlo<comparison_type FLOAT>, comparison_direction = "
     "#stablehlo<comparison_direction GE>}> : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xi1>",
     "r = pred[2] compare(a, a), direction=GE"},
    {"%a: tensor<ui8>", "tensor<i1>", "%r = stablehlo.compare NE, %a, %a : (tensor<ui8>, tensor<ui8>) -> tensor<i1>",
     "%r = \"stablehlo.compare\"(%a, %a) {comparison_direction = #stablehlo<comparison_direction NE>} : "
     "(tensor<ui8>, tensor<ui8>) -> tensor<i1>",
     "r = pred[] compare(a, a), direction=NE"},
    {"%p: tensor<i1>, %a: tensor<2xf32>, %b: tensor<2xf32>", "tensor<2xf32>",
     "%r = stablehlo.select %p, %a, %b : tensor<i1>, tensor<2xf32>",
     "%r = \"stablehlo.select\"(%p, %a, %b) : (tensor<i1>, tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>",
     "r = f32[2] select(p, a, b)"},
    {"%l: tensor<f32>, %a: tensor<2xf32>, %h: tensor<f32>", "tensor<2xf32>",
     "%r = stablehlo.clamp %l, %a, %h : (tensor<f32>, tensor<2xf32>, tensor<f32>) -> tensor<2xf32>",
     "%r = \"stablehlo.clamp\"(%l, %a, %h) : (tensor<f32>, tensor<2xf32>, tensor<f32>) -> tensor<2xf32>",
     "r = f32[2] clamp(l, a, h)"},
    {"%a: tensor<3xf32>, %c: tensor<f32>", "tensor<9xf32>",
     "%r = stablehlo.pad %a, %c, low = [-1], high = [3], interior = [2] : (tensor<3xf32>, tensor<f32>) -> tensor<9xf32>"
     " loc(\"x\"(#loc3))",
     "%r = \"stablehlo.pad\"(%a, %c) <{edge_padding_high = array<i64: 3>, edge_padding_low = array<i64: -1>, interior_padding "
     "= "
     "array<i64: 2>}> : (tensor<3xf32>, tensor<f32>) -> tensor<9xf32>",
     "r = f32[9] pad(a, c), padding=-1_3_2"},
    {"%a: tensor<2x3xf32>", "tensor<2x3xf32>", "%r = stablehlo.reverse %a, dims = [1, 0] : tensor<2x3xf32>",
     "%r = \"stablehlo.reverse\"(%a) {dimensions = dense<[1, 0]> : tensor<2xi64>} : (tensor<2x3xf32>) -> tensor<2x3xf32>",
     "r = f32[2,3] reverse(a), dimensions={1,0}"},
    {"%a: tensor<2x3xf32>", "tensor<3x2xf32>",
     "%r = stablehlo.transpose %a, dims = [1, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>",
     "%r = \"stablehlo.transpose\"(%a) <{permutation = array<i64: 1, 0>}> : (tensor<2x3xf32>) -> tensor<3x2xf32>",
     "r = f32[3,2] transpose(a), dimensions={1,0}"},
    {"%a: tensor<2x3xf32>", "tensor<6xf32>", "%r = stablehlo.reshape %a : (tensor<2x3xf32>) -> tensor<6xf32>",
     "%r = \"stablehlo.reshape\"(%a) : (tensor<2x3xf32>) -> tensor<6xf32>", "r = f32[6] reshape(a)"},
    {"%a: tensor<8x3xf32>", "tensor<3x1xf32>", "%r = stablehlo.slice %a [1:7:2, 2:3] : (tensor<8x3xf32>) -> tensor<3x1xf32>",
     "%r = \"stablehlo.slice\"(%a) <{limit_indices = array<i64: 7, 3>, start_indices = array<i64: 1, 2>, strides = array<i64: "
     "2, "
     "1>}> : (tensor<8x3xf32>) -> tensor<3x1xf32>",
     "r = f32[3,1] slice(a), slice={[1:7:2], [2:3:1]}"},
    {"%a: tensor<2x3xf32>", "tensor<3xf32>",
     "%c = stablehlo.constant dense<0.0> : tensor<f32>\n"
     "%r = stablehlo.reduce(%a init: %c) applies stablehlo.add across dimensions = [0] : (tensor<2x3xf32>, tensor<f32>) -> "
     "tensor<3xf32>",
     "%c = stablehlo.constant dense<0.0> : tensor<f32>\n"
     "%r = \"stablehlo.reduce\"(%a, %c) <{dimensions = array<i64: 0>}> ({\n"
     "^bb0(%x: tensor<f32> loc(unknown), %y: tensor<f32>):\n"
     "%s = \"stablehlo.add\"(%y, %x) : (tensor<f32>, tensor<f32>) -> tensor<f32> loc(#loc7)\n"
     "\"stablehlo.return\"(%s) : (tensor<f32>) -> () loc(#loc7)\n"
     "}) : (tensor<2x3xf32>, tensor<f32>) -> tensor<3xf32>",
     "r = f32[3] reduce(a, c), dimensions={0}, to_apply=add_f32"},
    {"%a: tensor<1x2xf32>, %b: tensor<1x5xf32>", "tensor<1x7xf32>",
     "%r = stablehlo.concatenate %a, %b, dim = 1 : (tensor<1x2xf32>, tensor<1x5xf32>) -> tensor<1x7xf32>",
     "%r = \"stablehlo.concatenate\"(%a, %b) <{dimension = 1 : i64}> : (tensor<1x2xf32>, tensor<1x5xf32>) -> tensor<1x7xf32>",
     "r = f32[1,7] concatenate(a, b), dimensions={1}"},
    {"%a: tensor<4xf32>", "tensor<2x4xf32>",
     "%r = stablehlo.broadcast_in_dim %a, dims = [1] : (tensor<4xf32>) -> tensor<2x4xf32>",
     "%r = \"stablehlo.broadcast_in_dim\"(%a) <{broadcast_dimensions = array<i64: 1>}> : (tensor<4xf32>) -> tensor<2x4xf32>",
     "r = f32[2,4] broadcast(a), dimensions={1}"},
    {"%a: tensor<f32>", "tensor<2x4xf32>", "%r = stablehlo.broadcast_in_dim %a, dims = [] : (tensor<f32>) -> tensor<2x4xf32>",
     "%r = \"stablehlo.broadcast_in_dim\"(%a) <{broadcast_dimensions = array<i64>}> : (tensor<f32>) -> tensor<2x4xf32>",
     "r = f32[2,4] broadcast(a), dimensions={}"},
};
enum { OP_CASES = sizeof op_cases / sizeof op_cases[0] };

START_TEST(test_operation) {
  const op_case *c = &op_cases[_i];
  const char *tail = atr_arena_printf(&arena, "return %%r : %s", c->result);
  atr_module *pretty = read_good(function(c->args, c->result, atr_arena_printf(&arena, "%s\n%s", c->pretty, tail)));
  atr_module *generic = read_good(function(c->args, c->result, atr_arena_printf(&arena, "%s\n%s", c->generic, tail)));
  ck_assert_str_eq(print(pretty), print(generic));
  ck_assert_msg(strstr(print(pretty), c->hlo) != NULL, "no '%s' in\n%s", c->hlo, print(pretty));
}
END_TEST

/* ---- convolutions */

#define CONV_ARGS "%x: tensor<2x9x7x6xf32>, %w: tensor<3x2x3x8xf32>"
#define CONV_TYPE ": (tensor<2x9x7x6xf32>, tensor<3x2x3x8xf32>) -> tensor<2x4x11x8xf32>\n return %y : tensor<2x4x11x8xf32>"
#define COUNTS "feature_group_count = 2 : i64, batch_group_count = 1 : i64"

static const atr_conv *conv_of(const char *text) {
  const atr_module *module = read_good(text);
  const atr_inst *inst = atr_inst_at(module, module->results[0]);
  ck_assert_int_eq(inst->op, ATR_OP_CONVOLUTION);
  return inst->u.conv;
}

START_TEST(test_conv_fields) {
  const atr_conv *c = conv_of(function(
      "%x: tensor<6x2x9x7xf32>, %w: tensor<3x8x2x3xf32>", "tensor<2x4x8x12xf32>",
      "%y = stablehlo.convolution(%x, %w) dim_numbers = [f, b, 1, 0]x[0, o, 1, i]->[b, 1, f, 0], window = {reverse = [1, 0], "
      "rhs_dilate = [1, 3], lhs_dilate = [2, 1], pad = [[-1, 2], [1, 0]], stride = [1, 2]} {" COUNTS
      ", precision_config = [#stablehlo<precision HIGH>, #stablehlo<precision HIGHEST>]} : "
      "(tensor<6x2x9x7xf32>, tensor<3x8x2x3xf32>) -> tensor<2x4x8x12xf32>\n return %y : tensor<2x4x8x12xf32>"));
  ck_assert_int_eq(c->spatial, 2);
  ck_assert(c->lhs_feature == 0 && c->lhs_batch == 1 && c->lhs_spatial[1] == 2 && c->lhs_spatial[0] == 3);
  ck_assert(c->rhs_spatial[0] == 0 && c->rhs_output_feature == 1 && c->rhs_spatial[1] == 2 && c->rhs_input_feature == 3);
  ck_assert(c->out_batch == 0 && c->out_spatial[1] == 1 && c->out_feature == 2 && c->out_spatial[0] == 3);
  const atr_window_dim *w = c->window;
  ck_assert(w[0].size == 3 && w[0].stride == 1 && w[0].pad_lo == -1 && w[0].pad_hi == 2 && w[0].lhs_dilation == 2);
  ck_assert(w[0].rhs_dilation == 1 && w[0].reversal && w[0].edge == ATR_EDGE_ZERO);
  ck_assert(w[1].size == 2 && w[1].stride == 2 && w[1].pad_lo == 1 && w[1].pad_hi == 0 && w[1].lhs_dilation == 1);
  ck_assert(w[1].rhs_dilation == 3 && !w[1].reversal);
  ck_assert(c->feature_group_count == 2 && c->batch_group_count == 1);
  ck_assert(c->precision[0] == ATR_PRECISION_HIGH && c->precision[1] == ATR_PRECISION_HIGHEST);
}
END_TEST

static const char *const conv_spellings[] = {
    "stablehlo.convolution(%x, %w) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [2, 1], pad = "
    "[[0, 0], "
    "[0, 0]], lhs_dilate = [1, 2], rhs_dilate = [1, 2]} {" COUNTS "} " CONV_TYPE,
    "stablehlo.convolution(%x, %w) window = {stride = [2, 1], reverse = [false, false], rhs_dilate = [1, 2], lhs_dilate = [1, "
    "2]}, "
    "dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f] {" COUNTS
    ", precision_config = [], sdy.x = #sdy<[{\"}\"}]>} " CONV_TYPE,
    "\"stablehlo.convolution\"(%x, %w) <{" COUNTS
    ", dimension_numbers = #stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>, "
    "lhs_dilation = array<i64: 1, 2>, padding = dense<0> : tensor<2x2xi64>, precision_config = [#stablehlo<precision DEFAULT>, "
    "#stablehlo<precision DEFAULT>], rhs_dilation = array<i64: 1, 2>, window_reversal = array<i1: false, false>, "
    "window_strides = "
    "array<i64: 2, 1>}> " CONV_TYPE,
    "\"stablehlo.convolution\"(%x, %w) {" COUNTS
    ", dimension_numbers = #stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>, "
    "lhs_dilation = dense<[1, 2]> : tensor<2xi64>, padding = dense<[[0, 0], [0, 0]]> : tensor<2x2xi64>, rhs_dilation = "
    "dense<\"0x"
    "01000000000000000200000000000000\"> : tensor<2xi64>, window_reversal = dense<false> : tensor<2xi1>, window_strides = "
    "dense<[2, 1]> : tensor<2xi64>} " CONV_TYPE,
    "\"stablehlo.convolution\"(%x, %w) <{" COUNTS ", dimension_numbers = #stablehlo.conv<raw input_batch_dimension = 0, "
    "input_feature_dimension = 3, input_spatial_dimensions = [1, 2], kernel_output_feature_dimension = 3, "
    "kernel_input_feature_dimension = 2, kernel_spatial_dimensions = [0, 1], output_batch_dimension = 0, "
    "output_feature_dimension = "
    "3, output_spatial_dimensions = [1, 2]>, lhs_dilation = array<i64: 1, 2>, rhs_dilation = array<i64: 1, 2>}> "
    "{window_strides = "
    "array<i64: 2, 1>} " CONV_TYPE,
};
enum { CONV_SPELLINGS = sizeof conv_spellings / sizeof conv_spellings[0] };

START_TEST(test_conv_spelling) {
  const char *body = atr_arena_printf(&arena, "%%y = %s", conv_spellings[_i]);
  const char *got = print(read_good(function(CONV_ARGS, "tensor<2x4x11x8xf32>", body)));
  const char *wanted =
      "convolution(x, w), window={size=3x2 stride=2x1 lhs_dilate=1x2 rhs_dilate=1x2}, dim_labels=b01f_01io->b01f, "
      "feature_group_count=2";
  ck_assert_msg(strstr(got, wanted) != NULL, "%s", got);
}
END_TEST

START_TEST(test_conv_rank_0) {
  const atr_conv *c = conv_of(
      function("%x: tensor<5x3xcomplex<f64>>, %w: tensor<3x7xcomplex<f64>>", "tensor<5x7xcomplex<f64>>",
               "%y = stablehlo.convolution(%x, %w) dim_numbers = [b, f]x[i, o]->[b, f], window = {} "
               "{batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<5x3xcomplex<f64>>, "
               "tensor<3x7xcomplex<f64>>) -> tensor<5x7xcomplex<f64>>\nreturn %y : tensor<5x7xcomplex<f64>>"));
  ck_assert_int_eq(c->spatial, 0);
  ck_assert(c->rhs_input_feature == 0 && c->rhs_output_feature == 1 && c->out_feature == 1);
}
END_TEST

/* The verifier can point at every attribute it may complain about. */
START_TEST(test_spans) {
  const char *body = atr_arena_printf(&arena, "%%y = %s", conv_spellings[0]);
  const atr_module *module = read_good(function(CONV_ARGS, "tensor<2x4x11x8xf32>", body));
  const atr_inst *inst = atr_inst_at(module, module->results[0]);
  static const struct {
    atr_attr attr;
    const char *text;
  } wanted[] = {
      {ATR_ATTR_SHAPE, "tensor<2x4x11x8xf32>"},  {ATR_ATTR_OPCODE, "stablehlo.convolution"},
      {ATR_ATTR_WINDOW, "{stride = "},           {ATR_ATTR_DIM_LABELS, "[b, 0, 1, f]x["},
      {ATR_ATTR_FEATURE_GROUP_COUNT, "2 : i64"}, {ATR_ATTR_BATCH_GROUP_COUNT, "1 : i64"},
  };
  ck_assert_int_eq(memcmp(work.source->text + inst->span.offset - 1, "%y = stablehlo", 14), 0);
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
    atr_span span = atr_inst_span(inst, wanted[i].attr);
    ck_assert_msg(memcmp(work.source->text + span.offset - 1, wanted[i].text, strlen(wanted[i].text)) == 0, "%s: '%.20s'",
                  wanted[i].text, work.source->text + span.offset - 1);
  }
}
END_TEST

/* ---- broadcasts that stretch, splats */

START_TEST(test_broadcast_stretches) {
  const char *text = function(
      "%a: tensor<4x1x3xf32>", "tensor<2x4x5x3xf32>",
      "%r = stablehlo.broadcast_in_dim %a, dims = [1, 2, 3] : (tensor<4x1x3xf32>) -> tensor<2x4x5x3xf32>\n"
      "return %r : tensor<2x4x5x3xf32>");
  const atr_module *module = read_good(text);
  const atr_inst *r = atr_inst_at(module, module->results[0]), *shaped = atr_operand(module, r, 0);
  ck_assert_int_eq(r->op, ATR_OP_BROADCAST);
  ck_assert(r->u.dims.count == 2 && r->u.dims.dims[0] == 1 && r->u.dims.dims[1] == 3);
  ck_assert_int_eq(shaped->op, ATR_OP_RESHAPE);
  ck_assert(shaped->shape.rank == 2 && shaped->shape.dims[0] == 4 && shaped->shape.dims[1] == 3);
}
END_TEST

/* A splat costs one element, whatever its type says. */
START_TEST(test_splat_is_small) {
  const atr_module *module = read_good("func.func @main() -> tensor<1000000x1000000xf32> {\n"
                                       "  %cst = stablehlo.constant dense<2.5> : tensor<1000000x1000000xf32>\n"
                                       "  return %cst : tensor<1000000x1000000xf32>\n}\n");
  const atr_inst *r = atr_inst_at(module, module->results[0]), *scalar = atr_operand(module, r, 0);
  ck_assert_int_eq(r->op, ATR_OP_BROADCAST);
  ck_assert_int_eq(scalar->op, ATR_OP_CONSTANT);
  ck_assert_int_eq(scalar->shape.rank, 0);
  ck_assert(atr_scalar_load(ATR_F32, scalar->u.literal).re == 2.5);
}
END_TEST

/* ---- literals */

typedef struct literal_case {
  const char *literal, *type, *bytes; /* hexadecimal, as they lie in memory */
} literal_case;

static const literal_case literals[] = {
    {"1.5", "f32", "0000c03f"},
    {"-0.0", "f32", "00000080"},
    {"1.000000e-01", "f32", "cdcccc3d"},
    {"16777217.0", "f32", "0000804b"},
    {"1.00000017881393432617187499", "f32", "0100803f"}, /* would be 2 ulp after a rounding to f64 first */
    {"0x7FC00000", "f32", "0000c07f"},
    {"0xFF800000", "f32", "000080ff"},
    {"1.0e40", "f32", "0000807f"},
    {"7", "f32", "0000e040"},
    {"0x7FF8000000000000", "f64", "000000000000f87f"},
    {"0.1", "f64", "9a9999999999b93f"},
    {"0x7E00", "f16", "007e"},
    {"1.000000e+00", "f16", "003c"},
    {"0x7FC0", "bf16", "c07f"},
    {"-2.5", "bf16", "20c0"},
    {"0x7F", "f8E4M3FN", "7f"},
    {"1.5", "f8E5M2", "3e"},
    {"true", "i1", "01"},
    {"0", "i1", "00"},
    {"-1", "i1", "01"},
    {"-128", "i8", "80"},
    {"255", "i8", "ff"},
    {"-0x80", "i8", "80"},
    {"255", "ui8", "ff"},
    {"-9223372036854775808", "i64", "0000000000000080"},
    {"18446744073709551615", "ui64", "ffffffffffffffff"},
    {"(1.0,-2.0)", "complex<f32>", "0000803f000000c0"},
    {"(0x7FF0000000000000, 1.0)", "complex<f64>", "000000000000f07f000000000000f03f"},
    {"[1, 2, 3]", "3xi16", "010002000300"},
    {"[[1, 2], [3, 4]]", "2x2xui8", "01020304"},
    {"[[[7]]]", "1x1x1xi8", "07"},
    {"[true, false, true]", "3xi1", "010001"},
    {"[(1.0,2.0), (3.0,4.0)]", "2xcomplex<f32>", "0000803f000000400000404000008040"},
    {"\"0x0001FF\"", "3xi8", "0001ff"},
    {"\"0x0000803f000000C0\"", "2xf32", "0000803f000000c0"},
    {"\"0x000101000001000101\"", "9xi1", "000101000001000101"},
    {"\"0x0501\"", "9xi1", "010001000000000001"}, /* packed, as older texts have it */
    {"", "0xf32", ""},
    {"[]", "0x3xf32", ""},
    {"[[], []]", "2x0xf32", ""},
};
enum { LITERALS = sizeof literals / sizeof literals[0] };

START_TEST(test_literal) {
  const literal_case *c = &literals[_i];
  const char *form = "func.func @main() -> tensor<%s> {\n%%c = %s\nreturn %%c : tensor<%s>\n}\n";
  const char *pretty = atr_arena_printf(&arena, "stablehlo.constant dense<%s> : tensor<%s>", c->literal, c->type);
  const char *generic = atr_arena_printf(
      &arena, "\"stablehlo.constant\"() <{value = dense<%s> : tensor<%s>}> : () -> tensor<%s>", c->literal, c->type, c->type);
  for (int k = 0; k < 2; k++) {
    const atr_module *module = read_good(atr_arena_printf(&arena, form, c->type, k == 0 ? pretty : generic, c->type));
    const atr_inst *inst = atr_inst_at(module, module->results[0]);
    ck_assert_int_eq(inst->op, ATR_OP_CONSTANT);
    ck_assert_int_eq(atr_shape_bytes(&inst->shape), (int64_t)strlen(c->bytes) / 2);
    for (size_t i = 0; i < strlen(c->bytes) / 2; i++) {
      unsigned byte;
      ck_assert_int_eq(sscanf(c->bytes + 2 * i, "%2x", &byte), 1);
      ck_assert_msg(((const unsigned char *)inst->u.literal)[i] == byte, "%s: byte %zu", c->literal, i);
    }
  }
}
END_TEST

/* ---- functions */

START_TEST(test_calls) {
  const atr_module *module = read_good(
      "// a comment { with a brace\n"
      "#loc = loc(unknown)\n"
      "module @jit_f attributes {mhlo.num_partitions = 1 : i32} {\n"
      "  sdy.mesh @mesh = <[\"x\"=1]>\n"
      "  func.func public @main(%arg0: tensor<2xf32> {sdy.sharding = #sdy.sharding<@mesh, [{\"x\"}]>} loc(\"x\"), %arg1: "
      "tensor<2xf32> {mhlo.layout_mode = \"default\"}) -> (tensor<2xf32> {jax.result_info = \"\"}, tensor<2xf32>) {\n"
      "    %0:2 = call @two(%arg0, %arg1) : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) loc(#loc)\n"
      "    %1, %2 = func.call @two(%0#1, %0#0) : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)\n"
      "    return %1, %2 : tensor<2xf32>, tensor<2xf32> loc(#loc)\n"
      "  } loc(#loc)\n"
      "  func.func private @unused(%arg0: tensor<?xf32>) -> tensor<?xf32>\n"
      "  func.func private @two(%arg0: tensor<2xf32>, %arg1: tensor<2xf32>) -> // behind its calls\n"
      "      (tensor<2xf32>, tensor<2xf32>) "
      "attributes {x = \"}\"} {\n"
      "    %0 = stablehlo.subtract %arg0, %arg1 : tensor<2xf32>\n"
      "    func.return %0, %arg0 : tensor<2xf32>, tensor<2xf32>\n"
      "  }\n"
      "} loc(#loc)\n"
      "#loc3 = loc(callsite(#loc at #loc))\n"
      "{-# external: \"}\" #-}\n");
  ck_assert_str_eq(module->name, "jit_f");
  ck_assert(module->parameter_count == 2 && module->result_count == 2 && module->count == 4 && module->returns_tuple);
  const atr_inst *first = atr_inst_at(module, 3), *second = atr_inst_at(module, 4);
  ck_assert_str_eq(first->name, "v0");
  ck_assert_str_ne(second->name, "v0");
  ck_assert(first->operands[0] == 1 && first->operands[1] == 2);
  ck_assert(second->operands[0] == 1 && second->operands[1] == 3); /* %0#1 is @main's %arg0, %0#0 the first difference */
  ck_assert(module->results[0] == 4 && module->results[1] == 1);
}
END_TEST

/* What is asked for and is row major anyway. */
START_TEST(test_row_major) {
  read_good("func.func @main(%a: tensor<2x3xf32> {mhlo.layout_mode = \"{1,0}\"}, %b: tensor<f32> {mhlo.layout_mode = \"{}\"}, "
            "%c: tensor<2xf32> {mhlo.layout_mode = \"auto\"}) -> (tensor<2x3xf32> {mhlo.layout_mode = \"{1,0}\"}) {\n"
            "  return %a : tensor<2x3xf32>\n}\n");
  read_good(
      "\"func.func\"() <{arg_attrs = [{}, {mhlo.layout_mode = \"{1,0}\"}], function_type = (tensor<f32>, tensor<2x3xf32>) -> "
      "tensor<2x3xf32>, res_attrs = [{mhlo.layout_mode = \"default\"}], sym_name = \"main\"}> ({\n"
      "^bb0(%a: tensor<f32>, %b: tensor<2x3xf32>):\n  \"func.return\"(%b) : (tensor<2x3xf32>) -> ()\n}) : () -> ()\n");
}
END_TEST

START_TEST(test_generic_module) {
  const atr_module *module = read_good(
      "\"builtin.module\"() <{sym_name = \"m\"}> ({\n"
      "  \"func.func\"() <{arg_attrs = [{}], function_type = (tensor<2xf32>) -> tensor<2xf32>, sym_name = \"f\", "
      "sym_visibility = "
      "\"private\"}> ({\n"
      "  ^bb0(%arg1: tensor<2xf32> loc(\"z\")):\n"
      "    %9 = \"stablehlo.abs\"(%arg1) : (tensor<2xf32>) -> tensor<2xf32> loc(#loc)\n"
      "    \"func.return\"(%9) : (tensor<2xf32>) -> () loc(#loc)\n"
      "  }) : () -> () loc(#loc)\n"
      "  \"func.func\"() ({\n"
      "  ^bb0(%arg0: tensor<2xf32>):\n"
      "    %5 = \"func.call\"(%arg0) <{callee = @f}> : (tensor<2xf32>) -> tensor<2xf32>\n"
      "    \"func.return\"(%5) : (tensor<2xf32>) -> ()\n"
      "  }) {function_type = (tensor<2xf32>) -> (tensor<2xf32>), sym_name = \"main\"} : () -> ()\n"
      "}) {mhlo.num_partitions = 1 : i32} : () -> ()\n");
  ck_assert_str_eq(module->name, "m");
  ck_assert(module->count == 2 && module->result_count == 1 && !module->returns_tuple);
  ck_assert_str_eq(atr_inst_at(module, 2)->name, "v9");
}
END_TEST

/* Names become names of HLO text, whatever MLIR lets them be. */
START_TEST(test_names) {
  const atr_module *module = read_good(
      "func.func @the_only(%$a: tensor<f32>, %f32: tensor<f32>, %-.x: tensor<f32>) -> tensor<f32> {\n"
      "  %add = stablehlo.add %$a, %f32 : tensor<f32>\n"
      "  %7 = stablehlo.add %add, %-.x : tensor<f32>\n"
      "  return %7 : tensor<f32>\n}\n");
  static const char *const names[] = {"_a", "vf32", "v-.x", "vadd", "v7"};
  for (atr_id id = 1; id <= 5; id++) ck_assert_str_eq(atr_inst_at(module, id)->name, names[id - 1]);
}
END_TEST

/* A chain of `count` functions, each of which calls the next `calls` times. */
static const char *chain(int count, int calls) {
  atr_text text = atr_text_make(&arena);
  for (int i = 0; i < count; i++) {
    atr_text_printf(&text, "func.func %s @%s%d(%%x: tensor<f32>) -> tensor<f32> {\n", i == 0 ? "" : "private",
                    i == 0 ? "main" : "f", i);
    for (int k = 0; k < calls && i + 1 < count; k++) {
      atr_text_printf(&text, "  %%%d = call @f%d(%%x) : (tensor<f32>) -> tensor<f32>\n", k, i + 1);
    }
    atr_text_puts(&text, i + 1 < count ? "  return %0 : tensor<f32>\n}\n" : "  return %x : tensor<f32>\n}\n");
  }
  return text.data;
}

START_TEST(test_inlining_is_bounded) {
  atr_module *module;
  ck_assert_ptr_nonnull(read_good(chain(150, 1)));
  ck_assert_ptr_nonnull(read_good(chain(8, 2)));
  const char *deep = chain(5000, 1), *wide = chain(60, 2);
  ck_assert_int_eq(read_bytes(deep, strlen(deep), &module), ATR_UNSUPPORTED);
  ck_assert(strstr(work.message, "calls are nested more than") != NULL);
  ck_assert_int_eq(read_bytes(wide, strlen(wide), &module), ATR_UNSUPPORTED);
  ck_assert(strstr(work.message, "too large with all calls inlined") != NULL);
}
END_TEST

/* Fails where more than *user bytes are taken. */
static void *limited_realloc(void *user, void *old, size_t old_size, size_t new_size) {
  size_t *left = user;
  if (new_size > *left + old_size) return NULL;
  *left = *left + old_size - new_size;
  return atr_default_realloc(NULL, old, old_size, new_size);
}

/* Calls of next to nothing are refused before they fill the memory. */
START_TEST(test_inlining_is_small) {
  atr_text text = atr_text_make(&arena);
  for (int i = 0; i < 60; i++) {
    const char *twice = atr_arena_printf(&arena, "call @f%d():()->() call @f%d():()->()", i + 1, i + 1);
    atr_text_printf(&text, "func.func %s%d(){%s return}\n", i == 0 ? "@f" : "private @f", i, i < 59 ? twice : "");
  }
  size_t left = (size_t)1 << 29;
  atr_source source = {.name = "t", .text = text.data, .len = text.len};
  atr_arena limited;
  atr_arena_init(&limited, limited_realloc, &left);
  if (setjmp(limited.guard) == 0) {
    atr_work limited_work = {.arena = &limited, .source = &source};
    atr_module *module;
    ck_assert_int_eq(atr_stablehlo_read(&limited_work, &module), ATR_UNSUPPORTED);
  } else {
    ck_abort_msg("out of memory");
  }
  atr_arena_fini(&limited);
}
END_TEST

/* 40,000 values, every one of them looked up: quadratic time would be seen. */
START_TEST(test_long_body) {
  atr_text text = atr_text_make(&arena);
  atr_text_puts(&text, "func.func @main(%0: tensor<f32>) -> tensor<f32> {\n");
  for (int i = 1; i <= 40000; i++) atr_text_printf(&text, "%%%d = stablehlo.add %%%d, %%0 : tensor<f32>\n", i, i - 1);
  atr_text_puts(&text, "return %40000 : tensor<f32>\n}\n");
  ck_assert_uint_eq(read_good(text.data)->count, 40001);
}
END_TEST

/* ---- bad text */

typedef struct error_case {
  atr_status status;
  const char *message, *text;
} error_case;

/* '~' marks the place that the message must name, and is taken out. */
#define BODY(body)                                                                                                             \
  "func.func @main(%a: tensor<2x3xf32>, %b: tensor<i32>) -> tensor<2x3xf32> {\n" body "\nreturn %a : tensor<2x3xf32>\n}\n"
#define CONV(dims, window, dict)                                                                                               \
  "func.func @main(%x: tensor<1x8x8x3xf32>, %w: tensor<3x3x3x4xf32>) -> tensor<1x6x6x4xf32> {\n"                               \
  "%y = stablehlo.convolution(%x, %w) dim_numbers = " dims ", window = {" window "} {" dict "} : (tensor<1x8x8x3xf32>, "       \
  "tensor<3x3x3x4xf32>) -> tensor<1x6x6x4xf32>\nreturn %y : tensor<1x6x6x4xf32>\n}\n"
#define DIMS "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"
#define SUM(op, operands) "%s = " op " " operands " : tensor<f32> stablehlo.return %s : tensor<f32>"
#define REDUCE(type_x, type_y, body)                                                                                           \
  BODY("%c = stablehlo.constant dense<0.0> : tensor<f32>\n%0 = \"stablehlo.reduce\"(%a, %c) <{dimensions = array<i64: 0>}> "   \
       "({ ^bb0(%x: " type_x ", %y: " type_y "): " body " }) : (tensor<2x3xf32>, tensor<f32>) -> tensor<3xf32>")
#define ONES "feature_group_count = 1 : i64, batch_group_count = 1 : i64"

#define GENERIC(arguments, results)                                                                                            \
  "\"func.func\"() <{arg_attrs = " arguments ", function_type = (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>, "       \
  "res_attrs = " results ", sym_name = \"main\"}> ({\n^bb0(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>):\n"                       \
  "  \"func.return\"(%b) : (tensor<2x3xf32>) -> ()\n}) : () -> ()\n"

static const error_case errors[] = {
    /* types */
    {ATR_UNSUPPORTED, "dynamic extent '?'", "func.func @main(%a: tensor<2x~?xf32>) { return }"},
    {ATR_UNSUPPORTED, "unranked", "func.func @main(%a: tensor<~*xf32>) { return }"},
    {ATR_UNSUPPORTED, "quantized type '!quant.uniform<i8:f32, 0.1:2>' is not supported",
     "func.func @main(%a: tensor<2x~!quant.uniform<i8:f32, 0.1:2>>) { return }"},
    {ATR_UNSUPPORTED, "element type 'i4' is not supported", "func.func @main(%a: tensor<2x~i4>) { return }"},
    {ATR_UNSUPPORTED, "type 'f32' is not supported", "func.func @main(%a: ~f32) { return }"},
    {ATR_UNSUPPORTED, "type 'tuple' is not supported", "func.func @main(%a: ~tuple<tensor<f32>>) { return }"},
    {ATR_UNSUPPORTED, "encoding", "func.func @main(%a: tensor<2xf32~, #stablehlo.bounds<3>>) { return }"},
    {ATR_UNSUPPORTED, "rank above 12", "func.func @main(%a: tensor<1x1x1x1x1x1x1x1x1x1x1x1x~1xf32>) { return }"},
    {ATR_PARSE_ERROR, "does not fit 64 bits", "func.func @main(%a: tensor<~9223372036854775808xf32>) { return }"},
    {ATR_PARSE_ERROR, "expected 'x', found '>'", "func.func @main(%a: tensor<2~>) { return }"},
    {ATR_PARSE_ERROR, "expected an element type such as f32, found '>'", "func.func @main(%a: tensor<2x~>) { return }"},
    {ATR_UNSUPPORTED, "layouts in StableHLO", "func.func @main(%a: tensor<f32> {mhlo.layout_mode = ~\"{0,1}\"}) { return }"},
    {ATR_UNSUPPORTED, "layouts in StableHLO",
     "func.func @main(%a: tensor<2x3xf32>) -> (tensor<2x3xf32> {mhlo.layout_mode = ~\"{0,1}\"}) { return %a : tensor<2x3xf32> "
     "}"},
    {ATR_UNSUPPORTED, "layouts in StableHLO", GENERIC("[{}, {mhlo.layout_mode = ~\"{0,1}\"}]", "[{}]")},
    {ATR_UNSUPPORTED, "layouts in StableHLO", GENERIC("[{}, {}]", "[{mhlo.layout_mode = ~\"{0,1}\"}]")},
    {ATR_PARSE_ERROR, "expected ',', found ']'", GENERIC("[{}~]", "[{}]")},
    {ATR_PARSE_ERROR, "expected '{' and the attributes of an argument or result", GENERIC("[{}, {}]", "[~0]")},
    /* functions and modules */
    {ATR_PARSE_ERROR, "the text has no public function", "~"},
    {ATR_PARSE_ERROR, "expected a module or func.func, found 'HloModule'", "~HloModule m\n"},
    {ATR_PARSE_ERROR, "this '{' is not closed", "func.func @main() ~{\n"},
    {ATR_PARSE_ERROR, "']' closes a '{'", "func.func @main() {\n~]"},
    {ATR_PARSE_ERROR, "has no closing", "func.func @main() { ~\"stablehlo.add }"},
    {ATR_PARSE_ERROR, "function '@f' is defined twice", "func.func @f() { return }\nfunc.func ~@f() { return }"},
    {ATR_PARSE_ERROR, "second public function", "func.func @f() { return }\nfunc.func ~@g() { return }"},
    {ATR_UNSUPPORTED, "more than one module", "module {\n ~module {}\n}"},
    {ATR_UNSUPPORTED, "operation 'memref.global' is not supported in a module", "module { ~memref.global @x }"},
    {ATR_PARSE_ERROR, "expected '}' behind the functions, found the end", "module { func.func @main() { return }~"},
    {ATR_UNSUPPORTED, "function '@main' calls itself", "func.func @main() { ~call @main() : () -> () return }"},
    {ATR_UNSUPPORTED, "function '@main' calls itself",
     "func.func @main() { call @g() : () -> () return }\nfunc.func private @g() { ~call @main() : () -> () return }"},
    {ATR_UNSUPPORTED, "function '@g' has no body",
     "func.func @main() { ~call @g() : () -> () return }\nfunc.func private @g()"},
    {ATR_PARSE_ERROR, "function '@g' is not defined", "func.func @main() { call ~@g() : () -> () return }"},
    {ATR_PARSE_ERROR, "'@g' takes more arguments than the 0 of this call",
     "func.func @main() { ~call @g() : () -> () return }\nfunc.func private @g(%x: tensor<f32>) { return }"},
    {ATR_PARSE_ERROR, "'@g' takes fewer arguments than the 1 of this call",
     "func.func @main(%x: tensor<f32>) {\n~call @g(%x) : (tensor<f32>) -> () return }\nfunc.func private @g() { return }"},
    {ATR_PARSE_ERROR, "the operation has 1 results, 2 are named", BODY("~%0:2 = stablehlo.add %a, %a : tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "'%0' has 1 results",
     BODY("%0 = stablehlo.add %a, %a : tensor<2x3xf32>\n"
          "%1 = stablehlo.add ~%0#1, %a : tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "the return has 1 results, this states more",
     "func.func @main(%a: tensor<f32>) -> (tensor<f32>, ~tensor<f32>) {\nreturn %a : tensor<f32> }"},
    {ATR_PARSE_ERROR, "'%a' is tensor<f32>, not tensor<f64>",
     "func.func @main(%a: tensor<f32>) -> ~tensor<f64> { return %a : tensor<f32> }"},
    {ATR_PARSE_ERROR, "expected an operation or the return", "func.func @main() { ~}"},
    {ATR_PARSE_ERROR, "expected '}' behind the return, found 'return'", "func.func @main() { return ~return }"},
    {ATR_UNSUPPORTED, "more than one block", "func.func @main() { ~^bb1: return }"},
    /* operations in general */
    {ATR_UNSUPPORTED, "operation 'stablehlo.sine' is not supported", BODY("%0 = ~stablehlo.sine %a : tensor<2x3xf32>")},
    {ATR_UNSUPPORTED, "operation 'stablehlo.sort' is not supported", BODY("%0 = ~\"stablehlo.sort\"(%a) ({}) : () -> ()")},
    /* reduce */
    {ATR_PARSE_ERROR, "expected '^'", BODY("%0 = \"stablehlo.reduce\"(%a) ({~}) : () -> ()")},
    {ATR_UNSUPPORTED, "reduce by 'stablehlo.maximum' is not supported, only by stablehlo.add",
     BODY("%0 = stablehlo.reduce(%a init: %a) applies ~stablehlo.maximum across dimensions = [0] : () -> ()")},
    {ATR_UNSUPPORTED, "reduce with a computation of its own is not supported",
     BODY("%0 = ~stablehlo.reduce(%a init: %a) across dimensions = [0] : () -> ()")},
    {ATR_PARSE_ERROR, "expected init: and the initial value", BODY("%0 = stablehlo.reduce(%a~, %a) applies stablehlo.add")},
    {ATR_PARSE_ERROR, "'dims' is not a key of stablehlo.reduce",
     BODY("%0 = stablehlo.reduce(%a init: %a) applies stablehlo.add across ~dims = [0] : () -> ()")},
    {ATR_PARSE_ERROR, "'%c' is tensor<f32>, not tensor<f64>",
     REDUCE("~tensor<f64>", "tensor<f32>", SUM("stablehlo.add", "%x, %y"))},
    {ATR_UNSUPPORTED, "reduce by 'stablehlo.multiply' is not supported, only by stablehlo.add",
     REDUCE("tensor<f32>", "tensor<f32>", SUM("~stablehlo.multiply", "%x, %y"))},
    {ATR_UNSUPPORTED, "reduce must add both arguments", REDUCE("tensor<f32>", "tensor<f32>", SUM("~stablehlo.add", "%x, %x"))},
    {ATR_UNSUPPORTED, "reduce must return the sum",
     REDUCE("tensor<f32>", "tensor<f32>", "%s = stablehlo.add %x, %y : tensor<f32> stablehlo.return ~%x : tensor<f32>")},
    {ATR_UNSUPPORTED, "reduce by more than stablehlo.add is not supported",
     REDUCE("tensor<f32>", "tensor<f32>", "%s = stablehlo.add %x, %y : tensor<f32> ~%t = stablehlo.abs %s : tensor<f32>")},
    {ATR_PARSE_ERROR, "stablehlo.reduce lacks dimensions",
     BODY("%c = stablehlo.constant dense<0.0> : tensor<f32>\n%0 = "
          "~\"stablehlo.reduce\"(%a, %c) ({ ^bb0(%x: tensor<f32>, %y: tensor<f32>): " SUM(
              "stablehlo.add", "%x, %y") " }) : (tensor<2x3xf32>, tensor<f32>) -> tensor<3xf32>")},
    {ATR_UNSUPPORTED, "operation 'stablehlo.parameter' is not supported", BODY("%0 = ~stablehlo.parameter 0 : tensor<4xf32>")},
    {ATR_UNSUPPORTED, "operation 'chlo.erf' is not supported", BODY("%0 = ~chlo.erf %a : tensor<2x3xf32>")},
    {ATR_UNSUPPORTED, "operation 'stablehlo.dynamic_conv' is not supported: padding must be constant",
     BODY("%0 = ~\"stablehlo.dynamic_conv\"(%a, %a, %b) : () -> ()")},
    {ATR_PARSE_ERROR, "'%q' is not defined", BODY("%0 = stablehlo.abs ~%q : tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "'%a' is defined twice", BODY("~%a = stablehlo.abs %b : tensor<i32>")},
    {ATR_PARSE_ERROR, "stablehlo.add takes 2 operands, not 1", BODY("%0 = ~stablehlo.add %a : tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "stablehlo.concatenate takes at least 1 operand, not 0",
     BODY("%0 = ~stablehlo.concatenate dim = 0 : () -> tensor<2xf32>")},
    {ATR_PARSE_ERROR, "'%b' is tensor<i32>, not tensor<2x3xf32>", BODY("%0 = stablehlo.add %a, %b : ~tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "1 types for 2 operands", BODY("%0 = stablehlo.add %a, %a : (tensor<2x3xf32>~) -> tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "more types than the 1 operands",
     BODY("%0 = stablehlo.abs %a : (tensor<2x3xf32>~, tensor<2x3xf32>) -> tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "expected '(', found 'tensor'", BODY("%0 = stablehlo.reshape %a : ~tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "attribute 'x' is given twice", BODY("%0 = stablehlo.abs %a {x = 1, ~x = 2} : tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "stablehlo.reverse lacks dimensions",
     BODY("%0 = ~\"stablehlo.reverse\"(%a) : (tensor<2x3xf32>) -> tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "stablehlo.iota lacks iota_dimension", BODY("%0 = ~\"stablehlo.iota\"() : () -> tensor<4xf32>")},
    {ATR_PARSE_ERROR, "stablehlo.iota takes 0 operands, not 1", BODY("%0 = ~stablehlo.iota %a, dim = 0 : tensor<4xf32>")},
    {ATR_PARSE_ERROR, "'dimension' is not a key of stablehlo.iota", BODY("%0 = stablehlo.iota ~dimension = 0 : tensor<4xf32>")},
    {ATR_PARSE_ERROR, "'%a' is tensor<2x3xf32>, not tensor<2x3xf64>",
     BODY("%0 = stablehlo.complex %a, %a : ~tensor<2x3xcomplex<f64>>")},
    {ATR_PARSE_ERROR, "'perm' is not a key of stablehlo.transpose",
     BODY("%0 = stablehlo.transpose %a, ~perm = [0, 1] : (tensor<2x3xf32>) -> tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "expected an integer, found 'x'", BODY("%0 = stablehlo.reverse %a, dims = [~x] : tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "takes numbers, not pairs", BODY("%0 = stablehlo.reverse %a, dims = ~[[0, 1]] : tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "more than 24 numbers",
     BODY("%0 = stablehlo.reverse %a, dims = [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,~0] : tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "this integer does not fit 64 bits",
     BODY("%0 = stablehlo.reverse %a, dims = [~9223372036854775808] : tensor<2x3xf32>")},
    {ATR_VERIFY_ERROR, "edge_padding_high has 1 entries, the operand has 2 dimensions",
     "func.func @main(%a: tensor<2x3xf32>, %b: tensor<f32>) -> tensor<2x3xf32> {\n%0 = stablehlo.pad %a, %b, low = [0, 0], "
     "high = "
     "~[0], interior = [0, 0] : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>\nreturn %0 : tensor<2x3xf32> }"},
    {ATR_VERIFY_ERROR, "the slice has 1 entries",
     BODY("%0 = stablehlo.slice %a ~[0:2] : (tensor<2x3xf32>) -> tensor<2x3xf32>")},
    {ATR_VERIFY_ERROR, "broadcast_dimensions has 1 entries",
     BODY("%0 = stablehlo.broadcast_in_dim %a, dims = ~[0] : (tensor<2x3xf32>) -> tensor<2x3xf32>")},
    {ATR_PARSE_ERROR, "a comparison direction is EQ",
     BODY("%0 = stablehlo.compare ~XX, %a, %a : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xi1>")},
    {ATR_UNSUPPORTED, "comparison type TOTALORDER of f32 elements is not supported",
     BODY("%0 = stablehlo.compare LT, %a, %a, ~TOTALORDER : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xi1>")},
    {ATR_UNSUPPORTED, "comparison type UNSIGNED of i32 elements is not supported",
     BODY("%0 = stablehlo.compare LT, %b, %b, ~UNSIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>")},
    /* convolutions */
    {ATR_PARSE_ERROR, "stablehlo.convolution lacks feature_group_count",
     "func.func @main(%x: tensor<5x3xf32>, %w: tensor<3x7xf32>) -> tensor<5x7xf32> {\n%y = ~stablehlo.convolution(%x, %w) "
     "dim_numbers "
     "= [b, f]x[i, o]->[b, f], window = {} {batch_group_count = 1 : i64} : (tensor<5x3xf32>, tensor<3x7xf32>) -> "
     "tensor<5x7xf32>\n"
     "return %y : tensor<5x7xf32> }"},
    {ATR_PARSE_ERROR, "'0' names two dimensions", CONV("[b, 0, ~0, f]x[0, 1, i, o]->[b, 0, 1, f]", "", ONES)},
    {ATR_PARSE_ERROR, "'b' names two dimensions", CONV("[b, 0, ~b, f]x[0, 1, i, o]->[b, 0, 1, f]", "", ONES)},
    {ATR_PARSE_ERROR, "lacks 'f'", CONV("~[b, 0, 1]x[0, 1, i, o]->[b, 0, 1, f]", "", ONES)},
    {ATR_PARSE_ERROR, "lacks spatial dimension 1", CONV("~[b, 0, 2, f]x[0, 1, i, o]->[b, 0, 1, f]", "", ONES)},
    {ATR_PARSE_ERROR, "expected 'i', 'o' or the number of a spatial dimension, found 'b'",
     CONV("[b, 0, 1, f]x[~b, 1, i, o]->[b, 0, 1, f]", "", ONES)},
    {ATR_PARSE_ERROR, "name 3, 4 and 4 dimensions", CONV("~[b, 0, f]x[0, 1, i, o]->[b, 0, 1, f]", "", ONES)},
    {ATR_VERIFY_ERROR, "name dimension 4 of rhs, which is tensor<3x3x3x4xf32>",
     CONV("~[b, 0, 1, 2, f]x[0, 1, i, o, 2]->[b, 0, 1, 2, f]", "", ONES)},
    {ATR_UNSUPPORTED, "rank above 12", CONV("[b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ~f]x[0, 1, i, o]->[b, 0, 1, f]", "", ONES)},
    {ATR_UNSUPPORTED, "more than 8 spatial", CONV("~[b, 0, 1, 2, 3, 4, 5, 6, 7, 8, f]x[0, 1, i, o]->[b, 0, 1, f]", "", ONES)},
    {ATR_VERIFY_ERROR, "stride has 1 entries, the convolution has 2 spatial dimensions", CONV(DIMS, "stride = ~[1]", ONES)},
    {ATR_PARSE_ERROR, "pad takes pairs", CONV(DIMS, "pad = ~[1, 1]", ONES)},
    {ATR_PARSE_ERROR, "stride takes numbers, not pairs", CONV(DIMS, "stride = ~[[1, 1], [2, 2]]", ONES)},
    {ATR_PARSE_ERROR, "'strides' is not a key", CONV(DIMS, "~strides = [1, 1]", ONES)},
    {ATR_PARSE_ERROR, "attribute 'window_strides' is given twice", CONV(DIMS, "stride = [1, 1], ~stride = [1, 1]", ONES)},
    {ATR_PARSE_ERROR, "a precision is DEFAULT, HIGH or HIGHEST",
     CONV(DIMS, "", ONES ", precision_config = [#stablehlo<precision ~LOW>]")},
    {ATR_VERIFY_ERROR, "more than the two entries",
     CONV(DIMS, "",
          ONES ", precision_config = [#stablehlo<precision HIGH>, #stablehlo<precision HIGH>, ~#stablehlo<precision HIGH>]")},
    /* literals */
    {ATR_PARSE_ERROR, "has 1 entries, dimension 0 of the type has 2",
     BODY("%0 = stablehlo.constant dense<[1~]> : tensor<2xi8>")},
    {ATR_PARSE_ERROR, "more entries than the 1 of dimension 0", BODY("%0 = stablehlo.constant dense<[1~, 2]> : tensor<1xi8>")},
    {ATR_PARSE_ERROR, "as deep as the type's rank", BODY("%0 = stablehlo.constant dense<[~1, 2]> : tensor<1x2xi8>")},
    {ATR_PARSE_ERROR, "deeper than the type's rank", BODY("%0 = stablehlo.constant dense<[~[1, 2]]> : tensor<1xi8>")},
    {ATR_PARSE_ERROR, "fewer elements than the 9223372036854775807 of",
     BODY("%0 = stablehlo.constant dense<~[1]> : tensor<9223372036854775807xi8>")},
    {ATR_PARSE_ERROR, "does not fit 64 bits", BODY("%0 = stablehlo.constant dense<~[1]> : tensor<9223372036854775807x4xi8>")},
    {ATR_PARSE_ERROR, "fewer elements than the 2 of tensor<2xi8>", BODY("%0 = stablehlo.constant dense<~> : tensor<2xi8>")},
    {ATR_PARSE_ERROR, "does not fit an element of type i8", BODY("%0 = stablehlo.constant dense<~256> : tensor<i8>")},
    {ATR_PARSE_ERROR, "does not fit an element of type i8", BODY("%0 = stablehlo.constant dense<~-129> : tensor<i8>")},
    {ATR_PARSE_ERROR, "does not fit an element of type ui8", BODY("%0 = stablehlo.constant dense<~-1> : tensor<ui8>")},
    {ATR_PARSE_ERROR, "does not fit an element of type ui64",
     BODY("%0 = stablehlo.constant dense<~18446744073709551616> : tensor<ui64>")},
    {ATR_PARSE_ERROR, "does not fit an element of type i1", BODY("%0 = stablehlo.constant dense<~2> : tensor<i1>")},
    {ATR_PARSE_ERROR, "must be an integer", BODY("%0 = stablehlo.constant dense<~1.5> : tensor<i8>")},
    {ATR_PARSE_ERROR, "more than the 32 bits of f32", BODY("%0 = stablehlo.constant dense<~0x1FF000000> : tensor<f32>")},
    {ATR_PARSE_ERROR, "cannot have a sign", BODY("%0 = stablehlo.constant dense<~-0x7F800000> : tensor<f32>")},
    {ATR_PARSE_ERROR, "expected a number, found 'true'", BODY("%0 = stablehlo.constant dense<~true> : tensor<f32>")},
    {ATR_PARSE_ERROR, "expected '(', found '1.0'", BODY("%0 = stablehlo.constant dense<~1.0> : tensor<complex<f32>>")},
    {ATR_PARSE_ERROR, "expected the end of the literal, found '2'", BODY("%0 = stablehlo.constant dense<1 ~2> : tensor<i8>")},
    {ATR_PARSE_ERROR, "has 3 bytes, its type has 2 elements of 4",
     BODY("%0 = stablehlo.constant dense<~\"0x000000\"> : tensor<2xf32>")},
    {ATR_PARSE_ERROR, "two hexadecimal digits each", BODY("%0 = stablehlo.constant dense<~\"0x0\"> : tensor<i8>")},
    {ATR_PARSE_ERROR, "two hexadecimal digits each", BODY("%0 = stablehlo.constant dense<~\"0xGG\"> : tensor<i8>")},
    {ATR_UNSUPPORTED, "dense_resource", BODY("%0 = stablehlo.constant ~dense_resource<x> : tensor<i8>")},
    {ATR_PARSE_ERROR, "the literal is tensor<i8>, the constant tensor<i16>",
     BODY("%0 = \"stablehlo.constant\"() <{value = dense<1> : ~tensor<i8>}> : () -> tensor<i16>")},
};
enum { ERRORS = sizeof errors / sizeof errors[0] };

START_TEST(test_error) {
  const error_case *c = &errors[_i];
  char *text = atr_arena_string(&arena, c->text, strlen(c->text)), *mark = strchr(text, '~');
  ck_assert_ptr_nonnull(mark);
  atr_span span = {(uint32_t)(mark - text) + 1, 1};
  memmove(mark, mark + 1, strlen(mark));
  atr_module *module = NULL;
  atr_status status = read_bytes(text, strlen(text), &module);
  uint32_t line, column;
  atr_source_position(work.source, span, &line, &column);
  ck_assert_msg(status == c->status, "status %d, wanted %d: %s\n%s", status, c->status, work.message, text);
  ck_assert_msg(strstr(work.message, c->message) != NULL, "no '%s' in\n%s", c->message, work.message);
  ck_assert_msg(work.line == line && work.column == column, "at %u:%u, wanted %u:%u\n%s", work.line, work.column, line, column,
                work.message);
}
END_TEST

/* ---- hostile text */

static const char *long_text(void) {
  const char *body = atr_arena_printf(&arena, "%%y = %s", conv_spellings[2]);
  return atr_arena_printf(&arena, "module @m attributes {a = 1 : i32} {\n%s}",
                          function(CONV_ARGS, "tensor<2x4x11x8xf32>", body));
}

/* Only the whole text is good; the shorter ones stand at the end of a block of their own, so that a sanitizer sees more. */
START_TEST(test_truncated) {
  const char *text = long_text();
  ck_assert_ptr_nonnull(read_good(text));
  for (size_t len = 0; len < strlen(text); len++) {
    char *copy = malloc(len + 1);
    memcpy(copy, text, len);
    atr_module *module = NULL;
    ck_assert_msg(read_bytes(copy, len, &module) != ATR_OK, "%zu bytes were enough", len);
    ck_assert_ptr_nonnull(work.message);
    free(copy);
  }
}
END_TEST

START_TEST(test_nested) {
  char text[20000];
  atr_module *module;
  static const char *const openers[] = {"[", "{", "(", "<", "func.func @f(", "module {", "\"func.func\"() ({", "loc(", "{-#"};
  for (size_t k = 0; k < sizeof openers / sizeof openers[0]; k++) {
    size_t len = 0, size = strlen(openers[k]);
    for (; len + size < sizeof text; len += size) memcpy(text + len, openers[k], size);
    ck_assert_int_ne(read_bytes(text, len, &module), ATR_OK);
  }
}
END_TEST

typedef struct failing {
  int64_t left, blocks;
} failing;

static void *failing_realloc(void *user, void *old, size_t old_size, size_t new_size) {
  failing *f = user;
  if (new_size != 0 && f->left-- <= 0) return NULL;
  f->blocks += (old == NULL) - (new_size == 0 && old != NULL);
  return atr_default_realloc(NULL, old, old_size, new_size);
}

/* Fails allocation k for k = 0, 1, ... until the text is read. */
START_TEST(test_out_of_memory) {
  atr_text text = atr_text_make(&arena); /* enough instructions for several blocks of the arena */
  atr_text_puts(&text, "func.func @main(%0: tensor<f32>) -> tensor<f32> {\n");
  for (int i = 1; i <= 400; i++) atr_text_printf(&text, "%%%d = stablehlo.add %%%d, %%0 : tensor<f32>\n", i, i - 1);
  atr_text_puts(&text, "return %400 : tensor<f32>\n}\n");
  atr_source source = (atr_source){.name = "t", .text = text.data, .len = text.len};
  bool done = false;
  for (volatile int64_t k = 0; !done; k++) {
    ck_assert_int_lt(k, 10000);
    failing f = {.left = k};
    atr_arena small;
    atr_arena_init(&small, failing_realloc, &f);
    if (setjmp(small.guard) == 0) {
      atr_work small_work = {.arena = &small, .source = &source};
      atr_module *module;
      ck_assert_int_eq(atr_stablehlo_read(&small_work, &module), ATR_OK);
      done = true;
    }
    atr_arena_fini(&small);
    ck_assert_int_eq(f.blocks, 0);
  }
}
END_TEST

/* ---- which language */

START_TEST(test_is_stablehlo) {
  static const char *const yes[] = {"module {}",
                                    "// HloModule\nmodule @m {}",
                                    "module{}",
                                    "  func.func @f() {}",
                                    "#loc = loc(unknown)",
                                    "\"builtin.module\"() ({",
                                    "\"func.func\"()",
                                    "!t = tensor<f32>",
                                    "builtin.module {}",
                                    "%0 = stablehlo.add %a, %b : tensor<f32>",
                                    "module"};
  static const char *const no[] = {"HloModule m",
                                   "HloModule stablehlo.m",
                                   "/* module */ HloModule m",
                                   "// module\nHloModule m, x=\"stablehlo.add\"",
                                   "ENTRY main {",
                                   "%main { ROOT a = f32[] parameter(0)\n // stablehlo.add",
                                   "module1 { a = f32[] parameter(0) }",
                                   "",
                                   "//",
                                   "/*",
                                   "/",
                                   "functional { a"};
  for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
    ck_assert_msg(atr_text_is_stablehlo(yes[i], strlen(yes[i])), "%s", yes[i]);
  for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
    ck_assert_msg(!atr_text_is_stablehlo(no[i], strlen(no[i])), "%s", no[i]);
}
END_TEST

int main(void) {
  Suite *s = suite_create("stablehlo");
  TCase *tc = tcase_create("reader");
  tcase_set_timeout(tc, 60);
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_loop_test(tc, test_operation, 0, OP_CASES);
  tcase_add_test(tc, test_conv_fields);
  tcase_add_loop_test(tc, test_conv_spelling, 0, CONV_SPELLINGS);
  tcase_add_test(tc, test_conv_rank_0);
  tcase_add_test(tc, test_spans);
  tcase_add_test(tc, test_broadcast_stretches);
  tcase_add_test(tc, test_splat_is_small);
  tcase_add_loop_test(tc, test_literal, 0, LITERALS);
  tcase_add_test(tc, test_calls);
  tcase_add_test(tc, test_row_major);
  tcase_add_test(tc, test_generic_module);
  tcase_add_test(tc, test_names);
  tcase_add_test(tc, test_inlining_is_bounded);
  tcase_add_test(tc, test_inlining_is_small);
  tcase_add_test(tc, test_long_body);
  tcase_add_loop_test(tc, test_error, 0, ERRORS);
  tcase_add_test(tc, test_truncated);
  tcase_add_test(tc, test_nested);
  tcase_add_test(tc, test_out_of_memory);
  tcase_add_test(tc, test_is_stablehlo);
  suite_add_tcase(s, tc);
  return run_suite(s);
}

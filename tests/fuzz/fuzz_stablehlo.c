/* fuzz_stablehlo.c - hostile StableHLO text.
 *
 * In: bytes. The reader must give a module whose ids are in range, or an error with a message; the verifier must then stand
 * whatever the reader lets through. Memory is capped, and running out of it is a legal answer. plain.h has the command line. */
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "plain.h"

enum { MEMORY_MAX = 64 << 20 };

static void *capped_realloc(void *user, void *old, size_t old_size, size_t new_size) {
  size_t *used = user;
  if (new_size > old_size && new_size - old_size > MEMORY_MAX - *used) return NULL;
  void *made = atr_default_realloc(NULL, old, old_size, new_size);
  if (made != NULL || new_size == 0) *used = *used - old_size + new_size;
  return made;
}

static void check_module(const atr_module *module) {
  for (atr_id id = 1; id <= module->count; id++) {
    const atr_inst *inst = atr_inst_at(module, id);
    if (inst->name == NULL || inst->shape.dtype == ATR_DTYPE_NONE) __builtin_trap();
    for (int i = 0; i < inst->operand_count; i++) {
      if (inst->operands[i] == 0 || inst->operands[i] >= id) __builtin_trap();
    }
  }
  for (int i = 0; i < module->result_count; i++) {
    if (module->results[i] == 0 || module->results[i] > module->count) __builtin_trap();
  }
}

static bool try_input(const uint8_t *data, size_t size) {
  size_t used = 0;
  volatile bool accepted = false;
  atr_arena arena;
  atr_arena_init(&arena, capped_realloc, &used);
  atr_source source = {.name = "fuzz", .text = (const char *)data, .len = size};
  atr_work work = {.arena = &arena, .source = &source};
  if (setjmp(arena.guard) == 0) {
    atr_module *module = NULL;
    (void)atr_text_is_stablehlo(source.text, size);
    atr_status status = atr_stablehlo_read(&work, &module);
    if (status == ATR_OK) {
      check_module(module);
      status = atr_verify_module(&work, module);
    }
    if (status == ATR_INTERNAL || (status == ATR_OK) != (work.message == NULL)) __builtin_trap();
    accepted = status == ATR_OK;
  }
  atr_arena_fini(&arena);
  return accepted;
}

static const char *const seeds[] = {
    "#loc1 = loc(\"z\")\n"
    "module @jit_f attributes {mhlo.num_partitions = 1 : i32} {\n"
    "  sdy.mesh @mesh = <[\"x\"=1]>\n"
    "  func.func public @main(%arg0: tensor<1x8x8x3xf32> {mhlo.layout_mode = \"default\"} loc(\"x\"), %arg1: "
    "tensor<3x3x3x4xf32>)"
    " -> (tensor<1x4x3x4xf32> {jax.result_info = \"result\"}, tensor<1x4x3x4xi1>) {\n"
    "    %0 = stablehlo.convolution(%arg0, %arg1) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = "
    "[2, 1],"
    " pad = [[1, 1], [0, -1]], lhs_dilate = [1, 1], rhs_dilate = [1, 2], reverse = [false, true]} {batch_group_count = 1 : i64,"
    " feature_group_count = 1 : i64, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision HIGHEST>]} :"
    " (tensor<1x8x8x3xf32>, tensor<3x3x3x4xf32>) -> tensor<1x4x3x4xf32> loc(#loc1)\n"
    "    %1:2 = call @relu(%0) : (tensor<1x4x3x4xf32>) -> (tensor<1x4x3x4xf32>, tensor<1x4x3x4xi1>)\n"
    "    return %1#0, %1#1 : tensor<1x4x3x4xf32>, tensor<1x4x3x4xi1>\n  }\n"
    "  func.func private @relu(%arg0: tensor<1x4x3x4xf32>) -> (tensor<1x4x3x4xf32>, tensor<1x4x3x4xi1>) {\n"
    "    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>\n"
    "    %0 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<1x4x3x4xf32>\n"
    "    %1 = stablehlo.maximum %arg0, %0 : tensor<1x4x3x4xf32>\n"
    "    %2 = stablehlo.compare GT, %1, %0, FLOAT : (tensor<1x4x3x4xf32>, tensor<1x4x3x4xf32>) -> tensor<1x4x3x4xi1>\n"
    "    return %1, %2 : tensor<1x4x3x4xf32>, tensor<1x4x3x4xi1>\n  }\n}\n",
    "\"builtin.module\"() <{sym_name = \"m\"}> ({\n"
    "  \"func.func\"() <{function_type = (tensor<2x3xf32>, tensor<f32>) -> tensor<3x1x6xf32>, sym_name = \"main\"}> ({\n"
    "  ^bb0(%arg0: tensor<2x3xf32>, %arg1: tensor<f32>):\n"
    "    %0 = \"stablehlo.pad\"(%arg0, %arg1) <{edge_padding_high = array<i64: 0, 2>, edge_padding_low = array<i64: 0, 1>,"
    " interior_padding = array<i64: 0, 0>}> : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x6xf32>\n"
    "    %1 = \"stablehlo.slice\"(%0) {limit_indices = array<i64: 1, 6>, start_indices = dense<0> : tensor<2xi64>,"
    " strides = array<i64: 1, 1>} : (tensor<2x6xf32>) -> tensor<1x6xf32>\n"
    "    %2 = \"func.call\"(%1) <{callee = @g}> : (tensor<1x6xf32>) -> tensor<3x1x6xf32>\n"
    "    \"func.return\"(%2) : (tensor<3x1x6xf32>) -> ()\n  }) : () -> ()\n"
    "  \"func.func\"() <{function_type = (tensor<1x6xf32>) -> tensor<3x1x6xf32>, sym_name = \"g\", sym_visibility = "
    "\"private\"}> ({\n"
    "  ^bb0(%arg0: tensor<1x6xf32>):\n"
    "    %0 = \"stablehlo.broadcast_in_dim\"(%arg0) <{broadcast_dimensions = array<i64: 1, 2>}> : (tensor<1x6xf32>) ->"
    " tensor<3x1x6xf32>\n"
    "    %1 = \"stablehlo.reverse\"(%0) <{dimensions = array<i64: 0>}> : (tensor<3x1x6xf32>) -> tensor<3x1x6xf32>\n"
    "    \"func.return\"(%1) : (tensor<3x1x6xf32>) -> ()\n  }) : () -> ()\n}) {a = 1 : i32} : () -> ()\n",
    "func.func @main(%a: tensor<2x2xcomplex<f32>>, %b: tensor<5x3xi8>) -> tensor<2xi1> {\n"
    "  %0 = stablehlo.constant dense<[[(1.0,-2.5e-1), (0x7FC00000,0.0)], [(3.0,4.0), (5.0,6.0)]]> : tensor<2x2xcomplex<f32>>\n"
    "  %1 = stablehlo.add %a, %0 : tensor<2x2xcomplex<f32>>\n"
    "  %2 = stablehlo.constant dense<\"0x000102030405060708090A0B0C0D0E\"> : tensor<5x3xi8>\n"
    "  %3 = stablehlo.clamp %2, %b, %2 : (tensor<5x3xi8>, tensor<5x3xi8>, tensor<5x3xi8>) -> tensor<5x3xi8>\n"
    "  %4 = stablehlo.concatenate %3, %b, dim = 0 : (tensor<5x3xi8>, tensor<5x3xi8>) -> tensor<10x3xi8>\n"
    "  %5 = stablehlo.slice %4 [0:10:2, 1:2] : (tensor<10x3xi8>) -> tensor<5x1xi8>\n"
    "  %6 = stablehlo.reshape %5 : (tensor<5x1xi8>) -> tensor<5xi8>\n"
    "  %7 = stablehlo.constant dense<[true, false]> : tensor<2xi1> // two\n"
    "  %8 = stablehlo.select %7, %7, %7 : tensor<2xi1>, tensor<2xi1>\n"
    "  return %8 : tensor<2xi1>\n}\n",
    "func.func @f(%x: tensor<1x3x8xf16>, %w: tensor<4x3x3xf16>) -> tensor<1x4x8xf16> {\n"
    "  %y = \"stablehlo.convolution\"(%x, %w) <{batch_group_count = 1 : i64, dimension_numbers = #stablehlo.conv<raw"
    " input_batch_dimension = 0, input_feature_dimension = 1, input_spatial_dimensions = [2], kernel_output_feature_dimension "
    "= 0,"
    " kernel_input_feature_dimension = 1, kernel_spatial_dimensions = [2], output_batch_dimension = 0, "
    "output_feature_dimension = 1,"
    " output_spatial_dimensions = [2]>, feature_group_count = 1 : i64, padding = dense<1> : tensor<1x2xi64>,"
    " window_reversal = dense<true> : tensor<1xi1>}> : (tensor<1x3x8xf16>, tensor<4x3x3xf16>) -> tensor<1x4x8xf16>\n"
    "  return %y : tensor<1x4x8xf16>\n}\n",
};

/* clang-format off */
static const char *const words[] = {
    "9223372036854775807", "-1", "18446744073709551616", "0", "[", "]", "{", "}", "<", ">", "(", ")", "\"", "%0", "%arg0",
    "@main", "dense<", "x", "?", "tensor<", "0x", "call @main", "//", "->", "1000000000000", "loc(", "^bb0:",
    "!quant.uniform<i8:f32, 0.1>", "\xff", "array<i64>", "1e999",
};
/* clang-format on */

const fuzz_plan fuzz = {
    .name = "fuzz_stablehlo",
    .seeds = seeds,
    .seed_count = FUZZ_COUNT(seeds),
    .words = words,
    .word_count = FUZZ_COUNT(words),
    .run = try_input,
};

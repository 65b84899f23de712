/* fuzz_stablehlo.c - hostile StableHLO text.
 *
 * In: bytes. The reader must give a module whose ids are in range, or an error with a message; the verifier must then stand
 * whatever the reader lets through. Memory is capped, and running out of it is a legal answer. With libFuzzer this file is a
 * target; without, main mutates the seeds below: flips, cuts, doubled pieces, pieces of another seed and interesting tokens.
 *
 *     fuzz_stablehlo [COUNT [FIRST]]   inputs FIRST to FIRST + COUNT - 1 (default 20000 from 0); a failure names its number */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/ir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY_MAX = 64 << 20, INPUT_MAX = 8192 };

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  size_t used = 0;
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
  }
  atr_arena_fini(&arena);
  return 0;
}

/* ---- without libFuzzer ------------------------------------------------------------------------- */

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
enum { SEEDS = sizeof seeds / sizeof seeds[0] };

static uint64_t next(uint64_t *state) {
  *state += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t x = (*state ^ *state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  return x ^ x >> 31;
}

/* Puts `size` bytes into the text at `at`, in the place of `gone` bytes. */
static size_t splice(char *text, size_t len, size_t at, size_t gone, const char *bytes, size_t size) {
  if (gone > len - at) gone = len - at;
  if (len - gone + size > INPUT_MAX) return len;
  char copy[INPUT_MAX];
  memcpy(copy, bytes, size); /* the bytes may be of the text itself */
  memmove(text + at + size, text + at + gone, len - at - gone);
  memcpy(text + at, copy, size);
  return len - gone + size;
}

static size_t mutate(uint64_t *state, char *text, size_t len) {
  static const char *const tokens[] = {"9223372036854775807",
                                       "-1",
                                       "18446744073709551616",
                                       "0",
                                       "[",
                                       "]",
                                       "{",
                                       "}",
                                       "<",
                                       ">",
                                       "(",
                                       ")",
                                       "\"",
                                       "%0",
                                       "%arg0",
                                       "@main",
                                       "dense<",
                                       "x",
                                       "?",
                                       "tensor<",
                                       "0x",
                                       "call @main",
                                       "//",
                                       "->",
                                       "1000000000000",
                                       "loc(",
                                       "^bb0:",
                                       "!quant.uniform<i8:f32, 0.1>",
                                       "\xff",
                                       "array<i64>",
                                       "1e999"};
  size_t at = next(state) % (len + 1), from = next(state) % (len + 1), n = next(state) % 24;
  switch (next(state) % 6) {
  case 0:
    if (at < len) text[at] = (char)(text[at] ^ (1 << n % 8));
    return len;
  case 1: return n == 0 ? at : len; /* cut, seldom */
  case 2: return splice(text, len, at, n, "", 0);
  case 3: return splice(text, len, at, 0, text + from, len - from < n * n ? len - from : n * n);
  case 4: {
    const char *token = tokens[next(state) % (sizeof tokens / sizeof tokens[0])];
    return splice(text, len, at, next(state) % 4, token, strlen(token));
  }
  case 5: {
    const char *seed = seeds[next(state) % SEEDS];
    size_t size = strlen(seed), start = next(state) % size;
    return splice(text, len, at, n, seed + start, size - start < 4 * n ? size - start : 4 * n);
  }
  }
  return len;
}

/* Says which input it was; after a signal, or called by a sanitizer that is about to end the process. */
static volatile sig_atomic_t current;

static void report(void) {
  char line[64];
  int len = snprintf(line, sizeof line, "\nfuzz_stablehlo: input %ld failed\n", (long)current);
  if (write(STDERR_FILENO, line, (size_t)len) < 0) return;
}

static void report_signal(int number) {
  report();
  signal(number, SIG_DFL);
  raise(number);
}

extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

/* A sanitizer reports bad addresses itself, and better, but not __builtin_trap. */
static void report_failures(void) {
  static const int signals[] = {SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGBUS};
  bool sanitized = __sanitizer_set_death_callback != NULL;
  if (sanitized) __sanitizer_set_death_callback(report);
  for (int i = 0; i < (sanitized ? 2 : 6); i++) signal(signals[i], report_signal);
}

int main(int argc, char **argv) {
  report_failures();
  uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000, first = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
  for (uint64_t number = first; number < first + count; number++) {
    uint64_t state = number;
    current = (sig_atomic_t)number;
    char text[INPUT_MAX];
    const char *seed = seeds[number % SEEDS];
    size_t len = strlen(seed);
    memcpy(text, seed, len);
    for (uint64_t steps = next(&state) % 6; steps > 0; steps--) len = mutate(&state, text, len);
    uint8_t *exact = malloc(len + 1); /* so that a sanitizer sees every byte too many */
    if (exact == NULL) return 77;
    memcpy(exact, text, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
  }
  printf("%llu inputs\n", (unsigned long long)count);
  return 0;
}

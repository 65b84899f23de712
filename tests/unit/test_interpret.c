/* test_interpret.c - the interpreter against answers that were made without it.
 *
 * In: tests/data/interpret.txt, whose cases come from JAX and from loops over the definition (its maker,
 * scripts/make-interpret-vectors.py, describes the format), and the golden vectors of the rules that implementations get
 * wrong, written here in the same format:
 *
 *     convolution labels=bf0_oi0->bf0 window=2,1,-1,0,2,1,0,0 groups=1,1
 *     arg f32[1,1,4] 1 2 3 4
 *     arg f32[1,1,2] 1 10
 *     out f32[1,1,5] 20 2 30 3 40
 *
 * Each case is one test: arguments are laid out as their layouts say, results are read back by them, and compared by value,
 * exactly unless the case says `ulps=N`. A block of guard bytes behind every result must stay as it was. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "ir/ir.h"
#include "vector_fixture.h"

static atr_work work = {.arena = &arena};

/* ---- reading a case */

typedef struct problem {
  atr_inst inst;
  tensor args[4], out;
  int arg_count, ulps;
  bool multiply_padding;
} problem;

/* Numbers between commas and semicolons, up to the end of the word. */
static int read_list(const char **at, int64_t *list, int room) {
  int count = 0;
  while (**at != '\0' && **at != ' ' && **at != '\n') {
    ck_assert_int_lt(count, room);
    list[count++] = read_int(at);
    if (**at == ',' || **at == ';') ++*at;
  }
  return count;
}

static void read_window(const char **at, atr_conv *conv) {
  int64_t list[8 * ATR_MAX_SPATIAL];
  conv->spatial = read_list(at, list, 8 * ATR_MAX_SPATIAL) / 8;
  for (int d = 0; d < conv->spatial; d++) {
    const int64_t *w = &list[8 * d];
    conv->window[d] = (atr_window_dim){w[0], w[1], w[2], w[3], w[4], w[5], w[6] != 0, (atr_edge_mode)w[7]};
  }
}

/* b01f_01io->b01f: each character is a dimension, in order. */
static void read_labels(const char **at, atr_conv *conv) {
  int array = 0, dim = 0;
  for (; **at != ' '; ++*at, ++dim) {
    char c = **at;
    if (c == '_' || c == '-') {
      *at += c == '-';
      array++, dim = -1;
    } else if (c == 'b' || c == 'f') {
      int *of_lhs = c == 'b' ? &conv->lhs_batch : &conv->lhs_feature;
      int *of_out = c == 'b' ? &conv->out_batch : &conv->out_feature;
      *(array == 0 ? of_lhs : of_out) = dim;
    } else if (c == 'i' || c == 'o') {
      *(c == 'i' ? &conv->rhs_input_feature : &conv->rhs_output_feature) = dim;
    } else {
      (array == 0 ? conv->lhs_spatial : array == 1 ? conv->rhs_spatial : conv->out_spatial)[c - '0'] = dim;
    }
  }
}

static void read_attribute(const char **at, problem *p) {
  int64_t list[3 * ATR_MAX_RANK];
  if (skip(at, "labels=")) read_labels(at, p->inst.u.conv);
  else if (skip(at, "window=")) read_window(at, p->inst.u.conv);
  else if (skip(at, "groups=")) {
    read_list(at, list, 2);
    p->inst.u.conv->feature_group_count = list[0];
    p->inst.u.conv->batch_group_count = list[1];
  } else if (skip(at, "dims=")) {
    p->inst.u.dims.count = read_list(at, list, ATR_MAX_RANK);
    p->inst.u.dims.dims = atr_arena_grow(&arena, list, sizeof list, sizeof list);
  } else if (skip(at, "padding=") || skip(at, "slices=")) { /* both are rows of three numbers */
    read_list(at, list, 3 * ATR_MAX_RANK);
    void *rows = atr_arena_grow(&arena, list, sizeof list, sizeof list);
    if (p->inst.op == ATR_OP_PAD) p->inst.u.pad = rows;
    else p->inst.u.slice = rows;
  } else if (skip(at, "direction=")) p->inst.u.direction = (atr_direction)read_int(at);
  else if (skip(at, "ulps=")) p->ulps = (int)read_int(at);
  else if (skip(at, "multiply_padding=")) p->multiply_padding = read_int(at) != 0;
  else ck_abort_msg("unknown attribute at '%.20s'", *at);
}

static problem read_problem(const char *at) {
  problem p = {.ulps = 0};
  size_t len = strcspn(at, " \n");
  if (strncmp(at, "case ", 5) == 0) {
    at += strcspn(at, "\n") + 1;
    len = strcspn(at, " \n");
  }
  p.inst.op = atr_op_from_name(at, len);
  ck_assert_msg(p.inst.op != ATR_OP_NONE, "unknown operation '%.*s'", (int)len, at);
  if (atr_op_kind_of(p.inst.op) == ATR_KIND_CONV) p.inst.u.conv = ATR_NEW(&arena, atr_conv);
  for (at += len; skip(&at, " ");) read_attribute(&at, &p);
  while (skip(&at, "\n")) {
    if (skip(&at, "arg ")) p.args[p.arg_count++] = read_tensor(&at);
    else if (skip(&at, "out ")) p.out = read_tensor(&at);
    else break;
  }
  return p;
}

/* ---- running and comparing */

static atr_id add_parameter(atr_module *module, const atr_shape *shape) {
  atr_inst inst = {.op = ATR_OP_PARAMETER, .shape = *shape, .u.parameter = module->parameter_count};
  module->parameters = atr_arena_grow(&arena, module->parameters, sizeof(atr_id) * (size_t)module->parameter_count,
                                      sizeof(atr_id) * (size_t)(module->parameter_count + 1));
  return module->parameters[module->parameter_count++] = atr_module_add(module, &inst);
}

static atr_id add_op(atr_module *module, atr_op op, const atr_shape *shape, atr_id a, atr_id b) {
  atr_inst inst = {.op = op, .shape = *shape, .operand_count = atr_op_operand_count(op), .operands = (atr_id[]){a, b}};
  return atr_module_add(module, &inst);
}

static atr_id add_constant(atr_module *module, const atr_shape *shape, const void *literal) {
  return atr_module_add(module, &(atr_inst){.op = ATR_OP_CONSTANT, .shape = *shape, .u.literal = literal});
}

static void set_results(atr_module *module, const atr_id *ids, int count) {
  module->results = atr_arena_grow(&arena, ids, sizeof(atr_id) * (size_t)count, sizeof(atr_id) * (size_t)count);
  module->result_count = count;
}

static atr_module *module_of(const problem *p) {
  atr_module *module = atr_module_new(&arena, "test");
  atr_id operands[4];
  for (int i = 0; i < p->arg_count; i++)
    operands[i] = p->inst.op == ATR_OP_REDUCE && i == 1 ? add_constant(module, &p->args[i].shape, p->args[i].memory)
                                                        : add_parameter(module, &p->args[i].shape);
  atr_inst inst = p->inst;
  inst.shape = p->out.shape;
  inst.operands = operands;
  inst.operand_count = p->arg_count;
  atr_id root = atr_module_add(module, &inst);
  set_results(module, &root, 1);
  return module;
}

static atr_status run(const problem *p, const void *a, const void *b, void *result) {
  return atr_interpret(&work, module_of(p), NULL, (const void *const[]){a, b}, (void *const[]){result});
}

enum { GUARD = 32 };

static void check_text(const char *text) {
  problem p = read_problem(text);
  atr_module *module = module_of(&p);
  const void *args[4] = {p.args[0].memory, p.args[1].memory, p.args[2].memory, p.args[3].memory};
  size_t bytes = (size_t)atr_shape_bytes(&p.out.shape);
  unsigned char *got = atr_arena_alloc(&arena, bytes + GUARD);
  memset(got, 0xa5, bytes + GUARD);
  ck_assert_msg(atr_verify_module(&work, module) == ATR_OK, "%s", work.message); /* the case itself is legal */
  atr_interpret_options options = {.multiply_padding = p.multiply_padding};
  ck_assert_int_eq(atr_interpret(&work, module, &options, args, (void *const[]){got}), ATR_OK);
  compare(&p.out, got, p.ulps);
  for (size_t i = 0; i < GUARD; i++) ck_assert_uint_eq(got[bytes + i], 0xa5);
}

/* ---- the committed cases */

START_TEST(test_vector) {
  check_text(blocks[_i]);
}
END_TEST

START_TEST(test_vectors_present) {
  ck_assert_msg(block_count >= 799, "tests/data/interpret.txt has %d cases", block_count);
}
END_TEST

/* ---- golden vectors, by the rule they belong to; all have one batch row and one dimension unless they say more */

#define CONV_1D(window) "convolution labels=bf0_oi0->bf0 window=" window " groups=1,1\n"

/* No spatial dimensions: a product with the transpose of rhs. */
#define MATRIX "convolution labels=bf_oi->bf window= groups=1,1\n"

/* The vectors of real numbers that every dtype can hold. %s is the dtype. */
static const char *const every_dtype[] = {
  /* dilate, then crop, then slide */
  CONV_1D("2,1,-1,0,2,1,0,0") "arg %s[1,1,4] 1 2 3 4\narg %s[1,1,2] 1 10\nout %s[1,1,5] 20 2 30 3 40",
  /* same padding of a kernel of two puts its extra zero on the right */
  CONV_1D("2,1,0,1,1,1,0,0") "arg %s[1,1,4] 1 0 0 0\narg %s[1,1,2] 1 2\nout %s[1,1,4] 1 0 0 0",
  /* a transposed convolution: input dilation, flipped kernel, kernel - 1 - pad around */
  CONV_1D("3,1,2,0,2,1,1,0") "arg %s[1,1,5] 1 2 3 4 5\narg %s[1,1,3] 1 2 3\nout %s[1,1,9] 1 2 5 4 9 6 13 8 17",
  /* padding beyond an empty input */
  CONV_1D("2,1,1,2,1,1,0,0") "arg %s[1,1,0]\narg %s[1,1,2] 1 2\nout %s[1,1,2] 0 0",
  /* no input features: zeros */
  CONV_1D("2,1,0,0,1,1,0,0") "arg %s[1,0,3]\narg %s[1,0,2]\nout %s[1,1,2] 0 0",
  /* a window that does not fit */
  CONV_1D("5,1,0,0,1,1,0,0") "arg %s[1,1,2] 1 2\narg %s[1,1,5] 1 1 1 1 1\nout %s[1,1,0]",
  /* no spatial dimensions: a matrix product */
  "convolution labels=bf_io->bf window= groups=1,1\n"
  "arg %s[2,2] 1 2 3 4\narg %s[2,3] 1 0 2 0 1 1\nout %s[2,3] 1 2 4 3 4 10",
  /* two groups of two channels, and a depthwise multiplier of two: o = c*m + j */
  "convolution labels=bf_oi->bf window= groups=2,1\narg %s[1,4] 1 2 3 4\narg %s[2,2] 1 1 1 2\nout %s[1,2] 3 11",
  "convolution labels=bf_oi->bf window= groups=2,1\narg %s[1,2] 2 3\narg %s[4,1] 1 2 3 4\nout %s[1,4] 2 4 9 12",
  /* batch groups: features 0 and 1 read batch rows 0 and 1, features 2 and 3 rows 2 and 3 */
  "convolution labels=bf_oi->bf window= groups=1,2\n"
  "arg %s[4,1] 1 2 3 4\narg %s[4,1] 1 2 3 4\nout %s[2,4] 1 2 9 12 2 4 12 16",
};

/* Wide dtypes only: the results pass 127. */
static const char *const wide_dtypes[] = {
  /* reversal, alone and with dilation and padding */
  CONV_1D("3,1,0,0,1,1,0,0") "arg %s[1,1,5] 1 2 3 4 5\narg %s[1,1,3] 1 10 100\nout %s[1,1,3] 321 432 543",
  CONV_1D("3,1,0,0,1,1,1,0") "arg %s[1,1,5] 1 2 3 4 5\narg %s[1,1,3] 1 10 100\nout %s[1,1,3] 123 234 345",
  CONV_1D("3,1,2,2,1,2,1,0") "arg %s[1,1,5] 1 2 3 4 5\narg %s[1,1,3] 1 10 100\nout %s[1,1,5] 13 24 135 240 350",
  /* the output of a transposed convolution cut to size: the smaller or the larger half at the start */
  CONV_1D("3,1,2,1,2,1,1,0") "arg %s[1,1,5] 1 2 3 4 5\narg %s[1,1,3] 1 10 100\nout %s[1,1,10] 1 10 102 20 203 30 304 40 405 50",
  CONV_1D("3,1,1,2,2,1,1,0") "arg %s[1,1,5] 1 2 3 4 5\narg %s[1,1,3] 1 10 100\n"
  "out %s[1,1,10] 10 102 20 203 30 304 40 405 50 500",
  /* a dilated same window of stride 2: lo 1, hi 2 */
  CONV_1D("3,2,1,2,1,2,0,0") "arg %s[1,1,6] 1 2 3 4 5 6\narg %s[1,1,3] 1 10 100\nout %s[1,1,3] 420 642 64",
  /* window attributes go by the spatial index, whatever the order of dimensions is: 1x3 with stride 2, kernel stored 3x1 */
  "convolution labels=1b0f_1i0o->f0b1 window=1,1,0,0,1,1,0,0;3,2,0,0,1,1,0,0 groups=1,1\n"
  "arg %s[5,1,2,1] 1 6 2 7 3 8 4 9 5 0\narg %s[3,1,1,1] 1 10 100\nout %s[1,2,1,2] 321 543 876 98",
  /* edges: reflect leaves the edge out, replicate repeats it, circular wraps, also twice around; a crop moves into the array */
  CONV_1D("1,1,2,2,1,1,0,1") "arg %s[1,1,4] 1 2 3 4\narg %s[1,1,1] 100\nout %s[1,1,8] 300 200 100 200 300 400 300 200",
  CONV_1D("1,1,2,2,1,1,0,2") "arg %s[1,1,4] 1 2 3 4\narg %s[1,1,1] 100\nout %s[1,1,8] 100 100 100 200 300 400 400 400",
  CONV_1D("1,1,2,2,1,1,0,3") "arg %s[1,1,4] 1 2 3 4\narg %s[1,1,1] 100\nout %s[1,1,8] 300 400 100 200 300 400 100 200",
  CONV_1D("1,1,5,4,1,1,0,3") "arg %s[1,1,2] 1 2\narg %s[1,1,1] 100\nout %s[1,1,11] 200 100 200 100 200 100 200 100 200 100 200",
  CONV_1D("1,1,-1,2,1,1,0,1") "arg %s[1,1,4] 1 2 3 4\narg %s[1,1,1] 100\nout %s[1,1,5] 200 300 400 300 200",
  CONV_1D("1,1,3,3,1,1,0,2") "arg %s[1,1,1] 7\narg %s[1,1,1] 100\nout %s[1,1,7] 700 700 700 700 700 700 700",
  /* unshared weights; the input feature dimension is channel * window, channel slowest; kernel 2, then the same reversed */
  "local-convolution labels=bf0_oi0->bf0 window=2,1,0,0,1,1,0,0 groups=1,1\n"
  "arg %s[1,2,3] 1 2 3 4 5 6\narg %s[1,4,2] 1 2 10 20 100 200 0 1\nout %s[1,1,2] 421 1070",
  "local-convolution labels=bf0_oi0->bf0 window=2,1,0,0,1,1,1,0 groups=1,1\n"
  "arg %s[1,2,3] 1 2 3 4 5 6\narg %s[1,4,2] 1 2 10 20 100 200 0 1\nout %s[1,1,2] 512 1251",
  /* 2x2 windows whose dimensions stand in rhs as (1, 0): weight index is k1*2 + k0 */
  "local-convolution labels=bf01_oi10->bf01 window=2,1,0,0,1,1,0,0;2,1,0,0,1,1,0,0 groups=1,1\n"
  "arg %s[1,1,2,2] 1 2 3 4\narg %s[1,4,1,1] 1 10 100 1000\nout %s[1,1,1,1] 4231",
  /* a local convolution in two groups */
  "local-convolution labels=bf0_oi0->bf0 window=1,1,0,0,1,1,0,0 groups=2,1\n"
  "arg %s[1,2,2] 1 2 3 4\narg %s[2,1,2] 1 10 100 1000\nout %s[1,2,2] 1 20 300 4000",
};

/* One number of each dtype, written with its own operands. */
static const char *const single_dtype[] = {
  /* integers wrap in the result type, and operands are widened first: u8 with zeros, s8 with its sign */
  MATRIX "arg s8[1,4] 100 100 100 100\narg s8[1,4] 100 100 100 100\nout s8[1,1] 64",
  MATRIX "arg s8[1,4] 100 100 100 100\narg s8[1,4] 100 100 100 100\nout s32[1,1] 40000",
  MATRIX "arg u8[1,1] 200\narg u8[1,1] 200\nout s32[1,1] 40000",
  MATRIX "arg u8[1,1] 200\narg s8[1,1] -100\nout s32[1,1] -20000",
  MATRIX "arg s8[1,2] -128 -128\narg s8[1,2] -128 -128\nout f32[1,1] 32768",
  MATRIX "arg s64[1,1] 4611686018427387905\narg s64[1,1] 4\nout s64[1,1] 4",
  MATRIX "arg u64[1,1] 18446744073709551615\narg u64[1,1] 18446744073709551615\nout u64[1,1] 1",
  /* pred: OR of ANDs; 256 true pairs are still true */
  MATRIX "arg pred[2,2] 1 0 1 1\narg pred[2,2] 0 1 1 1\nout pred[2,2] 0 1 1 1",
  /* rounded once, at the end: 256 + 299 * 0.25 */
  CONV_1D("1,1,0,0,1,1,0,0") "arg f16[1,2,1] 256 74.75\narg f16[1,2,1] 1 1\nout f16[1,1,1] 330.75",
  CONV_1D("1,1,0,0,1,1,0,0") "arg bf16[1,2,1] 256 74.5\narg bf16[1,2,1] 1 1\nout bf16[1,1,1] 330",
  CONV_1D("3,1,0,0,1,1,0,0") "arg f32[1,1,3] 16777216 1 1\narg f32[1,1,3] 1 1 1\nout f32[1,1,1] 16777218",
  /* f64 sums go by window position, then input feature: 1 + 1e16 loses the 1, - 1e16 leaves 0, + 3 */
  CONV_1D("2,1,0,0,1,1,0,0") "arg f64[1,2,2] 1 -1e16 1e16 3\narg f64[1,2,2] 1 1 1 1\nout f64[1,1,1] 3",
  /* complex numbers are multiplied, not conjugated */
  MATRIX "arg c64[1,1] 1 2\narg c64[1,1] 3 4\nout c64[1,1] -5 10",
  MATRIX "arg c128[1,1] inf nan\narg c128[1,1] 1 1\nout c128[1,1] nan nan",
  MATRIX "arg c64[1,1] 1 2\narg c64[1,1] 3 4\nout c128[1,1] -5 10",
  /* padding contributes nothing, or 0 * inf = nan when it is multiplied; holes never do; nor do integers change */
  CONV_1D("2,1,1,0,1,1,0,0") "arg f32[1,1,2] 1 2\narg f32[1,1,2] inf 1\nout f32[1,1,2] 1 inf",
  "convolution multiply_padding=1 labels=bf0_oi0->bf0 window=2,1,1,0,1,1,0,0 groups=1,1\n"
  "arg f32[1,1,2] 1 2\narg f32[1,1,2] inf 1\nout f32[1,1,2] nan inf",
  "convolution multiply_padding=1 labels=bf01_oi01->bf01 window=1,1,0,0,1,1,0,0;2,1,1,0,1,1,0,0 groups=1,1\n"
  "arg f32[1,1,2,2] 1 2 3 4\narg f32[1,1,1,2] inf 1\nout f32[1,1,2,2] nan inf nan inf",
  "convolution multiply_padding=1 labels=bf0_oi0->bf0 window=2,1,0,0,2,1,0,0 groups=1,1\n"
  "arg f32[1,1,2] 1 2\narg f32[1,1,2] inf 1\nout f32[1,1,2] inf 2",
  "convolution multiply_padding=1 labels=bf0_oi0->bf0 window=2,1,1,1,1,1,0,0 groups=1,1\n"
  "arg s32[1,1,2] 1 2\narg s32[1,1,2] 5 7\nout s32[1,1,3] 7 19 10",
  "convolution multiply_padding=1 labels=bf0_oi0->bf0 window=2,1,1,0,1,1,0,2 groups=1,1\n"
  "arg f32[1,1,2] 1 2\narg f32[1,1,2] inf 1\nout f32[1,1,2] inf inf",
  /* one infinity stays in its group and its window */
  "convolution labels=bf_oi->bf window= groups=2,1\narg f64[1,4] inf 1 1 1\narg f64[2,2] 1 1 1 1\nout f64[1,2] inf 2",
  /* no input features, and so a window that takes no memory however large it is */
  CONV_1D("1099511627776,1,0,1099511627776,1,1,0,0") "arg f32[1,0,4]\narg f32[1,0,1099511627776]\nout f32[1,1,5] 0 0 0 0 0",
  /* crops far outside, and steps that are never taken */
  CONV_1D("1,1,-9223372036854775805,9223372036854775805,1,1,0,0") "arg f32[1,1,2] 1 2\narg f32[1,1,1] 3\nout f32[1,1,2] 0 0",
  "slice slices=1,2,4611686018427387904;0,1,4611686018427387904\narg s8[2,3] 1 2 3 4 5 6\nout s8[1,1] 4",
  "pad padding=-9223372036854775807,9223372036854775807,0\narg s8[2] 1 2\narg s8[] 9\nout s8[2] 9 9",
  "pad padding=1,-1,1\narg s8[3] 1 2 3\narg s8[] 9\nout s8[5] 9 1 9 2 9",
  "pad padding=-1,-1,1\narg s8[3] 1 2 3\narg s8[] 9\nout s8[3] 9 2 9",
  /* integer division has no traps */
  "divide\narg s8[4] 7 -128 -7 0\narg s8[4] 0 -1 2 0\nout s8[4] -1 -128 -3 -1",
  "divide\narg s64[2] -9223372036854775808 5\narg s64[2] -1 0\nout s64[2] -9223372036854775808 -1",
  "divide\narg u8[2] 7 255\narg u8[2] 0 2\nout u8[2] 255 127",
  "divide\narg f32[1] 1\narg f32[1] 3.40282347e38\nout f32[1] 2.938736e-39",
  "abs\narg s32[2] -2147483648 -3\nout s32[2] -2147483648 3",
  "abs\narg c64[1] 3 -4\nout f32[1] 5",
  /* NaN in either place; clamp of a NaN, and with the bounds crossed */
  "maximum\narg f32[3] nan 1 -inf\narg f32[3] 1 nan 2\nout f32[3] nan nan 2",
  "minimum\narg f32[3] nan 1 -inf\narg f32[3] 1 nan 2\nout f32[3] nan nan -inf",
  "clamp\narg f32[] 0\narg f32[4] nan -1 3 9\narg f32[] 6\nout f32[4] nan 0 3 6",
  "clamp\narg s8[] 5\narg s8[2] 3 9\narg s8[] 4\nout s8[2] 4 4",
  "compare direction=1\narg f32[2] nan 1\narg f32[2] nan 1\nout pred[2] 1 0",
  "compare direction=5\narg f32[2] nan 1\narg f32[2] nan 1\nout pred[2] 0 1",
  "select\narg pred[] 1\narg s8[2] 1 2\narg s8[2] 3 4\nout s8[2] 1 2",
  "logistic\narg f32[3] 0 inf -inf\nout f32[3] 0.5 1 0",
  "round-nearest-even\narg f32[7] 0.5 1.5 -2.5 -0.25 8388609 inf nan\nout f32[7] 0 2 -2 -0 8388609 inf nan",
  "round-nearest-even\narg f64[5] 0.49999999999999994 2.5 -3.5 4503599627370497 1e300\nout f64[5] 0 2 -4 4503599627370497 1e300",
  "round-nearest-even\narg bf16[4] 2.5 -0.5 254.5 inf\nout bf16[4] 2 -0 254 inf",
  /* complex: beside poles, where the exponential is infinite, and where all depends on one part */
  "logistic ulps=4\narg c128[3] 0 3.14159 0.001953125 -3.141592 0.5 2\n"
  "out c128[3] 0.5 376847.99757040443 512.500105425335 -0.17133456906389274 0.8662056162320153 0.6390190451118546",
  "logistic ulps=4\narg c128[2] 3 2 -3 2\n"
  "out c128[2] 1.0189793914289662 0.0471064600647722 -0.01897939142896622 0.0471064600647722",
  "logistic\narg c128[3] -712 0 inf nan -inf inf\nout c128[3] 6.05799464199894e-310 0 1 0 0 0",
  "logistic\narg c128[3] nan 0 0 inf nan 1\nout c128[3] nan 0 0.5 nan nan nan",
  /* the ends of their ranges: the last finite number, the first infinity, subnormal numbers, the first 0, and what is 1 */
  "exponential ulps=1\narg f64[8] 709.78 709.79 -708.4 -745.13 -745.14 1e-320 -inf nan\n"
    "out f64[8] 1.7928227943945155e+308 inf 2.217119081664265e-308 5e-324 0 1 0 nan",
  "exponential ulps=1\narg f32[8] 88.72283 88.72284 -87.34 -103.27 -103.98 1e-40 -inf nan\n"
    "out f32[8] 3.4027985e+38 inf 1.171444e-38 1e-45 0 1 0 nan",
  "exponential ulps=1\narg f16[7] 11.0859375 11.09375 -9.71875 -16.625 -17.34375 -inf nan\n"
    "out f16[7] 6.525e+04 inf 6.014e-05 6e-08 0 0 nan",
  "exponential ulps=1\narg bf16[6] 88.5 89 -88 -92 -92.5 nan\n"
    "out bf16[6] 2.72492e+38 inf 6.06114e-39 9.18355e-41 9.18355e-41 nan",
  "tanh ulps=1\narg f64[8] 18 20 -1e300 1e-300 -5e-324 inf -inf nan\n"
    "out f64[8] 0.9999999999999996 1 -1 1e-300 -5e-324 1 -1 nan",
  "tanh ulps=1\narg f32[8] 8 10 -3e38 1e-30 -1e-45 inf -inf nan\n"
    "out f32[8] 0.99999976 1 -1 1e-30 -1e-45 1 -1 nan",
  "logistic ulps=1\narg f64[10] -709.5 -715 -744 -745.14 -1e308 36 38 1e308 -inf nan\n"
    "out f64[10] 7.38014831401258e-309 3.016097934134e-311 1e-323 0 0 0.9999999999999998 1 1 0 nan",
  "logistic ulps=4\narg c128[2] -715 0.5 715 0.5\nout c128[2] 2.646874951949e-311 1.445994376555e-311 1 1.445994376555e-311",
  "logistic ulps=1\narg f32[10] -87 -95 -103 -104 -3e38 16 18 3e38 -inf nan\n"
    "out f32[10] 1.6458115e-38 5.521e-42 1e-45 0 0 0.9999999 1 1 0 nan",
  "logistic ulps=1\narg f16[6] -9 -12 -16 -17.5 8 nan\n"
    "out f16[6] 0.0001234 6.14e-06 1e-07 0 0.9995 nan",
  "add\narg s8[1] 100\narg s8[1] 100\nout s8[1] -56",
  "convert\narg f32[4] nan 300 -300 -0.9\nout s8[4] 0 127 -128 0",
  "concatenate dims=0\narg s8[0]\narg s8[2] 1 2\nout s8[2] 1 2",
  /* sums in wide arithmetic, rounded or wrapped once; the second operand is the zero they start at */
  "reduce dims=1\narg f32[2,3] 1 2 4 8 16 32\narg f32[] 0\nout f32[2] 7 56",
  "reduce dims=2,0\narg f32[2,3,2]{0,1,2} 1 2 3 4 5 6 7 8 9 10 11 12\narg f32[] 0\nout f32[3] 18 26 34",
  "reduce dims=0,1\narg s8[2,2] 100 100 100 -2\narg s8[] 0\nout s8[] 42",
  "reduce dims=\narg u16[2] 3 65535\narg u16[] 0\nout u16[2] 3 65535",
  "reduce dims=0\narg f32[0,2]\narg f32[] 0\nout f32[2] 0 0",
  "reduce dims=1\narg f32[0,2]\narg f32[] 0\nout f32[0]",
  "reduce dims=0\narg bf16[3] 256 1 1\narg bf16[] 0\nout bf16[] 258",
  "reduce dims=0\narg f16[3] 60000 60000 -60000\narg f16[] 0\nout f16[] 60000",
  "reduce dims=0\narg c64[3] 1 2 inf 3 2 -9\narg c64[] 0 0\nout c64[] inf -4",
  /* parts of complex numbers are copied, NaN and infinity too; a real number has the imaginary part 0 */
  "real\narg c64[3] 1 -2 inf nan nan 3\nout f32[3] 1 inf nan",
  "imag\narg c128[3] 1 -2 inf nan 0 3\nout f64[3] -2 nan 3",
  "real\narg f16[2] 1.5 -inf\nout f16[2] 1.5 -inf",
  "imag\narg bf16[2] 1.5 nan\nout bf16[2] 0 0",
  "complex\narg f32[3] 1 nan inf\narg f32[3] 2 inf -0.5\nout c64[3] 1 2 nan inf inf -0.5",
  "complex\narg f64[1] 0.1\narg f64[1] 1e-300\nout c128[1] 0.1 1e-300",
  /* bits, of pred one */
  "and\narg pred[4] 0 0 1 1\narg pred[4] 0 1 0 1\nout pred[4] 0 0 0 1",
  "or\narg pred[4] 0 0 1 1\narg pred[4] 0 1 0 1\nout pred[4] 0 1 1 1",
  "xor\narg pred[4] 0 0 1 1\narg pred[4] 0 1 0 1\nout pred[4] 0 1 1 0",
  "not\narg pred[2] 0 1\nout pred[2] 1 0",
  "and\narg s8[2] -128 12\narg s8[2] -1 10\nout s8[2] -128 8",
  "or\narg u8[2] 128 12\narg u8[2] 1 10\nout u8[2] 129 14",
  "xor\narg s64[2] -1 12\narg s64[2] 9223372036854775807 10\nout s64[2] -9223372036854775808 6",
  "not\narg s16[3] 0 -1 32767\nout s16[3] -1 0 -32768",
  "not\narg u32[2] 0 1\nout u32[2] 4294967295 4294967294",
  "not\narg u64[1] 0\nout u64[1] 18446744073709551615",
  "iota dims=0\nout s32[3,2]{0,1} 0 0 1 1 2 2",
  "iota dims=1\nout u8[2,2,3] 0 0 0 1 1 1 0 0 0 1 1 1",
  "iota dims=2\nout bf16[1,2,3] 0 1 2 0 1 2",
  "iota dims=0\nout c64[2,1] 0 0 1 0",
  "iota dims=1\nout f32[0,4611686018427387904]",
};

enum { EVERY = sizeof every_dtype / sizeof *every_dtype, WIDE = sizeof wide_dtypes / sizeof *wide_dtypes,
       SINGLE = sizeof single_dtype / sizeof *single_dtype };

static void check_in(const char *format, const char *dtype) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  check_text(atr_arena_printf(&arena, format, dtype, dtype, dtype));
#pragma GCC diagnostic pop
}

START_TEST(test_golden_every_dtype) {
  static const char *const dtypes[] = {"s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64", "f16", "bf16", "f32", "f64"};
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) check_in(every_dtype[_i], dtypes[i]);
}
END_TEST

START_TEST(test_golden_wide_dtypes) {
  static const char *const dtypes[] = {"s16", "s32", "s64", "u16", "u32", "u64", "f32", "f64"};
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) check_in(wide_dtypes[_i], dtypes[i]);
}
END_TEST

START_TEST(test_golden_single) {
  check_text(single_dtype[_i]);
}
END_TEST

/* ---- what one instruction does not show */

/* Memory itself, not the layout arithmetic that the other tests share with the code: x is [[1,2,3],[4,5,6]] by columns. */
START_TEST(test_layouts) {
  static const float x[6] = {1, 4, 2, 5, 3, 6};
  float y[6], z[6];
  atr_module *module = atr_module_new(&arena, "layouts");
  atr_shape by_columns = atr_shape_make(ATR_F32, 2, (int64_t[]){2, 3}), turned = atr_shape_make(ATR_F32, 2, (int64_t[]){3, 2});
  by_columns.minor_to_major[0] = 0;
  by_columns.minor_to_major[1] = 1;
  atr_id in = add_parameter(module, &by_columns);
  atr_inst transpose = {.op = ATR_OP_TRANSPOSE, .shape = turned, .operand_count = 1, .operands = &in};
  transpose.u.dims.dims = (int64_t[]){1, 0};
  transpose.u.dims.count = 2;
  atr_id t = atr_module_add(module, &transpose);
  atr_shape plain = atr_shape_make(ATR_F32, 2, by_columns.dims);
  atr_id copy = add_op(module, ATR_OP_COPY, &plain, in, 0);
  set_results(module, (atr_id[]){t, copy}, 2);
  ck_assert_int_eq(atr_interpret(&work, module, NULL, (const void *const[]){x}, (void *const[]){y, z}), ATR_OK);
  ck_assert_mem_eq(y, ((const float[]){1, 4, 2, 5, 3, 6}), sizeof y);
  ck_assert_mem_eq(z, ((const float[]){1, 2, 3, 4, 5, 6}), sizeof z);
}
END_TEST

/* relu(x*3 + constant), with the sum, an unused parameter and one result twice; a parameter may be a result. */
START_TEST(test_chain) {
  static const float x[2] = {-2, 1}, bias[2] = {1, 2}, three = 3;
  float y[2], sum[2], again[2], same[2];
  atr_module *module = atr_module_new(&arena, "chain");
  atr_shape shape = atr_shape_make(ATR_F32, 1, (int64_t[]){2}), scalar = atr_shape_make(ATR_F32, 0, NULL);
  float zero = 0;
  atr_id in = add_parameter(module, &shape), factor = add_parameter(module, &scalar);
  atr_id wide = add_op(module, ATR_OP_BROADCAST, &shape, factor, 0);
  atr_id product = add_op(module, ATR_OP_MULTIPLY, &shape, in, wide);
  atr_id added = add_op(module, ATR_OP_ADD, &shape, product, add_constant(module, &shape, bias));
  atr_id zeros = add_op(module, ATR_OP_BROADCAST, &shape, add_constant(module, &scalar, &zero), 0);
  atr_id relu = add_op(module, ATR_OP_MAXIMUM, &shape, added, zeros);
  set_results(module, (atr_id[]){relu, added, relu, in}, 4);
  const void *const args[] = {x, &three};
  ck_assert_int_eq(atr_interpret(&work, module, NULL, args, (void *const[]){y, sum, again, same}), ATR_OK);
  ck_assert_mem_eq(y, ((const float[]){0, 5}), sizeof y);
  ck_assert_mem_eq(sum, ((const float[]){-5, 5}), sizeof y);
  ck_assert_mem_eq(again, y, sizeof y);
  ck_assert_mem_eq(same, x, sizeof y);
}
END_TEST

/* Each operation rounds by itself: in f16, (2048 + 1) - 2048 is 0. */
START_TEST(test_rounds_between_operations) {
  uint16_t x = atr_f16_from_f64(2048), one = atr_f16_from_f64(1), y = 1;
  atr_module *module = atr_module_new(&arena, "rounds");
  atr_shape scalar = atr_shape_make(ATR_F16, 0, NULL);
  atr_id a = add_parameter(module, &scalar), b = add_parameter(module, &scalar);
  atr_id sum = add_op(module, ATR_OP_ADD, &scalar, a, b);
  atr_id rest = add_op(module, ATR_OP_SUBTRACT, &scalar, sum, a);
  set_results(module, &rest, 1);
  ck_assert_int_eq(atr_interpret(&work, module, NULL, (const void *const[]){&x, &one}, (void *const[]){&y}), ATR_OK);
  ck_assert_uint_eq(y, 0);
}
END_TEST

/* Empty arrays may have no address at all, on either side. */
START_TEST(test_empty_without_address) {
  problem p = read_problem(CONV_1D("2,1,0,0,1,1,0,0") "arg f32[0,2,3]\narg f32[1,2,2] 1 2 3 4\nout f32[0,1,2]");
  ck_assert_int_eq(run(&p, NULL, p.args[1].memory, NULL), ATR_OK);
  p = read_problem("add\narg f32[0]{0}\narg f32[0]\nout f32[0]");
  ck_assert_int_eq(run(&p, NULL, NULL, NULL), ATR_OK);
  p = read_problem("reverse dims=0\narg f32[0,4611686018427387904]{0,1}\nout f32[0,4611686018427387904]{0,1}");
  ck_assert_int_eq(run(&p, NULL, NULL, NULL), ATR_OK);
}
END_TEST

/* Equal zeros: maximum gives +0, minimum -0, whatever their order; a sum of nothing is +0. */
START_TEST(test_zeros) {
  static const float plus_minus[2] = {0.0f, -0.0f}, minus_plus[2] = {-0.0f, 0.0f};
  float y[2];
  problem p = read_problem("maximum\narg f32[2] 0 0\narg f32[2] 0 0\nout f32[2] 0 0");
  ck_assert_int_eq(run(&p, plus_minus, minus_plus, y), ATR_OK);
  ck_assert(!signbit(y[0]) && !signbit(y[1]));
  p.inst.op = ATR_OP_MINIMUM;
  ck_assert_int_eq(run(&p, plus_minus, minus_plus, y), ATR_OK);
  ck_assert(signbit(y[0]) && signbit(y[1]));
  p = read_problem(CONV_1D("1,1,0,0,1,1,0,0") "arg f32[1,1,1] -0\narg f32[1,1,1] 1\nout f32[1,1,1] 0");
  ck_assert_int_eq(run(&p, p.args[0].memory, p.args[1].memory, y), ATR_OK);
  ck_assert(!signbit(y[0]));
}
END_TEST

/* An index that its dtype does not hold is wrapped or rounded: 128 is -128 in s8, 257 is 256 in bf16. */
START_TEST(test_iota_beyond_dtype) {
  int8_t narrow[300];
  uint16_t rounded[300];
  problem p = read_problem("iota dims=0\nout s8[0]");
  p.out.shape = atr_shape_make(ATR_S8, 1, (int64_t[]){300});
  ck_assert_int_eq(run(&p, NULL, NULL, narrow), ATR_OK);
  for (int i = 0; i < 300; i++) ck_assert_int_eq(narrow[i], i < 128 ? i : i < 256 + 128 ? i - 256 : i - 512);
  p.out.shape.dtype = ATR_BF16;
  ck_assert_int_eq(run(&p, NULL, NULL, rounded), ATR_OK);
  for (int i = 0; i < 300; i++) ck_assert_uint_eq(rounded[i], atr_bf16_from_f64(i));
  ck_assert(atr_bf16_to_f64(rounded[257]) == 256);
}
END_TEST

START_TEST(test_undefined_operation) {
  problem p = read_problem("exponential\narg s32[1] 1\nout s32[1] 1");
  int32_t y = 7;
  ck_assert_int_eq(run(&p, p.args[0].memory, NULL, &y), ATR_UNSUPPORTED);
  ck_assert_ptr_nonnull(strstr(work.message, "exponential is not defined for s32"));
  ck_assert_int_eq(y, 7);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("interpret");
  TCase *tc = tcase_create("interpret");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, test_vectors_present);
  tcase_add_loop_test(tc, test_vector, 0, block_count);
  tcase_add_loop_test(tc, test_golden_every_dtype, 0, EVERY);
  tcase_add_loop_test(tc, test_golden_wide_dtypes, 0, WIDE);
  tcase_add_loop_test(tc, test_golden_single, 0, SINGLE);
  tcase_add_test(tc, test_layouts);
  tcase_add_test(tc, test_chain);
  tcase_add_test(tc, test_rounds_between_operations);
  tcase_add_test(tc, test_empty_without_address);
  tcase_add_test(tc, test_zeros);
  tcase_add_test(tc, test_iota_beyond_dtype);
  tcase_add_test(tc, test_undefined_operation);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_vectors("interpret.txt", suite); }

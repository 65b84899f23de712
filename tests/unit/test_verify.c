/* test_verify.c - shape inference and the verifier, fed with instructions that no reader had to make first.
 *
 * In: rows of text: operand types, what differs from a plain convolution, the expected message or the expected type. Out: a
 * failure that names the row. Rules that text can break are tested from text in tests/error too; here are all of them for
 * convolutions, and those for which a reader would never make the input. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "arena_fixture.h"

/* "f32[2,3]" */
static atr_shape shape_of(const char *text) {
  int64_t dims[ATR_MAX_RANK];
  int rank = 0;
  const char *at = strchr(text, '[');
  ck_assert_ptr_nonnull(at);
  atr_dtype dtype = atr_dtype_from_name(text, (size_t)(at - text));
  while (*++at != ']' && *at != '\0') {
    char *end;
    dims[rank++] = strtoll(at, &end, 10);
    at = *end == ',' ? end : end - 1;
  }
  return atr_shape_make(dtype, rank, dims);
}

static atr_id add_parameter(atr_module *module, const char *type) {
  atr_inst inst = {.op = ATR_OP_PARAMETER, .shape = shape_of(type), .u.parameter = module->parameter_count};
  atr_id id = atr_module_add(module, &inst);
  module->parameters = atr_arena_grow(&arena, module->parameters, (size_t)module->parameter_count * sizeof(atr_id),
                                      ((size_t)module->parameter_count + 1) * sizeof(atr_id));
  module->parameters[module->parameter_count++] = id;
  return id;
}

static void set_result(atr_module *module, atr_id id) {
  module->results = ATR_NEW(&arena, atr_id);
  module->results[0] = id;
  module->result_count = 1;
}

static void expect(atr_status status, const atr_work *work, const char *message, const char *row) {
  if (message == NULL) {
    ck_assert_msg(status == ATR_OK, "%s: %s", row, work->message);
    return;
  }
  ck_assert_msg(status == ATR_VERIFY_ERROR, "%s: status %d (%s)", row, (int)status, work->message != NULL ? work->message : "");
  ck_assert_msg(strstr(work->message, message) != NULL, "%s: \"%s\" is not in \"%s\"", row, message, work->message);
}

/* ---- rule 1: extents --------------------------------------------------------------------------- */

typedef struct extent_row {
  int64_t input, size, stride, rhs_dilation, lhs_dilation, lo, hi;
  int64_t want; /* -1: overflow */
} extent_row;

static const int64_t big = INT64_MAX;

START_TEST(test_extents) {
  const extent_row rows[] = {
      {5, 3, 1, 1, 1, 0, 0, 3},          {224, 7, 2, 1, 1, 3, 3, 112},     {33, 3, 1, 12, 1, 12, 12, 33},
      {4, 2, 1, 1, 2, -1, 0, 5}, /* dilate, then crop */
      {2, 5, 1, 1, 1, 0, 0, 0},  /* the window does not fit */
      {4, 5, 2, 1, 1, 0, 0, 0},  /* by one, where truncating division would give 1 */
      {0, 3, 1, 1, 1, 2, 2, 2},  /* no input, but padding */
      {0, 3, 1, 1, 7, 1, 1, 0},          {0, 1, 1, 1, 1, 0, 0, 0},         {3, 1, 1, 1, 1, -2, -2, 0}, /* everything cropped */
      {3, 1, 1, 1, 1, -2, 0, 1},         {5, 2, 3, 2, 2, 1, 0, 3},         {big, 1, 1, 1, 1, 0, 0, big},
      {big, 1, 1, 1, 2, 0, 0, -1},       {1, big, 1, 2, 1, 0, 0, -1},      {big, 1, 1, 1, 1, 1, 0, -1},
      {big, 1, 1, 1, 1, -1, 1, -1}, /* the total fits, but the last position does not */
      {1, 1, 1, 1, 1, INT64_MIN, 0, -1}, {1, 1, 1, 1, 1, 0, INT64_MIN, 0}, {1, 1, big, big, big, 0, 0, 1},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const extent_row *r = &rows[i];
    const atr_window_dim window = {r->size, r->stride, r->lo, r->hi, r->lhs_dilation, r->rhs_dilation, false, ATR_EDGE_ZERO};
    int64_t got = -1;
    if (!atr_conv_output_extent(r->input, &window, &got)) got = -1;
    ck_assert_msg(got == r->want, "row %zu: got %lld, want %lld", i, (long long)got, (long long)r->want);
  }
}
END_TEST

/* ---- convolutions ------------------------------------------------------------------------------ */

/* Attributes by name; those of window and of spatial lists are the ones of spatial dimension 1. */
static const struct {
  const char *name;
  size_t offset, size;
} attributes[] = {
#define ATTRIBUTE(name, member) {name, offsetof(atr_conv, member), sizeof(((atr_conv *)0)->member)},
    ATTRIBUTE("spatial", spatial) ATTRIBUTE("size", window[1].size) ATTRIBUTE("stride", window[1].stride)
        ATTRIBUTE("lo", window[1].pad_lo) ATTRIBUTE("hi", window[1].pad_hi) ATTRIBUTE("lhs_dilation", window[1].lhs_dilation)
            ATTRIBUTE("rhs_dilation", window[1].rhs_dilation) ATTRIBUTE("edge", window[1].edge)
                ATTRIBUTE("lhs_batch", lhs_batch) ATTRIBUTE("lhs_feature", lhs_feature) ATTRIBUTE("lhs_spatial", lhs_spatial[1])
                    ATTRIBUTE("rhs_in", rhs_input_feature) ATTRIBUTE("rhs_out", rhs_output_feature)
                        ATTRIBUTE("rhs_spatial", rhs_spatial[1]) ATTRIBUTE("out_batch", out_batch)
                            ATTRIBUTE("out_feature", out_feature) ATTRIBUTE("out_spatial", out_spatial[1])
                                ATTRIBUTE("groups", feature_group_count) ATTRIBUTE("batch_groups", batch_group_count)
                                    ATTRIBUTE("lhs_precision", precision[0]) ATTRIBUTE("rhs_precision", precision[1])
#undef ATTRIBUTE
};

static void set_attribute(atr_conv *conv, const char *name, size_t len, int64_t value) {
  for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
    if (strlen(attributes[i].name) != len || memcmp(attributes[i].name, name, len) != 0) continue;
    int narrow = (int)value;
    char *at = (char *)conv + attributes[i].offset;
    if (attributes[i].size == sizeof value) memcpy(at, &value, sizeof value);
    else memcpy(at, &narrow, sizeof narrow);
    return;
  }
  ck_abort_msg("no attribute %.*s", (int)len, name);
}

/* b01f_01io->b01f, window 3x3, changed by "name=value name=value". */
static atr_conv *conv_of(const char *changes) {
  atr_conv *conv = ATR_NEW(&arena, atr_conv);
  *conv = (atr_conv){.spatial = 2,
                     .lhs_batch = 0,
                     .lhs_feature = 3,
                     .lhs_spatial = {1, 2},
                     .rhs_input_feature = 2,
                     .rhs_output_feature = 3,
                     .rhs_spatial = {0, 1},
                     .out_batch = 0,
                     .out_feature = 3,
                     .out_spatial = {1, 2},
                     .feature_group_count = 1,
                     .batch_group_count = 1};
  for (int d = 0; d < 2; d++) conv->window[d] = (atr_window_dim){.size = 3, .stride = 1, .lhs_dilation = 1, .rhs_dilation = 1};
  while (*changes != '\0') {
    const char *equals = strchr(changes, '=');
    char *end;
    int64_t value = strtoll(equals + 1, &end, 10);
    set_attribute(conv, changes, (size_t)(equals - changes), value);
    changes = *end == ' ' ? end + 1 : end;
  }
  return conv;
}

typedef struct conv_row {
  const char *changes, *lhs, *rhs, *out, *message;
} conv_row;

#define X "f32[2,8,8,6]"
#define W "f32[3,3,6,4]"
#define Y "f32[2,6,6,4]"

static const conv_row conv_rows[] = {
    {"", X, W, Y, NULL},
    /* C1, C12, C17, C19 */
    {"", X, "f32[3,6,4]", Y, "lhs and rhs must have the same rank, got f32[2,8,8,6] and f32[3,6,4]"},
    {"", "f32[2,8,6]", "f32[3,6,4]", "f32[2,6,4]",
     "dimension numbers name 4 dimensions (2 of them spatial), but lhs f32[2,8,6]"},
    {"spatial=-1", X, W, Y, "convolution has -1 spatial dimensions; 0 to 8"},
    {"spatial=9", X, W, Y, "convolution has 9 spatial dimensions; 0 to 8"},
    /* C13, C18, C20 */
    {"lhs_batch=4", X, W, Y, "dimension numbers of lhs name dimension 4, which is outside 0..3"},
    {"lhs_batch=-1", X, W, Y, "dimension numbers of lhs name dimension -1"},
    {"lhs_feature=0", X, W, Y, "dimension numbers of lhs name dimension 0 twice"},
    {"lhs_spatial=1", X, W, Y, "dimension numbers of lhs name dimension 1 twice"},
    {"rhs_in=4", X, W, Y, "dimension numbers of rhs name dimension 4"},
    {"rhs_out=2", X, W, Y, "dimension numbers of rhs name dimension 2 twice"},
    {"rhs_spatial=0", X, W, Y, "dimension numbers of rhs name dimension 0 twice"},
    {"out_batch=7", X, W, Y, "dimension numbers of the result name dimension 7"},
    {"out_feature=1", X, W, Y, "dimension numbers of the result name dimension 1 twice"},
    {"out_spatial=3", X, W, Y, "dimension numbers of the result name dimension 3 twice"},
    /* C3, C6, C8, R8 */
    {"stride=0", X, W, Y, "window stride of spatial dimension 1 must be positive, got 0"},
    {"stride=-2", X, W, Y, "window stride of spatial dimension 1 must be positive, got -2"},
    {"lhs_dilation=0", X, W, Y, "window lhs_dilation of spatial dimension 1 must be positive, got 0"},
    {"rhs_dilation=0", X, W, Y, "window rhs_dilation of spatial dimension 1 must be positive, got 0"},
    {"size=0", X, "f32[3,0,6,4]", Y, "window size of spatial dimension 1 must be positive, got 0"},
    {"size=2", X, W, Y, "window size of spatial dimension 1 is 2, but rhs has extent 3 there"},
    {"stride=2", X, W, "f32[2,6,3,4]", NULL},
    {"rhs_dilation=2 lo=1 hi=-1", X, W, "f32[2,6,4,4]", NULL},
    {"lhs_dilation=2 lo=-1", X, W, "f32[2,6,12,4]", NULL},
    {"lo=9223372036854775807", X, W, Y, "padded or dilated extent of spatial dimension 1 does not fit in 64 bits"},
    {"rhs_dilation=9223372036854775807", X, W, Y, "padded or dilated extent of spatial dimension 1"},
    /* C21, C22, C23, C10, C11, C14, C15, C16 */
    {"groups=0", X, W, Y, "feature_group_count must be positive, got 0"},
    {"batch_groups=-1", X, W, Y, "batch_group_count must be positive, got -1"},
    {"groups=2 batch_groups=2", X, "f32[3,3,3,4]", Y, "cannot both exceed 1, got 2 and 2"},
    {"groups=4", X, "f32[3,3,2,4]", Y, "input feature extent 6 is not a multiple of feature_group_count 4"},
    {"groups=3", X, "f32[3,3,2,4]", Y, "output feature extent 4 is not a multiple of feature_group_count 3"},
    {"groups=2", X, W, Y, "rhs input feature extent must be lhs feature extent / feature_group_count = 6 / 2, got 6"},
    {"groups=2", X, "f32[3,3,3,4]", Y, NULL},
    {"batch_groups=4", X, W, Y, "batch extent 2 is not a multiple of batch_group_count 4"},
    {"batch_groups=2", X, "f32[3,3,6,5]", Y, "output feature extent 5 is not a multiple of batch_group_count 2"},
    {"batch_groups=2", X, W, "f32[1,6,6,4]", NULL},
    /* C24 */
    {"rhs_precision=3", X, W, Y, "operand_precision 3 is not one of default, high, highest"},
    {"lhs_precision=2", X, W, Y, NULL},
    /* C25, R4, R5 */
    {"", X, W, "f32[2,6,7,4]", "convolution has type f32[2,6,7,4], but its operands give f32[2,6,6,4]"},
    {"", X, W, "f32[2,6,6]", "convolution has type f32[2,6,6], but"},
    {"lo=4611686018427387904", X, W, "f32[2,6,4611686018427387910,4]", "f32[2,6,4611686018427387910,4] is too large"},
    /* zero sizes are legal (rule 22) */
    {"", "f32[0,8,8,6]", W, "f32[0,6,6,4]", NULL},
    {"", "f32[2,8,8,0]", "f32[3,3,0,4]", Y, NULL},
    {"", X, "f32[3,3,6,0]", "f32[2,6,6,0]", NULL},
    {"lo=2 hi=2", "f32[2,8,0,6]", W, "f32[2,6,2,4]", NULL},
    {"", "f32[2,8,2,6]", W, "f32[2,6,0,4]", NULL},
    /* R10, R11, R12 */
    {"", "f8e4m3fn[2,8,8,6]", "f8e4m3fn[3,3,6,4]", Y, "convolution has no f8e4m3fn form (lhs); convert its operands to"},
    {"", X, "f8e5m2[3,3,6,4]", Y, "convolution has no f8e5m2 form (rhs)"},
    {"", X, W, "f8e5m2[2,6,6,4]", "convolution has no f8e5m2 form (result); convert its result"},
    {"", "c64[2,8,8,6]", "s32[3,3,6,4]", "c64[2,6,6,4]", "different classes, c64 (complex) and s32 (integer)"},
    {"", X, "s8[3,3,6,4]", Y, "different classes, f32 (float) and s8 (integer)"},
    {"", "pred[2,8,8,6]", "s8[3,3,6,4]", "s32[2,6,6,4]", "different classes, pred (pred) and s8 (integer)"},
    {"", X, "c64[3,3,6,4]", "c64[2,6,6,4]", "different classes, f32 (float) and c64 (complex)"},
    {"", X, W, "s32[2,6,6,4]", "s32 (integer) cannot be the result of a convolution of f32 with f32 (float)"},
    {"", X, W, "c64[2,6,6,4]", "c64 (complex) cannot be the result"},
    {"", "c64[2,8,8,6]", "c64[3,3,6,4]", Y, "f32 (float) cannot be the result"},
    {"", "s8[2,8,8,6]", "s8[3,3,6,4]", "pred[2,6,6,4]", "pred (pred) cannot be the result"},
    {"", "s8[2,8,8,6]", "s8[3,3,6,4]", "c64[2,6,6,4]", "c64 (complex) cannot be the result"},
    {"", "s8[2,8,8,6]", "s8[3,3,6,4]", "s32[2,6,6,4]", NULL},
    {"", "u8[2,8,8,6]", "s8[3,3,6,4]", "s32[2,6,6,4]", NULL},
    {"", "s8[2,8,8,6]", "s8[3,3,6,4]", "f32[2,6,6,4]", NULL},
    {"", "s32[2,8,8,6]", "s32[3,3,6,4]", "s8[2,6,6,4]", NULL},
    {"", "bf16[2,8,8,6]", W, Y, NULL},
    {"", "bf16[2,8,8,6]", "bf16[3,3,6,4]", Y, NULL},
    {"", X, W, "bf16[2,6,6,4]", NULL},
    {"", "pred[2,8,8,6]", "pred[3,3,6,4]", "pred[2,6,6,4]", NULL},
    {"", "pred[2,8,8,6]", "pred[3,3,6,4]", "s32[2,6,6,4]", NULL},
    {"", "c64[2,8,8,6]", "c64[3,3,6,4]", "c128[2,6,6,4]", NULL},
    /* R13 to R16 */
    {"edge=4", X, W, Y, "edge_mode 4 of spatial dimension 1 is not one of zero, reflect, replicate, circular"},
    {"edge=3 lo=3", "f32[2,8,0,6]", W, "f32[2,6,1,4]", "edge_mode circular of an empty dimension"},
    {"edge=1 lo=8", X, W, "f32[2,6,14,4]",
     "edge_mode reflect needs padding / lhs_dilation below the input extent 8 in spatial dimension 1, got 8_0 / 1"},
    {"edge=1 hi=8", X, W, "f32[2,6,14,4]",
     "edge_mode reflect needs padding / lhs_dilation below the input extent 8 in spatial dimension 1, got 0_8 / 1"},
    {"edge=1 lo=7 hi=7", X, W, "f32[2,6,20,4]", NULL},
    {"edge=1 lo=24 lhs_dilation=3", X, W, "f32[2,6,44,4]",
     "edge_mode reflect needs padding / lhs_dilation below the input extent 8 in spatial dimension 1, got 24_0 / 3"},
    {"edge=1 hi=24 lhs_dilation=3", X, W, "f32[2,6,44,4]",
     "edge_mode reflect needs padding / lhs_dilation below the input extent 8 in spatial dimension 1, got 0_24 / 3"},
    {"edge=1 lo=23 hi=23 lhs_dilation=3", X, W, "f32[2,6,66,4]", NULL},
    {"edge=1 lo=-3 hi=-4 lhs_dilation=3", X, W, "f32[2,6,13,4]", NULL},
    {"edge=2 lo=9 hi=9 lhs_dilation=2", X, W, "f32[2,6,31,4]", NULL},
    {"edge=3 lo=99 hi=9 lhs_dilation=2", X, W, "f32[2,6,121,4]", NULL},
    {"edge=1 lo=-1 hi=1", X, W, Y, NULL},
    {"edge=2 lo=9 hi=9", X, W, "f32[2,6,24,4]", NULL},
    {"edge=3 lo=9 hi=9", X, W, "f32[2,6,24,4]", NULL},
};

/* R17, R18, R19; the same attributes, weights of their own for each output position. */
static const conv_row local_rows[] = {
    {"", X, "f32[6,6,54,4]", Y, NULL},
    {"groups=2", X, "f32[6,6,27,4]", Y, NULL},
    {"size=1", X, "f32[6,8,18,4]", "f32[2,6,8,4]", NULL},
    {"batch_groups=2", X, "f32[6,6,54,4]", "f32[1,6,6,4]", "batch_group_count of a local convolution must be 1, got 2"},
    {"", X, "f32[6,6,6,4]", Y, "lhs feature extent / feature_group_count * window taps = 6 / 1 * 9, got 6"},
    {"", X, "f32[6,3,54,4]", Y, "rhs of a local convolution must have the output's extent 6 in spatial dimension 1, got 3"},
    {"size=0", X, "f32[6,6,0,4]", Y, "window size of spatial dimension 1 must be positive"},
    {"size=9223372036854775807", X, "f32[6,6,54,4]", Y, "the number of window taps does not fit in 64 bits"},
    {"size=2305843009213693952", X, "f32[6,6,54,4]", Y, "window taps = 6 / 1 * 6917529027641081856, got 54"},
    {"edge=1 lo=8", X, "f32[6,14,54,4]", "f32[2,6,14,4]", "edge_mode reflect needs"},
};

/* R35 and R14, with the convolution's own rules: lhs is the first operand, or the result. */
static const conv_row data_rows[] = {
    {"", Y, "f32[6,6,54,4]", X, NULL},
    {"stride=2 edge=0", "f32[2,6,3,4]", "f32[6,3,54,4]", X, NULL},
    {"", "s8[2,6,6,4]", "u8[6,6,54,4]", "s32[2,8,8,6]", NULL},
    {"", Y, "f32[6,6,54,4]", "s32[2,8,8,6]", "s32 (integer) cannot be the result of a convolution of f32 with f32"},
    {"", "f8e5m2[2,6,6,4]", "f32[6,6,54,4]", X, "convolution has no f8e5m2 form (cotangent)"},
    {"", Y, "f8e5m2[6,6,54,4]", X, "convolution has no f8e5m2 form (rhs)"},
    {"", "f32[2,6,6,5]", "f32[6,6,54,4]", X, "cotangent must have the extents of the result of a local convolution"},
    {"", "f32[2,6,6]", "f32[6,6,54,4]", X, "with f32[6,6,54,4], f32[2,6,6,4], got f32[2,6,6]"},
    {"", Y, "f32[6,6,54,4]", "f32[2,8,6]", "lhs and rhs must have the same rank"},
    {"", Y, "f32[6,6,54,4]", "f32[2,8,8,5]", "window taps = 5 / 1 * 9, got 54"},
    {"", Y, "f32[6,6,54,4]", "f32[2,8,9,6]", "rhs of a local convolution must have the output's extent 7"},
    {"batch_groups=2", Y, "f32[6,6,54,4]", X, "batch_group_count of a local convolution must be 1, got 2"},
    {"edge=3 lo=1 hi=1", "f32[2,6,8,4]", "f32[6,8,54,4]", X,
     "edge_mode of a data gradient must be zero, got circular in spatial dimension 1"},
};
static const conv_row weight_rows[] = {
    {"", X, Y, "f32[6,6,54,4]", NULL},
    {"edge=3 lo=1 hi=1", X, "f32[2,6,8,4]", "f32[6,8,54,4]", NULL},
    {"edge=1 lo=8", X, "f32[2,6,14,4]", "f32[6,14,54,4]", "edge_mode reflect needs"},
    {"", X, "f32[2,6,5,4]", "f32[6,6,54,4]", "f32[2,6,6,4], got f32[2,6,5,4]"},
    {"", X, Y, "f32[6,6,54,5]", "f32[2,6,6,5], got f32[2,6,6,4]"},
    {"", X, "f8e5m2[2,6,6,4]", "f32[6,6,54,4]", "convolution has no f8e5m2 form (cotangent)"},
    {"", X, Y, "f32[6,6,6,4]", "window taps = 6 / 1 * 9, got 6"},
};

static void check_conv(atr_op op, const conv_row *row) {
  atr_module *module = atr_module_new(&arena, "m");
  atr_id operands[] = {add_parameter(module, row->lhs), add_parameter(module, row->rhs)};
  atr_inst inst = {
      .op = op, .shape = shape_of(row->out), .operand_count = 2, .operands = operands, .u.conv = conv_of(row->changes)};
  set_result(module, atr_module_add(module, &inst));
  atr_work work = {.arena = &arena};
  char label[256];
  snprintf(label, sizeof label, "{%s} %s %s -> %s", row->changes, row->lhs, row->rhs, row->out);
  expect(atr_verify_module(&work, module), &work, row->message, label);
}

START_TEST(test_convolution) { check_conv(ATR_OP_CONVOLUTION, &conv_rows[_i]); }
END_TEST

START_TEST(test_local_convolution) { check_conv(ATR_OP_LOCAL_CONVOLUTION, &local_rows[_i]); }
END_TEST

START_TEST(test_data_gradient) { check_conv(ATR_OP_LOCAL_DATA_GRADIENT, &data_rows[_i]); }
END_TEST

START_TEST(test_weight_gradient) { check_conv(ATR_OP_LOCAL_WEIGHT_GRADIENT, &weight_rows[_i]); }
END_TEST

/* Without a request the result has lhs's dtype, or rhs's where that is wider. */
START_TEST(test_inferred_dtype) {
  static const struct {
    const char *lhs, *rhs;
    atr_dtype want;
  } rows[] = {
      {X, W, ATR_F32},
      {"bf16[2,8,8,6]", W, ATR_F32},
      {X, "bf16[3,3,6,4]", ATR_F32},
      {"u8[2,8,8,6]", "s8[3,3,6,4]", ATR_U8},
      {"s8[2,8,8,6]", "s16[3,3,6,4]", ATR_S16},
      {"f16[2,8,8,6]", "bf16[3,3,6,4]", ATR_F16},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    atr_module *module = atr_module_new(&arena, "m");
    atr_id operands[] = {add_parameter(module, rows[i].lhs), add_parameter(module, rows[i].rhs)};
    atr_inst inst = {.op = ATR_OP_CONVOLUTION, .operand_count = 2, .operands = operands, .u.conv = conv_of("")};
    atr_work work = {.arena = &arena};
    atr_shape shape;
    ck_assert_int_eq(atr_infer_shape(&work, module, &inst, &shape), ATR_OK);
    ck_assert_int_eq(shape.dtype, rows[i].want);
    ck_assert(atr_shape_is_row_major(&shape));
  }
}
END_TEST

/* ---- any instruction --------------------------------------------------------------------------- */

static void check_parameter_shape(const atr_shape *shape, const char *message) {
  atr_module *module = atr_module_new(&arena, "m");
  atr_inst inst = {.op = ATR_OP_PARAMETER, .shape = *shape};
  atr_work work = {.arena = &arena};
  expect(atr_verify_inst(&work, module, &inst), &work, message, "parameter");
}

START_TEST(test_shapes) {
  atr_shape shape = shape_of("f32[2,3]");
  check_parameter_shape(&shape, NULL);
  shape.minor_to_major[0] = 0;
  shape.minor_to_major[1] = 1;
  check_parameter_shape(&shape, NULL);
  shape.minor_to_major[1] = 0;
  check_parameter_shape(&shape, "has a layout that does not name each of its 2 dimensions once");
  shape.minor_to_major[1] = 2;
  check_parameter_shape(&shape, "has a layout that");
  shape.minor_to_major[1] = -1;
  check_parameter_shape(&shape, "has a layout that");
  shape = shape_of("f32[2,-3]");
  check_parameter_shape(&shape, "parameter result has the negative extent -3 in dimension 1");
  shape.rank = 13;
  check_parameter_shape(&shape, "parameter result has rank 13; 0 to 12 are possible");
  shape.rank = -1;
  check_parameter_shape(&shape, "parameter result has rank -1");
  shape = shape_of("f32[]");
  shape.dtype = ATR_DTYPE_NONE;
  check_parameter_shape(&shape, "parameter result has no known dtype");
  shape.dtype = (atr_dtype)99;
  check_parameter_shape(&shape, "parameter result has no known dtype");
  shape = shape_of("f32[4294967296,4294967296]");
  check_parameter_shape(&shape, "f32[4294967296,4294967296] is too large");
  shape = shape_of("f32[4294967296,1073741824]");
  check_parameter_shape(&shape, "is too large");
  shape = shape_of("s8[4294967296,1073741824]");
  check_parameter_shape(&shape, NULL);
  shape = shape_of("f32[4294967296,4294967296,0]");
  check_parameter_shape(&shape, NULL);
}
END_TEST

START_TEST(test_operands) {
  atr_module *module = atr_module_new(&arena, "m");
  atr_id x = add_parameter(module, "f32[4]");
  const struct {
    atr_op op;
    int count;
    atr_id ids[3];
    const char *message;
  } rows[] = {
      {ATR_OP_ADD, 2, {x, x}, NULL},
      {ATR_OP_ADD, 1, {x}, "add takes 2 operands, got 1"},
      {ATR_OP_NEGATE, 2, {x, x}, "negate takes 1 operand, got 2"},
      {ATR_OP_CONCATENATE, 0, {0}, "concatenate takes at least one operand, got none"},
      {ATR_OP_ADD, 2, {x, 2}, "operand 1 of add is not a value of this module"},
      {ATR_OP_ADD, 2, {0, x}, "operand 0 of add is not a value of this module"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    atr_id ids[3];
    memcpy(ids, rows[i].ids, sizeof ids);
    atr_inst inst = {.op = rows[i].op, .shape = shape_of("f32[4]"), .operand_count = rows[i].count, .operands = ids};
    atr_work work = {.arena = &arena};
    expect(atr_verify_inst(&work, module, &inst), &work, rows[i].message, atr_op_name(inst.op));
  }
}
END_TEST

START_TEST(test_use_before_definition) {
  atr_module *module = atr_module_new(&arena, "m");
  atr_id x = add_parameter(module, "f32[4]");
  atr_inst inst = {.op = ATR_OP_NEGATE, .shape = shape_of("f32[4]"), .operand_count = 1, .operands = &x};
  atr_id early = atr_module_add(module, &inst), late = atr_module_add(module, &inst);
  set_result(module, late);
  atr_work work = {.arena = &arena};
  ck_assert_int_eq(atr_verify_module(&work, module), ATR_OK);
  module->insts[early].operands[0] = late;
  expect(atr_verify_module(&work, module), &work, "operand 0 of negate is not a value of this module defined before it",
         "late");
  work = (atr_work){.arena = &arena};
  module->insts[early].operands[0] = early;
  expect(atr_verify_module(&work, module), &work, "operand 0 of negate is not a value", "itself");
}
END_TEST

START_TEST(test_parameters) {
  static const struct {
    int64_t numbers[2];
    const char *message;
  } rows[] = {
      {{0, 1}, NULL},
      {{0, 2}, "parameter number 2 is outside 0..1, the numbers of the module's 2 parameters"},
      {{-1, 0}, "parameter number -1 is outside"},
      {{0, 0}, "parameter number 0 is used twice"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    atr_module *module = atr_module_new(&arena, "m");
    for (int k = 0; k < 2; k++) module->insts[add_parameter(module, "f32[4]")].u.parameter = rows[i].numbers[k];
    set_result(module, 1);
    atr_work work = {.arena = &arena};
    expect(atr_verify_module(&work, module), &work, rows[i].message, "parameters");
  }
}
END_TEST

START_TEST(test_results) {
  atr_module *module = atr_module_new(&arena, "m");
  add_parameter(module, "f32[4]");
  atr_work work = {.arena = &arena};
  expect(atr_verify_module(&work, module), &work, "module has no result", "results");
  set_result(module, 2);
  work = (atr_work){.arena = &arena};
  ck_assert_int_eq(atr_verify_module(&work, module), ATR_INTERNAL);
}
END_TEST

START_TEST(test_direction) {
  atr_module *module = atr_module_new(&arena, "m");
  atr_id x = add_parameter(module, "f32[4]"), ids[] = {x, x};
  atr_inst inst = {.op = ATR_OP_COMPARE, .shape = shape_of("pred[4]"), .operand_count = 2, .operands = ids};
  atr_work work = {.arena = &arena};
  inst.u.direction = ATR_GE;
  ck_assert_int_eq(atr_verify_inst(&work, module, &inst), ATR_OK);
  inst.u.direction = (atr_direction)6;
  expect(atr_verify_inst(&work, module, &inst), &work, "comparison direction 6 is not one of", "direction");
}
END_TEST

/* Elementwise operations whose result has another dtype than their operands, and those on bits. */
typedef struct elementwise_row {
  atr_op op;
  const char *type, *result, *message;
} elementwise_row;

static const elementwise_row elementwise_rows[] = {
    {ATR_OP_REAL, "c64[4]", "f32[4]", NULL},
    {ATR_OP_IMAG, "c128[4]", "f64[4]", NULL},
    {ATR_OP_REAL, "bf16[4]", "bf16[4]", NULL},
    {ATR_OP_REAL, "c64[4]", "c64[4]", "real has type c64[4], but its operands give f32[4]"},
    {ATR_OP_IMAG, "c64[4]", "f64[4]", "imag has type f64[4], but its operands give f32[4]"},
    {ATR_OP_REAL, "s32[4]", "s32[4]", "real is not defined for s32; it takes floats and complex numbers"},
    {ATR_OP_IMAG, "f8e5m2[4]", "f8e5m2[4]", "imag has no f8e5m2 form; convert its operands to f32 first"},
    {ATR_OP_ROUND_NEAREST_EVEN, "f16[4]", "f16[4]", NULL},
    {ATR_OP_ROUND_NEAREST_EVEN, "s32[4]", "s32[4]", "round-nearest-even is not defined for s32; it takes floats"},
    {ATR_OP_COMPLEX, "f32[4]", "c64[4]", NULL},
    {ATR_OP_COMPLEX, "f64[4]", "c128[4]", NULL},
    {ATR_OP_COMPLEX, "f64[4]", "c64[4]", "complex has type c64[4], but its operands give c128[4]"},
    {ATR_OP_COMPLEX, "f16[4]", "c64[4]", "complex is not defined for f16; it takes f32 and f64"},
    {ATR_OP_COMPLEX, "c64[4]", "c64[4]", "complex is not defined for c64; it takes f32 and f64"},
    {ATR_OP_AND, "pred[4]", "pred[4]", NULL},
    {ATR_OP_OR, "s8[4]", "s8[4]", NULL},
    {ATR_OP_XOR, "u64[4]", "u64[4]", NULL},
    {ATR_OP_NOT, "pred[4]", "pred[4]", NULL},
    {ATR_OP_NOT, "s64[4]", "s64[4]", NULL},
    {ATR_OP_AND, "f32[4]", "f32[4]", "and is not defined for f32; it takes pred and integers"},
    {ATR_OP_OR, "c64[4]", "c64[4]", "or is not defined for c64; it takes pred and integers"},
    {ATR_OP_XOR, "bf16[4]", "bf16[4]", "xor is not defined for bf16; it takes pred and integers"},
    {ATR_OP_NOT, "f32[4]", "f32[4]", "not is not defined for f32; it takes pred and integers"},
};

START_TEST(test_elementwise_dtypes) {
  const elementwise_row *row = &elementwise_rows[_i];
  atr_module *module = atr_module_new(&arena, "m");
  atr_id ids[] = {add_parameter(module, row->type), add_parameter(module, row->type)};
  atr_inst inst = {
      .op = row->op, .shape = shape_of(row->result), .operand_count = atr_op_operand_count(row->op), .operands = ids};
  atr_work work = {.arena = &arena};
  expect(atr_verify_inst(&work, module, &inst), &work, row->message, atr_op_name(row->op));
}
END_TEST

START_TEST(test_iota) {
  const struct {
    const char *type;
    int count;
    int64_t dims[2];
    const char *message;
  } rows[] = {
      {"s8[2,3]", 1, {1}, NULL},
      {"c64[2,3]", 1, {0}, NULL},
      {"f32[0]", 1, {0}, NULL},
      {"s32[2,3]", 1, {2}, "dimension 2 of iota is outside the array's 2 dimensions"},
      {"s32[2,3]", 1, {-1}, "dimension -1 of iota is outside the array's 2 dimensions"},
      {"s32[]", 1, {0}, "dimension 0 of iota is outside the array's 0 dimensions"},
      {"s32[2,3]", 2, {0, 1}, "iota needs 1 entries in dimensions, got 2"},
      {"s32[2,3]", 0, {0}, "iota needs 1 entries in dimensions, got 0"},
      {"pred[2]", 1, {0}, "iota is not defined for pred; it takes integers, floats and complex numbers"},
      {"f8e4m3fn[2]", 1, {0}, "iota has no f8e4m3fn form; convert one of f32 instead"},
  };
  atr_module *module = atr_module_new(&arena, "m");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    int64_t dims[] = {rows[i].dims[0], rows[i].dims[1]};
    atr_inst inst = {.op = ATR_OP_IOTA, .shape = shape_of(rows[i].type)};
    inst.u.dims.dims = dims;
    inst.u.dims.count = rows[i].count;
    atr_work work = {.arena = &arena};
    expect(atr_verify_inst(&work, module, &inst), &work, rows[i].message, rows[i].type);
  }
}
END_TEST

/* A rule points at its attribute, and at the instruction where the attribute has no place. */
START_TEST(test_spans) {
  const char *text = "c = convolution(x, w), window={stride=0}, feature_group_count=0";
  atr_source source = {.name = "t.hlo", .text = text, .len = strlen(text)};
  atr_span spans[ATR_ATTR_COUNT] = {{0, 0}};
  spans[ATR_ATTR_WINDOW] = (atr_span){(uint32_t)(strstr(text, "window") - text) + 1, 6};
  atr_module *module = atr_module_new(&arena, "m");
  atr_id ids[] = {add_parameter(module, X), add_parameter(module, W)};
  atr_inst inst = {
      .op = ATR_OP_CONVOLUTION, .shape = shape_of(Y), .operand_count = 2, .operands = ids, .span = {1, 5}, .spans = spans};
  atr_work work = {.arena = &arena, .source = &source};
  inst.u.conv = conv_of("stride=0");
  expect(atr_verify_inst(&work, module, &inst), &work, "window stride", "window");
  ck_assert_uint_eq(work.column, 24);
  work = (atr_work){.arena = &arena, .source = &source};
  inst.u.conv = conv_of("groups=0");
  expect(atr_verify_inst(&work, module, &inst), &work, "feature_group_count", "groups");
  ck_assert_uint_eq(work.column, 1);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("verify");
  TCase *tc = tcase_create("verify");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, test_extents);
  tcase_add_loop_test(tc, test_convolution, 0, COUNT(conv_rows));
  tcase_add_loop_test(tc, test_local_convolution, 0, COUNT(local_rows));
  tcase_add_loop_test(tc, test_data_gradient, 0, COUNT(data_rows));
  tcase_add_loop_test(tc, test_weight_gradient, 0, COUNT(weight_rows));
  tcase_add_test(tc, test_inferred_dtype);
  tcase_add_test(tc, test_shapes);
  tcase_add_test(tc, test_operands);
  tcase_add_test(tc, test_use_before_definition);
  tcase_add_test(tc, test_parameters);
  tcase_add_test(tc, test_results);
  tcase_add_test(tc, test_direction);
  tcase_add_loop_test(tc, test_elementwise_dtypes, 0, COUNT(elementwise_rows));
  tcase_add_test(tc, test_iota);
  tcase_add_test(tc, test_spans);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) { return run_suite(suite()); }

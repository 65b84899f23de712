/* test_dlpack.c - which DLPack views are taken for an array of a module, and a run on views. Each refused view differs from an
 * accepted one in one field. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/dlpack.h"
#include "support.h"

static float memory[64];

/* A row-major view without strides. */
static DLTensor view(const atr_shape *shape, DLDataType type) {
  static int64_t extents[ATR_MAX_RANK];
  memcpy(extents, shape->dims, sizeof extents);
  return (DLTensor){.data = memory, .device = {kDLCPU, 0}, .ndim = shape->rank, .dtype = type, .shape = extents};
}

static DLDataType type_of(int code, int bits) { return (DLDataType){(uint8_t)code, (uint8_t)bits, 1}; }

static bool accepts(const DLTensor *tensor, const atr_shape *shape) {
  void *data = NULL;
  return atr_dlpack_is_view_of(tensor, shape, &data);
}

START_TEST(test_dtypes) {
  static const struct { atr_dtype dtype; uint8_t code, bits; } same[] = {
    {ATR_PRED, kDLBool, 8}, {ATR_PRED, kDLUInt, 8}, {ATR_S8, kDLInt, 8}, {ATR_S16, kDLInt, 16}, {ATR_S32, kDLInt, 32},
    {ATR_S64, kDLInt, 64}, {ATR_U8, kDLUInt, 8}, {ATR_U16, kDLUInt, 16}, {ATR_U32, kDLUInt, 32}, {ATR_U64, kDLUInt, 64},
    {ATR_F8E4M3FN, kDLFloat8_e4m3fn, 8}, {ATR_F8E4M3FN, kDLUInt, 8}, {ATR_F8E5M2, kDLFloat8_e5m2, 8},
    {ATR_F8E5M2, kDLUInt, 8},
    {ATR_F16, kDLFloat, 16}, {ATR_BF16, kDLBfloat, 16}, {ATR_BF16, kDLUInt, 16}, {ATR_F32, kDLFloat, 32},
    {ATR_F64, kDLFloat, 64}, {ATR_C64, kDLComplex, 64}, {ATR_C128, kDLComplex, 128}};
  enum { COUNT = sizeof same / sizeof *same };
  for (int dtype = ATR_PRED; dtype <= ATR_C128; dtype++) /* every pair that is not listed is refused */
    for (int code = 0; code <= 14; code++)
      for (int bits = 8; bits <= 128; bits *= 2) {
        bool listed = false;
        for (int i = 0; i < COUNT; i++)
          listed |= same[i].dtype == (atr_dtype)dtype && same[i].code == code && same[i].bits == bits;
        atr_shape shape = atr_shape_make((atr_dtype)dtype, 1, (const int64_t[]){2});
        DLTensor tensor = view(&shape, type_of(code, bits));
        ck_assert_msg(accepts(&tensor, &shape) == listed, "%s, code %d, %d bits", atr_dtype_name((atr_dtype)dtype), code, bits);
        tensor.dtype.lanes = 2;
        ck_assert(!accepts(&tensor, &shape));
      }
}
END_TEST

START_TEST(test_extents_and_device) {
  atr_shape shape = atr_shape_make(ATR_F32, 3, (const int64_t[]){2, 3, 4});
  DLTensor tensor = view(&shape, type_of(kDLFloat, 32));
  void *data = NULL;
  ck_assert(!atr_dlpack_is_view_of(NULL, &shape, &data));
  ck_assert(atr_dlpack_is_view_of(&tensor, &shape, &data));
  ck_assert_ptr_eq(data, memory);
  tensor.byte_offset = 16;
  ck_assert(atr_dlpack_is_view_of(&tensor, &shape, &data));
  ck_assert_ptr_eq(data, memory + 4);
  tensor.device.device_type = 2;
  ck_assert(!accepts(&tensor, &shape));
  tensor.device.device_type = kDLCPU;
  tensor.ndim = 2;
  ck_assert(!accepts(&tensor, &shape));
  tensor.ndim = 3;
  tensor.shape[1] = 4;
  ck_assert(!accepts(&tensor, &shape));
  tensor.shape = NULL;
  ck_assert(!accepts(&tensor, &shape));
  tensor = view(&shape, type_of(kDLFloat, 32));
  tensor.data = NULL;
  ck_assert(!accepts(&tensor, &shape));
}
END_TEST

static bool accepts_strides(const atr_shape *shape, int64_t *strides) {
  DLTensor tensor = view(shape, type_of(kDLFloat, 32));
  tensor.strides = strides;
  return accepts(&tensor, shape);
}

START_TEST(test_strides) {
  atr_shape shape = atr_shape_make(ATR_F32, 3, (const int64_t[]){2, 1, 4});
  ck_assert(accepts_strides(&shape, NULL));
  ck_assert(accepts_strides(&shape, (int64_t[]){4, 4, 1}));
  ck_assert(accepts_strides(&shape, (int64_t[]){4, -77, 1})); /* one element: any stride */
  ck_assert(!accepts_strides(&shape, (int64_t[]){8, 4, 1}));
  ck_assert(!accepts_strides(&shape, (int64_t[]){1, 4, 2}));
  ck_assert(!accepts_strides(&shape, (int64_t[]){4, 4, -1}));

  memcpy(shape.minor_to_major, (const int8_t[]){0, 1, 2}, 3); /* column major */
  ck_assert(accepts_strides(&shape, (int64_t[]){1, 2, 2}));
  ck_assert(!accepts_strides(&shape, (int64_t[]){4, 4, 1}));
  ck_assert(!accepts_strides(&shape, NULL));

  atr_shape vector = atr_shape_make(ATR_F32, 2, (const int64_t[]){1, 4}); /* both layouts are one */
  memcpy(vector.minor_to_major, (const int8_t[]){0, 1}, 2);
  ck_assert(accepts_strides(&vector, NULL));
}
END_TEST

START_TEST(test_empty_and_scalar) {
  atr_shape empty = atr_shape_make(ATR_F32, 2, (const int64_t[]){3, 0});
  ck_assert(accepts_strides(&empty, (int64_t[]){9, 9}));
  DLTensor tensor = view(&empty, type_of(kDLFloat, 32));
  tensor.data = NULL;
  ck_assert(accepts(&tensor, &empty));
  atr_shape scalar = atr_shape_make(ATR_F32, 0, NULL);
  tensor = view(&scalar, type_of(kDLFloat, 32));
  tensor.shape = NULL;
  ck_assert(accepts(&tensor, &scalar));
}
END_TEST

/* ---- runs */

static const char column_major[] =
  "HloModule m, entry_computation_layout={(f32[2,3]{0,1}, f32[2,3]{1,0})->f32[2,3]{0,1}}\n"
  "ENTRY e {\n"
  "  a = f32[2,3]{0,1} parameter(0)\n"
  "  b = f32[2,3]{1,0} parameter(1)\n"
  "  c = f32[2,3]{0,1} copy(b)\n"
  "  ROOT s = f32[2,3]{0,1} subtract(a, c)\n"
  "}\n";

static atr_executable *compile(atr_context *context, const char *text) {
  atr_module *module = NULL;
  atr_executable *executable = NULL;
  ck_assert_msg(atr_module_parse(context, NULL, text, -1, &module) == ATR_OK, "%s", atr_context_message(context));
  ck_assert_msg(atr_compile(context, module, NULL, &executable) == ATR_OK, "%s", atr_context_message(context));
  atr_module_destroy(module);
  return executable;
}

START_TEST(test_run) {
  atr_context *context = NULL;
  ck_assert_int_eq(atr_context_create(NULL, &context), ATR_OK);
  atr_executable *executable = compile(context, column_major);
  float a[6] = {10, 40, 20, 50, 30, 60}, b[8] = {-1, -1, 1, 2, 3, 4, 5, 6}, s[6] = {0};
  int64_t extents[2] = {2, 3}, columns[2] = {1, 2}, rows[2] = {3, 1};
  DLTensor ta = {a, {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, extents, columns, 0}, tb = ta, ts = ta;
  tb.data = b;
  tb.strides = rows;
  tb.byte_offset = 2 * sizeof(float);
  ts.data = s;
  const DLTensor *args[] = {&ta, &tb}, *results[] = {&ts};
  ck_assert_int_eq(atr_executable_run_dlpack(executable, args, results, NULL), ATR_OK);
  const float expected[6] = {9, 36, 18, 45, 27, 54};
  ck_assert_mem_eq(s, expected, sizeof s);
  memset(s, 0, sizeof s);
  tb.strides = columns;
  ck_assert_int_eq(atr_executable_run_dlpack(executable, args, results, NULL), ATR_INVALID_ARGUMENT);
  tb.strides = rows;
  ts.strides = NULL;
  ck_assert_int_eq(atr_executable_run_dlpack(executable, args, results, NULL), ATR_INVALID_ARGUMENT);
  ts.strides = columns;
  args[0] = NULL;
  ck_assert_int_eq(atr_executable_run_dlpack(executable, args, results, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_executable_run_dlpack(executable, NULL, results, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_executable_run_dlpack(executable, args, NULL, NULL), ATR_INVALID_ARGUMENT);
  ck_assert_int_eq(atr_executable_run_dlpack(NULL, args, results, NULL), ATR_INVALID_ARGUMENT);
  ck_assert(s[0] == 0.0f && s[5] == 0.0f);
  atr_executable_release(executable);
  atr_context_destroy(context);
}
END_TEST

/* More arrays than fit the small list. */
START_TEST(test_run_many) {
  enum { COUNT = 70 };
  char text[COUNT * 96], *end = text;
  end += sprintf(end, "HloModule m\nENTRY e {\n");
  for (int i = 0; i < COUNT; i++) end += sprintf(end, "  p%d = s32[] parameter(%d)\n", i, i);
  for (int i = 1; i < COUNT; i++) {
    end += sprintf(end, i == COUNT - 1 ? "  ROOT s%d = s32[] add(" : "  s%d = s32[] add(", i);
    end += sprintf(end, i == 1 ? "p%d, p1)\n" : "s%d, p%d)\n", i - 1, i);
  }
  strcpy(end, "}\n");
  atr_context *context = NULL;
  ck_assert_int_eq(atr_context_create(NULL, &context), ATR_OK);
  atr_executable *executable = compile(context, text);
  int32_t values[COUNT], sum = 0;
  DLTensor tensors[COUNT], total = {&sum, {kDLCPU, 0}, 0, {kDLInt, 32, 1}, NULL, NULL, 0};
  const DLTensor *args[COUNT], *results[] = {&total};
  for (int i = 0; i < COUNT; i++) {
    values[i] = i * i;
    tensors[i] = total;
    tensors[i].data = &values[i];
    args[i] = &tensors[i];
  }
  ck_assert_int_eq(atr_executable_run_dlpack(executable, args, results, NULL), ATR_OK);
  ck_assert_int_eq(sum, COUNT * (COUNT - 1) * (2 * COUNT - 1) / 6);
  atr_executable_release(executable);
  atr_context_destroy(context);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("dlpack");
  TCase *tcase = tcase_create("views");
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_dtypes);
  tcase_add_test(tcase, test_extents_and_device);
  tcase_add_test(tcase, test_strides);
  tcase_add_test(tcase, test_empty_and_scalar);
  tcase_add_test(tcase, test_run);
  tcase_add_test(tcase, test_run_many);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}

/* dlpack.c - runs an executable on DLPack views (dlpack.h says which are accepted).
 *
 * The views only lead to addresses: strides must be those of the module's layout, except where a dimension has one element or
 * the array none, because no stride is ever multiplied there and producers put anything in them. Nothing is copied. */
#include "runtime/dlpack.h"

#include "runtime/executable.h"

/* ---- one view ---------------------------------------------------------------------------------- */

/* The code that DLPack has for the dtype itself. */
static DLDataTypeCode code_of(atr_dtype dtype) {
  switch (atr_dtype_class_of(dtype)) {
    case ATR_CLASS_NONE: break;
    case ATR_CLASS_PRED: return kDLBool;
    case ATR_CLASS_SINT: return kDLInt;
    case ATR_CLASS_UINT: return kDLUInt;
    case ATR_CLASS_COMPLEX: return kDLComplex;
    case ATR_CLASS_FLOAT: break;
  }
  if (dtype == ATR_BF16) return kDLBfloat;
  if (dtype == ATR_F8E4M3FN) return kDLFloat8_e4m3fn;
  if (dtype == ATR_F8E5M2) return kDLFloat8_e5m2;
  return kDLFloat;
}

static bool is_dtype(DLDataType type, atr_dtype dtype) {
  bool has_stand_in = dtype == ATR_PRED || dtype == ATR_BF16 || dtype == ATR_F8E4M3FN || dtype == ATR_F8E5M2;
  if (type.lanes != 1 || type.bits != 8 * atr_dtype_size(dtype)) return false;
  return type.code == code_of(dtype) || (has_stand_in && type.code == kDLUInt);
}

static bool has_extents(const DLTensor *tensor, const atr_shape *shape) {
  if (tensor->ndim != shape->rank || (tensor->shape == NULL && shape->rank > 0)) return false;
  for (int d = 0; d < shape->rank; d++)
    if (tensor->shape[d] != shape->dims[d]) return false;
  return true;
}

static bool has_layout(const DLTensor *tensor, const atr_shape *shape) {
  int64_t expected[ATR_MAX_RANK], given[ATR_MAX_RANK], stride = 1;
  atr_shape_strides(shape, expected);
  for (int d = shape->rank - 1; d >= 0; d--) {
    given[d] = tensor->strides != NULL ? tensor->strides[d] : stride;
    stride *= shape->dims[d];
  }
  for (int d = 0; d < shape->rank; d++)
    if (shape->dims[d] != 1 && given[d] != expected[d]) return false;
  return true;
}

bool atr_dlpack_is_view_of(const DLTensor *tensor, const atr_shape *shape, void **data) {
  if (tensor == NULL || tensor->device.device_type != kDLCPU) return false;
  if (!is_dtype(tensor->dtype, shape->dtype) || !has_extents(tensor, shape)) return false;
  bool is_empty = atr_shape_elements(shape) == 0;
  if (!is_empty && (tensor->data == NULL || !has_layout(tensor, shape))) return false;
  *data = tensor->data != NULL ? (char *)tensor->data + tensor->byte_offset : NULL;
  return true;
}

/* ---- the run ----------------------------------------------------------------------------------- */

enum { SMALL_COUNT = 64 }; /* arrays of so many pointers need no memory */

/* The addresses of `count` views; false: one of them is wrong. */
static bool collect(const DLTensor *const *tensors, const atr_shape *shapes, int count, void **addresses) {
  if (tensors == NULL) return count == 0;
  for (int i = 0; i < count; i++)
    if (!atr_dlpack_is_view_of(tensors[i], &shapes[i], &addresses[i])) return false;
  return true;
}

/* `addresses` has a place for every argument and result. */
static atr_status run_views(const atr_executable *executable, const DLTensor *const *args, const DLTensor *const *results,
                            const atr_run_options *options, void **addresses) {
  void **result_addresses = addresses + executable->parameter_count;
  if (!collect(args, executable->parameters, executable->parameter_count, addresses) ||
      !collect(results, executable->results, executable->result_count, result_addresses))
    return ATR_INVALID_ARGUMENT;
  return atr_executable_run(executable, (const void *const *)addresses, result_addresses, options);
}

atr_status atr_executable_run_dlpack(const atr_executable *executable, const struct DLTensor *const *args,
                                     const struct DLTensor *const *results, const atr_run_options *options) {
  if (executable == NULL) return ATR_INVALID_ARGUMENT;
  size_t count = (size_t)executable->parameter_count + (size_t)executable->result_count;
  void *small[SMALL_COUNT];
  if (count <= SMALL_COUNT) return run_views(executable, args, results, options, small);
  size_t size = count * sizeof(void *);
  void **addresses = executable->arena.realloc(executable->arena.user, NULL, 0, size);
  if (addresses == NULL) return ATR_OUT_OF_MEMORY;
  atr_status status = run_views(executable, args, results, options, addresses);
  executable->arena.realloc(executable->arena.user, addresses, size, 0);
  return status;
}

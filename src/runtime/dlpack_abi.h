/* dlpack_abi.h - the one struct of DLPack 1.x that atr_executable_run_dlpack reads: the unmanaged view.
 *
 * The layout is DLPack's binary interface (github.com/dmlc/dlpack, unchanged in the fields below since 0.6), written down here
 * so that the library builds without its header. A file that includes the real dlpack.h first gets that one instead. */
#ifndef ATR_RUNTIME_DLPACK_ABI_H
#define ATR_RUNTIME_DLPACK_ABI_H

#include <stdint.h>

#ifndef DLPACK_DLPACK_H_

typedef enum { kDLCPU = 1 } DLDeviceType;

typedef struct {
  int32_t device_type; /* an enum of C's int size in DLPack */
  int32_t device_id;
} DLDevice;

typedef enum {
  kDLInt = 0,
  kDLUInt = 1,
  kDLFloat = 2,
  kDLBfloat = 4,
  kDLComplex = 5,
  kDLBool = 6,
  kDLFloat8_e4m3fn = 10,
  kDLFloat8_e5m2 = 12
} DLDataTypeCode;

typedef struct {
  uint8_t code;
  uint8_t bits; /* of one lane; both parts of a complex number count */
  uint16_t lanes;
} DLDataType;

typedef struct DLTensor {
  void *data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape;
  int64_t *strides; /* in elements; NULL: row major */
  uint64_t byte_offset;
} DLTensor;

_Static_assert(sizeof(void *) != 8 || sizeof(DLTensor) == 48, "DLPack's layout on 64-bit machines");

#endif
#endif

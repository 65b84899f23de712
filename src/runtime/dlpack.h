/* dlpack.h - what a DLPack view must be to stand for an array of the module.
 *
 * In: the module's shape and the caller's tensor. Out: the address of element (0, ..., 0), or false where the view is of
 * another array: not in the memory of the CPU, another dtype, other extents, another layout. Arrays of dtypes that a producer
 * cannot name come as unsigned integers of the same width (NumPy's bf16 and fp8), and pred may come as one too. */
#ifndef ATR_RUNTIME_DLPACK_H
#define ATR_RUNTIME_DLPACK_H

#include <stdbool.h>
#include "ir/ir.h"
#include "runtime/dlpack_abi.h"

bool atr_dlpack_is_view_of(const DLTensor *tensor, const atr_shape *shape, void **data);

#endif

/* onnx.h - what onnx.c and onnx_quantized.c share: the attributes of Conv, its types, its window. */
#ifndef ATR_OPERATORS_ONNX_H
#define ATR_OPERATORS_ONNX_H

#include "operators/operators.h"

#define ATR_ONNX_ATTRIBUTES(T)                                                                                                 \
  ATR_FIELD(T, auto_pad, WORD, .words = "NOTSET|VALID|SAME_UPPER|SAME_LOWER"),                                                 \
      ATR_FIELD(T, dilations, TUPLE, .low = 1, .fallback = 1), ATR_FIELD(T, group, INT, .low = 1, .fallback = 1),              \
      ATR_FIELD(T, kernel_shape, TUPLE, .low = 1), ATR_FIELD(T, pads, ENDS, ),                                                 \
      ATR_FIELD(T, strides, TUPLE, .low = 1, .fallback = 1)

/* Finds the layer and expects its weight. */
ATR_CHECK_RESULT atr_status atr_onnx_conv_types(atr_call *call);
/* The convolution with strides, dilations and padding; NULL after an error. */
atr_conv *atr_onnx_conv_window(atr_call *call);

#endif

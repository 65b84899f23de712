#!/usr/bin/env python3
"""Writes tests/data/operator-answers.txt: small calls of other systems' operators with their answers, for C programs.

In: nothing but a seed. Out: some 120 cases, the same ones on every run with the same versions. Run it from anywhere with a
Python that has jax, onnx, onnxruntime, torch, numpy and ml_dtypes:

    python scripts/make-operator-answers.py > tests/data/operator-answers.txt

The calls are those of tests/operators, drawn small, with small integers as values, so that every sum is exact and results are
compared for equality. Those of JAX, ONNX and PyTorch are run by the systems, those of MXNet and MegEngine by reference.py; the
first ones are written here, with answers known by other means. The format, one case per block:

    case NAME
    call mxnet.Convolution
    pair kernel=(3,)                  one for each word of the call, as atr_import takes them
    arg f32[1,1,5] 1 2 3 4 5          the module's parameters; elements in row-major order, complex numbers as two numbers
    out f32[1,1,3] 6 9 12
    cotangent f32[1,1,3] 1 0 2        these two where there are gradients: of the result, and for each parameter
    gradient f32[1,1,5] 1 1 3 2 2
"""

import itertools
import os
import sys
import warnings

warnings.filterwarnings("ignore")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "operators"))
import jax_calls
import megengine_calls
import mxnet_calls
import numpy as np
import onnx_calls
import torch_calls
from calls import Draw, DTYPES, type_of

KINDS = [
    ("mxnet", 20, [mxnet_calls.draw_convolution, mxnet_calls.draw_deconvolution]),
    ("megengine", 21, [megengine_calls.draw_conv, megengine_calls.draw_transposed, megengine_calls.draw_local]),
    ("torch", 24, [torch_calls.draw_module, torch_calls.draw_transposed, torch_calls.draw_function]),
    ("jax", 24, [jax_calls.draw_general, jax_calls.draw_local, jax_calls.draw_transpose, jax_calls.draw_patches]),
    ("onnx", 16, [onnx_calls.draw_conv, onnx_calls.draw_conv_transpose]),
    ("quantized", 12, [onnx_calls.draw_integer, onnx_calls.draw_linear]),
]

# Answers that were seen in the systems themselves, or follow from the definition at sight.
KNOWN = """\
case jax-dilate-then-crop
call jax.conv_general_dilated
pair lhs=f32[1,1,4]
pair rhs=f32[1,1,2]
pair window_strides=1
pair padding=((-1,0),)
pair lhs_dilation=2
arg f32[1,1,4] 1 2 3 4
arg f32[1,1,2] 1 10
out f32[1,1,5] 20 2 30 3 40
case torch-same-extra-zero-right
call torch.Conv1d
pair input=f32[1,1,3]
pair in_channels=1
pair out_channels=1
pair kernel_size=2
pair padding=same
pair bias=False
arg f32[1,1,3] 1 0 0
arg f32[1,1,2] 1 10
out f32[1,1,3] 1 0 0
case torch-transposed-output-padding
call torch.ConvTranspose1d
pair input=f32[1,1,2]
pair in_channels=1
pair out_channels=1
pair kernel_size=2
pair stride=2
pair dilation=3
pair output_padding=2
pair bias=False
arg f32[1,1,2] 1 2
arg f32[1,1,2] 1 10
out f32[1,1,8] 1 0 2 10 0 20 0 0
case onnx-output-shape-upper
call onnx.ConvTranspose
pair X=f32[1,1,5]
pair W=f32[1,1,3]
pair strides=2
pair output_shape=10
pair auto_pad=SAME_UPPER
arg f32[1,1,5] 1 2 3 4 5
arg f32[1,1,3] 1 10 100
out f32[1,1,10] 1 10 102 20 203 30 304 40 405 50
case onnx-output-shape-cuts-start
call onnx.ConvTranspose
pair X=f32[1,1,5]
pair W=f32[1,1,3]
pair strides=2
pair output_shape=10
arg f32[1,1,5] 1 2 3 4 5
arg f32[1,1,3] 1 10 100
out f32[1,1,10] 10 102 20 203 30 304 40 405 50 500
case mxnet-target-shape-cuts-start
call mxnet.Deconvolution
pair data=f32[1,1,5]
pair kernel=(3,)
pair stride=2
pair pad=7
pair num_filter=1
pair target_shape=(10,)
arg f32[1,1,5] 1 2 3 4 5
arg f32[1,1,3] 1 10 100
out f32[1,1,10] 10 102 20 203 30 304 40 405 50 500
case jax-transpose-same
call jax.conv_transpose
pair lhs=f32[1,3,1]
pair rhs=f32[3,1,1]
pair strides=2
pair padding=SAME
arg f32[1,3,1] 1 2 3
arg f32[3,1,1] 1 10 100
out f32[1,6,1] 100 10 201 20 302 30
case onnx-padding-is-the-zero-point
call onnx.ConvInteger
pair x=u8[1,1,3]
pair w=u8[1,1,3]
pair x_zero_point=1
pair pads=[1,1]
arg u8[1,1,3] 3 3 3
arg u8[1,1,3] 1 1 1
out s32[1,1,3] 4 6 4
"""


class Small(Draw):
    """Few channels and elements, and values of -3 to 3."""

    def channels(self):
        return self.pick(1, 2, 3)

    def kernel(self, rank):
        return [self.int(1, 3 if rank < 3 else 2) for _ in range(rank)]

    def extents(self, rank, least):
        return [max(1, low + self.int(0, 3 if rank < 3 else 1)) for low in least]

    def array(self, dtype, shape):
        low = 0 if DTYPES[dtype].kind in "bu" else -3
        values = self.numpy.integers(low, 1 if dtype == "pred" else 3, shape, endpoint=True)
        values = values + 1j * self.numpy.integers(-3, 4, shape) if dtype[0] == "c" else values
        return np.asarray(values, DTYPES[dtype])


def elements(array):
    flat = array.ravel()
    if array.dtype.kind == "c":
        flat = np.stack([flat.real, flat.imag], -1).ravel()
    if array.dtype.kind in "biu":
        return " ".join(str(int(v)) for v in flat)
    return " ".join("%.9g" % float(v) for v in flat)


def print_array(word, array):
    print(("%s %s %s" % (word, type_of(array), elements(array))).rstrip())


def print_case(name, operator, pairs, arrays, result):
    print("case %s\ncall %s" % (name, operator))
    for pair in pairs:
        print("pair " + pair)
    for array in arrays:
        print_array("arg", array)
    print_array("out", result)


def draw_small(name, functions, index):
    """The call and its answer; None where it is large, or the system refuses it. Every other one has gradients."""
    draw = Small("%s/%d" % (name, index), gradients=name != "quantized" and index // len(functions) % 2 == 1)
    call = functions[index % len(functions)](draw)
    if sum(a.size for a in call.arrays) > 150:
        return None
    try:
        result = call.forward(call.arrays)
    except Exception:  # of whatever class the system has
        return None
    return None if result.size > 80 or result.size == 0 else (call, result, draw)


def print_found(name, call, result, draw):
    print_case(name, call.operator, call.pairs, call.arrays, result)
    if not draw.gradients:
        return
    cotangent = draw.numpy.integers(-3, 4, result.shape).astype(result.dtype)
    print_array("cotangent", cotangent)
    for gradient in call.pull(call.arrays, cotangent):
        print_array("gradient", gradient)


def print_drawn(name, count, functions):
    drawn = ((index, draw_small(name, functions, index)) for index in itertools.count())
    for index, found in itertools.islice((d for d in drawn if d[1] is not None), count):
        print_found("%s-%d" % (name, index), *found)


print("# Written by scripts/make-operator-answers.py, which describes the format.")
print(KNOWN, end="")
for kind in KINDS:
    print_drawn(*kind)

"""Calls of ONNX's Conv, ConvTranspose, ConvInteger and QLinearConv, each a model of one node in onnxruntime.

onnxruntime has no kernels for f64, f16 and bf16 here: these get small integers, whose sums f32 has exactly, and are computed in
f32. What it refuses of the standard is brought into what it takes: auto_pad SAME with a dilation becomes the same padding in
numbers. Zero points of ConvInteger per output channel, s8 with u8 weights (of which ConvInteger in onnxruntime 1.31 makes wrong
sums, and QLinearConv has none), and gradients come from reference.py.
"""

import numpy as np
import onnx
import onnx.helper
import onnxruntime

import reference
from calls import Attributes, Call, DTYPES

onnxruntime.set_default_logger_severity(4)
OPSET, IR = 21, 10


def run_node(operator, names, arrays, result_type, **attributes):
    """One node; arrays that are None are left out."""
    given = [n if a is not None else "" for n, a in zip(names, arrays)]
    node = onnx.helper.make_node(operator, given, ["y"], **attributes)
    inputs = [
        onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in zip(names, arrays)
        if a is not None
    ]
    result = onnx.helper.make_tensor_value_info("y", onnx.helper.np_dtype_to_tensor_dtype(DTYPES[result_type]), None)
    graph = onnx.helper.make_graph([node], "g", inputs, [result])
    model = onnx.helper.make_model(graph, ir_version=IR, opset_imports=[onnx.helper.make_opsetid("", OPSET)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {n: a for n, a in zip(names, arrays) if a is not None})[0]


class Window:
    def __init__(self, d):
        self.rank = d.rank()
        self.kernel, self.strides, self.dilations = d.kernel(self.rank), d.each(self.rank, 1, 3), d.each(self.rank, 1, 3)
        self.group, self.c, self.o = d.groups()
        self.reach = [r * (k - 1) + 1 for k, r in zip(self.kernel, self.dilations)]

    def spell(self, a):
        """auto_pad and pads, which differ between the operators, come after."""
        a.tuple("dilations", self.dilations, 1)
        a.scalar("group", self.group, 1)
        if a.draw.chance(0.5):
            a.give("kernel_shape", a.draw.tuple(self.kernel))
        a.tuple("strides", self.strides, 1)

    def attributes(self, pads):
        return dict(
            dilations=self.dilations,
            group=self.group,
            kernel_shape=self.kernel,
            strides=self.strides,
            pads=[p[0] for p in pads] + [p[1] for p in pads],
        )

    def convolution(self, extents, pads):
        taps = [
            reference.Taps.of_window(i, k, s, r, low, high)
            for i, k, s, r, (low, high) in zip(extents, self.kernel, self.strides, self.dilations, pads)
        ]
        return reference.Convolution(taps, self.group)


def spell_pads(a, pads):
    numbers = [p[0] for p in pads] + [p[1] for p in pads]
    if a.draw.default(set(numbers) == {0}):
        return
    a.give("pads", a.draw.pick("(%s)", "[%s]", "%s") % ",".join(map(str, numbers)))


def draw_pads(d, a, w):
    """Returns extents of the input, and what auto_pad and pads come to."""
    auto = d.pick("NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    a.scalar("auto_pad", auto, "NOTSET")
    if auto == "NOTSET":
        pads = [(0, 0) if d.chance(0.3) else (d.int(0, 3), d.int(0, 3)) for _ in range(w.rank)]
        spell_pads(a, pads)
        return d.extents(w.rank, [r - sum(p) for r, p in zip(w.reach, pads)]), pads
    if auto == "VALID":
        return d.extents(w.rank, w.reach), [(0, 0)] * w.rank
    extents = d.extents(w.rank, [1] * w.rank)
    lower = auto == "SAME_LOWER"
    return extents, [
        reference.same_padding(i, k, s, r, lower) for i, k, s, r in zip(extents, w.kernel, w.strides, w.dilations)
    ]


def float_array(d, dtype, shape):
    if dtype == "f32":
        return d.array(dtype, shape)
    return d.numpy.integers(-4, 5, shape).astype(DTYPES[dtype])


def in_f32(function):
    return lambda arrays: function([a.astype(np.float32) for a in arrays]).astype(arrays[0].dtype)


def gradients(conv, transposed):
    """By X, W and B; of the transposed one X and the cotangent change places."""

    def pull(arrays, cotangent):
        x, w = arrays[:2]
        if transposed:
            by_data, by_weights = conv.forward(cotangent, w), conv.by_weights(cotangent, x)
        else:
            by_data, by_weights = conv.by_data(w, cotangent), conv.by_weights(x, cotangent)
        found = [by_data, by_weights] + [reference.bias_gradient(cotangent)][: len(arrays) - 2]
        return [g.astype(a.dtype) for g, a in zip(found, arrays)]

    return pull


def draw_operands(d, a, w, extents, weights, features):
    dtype = d.dtype(["f32"] * 4 + ["f64", "f16", "bf16"])
    arrays = [float_array(d, dtype, (d.int(1, 2), w.group * w.c, *extents)), float_array(d, dtype, (*weights, *w.kernel))]
    if d.chance(0.5):
        arrays.append(float_array(d, dtype, (features,)))
    operands = Attributes(d)
    for name, array in zip("XWB", arrays):
        operands.array(name, array)
    a[:0] = operands
    return arrays


def draw_conv(d):
    w, a = Window(d), Attributes(d)
    w.spell(a)
    extents, pads = draw_pads(d, a, w)
    arrays = draw_operands(d, a, w, extents, (w.group * w.o, w.c), w.group * w.o)
    forward = in_f32(lambda arrays: run_node("Conv", "XWB"[: len(arrays)], arrays, "f32", **w.attributes(pads)))
    return Call("onnx.Conv", a, arrays, forward, gradients(w.convolution(extents, pads), False))


def draw_transpose_size(d, a, w, extents):
    """Attributes for onnxruntime, and what is cut at the start and is left of each dimension. An output_shape may go beyond the
    last product by less than a stride; SAME, which asks for input times stride, never adds anything."""
    room = [max(s, r) - 1 for s, r in zip(w.strides, w.dilations)]
    extra = [d.int(0, min(2, r)) if d.chance(0.5) else 0 for r in room] if d.chance(0.4) else [0] * w.rank
    a.tuple("output_padding", extra, 0)
    full = [s * (i - 1) + e + r for s, i, e, r in zip(w.strides, extents, extra, w.reach)]
    auto = d.pick("NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    a.scalar("auto_pad", auto, "NOTSET")
    given = dict(
        auto_pad=auto, output_padding=extra, dilations=w.dilations, group=w.group, kernel_shape=w.kernel, strides=w.strides
    )
    size = None
    if d.chance(0.35):
        size = [max(1, f - d.int(1 - t, 3)) for f, t in zip(full, w.strides)]
        a.give("output_shape", d.tuple(size))
        given["output_shape"] = size
    elif auto in ("SAME_UPPER", "SAME_LOWER"):
        size = [min(f, i * s) for f, i, s in zip(full, extents, w.strides)]
    elif auto == "NOTSET":
        pads = [(d.int(0, 2), d.int(0, 2)) if f > 5 else (0, 0) for f in full]
        spell_pads(a, pads)
        given["pads"] = [p[0] for p in pads] + [p[1] for p in pads]
        return given, [p[0] for p in pads], [f - sum(p) for f, p in zip(full, pads)]
    if size is None:
        return given, [0] * w.rank, full
    cut = [max(0, f - s) for f, s in zip(full, size)]
    return given, [c // 2 if auto == "SAME_UPPER" else c - c // 2 for c in cut], size


def draw_conv_transpose(d):
    w, a = Window(d), Attributes(d)
    w.spell(a)
    extents = d.extents(w.rank, [1] * w.rank)
    given, low, size = draw_transpose_size(d, a, w, extents)
    arrays = draw_operands(d, a, w, extents, (w.group * w.c, w.o), w.group * w.o)
    taps = [
        reference.Taps.of_transposed(i, o, k, s, r, p)
        for i, o, k, s, r, p in zip(extents, size, w.kernel, w.strides, w.dilations, low)
    ]
    forward = in_f32(lambda arrays: run_node("ConvTranspose", "XWB"[: len(arrays)], arrays, "f32", **given))
    return Call("onnx.ConvTranspose", a, arrays, forward, gradients(reference.Convolution(taps, w.group), True))


# ---- quantized


class Quantized:
    """x, w and their zero points. A zero point that is an array is an argument, one that is a number is part of the call."""

    def __init__(self, d, per_channel):
        self.window, self.attributes, self.arguments = Window(d), Attributes(d), Attributes(d)
        w = self.window
        w.spell(self.attributes)
        self.extents, self.pads = draw_pads(d, self.attributes, w)
        self.x = d.array(d.pick("u8", "s8"), (d.int(1, 2), w.group * w.c, *self.extents))
        self.w = d.array(d.pick("u8", "s8"), (w.group * w.o, w.c, *w.kernel))
        if (self.x.dtype, self.w.dtype) == (np.uint8, np.int8):
            self.w //= 2  # onnxruntime adds pairs of these products in 16 bits, which saturate
        self.features = w.group * w.o
        self.per_channel = per_channel
        self.arrays, self.values = [], {}

    def add(self, d, name, value):
        """An argument, or, of scales and zero points, at random a constant."""
        self.values[name] = value
        if "_" in name and d.chance(0.4):
            self.arguments.give(name, "[%s]" % ",".join(map(str, value)) if value.ndim else value)
        else:
            self.arguments.array(name, value)
            self.arrays.append((name, value))

    def all_values(self, arrays):
        return {**self.values, **{name: array for (name, _), array in zip(self.arrays, arrays)}}

    def pairs(self):
        return self.arguments + self.attributes


def sum_of_products(q, v):
    """Exact, with every zero point, as rule: taps outside contribute nothing."""
    shape = (-1,) + (1,) * (q.w.ndim - 1)
    x = v["x"].astype(np.int64) - v.get("x_zero_point", np.int64(0)).astype(np.int64)
    w = v["w"].astype(np.int64) - v.get("w_zero_point", np.int64(0)).astype(np.int64).reshape(shape)
    return q.window.convolution(q.extents, q.pads).forward(x, w)


def draw_integer(d):
    q = Quantized(d, d.chance(0.3))
    names = ["x", "w", "x_zero_point", "w_zero_point"]
    q.add(d, "x", q.x)
    q.add(d, "w", q.w)
    if d.chance(0.8):
        q.add(d, "x_zero_point", d.array(NAME_OF[q.x.dtype], ()))
    if d.chance(0.6):
        q.add(d, "w_zero_point", d.array(NAME_OF[q.w.dtype], (q.features,) if q.per_channel else ()))

    def forward(arrays):
        v = q.all_values(arrays)
        if q.per_channel or (q.x.dtype, q.w.dtype) == (np.int8, np.uint8):
            return sum_of_products(q, v).astype(np.int32)
        return run_node("ConvInteger", names, [v.get(n) for n in names], "s32", **q.window.attributes(q.pads))

    return Call("onnx.ConvInteger", q.pairs(), [a for _, a in q.arrays], forward)


NAME_OF = {DTYPES[n]: n for n in ("u8", "s8")}


def draw_scale(d, shape):
    """Powers of two, which every order of multiplying agrees on, and others."""
    exact = 2.0 ** d.numpy.integers(-3, 2, shape)
    return np.asarray(exact * (1 if d.chance(0.5) else d.numpy.uniform(0.6, 1.4, shape)), np.float32)


def requantize(q, v):
    """The sum of products and the bias, in the scale of y: rounded to nearest even, clamped to its type."""
    y = sum_of_products(q, v)
    if "B" in v:
        y = y + v["B"].astype(np.int64).reshape((1, -1) + (1,) * q.window.rank)
    scale = v["x_scale"] * v["w_scale"] / v["y_scale"]
    y = np.rint(y * scale.astype(np.float64).reshape((1, -1) + (1,) * q.window.rank)) + v["y_zero_point"].astype(np.int64)
    info = np.iinfo(q.x.dtype)
    return np.clip(y, info.min, info.max).astype(q.x.dtype)


def draw_linear(d):
    q = Quantized(d, d.chance(0.4))
    names = ["x", "x_scale", "x_zero_point", "w", "w_scale", "w_zero_point", "y_scale", "y_zero_point", "B"]
    channel = (q.features,) if q.per_channel else ()
    result, weights = NAME_OF[q.x.dtype], NAME_OF[q.w.dtype]
    # The spread of a sum, so that results fill their type.
    spread = np.float32(2.0 ** int(np.log2(150 * np.prod(q.w.shape[1:]) ** 0.5)))
    values = {
        "x": q.x,
        "x_scale": draw_scale(d, ()),
        "x_zero_point": d.array(result, ()),
        "w": q.w,
        "w_scale": draw_scale(d, channel),
        "w_zero_point": np.full(channel, d.array(weights, ())),
        "y_scale": np.asarray(draw_scale(d, ()) * spread),
        "y_zero_point": d.array(result, ()),
    }
    if d.chance(0.5):
        values["B"] = d.numpy.integers(-20000, 20000, (q.features,)).astype(np.int32)
    for name, value in values.items():
        q.add(d, name, value)

    def forward(arrays):
        v = q.all_values(arrays)
        if (q.x.dtype, q.w.dtype) == (np.int8, np.uint8):
            return requantize(q, v)
        return run_node("QLinearConv", names, [v.get(n) for n in names], result, **q.window.attributes(q.pads))

    return Call("onnx.QLinearConv", q.pairs(), [a for _, a in q.arrays], forward, near=True)


def draw(d):
    floats = [draw_conv, draw_conv, draw_conv_transpose, draw_conv_transpose]
    return d.pick(*(floats if d.gradients else floats + [draw_integer, draw_linear]))(d)

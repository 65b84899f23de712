"""Calls of MXNet's Convolution and Deconvolution, worked out by reference.py from their documentation.

Convolution: floor((x + 2p - d(k-1) - 1)/s) + 1 outputs. Deconvolution: s(x-1) + d(k-1) + 1 - 2p + adj, or, when target_shape
has an entry that is not 0, that many, with what is too much cut evenly, an odd one at the start; pad and adj are ignored
then. Layouts with the channel last have it last in data, weight and result.
"""

import numpy as np

import reference
from calls import Attributes, Call, FLOATS

LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}
FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}


def to_last(array):
    return np.moveaxis(array, 1, -1)


def to_first(array):
    return np.moveaxis(array, -1, 1)


def same(array):
    return array


class Window:
    def __init__(self, d):
        self.rank = d.rank()
        self.kernel, self.stride, self.dilate = d.kernel(self.rank), d.each(self.rank, 1, 3), d.each(self.rank, 1, 3)
        self.reach = [r * (k - 1) + 1 for k, r in zip(self.kernel, self.dilate)]
        self.groups, self.c, self.o = d.groups()

    def spell(self, d, a, pad):
        a.give("kernel", d.tuple(self.kernel) if self.rank > 1 else "(%d,)" % self.kernel[0])
        a.tuple("stride", self.stride, 1)
        a.tuple("dilate", self.dilate, 1)
        a.tuple("pad", pad, 0)
        a.give("num_filter", self.groups * self.o)
        a.scalar("num_group", self.groups, 1)


def spell_hints(d, a):
    """What is about speed alone."""
    if d.chance(0.2):
        a.give("workspace", d.pick(0, 64, 512, 1024))
    if d.chance(0.2):
        a.give("cudnn_tune", d.pick("None", "off", "limited_workspace", "fastest"))
    if d.chance(0.1):
        a.give("cudnn_off", d.pick("True", "False"))


def call_of(d, operator, a, conv, arrays, transposed, last, no_bias_default):
    """`arrays` with the channels first; conv computes the result, or is what the operator turns around."""
    image = conv.by_data if transposed else None
    inside, outside = (to_first, to_last) if last else (same, same)

    def forward(given):
        x, w = inside(given[0]), inside(given[1])
        y = image(w, x) if transposed else conv.forward(x, w)
        return outside(reference.add_bias(y, given[2] if len(given) > 2 else None)).astype(given[0].dtype)

    def pull(given, cotangent):
        x, w, g = inside(given[0]), inside(given[1]), inside(cotangent)
        if transposed:
            found = [conv.forward(g, w), conv.by_weights(g, x)]
        else:
            found = [conv.by_data(w, g), conv.by_weights(x, g)]
        found = [outside(f) for f in found] + [reference.bias_gradient(g)][: len(given) - 2]
        return [f.astype(array.dtype) for f, array in zip(found, given)]

    given = [np.ascontiguousarray(outside(x)) for x in arrays[:2]] + arrays[2:]
    a.scalar("no_bias", len(given) < 3, no_bias_default)
    spell_hints(d, a)
    head = Attributes(d)
    head.array("data", given[0])
    for name, array in zip(("weight", "bias"), given[1:]):
        if d.chance(0.2):
            head.array(name, array)
    return Call(operator, head + a, given, forward, pull)


def draw_layout(d, a, rank, lasts):
    last = d.chance(0.3) and rank in lasts
    if last:
        a.give("layout", LAST[rank])
    elif d.chance(0.3):
        a.give("layout", d.pick("None", FIRST[rank]))
    return last


def arrays_of(d, data, weight, features, bias):
    dtype = d.dtype(FLOATS)
    return [d.array(dtype, data), d.array(dtype, weight)] + [d.array(dtype, (features,))] * bias


def draw_convolution(d):
    w, a = Window(d), Attributes(d)
    pad = d.each(w.rank, 0, 3, 0.3)
    extents = d.extents(w.rank, [r - 2 * p for r, p in zip(w.reach, pad)])
    w.spell(d, a, pad)
    last = draw_layout(d, a, w.rank, (1, 2, 3))
    taps = [reference.Taps.of_window(i, k, s, r, p, p) for i, k, s, r, p in zip(extents, w.kernel, w.stride, w.dilate, pad)]
    features = w.groups * w.o
    arrays = arrays_of(d, (d.int(1, 3), w.groups * w.c, *extents), (features, w.c, *w.kernel), features, d.chance(0.6))
    return call_of(d, "mxnet.Convolution", a, reference.Convolution(taps, w.groups), arrays, False, last, False)


def draw_target(d, full, stride):
    """Extents that leave nothing negative, and are cut oddly only where adj = 1 is allowed; and the pads they mean."""
    target = [max(1, f - (d.int(0, 4) if s > 1 else 2 * d.int(0, 2))) for f, s in zip(full, stride)]
    target = [t if s > 1 or (f - t) % 2 == 0 else f for t, f, s in zip(target, full, stride)]
    return target, [(f - t + 1) // 2 for f, t in zip(full, target)]


def draw_deconvolution(d):
    w, a = Window(d), Attributes(d)
    extents = d.extents(w.rank, [1] * w.rank)
    full = [s * (i - 1) + r for s, i, r in zip(w.stride, extents, w.reach)]
    pad = [d.int(0, min(2, (f - 1) // 2)) if d.chance(0.5) else 0 for f in full]
    w.spell(d, a, pad)
    if d.chance(0.3):
        size, cut = draw_target(d, full, w.stride)
        a.give("target_shape", d.tuple(size) if w.rank > 1 else "(%d,)" % size[0])
    else:
        adj = [d.int(0, s - 1) if d.chance(0.5) else 0 for s in w.stride]
        a.tuple("adj", adj, 0)
        size, cut = [f - 2 * p + e for f, p, e in zip(full, pad, adj)], pad
    last = draw_layout(d, a, w.rank, (2, 3))
    taps = [
        reference.Taps.of_transposed(i, o, k, s, r, p)
        for i, o, k, s, r, p in zip(extents, size, w.kernel, w.stride, w.dilate, cut)
    ]
    features = w.groups * w.o
    arrays = arrays_of(d, (d.int(1, 3), w.groups * w.c, *extents), (w.groups * w.c, w.o, *w.kernel), features, d.chance(0.5))
    return call_of(d, "mxnet.Deconvolution", a, reference.Convolution(taps, w.groups), arrays, True, last, True)


def draw(d):
    return d.pick(draw_convolution, draw_deconvolution)(d)

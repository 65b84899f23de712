"""Calls of MegEngine's Conv1d, Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d and LocalConv2d, worked out by reference.py.

Weights with groups have them first: (groups, O/groups, I/groups, k...), transposed (groups, I/groups, O/groups, k...), and
always in LocalConv2d: (groups, OH, OW, I/groups, kh, kw, O/groups). A bias is (1, O, 1, ...). padding_mode reflect and
replicate are of Conv1d and Conv2d, compute_mode of all but Conv3d.
"""

import reference
from calls import Attributes, Call, FLOATS


class Window:
    def __init__(self, d, rank, padded=True):
        self.rank, self.kernel = rank, d.kernel(rank)
        self.stride, self.dilation = d.each(rank, 1, 3), d.each(rank, 1, 3)
        self.padding = d.each(rank, 0, 3, 0.3) if padded else [0] * rank
        self.reach = [r * (k - 1) + 1 for k, r in zip(self.kernel, self.dilation)]
        self.groups, self.c, self.o = d.groups()
        self.features = self.groups * self.o

    def least(self, mode="zeros"):
        """The least extents that leave a result, and that have what a reflection reads."""
        least = [r - 2 * p for r, p in zip(self.reach, self.padding)]
        return [max(n, p + 1) for n, p in zip(least, self.padding)] if mode == "reflect" else least

    def taps(self, extents, edge="zeros"):
        return [
            reference.Taps.of_window(i, k, s, r, p, p, edge)
            for i, k, s, r, p in zip(extents, self.kernel, self.stride, self.dilation, self.padding)
        ]

    def spell(self, d, a, bias):
        a.give("in_channels", self.groups * self.c)
        a.give("out_channels", self.features)
        a.give("kernel_size", d.tuple(self.kernel))
        a.tuple("stride", self.stride, 1)
        a.tuple("padding", self.padding, 0)
        a.tuple("dilation", self.dilation, 1)
        a.scalar("groups", self.groups, 1)
        if bias is not None:
            a.scalar("bias", bias, True)
        a.scalar("conv_mode", "cross_correlation", "cross_correlation")


def spell_compute_mode(d, a, dtype):
    if dtype == "f16" and d.chance(0.5):
        a.give("compute_mode", d.pick("float32", "'float32'"))
    else:
        a.scalar("compute_mode", "default", "default")


def arrays_of(d, dtype, image, weight, bias, rank):
    arrays = [d.array(dtype, image), d.array(dtype, weight)]
    return arrays + [d.array(dtype, (1, bias) + (1,) * rank)] * (bias > 0)


def grouped(weight, groups):
    """The shape of weights with the groups in front, where there are several."""
    return weight if groups == 1 else (groups, weight[0] // groups, *weight[1:])


def call_of(d, operator, a, conv, arrays, transposed=False):
    def weights(w):
        return w.reshape((-1,) + w.shape[2:]) if conv.groups > 1 and not conv.unshared else w

    def forward(given):
        x, w = given[0], weights(given[1])
        y = conv.by_data(w, x) if transposed else conv.forward(x, w)
        return reference.add_bias(y, given[2] if len(given) > 2 else None).astype(x.dtype)

    def pull(given, g):
        x, w = given[0], weights(given[1])
        found = [conv.forward(g, w), conv.by_weights(g, x)] if transposed else [conv.by_data(w, g), conv.by_weights(x, g)]
        found += [reference.bias_gradient(g)][: len(given) - 2]
        return [f.reshape(array.shape).astype(array.dtype) for f, array in zip(found, given)]

    head = Attributes(d)
    head.array("inp", arrays[0])
    for name, array in zip(("weight", "bias"), arrays[1:]):
        if d.chance(0.2):
            head.array(name, array)
    return Call(operator, head + a, arrays, forward, pull)


def draw_conv(d):
    w, a = Window(d, d.rank()), Attributes(d)
    mode = d.pick("zeros", "zeros", "reflect", "replicate") if w.rank < 3 else "zeros"
    extents = d.extents(w.rank, w.least(mode))
    dtype, bias = d.dtype(FLOATS), d.chance(0.6)
    w.spell(d, a, bias)
    if w.rank < 3:
        spell_compute_mode(d, a, dtype)
        a.scalar("padding_mode", mode, "zeros")
    weight = grouped((w.features, w.c, *w.kernel), w.groups)
    image = (d.int(1, 3), w.groups * w.c, *extents)
    arrays = arrays_of(d, dtype, image, weight, w.features if bias else 0, w.rank)
    return call_of(d, "megengine.Conv%dd" % w.rank, a, reference.Convolution(w.taps(extents, mode), w.groups), arrays)


def draw_transposed(d):
    w, a = Window(d, d.pick(2, 2, 3), padded=False), Attributes(d)
    extents = d.extents(w.rank, [1] * w.rank)
    full = [s * (i - 1) + r for s, i, r in zip(w.stride, extents, w.reach)]
    w.padding = [d.int(0, min(2, (f - 1) // 2)) if d.chance(0.5) else 0 for f in full]
    extra = [d.int(0, s - 1) if d.chance(0.4) else 0 for s in w.stride]
    dtype, bias = d.dtype(FLOATS), d.chance(0.6)
    w.spell(d, a, bias)
    spell_compute_mode(d, a, dtype)
    a.tuple("output_padding", extra, 0)
    taps = [
        reference.Taps.of_transposed(i, f - 2 * p + e, k, s, r, p)
        for i, f, p, e, k, s, r in zip(extents, full, w.padding, extra, w.kernel, w.stride, w.dilation)
    ]
    weight = grouped((w.groups * w.c, w.o, *w.kernel), w.groups)
    image = (d.int(1, 3), w.groups * w.c, *extents)
    arrays = arrays_of(d, dtype, image, weight, w.features if bias else 0, w.rank)
    return call_of(d, "megengine.ConvTranspose%dd" % w.rank, a, reference.Convolution(taps, w.groups), arrays, transposed=True)


def draw_local(d):
    w, a = Window(d, 2), Attributes(d)
    extents = d.extents(2, w.least())
    taps = w.taps(extents)
    w.spell(d, a, None)
    a.give("input_height", extents[0])
    a.give("input_width", extents[1])
    weight = (w.groups, *(t.table.shape[0] for t in taps), w.c, *w.kernel, w.o)
    arrays = arrays_of(d, d.dtype(FLOATS), (d.int(1, 2), w.groups * w.c, *extents), weight, 0, 2)
    return call_of(d, "megengine.LocalConv2d", a, reference.Convolution(taps, w.groups, unshared=True), arrays)


def draw(d):
    return d.pick(draw_conv, draw_conv, draw_transposed, draw_local)(d)

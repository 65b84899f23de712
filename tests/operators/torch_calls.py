"""Calls of PyTorch: the modules Conv1d..3d and ConvTranspose1d..3d, and the functions conv1d..3d.

The modules are given their weights and run, so padding modes, 'same', unbatched inputs and output_size are torch's own.
Gradients are autograd's; those of complex numbers, which torch conjugates, are left out.
"""

import ml_dtypes
import numpy as np
import torch

from calls import Attributes, Call, FLOATS, NAMES

torch.set_num_threads(1)


def to_torch(array):
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(np.ascontiguousarray(array))


def to_numpy(tensor):
    tensor = tensor.detach().resolve_conj().contiguous()
    return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16) if tensor.dtype == torch.bfloat16 else tensor.numpy()


def call_of(operator, pairs, arrays, function):
    def forward(arrays):
        with torch.no_grad():
            return to_numpy(function(*map(to_torch, arrays)))

    def pull(arrays, cotangent):
        tensors = [to_torch(a).requires_grad_() for a in arrays]
        return [to_numpy(g) for g in torch.autograd.grad(function(*tensors), tensors, to_torch(cotangent))]

    return Call(operator, pairs, arrays, forward, pull)


def run_module(module, forward_arguments):
    """A function of input, weight and bias."""

    def function(input, weight, bias=None):
        parameters = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        return torch.func.functional_call(module, parameters, (input,), forward_arguments)

    return function


class Window:
    def __init__(self, d, rank):
        self.rank, self.kernel = rank, d.kernel(rank)
        self.stride, self.dilation = d.each(rank, 1, 3), d.each(rank, 1, 3)
        self.reach = [r * (k - 1) + 1 for k, r in zip(self.kernel, self.dilation)]
        self.groups, self.c, self.o = d.groups()


def draw_padding(d, a, w):
    """Returns what torch gets, and the amounts per side, which 'same' may round down."""
    form = d.pick("none", "numbers", "numbers", "same", "valid")
    if form == "same":
        w.stride = [1] * w.rank
    if form in ("same", "valid"):
        a.give("padding", d.pick("%s", "'%s'") % form)
        return form, [(r - 1) // 2 if form == "same" else 0 for r in w.reach]
    amounts = [d.int(0, 3) if form == "numbers" else 0 for _ in range(w.rank)]
    a.tuple("padding", amounts, 0)
    return amounts, amounts


def arrays_of(d, dtype, image, weight, features, bias):
    arrays = [d.array(dtype, image), d.array(dtype, weight)]
    return arrays + [d.array(dtype, (features,))] * bias


def image_of(d, channels, extents):
    return (channels, *extents) if d.chance(0.25) else (d.int(1, 3), channels, *extents)


def spell_hints(d, a, dtype):
    """What the CPU computes by is the same with all of these."""
    if d.chance(0.1):
        a.give("dtype", d.pick("None", dtype.name, NAMES[dtype]))
    if d.chance(0.2):
        a.give(d.pick("allow_tf32", "deterministic"), d.pick("True", "False"))


def spell_module(d, a, arrays, w):
    """The head of a module's call: its weight's and bias's types follow from the rest, and are sometimes given all the same."""
    head = Attributes(d)
    head.array("input", arrays[0])
    if d.chance(0.2):
        head.array("weight", arrays[1])
    if len(arrays) > 2 and d.chance(0.2):
        head.array("bias", arrays[2])
    head.give("in_channels", w.groups * w.c)
    head.give("out_channels", w.groups * w.o)
    head.give("kernel_size", d.tuple(w.kernel))
    a[:0] = head
    a.scalar("groups", w.groups, 1)
    a.scalar("bias", len(arrays) > 2, True)
    spell_hints(d, a, arrays[0].dtype)


def make_module(name, w, arrays, options):
    """Of torch.nn; without memory, since the arrays are given to each run."""
    kind = getattr(torch.nn, "%s%dd" % (name, w.rank))
    options.update(groups=w.groups, dilation=w.dilation, bias=len(arrays) > 2, device="meta")
    return kind(w.groups * w.c, w.groups * w.o, w.kernel, w.stride, **options)


def draw_module(d):
    w, a = Window(d, d.rank()), Attributes(d)
    groups, c, o = w.groups, w.c, w.o
    padding, amounts = draw_padding(d, a, w)
    mode = d.pick("zeros", "zeros", "reflect", "replicate", "circular")
    a.scalar("padding_mode", mode, "zeros")
    a.tuple("stride", w.stride, 1)
    a.tuple("dilation", w.dilation, 1)
    most = [p + (padding == "same") for p in amounts]
    needed = [m + 1 for m in most] if mode in ("reflect", "circular") else [1] * w.rank
    extents = d.extents(w.rank, [max(n, r - 2 * p) for n, r, p in zip(needed, w.reach, amounts)])
    dtype = d.dtype(FLOATS + ["c64", "c128"] * (mode == "zeros"))
    arrays = arrays_of(d, dtype, image_of(d, groups * c, extents), (groups * o, c, *w.kernel), groups * o, d.chance(0.7))
    spell_module(d, a, arrays, w)
    options = dict(padding=padding, padding_mode=mode)
    return call_of("torch.Conv%dd" % w.rank, a, arrays, run_module(make_module("Conv", w, arrays, options), {}))


def draw_function(d):
    w, a = Window(d, d.rank()), Attributes(d)
    groups, c, o = w.groups, w.c, w.o
    padding, amounts = draw_padding(d, a, w)
    extents = d.extents(w.rank, [r - 2 * p for r, p in zip(w.reach, amounts)])
    a.tuple("stride", w.stride, 1)
    a.tuple("dilation", w.dilation, 1)
    a.scalar("groups", groups, 1)
    dtype = d.dtype(FLOATS + ["c64", "c128"])
    arrays = arrays_of(d, dtype, image_of(d, groups * c, extents), (groups * o, c, *w.kernel), groups * o, d.chance(0.5))
    head = Attributes(d)
    for name, array in zip(("input", "weight", "bias"), arrays):
        head.array(name, array)
    function = getattr(torch, "conv%dd" % w.rank)

    def run(input, weight, bias=None):
        return function(input, weight, bias, w.stride, padding, w.dilation, groups)

    return call_of("torch.conv%dd" % w.rank, head + a, arrays, run)


def draw_transposed(d):
    w, a = Window(d, d.rank()), Attributes(d)
    groups, c, o = w.groups, w.c, w.o
    extents = d.extents(w.rank, [1] * w.rank)
    full = [s * (i - 1) + r for s, i, r in zip(w.stride, extents, w.reach)]
    padding = [d.int(0, min(3, (f - 1) // 2)) if d.chance(0.6) else 0 for f in full]
    least = [f - 2 * p for f, p in zip(full, padding)]
    a.tuple("stride", w.stride, 1)
    a.tuple("padding", padding, 0)
    a.tuple("dilation", w.dilation, 1)
    extra, size = [0] * w.rank, None
    if d.chance(0.3):
        size = [n + d.int(0, s - 1) for n, s in zip(least, w.stride)]
        a.give("output_size", d.tuple(size))
    elif d.chance(0.5):
        extra = [d.int(0, max(s, r) - 1) for s, r in zip(w.stride, w.dilation)]
        a.tuple("output_padding", extra, 0)
    dtype = d.dtype(FLOATS + ["c64"])
    arrays = arrays_of(d, dtype, image_of(d, groups * c, extents), (groups * c, o, *w.kernel), groups * o, d.chance(0.7))
    spell_module(d, a, arrays, w)
    module = make_module("ConvTranspose", w, arrays, dict(padding=padding, output_padding=extra))
    return call_of("torch.ConvTranspose%dd" % w.rank, a, arrays, run_module(module, {"output_size": size}))


def draw(d):
    return d.pick(draw_module, draw_module, draw_transposed, draw_transposed, draw_function)(d)

"""Calls of jax.lax: conv_general_dilated, conv_general_dilated_local, conv_transpose and conv_general_dilated_patches.

Dimension numbers are drawn as permutations: position p[0] of an array is its batch (of weights: the output's feature), p[1] its
feature, the rest its spatial dimensions in the order in which the call lists strides. They are spelled as three strings, whose
spatial order is that of the weights, as a ConvDimensionNumbers, or left out.

XLA:CPU reads beyond the input for negative low padding in f32, f16, bf16 and c64 (jaxlib 0.10.2), also of integers that are
summed in f32; these are computed in f64 and c128.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compiling takes nearly all the time.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
import jax
import numpy as np
from jax import lax

from calls import Attributes, Call, DTYPES, FLOATS, NAMES

jax.config.update("jax_enable_x64", True)

MORE = ["c64", "c128", "s32", "s8", "u8", "u16", "s64", "pred"]
WIDER = {
    "f16": ["f32"],
    "bf16": ["f32"],
    "f32": ["f64"],
    "s8": ["s16", "s32", "f32"],
    "u8": ["u32", "s32"],
    "s32": ["s64"],
}


def place(positions, batch, feature, spatial):
    shape = [0] * len(positions)
    for position, extent in zip(positions, [batch, feature] + list(spatial)):
        shape[position] = extent
    return tuple(shape)


class Numbers:
    def __init__(self, d, rank, default=None):
        """`default` are the strings that None stands for."""
        self.form = d.pick("none", "strings", "strings", "numbers")
        if self.form == "none":
            self.value, self.text = None, d.pick(None, "None")
            positions = default or [range(rank + 2)] * 3
        else:
            positions = [d.shuffled(range(rank + 2)) for _ in range(3)]
        if self.form == "strings":
            positions[1][2:] = sorted(positions[1][2:])
            spatial = d.rng.sample("HWDXYZhwd012", rank)
            self.value = tuple("".join(place(p, *first, spatial)) for p, first in zip(positions, ("NC", "OI", "NC")))
            self.text = "(%s)" % ", ".join("'%s'" % v for v in self.value)
        self.lhs, self.rhs, self.out = (tuple(p) for p in positions)
        if self.form == "numbers":
            self.value = lax.ConvDimensionNumbers(self.lhs, self.rhs, self.out)
            self.text = str(self.value)

    def spell(self, attributes):
        if self.text is not None:
            attributes.give("dimension_numbers", self.text)


def spell_precision(d, attributes):
    if d.chance(0.2):
        attributes.give("precision", d.pick("None", "DEFAULT", "HIGH", "HIGHEST", "('DEFAULT', 'HIGHEST')"))


def draw_pairs(d, attributes, w, holes, least):
    """Pairs of which none is below `least`, and that leave nothing of no input less than none."""
    padding = []
    for extent, hole in zip(w.extents, holes):
        low, high = d.int(least, 3), d.int(least, 3)
        padding.append((low, high) if low + high + (extent - 1) * hole + 1 >= 0 else (0, 0))
    attributes.give("padding", d.pairs_of(padding))
    return padding


def draw_padding(d, attributes, w):
    """A name, which jax takes where the input is not dilated, or pairs."""
    if set(w.holes) != {1} or d.chance(0.5):
        return draw_pairs(d, attributes, w, w.holes, -2)
    name = d.pick("SAME", "SAME_LOWER", "VALID")
    attributes.give("padding", d.pick("%s", "'%s'") % d.pick(name, name, name.lower()))
    return name


WIDE = {"f16": "f64", "bf16": "f64", "f32": "f64", "c64": "c128"}


def call_of(operator, pairs, arrays, function, padding=(), preferred=None):
    """function(preferred_element_type, *arrays) is a call of jax. Gradients crop wherever there is padding: all are wide."""
    dtype = NAMES[arrays[0].dtype]
    crops = not isinstance(padding, str) and any(low < 0 for low, _ in padding)

    def typed(*arrays):
        wide = arrays[0].dtype != DTYPES[dtype]
        return function(DTYPES[preferred] if preferred and not wide else None, *arrays)

    def pulled(cotangent, *arrays):
        result, back = jax.vjp(typed, *arrays)
        return back(cotangent.astype(result.dtype))

    compiled, compiled_pull = jax.jit(typed), jax.jit(pulled)

    def widened(arrays):
        return [a.astype(DTYPES[WIDE.get(preferred, WIDE.get(dtype, dtype))]) for a in arrays]

    def forward(arrays):
        return np.asarray(compiled(*(widened(arrays) if crops else arrays))).astype(DTYPES[preferred or dtype])

    def pull(arrays, cotangent):
        return [np.asarray(g).astype(DTYPES[dtype]) for g in compiled_pull(cotangent, *widened(arrays))]

    return Call(operator, pairs, arrays, forward, pull)


def spell_common(d, attributes, preferred, numbers):
    numbers.spell(attributes)
    spell_precision(d, attributes)
    if preferred is not None:
        attributes.give("preferred_element_type", d.pick(preferred, DTYPES[preferred].name))


class Window:
    """What all four operators have: extents, kernel, strides and both dilations."""

    def __init__(self, d, rank, holes=True):
        self.rank, self.kernel = rank, d.kernel(rank)
        self.strides, self.dilation = d.each(rank, 1, 3), d.each(rank, 1, 3)
        self.holes = d.each(rank, 1, 3, 0.6) if holes else [1] * rank
        self.extents = d.extents(rank, [r * (k - 1) + 1 - d.int(0, 3) for k, r in zip(self.kernel, self.dilation)])

    def spell_dilations(self, attributes, holes=True):
        if holes and not attributes.draw.default(set(self.holes) == {1}):
            attributes.give("lhs_dilation", attributes.draw.tuple(self.holes))
        if not attributes.draw.default(set(self.dilation) == {1}):
            attributes.give("rhs_dilation", attributes.draw.tuple(self.dilation))

    def keywords(self, holes=True):
        given = {"rhs_dilation": self.dilation}
        return dict(given, lhs_dilation=self.holes) if holes else given


def draw_general(d):
    rank = d.rank()
    w, numbers = Window(d, rank), Numbers(d, rank)
    groups, c, o = d.groups()
    blocks = d.pick(1, 2, 3) if groups == 1 and d.chance(0.3) else 1
    n, dtype = d.int(1, 2) * blocks, d.dtype(FLOATS * 2 + MORE)
    lhs = d.array(dtype, place(numbers.lhs, n, c * groups, w.extents))
    rhs = d.array(dtype, place(numbers.rhs, o * groups * blocks, c, w.kernel))
    preferred = d.pick(*WIDER[dtype]) if dtype in WIDER and d.chance(0.3) else None
    a = Attributes(d)
    a.array("lhs", lhs)
    a.array("rhs", rhs)
    a.give("window_strides", d.tuple(w.strides))
    padding = draw_padding(d, a, w)
    w.spell_dilations(a)
    a.scalar("feature_group_count", groups, 1)
    a.scalar("batch_group_count", blocks, 1)
    spell_common(d, a, preferred, numbers)

    def function(kind, lhs, rhs):
        return lax.conv_general_dilated(
            lhs,
            rhs,
            w.strides,
            padding,
            dimension_numbers=numbers.value,
            feature_group_count=groups,
            batch_group_count=blocks,
            preferred_element_type=kind,
            **w.keywords(),
        )

    return call_of("jax.conv_general_dilated", a, [lhs, rhs], function, padding, preferred)


def draw_patches(d):
    rank = d.rank()
    w, numbers = Window(d, rank), Numbers(d, rank)
    dtype = d.dtype(FLOATS + ["s32", "s8", "c64"])
    lhs = d.array(dtype, place(numbers.lhs, d.int(1, 2), d.int(1, 5), w.extents))
    preferred = d.pick(*WIDER[dtype]) if dtype in WIDER and d.chance(0.2) else None
    a = Attributes(d)
    a.array("lhs", lhs)
    a.give("filter_shape", d.tuple(w.kernel))
    a.give("window_strides", d.tuple(w.strides))
    padding = draw_padding(d, a, w)
    w.spell_dilations(a)
    spell_common(d, a, preferred, numbers)

    def function(kind, lhs):
        return lax.conv_general_dilated_patches(
            lhs, w.kernel, w.strides, padding, dimension_numbers=numbers.value, preferred_element_type=kind, **w.keywords()
        )

    return call_of("jax.conv_general_dilated_patches", a, [lhs], function, padding, preferred)


def draw_local(d):
    rank = d.rank()
    w, numbers = Window(d, rank), Numbers(d, rank)
    dtype = d.dtype(FLOATS + ["c64", "s32"])
    n, c, o = d.int(1, 2), d.int(1, 5), d.channels()
    lhs = d.array(dtype, place(numbers.lhs, n, c, w.extents))
    a = Attributes(d)
    a.array("lhs", lhs)
    strides = d.tuple(w.strides)
    kernel = d.tuple(w.kernel)
    rest = Attributes(d)
    padding = draw_padding(d, rest, w)
    patches = jax.eval_shape(
        lambda x: lax.conv_general_dilated_patches(
            x, w.kernel, w.strides, padding, dimension_numbers=numbers.value, **w.keywords()
        ),
        jax.ShapeDtypeStruct(lhs.shape, np.float32),
    )
    extents = [patches.shape[p] for p in numbers.out[2:]]
    rhs = d.array(dtype, place(numbers.rhs, o, c * int(np.prod(w.kernel)), extents))
    a.array("rhs", rhs)
    a.give("window_strides", strides)
    a += rest
    a.give("filter_shape", kernel)
    w.spell_dilations(a)
    spell_common(d, a, None, numbers)

    def function(_, lhs, rhs):
        return lax.conv_general_dilated_local(
            lhs, rhs, w.strides, padding, w.kernel, dimension_numbers=numbers.value, **w.keywords()
        )

    return call_of("jax.conv_general_dilated_local", a, [lhs, rhs], function, padding)


def default_of_transpose(rank):
    """NHC HIO, NHWC HWIO, NHWDC HWDIO as positions."""
    spatial = list(range(rank))
    image = [0, rank + 1] + [s + 1 for s in spatial]
    return [image, [rank + 1, rank] + spatial, image]


def draw_transpose(d):
    rank = d.rank()
    w, numbers = Window(d, rank, holes=False), Numbers(d, rank, default_of_transpose(rank))
    dtype = d.dtype(FLOATS + ["c64", "s32"])
    c, o, swap, consistent = d.channels(), d.channels(), d.chance(0.4), d.chance(0.3)
    lhs = d.array(dtype, place(numbers.lhs, d.int(1, 2), c, w.extents))
    rhs = d.array(dtype, place(numbers.rhs, c if swap else o, o if swap else c, w.kernel))
    preferred = d.pick(*WIDER[dtype]) if dtype in WIDER and d.chance(0.2) else None
    a = Attributes(d)
    a.array("lhs", lhs)
    a.array("rhs", rhs)
    a.give("strides", d.tuple(w.strides))
    if d.chance(0.6):
        padding = d.pick("SAME", "VALID")
        a.give("padding", padding)
    else:
        padding = draw_pairs(d, a, w, w.strides, 0 if consistent else -2)
    w.spell_dilations(a, holes=False)
    a.scalar("transpose_kernel", swap, False)
    a.scalar("use_consistent_padding", consistent, False)
    spell_common(d, a, preferred, numbers)

    def function(kind, lhs, rhs):
        return lax.conv_transpose(
            lhs,
            rhs,
            w.strides,
            padding,
            dimension_numbers=numbers.value,
            transpose_kernel=swap,
            preferred_element_type=kind,
            use_consistent_padding=consistent,
            **w.keywords(holes=False),
        )

    return call_of(
        "jax.conv_transpose", a, [lhs, rhs], function, padding if isinstance(padding, str) else [(-1, 0)], preferred
    )


def draw(d):
    return d.pick(
        draw_general, draw_general, draw_general, draw_local, draw_local, draw_transpose, draw_transpose, draw_patches
    )(d)

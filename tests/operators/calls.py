"""Calls of operators, and the random numbers that they are drawn from.

A system's module (jax_calls.py, onnx_calls.py, ...) has draw(d), which returns a Call: the words that `atrousc import` gets,
the arrays, and how the system itself computes the same.

    Call("torch.Conv1d", ["input=f32[2,3,9]", "kernel_size=3", ...], [x, w, b], forward, pull)

forward(arrays) is the result, pull(arrays, cotangent) the gradient by each array. Both are also called with the arrays'
absolute values: that gives the sum of the absolute products behind every element, which rounding errors are measured by.
"""

import random
from dataclasses import dataclass
from typing import Callable, Optional

import ml_dtypes
import numpy as np

DTYPES = {
    "pred": np.dtype(np.bool_),
    "s8": np.dtype(np.int8),
    "s16": np.dtype(np.int16),
    "s32": np.dtype(np.int32),
    "s64": np.dtype(np.int64),
    "u8": np.dtype(np.uint8),
    "u16": np.dtype(np.uint16),
    "u32": np.dtype(np.uint32),
    "u64": np.dtype(np.uint64),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "c64": np.dtype(np.complex64),
    "c128": np.dtype(np.complex128),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
FLOATS = ["f32"] * 5 + ["f64", "f16", "bf16"]


@dataclass
class Call:
    operator: str
    pairs: list
    arrays: list
    forward: Callable
    pull: Optional[Callable] = None
    near: bool = False  # an integer result may be off by one where the exact value lies between two


def type_of(array):
    return "%s[%s]" % (NAMES[array.dtype], ",".join(map(str, array.shape)))


class Draw:
    """Random numbers that depend on the key alone, so that one call can be drawn again without those before it."""

    def __init__(self, key, gradients=False):
        self.rng = random.Random(key)
        self.gradients = gradients
        self.numpy = np.random.default_rng(self.rng.getrandbits(64))

    def int(self, low, high):
        return self.rng.randint(low, high)

    def chance(self, probability):
        return self.rng.random() < probability

    def pick(self, *choices):
        return self.rng.choice(choices)

    def shuffled(self, items):
        return self.rng.sample(list(items), len(items))

    def dtype(self, names):
        """Gradients exist of floating-point arrays only."""
        return self.pick(*([n for n in names if n in FLOATS] if self.gradients else names))

    def channels(self):
        return self.pick(1, 2, 3, 4, 5, 8, 13, 17)

    def groups(self):
        """The number of groups, and channels in and out of each; every third grouped one is depthwise."""
        groups = self.pick(1, 1, 1, 2, 3, 5)
        if groups == 1:
            return 1, self.channels(), self.channels()
        return groups, self.pick(1, 1, 2, 3), self.int(1, 4)

    def rank(self):
        return self.pick(1, 2, 2, 3)

    def each(self, rank, low, high, often=0.5):
        """A number for each dimension; often the lowest for all."""
        return [low] * rank if self.chance(often) else [self.int(low, high) for _ in range(rank)]

    def kernel(self, rank):
        return [self.int(1, 4 if rank < 3 else 3) for _ in range(rank)]

    def extents(self, rank, least):
        """Extents of an input, none below the `least` that its window needs."""
        span = {1: 24, 2: 9, 3: 4}[rank]
        return [max(1, low + self.int(0, span)) for low in least]

    def array(self, dtype, shape):
        dtype = DTYPES[dtype]
        if dtype.kind == "b":
            return self.numpy.random(shape) < 0.5
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            return np.asarray(self.numpy.integers(info.min, info.max, shape, dtype, endpoint=True))
        values = self.numpy.standard_normal(shape)
        return (values + 1j * self.numpy.standard_normal(shape) if dtype.kind == "c" else values).astype(dtype)

    # How values are written.

    def tuple(self, values):
        if len(set(values)) == 1 and self.chance(0.4):
            return str(values[0])
        text = self.pick("(%s)", "(%s)", "[%s]", "%s") % self.pick(", ", ",").join(map(str, values))
        return text.replace(")", ",)") if len(values) == 1 else text

    def pairs_of(self, padding):
        inner = ", ".join("(%d, %d)" % tuple(p) for p in padding)
        return self.pick("(%s,)" if len(padding) == 1 else "(%s)", "[%s]") % inner

    def default(self, is_default):
        """Whether an attribute is left out: mostly, where its value is the default."""
        return is_default and self.chance(0.7)


class Attributes(list):
    """The attributes of a call, `name=value` each."""

    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def give(self, name, value):
        self.append("%s=%s" % (name, value))

    def scalar(self, name, value, default):
        if not self.draw.default(value == default):
            self.give(name, value)

    def tuple(self, name, values, default):
        if not self.draw.default(all(v == default for v in values)):
            self.give(name, self.draw.tuple(values))

    def array(self, name, array):
        self.give(name, type_of(array))

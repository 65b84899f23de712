"""Convolutions by their definition, in NumPy, for systems that cannot be installed.

In: arrays with the batch and the channels first, and per spatial dimension the input element that each output element and tap
read. Out: the sum, and its two gradients. Everything is computed in f64, or exactly in integers.

    taps = [Taps.of_window(extent=5, kernel=3, stride=2, dilation=1, low=1, high=1)]
    convolve(x, w, taps, groups=1)                  # x (N, C, 5), w (O, C, 3) -> (N, O, 3)

A dimension is a table: row o, column k is the index that output o and tap k read, or the extent itself where that is outside
the input; x gets one element of zeros there. Edge modes are other indices in the table. A transposed convolution is the
gradient by x of the convolution that it turns around, which adds each product to the element that its index names.
"""

import itertools

import numpy as np

SPATIAL = "hijklmnop"


class Taps:
    def __init__(self, table, extent):
        self.table, self.extent = table, extent

    @staticmethod
    def of_window(extent, kernel, stride, dilation, low, high, edge="zeros"):
        reach = dilation * (kernel - 1) + 1
        count = (low + extent + high - reach) // stride + 1
        if count < 1:
            raise ValueError("the window does not fit")
        place = np.arange(count)[:, None] * stride + np.arange(kernel)[None, :] * dilation - low
        outside = (place < 0) | (place >= extent)
        if edge == "replicate":
            place = np.clip(place, 0, extent - 1)
        elif edge == "reflect":
            place = np.abs(place)
            place = np.where(place >= extent, 2 * (extent - 1) - place, place)
        elif edge == "circular":
            place = place % extent
        else:
            place = np.where(outside, extent, place)
        return Taps(place, extent)

    @staticmethod
    def of_transposed(extent, result, kernel, stride, dilation, low):
        """The convolution from `result` elements to `extent` ones that the transposed one turns around."""
        place = np.arange(extent)[:, None] * stride + np.arange(kernel)[None, :] * dilation - low
        return Taps(np.where((place < 0) | (place >= result), result, place), result)


def widen(array):
    if array.dtype.kind in "biu":
        return array.astype(np.int64)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def gather(x, taps):
    """(N, C, I...) -> (N, C, O, K, O, K...)"""
    x = np.pad(x, [(0, 0), (0, 0)] + [(0, 1)] * len(taps))
    for d, tap in enumerate(taps):
        x = np.take(x, tap.table, axis=2 + 2 * d)
    return x


def scatter(patches, taps):
    """The adjoint of gather."""
    for d, tap in reversed(list(enumerate(taps))):
        axis = 2 + 2 * d
        moved = np.moveaxis(patches, (axis, axis + 1), (0, 1))
        sums = np.zeros((tap.extent + 1,) + moved.shape[2:], moved.dtype)
        np.add.at(sums, tap.table, moved)
        patches = np.moveaxis(sums[: tap.extent], 0, axis)
    return patches


def letters(rank, unshared):
    """Subscripts of patches, weights and result; a is the batch, b the input's channel, c the output's, g the group."""
    o, k = SPATIAL[:rank], SPATIAL[rank : 2 * rank]
    weights = "g" + o + "b" + k + "c" if unshared else "gcb" + k
    return "agb" + "".join(map("".join, zip(o, k))), weights, "agc" + o


def split_groups(array, axis, groups):
    return array.reshape(array.shape[:axis] + (groups, array.shape[axis] // groups) + array.shape[axis + 1 :])


def merge_groups(array, axis):
    return array.reshape(array.shape[:axis] + (-1,) + array.shape[axis + 2 :])


class Convolution:
    """x (N, C, I...), w (O, C/groups, K...) or, unshared, (groups, O..., C/groups, K..., O/groups)."""

    def __init__(self, taps, groups, unshared=False):
        self.taps, self.groups, self.unshared = taps, groups, unshared
        self.patches, self.weights, self.result = letters(len(taps), unshared)

    def weights_of(self, w):
        return widen(w) if self.unshared else split_groups(widen(w), 0, self.groups)

    def patches_of(self, x):
        return split_groups(gather(widen(x), self.taps), 1, self.groups)

    def forward(self, x, w):
        spec = "%s,%s->%s" % (self.patches, self.weights, self.result)
        return merge_groups(np.einsum(spec, self.patches_of(x), self.weights_of(w)), 1)

    def by_data(self, w, result):
        spec = "%s,%s->%s" % (self.result, self.weights, self.patches)
        patches = np.einsum(spec, split_groups(widen(result), 1, self.groups), self.weights_of(w))
        return scatter(merge_groups(patches, 1), self.taps)

    def by_weights(self, x, result):
        spec = "%s,%s->%s" % (self.patches, self.result, self.weights)
        w = np.einsum(spec, self.patches_of(x), split_groups(widen(result), 1, self.groups))
        return w if self.unshared else merge_groups(w, 0)


def add_bias(y, bias):
    return y if bias is None else y + widen(bias).reshape((1, -1) + (1,) * (y.ndim - 2))


def bias_gradient(result):
    return widen(result).sum(axis=tuple(a for a in range(result.ndim) if a != 1))


def same_padding(extent, kernel, stride, dilation, lower):
    """ONNX's auto_pad SAME_UPPER and SAME_LOWER: ceil(extent/stride) outputs."""
    total = max(0, (-(-extent // stride) - 1) * stride + dilation * (kernel - 1) + 1 - extent)
    less = total // 2
    return (total - less, less) if lower else (less, total - less)


def check_against_loops():
    """The definition once more, element by element, for one problem; run by `python reference.py`."""
    rng = np.random.default_rng(1)
    x, w = rng.integers(-5, 6, (2, 4, 7, 6)), rng.integers(-5, 6, (6, 2, 3, 2))
    taps = [Taps.of_window(7, 3, 2, 2, 1, 3), Taps.of_window(6, 2, 1, 1, 0, 1)]
    y = Convolution(taps, 2).forward(x, w)
    for n, o, p, q in np.ndindex(y.shape):
        want = 0
        for c, k, m in itertools.product(range(2), range(3), range(2)):
            i, j = 2 * p + 2 * k - 1, q + m
            if 0 <= i < 7 and 0 <= j < 6:
                want += x[n, o // 3 * 2 + c, i, j] * w[o, c, k, m]
        assert y[n, o, p, q] == want
    g, conv = rng.integers(-5, 6, y.shape), Convolution(taps, 2)
    assert (g * y).sum() == (conv.by_data(w, g) * x).sum() == (conv.by_weights(x, g) * w).sum()


if __name__ == "__main__":
    check_against_loops()

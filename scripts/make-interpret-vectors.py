#!/usr/bin/env python3
"""Writes tests/data/interpret.txt: small problems with their answers, for tests/unit/test_interpret.c.

In: nothing but a seed. Out: about 800 cases, the same ones on every run with the same versions. Run it from anywhere with a
Python that has jax, numpy and ml_dtypes:

    python scripts/make-interpret-vectors.py > tests/data/interpret.txt

Every convolution is computed by loops over the definition (`by_definition`), in exact integers or in f64 with one rounding at
the end. Wherever JAX takes the problem it is run too and must agree, and the case is marked `jax`; the others are marked
`numpy`. JAX is left out where it cannot answer: operands of two types, edge modes, groups or reversal in a local convolution,
and negative low padding in f32, f16 and bf16, which XLA:CPU (jaxlib 0.10.2) reads out of bounds for. Window reversal, which
JAX does not offer, is compared through a reversed kernel; edge modes through numpy.pad.

The format, one case per block, is read by tests/unit/test_interpret.c:

    case NAME jax|numpy
    OPCODE key=value...
    arg f32[2,3]{0,1} 1 2 3 4 5 6   elements in row-major logical order; the layout says how they lie in memory;
    out f32[2,3]{1,0} ...           complex numbers are two numbers each, pred is 0 or 1

with the keys

    window=size,stride,lo,hi,lhs_dilation,rhs_dilation,reversal,edge;...   one row per spatial dimension, empty for none
    labels=b0f_0io->b0f   groups=feature,batch   multiply_padding=1
    padding=low,high,interior;...   slices=start,limit,stride;...   dims=i,...   direction=0..5
    ulps=N   how far a result may be off in its last place; exact without
"""

import itertools
import os
import random
import sys

os.environ.setdefault("JAX_PLATFORMS", "cpu")
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax

jax.config.update("jax_enable_x64", True)
np.seterr(all="ignore")
rng = random.Random(20260801)

DTYPES = {
    "pred": np.bool_,
    "s8": np.int8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "u8": np.uint8,
    "u16": np.uint16,
    "u32": np.uint32,
    "u64": np.uint64,
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "f32": np.float32,
    "f64": np.float64,
    "c64": np.complex64,
    "c128": np.complex128,
}
EDGES = ["zero", "reflect", "replicate", "circular"]
is_int = lambda d: d[0] in "su"
is_float = lambda d: d in ("f16", "bf16", "f32", "f64")
is_complex = lambda d: d[0] == "c"
bits = lambda d: int(d[1:])


# ---- writing


def number(dtype, value):
    if dtype == "pred":
        return "1" if value else "0"
    if is_int(dtype):
        return str(int(value))
    if is_complex(dtype):
        part = "f32" if dtype == "c64" else "f64"
        return number(part, value.real) + " " + number(part, value.imag)
    text = "%.17g" % float(value) if dtype == "f64" else "%.9g" % float(value)
    for digits in range(1, 17):
        short = "%.*g" % (digits, float(value))
        if np.array(float(short)).astype(DTYPES[dtype]) == value:
            return short
    return text


def shape_text(dtype, shape, layout):
    return "%s[%s]{%s}" % (dtype, ",".join(map(str, shape)), ",".join(map(str, layout)))


def some_layout(rank):
    layout = list(range(rank - 1, -1, -1))
    if rng.random() < 0.4:
        rng.shuffle(layout)
    return layout


count = {"jax": 0, "numpy": 0}


def write(name, source, head, args, out):
    """args: (dtype, array) pairs; out: the answer as such a pair."""
    count[source] += 1
    print("case %s-%03d %s" % (name, sum(count.values()), source))
    print(head)
    for word, (dtype, array) in [("arg", a) for a in args] + [("out", out)]:
        array = np.asarray(array)
        layout = some_layout(array.ndim)
        print(word, shape_text(dtype, array.shape, layout), *[number(dtype, v) for v in array.reshape(-1)])


# ---- values


def fill(dtype, shape, wild=False):
    n = int(np.prod(shape, dtype=np.int64))
    if dtype == "pred":
        values = [rng.random() < 0.4 for _ in range(n)]
    elif is_int(dtype):
        low, high = (0, 5) if dtype[0] == "u" else (-4, 4)
        if wild:
            low, high = (
                (0, 2 ** bits(dtype) - 1) if dtype[0] == "u" else (-(2 ** (bits(dtype) - 1)), 2 ** (bits(dtype) - 1) - 1)
            )
        values = [rng.randint(low, high) for _ in range(n)]
    elif is_complex(dtype):
        values = [complex(rng.randint(-4, 4), rng.randint(-4, 4)) for _ in range(n)]
    elif wild:
        values = [rng.gauss(0, 1) for _ in range(n)]
    else:
        values = [rng.randint(-4, 4) * (0.25 if rng.random() < 0.2 else 1) for _ in range(n)]
    return np.array(values, dtype=DTYPES[dtype] if not is_int(dtype) else object).astype(DTYPES[dtype]).reshape(shape)


def same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind not in "biuc":
        a, b = a.astype(np.float64), b.astype(np.float64)
    if a.dtype.kind == "c":
        return same(a.real, b.real) and same(a.imag, b.imag)
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


# ---- convolution by its definition


class Conv:
    """spatial dimensions in the order of their digits in dim_labels; window rows as the format has them"""

    def __init__(self, n, c, o, inputs, windows, groups=1, batch_groups=1, local=False):
        self.n, self.c, self.o, self.inputs, self.windows = n, c, o, inputs, windows
        self.groups, self.batch_groups, self.local = groups, batch_groups, local
        self.outputs = [output_extent(i, w) for i, w in zip(inputs, windows)]
        r = len(inputs)
        digits = [str(d) for d in range(r)]
        self.lhs_order, self.rhs_order, self.out_order = ["b", "f"] + digits, ["o", "i"] + digits, ["b", "f"] + digits
        for order in (self.lhs_order, self.rhs_order, self.out_order):
            if rng.random() < 0.7:
                rng.shuffle(order)

    def kernel_order(self):
        """spatial dimensions as they stand in rhs"""
        return [int(x) for x in self.rhs_order if x.isdigit()]

    def lhs_shape(self):
        return [{"b": self.n, "f": self.c}.get(x) if not x.isdigit() else self.inputs[int(x)] for x in self.lhs_order]

    def rhs_shape(self):
        taps = int(np.prod([w[0] for w in self.windows], dtype=np.int64))
        i = self.c // self.groups * (taps if self.local else 1)
        spatial = self.outputs if self.local else [w[0] for w in self.windows]
        return [{"o": self.o, "i": i}.get(x) if not x.isdigit() else spatial[int(x)] for x in self.rhs_order]

    def out_shape(self):
        return [
            {"b": self.n // self.batch_groups, "f": self.o}.get(x) if not x.isdigit() else self.outputs[int(x)]
            for x in self.out_order
        ]

    def shape(self, array):
        return {"lhs": self.lhs_shape, "rhs": self.rhs_shape, "out": self.out_shape}[array]()

    def head(self):
        labels = "".join(self.lhs_order) + "_" + "".join(self.rhs_order) + "->" + "".join(self.out_order)
        window = ";".join(",".join(map(str, w)) for w in self.windows)
        name = "local-convolution" if self.local else "convolution"
        return "%s labels=%s window=%s groups=%d,%d" % (name, labels, window, self.groups, self.batch_groups)


def output_extent(size, window):
    k, s, lo, hi, ld, rd, _, _ = window
    dilated = 0 if size == 0 else (size - 1) * ld + 1
    padded, reach = lo + dilated + hi, (k - 1) * rd + 1
    return 0 if padded <= 0 or reach > padded else (padded - reach) // s + 1


def by_definition(conv, lhs, rhs, result, multiply_padding=False):
    to_std = [conv.lhs_order.index(x) for x in ["b", "f"] + [str(d) for d in range(len(conv.inputs))]]
    x = np.transpose(lhs, to_std)
    r = len(conv.inputs)
    w = np.transpose(rhs, [conv.rhs_order.index(y) for y in ["o", "i"] + [str(d) for d in range(r)]])
    if result == "pred" or is_int(result):
        x, w, zero = x.astype(object) * 1, w.astype(object) * 1, 0
    elif is_complex(result):
        x, w, zero = x.astype(np.complex128), w.astype(np.complex128), complex(0, 0)
    else:
        x, w, zero = x.astype(np.float64), w.astype(np.float64), 0.0
    out = np.zeros([conv.n // conv.batch_groups, conv.o] + conv.outputs, dtype=object)
    per_group, kernel_order = conv.c // conv.groups, conv.kernel_order()
    for place in itertools.product(*[range(m) for m in out.shape]):
        n, o, at = place[0], place[1], place[2:]
        group = o // max(1, conv.o // conv.groups) if conv.groups > 1 else 0
        row = n + (o // (conv.o // conv.batch_groups)) * (conv.n // conv.batch_groups) if conv.batch_groups > 1 else n
        total = zero
        for taps in itertools.product(*[range(q[0]) for q in conv.windows]):
            index, weight, hole, padding = [], [], False, False
            for d in range(r):
                k, s, lo, hi, ld, rd, reverse, edge = conv.windows[d]
                t = at[d] * s + taps[d] * rd - lo
                reach = 0 if conv.inputs[d] == 0 else (conv.inputs[d] - 1) * ld + 1
                padding = padding or t < 0 or t >= reach
                hole = hole or (0 <= t < reach and t % ld != 0)
                index.append(t // ld)
                weight.append(k - 1 - taps[d] if reverse else taps[d])
            if hole or (padding and not multiply_padding):
                continue
            for c in range(per_group):
                a = zero if padding else x[(row, group * per_group + c) + tuple(index)]
                if conv.local:
                    i = c
                    for d in kernel_order:
                        i = i * conv.windows[d][0] + weight[d]
                    b = w[(o, i) + tuple(at)]
                else:
                    b = w[(o, c) + tuple(weight)]
                total += a * b
        out[place] = total
    std_to_out = [(["b", "f"] + [str(d) for d in range(r)]).index(y) for y in conv.out_order]
    return finish(np.transpose(out, std_to_out), result)


def finish(out, result):
    if result == "pred":
        return (out != 0).astype(np.bool_)
    if is_int(result):
        wrap = lambda v: (int(v) + (0 if result[0] == "u" else 2 ** (bits(result) - 1))) % 2 ** bits(result) - (
            0 if result[0] == "u" else 2 ** (bits(result) - 1)
        )
        return np.array([wrap(v) for v in out.reshape(-1)], dtype=DTYPES[result]).reshape(out.shape)
    wide = np.array([v for v in out.reshape(-1)], dtype=np.complex128 if is_complex(result) else np.float64).reshape(out.shape)
    return wide.astype(DTYPES[result])


# ---- the same by JAX


def by_jax(conv, lhs, rhs, dtype, result):
    r = len(conv.inputs)
    digits = [str(d) for d in range(r)]
    spec = lambda order, first: tuple(order.index(x) for x in list(first) + digits)
    dn = lax.ConvDimensionNumbers(spec(conv.lhs_order, "bf"), spec(conv.rhs_order, "oi"), spec(conv.out_order, "bf"))
    pads = [(w[2], w[3]) for w in conv.windows]
    rev = [conv.rhs_order.index(str(d)) for d in range(r) if conv.windows[d][6]]
    common = dict(
        window_strides=[w[1] for w in conv.windows],
        padding=pads,
        lhs_dilation=[w[4] for w in conv.windows],
        rhs_dilation=[w[5] for w in conv.windows],
        dimension_numbers=dn,
        precision="highest",
    )
    if conv.local:
        order = conv.kernel_order()
        if order != list(range(r)):
            return None
        return lax.conv_general_dilated_local(
            jnp.asarray(lhs), jnp.asarray(rhs), filter_shape=[w[0] for w in conv.windows], **common
        )
    return lax.conv_general_dilated(
        jnp.asarray(lhs),
        lax.rev(jnp.asarray(rhs), rev),
        feature_group_count=conv.groups,
        batch_group_count=conv.batch_groups,
        preferred_element_type=None if dtype == result else DTYPES[result],
        **common
    )


def jax_takes(conv, lhs_dtype, rhs_dtype, result):
    if lhs_dtype != rhs_dtype or any(w[7] for w in conv.windows):
        return False
    if conv.local and (conv.groups > 1 or any(w[6] for w in conv.windows) or lhs_dtype != result or not is_float(result)):
        return False
    if lhs_dtype in ("f32", "f16", "bf16") and any(w[2] < 0 for w in conv.windows):
        return False
    if any(w[2] + w[3] + max(0, (i - 1) * w[4] + 1 if i else 0) < 0 for i, w in zip(conv.inputs, conv.windows)):
        return False
    if is_int(lhs_dtype) and is_float(result) and bits(lhs_dtype) > 16:
        return False
    return True


def by_numpy_pad(conv, lhs, rhs, result):
    """edge modes: pad with numpy, put the holes of lhs_dilation in as zeros, crop, then neither padding nor dilation"""
    plain = Conv(conv.n, conv.c, conv.o, list(conv.inputs), list(conv.windows), conv.groups, conv.batch_groups, conv.local)
    plain.lhs_order, plain.rhs_order, plain.out_order = conv.lhs_order, conv.rhs_order, conv.out_order
    mode = ["constant", "reflect", "edge", "wrap"]
    for d, w in enumerate(conv.windows):
        if w[7] == 0:
            continue
        axis = conv.lhs_order.index(str(d))
        pads = [(0, 0)] * lhs.ndim
        pads[axis] = tuple(max(0, -(-p // w[4])) for p in w[2:4])
        lhs = np.pad(lhs, pads, mode=mode[w[7]])
        dilated = np.zeros(lhs.shape[:axis] + ((lhs.shape[axis] - 1) * w[4] + 1,) + lhs.shape[axis + 1 :], lhs.dtype)
        dilated[(slice(None),) * axis + (slice(None, None, w[4]),)] = lhs
        first, last = (pads[axis][i] * w[4] - w[2 + i] for i in range(2))
        lhs = np.take(dilated, range(first, dilated.shape[axis] - last), axis=axis)
        plain.inputs[d] = lhs.shape[axis]
        plain.windows[d] = (w[0], w[1], 0, 0, 1, w[5], w[6], 0)
    assert plain.out_shape() == conv.out_shape()
    return by_definition(plain, lhs, rhs, result)


def conv_case(name, conv, lhs_dtype, rhs_dtype, result, wild=False, arrays=None, multiply_padding=False, compare="exact"):
    lhs, rhs = arrays if arrays else (fill(lhs_dtype, conv.lhs_shape(), wild), fill(rhs_dtype, conv.rhs_shape(), wild))
    edged = any(w[7] for w in conv.windows)
    out = by_numpy_pad(conv, lhs, rhs, result) if edged else by_definition(conv, lhs, rhs, result, multiply_padding)
    source, extra = "numpy", ""
    answer = by_jax(conv, lhs, rhs, lhs_dtype, result) if compare and jax_takes(conv, lhs_dtype, rhs_dtype, result) else None
    if answer is not None:
        source, answer = "jax", np.asarray(answer)
        if compare == "close":
            wide = np.complex128 if is_complex(result) else np.float64
            ok = np.allclose(
                answer.astype(wide),
                out.astype(wide),
                rtol=2e-2 if result in ("f16", "bf16") else 1e-4,
                atol=2e-2 if result in ("f16", "bf16") else 1e-4,
            )
        else:
            ok = same(answer, out)
        if not ok:
            sys.exit("jax disagrees with the definition: %s\n%s\n%s" % (conv.head(), answer, out))
    if multiply_padding:
        extra = " multiply_padding=1"
    write(name, source, conv.head() + extra, [(lhs_dtype, lhs), (rhs_dtype, rhs)], (result, out))


def random_conv(rank, local=False, edges=False, negative=False):
    groups = rng.choice([1, 1, 2, 3]) if not local or rng.random() < 0.3 else 1
    batch_groups = rng.choice([1, 1, 1, 2]) if groups == 1 and not local else 1
    big = rank <= 2
    c = groups * rng.randint(1, 3 if big else 2)
    o = groups * batch_groups * rng.randint(1, 3 if big else 2)
    if rng.random() < 0.1 and big:
        o = groups * batch_groups * rng.choice([8, 9, 11])
    n = batch_groups * rng.randint(1, 2)
    inputs, windows = [], []
    for d in range(rank):
        size = rng.randint(1, {1: 9, 2: 6, 3: 4}.get(rank, 3))
        k = rng.randint(1, {1: 4, 2: 3}.get(rank, 2))
        edge = rng.choice([0, 1, 2, 3]) if edges else 0
        ld = 1 if edge else rng.choice([1, 1, 2, 3])
        rd = rng.choice([1, 1, 2, 3])
        lo, hi = rng.randint(0, 3), rng.randint(0, 3)
        if negative or rng.random() < 0.15:
            lo = rng.randint(-2, 1)
            hi = rng.randint(-2, 2)
        if edge == 1:
            lo, hi = min(lo, size - 1), min(hi, size - 1)
        if edge == 3 and rng.random() < 0.5:
            lo, hi = lo + 2 * size, hi + size
        inputs.append(size)
        windows.append((k, rng.choice([1, 1, 2, 3]), lo, hi, ld, rd, int(rng.random() < 0.25), edge))
    return Conv(n, c, o, inputs, windows, groups, batch_groups, local)


def weight_of(conv):
    return (
        int(np.prod(conv.lhs_shape(), dtype=np.int64))
        + int(np.prod(conv.rhs_shape(), dtype=np.int64))
        + int(np.prod(conv.out_shape(), dtype=np.int64))
    )


def pick(rank, **kind):
    while True:
        conv = random_conv(rank, **kind)
        if 0 < weight_of(conv) < 260 and (0 not in conv.out_shape() or rng.random() < 0.05):
            return conv


def convolutions():
    dtypes = list(DTYPES)
    mixed = [
        ("s8", "s8", "s32"),
        ("u8", "u8", "s32"),
        ("u8", "u8", "u32"),
        ("u8", "s8", "s32"),
        ("s8", "s8", "f32"),
        ("s16", "s16", "s64"),
        ("bf16", "bf16", "f32"),
        ("f16", "f16", "f32"),
        ("f32", "f32", "f64"),
        ("c64", "c64", "c128"),
        ("f16", "f32", "f32"),
        ("s8", "s32", "s32"),
    ]
    for i in range(90):
        dtype = dtypes[i % len(dtypes)]
        conv_case("conv", pick([1, 2, 3, 4, 2, 1][i % 6]), dtype, dtype, dtype)
    for i in range(8):
        dtype = dtypes[(2 * i) % len(dtypes)]
        conv_case("rank0", pick(0), dtype, dtype, dtype)
    for i in range(28):
        dtype = dtypes[i % len(dtypes)]
        conv_case("crop", pick(1 + i % 3, negative=True), dtype, dtype, dtype)
    for i in range(24):
        conv_case("mixed", pick(1 + i % 3), *mixed[i % len(mixed)])
    for i, dtype in enumerate(["s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"]):
        conv_case("wrap", pick(1 + i % 2), dtype, dtype, dtype, wild=True)
        wide = {"s8": "s32", "u8": "u32", "s16": "s64", "u16": "u32"}.get(dtype)
        if wide:
            conv_case("widen", pick(2), dtype, dtype, wide, wild=True)
    for i, dtype in enumerate(["f64", "f32", "f16", "bf16", "f64", "f32"]):
        conv_case("round", pick(1 + i % 3), dtype, dtype, dtype, wild=True, compare="close")
    for i in range(24):
        dtype = ["f32", "s32", "f64", "u8", "c64", "bf16"][i % 6]
        conv_case("edge", pick(1 + i % 3, edges=True), dtype, dtype, dtype)
    for i in range(22):
        dtype = ["f32", "f64", "s16", "c128"][i % 4]
        conv_case("local", pick(1 + i % 3, local=True), dtype, dtype, dtype)
    empty_cases()
    special_cases()


def attribute_cases():
    """each attribute in each dtype; results of other widths and classes than the operands'"""
    #               n  c  o  groups  batch groups
    counts = {"groups": (1, 4, 4, 2, 1), "depthwise": (1, 3, 6, 3, 1), "batchgroups": (2, 2, 4, 1, 2)}
    #               k  stride lo hi  lhs rhs reversal edge
    windows = {
        "stride": (2, 2, 0, 1, 1, 1, 0, 0),
        "lhsdilation": (2, 1, 1, 1, 3, 1, 0, 0),
        "rhsdilation": (2, 1, 1, 0, 1, 2, 0, 0),
        "reversal": (3, 1, 1, 1, 1, 1, 1, 0),
        "croplow": (2, 1, -1, 1, 1, 1, 0, 0),
        "crophigh": (2, 1, 1, -2, 1, 1, 0, 0),
        "edge": (3, 1, 2, 1, 1, 1, 0, 1),
    }
    for i, dtype in enumerate(DTYPES):
        for name in list(counts) + list(windows):
            n, c, o, groups, batch_groups = counts.get(name, (1, 2, 2, 1, 1))
            window = windows.get(name, (2, 1, 0, 1, 1, 1, 0, 0))
            if name == "edge":
                window = window[:7] + (1 + i % 3,)
            conv = Conv(n, c, o, [4, 3], [(1, 1, 0, 0, 1, 1, 0, 0), window][:: 1 - 2 * (i % 2)], groups, batch_groups)
            conv_case(name, conv, dtype, dtype, dtype)
    wider = [("s8", "s16"), ("u16", "s32"), ("u32", "u64"), ("s8", "f16"), ("u8", "bf16"), ("s16", "f32"), ("bf16", "f64")]
    wider += [("pred", "s32"), ("pred", "f32"), ("s32", "f64"), ("s64", "f32"), ("u64", "s64")]
    narrower = [("s32", "s8"), ("s64", "u16"), ("u64", "u8"), ("s16", "u8"), ("s32", "f16"), ("u64", "bf16"), ("f16", "bf16")]
    narrower += [("f32", "f16"), ("f32", "bf16"), ("f64", "f32"), ("f64", "bf16"), ("bf16", "f16"), ("c128", "c64")]
    for pairs in wider, narrower:
        for dtype, result in pairs:
            takes = pairs is wider and dtype != "pred" and not (is_int(dtype) and is_float(result)) and dtype != "u64"
            conv = Conv(2, 3, 4, [4, 3], [(2, 1, 1, 0, 1, 1, 0, 0), (2, 2, 0, 1, 1, 2, 0, 0)])
            conv_case("result", conv, dtype, dtype, result, wild=is_int(result), compare="exact" if takes else None)


def gradient_by_definition(conv, lhs, rhs, cotangent, result):
    """of lhs where that is None, else of rhs: the cotangent times the element beside it in each term of the forward sum"""
    wide = np.complex128 if is_complex(result) else np.float64 if is_float(result) else object
    cast = lambda a: None if a is None else np.asarray(a).astype(object) * 1 if wide is object else np.asarray(a).astype(wide)
    lhs, rhs, g = cast(lhs), cast(rhs), cast(cotangent)
    out = np.zeros(conv.lhs_shape() if lhs is None else conv.rhs_shape(), dtype=wide)
    order, per_group = conv.kernel_order(), conv.c // conv.groups
    for n, o, *at in itertools.product(range(conv.n), range(conv.o), *[range(m) for m in conv.outputs]):
        for taps in itertools.product(*[range(q[0]) for q in conv.windows]):
            index, weight = [], []
            for (k, s, lo, hi, ld, rd, reverse, edge), extent, p, tap in zip(conv.windows, conv.inputs, at, taps):
                t = p * s + tap * rd - lo
                index.append(continued(t // ld, extent, edge) if t % ld == 0 else None)
                weight.append(k - 1 - tap if reverse else tap)
            if None in index:
                continue
            for c in range(per_group):
                i = c
                for d in order:
                    i = i * conv.windows[d][0] + weight[d]
                places = {"b": n, "f": o // (conv.o // conv.groups) * per_group + c, "o": o, "i": i}
                place = lambda letters, spatial: tuple(spatial[int(x)] if x.isdigit() else places[x] for x in letters)
                x_at, w_at = place(conv.lhs_order, index), place(conv.rhs_order, at)
                cot = g[tuple(at[int(x)] if x.isdigit() else n if x == "b" else o for x in conv.out_order)]
                if lhs is None:
                    out[x_at] += cot * rhs[w_at]
                else:
                    out[w_at] += lhs[x_at] * cot
    return finish(out, result)


def continued(i, extent, edge):
    """the index that i means beyond the ends, None for none"""
    if 0 <= i < extent or extent == 0:
        return i if extent else None
    if edge == 1:
        return int(np.pad(np.arange(extent), (max(0, -i), max(0, i - extent + 1)), mode="reflect")[max(0, i)])
    return None if edge == 0 else min(max(i, 0), extent - 1) if edge == 2 else i % extent


def gradient_case(conv, kind, dtypes):
    """kind data or weight; dtypes of the two operands and the result. Where JAX takes the convolution, its vjp must agree"""
    arrays = {"data": ("out", "rhs", "lhs"), "weight": ("lhs", "out", "rhs")}[kind]
    values = {name: fill(dtype, conv.shape(name)) for name, dtype in zip(arrays[:2], dtypes)}
    out = gradient_by_definition(conv, values.get("lhs"), values.get("rhs"), values["out"], dtypes[2])
    source = "numpy"
    if len(set(dtypes)) == 1 and is_float(dtypes[0]) and jax_takes(conv, *dtypes) and conv.c > 0:
        zeros = lambda name: jnp.asarray(values.get(name, np.zeros(conv.shape(name), DTYPES[dtypes[0]])))
        if conv.kernel_order() == list(range(len(conv.inputs))):
            forward = lambda x, w: by_jax(conv, x, w, dtypes[0], dtypes[0])
            answer = jax.vjp(forward, zeros("lhs"), zeros("rhs"))[1](jnp.asarray(values["out"]))[kind == "weight"]
            source = "jax"
            if not same(answer, out):
                sys.exit("jax disagrees with the gradient: %s\n%s\n%s" % (conv.head(), answer, out))
    head = conv.head().replace("local-convolution", "local-convolution-%s-gradient" % kind)
    write(kind + "gradient", source, head, [(d, values[name]) for name, d in zip(arrays[:2], dtypes)], (dtypes[2], out))


def gradient_cases():
    """of unshared convolutions: each dtype, results of other widths, edge modes of the weight gradient, empty arrays"""
    mixed = [("s8", "s8", "s32"), ("bf16", "f32", "f32"), ("u8", "s8", "f32"), ("f32", "f32", "f64"), ("pred", "pred", "s32")]
    for i, dtypes in enumerate([(d, d, d) for d in DTYPES] * 2 + mixed + [("f32", "f32", "f32"), ("f64", "f64", "f64")] * 5):
        for kind in ("data", "weight"):
            gradient_case(pick(1 + i % 3, local=True, edges=kind == "weight" and i % 4 == 3), kind, dtypes)
    for dtype in ("f64", "s16"):
        gradient_case(pick(0, local=True), "data", (dtype,) * 3)
        gradient_case(pick(4, local=True), "weight", (dtype,) * 3)
    for n, c, o, size in [(0, 2, 3, 4), (2, 0, 3, 4), (2, 2, 0, 4), (2, 2, 3, 0)]:
        for kind in ("data", "weight"):
            gradient_case(Conv(n, c, o, [size], [(2, 1, 1, 1, 1, 1, 0, 0)], local=True), kind, ("f32",) * 3)


def dilated_edge_cases():
    """every edge mode on a dilated input: in each dtype and up to rank 5, with padding beyond a lap and with crops"""
    pads = [(3, 2), (7, 0), (-1, 4), (-2, -3), (0, 5)]
    for i, dtype in enumerate(list(DTYPES) * 2):
        edge, lo_hi = 1 + i % 3, pads[i % 5]
        extent, dilation = 2 + i % 3, 2 + i % 2
        if edge == 1:
            lo_hi = tuple(min(p, extent * dilation - 1) for p in lo_hi)
        if edge == 3 and i % 4 == 0:
            lo_hi = (lo_hi[0] + extent * dilation, lo_hi[1] + 1)
        window = (3, 1 + i % 2, *lo_hi, dilation, 1 + i % 4 // 2, int(i % 7 == 3), edge)
        rank = 1 + i % 5
        small = [(1, 1, 0, 1, 2, 1, 0, 0), (1, 1, 1, 0, 2, 1, 0, 3), (1, 2, 0, 0, 1, 1, 0, 0), (1, 1, 0, 0, 1, 1, 0, 2)]
        windows, inputs = small[: rank - 1] + [window], [2, 1, 2, 1][: rank - 1] + [extent]
        batch_groups = 2 if i % 3 == 2 else 1
        conv = Conv(batch_groups, 1, batch_groups, inputs, windows, 1, batch_groups, i % 6 == 4)
        if 0 not in conv.out_shape():
            conv_case("edgedilated", conv, dtype, dtype, dtype)
    for row in range(2):  # numbers that show the order: 1 2 3 with holes between, under 1 10 100
        for edge in (1, 2, 3):
            conv = Conv(1, 1, 1, [3], [(3, 1, 4 + row, 3, 2, 1, 0, edge)])
            arrays = [np.array(v, dtype=np.float32) for v in ([1, 2, 3], [1, 10, 100])]
            arrays = arrays[0].reshape(conv.lhs_shape()), arrays[1].reshape(conv.rhs_shape())
            conv_case("edgedilated", conv, "f32", "f32", "f32", arrays=arrays)


def empty_cases():
    one = (2, 1, 1, 1, 1, 1, 0, 0)
    for n, c, o, size in [(0, 2, 3, 4), (2, 0, 3, 4), (2, 2, 0, 4), (2, 2, 3, 0)]:
        for dtype in ("f32", "s32"):
            conv_case("empty", Conv(n, c, o, [size], [one]), dtype, dtype, dtype)
    conv_case("empty", Conv(1, 1, 1, [2], [(5, 1, 0, 0, 1, 1, 0, 0)]), "f32", "f32", "f32")
    conv_case("empty", Conv(1, 2, 2, [0, 3], [(1, 1, 2, 1, 3, 1, 1, 0), (2, 2, 0, 1, 2, 1, 0, 0)]), "f64", "f64", "f64")


def special_cases():
    """Inf and NaN: XLA:CPU multiplies padding in f32 and skips it in f64; holes are skipped in both (one batch row each)"""
    inf, nan = float("inf"), float("nan")
    for dtype, multiply in (("f64", False), ("f32", True), ("bf16", True)):
        for window, w in [
            ((3, 1, 1, 1, 1, 1, 0, 0), [inf, 2, 3]),
            ((3, 1, 2, 2, 1, 1, 0, 0), [1, nan, 1]),
            ((2, 1, 0, 0, 2, 1, 0, 0), [inf, 1]),
            ((2, 2, 1, 1, 2, 1, 0, 0), [1, -inf]),
        ]:
            conv = Conv(1, 1, 1, [3], [window])
            lhs = np.array([1, 2, -3], dtype=DTYPES[dtype]).reshape(conv.lhs_shape())
            rhs = np.array(w, dtype=DTYPES[dtype]).reshape(conv.rhs_shape())
            conv_case("special", conv, dtype, dtype, dtype, arrays=(lhs, rhs), multiply_padding=multiply)
    for dtype in ("f32", "f64"):
        conv = Conv(1, 1, 1, [3], [(3, 1, 1, 1, 1, 1, 0, 0)])
        lhs, rhs = np.array([inf, 2, nan], dtype=DTYPES[dtype]).reshape(conv.lhs_shape()), np.array(
            [1, 0, 3], dtype=DTYPES[dtype]
        ).reshape(conv.rhs_shape())
        conv_case("special", conv, dtype, dtype, dtype, arrays=(lhs, rhs))


# ---- everything else


def values_of(dtype):
    """edge values of a dtype"""
    if dtype == "pred":
        return [0, 1]
    if is_int(dtype):
        n = bits(dtype)
        return [0, 1, 2, 7, 2**n - 1, 2 ** (n - 1)] if dtype[0] == "u" else [0, 1, -1, 5, -7, 2 ** (n - 1) - 1, -(2 ** (n - 1))]
    if is_complex(dtype):
        return [0, 1, 1j, 3 + 4j, -2 + 0.5j]
    top = float(ml_dtypes.finfo(DTYPES[dtype]).max)
    return [0, 1, -1, 0.1, -2.5, 3, top, -top, float("inf"), float("-inf"), float("nan")]


def array_of(dtype, values):
    return np.array(values, dtype=object if is_int(dtype) else None).astype(DTYPES[dtype])


def elementwise():
    ops = {"add": lax.add, "subtract": lax.sub, "multiply": lax.mul, "divide": lax.div, "maximum": lax.max, "minimum": lax.min}
    for i, (op, dtype) in enumerate(itertools.product(ops, DTYPES)):
        if (dtype == "pred" and op not in ("maximum", "minimum")) or (is_complex(dtype) and op in ("maximum", "minimum")):
            continue
        pairs = list(itertools.product(values_of(dtype), repeat=2))
        if is_complex(dtype) and op == "divide":
            pairs = [(a, b) for a, b in pairs if b != 0]
        if is_float(dtype) and op == "divide":  # XLA:CPU flushes subnormal results to zero
            pairs = [(a, b) for a, b in pairs if abs(b) < 1e3 or not abs(a) < 1e3 or a == 0 or abs(b) == float("inf")]
        a, b = array_of(dtype, [p[0] for p in pairs]), array_of(dtype, [p[1] for p in pairs])
        function = {"maximum": lax.bitwise_or, "minimum": lax.bitwise_and}[op] if dtype == "pred" else ops[op]
        answer = np.asarray(function(jnp.asarray(a), jnp.asarray(b)))
        write("binary", "jax", op + (" ulps=2" if is_complex(dtype) else ""), [(dtype, a), (dtype, b)], (dtype, answer))
    for op, function in {"negate": lax.neg, "abs": lax.abs}.items():
        for dtype in DTYPES:
            if dtype == "pred" or (dtype[0] == "u" and op == "abs"):
                continue
            a = array_of(dtype, values_of(dtype))
            out = {"c64": "f32", "c128": "f64"}.get(dtype, dtype) if op == "abs" else dtype
            write(
                "unary",
                "jax",
                op + (" ulps=1" if op == "abs" else ""),
                [(dtype, a)],
                (out, np.asarray(function(jnp.asarray(a)))),
            )
    smooth()
    comparisons()
    conversions()
    choices()


def smooth():
    """f64 rounded once; XLA's own approximations are only close to that"""
    for op, ours, theirs in (
        ("exponential", np.exp, lax.exp),
        ("tanh", np.tanh, lax.tanh),
        ("logistic", lambda x: 1 / (1 + np.exp(-x)), lax.logistic),
    ):
        for dtype in ("f16", "bf16", "f32", "f64", "c64", "c128"):
            values = [0, -0.0, 0.5, -1.25, 3, -8, 20, 1e-3] + (
                [float("inf"), float("-inf"), float("nan")] if is_float(dtype) else [1 + 2j, -0.5 - 1j]
            )
            a = array_of(dtype, values)
            answer = ours(a.astype(np.complex128 if is_complex(dtype) else np.float64)).astype(DTYPES[dtype])
            wide = np.complex128 if is_complex(dtype) else np.float64
            assert np.allclose(
                np.asarray(theirs(jnp.asarray(a))).astype(wide),
                answer.astype(wide),
                rtol=2e-2 if dtype in ("f16", "bf16") else 1e-5,
                equal_nan=True,
            )
            write(
                "smooth",
                "jax",
                op + " ulps=%d" % (16 if dtype == "c128" else 4 if dtype == "f64" else 1),
                [(dtype, a)],
                (dtype, answer),
            )


def comparisons():
    functions = [lax.eq, lax.ne, lax.lt, lax.le, lax.gt, lax.ge]
    for dtype in ("pred", "s8", "u8", "s64", "u64", "f32", "bf16", "c64"):
        pairs = list(itertools.product(values_of(dtype), repeat=2))
        a, b = array_of(dtype, [p[0] for p in pairs]), array_of(dtype, [p[1] for p in pairs])
        for direction, function in enumerate(functions):
            if is_complex(dtype) and direction > 1:
                continue
            write(
                "compare",
                "jax",
                "compare direction=%d" % direction,
                [(dtype, a), (dtype, b)],
                ("pred", np.asarray(function(jnp.asarray(a), jnp.asarray(b)))),
            )


def conversions():
    pairs = [("f32", d) for d in ("pred", "s8", "u8", "s32", "u32", "s64", "f16", "bf16", "f64", "c64")]
    pairs += [("s32", d) for d in ("pred", "s8", "u8", "s64", "u64", "f16", "bf16", "f32", "c128")]
    pairs += [
        ("u64", "s8"),
        ("u8", "s32"),
        ("s8", "u64"),
        ("f64", "f32"),
        ("f64", "bf16"),
        ("f64", "s64"),
        ("bf16", "f16"),
        ("pred", "f32"),
        ("pred", "s8"),
    ]
    for a_dtype, b_dtype in pairs:
        values = values_of(a_dtype) + (
            [300, 1e10, -0.75, 127.5, 0.99] if is_float(a_dtype) else [300, -129, 2**24 + 1, 2049] if a_dtype == "s32" else []
        )
        a = array_of(a_dtype, values)
        write(
            "convert",
            "jax",
            "convert",
            [(a_dtype, a)],
            (b_dtype, np.asarray(lax.convert_element_type(jnp.asarray(a), DTYPES[b_dtype]))),
        )


def choices():
    for dtype in ("f32", "s8", "u16", "bf16"):
        x = array_of(dtype, values_of(dtype) * 2).reshape(2, -1)
        low, high = array_of(dtype, [1])[0], array_of(dtype, [3])[0]
        write(
            "clamp",
            "jax",
            "clamp",
            [(dtype, low), (dtype, x), (dtype, high)],
            (dtype, np.asarray(lax.clamp(low, jnp.asarray(x), high))),
        )
        lows, highs = fill(dtype, x.shape), fill(dtype, x.shape)
        write(
            "clamp",
            "jax",
            "clamp",
            [(dtype, lows), (dtype, x), (dtype, highs)],
            (dtype, np.asarray(lax.clamp(jnp.asarray(lows), jnp.asarray(x), jnp.asarray(highs)))),
        )
        for p in (np.array(True), np.array(False), fill("pred", x.shape)):
            write(
                "select",
                "jax",
                "select",
                [("pred", p), (dtype, x), (dtype, lows)],
                (dtype, np.asarray(lax.select(jnp.asarray(p), jnp.asarray(x), jnp.asarray(lows)))),
            )


def movers():
    dtypes = ["f32", "s8", "c128", "bf16", "u64", "pred"]
    for i in range(36):
        dtype, rank = dtypes[i % 6], 1 + i % 4
        shape = [rng.randint(1, 4) for _ in range(rank)]
        if i % 12 == 7:
            shape[0] = 0
        a = fill(dtype, shape)
        j = jnp.asarray(a)
        kind = ["pad", "reverse", "broadcast", "reshape", "transpose", "slice", "concatenate", "pad", "copy"][i % 9]
        args, head = [(dtype, a)], kind
        if kind == "pad":
            config = [(rng.randint(-2, 3), rng.randint(-2, 3), rng.randint(0, 2)) for _ in shape]
            config = [
                (max(0, l), max(0, h), k) if l + h + m + max(0, m - 1) * k < 0 else (l, h, k)
                for m, (l, h, k) in zip(shape, config)
            ]
            value = fill(dtype, [])
            head, args = "pad padding=" + ";".join("%d,%d,%d" % c for c in config), args + [(dtype, value)]
            out = lax.pad(j, jnp.asarray(value), config)
        elif kind == "reverse":
            dims = [d for d in range(rank) if rng.random() < 0.6]
            head, out = "reverse dims=" + ",".join(map(str, dims)), lax.rev(j, dims)
        elif kind == "broadcast":
            dims = sorted(rng.sample(range(rank + 2), rank))
            target = [rng.randint(1, 3) for _ in range(rank + 2)]
            for s, d in zip(shape, dims):
                target[d] = s
            head, out = "broadcast dims=" + ",".join(map(str, dims)), lax.broadcast_in_dim(j, target, dims)
        elif kind == "reshape":
            out = j.reshape([1] + shape[:-2] + [int(np.prod(shape[-2:]))])
        elif kind == "transpose":
            dims = rng.sample(range(rank), rank)
            head, out = "transpose dims=" + ",".join(map(str, dims)), lax.transpose(j, dims)
        elif kind == "slice":
            rows = [(s, rng.randint(s, m), rng.randint(1, 3)) for m, s in ((m, rng.randint(0, m)) for m in shape)]
            head = "slice slices=" + ";".join("%d,%d,%d" % r for r in rows)
            out = lax.slice(j, [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
        elif kind == "concatenate":
            dim = rng.randrange(rank)
            other = fill(dtype, shape[:dim] + [rng.randint(0, 3)] + shape[dim + 1 :])
            args = [(dtype, a), (dtype, other), (dtype, a)]
            head, out = "concatenate dims=%d" % dim, lax.concatenate([j, jnp.asarray(other), j], dim)
        else:
            out = j
        write(kind, "jax", head, args, (dtype, np.asarray(out)))


print(
    "# Written by scripts/make-interpret-vectors.py, which describes the format. jax %s, numpy %s."
    % (jax.__version__, np.__version__)
)
convolutions()
elementwise()
movers()
attribute_cases()
dilated_edge_cases()
gradient_cases()
print("%d cases agreed with jax, %d are by definition only" % (count["jax"], count["numpy"]), file=sys.stderr)

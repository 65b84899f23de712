"""Rows as HLO: every row of the benchmark's files is read by atrousc and infers the shape that the row expects; and for small
layers of every kind the module computes what the layer's definition says, written here once more as plain loops."""

import itertools
import math
import os
import struct
import subprocess
import sys

from bench import all_rows
from problems import Problem, out_extent

ATROUSC = sys.argv[1]


def fail(text):
    raise SystemExit(f"FAILED: {text}")


def check_rows():
    names = set()
    for row in all_rows():
        for layout in ("asis", "nhwc", "nchw"):
            problem = Problem(row, layout)  # compares the layer's shape with expect_shape
            texts = [problem.hlo()] + [problem.hlo(box) for box in problem.boxes(300000)]
            for text in texts[:1] if layout != "asis" else texts:
                run = subprocess.run([ATROUSC, "print", "-"], input=text, capture_output=True, text=True)
                if run.returncode != 0:  # a stated shape that is not the inferred one is an error too
                    fail(f"{problem.id} {layout}: {run.stderr}{text}")
            counted, useful = problem.operations()
            if not 0 < useful <= counted:
                fail(f"{problem.id}: {useful} of {counted} operations are useful")
        if (problem.id, problem.dtype) in names:
            fail(f"two rows are called {problem.id}")
        names.add((problem.id, problem.dtype))
    if len(names) < 170:
        fail(f"only {len(names)} rows")


# ---- arrays: dictionaries from index tuples to integers, in the order of some labels


def array(shape, seed):
    indices = itertools.product(*map(range, shape))
    return {index: (7 * i + seed) * 31 % 11 - 5 for i, index in enumerate(indices)}


def write_npy(path, shape, values):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))},), }}"
    header += " " * ((-len(header) - 11) % 64) + "\n"
    data = struct.pack(f"<{len(values)}f", *[values[i] for i in itertools.product(*map(range, shape))])
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + data)


def read_npy(path, shape):
    with open(path, "rb") as file:
        data = file.read()[-4 * math.prod(shape) :]
    values = struct.unpack(f"<{math.prod(shape)}f", data)
    return dict(zip(itertools.product(*map(range, shape)), values))


def run(text, lhs, rhs, shape):
    write_npy("x.npy", *lhs)
    write_npy("w.npy", *rhs)
    done = subprocess.run(
        [ATROUSC, "run", "-", "x.npy", "w.npy", "--target=interpreter", "-o", "y.npy"],
        input=text,
        text=True,
        capture_output=True,
    )
    if done.returncode != 0:
        fail(f"{done.stderr}{text}")
    return read_npy("y.npy", shape)


# ---- the definition: which x, w and y elements meet


def products(p):
    """(n, channel, place), (o, i, tap), (n, o, place) of every product of the layer."""
    f, n = p.layer, p.spatial
    ic, oc = p.IC // p.G, p.OC // p.G // f.batch_groups
    places = [[] for _ in range(n)]
    for d in range(n):
        for o in range(p.O[d]):
            for k in range(p.K[d]):
                t = o * f.stride[d] + k * f.rd[d] - f.lo[d]
                tap = p.K[d] - 1 - k if f.reversal[d] else k
                if t % f.ld[d] == 0 and 0 <= t // f.ld[d] < p.I[d]:
                    places[d].append((t // f.ld[d], tap, o))
    for b, g, bg, o, i in itertools.product(
        range(p.N // f.batch_groups), range(p.G), range(f.batch_groups), range(oc), range(ic)
    ):
        out = (g + bg) * oc + o  # one of the two groups is 0
        for place in itertools.product(*places):
            x, w, y = zip(*place) if n else ((), (), ())
            yield (bg * (p.N // f.batch_groups) + b, g * ic + i, x), (out, i, w, y), (b, out, y)


def index(labels, first, second, places, names):
    value = dict(zip(names, (first, second)), **{str(d): v for d, v in enumerate(places)})
    return tuple(value[c] for c in labels)


def expected(p, lhs, rhs):
    out = dict.fromkeys(itertools.product(*map(range, p.out.dims())), 0)
    for (b, c, at), (o, i, tap, place), (yb, yo, to) in products(p):
        x = index(p.x.labels, b, c, at, "bf")
        y = index(p.y.labels, yb, yo, to, "bf")
        if p.op == "local":  # rhs has the filter inside its input features, channel slowest
            flat = i
            for d, k in enumerate(tap):
                flat = flat * p.K[d] + k
            w = index(p.w.labels, o, flat, place, "oi")
        else:
            w = index(p.w.labels, o, i, tap, "oi")
        if p.op == "grad_lhs":
            out[x] += lhs[y] * rhs[w]
        elif p.op == "grad_rhs":
            out[w] += lhs[x] * rhs[y]
        else:
            out[y] += lhs[x] * rhs[w]
    return out


def check_values(row, layout):
    p = Problem({"name": "small", "network": "n", "dtype": "f32", **row}, layout)
    lhs, rhs = array(p.lhs.dims(), 1), array(p.rhs.dims(), 2)
    want = expected(p, lhs, rhs)
    operands = (p.lhs.dims(), lhs), (p.rhs.dims(), rhs)
    if run(p.hlo(), *operands, p.out.dims()) != want:
        fail(f"{row} {layout}: not what the definition says:\n{p.hlo()}")
    labels = p.labels()[2]
    for box in p.boxes(200):
        ranges = [box.get(c, (0, size)) for c, size in zip(labels, p.out.dims())]
        got = run(p.hlo(box), *operands, [b - a for a, b in ranges])
        for at, value in got.items():
            if want[tuple(i + first for i, (first, _) in zip(at, ranges))] != value:
                fail(f"{row} {layout}: box {box} is not a part of the result:\n{p.hlo(box)}")


def conv(
    kind, lhs, rhs, strides, padding, lhs_dilation, rhs_dilation, groups=1, batch_groups=1, reversal=(False, False), **more
):
    return {
        "kind": kind,
        "lhs_shape": lhs,
        "rhs_shape": rhs,
        "window_strides": strides,
        "padding": padding,
        "lhs_dilation": lhs_dilation,
        "rhs_dilation": rhs_dilation,
        "window_reversal": list(reversal),
        "feature_group_count": groups,
        "batch_group_count": batch_groups,
        "dimension_numbers": ["NCHW", "OIHW", "NCHW"],
        **more,
    }


def check_kinds():
    plain = "conv_general_dilated"
    rows = [
        conv(plain, [2, 3, 6, 5], [4, 3, 3, 2], [2, 1], [[1, 0], [-1, 2]], [1, 2], [1, 2], reversal=(True, False)),
        conv(plain, [1, 4, 5, 5], [6, 2, 3, 3], [1, 1], [[1, 1], [1, 1]], [1, 1], [1, 1], groups=2),
        conv(plain, [4, 3, 4, 4], [4, 3, 2, 2], [1, 1], [[0, 0], [1, 0]], [1, 1], [1, 1], batch_groups=2),
        conv("conv_general_dilated_local", [1, 2, 6, 5], [3, 8, 3, 4], [2, 1], "VALID", [1, 1], [1, 1], filter_shape=[2, 2]),
    ]
    for kind in ("conv_vjp_lhs", "conv_vjp_rhs"):
        rows += [
            conv(kind, [2, 3, 7, 6], [4, 3, 3, 2], [2, 1], [[1, 1], [0, 2]], [1, 1], [1, 2]),
            conv(kind, [2, 4, 6, 6], [6, 2, 3, 3], [2, 3], [[1, 0], [1, 1]], [1, 1], [1, 1], groups=2),
            conv(
                kind,
                [1, 2, 4, 4],
                [2, 2, 2, 3],
                [1, 1],
                [[1, 0], [1, 1]],
                [2, 1],
                [1, 1],
                reversal=(False, kind == "conv_vjp_lhs"),
            ),
        ]
    rows += [
        {
            "kind": "torch_conv_transpose2d",
            "lhs_shape": [2, 4, 3, 4],
            "rhs_shape": [4, 3, 3, 3],
            "stride": 2,
            "padding": 1,
            "output_padding": 1,
            "groups": 2,
            "expect_shape": [2, 6, 6, 8],
        },
        {
            "kind": "torch_conv_transpose1d",
            "lhs_shape": [1, 2, 5],
            "rhs_shape": [2, 3, 4],
            "stride": 3,
            "padding": 0,
            "dilation": 2,
            "expect_shape": [1, 3, 19],
        },
    ]
    for row in rows:
        for layout in ("asis", "nhwc", "nchw"):
            check_values(row, layout)


def check_families():
    names = {Problem(row, "nhwc").id: Problem(row, "nhwc").family() for row in all_rows()}
    for name, family in (
        ("resnet-50-v1.5.conv1_mb1", "stem"),
        ("resnet-50-v1.5.res2_3x3_mb1", "dense"),
        ("resnet-50-v1.5.res2_1x1a_mb1", "1x1"),
        ("mobilenet-v2.dw_32_mb1", "depthwise"),
        ("dcgan.g1_mb1", "transposed"),
        ("resnext-50-32x4d.g32_128_mb1", "grouped"),
        ("deeplab-v3.aspp_rate6_mb1", "atrous"),
        ("c3d.conv1a_mb1", "3-D"),
        ("tcn.k7_d4_mb1", "1-D"),
        ("deepface.l6_5x5_mb1", "unshared"),
        ("image-filter-one-channel.image_3x3", "one-channel"),
        ("resnet-50-v1.5.res3_3x3_drhs_mb8", "gradients"),
        ("resnet-50-v1.5.res3_3x3s2_mb1", "strided"),
    ):
        if names[name] != family:
            fail(f"{name} is of family {names[name]}, not {family}")
    if out_extent(5, 3, 1, 1, 1, 1, 1) != 5:
        fail("out_extent")


check_kinds()
check_families()
check_rows()

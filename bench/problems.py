"""Rows of suite.json and additions.json as problems: HLO text, what to count, which family, the peers' view of it.

In: a row as the suite has it, and the layout in which to lay it out ("asis", "nhwc", "nchw"). Out: a Problem.

    {"kind": "conv_general_dilated", "lhs_shape": [1, 64, 56, 56], "rhs_shape": [64, 64, 3, 3], ...}
    -> ENTRY main { x = f32[1,56,56,64] parameter(0) ...
         ROOT y = f32[1,56,56,64] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f }

The kinds are one convolution each, seen from different sides: with the layer y = conv(x, w), "conv_vjp_lhs" is x's gradient
from y's (a convolution over y with a reversed window, and holes where the layer has strides), "conv_vjp_rhs" w's gradient
from x and y's (batch and features change places, y is the window), "torch_conv_transpose2d" the same as conv_vjp_lhs with the
window given. "conv_general_dilated_local" has weights of its own for every output place."""

import json
import math
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
BYTES = {"f32": 4, "f64": 8, "bf16": 2, "f16": 2, "s8": 1, "u8": 1, "s32": 4, "c64": 8}
# What a row of one dtype computes: dtypes of lhs, rhs and result.
DTYPES = {d: (d, d, d) for d in ("f32", "f64", "bf16", "f16", "c64", "s32")}
DTYPES["s8"] = ("s8", "s8", "s32")
DTYPES["u8s8"] = ("u8", "s8", "s32")


def prod(values):
    return math.prod(values)


def slug(text):
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


class Array:
    """An array of the problem. labels: what each dimension of the HLO shape is, as HLO spells it (b f or i o, digits, and g for
    groups); order: dimensions from the fastest varying on, as HLO layouts list them."""

    def __init__(self, dtype, labels, extents, order=None):
        self.dtype, self.labels, self.extents = dtype, labels, extents  # extents by label
        self.order = order or list(range(len(labels)))[::-1]

    def dims(self):
        return [self.extents[c] for c in self.labels]

    def strides(self):
        """Elements between neighbours, by label."""
        out, step = {}, 1
        for d in self.order:
            out[self.labels[d]] = step
            step *= self.dims()[d]
        return out

    def layout(self):
        plain = list(range(len(self.labels)))[::-1]
        return "" if self.order == plain else "{" + ",".join(map(str, self.order)) + "}"

    def shape(self):
        return f"{self.dtype}[{','.join(map(str, self.dims()))}]{self.layout()}"

    def bytes(self):
        return prod(self.dims()) * BYTES[self.dtype]


class Conv:
    """One convolution in HLO's terms, per spatial dimension."""

    def __init__(self, K, stride, lo, hi, ld, rd, reversal, groups=1, batch_groups=1):
        self.K, self.stride, self.lo, self.hi, self.ld, self.rd, self.reversal = K, stride, lo, hi, ld, rd, reversal
        self.groups, self.batch_groups = groups, batch_groups


def dilated(extent, by):
    return 0 if extent == 0 else (extent - 1) * by + 1


def out_extent(i, k, stride, lo, hi, ld, rd):
    padded, window = lo + dilated(i, ld) + hi, dilated(k, rd)
    return 0 if padded <= 0 or window > padded else (padded - window) // stride + 1


def x_list(values):
    return "x".join(str(int(v)) for v in values)


def specs(row, layout):
    """Labels of the layer's x, w and y: the row's own, or those of the layout asked for."""
    n = len(row["lhs_shape"]) - 2
    s = "".join(map(str, range(n)))
    if layout == "nhwc":
        return f"b{s}f", f"{s}io", f"b{s}f"
    if layout == "nchw" or "dimension_numbers" not in row:
        return f"bf{s}", f"oi{s}", f"bf{s}"
    lhs, rhs, out = row["dimension_numbers"]
    digit = {c: str(i) for i, c in enumerate(c for c in rhs if c not in "IO")}
    data = {"N": "b", "C": "f", **digit}
    weights = {"I": "i", "O": "o", **digit}
    return "".join(data[c] for c in lhs), "".join(weights[c] for c in rhs), "".join(data[c] for c in out)


class Problem:
    """What a row says. op: forward, transposed, grad_lhs, grad_rhs or local. layer: extents of the layer y = conv(x, w)
    itself, by N IC OC and lists I K O. conv: the convolution to compute, over arrays lhs, rhs and out in HLO's labels."""

    def __init__(self, row, layout="asis"):
        self.row, self.layout = row, layout
        self.id = f"{slug(row['network'])}.{row['name']}"
        self.dtype = row.get("dtype", "f32")
        kind = row["kind"]
        if kind == "conv_general_dilated":
            self._forward(row)
        elif kind == "conv_general_dilated_local":
            self._local(row)
        elif kind.startswith("torch_conv_transpose"):
            self._transposed(row)
        elif kind in ("conv_vjp_lhs", "conv_vjp_rhs"):
            self._gradient(row, kind)
        else:
            raise ValueError(f"{self.id}: kind {kind} is not known")
        self._check(row)

    # ---- arrays

    def _extents(self, row):
        """Extents of x and w by label, from the shapes as the row lists them."""
        lhs, rhs, _ = specs(row, "asis")
        return dict(zip(lhs, row["lhs_shape"])), dict(zip(rhs, row["rhs_shape"]))

    def _arrays(self, x, w, y):
        """Arrays of the layer, in the layout asked for; w's labels o and i count o over all groups, i within one."""
        lhs, rhs, out = specs(self.row, self.layout)
        a, b, c = DTYPES[self.dtype]
        orders = self.row.get("minor_to_major", [None] * 3) if self.layout == "asis" else [None] * 3
        return Array(a, lhs, x, orders[0]), Array(b, rhs, w, orders[1]), Array(c, out, y, orders[2])

    def _layer(self, x, w, conv):
        """Fills in what the layer's extents are; w["o"] is all output features."""
        n = self.spatial
        self.N, self.IC, self.OC, self.G = x["b"], x["f"], w["o"], conv.groups
        self.I = [x[str(d)] for d in range(n)]
        self.K = [w[str(d)] for d in range(n)]
        self.O = [
            out_extent(self.I[d], self.K[d], conv.stride[d], conv.lo[d], conv.hi[d], conv.ld[d], conv.rd[d]) for d in range(n)
        ]
        return {"b": self.N // conv.batch_groups, "f": self.OC, **{str(d): self.O[d] for d in range(n)}}

    def _window(self, row):
        n = self.spatial
        ones = [1] * n
        pads = row["padding"] if row["padding"] != "VALID" else [[0, 0]] * n
        return Conv(
            [],
            row["window_strides"],
            [p[0] for p in pads],
            [p[1] for p in pads],
            row.get("lhs_dilation", ones),
            row.get("rhs_dilation", ones),
            row.get("window_reversal", [False] * n),
            row.get("feature_group_count", 1),
            row.get("batch_group_count", 1),
        )

    # ---- kinds

    def _forward(self, row):
        x, w = self._extents(row)
        self.spatial = len(x) - 2
        conv = self._window(row)
        y = self._layer(x, w, conv)
        conv.K = self.K
        self.op, self.conv, self.layer = "forward", conv, conv
        self.lhs, self.rhs, self.out = self.x, self.w, self.y = self._arrays(x, w, y)

    def _local(self, row):
        x, w = self._extents(row)
        self.spatial = len(x) - 2
        conv = self._window(row)
        filters = {**w, **{str(d): k for d, k in enumerate(row["filter_shape"])}}
        y = self._layer(x, filters, conv)
        conv.K = self.K
        self.op, self.conv, self.layer = "local", conv, conv
        self.lhs, self.rhs, self.out = self.x, self.w, self.y = self._arrays(x, w, y)

    def _transposed(self, row):
        n = self.spatial = len(row["lhs_shape"]) - 2
        (N, IC), I = row["lhs_shape"][:2], row["lhs_shape"][2:]
        per_group, K = row["rhs_shape"][1], row["rhs_shape"][2:]
        many = lambda key, missing: [row.get(key, missing)] * n if not isinstance(row.get(key), list) else row[key]
        stride, padding, dilation, extra = many("stride", 1), many("padding", 0), many("dilation", 1), many("output_padding", 0)
        groups = row.get("groups", 1)
        lo = [(K[d] - 1) * dilation[d] - padding[d] for d in range(n)]
        conv = Conv(K, [1] * n, lo, [lo[d] + extra[d] for d in range(n)], stride, dilation, [True] * n, groups)
        x = {"b": N, "f": IC, **{str(d): I[d] for d in range(n)}}
        w = {"i": IC // groups, "o": per_group * groups, **{str(d): K[d] for d in range(n)}}
        y = self._layer(x, w, conv)
        self.op, self.conv, self.layer = "transposed", conv, conv
        self.lhs, self.rhs, self.out = self.x, self.w, self.y = self._arrays(x, w, y)

    def _gradient(self, row, kind):
        x, w = self._extents(row)
        n = self.spatial = len(x) - 2
        f = self.layer = self._window(row)
        y = self._layer(x, w, f)
        f.K = self.K
        self.x, self.w, self.y = self._arrays(x, w, y)
        if kind == "conv_vjp_lhs":
            lo = [(f.K[d] - 1) * f.rd[d] - f.lo[d] for d in range(n)]
            hi = [
                dilated(self.I[d], f.ld[d]) + dilated(f.K[d], f.rd[d]) - 1 - lo[d] - dilated(self.O[d], f.stride[d])
                for d in range(n)
            ]
            flipped = [not r for r in f.reversal]
            self.op, self.conv = "grad_lhs", Conv(f.K, f.ld, lo, hi, f.stride, f.rd, flipped, f.groups)
            self.lhs, self.rhs, self.out = self.y, self.w, self.x
        elif any(f.reversal):
            raise ValueError(f"{self.id}: the gradient of a reversed window would have to be reversed")
        else:
            hi = [
                (f.K[d] - 1) * f.rd[d] + dilated(self.O[d], f.stride[d]) - dilated(self.I[d], f.ld[d]) - f.lo[d]
                for d in range(n)
            ]
            self.op, self.conv = "grad_rhs", Conv(self.O, f.rd, f.lo, hi, f.ld, f.stride, [False] * n, 1, f.groups)
            self.lhs, self.rhs, self.out = self.x, self.y, self.w

    def _check(self, row):
        if "expect_shape" not in row:
            return
        want = row["expect_shape"]
        _, _, out = specs(row, "asis")
        got = [self.y.extents[c] for c in out]
        if got != want:
            raise ValueError(f"{self.id}: the layer's result is {got}, the row expects {want}")

    # ---- HLO

    def labels(self):
        """dim_labels of the convolution as it is computed."""
        swap = lambda text, pairs: "".join(pairs.get(c, c) for c in text)
        if self.op == "grad_lhs":
            rhs = self.rhs.labels if self._is_regrouped() else swap(self.rhs.labels, {"i": "o", "o": "i"})
            return self.lhs.labels, rhs, self.out.labels
        if self.op == "grad_rhs":
            return (
                swap(self.lhs.labels, {"b": "f", "f": "b"}),
                swap(self.rhs.labels, {"b": "i", "f": "o"}),
                swap(self.out.labels, {"o": "f", "i": "b"}),
            )
        return self.lhs.labels, self.rhs.labels, self.out.labels

    def _window_text(self, lo, hi):
        c = self.conv
        text = f"size={x_list(c.K)}"
        ones = [1] * self.spatial
        for key, value in (("stride", c.stride), ("lhs_dilate", c.ld), ("rhs_dilate", c.rd)):
            text += f" {key}={x_list(value)}" if value != ones else ""
        if any(lo) or any(hi):
            text += " pad=" + "x".join(f"{a}_{b}" for a, b in zip(lo, hi))
        text += f" rhs_reversal={x_list(c.reversal)}" if any(c.reversal) else ""
        return f"window={{{text}}}"

    def _regrouped(self, lines):
        """w of a grouped layer for its lhs gradient: [..i..o..] with o = (g, o/g) becomes [..o/g..(g, i)..]."""
        dims, labels, groups = self.rhs.dims(), self.rhs.labels, self.G
        i, o = labels.index("i"), labels.index("o")
        split = [x for d, size in enumerate(dims) for x in ([groups, size // groups] if d == o else [size])]
        place = {d: d + (1 if d > o else 0) for d in range(len(dims))}  # o's own place is its group's
        inner = o + 1
        order = []
        for d in range(len(dims)):
            order += [inner] if d == i else [place[o], place[i]] if d == o else [place[d]]
        merged = [dims[o] // groups if d == i else groups * dims[i] if d == o else size for d, size in enumerate(dims)]
        text = lambda values: ",".join(map(str, values))
        dtype = self.rhs.dtype
        lines.append(f"  v = {dtype}[{text(split)}] reshape(w)")
        lines.append(f"  t = {dtype}[{text([split[d] for d in order])}] transpose(v), dimensions={{{text(order)}}}")
        lines.append(f"  u = {dtype}[{text(merged)}] reshape(t)")
        return "u"

    def hlo(self, box=None):
        """The module; with a box (by output label: first and last + 1), one that computes only these outputs of it. Places
        are cut by padding alone: less of it, or negative, crops the (dilated) input, which is what a window that starts later
        sees."""
        c, box = self.conv, box or {}
        llabels, rlabels, olabels = self.labels()
        extents = dict(zip(olabels, self.out.dims()))
        box = {label: box.get(label, (0, extents[label])) for label in olabels}
        lines = [f"  x = {self.lhs.shape()} parameter(0)", f"  w = {self.rhs.shape()} parameter(1)"]
        lhs, rhs = "x", "w"
        if self._is_regrouped():
            rhs = self._regrouped(lines)
        lo, hi = list(c.lo), list(c.hi)
        for d in range(self.spatial):
            first, last = box[str(d)]
            if (first, last) != (0, extents[str(d)]):
                lo[d] = c.lo[d] - first * c.stride[d]
                window = dilated(c.K[d], c.rd[d])
                hi[d] = (last - first - 1) * c.stride[d] + window - dilated(self._lhs_extent(llabels, d), c.ld[d]) - lo[d]
        lhs = self._sliced(lines, "xs", lhs, self.lhs, llabels, {"b": box["b"]} if c.batch_groups == 1 else {}, extents)
        cut = {"o": box["f"]} if c.groups == 1 and c.batch_groups == 1 else {}
        if self.op == "local":
            cut.update({str(d): box[str(d)] for d in range(self.spatial)})
        rhs = self._sliced(lines, "ws", rhs, self.rhs, rlabels, cut, extents)
        dims = [box[label][1] - box[label][0] for label in olabels]
        whole = dims == self.out.dims()
        shape = Array(self.out.dtype, olabels, dict(zip(olabels, dims)), self.out.order if whole else None).shape()
        call = "convolution" if self.op != "local" else "custom-call"
        text = (
            f"  ROOT y = {shape} {call}({lhs}, {rhs}), {self._window_text(lo, hi)}, dim_labels={llabels}_{rlabels}->{olabels}"
        )
        text += f", feature_group_count={c.groups}" if c.groups > 1 else ""
        text += f", batch_group_count={c.batch_groups}" if c.batch_groups > 1 else ""
        text += ', custom_call_target="atrous.local_convolution"' if self.op == "local" else ""
        name = re.sub(r"[^A-Za-z0-9_]", "_", self.id)
        return f"HloModule layer_{name}\n\nENTRY main {{\n" + "\n".join(lines + [text]) + "\n}\n"

    def _lhs_extent(self, llabels, d):
        return self.lhs.dims()[llabels.index(str(d))]

    def _sliced(self, lines, name, value, array, labels, cuts, extents):
        """A slice of `value` in the dimensions of `cuts` (by label), where it is one."""
        dims = array.dims()
        ranges = [cuts.get(label, (0, size)) for label, size in zip(labels, dims)]
        if all(r == (0, size) for r, size in zip(ranges, dims)):
            return value
        shape = ",".join(str(b - a) for a, b in ranges)
        lines.append(
            f"  {name} = {array.dtype}[{shape}] slice({value}), slice={{" + ", ".join(f"[{a}:{b}]" for a, b in ranges) + "}"
        )
        return name

    def boxes(self, products):
        """Boxes of the result that cost at most so many products each: the low corner, the middle, the high corner; or all of
        it."""
        c, names = self.conv, self.labels()[2]
        extents = dict(zip(names, self.out.dims()))
        if self.op == "local":
            each = self.rhs.extents["i"]
        elif self._is_regrouped():
            each = prod(c.K) * self.OC // self.G
        else:
            each = prod(c.K) * dict(zip(self.labels()[1], self.rhs.dims()))["i"]
        size = dict(extents)
        fixed = ("b" if c.batch_groups > 1 else "") + ("f" if c.groups > 1 or c.batch_groups > 1 else "")
        while prod(size.values()) * each > products:
            label = max((l for l in size if l not in fixed), key=lambda l: size[l] * (0.25 if l == "f" else 1))
            if size[label] == 1:
                label = max((l for l in size if l not in fixed), key=lambda l: size[l])
            if size[label] == 1:
                break
            size[label] = (size[label] + 1) // 2
        if size == extents:
            return [{}]
        starts = [lambda e, s: 0, lambda e, s: (e - s) // 2, lambda e, s: e - s]
        return [{l: (at(extents[l], size[l]), at(extents[l], size[l]) + size[l]) for l in size} for at in starts]

    def box_place(self, box):
        return x_list(box.get(label, (0, 0))[0] for label in self.labels()[2])

    # ---- what is counted

    def operations(self):
        """Counted and useful operations: 2 a product (complex: 8). Counted has every tap of the layer that no hole of a
        dilated input makes pointless, padding included; useful has those that meet an input element."""
        f, counted, useful = self.layer, 1, 1
        for d in range(self.spatial):
            places = [o * f.stride[d] + k * f.rd[d] - f.lo[d] for o in range(self.O[d]) for k in range(self.K[d])]
            real = [t for t in places if t % f.ld[d] == 0]
            counted *= len(real)
            useful *= sum(0 <= t < dilated(self.I[d], f.ld[d]) for t in real)
        each = (8 if self.dtype == "c64" else 2) * (self.N // f.batch_groups) * self.OC * (self.IC // self.G)
        return each * counted, each * useful

    def family(self):
        f = self.layer
        if self.op == "local":
            return "unshared"
        if self.op in ("grad_lhs", "grad_rhs"):
            return "gradients"
        if self.op == "transposed" or any(l > 1 for l in f.ld):
            return "transposed"
        if self.spatial != 2:
            return f"{self.spatial}-D"
        if self.IC == 1 and self.OC == 1:
            return "one-channel"
        if f.batch_groups > 1:
            return "batch groups"
        if self.G == self.IC and self.G > 1:
            return "depthwise"
        if self.G > 1:
            return "grouped"
        if self.IC <= 4:
            return "stem"
        if any(r > 1 for r in f.rd):
            return "atrous"
        if any(s > 1 for s in f.stride):
            return "strided"
        return "1x1" if prod(self.K) == 1 else "dense"

    # ---- the peers' views

    def describe(self):
        """The convolution for the Python workers: arrays row major with their dimensions from the slowest varying on."""
        labels = self.labels() if not self._is_regrouped() else (self.lhs.labels, self.rhs.labels, self.out.labels)

        def physical(a, names):
            order = a.order[::-1]
            return {"dtype": a.dtype, "dims": [a.dims()[d] for d in order], "labels": "".join(names[d] for d in order)}

        c, out_type = self.conv, {
            "s8": "int8",
            "s32": "int32",
            "bf16": "bfloat16",
            "f16": "float16",
            "f32": "float32",
            "f64": "float64",
            "c64": "complex64",
        }
        return {
            "op": self.op,
            "lhs": physical(self.lhs, labels[0]),
            "rhs": physical(self.rhs, labels[1]),
            "out": physical(self.out, labels[2]),
            "stride": c.stride,
            "lo": c.lo,
            "hi": c.hi,
            "ld": c.ld,
            "rd": c.rd,
            "reversal": [int(r) for r in c.reversal],
            "groups": c.groups,
            "batch_groups": c.batch_groups,
            "window": c.K,
            "filter": self.K,
            "regroup": int(self._is_regrouped()),
            "constant": self.constant(),
            "out_type": out_type[self.out.dtype],
        }

    def _is_regrouped(self):
        return self.op == "grad_lhs" and self.G > 1

    def constant(self):
        """Bits of the operands that keep their values between runs: the weights, where they are an operand."""
        return 0 if self.op == "grad_rhs" else 2

    def onednn(self):
        """The request's fields for worker_onednn, or the reason why oneDNN has no words for the problem (a str starting with
        '!')."""
        f, n = self.layer, self.spatial
        if self.op == "local":
            return "!no unshared weights"
        if n > 3:
            return f"!no {n}-D convolution"
        if f.batch_groups > 1:
            return "!no batch groups"
        op = {"forward": "forward", "transposed": "deconvolution", "grad_lhs": "backward_data", "grad_rhs": "backward_weights"}[
            self.op
        ]
        lo, hi, stride = f.lo, f.hi, f.stride
        if op == "forward" and any(l > 1 for l in f.ld):
            op = "deconvolution"
        if op == "deconvolution":
            if any(s > 1 for s in f.stride) or not all(r or k == 1 for r, k in zip(f.reversal, f.K)):
                return "!no lhs dilation but that of deconvolution"
            lo = [(self.K[d] - 1) * f.rd[d] - f.lo[d] for d in range(n)]
            hi = [(self.K[d] - 1) * f.rd[d] - f.hi[d] for d in range(n)]
            stride = f.ld
        elif any(f.reversal) or any(l > 1 for l in f.ld):
            return "!no reversed window, no lhs dilation"
        data = lambda a: self._memory(a, "bf", [])
        fields = {
            "op": op,
            "src": data(self.x),
            "wei": self._memory(self.w, "oi", [self.G] if self.G > 1 else []),
            "dst": data(self.y),
        }
        fields.update({"stride": x_list(stride), "dilate": x_list(r - 1 for r in f.rd), "lo": x_list(lo), "hi": x_list(hi)})
        return " ".join(f"{k}={v}" for k, v in fields.items())

    def _memory(self, a, first, groups):
        strides = a.strides()
        order = list(first) + [str(d) for d in range(self.spatial)]
        dims, steps = [a.extents[c] for c in order], [strides[c] for c in order]
        if groups:
            dims[0] //= groups[0]
            dims, steps = groups + dims, [dims[0] * steps[0]] + steps
        return f"{a.dtype}:{x_list(dims)}:{x_list(steps)}"


def load(path):
    with open(path) as file:
        return json.load(file)

#!/usr/bin/env python3
"""make-operator-vectors.py - what calls of other systems must give, worked out with NumPy alone.

Writes tests/data/operators.txt: for each call its pairs, small integers for its arrays, and the result. Nothing here knows of
convolutions with dilated inputs: a transposed convolution scatters each input element over the output, edges are numpy.pad's, and
groups are slices. The formulas of extents are those of the systems' own documentation.

    scripts/make-operator-vectors.py >tests/data/operators.txt
"""
import itertools
import random

import numpy as np

rng = random.Random(20)


def values(shape, low=-3, high=3):
    count = int(np.prod(shape))
    return np.array([rng.randint(low, high) for _ in range(count)], float).reshape(shape)


def tup(numbers):
    return "(" + ",".join(str(n) for n in numbers) + ("," if len(numbers) == 1 else "") + ")"


def conv(x, w, stride, dilation, groups=1):
    """x (N, C, ...) is padded already; w (O, C / groups, ...)"""
    spatial = x.ndim - 2
    out = [(x.shape[d + 2] - dilation[d] * (w.shape[d + 2] - 1) - 1) // stride[d] + 1 for d in range(spatial)]
    y = np.zeros((x.shape[0], w.shape[0], *out))
    per_in, per_out = x.shape[1] // groups, w.shape[0] // groups
    for o in range(w.shape[0]):
        first = o // per_out * per_in
        for place in itertools.product(*(range(n) for n in out)):
            for tap in itertools.product(*(range(n) for n in w.shape[2:])):
                at = tuple(place[d] * stride[d] + tap[d] * dilation[d] for d in range(spatial))
                y[(slice(None), o) + place] += x[(slice(None), slice(first, first + per_in)) + at] @ w[(o, slice(None)) + tap]
    return y


def pad(x, pairs, mode="zeros"):
    modes = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    return np.pad(x, [(0, 0), (0, 0)] + list(pairs), mode=modes[mode])


def scatter(x, w, stride, dilation, groups, out, cut):
    """w (C, O / groups, ...); element p of the input lands at p * stride + tap * dilation - cut"""
    spatial = x.ndim - 2
    per_in, per_out = x.shape[1] // groups, w.shape[1]
    y = np.zeros((x.shape[0], per_out * groups, *out))
    for c in range(x.shape[1]):
        first = c // per_in * per_out
        for place in itertools.product(*(range(n) for n in x.shape[2:])):
            for tap in itertools.product(*(range(n) for n in w.shape[2:])):
                at = tuple(place[d] * stride[d] + tap[d] * dilation[d] - cut[d] for d in range(spatial))
                if all(0 <= at[d] < out[d] for d in range(spatial)):
                    y[(slice(None), slice(first, first + per_out)) + at] += np.outer(
                        x[(slice(None), c) + place], w[(c, slice(None)) + tap]
                    )
    return y


def add_bias(y, bias, feature=1):
    return y if bias is None else y + bias.reshape([-1 if d == feature else 1 for d in range(y.ndim)])


def write(op, arrays, attributes, result, stated=True, dtype="f32"):
    """`arrays` in parameter order; only the first has its type stated unless `stated`"""
    print("call", op)
    for i, (name, a) in enumerate(arrays.items()):
        if i == 0 or stated:
            print("pair %s=%s[%s]" % (name, dtype, ",".join(map(str, a.shape))))
    for name, value in attributes.items():
        print("pair %s=%s" % (name, tup(value) if isinstance(value, (list, tuple)) else value))
    for a in list(arrays.values()) + [result]:
        print("data", " ".join("%d" % v for v in np.asarray(a).ravel()))
    print("shape", ",".join(map(str, result.shape)))
    print()


def draw(spatial, groups):
    """extents, kernel, stride, dilation, channels in and out"""
    extents = [rng.randint(5, 6) for _ in range(spatial)]
    kernel = [rng.randint(1, 3) for _ in range(spatial)]
    return extents, kernel, [rng.randint(1, 2) for _ in kernel], [rng.randint(1, 2) for _ in kernel], rng.randint(1, 2) * groups, 2 * groups


def dilated(kernel, dilation):
    return [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]


def torch_convs():
    for number in range(18):
        spatial, groups = number % 3 + 1, rng.choice([1, 2])
        extents, kernel, stride, dilation, c, o = draw(spatial, groups)
        kind = ["explicit", "same", "valid", "reflect", "replicate", "circular"][number // 3]
        x, w, bias = values([2, c] + extents), values([o, c // groups] + kernel), rng.choice([None, values([o])])
        attributes = dict(stride=stride, dilation=dilation, groups=groups, kernel_size=kernel, in_channels=c, out_channels=o)
        reach = [n - 1 for n in dilated(kernel, dilation)]
        if kind == "same":
            attributes.update(stride=1, padding="same")
            stride, pairs = [1] * spatial, [(n // 2, n - n // 2) for n in reach]
        elif kind == "valid":
            attributes["padding"], pairs = "'valid'", [(0, 0)] * spatial
        else:
            amount = [rng.randint(0, 2) for _ in kernel]
            attributes["padding"], pairs = amount, [(n, n) for n in amount]
        mode = kind if kind in ("reflect", "replicate", "circular") else "zeros"
        if mode != "zeros":
            attributes["padding_mode"] = mode
        y = add_bias(conv(pad(x, pairs, mode), w, stride, dilation, groups), bias)
        arrays = dict(input=x, weight=w)
        if bias is not None:
            arrays["bias"] = bias
        else:
            attributes["bias"] = False
        unbatched = number % 4 == 0
        if unbatched:
            arrays["input"], y = x[0], y[0]
        write("torch.Conv%dd" % spatial, arrays, attributes, y, stated=number % 2 == 0)


def torch_transposes():
    for number in range(9):
        spatial, groups = number % 3 + 1, rng.choice([1, 2])
        extents, kernel, stride, dilation, c, o = draw(spatial, groups)
        x, w, bias = values([1, c] + extents), values([c, o // groups] + kernel), values([o])
        amount = [rng.randint(0, 1) for _ in kernel]
        more = [rng.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation)]
        if number >= 6:
            more = [rng.randint(0, s - 1) for s in stride]
        out = [(n - 1) * s - 2 * p + d * (k - 1) + m + 1 for n, s, p, d, k, m in zip(extents, stride, amount, dilation, kernel, more)]
        attributes = dict(stride=stride, padding=amount, dilation=dilation, groups=groups)
        attributes.update(dict(output_padding=more) if number < 6 else dict(output_size=out))
        function = number % 2 == 0 and number < 6
        if not function:
            attributes.update(kernel_size=kernel, in_channels=c, out_channels=o)
        name = "torch.conv_transpose%dd" if function else "torch.ConvTranspose%dd"
        y = add_bias(scatter(x, w, stride, dilation, groups, out, amount), bias)
        write(name % spatial, dict(input=x, weight=w, bias=bias), attributes, y, stated=function)


def to_last(a):
    return np.moveaxis(a, 1, -1)


def mxnet_convs():
    layouts = {1: ["NCW", "NWC"], 2: ["NCHW", "NHWC"], 3: ["NCDHW", "NDHWC"]}
    for number in range(9):
        spatial, groups = number % 3 + 1, rng.choice([1, 2])
        extents, kernel, stride, dilation, c, o = draw(spatial, groups)
        amount, bias = [rng.randint(1, 2) for _ in kernel], rng.choice([None, values([o])])
        x, w = values([2, c] + extents), values([o, c // groups] + kernel)
        attributes = dict(kernel=kernel, stride=stride, dilate=dilation, pad=amount, num_filter=o, num_group=groups, workspace=512)
        attributes.update(cudnn_tune=rng.choice(["off", "fastest", "None"]), cudnn_off=rng.choice(["True", "False"]))
        y = add_bias(conv(pad(x, [(n, n) for n in amount]), w, stride, dilation, groups), bias)
        layout = layouts[spatial][number // 3 % 2]
        attributes["layout"] = layout if number < 6 else "None"
        if number < 6 and layout.endswith("C"):
            x, w, y = to_last(x), to_last(w), to_last(y)
        arrays = dict(data=x, weight=w)
        if bias is None:
            attributes["no_bias"] = "True"
        else:
            arrays["bias"] = bias
        write("mxnet.Convolution", arrays, attributes, y, stated=number % 2 == 0)


def mxnet_deconvs():
    for number in range(12):
        spatial, groups = number % 3 + 1, rng.choice([1, 2])
        extents, kernel, stride, dilation, c, o = draw(spatial, groups)
        x, w = values([1, c] + extents), values([c, o // groups] + kernel)
        full = [s * (n - 1) + k for n, s, k in zip(extents, stride, dilated(kernel, dilation))]
        attributes = dict(kernel=kernel, stride=stride, dilate=dilation, num_filter=o, num_group=groups)
        if number % 2 == 0:
            cut, more = [rng.randint(0, 1) for _ in kernel], [rng.randint(0, s - 1) for s in stride]
            out = [f - 2 * p + m for f, p, m in zip(full, cut, more)]
            attributes.update(pad=cut, adj=more)
        else:
            out = [f - (rng.randint(0, 2) if s == 2 else 2 * rng.randint(0, 1)) for f, s in zip(full, stride)]
            cut = [(f - t + 1) // 2 for f, t in zip(full, out)]
            attributes.update(target_shape=out, pad=1, adj=0)
        y = scatter(x, w, stride, dilation, groups, out, cut)
        if number >= 9:
            attributes["layout"] = {1: "None", 2: "NHWC", 3: "NDHWC"}[spatial]
            if spatial > 1:
                x, w, y = to_last(x), to_last(w), to_last(y)
        arrays = dict(data=x, weight=w)
        if number % 4 == 1:
            arrays["bias"] = values([o])
            attributes["no_bias"] = "False"
            y = add_bias(y, arrays["bias"], y.ndim - 1 if number >= 9 and spatial > 1 else 1)
        write("mxnet.Deconvolution", arrays, attributes, y, stated=number % 2 == 0)


def with_groups(w, groups):
    return w if groups == 1 else w.reshape([groups, w.shape[0] // groups] + list(w.shape[1:]))


def megengine_convs():
    for number in range(9):
        spatial, groups = number % 3 + 1, rng.choice([1, 2])
        extents, kernel, stride, dilation, c, o = draw(spatial, groups)
        mode, amount = ["zeros", "reflect", "replicate"][number // 3], [rng.randint(0, 2) for _ in kernel]
        x, w, bias = values([2, c] + extents), values([o, c // groups] + kernel), values([o])
        y = add_bias(conv(pad(x, [(n, n) for n in amount], mode), w, stride, dilation, groups), bias)
        attributes = dict(in_channels=c, out_channels=o, kernel_size=kernel, stride=stride, padding=amount, dilation=dilation)
        attributes.update(groups=groups, conv_mode="cross_correlation", padding_mode=mode)
        arrays = dict(inp=x, weight=with_groups(w, groups), bias=bias.reshape([1, -1] + [1] * spatial))
        write("megengine.Conv%dd" % spatial, arrays, attributes, y, stated=number % 2 == 0)


def megengine_transposes():
    for number in range(6):
        spatial, groups = number % 2 + 2, rng.choice([1, 2])
        extents, kernel, stride, dilation, c, o = draw(spatial, groups)
        amount, more = [rng.randint(0, 1) for _ in kernel], [rng.randint(0, s - 1) for s in stride]
        x, w = values([1, c] + extents), values([c, o // groups] + kernel)
        out = [(n - 1) * s - 2 * p + k + m for n, s, p, k, m in zip(extents, stride, amount, dilated(kernel, dilation), more)]
        attributes = dict(in_channels=c, out_channels=o, kernel_size=kernel, stride=stride, padding=amount, dilation=dilation)
        attributes.update(groups=groups, output_padding=more, bias="False")
        y = scatter(x, w, stride, dilation, groups, out, amount)
        write("megengine.ConvTranspose%dd" % spatial, dict(inp=x, weight=with_groups(w, groups)), attributes, y, stated=number < 3)


def megengine_local():
    for number in range(4):
        groups = number % 2 + 1
        extents, kernel, stride, dilation, c, o = draw(2, groups)
        amount = [rng.randint(1, 2) for _ in kernel]
        x = values([2, c] + extents)
        padded = pad(x, [(n, n) for n in amount])
        out = [(padded.shape[d + 2] - (kernel[d] - 1) * dilation[d] - 1) // stride[d] + 1 for d in range(2)]
        w = values([groups] + out + [c // groups] + kernel + [o // groups])
        y = np.zeros([2, o] + out)
        for g, i, j, ky, kx in itertools.product(range(groups), *(range(n) for n in out), *(range(n) for n in kernel)):
            lhs = padded[:, g * c // groups : (g + 1) * c // groups, i * stride[0] + ky * dilation[0], j * stride[1] + kx * dilation[1]]
            y[:, g * o // groups : (g + 1) * o // groups, i, j] += lhs @ w[g, i, j, :, ky, kx]
        attributes = dict(in_channels=c, out_channels=o, input_height=extents[0], input_width=extents[1], kernel_size=kernel)
        attributes.update(stride=stride, padding=amount, dilation=dilation, groups=groups)
        write("megengine.LocalConv2d", dict(inp=x, weight=w), attributes, y, stated=number < 2)


def onnx_convs():
    for number in range(8):
        spatial, groups = number % 3 + 1, rng.choice([1, 2])
        extents, kernel, stride, dilation, c, o = draw(spatial, groups)
        auto = ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"][number % 4]
        x, w, bias = values([2, c] + extents), values([o, c // groups] + kernel), values([o])
        attributes = dict(auto_pad=auto, strides=stride, dilations=dilation, group=groups)
        pairs = [(0, 0)] * spatial
        if auto == "NOTSET":
            pairs = [(rng.randint(1, 2), rng.randint(0, 2)) for _ in kernel]
            attributes["pads"] = [p[0] for p in pairs] + [p[1] for p in pairs]
        elif auto != "VALID":
            remainders = [n % s for n, s in zip(extents, stride)]
            totals = [max(0, k - (r or s)) for k, s, r in zip(dilated(kernel, dilation), stride, remainders)]
            pairs = [(t // 2, t - t // 2) if auto == "SAME_UPPER" else (t - t // 2, t // 2) for t in totals]
        y = add_bias(conv(pad(x, pairs), w, stride, dilation, groups), bias)
        write("onnx.Conv", dict(X=x, W=w, B=bias), attributes, y)


def onnx_transposes():
    for number in range(10):
        spatial, groups = number % 3 + 1, rng.choice([1, 2])
        extents, kernel, stride, dilation, c, o = draw(spatial, groups)
        x, w = values([1, c] + extents), values([c, o // groups] + kernel)
        more = [rng.randint(0, s - 1) for s in stride]
        full = [s * (n - 1) + k + m for n, s, k, m in zip(extents, stride, dilated(kernel, dilation), more)]
        attributes = dict(strides=stride, dilations=dilation, group=groups, output_padding=more)
        if number % 2 == 0:
            begins, ends = [rng.randint(0, 1) for _ in kernel], [rng.randint(0, 1) for _ in kernel]
            attributes["pads"] = begins + ends
            out = [f - b - e for f, b, e in zip(full, begins, ends)]
        else:
            out = [f - rng.randint(0, 3) for f in full]
            attributes["output_shape"] = out
            attributes["auto_pad"] = ["NOTSET", "SAME_UPPER", "SAME_LOWER"][number // 2 % 3]
            totals = [f - t for f, t in zip(full, out)]
            begins = [t // 2 if attributes["auto_pad"] == "SAME_UPPER" else t - t // 2 for t in totals]
        y = scatter(x, w, stride, dilation, groups, out, begins)
        write("onnx.ConvTranspose", dict(X=x, W=w), attributes, y)


def onnx_integers():
    for number in range(6):
        spatial, groups = number % 2 + 1, number % 3 // 2 + 1
        extents, kernel, stride, dilation, c, o = draw(spatial, groups)
        x, w = values([2, c] + extents, 0, 200), values([o, c // groups] + kernel, 0, 200)
        x_zero, w_zero = rng.randint(1, 200), values([o] if number % 2 else [], 1, 200)
        amount = [rng.randint(0, 1) for _ in kernel]
        attributes = dict(strides=stride, dilations=dilation, group=groups, pads=amount + amount)
        shift = w_zero.reshape([-1] + [1] * (spatial + 1)) if number % 2 else w_zero
        y = conv(pad(x - x_zero, [(n, n) for n in amount]), w - shift, stride, dilation, groups)
        arrays = dict(x=x, w=w)
        if number < 3:
            arrays.update(x_zero_point=np.array(float(x_zero)), w_zero_point=w_zero)
        else:
            zeros = [int(v) for v in w_zero.ravel()]
            attributes.update(x_zero_point=x_zero, w_zero_point="[%s]" % ",".join(map(str, zeros)) if number % 2 else zeros[0])
        write("onnx.ConvInteger", arrays, attributes, y, dtype="u8")


torch_convs()
torch_transposes()
mxnet_convs()
mxnet_deconvs()
megengine_convs()
megengine_transposes()
megengine_local()
onnx_convs()
onnx_transposes()
onnx_integers()

#!/usr/bin/env python3
"""Writes bench/rows/*.hlo: the layers whose peers are measured in doc/performance.md. N = 1, NHWC, f32, weights HWIO.

In: the table below. Out: one HLO module a layer; the file name is the row's name."""
import os

# name: (input spatial, channels in, channels out, window, stride, pad low/high, lhs dilation, rhs dilation, groups)
ROWS = {
    "resnet_3x3_64_56": ((56, 56), 64, 64, 3, 1, (1, 1), 1, 1, 1),
    "resnet_3x3_128_28": ((28, 28), 128, 128, 3, 1, (1, 1), 1, 1, 1),
    "resnet_3x3_256_14": ((14, 14), 256, 256, 3, 1, (1, 1), 1, 1, 1),
    "resnet_3x3_512_7": ((7, 7), 512, 512, 3, 1, (1, 1), 1, 1, 1),
    "resnet_1x1_64_256_56": ((56, 56), 64, 256, 1, 1, (0, 0), 1, 1, 1),
    "resnet_1x1_1024_256_14": ((14, 14), 1024, 256, 1, 1, (0, 0), 1, 1, 1),
    "resnet_1x1_512_128_28": ((28, 28), 512, 128, 1, 1, (0, 0), 1, 1, 1),
    "resnet_stem_7x7_s2": ((224, 224), 3, 64, 7, 2, (3, 3), 1, 1, 1),
    "deeplab_rate12_256_33": ((33, 33), 256, 256, 3, 1, (12, 12), 1, 12, 1),
    "deeplab_rate6_512_256_33": ((33, 33), 512, 256, 3, 1, (6, 6), 1, 6, 1),
    "dcgan_4x4_s2_512_256_8": ((8, 8), 512, 256, 4, 1, (2, 2), 2, 1, 1),
    "dcgan_4x4_s2_128_64_32": ((32, 32), 128, 64, 4, 1, (2, 2), 2, 1, 1),
    "wavenet_k2_rate64": ((4096,), 64, 128, 2, 1, (64, 0), 1, 64, 1),
    "depthwise_3x3_32_112": ((112, 112), 32, 32, 3, 1, (1, 1), 1, 1, 32),
    "depthwise_3x3_s2_144_56": ((56, 56), 144, 144, 3, 2, (1, 1), 1, 1, 144),
    "depthwise_3x3_576_14": ((14, 14), 576, 576, 3, 1, (1, 1), 1, 1, 576),
    "depthwise_3x3_192_28": ((28, 28), 192, 192, 3, 1, (1, 1), 1, 1, 192),
    "depthwise_7x7_96_56": ((56, 56), 96, 96, 7, 1, (3, 3), 1, 1, 96),
    "resnext_3x3_g32x4_56": ((56, 56), 128, 128, 3, 1, (1, 1), 1, 1, 32),
    "one_channel_3x3_1024": ((1024, 1024), 1, 1, 3, 1, (1, 1), 1, 1, 1),
    "one_channel_5x5_1024": ((1024, 1024), 1, 1, 5, 1, (2, 2), 1, 1, 1),
    "one_channel_15x15_1024": ((1024, 1024), 1, 1, 15, 1, (7, 7), 1, 1, 1),
    "one_channel_31x31_1024": ((1024, 1024), 1, 1, 31, 1, (15, 15), 1, 1, 1),
}


def module(name, row):
    spatial, ic, oc, k, stride, pad, ld, rd, groups = row
    n = len(spatial)
    out = [((i - 1) * ld + 1 + sum(pad) - ((k - 1) * rd + 1)) // stride + 1 for i in spatial]
    dims = lambda *d: ",".join(str(x) for x in d)
    times = lambda v: "x".join([str(v)] * n)
    window = f"size={times(k)}"
    window += f" stride={times(stride)}" if stride != 1 else ""
    window += f" pad={times(f'{pad[0]}_{pad[1]}')}" if pad != (0, 0) else ""
    window += f" lhs_dilate={times(ld)}" if ld != 1 else ""
    window += f" rhs_dilate={times(rd)}" if rd != 1 else ""
    s = "".join(str(i) for i in range(n))
    attrs = f"window={{{window}}}, dim_labels=b{s}f_{s}io->b{s}f" + (f", feature_group_count={groups}" if groups > 1 else "")
    return f"""HloModule {name}

ENTRY main {{
  x = f32[{dims(1, *spatial, ic)}] parameter(0)
  w = f32[{dims(*[k] * n, ic // groups, oc)}] parameter(1)
  ROOT y = f32[{dims(1, *out, oc)}] convolution(x, w), {attrs}
}}
"""


folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rows")
os.makedirs(folder, exist_ok=True)
for name, row in ROWS.items():
    with open(os.path.join(folder, name + ".hlo"), "w") as f:
        f.write(module(name, row))

"""Compares the interpreter and compiled code with XLA on random modules.

    python jax_oracle.py ATROUSC [COUNT [SEED]]

In: the tool. Each module is HLO text made here or by jax.jit(f).lower(...), with arguments of small numbers. The text is
compiled and run by XLA:CPU, and by `atrousc run` with and without --target=interpreter; functions of jax also as StableHLO.
Results must be equal, except that what goes through tanh, exponential or logistic, which XLA approximates, may differ by a part
in 2^12 (in 2^6 for f16 and bf16). Out: exit status 1, and the module and both results, at the first difference.

XLA reads negative low padding of f32, f16 and bf16 out of bounds (jaxlib 0.10.2), so crops are made in other dtypes only.
The small numbers keep every sum exact, so that orders of summation do not show.
"""

import os
import random
import subprocess
import sys
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax

jax.config.update("jax_enable_x64", True)

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
MIXED = [("s8", "s8", "s32"), ("u8", "u8", "s32"), ("bf16", "bf16", "f32"), ("f16", "f16", "f32"), ("f32", "f32", "f64")]


# ---- XLA, from HLO text


def run_xla(text, args):
    from jaxlib import _hlo, _jax
    from jax._src.lib import xla_client
    from jax._src import xla_bridge

    computation = _hlo.XlaComputation(_hlo.hlo_module_from_text(text).as_serialized_hlo_module_proto())
    client = xla_bridge.get_backend("cpu")
    module = _jax.mlir.xla_computation_to_mlir_module(computation)
    executable = client.compile_and_load(
        module, _jax.DeviceList(tuple(client.local_devices()[:1])), xla_client.CompileOptions()
    )
    results = executable.execute_sharded([jax.device_put(a) for a in args])
    return [np.asarray(r[0]) for r in results.disassemble_into_single_device_arrays()]


# ---- the tool


def save(path, array):
    np.save(path, array.view(np.uint16) if array.dtype == ml_dtypes.bfloat16 else array)


def run_tool(tool, target, text, args, count):
    with tempfile.TemporaryDirectory() as folder:
        path = lambda name: os.path.join(folder, name)
        with open(path("m.hlo"), "w") as file:
            file.write(text)
        command = [tool, "run", "--target=" + target, path("m.hlo")]
        for i, array in enumerate(args):
            save(path("a%d.npy" % i), array)
            command.append(path("a%d.npy" % i))
        for i in range(count):
            command += ["-o", path("r%d.npy" % i)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit("%s\nexit status %d\n%s%s" % (text, done.returncode, done.stdout, done.stderr))
        return [np.load(path("r%d.npy" % i)) for i in range(count)]


def compare(tool, name, text, args, loose=False, stablehlo=None):
    want = run_xla(text, args)
    for target in "interpreter", "cpu":
        for form in [text] + [stablehlo] * (stablehlo is not None):
            got = run_tool(tool, target, form, args, len(want))
            compare_results(name + " on target " + target, form, args, want, got, loose)


def compare_results(name, text, args, want, got, loose):
    for w, g in zip(want, got):
        g = g.view(w.dtype) if g.dtype == np.uint16 and w.dtype == ml_dtypes.bfloat16 else g
        wide = np.complex128 if w.dtype.kind == "c" else np.float64
        bound = 0 if not loose else 2.0**-6 if w.dtype.itemsize == 2 else 2.0**-12
        if w.dtype.kind in "biu":
            same = w.dtype == g.dtype and np.array_equal(w, g)
        else:
            same = w.dtype == g.dtype and np.allclose(g.astype(wide), w.astype(wide), rtol=bound, atol=bound, equal_nan=True)
        if w.shape != g.shape or not same:
            sys.exit("%s differs\n%s\narguments %s\nXLA %s %s\nours %s %s" % (name, text, args, w.dtype, w, g.dtype, g))


# ---- modules as text


def fill(rng, dtype, shape):
    n = int(np.prod(shape, dtype=np.int64))
    low, high = (0, 1) if dtype == "pred" else (0, 4) if dtype[0] == "u" else (-4, 4)
    values = [rng.randint(low, high) + (1j * rng.randint(-3, 3) if dtype[0] == "c" else 0) for _ in range(n)]
    return np.array(values).astype(DTYPES[dtype]).reshape(shape)


def type_of(dtype, shape):
    return "%s[%s]" % (dtype, ",".join(map(str, shape)))


def crops(dtype):
    return dtype not in ("f32", "f16", "bf16")


def random_convolution(rng, dtype, result, rank):
    groups = rng.choice([1, 1, 2, 3])
    batches = rng.choice([1, 1, 2]) if groups == 1 else 1
    c, o, n = groups * rng.randint(1, 3), groups * batches * rng.randint(1, 4), batches * rng.randint(1, 2)
    sizes, outs, inputs, fields = (
        [],
        [],
        [],
        {"size": [], "stride": [], "pad": [], "lhs_dilate": [], "rhs_dilate": [], "rhs_reversal": []},
    )
    for _ in range(rank):
        i, k, s, ld, rd = (
            rng.randint(1, 7 if rank < 3 else 4),
            rng.randint(1, 3),
            rng.randint(1, 3),
            rng.choice([1, 1, 2, 3]),
            rng.choice([1, 1, 2]),
        )
        lo, hi = (rng.randint(-2, 2), rng.randint(-2, 3)) if crops(dtype) else (rng.randint(0, 3), rng.randint(-1, 3))
        padded, reach = lo + (i - 1) * ld + 1 + hi, (k - 1) * rd + 1
        outs.append(0 if padded <= 0 or reach > padded else (padded - reach) // s + 1)
        inputs.append(i)
        sizes.append(k)
        for key, value in zip(fields, (k, s, "%d_%d" % (lo, hi), ld, rd, int(rng.random() < 0.25))):
            fields[key].append(str(value))
    labels, shapes = [], []
    for batch, feature, b, f, spatial in (
        ("b", "f", n, c, inputs),
        ("o", "i", o, c // groups, sizes),
        ("b", "f", n // batches, o, outs),
    ):
        order = [(batch, b), (feature, f)] + [(str(d), spatial[d]) for d in range(rank)]
        rng.shuffle(order)
        labels.append("".join(x for x, _ in order))
        shapes.append([e for _, e in order])
    window = ", window={%s}" % " ".join("%s=%s" % (key, "x".join(values)) for key, values in fields.items()) if rank else ""
    groups = (", feature_group_count=%d" % groups if groups > 1 else "") + (
        ", batch_group_count=%d" % batches if batches > 1 else ""
    )
    line = "%s convolution(x, w)%s, dim_labels=%s_%s->%s%s" % (
        type_of(result, shapes[2]),
        window,
        labels[0],
        labels[1],
        labels[2],
        groups,
    )
    return line, shapes, labels[2].index("f")


def text_module(rng, i):
    dtype = list(DTYPES)[i % len(DTYPES)]
    result = dtype
    if rng.random() < 0.2:
        dtype, _, result = rng.choice(MIXED)
    line, shapes, feature = random_convolution(rng, dtype, result, rng.choice([0, 1, 1, 2, 2, 3]))
    out = type_of(result, shapes[2])
    lines = [
        "x = %s parameter(0)" % type_of(dtype, shapes[0]),
        "w = %s parameter(1)" % type_of(dtype, shapes[1]),
        "c = " + line,
    ]
    args = [fill(rng, dtype, shapes[0]), fill(rng, dtype, shapes[1])]
    loose, last = False, "c"
    if result != "pred" and rng.random() < 0.6:
        features = [shapes[2][feature]]
        lines += [
            "b = %s parameter(2)" % type_of(result, features),
            "wide = %s broadcast(b), dimensions={%d}" % (out, feature),
            "s = %s add(c, wide)" % out,
        ]
        args.append(fill(rng, result, features))
        last = "s"
        if result[0] != "c":
            lines += [
                "zero = %s[] constant(0)" % result,
                "zeros = %s broadcast(zero), dimensions={}" % out,
                "r = %s maximum(s, zeros)" % out,
            ]
            last = "r"
        if result in ("f32", "f64") and rng.random() < 0.4:
            lines.append("t = %s %s(%s)" % (out, rng.choice(["tanh", "logistic"]), last))
            last, loose = "t", True
    lines[-1] = "ROOT " + lines[-1]
    return "HloModule m\n\nENTRY e {\n  %s\n}\n" % "\n  ".join(lines), args, loose


# ---- modules from jax


def conv(x, w, **k):
    return lax.conv_general_dilated(x, w, k.pop("strides", (1, 1)), k.pop("padding", "SAME"), **k)


def chain(x, w, v):
    y = jax.nn.relu(conv(x, w, strides=(2, 1)))
    return conv(y, v, padding="VALID"), y


def padded(x, w):
    y = lax.pad(x, jnp.asarray(2, x.dtype), ((0, 0, 0), (0, 0, 0), (1, -1, 1), (2, 0, 0)))
    return lax.rev(conv(y, w, rhs_dilation=(2, 1)), (2,)).transpose(0, 2, 3, 1)


def clipped(x, w):
    y = conv(x, w)
    return jnp.where(y > 1, jnp.clip(y, -3, 5), jnp.concatenate([y[:, ::2], y[:, ::2]], 1)).reshape(2, -1)


def gradients(x, w):
    f = lambda x, w: conv(x, w, strides=(2, 1), padding=((2, 1), (0, 1)), feature_group_count=x.shape[1] // w.shape[1])
    y, pull = jax.vjp(f, x, w)
    return pull(jnp.ones(y.shape, y.dtype))


def widened(x, w):
    wide = {"int8": np.int32, "uint8": np.uint32, "bfloat16": np.float32, "float16": np.float32, "float32": np.float64}
    return conv(x, w, rhs_dilation=(1, 2), preferred_element_type=wide[x.dtype.name])


def complex_parts(x, w):
    y = conv(x, w, padding=((1, 0), (-1, 2)))
    return jnp.real(y), jnp.imag(y) * 2, jnp.conj(y)


FLOATS = ["f16", "bf16", "f32", "f64"]
EXACT_CROPS = ["s8", "s32", "u16", "f64", "c64"]  # see crops


def jax_functions():
    x, w = (1, 3, 6, 5), (4, 3, 3, 2)
    transposed = lambda x, w: lax.conv_transpose(x, w, (2, 3), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"))
    patches = lambda x: lax.conv_general_dilated_patches(x, (2, 3), (1, 2), ((0, 1), (1, 1)), rhs_dilation=(2, 1))
    dilated = lambda x, w: conv(x, w, padding=((2, 1), (0, 3)), lhs_dilation=(3, 2), rhs_dilation=(2, 3))
    cropped = lambda x, w: conv(x, w, padding=((-1, 1), (2, -2)))
    return [
        ("chain", chain, (x, w, (2, 4, 1, 2)), ["s32", "u8"] + FLOATS),
        ("pad", padded, (x, w), ["s32", "c128"] + FLOATS),
        ("clip", clipped, (x, w), ["s32", "s8"] + FLOATS),
        ("gradients", gradients, (x, w), ["f32", "f64", "c64"]),
        ("gradients of groups", gradients, (x, (6, 1, 3, 2)), ["f32", "f64", "c64"]),
        ("depthwise", lambda x, w: conv(x, w, feature_group_count=3), (x, (6, 1, 3, 2)), ["s16", "c64"] + FLOATS),
        ("batch groups", lambda x, w: conv(x, w, batch_group_count=2), ((4, 3, 6, 5), w), ["s64", "pred", "c64"] + FLOATS),
        ("dilated", dilated, (x, w), ["u32", "c128"] + FLOATS),
        ("transposed", transposed, (x, w), ["s32", "c64"] + FLOATS),
        ("patches", patches, (x,), ["f32", "f64", "f16"]),
        ("cropped", cropped, (x, w), EXACT_CROPS),
        ("widened", widened, (x, w), ["s8", "u8", "bf16", "f16", "f32"]),
        ("complex parts", complex_parts, (x, w), ["c64", "c128"]),
    ]


def main():
    tool, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 90
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    rng = random.Random(seed)
    for i in range(count):
        text, args, loose = text_module(rng, i)
        compare(tool, "module %d of seed %d" % (i, seed), text, args, loose)
    functions = 0
    for name, function, shapes, dtypes in jax_functions():
        for dtype in dtypes:
            args = [fill(rng, dtype, s) for s in shapes]
            lowered = jax.jit(function).lower(*args)
            compare(tool, "%s in %s" % (name, dtype), lowered.as_text("hlo"), args, stablehlo=lowered.as_text())
            functions += 1
    print("%d modules and %d functions of jax agree with XLA" % (count, functions))


main()

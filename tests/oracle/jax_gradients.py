"""Compares gradients of modules with jax.vjp, on fixed functions and on random convolutions.

    python jax_gradients.py ATROUSC [COUNT [SEED]]
    python jax_gradients.py --write > tests/data/gradient.txt

The first form makes of each function's text (StableHLO of jax.jit(f).lower(...), or HLO written here where jax has no word for it) the
module of its gradient for each parameter by `atrousc gradient`, and runs that in the interpreter and as compiled code. COUNT random
convolutions follow, with every attribute and edge modes, which jax gets as jnp.pad. Out: exit status 1, and the module and both
results, at the first difference.

The second form writes the fixed functions with their answers for tests/unit/test_gradient.c: per case

    case NAME
    the module's text
    end
    arg f64[2,3] 1 2 3 4 5 6      each parameter, row major; of complex numbers both parts
    cotangent f64[3] 1 2 3
    gradient 0 f64[2,3] ...       for each parameter that is a float or complex number
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

NAMES = {"float64": "f64", "float32": "f32", "bfloat16": "bf16", "complex128": "c128", "int32": "s32", "bool": "pred"}
TOLERANCE = {"f64": 1e-12, "c128": 1e-12, "f32": 1e-5, "bf16": 2.0**-7}


# ---- functions and their arguments

F, C, H, B = np.float64, np.complex128, np.float32, ml_dtypes.bfloat16
LINE = [-2.5, -1.0, -0.0, 0.0, 0.5, 1.0, 3.0]
TIES = [-1.0, -1.0, 0.0, 1.0, 0.5, 2.0, 3.0]


def fill(rng, dtype, shape):
    n = int(np.prod(shape, dtype=np.int64))
    values = [rng.randint(-8, 8) / 4 + (1j * rng.randint(-8, 8) / 4 if np.dtype(dtype).kind == "c" else 0) for _ in range(n)]
    return np.array(values).astype(dtype).reshape(shape)


def conv(x, w, strides, padding, **options):
    return lax.conv_general_dilated(x, w, strides, padding, **options)


def elementwise():
    line, ties, z = np.array(LINE), np.array(TIES), np.array([0, 1 + 2j, -3 - 0.5j, 0.25j])
    other = np.array([2 - 1j, 0.5j, 1, -1 - 1j])
    for name, f in [("negate", lax.neg), ("abs", lax.abs), ("exponential", lax.exp), ("tanh", lax.tanh), ("logistic", lax.logistic)]:
        yield name, f, (line,)
        yield "complex " + name, f, (z,)
    for name, f in [("add", lax.add), ("subtract", lax.sub), ("multiply", lax.mul), ("divide", lax.div)]:
        yield name, f, (line, ties + 0.25)
        yield "complex " + name, f, (z, other)
    yield "maximum", lax.max, (line, ties)
    yield "minimum", lax.min, (line, ties)
    bounds = np.array([-3.0, -1, 0, -1, 1, 2, -1]), np.array([-1.0, 4, 0, 1, 0.5, 3, 3])
    yield "clamp", lax.clamp, (bounds[0], line, bounds[1])
    yield "select", lambda p, a, b: lax.select(p, a, b), (line > 0, line, ties)
    yield "compare", lambda a, b: lax.select(a > b, a * a, b), (line, ties)
    yield "convert", lambda a: lax.convert_element_type(lax.convert_element_type(a, H) * 3, F), (line,)
    yield "convert to integers", lambda a: a * lax.convert_element_type(lax.convert_element_type(a, np.int32), F), (line,)
    yield "parts", lambda z: lax.complex(lax.imag(z) * 2, lax.real(z) * lax.imag(z)), (z,)
    yield "two reals", lambda a, b: lax.complex(a, b) * lax.complex(b, a), (line, ties)
    yield "rounded", lambda a: a * lax.round(a * 3, lax.RoundingMethod.TO_NEAREST_EVEN), (line,)
    yield "used twice", lambda a: a * a + lax.tanh(a), (line,)
    yield "not used", lambda a, b: a * 2, (line, ties)
    yield "a power of the index", lambda a: a * lax.iota(F, 7), (line,)


def movement(rng):
    x = fill(rng, F, (3, 4))
    yield "pad", lambda x, v: lax.pad(x, v, ((1, -1, 2), (-2, 3, 0))), (x, np.float64(2))
    yield "pad of nothing", lambda x, v: lax.pad(x, v, ((1, 2, 2), (1, 1, 0))), (x[:0], np.float64(2))
    yield "reverse", lambda x: lax.rev(x, (1,)), (x,)
    yield "broadcast", lambda x: lax.broadcast_in_dim(x, (2, 3, 5, 4), (1, 3)), (x,)
    yield "reshape", lambda x: x.reshape(2, 6), (x,)
    yield "transpose", lambda x: lax.transpose(x.reshape(3, 2, 2), (1, 2, 0)), (x,)
    yield "slice", lambda x: lax.slice(x, (0, 1), (3, 4), (2, 2)), (x,)
    yield "concatenate", lambda x, y: jnp.concatenate([x, y * y, x], 1), (x, fill(rng, F, (3, 2)))
    yield "sum", lambda x: jnp.sum(x * x, axis=1), (x,)
    yield "sum of all", lambda x: jnp.sum(x), (x.astype(C),)


def convolutions(rng):
    x, w = fill(rng, F, (2, 4, 7, 6)), fill(rng, F, (6, 4, 3, 2))
    yield "convolution", lambda x, w: conv(x, w, (1, 1), "SAME"), (x, w)
    yield "strides", lambda x, w: conv(x, w, (2, 3), ((2, 1), (0, 1))), (x, w)
    yield "dilations", lambda x, w: conv(x, w, (2, 1), ((1, 0), (2, 3)), lhs_dilation=(3, 2), rhs_dilation=(2, 4)), (x, w)
    yield "crops", lambda x, w: conv(x, w, (1, 2), ((-1, 2), (1, -2))), (x, w)
    yield "groups", lambda x, w: conv(x, w, (1, 2), "SAME", feature_group_count=2), (x, w[:, :2])
    yield "batch groups", lambda x, w: conv(x, w, (2, 1), "VALID", batch_group_count=2), (x, w)
    yield "reversed", lambda x, w: conv(x, lax.rev(w, (3,)), (1, 1), ((1, 1), (0, 2))), (x, w)
    orders = lax.ConvDimensionNumbers((2, 0, 3, 1), (1, 3, 0, 2), (3, 1, 2, 0))
    yield "orders", lambda x, w: conv(x, w, (1, 1), "SAME", dimension_numbers=orders), (fill(rng, F, (4, 6, 2, 5)), fill(rng, F, (2, 3, 3, 4)))
    yield "complex", lambda x, w: conv(x, w, (2, 1), "SAME"), (fill(rng, C, (1, 2, 4, 4)), fill(rng, C, (3, 2, 2, 3)))
    wide = lambda x, w: conv(x, w, (1, 1), "VALID", preferred_element_type=H)
    yield "wide result", wide, (fill(rng, B, (1, 2, 4, 4)), fill(rng, B, (3, 2, 2, 3)))
    layer = lambda x, w, b: jnp.sum(lax.max(conv(x, w, (2, 2), "SAME") + b.reshape(1, -1, 1, 1), 0.0) ** 2, axis=(2, 3))
    yield "layer", layer, (x, w, fill(rng, F, (6,)))


def local_convolution(rng):
    f = lambda x, w: lax.conv_general_dilated_local(x, w, (2, 1), ((1, 0), (1, 1)), (2, 3))
    x, w = fill(rng, F, (2, 2, 5, 4)), fill(rng, F, (3, 12, 3, 4))
    text = ('HloModule m\nENTRY e {\n  x = %s parameter(0)\n  w = %s parameter(1)\n  ROOT y = f64[2,3,3,4] custom-call(x, w), '
            'custom_call_target="atrous.local_convolution", window={size=2x3 stride=2x1 pad=1_0x1_1}, '
            'dim_labels=bf01_oi01->bf01\n}\n' % (type_of(x), type_of(w)))
    return "unshared weights", f, [x, w], text


def fixed_cases():
    rng = random.Random(7)
    for name, f, args in [*elementwise(), *movement(rng), *convolutions(rng)]:
        yield name, f, [np.asarray(a) for a in args], jax.jit(f, keep_unused=True).lower(*args).as_text()
    yield local_convolution(rng)


# ---- random convolutions, as a function of jax and as text with edge modes and reversal

PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def random_window(rng, extent):
    mode = rng.choice(["zero"] * 3 + list(PAD_MODES))
    lo, hi = rng.randint(-1, 3), rng.randint(-1, 3)
    if mode == "reflect":
        lo, hi = min(lo, extent - 1), min(hi, extent - 1)
    dilation = rng.choice([1, 1, 2, 3]) if mode == "zero" else 1
    return dict(size=rng.randint(1, 3), stride=rng.randint(1, 3), lo=lo, hi=hi, lhs=dilation, rhs=rng.choice([1, 1, 2]),
                reversal=int(rng.random() < 0.3), mode=mode)


def order_text(roles, letters):
    labels = dict(zip(roles, letters + "".join(map(str, range(len(roles) - 2)))))
    return "".join(labels[d] for d in range(len(roles)))


def placed(roles, extents):
    return tuple(extents[roles.index(d)] for d in range(len(roles)))


def random_function(windows, roles, groups, batches):
    def function(x, w):
        lhs, rhs, _ = roles
        for d, v in enumerate(windows):
            if v["mode"] != "zero":
                amounts = [(max(v["lo"], 0), max(v["hi"], 0)) if i == lhs[2 + d] else (0, 0) for i in range(x.ndim)]
                x = jnp.pad(x, amounts, mode=PAD_MODES[v["mode"]])
        w = lax.rev(w, [rhs[2 + d] for d, v in enumerate(windows) if v["reversal"]])
        pads = [(v["lo"], v["hi"]) if v["mode"] == "zero" else (min(v["lo"], 0), min(v["hi"], 0)) for v in windows]
        return conv(x, w, [v["stride"] for v in windows], pads, lhs_dilation=[v["lhs"] for v in windows],
                    rhs_dilation=[v["rhs"] for v in windows], dimension_numbers=lax.ConvDimensionNumbers(*map(tuple, roles)),
                    feature_group_count=groups, batch_group_count=batches)

    return function


def random_text(windows, roles, groups, batches, x, w):
    fields = {"size": "%(size)d", "stride": "%(stride)d", "pad": "%(lo)d_%(hi)d", "lhs_dilate": "%(lhs)d", "rhs_dilate": "%(rhs)d",
              "rhs_reversal": "%(reversal)d"}
    attributes = ["dim_labels=%s_%s->%s" % tuple(order_text(r, l) for r, l in zip(roles, ("bf", "oi", "bf"))),
                  "feature_group_count=%d" % groups, "batch_group_count=%d" % batches]
    if windows:
        attributes.append("window={%s}" % " ".join("%s=%s" % (k, "x".join(f % v for v in windows)) for k, f in fields.items()))
        attributes.append("edge_mode=" + "x".join(v["mode"] for v in windows))
    return "HloModule m\n\nENTRY e {\n  x = %s parameter(0)\n  w = %s parameter(1)\n  ROOT y = convolution(x, w), %s\n}\n" % (
        type_of(x), type_of(w), ", ".join(attributes))


def random_case(rng, i):
    rank, dtype = rng.choice([0, 1, 1, 2, 2, 3]), C if rng.random() < 0.2 else F
    groups = rng.choice([1, 1, 2, 3])
    batches = rng.choice([1, 1, 2]) if groups == 1 else 1
    extents = [rng.randint(2, 7 if rank < 3 else 4) for _ in range(rank)]
    windows = [random_window(rng, e) for e in extents]
    c, o, n = rng.randint(1, 3), groups * batches * rng.randint(1, 3), batches * rng.randint(1, 2)
    roles = [rng.sample(range(rank + 2), rank + 2) for _ in range(3)]
    x = fill(rng, dtype, placed(roles[0], [n, groups * c] + extents))
    w = fill(rng, dtype, placed(roles[1], [o, c] + [v["size"] for v in windows]))
    text = random_text(windows, roles, groups, batches, x, w)
    return "random convolution %d" % i, random_function(windows, roles, groups, batches), [x, w], text


# ---- gradients by jax, and the tool's


def is_differentiable(array):
    return array.dtype.kind in "fcV"


def answers(function, args, rng):
    y, pull = jax.vjp(function, *args)
    cotangent = fill(rng, y.dtype, y.shape)
    return cotangent, [np.asarray(g) if is_differentiable(a) else None for a, g in zip(args, pull(jnp.asarray(cotangent)))]


def type_of(array):
    return "%s[%s]" % (NAMES[array.dtype.name], ",".join(map(str, array.shape)))


def save(path, array):
    np.save(path, array.view(np.uint16) if array.dtype == ml_dtypes.bfloat16 else array)


def call(command, text):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("%s\n%s: exit status %d\n%s%s" % (text, " ".join(command), done.returncode, done.stdout, done.stderr))


def compare(tool, name, text, args, cotangent, gradients):
    with tempfile.TemporaryDirectory() as folder:
        path = lambda name: os.path.join(folder, name)
        files = [path("a%d.npy" % i) for i in range(len(args) + 1)]
        for file, array in zip(files, args + [cotangent]):
            save(file, array)
        with open(path("m.hlo"), "w") as file:
            file.write(text)
        for i, want in enumerate(gradients):
            if want is None:
                continue
            call([tool, "gradient", "--parameter=%d" % i, path("m.hlo"), "-o", path("g.hlo")], text)
            for target in "interpreter", "cpu":
                call([tool, "run", "--target=" + target, path("g.hlo"), *files, "-o", path("r.npy")], text)
                got = np.load(path("r.npy"))
                got = got.view(want.dtype) if want.dtype == ml_dtypes.bfloat16 else got
                bound = TOLERANCE[NAMES[want.dtype.name]]
                wide = C if want.dtype.kind == "c" else F
                scale = max(1, np.max(np.abs(want.astype(wide)), initial=0))
                if got.shape != want.shape or got.dtype != want.dtype or not np.allclose(
                        got.astype(wide), want.astype(wide), rtol=0, atol=bound * scale, equal_nan=True):
                    sys.exit("%s, parameter %d on target %s differs\n%s\narguments %s\ncotangent %s\njax %s\nours %s"
                             % (name, i, target, text, args, cotangent, want, got))


def number_text(x):
    return "%s %s" % (number_text(x.real), number_text(x.imag)) if isinstance(x, complex) else repr(float(x))


def array_text(array):
    wide = array.astype(C if array.dtype.kind == "c" else F)
    numbers = [str(int(x)) if array.dtype.kind in "bi" else number_text(x.item()) for x in wide.reshape(-1)]
    return " ".join([type_of(array)] + [n.removesuffix(".0").replace(".0 ", " ") for n in numbers])


def write():
    rng = random.Random(8)
    print("written by tests/oracle/jax_gradients.py --write, which has the format")
    for name, function, args, text in fixed_cases():
        cotangent, gradients = answers(function, args, rng)
        print("case %s\n%s\nend" % (name, text.strip().replace("\n\n", "\n")))
        for array in args:
            print("arg " + array_text(array))
        print("cotangent " + array_text(cotangent))
        for i, g in enumerate(gradients):
            if g is not None:
                print("gradient %d %s" % (i, array_text(g)))


def main():
    if sys.argv[1] == "--write":
        return write()
    tool, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 60
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    rng, cases = random.Random(seed), 0
    for name, function, args, text in [*fixed_cases(), *(random_case(rng, i) for i in range(count))]:
        compare(tool, name, text, args, *answers(function, args, rng))
        cases += 1
    print("gradients of %d modules agree with jax.vjp" % cases)


main()

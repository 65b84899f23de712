#!/usr/bin/env python3
"""Writes dtype_vectors.inc: conversions between every pair of dtypes, computed without Atrous.

In: edge values of each dtype (below). Out, per value: its bytes and the bytes of its conversion to every dtype, in the order of
dtype.def, as hexadecimal text in memory order (little-endian). Needs numpy and ml_dtypes:

    python3 dtype_vectors.py > dtype_vectors.inc

Rounding is done on exact fractions against the sorted list of all values of the target, as ml_dtypes and numpy decode them,
since ml_dtypes itself goes through f32 (two roundings). Only f64 -> f32 and integers -> f64 trust numpy and Python."""

import bisect
import math
from fractions import Fraction

import ml_dtypes
import numpy as np

DTYPES = {
    "PRED": np.bool_, "S8": np.int8, "S16": np.int16, "S32": np.int32, "S64": np.int64,
    "U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64,
    "F8E4M3FN": ml_dtypes.float8_e4m3fn, "F8E5M2": ml_dtypes.float8_e5m2,
    "F16": np.float16, "BF16": ml_dtypes.bfloat16, "F32": np.float32, "F64": np.float64,
    "C64": np.complex64, "C128": np.complex128,
}
NARROW = ["F8E4M3FN", "F8E5M2", "F16", "BF16"]
INTEGERS = [name for name in DTYPES if name[0] in "SU"]


def value_list(name):
    """All finite values >= 0 of a narrow dtype by bit pattern, and one more: what overflows at half way to it."""
    bits = np.dtype(DTYPES[name]).itemsize * 8
    with np.errstate(invalid="ignore"):
        patterns = np.arange(2 ** (bits - 1), dtype=f"uint{bits}").view(DTYPES[name]).astype(np.float64)
    values = [Fraction(float(v)) for v in patterns if math.isfinite(v)]
    return values + [2 * values[-1] - values[-2]]


VALUES = {name: value_list(name) for name in NARROW}


def round_narrow(value, name):
    """The bit pattern nearest to a non-negative fraction; a tie goes to the even pattern."""
    values = VALUES[name]
    at = bisect.bisect_right(values, value)
    if at == len(values):
        return len(values) - 1
    low, high = value - values[at - 1], values[at] - value
    return at - 1 if low < high or (low == high and (at - 1) % 2 == 0) else at


def float_bytes(x, name):
    """x: a Python int or float."""
    dtype = DTYPES[name]
    if name == "F64":
        return np.float64(float(x)).tobytes()
    if name == "F32":
        with np.errstate(over="ignore"):
            return (round_integer_f32(x) if isinstance(x, int) else np.float32(x)).tobytes()
    size = np.dtype(dtype).itemsize
    negative = math.copysign(1.0, x) < 0
    if math.isnan(x) or math.isinf(x):
        pattern = len(VALUES[name]) - 1 + (math.isnan(x) and name != "F8E4M3FN")
    else:
        pattern = round_narrow(abs(Fraction(x)), name)
    return (pattern | negative << (8 * size - 1)).to_bytes(size, "little")


def round_integer_f32(x):
    """An integer rounded to 24 bits, exactly."""
    drop = max(0, abs(x).bit_length() - 24)
    kept, rest, half = abs(x) >> drop, abs(x) & ((1 << drop) - 1), (1 << drop) >> 1
    kept += drop > 0 and (rest > half or (rest == half and kept % 2 == 1))
    return np.float32(math.copysign(math.ldexp(kept, drop), x))


def convert(x, source, name):
    """x: a Python bool, int, float or complex, exactly the element's value."""
    dtype = np.dtype(DTYPES[name])
    if name == "PRED":
        return bytes([x != 0])
    if name in ("C64", "C128"):
        part = "F32" if name == "C64" else "F64"
        im = x.imag if isinstance(x, complex) else 0.0
        return float_bytes(x.real if isinstance(x, complex) else x, part) + float_bytes(im, part)
    if isinstance(x, complex):
        x = x.real
    if name in INTEGERS:
        info, size = np.iinfo(dtype), dtype.itemsize
        if isinstance(x, float):
            x = 0 if math.isnan(x) else int(max(min(x, 2.0 ** 65), -(2.0 ** 65)))
            x = max(min(x, int(info.max)), int(info.min))
        return (int(x) & (2 ** (8 * size) - 1)).to_bytes(size, "little")
    return float_bytes(int(x) if isinstance(x, bool) else x, name)


def python_value(element, name):
    if name == "PRED":
        return bool(element)
    if name in INTEGERS:
        return int(element)
    return complex(element) if name in ("C64", "C128") else float(element)


def integer_edges(name):
    info = np.iinfo(DTYPES[name])
    wanted = [0, 1, 2, -1, -2, 17, 100, 127, 128, 255, 256, 257, 259, 464, 465, -465, 500, 2049, 2051, 61439, 61440]
    wanted += [65519, 65520, -65520, 2**24 + 1, 2**24 + 3, 2**31, 2**32 - 1, 2**40 + 2**16, 2**40 + 2**16 + 1, 2**53 + 1]
    wanted += [2**53 + 3, 2**60 + 2**36, 2**60 + 2**36 + 1, 2**60 + 2**52, 2**60 + 2**52 + 1, -(2**60) - 2**52 - 1]
    wanted += [2**63 + 2**39 + 1, 2**64 - 2**10 - 1, info.min, info.max, info.max - 1]
    kept = sorted({int(v) for v in wanted if info.min <= v <= info.max})
    return [np.array(v, dtype=DTYPES[name]) for v in kept]


def narrow_edges(name):
    """Zero, the least and largest subnormals and normals, one, the values around it, infinity, NaN; both signs."""
    dtype = np.dtype(DTYPES[name])
    info = ml_dtypes.finfo(dtype)
    bits, fraction, last = 8 * dtype.itemsize, info.nmant, len(VALUES[name]) - 2
    one = int(np.array(1, dtype).view(f"uint{bits}"))
    patterns = [0, 1, 2, 2**fraction - 1, 2**fraction, 2**fraction + 1, one - 1, one, one + 1, one + 3]
    patterns += [last - 1, last, last + 1, 2 ** (bits - 1) - 1] + [one + (k << fraction) + k for k in (2, 3, 6)]
    both = [p | s << (bits - 1) for p in sorted(set(patterns)) for s in (0, 1)]
    return [np.array(p, f"uint{bits}").view(dtype) for p in both]


def wide_edges(name):
    """Ties, and their neighbours, of every narrower format; the limits of every integer."""
    wanted = [0.0, 0.5, 0.75, 1.0, 1.5, 2.5, 127.5, 128.0, 255.9, 256.0, 32768.0, 2.0**31, 2.0**32, 2.0**63, 2.0**64, 1e19,
              1e30, 3e38, 1e300, math.inf, math.nan, 2.0**-149, 2.0**-150, 2.0**-126, 2.0**-1074, 2.0**-1022,
              1.7976931348623157e308, 3.4028235677973366e38]
    for narrow in NARROW:
        values = VALUES[narrow]
        for at in (0, 1, 2 ** (ml_dtypes.finfo(DTYPES[narrow]).nmant) - 1, len(values) - 3, len(values) - 2):
            tie = float((values[at] + values[at + 1]) / 2)
            wanted += [tie, math.nextafter(tie, 0), math.nextafter(tie, math.inf)]
            wanted += [float(np.nextafter(np.float32(tie), np.float32(towards))) for towards in (0, math.inf)]
    wanted += [1 + 2.0**-24, 1 + 2.0**-24 + 2.0**-52, 1 + 2.0**-11 + 2.0**-40, 1 + 2.0**-8 + 2.0**-40, 1 + 2.0**-8,
               1 + 3 * 2.0**-8]
    with np.errstate(over="ignore"):
        elements = {np.array(s * v, DTYPES[name]).tobytes() for v in wanted for s in (1, -1)}
    return [np.frombuffer(e, DTYPES[name])[0] for e in sorted(elements)]


def complex_edges(name):
    parts = [(0, 0), (0, 3), (-0.0, -0.0), (1.5, -2.5), (math.nan, 1), (math.inf, -math.inf), (0, math.nan), (300, 1e30),
             (-1, 0), (65520, -65520), (1 + 2.0**-24, 1 + 3 * 2.0**-24), (1e300, -1e300), (2.0**-150, -(2.0**-149))]
    with np.errstate(over="ignore"):
        return [np.array(complex(re, im)).astype(DTYPES[name]) for re, im in parts]


def edges(name):
    if name == "PRED":
        return [np.array(False), np.array(True)]
    if name in INTEGERS:
        return integer_edges(name)
    if name in NARROW:
        return narrow_edges(name)
    return wide_edges(name) if name in ("F32", "F64") else complex_edges(name)


def main():
    print("/* dtype_vectors.inc - made by dtype_vectors.py: {from, bytes of a value, bytes of its conversion to every dtype of")
    print(" * dtype.def in turn}. Where both are NaN the bytes need not agree. */")
    for source in DTYPES:
        for element in edges(source):
            value = python_value(element, source)
            row = "".join(convert(value, source, target).hex() for target in DTYPES)
            print(f'{{ATR_{source}, "{element.tobytes().hex()}",')
            print(f' "{row[:100]}"\n "{row[100:]}"}},')


main()

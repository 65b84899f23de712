#!/usr/bin/env python3
"""Prints the numbers of src/codegen/llvm_math.c: ln 2 in two parts and the polynomials of exp.

In: nothing. Out: C initialisers, the same on every run. Any Python with mpmath:

    python scripts/make-math-coefficients.py

For |r| <= ln(2)/2,

    exp(r) - 1 = r + r^2 / 2 + r^3 p(r)

where p is the polynomial with the smallest largest relative error of the whole right side, by Remez's exchange algorithm. Only
then are its coefficients rounded to the type; what that adds is in the error that is printed, with log2 of it, above each list.
"""

from mpmath import mp, mpf

mp.dps = 60
LIMIT = mp.log(2) / 2 * mpf("1.0001")  # rounding may choose the next multiple of ln 2 when two are equally near
SAMPLES = [LIMIT * mpf(i) / 1001 for i in range(-1001, 1002, 2)]  # without 0, where everything is exact


def rounded(value, bits):
    """The nearest number with `bits` significant bits."""
    with mp.workprec(bits):
        return +value


def target(r):
    return (mp.expm1(r) - r - r**2 / 2) / r**3


def weight(r):
    return abs(r**3 / mp.expm1(r))


def error_at(r, p):
    return weight(r) * (target(r) - mp.polyval(p[::-1], r))


def interpolate(points):
    """The polynomial whose error at the points is of one size, with alternating signs."""
    n = len(points)
    rows, right = mp.matrix(n, n), mp.matrix(n, 1)
    for i, r in enumerate(points):
        for k in range(n - 1):
            rows[i, k] = r**k
        rows[i, n - 1] = (-1) ** i / weight(r)
        right[i] = target(r)
    return list(mp.lu_solve(rows, right))[: n - 1]


def extrema(p, count):
    """Where the error is largest between two changes of its sign."""
    best = []
    for r in SAMPLES:
        e = error_at(r, p)
        if best and (e > 0) == (best[-1][1] > 0):
            best[-1] = max(best[-1], (r, e), key=lambda point: abs(point[1]))
        else:
            best.append((r, e))
    while len(best) > count:
        best.pop(0 if abs(best[0][1]) < abs(best[-1][1]) else -1)
    return [r for r, _ in best]


def minimax(degree):
    points = [-LIMIT * mp.cos(mp.pi * (i + mpf("0.45")) / (degree + 2)) for i in range(degree + 2)]  # none of them 0
    for _ in range(6):
        p = interpolate(points)
        points = extrema(p, degree + 2)
    return p


def show_polynomial(name, degree, bits):
    p = [rounded(c, bits) for c in minimax(degree)]
    error = max(abs(error_at(r, p)) for r in SAMPLES)
    print(f"/* {name}: 2^{mp.nstr(mp.log(error, 2), 3)} */")
    print("{" + ", ".join(float(c).hex() for c in p) + "}")


def show_logarithm(name, bits, index_bits):
    high = rounded(mp.log(2), bits - index_bits)
    low = rounded(mp.log(2) - high, bits)
    print(f"/* {name}: ln 2 = high + low, and n * high is exact for |n| < 2^{index_bits} */")
    print(f"{float(high).hex()}, {float(low).hex()}")


show_logarithm("f32", 24, 8)
show_logarithm("f64", 53, 11)
show_polynomial("f32", 4, 24)
show_polynomial("f64", 9, 53)

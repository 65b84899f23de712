#!/usr/bin/env python3
"""Prints the numbers of src/codegen/llvm_math.c and llvm_math_complex.c: constants in parts, and polynomials.

In: nothing. Out: C initialisers, the same on every run. Any Python with mpmath:

    python scripts/make-math-coefficients.py

For |r| <= ln(2)/2, and for |r| <= pi/4 with z = r^2,

    exp(r) - 1 = r + r^2 / 2 + r^3 p(r)
    sin(r) = r + r z p(z)               cos(r) = 1 - z / 2 + z^2 p(z)

where p is the polynomial with the smallest largest relative error of the whole right side, by Remez's exchange algorithm. Only
then are its coefficients rounded to the type; what that adds is in the error that is printed, with log2 of it, above each list.
"""

from collections import namedtuple

from mpmath import mp, mpf

mp.dps = 60
SLACK = mpf("1.0001")  # rounding may choose the next multiple when two are equally near

# p is to be target(x) for low <= x <= high; errors count times weight(x).
Problem = namedtuple("Problem", "low high target weight")

HALF_LN2 = mp.log(2) / 2 * SLACK
EXP = Problem(-HALF_LN2, HALF_LN2, lambda r: (mp.expm1(r) - r - r**2 / 2) / r**3, lambda r: abs(r**3 / mp.expm1(r)))
QUARTER_PI_SQUARED = (mp.pi / 4 * SLACK) ** 2
SIN = Problem(0, QUARTER_PI_SQUARED, lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
              lambda z: z * mp.sqrt(z) / mp.sin(mp.sqrt(z)))
COS = Problem(0, QUARTER_PI_SQUARED, lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, lambda z: z**2 / mp.cos(mp.sqrt(z)))


def rounded(value, bits):
    """The nearest number with `bits` significant bits."""
    with mp.workprec(bits):
        return +value


def place(problem, t):
    """-1 is the low end, 1 the high one."""
    return (problem.low + problem.high) / 2 + (problem.high - problem.low) / 2 * t


def samples_of(problem):
    """Neither end, and not 0, where everything is exact."""
    return [place(problem, mpf(i) / 1001) for i in range(-1001, 1002, 2) if place(problem, mpf(i) / 1001) != 0]


def error_at(problem, x, p):
    return problem.weight(x) * (problem.target(x) - mp.polyval(p[::-1], x))


def interpolate(problem, points):
    """The polynomial whose error at the points is of one size, with alternating signs."""
    n = len(points)
    rows, right = mp.matrix(n, n), mp.matrix(n, 1)
    for i, x in enumerate(points):
        for k in range(n - 1):
            rows[i, k] = x**k
        rows[i, n - 1] = (-1) ** i / problem.weight(x)
        right[i] = problem.target(x)
    return list(mp.lu_solve(rows, right))[: n - 1]


def extrema(problem, p, count):
    """Where the error is largest between two changes of its sign."""
    best = []
    for x in samples_of(problem):
        e = error_at(problem, x, p)
        if best and (e > 0) == (best[-1][1] > 0):
            best[-1] = max(best[-1], (x, e), key=lambda point: abs(point[1]))
        else:
            best.append((x, e))
    while len(best) > count:
        best.pop(0 if abs(best[0][1]) < abs(best[-1][1]) else -1)
    return [x for x, _ in best]


def minimax(problem, degree):
    turns = [mp.pi * (i + mpf("0.45")) / (degree + 2) for i in range(degree + 2)]
    points = [place(problem, -mp.cos(turn)) for turn in turns]  # none of them 0
    for _ in range(6):
        p = interpolate(problem, points)
        points = extrema(problem, p, degree + 2)
    return p


def show_polynomial(name, problem, degree, bits):
    p = [rounded(c, bits) for c in minimax(problem, degree)]
    error = max(abs(error_at(problem, x, p)) for x in samples_of(problem))
    print(f"/* {name}: 2^{mp.nstr(mp.log(error, 2), 3)} */")
    print("{" + ", ".join(float(c).hex() for c in p) + "}")


def show_parts(name, value, high_bits, bits):
    """value = high + low with `high_bits` bits in high."""
    high = rounded(value, high_bits)
    low = rounded(value - high, bits)
    print(f"/* {name} = high + low; high has {high_bits} bits */")
    print(f"{float(high).hex()}, {float(low).hex()}")


def show_bits(name, value, count):
    """The first bits behind the binary point, 32 to a word."""
    bits = int(mp.floor(value * mpf(2) ** (32 * count)))
    words = [f"0x{bits >> 32 * (count - 1 - i) & 0xffffffff:08x}" for i in range(count)]
    print(f"/* {name} */")
    print("{" + ", ".join(words) + "}")


show_parts("f32: ln 2", mp.log(2), 24 - 8, 24)  # n * high is exact for |n| < 2^8
show_parts("f64: ln 2", mp.log(2), 53 - 11, 53)
show_polynomial("exp f32", EXP, 4, 24)
show_polynomial("exp f64", EXP, 9, 53)
show_polynomial("sin f64", SIN, 5, 53)
show_polynomial("cos f64", COS, 5, 53)
show_parts("f64: pi / 2", mp.pi / 2, 53 - 26, 53)  # times a number of 26 bits is exact
mp.dps = 400
show_bits("2 / pi", 2 / mp.pi, 37)

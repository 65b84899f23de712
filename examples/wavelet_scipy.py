"""wavelet_scipy.py - the transform of wavelet.c with SciPy, for comparison.

    python wavelet_scipy.py OUTDIR        after: wavelet IN.png OUTDIR --npy

Reads the photograph, computes the five planes and the residual, prints how long that takes and how far the results are from
those that wavelet.c left in OUTDIR (exit status 1 if more than 1e-5), and computes the planes a second time by rows and
columns: the B3 spline is separable, which wavelet.c does not make use of, and that is how one would write it with SciPy.
mode="mirror" is what Atrous calls reflect. Times are the least of five."""

import sys
import time

import numpy as np
from scipy import ndimage

PLANES = 5
SPLINE = np.array([1, 4, 6, 4, 1], np.float32) / 16


def with_holes(taps, rate):
    dilated = np.zeros(4 * rate + 1, np.float32)
    dilated[::rate] = taps
    return dilated


def smooth_2d(picture, rate):
    """25 taps at once; ndimage skips the zeros between them."""
    row = with_holes(SPLINE, rate)
    return ndimage.correlate(picture, np.outer(row, row)[None, None], mode="mirror")


def smooth_separable(picture, rate):
    row = with_holes(SPLINE, rate)
    return ndimage.correlate1d(ndimage.correlate1d(picture, row, 2, mode="mirror"), row, 3, mode="mirror")


def transform(picture, smooth):
    results = []
    for level in range(PLANES):
        coarse = smooth(picture, 2**level)
        results.append(picture - coarse)
        picture = coarse
    return results + [picture]


def least_time(function):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    folder = sys.argv[1]
    names = [f"plane-{level + 1}" for level in range(PLANES)] + ["residual"]
    photograph = np.load(f"{folder}/photograph.npy")
    theirs = transform(photograph, smooth_2d)
    difference = max(np.abs(np.load(f"{folder}/{name}.npy") - result).max() for name, result in zip(names, theirs))
    whole, separable = (1e3 * least_time(lambda: transform(photograph, smooth)) for smooth in (smooth_2d, smooth_separable))
    print(f"scipy        {whole:9.3f} ms   the same 25 taps, no thresholds; planes and residual differ by {difference:.2g}")
    print(f"scipy        {separable:9.3f} ms   by rows and columns, 10 taps")
    return 0 if difference <= 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())

"""Compares imported operators with the systems that they come from, on random calls.

    crosscheck.py --seed=1 --count=2000 [--system=jax,onnx,torch,mxnet,megengine] [--only=17] [--grad]

In: the library (--library, by default that of build/) and the tool (--tool). Every call is made of random attributes, shapes
and dtypes and random values. It is run by the system itself, or for MXNet and MegEngine, which do not install, by
reference.py; and by atr_import, atr_compile and atr_executable_run. Now and then the tool does the same (`atrousc import`,
`atrousc run`) and must give the same bits. With --grad the gradient modules are compared with the systems' gradients, for
each array and a random cotangent, and `atrousc import --grad` now and then with the library's text.

Integers must be equal. Floating-point results may differ by the rounding of sums: 4 sqrt(n) + 4 units in the last place of
the accumulator and 4 of the result (torch rounds the partial sums of transposed convolutions), of the sum of absolute
products, which the system computes from the arrays' absolute values.

Out: exit status 1 with each wrong call, spelled so that it can be repeated; 77 when no system could be compared with. A system
that refuses a call, or whose Python module is missing, is counted; --verbose lists the calls that only Atrous takes.
"""

import argparse
import collections
import importlib
import os
import shlex
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np

from calls import DTYPES, Draw
from library import Atrous, Refused

SYSTEMS = ["jax", "onnx", "torch", "mxnet", "megengine"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The last place of a result, and of the sum behind it.
LAST = {"f16": 2.0**-11, "bf16": 2.0**-8, "f32": 2.0**-24, "f64": 2.0**-53, "c64": 2.0**-24, "c128": 2.0**-53}
TOOL_EVERY = 16


class Wrong(Exception):
    """What is wrong with an answer of Atrous."""


# ---- comparing


def magnitudes(arrays):
    return [np.abs(a).astype(a.dtype) for a in arrays]


def is_float(dtype):
    return dtype in [DTYPES[name] for name in LAST]


def tolerance(dtype, bound, terms):
    """bound: the sum of absolute products; terms: how many there may be."""
    unit = next(u for name, u in LAST.items() if DTYPES[name] == dtype)
    return np.abs(bound).astype(np.float64) * ((4 * terms**0.5 + 4) * min(unit, 2.0**-24) + 4 * unit)


def compare(name, got, want, bound=None, terms=1, near=False):
    if got.dtype != want.dtype or got.shape != want.shape:
        raise Wrong("%s is %s%s, not %s%s" % (name, got.dtype, list(got.shape), want.dtype, list(want.shape)))
    if is_float(want.dtype):
        wide = np.complex128 if want.dtype.kind == "c" else np.float64
        difference, allowed = np.abs(got.astype(wide) - want.astype(wide)), tolerance(want.dtype, bound, terms)
    else:
        difference = np.abs(got.astype(object) - want.astype(object)) if want.dtype.kind != "b" else got ^ want
        rare = near and np.count_nonzero(difference) <= 1 + want.size // 50
        allowed = np.full(want.shape, 1 if rare else 0)
    bad = ~(difference <= allowed)
    if bad.any():
        at = tuple(map(int, np.argwhere(bad)[0]))
        raise Wrong(
            "%s differs in %d of %d elements, first at %s: %s, not %s (within %s)"
            % (name, np.count_nonzero(bad), bad.size, list(at), got[at], want[at], allowed[at])
        )


# ---- one call


def blame(module, arrays, check):
    """Whether a wrong result is the compiler's or the import's."""
    try:
        check(module.interpret(arrays)[0])
    except (Wrong, Refused):
        return "the interpreter is wrong too"
    return "the interpreter is right"


def compare_module(module, arrays, check):
    """check(result) raises Wrong."""
    try:
        (got,) = module.run(arrays)
    except Refused as error:
        raise Wrong("refused: %s" % error)
    try:
        check(got)
    except Wrong as error:
        raise Wrong("%s; %s" % (error, blame(module, arrays, check)))
    return got


class Crosscheck:
    def __init__(self, atrous, tool, gradients):
        self.atrous, self.tool, self.gradients = atrous, tool, gradients
        self.lenient = []  # calls that only Atrous takes

    def check(self, call, index):
        """Returns whether the system took the call; raises Wrong."""
        try:
            want = call.forward(call.arrays)
            cotangent = Draw(repr(call.pairs)).numpy.standard_normal(want.shape).astype(want.dtype)
            found = call.pull(call.arrays, cotangent) if self.gradients else []
        except Exception as error:  # the system's own refusal, of whatever class
            return self.check_refused(call, error)
        try:
            module = self.atrous.import_call(call.operator, call.pairs)
        except Refused as error:
            raise Wrong("refused: %s" % error)
        by_tool = self.tool and index % TOOL_EVERY == 0
        if self.gradients:
            self.check_gradients(call, module, cotangent, found, by_tool)
        else:
            self.check_result(call, module, want, by_tool)
        return True

    def check_result(self, call, module, want, by_tool):
        terms = max(a.size for a in call.arrays) + 1
        bound = call.forward(magnitudes(call.arrays)) if is_float(want.dtype) else None
        got = compare_module(module, call.arrays, lambda result: compare("the result", result, want, bound, terms, call.near))
        if by_tool:
            self.check_tool(call, got)

    def check_refused(self, call, error):
        """The system's refusal is no test, but calls that only one side takes are worth knowing."""
        try:
            self.atrous.import_call(call.operator, call.pairs)
        except Refused:
            return False
        self.lenient.append((call, str(error).strip().split("\n")[0]))
        return False

    def check_gradients(self, call, module, cotangent, found, by_tool):
        bounds = call.pull(magnitudes(call.arrays), np.abs(cotangent))
        terms = max(a.size for a in call.arrays + [cotangent]) + 1
        for i, (gradient, bound) in enumerate(zip(found, bounds)):
            name = "the gradient by array %d" % i
            try:
                pulled = module.gradient(i)
            except Refused as error:
                raise Wrong("%s is refused: %s" % (name, error))
            compare_module(pulled, call.arrays + [cotangent], lambda result: compare(name, result, gradient, bound, terms))
            if by_tool and self.import_by_tool(call, "--grad=" + module.parameter_name(i)) != pulled.text():
                raise Wrong("the tool prints another module of %s than the library" % name)

    def import_by_tool(self, call, *options):
        imported = subprocess.run([self.tool, "import", call.operator, *call.pairs, *options], capture_output=True, text=True)
        if imported.returncode != 0:
            raise Wrong("the tool refuses it: %s" % imported.stderr)
        return imported.stdout

    def check_tool(self, call, want):
        """The tool gives the library's bits."""
        with tempfile.TemporaryDirectory() as folder:
            path = lambda name: os.path.join(folder, name)
            with open(path("m.hlo"), "w") as file:
                file.write(self.import_by_tool(call))
            command = [self.tool, "run", path("m.hlo"), "-o", path("r.npy")]
            for i, array in enumerate(call.arrays):
                np.save(path("%d.npy" % i), array.view(np.uint16) if array.dtype == DTYPES["bf16"] else array)
                command.append(path("%d.npy" % i))
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise Wrong("the printed module does not run: %s" % done.stderr)
            if np.load(path("r.npy")).tobytes() != want.tobytes():
                raise Wrong("the tool's result has other bits than the library's")


# ---- all of them


def load_systems(names):
    systems = {}
    for name in names:
        try:
            systems[name] = importlib.import_module(name + "_calls")
        except ImportError as error:
            print("skipped: %s is not installed" % (error.name or error))
    return systems


def quoted(word):
    return '"%s"' % word if "'" in word else shlex.quote(word)


def report(options, system, index, call, error):
    print("\nWRONG call %d of %s, seed %s: %s" % (index, system, options.seed, error))
    if call is not None:
        print("  atrousc import %s %s" % (call.operator, " ".join(map(quoted, call.pairs))))
    extra = " --grad" if options.grad else ""
    print(
        "  tests/operators/crosscheck.py --system=%s --seed=%s --only=%d%s" % (system, options.seed, index, extra), flush=True
    )


def check_one(crosscheck, options, name, system, index, counts):
    call = None
    try:
        call = system.draw(Draw("%s/%s/%d" % (options.seed, name, index), options.grad))
        if options.verbose:
            print(index, call.operator, *call.pairs, flush=True)
        took = crosscheck.check(call, index)
        counts[call.operator if took else "refused by " + name] += 1
    except Wrong as error:
        report(options, name, index, call, error)
        counts["wrong"] += 1


def print_lenient(calls):
    """For a person to judge: a system may refuse what its documents allow."""
    for call, error in calls:
        print("taken by Atrous alone: atrousc import %s %s\n  %s" % (call.operator, " ".join(map(quoted, call.pairs)), error))


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", default="1")
    parser.add_argument("--count", type=int, default=150, help="calls, shared out among the systems")
    parser.add_argument("--system", default=",".join(SYSTEMS))
    parser.add_argument("--only", type=int, help="this one call of each system")
    parser.add_argument("--grad", action="store_true", help="gradients instead of results")
    parser.add_argument("--library", default=os.path.join(ROOT, "build/.libs/libatrous.so"))
    parser.add_argument("--tool", default=os.path.join(ROOT, "build/atrousc"))
    parser.add_argument(
        "--verbose", action="store_true", help="print each call before it is made, and those that only Atrous takes"
    )
    parser.add_argument("--failures", type=int, default=20, help="stop after so many")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    warnings.filterwarnings("ignore")
    np.seterr(all="ignore")
    systems = load_systems(options.system.split(","))
    if not systems:
        return 77
    crosscheck = Crosscheck(Atrous(options.library), options.tool if os.path.exists(options.tool) else None, options.grad)
    each = -(-options.count // len(systems))
    indices = [options.only] if options.only is not None else range(each)
    wrong = 0
    for name, system in systems.items():
        counts, start = collections.Counter(), time.monotonic()
        for index in indices:
            check_one(crosscheck, options, name, system, index, counts)
            if counts["wrong"] >= options.failures:
                break
        sums = ", ".join("%d %s" % (n, what) for what, n in sorted(counts.items()))
        print("%s: %s (%.0f s)" % (name, sums, time.monotonic() - start), flush=True)
        wrong += counts["wrong"]
    if options.verbose:
        print_lenient(crosscheck.lenient)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

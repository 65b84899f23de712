"""XLA:CPU as a contender of the benchmark, through jax (worker.py has the protocol).

The convolution is jitted as jax.lax has it; both operands are arguments, as in every JAX program. A reversed window is turned
around beforehand, outside the timing. Python's call is in the timing: some microseconds."""

import time

import jax
import numpy
from jax import lax

from worker import Refused, fill, serve


class Xla:
    data_ns = 0

    def drop(self):
        self.compiled = self.operands = self.result = None

    def version(self):
        return jax.__version__

    def prepare(self, p):
        start = time.perf_counter_ns()
        x, w = fill(p["lhs"], 0), fill(p["rhs"], 1)
        spatial = [str(d) for d in range(len(p["stride"]))]
        labels = p["lhs"]["labels"], p["rhs"]["labels"], p["out"]["labels"]
        flip = [labels[1].index(d) for d in spatial if p["reversal"][int(d)]]
        w = numpy.ascontiguousarray(numpy.flip(w, flip)) if flip else w
        cpu = jax.devices("cpu")[0]
        self.operands = jax.block_until_ready((jax.device_put(x, cpu), jax.device_put(w, cpu)))
        self.data_ns = time.perf_counter_ns() - start
        padding = list(zip(p["lo"], p["hi"]))
        place = lambda text, first: tuple(text.index(c) for c in first + "".join(spatial))
        numbers = lax.ConvDimensionNumbers(place(labels[0], "bf"), place(labels[1], "oi"), place(labels[2], "bf"))
        if p["op"] == "local":
            if flip:
                raise Refused("a reversed window over unshared weights")
            layer = lambda x, w: lax.conv_general_dilated_local(
                x, w, p["stride"], padding, p["filter"], p["ld"], p["rd"], numbers
            )
        else:
            layer = lambda x, w: lax.conv_general_dilated(
                x,
                self.regrouped(w, p),
                p["stride"],
                padding,
                p["ld"],
                p["rd"],
                numbers,
                p["groups"],
                p["batch_groups"],
                preferred_element_type=p["out_type"],
            )
        self.compiled = jax.jit(layer).lower(*self.operands).compile()
        return ""

    def regrouped(self, w, p):
        """The lhs gradient of a grouped layer wants each group's input and output features changed about."""
        if not p["regroup"]:
            return w
        labels, groups = p["rhs"]["labels"], p["groups"]
        o, i = labels.index("o"), labels.index("i")
        split = w.reshape(w.shape[:o] + (groups, w.shape[o] // groups) + w.shape[o + 1 :])
        at = i if i < o else i + 1
        swapped = split.swapaxes(o + 1, at)
        return swapped.reshape(swapped.shape[:o] + (-1,) + swapped.shape[o + 2 :])

    def run(self):
        self.result = self.compiled(*self.operands)
        self.result.block_until_ready()

    def output(self):
        return numpy.ascontiguousarray(numpy.asarray(self.result))


jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")
serve(Xla())

"""What the Python workers of the benchmark share: the line protocol of worker.h and its data, in numpy.

A worker module makes a class with prepare(problem) (a context in which contenders are made; returns what to add to the
reply), run() and output() (the result as a numpy array in the problem's order of memory), and calls serve(). A problem is
what problems.py's Problem.describe() gives. Raise Refused for what the contender cannot do; any other exception from
prepare() is a refusal too, with its first line as the reason."""

import json
import os
import sys
import time

import ml_dtypes
import numpy

DTYPES = {
    "f32": numpy.float32,
    "f64": numpy.float64,
    "f16": numpy.float16,
    "bf16": ml_dtypes.bfloat16,
    "c64": numpy.complex64,
    "s8": numpy.int8,
    "u8": numpy.uint8,
    "s32": numpy.int32,
}


class Refused(Exception):
    pass


def fill(array, number):
    """worker_fill of worker.c: element i of array `number`."""
    count = int(numpy.prod(array["dims"])) * (2 if array["dtype"] == "c64" else 1)
    index = numpy.arange(count, dtype=numpy.uint32) + numpy.uint32(number * 0x10001)
    value = ((index * numpy.uint32(2654435761)) >> numpy.uint32(16)) % numpy.uint32(17)
    dtype = DTYPES[array["dtype"]]
    if array["dtype"] == "c64":
        data = ((value.astype(numpy.float32) - 8) / 8).view(numpy.complex64)
    elif array["dtype"] == "u8":
        data = value.astype(dtype)
    elif numpy.issubdtype(dtype, numpy.integer):
        data = ((value.astype(numpy.int32) - 8) * (2 if array["dtype"] == "s8" else 1)).astype(dtype)
    else:
        data = ((value.astype(numpy.float32) - 8) / 8).astype(dtype)
    return data.reshape(array["dims"])


def ordered(data, labels, wanted):
    """The array with its dimensions in the order of `wanted`, packed in memory."""
    return numpy.ascontiguousarray(numpy.transpose(data, [labels.index(c) for c in wanted]))


class FrontLayout:
    pass


def front_layout(p):
    """The problem for libraries whose arrays have batch and channels first, with an operator for plain and one for transposed
    convolution: operands x and w, labels of the result, and the operator's attributes."""
    if p["op"] == "local" or p["batch_groups"] > 1:
        raise Refused("no unshared weights, no batch groups")
    n = range(len(p["stride"]))
    spatial = "".join(str(d) for d in n)
    c = FrontLayout()
    c.labels, c.groups, c.dilation = "bf" + spatial, p["groups"], p["rd"]
    c.x = ordered(fill(p["lhs"], 0), p["lhs"]["labels"], "bf" + spatial)
    w = ordered(fill(p["rhs"], 1), p["rhs"]["labels"], "oi" + spatial)
    c.transposed = any(l > 1 for l in p["ld"]) or bool(p["regroup"])
    if not c.transposed:
        w = numpy.flip(w, [d + 2 for d in n if p["reversal"][d]])
        c.stride, c.pads_begin, c.pads_end, c.output_padding = p["stride"], p["lo"], p["hi"], []
    else:
        if any(s > 1 for s in p["stride"]):
            raise Refused("no transposed convolution with strides of its own")
        w = numpy.flip(w, [d + 2 for d in n if not p["reversal"][d]])
        if not p["regroup"]:  # [(g o) i ...] -> [(g i) o ...]
            split = w.reshape((c.groups, w.shape[0] // c.groups) + w.shape[1:]).swapaxes(1, 2)
            w = split.reshape((-1,) + split.shape[2:])
        reach = [(p["window"][d] - 1) * p["rd"][d] for d in n]
        hi = [reach[d] - p["hi"][d] for d in n]
        c.stride, c.pads_begin = p["ld"], [reach[d] - p["lo"][d] for d in n]
        c.pads_end, c.output_padding = [max(h, 0) for h in hi], [max(-h, 0) for h in hi]
    if min(c.pads_begin + c.pads_end) < 0:
        raise Refused("no negative padding")
    c.w = numpy.ascontiguousarray(w)
    return c


def first_line(error):
    text = str(error).strip() or type(error).__name__
    return " ".join(text.split("\n")[0].split())[:300]


class Server:
    def __init__(self, contender):
        self.contender = contender

    def answer(self, line):
        word, _, rest = line.partition(" ")
        if word == "prepare":
            self.contender.drop()
            try:
                problem = json.loads(rest)
                start = time.perf_counter_ns()
                more = self.contender.prepare(problem)
                made = time.perf_counter_ns()
                self.contender.run()
                end = time.perf_counter_ns()
            except Exception as error:  # whatever a library throws at a problem is its refusal
                return "refused " + first_line(error)
            return f"ok create_ns={made - start - self.contender.data_ns} first_ns={end - made}{more}"
        if word == "run":
            times = []
            self.contender.run()
            begin = end = time.perf_counter_ns()
            while not times or end - begin < int(rest):
                start = time.perf_counter_ns()
                self.contender.run()
                end = time.perf_counter_ns()
                times.append(end - start)
            times.sort()
            return f"ok min_ns={times[0]} median_ns={times[(len(times) - 1) // 2]} runs={len(times)}"
        if word == "output":
            data = self.contender.output()
            data.tofile(rest)
            return f"ok bytes={data.nbytes}"
        if word == "drop":
            self.contender.drop()
            return "ok"
        if word == "version":
            return f"ok version={self.contender.version()}"
        return "error unknown request"


def serve(contender):
    """Answers requests until quit or the end of stdin. What libraries print goes to stderr."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = Server(contender)
    for line in sys.stdin:
        line = line.rstrip("\n")
        if line == "quit":
            break
        replies.write(server.answer(line) + "\n")
        replies.flush()

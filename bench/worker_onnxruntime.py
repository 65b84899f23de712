"""ONNX Runtime (its CPU provider, MLAS) as a contender of the benchmark (worker.py has the protocol).

ONNX has convolutions with batch and channels in front only: whatever the row's layout, the operands are laid out so
beforehand, and the result back afterwards, outside the timing. Weights are an initializer, which MLAS may pack once. The
model is one node, written here as the few protobuf fields that it needs."""

import os
import time

import onnxruntime

from worker import Refused, front_layout, ordered, serve

# onnx.TensorProto.DataType
TYPES = {"f32": 1, "u8": 2, "s8": 3, "s32": 6, "f16": 10, "f64": 11}

# ---- protobuf: numbers are varints with wire type 0, everything else bytes with wire type 2


def varint(value):
    out = b""
    value &= (1 << 64) - 1
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def attribute(name, values):
    if isinstance(values, int):
        return field(1, name) + field(3, values) + field(20, 2)
    return field(1, name) + b"".join(field(8, v) for v in values) + field(20, 7)


def value_info(name, dtype, dims):
    shape = b"".join(field(1, field(1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, TYPES[dtype]) + field(2, shape)))


def tensor(name, dtype, data):
    return b"".join(field(1, d) for d in data.shape) + field(2, TYPES[dtype]) + field(8, name) + field(9, data.tobytes())


def model(op, attributes, inputs, initializers, output):
    node = field(1, "x") + field(1, "w") + field(2, "y") + field(4, op)
    node += b"".join(field(5, attribute(k, v)) for k, v in attributes.items())
    graph = field(1, node) + field(2, "g") + b"".join(field(5, i) for i in initializers)
    graph += b"".join(field(11, i) for i in inputs) + field(12, output)
    return field(1, 8) + field(7, graph) + field(8, field(2, 17))


# ---- the contender


class OnnxRuntime:
    data_ns = 0

    def drop(self):
        self.session = self.feed = self.result = self.labels = None

    def version(self):
        return onnxruntime.__version__

    def prepare(self, p):
        for a in ("lhs", "rhs", "out"):
            if p[a]["dtype"] not in TYPES:
                raise Refused(f"ONNX Runtime has no {p[a]['dtype']} convolution")
        integer = p["lhs"]["dtype"] in ("s8", "u8")
        start = time.perf_counter_ns()
        c = front_layout(p)
        self.data_ns = time.perf_counter_ns() - start
        if c.transposed and integer:
            raise Refused("ONNX has no transposed convolution of integers")
        op = "ConvTranspose" if c.transposed else "ConvInteger" if integer else "Conv"
        attributes = {
            "strides": c.stride,
            "dilations": c.dilation,
            "pads": c.pads_begin + c.pads_end,
            "group": c.groups,
            "kernel_shape": list(c.w.shape[2:]),
        }
        if c.transposed:
            attributes["output_padding"] = c.output_padding
        self.labels, dims = (c.labels, p["out"]["labels"]), dict(zip(p["out"]["labels"], p["out"]["dims"]))
        inputs, initializers, self.feed = [value_info("x", p["lhs"]["dtype"], c.x.shape)], [], {"x": c.x}
        if p["constant"] & 2:
            initializers.append(tensor("w", p["rhs"]["dtype"], c.w))
        else:
            inputs.append(value_info("w", p["rhs"]["dtype"], c.w.shape))
            self.feed["w"] = c.w
        text = model(
            op, attributes, inputs, initializers, value_info("y", p["out"]["dtype"], [dims[c] for c in self.labels[0]])
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry(
            "session.force_spinning_stop", "1"
        )  # idle threads leave the cores to the other contenders
        self.session = onnxruntime.InferenceSession(text, options, providers=["CPUExecutionProvider"])
        return f" implementation={op}"

    def run(self):
        self.result = self.session.run(None, self.feed)[0]

    def output(self):
        return ordered(self.result, self.labels[0], self.labels[1])


serve(OnnxRuntime())

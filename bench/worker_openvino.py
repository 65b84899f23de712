"""OpenVINO (its CPU plug-in) as a contender of the benchmark (worker.py has the protocol).

As ONNX Runtime's worker: batch and channels come first whatever the row's layout, weights are a constant. f32 stays f32."""

import os
import time

import numpy
import openvino
from openvino import opset13 as ops

from worker import Refused, front_layout, ordered, serve

TYPES = {"f32": openvino.Type.f32, "f64": openvino.Type.f64, "f16": openvino.Type.f16}


class OpenVino:
    data_ns = 0

    def __init__(self):
        self.core = openvino.Core()
        self.drop()

    def drop(self):
        self.request = self.labels = self.operands = None

    def version(self):
        return openvino.__version__.split("-")[0]

    def prepare(self, p):
        if p["lhs"]["dtype"] not in TYPES or p["rhs"]["dtype"] not in TYPES:
            raise Refused(f"OpenVINO's convolution of {p['lhs']['dtype']} wants a quantized network around it")
        start = time.perf_counter_ns()
        c = self.operands = front_layout(p)
        self.data_ns = time.perf_counter_ns() - start
        self.labels = c.labels, p["out"]["labels"]
        x = ops.parameter(c.x.shape, TYPES[p["lhs"]["dtype"]], "x")
        inputs = [x]
        weights = self.grouped(c.w, c.groups)
        if p["constant"] & 2:
            w = ops.constant(weights)
        else:
            w = ops.parameter(weights.shape, TYPES[p["rhs"]["dtype"]], "w")
            inputs.append(w)
        if c.transposed:
            op = ops.group_convolution_backprop_data if c.groups > 1 else ops.convolution_backprop_data
            y = op(x, w, c.stride, None, c.pads_begin, c.pads_end, c.dilation, "explicit", c.output_padding)
        else:
            op = ops.group_convolution if c.groups > 1 else ops.convolution
            y = op(x, w, c.stride, c.pads_begin, c.pads_end, c.dilation)
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": len(os.sched_getaffinity(0)),
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        compiled = self.core.compile_model(openvino.Model([y], inputs), "CPU", settings)
        self.request = compiled.create_infer_request()
        self.request.set_input_tensor(0, openvino.Tensor(c.x, shared_memory=True))
        if len(inputs) > 1:
            self.request.set_input_tensor(1, openvino.Tensor(weights, shared_memory=True))
        return f" implementation={y.get_type_name()}"

    def grouped(self, w, groups):
        """[(g o) i ...] as [g o i ...]; the same for transposed weights, which have o and i changed about."""
        return w if groups == 1 else numpy.ascontiguousarray(w.reshape((groups, w.shape[0] // groups) + w.shape[1:]))

    def run(self):
        self.request.infer()

    def output(self):
        return ordered(self.request.get_output_tensor(0).data, self.labels[0], self.labels[1])


serve(OpenVino())

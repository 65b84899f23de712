"""libatrous by ctypes: calls of operators in, results of compiled code out.

atrous = Atrous("build/.libs/libatrous.so")
module = atrous.import_call("torch.Conv1d", ["input=f32[1,2,9]", "in_channels=2", "out_channels=3", "kernel_size=3"])
results = module.run([x, w, b])
"""

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_int8, c_int32, c_int64, c_size_t, c_void_p

import numpy as np

from calls import DTYPES, NAMES

MAX_RANK = 12
# ORDER dtype: include/atrous/atrous.h
ORDER = "pred s8 s16 s32 s64 u8 u16 u32 u64 f8e4m3fn f8e5m2 f16 bf16 f32 f64 c64 c128".split()


class Refused(Exception):
    """A status that is not ATR_OK, with the message."""


class Shape(ctypes.Structure):
    _fields_ = [("dtype", c_int), ("rank", c_int32), ("dims", c_int64 * MAX_RANK), ("minor_to_major", c_int8 * MAX_RANK)]

    def of_numpy(self):
        return DTYPES[ORDER[self.dtype - 1]], tuple(self.dims[: self.rank])


class ContextOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("realloc", c_void_p),
        ("realloc_user", c_void_p),
        ("host", c_void_p),
        ("threads", c_int32),
        ("dump_dir", c_char_p),
    ]


class Module:
    def __init__(self, atrous, handle):
        self.atrous, self.handle = atrous, handle

    def __del__(self):
        self.atrous.lib.atr_module_destroy(self.handle)

    def parameters(self):
        lib = self.atrous.lib
        return [
            lib.atr_module_parameter_shape(self.handle, i).contents.of_numpy()
            for i in range(lib.atr_module_parameter_count(self.handle))
        ]

    def parameter_name(self, index):
        return self.atrous.lib.atr_module_parameter_name(self.handle, index).decode()

    def results(self):
        lib = self.atrous.lib
        return [
            lib.atr_module_result_shape(self.handle, i).contents.of_numpy()
            for i in range(lib.atr_module_result_count(self.handle))
        ]

    def text(self):
        out = c_char_p()
        self.atrous.check(self.atrous.lib.atr_module_print(self.atrous.context, self.handle, byref(out)))
        text = out.value.decode()
        self.atrous.lib.atr_string_free(self.atrous.context, out)
        return text

    def gradient(self, parameter):
        out = c_void_p()
        self.atrous.check(
            self.atrous.lib.atr_module_gradient(self.atrous.context, self.handle, c_int32(parameter), byref(out))
        )
        return Module(self.atrous, out)

    def pointers(self, arrays):
        """The arguments and new results, both as arrays of pointers."""
        wanted, given = self.parameters(), [(a.dtype, a.shape) for a in arrays]
        if wanted != given:
            spell = lambda types: ", ".join("%s%s" % (NAMES[dtype], list(shape)) for dtype, shape in types)
            raise Refused("the module's parameters are %s, the operator's arrays %s" % (spell(wanted), spell(given)))
        arrays = [np.ascontiguousarray(a) for a in arrays]
        results = [np.empty(shape, dtype) for dtype, shape in self.results()]
        of = lambda list: (c_void_p * max(1, len(list)))(*(a.ctypes.data for a in list))
        return arrays, results, of(arrays), of(results)

    def run(self, arrays):
        lib, check = self.atrous.lib, self.atrous.check
        arrays, results, args, outs = self.pointers(arrays)
        executable = c_void_p()
        check(lib.atr_compile(self.atrous.context, self.handle, None, byref(executable)))
        try:
            check(lib.atr_executable_run(executable, args, outs, None))
        finally:
            lib.atr_executable_release(executable)
        return results

    def interpret(self, arrays):
        arrays, results, args, outs = self.pointers(arrays)
        self.atrous.check(self.atrous.lib.atr_module_interpret(self.atrous.context, self.handle, args, outs))
        return results


class Atrous:
    def __init__(self, path):
        self.lib = lib = ctypes.CDLL(path)
        for name in ("atr_module_parameter_shape", "atr_module_result_shape"):
            getattr(lib, name).restype = POINTER(Shape)
        lib.atr_context_message.restype = lib.atr_status_name.restype = lib.atr_module_parameter_name.restype = c_char_p
        lib.atr_executable_release.restype = lib.atr_module_destroy.restype = None
        for name in ("atr_module_parameter_shape", "atr_module_result_shape", "atr_module_parameter_name"):
            getattr(lib, name).argtypes = [c_void_p, c_int32]
        for name in ("atr_module_parameter_count", "atr_module_result_count", "atr_module_destroy", "atr_executable_release"):
            getattr(lib, name).argtypes = [c_void_p]
        lib.atr_context_message.argtypes = [c_void_p]
        lib.atr_string_free.argtypes = [c_void_p, c_char_p]
        self.context = c_void_p()
        options = ContextOptions(size=ctypes.sizeof(ContextOptions), threads=1)
        self.check(lib.atr_context_create(byref(options), byref(self.context)))

    def check(self, status):
        if status != 0:
            message = self.lib.atr_context_message(self.context) if self.context else b""
            raise Refused("%s: %s" % (self.lib.atr_status_name(status).decode(), message.decode()))

    def import_call(self, operator, pairs):
        words = (c_char_p * max(1, len(pairs)))(*(p.encode() for p in pairs))
        out = c_void_p()
        self.check(self.lib.atr_import(self.context, operator.encode(), words, c_int32(len(pairs)), byref(out), None))
        return Module(self, out)

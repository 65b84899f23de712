"""The worker of Atrous, spoken to directly: right boxes and outputs are found right, wrong ones wrong, and wrong requests are
answered."""

import subprocess
import sys

from problems import Problem

ROW = {
    "name": "small",
    "network": "n",
    "kind": "conv_general_dilated",
    "window_strides": [1, 1],
    "padding": [[1, 1], [1, 1]],
    "lhs_shape": [2, 9, 9, 5],
    "rhs_shape": [3, 3, 5, 8],
    "dimension_numbers": ["NHWC", "HWIO", "NHWC"],
}
worker = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(request, want):
    worker.stdin.write(request + "\n")
    worker.stdin.flush()
    reply = worker.stdout.readline().strip()
    if not reply.startswith(want):
        raise SystemExit(f"FAILED: {request}: {reply}, not {want}")
    return reply


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


for dtype in ("f32", "f64", "bf16", "f16", "s8", "u8s8", "c64", "s32"):
    problem = Problem({**ROW, "dtype": dtype})
    boxes = problem.boxes(2000)
    write("whole.hlo", problem.hlo().encode())
    for i, box in enumerate(boxes):
        write(f"box{i}.hlo", problem.hlo(box).encode())
    ask("check file=box0.hlo at=0x0x0x0", "error")
    reply = ask("prepare file=whole.hlo constant=2", "ok create_ns=")
    if " compile_ns=" not in reply or " scratch=" not in reply:
        raise SystemExit(f"FAILED: prepare says {reply}")
    if not ask("run 0", "ok min_ns=").endswith(" runs=1"):
        raise SystemExit("FAILED: no time is enough for one run")
    if ask("run 100000000", "ok min_ns=").endswith(" runs=1"):
        raise SystemExit("FAILED: a tenth of a second is enough for many")
    for i, box in enumerate(boxes):
        ask(f"check file=box{i}.hlo at={problem.box_place(box)}", "ok same=1")
    ask(f"check file=box0.hlo at={problem.box_place(boxes[2])}", "ok same=0")  # the fill differs from place to place
    ask("check file=box0.hlo at=2x0x0x0", "error")
    ask("output result", "ok bytes=")
    ask("compare file=result", "ok same=1")
    with open("result", "rb") as file:
        data = bytearray(file.read())
    data[len(data) // 2 | 7] ^= 0x40
    write("result", data)
    ask("compare file=result", "ok same=0")
    write("result", data[:-1])
    ask("compare file=result", "error")

write("wrong.hlo", b"HloModule wrong\n")
ask("prepare file=wrong.hlo", "refused wrong.hlo")
ask("run 1", "error")
ask("prepare file=missing.hlo", "error")
ask("peak f32 1 0", "ok gflops=")
ask("peak f64 2 128", "ok gflops=")
ask("version", "ok version=")
ask("drop", "ok")
ask("dance", "error")
worker.stdin.write("quit\n")
worker.stdin.close()
if worker.wait() != 0:
    raise SystemExit("FAILED: quit")

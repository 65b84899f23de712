"""The contenders of the benchmark: what starts each, and the process that is it.

In: a name, the cores to run on, a CPU to pretend to have. Out: a Worker that answers requests (worker.h has the protocol). A
contender is a row of CONTENDERS; one that cannot be started says why, and is named in the report."""

import fnmatch
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PREPARE_SECONDS = 100  # oneDNN has been seen to take 70 s to make one primitive
OTHER_SECONDS = 300


class Missing(Exception):
    """The contender is not on this machine."""


class Died(Exception):
    """The worker is gone or hangs; a new one has to be started."""


# Levels of x86-64's vector extensions, by their bits in `atrousc targets`, where several rows have the same, as each library
# calls them.
ONEDNN_ISA = {512: "AVX512_CORE", 256: "AVX2", 128: "SSE41"}
XLA_ISA = {512: "AVX512", 256: "AVX2", 128: "SSE4_2"}


class Settings:
    """What all contenders of a run have in common. level: bits of the vectors of the CPU that --cpu selects; None: this
    machine's. delay: "ROW:PERCENT", by how much Atrous is made slower on which rows."""

    def __init__(self, build, cpu=None, level=None, python=sys.executable, delay=None):
        self.build, self.cpu, self.level, self.python, self.delay = build, cpu, level, python, delay


class Contender:
    def __init__(self, name, title, program):
        self.name, self.title, self.program = name, title, program

    def command(self, settings):
        if self.program.endswith(".py"):
            return [settings.python, os.path.join(HERE, self.program)]
        return [os.path.join(settings.build, "bench", self.program)]

    def environment(self, settings, threads):
        """What to add to the environment; raises Missing if the contender cannot be kept to the settings."""
        return {"OMP_NUM_THREADS": str(threads), "PYTHONDONTWRITEBYTECODE": "1"}

    def request(self, problem, settings, threads, hlo):
        """The prepare request, or "!REASON" where the contender has no words for the problem."""
        return json.dumps(problem.describe(), separators=(",", ":"))


class Atrous(Contender):
    def request(self, problem, settings, threads, hlo):
        text = f"file={hlo} constant={problem.constant()} threads={threads}"
        text += f" cpu={settings.cpu}" if settings.cpu else ""
        row, _, percent = (settings.delay or "").rpartition(":")
        return text + (f" delay={percent}" if row and fnmatch.fnmatch(problem.id, row) else "")


class OneDnn(Contender):
    def environment(self, settings, threads):
        limit = {"ONEDNN_MAX_CPU_ISA": ONEDNN_ISA[settings.level]} if settings.level else {}
        return {**super().environment(settings, threads), **limit}

    def request(self, problem, settings, threads, hlo):
        return problem.onednn()


class Python(Contender):
    """module: what must be importable; limit: how the library is kept to a level of vector extensions, None if it cannot be."""

    def __init__(self, name, title, program, module, limit=None):
        super().__init__(name, title, program)
        self.module, self.limit = module, limit

    def environment(self, settings, threads):
        if settings.level and self.limit is None:
            raise Missing(f"{self.title} cannot be kept to the instructions of {settings.cpu}")
        return {**super().environment(settings, threads), **(self.limit(settings.level) if settings.level else {})}


CONTENDERS = {
    c.name: c
    for c in (
        Atrous("atrous", "Atrous", "worker_atrous"),
        OneDnn("onednn", "oneDNN", "worker_onednn"),
        Python("xla", "XLA:CPU", "worker_jax.py", "jax", lambda level: {"XLA_FLAGS": f"--xla_cpu_max_isa={XLA_ISA[level]}"}),
        Python("onnxruntime", "ONNX Runtime", "worker_onnxruntime.py", "onnxruntime"),
        Python("openvino", "OpenVINO", "worker_openvino.py", "openvino"),
    )
}


class Worker:
    """One contender's process, pinned to `cores`."""

    def __init__(self, contender, settings, cores):
        self.contender, self.settings, self.cores = contender, settings, cores
        command = contender.command(settings)
        if not os.path.exists(command[-1]):
            raise Missing(f"{contender.title}: {os.path.relpath(command[-1])} is not built")
        environment = {**os.environ, **contender.environment(settings, len(cores))}
        start = time.perf_counter_ns()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        self.pending = b""
        try:
            word, fields = self.ask("version", OTHER_SECONDS)
        except Died:
            raise Missing(f"{contender.title} does not start: {self.complaint(command, environment)}") from None
        self.start_ns = time.perf_counter_ns() - start
        self.version = fields.get("version", "")

    @staticmethod
    def complaint(command, environment):
        """The last line that the program writes when started by itself."""
        run = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, text=True, timeout=OTHER_SECONDS
        )
        lines = [line for line in run.stderr.splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit status {run.returncode}"

    def _line(self, seconds):
        end = time.monotonic() + seconds
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not data:
                self.close()
                raise Died(f"no answer in {seconds} s" if not ready else f"it crashed (exit status {self.process.returncode})")
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode(errors="replace")

    def ask(self, request, seconds=OTHER_SECONDS):
        """Word of the reply and its KEY=VALUE fields; for refused and error {"reason": ...}."""
        try:
            self.process.stdin.write(request.encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            self.close()
            raise Died("it crashed") from None
        word, _, rest = self._line(seconds).partition(" ")
        if word != "ok":
            return word, {"reason": rest}
        return word, dict(item.split("=", 1) for item in rest.split(" ") if "=" in item)

    def _signal(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def rest(self):
        """Stops all its threads where they are: in OpenMP and XLA idle ones spin for a while, on the cores of whose turn it is."""
        self._signal(signal.SIGSTOP)

    def wake(self):
        self._signal(signal.SIGCONT)

    def prepare(self, problem, hlo):
        request = self.contender.request(problem, self.settings, len(self.cores), hlo)
        if request.startswith("!"):
            return "refused", {"reason": request[1:]}
        return self.ask("prepare " + request, PREPARE_SECONDS)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def is_installed(contender, settings):
    """Whether the contender's module or program is there, without starting it."""
    if not isinstance(contender, Python):
        return os.path.exists(contender.command(settings)[-1])
    if settings.python == sys.executable:
        return importlib.util.find_spec(contender.module) is not None
    find = f"import importlib.util as u; raise SystemExit(u.find_spec('{contender.module}') is None)"
    try:
        return subprocess.run([settings.python, "-c", find], capture_output=True).returncode == 0
    except OSError:
        return False

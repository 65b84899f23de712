#!/usr/bin/env python3
"""bench.py - how fast is Atrous, and how fast are its peers, on the problems of suite.json and additions.json?

    ./dev bench                                      everything, about ten minutes; the report goes to doc/
    ./dev bench 'resnet*3x3*' --layout nhwc,nchw     some rows; the report goes to build/bench
    ./dev bench --family depthwise --peers onednn --threads 1 --seconds 2
    bench/bench.py --compare old.json new.json       names rows that became slower; exit status 1 if there are any

Contenders are processes of their own (contenders.py), pinned to the same cores. For a row each prepares the problem
(compiles, packs weights), then they are timed in turns, A B C A B C, several rounds, all but the one whose turn it is
being stopped; what counts is the least time of each. The FMA peak is measured in the same minute. Atrous's result is
compared with its interpreter on boxes of the output, and every peer's whole result with Atrous's, so all timed programs
are known to compute the same thing. A peer that is missing, or refuses a row, is named, and the row counts for nobody.

Measured rows are kept as lines of build/bench/results.jsonl: an interrupted run goes on where it stopped, as long as the
library, the row and the settings are the same (--fresh forgets them)."""

import argparse
import fnmatch
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time

import report
from contenders import CONTENDERS, Died, Missing, Settings, Worker, is_installed
from problems import HERE, Problem, load

ROUNDS = 7
BOX_PRODUCTS = 300000  # of each box that the interpreter computes
FORMAT = 1  # of the lines in results.jsonl


# ---- which rows


def all_rows():
    return load(os.path.join(HERE, "suite.json")) + load(os.path.join(HERE, "additions.json"))


def has_own_layout(row):
    """Rows about layouts are measured as they are."""
    return "minor_to_major" in row or row.get("network") == "layouts"


def select_problems(options, rows):
    """Problems in the order of the files, each layout asked for."""
    out = []
    for row in rows:
        for layout in ["asis"] if has_own_layout(row) else options.layout:
            problem = Problem(row, layout)
            names = [problem.id, row["name"]]
            if options.rows and not any(fnmatch.fnmatch(n, pattern) for n in names for pattern in options.rows):
                continue
            if options.family and not any(fnmatch.fnmatch(problem.family(), f) for f in options.family):
                continue
            if options.dtype and problem.dtype not in options.dtype:
                continue
            out.append(problem)
    return out


# ---- one row


def write_modules(problem, folder):
    """The module's file, and pairs of a box's file and its place."""
    path = os.path.join(folder, f"{problem.id}.{problem.layout}.{problem.dtype}.hlo")
    with open(path, "w") as file:
        file.write(problem.hlo())
    boxes = []
    for i, box in enumerate(problem.boxes(BOX_PRODUCTS)):
        boxes.append((path[:-4] + f".box{i}.hlo", problem.box_place(box)))
        with open(boxes[-1][0], "w") as file:
            file.write(problem.hlo(box))
    return path, boxes


class Field:
    """The contenders that are there, one worker each and number of cores; a worker that died is started anew for the next
    row."""

    def __init__(self, names, settings, cores):
        self.names, self.settings, self.cores = names, settings, cores
        self.workers, self.missing = {}, {}

    def worker(self, name, threads):
        key = name, threads
        if name in self.missing:
            return None
        if key not in self.workers or self.workers[key].process.poll() is not None:
            try:
                self.workers[key] = Worker(CONTENDERS[name], self.settings, self.cores[:threads])
            except Missing as reason:
                self.missing[name] = str(reason)
                return None
        return self.workers[key]

    def close(self):
        for worker in self.workers.values():
            worker.close()


def prepare_all(field, problem, threads, hlo):
    """Workers with the problem made, and what each said."""
    ready, said = {}, {}
    for name in field.names:
        worker = field.worker(name, threads)
        if worker is None:
            continue
        try:
            word, fields = worker.prepare(problem, hlo)
        except Died as reason:
            word, fields = "error", {"reason": str(reason)}
        if word == "ok":
            ready[name] = worker
            said[name] = {key: int(value) if value.lstrip("-").isdigit() else value for key, value in fields.items()}
            said[name]["version"] = worker.version
        else:
            said[name] = {word if word == "refused" else "failed": fields["reason"]}
    return ready, said


def lose(ready, said, name, reason):
    """Records who died as failed; it is asked no more on this row."""
    said[name] = {"failed": str(reason)}
    del ready[name]


class Turns:
    """What the turns of one contender came to."""

    def __init__(self):
        self.least, self.medians, self.runs, self.spent_ns = [], [], 0, 0

    def take(self, worker, share):
        start = time.monotonic_ns()
        word, fields = worker.ask(f"run {share}")
        if word != "ok":
            raise Died(fields["reason"])
        self.spent_ns += time.monotonic_ns() - start
        self.runs += int(fields["runs"])
        self.least.append(int(fields["min_ns"]))
        self.medians.append(int(fields["median_ns"]))

    def said(self):
        median = sorted(self.medians)[len(self.medians) // 2]
        return {"rounds": self.least, "runs": self.runs, "min_ns": min(self.least), "median_ns": median}


def take_turns(ready, said, share, turns):
    """Rounds in which everyone runs for `share` ns, one after the other, while all others are stopped; whose runs take longer
    than that gets fewer rounds. Who fails leaves `ready`."""
    for _ in range(ROUNDS):
        for name, worker in list(ready.items()):
            if turns[name].spent_ns >= ROUNDS * share:
                continue
            worker.wake()
            try:
                turns[name].take(worker, share)
            except Died as reason:
                lose(ready, said, name, reason)
            worker.rest()


def time_all(ready, said, seconds):
    """Adds to what is said of everyone who is ready how long its runs took."""
    share, turns = int(seconds * 1e9 / ROUNDS / max(1, len(ready))), {name: Turns() for name in ready}
    for worker in ready.values():
        worker.rest()
    try:
        take_turns(ready, said, share, turns)
    finally:
        for worker in ready.values():
            worker.wake()
    for name in ready:
        said[name].update(turns[name].said())


def check_atrous(worker, boxes):
    """Worst of the comparisons with the interpreter; same is 1 when all agree."""
    out = {"same": 1, "elements": 0, "largest": 0.0, "bound": 0.0}
    for path, place in boxes:
        word, fields = worker.ask(f"check file={path} at={place}")
        if word != "ok":
            return {"same": 0, "reason": fields["reason"]}
        out["same"] &= int(fields["same"])
        out["elements"] += int(fields["elements"])
        out["largest"], out["bound"] = max(out["largest"], float(fields["largest"])), max(out["bound"], float(fields["bound"]))
    return out


def compare_peers(ready, said, folder):
    """Every peer's whole result with Atrous's."""
    path = os.path.join(folder, f"output.{os.getpid()}")
    try:
        for name, worker in list(ready.items()):
            if name == "atrous":
                continue
            try:
                word, _ = worker.ask(f"output {path}")
            except Died as reason:
                lose(ready, said, name, reason)
                continue
            word, fields = ready["atrous"].ask(f"compare file={path}") if word == "ok" else ("error", {})
            said[name]["same"] = int(fields["same"]) if word == "ok" else 0
    finally:
        if os.path.exists(path):
            os.remove(path)


def measure_peak(worker, dtype, threads, level):
    kind = "f64" if dtype == "f64" else "f32"
    _, fields = worker.ask(f"peak {kind} {threads} {level or 0}")
    return {"dtype": kind, "gflops": float(fields["gflops"]), "bits": int(fields["bits"])}


def measure_row(field, problem, threads, options, folder):
    """One line of results.jsonl, without its key."""
    hlo, boxes = write_modules(problem, folder)
    ready, said = prepare_all(field, problem, threads, hlo)
    flops, useful = problem.operations()
    line = {
        "id": problem.id,
        "row": problem.row["name"],
        "network": problem.row["network"],
        "family": problem.family(),
        "kind": problem.row["kind"],
        "dtype": problem.dtype,
        "layout": problem.layout,
        "threads": threads,
        "cpu": options.cpu,
        "flops": flops,
        "useful_flops": useful,
        "contenders": said,
    }
    ours = ready.get("atrous")
    try:
        if "atrous" in ready:
            before = measure_peak(ours, problem.dtype, threads, field.settings.level)
            time_all(ready, said, options.seconds)
        if "atrous" in ready:
            after = measure_peak(ours, problem.dtype, threads, field.settings.level)
            line["peak"] = max(before, after, key=lambda p: p["gflops"])
            line["check"] = check_atrous(ours, boxes)
            compare_peers(ready, said, folder)
    except Died as reason:  # Atrous: peers that die are seen where they are asked
        lose(ready, said, "atrous", reason)
    for name, worker in list(ready.items()):
        try:
            worker.ask("drop")
        except Died as reason:
            lose(ready, said, name, reason)
    return line


# ---- first calls


def measure_cold(name, problem, settings, core, folder):
    """A process of its own for one problem: start, make, first run."""
    hlo, _ = write_modules(problem, folder)
    try:
        worker = Worker(CONTENDERS[name], settings, [core])
        word, fields = worker.prepare(problem, hlo)
        worker.close()
    except (Missing, Died) as reason:
        word, fields = "error", {"reason": str(reason)}
    if word != "ok":
        return {"refused": fields["reason"]}
    return {"start_ns": worker.start_ns, "create_ns": int(fields["create_ns"]), "first_ns": int(fields["first_ns"])}


def cold_problems(problems):
    """One of each family, in f32: the first."""
    first = {}
    for problem in problems:
        if problem.dtype == "f32":
            first.setdefault(problem.family(), problem)
    return list(first.values())


# ---- the store


def digest(*parts):
    text = hashlib.sha256()
    for part in parts:
        text.update(part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode())
    return text.hexdigest()[:16]


def library_digest(build):
    path = os.path.join(build, ".libs", "libatrous.so.0")
    with open(path, "rb") as file:
        return digest(file.read())


class Store:
    """results.jsonl: the last line of a key counts. A line that was cut short by an interruption is left out."""

    def __init__(self, path, fresh):
        self.path, self.lines = path, {}
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if fresh and os.path.exists(path):
            os.remove(path)
        if os.path.exists(path):
            with open(path) as file:
                for text in file:
                    try:
                        line = json.loads(text)
                    except ValueError:
                        continue
                    if line.get("format") == FORMAT:
                        self.lines[line["key"]] = line

    def add(self, key, line):
        line = {"format": FORMAT, "key": key, "time": time.strftime("%Y-%m-%dT%H:%M:%S"), **line}
        self.lines[key] = line
        with open(self.path, "a") as file:
            file.write(json.dumps(line) + "\n")


# ---- the run


class Progress:
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, total):
        self.total, self.done, self.start, self.said = total, 0, time.monotonic(), 0.0

    def step(self, text):
        self.done += 1
        spent = time.monotonic() - self.start
        left = spent / self.done * (self.total - self.done)
        message = f"{self.done}/{self.total}, {left / 60:.0f} min left, {text}"
        if sys.stderr.isatty():
            bar = "#" * (24 * self.done // max(1, self.total))
            print(f"\r[{bar:<24}] {message:<80.80}", end="\n" if self.done == self.total else "", file=sys.stderr, flush=True)
        elif spent - self.said > 20 or self.done == self.total:
            self.said = spent
            print(f"bench: {message}", file=sys.stderr, flush=True)


def thread_counts(text, cores):
    counts = []
    for word in text.split(","):
        count = len(cores) if word == "all" else int(word)
        if not 1 <= count <= len(cores):
            raise SystemExit(f"bench.py: --threads={word}: there are {len(cores)} cores")
        counts.append(count)
    return sorted(set(counts))


def cpu_level(build, cpu):
    """Bits of the vectors of this CPU: of the row that `atrousc targets` marks for it."""
    run = subprocess.run([os.path.join(build, "atrousc"), "targets", f"--cpu={cpu}"], capture_output=True, text=True)
    marked = [line.split()[2:5] for line in run.stdout.splitlines() if line.startswith("* ")]
    if run.returncode != 0 or not marked or marked[0][0] != "x86_64":
        raise SystemExit(f"bench.py: --cpu={cpu}: {run.stderr.strip() or 'no x86-64 CPU'}")
    return int(marked[0][2])


def machine():
    model = "unknown CPU"
    try:
        with open("/proc/cpuinfo") as file:
            model = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return model


def run(options):
    cores = sorted(os.sched_getaffinity(0)) if not options.cores else [int(c) for c in options.cores.split(",")]
    cores = cores[::-1]  # the first core has the interrupts; one thread runs on the last
    level = cpu_level(options.build, options.cpu) if options.cpu else None
    settings = Settings(options.build, options.cpu, level, options.python, options.delay)
    names = ["atrous"] + [
        n for n in (options.peers.split(",") if options.peers else list(CONTENDERS)) if n not in ("atrous", "none")
    ]
    unknown = [n for n in names if n not in CONTENDERS]
    if unknown:
        raise SystemExit(f"bench.py: --peers: {unknown[0]} is none of {', '.join(list(CONTENDERS)[1:])}")
    field = Field([n for n in names if is_installed(CONTENDERS[n], settings)], settings, cores)
    for name in names:
        if name not in field.names:
            field.missing[name] = f"{CONTENDERS[name].title} is not installed"
    problems = select_problems(options, options.suite)
    if not problems:
        raise SystemExit("bench.py: no row is selected")
    path = os.path.abspath(options.store or os.path.join(options.build, "bench", "results.jsonl"))
    store = Store(path, options.fresh)
    library = library_digest(options.build)
    identity = lambda problem, what: digest(
        FORMAT,
        problem.row,
        problem.layout,
        what,
        options.cpu,
        options.seconds,
        options.delay,
        library,
        field.names,
        ROUNDS,
        cores,
    )
    cold = cold_problems(problems) if options.cold else []
    work = [("cold", p, n, identity(p, ["cold", n])) for p in cold for n in field.names]
    work += [("row", p, t, identity(p, t)) for t in thread_counts(options.threads, cores) for p in problems]
    load = round(os.getloadavg()[0], 1)
    progress = Progress(sum(key not in store.lines for _, _, _, key in work))
    try:
        with tempfile.TemporaryDirectory(prefix="atrous-bench.") as folder:
            for kind, problem, what, key in work:
                if key in store.lines:
                    continue
                if kind == "row":
                    store.add(key, {"what": "row", **measure_row(field, problem, what, options, folder)})
                else:
                    result = measure_cold(what, problem, settings, cores[0], folder)
                    store.add(key, {"what": "cold", "id": problem.id, "family": problem.family(), "contender": what, **result})
                progress.step(problem.id)
    except KeyboardInterrupt:
        print("\nbench: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    finally:
        field.close()
    lines = [store.lines[key] for _, _, _, key in work]
    data = {
        "format": FORMAT,
        "machine": machine(),
        "cores": cores,
        "cpu": options.cpu,
        "load": load,
        "date": time.strftime("%Y-%m-%d"),
        "contenders": {n: CONTENDERS[n].title for n in field.names if n not in field.missing},
        "missing": field.missing,
        "seconds": options.seconds,
        "rounds": ROUNDS,
        "rows": [l for l in lines if l["what"] == "row"],
        "cold": [l for l in lines if l["what"] == "cold"],
    }
    default = parse([])
    partial = ("rows", "family", "dtype", "layout", "threads", "peers", "cpu", "cores", "cold", "delay")
    whole = all(getattr(options, name) == getattr(default, name) for name in partial)
    out = options.out or (os.path.join(os.path.dirname(HERE), "doc") if whole else os.path.dirname(path))
    print(report.write(data, out))
    return 1 if any(who == "atrous" for _, who, _ in report.wrong_rows(data)) else 0


def parse(arguments):
    comma = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help="names or globs of rows, with or without the network (default: all)"
    )
    parser.add_argument("--family", type=comma, help="families, separated by commas: dense, 1x1, stem, depthwise, ...")
    parser.add_argument("--dtype", type=comma, help="f32, f64, bf16, f16, s8, u8s8, c64, s32")
    parser.add_argument("--layout", type=comma, default=["nhwc"], help="nhwc, nchw, asis (as the row has it); default nhwc")
    parser.add_argument("--threads", default="1,all", help="numbers of threads, or all; default 1,all")
    parser.add_argument("--peers", help="contenders beside Atrous, or none; default: all that are installed")
    parser.add_argument("--cpu", help="CPU to compile for; peers are kept to its vector extension")
    parser.add_argument("--cores", help="cores to pin to; default: all this process may use")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="time for the runs of a row, all contenders together; default 1"
    )
    parser.add_argument("--no-cold", dest="cold", action="store_false", help="leave out first calls in processes of their own")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--out", help="folder of the report; default: doc for a whole run, build/bench for a part")
    parser.add_argument("--build", default=os.path.join(os.path.dirname(HERE), "build"), help="build folder; default build")
    parser.add_argument("--python", default=sys.executable, help="Python with the peers' modules")
    parser.add_argument("--store", help="file of measured rows; default results.jsonl in build/bench")
    parser.add_argument("--delay", metavar="ROW:PERCENT", help="make Atrous slower on these rows (a test of this program)")
    parser.add_argument(
        "--compare", nargs=2, metavar=("OLD", "NEW"), help="compare two reports' JSON files and do nothing else"
    )
    options = parser.parse_args(arguments)
    bad = [l for l in options.layout if l not in ("nhwc", "nchw", "asis")]
    if bad:
        parser.error(f"--layout: nhwc, nchw or asis, got {bad[0]}")
    return options


def main(arguments):
    options = parse(arguments)
    if options.compare:
        text, slower = report.compare(load(options.compare[0]), load(options.compare[1]))
        print(text)
        return 1 if slower else 0
    options.build = os.path.abspath(options.build)
    options.suite = all_rows()
    return run(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

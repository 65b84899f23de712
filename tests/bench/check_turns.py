"""Contenders take turns: whoever runs runs alone, all others being stopped, and is left as it was found."""

import os
import sys
import time

import bench
from contenders import CONTENDERS, Died, Settings, Worker


def fail(text):
    raise SystemExit(f"FAILED: {text}")


class Recorded:
    """A worker that remembers whether it is stopped, and who was not when it ran."""

    def __init__(self, name, all_of_them, dies_at=None):
        self.name, self.others, self.awake, self.runs, self.dies_at = name, all_of_them, True, 0, dies_at
        all_of_them.append(self)

    def rest(self):
        self.awake = False

    def wake(self):
        self.awake = True

    def ask(self, request):
        awake = [other.name for other in self.others if other.awake]
        if awake != [self.name]:
            fail(f"{self.name} runs while {awake} are awake")
        self.runs += 1
        if self.runs == self.dies_at:
            raise Died("as it was told to")
        return "ok", {"min_ns": "1000000", "median_ns": "1100000", "runs": "3"}


def check_order():
    workers = []
    ready = {name: Recorded(name, workers, dies_at=3 if name == "b" else None) for name in "abc"}
    said = {name: {} for name in ready}
    bench.time_all(ready, said, 100)
    if sorted(ready) != ["a", "c"] or said["b"] != {"failed": "as it was told to"}:
        fail(f"who died is still there: {said}")
    if said["a"]["min_ns"] != 1000000 or len(said["a"]["rounds"]) != bench.ROUNDS:
        fail(f"not all rounds are there: {said['a']}")
    if said["a"]["median_ns"] != 1100000 or said["a"]["runs"] != 3 * bench.ROUNDS:
        fail(f"not all runs are counted: {said['a']}")
    if not all(ready[name].awake for name in ready):
        fail("someone is left stopped")


class Slow(Recorded):
    """Its runs take longer than all rounds may."""

    def ask(self, request):
        time.sleep(0.01)
        return super().ask(request)


def check_rounds():
    said = {"slow": {}}
    bench.time_all({"slow": Slow("slow", [])}, said, 0.001)
    if len(said["slow"]["rounds"]) != 1:
        fail(f"who is slow got {len(said['slow']['rounds'])} rounds")


def state_of(worker):
    with open(f"/proc/{worker.process.pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def check_process(build):
    """A real one is stopped by rest, and answers after wake."""
    worker = Worker(CONTENDERS["atrous"], Settings(build), [min(os.sched_getaffinity(0))])
    worker.rest()
    while state_of(worker) != "T":
        time.sleep(0.001)
    worker.wake()
    word, _ = worker.ask("version")
    if word != "ok":
        fail(f"after wake it says {word}")
    worker.rest()
    worker.close()  # also of one that is stopped
    worker.rest()  # and nothing is signalled that is gone


check_order()
check_rounds()
check_process(sys.argv[1])

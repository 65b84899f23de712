"""A contender that dies, at whichever request, is recorded as failed; the run goes on, and a second one has nothing to do."""

import json
import os
import sys

import bench
from contenders import CONTENDERS, Contender

PLANTED = """import os, sys
replies = {
    "version": "version=1",
    "prepare": "create_ns=1 first_ns=1 compile_ns=1 scratch=0",
    "run": "min_ns=1000 median_ns=1000 runs=1",
    "peak": "gflops=1 bits=128",
    "check": "same=1 elements=1 largest=0 bound=0",
    "compare": "same=1",
    "output": "bytes=0",
    "drop": "",
}
for line in sys.stdin:
    word = line.split()[0]
    if word == os.environ["DIES_AT"]:
        sys.exit(3)
    print("ok", replies[word], flush=True)
"""
ROWS = ("k7_d4_mb1", "g1_mb1")


def fail(text):
    raise SystemExit(f"FAILED: {text}")


class Planted(Contender):
    """Answers everything but the request that it dies at."""

    def __init__(self, name, dies_at):
        super().__init__(name, name, "planted")
        self.dies_at = dies_at

    def command(self, settings):
        return [sys.executable, os.path.abspath("planted.py")]

    def environment(self, settings, threads):
        return {"DIES_AT": self.dies_at}


def measured(build, store):
    """The exit status of a run of both rows, and what it stored."""
    arguments = ["--peers", "peer", "--threads", "1", "--seconds", "0.001", "--no-cold", "--out", "deaths"]
    status = bench.main([*ROWS, *arguments, "--build", build, "--store", store])
    with open(store) as file:
        return status, [json.loads(line) for line in file]


def check_death(build, who, request):
    for name in ("atrous", "peer"):
        CONTENDERS[name] = Planted(name, request if name == who else "")
    store = f"{who}.{request}.jsonl"
    status, lines = measured(build, store)
    if status != (who == "atrous") or len(lines) != len(ROWS):
        fail(f"{who} dies at {request}: exit status {status}, {len(lines)} rows")
    for line in lines:
        failed = {name: said["failed"] for name, said in line["contenders"].items() if "failed" in said}
        if list(failed) != [who] or "crashed" not in failed[who]:
            fail(f"{who} dies at {request}: failed are {failed}")
    with open("deaths/bench.md") as file:
        if "differs" in file.read():
            fail(f"{who} dies at {request}: the report says that results differ")
    if len(measured(build, store)[1]) != len(ROWS):
        fail(f"{who} dies at {request}: a second run measures again")


with open("planted.py", "w") as file:
    file.write(PLANTED)
for at in ("prepare", "run", "output", "drop"):
    check_death(sys.argv[1], "peer", at)
for at in ("prepare", "run", "peak", "check", "compare", "drop"):
    check_death(sys.argv[1], "atrous", at)

"""--cpu: every x86-64 CPU that Atrous knows has a level that the peers can be kept to."""

import subprocess
import sys

import bench
from contenders import CONTENDERS, Settings


def fail(text):
    raise SystemExit(f"FAILED: {text}")


def known_cpus(build, arch):
    run = subprocess.run([f"{build}/atrousc", "targets"], capture_output=True, text=True, check=True)
    words = next(line.split()[1:] for line in run.stdout.splitlines() if line.startswith(f"{arch}:"))
    return [word.rstrip("*") for word in words]


def check_peers(build):
    for cpu in known_cpus(build, "x86_64"):
        settings = Settings(build, cpu, bench.cpu_level(build, cpu))
        for name in ("onednn", "xla"):
            if len(CONTENDERS[name].environment(settings, 1)) <= len(CONTENDERS[name].environment(Settings(build), 1)):
                fail(f"{name} is not kept to the instructions of {cpu}")


def check_bits(build):
    for cpu, bits in (("x86-64-v2", 128), ("haswell", 256), ("icelake-server", 512), ("znver4", 512), ("znver5", 512)):
        if bench.cpu_level(build, cpu) != bits:
            fail(f"{cpu} has vectors of {bench.cpu_level(build, cpu)} bits")


def check_unknown(build):
    try:
        fail(f"no-such-cpu has vectors of {bench.cpu_level(build, 'no-such-cpu')} bits")
    except SystemExit as reason:
        if "unknown CPU" not in str(reason):
            raise


check_peers(sys.argv[1])
check_bits(sys.argv[1])
check_unknown(sys.argv[1])
